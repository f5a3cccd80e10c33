//! How a node takes part in the members' hash table.

use antiphon_core::dht::Prefix;
use antiphon_net::dht::Mode;
use antiphon_protocol::dht::Choice;
use antiphon_protocol::dht::publish::REPUBLISH_MS;
use antiphon_protocol::dht::upkeep::Intervals;

/// Settings of the hash table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtSettings {
    /// What the protocol's name and the keys begin with; that of the team when it is not given. All members must have
    /// the same.
    pub prefix: Option<Prefix>,
    /// Whether others may ask this node.
    pub mode: Mode,
    /// Which backend is used until a person chooses another one.
    pub backend: Choice,
    /// Members to begin with, as multiaddresses that end in `/p2p/PEER`.
    pub bootstrap: Vec<String>,
    /// How often what is done.
    pub intervals: Intervals,
    /// How long what was published stands before it is published again, in milliseconds.
    pub republish_ms: u64,
}

impl Default for DhtSettings {
    fn default() -> Self {
        Self {
            prefix: None,
            mode: Mode::Auto,
            backend: Choice::Auto,
            bootstrap: Vec::new(),
            intervals: Intervals::default(),
            republish_ms: REPUBLISH_MS,
        }
    }
}
