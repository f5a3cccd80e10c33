//! Logs: what a store has signed, one append-only chain per stream.

use std::collections::BTreeMap;
use std::fmt;

use crate::ids::{Hash, StoreId};

/// Most stores that one key may open in a team.
pub const STORES_PER_KEY_MAX: usize = 16;

/// Which of a store's three logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Membership; always synced first, never erased.
    Charter,
    /// Everything the team shares.
    Shared,
    /// What never leaves the node.
    Local,
}

impl Stream {
    /// Every stream, in the order in which they are synced.
    pub const ALL: [Self; 3] = [Self::Charter, Self::Shared, Self::Local];

    /// The number in a header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Charter => 0,
            Self::Shared => 1,
            Self::Local => 2,
        }
    }

    /// The stream of a number, if there is one.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| u64::from(stream.number()) == number)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Charter => "charter",
            Self::Shared => "shared",
            Self::Local => "local",
        })
    }
}

/// One log: a store's chain in one stream. Logs order by stream first, so that the charter comes before all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Its stream.
    pub stream: Stream,
    /// Its store.
    pub store: StoreId,
}

impl LogId {
    /// The log of `store` in `stream`.
    pub const fn new(store: StoreId, stream: Stream) -> Self {
        Self { stream, store }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.store, self.stream)
    }
}

/// How far a log is held: the last sequence number and the hash of that header. 0 and zeros before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// Sequence number of the last event, 0 for an empty log.
    pub seq: u64,
    /// SHA-256 of its header bytes.
    pub hash: Hash,
}

impl Head {
    /// The head of a log without events.
    pub const EMPTY: Self = Self { seq: 0, hash: Hash([0; 32]) };
}

/// How much of each log a node holds. The head hashes keep two branches from hiding behind equal counters.
pub type NodeClock = BTreeMap<LogId, Head>;
