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
    /// Makes a node a member, or renews it.
    Grant,
    /// Ends a membership for good.
    Revoke,
    /// Something a newer version knows.
    Unknown(u64),
}

impl Action {
    /// The number in a header.
    pub const fn number(self) -> u64 {
        match self {
            Self::Open => 0,
            Self::Set => 1,
            Self::Forget => 2,
            Self::Grant => 16,
            Self::Revoke => 17,
            Self::Unknown(number) => number,
        }
    }

    /// The action of a number.
    pub fn from_number(number: u64) -> Self {
        let known = [Self::Open, Self::Set, Self::Forget, Self::Grant, Self::Revoke];
        known.into_iter().find(|action| action.number() == number).unwrap_or(Self::Unknown(number))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Set => f.write_str("set"),
            Self::Forget => f.write_str("forget"),
            Self::Grant => f.write_str("grant"),
            Self::Revoke => f.write_str("revoke"),
            Self::Unknown(number) => write!(f, "unknown action {number}"),
        }
    }
}
