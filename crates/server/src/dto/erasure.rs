//! Forgetting for good.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an erasure stands at another member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ErasedAtDto {
    /// The member.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// Whether it has signed that it has erased the fact.
    pub erased: bool,
    /// When it signed that, by its clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
    /// Stable name of why it could not, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A fact that was forgotten for good, and where it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ErasureDto {
    /// The fact.
    pub id: String,
    /// The event that erases it.
    pub event: String,
    /// Name of the node that erased it.
    pub author: String,
    /// Peer id of that node.
    pub origin: String,
    /// When, by that node's clock.
    pub at: String,
    /// Something of it may still be in a file of this machine; that takes a moment.
    pub cleaning: bool,
    /// Whether it was shared at all; if not, there is nobody to ask.
    pub shared: bool,
    /// Members that have signed that they have erased it.
    pub erased: u64,
    /// Every other member.
    pub members: Vec<ErasedAtDto>,
}

impl ErasureDto {
    /// Whether it is gone here and every other member has signed that it is gone there.
    pub fn is_complete(&self) -> bool {
        !self.cleaning && self.members.iter().all(|member| member.erased)
    }
}
