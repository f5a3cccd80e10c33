//! Random days of the outbox: streams break, nodes die, disks are full, people drop things, and still everything
//! arrives once and in order.

use crate::outbox_world::{UNWANTED, World};
use antiphon_core::outbox::Protocol;
use proptest::prelude::*;

const PEERS: usize = 3;
/// As long as the longest pause and some: everybody is tried again in it.
const LONG_MS: u64 = 1_500_000;

#[derive(Debug, Clone, Copy)]
enum Step {
    Enqueue { at: usize, subject: u8, protocol: Protocol },
    Remember { at: usize, subject: u8 },
    DropOldest { at: usize },
    Deliver { at: usize },
    Answer { at: usize },
    SenderWork { at: usize },
    ReceiverWork { at: usize },
    Cut { at: usize, settles: bool },
    Online { at: usize, online: bool },
    CrashAlice { settles: bool },
    CrashPeer { at: usize, takes: bool },
    Busy { at: usize, room: usize },
    Pass { millis: u64 },
    Rest,
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..PEERS;
    let subject = prop_oneof![8 => 0..4_u8, 1 => Just(UNWANTED)];
    let kinds = prop::sample::select(vec![
        Protocol::MESSAGE,
        Protocol::RESOURCE_CREATE,
        Protocol::RESOURCE_UPDATE,
        Protocol::RESOURCE_UPDATE,
        Protocol::RESOURCE_DELETE,
    ]);
    let enqueue = (at.clone(), subject.clone(), kinds);
    prop_oneof![
        12 => enqueue.prop_map(|(at, subject, protocol)| Step::Enqueue { at, subject, protocol }),
        3 => (at.clone(), subject).prop_map(|(at, subject)| Step::Remember { at, subject }),
        1 => at.clone().prop_map(|at| Step::DropOldest { at }),
        12 => at.clone().prop_map(|at| Step::Deliver { at }),
        12 => at.clone().prop_map(|at| Step::Answer { at }),
        12 => at.clone().prop_map(|at| Step::SenderWork { at }),
        12 => at.clone().prop_map(|at| Step::ReceiverWork { at }),
        2 => (at.clone(), any::<bool>()).prop_map(|(at, settles)| Step::Cut { at, settles }),
        2 => (at.clone(), any::<bool>()).prop_map(|(at, online)| Step::Online { at, online }),
        1 => any::<bool>().prop_map(|settles| Step::CrashAlice { settles }),
        2 => (at.clone(), any::<bool>()).prop_map(|(at, takes)| Step::CrashPeer { at, takes }),
        1 => (at, 0..4_usize).prop_map(|(at, room)| Step::Busy { at, room }),
        6 => (0..20_000_u64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Rest),
    ]
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Enqueue { at, subject, protocol } => drop(world.enqueue(at, subject, protocol)),
        Step::Remember { at, subject } => drop(world.remember(at, subject)),
        Step::DropOldest { at } => world.drop_oldest(at),
        Step::Deliver { at } => drop(world.deliver(at)),
        Step::Answer { at } => drop(world.answer(at)),
        Step::SenderWork { at } => drop(world.sender_work(at)),
        Step::ReceiverWork { at } => drop(world.receiver_work(at)),
        Step::Cut { at, settles } => world.cut(at, settles),
        Step::Online { at, online } => world.set_online(at, online),
        Step::CrashAlice { settles } => world.crash_alice(settles),
        Step::CrashPeer { at, takes } => world.crash_peer(at, takes),
        Step::Busy { at, room } => world.peers[at].room = Some(room),
        Step::Pass { millis } => world.pass(millis),
        Step::Rest => world.settle_down(),
    }
}

/// Lives a day, and then lets everybody come online and have time.
fn live(steps: &[Step]) -> World {
    let mut world = World::new(PEERS);
    for step in steps {
        take(&mut world, *step);
        world.check();
    }
    for at in 0..PEERS {
        world.peers[at].room = None;
        world.set_online(at, true);
    }
    world.run(LONG_MS);
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn everything_arrives_once_and_in_order(steps in prop::collection::vec(step(), 0..300)) {
        let world = live(&steps);
        world.check_all_arrived();
        prop_assert!(world.lost.is_empty() && world.unknown.is_empty(), "nobody was restored");
    }

    #[test]
    fn the_same_day_goes_the_same_way(steps in prop::collection::vec(step(), 0..150)) {
        prop_assert_eq!(live(&steps).log, live(&steps).log);
    }
}
