//! Manifests: which blocks a ciphertext consists of.
//!
//! A canonical CBOR map `{0: depth, 1: length, 2: children}`. At depth 0 the children are blocks, at depth 1 manifests
//! of depth 0. Children are hashes, written one after the other. Every child but the last is full, so the length says
//! how many there are, and where each byte is.

use minicbor::Decoder;

use crate::cbor;
use crate::ids::Hash;

/// Bytes of a block of ciphertext; the last of a document may have fewer.
pub const BLOCK_BYTES: u64 = 256 * 1024;
/// Most children of a manifest: one manifest covers a gibibyte, two levels four tebibytes.
pub const MANIFEST_CHILDREN_MAX: usize = 4_096;
/// Most bytes of a manifest.
pub const MANIFEST_BYTES_MAX: usize = MANIFEST_CHILDREN_MAX * HASH_BYTES + 32;

const HASH_BYTES: usize = 32;
/// Bytes that a manifest of depth 0 covers when it is full.
const LEAF_BYTES: u64 = BLOCK_BYTES * MANIFEST_CHILDREN_MAX as u64;

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not canonical CBOR of the right shape.
    #[error("malformed manifest: {0}")]
    Cbor(#[from] cbor::Error),
    /// Longer than [`MANIFEST_BYTES_MAX`].
    #[error("a manifest of {0} bytes, the limit is {MANIFEST_BYTES_MAX}")]
    TooLarge(usize),
    /// Deeper than two levels.
    #[error("a manifest of depth {0}, the limit is 1")]
    Depth(u64),
    /// Nothing, or more than two levels can list.
    #[error("a manifest of {0} bytes of ciphertext")]
    Length(u64),
    /// The length asks for another number of children.
    #[error("a manifest of {got} children, its length asks for {want}")]
    Children {
        /// How many there are.
        got: u64,
        /// How many there must be.
        want: u64,
    },
}

/// What follows from the length of a ciphertext alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of ciphertext.
    pub length: u64,
}

impl Shape {
    /// How many blocks there are.
    pub const fn blocks(self) -> u64 {
        self.length.div_ceil(BLOCK_BYTES)
    }

    /// Bytes of one block, counted from 0; `None` if there is no such block.
    pub fn block_bytes(self, block: u64) -> Option<u64> {
        (block < self.blocks()).then(|| (self.length - block * BLOCK_BYTES).min(BLOCK_BYTES))
    }

    /// How many manifests of depth 0 there are.
    pub const fn leaves(self) -> u64 {
        self.length.div_ceil(LEAF_BYTES)
    }

    /// The depth of the root.
    pub const fn depth(self) -> u64 {
        if self.leaves() > 1 { 1 } else { 0 }
    }

    /// The part that a manifest of depth 0 covers, counted from 0; `None` if there is no such manifest.
    pub fn leaf(self, leaf: u64) -> Option<Self> {
        (leaf < self.leaves()).then(|| Self { length: (self.length - leaf * LEAF_BYTES).min(LEAF_BYTES) })
    }
}

/// A list of hashes that make up a ciphertext, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// 0 when the children are blocks, 1 when they are manifests.
    pub depth: u64,
    /// Bytes of ciphertext it covers.
    pub length: u64,
    /// Hashes of blocks or of manifests.
    pub children: Vec<Hash>,
}

impl Manifest {
    /// Its name: SHA-256 of its canonical bytes.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.encode())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let children: Vec<u8> = self.children.iter().flat_map(|hash| hash.0).collect();
        cbor::encode(|out| {
            cbor::map(out, 3);
            cbor::uint(out, 0);
            cbor::uint(out, self.depth);
            cbor::uint(out, 1);
            cbor::uint(out, self.length);
            cbor::uint(out, 2);
            cbor::bytes(out, &children);
        })
    }

    /// Reads a manifest and checks that its children are as many as its length asks for.
    ///
    /// # Errors
    /// [`Error`] with what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(Error::TooLarge(bytes.len()));
        }
        let manifest = cbor::decode(bytes, read)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Makes the manifests of a ciphertext from the hashes of its blocks: the root, and below it, when there is more
    /// than one, the manifests of depth 0 in order.
    ///
    /// # Errors
    /// [`Error::Length`] and [`Error::Children`] when the blocks are not those of such a length.
    pub fn of_blocks(length: u64, blocks: &[Hash]) -> Result<(Self, Vec<Self>), Error> {
        let shape = Shape { length };
        let (got, want) = (blocks.len() as u64, shape.blocks());
        if got != want {
            return Err(Error::Children { got, want });
        }
        let leaves = (0..).zip(blocks.chunks(MANIFEST_CHILDREN_MAX)).map(|(leaf, children)| {
            let length = shape.leaf(leaf).map_or(0, |part| part.length);
            Self { depth: 0, length, children: children.to_vec() }
        });
        let mut leaves: Vec<Self> = leaves.collect();
        let root = match leaves.pop() {
            None => return Err(Error::Length(length)),
            Some(only) if leaves.is_empty() => return Ok((only, leaves)),
            Some(last) => {
                leaves.push(last);
                Self { depth: 1, length, children: leaves.iter().map(Self::hash).collect() }
            }
        };
        root.check()?;
        Ok((root, leaves))
    }

    fn check(&self) -> Result<(), Error> {
        let shape = Shape { length: self.length };
        if self.length == 0 {
            return Err(Error::Length(0));
        }
        let want = match self.depth {
            0 => shape.blocks(),
            1 if shape.leaves() < 2 => return Err(Error::Length(self.length)),
            1 => shape.leaves(),
            depth => return Err(Error::Depth(depth)),
        };
        if want > MANIFEST_CHILDREN_MAX as u64 {
            return Err(Error::Length(self.length));
        }
        let got = self.children.len() as u64;
        if got == want { Ok(()) } else { Err(Error::Children { got, want }) }
    }
}

