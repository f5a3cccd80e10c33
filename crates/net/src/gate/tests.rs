//! The gate step by step, without a network.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use antiphon_core::dht::{Knowledge, Pointer, Realm, Standing};
use antiphon_core::ids::{NodeId, TeamId};
use futures::task::noop_waker;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::handler::UpgradeInfoSend;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol, identity};

use super::behaviour::{Event, Gate, Opening};
use super::handler::{Handler, In, Out};
use crate::config::{Config, Protocol, StreamKind};
use crate::dht::{DhtConfig, Law, Mode};
use crate::reach::Reach;
use crate::stream::Meters;
use crate::{streams, swarm};

type MembersHandler = THandler<streams::Behaviour>;
type Action = ToSwarm<Event<()>, In<MembersHandler>>;

/// Writes down what the members' behaviour is told, and has one thing to say to a handler.
#[derive(Default)]
struct Members {
    told: Vec<String>,
    say: Option<(PeerId, NotifyHandler, u64)>,
}

fn handler() -> MembersHandler {
    MembersHandler::new(StreamProtocol::new("/members/1"))
}

impl NetworkBehaviour for Members {
    type ConnectionHandler = MembersHandler;
    type ToSwarm = ();

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.told.push(format!("handler {id}"));
        Ok(handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.told.push(format!("handler {id}"));
        Ok(handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.told.push(match event {
            FromSwarm::ConnectionEstablished(e) => format!("up {} others {}", e.connection_id, e.other_established),
            FromSwarm::ConnectionClosed(e) => format!("down {} left {}", e.connection_id, e.remaining_established),
            FromSwarm::DialFailure(e) => format!("failed {} {:?}", e.connection_id, e.error),
            _ => "other".into(),
        });
    }

    fn on_connection_handler_event(&mut self, _: PeerId, id: ConnectionId, _: THandlerOutEvent<Self>) {
        self.told.push(format!("event {id}"));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<(), THandlerInEvent<Self>>> {
        match self.say.take() {
            Some((peer_id, handler, event)) => Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event }),
            None => Poll::Pending,
        }
    }
}

fn gate() -> Gate<Members> {
    Gate::new(Members::default(), Duration::from_secs(10), 2)
}

fn peer(seed: u8) -> PeerId {
    identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
}

fn id(id: usize) -> ConnectionId {
    ConnectionId::new_unchecked(id)
}

fn endpoint(dialled: bool) -> ConnectedPoint {
    let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    match dialled {
        true => ConnectedPoint::Dialer { address, role_override: Endpoint::Dialer, port_use: PortUse::New },
        false => ConnectedPoint::Listener { local_addr: address.clone(), send_back_addr: address },
    }
}

fn connect(gate: &mut Gate<Members>, peer: PeerId, number: usize, dialled: bool) {
    gate.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: peer,
        connection_id: id(number),
        endpoint: &endpoint(dialled),
        failed_addresses: &[],
        other_established: 0,
    }));
}

fn disconnect(gate: &mut Gate<Members>, peer: PeerId, number: usize, dialled: bool, remaining: usize) {
    gate.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
        peer_id: peer,
        connection_id: id(number),
        endpoint: &endpoint(dialled),
        cause: None,
        remaining_established: remaining,
    }));
}

/// Everything the gate wants now.
fn actions(gate: &mut Gate<Members>) -> Vec<Action> {
    let waker = noop_waker();
    let mut context = Context::from_waker(&waker);
    std::iter::from_fn(|| match gate.poll(&mut context) {
        Poll::Ready(action) => Some(action),
        Poll::Pending => None,
    })
    .collect()
}

/// In short: `open 1`, `close 1`, `say 1`, `end 1`, `end all`, `opened`.
fn wants(gate: &mut Gate<Members>) -> Vec<String> {
    let short = |action| match action {
        ToSwarm::GenerateEvent(Event::Opened(_)) => "opened".into(),
        ToSwarm::NotifyHandler { handler: NotifyHandler::One(id), event, .. } => match event {
            In::Open { .. } => format!("open {id}"),
            In::Close => format!("close {id}"),
            In::Inner { .. } => format!("say {id}"),
        },
        ToSwarm::CloseConnection { connection: CloseConnection::One(id), .. } => format!("end {id}"),
        ToSwarm::CloseConnection { connection: CloseConnection::All, .. } => "end all".into(),
        _ => "other".into(),
    };
    actions(gate).into_iter().map(short).collect()
}

fn told(gate: &mut Gate<Members>) -> Vec<String> {
    std::mem::take(&mut gate.inner_mut().told)
}

/// The epochs in which connections were opened, the latest last.
fn acknowledge(gate: &mut Gate<Members>, peer: PeerId, number: usize, epoch: u64) {
    gate.on_connection_handler_event(peer, id(number), Out::Opened(epoch));
}

