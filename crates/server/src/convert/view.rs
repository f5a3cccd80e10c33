//! What the node shows becomes JSON.

use std::collections::BTreeMap;

use antiphon_core::event::Provenance;
use antiphon_core::fact::{Anchor, Fact, Field, Level, OnExpire};
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_node::{
    Authored, EditView, FactView, HandshakeView, Invitation, Joined, Outcome, PeerView, Report, Status, Team, Words,
};
use data_encoding::HEXLOWER;
use serde_json::{Value as Json, json};

use super::federation::in_words;
use crate::door::Entrance;
use crate::dto::{
    AnchorDto, FactDto, FindingDto, HandshakeDto, HealthCountsDto, HistoryEntryDto, InvitationDto, JoinedDto, PeerDto,
    ProvenanceDto, ReasonDto, StatusDto, TeamDto, VerifyDto, WrittenDto,
};
use crate::time::rfc3339;

/// From where and when facts are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// This node.
    pub(crate) own: NodeId,
    /// Now.
    pub(crate) now: UnixMillis,
}

pub(crate) fn fact(view: FactView, seen: Seen) -> FactDto {
    let Fact { id, content, level, domain, module, tags, confidence_permille, code_ref, .. } = view.fact.clone();
    let fact = &view.fact;
    let expires = fact.ttl_ms.map(|_| fact.on_expire.name().to_owned());
    let expired = fact.expired(seen.now);
    let gone = expired == Some(OnExpire::Delete);
    FactDto {
        id: id.to_string(),
        content: content.filter(|_| !gone),
        level: level.number(),
        level_name: level.name().to_owned(),
        author: view.author.name,
        origin: view.author.node.to_string(),
        trust: if view.author.node == seen.own { "own" } else { "member" }.to_owned(),
        stream: stream(view.stream).to_owned(),
        created_at: rfc3339(fact.created_at),
        updated_at: rfc3339(view.updated_at),
        provenance: provenance(view.provenance),
        domain,
        module,
        tags,
        confidence: confidence_permille.map(permille),
        code_ref,
        parent: fact.parent.map(|id| id.to_string()),
        ttl_ms: fact.ttl_ms,
        on_expire: expires,
        valid_from: fact.valid_from.map(rfc3339),
        valid_until: fact.valid_until.map(rfc3339),
        supersedes: fact.supersedes.map(|id| id.to_string()),
        derived_from: fact.derived_from.iter().map(FactId::to_string).collect(),
        anchors: fact.anchors.iter().map(anchor).collect(),
        source: fact.source.clone(),
        role: fact.role.clone(),
        stale: fact.stale || expired == Some(OnExpire::MarkStale),
        archived: fact.archived || expired == Some(OnExpire::Archive),
        private: fact.private,
        forgotten: view.forgotten || gone,
        erased: view.erased,
        erasure: None,
        incomplete: view.incomplete,
        diverged: names(&view.diverged),
        sides: Vec::new(),
        hits: view.hits,
        last_hit: view.last_hit.map(rfc3339),
    }
}

fn anchor(anchor: &Anchor) -> AnchorDto {
    AnchorDto { path: anchor.path.clone(), blob: anchor.blob.clone() }
}

fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.name().to_owned()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "it is at most 1000")]
pub(super) fn permille(permille: u64) -> f64 {
    permille.min(1_000) as f64 / 1_000.0
}

pub(super) const fn stream(stream: Stream) -> &'static str {
    match stream {
        Stream::Charter => "charter",
        Stream::Shared => "shared",
        Stream::Local => "local",
    }
}

pub(super) fn provenance(provenance: Provenance) -> ProvenanceDto {
    let Provenance { agent, tool, session, source } = provenance;
    ProvenanceDto { agent, tool, session, source_kind: source.map(|kind| kind.name().to_owned()) }
}

pub(crate) fn history(edit: EditView) -> HistoryEntryDto {
    entry(edit, Field::name, field_json)
}

/// One event in the life of a fact or an incident, whose fields are called and written like this.
pub(super) fn entry<F: Copy>(
    entry: EditView<F>,
    name: impl Fn(F) -> &'static str,
    json: impl Fn(F, Option<Value>) -> Json,
) -> HistoryEntryDto {
    let field = |(field, value): (F, Option<Value>)| (name(field).to_owned(), json(field, value));
    HistoryEntryDto {
        event: entry.event.to_string(),
        action: entry.action.to_string(),
        at: rfc3339(entry.hlc.time()),
        author: entry.author.name,
        origin: entry.author.node.to_string(),
        store: entry.author.store.to_string(),
        stream: stream(entry.log.stream).to_owned(),
        seq: entry.seq,
        fields: entry.fields.into_iter().map(field).collect::<BTreeMap<_, _>>(),
        standing: entry.standing.iter().map(|field| name(*field).to_owned()).collect(),
        provenance: entry.provenance.map(provenance),
    }
}

/// A value of a field, as the same field is written in a fact.
pub(super) fn field_json(field: Field, value: Option<Value>) -> Json {
    let Some(value) = value else { return Json::Null };
    match (field, &value) {
        (Field::Confidence, Value::Uint(confidence)) => json!(permille(*confidence)),
        (Field::ValidFrom | Field::ValidUntil | Field::CreatedAt, Value::Uint(at)) => json!(rfc3339(UnixMillis(*at))),
        (Field::OnExpire, Value::Uint(choice)) => {
            let choice = usize::try_from(*choice).ok().and_then(|at| OnExpire::ALL.get(at));
            choice.map_or(Json::Null, |choice| json!(choice.name()))
        }
        (Field::Level, Value::Uint(level)) => json!(Level::from_number(*level).unwrap_or_default().number()),
        _ => value_json(value),
    }
}

