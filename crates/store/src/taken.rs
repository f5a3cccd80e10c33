//! What was taken of other nodes' outboxes, so that nothing is taken twice.
//!
//! A sender that got no answer sends again, and an answer can be lost any number of times. So the place of every item
//! that was taken is kept, as ranges, in the transaction that applied it. The ranges would grow for ever where a sender
//! merges or drops items, because their places are never sent. So each delivery names the lowest place that the sender
//! still has, and what is below counts as taken once there are many ranges.
//!
//! That is said of the eras of the delivered items only. A database restored from an older copy may have given the
//! places of another era to other items, and says nothing about those.
//!
//! The table is kept by the sender's key: an era is named by the sender, and nobody shall be able to name another's.

mod ranges;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::outbox::Place;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use crate::db::Db;
use crate::error::Error;
use crate::outbox::{Effect, Effected};
use crate::reader::Reader;
use crate::row::{self, sql, sql_len};
use ranges::Ranges;

/// Most eras of one sender of which places are remembered; those used longest ago go first.
pub const TAKEN_ERAS_MAX: usize = 4_096;
/// Most ranges of places of one era; beyond that nothing more is taken until the sender lets some be forgotten.
pub const TAKEN_RANGES_MAX: usize = 1_024;
/// Ranges from which on what the sender no longer has is forgotten.
const RANGES_KEPT: usize = 64;

/// Who delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeFrom {
    /// The key that proved itself on the connection.
    pub node: NodeId,
    /// The sender's database, as it names it.
    pub store: StoreId,
    /// The lowest place that the sender still has for us, whatever its state.
    pub floor: u64,
}

/// An item that is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// Its place.
    pub place: Place,
    /// What it does here.
    pub effect: Effect,
}

/// What became of an item.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// It is taken.
    Taken,
    /// It was taken before, and nothing was done.
    Had,
    /// It must not be taken, with the stable name of the reason.
    Refused(&'static str),
    /// Neither this nor what follows can be taken now.
    Busy,
}

/// Why an item was refused: it does not say where it stands.
const NO_PLACE: &str = "no_place";
/// Why an item was refused: what it does cannot be done here, now or later.
const CANNOT: &str = "cannot_be_applied";

/// What is known of one era of a sender.
#[derive(Debug, Default)]
struct Era {
    floor: u64,
    ranges: Ranges,
    last_n: u64,
    /// Whether something was taken in this call, and after how many others.
    took: Option<u64>,
    is_new: bool,
}

impl Db {
    /// Takes items of another node's outbox in their order, each at most once, and notes it, in one transaction.
    ///
    /// # Errors
    /// When the database fails; then nothing is taken.
    pub fn take(&mut self, from: &TakeFrom, items: Vec<Taking>, now: UnixMillis) -> Result<Vec<Took>, Error> {
        self.transaction(|db| {
            let mut eras: BTreeMap<u64, Era> = BTreeMap::new();
            let (mut took, mut count) = (Vec::with_capacity(items.len()), 0);
            for Taking { place, effect } in items {
                let era = match eras.entry(place.era) {
                    Entry::Occupied(held) => held.into_mut(),
                    Entry::Vacant(free) => free.insert(era(&db.conn, &from.node, place.era)?),
                };
                let done = match took.last() {
                    Some(Took::Busy) => Took::Busy,
                    _ => db.take_one(from, era, place, effect, now)?,
                };
                if done == Took::Taken {
                    count += 1;
                    (era.last_n, era.took) = (era.last_n.max(place.n), Some(count));
                }
                took.push(done);
            }
            db.keep_eras(from, &eras, now)?;
            Ok(took)
        })
    }

    fn take_one(
        &mut self,
        from: &TakeFrom,
        era: &mut Era,
        place: Place,
        effect: Effect,
        now: UnixMillis,
    ) -> Result<Took, Error> {
        if place.n == 0 {
            return Ok(Took::Refused(NO_PLACE));
        }
        if era.ranges.contains(place.n) {
            return Ok(Took::Had);
        }
        era.floor = era.floor.max(from.floor);
        if era.ranges.len() >= RANGES_KEPT {
            // What is delivered is there, whatever the sender says.
            era.ranges.fill_below(era.floor.min(place.n));
        }
        if era.ranges.len_with(place.n) > TAKEN_RANGES_MAX {
            return Ok(Took::Busy);
        }
        match self.apply_effect(effect, &from.node, now)? {
            Effected::Done => {
                era.ranges.insert(place.n);
                Ok(Took::Taken)
            }
            Effected::Refused(reason) => Ok(Took::Refused(reason)),
        }
    }

