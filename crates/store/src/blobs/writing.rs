//! Writing a ciphertext whose length nobody knows yet.
//!
//! Whoever encrypts pushes bytes in, and they are cut into blocks. A ciphertext of one block is hashed and written at
//! its end, under its final name at once. A longer one flows through threads from its first full block on, see
//! [`super::flow`], into a file that gets its name at the end. Memory does not grow with it but for 32 bytes for each block.

use std::io::{self, Write};

use antiphon_core::content::{Manifest, Shape};
use antiphon_core::ids::Hash;

use super::error::{BLOCK_LEN, BlobError};
use super::flow::{Flow, Flowed};
use super::handle::Blobs;

/// A ciphertext that is being written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct Writing {
    blobs: Blobs,
    /// The block that is being filled.
    block: Vec<u8>,
    taken: u64,
    room: u64,
    state: State,
}

/// A ciphertext that is whole and durable under its name. Until [`Db::keep_blob`](crate::Db::keep_blob) it belongs to
/// nobody, and is removed at the next start. Keep this value until then: it keeps the file from being swept.
#[derive(Debug)]
pub struct Finished {
    blobs: Blobs,
    /// The manifest that names it.
    pub root: Manifest,
    /// What `root` lists, when that is manifests.
    pub parts: Vec<Manifest>,
    /// SHA-256 of the whole ciphertext.
    pub hash: Hash,
    name: Hash,
}

impl Finished {
    /// Its name: the hash of the root manifest.
    pub const fn name(&self) -> Hash {
        self.name
    }

    /// Bytes of ciphertext.
    pub const fn length(&self) -> u64 {
        self.root.length
    }

    /// How many blocks there are.
    pub const fn blocks(&self) -> u64 {
        Shape { length: self.root.length }.blocks()
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        self.blobs.let_go(&self.name);
    }
}

/// How far it came.
#[derive(Debug)]
enum State {
    /// No block was full yet, so there is no file.
    Short,
    /// Full blocks are on their way.
    Long(Flow),
    /// A thread ended early, or the ciphertext is finished.
    Ended,
}

impl Blobs {
    /// Begins a ciphertext.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn begin(&self) -> Result<Writing, BlobError> {
        self.begin_within(u64::MAX)
    }

    /// Begins a ciphertext of at most `room` bytes; what is more is refused with [`BlobError::NoRoom`].
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn begin_within(&self, room: u64) -> Result<Writing, BlobError> {
        self.make_dir(self.dir())?;
        Ok(Writing { blobs: self.clone(), block: Vec::new(), taken: 0, room, state: State::Short })
    }
}

impl Writing {
    /// Bytes that were written so far.
    pub const fn written(&self) -> u64 {
        self.taken
    }

    /// Waits until everything is on the disk under its final name.
    ///
    /// # Errors
    /// [`BlobError::Manifest`] when nothing was written, and when the disk fails. Then nothing is left behind.
    pub fn finish(mut self) -> Result<Finished, BlobError> {
        let last = std::mem::take(&mut self.block);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Err(BlobError::Ended),
            State::Short => {
                let hash = Hash::of(&last);
                let hashes = if last.is_empty() { vec![] } else { vec![hash] };
                let (root, parts) = Manifest::of_blocks(self.taken, &hashes)?;
                let name = root.hash();
                self.blobs.write_short(&name, &last)?;
                Ok(Finished { blobs: self.blobs.clone(), root, parts, hash, name })
            }
            State::Long(flow) => {
                if !last.is_empty() && flow.push(last).is_none() {
                    return Err(flow.end().err().unwrap_or(BlobError::Ended));
                }
                let Flowed { hashes, hash, file } = flow.end()?;
                let (root, parts) = Manifest::of_blocks(self.taken, &hashes)?;
                let name = root.hash();
                file.name(&name)?;
                Ok(Finished { blobs: self.blobs.clone(), root, parts, hash, name })
            }
        }
    }

    /// Passes the full block on.
    fn pass_on(&mut self) -> Result<(), BlobError> {
        let flow = match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => return Err(BlobError::Ended),
            State::Short => Flow::start(&self.blobs)?,
            State::Long(flow) => flow,
        };
        match flow.push(std::mem::take(&mut self.block)) {
            // A thread ended early, so it has something to say.
            None => Err(flow.end().err().unwrap_or(BlobError::Ended)),
            Some(empty) => {
                (self.block, self.state) = (empty, State::Long(flow));
                Ok(())
            }
        }
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.block.len() == BLOCK_LEN {
            self.pass_on()?;
        }
        let fits = bytes.len().min(BLOCK_LEN - self.block.len());
        let taken = self.taken + fits as u64;
        if taken > self.room {
            return Err(BlobError::NoRoom { room: self.room }.into());
        }
        self.block.extend_from_slice(&bytes[..fits]);
        self.taken = taken;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let State::Long(flow) = std::mem::replace(&mut self.state, State::Ended) {
            // Waits for the threads, the last of which removes the file.
            drop(flow.end());
        }
    }
}
