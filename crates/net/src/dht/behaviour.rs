//! The table as a libp2p behaviour behind the gate.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::kad::store::RecordStore as _;
use libp2p::kad::{self, BucketInserts, Caching, StoreInserts};
use libp2p::swarm::behaviour::{DialFailure, ExternalAddrConfirmed, ExternalAddrExpired};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::time::{Instant, Sleep};

use crate::backlog::ADDRESSES_MAX;

use super::rename::Renaming;
use super::store::{Store, node_of};
use super::{DhtConfig, Happened, Mode, Stats};

/// Most members that the table waits for at the same time.
const WANTED_MAX: usize = 64;
/// Most bytes of a message of the table.
const PACKET_BYTES_MAX: usize = 16 * 1024;

/// What is reported.
#[derive(Debug)]
pub(crate) enum Out {
    /// For the caller.
    Happened(Happened),
    /// From libp2p's table.
    Table(Box<kad::Event>),
}

/// What is known of a member that is let in.
#[derive(Debug, Default)]
pub(super) struct Member {
    addresses: Vec<Multiaddr>,
    /// Whether it says that others may ask it.
    pub(super) serves: bool,
}

/// libp2p's table, kept to members and to what the judge lets in.
pub(crate) struct Table {
    pub(super) local: PeerId,
    pub(super) config: DhtConfig,
    pub(super) kad: Kad,
    pub(super) protocol: StreamProtocol,
    pub(super) mode: Mode,
    meeting_timeout: Duration,
    /// Members that are let in now.
    pub(super) open: BTreeSet<PeerId>,
    /// What connected peers say about themselves; only of use once they are let in.
    pub(super) known: HashMap<PeerId, Member>,
    /// Members that the table wants to ask and that are not let in, and until when it waits for them.
    pub(super) wanted: BTreeMap<PeerId, Instant>,
    /// Wakes the swarm when the first wait is over.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Answers to records that others have sent.
    pub(super) answers: VecDeque<ToSwarm<Out, THandlerInEvent<Kad>>>,
    pub(super) renaming: Renaming,
}

pub(super) type Kad = kad::Behaviour<Store>;
/// What a connection tells libp2p's table, and what it is told. Their names are private, their variants are not.
type FromConnection = THandlerOutEvent<Kad>;
type ToConnection = THandlerInEvent<Kad>;

impl Table {
    pub(crate) fn new(local: PeerId, config: &DhtConfig) -> Self {
        let (kad, protocol) = Self::build(local, config);
        let mut table = Self {
            local,
            config: config.clone(),
            kad,
            protocol,
            mode: config.mode,
            meeting_timeout: config.meeting_timeout,
            open: BTreeSet::new(),
            known: HashMap::new(),
            wanted: BTreeMap::new(),
            alarm: None,
            answers: VecDeque::new(),
            renaming: Renaming::default(),
        };
        table.set_mode(config.mode);
        table
    }

    /// An empty table of that prefix.
    pub(super) fn build(local: PeerId, config: &DhtConfig) -> (Kad, StreamProtocol) {
        // A prefix begins with a slash, which is all that is asked of a protocol's name.
        let protocol = StreamProtocol::try_from_owned(config.prefix.protocol());
        let protocol = protocol.unwrap_or(StreamProtocol::new("/antiphon/kad/1"));
        let mut settings = kad::Config::new(protocol.clone());
        settings
            .set_kbucket_inserts(BucketInserts::Manual)
            .set_caching(Caching::Disabled)
            // The store itself refuses: a filter would only be asked after the sender was told that all is well.
            .set_record_filtering(StoreInserts::Unfiltered)
            .set_periodic_bootstrap_interval(None)
            .set_replication_interval(None)
            .set_publication_interval(None)
            .set_provider_publication_interval(None)
            .set_provider_record_ttl(Some(config.provider_life))
            // When a record ends is written in it.
            .set_record_ttl(None)
            .set_max_packet_size(PACKET_BYTES_MAX)
            .set_query_timeout(config.query_timeout)
            .set_substreams_timeout(config.answer_timeout);
        (kad::Behaviour::with_config(local, Store::new(local, config), settings), protocol)
    }

