//! Questions about logs and events.

use antiphon_core::event::Event;
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::state::Verdict;
use rusqlite::{Connection, OptionalExtension, params};

use crate::branch;
use crate::cause::Cause;
use crate::error::Error;
use crate::row;
use crate::view::{ForkView, LogView, Quarantined};

/// See [`crate::Reader::clock`].
pub(crate) fn clock(conn: &Connection) -> Result<NodeClock, Error> {
    let shared = list(conn)?.into_iter().filter(|view| view.log.stream != Stream::Local && view.head.seq > 0);
    Ok(shared.map(|view| (view.log, view.head)).collect())
}

/// See [`crate::Reader::logs`].
pub(crate) fn list(conn: &Connection) -> Result<Vec<LogView>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT stream, store, node, name, head_seq, head_hash, verdict, verdict_seq FROM logs ORDER BY stream, store",
    )?;
    let mut rows = query.query([])?;
    let mut logs = Vec::new();
    while let Some(found) = rows.next()? {
        let (number, seq) = (row::uint(found, 6)?, row::uint(found, 7)?);
        logs.push(LogView {
            log: row::log(found, 0, 1)?,
            node: row::node(found, 2)?,
            name: found.get(3)?,
            head: Head { seq: row::uint(found, 4)?, hash: row::hash(found, 5)? },
            verdict: Verdict::from_parts(number, seq).ok_or_else(|| Error::damaged(format!("verdict {number}")))?,
        });
    }
    Ok(logs)
}

/// See [`crate::Reader::log_key`].
pub(crate) fn key(conn: &Connection, store: &StoreId) -> Result<Option<NodeId>, Error> {
    let mut query = conn.prepare_cached("SELECT node FROM logs WHERE stream IN (0, 1, 2) AND store = ?1 LIMIT 1")?;
    let mut rows = query.query([store.0.as_slice()])?;
    rows.next()?.map(|found| row::node(found, 0)).transpose()
}

/// See [`crate::Reader::header_hash_at`].
pub(crate) fn header_hash_at(conn: &Connection, log: LogId, seq: u64) -> Result<Option<Hash>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header FROM logs l JOIN events v ON v.log = l.id
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq = ?3",
    )?;
    let header: Option<Vec<u8>> =
        query.query_row(params![log.stream.number(), log.store.0, row::sql(seq)], |row| row.get(0)).optional()?;
    Ok(header.map(|header| Hash::of(&header)))
}

/// Whose key signs a log, if it is known.
pub(crate) fn author(conn: &Connection, log: LogId) -> Result<Option<NodeId>, Error> {
    let mut query = conn.prepare_cached("SELECT node FROM logs WHERE stream = ?1 AND store = ?2")?;
    let mut rows = query.query(params![log.stream.number(), log.store.0])?;
    rows.next()?.map(|found| row::node(found, 0)).transpose()
}

/// See [`crate::Reader::event_at`].
pub(crate) fn event_at(conn: &Connection, log: LogId, seq: u64) -> Result<Option<Event>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header, v.payload, v.signature FROM logs l JOIN events v ON v.log = l.id
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq = ?3",
    )?;
    let mut rows = query.query(params![log.stream.number(), log.store.0, row::sql(seq)])?;
    rows.next()?.map(|found| row::event(found, 0)).transpose()
}

/// See [`crate::Reader::lag`].
pub(crate) fn lag(conn: &Connection, theirs: &NodeClock) -> Result<u64, Error> {
    let behind = |(log, head): (&LogId, &Head)| head.seq.saturating_sub(theirs.get(log).map_or(0, |head| head.seq));
    Ok(clock(conn)?.iter().map(behind).sum())
}

/// See [`crate::Reader::quarantined`].
pub(crate) fn quarantined(conn: &Connection, limit: usize) -> Result<Vec<Quarantined>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, v.seq, v.header, q.reason FROM quarantine q JOIN events v ON v.pos = q.pos
         JOIN logs l ON l.id = v.log ORDER BY q.pos LIMIT ?1",
    )?;
    let mut rows = query.query([row::sql_len(limit)])?;
    let mut list = Vec::new();
    while let Some(found) = rows.next()? {
        let header = antiphon_core::event::Header::decode(&found.get::<_, Vec<u8>>(3)?)?;
        let number = row::index(found, 4)?;
        let cause = Cause::ALL.get(number).copied().ok_or_else(|| Error::damaged(format!("cause {number}")))?;
        let (log, seq, event) = (row::log(found, 0, 1)?, row::uint(found, 2)?, header.id);
        list.push(Quarantined { log, seq, event, subject: header.subject, cause });
    }
    Ok(list)
}

/// See [`crate::Reader::forks`].
pub(crate) fn forks(conn: &Connection) -> Result<Vec<ForkView>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, min(f.seq) FROM forks f JOIN logs l ON l.id = f.log GROUP BY f.log ORDER BY 1, 2",
    )?;
    let mut rows = query.query([])?;
    let mut forks = Vec::new();
    while let Some(found) = rows.next()? {
        let (log, seq) = (row::log(found, 0, 1)?, row::uint(found, 2)?);
        forks.push(ForkView { log, seq, held: branch::held(conn, log, seq)?, other: branch::other(conn, log, seq)? });
    }
    Ok(forks)
}
