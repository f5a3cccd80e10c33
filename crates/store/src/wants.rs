//! Payloads that are asked for and given between members.
//!
//! What is missing here is named log by log, so that a session can go through it; what a peer asks for is read under
//! the policy that decides what pages carry; and what a peer gives is kept only where the header names its hash.

use antiphon_core::event::Header;
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, Stream};
use rusqlite::{Connection, OptionalExtension, params};

use crate::db::Db;
use crate::error::Error;
use crate::page::Policy;
use crate::reader::Reader;
use crate::row::{self, sql};

/// Payloads of one log, each with its place.
pub type Items = Vec<(u64, Vec<u8>)>;

/// What became of payloads that a peer gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// How many were missing and are here now.
    pub filled: usize,
    /// Whether all of them were what the headers name.
    pub fits: bool,
}

impl Reader<'_> {
    /// Places of charter and shared logs whose payload is missing and not erased, in ascending order from behind
    /// `after`: at most `limit`.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn missing_after(&self, after: Option<(LogId, u64)>, limit: usize) -> Result<Vec<(LogId, u64)>, Error> {
        let mut missing = Vec::new();
        each_missing(self.connection(), after, |log, seq| {
            missing.push((log, seq));
            Ok(missing.len() < limit)
        })?;
        Ok(missing)
    }

    /// Payloads of `log` at `seqs`, ascending, that are held and that `peer` may have: at most `max_bytes`, but at
    /// least one. Also says up to which place was looked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn payloads(&self, log: LogId, seqs: &[u64], max_bytes: usize, peer: &NodeId) -> Result<(u64, Items), Error> {
        let last = seqs.last().copied().unwrap_or(0);
        if log.stream == Stream::Local {
            return Ok((last, Vec::new()));
        }
        let conn = self.connection();
        let policy = Policy::of(conn, log, Some(peer))?;
        let mut query = conn.prepare_cached(
            "SELECT v.header, v.payload, v.pos FROM logs l JOIN events v ON v.log = l.id
             WHERE l.stream = ?1 AND l.store = ?2 AND v.seq = ?3 AND v.payload IS NOT NULL",
        )?;
        let (mut items, mut bytes, mut through) = (Vec::new(), 0, 0);
        for seq in seqs {
            let key = params![log.stream.number(), log.store.0, sql(*seq)];
            let found: Option<(Vec<u8>, Vec<u8>, i64)> =
                query.query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
            if let Some((header, payload, pos)) = found
                && policy.allows(conn, &header, pos)?
            {
                bytes += payload.len();
                if bytes > max_bytes && !items.is_empty() {
                    return Ok((through, items));
                }
                items.push((*seq, payload));
            }
            through = *seq;
        }
        Ok((last, items))
    }
}

impl Db {
    /// Keeps payloads that a peer gave for `log`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fill_wanted(&mut self, log: LogId, items: Items) -> Result<Filled, Error> {
        let (mut good, mut fits) = (Vec::with_capacity(items.len()), true);
        for (seq, payload) in items {
            // What is not held any more, because an own log gave way, is nobody's fault.
            let Some(header) = header_at(self.reader().connection(), log, seq)? else { continue };
            if header.check_payload(&payload).is_ok() {
                good.push((log, seq, payload));
            } else {
                fits = false;
            }
        }
        Ok(Filled { filled: self.fill_payloads(&good)?, fits })
    }
}

/// Calls `each` for every place whose payload is missing and not erased, until it says that it has enough.
pub(crate) fn each_missing(
    conn: &Connection,
    after: Option<(LogId, u64)>,
    mut each: impl FnMut(LogId, u64) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, v.seq FROM logs l CROSS JOIN events v ON v.log = l.id
         WHERE v.payload IS NULL AND l.stream < 2 AND (l.stream, l.store, v.seq) > (?1, ?2, ?3)
           AND NOT EXISTS (SELECT 1 FROM erased_payloads e WHERE e.pos = v.pos)
         ORDER BY l.stream, l.store, v.seq",
    )?;
    let (stream, store, seq) = after.map_or((0, [0; 16], 0), |(log, seq)| (log.stream.number(), log.store.0, sql(seq)));
    let mut rows = query.query(params![stream, store, seq])?;
    while let Some(found) = rows.next()? {
        let (log, seq) = (row::log(found, 0, 1)?, row::uint(found, 2)?);
        if !each(log, seq)? {
            break;
        }
    }
    Ok(())
}

fn header_at(conn: &Connection, log: LogId, seq: u64) -> Result<Option<Header>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header FROM logs l JOIN events v ON v.log = l.id
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq = ?3",
    )?;
    let header: Option<Vec<u8>> =
        query.query_row(params![log.stream.number(), log.store.0, sql(seq)], |row| row.get(0)).optional()?;
    Ok(header.map(|header| Header::decode(&header)).transpose()?)
}
