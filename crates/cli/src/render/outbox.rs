//! What waits for machines that cannot be reached, as it is shown.

use antiphon_server::dto::{
    OutboxDto, OutboxItemDto, OutboxItemsDto, OutboxLevelDto, OutboxLevelsDto, OutboxPeerDto, OutboxRetriedDto,
    OutboxStatsDto, OutboxWaitDto, ReasonDto,
};
use antiphon_server::time;

use super::node::lines;
use super::time::{ago, minute, now_ms};
use super::{count, safe, table};
use crate::output::{STRONG, WARNING, styled};
use crate::size;

/// What is shown of an empty list.
const NOTHING: &str = "Nothing waits.";

/// A page of the outbox.
pub(crate) fn items(page: &OutboxItemsDto) -> String {
    if page.items.is_empty() {
        return NOTHING.to_owned();
    }
    let header = ["id", "for", "what", "level", "state", "place", "tries", "next try", "since", "bytes"];
    let mut out = table(&header, page.items.iter().map(row));
    out.push('\n');
    for item in page.items.iter().filter(|item| !is_pending(item)) {
        if let Some(reason) = &item.reason {
            out.push_str(&format!("{} {}: {}", styled(WARNING, "note:"), safe(&item.id), said(reason)));
        }
    }
    if let Some(next) = &page.next {
        out.push_str(&format!("There are more: antiphon outbox list --after {}\n", safe(next)));
    }
    out
}

fn row(item: &OutboxItemDto) -> Vec<String> {
    vec![
        safe(&item.id),
        named(&item.name, &item.peer_id),
        safe(&item.protocol),
        safe(&item.level),
        state(&item.state),
        item.position.map_or_else(|| "-".to_owned(), |position| position.to_string()),
        item.tries.to_string(),
        next_try(item),
        ago(&item.at, now_ms()),
        item.bytes.to_string(),
    ]
}

fn is_pending(item: &OutboxItemDto) -> bool {
    matches!(item.state.as_str(), "waiting" | "under_way")
}

fn state(state: &str) -> String {
    match state {
        "under_way" => "under way".to_owned(),
        other => safe(other),
    }
}

fn next_try(item: &OutboxItemDto) -> String {
    match (&item.next_try, item.state.as_str()) {
        (Some(at), _) => until(at),
        (None, "waiting") => "when it comes".to_owned(),
        _ => "-".to_owned(),
    }
}

/// How long it is until then: `now`, `in 12 s`.
fn until(at: &str) -> String {
    match time::parse(at).map(|at| at.0.saturating_sub(now_ms())) {
        None => safe(at),
        Some(0..1_000) => "now".to_owned(),
        Some(ms) => format!("in {}", time::age(ms)),
    }
}

fn named(name: &str, peer_id: &str) -> String {
    match (name, peer_id) {
        ("", "") => "nobody knows".to_owned(),
        ("", id) => safe(id),
        (name, _) => safe(name),
    }
}

fn said(reason: &ReasonDto) -> String {
    let hint = reason.hint.as_ref().map(|hint| format!("  {} {}\n", styled(STRONG, "try:"), safe(hint)));
    format!("{} ({})\n{}", safe(&reason.text), safe(&reason.code), hint.unwrap_or_default())
}

/// One item in full.
pub(crate) fn item(item: &OutboxItemDto) -> String {
    let place = item.position.map_or_else(|| "-".to_owned(), |position| position.to_string());
    let mut out = lines(&[
        ("id", styled(STRONG, &safe(&item.id))),
        ("for", format!("{} {}", named(&item.name, &item.peer_id), safe(&item.peer_id))),
        ("what", safe(&item.protocol)),
        ("level", safe(&item.level)),
        ("about", safe(&item.subject)),
        ("state", state(&item.state)),
        ("place", place),
        ("tries", item.tries.to_string()),
        ("next try", next_try(item)),
        ("since", format!("{}, {}", minute(&item.at), ago(&item.at, now_ms()))),
        ("size", size::shown(item.bytes)),
    ]);
    if let Some(reason) = &item.reason {
        out.push_str(&format!("{} {}", styled(WARNING, "note:"), said(reason)));
    }
    out
}

/// What a retry did.
pub(crate) fn retried(retried: &OutboxRetriedDto) -> String {
    match (retried.put_back, retried.peers) {
        (0, 0) => "Nothing waits, so nothing is tried.".to_owned(),
        (0, peers) => format!("{} tried now.", are(peers, "machine")),
        (items, 0) => format!("{} again.", waits(items)),
        (items, peers) => format!("{} again; {} tried now.", waits(items), are(peers, "machine")),
    }
}

fn are(n: u64, what: &str) -> String {
    format!("{} {}", count(n, what), if n == 1 { "is" } else { "are" })
}

fn waits(n: u64) -> String {
    format!("{} {}", count(n, "item"), if n == 1 { "waits" } else { "wait" })
}

/// An item that was dropped.
pub(crate) fn dropped(item: &OutboxItemDto) -> String {
    let (what, name) = (safe(&item.protocol), named(&item.name, &item.peer_id));
    let end = if item.state == "under_way" {
        "; it was under way, so it may have arrived all the same."
    } else {
        "; it will not be delivered."
    };
    format!("Dropped {}, a {what} for {name}{end}", safe(&item.id))
}

