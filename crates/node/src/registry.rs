//! What a person may ask of the peer registry, carried out in the event loop.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_store::GeneBackup;
use tokio::sync::oneshot;

use crate::api::{Counters, PEER_TTL_MS, PeerStats, Trust};
use crate::clock::{has_come, now};
use crate::event_loop::Engine;

/// How often strangers that were not seen for long are forgotten, in milliseconds.
const SWEEP_MS: u64 = 60 * 60 * 1_000;

/// Something a handle asks of the registry.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The registry in numbers.
    Stats(oneshot::Sender<PeerStats>),
    /// What was counted.
    Counters(oneshot::Sender<Counters>),
    /// Forgets the pin of a peer.
    Reset { peer: NodeId, reply: oneshot::Sender<()> },
    /// Forgets a peer that is no member; says whether it did.
    Forget { peer: NodeId, reply: oneshot::Sender<bool> },
    /// Forgets the strangers that were not seen for so long; says how many.
    ForgetUnseen { ttl_ms: u64, reply: oneshot::Sender<usize> },
    /// A backup was made.
    BackedUp { backup: Box<GeneBackup>, gone: Vec<NodeId> },
    /// A person ended a backup.
    BackupCleared(NodeId),
    /// Something was refused at a door, and written down there.
    Refused { kind: &'static str, reason: &'static str },
}

impl Engine {
    pub(crate) fn on_ask(&mut self, ask: Ask) {
        // Whoever asked and has gone does not need the answer.
        match ask {
            Ask::Stats(reply) => drop(reply.send(self.peer_stats())),
            Ask::Counters(reply) => drop(reply.send(self.counters())),
            Ask::Reset { peer, reply } => {
                self.reset_peer(peer);
                let _ = reply.send(());
            }
            Ask::Forget { peer, reply } => drop(reply.send(self.forget_peer(peer))),
            Ask::ForgetUnseen { ttl_ms, reply } => drop(reply.send(self.forget_unseen(ttl_ms))),
            Ask::BackedUp { backup, gone } => self.backed_up(&backup, &gone),
            Ask::BackupCleared(peer) => drop(self.backups.remove(&peer)),
            Ask::Refused { kind, reason } => self.audit.count(kind, reason),
        }
    }

    fn peer_stats(&self) -> PeerStats {
        let own = (self.team.own.node, self.team.own.name.as_str());
        self.peers.stats(own, &self.team.membership, self.backups.len())
    }

    fn counters(&self) -> Counters {
        Counters {
            refusals: self.audit.counts().clone(),
            refusals_unwritten: self.audit.unwritten(),
            transitions: self.peers.transitions().clone(),
            backups_made: self.backups.made,
            backups_covered: self.backups.covered,
            events_restored: self.backups.restored,
        }
    }

    /// A person accepts whatever store the peer comes with: nothing of the old one counts, and the next handshake,
    /// which is due at once, pins anew.
    fn reset_peer(&mut self, peer: NodeId) {
        if self.is_in(&peer) {
            self.close_gate(peer);
        }
        self.end_session(&peer);
        if let Some(entry) = self.peers.get_mut(&peer) {
            tracing::warn!(%peer, store = ?entry.store, "the pin is forgotten on request");
            entry.reset(now());
            entry.by_peer = false;
            self.peers.set_trust(&peer, Trust::Unknown, None);
        }
        self.keep_peer(&peer);
    }

    fn forget_peer(&mut self, peer: NodeId) -> bool {
        if self.is_member(&peer) {
            return false;
        }
        if self.is_in(&peer) {
            self.close_gate(peer);
        }
        self.end_session(&peer);
        self.peers.remove(&peer);
        self.keep_peer(&peer);
        if self.backups.remove(&peer) {
            self.forget_backup(peer);
        }
        true
    }

    fn forget_unseen(&mut self, ttl_ms: u64) -> usize {
        let before = UnixMillis(now().0.saturating_sub(ttl_ms));
        let gone = self.peers.forget_unseen(&self.team.membership, before);
        for peer in &gone {
            tracing::info!(%peer, "forgotten: it is no member and was not seen for long");
            self.keep_peer(peer);
        }
        gone.len()
    }

    pub(crate) fn is_member(&self, peer: &NodeId) -> bool {
        self.team.membership.members().any(|(member, _)| member == peer)
    }

    /// Looks for peers whose time is over.
    pub(crate) fn check_timeouts(&mut self, at: UnixMillis) {
        for peer in self.peers.expire(at, self.peer_timeout_ms) {
            self.keep_peer(&peer);
            self.back_up(peer);
        }
        if has_come(self.sweep_at, at, SWEEP_MS) {
            self.sweep_at = at.after(SWEEP_MS);
            self.forget_unseen(PEER_TTL_MS);
        }
    }
}
