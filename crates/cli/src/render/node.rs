//! The node, its team and its peers, as they are shown.

use std::path::Path;

use antiphon_server::dto::{
    FactDto, FindingDto, HandshakeDto, InvitationDto, JoinedDto, PeerDto, StatusDto, VerifyDto,
};

use crate::locate::{self, Environment};

use super::time::{ago, minute, now_ms};
use super::{count, safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// Facts about the node, one a line, and what needs attention.
pub(crate) fn status(status: &StatusDto, home: &Path) -> String {
    let mut out = lines(&[
        ("node", format!("{} {}", styled(STRONG, &safe(&status.name)), status.node_id)),
        ("team", format!("{} {}", styled(STRONG, &safe(&status.team.name)), status.team.id)),
        ("roles", roles(&status.roles, status.steward)),
        ("home", home.display().to_string()),
        ("facts", format!("{} in {}", status.facts, count(status.events, "event"))),
        ("http", status.http.clone().unwrap_or_else(|| "closed".to_owned())),
    ]);
    out.push_str(&certificate(status));
    if status.closed > 0 {
        let closed = format!("{} for other roles, which this node cannot open", count(status.closed, "sealed fact"));
        out.push_str(&lines(&[("closed", closed)]));
    }
    for address in &status.listen {
        out.push_str(&lines(&[("listens at", address.clone())]));
    }
    out.push_str(&super::replication::summary(&status.copies));
    out.push_str(&super::outbox::summary(&status.outbox));
    if status.unread > 0 {
        let unread = count(status.unread, "unread message");
        out.push_str(&lines(&[("inbox", format!("{}: antiphon inbox", styled(WARNING, &unread)))]));
    }
    if status.mode != "sync" {
        out.push_str(&lines(&[("mode", super::federation::said_mode(&status.mode))]));
    }
    if let Some(restored) = &status.restored {
        out.push_str(&super::restored::note(restored));
    }
    if !status.peers.is_empty() {
        out.push_str(&format!("\n{}\n\n", peers_table(&status.peers)));
        out.push_str(&super::federation::sentences(status.peers.iter(), &status.problems));
    }
    if status.problems.is_empty() {
        out.push_str(&format!("\n{}\n", styled(GOOD, "Nothing needs attention.")));
    }
    out.push_str(&problems(&status.problems));
    out
}

/// The fingerprint by which the HTTP door is known where it speaks TLS.
fn certificate(status: &StatusDto) -> String {
    let fingerprint = status.http_certificate.as_ref();
    fingerprint
        .map_or_else(String::new, |fingerprint| lines(&[("certificate", format!("SHA-256 {}", safe(fingerprint)))]))
}

/// What needs attention, each with the command that mends it.
pub(crate) fn problems(problems: &[FindingDto]) -> String {
    let one = |problem: &FindingDto| {
        let (label, fix) = (styled(BAD, "problem:"), styled(STRONG, "try:"));
        format!("\n{label} {}\n  {fix} {}\n", safe(&problem.what), safe(&problem.fix))
    };
    problems.iter().map(one).collect()
}

pub(super) fn lines(rows: &[(&str, String)]) -> String {
    rows.iter().map(|(name, value)| format!("{} {value}\n", styled(FAINT, &format!("{name:<11}")))).collect()
}

pub(super) fn roles(roles: &[String], steward: bool) -> String {
    let mut all = roles.iter().map(|role| safe(role)).collect::<Vec<_>>();
    if steward {
        all.insert(0, "steward".to_owned());
    }
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// Peers as a table, with the reason where something is wrong.
pub(crate) fn peers(peers: &[PeerDto]) -> String {
    if peers.is_empty() {
        return "No other node is known yet. Invite one: antiphon invite --role backend_developer".to_owned();
    }
    let mut out = peers_table(peers);
    for peer in peers {
        if let Some(reason) = &peer.reason {
            out.push_str(&format!("\n{} {}: {}", styled(WARNING, "note:"), safe(&peer.name), safe(&reason.text)));
            out.push_str(&format!(" ({})", safe(&reason.code)));
        }
    }
    out
}

fn peers_table(peers: &[PeerDto]) -> String {
    let now = now_ms();
    let row = |peer: &PeerDto| {
        let lag = peer.lag_events.map_or_else(|| "-".to_owned(), |events| events.to_string());
        let seen = peer.last_seen.as_deref().map_or_else(|| "never".to_owned(), |at| ago(at, now));
        let link = if peer.connected { "connected" } else { "away" };
        let name = if peer.name.is_empty() { "(unnamed)".to_owned() } else { safe(&peer.name) };
        vec![name, trust(&peer.trust), link.to_owned(), lag, seen, peer.peer_id.clone()]
    };
    table(&["name", "trust", "link", "lag", "seen", "peer id"], peers.iter().map(row))
}

fn trust(trust: &str) -> String {
    safe(trust)
}

/// A greeting that went well.
pub(crate) fn handshake(handshake: &HandshakeDto) -> String {
    format!("{} is {}.", handshake.peer_id, styled(GOOD, &trust(&handshake.trust)))
}

/// A ticket and what to do with it.
pub(crate) fn invitation(invitation: &InvitationDto) -> String {
    format!(
        "{}\n\nThis ticket lets one machine join as {} until {}. On that machine:\n\n  antiphon join TICKET\n\n{}\n",
        invitation.ticket,
        safe(&invitation.role),
        minute(&invitation.expires),
        styled(WARNING, "It holds a secret: whoever has it can join. Send it as you would send a password."),
    )
}

/// How a join ended.
pub(crate) fn joined(joined: &JoinedDto) -> String {
    let team = styled(STRONG, &safe(&joined.team.name));
    if joined.already {
        return format!("This node is already a member of {team}; nothing changed but the addresses of its steward.");
    }
    let mut out = format!("This node is now a member of {team}.");
    if joined.brought + joined.kept_local > 0 {
        let (brought, kept) = (count(joined.brought, "fact"), count(joined.kept_local, "fact"));
        out.push_str(&format!("\n{brought} became visible to the team, {kept} stayed on this node alone."));
    }
    if joined.left_behind > 0 {
        let left = count(joined.left_behind, "fact");
        out.push_str(&format!("\n{left} of others stayed with the team that was left; a copy is kept in the home."));
    }
    out
}

/// Why nothing comes from a member, although it has let this node join.
pub(crate) fn refused_after_join(peer: &PeerDto) -> String {
    let name = if peer.name.is_empty() { &peer.peer_id } else { &peer.name };
    let why = format!("{}: {}", safe(name), safe(&peer.in_words));
    let hint = peer.hint.as_ref().map(|hint| format!("\n  try: {}", safe(hint))).unwrap_or_default();
    format!("Nothing that the team remembers has come yet. {why}{hint}")
}

/// What a join would make visible.
pub(crate) fn bring_question(what: &str, preview: &[FactDto]) -> String {
    let mut out = format!("{}\n", safe(what));
    for fact in preview {
        out.push_str(&format!(
            "  {} {}\n",
            styled(FAINT, &fact.level_name),
            fact.content.as_deref().map_or_else(String::new, snippet)
        ));
    }
    out
}

/// What a check found.
pub(crate) fn verify(report: &VerifyDto, state_hash: &str) -> String {
    let (events, logs, facts) = (count(report.events, "event"), count(report.logs, "log"), count(report.facts, "fact"));
    let mut out = format!(
        "Checked {events} in {logs}, which make {facts}: signatures, chains, hashes and projections.\n{} {state_hash}\n",
        styled(FAINT, "state hash"),
    );
    for forked in &report.forked {
        out.push_str(&format!("{} {}\n", styled(WARNING, "note:"), safe(forked)));
    }
    for problem in &report.problems {
        out.push_str(&format!("{} {}\n", styled(BAD, "problem:"), safe(problem)));
    }
    out.push_str(if report.ok {
        "Everything is in order."
    } else {
        "Something is wrong; stop writing and keep a copy of the home. What mends it: antiphon doctor"
    });
    out
}

/// What a person who just started the node wants to know.
pub(crate) fn banner(status: &StatusDto, home: &Path) -> String {
    let mut out = lines(&[
        ("node", format!("{} {}", styled(STRONG, &safe(&status.name)), status.node_id)),
        ("team", format!("{} {}", styled(STRONG, &safe(&status.team.name)), status.team.id)),
        ("data", home.display().to_string()),
    ]);
    for address in &status.listen {
        out.push_str(&lines(&[("listens at", address.clone())]));
    }
    let token = |url: &String| format!("{url} (bearer token in {})", antiphon_node::Home::new(home).token().display());
    out.push_str(&lines(&[("http", status.http.as_ref().map_or_else(|| "closed".to_owned(), token))]));
    out.push_str(&certificate(status));
    let program = locate::program();
    let command = serde_json::Value::from(program.clone());
    out.push_str(&format!(
        "\nConnect an agent: in its client's configuration\n  \
         {{\"mcpServers\": {{\"antiphon\": {{\"command\": {command}, \"args\": [{}]}}}}}}\n",
        mcp_args(home)
    ));
    let next = [
        ("remember \"…\"", "remember something"),
        ("recall \"…\"", "find it again"),
        ("invite --role backend_developer", "bring a second machine in"),
    ];
    out.push_str("\nWhat next:\n");
    let next = next.map(|(arguments, what)| (format!("{program} {arguments}"), what));
    let width = next.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    for (command, what) in next {
        out.push_str(&format!("  {command:<width$}    {what}\n"));
    }
    out
}

/// That the door is elsewhere than usual.
pub(crate) fn moved(usual: &str, url: &str) -> String {
    format!(
        "\n{} {usual} was taken by another program, so the dashboard is at {url} and stays there.\n  \
         antiphon open leads to it; http.listen names another place.\n",
        styled(WARNING, "note:")
    )
}

/// The arguments by which an agent's client reaches this home, as JSON.
fn mcp_args(home: &Path) -> String {
    if locate::is_default(home, &Environment::of_process()) {
        return "\"mcp\"".to_owned();
    }
    let home = serde_json::Value::from(home.display().to_string());
    format!("\"--home\", {home}, \"mcp\"")
}

/// The recovery phrase with a plain warning.
pub(crate) fn phrase(phrase: &str) -> String {
    let words = phrase.split_whitespace().collect::<Vec<_>>();
    let row = |words: &[&str]| format!("  {}", words.join(" "));
    let rows = words.chunks(6).map(row).collect::<Vec<_>>().join("\n");
    format!(
        "{}\n\n{}\n\n{}",
        styled(STRONG, "The recovery phrase of this node:"),
        styled(STRONG, &rows),
        styled(
            WARNING,
            "Write it down on paper now; it is not shown again. Whoever has it is this node, and without it\n\
             a lost disk means a lost identity."
        )
    )
}
