//! The peer registry: what this node knows of every other one, and what it thinks of it.
//!
//! Trust changes in one place, [`Registry::set_trust`], so that every transition is logged and counted and none goes
//! around the rules: a peer that was refused or has expired is that until a handshake with it succeeds. What a peer
//! claims about itself is bounded by the network side before it comes here.

use std::collections::BTreeMap;

use antiphon_core::announce::{FederationConfig, StorageConfig};
use antiphon_core::charter::Membership;
use antiphon_core::ids::{EventId, Hash, NodeId, StoreId};
use antiphon_core::log::NodeClock;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::handshake::ADDRESS_BYTES_MAX;
use antiphon_protocol::reason::{About, Reason};
use antiphon_store::{CARRIED_LIFE_MS, PeerMode};

use crate::api::{HealthErrorView, HealthView, PeerStats, PeerView, Trust};
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Peer {
    /// Its name, as the charter or its handshake says.
    pub(crate) name: String,
    /// How far it is trusted.
    pub(crate) trust: Trust,
    /// Why it was refused, or else why the last attempt failed; `None` after a success.
    pub(crate) reason: Option<Reason>,
    /// Whether it was the peer that refused us.
    pub(crate) by_peer: bool,
    /// When a handshake with it was carried by hand, if it was not reached since.
    pub(crate) by_hand: Option<UnixMillis>,
    /// Where it may be reached, the most recently confirmed first.
    pub(crate) addresses: Vec<String>,
    pub(crate) agent_version: Option<String>,
    /// When that was seen.
    pub(crate) version_observed_at: Option<UnixMillis>,
    /// The store that was pinned at the first handshake.
    pub(crate) store: Option<StoreId>,
    /// The genome hash it named last.
    pub(crate) genome: Option<Hash>,
    /// The last handshake that it answered, or asked for.
    pub(crate) handshake_at: Option<UnixMillis>,
    /// Facts received from it so far.
    pub(crate) facts: u64,
    pub(crate) last_seen: Option<UnixMillis>,
    /// The last time events were exchanged, or both sides found that they hold the same.
    pub(crate) last_sync: Option<UnixMillis>,
    /// The last time both sides held the same.
    pub(crate) last_success: Option<UnixMillis>,
    /// The last event received from it.
    pub(crate) last_event: Option<EventId>,
    /// What it has confirmed to hold.
    pub(crate) holds: Option<NodeClock>,
    /// When both sides were last seen to hold the same.
    pub(crate) equal_at: Option<UnixMillis>,
    /// What a person set; written by whoever sets it.
    pub(crate) mode: PeerMode,
    /// Whether a person set that it gets the texts of some domains only; written by whoever sets it.
    pub(crate) filtered: bool,
    /// How much it said that it stores for others.
    pub(crate) storage: Option<StorageConfig>,
    /// How it said that it takes part in sharing.
    pub(crate) federation: Option<FederationConfig>,
    /// Failed attempts since the last success.
    pub(crate) errors: u64,
    /// The last failure, also after a success.
    pub(crate) last_error: Option<HealthErrorView>,
    /// Whether its genome was another than ours when it was last greeted; never persisted.
    pub(crate) out_of_step: bool,
    /// Whether there is a connection now; never persisted.
    pub(crate) connected: bool,
    /// Failed attempts in a row since the start, for the waits between them; never persisted.
    pub(crate) failures: u32,
    /// When it may be dialled again; never persisted.
    pub(crate) dial_at: UnixMillis,
}

