//! What members have beside sync: outbox streams and questions, which must not be in sync's way.

use std::time::Duration;

use crate::common::foreign::{BLOCKS, Foreign, OUTBOX, QUERY, SYNC};
use crate::common::{KINDS, Node, QUIC, TCP, befriend, id_of, parted, patiently, stream_of};
use antiphon_net::{
    Error, Event, NetworkReason, OUTBOX_FRAME_BYTES_MAX, Protocol, QUERY_REQUEST_BYTES_MAX, QUERY_RESPONSE_BYTES_MAX,
    RequestBytes, RequestError, StreamKind, stream,
};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::StreamProtocol;

#[tokio::test]
async fn each_kind_carries_its_own_frames_and_is_counted_apart() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::start(1, listen).await;
        let mut bob = Node::start(2, listen).await;
        befriend(&mut alice, &mut bob).await;
        for (kind, length) in KINDS.into_iter().zip([20, OUTBOX_FRAME_BYTES_MAX, 200_000, 1]) {
            let (ours, theirs) = stream_of(kind, &mut alice, &mut bob).await;
            let (mut alice_in, mut alice_out) = ours.split();
            let (mut bob_in, mut bob_out) = theirs.split();
            let frame = vec![7; length];
            let (sent, got) = patiently("a frame", async { tokio::join!(alice_out.send(&frame), bob_in.next()) }).await;
            sent.unwrap();
            assert!(got.unwrap() == Some(frame));
            bob_out.send(b"thanks").await.unwrap();
            assert_eq!(patiently("thanks", alice_in.next()).await.unwrap().unwrap(), b"thanks");
        }
        for (kind, length) in KINDS.into_iter().zip([20, OUTBOX_FRAME_BYTES_MAX, 200_000, 1]) {
            let (sent, received) = (alice.net.traffic(kind).sent(), alice.net.traffic(kind).received());
            assert_eq!((sent, received), (length as u64 + 4, 10));
            assert_eq!(bob.net.traffic(kind).received(), length as u64 + 4);
        }
    }
}

#[tokio::test]
async fn an_outbox_that_is_not_read_does_not_hold_up_sync() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::start(1, listen).await;
        let mut bob = Node::start(2, listen).await;
        befriend(&mut alice, &mut bob).await;
        let (outbox, _unread) = stream_of(StreamKind::Outbox, &mut alice, &mut bob).await;
        let flood = tokio::spawn(async move {
            let (_in, mut out) = outbox.split();
            let frame = vec![0; OUTBOX_FRAME_BYTES_MAX];
            while out.send(&frame).await.is_ok() {}
        });
        let (ours, theirs) = stream_of(StreamKind::Sync, &mut alice, &mut bob).await;
        let (_alice_in, mut alice_out) = ours.split();
        let (mut bob_in, _bob_out) = theirs.split();
        let (frame, rounds) = (vec![1; 1024 * 1024], 32);
        let send = async {
            for _ in 0..rounds {
                alice_out.send(&frame).await.unwrap();
            }
        };
        let receive = async {
            for _ in 0..rounds {
                assert!(bob_in.next().await.unwrap().as_ref() == Some(&frame));
            }
        };
        patiently("sync", async { tokio::join!(send, receive) }).await;
        // The writer waits until there is nobody to wait for.
        bob.net.close_gate(alice.id).await.unwrap();
        patiently("the writer's end", flood).await.unwrap();
    }
}

/// Opens streams until one is dropped; those that were taken are handed back.
async fn fill(
    alice: &mut Node,
    carol: &mut Foreign,
    protocol: StreamProtocol,
    kind: StreamKind,
) -> Vec<(libp2p::Stream, antiphon_net::MemberStream)> {
    let mut held = Vec::new();
    for _ in 0..kind.inbound_max() {
        let theirs = patiently("a stream", carol.open(protocol.clone())).await.unwrap();
        held.push((theirs, alice.stream_opened(id_of(3), kind).await));
    }
    let mut dropped = patiently("a stream", carol.open(protocol)).await.unwrap();
    assert!(!matches!(patiently("the end", dropped.read(&mut [0])).await, Ok(1..)));
    held
}

