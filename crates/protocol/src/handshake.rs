//! The handshake: two nodes prove that they belong together, before any data flows.
//!
//! A genome hash proves nothing by itself: it is public to whoever has seen a ticket. So there are four proofs, in
//! this order: the **key**, which the transport has authenticated; the **team**, the root of the founding genome; the
//! **charter**, each side's own grant path, checked against what the other knows of later grants and removals; and
//! the **genome**, whose hashes must be equal. Then the peer's store must be the pinned one, or follow it.
//!
//! It takes one request and one answer. Whoever asks shows its own grant path and nothing of other members, unless the
//! peer is a member it knows; whoever answers shows its own only to somebody it has verified. A stranger who knows
//! the team id therefore learns two hashes. Freshness is the nonce of the request, echoed in the answer.
//!
//! Genome hashes that differ while the charters do too mean that one side lacks genes that were added meanwhile. Then
//! both are *out of step*: they may exchange the charter and nothing else, and greet each other again.
//!
//! Limits: a path shows how a steward got its right and not whether it lost it since; what a member does not know yet
//! of a removal, it learns with the charter right after the handshake.

mod answerer;
mod check;
mod initiator;
mod wire;

use antiphon_core::charter::{Charter, Grant, GrantPath, Membership};
use antiphon_core::event::{Event, Unverified};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{LogId, NodeClock, Stream};

pub use answerer::Answerer;
use antiphon_core::trust::Trust;
use antiphon_core::vclock::VClock;
pub use initiator::Initiator;
pub use wire::{Proof, Removal, Request, Response};

use crate::reason::Reason;

/// Longest request and longest answer, in bytes.
pub const HANDSHAKE_BYTES_MAX: usize = 128 * 1024;
/// Most charter heads of a message; of more the first ones are sent, since they are a hint.
pub const CHARTER_HEADS_MAX: usize = 512;
/// Longest node name, in bytes.
pub const NODE_NAME_BYTES_MAX: usize = 64;
/// Longest agent version, in bytes.
pub const AGENT_VERSION_BYTES_MAX: usize = 128;
/// Most addresses of a message.
pub const ADDRESSES_MAX: usize = 16;
/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Longest opening event, in bytes.
pub const OPENING_BYTES_MAX: usize = 16 * 1024;

/// What this node brings to a handshake.
#[derive(Debug, Clone, PartialEq)]
pub struct Local {
    /// Its key.
    pub node: NodeId,
    /// Its name for people.
    pub name: String,
    /// Its team.
    pub team: TeamId,
    /// Hash of its current genome.
    pub genome: Hash,
    /// The charter records it holds, and who is a member by them.
    pub records: Charter,
    /// Heads of the charter logs that these stand in.
    pub charter: NodeClock,
    /// Its own grant path; without one no peer verifies it.
    pub path: Option<GrantPath>,
    /// Its store.
    pub store: StoreId,
    /// The opening event of one of the store's logs, which shows whose store it is and which one it follows.
    pub opening: Option<Event<Unverified>>,
    /// Its program and version.
    pub agent_version: String,
    /// Where it listens, at most [`ADDRESSES_MAX`] multiaddr texts.
    pub addresses: Vec<String>,
}

impl Local {
    /// Who is a member.
    pub fn membership(&self) -> &Membership {
        self.records.membership()
    }

    /// Whether it holds every charter event that somebody had `seen`.
    pub fn holds(&self, seen: &VClock) -> bool {
        let held = |store: &StoreId| self.charter.get(&LogId::new(*store, Stream::Charter)).map_or(0, |head| head.seq);
        seen.iter().all(|(store, seq)| seq <= held(store))
    }
}

/// What is known of the peer before the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its key, as the transport authenticated it.
    pub node: NodeId,
    /// The store it was pinned to.
    pub pinned: Option<StoreId>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// To an initiator: begin, with 32 fresh random bytes.
    Start {
        /// The nonce that the answer must echo.
        nonce: [u8; 32],
    },
    /// To an initiator: the answer came.
    Response(Vec<u8>),
    /// To an initiator: no answer came.
    Failed(Reason),
    /// To an answerer: a request came.
    Request(Vec<u8>),
}

/// What must be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send these bytes to the peer.
    Send(Vec<u8>),
    /// The peer is verified: pin its store, then offer it the other protocols.
    Verified(Box<Verified>),
    /// The peer is rejected, or it rejected us: exchange nothing with it.
    Rejected(Rejected),
    /// The handshake could not be carried out; nothing is known about the peer that was not known before.
    Failed(Reason),
}

/// A peer that proved that it belongs to the team.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Its key.
    pub node: NodeId,
    /// Its name for people.
    pub name: String,
    /// Its store.
    pub store: StoreId,
    /// What to do with the pin.
    pub pin: Pin,
    /// Its standing grant: the latest that either side knows.
    pub grant: Grant,
    /// Hash of its genome.
    pub genome: Hash,
    /// Whether the genomes are equal. While they are not, the charter is all that may be exchanged.
    pub in_step: bool,
    /// The charter logs it says it holds.
    pub charter: NodeClock,
    /// Its program and version.
    pub agent_version: String,
    /// Where it says that it listens.
    pub addresses: Vec<String>,
}

/// What a verified store means for the pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// Nothing was pinned: pin it.
    First,
    /// It is the pinned store.
    Same,
    /// It follows the pinned store, signed by the same key: move the pin, and tell members.
    Moved {
        /// The store that was pinned.
        from: StoreId,
    },
}

/// A peer that did not prove that it belongs here, or that does not believe us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its key.
    pub node: NodeId,
    /// Who rejected whom.
    pub by: By,
    /// Why.
    pub reason: Reason,
    /// Hash of our genome.
    pub ours: Hash,
    /// Hash of its genome, if it told.
    pub theirs: Option<Hash>,
    /// The header of the steward's record that removed us, if the peer showed one that holds.
    pub removal: Option<Box<Event<Unverified>>>,
}

/// Who rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// We do not accept the peer.
    Us,
    /// The peer does not accept us.
    Peer,
}
