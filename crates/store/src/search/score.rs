//! Scoring: how well a fact fits a question, by all its words.
//!
//! Some hundred facts are looked at for a handful that are shown, so only the columns that decide are read here.

use std::collections::{BTreeMap, HashMap};

use antiphon_core::fact::{Field, OnExpire};
use antiphon_core::ids::{FactId, Hash};
use antiphon_core::value::Value;
use rusqlite::{Connection, Row};

use super::indexer::Cursor;
use super::sides::others;
use super::words;
use crate::error::Error;
use crate::project::{flag, read_rest};
use crate::row::{self, sql};
use crate::view::RecallQuery;

/// How fast repeating a word stops helping.
const K1: f64 = 1.2;
/// How much a long fact is held against it.
const B: f64 = 0.75;
/// The least part of a word's worth that having it at all is worth, however long the fact is. Otherwise a long text with
/// the only rare word of the question comes behind every short one that has none but the common ones.
const PART_MIN: f64 = 0.6;

/// A word of the question.
pub(crate) struct Term {
    /// The word.
    pub(crate) word: String,
    /// Facts in the index that have it.
    pub(crate) count: u64,
}

/// A fact that fits, before it is known how much that is worth.
pub(crate) struct Counted {
    id: FactId,
    text: Hash,
    /// How often it has each word of the question.
    counts: Vec<u32>,
    /// How many words it has.
    length: u64,
}

/// A fact that fits.
pub(crate) struct Scored {
    /// The fact.
    pub(crate) id: FactId,
    /// How well it fits.
    pub(crate) score: f64,
    /// Names its text.
    pub(crate) text: Hash,
    /// Facts with this text.
    pub(crate) same: usize,
}

/// What having a word is worth, when `count` of `docs` facts have it.
fn weight(docs: u64, count: u64) -> f64 {
    (1.0 + (float(docs.saturating_sub(count)) + 0.5) / (float(count) + 0.5)).ln()
}

/// Counts as a float; they are far below the 2^52 from which on that would lose something.
#[allow(clippy::cast_precision_loss)]
const fn float(count: u64) -> f64 {
    count as f64
}

/// The words of a question.
pub(crate) struct Words<'a> {
    places: HashMap<&'a str, usize>,
}

impl<'a> Words<'a> {
    /// Those of these terms.
    pub(crate) fn of(terms: &'a [Term]) -> Self {
        Self { places: terms.iter().enumerate().map(|(place, term)| (term.word.as_str(), place)).collect() }
    }

    /// Whether the question has this word.
    pub(crate) fn knows(&self, word: &str) -> bool {
        self.places.contains_key(word)
    }

    /// How often texts have each word, and how many words they have.
    fn count<'t>(&self, texts: impl Iterator<Item = &'t str>) -> (Vec<u32>, u64) {
        let mut counts = vec![0_u32; self.places.len()];
        let mut length = 0;
        for text in texts {
            words::for_each(text, |word| {
                length += 1;
                if let Some(place) = self.places.get(word) {
                    counts[*place] += 1;
                }
            });
        }
        (counts, length)
    }
}

/// What words are worth, and how long facts are (BM25).
pub(crate) struct Scorer {
    weights: Vec<f64>,
    average: f64,
}

impl Scorer {
    /// Knows the facts of the index, and those of the tail that have a word of the question: the index may be empty yet.
    pub(crate) fn new(terms: &[Term], cursor: &Cursor, tail: &[Counted]) -> Self {
        let more = tail.len() as u64;
        let docs = cursor.docs.max(0).cast_unsigned() + more;
        let words = cursor.words.max(0).cast_unsigned() + tail.iter().map(|counted| counted.length).sum::<u64>();
        let in_tail = |place: usize| tail.iter().filter(|counted| counted.counts[place] > 0).count() as u64;
        let weigh = |(place, term): (usize, &Term)| weight(docs, term.count + in_tail(place));
        let average = (float(words) / float(docs.max(1))).max(1.0);
        Self { weights: terms.iter().enumerate().map(weigh).collect(), average }
    }

    /// How well a fact fits.
    pub(crate) fn score(&self, counted: Counted) -> Scored {
        let norm = K1 * (1.0 - B + B * float(counted.length) / self.average);
        let part = |(weight, count): (&f64, &u32)| {
            let part = f64::from(*count) * (K1 + 1.0) / (f64::from(*count) + norm);
            weight * part.max(PART_MIN)
        };
        let score = self.weights.iter().zip(&counted.counts).filter(|(_, count)| **count > 0).map(part).sum();
        Scored { id: counted.id, score, text: counted.text, same: 1 }
    }
}

