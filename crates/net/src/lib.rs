//! The libp2p side of an Antiphon node: bytes and peers.
//!
//! This crate connects, hides what strangers must not see, and moves opaque bytes; what the bytes mean and who may
//! come in is decided by its caller. A stranger can speak ping, identify, handshake and join. When the caller has
//! found a peer to be a member it opens the gate ([`NetHandle::open_gate`]), and the same connection then carries
//! the members' streams ([`StreamKind`]) and requests too.
//!
//! [`new`] gives a handle, the events, and the future that is the network; the caller spawns that future, nothing
//! here spawns tasks of its own (libp2p runs its connections on the executor it is given, which is tokio's).
//!
//! # Back-pressure
//! Events go through a bounded channel. While it is full, the network is not read: connections fill up and the
//! remotes wait. That must not stop the caller's own operations, which may be what keeps it from reading events, so
//! commands are always taken, and while one of them waits for the network ([`NetHandle::request`],
//! [`NetHandle::open_gate`], [`NetHandle::open_stream`], [`Responder::respond`]) the network goes on. Events that come
//! meanwhile are kept up to [`EVENTS_HELD_MAX`]; beyond it requests and streams of remotes are refused and reports that
//! can be missed are dropped, while [`Event::Connected`] and [`Event::Disconnected`] are kept, an unseen pair cancelling
//! itself out. So nothing waits in a circle, and memory stays bounded.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod asks;
mod backlog;
mod bytes_codec;
mod config;
pub mod dht;
mod driver;
mod event;
mod gate;
mod handle;
mod muxer;
mod reach;
mod reason;
pub mod stream;
mod streams;
mod swarm;
mod transport;
mod turned_away;

pub use asks::STRANGER_REQUESTS_MAX;
pub use backlog::{ADDRESSES_MAX, AGENT_VERSION_CHARS_MAX, EVENTS_HELD_MAX};
pub use config::{
    BACKUP_BYTES_MAX, BLOCKS_FRAME_BYTES_MAX, BLOCKS_STREAMS_MAX, Config, HANDSHAKE_BYTES_MAX, JOIN_REQUEST_BYTES_MAX,
    JOIN_RESPONSE_BYTES_MAX, OUTBOX_FRAME_BYTES_MAX, OUTBOX_STREAMS_MAX, Protocol, QUERY_REQUEST_BYTES_MAX,
    QUERY_RESPONSE_BYTES_MAX, REPLICATION_FRAME_BYTES_MAX, REPLICATION_STREAMS_MAX, SYNC_FRAME_BYTES_MAX,
    SYNC_STREAMS_MAX, StreamKind,
};
pub use dht::{Dht, DhtConfig};
pub use event::{Event, RequestBytes, Responder};
pub use handle::{Error, NetHandle, RequestError};
pub use libp2p::Multiaddr;
pub use reach::{RELAYS_USED_MAX, ReachConfig};
pub use reason::NetworkReason;
pub use stream::{FRAME_BYTES_MAX, MemberReader, MemberStream, MemberWriter, Traffic};
pub use swarm::{BuildError, new};
pub use turned_away::{Tally, TurnedAway};
