//! An export, read line by line, however long it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use antiphon_server::import::{JsonLine, json_line};

use super::{Flaw, Item, Items, Place, not_utf8};
use crate::outcome::{Problem, file_problem};

/// Name of stdin among files.
const STREAM: &str = "-";
/// Longest line, in bytes: 1 MiB.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Reads an export.
///
/// # Errors
/// A problem when the file cannot be opened; bad lines are part of the result.
pub(crate) fn from_json_lines(path: &Path) -> Result<Items, Problem> {
    if path == Path::new(STREAM) {
        return Ok(Box::new(Lines::of(BufReader::new(io::stdin())).flatten()));
    }
    let problem = |error: io::Error| file_problem("read", path, &error);
    let file = File::open(path).map_err(problem)?;
    if file.metadata().map_err(problem)?.is_dir() {
        return Err(problem(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    Ok(Box::new(Lines::of(BufReader::new(file)).flatten()))
}

/// A line, or why it is none.
type Line = Result<Vec<u8>, (Flaw, String)>;

/// The lines of an export.
struct Lines<R> {
    input: R,
    number: usize,
    facts: u64,
    /// An export began, and its last line did not come yet.
    open: bool,
    done: bool,
}

impl<R: BufRead> Lines<R> {
    const fn of(input: R) -> Self {
        Self { input, number: 0, facts: 0, open: false, done: false }
    }

    /// The next line without its end; `None` at the end of the file.
    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        if (&mut self.input).take(limit + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.last() != Some(&b'\n') && line.len() > LINE_BYTES_MAX {
            // The rest of the line belongs to it, however long it is.
            while !line.is_empty() && line.last() != Some(&b'\n') {
                line.clear();
                (&mut self.input).take(limit).read_until(b'\n', &mut line)?;
            }
            return Ok(Some(Err((Flaw::TooLarge, format!("the line has more than {} MiB", LINE_BYTES_MAX >> 20)))));
        }
        Ok(Some(Ok(line)))
    }

    fn end(&mut self) -> Option<Item> {
        self.done = true;
        self.open.then(|| {
            let why = "the last line of the export is missing: it broke off, and facts may be missing with it";
            Item::Bad(Place::line(self.number).bad(Flaw::BrokenOff, why))
        })
    }

    fn item(&mut self, line: &[u8]) -> Vec<Item> {
        let bad = |kind, why: String| vec![Item::Bad(Place::line(self.number).bad(kind, why))];
        let text = match std::str::from_utf8(line) {
            Ok(text) => text.trim(),
            Err(error) => return bad(Flaw::NotUtf8, not_utf8(&error)),
        };
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        if text.is_empty() {
            return Vec::new();
        }
        match json_line(text) {
            Err(why) => bad(Flaw::Malformed, why),
            Ok(JsonLine::Begin(begin)) => {
                self.open = true;
                vec![Item::Expected(begin.held)]
            }
            Ok(JsonLine::Fact(fact, escaped)) => {
                self.facts += 1;
                let escaped = escaped.then_some(Item::Escaped(1));
                escaped.into_iter().chain([Item::fact(Place::line(self.number), *fact)]).collect()
            }
            Ok(JsonLine::End(end)) => {
                self.open = false;
                let (had, has) = (end.facts, std::mem::take(&mut self.facts));
                if had == has {
                    return Vec::new();
                }
                bad(
                    Flaw::BrokenOff,
                    format!("the export had {}, {has} of them can be read", antiphon_node::count(had, "fact")),
                )
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Vec<Item>;

    fn next(&mut self) -> Option<Vec<Item>> {
        if self.done {
            return None;
        }
        match self.line() {
            Ok(None) => self.end().map(|item| vec![item]),
            Ok(Some(Ok(line))) => Some(self.item(&line)),
            Ok(Some(Err((kind, why)))) => Some(vec![Item::Bad(Place::line(self.number).bad(kind, why))]),
            Err(error) => {
                self.done = true;
                let place = Place::line(self.number + 1);
                Some(vec![Item::Bad(place.bad(Flaw::Unreadable, error.to_string()))])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = r#"{"type":"begin","version":1,"team":"t","node":"n","at":"x","held":2}"#;

    fn read(text: &[u8]) -> Vec<Item> {
        Lines::of(text).flatten().collect()
    }

    fn kinds(items: &[Item]) -> Vec<(Option<u64>, Flaw)> {
        let bad = items.iter().filter_map(|item| if let Item::Bad(bad) = item { Some(bad) } else { None });
        bad.map(|bad| (bad.line, bad.kind)).collect()
    }

    #[test]
    fn a_whole_export_has_nothing_bad() {
        let text = format!("\u{FEFF}{BEGIN}\n{{\"content\":\"a\"}}\n\n{{\"type\":\"end\",\"facts\":1}}\n");
        let items = read(text.as_bytes());
        assert_eq!(kinds(&items), []);
        assert_eq!(items.iter().filter(|item| matches!(item, Item::Fact(_))).count(), 1);
    }

    #[test]
    fn an_export_that_broke_off_says_so() {
        let cut = format!("{BEGIN}\n{{\"content\":\"a\"}}\n{{\"cont");
        assert_eq!(kinds(&read(cut.as_bytes())), [(Some(3), Flaw::Malformed), (Some(3), Flaw::BrokenOff)]);
        let short = format!("{BEGIN}\n{{\"content\":\"a\"}}\n{{\"type\":\"end\",\"facts\":2}}\n");
        assert_eq!(kinds(&read(short.as_bytes())), [(Some(3), Flaw::BrokenOff)]);
        assert_eq!(kinds(&read(b"{\"content\":\"no export at all\"}")), []);
    }

    #[test]
    fn a_hostile_line_costs_only_itself() {
        let mut text = vec![b'x'; 3 * LINE_BYTES_MAX];
        text.extend_from_slice(b"\n{\"content\":\"caf\xe9\"}\n{\"content\":\"kept\"}\n");
        text.extend(std::iter::repeat_n(b'[', LINE_BYTES_MAX));
        let items = read(&text);
        let want = [(Some(1), Flaw::TooLarge), (Some(2), Flaw::NotUtf8), (Some(4), Flaw::Malformed)];
        assert_eq!(kinds(&items), want);
        assert_eq!(items.iter().filter(|item| matches!(item, Item::Fact(_))).count(), 1);
    }
}
