//! Recall: from a question to the facts that fit best.
//!
//! First the rare words of the question choose candidates from the index, together at most
//! [`CANDIDATES_MAX`]; the common ones do so only together, two or more in one fact, and only where the rare ones
//! leave room. Whatever has one of the rarest words is a candidate however long it is: the index ranks a long text
//! that has a word once behind all short ones that have some other word. Then the facts themselves are read and scored by all words (BM25), so what is returned is what they
//! say now, whatever the index remembers.

use std::collections::{HashMap, HashSet};

use antiphon_core::ids::{FactId, Hash};
use rusqlite::{Connection, params};

use super::answer::{Folded, FoundBy, Hit, Recall, RecallQuery, Weighed};
use super::filter::Filter;
use super::indexer::Cursor;
use super::newest::newest;
use super::score::{self, Counted, Scored, Scorer, Term, Words};
use super::sides::others;
use super::tail::{Tail, tail};
use super::then::{self, Changed};
use super::{Frequencies, words};
use crate::FOLDED_MAX;
use crate::error::Error;
use crate::query::as_of::Then;
use crate::query::facts;
use crate::row;

/// Most words of a question that are looked at, the rarest ones.
const WORDS_MAX: usize = 24;
/// Most words that are read from a question.
const WORDS_READ_MAX: usize = 256;
/// Most facts that the rare words may have together.
const CANDIDATES_MAX: u64 = 2_000;
/// Most facts that are read and scored.
const SCORED_MAX: usize = 120;
/// Most facts that are read for a question with filters that the index does not know.
const SCORED_LATE_MAX: usize = 2_000;
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
    let terms = terms(search, frequencies, &query.text, &cursor, WORDS_MAX)?;
    let tail = tail(main, &cursor)?;
    // Text without a word in it is a question that nothing answers; no text at all is none.
    let listed = query.text.trim().is_empty();
    if (terms.is_empty() && !listed) || query.limit == 0 {
        return Ok(Recall { index_behind: tail.cut, ..Recall::default() });
    }
    let (question, filter) = (Words::of(&terms), Filter::new(main, query)?);
    let limit = query.limit.min(HITS_MAX);
    let changed = match query.as_of {
        Some(at) => then::changed(main, at, &question, &filter)?,
        None => Changed::default(),
    };
    let Changed { counted: changed, then, cut } = changed;
    let asked = Asked { main, search, query, question: &question, filter: &filter };
    let (scored, scorer, cut) = if listed {
        let (found, more) = newest(main, &filter, limit)?;
        let scorer = Scorer::new(&terms, &cursor, &[]);
        let mut all: Vec<Scored> = changed.into_iter().chain(found).map(|counted| scorer.score(counted)).collect();
        if query.as_of.is_some() {
            by_change(main, &mut all, &then)?;
        }
        (all, scorer, cut || more)
    } else {
        let (mut fresh, indexed) = asked.gather(&terms, &tail)?;
        fresh.extend(changed);
        let scorer = Scorer::new(&terms, &cursor, &fresh);
        let mut all: Vec<Scored> = fresh.into_iter().chain(indexed).map(|counted| scorer.score(counted)).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.counted.id.cmp(&a.counted.id)));
        (all, scorer, cut)
    };
    let folded = fold(scored, limit);
    let hits = folded.into_iter().filter_map(|scored| asked.show(scored, &scorer, &then).transpose());
    Ok(Recall { hits: hits.collect::<Result<_, _>>()?, index_behind: tail.cut && !listed, cut })
}

/// Orders facts by when they were last changed, the latest first.
fn by_change(main: &Connection, all: &mut [Scored], then: &HashMap<FactId, Then>) -> Result<(), Error> {
    let mut at = HashMap::new();
    for scored in all.iter() {
        let id = scored.counted.id;
        let view = match then.get(&id) {
            Some(then) => Some(then.view.clone()),
            None => facts::get(main, id)?,
        };
        at.insert(id, view.map(|view| view.updated_at));
    }
    all.sort_by_key(|scored| std::cmp::Reverse((at.get(&scored.counted.id).copied().flatten(), scored.counted.id)));
    Ok(())
}

/// See [`crate::Reader::weigh`].
pub(crate) fn weigh(
    search: &Connection,
    frequencies: &Frequencies,
    question: &str,
    texts: &[Vec<String>],
) -> Result<Vec<Option<Weighed>>, Error> {
    let cursor = Cursor::read(search)?;
    let terms = terms(search, frequencies, question, &cursor, WORDS_READ_MAX)?;
    let (words, scorer) = (Words::of(&terms), Scorer::new(&terms, &cursor, &[]));
    let one = |texts: &Vec<String>| {
        let (counts, length) = words.count(texts.iter().map(String::as_str));
        let fits = question.trim().is_empty() || counts.iter().any(|count| *count > 0);
        let text = texts.first().map_or("", String::as_str);
        fits.then(|| Weighed { score: scorer.worth(&counts, length), snippet: snippet(text, &words) })
    };
    Ok(texts.iter().map(one).collect())
}

/// A question on its way.
struct Asked<'a> {
    main: &'a Connection,
    search: &'a Connection,
    query: &'a RecallQuery,
    question: &'a Words<'a>,
    filter: &'a Filter<'a>,
}

