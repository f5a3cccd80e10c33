//! The loop that is the network: commands in, events out, libp2p in between.

use std::collections::HashMap;
use std::num::NonZeroU8;
use std::sync::Arc;

use antiphon_core::ids::NodeId;
use futures::StreamExt as _;
use libp2p::multiaddr;
use libp2p::request_response::{self, InboundFailure, InboundRequestId, OutboundFailure, OutboundRequestId};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, mdns, ping};
use tokio::sync::mpsc;

use crate::asks::{Asked, Asks, STRANGER_REQUESTS_MAX};
use crate::backlog::{ADDRESSES_MAX, AGENT_VERSION_CHARS_MAX, Backlog};
use crate::config::{Protocol, StreamKind};
use crate::dht;
use crate::event::{Event, RequestBytes, Responder};
use crate::gate::{self, Opening};
use crate::handle::{Command, Error, OpenStreamError, Reply, Request, RequestError};
use crate::reach::{self, ReachEvent, Reaching};
use crate::reason::NetworkReason;
use crate::stream::MemberStream;
use crate::streams::{self, OpenFailure, OpenId};
use crate::swarm::{Behaviour, BehaviourEvent, MembersEvent};
use crate::turned_away::{Tally, TurnedAway};

/// Most operations that wait for the network at the same time.
const OPERATIONS_MAX: usize = 1_024;
/// Most addresses that are dialled at the same time.
const DIALS_AT_ONCE_MAX: u8 = 8;

/// Most nodes that multicast DNS may remember. Anybody on the local network can invent some, and libp2p forgets them
/// only when their own time is up.
const MDNS_NODES_MAX: usize = 4_096;

/// Whether the loop goes on.
enum Next {
    GoOn,
    Stop(Option<Reply<()>>),
}

/// Owns the swarm and everything that waits for it.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    /// For responders; weak, so that they alone do not keep the network alive.
    commands_weak: mpsc::WeakSender<Command>,
    /// Events the channel has not taken yet.
    backlog: Backlog,
    listening: Vec<Multiaddr>,
    /// Requests of ours.
    asks: Asks,
    /// Answers that are on their way.
    answering: HashMap<(Protocol, InboundRequestId), Reply<Result<(), Error>>>,
    /// Gates that wait for their acknowledgement.
    opening_gates: HashMap<PeerId, Vec<Reply<Result<(), Error>>>>,
    /// Streams that are being opened.
    opening_streams: HashMap<(StreamKind, OpenId), Reply<Result<MemberStream, OpenStreamError>>>,
    /// Operations of the hash table.
    dht: dht::Operations,
    reaching: Reaching,
    /// How many requests each connected peer made while it was a stranger.
    strangers: HashMap<PeerId, u32>,
    tally: Arc<Tally>,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        commands_weak: mpsc::WeakSender<Command>,
        reaching: Reaching,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            swarm,
            commands,
            commands_weak,
            backlog: Backlog::new(tally.clone()),
            listening: Vec::new(),
            asks: Asks::default(),
            answering: HashMap::new(),
            opening_gates: HashMap::new(),
            opening_streams: HashMap::new(),
            dht: dht::Operations::default(),
            reaching,
            strangers: HashMap::new(),
            tally,
        }
    }

    pub(crate) async fn run(mut self, events: mpsc::Sender<Event>) {
        let reply = loop {
            // A full channel holds the network back, unless the caller itself waits for the network.
            let gate_is_settled = self.swarm.behaviour().gate.is_settled();
            let may_poll = self.backlog.is_empty() || self.operations() > 0 || !gate_is_settled;
            tokio::select! {
                biased;
                permit = events.reserve(), if !self.backlog.is_empty() => match (permit, self.backlog.pop()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    (Ok(_), None) => {}
                    (Err(_), _) => break None,
                },
                command = self.commands.recv() => match command.map(|command| self.on_command(command)) {
                    Some(Next::GoOn) => {}
                    Some(Next::Stop(reply)) => break reply,
                    None => break None,
                },
                event = self.swarm.select_next_some(), if may_poll => self.on_swarm_event(event),
                () = self.reaching.due() => self.reaching.reserve(&mut self.swarm),
            }
        };
        // The swarm goes first: whoever waits for the shutdown finds the ports free.
        drop(self);
        if let Some(reply) = reply {
            answer(reply, ());
        }
    }

    fn operations(&self) -> usize {
        let gates: usize = self.opening_gates.values().map(Vec::len).sum();
        gates + self.asks.len() + self.answering.len() + self.opening_streams.len() + self.dht.len()
    }

    fn is_busy(&self) -> bool {
        self.operations() >= OPERATIONS_MAX
    }
}

