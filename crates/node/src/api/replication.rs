//! What is shown of copies: how many there are, who holds them, and what was done for them.

use antiphon_core::address::Address;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Health, Priority, Settings};
use antiphon_core::time::UnixMillis;
pub use antiphon_protocol::replication::manager::Evidence;

/// Most documents that one page shows.
pub const REPLICATION_PAGE_MAX: usize = 1_000;

/// What is known of one member and one ciphertext.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaHolder {
    /// Who.
    pub peer: NodeId,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether it is a member; one that was removed may have had it last.
    pub member: bool,
    /// Whether there is a connection; so it is with this node itself.
    pub connected: bool,
    /// Whether it is one of those that are to hold it.
    pub placed: bool,
    /// What it showed last; `None` of one that only says so in the hash table. This node knows of itself what is on its
    /// disk, which is as good as a proof.
    pub evidence: Option<Evidence>,
    /// Whether it is one of the copies that are counted.
    pub counts: bool,
    /// When it was first known to hold it.
    pub added_at: UnixMillis,
    /// When it last said or showed something of it.
    pub last_seen: UnixMillis,
    /// How reliable it was lately, from 0 to 1.
    pub quality: f64,
    /// How far it is from the ciphertext: the smallest is the first to hold it.
    pub distance: [u8; 32],
}

/// How the copies of one ciphertext stand, as this node knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicationStatus {
    /// Name of its root manifest.
    pub root: Hash,
    /// The document that it is of, and which version. `None` where the index does not name it any more.
    pub document: Option<(Address, u64)>,
    /// Bytes of the ciphertext.
    pub size: u64,
    /// Copies that there should be.
    pub target: usize,
    /// Copies that there are: of members that are here, or away for less than the grace period.
    pub actual: usize,
    /// Of those, copies of members that are connected, with this node's.
    pub healthy: usize,
    /// How that stands.
    pub health: Health,
    /// How soon missing copies are made.
    pub priority: Priority,
    /// Whether all of it is on this node.
    pub is_local: bool,
    /// When this node first heard of it since it started.
    pub created: UnixMillis,
    /// When this node last had all copies proved anew.
    pub last_reprovided: Option<UnixMillis>,
    /// Everybody of whom something is known, whoever should hold it first in front. Those that are gone for good stand
    /// here too, so that it can be said who had it last, and when.
    pub providers: Vec<ReplicaHolder>,
}

impl ReplicationStatus {
    /// Who had it last as far as is known, whether it is there or not.
    pub fn last_holder(&self) -> Option<&ReplicaHolder> {
        let held = self.providers.iter().filter(|holder| holder.evidence.is_none_or(Evidence::holds));
        held.max_by_key(|holder| holder.last_seen)
    }
}

/// How many ciphertexts stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthCounts {
    /// With as many copies as there should be.
    pub healthy: u64,
    /// With fewer.
    pub degraded: u64,
    /// With none that is known.
    pub critical: u64,
}

/// Which ciphertexts are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplicationFilter {
    /// Only those that stand so.
    pub health: Option<Health>,
    /// Go on behind this one.
    pub after: Option<ReplicationCursor>,
    /// Most of them, at most [`REPLICATION_PAGE_MAX`].
    pub limit: usize,
}

/// Where a page of ciphertexts ended: the worst come first, and among those that stand alike the order is that of roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicationCursor {
    /// How the last one stood.
    pub health: Health,
    /// Which it was.
    pub root: Hash,
}

/// A page of ciphertexts with their copies, the worst first.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicationPage {
    /// How all stand, not only those on the page.
    pub health: HealthCounts,
    /// Those on the page.
    pub replicas: Vec<ReplicationStatus>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<ReplicationCursor>,
}

/// What was done for copies since the node started, and how they stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicationMetrics {
    /// Ciphertexts that are needed.
    pub total_keys: u64,
    /// Holders that are known of, of all of them together.
    pub total_providers: u64,
    /// Copies that one has on average.
    pub average_replication: f64,
    /// How they stand.
    pub health: HealthCounts,
    /// How often the copies of a ciphertext were proved anew because it was time.
    pub reprovide_operations: u64,
    /// Copies that were made at another member because of this node.
    pub successful: u64,
    /// Attempts that came to nothing.
    pub failed: u64,
    /// Answers of others that spoke for a copy.
    pub proofs: u64,
    /// Answers of others that were wrong.
    pub wrong: u64,
    /// Copies that this node took from others.
    pub taken: u64,
    /// Own copies that were dropped because enough others hold it.
    pub trimmed: u64,
    /// Copies that are being made at others, and that wait for their turn.
    pub offers: (usize, usize),
    /// When copies were last proved anew.
    pub last_reprovide: Option<UnixMillis>,
    /// When it last cleared away what is not needed.
    pub last_cleanup: Option<UnixMillis>,
    /// Bytes that are held for others.
    pub held_for_others_bytes: u64,
    /// Bytes that are being fetched for others.
    pub promised_bytes: u64,
    /// Most bytes that are held for others; `None` where no room is offered.
    pub quota_bytes: Option<u64>,
    /// By what this node goes.
    pub settings: Settings,
}
