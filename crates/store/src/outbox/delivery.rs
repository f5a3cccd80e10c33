//! What is sent next, and what its receiver said.

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Place, Sealer};
use antiphon_core::time::UnixMillis;
use rusqlite::params;

use super::row::{COLUMNS, RawRow};
use super::tally::{Tally, Total};
use super::{OutboxPage, Settled, kept_reason};
use crate::db::Db;
use crate::error::Error;
use crate::messages;
use crate::reader::Reader;
use crate::row::{self, sql};

impl Reader<'_> {
    /// What waits for a peer behind place `after_n` (0 for the first): at most `max_items` and, after the first, at
    /// most `max_bytes` of bodies. The rows in `broken` are to be set aside ([`Db::set_aside_outbox`]).
    ///
    /// # Errors
    /// When the database fails; a row that does not open is no error.
    pub fn outbox_page(
        &self,
        peer: &NodeId,
        after_n: u64,
        max_items: usize,
        max_bytes: usize,
        sealer: &dyn Sealer,
    ) -> Result<OutboxPage, Error> {
        let conn = self.connection();
        let tally = Tally::of(conn, peer)?;
        let mut page = OutboxPage { floor: tally.floor_now(conn, peer)?, ..OutboxPage::default() };
        let mut query = conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE peer = ?1 AND state = 0 AND n > ?2 ORDER BY n",
        ))?;
        let mut rows = query.query(params![peer.0, sql(after_n)])?;
        let (mut bytes, mut last) = (0, after_n);
        while let Some(found) = rows.next()? {
            if page.items.len() + page.broken.len() >= max_items {
                page.more_after = Some(last);
                break;
            }
            let raw = RawRow::read(found)?;
            bytes += raw.sealed.len();
            if bytes > max_bytes && !page.items.is_empty() {
                page.more_after = Some(last);
                break;
            }
            last = raw.place.n;
            match raw.open(sealer, tally.floor) {
                Ok(waiting) => page.items.push(waiting),
                Err(reason) => page.broken.push((raw.id, reason)),
            }
        }
        Ok(page)
    }
}

impl Db {
    /// Notes what a peer said of items: those it has are gone, those it does not want stay with the reason. What it
    /// says of items that are not there any more changes nothing. Returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn settle_outbox(&mut self, peer: &NodeId, said: &[(Place, Settled)], now: UnixMillis) -> Result<usize, Error> {
        self.transaction(|db| {
            let mut tally = Tally::of(&db.conn, peer)?;
            let (before, mut settled) = (tally, 0);
            for (place, outcome) in said {
                settled += usize::from(match outcome {
                    Settled::Taken | Settled::Had => db.take_delivered(peer, *place, now, &mut tally)?,
                    Settled::Refused(reason) => db.refuse(peer, *place, reason, &mut tally)?,
                });
            }
            if settled > 0 {
                tally.floor = tally.floor_now(&db.conn, peer)?;
                tally.put(&db.conn, peer)?;
                Total::gone(&db.conn, before.bytes.saturating_sub(tally.bytes))?;
            }
            Ok(settled)
        })
    }

    fn take_delivered(&self, peer: &NodeId, place: Place, now: UnixMillis, tally: &mut Tally) -> Result<bool, Error> {
        let mut delete = self.conn.prepare_cached(
            "DELETE FROM outbox WHERE peer = ?1 AND n = ?2 AND era = ?3 RETURNING bytes, state, protocol, schema, subject",
        )?;
        let mut rows = delete.query(params![peer.0, sql(place.n), sql(place.era)])?;
        let Some(found) = rows.next()? else { return Ok(false) };
        tally.gone(row::uint(found, 0)?, found.get::<_, i64>(1)? != 0);
        tally.delivered = Some((place, now));
        if messages::is_letter(found.get(2)?, found.get(3)?) {
            messages::delivered(&self.conn, peer, &found.get::<_, Vec<u8>>(4)?, now)?;
        }
        // The statement has run only when it was asked for more.
        while rows.next()?.is_some() {}
        Ok(true)
    }

    fn refuse(&self, peer: &NodeId, place: Place, reason: &str, tally: &mut Tally) -> Result<bool, Error> {
        let mut update = self.conn.prepare_cached(
            "UPDATE outbox SET state = 1, reason = ?4 WHERE peer = ?1 AND n = ?2 AND era = ?3 AND state = 0",
        )?;
        let refused = update.execute(params![peer.0, sql(place.n), sql(place.era), kept_reason(reason)])?;
        tally.stuck += refused as u64;
        Ok(refused > 0)
    }

    /// Sets aside everything that waits for a peer which must not get it. Returns how many items.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refuse_waiting(&mut self, peer: &NodeId, reason: &str) -> Result<usize, Error> {
        self.transaction(|db| {
            let mut update =
                db.conn.prepare_cached("UPDATE outbox SET state = 1, reason = ?2 WHERE peer = ?1 AND state = 0")?;
            let refused = update.execute(params![peer.0, kept_reason(reason)])?;
            drop(update);
            if refused > 0 {
                let mut tally = Tally::of(&db.conn, peer)?;
                tally.stuck += refused as u64;
                tally.put(&db.conn, peer)?;
            }
            Ok(refused)
        })
    }
}
