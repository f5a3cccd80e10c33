//! A member's disk: which blocks of which documents stand on it, and which of those are damaged.

use std::collections::BTreeMap;

use antiphon_core::ids::Hash;

use super::library::Content;

/// A place for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Empty,
    Good,
    /// What stands there is something else, which nobody knows until it is read.
    Damaged,
}

/// What is there of a document.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) manifest: bool,
    pub(super) slots: Vec<Slot>,
    /// Bytes of its blocks that stand there.
    pub(super) bytes: u64,
    /// Whether all of it was there, and something of it turned out to be damaged.
    pub(super) had: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) blobs: BTreeMap<Hash, Blob>,
    /// Bytes that may stand there at all.
    pub(super) capacity: u64,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { blobs: BTreeMap::new(), capacity: u64::MAX }
    }

    /// Bytes of all blocks.
    pub(super) fn bytes(&self) -> u64 {
        self.blobs.values().map(|blob| blob.bytes).sum()
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.bytes().saturating_add(bytes) <= self.capacity
    }

    /// Whether everything of a document stands there, as far as its owner knows.
    pub(super) fn seems_whole(&self, root: &Hash) -> bool {
        self.blobs.get(root).is_some_and(|blob| blob.manifest && blob.slots.iter().all(|slot| *slot != Slot::Empty))
    }

    /// Whether everything of a document stands there and is right.
    pub(super) fn is_whole(&self, root: &Hash) -> bool {
        self.blobs.get(root).is_some_and(|blob| blob.manifest && blob.slots.iter().all(|slot| *slot == Slot::Good))
    }

    /// Where something of a document is to stand.
    pub(super) fn open(&mut self, content: &Content) -> &mut Blob {
        let empty = || Blob { manifest: false, slots: vec![Slot::Empty; content.hashes.len()], bytes: 0, had: false };
        self.blobs.entry(content.root).or_insert_with(empty)
    }

    /// Puts a whole document down.
    pub(super) fn put(&mut self, content: &Content) {
        let blob = self.open(content);
        blob.manifest = true;
        blob.slots.fill(Slot::Good);
        blob.bytes = content.shape.length;
    }

    /// Puts a block down. Says whether it was missing.
    pub(super) fn keep(&mut self, content: &Content, n: u64) -> bool {
        let blob = self.open(content);
        let Some(slot) = usize::try_from(n).ok().and_then(|n| blob.slots.get_mut(n)) else { return false };
        let missing = *slot == Slot::Empty;
        if missing {
            blob.bytes += content.block_bytes(n);
        }
        *slot = Slot::Good;
        missing
    }

    /// Something happens to a block. Says whether it did.
    pub(super) fn hurt(&mut self, content: &Content, n: u64, to: Slot) -> bool {
        let Some(blob) = self.blobs.get_mut(&content.root) else { return false };
        let Some(slot) = usize::try_from(n).ok().and_then(|n| blob.slots.get_mut(n)) else { return false };
        if *slot == Slot::Empty {
            return false;
        }
        if to == Slot::Empty {
            blob.bytes -= content.block_bytes(n);
        }
        *slot = to;
        true
    }

    /// What stands at the place of a block.
    pub(super) fn slot(&self, root: &Hash, n: u64) -> Slot {
        let blob = self.blobs.get(root);
        let slot = blob.zip(usize::try_from(n).ok()).and_then(|(blob, n)| blob.slots.get(n));
        slot.copied().unwrap_or(Slot::Empty)
    }
}
