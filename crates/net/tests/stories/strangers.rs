//! What a stranger can and cannot do.

use std::time::Duration;

use crate::common::foreign::{Foreign, HANDSHAKE, MEMBERS};
use crate::common::{KINDS, Node, QUIC, TCP, befriend, config, id_of, patiently, stream_between};
use antiphon_net::{
    BuildError, Error, Event, HANDSHAKE_BYTES_MAX, JOIN_RESPONSE_BYTES_MAX, NetworkReason, Protocol, RequestError,
};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p_stream::OpenStreamError;

#[tokio::test]
async fn strangers_can_shake_hands_and_join() {
    for (protocol, listen) in [(Protocol::Handshake, TCP), (Protocol::Join, QUIC)] {
        let mut alice = Node::start(1, listen).await;
        let bob = Node::start(2, listen).await;
        let big = vec![7; protocol.response_bytes_max()];
        let question = vec![5; protocol.request_bytes_max()];
        let asked = bob.net.request(alice.id, protocol, alice.addresses.clone(), question.clone());
        let (answer, seen) = tokio::join!(patiently("an answer", asked), alice.answer(false, &big));
        assert_eq!(answer.unwrap(), big);
        assert_eq!(seen, question);
    }
}

#[tokio::test]
async fn a_stranger_sees_no_members_protocol() {
    let alice = Node::start(1, TCP).await;
    let mut eve = Foreign::connect(9, &alice.addresses[0]).await;
    let names = eve.told(|names| !names.is_empty()).await;
    for offered in ["/antiphon/handshake/1", "/antiphon/join/1", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"] {
        assert!(names.contains(&offered.to_owned()), "{names:?}");
    }
    // Nothing else but identify's push.
    assert_eq!(names.len(), 5, "{names:?}");
    for protocol in MEMBERS {
        let opened = patiently("a refusal", eve.open(protocol)).await;
        assert!(matches!(opened, Err(OpenStreamError::UnsupportedProtocol(_))), "{opened:?}");
    }
}

#[tokio::test]
async fn nobody_opens_a_stream_through_a_closed_gate() {
    let mut alice = Node::start(1, TCP).await;
    let mut settings = config(2, TCP);
    settings.open_stream_timeout = Duration::from_millis(300);
    let mut bob = Node::with(2, settings).await;
    for kind in KINDS {
        let refused = bob.net.open_stream(alice.id, kind).await.unwrap_err();
        assert_eq!(refused, Error::NotConnected { peer: alice.id });
    }
    assert_eq!(bob.net.open_gate(alice.id).await.unwrap_err(), Error::NotConnected { peer: alice.id });
    bob.net.dial(alice.id, alice.addresses.clone()).await.unwrap();
    assert!(bob.connected(alice.id).await);
    assert!(!alice.connected(bob.id).await);
    for kind in KINDS {
        assert_eq!(bob.net.open_stream(alice.id, kind).await.unwrap_err(), Error::NotOpen { peer: alice.id });
    }
    // Bob lets Alice in, but she does not let him in.
    bob.net.open_gate(alice.id).await.unwrap();
    for kind in KINDS {
        assert_eq!(bob.net.open_stream(alice.id, kind).await.unwrap_err(), Error::NotOffered { peer: alice.id, kind });
    }
}

