//! Stories of stewards: who may remove whom, and what is left of what the removed did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the world is shared with the law")]

#[path = "charter/world.rs"]
mod world;

use antiphon_core::charter::{CRITICAL, Change, Entry, Record, STEWARDS_MAX};
use antiphon_core::ids::NodeId;
use antiphon_core::vclock::VClock;
use world::*;

#[test]
fn of_two_who_remove_each_other_the_older_right_wins() {
    for way in [remove, revoke] {
        let mut story = Story::of(&[ALICE, BOB]);
        story.says(ALICE, way(BOB));
        story.says(BOB, way(ALICE));
        assert_eq!(story.stewards(), [ALICE]);
        assert!(!story.is_revoked(ALICE));
    }
    let mut story = Story::of(&[ALICE]);
    story.says(ALICE, add(BOB));
    story.all_meet();
    story.says(BOB, revoke(ALICE));
    story.says(ALICE, remove(BOB));
    assert_eq!(story.stewards(), [ALICE], "a founder's right is older than an appointed one");
}

#[test]
fn of_two_whoever_was_first_wins_once_the_other_has_heard() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(BOB, revoke(ALICE));
    story.all_meet();
    story.says(ALICE, revoke(BOB));
    assert_eq!(story.stewards(), [BOB]);
    assert!(story.is_revoked(ALICE) && !story.is_revoked(BOB));
}

#[test]
fn a_stolen_key_among_three_changes_nothing() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let first = story.says(ALICE, revoke(BOB));
    let second = story.says(ALICE, revoke(CAROL));
    let third = story.says(ALICE, add(EVE));
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL]);
    // It approves its own records, also as another machine, and lets strangers approve them.
    let mut again = Machine::new(ALICE, 1);
    again.clock = story.machine(ALICE).clock.clone();
    story.all_meet();
    for entry in [&first, &second, &third] {
        story.says(ALICE, approve(entry));
        story.says(ALICE, approve(entry));
        story.says(EVE, approve(entry));
        story.says(DAVE, approve(entry));
        let more = again.write(approve(entry));
        story.also(more);
    }
    // Nor does it help to say the same from a machine that claims to know nothing.
    let mut fresh = Machine::new(ALICE, 2);
    for node in [BOB, CAROL] {
        let (one, two) = (fresh.write(revoke(node)), fresh.write(remove(node)));
        story.entries.extend([one, two]);
    }
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL]);
    assert!(!story.is_revoked(BOB) && !story.is_revoked(CAROL));
    let membership = story.membership();
    let waiting = membership.pending().iter().find(|pending| pending.record == first.hash).unwrap();
    assert_eq!((waiting.change, waiting.node, waiting.needed), (Change::Revoke, BOB, 2));
    assert_eq!(waiting.signers, [ALICE], "one key signs once");
}

#[test]
fn two_of_three_remove_the_third() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let removal = story.says(BOB, revoke(ALICE));
    story.meet(&[BOB, CAROL]);
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL]);
    story.says(CAROL, approve(&removal));
    // What alice does meanwhile, alone, is too little.
    story.says(ALICE, revoke(BOB));
    assert_eq!(story.stewards(), [BOB, CAROL]);
    assert!(story.is_revoked(ALICE));
    assert!(story.membership().pending().is_empty(), "whoever is no steward waits for nobody");
}

#[test]
fn a_change_waits_for_those_whom_its_author_knew_as_stewards() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let removal = story.says(ALICE, remove(BOB));
    let appointment = story.says(ALICE, add(DAVE));
    story.all_meet();
    story.says(CAROL, approve(&appointment));
    story.all_meet();
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL, DAVE]);
    // Dave's consent is not asked for and changes nothing.
    story.says(DAVE, approve(&removal));
    let membership = story.membership();
    let [waiting] = membership.pending() else { panic!("{:?}", membership.pending()) };
    assert_eq!((waiting.record, &waiting.signers[..], waiting.needed), (removal.hash, &[ALICE][..], 2));
    assert_eq!(waiting.awaited, [BOB, CAROL]);
    // What he says himself counts, with the consent of somebody he knows.
    let again = story.says(DAVE, remove(BOB));
    story.all_meet();
    story.says(ALICE, approve(&again));
    assert_eq!(story.stewards(), [ALICE, CAROL, DAVE]);
}

