//! Joining: a ticket becomes a membership.
//!
//! The joiner sends the ticket's secret once, inside the encrypted channel, to the node whose key the ticket names
//! and to nobody else. The steward keeps only the secret's hash. It makes the grant durable, together with the
//! joiner's key, before it answers; so if the answer is lost, the same key may ask again and gets the same grant,
//! while anybody else who saw the ticket comes too late. The joiner believes nothing: the genome must hash to the
//! ticket's team, and the charter must carry a grant for its own key.
//!
//! A member whose disk is lost comes back the same way, with its key instead of a secret: any member that knows its
//! grant answers, and tells which stores of that key it holds, so that the new one can name the one it follows.
//!
//! Limits: the answer is at most [`JOIN_RESPONSE_BYTES_MAX`] long. A charter that does not fit is sent as far as it
//! does; the grant path alone proves the membership, and syncing brings the rest.

mod joiner;
mod steward;
mod wire;

use antiphon_core::charter::{Grant, GrantPath};
use antiphon_core::event::{Event, Verified};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::NodeClock;
use antiphon_core::time::UnixMillis;
use sha2::{Digest, Sha256};

pub use joiner::{Joiner, JoinerInput, JoinerOutput};
pub use steward::{Steward, StewardInput, StewardLocal, StewardOutput};
pub use wire::{Request, Response, Welcome};

/// Longest request, in bytes.
pub const JOIN_REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Longest answer, in bytes.
pub const JOIN_RESPONSE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most stores that one key had before.
pub const FORMER_STORES_MAX: usize = 16;
/// Longest age recipient, in bytes.
pub const RECIPIENT_BYTES_MAX: usize = 128;

/// What separates the hash of a secret from every other hash.
const SECRET_DOMAIN: &[u8] = b"antiphon/invite/1";

/// What a steward keeps of a ticket's secret, and finds the invitation by.
pub fn secret_hash(secret: &[u8; 32]) -> Hash {
    Hash(Sha256::new().chain_update(SECRET_DOMAIN).chain_update(secret).finalize().into())
}

/// An invitation as the steward keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// What the joiner will be.
    pub roles: Vec<String>,
    /// When the ticket ends.
    pub expires: UnixMillis,
    /// The key that used it.
    pub joiner: Option<NodeId>,
}

/// Why somebody did not become a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// The steward knows no such ticket.
    #[error("the steward does not know this ticket")]
    UnknownTicket,
    /// The ticket's time is over.
    #[error("the ticket expired")]
    Expired,
    /// Another machine used the ticket.
    #[error("another machine has used this ticket")]
    Used,
    /// The node that was asked may not sign membership any more.
    #[error("the node that was asked is not a steward of this team")]
    NotASteward,
    /// The node that was asked is of another team than the ticket.
    #[error("the node that was asked is of another team than the ticket")]
    WrongTeam,
    /// A message could not be read, or proves nothing.
    #[error("the message cannot be read or proves nothing")]
    Malformed,
    /// The team has as many members as it may have.
    #[error("the team is full")]
    Full,
    /// The joiner's key was removed from this team for good.
    #[error("this key was removed from the team")]
    Revoked,
    /// The steward could not carry it out; asking again may help.
    #[error("the steward could not carry it out")]
    Failed,
}

impl Refusal {
    const ALL: [Self; 9] = [
        Self::UnknownTicket,
        Self::Expired,
        Self::Used,
        Self::NotASteward,
        Self::WrongTeam,
        Self::Malformed,
        Self::Full,
        Self::Revoked,
        Self::Failed,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownTicket => "unknown_ticket",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::NotASteward => "not_a_steward",
            Self::WrongTeam => "wrong_team",
            Self::Malformed => "malformed",
            Self::Full => "full",
            Self::Revoked => "revoked",
            Self::Failed => "failed",
        }
    }

    /// The refusal of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.name() == name)
    }

    /// Whether asking again with the same ticket is useless.
    pub const fn is_permanent(self) -> bool {
        !matches!(self, Self::Failed)
    }
}

/// A charter log as far as the steward sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharterLog {
    /// The store that wrote it.
    pub store: StoreId,
    /// The key that signed it.
    pub key: NodeId,
    /// Its events from the first on.
    pub events: Vec<Event<Verified>>,
}

/// A store of the joiner's own key that the answering node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerStore {
    /// The store.
    pub store: StoreId,
    /// Whether the answering node has it pinned.
    pub pinned: bool,
    /// How much of its logs it holds.
    pub heads: NodeClock,
}

/// What a joiner gets: everything is verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The founding genome; it hashes to the ticket's team.
    pub genome: Genome,
    /// The charter logs, to be stored before anything else.
    pub charter: Vec<CharterLog>,
    /// Our own grant.
    pub grant: Grant,
    /// What proves it to others.
    pub path: GrantPath,
    /// The steward's name for people.
    pub steward_name: String,
    /// Stores that this key had before, as the answering node knows them. Nothing proves these.
    pub stores: Vec<FormerStore>,
}
