//! Facts: as they are written, edited and shown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, ErasureDto, Scalar, SideDto};
use crate::error::Problem;

/// A file that a fact speaks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorDto {
    /// Path inside the repository.
    pub path: String,
    /// Git blob id of the file as it was then.
    pub blob: String,
}

/// How a fact or an edit came to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProvenanceDto {
    /// The agent's or person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The tool it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `human`, `agent`, `tool`, `web` or `import`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
}

/// A fact to be remembered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFactDto {
    /// The text.
    pub content: String,
    /// 0 to 3, or `project`, `domain`, `module`, `snippet`; `domain` when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Scalar>,
    /// Area of knowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Module inside the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How sure the author is, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Place in code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_ref: Option<String>,
    /// Id of the fact it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Time to live: `30d`, or milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Scalar>,
    /// What happens then: `mark_stale`, `archive` or `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expire: Option<String>,
    /// Not true before: RFC 3339, or Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Scalar>,
    /// Not true after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Scalar>,
    /// Id of the fact it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<String>,
    /// Ids of the facts it was derived from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived_from: Vec<String>,
    /// Files it speaks about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<AnchorDto>,
    /// Never leaves this node, whatever its level.
    #[serde(default, skip_serializing_if = "is_false")]
    pub private: bool,
    /// The role that alone may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Marked as out of date from the beginning, as an imported fact may be.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// Out of recall from the beginning, as an imported fact may be.
    #[serde(default, skip_serializing_if = "is_false")]
    pub archived: bool,
    /// Where it was taken from: a file, an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it was first written elsewhere: RFC 3339, or Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Scalar>,
    /// Its id, where it had one before. Writing the same id and text twice changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The agent's or person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The tool it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `human`, `agent`, `tool`, `web` or `import`; `human` when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
    /// Repeating a request with the same key writes nothing new and gives the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Write control and bidirectional characters in their visible form instead of refusing them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub escape: bool,
}

/// An edit of a fact: a missing key keeps the field, `null` clears it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EditDto {
    /// The new text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Text to put after the present one, on a new line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<String>,
    /// The new level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Scalar>,
    /// Area of knowledge.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub domain: Change<String>,
    /// Module inside the domain.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub module: Change<String>,
    /// All tags.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub tags: Change<Vec<String>>,
    /// How sure the author is, 0 to 1.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub confidence: Change<f64>,
    /// Place in code.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub code_ref: Change<String>,
    /// Id of the fact it belongs to.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub parent: Change<String>,
    /// Time to live: `30d`, or milliseconds.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub ttl: Change<Scalar>,
    /// What happens then: `mark_stale`, `archive` or `delete`.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub on_expire: Change<String>,
    /// Not true before.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub valid_from: Change<Scalar>,
    /// Not true after.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub valid_until: Change<Scalar>,
    /// Id of the fact it replaces.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub supersedes: Change<String>,
    /// Ids of the facts it was derived from.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub derived_from: Change<Vec<String>>,
    /// Files it speaks about.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub anchors: Change<Vec<AnchorDto>>,
    /// Marked as out of date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
    /// Out of recall, still listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Never leaves this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// Where it was taken from.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub source: Change<String>,
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
    /// Write control and bidirectional characters in their visible form instead of refusing them.
    #[serde(skip_serializing_if = "is_false")]
    pub escape: bool,
}

/// Who does something to a fact, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActorDto {
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

/// Which state of a fact is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FactAskDto {
    /// What it said at this time, by the clocks of its authors: a time, or how long ago, as in `7d`; without it, what it
    /// says now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Scalar>,
}

/// What a write came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WrittenDto {
    /// The fact or incident.
    pub id: String,
    /// The event that stands for the write: the new one, or the one that said the same before.
    pub event: String,
    /// `written`; `existed` when it was there already; `unchanged` when it says that already.
    pub outcome: String,
    /// Whether the fact stays on this node from now on, and members that got it before keep what they got.
    #[serde(default, skip_serializing_if = "is_false")]
    pub left_with_others: bool,
}

