//! The hash table as it is shown.

use antiphon_server::dto::{
    DhtBackendDto, DhtEnteredDto, DhtPeerDto, DhtPeersDto, DhtProvideDto, DhtProvidedDto, DhtProviderDto,
    DhtProvidersDto, DhtProvidesDto, DhtRecordDto, DhtStatsDto, DhtStatusDto, DhtStoredDto,
};
use antiphon_server::time::age;

use super::time::minute;
use super::{count, safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// How it does.
pub(crate) fn status(status: &DhtStatusDto) -> String {
    let using = match (status.using.as_str(), status.choice.as_str()) {
        ("kad", "auto") => "the network".to_owned(),
        ("kad", _) => "the network, as you chose".to_owned(),
        ("local", "auto") => styled(WARNING, "the database alone: the network fails, and is tried again"),
        _ => styled(WARNING, "the database alone, as you chose"),
    };
    let entered = match status.bootstrapped {
        true => format!("yes, {} in the routing table", count(status.stats.routing_table_size, "member")),
        false => format!("no, after {}", count(status.bootstrap_attempts, "attempt")),
    };
    let lines = [
        ("uses", using),
        ("prefix", safe(&status.prefix)),
        ("mode", format!("{} ({})", status.mode, if status.serves { "others may ask" } else { "others do not ask" })),
        ("entered", entered),
        ("members", safe(&status.routing.join(", "))),
        ("published", queue(status)),
        ("holds", format!("{} of others", count(status.other_records, "record"))),
    ];
    let mut out = String::new();
    for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("{} {value}\n", styled(FAINT, &format!("{name:<10}"))));
    }
    out.push('\n');
    out.push_str(&table(
        &["backend", "status", "failures", "p50", "p95", "last heard"],
        status.backends.iter().map(backend),
    ));
    for (reason, times) in &status.refused {
        out.push_str(&format!("\n{} {}", styled(FAINT, &format!("refused {}", safe(reason))), count(times, "time")));
    }
    out.trim_end().to_owned()
}

fn queue(status: &DhtStatusDto) -> String {
    let all = count(status.queue.items, "record");
    match status.queue.waiting {
        0 => all,
        waiting => format!("{all}, {}", styled(WARNING, &format!("{waiting} wait to be told to members"))),
    }
}

fn backend(backend: &DhtBackendDto) -> Vec<String> {
    let style = match backend.status.as_str() {
        "healthy" => GOOD,
        "degraded" => WARNING,
        _ => BAD,
    };
    let failures = match backend.consecutive_failures {
        0 => backend.errors.to_string(),
        now => format!("{} ({now} in a row)", backend.errors),
    };
    vec![
        safe(&backend.backend),
        styled(style, &safe(&backend.status)),
        failures,
        micros(backend.latency_p50_us),
        micros(backend.latency_p95_us),
        backend.last_check.as_deref().map(minute).unwrap_or_default(),
    ]
}

fn micros(us: u64) -> String {
    if us < 1_000 { format!("{us} µs") } else { format!("{}.{} ms", us / 1_000, us % 1_000 / 100) }
}

/// In numbers.
pub(crate) fn stats(stats: &DhtStatsDto) -> String {
    let lines = [
        ("members heard of", stats.total_peers.to_string()),
        ("keys known", stats.total_keys.to_string()),
        ("routing table", stats.routing_table_size.to_string()),
        ("connected", stats.connected_peers.to_string()),
        ("runs for", age(stats.uptime_ms)),
    ];
    let line = |(name, value): &(&str, String)| format!("{} {value}", styled(FAINT, &format!("{name:<16}")));
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// That another backend was chosen.
pub(crate) fn chosen(chosen: &DhtStatusDto) -> String {
    let what = match chosen.choice.as_str() {
        "local" => "The database alone answers from now on, and what is said here waits.",
        "kad" => "The network is asked and told from now on, whether it does well or not.",
        _ => "The network is asked and told while it does well, and the database answers when it does not.",
    };
    format!("{what}\n\n{}", status(chosen))
}

/// Whether the network was entered.
pub(crate) fn entered(entered: &DhtEnteredDto) -> String {
    if let Some(alone) = &entered.alone {
        return format!("Not entered: {}.\n  try: {}", alone.what, alone.fix);
    }
    format!("Entered: {} in the routing table.", count(entered.routing_table_size, "member"))
}

/// One record.
pub(crate) fn record(record: &DhtRecordDto) -> String {
    let who = match (record.own, record.author_name.as_str()) {
        (true, _) => "this machine".to_owned(),
        (false, "") => safe(&record.author),
        (false, name) => safe(name),
    };
    let standing = match record.standing.as_str() {
        "authorised" => styled(GOOD, "yes"),
        "refuted" => styled(BAD, "no, the index says something else"),
        _ => styled(WARNING, "the index does not know yet"),
    };
    let mut lines = vec![
        ("key", safe(&record.key)),
        ("by", who),
        ("version", record.version.to_string()),
        ("ends", minute(&record.expires)),
    ];
    if let Some(pointer) = &record.pointer {
        lines.push(("counts", standing));
        lines.push(("event", safe(&pointer.event)));
        lines.push(("root", safe(&pointer.root)));
    }
    if let Some(card) = &record.card {
        lines.push(("name", safe(&card.name)));
        lines.push(("agent", card.agent.as_deref().map(safe).unwrap_or_default()));
        lines.push(("roles", safe(&card.roles.join(", "))));
        lines.push(("can", safe(&card.capabilities.join(", "))));
        lines.push(("listens", safe(&card.addresses.join("\n           "))));
    }
    if record.own {
        let told = record.published_at.as_deref().map(minute);
        lines.push(("members", told.map_or_else(|| "are still to be told".to_owned(), |at| format!("were told {at}"))));
    } else if !record.asked {
        lines.push(("known", "here; members did not answer".to_owned()));
    }
    let mut out = format!("{}\n", styled(STRONG, &safe(&record.kind)));
    for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("{} {value}\n", styled(FAINT, &format!("{name:<10}"))));
    }
    out.trim_end().to_owned()
}

