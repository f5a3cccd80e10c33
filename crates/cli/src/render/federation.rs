//! Sharing, as it is shown: modes, cursors, and why something is not there.

use antiphon_server::dto::{
    CursorsDto, FederationDto, FindingDto, PeerDto, PeerSettingsDto, PeerStandingDto, ReasonDto, ShareDto, SharesDto,
    StorageDto, WhyDto,
};

use super::node::lines;
use super::time::{ago, now_ms};
use super::{count, safe, table};
use crate::output::{BAD, GOOD, STRONG, WARNING, styled};
use crate::size;

/// How this node shares with its team.
pub(crate) fn federation(federation: &FederationDto) -> String {
    let levels = federation.levels.iter().map(|level| safe(level)).collect::<Vec<_>>().join(", ");
    let mut out = lines(&[
        ("mode", said_mode(&federation.mode)),
        ("shares", format!("facts of level {levels}; never what is private")),
        ("stores", stores(&federation.storage)),
        ("events", cursors(&federation.cursors)),
    ]);
    for fork in &federation.forks {
        let (name, seq) = (safe(&fork.name), fork.seq);
        let text = format!("the {} log of {name} has two histories from its event {seq} on", safe(&fork.stream));
        out.push_str(&lines(&[("forked", styled(BAD, &text))]));
    }
    if federation.peers.is_empty() {
        out.push_str("\nNo other node is known yet. Invite one: antiphon invite --role backend_developer\n");
        return out;
    }
    let header = ["name", "trust", "mode", "link", "it lacks", "we lack", "same", "received", "applied", "domains"];
    out.push_str(&format!("\n{}\n", table(&header, federation.peers.iter().map(row))));
    out.push('\n');
    out.push_str(&sentences(federation.peers.iter().map(|standing| &standing.peer), &[]));
    for standing in &federation.peers {
        let name = safe(&standing.peer.name);
        if let Some(outbox) = &standing.outbox {
            out.push_str(&format!("{} {}\n", styled(WARNING, "note:"), super::outbox::wait(outbox)));
        }
        for uncounted in &standing.cursors.uncounted {
            out.push_str(&note(
                &format!("{} of {name} not counted", count(uncounted.events, "event")),
                &uncounted.reason,
            ));
        }
        if standing.cursors.missing_payloads > 0 {
            let events = count(standing.cursors.missing_payloads, "event");
            let text = format!("{events} of {name} came without the text");
            out.push_str(&format!("{} {text}\n  try: antiphon why {name}\n", styled(WARNING, "note:")));
        }
    }
    out
}

fn note(what: &str, reason: &ReasonDto) -> String {
    let hint = reason.hint.as_ref().map(|hint| format!("  {} {}\n", styled(STRONG, "try:"), safe(hint)));
    let label = styled(WARNING, "note:");
    format!("{label} {what} ({}): {}\n{}", safe(&reason.code), safe(&reason.text), hint.unwrap_or_default())
}

fn cursors(cursors: &CursorsDto) -> String {
    let mut text = format!("{} received, {} applied", cursors.received, cursors.applied);
    let uncounted: u64 = cursors.uncounted.iter().map(|uncounted| uncounted.events).sum();
    let rest = [(uncounted, "not counted"), (cursors.waiting, "waiting"), (cursors.missing_payloads, "without text")];
    for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    text
}

fn row(standing: &PeerStandingDto) -> Vec<String> {
    let peer = &standing.peer;
    let or_unknown = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let same = peer.equal_at.as_deref().map_or_else(|| "never".to_owned(), |at| ago(at, now_ms()));
    vec![
        if peer.name.is_empty() { "(unnamed)".to_owned() } else { safe(&peer.name) },
        safe(&peer.trust),
        safe(&peer.mode),
        if peer.connected { "connected" } else { "away" }.to_owned(),
        or_unknown(peer.lag_events),
        or_unknown(peer.behind_events),
        same,
        standing.cursors.received.to_string(),
        standing.cursors.applied.to_string(),
        domains(&standing.domains),
    ]
}

/// How things stand with each peer, one a line, each with the command that mends what is wrong unless it stands among
/// the `problems` that are shown as well.
pub(crate) fn sentences<'a>(peers: impl Iterator<Item = &'a PeerDto>, problems: &[FindingDto]) -> String {
    let one = |peer: &PeerDto| {
        let name = if peer.name.is_empty() { &peer.peer_id } else { &peer.name };
        let line = format!("{} {}\n", styled(STRONG, &format!("{}:", safe(name))), safe(&peer.in_words));
        let told = |hint: &&String| problems.iter().any(|problem| problem.fix == **hint);
        let hint = peer
            .hint
            .as_ref()
            .filter(|hint| !told(hint))
            .map(|hint| format!("  {} {}\n", styled(STRONG, "try:"), safe(hint)));
        format!("{line}{}", hint.unwrap_or_default())
    };
    peers.map(one).collect()
}

/// The mode of the node, with what it does.
pub(crate) fn mode(mode: &str) -> String {
    format!("The mode of this node is {}.", said_mode(mode))
}

/// A mode with what it does.
pub(crate) fn said_mode(mode: &str) -> String {
    let does = match mode {
        "publish" => "it sends what is written here and takes nothing",
        "subscribe" => "it takes what others write and sends nothing",
        _ => "it sends and takes",
    };
    format!("{}: {does}", styled(STRONG, &safe(mode)))
}