pub(super) fn value_json(value: Value) -> Json {
    match value {
        Value::Uint(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => match FactId::from_slice(&bytes) {
            Ok(id) => json!(id.to_string()),
            Err(_) => json!(HEXLOWER.encode(&bytes)),
        },
        Value::List(values) => Json::Array(values.into_iter().map(value_json).collect()),
    }
}

pub(crate) fn written(authored: &Authored) -> WrittenDto {
    let outcome = match authored.outcome {
        Outcome::Written => "written",
        Outcome::Existed => "existed",
        Outcome::Unchanged => "unchanged",
    };
    let incident = || authored.incident.map(|id| id.to_string());
    WrittenDto {
        id: authored.fact.map(|id| id.to_string()).or_else(incident).unwrap_or_default(),
        event: authored.event.to_string(),
        outcome: outcome.to_owned(),
        left_with_others: false,
    }
}

pub(super) fn team(team: &Team) -> TeamDto {
    TeamDto { id: team.id.to_string(), name: team.name.clone() }
}

/// A reason with its sentence and its hint.
pub(super) fn said(code: &str, words: Option<Words>) -> ReasonDto {
    let plain = reason_dto(code);
    match words {
        Some(words) => ReasonDto { text: words.what, hint: Some(words.fix), ..plain },
        None => plain,
    }
}

pub(crate) fn peer(peer: PeerView, now: UnixMillis) -> PeerDto {
    let FindingDto { what, fix } = in_words(&peer, now);
    let mut health = super::trust::health(peer.health);
    if let Some(error) = &mut health.last_error {
        error.reason = said(&error.reason.code, peer.error_words);
    }
    PeerDto {
        peer_id: peer.peer_id.to_string(),
        name: peer.name,
        trust: peer.trust.name().to_owned(),
        roles: peer.roles,
        steward: peer.steward,
        connected: peer.connected,
        addresses: peer.addresses,
        agent_version: peer.agent_version,
        store_id: peer.store_id.map(|id| id.to_string()),
        genome_hash: peer.genome_hash.map(|hash| hash.to_string()),
        mode: super::trust::mode(peer.mode).to_owned(),
        handshake_at: peer.handshake_at.map(rfc3339),
        last_sync_at: peer.last_sync_at.map(rfc3339),
        last_event: peer.last_event.map(|id| id.to_string()),
        health,
        fact_count: peer.fact_count,
        lag_events: peer.lag_events,
        behind_events: peer.behind_events,
        equal_at: peer.equal_at.map(rfc3339),
        takes: peer.takes,
        in_words: what,
        hint: Some(fix).filter(|fix| !fix.is_empty()),
        last_seen: peer.last_seen.map(rfc3339),
        last_success: peer.last_success.map(rfc3339),
        reason: peer.reason.map(|reason| said(reason.name(), peer.words)),
        refused_by_peer: peer.refused_by_peer,
        by_hand: peer.by_hand.map(rfc3339),
        storage: peer.storage.map(super::announce::storage),
        shares: peer.federation.map(super::announce::shares),
    }
}

pub(super) fn reason_dto(code: &str) -> ReasonDto {
    ReasonDto { code: code.to_owned(), text: code.replace('_', " "), hint: None }
}

/// The state of the node, with what the doors add to it.
pub(crate) fn status(status: Status, now: UnixMillis, entrance: &Entrance, findings: &[FindingDto]) -> StatusDto {
    let finding = |problem: antiphon_node::Problem| FindingDto { what: problem.what, fix: problem.fix };
    StatusDto {
        node_id: status.node_id.to_string(),
        store_id: status.store_id.to_string(),
        name: status.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        team: team(&status.team),
        steward: status.steward,
        roles: status.roles,
        listen: status.listen,
        http: entrance.url.clone(),
        http_certificate: entrance.fingerprint(),
        started: rfc3339(status.started),
        mode: status.mode.name().to_owned(),
        facts: status.facts,
        closed: status.closed,
        events: status.events,
        peers: status.peers.into_iter().map(|view| peer(view, now)).collect(),
        outbox: super::outbox::outbox_summary(status.outbox),
        copies: HealthCountsDto::default(),
        unread: status.unread,
        restored: status.rejoined.map(super::restored::restored),
        problems: findings.iter().cloned().chain(status.problems.into_iter().map(finding)).collect(),
    }
}

pub(crate) fn handshake(view: &HandshakeView, words: Option<Words>) -> HandshakeDto {
    HandshakeDto {
        peer_id: view.peer_id.to_string(),
        trust: view.trust.name().to_owned(),
        reason: view.reason.map(|reason| said(reason.name(), words)),
        our_genome: view.our_genome.to_string(),
        their_genome: view.their_genome.map(|hash| hash.to_string()),
        matches: view.their_genome == Some(view.our_genome),
    }
}

pub(crate) fn invitation(invitation: Invitation) -> InvitationDto {
    InvitationDto { ticket: invitation.ticket, role: invitation.role, expires: rfc3339(invitation.expires) }
}

pub(crate) fn joined(joined: &Joined) -> JoinedDto {
    match joined {
        Joined::Member { team: joined, brought, kept_local, left_behind } => {
            let (brought, kept_local, left_behind) = (*brought, *kept_local, *left_behind);
            JoinedDto { team: team(joined), already: false, brought, kept_local, left_behind }
        }
        Joined::Already { team: joined } => JoinedDto { team: team(joined), already: true, ..JoinedDto::default() },
    }
}

pub(crate) fn verify(report: Report) -> VerifyDto {
    let Report { events, logs, facts, problems, forked } = report;
    let forked = forked.iter().map(super::restored::forked).collect();
    VerifyDto { ok: problems.is_empty(), events, logs, facts, problems, forked }
}
