//! How an item gets into the outbox.

use std::sync::Arc;

use antiphon_core::outbox::{Bounds, Level, Outgoing, Sealer};
use antiphon_core::time::UnixMillis;
use antiphon_store::{Db, Error as StoreError, Push};

use crate::config::Levels;

/// With what items are put down. Cheap to clone; any task may have one.
#[derive(Clone)]
pub(crate) struct Pen {
    sealer: Arc<dyn Sealer>,
    bounds: Bounds,
    levels: Arc<Levels>,
}

impl std::fmt::Debug for Pen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pen").field("bounds", &self.bounds).field("levels", &self.levels).finish_non_exhaustive()
    }
}

/// Items by how much it matters that they arrive.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// For the disk.
    pub(crate) critical: Vec<Outgoing>,
    /// For the memory.
    pub(crate) moderate: Vec<Outgoing>,
    /// Not to be kept.
    pub(crate) none: Vec<Outgoing>,
}

impl Pen {
    pub(crate) fn new(sealer: Arc<dyn Sealer>, bounds: Bounds, levels: Levels) -> Self {
        Self { sealer, bounds, levels: Arc::new(levels) }
    }

    /// What seals rows and opens them.
    pub(crate) fn sealer(&self) -> Arc<dyn Sealer> {
        self.sealer.clone()
    }

    /// How much may wait.
    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The table, with what a person set otherwise.
    pub(crate) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Puts items down as a part of the transaction that is open.
    ///
    /// # Errors
    /// When there is no room, or the database fails; then nothing is written.
    pub(crate) fn put(&self, db: &mut Db, items: &[Outgoing], now: UnixMillis) -> Result<Vec<Push>, StoreError> {
        db.enqueue(items, Level::Critical, self.sealer.as_ref(), &self.bounds, now)
    }

    /// Sorts items by what the table says of them.
    pub(crate) fn sort(&self, items: Vec<Outgoing>) -> Sorted {
        let mut sorted = Sorted::default();
        for item in items {
            match self.levels.of(item.protocol) {
                Level::Critical => sorted.critical.push(item),
                Level::Moderate => sorted.moderate.push(item),
                Level::None => sorted.none.push(item),
            }
        }
        sorted
    }
}
