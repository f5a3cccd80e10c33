//! Arguments of the tools of the full profile. As with the others, who the agent is is filled in here.

use serde::Deserialize;

use crate::dto::{Change, FactFilterDto, IncidentEditDto, IncidentFilterDto, NewIncidentDto, ResolveDto};
use crate::mcp::args::{SOURCE_KIND, TOOL};
use crate::mcp::call::Caller;

/// Most entries of one answer to an agent.
const PAGE_MAX: usize = 50;
/// Entries of an answer when nobody says how many.
const PAGE_DEFAULT: usize = 20;

/// How many entries an agent gets.
pub(super) fn page(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
}

/// Arguments of a tool that takes an id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ById {
    pub(super) id: String,
}

/// Arguments of `peer_show`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Peer {
    pub(super) peer: String,
}

/// Arguments of `why`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    pub(super) peer: String,
    pub(super) fact: Option<String>,
}

/// Arguments of `peer_handshake`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    pub(super) address: String,
}

/// Arguments of a tool that takes a document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) document: String,
}

/// Arguments of `bundle_answer`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) document: String,
    #[serde(default)]
    pub(super) export: bool,
}

/// Arguments of `bundle_handshake`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handshake {
    pub(super) peer: Option<String>,
    #[serde(default)]
    pub(super) export: bool,
}

/// Arguments of `bundle_export`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    pub(super) peer: Option<String>,
    pub(super) since: Option<String>,
}

/// Arguments of `facts_list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    level: Option<String>,
    domain: Option<String>,
    module: Option<String>,
    tag: Option<String>,
    author: Option<String>,
    archived: Option<bool>,
    diverged: Option<bool>,
    limit: Option<usize>,
    after: Option<String>,
}

impl Facts {
    pub(super) fn into_filter(self) -> FactFilterDto {
        let Self { level, domain, module, tag, author, archived, diverged, limit, after } = self;
        let limit = Some(page(limit));
        FactFilterDto { level, domain, module, tag, author, archived, forgotten: None, diverged, limit, after }
    }
}

/// Arguments of `divergences`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Divergences {
    pub(super) id: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) after: Option<String>,
}

/// Arguments of `resolve_divergence`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveDivergence {
    id: String,
    accept: Option<String>,
    body: Option<String>,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    seen: Vec<String>,
    #[serde(default)]
    escape: bool,
}

impl ResolveDivergence {
    /// The fact or incident, and what is right.
    pub(super) fn into_resolve(self, caller: Caller) -> (String, ResolveDto) {
        let Self { id, accept, body, fields, seen, escape } = self;
        let (agent, session) = (caller.agent, caller.session);
        let (tool, source_kind) = (Some(TOOL.to_owned()), Some(SOURCE_KIND.to_owned()));
        (id, ResolveDto { accept, body, fields, seen, escape, agent, tool, session, source_kind })
    }
}

/// Arguments of `incidents_list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incidents {
    status: Option<String>,
    severity: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

impl Incidents {
    pub(super) fn into_filter(self) -> IncidentFilterDto {
        let Self { status, severity, limit, after } = self;
        IncidentFilterDto { status, severity, diverged: None, limit: Some(page(limit)), after }
    }
}

/// Arguments of `incident_report`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    title: String,
    status: Option<String>,
    severity: Option<String>,
    description: Option<String>,
    event_count: Option<u64>,
    correlation_rule: Option<String>,
    kill_chain_phase: Option<String>,
    #[serde(default)]
    mitre_mapping: Vec<String>,
    idempotency_key: Option<String>,
    #[serde(default)]
    escape: bool,
}

impl Report {
    pub(super) fn into_incident(self, caller: Caller) -> NewIncidentDto {
        NewIncidentDto {
            title: self.title,
            status: self.status,
            severity: self.severity,
            description: self.description,
            event_count: self.event_count,
            correlation_rule: self.correlation_rule,
            kill_chain_phase: self.kill_chain_phase,
            mitre_mapping: self.mitre_mapping,
            idempotency_key: self.idempotency_key,
            escape: self.escape,
            agent: caller.agent,
            tool: Some(TOOL.to_owned()),
            session: caller.session,
            source_kind: Some(SOURCE_KIND.to_owned()),
            ..NewIncidentDto::default()
        }
    }
}

/// Arguments of `incident_update`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateIncident {
    id: String,
    title: Option<String>,
    status: Option<String>,
    severity: Option<String>,
    description: Option<String>,
    event_count: Option<u64>,
    correlation_rule: Option<String>,
    kill_chain_phase: Option<String>,
    mitre_mapping: Option<Vec<String>>,
    idempotency_key: Option<String>,
    #[serde(default)]
    escape: bool,
}

impl UpdateIncident {
    /// The incident, and what changes of it.
    pub(super) fn into_edit(self, caller: Caller) -> (String, IncidentEditDto) {
        let edit = IncidentEditDto {
            title: self.title,
            status: self.status,
            severity: self.severity,
            description: Change::from_option(self.description),
            event_count: self.event_count,
            correlation_rule: Change::from_option(self.correlation_rule),
            kill_chain_phase: Change::from_option(self.kill_chain_phase),
            mitre_mapping: Change::from_option(self.mitre_mapping),
            idempotency_key: self.idempotency_key,
            agent: caller.agent,
            tool: Some(TOOL.to_owned()),
            session: caller.session,
            source_kind: Some(SOURCE_KIND.to_owned()),
            escape: self.escape,
        };
        (self.id, edit)
    }
}
