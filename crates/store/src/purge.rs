//! Cleaning the files after an erasure.
//!
//! Overwriting a row is not enough. SQLite overwrites what it frees (`secure_delete`), but a page that was rebuilt
//! while rows grew and shrank keeps stale copies of its former neighbours in its gaps, the write-ahead log keeps old
//! versions of pages until it is reused, and the search index only marks a document as gone and keeps its words until
//! its segments happen to be merged. So the subjects that were erased stand in `purging` from the erasing transaction
//! on, and only when all this is done they leave it:
//!
//! 1. the indexer has taken the facts out, merges all segments into one (that drops the words) and writes its file
//!    anew (that drops the pages which older merges freed): some 2.5 ms per thousand facts;
//! 2. the main file is written anew, with `VACUUM`: the only way to be rid of stale copies in gaps. It costs the writer
//!    some 4 ms per thousand facts, once for all erasures that wait;
//! 3. both write-ahead logs are folded into their files and cut to nothing. A reader that still looks at an older
//!    state keeps a log in use; nobody waits for it long, it is tried again.
//!
//! A crash in between leaves the subjects in `purging`, and the next start begins anew.
//!
//! Limits: what the file system or the disk keeps of blocks that were overwritten or cut off is not ours to reach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use antiphon_core::event::{Header, Subject};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::mpsc;

use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row;
use crate::schema;
use crate::search::Indexer;
use crate::writer::Job;

/// Longest time that one try to fold a write-ahead log holds up the writer for readers, in milliseconds.
const FOLD_BUSY_MS: u64 = 50;
/// Largest file that is written anew by way of memory, in bytes; a larger one goes by way of a temporary file.
const MEMORY_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// Facts that are taken into the index at once before it is cleaned.
const FACTS_PER_STEP: usize = 500;
/// Erased subjects of which something may still be in a file, by their number in `purging`.
pub(crate) type Erased = BTreeMap<i64, Subject>;

/// How long the writer was busy with the last round, in microseconds.
pub(crate) type MainCost = Arc<AtomicU64>;

/// Beginning and end of the names of copies that a move to another team left behind.
const COPY_NAME: (&str, &str) = ("antiphon-", ".db");

impl Reader<'_> {
    /// Whether something that was erased may still be in a file of this node.
    ///
    /// # Errors
    /// When the database fails.
    pub fn purge_pending(&self) -> Result<bool, Error> {
        let mut query = self.connection().prepare_cached("SELECT 1 FROM purging LIMIT 1")?;
        Ok(query.query_row([], |_| Ok(())).optional()?.is_some())
    }
}

impl Db {
    /// Cleans all files of what was erased; says whether nothing is left. A [`crate::Store`] does this by itself.
    ///
    /// # Errors
    /// When a file cannot be read or written; then it is to be tried again.
    pub fn purge(&mut self) -> Result<bool, Error> {
        let erased = pending(&self.conn)?;
        if erased.is_empty() {
            return Ok(true);
        }
        while self.index_step(FACTS_PER_STEP)? > 0 {}
        self.search.purge()?;
        if !self.search.fold()? {
            return Ok(false);
        }
        self.purge_main(&erased)
    }

    /// Cleans everything but the search index, which has no trace of these subjects any more.
    pub(crate) fn purge_main(&mut self, erased: &Erased) -> Result<bool, Error> {
        let Some((last, _)) = erased.last_key_value() else { return Ok(true) };
        if self.rewritten < *last {
            let subjects: BTreeSet<&Subject> = erased.values().collect();
            for copy in copies(&self.dir)? {
                purge_copy(&copy, &subjects)?;
            }
            rewrite(&self.conn)?;
            self.rewritten = *last;
        }
        if !fold(&self.conn)? {
            return Ok(false);
        }
        self.transaction(|db| Ok(db.conn.execute("DELETE FROM purging WHERE n <= ?1", [last])?))?;
        Ok(true)
    }
}

/// The indexer's part: it begins, and asks the writer for the rest until that is done.
///
/// Writing files anew costs as much as they are large, and any member may erase what it wrote, as often as it likes.
/// So a round gathers all that is erased by then, and the next one waits until this one was a small part of the time.
#[derive(Debug)]
pub(crate) struct Purging {
    /// Up to which number of `purging` the index is clean, while its write-ahead log may not be.
    clean: i64,
    wait: Duration,
    /// When the last round began, and how long it took the index.
    round: Option<(Instant, Duration)>,
    main_cost: MainCost,
}

