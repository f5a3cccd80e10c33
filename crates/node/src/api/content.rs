//! What is shown of documents, and why something about one was not done.

use antiphon_core::address::{self, Address, Selector};
pub use antiphon_core::content::{LeftOut, LeftOutWhy};
use antiphon_core::event::Provenance;
use antiphon_core::ids::{EventId, Hash, NodeId};
use antiphon_core::replication::Health;
use antiphon_core::time::UnixMillis;
use antiphon_store::ContentCursor;
use tokio::sync::mpsc;

use super::Error;
use crate::content::{CHUNK_BYTES, Plain};

/// The type of a document when nobody says.
pub const CONTENT_TYPE_DEFAULT: &str = "application/octet-stream";

/// Most machines that are asked for one document.
pub const PROVIDERS_MAX: usize = 10;

/// A document to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContent {
    /// Under which address.
    pub address: Address,
    /// For which role, which the node must hold.
    pub role: String,
    /// What it is, as in `text/markdown`.
    pub content_type: String,
    /// Who stores it.
    pub provenance: Provenance,
}

/// For whom a document is going to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPlan {
    /// The roles, the creator's first.
    pub encrypted_for: Vec<String>,
    /// Roles that may read it and have no key.
    pub left_out: Vec<LeftOut>,
}

/// A document that was stored: it is durable, in the index, and in the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentStored {
    /// The version that it is now.
    pub content: ContentInfo,
    /// Roles that may read it and have no key.
    pub left_out: Vec<LeftOut>,
}

/// How much of a ciphertext is on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentHeld {
    /// Bytes that are here.
    pub bytes: u64,
    /// Whether these are all.
    pub whole: bool,
    /// Whether some of them were found damaged, so that they are fetched again.
    pub damaged: bool,
}

/// One version of a document, as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentInfo {
    /// Its address.
    pub address: Address,
    /// Its number: 1 + the highest that its author knew.
    pub version: u64,
    /// The role it was stored for.
    pub creator_role: String,
    /// The roles it is encrypted for.
    pub encrypted_for: Vec<String>,
    /// Which key of the creator role.
    pub key_epoch: Option<Hash>,
    /// What it is.
    pub content_type: String,
    /// When it was stored, by its author's clock.
    pub created_at: UnixMillis,
    /// Bytes of the document.
    pub size: u64,
    /// Bytes of its ciphertext.
    pub stored_size: u64,
    /// SHA-256 of the ciphertext.
    pub hash: Hash,
    /// Name of its root manifest.
    pub root: Hash,
    /// Who stored it.
    pub author: NodeId,
    /// Name of that node, empty when it is not known.
    pub author_name: String,
    /// The event that says so.
    pub event: EventId,
    /// Whether it was removed.
    pub removed: bool,
    /// Whether its author was never entitled to store it, so that it stands for nothing.
    pub unauthorised: bool,
    /// Whether another version was stored at the same time by somebody who did not know this one.
    pub concurrent: bool,
    /// Whether this node's roles may read it.
    pub readable: bool,
    /// What of it is here.
    pub held: ContentHeld,
    /// How its copies stand, where that was asked for and somebody needs it.
    pub copies: Option<ContentCopies>,
}

/// How the copies of a version stand, as this node knows it. Who holds them is [`crate::Handle::known_holders`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentCopies {
    /// Copies that there should be.
    pub target: usize,
    /// Copies that there are: of members that are here, or away for less than the grace period.
    pub actual: usize,
    /// Of those, copies of members that are connected, with this node's.
    pub healthy: usize,
    /// How that stands.
    pub health: Health,
}

/// Which form of a document is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentForm {
    /// As it was stored.
    #[default]
    Plain,
    /// As an age file, which nobody needs a right to read.
    Cipher,
}

/// Where the bytes of an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentSource {
    /// It was read lately.
    Cache,
    /// The ciphertext was on this node.
    Own,
    /// Blocks were fetched first.
    Peers {
        /// Bytes of them.
        bytes: u64,
    },
}

/// A document that is being read.
#[derive(Debug)]
pub struct OpenContent {
    /// Which version it is.
    pub content: ContentInfo,
    /// Where it comes from.
    pub source: ContentSource,
    pub(crate) rest: Rest,
}

/// What was not handed out yet.
pub(crate) enum Rest {
    /// All of it is here.
    Whole {
        /// The document.
        bytes: Plain,
        /// How much was handed out.
        at: usize,
    },
    /// It is decrypted as it is handed out.
    Flow(mpsc::Receiver<Result<Vec<u8>, Error>>),
}

/// Without the document.
impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole { bytes, at } => f.debug_struct("Whole").field("bytes", &bytes.len()).field("at", at).finish(),
            Self::Flow(_) => f.write_str("Flow"),
        }
    }
}

