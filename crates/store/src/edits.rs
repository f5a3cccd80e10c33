//! Frontiers in the database, whatever they are of.
//!
//! Every edit of a fact or an incident is a row that says for which fields it still stands; the rows of one subject
//! and stream are its history and its frontier in one. An edit is merged from its header alone. Which fields there are
//! and which values fit them is the subject's business; it is named by [`Fields`].

use std::collections::BTreeMap;

use antiphon_core::event::{Action, Event, Header, Payload, Subject};
use antiphon_core::frontier::{self, Frontier};
use antiphon_core::ids::Hash;
use antiphon_core::log::Stream;
use antiphon_core::value::Value;
use antiphon_core::{fact, incident};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::row::{self, sql};
use crate::sealed::{self, Text};

/// The fields of one kind of subject, as frontiers need to know them.
pub(crate) trait Fields: antiphon_core::edit::Fields {
    /// The text: where its edit comes from is where the whole comes from.
    const TEXT: Self;
}

impl Fields for fact::Field {
    const TEXT: Self = Self::Content;
}

impl Fields for incident::Field {
    const TEXT: Self = Self::Title;
}

/// The known fields of a bitmap.
pub(crate) fn fields_of<F: Fields>(bits: u64) -> Vec<F> {
    F::ALL.iter().copied().filter(|field| bits & field.mask() != 0).collect()
}

/// An edit with what its event holds.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// `events.pos`.
    pub(crate) pos: i64,
    /// `events.log`.
    pub(crate) log: i64,
    /// For the frontier.
    pub(crate) edit: frontier::Edit,
    /// The decoded header.
    pub(crate) header: Header,
    /// The decoded payload, where it is held and can be read.
    pub(crate) payload: Option<Payload>,
    /// Whether it is held, sealed to a role, and this node has not the key.
    pub(crate) closed: bool,
}

impl Stored {
    /// The value it sets for `field`: `Some(None)` when it clears it, `None` when that is not known.
    pub(crate) fn value<F: Fields>(&self, field: F) -> Option<Option<&Value>> {
        if matches!(self.header.action, Action::Forget | Action::Erase) {
            return Some(None);
        }
        let payload = self.payload.as_ref()?;
        Some(payload.fields.get(&field.bit()).filter(|value| field.kind().fits(value)))
    }
}

/// What the standing edits of a subject amount to.
#[derive(Debug, Clone)]
pub(crate) struct Merged<F> {
    /// The shown values.
    pub(crate) values: BTreeMap<F, Value>,
    /// Fields for which distinct values stand.
    pub(crate) diverged: u64,
    /// Fields for which more than one edit stands, equal values included.
    pub(crate) contested: u64,
    /// Whether the shown text is "forgotten".
    pub(crate) forgotten: bool,
    /// Whether a value is not known.
    pub(crate) incomplete: bool,
    /// Whether the text is closed to this node, or where none stands, anything else.
    pub(crate) closed: bool,
    /// Which of the edits the shown text comes from, or the newest one.
    pub(crate) shown: usize,
}

/// Whether events about this subject are edits that merge.
pub(crate) const fn merges(subject: &Subject) -> bool {
    matches!(subject, Subject::Fact(_) | Subject::Incident(_) | Subject::Content(_))
}

/// The edit of a header, standing for all its fields.
pub(crate) fn frontier_edit(header: &Header, hash: Hash) -> frontier::Edit {
    frontier::Edit::new(hash, header.hlc, header.store, header.version.clone(), header.fields)
}

