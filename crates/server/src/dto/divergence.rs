//! Divergences: what was changed on several machines at once, and how it is settled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One of several values that stand for a field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SideDto {
    /// The field.
    pub field: String,
    /// What this side is called where one is accepted: the name of its node, or the beginning of its store's id where
    /// two nodes have one name.
    #[serde(default)]
    pub side: String,
    /// Its value; null when it was cleared or is not held here.
    pub value: Value,
    /// This side forgot the whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// The value is not held here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub missing: bool,
    /// The value was cut because it is long.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// The event that says so.
    pub event: String,
    /// When, by its author's clock.
    pub at: String,
    /// Name of the node it was written on.
    pub author: String,
    /// Peer id of that node.
    pub origin: String,
    /// Store it was written in.
    #[serde(default)]
    pub store: String,
    /// The agent or person that wrote it, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// What all sides of a field began with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BeforeDto {
    /// The value; null when there was none or it is not held here.
    pub value: Value,
    /// The whole was forgotten then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// The value is not held here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub missing: bool,
    /// The value was cut because it is long.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// All sides began with a divergence, and this is the side that was shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub diverged: bool,
    /// When it was written, by its author's clock.
    pub at: String,
    /// Name of the node it was written on.
    pub author: String,
}

/// A field with several values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DivergedFieldDto {
    /// The field.
    pub field: String,
    /// What all sides began with; missing when one of them had seen nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<BeforeDto>,
    /// The sides, the shown one first.
    pub sides: Vec<SideDto>,
}

/// A fact or an incident that was changed on several machines at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DivergenceDto {
    /// Its id.
    pub id: String,
    /// `fact` or `incident`.
    pub kind: String,
    /// The same id, where it is a fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<String>,
    /// Its text as it is shown; missing when it is forgotten or not held here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it came to have two sides, by the clock of whoever wrote the second; missing when it has no divergence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Its diverged fields; none when it has no divergence.
    pub fields: Vec<DivergedFieldDto>,
}

/// Which divergences are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DivergenceFilterDto {
    /// Most divergences to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on after this id: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of divergences, the newest facts and incidents first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DivergencesDto {
    /// The divergences; long values are cut.
    pub divergences: Vec<DivergenceDto>,
    /// Pass it as `after` for the next page; missing on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What is right: the side of a node, or a text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResolveDto {
    /// The `side` to accept: every diverged field it speaks of gets its value. A store id, a peer id or the beginning
    /// of one names it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// The text that is right. Other diverged fields are settled as they are shown, or by `accept`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Only these fields are settled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The `event` of every side that was looked at: with other sides nothing is settled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<String>,
    /// Write control and bidirectional characters in their visible form instead of refusing them.
    #[serde(skip_serializing_if = "is_false")]
    pub escape: bool,
    /// The agent's or person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The tool it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `human`, `agent`, `tool`, `web` or `import`; `human` when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
}

/// A field that was settled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResolvedFieldDto {
    /// The field.
    pub field: String,
    /// `accepted`, `given` or `shown`.
    pub from: String,
    /// The side it came from; missing when it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<String>,
}

/// How a resolution ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResolvedDto {
    /// The fact or incident.
    pub id: String,
    /// `fact` or `incident`.
    pub kind: String,
    /// `resolved`, or `not_diverged` when there was nothing to settle and nothing was written.
    pub outcome: String,
    /// The event that settles it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What was settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<ResolvedFieldDto>,
    /// Fields that are still diverged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// The fact is forgotten now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// With `not_diverged`: the node that changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// With `not_diverged`: when that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