#[test]
fn a_change_that_nobody_is_left_to_agree_to_waits_no_more() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.founders.threshold = Some(2);
    story.says(ALICE, add(CAROL));
    let waiting = story.membership().pending().to_vec();
    assert!(matches!(&waiting[..], [pending] if pending.awaited.len() == 1), "{waiting:?}");
    story.says(ALICE, remove(BOB));
    assert_eq!(story.membership().pending(), []);
    story.says(ALICE, add(CAROL));
    assert_eq!(story.stewards(), [ALICE, CAROL]);
}

#[test]
fn the_one_who_is_to_go_need_not_agree_but_may() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let removal = story.says(ALICE, remove(BOB));
    story.all_meet();
    story.says(BOB, approve(&removal));
    assert_eq!(story.stewards(), [ALICE, CAROL]);
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    story.says(BOB, revoke(BOB));
    assert_eq!(story.stewards(), [ALICE, CAROL], "whoever wants to go asks nobody");
}

#[test]
fn a_threshold_of_all_still_lets_the_others_remove_one() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    story.founders.threshold = Some(3);
    let removal = story.says(ALICE, remove(BOB));
    let appointment = story.says(ALICE, add(DAVE));
    story.all_meet();
    for entry in [&removal, &appointment] {
        story.says(CAROL, approve(entry));
    }
    assert_eq!(story.stewards(), [ALICE, CAROL]);
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    story.founders.threshold = Some(3);
    let appointment = story.says(ALICE, add(DAVE));
    story.all_meet();
    story.says(BOB, approve(&appointment));
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL]);
    story.says(CAROL, approve(&appointment));
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL, DAVE]);
}

#[test]
fn what_the_removal_had_seen_stands_and_the_rest_is_void() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(BOB, grant(CAROL));
    story.all_meet();
    story.says(ALICE, remove(BOB));
    story.says(BOB, grant(DAVE));
    story.says(BOB, revoke(CAROL));
    story.all_meet();
    story.says(BOB, grant(EVE));
    assert!(story.is_member(CAROL) && !story.is_revoked(CAROL));
    assert!(!story.is_member(DAVE) && !story.is_member(EVE));
}

#[test]
fn what_was_signed_before_the_appointment_is_void() {
    let mut story = Story::of(&[ALICE]);
    story.says(BOB, grant(CAROL));
    story.says(ALICE, add(BOB));
    story.says(BOB, grant(DAVE));
    assert!(!story.is_member(CAROL) && !story.is_member(DAVE));
    story.all_meet();
    story.says(BOB, grant(EVE));
    assert!(story.is_member(EVE) && !story.is_member(CAROL));
}

#[test]
fn whoever_was_removed_can_be_appointed_again() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(ALICE, remove(BOB));
    story.says(BOB, grant(CAROL));
    story.all_meet();
    story.says(ALICE, add(BOB));
    story.says(BOB, grant(DAVE));
    story.all_meet();
    story.says(BOB, grant(EVE));
    assert_eq!(story.stewards(), [ALICE, BOB]);
    assert!(story.is_member(EVE));
    assert!(!story.is_member(CAROL), "signed while the removal was on its way");
    assert!(!story.is_member(DAVE), "signed between removal and appointment");
}

#[test]
fn an_appointment_after_the_removal_stands_beside_one_before_it() {
    let mut story = Story::of(&[ALICE]);
    for record in [add(BOB), remove(BOB), add(BOB)] {
        story.says(ALICE, record);
        story.all_meet();
    }
    story.says(BOB, grant(CAROL));
    assert_eq!(story.stewards(), [ALICE, BOB]);
    assert!(story.is_member(CAROL));
}

