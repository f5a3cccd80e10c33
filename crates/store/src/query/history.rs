//! What happened to a fact or an incident.

use antiphon_core::event::{Action, Subject};
use antiphon_core::ids::{FactId, IncidentId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::{fact, incident};
use rusqlite::Connection;

use crate::edits::{self, Fields, Stored, fields_of};
use crate::erase;
use crate::error::Error;
use crate::project;
use crate::row;
use crate::view::{Author, EditView, Side};

/// See [`crate::Reader::history`].
pub(crate) fn history(conn: &Connection, id: FactId) -> Result<Vec<EditView>, Error> {
    let mut edits = project::all(conn, id, Stream::Shared)?;
    edits.extend(project::all(conn, id, Stream::Local)?);
    views(conn, edits)
}

/// See [`crate::Reader::incident_history`].
pub(crate) fn of_incident(conn: &Connection, id: IncidentId) -> Result<Vec<EditView<incident::Field>>, Error> {
    views(conn, edits::all(conn, &Subject::Incident(id), Stream::Shared)?)
}

/// The edits in the order of their clocks.
fn views<F: Fields>(conn: &Connection, mut edits: Vec<Stored>) -> Result<Vec<EditView<F>>, Error> {
    edits.sort_by_key(|stored| (stored.edit.hlc, stored.edit.store, stored.edit.hash));
    edits.iter().map(|stored| edit_view(conn, stored)).collect()
}

fn edit_view<F: Fields>(conn: &Connection, stored: &Stored) -> Result<EditView<F>, Error> {
    let header = &stored.header;
    let held = stored.payload.is_some() && header.action != Action::Forget;
    let touched = if held { fields_of(header.fields) } else { Vec::new() };
    let value = |field: F| stored.value(field).flatten().cloned();
    Ok(EditView {
        event: header.id,
        log: LogId::new(header.store, header.stream),
        seq: header.seq,
        author: author(conn, stored.log)?,
        hlc: header.hlc,
        action: header.action,
        fields: touched.into_iter().map(|field| (field, value(field))).collect(),
        provenance: stored.payload.as_ref().map(|payload| payload.provenance.clone()),
        standing: fields_of(stored.edit.standing),
    })
}

/// See [`crate::Reader::sides`].
pub(crate) fn sides(conn: &Connection, id: FactId) -> Result<Vec<Side>, Error> {
    if erase::is_erased(conn, &Subject::Fact(id))? {
        return Ok(Vec::new());
    }
    let shared = project::standing(conn, id, Stream::Shared)?;
    let edits = if shared.is_empty() { project::standing(conn, id, Stream::Local)? } else { shared };
    sides_of::<fact::Field>(conn, &edits, project::merge(&edits).diverged)
}

/// The values that stand for these fields, the shown one of each field first.
pub(crate) fn sides_of<F: Fields>(conn: &Connection, edits: &[Stored], diverged: u64) -> Result<Vec<Side<F>>, Error> {
    let mut sides = Vec::new();
    for field in fields_of::<F>(diverged) {
        let mut standing: Vec<&Stored> =
            edits.iter().filter(|stored| stored.edit.standing & field.mask() != 0).collect();
        standing.sort_by_key(|stored| std::cmp::Reverse((stored.edit.hlc, stored.edit.store, stored.edit.hash)));
        for stored in standing {
            sides.push(side(conn, field, stored)?);
        }
    }
    Ok(sides)
}

/// What an edit says about a field it stands for.
pub(crate) fn side<F: Fields>(conn: &Connection, field: F, stored: &Stored) -> Result<Side<F>, Error> {
    Ok(Side {
        field,
        value: stored.value(field).map(|value| value.cloned()),
        event: stored.header.id,
        author: author(conn, stored.log)?,
        hlc: stored.header.hlc,
        deleted: stored.header.action == Action::Forget,
        provenance: stored.payload.as_ref().map(|payload| payload.provenance.clone()),
    })
}

/// Whose log this is.
pub(crate) fn author(conn: &Connection, log: i64) -> Result<Author, Error> {
    let mut query = conn.prepare_cached("SELECT store, node, name FROM logs WHERE id = ?1")?;
    let mut rows = query.query([log])?;
    let found = rows.next()?.ok_or_else(|| Error::damaged(format!("log {log} is missing")))?;
    Ok(Author { store: row::store(found, 0)?, node: row::node(found, 1)?, name: found.get(2)? })
}
