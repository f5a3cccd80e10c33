//! The synchronous database: one connection that writes.
//!
//! Every public method that writes is one transaction. Called inside another one (the writer thread gathers many
//! jobs into one commit) it becomes a savepoint instead, so that a job that fails leaves no trace and harms no
//! other. Before a commit, the last own event of each log that changed is signed: a signature is made once per
//! commit and not once per event, and nothing unsigned ever reaches the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_core::sign::Signer;
use rusqlite::{Connection, params};

use crate::blobs::Blobs;
use crate::cache::{Cache, Small};
use crate::error::Error;
use crate::outbox::{Desk, Mark};
use crate::reader::Reader;
use crate::sealed::{self, Seals};
use crate::search::{Frequencies, Indexer};
use crate::view::Own;
use crate::{author, rest, schema};

/// How to open a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether a commit waits for the disk. Only a simulator turns this off.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { durable: true }
    }
}

/// See the module.
pub struct Db {
    pub(crate) conn: Connection,
    pub(crate) dir: PathBuf,
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) blobs: Blobs,
    /// What opens and seals the facts of roles.
    pub(crate) seals: Seals,
    pub(crate) cache: Cache,
    pub(crate) search: Indexer,
    pub(crate) frequencies: Frequencies,
    /// Up to which number of `purging` the main file is clean, while its write-ahead log may not be.
    pub(crate) rewritten: i64,
    /// Whether own events are sent as soon as they are written, see [`Db::note_sent`].
    pub(crate) told: bool,
    /// The era of the outbox that was begun, see [`Db::begin_era`].
    pub(crate) era: Option<u64>,
    /// What waits to be put into the outbox when the transaction ends.
    pub(crate) desk: Desk,
    /// Set while a job runs that has no savepoint yet, see [`Db::job`].
    bare: Option<Mark>,
    /// Transactions that are open: 1 for a transaction, more for savepoints inside it.
    depth: usize,
    /// Whether the cache could not be read back after a failure, so that it may hold what is not on disk.
    stale: bool,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("dir", &self.dir).field("own", &self.cache.own).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens or makes the database in the directory `dir`.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] for a file of a newer version, [`Error::OtherKey`] when `signer` is not the key of the
    /// database, and whatever the file system says.
    pub fn open(dir: &Path, options: Options, signer: Option<Arc<dyn Signer>>) -> Result<Self, Error> {
        Self::open_sealing(dir, options, signer, None)
    }

    /// The same with what opens and seals the facts of roles. Without it they are carried, and stay closed.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn open_sealing(
        dir: &Path,
        options: Options,
        signer: Option<Arc<dyn Signer>>,
        seals: Seals,
    ) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|error| Error::io(dir, error))?;
        let conn = schema::open_main(dir, options.durable)?;
        sealed::attach(&conn, &seals)?;
        let cache = Cache::load(&conn)?;
        if let (Some(own), Some(signer)) = (&cache.own, &signer) {
            check_key(own, signer.as_ref())?;
        }
        let search = Indexer::open(dir)?;
        search.prune(&conn)?;
        let dir = dir.to_owned();
        let mut db = Self {
            conn,
            blobs: Blobs::open(&dir, options.durable),
            dir,
            signer,
            seals,
            cache,
            search,
            frequencies: Frequencies::default(),
            rewritten: 0,
            told: false,
            era: None,
            desk: Desk::default(),
            bare: None,
            depth: 0,
            stale: false,
        };
        db.learn_keys();
        db.take_up_upgrade()?;
        db.sweep_blobs()?;
        Ok(db)
    }

    /// Whose database this is, if it has a team.
    pub fn own(&self) -> Option<&Own> {
        self.cache.own.as_ref()
    }

    /// The directory of the database.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every question that can be asked.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.conn, self.search.connection(), &self.frequencies)
    }

    /// Takes up to `max` changed facts into the search index; 0 when it is up to date.
    ///
    /// # Errors
    /// When a database fails.
    pub fn index_step(&mut self, max: usize) -> Result<usize, Error> {
        Ok(self.search.step(&self.conn, max)?.facts)
    }

    /// Limits the size of the database file, in pages of 4 KiB: a full disk for tests and quotas.
    ///
    /// # Errors
    /// When the database fails.
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), Error> {
        Ok(self.conn.pragma_update(None, "max_page_count", pages)?)
    }

    /// Number of pages the database file has.
    ///
    /// # Errors
    /// When the database fails.
    pub fn page_count(&self) -> Result<u32, Error> {
        Ok(self.conn.query_row("PRAGMA page_count", [], |row| row.get(0))?)
    }

    /// Writes the write-ahead log back into the database file and empties it.
    pub(crate) fn fold_log(&mut self) -> Result<(), Error> {
        let fold = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        // A reader that is still at work keeps the log in use; then the next start folds it.
        let _busy = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], fold)?;
        Ok(())
    }

    /// Lets go of the pages that the connections keep.
    pub(crate) fn rest(&self) {
        rest::release(&self.conn);
        self.search.rest();
    }

    /// Position of the last stored event.
    pub(crate) fn last_pos(&self) -> u64 {
        (self.cache.small.next_pos - 1).cast_unsigned()
    }

    /// Begins gathering jobs into one transaction.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        if self.stale {
            self.read_back()?;
        }
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        self.depth = 1;
        Ok(())
    }

    /// Signs and commits what was gathered; on failure nothing of it is there.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        if self.lost_transaction() {
            self.roll_back()?;
            return Err(Error::damaged("a failure ended the transaction before it was committed"));
        }
        let done = self.finish().and_then(|()| Ok(self.conn.execute_batch("COMMIT")?));
        match done {
            Ok(()) => {
                self.depth = 0;
                self.desk.committed();
            }
            Err(_) => self.roll_back()?,
        }
        done
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.desk.lay_down(&self.conn)?;
        self.sign_heads()?;
        self.note_told()?;
        self.cache.flush(&self.conn)
    }

    /// Throws away what was gathered.
    pub(crate) fn roll_back(&mut self) -> Result<(), Error> {
        self.depth = 0;
        self.desk.clear();
        self.bare = None;
        // SQLite has already rolled back after some failures, a full disk among them.
        if !self.conn.is_autocommit() {
            self.stale = true;
            self.conn.execute_batch("ROLLBACK")?;
        }
        self.read_back()
    }

    /// Reads the cache from the database. Until that succeeds nothing may be written: an event that follows a head
    /// which was never committed would break its log for good.
    fn read_back(&mut self) -> Result<(), Error> {
        self.stale = true;
        self.cache = Cache::load(&self.conn)?;
        self.stale = false;
        Ok(())
    }

    /// Runs `work` as one transaction, or as a savepoint of the one that is open.
    pub(crate) fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth > 0 {
            return self.savepoint(work);
        }
        self.begin()?;
        match work(self) {
            Ok(value) => self.commit().map(|()| value),
            Err(error) => {
                self.roll_back()?;
                Err(error)
            }
        }
    }

    fn savepoint<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.lay_down()?;
        let before = self.cache.small.clone();
        self.conn.prepare_cached("SAVEPOINT job")?.execute([])?;
        self.depth += 1;
        let done = work(self).and_then(|value| self.release().map(|()| value));
        self.depth -= 1;
        if done.is_err() {
            self.back_to_savepoint(before)?;
        }
        done
    }

    /// As [`Db::transaction`] inside another one, but the savepoint is made only when something is written: what only
    /// puts items into the outbox needs none.
    pub(crate) fn job<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth != 1 {
            return self.transaction(work);
        }
        let before = self.cache.small.clone();
        self.bare = Some(self.desk.mark());
        self.depth += 1;
        let done =
            work(self).and_then(|value| if self.bare.is_none() { self.release().map(|()| value) } else { Ok(value) });
        self.depth -= 1;
        match (self.bare.take(), &done) {
            (_, Ok(_)) => {}
            (Some(mark), Err(_)) => self.desk.take_back(mark),
            (None, Err(_)) => self.back_to_savepoint(before)?,
        }
        done
    }

    /// Runs `work`, which writes nothing but lays items ready, as a transaction or as part of the one that is open.
    /// When it fails it must have laid nothing ready.
    pub(crate) fn gather<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth > 0 { work(self) } else { self.transaction(work) }
    }

    fn release(&mut self) -> Result<(), Error> {
        self.cache.flush(&self.conn)?;
        self.conn.prepare_cached("RELEASE job")?.execute([])?;
        Ok(())
    }

    fn back_to_savepoint(&mut self, before: Small) -> Result<(), Error> {
        // What was laid ready before the savepoint is in the file.
        self.desk.clear();
        if !self.conn.is_autocommit() {
            self.stale = true;
            self.conn.execute_batch("ROLLBACK TO job; RELEASE job")?;
            self.read_back()?;
            self.cache.small = before;
        }
        Ok(())
    }

    /// Writes what lies ready: that of jobs before this one outside of its savepoint, which is made now.
    pub(crate) fn lay_down(&mut self) -> Result<(), Error> {
        let done = self.try_lay_down();
        if done.is_err() && !self.conn.is_autocommit() {
            // Some of it may belong to jobs that are done, so no savepoint helps.
            self.stale = true;
            self.conn.execute_batch("ROLLBACK")?;
        }
        done
    }

    fn try_lay_down(&mut self) -> Result<(), Error> {
        if let Some(mark) = self.bare.take() {
            let own = self.desk.take_off(mark);
            self.desk.lay_down(&self.conn)?;
            self.desk.put_back(own);
            self.conn.prepare_cached("SAVEPOINT job")?.execute([])?;
        }
        self.desk.lay_down(&self.conn)
    }

    /// Whether a failure ended the whole transaction and not only the job that met it.
    pub(crate) fn lost_transaction(&self) -> bool {
        self.depth > 0 && (self.stale || self.conn.is_autocommit())
    }

    /// Signs the last event of every own log that ends without a signature.
    pub(crate) fn sign_heads(&mut self) -> Result<(), Error> {
        if self.cache.small.unsigned.is_empty() {
            return Ok(());
        }
        let signer = self.signer.clone().ok_or(Error::NoSigner)?;
        for (_, unsigned) in std::mem::take(&mut self.cache.small.unsigned) {
            author::sign_stored(&self.conn, self.cache.own()?, unsigned.pos, signer.as_ref())?;
        }
        Ok(())
    }
}

/// Whether `signer` is the key of the database.
pub(crate) fn check_key(own: &Own, signer: &dyn Signer) -> Result<(), Error> {
    let got = signer.node_id();
    if got == own.node { Ok(()) } else { Err(Error::OtherKey { want: own.node, got }) }
}

/// Inserts an event row.
pub(crate) fn insert_event(
    conn: &Connection,
    pos: i64,
    log: i64,
    event: &antiphon_core::event::Event,
) -> Result<(), Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO events (pos, log, seq, header, payload, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let signature = event.signature().map(|signature| signature.0.as_slice());
    let seq = crate::row::sql(event.header().seq);
    insert.execute(params![pos, log, seq, event.header_bytes(), event.payload(), signature])?;
    Ok(())
}

#[cfg(test)]
mod tests;
