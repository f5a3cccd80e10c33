//! A machine that was restored from an older copy, in JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of it when a machine was found to have been restored from an older copy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RestoredDto {
    /// When it was found.
    pub at: String,
    /// Facts and incidents of which something was written again.
    pub written_again: u64,
    /// Events that still wait to be written again.
    pub waiting: u64,
    /// Whether a new store had to be opened.
    pub new_store: bool,
}
