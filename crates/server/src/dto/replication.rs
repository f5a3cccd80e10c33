//! Copies of documents: how many there are, who holds them, and what was cleared away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which documents are listed with their copies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplicationAskDto {
    /// Only documents that stand so: `healthy`, `degraded` or `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Most documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on there: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of documents with their copies, the worst first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReplicationDto {
    /// How all documents stand, not only those on the page.
    pub health: HealthCountsDto,
    /// Copies that there should be, while enough members offer room.
    pub factor: u64,
    /// The documents, one for every version that is kept.
    pub replicas: Vec<ReplicaDto>,
    /// Pass it as `after` for the next page; missing on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How many documents stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HealthCountsDto {
    /// With as many copies as there should be.
    pub healthy: u64,
    /// With fewer.
    pub degraded: u64,
    /// With none that is known.
    pub critical: u64,
}

/// How the copies of one version of a document stand, as this node knows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaDto {
    /// Address of the document; empty where the index does not name it any more.
    pub address: String,
    /// Which version of it; then 0.
    pub version: u64,
    /// Name of its root manifest.
    pub manifest: String,
    /// Bytes of its ciphertext.
    pub size: u64,
    /// Copies that there should be: the factor, or as many members as offer room if they are fewer.
    pub target: u64,
    /// Copies that there are: of members that are here, or away for less than the grace period.
    pub actual: u64,
    /// Of those, copies of members that are connected, with this node's.
    pub healthy: u64,
    /// `healthy`: as many as there should be; `degraded`: fewer; `critical`: none.
    pub health: String,
    /// `low`, `normal` or `high`: how soon missing copies are made.
    pub priority: String,
    /// Whether all of it is on this node.
    pub is_local: bool,
    /// When this node first heard of it since it started.
    pub created: String,
    /// When this node last had all copies proved anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reprovided: Option<String>,
    /// Everybody of whom it is known whether they hold it, whoever should hold it first in front.
    #[serde(default)]
    pub providers: Vec<ReplicaHolderDto>,
}

/// What is known of one member and one document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaHolderDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub peer: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether it is a member; one that was removed may have had it last.
    pub member: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether it is one of those that are to hold it.
    pub placed: bool,
    /// `proved`: it answered a challenge; `claimed`: it signed that it holds it; `announced`: it says so in the hash
    /// table; `missing`: it does not hold it; `wrong`: what it answered was wrong.
    pub known_by: String,
    /// When it did so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<String>,
    /// Whether it is one of the copies that are counted.
    pub counts: bool,
    /// When it was first known to hold it.
    pub added_at: String,
    /// When it last said or showed something of it.
    pub last_seen: String,
    /// How reliable it was lately, from 0 to 1.
    pub quality: f64,
    /// How far it is from the document: the smallest is the first to hold it. 32 bytes in hex.
    pub distance: String,
}

impl ReplicaDto {
    /// Who is known to have held it last.
    pub fn last_holder(&self) -> Option<&ReplicaHolderDto> {
        let held = self.providers.iter().filter(|holder| holder.holds());
        // Times of one form compare as they are written.
        held.max_by(|one, other| one.last_seen.cmp(&other.last_seen))
    }
}

impl ReplicaHolderDto {
    /// Whether it holds it, as far as is known.
    pub fn holds(&self) -> bool {
        matches!(self.known_by.as_str(), "proved" | "claimed" | "announced")
    }

    /// Its name, or else its peer id.
    pub fn called(&self) -> &str {
        if self.peer.is_empty() { &self.peer_id } else { &self.peer }
    }
}

/// Whose copies are asked after and repaired now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplicationRunDto {
    /// The address of one document; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// That copies are asked after and repaired.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReplicationRanDto {
    /// How many ciphertexts are.
    pub asked: u64,
    /// How all documents stand as far as it is known now.
    pub health: HealthCountsDto,
}