/// What a node stores for others.
pub(crate) fn stores(storage: &StorageDto) -> String {
    match (storage.offer, storage.used_bytes) {
        (true, used) => {
            format!("for others up to {}, {} of it taken", size::shown(storage.quota_bytes), size::shown(used))
        }
        (false, 0) => "nothing for others".to_owned(),
        (false, used) => format!("nothing more for others, {} from before", size::shown(used)),
    }
}

/// How a peer says that it shares with this node.
pub(crate) fn shares(shares: &SharesDto) -> String {
    let mode = match shares.mode.as_str() {
        _ if shares.paused => "nothing for now, it has paused sharing with this node",
        "sync" => "both ways",
        "publish" => "it sends and takes nothing",
        "subscribe" => "it takes and sends nothing",
        _ => "nothing",
    };
    let levels = shares.levels.iter().map(|level| safe(level)).collect::<Vec<_>>().join(", ");
    let domains = if shares.all_domains { "" } else { ", not of every domain" };
    format!("{mode}; facts of level {levels}{domains}")
}

/// A peer that was paused.
pub(crate) fn paused(settings: &PeerSettingsDto) -> String {
    let name = safe(&settings.name);
    let strong = styled(STRONG, &name);
    format!(
        "Sharing with {strong} is paused. Who belongs to the team goes on to be told.\nTo go on: antiphon peers resume {name}"
    )
}

/// Which domains a peer gets now.
pub(crate) fn shared(settings: &PeerSettingsDto) -> String {
    let (name, except) = (styled(STRONG, &safe(&settings.name)), list(&settings.domains.except));
    let mut out = match (settings.domains.only.is_empty(), settings.domains.except.is_empty()) {
        (true, true) => {
            format!("{name} gets the facts of every domain. What was kept back so far follows within a minute.")
        }
        (true, false) => format!("{name} gets the facts of every domain but {except}."),
        (false, true) => format!("{name} gets the facts of {} alone.", list(&settings.domains.only)),
        (false, false) => {
            format!("{name} gets the facts of {} alone, but not of {except}.", list(&settings.domains.only))
        }
    };
    if !settings.domains.only.is_empty() || !settings.domains.except.is_empty() {
        out.push_str(
            "\nWhat it holds already it keeps. Of other facts it learns that they were written, not what they say.",
        );
    }
    out
}

/// What changed when a person went on sharing.
pub(crate) fn resumed(settings: &PeerSettingsDto) -> String {
    format!("Sharing with {} goes on where it stopped.", styled(STRONG, &safe(&settings.name)))
}

fn domains(domains: &ShareDto) -> String {
    let only = if domains.only.is_empty() { "all".to_owned() } else { format!("only {}", list(&domains.only)) };
    if domains.except.is_empty() { only } else { format!("{only} but {}", list(&domains.except)) }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| safe(name)).collect::<Vec<_>>().join(", ")
}

/// How every member stands after a comparison.
pub(crate) fn compared(peers: &[PeerDto]) -> String {
    if peers.is_empty() {
        return "Nobody else is in the team.".to_owned();
    }
    let row = |peer: &PeerDto| {
        let hint = peer.hint.as_ref().map(|hint| format!("try: {}", safe(hint))).unwrap_or_default();
        vec![styled(STRONG, &safe(&peer.name)), safe(&peer.in_words), hint]
    };
    table(&["member", "", ""], peers.iter().map(row))
}

/// Whether a peer can read a document.
fn document_heading(why: &WhyDto, name: &str, blocked: bool) -> String {
    let address = why.address.as_deref().map(safe).unwrap_or_default();
    match (why.held, blocked) {
        (true, _) => format!("{} {name} can read {address}.", styled(GOOD, "Yes:")),
        (false, true) => format!("{} {name} cannot read {address}, because:", styled(WARNING, "No:")),
        (false, false) => format!("Whether {name} can read {address} is not known:"),
    }
}

/// What stands between an item and a peer, the first to mend first.
pub(crate) fn why(why: &WhyDto) -> String {
    let name = styled(STRONG, &safe(&why.name));
    let blocked = why.findings.iter().any(|finding| finding.blocks);
    let closed = why.findings.iter().any(|finding| matches!(finding.code.as_str(), "wrong_role" | "missing_key"));
    let heading = match (&why.fact, why.held, blocked) {
        _ if why.address.is_some() => document_heading(why, &name, blocked),
        (Some(fact), true, _) if closed => {
            format!("{} {name} holds {} and cannot read it, because:", styled(WARNING, "No:"), safe(fact))
        }
        (Some(fact), true, _) => format!("{} {name} holds {}.", styled(GOOD, "Yes:"), safe(fact)),
        (Some(fact), false, true) => {
            format!("{} {name} does not have {}, because:", styled(WARNING, "No:"), safe(fact))
        }
        (Some(fact), false, false) => format!("Whether {name} has {} is not known:", safe(fact)),
        (None, _, true) => format!("Between this node and {name} stands:"),
        (None, true, false) => format!("Nothing stands between this node and {name}."),
        (None, false, false) => format!("Nothing stands between this node and {name}; what is new is on its way."),
    };
    let mut out = format!("{heading}\n");
    for finding in &why.findings {
        let mark = if finding.blocks { styled(BAD, "-") } else { styled(GOOD, "+") };
        out.push_str(&format!("{mark} {} ({})\n", safe(&finding.what), safe(&finding.code)));
        if let Some(fix) = &finding.fix {
            out.push_str(&format!("  {} {}\n", styled(STRONG, "try:"), safe(fix)));
        }
    }
    out
}
