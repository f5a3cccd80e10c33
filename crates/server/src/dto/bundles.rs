//! What is carried by hand, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HeadDto, ReasonDto};
use crate::error::Problem;

/// What a document should hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BundleAskDto {
    /// The member it is for: a name, a peer id or the beginning of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Whether a handshake brings facts along.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub export: bool,
    /// The member that alone may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// A cursor: only what is beyond it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// How a document is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BundleTakeDto {
    /// Whether the answer brings facts along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<bool>,
    /// Whether the answer is sealed to whoever asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<bool>,
    /// Whether what nobody signed is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsigned: Option<bool>,
    /// An import only says what it would bring; nothing is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// How much of each log a node holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CursorDto {
    /// Whose it is.
    pub peer_id: String,
    /// The last event of every charter and shared log.
    pub heads: Vec<HeadDto>,
}

/// A handshake that was carried by hand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CarriedDto {
    /// The other node.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// What it is now: `VERIFIED`, or `PENDING` while the genomes differ.
    pub trust: String,
    /// Our genome hash.
    pub our_genome: String,
    /// Its genome hash.
    pub their_genome: String,
    /// What came of the facts that it brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedDto>,
    /// Why they were not taken, although the handshake succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_problem: Option<Problem>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BundleFileDto {
    /// Its bytes, in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// `handshake_request`, `handshake_response` or `facts`.
    pub kind: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The member that alone can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_for: Option<String>,
    /// Facts in it.
    pub facts: u64,
    /// Incidents in it.
    pub incidents: u64,
    /// Events in it.
    pub events: u64,
    /// What its reader holds afterwards, who held the rest before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorDto>,
    /// Whether there was more than fits one document; go on with `cursor`.
    pub more: bool,
    /// The handshake that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<CarriedDto>,
}

/// A log that was refused, from an event on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RefusedLogDto {
    /// Its store.
    pub store_id: String,
    /// `charter` or `shared`.
    pub stream: String,
    /// The key that is said to sign it.
    pub peer_id: String,
    /// The first event that was refused.
    pub seq: u64,
    /// Why.
    pub reason: ReasonDto,
}

/// A log whose earlier events are missing here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GapDto {
    /// Its store.
    pub store_id: String,
    /// `charter` or `shared`.
    pub stream: String,
    /// The last event that is held.
    pub held: u64,
    /// The first event that came.
    pub got: u64,
}

/// An entry of an unsigned payload that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadEntryDto {
    /// Its id in the payload.
    pub id: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ImportedDto {
    /// Who sent it, as the document says.
    pub peer_id: String,
    /// Its name, where it is known.
    pub name: String,
    /// Whether the sender signed it.
    pub signed: bool,
    /// Nothing was taken: the counts say what would be new, as far as that shows before it is verified.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Events that are new here.
    pub events: u64,
    /// Facts that are new here, or edits of facts.
    pub facts: u64,
    /// Incidents of an unsigned payload that are new here.
    pub incidents: u64,
    /// Events, or entries of an unsigned payload, that were here already.
    pub known: u64,
    /// New events that wait for an upgrade.
    pub deferred: u64,
    /// New events that are kept and do not count.
    pub quarantined: u64,
    /// Texts that were missing and came along.
    pub filled: u64,
    /// Logs that were found to have two branches.
    pub forked: u64,
    /// Genes of an unsigned payload; they are never taken.
    pub skipped_genes: u64,
    /// Logs that were refused.
    pub refused: Vec<RefusedLogDto>,
    /// Logs whose earlier events are missing.
    pub gaps: Vec<GapDto>,
    /// Entries that were not taken.
    pub bad: Vec<BadEntryDto>,
    /// What this node holds now.
    pub cursor: CursorDto,
}
