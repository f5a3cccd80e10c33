//! What is published when: everything, again before it is forgotten, and nothing while the network is not used.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::time::UnixMillis;
use antiphon_protocol::dht::publish::{
    AT_ONCE_MAX, End, ITEMS_MAX, Input, Item, JITTER_PER_CENT, Output, PAUSE_MS, PAUSE_MS_MAX, Publisher,
    RECORD_LIFE_MS, RENEW_BELOW_MS, REPUBLISH_MS,
};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const DONE: End = End::Done { expires: None };

fn online() -> Publisher {
    let mut publisher = Publisher::new(7, REPUBLISH_MS);
    assert_eq!(publisher.handle(Input::Online(true), NOW), []);
    publisher
}

fn put(n: u64) -> Input {
    Input::Put { item: Item(n), expires: None }
}

fn ended(n: u64, end: End) -> Input {
    Input::Ended { item: Item(n), end }
}

fn published(out: &[Output]) -> Vec<u64> {
    out.iter().filter_map(|out| if let Output::Publish { item, .. } = out { Some(item.0) } else { None }).collect()
}

#[test]
fn what_is_put_while_the_network_is_away_is_published_when_it_is_back() {
    let mut publisher = Publisher::new(7, REPUBLISH_MS);
    for n in 0..500 {
        assert_eq!(publisher.handle(put(n), NOW), []);
    }
    assert_eq!((publisher.items(), publisher.waiting(), publisher.next_due()), (500, 500, None));
    let mut under_way = published(&publisher.handle(Input::Online(true), NOW));
    assert_eq!(under_way.len(), AT_ONCE_MAX);
    let mut all = BTreeSet::new();
    while let Some(n) = under_way.pop() {
        assert!(all.insert(n), "{n} is published twice");
        under_way.extend(published(&publisher.handle(ended(n, DONE), NOW)));
        assert!(under_way.len() <= AT_ONCE_MAX);
    }
    assert_eq!((all.len(), publisher.waiting(), publisher.under_way()), (500, 0, 0));
}

#[test]
fn a_providers_word_is_repeated_before_the_network_forgets_it() {
    let mut publisher = online();
    assert_eq!(published(&publisher.handle(put(1), NOW)), [1]);
    let out = publisher.handle(ended(1, DONE), NOW);
    let at = publisher.next_due().unwrap();
    assert_eq!(out, [Output::WakeAt(at)]);
    assert!(at <= NOW.after(REPUBLISH_MS) && at >= NOW.after(REPUBLISH_MS - REPUBLISH_MS * JITTER_PER_CENT / 100));
    assert_eq!(published(&publisher.handle(Input::Wake, UnixMillis(at.0 - 1))), [0_u64; 0]);
    assert_eq!(published(&publisher.handle(Input::Wake, at)), [1]);
    assert_eq!(publisher.waiting(), 0, "it stands while it is repeated");
}

#[test]
fn a_record_is_signed_again_before_it_ends_and_never_ends_while_this_node_runs() {
    let mut publisher = online();
    let (mut now, mut expires) = (NOW, NOW.after(RECORD_LIFE_MS));
    let mut out = publisher.handle(Input::Put { item: Item(1), expires: Some(expires) }, now);
    let mut renewals = 0;
    for _ in 0..20 {
        let renew = expires.since(now) < RENEW_BELOW_MS;
        assert!(out.contains(&Output::Publish { item: Item(1), renew }), "{out:?}");
        if renew {
            expires = now.after(RECORD_LIFE_MS);
            renewals += 1;
        }
        let _wake = publisher.handle(ended(1, End::Done { expires: Some(expires) }), now);
        now = publisher.next_due().unwrap();
        assert!(now < expires);
        out = publisher.handle(Input::Wake, now);
    }
    assert!(renewals >= 6);
}

#[test]
fn pauses_double_up_to_ten_minutes_and_end_when_the_network_comes_back() {
    let mut publisher = online();
    let mut now = NOW;
    let _out = publisher.handle(put(1), now);
    let mut wanted = PAUSE_MS;
    for _ in 0..12 {
        let _out = publisher.handle(ended(1, End::Failed), now);
        let at = publisher.next_due().unwrap();
        let pause = at.since(now);
        assert!(pause <= wanted && pause >= wanted - wanted * JITTER_PER_CENT / 100, "{pause} of {wanted}");
        now = at;
        assert_eq!(published(&publisher.handle(Input::Wake, now)), [1]);
        wanted = (wanted * 2).min(PAUSE_MS_MAX);
    }
    let _out = publisher.handle(ended(1, End::Failed), now);
    let _out = publisher.handle(Input::Online(false), now.after(1));
    assert_eq!(published(&publisher.handle(Input::Online(true), now.after(2))), [1]);
}

#[test]
fn what_changes_while_it_is_published_is_published_as_it_is_now() {
    let mut publisher = online();
    let _out = publisher.handle(put(1), NOW);
    assert_eq!(publisher.handle(put(1), NOW), []);
    assert_eq!(publisher.waiting(), 1);
    assert_eq!(published(&publisher.handle(ended(1, DONE), NOW)), [1]);
    let _out = publisher.handle(ended(1, DONE), NOW);
    assert_eq!(publisher.waiting(), 0);
}

