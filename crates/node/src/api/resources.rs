//! What is shown of catalogues: entries, who offers what, and how a search among members ended.

use std::collections::BTreeSet;

use antiphon_core::ids::{NodeId, ResourceId};
use antiphon_core::resource::notice::{Consider, Plan};
use antiphon_core::resource::question::Summary;
use antiphon_core::resource::{self, Kind, Resource, Stamp};
use antiphon_core::time::UnixMillis;
use antiphon_store::Checked;

use crate::api::{Error, Reason};

/// Why something about a resource was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// A value that is unfit.
    #[error(transparent)]
    Unfit(#[from] resource::Error),
    /// No resource has this id or name.
    #[error("no resource {0}")]
    NotFound(String),
    /// Several resources have this name, or ids that begin so.
    #[error("{count} resources are called {text} or have ids that begin so")]
    Ambiguous {
        /// What was given.
        text: String,
        /// How many there are.
        count: usize,
    },
    /// Only its owner can change a resource.
    #[error("resource {id} belongs to {owner}, and only its owner can change it")]
    NotOwn {
        /// Which.
        id: ResourceId,
        /// Name of its owner.
        owner: String,
    },
    /// The own catalogue is full.
    #[error("the catalogue has {0} resources, which is its limit")]
    TooMany(usize),
    /// Nobody but this node could answer for it.
    #[error("resource {0} is this node's own")]
    Own(ResourceId),
    /// Too much waits in memory already.
    #[error("too much waits for {0} already")]
    NoRoom(String),
    /// Nobody can be asked or told any more.
    #[error("{0} is no member of the team any more")]
    OfFormer(String),
    /// Nobody was named to whom it should be said.
    #[error("resource {0} is this node's own, and nobody was named to whom to say it")]
    NobodyToTell(ResourceId),
}

impl From<resource::Error> for Error {
    fn from(error: resource::Error) -> Self {
        Self::Resource(error.into())
    }
}

/// A resource to be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceDraft {
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Where it is.
    pub address: Option<String>,
    /// What it can do.
    pub capabilities: BTreeSet<String>,
    /// What else it is found by.
    pub tags: BTreeSet<String>,
    /// Names the offer: making it again while the resource is there changes nothing.
    pub key: Option<String>,
}

/// Whose a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// This node's.
    Own,
    /// Another member's.
    Member,
    /// Of a node that is no member any more.
    Former,
}

impl Ownership {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Member => "member",
            Self::Former => "former",
        }
    }
}

/// An entry of a catalogue, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceView {
    /// The entry.
    pub resource: Resource,
    /// Who offers it.
    pub owner: NodeId,
    /// Its name.
    pub owner_name: String,
    /// Whose it is, seen from here.
    pub ownership: Ownership,
    /// When this state of it came here.
    pub learned_at: UnixMillis,
    /// What its owner last said when it was asked whether it is there.
    pub checked: Option<Checked>,
}

/// An acknowledgement of a planned use, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsiderView {
    /// Who gave it.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it says.
    pub consider: Consider,
}

/// Everything that is known of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceDetail {
    /// The entry.
    pub view: ResourceView,
    /// When it can be used, if its owner has said so.
    pub plan: Option<Plan>,
    /// Who means to use it, or was answered.
    pub considers: Vec<ConsiderView>,
}

/// Something that was said about a resource, and to how many members it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceTold {
    /// Which.
    pub id: ResourceId,
    /// Its stamp; of a plan or an acknowledgement that of the entry.
    pub stamp: Stamp,
    /// Members that are told: at once where they are connected.
    pub members: u64,
}

/// What one node offers, at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Who.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Whose catalogue it is, seen from here.
    pub ownership: Ownership,
    /// Kinds and capabilities.
    pub summary: Summary,
}

/// How one member answered a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchedPeer {
    /// Who was asked.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it offers in all and how many of it fit; or why it did not answer.
    pub answer: Result<(Summary, u64), Reason>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSearch {
    /// The entries, best first.
    pub found: Vec<ResourceView>,
    /// The members that were asked directly.
    pub asked: Vec<SearchedPeer>,
}

/// What an owner says of one of its resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stands by the entry exactly as it is held here.
    Stands,
    /// It is there, and was changed since; the change is on its way.
    Changed,
    /// It is not in its catalogue.
    Gone,
    /// It has not answered yet.
    Unanswered,
}

impl Verdict {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stands => "stands",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Unanswered => "unanswered",
        }
    }
}

/// How the question ended whether a resource is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The entry as it is held here now.
    pub view: ResourceView,
    /// What its owner says of it.
    pub verdict: Verdict,
    /// Whether its owner is connected; if not, the question is asked when it is, and given up after a few attempts.
    pub connected: bool,
}
