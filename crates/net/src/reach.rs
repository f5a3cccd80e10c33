//! How nodes reach each other that no address leads to.
//!
//! A machine behind a router can dial and cannot be dialled. Four things help, each for members only, like everything
//! behind the gate:
//!
//! - a member that others can dial **relays** for those that cannot be (circuit relay v2): whoever sees that a member
//!   relays asks it for a reservation, and is reachable through it from then on;
//! - two that have met through a relay try to **punch a hole** towards each other (dcutr), and let go of the relayed
//!   connection when they have;
//! - members tell each other whether an address really leads here (**autonat** v2), before it is told to others;
//! - a router can be asked to forward a port (**UPnP**).
//!
//! Limits: a relay sees who talks to whom, when and how much, and nothing of what is said. UPnP speaks to whatever
//! answers on the local network, and relaying costs the relay's traffic, so both are off unless a person wants them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::autonat::v2 as autonat;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate, Swarm};
use libp2p::{Multiaddr, PeerId, StreamProtocol, dcutr, identity, relay, upnp};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::gate::Gate;
use crate::swarm::{Behaviour, Members};

/// Most members whose relaying is made use of at the same time.
pub const RELAYS_USED_MAX: usize = 2;
/// How often a reservation that was lost is asked for again.
const RESERVE_AGAIN: Duration = Duration::from_secs(30);
/// Most members that a relay keeps reachable, and most connections that it carries.
const RESERVATIONS_MAX: usize = 512;
const CIRCUITS_MAX: usize = 512;
/// Most connections that one member may have carried.
const CIRCUITS_PER_PEER_MAX: usize = 64;
/// How long one connection is carried.
const CIRCUIT_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// Reservations, and circuits, that one member may ask for in a row.
const IN_A_ROW_MAX: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// After so long it may ask for one more. A member dials others again that are away, each by way of the relay.
const ONE_MORE: Duration = Duration::from_millis(500);
/// Longer than any node runs.
const HALFWAY_DEADLINE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// What a member that relays speaks.
const HOP: &str = "/libp2p/circuit/relay/0.2.0/hop";
/// What a member that can be met halfway speaks.
const DCUTR: &str = "/libp2p/dcutr";

/// How a node makes itself reachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachConfig {
    /// Whether to relay for members that cannot be dialled.
    pub relay: bool,
    /// Whether to be reachable through members that relay.
    pub use_relays: bool,
    /// Whether to try for a direct connection with whom one was met through a relay.
    pub hole_punching: bool,
    /// Whether to have members check which of our addresses lead here, and to check theirs.
    pub autonat: bool,
    /// Whether to ask the router to forward a port.
    pub upnp: bool,
}

impl Default for ReachConfig {
    fn default() -> Self {
        Self { relay: false, use_relays: true, hole_punching: true, autonat: true, upnp: false }
    }
}

/// What members speak to reach each other.
#[derive(NetworkBehaviour)]
pub(crate) struct Reach {
    relay: Toggle<relay::Behaviour>,
    circuits: relay::client::Behaviour,
    pub(crate) dcutr: Toggle<Gate<dcutr::Behaviour>>,
    autonat_client: Toggle<autonat::client::Behaviour>,
    autonat_server: Toggle<autonat::server::Behaviour>,
}

impl Reach {
    /// `circuits` belongs to the transport that dials through relays.
    pub(crate) fn new(config: &ReachConfig, key: &identity::Keypair, circuits: relay::client::Behaviour) -> Self {
        let local = key.public().to_peer_id();
        let relay = config.relay.then(|| relay::Behaviour::new(local, relay_config()));
        let checks = config.autonat;
        Self {
            relay: relay.into(),
            circuits,
            dcutr: config.hole_punching.then(|| halfway(local)).into(),
            autonat_client: checks.then(autonat::client::Behaviour::default).into(),
            autonat_server: checks.then(autonat::server::Behaviour::default).into(),
        }
    }
}

