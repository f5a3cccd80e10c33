//! What a handle asks of the outbox as the event loop knows it: how deliveries go, and what is kept in memory.
//!
//! What waits on disk is read from the database. Only the loop knows which of it is under way, how often a peer was
//! tried and when it is tried next, and it alone holds the moderate items.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Level, Outgoing, Place, Protocol, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::moderate::Push;
use tokio::sync::oneshot;

use super::Side;

/// Something a handle asks about the outbox.
#[derive(Debug)]
pub(crate) enum Ask {
    /// How deliveries go, and what is kept in memory.
    Show(oneshot::Sender<Shown>),
    /// Tries a peer now, or everyone for whom something waits; says how many peers that are.
    Now { peer: Option<NodeId>, reply: oneshot::Sender<u64> },
    /// Whether an item still waits in memory. What was given up is not kept, so it cannot wait again.
    Again { item: u64, reply: oneshot::Sender<bool> },
    /// Drops an item that waits in memory; says whether there was one.
    Drop { item: u64, reply: oneshot::Sender<bool> },
    /// A person dropped so many rows.
    Dropped(u64),
    /// Items were put down for these peers.
    Put { peers: Vec<NodeId>, put: Put },
    /// Keeps items in memory; says what became of each.
    Keep { level: Level, items: Vec<Outgoing>, reply: oneshot::Sender<Vec<Push>> },
}

/// What one call put down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    /// How many of them took the place of an older one.
    pub(crate) merged: u64,
    /// Calls that found no room.
    pub(crate) full: u64,
}

/// What the loop knows of the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// How deliveries to each peer go.
    pub(crate) peers: BTreeMap<NodeId, Standing>,
    /// What is kept in memory, in the order of the numbers.
    pub(crate) memory: Vec<Remembered>,
    /// What was counted since the node started.
    pub(crate) counts: Counts,
    /// Copies that turned out to be older ones.
    pub(crate) restored: Vec<Restored>,
}

/// The two sides of a queue do not remember the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restored {
    /// With whom.
    pub(crate) peer: NodeId,
    /// Whose database is the older copy.
    pub(crate) side: Side,
    /// When that was noticed last.
    pub(crate) at: UnixMillis,
}

/// How deliveries to one peer go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Attempts that failed since the last one that went well.
    pub(crate) tries: u32,
    /// When it is tried next; `None` while an attempt is under way, or nothing waits.
    pub(crate) next_try: Option<UnixMillis>,
    /// What was sent and not answered yet.
    pub(crate) under_way: Vec<Place>,
    /// Stable name of why the last attempt failed.
    pub(crate) reason: Option<String>,
}

/// An item that is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Its number, never used twice while the node runs.
    pub(crate) item: u64,
    pub(crate) peer: NodeId,
    pub(crate) place: Place,
    pub(crate) protocol: Protocol,
    pub(crate) schema: u16,
    pub(crate) subject: Subject,
    /// When it was put there.
    pub(crate) at: UnixMillis,
    /// Of the body.
    pub(crate) bytes: u64,
    /// How often it was tried.
    pub(crate) tries: u32,
    /// Stable name of why it was given up; `None` while it waits.
    pub(crate) abandoned: Option<String>,
}

/// What was counted since the node started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Items that were put into the outbox, and bytes of their bodies.
    pub(crate) enqueued: u64,
    pub(crate) enqueued_bytes: u64,
    /// Items that were taken by their receivers, and bytes of their bodies.
    pub(crate) delivered: u64,
    pub(crate) delivered_bytes: u64,
    /// Items whose place a newer one took.
    pub(crate) merged: u64,
    /// Items that a receiver, or the charter, refused for good.
    pub(crate) refused: u64,
    /// Moderate items that were given up.
    pub(crate) abandoned: u64,
    /// Items that a person dropped.
    pub(crate) dropped: u64,
    /// Items that did not open.
    pub(crate) set_aside: u64,
    /// Answers of receivers that could take nothing more.
    pub(crate) busy: u64,
    /// Items that found no room.
    pub(crate) full: u64,
}
