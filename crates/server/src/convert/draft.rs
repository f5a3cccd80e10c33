//! Requests become drafts, filters and queries.

use antiphon_core::event::{Provenance, SourceKind};
use antiphon_core::fact::{self, Edit, Field, Level, OnExpire, check_label};
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_node::{Draft, FactFilter};

use crate::dto::{ActorDto, AnchorDto, Change, EditDto, FactFilterDto, NewFactDto, Scalar};
use crate::error::Problem;
use crate::time;

/// Longest name of an agent, a tool, a session or an idempotency key, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Who writes; the same for every kind of request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Actor {
    pub(crate) agent: Option<String>,
    pub(crate) tool: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) source_kind: Option<String>,
}

impl From<ActorDto> for Actor {
    fn from(dto: ActorDto) -> Self {
        let ActorDto { agent, tool, session, source_kind } = dto;
        Self { agent, tool, session, source_kind }
    }
}

/// How a write came to be.
pub(crate) fn provenance_of(actor: Actor) -> Result<Provenance, Problem> {
    let Actor { agent, tool, session, source_kind } = actor;
    for (key, text) in [("agent", &agent), ("tool", &tool), ("session", &session)] {
        if let Some(text) = text {
            check_label(key, text, NAME_BYTES_MAX).map_err(fact::Error::from)?;
        }
    }
    let source = source_kind.map_or_else(|| Ok(SourceKind::Human), |name| source_of(&name))?;
    Ok(Provenance { agent, tool, session, source: Some(source) })
}

pub(super) fn source_of(name: &str) -> Result<SourceKind, Problem> {
    let kind = SourceKind::ALL.into_iter().find(|kind| kind.name() == name);
    kind.ok_or_else(|| Problem::bad_value("source_kind", name, "use human, agent, tool, web or import"))
}

/// A fact to be remembered. Ids of other facts are whole ids by now.
pub(crate) fn remember_of(dto: NewFactDto) -> Result<Draft, Problem> {
    let NewFactDto { agent, tool, session, source_kind, idempotency_key, id, escape, role, .. } = &dto;
    let actor =
        Actor { agent: agent.clone(), tool: tool.clone(), session: session.clone(), source_kind: source_kind.clone() };
    if let Some(key) = idempotency_key {
        check_label("idempotency_key", key, NAME_BYTES_MAX).map_err(fact::Error::from)?;
    }
    let provenance = provenance_of(actor)?;
    let id = id.as_deref().map(|id| id_of("id", id)).transpose()?;
    let (idempotency_key, escape, role) = (idempotency_key.clone(), *escape, role.clone());
    let edit = edit_of_new(dto, escape)?;
    Ok(match role {
        Some(role) => Draft::RememberSealed { role, id, edit, provenance, idempotency_key },
        None => Draft::Remember { id, edit, provenance, idempotency_key },
    })
}

fn edit_of_new(dto: NewFactDto, escape: bool) -> Result<Edit, Problem> {
    let level = dto.level.as_ref().map_or(Ok(Level::default()), level_of)?;
    let some = |list: Vec<String>| if list.is_empty() { Change::Keep } else { Change::Set(list) };
    let rest = EditDto {
        content: Some(dto.content),
        domain: Change::from_option(dto.domain),
        module: Change::from_option(dto.module),
        tags: some(dto.tags),
        confidence: Change::from_option(dto.confidence),
        code_ref: Change::from_option(dto.code_ref),
        parent: Change::from_option(dto.parent),
        ttl: Change::from_option(dto.ttl),
        on_expire: Change::from_option(dto.on_expire),
        valid_from: Change::from_option(dto.valid_from),
        valid_until: Change::from_option(dto.valid_until),
        supersedes: Change::from_option(dto.supersedes),
        derived_from: some(dto.derived_from),
        anchors: if dto.anchors.is_empty() { Change::Keep } else { Change::Set(dto.anchors) },
        private: dto.private.then_some(true),
        stale: dto.stale.then_some(true),
        archived: dto.archived.then_some(true),
        source: Change::from_option(dto.source),
        escape,
        ..EditDto::default()
    };
    let created = dto.created_at.as_ref().map(|at| time_of("created_at", at)).transpose()?;
    let edit = edit_fields(rest)?.set(Field::Level, Value::Uint(level.number())).maybe(Field::CreatedAt, created);
    edit.validate()?;
    Ok(edit)
}

/// An edit of a fact; `append` is no longer in it.
pub(crate) fn edit_of(dto: EditDto) -> Result<(Edit, Provenance), Problem> {
    let actor = Actor {
        agent: dto.agent.clone(),
        tool: dto.tool.clone(),
        session: dto.session.clone(),
        source_kind: dto.source_kind.clone(),
    };
    let provenance = provenance_of(actor)?;
    let edit = edit_fields(dto)?;
    edit.validate()?;
    Ok((edit, provenance))
}

