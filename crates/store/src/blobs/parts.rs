//! The hashes of the blocks of a part, read once and kept while they are used.
//!
//! Blocks are asked for one by one, and a manifest lists up to 4,096 of them, so reading it for each would cost more
//! than the block. What is kept can never be wrong: a root names its manifests by their hashes.

use std::collections::VecDeque;
use std::sync::Arc;

use antiphon_core::content::{BLOCK_BYTES, Manifest, Shape};
use antiphon_core::ids::Hash;
use rusqlite::{Connection, params};

use super::bits::PART_BLOCKS;
use super::error::BlobError;
use super::handle::{Blobs, lock};
use crate::error::Error;
use crate::row::{self, sql};

/// Most parts whose hashes are kept: 2 MiB.
const PARTS_MAX: usize = 16;

/// The blocks of one part of a ciphertext.
#[derive(Debug)]
pub(super) struct Part {
    /// The whole ciphertext.
    pub(super) shape: Shape,
    /// Hashes of this part's blocks.
    hashes: Vec<Hash>,
}

impl Part {
    /// The hash of a block of this part.
    pub(super) fn hash(&self, block: u64) -> Option<&Hash> {
        self.hashes.get(usize::try_from(block % PART_BLOCKS).ok()?)
    }
}

/// The parts that were used last, the newest at the end.
#[derive(Debug, Default)]
pub(super) struct Parts(VecDeque<((Hash, u64), Arc<Part>)>);

impl Parts {
    fn get(&mut self, key: &(Hash, u64)) -> Option<Arc<Part>> {
        let at = self.0.iter().position(|(kept, _)| kept == key)?;
        let found = self.0.remove(at)?;
        let part = Arc::clone(&found.1);
        self.0.push_back(found);
        Some(part)
    }

    fn put(&mut self, key: (Hash, u64), part: Arc<Part>) {
        if self.0.len() >= PARTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((key, part));
    }

    /// Forgets what belongs to a ciphertext that is gone.
    pub(super) fn forget(&mut self, root: &Hash) {
        self.0.retain(|((kept, _), _)| kept != root);
    }
}

/// Length of a ciphertext, and bytes of a manifest.
type Row = (u64, Option<Vec<u8>>);

/// The ciphertext's length and, where it is held, the manifest that lists the blocks of a part.
fn row_of(conn: &Connection, root: &Hash, part: u64) -> Result<Option<Row>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT b.length, m.bytes FROM blobs b LEFT JOIN blob_manifests m
             ON m.blob = b.id AND m.place = CASE WHEN b.length > ?3 THEN ?2 + 1 ELSE 0 END
         WHERE b.root = ?1",
    )?;
    let mut rows = query.query(params![root.0, sql(part), sql(PART_BLOCKS * BLOCK_BYTES)])?;
    rows.next()?.map(|found| Ok((row::uint(found, 0)?, found.get(1)?))).transpose()
}

impl Blobs {
    /// The part that `block` is in.
    pub(super) fn part_of(&self, root: &Hash, block: u64) -> Result<Arc<Part>, BlobError> {
        let number = block / PART_BLOCKS;
        let key = (*root, number);
        if let Some(part) = lock(&self.0.parts).get(&key) {
            return Ok(part);
        }
        let (length, bytes) = self.ask(|conn| row_of(conn, root, number))?.ok_or(BlobError::NotFound(*root))?;
        let shape = Shape { length };
        if block >= shape.blocks() {
            return Err(BlobError::NoSuchBlock { root: *root, block, blocks: shape.blocks() });
        }
        let bytes = bytes.ok_or(BlobError::NoManifest { root: *root, part: number })?;
        let part = Arc::new(Part { shape, hashes: Manifest::decode(&bytes)?.children });
        lock(&self.0.parts).put(key, Arc::clone(&part));
        Ok(part)
    }
}
