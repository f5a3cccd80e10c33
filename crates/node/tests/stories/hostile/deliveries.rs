//! A member that misbehaves where it may deliver and ask: items, questions, sealed copies, blocks, and offers.
// A list with one range in it is what is asked for.
#![allow(clippy::single_range_in_vec_init)]

use super::mallory::{
    BACKUP, BLOCKS, COPIES, Mallory, OUTBOX, QUERY, attacked, ends, flood, next, noted, refusals, send, still_serves,
    turned_away,
};
use crate::blocks::{Eve, cipher, fetch};
use crate::common::{Machine, stop, until};
use antiphon_core::ids::{Hash, MessageId, StoreId};
use antiphon_core::letter::Letter;
use antiphon_core::outbox::{BODY_BYTES_MAX, Place, Protocol, Subject};
use antiphon_core::resource::question::Question;
use antiphon_core::time::UnixMillis;
use antiphon_net::{BLOCKS_STREAMS_MAX, TurnedAway};
use antiphon_node::InboxQuery;
use antiphon_protocol::backup::{Refusal, Request, Response, Span};
use antiphon_protocol::blocks::{Message as Blocks, What};
use antiphon_protocol::outbox::message::{Item, Items};
use antiphon_protocol::outbox::{FRAMES_UNSETTLED_MAX, Message, Outcome};
use antiphon_protocol::query::Query;
use antiphon_protocol::query::rates::IN_A_ROW_MAX;
use antiphon_vault::{NodeKey, file, seal_to};
use futures::AsyncWriteExt as _;

const ERA: u64 = 0x1234_5678;
const QUOTA: u64 = 4 * 1024 * 1024;

fn key_of(machine: &Machine) -> NodeKey {
    file::load(&machine.dir.path().join("home/node.key")).unwrap()
}

fn item(n: u64, body: Vec<u8>) -> Item {
    let (protocol, subject) = (u64::from(Protocol::MESSAGE.number()), Subject([0; 16]));
    Item { place: Place { era: ERA, n }, protocol, schema: 1, subject, body }
}

fn items(after: Option<u64>, items: Vec<Item>) -> Vec<u8> {
    Message::Items(Items { era: ERA, floor: 1, after, items }).to_frame()
}

/// A letter that is hers to send.
fn letter(eve: &Eve, to: &NodeKey, text: &str) -> Vec<u8> {
    let (from, to_node) = (eve.local.node, to.node_id());
    let id = MessageId::of_author(&from, UnixMillis(1), [1; 4]);
    let letter = Letter {
        team: eve.local.team,
        id,
        thread: id,
        reply_to: None,
        from,
        to: to_node,
        role: None,
        at: UnixMillis(u64::MAX),
        agent: None,
        text: text.into(),
        refs: Vec::new(),
    };
    seal_to(&to.age_recipient(), &letter.sign(&*eve.key).unwrap().encode()).unwrap()
}

async fn said(stream: &mut libp2p::Stream) -> Option<Message> {
    next(stream).await.map(|bytes| Message::from_frame(&bytes).unwrap())
}

/// Her end of a delivery.
async fn delivery(mallory: &Mallory, store: StoreId) -> libp2p::Stream {
    let mut stream = mallory.opens(OUTBOX).await;
    send(&mut stream, &Message::Hello { store, delivered: None }.to_frame()).await.unwrap();
    match said(&mut stream).await {
        Some(Message::Greeting { .. }) => stream,
        other => panic!("no greeting, {other:?}"),
    }
}

