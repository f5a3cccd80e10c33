//! What is to be fetched: the manifests, and the blocks that they name.
//!
//! The blocks of a large document are more than can be kept in mind, so only those of a few manifests are: the parts
//! that are open. A part is closed when all of its blocks are held, and the next one is opened before the last is done,
//! so that providers do not run dry between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use antiphon_core::content::{BLOCK_BYTES, MANIFEST_BYTES_MAX, MANIFEST_CHILDREN_MAX, Manifest, Shape};
use antiphon_core::ids::Hash;

/// Most parts that are open: the one that ends and the one that begins.
pub const PARTS_OPEN_MAX: usize = 2;

const PART_BLOCKS: u64 = MANIFEST_CHILDREN_MAX as u64;

/// Something that can be asked for. In this order it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// The manifest that names the document.
    Root,
    /// The manifest of a part.
    Leaf(u64),
    /// A block.
    Block(u64),
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the manifest of the document"),
            Self::Leaf(part) => write!(f, "the manifest of part {part}"),
            Self::Block(n) => write!(f, "block {n}"),
        }
    }
}

/// The document's own manifests cannot be used: whoever stored it is to blame, not who sent them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// They are none.
    #[error("{piece} cannot be read: {error}")]
    Malformed {
        /// Which.
        piece: Piece,
        /// What is wrong.
        error: antiphon_core::content::ManifestError,
    },
    /// They are about something else.
    #[error("{piece} covers {got} bytes, the index says {want}")]
    Length {
        /// Which.
        piece: Piece,
        /// What it covers.
        got: u64,
        /// What it must cover.
        want: u64,
    },
}

/// A part whose blocks are being fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// The hashes of its blocks, when its manifest is held.
    hashes: Option<Vec<Hash>>,
    /// Its missing blocks, as long as the manifest is not held.
    missing: BTreeSet<u64>,
    /// Whether it is known what of it is held.
    looked: bool,
    /// Blocks that are not held.
    left: u64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    root: Hash,
    shape: Shape,
    /// The hashes of the manifests of all parts, when the root is held.
    leaves: Option<Vec<Hash>>,
    parts: BTreeMap<u64, Part>,
    next_part: u64,
    /// Blocks that are held, as far as was looked.
    held: u64,
    /// What is missing and asked of nobody.
    pub(super) free: BTreeSet<Piece>,
}

/// A part whose manifest and blocks must be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which.
    pub part: u64,
    /// The hash of its manifest.
    pub manifest: Hash,
    /// Its blocks.
    pub blocks: Range<u64>,
}

impl Plan {
    pub(super) const fn new(root: Hash, shape: Shape) -> Self {
        Self { root, shape, leaves: None, parts: BTreeMap::new(), next_part: 0, held: 0, free: BTreeSet::new() }
    }

    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    /// Bytes that are missing, as far as was looked.
    pub(super) const fn left_bytes(&self) -> u64 {
        self.shape.length.saturating_sub(self.held.saturating_mul(BLOCK_BYTES))
    }

    /// Whether everything is held.
    pub(super) fn is_done(&self) -> bool {
        self.leaves.is_some() && self.parts.is_empty() && self.next_part == self.shape.leaves()
    }

    /// Whether it is being looked up what is held.
    pub(super) fn is_looking(&self) -> bool {
        self.parts.values().any(|part| !part.looked)
    }

    /// Takes the manifest of the document, whose hash was checked.
    pub(super) fn take_root(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        let manifest = self.read(Piece::Root, bytes, self.shape.length)?;
        // A document of one part has one manifest, which is that of the part too.
        self.leaves = Some(if manifest.depth == 0 { vec![self.root] } else { manifest.children });
        Ok(())
    }

    fn read(&self, piece: Piece, bytes: &[u8], want: u64) -> Result<Manifest, Unfit> {
        let manifest = Manifest::decode(bytes).map_err(|error| Unfit::Malformed { piece, error })?;
        let leaf = matches!(piece, Piece::Leaf(_));
        if manifest.length != want || (leaf && manifest.depth != 0) {
            return Err(Unfit::Length { piece, got: manifest.length, want });
        }
        Ok(manifest)
    }

    /// Opens the next part, if there is room for it.
    pub(super) fn open_next(&mut self) -> Option<Look> {
        let leaves = self.leaves.as_ref()?;
        if self.parts.len() >= PARTS_OPEN_MAX {
            return None;
        }
        let part = self.next_part;
        let manifest = *leaves.get(usize::try_from(part).ok()?)?;
        let first = part * PART_BLOCKS;
        let blocks = first..self.shape.blocks().min(first + PART_BLOCKS);
        self.next_part += 1;
        self.parts.insert(part, Part { hashes: None, missing: BTreeSet::new(), looked: false, left: 0 });
        Some(Look { part, manifest, blocks })
    }

    /// What of a part is held: its manifest, and all blocks but these.
    pub(super) fn looked(&mut self, part: u64, manifest: Option<&[u8]>, missing: &[Range<u64>]) -> Result<(), Unfit> {
        let first = part * PART_BLOCKS;
        let end = self.shape.blocks().min(first + PART_BLOCKS);
        let Some(open) = self.parts.get_mut(&part).filter(|open| !open.looked) else { return Ok(()) };
        open.looked = true;
        open.missing = missing.iter().flat_map(|range| range.start.max(first)..range.end.min(end)).collect();
        open.left = open.missing.len() as u64;
        self.held += (end - first) - open.left;
        match manifest {
            Some(bytes) => self.take_leaf(part, bytes),
            None => {
                self.free.insert(Piece::Leaf(part));
                Ok(())
            }
        }
    }

    /// Takes the manifest of a part, whose hash was checked.
    pub(super) fn take_leaf(&mut self, part: u64, bytes: &[u8]) -> Result<(), Unfit> {
        let want = self.shape.leaf(part).map_or(0, |shape| shape.length);
        let manifest = self.read(Piece::Leaf(part), bytes, want)?;
        if let Some(open) = self.parts.get_mut(&part) {
            let missing = std::mem::take(&mut open.missing);
            self.free.extend(missing.into_iter().map(Piece::Block));
            open.hashes = Some(manifest.children);
        }
        self.close_if_done(part);
        Ok(())
    }

    fn close_if_done(&mut self, part: u64) {
        if self.parts.get(&part).is_some_and(|open| open.hashes.is_some() && open.left == 0) {
            self.parts.remove(&part);
        }
    }

    /// A block is held now.
    pub(super) fn kept(&mut self, n: u64) {
        let part = n / PART_BLOCKS;
        if let Some(open) = self.parts.get_mut(&part) {
            open.left = open.left.saturating_sub(1);
            self.held += 1;
        }
        self.close_if_done(part);
    }

    /// The hash that a piece must have.
    pub(super) fn hash(&self, piece: Piece) -> Option<Hash> {
        match piece {
            Piece::Root => Some(self.root),
            Piece::Leaf(part) => self.leaves.as_ref()?.get(usize::try_from(part).ok()?).copied(),
            Piece::Block(n) => {
                let hashes = self.parts.get(&(n / PART_BLOCKS))?.hashes.as_ref()?;
                hashes.get(usize::try_from(n % PART_BLOCKS).ok()?).copied()
            }
        }
    }

    /// Most bytes of a piece; of a block exactly as many as it has.
    pub(super) fn bytes(&self, piece: Piece) -> u64 {
        match piece {
            Piece::Root | Piece::Leaf(_) => MANIFEST_BYTES_MAX as u64,
            Piece::Block(n) => self.shape.block_bytes(n).unwrap_or(BLOCK_BYTES),
        }
    }
}
