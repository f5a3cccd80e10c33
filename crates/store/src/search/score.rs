//! Scoring: how well a fact fits a question, by all its words.
//!
//! Some hundred facts are looked at for a handful that are shown, so only the columns that decide are read here.

use std::collections::{BTreeMap, HashMap};

use antiphon_core::fact::Field;
use antiphon_core::ids::{FactId, Hash};
use antiphon_core::value::Value;
use rusqlite::{Connection, Row};

use super::answer::{Explanation, FoundBy, WordPart};
use super::filter::{Facet, Filter};
use super::indexer::Cursor;
use super::sides::others;
use super::words;
use crate::error::Error;
use crate::project::read_rest;
use crate::row;

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
    pub(crate) id: FactId,
    /// Names its text.
    pub(crate) text: Hash,
    /// How often it has each word of the question.
    counts: Vec<u32>,
    /// How many words it has.
    length: u64,
    /// Why it was looked at.
    found_by: FoundBy,
}

/// A fact that fits.
pub(crate) struct Scored {
    /// The fact, with its words.
    pub(crate) counted: Counted,
    /// How well it fits.
    pub(crate) score: f64,
    /// Facts with this text.
    pub(crate) same: usize,
    /// Some of those facts, without this one.
    pub(crate) folded: Vec<FactId>,
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
    pub(crate) fn count<'t>(&self, texts: impl Iterator<Item = &'t str>) -> (Vec<u32>, u64) {
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
pub(crate) struct Scorer<'a> {
    terms: &'a [Term],
    /// How many facts have each word.
    facts: Vec<u64>,
    weights: Vec<f64>,
    average: f64,
}

impl<'a> Scorer<'a> {
    /// Knows the facts of the index, and those of the tail that have a word of the question: the index may be empty yet.
    pub(crate) fn new(terms: &'a [Term], cursor: &Cursor, tail: &[Counted]) -> Self {
        let more = tail.len() as u64;
        let docs = cursor.docs.max(0).cast_unsigned() + more;
        let words = cursor.words.max(0).cast_unsigned() + tail.iter().map(|counted| counted.length).sum::<u64>();
        let in_tail = |place: usize| tail.iter().filter(|counted| counted.counts[place] > 0).count() as u64;
        let facts: Vec<u64> = terms.iter().enumerate().map(|(place, term)| term.count + in_tail(place)).collect();
        let average = (float(words) / float(docs.max(1))).max(1.0);
        Self { terms, weights: facts.iter().map(|count| weight(docs, *count)).collect(), facts, average }
    }

    /// How well a fact fits.
    pub(crate) fn score(&self, counted: Counted) -> Scored {
        let score = self.worth(&counted.counts, counted.length);
        Scored { counted, score, same: 1, folded: Vec::new() }
    }

    /// What a text is worth that has each word so often, and so many words.
    pub(crate) fn worth(&self, counts: &[u32], length: u64) -> f64 {
        let parts = self.weights.iter().zip(counts).filter(|(_, count)| **count > 0);
        parts.map(|(weight, count)| weight * self.share(*count, length)).sum()
    }

    /// How much of a word's worth counts in a text that has it so often, and so many words.
    fn share(&self, count: u32, length: u64) -> f64 {
        let norm = K1 * (1.0 - B + B * float(length) / self.average);
        (f64::from(count) * (K1 + 1.0) / (f64::from(count) + norm)).max(PART_MIN)
    }

    /// How the score of a fact comes about.
    pub(crate) fn explain(&self, counted: &Counted) -> Explanation {
        let part = |(place, times): (usize, &u32)| {
            let (weight, share) = (self.weights[place], self.share(*times, counted.length));
            let (word, facts) = (self.terms[place].word.clone(), self.facts[place]);
            WordPart { word, times: *times, facts, weight, share, part: weight * share }
        };
        let had = counted.counts.iter().enumerate().filter(|(_, times)| **times > 0);
        let words = had.map(part).collect();
        Explanation { found: counted.found_by, words, length: counted.length, average: self.average }
    }
}

