//! What waited for a peer is handed over: the stories, each with what makes it go wrong.

use crate::outbox_world;

use crate::outbox_world::{UNWANTED, World};
use antiphon_core::outbox::{BODY_BYTES_MAX, MODERATE_RETRIES_MAX, Place, Protocol};
use antiphon_protocol::outbox::{Closed, LINGER_MS, SILENT_MS, Source};

const BOB: usize = 0;
const EVE: usize = 1;
const MESSAGE: Protocol = Protocol::MESSAGE;
const UPDATE: Protocol = Protocol::RESOURCE_UPDATE;

/// How many streams ended like this.
fn closed(world: &World, closed: Closed) -> usize {
    world.closed.iter().filter(|(_, why)| *why == closed).count()
}

#[test]
fn bob_gets_what_waited_for_him_in_its_order() {
    let mut world = World::new(2);
    world.set_online(BOB, false);
    let ids: Vec<_> = (0..20).map(|n| world.enqueue(BOB, n, MESSAGE)).collect();
    world.run(600_000);
    assert!(world.peers[BOB].taken.applied.is_empty());
    world.set_online(BOB, true);
    world.run(60_000);
    assert_eq!(world.peers[BOB].taken.ids(), ids);
    world.check_all_arrived();
    assert_eq!(world.closed, [(BOB, Closed::Done)]);
}

#[test]
fn what_is_new_while_a_stream_stands_goes_over_it() {
    let mut world = World::new(1);
    let mut ids = vec![world.enqueue(BOB, 1, MESSAGE)];
    for subject in 0..30 {
        world.run(LINGER_MS / 2);
        assert!(world.is_delivering(BOB), "it lingers");
        ids.push(world.enqueue(BOB, subject, MESSAGE));
        ids.push(world.remember(BOB, 100 + subject));
    }
    world.run(10 * LINGER_MS);
    world.check_all_arrived();
    let hellos = world.log.iter().filter(|line| line.contains("Hello")).count();
    assert_eq!(hellos, 2, "one stream for all of them, and one that looks for what came last");
    assert_eq!(world.peers[BOB].taken.ids().len(), ids.len());
}

#[test]
fn when_bob_cannot_take_one_he_takes_none_behind_it_until_later() {
    let mut world = World::new(1);
    world.peers[BOB].room = Some(1);
    let ids: Vec<_> = (0..12).map(|_| world.enqueue(BOB, 1, UPDATE)).collect();
    assert_eq!(world.peers[BOB].disk.rows.len(), 1, "newer ones took the places of older ones");
    let mut all: Vec<_> = ids.last().copied().into_iter().collect();
    all.extend((2..12).map(|subject| world.enqueue(BOB, subject, MESSAGE)));
    world.settle_down();
    assert_eq!(world.peers[BOB].taken.ids(), all[..1]);
    assert_eq!(world.closed, [(BOB, Closed::Busy)]);
    assert_eq!(world.peers[BOB].disk.rows.len(), 10, "the others wait");
    world.run(60_000);
    assert_eq!(world.peers[BOB].taken.ids(), all);
    world.check_all_arrived();
}

#[test]
fn an_answer_that_got_lost_makes_nothing_be_applied_twice() {
    let mut world = World::new(1);
    let id = world.enqueue(BOB, 1, MESSAGE);
    let memory = world.remember(BOB, 2);
    // What bob takes is durable, and its answer never arrives.
    for taken in 1..=2 {
        while world.peers[BOB].taken.applied.len() < taken {
            let moves = world.sender_work(BOB) | world.deliver(BOB) | world.receiver_work(BOB);
            if world.peers[BOB].taken.applied.len() < taken && !world.answer(BOB) && !moves {
                world.pass(1_000);
            }
        }
        world.cut(BOB, true);
    }
    world.run(60_000);
    let mut ids = world.peers[BOB].taken.ids();
    ids.sort_unstable();
    assert_eq!(ids, [id, memory]);
    assert!(world.log.iter().any(|line| line.contains("Had")));
    world.check_all_arrived();
}

#[test]
fn what_bob_refuses_stays_with_its_reason_and_stops_nobody() {
    let mut world = World::new(1);
    let refused = world.enqueue(BOB, UNWANTED, MESSAGE);
    let others = [world.enqueue(BOB, 1, MESSAGE), world.enqueue(BOB, 2, MESSAGE)];
    world.run(60_000);
    assert_eq!(world.peers[BOB].taken.ids(), others);
    let row = world.peers[BOB].disk.rows.values().next().unwrap();
    assert_eq!(outbox_world::id_of(&row.item.body), refused);
    assert_eq!(row.refused.as_ref().unwrap().name(), "unwanted");
    assert_eq!(closed(&world, Closed::Done), world.closed.len());
}

#[test]
fn a_peer_that_hangs_delays_nobody_and_is_left_after_a_while() {
    let mut world = World::new(2);
    world.stuck.insert(EVE);
    world.page_items_max = 256;
    for n in 0..3_000 {
        world.enqueue(EVE, u8::try_from(n % 100).unwrap(), MESSAGE);
        world.enqueue(BOB, u8::try_from(n % 100).unwrap(), MESSAGE);
    }
    world.run(0);
    assert_eq!(world.peers[BOB].taken.applied.len(), 3_000, "in no time");
    world.run(SILENT_MS);
    assert!(world.closed.contains(&(EVE, Closed::Silent(SILENT_MS))));
    assert_eq!(world.peers[EVE].disk.rows.len(), 3_000);
    world.stuck.clear();
    world.run(60_000);
    world.check_all_arrived();
}

