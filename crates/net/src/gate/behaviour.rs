//! The gate over all connections.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use antiphon_core::ids::NodeId;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{AddressChange, ConnectionClosed, ConnectionEstablished, DialFailure};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionId, DialError, FromSwarm, NetworkBehaviour,
    NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::time::{Instant, Sleep};

use super::handler::{Epoch, Handler, In, Out};
use crate::turned_away::{Tally, TurnedAway};

/// Most addresses at which somebody claims to see us that are told to the members' behaviour.
const CANDIDATES_MAX: usize = 64;

/// What the gate reports.
#[derive(Debug)]
pub(crate) enum Event<E> {
    /// From the members' behaviour.
    Inner(E),
    /// All connections of the peer have acknowledged that they are open.
    Opened(PeerId),
}

/// What became of a request to let a peer in.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// There is no connection to open.
    NotConnected,
    /// [`Event::Opened`] will tell when it is done.
    Pending,
    /// It was open already.
    Done,
}

/// How far one connection is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it was made.
    Fresh,
    /// Let in; the handler has or has not acknowledged.
    Open { epoch: Epoch, acknowledged: bool },
    /// Let in once and out again; the connection is about to end.
    Shut,
}

struct Connection {
    peer: PeerId,
    endpoint: ConnectedPoint,
    state: State,
}

impl Connection {
    fn epoch(&self) -> Option<Epoch> {
        match self.state {
            State::Open { epoch, .. } => Some(epoch),
            State::Fresh | State::Shut => None,
        }
    }
}

/// The first addresses at which somebody claims to see us. The members' behaviours keep what they are told for good.
#[derive(Default)]
struct Candidates(BTreeSet<Multiaddr>);

impl Candidates {
    /// Whether this one is told on.
    fn take(&mut self, address: &Multiaddr) -> bool {
        // Who sees us through a relay sees no address at all.
        if !matches!(address.iter().next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_))) {
            return false;
        }
        if self.0.len() >= CANDIDATES_MAX && !self.0.contains(address) {
            return false;
        }
        self.0.insert(address.clone());
        true
    }
}

type Action<B> = ToSwarm<Event<<B as NetworkBehaviour>::ToSwarm>, In<THandler<B>>>;

/// Hides the behaviour `B` from everybody who has not been let in.
pub(crate) struct Gate<B: NetworkBehaviour> {
    inner: B,
    /// Every established connection.
    connections: HashMap<ConnectionId, Connection>,
    /// The peers that are let in; each has a connection.
    members: BTreeSet<PeerId>,
    last_epoch: Epoch,
    /// How long a connection may stay without being let in.
    deadline: Duration,
    /// Most inbound connections that are not let in.
    strangers_max: usize,
    /// When which connection must have been let in; in order, since all have the same time.
    deadlines: VecDeque<(Instant, PeerId, ConnectionId)>,
    /// Wakes the swarm at the first deadline.
    alarm: Option<Pin<Box<Sleep>>>,
    /// What the swarm is still to do, in order.
    actions: VecDeque<Action<B>>,
    /// Addresses at which somebody claims to see us.
    candidates: Candidates,
    /// Where it is counted whose connection was ended.
    tally: Arc<Tally>,
}

impl<B: NetworkBehaviour> Gate<B> {
    pub(crate) fn new(inner: B, deadline: Duration, strangers_max: usize) -> Self {
        Self {
            inner,
            connections: HashMap::new(),
            members: BTreeSet::new(),
            last_epoch: 0,
            deadline,
            strangers_max,
            deadlines: VecDeque::new(),
            alarm: None,
            actions: VecDeque::new(),
            candidates: Candidates::default(),
            tally: Arc::default(),
        }
    }

