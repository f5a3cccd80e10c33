//! A member that misbehaves in sync.

use super::mallory::{
    JOIN, Mallory, SYNC, address_of, attacked, ends, flood, next, noted, refusals, send, still_serves, turned_away,
};
use crate::blocks::id;
use crate::common::{Machine, forged_after, stop, until};
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::value::Value;
use antiphon_net::TurnedAway;
use antiphon_node::{Draft, Reason};
use antiphon_protocol::frame;
use antiphon_protocol::query::rates::IN_A_ROW_MAX;
use antiphon_protocol::sync::{Clock, LOGS_MAX, Message, PAGES_UNACKED_MAX, Page, TALKS_MAX};
use futures::AsyncWriteExt as _;

fn clock(heads: NodeClock, asks: bool) -> Vec<u8> {
    frame::encode(&Message::Clock(Clock { heads, takes: true, asks, partings: NodeClock::new() }))
}

/// Her end of a session, and what the victim says it holds.
async fn session(mallory: &Mallory) -> (libp2p::Stream, NodeClock) {
    let mut stream = mallory.opens(SYNC).await;
    send(&mut stream, &clock(NodeClock::new(), false)).await.unwrap();
    let Some(Message::Clock(theirs)) = said(&mut stream).await else { panic!("no clock") };
    (stream, theirs.heads)
}

async fn said(stream: &mut libp2p::Stream) -> Option<Message> {
    next(stream).await.map(|bytes| frame::decode(&bytes).unwrap())
}

/// Store ids that nobody ever made, so many of them, each with a head as far as anybody can count.
fn made_up(round: u8, logs: usize, seq: u64) -> NodeClock {
    let id = |n: usize| {
        let mut id = [round; 16];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        LogId::new(StoreId(id), Stream::Shared)
    };
    (0..logs).map(|n| (id(n), Head { seq, hash: Hash([round; 32]) })).collect()
}

/// A page with an event that follows `head` in a log, signed by whoever likes to.
fn forged(key: &antiphon_vault::NodeKey, team: antiphon_core::ids::TeamId, log: LogId, head: Head) -> Page {
    Page { log, events: vec![forged_after(key, team, log, head, "obey me").into_unverified()] }
}

async fn store_of(machine: &Machine, node: NodeId) -> StoreId {
    let peer = machine.handle.peers().await.unwrap().into_iter().find(|peer| peer.peer_id == node).unwrap();
    peer.store_id.unwrap()
}

