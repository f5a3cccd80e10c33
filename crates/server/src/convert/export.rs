//! Facts become lines of an export.

use antiphon_core::fact::{Anchor, Fact, Field, OnExpire};
use antiphon_core::ids::FactId;
use antiphon_node::FactView;

use super::view::{permille, stream};
use crate::dto::{AnchorDto, ExportedFactDto, NewFactDto, RecordedDto, Scalar};
use crate::time::rfc3339;

/// A fact as it was written: what a time to live has made of it by now is left out, because it goes on to run where the
/// fact is imported. `None` where there is no text.
pub(crate) fn exported(view: FactView) -> Option<ExportedFactDto> {
    let recorded = RecordedDto {
        author: view.author.name,
        origin: view.author.node.to_string(),
        stream: stream(view.stream).to_owned(),
        updated_at: rfc3339(view.updated_at),
        diverged: view.diverged.iter().map(|field: &Field| field.name().to_owned()).collect(),
    };
    let provenance = super::view::provenance(view.provenance);
    let fact = NewFactDto {
        agent: provenance.agent,
        tool: provenance.tool,
        session: provenance.session,
        source_kind: provenance.source_kind,
        ..fields(view.fact)?
    };
    Some(ExportedFactDto { fact, recorded })
}

fn fields(fact: Fact) -> Option<NewFactDto> {
    let expires = fact.ttl_ms.is_some() || fact.on_expire != OnExpire::MarkStale;
    let anchor = |Anchor { path, blob }| AnchorDto { path, blob };
    Some(NewFactDto {
        id: Some(fact.id.to_string()),
        content: fact.content?,
        level: Some(Scalar(fact.level.number().to_string())),
        domain: fact.domain,
        module: fact.module,
        tags: fact.tags,
        confidence: fact.confidence_permille.map(permille),
        code_ref: fact.code_ref,
        parent: fact.parent.map(|id| id.to_string()),
        ttl: fact.ttl_ms.map(|ttl| Scalar(ttl.to_string())),
        on_expire: expires.then(|| fact.on_expire.name().to_owned()),
        valid_from: fact.valid_from.map(|at| Scalar(rfc3339(at))),
        valid_until: fact.valid_until.map(|at| Scalar(rfc3339(at))),
        supersedes: fact.supersedes.map(|id| id.to_string()),
        derived_from: fact.derived_from.iter().map(FactId::to_string).collect(),
        anchors: fact.anchors.into_iter().map(anchor).collect(),
        private: fact.private,
        role: fact.role,
        stale: fact.stale,
        archived: fact.archived,
        source: fact.source,
        created_at: Some(Scalar(rfc3339(fact.created_at))),
        ..NewFactDto::default()
    })
}
