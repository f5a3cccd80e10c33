//! The index of documents: from events about them to the versions that there are.
//!
//! An event about a document sets the whole entry, so versions are not merged as fields are: each one is a row. The
//! frontier is kept all the same, from the headers alone, since it is what the state hash covers and what says which
//! versions nobody has seen together yet.
//!
//! Who may store as a role follows from the charter. Which role it was stands in the payload, and a frontier must not
//! hang on payloads, or nodes that miss one would disagree. So a header counts whoever wrote it, and what its author
//! was not entitled to store is kept, shown as that, and stands for nothing. To take a document away needs no payload,
//! so a removal by somebody who may store nothing does not count at all. Both are judged again when the charter
//! changes.
//!
//! A removal takes away the versions that its author had seen. What was stored meanwhile elsewhere stays, and a version
//! that is stored afterwards is a version.

mod again;
mod author;
mod law;
mod query;
mod view;

use antiphon_core::content::Entry;
use antiphon_core::event::{Action, Event, Header, Payload, Subject};
use antiphon_core::ids::{ContentId, Hash, NodeId};
use antiphon_core::vclock::VClock;
use rusqlite::{Connection, OptionalExtension, params};

pub use query::CONTENT_VERSIONS_MAX;
pub use view::{ContentCounts, ContentCursor, ContentFilter, ContentView};

use crate::cause::Cause;
use crate::erase::Law;
use crate::error::Error;
use crate::project;
use crate::sealed::Text;

/// How an event about a document stands; the number in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is a version.
    Counts = 0,
    /// It was one, and was taken away.
    Removed = 1,
    /// Its author never held the role in which it was stored, or nobody may store in it.
    Unauthorised = 2,
    /// Its payload is not held, or is none.
    Unknown = 3,
    /// It takes versions away.
    Removal = 4,
}

/// Whether a payload holds what its header says it is about: of a document the whole entry.
pub(crate) fn fits(header: &Header, payload: &Payload) -> bool {
    match (&header.action, &header.subject) {
        (Action::Set, Subject::Content(id)) => Entry::from_fields(id, &payload.fields).is_ok(),
        _ => true,
    }
}

/// What an event about a document says, if that can be read.
pub(crate) fn entry_of(header: &Header, text: Option<&Text>) -> Option<Payload> {
    match (&header.subject, text) {
        (Subject::Content(_), Some(Text::Read(payload))) => Some(payload.clone()),
        _ => None,
    }
}

/// Takes an event about a document into the projection; its header is merged already. Says whether it is one that its
/// author was not entitled to.
pub(crate) fn note(
    conn: &Connection,
    law: &Law,
    author: &NodeId,
    (pos, log): (i64, i64),
    event: &Event,
    payload: Option<&Payload>,
) -> Result<bool, Error> {
    let header = event.header();
    let Subject::Content(id) = &header.subject else { return Ok(false) };
    let open = payload.filter(|_| header.action == Action::Set && header.seal.is_none());
    let entry = open.and_then(|payload| Entry::from_fields(id, &payload.fields).ok());
    let state = match (&header.action, &entry) {
        (Action::Forget, _) => State::Removal,
        (_, None) => State::Unknown,
        (_, Some(entry)) if law.may_store(author, &entry.creator_role) => State::Counts,
        _ => State::Unauthorised,
    };
    write_row(conn, (pos, log), event, state, entry.as_ref())?;
    match state {
        State::Removal => settle(conn, id)?,
        State::Counts => {
            let removed = removals(conn, id)?.iter().any(|removal| removal.covers(&header.version));
            if removed {
                set_state(conn, pos, State::Removed)?;
            }
            show_latest(conn, id)?;
        }
        State::Unauthorised => {
            project::quarantine(conn, pos, Cause::Unauthorised)?;
            show_latest(conn, id)?;
        }
        State::Unknown | State::Removed => {}
    }
    Ok(state == State::Unauthorised)
}

/// Takes events about a document out of the projection.
pub(crate) fn withdraw(conn: &Connection, id: &ContentId, positions: &[i64]) -> Result<(), Error> {
    for pos in positions {
        conn.prepare_cached("DELETE FROM contents WHERE pos = ?1")?.execute([pos])?;
    }
    settle(conn, id)
}

