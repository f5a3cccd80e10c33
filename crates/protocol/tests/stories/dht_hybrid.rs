//! Who answers: the network while it can be relied on, the database while it cannot.

use antiphon_core::time::UnixMillis;
use antiphon_protocol::dht::hybrid::{
    AGAIN_MS, Backend, CHECK_MS, Cause, Choice, End, FAILURES_MAX, Hybrid, Input, Operation, Output, RECHECK_MS,
    RECHECK_MS_MAX, SAMPLES_MAX, Status,
};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const DONE: End = End::Done { took_us: 800 };

fn ended(operation: Operation, end: End) -> Input {
    Input::Ended { backend: Backend::Kad, operation, end }
}

/// A machine whose first checks both went well.
fn healthy() -> Hybrid {
    let mut hybrid = Hybrid::new(Choice::Auto, NOW);
    let out = hybrid.handle(Input::Wake, NOW);
    assert_eq!(out, [Output::Check(Backend::Local), Output::Check(Backend::Kad)]);
    for backend in Backend::ALL {
        let _out = hybrid.handle(Input::Ended { backend, operation: Operation::Check, end: DONE }, NOW);
    }
    assert_eq!((hybrid.using(), hybrid.health(Backend::Kad).status), (Backend::Kad, Status::Healthy));
    hybrid
}

fn fail(hybrid: &mut Hybrid, times: u32, at: UnixMillis) -> Vec<Output> {
    let mut all = Vec::new();
    for _ in 0..times {
        all.extend(hybrid.handle(ended(Operation::Put, End::Failed), at));
    }
    all
}

fn checks_kad(out: &[Output]) -> bool {
    out.contains(&Output::Check(Backend::Kad))
}

#[test]
fn three_failures_one_after_the_other_leave_the_network_alone_and_a_healthy_check_returns_to_it() {
    let mut hybrid = healthy();
    let out = fail(&mut hybrid, FAILURES_MAX - 1, NOW);
    assert!(!out.iter().any(|out| matches!(out, Output::Use { .. })), "{out:?}");
    assert_eq!((hybrid.using(), hybrid.health(Backend::Kad).status), (Backend::Kad, Status::Degraded));
    let out = fail(&mut hybrid, 1, NOW);
    assert!(out.contains(&Output::Use { backend: Backend::Local, cause: Cause::Failed }));
    let health = hybrid.health(Backend::Kad);
    assert_eq!((health.status, health.errors, health.consecutive_failures), (Status::Failed, 3, 3));

    let out = hybrid.handle(Input::Wake, NOW.after(RECHECK_MS));
    assert!(checks_kad(&out));
    let out = hybrid.handle(ended(Operation::Check, DONE), NOW.after(RECHECK_MS));
    assert!(out.contains(&Output::Use { backend: Backend::Kad, cause: Cause::Recovered }));
    let health = hybrid.health(Backend::Kad);
    assert_eq!((health.status, health.errors, health.consecutive_failures), (Status::Healthy, 3, 0));
}

#[test]
fn failures_with_a_success_between_them_are_not_one_after_the_other() {
    let mut hybrid = healthy();
    for _ in 0..20 {
        let _out = fail(&mut hybrid, FAILURES_MAX - 1, NOW);
        let _out = hybrid.handle(ended(Operation::Get, DONE), NOW);
        assert_eq!(hybrid.using(), Backend::Kad);
    }
    assert_eq!(hybrid.health(Backend::Kad).status, Status::Degraded, "two of three fail");
    assert_eq!(hybrid.health(Backend::Kad).operations[Operation::Put as usize].failed, 40);
}

#[test]
fn only_a_check_returns_to_the_network_but_any_success_is_worth_one() {
    let mut hybrid = healthy();
    let _out = fail(&mut hybrid, FAILURES_MAX, NOW);
    let late = NOW.after(AGAIN_MS);
    let out = hybrid.handle(ended(Operation::Get, DONE), late);
    assert!(checks_kad(&out), "{out:?}");
    assert_eq!((hybrid.using(), hybrid.health(Backend::Kad).status), (Backend::Local, Status::Failed));
    let _out = hybrid.handle(ended(Operation::Check, DONE), late);
    assert_eq!(hybrid.using(), Backend::Kad);
}