#[test]
fn a_revoked_key_never_returns() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(ALICE, grant(EVE));
    story.says(ALICE, revoke(EVE));
    story.all_meet();
    story.says(ALICE, grant(EVE));
    story.says(BOB, grant(EVE));
    story.says(BOB, add(EVE));
    story.all_meet();
    story.says(EVE, grant(CAROL));
    assert!(story.is_revoked(EVE) && !story.is_member(EVE) && !story.is_member(CAROL));
    assert_eq!(story.stewards(), [ALICE, BOB]);
}

#[test]
fn in_a_circle_of_three_the_oldest_goes_first() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    story.founders.threshold = Some(1);
    story.says(ALICE, remove(BOB));
    story.says(BOB, remove(CAROL));
    story.says(CAROL, remove(ALICE));
    // Alice goes first: bob is gone and his removal with him, so carol stays, whose removal of alice counts.
    assert_eq!(story.stewards(), [CAROL]);
}

#[test]
fn in_a_circle_a_removal_goes_before_an_appointment() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.founders.threshold = Some(1);
    story.says(BOB, remove(ALICE));
    story.says(ALICE, add(EVE));
    story.meet(&[ALICE, EVE]);
    story.says(EVE, remove(BOB));
    assert_eq!(story.stewards(), [BOB]);
}

#[test]
fn what_an_appointment_that_fell_with_its_author_let_be_written_falls_too() {
    let mut story = Story::of(&[ALICE, BOB, DAVE]);
    story.founders.threshold = Some(1);
    story.says(ALICE, remove(BOB));
    story.says(BOB, remove(ALICE));
    story.says(BOB, add(CAROL));
    story.meet(&[BOB, CAROL]);
    story.says(CAROL, remove(DAVE));
    story.says(CAROL, grant(EVE));
    assert_eq!(story.stewards(), [ALICE, DAVE]);
    assert!(!story.is_member(EVE));
}

#[test]
fn an_accomplice_does_not_make_a_right_older() {
    let mut story = Story::of(&[ALICE]);
    story.says(ALICE, add(BOB));
    story.all_meet();
    // Bob appoints eve, who removes alice; alice removes bob at the same time.
    story.says(BOB, add(EVE));
    story.meet(&[BOB, EVE]);
    story.says(EVE, revoke(ALICE));
    story.says(BOB, revoke(ALICE));
    story.says(ALICE, revoke(BOB));
    assert_eq!(story.stewards(), [ALICE]);
    assert!(story.is_revoked(BOB) && !story.is_revoked(ALICE));
}

#[test]
fn approvals_count_once_they_have_seen_the_record() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let appointment = story.says(ALICE, add(DAVE));
    story.says(BOB, approve(&appointment));
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL]);
    story.all_meet();
    story.says(BOB, approve(&appointment));
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL, DAVE]);
}

#[test]
fn approvals_of_the_removed_are_void() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let appointment = story.says(BOB, add(EVE));
    story.meet(&[BOB, CAROL]);
    story.says(BOB, approve(&appointment));
    let removal = story.says(ALICE, remove(CAROL));
    story.meet(&[ALICE, BOB]);
    story.says(BOB, approve(&removal));
    // Carol agrees to the appointment without knowing that she was removed.
    story.says(CAROL, approve(&appointment));
    assert_eq!(story.stewards(), [ALICE, BOB]);
}

#[test]
fn a_critical_record_counts_if_its_author_does() {
    let unknown = Record::Unknown(4_096 | CRITICAL);
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(EVE, unknown.clone());
    assert_eq!(story.membership().critical(), None);
    story.says(ALICE, remove(BOB));
    story.says(BOB, unknown.clone());
    assert_eq!(story.membership().critical(), None, "bob was removed");
    story.says(ALICE, Record::Unknown(4_096));
    assert_eq!(story.membership().critical(), None, "not every unknown kind is critical");
    story.says(ALICE, unknown);
    assert_eq!(story.membership().critical(), Some(4_096 | CRITICAL));
    assert_eq!(story.membership().role_key("observer"), None);
}

/// Entries of `author` with whichever of 10,000 salts gives the lowest hash.
fn ground(author: &Machine, record: &Record) -> Entry {
    let tried =
        (0..10_000).map(|salt| author.clone().write_salted(author.clock.clone(), record.clone(), &salt.to_string()));
    tried.min_by_key(|entry| entry.hash).unwrap()
}

