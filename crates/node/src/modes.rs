//! What a person set about sharing, carried out in the event loop: modes hold at once, for open sessions too.
//!
//! A setting is kept in the database by whoever changes it (`handle/modes.rs`) before the loop is told, so that what
//! the loop does never differs from what it does after a restart.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::log::NodeClock;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::sync::{Input as Heard, Mode};
use antiphon_store::{NodeMode, PeerMode};
use tokio::sync::oneshot;

use crate::clock::{has_come, now};
use crate::event_loop::Engine;
use crate::peers::{Peer, lag};
use crate::session::Epoch;

/// Something a handle asks about sharing.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The mode of the node.
    Mode(oneshot::Sender<NodeMode>),
    /// The mode of the node is this now.
    SetNode { mode: NodeMode, reply: oneshot::Sender<()> },
    /// The mode of a peer is this now.
    SetPeer { peer: NodeId, mode: PeerMode, reply: oneshot::Sender<()> },
    /// How much of every log a peer said it holds.
    Holds { peer: NodeId, reply: oneshot::Sender<Option<NodeClock>> },
    /// Compare clocks with every peer now, and dial those that are away. Answers what was told until then.
    Compare(oneshot::Sender<Compared>),
    /// What every peer that is connected has told by now.
    Told(oneshot::Sender<Told>),
}

/// How often each peer that is connected has said what it holds, by its session.
pub(crate) type Told = BTreeMap<NodeId, (Epoch, u64)>;

/// When clocks were compared because somebody asked, and what had been told until then.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    pub(crate) at: UnixMillis,
    pub(crate) told: Told,
}

/// Time within which whoever asks again gets the comparison that was begun, in milliseconds: a program that asks all the
/// time must not look to its peers like one that talks without end.
const COMPARE_AGAIN_MS: u64 = 1_000;

impl Engine {
    pub(crate) fn on_modes(&mut self, ask: Ask) {
        // Whoever asked and has gone does not need the answer.
        match ask {
            Ask::Mode(reply) => drop(reply.send(self.mode)),
            Ask::SetNode { mode, reply } => {
                self.set_node_mode(mode);
                let _ = reply.send(());
            }
            Ask::SetPeer { peer, mode, reply } => {
                self.set_peer_mode(peer, mode);
                let _ = reply.send(());
            }
            Ask::Holds { peer, reply } => {
                drop(reply.send(self.peers.get(&peer).and_then(|entry| entry.holds.clone())));
            }
            Ask::Compare(reply) => drop(reply.send(self.compare())),
            Ask::Told(reply) => drop(reply.send(self.told())),
        }
    }

    fn told(&self) -> Told {
        self.sessions.iter().map(|(peer, live)| (*peer, (live.epoch, live.clocks))).collect()
    }

    fn compare(&mut self) -> Compared {
        let at = now();
        if let Some(last) = &self.compared
            && !has_come(last.at.after(COMPARE_AGAIN_MS), at, COMPARE_AGAIN_MS)
        {
            return last.clone();
        }
        let compared = Compared { at, told: self.told() };
        for (peer, (epoch, _)) in &compared.told {
            self.drive(*peer, *epoch, Heard::Compare);
        }
        self.peers.hurry(at);
        self.dial_due(at);
        self.compared = Some(compared.clone());
        compared
    }

    fn set_node_mode(&mut self, mode: NodeMode) {
        tracing::info!(mode = mode.name(), "the mode of the node");
        let live: Vec<NodeId> = self.sessions.keys().copied().collect();
        live.iter().for_each(|peer| self.note_equal(peer));
        self.mode = mode;
        live.into_iter().for_each(|peer| self.set_mode(peer));
        self.tell_all_federation();
    }

    fn set_peer_mode(&mut self, peer: NodeId, mode: PeerMode) {
        self.note_equal(&peer);
        let member = self.is_member(&peer);
        if let Some(entry) = self.peers.entry(peer, member) {
            tracing::info!(%peer, ?mode, "the mode of a peer");
            entry.mode = mode;
        }
        self.set_mode(peer);
        self.tell_federation(&[peer]);
    }

    /// Notes that both sides hold the same, if that is known.
    pub(crate) fn note_equal(&mut self, peer: &NodeId) {
        let equal = self.is_equal(peer);
        if let Some(entry) = self.peers.get_mut(peer).filter(|_| equal) {
            entry.equal_at = Some(now());
        }
    }

    /// When both sides last held the same: now, if they do.
    pub(crate) fn equal_at(&self, peer: &NodeId) -> Option<UnixMillis> {
        if self.is_equal(peer) { Some(now()) } else { self.peers.get(peer)?.equal_at }
    }

    /// Whether both sides hold the same. Where something does not flow, what is new is not told at once either.
    fn is_equal(&self, peer: &NodeId) -> bool {
        let takes = self.sessions.get(peer).and_then(|live| live.machine.peer_takes()) == Some(true);
        let flows = takes && self.mode_with(peer) == Mode::BOTH;
        flows && self.peers.get(peer).is_some_and(|peer| holds_the_same(peer, &self.held.clock))
    }
}

fn holds_the_same(peer: &Peer, ours: &NodeClock) -> bool {
    peer.holds.as_ref().is_some_and(|holds| lag(ours, holds) == 0 && lag(holds, ours) == 0)
}

/// What may flow with a verified peer.
pub(crate) fn flow(node: NodeMode, peer: PeerMode) -> Mode {
    match peer {
        PeerMode::Paused => Mode::CHARTER,
        PeerMode::Sync => Mode { sends: node.sends(), takes: node.takes() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_leaves_the_charter_alone() {
        let check = |node, peer, sends, takes| assert_eq!(flow(node, peer), Mode { sends, takes });
        check(NodeMode::Sync, PeerMode::Sync, true, true);
        check(NodeMode::Publish, PeerMode::Sync, true, false);
        check(NodeMode::Subscribe, PeerMode::Sync, false, true);
        for node in NodeMode::ALL {
            check(node, PeerMode::Paused, false, false);
        }
    }
}
