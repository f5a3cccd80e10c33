//! Peers that do not keep to the rules of the outbox: each is told apart by name, costs bounded memory, and nothing
//! panics.

use antiphon_core::ids::StoreId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Place, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::message::Items;
use antiphon_protocol::outbox::{
    Closed, Delivery, FRAMES_UNANSWERED_MAX, FRAMES_UNSETTLED_MAX, IDLE_MS, ITEMS_PER_FRAME_MAX, Item, LINGER_MS,
    MESSAGE_BYTES_MAX, Message, N_MAX, Outcome, Page, Reception, Refusal, SILENT_MS, Source, UNKNOWN_MAX, delivery,
    reception,
};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const STORE: StoreId = StoreId([3; 16]);
const ERA: u64 = 0x7700;

fn item(n: u64, bytes: usize) -> Item {
    Item { place: Place { era: ERA, n }, protocol: 1, schema: 1, subject: Subject([1; 16]), body: vec![7; bytes] }
}

fn items(numbers: impl IntoIterator<Item = u64>) -> Items {
    let items: Vec<_> = numbers.into_iter().map(|n| item(n, 4)).collect();
    Items { era: ERA, floor: 1, after: None, items }
}

/// A receiver that was greeted.
fn receiver() -> Reception {
    let mut bob = Reception::new();
    let _out = bob.handle(reception::Input::Opened, NOW);
    let out = hear(&mut bob, Message::Hello { store: STORE, delivered: None });
    assert_eq!(out[0], reception::Output::Look { store: STORE, delivered: None });
    let out = bob.handle(reception::Input::Looked { last: None, lost: false }, NOW);
    assert_eq!(out[0], reception::Output::Send(Message::Greeting { last: None, lost: false }));
    bob
}

fn hear(bob: &mut Reception, message: Message) -> Vec<reception::Output> {
    bob.handle(reception::Input::Message(message), NOW)
}

/// The rule that was broken.
fn rule(out: &[reception::Output]) -> &'static str {
    match out.last() {
        Some(reception::Output::Close(Closed::Violation(rule))) => rule,
        other => panic!("{other:?}"),
    }
}

/// A sender that waits for its greeting, and reads.
fn sender() -> Delivery {
    let mut alice = Delivery::new();
    let out = alice.handle(delivery::Input::Opened { store: STORE, delivered: None }, NOW);
    assert_eq!(out[0], delivery::Output::Send(Message::Hello { store: STORE, delivered: None }));
    alice
}

/// A sender that was greeted and has nothing in memory.
fn greeted() -> Delivery {
    let mut alice = sender();
    let empty = Page { floor: 1, items: Vec::new(), through: 0, more: false };
    let out = alice.handle(delivery::Input::Page(Source::Memory, empty), NOW);
    let asked = out.iter().find_map(|output| match output {
        delivery::Output::Load { source: Source::Disk, max_items, max_bytes, .. } => Some((*max_items, *max_bytes)),
        _ => None,
    });
    let (items, bytes) = asked.unwrap();
    assert!(items == ITEMS_PER_FRAME_MAX && bytes < MESSAGE_BYTES_MAX, "what one frame holds: {items}, {bytes}");
    let _out = tell(&mut alice, Message::Greeting { last: None, lost: false });
    alice
}

fn tell(alice: &mut Delivery, message: Message) -> Vec<delivery::Output> {
    alice.handle(delivery::Input::Message(message), NOW)
}

fn page(alice: &mut Delivery, items: Vec<Item>, more: bool) -> Vec<delivery::Output> {
    let through = items.last().map_or(0, |item| item.place.n);
    alice.handle(delivery::Input::Page(Source::Disk, Page { floor: 1, items, through, more }), NOW)
}

fn broken(out: &[delivery::Output]) -> &'static str {
    match out.last() {
        Some(delivery::Output::Close(Closed::Violation(rule))) => rule,
        other => panic!("{other:?}"),
    }
}

fn sent(out: &[delivery::Output]) -> Vec<&Items> {
    let items = |output| match output {
        &delivery::Output::Send(Message::Items(ref items)) => Some(items),
        _ => None,
    };
    out.iter().filter_map(items).collect()
}

fn loads(out: &[delivery::Output]) -> usize {
    out.iter().filter(|output| matches!(output, delivery::Output::Load { .. })).count()
}

