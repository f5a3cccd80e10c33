//! What is shown of the outbox: what waits for whom, since when, and what became of it.

use std::fmt;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Bounds, Level, Protocol, Subject};
use antiphon_core::time::UnixMillis;

use super::Words;

/// Most items of one page.
pub const OUTBOX_PAGE_MAX: usize = 1_000;

/// By what a person names an item: the number of its row, or `m` and its number where it is kept in memory alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboxId {
    /// A row of the database.
    Row(u64),
    /// An item in memory.
    Memory(u64),
}

impl OutboxId {
    /// Reads the name of an item.
    ///
    /// # Errors
    /// [`OutboxError::NotAnId`].
    pub fn read(text: &str) -> Result<Self, OutboxError> {
        let wrong = || OutboxError::NotAnId(text.chars().take(64).collect());
        let (memory, digits) = text.trim().strip_prefix('m').map_or((false, text.trim()), |rest| (true, rest));
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        Ok(if memory { Self::Memory(number) } else { Self::Row(number) })
    }
}

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(row) => row.fmt(f),
            Self::Memory(item) => write!(f, "m{item}"),
        }
    }
}

/// How it stands with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxState {
    /// It waits for its receiver.
    Waiting,
    /// It was sent, and the receiver has not answered yet.
    UnderWay,
    /// The charter or the receiver refused it for good.
    Refused,
    /// It does not open.
    Damaged,
    /// It was tried as often as a moderate item is.
    Abandoned,
}

impl OutboxState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::UnderWay, Self::Refused, Self::Damaged, Self::Abandoned];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::UnderWay => "under_way",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether it is still to be delivered.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Waiting | Self::UnderWay)
    }
}

/// One item of the outbox. Of a damaged one not everything can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxItemView {
    /// By what it is named.
    pub id: OutboxId,
    /// For whom it is.
    pub peer: Option<NodeId>,
    /// That node's name, empty when it is not known.
    pub name: String,
    /// What kind of request it is.
    pub protocol: Option<Protocol>,
    /// How much it matters.
    pub level: Option<Level>,
    /// Version of the body's form.
    pub schema: Option<u16>,
    /// What it is about.
    pub subject: Option<Subject>,
    /// How it stands with it.
    pub state: OutboxState,
    /// Stable name of why it was refused, given up or set aside, or why its peer was not reached last.
    pub reason: Option<String>,
    /// The same in words, with what to do about it.
    pub words: Option<Words>,
    /// When it was put here.
    pub at: UnixMillis,
    /// Bytes of its body.
    pub bytes: u64,
    /// Its place in what waits for its peer at its level, from 1.
    pub position: Option<u64>,
    /// How often it, or what waits with it, was tried in vain.
    pub tries: u32,
    /// When that is tried again.
    pub next_try: Option<UnixMillis>,
}

/// Which items are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxFilter {
    /// Only those for this node.
    pub peer: Option<NodeId>,
    /// Only those of this level.
    pub level: Option<Level>,
    /// Only those after this one.
    pub after: Option<OutboxId>,
}

/// Some items, in the order in which they were put here: what is on disk before what is in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxPage {
    /// The items.
    pub items: Vec<OutboxItemView>,
    /// Whether there are more.
    pub more: bool,
}

/// What waits for one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxPeerView {
    /// The peer.
    pub peer: NodeId,
    /// Its name.
    pub name: String,
    /// Items that are to be delivered to it.
    pub pending: u64,
    /// Items for it that were refused or do not open, and wait for a person.
    pub stuck: u64,
    /// Bytes of the bodies of all of them.
    pub bytes: u64,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it is tried next.
    pub next_try: Option<UnixMillis>,
    /// Stable name of why the last attempt failed.
    pub reason: Option<String>,
    /// The same in words, with what to do about it.
    pub words: Option<Words>,
    /// When it last took something.
    pub delivered_at: Option<UnixMillis>,
}

