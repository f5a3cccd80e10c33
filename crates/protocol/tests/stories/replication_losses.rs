//! Machines die one after the other, and each time all is well again soon: also where one that is left, and is needed now,
//! had just given its copy up.

use antiphon_core::replication::{Priority, Settings};

use crate::replication_world::World;

const HUB: usize = 0;
const DESK: usize = 1;
const LAPTOP: usize = 2;
const TOWER: usize = 3;
const ATTIC: usize = 4;
const DOCUMENTS: usize = 20;
const GRACE_MS: u64 = 4_000;
/// Longest that anything here takes, in milliseconds.
const SOON_MS: u64 = 30_000;

fn all_healthy(world: &mut World) -> bool {
    world.manager(HUB).health_counts().healthy == DOCUMENTS
}

fn none_surplus(world: &mut World) -> bool {
    let now = world.now;
    world.manager(HUB).list(None, None, DOCUMENTS, now).iter().all(|status| status.actual <= status.target)
}

/// Lets time pass until it is so as the hub sees it.
#[track_caller]
fn until(world: &mut World, seed: u64, is_so: impl Fn(&mut World) -> bool) {
    let since = world.now;
    while !is_so(world) {
        world.run(100);
        assert!(world.now.since(since) < SOON_MS, "seed {seed}: not after {SOON_MS} ms");
    }
}

#[test]
fn whoever_dies_and_whoever_had_just_given_up_a_copy_all_is_well_again_soon() {
    // What those set who want to see it happen.
    let impatient = Settings { grace_ms: GRACE_MS, proof_ms: 2_000, cleanup_ms: 3_000, ..Settings::default() };
    for (seed, late_ms) in (0..200).zip([20, 100, 300, 600].into_iter().cycle()) {
        let mut world = World::team(seed, 5, impatient);
        (world.late_ms, world.fetch_ms) = (late_ms, late_ms);
        for _ in 0..DOCUMENTS {
            world.store(DESK, Priority::Normal);
        }
        until(&mut world, seed, |world| all_healthy(world) && none_surplus(world));
        world.stop(LAPTOP);
        world.run(GRACE_MS);
        until(&mut world, seed, |world| all_healthy(world) && none_surplus(world));
        world.start(LAPTOP);
        until(&mut world, seed, none_surplus);
        // What the laptop gave up, and what others gave up for it, is missed now, and not all know that it is gone.
        world.stop(TOWER);
        world.stop(ATTIC);
        world.run(GRACE_MS);
        until(&mut world, seed, all_healthy);
    }
}