#[test]
fn a_sender_that_breaks_a_rule_is_told_apart_by_it() {
    let check = |wanted: &str, messages: &[Message]| {
        let mut bob = receiver();
        let (last, before) = messages.split_last().unwrap();
        for message in before {
            let _out = hear(&mut bob, message.clone());
            let _out = bob.handle(reception::Input::Took(vec![Outcome::Taken; ITEMS_PER_FRAME_MAX]), NOW);
        }
        assert_eq!(rule(&hear(&mut bob, last.clone())), wanted);
        assert!(bob.is_closed());
        assert_eq!(hear(&mut bob, Message::Bye), [], "it is over");
    };
    let frame = |numbers: &[u64]| Message::Items(items(numbers.iter().copied()));
    let floor = |floor, numbers: &[u64]| Message::Items(Items { floor, ..items(numbers.iter().copied()) });
    let hello = Message::Hello { store: STORE, delivered: None };
    check("a second hello", &[hello]);
    check("items that go back", &[frame(&[1, 2]), frame(&[2, 3])]);
    check("items that go back", &[frame(&[5]), frame(&[1])]);
    check("a floor that goes back", &[floor(3, &[3]), floor(2, &[4])]);
    let after = |after, n| Message::Items(Items { after: Some(after), ..items([n]) });
    check("a frame that follows on one that did not come", &[after(1, 2)]);
    check("a frame that follows on one that did not come", &[frame(&[1]), after(2, 3)]);
    check("a frame that is none", &[frame(&[])]);
    check("a frame that is none", &[frame(&[2, 1])]);
    check("a frame that is none", &[frame(&[1, 1])]);
    check("a frame that is none", &[frame(&[0])]);
    check("a frame that is none", &[frame(&[N_MAX + 1])]);
    check("a frame that is none", &[floor(2, &[1])]);
    check("a frame that is none", &[Message::Items(items(1..=ITEMS_PER_FRAME_MAX as u64 + 1))]);
    let long = Items { items: vec![item(1, BODY_BYTES_MAX + 1)], ..items([1]) };
    check("a frame that is none", &[Message::Items(long)]);
    check("a sender that answers", &[Message::Greeting { last: None, lost: true }]);
    check("a sender that answers", &[Message::Taken { era: ERA, results: vec![(1, Outcome::Taken)] }]);
    check("too many unknown messages", &vec![Message::Unknown(9); UNKNOWN_MAX as usize + 1]);
}

#[test]
fn a_sender_must_say_hello_first_and_name_a_place_that_is_one() {
    let mut bob = Reception::new();
    assert_eq!(rule(&hear(&mut bob, Message::Items(items([1])))), "items before the hello");
    let mut bob = Reception::new();
    let delivered = Some(Place { era: ERA, n: 0 });
    assert_eq!(rule(&hear(&mut bob, Message::Hello { store: STORE, delivered })), "a place without a number");
}

/// Items of an era that began later follow on those of the one before it, and those in memory follow on each other.
#[test]
fn a_frame_follows_on_the_one_before_it_of_the_same_source() {
    let mut bob = receiver();
    let frame = |era, after, n| {
        let place = Place { era, n };
        Message::Items(Items { era, floor: 1, after, items: vec![Item { place, ..item(n, 1) }] })
    };
    let (disk, memory) = (Source::Disk.era(ERA) + 2, Source::Memory.era(ERA));
    for message in [frame(ERA, None, 4), frame(memory, None, 1), frame(disk, Some(4), 5), frame(memory, Some(1), 2)] {
        let _out = hear(&mut bob, message);
        let _out = bob.handle(reception::Input::Took(vec![Outcome::Taken]), NOW);
    }
    assert!(!bob.is_closed());
    let _out = hear(&mut bob, frame(ERA + 4, Some(4), 6));
    assert!(bob.is_closed(), "a frame with number 5 came");
}

#[test]
fn no_more_frames_wait_than_may_be_under_way() {
    let mut bob = receiver();
    let frames = FRAMES_UNANSWERED_MAX as u64;
    let takes = (1..=frames).flat_map(|n| hear(&mut bob, Message::Items(items([n])))).count();
    assert_eq!(takes, 1, "one is taken at a time");
    assert_eq!(rule(&hear(&mut bob, Message::Items(items([frames + 1])))), "too many frames at once");
}

#[test]
fn many_eras_are_taken_and_only_the_latest_are_remembered() {
    let mut bob = receiver();
    for era in 1..1_000 {
        let items = vec![Item { place: Place { era, n: era }, ..item(1, 1) }];
        let out = hear(&mut bob, Message::Items(Items { era, floor: 1, after: None, items }));
        assert!(matches!(out[0], reception::Output::Take { .. }));
        let _out = bob.handle(reception::Input::Took(vec![Outcome::Taken]), NOW);
    }
    assert!(!bob.is_closed());
    assert!(format!("{bob:?}").len() < 1_500, "{bob:?}");
}

