//! Questions about divergences.

use antiphon_core::ancestor::ancestors;
use antiphon_core::event::{Action, Subject};
use antiphon_core::frontier::Edit;
use antiphon_core::ids::{FactId, IncidentId};
use antiphon_core::incident;
use antiphon_core::log::Stream;
use rusqlite::Connection;

use super::history::{author, side};
use super::{facts, history, incidents};
use crate::divergence::{Ancestor, Diverged, DivergedField, SubjectId};
use crate::edits::{self, Fields, Stored};
use crate::error::Error;
use crate::project;
use crate::reader::Reader;
use crate::row;
use crate::view::Side;

/// Incidents of which two edits stand for one field. Whether their values differ is for whoever reads them.
///
/// The bits of edits that share none add up to the bits that any of them has, and those of others to more. So each edit
/// is looked at once, and not with every other one.
fn contested_incidents() -> String {
    let any: Vec<String> =
        incident::Field::ALL.iter().map(|field| format!("max(standing & {})", field.mask())).collect();
    format!(
        "SELECT id FROM edits WHERE kind = 6 AND stream = 1 AND standing <> 0
         GROUP BY id HAVING sum(standing & {}) > {}",
        incident::FIELDS_KNOWN,
        any.join(" + ")
    )
}

impl Reader<'_> {
    /// A fact or an incident with its diverged fields.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn divergence(&self, id: SubjectId) -> Result<Option<Diverged>, Error> {
        match id {
            SubjectId::Fact(id) => fact(self.connection(), id),
            SubjectId::Incident(id) => incident(self.connection(), id),
        }
    }

    /// Facts and incidents with a divergence, the newest id first: at most `limit` of those before `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn divergences(&self, limit: usize, after: Option<SubjectId>) -> Result<Vec<Diverged>, Error> {
        let conn = self.connection();
        let mut query = conn.prepare_cached(&format!(
            "SELECT kind, id FROM (SELECT 1 AS kind, id FROM facts WHERE diverged <> 0
                 UNION ALL SELECT 6, id FROM ({}))
             WHERE id < ?1 ORDER BY id DESC, kind",
            contested_incidents()
        ))?;
        // ULIDs begin with 0 to 7, so no id is above all ones.
        let before = after.map_or([0xff; 16], |id| *id.bytes());
        let mut rows = query.query([before])?;
        let mut all = Vec::new();
        while all.len() < limit {
            let Some(found) = rows.next()? else { break };
            let found = match row::uint(found, 0)? {
                1 => fact(conn, row::fact(found, 1)?)?,
                _ => incident(conn, row::incident(found, 1)?)?,
            };
            all.extend(found.filter(|diverged| diverged.since().is_some()));
        }
        Ok(all)
    }

    /// The values that stand for each diverged field of these facts, at most `sides` of one fact, the shown value of
    /// each field first. Facts without a divergence are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sides_of(&self, ids: &[FactId], sides: usize) -> Result<Vec<(FactId, Vec<Side>)>, Error> {
        let conn = self.connection();
        let mut all = Vec::new();
        for id in ids {
            let Some(view) = facts::get(conn, *id)?.filter(|view| !view.diverged.is_empty()) else { continue };
            let standing = project::standing(conn, *id, view.stream)?;
            let diverged = view.diverged.iter().fold(0, |bits, field| bits | field.mask());
            let mut found = history::sides_of(conn, &standing, diverged)?;
            found.truncate(sides);
            all.push((*id, found));
        }
        Ok(all)
    }
}

/// Incidents with a divergence.
pub(super) fn incidents(conn: &Connection) -> Result<u64, Error> {
    let mut query = conn.prepare_cached(&contested_incidents())?;
    let mut rows = query.query([])?;
    let mut count = 0;
    while let Some(found) = rows.next()? {
        let id = row::incident(found, 0)?;
        let standing = edits::standing(conn, &Subject::Incident(id), Stream::Shared)?;
        count += u64::from(edits::merge::<incident::Field>(&standing).diverged != 0);
    }
    Ok(count)
}

fn fact(conn: &Connection, id: FactId) -> Result<Option<Diverged>, Error> {
    let Some(view) = facts::get(conn, id)? else { return Ok(None) };
    let edits = if view.diverged.is_empty() { Vec::new() } else { project::all(conn, id, view.stream)? };
    let fields = diverged(conn, &edits, &view.diverged)?;
    Ok(Some(Diverged::Fact(Box::new(view), fields)))
}

fn incident(conn: &Connection, id: IncidentId) -> Result<Option<Diverged>, Error> {
    let Some(view) = incidents::get(conn, id)? else { return Ok(None) };
    let edits =
        if view.diverged.is_empty() { Vec::new() } else { edits::all(conn, &Subject::Incident(id), Stream::Shared)? };
    let mut fields: Vec<incident::Field> = view.diverged.iter().map(|side| side.field).collect();
    fields.dedup();
    let fields = diverged(conn, &edits, &fields)?;
    Ok(Some(Diverged::Incident(Box::new(view), fields)))
}

/// Sides and ancestor of each of these fields, from every edit of the subject.
fn diverged<F: Fields>(conn: &Connection, edits: &[Stored], fields: &[F]) -> Result<Vec<DivergedField<F>>, Error> {
    fields.iter().map(|field| diverged_field(conn, edits, *field)).collect()
}

fn diverged_field<F: Fields>(conn: &Connection, edits: &[Stored], field: F) -> Result<DivergedField<F>, Error> {
    let mut standing: Vec<&Stored> = edits.iter().filter(|stored| stored.edit.standing & field.mask() != 0).collect();
    standing.sort_by_key(|stored| std::cmp::Reverse((stored.edit.hlc, stored.edit.store, stored.edit.hash)));
    let sides: Vec<&Edit> = standing.iter().map(|stored| &stored.edit).collect();
    let ancestor = ancestor(conn, edits, field, &sides)?;
    let sides = standing.into_iter().map(|stored| side(conn, field, stored)).collect::<Result<_, _>>()?;
    Ok(DivergedField { field, sides, ancestor })
}

fn ancestor<F: Fields>(
    conn: &Connection,
    edits: &[Stored],
    field: F,
    sides: &[&Edit],
) -> Result<Option<Ancestor>, Error> {
    let history = || edits.iter().map(|stored| &stored.edit);
    let mut common = ancestors(field.mask(), sides, history());
    let diverged = common.len() > 1;
    if common.is_empty() {
        // All began with something that did not have this field.
        common = ancestors(u64::MAX, sides, history());
    }
    let Some(first) = common.first() else { return Ok(None) };
    let found = edits.iter().find(|stored| stored.edit.hash == first.hash);
    let Some(stored) = found else { return Ok(None) };
    let touched = stored.edit.fields & field.mask() != 0;
    Ok(Some(Ancestor {
        value: if touched { stored.value(field).map(|value| value.cloned()) } else { Some(None) },
        deleted: stored.header.action == Action::Forget,
        author: author(conn, stored.log)?,
        hlc: stored.header.hlc,
        diverged,
    }))
}