impl Asked<'_> {
    /// Reads what may fit: what the index has not taken in yet, and what it has.
    fn gather(&self, terms: &[Term], tail: &Tail) -> Result<(Vec<Counted>, Vec<Counted>), Error> {
        let candidates = candidates(self.search, terms, self.query)?;
        let mut seen: HashSet<i64> = HashSet::new();
        let mut read = |facts: &mut dyn Iterator<Item = (i64, FoundBy)>| -> Result<Vec<Counted>, Error> {
            let fresh = facts.filter(|(n, _)| seen.insert(*n));
            fresh.filter_map(|(n, by)| score::read(self.main, n, self.question, self.filter, by).transpose()).collect()
        };
        let fresh = read(&mut tail.facts.iter().map(|n| (*n, FoundBy::Tail)))?;
        let indexed = read(&mut candidates.into_iter())?;
        Ok((fresh, indexed))
    }

    /// Reads a fact as it is shown.
    fn show(&self, scored: Scored, scorer: &Scorer<'_>, then: &HashMap<FactId, Then>) -> Result<Option<Hit>, Error> {
        let Scored { counted, score, same, folded } = scored;
        let (view, sides, others) = match then.get(&counted.id) {
            Some(then) => (then.view.clone(), then.sides.clone(), then.others()),
            None => match facts::get(self.main, counted.id)? {
                Some(view) => {
                    let diverged = view.diverged.iter().fold(0, |bits, field| bits | field.mask());
                    let others = others(self.main, counted.id, view.stream, diverged)?;
                    (view, Vec::new(), others)
                }
                None => return Ok(None),
            },
        };
        let content = view.fact.content.as_deref().unwrap_or_default();
        let mut texts = std::iter::once(content).chain(others.iter().map(String::as_str));
        let text = texts.find(|text| fits(text, self.question)).unwrap_or(content);
        let snippet = snippet(text, self.question);
        let explanation = self.query.explain.then(|| scorer.explain(&counted));
        let folded = folded.into_iter().filter_map(|id| self.folded(id, then).transpose());
        let folded = folded.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Hit { view, score, snippet, same, folded, explanation, sides }))
    }

    fn folded(&self, id: FactId, then: &HashMap<FactId, Then>) -> Result<Option<Folded>, Error> {
        if let Some(then) = then.get(&id) {
            return Ok(Some(Folded { id, author: then.view.author.clone() }));
        }
        Ok(facts::get(self.main, id)?.map(|view| Folded { id, author: view.author }))
    }
}

/// The words of the question, the rarest first.
fn terms(
    search: &Connection,
    frequencies: &Frequencies,
    question: &str,
    cursor: &Cursor,
    words_max: usize,
) -> Result<Vec<Term>, Error> {
    let mut words: Vec<String> = Vec::new();
    words::for_each(question, |word| {
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
    terms.truncate(unknown + known.min(words_max));
    Ok(terms)
}

/// Facts that may fit, by `facts.n`: at most [`SCORED_MAX`], or [`SCORED_LATE_MAX`] where most of them may not pass.
fn candidates(search: &Connection, terms: &[Term], query: &RecallQuery) -> Result<Vec<(i64, FoundBy)>, Error> {
    let terms: Vec<&Term> = terms.iter().filter(|term| term.count > 0).collect();
    let labels = labels(query);
    let (most, wanted) = if query.narrows_late() {
        (SCORED_LATE_MAX, SCORED_LATE_MAX)
    } else {
        (SCORED_MAX, query.limit.min(SCORED_MAX))
    };
    // Half of them are candidates because of the rarest words alone.
    let (named, rare) = (rarest(&terms, most as u64 / 2), rarest(&terms, CANDIDATES_MAX));
    let any_of = |terms: &[&Term]| with_labels(&join(terms, " OR "), &labels);
    let mut found = Found::default();
    if named > 0 {
        found.add(newest_of(search, &any_of(&terms[..named]), most)?, FoundBy::Rarest, most);
    }
    if rare > named {
        found.add(ranked(search, &any_of(&terms[..rare]), most)?, FoundBy::Ranked, most);
    }
    let common = &terms[rare..];
    // The rarest common words together, then fewer of them, until there is enough to choose from.
    let mut together = common.len().min(3);
    while together > 0 && found.facts.len() < wanted {
        let expression = join(&common[..together], " AND ");
        let more = newest_of(search, &with_labels(&expression, &labels), most - found.facts.len())?;
        found.add(more, FoundBy::Together(together), most);
        together -= 1;
    }
    Ok(found.facts)
}

/// Candidates, each once.
#[derive(Default)]
struct Found {
    facts: Vec<(i64, FoundBy)>,
    known: HashSet<i64>,
}

impl Found {
    fn add(&mut self, more: Vec<i64>, by: FoundBy, most: usize) {
        for n in more {
            if self.facts.len() < most && self.known.insert(n) {
                self.facts.push((n, by));
            }
        }
    }
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
fn ranked(search: &Connection, expression: &str, max: usize) -> Result<Vec<i64>, Error> {
    matches(
        search,
        "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY bm25(docs, 1.0, 0.0) LIMIT ?2",
        expression,
        max,
    )
}

/// The newest matches; none is scored, so reading stops when there are enough.
fn newest_of(search: &Connection, expression: &str, max: usize) -> Result<Vec<i64>, Error> {
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
        match places.get(&next.counted.text) {
            Some(place) => {
                let kept = &mut out[*place];
                kept.same += 1;
                if kept.folded.len() < FOLDED_MAX {
                    kept.folded.push(next.counted.id);
                }
            }
            None if out.len() < limit => {
                places.insert(next.counted.text, out.len());
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