    /// Applies an effect. One that can never succeed must not hold up those behind it, so it is refused; a failure that
    /// may pass ends the whole delivery, and it is tried again.
    fn apply_effect(&mut self, effect: Effect, from: &NodeId, now: UnixMillis) -> Result<Effected, Error> {
        if !effect.writes() {
            return effect.apply(self, from, now);
        }
        match self.transaction(|db| effect.apply(db, from, now)) {
            Err(error) if self.lost_transaction() || error.may_pass() => Err(error),
            Err(error) => {
                tracing::warn!(%error, %from, "an item of another node's outbox cannot be applied");
                Ok(Effected::Refused(CANNOT))
            }
            done => done,
        }
    }

    fn keep_eras(&self, from: &TakeFrom, eras: &BTreeMap<u64, Era>, now: UnixMillis) -> Result<(), Error> {
        let node = from.node.0.as_slice();
        let mut query = self.conn.prepare_cached("SELECT coalesce(max(turn), 0) FROM taken WHERE node = ?1")?;
        let turn: i64 = query.query_row([node], |row| row.get(0))?;
        for (number, era) in eras {
            let Some(took) = era.took else { continue };
            self.conn
                .prepare_cached(
                    "INSERT INTO taken (node, era, store, floor, ranges, last_n, turn, last_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT (node, era) DO UPDATE SET store = ?3, floor = ?4, ranges = ?5, last_n = ?6, turn = ?7,
                         last_at = ?8",
                )?
                .execute(params![
                    node,
                    sql(*number),
                    from.store.0,
                    sql(era.floor),
                    era.ranges.encode(),
                    sql(era.last_n),
                    turn.saturating_add(sql(took)),
                    sql(now.0),
                ])?;
        }
        if eras.values().any(|era| era.is_new && era.took.is_some()) {
            self.conn
                .prepare_cached(
                    "DELETE FROM taken WHERE node = ?1 AND era IN
                         (SELECT era FROM taken WHERE node = ?1 ORDER BY turn DESC LIMIT -1 OFFSET ?2)",
                )?
                .execute(params![node, sql_len(TAKEN_ERAS_MAX)])?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Place of the item that was taken last from this database of a node.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn taken_last(&self, node: &NodeId, store: &StoreId) -> Result<Option<Place>, Error> {
        self.taken_last_of(node, store, |_| true)
    }

    /// The same among items of the eras that `counts` names.
    ///
    /// # Errors
    /// When the database fails.
    pub fn taken_last_of(
        &self,
        node: &NodeId,
        store: &StoreId,
        counts: impl Fn(u64) -> bool,
    ) -> Result<Option<Place>, Error> {
        let mut query = self
            .connection()
            .prepare_cached("SELECT era, last_n FROM taken WHERE node = ?1 AND store = ?2 ORDER BY turn DESC")?;
        let mut rows = query.query(params![node.0, store.0])?;
        while let Some(found) = rows.next()? {
            let place = Place { era: row::uint(found, 0)?, n: row::uint(found, 1)? };
            if counts(place.era) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Whether the item of a node at this place was taken, or the node said that it has it no more.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_taken(&self, node: &NodeId, place: Place) -> Result<bool, Error> {
        Ok(era(self.connection(), node, place.era)?.ranges.contains(place.n))
    }
}

fn era(conn: &Connection, node: &NodeId, era: u64) -> Result<Era, Error> {
    let mut query = conn.prepare_cached("SELECT floor, ranges, last_n FROM taken WHERE node = ?1 AND era = ?2")?;
    let found: Option<(i64, Vec<u8>, i64)> =
        query.query_row(params![node.0, sql(era)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((floor, ranges, last_n)) = found else { return Ok(Era { is_new: true, ..Era::default() }) };
    Ok(Era {
        floor: floor.cast_unsigned(),
        ranges: Ranges::decode(&ranges)?,
        last_n: last_n.cast_unsigned(),
        ..Era::default()
    })
}
