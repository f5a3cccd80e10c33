//! What is said about resources, and what is kept of it.

use antiphon_core::ids::{NodeId, ResourceId};
use antiphon_core::resource::notice::{Consider, Plan, Removal, Whole};
use antiphon_core::resource::{Kind, Resource, Stamp};
use antiphon_core::time::UnixMillis;

/// Something that a node says about a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceChange {
    /// An entry of its catalogue, new or changed.
    Entry(Resource),
    /// The end of one.
    Removal(Removal),
    /// That its catalogue consists of these entries.
    Whole(Whole),
    /// When one can be used.
    Plan(Plan),
    /// That it means to use one, or not; or that somebody may, or not.
    Consider(Consider),
    /// Whether it stands by an entry, asked by this node.
    Checked {
        /// Which.
        id: ResourceId,
        /// The stamp of the entry in its own catalogue, if it is there.
        held: Option<Stamp>,
    },
}

impl ResourceChange {
    /// Which resource it is about; no single one for a whole catalogue.
    pub const fn id(&self) -> ResourceId {
        match self {
            Self::Entry(resource) => resource.id,
            Self::Removal(removal) => removal.id,
            Self::Whole(_) => ResourceId([0; 16]),
            Self::Plan(plan) => plan.id,
            Self::Consider(consider) => consider.id,
            Self::Checked { id, .. } => *id,
        }
    }
}

/// What became of something that a node said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Kept {
    /// It counts from now on.
    Kept,
    /// The same or something newer is known already.
    Old,
    /// It is not for that node to say.
    NotTheirs,
    /// It is about a resource that is not known here.
    Unknown,
    /// That node has said as much as is kept of it.
    Full,
}

impl Kept {
    /// The stable name of why it was refused; `None` when all is well.
    pub const fn refused(self) -> Option<&'static str> {
        match self {
            Self::Kept | Self::Old => None,
            Self::NotTheirs => Some("not_the_owner"),
            Self::Unknown => Some("unknown_resource"),
            Self::Full => Some("too_many_resources"),
        }
    }
}

/// What an owner said when it was asked whether it stands by an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// When it said so, by this node's clock.
    pub at: UnixMillis,
    /// The stamp of its own entry, if it has one.
    pub held: Option<Stamp>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRow {
    /// Whose.
    pub owner: NodeId,
    /// The entry.
    pub resource: Resource,
    /// When this state of it came here.
    pub learned_at: UnixMillis,
    /// What its owner last said when it was asked.
    pub checked: Option<Checked>,
}

/// An acknowledgement as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Who gave it.
    pub node: NodeId,
    /// What it says.
    pub consider: Consider,
}

/// Which entries are asked for: those that fit all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceFilter {
    /// Words that all occur, the best first; empty for every entry in the order of the ids.
    pub text: String,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only with this capability.
    pub capability: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only of this owner.
    pub owner: Option<NodeId>,
    /// Only after this one, in the order of the ids.
    pub after: Option<ResourceId>,
}
