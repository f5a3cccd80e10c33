//! The blocks of a long ciphertext on their way: hashed one by one, hashed as a whole, written.
//!
//! Each of the three is a thread that takes a block from the one before and hands it to the one behind; the last hands
//! it back to be filled again. So encrypting, hashing twice and writing take as many cores as there are, and memory is
//! bounded by the blocks between them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use antiphon_core::ids::Hash;
use sha2::{Digest, Sha256};

use super::behind::Behind;
use super::error::BlobError;
use super::handle::Blobs;

/// Blocks between one thread and the next: enough that each can work for a while when cores are busy elsewhere.
const BLOCKS_BETWEEN: usize = 4;

/// A file without a name yet. Dropped without getting one, it is removed.
#[derive(Debug)]
pub(super) struct Unnamed {
    file: File,
    path: PathBuf,
    blobs: Blobs,
    blocks: u64,
    behind: Option<Behind>,
}

impl Unnamed {
    pub(super) fn create(blobs: &Blobs) -> Result<Self, BlobError> {
        let path = blobs.new_path()?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = made.map_err(|error| BlobError::io(&path, error))?;
        Ok(Self { file, path, blobs: blobs.clone(), blocks: 0, behind: None })
    }

    pub(super) fn write(&mut self, block: &[u8]) -> Result<(), BlobError> {
        self.file.write_all(block).map_err(|error| BlobError::io(&self.path, error))?;
        self.blocks += 1;
        if self.blobs.is_durable() && Behind::is_due(self.blocks) { self.begin_early() } else { Ok(()) }
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

    /// Waits until everything is on the disk, and gives the file its name.
    pub(super) fn name(mut self, name: &Hash) -> Result<(), BlobError> {
        self.behind.take().map_or(Ok(()), |behind| behind.end(&self.path))?;
        self.blobs.sync(&self.file, &self.path)?;
        self.blobs.take_name(&self.path, name)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        // After a rename there is nothing of that name; what cannot be removed now is swept at the next start.
        let _renamed = fs::remove_file(&self.path);
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Flow {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    hashing: JoinHandle<Result<Vec<Hash>, BlobError>>,
    whole: JoinHandle<Result<Sha256, BlobError>>,
    writing: JoinHandle<Result<Unnamed, BlobError>>,
}

/// What came out at the end.
pub(super) struct Flowed {
    /// Of each block.
    pub(super) hashes: Vec<Hash>,
    /// Of the whole.
    pub(super) hash: Hash,
    pub(super) file: Unnamed,
}

impl Flow {
    pub(super) fn start(blobs: &Blobs) -> Result<Self, BlobError> {
        let file = Unnamed::create(blobs)?;
        let path = file.path.clone();
        let (full, to_hash) = sync_channel(BLOCKS_BETWEEN);
        let (hashed, to_sum) = sync_channel(BLOCKS_BETWEEN);
        let (summed, to_write) = sync_channel(BLOCKS_BETWEEN);
        let (written, empty) = sync_channel(3 * BLOCKS_BETWEEN);
        let hash = |hashes: &mut Vec<Hash>, block: &[u8]| {
            hashes.push(Hash::of(block));
            Ok(())
        };
        let sum = |whole: &mut Sha256, block: &[u8]| {
            whole.update(block);
            Ok(())
        };
        let hand_back = move |mut block: Vec<u8>| {
            block.clear();
            // Whoever fills blocks may have enough of them, or have left.
            let _unneeded = written.try_send(block);
            true
        };
        Ok(Self {
            full,
            empty,
            hashing: stage(&path, "blob-hash", Vec::new(), to_hash, hash, move |block| hashed.send(block).is_ok())?,
            whole: stage(&path, "blob-sum", Sha256::new(), to_sum, sum, move |block| summed.send(block).is_ok())?,
            writing: stage(&path, "blob-write", file, to_write, Unnamed::write, hand_back)?,
        })
    }

    /// Sends a block and returns an empty one, or none when a thread ended early.
    pub(super) fn push(&self, block: Vec<u8>) -> Option<Vec<u8>> {
        self.full.send(block).ok()?;
        Some(self.empty.try_recv().unwrap_or_default())
    }

    /// Waits until every block is in the file.
    pub(super) fn end(self) -> Result<Flowed, BlobError> {
        drop(self.full);
        let (hashes, whole) = (joined(self.hashing), joined(self.whole));
        // The file is what can fail, and what fails first ends the threads before it.
        let file = joined(self.writing)?;
        Ok(Flowed { hashes: hashes?, hash: Hash(whole?.finalize().into()), file })
    }
}

/// Starts a thread that does `work` with each block and passes it on, until there are no more or nobody takes them.
fn stage<T: Send + 'static>(
    path: &Path,
    name: &str,
    mut state: T,
    blocks: Receiver<Vec<u8>>,
    work: impl Fn(&mut T, &[u8]) -> Result<(), BlobError> + Send + 'static,
    pass_on: impl Fn(Vec<u8>) -> bool + Send + 'static,
) -> Result<JoinHandle<Result<T, BlobError>>, BlobError> {
    let run = move || {
        for block in blocks {
            work(&mut state, &block)?;
            if !pass_on(block) {
                break;
            }
        }
        Ok(state)
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|error| BlobError::io(path, error))
}

fn joined<T>(thread: JoinHandle<Result<T, BlobError>>) -> Result<T, BlobError> {
    thread.join().map_err(|_| BlobError::Store(crate::Error::Closed))?
}
