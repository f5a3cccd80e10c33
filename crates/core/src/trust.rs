//! How far a peer is trusted. Only a handshake raises it.

use std::fmt;

/// State of trust in a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Trust {
    /// Never met.
    #[default]
    Unknown,
    /// A handshake is under way and not answered yet.
    Pending,
    /// It proved that it belongs to the team.
    Verified,
    /// It was refused; the reason is kept beside it.
    Rejected,
    /// It was verified and has been silent for too long; only a new handshake helps.
    Expired,
}

impl Trust {
    /// Every state; its position is its number in the database.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Pending, Self::Verified, Self::Rejected, Self::Expired];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Pending => "PENDING",
            Self::Verified => "VERIFIED",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trust| trust.name() == name)
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
