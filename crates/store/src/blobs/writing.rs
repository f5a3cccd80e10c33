//! Writing a ciphertext whose length nobody knows yet.
//!
//! Whoever encrypts pushes bytes in. They are cut into blocks; each block is hashed, alone and as part of the whole, and
//! written. From the second block on, the whole is hashed and the file is written on a thread of its own, which makes
//! two halves that cost about the same. A few blocks are on their way between the two and then used again, so memory
//! does not grow with the ciphertext but for 32 bytes for each block.
//!
//! Of a large file the disk is told to begin long before its end, by a third thread that does nothing but wait for it;
//! so what is left to wait for at the end is short.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use antiphon_core::content::{Manifest, Shape};
use antiphon_core::ids::Hash;
use sha2::{Digest, Sha256};

use super::behind::Behind;
use super::error::{BLOCK_LEN, BlobError};
use super::handle::Blobs;

/// Blocks between the thread that fills them and the one that hashes and writes them.
const BLOCKS_ON_THE_WAY: usize = 4;

/// A ciphertext that is being written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct Writing {
    blobs: Blobs,
    path: PathBuf,
    /// The block that is being filled.
    block: Vec<u8>,
    /// Hashes of the blocks that were passed on.
    hashes: Vec<Hash>,
    taken: u64,
    room: u64,
    /// `None` only while it changes, and after a failure.
    drain: Option<Drain>,
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

/// Where full blocks go.
#[derive(Debug)]
enum Drain {
    /// Into the file, on this thread.
    Here(Sink),
    /// To a thread that hands the emptied blocks back.
    Beside { full: SyncSender<Vec<u8>>, empty: Receiver<Vec<u8>>, thread: JoinHandle<Result<Sink, BlobError>> },
}

/// The file and the hash of the whole.
#[derive(Debug)]
struct Sink {
    file: File,
    path: PathBuf,
    whole: Sha256,
    blocks: u64,
    durable: bool,
    behind: Option<Behind>,
}

impl Sink {
    fn take(&mut self, block: &[u8]) -> Result<(), BlobError> {
        self.file.write_all(block).map_err(|error| BlobError::io(&self.path, error))?;
        self.whole.update(block);
        self.blocks += 1;
        if self.durable && Behind::is_due(self.blocks) { self.begin_early() } else { Ok(()) }
    }

    /// Has the disk begin with what is in the file.
    fn begin_early(&mut self) -> Result<(), BlobError> {
        let behind = match self.behind.take() {
            Some(behind) => behind,
            None => Behind::start(&self.file, &self.path)?,
        };
        if !behind.nudge() {
            // It ended early, so it has something to say.
            return behind.end(&self.path);
        }
        self.behind = Some(behind);
        Ok(())
    }

    /// Waits until everything is on the disk.
    fn sync(&mut self, blobs: &Blobs) -> Result<(), BlobError> {
        self.behind.take().map_or(Ok(()), |behind| behind.end(&self.path))?;
        blobs.sync(&self.file, &self.path)
    }

    /// Takes blocks until nobody can send any more.
    fn take_all(mut self, full: &Receiver<Vec<u8>>, empty: &SyncSender<Vec<u8>>) -> Result<Self, BlobError> {
        while let Ok(mut block) = full.recv() {
            self.take(&block)?;
            block.clear();
            // Whoever fills blocks may have left already, or have enough of them.
            let _unneeded = empty.try_send(block);
        }
        Ok(self)
    }
}

impl Blobs {
    /// Begins a ciphertext.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(&self) -> Result<Writing, BlobError> {
        self.begin_within(u64::MAX)
    }

    /// Begins a ciphertext of at most `room` bytes; what is more is refused with [`BlobError::NoRoom`].
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin_within(&self, room: u64) -> Result<Writing, BlobError> {
        let path = self.new_path()?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = made.map_err(|error| BlobError::io(&path, error))?;
        let durable = self.is_durable();
        let sink = Sink { file, path: path.clone(), whole: Sha256::new(), blocks: 0, durable, behind: None };
        let drain = Some(Drain::Here(sink));
        Ok(Writing { blobs: self.clone(), path, block: Vec::new(), hashes: Vec::new(), taken: 0, room, drain })
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
        let mut sink = self.settle()?;
        if !last.is_empty() {
            self.hashes.push(Hash::of(&last));
            sink.take(&last)?;
        }
        let (root, parts) = Manifest::of_blocks(self.taken, &self.hashes)?;
        let name = root.hash();
        sink.sync(&self.blobs)?;
        self.blobs.take_name(&self.path, &name)?;
        let hash = Hash(sink.whole.finalize().into());
        Ok(Finished { blobs: self.blobs.clone(), root, parts, hash, name })
    }

    /// Passes the full block on.
    fn pass_on(&mut self) -> Result<(), BlobError> {
        let block = std::mem::take(&mut self.block);
        self.hashes.push(Hash::of(&block));
        self.block = match self.drain.take() {
            None => return Err(self.failed()),
            Some(Drain::Here(sink)) => {
                let drain = self.spawn(sink)?;
                self.send(drain, block)?
            }
            Some(beside) => self.send(beside, block)?,
        };
        Ok(())
    }

    fn send(&mut self, drain: Drain, block: Vec<u8>) -> Result<Vec<u8>, BlobError> {
        let Drain::Beside { full, empty, thread } = drain else { return Err(self.failed()) };
        if full.send(block).is_err() {
            // It ended early, so it has something to say.
            drop(full);
            return Err(joined(thread).err().unwrap_or_else(|| self.failed()));
        }
        let next = empty.try_recv().unwrap_or_default();
        self.drain = Some(Drain::Beside { full, empty, thread });
        Ok(next)
    }

    fn spawn(&self, sink: Sink) -> Result<Drain, BlobError> {
        let (full, to_take) = sync_channel(BLOCKS_ON_THE_WAY);
        let (to_empty, empty) = sync_channel(BLOCKS_ON_THE_WAY);
        let work = move || sink.take_all(&to_take, &to_empty);
        let thread = std::thread::Builder::new().name("blob-write".to_owned()).spawn(work);
        let thread = thread.map_err(|error| BlobError::io(&self.path, error))?;
        Ok(Drain::Beside { full, empty, thread })
    }

    /// Waits until every full block is in the file.
    fn settle(&mut self) -> Result<Sink, BlobError> {
        match self.drain.take() {
            None => Err(self.failed()),
            Some(Drain::Here(sink)) => Ok(sink),
            Some(Drain::Beside { full, thread, .. }) => {
                drop(full);
                joined(thread)
            }
        }
    }

    fn failed(&self) -> BlobError {
        BlobError::io(&self.path, io::Error::other("writing failed before"))
    }
}

fn joined(thread: JoinHandle<Result<Sink, BlobError>>) -> Result<Sink, BlobError> {
    let panicked = |_| BlobError::Store(crate::Error::Closed);
    thread.join().map_err(panicked)?
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
        // The thread must not write on into a name that another may get.
        let _unsettled = self.settle();
        // After a rename there is nothing of that name; what cannot be removed now is swept at the next start.
        let _renamed = fs::remove_file(&self.path);
    }
}
