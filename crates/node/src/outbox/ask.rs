//! What a handle asks of the outbox as the event loop knows it: how deliveries go, and what is kept in memory.
//!
//! What waits on disk is read from the database. Only the loop knows which of it is under way, how often a peer was
//! tried and when it is tried next, and it alone holds the items in memory.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Place;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::moderate::{Gone, Waiting};
use tokio::sync::oneshot;

/// Something a handle asks about the outbox.
#[derive(Debug)]
pub(crate) enum Ask {
    /// How deliveries go, and what is kept in memory.
    Show(oneshot::Sender<Shown>),
    /// Tries a peer now, or everyone for whom something waits; says how many peers that are.
    Now { peer: Option<NodeId>, reply: oneshot::Sender<u64> },
    /// Drops an item that waits in memory; it is handed back if there was one.
    Drop { peer: NodeId, place: Place, reply: oneshot::Sender<Option<Waiting>> },
    /// A person dropped so many rows.
    Dropped(u64),
}

/// What the loop knows of the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// How deliveries to each peer go for whom something waits.
    pub(crate) peers: BTreeMap<NodeId, Standing>,
    /// What waits in memory, by peer and number.
    pub(crate) waiting: Vec<Waiting>,
    /// What was given up or refused of that, oldest first.
    pub(crate) gone: Vec<Gone>,
    /// What was counted since the node started, on disk and in memory together.
    pub(crate) counts: Counts,
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
