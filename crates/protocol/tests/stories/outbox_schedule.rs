//! Whom the outbox tries when: pauses grow, a connection ends them, and nobody waits for somebody else.

use std::collections::BTreeSet;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::Schedule;
use antiphon_protocol::outbox::schedule::{
    AGAIN_MS, End, Input, JITTER_PER_CENT, Output, PAUSE_MS_MAX, PEERS_MAX, TICK_MS, TRIES_AT_ONCE_MAX,
};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const FAILED: End = End::Failed { moved: false };

fn peer(n: usize) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    NodeId(bytes)
}

fn schedule() -> Schedule {
    Schedule::new(7, TICK_MS)
}

fn tries(out: &[Output]) -> Vec<NodeId> {
    out.iter().filter_map(|output| if let Output::Try(peer) = output { Some(*peer) } else { None }).collect()
}

fn waiting(peer: NodeId, connected: bool) -> Input {
    Input::Waiting { peer, connected }
}

fn ended(peer: NodeId, end: End) -> Input {
    Input::Ended { peer, end }
}

#[test]
fn who_is_connected_is_tried_at_once_and_who_is_not_within_a_tick() {
    let (bob, eve) = (peer(1), peer(2));
    let mut schedule = schedule();
    assert_eq!(tries(&schedule.handle(waiting(bob, true), NOW)), [bob]);
    let out = schedule.handle(waiting(eve, false), NOW);
    let at = schedule.next_try(&eve).unwrap();
    assert!(at.since(NOW) < TICK_MS);
    assert_eq!(out, [Output::WakeAt(at)]);
    assert_eq!(tries(&schedule.handle(Input::Wake, at)), [eve]);
}

#[test]
fn a_new_item_for_who_is_connected_does_not_wait_for_the_tick() {
    let bob = peer(1);
    let mut schedule = schedule();
    let _later = schedule.handle(waiting(bob, false), NOW);
    assert_eq!(tries(&schedule.handle(waiting(bob, true), NOW)), [bob]);
}

#[test]
fn pauses_double_up_to_ten_minutes_and_jitter_keeps_within_its_bounds() {
    let bob = peer(1);
    let mut schedule = schedule();
    let mut now = NOW;
    let _first = schedule.handle(waiting(bob, true), now);
    let mut wanted = TICK_MS;
    for failures in 1..12 {
        let out = schedule.handle(ended(bob, FAILED), now);
        assert_eq!(schedule.failures(&bob), failures);
        let at = schedule.next_try(&bob).unwrap();
        assert_eq!(out, [Output::WakeAt(at)]);
        let (pause, jitter) = (at.since(now), wanted * JITTER_PER_CENT / 100);
        assert!((wanted - jitter..=wanted + jitter).contains(&pause), "{failures} failures: {pause} ms");
        assert_eq!(tries(&schedule.handle(Input::Wake, UnixMillis(at.0 - 1))), [], "not before it is due");
        now = at;
        assert_eq!(tries(&schedule.handle(Input::Wake, now)), [bob]);
        wanted = (wanted * 2).min(PAUSE_MS_MAX);
    }
    assert_eq!(wanted, PAUSE_MS_MAX);
    let _again = schedule.handle(ended(bob, End::Failed { moved: true }), now);
    assert_eq!(schedule.failures(&bob), 1, "who took something is not far away");
}

#[test]
fn who_connects_is_tried_at_once_but_not_more_often_than_once_a_second() {
    let bob = peer(1);
    let mut schedule = schedule();
    let _first = schedule.handle(waiting(bob, true), NOW);
    let _failed = schedule.handle(ended(bob, FAILED), NOW.after(10));
    assert_eq!(tries(&schedule.handle(Input::Connected(bob), NOW.after(5_000))), [bob]);
    let _failed = schedule.handle(ended(bob, FAILED), NOW.after(5_001));
    assert_eq!(tries(&schedule.handle(Input::Connected(bob), NOW.after(5_002))), []);
    assert_eq!(schedule.next_try(&bob), Some(NOW.after(5_000 + AGAIN_MS)));
    assert_eq!(tries(&schedule.handle(Input::Wake, NOW.after(5_000 + AGAIN_MS))), [bob]);
    // It connects while the attempt fails: the old connection was the one that failed.
    let _trying = schedule.handle(Input::Connected(bob), NOW.after(7_000));
    let _failed = schedule.handle(ended(bob, FAILED), NOW.after(7_001));
    assert_eq!(schedule.next_try(&bob), Some(NOW.after(7_001 + AGAIN_MS)));
}

