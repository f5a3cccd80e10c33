//! Copies of documents as they are shown.

use antiphon_server::dto::{
    GarbageDto, GarbageItemDto, HealthCountsDto, ReplicaDto, ReplicaHolderDto, ReplicaHoldersDto, ReplicationDto,
    ReplicationMetricsDto, ReplicationRanDto,
};
use antiphon_server::time::age;

use super::node::lines;
use super::time::{ago, minute, now_ms};
use super::{count, safe, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};
use crate::size;

/// Characters of a manifest's name that tell it from others at a glance.
const SHORT_NAME: usize = 12;

/// How copies stand, in their colour.
pub(super) fn health(health: &str) -> String {
    let style = match health {
        "healthy" => GOOD,
        "degraded" => WARNING,
        _ => BAD,
    };
    styled(style, &safe(health))
}

/// `3 of 3 copies, healthy`.
pub(super) fn copies(replica: &ReplicaDto) -> String {
    format!("{} of {}, {}", replica.actual, copies_in_words(replica.target), health(&replica.health))
}

fn copies_in_words(n: u64) -> String {
    antiphon_node::counted(n, "copy", "copies")
}

/// `12 versions: 10 healthy, 1 degraded, 1 critical`.
pub(super) fn counts(counts: &HealthCountsDto) -> String {
    let HealthCountsDto { healthy, degraded, critical } = counts;
    let parts = [(*healthy, GOOD, "healthy"), (*degraded, WARNING, "degraded"), (*critical, BAD, "critical")];
    let parts =
        parts.into_iter().filter(|(n, ..)| *n > 0).map(|(n, style, word)| styled(style, &format!("{n} {word}")));
    let parts = parts.collect::<Vec<_>>().join(", ");
    match healthy + degraded + critical {
        0 => "none".to_owned(),
        all => format!("{}: {parts}", count(all, "version")),
    }
}

/// How copies stand, in the state of a node.
pub(super) fn summary(copies: &HealthCountsDto) -> String {
    match copies {
        HealthCountsDto { healthy: 0, degraded: 0, critical: 0 } => String::new(),
        copies => lines(&[("documents", counts(copies))]),
    }
}

/// One document, and who holds it.
pub(crate) fn one(replica: &ReplicaDto) -> String {
    let said = replica.last_reprovided.as_deref().map_or_else(|| "never".to_owned(), |at| ago(at, now_ms()));
    let here = if replica.is_local { styled(GOOD, "all of it") } else { "not whole".to_owned() };
    let rows = [
        ("version", replica.version.to_string()),
        ("copies", copies(replica)),
        ("reachable", copies_in_words(replica.healthy)),
        ("priority", safe(&replica.priority)),
        ("size", format!("{} encrypted", size::shown(replica.size))),
        ("here", here),
        ("asked", said),
        ("manifest", replica.manifest.clone()),
    ];
    let mut out = format!("{}\n{}", styled(STRONG, &called(replica)), lines(&rows));
    if replica.health == "critical" {
        out.push_str(&format!("\n{}\n", lost(replica)));
    }
    if !replica.providers.is_empty() {
        out.push_str(&format!("\n{}", holders(&replica.providers)));
    }
    out
}

fn holders(holders: &[ReplicaHolderDto]) -> String {
    let now = now_ms();
    let row = |holder: &ReplicaHolderDto| {
        let state = match (holder.own, holder.connected) {
            (true, _) => styled(GOOD, "this machine"),
            (_, true) => styled(GOOD, "connected"),
            _ => "away".to_owned(),
        };
        let seen = ago(&holder.last_seen, now);
        vec![safe(holder.called()), state, known(holder), seen, format!("{:.2}", holder.quality)]
    };
    table(&["machine", "state", "copy", "seen", "quality"], holders.iter().map(row))
}

/// How it is known, and whether it is counted.
fn known(holder: &ReplicaHolderDto) -> String {
    let known = match (holder.own, holder.known_by.as_str()) {
        (true, "proved" | "claimed") => "holds it",
        (_, "proved") => "proved that it holds it",
        (_, "claimed") => "signed that it holds it",
        (_, "announced") => "says so in the hash table",
        (_, "missing") => return "does not hold it".to_owned(),
        _ => return styled(BAD, "answered wrongly"),
    };
    if holder.counts { known.to_owned() } else { styled(FAINT, &format!("{known}; not counted")) }
}

/// What is said of a document without copies.
fn lost(replica: &ReplicaDto) -> String {
    let what = "No machine that can be reached holds it.";
    let Some(holder) = replica.last_holder() else {
        return format!("{} Nobody was ever seen with it; {}", styled(BAD, what), author_hint(replica));
    };
    let (at, since) = (minute(&holder.last_seen), ago(&holder.last_seen, now_ms()));
    let who = styled(STRONG, &safe(holder.called()));
    format!("{} {who} had it last, {at} ({since}); start that machine again.", styled(BAD, what))
}