/// Commands.
impl Driver {
    fn on_command(&mut self, command: Command) -> Next {
        match command {
            Command::Dial { peer, addresses, reply } => answer(reply, self.dial(peer, addresses)),
            Command::Request(request) => self.on_request(request),
            Command::Respond { protocol, id, channel, bytes, reply } => {
                match self.swarm.behaviour_mut().ask(protocol).send_response(channel, bytes) {
                    Ok(()) => drop(self.answering.insert((protocol, id), reply)),
                    Err(_) => answer(reply, Err(Error::Unwanted)),
                }
            }
            Command::OpenGate { peer, reply } => self.open_gate(peer, reply),
            Command::CloseGate { peer, reply } => {
                self.swarm.behaviour_mut().gate.close(peer);
                self.gate_is_gone(&peer);
                answer(reply, ());
            }
            Command::OpenStream { peer, kind, attempt, reply } => self.open_stream(peer, kind, attempt, reply),
            Command::ListenAddresses { reply } => answer(reply, self.listening.clone()),
            Command::Dht(command) => self.dht.on_command(command, table(&mut self.swarm)),
            Command::Shutdown { reply } => return Next::Stop(Some(reply)),
        }
        Next::GoOn
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), Error> {
        match self.swarm.dial(dial_opts(peer, addresses)) {
            // Connected, or on the way: just what was wanted.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => Ok(()),
            Err(error) => Err(Error::Network { reason: NetworkReason::classify(&error) }),
        }
    }