    pub(super) fn kad(&mut self) -> &mut kad::Behaviour<Store> {
        &mut self.kad
    }

    pub(super) fn store(&mut self) -> &mut Store {
        self.kad.store_mut()
    }

    /// In which mode the table is to be.
    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.kad.set_mode(match mode {
            Mode::Auto => None,
            Mode::Client => Some(kad::Mode::Client),
            Mode::Server => Some(kad::Mode::Server),
        });
    }

    /// What a connected peer says about itself. Strangers say things too, which are not believed before they are let in.
    pub(crate) fn identified(&mut self, peer: PeerId, protocols: &[StreamProtocol], addresses: &[Multiaddr]) {
        let member = self.known.entry(peer).or_default();
        member.serves = protocols.contains(&self.protocol);
        member.addresses = addresses.iter().take(ADDRESSES_MAX).cloned().collect();
        self.consider(&peer);
    }

    /// The last connection with the peer is gone.
    pub(crate) fn disconnected(&mut self, peer: &PeerId) {
        self.known.remove(peer);
    }

    /// Holds a record of this node's.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub(super) fn keep(&mut self, key: kad::RecordKey, value: Vec<u8>) -> Result<(), &'static str> {
        let mut record = kad::Record::new(key, value);
        record.publisher = Some(self.local);
        let store = self.kad.store_mut();
        store.put(record).map_err(|_| store.last_refusal())
    }

    /// Where a peer was said to be; whether it is in the table now.
    pub(super) fn meet(&mut self, peer: PeerId, addresses: &[Multiaddr]) -> bool {
        if self.open.contains(&peer) {
            for address in addresses.iter().take(ADDRESSES_MAX) {
                self.kad.add_address(&peer, address.clone());
            }
        }
        self.holds(&peer)
    }

    /// Takes a peer out of the table.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.kad.remove_peer(peer);
    }

    fn holds(&mut self, peer: &PeerId) -> bool {
        let bucket = self.kad.kbucket(*peer);
        bucket.is_some_and(|bucket| bucket.iter().any(|entry| entry.node.key.preimage() == peer))
    }

    /// Puts a peer into the table if it is let in and may be asked, and takes it out otherwise.
    fn consider(&mut self, peer: &PeerId) {
        let Some(member) = self.known.get(peer) else { return };
        if !member.serves || !self.open.contains(peer) {
            self.kad.remove_peer(peer);
            return;
        }
        for address in member.addresses.clone() {
            self.kad.add_address(peer, address);
        }
    }

    /// How many members the table can ask.
    pub(super) fn peers(&mut self) -> usize {
        self.kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
    }

    pub(super) fn stats(&mut self) -> Stats {
        let mut stats = Stats { mode: self.mode, serves: self.kad.mode() == kad::Mode::Server, ..Stats::default() };
        stats.peers = self.peers();
        self.kad.store_mut().fill(&mut stats);
        stats
    }

    /// How many closest members are asked to keep a record.
    pub(super) fn copies(&mut self, wanted: usize) -> Option<NonZeroUsize> {
        NonZeroUsize::new(wanted.clamp(1, kad::K_VALUE.get()).min(self.peers()))
    }

    /// The table wants to dial. It knows a peer by what others say, so the caller does the dialling and the handshake.
    fn want(&mut self, peer: PeerId) -> Option<Out> {
        let node = node_of(&peer).filter(|node| self.kad.store_mut().judge().is_member(node));
        let Some(node) = node.filter(|_| self.wanted.contains_key(&peer) || self.wanted.len() < WANTED_MAX) else {
            self.pass_over(peer);
            return None;
        };
        if self.wanted.contains_key(&peer) {
            return None;
        }
        let id = ConnectionId::new_unchecked(usize::MAX);
        let known = self.kad.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
        let mut addresses = known.unwrap_or_default();
        addresses.sort();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        self.wanted.insert(peer, Instant::now() + self.meeting_timeout);
        Some(Out::Happened(Happened::Wanted { peer: node, addresses }))
    }

    /// Operations do not wait for the peer any more.
    fn pass_over(&mut self, peer: PeerId) {
        self.wanted.remove(&peer);
        self.kad.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: Some(peer),
            error: &DialError::Aborted,
            connection_id: ConnectionId::new_unchecked(usize::MAX),
        }));
    }

    /// Passes over whom the table has waited for long enough; whether there was one.
    fn poll_wanted(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((peer, at)) = self.wanted.iter().min_by_key(|(_, at)| **at).map(|(peer, at)| (*peer, *at)) else {
            self.alarm = None;
            return false;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        if alarm.as_mut().poll(cx).is_pending() {
            return false;
        }
        tracing::debug!(%peer, "a member that the hash table wanted did not come");
        self.alarm = None;
        self.pass_over(peer);
        true
    }
}

