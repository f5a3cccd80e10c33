//! Everything that a person can want of a node, with the defaults.

use antiphon_core::replication::Settings as ReplicationSettings;
use antiphon_node::{Config, DhtSettings, Home, OutboxConfig, ReachConfig, StorageSettings};

use super::doctor::DoctorWanted;
use super::http::HttpWanted;
use super::node::NodeWanted;

/// What is wanted, typed. Its default is what holds when nobody says anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `[content] cache`: most bytes of documents that stay decrypted in memory.
    pub(crate) content_cache_bytes: u64,
    /// `[dht]`.
    pub(crate) dht: DhtSettings,
    /// `[doctor]`.
    pub(crate) doctor: DoctorWanted,
    /// `[http]`.
    pub(crate) http: HttpWanted,
    /// `[network]`.
    pub(crate) network: ReachConfig,
    /// `[node]`.
    pub(crate) node: NodeWanted,
    /// `[outbox]`.
    pub(crate) outbox: OutboxConfig,
    /// `[replication]`.
    pub(crate) replication: ReplicationSettings,
    /// `[storage]`.
    pub(crate) storage: StorageSettings,
    /// `[storage] reserve`: free space below which the node is not ready, in bytes.
    pub(crate) reserve_bytes: u64,
}

impl Default for Wanted {
    fn default() -> Self {
        let node = Config::new(Home::new(""));
        Self {
            content_cache_bytes: node.content_cache_bytes,
            dht: node.dht,
            doctor: DoctorWanted::default(),
            http: HttpWanted::default(),
            network: node.reach,
            node: NodeWanted::of(node.listen, node.mdns, node.peer_timeout_ms),
            outbox: node.outbox,
            replication: node.replication,
            storage: node.storage,
            reserve_bytes: node.reserve_bytes,
        }
    }
}

impl Wanted {
    /// What a node at `home` is started with.
    pub(crate) fn config(&self, home: Home) -> Config {
        Config {
            name: self.node.name.clone(),
            listen: self.node.listen.clone(),
            mdns: self.node.mdns,
            peer_timeout_ms: self.node.peer_timeout_ms,
            content_cache_bytes: self.content_cache_bytes,
            dht: self.dht.clone(),
            outbox: self.outbox.clone(),
            reach: self.network,
            replication: self.replication,
            storage: self.storage,
            reserve_bytes: self.reserve_bytes,
            ..crate::locate::config(home)
        }
    }
}