#[test]
fn checks_in_vain_come_ever_more_rarely_and_at_once_when_there_is_hope() {
    let mut hybrid = healthy();
    let _out = fail(&mut hybrid, FAILURES_MAX, NOW);
    let mut now = NOW.after(RECHECK_MS);
    assert!(checks_kad(&hybrid.handle(Input::Wake, now)));
    let mut pause = RECHECK_MS;
    for _ in 0..12 {
        let out = hybrid.handle(ended(Operation::Check, End::Failed), now);
        assert!(!checks_kad(&out));
        assert!(!checks_kad(&hybrid.handle(Input::Wake, UnixMillis(now.0 + pause - 1))), "{pause}");
        now = now.after(pause);
        assert!(checks_kad(&hybrid.handle(Input::Wake, now)), "{pause}");
        pause = (pause * 2).min(RECHECK_MS_MAX);
    }
    let _out = hybrid.handle(ended(Operation::Check, End::Failed), now);
    assert!(checks_kad(&hybrid.handle(Input::Hope(Backend::Kad), now.after(AGAIN_MS))));
    // Somebody else connects while that check is under way.
    let _out = hybrid.handle(Input::Hope(Backend::Kad), now.after(AGAIN_MS));
    let _out = hybrid.handle(ended(Operation::Check, End::Failed), now.after(AGAIN_MS));
    assert!(checks_kad(&hybrid.handle(Input::Wake, now.after(2 * AGAIN_MS))));
}

#[test]
fn hope_is_no_reason_to_check_who_does_well() {
    let mut hybrid = healthy();
    assert!(!checks_kad(&hybrid.handle(Input::Hope(Backend::Kad), NOW.after(1_000))));
    assert!(checks_kad(&hybrid.handle(Input::Wake, NOW.after(CHECK_MS))), "but silence is");
}

#[test]
fn doubt_is_a_reason_to_check_who_does_well() {
    let mut hybrid = healthy();
    assert!(checks_kad(&hybrid.handle(Input::Doubt(Backend::Kad), NOW.after(AGAIN_MS))));
    let mut now = NOW.after(AGAIN_MS);
    for _ in 1..FAILURES_MAX {
        let _out = hybrid.handle(ended(Operation::Check, End::Failed), now);
        now = now.after(RECHECK_MS_MAX);
        assert!(checks_kad(&hybrid.handle(Input::Wake, now)));
    }
    let out = hybrid.handle(ended(Operation::Check, End::Failed), now);
    assert!(out.contains(&Output::Use { backend: Backend::Local, cause: Cause::Failed }));
    assert!(!checks_kad(&hybrid.handle(Input::Doubt(Backend::Kad), now)), "there is nothing left to doubt");
}

#[test]
fn a_person_decides_over_the_machine() {
    let mut hybrid = healthy();
    let out = hybrid.handle(Input::Choose(Choice::Local), NOW);
    assert!(out.contains(&Output::Use { backend: Backend::Local, cause: Cause::Chosen }));
    assert!(!checks_kad(&hybrid.handle(Input::Wake, NOW.after(10 * CHECK_MS))), "who is to be left alone is");
    let _out = hybrid.handle(Input::Choose(Choice::Kad), NOW.after(10 * CHECK_MS));
    let _out = fail(&mut hybrid, 10 * FAILURES_MAX, NOW.after(10 * CHECK_MS));
    assert_eq!((hybrid.using(), hybrid.health(Backend::Kad).status), (Backend::Kad, Status::Failed));
    let out = hybrid.handle(Input::Choose(Choice::Auto), NOW.after(10 * CHECK_MS));
    assert!(out.contains(&Output::Use { backend: Backend::Local, cause: Cause::Chosen }));
}

#[test]
fn latency_is_that_of_the_last_operations() {
    let mut hybrid = healthy();
    for took_us in 1..=1_000 {
        let _out = hybrid.handle(ended(Operation::Get, End::Done { took_us }), NOW);
    }
    let latency = hybrid.health(Backend::Kad).latency;
    assert_eq!(latency.samples, SAMPLES_MAX);
    assert_eq!((latency.p50_us, latency.p95_us, latency.longest_us), (968, 997, 1_000));
    let gets = hybrid.health(Backend::Kad).operations[Operation::Get as usize];
    assert_eq!((gets.done, gets.failed, gets.took_us), (1_000, 0, 500_500));
}

