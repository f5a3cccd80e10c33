//! The handle to the files, and what it remembers between calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use antiphon_core::ids::Hash;
use rusqlite::Connection;

use super::error::BlobError;
use super::parts::Parts;
use crate::error::Error;
use crate::schema;

/// Name of the directory with the files, inside the home.
pub const BLOB_DIR: &str = "content";
/// Most damaged blocks that are remembered until they are written down; more are found again when they are read again.
pub const DAMAGE_NOTED_MAX: usize = 4_096;
/// Where a ciphertext is written before it has a name.
const UNFINISHED: &str = "tmp";

/// The ciphertexts that are held; see the module. Cheap to clone, and to be used where waiting for the disk is allowed.
#[derive(Clone)]
pub struct Blobs(pub(super) Arc<Inner>);

pub(super) struct Inner {
    home: PathBuf,
    dir: PathBuf,
    /// Whether to wait for the disk; only a simulator does not.
    durable: bool,
    /// Opened when it is first needed.
    conn: Mutex<Option<Connection>>,
    /// The hashes of parts that were used last.
    pub(super) parts: Mutex<Parts>,
    pub(super) state: Mutex<State>,
    /// Has what is noted written down, when there is a thread that can.
    tell: OnceLock<Box<dyn Fn() + Send + Sync>>,
    next: AtomicU64,
}

/// What is known and not in the database yet.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Blocks that were written and whose file was not flushed since.
    pub(super) landed: BTreeMap<Hash, BTreeSet<u64>>,
    /// Blocks that were found damaged.
    pub(super) damage: BTreeSet<(Hash, u64)>,
    /// Files that have their name already and no row yet, and how many callers hold each.
    pub(super) finished: BTreeMap<Hash, usize>,
}

impl State {
    /// A whole file has this name now, and somebody who will make its row.
    pub(super) fn hold(&mut self, name: &Hash) {
        *self.finished.entry(*name).or_insert(0) += 1;
        // What landed in a file of that name before went with it.
        self.landed.remove(name);
        self.damage.retain(|(root, _)| root != name);
    }
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blobs").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl Blobs {
    /// The files of the home `home`, whose database exists. Nothing is made before something is written.
    pub(crate) fn open(home: &Path, durable: bool) -> Self {
        Self(Arc::new(Inner {
            home: home.to_owned(),
            dir: home.join(BLOB_DIR),
            durable,
            conn: Mutex::default(),
            parts: Mutex::default(),
            state: Mutex::default(),
            tell: OnceLock::new(),
            next: AtomicU64::new(0),
        }))
    }

    /// Who has damage written down from now on.
    pub(crate) fn tell(&self, tell: impl Fn() + Send + Sync + 'static) {
        // Only the first counts: a handle belongs to one store.
        let _told_already = self.0.tell.set(Box::new(tell));
    }

    /// The directory with the files.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Where the ciphertext is, or will be.
    pub fn path(&self, root: &Hash) -> PathBuf {
        self.0.dir.join(root.to_string())
    }

    pub(super) fn unfinished(&self) -> PathBuf {
        self.0.dir.join(UNFINISHED)
    }

    /// A name for a ciphertext that has none yet; the directory is there afterwards.
    pub(super) fn new_path(&self) -> Result<PathBuf, BlobError> {
        let dir = self.unfinished();
        self.make_dir(&dir)?;
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        Ok(dir.join(format!("{}-{number}", std::process::id())))
    }

    /// Makes a directory for its owner alone.
    pub(super) fn make_dir(&self, dir: &Path) -> Result<(), BlobError> {
        if dir.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| BlobError::io(dir, error))?;
        self.sync_dir(&self.0.home)
    }

    pub(super) fn is_durable(&self) -> bool {
        self.0.durable
    }

    /// Waits until the content of a file is on the disk.
    pub(super) fn sync(&self, file: &File, path: &Path) -> Result<(), BlobError> {
        if !self.0.durable {
            return Ok(());
        }
        file.sync_data().map_err(|error| BlobError::io(path, error))
    }

    /// Waits until the names in a directory are on the disk.
    pub(super) fn sync_dir(&self, dir: &Path) -> Result<(), BlobError> {
        if !self.0.durable {
            return Ok(());
        }
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| BlobError::io(dir, error))
    }

    /// Asks the database something over the handle's own connection.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let mut conn = lock(&self.0.conn);
        let conn = match &mut *conn {
            Some(conn) => conn,
            none => none.insert(schema::open_reader(&self.0.home.join(schema::MAIN_FILE))?),
        };
        ask(conn)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Notes that a block is not what it was.
    pub(super) fn found_damaged(&self, root: &Hash, block: u64) -> BlobError {
        let new = {
            let mut state = self.state();
            state.damage.len() < DAMAGE_NOTED_MAX && state.damage.insert((*root, block))
        };
        if new {
            tracing::warn!(%root, block, "a block of content is damaged and will be fetched again");
        }
        if let Some(tell) = self.0.tell.get() {
            tell();
        }
        BlobError::Damaged { root: *root, block }
    }
}

/// A lock that a panicking thread left is as good as before: what it guards is changed in single steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
