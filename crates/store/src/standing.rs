//! How what is held stands: how much of each log is applied, and where the edits of one fact are.
//!
//! Two cursors say how far a log has come here: up to its head it is received, and of that everything counts but what
//! does not count, waits for a signature or came without its payload. These questions are asked by people who look for
//! something that is not there, so they are answered from the log itself and cost nothing while nobody asks.

use std::collections::BTreeMap;

use antiphon_core::event::{Header, Seal, Subject};
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::state::Verdict;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cause::Cause;
use crate::contents::ContentView;
use crate::edits;
use crate::error::Error;
use crate::query;
use crate::reader::Reader;
use crate::row;
use crate::view::Author;

/// Most events that are looked through for those about one fact that do not count.
const UNCOUNTED_READ_MAX: usize = 10_000;

/// How a log stands here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStanding {
    /// Which log.
    pub log: LogId,
    /// The key that signs it.
    pub node: NodeId,
    /// The node's name when it opened the log.
    pub name: String,
    /// How far it is believed.
    pub verdict: Verdict,
    /// Events that are held.
    pub received: u64,
    /// Of those: what is kept and not, or not fully, applied, by cause.
    pub uncounted: BTreeMap<Cause, u64>,
    /// Of those: what no signature covers yet.
    pub waiting: u64,
    /// Of those: what came without its payload and was not erased.
    pub missing: u64,
}

impl LogStanding {
    /// Events that count here.
    pub fn applied(&self) -> u64 {
        let uncounted = self.uncounted.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
        self.received.saturating_sub(uncounted).saturating_sub(self.waiting)
    }
}

/// An event about a fact or a document, as it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactEntry {
    /// The log it stands in.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// Who wrote it.
    pub author: Author,
    /// Whether what it is about says something by it now.
    pub stands: bool,
    /// Whether its payload is held.
    pub payload: bool,
    /// The role and the key that it is sealed to, if it is.
    pub seal: Option<Seal>,
    /// Why it does not count, if it does not.
    pub cause: Option<Cause>,
    /// Its place in the order of arrival.
    pub pos: u64,
}

impl Reader<'_> {
    /// How every charter and shared log stands.
    ///
    /// # Errors
    /// When the database fails.
    pub fn standings(&self) -> Result<Vec<LogStanding>, Error> {
        standings(self.connection())
    }

    /// Every event about a fact that is held, in the order of arrival.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fact_entries(&self, fact: FactId) -> Result<Vec<FactEntry>, Error> {
        entries(self.connection(), &Subject::Fact(fact))
    }

    /// The event of a version of a document, if it is held.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_entry(&self, version: &ContentView) -> Result<Option<FactEntry>, Error> {
        let of_store = |entry: &FactEntry| entry.log.store == version.store && entry.log.stream == Stream::Shared;
        for entry in entries(self.connection(), &Subject::Content(version.id()))?.into_iter().filter(of_store) {
            let found = self.content_at(entry.log, entry.seq)?;
            if found.is_some_and(|found| found.event == version.event) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Whether a fact was forgotten for good.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_erased(&self, fact: FactId) -> Result<bool, Error> {
        let mut query = self.connection().prepare_cached("SELECT 1 FROM erased WHERE kind = 1 AND id = ?1")?;
        Ok(query.query_row([fact.0.as_slice()], |_| Ok(())).optional()?.is_some())
    }
}

fn standings(conn: &Connection) -> Result<Vec<LogStanding>, Error> {
    let causes = counts_by_log(
        conn,
        "SELECT l.stream, l.store, q.reason, count(*) FROM quarantine q JOIN events v ON v.pos = q.pos
         JOIN logs l ON l.id = v.log GROUP BY v.log, q.reason",
    )?;
    let missing = counts_by_log(
        conn,
        "SELECT l.stream, l.store, 0, count(*) FROM events v JOIN logs l ON l.id = v.log
         WHERE v.payload IS NULL AND v.pos NOT IN (
             SELECT e.pos FROM erased x JOIN edits e ON e.kind = x.kind AND e.id = x.id
         ) GROUP BY v.log",
    )?;
    let mut standings = Vec::new();
    for view in query::logs::list(conn)?.into_iter().filter(|view| view.log.stream != Stream::Local) {
        let mut uncounted = BTreeMap::new();
        for (number, count) in causes.get(&view.log).into_iter().flatten() {
            let cause = Cause::ALL.get(*number).copied();
            uncounted.insert(cause.ok_or_else(|| Error::damaged(format!("cause {number}")))?, *count);
        }
        standings.push(LogStanding {
            waiting: view.head.seq.saturating_sub(signed(conn, view.log)?),
            missing: missing.get(&view.log).into_iter().flatten().map(|(_, count)| count).sum(),
            received: view.head.seq,
            log: view.log,
            node: view.node,
            name: view.name,
            verdict: view.verdict,
            uncounted,
        });
    }
    Ok(standings)
}

