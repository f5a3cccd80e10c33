//! The facts that changed since the index was written: few, and looked at one by one.

use rusqlite::{Connection, params};

use super::indexer::Cursor;
use crate::TAIL_EVENTS_MAX;
use crate::error::Error;
use crate::row;

/// The changed facts, by `facts.n`.
pub(crate) struct Tail {
    /// The newest ones.
    pub(crate) facts: Vec<i64>,
    /// Whether there are more.
    pub(crate) cut: bool,
}

/// Finds the facts that the index does not know as they are now.
pub(crate) fn tail(main: &Connection, cursor: &Cursor) -> Result<Tail, Error> {
    let limit = row::sql_len(TAIL_EVENTS_MAX + 1);
    let mut facts = Vec::new();
    for (sql, after) in [
        ("SELECT n FROM facts WHERE pos > ?1 ORDER BY pos DESC LIMIT ?2", cursor.pos),
        ("SELECT n FROM touched WHERE id > ?1 ORDER BY id DESC LIMIT ?2", cursor.touched),
    ] {
        let mut query = main.prepare_cached(sql)?;
        let found = query.query_map(params![after, limit], |row| row.get::<_, i64>(0))?;
        facts.extend(found.collect::<Result<Vec<_>, _>>()?);
    }
    let cut = facts.len() > TAIL_EVENTS_MAX;
    facts.truncate(TAIL_EVENTS_MAX);
    Ok(Tail { facts, cut })
}
