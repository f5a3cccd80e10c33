//! How the network is put together.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, TransportError, identify, identity, mdns, multiaddr, noise, ping, relay,
    swarm, upnp,
};
use tokio::sync::mpsc;

use crate::asks;
use crate::bytes_codec::BytesCodec;
use crate::config::{Config, Protocol, StreamKind};
use crate::dht;
use crate::driver::Driver;
use crate::event::Event;
use crate::gate::Gate;
use crate::handle::{COMMANDS_MAX, NetHandle};
use crate::reach::{self, Reach, Reaching};
use crate::stream::Meters;
use crate::streams;
use crate::transport;

/// Most connections with one peer: two nodes that dial each other at the same time must both succeed, with one
/// connection fewer both may lose.
const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// Most attempts of our own to connect at the same time.
const PENDING_OUTGOING_MAX: u32 = 256;
/// Most streams on one connection that have not yet said their protocol.
const NEGOTIATING_STREAMS_MAX: usize = 32;
/// How often a connection is checked, and how long the other end has to answer.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What identify calls the protocol family.
const FAMILY: &str = "/antiphon/1";

/// Why the network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The transport's keys cannot be made.
    #[error("cannot make the transport's keys")]
    Keys(#[from] noise::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}", said(source))]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        source: TransportError<io::Error>,
    },
    /// Multicast DNS cannot start.
    #[error("cannot start multicast DNS")]
    Mdns(#[source] io::Error),
}

/// What the system says of an address that cannot be listened at; libp2p's own words leave that out.
fn said(error: &TransportError<io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => "it is an address of neither TCP nor QUIC".to_owned(),
        TransportError::Other(error) => error.to_string(),
    }
}

pub(crate) type Ask = request_response::Behaviour<BytesCodec>;

/// What only members speak.
#[derive(NetworkBehaviour)]
pub(crate) struct Members {
    pub(crate) sync: streams::Behaviour,
    pub(crate) outbox: streams::Behaviour,
    pub(crate) blocks: streams::Behaviour,
    pub(crate) replication: streams::Behaviour,
    pub(crate) backup: Ask,
    pub(crate) query: Ask,
    pub(crate) reach: Reach,
    pub(crate) dht: Toggle<dht::Table>,
}

impl Members {
    pub(crate) fn new(config: &Config, local: PeerId, meters: &Meters, reach: Reach) -> Self {
        let streams = |kind| streams::Behaviour::new(kind, meters.of(kind).clone());
        Self {
            sync: streams(StreamKind::Sync),
            outbox: streams(StreamKind::Outbox),
            blocks: streams(StreamKind::Blocks),
            replication: streams(StreamKind::Replication),
            backup: ask(Protocol::Backup, config),
            query: ask(Protocol::Query, config),
            reach,
            dht: config.dht.as_ref().map(|config| dht::Table::new(local, config)).into(),
        }
    }

    pub(crate) fn streams(&mut self, kind: StreamKind) -> &mut streams::Behaviour {
        match kind {
            StreamKind::Sync => &mut self.sync,
            StreamKind::Outbox => &mut self.outbox,
            StreamKind::Blocks => &mut self.blocks,
            StreamKind::Replication => &mut self.replication,
        }
    }
}

/// Everything the node speaks. The limits come first: what refuses a connection must do so before the others have
/// taken note of it.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) gate: Gate<Members>,
    pub(crate) handshake: Ask,
    pub(crate) join: Ask,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) router: Toggle<upnp::tokio::Behaviour>,
}

