//! What a node keeps when it learns that it was removed from its team: the header of the steward's record.
//!
//! The record stands in a log that the removed node is not handed any more, so it cannot be appended there.

use antiphon_core::event::{Event, Header, Unverified};
use antiphon_core::ids::StoreId;
use antiphon_core::time::UnixMillis;
use rusqlite::Connection;

use crate::cache;
use crate::db::Db;
use crate::error::Error;

const KEY: &str = "removed_by";

/// How this node was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// The store of the steward that signed it.
    pub by: StoreId,
    /// When, by the steward's clock.
    pub at: UnixMillis,
}

impl Db {
    /// Keeps a record that removes this node's key. The caller has checked its signature.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_removal(&mut self, record: &Event<Unverified>) -> Result<(), Error> {
        self.transaction(|db| cache::set_meta(&db.conn, KEY, record.header_bytes()))
    }
}

/// See [`crate::Reader::removed`].
pub(crate) fn removed(conn: &Connection) -> Result<Option<Removed>, Error> {
    let Some(bytes) = cache::meta(conn, KEY)? else { return Ok(None) };
    let header = Header::decode(&bytes)?;
    // A record of a team that was left since says nothing about this one.
    let current = cache::own(conn)?.is_some_and(|own| own.team == header.team);
    Ok(current.then(|| Removed { by: header.store, at: header.hlc.time() }))
}
