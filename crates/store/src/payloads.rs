//! Payloads that did not come along with their headers.
//!
//! A header alone keeps the chain whole and the frontiers right; the text may follow from anybody who has it, because
//! the header names its hash.

use antiphon_core::event::Header;
use antiphon_core::log::LogId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cause::Cause;
use crate::db::Db;
use crate::error::Error;
use crate::row::{self, sql};
use crate::sealed::Text;
use crate::view::MissingPayload;
use crate::{edits, erase, project, sealed};

impl Db {
    /// Takes payloads for events that are held without them; returns how many were missing and fit.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fill_payloads(&mut self, payloads: &[(LogId, u64, Vec<u8>)]) -> Result<usize, Error> {
        self.transaction(|db| {
            let mut filled = 0;
            for (log, seq, payload) in payloads {
                let Ok(entry) = db.entry(*log) else { continue };
                let mut query = db
                    .conn
                    .prepare_cached("SELECT pos, header FROM events WHERE log = ?1 AND seq = ?2 AND payload IS NULL")?;
                let found: Option<(i64, Vec<u8>)> =
                    query.query_row(params![entry.id, sql(*seq)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
                drop(query);
                let Some((pos, header)) = found else { continue };
                let (bytes, header) = (&header, Header::decode(&header)?);
                if header.check_payload(payload).is_ok() {
                    filled += usize::from(fill(&db.conn, pos, (bytes, &header), payload)?);
                    db.note_again(pos, &header)?;
                }
            }
            Ok(filled)
        })
    }
}

/// Puts a payload, which is the one the header names, where it was missing; `false` when its subject is erased.
pub(crate) fn fill(
    conn: &Connection,
    pos: i64,
    (bytes, header): (&[u8], &Header),
    payload: &[u8],
) -> Result<bool, Error> {
    if erase::is_erased(conn, &header.subject)? {
        return Ok(false);
    }
    conn.prepare_cached("UPDATE events SET payload = ?2 WHERE pos = ?1")?.execute(params![pos, payload])?;
    if !edits::counts(conn, header, pos)? {
        return Ok(true);
    }
    if sealed::read(conn, bytes, header, payload)? == Text::Malformed {
        project::quarantine(conn, pos, Cause::MalformedPayload)?;
    }
    let Some(fact) = header.subject.fact() else { return Ok(true) };
    project::refresh(conn, fact)?;
    project::touch(conn, fact)?;
    Ok(true)
}

/// Events whose payload is not held, at most `limit`.
pub(crate) fn missing(conn: &Connection, limit: usize) -> Result<Vec<MissingPayload>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, v.seq, v.header FROM events v JOIN logs l ON l.id = v.log
         WHERE v.payload IS NULL AND v.pos NOT IN (SELECT pos FROM erased_payloads) ORDER BY v.log, v.seq LIMIT ?1",
    )?;
    let mut rows = query.query([row::sql_len(limit)])?;
    let mut missing = Vec::new();
    while let Some(found) = rows.next()? {
        let header = Header::decode(&found.get::<_, Vec<u8>>(3)?)?;
        if !header.payload_fits() {
            continue;
        }
        let (log, seq) = (row::log(found, 0, 1)?, row::uint(found, 2)?);
        missing.push(MissingPayload { log, seq, hash: header.payload_hash, len: header.payload_len });
    }
    Ok(missing)
}
