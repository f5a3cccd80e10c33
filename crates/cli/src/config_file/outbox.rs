//! `[outbox]`: how much may wait for peers, which requests do, and how soon they are tried again.

use antiphon_node::{LevelError, Levels, OutboxConfig};

use crate::outcome::Problem;
use crate::size;
use crate::toml_reader::{Entry, nearest};

/// Most requests that may be kept for one peer.
pub(crate) const ITEMS_MAX: u64 = 100_000_000;
/// Most bytes that may be kept.
const BYTES_MAX: u64 = 1 << 40;
/// Longest pause after a first failure, in milliseconds; later pauses grow to as much.
const RETRY_MAX_MS: u64 = 10 * 60 * 1_000;

/// Reads the table.
///
/// # Errors
/// Where it is wrong.
pub(super) fn read(entry: &Entry<'_>) -> Result<OutboxConfig, Problem> {
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

/// A number of bytes, as a number or as a person writes it.
///
/// # Errors
/// When it is neither.
pub(super) fn bytes_of(entry: &Entry<'_>) -> Result<u64, Problem> {
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
