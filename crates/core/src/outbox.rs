//! The outbox in words: what may wait for a peer that cannot be reached, how long, and under which name.
//!
//! A request that fails because its receiver is away is one of three things. If it must not be lost it is **critical**:
//! it is written down before its sender is told so, and tried until it arrives or a person drops it. If it is soon
//! stale it is **moderate**: it is kept in memory and tried again a few times. Anything else is not kept. Which it is
//! depends on what kind of request it is, and [`TABLE`] says so in one place.
//!
//! Copies of documents are not in it: which of them are to be offered to whom follows from the log and from what others
//! showed to hold, so nothing has to wait for it, and a removal travels in the log. The numbers 5 and 6 once stood for these
//! and are not used again.
//!
//! An item is known to both sides by a [`Place`]: its number among the items from this database to that receiver, and
//! the era in which it was put there. Counting alone would not do. A database restored from an older copy counts the
//! same numbers again, for other items, and a receiver that goes by numbers would take a new item for one it has. An
//! era is a random number drawn whenever a node starts, so the items after a restore have places that nobody has seen,
//! and those before it have the places under which they were delivered, if they were.

use std::fmt;

use crate::ids::NodeId;

/// Most bytes of one item's body.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// How often a moderate item is tried again before it is given up.
pub const MODERATE_RETRIES_MAX: u32 = 3;

/// How much it matters that an item arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It is kept on disk until it was delivered.
    Critical,
    /// It is kept in memory and tried [`MODERATE_RETRIES_MAX`] times again.
    Moderate,
    /// It is not kept.
    None,
}

impl Level {
    /// All levels, the one that matters most first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Moderate, Self::None];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Moderate => "moderate",
            Self::None => "none",
        }
    }

    /// The level of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Its number on the wire and in the database.
    pub const fn number(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::Moderate => 1,
            Self::None => 2,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A kind of request to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(u8);

/// What the table says of one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub protocol: Protocol,
    /// Its stable name.
    pub name: &'static str,
    /// Whether and how it waits, unless the configuration says otherwise.
    pub level: Level,
    /// Whether a newer one about the same subject takes the place of one that waits.
    pub merges: bool,
    /// What it is, for people.
    pub what: &'static str,
}

macro_rules! protocols {
    ($($number:literal $constant:ident $name:literal $level:ident $merges:literal $what:literal,)*) => {
        impl Protocol {
            $(#[doc = concat!("`", $name, "`: ", $what, ".")] pub const $constant: Self = Self($number);)*
        }

        /// Every kind of request, and whether it waits. What is not in here is never queued.
        pub const TABLE: &[Row] = &[$(Row {
            protocol: Protocol::$constant,
            name: $name,
            level: Level::$level,
            merges: $merges,
            what: $what,
        },)*];
    };
}

protocols! {
    1  MESSAGE            "message"             Critical false "a message between agents, or that one was read",
    2  RESOURCE_CREATE    "resource_create"     Critical false "a new entry in a member's catalogue",
    3  RESOURCE_UPDATE    "resource_update"     Critical true  "a change of such an entry",
    4  RESOURCE_DELETE    "resource_delete"     Critical false "the end of such an entry",
    7  CUSTODY_REQUEST    "custody_request"     Critical true  "the wish for a signed receipt",
    8  RESOURCE_VERIFY    "resource_verify"     Moderate true  "the question whether a resource is there",
    9  PLANNER            "planner"             Moderate true  "when the resources of a node can be used",
    10 CONSIDERS          "considers"           Moderate true  "the acknowledgement of a planned use",
    11 STORAGE_CONFIG     "storage_config"      Moderate true  "how much a node stores for others",
    12 FEDERATION_CONFIG  "federation_config"   Moderate true  "what a node shares and takes",
    13 SEARCH             "search"              None     false "a search or another question",
    14 SYNC               "sync"                None     false "a sync session, which catches up by itself",
    15 PUSH               "push"                None     false "new events for who is connected",
    16 INDEXER            "indexer"             None     false "whatever a node starts for the network's sake",
}

impl Protocol {
    /// Its number on the wire and in the database.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The kind of this number, if this version knows it.
    pub fn from_number(number: u64) -> Option<Self> {
        TABLE.iter().map(|row| row.protocol).find(|protocol| u64::from(protocol.0) == number)
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.protocol)
    }

    /// What the table says of it.
    pub fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.protocol == self)
    }

    /// Its stable name.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |row| row.name)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a request is about: of two with the same subject to the same receiver, the first arrives first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub [u8; 16]);

