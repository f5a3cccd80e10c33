//! What waits in memory: a few tries, then it is given up, and everything is counted and bounded.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Level, MODERATE_RETRIES_MAX, Outgoing, Place, Protocol, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::moderate::{
    BYTES_IN_ALL_MAX, BYTES_PER_PEER_MAX, Bound, GONE_MAX, ITEMS_PER_PEER_MAX, Moderate, Push, Why,
};
use antiphon_protocol::outbox::{Outcome, Refusal, Source};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const ERA: u64 = Source::Memory.era(0xabcd_0000);
const BOB: NodeId = NodeId([2; 32]);
const EVE: NodeId = NodeId([3; 32]);

fn outgoing(peer: NodeId, protocol: Protocol, subject: u8, body: &[u8]) -> Outgoing {
    Outgoing { peer, protocol, schema: 1, subject: Subject([subject; 16]), body: body.to_vec() }
}

fn place(n: u64) -> Place {
    Place { era: ERA, n }
}

fn push(queue: &mut Moderate, item: Outgoing) -> Push {
    queue.push(item, Level::Moderate, NOW)
}

/// Puts an item about a subject of its own there.
fn queued(queue: &mut Moderate, peer: NodeId, subject: u8) -> Place {
    match push(queue, outgoing(peer, Protocol::RESOURCE_VERIFY, subject, b"is it there?")) {
        Push::Queued(place) => place,
        other => panic!("{other:?}"),
    }
}

fn numbers(queue: &Moderate, peer: NodeId) -> Vec<u64> {
    queue.page(&peer, 0, usize::MAX, usize::MAX).items.iter().map(|item| item.place.n).collect()
}

#[test]
fn a_newer_one_about_the_same_subject_takes_the_place_of_one_that_waits() {
    let mut queue = Moderate::new(ERA);
    let config = |body| outgoing(BOB, Protocol::STORAGE_CONFIG, 1, body);
    assert_eq!(push(&mut queue, config(b"old")), Push::Queued(place(1)));
    queued(&mut queue, BOB, 2);
    assert_eq!(push(&mut queue, config(b"new")), Push::Merged(place(3)));
    assert_eq!(numbers(&queue, BOB), [2, 3], "it goes to the end");
    // Another kind about the same subject stands between: what comes after it must not overtake it.
    let other = outgoing(BOB, Protocol::PLANNER, 1, b"other");
    assert_eq!(push(&mut queue, other), Push::Queued(place(4)));
    assert_eq!(push(&mut queue, config(b"newest")), Push::Queued(place(5)));
    assert_eq!(push(&mut queue, outgoing(EVE, Protocol::PLANNER, 1, b"for eve")), Push::Queued(place(1)));
    let message = |body| outgoing(EVE, Protocol::MESSAGE, 9, body);
    assert_eq!(push(&mut queue, message(b"one")), Push::Queued(place(2)));
    assert_eq!(push(&mut queue, message(b"two")), Push::Queued(place(3)), "messages are all kept");
    assert_eq!(queue.counts().merged, 1);
}

#[test]
fn after_three_retries_an_item_is_given_up_and_can_be_looked_up() {
    let mut queue = Moderate::new(ERA);
    let first = queued(&mut queue, BOB, 1);
    queued(&mut queue, EVE, 1);
    for tries in 1..=MODERATE_RETRIES_MAX {
        assert_eq!(queue.failed(&BOB, NOW), []);
        assert_eq!(queue.waiting().next().unwrap().tries, tries);
    }
    let second = queued(&mut queue, BOB, 2);
    let given_up = queue.failed(&BOB, NOW.after(5));
    assert_eq!(given_up.iter().map(|item| item.place).collect::<Vec<_>>(), [first]);
    assert_eq!(numbers(&queue, BOB), [second.n], "the other one was tried once");
    let gone: Vec<_> = queue.gone().map(|gone| (gone.item.place, gone.at, gone.why.clone())).collect();
    assert_eq!(gone, [(first, NOW.after(5), Why::Abandoned)]);
    assert_eq!((queue.counts().abandoned, queue.counts().items), (1, 2));
    assert!(queue.has(&EVE), "what waits for somebody else was not tried");
}

#[test]
fn what_must_not_be_lost_is_not_given_up_even_in_memory() {
    let mut queue = Moderate::new(ERA);
    let _placed = queue.push(outgoing(BOB, Protocol::MESSAGE, 1, b"hello"), Level::Critical, NOW);
    for _ in 0..100 {
        assert_eq!(queue.failed(&BOB, NOW), []);
    }
    assert_eq!(numbers(&queue, BOB), [1]);
}

