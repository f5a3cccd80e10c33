//! The charter: who is a member.
//!
//! A list of members that everybody edits needs somebody to decide whose edit counts, and machines that meet after a
//! week must decide alike. Ordering the records by time lets whoever lies about the time win. So membership is a
//! pure function of the *set* of authentic charter records: what a record has seen is its version clock, a removal
//! beats whatever the removed member did without its remover having seen it (*strong removal*), and a revoked key
//! never returns. Two nodes with the same records agree, in whatever order they came.
//!
//! Limits: a removal cannot reach a machine that no member can reach, and it cannot make anybody forget.

mod members;
mod path;
mod record;

pub use members::{Member, Membership, Refusal};
pub use path::{GRANT_PATH_BYTES_MAX, GrantPath, PathError};
pub use record::{Cut, Entry, Grant, Record, RecordError, Revoke};

/// Most members of a team.
pub const MEMBERS_MAX: usize = 512;
/// Most charter events of a team.
pub const CHARTER_EVENTS_MAX: usize = 10_000;
/// Charter events of those that only revocations may use.
pub const CHARTER_EVENTS_RESERVED: usize = 1_000;
/// Life of a grant when nothing else is said, in milliseconds: 365 days.
pub const GRANT_LIFE_MS: u64 = 365 * 24 * 60 * 60 * 1_000;
