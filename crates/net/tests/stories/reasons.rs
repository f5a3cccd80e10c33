//! Why a peer cannot be reached, from real causes.

use std::time::Duration;

use crate::common::{Node, QUIC, TCP, config, id_of, patiently};
use antiphon_net::{Event, Multiaddr, NetworkReason, Protocol, RequestError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// What Bob is told when nobody but `address` may be Alice; by an answer and by an event.
async fn reason(address: Multiaddr) -> NetworkReason {
    let mut settings = config(2, TCP);
    settings.connect_timeout = Duration::from_millis(500);
    let mut bob = Node::with(2, settings).await;
    let alice = id_of(1);
    let asked = bob.net.request(alice, Protocol::Handshake, vec![address], vec![1]);
    let RequestError::Unreachable { peer, reason } = patiently("a failure", asked).await.unwrap_err() else {
        panic!("the peer was reached")
    };
    assert_eq!(peer, alice);
    let event = bob.wait("a failed dial", |event| match event {
        Event::DialFailed { peer, reason } => Some((peer, reason)),
        _ => None,
    });
    assert_eq!(event.await, (Some(alice), reason));
    reason
}

async fn listener() -> (TcpListener, Multiaddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap())
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let (listener, address) = listener().await;
    drop(listener);
    assert_eq!(reason(address).await, NetworkReason::Refused);
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let (_listener, address) = listener().await;
    assert_eq!(reason(address).await, NetworkReason::Timeout);
}

#[tokio::test]
async fn a_silent_quic_port_times_out() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    assert_eq!(reason(format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap()).await, NetworkReason::Timeout);
}

#[tokio::test]
async fn a_name_that_cannot_exist_does_not_resolve() {
    // RFC 6761: `.invalid` is known not to exist, nobody is asked.
    assert_eq!(reason("/dns4/alice.invalid/tcp/4001".parse().unwrap()).await, NetworkReason::Dns);
}

#[tokio::test]
async fn a_server_of_something_else_fails_the_handshake() {
    // Long enough for the first byte not to be taken for the length of something longer.
    let http = format!("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n{}", "no ".repeat(50));
    for banner in [http.into_bytes(), [0x15; 64].to_vec(), vec![0; 64], vec![255; 64]] {
        let text = format!("{banner:?}");
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(&banner).await.unwrap();
            // Stays until the other side has had enough.
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
        });
        assert_eq!(reason(address).await, NetworkReason::Tls, "{text}");
    }
}

#[tokio::test]
async fn another_key_than_expected_fails_the_handshake() {
    for listen in [TCP, QUIC] {
        let eve = Node::start(9, listen).await;
        assert_eq!(reason(eve.addresses[0].clone()).await, NetworkReason::Tls);
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_an_early_end() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        // Everything that has come is read first, or the close would be a reset.
        let mut seen = [0; 4096];
        while socket.read(&mut seen).await.unwrap() == 0 {}
        socket.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    });
    assert_eq!(reason(address).await, NetworkReason::Eof);
}

#[tokio::test]
async fn a_server_that_aborts_is_a_reset() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        // A close with unread bytes resets the connection.
        socket.readable().await.unwrap();
        drop(socket);
    });
    assert_eq!(reason(address).await, NetworkReason::Reset);
}

#[tokio::test]
async fn the_working_address_of_several_is_found() {
    let alice = Node::start(1, QUIC).await;
    let (closed, refused) = listener().await;
    drop(closed);
    let mut bob = Node::start(2, TCP).await;
    bob.net.dial(alice.id, vec![alice.addresses[0].clone(), refused]).await.unwrap();
    assert!(bob.connected(alice.id).await);
}