#[tokio::test]
async fn a_member_cannot_hold_any_number_of_streams_and_one_kind_leaves_the_other_its_room() {
    let mut alice = Node::start(1, TCP).await;
    let mut carol = Foreign::connect(3, &alice.addresses[0]).await;
    tokio::join!(alice.answer(true, b"welcome"), patiently("an answer", carol.shake_hands()));
    let mut outbox = fill(&mut alice, &mut carol, OUTBOX, StreamKind::Outbox).await;
    let mut sync = fill(&mut alice, &mut carol, SYNC, StreamKind::Sync).await;
    let _blocks = fill(&mut alice, &mut carol, BLOCKS, StreamKind::Blocks).await;
    // There is room again, for the same kind, when one has ended.
    sync.pop();
    let _theirs = patiently("a stream", carol.open(SYNC)).await.unwrap();
    let _ours = alice.stream_opened(id_of(3), StreamKind::Sync).await;
    outbox.pop();
    let _theirs = patiently("a stream", carol.open(OUTBOX)).await.unwrap();
    let _ours = alice.stream_opened(id_of(3), StreamKind::Outbox).await;
}

#[tokio::test]
async fn a_removed_members_streams_end_whatever_they_are_for() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::start(1, listen).await;
        let mut eve = Node::start(9, listen).await;
        befriend(&mut alice, &mut eve).await;
        let mut ends = Vec::new();
        for kind in KINDS {
            let (ours, theirs) = stream_of(kind, &mut alice, &mut eve).await;
            let (eve_in, mut eve_out) = theirs.split();
            // What has come before the removal is not read after it.
            eve_out.send(b"psst").await.unwrap();
            ends.push((ours.split(), (eve_in, eve_out)));
        }
        let net = eve.net.clone();
        let asked = tokio::spawn(async move { net.request(id_of(1), Protocol::Query, Vec::new(), vec![1]).await });
        let responder = alice.wait("a question", |event| match event {
            Event::Request { protocol: Protocol::Query, responder, .. } => Some(responder),
            _ => None,
        });
        let responder = responder.await;
        alice.net.close_gate(eve.id).await.unwrap();
        for ((mut alice_in, mut alice_out), (mut eve_in, _)) in ends {
            assert!(matches!(alice_in.next().await, Err(stream::Error::Closed)));
            assert!(matches!(alice_out.send(b"more").await, Err(stream::Error::Closed)));
            assert!(patiently("eve's end", eve_in.next()).await.is_err());
        }
        // Nor is a question answered that she had asked before.
        assert!(responder.respond(b"the answer".to_vec()).await.is_err());
        assert!(matches!(patiently("the end", asked).await.unwrap(), Err(RequestError::Failed { .. })));
        parted(&mut alice, &mut eve).await;
        for kind in KINDS {
            let refused = alice.net.open_stream(eve.id, kind).await.unwrap_err();
            assert_eq!(refused, Error::NotConnected { peer: eve.id });
        }
    }
}

#[tokio::test]
async fn a_members_oversized_and_broken_questions_do_no_harm() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut bob, &mut alice).await;
    let refused = bob.net.request(alice.id, Protocol::Query, Vec::new(), vec![0; QUERY_REQUEST_BYTES_MAX + 1]).await;
    let expected = RequestError::TooLarge { got: QUERY_REQUEST_BYTES_MAX + 1, max: QUERY_REQUEST_BYTES_MAX };
    assert_eq!(refused.unwrap_err(), expected);

    let mut carol = Foreign::connect(3, &alice.addresses[0]).await;
    tokio::join!(alice.answer(true, b"welcome"), patiently("an answer", carol.shake_hands()));
    let length = u32::try_from(QUERY_REQUEST_BYTES_MAX + 1).unwrap().to_be_bytes();
    let too_long = [&length[..], &[0; QUERY_REQUEST_BYTES_MAX + 1]].concat();
    for message in [&too_long[..], &[255; 64], &[0, 0, 1, 0, 42], &[0], &[]] {
        let mut stream = patiently("a stream", carol.open(QUERY)).await.unwrap();
        // She may be cut off while she is still writing.
        let _ = stream.write_all(message).await;
        let _ = stream.close().await;
        let mut answer = Vec::new();
        let _ = patiently("the end", stream.read_to_end(&mut answer)).await;
        assert_eq!(answer, Vec::<u8>::new());
    }

    // The first question that Alice gets to see is Bob's, and she cannot say more than the limit.
    let asked = bob.net.request(alice.id, Protocol::Query, Vec::new(), b"who has a printer".to_vec());
    let refuse = async {
        let (bytes, responder) = alice
            .wait("a question", |event| match event {
                Event::Request { bytes: RequestBytes(bytes), responder, .. } => Some((bytes, responder)),
                _ => None,
            })
            .await;
        assert_eq!(bytes, b"who has a printer");
        let refused = responder.respond(vec![0; QUERY_RESPONSE_BYTES_MAX + 1]).await.unwrap_err();
        assert_eq!(refused, Error::TooLarge { got: QUERY_RESPONSE_BYTES_MAX + 1, max: QUERY_RESPONSE_BYTES_MAX });
    };
    let (answer, ()) = tokio::join!(patiently("a failure", asked), refuse);
    assert_eq!(answer.unwrap_err(), RequestError::Failed { peer: alice.id, reason: NetworkReason::Eof });
}

