//! Reading what other tools keep into facts to be sent, one after the other, so that memory does not grow with them.

mod basic_memory;
mod claude;
mod json_lines;
mod notes;
mod walk;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use antiphon_core::time::UnixMillis;
use antiphon_server::dto::NewFactDto;
use antiphon_server::import;
use serde::Serialize;

use crate::outcome::{Code, Problem, file_problem};

pub(crate) use basic_memory::from_basic_memory;
pub(crate) use claude::{Reach, from_claude};
pub(crate) use json_lines::from_json_lines;
pub(crate) use notes::{from_agents_md, from_markdown};

/// Largest file that is read whole, in bytes: 256 MiB.
pub(crate) const FILE_BYTES_MAX: u64 = 256 << 20;
/// Most entries that were not imported and are named; further ones are counted.
const BAD_MAX: usize = 10_000;

/// Where an entry was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file, where there are several.
    pub(crate) file: Option<String>,
    /// The line, counted from 1.
    pub(crate) line: Option<u64>,
}

impl Place {
    /// A file.
    pub(crate) fn file(name: impl Into<String>) -> Self {
        Self { file: Some(name.into()), line: None }
    }

    /// A line, counted from 1.
    pub(crate) fn line(number: usize) -> Self {
        Self { file: None, line: u64::try_from(number).ok() }
    }

    /// The entry found here is bad.
    pub(crate) fn bad(self, kind: Flaw, reason: impl Into<String>) -> Bad {
        Bad { file: self.file, line: self.line, kind, reason: reason.into() }
    }
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flaw {
    /// It has more bytes than are read.
    TooLarge,
    /// It is nested deeper than is looked.
    TooDeep,
    /// It is no text.
    NotUtf8,
    /// It is a link that leads nowhere, or in circles.
    Link,
    /// It lies outside of what is imported.
    Outside,
    /// It cannot be read.
    Unreadable,
    /// It is not what it should be.
    Malformed,
    /// Its end is missing.
    BrokenOff,
    /// The node did not take it.
    Refused,
}

/// An entry that is not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Bad {
    /// The file, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    /// What is wrong, for programs.
    pub(crate) kind: Flaw,
    /// Why.
    pub(crate) reason: String,
}

/// A fact to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Where it was found.
    pub(crate) place: Place,
    /// The fact.
    pub(crate) fact: NewFactDto,
}

/// What reading comes upon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A fact.
    Fact(Box<Entry>),
    /// Something that is not imported.
    Bad(Bad),
    /// Files and directories that were left out on purpose.
    Skipped(u64),
    /// Facts with characters that were written in a visible form.
    Escaped(usize),
    /// How many facts there may be, where that is known before.
    Expected(u64),
}

impl Item {
    /// A fact that was found at a place.
    pub(crate) fn fact(place: Place, fact: NewFactDto) -> Self {
        Self::Fact(Box::new(Entry { place, fact }))
    }
}

/// What is imported, as it is read.
pub(crate) type Items = Box<dyn Iterator<Item = Item>>;

/// What an import came to; the shape of its JSON.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Nothing was written.
    pub(crate) dry_run: bool,
    /// Facts that were found.
    pub(crate) found: u64,
    /// Facts that were written.
    pub(crate) imported: u64,
    /// Facts that would be written, in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) would_import: Option<u64>,
    /// Facts that were there already.
    pub(crate) already: u64,
    /// Facts that what is imported says more than once.
    pub(crate) duplicates: u64,
    /// Entries that were not imported.
    pub(crate) bad: Vec<Bad>,
    /// Further ones that are not named.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) more_bad: u64,
    /// Facts with characters that were written in a visible form.
    pub(crate) escaped: usize,
    /// Files and directories that were left out on purpose.
    pub(crate) skipped: u64,
}

