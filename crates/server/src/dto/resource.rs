//! Resources: what nodes offer to their team.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Scalar};

/// A resource to be offered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResourceDto {
    /// `tool`, `dataset`, `model`, `service`, `workflow`, `storage` or `compute`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is, in the form of a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// What else it is found by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Names the offer: making it again while the resource is there changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// A change of a resource: a missing key keeps the value, `null` clears it where it can be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceEditDto {
    /// The new kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
    /// Where it is.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub address: Change<String>,
    /// What it can do, all of it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub capabilities: Change<Vec<String>>,
    /// What else it is found by, all of it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub tags: Change<Vec<String>>,
}

/// Which resources are listed or searched for: those that fit all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceFilterDto {
    /// Words that must all occur.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With this capability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// With this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Of this node, by name or peer id. Only in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Most resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on after this id: the `next` of the page before. Only in lists without words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Ask connected members too. Only in searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<bool>,
}

/// A resource as it is known here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourceDto {
    /// Its id, the same on every node.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// What else it is found by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Counts its states, from 1.
    pub version: u64,
    /// When it was last changed, by its owner's clock.
    pub updated_at: String,
    /// Peer id of the node that offers it.
    pub owner_peer_id: String,
    /// Name of that node.
    pub owner: String,
    /// `own`, `member`, or `former` for a node that is no member any more.
    pub ownership: String,
    /// When this state of it came here.
    pub learned_at: String,
    /// What its owner last said when it was asked whether it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<ResourceCheckedDto>,
}

/// What an owner said when it was asked whether a resource is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourceCheckedDto {
    /// When it said so.
    pub at: String,
    /// Whether it is there.
    pub there: bool,
    /// The version that its owner has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// A page of resources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourcesDto {
    /// The resources.
    pub resources: Vec<ResourceDto>,
    /// Pass it as `after` for the next page; missing on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Everything that is known of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourceDetailDto {
    /// The resource.
    #[serde(flatten)]
    pub resource: ResourceDto,
    /// When it can be used, as its owner says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ResourcePlanDto>,
    /// Who means to use it, or was answered.
    #[serde(default)]
    pub considers: Vec<ConsiderDto>,
}

/// When a resource can be used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcePlanDto {
    /// The times, in the order in which they begin; none for never.
    pub windows: Vec<WindowDto>,
    /// When the plan was made; not to be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// A time in which a resource can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowDto {
    /// When it begins.
    pub from: Scalar,
    /// When it ends.
    pub until: Scalar,
    /// How much of it there is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The acknowledgement of a planned use, to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsiderDto {
    /// When the use begins.
    pub from: Scalar,
    /// When it ends.
    pub until: Scalar,
    /// Yes or no.
    pub yes: bool,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// To whom it is said, by name or peer id; its owner when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

/// The acknowledgement of a planned use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConsiderDto {
    /// Peer id of whoever gave it.
    pub peer_id: String,
    /// Its name.
    pub peer: String,
    /// When the use begins.
    pub from: String,
    /// When it ends.
    pub until: String,
    /// Yes or no.
    pub yes: bool,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was said, by that node's clock.
    pub at: String,
}

/// Something was said about a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourceToldDto {
    /// Which.
    pub id: String,
    /// Its version now.
    pub version: u64,
    /// To how many members it goes: at once where they are connected, else when they are.
    pub members: u64,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourceSearchDto {
    /// The resources, best first.
    pub resources: Vec<ResourceDto>,
    /// The members that were asked directly.
    #[serde(default)]
    pub asked: Vec<SearchedPeerDto>,
}

/// How one member answered a search.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SearchedPeerDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name.
    pub peer: String,
    /// How many of its resources fit; missing when it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u64>,
    /// What it offers in all; missing when it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offers: Option<OffersDto>,
    /// Why it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a node offers, at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OffersDto {
    /// How many resources.
    pub total: u64,
    /// How many of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// What they can do.
    pub capabilities: Vec<String>,
}

/// What one node offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OfferDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name.
    pub peer: String,
    /// `own`, `member`, or `former` for a node that is no member any more.
    pub ownership: String,
    /// Kinds and capabilities.
    #[serde(flatten)]
    pub offers: OffersDto,
}

/// What every node offers, this one first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OfferListDto {
    /// The nodes that offer something.
    pub offers: Vec<OfferDto>,
}

/// How the question ended whether a resource is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourceVerifiedDto {
    /// `stands`: its owner stands by it as it is known here; `changed`: it is there and was changed since; `gone`: its
    /// owner has no such resource; `unanswered`: it has not answered yet.
    pub verdict: String,
    /// Whether its owner is connected; if not, it is asked when it is, and after a few attempts no more.
    pub connected: bool,
    /// The resource.
    pub resource: ResourceDto,
}