#[test]
fn nothing_is_answered_before_it_is_taken_and_a_failed_take_is_no_answer() {
    let mut bob = receiver();
    let out = hear(&mut bob, Message::Items(items([1, 2, 3])));
    assert_eq!(out, [reception::Output::Take { store: STORE, items: items([1, 2, 3]) }]);
    assert_eq!(hear(&mut bob, Message::Items(items([4]))), []);
    let out = bob.handle(reception::Input::Took(vec![Outcome::Taken]), NOW);
    let answer = |results: Vec<(u64, Outcome)>| reception::Output::Send(Message::Taken { era: ERA, results });
    let wanted =
        [answer(vec![(1, Outcome::Taken), (2, Outcome::Busy), (3, Outcome::Busy)]), answer(vec![(4, Outcome::Busy)])];
    assert_eq!(out[..2], wanted);
    let out = hear(&mut bob, Message::Items(items([5])));
    assert_eq!(out[0], answer(vec![(5, Outcome::Busy)]), "nothing more in this conversation");
    assert_eq!(bob.handle(reception::Input::Took(vec![Outcome::Taken]), NOW), [], "an answer to nothing");
}

#[test]
fn a_silent_sender_is_left() {
    let check = |mut bob: Reception, wanted: Closed| {
        assert!(
            !bob.handle(reception::Input::Wake, NOW.after(IDLE_MS - 1)).contains(&reception::Output::Close(wanted))
        );
        let out = bob.handle(reception::Input::Wake, NOW.after(IDLE_MS));
        assert_eq!(out.last(), Some(&reception::Output::Close(wanted)));
    };
    let mut mute = Reception::new();
    assert_eq!(mute.handle(reception::Input::Opened, NOW), [reception::Output::WakeAt(NOW.after(IDLE_MS))]);
    check(mute, Closed::Silent(IDLE_MS));
    let mut chatting = receiver();
    let _out = chatting.handle(reception::Input::Message(Message::Unknown(7)), NOW.after(IDLE_MS / 2));
    check(chatting, Closed::Silent(IDLE_MS));
    let mut taking = receiver();
    let _out = hear(&mut taking, Message::Items(items([1])));
    let out = taking.handle(reception::Input::Wake, NOW.after(10 * IDLE_MS));
    assert_eq!(out, [], "its own disk is slow");
}

#[test]
fn a_receiver_that_breaks_a_rule_is_told_apart_by_it() {
    let check = |wanted: &str, messages: &[Message]| {
        let mut alice = greeted();
        let out = page(&mut alice, vec![item(1, 1), item(2, 1)], false);
        assert_eq!(sent(&out).len(), 1);
        let (last, before) = messages.split_last().unwrap();
        for message in before {
            let _out = tell(&mut alice, message.clone());
        }
        assert_eq!(broken(&tell(&mut alice, last.clone())), wanted);
        assert_eq!(tell(&mut alice, Message::Bye), [], "it is over");
    };
    let taken =
        |era, numbers: &[u64]| Message::Taken { era, results: numbers.iter().map(|n| (*n, Outcome::Taken)).collect() };
    check("an answer to another frame", &[taken(ERA, &[1])]);
    check("an answer to another frame", &[taken(ERA, &[2, 1])]);
    check("an answer to another frame", &[taken(ERA, &[1, 2, 3])]);
    check("an answer to another frame", &[taken(ERA + 2, &[1, 2])]);
    check("an answer to nothing", &[taken(ERA, &[1, 2]), taken(ERA, &[1, 2])]);
    check("a greeting that nobody waits for", &[Message::Greeting { last: None, lost: false }]);
    check("a receiver that sends", &[Message::Items(items([1]))]);
    check("a receiver that sends", &[Message::Hello { store: STORE, delivered: None }]);
    check("too many unknown messages", &vec![Message::Unknown(9); UNKNOWN_MAX as usize + 1]);
}

