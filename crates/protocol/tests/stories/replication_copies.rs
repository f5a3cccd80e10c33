//! Copies of documents come to be where they belong, and no more of them.

use std::collections::BTreeSet;

use antiphon_core::replication::{Health, Priority, Settings};
use antiphon_protocol::replication::manager::{HealthCounts, Input};

use crate::replication_world::{HOUR_MS, MINUTE_MS, World};

const ALICE: usize = 0;
const BOB: usize = 1;

fn check_placed(world: &World, documents: usize, factor: usize) {
    for document in 0..documents {
        let placed: BTreeSet<usize> = world.placed(document).into_iter().take(factor).collect();
        assert_eq!(world.holders(document), placed, "document {document}");
    }
}

fn check_healthy(world: &mut World) {
    for n in world.members.clone() {
        let total = world.documents.iter().filter(|document| document.needed).count();
        let counts = world.manager(n).health_counts();
        assert_eq!(counts, HealthCounts { critical: 0, degraded: 0, healthy: total }, "as node {n} sees it");
    }
}

#[test]
fn what_alice_stores_is_soon_held_by_three() {
    let mut world = World::team(1, 5, Settings::default());
    for _ in 0..20 {
        world.store(ALICE, Priority::Normal);
    }
    world.run(20_000);
    check_healthy(&mut world);
    for document in 0..20 {
        assert!(world.holders(document).len() >= 3);
    }
    world.run(2 * HOUR_MS);
    check_placed(&world, 20, 3);
    check_healthy(&mut world);
    let copies: BTreeSet<_> = world.copies.iter().collect();
    assert_eq!(copies.len(), world.copies.len(), "nothing is copied twice");
    assert_eq!(world.machines.iter().map(|machine| machine.disk.len()).sum::<usize>(), 60);
}

#[test]
fn where_nobody_offers_room_all_find_out_who_has_it_and_nothing_is_copied() {
    let mut world = World::new(3, 5, Settings::default());
    for n in 0..5 {
        world.machines[n].offers = false;
        world.join(n);
    }
    for n in 0..50 {
        world.store(n % 5, Priority::Normal);
    }
    world.run(MINUTE_MS);
    check_healthy(&mut world);
    assert!(world.copies.is_empty());
    let asked = world.asked;
    world.run(HOUR_MS);
    check_healthy(&mut world);
    assert!(world.asked - asked <= 50 * 4, "once an hour at most of each by each: {} and {asked}", world.asked);
}

#[test]
fn a_holder_that_is_gone_for_longer_than_the_grace_period_is_replaced() {
    let mut world = World::team(2, 5, Settings::default());
    for n in 0..50 {
        world.store(n % 5, Priority::Normal);
    }
    world.run(2 * HOUR_MS);
    check_placed(&world, 50, 3);
    let (copies, lost) = (world.copies.len(), world.machines[BOB].disk.len());
    world.stop(BOB);
    world.run(9 * MINUTE_MS);
    assert_eq!(world.copies.len(), copies, "bob may come back");
    world.run(MINUTE_MS + 30_000);
    assert_eq!(world.copies.len(), copies + lost, "what he held is held by others");
    for n in [0, 2, 3, 4] {
        assert_eq!(world.manager(n).health_counts().healthy, 50, "as node {n} sees it");
    }
    world.start(BOB);
    world.run(3 * HOUR_MS);
    check_placed(&world, 50, 3);
    check_healthy(&mut world);
    assert_eq!(world.copies.len(), copies + lost, "and his copies count again");
}

#[test]
fn a_team_that_grows_moves_only_what_must_move() {
    const DOCUMENTS: usize = 10_000;
    let mut world = World::new(3, 12, Settings::default());
    for _ in 0..DOCUMENTS {
        world.place(&[0, 1, 2]);
    }
    for n in 0..3 {
        world.join(n);
    }
    world.run(MINUTE_MS);
    assert_eq!((world.copies.len(), world.trims.len()), (0, 0));
    world.members.extend(3..12);
    world.see();
    for n in 3..12 {
        world.run(500);
        world.start(n);
    }
    world.run(3 * HOUR_MS);
    let must: usize = (0..DOCUMENTS).map(|d| world.placed(d).into_iter().take(3).filter(|n| *n >= 3).count()).sum();
    assert_eq!(world.copies.len(), must, "each copy that must move moves once, and no other");
    check_placed(&world, DOCUMENTS, 3);
    check_healthy(&mut world);
}

#[test]
fn a_person_sees_who_holds_what() {
    let mut world = World::team(4, 4, Settings { automatic: false, ..Settings::default() });
    let document = world.store(ALICE, Priority::High);
    world.run(MINUTE_MS);
    let (root, now) = (world.documents[document].root, world.now);
    let status = world.manager(ALICE).status(&root, now).unwrap();
    assert_eq!((status.target, status.actual, status.healthy, status.health), (3, 1, 1, Health::Degraded));
    assert!(status.is_local && status.priority == Priority::High);
    assert_eq!(world.copies.len(), 0, "nothing is copied by itself");
    world.give(ALICE, Input::Run { root: Some(root) });
    world.run(MINUTE_MS);
    let now = world.now;
    let status = world.manager(BOB).status(&root, now).unwrap();
    assert!(status.actual >= 3 && status.health == Health::Healthy, "{status:?}");
    assert_eq!(status.placed.len(), 3);
    assert!(status.providers.iter().all(|provider| provider.counts && provider.connected));
}
