//! What waits, for people.

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Level, Outgoing, Place, Protocol, Sealer, Subject};
use antiphon_core::time::UnixMillis;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::row::{COLUMNS, RawRow};
use super::tally::{Tally, Total};
use super::{OutboxState, protocol};
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql, sql_len};

/// Which rows are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxFilter {
    /// Only those for this peer.
    pub peer: Option<NodeId>,
    /// Only those of this level.
    pub level: Option<Level>,
    /// Only those of this kind.
    pub protocol: Option<Protocol>,
    /// Only those that stand so.
    pub state: Option<OutboxState>,
}

/// A row as it is shown. Of a damaged one not everything can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number.
    pub id: u64,
    /// For whom.
    pub peer: Option<NodeId>,
    /// Where in that peer's queue.
    pub place: Place,
    /// What kind of request it is.
    pub protocol: Option<Protocol>,
    /// How much it matters.
    pub level: Option<Level>,
    /// Version of the body's form.
    pub schema: i64,
    /// What it is about.
    pub subject: Option<Subject>,
    /// How it stands.
    pub state: OutboxState,
    /// Stable name of why it does not wait.
    pub reason: Option<String>,
    /// When it was handed in.
    pub at: UnixMillis,
    /// Bytes of the body.
    pub bytes: u64,
    /// Why it cannot be sent, if it was looked at and cannot.
    pub flaw: Option<&'static str>,
}

/// A peer for whom something waits or waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxPeer {
    /// Which.
    pub node: NodeId,
    /// Rows for it.
    pub items: u64,
    /// Those of them that no longer wait by themselves.
    pub stuck: u64,
    /// Bytes of the bodies of all of them.
    pub bytes: u64,
    /// Place of the next item.
    pub next_n: u64,
    /// The last item that it took, and when it said so.
    pub delivered: Option<(Place, UnixMillis)>,
}

