//! How many facts have a word, remembered.
//!
//! Asking the index costs as much as the word is common, and the common ones are in every question. The answer may be
//! a little old: it only decides which words choose the candidates.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;

/// Most words that are remembered.
const WORDS_MAX: usize = 8_192;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Frequencies(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    words: HashMap<String, u64>,
    docs: u64,
}

impl Frequencies {
    /// How many facts have each word; `docs` is how many facts are indexed.
    pub(crate) fn of(&self, search: &Connection, words: &[String], docs: u64) -> Result<Vec<u64>, Error> {
        let mut known = self.0.borrow_mut();
        // What was counted in an index of half or twice the size says nothing any more.
        if docs > known.docs + known.docs / 8 + 64
            || docs < known.docs - known.docs / 8
            || known.words.len() > WORDS_MAX
        {
            known.words.clear();
            known.docs = docs;
        }
        words.iter().map(|word| known.look_up(search, word)).collect()
    }
}

impl Known {
    fn look_up(&mut self, search: &Connection, word: &str) -> Result<u64, Error> {
        if let Some(count) = self.words.get(word) {
            return Ok(*count);
        }
        let mut query = search.prepare_cached("SELECT doc FROM words WHERE term = ?1")?;
        let count: Option<i64> = query.query_row([word], |row| row.get(0)).optional()?;
        let count = count.unwrap_or(0).cast_unsigned();
        // A word that nothing has yet may come with the next fact, so it is asked for again.
        if count > 0 {
            self.words.insert(word.to_owned(), count);
        }
        Ok(count)
    }
}