#[test]
fn a_silent_receiver_is_left_whenever_it_falls_silent() {
    let check = |mut alice: Delivery| {
        let _out = alice.handle(delivery::Input::Wake, NOW.after(SILENT_MS - 1));
        assert!(!alice.is_closed());
        let out = alice.handle(delivery::Input::Wake, NOW.after(SILENT_MS));
        assert_eq!(out.last(), Some(&delivery::Output::Close(Closed::Silent(SILENT_MS))));
    };
    check(sender());
    let mut waits = greeted();
    let _out = page(&mut waits, vec![item(1, 1)], false);
    check(waits);
    let mut chatting = sender();
    let _out = chatting.handle(delivery::Input::Message(Message::Unknown(7)), NOW.after(SILENT_MS / 2));
    check(chatting);
}

#[test]
fn a_slow_disk_here_is_not_the_receivers_silence() {
    let mut alice = greeted();
    let later = NOW.after(10 * SILENT_MS);
    let read = Page { floor: 1, items: vec![item(1, 1)], through: 1, more: false };
    let out = alice.handle(delivery::Input::Page(Source::Disk, read), later);
    assert_eq!(sent(&out).len(), 1);
    let out = alice.handle(delivery::Input::Wake, later);
    assert_eq!(out, [delivery::Output::WakeAt(later.after(SILENT_MS))]);
}

#[test]
fn a_receiver_that_says_it_was_restored_though_it_took_nothing_is_not_believed() {
    let mut alice = sender();
    let out = tell(&mut alice, Message::Greeting { last: None, lost: true });
    assert!(!out.iter().any(|output| matches!(output, delivery::Output::PeerLost { .. })));
}

#[test]
fn a_few_frames_are_under_way_and_the_next_page_is_read_meanwhile() {
    let mut alice = greeted();
    let mut n = 0;
    let mut next = |alice: &mut Delivery| {
        n += 2;
        page(alice, vec![item(n - 1, 1), item(n, 1)], true)
    };
    let mut frames = 0;
    for frame in 1..=FRAMES_UNANSWERED_MAX {
        let out = next(&mut alice);
        assert_eq!((sent(&out).len(), loads(&out)), (1, 1), "frame {frame}");
        frames += 1;
    }
    let out = next(&mut alice);
    assert_eq!((sent(&out).len(), loads(&out)), (0, 0), "one page is held ready, no more");
    // Answers open the window, until too much is not durable.
    let mut settles = 0;
    let mut answered = 0;
    for frame in 1..=FRAMES_UNSETTLED_MAX as u64 {
        let results = vec![(2 * frame - 1, Outcome::Taken), (2 * frame, Outcome::Had)];
        let out = tell(&mut alice, Message::Taken { era: ERA, results });
        settles += out.iter().filter(|output| matches!(output, delivery::Output::Settle(..))).count();
        answered += 1;
        frames += sent(&out).len();
        if loads(&out) == 1 {
            assert_eq!(sent(&out).len(), 1);
            frames += sent(&next(&mut alice)).len();
        }
    }
    assert_eq!(frames, FRAMES_UNSETTLED_MAX, "no more than may be lost to a crash");
    assert_eq!((settles, answered), (1, FRAMES_UNSETTLED_MAX), "one settle at a time");
    let out = alice.handle(delivery::Input::Settled, NOW);
    let delivery::Output::Settle(Source::Disk, results) = &out[out.len() - 1] else { panic!("{out:?}") };
    let numbers: Vec<_> = results.iter().map(|(place, _)| place.n).collect();
    assert_eq!(numbers, (3..=2 * FRAMES_UNSETTLED_MAX as u64).collect::<Vec<_>>(), "the others as one batch");
}

#[test]
fn frames_are_cut_by_era_by_count_and_by_size() {
    let check = |items: Vec<Item>, wanted: &[usize]| {
        let mut alice = greeted();
        let out = page(&mut alice, items, false);
        let frames = sent(&out);
        assert_eq!(frames.iter().map(|frame| frame.items.len()).collect::<Vec<_>>(), wanted);
        for frame in frames {
            assert!(frame.validate().is_ok());
            let message = Message::Items(frame.clone());
            assert!(message.encode().len() < MESSAGE_BYTES_MAX);
            assert_eq!(Message::from_frame(&message.to_frame()), Ok(message));
        }
    };
    let other = |n| Item { place: Place { era: ERA + 2, n }, ..item(n, 1) };
    check(vec![item(1, 1), item(2, 1), other(3), other(4)], &[2, 2]);
    check((1..=600).map(|n| item(n, 1)).collect(), &[256, 256, 88]);
    check((1..=3).map(|n| item(n, BODY_BYTES_MAX)).collect(), &[1, 1, 1]);
    check((1..=200).map(|n| item(n, 4_000)).collect(), &[129, 71]);
    let extreme = |n| Item {
        place: Place { era: u64::MAX, n: N_MAX - 9 + n },
        protocol: u64::MAX,
        schema: u16::MAX,
        ..item(1, BODY_BYTES_MAX / 2)
    };
    check((1..=4).map(extreme).collect(), &[3, 1]);
}

