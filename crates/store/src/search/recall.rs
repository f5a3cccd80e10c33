//! Recall: from a question to the facts that fit best.
//!
//! First the rare words of the question choose candidates from the index, together at most
//! [`CANDIDATES_MAX`]; the common ones do so only together, two or more in one fact, and only where the rare ones
//! leave room. Then the facts themselves are read and scored by all words (BM25), so what is returned is what they
//! say now, whatever the index remembers.

use std::collections::{HashMap, HashSet};

use antiphon_core::fact::OnExpire;
use antiphon_core::ids::Hash;
use rusqlite::{Connection, params};

use super::indexer::Cursor;
use super::tail::tail;
use super::{Frequencies, words};
use crate::error::Error;
use crate::query::facts::{COLUMNS, TABLES, view};
use crate::row;
use crate::view::{FactView, Hit, Recall, RecallQuery};

/// Most words of a question that are looked at, the rarest ones.
const WORDS_MAX: usize = 24;
/// Most words that are read from a question.
const WORDS_READ_MAX: usize = 256;
/// Most facts that the rare words may have together.
const CANDIDATES_MAX: u64 = 2_000;
/// Most facts that are read and scored.
const SCORED_MAX: usize = 200;
/// Most hits of one answer.
const HITS_MAX: usize = 200;
/// Characters of a snippet.
const SNIPPET_CHARS: usize = 160;

/// BM25: how fast repeating a word stops helping.
const K1: f64 = 1.2;
/// BM25: how much a long fact is held against it.
const B: f64 = 0.75;

/// A word of the question.
struct Term {
    word: String,
    count: u64,
    weight: f64,
}

/// See [`crate::Reader::recall`].
pub(crate) fn recall(
    main: &Connection,
    search: &Connection,
    frequencies: &Frequencies,
    query: &RecallQuery,
) -> Result<Recall, Error> {
    let cursor = Cursor::read(search)?;
    let terms = terms(search, frequencies, query, &cursor)?;
    let tail = tail(main, &cursor)?;
    if terms.is_empty() || query.limit == 0 {
        return Ok(Recall { hits: Vec::new(), index_behind: tail.cut });
    }
    let mut seen: HashSet<i64> = HashSet::new();
    let candidates = candidates(search, &terms, query)?;
    let scorer = Scorer::new(&terms, &cursor);
    let mut hits = Vec::new();
    for n in tail.facts.iter().chain(&candidates) {
        if seen.insert(*n) {
            hits.extend(scorer.read(main, *n, query)?);
        }
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.view.fact.id.cmp(&a.view.fact.id)));
    let mut hits = fold(hits, query.limit.min(HITS_MAX));
    for hit in &mut hits {
        hit.snippet = snippet(hit.view.fact.content.as_deref().unwrap_or_default(), &scorer);
    }
    Ok(Recall { hits, index_behind: tail.cut })
}

/// The words of the question, the rarest first.
fn terms(
    search: &Connection,
    frequencies: &Frequencies,
    query: &RecallQuery,
    cursor: &Cursor,
) -> Result<Vec<Term>, Error> {
    let mut words: Vec<String> = Vec::new();
    words::for_each(&query.text, |word| {
        if words.len() < WORDS_READ_MAX && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    });
    let docs = cursor.docs.max(0).cast_unsigned();
    let counts = frequencies.of(search, &words, docs)?;
    let weight = |count: u64| (1.0 + (float(docs.saturating_sub(count)) + 0.5) / (float(count) + 0.5)).ln();
    let mut terms: Vec<Term> =
        words.into_iter().zip(counts).map(|(word, count)| Term { word, count, weight: weight(count) }).collect();
    terms.sort_by_key(|term| term.count);
    // Words that only the tail can have come first, and must not push out the others.
    let known = terms.iter().filter(|term| term.count > 0).count();
    let unknown = terms.len() - known;
    terms.truncate(unknown + known.min(WORDS_MAX));
    Ok(terms)
}

