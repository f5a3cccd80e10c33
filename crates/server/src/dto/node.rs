//! The node, its peers and its health.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HealthCountsDto, HealthDto, OutboxDto, RestoredDto};

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TeamDto {
    /// Root of its founding genome, in hex.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Why something failed or waits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReasonDto {
    /// A short word that does not change.
    pub code: String,
    /// The same for people.
    pub text: String,
    /// The command that mends it, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeerDto {
    /// Its key.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// `UNKNOWN`, `PENDING`, `VERIFIED`, `REJECTED` or `EXPIRED`.
    pub trust: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether it may sign membership.
    pub steward: bool,
    /// Whether there is a connection now.
    pub connected: bool,
    /// Where it was last reached or announced.
    pub addresses: Vec<String>,
    /// The version it runs.
    pub agent_version: Option<String>,
    /// Its store.
    pub store_id: Option<String>,
    /// The genome hash it named in its last handshake.
    pub genome_hash: Option<String>,
    /// `sync`, or `paused`.
    pub mode: String,
    /// When the last handshake with it ended, well or not.
    pub handshake_at: Option<String>,
    /// When events were last exchanged, or both sides found that they hold the same.
    pub last_sync_at: Option<String>,
    /// The last event received from it.
    pub last_event: Option<String>,
    /// How sync with it goes.
    pub health: HealthDto,
    /// Facts received from it so far.
    pub fact_count: u64,
    /// Events we hold and it has not confirmed; null before its first clock.
    pub lag_events: Option<u64>,
    /// Events it holds and we do not; null before its first clock.
    #[serde(default)]
    pub behind_events: Option<u64>,
    /// When both sides last held the same: now, if they do.
    #[serde(default)]
    pub equal_at: Option<String>,
    /// Whether it takes shared events, by its last clock; null while there is no connection.
    #[serde(default)]
    pub takes: Option<bool>,
    /// How things stand with it, in one sentence.
    #[serde(default)]
    pub in_words: String,
    /// The command that mends what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When it was last heard of.
    pub last_seen: Option<String>,
    /// When a sync with it last succeeded.
    pub last_success: Option<String>,
    /// Why it was refused, or else why the last attempt failed.
    pub reason: Option<ReasonDto>,
    /// Whether it was the peer that refused this node.
    pub refused_by_peer: bool,
    /// When a handshake with it was carried by hand, if it was not reached since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<String>,
    /// What it says that it stores for others, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageDto>,
    /// How it says that it shares with this node, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<SharesDto>,
}

/// What a node stores for others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StorageDto {
    /// Whether members may store there.
    pub offer: bool,
    /// How much they may store there together, in bytes.
    pub quota_bytes: u64,
    /// How much of that is taken, in bytes.
    pub used_bytes: u64,
    /// When a peer said so, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// How a peer shares with this node, as it says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SharesDto {
    /// `sync`, `publish` (sends, takes nothing) or `subscribe` (takes, sends nothing).
    pub mode: String,
    /// Whether it stopped sharing with this node for a while.
    pub paused: bool,
    /// The levels of facts that it shares.
    pub levels: Vec<String>,
    /// Whether this node gets the texts of every domain.
    pub all_domains: bool,
    /// The program that it runs, with its version.
    pub agent: String,
    /// When it said so, by its own clock.
    pub at: String,
}

/// Every peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeersDto {
    /// In the order of their ids.
    pub peers: Vec<PeerDto>,
}

/// Something a person should mend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FindingDto {
    /// What is wrong.
    pub what: String,
    /// The command that mends it.
    pub fix: String,
}

/// The state of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StatusDto {
    /// Its key.
    pub node_id: String,
    /// Its store.
    pub store_id: String,
    /// Its name.
    pub name: String,
    /// The version it runs.
    pub version: String,
    /// Its team.
    pub team: TeamDto,
    /// Whether it may sign membership.
    pub steward: bool,
    /// Its roles.
    pub roles: Vec<String>,
    /// Addresses it listens at.
    pub listen: Vec<String>,
    /// Where the HTTP door is; null when it is closed.
    pub http: Option<String>,
    /// SHA-256 of the HTTP door's certificate, as browsers show it, where it speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_certificate: Option<String>,
    /// When it was started.
    pub started: String,
    /// Whether it sends and takes: `sync`, `publish` or `subscribe`.
    #[serde(default)]
    pub mode: String,
    /// Facts it holds.
    pub facts: u64,
    /// Facts that are sealed to a role whose key it has not.
    #[serde(default)]
    pub closed: u64,
    /// Events it holds.
    pub events: u64,
    /// Its peers.
    pub peers: Vec<PeerDto>,
    /// What waits to be sent.
    pub outbox: OutboxDto,
    /// How the copies of documents stand.
    #[serde(default)]
    pub copies: HealthCountsDto,
    /// Messages that came and were not read.
    #[serde(default)]
    pub unread: u64,
    /// What came of it when this machine was last found to have been restored from an older copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<RestoredDto>,
    /// What a person should mend.
    pub problems: Vec<FindingDto>,
}

/// A request to greet a peer now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandshakeRequestDto {
    /// A multiaddress that ends in `/p2p/PEER`.
    pub address: String,
}

/// How a handshake ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeDto {
    /// Who answered.
    pub peer_id: String,
    /// What came of it.
    pub trust: String,
    /// Why it was refused.
    pub reason: Option<ReasonDto>,
    /// Our genome hash.
    pub our_genome: String,
    /// The peer's, where it told one.
    pub their_genome: Option<String>,
    /// Whether the two are equal.
    #[serde(rename = "match")]
    pub matches: bool,
}

/// What a check of the whole database found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct VerifyDto {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Events that were checked.
    pub events: u64,
    /// Logs that were checked.
    pub logs: u64,
    /// Facts that were checked.
    pub facts: u64,
    /// What is wrong.
    pub problems: Vec<String>,
    /// Logs with two branches, in words: nothing is wrong here, but with whoever wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forked: Vec<String>,
}

/// Hash over the charter and the shared projections: equal on all synced members.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StateHashDto {
    /// In hex.
    pub state_hash: String,
}

/// An answer that has nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct NothingDto {}
