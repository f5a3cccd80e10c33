//! Keys that somebody was given by a grant that does not count: what was sent was sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the world is shared with the law")]

#[path = "charter/world.rs"]
mod world;

use antiphon_core::charter::{Entry, Previous, Record, RoleKey};
use antiphon_core::ids::NodeId;
use world::*;

const ROLE: &str = "observer";

#[test]
fn a_key_that_carol_got_by_a_void_grant_is_not_used() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(ALICE, granted(BOB, ROLE, &[]));
    let made = story.says(ALICE, key(ROLE, &[ALICE, BOB]));
    story.all_meet();
    story.says(BOB, granted(CAROL, ROLE, &[made.hash]));
    // Alice has not seen it, so the grant is void; carol opened the key all the same.
    story.says(ALICE, remove(BOB));
    assert!(story.membership().member(&CAROL).is_none());
    assert_eq!(story.membership().role_key(ROLE), None);
    // Granted rightly, she may hold it; removed, she may not.
    story.says(ALICE, granted(CAROL, ROLE, &[]));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, made.hash);
    story.says(ALICE, revoke(CAROL));
    assert_eq!(story.membership().role_key(ROLE), None);
}

#[test]
fn a_key_that_a_holder_handed_on_and_that_one_too_is_not_used() {
    let mut story = Story::of(&[ALICE, BOB]);
    let made = story.says(ALICE, key(ROLE, &[ALICE]));
    story.says(ALICE, granted(BOB, ROLE, &[made.hash]));
    story.all_meet();
    // Bob holds the key by a grant alone, and hands it to carol in vain.
    story.says(BOB, granted(CAROL, ROLE, &[made.hash]));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, made.hash);
    story.says(ALICE, remove(BOB));
    assert!(story.is_member(BOB) && !story.is_member(CAROL));
    assert_eq!(story.membership().role_key(ROLE), None);
}

/// What `node` writes having seen no more of the others than these entries and what is before them in their logs, and not
/// what their authors had seen.
fn says_with_gaps(story: &mut Story, node: NodeId, seen: &[&Entry], record: Record) -> Entry {
    let claimed = seen.iter().map(|entry| (entry.store, entry.seq)).collect();
    let written = story.machine(node).write_claiming(claimed, record);
    story.also(written)
}

#[test]
fn a_key_that_another_key_opens_is_held_by_whoever_holds_that_one() {
    let mut story = Story::of(&[BOB, ALICE, CAROL, DAVE]);
    story.founders.threshold = Some(1);
    let hers = story.says(CAROL, granted(DAVE, ROLE, &[]));
    story.meet(&[BOB, CAROL]);
    let opened = story.says(BOB, key(ROLE, &[ALICE, BOB]));
    // Alice makes the next one for dave too, and has not seen all that bob had: so it does not replace bob's.
    let next = RoleKey {
        previous: Some(Previous { epoch: opened.hash, sealed: b"sealed".to_vec() }),
        ..role_key(ROLE, &[ALICE, DAVE])
    };
    let next = says_with_gaps(&mut story, ALICE, &[&opened], Record::RoleKey(next));
    assert!(!next.has_seen(&hers));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, opened.hash, "the older right");
    // Dave opens bob's by alice's, and hands it to eve in vain.
    let dave = [&opened, &next];
    says_with_gaps(&mut story, DAVE, &dave, granted(EVE, ROLE, &[opened.hash]));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, opened.hash);
    says_with_gaps(&mut story, ALICE, &[&opened], remove(DAVE));
    assert!(story.is_member(DAVE) && !story.is_member(EVE));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, next.hash);
}

#[test]
fn who_does_not_hold_a_key_cannot_spoil_it() {
    let mut story = Story::of(&[ALICE, BOB]);
    let made = story.says(ALICE, key(ROLE, &[ALICE]));
    story.all_meet();
    story.says(BOB, granted(CAROL, ROLE, &[made.hash]));
    story.says(ALICE, remove(BOB));
    assert!(!story.is_member(CAROL));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, made.hash);
}
