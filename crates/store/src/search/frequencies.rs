//! How many facts have a word, remembered.
//!
//! Asking the index costs as much as the word is common, and the common ones are in every question, so all readers
//! share one memory of it. The answer may be a little old: it only decides which words choose the candidates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;

/// Most words that are remembered.
const WORDS_MAX: usize = 8_192;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frequencies(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    words: HashMap<String, u64>,
    docs: u64,
}

impl Frequencies {
    /// How many facts have each word; `docs` is how many facts are indexed.
    pub(crate) fn of(&self, search: &Connection, words: &[String], docs: u64) -> Result<Vec<u64>, Error> {
        self.known().forget_outdated(docs);
        words.iter().map(|word| self.look_up(search, word)).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whatever a panicking thread left here is a count that was true once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up(&self, search: &Connection, word: &str) -> Result<u64, Error> {
        if let Some(count) = self.known().words.get(word) {
            return Ok(*count);
        }
        let mut query = search.prepare_cached("SELECT doc FROM words WHERE term = ?1")?;
        let count: Option<i64> = query.query_row([word], |row| row.get(0)).optional()?;
        let count = count.unwrap_or(0).cast_unsigned();
        // A word that nothing has yet may come with the next fact, so it is asked for again.
        if count > 0 {
            self.known().words.insert(word.to_owned(), count);
        }
        Ok(count)
    }
}

impl Known {
    /// What was counted in an index of a very different size says nothing any more.
    fn forget_outdated(&mut self, docs: u64) {
        let near = self.docs / 4 + 64;
        if docs.abs_diff(self.docs) > near || self.words.len() > WORDS_MAX {
            self.words.clear();
            self.docs = docs;
        }
    }
}
