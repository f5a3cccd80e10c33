//! A machine that came back with an older copy of its disk: it takes up what the others hold, and loses nothing.

use antiphon_core::event::Event;
use antiphon_core::fact::Field;
use antiphon_core::genome::Genome;
use antiphon_core::ids::FactId;
use antiphon_core::incident::{Field as IncidentField, IncidentEdit};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_store::{AuthorError, Branching, Draft};

use crate::common::{Machine, NOW, alice, join, no_provenance, text};
use crate::sync::{check, twin};

/// Alice holds what bob wrote after the copy was made of which `restored` lives.
struct Story {
    alice: Machine,
    carol: Machine,
    restored: Machine,
    log: LogId,
    /// A fact from before the copy, which both branches edit.
    common: FactId,
    /// Written after the copy.
    held: FactId,
}

fn story() -> Story {
    let (mut alice, genome): (Machine, Genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let carol = join(3, "carol", &mut alice, &genome);
    let common = bob.remember("known to both");
    let restored = twin(&bob);
    let held = bob.remember("written after the copy");
    bob.edit(common, Field::Module, "auth".into());
    alice.pull(&bob);
    let log = bob.shared();
    Story { alice, carol, restored, log, common, held }
}

fn after(from: &Machine, log: LogId, seq: u64) -> Vec<Event> {
    from.db.reader().page(log, seq, 512, 1 << 20, None).unwrap()
}

fn try_remember(machine: &mut Machine) -> Result<(), AuthorError> {
    let draft = Draft::Remember { id: None, edit: text("not now"), provenance: no_provenance(), idempotency_key: None };
    machine.try_write(draft).map(drop)
}

fn write_again(machine: &mut Machine) -> antiphon_store::Again {
    let (now, random) = (machine.tick(), machine.random());
    machine.db.write_again(true, now, random).unwrap()
}

/// What alice shows of bob's log from where the branches part, which is event 2.
fn meet(story: &mut Story) -> Branching {
    let (branch, key) = (after(&story.alice, story.log, 2), story.restored.node());
    let now = story.restored.tick();
    story.restored.db.keep_branch(story.log, key, branch, now).unwrap()
}

fn alike(machines: &[&Machine]) {
    let first = machines[0].db.reader().state_hash().unwrap();
    for machine in machines {
        assert_eq!(machine.db.reader().state_hash().unwrap(), first);
        check(machine);
    }
}

#[test]
fn what_nobody_was_sent_is_written_again_behind_what_the_others_hold() {
    let mut story = story();
    let own = story.restored.remember("written since");
    let long = (0..600).map(|n| story.restored.remember(&format!("since {n}"))).collect::<Vec<_>>();
    story.restored.edit(story.common, Field::Content, "known to both, edited".into());
    let gone = story.restored.remember("a mistake");
    story.restored.forget(gone);
    assert_eq!(meet(&mut story), Branching::Adopted);
    let Story { mut alice, mut carol, mut restored, log, common, held } = story;
    assert_eq!(restored.db.reader().clock().unwrap()[&log], alice.db.reader().clock().unwrap()[&log]);
    assert_eq!(restored.content(held).as_deref(), Some("written after the copy"));
    assert_eq!(try_remember(&mut restored), Err(AuthorError::Rejoining(log.store)));
    restored.reopen();
    assert!(restored.db.reader().own_log().unwrap().adopting, "a crash changes nothing");
    check(&restored);
    let again = write_again(&mut restored);
    assert_eq!((again.opened, again.written, again.waiting), (None, 603, 0));
    try_remember(&mut restored).unwrap();
    restored.pull(&alice);
    alice.pull(&restored);
    carol.pull(&alice);
    alice.pull(&carol);
    restored.pull(&alice);
    for machine in [&alice, &carol, &restored] {
        assert_eq!(machine.content(own).as_deref(), Some("written since"));
        assert_eq!(machine.content(held).as_deref(), Some("written after the copy"));
        let fact = machine.db.reader().fact(common).unwrap().unwrap();
        assert_eq!(fact.fact.content.as_deref(), Some("known to both, edited"));
        assert_eq!(fact.fact.module.as_deref(), Some("auth"));
        assert!(fact.diverged.is_empty());
        assert!(machine.db.reader().fact(gone).unwrap().unwrap().forgotten);
        assert!(long.iter().all(|fact| machine.content(*fact).is_some()));
        assert!(machine.db.reader().forks().unwrap().is_empty());
    }
    alike(&[&alice, &carol, &restored]);
    let rejoined = restored.db.reader().rejoined().unwrap().unwrap();
    assert_eq!((rejoined.written, rejoined.new_store, rejoined.waiting), (603, false, 0));
}

#[test]
fn what_somebody_was_sent_is_written_again_in_a_new_store_and_so_is_the_other_branch() {
    let mut story = story();
    let own = story.restored.remember("written since");
    let head = story.restored.db.reader().clock().unwrap()[&story.log];
    assert!(story.restored.db.note_sent(story.log, head).unwrap());
    story.carol.pull(&story.restored);
    let parted = story.restored.db.reader().heads_at(story.log, &[2]).unwrap()[0];
    assert_eq!(meet(&mut story), Branching::Parted(parted));
    let Story { mut alice, mut carol, mut restored, log, common, held } = story;
    assert_eq!(try_remember(&mut restored), Err(AuthorError::Rejoining(log.store)));
    let again = write_again(&mut restored);
    let next = LogId::new(again.opened.unwrap().store, Stream::Shared);
    assert_eq!((again.written, again.waiting), (3, 0));
    assert_eq!(after(&restored, next, 0)[0].opening().unwrap().previous.unwrap().0, log.store);
    try_remember(&mut restored).unwrap();
    let (proof, key) = (restored.db.reader().proof(log, &alice.node()).unwrap(), restored.node());
    assert_eq!(proof.len(), 2);
    for machine in [&mut alice, &mut carol] {
        for branch in &proof {
            machine.db.keep_branch(log, key, branch.clone(), NOW).unwrap();
        }
        machine.db.apply_run(next, key, after(&restored, next, 0), None, NOW).unwrap();
    }
    restored.pull(&alice);
    restored.pull(&carol);
    for machine in [&alice, &carol, &restored] {
        assert_eq!(machine.content(own).as_deref(), Some("written since"));
        assert_eq!(machine.content(held).as_deref(), Some("written after the copy"));
        assert_eq!(machine.db.reader().fact(common).unwrap().unwrap().fact.module.as_deref(), Some("auth"));
        let logs = machine.db.reader().logs().unwrap();
        assert_eq!(logs.iter().find(|view| view.log == log).unwrap().verdict, Verdict::Forked(3));
    }
    alice.pull(&carol);
    alike(&[&alice, &restored]);
    restored.reopen();
    assert!(!restored.db.reader().own_log().unwrap().is_unsettled());
    check(&restored);
}

#[test]
fn whoever_took_up_the_new_branch_brings_its_author_the_old_one() {
    let mut story = story();
    let own = story.restored.remember("written since");
    let head = story.restored.db.reader().clock().unwrap()[&story.log];
    assert!(story.restored.db.note_sent(story.log, head).unwrap());
    story.carol.pull(&story.restored);
    let Story { alice, mut carol, mut restored, log, common, held } = story;
    let key = restored.node();
    // The author reaches carol alone, who was shown alice's branch and goes on to hold the other one.
    let _ = carol.db.keep_branch(log, key, after(&alice, log, 2), NOW).unwrap();
    for branch in carol.db.reader().proof(log, &key).unwrap() {
        let _ = restored.db.keep_branch(log, key, branch, NOW).unwrap();
    }
    let again = write_again(&mut restored);
    assert_eq!((again.opened.is_some(), again.written, again.waiting), (true, 3, 0));
    assert_eq!(restored.content(own).as_deref(), Some("written since"));
    assert_eq!(restored.content(held).as_deref(), Some("written after the copy"));
    assert_eq!(restored.db.reader().fact(common).unwrap().unwrap().fact.module.as_deref(), Some("auth"));
    check(&restored);
}

#[test]
fn what_is_shown_later_of_a_branch_is_written_again_too() {
    let mut story = story();
    story.restored.remember("written since");
    let head = story.restored.db.reader().clock().unwrap()[&story.log];
    assert!(story.restored.db.note_sent(story.log, head).unwrap());
    let (branch, key) = (after(&story.alice, story.log, 2), story.restored.node());
    let _ = story.restored.db.keep_branch(story.log, key, branch[..1].to_vec(), NOW).unwrap();
    assert_eq!(write_again(&mut story.restored).written, 2);
    let bare: Vec<Event> = branch.iter().map(|event| event.clone().without_payload()).collect();
    for (shown, written) in [(bare, 0), (branch.clone(), 1), (branch, 0)] {
        let shown = story.restored.db.keep_branch(story.log, key, shown, NOW).unwrap();
        assert_eq!((shown, write_again(&mut story.restored).written), (Branching::Same, written));
    }
    let fact = story.restored.db.reader().fact(story.common).unwrap().unwrap().fact;
    assert_eq!(fact.module.as_deref(), Some("auth"));
    check(&story.restored);
}

#[test]
fn an_event_whose_text_nobody_has_yet_waits_for_it_and_for_nothing_else() {
    let mut story = story();
    let own = story.restored.remember("written since");
    let head = story.restored.db.reader().clock().unwrap()[&story.log];
    assert!(story.restored.db.note_sent(story.log, head).unwrap());
    let (key, now) = (story.restored.node(), story.restored.tick());
    let mut branch = after(&story.alice, story.log, 2);
    let (hash, text) = (branch[0].hash(), branch[0].payload().unwrap().to_vec());
    branch[0] = branch[0].clone().without_payload();
    let Story { mut restored, log, held, .. } = story;
    restored.db.keep_branch(log, key, branch, now).unwrap();
    let again = write_again(&mut restored);
    assert!(again.opened.is_some());
    assert_eq!((again.written, again.waiting), (2, 1));
    assert_eq!(restored.db.reader().waiting_for_texts().unwrap(), [(log, 3, hash)]);
    assert_eq!(restored.content(own).as_deref(), Some("written since"));
    try_remember(&mut restored).unwrap();
    assert!(restored.db.fill_wanted(log, vec![(3, text)]).unwrap().fits);
    assert_eq!(restored.db.reader().waiting_for_texts().unwrap(), []);
    let again = write_again(&mut restored);
    assert_eq!((again.written, again.waiting), (1, 0));
    assert_eq!(restored.content(held).as_deref(), Some("written after the copy"));
}

#[test]
fn a_branch_whose_tail_comes_late_does_not_undo_what_was_written_since() {
    let mut story = story();
    story.restored.edit(story.common, Field::Domain, "since".into());
    let head = story.restored.db.reader().clock().unwrap()[&story.log];
    assert!(story.restored.db.note_sent(story.log, head).unwrap());
    let (branch, key) = (after(&story.alice, story.log, 2), story.restored.node());
    story.restored.db.keep_branch(story.log, key, branch[..1].to_vec(), NOW).unwrap();
    assert_eq!(write_again(&mut story.restored).waiting, 0);
    story.restored.now = NOW.after(3_600_000);
    story.restored.edit(story.common, Field::Module, "newest".into());
    story.restored.pull(&story.alice);
    let again = write_again(&mut story.restored);
    assert_eq!((again.opened, again.written, again.dropped, again.waiting), (None, 0, 1, 0));
    let fact = story.restored.db.reader().fact(story.common).unwrap().unwrap().fact;
    assert_eq!((fact.module.as_deref(), fact.domain.as_deref()), (Some("newest"), Some("since")));
    assert_eq!(story.restored.content(story.held).as_deref(), Some("written after the copy"));
}

#[test]
fn eve_who_shows_old_branches_again_moves_nothing() {
    for sent in [false, true] {
        let mut story = story();
        story.restored.remember("written since");
        let (log, key) = (story.log, story.restored.node());
        if sent {
            let head = story.restored.db.reader().clock().unwrap()[&log];
            assert!(story.restored.db.note_sent(log, head).unwrap());
        }
        let mine = after(&story.restored, log, 2);
        let _ = meet(&mut story);
        write_again(&mut story.restored);
        let (before, hash) =
            (story.restored.db.reader().clock().unwrap(), story.restored.db.reader().state_hash().unwrap());
        let turns = story.restored.db.reader().own_log().unwrap().turns;
        for branch in [mine.clone(), after(&story.alice, log, 2), after(&story.alice, log, 0), mine] {
            if sent {
                let _ = story.restored.db.keep_branch(log, key, branch, NOW).unwrap();
                assert_eq!(write_again(&mut story.restored).written, 0);
                assert_eq!(story.restored.db.reader().state_hash().unwrap(), hash);
            } else if branch != after(&story.alice, log, 0) && branch != after(&story.alice, log, 2) {
                continue;
            } else {
                assert_eq!(story.restored.db.keep_branch(log, key, branch, NOW).unwrap(), Branching::Same);
            }
            assert_eq!(story.restored.db.reader().clock().unwrap(), before);
        }
        assert_eq!(story.restored.db.reader().own_log().unwrap().turns, turns);
        check(&story.restored);
    }
}

#[test]
fn incidents_and_edits_of_others_facts_come_along() {
    let mut story = story();
    let note = story.alice.remember("alice says");
    let theirs = story.alice.shared();
    let page = after(&story.alice, theirs, 0);
    story.restored.db.apply_run(theirs, story.alice.node(), page, None, NOW).unwrap();
    story.restored.edit(note, Field::Module, "bob was here".into());
    let edit = IncidentEdit::new().set(IncidentField::Title, "a fire".into());
    let incident =
        story.restored.write(Draft::ReportIncident { id: None, edit, provenance: no_provenance() }).incident.unwrap();
    assert_eq!(meet(&mut story), Branching::Adopted);
    assert_eq!(story.restored.db.reader().incident(incident).unwrap(), None);
    assert_eq!(write_again(&mut story.restored).written, 2);
    story.restored.pull(&story.alice);
    story.alice.pull(&story.restored);
    for machine in [&story.alice, &story.restored] {
        assert!(machine.db.reader().incident(incident).unwrap().is_some());
        assert_eq!(machine.db.reader().fact(note).unwrap().unwrap().fact.module.as_deref(), Some("bob was here"));
    }
    alike(&[&story.alice, &story.restored]);
}

#[test]
fn a_steward_whose_charter_log_forked_goes_on_in_a_new_store() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let mut restored = twin(&alice);
    let fact = alice.remember("alice says");
    bob.pull(&alice);
    let carol = join(3, "carol", &mut alice, &genome);
    bob.pull(&alice);
    let dave = join(4, "dave", &mut restored, &genome);
    let (log, key) = (alice.charter(), alice.node());
    assert!(restored.db.apply_run(log, key, after(&bob, log, 0), None, NOW).unwrap().fork.is_some());
    let draft = crate::common::grant(Machine::new(5).node(), "erin");
    assert!(matches!(restored.try_write(draft.clone()), Err(AuthorError::Rejoining(_))));
    let again = write_again(&mut restored);
    assert!(again.opened.is_some() && again.waiting == 0);
    restored.write(draft);
    restored.pull(&bob);
    restored.remember("and on");
    assert_eq!(restored.content(fact).as_deref(), Some("alice says"));
    let members = restored.db.reader().membership().unwrap();
    for node in [carol.node(), dave.node(), Machine::new(5).node()] {
        assert!(members.member(&node).is_some());
    }
    check(&restored);
}
