//! Databases of nodes that are switched on for the first time.
//!
//! Making one means a hundred statements, and they are the same for every node of every world; so they are made once, and
//! their files are written down for the others.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_store::{Db, Options};
use tempfile::TempDir;

use crate::failure::Step;

type Files = Arc<Vec<(OsString, Vec<u8>)>>;

static EMPTY: Mutex<Option<Files>> = Mutex::new(None);

/// A directory in memory, which is where a world belongs that is thrown away after a tenth of a second.
pub(crate) fn dir() -> Step<TempDir> {
    let memory = PathBuf::from("/dev/shm");
    Ok(if memory.is_dir() { TempDir::new_in(memory)? } else { TempDir::new()? })
}

/// Puts an empty database there, unless there is something already.
pub(crate) fn begin(dir: &Path) -> Step {
    if dir.exists() {
        return Ok(());
    }
    let files = empty()?;
    std::fs::create_dir_all(dir)?;
    for (name, bytes) in files.iter() {
        std::fs::write(dir.join(name), bytes)?;
    }
    Ok(())
}

fn empty() -> Step<Files> {
    let mut kept = EMPTY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(files) = kept.as_ref() {
        return Ok(files.clone());
    }
    let home = dir()?;
    // Copied while it is open, with its write-ahead log as long as it is in a database that was made in its place.
    let open = Db::open(home.path(), Options { durable: false }, None)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(home.path())? {
        let entry = entry?;
        if entry.path().is_file() && !entry.file_name().to_string_lossy().ends_with("-shm") {
            files.push((entry.file_name(), std::fs::read(entry.path())?));
        }
    }
    drop(open);
    Ok(kept.insert(Arc::new(files)).clone())
}
