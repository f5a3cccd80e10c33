//! What a killed process leaves behind: its files as they were at that moment.
//!
//! Closing a database in order would finish what was open. So a crash copies the files away first, and the next life
//! begins with the copy. A torn write is cut from the end of the write-ahead log of the copy: everything that was
//! committed before stays whole, as `fsync` promises, and of the last transaction some bytes are missing.

use std::path::{Path, PathBuf};

use crate::failure::Step;
use crate::random::Random;

/// The write-ahead log of the main database.
fn wal(dir: &Path) -> PathBuf {
    dir.join("antiphon.db-wal")
}

/// Bytes in the write-ahead log.
pub(crate) fn wal_len(dir: &Path) -> u64 {
    std::fs::metadata(wal(dir)).map_or(0, |metadata| metadata.len())
}

/// Copies the files of a database that a crash leaves; the shared memory of the log is not among them.
pub(crate) fn copy(from: &Path, to: &Path) -> Step {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            // The ciphertexts of documents.
            copy(&path, &to.join(name))?;
        } else if !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(path, to.join(name))?;
        }
    }
    Ok(())
}

/// Cuts the write-ahead log somewhere between two lengths, so that what came after the first is torn.
pub(crate) fn tear(dir: &Path, before: u64, after: u64, random: &mut Random) -> Step {
    let len = before + random.below(after.saturating_sub(before));
    Ok(std::fs::OpenOptions::new().write(true).open(wal(dir))?.set_len(len)?)
}

/// Cuts the write-ahead log to a length.
pub(crate) fn cut(dir: &Path, len: u64) -> Step {
    if wal_len(dir) > len {
        std::fs::OpenOptions::new().write(true).open(wal(dir))?.set_len(len)?;
    }
    Ok(())
}
