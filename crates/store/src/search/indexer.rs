//! The indexer: carries changed facts into the search index.
//!
//! It follows two cursors. Facts are read in the order of their last edit, so a fact that was edited ten times since
//! is read once; facts that changed without a new event are listed in `touched`. The cursors stand in the index's own
//! file and move in the same transaction as its content, so the index is always exactly as far as it says. When the
//! projection was rebuilt, its epoch differs from the one the index has followed, and the index begins anew.

use std::path::Path;

use antiphon_core::fact::Field;
use antiphon_core::value::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::sides::others;
use super::words;
use crate::cache::meta_uint;
use crate::error::Error;
use crate::query::facts::{COLUMNS, TABLES, values};
use crate::rebuild::EPOCH;
use crate::{purge, rest, row, schema};

/// Column of `facts.pos` behind [`COLUMNS`].
const POS: usize = 23;
/// Column of `facts.diverged` in [`COLUMNS`].
const DIVERGED: usize = 7;
/// Column of `facts.n` in [`COLUMNS`].
const N: usize = 19;

/// The writer of the search index.
#[derive(Debug)]
pub(crate) struct Indexer {
    search: Connection,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Facts that were looked at.
    pub(crate) facts: usize,
    /// The position up to which the index is complete.
    pub(crate) pos: u64,
}

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// Facts whose last edit is at or before this are in it.
    pub(crate) pos: i64,
    /// Rows of `touched` up to this are in it.
    pub(crate) touched: i64,
    /// Facts in it.
    pub(crate) docs: i64,
    /// Words in it.
    pub(crate) words: i64,
    /// The projection it follows.
    pub(crate) epoch: i64,
    /// The highest `facts.n` in it.
    pub(crate) last: i64,
}

impl Cursor {
    pub(crate) fn read(search: &Connection) -> Result<Self, Error> {
        let mut query = search.prepare_cached("SELECT key, value FROM meta")?;
        let mut rows = query.query([])?;
        let mut cursor = Self::default();
        while let Some(found) = rows.next()? {
            if let Some(place) = cursor.place(found.get_ref(0)?.as_str().unwrap_or_default()) {
                *place = found.get(1)?;
            }
        }
        Ok(cursor)
    }

    fn place(&mut self, key: &str) -> Option<&mut i64> {
        Some(match key {
            "pos" => &mut self.pos,
            "touched" => &mut self.touched,
            "docs" => &mut self.docs,
            "words" => &mut self.words,
            "epoch" => &mut self.epoch,
            "last" => &mut self.last,
            _ => return None,
        })
    }

    fn write(mut self, search: &Connection) -> Result<(), Error> {
        let mut insert = search.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
        for key in ["pos", "touched", "docs", "words", "epoch", "last"] {
            if let Some(value) = self.place(key) {
                insert.execute(params![key, *value])?;
            }
        }
        Ok(())
    }
}

impl Indexer {
    /// Opens or makes the index in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self { search: schema::open_search(dir)? })
    }

    /// Lets go of the pages that the connection keeps.
    pub(crate) fn rest(&self) {
        rest::release(&self.search);
    }

    /// Forgets which facts to look at again, as far as that was done.
    pub(crate) fn prune(&self, main: &Connection) -> Result<(), Error> {
        let cursor = Cursor::read(&self.search)?;
        if cursor.touched > 0 && cursor.epoch == meta_uint(main, EPOCH)?.unwrap_or(0).cast_signed() {
            main.execute("DELETE FROM touched WHERE id <= ?1", [cursor.touched])?;
        }
        Ok(())
    }

    /// Removes all traces of documents that were taken out. Until its segments are merged the index only marks them.
    pub(crate) fn purge(&self) -> Result<(), Error> {
        self.search.execute_batch("INSERT INTO docs (docs) VALUES ('optimize')")?;
        purge::rewrite(&self.search)
    }

    /// See [`purge::fold`].
    pub(crate) fn fold(&self) -> Result<bool, Error> {
        purge::fold(&self.search)
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.search
    }

    /// Carries up to `max` changed facts over; 0 when there is nothing to do.
    pub(crate) fn step(&mut self, main: &Connection, max: usize) -> Result<Step, Error> {
        let tx = self.search.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let before = Cursor::read(&tx)?;
        let mut cursor = begin_anew(main, &tx, before)?;
        let mut facts = 0;
        {
            // One snapshot of the main database for the whole step.
            let main = main.unchecked_transaction()?;
            facts += follow_touched(&main, &tx, &mut cursor, max)?;
            facts += follow_facts(&main, &tx, &mut cursor, max.saturating_sub(facts))?;
            if facts < max {
                // All facts of this snapshot are in, so the events after the last of them are none.
                cursor.pos = last_pos(&main)?;
            }
        }
        if cursor != before {
            cursor.write(&tx)?;
            tx.commit()?;
        }
        Ok(Step { facts, pos: cursor.pos.cast_unsigned() })
    }
}

