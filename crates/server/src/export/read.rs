//! Markdown of an export becomes facts again.

use std::iter::Peekable;

use serde_json::Value;

use super::{BYLINE, CLOSE, END, MARK, OPEN, slashes};
use crate::dto::NewFactDto;
use crate::import::imported;

/// Longest part of a line that is shown where it is not understood, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// What stands in a file of an export.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A fact.
    Fact {
        /// Where its block begins, from 1.
        line: usize,
        /// The fact.
        fact: Box<NewFactDto>,
        /// Whether characters of it had to be written in a visible form.
        escaped: bool,
    },
    /// Something else.
    Bad {
        /// Where, from 1.
        line: usize,
        /// What.
        why: String,
    },
}

impl Found {
    #[cfg(test)]
    pub(super) fn bad_line(&self) -> Option<usize> {
        if let Self::Bad { line, .. } = self { Some(*line) } else { None }
    }
}

/// Whether a file was written by an export.
pub fn is_export(text: &str) -> bool {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    text.lines().next().is_some_and(|line| line.trim_end() == MARK)
}

/// Reads the blocks of a file, one after the other.
pub fn blocks_of(text: &str) -> impl Iterator<Item = Found> + '_ {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut lines = (1..).zip(text.split_inclusive('\n')).peekable();
    std::iter::from_fn(move || {
        loop {
            let (number, line) = lines.next()?;
            if line.starts_with(OPEN) {
                return Some(block(number, line, &mut lines));
            }
            if !expected(line) {
                let shown: String = line.trim().chars().take(SHOWN_CHARS_MAX).collect();
                let why = format!("{shown:?} stands in no fact; an export is read fact by fact");
                return Some(Found::Bad { line: number, why });
            }
        }
    })
}

/// A line that an export writes beside its facts.
fn expected(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line == MARK || line == "---" || line.starts_with("# ") || line.starts_with(BYLINE)
}

/// Reads the block that begins with `first`.
fn block<'t>(number: usize, first: &str, lines: &mut Peekable<impl Iterator<Item = (usize, &'t str)>>) -> Found {
    let bad = |why: String| Found::Bad { line: number, why };
    let about = first.trim_end().strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(END));
    let about = about.map(serde_json::from_str::<Value>);
    let mut about = match about {
        Some(Ok(Value::Object(about))) => about,
        Some(Ok(_)) | None => return bad("what stands before the fact is no JSON object".to_owned()),
        Some(Err(error)) => return bad(error.to_string()),
    };
    let id = about.get("id").and_then(Value::as_str).unwrap_or_default();
    let end = format!("{CLOSE}{id}{END}");
    let mut content = String::new();
    loop {
        // The beginning of another fact, or its end, means that this one's end was lost: it must not swallow the next.
        let Some((_, line)) = lines.next_if(|(_, line)| slashes(line) != Some(0)) else {
            return bad("the fact does not end".to_owned());
        };
        match slashes(line) {
            Some(1) if line.trim_end() == end => break,
            Some(1) => return bad("the fact ends with another one's end".to_owned()),
            Some(_) => content.push_str(&line.replacen("<!-- //", "<!-- ", 1)),
            None => content.push_str(line),
        }
    }
    content.truncate(content.strip_suffix('\n').map_or(content.len(), str::len));
    about.insert("content".to_owned(), Value::String(content));
    match serde_json::from_value::<NewFactDto>(Value::Object(about)) {
        Ok(fact) => {
            let (fact, escaped) = imported(fact);
            Found::Fact { line: number, fact: Box::new(fact), escaped }
        }
        Err(error) => bad(error.to_string()),
    }
}
