//! Random days of teams that keep copies: members come, go, are cut off, restarted, full and expelled, messages are lost,
//! and one of them lies. No copy may be the last one that goes, and when the day is over all is as it should be.

use std::collections::BTreeSet;

use antiphon_core::replication::{Health, Priority, Settings};
use proptest::prelude::*;

use crate::replication_world::{HOUR_MS, LENGTH, MINUTE_MS, World};

const MACHINES: usize = 8;
const LIAR: usize = 1;

fn settings(world_seed: u64) -> Settings {
    Settings {
        factor: u8::try_from(1 + world_seed % 4).unwrap(),
        cleanup_ms: [10 * MINUTE_MS, HOUR_MS][usize::try_from(world_seed / 4 % 2).unwrap()],
        keep_own: (world_seed / 8).is_multiple_of(4),
        ..Settings::default()
    }
}

fn one_step(world: &mut World) {
    let n = usize::try_from(world.random(MACHINES as u64)).unwrap();
    let other = usize::try_from(world.random(MACHINES as u64)).unwrap();
    let pair = (n.min(other), n.max(other));
    match world.random(16) {
        0..=3 if world.is_up(n) && n != LIAR && world.members.contains(&n) => {
            let priority = Priority::ALL[usize::try_from(world.random(3)).unwrap()];
            world.store(n, priority);
        }
        4..=5 => world.stop(n),
        6..=8 if world.members.contains(&n) => world.start(n),
        9 => {
            world.cut.insert(pair);
            world.see();
        }
        10 => {
            world.cut.clear();
            world.see();
        }
        11 if world.members.len() > 4 => world.expel(n),
        11 | 12 => world.join(n),
        13 => {
            world.machines[n].offers = !world.machines[n].offers;
            world.see();
        }
        14 => world.machines[n].quota = [0, 5 * LENGTH, u64::MAX][usize::try_from(world.random(3)).unwrap()],
        15 if !world.documents.is_empty() => {
            let document = usize::try_from(world.random(world.documents.len() as u64)).unwrap();
            if world.random(4) == 0 {
                world.remove(document);
            }
        }
        _ => {}
    }
    let millis = [200, 5_000, MINUTE_MS, 12 * MINUTE_MS, 2 * HOUR_MS][usize::try_from(world.random(5)).unwrap()];
    world.run(millis);
}

fn end_of_day(world: &mut World) {
    world.lost_per_cent = 0;
    world.cut.clear();
    for n in 0..MACHINES {
        world.machines[n].offers = true;
        world.machines[n].quota = u64::MAX;
        if world.members.contains(&n) {
            world.start(n);
        }
    }
    world.see();
    world.run(30 * HOUR_MS);
}

fn check_day(world: &mut World, settings: Settings) -> Result<(), TestCaseError> {
    for document in 0..world.documents.len() {
        let honest = world.honest(document);
        if honest.is_empty() || !world.documents[document].needed {
            continue;
        }
        let placed = world.placed(document).into_iter().filter(|n| !world.machines[*n].lies);
        let mut should: BTreeSet<usize> = placed.take(usize::from(settings.factor)).collect();
        let author = world.documents[document].author;
        if settings.keep_own && honest.contains(&author) {
            should.insert(author);
        }
        prop_assert_eq!(&honest, &should, "document {}", document);
        let root = world.documents[document].root;
        // Of four members of which one lies three can hold it, and that is less than there should be. The first holder,
        // who has the others prove their copies, sees that; who is content with their word does not.
        let enough = should.len() >= usize::from(settings.factor).min(world.placed(document).len());
        let first = world.placed(document).into_iter().find(|n| should.contains(n));
        for n in should {
            let now = world.now;
            let status = world.manager(n).status(&root, now).unwrap();
            if enough || Some(n) == first {
                let health = if enough { Health::Healthy } else { Health::Degraded };
                prop_assert_eq!(status.health, health, "{} at {}: {:?}", document, n, status);
            }
        }
    }
    Ok(())
}

fn day(seed: u64) -> Result<(), TestCaseError> {
    let settings = settings(seed);
    let mut world = World::new(seed, MACHINES, settings);
    world.machines[LIAR].lies = seed.is_multiple_of(3);
    world.lost_per_cent = seed % 5 * 5;
    world.fetch_ms = [50, 5_000, 3 * MINUTE_MS][usize::try_from(seed / 7 % 3).unwrap()];
    for n in 0..5 {
        world.join(n);
    }
    for _ in 0..80 {
        one_step(&mut world);
    }
    end_of_day(&mut world);
    check_day(&mut world, settings)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_last_copy_goes_and_all_is_well_in_the_end(seed: u64) {
        day(seed)?;
    }
}

#[test]
fn the_same_day_is_the_same() {
    let run = |seed| {
        let mut world = World::team(seed, MACHINES, settings(seed));
        world.lost_per_cent = 10;
        for _ in 0..30 {
            one_step(&mut world);
        }
        (world.copies, world.trims, world.asked, world.offers, world.calls)
    };
    assert_eq!(run(7), run(7));
}
