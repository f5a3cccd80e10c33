//! The charter: who is a member.
//!
//! A list of members that everybody edits needs somebody to decide whose edit counts, and machines that meet after a
//! week must decide alike. Ordering the records by time lets whoever lies about the time win. So membership is a
//! pure function of the *set* of authentic charter records: what a record has seen is its version clock, a removal
//! beats whatever the removed member did without its remover having seen it (*strong removal*), and a revoked key
//! never returns. Two nodes with the same records agree, in whatever order they came.
//!
//! The founding genes name the first stewards; every other right follows from there. One steward grants, removes
//! members, makes role keys and adds genes; changing the stewards takes the consent of several (see `stewards`).
//!
//! Limits: a removal cannot reach a machine that no member can reach, and it cannot make anybody forget.

mod acts;
mod bits;
mod changes;
mod cuts;
mod grant;
mod judgement;
mod keys;
mod members;
mod path;
mod record;
mod revoke;
mod role_key;
mod stewards;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use changes::{Approve, GeneAdd, StewardChange};
pub use cuts::{Choice, Removal, Shown};
pub use grant::{Grant, GrantWrap};
pub use keys::{RoleEpoch, RoleKeys};
pub use members::{Member, Membership, Refusal};
pub use path::{GRANT_PATH_BYTES_MAX, GRANT_PATH_EVENTS_MAX, GrantPath, PathError};
pub use record::{Entry, Record, RecordError};
pub use revoke::{Cut, REVOKE_REASON_BYTES_MAX, ROLE_KEYS_MAX, Revoke};
pub use role_key::{Previous, RoleKey, WRAP_BYTES_MAX, Wrap};
pub use stewards::{Change, FOUNDING_STEWARDS_MAX, Founders, Pending, STEWARDS_MAX};

use crate::ids::Hash;

/// Most members of a team.
pub const MEMBERS_MAX: usize = 512;
/// Most charter events of a team.
pub const CHARTER_EVENTS_MAX: usize = 10_000;
/// Charter events of those that only revocations may use.
pub const CHARTER_EVENTS_RESERVED: usize = 1_000;
/// Life of a grant when nothing else is said, in milliseconds: 365 days.
pub const GRANT_LIFE_MS: u64 = 365 * 24 * 60 * 60 * 1_000;
/// The bit of a record kind's number that says: whoever does not know this kind must not go on as if it were not there.
pub const CRITICAL: u64 = crate::event::Action::CRITICAL;

/// The records that are known, and the membership they make. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Charter {
    entries: Arc<BTreeMap<Hash, Entry>>,
    membership: Arc<Membership>,
}

impl Charter {
    /// The charter of a team that was founded with `founders`.
    pub fn new(founders: &Founders, entries: impl IntoIterator<Item = Entry>) -> Self {
        let entries: BTreeMap<Hash, Entry> = entries.into_iter().map(|entry| (entry.hash, entry)).collect();
        let membership = Arc::new(Membership::of(founders, entries.values()));
        Self { entries: Arc::new(entries), membership }
    }

    /// Who is a member.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The same, to be kept.
    pub fn shared_membership(&self) -> Arc<Membership> {
        self.membership.clone()
    }

    /// Every record, by its hash.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// One record.
    pub fn get(&self, hash: &Hash) -> Option<&Entry> {
        self.entries.get(hash)
    }

    /// The membership once `more` records are known too.
    pub fn membership_with<'e>(&self, more: impl IntoIterator<Item = &'e Entry>) -> Arc<Membership> {
        let fresh: Vec<&Entry> = more.into_iter().filter(|entry| !self.entries.contains_key(&entry.hash)).collect();
        if fresh.is_empty() {
            return self.membership.clone();
        }
        Arc::new(Membership::of(self.membership.founders(), self.entries.values().chain(fresh)))
    }
}
