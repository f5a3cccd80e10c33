//! Writes that their callers named.
//!
//! A caller that is unsure whether its write was done repeats it. Most writes come to the same twice; an appended text
//! does not, nor does an edit that somebody else has changed since. So the name of a write and the event that stands for
//! it are committed together: whoever repeats the name gets that event, also after a restart. A message is no event; its
//! name stands beside its id, and is committed with what waits for its receivers.
//!
//! Limits: as of the keys of new facts, [`IDEMPOTENCY_KEYS_MAX`] and [`IDEMPOTENCY_LIFE_MS`]. Should the event be gone
//! since, the write is done again. A message is not sent again though somebody has deleted it here: it has arrived.

use antiphon_core::ids::MessageId;
use antiphon_core::log::LogId;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

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
        self.tidy_names(scene.now)?;
        Ok(authored)
    }

    /// Notes the name of a message; it belongs in the transaction that notes the message.
    ///
    /// # Errors
    /// [`Error::AlreadySent`] when a message of this name was sent lately.
    pub(crate) fn name_message(&mut self, key: &str, message: MessageId, now: UnixMillis) -> Result<(), Error> {
        if let Some(sent) = sent(&self.conn, key, now)? {
            return Err(Error::AlreadySent(sent));
        }
        let mut query = self
            .conn
            .prepare_cached("INSERT OR REPLACE INTO named_messages (key, message, created_at) VALUES (?1, ?2, ?3)")?;
        query.execute(params![key, message.0, row::sql(now.0)])?;
        drop(query);
        self.tidy_names(now)
    }

    /// Forgets names now and then: counting them reads them all.
    fn tidy_names(&mut self, now: UnixMillis) -> Result<(), Error> {
        self.cache.small.keys += 1;
        if self.cache.small.keys.is_multiple_of(NAMES_PER_CHECK) {
            tidy(&self.conn, "named", now)?;
            tidy(&self.conn, "named_messages", now)?;
        }
        Ok(())
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

    /// The message of this name, if it was sent lately.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named_message(&self, key: &str, now: UnixMillis) -> Result<Option<MessageId>, Error> {
        sent(self.connection(), key, now)
    }
}

fn sent(conn: &Connection, key: &str, now: UnixMillis) -> Result<Option<MessageId>, Error> {
    let mut query = conn.prepare_cached("SELECT message FROM named_messages WHERE key = ?1 AND created_at > ?2")?;
    Ok(query.query_row(params![key, oldest(now)], |found| found.get(0)).optional()?.map(MessageId))
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
fn tidy(conn: &Connection, table: &str, now: UnixMillis) -> Result<(), Error> {
    conn.prepare_cached(&format!("DELETE FROM {table} WHERE created_at <= ?1"))?.execute([oldest(now)])?;
    conn.prepare_cached(&format!(
        "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} ORDER BY created_at DESC LIMIT -1 OFFSET ?1)"
    ))?
    .execute([row::sql(IDEMPOTENCY_KEYS_MAX)])?;
    Ok(())
}

fn oldest(now: UnixMillis) -> i64 {
    row::sql(now.0.saturating_sub(IDEMPOTENCY_LIFE_MS))
}
