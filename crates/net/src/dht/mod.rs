//! The distributed hash table among members: Kademlia, behind the gate.
//!
//! libp2p's table takes whom it meets and believes who spoke last, which suits a public network. Here:
//!
//! - The table stands behind the gate, so a stranger is told that there is none.
//! - Only members that are let in now are asked and named to others (`behaviour`). The table never dials by itself:
//!   a node that it does not know is a matter of the handshake, so the caller is told ([`Happened::Wanted`]), and who
//!   is no member is passed over at once.
//! - What is stored is what the [`RecordJudge`] lets in, within bounds, and a refusal is a refusal: the sender does not
//!   count it as a success (`store`).
//! - Nothing is done by the clock here. What is published again, and when, is decided by the caller.
//!
//! What is stored here is a copy in memory. The caller hears of it ([`Happened::Stored`]), may keep it on disk, and
//! gives it back after a restart ([`Dht::keep`]).

mod behaviour;
mod config;
mod driver;
mod handle;
mod judge;
mod providers;
mod ranks;
mod rename;
mod store;

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use libp2p::Multiaddr;

pub(crate) use behaviour::{Out, Table};
pub use config::{DhtConfig, Mode};
pub(crate) use driver::Operations;
pub(crate) use handle::Command;
pub use handle::{Dht, Error, Stored};
pub use judge::{Judgement, Law, RecordJudge};
pub use providers::{PROVIDER_ADDRESSES_MAX, PROVIDER_RECORDS_MAX, PROVIDER_RECORDS_PER_NODE_MAX};
pub use store::{KEY_BYTES_MAX, RECORDS_BYTES_MAX, RECORDS_MAX};

/// What happened in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A record was stored, or lives longer now.
    Stored {
        /// Where.
        key: Vec<u8>,
        /// The record, which the judge has let in.
        value: Vec<u8>,
        /// When it ends.
        expires: UnixMillis,
        /// Whether this node put it.
        own: bool,
    },
    /// The table is looking for this member, which is not connected. Once its gate is open it is asked; if nothing comes
    /// of it within a few seconds, it is passed over.
    Wanted {
        /// Who.
        peer: NodeId,
        /// Where it was said to be, at most [`crate::ADDRESSES_MAX`]. Other members say so.
        addresses: Vec<Multiaddr>,
    },
}

/// A record that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The record, which the judge would let in.
    pub value: Vec<u8>,
    /// Who has it; `None` for this node.
    pub from: Option<NodeId>,
}

/// How the table is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// How it was told to behave.
    pub mode: Mode,
    /// Whether others may ask this node.
    pub serves: bool,
    /// Whether it has found its place among the members once.
    pub bootstrapped: bool,
    /// Members in the routing table.
    pub peers: usize,
    /// Records that are held, own and others'.
    pub records: usize,
    /// Bytes of their values.
    pub record_bytes: usize,
    /// Keys that somebody provides.
    pub provider_keys: usize,
    /// Provider records that are held, own and others'.
    pub providers: usize,
    /// Keys that this node provides.
    pub provided: usize,
    /// Records that were stored since the start.
    pub stored: u64,
    /// Records and providers that were refused since the start, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Operations that are under way.
    pub running: usize,
    /// Operations that did what they were to do.
    pub succeeded: u64,
    /// Operations that did not.
    pub failed: u64,
}
