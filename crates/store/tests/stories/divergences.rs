//! Divergences: what every side said, what they began with, and how one of them is settled.

use antiphon_core::event::Event;
use antiphon_core::fact::{self, Edit, Field};
use antiphon_core::ids::{EventId, FactId};
use antiphon_core::incident::{self, IncidentEdit, Status};
use antiphon_core::log::Head;
use antiphon_core::value::Value;
use antiphon_store::{AuthorError, Diverged, DivergedField, Draft, Outcome, RecallQuery, Settlement, SubjectId};

use crate::common::{Machine, alice, join, no_provenance, text};
use crate::sync::check;

fn meet(machines: &mut [Machine]) {
    for a in 0..machines.len() {
        for b in 0..machines.len() {
            if let Ok([to, from]) = machines.get_disjoint_mut([a, b]) {
                to.pull(from);
            }
        }
    }
    let hashes: Vec<_> = machines.iter().map(|machine| machine.db.reader().state_hash().unwrap()).collect();
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]));
    machines.iter().for_each(check);
}

/// Alice, bob and carol, who all know one fact.
fn three_who_know(edit: Edit) -> ([Machine; 3], FactId) {
    let (mut alice, genome) = alice();
    let fact = alice.remember_with(edit);
    let bob = join(2, "bob", &mut alice, &genome);
    let carol = join(3, "carol", &mut alice, &genome);
    let mut all = [alice, bob, carol];
    meet(&mut all);
    (all, fact)
}

fn fields(machine: &Machine, id: FactId) -> Vec<DivergedField<fact::Field>> {
    match machine.db.reader().divergence(SubjectId::Fact(id)).unwrap() {
        Some(Diverged::Fact(_, fields)) => fields,
        other => panic!("{other:?}"),
    }
}

fn seen(fields: &[DivergedField<fact::Field>]) -> Vec<EventId> {
    fields.iter().flat_map(|field| &field.sides).map(|side| side.event).collect()
}

fn settle(settlement: Settlement, seen: Vec<EventId>) -> Draft {
    Draft::Settle { settlement, seen, provenance: no_provenance() }
}

fn says(content: &str) -> Option<Option<Value>> {
    Some(Some(content.into()))
}

fn listed(machine: &Machine) -> Vec<SubjectId> {
    machine.db.reader().divergences(10, None).unwrap().iter().map(Diverged::id).collect()
}

#[test]
fn every_side_is_shown_with_what_they_began_with() {
    let (mut all, fact) = three_who_know(text("port 1"));
    all[1].edit(fact, Field::Content, "port 2".into());
    meet(&mut all);
    all[0].edit(fact, Field::Content, "port 3".into());
    all[1].edit(fact, Field::Content, "port 4".into());
    all[2].edit(fact, Field::Domain, "db".into());
    meet(&mut all);
    for machine in &all {
        let found = fields(machine, fact);
        assert_eq!((found.len(), found[0].field, found[0].sides.len()), (1, Field::Content, 2));
        let ancestor = found[0].ancestor.as_ref().unwrap();
        assert_eq!((ancestor.value.clone(), ancestor.author.name.as_str()), (says("port 2"), "bob"));
        assert!(!ancestor.diverged && !ancestor.deleted);
        let shown = machine.content(fact).unwrap();
        assert_eq!(found[0].sides[0].value, says(&shown), "the shown one first");
        assert_eq!(found[0].since(), found[0].sides.iter().map(|side| side.hlc).max());
        assert_eq!(listed(machine), [SubjectId::Fact(fact)]);
        assert_eq!(machine.db.reader().counts().unwrap().diverged, 1);
        let sides = machine.db.reader().sides_of(&[fact], 8).unwrap();
        assert_eq!((sides.len(), sides[0].0, sides[0].1.len()), (1, fact, 2));
    }
}

#[test]
fn a_field_that_nobody_had_set_began_empty_and_an_unknown_beginning_is_none() {
    let (mut all, fact) = three_who_know(text("port 1"));
    all[0].edit(fact, Field::Domain, "db".into());
    all[1].edit(fact, Field::Domain, "web".into());
    let same = FactId([5; 16]);
    for (machine, said) in all.iter_mut().zip(["red", "blue", "blue"]) {
        machine.write(Draft::Remember {
            id: Some(same),
            edit: text(said),
            provenance: no_provenance(),
            idempotency_key: None,
        });
    }
    meet(&mut all);
    let domain = fields(&all[2], fact).remove(0);
    assert_eq!((domain.field, domain.ancestor.unwrap().value), (Field::Domain, Some(None)));
    let imported = fields(&all[2], same).remove(0);
    assert_eq!((imported.sides.len(), imported.ancestor), (3, None));
}