#[test]
fn what_comes_while_the_last_page_is_read_is_found() {
    let mut alice = greeted();
    let _out = alice.handle(delivery::Input::More(Source::Disk), NOW);
    let out = page(&mut alice, Vec::new(), false);
    assert_eq!(loads(&out), 1, "{out:?}");
    assert!(!alice.is_closed());
}

#[test]
fn who_has_nothing_to_say_does_not_stay() {
    let mut alice = greeted();
    let out = page(&mut alice, Vec::new(), false);
    assert_eq!(out, [delivery::Output::Send(Message::Bye), delivery::Output::Close(Closed::Done)]);
}

#[test]
fn a_page_that_leads_nowhere_is_not_read_for_ever() {
    let mut alice = greeted();
    let out = page(&mut alice, Vec::new(), true);
    assert_eq!(out.last(), Some(&delivery::Output::Close(Closed::Done)));
}

#[test]
fn rows_that_do_not_open_are_passed_over() {
    let mut alice = greeted();
    let skipped = Page { floor: 1, items: Vec::new(), through: 40, more: true };
    let out = alice.handle(delivery::Input::Page(Source::Disk, skipped), NOW);
    assert!(matches!(out[..], [delivery::Output::Load { source: Source::Disk, after_n: 40, .. }]), "{out:?}");
}

#[test]
fn a_body_that_no_frame_holds_is_refused_here() {
    let mut alice = greeted();
    let out = page(&mut alice, vec![item(1, BODY_BYTES_MAX + 1), item(2, 1)], false);
    assert_eq!(sent(&out)[0].items.len(), 1);
    let refused = vec![(Place { era: ERA, n: 1 }, Outcome::Refused(Refusal::named("too_large")))];
    assert!(out.contains(&delivery::Output::Settle(Source::Disk, refused)));
}

#[test]
fn what_was_answered_is_settled_even_when_the_stream_ends() {
    let mut alice = greeted();
    let _out = page(&mut alice, vec![item(1, 1)], true);
    let _out = page(&mut alice, vec![item(2, 1)], true);
    let taken = |n| Message::Taken { era: ERA, results: vec![(n, Outcome::Taken)] };
    let _settles = tell(&mut alice, taken(1));
    let out = tell(&mut alice, taken(2));
    assert!(!out.iter().any(|output| matches!(output, delivery::Output::Settle(..))), "one at a time");
    assert_eq!(alice.moved(), 2, "so the peer counts as reached");
    let out = alice.handle(delivery::Input::Close, NOW);
    let left = delivery::Output::Settle(Source::Disk, vec![(Place { era: ERA, n: 2 }, Outcome::Taken)]);
    assert_eq!(out, [left, delivery::Output::Send(Message::Bye), delivery::Output::Close(Closed::Asked)]);
}

#[test]
fn a_clock_that_is_set_back_holds_no_stream_open() {
    let mut alice = greeted();
    let _out = page(&mut alice, vec![item(1, 1)], false);
    let yesterday = UnixMillis(NOW.0 - 86_400_000);
    let out = alice.handle(delivery::Input::Wake, yesterday);
    assert_eq!(out, [delivery::Output::WakeAt(yesterday.after(SILENT_MS))]);
    let _out = alice
        .handle(delivery::Input::Message(Message::Taken { era: ERA, results: vec![(1, Outcome::Taken)] }), yesterday);
    let out = alice.handle(delivery::Input::Settled, yesterday);
    assert_eq!(out, [delivery::Output::WakeAt(yesterday.after(LINGER_MS))]);
    let out = alice.handle(delivery::Input::Wake, yesterday.after(LINGER_MS));
    assert_eq!(out.last(), Some(&delivery::Output::Close(Closed::Done)));
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..12_u64, Just(N_MAX), Just(u64::MAX)]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let refused = Outcome::Refused(Refusal::named("other"));
    prop_oneof![Just(Outcome::Taken), Just(Outcome::Had), Just(refused), Just(Outcome::Busy)]
}

