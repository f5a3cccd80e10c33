//! What a node's network can be told, and its limits.

use std::fmt;
use std::time::Duration;

use libp2p::Multiaddr;
use zeroize::Zeroizing;

use crate::bytes_codec::BytesCodec;
use crate::dht::DhtConfig;
use crate::reach::ReachConfig;

/// Most bytes of a handshake request and of its answer.
pub const HANDSHAKE_BYTES_MAX: usize = 128 * 1024;
/// Most bytes of a request to join.
pub const JOIN_REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of the answer to a request to join, which carries genome and charter.
pub const JOIN_RESPONSE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most bytes of a request about sealed copies and of its answer.
pub const BACKUP_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of a question that is never queued.
pub const QUERY_REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of the answer to such a question.
pub const QUERY_RESPONSE_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of a sync frame.
pub const SYNC_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes of an outbox frame.
pub const OUTBOX_FRAME_BYTES_MAX: usize = 513 * 1024;
/// Most bytes of a frame of blocks.
pub const BLOCKS_FRAME_BYTES_MAX: usize = 257 * 1024;
/// Most bytes of a frame about copies.
pub const REPLICATION_FRAME_BYTES_MAX: usize = 33 * 1024;
/// Most sync streams that a member may hold open towards us on one connection.
pub const SYNC_STREAMS_MAX: usize = 8;
/// Most outbox streams that a member may hold open towards us on one connection. It needs one, and a second while we
/// have not noticed the end of the first.
pub const OUTBOX_STREAMS_MAX: usize = 4;
/// Most streams of blocks that a member may hold open towards us on one connection: one for each document that it
/// fetches at the same time.
pub const BLOCKS_STREAMS_MAX: usize = 6;
/// Most streams about copies that a member may hold open towards us on one connection. It needs one, and a second while we
/// have not noticed the end of the first.
pub const REPLICATION_STREAMS_MAX: usize = 4;

/// What members open streams for. Each kind has limits of its own, so that one does not keep the other from its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKind {
    /// `/antiphon/sync/1`: two members exchange their logs.
    Sync,
    /// `/antiphon/outbox/1`: a member delivers what has waited for another.
    Outbox,
    /// `/antiphon/blocks/1`: a member fetches the blocks of a document.
    Blocks,
    /// `/antiphon/replication/1`: a member asks what is held here, and offers what is to be.
    Replication,
}

impl StreamKind {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "/antiphon/sync/1",
            Self::Outbox => "/antiphon/outbox/1",
            Self::Blocks => "/antiphon/blocks/1",
            Self::Replication => "/antiphon/replication/1",
        }
    }

    /// Most bytes of one frame of this kind: a little more than its longest message has. So much may lie here of a frame
    /// that never comes to its end, for each stream of a member.
    pub const fn frame_bytes_max(self) -> usize {
        match self {
            Self::Sync => SYNC_FRAME_BYTES_MAX,
            Self::Outbox => OUTBOX_FRAME_BYTES_MAX,
            Self::Blocks => BLOCKS_FRAME_BYTES_MAX,
            Self::Replication => REPLICATION_FRAME_BYTES_MAX,
        }
    }

    /// Most streams of this kind that a member may hold open towards us on one connection.
    pub const fn inbound_max(self) -> usize {
        match self {
            Self::Sync => SYNC_STREAMS_MAX,
            Self::Outbox => OUTBOX_STREAMS_MAX,
            Self::Blocks => BLOCKS_STREAMS_MAX,
            Self::Replication => REPLICATION_STREAMS_MAX,
        }
    }
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `/antiphon/handshake/1`: two nodes prove to each other that they belong together.
    Handshake,
    /// `/antiphon/join/1`: the holder of a ticket asks a steward for its grant.
    Join,
    /// `/antiphon/backup/1`: a member asks another to keep what only it can read. Members only.
    Backup,
    /// `/antiphon/query/1`: a member asks another what it asks again rather than keep it waiting, such as a search.
    /// Members only.
    Query,
}

