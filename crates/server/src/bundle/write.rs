//! Writing documents.

use antiphon_core::event::Event;
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use antiphon_node::bundles::{Export, RequestView, ResponseView};
use antiphon_node::{FactView, IncidentView};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use super::document::{Document, EventPart, EventsPart, HandshakePart, Kind, PlainFact, PlainIncident};
use super::{Error, VERSION, heads};
use crate::dto::Scalar;
use crate::time::rfc3339;

/// A document that begins a handshake.
pub(crate) fn request_document(view: &RequestView, message: &[u8]) -> Document {
    Document {
        version: VERSION.to_owned(),
        kind: Kind::HandshakeRequest,
        from_peer_id: view.from.to_string(),
        from_node: Some(view.name.clone()),
        team: Some(view.team.to_string()),
        store_id: view.store.map(|store| store.to_string()),
        genome_hash: view.genome.to_string(),
        handshake: HandshakePart {
            timestamp: Some(rfc3339(view.timestamp)),
            nonce: Some(HEXLOWER.encode(&view.nonce)),
            agent_version: Some(view.agent_version.clone()),
            message: Some(BASE64.encode(message)),
            ..HandshakePart::default()
        },
        ..Document::default()
    }
}

/// A document that answers one. `team` is the answerer's.
pub(crate) fn answer_document(view: &ResponseView, team: String, message: &[u8]) -> Document {
    Document {
        version: VERSION.to_owned(),
        kind: Kind::HandshakeResponse,
        from_peer_id: view.to.to_string(),
        from_node: Some(view.name.clone()),
        team: Some(team),
        store_id: view.store.map(|store| store.to_string()),
        genome_hash: view.genome.to_string(),
        handshake: HandshakePart {
            to_peer_id: Some(view.to.to_string()),
            to_node: Some(view.name.clone()),
            matches: Some(view.matches),
            trust: Some(view.trust.name().to_owned()),
            reason: view.reason.map(|reason| reason.name().to_owned()),
            timestamp: Some(rfc3339(view.timestamp)),
            nonce: Some(HEXLOWER.encode(&view.nonce)),
            agent_version: Some(view.agent_version.clone()),
            message: Some(BASE64.encode(message)),
        },
        ..Document::default()
    }
}

/// A document that brings facts; or `document`, which brings them too from now on.
pub(crate) fn facts_document(document: Option<Document>, export: &Export, now: UnixMillis) -> Document {
    let gene = |(id, text): &(String, String)| PlainFact {
        id: id.clone(),
        content: text.clone(),
        level: Some(Scalar::from("0")),
        is_gene: true,
        ..PlainFact::default()
    };
    let base = document.unwrap_or_else(|| Document {
        version: VERSION.to_owned(),
        from_peer_id: export.node.to_string(),
        from_node: Some(export.name.clone()),
        team: Some(export.team.to_string()),
        store_id: Some(export.store.to_string()),
        genome_hash: export.genome.to_string(),
        ..Document::default()
    });
    Document {
        facts: export.genes.iter().map(gene).chain(export.facts.iter().filter_map(fact)).collect(),
        incidents: export.incidents.iter().map(incident).collect(),
        events: export.logs.iter().map(|run| events(run.log, run.node, &run.events)).collect(),
        heads: heads(&export.clock),
        synced_at: Some(Scalar::from(rfc3339(now))),
        ..base
    }
}

fn fact(view: &FactView) -> Option<PlainFact> {
    let fact = &view.fact;
    Some(PlainFact {
        id: fact.id.to_string(),
        content: fact.content.clone()?,
        level: Some(Scalar::from(fact.level.number().to_string())),
        domain: fact.domain.clone(),
        module: fact.module.clone(),
        is_gene: false,
        source: fact.source.clone(),
        created_at: Some(Scalar::from(rfc3339(fact.created_at))),
    })
}

fn incident(view: &IncidentView) -> PlainIncident {
    let incident = &view.incident;
    PlainIncident {
        id: incident.id.to_string(),
        status: Some(incident.status.name().to_owned()),
        severity: Some(incident.severity.name().to_owned()),
        title: incident.title.clone().unwrap_or_default(),
        description: incident.description.clone(),
        event_count: Some(incident.event_count),
        correlation_rule: incident.correlation_rule.clone(),
        kill_chain_phase: incident.kill_chain_phase.map(|phase| phase.name().to_owned()),
        mitre_mapping: incident.mitre_mapping.clone(),
        created_at: Some(Scalar::from(rfc3339(incident.created_at))),
        source_peer_id: Some(view.reporter.node.to_string()),
    }
}

fn events(log: antiphon_core::log::LogId, node: antiphon_core::ids::NodeId, events: &[Event]) -> EventsPart {
    let part = |event: &Event| EventPart {
        header: BASE64.encode(event.header_bytes()),
        payload: event.payload().map(|payload| BASE64.encode(payload)),
        signature: event.signature().map(|signature| BASE64.encode(&signature.0)),
    };
    EventsPart {
        store_id: log.store.to_string(),
        stream: log.stream.to_string(),
        peer_id: node.to_string(),
        events: events.iter().map(part).collect(),
    }
}

/// A document before it is signed, as a value.
pub(crate) fn to_value(document: &Document) -> Result<Value, Error> {
    serde_json::to_value(document).map_err(|error| Error::Malformed(error.to_string()))
}

/// The bytes of a document with its signature, what people read first.
pub(crate) fn to_bytes(document: Document, signature: &Signature) -> Result<Vec<u8>, Error> {
    let signed = Document { signature: Some(BASE64.encode(&signature.0)), ..document };
    let mut bytes = serde_json::to_vec_pretty(&signed).map_err(|error| Error::Malformed(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