/// How soon the copies of a document are made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicationPriorityDto {
    /// Its address, with a selector where an older version is meant.
    pub address: String,
    /// `low`, `normal`, `high`, or `auto` for what follows from the version: older ones are low.
    pub priority: String,
}

/// What was done for copies since the node started, and how they stand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReplicationMetricsDto {
    /// Ciphertexts that are needed.
    pub total_keys: u64,
    /// Holders that are known of, of all of them together.
    pub total_providers: u64,
    /// Copies that one has on average.
    pub average_replication: f64,
    /// How they stand.
    pub health: HealthCountsDto,
    /// How often the copies of a ciphertext were proved anew because it was time.
    pub reprovide_operations: u64,
    /// Copies that were made at another member because of this node.
    pub successful: u64,
    /// Attempts that came to nothing.
    pub failed: u64,
    /// Answers of others that spoke for a copy.
    pub proofs: u64,
    /// Answers of others that were wrong.
    pub wrong: u64,
    /// Copies that this node took from others.
    pub taken: u64,
    /// Own copies that were dropped because enough others hold them.
    pub trimmed: u64,
    /// Copies that are being made at others.
    pub offers_under_way: u64,
    /// Copies that wait for their turn to be made.
    pub offers_waiting: u64,
    /// When copies were last proved anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reprovide: Option<String>,
    /// When it last cleared away what is not needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cleanup: Option<String>,
    /// Bytes that are held for others.
    pub held_for_others_bytes: u64,
    /// Bytes that are being fetched for others.
    #[serde(default)]
    pub promised_bytes: u64,
    /// Most bytes that are held for others; missing where no room is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    /// By what this node goes.
    pub settings: ReplicationSettingsDto,
}

/// By what a node goes when it cares for copies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReplicationSettingsDto {
    /// Copies that there should be.
    pub factor: u64,
    /// How long a holder may be away before it is replaced, in milliseconds.
    pub grace_ms: u64,
    /// How often what is held is said and proved again, in milliseconds.
    pub reprovide_interval_ms: u64,
    /// How often what is not needed is cleared away, in milliseconds.
    pub cleanup_interval_ms: u64,
    /// How long a holder is believed without being asked again, in milliseconds.
    pub provider_ttl_ms: u64,
    /// How old a proof of a copy may be that another one is dropped for, in milliseconds.
    pub proof_age_ms: u64,
    /// Most holders that are known of one document.
    pub providers_per_key: u64,
    /// Whether missing copies are made without being asked for.
    pub automatic: bool,
    /// Whether what is held is said and proved again by itself.
    pub reprovide: bool,
    /// Most copies that are made at once.
    pub concurrent: u64,
    /// Whether what was stored here stays here even when enough others hold it.
    pub keep_own: bool,
}

/// What nobody needs on this node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GarbageDto {
    /// Whether it was only looked at.
    pub dry_run: bool,
    /// Bytes that were freed, or would be.
    pub bytes: u64,
    /// Each ciphertext, those that stay for now among them.
    pub items: Vec<GarbageItemDto>,
}

/// Who holds a document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaHoldersDto {
    /// Its address.
    pub address: String,
    /// Name of its root manifest.
    pub manifest: String,
    /// Those that hold it, those that are counted first.
    pub providers: Vec<ReplicaHolderDto>,
}

/// Whose holders are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicaHoldersAskDto {
    /// Address of the document, with a selector where an older version is meant.
    pub address: String,
    /// Most of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A ciphertext that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GarbageItemDto {
    /// Name of its root manifest.
    pub manifest: String,
    /// Bytes of it on this node.
    pub bytes: u64,
    /// Why it is not needed: `removed`, `unauthorised`, `withdrawn`, `left_team` or `unknown`.
    pub reason: String,
    /// The same for people, and what keeps it for now.
    pub text: String,
    /// The address it was stored under, where the index still knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What keeps it for now: `in_use` or `waits`. Missing where it is freed, or would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<String>,
}
