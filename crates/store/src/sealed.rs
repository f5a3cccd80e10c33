//! Payloads that are sealed to a role: opened where this node has the key, carried where it has not.
//!
//! The log holds the ciphertext, on every node. A node that is entitled opens it whenever an edit is read, so beside the
//! log only what the projection shows of it is ever on its disk, and forgetting needs no second place to look at. A
//! node that is not entitled knows from the header which fields an edit touches: its frontiers and its state hash are
//! those of all others, and the values are closed to it. That is no fault: a closed fact is neither incomplete nor
//! malformed, it is not shown, not searched, not asked for again.
//!
//! Which keys there are changes with the charter. What is closed is noted with its key in the table `closed`; when a
//! key has come, [`Db::open_closed`] opens it in steps. Keys that a node had stay in the charter, so what it could read
//! it reads for ever, also after it lost the role; new keys are not made for it.
//!
//! The keys themselves are behind [`FactSeals`], which a database is handed as it is handed a signer. Connections reach
//! it through a function of SQL, so that whatever reads an edit in a query opens it like everybody else.

use std::sync::Arc;

use antiphon_core::event::sealed::{FactSeals, Opened};
use antiphon_core::event::{Header, Payload, Seal};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as Column;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cause::Cause;
use crate::db::Db;
use crate::error::Error;
use crate::{edits, project, row};

/// What opens and seals the facts of roles.
pub type Seals = Option<Arc<dyn FactSeals>>;

/// What a payload turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// It can be read.
    Read(Payload),
    /// It is sealed, and this node has not the key.
    Closed,
    /// It is none, or not what was sealed for its header.
    Malformed,
}

impl Text {
    /// The payload, if it can be read.
    pub(crate) fn read(self) -> Option<Payload> {
        if let Self::Read(payload) = self { Some(payload) } else { None }
    }
}

/// Lets a connection open sealed payloads: `opened(header, payload)` is the payload, 0 where it is not what was sealed
/// for its header, and NULL where this node has not the key.
pub(crate) fn attach(conn: &Connection, seals: &Seals) -> Result<(), Error> {
    let seals = seals.clone();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_scalar_function("opened", 2, flags, move |call| {
        let (Some(header), Some(payload)) = (call.get_raw(0).as_blob_or_null()?, call.get_raw(1).as_blob_or_null()?)
        else {
            return Ok(Column::Null);
        };
        Ok(match seals.as_ref().map_or(Opened::Closed, |seals| seals.open(header, payload)) {
            Opened::Payload(payload) => Column::Blob(payload),
            Opened::Broken => Column::Integer(0),
            Opened::Closed => Column::Null,
        })
    })?;
    Ok(())
}

/// Reads a payload: that of a sealed event as far as this node has the key.
pub(crate) fn read(conn: &Connection, bytes: &[u8], header: &Header, payload: &[u8]) -> Result<Text, Error> {
    let decode = |payload: &[u8]| Payload::decode(payload, header.fields).map_or(Text::Malformed, Text::Read);
    if header.seal.is_none() {
        return Ok(decode(payload));
    }
    let mut query = conn.prepare_cached("SELECT opened(?1, ?2)")?;
    Ok(match query.query_row(params![bytes, payload], |row| row.get::<_, Column>(0))? {
        Column::Blob(payload) => decode(&payload),
        Column::Null => Text::Closed,
        _ => Text::Malformed,
    })
}

/// Notes that an edit is closed to this node.
pub(crate) fn note_closed(conn: &Connection, pos: i64, header: &Header) -> Result<(), Error> {
    let Some(Seal { role, epoch }) = &header.seal else { return Ok(()) };
    conn.prepare_cached("INSERT OR REPLACE INTO closed (pos, role, epoch) VALUES (?1, ?2, ?3)")?
        .execute(params![pos, role, epoch.0])?;
    Ok(())
}

impl Db {
    /// Tells whoever opens sealed facts which role keys there are now.
    pub(crate) fn learn_keys(&self) {
        if let (Some(seals), Some(membership)) = (&self.seals, &self.cache.membership) {
            seals.learn(membership.role_keys());
        }
    }

    /// Opens up to `max` edits that were closed when they came and whose key this node has by now; returns how many
    /// were looked at, 0 when nothing is left to open.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open_closed(&mut self, max: usize) -> Result<usize, Error> {
        let Some(seals) = self.seals.clone() else { return Ok(0) };
        let due = closed_of(&self.conn, seals.as_ref(), max)?;
        if due.is_empty() {
            return Ok(0);
        }
        self.transaction(|db| {
            for pos in &due {
                db.conn.prepare_cached("DELETE FROM closed WHERE pos = ?1")?.execute([pos])?;
                open_one(&db.conn, *pos)?;
            }
            Ok(due.len())
        })
    }
}

/// Positions of closed edits whose key is held, of as few keys as needed.
fn closed_of(conn: &Connection, seals: &dyn FactSeals, max: usize) -> Result<Vec<i64>, Error> {
    let mut keys = conn.prepare_cached("SELECT DISTINCT role, epoch FROM closed")?;
    let mut rows = keys.query([])?;
    let mut due = Vec::new();
    while let Some(found) = rows.next()? {
        let (role, epoch) = (found.get::<_, String>(0)?, row::hash(found, 1)?);
        if !seals.holds(&role, &epoch) {
            continue;
        }
        let mut query = conn.prepare_cached("SELECT pos FROM closed WHERE role = ?1 AND epoch = ?2 LIMIT ?3")?;
        let limit = row::sql_len(max.saturating_sub(due.len()));
        for pos in query.query_map(params![role, epoch.0, limit], |row| row.get(0))? {
            due.push(pos?);
        }
        if due.len() >= max {
            break;
        }
    }
    Ok(due)
}

/// Takes an edit that was closed into the projection, if it is still there and counts.
fn open_one(conn: &Connection, pos: i64) -> Result<(), Error> {
    let mut query = conn.prepare_cached("SELECT header, payload FROM events WHERE pos = ?1 AND payload IS NOT NULL")?;
    let found: Option<(Vec<u8>, Vec<u8>)> = query.query_row([pos], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((bytes, payload)) = found else { return Ok(()) };
    let header = Header::decode(&bytes)?;
    if !edits::counts(conn, &header, pos)? {
        return Ok(());
    }
    match read(conn, &bytes, &header, &payload)? {
        Text::Malformed => project::quarantine(conn, pos, Cause::MalformedPayload)?,
        Text::Closed => note_closed(conn, pos, &header)?,
        Text::Read(_) => {}
    }
    let Some(fact) = header.subject.fact() else { return Ok(()) };
    project::refresh(conn, fact)?;
    project::touch(conn, fact)
}