impl Peer {
    /// Puts addresses in front of those that are known.
    pub(crate) fn learn_addresses(&mut self, fresh: impl IntoIterator<Item = String>) {
        let mut addresses: Vec<String> = Vec::with_capacity(ADDRESSES_MAX);
        for address in fresh.into_iter().chain(std::mem::take(&mut self.addresses)) {
            let fits = addresses.len() < ADDRESSES_MAX && address.len() <= ADDRESS_BYTES_MAX;
            if fits && !addresses.contains(&address) {
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
        // That it cannot be reached now is no news about a peer that was refused.
        if self.trust != Trust::Rejected || !reason.is_network() {
            self.reason = Some(reason);
        }
        self.errors = self.errors.saturating_add(1);
        self.last_error = Some(HealthErrorView { reason, event: None, fact: None, observed_at: now });
        let wait = REDIAL_FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(REDIAL_LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        self.dial_at = now.after(wait);
    }

    /// Something is wrong with an event that it handed over; there is nothing to wait for.
    pub(crate) fn observed(&mut self, reason: Reason, about: About, now: UnixMillis) {
        self.last_error =
            Some(HealthErrorView { reason, event: Some(about.event), fact: about.fact, observed_at: now });
    }

    /// The last failure is about this event.
    pub(crate) fn is_about(&mut self, about: About) {
        if let Some(error) = &mut self.last_error {
            (error.event, error.fact) = (Some(about.event), about.fact);
        }
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
        self.by_hand = None;
    }

    /// It said which version it runs.
    pub(crate) fn runs(&mut self, version: String, now: UnixMillis) {
        self.agent_version = Some(version);
        self.version_observed_at = Some(now);
    }

    /// All went well.
    pub(crate) fn succeeded(&mut self, now: UnixMillis) {
        self.reached(now);
        self.reason = None;
        self.errors = 0;
        self.last_success = Some(now);
    }

    /// A person accepts whatever store it comes with next: forgets the pin and what the pinned store held.
    pub(crate) fn reset(&mut self, now: UnixMillis) {
        (self.store, self.holds, self.last_event, self.last_seen) = (None, None, None, None);
        self.equal_at = None;
        self.by_hand = None;
        self.failures = 0;
        self.dial_at = now;
    }

    fn health(&self) -> HealthView {
        HealthView {
            version: self.agent_version.clone(),
            version_observed_at: self.version_observed_at,
            last_success: self.last_success,
            consecutive_failures: self.errors,
            last_error: self.last_error.clone(),
        }
    }
}

/// Every known peer, ordered by id.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    peers: BTreeMap<NodeId, Peer>,
    /// How often trust changed from what to what.
    transitions: BTreeMap<(Trust, Trust), u64>,
}

impl Registry {
    pub(crate) fn get(&self, node: &NodeId) -> Option<&Peer> {
        self.peers.get(node)
    }

    pub(crate) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Peer> {
        self.peers.get_mut(node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Peer)> {
        self.peers.iter()
    }

    pub(crate) fn insert(&mut self, node: NodeId, peer: Peer) {
        self.peers.insert(node, peer);
    }

    /// The entry of `node`, made if there is room or `member` says that it matters.
    pub(crate) fn entry(&mut self, node: NodeId, member: bool) -> Option<&mut Peer> {
        if !self.peers.contains_key(&node) && self.peers.len() >= PEERS_MAX && !member {
            return None;
        }
        Some(self.peers.entry(node).or_default())
    }

    /// Forgets a peer; says whether it was known.
    pub(crate) fn remove(&mut self, node: &NodeId) -> bool {
        self.peers.remove(node).is_some()
    }

    /// Changes trust, logs it and counts it.
    pub(crate) fn set_trust(&mut self, node: &NodeId, trust: Trust, reason: Option<Reason>) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        let (from, to) = (peer.trust, trust);
        if from != to {
            *self.transitions.entry((from, to)).or_default() += 1;
        }
        if from != to || peer.reason != reason {
            tracing::info!(peer = %node, %from, %to, reason = reason.map(Reason::name), "trust changed");
        }
        (peer.trust, peer.reason) = (trust, reason);
    }

    /// A handshake begins. Whoever was trusted, refused or silent before is that until it ends.
    pub(crate) fn greeting(&mut self, node: &NodeId) {
        if let Some(reason) = self.get(node).filter(|peer| peer.trust == Trust::Unknown).map(|peer| peer.reason) {
            self.set_trust(node, Trust::Pending, reason);
        }
    }

    /// A handshake told nothing about the peer.
    pub(crate) fn unanswered(&mut self, node: &NodeId) {
        if let Some(reason) = self.get(node).filter(|peer| peer.trust == Trust::Pending).map(|peer| peer.reason) {
            self.set_trust(node, Trust::Unknown, reason);
        }
    }

    /// How often trust changed from what to what.
    pub(crate) fn transitions(&self) -> &BTreeMap<(Trust, Trust), u64> {
        &self.transitions
    }

    /// Whether `node` proved that it belongs to the team, and was not silent for too long since.
    pub(crate) fn is_trusted(&self, node: &NodeId) -> bool {
        self.get(node).is_some_and(|peer| peer.trust == Trust::Verified)
    }

    /// `node` gave a sign of life.
    pub(crate) fn touch(&mut self, node: &NodeId, now: UnixMillis) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.last_seen = Some(now);
        }
    }

