//! Payloads of other tools, which nobody signed: their facts become our own, with where they come from.

use antiphon_core::fact::escape;
use antiphon_core::ids::FactId;

use super::document::{Document, PlainFact, PlainIncident};
use crate::dto::{NewFactDto, NewIncidentDto};
use crate::text::cut;

/// Longest part of a sender's name that a tool is called by, in bytes.
const SENDER_BYTES_MAX: usize = 128;

/// What an unsigned payload holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plain {
    pub(crate) facts: Vec<NewFactDto>,
    pub(crate) incidents: Vec<NewIncidentDto>,
    /// Entries that say they are genes. Nobody may add genes like this.
    pub(crate) genes: u64,
}

/// Reads facts and incidents. Their ids follow from the sender's id of them, so that taking them again changes nothing.
pub(crate) fn plain(document: Document) -> Plain {
    let sender = sender_of(&document.from_peer_id);
    let (genes, facts): (Vec<PlainFact>, Vec<PlainFact>) = document.facts.into_iter().partition(|fact| fact.is_gene);
    Plain {
        facts: facts.into_iter().map(|fact| fact_of(&sender, fact)).collect(),
        incidents: document.incidents.into_iter().map(|incident| incident_of(&sender, incident)).collect(),
        genes: genes.len() as u64,
    }
}

/// The sender's name as a tool is called: on one line, visible and short.
fn sender_of(from: &str) -> String {
    let mut sender = escape(&from.split_whitespace().collect::<Vec<_>>().join(" "));
    cut(&mut sender, SENDER_BYTES_MAX);
    if sender.is_empty() { "unknown".to_owned() } else { sender }
}

fn fact_of(sender: &str, fact: PlainFact) -> NewFactDto {
    let key = if fact.id.is_empty() { &fact.content } else { &fact.id };
    NewFactDto {
        id: Some(FactId::of_source(&format!("bundle:{sender}"), key).to_string()),
        content: fact.content,
        level: fact.level,
        domain: fact.domain.filter(|domain| !domain.is_empty()),
        module: fact.module.filter(|module| !module.is_empty()),
        source: fact.source.filter(|source| !source.is_empty()),
        created_at: fact.created_at,
        tool: Some(format!("bundle:{sender}")),
        source_kind: Some("import".to_owned()),
        escape: true,
        ..NewFactDto::default()
    }
}

fn incident_of(sender: &str, incident: PlainIncident) -> NewIncidentDto {
    let key = if incident.id.is_empty() { &incident.title } else { &incident.id };
    NewIncidentDto {
        id: Some(FactId::of_source(&format!("bundle-incident:{sender}"), key).to_string()),
        title: incident.title,
        status: incident.status,
        severity: incident.severity,
        description: incident.description.filter(|text| !text.is_empty()),
        event_count: incident.event_count,
        correlation_rule: incident.correlation_rule.filter(|rule| !rule.is_empty()),
        kill_chain_phase: incident.kill_chain_phase.filter(|phase| !phase.is_empty()),
        mitre_mapping: incident.mitre_mapping,
        created_at: incident.created_at,
        tool: Some(format!("bundle:{sender}")),
        source_kind: Some("import".to_owned()),
        escape: true,
        ..NewIncidentDto::default()
    }
}
