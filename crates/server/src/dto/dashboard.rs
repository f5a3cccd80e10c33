//! The dashboard, and what tells programs that something has changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A link that lets one browser into the dashboard, once.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DashboardLinkDto {
    /// The link. It holds a secret.
    pub url: String,
    /// How long it can be used, in seconds.
    pub seconds: u64,
}

// A link is a secret, and what is debugged may be logged.
impl std::fmt::Debug for DashboardLinkDto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DashboardLinkDto").field("seconds", &self.seconds).finish_non_exhaustive()
    }
}

/// What an event of the stream of changes says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ChangedTopicsDto {
    /// What may have changed: `facts`, `incidents`, `contents`, `copies`, `charter`, `messages`, `outbox`, `peers` or
    /// `audit`; later versions add more.
    pub topics: Vec<String>,
}
