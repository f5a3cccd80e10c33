//! What a running member has in memory of documents; a crash loses all of it.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::replication::manager::{Manager, Member};
use antiphon_store::ReplicaNote;

use super::fetching::Fetching;
use super::serving::Serving;
use super::talk::{Answerer, Asker};

/// Something learnt of copies that is to be kept.
#[derive(Debug, Clone)]
pub(super) enum Note {
    /// What a member showed.
    Learnt(ReplicaNote),
    /// Nothing of this is needed any more.
    Forget(Hash),
}

/// A copy of which a part is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    /// Whether this member stored it.
    pub(super) own: bool,
    pub(super) failures: u32,
    /// When it is tried next, in milliseconds of the world.
    pub(super) due_at: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) life: u64,
    pub(super) manager: Manager,
    /// When the machine wants to be woken, by the clock of its member.
    pub(super) wake_at: Option<UnixMillis>,
    /// What the clock of its member showed last.
    pub(super) clock: UnixMillis,
    /// Whether something changed in the database.
    pub(super) look: bool,
    /// What the machine was told last of the members.
    pub(super) members: Vec<Member>,
    /// Whom the member was connected to, and since when it is not.
    pub(super) presence: BTreeMap<usize, (bool, UnixMillis)>,
    pub(super) notes: Vec<Note>,
    pub(super) writing: bool,
    pub(super) owing: BTreeMap<Hash, Owed>,
    pub(super) fetches: BTreeMap<Hash, Fetching>,
    /// Streams over which this member asks, by whom it asks.
    pub(super) asking: BTreeMap<usize, Asker>,
    /// Streams over which it is asked.
    pub(super) answering: BTreeMap<u64, Answerer>,
    pub(super) serving: BTreeMap<u64, Serving>,
    /// When what nobody needs is cleared away next, in milliseconds of the world.
    pub(super) clean_at: u64,
    /// The quota when something was promised last.
    pub(super) promised_bytes: u64,
    /// Copies that are being dropped.
    pub(super) trimming: BTreeSet<Hash>,
}

impl Shelf {
    pub(super) fn new(life: u64, manager: Manager, clean_at: u64) -> Self {
        Self {
            life,
            manager,
            wake_at: None,
            clock: UnixMillis(0),
            look: true,
            members: Vec::new(),
            presence: BTreeMap::new(),
            notes: Vec::new(),
            writing: false,
            owing: BTreeMap::new(),
            fetches: BTreeMap::new(),
            asking: BTreeMap::new(),
            answering: BTreeMap::new(),
            serving: BTreeMap::new(),
            clean_at,
            promised_bytes: 0,
            trimming: BTreeSet::new(),
        }
    }

    /// Whether a ciphertext is being fetched or served.
    pub(super) fn uses(&self, root: &Hash) -> bool {
        self.fetches.contains_key(root) || self.serving.values().any(|serving| serving.roots.contains(root))
    }
}
