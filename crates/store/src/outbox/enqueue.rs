//! Putting items into the outbox.
//!
//! The cost of an item must not depend on how many wait, so everything that is asked here is one row found by an
//! index: the counts of its peer, the newest item about its subject, the counts of all.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Binding, Bounds, Level, Outgoing, Place, Sealer};
use antiphon_core::time::UnixMillis;
use rusqlite::{ErrorCode, params};
use sha2::{Digest, Sha256};

use super::era::start;
use super::tally::{Tally, Total};
use super::{Full, OutboxBound, OutboxState, Push};
use crate::db::Db;
use crate::error::Error;
use crate::row::{self, sql, sql_len};

/// Most places that are passed over because a damaged row stands there.
const TAKEN_PLACES_MAX: usize = 1_000;

/// What every item of one call has in common.
struct Pushing<'a> {
    era: u64,
    level: Level,
    sealer: &'a dyn Sealer,
    bounds: &'a Bounds,
    now: UnixMillis,
    total: Total,
    tallies: BTreeMap<NodeId, Tally>,
}

impl Pushing<'_> {
    fn check(&self, item: &Outgoing, tally: &Tally) -> Result<(), Error> {
        let bytes = item.body.len() as u64;
        let bounds = [
            (OutboxBound::Body, bytes, BODY_BYTES_MAX as u64),
            (OutboxBound::ItemsPerPeer, tally.items.saturating_add(1), self.bounds.items_per_peer),
            (OutboxBound::BytesPerPeer, tally.bytes.saturating_add(bytes), self.bounds.bytes_per_peer),
            (OutboxBound::BytesInAll, self.total.bytes.saturating_add(bytes), self.bounds.bytes_in_all),
        ];
        match bounds.into_iter().find(|(_, got, limit)| got > limit) {
            Some((what, _, limit)) => Err(Full { peer: item.peer, what, limit }.into()),
            None => Ok(()),
        }
    }
}

impl Db {
    /// Puts items into the outbox, all or none of them. Of items for one peer the first is sent first.
    ///
    /// # Errors
    /// [`Error::OutboxFull`] when one does not fit, [`Error::NoEra`] before [`Db::begin_era`], [`Error::NoRandomness`],
    /// and when the database fails.
    pub fn enqueue(
        &mut self,
        items: &[Outgoing],
        level: Level,
        sealer: &dyn Sealer,
        bounds: &Bounds,
        now: UnixMillis,
    ) -> Result<Vec<Push>, Error> {
        self.transaction(|db| {
            let era = db.era.ok_or(Error::NoEra)?;
            let (total, tallies) = (Total::read(&db.conn)?, BTreeMap::new());
            let mut pushing = Pushing { era, level, sealer, bounds, now, total, tallies };
            let pushed = items.iter().map(|item| db.push(item, &mut pushing)).collect::<Result<Vec<_>, _>>()?;
            pushing.tallies.iter().try_for_each(|(peer, tally)| tally.put(&db.conn, peer))?;
            pushing.total.put(&db.conn)?;
            Ok(pushed)
        })
    }

    fn push(&self, item: &Outgoing, pushing: &mut Pushing<'_>) -> Result<Push, Error> {
        let mut tally = match pushing.tallies.get(&item.peer) {
            Some(tally) => *tally,
            None => Tally::of(&self.conn, &item.peer)?,
        };
        if tally.era != Some(pushing.era) {
            start(&self.conn, &item.peer, Place { era: pushing.era, n: tally.next_n })?;
            tally.era = Some(pushing.era);
        }
        let replaced = self.take_replaced(item)?;
        if let Some((_, bytes)) = replaced {
            tally.gone(bytes, false);
            pushing.total.bytes = pushing.total.bytes.saturating_sub(bytes);
        }
        pushing.check(item, &tally)?;
        let (id, place) = self.insert_item(item, pushing, &mut tally)?;
        let bytes = item.body.len() as u64;
        tally.items += 1;
        tally.bytes += bytes;
        pushing.total.bytes += bytes;
        pushing.tallies.insert(item.peer, tally);
        Ok(match replaced {
            Some((replaced, _)) => Push::Merged { id, place, replaced },
            None => Push::Queued { id, place },
        })
    }

    /// Takes out the newest item about the same subject if this one may take its place: it waits, is of the same kind,
    /// and nothing of another kind came after it. Returns its number and the bytes of its body.
    fn take_replaced(&self, item: &Outgoing) -> Result<Option<(u64, u64)>, Error> {
        if !item.protocol.row().is_some_and(|row| row.merges) {
            return Ok(None);
        }
        let mut query = self.conn.prepare_cached(
            "SELECT id, protocol, state, bytes FROM outbox INDEXED BY outbox_by_subject
             WHERE about = ?1 AND peer = ?2 AND subject = ?3 AND protocol <> 1 ORDER BY n DESC LIMIT 1",
        )?;
        let mut rows = query.query(params![about(item), item.peer.0, item.subject.0])?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let (protocol, state): (i64, i64) = (found.get(1)?, found.get(2)?);
        if protocol != i64::from(item.protocol.number()) || state != OutboxState::Waits.number() {
            return Ok(None);
        }
        let (id, bytes) = (row::uint(found, 0)?, row::uint(found, 3)?);
        self.conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([sql(id)])?;
        Ok(Some((id, bytes)))
    }

    /// Writes a row at the end of the peer's queue. Where damage has put another row in its way it goes behind it.
    fn insert_item(
        &self,
        item: &Outgoing,
        pushing: &mut Pushing<'_>,
        tally: &mut Tally,
    ) -> Result<(u64, Place), Error> {
        let Pushing { era, level, sealer, .. } = *pushing;
        let Outgoing { peer, protocol, schema, subject, .. } = *item;
        for _ in 0..TAKEN_PLACES_MAX {
            let (row, place) = (pushing.total.next_id, Place { era, n: tally.next_n });
            (pushing.total.next_id, tally.next_n) = (row + 1, place.n + 1);
            let binding = Binding { row, peer, place, protocol, level, schema, subject };
            let sealed = sealer.seal(&binding, &item.body)?;
            let mut insert = self.conn.prepare_cached(
                "INSERT INTO outbox (id, peer, era, n, protocol, level, schema, subject, about, state, at, bytes,
                                     sealed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11, ?12)",
            )?;
            let written = insert.execute(params![
                sql(row),
                peer.0,
                sql(era),
                sql(place.n),
                protocol.number(),
                level.number(),
                schema,
                subject.0,
                about(item),
                sql(pushing.now.0),
                sql_len(item.body.len()),
                sealed,
            ]);
            match written {
                Ok(_) => return Ok((row, place)),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::damaged("the rows of the outbox are not where they were put"))
    }
}

/// For whom and about what an item is, in 32 bits: others may have the same, so what is found by it is looked at.
fn about(item: &Outgoing) -> i64 {
    let digest = Sha256::new().chain_update(item.peer.0).chain_update(item.subject.0).finalize();
    digest.iter().take(4).fold(0, |value, byte| value << 8 | i64::from(*byte))
}
