//! How much there is.

use rusqlite::Connection;

use crate::error::Error;
use crate::view::Counts;

/// See [`crate::Reader::counts`].
pub(crate) fn counts(conn: &Connection) -> Result<Counts, Error> {
    let count = |sql: &str| -> Result<u64, Error> {
        Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    };
    Ok(Counts {
        facts: count("SELECT count(*) FROM facts WHERE flags & (8 | 128) = 0")?,
        forgotten: count("SELECT count(*) FROM facts WHERE flags & 8")?,
        closed: count("SELECT count(*) FROM facts WHERE flags & 136 = 128")?,
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