#[test]
fn what_is_dropped_is_not_published_again() {
    let mut publisher = online();
    let _out = publisher.handle(put(1), NOW);
    let _out = publisher.handle(Input::Drop(Item(1)), NOW);
    assert_eq!(publisher.handle(ended(1, End::Failed), NOW), []);
    assert_eq!((publisher.items(), publisher.under_way()), (0, 0));
    assert_eq!(publisher.handle(ended(1, DONE), NOW), [], "an answer to nothing");
    // Dropped, and put again before the attempt is over.
    let _out = publisher.handle(put(2), NOW);
    let _out = publisher.handle(Input::Drop(Item(2)), NOW);
    let _out = publisher.handle(put(2), NOW);
    assert_eq!(published(&publisher.handle(ended(2, DONE), NOW)), [2]);
}

#[test]
fn there_is_room_for_so_many_items_and_no_more() {
    let mut publisher = Publisher::new(7, REPUBLISH_MS);
    for n in 0..ITEMS_MAX as u64 + 5 {
        let _out = publisher.handle(put(n), NOW);
    }
    assert!(publisher.is_full() && publisher.items() == ITEMS_MAX);
    let _out = publisher.handle(put(3), NOW);
    assert_eq!(publisher.items(), ITEMS_MAX, "one that is there may change");
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_wait_longer() {
    let mut publisher = online();
    let _out = publisher.handle(put(1), NOW);
    let _out = publisher.handle(ended(1, DONE), NOW);
    let standing = publisher.next_due().unwrap().since(NOW);
    let last_week = UnixMillis(NOW.0 - 7 * 86_400_000);
    assert_eq!(publisher.handle(Input::Wake, last_week), [Output::WakeAt(last_week.after(standing))]);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Put(u64, bool),
    Drop(u64),
    Ended(u64, bool),
    Online(bool),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..24_u64, any::<bool>()).prop_map(|(n, record)| Step::Put(n, record)),
        1 => (0..24_u64).prop_map(Step::Drop),
        5 => (0..24_u64, any::<bool>()).prop_map(|(n, done)| Step::Ended(n, done)),
        1 => any::<bool>().prop_map(Step::Online),
        2 => (0..30_000_u64).prop_map(Step::Pass),
        1 => (0..40_000_000_u64).prop_map(Step::Pass),
    ]
}

/// Drives a machine, and checks after every step that nothing is published twice at once or while the network is not
/// used, and that nothing is forgotten.
fn drive(seed: u64, steps: &[Step]) -> Vec<Output> {
    let mut publisher = Publisher::new(seed, REPUBLISH_MS);
    let (mut now, mut wake, mut online) = (NOW, None::<UnixMillis>, false);
    let mut trying = BTreeSet::new();
    // What there is, and whether it was published as it is.
    let mut items = BTreeMap::new();
    let mut changed = BTreeSet::new();
    let mut all = Vec::new();
    for step in steps {
        let input = match *step {
            Step::Put(n, record) => {
                items.insert(n, false);
                changed.insert(n);
                Input::Put { item: Item(n), expires: record.then(|| now.after(RECORD_LIFE_MS)) }
            }
            Step::Drop(n) => {
                items.remove(&n);
                Input::Drop(Item(n))
            }
            Step::Ended(n, done) => {
                if !trying.remove(&n) {
                    continue;
                }
                if let Some(published) = items.get_mut(&n) {
                    *published |= done && !changed.contains(&n);
                }
                ended(n, if done { DONE } else { End::Failed })
            }
            Step::Online(is) => {
                online = is;
                Input::Online(is)
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
        let out = publisher.handle(input, now);
        for output in &out {
            match output {
                Output::Publish { item, .. } => {
                    assert!(online && trying.insert(item.0), "{item:?} is published twice at once, or in vain");
                    assert!(items.contains_key(&item.0), "{item:?} was dropped");
                    changed.remove(&item.0);
                }
                Output::WakeAt(at) => wake = Some(*at),
            }
        }
        all.extend(out);
        assert_eq!(publisher.items(), items.keys().chain(&trying).collect::<BTreeSet<_>>().len());
        assert_eq!(publisher.under_way(), trying.len());
        assert!(trying.len() <= AT_ONCE_MAX);
        if let Some(at) = publisher.next_due() {
            assert!(trying.len() == AT_ONCE_MAX || at > now, "there is room");
            assert!(at <= now || wake.is_some_and(|wake| wake <= at), "due at {at:?}, wake {wake:?}");
        }
        let idle = items.iter().filter(|(n, _)| !trying.contains(*n));
        assert!(!online || idle.clone().next().is_none() || publisher.next_due().is_some(), "something is forgotten");
        if trying.is_empty() {
            assert_eq!(publisher.waiting(), idle.filter(|(_, published)| !**published).count());
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_is_forgotten_or_published_twice_at_once(seed: u64, steps in prop::collection::vec(step(), 0..300)) {
        let first = drive(seed, &steps);
        prop_assert_eq!(first, drive(seed, &steps), "the same seed and inputs give the same outputs");
    }
}
