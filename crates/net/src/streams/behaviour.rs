//! All members' streams.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use antiphon_core::ids::NodeId;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::handler::{Handler, OpenFailure, Out};
use crate::config::StreamKind;
use crate::reason::NetworkReason;
use crate::stream::{Ends, MemberStream, Traffic};
use crate::turned_away::TurnedAway;

/// A request to open a stream.
pub(crate) type OpenId = u64;

/// What is reported.
#[derive(Debug)]
pub(crate) enum Event {
    /// The member opened a stream.
    Inbound(MemberStream),
    /// What became of [`Behaviour::open`]; reported exactly once for each.
    Outbound(OpenId, Result<MemberStream, OpenFailure>),
}

/// What is known of one connection.
struct Link {
    id: ConnectionId,
    ends: Ends,
    /// One for each stream that the member may hold open towards us. A stream beyond them is dropped, which the member
    /// sees as a stream that ends early.
    slots: Arc<Semaphore>,
}

/// Opens and accepts streams of one kind.
pub(crate) struct Behaviour {
    kind: StreamKind,
    traffic: Arc<Traffic>,
    /// Each peer's connections, the oldest first.
    links: BTreeMap<PeerId, Vec<Link>>,
    /// Requests that are not yet answered, with their connection.
    opening: HashMap<OpenId, ConnectionId>,
    last_id: OpenId,
    actions: VecDeque<ToSwarm<Event, OpenId>>,
}

impl Behaviour {
    pub(crate) fn new(kind: StreamKind, traffic: Arc<Traffic>) -> Self {
        Self { kind, traffic, links: BTreeMap::new(), opening: HashMap::new(), last_id: 0, actions: VecDeque::new() }
    }

    /// Asks for a stream to a connected member, `None` if it is not connected. The newest connection is tried first
    /// and the others in turn: an old one may have died without anybody having noticed yet.
    pub(crate) fn open(&mut self, peer: PeerId, attempt: usize) -> Option<OpenId> {
        let links = self.links.get(&peer).filter(|links| !links.is_empty())?;
        let link = &links[links.len() - 1 - attempt % links.len()];
        self.last_id += 1;
        self.opening.insert(self.last_id, link.id);
        let handler = NotifyHandler::One(link.id);
        self.actions.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: self.last_id });
        Some(self.last_id)
    }

    fn link(&self, peer: &PeerId, id: ConnectionId) -> Option<&Link> {
        self.links.get(peer)?.iter().find(|link| link.id == id)
    }

    fn on_established(&mut self, peer: PeerId, id: ConnectionId) {
        let slots = Arc::new(Semaphore::new(self.kind.inbound_max()));
        self.links.entry(peer).or_default().push(Link { id, ends: Ends::default(), slots });
    }

    fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        let ConnectionClosed { peer_id: peer, connection_id: id, cause, .. } = event;
        if let Some(links) = self.links.get_mut(&peer) {
            for link in links.extract_if(.., |link| link.id == id) {
                // Without a cause it was we who closed the connection, and what we close ends at once.
                if cause.is_none() {
                    link.ends.revoked.cancel();
                }
                link.ends.lost.cancel();
            }
            if links.is_empty() {
                self.links.remove(&peer);
            }
        }
        for (open, _) in self.opening.extract_if(|_, on| *on == id) {
            let failure = Err(OpenFailure::Network(NetworkReason::Reset));
            self.actions.push_back(ToSwarm::GenerateEvent(Event::Outbound(open, failure)));
        }
    }

    fn on_inbound(&mut self, peer: PeerId, id: ConnectionId, stream: Stream) {
        let Some(link) = self.link(&peer, id) else { return };
        let Ok(slot) = link.slots.clone().try_acquire_owned() else {
            let (kind, limit) = (self.kind.name(), self.kind.inbound_max());
            tracing::debug!(%peer, kind, limit, "a member has too many streams open, one is dropped");
            self.traffic.turn_away(TurnedAway::Stream);
            return;
        };
        if let Some(stream) = self.wrap(peer, link, stream, Some(slot)) {
            self.actions.push_back(ToSwarm::GenerateEvent(Event::Inbound(stream)));
        }
    }

    fn on_outbound(&mut self, peer: PeerId, id: ConnectionId, open: OpenId, result: Result<Stream, OpenFailure>) {
        if self.opening.remove(&open).is_none() {
            return;
        }
        let gone = OpenFailure::Network(NetworkReason::Reset);
        let result = result.and_then(|stream| {
            let link = self.link(&peer, id).ok_or(gone)?;
            self.wrap(peer, link, stream, None).ok_or(gone)
        });
        self.actions.push_back(ToSwarm::GenerateEvent(Event::Outbound(open, result)));
    }

    fn wrap(
        &self,
        peer: PeerId,
        link: &Link,
        stream: Stream,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Option<MemberStream> {
        let node = NodeId::from_peer_id_bytes(&peer.to_bytes()).ok()?;
        Some(MemberStream::new(node, stream, &link.ends, (self.kind, &self.traffic), slot))
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(StreamProtocol::new(self.kind.name())))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(StreamProtocol::new(self.kind.name())))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, .. }) => {
                self.on_established(peer_id, connection_id);
            }
            FromSwarm::ConnectionClosed(event) => self.on_closed(event),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Out::Inbound(stream) => self.on_inbound(peer, id, stream),
            Out::Outbound(open, result) => self.on_outbound(peer, id, open, result),
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
