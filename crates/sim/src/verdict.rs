//! The verdict: what must be true once everything has healed and all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{EventId, FactId, Hash};
use antiphon_core::log::{LogId, NodeClock, Stream};
use antiphon_core::state::Verdict;
use antiphon_store::{Db, FactFilter, FactView, RecallQuery};

use crate::failure::{Broken, Law, Step, need};
use crate::model::Model;
use crate::plan::Policy;
use crate::world::World;

/// Facts that are read at a time.
const FACTS_AT_A_TIME: usize = 500;
/// Changed facts that are indexed at a time.
const INDEXED_AT_A_TIME: usize = 10_000;
/// Facts that are asked for by their text.
const RECALLS: usize = 3;

impl World {
    /// The members in the end.
    pub(crate) fn members(&self) -> Vec<usize> {
        (0..self.plan.nodes).filter(|node| !self.plan.trust.is_out(*node)).collect()
    }

    /// Those of them that must agree.
    pub(crate) fn honest(&self) -> Vec<usize> {
        self.members().into_iter().filter(|node| !self.is_equivocator(*node)).collect()
    }

    pub(crate) fn db(&self, node: usize) -> Step<&Db> {
        let up = self.nodes[node].up.as_ref();
        up.map(|up| &up.db).ok_or_else(|| Broken(Law::Converges, format!("n{node} is down in the end")))
    }

    /// Whether all members hold the same logs and nothing is under way inside of them.
    pub(crate) fn is_quiet(&mut self) -> Step<bool> {
        let honest = self.honest();
        Ok(self.is_settled() && self.is_in_order(&honest)?)
    }

    fn is_settled(&self) -> bool {
        let honest = self.honest();
        let quiet = self.is_even(&honest) && !self.agenda.is_working();
        let back = matches!(self.has_all_back(), Ok(true));
        quiet && back && matches!(self.is_rejoining(&honest), Ok(false)) && matches!(self.owed(&honest), Ok(None))
    }

    /// Whether somebody has own events that wait to be written again and can be.
    fn is_rejoining(&self, honest: &[usize]) -> Step<bool> {
        for node in honest.iter().copied() {
            let unsettled = self.nodes[node].up.as_ref().is_some_and(|up| up.rejoin.is_unsettled());
            if unsettled && self.has_to_write_again(node, honest)? {
                return Ok(true);
            }
        }
        // Its own branch may still have to be shown to who came back with an older disk.
        match self.plan.restored.filter(|node| self.restored && honest.contains(node)) {
            Some(node) => self.misses_own(node),
            None => Ok(false),
        }
    }

