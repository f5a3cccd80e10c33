//! The words of messages that came, so that they are found.
//!
//! Only the words are kept, cut and folded as everywhere in the database. What this node wrote is not in here: its
//! words would stand on the disk in the clear while the message still waits.

use rusqlite::{Connection, params};

use crate::error::Error;
use crate::row;
use crate::search::words;

/// Most words of a question that are looked at.
const WORDS_MAX: usize = 24;

/// Takes in the words of a message.
pub(super) fn index(conn: &Connection, n: u64, text: &str) -> Result<(), Error> {
    let mut insert = conn.prepare_cached("INSERT INTO message_words (rowid, text) VALUES (?1, ?2)")?;
    insert.execute(params![row::sql(n), all(text).join(" ")])?;
    Ok(())
}

/// Forgets the words of a message.
pub(super) fn forget(conn: &Connection, n: i64) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM message_words WHERE rowid = ?1")?.execute([n])?;
    Ok(())
}

/// Forgets all words.
pub(super) fn forget_all(conn: &Connection) -> Result<(), Error> {
    conn.execute("INSERT INTO message_words (message_words) VALUES ('delete-all')", [])?;
    Ok(())
}

/// A question: the words that a message must have, all of them.
#[derive(Debug)]
pub(super) struct Question(Vec<String>);

impl Question {
    /// The words of a text, each once; `None` where it has none.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut words = all(text);
        words.sort_unstable();
        words.dedup();
        words.truncate(WORDS_MAX);
        if words.is_empty() { None } else { Some(Self(words)) }
    }

    /// The question as the index takes it.
    pub(super) fn expression(&self) -> String {
        self.0.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" AND ")
    }

    /// Whether a text has all the words.
    pub(super) fn fits(&self, text: &str) -> bool {
        let has = all(text);
        self.0.iter().all(|word| has.contains(word))
    }
}

fn all(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    words::for_each(text, |word| all.push(word.to_owned()));
    all
}