#[tokio::test]
async fn an_open_gate_is_open_when_the_connection_says_so() {
    let (mut gate, bob) = (gate(), peer(2));
    assert_eq!(gate.open(bob), Opening::NotConnected);
    connect(&mut gate, bob, 1, false);
    assert_eq!(told(&mut gate), Vec::<String>::new());
    assert_eq!(gate.open(bob), Opening::Pending);
    assert_eq!(told(&mut gate), ["handler 1", "up 1 others 0"]);
    assert_eq!(wants(&mut gate), ["open 1"]);
    assert_eq!(gate.open(bob), Opening::Pending);
    assert_eq!(wants(&mut gate), Vec::<String>::new());
    acknowledge(&mut gate, bob, 1, 1);
    assert_eq!(wants(&mut gate), ["opened"]);
    assert_eq!(gate.open(bob), Opening::Done);
}

#[tokio::test]
async fn a_second_connection_of_a_member_opens_by_itself() {
    let (mut gate, bob) = (gate(), peer(2));
    connect(&mut gate, bob, 1, false);
    assert_eq!(gate.open(bob), Opening::Pending);
    connect(&mut gate, bob, 2, true);
    assert_eq!(told(&mut gate), ["handler 1", "up 1 others 0", "handler 2", "up 2 others 1"]);
    assert_eq!(wants(&mut gate), ["open 1", "open 2"]);
    // Both must have acknowledged, or those that have not must be gone.
    acknowledge(&mut gate, bob, 2, 2);
    assert_eq!(wants(&mut gate), Vec::<String>::new());
    disconnect(&mut gate, bob, 1, false, 1);
    assert_eq!(told(&mut gate), ["down 1 left 1"]);
    assert_eq!(wants(&mut gate), ["opened"]);
    // With the last connection the peer is out.
    disconnect(&mut gate, bob, 2, true, 0);
    assert_eq!(told(&mut gate), ["down 2 left 0"]);
    assert!(!gate.is_open(&bob));
    connect(&mut gate, bob, 3, false);
    assert_eq!(told(&mut gate), Vec::<String>::new());
}

#[tokio::test]
async fn closing_reaches_everybody_once() {
    let (mut gate, eve) = (gate(), peer(9));
    connect(&mut gate, eve, 1, false);
    connect(&mut gate, eve, 2, true);
    assert_eq!(gate.open(eve), Opening::Pending);
    let _ = (told(&mut gate), wants(&mut gate));
    gate.close(eve);
    assert_eq!(told(&mut gate), ["down 1 left 1", "down 2 left 0"]);
    assert_eq!(wants(&mut gate), ["close 1", "close 2", "end all"]);
    // What is still under way from the handlers reaches nobody, and the dying connections do not open again.
    acknowledge(&mut gate, eve, 1, 1);
    assert_eq!(gate.open(eve), Opening::NotConnected);
    disconnect(&mut gate, eve, 1, false, 1);
    disconnect(&mut gate, eve, 2, true, 0);
    assert_eq!(told(&mut gate), Vec::<String>::new());
    assert_eq!(wants(&mut gate), Vec::<String>::new());
}

#[tokio::test]
async fn members_hear_of_a_dial_that_led_nowhere() {
    let (mut gate, eve) = (gate(), peer(9));
    connect(&mut gate, eve, 1, true);
    connect(&mut gate, eve, 2, false);
    disconnect(&mut gate, eve, 1, true, 1);
    disconnect(&mut gate, eve, 2, false, 0);
    assert_eq!(told(&mut gate), ["failed 1 Aborted"]);
}

#[tokio::test]
async fn what_members_say_goes_to_open_connections_only() {
    let (mut gate, bob, eve) = (gate(), peer(2), peer(9));
    connect(&mut gate, bob, 1, false);
    connect(&mut gate, bob, 2, false);
    connect(&mut gate, eve, 3, false);
    let _ = gate.open(bob);
    let _ = wants(&mut gate);
    let mut say = |peer, handler| {
        gate.inner_mut().say = Some((peer, handler, 7));
        wants(&mut gate)
    };
    assert_eq!(say(bob, NotifyHandler::One(id(1))), ["say 1"]);
    assert_eq!(say(bob, NotifyHandler::Any), ["say 2"]);
    assert_eq!(say(eve, NotifyHandler::One(id(3))), Vec::<String>::new());
    assert_eq!(say(eve, NotifyHandler::Any), Vec::<String>::new());
}

