//! How an item gets into the outbox.

use std::sync::{Arc, PoisonError, RwLock};

use antiphon_core::outbox::{Bounds, Level, Outgoing, Sealer};
use antiphon_core::time::UnixMillis;
use antiphon_store::{Db, Error as StoreError, Push};

use crate::config::Levels;

/// With what items are put down. Cheap to clone; any task may have one.
#[derive(Clone)]
pub(crate) struct Pen {
    sealer: Arc<dyn Sealer>,
    /// Shared by all clones, so that a person can change them while the node runs.
    rules: Arc<RwLock<Rules>>,
}

/// What a person set about waiting.
#[derive(Debug, Clone)]
struct Rules {
    bounds: Bounds,
    levels: Arc<Levels>,
}

impl std::fmt::Debug for Pen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pen").field("rules", &self.rules()).finish_non_exhaustive()
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
        Self { sealer, rules: Arc::new(RwLock::new(Rules { bounds, levels: Arc::new(levels) })) }
    }

    /// Goes by other rules from now on; what waits stays.
    pub(crate) fn set_rules(&self, bounds: Bounds, levels: Levels) {
        // The rules are replaced in one step, so whoever panicked left them whole.
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Rules { bounds, levels: Arc::new(levels) };
    }

    fn rules(&self) -> Rules {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What seals rows and opens them.
    pub(crate) fn sealer(&self) -> Arc<dyn Sealer> {
        self.sealer.clone()
    }

    /// How much may wait.
    pub(crate) fn bounds(&self) -> Bounds {
        self.rules().bounds
    }

    /// The table, with what a person set otherwise.
    pub(crate) fn levels(&self) -> Arc<Levels> {
        self.rules().levels
    }

    /// Puts items down as a part of the transaction that is open.
    ///
    /// # Errors
    /// When there is no room, or the database fails; then nothing is written.
    pub(crate) fn put(&self, db: &mut Db, items: &[Outgoing], now: UnixMillis) -> Result<Vec<Push>, StoreError> {
        db.enqueue(items, Level::Critical, self.sealer.as_ref(), &self.bounds(), now)
    }

    /// Sorts items by what the table says of them.
    pub(crate) fn sort(&self, items: Vec<Outgoing>) -> Sorted {
        let (mut sorted, levels) = (Sorted::default(), self.levels());
        for item in items {
            match levels.of(item.protocol) {
                Level::Critical => sorted.critical.push(item),
                Level::Moderate => sorted.moderate.push(item),
                Level::None => sorted.none.push(item),
            }
        }
        sorted
    }
}
