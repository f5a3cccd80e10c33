//! Incidents between the documented shapes and the node's values.

use antiphon_core::event::Provenance;
use antiphon_core::fact::escape;
use antiphon_core::ids::IncidentId;
use antiphon_core::incident::{Error, Field, Incident, IncidentEdit, KillChainPhase, Severity, Status};
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_node::{Draft, EditView, IncidentFilter, IncidentView};
use serde_json::{Value as Json, json};

use super::draft::{Actor, provenance_of, time_of};
use super::view::{Seen, entry, provenance, value_json};
use crate::dto::{
    Change, HistoryEntryDto, IncidentDto, IncidentEditDto, IncidentFilterDto, IncidentsDto, NewIncidentDto,
};
use crate::error::Problem;
use crate::time::rfc3339;

/// An incident to be reported.
pub(crate) fn report_of(dto: NewIncidentDto) -> Result<Draft, Problem> {
    let id = dto.id.as_deref().map(|id| id_of("id", id)).transpose()?;
    let created = dto.created_at.as_ref().map(|at| time_of("created_at", at)).transpose()?;
    let (edit, provenance) = fields_of(IncidentEditDto {
        title: Some(dto.title),
        status: Some(dto.status.unwrap_or_else(|| Status::default().name().to_owned())),
        severity: Some(dto.severity.unwrap_or_else(|| Severity::default().name().to_owned())),
        description: Change::from_option(dto.description),
        event_count: Some(dto.event_count.unwrap_or(1)),
        correlation_rule: Change::from_option(dto.correlation_rule),
        kill_chain_phase: Change::from_option(dto.kill_chain_phase),
        mitre_mapping: if dto.mitre_mapping.is_empty() { Change::Keep } else { Change::Set(dto.mitre_mapping) },
        idempotency_key: None,
        agent: dto.agent,
        tool: dto.tool,
        session: dto.session,
        source_kind: dto.source_kind,
        escape: dto.escape,
    })?;
    let edit = edit.maybe(Field::CreatedAt, created);
    edit.validate_report()?;
    Ok(Draft::ReportIncident { id, edit, provenance })
}

/// An update of an incident.
pub(crate) fn update_of(incident: IncidentId, dto: IncidentEditDto) -> Result<Draft, Problem> {
    let (edit, provenance) = fields_of(dto)?;
    edit.validate()?;
    Ok(Draft::UpdateIncident { incident, edit, provenance })
}

fn fields_of(dto: IncidentEditDto) -> Result<(IncidentEdit, Provenance), Problem> {
    let IncidentEditDto { agent, tool, session, source_kind, .. } = dto;
    let provenance = provenance_of(Actor { agent, tool, session, source_kind })?;
    let line = |text: String| Value::Text(if dto.escape { escape_line(&text) } else { text });
    let text = |text: String| Value::Text(if dto.escape { escape(&text) } else { text });
    let status = dto.status.map(|name| name.parse::<Status>()).transpose().map_err(Error::from)?;
    let severity = dto.severity.map(|name| name.parse::<Severity>()).transpose().map_err(Error::from)?;
    let mut edit = IncidentEdit::new()
        .maybe(Field::Title, dto.title.map(line))
        .maybe(Field::Status, status.map(|status| Value::Uint(status.number())))
        .maybe(Field::Severity, severity.map(|severity| Value::Uint(severity.number())))
        .maybe(Field::EventCount, dto.event_count.map(Value::Uint));
    edit = change(edit, Field::Description, dto.description, |description| Ok(text(description)))?;
    edit = change(edit, Field::CorrelationRule, dto.correlation_rule, |rule| Ok(line(rule)))?;
    edit = change(edit, Field::KillChainPhase, dto.kill_chain_phase, |name| {
        Ok(Value::Uint(name.parse::<KillChainPhase>().map_err(Error::from)?.number()))
    })?;
    edit = change(edit, Field::MitreMapping, dto.mitre_mapping, |techniques| Ok(Value::texts(&techniques)))?;
    Ok((edit, provenance))
}