fn write_row(
    conn: &Connection,
    (pos, log): (i64, i64),
    event: &Event,
    state: State,
    entry: Option<&Entry>,
) -> Result<(), Error> {
    let header = event.header();
    let (_, id) = header.subject.parts();
    let address = entry.map(|entry| &entry.address);
    conn.prepare_cached(
        "INSERT OR REPLACE INTO contents (pos, id, event, log, state, latest, rank, agent, role, project, task, path,
             creator_role, content_type, created_at, root, stored_size)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        pos,
        id,
        header.id.0,
        log,
        state as i64,
        rank(entry.map_or(0, |entry| entry.version), header, &event.hash()),
        address.map(|address| address.agent()),
        address.map(|address| address.role()),
        address.map(|address| address.project()),
        address.map(|address| address.task()),
        address.map(|address| address.path()),
        entry.map(|entry| &entry.creator_role),
        entry.map(|entry| &entry.content_type),
        entry.map(|entry| crate::row::sql(entry.created_at.0)),
        entry.map(|entry| entry.root.0),
        entry.map(|entry| crate::row::sql(entry.stored_size)),
    ])?;
    Ok(())
}

/// The place of a version among those of its document, as bytes whose order is that of the versions.
fn rank(version: u64, header: &Header, hash: &Hash) -> Vec<u8> {
    [&version.to_be_bytes()[..], &header.hlc.0.to_be_bytes(), &header.store.0, &hash.0].concat()
}

/// What the removals of a document had seen.
fn removals(conn: &Connection, id: &ContentId) -> Result<Vec<VClock>, Error> {
    clocks(conn, id, State::Removal)
}

/// What the events about a document had seen that stand like this.
fn clocks(conn: &Connection, id: &ContentId, state: State) -> Result<Vec<VClock>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header FROM contents c JOIN events v ON v.pos = c.pos WHERE c.id = ?1 AND c.state = ?2",
    )?;
    let mut rows = query.query(params![id.0, state as i64])?;
    let mut clocks = Vec::new();
    while let Some(found) = rows.next()? {
        clocks.push(Header::decode(&found.get::<_, Vec<u8>>(0)?)?.version);
    }
    Ok(clocks)
}

fn set_state(conn: &Connection, pos: i64, state: State) -> Result<(), Error> {
    conn.prepare_cached("UPDATE contents SET state = ?2 WHERE pos = ?1")?.execute(params![pos, state as i64])?;
    Ok(())
}

/// Finds anew which versions of a document were taken away, and which one stands for it.
fn settle(conn: &Connection, id: &ContentId) -> Result<(), Error> {
    let removals = removals(conn, id)?;
    let mut query = conn.prepare_cached(
        "SELECT c.pos, c.state, v.header FROM contents c JOIN events v ON v.pos = c.pos
         WHERE c.id = ?1 AND c.state IN (0, 1)",
    )?;
    let mut rows = query.query([id.0.as_slice()])?;
    let mut changed = Vec::new();
    while let Some(found) = rows.next()? {
        let (pos, state): (i64, i64) = (found.get(0)?, found.get(1)?);
        let version = Header::decode(&found.get::<_, Vec<u8>>(2)?)?.version;
        let removed = removals.iter().any(|removal| removal.covers(&version));
        let due = if removed { State::Removed } else { State::Counts };
        if state != due as i64 {
            changed.push((pos, due));
        }
    }
    drop(rows);
    for (pos, due) in changed {
        set_state(conn, pos, due)?;
    }
    show_latest(conn, id)
}

/// Marks the version that stands for a document.
fn show_latest(conn: &Connection, id: &ContentId) -> Result<(), Error> {
    let mut query =
        conn.prepare_cached("SELECT pos FROM contents WHERE id = ?1 AND state = 0 ORDER BY rank DESC LIMIT 1")?;
    let latest: Option<i64> = query.query_row([id.0.as_slice()], |row| row.get(0)).optional()?;
    conn.prepare_cached("UPDATE contents SET latest = 0 WHERE id = ?1 AND latest = 1 AND pos IS NOT ?2")?
        .execute(params![id.0, latest])?;
    if let Some(pos) = latest {
        conn.prepare_cached("UPDATE contents SET latest = 1 WHERE pos = ?1 AND latest = 0")?.execute([pos])?;
    }
    Ok(())
}
