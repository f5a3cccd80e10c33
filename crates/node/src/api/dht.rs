//! What is shown of the hash table, and why something about it was not done.

use std::collections::BTreeSet;

use antiphon_core::dht::{Body, Prefix, PrefixError, Standing, Topic};
use antiphon_core::fact::TextError;
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
pub use antiphon_net::dht::{Mode as DhtMode, Stats as DhtNetworkStats};
pub use antiphon_protocol::dht::hybrid::{
    Health as DhtHealth, Latency as DhtLatency, Operation as DhtOperation, Status as DhtHealthStatus, Tally as DhtTally,
};
pub use antiphon_protocol::dht::upkeep::Intervals as DhtIntervals;
pub use antiphon_protocol::dht::{Backend as DhtBackend, Choice as DhtChoice};
use antiphon_store::DhtCounts;
pub use antiphon_store::DhtSource;

use crate::api::Error;

/// Why something about the hash table was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DhtError {
    /// Not a key of this team's table.
    #[error("{0:?} is no key of this team's hash table")]
    Key(String),
    /// Not something that can be provided.
    #[error("{0:?} names nothing that can be provided")]
    Topic(String),
    /// Nothing stands under a key.
    #[error("nothing stands under {0}")]
    NotFound(String),
    /// A record that the law does not let in.
    #[error("the record is refused: {why}")]
    Refused {
        /// The stable name of the reason.
        reason: &'static str,
        /// The same in words.
        why: String,
    },
    /// There is no room for more.
    #[error("there is no room for more {what}, {max} are there")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// Only what a node was granted is announced.
    #[error("this node does not hold the role {role}; it holds {}", if held.is_empty() { "none".to_owned() } else { held.join(", ") })]
    RoleNotHeld {
        /// The role.
        role: String,
        /// Those it holds.
        held: Vec<String>,
    },
    /// A name that may not be written as it is.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Only a node itself says what it is.
    #[error("only {0} itself can say what it does")]
    NotOwn(NodeId),
    /// A person wants the network left alone.
    #[error("the network is left alone: the backend is set to local")]
    LeftAlone,
    /// Nobody could be asked.
    #[error("the network was not entered: no member that takes part in the hash table answers")]
    NotEntered,
    /// A prefix that is none.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
}

impl From<TextError> for Error {
    fn from(error: TextError) -> Self {
        Self::Dht(error.into())
    }
}

/// A record of the hash table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtRecordView {
    /// The key it is under.
    pub key: String,
    /// Who signed it.
    pub author: NodeId,
    /// Its name, empty when it is not known.
    pub author_name: String,
    /// Whether that is this node.
    pub own: bool,
    /// Which of several counts.
    pub version: u64,
    /// When it ends.
    pub expires: UnixMillis,
    /// What it says.
    pub body: Body,
    /// What the index of this node says of it.
    pub standing: Standing,
    /// The signed bytes.
    pub value: Vec<u8>,
    /// Whether members were asked too, and answered.
    pub asked: bool,
    /// When members took it, if it is this node's.
    pub published_at: Option<UnixMillis>,
}

/// What became of a record that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtStored {
    /// The record that stands under the key now.
    pub record: DhtRecordView,
    /// Whether that is new.
    pub changed: bool,
}

/// How somebody is known to provide something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtProviderView {
    /// Who.
    pub node: NodeId,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// When that was first heard.
    pub added_at: UnixMillis,
    /// When it was last heard.
    pub last_seen: UnixMillis,
}

/// What it is known from that a member does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DhtKnownBy {
    /// The charter grants it.
    Charter,
    /// It stands in the catalogue that the member has told.
    Catalogue,
    /// The member's card says so.
    Card,
    /// It is announced in the hash table.
    Announced,
}

impl DhtKnownBy {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charter => "charter",
            Self::Catalogue => "catalogue",
            Self::Card => "card",
            Self::Announced => "announced",
        }
    }
}

/// A member, as the charter and its card describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtPeerView {
    /// Who.
    pub node: NodeId,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// The agent that works there, as its card says.
    pub agent: Option<String>,
    /// Its roles, by the charter.
    pub roles: Vec<String>,
    /// What it can do, as its card says.
    pub capabilities: BTreeSet<String>,
    /// Where it listens, as its card says.
    pub addresses: Vec<String>,
    /// From what its answer to the question is known.
    pub known_by: BTreeSet<DhtKnownBy>,
    /// When its card ends, if it has one.
    pub card_expires: Option<UnixMillis>,
}

/// What this node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DhtRegistration {
    /// The agent that works here; what was said before stays when it is not given.
    pub agent: Option<String>,
    /// Roles that it works in, which it was granted.
    pub roles: Vec<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
}

/// Something that this node provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtProvidedView {
    /// What.
    pub topic: Topic,
    /// Why.
    pub source: DhtSource,
    /// Since when.
    pub since: UnixMillis,
    /// When members were last told; `None` while they still have to be.
    pub published_at: Option<UnixMillis>,
}

/// How the hash table does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtStatus {
    /// What the protocol's name and the keys begin with.
    pub prefix: Prefix,
    /// Who decides which backend is used.
    pub choice: DhtChoice,
    /// Which is used.
    pub using: DhtBackend,
    /// How this node's database does.
    pub local: DhtHealth,
    /// How the network does.
    pub kad: DhtHealth,
    /// Whether this node has entered the network.
    pub bootstrapped: bool,
    /// How often it tried.
    pub bootstrap_attempts: u64,
    /// Members in the routing table.
    pub routing: Vec<NodeId>,
    /// Members that are connected.
    pub connected: Vec<NodeId>,
    /// Members that were heard of in the table, and when.
    pub seen: Vec<(NodeId, UnixMillis)>,
    /// What is to be published, all together.
    pub items: usize,
    /// How much of it members were not told yet as it is now.
    pub waiting: usize,
    /// How much is being published.
    pub under_way: usize,
    /// When something is due next.
    pub next_due: Option<UnixMillis>,
    /// What the database holds.
    pub counts: DhtCounts,
    /// What the network's part counted.
    pub network: DhtNetworkStats,
    /// How long this node runs, in milliseconds.
    pub uptime_ms: u64,
}

/// The hash table in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhtStats {
    /// Members that were heard of in the table.
    pub total_peers: usize,
    /// Records and provided keys that this node knows.
    pub total_keys: u64,
    /// How long this node runs, in milliseconds.
    pub uptime_ms: u64,
    /// Members in the routing table.
    pub routing_table_size: usize,
    /// Members that are connected.
    pub connected_peers: usize,
}
