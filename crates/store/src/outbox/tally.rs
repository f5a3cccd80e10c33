//! How much waits, kept beside the rows so that nobody has to count them.

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Place;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::row::{self, sql};

/// What is kept of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) next_n: u64,
    pub(super) items: u64,
    pub(super) stuck: u64,
    pub(super) bytes: u64,
    pub(super) floor: u64,
    pub(super) era: Option<u64>,
    pub(super) delivered: Option<(Place, UnixMillis)>,
}

impl Tally {
    const NONE: Self = Self { next_n: 1, items: 0, stuck: 0, bytes: 0, floor: 1, era: None, delivered: None };

    /// What is kept of `peer`; nothing yet if it never had an item.
    pub(super) fn of(conn: &Connection, peer: &NodeId) -> Result<Self, Error> {
        let mut query = conn.prepare_cached(
            "SELECT next_n, items, stuck, bytes, floor, era, delivered_era, delivered_n, delivered_at
             FROM outbox_peers WHERE peer = ?1",
        )?;
        let mut rows = query.query([peer.0.as_slice()])?;
        rows.next()?.map_or(Ok(Self::NONE), |found| Self::read(found, 0))
    }

    /// Reads the columns named in [`of`](Self::of), of which `first` is the first.
    pub(super) fn read(found: &rusqlite::Row<'_>, first: usize) -> Result<Self, Error> {
        let uint = |column: usize| row::uint(found, first + column);
        let maybe = |column: usize| row::maybe_uint(found, first + column);
        let delivered = match (maybe(6)?, maybe(7)?, maybe(8)?) {
            (Some(era), Some(n), Some(at)) => Some((Place { era, n }, UnixMillis(at))),
            _ => None,
        };
        let (next_n, items, stuck, bytes) = (uint(0)?, uint(1)?, uint(2)?, uint(3)?);
        Ok(Self { next_n, items, stuck, bytes, floor: uint(4)?, era: maybe(5)?, delivered })
    }

    /// Keeps it.
    pub(super) fn put(&self, conn: &Connection, peer: &NodeId) -> Result<(), Error> {
        let delivered = self.delivered;
        let values = params![
            peer.0,
            sql(self.next_n),
            sql(self.items),
            sql(self.stuck),
            sql(self.bytes),
            sql(self.floor),
            self.era.map(sql),
            delivered.map(|(place, _)| sql(place.era)),
            delivered.map(|(place, _)| sql(place.n)),
            delivered.map(|(_, at)| sql(at.0)),
        ];
        conn.prepare_cached(
            "INSERT INTO outbox_peers (peer, next_n, items, stuck, bytes, floor, era, delivered_era,
                                       delivered_n, delivered_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (peer) DO UPDATE SET next_n = ?2, items = ?3, stuck = ?4, bytes = ?5, floor = ?6, era = ?7,
                 delivered_era = ?8, delivered_n = ?9, delivered_at = ?10",
        )?
        .execute(values)?;
        Ok(())
    }

    /// A row of this peer is gone.
    pub(super) fn gone(&mut self, bytes: u64, stuck: bool) {
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.stuck = self.stuck.saturating_sub(u64::from(stuck));
    }

    /// Where the rows of `peer` begin now. A row below the floor that was kept is none that counts.
    pub(super) fn floor_now(&self, conn: &Connection, peer: &NodeId) -> Result<u64, Error> {
        let mut query = conn.prepare_cached("SELECT min(n) FROM outbox WHERE peer = ?1 AND n >= ?2")?;
        let lowest: Option<i64> = query.query_row(params![peer.0, sql(self.floor)], |row| row.get(0))?;
        Ok(lowest.map_or(self.next_n, i64::cast_unsigned).max(self.floor))
    }
}

/// What is kept of all peers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) next_id: u64,
    pub(super) bytes: u64,
}

impl Total {
    pub(super) fn read(conn: &Connection) -> Result<Self, Error> {
        let mut query = conn.prepare_cached("SELECT next_id, bytes FROM outbox_total")?;
        let found = query.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let (next_id, bytes): (i64, i64) = found.ok_or_else(|| Error::damaged("the outbox has lost its total"))?;
        Ok(Self { next_id: next_id.cast_unsigned(), bytes: bytes.cast_unsigned() })
    }

    pub(super) fn put(&self, conn: &Connection) -> Result<(), Error> {
        let mut update = conn.prepare_cached("UPDATE outbox_total SET next_id = ?1, bytes = ?2")?;
        update.execute([sql(self.next_id), sql(self.bytes)])?;
        Ok(())
    }

    /// Bodies of so many bytes are gone.
    pub(super) fn gone(conn: &Connection, bytes: u64) -> Result<(), Error> {
        let mut update = conn.prepare_cached("UPDATE outbox_total SET bytes = max(bytes - ?1, 0)")?;
        update.execute([sql(bytes)])?;
        Ok(())
    }
}

/// The peer as it is in the rows, items, stuck ones, bytes.
type Counted = (Vec<u8>, i64, i64, i64);

/// Rows and bytes by peer, counted anew.
fn counted(conn: &Connection) -> Result<Vec<Counted>, Error> {
    let mut query =
        conn.prepare("SELECT peer, count(*), sum(state <> 0), sum(bytes) FROM outbox GROUP BY peer ORDER BY peer")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is wrong with the counts, in words.
pub(crate) fn check(conn: &Connection) -> Result<Vec<String>, Error> {
    let counted = counted(conn)?;
    let mut query = conn.prepare(
        "SELECT peer, items, stuck, bytes FROM outbox_peers WHERE items <> 0 OR stuck <> 0 OR bytes <> 0 ORDER BY peer",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let kept: Vec<Counted> = rows.collect::<Result<_, _>>()?;
    let mut problems = Vec::new();
    let differ = counted
        .iter()
        .filter(|row| !kept.contains(row))
        .count()
        .max(kept.iter().filter(|row| !counted.contains(row)).count());
    if differ > 0 {
        problems.push(format!("the outbox of {differ} peers holds not what is counted"));
    }
    let bytes: i64 = counted.iter().map(|(_, _, _, bytes)| *bytes).sum();
    let total = Total::read(conn)?;
    if sql(total.bytes) != bytes {
        problems.push(format!("the outbox holds {bytes} bytes, and {} are counted", total.bytes));
    }
    Ok(problems)
}

/// Counts every row anew.
pub(crate) fn recount(conn: &Connection) -> Result<(), Error> {
    conn.execute("UPDATE outbox_peers SET items = 0, stuck = 0, bytes = 0", [])?;
    let mut bytes_in_all = 0_i64;
    for (peer, items, stuck, bytes) in counted(conn)? {
        bytes_in_all = bytes_in_all.saturating_add(bytes);
        // What was made of a damaged row is no peer.
        if peer.len() != NodeId([0; 32]).0.len() {
            continue;
        }
        conn.prepare_cached(
            "INSERT INTO outbox_peers (peer, next_n, items, stuck, bytes, floor)
             VALUES (?1, 1 + coalesce((SELECT max(n) FROM outbox WHERE peer = ?1 AND n < 1 << 62), 0), ?2, ?3, ?4, 1)
             ON CONFLICT (peer) DO UPDATE SET items = ?2, stuck = ?3, bytes = ?4",
        )?
        .execute(params![peer, items, stuck, bytes])?;
    }
    conn.execute("UPDATE outbox_total SET bytes = ?1", [bytes_in_all])?;
    Ok(())
}
