//! What the index of documents says of a pointer.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use antiphon_core::dht::{Pointer, Standing};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::contents::State;
use crate::error::Error;
use crate::schema::{self, MAIN_FILE};
use crate::store::Store;

/// Bytes of a row's rank that are the version.
const VERSION_BYTES: usize = 8;

/// A look into the index by whoever cannot wait for its turn: the network asks for every record that it is given. It
/// has a connection of its own, and reads one row by its key.
#[derive(Debug)]
pub struct Glance(Mutex<Connection>);

impl Store {
    /// A connection for looks into the index.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn glance(&self) -> Result<Glance, Error> {
        Glance::open(self.dir())
    }
}

impl Glance {
    /// A connection to the database in this directory, which exists.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self(Mutex::new(schema::open_reader(&dir.join(MAIN_FILE))?)))
    }

    /// What the index says of a pointer to this version.
    ///
    /// # Errors
    /// When the database fails.
    pub fn standing(&self, pointer: &Pointer, version: u64) -> Result<Standing, Error> {
        standing(&self.0.lock().unwrap_or_else(PoisonError::into_inner), pointer, version)
    }
}

fn standing(conn: &Connection, pointer: &Pointer, version: u64) -> Result<Standing, Error> {
    let mut query = conn.prepare_cached(
        "SELECT c.state, l.store = ?3 AND substr(c.rank, 1, ?4) = ?5 AND c.root = ?6
         FROM contents c JOIN logs l ON l.id = c.log WHERE c.id = ?1 AND c.event = ?2",
    )?;
    let version = version.to_be_bytes();
    let values =
        params![pointer.content.0, pointer.event.0, pointer.store.0, VERSION_BYTES as i64, version, pointer.root.0];
    let found =
        query.query_row(values, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<bool>>(1)?))).optional()?;
    Ok(match found {
        None => Standing::Unknown,
        Some((state, _)) if state == State::Unknown as i64 => Standing::Unknown,
        Some((state, Some(true))) if state == State::Counts as i64 => Standing::Authorised,
        Some(_) => Standing::Refuted,
    })
}
