//! Eras: by which it is known what this database has sent.
//!
//! A database restored from an older copy forgets what it sent since, and does not know that it did. But whoever
//! received it knows the places. A place of an era that was never begun here, or one that no item had, is one that
//! this database has forgotten.

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Place;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use super::OUTBOX_ERAS_MAX;
use super::tally::Tally;
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{sql, sql_len};

impl Db {
    /// Begins an era, which must be a fresh random number: once, when the node starts, before anything is put into the
    /// outbox.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_era(&mut self, era: u64, now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| {
            db.conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO outbox_eras (era, turn, started_at)
                     VALUES (?1, 1 + coalesce((SELECT max(turn) FROM outbox_eras), 0), ?2)",
                )?
                .execute(params![sql(era), sql(now.0)])?;
            db.conn
                .prepare_cached(
                    "DELETE FROM outbox_eras WHERE era IN
                         (SELECT era FROM outbox_eras ORDER BY turn DESC LIMIT -1 OFFSET ?1)",
                )?
                .execute([sql_len(OUTBOX_ERAS_MAX)])?;
            Ok(())
        })?;
        self.era = Some(era);
        Ok(())
    }
}

impl Reader<'_> {
    /// Whether this database has begun this era.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn knows_era(&self, era: u64) -> Result<bool, Error> {
        let mut query = self.connection().prepare_cached("SELECT 1 FROM outbox_eras WHERE era = ?1")?;
        Ok(query.query_row([sql(era)], |_| Ok(())).optional()?.is_some())
    }

    /// Whether this database knows that it gave an item for `peer` this place. If not, and the peer took it, then the
    /// database is older than what it sent: it was restored.
    ///
    /// # Errors
    /// When the database fails.
    pub fn knows_place(&self, peer: &NodeId, place: Place) -> Result<bool, Error> {
        let conn = self.connection();
        let mut query =
            conn.prepare_cached("SELECT era FROM outbox_starts WHERE peer = ?1 AND n <= ?2 ORDER BY n DESC LIMIT 1")?;
        let era: Option<i64> = query.query_row(params![peer.0, sql(place.n)], |row| row.get(0)).optional()?;
        Ok(era == Some(sql(place.era)) && place.n < Tally::of(conn, peer)?.next_n)
    }
}

/// Notes in which era the places of a peer's queue are given from here on.
pub(super) fn start(conn: &Connection, peer: &NodeId, place: Place) -> Result<(), Error> {
    conn.prepare_cached("INSERT OR REPLACE INTO outbox_starts (peer, n, era) VALUES (?1, ?2, ?3)")?
        .execute(params![peer.0, sql(place.n), sql(place.era)])?;
    conn.prepare_cached(
        "DELETE FROM outbox_starts WHERE peer = ?1 AND n IN
             (SELECT n FROM outbox_starts WHERE peer = ?1 ORDER BY n DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![peer.0, sql_len(OUTBOX_ERAS_MAX)])?;
    Ok(())
}
