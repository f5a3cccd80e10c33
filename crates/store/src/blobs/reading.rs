//! Reading a whole ciphertext in order, every block checked before its first byte is handed out.
//!
//! From the second block on, a thread reads and hashes ahead, so that this and decrypting take two cores.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use antiphon_core::content::Shape;
use antiphon_core::ids::Hash;

use super::error::BlobError;
use super::handle::Blobs;
use super::rows;

/// Blocks that are read ahead. With more of them a block has left the cache before it is decrypted.
const BLOCKS_AHEAD: usize = 4;

/// A ciphertext that is being read. An error ends it: the reader hands out nothing after a block that is not held.
#[derive(Debug)]
pub struct BlobReader {
    from: Source,
    length: u64,
    /// The block that is handed out, and how much of it was.
    block: Vec<u8>,
    at: usize,
    read_bytes: u64,
}

#[derive(Debug)]
enum Source {
    /// On this thread.
    Here(Walk),
    /// On another, which gets its buffers back.
    Beside { full: Receiver<Result<Vec<u8>, BlobError>>, empty: SyncSender<Vec<u8>> },
    /// Everything was read, or an error ended it.
    Ended,
}

/// Block after block.
#[derive(Debug)]
struct Walk {
    blobs: Blobs,
    file: Option<File>,
    root: Hash,
    next: u64,
    blocks: u64,
}

impl Walk {
    /// Reads the next block into `bytes`; says whether there was one.
    fn read(&mut self, bytes: &mut Vec<u8>) -> Result<bool, BlobError> {
        if self.next >= self.blocks {
            return Ok(false);
        }
        self.blobs.read_into(self.file.as_ref(), &self.root, self.next, bytes)?;
        self.next += 1;
        Ok(true)
    }

    /// Reads until the end, an error, or nobody wants more.
    fn read_all(mut self, full: &SyncSender<Result<Vec<u8>, BlobError>>, empty: &Receiver<Vec<u8>>) {
        loop {
            let mut bytes = empty.try_recv().unwrap_or_default();
            let read = match self.read(&mut bytes) {
                Ok(true) => Ok(bytes),
                Ok(false) => return,
                Err(error) => Err(error),
            };
            let ended = read.is_err();
            if full.send(read).is_err() || ended {
                return;
            }
        }
    }
}

impl Blobs {
    /// Reads a ciphertext from its beginning.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] when it is not known, and when the disk or the database fails. That a block is missing
    /// shows when it is reached: reading then fails with a [`BlobError`] inside, see [`BlobError::inside`].
    pub fn reader(&self, root: &Hash) -> Result<BlobReader, BlobError> {
        let length = self.ask(|conn| rows::length(conn, root))?.ok_or(BlobError::NotFound(*root))?;
        let (file, blocks) = (self.file(root)?, Shape { length }.blocks());
        let walk = Walk { blobs: self.clone(), file, root: *root, next: 0, blocks };
        Ok(BlobReader { from: Source::Here(walk), length, block: Vec::new(), at: 0, read_bytes: 0 })
    }
}

impl BlobReader {
    /// Bytes of the whole ciphertext.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that were handed out.
    pub const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Gets the next block; none at the end.
    fn advance(&mut self) -> Result<(), BlobError> {
        let mut old = std::mem::take(&mut self.block);
        self.at = 0;
        match std::mem::replace(&mut self.from, Source::Ended) {
            Source::Ended => {}
            Source::Here(mut walk) if walk.next == 0 => {
                if walk.read(&mut old)? {
                    self.block = old;
                    self.from = Source::Here(walk);
                }
            }
            Source::Here(walk) if walk.next >= walk.blocks => {}
            Source::Here(walk) => {
                self.from = beside(walk)?;
                return self.advance();
            }
            Source::Beside { full, empty } => {
                // It is handed back as it is, since clearing it would only have it filled with zeros again. The reader may
                // have enough of them, or have ended.
                let _unneeded = empty.try_send(old);
                if let Ok(block) = full.recv() {
                    self.block = block?;
                    self.from = Source::Beside { full, empty };
                }
            }
        }
        Ok(())
    }
}

fn beside(walk: Walk) -> Result<Source, BlobError> {
    let path = walk.blobs.path(&walk.root);
    let (to_read, full) = sync_channel(BLOCKS_AHEAD);
    let (empty, emptied) = sync_channel(BLOCKS_AHEAD);
    let thread = std::thread::Builder::new().name("blob-read".to_owned());
    let spawned = thread.spawn(move || walk.read_all(&to_read, &emptied));
    spawned.map_err(|error| BlobError::io(&path, error))?;
    Ok(Source::Beside { full, empty })
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.at >= self.block.len() {
            self.advance()?;
        }
        let bytes = self.block.get(self.at..).unwrap_or_default();
        let taken = bytes.len().min(out.len());
        out[..taken].copy_from_slice(&bytes[..taken]);
        self.at += taken;
        self.read_bytes += taken as u64;
        if taken == 0 && self.read_bytes < self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(taken)
    }
}