    fn on_request(&mut self, mut request: Request) {
        if self.is_busy() {
            return answer(request.reply, Err(RequestError::Busy { max: OPERATIONS_MAX }));
        }
        if self.swarm.is_connected(&request.peer) {
            return self.send(request);
        }
        let addresses = std::mem::take(&mut request.addresses);
        match self.swarm.dial(dial_opts(request.peer, addresses)) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {
                self.asks.wait_for_connection(request);
            }
            Err(error) => {
                let peer = request.node;
                let error = match error {
                    DialError::NoAddresses => RequestError::NoAddress { peer },
                    error => RequestError::Unreachable { peer, reason: NetworkReason::classify(&error) },
                };
                answer(request.reply, Err(error));
            }
        }
    }

    fn send(&mut self, request: Request) {
        let (peer, protocol) = (request.peer, request.protocol);
        self.asks.wait_for_turn(request);
        self.take_turns(peer, protocol);
    }

    fn take_turns(&mut self, peer: PeerId, protocol: Protocol) {
        while let Some(request) = self.asks.next(peer, protocol) {
            self.send_now(request);
        }
    }

    fn send_now(&mut self, request: Request) {
        let Request { node, peer, protocol, bytes, reply, .. } = request;
        // The connection may have ended while the request waited for its turn.
        if !self.swarm.is_connected(&peer) {
            let reason = NetworkReason::Reset;
            return answer(reply, Err(RequestError::Unreachable { peer: node, reason }));
        }
        // The members' behaviours know only who was let in, and would dial anybody else.
        if protocol.members_only() && !self.swarm.behaviour().gate.is_open(&peer) {
            return answer(reply, Err(RequestError::NotOpen { peer: node }));
        }
        let id = self.swarm.behaviour_mut().ask(protocol).send_request(&peer, bytes);
        self.asks.sent(id, Asked { node, peer, protocol, reply });
    }

    fn open_gate(&mut self, peer: PeerId, reply: Reply<Result<(), Error>>) {
        if self.is_busy() {
            return answer(reply, Err(Error::Busy { max: OPERATIONS_MAX }));
        }
        match self.swarm.behaviour_mut().gate.open(peer) {
            Opening::NotConnected => answer(reply, not_connected(&peer)),
            Opening::Done => answer(reply, Ok(())),
            Opening::Pending => self.opening_gates.entry(peer).or_default().push(reply),
        }
    }

    fn gate_is_gone(&mut self, peer: &PeerId) {
        for reply in self.opening_gates.remove(peer).unwrap_or_default() {
            answer(reply, not_connected(peer));
        }
    }

    fn open_stream(
        &mut self,
        peer: PeerId,
        kind: StreamKind,
        attempt: usize,
        reply: Reply<Result<MemberStream, OpenStreamError>>,
    ) {
        let refusal = if self.is_busy() {
            Err(Error::Busy { max: OPERATIONS_MAX })
        } else if !self.swarm.is_connected(&peer) {
            not_connected(&peer)
        } else if !self.swarm.behaviour().gate.is_open(&peer) {
            node_of(&peer).map_or(Err(Error::Stopped), |peer| Err(Error::NotOpen { peer }))
        } else {
            Ok(())
        };
        if let Err(error) = refusal {
            return answer(reply, Err(OpenStreamError::Final(error)));
        }
        match self.swarm.behaviour_mut().gate.inner_mut().streams(kind).open(peer, attempt) {
            Some(id) => drop(self.opening_streams.insert((kind, id), reply)),
            None => answer(reply, Err(OpenStreamError::Attempt(OpenFailure::Network(NetworkReason::Reset)))),
        }
    }
}

/// Events.
impl Driver {
    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::NewListenAddr { address, .. } if reach::is_relayed(&address) => {
                self.reachable_at(address, Event::Reachable);
            }
            SwarmEvent::NewListenAddr { address, .. } => self.reachable_at(address, Event::Listening),
            SwarmEvent::ExternalAddrConfirmed { address } => self.reachable_at(address, Event::Reachable),
            // The machine has lost an address: a cable was pulled, or a router gave it another one.
            SwarmEvent::ExpiredListenAddr { address, .. } | SwarmEvent::ExternalAddrExpired { address } => {
                self.unreachable_at(vec![address]);
            }
            SwarmEvent::ListenerClosed { addresses, listener_id, .. } => {
                self.reaching.closed(listener_id);
                self.unreachable_at(addresses);
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, num_established, connection_id, .. } => {
                self.reaching.connected(peer_id, connection_id, &endpoint);
                if let (1, Some(peer)) = (num_established.get(), node_of(&peer_id)) {
                    let address = endpoint.get_remote_address().clone();
                    self.backlog.push(Event::Connected { peer, address, outbound: endpoint.is_dialer() });
                }
                for request in self.asks.unconnected(&peer_id) {
                    self.send(request);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "disconnected");
                self.reaching.gone(&peer_id);
                self.gate_is_gone(&peer_id);
                self.strangers.remove(&peer_id);
                if let Some(table) = table(&mut self.swarm) {
                    table.disconnected(&peer_id);
                }
                if let Some(peer) = node_of(&peer_id) {
                    self.backlog.push(Event::Disconnected { peer });
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                let denied = matches!(error, ListenError::Denied { .. });
                self.tally.count(if denied { TurnedAway::Connection } else { TurnedAway::Unproven });
                tracing::debug!(%error, "a connection was not made");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener has trouble"),
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => self.on_dial_failed(peer_id, &error),
            _ => {}
        }
    }

