//! Why the database refused or failed.
//!
//! A batch of writes that shares one commit also shares its failure, so the error is cheap to clone: the causes
//! that cannot be cloned stand behind an `Arc`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_core::cbor;
use antiphon_core::content;
use antiphon_core::event::sealed::SealError;
use antiphon_core::event::{HeaderError, PayloadError};
use antiphon_core::fact;
use antiphon_core::genome;
use antiphon_core::ids::{ContentId, FactId, Hash, IncidentId, MessageId, NodeId, StoreId, TeamId};
use antiphon_core::incident;
use antiphon_core::log::LogId;
use antiphon_core::vclock;

use crate::divergence::SubjectId;

/// A failure of the database, or a whole request it refused. Nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// The file system failed.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What happened.
        source: Arc<std::io::Error>,
    },
    /// The database was written by a newer version; it was not touched.
    #[error("database {path} has schema {found}, this version knows {known}", path = path.display())]
    NewerSchema {
        /// Which file.
        path: PathBuf,
        /// The schema it has.
        found: u32,
        /// The newest schema this version knows.
        known: u32,
    },
    /// The SQLite library is too old.
    #[error("SQLite {found} is too old, {need} is needed")]
    OldSqlite {
        /// Version number of the library.
        found: i32,
        /// The least that is needed.
        need: i32,
    },
    /// The database holds what this crate never writes.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// There is no such fact, log or invite.
    #[error("there is no {0}")]
    NotFound(String),
    /// A message of this name was sent before, so nothing was sent.
    #[error("message {0} was sent under this key")]
    AlreadySent(MessageId),
    /// The home has no team yet.
    #[error("this home belongs to no team yet")]
    NoTeam,
    /// The home has a team already.
    #[error("this home belongs to team {0} already")]
    HasTeam(TeamId),
    /// Somebody changed genes in the database on which it hangs who is a member.
    #[error("the founding genes in the database were changed: {}", if .0.is_empty() { "they do not hash to the team's id".to_owned() } else { .0.join(", ") })]
    Tampered(Vec<String>),
    /// The genes are no genome.
    #[error(transparent)]
    Genome(#[from] genome::Error),
    /// The key that signs is not the key that was named.
    #[error("the signing key is {got}, not {want}")]
    OtherKey {
        /// The key that is needed.
        want: NodeId,
        /// The key that was given.
        got: NodeId,
    },
    /// There is no key to sign with.
    #[error("there is no key to sign with")]
    NoSigner,
    /// Events of another team, or of another log than was named.
    #[error("the events belong to another log or another team than {0}")]
    OtherLog(LogId),
    /// The events do not follow what is held.
    #[error("the events of {log} begin at {got}, and {held} are held")]
    Gap {
        /// Which log.
        log: LogId,
        /// Last sequence number held.
        held: u64,
        /// First sequence number given.
        got: u64,
    },
    /// The events have the right numbers but continue another branch; ask again from further back.
    #[error("the events of {log} do not continue the header {held} that is held")]
    OtherBranch {
        /// Which log.
        log: LogId,
        /// Hash of the head that is held.
        held: Hash,
    },
    /// A key opened more stores than it may.
    #[error("key {0} opened more than {max} stores", max = antiphon_core::log::STORES_PER_KEY_MAX)]
    TooManyStores(NodeId),
    /// A key that may not sign membership opened a charter log.
    #[error("key {0} is no steward, and its charter log is not taken in")]
    NotASteward(NodeId),
    /// There are more logs than a node clock may list.
    #[error("more than {max} logs", max = crate::LOGS_MAX)]
    TooManyLogs,
    /// What is known of a peer is beyond its bounds.
    #[error("the {what} of peer {node} are beyond what is kept of a peer")]
    PeerTooLarge {
        /// Which peer.
        node: NodeId,
        /// What is too long, or too many.
        what: &'static str,
    },
    /// The charter is full.
    #[error("the charter has {0} events, which is its limit")]
    CharterFull(u64),
    /// An event could not be encoded or read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A payload could not be encoded or read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// No more can wait in the outbox.
    #[error(transparent)]
    OutboxFull(#[from] crate::outbox::Full),
    /// Nothing can be put into the outbox before an era was begun.
    #[error("no era of the outbox was begun")]
    NoEra,
    /// There is no randomness to seal with.
    #[error(transparent)]
    NoRandomness(#[from] antiphon_core::outbox::NoRandomness),
    /// The store was closed, or its thread is gone.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    fn code(&self) -> Option<rusqlite::ErrorCode> {
        if let Self::Sqlite(error) = self { error.sqlite_error_code() } else { None }
    }

    /// Whether the disk, or the space the database may take, is full.
    pub fn is_full(&self) -> bool {
        let io = |source: &std::io::Error| source.kind() == std::io::ErrorKind::StorageFull;
        self.code() == Some(rusqlite::ErrorCode::DiskFull) || matches!(self, Self::Io { source, .. } if io(source))
    }

    /// Whether something that was named does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    /// Whether genes were changed on which it hangs who is a member.
    pub fn is_tampered(&self) -> bool {
        matches!(self, Self::Tampered(_))
    }

    /// Whether the database was written by a newer version.
    pub fn is_newer_schema(&self) -> bool {
        matches!(self, Self::NewerSchema { .. })
    }

    /// Whether the files hold something that is not a sound database.
    pub fn is_damaged(&self) -> bool {
        let code = self.code();
        matches!(self, Self::Damaged(_))
            || code == Some(rusqlite::ErrorCode::DatabaseCorrupt)
            || code == Some(rusqlite::ErrorCode::NotADatabase)
    }

    /// Why the outbox takes no more, if that is what is wrong.
    pub fn outbox_full(&self) -> Option<&crate::outbox::Full> {
        if let Self::OutboxFull(full) = self { Some(full) } else { None }
    }

    /// Whether the same may well succeed later: the disk is full or fails, or the database is in use.
    pub(crate) fn may_pass(&self) -> bool {
        let constraint = Some(rusqlite::ErrorCode::ConstraintViolation);
        match self {
            Self::Sqlite(_) => self.code() != constraint,
            Self::Io { .. } | Self::Closed | Self::NoSigner => true,
            _ => false,
        }
    }

    /// Whether the store was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Whether the events must be asked for again from further back.
    pub fn is_other_branch(&self) -> bool {
        matches!(self, Self::OtherBranch { .. } | Self::Gap { .. })
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl From<cbor::Error> for Error {
    fn from(error: cbor::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Why one draft was refused; the other drafts of the same call are not harmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorError {
    /// There is no such fact.
    #[error("there is no fact {0}")]
    NotFound(FactId),
    /// The fact was forgotten; it must be restored first.
    #[error("fact {0} was forgotten")]
    Forgotten(FactId),
    /// The fact was forgotten for good; nothing can bring it back.
    #[error("fact {0} was erased")]
    Erased(FactId),
    /// Only the author of a fact or a steward may have it erased.
    #[error("fact {fact} is not ours to erase: {}", match .author { Some(author) => format!("it was written by {author}"), None => "it was imported and belongs to nobody".to_owned() })]
    NotYours {
        /// Which fact.
        fact: FactId,
        /// Who wrote it, if anybody did.
        author: Option<NodeId>,
    },
    /// There is no such incident.
    #[error("there is no incident {0}")]
    IncidentNotFound(IncidentId),
    /// A value of an incident is unfit.
    #[error(transparent)]
    Incident(#[from] incident::Error),
    /// The incident has been edited by too many stores.
    #[error("incident {incident} cannot be edited any more: {source}")]
    IncidentVersion {
        /// Which incident.
        incident: IncidentId,
        /// Which limit is reached.
        source: vclock::Error,
    },
    /// There is no such document.
    #[error("there is no document {0}")]
    ContentNotFound(ContentId),
    /// What the index is to say of a document is unfit.
    #[error(transparent)]
    Content(#[from] content::EntryError),
    /// A document has been written by too many stores.
    #[error("document {content} cannot be changed any more: {source}")]
    ContentVersion {
        /// Which document.
        content: ContentId,
        /// Which limit is reached.
        source: vclock::Error,
    },
    /// The team has no such role.
    #[error("this team has no role {0:?}")]
    RoleUnknown(String),
    /// Nobody may store documents in this role.
    #[error("the role {0} is read_only and cannot store documents")]
    CreatorRoleReadOnly(String),
    /// This node does not hold the role in which it is to store.
    #[error("this node does not hold the role {role}; it holds {}", names(held))]
    CreatorRoleNotHeld {
        /// The role.
        role: String,
        /// The roles that it holds.
        held: Vec<String>,
    },
    /// This node holds no role in which documents may be stored, so it may not take any away either.
    #[error("this node may not take documents away: it holds {}", names(held))]
    MayNotRemove {
        /// The roles that it holds.
        held: Vec<String>,
    },
    /// A divergence has other sides than whoever settles it has seen.
    #[error("{0} was changed again meanwhile")]
    ChangedMeanwhile(SubjectId),
    /// A new fact needs a text.
    #[error("a fact needs a text")]
    NoContent,
    /// A value is unfit.
    #[error(transparent)]
    Fact(#[from] fact::Error),
    /// The fact has been edited by too many stores.
    #[error("fact {fact} cannot be edited any more: {source}")]
    Version {
        /// Which fact.
        fact: FactId,
        /// Which limit is reached.
        source: vclock::Error,
    },
    /// All values together are too long.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The header cannot be written.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A gene that cannot be added.
    #[error(transparent)]
    Gene(#[from] genome::Error),
    /// The charter holds a record of a kind that this version does not know and must not ignore.
    #[error("the charter holds a record of kind {0}, which this version does not know and must not ignore")]
    UpgradeNeeded(u64),
    /// A charter record that readers would refuse.
    #[error("the charter record is unfit: {0}")]
    Charter(String),
    /// Only a steward signs membership.
    #[error("{0} is not a steward of this team")]
    NotASteward(NodeId),
    /// The charter is full.
    #[error("the charter has {0} events, which is its limit")]
    CharterFull(u64),
    /// Our own log is not what members hold of it, and is being brought in line with that. It does not take long.
    #[error("what members hold of store {0} is being taken over, so nothing can be written right now")]
    Rejoining(StoreId),
    /// Our own log was cut off: nothing that is written into it counts.
    #[error("store {0} was closed by the team and cannot be written")]
    LogClosed(StoreId),
    /// The role has no key that may be used: none was made yet, or who made it had not heard of a removal, so that
    /// somebody who was removed may hold it.
    #[error("role {0} has no key that can be used now")]
    NoRoleKey(String),
    /// What this node could not read itself it does not write.
    #[error("this node may not read what is sealed to {role}, so it cannot write it; it holds {}", .held.join(", "))]
    RoleNotHeld {
        /// The role to be sealed to.
        role: String,
        /// The roles of this node.
        held: Vec<String>,
    },
    /// A role that only reads.
    #[error("role {0} is read_only and cannot write facts for a role")]
    RoleReadOnly(String),
    /// This node has not the key of what it is to change.
    #[error("fact {fact} is sealed to {role}, and this node has not its key")]
    Closed {
        /// Which fact.
        fact: FactId,
        /// The role.
        role: String,
    },
    /// It cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The text that was forgotten is not held here.
    #[error("the text of fact {0} is not held here")]
    NoText(FactId),
}

impl AuthorError {
    /// Whether something that was named does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::IncidentNotFound(_) | Self::ContentNotFound(_))
    }
}

/// Names of roles for people.
fn names(roles: &[String]) -> String {
    if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
}
