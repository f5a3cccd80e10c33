//! What is shown of sharing: modes, how far it has come, and why something is not there.

use std::collections::BTreeMap;

use antiphon_core::address::Address;
use antiphon_core::announce::QUOTA_BYTES_MAX;
use antiphon_core::fact::Level;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::LogId;
use antiphon_store::{Cause, Domains, LogStanding, NodeMode};

use super::{OutboxPeerView, PeerView};
use crate::config::StorageSettings;

/// How much was received and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursors {
    /// Events that are held.
    pub received: u64,
    /// Of those: what counts.
    pub applied: u64,
    /// Of those: what is kept and does not, or not fully, count, by cause.
    pub uncounted: BTreeMap<Cause, u64>,
    /// Of those: what no signature covers yet.
    pub waiting: u64,
    /// Of those: what came without its text.
    pub missing: u64,
}

impl Cursors {
    pub(crate) fn add(&mut self, log: &LogStanding) {
        self.received = self.received.saturating_add(log.received);
        self.applied = self.applied.saturating_add(log.applied());
        self.waiting = self.waiting.saturating_add(log.waiting);
        self.missing = self.missing.saturating_add(log.missing);
        for (cause, count) in &log.uncounted {
            let sum = self.uncounted.entry(*cause).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

/// A peer with what is shared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStanding {
    /// The peer.
    pub peer: PeerView,
    /// Which domains it gets the texts of.
    pub domains: Domains,
    /// How far its own logs have come here, whoever brought them.
    pub cursors: Cursors,
    /// What waits for it in the outbox, if anything does.
    pub queued: Option<OutboxPeerView>,
}

/// A log whose author signed two histories of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkedLog {
    /// Which log.
    pub log: LogId,
    /// Whose key signed it.
    pub node: NodeId,
    /// The node's name when it opened the log.
    pub name: String,
    /// The first event of which there are two.
    pub seq: u64,
}

/// What a node stores for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageOffer {
    /// Whether members may store here.
    pub offer: bool,
    /// How much they may store here together, in bytes.
    pub quota_bytes: u64,
    /// How much of that is taken, in bytes.
    pub used_bytes: u64,
}

impl StorageOffer {
    /// What is offered before anything is stored.
    pub(crate) fn of(settings: StorageSettings) -> Self {
        let StorageSettings { offer, quota_bytes } = settings;
        Self { offer, quota_bytes: quota_bytes.min(QUOTA_BYTES_MAX), used_bytes: 0 }
    }
}

/// How this node shares with its team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationView {
    /// Whether it sends and takes.
    pub mode: NodeMode,
    /// The levels that the team shares.
    pub levels: Vec<Level>,
    /// What this node stores for others.
    pub storage: StorageOffer,
    /// Every peer.
    pub peers: Vec<PeerStanding>,
    /// How far all logs have come here, this node's own included.
    pub cursors: Cursors,
    /// Logs that two histories were signed of.
    pub forks: Vec<ForkedLog>,
}

/// One reason why something is not there, or that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A short word that does not change.
    pub code: &'static str,
    /// What is so, in words.
    pub what: String,
    /// The command that changes it, where one can.
    pub fix: Option<String>,
    /// Whether it stands between the item and the peer.
    pub blocks: bool,
}

/// What stands between an item and a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyView {
    /// The peer.
    pub peer: NodeId,
    /// Its name.
    pub name: String,
    /// The fact that was asked about, if one was.
    pub fact: Option<FactId>,
    /// The document that was asked about, if one was.
    pub document: Option<Address>,
    /// Whether the peer holds it, by what it signed or acknowledged, or, for a document, knows it and can read it; when
    /// nothing was asked about, whether both sides hold the same.
    pub held: bool,
    /// The findings, in the order in which they must be mended.
    pub findings: Vec<Finding>,
}