fn read(input: &mut Decoder<'_>) -> Result<Manifest, cbor::Error> {
    let (mut depth, mut length, mut children) = (None, None, None);
    for _ in 0..cbor::read_map(input, 16)? {
        match input.u64()? {
            0 => depth = Some(input.u64()?),
            1 => length = Some(input.u64()?),
            2 => children = Some(cbor::read_bytes(input, MANIFEST_CHILDREN_MAX * HASH_BYTES)?),
            _ => input.skip()?,
        }
    }
    let children = children.ok_or(cbor::Error::Missing(2))?;
    let (hashes, rest) = children.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() {
        return Err(cbor::Error::Value("the children of a manifest are whole hashes"));
    }
    Ok(Manifest {
        depth: depth.ok_or(cbor::Error::Missing(0))?,
        length: length.ok_or(cbor::Error::Missing(1))?,
        children: hashes.iter().copied().map(Hash).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(count: u64) -> Vec<Hash> {
        (0..count).map(|n| Hash::of(&n.to_be_bytes())).collect()
    }

    #[test]
    fn a_manifest_reads_back_and_has_one_name() {
        for length in [1, BLOCK_BYTES, BLOCK_BYTES + 1, LEAF_BYTES] {
            let (root, below) = Manifest::of_blocks(length, &hashes(Shape { length }.blocks())).unwrap();
            assert!(below.is_empty());
            assert_eq!(Manifest::decode(&root.encode()), Ok(root.clone()));
            assert_eq!(root.hash(), Hash::of(&root.encode()));
            assert!(root.encode().len() <= MANIFEST_BYTES_MAX);
        }
    }

    #[test]
    fn what_one_manifest_cannot_list_takes_two_levels() {
        let length = 2 * LEAF_BYTES + 5;
        let blocks = hashes(Shape { length }.blocks());
        let (root, below) = Manifest::of_blocks(length, &blocks).unwrap();
        assert_eq!((root.depth, root.children.len(), below.len()), (1, 3, 3));
        assert_eq!((below[2].length, below[2].children.as_slice()), (5, &blocks[2 * MANIFEST_CHILDREN_MAX..]));
        assert_eq!(below.iter().map(Manifest::hash).collect::<Vec<_>>(), root.children);
        assert_eq!(Manifest::decode(&root.encode()), Ok(root));
    }

    #[test]
    fn a_manifest_that_lies_about_its_length_is_none() {
        let (root, _) = Manifest::of_blocks(BLOCK_BYTES + 1, &hashes(2)).unwrap();
        let refused = |change: &dyn Fn(&mut Manifest)| {
            let mut other = root.clone();
            change(&mut other);
            Manifest::decode(&other.encode()).unwrap_err()
        };
        assert_eq!(refused(&|m| m.length = 0), Error::Length(0));
        assert_eq!(refused(&|m| m.length = 3 * BLOCK_BYTES), Error::Children { got: 2, want: 3 });
        assert_eq!(refused(&|m| m.depth = 1), Error::Length(BLOCK_BYTES + 1));
        assert_eq!(refused(&|m| m.depth = 2), Error::Depth(2));
        assert_eq!(refused(&|m| m.length = u64::MAX), Error::Length(u64::MAX));
        assert!(Manifest::of_blocks(BLOCK_BYTES, &hashes(2)).is_err() && Manifest::of_blocks(0, &[]).is_err());
    }

    #[test]
    fn a_shape_says_how_long_each_block_is() {
        let shape = Shape { length: BLOCK_BYTES + 1 };
        assert_eq!((shape.blocks(), shape.leaves(), shape.depth()), (2, 1, 0));
        assert_eq!([0, 1, 2].map(|n| shape.block_bytes(n)), [Some(BLOCK_BYTES), Some(1), None]);
    }
}
