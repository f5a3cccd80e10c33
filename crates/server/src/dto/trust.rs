//! Peers, their gene backups, and what was refused.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReasonDto;

/// The last failure with a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HealthErrorDto {
    /// Why.
    pub reason: ReasonDto,
    /// The event that could not be applied, where one is to blame.
    pub event_id: Option<String>,
    /// The fact it is about.
    pub trace_id: Option<String>,
    /// When.
    pub observed_at: String,
}

/// How sync with a peer goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HealthDto {
    /// The version it runs.
    pub version: Option<String>,
    /// When that was seen.
    pub version_observed_at: Option<String>,
    /// The last time all went well.
    pub last_success: Option<String>,
    /// Failures since then.
    pub consecutive_failures: u64,
    /// The last failure; it stays after a success.
    pub last_error: Option<HealthErrorDto>,
}

/// The peer that something was done with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeerIdDto {
    /// Its key.
    pub peer_id: String,
}

/// The peer registry in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeerStatsDto {
    /// This node.
    pub self_id: String,
    /// Its name.
    pub node_name: String,
    /// Peers that are known, members that were never met included.
    pub total_peers: u64,
    /// Peers that are trusted now.
    pub trusted: u64,
    /// How many are trusted how far; every state is listed.
    pub by_trust: BTreeMap<String, u64>,
    /// Gene backups that are kept.
    pub total_backups: u64,
    /// What was counted since the node started.
    pub counters: CountersDto,
}

/// How often trust changed from one state to another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TransitionDto {
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// How often.
    pub count: u64,
}

/// How often something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RefusalDto {
    /// What was tried.
    pub kind: String,
    /// Why it was refused.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// What was counted since the node started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CountersDto {
    /// Changes of trust.
    pub transitions: Vec<TransitionDto>,
    /// Refusals.
    pub refusals: Vec<RefusalDto>,
    /// Refusals for whose audit line there was no room.
    pub refusals_unwritten: u64,
    /// Gene backups that were made.
    pub backups_made: u64,
    /// Gene backups that ended because the member has everything again.
    pub backups_covered: u64,
    /// Events that returning members got back.
    pub events_restored: u64,
}

/// How far one log is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeadDto {
    /// The store whose log it is.
    pub store_id: String,
    /// `shared`.
    pub stream: String,
    /// Its last event that is pinned.
    pub seq: u64,
    /// Hash of that event's header.
    pub hash: String,
}

/// A gene backup: a pinned range of a peer's own logs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BackupDto {
    /// Whom it is for.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// The genome it was made under.
    pub genome_hash: String,
    /// Facts in the range.
    pub facts: u64,
    /// Events in the range.
    pub events: u64,
    /// When it was made.
    pub backed_up_at: String,
    /// `timeout` or `explicit`.
    pub reason: String,
    /// The range: each log up to this event.
    pub heads: Vec<HeadDto>,
}

/// Every gene backup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BackupsDto {
    /// In the order of the peers' ids.
    pub backups: Vec<BackupDto>,
}

/// Which audit lines are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditFilterDto {
    /// Most lines; 100 if it is not given, at most 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AuditLineDto {
    /// Its number; later lines have greater ones.
    pub number: u64,
    /// When.
    pub at: String,
    /// What was tried: `handshake`, `join`, `put_out`, …
    pub kind: String,
    /// Who tried, where that is known.
    pub peer_id: Option<String>,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Why it was refused.
    pub reason: ReasonDto,
    /// What else there is to say.
    pub detail: String,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AuditDto {
    /// The newest first.
    pub lines: Vec<AuditLineDto>,
}