#[test]
fn new_items_do_not_wear_out_a_peer_that_fails() {
    let bob = peer(1);
    let mut schedule = schedule();
    let _first = schedule.handle(waiting(bob, true), NOW);
    let _more = schedule.handle(waiting(bob, true), NOW);
    let _failed = schedule.handle(ended(bob, FAILED), NOW);
    let at = schedule.next_try(&bob).unwrap();
    assert!(at.since(NOW) > AGAIN_MS);
    assert_eq!(schedule.handle(waiting(bob, true), NOW.after(1)), []);
    assert_eq!(schedule.next_try(&bob), Some(at));
}

#[test]
fn what_was_put_there_during_an_attempt_is_looked_for_again() {
    let bob = peer(1);
    let mut schedule = schedule();
    let _first = schedule.handle(waiting(bob, true), NOW);
    assert_eq!(schedule.handle(waiting(bob, true), NOW), [], "one attempt at a time");
    assert_eq!(tries(&schedule.handle(ended(bob, End::Done), NOW)), [bob]);
    assert_eq!(schedule.handle(ended(bob, End::Done), NOW), []);
    assert_eq!(schedule.peers().count(), 0, "who has nothing waiting is forgotten");
}

#[test]
fn a_person_need_not_wait() {
    let bob = peer(1);
    let mut schedule = schedule();
    let _first = schedule.handle(waiting(bob, true), NOW);
    let _failed = schedule.handle(ended(bob, FAILED), NOW);
    assert_eq!(tries(&schedule.handle(Input::Retry(bob), NOW.after(AGAIN_MS))), [bob]);
    assert_eq!(tries(&schedule.handle(Input::Retry(peer(2)), NOW)), [peer(2)]);
}

#[test]
fn who_is_forgotten_while_being_tried_is_not_tried_twice_at_once() {
    let bob = peer(1);
    let mut schedule = schedule();
    let _first = schedule.handle(waiting(bob, true), NOW);
    let _forgotten = schedule.handle(Input::Forget(bob), NOW);
    assert_eq!(schedule.handle(waiting(bob, true), NOW), []);
    assert_eq!(tries(&schedule.handle(ended(bob, End::Done), NOW)), [bob]);
    let _forgotten = schedule.handle(Input::Forget(bob), NOW);
    assert_eq!(schedule.handle(ended(bob, FAILED), NOW), []);
    assert_eq!(schedule.peers().count(), 0);
}

#[test]
fn peers_that_hang_delay_nobody_until_there_are_too_many() {
    let mut schedule = schedule();
    for n in 0..TRIES_AT_ONCE_MAX - 1 {
        assert_eq!(tries(&schedule.handle(waiting(peer(n), true), NOW)), [peer(n)]);
    }
    // All of those hang. Alice is served as often as she wants.
    let alice = peer(9_000);
    for round in 0..50 {
        let now = NOW.after(round);
        assert_eq!(tries(&schedule.handle(waiting(alice, true), now)), [alice]);
        assert_eq!(tries(&schedule.handle(ended(alice, End::Done), now)), []);
    }
    let _hangs = schedule.handle(waiting(alice, true), NOW);
    let bob = peer(9_001);
    assert_eq!(tries(&schedule.handle(waiting(bob, true), NOW)), [], "no room");
    assert_eq!(tries(&schedule.handle(ended(peer(3), FAILED), NOW)), [bob], "until one ends");
}

