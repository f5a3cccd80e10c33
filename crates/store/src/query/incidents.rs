//! Questions about incidents: merged from their edits whenever they are asked for.

use antiphon_core::event::{Provenance, Subject};
use antiphon_core::ids::IncidentId;
use antiphon_core::incident::{Field, Incident};
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, params};

use super::facts::{AMBIGUOUS_MAX, ulids_beginning};
use super::history::{author, sides_of};
use crate::edits::{self, Stored};
use crate::error::Error;
use crate::row;
use crate::view::{Author, IncidentFilter, IncidentView, Resolved};

/// See [`crate::Reader::incident`].
pub(crate) fn get(conn: &Connection, id: IncidentId) -> Result<Option<IncidentView>, Error> {
    let mut edits = edits::all(conn, &Subject::Incident(id), Stream::Shared)?;
    let (Some(first), Some(last)) = (first(&edits), edits.iter().map(|stored| stored.header.hlc.time()).max()) else {
        return Ok(None);
    };
    let reporter = author(conn, first.log)?;
    edits.retain(|stored| stored.edit.standing != 0);
    view(conn, id, &edits, reporter, last).map(Some)
}

fn view(
    conn: &Connection,
    id: IncidentId,
    standing: &[Stored],
    reporter: Author,
    updated_at: UnixMillis,
) -> Result<IncidentView, Error> {
    let merged = edits::merge::<Field>(standing);
    let shown = standing.get(merged.shown).and_then(|stored| stored.payload.as_ref());
    Ok(IncidentView {
        incident: Incident::from_values(id, &merged.values),
        reporter,
        provenance: shown.map_or_else(Provenance::default, |payload| payload.provenance.clone()),
        updated_at,
        diverged: sides_of(conn, standing, merged.diverged)?,
        incomplete: merged.incomplete,
    })
}

/// The edit that reported the incident: the one that had seen the fewest others, so that no clock that runs late can
/// claim another's report. The same edits give the same answer everywhere.
fn first(edits: &[Stored]) -> Option<&Stored> {
    let seen = |stored: &Stored| stored.edit.version.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(count));
    edits.iter().min_by_key(|stored| (seen(stored), stored.edit.hlc, stored.edit.store, stored.edit.hash))
}

/// See [`crate::Reader::incidents`].
pub(crate) fn list(
    conn: &Connection,
    filter: &IncidentFilter,
    limit: usize,
    after: Option<IncidentId>,
) -> Result<Vec<IncidentView>, Error> {
    let mut query = conn
        .prepare_cached("SELECT DISTINCT id FROM edits WHERE kind = 6 AND stream = ?1 AND id < ?2 ORDER BY id DESC")?;
    // ULIDs begin with 0 to 7, so no id is above all ones.
    let before = after.map_or([0xff; 16], |id| id.0);
    let mut rows = query.query(params![Stream::Shared.number(), before])?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(next) = rows.next()? else { break };
        found.extend(get(conn, row::incident(next, 0)?)?.filter(|view| passes(view, filter)));
    }
    Ok(found)
}

fn passes(view: &IncidentView, filter: &IncidentFilter) -> bool {
    filter.status.is_none_or(|status| view.incident.status == status)
        && filter.severity.is_none_or(|severity| view.incident.severity == severity)
        && (!filter.diverged || !view.diverged.is_empty())
}

/// See [`crate::Reader::resolve_incident`].
pub(crate) fn resolve(conn: &Connection, text: &str) -> Result<Resolved<IncidentId>, Error> {
    let Some((first, last)) = ulids_beginning(text) else { return Ok(Resolved::None) };
    let mut query = conn.prepare_cached(
        "SELECT DISTINCT id FROM edits WHERE kind = 6 AND stream = ?1 AND id BETWEEN ?2 AND ?3 ORDER BY id LIMIT ?4",
    )?;
    let mut rows = query.query(params![Stream::Shared.number(), first, last, AMBIGUOUS_MAX])?;
    let mut ids = Vec::new();
    while let Some(found) = rows.next()? {
        ids.push(row::incident(found, 0)?);
    }
    Ok(Resolved::from_ids(ids))
}

/// Everything an incident says now and how it came to be, for carrying it to another log: the oldest first.
pub(crate) fn every(conn: &Connection) -> Result<Vec<IncidentView>, Error> {
    let mut all = list(conn, &IncidentFilter::default(), usize::MAX, None)?;
    all.reverse();
    Ok(all)
}
