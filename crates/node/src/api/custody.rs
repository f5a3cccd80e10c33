//! What is shown of custody: who has signed that it holds what, and what a wipe would lose.

use antiphon_core::custody::Holding;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::LogId;
use antiphon_core::time::UnixMillis;

/// What one member has signed about one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactHolding {
    /// The member.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// When it signed its newest receipt, by its clock; `None` when there is none of it here.
    pub at: Option<UnixMillis>,
    /// How it holds the fact: as it holds the edit it holds worst. Nothing without a receipt.
    pub holding: Option<Holding>,
}

/// Who has signed that it holds one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactReceipts {
    /// The fact.
    pub fact: FactId,
    /// Whether it is shared; one that is not never leaves this machine but sealed.
    pub shared: bool,
    /// Edits that make what the fact says now: all of them must be held.
    pub edits: Vec<(LogId, u64)>,
    /// Every other member.
    pub members: Vec<FactHolding>,
}

/// What one member has signed, compared with what this node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberReceipt {
    /// The member.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// When it signed its newest receipt, by its clock; `None` when there is none of it here.
    pub at: Option<UnixMillis>,
    /// Events that are held here and that it has not signed for.
    pub behind: u64,
    /// Events that are held here and of which it holds the header only.
    pub headers: u64,
    /// Events that it holds and could not apply, by the stable name of the reason.
    pub stuck: Vec<(String, u64)>,
    /// Stored documents of which it has shown lately that it has them, of those that this node holds.
    pub documents: u64,
    /// Stored documents that this node holds and that are needed.
    pub documents_here: u64,
}

/// What would be lost, or should be known, when this machine is wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WipeKind {
    /// Shared events that no other member has signed for.
    Unconfirmed,
    /// Documents that no other member has shown to have.
    Documents,
    /// Private facts beyond what members keep sealed.
    Private,
    /// Events that were set aside when this machine came back from an older state.
    SetAside,
    /// What waits in the outbox for members that have not taken it.
    Outbox,
    /// Messages that came here, and to no other machine of whoever they are for.
    Inbox,
    /// No other member is a steward.
    OnlySteward,
    /// No other member holds the present key of a role.
    OnlyKeyHolder,
    /// Sealed copies that are kept here for others.
    KeptCopies,
    /// Documents of which there would be fewer copies than there should be.
    FewCopies,
    /// What the recovery phrase is needed for.
    RecoveryPhrase,
}

impl WipeKind {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Documents => "documents",
            Self::Private => "private",
            Self::SetAside => "set_aside",
            Self::Outbox => "outbox",
            Self::Inbox => "inbox",
            Self::OnlySteward => "only_steward",
            Self::OnlyKeyHolder => "only_key_holder",
            Self::KeptCopies => "kept_copies",
            Self::FewCopies => "few_copies",
            Self::RecoveryPhrase => "recovery_phrase",
        }
    }
}

/// One thing to know before this machine is wiped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WipeItem {
    /// What it is about.
    pub kind: WipeKind,
    /// Whether something would be lost; otherwise it is only to be known.
    pub loses: bool,
    /// How many of it.
    pub count: u64,
    /// What it is, in words.
    pub what: String,
    /// Some of it, for a person to recognise: at most [`WIPE_EXAMPLES_MAX`].
    pub examples: Vec<String>,
    /// What to do about it.
    pub fix: String,
}

/// Most examples of one item.
pub const WIPE_EXAMPLES_MAX: usize = 3;

/// Whether this machine can be wiped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WipeCheck {
    /// Everything there is to know, losses first.
    pub items: Vec<WipeItem>,
    /// How the documents of this machine stand elsewhere.
    pub documents: WipeDocuments,
}

/// How the documents of a machine stand elsewhere. Each version counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WipeDocuments {
    /// Those that are needed and held here whole.
    pub held: u64,
    /// Those of which no other member has shown that it has a copy.
    pub only_here: u64,
    /// Those of which others have copies, and fewer than there should be.
    pub few: u64,
    /// Copies that there should be without this machine.
    pub target: u64,
}

impl WipeCheck {
    /// Whether nothing would be lost.
    pub fn is_safe(&self) -> bool {
        !self.items.iter().any(|item| item.loses)
    }
}
