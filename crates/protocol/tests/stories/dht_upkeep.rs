//! How a node stays in the network: it enters, looks around, and forgets who is gone.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::dht::upkeep::{
    BOOTSTRAP_RETRY_MS, BOOTSTRAP_TIMEOUT_MS, CLEANUP_MS, DISCOVERY_MS, DISCOVERY_SOON_MS, Input, Intervals, Output,
    PEERS_MAX, UNSEEN_MS, Upkeep,
};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn peer(n: u16) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    NodeId(bytes)
}

fn upkeep() -> Upkeep {
    Upkeep::new(Intervals::default(), NOW)
}

fn bootstraps(out: &[Output]) -> bool {
    out.iter().any(|out| matches!(out, Output::Bootstrap { .. }))
}

/// Entered, with bob connected.
fn inside() -> Upkeep {
    let mut upkeep = upkeep();
    let out = upkeep.handle(Input::Connected(peer(1)), NOW);
    assert!(out.contains(&Output::Bootstrap { attempt: 1 }));
    let out = upkeep.handle(Input::Bootstrapped { attempt: 1, entered: true }, NOW);
    assert!(upkeep.is_bootstrapped() && out.contains(&Output::Discover));
    upkeep
}

#[test]
fn who_knows_nobody_tries_every_half_minute_and_at_once_when_somebody_comes() {
    let mut upkeep = upkeep();
    let mut now = NOW;
    assert!(bootstraps(&upkeep.handle(Input::Wake, now)));
    for attempt in 1..5 {
        let _out = upkeep.handle(Input::Bootstrapped { attempt, entered: false }, now);
        assert!(!bootstraps(&upkeep.handle(Input::Wake, now.after(BOOTSTRAP_RETRY_MS - 1))));
        now = now.after(BOOTSTRAP_RETRY_MS);
        assert!(bootstraps(&upkeep.handle(Input::Wake, now)));
    }
    // Bob connects while an attempt is under way that does not know him.
    let _out = upkeep.handle(Input::Connected(peer(1)), now);
    assert!(bootstraps(&upkeep.handle(Input::Bootstrapped { attempt: 5, entered: false }, now)));
    assert_eq!(upkeep.attempts(), 6);
}

#[test]
fn an_attempt_that_takes_too_long_counts_as_failed_and_its_answer_no_more() {
    let mut upkeep = upkeep();
    let _first = upkeep.handle(Input::Wake, NOW);
    let late = NOW.after(BOOTSTRAP_TIMEOUT_MS);
    let _over = upkeep.handle(Input::Wake, late);
    let again = late.after(BOOTSTRAP_RETRY_MS);
    assert!(upkeep.handle(Input::Wake, again).contains(&Output::Bootstrap { attempt: 2 }));
    let _old = upkeep.handle(Input::Bootstrapped { attempt: 1, entered: true }, again);
    assert!(!upkeep.is_bootstrapped());
    let _connected = upkeep.handle(Input::Connected(peer(1)), again);
    let _new = upkeep.handle(Input::Bootstrapped { attempt: 2, entered: true }, again);
    assert!(upkeep.is_bootstrapped());
}

#[test]
fn who_is_not_to_enter_by_itself_waits_to_be_asked() {
    let every = Intervals { auto_bootstrap: false, ..Intervals::default() };
    let mut upkeep = Upkeep::new(every, NOW);
    for minutes in 0..10 {
        assert!(!bootstraps(&upkeep.handle(Input::Wake, NOW.after(minutes * 60_000))));
    }
    let now = NOW.after(600_000);
    assert!(!bootstraps(&upkeep.handle(Input::Connected(peer(1)), now)));
    assert!(bootstraps(&upkeep.handle(Input::Bootstrap, now)));
    let _failed = upkeep.handle(Input::Bootstrapped { attempt: 1, entered: false }, now);
    assert!(!bootstraps(&upkeep.handle(Input::Wake, now.after(BOOTSTRAP_RETRY_MS))));
}

#[test]
fn who_is_inside_looks_around_soon_again_and_then_every_minute() {
    let (mut upkeep, mut now) = (inside(), NOW);
    for pause in [DISCOVERY_SOON_MS, 10_000, 20_000, 40_000, DISCOVERY_MS, DISCOVERY_MS, DISCOVERY_MS] {
        now = now.after(pause);
        assert!(!upkeep.handle(Input::Wake, UnixMillis(now.0 - 1)).contains(&Output::Discover));
        assert!(upkeep.handle(Input::Wake, now).contains(&Output::Discover));
    }
}

#[test]
fn who_is_connected_to_nobody_is_out_again() {
    let mut upkeep = inside();
    let _gone = upkeep.handle(Input::Gone(peer(1)), NOW);
    assert!(!upkeep.is_bootstrapped());
    assert!(bootstraps(&upkeep.handle(Input::Wake, NOW.after(BOOTSTRAP_RETRY_MS))));
}

