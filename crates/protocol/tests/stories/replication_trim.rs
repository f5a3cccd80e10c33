//! Which copies may go: alice, who holds one more than there should be, and whom she believes.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Priority, Settings, order};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::replication::manager::{Input, Manager, Member, Output, Vouch};
use antiphon_protocol::replication::{Answer, Depth};

use crate::replication_world::{HOUR_MS, MINUTE_MS, START, node, root};

/// Alice, who comes last of the four that are to hold the document, and those before her.
struct Story {
    now: UnixMillis,
    root: Hash,
    alice: Manager,
    earlier: Vec<NodeId>,
    wake: UnixMillis,
    /// Whether those who are asked prove their copies.
    proving: bool,
    trims: Vec<Vec<NodeId>>,
}

impl Story {
    fn new(settings: Settings) -> Self {
        let mut order = order(&root(0), (0..4).map(node));
        let alice = order.pop().unwrap();
        let mut story = Self {
            now: START,
            root: root(0),
            alice: Manager::new(alice, settings),
            earlier: order,
            wake: START,
            proving: true,
            trims: Vec::new(),
        };
        let root = story.root;
        story.give(Input::Key { root, length: 10, priority: Priority::Normal, own: true, current: true });
        story.give(Input::Held { root, whole: true });
        let members = story.earlier.iter().copied().chain([alice]);
        let member = |node| Member { node, offers: true, free_bytes: None, connected: true, away_since: START };
        story.give(Input::Members(members.map(member).collect()));
        story
    }

    fn give(&mut self, input: Input) {
        for output in self.alice.handle(input, self.now) {
            match output {
                Output::WakeAt(at) => self.wake = at,
                Output::Trim { witnesses, .. } => self.trims.push(witnesses),
                Output::Ask { peer, about } => {
                    let answer = |depth| match (self.proving, depth) {
                        (true, Depth::Proof) => Answer::Proved,
                        _ => Answer::Claimed,
                    };
                    let answers = about.into_iter().map(|(root, depth)| (root, answer(depth))).collect();
                    self.give(Input::Answered { peer, answers });
                }
                _ => {}
            }
        }
    }

    /// Lets time pass, until alice would have her copy removed.
    fn pass(&mut self, millis: u64) {
        let end = self.now.after(millis);
        while self.wake <= end && self.trims.is_empty() {
            self.now = self.now.max(self.wake);
            self.wake = UnixMillis(u64::MAX);
            self.give(Input::Wake);
        }
        if self.trims.is_empty() {
            self.now = end;
        }
    }
}

#[test]
fn alice_gives_up_her_copy_when_those_before_her_prove_theirs() {
    let mut story = Story::new(Settings::default());
    story.pass(5 * MINUTE_MS);
    assert_eq!(story.trims.len(), 0, "what she proved before she was restarted she does not know");
    story.pass(10 * MINUTE_MS);
    assert_eq!(story.trims, [story.earlier.clone()]);
    let (root, now) = (story.root, story.now);
    assert_eq!(story.alice.vouch(&root, now), Vouch::Refused, "she proves nothing that she is removing");
    story.give(Input::Trimmed { root, ok: true });
    let status = story.alice.status(&root, now).unwrap();
    assert_eq!((status.is_local, status.actual), (false, 3));
}

/// Somebody set the clock of alice's machine seventy years ahead, and then right.
#[test]
fn a_clock_that_was_ahead_keeps_no_copy_for_years() {
    let mut story = Story::new(Settings::default());
    story.pass(MINUTE_MS);
    let right = story.now;
    story.now = right.after(70 * 365 * 24 * HOUR_MS);
    story.proving = false;
    story.give(Input::Wake);
    story.pass(MINUTE_MS);
    assert_eq!(story.trims.len(), 0, "what was shown before is old by then");
    story.now = right.after(MINUTE_MS);
    story.proving = true;
    story.give(Input::Wake);
    assert!(story.wake < right.after(24 * HOUR_MS), "{:?}", story.wake);
    story.pass(2 * HOUR_MS);
    assert_eq!(story.trims, [story.earlier.clone()]);
    let status = story.alice.status(&story.root, story.now).unwrap();
    assert!(status.providers.iter().all(|provider| provider.last_seen <= story.now), "{status:?}");
}