/// What became of a record that was put.
pub(crate) fn stored(stored: &DhtStoredDto) -> String {
    let what = if stored.changed { "Kept." } else { "It stood here already." };
    format!("{what}\n\n{}", record(&stored.record))
}

/// That something is provided.
pub(crate) fn provide(done: &DhtProvideDto) -> String {
    let topic = safe(&done.topic);
    if done.changed {
        format!("This machine provides {topic}.")
    } else {
        format!("This machine provided {topic} already.")
    }
}

/// That something is not provided any more.
pub(crate) fn withdraw(done: &DhtProvideDto) -> String {
    let topic = safe(&done.topic);
    match done.changed {
        true => format!("This machine provides {topic} no more. Members forget it within a day."),
        false => format!("This machine did not provide {topic}."),
    }
}

/// What is provided, as a table.
pub(crate) fn provided(all: &DhtProvidesDto) -> String {
    if all.provided.is_empty() {
        return "This machine provides nothing yet. To announce something: antiphon dht announce --capability LABEL"
            .to_owned();
    }
    let row = |one: &DhtProvidedDto| {
        let told = one.published_at.as_deref().map(minute);
        vec![snippet(&one.topic), safe(&one.source), minute(&one.since), told.unwrap_or_else(|| "not yet".to_owned())]
    };
    table(&["topic", "because it is", "since", "told"], all.provided.iter().map(row))
}

/// Who provides something, as a table.
pub(crate) fn providers(found: &DhtProvidersDto) -> String {
    if found.providers.is_empty() {
        return format!("Nobody is known to provide {}.", safe(&found.topic));
    }
    let row = |one: &DhtProviderDto| {
        vec![named(&one.name, &one.peer_id, one.own), here(one.own, one.connected), minute(&one.last_seen)]
    };
    table(&["machine", "connected", "last heard"], found.providers.iter().map(row))
}

/// Members, as a table.
pub(crate) fn peers(peers: &DhtPeersDto) -> String {
    if peers.peers.is_empty() {
        return "There are no such members.".to_owned();
    }
    let row = |peer: &DhtPeerDto| {
        vec![
            named(&peer.name, &peer.peer_id, peer.own),
            safe(&peer.roles.join(", ")),
            snippet(&peer.capabilities.join(", ")),
            peer.agent.as_deref().map(snippet).unwrap_or_default(),
            here(peer.own, peer.connected),
            safe(&peer.known_by.join(", ")),
        ]
    };
    table(&["machine", "roles", "can", "agent", "connected", "known by"], peers.peers.iter().map(row))
}

/// What this machine says of itself now.
pub(crate) fn announced(peer: &DhtPeerDto) -> String {
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    format!(
        "Announced. The card of {} says:\n{} {}\n{} {}\n{} {}",
        safe(&peer.name),
        styled(FAINT, "roles     "),
        none(safe(&peer.roles.join(", "))),
        styled(FAINT, "can       "),
        none(safe(&peer.capabilities.join(", "))),
        styled(FAINT, "agent     "),
        none(peer.agent.as_deref().map(safe).unwrap_or_default()),
    )
}

fn named(name: &str, peer_id: &str, own: bool) -> String {
    let name = if name.is_empty() { safe(peer_id) } else { safe(name) };
    if own { format!("{name} (this machine)") } else { name }
}

fn here(own: bool, connected: bool) -> String {
    if own {
        String::new()
    } else if connected {
        "yes".to_owned()
    } else {
        "no".to_owned()
    }
}
