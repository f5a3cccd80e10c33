//! What a transaction puts into the outbox, laid ready until it ends.
//!
//! Many writers share a commit. Each item could be written by itself, with the counts of its peer and of all, inside a
//! savepoint of its job; that is what costs most. So an item only gets its number, its place and its seal at once, here
//! in memory. The rows of all jobs go into the file together when the transaction ends, or before anything else is
//! written in it, and each count is read and written once. A job that fails takes back what it laid ready, and a commit
//! that fails takes back everything: nobody was told that an item waits before its commit.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Binding, Place};
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use super::era::start;
use super::newest::Newest;
use super::tally::{Tally, Total};
use crate::error::Error;
use crate::row::sql;

/// Bytes of rows that lie ready at most; with more they are written before the transaction ends.
const LAID_BYTES_MAX: usize = 4 << 20;

/// A row that is not in the file yet.
#[derive(Debug)]
pub(super) struct Laid {
    /// All that it is bound to, its number and its place among it.
    pub(super) binding: Binding,
    /// When it was handed in.
    pub(super) at: UnixMillis,
    /// Bytes of the body.
    pub(super) bytes: u64,
    /// What is kept of the body.
    pub(super) sealed: Vec<u8>,
}

/// Counts, and whether rows stand where the next ones are to go. Only damage puts them there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count<T> {
    pub(super) kept: T,
    pub(super) crowded: bool,
}

/// What one call lays ready.
pub(super) struct Batch {
    pub(super) total: Count<Total>,
    pub(super) tallies: BTreeMap<NodeId, Count<Tally>>,
    /// In the order of their numbers.
    pub(super) rows: Vec<Laid>,
    pub(super) replaced: Vec<u64>,
    pub(super) starts: Vec<(NodeId, Place)>,
    /// The newest rows, by their keys.
    pub(super) newest: BTreeMap<u64, u64>,
}

impl Batch {
    pub(super) fn new(total: Count<Total>) -> Self {
        let (tallies, newest) = (BTreeMap::new(), BTreeMap::new());
        Self { total, tallies, rows: Vec::new(), replaced: Vec::new(), starts: Vec::new(), newest }
    }
}

/// How far a desk was filled when something began that may have to be taken back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark {
    bytes: usize,
    rows: usize,
    replaced: usize,
    starts: usize,
    total: Option<Count<Total>>,
    tallies: BTreeMap<NodeId, Count<Tally>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Bytes of the rows.
    bytes: usize,
    /// In the order of their numbers.
    rows: Vec<Laid>,
    /// Rows whose place a newer one took, in the file or here.
    replaced: Vec<u64>,
    /// Where eras begin.
    starts: Vec<(NodeId, Place)>,
    total: Option<Count<Total>>,
    tallies: BTreeMap<NodeId, Count<Tally>>,
    /// The newest item about each subject.
    newest: Newest,
    /// Whether the open transaction noted something as the newest.
    noted: bool,
}

