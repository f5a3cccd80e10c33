//! Divergences between the documented shapes and the node's values.

use antiphon_core::edit::Fields;
use antiphon_core::fact::escape;
use antiphon_core::ids::EventId;
use antiphon_core::value::Value;
use antiphon_node::{Ancestor, Choice, Diverged, DivergedField, Origins, Settled, Side, SubjectId, Taken};
use serde_json::Value as Json;

use super::{incident, view};
use crate::dto::{BeforeDto, DivergedFieldDto, DivergenceDto, ResolveDto, ResolvedDto, ResolvedFieldDto, SideDto};
use crate::error::Problem;
use crate::text::cut;
use crate::time::rfc3339;

/// A fact or an incident with its diverged fields; values longer than `bytes` are cut.
pub(crate) fn divergence(diverged: Diverged, bytes: usize) -> DivergenceDto {
    let (id, since) = (diverged.id(), diverged.since().map(|hlc| rfc3339(hlc.time())));
    let (text, fields) = match diverged {
        Diverged::Fact(view, all) => (view.fact.content, fields(all, view::field_json, bytes)),
        Diverged::Incident(view, all) => (view.incident.title, fields(all, incident::field_json, bytes)),
    };
    let text = text.map(|mut text| {
        shorten(&mut text, bytes);
        text
    });
    let fact = matches!(id, SubjectId::Fact(_)).then(|| id.to_string());
    DivergenceDto { id: id.to_string(), kind: kind(id).to_owned(), fact, text, since, fields }
}

const fn kind(id: SubjectId) -> &'static str {
    match id {
        SubjectId::Fact(_) => "fact",
        SubjectId::Incident(_) => "incident",
    }
}

fn fields<F: Fields>(
    all: Vec<DivergedField<F>>,
    json: impl Fn(F, Option<Value>) -> Json + Copy,
    bytes: usize,
) -> Vec<DivergedFieldDto> {
    let origins = Origins::of(all.iter().flat_map(|field| &field.sides).map(|side| &side.author));
    let one = |diverged: DivergedField<F>| DivergedFieldDto {
        field: diverged.field.name().to_owned(),
        before: diverged.ancestor.map(|ancestor| before(ancestor, diverged.field, json, bytes)),
        sides: diverged.sides.into_iter().map(|one| side(one, &origins, json, bytes)).collect(),
    };
    all.into_iter().map(one).collect()
}

fn before<F>(ancestor: Ancestor, field: F, json: impl Fn(F, Option<Value>) -> Json, bytes: usize) -> BeforeDto {
    let missing = ancestor.value.is_none() && !ancestor.deleted;
    let mut value = json(field, ancestor.value.flatten());
    let truncated = shorten_json(&mut value, bytes);
    BeforeDto {
        value,
        deleted: ancestor.deleted,
        missing,
        truncated,
        diverged: ancestor.diverged,
        at: rfc3339(ancestor.hlc.time()),
        author: ancestor.author.name,
    }
}

/// The sides of a fact or an incident; values longer than `bytes` are cut.
pub(super) fn sides<F: Fields>(
    sides: Vec<Side<F>>,
    json: impl Fn(F, Option<Value>) -> Json + Copy,
    bytes: usize,
) -> Vec<SideDto> {
    let origins = Origins::of(sides.iter().map(|side| &side.author));
    sides.into_iter().map(|one| side(one, &origins, json, bytes)).collect()
}

/// The sides of a fact.
pub(crate) fn fact_sides(all: Vec<Side>, bytes: usize) -> Vec<SideDto> {
    sides(all, view::field_json, bytes)
}

fn side<F: Fields>(side: Side<F>, origins: &Origins, json: impl Fn(F, Option<Value>) -> Json, bytes: usize) -> SideDto {
    let missing = side.value.is_none();
    let mut value = json(side.field, side.value.flatten());
    let truncated = shorten_json(&mut value, bytes);
    SideDto {
        field: side.field.name().to_owned(),
        side: origins.label(&side.author.store),
        value,
        deleted: side.deleted,
        missing,
        truncated,
        event: side.event.to_string(),
        at: rfc3339(side.hlc.time()),
        author: side.author.name,
        origin: side.author.node.to_string(),
        store: side.author.store.to_string(),
        agent: side.provenance.and_then(|provenance| provenance.agent),
    }
}

fn shorten_json(value: &mut Json, bytes: usize) -> bool {
    if let Json::String(text) = value { shorten(text, bytes) } else { false }
}

fn shorten(text: &mut String, bytes: usize) -> bool {
    let long = text.len() > bytes;
    if long {
        cut(text, bytes);
        text.push('…');
    }
    long
}

/// What is right, as the node takes it.
pub(crate) fn choice_of(dto: &ResolveDto) -> Result<Choice, Problem> {
    let event = |id: &String| -> Result<EventId, Problem> {
        id.parse().map_err(|_| Problem::bad_value("seen", id, "use the event of each side, as it is shown"))
    };
    let seen = dto.seen.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let body = dto.body.as_ref().map(|text| if dto.escape { escape(text) } else { text.clone() });
    let seen = Some(seen).filter(|seen| !seen.is_empty());
    Ok(Choice { accept: dto.accept.clone(), body, fields: dto.fields.clone(), seen })
}

/// How a resolution ended.
pub(crate) fn resolved(id: SubjectId, settled: Settled) -> ResolvedDto {
    let none = ResolvedDto { id: id.to_string(), kind: kind(id).to_owned(), ..ResolvedDto::default() };
    match settled {
        Settled::NotDiverged { by, at } => ResolvedDto {
            outcome: "not_diverged".to_owned(),
            changed_by: Some(by.name),
            changed_at: Some(rfc3339(at)),
            ..none
        },
        Settled::Done { event, taken, left, deleted } => ResolvedDto {
            outcome: "resolved".to_owned(),
            event: Some(event.to_string()),
            fields: taken.into_iter().map(|(field, taken)| resolved_field(field, taken)).collect(),
            left: left.into_iter().map(str::to_owned).collect(),
            deleted,
            ..none
        },
    }
}

fn resolved_field(field: &str, taken: Taken) -> ResolvedFieldDto {
    let (from, side) = match taken {
        Taken::Side(side) => ("accepted", Some(side)),
        Taken::Given => ("given", None),
        Taken::Shown(side) => ("shown", Some(side)),
    };
    ResolvedFieldDto { field: field.to_owned(), from: from.to_owned(), side }
}
