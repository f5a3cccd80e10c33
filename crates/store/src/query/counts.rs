//! How much there is.

use rusqlite::Connection;

use crate::error::Error;
use crate::row;
use crate::view::Counts;

/// How many facts there are, and of these forgotten or closed ones, and forgotten ones.
struct Facts {
    all: u64,
    hidden: u64,
    forgotten: u64,
}

/// 8 is the flag of what was forgotten, 128 of what is closed.
const FACTS: &str =
    "SELECT (SELECT count(*) FROM facts), count(*), count(*) FILTER (WHERE flags & 8) FROM facts WHERE flags & 136";

/// Counts facts without reading them: all of them page by page of the smallest index, and those that are not shown in
/// an index that holds no others. A million take some ten milliseconds so, and a second if each is looked at.
fn facts(conn: &Connection) -> Result<Facts, Error> {
    let mut query = conn.prepare_cached(FACTS)?;
    let mut rows = query.query([])?;
    let found = rows.next()?.ok_or_else(|| Error::damaged("a count has no answer"))?;
    Ok(Facts { all: row::uint(found, 0)?, hidden: row::uint(found, 1)?, forgotten: row::uint(found, 2)? })
}

/// See [`crate::Reader::counts`].
pub(crate) fn counts(conn: &Connection) -> Result<Counts, Error> {
    let count = |sql: &str| -> Result<u64, Error> {
        Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    };
    let Facts { all, hidden, forgotten } = facts(conn)?;
    Ok(Counts {
        facts: all.saturating_sub(hidden),
        forgotten,
        closed: hidden.saturating_sub(forgotten),
        erased: count("SELECT count(*) FROM erased")?,
        diverged: count("SELECT count(*) FROM facts WHERE diverged <> 0")?,
        diverged_incidents: super::divergence::incidents(conn)?,
        incidents: count("SELECT count(DISTINCT id) FROM edits WHERE kind = 6")?,
        events: count("SELECT coalesce(sum(head_seq), 0) FROM logs")?,
        logs: count("SELECT count(*) FROM logs")?,
        quarantined: count("SELECT count(*) FROM quarantine")?,
        skewed: count("SELECT count(*) FROM skewed")?,
        without_payload: count(
            "SELECT (SELECT count(*) FROM events WHERE payload IS NULL) - (SELECT count(*) FROM erased_payloads)",
        )?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn no_fact_is_read_to_count_facts() {
        let dir = tempfile::tempdir().unwrap();
        let conn = schema::open_main(dir.path(), false).unwrap();
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {FACTS}")).unwrap();
        let steps: Vec<String> = plan.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        let scans: Vec<&String> = steps.iter().filter(|step| step.starts_with("SCAN")).collect();
        assert_eq!(scans.len(), 2, "{steps:?}");
        assert!(scans.iter().all(|step| step.contains("USING COVERING INDEX")), "{steps:?}");
    }
}