fn message() -> impl Strategy<Value = Message> {
    let era = || prop_oneof![Just(ERA), Just(ERA + 1), any::<u64>()];
    let place = || prop::option::of((era(), number()).prop_map(|(era, n)| Place { era, n }));
    let items = (era(), number(), prop::collection::vec(number(), 0..6));
    let items = items.prop_map(|(era, floor, numbers)| {
        let item = |n| Item { place: Place { era, n }, ..item(1, 3) };
        Message::Items(Items { era, floor, after: None, items: numbers.into_iter().map(item).collect() })
    });
    prop_oneof![
        place().prop_map(|delivered| Message::Hello { store: STORE, delivered }),
        (place(), any::<bool>()).prop_map(|(last, lost)| Message::Greeting { last, lost }),
        items,
        (era(), prop::collection::vec((number(), outcome()), 0..6))
            .prop_map(|(era, results)| Message::Taken { era, results }),
        Just(Message::Bye),
        any::<u64>().prop_map(Message::Unknown),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Message(Message),
    Own(Vec<Outcome>),
    Page(Vec<u64>, u64, bool, bool),
    More(bool),
    Wake(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => message().prop_map(Step::Message),
        3 => prop::collection::vec(outcome(), 0..6).prop_map(Step::Own),
        3 => (prop::collection::vec(number(), 0..6), number(), any::<bool>(), any::<bool>())
            .prop_map(|(numbers, through, more, memory)| Step::Page(numbers, through, more, memory)),
        1 => any::<bool>().prop_map(Step::More),
        1 => (0..200_000_u64).prop_map(Step::Wake),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn whatever_is_said_to_a_receiver_it_neither_panics_nor_grows(steps in prop::collection::vec(step(), 0..80)) {
        let (mut bob, mut now) = (receiver(), NOW);
        let mut taking = false;
        for step in steps {
            let input = match step {
                Step::Message(message) => reception::Input::Message(message),
                Step::Own(outcomes) => {
                    taking = false;
                    reception::Input::Took(outcomes)
                }
                Step::Page(..) | Step::More(_) => reception::Input::Looked { last: None, lost: false },
                Step::Wake(millis) => {
                    now = UnixMillis(now.0 + millis - 50_000);
                    reception::Input::Wake
                }
            };
            let over = bob.is_closed();
            let out = bob.handle(input, now);
            prop_assert!(!over || out.is_empty(), "what is over says nothing");
            for output in out {
                if let reception::Output::Take { items, .. } = output {
                    prop_assert!(items.validate().is_ok());
                    prop_assert!(!std::mem::replace(&mut taking, true), "one take at a time");
                }
            }
            let size = format!("{bob:?}").len();
            prop_assert!(size < 4_000);
        }
    }

    #[test]
    fn whatever_is_said_to_a_sender_it_neither_panics_nor_asks_twice(steps in prop::collection::vec(step(), 0..80)) {
        let mut alice = Delivery::new();
        let mut now = NOW;
        let _out = alice.handle(delivery::Input::Opened { store: STORE, delivered: None }, now);
        let (mut loading, mut settling) = (Some(Source::Memory), false);
        for step in steps {
            let input = match step {
                Step::Message(message) => delivery::Input::Message(message),
                Step::Own(_) => {
                    settling = false;
                    delivery::Input::Settled
                }
                Step::Page(numbers, through, more, memory) => {
                    let items = numbers.into_iter().map(|n| item(n, 3)).collect();
                    let source = if memory { Source::Memory } else { Source::Disk };
                    loading.take_if(|loading| *loading == source);
                    delivery::Input::Page(source, Page { floor: 1, items, through, more })
                }
                Step::More(memory) => delivery::Input::More(if memory { Source::Memory } else { Source::Disk }),
                Step::Wake(millis) => {
                    now = UnixMillis(now.0 + millis - 50_000);
                    delivery::Input::Wake
                }
            };
            let out = alice.handle(input, now);
            for output in &out {
                match output {
                    delivery::Output::Load { source, .. } => {
                        prop_assert_eq!(loading.replace(*source), None, "one load at a time");
                    }
                    delivery::Output::Settle(_, results) => {
                        let busy = results.iter().any(|(_, outcome)| *outcome == Outcome::Busy);
                        prop_assert!(!results.is_empty() && !busy);
                        let twice = std::mem::replace(&mut settling, true);
                        prop_assert!(alice.is_closed() || !twice, "one settle at a time");
                    }
                    _ => {}
                }
            }
            prop_assert!(sent(&out).iter().all(|frame| frame.validate().is_ok()));
            let size = format!("{alice:?}").len();
            prop_assert!(size < 8_000);
        }
    }
}
