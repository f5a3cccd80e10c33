//! What alice took of bob's outbox, however often he sent it.

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::outbox::Place;
use antiphon_store::{Db, Effect, Options, TAKEN_ERAS_MAX, TAKEN_RANGES_MAX, TakeFrom, Taking, Took};

use crate::common::NOW;
use crate::outbox::{bob, eve};

const STORE: StoreId = StoreId([3; 16]);

fn open(home: &tempfile::TempDir) -> Db {
    Db::open(home.path(), Options { durable: false }, None).unwrap()
}

fn at(era: u64, n: u64) -> Place {
    Place { era, n }
}

fn take(db: &mut Db, node: NodeId, floor: u64, places: &[Place]) -> Vec<Took> {
    let from = TakeFrom { node, store: STORE, floor };
    let items = places.iter().map(|place| Taking { place: *place, effect: Effect::Nothing });
    db.take(&from, items.collect(), NOW).unwrap()
}

#[test]
fn what_comes_twice_is_taken_once() {
    let home = tempfile::tempdir().unwrap();
    let mut alice = open(&home);
    assert_eq!(take(&mut alice, bob(), 1, &[at(7, 1), at(7, 2), at(7, 1)]), [Took::Taken, Took::Taken, Took::Had]);
    drop(alice);
    let mut alice = open(&home);
    assert_eq!(take(&mut alice, bob(), 1, &[at(7, 2), at(7, 3), at(8, 2)]), [Took::Had, Took::Taken, Took::Taken]);
    assert_eq!(alice.reader().taken_last(&bob(), &STORE).unwrap(), Some(at(8, 2)));
    assert_eq!(alice.reader().taken_last(&bob(), &StoreId([4; 16])).unwrap(), None);
    let took = |place| alice.reader().has_taken(&bob(), place).unwrap();
    assert!(took(at(7, 3)) && took(at(8, 2)) && !took(at(7, 4)) && !took(at(8, 1)) && !took(at(9, 1)));
}

#[test]
fn the_last_is_known_whatever_the_clock_says() {
    let home = tempfile::tempdir().unwrap();
    let mut alice = open(&home);
    take(&mut alice, bob(), 1, &[at(9, 1), at(7, 2), at(9, 3), at(8, 4), at(9, 5), at(7, 6)]);
    assert_eq!(alice.reader().taken_last(&bob(), &STORE).unwrap(), Some(at(7, 6)));
    take(&mut alice, bob(), 1, &[at(8, 7)]);
    assert_eq!(alice.reader().taken_last(&bob(), &STORE).unwrap(), Some(at(8, 7)));
}

#[test]
fn eve_cannot_make_alice_believe_that_she_has_what_bob_sends() {
    let home = tempfile::tempdir().unwrap();
    let mut alice = open(&home);
    assert_eq!(take(&mut alice, eve(), u64::MAX, &[at(7, 1), at(7, 0)])[0], Took::Taken);
    assert_eq!(take(&mut alice, bob(), 1, &[at(7, 1)]), [Took::Taken]);
    assert!(matches!(take(&mut alice, eve(), 1, &[at(7, 0)])[0], Took::Refused(_)), "places begin at 1");
}

#[test]
fn gaps_are_forgotten_only_below_what_bob_still_has_and_only_when_there_are_many() {
    let home = tempfile::tempdir().unwrap();
    let mut alice = open(&home);
    let odd: Vec<Place> = (0..200).map(|n| at(7, 2 * n + 1)).collect();
    assert!(take(&mut alice, bob(), 1, &odd).iter().all(|took| *took == Took::Taken));
    assert_eq!(take(&mut alice, bob(), 1, &[at(7, 2)]), [Took::Taken], "nothing was given up so far");
    assert_eq!(take(&mut alice, bob(), 301, &[at(7, 401)]), [Took::Taken]);
    let took = |db: &Db, n| db.reader().has_taken(&bob(), at(7, n)).unwrap();
    assert!(took(&alice, 300) && !took(&alice, 302) && !took(&alice, 400), "bob has nothing below 301 any more");
    assert_eq!(take(&mut alice, bob(), 301, &[at(7, 302), at(8, 1)]), [Took::Taken, Took::Taken]);
    assert!(!alice.reader().has_taken(&bob(), at(8, 2)).unwrap(), "of another era nothing was said");
}

#[test]
fn beyond_a_bound_alice_is_busy_until_bob_lets_her_forget() {
    let home = tempfile::tempdir().unwrap();
    let mut alice = open(&home);
    let max = TAKEN_RANGES_MAX as u64;
    let odd: Vec<Place> = (1..=max + 2).map(|n| at(7, 2 * n + 1)).collect();
    let took = take(&mut alice, bob(), 1, &odd);
    let busy = took.iter().filter(|took| **took == Took::Busy).count();
    assert_eq!((busy, took.last()), (2, Some(&Took::Busy)));
    assert_eq!(take(&mut alice, bob(), 1, &odd[odd.len() - 2..]), [Took::Busy, Took::Busy]);
    assert_eq!(take(&mut alice, bob(), 1, &[at(7, 4)]), [Took::Taken], "what fills a gap costs nothing");
    assert_eq!(take(&mut alice, bob(), max, &odd[odd.len() - 2..]), [Took::Taken, Took::Taken]);
}

#[test]
fn eras_of_one_sender_are_bounded_and_others_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut alice = open(&home);
    take(&mut alice, bob(), 1, &[at(1, 1)]);
    let many: Vec<Place> = (1..=TAKEN_ERAS_MAX as u64 + 5).map(|era| at(era, 1)).collect();
    take(&mut alice, eve(), 1, &many);
    let took = |node, era| alice.reader().has_taken(&node, at(era, 1)).unwrap();
    assert!(took(bob(), 1) && !took(eve(), 5) && took(eve(), 6) && took(eve(), TAKEN_ERAS_MAX as u64 + 5));
}