type ByLog = BTreeMap<LogId, Vec<(usize, u64)>>;

fn counts_by_log(conn: &Connection, sql: &str) -> Result<ByLog, Error> {
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query([])?;
    let mut counts = ByLog::new();
    while let Some(found) = rows.next()? {
        let entry = (row::index(found, 2)?, row::uint(found, 3)?);
        counts.entry(row::log(found, 0, 1)?).or_default().push(entry);
    }
    Ok(counts)
}

/// The last sequence number of a log that a signature covers.
fn signed(conn: &Connection, log: LogId) -> Result<u64, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.seq FROM events v JOIN logs l ON l.id = v.log
         WHERE l.stream = ?1 AND l.store = ?2 AND v.signature IS NOT NULL ORDER BY v.seq DESC LIMIT 1",
    )?;
    let found = query.query_row(params![log.stream.number(), log.store.0], |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.map_or(0, i64::cast_unsigned))
}

fn entries(conn: &Connection, subject: &Subject) -> Result<Vec<FactEntry>, Error> {
    let mut found = Vec::new();
    for stream in [Stream::Shared, Stream::Local] {
        for stored in edits::all(conn, subject, stream)? {
            found.push(FactEntry {
                log: LogId::new(stored.header.store, stored.header.stream),
                seq: stored.header.seq,
                author: query::history::author(conn, stored.log)?,
                stands: stored.edit.standing != 0,
                payload: holds_payload(conn, stored.pos)?,
                seal: stored.header.seal,
                cause: None,
                pos: stored.pos.cast_unsigned(),
            });
        }
    }
    for other in uncounted(conn, subject)? {
        match found.iter_mut().find(|entry: &&mut FactEntry| entry.pos == other.pos) {
            Some(entry) => entry.cause = other.cause,
            None => found.push(other),
        }
    }
    found.sort_by_key(|entry| entry.pos);
    Ok(found)
}

fn holds_payload(conn: &Connection, pos: i64) -> Result<bool, Error> {
    let mut query = conn.prepare_cached("SELECT payload IS NOT NULL FROM events WHERE pos = ?1")?;
    Ok(query.query_row([pos], |row| row.get(0))?)
}

/// Events about something that do not, or not fully, count.
fn uncounted(conn: &Connection, subject: &Subject) -> Result<Vec<FactEntry>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, v.seq, v.header, q.reason, v.log, v.pos, v.payload IS NOT NULL
         FROM quarantine q JOIN events v ON v.pos = q.pos JOIN logs l ON l.id = v.log ORDER BY q.pos DESC LIMIT ?1",
    )?;
    let mut rows = query.query([row::sql_len(UNCOUNTED_READ_MAX)])?;
    let mut entries = Vec::new();
    while let Some(found) = rows.next()? {
        let header = Header::decode(&found.get::<_, Vec<u8>>(3)?)?;
        if header.subject != *subject {
            continue;
        }
        let number = row::index(found, 4)?;
        entries.push(FactEntry {
            log: row::log(found, 0, 1)?,
            seq: row::uint(found, 2)?,
            author: query::history::author(conn, found.get(5)?)?,
            stands: false,
            payload: found.get(7)?,
            seal: header.seal,
            cause: Some(Cause::ALL.get(number).copied().ok_or_else(|| Error::damaged(format!("cause {number}")))?),
            pos: row::uint(found, 6)?,
        });
    }
    Ok(entries)
}