#[test]
fn a_resolution_made_by_one_closes_it_for_all() {
    let (mut all, fact) = three_who_know(text("port 1").set(Field::Module, "db".into()));
    for (machine, said) in all.iter_mut().zip(["port 2", "port 3", "port 4"]) {
        machine.edit(fact, Field::Content, said.into());
    }
    meet(&mut all);
    let found = fields(&all[1], fact);
    assert_eq!(found[0].sides.len(), 3);
    let draft = settle(Settlement::Fact(fact, text("port 3")), seen(&found));
    assert_eq!(all[1].write(draft.clone()).outcome, Outcome::Written);
    // Doing it again, or later on a machine that has heard of it, writes nothing.
    assert_eq!(all[1].write(draft.clone()).outcome, Outcome::Unchanged);
    meet(&mut all);
    for machine in &mut all {
        assert_eq!(machine.write(draft.clone()).outcome, Outcome::Unchanged);
        assert_eq!((machine.content(fact).as_deref(), listed(machine)), (Some("port 3"), vec![]));
        assert_eq!(machine.db.reader().fact(fact).unwrap().unwrap().fact.module.as_deref(), Some("db"));
        assert_eq!(machine.db.reader().counts().unwrap().diverged, 0);
    }
}

#[test]
fn two_different_resolutions_diverge_again_and_equal_ones_do_not() {
    let (mut all, fact) = three_who_know(text("port 1"));
    all[0].edit(fact, Field::Content, "port 2".into());
    all[1].edit(fact, Field::Content, "port 3".into());
    meet(&mut all);
    let sides = fields(&all[0], fact)[0].sides.clone();
    let seen: Vec<EventId> = sides.iter().map(|side| side.event).collect();
    all[0].write(settle(Settlement::Fact(fact, text("port 2")), seen.clone()));
    all[1].write(settle(Settlement::Fact(fact, text("port 5")), seen));
    meet(&mut all);
    let found = fields(&all[2], fact).remove(0);
    let values: Vec<_> = found.sides.iter().map(|side| side.value.clone()).collect();
    assert_eq!(values.len(), 2);
    assert!(values.contains(&says("port 2")) && values.contains(&says("port 5")));
    let ancestor = found.ancestor.unwrap();
    assert!(ancestor.diverged, "they began with a divergence");
    assert_eq!(ancestor.value, sides[0].value, "its shown side");
    let seen: Vec<EventId> = found.sides.iter().map(|side| side.event).collect();
    for machine in &mut all {
        machine.write(settle(Settlement::Fact(fact, text("port 5")), seen.clone()));
    }
    meet(&mut all);
    assert!(all.iter().all(|machine| listed(machine).is_empty()));
}

#[test]
fn settling_one_field_settles_no_other() {
    let (mut all, fact) = three_who_know(text("port 1"));
    for (machine, said) in all.iter_mut().zip(["port 2", "port 3"]) {
        machine.edit(fact, Field::Content, said.into());
        machine.edit(fact, Field::Module, said.into());
    }
    meet(&mut all);
    let seen = seen(&fields(&all[0], fact));
    all[0].write(settle(Settlement::Fact(fact, text("port 3")), seen));
    meet(&mut all);
    for machine in &all {
        let left: Vec<_> = fields(machine, fact).iter().map(|field| (field.field, field.sides.len())).collect();
        assert_eq!((machine.content(fact).as_deref(), left), (Some("port 3"), vec![(Field::Module, 2)]));
    }
}

#[test]
fn a_side_that_came_meanwhile_is_not_settled_unseen() {
    let (mut all, fact) = three_who_know(text("port 1"));
    all[0].edit(fact, Field::Content, "port 2".into());
    all[1].edit(fact, Field::Content, "port 3".into());
    all[2].edit(fact, Field::Content, "port 4".into());
    let [alice, bob, carol] = &mut all;
    alice.pull(bob);
    let seen = seen(&fields(alice, fact));
    alice.pull(carol);
    let draft = settle(Settlement::Fact(fact, text("port 2")), seen);
    assert_eq!(alice.try_write(draft).unwrap_err(), AuthorError::ChangedMeanwhile(SubjectId::Fact(fact)));
    assert_eq!(fields(alice, fact)[0].sides.len(), 3);
}

