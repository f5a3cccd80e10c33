//! Peers as the database keeps them, and back.

use std::collections::VecDeque;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_store::{Health, HealthError, PeerRow, Store};

use crate::api::Trust;
use crate::clock::now;
use crate::event_loop::Engine;
use crate::inputs::Input;
use crate::peers::Peer;

/// Most peers that are written at a time, so that writes of facts need not wait long for them.
const KEPT_AT_A_TIME_MAX: usize = 16;

/// The peer of a row.
pub(crate) fn from_row(row: PeerRow) -> (NodeId, Peer) {
    let named = row.reason.as_deref().or(row.health.last_error.as_ref().map(|error| error.reason.as_str()));
    let trust = match row.trust {
        // The handshake that was under way when the node stopped is not any more.
        Trust::Pending => Trust::Unknown,
        trust => trust,
    };
    let peer = Peer {
        name: row.name,
        trust,
        reason: named.and_then(Reason::from_name),
        addresses: row.addresses,
        agent_version: row.health.version,
        store: row.store,
        facts: row.fact_count,
        last_seen: row.last_seen,
        last_success: row.health.last_success,
        holds: (!row.acked.is_empty()).then_some(row.acked),
        ..Peer::default()
    };
    (row.node, peer)
}

/// Writes what is known of a peer into its row; what other parts keep there stays.
fn fill(row: &mut PeerRow, peer: &Peer, now: UnixMillis) {
    row.name.clone_from(&peer.name);
    row.trust = peer.trust;
    let reason = peer.reason.map(|reason| reason.name().to_owned());
    row.reason.clone_from(&reason);
    row.addresses.clone_from(&peer.addresses);
    row.store = peer.store;
    row.last_seen = peer.last_seen;
    row.last_sync = peer.last_success;
    row.acked = peer.holds.clone().unwrap_or_default();
    let last_error = reason.map(|reason| HealthError { reason, event: None, fact: None, observed_at: now });
    row.health = Health {
        version: peer.agent_version.clone(),
        version_observed_at: peer.agent_version.is_some().then_some(now),
        last_success: peer.last_success,
        consecutive_failures: u64::from(peer.failures),
        last_error,
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

/// Writes what is known of `peers`.
pub(crate) async fn keep(store: &Store, peers: Vec<(NodeId, Peer)>) {
    let at = now();
    let kept = store.write(move |db| {
        peers.iter().try_for_each(|(node, peer)| db.update_peer(node, |row| fill(row, peer, at)).map(drop))
    });
    if let Err(error) = kept.await {
        tracing::warn!(%error, "what is known of peers could not be kept");
    }
}

impl Engine {
    /// Keeps what is known of a peer, so that it is known after a restart too.
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
    pub(crate) fn rest_of_unkept(&mut self) -> Vec<(NodeId, Peer)> {
        let nodes = self.unkept.rest();
        self.peers_of(nodes)
    }

    fn peers_of(&self, nodes: Vec<NodeId>) -> Vec<(NodeId, Peer)> {
        nodes.into_iter().filter_map(|node| Some((node, self.peers.get(&node)?.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
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
        let node = NodeId([2; 32]);
        let mut peer =
            Peer { name: "bob".into(), trust: Trust::Rejected, reason: Some(Reason::Revoked), ..Peer::default() };
        peer.learn_addresses(["/ip4/10.0.0.1/tcp/1".to_owned()]);
        let mut row = PeerRow::new(node, "");
        fill(&mut row, &peer, UnixMillis(5));
        assert_eq!(from_row(row), (node, peer));
    }
}
