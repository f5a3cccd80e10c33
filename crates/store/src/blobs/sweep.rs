//! Names: giving a file its own, taking it away, and cleaning up after a crash.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use antiphon_core::content::Shape;
use antiphon_core::ids::Hash;
use rusqlite::Connection;

use super::bits::{Bits, PART_BLOCKS};
use super::error::BlobError;
use super::flow::Unnamed;
use super::handle::{Blobs, lock};
use super::rows;
use crate::db::Db;
use crate::error::Error;

/// Rows whose file is looked for in one step.
const ROWS_PER_STEP: usize = 1_000;

impl Blobs {
    /// Gives a durable file its name, durably, and holds that name until [`Self::let_go`].
    pub(super) fn take_name(&self, from: &Path, name: &Hash) -> Result<(), BlobError> {
        let to = self.path(name);
        {
            let mut state = self.state();
            fs::rename(from, &to).map_err(|error| BlobError::io(&to, error))?;
            state.hold(name);
        }
        self.sync_dir(self.dir()).inspect_err(|_| self.let_go(name))
    }

    /// Writes a ciphertext of one block, durably, and holds its name until [`Self::let_go`]. If there is a file of that
    /// name, it is replaced by a whole one, so that a crash in between cannot spoil it.
    pub(super) fn write_short(&self, name: &Hash, block: &[u8]) -> Result<(), BlobError> {
        self.make_dir(self.dir())?;
        let path = self.path(name);
        let made = {
            let mut state = self.state();
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            if made.is_ok() {
                state.hold(name);
            }
            made
        };
        let mut file = match made {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let mut file = Unnamed::create(self)?;
                file.write(block)?;
                return file.name(name);
            }
            Err(error) => return Err(BlobError::io(&path, error)),
        };
        let written = file.write_all(block).map_err(|error| BlobError::io(&path, error));
        let written = written.and_then(|()| self.sync(&file, &path)).and_then(|()| self.sync_dir(self.dir()));
        written.inspect_err(|_| {
            // What cannot be removed now has no row, and is swept at the next start.
            let _swept = fs::remove_file(&path);
            self.let_go(name);
        })
    }

    /// The file's row is there, or nobody wants it any more.
    pub(super) fn let_go(&self, name: &Hash) {
        let mut state = self.state();
        if let Some(holders) = state.finished.get_mut(name) {
            *holders -= 1;
            if *holders == 0 {
                state.finished.remove(name);
            }
        }
    }

    /// Removes the file of a ciphertext that has no row any more, see [`Db::drop_blob`]; says whether there was one. A
    /// ciphertext that was kept again meanwhile, or is just being kept, stays.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub fn remove(&self, root: &Hash) -> Result<bool, BlobError> {
        lock(&self.0.parts).forget(root);
        let mut state = self.state();
        if state.finished.contains_key(root) || self.ask(|conn| rows::exists(conn, root))? {
            return Ok(false);
        }
        state.landed.remove(root);
        state.damage.retain(|(damaged, _)| damaged != root);
        let path = self.path(root);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::io(&path, error)),
        }
    }

    /// Removes what a crash left, see the module; says how many files.
    fn sweep(&self, conn: &Connection) -> Result<u64, Error> {
        let mut swept = 0;
        for path in names(&self.unfinished())? {
            let path = path?.path();
            fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
            swept += 1;
        }
        for entry in names(self.dir())? {
            let entry = entry?;
            // A file whose name is no hash is none of ours.
            let Some(root) = entry.file_name().to_str().and_then(|name| name.parse::<Hash>().ok()) else { continue };
            if !rows::exists(conn, &root)? {
                fs::remove_file(entry.path()).map_err(|error| Error::io(&entry.path(), error))?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

type Entries = Box<dyn Iterator<Item = Result<fs::DirEntry, Error>>>;

/// What is in a directory; nothing if there is none.
fn names(dir: &Path) -> Result<Entries, Error> {
    let path = dir.to_owned();
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(error) => Err(Error::io(dir, error)),
        Ok(entries) => Ok(Box::new(entries.map(move |entry| entry.map_err(|error| Error::io(&path, error))))),
    }
}

impl Db {
    /// Brings files and rows in line after a start.
    pub(crate) fn sweep_blobs(&mut self) -> Result<(), Error> {
        let swept = self.blobs.sweep(&self.conn)?;
        if swept > 0 {
            tracing::info!(swept, "files of unfinished content were removed");
        }
        let mut after = Hash([0; 32]);
        loop {
            let step = rows::held_after(&self.conn, &after, ROWS_PER_STEP)?;
            let Some((last, _)) = step.last() else { return Ok(()) };
            after = *last;
            for (root, length) in step {
                let found = fs::metadata(self.blobs.path(&root));
                if found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                    tracing::warn!(%root, "the file of content is gone, its blocks will be fetched again");
                    self.transaction(|db| lose_all(db, &root, Shape { length }))?;
                }
            }
        }
    }
}

/// Notes every block that was held as damaged.
fn lose_all(db: &Db, root: &Hash, shape: Shape) -> Result<(), Error> {
    for part in 0..shape.leaves() {
        let blocks = shape.leaf(part).map_or(0, Shape::blocks);
        let Some(mut change) = rows::Change::of(&db.conn, root, part)? else { return Ok(()) };
        for block in Bits::first(blocks).ranges().into_iter().flatten() {
            change.lose(part * PART_BLOCKS + block);
        }
        change.write(&db.conn)?;
    }
    Ok(())
}
