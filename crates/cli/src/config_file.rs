//! The configuration file of a home, `antiphon.toml`: what a person wants of this node, read at every start.
//!
//! What stands in the environment or on the command line goes before it. A slip must not pass as a setting: every key
//! must be known, every value must make sense by itself, and whatever is wrong is told with its line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use antiphon_node::{LevelError, Levels, OutboxConfig};

use crate::outcome::{Code, Problem, file_problem};
use crate::size;
use crate::toml_reader::{Entry, Reader, Table, nearest};

/// Name of the file in its home.
pub(crate) const NAME: &str = "antiphon.toml";
/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Most requests that may be kept for one peer.
pub(crate) const ITEMS_MAX: u64 = 100_000_000;
/// Most bytes that may be kept.
const BYTES_MAX: u64 = 1 << 40;
/// Longest pause after a first failure, in milliseconds; later pauses grow to as much.
const RETRY_MAX_MS: u64 = 10 * 60 * 1_000;

/// Reads the file in `home`; the defaults where there is none.
///
/// # Errors
/// [`Problem`] with the file, the line and what is wrong there.
pub(crate) fn read(home: &Path) -> Result<OutboxConfig, Problem> {
    let path = home.join(NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(OutboxConfig::default()),
        Err(error) => return Err(file_problem("read", &path, &error)),
    };
    let (mut text, name) = (String::new(), path.display().to_string());
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| file_problem("read", &path, &error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Problem::new(Code::TooLarge, format!("{name} has more than {FILE_BYTES_MAX} bytes"))
            .hint("it holds a few settings; look whether it is the right file"));
    }
    parse(&text, &name)
}

fn parse(text: &str, name: &str) -> Result<OutboxConfig, Problem> {
    let reader = Reader::new(text, name);
    let document = reader.document()?;
    let table = Table::new(&reader, document.get_ref(), "", &["outbox"])?;
    match table.get("outbox") {
        Some(entry) => outbox(&entry),
        None => Ok(OutboxConfig::default()),
    }
}

fn outbox(entry: &Entry<'_>) -> Result<OutboxConfig, Problem> {
    let table = entry.table(&["items_per_peer", "bytes_per_peer", "bytes_in_all", "retry", "levels"])?;
    let mut config = OutboxConfig::default();
    if let Some(items) = table.get("items_per_peer") {
        config.bounds.items_per_peer = items.number(1, ITEMS_MAX)?;
    }
    if let Some(bytes) = table.get("bytes_per_peer") {
        config.bounds.bytes_per_peer = bytes_of(&bytes)?;
    }
    if let Some(bytes) = table.get("bytes_in_all") {
        config.bounds.bytes_in_all = bytes_of(&bytes)?;
    }
    if let Some(retry) = table.get("retry") {
        let ms = retry_ms(retry.text()?);
        config.retry_ms = ms.map_err(|said| retry.wrong("this is not a pause", &said))?;
    }
    if let Some(levels) = table.get("levels") {
        for (kind, name) in levels.entries()? {
            let set = config.levels.set(name, kind.text()?);
            set.map_err(|error| kind.wrong(&error.to_string(), &level_hint(&error)))?;
        }
    }
    Ok(config)
}

fn bytes_of(entry: &Entry<'_>) -> Result<u64, Problem> {
    if !entry.is_text() {
        return entry.number(1, BYTES_MAX);
    }
    let bytes = bytes(entry.text()?);
    bytes.map_err(|said| entry.wrong("this is not a number of bytes", &said))
}

/// A number of bytes that may be kept, as a person writes it.
///
/// # Errors
/// How it is written.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let bytes = size::parse(text).filter(|bytes| (1..=BYTES_MAX).contains(bytes));
    bytes.ok_or_else(|| format!("write it as 64MiB or 1GiB, at most {}", size::shown(BYTES_MAX)))
}

/// A pause after a first failure, as a person writes it.
///
/// # Errors
/// How it is written.
pub(crate) fn retry_ms(text: &str) -> Result<u64, String> {
    let ms = antiphon_server::time::parse_duration_ms(text).filter(|ms| (1..=RETRY_MAX_MS).contains(ms));
    ms.ok_or_else(|| "write it as 500ms, 15s or 2m, at most 10m".to_owned())
}

/// What to write instead.
pub(crate) fn level_hint(error: &LevelError) -> String {
    match error {
        LevelError::UnknownKind(name) => match nearest(name, Levels::names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", Levels::names().collect::<Vec<_>>().join(", ")),
        },
        LevelError::UnknownLevel(_) => "use critical, moderate or none".to_owned(),
        LevelError::NeverWaits(_) => "leave it out; antiphon outbox levels shows what can wait".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::outbox::{Level, Protocol};

    use super::*;

    const GOOD: &str = r#"
[outbox]
items_per_peer = 500      # requests
bytes_per_peer = "1 MiB"
bytes_in_all = 4194304
retry = "2s"
levels.message = "moderate"
"#;

    #[test]
    fn a_file_sets_what_it_names() {
        let config = parse(GOOD, "f").unwrap();
        assert_eq!((config.bounds.items_per_peer, config.bounds.bytes_per_peer), (500, 1 << 20));
        assert_eq!((config.bounds.bytes_in_all, config.retry_ms), (4 << 20, 2_000));
        assert_eq!(config.levels.of(Protocol::MESSAGE), Level::Moderate);
        assert_eq!(config.levels.of(Protocol::PLANNER), Level::Moderate);
        assert_eq!(parse("", "f").unwrap(), OutboxConfig::default());
        assert_eq!(parse("[outbox]", "f").unwrap(), OutboxConfig::default());
        assert_eq!(read(Path::new("/nowhere")).unwrap(), OutboxConfig::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let check = |text: &str, line: usize, words: &[&str]| {
            let problem = parse(text, "f.toml").unwrap_err();
            assert!(problem.what.starts_with(&format!("f.toml:{line}: ")), "{text}: {problem}");
            for word in words {
                assert!(problem.to_string().contains(word), "{word:?} is missing: {problem}");
            }
        };
        check("[outbx]", 1, &["outbx", "did you mean outbox?"]);
        check("[outbox]\nitems = 3", 2, &["outbox.items", "items_per_peer"]);
        check("[outbox]\nitems_per_peer = 0", 2, &["whole number", "from 1"]);
        check("[outbox]\nbytes_per_peer = \"64MB\"", 2, &["bytes", "64MiB"]);
        check("[outbox]\nbytes_in_all = 0", 2, &["whole number"]);
        check("[outbox]\nretry = \"never\"", 2, &["15s"]);
        check("[outbox]\nretry = \"11m\"", 2, &["10m"]);
        check("[outbox.levels]\nmesage = \"none\"", 2, &["\"mesage\"", "did you mean message?"]);
        check("[outbox.levels]\nmessage = \"high\"", 2, &["\"high\"", "critical, moderate or none"]);
        check("[outbox.levels]\nsync = \"critical\"", 2, &["sync never waits"]);
        check("[outbox.levels]\nmessage = 3", 2, &["text"]);
    }
}