/// The filters of a question, in the terms of the columns.
pub(crate) struct Filter<'a> {
    query: &'a RecallQuery,
    level: Option<i64>,
    logs: Option<Vec<i64>>,
    hidden: i64,
}

impl<'a> Filter<'a> {
    /// The filters of `query`.
    pub(crate) fn new(main: &Connection, query: &'a RecallQuery) -> Result<Self, Error> {
        let logs = match query.author {
            None => None,
            Some(node) => {
                let mut logs = main.prepare_cached("SELECT id FROM logs WHERE node = ?1")?;
                let logs = logs.query_map([node.0.as_slice()], |row| row.get(0))?;
                Some(logs.collect::<Result<_, _>>()?)
            }
        };
        let hidden = [(query.include_stale, flag::STALE), (query.include_archived, flag::ARCHIVED)];
        let hidden = hidden.into_iter().filter(|(shown, _)| !shown).fold(0, |bits, (_, bit)| bits | bit);
        Ok(Self { query, level: query.level.map(|level| sql(level.number())), logs, hidden })
    }

    fn passes(&self, found: &Row<'_>) -> Result<bool, Error> {
        let (flags, level, log): (i64, i64, i64) = (found.get(3)?, found.get(4)?, found.get(5)?);
        let expired = row::maybe_uint(found, 6)?.is_some_and(|at| self.query.now.0 > at);
        let expired = if expired { OnExpire::ALL.get(row::index(found, 7)?) } else { None };
        Ok(flags & self.hidden == 0
            && match expired {
                None => true,
                Some(OnExpire::MarkStale) => self.query.include_stale,
                Some(OnExpire::Archive) => self.query.include_archived,
                Some(OnExpire::Delete) => false,
            }
            && self.level.is_none_or(|want| want == level)
            && self.logs.as_ref().is_none_or(|logs| logs.contains(&log)))
    }
}

/// Reads a fact and counts its words; `None` when it does not fit.
pub(crate) fn read(
    main: &Connection,
    n: i64,
    words: &Words<'_>,
    filter: &Filter<'_>,
) -> Result<Option<Counted>, Error> {
    let mut fact = main.prepare_cached(
        "SELECT id, content, rest, flags, level, log, expires_at, on_expire, domain, module, stream, diverged
         FROM facts WHERE n = ?1",
    )?;
    let mut rows = fact.query([n])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let text = |column| found.get_ref(column)?.as_str_or_null().map_err(|error| Error::damaged(error.to_string()));
    let content = text(1)?;
    if !filter.passes(found)? {
        return Ok(None);
    }
    let (domain, module) = (text(8)?, text(9)?);
    let same = |want: &Option<String>, have: Option<&str>| want.is_none() || want.as_deref() == have;
    if !same(&filter.query.domain, domain) || !same(&filter.query.module, module) {
        return Ok(None);
    }
    let (labels, tags) = labels(found)?;
    if filter.query.tag.as_ref().is_some_and(|tag| !tags.contains(tag)) {
        return Ok(None);
    }
    let id = row::fact(found, 0)?;
    let others = others(main, id, row::stream(found, 10)?, row::uint(found, 11)?)?;
    if content.is_none() && others.is_empty() {
        return Ok(None);
    }
    let texts = [content, domain, module].into_iter().flatten().chain(others.iter().map(String::as_str));
    let (counts, length) = words.count(texts.chain(labels.iter().chain(&tags).map(String::as_str)));
    // A fact with sides is not folded into one that says the same as the side that is shown.
    let text = if others.is_empty() { Hash::of(content.unwrap_or_default().as_bytes()) } else { Hash::of(&id.0) };
    Ok(counts.iter().any(|count| *count > 0).then_some(Counted { id, text, counts, length }))
}

/// The other texts of a fact that are indexed, and its tags.
fn labels(found: &Row<'_>) -> Result<(Vec<String>, Vec<String>), Error> {
    let rest = found.get_ref(2)?.as_blob_or_null().map_err(|error| Error::damaged(error.to_string()))?;
    let Some(rest) = rest else { return Ok((Vec::new(), Vec::new())) };
    let mut values = BTreeMap::new();
    read_rest(rest, &mut values)?;
    let text = |field| values.get(&field).and_then(Value::as_text).map(str::to_owned);
    let labels = [Field::CodeRef, Field::Source].into_iter().filter_map(text).collect();
    Ok((labels, values.get(&Field::Tags).and_then(Value::as_texts).unwrap_or_default()))
}
