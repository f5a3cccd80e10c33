//! What is shown of ciphertexts that nobody needs.

use std::fmt;

use antiphon_core::address::Address;
use antiphon_core::ids::Hash;
pub use antiphon_store::Unneeded;

/// Most ciphertexts that one collection looks at.
pub const GARBAGE_MAX: usize = 10_000;

/// A ciphertext on this node that no version of a document needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Name of its root manifest.
    pub root: Hash,
    /// Bytes of it that are on this node.
    pub bytes: u64,
    /// Bytes of the whole.
    pub length: u64,
    /// Why it is not needed.
    pub reason: Unneeded,
    /// Where it was stored, as far as the index still knows it.
    pub address: Option<Address>,
    /// What keeps it for now; `None` if it is freed.
    pub stays: Option<Staying>,
}

impl Garbage {
    /// Whether it is freed, or would be.
    pub const fn goes(&self) -> bool {
        self.stays.is_none()
    }

    /// Stable name of why it is not needed.
    pub const fn reason_name(&self) -> &'static str {
        self.reason.name()
    }
}

/// Why it is not needed and what keeps it, in words.
impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Unneeded::Removed => "its version was removed",
            Unneeded::Unauthorised => "its author was not entitled to store it, or is not any more",
            Unneeded::Withdrawn => "the event that named it counts no more, with a part of its author's log",
            Unneeded::LeftTeam => "it is of a team that was left",
            Unneeded::Unknown => "no event of the index ever named it",
        })?;
        self.stays.map_or(Ok(()), |stays| write!(f, "; {stays}"))
    }
}

/// What keeps a ciphertext that nothing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staying {
    /// It is being read, served or fetched.
    InUse,
    /// An event that needs it may still come.
    Waits {
        /// For how long it stays, in milliseconds, if none comes.
        left_ms: u64,
    },
    /// It goes only when a person says so.
    ForAPerson,
}

impl Staying {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::Waits { .. } => "waits",
            Self::ForAPerson => "for_a_person",
        }
    }
}

impl fmt::Display for Staying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("it stays while it is read, served or fetched"),
            Self::Waits { left_ms } => {
                write!(f, "its event may still come, so it stays for {} min", left_ms.div_ceil(60_000).max(1))
            }
            Self::ForAPerson => f.write_str("it goes only when a person says so"),
        }
    }
}

/// Why a ciphertext is on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyKept {
    /// It is not.
    NotHeld,
    /// These versions need it.
    Needed(Vec<(Address, u64)>),
    /// Nothing needs it.
    Garbage(Garbage),
}
