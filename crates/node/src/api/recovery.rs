//! What is shown of sealed copies and of a recovery.

use std::collections::BTreeMap;

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::log::LogId;
use antiphon_core::time::UnixMillis;
pub use antiphon_protocol::backup::Refusal as CopyRefusal;
use antiphon_protocol::reason::Reason;

use super::Team;

/// Most bytes that are kept for one member: 64 MiB.
pub const COPY_BYTES_PER_OWNER_MAX: u64 = 64 * 1024 * 1024;
/// Most bytes that are kept for all members together: 2 GiB.
pub const COPY_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Why a member does not keep, or give back, a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopyFault {
    /// It refused.
    #[error(transparent)]
    Refused(#[from] CopyRefusal),
    /// There is no connection with it now.
    #[error("it is not connected")]
    NotConnected,
    /// It could not be asked.
    #[error("it could not be asked: {}", .0.name())]
    Failed(Reason),
    /// Its answer makes no sense.
    #[error("its answer makes no sense")]
    Malformed,
}

impl CopyFault {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.name(),
            Self::NotConnected => "not_connected",
            Self::Failed(reason) => reason.name(),
            Self::Malformed => "malformed_answer",
        }
    }
}

/// What became of sealing to one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTo {
    /// The member.
    pub peer_id: NodeId,
    /// Its name.
    pub name: String,
    /// Parts that it took now.
    pub parts: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Events that it keeps.
    pub events: u64,
    /// Events that it lacks.
    pub missing: u64,
    /// Why it lacks them.
    pub fault: Option<CopyFault>,
}

/// A member that was chosen to keep a sealed copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderView {
    /// The member.
    pub peer_id: NodeId,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Whether it is a member still; one that is not gets nothing any more.
    pub member: bool,
    /// Events that it keeps, by its last word.
    pub events: u64,
    /// Events that it lacks.
    pub missing: u64,
    /// When it last confirmed something.
    pub confirmed_at: Option<UnixMillis>,
    /// Why it took nothing when it was last asked to; a stable name.
    pub refused: Option<String>,
}

/// What is kept for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFor {
    /// The member.
    pub peer_id: NodeId,
    /// Its name, empty when it is not known.
    pub name: String,
    /// How many parts.
    pub parts: u64,
    /// How many bytes.
    pub bytes: u64,
    /// When the last one came.
    pub updated_at: UnixMillis,
}

/// Sealed copies: who keeps this node's, and whose it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedView {
    /// Facts that would be lost with this machine if nobody kept them.
    pub private_facts: u64,
    /// Events of the local stream.
    pub events: u64,
    /// Who keeps this node's.
    pub holders: Vec<HolderView>,
    /// Whose this node keeps.
    pub kept: Vec<KeptFor>,
    /// Most bytes that it keeps for one of them.
    pub quota_bytes: u64,
}

/// What a member says about a key that wants to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerPlace {
    /// The member that answered.
    pub peer_id: NodeId,
    /// Its name.
    pub peer_name: String,
    /// The team it showed.
    pub team: Team,
    /// Names of the team's stewards.
    pub stewards: Vec<String>,
    /// What the team calls this key.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// The store that the new one follows, if the member knows one.
    pub previous: Option<StoreId>,
    /// How much of this key's own shared logs the member holds.
    pub expected: BTreeMap<LogId, u64>,
}

/// How a recovery goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Events of the expected logs that are held.
    pub events: u64,
    /// Events of the expected logs that are missing still.
    pub missing: u64,
    /// Facts of the team that this key wrote or changed.
    pub own_facts: u64,
    /// All facts of the team that are held.
    pub shared_facts: u64,
    /// Facts that nobody but this node can read.
    pub private_facts: u64,
    /// Events of the local stream that came out of sealed copies now.
    pub restored: u64,
    /// Members that gave something back, or keep a sealed copy.
    pub peers: Vec<NodeId>,
    /// Connected members that were asked for sealed copies and answered.
    pub asked: usize,
    /// Parts that were refused.
    pub damaged: Vec<DamagedPart>,
    /// Local logs of which the parts that are there do not follow what was restored.
    pub gaps: Vec<CopyGap>,
    /// Connected members that could not be asked for sealed copies.
    pub unasked: Vec<(NodeId, CopyFault)>,
    /// Members with whom there is no connection, and who may keep more.
    pub away: Vec<NodeId>,
}

impl Recovery {
    /// Whether everything that was expected is there, and somebody could be asked for the rest.
    pub fn is_complete(&self) -> bool {
        self.asked > 0 && self.missing == 0 && self.gaps.is_empty() && self.unasked.is_empty()
    }
}

/// A part of a sealed copy that was not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPart {
    /// Who gave it.
    pub peer_id: NodeId,
    /// The store whose local log it should be of.
    pub store: StoreId,
    /// The sequence number it should begin with.
    pub first: u64,
    /// What is wrong with it.
    pub why: String,
}

/// A hole in a local log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyGap {
    /// The store.
    pub store: StoreId,
    /// The last event that was restored.
    pub after: u64,
    /// The last event that somebody keeps.
    pub last: u64,
}