fn edit_fields(dto: EditDto) -> Result<Edit, Problem> {
    let text = |text: String| Ok(Value::Text(if dto.escape { fact::escape(&text) } else { text }));
    let texts = |list: Vec<String>| list.into_iter().map(text).collect::<Result<_, _>>().map(Value::List);
    let flag = |edit: Edit, field, flag: Option<bool>| edit.maybe(field, flag.map(Value::Bool));
    let level = dto.level.as_ref().map(level_of).transpose()?.map(|level| Value::Uint(level.number()));
    let content = dto.content.map(text).transpose()?;
    let edit = Edit::new().maybe(Field::Content, content).maybe(Field::Level, level);
    let edit = flag(edit, Field::Stale, dto.stale);
    let edit = flag(edit, Field::Archived, dto.archived);
    let mut edit = flag(edit, Field::Private, dto.private);
    edit = change(edit, Field::Domain, dto.domain, text)?;
    edit = change(edit, Field::Module, dto.module, text)?;
    edit = change(edit, Field::Tags, dto.tags, texts)?;
    edit = change(edit, Field::Confidence, dto.confidence, confidence_of)?;
    edit = change(edit, Field::CodeRef, dto.code_ref, text)?;
    edit = change(edit, Field::Parent, dto.parent, |id| fact_value("parent", &id))?;
    edit = change(edit, Field::Ttl, dto.ttl, |ttl| duration_of("ttl", &ttl).map(Value::Uint))?;
    edit = change(edit, Field::OnExpire, dto.on_expire, on_expire_of)?;
    edit = change(edit, Field::ValidFrom, dto.valid_from, |at| time_of("valid_from", &at))?;
    edit = change(edit, Field::ValidUntil, dto.valid_until, |at| time_of("valid_until", &at))?;
    edit = change(edit, Field::Supersedes, dto.supersedes, |id| fact_value("supersedes", &id))?;
    edit = change(edit, Field::DerivedFrom, dto.derived_from, facts_value)?;
    edit = change(edit, Field::Anchors, dto.anchors, |anchors| Ok(anchors_value(anchors)))?;
    change(edit, Field::Source, dto.source, text)
}

fn change<T>(
    edit: Edit,
    field: Field,
    change: Change<T>,
    read: impl FnOnce(T) -> Result<Value, Problem>,
) -> Result<Edit, Problem> {
    Ok(match change {
        Change::Keep => edit,
        Change::Clear => edit.clear(field),
        Change::Set(value) => edit.set(field, read(value)?),
    })
}

/// A level by number or name.
fn level_of(text: &Scalar) -> Result<Level, Problem> {
    Ok(text.0.parse::<Level>().map_err(fact::Error::from)?)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is between 0 and 1000")]
fn confidence_of(confidence: f64) -> Result<Value, Problem> {
    if !(0.0..=1.0).contains(&confidence) {
        return Err(Problem::bad_value(
            "confidence",
            &confidence.to_string(),
            "confidence goes from 0 to 1, as in 0.8",
        ));
    }
    Ok(Value::Uint((confidence * 1_000.0).round() as u64))
}

fn on_expire_of(name: String) -> Result<Value, Problem> {
    let found = (0..).zip(OnExpire::ALL).find(|(_, choice)| choice.name() == name);
    let found = found.map(|(number, _)| Value::Uint(number));
    found.ok_or_else(|| Problem::bad_value("on_expire", &name, "use mark_stale, archive or delete"))
}

pub(super) fn time_of(key: &str, at: &Scalar) -> Result<Value, Problem> {
    let hint = "write it as 2026-01-31T10:30:00Z, as 2026-01-31, or in Unix milliseconds";
    time::parse(&at.0).map(|at| Value::Uint(at.0)).ok_or_else(|| Problem::bad_value(key, &at.0, hint))
}

/// A duration in milliseconds.
pub(crate) fn duration_of(key: &str, text: &Scalar) -> Result<u64, Problem> {
    let hint = "write it as 90s, 30m, 12h, 30d or in milliseconds";
    time::parse_duration_ms(&text.0).ok_or_else(|| Problem::bad_value(key, &text.0, hint))
}

fn id_of(key: &str, id: &str) -> Result<FactId, Problem> {
    id.parse()
        .map_err(|_| Problem::bad_value(key, id, "a fact id has 26 characters, as antiphon facts list shows them"))
}

/// The last fact of the page before.
pub(crate) fn after_of(id: &str) -> Result<FactId, Problem> {
    id_of("after", id)
}

fn fact_value(key: &str, id: &str) -> Result<Value, Problem> {
    id_of(key, id).map(|id| Value::Bytes(id.0.to_vec()))
}

fn facts_value(ids: Vec<String>) -> Result<Value, Problem> {
    ids.iter().map(|id| fact_value("derived_from", id)).collect::<Result<_, _>>().map(Value::List)
}

fn anchors_value(anchors: Vec<AnchorDto>) -> Value {
    let pair = |AnchorDto { path, blob }| Value::List(vec![Value::Text(path), Value::Text(blob)]);
    Value::List(anchors.into_iter().map(pair).collect())
}

/// Which facts to list; `author` is the node that was named.
pub(crate) fn filter_of(dto: &FactFilterDto, author: Option<NodeId>, now: UnixMillis) -> Result<FactFilter, Problem> {
    Ok(FactFilter {
        level: level_filter(dto.level.as_deref())?,
        domain: dto.domain.clone(),
        module: dto.module.clone(),
        tag: dto.tag.clone(),
        author,
        diverged: dto.diverged.unwrap_or(false),
        include_archived: dto.archived.unwrap_or(false),
        include_forgotten: dto.forgotten.unwrap_or(false),
        now: Some(now),
    })
}

fn level_filter(level: Option<&str>) -> Result<Option<Level>, Problem> {
    level.map(|level| level_of(&Scalar::from(level))).transpose()
}