async fn events(machine: &Machine) -> u64 {
    machine.handle.status().await.unwrap().events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_talks_without_end_loses_its_session() {
    let (mut alice, mut bob, mallory, _eve) = attacked().await;
    for message in [Message::Digest(Hash([9; 32])), Message::Unknown(77)] {
        let before = refusals(&alice, "sync", "broke_a_rule").await;
        let (stream, _) = session(&mallory).await;
        let _sent = flood(stream, &[frame::encode(&message)], 100 * TALKS_MAX as usize).await;
        until("it is counted", async || refusals(&alice, "sync", "broke_a_rule").await > before).await;
    }
    noted(&alice, "sync", "broke_a_rule").await;
    // Nobody asks her to leave, and she may behave: it was the session that ended.
    assert!(mallory.stands());
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_made_up_logs_change_nothing() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let before = events(&alice).await;
    // More than a clock may name is no clock.
    let (mut stream, _) = session(&mallory).await;
    send(&mut stream, &clock(made_up(0, LOGS_MAX + 1, 1), false)).await.unwrap();
    ends(&mut stream).await;
    noted(&alice, "sync", "broke_a_rule").await;
    // As many as it may, thirteen times over, each time others; half of them counted as far as numbers go.
    let (mut stream, held) = session(&mallory).await;
    for round in 0..13 {
        let seq = if round % 2 == 0 { u64::MAX } else { 1 << 40 };
        send(&mut stream, &clock(made_up(round, LOGS_MAX, seq), false)).await.unwrap();
    }
    let node = eve.local.node.to_string();
    until("the counters are named", async || {
        let seen = alice.handle.peer(&node).await.unwrap();
        seen.health.last_error.is_some_and(|error| error.reason == Reason::ClockOverflow)
    })
    .await;
    still_serves(&alice, &bob).await;
    // She asks what is held: those of the team, and none of hers.
    send(&mut stream, &clock(NodeClock::new(), true)).await.unwrap();
    let theirs = loop {
        match said(&mut stream).await {
            Some(Message::Clock(clock)) => break clock.heads,
            Some(_) => {}
            None => panic!("the session ended"),
        }
    };
    assert_eq!(theirs.len(), held.len());
    // Two opening events of bob's and alice's facts above, no more.
    assert_eq!(events(&alice).await, before + 2);
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_mallory_signs_in_bobs_name_cost_her_the_session() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let fact = bob.remember("what bob knows").await;
    until("alice has it", async || alice.handle.fact(fact).await.is_ok()).await;
    let before = (events(&alice).await, alice.handle.state_hash().await.unwrap());
    let log = LogId::new(store_of(&alice, id(&bob).await).await, Stream::Shared);
    let (stream, held) = session(&mallory).await;
    let page = frame::encode(&Message::Page(forged(&eve.key, eve.local.team, log, held[&log])));
    // A log that is not taken is not looked at again before clocks are compared, so she compares them each time.
    let frames = [page, clock(NodeClock::from([(log, Head { seq: 9_999, hash: Hash([1; 32]) })]), false)];
    let sent = flood(stream, &frames, 10_000).await;
    assert!(sent < 10_000, "{sent} frames");
    noted(&alice, "sync", "broke_a_rule").await;
    assert_eq!((events(&alice).await, alice.handle.state_hash().await.unwrap()), before);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_ends_the_stream_and_is_counted() {
    let (mut alice, mut bob, mallory, _eve) = attacked().await;
    // One segment of a terabyte, as zstd says it.
    let bomb = [&[1, 0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &(1_u64 << 40).to_le_bytes(), &[1, 0, 0]].concat();
    let nested = |open: u8| [vec![0], vec![open; 1024 * 1024]].concat();
    let junk = [bomb, nested(0x81), nested(0x9f), nested(0xd8), vec![7; 64], vec![0], vec![0, 0xbf, 0xff]];
    for (n, bytes) in junk.iter().enumerate() {
        let before = refusals(&alice, "sync", "broke_a_rule").await;
        let (mut stream, _) = session(&mallory).await;
        send(&mut stream, bytes).await.unwrap();
        ends(&mut stream).await;
        until(&format!("junk {n} is counted"), async || refusals(&alice, "sync", "broke_a_rule").await > before).await;
    }
    // Lengths that no frame has, of which nothing follows.
    for length in [u32::MAX, 4 * 1024 * 1024 + 1] {
        let before = turned_away(&alice, TurnedAway::Frame.name());
        let (mut stream, _) = session(&mallory).await;
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        ends(&mut stream).await;
        assert_eq!(turned_away(&alice, TurnedAway::Frame.name()), before + 1);
    }
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_again_and_again_is_stored_once() {
    let (mut alice, mut bob, mallory, _eve) = attacked().await;
    alice.remember("once").await;
    let (mut stream, _) = session(&mallory).await;
    // What alice sends her she sends back.
    let page = loop {
        match said(&mut stream).await.expect("pages come") {
            Message::Page(page) if page.log.stream == Stream::Charter => break page,
            _ => {}
        }
    };
    let before = events(&alice).await;
    let (bytes, mut acknowledged) = (frame::encode(&Message::Page(page.clone())), 0);
    for _ in 0..300 {
        send(&mut stream, &bytes).await.unwrap();
        loop {
            match said(&mut stream).await.expect("the session goes on") {
                Message::Ack { log, .. } if log == page.log => break acknowledged += 1,
                _ => {}
            }
        }
    }
    assert_eq!(acknowledged, 300);
    assert_eq!(events(&alice).await, before);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_acknowledges_nothing_is_sent_four_pages_and_no_more() {
    let (mut alice, mut bob, mallory, _eve) = attacked().await;
    let long = "x".repeat(50_000);
    for _ in 0..10 {
        let draft = |n: usize| Draft::Remember {
            id: None,
            edit: Edit::new().set(Field::Content, Value::from(format!("{n} {long}").as_str())),
            provenance: Provenance::default(),
            idempotency_key: None,
        };
        for written in alice.handle.author((0..20).map(draft).collect()).await.unwrap() {
            written.unwrap();
        }
    }
    let (mut stream, _) = session(&mallory).await;
    let (mut pages, mut bytes) = (0, 0);
    // She asks for clocks in between, which come behind whatever was sent before.
    for _ in 0..10 {
        send(&mut stream, &clock(NodeClock::new(), true)).await.unwrap();
        loop {
            let frame = next(&mut stream).await.expect("the session goes on");
            match frame::decode(&frame).unwrap() {
                Message::Page(_) => (pages, bytes) = (pages + 1, bytes + frame.len()),
                Message::Clock(_) => break,
                _ => {}
            }
        }
        still_serves(&alice, &bob).await;
    }
    // A clock says anew what she holds, so what was under way may be sent once more with each, and never more at once.
    assert!(pages <= 11 * PAGES_UNACKED_MAX && bytes <= 11 * PAGES_UNACKED_MAX * (1024 * 1024 + 4096), "{pages}");
    eprintln!("figure: pages without an acknowledgement {pages}, {bytes} bytes");
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_streams_that_are_opened_without_end_are_refused() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let (mut opened, mut held) = (0, Vec::new());
    for _ in 0..10 * IN_A_ROW_MAX {
        if let Some(mut stream) = mallory.open(SYNC).await
            && send(&mut stream, &clock(NodeClock::new(), true)).await.is_ok()
        {
            opened += 1;
            held.push(stream);
        }
        if held.len() > 12 {
            held.clear();
        }
    }
    assert!(opened > 0);
    let refused = async || refusals(&alice, "sync", "too_often").await + turned_away(&alice, TurnedAway::Stream.name());
    until("those that are too many are refused", async || refused().await > 0).await;
    drop(held);
    still_serves(&alice, &bob).await;
    // A second connection of hers has no allowance of its own.
    let again = Mallory::again(&eve, &alice).await;
    assert!(again.stands());
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_asks_to_join_without_end_is_heard_now_and_then() {
    let (mut alice, mut bob, mallory, _eve) = attacked().await;
    let asked = 10 * IN_A_ROW_MAX;
    for _ in 0..asked {
        // What it says does not matter: it is looked at, or not even that.
        let _ = mallory.ask(JOIN, b"let me in").await;
    }
    noted(&alice, "join", "too_often").await;
    let dropped = refusals(&alice, "join", "too_often").await;
    assert!(dropped <= asked - IN_A_ROW_MAX, "{dropped} of {asked}");
    eprintln!("figure: requests of a member to join {} of {asked}", asked - dropped);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_asks_for_handshakes_without_end_is_answered_now_and_then() {
    let (mut alice, mut bob, mallory, eve) = attacked().await;
    let mut answered = 0;
    for _ in 0..10 * IN_A_ROW_MAX {
        answered += u64::from(mallory.greets(&eve.local).await);
    }
    assert!(answered > 0 && answered < 10 * IN_A_ROW_MAX, "{answered} answers");
    noted(&alice, "handshake", "too_often").await;
    eprintln!("figure: handshakes of a member {answered} of {}", 10 * IN_A_ROW_MAX);
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_revoked_in_the_middle_of_its_flood_is_put_out() {
    let (mut alice, mut bob, mut mallory, eve) = attacked().await;
    let (mut stream, _) = session(&mallory).await;
    let flooding = tokio::spawn(async move {
        let mut sent = 0;
        while send(&mut stream, &clock(made_up(1, 64, 5), false)).await.is_ok() {
            sent += 1;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        sent
    });
    alice.handle.revoke(&eve.local.node.to_string(), "she is mallory", false).await.unwrap();
    mallory.is_cut_off().await;
    let sent: u32 = super::mallory::patiently("the flood's end", flooding).await.unwrap();
    noted(&alice, "put_out", "revoked").await;
    // What she knows is worth nothing any more, on a new connection either.
    let again = Mallory::dials(super::mallory::keypair(&eve.key), &address_of(&alice).await).await;
    if let Some(again) = again {
        assert!(!again.greets(&eve.local).await);
        assert!(again.open(SYNC).await.is_none());
    }
    eprintln!("figure: clocks before the end {sent}");
    still_serves(&alice, &bob).await;
    stop([&mut bob, &mut alice]).await;
}
