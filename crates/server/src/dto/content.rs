//! Documents: what was stored under which address, for whom, and where it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActorDto, ReplicaDto, Scalar};

/// Which document is stored, and as whom. The document itself is the body of the request, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContentDto {
    /// Its address, as in `ucxl://ann/backend_developer/shop/login/decision`.
    pub address: String,
    /// The role it is stored for; the node must hold it.
    pub role: String,
    /// What it is, as in `text/markdown`; `application/octet-stream` when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The agent that stores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The session it does so in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// Which document is meant, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentAskDto {
    /// Its address, with a selector where an older version is meant: `ucxl://ann:role@shop:login/~~1/decision`.
    pub address: String,
    /// The age file instead of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ciphertext: Option<bool>,
}

/// Which document is removed, and who does it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentRemoveDto {
    /// Its address.
    pub address: String,
    /// The agent that removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The session it does so in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl ContentRemoveDto {
    /// Who does it.
    pub(crate) fn actor(&self) -> ActorDto {
        ActorDto { agent: self.agent.clone(), session: self.session.clone(), ..ActorDto::default() }
    }
}

/// One version of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentDto {
    /// Its address.
    pub address: String,
    /// Its number.
    pub version: u64,
    /// The role it was stored for.
    pub creator_role: String,
    /// The roles it is encrypted for.
    pub encrypted_for: Vec<String>,
    /// What it is.
    pub content_type: String,
    /// When it was stored, by its author's clock.
    pub timestamp: String,
    /// Bytes of the document.
    pub size: u64,
    /// Bytes of its ciphertext.
    pub stored_size: u64,
    /// SHA-256 of the ciphertext.
    pub hash: String,
    /// Name of its root manifest: SHA-256 of the list of its blocks.
    pub manifest: String,
    /// Which key of the creator role it is encrypted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_epoch: Option<String>,
    /// Name of the node that stored it.
    pub author: String,
    /// Its peer id.
    pub author_peer_id: String,
    /// The event that says so.
    pub event: String,
    /// It was removed.
    #[serde(default)]
    pub removed: bool,
    /// Its author was never entitled to store it, so it stands for nothing.
    #[serde(default)]
    pub unauthorised: bool,
    /// Another version was stored at the same time by somebody who did not know this one.
    #[serde(default)]
    pub concurrent: bool,
    /// This node's roles may read it.
    pub readable: bool,
    /// What of it is on this node: `all`, `part` or `none`.
    pub held: String,
    /// Bytes of ciphertext on this node.
    pub held_bytes: u64,
    /// How its copies stand: `healthy`, `degraded` or `critical`. Only in lists and the state of a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Where the bytes of an answer came from: `cache`, `own` or `peers`. Only in answers that carry the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Bytes that were fetched for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_bytes: Option<u64>,
}

/// For whom a document is going to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentPlanDto {
    /// Its address in the form that counts.
    pub address: String,
    /// The roles, the creator's first.
    pub encrypted_for: Vec<String>,
    /// Roles that may read it and have no key.
    #[serde(default)]
    pub left_out: Vec<LeftOutDto>,
}

/// A document that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentStoredDto {
    /// The version that it is now.
    #[serde(flatten)]
    pub content: ContentDto,
    /// Roles that may read it and have no key.
    #[serde(default)]
    pub left_out: Vec<LeftOutDto>,
}

/// A role that may read a document that is not encrypted for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LeftOutDto {
    /// Its name.
    pub role: String,
    /// `no_members`: nobody holds it; `creator_key`: whoever does has the key of the creator role; `no_key`: somebody
    /// does who has neither, and cannot read the document.
    pub why: String,
}

/// Which documents are listed or searched for: those that fit all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContentFilterDto {
    /// The agent of the address; `any` for every one. So for the next three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The role of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The project of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The task of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The path of the address, or the beginning of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The role it was stored for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_role: Option<String>,
    /// Of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Stored at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Scalar>,
    /// Stored before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Scalar>,
    /// Most documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on there: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of documents, those stored last first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentsDto {
    /// The latest version of each.
    pub contents: Vec<ContentDto>,
    /// Pass it as `after` for the next page; missing on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The versions of one document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentVersionsDto {
    /// Its address.
    pub address: String,
    /// The versions, the newest first.
    pub versions: Vec<ContentDto>,
}

/// Everything that is known of one document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentStatusDto {
    /// Its latest version, or the one that the address selects.
    #[serde(flatten)]
    pub content: ContentDto,
    /// Peer ids of those that are known to hold it.
    pub dht_peers: Vec<String>,
    /// How many are.
    pub replication_factor: usize,
    /// Parts of it on this node were found damaged and are fetched again when it is asked for.
    pub damaged: bool,
    /// How its copies stand, and who holds them; missing where nobody needs them any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<ReplicaDto>,
}

/// Who holds a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentProvidersDto {
    /// Its address.
    pub address: String,
    /// Name of its root manifest.
    pub manifest: String,
    /// Those that are known to hold it.
    pub providers: Vec<ContentProviderDto>,
}

/// A node that may hold a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentProviderDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name.
    pub peer: String,
    /// `own` for this node, `author` for who stored it, `announced` for one that says so in the hash table.
    pub known_by: String,
    /// Whether there is a connection.
    pub connected: bool,
}

/// That a document is announced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentAnnouncedDto {
    /// Its address.
    pub address: String,
    /// Its version.
    pub version: u64,
    /// Whether this node also says that it holds it; it must hold all of it.
    pub provided: bool,
}

/// A document that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentRemovedDto {
    /// Its address.
    pub address: String,
    /// The event that says so.
    pub event: String,
    /// Bytes of ciphertext that were freed on this node.
    pub freed_bytes: u64,
}

/// What was done with documents since the node started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentMetricsDto {
    /// Documents stored.
    pub stored: u64,
    /// Documents read to their end.
    pub retrieved: u64,
    /// Reads that the cache answered.
    pub cache_hits: u64,
    /// Reads that it did not.
    pub cache_misses: u64,
    /// Documents encrypted.
    pub encryption_ops: u64,
    /// Documents decrypted.
    pub decryption_ops: u64,
    /// Mean time that storing took, in microseconds.
    pub average_store_us: u64,
    /// Mean time that reading took, in microseconds.
    pub average_retrieve_us: u64,
    /// When one of these last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update: Option<String>,
    /// Documents in the cache.
    pub cached: u64,
    /// Bytes of plaintext in the cache, which is in memory alone.
    pub cache_bytes: u64,
    /// Ciphertexts on this node.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
}

/// What cleaning the cache dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentCleanedDto {
    /// Entries that were too old.
    pub dropped: u64,
}

/// Which role's keys are handed out. Only the owner of the home may ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleKeyAskDto {
    /// Its name.
    pub role: String,
    /// Every key that is held, not only the newest.
    #[serde(default)]
    pub all: bool,
}

/// Secret keys of a role.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RoleKeyDto {
    /// Its name.
    pub role: String,
    /// An identity file of age: whoever has it reads what is encrypted for the role.
    pub identities: String,
    /// How many keys are in it.
    pub keys: usize,
}

/// Without the keys.
impl std::fmt::Debug for RoleKeyDto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoleKeyDto").field("role", &self.role).field("keys", &self.keys).finish_non_exhaustive()
    }
}