    fn reachable_at(&mut self, address: Multiaddr, event: impl FnOnce(Multiaddr) -> Event) {
        let address = reach::without_peer(address);
        if !self.listening.contains(&address) {
            // Members on our network reach us where we listen; relays and the hash table hand on nothing else.
            self.swarm.add_external_address(address.clone());
            Reaching::may_be_met_at(&address, &mut self.swarm.behaviour_mut().gate);
            self.listening.push(address.clone());
            self.backlog.push(event(address));
        }
    }

    fn unreachable_at(&mut self, addresses: Vec<Multiaddr>) {
        let addresses: Vec<Multiaddr> = addresses.into_iter().map(reach::without_peer).collect();
        for address in &addresses {
            self.swarm.remove_external_address(address);
        }
        self.listening.retain(|address| !addresses.contains(address));
        self.backlog.push(Event::ListenerClosed(addresses));
    }

    fn on_dial_failed(&mut self, peer: Option<PeerId>, error: &DialError) {
        let reason = NetworkReason::classify(error);
        tracing::debug!(?peer, %reason, %error, "a dial failed");
        if let Some(peer) = &peer
            && !self.swarm.is_connected(peer)
        {
            for request in self.asks.unconnected(peer) {
                answer(request.reply, Err(RequestError::Unreachable { peer: request.node, reason }));
            }
        }
        self.backlog.push(Event::DialFailed { peer: peer.as_ref().and_then(node_of), reason });
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gate(gate::Event::Opened(peer)) => {
                for reply in self.opening_gates.remove(&peer).unwrap_or_default() {
                    answer(reply, Ok(()));
                }
                self.reach(peer);
            }
            BehaviourEvent::Gate(gate::Event::Inner(event)) => self.on_members_event(event),
            BehaviourEvent::Handshake(event) => self.on_ask_event(Protocol::Handshake, event),
            BehaviourEvent::Join(event) => self.on_ask_event(Protocol::Join, event),
            BehaviourEvent::Identify(event) => self.on_identify_event(event),
            BehaviourEvent::Ping(ping::Event { peer, connection, result }) => {
                // A peer that cannot be pinged because it does not speak it is alive; one that does not answer is not.
                if let Err(error @ (ping::Failure::Timeout | ping::Failure::Other { .. })) = result {
                    tracing::debug!(%peer, %error, "a connection is dead");
                    self.swarm.close_connection(connection);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.on_discovered(found),
            BehaviourEvent::Mdns(mdns::Event::Expired(_)) => {}
            BehaviourEvent::Router(event) => tracing::debug!(?event, "the router"),
            BehaviourEvent::Limits(never) => match never {},
        }
    }

    fn on_members_event(&mut self, event: MembersEvent) {
        match event {
            MembersEvent::Sync(event) => self.on_streams_event(StreamKind::Sync, event),
            MembersEvent::Outbox(event) => self.on_streams_event(StreamKind::Outbox, event),
            MembersEvent::Blocks(event) => self.on_streams_event(StreamKind::Blocks, event),
            MembersEvent::Replication(event) => self.on_streams_event(StreamKind::Replication, event),
            MembersEvent::Backup(event) => self.on_ask_event(Protocol::Backup, event),
            MembersEvent::Query(event) => self.on_ask_event(Protocol::Query, event),
            MembersEvent::Dht(dht::Out::Happened(happened)) => self.backlog.push(Event::Dht(happened)),
            MembersEvent::Dht(dht::Out::Table(event)) => self.dht.on_event(*event, table(&mut self.swarm)),
            MembersEvent::Reach(event) => self.on_reach_event(event),
        }
    }

    /// Makes use of what a member offers, as far as it is let in.
    fn reach(&mut self, peer: PeerId) {
        self.reaching.reserve(&mut self.swarm);
        self.reaching.meet_halfway(peer, &mut self.swarm.behaviour_mut().gate);
    }

    fn on_reach_event(&mut self, event: ReachEvent) {
        tracing::debug!(?event, "reach");
        let ReachEvent::Dcutr(gate::Event::Inner(punched)) = event else { return };
        if let Ok(direct) = punched.result {
            // What was begun through the relay begins again; nothing is lost by that.
            for relayed in self.reaching.punched(&punched.remote_peer_id) {
                tracing::info!(peer = %punched.remote_peer_id, %direct, "connected directly, the relay is let go");
                self.swarm.close_connection(relayed);
            }
            if let Some(peer) = node_of(&punched.remote_peer_id) {
                self.backlog.push(Event::Direct { peer });
            }
        }
    }

    fn on_streams_event(&mut self, kind: StreamKind, event: streams::Event) {
        match event {
            streams::Event::Inbound(stream) => {
                self.backlog.push(Event::StreamOpened { peer: stream.peer(), kind, stream });
            }
            streams::Event::Outbound(id, result) => {
                if let Some(reply) = self.opening_streams.remove(&(kind, id)) {
                    answer(reply, result.map_err(OpenStreamError::Attempt));
                }
            }
        }
    }

    fn on_ask_event(&mut self, protocol: Protocol, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        use request_response::{Event as Ask, Message};
        match event {
            Ask::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                if self.is_too_much(&peer) {
                    return;
                }
                // Without a handle there is nobody left who could answer.
                if let (Some(peer), Some(commands)) = (node_of(&peer), self.commands_weak.upgrade()) {
                    let responder = Responder { protocol, id: request_id, channel, commands };
                    self.backlog.push(Event::Request { peer, protocol, bytes: RequestBytes(request), responder });
                }
            }
            Ask::Message { message: Message::Response { request_id, response }, .. } => {
                self.on_asked(protocol, request_id, Ok(response));
            }
            Ask::OutboundFailure { request_id, error, .. } => {
                self.on_asked(protocol, request_id, Err(error));
            }
            Ask::ResponseSent { request_id, .. } => self.on_answered(protocol, request_id, Ok(())),
            Ask::InboundFailure { request_id, error, .. } => {
                let error = match error {
                    InboundFailure::Timeout => Error::Network { reason: NetworkReason::Timeout },
                    InboundFailure::Io(error) => Error::Network { reason: NetworkReason::classify(&error) },
                    InboundFailure::ConnectionClosed => Error::Network { reason: NetworkReason::Reset },
                    InboundFailure::UnsupportedProtocols | InboundFailure::ResponseOmission => Error::Unwanted,
                };
                self.on_answered(protocol, request_id, Err(error));
            }
        }
    }

