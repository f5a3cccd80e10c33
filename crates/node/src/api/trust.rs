//! What is shown of peers, of trust in them, and of what was refused.

use std::collections::BTreeMap;

use antiphon_core::ids::{EventId, FactId, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_store::GeneBackup;

use super::Trust;

/// The last failure with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthErrorView {
    /// Why.
    pub reason: Reason,
    /// The event that could not be applied.
    pub event: Option<EventId>,
    /// The fact it is about.
    pub fact: Option<FactId>,
    /// When.
    pub observed_at: UnixMillis,
}

/// How sync with a peer goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthView {
    /// The version it runs.
    pub version: Option<String>,
    /// When that was seen.
    pub version_observed_at: Option<UnixMillis>,
    /// The last time all went well.
    pub last_success: Option<UnixMillis>,
    /// Failures since then.
    pub consecutive_failures: u64,
    /// The last failure; it stays after a success.
    pub last_error: Option<HealthErrorView>,
}

/// The peer registry in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStats {
    /// This node.
    pub self_id: NodeId,
    /// Its name.
    pub node_name: String,
    /// Peers that are known, members that were never met included.
    pub total_peers: usize,
    /// How many of them are trusted how far; every state is listed.
    pub by_trust: BTreeMap<Trust, usize>,
    /// Gene backups that are kept.
    pub total_backups: usize,
}

impl PeerStats {
    /// Peers that are trusted now.
    pub fn trusted(&self) -> usize {
        self.by_trust.get(&Trust::Verified).copied().unwrap_or_default()
    }
}

/// What was counted since the node started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// How often what was refused why: kind and reason.
    pub refusals: BTreeMap<(&'static str, &'static str), u64>,
    /// Refusals for whose audit line there was no room.
    pub refusals_unwritten: u64,
    /// How often trust changed from what to what.
    pub transitions: BTreeMap<(Trust, Trust), u64>,
    /// Gene backups that were made.
    pub backups_made: u64,
    /// Gene backups that ended because the member has everything again.
    pub backups_covered: u64,
    /// Events that returning members got back.
    pub events_restored: u64,
}

/// A gene backup, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupView {
    /// The peer's name, empty when it is not known.
    pub name: String,
    /// The backup.
    pub backup: GeneBackup,
}
