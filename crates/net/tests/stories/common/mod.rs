//! Nodes on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod foreign;
pub(crate) mod rogue;
pub(crate) mod table;

use std::future::Future;
use std::time::Duration;

use antiphon_core::ids::NodeId;
use antiphon_net::{Config, Event, MemberStream, Multiaddr, NetHandle, Protocol, RequestBytes, StreamKind};
use libp2p::identity::Keypair;
use tokio::sync::mpsc;

/// How long a test may hang before it fails; nothing depends on how fast things are.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

pub(crate) const KINDS: [StreamKind; 4] =
    [StreamKind::Sync, StreamKind::Outbox, StreamKind::Blocks, StreamKind::Replication];

pub(crate) async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} never happened"))
}

pub(crate) fn key_of(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

pub(crate) fn id_of(seed: u8) -> NodeId {
    NodeId::from_peer_id_bytes(&key_of(seed).public().to_peer_id().to_bytes()).unwrap()
}

pub(crate) fn config(seed: u8, listen: &str) -> Config {
    let mut config = Config::new([seed; 32].into(), "antiphon/test");
    config.listen = vec![listen.parse().unwrap()];
    config
}

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) net: NetHandle,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) addresses: Vec<Multiaddr>,
}

impl Node {
    pub(crate) async fn start(seed: u8, listen: &str) -> Self {
        Self::with(seed, config(seed, listen)).await
    }

    pub(crate) async fn with(seed: u8, config: Config) -> Self {
        let (net, events, run) = antiphon_net::new(config).unwrap();
        tokio::spawn(run);
        let mut node = Self { id: id_of(seed), net, events, addresses: Vec::new() };
        let address = node.wait("listening", |event| match event {
            Event::Listening(address) => Some(address),
            _ => None,
        });
        node.addresses = vec![address.await];
        assert_eq!(node.net.listen_addresses().await.unwrap(), node.addresses);
        node
    }

    /// The first event that `pick` takes; the others are dropped.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        patiently(what, async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        })
        .await
    }

    pub(crate) async fn connected(&mut self, who: NodeId) -> bool {
        self.wait("connected", |event| match event {
            Event::Connected { peer, outbound, .. } if peer == who => Some(outbound),
            _ => None,
        })
        .await
    }

    pub(crate) async fn disconnected(&mut self, who: NodeId) {
        self.wait("disconnected", |event| matches!(event, Event::Disconnected { peer } if peer == who).then_some(()))
            .await;
    }

    pub(crate) async fn stream_opened(&mut self, who: NodeId, what: StreamKind) -> MemberStream {
        self.wait("a stream", |event| match event {
            Event::StreamOpened { peer, kind, stream } if peer == who => {
                assert_eq!(kind, what);
                Some(stream)
            }
            _ => None,
        })
        .await
    }

    /// Answers the next request with `answer`, after opening the gate if `let_in`.
    pub(crate) async fn answer(&mut self, let_in: bool, answer: &[u8]) -> Vec<u8> {
        let (peer, bytes, responder) = self
            .wait("a request", |event| match event {
                Event::Request { peer, bytes: RequestBytes(bytes), responder, .. } => Some((peer, bytes, responder)),
                _ => None,
            })
            .await;
        if let_in {
            self.net.open_gate(peer).await.unwrap();
        }
        responder.respond(answer.to_vec()).await.unwrap();
        bytes
    }
}

/// `a` asks, `b` lets it in and answers, `a` lets it in.
pub(crate) async fn befriend(a: &mut Node, b: &mut Node) {
    let asked = a.net.request(b.id, Protocol::Handshake, b.addresses.clone(), b"who are you".to_vec());
    let (answer, request) = tokio::join!(patiently("an answer", asked), b.answer(true, b"a friend"));
    assert_eq!(answer.unwrap(), b"a friend");
    assert_eq!(request, b"who are you");
    a.net.open_gate(b.id).await.unwrap();
}

/// A sync stream that `a` opened, from both ends.
pub(crate) async fn stream_between(a: &mut Node, b: &mut Node) -> (MemberStream, MemberStream) {
    stream_of(StreamKind::Sync, a, b).await
}

/// A stream that `a` opened, from both ends.
pub(crate) async fn stream_of(kind: StreamKind, a: &mut Node, b: &mut Node) -> (MemberStream, MemberStream) {
    let opened = a.net.open_stream(b.id, kind);
    let (ours, theirs) = tokio::join!(patiently("open_stream", opened), b.stream_opened(a.id, kind));
    (ours.unwrap(), theirs)
}

pub(crate) async fn met(a: &mut Node, b: &mut Node) {
    a.connected(b.id).await;
    b.connected(a.id).await;
}

pub(crate) async fn parted(a: &mut Node, b: &mut Node) {
    a.disconnected(b.id).await;
    b.disconnected(a.id).await;
}
