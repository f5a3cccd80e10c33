//! A node of Antiphon: the one event loop, and the public [`Handle`] to it.
//!
//! A program that wants shared memory starts a [`Node`] in a home directory and talks to its [`Handle`]:
//!
//! ```no_run
//! # async fn run() -> Result<(), antiphon_node::Error> {
//! use antiphon_node::{Config, Home, Node};
//!
//! let node = Node::start(Config::new(Home::new("/tmp/antiphon"))).await?;
//! let status = node.handle().status().await?;
//! assert!(status.facts == 0);
//! node.handle().shutdown().await;
//! node.stopped().await;
//! # Ok(())
//! # }
//! ```
//!
//! Inside, whatever changes what the node thinks of its peers happens in one loop, one thing at a
//! time; work that waits for the disk or the network is a task whose result comes back as an input. Facts do not pass
//! through the loop: the store has one writer of its own, and the loop learns of commits afterwards.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod announce;
pub mod api;
mod apply;
mod audit;
mod backups;
pub mod bundles;
mod catalogue;
mod catch_up;
mod changes;
mod clock;
mod config;
mod connect;
mod content;
mod counted;
mod custody;
mod dht;
mod divergences;
mod doctor;
mod event_loop;
mod forks;
mod framed;
mod handle;
mod handshakes;
mod held;
mod hits;
pub mod home;
mod incidents;
mod inputs;
mod joins;
mod keyring;
mod modes;
mod moving;
mod outbox;
mod own_log;
mod peer_view;
mod peers;
mod ports;
mod problems;
mod rated;
mod reason_words;
mod reasons;
mod recalling;
mod recover;
mod registry;
mod rekey;
mod replication;
mod restart;
mod rows;
mod sealed;
mod session;
mod start;
mod stewards;
mod tasks;
mod team;
mod team_view;
mod why;

pub use antiphon_net::ReachConfig;
pub use antiphon_protocol::backup::PARTS_PER_OWNER_MAX;
pub use antiphon_protocol::query::recall::Told;
pub use antiphon_protocol::ticket;
pub use antiphon_store::{
    Ancestor, Audience, AuditLine, Author, AuthorError, Authored, BackupReason, BlobError, Bring, Cause, Committed,
    ContentCursor, ContentFilter, Counts, DOMAINS_MAX, Diverged, DivergedField, DomainFact, DomainMark, DomainNews,
    Domains, Draft, EditView, Erasure, ErasureAt, Error as StoreError, Explanation, FOLDED_MAX, FactFilter, FactView,
    Folded, FoundBy, Full as OutboxFull, GeneBackup, Hit, IncidentFilter, IncidentView, LogView, NodeMode, Origin,
    OutboxBound, Outcome, PeerMode, Recall, RecallQuery, Rejoined, Report, ResourceFilter, Side, SubjectId,
    TRAIL_LINES_MAX, TrailFilter, TrailLine, TrailVerdict, WordPart,
};
pub use antiphon_vault::file::Error as KeyFileError;
pub use antiphon_vault::phrase::Error as PhraseError;
pub use antiphon_vault::private_file::Error as PrivateFileError;
pub use api::*;
pub use changes::{COALESCE_MS, Changes, LOOK_MS, Topic};
pub use config::{
    Config, DhtSettings, LevelError, Levels, OUTBOX_RETRY_MS, OutboxConfig, RESERVE_BYTES, STORAGE_QUOTA_BYTES,
    StorageSettings,
};
pub use content::{
    Feed, FetchError, Fetched, Intake, Interrupted, Progress as FetchProgress, Repaired, Served, intake,
};
pub use counted::{count, counted};
pub use divergences::{Choice, Origins, Settled, Taken, Unsettled};
pub use doctor::{Ailment, Checked, DiskSpace, Mend, Severity, examine_home};
pub use handle::{Commits, Handle, LiveSettings, PlannedUse, Tally, dht_topic};
pub use home::Home;
pub use restart::{Restarted, init_from_phrase};
pub use start::{Initialized, Node, http_key, http_token, init};
pub use team_view::*;