#[tokio::test]
async fn a_stranger_is_disconnected_at_the_deadline_however_busy() {
    let mut settings = config(1, TCP);
    settings.stranger_deadline = Duration::from_millis(300);
    let mut alice = Node::with(1, settings).await;
    let eve = Node::start(9, TCP).await;
    let (to, addresses, net) = (alice.id, alice.addresses.clone(), eve.net.clone());
    net.dial(to, addresses).await.unwrap();
    let chatter = tokio::spawn(async move {
        // Without addresses this does not connect again.
        while net.request(to, Protocol::Handshake, Vec::new(), vec![1]).await
            != Err(RequestError::NoAddress { peer: to })
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut answered = 0;
    loop {
        match patiently("the end", alice.events.recv()).await.unwrap() {
            Event::Request { responder, .. } => answered += usize::from(responder.respond(vec![2]).await.is_ok()),
            Event::Disconnected { peer } if peer == eve.id => break,
            _ => {}
        }
    }
    assert!(answered > 0);
    patiently("eve's end", chatter).await.unwrap();
}

#[tokio::test]
async fn oversized_and_broken_requests_do_no_harm() {
    let mut alice = Node::start(1, TCP).await;
    let bob = Node::start(2, TCP).await;
    let too_much = vec![0; HANDSHAKE_BYTES_MAX + 1];
    let refused = bob.net.request(alice.id, Protocol::Handshake, alice.addresses.clone(), too_much.clone()).await;
    let expected = RequestError::TooLarge { got: HANDSHAKE_BYTES_MAX + 1, max: HANDSHAKE_BYTES_MAX };
    assert_eq!(refused.unwrap_err(), expected);

    let mut eve = Foreign::connect(9, &alice.addresses[0]).await;
    let length = u32::try_from(too_much.len()).unwrap().to_be_bytes();
    for message in [&[&length[..], &too_much].concat()[..], &[255; 64], &[0, 0, 1, 0, 42], &[0], &[]] {
        let mut stream = patiently("a stream", eve.open(HANDSHAKE)).await.unwrap();
        // She may be cut off while she is still writing.
        let _ = stream.write_all(message).await;
        let _ = stream.close().await;
        let mut answer = Vec::new();
        let _ = patiently("the end", stream.read_to_end(&mut answer)).await;
        assert_eq!(answer, Vec::<u8>::new());
    }

    // The first request that Alice gets to see is Bob's.
    let asked = bob.net.request(alice.id, Protocol::Handshake, alice.addresses.clone(), b"hello".to_vec());
    let (answer, seen) = tokio::join!(patiently("an answer", asked), alice.answer(false, b"hello yourself"));
    assert_eq!(answer.unwrap(), b"hello yourself");
    assert_eq!(seen, b"hello");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_sent() {
    let mut alice = Node::start(1, TCP).await;
    let bob = Node::start(2, TCP).await;
    let asked = bob.net.request(alice.id, Protocol::Join, alice.addresses.clone(), vec![1]);
    let refuse = async {
        let responder = alice.wait("a request", |event| match event {
            Event::Request { responder, .. } => Some(responder),
            _ => None,
        });
        let too_much = vec![0; JOIN_RESPONSE_BYTES_MAX + 1];
        let refused = responder.await.respond(too_much).await.unwrap_err();
        assert_eq!(refused, Error::TooLarge { got: JOIN_RESPONSE_BYTES_MAX + 1, max: JOIN_RESPONSE_BYTES_MAX });
    };
    let (answer, ()) = tokio::join!(patiently("a failure", asked), refuse);
    assert_eq!(answer.unwrap_err(), RequestError::Failed { peer: alice.id, reason: NetworkReason::Eof });
}

#[tokio::test]
async fn a_request_without_an_address_fails_at_once() {
    let bob = Node::start(2, TCP).await;
    let peer = id_of(1);
    let refused = bob.net.request(peer, Protocol::Handshake, Vec::new(), vec![1]).await.unwrap_err();
    assert_eq!(refused, RequestError::NoAddress { peer });
}

#[tokio::test]
async fn too_many_strangers_push_out_the_oldest() {
    let mut settings = config(1, TCP);
    settings.strangers_max = 3;
    let mut alice = Node::with(1, settings).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut bob, &mut alice).await;
    let mut strangers = Vec::new();
    for seed in 10..14 {
        strangers.push(Foreign::connect(seed, &alice.addresses[0]).await);
        alice.connected(id_of(seed)).await;
    }
    alice.disconnected(id_of(10)).await;
    // Whom she has let in stays, and so does a newcomer.
    let _stream = stream_between(&mut bob, &mut alice).await;
    strangers[3].told(|names| !names.is_empty()).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    for listen in [TCP, QUIC] {
        let alice = Node::start(1, listen).await;
        let mut settings = config(2, listen);
        settings.listen = alice.addresses.clone();
        let Err(BuildError::Listen { address, .. }) = antiphon_net::new(settings) else {
            panic!("two nodes listen on {:?}", alice.addresses)
        };
        assert_eq!(address, alice.addresses[0]);
    }
}

#[tokio::test]
async fn a_flood_of_requests_is_held_back_and_others_are_served() {
    let mut settings = config(1, TCP);
    settings.event_capacity = 2;
    let mut alice = Node::with(1, settings).await;
    let eve = Node::start(9, TCP).await;
    let flood: Vec<_> = (0..4)
        .map(|_| {
            let (net, to, addresses) = (eve.net.clone(), alice.id, alice.addresses.clone());
            tokio::spawn(async move {
                loop {
                    // Refused or answered, she asks again.
                    let _ = net.request(to, Protocol::Handshake, addresses.clone(), vec![0; 100_000]).await;
                }
            })
        })
        .collect();
    // Alice is busy with something else, and what comes must wait.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let bob = Node::start(2, TCP).await;
    let asked = bob.net.request(alice.id, Protocol::Handshake, alice.addresses.clone(), b"hello".to_vec());
    let serve = async {
        loop {
            if alice.answer(false, b"hello yourself").await == b"hello" {
                break;
            }
        }
    };
    let (answer, ()) = tokio::join!(patiently("an answer", asked), patiently("bob's turn", serve));
    assert_eq!(answer.unwrap(), b"hello yourself");
    for task in flood {
        task.abort();
    }
}

#[tokio::test]
async fn members_requests_are_for_members_on_both_sides() {
    for protocol in [Protocol::Backup, Protocol::Query] {
        let mut alice = Node::start(1, TCP).await;
        let mut bob = Node::start(2, TCP).await;
        // Neither before there is a connection, nor on one that is a stranger's.
        let nobody = bob.net.request(alice.id, protocol, Vec::new(), vec![1]).await;
        assert_eq!(nobody.unwrap_err(), RequestError::NoAddress { peer: alice.id });
        let dialled = bob.net.request(alice.id, protocol, alice.addresses.clone(), vec![1]).await;
        assert_eq!(dialled.unwrap_err(), RequestError::NotOpen { peer: alice.id });
        // Letting alice in does not let bob in.
        bob.net.open_gate(alice.id).await.unwrap();
        let refused = patiently("a refusal", bob.net.request(alice.id, protocol, Vec::new(), vec![1])).await;
        assert_eq!(refused.unwrap_err(), RequestError::Unsupported { peer: alice.id, protocol });

        alice.net.open_gate(bob.id).await.unwrap();
        let (question, most) = (vec![7; protocol.request_bytes_max()], vec![5; protocol.response_bytes_max()]);
        let asked = bob.net.request(alice.id, protocol, Vec::new(), question.clone());
        let (answer, seen) = tokio::join!(patiently("an answer", asked), alice.answer(false, &most));
        assert!(answer.unwrap() == most && seen == question);
        let asked = alice.net.request(bob.id, protocol, Vec::new(), b"mine?".to_vec());
        let (answer, seen) = tokio::join!(patiently("an answer", asked), bob.answer(false, b"yours"));
        assert_eq!((answer.unwrap().as_slice(), seen.as_slice()), (b"yours".as_slice(), b"mine?".as_slice()));
        alice.net.close_gate(bob.id).await.unwrap();
        bob.disconnected(alice.id).await;
        let gone = bob.net.request(alice.id, protocol, Vec::new(), vec![1]).await;
        assert_eq!(gone.unwrap_err(), RequestError::NoAddress { peer: alice.id });
    }
}
