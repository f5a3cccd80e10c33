//! The newest item about each subject, by which an update finds the one whose place it takes.
//!
//! An index in the file would hold one entry for each item, in no order: every item then writes a page of four KiB just
//! for that. So the newest items are known in memory, and read from the rows when they are first asked for. What is
//! found here is looked at in its row before anything is done with it, so that an entry may be wrong.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Outgoing, Protocol, Subject};
use rusqlite::Connection;

use crate::error::Error;
use crate::row::{self, sql_len};

/// Subjects of one half. When it is full the other half is forgotten, which holds older ones.
const HALF_MAX: usize = 57_344;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Newest {
    /// Whether the rows of the file were read.
    read: bool,
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
}

/// For whom and about what an item is, in 64 bits; `None` for messages, which replace nothing and are many.
pub(super) fn key(item: &Outgoing) -> Option<u64> {
    (item.protocol != Protocol::MESSAGE).then(|| key_of(&item.peer.0, &item.subject))
}

fn key_of(peer: &[u8], subject: &Subject) -> u64 {
    let mut hasher = DefaultHasher::new();
    peer.hash(&mut hasher);
    subject.0.hash(&mut hasher);
    hasher.finish()
}

impl Newest {
    /// Number of the newest row with this key, if it is one of those that are known.
    pub(super) fn of(&mut self, conn: &Connection, key: u64) -> Result<Option<u64>, Error> {
        if !self.read {
            self.read(conn)?;
        }
        Ok(self.young.get(&key).or_else(|| self.old.get(&key)).copied())
    }

    /// Notes a row that is newer than all before it.
    pub(super) fn note(&mut self, key: u64, id: u64) {
        self.young.insert(key, id);
        if self.young.len() >= HALF_MAX {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Forgets everything; it is read again when it is asked for.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes up the newest rows of the file. What was noted since is newer.
    fn read(&mut self, conn: &Connection) -> Result<(), Error> {
        let mut query =
            conn.prepare_cached("SELECT id, peer, subject FROM outbox WHERE protocol <> 1 ORDER BY id DESC LIMIT ?1")?;
        let mut rows = query.query([sql_len(HALF_MAX)])?;
        while let Some(found) = rows.next()? {
            let (peer, subject): (Vec<u8>, Vec<u8>) = (found.get(1)?, found.get(2)?);
            // Damage is about nothing.
            let (Ok(peer), Ok(subject)) = (NodeId::from_slice(&peer), <[u8; 16]>::try_from(subject.as_slice())) else {
                continue;
            };
            self.old.entry(key_of(&peer.0, &Subject(subject))).or_insert(row::uint(found, 0)?);
        }
        self.read = true;
        Ok(())
    }
}
