//! Questions without words: the newest facts that pass the filters.
//!
//! There is no index of every filter, so the facts are looked through in the order of their last edit, the newest first,
//! and only so many of them.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::answer::FoundBy;
use super::filter::Filter;
use super::score::{self, Counted, Words};
use crate::error::Error;
use crate::project::flag;
use crate::row::{self, sql};

/// Most facts that are looked through for one question without words.
const LOOKED_THROUGH_MAX: usize = 200_000;

/// The newest facts that pass, with as many texts as are wanted, and whether some were not looked at.
pub(crate) fn newest(main: &Connection, filter: &Filter<'_>, limit: usize) -> Result<(Vec<Counted>, bool), Error> {
    let query = filter.query;
    let floor = floor(main)?;
    let mut candidates = main.prepare_cached(
        "SELECT n FROM facts
         WHERE pos > ?1 AND flags & ?2 = 0 AND (content IS NOT NULL OR diverged <> 0)
             AND (?3 IS NULL OR level = ?3) AND (?4 IS NULL OR domain = ?4) AND (?5 IS NULL OR module = ?5)
             AND updated_at >= ?6 AND updated_at < ?7 AND (?8 IS NULL OR source_kind = ?8)
             AND (?9 = 0 OR diverged <> 0)
         ORDER BY pos DESC",
    )?;
    let mut rows = candidates.query(params![
        floor.unwrap_or(0),
        flag::CLOSED | flag::ERASED,
        query.level.map(|level| sql(level.number())),
        query.domain,
        query.module,
        query.since.map_or(0, |since| sql(since.0)),
        query.until.map_or(i64::MAX, |until| sql(until.0)),
        query.source.map(|source| source as i64),
        query.diverged,
    ])?;
    let nothing = Words::of(&[]);
    let (mut found, mut texts) = (Vec::new(), HashSet::new());
    while texts.len() < limit {
        let Some(next) = rows.next()? else { return Ok((found, floor.is_some())) };
        if let Some(counted) = score::read(main, next.get(0)?, &nothing, filter, FoundBy::Newest)? {
            texts.insert(counted.text);
            found.push(counted);
        }
    }
    Ok((found, false))
}

/// The place before the oldest fact that is looked at, if there are older ones.
fn floor(main: &Connection) -> Result<Option<i64>, Error> {
    let mut floor = main.prepare_cached("SELECT pos FROM facts ORDER BY pos DESC LIMIT 1 OFFSET ?1")?;
    Ok(floor.query_row([row::sql_len(LOOKED_THROUGH_MAX)], |row| row.get(0)).optional()?)
}