#[test]
fn keeping_a_fact_against_its_deletion_brings_it_back_whole() {
    let (mut all, fact) = three_who_know(text("port 1").set(Field::Module, "db".into()));
    // The edit comes last, so it is shown.
    all[0].now = all[0].now.after(100);
    all[0].edit(fact, Field::Content, "port 2".into());
    all[1].forget(fact);
    meet(&mut all);
    let found = fields(&all[2], fact);
    assert_eq!(found.len(), 1);
    let deleted: Vec<bool> = found[0].sides.iter().map(|side| side.deleted).collect();
    assert!(deleted.contains(&true) && deleted.contains(&false));
    let view = all[2].db.reader().fact(fact).unwrap().unwrap();
    // The deletion that is not shown has not taken the other fields either.
    assert_eq!((view.forgotten, view.fact.module.as_deref()), (false, Some("db")));
    all[2].write(settle(Settlement::Fact(fact, text("port 2")), seen(&found)));
    meet(&mut all);
    for machine in &all {
        let view = machine.db.reader().fact(fact).unwrap().unwrap();
        assert_eq!((view.fact.content.as_deref(), view.forgotten), (Some("port 2"), false));
        assert_eq!((view.fact.module.as_deref(), view.diverged), (Some("db"), vec![]));
    }
}

#[test]
fn an_edit_of_another_field_can_be_kept_against_a_deletion_or_go_with_it() {
    for keep in [false, true] {
        let (mut all, fact) = three_who_know(text("port 1").set(Field::Module, "db".into()));
        all[0].edit(fact, Field::Domain, "net".into());
        all[1].forget(fact);
        meet(&mut all);
        let found = fields(&all[2], fact);
        assert_eq!((found.len(), found[0].field), (1, Field::Domain));
        assert!(all[2].db.reader().fact(fact).unwrap().unwrap().forgotten, "nobody changed the text");
        let edit = Edit::new().set(Field::Domain, "net".into());
        let settlement = if keep { Settlement::Fact(fact, edit) } else { Settlement::Forget(fact) };
        all[2].write(settle(settlement, seen(&found)));
        meet(&mut all);
        let view = all[0].db.reader().fact(fact).unwrap().unwrap();
        let kept = view.fact.content.as_deref() == Some("port 1") && view.fact.domain.as_deref() == Some("net");
        assert_eq!((kept, view.forgotten, view.diverged), (keep, !keep, vec![]));
    }
}

#[test]
fn a_side_whose_payload_is_not_held_says_so_and_can_still_be_settled() {
    let (mut all, fact) = three_who_know(text("port 1"));
    all[0].edit(fact, Field::Content, "port 2".into());
    all[1].edit(fact, Field::Content, "port 3".into());
    let [alice, bob, carol] = &mut all;
    carol.pull(alice);
    let (log, node) = (bob.shared(), bob.node());
    let head = carol.db.reader().clock().unwrap().get(&log).copied().unwrap_or(Head::EMPTY);
    let page = bob.db.reader().page(log, head.seq, 512, 1 << 20, None).unwrap();
    let bare: Vec<Event> = page.into_iter().map(Event::without_payload).collect();
    let now = carol.tick();
    carol.db.apply_run(log, node, bare, None, now).unwrap();
    let found = fields(carol, fact);
    let held: Vec<_> = found[0].sides.iter().map(|side| side.value.is_some()).collect();
    assert_eq!((held.len(), held.contains(&false)), (2, true));
    carol.write(settle(Settlement::Fact(fact, text("port 4")), seen(&found)));
    meet(&mut all);
    assert!(all.iter().all(|machine| machine.content(fact).as_deref() == Some("port 4")));
}

