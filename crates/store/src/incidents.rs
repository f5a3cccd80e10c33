//! Writing incidents of our own: as with facts, what stands decides whether an event is needed.

use antiphon_core::event::{Action, Header, Provenance, Subject};
use antiphon_core::frontier::Frontier;
use antiphon_core::ids::IncidentId;
use antiphon_core::incident::{Field, IncidentEdit};
use antiphon_core::log::Stream;
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use rusqlite::{Connection, OptionalExtension};

use crate::author::{Scene, Sketch, Stop, authored};
use crate::db::Db;
use crate::edits::{self, Stored};
use crate::error::{AuthorError, Error};
use crate::view::{Authored, Draft, IncidentView, Outcome};

impl Db {
    pub(crate) fn report_incident(
        &mut self,
        id: Option<IncidentId>,
        edit: &IncidentEdit,
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        edit.validate_report().map_err(AuthorError::from)?;
        if let Some(known) = id
            && let Some(authored) = last_event(&self.conn, known, Outcome::Existed)?
        {
            return Ok(authored);
        }
        let id = id.unwrap_or_else(|| IncidentId::new(scene.now, scene.random.draw()));
        self.write_incident(id, &[], edit, provenance, scene)
    }

    pub(crate) fn update_incident(
        &mut self,
        id: IncidentId,
        edit: &IncidentEdit,
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        edit.validate().map_err(AuthorError::from)?;
        let unchanged = last_event(&self.conn, id, Outcome::Unchanged)?.ok_or(AuthorError::IncidentNotFound(id))?;
        let standing = edits::standing(&self.conn, &Subject::Incident(id), Stream::Shared)?;
        let merged = edits::merge::<Field>(&standing);
        let same = edit.0.iter().all(|(field, value)| merged.values.get(field) == value.as_ref());
        if same && merged.contested & edit.bits() == 0 && !merged.incomplete {
            return Ok(unchanged);
        }
        self.write_incident(id, &standing, edit, provenance, scene)
    }

    /// Reports an incident again as it stood in the team that was left. One whose report was never held has nothing to
    /// report.
    pub(crate) fn carry_incident(&mut self, view: IncidentView, scene: &mut Scene) -> Result<(), Error> {
        let id = view.incident.id;
        let Some(draft) = report_again(view) else { return Ok(()) };
        let refused = |error| Error::Damaged(format!("incident {id} cannot be carried over: {error}"));
        self.author_one(&draft, scene)?.map(drop).map_err(refused)
    }

    /// Writes an edit that has seen the standing ones.
    pub(crate) fn write_incident(
        &mut self,
        id: IncidentId,
        standing: &[Stored],
        edit: &IncidentEdit,
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        let sketch = Sketch {
            stream: Stream::Shared,
            action: Action::Set,
            subject: Subject::Incident(id),
            version: self.version_after(id, standing)?,
            fields: edit.bits(),
            values: edit.values(),
            provenance: provenance.clone(),
        };
        Ok(self.write_projected(sketch, scene)?.authored())
    }

    fn version_after(&self, incident: IncidentId, standing: &[Stored]) -> Result<VClock, Stop> {
        let frontier = Frontier::from_edits(standing.iter().map(|stored| stored.edit.clone()).collect());
        let version = frontier.next_version(self.cache.own()?.store);
        Ok(version.map_err(|source| AuthorError::IncidentVersion { incident, source })?)
    }
}

/// The last event of an incident, if there is such an incident.
pub(crate) fn last_event(conn: &Connection, id: IncidentId, outcome: Outcome) -> Result<Option<Authored>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header FROM edits e JOIN events v ON v.pos = e.pos
         WHERE e.kind = 6 AND e.id = ?1 AND e.stream = 1 ORDER BY e.pos DESC LIMIT 1",
    )?;
    let header: Option<Vec<u8>> = query.query_row([id.0.as_slice()], |row| row.get(0)).optional()?;
    let header = header.map(|header| Header::decode(&header)).transpose()?;
    Ok(header.map(|header| authored(&header, outcome)))
}

/// The draft that reports an incident again as it stands, under its id and with its time. Which sides of a divergence
/// are not shown is lost.
fn report_again(view: IncidentView) -> Option<Draft> {
    let incident = view.incident;
    let text = |text: Option<String>| text.map(Value::Text);
    let edit = IncidentEdit::new()
        .set(Field::Title, Value::Text(incident.title?))
        .set(Field::Status, Value::Uint(incident.status.number()))
        .set(Field::Severity, Value::Uint(incident.severity.number()))
        .maybe(Field::Description, text(incident.description))
        .set(Field::EventCount, Value::Uint(incident.event_count))
        .maybe(Field::CorrelationRule, text(incident.correlation_rule))
        .maybe(Field::KillChainPhase, incident.kill_chain_phase.map(|phase| Value::Uint(phase.number())))
        .set(Field::MitreMapping, Value::texts(&incident.mitre_mapping))
        .set(Field::CreatedAt, Value::Uint(incident.created_at.0));
    Some(Draft::ReportIncident { id: Some(incident.id), edit, provenance: view.provenance })
}
