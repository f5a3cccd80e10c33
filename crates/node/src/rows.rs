//! Peers as the database keeps them, and back.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_store::{Health, HealthError, PeerRow};

use crate::api::Trust;
use crate::clock::now;
use crate::event_loop::Engine;
use crate::peers::Peer;

/// Both enumerations list the states in one order, which the database numbers them by.
fn trust_to_row(trust: Trust) -> antiphon_store::Trust {
    let at = Trust::ALL.iter().position(|known| *known == trust);
    at.and_then(|at| antiphon_store::Trust::ALL.get(at).copied()).unwrap_or_default()
}

fn trust_from_row(trust: antiphon_store::Trust) -> Trust {
    let at = antiphon_store::Trust::ALL.iter().position(|known| *known == trust);
    at.and_then(|at| Trust::ALL.get(at).copied()).unwrap_or(Trust::Unknown)
}

/// The peer of a row.
pub(crate) fn from_row(row: PeerRow) -> (NodeId, Peer) {
    let named = row.reason.as_deref().or(row.health.last_error.as_ref().map(|error| error.reason.as_str()));
    let trust = match trust_from_row(row.trust) {
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
    row.trust = trust_to_row(peer.trust);
    let reason = peer.reason.map(|reason| reason.name().to_owned());
    row.reason.clone_from(&reason);
    row.addresses.clone_from(&peer.addresses);
    row.store = peer.store;
    row.last_seen = peer.last_seen;
    row.last_sync = peer.last_success;
    row.acked = peer.holds.clone().unwrap_or_default();
    let last_error = reason.map(|reason| HealthError { reason, event: None, observed_at: now });
    row.health = Health {
        version: peer.agent_version.clone(),
        version_observed_at: peer.agent_version.is_some().then_some(now),
        last_success: peer.last_success,
        consecutive_failures: u64::from(peer.failures),
        last_error,
    };
}

impl Engine {
    /// Keeps what is known of a peer, so that it is known after a restart too.
    pub(crate) fn keep_peer(&mut self, node: &NodeId) {
        let Some(peer) = self.peers.get(node).cloned() else { return };
        let (store, node, at) = (self.store.clone(), *node, now());
        self.tasks.spawn(async move {
            let kept = store.write(move |db| db.update_peer(&node, |row| fill(row, &peer, at))).await;
            if let Err(error) = kept {
                tracing::warn!(peer = %node, %error, "what is known of a peer could not be kept");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_trust_is_kept_as_it_is() {
        for trust in Trust::ALL {
            assert_eq!(trust_from_row(trust_to_row(trust)), trust);
            assert_eq!(format!("{:?}", trust_to_row(trust)), format!("{trust:?}"));
        }
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
