//! Reading what other tools keep into facts to be sent.

mod walk;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use antiphon_core::time::UnixMillis;
use antiphon_server::dto::NewFactDto;
use antiphon_server::import;
use serde::Serialize;

use crate::outcome::{Code, Problem, file_problem};

/// Largest file that is read, in bytes: 256 MiB.
pub(crate) const FILE_BYTES_MAX: u64 = 256 << 20;

/// Where an entry was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file, where there are several.
    pub(crate) file: Option<String>,
    /// The line, counted from 1.
    pub(crate) line: Option<u64>,
}

impl Place {
    /// The entry found here is bad.
    pub(crate) fn bad(self, reason: impl Into<String>) -> Bad {
        Bad { file: self.file, line: self.line, reason: reason.into() }
    }
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

/// Everything that was read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Gathered {
    /// What can be sent.
    pub(crate) entries: Vec<Entry>,
    /// What cannot be read.
    pub(crate) bad: Vec<Bad>,
    /// Facts with characters that were written in a visible form.
    pub(crate) escaped: usize,
    /// Files and directories that were left out on purpose.
    pub(crate) skipped: u64,
}

/// What an import came to; the shape of its JSON.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Nothing was written.
    pub(crate) dry_run: bool,
    /// Facts that were found.
    pub(crate) found: u64,
    /// Facts that were written.
    pub(crate) imported: u64,
    /// Facts that were there already.
    pub(crate) already: u64,
    /// Entries that were not imported.
    pub(crate) bad: Vec<Bad>,
    /// Facts with characters that were written in a visible form.
    pub(crate) escaped: usize,
    /// Files and directories that were left out on purpose.
    pub(crate) skipped: u64,
}

impl Summary {
    /// The beginning of a summary.
    pub(crate) fn of(gathered: &Gathered) -> Self {
        let found = u64::try_from(gathered.entries.len()).unwrap_or(u64::MAX);
        Self { found, skipped: gathered.skipped, escaped: gathered.escaped, ..Self::default() }
    }

    /// What would be imported.
    pub(crate) fn dry(gathered: Gathered) -> Self {
        Self { dry_run: true, ..Self { bad: gathered.bad.clone(), ..Self::of(&gathered) } }
    }
}

/// Reads the file of the MCP memory server.
///
/// # Errors
/// A problem when the file cannot be read; bad lines are part of the result.
pub(crate) fn from_memory_server(path: &Path) -> Result<Gathered, Problem> {
    let (text, mut bad) = lossless_lines(&read(path)?);
    let parsed = import::memory_server(&text);
    let reason = |bad: import::BadLine| Place { file: None, line: u64::try_from(bad.line).ok() }.bad(bad.why);
    bad.extend(parsed.bad.into_iter().map(reason));
    bad.sort_by_key(|bad| bad.line);
    let entries = parsed.facts.into_iter().map(|fact| Entry { place: Place::default(), fact }).collect();
    Ok(Gathered { entries, bad, escaped: parsed.escaped, skipped: 0 })
}

/// The text with every line that is not UTF-8 left empty, so that the others keep their numbers.
fn lossless_lines(bytes: &[u8]) -> (String, Vec<Bad>) {
    let mut text = String::with_capacity(bytes.len());
    let mut bad = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(error) => {
                let why = format!("not UTF-8 after byte {}", error.valid_up_to());
                bad.push(Place { file: None, line: Some(number) }.bad(why));
            }
        }
        text.push('\n');
    }
    (text, bad)
}

/// Reads the Markdown files below a directory.
///
/// # Errors
/// A problem when the directory cannot be read; files that cannot be are part of the result.
pub(crate) fn from_markdown(dir: &Path) -> Result<Gathered, Problem> {
    let found = walk::markdown_files(dir)?;
    let mut gathered = Gathered { skipped: found.skipped, ..Gathered::default() };
    for path in found.files {
        let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
        let place = Place { file: Some(name.clone()), line: None };
        match read_note(&path) {
            Ok((text, modified)) => {
                let facts = import::markdown(&name, &text, modified);
                gathered.entries.extend(facts.into_iter().map(|fact| Entry { place: place.clone(), fact }));
            }
            Err(reason) => gathered.bad.push(place.bad(reason)),
        }
    }
    Ok(gathered)
}

fn read_note(path: &Path) -> Result<(String, UnixMillis), String> {
    let bytes = read(path).map_err(|problem| problem.why.unwrap_or(problem.what))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("not UTF-8 after byte {at}")
    })?;
    let modified = path.metadata().and_then(|data| data.modified()).map_err(|error| error.to_string())?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((text, UnixMillis(u64::try_from(since.as_millis()).unwrap_or_default())))
}

/// Reads a file whole, within [`FILE_BYTES_MAX`].
fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let problem = |error: std::io::Error| file_problem("read", path, &error);
    let mut bytes = Vec::new();
    File::open(path).map_err(problem)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(problem)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        let what = format!("{} has more than {} MiB", path.display(), FILE_BYTES_MAX >> 20);
        return Err(Problem::new(Code::TooLarge, what).hint(format!("split it: split -C 200M {}", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_another_encoding_costs_only_itself() {
        let (text, bad) = lossless_lines(b"one\ncaf\xe9\nthree");
        assert_eq!(text, "one\n\nthree\n");
        assert_eq!(bad, [Bad { file: None, line: Some(2), reason: "not UTF-8 after byte 3".into() }]);
    }
}
