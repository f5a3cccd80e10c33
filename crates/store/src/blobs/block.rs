//! Single blocks: reading one, putting one where it belongs, and finding out which are sound.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use antiphon_core::content::Shape;
use antiphon_core::ids::Hash;
use sha2::{Digest, Sha256};

use super::bits;
use super::error::{BLOCK_LEN, BlobError};
use super::handle::Blobs;
use super::rows;

/// Blocks whose bytes are on the disk, for [`Db::blocks_held`](crate::Db::blocks_held).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    pub(super) root: Hash,
    /// In order.
    pub(super) blocks: BTreeSet<u64>,
}

impl Landed {
    /// Which ciphertext they are of.
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is nothing to note.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Which blocks, in order.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        self.blocks.iter().for_each(|block| bits::push(&mut ranges, *block));
        ranges
    }
}

/// What reading all of a ciphertext found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Blocks that are what they must be.
    pub sound: u64,
    /// Blocks that are not held.
    pub missing: u64,
    /// Blocks that were held and were found changed.
    pub damaged: u64,
    /// SHA-256 of the whole, if all blocks are sound.
    pub hash: Option<Hash>,
}

impl Blobs {
    /// Reads a block and checks that it is the one that the manifest names.
    ///
    /// # Errors
    /// [`BlobError::Missing`] when it was never held, [`BlobError::Damaged`] when it was: then it is noted as missing.
    /// Also when the ciphertext or its manifest is not known, and when the disk fails.
    pub fn read_block(&self, root: &Hash, block: u64) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        self.read_into(None, root, block, &mut bytes)?;
        Ok(bytes)
    }

    /// The file of a ciphertext for reading, if there is one.
    pub(super) fn file(&self, root: &Hash) -> Result<Option<File>, BlobError> {
        let path = self.path(root);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::io(&path, error)),
        }
    }

    /// Reads a block into `bytes`, from `file` if it is open already.
    pub(super) fn read_into(
        &self,
        file: Option<&File>,
        root: &Hash,
        block: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<(), BlobError> {
        let part = self.part_of(root, block)?;
        let want = part.shape.block_bytes(block).and_then(|len| usize::try_from(len).ok());
        let (Some(want), Some(hash)) = (want, part.hash(block)) else {
            return Err(BlobError::NoSuchBlock { root: *root, block, blocks: part.shape.blocks() });
        };
        bytes.resize(want, 0);
        let opened = if file.is_some() { None } else { self.file(root)? };
        let got = match file.or(opened.as_ref()) {
            Some(file) => file.read_exact_at(bytes, block * BLOCK_LEN as u64),
            None => Err(ErrorKind::UnexpectedEof.into()),
        };
        match got {
            Ok(()) if Hash::of(bytes) == *hash => Ok(()),
            // The disk cannot read the place any more, or the file is shorter than it was: the bytes are lost.
            Ok(()) => Err(self.not_there(root, block)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.not_there(root, block)),
            Err(error) if is_unreadable(&error) => Err(self.not_there(root, block)),
            Err(error) => Err(BlobError::io(&self.path(root), error)),
        }
    }

    /// Whether a block that is not there was never held, or was lost.
    fn not_there(&self, root: &Hash, block: u64) -> BlobError {
        match self.ask(|conn| rows::is_missing(conn, root, block)) {
            Ok(None) => BlobError::NotFound(*root),
            Ok(Some(true)) => BlobError::Missing { root: *root, block },
            Ok(Some(false)) => self.found_damaged(root, block),
            Err(error) => error.into(),
        }
    }

    /// Puts a block where it belongs, if it is the one that the manifest names. It counts as held after
    /// [`Self::flush`] and [`Db::blocks_held`](crate::Db::blocks_held); call these now and then, every 64 MiB or so, and
    /// at the end. A block that was damaged is mended in the same way.
    ///
    /// # Errors
    /// [`BlobError::WrongBlock`] for other bytes, [`BlobError::NoManifest`] when the manifest of its part is not held,
    /// [`BlobError::NotFound`] when nobody began to fetch this, and when the disk fails.
    pub fn put_block(&self, root: &Hash, block: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let part = self.part_of(root, block)?;
        if part.hash(block) != Some(&Hash::of(bytes)) {
            return Err(BlobError::WrongBlock { root: *root, block, bytes: bytes.len() });
        }
        let file = self.file_to_fill(root)?;
        let written = file.write_all_at(bytes, block * BLOCK_LEN as u64);
        written.map_err(|error| BlobError::io(&self.path(root), error))?;
        let mut state = self.state();
        state.landed.entry(*root).or_default().insert(block);
        state.damage.remove(&(*root, block));
        Ok(())
    }

    /// The file that blocks are put into; made when the first one comes.
    fn file_to_fill(&self, root: &Hash) -> Result<File, BlobError> {
        let path = self.path(root);
        let io = |error| BlobError::io(&path, error);
        match OpenOptions::new().write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened.map_err(io),
        }
        self.make_dir(self.dir())?;
        let file = {
            // Under the lock, so that a file that `remove` just took away does not come back.
            let _state = self.state();
            if !self.ask(|conn| rows::exists(conn, root))? {
                return Err(BlobError::NotFound(*root));
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?
        };
        self.sync_dir(self.dir())?;
        Ok(file)
    }

    /// Waits until the blocks that were put are on the disk, and says which those are.
    ///
    /// # Errors
    /// When the disk fails. Then nobody knows what of them it holds, and they must be put again.
    pub fn flush(&self, root: &Hash) -> Result<Landed, BlobError> {
        let blocks = self.state().landed.remove(root).unwrap_or_default();
        if !blocks.is_empty()
            && let Some(file) = self.file(root)?
        {
            self.sync(&file, &self.path(root))?;
        }
        Ok(Landed { root: *root, blocks })
    }

    /// Looks at the blocks that are noted as missing, and says which are there after all: those that were put before a
    /// crash and not noted. They are on the disk when this returns.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] when nobody began to fetch this, and when the disk or the database fails.
    pub fn take_stock(&self, root: &Hash) -> Result<Landed, BlobError> {
        let view = self.ask(|conn| rows::blob(conn, root))?.ok_or(BlobError::NotFound(*root))?;
        let Some(file) = self.file(root)? else { return Ok(Landed { root: *root, blocks: BTreeSet::new() }) };
        let mut bytes = Vec::new();
        let mut found = BTreeSet::new();
        for block in view.missing.into_iter().flatten() {
            match self.is_sound(&file, root, block, &mut bytes) {
                Ok(true) => found.extend([block]),
                Ok(false) => {}
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        if !found.is_empty() {
            self.sync(&file, &self.path(root))?;
        }
        Ok(Landed { root: *root, blocks: found })
    }

    fn is_sound(&self, file: &File, root: &Hash, block: u64, bytes: &mut Vec<u8>) -> Result<bool, BlobError> {
        let part = self.part_of(root, block)?;
        let want = part.shape.block_bytes(block).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        bytes.resize(want, 0);
        if file.read_exact_at(bytes, block * BLOCK_LEN as u64).is_err() {
            return Ok(false);
        }
        // Most of a sparse file are holes, which need no hash to be told.
        Ok(bytes.iter().any(|byte| *byte != 0) && part.hash(block) == Some(&Hash::of(bytes)))
    }

    /// Reads all of a ciphertext and checks every block; what is damaged is noted.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] when it is not known, and when the disk or the database fails.
    pub fn check(&self, root: &Hash) -> Result<Checked, BlobError> {
        let view = self.ask(|conn| rows::blob(conn, root))?.ok_or(BlobError::NotFound(*root))?;
        let file = self.file(root)?;
        let (mut bytes, mut whole) = (Vec::new(), Sha256::new());
        let mut checked = Checked { sound: 0, missing: 0, damaged: 0, hash: None };
        for block in 0..(Shape { length: view.length }).blocks() {
            match self.read_into(file.as_ref(), root, block, &mut bytes) {
                Ok(()) => {
                    checked.sound += 1;
                    whole.update(&bytes);
                }
                Err(BlobError::Damaged { .. }) => checked.damaged += 1,
                Err(BlobError::Missing { .. } | BlobError::NoManifest { .. }) => checked.missing += 1,
                Err(error) => return Err(error),
            }
        }
        checked.hash = (checked.sound == view.blocks).then(|| Hash(whole.finalize().into()));
        Ok(checked)
    }

    /// What was found damaged and is not written down yet.
    pub(super) fn damage(&self) -> Vec<(Hash, u64)> {
        self.state().damage.iter().copied().collect()
    }

    /// It is written down.
    pub(super) fn damage_noted(&self, noted: &[(Hash, u64)]) {
        let mut state = self.state();
        state.damage.retain(|one| !noted.contains(one));
    }
}

/// Whether the disk says that it lost what was at this place, as against failing altogether.
fn is_unreadable(error: &std::io::Error) -> bool {
    /// Linux and the BSDs: the medium cannot be read there.
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}
