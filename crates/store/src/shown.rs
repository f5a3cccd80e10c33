//! What this node shows to members who ask: facts that it keeps to itself, down to a level that a person sets.
//!
//! Nothing is shown unless somebody said so: who writes down a module's quirk or a scrap was told that it stays on the
//! machine.

use antiphon_core::fact::Level;
use rusqlite::Connection;

use crate::cache;
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;

const KEY: &str = "shown_on_request";

impl Db {
    /// Sets down to which level facts are shown to members who ask; `None` shows nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_shown_on_request(&mut self, up_to: Option<Level>) -> Result<(), Error> {
        let name = up_to.map_or("", Level::name);
        self.transaction(|db| cache::set_meta(&db.conn, KEY, name.as_bytes()))
    }
}

impl Reader<'_> {
    /// Down to which level facts are shown to members who ask; `None` when nothing is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn shown_on_request(&self) -> Result<Option<Level>, Error> {
        shown(self.connection())
    }
}

/// A name that this version does not know shows nothing.
fn shown(conn: &Connection) -> Result<Option<Level>, Error> {
    let kept = cache::meta(conn, KEY)?;
    Ok(kept.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Options;

    #[test]
    fn nothing_is_shown_until_somebody_says_so() {
        let dir = tempfile::tempdir().unwrap();
        {
            let mut db = Db::open(dir.path(), Options::default(), None).unwrap();
            assert_eq!(db.reader().shown_on_request().unwrap(), None);
            db.set_shown_on_request(Some(Level::Module)).unwrap();
        }
        let mut db = Db::open(dir.path(), Options::default(), None).unwrap();
        assert_eq!(db.reader().shown_on_request().unwrap(), Some(Level::Module));
        db.set_shown_on_request(None).unwrap();
        assert_eq!(db.reader().shown_on_request().unwrap(), None);
    }
}
