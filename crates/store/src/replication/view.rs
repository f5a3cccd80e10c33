//! What callers give and get about copies.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{History, Priority};
use antiphon_core::time::UnixMillis;

/// How much of a ciphertext is held here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Nothing, and nobody began to fetch it.
    Nothing,
    /// Some of it.
    Part,
    /// All of it.
    Whole,
}

/// Why a ciphertext must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicationNeed {
    /// Bytes of the whole.
    pub length: u64,
    /// Whether it is of a version that stands for its document.
    pub current: bool,
    /// Whether this node's own key wrote one of the versions that need it.
    pub own: bool,
    /// How soon its copies are to be made: what a person said here, else [`Priority::Normal`] for what is current and
    /// [`Priority::Low`] for the rest.
    pub priority: Priority,
}

/// A ciphertext as it is needed and held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicationKey {
    /// Which one.
    pub root: Hash,
    /// Why it must be kept; `None` when no version needs it.
    pub needed: Option<ReplicationNeed>,
    /// How much of it is held here.
    pub held: Held,
}

/// What a node showed of a ciphertext; its number in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaEvidence {
    /// It answered a challenge that could be checked.
    Proved = 0,
    /// It signed that it holds all of it.
    Claimed = 1,
    /// It said that it does not hold it.
    Missing = 2,
    /// It answered a challenge wrongly.
    Wrong = 3,
}

impl ReplicaEvidence {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Proved, Self::Claimed, Self::Missing, Self::Wrong];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Claimed => "claimed",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
        }
    }

    /// Whether it speaks for a copy.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Proved | Self::Claimed)
    }
}

/// What was learnt about one copy, to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaNote {
    /// Of which ciphertext.
    pub root: Hash,
    /// Who was asked.
    pub node: NodeId,
    /// What it showed.
    pub evidence: ReplicaEvidence,
    /// When, by this node's clock.
    pub at: UnixMillis,
    /// How it did so far, this time included.
    pub history: History,
}

/// What is known about one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Of which ciphertext.
    pub root: Hash,
    /// Who holds it, or held it, or was asked for it.
    pub node: NodeId,
    /// What it showed last.
    pub evidence: ReplicaEvidence,
    /// When that was, by this node's clock.
    pub at: UnixMillis,
    /// When it first proved or claimed that it holds it.
    pub added_at: Option<UnixMillis>,
    /// When it last did.
    pub last_seen: Option<UnixMillis>,
    /// How it did so far.
    pub history: History,
}

/// Why no version needs a ciphertext that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unneeded {
    /// The version was removed.
    Removed,
    /// Its author was not entitled to store it, or is not any more.
    Unauthorised,
    /// The event that named it was taken out of the index with a part of its author's log.
    Withdrawn,
    /// It is of a team that was left.
    LeftTeam,
    /// No event ever named it here: it was kept or fetched by hand, or its event is still to come.
    Unknown,
}

impl Unneeded {
    /// All.
    pub const ALL: [Self; 5] = [Self::Removed, Self::Unauthorised, Self::Withdrawn, Self::LeftTeam, Self::Unknown];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Unauthorised => "unauthorised",
            Self::Withdrawn => "withdrawn",
            Self::LeftTeam => "left_team",
            Self::Unknown => "unknown",
        }
    }

    /// Whether an event may still come that needs it, so that it must not be dropped at once.
    pub const fn may_be_early(self) -> bool {
        matches!(self, Self::Unknown | Self::Withdrawn)
    }
}

/// A ciphertext that is held and that no version needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GarbageRow {
    /// Which one.
    pub root: Hash,
    /// Bytes of the whole.
    pub length: u64,
    /// Bytes that are held.
    pub held: u64,
    /// Why it is not needed.
    pub why: Unneeded,
    /// Since when that was seen without more of it coming; `None` before it was looked for.
    pub since: Option<UnixMillis>,
}
