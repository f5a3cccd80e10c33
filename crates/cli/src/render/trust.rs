//! One peer, the registry, gene backups and refusals, as they are shown.

use std::collections::BTreeSet;

use antiphon_server::dto::{AuditLineDto, BackupDto, PeerDto, PeerStatsDto};

use super::node::{lines, roles};
use super::time::{ago, minute, now_ms};
use super::{count, safe, table};
use crate::output::{FAINT, GOOD, STRONG, styled};

/// Everything that is known of a peer.
pub(crate) fn peer(peer: &PeerDto) -> String {
    let now = now_ms();
    let at = |time: &Option<String>| time.as_deref().map_or_else(|| "never".to_owned(), |time| ago(time, now));
    let or_unknown = |text: &Option<String>| text.as_deref().map_or_else(|| "not known".to_owned(), safe);
    let hand = if peer.by_hand.is_some() { " by hand" } else { "" };
    let trust = match (&peer.reason, peer.refused_by_peer) {
        (Some(reason), true) => format!("{}: it refuses this node, {}", safe(&peer.trust), safe(&reason.text)),
        (Some(reason), false) => format!("{}{hand}: {}", safe(&peer.trust), safe(&reason.text)),
        (None, _) => format!("{}{hand}", safe(&peer.trust)),
    };
    let lag = peer.lag_events.map_or_else(|| "not known".to_owned(), |lag| count(lag, "event"));
    let mut out = lines(&[
        ("peer", format!("{} {}", styled(STRONG, &safe(&peer.name)), peer.peer_id)),
        ("trust", trust),
        ("roles", roles(&peer.roles, peer.steward)),
        ("link", if peer.connected { "connected" } else { "away" }.to_owned()),
        ("mode", safe(&peer.mode)),
        ("store", or_unknown(&peer.store_id)),
        ("genome", or_unknown(&peer.genome_hash)),
        ("version", or_unknown(&peer.agent_version)),
        ("seen", at(&peer.last_seen)),
        ("handshake", at(&peer.handshake_at)),
        ("sync", format!("{}; complete {}", at(&peer.last_sync_at), at(&peer.last_success))),
        ("received", format!("{}, last event {}", count(peer.fact_count, "fact"), or_unknown(&peer.last_event))),
        ("it lacks", lag),
        ("failures", format!("{} since the last success", peer.health.consecutive_failures)),
    ]);
    if let Some(error) = &peer.health.last_error {
        let text =
            format!("{} ({}), {}", safe(&error.reason.text), safe(&error.reason.code), ago(&error.observed_at, now));
        out.push_str(&lines(&[("last error", text)]));
    }
    if let Some(storage) = &peer.storage {
        out.push_str(&lines(&[("stores", super::federation::stores(storage))]));
    }
    if let Some(shares) = &peer.shares {
        out.push_str(&lines(&[("it shares", super::federation::shares(shares))]));
    }
    for address in addresses(peer) {
        out.push_str(&lines(&[("address", safe(&address))]));
    }
    out
}

/// Its addresses, each once: whoever dials names the peer, whether it was learnt with its name or without.
fn addresses(peer: &PeerDto) -> BTreeSet<String> {
    let name = format!("/p2p/{}", peer.peer_id);
    let named = |address: &String| match address.contains("/p2p/") {
        true => address.clone(),
        false => format!("{address}{name}"),
    };
    peer.addresses.iter().map(named).collect()
}

/// The registry in numbers.
pub(crate) fn stats(stats: &PeerStatsDto) -> String {
    let by_trust = stats.by_trust.iter().filter(|(_, count)| **count > 0);
    let by_trust = by_trust.map(|(trust, count)| format!("{count} {}", safe(trust))).collect::<Vec<_>>().join(", ");
    let counters = &stats.counters;
    let mut out = lines(&[
        ("node", format!("{} {}", styled(STRONG, &safe(&stats.node_name)), stats.self_id)),
        ("peers", stats.total_peers.to_string()),
        ("trust", if by_trust.is_empty() { "nobody is known yet".to_owned() } else { by_trust }),
        ("backups", stats.total_backups.to_string()),
        ("restored", format!("{} to returning members", count(counters.events_restored, "event"))),
    ]);
    for change in &counters.transitions {
        let text = format!("{} → {}: {}", safe(&change.from), safe(&change.to), change.count);
        out.push_str(&lines(&[("changed", text)]));
    }
    for refusal in &counters.refusals {
        let text = format!("{} ({}): {}", safe(&refusal.kind), safe(&refusal.reason), refusal.count);
        out.push_str(&lines(&[("refused", text)]));
    }
    out
}

/// A peer whose pin was forgotten.
pub(crate) fn reset(peer_id: &str) -> String {
    format!(
        "The store of {peer_id} is no longer pinned. The next handshake pins the one it comes with.\n\
         Do this only if you know why its database is new."
    )
}

/// Gene backups as a table.
pub(crate) fn backups(backups: &[BackupDto]) -> String {
    if backups.is_empty() {
        return styled(GOOD, "No member needs one: nobody has been silent for too long.");
    }
    let now = now_ms();
    let row = |backup: &BackupDto| {
        let (facts, events) = (backup.facts.to_string(), backup.events.to_string());
        vec![
            name(&backup.name),
            facts,
            events,
            ago(&backup.backed_up_at, now),
            safe(&backup.reason),
            backup.peer_id.clone(),
        ]
    };
    table(&["name", "facts", "events", "made", "reason", "peer id"], backups.iter().map(row))
}

/// One gene backup.
pub(crate) fn backup(backup: &BackupDto) -> String {
    let mut out = lines(&[
        ("for", format!("{} {}", styled(STRONG, &name(&backup.name)), backup.peer_id)),
        ("made", format!("{} ({})", minute(&backup.backed_up_at), safe(&backup.reason))),
        ("holds", format!("{} in {}", count(backup.facts, "fact"), count(backup.events, "event"))),
        ("genome", safe(&backup.genome_hash)),
    ]);
    for head in &backup.heads {
        let text = format!("{}/{} up to {}", safe(&head.store_id), safe(&head.stream), count(head.seq, "event"));
        out.push_str(&lines(&[("log", text)]));
    }
    let note = "It gets all of this back when it returns, also with an empty disk under the same key; then this ends.";
    out.push_str(&format!("{}\n", styled(FAINT, note)));
    out
}

/// Refusals as a table.
pub(crate) fn audit(audit: &[AuditLineDto]) -> String {
    if audit.is_empty() {
        return styled(GOOD, "Nothing was refused.");
    }
    let row = |line: &AuditLineDto| {
        let who = match (&line.peer_id, line.name.as_str()) {
            (None, _) => "-".to_owned(),
            (Some(peer), "") => safe(peer),
            (Some(_), name) => safe(name),
        };
        vec![minute(&line.at), safe(&line.kind), who, safe(&line.reason.code), safe(&line.detail)]
    };
    table(&["when", "what", "who", "reason", "detail"], audit.iter().map(row))
}

fn name(name: &str) -> String {
    if name.is_empty() { "(unnamed)".to_owned() } else { safe(name) }
}
