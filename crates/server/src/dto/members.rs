//! The members of a team, its roles, and what its stewards do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Scalar, TeamDto};

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MemberDto {
    /// Its key.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether it may sign membership.
    pub steward: bool,
    /// Whether it is this node.
    pub own: bool,
    /// When its grant ends.
    pub not_after: String,
    /// Whether that is over.
    pub expired: bool,
    /// Roles that it may read and whose present key it was not given.
    pub lacks: Vec<String>,
}

/// A removed member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FormerDto {
    /// Its key, which never comes back.
    pub peer_id: String,
    /// Its name, as far as it is known.
    pub name: String,
    /// The key of the steward who removed it.
    pub by: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether somebody else may hold its key.
    pub compromised: bool,
    /// Events of it that are held beyond the cut of its removal, and do not count.
    pub beyond: u64,
}

/// A change of stewards that waits for consent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WaitingDto {
    /// Hash of its record; the beginning of it names it.
    pub record: String,
    /// `revoke`, `remove` or `add`.
    pub change: String,
    /// The key it is about.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// Names of those who signed, the author first.
    pub signers: Vec<String>,
    /// Whether this node is among them.
    pub signed: bool,
    /// Whether this node's signature is missing and would count.
    #[serde(default)]
    pub asked: bool,
    /// How many must sign.
    pub needed: u64,
}

/// The members of a team.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MembersDto {
    /// The team.
    pub team: TeamDto,
    /// Hash of its present genome.
    pub genome_hash: String,
    /// Members, in the order of their names.
    pub members: Vec<MemberDto>,
    /// Who was removed.
    pub former: Vec<FormerDto>,
    /// Names of the stewards, from the oldest right to the youngest.
    pub stewards: Vec<String>,
    /// How many of them must agree to appoint one more.
    pub needed: u64,
    /// What waits for their consent.
    pub waiting: Vec<WaitingDto>,
    /// The number of a record kind that this version does not know and must not ignore.
    pub critical: Option<u64>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RoleDto {
    /// Its name.
    pub name: String,
    /// What it may do, as its gene says.
    pub rule: String,
    /// Names of the members that have it.
    pub members: Vec<String>,
    /// Its present key: the hash of the record that made it. Null until somebody needs one.
    pub epoch: Option<String>,
    /// Keys it had so far.
    pub epochs: u64,
    /// How many hold the present one.
    pub holders: u64,
}

/// The roles of a team.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RolesDto {
    /// In the order of their names.
    pub roles: Vec<RoleDto>,
}

/// Whose grants to renew: of one member, or of all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewDto {
    /// A name, a peer id or a unique prefix of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Every member, this node included.
    #[serde(default)]
    pub all: bool,
    /// How long the new grants hold: `365d`, or milliseconds; 365 days when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<Scalar>,
}

/// Members with what they were granted just now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GrantedDto {
    /// In the order of their names.
    pub members: Vec<MemberDto>,
}

/// The roles a member is to have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRolesDto {
    /// A name, a peer id or a unique prefix of one.
    pub peer: String,
    /// All its roles from now on.
    pub roles: Vec<String>,
}

/// A role that is to get a new key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateDto {
    /// Its name.
    pub role: String,
    /// Whether the new key must not open what was sealed before.
    #[serde(default)]
    pub fresh: bool,
}

/// A role with its new key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RotatedDto {
    /// The role.
    pub role: RoleDto,
    /// Whether later grants do not open what was sealed before.
    pub fresh: bool,
}

/// A member to be made a steward, or to be one no more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StewardDto {
    /// A name, a peer id or a unique prefix of one.
    pub peer: String,
    /// `true` appoints, `false` ends it.
    pub add: bool,
}

/// A change of stewards that this node agrees to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveDto {
    /// The beginning of its record's hash.
    pub record: String,
}

/// What became of a record that may need the consent of several stewards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ChangedDto {
    /// The key it is about.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// `revoke`, `remove` or `add`.
    pub change: String,
    /// Hash of the record; the beginning of it names it.
    pub record: String,
    /// Whether it has effect; if not, it waits for more consent.
    pub effective: bool,
    /// Names of those who signed. Once it has effect only this node is named.
    pub signers: Vec<String>,
    /// How many must sign.
    pub needed: u64,
}

/// A member to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeDto {
    /// A name, a peer id or a unique prefix of one.
    pub peer: String,
    /// Why; every member reads it.
    pub reason: String,
    /// Whether the key may be in wrong hands.
    #[serde(default)]
    pub compromised: bool,
}

/// How a removal went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RevokedDto {
    /// What became of its record; `peer_id` is the key that will not come back.
    #[serde(flatten)]
    pub change: ChangedDto,
    /// Roles that get new keys by it.
    pub roles: Vec<String>,
    /// Members whose events of the removed one did not come in time, so that they are cut off until they are adopted.
    pub behind: Vec<String>,
}

/// A member that something is done with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptDto {
    /// A name, a peer id or a unique prefix of one.
    pub peer: String,
}

/// What was adopted of a removed member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AdoptedDto {
    /// What became of the record.
    #[serde(flatten)]
    pub change: ChangedDto,
    /// Events of it that count again.
    pub adopted: u64,
    /// Events of it that still do not.
    pub beyond: u64,
}