    /// Whether a stranger asks more often than anybody needs to. It is refused, and its deadline ends its connection.
    fn is_too_much(&mut self, peer: &PeerId) -> bool {
        if self.swarm.behaviour().gate.is_open(peer) {
            return false;
        }
        // A request can come out of a connection that has just ended; then there is nobody to count.
        if !self.swarm.is_connected(peer) {
            return true;
        }
        let asked = self.strangers.entry(*peer).or_default();
        *asked = asked.saturating_add(1);
        let too_much = *asked > STRANGER_REQUESTS_MAX;
        if too_much {
            self.tally.count(TurnedAway::StrangerRequest);
        }
        too_much
    }

    fn on_asked(&mut self, protocol: Protocol, id: OutboundRequestId, result: Result<Vec<u8>, OutboundFailure>) {
        let Some(asked) = self.asks.ended(protocol, id) else { return };
        answer(asked.reply, result.map_err(|error| request_error(asked.node, protocol, &error)));
        self.take_turns(asked.peer, protocol);
    }

    fn on_answered(&mut self, protocol: Protocol, id: InboundRequestId, result: Result<(), Error>) {
        if let Some(reply) = self.answering.remove(&(protocol, id)) {
            answer(reply, result);
        }
    }

    fn on_identify_event(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(peer) = node_of(&peer_id) else { return };
        let agent_version = info.agent_version.chars().take(AGENT_VERSION_CHARS_MAX).collect();
        let mut listen_addresses = info.listen_addrs;
        listen_addresses.truncate(ADDRESSES_MAX);
        self.reaching.heard(peer_id, &info.protocols, &listen_addresses);
        self.reach(peer_id);
        if let Some(table) = table(&mut self.swarm) {
            table.identified(peer_id, &info.protocols, &listen_addresses);
        }
        self.backlog.push(Event::Identified { peer, agent_version, listen_addresses });
    }