/// Notes an edit as standing for these fields.
pub(crate) fn insert(conn: &Connection, header: &Header, pos: i64, standing: u64) -> Result<(), Error> {
    let (kind, id) = header.subject.parts();
    conn.prepare_cached("INSERT INTO edits (kind, id, stream, pos, standing) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![sql(kind), id, header.stream.number(), pos, sql(standing)])?;
    Ok(())
}

/// Merges an edit into the frontier of its subject and stream and writes back what changed.
pub(crate) fn merge_in(conn: &Connection, pos: i64, event: &Event) -> Result<(), Error> {
    let header = event.header();
    let before = placed(conn, &header.subject, header.stream, "AND e.standing <> 0")?;
    let mut frontier = Frontier::from_edits(before.iter().map(|(_, edit)| edit.clone()).collect());
    let _stands_or_not = frontier.insert(frontier_edit(header, event.hash()));
    insert(conn, header, pos, frontier.standing_of(&event.hash()))?;
    note_standing(conn, &header.subject, header.stream, &before, &frontier)
}

/// Takes edits out and computes the frontier of their subject anew from the others.
pub(crate) fn take_out(conn: &Connection, subject: &Subject, stream: Stream, positions: &[i64]) -> Result<(), Error> {
    let (kind, id) = subject.parts();
    for pos in positions {
        conn.prepare_cached("DELETE FROM edits WHERE kind = ?1 AND id = ?2 AND stream = ?3 AND pos = ?4")?
            .execute(params![sql(kind), id, stream.number(), pos])?;
    }
    let edits = placed(conn, subject, stream, "")?;
    let frontier = frontier_of(edits.iter().map(|(_, edit)| edit));
    note_standing(conn, subject, stream, &edits, &frontier)
}

/// Writes for which fields edits stand in a frontier, where that changed.
fn note_standing(
    conn: &Connection,
    subject: &Subject,
    stream: Stream,
    edits: &[(i64, frontier::Edit)],
    frontier: &Frontier,
) -> Result<(), Error> {
    let (kind, id) = subject.parts();
    for (pos, edit) in edits {
        let bits = frontier.standing_of(&edit.hash);
        if bits != edit.standing {
            conn.prepare_cached(
                "UPDATE edits SET standing = ?5 WHERE kind = ?1 AND id = ?2 AND stream = ?3 AND pos = ?4",
            )?
            .execute(params![sql(kind), id, stream.number(), pos, sql(bits)])?;
        }
    }
    Ok(())
}

/// Whether the edit at `pos` counts.
pub(crate) fn counts(conn: &Connection, header: &Header, pos: i64) -> Result<bool, Error> {
    let (kind, id) = header.subject.parts();
    let mut query =
        conn.prepare_cached("SELECT 1 FROM edits WHERE kind = ?1 AND id = ?2 AND stream = ?3 AND pos = ?4")?;
    let found = query.query_row(params![sql(kind), id, header.stream.number(), pos], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// The edits of a subject that stand in a stream.
pub(crate) fn standing(conn: &Connection, subject: &Subject, stream: Stream) -> Result<Vec<Stored>, Error> {
    load(conn, subject, stream, "AND e.standing <> 0")
}

/// Every edit of a subject in a stream, in order of arrival.
pub(crate) fn all(conn: &Connection, subject: &Subject, stream: Stream) -> Result<Vec<Stored>, Error> {
    load(conn, subject, stream, "")
}

/// Edits and where they are, in order of arrival: all that merging needs, and no text is read and opened for it.
fn placed(
    conn: &Connection,
    subject: &Subject,
    stream: Stream,
    which: &str,
) -> Result<Vec<(i64, frontier::Edit)>, Error> {
    let (kind, id) = subject.parts();
    let mut query = conn.prepare_cached(&format!(
        "SELECT e.pos, e.standing, v.header FROM edits e JOIN events v ON v.pos = e.pos
         WHERE e.kind = ?1 AND e.id = ?2 AND e.stream = ?3 {which} ORDER BY e.pos"
    ))?;
    let mut rows = query.query(params![sql(kind), id, stream.number()])?;
    let mut found = Vec::new();
    while let Some(next) = rows.next()? {
        let bytes = next.get_ref(2)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
        let edit = frontier_edit(&Header::decode(bytes)?, Hash::of(bytes));
        found.push((next.get(0)?, frontier::Edit { standing: row::uint(next, 1)?, ..edit }));
    }
    Ok(found)
}

fn load(conn: &Connection, subject: &Subject, stream: Stream, which: &str) -> Result<Vec<Stored>, Error> {
    let (kind, id) = subject.parts();
    let mut query = conn.prepare_cached(&format!(
        "SELECT e.pos, v.log, e.standing, v.header, v.payload FROM edits e JOIN events v ON v.pos = e.pos
         WHERE e.kind = ?1 AND e.id = ?2 AND e.stream = ?3 {which} ORDER BY e.pos"
    ))?;
    let mut rows = query.query(params![sql(kind), id, stream.number()])?;
    let mut found = Vec::new();
    while let Some(next) = rows.next()? {
        let bytes = next.get_ref(3)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
        let header = Header::decode(bytes)?;
        let payload = next.get_ref(4)?.as_blob_or_null().map_err(|error| Error::damaged(error.to_string()))?;
        let edit = frontier::Edit { standing: row::uint(next, 2)?, ..frontier_edit(&header, Hash::of(bytes)) };
        let text = payload.map(|payload| sealed::read(conn, bytes, &header, payload)).transpose()?;
        let closed = text == Some(Text::Closed);
        let payload = text.and_then(Text::read);
        found.push(Stored { pos: next.get(0)?, log: next.get(1)?, edit, header, payload, closed });
    }
    Ok(found)
}

/// The frontier of these edits, whatever they were found to stand for before.
pub(crate) fn merged_anew(edits: &[Stored]) -> Frontier {
    frontier_of(edits.iter().map(|stored| &stored.edit))
}

fn frontier_of<'a>(edits: impl Iterator<Item = &'a frontier::Edit>) -> Frontier {
    let mut frontier = Frontier::default();
    for edit in edits {
        let _stands_or_not = frontier.insert(edit.clone());
    }
    frontier
}

/// What standing edits amount to.
pub(crate) fn merge<F: Fields>(edits: &[Stored]) -> Merged<F> {
    // Where no edit sets the text, all nodes name the same one, in whatever order the edits came to them.
    let rank = |stored: &Stored| (stored.edit.hlc, stored.edit.store, stored.edit.hash);
    let newest = edits.iter().enumerate().max_by_key(|(_, stored)| rank(stored)).map_or(0, |(index, _)| index);
    let mut merged = Merged {
        values: BTreeMap::new(),
        diverged: 0,
        contested: 0,
        forgotten: false,
        incomplete: true,
        closed: edits.iter().any(|stored| stored.closed),
        shown: newest,
    };
    for field in F::ALL {
        let mut standing: Vec<(usize, &Stored)> =
            edits.iter().enumerate().filter(|(_, stored)| stored.edit.standing & field.mask() != 0).collect();
        standing.sort_by_key(|(_, stored)| rank(stored));
        let Some((index, winner)) = standing.last().copied() else { continue };
        let value = winner.value(*field);
        if standing.len() > 1 {
            merged.contested |= field.mask();
            // Two values that are not held may be the same; they are shown as a divergence until they are known.
            let same = value.is_some() && standing.iter().all(|(_, stored)| stored.value(*field) == value);
            // What is closed to this node is not for it to settle.
            let closed = standing.iter().any(|(_, stored)| stored.closed);
            merged.diverged |= if same || closed { 0 } else { field.mask() };
        }
        if *field == F::TEXT {
            (merged.shown, merged.incomplete, merged.closed) = (index, false, winner.closed && value.is_none());
            merged.forgotten = value == Some(None);
        }
        match value {
            Some(Some(value)) => drop(merged.values.insert(*field, value.clone())),
            Some(None) => {}
            None if winner.closed => {}
            None => merged.incomplete = true,
        }
    }
    merged
}