#[test]
fn a_clock_that_is_set_back_makes_no_check_wait_longer() {
    let mut hybrid = healthy();
    let _out = fail(&mut hybrid, FAILURES_MAX, NOW);
    let yesterday = UnixMillis(NOW.0 - 86_400_000);
    let _out = hybrid.handle(Input::Wake, yesterday);
    assert!(checks_kad(&hybrid.handle(Input::Wake, yesterday.after(RECHECK_MS))));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Ends(Backend, usize, bool),
    Hope(Backend),
    Doubt(Backend),
    Choose(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let backend = || prop_oneof![1 => Just(Backend::Local), 3 => Just(Backend::Kad)];
    prop_oneof![
        6 => (backend(), 0..5_usize, any::<bool>()).prop_map(|(b, o, done)| Step::Ends(b, o, done)),
        1 => backend().prop_map(Step::Hope),
        1 => backend().prop_map(Step::Doubt),
        1 => (0..3_usize).prop_map(Step::Choose),
        4 => (0..90_000_u64).prop_map(Step::Pass),
    ]
}

/// Drives a machine, and checks after every step what must always hold.
fn drive(steps: &[Step]) -> Vec<Output> {
    let mut hybrid = Hybrid::new(Choice::Auto, NOW);
    let (mut now, mut wake, mut using) = (NOW, Some(NOW), Backend::Kad);
    let mut checking = [false; 2];
    let (mut failures, mut failed) = ([0_u32; 2], [false; 2]);
    let mut all = Vec::new();
    for step in steps {
        let mut inputs = Vec::new();
        match *step {
            Step::Ends(backend, operation, done) => {
                let (operation, at) = (Operation::ALL[operation], backend as usize);
                if operation == Operation::Check && !std::mem::take(&mut checking[at]) {
                    continue;
                }
                failures[at] = if done { 0 } else { failures[at] + 1 };
                failed[at] |= failures[at] >= FAILURES_MAX;
                failed[at] &= !(done && operation == Operation::Check);
                inputs.push(Input::Ended { backend, operation, end: if done { DONE } else { End::Failed } });
            }
            Step::Hope(backend) => inputs.push(Input::Hope(backend)),
            Step::Doubt(backend) => inputs.push(Input::Doubt(backend)),
            Step::Choose(choice) => inputs.push(Input::Choose(Choice::ALL[choice])),
            Step::Pass(millis) => {
                now = now.after(millis);
                if wake.is_some_and(|at| at <= now) {
                    wake = None;
                    inputs.push(Input::Wake);
                }
            }
        }
        for input in inputs {
            let out = hybrid.handle(input, now);
            for output in &out {
                match *output {
                    Output::Check(backend) => {
                        assert!(!std::mem::replace(&mut checking[backend as usize], true), "one check at a time");
                    }
                    Output::Use { backend, .. } => {
                        assert_ne!(std::mem::replace(&mut using, backend), backend, "only changes are told");
                    }
                    Output::WakeAt(at) => wake = Some(at),
                }
            }
            all.extend(out);
        }
        let want = match hybrid.choice() {
            Choice::Local => Backend::Local,
            Choice::Kad => Backend::Kad,
            Choice::Auto if failed[Backend::Kad as usize] => Backend::Local,
            Choice::Auto => Backend::Kad,
        };
        assert_eq!((hybrid.using(), using), (want, want));
        for backend in Backend::ALL {
            let health = hybrid.health(backend);
            assert_eq!(health.status == Status::Failed, failed[backend as usize]);
            assert_eq!(health.consecutive_failures, failures[backend as usize]);
            assert!(health.latency.samples <= SAMPLES_MAX);
            let left_alone = backend == Backend::Kad && hybrid.choice() == Choice::Local;
            assert!(checking[backend as usize] || left_alone || wake.is_some(), "{backend:?} is never checked again");
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_network_is_used_as_it_does_and_never_forgotten(steps in prop::collection::vec(step(), 0..200)) {
        prop_assert_eq!(drive(&steps), drive(&steps), "the same inputs give the same outputs");
    }
}