#[test]
fn who_was_not_heard_of_for_an_hour_is_forgotten() {
    let mut upkeep = inside();
    let (carol, eve) = (peer(3), peer(6));
    let _seen = upkeep.handle(Input::Seen(carol), NOW);
    let _seen = upkeep.handle(Input::Seen(eve), NOW);
    let mut now = NOW;
    let mut forgotten = Vec::new();
    while now.since(NOW) < UNSEEN_MS + CLEANUP_MS {
        now = now.after(30_000);
        if now.since(NOW) == UNSEEN_MS / 2 {
            let _seen = upkeep.handle(Input::Seen(carol), now);
        }
        let out = upkeep.handle(Input::Wake, now);
        forgotten.extend(out.into_iter().filter(|out| matches!(out, Output::Forget(_))));
    }
    assert_eq!(forgotten, [Output::Forget(eve)]);
    assert_eq!(upkeep.peers().map(|(node, _)| node).collect::<Vec<_>>(), [peer(1), carol], "bob is connected");
}

#[test]
fn who_is_removed_is_forgotten_at_once() {
    let mut upkeep = inside();
    assert!(upkeep.handle(Input::Removed(peer(1)), NOW).contains(&Output::Forget(peer(1))));
    assert!(!upkeep.is_bootstrapped());
}

#[test]
fn of_too_many_the_one_that_was_silent_longest_goes() {
    let mut upkeep = inside();
    for n in 0..u16::try_from(PEERS_MAX).unwrap() {
        let _seen = upkeep.handle(Input::Seen(peer(100 + n)), NOW.after(u64::from(n)));
    }
    assert_eq!(upkeep.peers().count(), PEERS_MAX);
    let out = upkeep.handle(Input::Seen(peer(60_000)), NOW.after(2_000));
    assert!(out.contains(&Output::Forget(peer(101))), "{out:?}");
    assert!(upkeep.peers().any(|(node, _)| node == peer(1)), "who is connected stays");
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_wait_longer() {
    let mut upkeep = inside();
    let yesterday = UnixMillis(NOW.0 - 86_400_000);
    let _back = upkeep.handle(Input::Wake, yesterday);
    assert!(upkeep.handle(Input::Wake, yesterday.after(DISCOVERY_MS)).contains(&Output::Discover));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Connected(u16),
    Gone(u16),
    Seen(u16),
    Removed(u16),
    Ask,
    Bootstrapped(bool, bool),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..5_u16).prop_map(Step::Connected),
        2 => (0..5_u16).prop_map(Step::Gone),
        2 => (0..5_u16).prop_map(Step::Seen),
        1 => (0..5_u16).prop_map(Step::Removed),
        1 => Just(Step::Ask),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(now, entered)| Step::Bootstrapped(now, entered)),
        4 => (0..50_000_u64).prop_map(Step::Pass),
        1 => (0..4_000_000_u64).prop_map(Step::Pass),
    ]
}

/// Drives a machine, and checks after every step that it goes on by itself and that one attempt is made at a time.
fn drive(steps: &[Step]) -> Vec<Output> {
    let mut upkeep = upkeep();
    let (mut now, mut wake) = (NOW, Some(NOW));
    let (mut attempt, mut began) = (0, None::<UnixMillis>);
    let mut all = Vec::new();
    for step in steps {
        let input = match *step {
            Step::Connected(n) => Input::Connected(peer(n)),
            Step::Gone(n) => Input::Gone(peer(n)),
            Step::Seen(n) => Input::Seen(peer(n)),
            Step::Removed(n) => Input::Removed(peer(n)),
            Step::Ask => Input::Bootstrap,
            Step::Bootstrapped(latest, entered) => {
                if latest {
                    began = None;
                }
                Input::Bootstrapped { attempt: if latest { attempt } else { attempt.saturating_sub(1) }, entered }
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
        let before = upkeep.peers().count();
        let out = upkeep.handle(input, now);
        let mut forgotten = 0;
        for output in &out {
            match *output {
                Output::Bootstrap { attempt: n } => {
                    assert_eq!(n, attempt + 1);
                    assert!(began.is_none_or(|at| now >= at.after(BOOTSTRAP_TIMEOUT_MS)), "one attempt at a time");
                    (attempt, began) = (n, Some(now));
                }
                Output::Discover => assert!(upkeep.is_bootstrapped()),
                Output::Forget(_) => forgotten += 1,
                Output::WakeAt(at) => wake = Some(at),
            }
        }
        assert!(upkeep.peers().count() + forgotten >= before, "nobody is forgotten in silence");
        assert!(wake.is_some_and(|at| at > now), "it goes on by itself: {wake:?} at {now:?}");
        all.extend(out);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn it_goes_on_by_itself_and_tries_once_at_a_time(steps in prop::collection::vec(step(), 0..200)) {
        prop_assert_eq!(drive(&steps), drive(&steps), "the same inputs give the same outputs");
    }
}
