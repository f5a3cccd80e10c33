//! Rebuilding everything that is derived from the log.
//!
//! What is computed as events arrive must be what one gets by reading them again from the first; only then can a
//! projection change its shape in a later version. How far each log is believed stands beside it ([`crate::verdicts`])
//! and is taken as it stands.

use antiphon_core::event::Event;
use rusqlite::params;

use crate::apply::take_in;
use crate::cache::{meta_uint, set_meta_uint};
use crate::db::Db;
use crate::error::Error;
use crate::row;

/// Events that are read at once.
const EVENTS_PER_STEP: i64 = 1_000;

/// The setting that tells the search index whether it follows this projection.
pub(crate) const EPOCH: &str = "projection_epoch";

impl Db {
    /// Drops every projection and computes it again from the events; the search index begins anew and catches up.
    ///
    /// # Errors
    /// When the database fails; then all is as it was.
    pub fn rebuild(&mut self) -> Result<(), Error> {
        self.transaction(|db| {
            db.conn.execute_batch(
                "DELETE FROM edits; DELETE FROM facts; DELETE FROM quarantine; DELETE FROM touched; DELETE FROM closed;
                 DELETE FROM erased; DELETE FROM erased_payloads; DELETE FROM contents;",
            )?;
            let by_id = db.cache.logs.values().map(|entry| (entry.id, entry.clone())).collect();
            let mut after = 0;
            while let Some(last) = db.replay(&by_id, after)? {
                after = last;
            }
            crate::outbox::recount(&db.conn)?;
            crate::messages::recount(&db.conn)?;
            db.new_epoch()
        })
    }

    /// Makes the search index begin anew.
    pub(crate) fn new_epoch(&self) -> Result<(), Error> {
        let epoch = meta_uint(&self.conn, EPOCH)?.unwrap_or(0);
        set_meta_uint(&self.conn, EPOCH, epoch + 1)
    }

    /// Projects some events after position `after`; returns the last position, if there was one.
    fn replay(
        &self,
        logs: &std::collections::BTreeMap<i64, crate::cache::LogEntry>,
        after: i64,
    ) -> Result<Option<i64>, Error> {
        let mut law = self.law()?;
        let mut query = self.conn.prepare_cached(
            "SELECT pos, log, header, payload, signature FROM events WHERE pos > ?1 ORDER BY pos LIMIT ?2",
        )?;
        let mut rows = query.query(params![after, EVENTS_PER_STEP])?;
        let mut last = None;
        while let Some(found) = rows.next()? {
            let (pos, log): (i64, i64) = (found.get(0)?, found.get(1)?);
            let event: Event = row::event(found, 2)?;
            let entry = logs.get(&log).ok_or_else(|| Error::damaged(format!("log {log} is missing")))?;
            let _done = take_in(&self.conn, &mut law, entry, pos, &event)?;
            last = Some(pos);
        }
        Ok(last)
    }
}
