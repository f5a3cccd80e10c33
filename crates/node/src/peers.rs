//! The peer registry: what this node knows of every other one, and what it thinks of it.
//!
//! Trust changes in one place, [`Registry::set_trust`], so that every transition is logged and none goes around the
//! rules. What a peer claims about itself is bounded by the network side before it comes here.

use std::collections::BTreeMap;

use antiphon_core::charter::Membership;
use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::log::NodeClock;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;

use crate::api::{PEER_TIMEOUT_MS, PeerView, Trust};
use crate::clock::has_come;

/// Most peers that are remembered: the members of the largest team, and as many strangers again.
pub(crate) const PEERS_MAX: usize = 1_024;
/// Most addresses that are kept of one peer.
pub(crate) const ADDRESSES_MAX: usize = 16;
/// Wait before the first new attempt to reach a member, in milliseconds; it doubles with every failure.
const REDIAL_FIRST_MS: u64 = 500;
/// Longest wait between two attempts, in milliseconds.
const REDIAL_LONGEST_MS: u64 = 30_000;

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its name, as the charter or its handshake says.
    pub(crate) name: String,
    /// How far it is trusted.
    pub(crate) trust: Trust,
    /// Why the last attempt failed; `None` after a success.
    pub(crate) reason: Option<Reason>,
    /// Where it may be reached, the most recently confirmed first.
    pub(crate) addresses: Vec<String>,
    pub(crate) agent_version: Option<String>,
    /// The store that was pinned at the first handshake.
    pub(crate) store: Option<StoreId>,
    /// Facts received from it so far.
    pub(crate) facts: u64,
    pub(crate) last_seen: Option<UnixMillis>,
    pub(crate) last_success: Option<UnixMillis>,
    /// What it has confirmed to hold.
    pub(crate) holds: Option<NodeClock>,
    /// Whether there is a connection now; never persisted.
    pub(crate) connected: bool,
    /// Failed attempts in a row; never persisted.
    pub(crate) failures: u32,
    /// When it may be dialled again; never persisted.
    pub(crate) dial_at: UnixMillis,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            name: String::new(),
            trust: Trust::Unknown,
            reason: None,
            addresses: Vec::new(),
            agent_version: None,
            store: None,
            facts: 0,
            last_seen: None,
            last_success: None,
            holds: None,
            connected: false,
            failures: 0,
            dial_at: UnixMillis(0),
        }
    }
}

