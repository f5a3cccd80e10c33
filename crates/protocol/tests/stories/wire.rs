//! Sync messages as bytes: they read back the same, they are small, and hostile ones are refused.

use crate::common::{Author, Key, LATER, NOW, Team, unverified};
use antiphon_core::cbor;
use antiphon_core::custody::Receipt;
use antiphon_core::event::{Event, Flaw, Unverified, Verified};
use antiphon_core::ids::{EventId, FactId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::frame::{self, FRAME_BYTES_MAX};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Clock, Input, Message, Mode, Opened, PAGE_EVENTS_MAX, Page, Session};
use proptest::prelude::*;

fn author() -> Author {
    let key = Key::of(1);
    Author::new(Team::found(&key, 7).id, &key, 1)
}

/// A page with everything that occurs: charter records, absent payloads, missing signatures.
fn mixed_page() -> Page {
    let mut alice = author();
    let mut events = vec![
        unverified(&alice.open(Stream::Charter)),
        unverified(&alice.grant(NodeId([7; 32]), LATER)),
        unverified(&alice.revoke(NodeId([7; 32]))),
    ];
    alice.seen.raise(StoreId([9; 16]), 4).unwrap();
    let grant = alice.grant(NodeId([8; 32]), LATER);
    events.push(grant.without_payload().into_unverified());
    Page { log: alice.log(Stream::Charter), events }
}

fn facts_page(count: usize, text: impl Fn(usize) -> String) -> Page {
    let mut alice = author();
    let mut events = vec![alice.open(Stream::Shared)];
    events.extend((1..count).map(|n| alice.fact(&text(n), n + 1 == count)));
    Page { log: alice.log(Stream::Shared), events: events.iter().map(unverified).collect() }
}

fn check_reads_back(message: &Message) {
    assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(message));
    let frame = frame::encode(message);
    assert!(frame.len() <= FRAME_BYTES_MAX);
    assert_eq!(frame::decode(&frame).as_ref(), Ok(message));
}

fn samples() -> Vec<Message> {
    let log = author().log(Stream::Shared);
    let head = Head { seq: 3, hash: Hash([4; 32]) };
    let heads = NodeClock::from([(log, head), (LogId::new(StoreId([1; 16]), Stream::Charter), head)]);
    vec![
        Message::Clock(Clock { heads: heads.clone(), takes: true, asks: true, partings: NodeClock::new() }),
        Message::Clock(Clock {
            partings: heads.keys().map(|log| (*log, Head::EMPTY)).collect(),
            heads: heads.clone(),
            takes: true,
            asks: true,
        }),
        Message::Trace { log: *heads.keys().next().unwrap(), points: heads.values().copied().collect() },
        Message::Clock(Clock { heads: NodeClock::new(), takes: false, asks: false, partings: NodeClock::new() }),
        Message::Digest(Hash([5; 32])),
        Message::Page(mixed_page()),
        Message::Branch(facts_page(3, |n| format!("fact {n}"))),
        Message::Page(Page { log, events: Vec::new() }),
        Message::Want { log, seqs: vec![1, 2, 3, 700, u64::from(u32::MAX)] },
        Message::Payloads { log, through: 9, items: vec![(1, vec![1; 40]), (9, Vec::new())] },
        Message::Payloads { log, through: 9, items: Vec::new() },
        Message::Receipts {
            receipts: vec![Receipt { bytes: vec![3; 90], signature: Signature([4; 64]) }],
            list: Some(vec![(NodeId([1; 32]), UnixMillis(5))]),
        },
        Message::Receipts { receipts: Vec::new(), list: None },
        Message::Ack { log, head },
        Message::Nack { log, head: Head::EMPTY, reason: None },
        Message::Nack { log, head, reason: Some(Reason::BadSignature) },
        Message::Bye,
        Message::Unknown(99),
    ]
}

#[test]
fn every_message_reads_back_the_same() {
    samples().iter().for_each(check_reads_back);
}

