//! The state hash: one number that is equal on all synced members.
//!
//! It covers what the team shares and nothing a node keeps to itself: the current genome, who is a member and what the
//! charter says besides, the heads of the charter and shared logs with their verdicts, and the frontier of every shared
//! subject, field by field. It needs headers only, so a member that may not read some payloads still ends with the same
//! hash.

use sha2::{Digest, Sha256};

use crate::cbor;
use crate::event::Subject;
use crate::frontier::Frontier;
use crate::ids::Hash;
use crate::log::{Head, LogId};

/// How far a log is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// All of it counts.
    Good,
    /// Its author signed two branches; it counts up to before this sequence number.
    Forked(u64),
    /// Its author was revoked; it counts up to this sequence number.
    Cut(u64),
}

impl Verdict {
    /// Number of the verdict and the sequence number it names, as the database and the state hash hold them.
    pub const fn parts(self) -> (u64, u64) {
        match self {
            Self::Good => (0, 0),
            Self::Forked(seq) => (1, seq),
            Self::Cut(seq) => (2, seq),
        }
    }

    /// Reads [`Verdict::parts`].
    pub const fn from_parts(number: u64, seq: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Good),
            1 => Some(Self::Forked(seq)),
            2 => Some(Self::Cut(seq)),
            _ => None,
        }
    }
}

/// Computes a state hash. Feed logs, then subjects, each in ascending order.
#[derive(Debug, Clone)]
pub struct StateHasher(Sha256);

impl StateHasher {
    /// Begins with the hash of the current genome and the digest of the membership.
    pub fn new(genome: &Hash, membership: &Hash) -> Self {
        Self(Sha256::new().chain_update(b"antiphon/state/1").chain_update(genome.0).chain_update(membership.0))
    }

    /// Adds a log of the charter or shared stream.
    pub fn log(&mut self, log: &LogId, head: &Head, verdict: Verdict) {
        let (number, seq) = verdict.parts();
        self.0.update(cbor::encode(|out| {
            cbor::array(out, 7);
            cbor::uint(out, 0);
            cbor::uint(out, log.stream.number().into());
            cbor::bytes(out, &log.store.0);
            cbor::uint(out, head.seq);
            cbor::bytes(out, &head.hash.0);
            cbor::uint(out, number);
            cbor::uint(out, seq);
        }));
    }

    /// Adds the frontier of a shared subject.
    pub fn subject(&mut self, subject: &Subject, frontier: &Frontier) {
        let (kind, id) = subject.parts();
        self.0.update(cbor::encode(|out| {
            cbor::array(out, 4);
            cbor::uint(out, 1);
            cbor::uint(out, kind);
            cbor::bytes(out, id);
            cbor::array(out, frontier.edits().len());
            for edit in frontier.edits() {
                cbor::array(out, 2);
                cbor::bytes(out, &edit.hash.0);
                cbor::uint(out, edit.standing);
            }
        }));
    }

    /// The hash.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}
