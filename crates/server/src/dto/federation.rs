//! What is shared with whom, how far it has come, and why something is not there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OutboxWaitDto, PeerDto, ReasonDto, StorageDto};

/// Whether the node sends and takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModeDto {
    /// Of the node: `sync`, `publish` (sends, takes nothing) or `subscribe` (takes, sends nothing). Of a peer: `sync` or
    /// `paused`.
    pub mode: String,
}

/// How long a comparison with every member is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SyncNowDto {
    /// Seconds until it is answered how far all are, equal or not; 10 when it is missing, at most 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}

/// Which domains a peer gets the texts of. Two empty lists stand for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareDto {
    /// If not empty, these only; a fact without a domain is then not among them.
    #[serde(default)]
    pub only: Vec<String>,
    /// Not these.
    #[serde(default)]
    pub except: Vec<String>,
}

/// What a person set for a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeerSettingsDto {
    /// The peer.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// `sync`, or `paused`.
    pub mode: String,
    /// The domains it gets the texts of.
    pub domains: ShareDto,
}

/// Events that are kept and do not, or not fully, count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UncountedDto {
    /// Why, and what can be done.
    pub reason: ReasonDto,
    /// How many.
    pub events: u64,
}

/// The two cursors: what was received, and what of it counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CursorsDto {
    /// Events that are held.
    pub received: u64,
    /// Of those: what counts.
    pub applied: u64,
    /// Of those: what no signature covers yet.
    pub waiting: u64,
    /// Of those: what came without its text.
    pub missing_payloads: u64,
    /// Of those: what is kept and does not count, by reason.
    pub uncounted: Vec<UncountedDto>,
}

/// A peer with what is shared with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeerStandingDto {
    /// The peer.
    #[serde(flatten)]
    pub peer: PeerDto,
    /// Which domains it gets the texts of.
    pub domains: ShareDto,
    /// How far its own logs have come here, whoever brought them.
    pub cursors: CursorsDto,
    /// What waits for it in the outbox, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<OutboxWaitDto>,
}

/// A log whose author signed two histories of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ForkDto {
    /// The store whose log it is.
    pub store_id: String,
    /// `charter` or `shared`.
    pub stream: String,
    /// The key that signed it.
    pub peer_id: String,
    /// The node's name.
    pub name: String,
    /// The first event of which there are two.
    pub seq: u64,
}

/// How this node shares with its team.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FederationDto {
    /// `sync`, `publish` or `subscribe`.
    pub mode: String,
    /// The levels of facts that the team shares.
    pub levels: Vec<String>,
    /// What this node stores for others.
    #[serde(default)]
    pub storage: StorageDto,
    /// How far all logs have come here, this node's own included.
    pub cursors: CursorsDto,
    /// Logs that two histories were signed of.
    pub forks: Vec<ForkDto>,
    /// Every peer.
    pub peers: Vec<PeerStandingDto>,
}

/// What to explain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhyAskDto {
    /// Id of a fact, or the beginning of it, or the address of a document; without one the whole peer is explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<String>,
}

/// One reason why something is not there, or that it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WhyFindingDto {
    /// A short word that does not change.
    pub code: String,
    /// What is so.
    pub what: String,
    /// The command that changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Whether it stands between the item and the peer.
    pub blocks: bool,
}

/// What stands between an item and a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WhyDto {
    /// The peer.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// The fact that was asked about, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<String>,
    /// The document that was asked about, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether the peer holds it, by what it signed or acknowledged, or, for a document, knows it and can read it; when
    /// nothing was asked about, whether both sides hold the same.
    pub held: bool,
    /// The findings, in the order in which they must be mended.
    pub findings: Vec<WhyFindingDto>,
}
