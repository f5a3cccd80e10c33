//! The names of the domains that facts are in, for whoever types one.

use rusqlite::params;

use crate::error::Error;
use crate::reader::Reader;
use crate::row;

impl Reader<'_> {
    /// Domains of facts that begin with `typed`, in their order: the first `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn domain_names(&self, typed: &str, limit: usize) -> Result<Vec<String>, Error> {
        // From each name the next one is looked up in the index, so it costs a step for a name and not for a fact.
        let mut query = self.connection().prepare_cached(
            "WITH RECURSIVE names (name) AS (
                 SELECT min(domain) FROM facts WHERE domain >= ?1
                 UNION ALL
                 SELECT (SELECT min(domain) FROM facts WHERE domain > name) FROM names
                 WHERE substr(name, 1, ?2) = ?1
             )
             SELECT name FROM names WHERE substr(name, 1, ?2) = ?1 LIMIT ?3",
        )?;
        let letters = row::sql_len(typed.chars().count());
        let rows = query.query_map(params![typed, letters, row::sql_len(limit)], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
