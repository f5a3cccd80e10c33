//! What is read here, and how often: this node's own business, outside log and hash.

use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use rusqlite::params;

use crate::db::Db;
use crate::error::Error;
use crate::row::sql;

impl Db {
    /// Counts that these facts were recalled.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_hits(&mut self, facts: &[FactId], now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| {
            let mut upsert = db.conn.prepare_cached(
                "INSERT INTO hits (fact, hits, last_at) SELECT id, 1, ?2 FROM facts WHERE id = ?1
                 ON CONFLICT (fact) DO UPDATE SET hits = hits + 1, last_at = excluded.last_at",
            )?;
            facts.iter().try_for_each(|fact| Ok(upsert.execute(params![fact.0, sql(now.0)]).map(drop)?))
        })
    }
}