/// Answers every question with itself, and tells how many waited for their answers at the same time.
async fn echo(node: &mut Node, until: usize) -> usize {
    let (mut most, mut answered) = (0, 0);
    while answered < until {
        let mut waiting = Vec::new();
        node.wait("a question", |event| match event {
            Event::Request { protocol: Protocol::Query, bytes: RequestBytes(bytes), responder, .. } => {
                waiting.push((bytes, responder));
                Some(())
            }
            _ => None,
        })
        .await;
        // Whatever else is on its way comes meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        while let Ok(event) = node.events.try_recv() {
            if let Event::Request { bytes: RequestBytes(bytes), responder, .. } = event {
                waiting.push((bytes, responder));
            }
        }
        most = most.max(waiting.len());
        answered += waiting.len();
        for (bytes, responder) in waiting {
            responder.respond(bytes).await.unwrap();
        }
    }
    most
}

#[tokio::test]
async fn many_questions_at_once_wait_for_their_turn_and_all_are_answered() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::start(1, listen).await;
        let mut bob = Node::start(2, listen).await;
        befriend(&mut alice, &mut bob).await;
        let mut questions = Vec::new();
        for number in 0..60_u8 {
            for (net, to) in [(alice.net.clone(), bob.id), (bob.net.clone(), alice.id)] {
                questions.push(tokio::spawn(async move {
                    let answer = net.request(to, Protocol::Query, Vec::new(), vec![number]).await;
                    assert_eq!(answer, Ok(vec![number]));
                }));
            }
        }
        let (a, b) = patiently("all", async { tokio::join!(echo(&mut alice, 60), echo(&mut bob, 60)) }).await;
        assert!(a <= 3 && b <= 3, "{a} and {b} at once");
        for question in questions {
            patiently("an answer", question).await.unwrap();
        }
    }
}

#[tokio::test]
async fn questions_that_wait_for_their_turn_end_with_the_connection() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut alice, &mut bob).await;
    let ask = |_| {
        let (net, to) = (alice.net.clone(), bob.id);
        tokio::spawn(async move { net.request(to, Protocol::Query, Vec::new(), vec![1]).await })
    };
    let questions: Vec<_> = (0..20).map(ask).collect();
    let _responder = bob
        .wait("a question", |event| match event {
            Event::Request { protocol: Protocol::Query, responder, .. } => Some(responder),
            _ => None,
        })
        .await;
    bob.net.shutdown().await;
    for question in questions {
        assert!(patiently("an end", question).await.unwrap().is_err());
    }
    // Nothing of it is left in the way of the next.
    let mut bob = Node::start(2, TCP).await;
    alice.disconnected(bob.id).await;
    befriend(&mut alice, &mut bob).await;
    let asked = alice.net.request(bob.id, Protocol::Query, Vec::new(), vec![2]);
    let (answer, seen) = tokio::join!(patiently("an answer", asked), bob.answer(false, b"here"));
    assert_eq!((answer.unwrap().as_slice(), seen), (b"here".as_slice(), vec![2]));
}
