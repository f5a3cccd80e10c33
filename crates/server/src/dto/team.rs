//! Inviting and joining.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Scalar, TeamDto};

/// A wish for a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteDto {
    /// The role it grants.
    pub role: String,
    /// How long it can be used: `24h`, or milliseconds; a day when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "ttl_ms")]
    pub ttl: Option<Scalar>,
}

/// A ticket. It holds a secret: whoever has it can join once.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct InvitationDto {
    /// The ticket, as text.
    pub ticket: String,
    /// The role it grants.
    pub role: String,
    /// When it ends.
    pub expires: String,
}

/// A ticket to be used.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinDto {
    /// The ticket.
    pub ticket: String,
    /// The node's name in the new team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `shared` or `none`: which facts come along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bring: Option<String>,
    /// Whether a team that others belong to may be left.
    #[serde(default)]
    pub leave: bool,
}

// A ticket is a secret, and what is debugged may be logged.
impl std::fmt::Debug for InvitationDto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("InvitationDto");
        shown.field("role", &self.role).field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for JoinDto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinDto").field("name", &self.name).field("bring", &self.bring).finish_non_exhaustive()
    }
}

/// How a join ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct JoinedDto {
    /// The team.
    pub team: TeamDto,
    /// The node was a member before; only addresses were renewed.
    pub already: bool,
    /// Facts that were published again in the new team.
    pub brought: u64,
    /// Facts that stayed on this node alone.
    pub kept_local: u64,
    /// Facts of others that stayed with the team that was left.
    #[serde(default)]
    pub left_behind: u64,
}