fn author_hint(replica: &ReplicaDto) -> String {
    format!("antiphon content versions {} says who stored it.", safe(&replica.address))
}

/// Who holds a document.
pub(crate) fn providers(found: &ReplicaHoldersDto) -> String {
    if found.providers.is_empty() {
        return "Nobody is known to hold it. antiphon replication status ADDRESS says who had it last.".to_owned();
    }
    holders(&found.providers)
}

/// Its address, or else what it is called on the disk.
fn called(replica: &ReplicaDto) -> String {
    if replica.address.is_empty() { replica.manifest.clone() } else { safe(&replica.address) }
}

/// Documents with their copies.
pub(crate) fn page(page: &ReplicationDto) -> String {
    if page.replicas.is_empty() {
        return match page.health {
            HealthCountsDto { healthy: 0, degraded: 0, critical: 0 } => {
                "There are no documents yet. To store one: antiphon content put ADDRESS FILE --as ROLE".to_owned()
            }
            _ => format!("None stands so. In all, {}.", counts(&page.health)),
        };
    }
    let row = |replica: &ReplicaDto| {
        vec![
            called(replica),
            replica.version.to_string(),
            format!("{} of {}", replica.actual, replica.target),
            health(&replica.health),
            safe(&replica.priority),
            size::shown(replica.size),
            if replica.is_local { styled(GOOD, "yes") } else { "no".to_owned() },
        ]
    };
    let head = ["address", "version", "copies", "health", "priority", "size", "here"];
    let mut out = table(&head, page.replicas.iter().map(row));
    for replica in page.replicas.iter().filter(|replica| replica.health == "critical") {
        out.push_str(&format!("\n\n{} version {}: {}", called(replica), replica.version, lost(replica)));
    }
    out.push_str(&format!("\n\n{}.", counts(&page.health)));
    out
}

/// What `replication run` says.
pub(crate) fn ran(ran: &ReplicationRanDto) -> String {
    let (document, them) = (count(ran.asked, "ciphertext"), if ran.asked == 1 { "it" } else { "them" });
    format!(
        "Members are asked for {document}, and what is missing is copied now. Of {them}, as far as is known: {}.\n\
         antiphon replication status shows how it goes on.",
        counts(&ran.health)
    )
}

/// What `replication priority` says.
pub(crate) fn prioritised(replica: &ReplicaDto) -> String {
    format!(
        "The priority of version {} of {} is {} on this machine ({}).",
        replica.version,
        safe(&replica.address),
        safe(&replica.priority),
        copies(replica)
    )
}

/// What was done for copies.
pub(crate) fn metrics(metrics: &ReplicationMetricsDto) -> String {
    let settings = &metrics.settings;
    let at = |at: &Option<String>| at.as_deref().map_or_else(|| "never".to_owned(), minute);
    let room = match metrics.quota_bytes {
        Some(quota) => format!("{} of {}", size::shown(metrics.held_for_others_bytes), size::shown(quota)),
        None => format!("{}, and no room is offered", size::shown(metrics.held_for_others_bytes)),
    };
    let switch = |on: bool| if on { "by itself" } else { "only when asked: antiphon replication run" };
    lines(&[
        ("versions", counts(&metrics.health)),
        ("ciphertexts", metrics.total_keys.to_string()),
        ("copies", format!("{} known, {:.2} each", metrics.total_providers, metrics.average_replication)),
        ("wanted", format!("{} each", settings.factor)),
        ("made", format!("{}, {} failed", metrics.successful, metrics.failed)),
        ("under way", format!("{}, {} wait", metrics.offers_under_way, metrics.offers_waiting)),
        ("taken", format!("{} from others, {} dropped again", metrics.taken, metrics.trimmed)),
        ("answers", format!("{} for a copy, {} wrong", metrics.proofs, metrics.wrong)),
        ("asked", format!("{}, last {}", count(metrics.reprovide_operations, "time"), at(&metrics.last_reprovide))),
        ("cleared", at(&metrics.last_cleanup)),
        ("for others", room),
        ("repairs", format!("{}, {} at once", switch(settings.automatic), settings.concurrent)),
        ("asks", format!("{}, every {}", switch(settings.reprovide), age(settings.reprovide_interval_ms))),
        ("grace", age(settings.grace_ms)),
    ])
}

