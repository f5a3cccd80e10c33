//! Whether what is kept beside the messages agrees with them, and how to make it so.

use antiphon_core::letter::Kept;
use rusqlite::{Connection, params};

use super::words;
use crate::error::Error;
use crate::row;

/// How much there is of each writer, counted.
const COUNTED: &str = "SELECT node, max(sent), count(*), sum(length(body)), sum(sent = 0 AND read_at IS NULL)
    FROM messages GROUP BY node";

/// What is wrong with the counts and the words, in words.
pub(crate) fn check(conn: &Connection) -> Result<Vec<String>, Error> {
    let differ = |one: &str, other: &str| -> Result<i64, Error> {
        Ok(conn.query_row(&format!("SELECT count(*) FROM ({one} EXCEPT {other})"), [], |found| found.get(0))?)
    };
    let kept = "SELECT node, own, items, bytes, unread FROM message_writers WHERE items <> 0";
    let mut problems = Vec::new();
    let writers = differ(COUNTED, kept)?.max(differ(kept, COUNTED)?);
    if writers > 0 {
        problems.push(format!("the messages of {writers} writers are not what is counted"));
    }
    let (received, indexed) = ("SELECT n FROM messages WHERE sent = 0", "SELECT rowid FROM message_words");
    let words = differ(received, indexed)?.max(differ(indexed, received)?);
    if words > 0 {
        problems.push(format!("the words of {words} messages are not what is indexed"));
    }
    Ok(problems)
}

/// Counts every message and takes in its words anew.
pub(crate) fn recount(conn: &Connection) -> Result<(), Error> {
    conn.execute("DELETE FROM message_writers", [])?;
    conn.execute(&format!("INSERT INTO message_writers (node, own, items, bytes, unread) {COUNTED}"), [])?;
    words::forget_all(conn)?;
    let mut query = conn.prepare_cached("SELECT n, body FROM messages WHERE sent = 0 AND n > ?1 ORDER BY n LIMIT 1")?;
    let mut after = 0;
    loop {
        let mut rows = query.query(params![row::sql(after)])?;
        let Some(found) = rows.next()? else { return Ok(()) };
        after = row::uint(found, 0)?;
        let body = found.get_ref(1)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
        words::index(conn, after, &Kept::decode(body)?.text)?;
    }
}
