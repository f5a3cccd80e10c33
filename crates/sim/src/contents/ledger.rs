//! Every document that was ever written in a world, whether it was stored or not, and what happened to its copies.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::content::Shape;
use antiphon_core::ids::{Hash, NodeId};

/// What stands in every document, and in no file of any member.
pub(super) const CANARY: &str = "nobody without the key reads this document";

/// A version of a document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) author: usize,
    pub(super) plain: Vec<u8>,
    pub(super) shape: Shape,
    /// Roles and epochs of the keys that open it.
    pub(super) encrypted_for: Vec<(String, Hash)>,
    /// Keys that its author knew to be out.
    pub(super) out: BTreeSet<NodeId>,
    /// Records of the charter that its author held.
    pub(super) known: BTreeSet<Hash>,
    /// Whether whoever stored it was told that it is durable.
    pub(super) stored: bool,
}

/// What moved to one member of one document.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// Bytes that arrived.
    pub(super) bytes: u64,
    /// Those of them that were missing.
    pub(super) missing: u64,
    /// Those that came twice since whoever was asked first let others wait.
    pub(super) late: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) documents: BTreeMap<Hash, Document>,
    /// When something of a document was last destroyed from outside.
    pub(super) hurt_at: BTreeMap<Hash, u64>,
    /// What a member had of a document and does not owe any more, since it dropped it as it may or lost it.
    pub(super) let_go: BTreeSet<(usize, Hash)>,
    /// What somebody freed since nobody needed it as far as it knew.
    pub(super) freed: BTreeSet<Hash>,
    /// What members have for their own people, or had and completed: it does not count as kept for others.
    pub(super) got: BTreeSet<(usize, Hash)>,
    pub(super) moved: BTreeMap<(usize, Hash), Moved>,
}

impl Ledger {
    /// Something of a document was destroyed on a member's disk.
    pub(super) fn hurt(&mut self, node: usize, root: Hash, at: u64) {
        self.hurt_at.insert(root, at);
        self.let_go.insert((node, root));
    }
}
