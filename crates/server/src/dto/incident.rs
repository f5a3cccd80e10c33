//! Incidents: as they are reported, updated and shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, ProvenanceDto, Scalar, SideDto};

/// An incident to be reported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIncidentDto {
    /// What happened, on one line.
    pub title: String,
    /// `open`, `investigating`, `contained`, `resolved` or `closed`; `open` when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `info`, `low`, `medium`, `high` or `critical`; `medium` when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// What is known about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many single occurrences it stands for; 1 when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_count: Option<u64>,
    /// The rule that saw them as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_rule: Option<String>,
    /// `reconnaissance`, `weaponization`, `delivery`, `exploitation`, `installation`, `command_and_control` or
    /// `actions_on_objectives`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_chain_phase: Option<String>,
    /// Ids of ATT&CK techniques: `T1059`, `T1059.001`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mitre_mapping: Vec<String>,
    /// Its id, where it was imported: reporting it again writes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was first reported elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Scalar>,
    /// Names the write: doing it again within a day writes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
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
    /// Write control and bidirectional characters in their visible form instead of refusing them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub escape: bool,
}

/// An update of an incident: a missing key keeps the field, `null` clears it where it can be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentEditDto {
    /// The new title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The new status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The new severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// What is known about it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
    /// How many single occurrences it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_count: Option<u64>,
    /// The rule that saw them as one.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub correlation_rule: Change<String>,
    /// How far the attack has got.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub kill_chain_phase: Change<String>,
    /// All techniques.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub mitre_mapping: Change<Vec<String>>,
    /// Names the write: doing it again within a day writes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
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

/// Which incidents are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentFilterDto {
    /// Of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Of this severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// `true`: only those that were edited concurrently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverged: Option<bool>,
    /// Most incidents to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on after this id: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of incidents, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentsDto {
    /// The incidents.
    pub incidents: Vec<IncidentDto>,
    /// Pass it as `after` for the next page; missing on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An incident as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct IncidentDto {
    /// Its id, the same on every node.
    pub id: String,
    /// How far it has been dealt with.
    pub status: String,
    /// How bad it is.
    pub severity: String,
    /// What happened; missing when the report is not held here or does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is known about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many single occurrences it stands for.
    pub event_count: u64,
    /// The rule that saw them as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_rule: Option<String>,
    /// How far the attack has got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_chain_phase: Option<String>,
    /// Ids of ATT&CK techniques.
    #[serde(default)]
    pub mitre_mapping: Vec<String>,
    /// When it was first reported.
    pub created_at: String,
    /// When it was last changed, by that author's clock.
    pub updated_at: String,
    /// Peer id of the node that reported it.
    pub source_peer_id: String,
    /// Name of that node.
    pub reporter: String,
    /// `own` when it was reported here, `member` when by another member of the team.
    pub trust: String,
    /// How its title came to be.
    #[serde(default)]
    pub provenance: ProvenanceDto,
    /// Some of its values are not held here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub incomplete: bool,
    /// Values that were set concurrently and wait for somebody to settle them; of each field the shown one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diverged: Vec<SideDto>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