    /// Counts there whose connection is ended.
    pub(crate) fn counting(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// The members' behaviour.
    pub(crate) fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Whether the peer is let in.
    pub(crate) fn is_open(&self, peer: &PeerId) -> bool {
        self.members.contains(peer)
    }

    /// Whether the swarm has nothing left to do for the gate, such as to close connections.
    pub(crate) fn is_settled(&self) -> bool {
        self.actions.is_empty()
    }

    /// Lets a peer in, on all connections it has and will have until the last one ends.
    pub(crate) fn open(&mut self, peer: PeerId) -> Opening {
        let ids = self.connections_of(&peer);
        // A connection that was shut is closing; a peer that has only such ones is as good as gone.
        if ids.iter().all(|id| self.connections[id].state == State::Shut) {
            return Opening::NotConnected;
        }
        self.members.insert(peer);
        for id in ids {
            self.open_connection(id);
        }
        if self.is_acknowledged(&peer) { Opening::Done } else { Opening::Pending }
    }

    /// Puts a peer out: its streams end now, its connections as soon as the swarm gets to it.
    pub(crate) fn close(&mut self, peer: PeerId) {
        self.members.remove(&peer);
        for id in self.connections_of(&peer) {
            let was_open = self.connections.get(&id).is_some_and(|connection| connection.epoch().is_some());
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.state = State::Shut;
            }
            self.forget_deadline(id);
            if was_open {
                self.actions.push_back(notify(peer, id, In::Close));
                self.tell_closed(id, None);
            }
        }
        self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::All });
    }

    /// In the order in which they were made.
    fn connections_of(&self, peer: &PeerId) -> Vec<ConnectionId> {
        let of_peer = self.connections.iter().filter(|(_, connection)| connection.peer == *peer);
        let mut ids: Vec<_> = of_peer.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    fn open_count(&self, peer: &PeerId) -> usize {
        self.connections.values().filter(|c| c.peer == *peer && c.epoch().is_some()).count()
    }

    fn is_acknowledged(&self, peer: &PeerId) -> bool {
        let waits = |c: &Connection| c.peer == *peer && matches!(c.state, State::Open { acknowledged: false, .. });
        self.open_count(peer) > 0 && !self.connections.values().any(waits)
    }

    fn open_connection(&mut self, id: ConnectionId) {
        let others = match self.connections.get(&id) {
            Some(connection) if connection.state == State::Fresh => self.open_count(&connection.peer),
            _ => return,
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let peer = connection.peer;
        let handler = match &connection.endpoint {
            ConnectedPoint::Listener { local_addr, send_back_addr } => {
                self.inner.handle_established_inbound_connection(id, peer, local_addr, send_back_addr)
            }
            ConnectedPoint::Dialer { address, role_override, port_use } => {
                self.inner.handle_established_outbound_connection(id, peer, address, *role_override, *port_use)
            }
        };
        let handler = match handler {
            Ok(handler) => Box::new(handler),
            Err(denied) => {
                tracing::debug!(%peer, %denied, "a member's connection is refused");
                connection.state = State::Shut;
                let connection = CloseConnection::One(id);
                self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
                return;
            }
        };
        self.last_epoch += 1;
        let epoch = self.last_epoch;
        connection.state = State::Open { epoch, acknowledged: false };
        self.actions.push_back(notify(peer, id, In::Open { epoch, handler }));
        self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint: &connection.endpoint,
            failed_addresses: &[],
            other_established: others,
        }));
        self.forget_deadline(id);
    }

    /// Tells the members' behaviour that a connection it knows is gone; the connection must count as closed already.
    fn tell_closed(&mut self, id: ConnectionId, cause: Option<&libp2p::swarm::ConnectionError>) {
        let Some(connection) = self.connections.get(&id) else { return };
        let remaining = self.open_count(&connection.peer);
        self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id: connection.peer,
            connection_id: id,
            endpoint: &connection.endpoint,
            cause,
            remaining_established: remaining,
        }));
    }

    fn on_established(&mut self, event: ConnectionEstablished<'_>) {
        let ConnectionEstablished { peer_id: peer, connection_id: id, endpoint, .. } = event;
        self.connections.insert(id, Connection { peer, endpoint: endpoint.clone(), state: State::Fresh });
        if self.members.contains(&peer) {
            self.open_connection(id);
        } else {
            self.deadlines.push_back((Instant::now() + self.deadline, peer, id));
            self.make_room();
        }
    }

    /// Ends the oldest inbound connection of a stranger if there are too many.
    fn make_room(&mut self) {
        let inbound = |id: &ConnectionId| self.connections.get(id).is_some_and(|c| c.endpoint.is_listener());
        let strangers: Vec<_> = self.deadlines.iter().filter(|(_, _, id)| inbound(id)).collect();
        if let (Some(&&(_, peer_id, id)), true) = (strangers.first(), strangers.len() > self.strangers_max) {
            tracing::debug!(peer = %peer_id, limit = self.strangers_max, "too many strangers, the oldest goes");
            self.tally.count(TurnedAway::CrowdedStranger);
            self.forget_deadline(id);
            self.actions.push_back(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) });
        }
    }

    fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        let id = event.connection_id;
        self.forget_deadline(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let before = std::mem::replace(&mut connection.state, State::Shut);
        let (peer, dialled) = (connection.peer, connection.endpoint.is_dialer());
        match before {
            State::Open { .. } => self.tell_closed(id, event.cause),
            // Whoever dialled through the members' behaviour waits for a connection that never comes.
            State::Fresh if dialled => self.inner.on_swarm_event(FromSwarm::DialFailure(DialFailure {
                peer_id: Some(peer),
                error: &DialError::Aborted,
                connection_id: id,
            })),
            State::Fresh | State::Shut => {}
        }
        self.connections.remove(&id);
        if event.remaining_established == 0 {
            self.members.remove(&peer);
        } else if matches!(before, State::Open { acknowledged: false, .. }) && self.is_acknowledged(&peer) {
            // The connection everybody waited for is gone, the others are open.
            self.actions.push_back(ToSwarm::GenerateEvent(Event::Opened(peer)));
        }
    }

    fn on_address_change(&mut self, event: AddressChange<'_>) {
        let Some(connection) = self.connections.get_mut(&event.connection_id) else { return };
        connection.endpoint = event.new.clone();
        if connection.epoch().is_some() {
            self.inner.on_swarm_event(FromSwarm::AddressChange(event));
        }
    }

    fn on_acknowledged(&mut self, id: ConnectionId, of: Epoch) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let State::Open { epoch, acknowledged } = &mut connection.state else { return };
        if *epoch != of {
            return;
        }
        *acknowledged = true;
        let peer = connection.peer;
        if self.is_acknowledged(&peer) {
            self.actions.push_back(ToSwarm::GenerateEvent(Event::Opened(peer)));
        }
    }

    fn forget_deadline(&mut self, id: ConnectionId) {
        self.deadlines.retain(|(_, _, other)| *other != id);
    }

    /// The next connection whose time is up.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Action<B>> {
        while let Some(&(at, peer, id)) = self.deadlines.front() {
            if at <= Instant::now() {
                self.deadlines.pop_front();
                tracing::debug!(%peer, "a stranger's time is up");
                self.tally.count(TurnedAway::LateStranger);
                let connection = CloseConnection::One(id);
                return Poll::Ready(ToSwarm::CloseConnection { peer_id: peer, connection });
            }
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if alarm.deadline() != at {
                alarm.as_mut().reset(at);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.alarm = None;
        Poll::Pending
    }

    /// Maps what the members' behaviour wants; `None` if it is for a connection that is not open.
    fn translate(&self, action: ToSwarm<B::ToSwarm, THandlerInEvent<B>>) -> Option<Action<B>> {
        let ToSwarm::NotifyHandler { peer_id, handler, event } = action else {
            // Only `NotifyHandler` carries an event, so the epoch here is never read.
            return Some(action.map_out(Event::Inner).map_in(|event| In::Inner { epoch: 0, event }));
        };
        let id = match handler {
            NotifyHandler::One(id) => id,
            NotifyHandler::Any => {
                let newest_first = self.connections_of(&peer_id).into_iter().rev();
                newest_first.into_iter().find(|id| self.connections[id].epoch().is_some())?
            }
        };
        let epoch = self.connections.get(&id)?.epoch()?;
        Some(notify(peer_id, id, In::Inner { epoch, event }))
    }
}