/// What to say to whoever makes a shared fact private, or lowers its level.
pub const LEFT_WITH_OTHERS: &str = "It stays on this machine from now on, and members that got it before keep it";

/// Many facts at once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchDto {
    /// The facts.
    pub facts: Vec<NewFactDto>,
}

/// What one fact of a batch came to: one of the two keys is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchItemDto {
    /// It is remembered.
    Ok(WrittenDto),
    /// It was refused.
    Error(Problem),
}

/// What a batch came to, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchResultDto {
    /// One entry per fact.
    pub results: Vec<BatchItemDto>,
}

/// Which facts are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FactFilterDto {
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
    /// Whose text was written on this node: a name, a peer id or a unique prefix of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `true`: archived ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// `true`: forgotten ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<bool>,
    /// `true`: only those that were edited concurrently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverged: Option<bool>,
    /// Most facts to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on after this id: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactsDto {
    /// The facts.
    pub facts: Vec<FactDto>,
    /// Pass it as `after` for the next page; missing on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A fact as it stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FactDto {
    /// Its id, the same on every node.
    pub id: String,
    /// The text; missing when it was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// 0 to 3.
    pub level: u64,
    /// `project`, `domain`, `module` or `snippet`.
    pub level_name: String,
    /// Name of the node its text was written on.
    pub author: String,
    /// Peer id of that node.
    pub origin: String,
    /// `own` when it was written here, `member` when by another member of the team.
    pub trust: String,
    /// `shared` with the team, or `local` to this node.
    pub stream: String,
    /// When it was first written.
    pub created_at: String,
    /// When it was last changed, by its author's clock.
    pub updated_at: String,
    /// How its text came to be.
    #[serde(default)]
    pub provenance: ProvenanceDto,
    /// Area of knowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Module inside the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How sure the author is, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Place in code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_ref: Option<String>,
    /// Id of the fact it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Time to live from its creation, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// What happens after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expire: Option<String>,
    /// Not true before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Not true after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// Id of the fact it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<String>,
    /// Ids of the facts it was derived from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived_from: Vec<String>,
    /// Files it speaks about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<AnchorDto>,
    /// Where it was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Sealed to this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Marked as out of date.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// Out of recall.
    #[serde(default, skip_serializing_if = "is_false")]
    pub archived: bool,
    /// Never leaves this node.
    #[serde(default, skip_serializing_if = "is_false")]
    pub private: bool,
    /// It was forgotten; its text is gone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forgotten: bool,
    /// It was forgotten for good: nothing brings it back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erased: bool,
    /// Where it is gone, when one erased fact is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<ErasureDto>,
    /// Some of its values are not held here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub incomplete: bool,
    /// Fields that were edited concurrently and wait for a resolution; the later edit is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diverged: Vec<String>,
    /// What every side says about those fields, the shown one first; long values are cut, and of many sides some are
    /// left out: the divergence itself gives all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<SideDto>,
    /// How often it was recalled on this node.
    #[serde(default)]
    pub hits: u64,
    /// When it was last recalled on this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_hit: Option<String>,
}

/// One event in the life of a fact or an incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntryDto {
    /// The event.
    pub event: String,
    /// What it did.
    pub action: String,
    /// When, by its author's clock.
    pub at: String,
    /// Name of the node it was written on.
    pub author: String,
    /// Peer id of that node.
    pub origin: String,
    /// Store it was written in.
    pub store: String,
    /// `shared` or `local`.
    pub stream: String,
    /// Its place in that store's log.
    pub seq: u64,
    /// The fields it set, with their values; null where it cleared one.
    pub fields: BTreeMap<String, Value>,
    /// Fields for which it still stands.
    pub standing: Vec<String>,
    /// How it came to be; missing when its payload is not held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceDto>,
}

/// The life of a fact or an incident, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryDto {
    /// The fact or incident.
    pub id: String,
    /// Its events.
    pub history: Vec<HistoryEntryDto>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
