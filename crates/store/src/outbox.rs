//! The outbox: what waits for peers that cannot be reached.
//!
//! Whoever hands in an item is told that it waits only when it is on disk, so that a crash loses nothing. One item is
//! one row; counts are kept beside it, so that putting one more costs the same however many wait, and nothing is read
//! when the database is opened. An item leaves when its receiver took it, when a newer one takes its place, or when a
//! person drops it; nothing else deletes a row.
//!
//! A body is sealed for its row before it reaches the file, so neither the database nor its write-ahead log ever holds
//! it in the clear. What delivery needs stands beside it in the clear and is bound to it: a row that was cut, changed
//! or put elsewhere does not open. Such a row is found when it is its turn, or when somebody looks; it is set aside
//! with the reason, and the others go on.
//!
//! A row that was refused or does not open keeps its place. Its peer may have taken it and the answer been lost, so
//! under another place it could be taken twice.
//!
//! Limits: a row that is set aside keeps its peer from forgetting places after it. A peer that remembers too many
//! ranges says that it is busy until the row is dropped or sent. An update takes the place of an older one if that is
//! among the newest 57,344 items that are no messages; with more between them both are sent, in their order. Whoever can write the file can delete rows, or put a
//! deleted one back whose place is above the lowest that is left; the receiver knows the place and takes it once.

mod delivery;
mod desk;
mod effect;
mod enqueue;
mod era;
mod figures;
mod list;
mod mend;
mod newest;
mod row;
mod tally;

use std::fmt;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Level, Outgoing, Place, Protocol};
use antiphon_core::time::UnixMillis;

pub use effect::{Effect, Effected};
pub use figures::OutboxStuck;
pub use list::{OutboxCheck, OutboxFilter, OutboxPeer, OutboxRow, OutboxStats};
pub use mend::Retried;

pub(crate) use desk::{Desk, Mark};
pub(crate) use tally::{check as check_tallies, recount};

/// Most eras of this database that are remembered; the oldest go first.
pub const OUTBOX_ERAS_MAX: usize = 4_096;
/// Most bytes of the stable name of a reason.
pub const OUTBOX_REASON_BYTES_MAX: usize = 32;

/// Why a row was set aside: it is not exactly what was sealed for it.
pub const DOES_NOT_OPEN: &str = "does_not_open";
/// Why a row was set aside: it was gone already, and somebody put it back.
pub const CAME_BACK: &str = "came_back";

/// What became of an item that was handed in.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// It waits.
    Queued {
        /// Number of its row.
        id: u64,
        /// Its place in its peer's queue.
        place: Place,
    },
    /// It waits instead of an older one about the same subject.
    Merged {
        /// Number of its row.
        id: u64,
        /// Its place in its peer's queue.
        place: Place,
        /// Number of the row that it took the place of.
        replaced: u64,
    },
}

impl Push {
    /// Number of the item's row.
    pub const fn id(&self) -> u64 {
        match self {
            Self::Queued { id, .. } | Self::Merged { id, .. } => *id,
        }
    }

    /// The item's place in its peer's queue.
    pub const fn place(&self) -> Place {
        match self {
            Self::Queued { place, .. } | Self::Merged { place, .. } => *place,
        }
    }
}

/// What there can be too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboxBound {
    /// Items for one peer.
    ItemsPerPeer,
    /// Bytes of bodies for one peer.
    BytesPerPeer,
    /// Bytes of bodies in all.
    BytesInAll,
    /// Bytes of one body.
    Body,
}

impl OutboxBound {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ItemsPerPeer => "items_per_peer",
            Self::BytesPerPeer => "bytes_per_peer",
            Self::BytesInAll => "bytes_in_all",
            Self::Body => "body_bytes",
        }
    }
}

impl fmt::Display for OutboxBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ItemsPerPeer => "items for one peer",
            Self::BytesPerPeer => "bytes for one peer",
            Self::BytesInAll => "bytes in all",
            Self::Body => "bytes of one item",
        })
    }
}

/// No more can wait. Nothing of what was handed in was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the outbox is full for {peer}: the limit is {limit} {what}")]
pub struct Full {
    /// For whom the item is that did not fit.
    pub peer: NodeId,
    /// Which bound it met.
    pub what: OutboxBound,
    /// Where that bound is.
    pub limit: u64,
}

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboxState {
    /// It is sent when its peer can be reached.
    Waits,
    /// Its peer must not get it, or does not want it.
    Refused,
    /// It does not open.
    Broken,
}

impl OutboxState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waits, Self::Refused, Self::Broken];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }

    /// Its number in the database.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Waits => 0,
            Self::Refused => 1,
            Self::Broken => 2,
        }
    }

    /// The state of a number; what this version never writes is damage.
    pub(crate) fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.number() == number).unwrap_or(Self::Broken)
    }
}

/// What a receiver said of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It took it.
    Taken,
    /// It had taken it before.
    Had,
    /// It does not want it, with the stable name of its reason.
    Refused(String),
}

/// An item that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Number of its row.
    pub id: u64,
    /// Its place.
    pub place: Place,
    /// How much it matters.
    pub level: Level,
    /// When it was handed in.
    pub at: UnixMillis,
    /// What was handed in.
    pub item: Outgoing,
}

/// Some of what waits for a peer, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxPage {
    /// Every row for this peer stands here or above, whatever its state; see [`crate::TakeFrom`].
    pub floor: u64,
    /// What can be sent.
    pub items: Vec<Waiting>,
    /// Rows that waited and cannot be sent, with the reason: to be set aside.
    pub broken: Vec<(u64, &'static str)>,
    /// Where the next page begins behind, if there is one.
    pub more_after: Option<u64>,
}

/// A kind of request by its number in the database.
pub(crate) fn protocol(number: i64) -> Option<Protocol> {
    u64::try_from(number).ok().and_then(Protocol::from_number)
}

/// The stable name of a reason as it is kept: short, and nothing that could confuse a terminal.
pub(crate) fn kept_reason(reason: &str) -> String {
    let fit = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
    reason.chars().filter(fit).take(OUTBOX_REASON_BYTES_MAX).collect()
}