/// Counts as a float; they are far below the 2^52 from which on that would lose something.
#[allow(clippy::cast_precision_loss)]
const fn float(count: u64) -> f64 {
    count as f64
}

/// Facts that may fit, by `facts.n`, at most [`SCORED_MAX`].
fn candidates(search: &Connection, terms: &[Term], query: &RecallQuery) -> Result<Vec<i64>, Error> {
    let terms: Vec<&Term> = terms.iter().filter(|term| term.count > 0).collect();
    let labels = labels(query);
    let mut sum = 0;
    let within = |term: &&&Term| {
        sum += term.count;
        sum <= CANDIDATES_MAX
    };
    let rare = terms.iter().take_while(within).count();
    let mut found = Vec::new();
    if rare > 0 {
        let expression = join(&terms[..rare], " OR ");
        found = ranked(search, &with_labels(&expression, &labels))?;
    }
    let common = &terms[rare..];
    // The rarest common words together, then fewer of them, until there is enough to choose from.
    let mut together = common.len().min(3);
    while together > 0 && found.len() < query.limit.min(SCORED_MAX) {
        let expression = join(&common[..together], " AND ");
        for n in newest(search, &with_labels(&expression, &labels), SCORED_MAX - found.len())? {
            if !found.contains(&n) {
                found.push(n);
            }
        }
        together -= 1;
    }
    Ok(found)
}

/// Words are letters and digits and labels hex digits, but they are quoted all the same: `OR` is a word too.
fn join(terms: &[&Term], operator: &str) -> String {
    let quoted: Vec<String> = terms.iter().map(|term| format!("\"{}\"", term.word)).collect();
    format!("text : ({})", quoted.join(operator))
}

fn with_labels(expression: &str, labels: &[String]) -> String {
    labels.iter().fold(expression.to_owned(), |out, label| format!("({out}) AND labels : \"{label}\""))
}

/// The labels that a fact must have.
fn labels(query: &RecallQuery) -> Vec<String> {
    let mut labels = Vec::new();
    labels.extend(query.author.map(|node| words::label('n', &node.0)));
    labels.extend(query.level.map(|level| words::label('l', &level.number().to_be_bytes())));
    for (kind, value) in [('d', &query.domain), ('m', &query.module), ('t', &query.tag)] {
        labels.extend(value.as_ref().map(|value| words::label(kind, value.as_bytes())));
    }
    labels
}

/// The best matches; every match is scored, so the expression must be selective.
fn ranked(search: &Connection, expression: &str) -> Result<Vec<i64>, Error> {
    matches(
        search,
        "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY bm25(docs, 1.0, 0.0) LIMIT ?2",
        expression,
        SCORED_MAX,
    )
}

/// The newest matches; none is scored, so reading stops when there are enough.
fn newest(search: &Connection, expression: &str, max: usize) -> Result<Vec<i64>, Error> {
    matches(search, "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY rowid DESC LIMIT ?2", expression, max)
}

