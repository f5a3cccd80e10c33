//! The shapes of a document. Keys that are unknown here are kept out of the way of newer versions; they are signed too.

use serde::{Deserialize, Serialize};

use crate::dto::{HeadDto, Scalar};

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It begins a handshake.
    HandshakeRequest,
    /// It answers one.
    HandshakeResponse,
    /// It brings facts.
    #[default]
    Facts,
}

impl Kind {
    /// Its name in a document.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HandshakeRequest => "handshake_request",
            Self::HandshakeResponse => "handshake_response",
            Self::Facts => "facts",
        }
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    pub(crate) version: String,
    pub(crate) kind: Kind,
    pub(crate) from_peer_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store_id: Option<String>,
    pub(crate) genome_hash: String,
    #[serde(flatten)]
    pub(crate) handshake: HandshakePart,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) facts: Vec<PlainFact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) incidents: Vec<PlainIncident>,
    /// The signed originals; they win over the plain facts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<EventsPart>,
    /// What the sender holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) heads: Vec<HeadDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) synced_at: Option<Scalar>,
    /// By the sender's key, over the canonical form of all the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signature: Option<String>,
}

/// The readable part of a handshake, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HandshakePart {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_peer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_node: Option<String>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub(crate) matches: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trust: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_version: Option<String>,
    /// The handshake as it would go over the network, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

/// A fact in plain; also a gene.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PlainFact {
    pub(crate) id: String,
    pub(crate) content: String,
    #[serde(serialize_with = "number")]
    pub(crate) level: Option<Scalar>,
    pub(crate) domain: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) is_gene: bool,
    pub(crate) source: Option<String>,
    pub(crate) created_at: Option<Scalar>,
}

/// Levels are numbers in a document; a name is written as it is.
fn number<S: serde::Serializer>(level: &Option<Scalar>, out: S) -> Result<S::Ok, S::Error> {
    match level.as_ref().map(|level| (level, level.0.parse::<u64>())) {
        Some((_, Ok(number))) => out.serialize_u64(number),
        Some((level, Err(_))) => out.serialize_str(&level.0),
        None => out.serialize_none(),
    }
}

/// An incident in plain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PlainIncident {
    pub(crate) id: String,
    pub(crate) status: Option<String>,
    pub(crate) severity: Option<String>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) event_count: Option<u64>,
    pub(crate) correlation_rule: Option<String>,
    pub(crate) kill_chain_phase: Option<String>,
    pub(crate) mitre_mapping: Vec<String>,
    pub(crate) created_at: Option<Scalar>,
    pub(crate) source_peer_id: Option<String>,
}

/// Consecutive events of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventsPart {
    pub(crate) store_id: String,
    pub(crate) stream: String,
    /// The key that signs the log.
    pub(crate) peer_id: String,
    pub(crate) events: Vec<EventPart>,
}

/// One event, its parts in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventPart {
    pub(crate) header: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signature: Option<String>,
}