/// The visible form of a text that must stay on one line.
fn escape_line(text: &str) -> String {
    let visible = |text: String, (c, written): (char, &str)| text.replace(c, written);
    [('\n', "\\u{000A}"), ('\r', "\\u{000D}"), ('\t', "\\u{0009}")].into_iter().fold(escape(text), visible)
}

fn change<T>(
    edit: IncidentEdit,
    field: Field,
    change: Change<T>,
    read: impl FnOnce(T) -> Result<Value, Problem>,
) -> Result<IncidentEdit, Problem> {
    Ok(match change {
        Change::Keep => edit,
        Change::Clear => edit.clear(field),
        Change::Set(value) => edit.set(field, read(value)?),
    })
}

fn id_of(key: &str, id: &str) -> Result<IncidentId, Problem> {
    let hint = "an incident id has 26 characters, as antiphon incidents list shows them";
    id.parse().map_err(|_| Problem::bad_value(key, id, hint))
}

/// The last incident of the page before.
pub(crate) fn after_incident_of(id: &str) -> Result<IncidentId, Problem> {
    id_of("after", id)
}

/// Which incidents to list.
pub(crate) fn incident_filter_of(dto: &IncidentFilterDto) -> Result<IncidentFilter, Problem> {
    Ok(IncidentFilter {
        status: dto.status.as_deref().map(str::parse).transpose().map_err(Error::Status)?,
        severity: dto.severity.as_deref().map(str::parse).transpose().map_err(Error::Severity)?,
        diverged: dto.diverged.unwrap_or(false),
    })
}

/// A page of at most `limit` incidents; `views` has one more where there is a next page.
pub(crate) fn incidents(views: Vec<IncidentView>, limit: usize, seen: Seen) -> IncidentsDto {
    let more = views.len() > limit;
    let incidents: Vec<_> = views.into_iter().take(limit).map(|view| incident(view, seen)).collect();
    let next = incidents.last().filter(|_| more).map(|incident| incident.id.clone());
    IncidentsDto { incidents, next }
}

pub(crate) fn incident(view: IncidentView, seen: Seen) -> IncidentDto {
    let Incident { id, status, severity, title, description, event_count, correlation_rule, .. } = view.incident;
    IncidentDto {
        id: id.to_string(),
        status: status.name().to_owned(),
        severity: severity.name().to_owned(),
        title,
        description,
        event_count,
        correlation_rule,
        kill_chain_phase: view.incident.kill_chain_phase.map(|phase| phase.name().to_owned()),
        mitre_mapping: view.incident.mitre_mapping,
        created_at: rfc3339(view.incident.created_at),
        updated_at: rfc3339(view.updated_at),
        source_peer_id: view.reporter.node.to_string(),
        trust: if view.reporter.node == seen.own { "own" } else { "member" }.to_owned(),
        reporter: view.reporter.name,
        provenance: provenance(view.provenance),
        incomplete: view.incomplete,
        diverged: super::divergence::sides(view.diverged, field_json, usize::MAX),
    }
}

pub(crate) fn incident_history(edit: EditView<Field>) -> HistoryEntryDto {
    entry(edit, Field::name, field_json)
}

/// A value of a field, as the same field is written in an incident.
pub(super) fn field_json(field: Field, value: Option<Value>) -> Json {
    let Some(value) = value else { return Json::Null };
    let name = |name: Option<&str>| name.map_or(Json::Null, |name| json!(name));
    match (field, &value) {
        (Field::Status, Value::Uint(number)) => name(Status::from_number(*number).map(Status::name)),
        (Field::Severity, Value::Uint(number)) => name(Severity::from_number(*number).map(Severity::name)),
        (Field::KillChainPhase, Value::Uint(number)) => {
            name(KillChainPhase::from_number(*number).map(KillChainPhase::name))
        }
        (Field::CreatedAt, Value::Uint(at)) => json!(rfc3339(UnixMillis(*at))),
        _ => value_json(value),
    }
}
