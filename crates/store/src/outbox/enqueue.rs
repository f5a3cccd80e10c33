//! Putting items into the outbox.
//!
//! The cost of an item must not depend on how many wait, so everything that is asked here is one row found by its
//! number: the counts of its peer, the newest item about its subject, the counts of all. Nothing is written here, see
//! [`super::desk`].

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Binding, Bounds, Level, Outgoing, Place, Sealer};
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use super::desk::{Batch, Count, Desk, Laid};
use super::newest;
use super::row::{COLUMNS, RawRow};
use super::tally::Tally;
use super::{Full, OutboxBound, OutboxState, Push};
use crate::db::Db;
use crate::error::Error;
use crate::row::sql;

/// Most places that are passed over because a damaged row stands there.
const TAKEN_PLACES_MAX: usize = 1_000;

/// What every item of one call has in common, and what they lay ready.
struct Pushing<'a> {
    era: u64,
    level: Level,
    sealer: &'a dyn Sealer,
    bounds: &'a Bounds,
    now: UnixMillis,
    batch: Batch,
}

impl Pushing<'_> {
    fn check(&self, item: &Outgoing, tally: &Tally) -> Result<(), Error> {
        let bytes = item.body.len() as u64;
        let bounds = [
            (OutboxBound::Body, bytes, BODY_BYTES_MAX as u64),
            (OutboxBound::ItemsPerPeer, tally.items.saturating_add(1), self.bounds.items_per_peer),
            (OutboxBound::BytesPerPeer, tally.bytes.saturating_add(bytes), self.bounds.bytes_per_peer),
            (OutboxBound::BytesInAll, self.batch.total.kept.bytes.saturating_add(bytes), self.bounds.bytes_in_all),
        ];
        match bounds.into_iter().find(|(_, got, limit)| got > limit) {
            Some((what, _, limit)) => Err(Full { peer: item.peer, what, limit }.into()),
            None => Ok(()),
        }
    }

    /// A row that this call or one before it laid ready.
    fn laid<'a>(&'a self, desk: &'a Desk, id: u64) -> Option<&'a Laid> {
        let at = self.batch.rows.binary_search_by_key(&id, |laid| laid.binding.row).ok();
        at.and_then(|at| self.batch.rows.get(at)).or_else(|| desk.row(id))
    }

    /// The next number and place. Where damage has put another row in the way they go behind it.
    fn next(&mut self, conn: &Connection, peer: &NodeId, tally: &mut Count<Tally>) -> Result<(u64, Place), Error> {
        for _ in 0..TAKEN_PLACES_MAX {
            let (row, n) = (self.batch.total.kept.next_id, tally.kept.next_n);
            (self.batch.total.kept.next_id, tally.kept.next_n) = (row + 1, n + 1);
            let taken =
                (self.batch.total.crowded && is_taken(conn, row)?) || (tally.crowded && is_place_taken(conn, peer, n)?);
            if !taken {
                return Ok((row, Place { era: self.era, n }));
            }
        }
        Err(Error::damaged("the rows of the outbox are not where they were put"))
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
        self.gather(|db| {
            let era = db.era.ok_or(Error::NoEra)?;
            let (conn, desk) = (&db.conn, &mut db.desk);
            let batch = Batch::new(desk.total(conn)?);
            let mut pushing = Pushing { era, level, sealer, bounds, now, batch };
            let pushed =
                items.iter().map(|item| push(conn, desk, item, &mut pushing)).collect::<Result<Vec<_>, _>>()?;
            desk.lay_ready(pushing.batch);
            if desk.is_heavy() {
                db.lay_down()?;
            }
            Ok(pushed)
        })
    }
}

fn push(conn: &Connection, desk: &mut Desk, item: &Outgoing, pushing: &mut Pushing<'_>) -> Result<Push, Error> {
    let mut tally = match pushing.batch.tallies.get(&item.peer) {
        Some(tally) => *tally,
        None => desk.tally(conn, &item.peer)?,
    };
    if tally.kept.era != Some(pushing.era) {
        pushing.batch.starts.push((item.peer, Place { era: pushing.era, n: tally.kept.next_n }));
        tally.kept.era = Some(pushing.era);
    }
    let replaced = find_replaced(conn, desk, item, pushing)?;
    if let Some((id, bytes)) = replaced {
        pushing.batch.replaced.push(id);
        tally.kept.gone(bytes, false);
        pushing.batch.total.kept.bytes = pushing.batch.total.kept.bytes.saturating_sub(bytes);
    }
    pushing.check(item, &tally.kept)?;
    let (id, place) = pushing.next(conn, &item.peer, &mut tally)?;
    let Outgoing { peer, protocol, schema, subject, .. } = *item;
    let binding = Binding { row: id, peer, place, protocol, level: pushing.level, schema, subject };
    let (sealed, bytes) = (pushing.sealer.seal(&binding, &item.body)?, item.body.len() as u64);
    pushing.batch.rows.push(Laid { binding, at: pushing.now, bytes, sealed });
    if let Some(key) = newest::key(item) {
        pushing.batch.newest.insert(key, id);
    }
    tally.kept.items += 1;
    tally.kept.bytes += bytes;
    pushing.batch.total.kept.bytes += bytes;
    pushing.batch.tallies.insert(item.peer, tally);
    Ok(match replaced {
        Some((replaced, _)) => Push::Merged { id, place, replaced },
        None => Push::Queued { id, place },
    })
}

/// The newest item about the same subject, its number and the bytes of its body, if this one may take its place: it
/// waits, is of the same kind, and nothing of another kind came after it.
fn find_replaced(
    conn: &Connection,
    desk: &mut Desk,
    item: &Outgoing,
    pushing: &Pushing<'_>,
) -> Result<Option<(u64, u64)>, Error> {
    let Some(key) = newest::key(item).filter(|_| item.protocol.row().is_some_and(|row| row.merges)) else {
        return Ok(None);
    };
    let known = match pushing.batch.newest.get(&key) {
        Some(id) => Some(*id),
        None => desk.newest(conn, key)?,
    };
    let Some(id) = known else { return Ok(None) };
    if let Some(Laid { binding, bytes, .. }) = pushing.laid(desk, id) {
        let same = (binding.peer, binding.subject, binding.protocol) == (item.peer, item.subject, item.protocol);
        return Ok(same.then_some((id, *bytes)));
    }
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE id = ?1"))?;
    let mut rows = query.query([sql(id)])?;
    let Some(raw) = rows.next()?.map(|found| RawRow::read(found)).transpose()? else { return Ok(None) };
    let same = raw.peer == item.peer.0
        && raw.subject == item.subject.0
        && raw.protocol == i64::from(item.protocol.number())
        && raw.state == OutboxState::Waits.number();
    Ok(same.then_some((id, raw.bytes)))
}

fn is_taken(conn: &Connection, id: u64) -> Result<bool, Error> {
    let mut query = conn.prepare_cached("SELECT 1 FROM outbox WHERE id = ?1")?;
    Ok(query.query_row([sql(id)], |_| Ok(())).optional()?.is_some())
}

fn is_place_taken(conn: &Connection, peer: &NodeId, n: u64) -> Result<bool, Error> {
    let mut query = conn.prepare_cached("SELECT 1 FROM outbox WHERE peer = ?1 AND n = ?2")?;
    Ok(query.query_row(params![peer.0, sql(n)], |_| Ok(())).optional()?.is_some())
}