/// Empties the index when it does not follow the projection that is there.
fn begin_anew(main: &Connection, search: &Connection, cursor: Cursor) -> Result<Cursor, Error> {
    let epoch = meta_uint(main, EPOCH)?.unwrap_or(0).cast_signed();
    if cursor.epoch == epoch && cursor.pos <= last_pos(main)? {
        return Ok(cursor);
    }
    search.execute_batch("INSERT INTO docs (docs) VALUES ('delete-all')")?;
    Ok(Cursor { epoch, ..Cursor::default() })
}

fn last_pos(main: &Connection) -> Result<i64, Error> {
    let mut query = main.prepare_cached("SELECT max(pos) FROM events")?;
    Ok(query.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
}

fn follow_touched(main: &Connection, search: &Connection, cursor: &mut Cursor, max: usize) -> Result<usize, Error> {
    let mut query = main.prepare_cached("SELECT id, n FROM touched WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = query.query(params![cursor.touched, row::sql_len(max)])?;
    let mut facts = 0;
    while let Some(found) = rows.next()? {
        let (id, n): (i64, i64) = (found.get(0)?, found.get(1)?);
        remove(search, cursor, n)?;
        let mut fact = main.prepare_cached(&format!("SELECT {COLUMNS}, f.pos FROM {TABLES} WHERE f.n = ?1"))?;
        let mut fact = fact.query([n])?;
        if let Some(found) = fact.next()? {
            insert(main, search, cursor, found)?;
        }
        cursor.touched = id;
        facts += 1;
    }
    Ok(facts)
}

fn follow_facts(main: &Connection, search: &Connection, cursor: &mut Cursor, max: usize) -> Result<usize, Error> {
    let mut query = main
        .prepare_cached(&format!("SELECT {COLUMNS}, f.pos FROM {TABLES} WHERE f.pos > ?1 ORDER BY f.pos LIMIT ?2"))?;
    let mut rows = query.query(params![cursor.pos, row::sql_len(max)])?;
    let mut facts = 0;
    while let Some(found) = rows.next()? {
        let (n, pos): (i64, i64) = (found.get(N)?, found.get(POS)?);
        if n <= cursor.last {
            remove(search, cursor, n)?;
        }
        insert(main, search, cursor, found)?;
        cursor.pos = pos;
        facts += 1;
    }
    Ok(facts)
}

fn remove(search: &Connection, cursor: &mut Cursor, n: i64) -> Result<(), Error> {
    let known = search.prepare_cached("SELECT 1 FROM docs WHERE rowid = ?1")?.query_row([n], |_| Ok(())).optional()?;
    if known.is_some() {
        search.prepare_cached("DELETE FROM docs WHERE rowid = ?1")?.execute([n])?;
        cursor.docs -= 1;
    }
    Ok(())
}

/// Indexes a fact, unless there is nothing to find.
fn insert(main: &Connection, search: &Connection, cursor: &mut Cursor, found: &Row<'_>) -> Result<(), Error> {
    let values = values(found)?;
    let others = others(main, row::fact(found, 0)?, row::stream(found, 1)?, row::uint(found, DIVERGED)?)?;
    let content = values.get(&Field::Content).and_then(Value::as_text);
    if content.is_none() && others.is_empty() {
        return Ok(());
    }
    let content = content.unwrap_or_default();
    let n: i64 = found.get(N)?;
    let mut text = String::with_capacity(content.len());
    let mut count = 0;
    let mut add = |word: &str| {
        text.push_str(word);
        text.push(' ');
        count += 1;
    };
    words::for_each(content, &mut add);
    others.iter().for_each(|other| words::for_each(other, &mut add));
    for field in [Field::Domain, Field::Module, Field::CodeRef, Field::Source] {
        if let Some(label) = values.get(&field).and_then(Value::as_text) {
            words::for_each(label, &mut add);
        }
    }
    let tags = values.get(&Field::Tags).and_then(Value::as_texts).unwrap_or_default();
    tags.iter().for_each(|tag| words::for_each(tag, &mut add));
    let node: Vec<u8> = found.get(14)?;
    let mut labels = vec![words::label('n', &node), words::label('l', &row::uint(found, 3)?.to_be_bytes())];
    for (kind, field) in [('d', Field::Domain), ('m', Field::Module)] {
        labels.extend(values.get(&field).and_then(Value::as_text).map(|text| words::label(kind, text.as_bytes())));
    }
    labels.extend(tags.iter().map(|tag| words::label('t', tag.as_bytes())));
    let mut insert = search.prepare_cached("INSERT INTO docs (rowid, text, labels) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![n, text, labels.join(" ")])?;
    cursor.docs += 1;
    cursor.words += count;
    cursor.last = cursor.last.max(n);
    Ok(())
}
