//! What people and agents do: remember, edit, forget, bring back; alone, together and at once.

use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::FactId;
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_store::{AuthorError, Authored, Draft, Outcome};

use crate::agenda::Event;
use crate::documents::{self, DOCUMENTS};
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step};
use crate::jobs::Job;
use crate::model::STAYS;
use crate::plan::Fault;
use crate::random::Random;
use crate::sharing::PAY;
use crate::world::World;

/// Facts of a burst: more than one page may hold.
const BURST: (u64, u64) = (400, 1_300);
/// The year 2100.
const YEAR_2100: UnixMillis = UnixMillis(4_102_444_800_000);
/// How often somebody forgets something for good where somebody writes, in permille.
const ERASURES: u64 = 60;
/// Wait before a client whose write was not answered repeats it, in milliseconds.
const REPEAT_MS: u64 = 5_000;

impl World {
    /// Somebody wants something written.
    pub(crate) fn write(&mut self) -> Step {
        if self.plan.erases && self.random.chance(ERASURES) {
            self.erase()?;
        }
        let node = self.random.index(self.plan.nodes);
        self.write_by(node)
    }

    /// Somebody wants something written on this node.
    pub(crate) fn write_by(&mut self, node: usize) -> Step {
        let drafts = match self.random.below(10) {
            0 => self.random.between(5, 30),
            1..=3 => self.random.between(2, 4),
            _ => 1,
        };
        let drafts: Vec<Draft> = (0..drafts).map(|_| self.draft(node)).collect();
        let drafts = self.shelve(node, drafts)?;
        self.give_drafts(node, drafts);
        if self.is_equivocator(node) { self.contradict(node) } else { Ok(()) }
    }

    /// Somebody imports a lot at once.
    pub(crate) fn burst(&mut self) -> Step {
        let node = self.random.index(self.plan.nodes);
        let count = self.random.between(BURST.0, BURST.1);
        let drafts = (0..count).map(|_| self.remember(node)).collect();
        self.give_drafts(node, drafts);
        Ok(())
    }

    fn give_drafts(&mut self, node: usize, drafts: Vec<Draft>) {
        // Whoever waits for its place in the team needs an empty home.
        if self.team(node).is_none() || self.comes_back(node) {
            return;
        }
        // A client that gets no answer says the same again, under the same key.
        let keyed = drafts.iter().filter(|draft| matches!(draft, Draft::Remember { .. }));
        for draft in keyed.cloned() {
            self.model.wanted.push((node, draft));
        }
        self.tally.writes += drafts.len() as u64;
        self.give(node, Job::Author(drafts));
        if self.random.chance(200) {
            self.agenda.put(self.at + REPEAT_MS, Event::Write);
        }
    }

    fn draft(&mut self, node: usize) -> Draft {
        // What is forgotten before a move stays behind, so whoever is going to move only remembers.
        if self.nodes[node].ticket.as_ref().map(|ticket| ticket.team) != self.team(node).map(|team| team.own.team)
            && node > 0
        {
            return self.remember(node);
        }
        // A retry of something that was said before, answered or not. Keys are remembered for a day, so who jumps years
        // ahead in between is not held to them.
        let jumps = self.plan.faults.iter().any(|(_, fault)| matches!(fault, Fault::SetClock(of, _) if *of == node));
        if !jumps && self.random.chance(80) {
            let mut own = self.model.wanted.iter().filter(|(of, _)| *of == node).map(|(_, draft)| draft);
            let count = own.clone().count();
            if let Some(draft) = own.nth(self.random.index(count)) {
                return draft.clone();
            }
        }
        if self.plan.documents
            && self.random.chance(DOCUMENTS)
            && let Some(document) = self.document()
        {
            return document;
        }
        let fact = match self.random.below(10) {
            0..=3 => None,
            4..=8 => self.model.pick_shared(&mut self.random),
            _ => self.model.pick_local(node, &mut self.random),
        };
        match (fact, self.random.below(10)) {
            (None, _) => self.remember(node),
            (Some(fact), 0..=5) => self.edit(fact),
            (Some(fact), 6 | 7) => Draft::Forget { fact, provenance: provenance(&mut self.random) },
            (Some(fact), _) => Draft::Restore { fact, provenance: provenance(&mut self.random) },
        }
    }

