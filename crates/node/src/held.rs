//! What this node holds, as sync sessions need to know it.

use std::collections::BTreeMap;

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::log::{NodeClock, Stream};
use antiphon_protocol::sync::Authors;
use antiphon_store::{OwnLog, Reader};

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
    /// How this node's own log stands.
    pub(crate) own: OwnLog,
}

impl Held {
    /// Reads the snapshot. Where the charter is as it was in the `last` one, who may write is so too.
    pub(crate) fn read(reader: &Reader<'_>, last: &Self) -> Result<Self, antiphon_store::Error> {
        let (clock, partings) = (reader.clock()?, reader.partings()?);
        let keys = reader.logs()?.into_iter().map(|log| (log.log.store, log.node)).collect();
        let mut held = Self { clock, keys, partings, authors: last.authors.clone(), own: reader.own_log()? };
        if held.charter() != last.charter() || held.partings != last.partings {
            held.authors = Authors::of(reader.membership()?.as_ref());
        }
        Ok(held)
    }

    /// Whether the key `own.0` had another database before its own one, `own.1`, by the logs that are held.
    pub(crate) fn knows_another_of(&self, own: (NodeId, StoreId)) -> bool {
        self.keys.iter().any(|(store, node)| *node == own.0 && *store != own.1)
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
