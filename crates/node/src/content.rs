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
mod transfer;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::ids::Hash;

use books::Books;
use cache::{CACHE_BYTES_DEFAULT, Cache};

pub(crate) use cache::Plain;
pub(crate) use pipe::CHUNK_BYTES;
pub use pipe::{Feed, Intake, intake};
pub use serving::Served;
pub(crate) use transfer::Transfers;
pub use transfer::{FetchError, Fetched, Interrupted, Progress, Repaired};

/// What the node remembers of documents while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Contents(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    cache: Mutex<Cache>,
    books: Mutex<Books>,
    /// One at a time fetches a ciphertext; whoever comes second finds it here.
    fetching: Mutex<BTreeMap<Hash, Arc<tokio::sync::Mutex<()>>>>,
}

impl Default for Contents {
    fn default() -> Self {
        let cache = Mutex::new(Cache::new(CACHE_BYTES_DEFAULT));
        Self(Arc::new(Kept { cache, books: Mutex::default(), fetching: Mutex::default() }))
    }
}

impl Contents {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.0.cache)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.0.books)
    }

    /// The lock of one ciphertext. Those that nobody waits for are let go of.
    fn fetching(&self, root: Hash) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = lock(&self.0.fetching);
        all.retain(|_, lock| Arc::strong_count(lock) > 1);
        all.entry(root).or_default().clone()
    }
}

/// A lock that a panicking thread left is as good as before: what it guards is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
