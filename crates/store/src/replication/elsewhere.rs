//! What is held here and must be kept, and what others showed of it: what a wipe of this machine would cost.

use antiphon_core::ids::Hash;
use rusqlite::params;

use super::REPLICATION_ROWS_MAX;
use super::view::Replica;
use crate::error::Error;
use crate::reader::Reader;
use crate::row;

/// A ciphertext that is needed and held here whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCopy {
    /// Which one.
    pub root: Hash,
    /// What others showed of it, members or not, those that were seen with it last first.
    pub others: Vec<Replica>,
}

impl Reader<'_> {
    /// Every ciphertext that is needed and held here whole, in the order of the roots: those after `after`, at most
    /// `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn held_copies(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<HeldCopy>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT root FROM blobs WHERE needed = 1 AND missing = 0 AND root > ?1 ORDER BY root LIMIT ?2",
        )?;
        let after = after.map_or(&[][..], |after| &after.0[..]);
        let mut rows = query.query(params![after, row::sql_len(limit.min(REPLICATION_ROWS_MAX))])?;
        let mut copies = Vec::new();
        while let Some(found) = rows.next()? {
            let root = row::hash(found, 0)?;
            copies.push(HeldCopy { root, others: self.replicas(&root)? });
        }
        Ok(copies)
    }
}