impl OpenContent {
    /// The next bytes; `None` after the last. After an error nothing follows, and what came before is half a document.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, Error>> {
        match &mut self.rest {
            Rest::Flow(chunks) => chunks.recv().await,
            Rest::Whole { bytes, at } => {
                let rest = bytes.get(*at..).filter(|rest| !rest.is_empty())?;
                let chunk = rest.get(..CHUNK_BYTES).unwrap_or(rest).to_vec();
                *at += chunk.len();
                Some(Ok(chunk))
            }
        }
    }

    /// All bytes, if they are not more than `limit`.
    ///
    /// # Errors
    /// [`ContentError::TooLong`], and whatever goes wrong while it is read.
    pub async fn collect(mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next().await {
            bytes.extend(chunk?);
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
                return Err(ContentError::TooLong { size: self.content.size, limit }.into());
            }
        }
        Ok(bytes)
    }
}

/// A page of documents, those stored last first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPage {
    /// The latest version of each.
    pub contents: Vec<ContentInfo>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<ContentCursor>,
}

/// Somebody who may hold a ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentProvider {
    /// Who.
    pub peer: NodeId,
    /// Its name, empty when it is not known.
    pub name: String,
    /// How it is known.
    pub known_by: ProviderSource,
    /// Whether there is a connection.
    pub connected: bool,
}

/// How somebody is known to hold a ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderSource {
    /// It is this node.
    Own,
    /// It proved lately that it does.
    Proved,
    /// It signed lately that it does.
    Claimed,
    /// It stored the document.
    Author,
    /// It says so in the hash table.
    Announced,
}

/// What was done with documents since the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentMetrics {
    /// Documents stored.
    pub stored: u64,
    /// Documents read to their end.
    pub retrieved: u64,
    /// Reads that the cache answered.
    pub cache_hits: u64,
    /// Reads that it did not.
    pub cache_misses: u64,
    /// Documents encrypted.
    pub encryptions: u64,
    /// Documents decrypted.
    pub decryptions: u64,
    /// Mean time that storing took, in microseconds.
    pub store_us: u64,
    /// Mean time that reading took, in microseconds.
    pub retrieve_us: u64,
    /// When one of these last changed.
    pub updated: Option<UnixMillis>,
    /// Documents in the cache.
    pub cached: u64,
    /// Bytes of plaintext in the cache.
    pub cache_bytes: u64,
    /// Ciphertexts on this node.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
}

/// Why something about a document was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The role may not write.
    #[error("role {0} is read_only and cannot store content")]
    ReadOnly(String),
    /// The node does not hold the role it would store for.
    #[error("this node does not hold the role {role}; it holds {}", list(held))]
    NotHeld {
        /// The role that was named.
        role: String,
        /// Those it holds.
        held: Vec<String>,
    },
    /// The node's roles may not read the document.
    #[error("role {} cannot decrypt content of role {role}", list(held))]
    CannotDecrypt {
        /// The roles that the node holds.
        held: Vec<String>,
        /// The role whose document it is.
        role: String,
    },
    /// The node holds no key of the role.
    #[error("this node holds no key of role {0}")]
    NoSecret(String),
    /// The role has no key that is safe from those who were removed.
    #[error("role {0} has no key to encrypt with")]
    NoKey(String),
    /// The node may read the role, and holds none of the keys that this version is encrypted for.
    #[error("this node holds none of the keys that version {version} of {address} is encrypted for")]
    KeyNotHeld {
        /// Which document.
        address: Address,
        /// Which version.
        version: u64,
    },
    /// An address that is none.
    #[error(transparent)]
    Address(#[from] address::Error),
    /// A content type that is none.
    #[error("{0:?} is not a content type")]
    ContentType(String),
    /// Nothing is stored under this address.
    #[error("no document at {0}")]
    NotFound(Address),
    /// The document has no such version.
    #[error("{address} has no version {selector}")]
    NoVersion {
        /// Which document.
        address: Address,
        /// Which version was asked for.
        selector: Selector,
    },
    /// The document was removed.
    #[error("{0} was removed")]
    Removed(Address),
    /// Nobody who can be reached holds all of it.
    #[error("no machine that can be reached holds all of {address}: {why}")]
    Unavailable {
        /// Which document.
        address: Address,
        /// Who was asked and what came of it.
        why: String,
    },
    /// The ciphertext is not the one that the index names, or is no age file.
    #[error("the ciphertext of {address} does not open: {why}")]
    Unopened {
        /// Which document.
        address: Address,
        /// Why.
        why: String,
    },
    /// It could not be encrypted, or read where it came from.
    #[error("the document could not be taken in: {0}")]
    NotTaken(String),
    /// Whoever read it went away.
    #[error("the reader went away before the end")]
    ReaderGone,
    /// It is too long for whoever asks.
    #[error("the document has {size} bytes, the limit here is {limit}")]
    TooLong {
        /// Its bytes.
        size: u64,
        /// Most bytes.
        limit: u64,
    },
    /// A block on this node was damaged; it is fetched again when the document is asked for.
    #[error("a part of {0} on this node is damaged")]
    Damaged(Address),
}

impl From<ContentError> for Error {
    fn from(error: ContentError) -> Self {
        Self::Content(Box::new(error))
    }
}

fn list(roles: &[String]) -> String {
    if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
}