impl Desk {
    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How far it is filled.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes,
            rows: self.rows.len(),
            replaced: self.replaced.len(),
            starts: self.starts.len(),
            total: self.total,
            tallies: self.tallies.clone(),
        }
    }

    /// Whether so much lies here that it should be written.
    pub(super) fn is_heavy(&self) -> bool {
        self.bytes > LAID_BYTES_MAX
    }

    /// The transaction is on disk.
    pub(crate) fn committed(&mut self) {
        self.noted = false;
    }

    /// Takes back what was laid ready since.
    pub(crate) fn take_back(&mut self, mark: Mark) {
        if self.noted {
            self.newest.forget();
        }
        self.bytes = mark.bytes;
        self.rows.truncate(mark.rows);
        self.replaced.truncate(mark.replaced);
        self.starts.truncate(mark.starts);
        (self.total, self.tallies) = (mark.total, mark.tallies);
    }

    /// Takes everything back.
    pub(crate) fn clear(&mut self) {
        self.take_back(Mark::default());
    }

    /// Takes off what was laid ready since, to be put back with [`Desk::put_back`] once the rest is in the file.
    pub(crate) fn take_off(&mut self, mark: Mark) -> Self {
        Self {
            bytes: std::mem::replace(&mut self.bytes, mark.bytes) - mark.bytes,
            rows: self.rows.split_off(mark.rows),
            replaced: self.replaced.split_off(mark.replaced),
            starts: self.starts.split_off(mark.starts),
            total: std::mem::replace(&mut self.total, mark.total),
            tallies: std::mem::replace(&mut self.tallies, mark.tallies),
            ..Self::default()
        }
    }

    /// Puts back what was taken off.
    pub(crate) fn put_back(&mut self, off: Self) {
        let Self { bytes, rows, replaced, starts, total, tallies, .. } = off;
        (self.bytes, self.rows, self.replaced, self.starts) = (bytes, rows, replaced, starts);
        (self.total, self.tallies) = (total, tallies);
    }

    /// Writes everything, and forgets the counts: whoever comes next may change them in the file.
    pub(crate) fn lay_down(&mut self, conn: &Connection) -> Result<(), Error> {
        if !self.is_empty() {
            self.starts.iter().try_for_each(|(peer, place)| start(conn, peer, *place))?;
            insert(conn, &self.rows)?;
            delete(conn, &self.replaced)?;
            self.tallies.iter().try_for_each(|(peer, count)| count.kept.put(conn, peer))?;
            self.total.iter().try_for_each(|count| count.kept.put(conn))?;
        }
        self.bytes = 0;
        self.rows.clear();
        self.replaced.clear();
        self.starts.clear();
        self.total = None;
        self.tallies.clear();
        Ok(())
    }

    /// Rows are gone among which the newest about a subject may have been.
    pub(crate) fn forget_newest(&mut self) {
        self.newest.forget();
    }

    /// Number of the newest row with this key.
    pub(super) fn newest(&mut self, conn: &Connection, key: u64) -> Result<Option<u64>, Error> {
        self.newest.of(conn, key)
    }

    /// Lays rows ready with all that follows from them.
    pub(super) fn lay_ready(&mut self, batch: Batch) {
        let Batch { total, mut tallies, mut rows, mut replaced, mut starts, newest } = batch;
        self.total = Some(total);
        self.tallies.append(&mut tallies);
        self.bytes += rows.iter().map(|laid| laid.sealed.len()).sum::<usize>();
        self.rows.append(&mut rows);
        self.replaced.append(&mut replaced);
        self.starts.append(&mut starts);
        self.noted |= !newest.is_empty();
        newest.into_iter().for_each(|(key, id)| self.newest.note(key, id));
    }

    /// A row that lies here.
    pub(super) fn row(&self, id: u64) -> Option<&Laid> {
        let at = self.rows.binary_search_by_key(&id, |laid| laid.binding.row).ok()?;
        self.rows.get(at)
    }

    /// What is counted of a peer.
    pub(super) fn tally(&self, conn: &Connection, peer: &NodeId) -> Result<Count<Tally>, Error> {
        if let Some(count) = self.tallies.get(peer) {
            return Ok(*count);
        }
        let kept = Tally::of(conn, peer)?;
        let mut query = conn.prepare_cached("SELECT 1 FROM outbox WHERE peer = ?1 AND n >= ?2 LIMIT 1")?;
        let crowded = query.query_row(params![peer.0, sql(kept.next_n)], |_| Ok(())).optional()?.is_some();
        Ok(Count { kept, crowded })
    }

    /// What is counted of all.
    pub(super) fn total(&self, conn: &Connection) -> Result<Count<Total>, Error> {
        if let Some(count) = self.total {
            return Ok(count);
        }
        let kept = Total::read(conn)?;
        let mut query = conn.prepare_cached("SELECT 1 FROM outbox WHERE id >= ?1 LIMIT 1")?;
        let crowded = query.query_row([sql(kept.next_id)], |_| Ok(())).optional()?.is_some();
        Ok(Count { kept, crowded })
    }
}

fn insert(conn: &Connection, rows: &[Laid]) -> Result<(), Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO outbox (id, peer, era, n, protocol, level, schema, subject, state, at, bytes, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11)",
    )?;
    for Laid { binding, at, bytes, sealed } in rows {
        let Binding { row, peer, place, protocol, level, schema, subject } = binding;
        insert.execute(params![
            sql(*row),
            peer.0,
            sql(place.era),
            sql(place.n),
            protocol.number(),
            level.number(),
            schema,
            subject.0,
            sql(at.0),
            sql(*bytes),
            sealed,
        ])?;
    }
    Ok(())
}

fn delete(conn: &Connection, ids: &[u64]) -> Result<(), Error> {
    let mut delete = conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
    for id in ids {
        delete.execute([sql(*id)])?;
    }
    Ok(())
}