/// Reads a fact and counts its words; `None` when it does not fit. A question without words takes whatever passes.
pub(crate) fn read(
    main: &Connection,
    n: i64,
    words: &Words<'_>,
    filter: &Filter<'_>,
    found_by: FoundBy,
) -> Result<Option<Counted>, Error> {
    let mut fact = main.prepare_cached(
        "SELECT id, content, rest, flags, level, log, expires_at, on_expire, domain, module, stream, diverged,
             updated_at, source_kind, role
         FROM facts WHERE n = ?1",
    )?;
    let mut rows = fact.query([n])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let text = |column| found.get_ref(column)?.as_str_or_null().map_err(|error| Error::damaged(error.to_string()));
    let (content, domain, module) = (text(1)?, text(8)?, text(9)?);
    let facet = Facet {
        id: row::fact(found, 0)?,
        stream: row::stream(found, 10)?,
        flags: found.get(3)?,
        level: found.get(4)?,
        log: found.get(5)?,
        expires_at: row::maybe_uint(found, 6)?,
        on_expire: row::index(found, 7)?,
        domain,
        module,
        role: text(14)?,
        updated_at: row::uint(found, 12)?,
        source: found.get(13)?,
        diverged: row::uint(found, 11)?,
    };
    // What was changed since then is looked at as it was.
    if filter.query.as_of.is_some_and(|at| facet.updated_at > at.0) || !filter.passes(&facet) {
        return Ok(None);
    }
    let (labels, tags) = labels(found)?;
    if filter.query.tag.as_ref().is_some_and(|tag| !tags.contains(tag)) {
        return Ok(None);
    }
    let others = others(main, facet.id, facet.stream, facet.diverged)?;
    let texts = Texts { content, labels: &labels, tags: &tags, others: &others };
    let counted = count(&facet, &texts, words, found_by);
    match counted {
        Some(_) if !filter.comes_from(main, facet.id)? => Ok(None),
        counted => Ok(counted),
    }
}

/// What of a fact is searched.
pub(crate) struct Texts<'a> {
    pub(crate) content: Option<&'a str>,
    pub(crate) labels: &'a [String],
    pub(crate) tags: &'a [String],
    /// What other sides say the text is.
    pub(crate) others: &'a [String],
}

/// Counts the words of the question in a fact; `None` when it has none of them, or nothing to show.
pub(crate) fn count(facet: &Facet<'_>, texts: &Texts<'_>, words: &Words<'_>, found_by: FoundBy) -> Option<Counted> {
    let Texts { content, labels, tags, others } = texts;
    if content.is_none() && others.is_empty() {
        return None;
    }
    let said = [*content, facet.domain, facet.module].into_iter().flatten().chain(others.iter().map(String::as_str));
    let (counts, length) = words.count(said.chain(labels.iter().chain(*tags).map(String::as_str)));
    // A fact with sides is not folded into one that says the same as the side that is shown.
    let text = if others.is_empty() { Hash::of(content.unwrap_or_default().as_bytes()) } else { Hash::of(&facet.id.0) };
    let fits = counts.is_empty() || counts.iter().any(|count| *count > 0);
    fits.then_some(Counted { id: facet.id, text, counts, length, found_by })
}

/// The other texts of a fact that are indexed, and its tags.
fn labels(found: &Row<'_>) -> Result<(Vec<String>, Vec<String>), Error> {
    let rest = found.get_ref(2)?.as_blob_or_null().map_err(|error| Error::damaged(error.to_string()))?;
    let Some(rest) = rest else { return Ok((Vec::new(), Vec::new())) };
    let mut values = BTreeMap::new();
    read_rest(rest, &mut values)?;
    Ok(labels_of(&values))
}

/// As [`labels`], of values.
pub(crate) fn labels_of(values: &BTreeMap<Field, Value>) -> (Vec<String>, Vec<String>) {
    let text = |field| values.get(&field).and_then(Value::as_text).map(str::to_owned);
    let labels = [Field::CodeRef, Field::Source].into_iter().filter_map(text).collect();
    (labels, values.get(&Field::Tags).and_then(Value::as_texts).unwrap_or_default())
}
