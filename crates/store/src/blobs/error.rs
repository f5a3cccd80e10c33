//! Why a ciphertext cannot be written or read.

use std::path::Path;

use antiphon_core::content::{BLOCK_BYTES, ManifestError};
use antiphon_core::ids::Hash;

use crate::error::Error;

/// Why a ciphertext cannot be written or read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// Nothing of that name is held or being fetched.
    #[error("no content {0} is held here")]
    NotFound(Hash),
    /// There is no such block in it.
    #[error("content {root} has {blocks} blocks, none of them is number {block}")]
    NoSuchBlock {
        /// Which content.
        root: Hash,
        /// Which block, counted from 0.
        block: u64,
        /// How many there are.
        blocks: u64,
    },
    /// The block was never held here.
    #[error("block {block} of content {root} is not held here")]
    Missing {
        /// Which content.
        root: Hash,
        /// Which block.
        block: u64,
    },
    /// The block was held, and what is on the disk is something else. From now on it counts as missing.
    #[error("block {block} of content {root} is damaged on this disk")]
    Damaged {
        /// Which content.
        root: Hash,
        /// Which block.
        block: u64,
    },
    /// What was to be put there is not that block.
    #[error("{bytes} bytes were given that are not block {block} of content {root}")]
    WrongBlock {
        /// Which content.
        root: Hash,
        /// Which block.
        block: u64,
        /// How many bytes were given.
        bytes: usize,
    },
    /// The manifest that lists the block is not held yet.
    #[error("the manifest of part {part} of content {root} is not held here")]
    NoManifest {
        /// Which content.
        root: Hash,
        /// Which part, counted from 0.
        part: u64,
    },
    /// More was written than there is room for.
    #[error("the content has more than the {room} bytes that there is room for")]
    NoRoom {
        /// Bytes that were allowed.
        room: u64,
    },
    /// Writing failed before, or was finished.
    #[error("this content cannot be written any more")]
    Ended,
    /// Nothing was written, or more than manifests can list.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The disk or the database failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl BlobError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Store(Error::io(path, source))
    }

    /// Whether it is not held, so that another may be asked for it.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Missing { .. } | Self::Damaged { .. } | Self::NoManifest { .. })
    }

    /// Whether it was held and is no longer what it was.
    pub const fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether there is no room for it, by a limit or on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::NoRoom { .. } => true,
            Self::Store(error) => error.is_full(),
            _ => false,
        }
    }

    /// The error inside one that passed through [`std::io::Read`] or [`std::io::Write`].
    pub fn inside(error: &std::io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<rusqlite::Error> for BlobError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<BlobError> for std::io::Error {
    fn from(error: BlobError) -> Self {
        let kind = match &error {
            BlobError::NoRoom { .. } => std::io::ErrorKind::QuotaExceeded,
            BlobError::Damaged { .. } => std::io::ErrorKind::InvalidData,
            error if error.is_missing() => std::io::ErrorKind::NotFound,
            error if error.is_full() => std::io::ErrorKind::StorageFull,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// A block always fits into memory.
pub(crate) const BLOCK_LEN: usize = 256 * 1024;
const _: () = assert!(BLOCK_LEN as u64 == BLOCK_BYTES);
