//! Keys that somebody was given by a grant that does not count: what was sent was sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the world is shared with the law")]

#[path = "charter/world.rs"]
mod world;

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
fn who_does_not_hold_a_key_cannot_spoil_it() {
    let mut story = Story::of(&[ALICE, BOB]);
    let made = story.says(ALICE, key(ROLE, &[ALICE]));
    story.all_meet();
    story.says(BOB, granted(CAROL, ROLE, &[made.hash]));
    story.says(ALICE, remove(BOB));
    assert!(!story.is_member(CAROL));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, made.hash);
}
