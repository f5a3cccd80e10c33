//! `[dht]`: how this node takes part in the members' hash table.

use antiphon_node::{DhtChoice, DhtMode, DhtSettings};
use antiphon_server::time::parse_duration_ms;

use crate::outcome::Problem;
use crate::toml_reader::Entry;

/// Shortest and longest of all that is done every so often, in milliseconds.
const EVERY_MS_MIN: u64 = 100;
const EVERY_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Reads the table.
///
/// # Errors
/// Where it is wrong.
pub(super) fn read(entry: &Entry<'_>) -> Result<DhtSettings, Problem> {
    let table = entry.table(&[
        "prefix",
        "mode",
        "backend",
        "bootstrap",
        "auto_bootstrap",
        "bootstrap_timeout",
        "bootstrap_retry",
        "discovery",
        "cleanup",
        "unseen",
        "republish",
    ])?;
    let mut settings = DhtSettings::default();
    if let Some(prefix) = table.get("prefix") {
        let parsed = prefix.text()?.parse();
        settings.prefix = Some(parsed.map_err(|_| {
            prefix.wrong("this is no prefix", "write it as /antiphon/team, the same on every machine of the team")
        })?);
    }
    if let Some(mode) = table.get("mode") {
        let named = DhtMode::from_name(mode.text()?);
        settings.mode = named.ok_or_else(|| mode.wrong("there is no such mode", "use auto, client or server"))?;
    }
    if let Some(backend) = table.get("backend") {
        let named = DhtChoice::named(backend.text()?);
        settings.backend = named.ok_or_else(|| backend.wrong("there is no such backend", "use auto, local or kad"))?;
    }
    if let Some(bootstrap) = table.get("bootstrap") {
        settings.bootstrap = bootstrap.list()?.iter().map(|one| address(one)).collect::<Result<_, _>>()?;
    }
    if let Some(auto) = table.get("auto_bootstrap") {
        settings.intervals.auto_bootstrap = auto.flag()?;
    }
    let every = &mut settings.intervals;
    let spans = [
        ("bootstrap_timeout", &mut every.bootstrap_timeout_ms),
        ("bootstrap_retry", &mut every.bootstrap_retry_ms),
        ("discovery", &mut every.discovery_ms),
        ("cleanup", &mut every.cleanup_ms),
        ("unseen", &mut every.unseen_ms),
        ("republish", &mut settings.republish_ms),
    ];
    for (name, setting) in spans {
        if let Some(given) = table.get(name) {
            let ms = parse_duration_ms(given.text()?).filter(|ms| (EVERY_MS_MIN..=EVERY_MS_MAX).contains(ms));
            *setting =
                ms.ok_or_else(|| given.wrong("this is not a span of time", "write it as 30s, 5m or 12h, at most 24h"))?;
        }
    }
    Ok(settings)
}

/// Checked here, so that a slip is told at the start and not looked for later.
fn address(entry: &Entry<'_>) -> Result<String, Problem> {
    let text = entry.text()?;
    let peer = text.rsplit_once("/p2p/").map(|(_, peer)| peer.parse::<antiphon_core::ids::NodeId>());
    if matches!(peer, Some(Ok(_))) {
        return Ok(text.to_owned());
    }
    Err(entry.wrong(
        "this is not the address of a member",
        "write it as antiphon status shows it there: /ip4/ADDRESS/tcp/PORT/p2p/PEER",
    ))
}