/// Which requests wait.
pub(crate) fn levels(levels: &OutboxLevelsDto) -> String {
    let row = |level: &OutboxLevelDto| {
        let set = if level.level == level.usual { "" } else { " (set)" };
        let tried = match level.retries {
            None => "until it arrives".to_owned(),
            Some(0) => "once".to_owned(),
            Some(retries) => format!("once, and {} again", count(retries, "time")),
        };
        let newer = if level.merges { "replaces" } else { "follows" };
        vec![
            safe(&level.protocol),
            format!("{}{set}", safe(&level.level)),
            tried,
            if level.durable { "yes" } else { "no" }.to_owned(),
            if level.level == "none" { "-" } else { newer }.to_owned(),
            safe(&level.what),
        ]
    };
    let table =
        table(&["what", "level", "is tried", "on disk", "a newer one", "which is"], levels.levels.iter().map(row));
    format!("{table}\n\nWhat is not in the table never waits.\n")
}

/// The outbox in numbers.
pub(crate) fn stats(stats: &OutboxStatsDto) -> String {
    let counters = &stats.counters;
    let mut out = String::new();
    let stuck = [(stats.refused, "refused"), (stats.damaged, "damaged"), (stats.abandoned, "given up")];
    let stuck: Vec<String> =
        stuck.iter().filter(|(n, _)| *n > 0).map(|(n, what)| styled(WARNING, &format!("{n} {what}"))).collect();
    let waiting = format!("{}, {}", count(stats.pending, "item"), size::shown(stats.bytes));
    out.push_str(&lines(&[
        ("waiting", if stuck.is_empty() { waiting } else { format!("{waiting}; {}", stuck.join(", ")) }),
        (
            "room",
            format!(
                "{} and {} for one machine, {} in all",
                count(stats.bounds.items_per_peer, "item"),
                size::shown(stats.bounds.bytes_per_peer),
                size::shown(stats.bounds.bytes_in_all)
            ),
        ),
        (
            "enqueued",
            format!("{}, {}; {} replaced", counters.enqueued, size::shown(counters.enqueued_bytes), counters.merged),
        ),
        ("delivered", format!("{}, {}", counters.delivered, size::shown(counters.delivered_bytes))),
        (
            "ended",
            format!("{} refused, {} given up, {} dropped", counters.refused, counters.abandoned, counters.dropped),
        ),
        (
            "trouble",
            format!(
                "{} answered busy, {} found no room, {} did not open",
                counters.busy, counters.full, counters.set_aside
            ),
        ),
    ]));
    if !stats.peers.is_empty() {
        let header = ["for", "waiting", "need you", "bytes", "tries", "next try", "last taken"];
        out.push_str(&format!("\n{}\n", table(&header, stats.peers.iter().map(peer_row))));
    }
    for peer in &stats.peers {
        if let Some(reason) = peer.reason.as_ref().filter(|_| peer.pending > 0) {
            let name = named(&peer.name, &peer.peer_id);
            out.push_str(&format!("{} {name}: {}", styled(WARNING, "note:"), said(reason)));
        }
    }
    for restored in &stats.restored {
        out.push_str(&format!("{} {}", styled(WARNING, "note:"), said(&restored.reason)));
    }
    out
}

fn peer_row(peer: &OutboxPeerDto) -> Vec<String> {
    let next = match &peer.next_try {
        Some(at) if peer.pending > 0 => until(at),
        None if peer.pending > 0 => "when it comes".to_owned(),
        _ => "-".to_owned(),
    };
    vec![
        named(&peer.name, &peer.peer_id),
        peer.pending.to_string(),
        peer.stuck.to_string(),
        size::shown(peer.bytes),
        peer.tries.to_string(),
        next,
        peer.delivered_at.as_deref().map_or_else(|| "never".to_owned(), |at| ago(at, now_ms())),
    ]
}

/// What waits for whom, on one line that changes only when that does.
pub(crate) fn waiting(stats: &OutboxStatsDto) -> String {
    if stats.pending == 0 {
        return NOTHING_WAITS.to_owned();
    }
    let peers = stats.peers.iter().filter(|peer| peer.pending > 0);
    let peers: Vec<String> =
        peers.map(|peer| format!("{} for {}", peer.pending, named(&peer.name, &peer.peer_id))).collect();
    format!("{}: {}", waits(stats.pending), peers.join(", "))
}

const NOTHING_WAITS: &str = "nothing waits";

/// What stands beside the bar.
pub(crate) fn watched(stats: &OutboxStatsDto) -> String {
    let pending = stats.peers.iter().filter(|peer| peer.pending > 0);
    let next = pending.filter_map(|peer| peer.next_try.as_deref()).min();
    let next = next.map(|at| format!("; next try {}", until(at))).unwrap_or_default();
    format!("{}{next}", waiting(stats))
}

