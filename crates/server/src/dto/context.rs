//! What matters now, within a number of tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContextAskDto {
    /// What the work is about; without it the facts are those of the whole project, the most used and the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Most tokens that the text may take; 2,000 when it is missing, at most 50,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
}

/// One entry of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContextItemDto {
    /// `gene`, `diverged`, `incident`, `message` or `fact`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// How many tokens it takes, as estimated.
    pub tokens: usize,
}

/// The text, with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContextDto {
    /// The text: what others wrote stands within quotes that it cannot end.
    pub text: String,
    /// How many tokens it takes at most, as estimated: never more than the budget.
    pub tokens: usize,
    /// How many it may take.
    pub budget: usize,
    /// What stands in it, in its order.
    pub items: Vec<ContextItemDto>,
    /// What would have been of use and found no room.
    pub left_out: usize,
}