/// By what an item is known to its sender and its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Drawn when the node started that put the item there.
    pub era: u64,
    /// Counts the items from this sender's database to this receiver, from 1.
    pub n: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}", self.era, self.n)
    }
}

/// An item as it is handed in.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// For whom.
    pub peer: NodeId,
    /// What kind of request it is.
    pub protocol: Protocol,
    /// Version of the body's form.
    pub schema: u16,
    /// What it is about.
    pub subject: Subject,
    /// The request, at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// A body is nobody's business in a log.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, protocol, schema, subject, body } = self;
        write!(f, "Outgoing(for {peer}, {protocol}, schema {schema}, {subject:?}, {} bytes)", body.len())
    }
}

/// What a row of the outbox is bound to: change any of it, and the row does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Number of the row, never used twice in one database.
    pub row: u64,
    /// For whom.
    pub peer: NodeId,
    /// Where in that peer's queue.
    pub place: Place,
    /// What kind of request it is.
    pub protocol: Protocol,
    /// How much it matters.
    pub level: Level,
    /// Version of the body's form.
    pub schema: u16,
    /// What it is about.
    pub subject: Subject,
}

/// A row does not open: another key made it, or it was changed, swapped or cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the row does not open: another key made it, or it was changed")]
pub struct Sealed;

/// There is no randomness to seal with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no randomness to seal with")]
pub struct NoRandomness;

/// Seals what is written down, and opens it again. The vault's key does; a test may bring its own.
pub trait Sealer: Send + Sync {
    /// Seals a body for its row.
    ///
    /// # Errors
    /// [`NoRandomness`].
    fn seal(&self, binding: &Binding, body: &[u8]) -> Result<Vec<u8>, NoRandomness>;
    /// Opens a row.
    ///
    /// # Errors
    /// [`Sealed`] when it is not exactly what was sealed for this binding.
    fn open(&self, binding: &Binding, sealed: &[u8]) -> Result<Vec<u8>, Sealed>;
}

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Items for one peer.
    pub items_per_peer: u64,
    /// Bytes of bodies for one peer.
    pub bytes_per_peer: u64,
    /// Bytes of bodies in all.
    pub bytes_in_all: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { items_per_peer: 10_000, bytes_per_peer: 64 << 20, bytes_in_all: 512 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_and_a_name_of_its_own() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(Protocol::from_number(u64::from(row.protocol.number())), Some(row.protocol));
            assert_eq!((row.protocol.name(), Protocol::from_name(row.name)), (row.name, Some(row.protocol)));
            assert_eq!(row.protocol.row(), Some(row));
            let others = || TABLE.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
            assert!(others().all(|other| other.protocol != row.protocol && other.name != row.name), "{row:?}");
        }
        assert_eq!(Protocol::from_number(0), None);
        assert_eq!((Protocol::from_number(5), Protocol::from_number(6)), (None, None), "numbers are not used again");
        assert_eq!(Protocol::from_number(256 + 1), None, "a number is not cut");
    }

    #[test]
    fn what_must_not_be_lost_is_critical() {
        let at = |level| TABLE.iter().filter(|row| row.level == level).map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(at(Level::Critical).len(), 5, "{:?}", at(Level::Critical));
        assert_eq!(at(Level::Moderate).len(), 5, "{:?}", at(Level::Moderate));
        for level in Level::ALL {
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
    }
}
