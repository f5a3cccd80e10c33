//! Peers as the database keeps them, and back.

use std::collections::VecDeque;

use antiphon_core::ids::NodeId;
use antiphon_protocol::reason::Reason;
use antiphon_store::{Domains, Health, HealthError, PeerRow, Store};

use crate::api::{HealthErrorView, Trust};
use crate::event_loop::Engine;
use crate::inputs::Input;
use crate::peers::Peer;

/// Most peers that are written at a time, so that writes of facts need not wait long for them.
const KEPT_AT_A_TIME_MAX: usize = 16;

/// The peer of a row.
pub(crate) fn from_row(row: PeerRow) -> (NodeId, Peer) {
    let filtered = !Domains::of(&row).is_all();
    let trust = match row.trust {
        // The handshake that was under way when the node stopped is not any more.
        Trust::Pending => Trust::Unknown,
        trust => trust,
    };
    let last_error = row.health.last_error.map(|error| HealthErrorView {
        reason: Reason::from_name(&error.reason).unwrap_or(Reason::Other),
        event: error.event,
        fact: error.fact,
        observed_at: error.observed_at,
    });
    let peer = Peer {
        name: row.name,
        trust,
        reason: row.reason.as_deref().and_then(Reason::from_name),
        by_peer: row.by_peer,
        by_hand: row.by_hand,
        addresses: row.addresses,
        agent_version: row.health.version,
        version_observed_at: row.health.version_observed_at,
        store: row.store,
        genome: row.genome_hash,
        handshake_at: row.handshake_at,
        facts: row.fact_count,
        last_seen: row.last_seen,
        last_sync: row.last_sync,
        last_success: row.health.last_success,
        last_event: row.last_event,
        holds: (!row.acked.is_empty()).then_some(row.acked),
        equal_at: row.equal_at,
        mode: row.mode,
        filtered,
        storage: row.storage,
        federation: row.federation,
        errors: row.health.consecutive_failures,
        last_error,
        ..Peer::default()
    };
    (row.node, peer)
}

/// Writes what is known of a peer into its row; what other parts keep there stays, above all what a person set.
fn fill(row: &mut PeerRow, peer: &Peer) {
    row.name.clone_from(&peer.name);
    row.trust = peer.trust;
    row.reason = peer.reason.map(|reason| reason.name().to_owned());
    row.by_peer = peer.by_peer;
    row.by_hand = peer.by_hand;
    row.addresses.clone_from(&peer.addresses);
    row.store = peer.store;
    row.genome_hash = peer.genome;
    row.handshake_at = peer.handshake_at;
    row.last_seen = peer.last_seen;
    row.last_sync = peer.last_sync;
    row.last_event = peer.last_event;
    // The database counts what it stores; what it stored before the peer had a row was counted here alone.
    row.fact_count = row.fact_count.max(peer.facts);
    row.acked = peer.holds.clone().unwrap_or_default();
    row.equal_at = peer.equal_at;
    row.storage = peer.storage;
    row.federation.clone_from(&peer.federation);
    let error = |error: &HealthErrorView| HealthError {
        reason: error.reason.name().to_owned(),
        event: error.event,
        fact: error.fact,
        observed_at: error.observed_at,
    };
    row.health = Health {
        version: peer.agent_version.clone(),
        version_observed_at: peer.version_observed_at,
        last_success: peer.last_success,
        consecutive_failures: peer.errors,
        last_error: peer.last_error.as_ref().map(error),
    };
}

/// Peers that are to be written.
///
/// One write at a time, and each peer waits at most once: an older state never overwrites a newer one, and a peer that
/// comes and goes all the time costs no more than one that stays.
#[derive(Debug, Default)]
pub(crate) struct Unkept {
    waiting: VecDeque<NodeId>,
    writing: Vec<NodeId>,
}

impl Unkept {
    /// Something about `node` changed.
    fn note(&mut self, node: NodeId) {
        if !self.waiting.contains(&node) {
            self.waiting.push_back(node);
        }
    }

    /// The next peers to write; none while a write is under way.
    fn next(&mut self) -> Vec<NodeId> {
        if !self.writing.is_empty() {
            return Vec::new();
        }
        self.writing = self.waiting.drain(..self.waiting.len().min(KEPT_AT_A_TIME_MAX)).collect();
        self.writing.clone()
    }

    /// The write that was under way has ended.
    fn done(&mut self) {
        self.writing.clear();
    }

    /// Every peer that may not be written.
    fn rest(&mut self) -> Vec<NodeId> {
        self.writing.drain(..).chain(self.waiting.drain(..)).collect()
    }
}

/// A peer as it is to be written; `None` for one that was forgotten.
pub(crate) type Kept = (NodeId, Option<Peer>);

