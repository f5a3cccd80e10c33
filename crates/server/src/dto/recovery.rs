//! Sealed copies, and coming back after a loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ReasonDto, TeamDto};

/// With whom a sealed copy of the private facts is left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SealDto {
    /// Names or ids of members; without any, those that were chosen before.
    pub with: Vec<String>,
    /// All other members.
    pub all: bool,
}

/// What became of sealing to one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SealedToDto {
    /// The member.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// Parts that it took now.
    pub parts: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Events that it keeps.
    pub events: u64,
    /// Events that it lacks.
    pub missing: u64,
    /// Why it lacks them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<ReasonDto>,
}

/// What became of sealing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SealResultDto {
    /// One for each member.
    pub sealed: Vec<SealedToDto>,
}

/// A copy that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UnsealedDto {
    /// The member that kept it.
    pub peer_id: String,
    /// Parts that it had.
    pub parts: u64,
}

/// A member that was chosen to keep a sealed copy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HolderDto {
    /// The member.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Whether it is a member still.
    pub member: bool,
    /// Events that it keeps, by its last word.
    pub events: u64,
    /// Events that it lacks.
    pub missing: u64,
    /// When it last confirmed something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<String>,
    /// Stable name of why it took nothing when it was last asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What is kept for a member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct KeptForDto {
    /// The member.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// How many parts.
    pub parts: u64,
    /// How many bytes.
    pub bytes: u64,
    /// When the last one came.
    pub updated_at: String,
}

/// Sealed copies: who keeps this node's, and whose it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SealedDto {
    /// Facts that would be lost with this machine if nobody kept them.
    pub private_facts: u64,
    /// Events of the local stream.
    pub events: u64,
    /// Who keeps this node's.
    pub holders: Vec<HolderDto>,
    /// Whose this node keeps.
    pub kept: Vec<KeptForDto>,
    /// Most bytes that it keeps for one of them.
    pub quota_bytes: u64,
}

/// Whom to ask for a former place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormerPlaceRequestDto {
    /// A ticket, an old one too, or the address of a member.
    pub peer: String,
    /// Id of the team, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

/// How much of a log should come back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLogDto {
    /// The store that wrote the shared log.
    pub store_id: String,
    /// Its last event.
    pub seq: u64,
}

/// The place that a key has in a team, as a member says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FormerPlaceDto {
    /// The member that answered.
    pub peer_id: String,
    /// Its name.
    pub peer_name: String,
    /// The team.
    pub team: TeamDto,
    /// Names of its stewards.
    pub stewards: Vec<String>,
    /// What the team calls this key.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// The store that the new one follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_store_id: Option<String>,
    /// What the member holds of this key's own logs.
    pub expected: Vec<ExpectedLogDto>,
}

/// Takes a place back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverDto {
    /// A ticket, an old one too, or the address of a member.
    pub peer: String,
    /// Id of the team.
    pub team: String,
    /// Name of the node; the one in its grant if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a recovery waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryRequestDto {
    /// The logs.
    pub expected: Vec<ExpectedLogDto>,
}

/// A part of a sealed copy that was not believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DamagedPartDto {
    /// Who gave it.
    pub peer_id: String,
    /// The store whose local log it should be of.
    pub store_id: String,
    /// The sequence number it should begin with.
    pub first: u64,
    /// What is wrong with it.
    pub why: String,
}

/// A hole in a local log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CopyGapDto {
    /// The store.
    pub store_id: String,
    /// The last event that was restored.
    pub after: u64,
    /// The last event that somebody says it keeps.
    pub last: u64,
}

/// A member, and why it gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UnaskedDto {
    /// The member.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: ReasonDto,
}

/// How a recovery goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryDto {
    /// Whether everything that is known to exist is here.
    pub complete: bool,
    /// Events of the expected logs that are held.
    pub events: u64,
    /// Events of the expected logs that are missing still.
    pub missing: u64,
    /// Facts of the team that this key wrote or changed.
    pub own_facts: u64,
    /// All facts of the team that are held.
    pub shared_facts: u64,
    /// Facts that nobody but this node can read.
    pub private_facts: u64,
    /// Events that came out of sealed copies with this call.
    pub restored: u64,
    /// Names of the members that gave something back, or keep a sealed copy.
    pub peers: Vec<String>,
    /// Connected members that were asked for sealed copies and answered.
    pub asked: u64,
    /// Parts that were refused.
    pub damaged: Vec<DamagedPartDto>,
    /// Local logs that could not be completed.
    pub gaps: Vec<CopyGapDto>,
    /// Connected members that could not be asked for sealed copies.
    pub unasked: Vec<UnaskedDto>,
    /// Names of members that are away and may keep more.
    pub away: Vec<String>,
}