    pub(crate) fn remember(&mut self, node: usize) -> Draft {
        let random = &mut self.random;
        let name = self.model.name();
        let level = random.below(4);
        let stays = level > 1 && random.chance(600);
        let mark = if stays { STAYS } else { "may travel" };
        let filler = match random.below(50) {
            0 => "lorem ipsum ".repeat(2_000),
            1..=5 => "dolor sit ".repeat(80),
            _ => String::new(),
        };
        let domain = if self.plan.domains { random.pick(&[None, Some("pay"), Some("web")]).flatten() } else { None };
        let pays = if domain == Some("pay") { PAY } else { "" };
        let edit = Edit::new()
            .set(Field::Content, Value::Text(format!("{name} of n{node}, {mark}, {pays}. {filler}")))
            .set(Field::Level, Value::Uint(level))
            .set(Field::Source, Value::Text(name.clone()));
        let edit = edit.maybe(Field::Domain, domain.map(|domain| Value::Text(domain.to_owned())));
        let edit = edit.maybe(Field::Tags, random.chance(300).then(|| Value::List(vec!["tag".into()])));
        Draft::Remember { id: None, edit, provenance: provenance(random), idempotency_key: Some(name) }
    }

    fn edit(&mut self, fact: FactId) -> Draft {
        let stays = self.model.local.get(&fact).is_some_and(|local| local.stays);
        let (lowers, name) = (self.plan.lowers, self.model.name());
        let random = &mut self.random;
        let mark = if stays { STAYS } else { "may travel" };
        let mut edit = Edit::new();
        match random.below(8) {
            0 => edit = edit.set(Field::Tags, Value::List(vec![Value::Text(format!("t{}", random.below(4)))])),
            1 => edit = edit.set(Field::Stale, Value::Bool(random.chance(500))),
            2 => edit = edit.clear(Field::Tags).set(Field::Confidence, Value::Uint(random.below(1_000))),
            3 if !stays => edit = edit.set(Field::Level, Value::Uint(random.below(2))),
            4 if lowers => {
                edit = edit.set(Field::Private, Value::Bool(true));
                self.model.lowered.insert(fact);
            }
            _ => edit = edit.set(Field::Content, Value::Text(format!("edited as {name}, {mark}"))),
        }
        Draft::Edit { fact, edit, provenance: provenance(random) }
    }

    /// Something was signed: by a clock that is far off, perhaps.
    fn count_clock(&mut self, node: usize) {
        let far = self.nodes[node].clock(self.at) >= YEAR_2100;
        self.tally.exercised.add(Class::FarFuture, u64::from(far));
        self.tally.exercised.add(Class::SetBack, u64::from(self.nodes[node].set_back && !far));
    }

    /// A client hears what its drafts led to.
    pub(crate) fn authored(&mut self, node: usize, done: Vec<(Draft, Result<Authored, AuthorError>)>) -> Step {
        for (draft, result) in done {
            match result {
                Ok(authored) => self.acknowledged(node, &draft, &authored)?,
                Err(error) => self.refused(node, &draft, &error)?,
            }
        }
        Ok(())
    }