    /// Events were exchanged with `node`, `facts` facts of its among them.
    pub(crate) fn record_sync(&mut self, node: &NodeId, facts: u64, now: UnixMillis) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.facts = peer.facts.saturating_add(facts);
            (peer.last_sync, peer.last_seen) = (Some(now), Some(now));
        }
    }

    /// Forgets those who are no members, are not connected and were last heard of before `before`; says whom.
    pub(crate) fn forget_unseen(&mut self, members: &Membership, before: UnixMillis) -> Vec<NodeId> {
        let is_member = |node: &NodeId| members.members().any(|(member, _)| member == node);
        let heard = |peer: &Peer| peer.last_seen.max(peer.handshake_at);
        let gone = |(node, peer): &(&NodeId, &Peer)| {
            !peer.connected && heard(peer).is_none_or(|at| at < before) && !is_member(node)
        };
        let nodes: Vec<NodeId> = self.peers.iter().filter(gone).map(|(node, _)| *node).collect();
        nodes.iter().for_each(|node| drop(self.peers.remove(node)));
        nodes
    }

    /// The registry in numbers. Members that were never met count as unknown.
    pub(crate) fn stats(&self, own: (NodeId, &str), members: &Membership, backups: usize) -> PeerStats {
        let met = self.peers.iter().map(|(node, peer)| (*node, peer.trust));
        let unmet = members.members().map(|(node, _)| (*node, Trust::Unknown));
        // Whom we have met comes last and stays.
        let mut all: BTreeMap<NodeId, Trust> = unmet.chain(met).collect();
        all.remove(&own.0);
        let mut by_trust: BTreeMap<Trust, usize> = Trust::ALL.into_iter().map(|trust| (trust, 0)).collect();
        all.values().for_each(|trust| *by_trust.entry(*trust).or_default() += 1);
        PeerStats {
            self_id: own.0,
            node_name: own.1.to_owned(),
            total_peers: all.len(),
            by_trust,
            total_backups: backups,
        }
    }

    /// Forgets what was learnt in the team that the node leaves: all but who is connected, and where it is. Says whom
    /// it forgot altogether.
    pub(crate) fn leave_team(&mut self) -> Vec<NodeId> {
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in &nodes {
            self.set_trust(node, Trust::Unknown, None);
        }
        self.peers.retain(|_, peer| peer.connected);
        for peer in self.peers.values_mut() {
            let (addresses, agent_version) = (std::mem::take(&mut peer.addresses), peer.agent_version.take());
            let (version_observed_at, mode, filtered) = (peer.version_observed_at, peer.mode, peer.filtered);
            let settings = Peer { mode, filtered, connected: true, ..Peer::default() };
            *peer = Peer { addresses, agent_version, version_observed_at, ..settings };
        }
        nodes.into_iter().filter(|node| !self.peers.contains_key(node)).collect()
    }

    /// Nobody is waited for any longer before it is dialled again.
    pub(crate) fn hurry(&mut self, now: UnixMillis) {
        self.peers.values_mut().for_each(|peer| peer.dial_at = peer.dial_at.min(now));
    }

    /// Members to greet now: no session, a connection or an address to get one, and the wait is over.
    pub(crate) fn due<S>(
        &self,
        members: &Membership,
        sessions: &BTreeMap<NodeId, S>,
        now: UnixMillis,
    ) -> Vec<(NodeId, Vec<String>)> {
        let wanted = self.peers.iter().filter(|(node, peer)| {
            let reachable = peer.connected || !peer.addresses.is_empty();
            !sessions.contains_key(node)
                && reachable
                && has_come(peer.dial_at, now, REDIAL_LONGEST_MS)
                && members.check(node, now).is_ok()
        });
        wanted.map(|(node, peer)| (*node, peer.addresses.clone())).collect()
    }

    /// Verified peers without a connection that have been silent for longer than `timeout_ms`; they are expired now.
    pub(crate) fn expire(&mut self, now: UnixMillis, timeout_ms: u64) -> Vec<NodeId> {
        // Whoever is greeted by hand is silent for as long as files take.
        let carried = |peer: &Peer| peer.by_hand.is_some_and(|at| now.since(at) <= CARRIED_LIFE_MS);
        let silent = |peer: &Peer| !carried(peer) && peer.last_seen.is_none_or(|seen| now.since(seen) > timeout_ms);
        let over = |peer: &Peer| peer.trust == Trust::Verified && !peer.connected && silent(peer);
        let nodes: Vec<NodeId> = self.peers.iter().filter(|(_, peer)| over(peer)).map(|(node, _)| *node).collect();
        for node in &nodes {
            self.set_trust(node, Trust::Expired, None);
        }
        nodes
    }

    /// The peer as it is shown. `ours` is what we hold ourselves, for the lag.
    pub(crate) fn view(&self, node: &NodeId, members: &Membership, ours: &NodeClock) -> PeerView {
        let peer = self.peers.get(node).cloned().unwrap_or_default();
        let member = members.members().find(|(key, _)| *key == node).map(|(_, member)| member);
        let health = peer.health();
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
            genome_hash: peer.genome,
            mode: peer.mode,
            handshake_at: peer.handshake_at,
            last_sync_at: peer.last_sync,
            last_event: peer.last_event,
            health,
            fact_count: peer.facts,
            lag_events: peer.holds.as_ref().map(|holds| lag(ours, holds)),
            behind_events: peer.holds.as_ref().map(|holds| lag(holds, ours)),
            equal_at: peer.equal_at,
            takes: None,
            out_of_step: peer.out_of_step,
            next_try: (!peer.connected).then_some(peer.dial_at),
            words: None,
            error_words: None,
            skew: None,
            last_seen: peer.last_seen,
            last_success: peer.last_success,
            reason: peer.reason,
            storage: peer.storage,
            federation: peer.federation,
            refused_by_peer: peer.by_peer,
            by_hand: peer.by_hand.filter(|_| peer.trust == Trust::Verified),
        }
    }
}

