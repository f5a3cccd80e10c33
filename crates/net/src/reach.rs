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

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::autonat::v2 as autonat;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId, dcutr, identity, relay, upnp};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::swarm::Behaviour;

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
/// Reservations and circuits that one member may ask for within [`RATE_WINDOW`].
const RATE_PER_PEER: NonZeroU32 = NonZeroU32::new(120).unwrap();
const RATE_WINDOW: Duration = Duration::from_secs(60);
/// What a member that relays speaks.
const HOP: &str = "/libp2p/circuit/relay/0.2.0/hop";

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
    dcutr: Toggle<dcutr::Behaviour>,
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
            dcutr: config.hole_punching.then(|| dcutr::Behaviour::new(local)).into(),
            autonat_client: checks.then(autonat::client::Behaviour::default).into(),
            autonat_server: checks.then(autonat::server::Behaviour::default).into(),
        }
    }
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
    bounds.reservation_rate_per_peer(RATE_PER_PEER, RATE_WINDOW).circuit_src_per_peer(RATE_PER_PEER, RATE_WINDOW)
}

/// The relays that are made use of.
pub(crate) struct Relays {
    wanted: bool,
    /// Members that relay, with the address through which others find us there.
    known: BTreeMap<PeerId, Multiaddr>,
    /// Reservations that stand or were asked for.
    listeners: BTreeMap<PeerId, ListenerId>,
    again: Interval,
}

impl Relays {
    pub(crate) fn new(config: &ReachConfig) -> Self {
        let mut again = interval_at(Instant::now() + RESERVE_AGAIN, RESERVE_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { wanted: config.use_relays, known: BTreeMap::new(), listeners: BTreeMap::new(), again }
    }

    /// Returns when it is time to look for lost reservations.
    pub(crate) async fn due(&mut self) {
        self.again.tick().await;
    }

    /// A member has said what it speaks and where it listens.
    pub(crate) fn heard(&mut self, peer: PeerId, protocols: &[libp2p::StreamProtocol], listens: &[Multiaddr]) {
        let relays = protocols.iter().any(|protocol| protocol.as_ref() == HOP);
        match best_address(listens).filter(|_| relays && self.wanted) {
            None => drop(self.known.remove(&peer)),
            Some(address) if self.known.contains_key(&peer) || self.known.len() < RELAYS_USED_MAX => {
                self.known.insert(peer, address);
            }
            Some(_) => {}
        }
    }

    /// Asks every known relay that is let in for a reservation, where none stands.
    pub(crate) fn reserve(&mut self, swarm: &mut Swarm<Behaviour>) {
        for (peer, address) in &self.known {
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

    /// A listener is gone; if it was a reservation, it is asked for again later.
    pub(crate) fn closed(&mut self, listener: ListenerId) {
        self.listeners.retain(|_, other| *other != listener);
    }

    /// The member is gone.
    pub(crate) fn gone(&mut self, peer: &PeerId) {
        self.known.remove(peer);
    }
}

/// The address of a relay that others most likely can dial: one that leads off its own machine comes first.
fn best_address(listens: &[Multiaddr]) -> Option<Multiaddr> {
    let direct = |address: &&Multiaddr| !is_relayed(address);
    let here = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    };
    let mut best: Option<&Multiaddr> = None;
    for address in listens.iter().filter(direct) {
        if best.is_none_or(|best| here(best) && !here(address)) {
            best = Some(address);
        }
    }
    best.map(|address| without_peer(address.clone()))
}

/// Whether an address leads through a relay.
fn is_relayed(address: &Multiaddr) -> bool {
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

    #[tokio::test]
    async fn no_more_relays_are_used_than_help() {
        let mut relays = Relays::new(&ReachConfig::default());
        let hop = [libp2p::StreamProtocol::new(HOP)];
        let at: [Multiaddr; 1] = ["/ip4/10.0.0.7/tcp/2".parse().unwrap()];
        for _ in 0..10 {
            relays.heard(PeerId::random(), &hop, &at);
        }
        assert_eq!(relays.known.len(), RELAYS_USED_MAX);
        let one = *relays.known.keys().next().unwrap();
        relays.heard(one, &[], &at);
        assert_eq!(relays.known.len(), RELAYS_USED_MAX - 1, "it relays no more");
    }
}