#[test]
fn ground_hashes_do_not_beat_the_older_right() {
    let mut story = Story::of(&[ALICE, BOB]);
    let records = |role: &str, text: &str| [granted(CAROL, role, &[]), gene("law.a", text), key("observer", &[CAROL])];
    let honest: Vec<Entry> = records("alices", "alices").map(|record| story.says(ALICE, record)).into();
    for (record, honest) in records("bobs", "bobs").iter().zip(&honest) {
        let entry = ground(story.machine(BOB), record);
        assert!(entry.hash < honest.hash);
        story.also(entry);
    }
    let removal = ground(story.machine(BOB), &remove(ALICE));
    story.also(removal);
    story.says(ALICE, remove(BOB));
    assert_eq!(story.stewards(), [ALICE]);
    story.entries.truncate(6);
    let membership = story.membership();
    assert_eq!(membership.member(&CAROL).unwrap().grant.roles, ["alices"]);
    assert_eq!(membership.genes()["law.a"], "alices");
    assert_eq!(membership.role_key("observer").unwrap().epoch, honest[2].hash);
    // Whoever has seen the other's grant renews it, whatever its age.
    story.all_meet();
    story.says(BOB, granted(CAROL, "renewed", &[]));
    assert_eq!(story.membership().member(&CAROL).unwrap().grant.roles, ["renewed"]);
}

#[test]
fn a_log_cannot_forget_what_it_has_shown_to_know() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(BOB, remove(ALICE));
    story.all_meet();
    story.says(ALICE, grant(CAROL));
    // Alice's log has shown that it knows; it claims not to, twice, so that the second does not forget the first.
    for record in [gene("law.a", "throwaway"), gene("law.b", "throwaway"), revoke(BOB)] {
        let entry = story.machine(ALICE).write_claiming(VClock::new(), record);
        story.also(entry);
    }
    assert_eq!(story.stewards(), [BOB]);
    assert!(story.membership().genes().is_empty());
}

#[test]
fn what_strangers_write_makes_nobody_worth_hearing() {
    let mut story = Story::of(&[ALICE]);
    story.says(EVE, add(EVE));
    story.says(EVE, add(DAVE));
    story.says(EVE, grant(CAROL));
    let membership = story.membership();
    assert_eq!(membership.ever_stewards().len(), 1);
    assert_eq!(membership.ever_members().len(), 1);
    // Named in vain by a steward of three, a key is heard, and what it names too.
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    story.says(ALICE, add(DAVE));
    story.says(DAVE, add(EVE));
    assert_eq!(story.membership().ever_stewards().len(), 5);
    assert_eq!(story.stewards(), [ALICE, BOB, CAROL]);
}

#[test]
fn nobody_revokes_once_it_knows_that_it_may_not() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(BOB, revoke(ALICE));
    story.says(ALICE, revoke(BOB));
    // Another machine of alice's has heard of bob's removal of her only, and agrees. So she tells two stories.
    let mut other = Machine::new(ALICE, 1);
    other.hears(story.machine(BOB));
    let entry = other.write(revoke(ALICE));
    story.also(entry);
    assert_eq!(story.stewards(), [BOB]);
    assert!(story.is_revoked(ALICE) && !story.is_revoked(BOB), "nobody is a steward and revoked");
}

#[test]
fn a_stolen_founders_key_that_was_removed_does_not_come_back_by_a_new_log() {
    let mut story = Story::of(&[ALICE]);
    story.says(ALICE, add(BOB));
    story.all_meet();
    story.says(ALICE, grant(DAVE));
    story.all_meet();
    story.says(BOB, revoke(ALICE));
    assert_eq!(story.stewards(), [BOB]);
    // Whoever has the key opens a log that knows of nothing, and removes bob and whom it likes: it would be the older
    // right, and at the same time, if alice's other log did not show that she knows better.
    let mut thief = Machine::new(ALICE, 1);
    for record in [revoke(BOB), grant(EVE), revoke(DAVE)] {
        let entry = thief.write(record);
        story.also(entry);
    }
    assert_eq!(story.stewards(), [BOB]);
    assert!(story.is_revoked(ALICE) && !story.is_member(EVE) && story.is_member(DAVE));
    // A machine that lost its disk has heard of what its former log knew, and tells one story.
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(ALICE, grant(DAVE));
    story.all_meet();
    story.says(BOB, revoke(ALICE));
    let mut returned = Machine::new(ALICE, 1);
    returned.clock = story.machine(ALICE).clock.clone();
    let entry = returned.write(revoke(BOB));
    story.also(entry);
    assert_eq!(story.stewards(), [ALICE], "the older right wins");
}