impl OutboxPeer {
    /// Rows that are sent when it can be reached.
    pub const fn waiting(&self) -> u64 {
        self.items.saturating_sub(self.stuck)
    }
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxStats {
    /// Peers for whom there are rows.
    pub peers: u64,
    /// Rows.
    pub items: u64,
    /// Those of them that no longer wait by themselves.
    pub stuck: u64,
    /// Bytes of the bodies of all of them.
    pub bytes: u64,
    /// When the oldest of them was handed in.
    pub oldest: Option<UnixMillis>,
}

/// How far the rows can be opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxCheck {
    /// Rows that were opened.
    pub opened: u64,
    /// Rows that cannot be sent, with the reason; at most [`crate::PROBLEMS_MAX`].
    pub broken: Vec<(u64, &'static str)>,
    /// How many such rows there are.
    pub broken_count: u64,
}

impl Reader<'_> {
    /// Rows that fit, in the order in which they were handed in, from behind number `after`: at most `limit`. With a
    /// sealer each is opened, so that damage shows.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn outbox_list(
        &self,
        filter: &OutboxFilter,
        after: u64,
        limit: usize,
        sealer: Option<&dyn Sealer>,
    ) -> Result<Vec<OutboxRow>, Error> {
        let mut sql_text = format!("SELECT {COLUMNS} FROM outbox WHERE id > ?");
        let mut values = vec![Value::Integer(sql(after))];
        let mut only = |clause: &str, value: Option<Value>| {
            if let Some(value) = value {
                sql_text.push_str(clause);
                values.push(value);
            }
        };
        only(" AND peer = ?", filter.peer.map(|peer| Value::Blob(peer.0.to_vec())));
        only(" AND level = ?", filter.level.map(|level| Value::Integer(level.number().into())));
        only(" AND protocol = ?", filter.protocol.map(|protocol| Value::Integer(protocol.number().into())));
        only(" AND state = ?", filter.state.map(|state| Value::Integer(state.number())));
        // Said once more in the words of an index: what is stuck is little among what waits.
        if filter.state.is_some_and(|state| state != OutboxState::Waits) {
            sql_text.push_str(" AND state <> 0");
        }
        sql_text.push_str(" ORDER BY id LIMIT ?");
        values.push(Value::Integer(sql_len(limit)));
        let mut query = self.connection().prepare_cached(&sql_text)?;
        let mut rows = query.query(params_from_iter(values))?;
        let mut list = Vec::new();
        while let Some(found) = rows.next()? {
            let raw = RawRow::read(found)?;
            let flaw = sealer.map(|sealer| self.opened(&raw, sealer)).transpose()?.and_then(Result::err);
            list.push(shown(&raw, flaw));
        }
        Ok(list)
    }

    /// One row and, if it opens, what was handed in.
    ///
    /// # Errors
    /// When the database fails.
    pub fn outbox_item(&self, id: u64, sealer: &dyn Sealer) -> Result<Option<(OutboxRow, Option<Outgoing>)>, Error> {
        let mut query = self.connection().prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE id = ?1"))?;
        let mut rows = query.query([sql(id)])?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let raw = RawRow::read(found)?;
        let opened = self.opened(&raw, sealer)?;
        let flaw = opened.as_ref().err().copied();
        Ok(Some((shown(&raw, flaw), opened.ok())))
    }

    fn opened(&self, raw: &RawRow, sealer: &dyn Sealer) -> Result<Result<Outgoing, &'static str>, Error> {
        let floor = match raw.node() {
            Some(peer) => Tally::of(self.connection(), &peer)?.floor,
            None => 1,
        };
        Ok(raw.open(sealer, floor).map(|waiting| waiting.item))
    }

    /// Opens every row; what this finds is only told.
    ///
    /// # Errors
    /// When the database fails.
    pub fn check_outbox(&self, sealer: &dyn Sealer) -> Result<OutboxCheck, Error> {
        let mut check = OutboxCheck::default();
        let mut query = self.connection().prepare(&format!("SELECT {COLUMNS} FROM outbox ORDER BY id"))?;
        let mut rows = query.query([])?;
        while let Some(found) = rows.next()? {
            let raw = RawRow::read(found)?;
            match self.opened(&raw, sealer)? {
                Ok(_) => check.opened += 1,
                Err(reason) => {
                    check.broken_count += 1;
                    if check.broken.len() < crate::PROBLEMS_MAX {
                        check.broken.push((raw.id, reason));
                    }
                }
            }
        }
        Ok(check)
    }

    /// Every peer for whom something waits or waited, in the order of the keys.
    ///
    /// # Errors
    /// When the database fails.
    pub fn outbox_peers(&self) -> Result<Vec<OutboxPeer>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT peer, next_n, items, stuck, bytes, floor, era, delivered_era, delivered_n, delivered_at
             FROM outbox_peers ORDER BY peer",
        )?;
        let mut rows = query.query([])?;
        let mut peers = Vec::new();
        while let Some(found) = rows.next()? {
            peers.push(of_peer(row::node(found, 0)?, &Tally::read(found, 1)?));
        }
        Ok(peers)
    }

    /// One of them; nothing waits for a peer that is not known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn outbox_peer(&self, node: &NodeId) -> Result<OutboxPeer, Error> {
        Ok(of_peer(*node, &Tally::of(self.connection(), node)?))
    }

    /// How much waits, from the counts alone.
    ///
    /// # Errors
    /// When the database fails.
    pub fn outbox_stats(&self) -> Result<OutboxStats, Error> {
        let conn = self.connection();
        let mut query = conn.prepare_cached(
            "SELECT count(*), coalesce(sum(items), 0), coalesce(sum(stuck), 0) FROM outbox_peers WHERE items > 0",
        )?;
        let (peers, items, stuck) = query
            .query_row([], |found| Ok((found.get::<_, i64>(0)?, found.get::<_, i64>(1)?, found.get::<_, i64>(2)?)))?;
        let mut query = conn.prepare_cached("SELECT at FROM outbox ORDER BY id LIMIT 1")?;
        let mut rows = query.query([])?;
        let oldest = rows.next()?.map(|found| row::uint(found, 0)).transpose()?.map(UnixMillis);
        let (peers, items, stuck) = (peers.cast_unsigned(), items.cast_unsigned(), stuck.cast_unsigned());
        Ok(OutboxStats { peers, items, stuck, bytes: Total::read(conn)?.bytes, oldest })
    }
}

fn of_peer(node: NodeId, tally: &Tally) -> OutboxPeer {
    let Tally { items, stuck, bytes, next_n, delivered, .. } = *tally;
    OutboxPeer { node, items, stuck, bytes, next_n, delivered }
}

fn shown(raw: &RawRow, flaw: Option<&'static str>) -> OutboxRow {
    OutboxRow {
        id: raw.id,
        peer: raw.node(),
        place: raw.place,
        protocol: protocol(raw.protocol),
        level: raw.level(),
        schema: raw.schema,
        subject: raw.subject.as_slice().try_into().ok().map(Subject),
        state: OutboxState::from_number(raw.state),
        reason: raw.reason.clone(),
        at: raw.at,
        bytes: raw.bytes,
        flaw,
    }
}
