//! What handshakes and events that were carried by hand mean for the peer registry. As everything about peers, it goes
//! through the event loop.

use antiphon_core::charter::Refusal;
use antiphon_core::ids::{NodeId, StoreId, TeamId};
use antiphon_core::log::NodeClock;
use antiphon_protocol::handshake::Verified;
use tokio::sync::oneshot;

use crate::api::Trust;
use crate::clock::now;
use crate::connect::reason_of;
use crate::event_loop::Engine;

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KnownPeer {
    pub(crate) trust: Trust,
    pub(crate) pinned: Option<StoreId>,
    pub(crate) holds: Option<NodeClock>,
}

/// Something that was carried by hand.
#[derive(Debug)]
pub(crate) enum Carry {
    /// Says what is known of a peer.
    Known { peer: NodeId, reply: oneshot::Sender<KnownPeer> },
    /// A handshake succeeded in this team; answers what the peer is now.
    Verified { team: TeamId, verified: Box<Verified>, reply: oneshot::Sender<Trust> },
    /// Facts of a peer were taken in, and what it holds was told.
    Imported { peer: NodeId, facts: u64, clock: NodeClock, reply: oneshot::Sender<()> },
}

impl Engine {
    pub(crate) fn on_carry(&mut self, carry: Carry) {
        // Whoever asked and has gone does not need the answer.
        match carry {
            Carry::Known { peer, reply } => {
                let known = |entry: &crate::peers::Peer| KnownPeer {
                    trust: entry.trust,
                    pinned: entry.store,
                    holds: entry.holds.clone(),
                };
                let _ = reply.send(self.peers.get(&peer).map(known).unwrap_or_default());
            }
            Carry::Verified { team, verified, reply } => {
                if team == self.team.own.team {
                    self.verified_by_hand(&verified);
                }
                let trust = self.peers.get(&verified.node).map(|entry| entry.trust);
                let _ = reply.send(trust.unwrap_or_default());
            }
            Carry::Imported { peer, facts, clock, reply } => {
                self.peers.record_sync(&peer, facts, now());
                if let Some(entry) = self.peers.get_mut(&peer) {
                    // A file may be older than what the peer said since.
                    let holds = entry.holds.get_or_insert_default();
                    for (log, head) in clock {
                        if holds.get(&log).is_none_or(|held| held.seq < head.seq) {
                            holds.insert(log, head);
                        }
                    }
                }
                self.keep_peer(&peer);
                let _ = reply.send(());
            }
        }
    }

    /// The same rules as online, but that there is no connection to open anything on.
    fn verified_by_hand(&mut self, verified: &Verified) {
        let (peer, at) = (verified.node, now());
        if let Err(refusal @ (Refusal::Revoked | Refusal::Expired)) = self.team.check(&peer, at) {
            return self.put_out(peer, reason_of(refusal));
        }
        let Some(entry) = self.peers.entry(peer, true) else { return };
        entry.genome = Some(verified.genome);
        entry.handshake_at = Some(at);
        entry.last_seen = Some(at);
        if verified.in_step {
            entry.name.clone_from(&verified.name);
            entry.store = Some(verified.store);
            entry.by_peer = false;
            entry.by_hand = (!entry.connected).then_some(at);
            entry.runs(verified.agent_version.clone(), at);
            entry.learn_addresses(verified.addresses.iter().cloned());
            tracing::info!(%peer, "verified by hand");
            self.peers.set_trust(&peer, Trust::Verified, None);
            self.in_step(peer);
        } else if entry.trust != Trust::Verified {
            self.peers.set_trust(&peer, Trust::Pending, None);
        }
        self.keep_peer(&peer);
    }
}