#[test]
fn what_is_not_worth_keeping_is_tried_once() {
    let mut queue = Moderate::new(ERA);
    let _placed = queue.push(outgoing(BOB, Protocol::PLANNER, 1, b"tonight"), Level::None, NOW);
    assert_eq!(queue.failed(&BOB, NOW).len(), 1);
    assert_eq!(numbers(&queue, BOB), [0; 0]);
}

#[test]
fn what_was_answered_is_gone_and_what_was_refused_can_be_looked_up() {
    let mut queue = Moderate::new(ERA);
    for subject in 1..=5 {
        queued(&mut queue, BOB, subject);
    }
    let refusal = Refusal::named("quota");
    let results = [
        (place(1), Outcome::Taken),
        (place(2), Outcome::Had),
        (place(3), Outcome::Refused(refusal.clone())),
        (place(4), Outcome::Busy),
        (place(77), Outcome::Taken),
        (Place { era: ERA + 2, n: 5 }, Outcome::Taken),
    ];
    queue.settle(&BOB, &results, NOW);
    assert_eq!(numbers(&queue, BOB), [4, 5]);
    let counts = queue.counts();
    assert_eq!((counts.delivered, counts.refused, counts.items), (2, 1, 2));
    assert_eq!(queue.gone().next().unwrap().why, Why::Refused(refusal));
    assert!(queue.drop_item(&BOB, place(4), NOW).is_some());
    assert!(queue.drop_item(&BOB, place(4), NOW).is_none());
    assert_eq!(queue.refuse_all(&BOB, &Refusal::named("revoked"), NOW).len(), 1);
    assert!(!queue.has(&BOB));
    assert_eq!((queue.counts().bytes, queue.counts().dropped, queue.counts().refused), (0, 1, 2));
}

#[test]
fn no_place_is_given_twice_when_a_peer_had_nothing_waiting_for_a_while() {
    let mut queue = Moderate::new(ERA);
    let first = queued(&mut queue, BOB, 1);
    queue.settle(&BOB, &[(first, Outcome::Taken)], NOW);
    assert_eq!(queue.peers().count(), 0, "nothing is kept for who has nothing");
    assert!(queue.page(&BOB, 0, 10, 10).floor > first.n);
    assert!(queued(&mut queue, BOB, 1).n > first.n);
}

#[test]
fn a_page_names_the_lowest_number_and_says_whether_there_is_more() {
    let mut queue = Moderate::new(ERA);
    for subject in 1..=6 {
        queued(&mut queue, BOB, subject);
    }
    queue.settle(&BOB, &[(place(1), Outcome::Taken)], NOW);
    let page = queue.page(&BOB, 2, 2, usize::MAX);
    assert_eq!((page.floor, page.through, page.more), (2, 4, true));
    assert_eq!(page.items.iter().map(|item| item.place.n).collect::<Vec<_>>(), [3, 4]);
    let page = queue.page(&BOB, 4, 10, 1);
    assert_eq!((page.items.len(), page.more), (1, true), "one at least");
    let page = queue.page(&BOB, 6, 10, 10);
    assert_eq!((page.items.len(), page.through, page.more), (0, 6, false));
}

#[test]
fn every_bound_hands_the_item_back() {
    let full = |push: Push| match push {
        Push::Full { item, what, limit } => (item, what, limit),
        other => panic!("{other:?}"),
    };
    let mut queue = Moderate::new(ERA);
    let long = outgoing(BOB, Protocol::MESSAGE, 1, &vec![0; BODY_BYTES_MAX + 1]);
    assert_eq!(full(push(&mut queue, long.clone())), (long, Bound::Body, BODY_BYTES_MAX));
    let small = outgoing(BOB, Protocol::MESSAGE, 1, b"x");
    for _ in 0..ITEMS_PER_PEER_MAX {
        assert!(matches!(push(&mut queue, small.clone()), Push::Queued(_)));
    }
    assert_eq!(full(push(&mut queue, small.clone())), (small, Bound::Items, ITEMS_PER_PEER_MAX));

    let large = |peer| outgoing(peer, Protocol::MESSAGE, 1, &vec![0; BODY_BYTES_MAX]);
    let mut queue = Moderate::new(ERA);
    for n in 0..BYTES_IN_ALL_MAX / BYTES_PER_PEER_MAX {
        let peer = NodeId([u8::try_from(n).unwrap(); 32]);
        for _ in 0..BYTES_PER_PEER_MAX / BODY_BYTES_MAX {
            assert!(matches!(push(&mut queue, large(peer)), Push::Queued(_)));
        }
        let (_, what, limit) = full(push(&mut queue, large(peer)));
        assert_eq!((what, limit), (Bound::Bytes, BYTES_PER_PEER_MAX));
    }
    let (_, what, limit) = full(push(&mut queue, large(NodeId([200; 32]))));
    assert_eq!((what, limit), (Bound::BytesInAll, BYTES_IN_ALL_MAX));
    assert_eq!(queue.counts().bytes, BYTES_IN_ALL_MAX);

    // What is gone makes room for as much, and for no more.
    let peer = NodeId([0; 32]);
    let first = place(numbers(&queue, peer)[0]);
    assert!(queue.drop_item(&peer, first, NOW).is_some());
    assert!(matches!(push(&mut queue, large(peer)), Push::Queued(_)));
    let (_, what, limit) = full(push(&mut queue, large(peer)));
    assert_eq!((what, limit), (Bound::Bytes, BYTES_PER_PEER_MAX));
}