#[test]
fn a_claim_is_no_proof() {
    let mut story = Story::new(Settings::default());
    story.proving = false;
    story.pass(48 * HOUR_MS);
    assert_eq!(story.trims.len(), 0);
}

#[test]
fn whoever_relied_on_her_copy_may_go_on_to_do_so() {
    let mut story = Story::new(Settings::default());
    for _ in 0..20 {
        let (root, now) = (story.root, story.now);
        assert_eq!(story.alice.vouch(&root, now), Vouch::Given);
        story.pass(5 * MINUTE_MS);
        assert_eq!(story.trims.len(), 0, "a proof counts for five minutes");
    }
    story.pass(2 * HOUR_MS);
    assert_eq!(story.trims.len(), 1);
}

#[test]
fn a_copy_that_is_in_use_is_tried_again_later() {
    let mut story = Story::new(Settings::default());
    story.pass(HOUR_MS);
    assert_eq!(story.trims.len(), 1);
    let (root, before) = (story.root, story.now);
    story.trims.clear();
    story.give(Input::Trimmed { root, ok: false });
    story.pass(2 * HOUR_MS);
    assert_eq!(story.trims.len(), 1);
    assert!(story.now.since(before) >= 50 * MINUTE_MS, "not at once");
}

#[test]
fn alice_keeps_what_she_stored_if_she_wants() {
    let mut story = Story::new(Settings { keep_own: true, ..Settings::default() });
    story.pass(48 * HOUR_MS);
    assert_eq!(story.trims.len(), 0);
}

#[test]
fn two_who_would_each_go_for_the_other_both_stay() {
    // Each thinks that it comes after the other: bob stopped offering room, and alice has not heard of it.
    let settings = Settings { factor: 1, ..Settings::default() };
    let mut order = order(&root(0), (0..2).map(node));
    let (alice, bob) = (order.pop().unwrap(), order.pop().unwrap());
    let member = |node, offers| Member { node, offers, free_bytes: None, connected: true, away_since: START };
    let mut machines = [(alice, Manager::new(alice, settings)), (bob, Manager::new(bob, settings))];
    let mut wakes = [START, START];
    let mut held = [true, true];
    let mut give = |n: usize, input: Input, now: UnixMillis, wakes: &mut [UnixMillis; 2]| {
        let mut inputs = vec![(n, input)];
        while let Some((n, input)) = inputs.pop() {
            for output in machines[n].1.handle(input, now) {
                match output {
                    Output::WakeAt(at) => wakes[n] = at,
                    Output::Ask { peer, about } => {
                        let other = 1 - n;
                        let vouched = held[other] && machines[other].1.vouch(&root(0), now) == Vouch::Given;
                        let answer = if vouched { Answer::Proved } else { Answer::Missing };
                        let answers = about.into_iter().map(|(root, _)| (root, answer)).collect();
                        inputs.push((n, Input::Answered { peer, answers }));
                    }
                    Output::Trim { root, .. } => {
                        held[n] = false;
                        assert!(held[1 - n], "the last copy went");
                        inputs.push((n, Input::Trimmed { root, ok: true }));
                    }
                    _ => {}
                }
            }
        }
    };
    for n in 0..2 {
        let root = root(0);
        give(
            n,
            Input::Key { root, length: 1, priority: Priority::Normal, own: false, current: true },
            START,
            &mut wakes,
        );
        give(n, Input::Held { root, whole: true }, START, &mut wakes);
    }
    give(0, Input::Members(vec![member(alice, true), member(bob, true)]), START, &mut wakes);
    give(1, Input::Members(vec![member(alice, true), member(bob, false)]), START, &mut wakes);
    while let Some(n) = (0..2).min_by_key(|n| wakes[*n]).filter(|n| wakes[*n] < START.after(200 * HOUR_MS)) {
        let now = wakes[n];
        wakes[n] = UnixMillis(u64::MAX);
        give(n, Input::Wake, now, &mut wakes);
    }
}
