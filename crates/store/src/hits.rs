//! What is read here, and how often: this node's own business, outside log and hash.

use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use rusqlite::params;

use crate::db::Db;
use crate::error::Error;
use crate::query::facts;
use crate::reader::Reader;
use crate::row::{self, sql};
use crate::view::FactView;

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

impl Reader<'_> {
    /// The facts that are recalled most on this node, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn most_used(&self, limit: usize) -> Result<Vec<FactView>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT h.fact FROM hits h JOIN facts f ON f.id = h.fact WHERE f.content IS NOT NULL
             ORDER BY h.hits DESC, h.last_at DESC LIMIT ?1",
        )?;
        let mut rows = query.query([row::sql_len(limit)])?;
        let mut found = Vec::new();
        while let Some(next) = rows.next()? {
            found.extend(facts::get(self.connection(), row::fact(next, 0)?)?);
        }
        Ok(found)
    }
}
