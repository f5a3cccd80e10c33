//! Facts as they are exported: one line of JSON for each, which can be imported again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NewFactDto;

/// The version of the lines that are written.
pub const EXPORT_VERSION: u64 = 1;

/// What is exported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportAskDto {
    /// Of this level alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Of this domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Of this module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// With this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// `true`: archived ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// `true`: private ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// `true`: those that are sealed to a role too, as far as this node can read them. They leave in plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
}

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExportLineDto {
    /// The first line.
    Begin(ExportBeginDto),
    /// A fact.
    Fact(Box<ExportedFactDto>),
    /// The last line; an export without it broke off.
    End(ExportEndDto),
}

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExportBeginDto {
    /// The version of the lines.
    pub version: u64,
    /// The team it was made in.
    pub team: String,
    /// Peer id of the node that made it.
    pub node: String,
    /// When.
    pub at: String,
    /// How many facts that node holds; an export that asks for less has fewer.
    pub held: u64,
}

/// A fact in an export: what a new node is told to remember, and beside it what cannot be told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub struct ExportedFactDto {
    /// The fact.
    #[serde(flatten)]
    pub fact: NewFactDto,
    /// What an import leaves behind.
    pub recorded: RecordedDto,
}

/// What was known of a fact where it was exported, and is not imported: it is the history of another log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordedDto {
    /// Name of the node its text was written on.
    pub author: String,
    /// Peer id of that node.
    pub origin: String,
    /// `shared` with the team, or `local` to the node.
    pub stream: String,
    /// When it was last changed.
    pub updated_at: String,
    /// Fields for which several values stood; the exported one is the later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diverged: Vec<String>,
}

/// The last line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExportEndDto {
    /// Facts that were exported.
    pub facts: u64,
    /// Facts that were asked for and whose text is not held here.
    pub without_text: u64,
    /// Facts that were left out because they are private.
    pub private: u64,
    /// Facts that were left out because they are sealed, though this node could read them.
    pub sealed: u64,
    /// Facts of the whole node that are sealed to roles whose keys it has not.
    pub closed: u64,
    /// Exported facts for which several values stand.
    pub diverged: u64,
}

/// Facts of which somebody wants to know whether they are here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownAskDto {
    /// Their ids.
    pub ids: Vec<String>,
}

/// Which facts are here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct KnownDto {
    /// The ids of those that were asked about and are here, forgotten ones too.
    pub known: Vec<String>,
}
