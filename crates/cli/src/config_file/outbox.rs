//! `[outbox]`: how much may wait for peers, which requests do, and how soon they are tried again.

use antiphon_core::outbox::Protocol;
use antiphon_node::{LevelError, Levels};

use super::setting::{Setting, Wrong};
use super::value::{Kind, Value};
use crate::toml_reader::nearest;

/// Most requests that may be kept for one peer.
const ITEMS_MAX: u64 = 100_000_000;
/// Most bytes that may be kept.
pub(super) const BYTES_MAX: u64 = 1 << 40;
/// Longest pause after a first failure, in milliseconds; later pauses grow to as much.
const RETRY_MS_MAX: u64 = 10 * 60 * 1_000;

/// The table.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "outbox.bytes_in_all",
        Kind::Bytes { least: 1, most: BYTES_MAX },
        "most bytes of requests that wait in all",
        |wanted| Value::Bytes(wanted.outbox.bounds.bytes_in_all),
        |wanted, value| {
            if let Value::Bytes(bytes) = value {
                wanted.outbox.bounds.bytes_in_all = *bytes;
            }
            Ok(())
        },
    )
    .reloads()
    .flag("--outbox-bytes-in-all"),
    Setting::new(
        "outbox.bytes_per_peer",
        Kind::Bytes { least: 1, most: BYTES_MAX },
        "most bytes of requests that wait for one peer",
        |wanted| Value::Bytes(wanted.outbox.bounds.bytes_per_peer),
        |wanted, value| {
            if let Value::Bytes(bytes) = value {
                wanted.outbox.bounds.bytes_per_peer = *bytes;
            }
            Ok(())
        },
    )
    .reloads()
    .flag("--outbox-bytes-per-peer"),
    Setting::new(
        "outbox.items_per_peer",
        Kind::Number { least: 1, most: ITEMS_MAX },
        "most requests that wait for one peer",
        |wanted| Value::Number(wanted.outbox.bounds.items_per_peer),
        |wanted, value| {
            if let Value::Number(items) = value {
                wanted.outbox.bounds.items_per_peer = *items;
            }
            Ok(())
        },
    )
    .reloads()
    .flag("--outbox-items-per-peer"),
    Setting::new(
        "outbox.levels",
        Kind::Map,
        "how much it matters that a kind of request arrives: `critical`, `moderate` or `none`; see `antiphon outbox levels`",
        |wanted| Value::Map(table(&wanted.outbox.levels)),
        |wanted, value| {
            if let Value::Map(levels) = value {
                for (kind, level) in levels {
                    set_level(&mut wanted.outbox.levels, kind, level)?;
                }
            }
            Ok(())
        },
    )
    .reloads()
    .flag("--outbox-level"),
    Setting::new(
        "outbox.retry",
        Kind::Span { least: 1, most: RETRY_MS_MAX },
        "pause after a first failure; further ones double it, up to ten minutes",
        |wanted| Value::Span(wanted.outbox.retry_ms),
        |wanted, value| {
            if let Value::Span(ms) = value {
                wanted.outbox.retry_ms = *ms;
            }
            Ok(())
        },
    )
    .reloads()
    .flag("--outbox-retry"),
];

/// Every kind with its level.
fn table(levels: &Levels) -> std::collections::BTreeMap<String, String> {
    let level = |name: &str| Protocol::from_name(name).map(|kind| levels.of(kind).name().to_owned());
    Levels::names().filter_map(|name| Some((name.to_owned(), level(name)?))).collect()
}

fn set_level(levels: &mut Levels, kind: &str, level: &str) -> Result<(), Wrong> {
    levels.set(kind, level).map_err(|error| Wrong::new(error.to_string(), level_hint(&error)))
}

/// What to write instead.
fn level_hint(error: &LevelError) -> String {
    match error {
        LevelError::UnknownKind(name) => match nearest(name, Levels::names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", Levels::names().collect::<Vec<_>>().join(", ")),
        },
        LevelError::UnknownLevel(_) => "use critical, moderate or none".to_owned(),
        LevelError::NeverWaits(_) => "leave it out; antiphon outbox levels shows what can wait".to_owned(),
    }
}
