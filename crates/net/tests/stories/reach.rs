//! Members that no address leads to.

use crate::common::{Node, QUIC, TCP, befriend, config, id_of, patiently, stream_between};
use antiphon_core::ids::NodeId;
use antiphon_net::{Config, Event, Multiaddr, NetHandle, NetworkReason, Protocol, ReachConfig, RequestError};

/// A node that listens nowhere: nobody can dial it.
fn hidden(seed: u8, hole_punching: bool) -> Node {
    let reach = ReachConfig { hole_punching, ..ReachConfig::default() };
    let (net, events, run) = antiphon_net::new(Config { listen: Vec::new(), reach, ..config(seed, TCP) }).unwrap();
    tokio::spawn(run);
    Node { id: id_of(seed), net, events, addresses: Vec::new() }
}

async fn relay(seed: u8) -> Node {
    let reach = ReachConfig { relay: true, ..ReachConfig::default() };
    Node::with(seed, Config { reach, ..config(seed, TCP) }).await
}

/// The address through the relay at which a node can be reached.
async fn reachable(node: &mut Node) -> Multiaddr {
    node.wait("reachable through a relay", |event| match event {
        Event::Reachable(address) if address.to_string().ends_with("/p2p-circuit") => Some(address),
        _ => None,
    })
    .await
}

fn to(address: &Multiaddr, node: NodeId) -> Multiaddr {
    format!("{address}/p2p/{node}").parse().unwrap()
}

#[tokio::test]
async fn two_that_nobody_can_dial_meet_through_a_member_that_relays() {
    let mut rita = relay(7).await;
    let (mut alice, mut bob) = (hidden(1, false), hidden(2, false));
    befriend(&mut alice, &mut rita).await;
    befriend(&mut bob, &mut rita).await;
    let circuit = reachable(&mut bob).await;
    assert!(circuit.to_string().contains(&rita.id.to_string()), "{circuit}");
    bob.addresses = vec![to(&circuit, bob.id)];
    befriend(&mut alice, &mut bob).await;
    let (ours, theirs) = stream_between(&mut alice, &mut bob).await;
    let ((_, mut out), (mut into, _)) = (ours.split(), theirs.split());
    let frames = 40;
    let send = async {
        for n in 0..frames {
            out.send(&vec![n; 64 * 1024]).await.unwrap();
        }
        out.close().await.unwrap();
    };
    let receive = async {
        for n in 0..frames {
            assert_eq!(into.next().await.unwrap().unwrap(), vec![n; 64 * 1024]);
        }
        assert_eq!(into.next().await.unwrap(), None);
    };
    patiently("more than a relay of strangers would carry", async { tokio::join!(send, receive) }).await;
    rita.net.shutdown().await;
    alice.disconnected(bob.id).await;
}

#[tokio::test]
async fn who_is_no_member_of_the_relay_gets_nothing_from_it() {
    let mut rita = relay(7).await;
    let (mut bob, eve) = (hidden(2, false), hidden(9, false));
    befriend(&mut bob, &mut rita).await;
    let circuit = reachable(&mut bob).await;
    let ask = |net: NetHandle, address| async move {
        net.request(id_of(2), Protocol::Handshake, vec![address], b"let me in".to_vec()).await
    };
    let refused = patiently("a refusal", ask(eve.net.clone(), to(&circuit, bob.id))).await;
    assert!(refused.is_err(), "eve was carried to bob");
    assert!(bob.events.try_recv().is_err(), "bob did not even hear of it");
}

#[tokio::test]
async fn a_relay_that_knows_no_way_to_a_member_is_a_member_that_does_not_answer() {
    let mut rita = relay(7).await;
    let (mut alice, mut bob) = (hidden(1, false), hidden(2, false));
    befriend(&mut alice, &mut rita).await;
    befriend(&mut bob, &mut rita).await;
    let carol = id_of(3);
    let way = to(&reachable(&mut bob).await, carol);
    let asked = alice.net.request(carol, Protocol::Handshake, vec![way], b"are you there".to_vec());
    let error = patiently("a refusal", asked).await.unwrap_err();
    assert_eq!(error, RequestError::Unreachable { peer: carol, reason: NetworkReason::Timeout });
}

#[tokio::test]
async fn whoever_met_through_a_relay_goes_on_without_it() {
    let mut rita = relay(7).await;
    let mut alice = Node::start(1, TCP).await;
    let mut bob = Node::start(2, TCP).await;
    befriend(&mut alice, &mut rita).await;
    befriend(&mut bob, &mut rita).await;
    let circuit = reachable(&mut bob).await;
    bob.addresses = vec![to(&circuit, bob.id)];
    befriend(&mut alice, &mut bob).await;
    let direct = |who| move |event| matches!(event, Event::Direct { peer } if peer == who).then_some(());
    // Where nobody stands between them, it is the one who dials that gets through.
    alice.wait("a direct connection", direct(bob.id)).await;
    rita.net.shutdown().await;
    let (ours, theirs) = stream_between(&mut alice, &mut bob).await;
    let ((_, mut out), (mut into, _)) = (ours.split(), theirs.split());
    out.send(b"directly").await.unwrap();
    assert_eq!(patiently("words", into.next()).await.unwrap().unwrap(), b"directly");
}

#[tokio::test]
async fn an_address_at_which_somebody_else_answers_is_passed_over() {
    let (mut alice, eve) = (Node::start(1, TCP).await, Node::start(9, TCP).await);
    // TCP goes before QUIC, so whoever has the first address answers before bob or carol is tried. Her own is among those
    // of everybody who listens at the same port of all addresses, as it is loopback that it names.
    for (seed, wrong) in [(2, eve.addresses[0].clone()), (3, alice.addresses[0].clone())] {
        let mut friend = Node::start(seed, QUIC).await;
        friend.addresses.insert(0, wrong);
        befriend(&mut alice, &mut friend).await;
    }
}