/// What was counted since the node started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounters {
    /// Items that were put into the outbox.
    pub enqueued: u64,
    /// Bytes of their bodies.
    pub enqueued_bytes: u64,
    /// Items that were taken by their receivers.
    pub delivered: u64,
    /// Bytes of their bodies.
    pub delivered_bytes: u64,
    /// Items whose place a newer one took.
    pub merged: u64,
    /// Items that a receiver, or the charter, refused for good.
    pub refused: u64,
    /// Moderate items that were given up.
    pub abandoned: u64,
    /// Items that a person dropped.
    pub dropped: u64,
    /// Items that did not open.
    pub set_aside: u64,
    /// Answers of receivers that could take nothing more.
    pub busy: u64,
    /// Items that found no room.
    pub full: u64,
}

/// The outbox in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxStats {
    /// How much may wait.
    pub bounds: Bounds,
    /// Every peer for which something waits or waited, in the order of the ids.
    pub peers: Vec<OutboxPeerView>,
    /// Items that were refused.
    pub refused: u64,
    /// Items that do not open.
    pub damaged: u64,
    /// Items that were given up and not dropped yet.
    pub abandoned: u64,
    /// What was counted since the node started.
    pub counters: OutboxCounters,
    /// Older copies that were noticed since the node started.
    pub restored: Vec<OutboxRestoredView>,
}

impl OutboxStats {
    /// Items that are to be delivered.
    pub fn pending(&self) -> u64 {
        self.peers.iter().fold(0, |sum: u64, peer| sum.saturating_add(peer.pending))
    }

    /// Bytes of all bodies.
    pub fn bytes(&self) -> u64 {
        self.peers.iter().fold(0, |sum: u64, peer| sum.saturating_add(peer.bytes))
    }
}

/// The two sides of a queue do not remember the same: the database of one of them is an older copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRestoredView {
    /// With whom.
    pub peer: NodeId,
    /// That node's name.
    pub name: String,
    /// Stable name of what was found.
    pub kind: &'static str,
    /// Whether something was lost by it.
    pub lost: bool,
    /// When it was noticed last.
    pub at: UnixMillis,
    /// The same in words, with what to do about it.
    pub words: Words,
}

/// What `status` says of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxSummary {
    /// Items that are to be delivered.
    pub pending: u64,
    /// Items that were refused or do not open, and wait for a person.
    pub stuck: u64,
    /// The peers for which something is kept.
    pub peers: Vec<OutboxPeerView>,
    /// Older copies that were noticed since the node started.
    pub restored: Vec<OutboxRestoredView>,
}

/// One kind of request, and whether it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxLevelView {
    /// Which.
    pub protocol: Protocol,
    /// How much it matters on this node.
    pub level: Level,
    /// How much it matters unless somebody says otherwise.
    pub usual: Level,
    /// Whether a newer one about the same subject takes the place of one that waits.
    pub merges: bool,
    /// What it is, for people.
    pub what: &'static str,
}

/// Why something cannot be done with an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// A text that names no item.
    #[error("{0:?} is not the number of an item")]
    NotAnId(String),
    /// There is no such item any more.
    #[error("there is no item {0} in the outbox")]
    NotFound(String),
    /// It still does not open.
    #[error("item {id} still cannot be sent: it {}", reason.replace('_', " "))]
    Damaged {
        /// Which.
        id: String,
        /// Stable name of the reason.
        reason: &'static str,
    },
    /// What was given up is noted, and no longer kept.
    #[error("item {0} was given up, and what it said is not kept")]
    NotKept(String),
}

/// What a retry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxRetried {
    /// Items that wait again after they had stopped waiting.
    pub put_back: u64,
    /// Peers that are tried now.
    pub peers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_named_as_it_is_shown() {
        for id in [OutboxId::Row(17), OutboxId::Memory(3)] {
            assert_eq!(OutboxId::read(&id.to_string()), Ok(id));
        }
        for wrong in ["", "m", "-1", "+1", "m+1", "1x", "99999999999999999999999"] {
            assert_eq!(OutboxId::read(wrong), Err(OutboxError::NotAnId(wrong.into())));
        }
    }
}
