//! Which records of others make room for nearer ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use antiphon_core::ids::NodeId;
use libp2p::kad::{KBucketDistance, RecordKey};

/// The records of others by their distance to this node: all of them, and each author's.
#[derive(Default)]
pub(super) struct Ranks {
    all: BTreeMap<KBucketDistance, Ranked>,
    shares: HashMap<NodeId, Share>,
}

/// A record that is held. No two keys are equally far.
struct Ranked {
    key: RecordKey,
    author: NodeId,
    bytes: usize,
}

/// What is held of one author.
#[derive(Default)]
struct Share {
    at: BTreeSet<KBucketDistance>,
    bytes: usize,
}

impl Ranks {
    pub(super) fn insert(&mut self, at: KBucketDistance, key: RecordKey, author: NodeId, bytes: usize) {
        self.remove(&at);
        self.all.insert(at, Ranked { key, author, bytes });
        let share = self.shares.entry(author).or_default();
        share.at.insert(at);
        share.bytes += bytes;
    }

    pub(super) fn remove(&mut self, at: &KBucketDistance) {
        let Some(Ranked { author, bytes, .. }) = self.all.remove(at) else { return };
        let Some(share) = self.shares.get_mut(&author) else { return };
        share.at.remove(at);
        share.bytes = share.bytes.saturating_sub(bytes);
        if share.at.is_empty() {
            self.shares.remove(&author);
        }
    }

    /// The key of the farthest record, if that is farther than `at`.
    pub(super) fn farthest(&self, at: KBucketDistance) -> Option<RecordKey> {
        let (_, farthest) = self.all.last_key_value().filter(|(farthest, _)| **farthest > at)?;
        Some(farthest.key.clone())
    }

    /// The same among the records of one author.
    pub(super) fn farthest_of(&self, author: &NodeId, at: KBucketDistance) -> Option<RecordKey> {
        let farthest = self.shares.get(author)?.at.last().filter(|farthest| **farthest > at)?;
        self.all.get(farthest).map(|farthest| farthest.key.clone())
    }

    /// How many records of an author are held beside the one at `at`, and how many bytes their values have.
    pub(super) fn share(&self, author: &NodeId, at: &KBucketDistance) -> (usize, usize) {
        let Some(share) = self.shares.get(author) else { return (0, 0) };
        let here = self.all.get(at).filter(|here| here.author == *author);
        let bytes = share.bytes.saturating_sub(here.map_or(0, |here| here.bytes));
        (share.at.len() - usize::from(here.is_some()), bytes)
    }
}
