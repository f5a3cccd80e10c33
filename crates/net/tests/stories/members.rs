//! The gate and what goes through it.

use std::time::Duration;

use crate::common::foreign::{Foreign, MEMBERS, SYNC};
use crate::common::{Node, QUIC, TCP, befriend, config, id_of, met, parted, patiently, stream_between};
use antiphon_net::stream;
use antiphon_net::{Error, Event, FRAME_BYTES_MAX, Protocol, StreamKind};
use libp2p::StreamProtocol;

#[tokio::test]
async fn frames_flow_both_ways_on_the_connection_that_was_there() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::start(1, listen).await;
        let mut bob = Node::start(2, listen).await;
        befriend(&mut alice, &mut bob).await;
        let (ours, theirs) = stream_between(&mut alice, &mut bob).await;
        assert_eq!((ours.peer(), theirs.peer()), (bob.id, alice.id));
        let (mut alice_in, mut alice_out) = ours.split();
        let (mut bob_in, mut bob_out) = theirs.split();
        let frames = [vec![1], vec![2; 20_000], vec![3; FRAME_BYTES_MAX]];
        let send = async {
            for frame in &frames {
                alice_out.send(frame).await.unwrap();
            }
            alice_out.close().await.unwrap();
        };
        let receive = async {
            for frame in &frames {
                assert!(bob_in.next().await.unwrap().as_ref() == Some(frame));
            }
            assert_eq!(bob_in.next().await.unwrap(), None);
            assert_eq!(bob_in.next().await.unwrap(), None);
        };
        patiently("the frames", async { tokio::join!(send, receive) }).await;
        bob_out.send(b"thanks").await.unwrap();
        assert_eq!(patiently("thanks", alice_in.next()).await.unwrap().unwrap(), b"thanks");
        let sent: usize = frames.iter().map(|frame| frame.len() + 4).sum::<usize>() + 4;
        assert_eq!(alice.net.traffic(StreamKind::Sync).sent(), sent as u64);
        assert_eq!(bob.net.traffic(StreamKind::Sync).received(), sent as u64);
        assert_eq!(alice.net.traffic(StreamKind::Sync).received(), 10);
        // Nobody connected again for it.
        while let Ok(event) = alice.events.try_recv() {
            assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
        }
    }
}

#[tokio::test]
async fn either_side_can_open_a_stream() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut alice, &mut bob).await;
    let (from_alice, _to_bob) = stream_between(&mut alice, &mut bob).await;
    let (from_bob, _to_alice) = stream_between(&mut bob, &mut alice).await;
    assert_eq!((from_alice.peer(), from_bob.peer()), (bob.id, alice.id));
}

#[tokio::test]
async fn closing_the_gate_ends_streams_and_connection() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::start(1, listen).await;
        let mut eve = Node::start(9, listen).await;
        befriend(&mut alice, &mut eve).await;
        let (ours, theirs) = stream_between(&mut alice, &mut eve).await;
        let (mut alice_in, mut alice_out) = ours.split();
        let (mut eve_in, mut eve_out) = theirs.split();
        // What has come before the revocation is not read after it.
        eve_out.send(b"psst").await.unwrap();
        alice_out.send(b"last words").await.unwrap();
        assert_eq!(patiently("words", eve_in.next()).await.unwrap().unwrap(), b"last words");
        alice.net.close_gate(eve.id).await.unwrap();
        assert!(matches!(alice_in.next().await, Err(stream::Error::Closed)));
        assert!(matches!(alice_out.send(b"more").await, Err(stream::Error::Closed)));
        assert!(patiently("eve's end", eve_in.next()).await.is_err());
        parted(&mut alice, &mut eve).await;
        let refused = alice.net.open_stream(eve.id, StreamKind::Sync).await.unwrap_err();
        assert_eq!(refused, Error::NotConnected { peer: eve.id });
    }
}

#[tokio::test]
async fn a_writer_that_waits_for_credit_ends_with_the_connection() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::start(1, listen).await;
        let mut bob = Node::start(2, listen).await;
        befriend(&mut alice, &mut bob).await;
        let (ours, theirs) = stream_between(&mut alice, &mut bob).await;
        let (_alice_in, mut alice_out) = ours.split();
        let flood = tokio::spawn(async move {
            let frame = vec![0; 1024 * 1024];
            loop {
                if let Err(error) = alice_out.send(&frame).await {
                    return error;
                }
            }
        });
        // Bob does not read. By the time he leaves the windows are full, or else the writer has it easier.
        tokio::time::sleep(Duration::from_millis(100)).await;
        bob.net.close_gate(alice.id).await.unwrap();
        drop(theirs);
        let error = patiently("the writer's end", flood).await.unwrap();
        assert!(matches!(error, stream::Error::Closed | stream::Error::Io(_)), "{error:?}");
    }
}