impl Protocol {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "/antiphon/handshake/1",
            Self::Join => "/antiphon/join/1",
            Self::Backup => "/antiphon/backup/1",
            Self::Query => "/antiphon/query/1",
        }
    }

    /// Most bytes of a request.
    pub const fn request_bytes_max(self) -> usize {
        match self {
            Self::Handshake => HANDSHAKE_BYTES_MAX,
            Self::Join => JOIN_REQUEST_BYTES_MAX,
            Self::Backup => BACKUP_BYTES_MAX,
            Self::Query => QUERY_REQUEST_BYTES_MAX,
        }
    }

    /// Most bytes of an answer.
    pub const fn response_bytes_max(self) -> usize {
        match self {
            Self::Handshake => HANDSHAKE_BYTES_MAX,
            Self::Join => JOIN_RESPONSE_BYTES_MAX,
            Self::Backup => BACKUP_BYTES_MAX,
            Self::Query => QUERY_RESPONSE_BYTES_MAX,
        }
    }

    /// Whether only who was let in can use it.
    pub const fn members_only(self) -> bool {
        matches!(self, Self::Backup | Self::Query)
    }

    pub(crate) const fn codec(self) -> BytesCodec {
        BytesCodec { request_bytes_max: self.request_bytes_max(), response_bytes_max: self.response_bytes_max() }
    }
}

/// How to build a node's network.
#[derive(Clone)]
pub struct Config {
    /// The seed of the node's Ed25519 key (RFC 8032), which is its identity.
    pub seed: Zeroizing<[u8; 32]>,
    /// What identify tells others about this program.
    pub agent_version: String,
    /// Where to listen; TCP and QUIC (`/ip4/0.0.0.0/tcp/0`, `/ip4/0.0.0.0/udp/0/quic-v1`).
    pub listen: Vec<Multiaddr>,
    /// Whether to find nodes on the local network, and to be found there, by multicast DNS.
    pub mdns: bool,
    /// How to be reachable where no address leads here.
    pub reach: ReachConfig,
    /// How long a connection may stay without the gate being opened for its peer.
    pub stranger_deadline: Duration,
    /// Most inbound connections without an open gate. One more ends the oldest: an honest peer is let in within
    /// milliseconds, so this hurts those who only sit there.
    pub strangers_max: usize,
    /// How long an attempt to connect may take, per address.
    pub connect_timeout: Duration,
    /// How long a request may take once connected and once it is its turn, its answer included. A few go to one peer at
    /// the same time, the others wait.
    pub request_timeout: Duration,
    /// How long [`crate::NetHandle::open_stream`] keeps trying.
    pub open_stream_timeout: Duration,
    /// Most inbound connections that are still being negotiated.
    pub pending_incoming_max: u32,
    /// Most established inbound connections; a team has up to 512 members, the rest is for strangers.
    pub established_incoming_max: u32,
    /// Events that wait in the channel before the network is held back.
    pub event_capacity: usize,
    /// How to take part in the members' hash table; `None` for a node that does not.
    pub dht: Option<DhtConfig>,
}

impl Config {
    /// The defaults: listen nowhere, no multicast DNS.
    pub fn new(seed: Zeroizing<[u8; 32]>, agent_version: impl Into<String>) -> Self {
        Self {
            seed,
            agent_version: agent_version.into(),
            listen: Vec::new(),
            mdns: false,
            reach: ReachConfig::default(),
            stranger_deadline: Duration::from_secs(10),
            strangers_max: 64,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            open_stream_timeout: Duration::from_secs(5),
            pending_incoming_max: 64,
            established_incoming_max: 640,
            event_capacity: 256,
            dht: None,
        }
    }
}

/// Without the seed, which must not get into a log.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("agent_version", &self.agent_version)
            .field("listen", &self.listen)
            .field("mdns", &self.mdns)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_not_printed() {
        let text = format!("{:?}", Config::new([77; 32].into(), "antiphon/1"));
        assert!(text.contains("antiphon/1") && !text.contains("77"), "{text}");
    }
}
