//! The hash table: its backends, its records, who provides what, who does what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FindingDto;

/// How often something was asked of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtOperationDto {
    /// How often it was done.
    pub done: u64,
    /// How often it could not be done.
    pub failed: u64,
    /// Mean time that it took where it was done, in microseconds.
    pub mean_us: u64,
}

/// How a backend does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtBackendDto {
    /// `local` or `kad`.
    pub backend: String,
    /// `healthy`, `degraded` or `failed`.
    pub status: String,
    /// When it was last heard of.
    pub last_check: Option<String>,
    /// Failures since the node started.
    pub errors: u64,
    /// Failures one after the other, up to now.
    pub consecutive_failures: u32,
    /// Half of the last operations took no longer, in microseconds.
    pub latency_p50_us: u64,
    /// Of twenty of the last operations nineteen took no longer, in microseconds.
    pub latency_p95_us: u64,
    /// What was asked of it: `put`, `get`, `provide`, `providers`, `check`.
    pub operations: BTreeMap<String, DhtOperationDto>,
}

/// What waits to be told to members.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtQueueDto {
    /// Records and provided keys of this node.
    pub items: u64,
    /// Those that members were not told yet as they are now.
    pub waiting: u64,
    /// Those that are being published.
    pub under_way: u64,
    /// When something is due next; null while the network is not used.
    pub next_due: Option<String>,
}

/// The hash table in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtStatsDto {
    /// Members that were heard of in the table.
    pub total_peers: u64,
    /// Records and provided keys that this node knows.
    pub total_keys: u64,
    /// How long this node runs, in milliseconds.
    pub uptime_ms: u64,
    /// Members in the routing table.
    pub routing_table_size: u64,
    /// Members that are connected.
    pub connected_peers: u64,
}

/// How the hash table does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtStatusDto {
    /// What the protocol's name and the keys begin with.
    pub prefix: String,
    /// Whether others may ask this node, as it is set: `auto`, `client` or `server`.
    pub mode: String,
    /// Whether they may.
    pub serves: bool,
    /// Who decides which backend is used: `auto`, or a person who chose `local` or `kad`.
    pub choice: String,
    /// The backend that is used: `local` or `kad`.
    pub using: String,
    /// Whether this node has entered the network.
    pub bootstrapped: bool,
    /// How often it tried.
    pub bootstrap_attempts: u64,
    /// Members in the routing table, by name or id.
    pub routing: Vec<String>,
    /// Both backends.
    pub backends: Vec<DhtBackendDto>,
    /// What waits to be told to members.
    pub queue: DhtQueueDto,
    /// Records of this node on its disk.
    pub own_records: u64,
    /// Records of others on its disk.
    pub other_records: u64,
    /// Keys that it provides.
    pub provided: u64,
    /// Records that it holds in memory for others to ask for.
    pub held_records: u64,
    /// Records and providers that were refused since the start, by reason.
    pub refused: BTreeMap<String, u64>,
    /// In numbers.
    pub stats: DhtStatsDto,
}

/// Which backend is to be used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DhtChoiceDto {
    /// `local`, `kad` or `auto`.
    pub backend: String,
}

/// Whether the network was entered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtEnteredDto {
    /// Whether this node is in the network. It is not where there is no other member to be in it with.
    pub entered: bool,
    /// Members in the routing table now.
    pub routing_table_size: u64,
    /// Why it is not, and what changes that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<FindingDto>,
}

/// A record to be put.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDhtRecordDto {
    /// Under which key; the one that the record names if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The signed bytes, in base64.
    pub value: String,
}

/// Which record is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DhtKeyDto {
    /// A path of the table, an address, a member's name or id.
    pub key: String,
}

/// A record of the hash table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtRecordDto {
    /// The key it is under.
    pub key: String,
    /// `pointer` or `card`.
    pub kind: String,
    /// Peer id of who signed it.
    pub author: String,
    /// Its name, empty when it is not known.
    pub author_name: String,
    /// Whether that is this node.
    pub own: bool,
    /// Which of several counts.
    pub version: u64,
    /// When it ends.
    pub expires: String,
    /// What the index of this node says of a pointer: `authorised`, `unknown` or `refuted`. A card is `authorised`.
    pub standing: String,
    /// Whether members were asked too, and answered.
    pub asked: bool,
    /// When members took it, if it is this node's.
    pub published_at: Option<String>,
    /// What it says, if it is a pointer.
    pub pointer: Option<DhtPointerDto>,
    /// What it says, if it is a card.
    pub card: Option<DhtCardDto>,
    /// The signed bytes, in base64.
    pub value: String,
}

/// Where the newest version of a document stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtPointerDto {
    /// The document, in hex.
    pub content: String,
    /// The event of the index.
    pub event: String,
    /// The store that wrote it.
    pub store: String,
    /// The root manifest of the ciphertext, in hex.
    pub root: String,
}

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtCardDto {
    /// What its machine is called.
    pub name: String,
    /// The agent that works there.
    pub agent: Option<String>,
    /// The roles it works in.
    pub roles: Vec<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Where it listens.
    pub addresses: Vec<String>,
}

/// What became of a record that was put.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtStoredDto {
    /// Whether it is new.
    pub changed: bool,
    /// The record that stands now.
    pub record: DhtRecordDto,
}

/// Something that can be provided.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DhtTopicDto {
    /// `content:ROOT`, `role:NAME`, `capability:NAME` or `peer`.
    pub topic: String,
    /// Most providers that are named; 20 if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Whether something changed that this node provides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtProvideDto {
    /// What.
    pub topic: String,
    /// Whether it did.
    pub changed: bool,
}

/// Something that this node provides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtProvidedDto {
    /// What.
    pub topic: String,
    /// `known`: it follows from what is known of this node; `announced`: somebody said so; `held`: it holds it.
    pub source: String,
    /// Since when.
    pub since: String,
    /// When members were last told; null while they still have to be.
    pub published_at: Option<String>,
}

/// What this node provides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtProvidesDto {
    /// Each.
    pub provided: Vec<DhtProvidedDto>,
}

/// Somebody who provides something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtProviderDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// When that was first heard.
    pub added_at: String,
    /// When it was last heard.
    pub last_seen: String,
}

/// Who provides something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtProvidersDto {
    /// What.
    pub topic: String,
    /// Each.
    pub providers: Vec<DhtProviderDto>,
}

/// Which members are asked for: all, those of a role, or those that can do something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DhtPeerFilterDto {
    /// Those that hold this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Those that can do this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
}

/// A member, as the charter and its card describe it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtPeerDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// The agent that works there, as its card says.
    pub agent: Option<String>,
    /// Its roles, by the charter.
    pub roles: Vec<String>,
    /// What it can do, as its card says.
    pub capabilities: Vec<String>,
    /// Where it listens, as its card says.
    pub addresses: Vec<String>,
    /// From what the answer is known: `charter`, `catalogue`, `card`, `announced`.
    pub known_by: Vec<String>,
    /// When its card ends, if it has one.
    pub card_expires: Option<String>,
}

/// Members.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DhtPeersDto {
    /// Each, in the order of their names.
    pub peers: Vec<DhtPeerDto>,
}

/// What this node is to say of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DhtAnnounceDto {
    /// Peer id of the node, which must be this one; this one if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<String>,
    /// The agent that works here; what was said before stays if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Roles that it works in, which it was granted.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
}