/// Writes what is known of `peers`. One that cannot be written costs the others nothing.
pub(crate) async fn keep(store: &Store, peers: Vec<Kept>) {
    let kept = store.write(move |db| {
        for (node, peer) in &peers {
            let kept = match peer {
                Some(peer) => db.update_peer(node, |row| fill(row, peer)).map(drop),
                None => db.remove_peer(node).map(drop),
            };
            if let Err(error) = kept {
                tracing::warn!(peer = %node, %error, "what is known of a peer could not be kept");
            }
        }
        Ok(())
    });
    if let Err(error) = kept.await {
        tracing::warn!(%error, "what is known of peers could not be kept");
    }
}

impl Engine {
    /// Keeps what is known of a peer, so that it is known after a restart too, or that it was forgotten.
    pub(crate) fn keep_peer(&mut self, node: &NodeId) {
        self.unkept.note(*node);
        self.keep_next();
    }

    /// A write of peers has ended.
    pub(crate) fn kept(&mut self) {
        self.unkept.done();
        self.keep_next();
    }

    fn keep_next(&mut self) {
        let nodes = self.unkept.next();
        if nodes.is_empty() {
            return;
        }
        let (store, inputs, peers) = (self.store.clone(), self.inputs.clone(), self.peers_of(nodes));
        self.tasks.spawn(async move {
            keep(&store, peers).await;
            // Only a stopping node does not want to know.
            let _ = inputs.send(Input::Kept).await;
        });
    }

    /// What is still to be written when the node stops.
    pub(crate) fn rest_of_unkept(&mut self) -> Vec<Kept> {
        let nodes = self.unkept.rest();
        self.peers_of(nodes)
    }

    fn peers_of(&self, nodes: Vec<NodeId>) -> Vec<Kept> {
        nodes.into_iter().map(|node| (node, self.peers.get(&node).cloned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::announce::{FederationConfig, StorageConfig};
    use antiphon_core::fact::Level;
    use antiphon_core::ids::{EventId, Hash, StoreId};
    use antiphon_core::time::UnixMillis;
    use antiphon_store::PeerMode;

    use super::*;

    #[test]
    fn a_peer_that_changes_all_the_time_waits_once_and_is_written_in_order() {
        let peers: Vec<NodeId> = (0..20).map(|n| NodeId([n; 32])).collect();
        let mut unkept = Unkept::default();
        for _ in 0..1_000 {
            peers.iter().for_each(|peer| unkept.note(*peer));
        }
        assert_eq!(unkept.next(), peers[..KEPT_AT_A_TIME_MAX]);
        unkept.note(peers[0]);
        assert_eq!(unkept.next(), []);
        unkept.done();
        let then = [&peers[KEPT_AT_A_TIME_MAX..], &peers[..1]].concat();
        assert_eq!(unkept.next(), then);
        unkept.note(peers[7]);
        assert_eq!(unkept.rest(), [then, vec![peers[7]]].concat());
        assert_eq!(unkept.rest(), []);
    }

    #[test]
    fn a_peer_is_the_same_after_a_restart() {
        let (node, at) = (NodeId([2; 32]), Some(UnixMillis(5)));
        let error = HealthErrorView { reason: Reason::Revoked, event: None, fact: None, observed_at: UnixMillis(6) };
        let mut peer = Peer {
            name: "bob".into(),
            trust: Trust::Rejected,
            reason: Some(Reason::Revoked),
            by_peer: true,
            agent_version: Some("antiphon/1".into()),
            version_observed_at: at,
            store: Some(StoreId([3; 16])),
            genome: Some(Hash([4; 32])),
            handshake_at: at,
            facts: 7,
            last_seen: at,
            last_sync: at,
            last_success: at,
            last_event: Some(EventId([5; 16])),
            equal_at: at,
            mode: PeerMode::Paused,
            filtered: true,
            storage: Some(StorageConfig { at: UnixMillis(5), offers: true, quota_bytes: 9, used_bytes: 4 }),
            federation: Some(FederationConfig {
                at: UnixMillis(6),
                sends: true,
                takes: false,
                paused: true,
                up_to: Level::Domain,
                all_domains: false,
                agent: "antiphon/1".into(),
            }),
            errors: 3,
            last_error: Some(error),
            ..Peer::default()
        };
        peer.learn_addresses(["/ip4/10.0.0.1/tcp/1".to_owned()]);
        let mut row = PeerRow { mode: PeerMode::Paused, only_domains: vec!["web".into()], ..PeerRow::new(node, "") };
        fill(&mut row, &Peer { mode: PeerMode::Sync, ..peer.clone() });
        assert_eq!(row.only_domains, ["web"], "what a person set is not overwritten");
        assert_eq!(from_row(row), (node, peer));
    }

    #[test]
    fn a_handshake_does_not_outlive_the_node() {
        let mut row = PeerRow::new(NodeId([2; 32]), "");
        fill(&mut row, &Peer { trust: Trust::Pending, ..Peer::default() });
        assert_eq!(from_row(row).1.trust, Trust::Unknown);
    }
}
