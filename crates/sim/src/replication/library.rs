//! Every document that was ever stored in a world, whoever still holds it, and the news of what is to be kept.
//!
//! The index travels as signed events in a real team. That is tried in the other worlds; here it is news that members
//! tell each other, each of which knows what it was told. A document is what it is on a disk: a manifest and blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::content::{BLOCK_BYTES, Manifest, Shape};
use antiphon_core::ids::Hash;
use antiphon_core::replication::Priority;

use crate::failure::{Broken, Law, Step};
use crate::random::Random;

/// Most blocks of a document. A challenge names four blocks at most, so that of these every block is proved.
pub(super) const BLOCKS_MAX: u64 = 4;
/// Longest last block of a document, in bytes; the others are whole.
const LAST_BYTES_MAX: u64 = 4_096;
/// Bytes of a block that differ from document to document.
const STAMP_BYTES: usize = 32;

/// The ciphertext of a version.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) root: Hash,
    pub(super) shape: Shape,
    pub(super) manifest: Vec<u8>,
    pub(super) hashes: Vec<Hash>,
    pub(super) blocks: Vec<Arc<Vec<u8>>>,
    /// Who stored it.
    pub(super) author: usize,
    /// Which document it is a version of.
    pub(super) document: u64,
}

impl Content {
    /// Bytes of a block; 0 if there is none.
    pub(super) fn block_bytes(&self, n: u64) -> u64 {
        self.shape.block_bytes(n).unwrap_or(0)
    }
}

/// Something that all members are to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// A node is a member.
    Joined(usize),
    /// It is none any more.
    Removed(usize),
    /// A member offers room, or does not; the newer word counts.
    Offers { node: usize, offers: bool, free_bytes: u64 },
    /// A version was stored.
    Put(Hash),
    /// These versions of a document are not needed any more.
    TakenAway(Vec<Hash>),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Library {
    pub(super) contents: BTreeMap<Hash, Content>,
    /// All news, in the order in which they came up.
    pub(super) news: Vec<News>,
    documents: u64,
}

/// A member as another one knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offer {
    pub(super) offers: bool,
    pub(super) free_bytes: u64,
}

/// A version that has to be kept, as a member knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) length: u64,
    pub(super) priority: Priority,
    pub(super) current: bool,
}

/// What follows from the news that a member knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) members: BTreeMap<usize, Offer>,
    pub(super) keys: BTreeMap<Hash, Key>,
}

impl Library {
    /// Makes a version of a document; of a new one unless it is said of which.
    pub(super) fn write(&mut self, random: &mut Random, author: usize, of: Option<u64>) -> Step<Hash> {
        let document = of.unwrap_or_else(|| {
            self.documents += 1;
            self.documents
        });
        let whole = if random.chance(600) { 0 } else { random.between(1, BLOCKS_MAX - 1) };
        let length = whole * BLOCK_BYTES + random.between(1, LAST_BYTES_MAX);
        let shape = Shape { length };
        let blocks = (0..shape.blocks()).map(|n| {
            let bytes = usize::try_from(shape.block_bytes(n).unwrap_or(0)).unwrap_or(0);
            let mut block = vec![0; bytes];
            block.iter_mut().zip(random.bytes::<STAMP_BYTES>()).for_each(|(byte, stamp)| *byte = stamp);
            Arc::new(block)
        });
        let blocks: Vec<Arc<Vec<u8>>> = blocks.collect();
        let hashes: Vec<Hash> = blocks.iter().map(|block| Hash::of(block)).collect();
        let made = Manifest::of_blocks(length, &hashes);
        let (manifest, _) = made.map_err(|error| Broken(Law::StoreWorks, format!("a manifest: {error}")))?;
        let root = manifest.hash();
        let content = Content { root, shape, manifest: manifest.encode(), hashes, blocks, author, document };
        self.contents.insert(root, content);
        Ok(root)
    }

    /// Notes something; says which news it is.
    pub(super) fn tell(&mut self, news: News) -> usize {
        self.news.push(news);
        self.news.len() - 1
    }

    /// The content of a root.
    pub(super) fn content(&self, root: &Hash) -> Step<&Content> {
        self.contents.get(root).ok_or_else(|| Broken(Law::StoreWorks, format!("there is no document {root:?}")))
    }

    /// What follows from some of the news.
    pub(super) fn view(&self, known: &BTreeSet<usize>) -> View {
        let mut view = View::default();
        let mut gone = BTreeSet::new();
        // The version that stands for each document: the newest that is left.
        let mut newest: BTreeMap<u64, Hash> = BTreeMap::new();
        let mut out = BTreeSet::new();
        for news in known.iter().filter_map(|n| self.news.get(*n)) {
            match news {
                News::Joined(node) => drop(view.members.insert(*node, Offer::default())),
                News::Removed(node) => drop(out.insert(*node)),
                News::Offers { node, offers, free_bytes } => {
                    if let Some(member) = view.members.get_mut(node) {
                        *member = Offer { offers: *offers, free_bytes: *free_bytes };
                    }
                }
                News::Put(root) => {
                    if let Some(content) = self.contents.get(root) {
                        let length = content.shape.length;
                        view.keys.insert(*root, Key { length, priority: Priority::Low, current: false });
                    }
                }
                News::TakenAway(roots) => gone.extend(roots.iter().copied()),
            }
        }
        view.members.retain(|node, _| !out.contains(node));
        view.keys.retain(|root, _| !gone.contains(root));
        for news in known.iter().filter_map(|n| self.news.get(*n)) {
            if let News::Put(root) = news
                && view.keys.contains_key(root)
                && let Some(content) = self.contents.get(root)
            {
                newest.insert(content.document, *root);
            }
        }
        for root in newest.values() {
            if let Some(key) = view.keys.get_mut(root) {
                (key.priority, key.current) = (Priority::Normal, true);
            }
        }
        view
    }
}