/// Events that `ours` counts and `theirs` does not.
pub(crate) fn lag(ours: &NodeClock, theirs: &NodeClock) -> u64 {
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
        assert_eq!(registry.expire(UnixMillis(1_000), 1_000), []);
        assert_eq!(registry.expire(UnixMillis(1_001), 1_000), [BOB]);
        assert_eq!(registry.get(&BOB).unwrap().trust, Trust::Expired);
        assert!(!registry.is_trusted(&BOB) && registry.is_trusted(&NodeId([3; 32])));
    }

    #[test]
    fn only_a_handshake_that_succeeds_makes_up_for_silence() {
        let mut registry = Registry::default();
        registry.insert(BOB, Peer { trust: Trust::Verified, ..Peer::default() });
        assert_eq!(registry.expire(UnixMillis(1), 0), [BOB]);
        for _ in 0..2 {
            registry.greeting(&BOB);
            registry.unanswered(&BOB);
            registry.touch(&BOB, UnixMillis(2));
            assert_eq!(registry.get(&BOB).unwrap().trust, Trust::Expired);
        }
        registry.set_trust(&BOB, Trust::Verified, None);
        assert!(registry.is_trusted(&BOB));
        let counted: Vec<_> = registry.transitions().iter().map(|(way, count)| (*way, *count)).collect();
        assert_eq!(counted, [((Trust::Verified, Trust::Expired), 1), ((Trust::Expired, Trust::Verified), 1)]);
    }

    #[test]
    fn somebody_new_is_pending_until_the_answer_comes() {
        let mut registry = Registry::default();
        registry.entry(BOB, true).unwrap();
        for trust in [Trust::Pending, Trust::Unknown] {
            if trust == Trust::Pending {
                registry.greeting(&BOB)
            } else {
                registry.unanswered(&BOB)
            }
            assert_eq!(registry.get(&BOB).unwrap().trust, trust);
        }
    }

    #[test]
    fn a_refusal_keeps_its_reason_while_the_peer_cannot_be_reached() {
        let mut registry = Registry::default();
        let peer = registry.entry(BOB, true).unwrap();
        peer.failed(Reason::IdentityMismatch, UnixMillis(1));
        registry.set_trust(&BOB, Trust::Rejected, Some(Reason::IdentityMismatch));
        registry.greeting(&BOB);
        registry.get_mut(&BOB).unwrap().failed(Reason::NetworkTimeout, UnixMillis(2));
        registry.unanswered(&BOB);
        let bob = registry.get(&BOB).unwrap();
        assert_eq!((bob.trust, bob.reason), (Trust::Rejected, Some(Reason::IdentityMismatch)));
        let health = bob.health();
        assert_eq!((health.consecutive_failures, health.last_error.unwrap().reason), (2, Reason::NetworkTimeout));
    }

    #[test]
    fn an_event_that_cannot_be_applied_is_named_and_is_no_failure_of_its_bearer() {
        let about = About { event: EventId([7; 16]), fact: Some(antiphon_core::ids::FactId([8; 16])) };
        let mut peer = Peer::default();
        peer.succeeded(UnixMillis(1));
        peer.observed(Reason::UnknownAction, about, UnixMillis(2));
        let named = HealthErrorView {
            reason: Reason::UnknownAction,
            event: Some(about.event),
            fact: about.fact,
            observed_at: UnixMillis(2),
        };
        let health = peer.health();
        assert_eq!((health.consecutive_failures, health.last_success), (0, Some(UnixMillis(1))));
        assert_eq!((peer.reason, peer.dial_at, health.last_error), (None, UnixMillis(1), Some(named)));
        // A failure that is about an event names it as well, and the next one that is about none does not.
        peer.failed(Reason::BadSignature, UnixMillis(3));
        peer.is_about(about);
        assert_eq!(peer.health().last_error.and_then(|error| error.event), Some(about.event));
        peer.failed(Reason::NetworkReset, UnixMillis(4));
        assert_eq!(peer.health().last_error.and_then(|error| error.event), None);
        assert_eq!(peer.health().consecutive_failures, 2);
        peer.succeeded(UnixMillis(5));
        let health = peer.health();
        assert_eq!((health.consecutive_failures, health.last_success), (0, Some(UnixMillis(5))));
        assert_eq!(health.last_error.map(|error| error.observed_at), Some(UnixMillis(4)));
    }

    #[test]
    fn a_sync_is_recorded_and_facts_add_up() {
        let mut registry = Registry::default();
        registry.record_sync(&BOB, 1, UnixMillis(1));
        assert_eq!(registry.get(&BOB), None);
        registry.entry(BOB, true).unwrap();
        registry.record_sync(&BOB, 2, UnixMillis(5));
        registry.record_sync(&BOB, 3, UnixMillis(6));
        registry.touch(&BOB, UnixMillis(9));
        let bob = registry.get(&BOB).unwrap();
        assert_eq!((bob.facts, bob.last_sync, bob.last_seen), (5, Some(UnixMillis(6)), Some(UnixMillis(9))));
    }

    #[test]
    fn a_reset_forgets_the_pin_and_can_be_repeated() {
        let mut peer = Peer { store: Some(StoreId([1; 16])), last_seen: Some(UnixMillis(1)), ..Peer::default() };
        peer.holds = Some(NodeClock::new());
        peer.reset(UnixMillis(7));
        let once = peer.clone();
        peer.reset(UnixMillis(7));
        assert_eq!(peer, once);
        assert_eq!(peer, Peer { dial_at: UnixMillis(7), ..Peer::default() });
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
        assert_eq!(registry.leave_team(), [NodeId([3; 32])]);
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