    fn acknowledged(&mut self, node: usize, draft: &Draft, authored: &Authored) -> Step {
        self.tally.acknowledged += 1;
        self.count_clock(node);
        if self.is_equivocator(node) && self.equivocates() {
            // Nobody is owed what it says.
            return Ok(());
        }
        self.note(node, "authored", &authored.event.0, || {
            format!("{} {} {:?}", authored.log, authored.seq, draft_name(draft))
        });
        // What was written before the node entered the team is history with the team it was written in.
        let of_this_team = self.model.held(node).is_some_and(|logs| logs.contains_key(&authored.log));
        if authored.outcome == Outcome::Written && of_this_team {
            self.model.acknowledge(node, authored);
        }
        if let (Draft::Remember { edit, idempotency_key: Some(key), .. }, Some(fact)) = (draft, authored.fact) {
            self.model.remembered(node, key, fact)?;
            let domain = edit.0.get(&Field::Domain).and_then(Option::as_ref).and_then(Value::as_text);
            let domain = domain.and_then(|domain| ["pay", "web"].into_iter().find(|known| *known == domain));
            self.model.domains.insert(fact, domain);
            self.model.marks.insert(fact, format!("{key} of n{node},"));
            let content = edit.0.get(&Field::Content).and_then(Option::as_ref).and_then(Value::as_text);
            let stays = content.is_some_and(|text| text.contains(STAYS));
            self.model.place(node, fact, authored.log.stream == Stream::Shared, stays);
        }
        if authored.outcome == Outcome::Written {
            self.tally.exercised.add(Class::Stored, u64::from(matches!(draft, Draft::PutContent { .. })));
            self.documents_stored(draft, authored);
            self.tally.exercised.add(Class::TakenAway, u64::from(matches!(draft, Draft::RemoveContent { .. })));
        }
        if let (Draft::Erase { fact, .. }, Some(mark)) =
            (draft, authored.fact.and_then(|fact| self.model.marks.get(&fact)))
        {
            self.model.erased.push((*fact, mark.clone()));
        }
        if let (Draft::Edit { .. }, Some(fact), Stream::Shared) = (draft, authored.fact, authored.log.stream) {
            self.model.place(node, fact, true, false);
        }
        Ok(())
    }

    fn refused(&mut self, node: usize, draft: &Draft, error: &AuthorError) -> Step {
        self.tally.refused += 1;
        let removed = self.plan.trust.is_out(node);
        let charter = matches!(draft, Draft::Grant(_) | Draft::Revoke(_) | Draft::Record(_));
        let fits = match error {
            // The text of a fact may come after the news that it was forgotten, or not at all.
            AuthorError::NotFound(_) | AuthorError::Forgotten(_) | AuthorError::NoText(_) => true,
            AuthorError::Erased(_) | AuthorError::NotYours { .. } => true,
            error if documents::may_refuse(error) => true,
            AuthorError::Rejoining(_) => self.restored && self.plan.restored == Some(node),
            // What a steward decided by what it knew a moment ago.
            AuthorError::NotASteward(_) | AuthorError::Gene(_) => charter && self.plan.trust.rich,
            AuthorError::LogClosed(_) if self.is_equivocator(node) => true,
            AuthorError::LogClosed(_) => removed || (self.restored && self.plan.restored == Some(node)),
            _ => false,
        };
        self.note(node, "refused", &[], || error.to_string());
        let what = draft_name(draft);
        if fits { Ok(()) } else { Err(Broken(Law::StoreWorks, format!("n{node} refuses to {what}: {error}"))) }
    }
}

pub(crate) fn provenance(random: &mut Random) -> Provenance {
    let agent = random.pick(&["alice", "bob", "a client"]).map(str::to_owned);
    Provenance { agent, tool: Some("sim".to_owned()), ..Provenance::default() }
}

fn draft_name(draft: &Draft) -> &'static str {
    match draft {
        Draft::Remember { .. } => "remember",
        Draft::Edit { .. } => "edit",
        Draft::Forget { .. } => "forget",
        Draft::Restore { .. } => "restore",
        Draft::Erase { .. } => "erase",
        Draft::ReportIncident { .. } => "report an incident",
        Draft::UpdateIncident { .. } => "update an incident",
        Draft::RememberSealed { .. } => "remember for a role",
        Draft::PutContent { .. } => "store a document",
        Draft::RemoveContent { .. } => "remove a document",
        Draft::Settle { .. } => "settle a divergence",
        Draft::Named { draft, .. } => draft_name(draft),
        Draft::Grant(_) => "grant",
        Draft::Revoke(_) => "revoke",
        Draft::Record(_) => "charter record",
    }
}
