//! Who holds which text: receipts that must be true, payloads that must have come, and texts that must be gone.

use std::collections::BTreeSet;
use std::io::Write;

use antiphon_core::custody::Custody;
use antiphon_core::event::Subject;
use antiphon_core::ids::FactId;
use antiphon_core::log::{LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_store::{Draft, LogView, Reader};

use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::jobs::Job;
use crate::options::Sabotage;
use crate::plan::Policy;
use crate::workload;
use crate::world::World;

/// Events of a receipt that are looked up in the database.
const SAMPLES: usize = 3;
/// Missing payloads that are looked at in the end; no world has more.
const MISSING_MAX: usize = 100_000;

/// A text that is missing and could be had.
#[derive(Debug)]
pub(crate) struct Owed {
    node: usize,
    log: LogId,
    seq: u64,
    by: usize,
}

impl World {
    /// A node is about to sign what it holds: all of it must be on its disk.
    pub(crate) fn check_receipt(&mut self, node: usize, custody: &Custody) -> Step {
        if self.is_equivocator(node) {
            return Ok(());
        }
        self.tally.exercised.add(Class::Receipt, 1);
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let same = |last: &Custody| (&last.heads, &last.gaps) == (&custody.heads, &custody.gaps);
        if self.model.receipts.get(&node).is_some_and(same) {
            return Ok(());
        }
        let kept = self.check_custody(&up.db.reader(), custody, &BTreeSet::new())?;
        need(kept.is_none(), Law::ReceiptsAreTrue, || format!("n{node} signs for {}", kept.unwrap_or_default()))?;
        self.model.receipts.insert(node, custody.clone());
        Ok(())
    }

    /// A node came back: what it signed for is still there.
    pub(crate) fn check_last_receipt(&self, node: usize) -> Step {
        let (Some(custody), Some(up)) = (self.model.receipts.get(&node), self.nodes[node].up.as_ref()) else {
            return Ok(());
        };
        // An own log that gives way to what others hold keeps its events elsewhere.
        let mut custody = custody.clone();
        custody.heads.retain(|log, _| !self.model.gives_way.contains(&(node, log.store)));
        // A receipt claims no text of what was erased when it was signed, and nobody gives one back only because the
        // log of the erasure turns out to have branches. The node says so in its next receipt.
        let none = BTreeSet::new();
        let erased = self.model.erased_by.get(&node).unwrap_or(&none);
        let lost = self.check_custody(&up.db.reader(), &custody, erased)?;
        need(lost.is_none(), Law::ReceiptsAreTrue, || {
            format!("n{node} signed for {} and came back without", { lost.unwrap_or_default() })
        })
    }

    /// Cleans a node's files of what was erased, as its database does by itself between two jobs.
    pub(crate) fn clean_files(&mut self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        match if up.db.reader().purge_pending()? { up.db.purge() } else { Ok(true) } {
            Err(error) if !error.is_full() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// What of a receipt is not so: `None` when all of it is, but for the texts of facts that were `erased`. Of each log
    /// some events are looked at, others each time.
    fn check_custody(&self, reader: &Reader<'_>, custody: &Custody, erased: &BTreeSet<FactId>) -> Step<Option<String>> {
        let within = |log: LogId, seq: u64| {
            custody.gaps.iter().any(|gap| gap.log == log && (gap.first..=gap.last).contains(&seq))
        };
        let gone = |fact: Option<FactId>| fact.is_some_and(|fact| erased.contains(&fact));
        for (log, head) in &custody.heads {
            let hash = reader.header_hash_at(*log, head.seq)?;
            if hash != Some(head.hash) {
                return Ok(Some(format!("{log} up to {}", head.seq)));
            }
            let steps = usize::try_from(head.seq).unwrap_or(1).div_ceil(SAMPLES).max(1);
            let first = 1 + self.at % steps as u64;
            for seq in (first..=head.seq).step_by(steps) {
                let Some(event) = reader.event_at(*log, seq)? else { return Ok(Some(format!("event {seq} of {log}"))) };
                let there = event.payload().is_some() || within(*log, seq) || gone(event.header().subject.fact());
                if !there && !is_erased(reader, event.header().subject.fact())? {
                    return Ok(Some(format!("the text of event {seq} of {log}")));
                }
            }
        }
        Ok(None)
    }

    /// Something was committed: whatever is erased now has lost its texts on this node.
    pub(crate) fn note_erased(&mut self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let erased = self.model.erased_by.entry(node).or_default();
        for fact in self.model.to_erase.iter().filter(|fact| !erased.contains(fact)).copied().collect::<Vec<_>>() {
            if is_erased(&up.db.reader(), Some(fact))? {
                erased.insert(fact);
            }
        }
        Ok(())
    }

    /// Somebody forgets a fact for good: its author or a steward.
    pub(crate) fn erase(&mut self) -> Step {
        let node = self.random.index(self.plan.nodes);
        let id = self.nodes[node].id;
        let steward = self.is_steward(node) || self.membership(node).is_some_and(|held| held.is_steward(&id));
        let own = |fact: &FactId| steward || fact.is_by(&id);
        let facts: Vec<FactId> = self.model.shared_facts().filter(own).collect();
        let Some(fact) = self.random.pick(&facts).filter(|_| self.team(node).is_some() && !self.comes_back(node))
        else {
            return Ok(());
        };
        let provenance = workload::provenance(&mut self.random);
        self.model.to_erase.insert(fact);
        self.give(node, Job::Author(vec![Draft::Erase { fact, provenance }]));
        Ok(())
    }

    /// Texts that a member lacks, may have, and could get from another one.
    pub(crate) fn owed(&self, honest: &[usize]) -> Step<Option<Owed>> {
        for node in honest.iter().copied() {
            let Some(up) = self.nodes[node].up.as_ref() else { continue };
            let logs = up.db.reader().logs()?;
            for missing in up.db.reader().missing_payloads(MISSING_MAX)? {
                let (log, seq) = (missing.log, missing.seq);
                // What does not count is shown to those who get everything, and owed to nobody.
                if !counts(&logs, log, seq) || log.stream == Stream::Local {
                    continue;
                }
                let Some(fact) = up.db.reader().event_at(log, seq)?.and_then(|event| event.header().subject.fact())
                else {
                    continue;
                };
                if self.model.lowered.contains(&fact) || up.db.reader().erasure(fact)?.is_some() {
                    continue;
                }
                let by = honest.iter().copied().filter(|by| *by != node && self.network.has_link(*by, node));
                for by in by {
                    if self.may_give(by, node, fact) && self.has_text(by, log, seq)? {
                        return Ok(Some(Owed { node, log, seq, by }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether a node shares the domain of a fact with a peer.
    fn may_give(&self, node: usize, peer: usize, fact: FactId) -> bool {
        let policy = self.nodes[node].shares.get(&peer).map_or(Policy::All, |(policy, _)| *policy);
        let shown = self.nodes[node].up.as_ref().and_then(|up| up.db.reader().fact(fact).ok().flatten());
        if policy == Policy::OnlyWeb && shown.is_none_or(|view| view.fact.domain.as_deref() != Some("web")) {
            return false;
        }
        // Of a fact whose beginning nobody was told of, the domain is not known here.
        match self.model.domains.get(&fact) {
            Some(domain) => policy.allows(*domain),
            None => policy == Policy::All,
        }
    }

    fn has_text(&self, node: usize, log: LogId, seq: u64) -> Step<bool> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(false) };
        let reader = up.db.reader();
        Ok(counts(&reader.logs()?, log, seq)
            && reader.event_at(log, seq)?.is_some_and(|event| event.payload().is_some()))
    }

    /// What could come has come.
    pub(crate) fn check_owed(&self, honest: &[usize]) -> Step {
        let owed = self.owed(honest)?;
        need(owed.is_none(), Law::TextsCome, || match owed {
            Some(owed) => {
                format!("n{} lacks the text of event {} of {}, which n{} has", owed.node, owed.seq, owed.log, owed.by)
            }
            None => String::new(),
        })
    }

    /// No member has anything of a fact that was forgotten for good, neither in its tables nor in its files.
    pub(crate) fn check_erased(&mut self, honest: &[usize]) -> Step {
        for (fact, mark) in self.model.erased.clone() {
            let Some(first) = honest.first().and_then(|node| self.nodes[*node].up.as_ref()) else { return Ok(()) };
            // An erasure that stands beyond a cut or a fork counts for nobody.
            if first.db.reader().erasure(fact)?.is_none() {
                continue;
            }
            for node in honest.iter().copied() {
                self.check_gone(node, fact, &mark)?;
            }
            self.tally.exercised.add(Class::Erased, 1);
        }
        Ok(())
    }

    fn check_gone(&mut self, node: usize, fact: FactId, mark: &str) -> Step {
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let kept = texts_of(&up.db.reader(), fact)?;
        need(kept.is_none(), Law::ErasedIsGone, || format!("n{node} keeps the text of {kept:?} of {fact}"))?;
        let clean = up.db.purge()?;
        need(clean, Law::ErasedIsGone, || format!("n{node} cannot clean its files"))?;
        for entry in std::fs::read_dir(up.db.dir())? {
            let path = entry?.path();
            if path.is_file() {
                let bytes = std::fs::read(&path)?;
                let found = bytes.windows(mark.len()).any(|part| part == mark.as_bytes());
                need(!found, Law::ErasedIsGone, || format!("n{node} keeps {mark:?} in {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Sabotage: texts are kept in a file that nobody knows of.
    pub(crate) fn keep_texts(&self, node: usize, events: &[antiphon_core::event::Event]) -> Step {
        let Some(up) = self.nodes[node].up.as_ref().filter(|_| self.is_sabotaged(Sabotage::KeepErased)) else {
            return Ok(());
        };
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(up.db.dir().join("kept"))?;
        for event in events {
            file.write_all(event.payload().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Whether an event counts, as far as that is a matter of its log.
fn counts(logs: &[LogView], log: LogId, seq: u64) -> bool {
    logs.iter().find(|view| view.log == log).is_some_and(|view| match view.verdict {
        Verdict::Good => true,
        Verdict::Cut(last) => seq <= last,
        Verdict::Forked(from) => seq < from,
    })
}

/// Whether a node knows that a fact was forgotten for good, which may be before its client hears that it was written.
fn is_erased(reader: &Reader<'_>, fact: Option<FactId>) -> Step<bool> {
    Ok(fact.map_or(Ok(None), |fact| reader.erasure(fact))?.is_some())
}

/// An event of a fact whose text is held.
fn texts_of(reader: &Reader<'_>, fact: FactId) -> Step<Option<(LogId, u64)>> {
    for view in reader.logs()? {
        for seq in 1..=view.head.seq {
            let Some(event) = reader.event_at(view.log, seq)? else { continue };
            if event.header().subject == Subject::Fact(fact) && event.payload().is_some() {
                return Ok(Some((view.log, seq)));
            }
        }
    }
    Ok(None)
}

/// Facts of which the text of some shared event is held.
pub(crate) fn facts_with_texts(reader: &Reader<'_>) -> Step<BTreeSet<FactId>> {
    let mut facts = BTreeSet::new();
    for view in reader.logs()?.into_iter().filter(|view| view.log.stream == Stream::Shared) {
        for seq in 1..=view.head.seq {
            let event = reader.event_at(view.log, seq)?.filter(|event| event.payload().is_some());
            facts.extend(event.and_then(|event| event.header().subject.fact()));
        }
    }
    Ok(facts)
}
