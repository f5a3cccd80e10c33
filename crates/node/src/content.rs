//! Documents: sealed to roles, stored as blocks, found by their address.
//!
//! The parts lie elsewhere: addresses and the words of the index in `core`, encryption in `vault`, files and rows in
//! `store`, the transfer of blocks in `protocol`. Here they are put together, so that whatever is stored is durable, in
//! the index and in the audit trail at once, and whatever is read was allowed, checked and opened by nobody else.

mod books;
mod bring;
mod cache;
mod get;
mod pipe;
mod policy;
mod put;
mod serving;
mod spread;
mod tend;
mod transfer;
mod using;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::ids::Hash;
use tokio::sync::watch;

use books::Books;
use cache::Cache;

pub(crate) use cache::{CACHE_BYTES_DEFAULT, Plain};
pub(crate) use pipe::CHUNK_BYTES;
pub use pipe::{Feed, Intake, intake};
pub use serving::Served;
pub(crate) use tend::tend;
pub(crate) use transfer::Transfers;
pub use transfer::{FetchError, Fetched, Interrupted, Progress, Repaired};
pub(crate) use using::Using;

/// What the node remembers of documents while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Contents(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    cache: Mutex<Cache>,
    books: Mutex<Books>,
    /// How far each fetch is that is under way.
    fetching: Mutex<BTreeMap<Hash, watch::Receiver<Progress>>>,
}

impl Contents {
    /// Remembers nothing yet, and at most `cache_bytes` of documents that were read.
    pub(crate) fn new(cache_bytes: u64) -> Self {
        let cache = Mutex::new(Cache::new(usize::try_from(cache_bytes).unwrap_or(usize::MAX)));
        Self(Arc::new(Kept { cache, books: Mutex::default(), fetching: Mutex::default() }))
    }

    /// Keeps at most so many bytes of documents from now on.
    pub(crate) fn set_cache_bytes(&self, cache_bytes: u64) {
        self.cache().set_bytes_max(usize::try_from(cache_bytes).unwrap_or(usize::MAX));
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.0.cache)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.0.books)
    }

    /// Shows how far a fetch is, for as long as what is given back is kept.
    fn show_progress(&self, root: Hash, progress: watch::Receiver<Progress>) -> Shown {
        lock(&self.0.fetching).insert(root, progress);
        Shown { contents: self.clone(), root }
    }

    fn progress_of(&self, root: &Hash) -> Option<watch::Receiver<Progress>> {
        lock(&self.0.fetching).get(root).cloned()
    }
}

/// A fetch that is shown.
struct Shown {
    contents: Contents,
    root: Hash,
}

impl Drop for Shown {
    fn drop(&mut self) {
        lock(&self.contents.0.fetching).remove(&self.root);
    }
}

/// A lock that a panicking thread left is as good as before: what it guards is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
