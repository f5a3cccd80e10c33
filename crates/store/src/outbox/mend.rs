//! What no longer waits by itself: setting it aside, trying it again, dropping it.

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Place, Sealer};
use rusqlite::params;

use super::row::{COLUMNS, RawRow};
use super::tally::{Tally, Total};
use super::{OutboxState, kept_reason};
use crate::db::Db;
use crate::error::Error;
use crate::row::sql;

/// What became of the wish to try a row again.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It waits, at the place that it had.
    Waits {
        /// For whom.
        peer: NodeId,
        /// Where.
        place: Place,
    },
    /// It still cannot be sent, with the reason.
    Broken(&'static str),
    /// There is no such row any more.
    Gone,
}

impl Db {
    /// Sets rows aside that cannot be sent, each with its reason. Returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_aside_outbox(&mut self, broken: &[(u64, &str)]) -> Result<usize, Error> {
        self.transaction(|db| {
            let mut aside = 0;
            for (id, reason) in broken {
                let Some(raw) = db.raw_row(*id)? else { continue };
                aside += 1;
                db.conn
                    .prepare_cached("UPDATE outbox SET state = 2, reason = ?2 WHERE id = ?1")?
                    .execute(params![sql(*id), kept_reason(reason)])?;
                if raw.state == OutboxState::Waits.number()
                    && let Some(peer) = raw.node()
                {
                    let mut tally = Tally::of(&db.conn, &peer)?;
                    tally.stuck += 1;
                    tally.put(&db.conn, &peer)?;
                }
            }
            Ok(aside)
        })
    }

    /// Lets a row wait again, at its old place: its peer may have it already, and knows it by that.
    ///
    /// # Errors
    /// When the database fails.
    pub fn retry_outbox(&mut self, id: u64, sealer: &dyn Sealer) -> Result<Retried, Error> {
        self.transaction(|db| {
            let Some(raw) = db.raw_row(id)? else { return Ok(Retried::Gone) };
            let floor = raw.node().map_or(Ok(1), |peer| Tally::of(&db.conn, &peer).map(|tally| tally.floor))?;
            let waiting = match raw.open(sealer, floor) {
                Ok(waiting) => waiting,
                Err(reason) => {
                    db.set_aside_outbox(&[(id, reason)])?;
                    return Ok(Retried::Broken(reason));
                }
            };
            let peer = waiting.item.peer;
            if raw.state != OutboxState::Waits.number() {
                db.conn
                    .prepare_cached("UPDATE outbox SET state = 0, reason = NULL WHERE id = ?1")?
                    .execute([sql(id)])?;
                let mut tally = Tally::of(&db.conn, &peer)?;
                tally.stuck = tally.stuck.saturating_sub(1);
                tally.put(&db.conn, &peer)?;
            }
            Ok(Retried::Waits { peer, place: waiting.place })
        })
    }

    /// Deletes rows, whatever they are; only a person may want that. Returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_outbox(&mut self, ids: &[u64]) -> Result<usize, Error> {
        self.transaction(|db| {
            let mut dropped = 0;
            for id in ids {
                let mut delete =
                    db.conn.prepare_cached("DELETE FROM outbox WHERE id = ?1 RETURNING peer, bytes, state")?;
                let gone = delete.query_map([sql(*id)], |row| {
                    Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)? != 0))
                })?;
                for gone in gone.collect::<Result<Vec<_>, _>>()? {
                    let (peer, bytes, stuck) = (gone.0, gone.1.cast_unsigned(), gone.2);
                    dropped += 1;
                    db.note_dropped(&peer, bytes, stuck)?;
                }
            }
            // What was not the newest about its subject may be now.
            db.desk.forget_newest();
            Ok(dropped)
        })
    }

    fn note_dropped(&self, peer: &[u8], bytes: u64, stuck: bool) -> Result<(), Error> {
        Total::gone(&self.conn, bytes)?;
        let Ok(peer) = NodeId::from_slice(peer) else { return Ok(()) };
        let mut tally = Tally::of(&self.conn, &peer)?;
        tally.gone(bytes, stuck);
        tally.floor = tally.floor_now(&self.conn, &peer)?;
        tally.put(&self.conn, &peer)
    }

    fn raw_row(&self, id: u64) -> Result<Option<RawRow>, Error> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE id = ?1"))?;
        let mut rows = query.query([sql(id)])?;
        rows.next()?.map(|found| RawRow::read(found)).transpose()
    }
}