/// Hole punching with a gate of its own, see [`Reaching::meet_halfway`]. This gate ends no connection.
fn halfway(local: PeerId) -> Gate<dcutr::Behaviour> {
    Gate::new(dcutr::Behaviour::new(local), HALFWAY_DEADLINE, usize::MAX)
}

/// The behaviour that asks the router, if it is to be asked.
pub(crate) fn router(config: &ReachConfig) -> Toggle<upnp::tokio::Behaviour> {
    config.upnp.then(upnp::tokio::Behaviour::default).into()
}

/// A relay for members: they are known, so there are bounds only against a member that runs wild.
fn relay_config() -> relay::Config {
    let bounds = relay::Config {
        max_reservations: RESERVATIONS_MAX,
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: CIRCUITS_PER_PEER_MAX,
        max_circuit_duration: CIRCUIT_LIFE,
        // Not bounded: a first sync or a document takes what it takes.
        max_circuit_bytes: 0,
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    };
    bounds.reservation_rate_per_peer(IN_A_ROW_MAX, ONE_MORE).circuit_src_per_peer(IN_A_ROW_MAX, ONE_MORE)
}

/// What connected peers say they speak, and the relays that are made use of.
pub(crate) struct Reaching {
    use_relays: bool,
    /// Peers that say they relay, with the address through which others find us there. A stranger may say so too, so
    /// what counts is that the gate is open.
    relays: BTreeMap<PeerId, Multiaddr>,
    /// Peers that say they can be met halfway. They speak it only with whom they let in.
    punchers: BTreeSet<PeerId>,
    /// Reservations that stand or were asked for.
    listeners: BTreeMap<PeerId, ListenerId>,
    /// Connections that lead through a relay, and whether we dialled.
    relayed: BTreeMap<PeerId, Vec<(ConnectionId, bool)>>,
    again: Interval,
}

impl Reaching {
    pub(crate) fn new(config: &ReachConfig) -> Self {
        let mut again = interval_at(Instant::now() + RESERVE_AGAIN, RESERVE_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            use_relays: config.use_relays,
            relays: BTreeMap::new(),
            punchers: BTreeSet::new(),
            listeners: BTreeMap::new(),
            relayed: BTreeMap::new(),
            again,
        }
    }

    /// Returns when it is time to look for lost reservations.
    pub(crate) async fn due(&mut self) {
        self.again.tick().await;
    }

    /// A connected peer has said what it speaks and where it listens.
    pub(crate) fn heard(&mut self, peer: PeerId, protocols: &[StreamProtocol], listens: &[Multiaddr]) {
        let speaks = |name: &str| protocols.iter().any(|protocol| protocol.as_ref() == name);
        match best_address(listens).filter(|_| speaks(HOP)) {
            Some(address) => drop(self.relays.insert(peer, address)),
            None => drop(self.relays.remove(&peer)),
        }
        if speaks(DCUTR) {
            self.punchers.insert(peer);
        }
    }