#[test]
fn the_largest_bodies_go_through() {
    let mut world = World::new(1);
    world.padding = BODY_BYTES_MAX - 8;
    world.page_items_max = 256;
    for subject in 0..9 {
        world.enqueue(BOB, subject, MESSAGE);
    }
    world.run(60_000);
    world.check_all_arrived();
}

#[test]
fn what_is_soon_stale_does_not_wait_behind_all_that_is_on_disk() {
    let mut world = World::new(1);
    world.set_online(BOB, false);
    for n in 0..200 {
        world.enqueue(BOB, n, MESSAGE);
    }
    let memory = world.remember(BOB, 1);
    world.set_online(BOB, true);
    world.run(60_000);
    assert_eq!(world.peers[BOB].taken.ids()[0], memory);
    world.check_all_arrived();
}

#[test]
fn what_is_in_memory_is_tried_four_times_and_then_given_up() {
    let mut world = World::new(1);
    world.set_online(BOB, false);
    world.remember(BOB, 1);
    let kept = world.enqueue(BOB, 1, MESSAGE);
    world.run(3_600_000);
    assert_eq!(world.memory.counts().abandoned, 1);
    assert_eq!(world.memory.gone().next().unwrap().item.tries, MODERATE_RETRIES_MAX + 1);
    world.set_online(BOB, true);
    world.run(60_000);
    assert_eq!(world.peers[BOB].taken.ids(), [kept]);
}

#[test]
fn items_of_several_starts_arrive_in_their_order() {
    let mut world = World::new(1);
    world.set_online(BOB, false);
    let mut ids = Vec::new();
    for start in 0..30 {
        ids.push(world.enqueue(BOB, start, MESSAGE));
        world.crash_alice(false);
    }
    world.page_items_max = 256;
    world.set_online(BOB, true);
    world.run(60_000);
    assert_eq!(world.peers[BOB].taken.ids(), ids);
    world.check_all_arrived();
}

#[test]
fn bob_restored_from_an_older_copy_is_found_out() {
    let mut world = World::new(1);
    world.enqueue(BOB, 1, MESSAGE);
    world.run(60_000);
    let older = world.peers[BOB].taken.clone();
    world.enqueue(BOB, 2, MESSAGE);
    world.run(60_000);
    assert!(world.lost.is_empty());
    world.peers[BOB].taken = older;
    world.enqueue(BOB, 3, MESSAGE);
    world.run(60_000);
    assert_eq!(world.lost, [(BOB, Place { era: world.era, n: 2 })]);
    assert_eq!(world.peers[BOB].taken.ids().len(), 2, "what is new is taken");
}

#[test]
fn alice_restored_from_an_older_copy_finds_it_out_and_nothing_is_applied_twice_or_lost() {
    let mut world = World::new(1);
    world.set_online(BOB, false);
    let waits = world.enqueue(BOB, 1, MESSAGE);
    let (older, eras) = (world.peers[BOB].disk.clone(), world.eras.clone());
    world.set_online(BOB, true);
    world.enqueue(BOB, 2, MESSAGE);
    world.run(60_000);
    world.crash_alice(true);
    world.enqueue(BOB, 3, MESSAGE);
    world.run(60_000);
    let before = world.peers[BOB].taken.ids();
    assert_eq!(before.len(), 3);
    assert!(world.unknown.is_empty());
    let last = world.peers[BOB].taken.last.unwrap();

    // The copy counts from where it was, and knows nothing of the era in between.
    (world.peers[BOB].disk, world.eras) = (older, eras);
    world.crash_alice(true);
    let again = [world.enqueue(BOB, 2, MESSAGE), world.enqueue(BOB, 3, MESSAGE)];
    world.run(60_000);
    assert!(world.unknown.contains(&(BOB, last)), "{:?}", world.unknown);
    assert_eq!(world.peers[BOB].taken.ids(), [before.as_slice(), &again].concat());
    assert!(world.peers[BOB].taken.ids().contains(&waits));
    assert!(world.peers[BOB].disk.rows.is_empty());
}

#[test]
fn a_restored_copy_of_the_same_run_is_found_out_by_the_count() {
    let mut world = World::new(1);
    world.enqueue(BOB, 1, MESSAGE);
    world.run(60_000);
    let older = world.peers[BOB].disk.clone();
    world.enqueue(BOB, 2, MESSAGE);
    world.run(60_000);
    let last = world.peers[BOB].taken.last.unwrap();
    world.peers[BOB].disk = older;
    world.crash_alice(true);
    world.enqueue(BOB, 3, MESSAGE);
    world.run(60_000);
    assert_eq!(world.unknown, [(BOB, last)]);
    assert_eq!(world.peers[BOB].taken.ids().len(), 3);
}

#[test]
fn the_last_place_that_bob_names_is_one_on_disk() {
    let mut world = World::new(1);
    world.remember(BOB, 1);
    world.run(60_000);
    world.enqueue(BOB, 1, MESSAGE);
    world.run(60_000);
    world.remember(BOB, 2);
    world.run(60_000);
    world.crash_alice(true);
    world.remember(BOB, 2);
    world.run(60_000);
    assert!(world.unknown.is_empty() && world.lost.is_empty());
    assert_eq!(Source::of(world.peers[BOB].taken.last.unwrap().era), Source::Disk);
}
