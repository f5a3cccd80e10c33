//! What a node is started with.

mod dht;
mod outbox;
mod replication;
mod storage;

pub use dht::DhtSettings;
pub use outbox::{LevelError, Levels, OUTBOX_RETRY_MS, OutboxConfig};
pub(crate) use replication::fit;
pub use storage::{STORAGE_QUOTA_BYTES, StorageSettings};

use crate::api::PEER_TIMEOUT_MS;
use crate::home::Home;

/// Settings of a node. The defaults suit a machine on a local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it keeps everything.
    pub home: Home,
    /// Its name for people; the host's name when it is not given. Used when the home is new.
    pub name: Option<String>,
    /// What tells it from other nodes on this host, behind the host's name, when no name is given.
    pub profile: Option<String>,
    /// Name of the team of one that a new home founds; made from the node's name when it is not given.
    pub team: Option<String>,
    /// Genes of the founder's, by id, in the team that a new home founds: more stewards, policies, limits, roles, laws.
    pub founding: Vec<(String, String)>,
    /// Multiaddresses to listen at.
    pub listen: Vec<String>,
    /// Whether to look for members on the local network by multicast DNS.
    pub mdns: bool,
    /// Most bytes of documents that stay decrypted in memory after they were read.
    pub content_cache_bytes: u64,
    /// How to be reachable where no address leads here.
    pub reach: antiphon_net::ReachConfig,
    /// How long a verified peer may be silent before it counts as expired, in milliseconds.
    pub peer_timeout_ms: u64,
    /// Most bytes of sealed copies that are kept for one member.
    pub copy_quota_bytes: u64,
    /// What may wait for peers that cannot be reached.
    pub outbox: OutboxConfig,
    /// What it stores for others.
    pub storage: StorageSettings,
    /// How it cares for copies of documents.
    pub replication: antiphon_core::replication::Settings,
    /// How it takes part in the members' hash table.
    pub dht: DhtSettings,
    /// Free space on the disk below which the node is not ready, in bytes.
    pub reserve_bytes: u64,
    /// Program and version that peers are told.
    pub agent_version: String,
}

impl Config {
    /// A node at `home` that listens on every interface, at ports the system picks.
    pub fn new(home: Home) -> Self {
        Self {
            home,
            name: None,
            profile: None,
            team: None,
            founding: Vec::new(),
            listen: vec!["/ip4/0.0.0.0/tcp/0".to_owned(), "/ip4/0.0.0.0/udp/0/quic-v1".to_owned()],
            mdns: true,
            content_cache_bytes: crate::content::CACHE_BYTES_DEFAULT,
            reach: antiphon_net::ReachConfig::default(),
            peer_timeout_ms: PEER_TIMEOUT_MS,
            copy_quota_bytes: crate::sealed::QUOTA_BYTES,
            outbox: OutboxConfig::default(),
            storage: StorageSettings::default(),
            replication: antiphon_core::replication::Settings::default(),
            dht: DhtSettings::default(),
            reserve_bytes: RESERVE_BYTES,
            agent_version: concat!("antiphon/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The node's name: as given, else the host's with the profile behind it.
    pub(crate) fn node_name(&self) -> String {
        let host = || {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            self.profile.as_ref().map_or_else(|| host.clone(), |profile| format!("{host}-{profile}"))
        };
        let name = self.name.clone().unwrap_or_else(host);
        let mut fit = String::new();
        for c in name.trim().chars().filter(|c| !c.is_control()) {
            if fit.len() + c.len_utf8() > NAME_BYTES_MAX {
                break;
            }
            fit.push(c);
        }
        if fit.is_empty() { "node".to_owned() } else { fit }
    }

    /// The name of the team of one.
    pub(crate) fn team_name(&self) -> String {
        self.team.clone().unwrap_or_else(|| format!("{}-team", self.node_name()))
    }
}

/// Free space below which a node is not ready when nobody says otherwise, in bytes: 64 MiB.
pub const RESERVE_BYTES: u64 = 64 << 20;
/// Longest name that is taken, in bytes; the formats allow 64, and a team's name is made from it.
const NAME_BYTES_MAX: usize = 56;