#[tokio::test]
async fn who_comes_back_must_be_let_in_again() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut alice, &mut bob).await;
    bob.net.close_gate(alice.id).await.unwrap();
    parted(&mut alice, &mut bob).await;
    bob.net.dial(alice.id, alice.addresses.clone()).await.unwrap();
    alice.connected(bob.id).await;
    assert_eq!(alice.net.open_stream(bob.id, StreamKind::Sync).await.unwrap_err(), Error::NotOpen { peer: bob.id });
    befriend(&mut bob, &mut alice).await;
    let _stream = stream_between(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn only_the_end_mark_is_a_clean_end() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut alice, &mut bob).await;
    let (ours, theirs) = stream_between(&mut alice, &mut bob).await;
    let (mut bob_in, _bob_out) = theirs.split();
    let (alice_in, mut alice_out) = ours.split();
    assert!(matches!(alice_out.send(&[]).await, Err(stream::Error::Empty)));
    let too_long = vec![0; FRAME_BYTES_MAX + 1];
    assert!(matches!(alice_out.send(&too_long).await, Err(stream::Error::TooLong { .. })));
    alice_out.send(b"still fine").await.unwrap();
    assert_eq!(patiently("a frame", bob_in.next()).await.unwrap().unwrap(), b"still fine");
    drop((alice_in, alice_out));
    assert!(patiently("the end", bob_in.next()).await.is_err());
    assert!(matches!(bob_in.next().await, Err(stream::Error::Broken)));
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut alice, &mut bob).await;
    let (ours, theirs) = stream_between(&mut alice, &mut bob).await;
    let (mut bob_in, _bob_out) = theirs.split();
    let (_alice_in, mut alice_out) = ours.split();
    let sender = tokio::spawn(async move {
        for round in 0..50_u8 {
            alice_out.send(&vec![round; 150_000]).await.unwrap();
        }
        alice_out.close().await.unwrap();
    });
    let mut expected = 0;
    patiently("all frames", async {
        loop {
            tokio::select! {
                biased;
                frame = bob_in.next() => match frame.unwrap() {
                    Some(frame) => {
                        assert_eq!(frame, vec![expected; 150_000]);
                        expected += 1;
                    }
                    None => break,
                },
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;
    assert_eq!(expected, 50);
    sender.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_dials_leave_a_connection() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    for _ in 0..20 {
        let (a, b) = (alice.addresses.clone(), bob.addresses.clone());
        let (from_alice, from_bob) = tokio::join!(alice.net.dial(bob.id, b), bob.net.dial(alice.id, a));
        from_alice.unwrap();
        from_bob.unwrap();
        met(&mut alice, &mut bob).await;
        befriend(&mut alice, &mut bob).await;
        let (ours, theirs) = stream_between(&mut bob, &mut alice).await;
        let (_bob_in, mut bob_out) = ours.split();
        let (mut alice_in, _alice_out) = theirs.split();
        bob_out.send(b"here").await.unwrap();
        assert_eq!(patiently("a frame", alice_in.next()).await.unwrap().unwrap(), b"here");
        alice.net.close_gate(bob.id).await.unwrap();
        parted(&mut alice, &mut bob).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_first_streams_none_is_lost() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    for round in 0..200_u32 {
        befriend(&mut alice, &mut bob).await;
        // Bob opens as soon as he has answered: Alice may still be opening her gate.
        let (ours, theirs) = match round % 2 {
            0 => stream_between(&mut bob, &mut alice).await,
            _ => stream_between(&mut alice, &mut bob).await,
        };
        let (_in, mut out) = ours.split();
        let (mut incoming, _out) = theirs.split();
        out.send(&round.to_be_bytes()).await.unwrap();
        assert_eq!(patiently("a frame", incoming.next()).await.unwrap().unwrap(), round.to_be_bytes());
        alice.net.close_gate(bob.id).await.unwrap();
        parted(&mut alice, &mut bob).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_stream_right_after_the_answer_is_accepted() {
    let mut alice = Node::start(1, TCP).await;
    for _ in 0..200 {
        // A foreign member tries once, as soon as it has the answer.
        let mut carol = Foreign::connect(3, &alice.addresses[0]).await;
        let (_, ()) = tokio::join!(alice.answer(true, b"welcome"), patiently("an answer", carol.shake_hands()));
        let _stream = patiently("a stream", carol.open(SYNC)).await.unwrap();
        let _ = alice.stream_opened(id_of(3), StreamKind::Sync).await;
        alice.net.close_gate(id_of(3)).await.unwrap();
        alice.disconnected(id_of(3)).await;
    }
}

#[tokio::test]
async fn a_member_is_told_of_the_members_protocols() {
    let mut alice = Node::start(1, TCP).await;
    let mut carol = Foreign::connect(3, &alice.addresses[0]).await;
    let sees = |names: &[String], protocol: &StreamProtocol| names.iter().any(|name| name == protocol.as_ref());
    let before = carol.told(|names| !names.is_empty()).await;
    assert!(!MEMBERS.iter().any(|protocol| sees(&before, protocol)), "{before:?}");
    tokio::join!(alice.answer(true, b"welcome"), patiently("an answer", carol.shake_hands()));
    carol.told(|names| MEMBERS.iter().all(|protocol| sees(names, protocol))).await;
}

#[tokio::test]
async fn a_quiet_member_stays_when_a_strangers_time_is_up() {
    let mut settings = config(1, TCP);
    settings.stranger_deadline = Duration::from_millis(200);
    let mut alice = Node::with(1, settings).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut bob, &mut alice).await;
    let _eve = Foreign::connect(9, &alice.addresses[0]).await;
    alice.disconnected(id_of(9)).await;
    // Beyond the idle timeout too, which is a second above the deadline.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let _stream = stream_between(&mut bob, &mut alice).await;
    while let Ok(event) = bob.events.try_recv() {
        assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn a_stream_opened_before_the_other_gate_waits_for_it() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    alice.net.dial(bob.id, bob.addresses.clone()).await.unwrap();
    met(&mut alice, &mut bob).await;
    alice.net.open_gate(bob.id).await.unwrap();
    let opened = {
        let net = alice.net.clone();
        let to = bob.id;
        tokio::spawn(async move { net.open_stream(to, StreamKind::Sync).await })
    };
    // Identify shows that the connection works while the first attempts are refused.
    bob.wait("identify", |event| matches!(event, Event::Identified { .. }).then_some(())).await;
    bob.net.open_gate(alice.id).await.unwrap();
    let _theirs = bob.stream_opened(alice.id, StreamKind::Sync).await;
    patiently("the stream", opened).await.unwrap().unwrap();
}

#[tokio::test]
async fn commands_work_while_nobody_reads_events() {
    let mut settings = config(1, TCP);
    settings.event_capacity = 1;
    let mut alice = Node::with(1, settings).await;
    let mut others = Vec::new();
    for seed in 2..8 {
        others.push(Node::start(seed, TCP).await);
    }
    for bob in &mut others {
        // Alice's channel is full from here on, and she asks nevertheless.
        let asked = alice.net.request(bob.id, Protocol::Handshake, bob.addresses.clone(), vec![1]);
        let (answer, _) = tokio::join!(patiently("an answer", asked), bob.answer(true, b"yes"));
        assert_eq!(answer.unwrap(), b"yes");
        alice.net.open_gate(bob.id).await.unwrap();
        let opened = alice.net.open_stream(bob.id, StreamKind::Sync);
        let (ours, _theirs) =
            tokio::join!(patiently("a stream", opened), bob.stream_opened(alice.id, StreamKind::Sync));
        ours.unwrap();
    }
    for bob in &others {
        alice.connected(bob.id).await;
    }
}

#[tokio::test]
async fn a_stopped_network_says_so_and_frees_its_port() {
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut alice, &mut bob).await;
    alice.net.shutdown().await;
    alice.net.shutdown().await;
    assert_eq!(alice.net.dial(bob.id, bob.addresses.clone()).await, Err(Error::Stopped));
    bob.disconnected(alice.id).await;
    let mut settings = config(3, TCP);
    settings.listen = alice.addresses.clone();
    let again = Node::with(3, settings).await;
    assert_eq!(again.addresses, alice.addresses);
}