impl NetworkBehaviour for Table {
    type ConnectionHandler = THandler<Kad>;
    type ToSwarm = Out;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(id, peer, local, remote)
    }

    // Addresses for the caller's dials come from the caller, so the table is not asked for any.

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.kad.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.wanted.remove(&event.peer_id);
                self.open.insert(event.peer_id);
                self.consider(&event.peer_id);
            }
            FromSwarm::ConnectionClosed(event) if event.remaining_established == 0 => {
                self.open.remove(&event.peer_id);
                self.kad.remove_peer(&event.peer_id);
                self.begin_anew();
            }
            // A dial that was not begun because another one is under way says nothing about the peer.
            FromSwarm::DialFailure(event) if !matches!(event.error, DialError::DialPeerConditionFalse(_)) => {
                if let Some(peer) = event.peer_id {
                    self.wanted.remove(&peer);
                }
            }
            // What this node provides is announced with the addresses that count as external, and others pass over a
            // provider without one.
            FromSwarm::NewListenAddr(event) => {
                self.renaming.listens(event.addr);
                self.kad.on_swarm_event(FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr: event.addr }));
            }
            FromSwarm::ExpiredListenAddr(event) => {
                self.renaming.listens_no_more(event.addr);
                self.kad.on_swarm_event(FromSwarm::ExternalAddrExpired(ExternalAddrExpired { addr: event.addr }));
            }
            _ => {}
        }
    }

    /// Records of others are taken here. libp2p's table would answer a refusal with nothing: the sender waits until its
    /// time is up, and each one occupies a stream for as long as the connection lasts. An answer to another question
    /// ends it at once, and no sender takes it for a success.
    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        let FromConnection::PutRecord { mut record, request_id } = event else {
            return self.kad.on_connection_handler_event(peer, id, event);
        };
        // Who published it says nothing: the author is in the record.
        record.publisher = None;
        let (key, value) = (record.key.clone(), record.value.clone());
        let event = match self.kad.store_mut().put(record) {
            Ok(()) => ToConnection::PutRecordRes { key, value, request_id },
            Err(_) => ToConnection::GetRecordRes { record: None, closer_peers: Vec::new(), request_id },
        };
        let handler = NotifyHandler::One(id);
        self.answers.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event });
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.send_away() {
                return Poll::Ready(action);
            }
            if let Some(answer) = self.answers.pop_front() {
                return Poll::Ready(answer);
            }
            if let Some(happened) = self.kad.store_mut().report() {
                return Poll::Ready(ToSwarm::GenerateEvent(Out::Happened(happened)));
            }
            match self.kad.poll(cx) {
                Poll::Ready(ToSwarm::Dial { opts }) => {
                    if let Some(out) = opts.get_peer_id().and_then(|peer| self.want(peer)) {
                        return Poll::Ready(ToSwarm::GenerateEvent(out));
                    }
                }
                Poll::Ready(action) => return Poll::Ready(action.map_out(|event| Out::Table(Box::new(event)))),
                Poll::Pending if self.poll_wanted(cx) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
