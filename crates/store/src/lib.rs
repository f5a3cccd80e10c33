//! The embedded database of an Antiphon node: log, projections, search.
//!
//! A node must not lose what it acknowledged, must take in a team's history fast, and must answer while it does so.
//! One SQLite file gives the first; the rest is how it is used. All writes go through one connection on one thread,
//! which gathers whatever is waiting into one transaction, so that many writers share one `fsync`. Readers have
//! connections of their own and see a snapshot. The search index lives in a second file that follows the first, so
//! that building it never holds up a durable write, and losing it loses nothing.
//!
//! Two layers: [`Db`] is synchronous and knows no clock, no randomness and no threads, so that a simulator can drive
//! the real thing; [`Store`] puts threads and channels around it.
//!
//! Limits: one process per database; a disk that lies about `fsync` can still lose the last commits.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod apply;
mod audit;
mod author;
mod backups;
mod blobs;
mod branch;
mod cache;
mod carried;
mod cause;
mod charter;
mod contents;
mod db;
mod dht;
mod divergence;
mod domain_names;
mod edits;
mod erase;
mod erasure;
mod error;
mod examine;
mod found;
mod hits;
mod incidents;
mod invites;
mod messages;
mod modes;
mod moving;
mod named;
mod outbox;
mod page;
mod payloads;
mod peers;
mod pool;
mod project;
mod purge;
mod query;
mod reader;
mod rebuild;
mod receipts;
mod removed;
mod renew;
mod replication;
mod reseal;
mod resources;
mod rest;
mod row;
mod schema;
mod sealed;
mod sealed_copies;
mod search;
mod set_aside;
mod shown;
mod since;
mod standing;
mod steward;
mod store;
mod taken;
mod trail;
mod upgrade;
mod verdicts;
mod verify;
pub mod view;
mod wants;
mod write_again;
mod writer;

pub use audit::{AUDIT_LINES_MAX, AuditLine};
pub use backups::{BACKUPS_MAX, BackupReason, GeneBackup, Pinned};
pub use blobs::{
    BLOB_DIR, BLOB_RANGES_MAX, BlobError, BlobReader, BlobTotals, BlobView, Blobs, Checked as BlobChecked,
    DAMAGE_NOTED_MAX, Finished, Landed, Leafed, Writing,
};
pub use branch::Branching;
pub use carried::{CARRIED_AHEAD_MS, CARRIED_LIFE_MS, CARRIED_OWN_MAX, CARRIED_PER_NODE_MAX, Carried};
pub use cause::{Cause, Skewed, Trouble};
pub use contents::{CONTENT_VERSIONS_MAX, ContentCounts, ContentCursor, ContentFilter, ContentView};
pub use db::{Db, Options};
pub use dht::{
    DHT_OTHERS_MAX, DHT_OWN_RECORDS_MAX, DHT_PROVIDER_LIFE_MS, DHT_PROVIDERS_MAX, DHT_PROVIDERS_PER_KEY_MAX,
    DHT_PROVIDES_MAX, DHT_RECORDS_PER_AUTHOR_MAX, DHT_ROWS_MAX, DhtCounts, DhtItem, DhtKnown, DhtProvide, DhtProvider,
    DhtPut, DhtRecord, DhtSource, DhtWaiting, Glance, Provided,
};
pub use divergence::{Ancestor, Diverged, DivergedField, Settlement, SubjectId};
pub use erasure::{Erasure, ErasureAt};
pub use error::{AuthorError, Error};
pub use examine::{Checkup, check_up};
pub use invites::{Invite, InviteUse};
pub use messages::{
    Came, Delivery, INBOX_FULL, LETTER_SCHEMA, MESSAGE_BYTES_MAX, MESSAGE_BYTES_PER_WRITER_MAX, MESSAGES_MAX,
    MESSAGES_PER_WRITER_MAX, MESSAGES_READ_MAX, MESSAGES_SHOWN_MAX, MessageBounds, MessageCounts, MessageFilter,
    MessageView, NOTICE_SCHEMA, NewMessage, ReceiverView, Which,
};
pub use modes::{Domains, NodeMode};
pub use outbox::{
    CAME_BACK, DOES_NOT_OPEN, Effect, Effected, Full, OUTBOX_ERAS_MAX, OUTBOX_REASON_BYTES_MAX, OutboxBound,
    OutboxCheck, OutboxFilter, OutboxPage, OutboxPeer, OutboxRow, OutboxState, OutboxStats, OutboxStuck, Push, Retried,
    Settled, Waiting,
};
pub use peers::{DOMAINS_MAX, Health, HealthError, PeerMode, PeerRow};
pub use query::domain::{DomainFact, DomainMark, DomainNews};
pub use reader::Reader;
pub use receipts::{KeptReceipt, RECEIPTS_MAX};
pub use removed::Removed;
pub use replication::{
    Dropped, GarbageRow, Held, HeldCopy, KeptPossession, POSSESSIONS_MAX, POSSESSIONS_PER_NODE_MAX,
    REPLICAS_PER_ROOT_MAX, REPLICATION_ROWS_MAX, Replica, ReplicaEvidence, ReplicaNote, ReplicationKey,
    ReplicationNeed, Unneeded,
};
pub use resources::{
    CONSIDERS_PER_NODE_MAX, Checked, Considered, GONE_PER_OWNER_MAX, Kept, ResourceChange, ResourceFilter, ResourceRow,
    WORDS_PER_RESOURCE_MAX,
};
pub use sealed::Seals;
pub use sealed_copies::{COPY_HOLDERS_MAX, CopyHolder, CopyLimits, CopyOwner, CopyPart, FactsByStream, Keeping};
pub use search::{Audience, Explanation, Folded, FoundBy, Hit, Origin, Recall, RecallQuery, Weighed, WordPart};
pub use set_aside::{OwnLog, Rejoined};
pub use since::{SINCE_EVENTS_MAX, Since};
pub use standing::{FactEntry, LogStanding};
pub use store::{Committed, RandomSource, Store, StoreOptions};
pub use taken::{TAKEN_ERAS_MAX, TAKEN_RANGES_MAX, TakeFrom, Taking, Took};
pub use trail::{TRAIL_LINES_MAX, TrailFilter, TrailLine, TrailVerdict};
pub use view::*;
pub use wants::{Filled, Items};
pub use write_again::Again;

/// Most logs of one stream that are held.
pub const LOGS_MAX: usize = 4_096;
/// Most events between two signatures of an own log, so that a page can always end at one.
pub const EVENTS_PER_SIGNATURE_MAX: usize = 256;
/// Most bytes of headers and payloads between two signatures of an own log, counted before the event that passes it.
pub const BYTES_PER_SIGNATURE_MAX: usize = 256 * 1024;
/// Most events of the newest, not yet indexed ones that recall looks at.
pub const TAIL_EVENTS_MAX: usize = 2_000;
/// Most facts that are listed as folded into one recalled fact.
pub const FOLDED_MAX: usize = 8;
/// Most idempotency keys that are remembered.
pub const IDEMPOTENCY_KEYS_MAX: u64 = 10_000;
/// How long an idempotency key is remembered, in milliseconds: one day.
pub const IDEMPOTENCY_LIFE_MS: u64 = 24 * 60 * 60 * 1_000;
/// Most events of the other branch that are kept as evidence of a fork.
pub const FORK_EVENTS_MAX: u64 = 512;
/// Most problems that one check lists.
pub const PROBLEMS_MAX: usize = 100;
