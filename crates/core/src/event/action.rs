//! What an event does.

use std::fmt;

/// The action of an event. An unknown one is stored, forwarded and deferred until an upgrade knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Opens a log and binds its store to its key; always the first event.
    Open,
    /// Sets or clears fields of a fact.
    Set,
    /// Forgets a fact: clears every field, so that it is concurrent with edits like any other edit.
    Forget,
    /// Forgets a fact for good: every payload about it is erased, those that come later and those of concurrent edits
    /// included. It counts if its author's key made the fact's id or was ever a steward's.
    Erase,
    /// Makes a node a member, or renews it.
    Grant,
    /// Ends a membership for good.
    Revoke,
    /// A new key of a role.
    RoleKey,
    /// Makes a member a steward, or ends that.
    StewardChange,
    /// Another steward's consent to a change of stewards.
    Approve,
    /// Adds a gene to the genome.
    GeneAdd,
    /// Something a newer version knows.
    Unknown(u64),
    /// Nothing: a part of the header cannot be read, only its place in the log. No number stands for it.
    Malformed,
}

impl Action {
    /// Every action this version knows.
    const KNOWN: [Self; 10] = [
        Self::Open,
        Self::Set,
        Self::Forget,
        Self::Erase,
        Self::Grant,
        Self::Revoke,
        Self::RoleKey,
        Self::StewardChange,
        Self::Approve,
        Self::GeneAdd,
    ];

    /// The bit of an action number that says: a node which does not know this action must not go on as if it had
    /// not been there. It means something in the charter stream only.
    pub const CRITICAL: u64 = 0x80;

    /// The number in a header.
    pub const fn number(self) -> u64 {
        match self {
            Self::Open => 0,
            Self::Set => 1,
            Self::Forget => 2,
            Self::Erase => 3,
            Self::Grant => 16,
            Self::Revoke => 17,
            Self::RoleKey => 18,
            Self::StewardChange => 19,
            Self::Approve => 20,
            Self::GeneAdd => 21,
            Self::Unknown(number) => number,
            Self::Malformed => u64::MAX,
        }
    }

    /// The action of a number.
    pub fn from_number(number: u64) -> Self {
        Self::KNOWN.into_iter().find(|action| action.number() == number).unwrap_or(Self::Unknown(number))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Set => f.write_str("set"),
            Self::Forget => f.write_str("forget"),
            Self::Erase => f.write_str("erase"),
            Self::Grant => f.write_str("grant"),
            Self::Revoke => f.write_str("revoke"),
            Self::RoleKey => f.write_str("role key"),
            Self::StewardChange => f.write_str("steward change"),
            Self::Approve => f.write_str("approve"),
            Self::GeneAdd => f.write_str("gene add"),
            Self::Unknown(number) => write!(f, "unknown action {number}"),
            Self::Malformed => f.write_str("malformed"),
        }
    }
}