#[test]
fn a_page_keeps_every_byte_of_headers_that_newer_versions_wrote() {
    let page = facts_page(4, |n| format!("fact {n}"));
    let widened = |event: &Event<Unverified>| {
        let mut header = event.header_bytes().to_vec();
        assert_eq!(header[0] & 0xe0, 0xa0);
        header[0] += 1;
        header.extend([0x18, 0x30, 0x61, b'x']);
        Event::parse(header, event.payload().map(<[u8]>::to_vec), event.signature().copied()).unwrap()
    };
    let events: Vec<_> =
        page.events.iter().enumerate().map(|(n, event)| if n == 1 { widened(event) } else { event.clone() }).collect();
    // The event after the widened one does not link to it any more, and must come through as it is all the same.
    check_reads_back(&Message::Page(Page { log: page.log, events }));
}

#[test]
fn pages_of_foreign_or_unlinked_events_come_through_unchanged() {
    let page = facts_page(6, |n| format!("fact {n}"));
    let mut events = page.events.clone();
    events.swap(1, 4);
    events.remove(2);
    check_reads_back(&Message::Page(Page { log: page.log, events: events.clone() }));
    check_reads_back(&Message::Page(Page { log: LogId::new(StoreId([3; 16]), Stream::Charter), events }));
    let key = Key::of(1);
    let other = Author::new(TeamId([3; 32]), &key, 1).open(Stream::Shared);
    let events = vec![page.events[0].clone(), unverified(&other)];
    check_reads_back(&Message::Page(Page { log: page.log, events }));
}

/// 300 bytes of words, different for every number.
/// A page in whose middle stands an event about a fact whose id is a byte too short.
fn flawed_page() -> (Page, usize) {
    let mut page = facts_page(5, |n| format!("fact {n} of several"));
    let flawed = &page.events[2];
    let header = flawed.header_bytes();
    let id = flawed.header().subject.parts().1;
    let at = header.windows(id.len()).position(|part| part == id).unwrap();
    // `[kind, 16 bytes]` becomes `[kind, 15 bytes]`.
    assert_eq!(header[at - 1], 0x50);
    let bytes = [&header[..at - 1], &[0x4f], &header[at + 1..]].concat();
    let payload = flawed.payload().map(<[u8]>::to_vec);
    page.events[2] = Event::parse(bytes, payload, None).unwrap();
    (page, 2)
}

#[test]
fn an_event_that_does_nothing_travels_with_the_others() {
    let (page, at) = flawed_page();
    assert_eq!(page.events[at].header().flaw(), Some(Flaw::SubjectId));
    check_reads_back(&Message::Page(page));
}

#[test]
fn a_payload_of_another_event_is_left_out_and_the_page_goes_on() {
    let (page, at) = flawed_page();
    let payload = page.events[at].payload().unwrap().to_vec();
    let mut bytes = Message::Page(page.clone()).encode();
    let place = bytes.windows(payload.len()).position(|part| part == payload).unwrap();
    bytes[place + payload.len() - 1] ^= 1;
    let Message::Page(read) = Message::decode(&bytes).unwrap() else { panic!("no page") };
    assert_eq!(read.events[at].payload(), None);
    assert_eq!(read.events[at].hash(), page.events[at].hash());
    assert_eq!((&read.events[..at], &read.events[at + 1..]), (&page.events[..at], &page.events[at + 1..]));
}

fn words(seed: usize) -> String {
    const WORDS: [&str; 24] = [
        "retry", "the", "index", "build", "cache", "port", "token", "when", "server", "test", "of", "fails", "schema",
        "deploy", "after", "because", "timeout", "branch", "is", "flag", "lock", "not", "worker", "queue",
    ];
    let mut state = seed as u64;
    let mut text = String::new();
    while text.len() < 300 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 33) as usize % WORDS.len()]);
        text.push(' ');
    }
    text.truncate(300);
    text
}

