//! Ciphertexts that no version needs.
//!
//! A version that was removed will not come back, so its ciphertext can go at once. One that no event ever named may be
//! a moment ahead of its event: then it waits for a time in which nothing more of it came and nobody named it. That
//! time begins when it is first seen, since the database knows no clock.

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, Row, params};

use super::REPLICATION_ROWS_MAX;
use super::view::{GarbageRow, Unneeded};
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row;

/// What became of a ciphertext that was to be dropped.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Its row is gone; its file is still there until [`crate::Blobs::remove`] or the next start.
    Gone(GarbageRow),
    /// It is needed.
    Needed,
    /// Its event may still come.
    TooEarly(GarbageRow),
    /// It was not held.
    NotHeld,
}

const SELECT: &str = "SELECT b.root, b.length, b.held, b.named, b.idle_since,
    (SELECT min(c.state) FROM contents c WHERE c.root = b.root AND c.state IN (1, 2)) FROM blobs b";

impl Db {
    /// Notes of ciphertexts that nothing needs that this was seen now, unless it was seen before; says of how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_garbage(&mut self, now: UnixMillis) -> Result<usize, Error> {
        let at = i64::try_from(now.0).unwrap_or(i64::MAX);
        self.transaction(|db| {
            let note = "UPDATE blobs SET idle_since = ?1 WHERE needed = 0 AND idle_since IS NULL";
            Ok(db.conn.prepare_cached(note)?.execute([at])?)
        })
    }

    /// Forgets a ciphertext if nothing needs it and, where its event may still come, nothing did for `age_ms` before
    /// `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_garbage(&mut self, root: &Hash, now: UnixMillis, age_ms: u64) -> Result<Dropped, Error> {
        self.transaction(|db| {
            let Some(found) = one(&db.conn, root)? else {
                let held = crate::blobs::is_held(&db.conn, root)?;
                return Ok(if held { Dropped::Needed } else { Dropped::NotHeld });
            };
            if !found.is_due(now, age_ms) {
                return Ok(Dropped::TooEarly(found));
            }
            db.drop_blob(root)?;
            Ok(Dropped::Gone(found))
        })
    }
}

impl GarbageRow {
    /// Whether it may go at `now`, where `age_ms` is for how long what may be early is kept.
    pub fn is_due(&self, now: UnixMillis, age_ms: u64) -> bool {
        !self.why.may_be_early() || self.since.is_some_and(|since| now.since(since) >= age_ms)
    }
}

impl Reader<'_> {
    /// Ciphertexts that are held and that no version needs, in the order of their roots: those after `after`, at most
    /// `limit`.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn garbage(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<GarbageRow>, Error> {
        let text = format!("{SELECT} WHERE b.needed = 0 AND b.root > ?1 ORDER BY b.root LIMIT ?2");
        let mut query = self.connection().prepare_cached(&text)?;
        let after = after.map_or(&[][..], |after| &after.0[..]);
        let mut rows = query.query(params![after, row::sql_len(limit.min(REPLICATION_ROWS_MAX))])?;
        let mut all = Vec::new();
        while let Some(found) = rows.next()? {
            all.push(view(found)?);
        }
        Ok(all)
    }

    /// The same of one; `None` if it is needed or not held.
    ///
    /// # Errors
    /// When the database fails.
    pub fn garbage_row(&self, root: &Hash) -> Result<Option<GarbageRow>, Error> {
        one(self.connection(), root)
    }
}

fn one(conn: &Connection, root: &Hash) -> Result<Option<GarbageRow>, Error> {
    let text = format!("{SELECT} WHERE b.needed = 0 AND b.root = ?1");
    let mut query = conn.prepare_cached(&text)?;
    let mut rows = query.query([root.0])?;
    rows.next()?.map(view).transpose()
}

fn view(found: &Row<'_>) -> Result<GarbageRow, Error> {
    let why = match (row::maybe_uint(found, 5)?, row::uint(found, 3)?) {
        (Some(1), _) => Unneeded::Removed,
        (Some(_), _) => Unneeded::Unauthorised,
        (None, 0) => Unneeded::Unknown,
        (None, 1) => Unneeded::Withdrawn,
        (None, _) => Unneeded::LeftTeam,
    };
    Ok(GarbageRow {
        root: row::hash(found, 0)?,
        length: row::uint(found, 1)?,
        held: row::uint(found, 2)?,
        why,
        since: row::maybe_uint(found, 4)?.map(UnixMillis),
    })
}
