//! `[content]`: how much of the documents that were read stays in memory.

use crate::config_file::bytes_of;
use crate::outcome::Problem;
use crate::toml_reader::Entry;

/// Reads the table: most bytes of documents that stay decrypted in memory, if it says so.
///
/// # Errors
/// Where it is wrong.
pub(super) fn read(entry: &Entry<'_>) -> Result<Option<u64>, Problem> {
    let table = entry.table(&["cache"])?;
    table.get("cache").map(|cache| bytes_of(&cache)).transpose()
}