/// The same event with ids as random as those of a real store.
fn with_random_ids(page: Page) -> Page {
    let key = Key::of(1);
    let mut prev = Head::EMPTY;
    let scatter = |n: u64, salt: u8| {
        let digest = Hash::of(&[&n.to_be_bytes()[..], &[salt]].concat());
        <[u8; 10]>::try_from(&digest.0[..10]).unwrap()
    };
    let redo = |event: Event<Unverified>| {
        let mut header = event.header().clone();
        let at = NOW.after(header.seq * 3);
        header.id = EventId::next(None, at, scatter(header.seq, 0));
        if header.subject.fact().is_some() {
            header.subject = antiphon_core::event::Subject::Fact(FactId::new(at, scatter(header.seq, 1)));
        }
        let mut payload = event.payload().unwrap().to_vec();
        let salt = Hash::of(&header.seq.to_be_bytes());
        payload[3..19].copy_from_slice(&salt.0[..16]);
        cbor::check(&payload).unwrap();
        header.payload_hash = Hash::of(&payload);
        header.prev = prev.hash;
        let mut event = Event::<Verified>::author(header, payload).unwrap();
        if event.header().seq == PAGE_EVENTS_MAX as u64 {
            event.sign(&key);
        }
        prev = event.head();
        event.into_unverified()
    };
    Page { log: page.log, events: page.events.into_iter().map(redo).collect() }
}

#[test]
fn a_fact_of_300_bytes_costs_less_on_the_wire() {
    let page = with_random_ids(facts_page(PAGE_EVENTS_MAX, words));
    let message = Message::Page(page);
    check_reads_back(&message);
    let each = frame::encode(&message).len() / PAGE_EVENTS_MAX;
    assert!(each <= 150, "{each} bytes for each fact of words");
    let noise = |n: usize| {
        let bytes = (0..10_u8).flat_map(|part| Hash::of(&[&n.to_be_bytes()[..], &[part]].concat()).0);
        let text = data_encoding::BASE64.encode(&bytes.collect::<Vec<_>>());
        text[..300].to_owned()
    };
    let message = Message::Page(with_random_ids(facts_page(PAGE_EVENTS_MAX, noise)));
    let each = frame::encode(&message).len() / PAGE_EVENTS_MAX;
    assert!(each <= 300, "{each} bytes for each fact of noise");
}

fn mutate(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> Vec<u8> {
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes.truncate(cut.index(bytes.len() * 4).max(1));
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)
}

proptest! {
    #[test]
    fn hostile_bytes_are_read_or_refused(which in 0..13_usize, plain in any::<bool>(), changes in changes(), cut in any::<prop::sample::Index>()) {
        let sample = &samples()[which];
        if plain {
            let bytes = mutate(sample.encode(), &changes, cut);
            if let Ok(message) = Message::decode(&bytes) {
                prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
            }
        } else {
            let _ = frame::decode(&mutate(frame::encode(sample), &changes, cut));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = frame::decode(&bytes);
        let _ = frame::decode(&[&[1], bytes.as_slice()].concat());
    }

    #[test]
    fn hostile_messages_do_not_break_a_session(messages in prop::collection::vec((0..13_usize, changes(), any::<prop::sample::Index>()), 1..12)) {
        let team = author().team;
        let key = Key::of(1).node_id();
        let mut session = Session::new(team);
        let opened = Opened {
            own: key,
            clock: NodeClock::new(),
            keys: [(author().store, key)].into(),
            partings: NodeClock::new(),
            authors: antiphon_protocol::sync::Authors { members: [key].into(), stewards: [key].into() },
            mode: Mode::BOTH,
            seed: 1,
        };
        let _ = session.handle(Input::Opened(opened), NOW);
        let samples = samples();
        let _ = session.handle(Input::Message(samples[0].clone()), NOW);
        for (which, changes, cut) in messages {
            if let Ok(message) = Message::decode(&mutate(samples[which].encode(), &changes, cut)) {
                let _ = session.handle(Input::Message(message), NOW);
            }
            let _ = session.handle(Input::Wake, NOW.after(40_000));
        }
    }

    #[test]
    fn pages_of_any_shape_come_through(count in 1..20_usize, texts in prop::collection::vec("[a-z ]{0,40}", 20), bare in any::<u32>(), signed in any::<u32>()) {
        let page = facts_page(count, |n| texts[n].clone());
        let events = page.events.iter().enumerate().map(|(n, event)| {
            let payload = event.payload().filter(|_| bare & (1 << n) == 0).map(<[u8]>::to_vec);
            let signature = (signed & (1 << n) != 0).then_some(Signature([u8::try_from(n).unwrap(); 64]));
            Event::parse(event.header_bytes().to_vec(), payload, signature).unwrap()
        });
        let message = Message::Page(Page { log: page.log, events: events.collect() });
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}