    /// A connection stands.
    pub(crate) fn connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        if endpoint.is_relayed() {
            self.relayed.entry(peer).or_default().push((id, endpoint.is_dialer()));
        }
    }

    /// The last connection with a peer is gone.
    pub(crate) fn gone(&mut self, peer: &PeerId) {
        self.relays.remove(peer);
        self.punchers.remove(peer);
        self.relayed.remove(peer);
    }

    /// A listener is gone; if it was a reservation, it is asked for again later.
    pub(crate) fn closed(&mut self, listener: ListenerId) {
        self.listeners.retain(|_, other| *other != listener);
    }

    /// A direct connection stands: the connections that it takes the place of.
    pub(crate) fn punched(&mut self, peer: &PeerId) -> Vec<ConnectionId> {
        self.relayed.remove(peer).unwrap_or_default().into_iter().map(|(id, _)| id).collect()
    }

    /// Asks relays that are let in for reservations, up to [`RELAYS_USED_MAX`].
    pub(crate) fn reserve(&mut self, swarm: &mut Swarm<Behaviour>) {
        for (peer, address) in &self.relays {
            if !self.use_relays || self.listeners.len() >= RELAYS_USED_MAX {
                return;
            }
            if self.listeners.contains_key(peer) || !swarm.behaviour().gate.is_open(peer) {
                continue;
            }
            let through = address.clone().with(Protocol::P2p(*peer)).with(Protocol::P2pCircuit);
            match swarm.listen_on(through) {
                Ok(listener) => drop(self.listeners.insert(*peer, listener)),
                Err(error) => tracing::warn!(%peer, %error, "a member's relay cannot be used"),
            }
        }
    }

    /// Members that reach us here directly may meet us halfway here, too.
    pub(crate) fn may_be_met_at(address: &Multiaddr, members: &mut Gate<Members>) {
        if let Some(dcutr) = members.inner_mut().reach.dcutr.as_mut().filter(|_| !is_relayed(address)) {
            dcutr.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr: address }));
        }
    }

    /// Lets a member that is let in meet us halfway. Who was dialled through a relay begins, and it begins the moment it
    /// may: so it waits until the other side has said that it may as well.
    pub(crate) fn meet_halfway(&self, peer: PeerId, members: &mut Gate<Members>) {
        let begins = self.relayed.get(&peer).is_some_and(|relayed| relayed.iter().any(|(_, dialled)| !dialled));
        if !members.is_open(&peer) || (begins && !self.punchers.contains(&peer)) {
            return;
        }
        if let Some(dcutr) = members.inner_mut().reach.dcutr.as_mut() {
            // Whether it is open is reported, and nobody waits for it.
            let _ = dcutr.open(peer);
        }
    }
}

/// The address of a relay that others most likely can dial: one that leads off its own machine comes first.
fn best_address(listens: &[Multiaddr]) -> Option<Multiaddr> {
    let direct = |address: &&Multiaddr| !is_relayed(address);
    let mut best: Option<&Multiaddr> = None;
    for address in listens.iter().filter(direct) {
        if best.is_none_or(|best| is_here(best) && !is_here(address)) {
            best = Some(address);
        }
    }
    best.map(|address| without_peer(address.clone()))
}

/// Whether an address leads to whatever machine it is used on.
pub(crate) fn is_here(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

/// Whether an address leads through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The address without the peer id at its end.
pub(crate) fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_a_relay_without_end_gets_so_many_and_then_two_a_second() {
        let address: Multiaddr = "/ip4/10.0.0.7/tcp/2".parse().unwrap();
        let (mallory, bob) = (PeerId::random(), PeerId::random());
        let relay::Config { reservation_rate_limiters, circuit_src_rate_limiters, .. } = relay_config();
        for mut limiter in reservation_rate_limiters.into_iter().chain(circuit_src_rate_limiters) {
            let began = std::time::Instant::now();
            let mut given = |who: PeerId, tries: usize, after: Duration| {
                (0..tries).filter(|_| limiter.try_next(who, &address, began + after)).count()
            };
            assert_eq!(given(mallory, 1_000, Duration::ZERO), 120);
            assert_eq!(given(bob, 10, Duration::ZERO), 10, "what others ask for is theirs");
            assert_eq!(given(mallory, 1_000, Duration::from_secs(10)), 20);
            assert_eq!(given(mallory, 1_000, Duration::from_secs(3_600)), 120);
        }
    }

    #[test]
    fn a_relay_is_known_by_an_address_that_leads_off_its_machine() {
        let best = |texts: &[&str]| {
            let addresses: Vec<Multiaddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
            best_address(&addresses).map(|address| address.to_string())
        };
        assert_eq!(best(&["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.7/tcp/2"]).unwrap(), "/ip4/10.0.0.7/tcp/2");
        assert_eq!(best(&["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/2"]).unwrap(), "/ip4/127.0.0.1/tcp/1");
        let relay = PeerId::random();
        assert_eq!(best(&[&format!("/ip4/10.0.0.7/tcp/2/p2p/{relay}/p2p-circuit")]), None);
        assert_eq!(best(&[&format!("/ip4/10.0.0.7/tcp/2/p2p/{relay}")]).unwrap(), "/ip4/10.0.0.7/tcp/2");
    }
}