    fn on_discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let mdns = &mut self.swarm.behaviour_mut().mdns;
        if mdns.as_ref().is_some_and(|mdns| mdns.discovered_nodes().len() > MDNS_NODES_MAX) {
            tracing::warn!(limit = MDNS_NODES_MAX, "the local network is flooded with names, multicast DNS is off now");
            *mdns = None.into();
            self.tally.count(TurnedAway::Names);
            return;
        }
        let mut by_peer: HashMap<PeerId, Vec<Multiaddr>> = HashMap::new();
        for (peer, address) in found {
            by_peer.entry(peer).or_default().push(address);
        }
        for (peer, mut addresses) in by_peer {
            addresses.truncate(ADDRESSES_MAX);
            if let Some(peer) = node_of(&peer) {
                self.backlog.push(Event::Discovered { peer, addresses });
            }
        }
    }
}

fn table(swarm: &mut Swarm<Behaviour>) -> Option<&mut dht::Table> {
    swarm.behaviour_mut().gate.inner_mut().dht.as_mut()
}

/// Who asked may have gone away, which is its right.
fn answer<T>(reply: Reply<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for this answer any more");
    }
}

fn node_of(peer: &PeerId) -> Option<NodeId> {
    NodeId::from_peer_id_bytes(&peer.to_bytes()).ok()
}

fn not_connected<T>(peer: &PeerId) -> Result<T, Error> {
    // Every peer id here was made from a node id, or let in by the gate, which has checked it.
    node_of(peer).map_or(Err(Error::Stopped), |peer| Err(Error::NotConnected { peer }))
}

fn request_error(peer: NodeId, protocol: Protocol, error: &OutboundFailure) -> RequestError {
    let reason = match error {
        OutboundFailure::UnsupportedProtocols => return RequestError::Unsupported { peer, protocol },
        // The connection ended between the check and the sending.
        OutboundFailure::DialFailure => {
            return RequestError::Unreachable { peer, reason: NetworkReason::Reset };
        }
        OutboundFailure::Timeout => NetworkReason::Timeout,
        OutboundFailure::ConnectionClosed => NetworkReason::Reset,
        OutboundFailure::Io(error) => NetworkReason::classify(error),
    };
    RequestError::Failed { peer, reason }
}

fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, multiaddr::Protocol::QuicV1 | multiaddr::Protocol::Quic))
}

/// TCP before QUIC, which is slower to connect and slower on local networks: all TCP addresses are tried at once, and
/// each that fails makes room for one more. A new port for every dial, because with one port for all two nodes that
/// dial each other at the same time can lose both connections.
fn dial_opts(peer: PeerId, mut addresses: Vec<Multiaddr>) -> DialOpts {
    addresses.sort_by_key(is_quic);
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    let tcp = addresses.iter().filter(|address| !is_quic(address)).count();
    let at_once = u8::try_from(tcp).unwrap_or(u8::MAX).clamp(1, DIALS_AT_ONCE_MAX);
    DialOpts::peer_id(peer)
        .condition(PeerCondition::DisconnectedAndNotDialing)
        .addresses(addresses)
        .override_dial_concurrency_factor(NonZeroU8::new(at_once).unwrap_or(NonZeroU8::MIN))
        .allocate_new_port()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_is_preferred_to_quic() {
        assert!(is_quic(&"/ip4/127.0.0.1/udp/1/quic-v1".parse().unwrap()));
        assert!(!is_quic(&"/ip4/127.0.0.1/tcp/1".parse().unwrap()));
        assert!(!is_quic(&"/dns4/localhost/tcp/1".parse().unwrap()));
    }
}
