//! `[node]`: the node itself, where it listens and what it logs.

use tracing_subscriber::EnvFilter;

use super::setting::{Setting, Short, Wrong};
use super::value::{Kind, Value};
use crate::listen;

/// Shortest silence after which a member can count as expired, in milliseconds.
const TIMEOUT_MS_MIN: u64 = 1;
/// Longest, in milliseconds: a year.
const TIMEOUT_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;

/// What is wanted of the node itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeWanted {
    /// Its name, where it is not the machine's.
    pub(crate) name: Option<String>,
    /// Where it listens.
    pub(crate) listen: Vec<String>,
    /// Whether it looks for members by multicast DNS.
    pub(crate) mdns: bool,
    /// How long a member may be silent, in milliseconds.
    pub(crate) peer_timeout_ms: u64,
    /// What it logs, where that is not left to `-v`.
    pub(crate) log: Option<String>,
}

impl NodeWanted {
    /// What holds when nobody says anything.
    pub(super) fn of(listen: Vec<String>, mdns: bool, peer_timeout_ms: u64) -> Self {
        Self { name: None, listen, mdns, peer_timeout_ms, log: None }
    }
}

/// The table.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "node.listen",
        Kind::List,
        "addresses to listen at; port 0 picks a free one, and the same one again at the next start",
        |wanted| Value::List(wanted.node.listen.clone()),
        |wanted, value| {
            if let Value::List(addresses) = value {
                wanted.node.listen = addresses.iter().map(|one| address(one)).collect::<Result<_, _>>()?;
            }
            Ok(())
        },
    )
    .flag("--listen")
    .short(Short::Same("ANTIPHON_LISTEN")),
    Setting::new(
        "node.log",
        Kind::Text,
        "what is logged, as a filter in the syntax of `tracing`: `warn,antiphon=debug`",
        |wanted| option(wanted.node.log.as_ref()),
        |wanted, value| {
            wanted.node.log = filter(value)?;
            Ok(())
        },
    )
    .reloads()
    .unset("as `-v` says")
    .short(Short::Same("ANTIPHON_LOG")),
    Setting::new(
        "node.mdns",
        Kind::Flag,
        "whether to look for members on the local network by multicast DNS",
        |wanted| Value::Flag(wanted.node.mdns),
        |wanted, value| {
            if let Value::Flag(mdns) = value {
                wanted.node.mdns = *mdns;
            }
            Ok(())
        },
    )
    .flag("--no-mdns")
    .short(Short::Not("ANTIPHON_NO_MDNS")),
    Setting::new(
        "node.name",
        Kind::Text,
        "name of a new node",
        |wanted| option(wanted.node.name.as_ref()),
        |wanted, value| {
            wanted.node.name = match value {
                Value::Text(name) if !name.is_empty() => Some(name.clone()),
                _ => None,
            };
            Ok(())
        },
    )
    .founds()
    .unset("the machine's and the profile's")
    .flag("--name")
    .short(Short::Same("ANTIPHON_NAME")),
    Setting::new(
        "node.peer_timeout",
        Kind::Span { least: TIMEOUT_MS_MIN, most: TIMEOUT_MS_MAX },
        "how long a member may be silent before its trust expires",
        |wanted| Value::Span(wanted.node.peer_timeout_ms),
        |wanted, value| {
            if let Value::Span(ms) = value {
                wanted.node.peer_timeout_ms = *ms;
            }
            Ok(())
        },
    )
    .reloads()
    .flag("--peer-timeout")
    .short(Short::Same("ANTIPHON_PEER_TIMEOUT")),
];

fn option(text: Option<&String>) -> Value {
    text.map_or(Value::Unset, |text| Value::Text(text.clone()))
}

fn address(text: &str) -> Result<String, Wrong> {
    listen::check(text.trim()).map_err(|problem| {
        let why = problem.why.map(|why| format!("; {why}")).unwrap_or_default();
        Wrong::new(format!("{}{why}", problem.what), problem.hint.unwrap_or_default())
    })
}

fn filter(value: &Value) -> Result<Option<String>, Wrong> {
    let Value::Text(text) = value else { return Ok(None) };
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |error: tracing_subscriber::filter::ParseError| {
        Wrong::new(format!("this is not a filter: {error}"), "write it as info, or warn,antiphon=debug")
    };
    EnvFilter::try_new(text).map(|_| Some(text.clone())).map_err(wrong)
}