/// What `status` says of the outbox, a line for each machine.
pub(crate) fn summary(outbox: &OutboxDto) -> String {
    let mut out = String::new();
    let rows: Vec<_> = outbox.peers.iter().map(|peer| ("outbox", wait(peer))).collect();
    out.push_str(&lines(&rows));
    if outbox.stuck > 0 {
        let what = format!("{} for you to decide: antiphon outbox list", waits(outbox.stuck));
        out.push_str(&lines(&[("outbox", styled(WARNING, &what))]));
    }
    out
}

/// What waits for one machine.
pub(crate) fn wait(peer: &OutboxWaitDto) -> String {
    let next = peer.next_try.as_deref().map_or_else(|| "when it comes".to_owned(), until);
    format!("{} for {}, next try {next}", waits(peer.pending), named(&peer.name, &peer.peer_id))
}

#[cfg(test)]
mod tests {
    use antiphon_core::time::UnixMillis;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn in_ms(ms: u64) -> String {
        time::rfc3339(UnixMillis(now_ms() + ms))
    }

    fn waiting_item() -> OutboxItemDto {
        OutboxItemDto {
            id: "7".into(),
            name: "bob".into(),
            protocol: "message".into(),
            level: "critical".into(),
            state: "waiting".into(),
            at: in_ms(0),
            position: Some(2),
            tries: 3,
            next_try: Some(in_ms(60_500)),
            ..OutboxItemDto::default()
        }
    }

    #[test]
    fn an_item_that_waits_says_where_it_stands_and_when_it_is_tried() {
        let page = OutboxItemsDto { items: vec![waiting_item()], next: None };
        let shown = plain(&items(&page));
        let line = shown.lines().nth(1).unwrap();
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["7", "bob", "message", "critical", "waiting", "2", "3", "in 1 min", "now", "0"]);
        assert_eq!(plain(&items(&OutboxItemsDto::default())), NOTHING);
    }

    #[test]
    fn what_needs_a_person_says_why_and_what_to_do() {
        let reason = ReasonDto { code: "revoked".into(), text: "bob was removed\u{1b}[2J".into(), hint: None };
        let reason = ReasonDto { hint: Some("antiphon outbox drop 7 --yes".into()), ..reason };
        let refused = OutboxItemDto {
            state: "refused".into(),
            position: None,
            next_try: None,
            reason: Some(reason),
            ..waiting_item()
        };
        let page = OutboxItemsDto { items: vec![refused.clone()], next: Some("7".into()) };
        let shown = plain(&items(&page));
        for words in ["note: 7: bob was removed\\u{001B}[2J (revoked)", "try: antiphon outbox drop 7", "--after 7"] {
            assert!(shown.contains(words), "{shown}");
        }
        assert!(plain(&item(&refused)).contains("note: bob was removed"));
        let way = OutboxItemDto { state: "under_way".into(), ..waiting_item() };
        assert_eq!(dropped(&refused), "Dropped 7, a message for bob; it will not be delivered.");
        assert!(dropped(&way).ends_with("may have arrived all the same."));
    }

    #[test]
    fn a_retry_says_what_it_did() {
        let check = |put_back, peers, want: &str| assert_eq!(retried(&OutboxRetriedDto { put_back, peers }), want);
        check(0, 0, "Nothing waits, so nothing is tried.");
        check(0, 1, "1 machine is tried now.");
        check(2, 0, "2 items wait again.");
        check(1, 2, "1 item waits again; 2 machines are tried now.");
    }

    #[test]
    fn the_numbers_name_every_machine_and_what_hinders() {
        let bob =
            OutboxPeerDto { name: "bob".into(), pending: 2, next_try: Some(in_ms(30_500)), ..OutboxPeerDto::default() };
        let carol = OutboxPeerDto { name: "carol".into(), stuck: 1, ..OutboxPeerDto::default() };
        let numbers = OutboxStatsDto { pending: 2, refused: 1, peers: vec![bob, carol], ..OutboxStatsDto::default() };
        let shown = plain(&stats(&numbers));
        for words in ["2 items, 0 bytes; 1 refused", "bob", "carol", "in 30 s"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert_eq!(waiting(&numbers), "2 items wait: 2 for bob");
        assert_eq!(watched(&numbers), "2 items wait: 2 for bob; next try in 30 s");
        let outbox = OutboxDto {
            pending: 2,
            stuck: 1,
            peers: vec![OutboxWaitDto { name: "bob".into(), pending: 2, ..OutboxWaitDto::default() }],
        };
        let shown = plain(&summary(&outbox));
        assert!(shown.contains("2 items wait for bob, next try when it comes"), "{shown}");
        assert!(shown.contains("1 item waits for you to decide"), "{shown}");
        assert_eq!(summary(&OutboxDto::default()), "");
    }

    #[test]
    fn the_table_of_levels_shows_what_a_person_set() {
        let level = OutboxLevelDto {
            protocol: "message".into(),
            level: "moderate".into(),
            usual: "critical".into(),
            retries: Some(3),
            ..OutboxLevelDto::default()
        };
        let shown = plain(&levels(&OutboxLevelsDto { levels: vec![level] }));
        assert!(shown.contains("moderate (set)") && shown.contains("3 times again"), "{shown}");
    }
}
