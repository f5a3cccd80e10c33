//! What a node holds durably, read in its database while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use antiphon_core::ids::Hash;
use antiphon_store::BLOB_DIR;

use crate::Outcome;

/// The database of one node.
pub struct Ledger {
    home: PathBuf,
    conn: Connection,
}

impl Ledger {
    pub fn open(home: &Path) -> Outcome<Self> {
        let conn = Connection::open_with_flags(home.join("antiphon.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Self { home: home.to_owned(), conn })
    }

    /// Ciphertexts of which every block is on the disk, with their lengths.
    pub fn whole(&self) -> Outcome<BTreeMap<Hash, u64>> {
        let mut query = self.conn.prepare_cached("SELECT root, length FROM blobs WHERE missing = 0")?;
        let rows = query.query_map([], |row| Ok((Hash(row.get(0)?), row.get::<_, i64>(1)?)))?;
        let mut whole = BTreeMap::new();
        for row in rows {
            let (root, length) = row?;
            whole.insert(root, u64::try_from(length)?);
        }
        Ok(whole)
    }

    /// Ciphertexts that the index needs.
    pub fn needed(&self) -> Outcome<BTreeSet<Hash>> {
        let mut query = self.conn.prepare_cached("SELECT DISTINCT root FROM contents WHERE state = 0")?;
        let rows = query.query_map([], |row| Ok(Hash(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The file of a ciphertext.
    pub fn file(&self, root: &Hash) -> PathBuf {
        self.home.join(BLOB_DIR).join(root.to_string())
    }
}

/// How many of these nodes hold each ciphertext.
pub fn copies<'a>(ledgers: impl IntoIterator<Item = &'a Ledger>) -> Outcome<BTreeMap<Hash, usize>> {
    let mut copies = BTreeMap::new();
    for ledger in ledgers {
        for root in ledger.whole()?.into_keys() {
            *copies.entry(root).or_default() += 1;
        }
    }
    Ok(copies)
}
