//! `[dht]`: how this node takes part in the members' hash table.

use antiphon_node::{DhtChoice, DhtMode};

use super::setting::{Setting, Wrong};
use super::value::{Kind, Value};

/// Shortest and longest of all that is done every so often, in milliseconds.
const EVERY: Kind = Kind::Span { least: 100, most: 24 * 60 * 60 * 1_000 };

/// Something that is done every so often.
macro_rules! every {
    ($name:literal, $($field:ident).+, $what:literal) => {
        Setting::new(
            $name,
            EVERY,
            $what,
            |wanted| Value::Span(wanted.dht.$($field).+),
            |wanted, value| {
                if let Value::Span(ms) = value {
                    wanted.dht.$($field).+ = *ms;
                }
                Ok(())
            },
        )
    };
}

/// The table.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "dht.auto_bootstrap",
        Kind::Flag,
        "whether to enter the table by itself",
        |wanted| Value::Flag(wanted.dht.intervals.auto_bootstrap),
        |wanted, value| {
            if let Value::Flag(auto) = value {
                wanted.dht.intervals.auto_bootstrap = *auto;
            }
            Ok(())
        },
    ),
    Setting::new(
        "dht.backend",
        Kind::Choice(&["auto", "local", "kad"]),
        "which backend is used until `antiphon dht backend` chooses",
        |wanted| Value::Text(wanted.dht.backend.name().to_owned()),
        |wanted, value| {
            if let Value::Text(name) = value {
                let wrong = || Wrong::new("there is no such backend", "use auto, local or kad");
                wanted.dht.backend = DhtChoice::named(name).ok_or_else(wrong)?;
            }
            Ok(())
        },
    ),
    Setting::new(
        "dht.bootstrap",
        Kind::List,
        "addresses of members to begin with, beside those that are known",
        |wanted| match &wanted.dht.bootstrap {
            none if none.is_empty() => Value::Unset,
            some => Value::List(some.clone()),
        },
        |wanted, value| {
            wanted.dht.bootstrap = match value {
                Value::List(addresses) => addresses.iter().map(|one| address(one)).collect::<Result<_, _>>()?,
                _ => Vec::new(),
            };
            Ok(())
        },
    ),
    every!("dht.bootstrap_retry", intervals.bootstrap_retry_ms, "pause before entering is tried again"),
    every!("dht.bootstrap_timeout", intervals.bootstrap_timeout_ms, "how long entering may take"),
    every!("dht.cleanup", intervals.cleanup_ms, "how often members of the table are forgotten that are gone"),
    every!("dht.discovery", intervals.discovery_ms, "how often members are looked for in the table"),
    Setting::new(
        "dht.mode",
        Kind::Choice(&["auto", "client", "server"]),
        "whether members may ask this node",
        |wanted| Value::Text(wanted.dht.mode.name().to_owned()),
        |wanted, value| {
            if let Value::Text(name) = value {
                let wrong = || Wrong::new("there is no such mode", "use auto, client or server");
                wanted.dht.mode = DhtMode::from_name(name).ok_or_else(wrong)?;
            }
            Ok(())
        },
    ),
    Setting::new(
        "dht.prefix",
        Kind::Text,
        "what the hash table's protocol and keys begin with; the same on every machine of the team",
        |wanted| wanted.dht.prefix.as_ref().map_or(Value::Unset, |prefix| Value::Text(prefix.to_string())),
        |wanted, value| {
            let hint = "write it as /antiphon/team, the same on every machine of the team";
            wanted.dht.prefix = match value {
                Value::Text(text) if !text.is_empty() => {
                    Some(text.parse().map_err(|_| Wrong::new("this is no prefix", hint))?)
                }
                _ => None,
            };
            Ok(())
        },
    )
    .unset("that of the team"),
    every!("dht.republish", republish_ms, "how long what was published stands before it is published again"),
    every!("dht.unseen", intervals.unseen_ms, "how long after it was last seen a member of the table is gone"),
];

/// Checked here, so that a slip is told at the start and not looked for later.
fn address(text: &str) -> Result<String, Wrong> {
    let peer = text.rsplit_once("/p2p/").map(|(_, peer)| peer.parse::<antiphon_core::ids::NodeId>());
    if matches!(peer, Some(Ok(_))) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{text:?} is not the address of a member"),
        "write it as antiphon status shows it there: /ip4/ADDRESS/tcp/PORT/p2p/PEER",
    ))
}