impl Purging {
    /// First pause between two tries.
    const WAIT_MIN: Duration = Duration::from_millis(20);
    /// Longest pause between two tries.
    pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);
    /// A round is at most one in so many parts of the time.
    const SHARE: u32 = 20;

    /// Nothing has been cleaned yet.
    pub(crate) const fn new(main_cost: MainCost) -> Self {
        Self { clean: 0, wait: Self::WAIT_MIN, round: None, main_cost }
    }

    /// Goes as far as it gets now with the subjects in `erased`, which the indexer has taken out already. Says how long
    /// to wait before the next try; `None` when there is nothing left.
    pub(crate) fn step(
        &mut self,
        mut erased: Erased,
        indexer: &Indexer,
        jobs: &mpsc::WeakSender<Job>,
    ) -> Option<Duration> {
        let Some((last, _)) = erased.last_key_value() else {
            self.wait = Self::WAIT_MIN;
            return None;
        };
        let rest = if self.clean < *last { self.rest() } else { Duration::ZERO };
        match self.clean_index(*last, rest.is_zero(), indexer) {
            Ok(true) => {
                erased.retain(|n, _| *n <= self.clean);
                let jobs = jobs.upgrade().filter(|_| !erased.is_empty());
                // The writer may be gone or have too much to do; then it is asked again, or at the next start.
                let _asked = jobs.is_some_and(|jobs| jobs.try_send(Job::Purge(erased)).is_ok());
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "what was erased may still be in the search index"),
        }
        let wait = self.wait.max(rest.min(Self::WAIT_MAX));
        self.wait = (self.wait * 2).min(Self::WAIT_MAX);
        Some(wait)
    }

    /// How long the next round must wait.
    fn rest(&self) -> Duration {
        let Some((began, index)) = self.round else { return Duration::ZERO };
        let cost = index + Duration::from_micros(self.main_cost.load(Ordering::Relaxed));
        (cost * Self::SHARE).saturating_sub(began.elapsed())
    }

    fn clean_index(&mut self, last: i64, due: bool, indexer: &Indexer) -> Result<bool, Error> {
        if self.clean < last && due {
            let began = Instant::now();
            indexer.purge()?;
            self.round = Some((began, began.elapsed()));
            (self.clean, self.wait) = (last, Self::WAIT_MIN);
        }
        indexer.fold()
    }
}

/// The erased subjects of which something may still be in a file.
pub(crate) fn pending(conn: &Connection) -> Result<Erased, Error> {
    let mut query = conn.prepare_cached("SELECT n, kind, id FROM purging")?;
    let mut rows = query.query([])?;
    let mut erased = Erased::new();
    while let Some(found) = rows.next()? {
        erased.insert(found.get(0)?, row::subject(found, 1, 2)?);
    }
    Ok(erased)
}

/// Writes a whole file anew.
pub(crate) fn rewrite(conn: &Connection) -> Result<(), Error> {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let bytes = pragma("page_count")?.saturating_mul(pragma("page_size")?);
    if bytes <= MEMORY_BYTES_MAX {
        return Ok(conn.execute_batch("VACUUM")?);
    }
    let done = conn.execute_batch("PRAGMA temp_store=FILE; VACUUM");
    conn.execute_batch("PRAGMA temp_store=MEMORY")?;
    Ok(done?)
}

/// Folds the write-ahead log of a connection into its file and cuts it to nothing; whether no reader was in the way.
pub(crate) fn fold(conn: &Connection) -> Result<bool, Error> {
    // Most of the work needs no lock, and then holds nobody up.
    let checkpoint = |mode: &str| {
        conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(0).map(|busy| busy == 0))
    };
    checkpoint("PASSIVE")?;
    conn.busy_timeout(Duration::from_millis(FOLD_BUSY_MS))?;
    let done = checkpoint("TRUNCATE");
    conn.busy_timeout(schema::BUSY)?;
    Ok(done?)
}

/// Copies of former databases of this home.
fn copies(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| Error::io(dir, error))? {
        let entry = entry.map_err(|error| Error::io(dir, error))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(COPY_NAME.0) && name.ends_with(COPY_NAME.1)) {
            copies.push(entry.path());
        }
    }
    Ok(copies)
}

/// Cleans a copy: nothing serves it, but the text is in it.
fn purge_copy(path: &Path, subjects: &BTreeSet<&Subject>) -> Result<(), Error> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(schema::BUSY)?;
    // A rollback journal would hold the old pages, and leave them on the disk when it is removed.
    conn.execute_batch("PRAGMA journal_mode=WAL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;")?;
    let mut gone = 0;
    for subject in subjects {
        gone += conn.execute(
            "UPDATE facts SET content = NULL, domain = NULL, module = NULL, agent = NULL, source_kind = NULL,
                 rest = NULL WHERE id = ?1",
            [subject.parts().1],
        )?;
        gone += purge_table(&conn, "events", subject)? + purge_table(&conn, "forks", subject)?;
    }
    if gone > 0 {
        rewrite(&conn)?;
    }
    let folded = fold(&conn)?;
    conn.execute_batch("PRAGMA journal_mode=DELETE;")?;
    conn.close().map_err(|(_, error)| error)?;
    if folded { Ok(()) } else { Err(Error::damaged(format!("{} is in use", path.display()))) }
}

/// Overwrites the payloads about a subject in a table of events.
fn purge_table(conn: &Connection, table: &str, subject: &Subject) -> Result<usize, Error> {
    let mut query = conn.prepare(&format!(
        "SELECT log, seq, header FROM {table} WHERE payload IS NOT NULL AND instr(header, ?1) > 0"
    ))?;
    let rows = query.query_map([subject.parts().1], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows = rows.collect::<Result<Vec<(i64, i64, Vec<u8>)>, _>>()?;
    let mut gone = 0;
    for (log, seq, header) in rows {
        // The id alone may stand in a header for another reason.
        if Header::decode(&header)?.subject == *subject {
            let sql = format!("UPDATE {table} SET payload = NULL WHERE log = ?1 AND seq = ?2 AND header = ?3");
            gone += conn.prepare_cached(&sql)?.execute(params![log, seq, header])?;
        }
    }
    Ok(gone)
}

/// The same for tables beside the log, for the transaction that erases.
pub(crate) fn purge_beside(conn: &Connection, subject: &Subject) -> Result<usize, Error> {
    Ok(purge_table(conn, "forks", subject)? + purge_table(conn, "set_aside", subject)?)
}