#[test]
fn a_full_queue_still_takes_what_replaces_something() {
    let mut queue = Moderate::new(ERA);
    for _ in 1..ITEMS_PER_PEER_MAX {
        let _placed = push(&mut queue, outgoing(BOB, Protocol::MESSAGE, 1, b"x"));
    }
    let _placed = push(&mut queue, outgoing(BOB, Protocol::PLANNER, 2, b"old"));
    assert!(matches!(push(&mut queue, outgoing(BOB, Protocol::PLANNER, 2, b"new")), Push::Merged(_)));
    assert!(matches!(push(&mut queue, outgoing(BOB, Protocol::PLANNER, 3, b"one more")), Push::Full { .. }));
}

#[test]
fn the_list_of_what_was_given_up_forgets_the_oldest() {
    let mut queue = Moderate::new(ERA);
    for n in 0..GONE_MAX as u64 + 10 {
        let item = queued(&mut queue, BOB, 1);
        assert_eq!(item.n, n + 1);
        let _dropped = queue.drop_item(&BOB, item, NOW);
    }
    assert_eq!(queue.gone().count(), GONE_MAX);
    assert_eq!(queue.gone().next().unwrap().item.place.n, 11);
}

#[derive(Debug, Clone)]
enum Step {
    Push { peer: u8, protocol: Protocol, subject: u8 },
    Settle { peer: u8, count: usize },
    Fail { peer: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = [Protocol::MESSAGE, Protocol::PLANNER, Protocol::CONSIDERS];
    prop_oneof![
        4 => (0..3_u8, prop::sample::select(kinds.to_vec()), 0..3_u8)
            .prop_map(|(peer, protocol, subject)| Step::Push { peer, protocol, subject }),
        2 => (0..3_u8, 0..4_usize).prop_map(|(peer, count)| Step::Settle { peer, count }),
        1 => (0..3_u8).prop_map(|peer| Step::Fail { peer }),
    ]
}

proptest! {
    #[test]
    fn everything_that_was_queued_is_accounted_for(steps in prop::collection::vec(step(), 0..150)) {
        let mut queue = Moderate::new(ERA);
        let mut last: BTreeMap<u8, u64> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Push { peer, protocol, subject } => {
                    let pushed = push(&mut queue, outgoing(NodeId([peer; 32]), protocol, subject, &[7; 10]));
                    let (Push::Queued(place) | Push::Merged(place)) = pushed else { panic!("there is room") };
                    prop_assert!(last.insert(peer, place.n).is_none_or(|before| before < place.n), "numbers ascend");
                }
                Step::Settle { peer, count } => {
                    let peer = NodeId([peer; 32]);
                    let taken: Vec<_> = numbers(&queue, peer).into_iter().take(count).map(place).collect();
                    let results: Vec<_> = taken.into_iter().map(|place| (place, Outcome::Taken)).collect();
                    queue.settle(&peer, &results, NOW);
                }
                Step::Fail { peer } => {
                    let _given_up = queue.failed(&NodeId([peer; 32]), NOW);
                }
            }
            let counts = queue.counts();
            let over = counts.merged + counts.delivered + counts.abandoned;
            prop_assert_eq!(counts.queued, over + counts.items as u64);
            prop_assert_eq!(queue.waiting().count(), counts.items);
            prop_assert_eq!(counts.bytes, counts.items * 10);
            prop_assert!(queue.waiting().all(|item| item.tries <= MODERATE_RETRIES_MAX));
            prop_assert!(queue.peers().all(|peer| !numbers(&queue, peer).is_empty()));
        }
    }
}