fn matches(search: &Connection, sql: &str, expression: &str, max: usize) -> Result<Vec<i64>, Error> {
    let mut query = search.prepare_cached(sql)?;
    let found = query.query_map(params![expression, row::sql_len(max)], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Scores facts by the words of a question.
struct Scorer<'a> {
    weights: HashMap<&'a str, f64>,
    average: f64,
}

impl<'a> Scorer<'a> {
    fn new(terms: &'a [Term], cursor: &Cursor) -> Self {
        let weights = terms.iter().map(|term| (term.word.as_str(), term.weight)).collect();
        let (words, docs) = (cursor.words.max(1).cast_unsigned(), cursor.docs.max(1).cast_unsigned());
        Self { weights, average: (float(words) / float(docs)).max(1.0) }
    }

    /// Reads a fact and scores it; `None` when it does not fit.
    fn read(&self, main: &Connection, n: i64, query: &RecallQuery) -> Result<Option<Hit>, Error> {
        let mut fact = main.prepare_cached(&format!("SELECT {COLUMNS} FROM {TABLES} WHERE f.n = ?1"))?;
        let mut rows = fact.query([n])?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let content = found.get_ref(2)?.as_str_or_null().map_err(|error| Error::damaged(error.to_string()))?;
        let Some(content) = content else { return Ok(None) };
        let mut text = content.to_owned();
        for column in [4, 5] {
            if let Some(label) = found.get::<_, Option<String>>(column)? {
                text.push(' ');
                text.push_str(&label);
            }
        }
        let view = view(found)?;
        view.fact.tags.iter().chain(&view.fact.code_ref).chain(&view.fact.source).for_each(|label| {
            text.push(' ');
            text.push_str(label);
        });
        let score = self.score(&text);
        let fits = score > 0.0 && fits(&view, query);
        Ok(fits.then(|| Hit { view, score, snippet: String::new(), same: 1 }))
    }

    fn score(&self, text: &str) -> f64 {
        let mut counts: HashMap<&str, u32> = HashMap::new();
        let mut length = 0;
        words::for_each(text, |word| {
            length += 1;
            if let Some((known, _)) = self.weights.get_key_value(word) {
                *counts.entry(known).or_insert(0) += 1;
            }
        });
        let norm = K1 * (1.0 - B + B * float(length) / self.average);
        let part = |(word, count): (&str, u32)| {
            let count = f64::from(count);
            self.weights.get(word).copied().unwrap_or(0.0) * count * (K1 + 1.0) / (count + norm)
        };
        counts.into_iter().map(part).sum()
    }

    fn knows(&self, word: &str) -> bool {
        self.weights.contains_key(word)
    }
}

/// Whether a fact passes the filters of the question.
fn fits(view: &FactView, query: &RecallQuery) -> bool {
    let fact = &view.fact;
    let same = |want: &Option<String>, have: &Option<String>| want.is_none() || want == have;
    let expired = fact.expired(query.now);
    let stale = fact.stale || expired == Some(OnExpire::MarkStale);
    let archived = fact.archived || expired == Some(OnExpire::Archive);
    expired != Some(OnExpire::Delete)
        && (query.include_stale || !stale)
        && (query.include_archived || !archived)
        && query.level.is_none_or(|level| level == fact.level)
        && query.author.is_none_or(|node| node == view.author.node)
        && same(&query.domain, &fact.domain)
        && same(&query.module, &fact.module)
        && query.tag.as_ref().is_none_or(|tag| fact.tags.contains(tag))
}

/// Keeps the best hit of each text.
fn fold(hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
    let mut out: Vec<Hit> = Vec::new();
    let mut places: HashMap<Hash, usize> = HashMap::new();
    for hit in hits {
        let text = Hash::of(hit.view.fact.content.as_deref().unwrap_or_default().as_bytes());
        match places.get(&text) {
            Some(place) => out[*place].same += 1,
            None if out.len() < limit => {
                places.insert(text, out.len());
                out.push(hit);
            }
            None => {}
        }
    }
    out
}

/// The part of the text around the first word of the question.
fn snippet(text: &str, scorer: &Scorer<'_>) -> String {
    let mut at = 0;
    for (start, part) in split(text) {
        let mut known = false;
        words::for_each(part, |word| known |= scorer.knows(word));
        if known {
            at = start;
            break;
        }
    }
    let before = text[..at].chars().rev().take(SNIPPET_CHARS / 3).map(char::len_utf8).sum::<usize>();
    let from = at - before;
    let mut out: String =
        text[from..].chars().take(SNIPPET_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if from + out.len() < text.len() {
        out.push('…');
    }
    if from > 0 { format!("…{out}") } else { out }
}

/// Parts between white space, with where they begin.
fn split(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_whitespace().map(|part| (part.as_ptr() as usize - text.as_ptr() as usize, part))
}
