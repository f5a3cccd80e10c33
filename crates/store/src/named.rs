//! Writes that their callers named.
//!
//! A caller that is unsure whether its write was done repeats it. Most writes come to the same twice; an appended text
//! does not, nor does an edit that somebody else has changed since. So the name of a write and the event that stands for
//! it are committed together: whoever repeats the name gets that event, also after a restart.
//!
//! Limits: as of the keys of new facts, [`IDEMPOTENCY_KEYS_MAX`] and [`IDEMPOTENCY_LIFE_MS`]. Should the event be gone
//! since, the write is done again.

use antiphon_core::log::LogId;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, params};

use crate::author::{Scene, Stop, authored};
use crate::db::Db;
use crate::error::Error;
use crate::query::logs::event_at;
use crate::reader::Reader;
use crate::view::{Authored, Draft, Outcome};
use crate::{IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_LIFE_MS, row};

/// Names that may be kept beyond their limit before that is noticed.
const NAMES_PER_CHECK: u64 = 256;

impl Db {
    /// Writes a draft unless its name was used before.
    pub(crate) fn author_named(&mut self, key: &str, draft: &Draft, scene: &mut Scene) -> Result<Authored, Stop> {
        if let Some(done) = done(&self.conn, key, scene.now)? {
            return Ok(done);
        }
        let authored = self.author_one(draft, scene)?.map_err(Stop::Refused)?;
        keep(&self.conn, key, &authored, scene.now)?;
        self.cache.small.keys += 1;
        if self.cache.small.keys.is_multiple_of(NAMES_PER_CHECK) {
            tidy(&self.conn, scene.now)?;
        }
        Ok(authored)
    }
}

impl Reader<'_> {
    /// What came of the write of this name, if it was done lately.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named_write(&self, key: &str, now: UnixMillis) -> Result<Option<Authored>, Error> {
        done(self.connection(), key, now)
    }
}

fn done(conn: &Connection, key: &str, now: UnixMillis) -> Result<Option<Authored>, Error> {
    let mut query = conn.prepare_cached("SELECT stream, store, seq FROM named WHERE key = ?1 AND created_at > ?2")?;
    let mut rows = query.query(params![key, oldest(now)])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let event = event_at(conn, row::log(found, 0, 1)?, row::uint(found, 2)?)?;
    Ok(event.map(|event| authored(event.header(), Outcome::Existed)))
}

fn keep(conn: &Connection, key: &str, authored: &Authored, now: UnixMillis) -> Result<(), Error> {
    let mut query = conn.prepare_cached(
        "INSERT OR REPLACE INTO named (key, stream, store, seq, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let LogId { store, stream } = authored.log;
    query.execute(params![key, stream.number(), store.0, row::sql(authored.seq), row::sql(now.0)])?;
    Ok(())
}

/// Forgets names that are too old or too many.
fn tidy(conn: &Connection, now: UnixMillis) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM named WHERE created_at <= ?1")?.execute([oldest(now)])?;
    conn.prepare_cached(
        "DELETE FROM named WHERE key IN (SELECT key FROM named ORDER BY created_at DESC LIMIT -1 OFFSET ?1)",
    )?
    .execute([row::sql(IDEMPOTENCY_KEYS_MAX)])?;
    Ok(())
}

fn oldest(now: UnixMillis) -> i64 {
    row::sql(now.0.saturating_sub(IDEMPOTENCY_LIFE_MS))
}