impl Behaviour {
    fn new(config: &Config, key: &identity::Keypair, members: Members, meters: &Meters) -> io::Result<Self> {
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(config.pending_incoming_max))
            .with_max_pending_outgoing(Some(PENDING_OUTGOING_MAX))
            .with_max_established_incoming(Some(config.established_incoming_max))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
        let identify = identify::Config::new(FAMILY.into(), key.public())
            .with_agent_version(config.agent_version.clone())
            .with_push_listen_addr_updates(true)
            // Whom we connect to is the caller's business, so addresses heard from strangers are not kept.
            .with_cache_size(0);
        let local = key.public().to_peer_id();
        let mdns = config.mdns.then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), local)).transpose()?;
        Ok(Self {
            limits: connection_limits::Behaviour::new(limits),
            gate: Gate::new(members, config.stranger_deadline, config.strangers_max).counting(meters.tally.clone()),
            handshake: ask(Protocol::Handshake, config),
            join: ask(Protocol::Join, config),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
            mdns: mdns.into(),
            router: reach::router(&config.reach),
        })
    }

    pub(crate) fn ask(&mut self, protocol: Protocol) -> &mut Ask {
        match protocol {
            Protocol::Handshake => &mut self.handshake,
            Protocol::Join => &mut self.join,
            Protocol::Backup => &mut self.gate.inner_mut().backup,
            Protocol::Query => &mut self.gate.inner_mut().query,
        }
    }
}

fn ask(protocol: Protocol, config: &Config) -> Ask {
    let limits = request_response::Config::default()
        .with_request_timeout(config.request_timeout)
        .with_max_concurrent_streams(asks::PER_CONNECTION_MAX);
    let name = StreamProtocol::new(protocol.name());
    request_response::Behaviour::with_codec(protocol.codec(), [(name, ProtocolSupport::Full)], limits)
}

fn build(config: &Config, meters: &Meters) -> Result<Swarm<Behaviour>, BuildError> {
    let key = key_of(config)?;
    let (dialled_through, circuits) = relay::client::new(key.public().to_peer_id());
    let transport = transport::build(&key, config.connect_timeout, dialled_through)?;
    let members = Members::new(config, key.public().to_peer_id(), meters, Reach::new(&config.reach, &key, circuits));
    let behaviour = Behaviour::new(config, &key, members, meters).map_err(BuildError::Mdns)?;
    // Above the deadline, so that it is the deadline that ends a stranger's connection, also in the logs.
    let idle = config.stranger_deadline + Duration::from_secs(1);
    let settings = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(idle)
        .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS_MAX);
    Ok(Swarm::new(transport, behaviour, key.public().to_peer_id(), settings))
}

fn key_of(config: &Config) -> Result<identity::Keypair, BuildError> {
    // The copy is zeroed by the key's constructor.
    let mut seed = *config.seed;
    identity::Keypair::ed25519_from_bytes(&mut seed).map_err(|error| BuildError::Keys(noise::Error::from(error)))
}

/// libp2p listens in a way that shares a TCP port with another node of the same user without a word, and each would
/// get some of the connections. So we look first whether somebody is there.
fn check_free(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(multiaddr::Protocol::Ip4(ip)) => ip.into(),
        Some(multiaddr::Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(multiaddr::Protocol::Tcp(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// Builds a network: its handle, its events, and the network itself as a future, which the caller spawns and which
/// ends after [`NetHandle::shutdown`] or when the last handle or the receiver of the events is dropped.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// See [`BuildError`].
pub fn new(
    config: Config,
) -> Result<(NetHandle, mpsc::Receiver<Event>, impl Future<Output = ()> + Send + 'static), BuildError> {
    let meters = Meters::default();
    let mut swarm = build(&config, &meters)?;
    for address in &config.listen {
        let listening =
            check_free(address).map_err(TransportError::Other).and_then(|()| swarm.listen_on(address.clone()));
        listening.map_err(|source| BuildError::Listen { address: address.clone(), source })?;
    }
    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (events_out, events) = mpsc::channel(config.event_capacity.max(1));
    let reaching = Reaching::new(&config.reach);
    let driver = Driver::new(swarm, commands_in, commands.downgrade(), reaching, meters.tally.clone());
    let handle = NetHandle { commands, meters, open_stream_timeout: config.open_stream_timeout };
    Ok((handle, events, driver.run(events_out)))
}