#[test]
fn incidents_diverge_and_are_settled_as_facts_are() {
    let (mut all, fact) = three_who_know(text("port 1"));
    let status = |status: Status| IncidentEdit::new().set(incident::Field::Status, Value::Uint(status.number()));
    let edit = status(Status::Open).set(incident::Field::Title, "a shell".into());
    let id = all[0].write(Draft::ReportIncident { id: None, edit, provenance: no_provenance() }).incident.unwrap();
    meet(&mut all);
    for (machine, to) in all.iter_mut().zip([Status::Contained, Status::Closed, Status::Contained]) {
        let edit = status(to);
        machine.write(Draft::UpdateIncident { incident: id, edit, provenance: no_provenance() });
        machine.edit(fact, Field::Content, machine.tag.to_string().as_str().into());
    }
    meet(&mut all);
    assert_eq!(listed(&all[2]), [SubjectId::Incident(id), SubjectId::Fact(fact)], "the newest first");
    let reader = all[2].db.reader();
    let first = reader.divergences(1, None).unwrap();
    assert_eq!(first.iter().map(Diverged::id).collect::<Vec<_>>(), [SubjectId::Incident(id)]);
    let after = reader.divergences(1, Some(SubjectId::Incident(id))).unwrap();
    assert_eq!(after.iter().map(Diverged::id).collect::<Vec<_>>(), [SubjectId::Fact(fact)]);
    assert_eq!((reader.counts().unwrap().diverged, reader.counts().unwrap().diverged_incidents), (1, 1));
    let Some(Diverged::Incident(view, found)) = reader.divergence(SubjectId::Incident(id)).unwrap() else { panic!() };
    assert_eq!((found.len(), found[0].field, found[0].sides.len()), (1, incident::Field::Status, 3));
    assert_eq!(found[0].ancestor.as_ref().unwrap().value, Some(Some(Value::Uint(Status::Open.number()))));
    assert_eq!(found[0].sides[0].value, Some(Some(Value::Uint(view.incident.status.number()))));
    let seen = found[0].sides.iter().map(|side| side.event).collect::<Vec<_>>();
    let draft = settle(Settlement::Incident(id, status(Status::Closed)), seen);
    assert_eq!(all[2].write(draft.clone()).outcome, Outcome::Written);
    meet(&mut all);
    assert_eq!(all[0].write(draft).outcome, Outcome::Unchanged);
    assert_eq!(listed(&all[0]), [SubjectId::Fact(fact)]);
    assert_eq!(all[0].db.reader().counts().unwrap().diverged_incidents, 0);
}

#[test]
fn recall_finds_a_fact_by_the_words_of_every_side_and_gives_it_once() {
    let (mut all, fact) = three_who_know(text("port 1"));
    let deleted = all[0].remember("the spare key is in the drawer");
    meet(&mut all);
    all[0].edit(fact, Field::Content, "the oboe is blue".into());
    all[1].edit(fact, Field::Content, "the viola is red".into());
    all[0].edit(deleted, Field::Content, "the spare key is in the cellar".into());
    // The deletion comes last, so it is shown.
    all[1].now = all[1].now.after(100);
    all[1].forget(deleted);
    meet(&mut all);
    let other = all[2].remember(&all[2].content(fact).unwrap());
    let find = |machine: &Machine, words: &str| {
        let query = RecallQuery { text: words.into(), limit: 10, now: machine.now, ..RecallQuery::default() };
        machine.db.reader().recall(&query).unwrap().hits
    };
    // From the log's tail, then from the index.
    for indexed in [false, true] {
        if indexed {
            while all[2].db.index_step(100).unwrap() > 0 {}
        }
        for words in ["oboe", "viola", "oboe viola"] {
            let hits = find(&all[2], words);
            let found: Vec<FactId> = hits.iter().map(|hit| hit.view.fact.id).filter(|id| *id != other).collect();
            assert_eq!(found, [fact], "{words}");
        }
        let viola = find(&all[2], "viola");
        assert!(viola.iter().any(|hit| hit.snippet == "the viola is red"), "{viola:?}");
        let cellar = find(&all[2], "cellar");
        assert_eq!((cellar.len(), cellar[0].view.forgotten, cellar[0].snippet.contains("cellar")), (1, true, true));
    }
    all[2].write(settle(Settlement::Forget(deleted), seen(&fields(&all[2], deleted))));
    assert!(find(&all[2], "cellar").is_empty());
}

#[test]
fn an_erased_fact_has_no_divergence() {
    let (mut all, fact) = three_who_know(text("port 1"));
    for (machine, said) in all.iter_mut().zip(["port 2", "port 3", "port 4"]) {
        machine.edit(fact, Field::Content, said.into());
    }
    meet(&mut all);
    let seen = seen(&fields(&all[0], fact));
    all[0].write(Draft::Erase { fact, provenance: no_provenance() });
    meet(&mut all);
    for machine in &mut all {
        assert!(listed(machine).is_empty() && fields(machine, fact).is_empty());
        assert_eq!(machine.db.reader().counts().unwrap().diverged, 0);
        let settled = machine.write(settle(Settlement::Fact(fact, text("port 2")), seen.clone()));
        assert_eq!((settled.outcome, machine.content(fact)), (Outcome::Unchanged, None));
    }
}