fn notify<E, H: ConnectionHandler>(peer_id: PeerId, id: ConnectionId, event: In<H>) -> ToSwarm<E, In<H>> {
    ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(id), event }
}

/// A node's identity is an Ed25519 key; whoever has another kind of key is not one of ours.
fn check_key(peer: &PeerId) -> Result<(), ConnectionDenied> {
    NodeId::from_peer_id_bytes(&peer.to_bytes()).map(|_| ()).map_err(ConnectionDenied::new)
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gate<B> {
    type ConnectionHandler = Handler<THandler<B>>;
    type ToSwarm = Event<B::ToSwarm>;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        check_key(&peer)?;
        Ok(Handler::closed())
    }

    /// Our own dial: the members' behaviour may know addresses of the peer.
    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        check_key(&peer)?;
        Ok(Handler::closed())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(event),
            FromSwarm::AddressChange(event) => self.on_address_change(event),
            // Somebody who did not get in is nothing the members' behaviour has heard of.
            FromSwarm::ListenFailure(_) => {}
            FromSwarm::NewExternalAddrOfPeer(event) if !self.members.contains(&event.peer_id) => {}
            // Anybody can claim to see us somewhere, as often and wherever they like.
            FromSwarm::NewExternalAddrCandidate(event) if !self.candidates.take(event.addr) => {}
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Out::Opened(epoch) => self.on_acknowledged(id, epoch),
            Out::Inner(epoch, event) => {
                if self.connections.get(&id).and_then(Connection::epoch) == Some(epoch) {
                    self.inner.on_connection_handler_event(peer, id, event);
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            if let Poll::Ready(action) = self.poll_deadline(cx) {
                return Poll::Ready(action);
            }
            let Poll::Ready(action) = self.inner.poll(cx) else { return Poll::Pending };
            if let Some(action) = self.translate(action) {
                return Poll::Ready(action);
            }
        }
    }
}