/// What `content gc` says.
pub(crate) fn garbage(garbage: &GarbageDto) -> String {
    if garbage.items.is_empty() {
        return "Nothing to free: somebody needs everything that is here.".to_owned();
    }
    let row = |item: &GarbageItemDto| {
        let name = item.manifest.get(..SHORT_NAME).unwrap_or(&item.manifest).to_owned();
        let what = match (&item.stays, garbage.dry_run) {
            (Some(_), _) => "stays",
            (None, true) => "would go",
            (None, false) => "freed",
        };
        let stored_as = item.address.as_deref().map(safe).unwrap_or_default();
        vec![name, size::shown(item.bytes), what.to_owned(), safe(&item.text), stored_as]
    };
    let list = table(&["manifest", "size", "what", "why", "stored as"], garbage.items.iter().map(row));
    let goes = garbage.items.iter().filter(|item| item.stays.is_none()).count();
    let all = format!("{}, {}", count(goes, "ciphertext"), size::shown(garbage.bytes));
    match (goes, garbage.dry_run) {
        (0, _) => format!("{list}\n\nNothing to free now."),
        (_, true) => format!("{list}\n\n{all} would be freed. To free it: antiphon content gc"),
        (_, false) => format!("{list}\n\nFreed {all}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn holder(peer: &str, known_by: &str, at: &str, counts: bool) -> ReplicaHolderDto {
        ReplicaHolderDto {
            peer_id: format!("12D3{peer}"),
            peer: peer.into(),
            known_by: known_by.into(),
            counts,
            last_seen: at.into(),
            quality: 0.5,
            ..ReplicaHolderDto::default()
        }
    }

    fn replica(actual: u64, health: &str) -> ReplicaDto {
        ReplicaDto {
            address: "ucxl://ann/admin/shop/login/plan".into(),
            version: 1,
            target: 3,
            actual,
            health: health.into(),
            priority: "normal".into(),
            ..ReplicaDto::default()
        }
    }

    #[test]
    fn a_healthy_document_says_who_holds_it() {
        let now = antiphon_server::time::rfc3339(antiphon_core::time::UnixMillis(now_ms()));
        let mut replica = replica(3, "healthy");
        replica.providers = vec![
            holder("alice", "proved", &now, true),
            holder("bob", "claimed", &now, true),
            holder("", "wrong", &now, false),
        ];
        let said = plain(&one(&replica));
        for word in [
            "3 of 3 copies, healthy",
            "proved that it holds it",
            "signed that it holds it",
            "answered wrongly",
            "12D3",
            "0.50",
        ] {
            assert!(said.contains(word), "{word} is missing: {said}");
        }
    }

    #[test]
    fn a_lost_document_says_who_had_it_last_and_when() {
        let mut replica = replica(0, "critical");
        assert!(plain(&one(&replica)).contains("Nobody was ever seen with it"));
        replica.providers = vec![
            holder("bob", "proved", "2026-03-01T12:30:00.000Z", false),
            holder("eve", "missing", "2026-03-04T00:00:00.000Z", false),
            holder("carol", "claimed", "2026-03-02T07:05:00.000Z", false),
        ];
        let said = plain(&one(&replica));
        assert!(said.contains("0 of 3 copies, critical"), "{said}");
        assert!(said.contains("carol had it last, 2026-03-02 07:05 UTC ("), "{said}");
        let health = HealthCountsDto { healthy: 2, degraded: 0, critical: 1 };
        let listed = plain(&page(&ReplicationDto { health, replicas: vec![replica], ..ReplicationDto::default() }));
        assert!(
            listed.contains("carol had it last") && listed.ends_with("3 versions: 2 healthy, 1 critical."),
            "{listed}"
        );
    }

    #[test]
    fn what_can_be_freed_is_told_with_its_reason() {
        let item = GarbageItemDto {
            manifest: "ab".repeat(32),
            bytes: 2_048,
            reason: "removed".into(),
            text: "its version was removed".into(),
            ..GarbageItemDto::default()
        };
        let mut found = GarbageDto { dry_run: true, bytes: 2_048, items: vec![item] };
        let said = plain(&garbage(&found));
        assert!(said.contains("abababababab  2 KiB  would go") && said.contains("would be freed"), "{said}");
        found.dry_run = false;
        assert!(plain(&garbage(&found)).ends_with("Freed 1 ciphertext, 2 KiB."));
        assert!(garbage(&GarbageDto::default()).starts_with("Nothing to free"));
    }

    #[test]
    fn one_copy_is_one() {
        let mut replica = replica(1, "healthy");
        replica.target = 1;
        assert_eq!(plain(&copies(&replica)), "1 of 1 copy, healthy");
        assert_eq!(plain(&counts(&HealthCountsDto::default())), "none");
    }
}
