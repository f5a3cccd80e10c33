//! How the table is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::dht::Prefix;

use super::RecordJudge;

/// Whether others may ask this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// As soon as there is an address under which it listens.
    #[default]
    Auto,
    /// Never: it asks, and holds nothing for others.
    Client,
    /// Always.
    Server,
}

impl Mode {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The mode of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::Client, Self::Server].into_iter().find(|mode| mode.name() == name)
    }
}

/// How a node takes part in the table.
#[derive(Clone)]
pub struct DhtConfig {
    /// What the protocol's name and the keys begin with.
    pub prefix: Prefix,
    /// Whether others may ask this node.
    pub mode: Mode,
    /// How long one operation may take; what was found until then counts.
    pub query_timeout: Duration,
    /// How long one member may take to answer.
    pub answer_timeout: Duration,
    /// How long the table waits for a member that it wants to meet.
    pub meeting_timeout: Duration,
    /// How long a node provides a key unless it says so again.
    pub provider_life: Duration,
    /// Most providers of one key that are held. A member's answer carries at most 20.
    pub providers_per_key: usize,
    /// Says which records are stored, and who is a member.
    pub judge: Arc<dyn RecordJudge>,
}

impl DhtConfig {
    /// The defaults.
    pub fn new(prefix: Prefix, judge: Arc<dyn RecordJudge>) -> Self {
        Self {
            prefix,
            mode: Mode::Auto,
            query_timeout: Duration::from_secs(15),
            answer_timeout: Duration::from_secs(5),
            meeting_timeout: Duration::from_secs(3),
            provider_life: Duration::from_secs(24 * 60 * 60),
            providers_per_key: 20,
            judge,
        }
    }
}

impl fmt::Debug for DhtConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhtConfig").field("prefix", &self.prefix).field("mode", &self.mode).finish_non_exhaustive()
    }
}