    /// Whether a node lacks a fact that it is owed.
    fn misses_own(&self, node: usize) -> Step<bool> {
        let erased = |fact: &FactId| self.model.erased.iter().any(|(erased, _)| erased == fact);
        let own = self.model.remembered.iter().filter(|((of, _), fact)| *of == node && !erased(fact));
        let reader = self.db(node)?.reader();
        for (_, fact) in own {
            if reader.fact(*fact)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a node has to write again what it has, or what somebody has. What its author had withheld from all when
    /// it lost its disk is nowhere: of such an event only the header came back, and it waits for its text for ever.
    fn has_to_write_again(&self, node: usize, honest: &[usize]) -> Step<bool> {
        let own = self.db(node)?.reader().own_log()?;
        let mut lost = 0;
        for (log, seq, hash) in self.db(node)?.reader().waiting_for_texts()? {
            let mut given = false;
            // What does not count goes to those only who get everything.
            let gives =
                |other: &usize| self.nodes[*other].shares.get(&node).is_none_or(|(policy, _)| *policy == Policy::All);
            for other in honest.iter().filter(|other| **other != node && gives(other)) {
                let held = self.db(*other)?.reader().event_at(log, seq)?;
                given |= held.is_some_and(|event| event.hash() == hash && event.payload().is_some());
            }
            lost += u64::from(!given);
        }
        Ok(own.adopting || own.forked || own.waiting > lost)
    }

    /// The law that is broken when all this does not come to an end.
    pub(crate) fn unrest(&self) -> Law {
        let honest = self.honest();
        match () {
            () if !matches!(self.has_all_back(), Ok(true)) => Law::BackedUpComesBack,
            () if !self.is_even(&honest) => Law::Converges,
            () if !matches!(self.is_rejoining(&honest), Ok(false)) => Law::RestoredWrites,
            () if !matches!(self.owed(&honest), Ok(None)) => Law::TextsCome,
            () => Law::Converges,
        }
    }

    /// Whether all members hold the same logs and charter.
    fn is_even(&self, honest: &[usize]) -> bool {
        // Of a log with two branches some hold the one and some the other; the state hash covers what counts of it.
        let clock = |node: usize| {
            let up = self.nodes[node].up.as_ref()?;
            let whole = up.held.clock.iter().filter(|(log, _)| !self.may_fork(log));
            Some(whole.map(|(log, head)| (*log, *head)).collect::<NodeClock>())
        };
        let first = honest.first().and_then(|node| clock(*node));
        let out = |node: &usize| self.plan.trust.is_out(*node);
        let removed: Vec<_> = (0..self.plan.nodes).filter(out).map(|node| self.nodes[node].id).collect();
        let fits = |node: usize| {
            let team = self.team(node);
            let knows = removed.iter().all(|id| team.is_some_and(|team| team.membership.is_revoked(id)));
            let members = team.map_or(0, |team| team.membership.members().count());
            knows && members == self.members().len() && clock(node) == first
        };
        let even = honest.iter().all(|node| fits(*node));
        even && (!(self.restored || self.equivocates()) || self.check_state(honest).is_ok())
    }

    /// What keeps the members apart, in words.
    pub(crate) fn explain_unrest(&mut self) -> String {
        let charter = self.explain_charter();
        let honest = self.honest();
        let clock = |node: usize| self.nodes[node].up.as_ref().map_or_else(NodeClock::new, |up| up.held.clock.clone());
        let logs: BTreeSet<LogId> = honest.iter().flat_map(|node| clock(*node).into_keys()).collect();
        let line = |log: &LogId| {
            let seqs: Vec<u64> = honest.iter().map(|node| clock(*node).get(log).map_or(0, |head| head.seq)).collect();
            format!("{log} is held up to {seqs:?}")
        };
        let apart = logs.iter().filter(|log| {
            let first = honest.first().and_then(|node| clock(*node).get(log).copied());
            honest.iter().any(|node| clock(*node).get(log).copied() != first)
        });
        let apart: Vec<String> = apart.map(line).collect();
        let members: Vec<usize> =
            honest.iter().map(|node| self.team(*node).map_or(0, |team| team.membership.members().count())).collect();
        let verdicts: Vec<String> = honest
            .iter()
            .filter_map(|node| {
                let logs = self.db(*node).ok()?.reader().logs().ok()?;
                let said = logs.into_iter().filter(|view| view.verdict != Verdict::Good);
                let said: Vec<String> = said.map(|view| format!("{} {:?}", view.log, view.verdict)).collect();
                Some(format!("n{node} says {said:?}"))
            })
            .collect();
        let owed = self.check_owed(&honest).err().map(|broken| broken.1).unwrap_or_default();
        let state = self.check_state(&honest).and_then(|_| self.check_facts(&honest)).err();
        let state = state.map(|broken| broken.1).unwrap_or_default();
        format!(
            "of {honest:?} {}; {verdicts:?}; {state}; {owed}; members {members:?}{charter}{}; working {}",
            apart.join(", "),
            self.explain_loss(),
            self.agenda.is_working()
        )
    }

    /// Who does not know of a removal, and what stewards still want to write.
    fn explain_charter(&mut self) -> String {
        let mut words = String::new();
        for node in self.honest() {
            let knows = |out: usize| self.membership(node).is_some_and(|held| held.is_revoked(&self.nodes[out].id));
            let unknown: Vec<usize> =
                (0..self.plan.nodes).filter(|out| self.plan.trust.is_out(*out) && !knows(*out)).collect();
            if !unknown.is_empty() {
                words += &format!("; n{node} does not know {unknown:?} as removed");
            }
            match if self.is_steward(node) { self.needs(node) } else { Ok(Vec::new()) } {
                Ok(drafts) if drafts.is_empty() => {}
                needs => words += &format!("; n{node} wants to write {needs:.200?}"),
            }
        }
        words
    }

    /// All laws that can only be judged in the end.
    pub(crate) fn judge(&mut self) -> Step {
        let honest = self.honest();
        let hash = self.check_state(&honest)?;
        let facts = self.check_facts(&honest)?;
        self.check_writes(&honest)?;
        self.check_keys(&honest, &facts)?;
        self.check_restored(&honest)?;
        self.check_owed(&honest)?;
        honest.iter().try_for_each(|node| self.check_once(*node, &facts))?;
        self.check_local(&honest)?;
        self.judge_trust(&honest)?;
        (0..self.plan.nodes)
            .filter(|node| self.plan.trust.is_out(*node))
            .try_for_each(|removed| self.check_removed(&honest, removed))?;
        self.check_documents(&honest)?;
        self.check_store(&honest, hash)?;
        // Once more, since one of them has built anew what it derives from its logs.
        self.check_documents(&honest)?;
        self.check_erased(&honest)?;
        self.judge_backups()
    }

    fn check_state(&self, honest: &[usize]) -> Step<Hash> {
        let hashes: Vec<Hash> =
            honest.iter().map(|node| Ok(self.db(*node)?.reader().state_hash()?)).collect::<Step<_>>()?;
        let equal = hashes.windows(2).all(|pair| pair[0] == pair[1]);
        need(equal, Law::Converges, || format!("equal clocks, and the state hashes of {honest:?} are {hashes:?}"))?;
        Ok(hashes.first().copied().unwrap_or(Hash([0; 32])))
    }

    /// Shared facts look the same everywhere. Returns their ids.
    fn check_facts(&self, honest: &[usize]) -> Step<BTreeSet<FactId>> {
        let mut first: Option<BTreeMap<FactId, FactView>> = None;
        for node in honest {
            let seen = self.shared_facts(*node)?;
            let Some(first) = &first else {
                first = Some(seen);
                continue;
            };
            let (ours, theirs): (Vec<_>, Vec<_>) = (seen.keys().collect(), first.keys().collect());
            need(ours == theirs, Law::SameFacts, || {
                format!("n{node} and n0 have {} and {} facts", ours.len(), theirs.len())
            })?;
            for (ours, theirs) in seen.values().zip(first.values()) {
                let same = self.same(ours, theirs);
                need(same, Law::SameFacts, || format!("n{node} shows {ours:?}, n{} shows {theirs:?}", honest[0]))?;
            }
        }
        Ok(first.unwrap_or_default().into_keys().collect())
    }

    /// Whether two nodes show one fact; of one that was made private, some may lack the text.
    fn same(&self, ours: &FactView, theirs: &FactView) -> bool {
        if self.model.lowered.contains(&ours.fact.id) || self.model.narrowed {
            // Two values that are not held may be the same, so even the divergences may look different.
            return (ours.forgotten, ours.updated_at) == (theirs.forgotten, theirs.updated_at);
        }
        let plain = |view: &FactView| FactView { hits: 0, last_hit: None, ..view.clone() };
        // Edits of a fact whose beginning does not count any more have no text to stand on.
        let cut = !self.plan.trust.removals.is_empty() || self.restored || self.equivocates();
        plain(ours) == plain(theirs) && (!ours.incomplete || cut)
    }

    fn shared_facts(&self, node: usize) -> Step<BTreeMap<FactId, FactView>> {
        let filter = FactFilter { include_archived: true, include_forgotten: true, ..FactFilter::default() };
        let (mut all, mut after) = (BTreeMap::new(), None);
        loop {
            let facts = self.db(node)?.reader().facts(&filter, FACTS_AT_A_TIME, after)?;
            let Some(last) = facts.last() else { return Ok(all) };
            after = Some(last.fact.id);
            let shared = facts.into_iter().filter(|view| view.stream == Stream::Shared);
            all.extend(shared.map(|view| (view.fact.id, view)));
        }
    }

    /// The last event of a log that counts.
    fn counted(&self, log: &LogId) -> Step<u64> {
        let node = self.honest().first().copied().unwrap_or(0);
        let logs = self.db(node)?.reader().logs()?;
        Ok(match logs.iter().find(|view| view.log == *log).map(|view| (view.verdict, view.head.seq)) {
            Some((Verdict::Cut(seq), _)) => seq,
            Some((Verdict::Forked(seq), _)) => seq.saturating_sub(1),
            Some((_, head)) => head,
            None => 0,
        })
    }

    fn check_writes(&self, honest: &[usize]) -> Step {
        let mut cuts: BTreeMap<LogId, u64> = BTreeMap::new();
        for write in &self.model.acknowledged {
            let author = self.event(write.node, write.log, write.seq)?;
            if author.is_none() && self.is_beyond_reach(write.node, &write.log, write.seq)? {
                continue;
            }
            need(author == Some(write.event), Law::NothingIsLost, || {
                format!("n{} acknowledged event {} of {} and does not have it", write.node, write.seq, write.log)
            })?;
            if !Model::is_synced(&write.log) {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = cuts.entry(write.log) {
                entry.insert(self.counted(&write.log)?);
            }
            if (!honest.contains(&write.node) || self.may_fork(&write.log)) && write.seq > cuts[&write.log] {
                continue;
            }
            for node in honest {
                let held = self.event(*node, write.log, write.seq)?;
                need(held == Some(write.event), Law::NothingIsLost, || {
                    format!("n{node} lacks event {} of {}, which n{} acknowledged", write.seq, write.log, write.node)
                })?;
            }
        }
        Ok(())
    }

    fn event(&self, node: usize, log: LogId, seq: u64) -> Step<Option<EventId>> {
        Ok(self.db(node)?.reader().event_at(log, seq)?.map(|event| event.header().id))
    }

    /// What was remembered under a key is one fact, however often it was said, and it is there.
    fn check_keys(&self, honest: &[usize], facts: &BTreeSet<FactId>) -> Step {
        for ((node, key), fact) in &self.model.remembered {
            let erased = self.model.erased.iter().any(|(erased, _)| erased == fact);
            if honest.contains(node) && !erased {
                let found = self.db(*node)?.reader().fact(*fact)?;
                need(found.is_some(), Law::NothingIsLost, || format!("n{node} lost {fact}, remembered as {key}"))?;
                let everywhere = facts.contains(fact) || !self.model.is_shared(fact);
                need(everywhere, Law::NothingIsLost, || format!("nobody has {fact}, which n{node} shared as {key}"))?;
            }
        }
        for node in honest {
            let mut made: BTreeMap<(String, usize), FactId> = BTreeMap::new();
            for (id, view) in self.shared_facts(*node)? {
                let Some(key) = view.fact.source.clone() else { continue };
                let by = self.index.get(&view.author.node).copied().unwrap_or(usize::MAX);
                let other = made.insert((key.clone(), by), id);
                need(other.is_none(), Law::AppliedOnce, || format!("n{node} has {key} twice: {id} and {other:?}"))?;
            }
        }
        Ok(())
    }

    /// Every counted edit stands once in the history of its fact, and no event is counted twice.
    fn check_once(&self, node: usize, facts: &BTreeSet<FactId>) -> Step {
        let reader = self.db(node)?.reader();
        let mut seen: BTreeSet<EventId> = BTreeSet::new();
        let mut acknowledged: BTreeMap<FactId, Vec<&crate::model::Acknowledged>> = BTreeMap::new();
        for write in self.model.acknowledged.iter().filter(|write| Model::is_synced(&write.log)) {
            if let Some(fact) = write.fact {
                acknowledged.entry(fact).or_default().push(write);
            }
        }
        for fact in facts {
            let history = reader.history(*fact)?;
            for edit in &history {
                let fresh = seen.insert(edit.event);
                need(fresh, Law::AppliedOnce, || format!("n{node} applied {} of {fact} twice", edit.event))?;
            }
            for write in acknowledged.get(fact).into_iter().flatten() {
                let counts = write.seq <= self.counted(&write.log)?;
                let there = history.iter().any(|edit| edit.event == write.event);
                need(there == counts, Law::AppliedOnce, || {
                    format!("n{node}: event {} of {} in the history of {fact}: {there}", write.seq, write.log)
                })?;
            }
        }
        let logs = reader.logs()?;
        let heads: u64 = logs.iter().map(|view| view.head.seq).sum();
        let events = reader.counts()?.events;
        need(heads == events, Law::AppliedOnce, || format!("n{node} counts {events} events in {heads} places"))
    }

    /// Whoever came back with an older disk has a log that counts, and nothing waits any more.
    fn check_restored(&self, honest: &[usize]) -> Step {
        let Some(node) = self.plan.restored.filter(|node| self.restored && honest.contains(node)) else {
            return Ok(());
        };
        let own = self.db(node)?.reader().own_log()?;
        let counts = self.team(node).is_some_and(|team| {
            let log = LogId::new(team.own.store, Stream::Shared);
            Some(team.own.store) == own.store
                && self.db(node).is_ok_and(|db| {
                    let logs = db.reader().logs().unwrap_or_default();
                    logs.iter().any(|view| view.log == log && view.verdict == Verdict::Good)
                })
        });
        let settled = !self.has_to_write_again(node, honest)?;
        need(counts && settled, Law::RestoredWrites, || format!("n{node} came back and has {own:?}"))
    }

    fn check_local(&self, honest: &[usize]) -> Step {
        for (fact, local) in self.model.staying() {
            for node in honest.iter().filter(|node| **node != local.node) {
                let found = self.db(*node)?.reader().fact(*fact)?;
                need(found.is_none(), Law::LocalStays, || {
                    format!("n{node} has the local fact {fact} of n{}", local.node)
                })?;
            }
        }
        for node in honest {
            for view in self.db(*node)?.reader().logs()? {
                let fits = view.log.stream != Stream::Local || view.node == self.nodes[*node].id;
                need(fits, Law::LocalStays, || format!("n{node} holds {}", view.log))?;
            }
        }
        Ok(())
    }

    /// Nothing of a removed member counts that it wrote after its cut.
    fn check_removed(&self, honest: &[usize], removed: usize) -> Step {
        let id = self.nodes[removed].id;
        for node in honest {
            let reader = self.db(*node)?.reader();
            for view in reader.logs()?.iter().filter(|view| view.node == id && view.log.stream == Stream::Shared) {
                let Verdict::Cut(cut) = view.verdict else {
                    return Err(Broken(Law::RevokedIsOut, format!("n{node} has {} uncut", view.log)));
                };
                let agreed = self.counted(&view.log)?;
                let bound = self.cut_bound(&view.log);
                need(cut <= bound, Law::RevokedIsOut, || {
                    format!("n{node} cuts {} at {cut}, its remover held {bound}", view.log)
                })?;
                need(cut == agreed, Law::RevokedIsOut, || format!("n{node} cuts {} at {cut}, not {agreed}", view.log))?;
                let out =
                    reader.quarantined(usize::MAX >> 1)?.iter().filter(|event| event.log == view.log).count() as u64;
                let beyond = view.head.seq.saturating_sub(cut);
                need(out >= beyond, Law::RevokedIsOut, || format!("n{node} counts {beyond} - {out} late events"))?;
            }
            let gated = self.nodes[*node].up.as_ref().and_then(|up| up.peers.get(&id)).is_some_and(|peer| peer.gate);
            need(!gated, Law::RevokedIsOut, || format!("n{node} still lets n{removed} in"))?;
        }
        Ok(())
    }

    /// The database has nothing to complain of, can be rebuilt, and finds what it was told.
    fn check_store(&mut self, honest: &[usize], hash: Hash) -> Step {
        let sample = [self.random.pick(honest), self.random.pick(honest)];
        for node in sample.into_iter().flatten() {
            let report = self.db(node)?.reader().verify()?;
            need(report.problems.is_empty(), Law::StoreIsSound, || format!("n{node}: {:?}", report.problems))?;
        }
        let Some(node) = self.random.pick(honest) else { return Ok(()) };
        let before = self.shared_facts(node)?;
        if let Some(up) = self.nodes[node].up.as_mut() {
            up.db.rebuild()?;
        }
        let rebuilt = self.db(node)?.reader().state_hash()?;
        need(rebuilt == hash, Law::RebuildIsEqual, || format!("n{node}: {hash} became {rebuilt}"))?;
        let after = self.shared_facts(node)?;
        let changed = before.values().zip(after.values()).find(|(before, after)| !self.same(before, after));
        need(changed.is_none() && before.len() == after.len(), Law::RebuildIsEqual, || {
            format!("n{node}: {changed:?}")
        })?;
        self.check_recall(node, &after)
    }

    fn check_recall(&mut self, node: usize, facts: &BTreeMap<FactId, FactView>) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        while up.db.index_step(INDEXED_AT_A_TIME)? > 0 {}
        let reader = up.db.reader();
        let shown = facts.values().filter(|view| !view.forgotten && !view.fact.archived && !view.fact.stale);
        for view in shown.take(RECALLS) {
            let Some(text) = &view.fact.content else { continue };
            let text: String = text.chars().take(40).collect();
            let query = RecallQuery { text: text.clone(), limit: 50, now, ..RecallQuery::default() };
            let found = reader.recall(&query)?.hits.iter().any(|hit| hit.view.fact.id == view.fact.id);
            need(found, Law::RecallFinds, || format!("n{node} does not find {} by {text:?}", view.fact.id))?;
        }
        Ok(())
    }
}