impl Summary {
    /// Notes an entry that is not imported.
    pub(crate) fn bad(&mut self, bad: Bad) {
        if self.bad.len() < BAD_MAX {
            self.bad.push(bad);
        } else {
            self.more_bad += 1;
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Reads the file of the MCP memory server.
///
/// # Errors
/// A problem when the file cannot be read; bad lines are part of the result.
pub(crate) fn from_memory_server(path: &Path) -> Result<Items, Problem> {
    let (text, bad) = lossless_lines(&read(path)?);
    let parsed = import::memory_server(&text);
    let reason = |bad: import::BadLine| Place::line(bad.line).bad(Flaw::Malformed, bad.why);
    let bad = bad.into_iter().chain(parsed.bad.into_iter().map(reason)).map(Item::Bad);
    let facts = parsed.facts.into_iter().map(|fact| Item::fact(Place::default(), fact));
    let counts = [Item::Expected(facts.len() as u64), Item::Escaped(parsed.escaped)];
    Ok(Box::new(counts.into_iter().chain(bad).chain(facts)))
}

/// The text with every line that is not UTF-8 left empty, so that the others keep their numbers.
fn lossless_lines(bytes: &[u8]) -> (String, Vec<Bad>) {
    let mut text = String::with_capacity(bytes.len());
    let mut bad = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(error) => bad.push(Place::line(number).bad(Flaw::NotUtf8, not_utf8(&error))),
        }
        text.push('\n');
    }
    (text, bad)
}

fn not_utf8(error: &std::str::Utf8Error) -> String {
    format!("not UTF-8 after byte {}", error.valid_up_to())
}

/// A file among several: what cannot be read costs only itself.
pub(crate) fn read_note(path: &Path) -> Result<(String, UnixMillis), (Flaw, String)> {
    let unreadable = |why: String| (Flaw::Unreadable, why);
    let bytes = read(path).map_err(|problem| match problem.code {
        Code::TooLarge => (Flaw::TooLarge, format!("it has more than {} MiB", FILE_BYTES_MAX >> 20)),
        _ => unreadable(problem.why.unwrap_or(problem.what)),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| (Flaw::NotUtf8, not_utf8(&error.utf8_error())))?;
    let modified = path.metadata().and_then(|data| data.modified()).map_err(|error| unreadable(error.to_string()))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((text, UnixMillis(u64::try_from(since.as_millis()).unwrap_or_default())))
}

/// Reads a file whole, within [`FILE_BYTES_MAX`].
fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let problem = |error: std::io::Error| file_problem("read", path, &error);
    let too_large = || {
        let what = format!("{} has more than {} MiB", path.display(), FILE_BYTES_MAX >> 20);
        Problem::new(Code::TooLarge, what).hint(format!("split it: split -C 200M {}", path.display()))
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(problem)?;
    if file.metadata().map_err(problem)?.len() > FILE_BYTES_MAX {
        return Err(too_large());
    }
    // It may grow while it is read.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(problem)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

/// The directory that a path stands for, and the one file of it that is meant, if it is a file.
///
/// # Errors
/// A problem when it is neither.
fn root_of(path: &Path) -> Result<(PathBuf, Option<PathBuf>), Problem> {
    let found = path.canonicalize().map_err(|error| file_problem("read", path, &error))?;
    if found.is_dir() {
        return Ok((found, None));
    }
    if !found.is_file() {
        let what = format!("{} is neither a file nor a directory", path.display());
        return Err(Problem::new(Code::Invalid, what).hint(format!("check the path: ls -ld {}", path.display())));
    }
    let root = found.parent().unwrap_or(&found).to_owned();
    Ok((root, Some(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_another_encoding_costs_only_itself() {
        let (text, bad) = lossless_lines(b"one\ncaf\xe9\nthree");
        assert_eq!(text, "one\n\nthree\n");
        let reason = "not UTF-8 after byte 3".to_owned();
        assert_eq!(bad, [Bad { file: None, line: Some(2), kind: Flaw::NotUtf8, reason }]);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.md");
        File::create(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert_eq!(read_note(&path).unwrap_err().0, Flaw::TooLarge);
        assert_eq!(read(&path).unwrap_err().code, Code::TooLarge);
        assert!(root_of(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn what_is_bad_is_named_up_to_a_bound_and_counted_beyond() {
        let mut summary = Summary::default();
        for number in 0..BAD_MAX + 3 {
            summary.bad(Place::line(number).bad(Flaw::Malformed, "no"));
        }
        assert_eq!((summary.bad.len(), summary.more_bad), (BAD_MAX, 3));
    }
}
