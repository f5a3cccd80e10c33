//! Ciphertexts come from other members, block by block.
//!
//! A transfer drives the machine of `antiphon_protocol::blocks::fetch` by itself: its bytes go from the streams to the
//! disk and never through the event loop. Blocks are checked and written by [`antiphon_store::Blobs`] on a thread that
//! may wait, what was written is noted every [`FLUSH_BYTES`], and whoever stops in between, a crash included, finds it
//! again: a fetch begins with what the disk has.
//!
//! | file | what is in it |
//! |---|---|
//! | `drive.rs` | the task around the machine |
//! | `stream.rs` | the streams to the providers |
//! | `disk.rs` | what is looked up, written and noted |

mod disk;
mod drive;
mod stream;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::content::Shape;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_net::NetHandle;
use antiphon_protocol::blocks::fetch::{Account, Failure};
use antiphon_store::{BlobError, BlobView, Error as StoreError, Store};
use tokio::sync::{Semaphore, watch};

use super::serving::Serving;
use super::using::InUse;

/// Most transfers at the same time; others wait for their turn.
pub(crate) const TRANSFERS_MAX: usize = 4;
/// Bytes after which it is noted what was written.
const FLUSH_BYTES: u64 = 64 * 1024 * 1024;
/// Most interrupted fetches that are listed at once.
pub(crate) const INTERRUPTED_MAX: usize = 1_024;

/// How far a transfer is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of the whole ciphertext.
    pub length: u64,
    /// Blocks of the whole.
    pub blocks: u64,
    /// Blocks that are held, as far as was looked.
    pub held: u64,
    /// Blocks that were fetched.
    pub fetched_blocks: u64,
    /// Bytes that were fetched.
    pub fetched_bytes: u64,
    /// What each provider did.
    pub providers: BTreeMap<NodeId, Account>,
}

/// A ciphertext that is complete and durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What is held of it now: all.
    pub blob: BlobView,
    /// Blocks that were fetched; the others were here.
    pub blocks: u64,
    /// Bytes that were fetched.
    pub bytes: u64,
    /// What each provider did.
    pub providers: BTreeMap<NodeId, Account>,
}

/// What a repair found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Blocks that were held and not what they were.
    pub damaged: u64,
    /// Blocks that were not held.
    pub missing: u64,
    /// How they came.
    pub fetched: Fetched,
}

/// Why a transfer ended before everything was there. What was fetched is kept.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody could send the rest, or the ciphertext is not what it should be.
    #[error("{failure}{}", Told(providers))]
    Failed {
        /// Why.
        failure: Failure,
        /// What each provider did.
        providers: BTreeMap<NodeId, Account>,
    },
    /// It is not known here, so there is nothing to repair.
    #[error("content {0} is not held here")]
    NotFound(Hash),
    /// Blocks that had come were lost again before the end.
    #[error("{missing} blocks of content {root} were lost again while others came")]
    Lost {
        /// Which content.
        root: Hash,
        /// How many are missing.
        missing: u64,
    },
    /// What was to be kept could not be read or written.
    #[error("the ciphertext could not be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// The disk failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// What providers did, for people.
struct Told<'a>(&'a BTreeMap<NodeId, Account>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (node, account) in self.0 {
            match account.gone {
                Some(gone) => write!(f, "; {node} {gone}")?,
                None => write!(f, "; {node} sent {} blocks", account.blocks)?,
            }
        }
        Ok(())
    }
}

impl FetchError {
    /// Whether another attempt, later or with other providers, may succeed.
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Failed { failure: Failure::Unfit(_), .. })
    }
}

/// A fetch that was begun and is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    /// Which ciphertext.
    pub root: Hash,
    /// Its shape.
    pub shape: Shape,
    /// Bytes that are held.
    pub held_bytes: u64,
}

/// The transfers of a node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transfers(Arc<Shared>);

struct Shared {
    store: Store,
    net: NetHandle,
    /// One for each transfer that may be under way.
    slots: Semaphore,
    /// Held by whoever transfers a ciphertext: a second one waits, and then finds everything there.
    turns: Mutex<BTreeMap<Hash, Arc<tokio::sync::Mutex<()>>>>,
    /// The other side: what others fetch from here.
    serving: Serving,
    /// What is being read, served or fetched.
    in_use: InUse,
}

impl fmt::Debug for Transfers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers").finish_non_exhaustive()
    }
}

impl Transfers {
    pub(crate) fn new(store: Store, net: NetHandle) -> Self {
        let slots = Semaphore::new(TRANSFERS_MAX);
        let in_use = InUse::default();
        let serving = Serving::new(in_use.clone());
        Self(Arc::new(Shared { store, net, slots, turns: Mutex::default(), serving, in_use }))
    }

    /// What others fetch from here.
    pub(crate) fn serving(&self) -> &Serving {
        &self.0.serving
    }

    /// What is being read, served or fetched.
    pub(crate) fn in_use(&self) -> &InUse {
        &self.0.in_use
    }

    /// Fetches the ciphertext `root`, of which the index says that it has this shape, from whoever of `providers` sends
    /// it; what is held already is not fetched. When this returns it is complete and durable. Dropping the future stops
    /// the transfer; the next one goes on where it was.
    ///
    /// # Errors
    /// [`FetchError::Failed`] with what each provider did, and when the disk or the database fails.
    pub(crate) async fn fetch(
        &self,
        root: Hash,
        shape: Shape,
        providers: Vec<NodeId>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Fetched, FetchError> {
        let _using = self.0.in_use.using(root).await;
        let turn = self.turn(root);
        let result = {
            let _turn = turn.lock().await;
            let _slot = self.0.slots.acquire().await.map_err(|_| FetchError::Stopped)?;
            drive::run(&self.0.store, &self.0.net, root, shape, providers, progress).await
        };
        drop(turn);
        self.forget_turns();
        result
    }

    /// Reads all of a ciphertext, and fetches what is damaged or missing.
    ///
    /// # Errors
    /// [`FetchError::NotFound`] when nothing of it is known, and as [`Self::fetch`].
    pub(crate) async fn repair(
        &self,
        root: Hash,
        providers: Vec<NodeId>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Repaired, FetchError> {
        let view = disk::check(&self.0.store, root).await?;
        let (damaged, missing) = (view.damaged, view.missing_blocks.saturating_sub(view.damaged));
        let fetched = self.fetch(root, Shape { length: view.length }, providers, progress).await?;
        Ok(Repaired { damaged, missing, fetched })
    }

    /// The fetches that were begun and are not complete, at most [`INTERRUPTED_MAX`], those after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn interrupted(&self, after: Option<Hash>) -> Result<Vec<Interrupted>, StoreError> {
        let views = self.0.store.read(move |reader| reader.blobs_wanting(after.as_ref(), INTERRUPTED_MAX)).await?;
        let one = |view: BlobView| Interrupted {
            root: view.root,
            shape: Shape { length: view.length },
            held_bytes: view.held_bytes,
        };
        Ok(views.into_iter().map(one).collect())
    }

    fn turn(&self, root: Hash) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(root).or_default().clone()
    }

    /// Nobody waits for these any more.
    fn forget_turns(&self) {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
    }
}