impl Peer {
    /// Puts addresses in front of those that are known.
    pub(crate) fn learn_addresses(&mut self, fresh: impl IntoIterator<Item = String>) {
        let mut addresses: Vec<String> = Vec::with_capacity(ADDRESSES_MAX);
        for address in fresh.into_iter().chain(std::mem::take(&mut self.addresses)) {
            if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        self.addresses = addresses;
    }

    /// Puts addresses that anybody could have named behind those that are known; they take the place of none.
    pub(crate) fn hear_addresses(&mut self, named: &[String]) {
        let known = std::mem::take(&mut self.addresses);
        self.learn_addresses(known.into_iter().chain(named.iter().cloned()));
    }

    /// An attempt to reach it failed: the next one waits longer.
    pub(crate) fn failed(&mut self, reason: Reason, now: UnixMillis) {
        self.reason = Some(reason);
        let wait = REDIAL_FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(REDIAL_LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        self.dial_at = now.after(wait);
    }

    /// The connection or its session ended: try again after the first wait, or as failures ask.
    pub(crate) fn dial_soon(&mut self, now: UnixMillis) {
        self.dial_at = self.dial_at.max(now.after(REDIAL_FIRST_MS));
    }

    /// It was reached.
    pub(crate) fn reached(&mut self, now: UnixMillis) {
        self.failures = 0;
        self.dial_at = now;
        self.last_seen = Some(now);
    }
}

/// Every known peer, ordered by id.
#[derive(Debug, Default)]
pub(crate) struct Registry(BTreeMap<NodeId, Peer>);

impl Registry {
    pub(crate) fn get(&self, node: &NodeId) -> Option<&Peer> {
        self.0.get(node)
    }

    pub(crate) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Peer> {
        self.0.get_mut(node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Peer)> {
        self.0.iter()
    }

    pub(crate) fn insert(&mut self, node: NodeId, peer: Peer) {
        self.0.insert(node, peer);
    }

    /// The entry of `node`, made if there is room or `member` says that it matters.
    pub(crate) fn entry(&mut self, node: NodeId, member: bool) -> Option<&mut Peer> {
        if !self.0.contains_key(&node) && self.0.len() >= PEERS_MAX && !member {
            return None;
        }
        Some(self.0.entry(node).or_default())
    }

    /// Changes trust and logs it.
    pub(crate) fn set_trust(&mut self, node: &NodeId, trust: Trust, reason: Option<Reason>) {
        let Some(peer) = self.0.get_mut(node) else { return };
        if peer.trust != trust || peer.reason != reason {
            let (from, to) = (peer.trust.name(), trust.name());
            tracing::info!(peer = %node, from, to, reason = reason.map(Reason::name), "trust changed");
        }
        (peer.trust, peer.reason) = (trust, reason);
    }

    /// Forgets what was learnt in the team that the node leaves: all but who is connected, and where it is.
    pub(crate) fn leave_team(&mut self) {
        self.0.retain(|_, peer| peer.connected);
        for peer in self.0.values_mut() {
            let addresses = std::mem::take(&mut peer.addresses);
            *peer = Peer { addresses, agent_version: peer.agent_version.take(), connected: true, ..Peer::default() };
        }
    }

    /// Members to greet now: no session, a connection or an address to get one, and the wait is over.
    pub(crate) fn due<S>(
        &self,
        members: &Membership,
        sessions: &BTreeMap<NodeId, S>,
        now: UnixMillis,
    ) -> Vec<(NodeId, Vec<String>)> {
        let wanted = self.0.iter().filter(|(node, peer)| {
            let reachable = peer.connected || !peer.addresses.is_empty();
            !sessions.contains_key(node)
                && reachable
                && has_come(peer.dial_at, now, REDIAL_LONGEST_MS)
                && members.check(node, now).is_ok()
        });
        wanted.map(|(node, peer)| (*node, peer.addresses.clone())).collect()
    }

    /// Verified peers without a connection that have been silent for too long.
    pub(crate) fn expire(&mut self, now: UnixMillis) -> Vec<NodeId> {
        let silent = |peer: &Peer| peer.last_seen.is_none_or(|seen| now.since(seen) > PEER_TIMEOUT_MS);
        let over = |peer: &Peer| peer.trust == Trust::Verified && !peer.connected && silent(peer);
        let nodes: Vec<NodeId> = self.0.iter().filter(|(_, peer)| over(peer)).map(|(node, _)| *node).collect();
        for node in &nodes {
            self.set_trust(node, Trust::Expired, None);
        }
        nodes
    }

    /// The peer as it is shown. `ours` is what we hold ourselves, for the lag.
    pub(crate) fn view(&self, node: &NodeId, members: &Membership, ours: &NodeClock) -> PeerView {
        let peer = self.0.get(node).cloned().unwrap_or_default();
        let member = members.members().find(|(key, _)| *key == node).map(|(_, member)| member);
        let name = member.map(|member| member.grant.name.clone()).unwrap_or(peer.name);
        PeerView {
            peer_id: *node,
            name,
            trust: peer.trust,
            roles: member.map(|member| member.grant.roles.clone()).unwrap_or_default(),
            steward: members.is_steward(node),
            connected: peer.connected,
            addresses: peer.addresses,
            agent_version: peer.agent_version,
            store_id: peer.store,
            fact_count: peer.facts,
            lag_events: peer.holds.map(|holds| lag(ours, &holds)),
            last_seen: peer.last_seen,
            last_success: peer.last_success,
            reason: peer.reason,
        }
    }
}

/// Events that `ours` counts and `theirs` does not.
fn lag(ours: &NodeClock, theirs: &NodeClock) -> u64 {
    let behind = ours.iter().map(|(log, head)| head.seq.saturating_sub(theirs.get(log).map_or(0, |held| held.seq)));
    behind.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: NodeId = NodeId([2; 32]);

    #[test]
    fn a_peer_that_fails_is_tried_less_and_less_often() {
        let mut peer = Peer::default();
        let mut waits = Vec::new();
        for _ in 0..20 {
            peer.failed(Reason::NetworkRefused, UnixMillis(0));
            waits.push(peer.dial_at.0);
        }
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((waits[0], waits[19]), (REDIAL_FIRST_MS, REDIAL_LONGEST_MS));
        peer.reached(UnixMillis(7));
        peer.failed(Reason::NetworkRefused, UnixMillis(7));
        assert_eq!(peer.dial_at, UnixMillis(7 + REDIAL_FIRST_MS));
    }

    #[test]
    fn a_silent_peer_expires_and_nobody_else() {
        let mut registry = Registry::default();
        let peer = Peer { trust: Trust::Verified, last_seen: Some(UnixMillis(0)), ..Peer::default() };
        registry.insert(BOB, peer.clone());
        registry.insert(NodeId([3; 32]), Peer { connected: true, ..peer });
        assert_eq!(registry.expire(UnixMillis(PEER_TIMEOUT_MS)), []);
        assert_eq!(registry.expire(UnixMillis(PEER_TIMEOUT_MS + 1)), [BOB]);
        assert_eq!(registry.get(&BOB).unwrap().trust, Trust::Expired);
    }

    #[test]
    fn strangers_cannot_fill_the_registry_against_members() {
        let mut registry = Registry::default();
        for n in 0..PEERS_MAX {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            assert!(registry.entry(NodeId(key), false).is_some());
        }
        assert!(registry.entry(NodeId([255; 32]), false).is_none());
        assert!(registry.entry(NodeId([255; 32]), true).is_some());
    }

    #[test]
    fn a_node_that_moves_takes_no_pins_and_no_trust_along() {
        let mut registry = Registry::default();
        let pinned = Peer { trust: Trust::Verified, store: Some(StoreId([7; 16])), ..Peer::default() };
        registry.insert(NodeId([3; 32]), pinned.clone());
        registry.insert(BOB, Peer { connected: true, addresses: vec!["/a".to_owned()], ..pinned });
        registry.leave_team();
        let bob = Peer { connected: true, addresses: vec!["/a".to_owned()], ..Peer::default() };
        assert_eq!(registry.iter().collect::<Vec<_>>(), [(&BOB, &bob)]);
    }

    #[test]
    fn whoever_invents_addresses_drives_out_no_known_one() {
        let mut peer = Peer::default();
        peer.learn_addresses(["/home".to_owned(), "/work".to_owned()]);
        peer.hear_addresses(&(0..40).map(|n| format!("/eve/{n}")).collect::<Vec<_>>());
        assert_eq!(peer.addresses.len(), ADDRESSES_MAX);
        assert_eq!(peer.addresses[..3], ["/home", "/work", "/eve/0"]);
    }

    #[test]
    fn addresses_are_bounded_and_the_newest_come_first() {
        let mut peer = Peer::default();
        peer.learn_addresses((0..20).map(|n| format!("/a/{n}")));
        peer.learn_addresses(["/b".to_owned(), "/a/3".to_owned()]);
        assert_eq!(peer.addresses.len(), ADDRESSES_MAX);
        assert_eq!(peer.addresses[..3], ["/b", "/a/3", "/a/0"]);
    }
}
