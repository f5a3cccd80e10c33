//! Members whose genomes are not equal: they exchange the charter, and nothing else, until they are.
//!
//! Genes are added by charter records, so two members that were apart may meet with different genomes although nothing
//! is wrong. The handshake finds both in the charter and lets them talk about it alone. Once the charters are in step
//! they greet each other again, and either the genomes are equal by then or the peer is refused.

use antiphon_core::charter::Refusal;
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::handshake::{Rejected, Verified};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Input as Heard, Mode};
use antiphon_store::PeerMode;

use crate::api::Trust;
use crate::clock::{has_come, now};
use crate::event_loop::Engine;
use crate::modes::flow;
use crate::peers::Peer;

/// Wait before a member whose genome differed is greeted again although nothing came of its charter, in milliseconds.
const GREET_AGAIN_MS: u64 = 5_000;

impl Engine {
    /// Members whose genome differed and that were not greeted again since: the greeting may have been lost.
    pub(crate) fn greet_again(&mut self, now: UnixMillis) {
        let due = |node: &NodeId, peer: &Peer| {
            peer.out_of_step && self.sessions.contains_key(node) && has_come(peer.dial_at, now, GREET_AGAIN_MS)
        };
        let due = self.peers.iter().filter(|(node, peer)| due(node, peer) && !self.greeting.contains(node));
        for peer in due.map(|(node, _)| *node).collect::<Vec<_>>() {
            self.greet(peer, Vec::new(), None);
        }
    }

    /// What may flow between this node and a peer: before it is verified the charter alone, then what persons set.
    pub(crate) fn mode_with(&self, peer: &NodeId) -> Mode {
        let verified = self.peers.get(peer).is_some_and(|entry| entry.trust == Trust::Verified);
        let mode = self.peers.get(peer).map_or_else(PeerMode::default, |entry| entry.mode);
        if verified { flow(self.mode, mode) } else { Mode::CHARTER }
    }

    /// A member whose genome is not ours yet: the charter may flow.
    pub(crate) fn out_of_step(&mut self, verified: &Verified) {
        let peer = verified.node;
        tracing::info!(%peer, "the genomes differ; the charter comes first");
        if let Some(entry) = self.peers.entry(peer, true) {
            entry.genome = Some(verified.genome);
            entry.out_of_step = true;
            entry.reached(now());
            entry.dial_at = now().after(GREET_AGAIN_MS);
        }
        self.peers.set_trust(&peer, Trust::Pending, None);
        self.set_mode(peer);
        self.open_stream(peer);
    }

    /// A peer is verified: whatever was held back may flow.
    pub(crate) fn in_step(&mut self, peer: NodeId) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.out_of_step = false;
        }
        self.set_mode(peer);
    }

    /// Tells an open session what may flow now.
    pub(crate) fn set_mode(&mut self, peer: NodeId) {
        self.note_equal(&peer);
        let mode = self.mode_with(&peer);
        if let Some(epoch) = self.sessions.get(&peer).map(|live| live.epoch) {
            self.drive(peer, epoch, Heard::Mode(mode));
        }
    }

    /// All that a peer holds of the charter is stored. What follows from it can be said once it was read.
    pub(crate) fn charter_came(&mut self, peer: NodeId) {
        let doubtful = self.team.check(&peer, now()) == Err(Refusal::NotAMember);
        if doubtful || self.peers.get(&peer).is_some_and(|entry| entry.out_of_step) {
            self.rechecks.insert(peer);
            self.read_commit();
        }
    }

    /// The charter was read after that of a peer had come: now who is granted nothing never was, and the genomes are
    /// equal or will not be.
    pub(crate) fn recheck(&mut self, peer: NodeId) {
        if !self.sessions.contains_key(&peer) {
            return;
        }
        if self.team.check(&peer, now()) == Err(Refusal::NotAMember) {
            return self.put_out(peer, Reason::NotAMember);
        }
        if self.peers.get(&peer).is_some_and(|entry| entry.out_of_step) && !self.greeting.contains(&peer) {
            self.greet(peer, Vec::new(), None);
        }
    }
}

impl Engine {
    /// A member showed us the record by which a steward removed this node: that is kept, so that a person can be told.
    pub(crate) fn note_removal(&mut self, rejected: &Rejected) {
        let Some(record) = rejected.removal.clone() else { return };
        tracing::error!(peer = %rejected.node, record = %record.hash(), "this node was removed from its team");
        let store = self.store.clone();
        self.tasks.spawn(async move {
            if let Err(error) = store.write(move |db| db.keep_removal(&record)).await {
                tracing::error!(%error, "the record of the removal could not be kept");
            }
        });
    }
}