async fn results(stream: &mut libp2p::Stream) -> Vec<(u64, Outcome)> {
    loop {
        match said(stream).await {
            Some(Message::Taken { results, .. }) => break results,
            Some(_) => {}
            None => panic!("the delivery ended"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_delivered_a_hundred_times_is_taken_once() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let frame = items(None, vec![item(1, letter(&eve, &key_of(&alice), "<script>alert(1)</script>"))]);
    let mut outcomes = Vec::new();
    for _ in 0..20 {
        let mut stream = delivery(&mallory, eve.local.store).await;
        send(&mut stream, &frame).await.unwrap();
        outcomes.extend(results(&mut stream).await.into_iter().map(|(_, outcome)| outcome));
        stream.close().await.unwrap();
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Taken).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Had).count(), 19, "{outcomes:?}");
    assert_eq!(alice.handle.inbox(InboxQuery::default()).await.unwrap().messages.len(), 1);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

/// Each stream replaces the one before it, and what that one had brought is still in work.
#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_are_begun_without_end_are_refused() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let hello = Message::Hello { store: eve.local.store, delivered: None }.to_frame();
    let frame = items(None, vec![item(1, vec![7; BODY_BYTES_MAX - 64])]);
    let mut opened = 0;
    for _ in 0..10 * IN_A_ROW_MAX {
        let Some(mut stream) = mallory.open(OUTBOX).await else { continue };
        for bytes in [&hello, &frame] {
            if send(&mut stream, bytes).await.is_err() {
                break;
            }
        }
        opened += 1;
    }
    assert!(opened > IN_A_ROW_MAX, "{opened} streams were opened");
    until("those that are too many are refused", async || refusals(&alice, "outbox", "too_often").await > 0).await;
    eprintln!("figure: deliveries refused {} of {opened}", refusals(&alice, "outbox", "too_often").await);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_mean_nothing_are_refused_and_not_kept() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let before = alice.handle.database_bytes().unwrap();
    let mut stream = delivery(&mallory, eve.local.store).await;
    let (mut refused, mut sent) = (0, 0);
    for n in 1..=100 {
        let mut junk = item(n, cipher(n, BODY_BYTES_MAX));
        if n % 2 == 0 {
            (junk.protocol, junk.schema) = (u64::MAX, u16::MAX);
        }
        send(&mut stream, &items((n > 1).then_some(n - 1), vec![junk])).await.unwrap();
        sent += BODY_BYTES_MAX as u64;
        for (_, outcome) in results(&mut stream).await {
            assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
            refused += 1;
        }
    }
    assert_eq!(refused, 100);
    assert_eq!(alice.handle.inbox(InboxQuery::default()).await.unwrap().messages.len(), 0);
    let grown = alice.handle.database_bytes().unwrap().saturating_sub(before);
    eprintln!("figure: {sent} bytes of junk, the database grew by {grown} bytes");
    assert!(grown < sent / 8, "{grown} bytes of {sent}");
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_breaks_a_rule_ends_and_is_counted() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let store = eve.local.store;
    let crowded: Vec<Vec<u8>> =
        (1..=200).map(|n| items((n > 1).then_some(n - 1), vec![item(n, vec![7; 64])])).collect();
    let back = vec![items(None, vec![item(9, vec![1])]), items(Some(9), vec![item(3, vec![1])])];
    let hello = Message::Hello { store, delivered: None }.to_frame();
    let rules: [(&str, Vec<Vec<u8>>); 4] = [
        ("too many at once", crowded),
        ("numbers that go back", back),
        ("a second hello", vec![hello]),
        ("what cannot be read", vec![[vec![0], vec![0x81; 100_000]].concat()]),
    ];
    for (rule, frames) in rules {
        let before = refusals(&alice, "outbox", "broke_a_rule").await;
        let mut stream = delivery(&mallory, store).await;
        for frame in &frames {
            // She is cut off in the middle of it.
            if send(&mut stream, frame).await.is_err() {
                break;
            }
        }
        // Where nothing waits long enough to be too many, it was no flood.
        if rule != "too many at once" {
            ends(&mut stream).await;
            until(rule, async || refusals(&alice, "outbox", "broke_a_rule").await > before).await;
        }
    }
    const { assert!(FRAMES_UNSETTLED_MAX < 200) };
    // Somebody else's database is not hers to deliver from.
    let mut stream = mallory.opens(OUTBOX).await;
    send(&mut stream, &Message::Hello { store: StoreId([9; 16]), delivered: None }.to_frame()).await.unwrap();
    ends(&mut stream).await;
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_asks_without_end_is_answered_now_and_then() {
    let (mut alice, mut bob, mallory, _eve) = attacked().await;
    let question =
        Question { text: "'; DROP TABLE resources; --".into(), kind: None, capability: None, tag: None, limit: 5 };
    let question = Query::Resources(question).encode();
    let mut answered = 0;
    for _ in 0..10 * IN_A_ROW_MAX {
        answered += u64::from(mallory.ask(QUERY, &question).await.is_some());
    }
    assert!((IN_A_ROW_MAX..10 * IN_A_ROW_MAX).contains(&answered), "{answered} answers");
    noted(&alice, "question", "too_often").await;
    assert!(mallory.ask(QUERY, &[0x81; 16 * 1024]).await.is_none());
    eprintln!("figure: questions answered {answered} of {}", 10 * IN_A_ROW_MAX);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_copies_are_kept_up_to_a_quota_and_only_ones_own() {
    let mut alice = Machine::start("alice").await;
    alice.stop().await;
    let config = antiphon_node::Config { copy_quota_bytes: QUOTA, ..crate::common::config(&alice.dir, "alice") };
    alice.run(config).await;
    let mut bob = Machine::start("bob").await;
    bob.joins(&alice).await;
    let (mallory, eve) = Mallory::member(&alice, &alice).await;
    let (mut kept, mut full) = (0_u64, 0);
    for n in 0..16_u64 {
        let span = Span { store: StoreId([7; 16]), first: 10 * n + 1, last: 10 * n + 5 };
        let put = Request::Put { span, sealed: cipher(n, 1_000_000) }.encode();
        match Response::decode(&mallory.ask(BACKUP, &put).await.unwrap()).unwrap() {
            Response::Stored => kept += 1_000_000,
            Response::Refused(Refusal::Full { held, limit }) => {
                assert_eq!((held, limit), (kept, QUOTA));
                full += 1;
            }
            _ => panic!("something else"),
        }
    }
    assert_eq!((kept, full), (4_000_000, 12));
    // Of what others left here there is nothing to be had, by whatever name.
    let get = |store, first| Request::Get { store, first }.encode();
    for request in [get(StoreId([7; 16]), 9_999), get(StoreId([1; 16]), u64::MAX), vec![0x9f; 1024]] {
        let answer = mallory.ask(BACKUP, &request).await.map(|bytes| Response::decode(&bytes).unwrap());
        assert!(matches!(answer, Some(Response::Refused(_))));
    }
    noted(&alice, "sealed_copy", "full").await;
    assert_eq!(eve.local.team, alice.handle.status().await.unwrap().team.id);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_takes_every_slot_leaves_others_theirs() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let blob = alice.handle.keep_blob(std::io::Cursor::new(cipher(3, 3 * 1024 * 1024))).await.unwrap();
    let second = Mallory::again(&eve, &alice).await;
    let want = Blocks::Want { root: blob.root, what: What::Blocks(vec![0..8]) }.encode();
    let mut held = Vec::new();
    for mallory in [&mallory, &second] {
        for _ in 0..3 * BLOCKS_STREAMS_MAX {
            let Some(mut stream) = mallory.open(BLOCKS).await else { continue };
            // She asks, and takes nothing of what she asked for.
            if send(&mut stream, &want).await.is_ok() {
                held.push(stream);
            }
        }
    }
    let refused = || alice.handle.blocks_served().busy + turned_away(&alice, TurnedAway::Stream.name());
    until("she is refused", async || refused() > 0).await;
    let fetched = fetch(&bob, &blob, &[&alice]).await.unwrap();
    assert!(fetched.blob.is_complete());
    still_serves(&alice, &bob).await;
    drop(held);
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_blocks_and_copies_that_cannot_be_meant_end_the_stream_and_are_counted() {
    let (mut alice, mut bob, mallory, _eve) = attacked().await;
    let giant = Blocks::Want { root: Hash([1; 32]), what: What::Blocks(vec![0..u64::MAX]) }.encode();
    for (protocol, kind, bytes) in [
        (BLOCKS, "blocks", giant),
        (BLOCKS, "blocks", vec![0x81; 100_000]),
        (COPIES, "copies", vec![0x9f; 30_000]),
        (COPIES, "copies", vec![0xa1, 0, 0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ] {
        let before = refusals(&alice, kind, "broke_a_rule").await;
        // Those of unknown kinds are ignored, up to a number.
        flood(mallory.opens(protocol).await, &[bytes], 1_000).await;
        until(kind, async || refusals(&alice, kind, "broke_a_rule").await > before).await;
    }
    let before = turned_away(&alice, TurnedAway::Frame.name());
    for (protocol, length) in [(BLOCKS, 1 << 20), (COPIES, 1 << 20), (OUTBOX, 1 << 20)] {
        let mut stream = mallory.opens(protocol).await;
        stream.write_all(&u32::to_be_bytes(length)).await.unwrap();
        stream.flush().await.unwrap();
        ends(&mut stream).await;
    }
    assert_eq!(turned_away(&alice, TurnedAway::Frame.name()), before + 3);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}