#[tokio::test]
async fn strangers_go_at_the_deadline_and_members_stay() {
    let mut gate = Gate::new(Members::default(), Duration::from_millis(100), 2);
    for (seed, number) in [(2, 1), (8, 2), (9, 3)] {
        connect(&mut gate, peer(seed), number, true);
    }
    assert_eq!(gate.open(peer(2)), Opening::Pending);
    assert_eq!(wants(&mut gate), ["open 1"]);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(wants(&mut gate), ["end 2", "end 3"]);
    assert!(gate.is_open(&peer(2)));
}

#[tokio::test]
async fn the_oldest_stranger_makes_room_but_not_one_we_dialled() {
    let mut gate = gate();
    connect(&mut gate, peer(2), 1, true);
    for (seed, number) in [(7, 2), (8, 3), (9, 4)] {
        connect(&mut gate, peer(seed), number, false);
    }
    assert_eq!(wants(&mut gate), ["end 2"]);
}

fn offers<H: ConnectionHandler>(handler: &Handler<H>) -> Vec<String> {
    let (upgrade, _) = handler.listen_protocol().into_upgrade();
    UpgradeInfoSend::protocol_info(&upgrade).map(|name| AsRef::<str>::as_ref(&name).to_owned()).collect()
}

fn poll(handler: &mut Handler<MembersHandler>) -> Option<u64> {
    let waker = noop_waker();
    match handler.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Out::Opened(epoch))) => Some(epoch),
        _ => None,
    }
}

#[test]
fn a_connection_offers_before_it_acknowledges_and_nothing_once_closed() {
    let mut connection = Handler::closed();
    assert_eq!(offers(&connection), Vec::<String>::new());
    assert!(!connection.connection_keep_alive());
    connection.on_behaviour_event(In::Open { epoch: 5, handler: Box::new(handler()) });
    assert_eq!(offers(&connection), ["/members/1"]);
    assert!(connection.connection_keep_alive());
    assert_eq!(poll(&mut connection), Some(5));
    assert_eq!(poll(&mut connection), None);
    connection.on_behaviour_event(In::Close);
    assert_eq!(offers(&connection), Vec::<String>::new());
    assert!(!connection.connection_keep_alive());
}

struct Nothing;

impl Knowledge for Nothing {
    fn is_member(&self, _: &NodeId) -> bool {
        false
    }

    fn standing(&self, _: &Pointer, _: u64) -> Standing {
        Standing::Unknown
    }
}

#[test]
fn all_that_members_speak_is_behind_the_gate() {
    let mut config = Config::new([1; 32].into(), "antiphon/test");
    let realm = Realm::of_team(TeamId([9; 32]));
    let mut table = DhtConfig::new(realm.prefix.clone(), Arc::new(Law { realm: realm.clone(), knowledge: Nothing }));
    table.mode = Mode::Server;
    config.dht = Some(table);
    let key = identity::Keypair::ed25519_from_bytes([1; 32]).unwrap();
    let local = key.public().to_peer_id();
    let reach = Reach::new(&config.reach, &key, libp2p::relay::client::new(local).1);
    let mut members = swarm::Members::new(&config, local, &Meters::default(), reach);
    let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    let inner = members.handle_established_inbound_connection(id(1), peer(2), &address, &address).unwrap();
    let mut connection = Handler::closed();
    assert_eq!(offers(&connection), Vec::<String>::new());
    connection.on_behaviour_event(In::Open { epoch: 5, handler: Box::new(inner) });
    let table = realm.prefix.protocol();
    let streams =
        [StreamKind::Sync, StreamKind::Outbox, StreamKind::Blocks, StreamKind::Replication].map(StreamKind::name);
    let mut all = [&streams[..], &[Protocol::Backup.name(), Protocol::Query.name(), &table]].concat();
    let mut offered = offers(&connection);
    // What makes a node reachable has names of its own.
    offered.retain(|name| name.starts_with("/antiphon/"));
    all.sort_unstable();
    offered.sort_unstable();
    assert_eq!(offered, all);
    connection.on_behaviour_event(In::Close);
    assert_eq!(offers(&connection), Vec::<String>::new());
}

#[test]
fn an_earlier_openings_event_does_not_reach_the_next() {
    let mut connection = Handler::closed();
    connection.on_behaviour_event(In::Open { epoch: 5, handler: Box::new(handler()) });
    connection.on_behaviour_event(In::Close);
    connection.on_behaviour_event(In::Open { epoch: 6, handler: Box::new(handler()) });
    assert_eq!(poll(&mut connection), Some(6));
    let waker = noop_waker();
    let mut context = Context::from_waker(&waker);
    connection.on_behaviour_event(In::Inner { epoch: 5, event: 1 });
    assert!(connection.poll(&mut context).is_pending());
    connection.on_behaviour_event(In::Inner { epoch: 6, event: 1 });
    assert!(connection.poll(&mut context).is_ready());
}
