//! What the node takes of the machine.

use std::fs;

use super::Handle;

/// The files of the databases, with what is not written back into them yet.
const DATABASE_FILES: [&str; 4] = ["antiphon.db", "antiphon.db-wal", "search.db", "search.db-wal"];

impl Handle {
    /// Bytes that the database and its search index take on the disk; `None` where that cannot be seen. Asking the
    /// file system for the length of a file does not wait for the disk.
    pub fn database_bytes(&self) -> Option<u64> {
        let home = self.shared.home.path();
        let lengths: Vec<u64> =
            DATABASE_FILES.iter().filter_map(|name| Some(fs::metadata(home.join(name)).ok()?.len())).collect();
        (!lengths.is_empty()).then(|| lengths.iter().sum())
    }
}
