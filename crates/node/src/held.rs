//! What this node holds, as sync sessions need to know it.

use std::collections::BTreeMap;

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::log::{NodeClock, Stream};
use antiphon_protocol::sync::Authors;
use antiphon_store::Reader;

/// A snapshot of the logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Held {
    /// Heads of the charter and shared logs.
    pub(crate) clock: NodeClock,
    /// The key of every store whose logs are held.
    pub(crate) keys: BTreeMap<StoreId, NodeId>,
    /// Where the branches of forked logs part.
    pub(crate) partings: NodeClock,
    /// Who may have written them, by the charter.
    pub(crate) authors: Authors,
}

impl Held {
    /// Reads the snapshot.
    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, antiphon_store::Error> {
        let (clock, partings) = (reader.clock()?, reader.partings()?);
        let keys = reader.logs()?.into_iter().map(|log| (log.log.store, log.node)).collect();
        Ok(Self { clock, keys, partings, authors: Authors::of(reader.membership()?.as_ref()) })
    }

    /// The heads of the charter logs.
    pub(crate) fn charter(&self) -> NodeClock {
        charter_of(&self.clock)
    }
}

/// The charter logs of a clock.
pub(crate) fn charter_of(clock: &NodeClock) -> NodeClock {
    clock.iter().filter(|(log, _)| log.stream == Stream::Charter).map(|(log, head)| (*log, *head)).collect()
}
