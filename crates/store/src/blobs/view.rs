//! What is known about a ciphertext here.

use std::ops::Range;

use antiphon_core::ids::Hash;

/// Most ranges of missing blocks that one view lists.
pub const BLOB_RANGES_MAX: usize = 16_384;

/// A ciphertext that is held, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobView {
    /// Hash of its root manifest.
    pub root: Hash,
    /// Bytes of the whole.
    pub length: u64,
    /// SHA-256 of the whole, if it was written here.
    pub hash: Option<Hash>,
    /// How many blocks it consists of.
    pub blocks: u64,
    /// Bytes of the blocks that are held.
    pub held_bytes: u64,
    /// How many blocks are not held.
    pub missing_blocks: u64,
    /// Which blocks are not held, in order: the first [`BLOB_RANGES_MAX`] ranges.
    pub missing: Vec<Range<u64>>,
    /// How many of the missing blocks were held once and were found changed.
    pub damaged: u64,
    /// How many manifests of parts are not held.
    pub missing_manifests: u64,
}

impl BlobView {
    /// Whether every block is held.
    pub const fn is_complete(&self) -> bool {
        self.missing_blocks == 0 && self.missing_manifests == 0
    }
}

/// How much content is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlobTotals {
    /// How many ciphertexts, whole or not.
    pub blobs: u64,
    /// Bytes that they have when they are whole. A quota counts these.
    pub length: u64,
    /// Bytes that are held.
    pub held: u64,
}