#[test]
fn what_somebody_ever_held_is_kept_and_what_strangers_grant_is_not() {
    let mut story = Story::of(&[ALICE]);
    story.says(ALICE, granted(BOB, "observer", &[]));
    story.all_meet();
    story.says(ALICE, granted(BOB, "backend_developer", &[]));
    story.says(ALICE, granted(DAVE, "observer", &[]));
    story.says(EVE, granted(EVE, "observer", &[]));
    story.all_meet();
    story.says(ALICE, revoke(BOB));
    story.says(ALICE, revoke(CAROL));
    let membership = story.membership();
    let held = |node| membership.ever_held(&node).collect::<Vec<_>>();
    assert_eq!(held(BOB), ["backend_developer", "observer"]);
    assert_eq!(held(DAVE), ["observer"]);
    assert!(held(CAROL).is_empty() && held(EVE).is_empty());
    let named: Vec<_> = membership.ever_members().iter().copied().collect();
    assert_eq!(named, [ALICE, BOB, CAROL, DAVE]);
}

#[test]
fn how_many_must_agree_follows_how_many_stewards_there_are() {
    let mut story = Story::of(&[ALICE]);
    assert_eq!(story.membership().needed(), 1);
    for (node, needed) in [(BOB, 1), (CAROL, 2)] {
        story.says(ALICE, add(node));
        story.all_meet();
        assert_eq!(story.membership().needed(), needed, "with {:?}", story.stewards());
    }
}

#[test]
fn of_two_grants_that_a_fork_put_into_one_place_the_one_of_the_lower_hash_counts() {
    let mut story = Story::of(&[ALICE]);
    let mut double = story.machine(ALICE).clone();
    let one = story.says(ALICE, granted(BOB, "observer", &[]));
    let other = double.write(granted(BOB, "backend_developer", &[]));
    let lower = if one.hash < other.hash { &one } else { &other }.hash;
    story.also(other);
    assert_eq!(story.membership().member(&BOB).unwrap().record, lower);
}

#[test]
fn whom_too_few_have_appointed_yet_may_do_nothing() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    story.says(CAROL, grant(EVE));
    story.all_meet();
    let appointment = story.says(ALICE, add(DAVE));
    story.meet(&[ALICE, BOB, DAVE]);
    story.says(BOB, approve(&appointment));
    // Dave has not heard that bob agrees.
    story.says(DAVE, revoke(EVE));
    assert!(story.stewards().contains(&DAVE) && story.is_member(EVE));
    story.all_meet();
    story.says(DAVE, revoke(EVE));
    assert!(story.is_revoked(EVE));
}

#[test]
fn whoever_is_a_steward_is_not_appointed_again() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    story.says(ALICE, add(BOB));
    assert!(story.membership().pending().is_empty());
    story.says(ALICE, add(DAVE));
    assert_eq!(story.membership().pending().len(), 1);
}

#[test]
fn a_team_has_so_many_stewards_and_no_more() {
    let mut story = Story::of(&[ALICE]);
    story.founders.threshold = Some(1);
    let others: Vec<NodeId> = (10..).map(|byte| NodeId([byte; 32])).take(STEWARDS_MAX).collect();
    for node in &others {
        story.says(ALICE, add(*node));
    }
    assert_eq!(story.stewards().len(), STEWARDS_MAX);
    story.says(ALICE, remove(others[0]));
    story.says(ALICE, add(BOB));
    assert_eq!(story.stewards().len(), STEWARDS_MAX);
    assert!(story.stewards().contains(&BOB));
}
