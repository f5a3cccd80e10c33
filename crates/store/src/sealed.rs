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

use antiphon_core::event::sealed::{FactSeals, Opened, SealError};
use antiphon_core::event::{Header, Payload, PayloadError, Seal, payload_bytes_max};
use antiphon_core::ids::{FactId, Hash};
use antiphon_core::log::Stream;
use antiphon_core::roles::Authority;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as Column;
use rusqlite::{Connection, OptionalExtension, params};

use crate::author::Stop;
use crate::cause::Cause;
use crate::db::Db;
use crate::edits::Stored;
use crate::error::{AuthorError, Error};
use crate::project::Merged;
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
    let decode = |payload: &[u8]| match Payload::decode(payload, header.fields) {
        Ok(payload) if crate::contents::fits(header, &payload) => Text::Read(payload),
        _ => Text::Malformed,
    };
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

/// Notes which of the edits that a fact stands on are closed to this node.
pub(crate) fn note_closed(conn: &Connection, edits: &[Stored]) -> Result<(), Error> {
    for stored in edits.iter().filter(|stored| stored.closed) {
        let Some(Seal { role, epoch }) = &stored.header.seal else { continue };
        conn.prepare_cached("INSERT OR REPLACE INTO closed (pos, role, epoch) VALUES (?1, ?2, ?3)")?
            .execute(params![stored.pos, role, epoch.0])?;
    }
    Ok(())
}

/// Seals a payload for its header, which then names the ciphertext; one that is for everybody stays as it is.
pub(crate) fn seal(seals: &Seals, header: Header, payload: Vec<u8>) -> Result<(Header, Vec<u8>), AuthorError> {
    let Some(seal) = &header.seal else { return Ok((header, payload)) };
    let seals = seals.as_ref().ok_or_else(|| SealError::NoKey(seal.role.clone()))?;
    let sealed = seals.seal(&header.encode()?, &payload)?;
    let limit = payload_bytes_max(header.stream);
    if sealed.len() > limit {
        return Err(PayloadError::TooLarge { got: sealed.len(), limit }.into());
    }
    let header = Header { payload_hash: Hash::of(&sealed), payload_len: sealed.len() as u64, ..header };
    Ok((header, sealed))
}

/// The role that these edits of a fact are sealed to: that of the text which is shown, else that of any other. What was
/// sealed once stays sealed.
pub(crate) fn role_of(edits: &[Stored], shown: usize) -> Option<&str> {
    let role = |stored: &'_ Stored| stored.header.seal.is_some();
    let shown = edits.get(shown).filter(|stored| role(stored));
    let sealed = shown.or_else(|| edits.iter().find(|stored| role(stored)))?;
    sealed.header.seal.as_ref().map(|seal| seal.role.as_str())
}

impl Db {
    /// Tells whoever opens sealed facts which role keys there are now.
    pub(crate) fn learn_keys(&self) {
        if let (Some(seals), Some(membership)) = (&self.seals, &self.cache.membership) {
            seals.learn(membership.role_keys());
        }
    }

    /// With which key a fact for this role is sealed now.
    ///
    /// # Errors
    /// When there is none that may be used, and when this node may not write for the role: it must be able to read what
    /// it writes, by a role that does more than read.
    pub(crate) fn seal_for(&mut self, role: &str) -> Result<Seal, Stop> {
        let node = self.cache.own()?.node;
        let membership = self.cache.membership.clone().ok_or(Error::NoTeam)?;
        let member = membership.member(&node);
        if self.cache.roles.get(role).is_none() {
            return Err(AuthorError::RoleUnknown(role.to_owned()).into());
        }
        if !member.is_some_and(|member| member.steward) {
            let roles = self.cache.roles.clone();
            let held = member.map(|member| member.grant.roles.clone()).unwrap_or_default();
            let reads = |held: &&String| roles.may_read(std::slice::from_ref(held), role);
            let writes = |held: &&String| roles.get(held).is_some_and(|rule| rule.authority > Authority::ReadOnly);
            match held.iter().find(reads) {
                None => return Err(AuthorError::RoleNotHeld { role: role.to_owned(), held }.into()),
                Some(first) if !held.iter().filter(reads).any(|held| writes(&held)) => {
                    return Err(AuthorError::RoleReadOnly(first.clone()).into());
                }
                Some(_) => {}
            }
        }
        let key = membership.role_key(role).ok_or_else(|| AuthorError::NoRoleKey(role.to_owned()))?;
        let holds = self.seals.as_ref().is_some_and(|seals| seals.holds(role, &key.epoch));
        if holds {
            Ok(Seal { role: role.to_owned(), epoch: key.epoch })
        } else {
            Err(AuthorError::Seal(SealError::NoKey(role.to_owned())).into())
        }
    }

    /// As [`Db::standing`] for who is going to change the fact, which nobody can who cannot read it.
    pub(crate) fn standing_open(&self, id: FactId) -> Result<(Stream, Vec<Stored>, Merged), Stop> {
        let (stream, standing, merged) = self.standing(id)?;
        match role_of(&standing, merged.shown) {
            Some(role) if merged.closed => Err(AuthorError::Closed { fact: id, role: role.to_owned() }.into()),
            _ => Ok((stream, standing, merged)),
        }
    }

    /// Why a forgotten fact cannot be brought back.
    pub(crate) fn no_text(&self, fact: FactId, role: Option<&str>) -> AuthorError {
        match role {
            Some(role) => AuthorError::Closed { fact, role: role.to_owned() },
            None => AuthorError::NoText(fact),
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
    if read(conn, &bytes, &header, &payload)? == Text::Malformed {
        project::quarantine(conn, pos, Cause::MalformedPayload)?;
    }
    let Some(fact) = header.subject.fact() else { return Ok(()) };
    project::refresh(conn, fact)?;
    project::touch(conn, fact)
}