#[test]
fn more_peers_than_are_remembered_are_looked_up_again() {
    let mut schedule = schedule();
    for n in 0..=PEERS_MAX {
        let _out = schedule.handle(waiting(peer(n), false), NOW);
    }
    assert_eq!(schedule.peers().count(), PEERS_MAX);
    let out = schedule.handle(Input::Forget(peer(0)), NOW);
    assert!(out.contains(&Output::Rescan));
    let _found = schedule.handle(waiting(peer(PEERS_MAX), false), NOW);
    assert!(schedule.next_try(&peer(PEERS_MAX)).is_some());
}

#[test]
fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
    let bob = peer(1);
    let mut schedule = schedule();
    let _first = schedule.handle(waiting(bob, true), NOW);
    let _failed = schedule.handle(ended(bob, FAILED), NOW);
    let pause = schedule.next_try(&bob).unwrap().since(NOW);
    let yesterday = UnixMillis(NOW.0 - 86_400_000);
    let out = schedule.handle(Input::Wake, yesterday);
    assert_eq!(out, [Output::WakeAt(yesterday.after(pause))]);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Waiting(usize, bool),
    Connected(usize),
    Ended(usize, End),
    Retry(usize),
    Forget(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![Just(End::Done), Just(FAILED), Just(End::Failed { moved: true })];
    prop_oneof![
        3 => (0..6_usize, any::<bool>()).prop_map(|(n, connected)| Step::Waiting(n, connected)),
        2 => (0..6_usize).prop_map(Step::Connected),
        4 => (0..6_usize, end).prop_map(|(n, end)| Step::Ended(n, end)),
        1 => (0..6_usize).prop_map(Step::Retry),
        1 => (0..6_usize).prop_map(Step::Forget),
        4 => (0..40_000_u64).prop_map(Step::Pass),
    ]
}

/// Drives a schedule and checks after every step that nobody is tried twice at once, and that whoever has something
/// waiting is being tried or will be woken for in time.
fn drive(seed: u64, steps: &[Step]) -> Vec<Output> {
    let mut schedule = Schedule::new(seed, TICK_MS);
    let (mut now, mut wake) = (NOW, None::<UnixMillis>);
    let mut trying = BTreeSet::new();
    let mut owed = BTreeSet::new();
    let mut all = Vec::new();
    for step in steps {
        let input = match *step {
            Step::Waiting(n, connected) => {
                owed.insert(peer(n));
                waiting(peer(n), connected)
            }
            Step::Connected(n) => Input::Connected(peer(n)),
            Step::Ended(n, end) => {
                if !trying.remove(&peer(n)) {
                    continue;
                }
                ended(peer(n), end)
            }
            Step::Retry(n) => Input::Retry(peer(n)),
            Step::Forget(n) => {
                owed.remove(&peer(n));
                Input::Forget(peer(n))
            }
            Step::Pass(millis) => {
                now = now.after(millis);
                if wake.is_none_or(|at| at > now) {
                    continue;
                }
                wake = None;
                Input::Wake
            }
        };
        let out = schedule.handle(input, now);
        for output in &out {
            match output {
                Output::Try(peer) => {
                    assert!(trying.insert(*peer), "{peer} is tried twice at once");
                    owed.remove(peer);
                }
                Output::WakeAt(at) => wake = Some(*at),
                Output::Rescan => panic!("there was room"),
            }
        }
        all.extend(out);
        for peer in schedule.peers() {
            assert_eq!(schedule.is_trying(&peer), trying.contains(&peer));
            if let Some(at) = schedule.next_try(&peer) {
                assert!(at > now && wake.is_some_and(|wake| wake <= at), "{peer} is due at {at:?}, wake {wake:?}");
            }
        }
        assert!(owed.iter().all(|peer| schedule.peers().any(|known| known == *peer)), "nobody is forgotten");
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nobody_is_forgotten_or_tried_twice_at_once(seed: u64, steps in prop::collection::vec(step(), 0..200)) {
        let first = drive(seed, &steps);
        prop_assert_eq!(first, drive(seed, &steps), "the same seed and inputs give the same outputs");
    }
}
