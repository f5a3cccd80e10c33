//! Asking the memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FactDto, Scalar};

/// A question.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallRequestDto {
    /// Words to look for.
    pub query: String,
    /// Most facts to give; 10 when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Of this level alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Scalar>,
    /// Of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Of this module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// With this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whose text was written on this node: a name, a peer id or a unique prefix of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Archived facts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// `false`: without those that are out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
}

/// A fact that was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HitDto {
    /// The fact.
    #[serde(flatten)]
    pub fact: FactDto,
    /// How well it fits; higher is better, comparable within one answer only.
    pub score: f64,
    /// The passage that fits.
    pub snippet: String,
    /// Facts with this very text that were folded into this one, itself included.
    pub same: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RecallDto {
    /// The facts, best first.
    pub hits: Vec<HitDto>,
    /// The index is still reading received facts; later the answer may hold more.
    #[serde(default)]
    pub index_behind: bool,
}
