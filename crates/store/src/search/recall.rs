//! Recall: from a question to the facts that fit best.
//!
//! First the rare words of the question choose candidates from the index, together at most
//! [`CANDIDATES_MAX`]; the common ones do so only together, two or more in one fact, and only where the rare ones
//! leave room. Whatever has one of the rarest words is a candidate however long it is: the index ranks a long text
//! that has a word once behind all short ones that have some other word. Then the facts themselves are read and scored by all words (BM25), so what is returned is what they
//! say now, whatever the index remembers.

use std::collections::{HashMap, HashSet};

use antiphon_core::ids::Hash;
use rusqlite::{Connection, params};

use super::indexer::Cursor;
use super::score::{self, Counted, Filter, Scored, Scorer, Term, Words};
use super::sides::others;
use super::tail::tail;
use super::{Frequencies, words};
use crate::error::Error;
use crate::query::facts;
use crate::row;
use crate::view::{Hit, Recall, RecallQuery};

/// Most words of a question that are looked at, the rarest ones.
const WORDS_MAX: usize = 24;
/// Most words that are read from a question.
const WORDS_READ_MAX: usize = 256;
/// Most facts that the rare words may have together.
const CANDIDATES_MAX: u64 = 2_000;
/// Most facts that are read and scored.
const SCORED_MAX: usize = 120;
/// Most facts that are candidates because of the rarest words alone.
const NAMED_MAX: usize = SCORED_MAX / 2;
/// Most hits of one answer.
const HITS_MAX: usize = 200;
/// Characters of a snippet.
const SNIPPET_CHARS: usize = 160;

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
    let candidates = candidates(search, &terms, query)?;
    let (question, filter) = (Words::of(&terms), Filter::new(main, query)?);
    let mut seen: HashSet<i64> = HashSet::new();
    let mut read = |facts: &[i64]| -> Result<Vec<Counted>, Error> {
        let fresh = facts.iter().filter(|n| seen.insert(**n));
        fresh.filter_map(|n| score::read(main, *n, &question, &filter).transpose()).collect()
    };
    let (tail_facts, indexed) = (read(&tail.facts)?, read(&candidates)?);
    let scorer = Scorer::new(&terms, &cursor, &tail_facts);
    let all = tail_facts.into_iter().chain(indexed);
    let mut scored: Vec<Scored> = all.map(|counted| scorer.score(counted)).collect();
    scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.id.cmp(&a.id)));
    let folded = fold(scored, query.limit.min(HITS_MAX));
    let hits = folded.into_iter().filter_map(|scored| show(main, &scored, &question).transpose());
    Ok(Recall { hits: hits.collect::<Result<_, _>>()?, index_behind: tail.cut })
}

/// Reads a fact as it is shown.
fn show(main: &Connection, scored: &Scored, question: &Words<'_>) -> Result<Option<Hit>, Error> {
    let Some(view) = facts::get(main, scored.id)? else { return Ok(None) };
    let content = view.fact.content.as_deref().unwrap_or_default();
    let diverged = view.diverged.iter().fold(0, |bits, field| bits | field.mask());
    let others = others(main, scored.id, view.stream, diverged)?;
    let mut texts = std::iter::once(content).chain(others.iter().map(String::as_str));
    let text = texts.find(|text| fits(text, question)).unwrap_or(content);
    let snippet = snippet(text, question);
    Ok(Some(Hit { view, score: scored.score, snippet, same: scored.same }))
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
    let mut terms: Vec<Term> = words.into_iter().zip(counts).map(|(word, count)| Term { word, count }).collect();
    terms.sort_by_key(|term| term.count);
    // Words that only the tail can have come first, and must not push out the others.
    let known = terms.iter().filter(|term| term.count > 0).count();
    let unknown = terms.len() - known;
    terms.truncate(unknown + known.min(WORDS_MAX));
    Ok(terms)
}

/// Facts that may fit, by `facts.n`, at most [`SCORED_MAX`].
fn candidates(search: &Connection, terms: &[Term], query: &RecallQuery) -> Result<Vec<i64>, Error> {
    let terms: Vec<&Term> = terms.iter().filter(|term| term.count > 0).collect();
    let labels = labels(query);
    let (named, rare) = (rarest(&terms, NAMED_MAX as u64), rarest(&terms, CANDIDATES_MAX));
    let any_of = |terms: &[&Term]| with_labels(&join(terms, " OR "), &labels);
    let mut found = if named > 0 { newest(search, &any_of(&terms[..named]), SCORED_MAX)? } else { Vec::new() };
    if rare > named {
        let best = ranked(search, &any_of(&terms[..rare]))?;
        let more: Vec<i64> = best.into_iter().filter(|n| !found.contains(n)).take(SCORED_MAX - found.len()).collect();
        found.extend(more);
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

/// How many of the words, the rarest first, at most so many facts have together.
fn rarest(terms: &[&Term], most: u64) -> usize {
    let mut sum = 0;
    let within = |term: &&&Term| {
        sum += term.count;
        sum <= most
    };
    terms.iter().take_while(within).count()
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

/// Keeps the best fact of each text.
fn fold(scored: Vec<Scored>, limit: usize) -> Vec<Scored> {
    let mut out: Vec<Scored> = Vec::new();
    let mut places: HashMap<Hash, usize> = HashMap::new();
    for next in scored {
        match places.get(&next.text) {
            Some(place) => out[*place].same += 1,
            None if out.len() < limit => {
                places.insert(next.text, out.len());
                out.push(next);
            }
            None => {}
        }
    }
    out
}

/// Whether a text has a word of the question.
fn fits(text: &str, question: &Words<'_>) -> bool {
    let mut fits = false;
    words::for_each(text, |word| fits |= question.knows(word));
    fits
}

/// The part of the text around the first word of the question.
fn snippet(text: &str, question: &Words<'_>) -> String {
    let mut at = 0;
    for (start, part) in split(text) {
        let mut known = false;
        words::for_each(part, |word| known |= question.knows(word));
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
