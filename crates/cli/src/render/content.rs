//! Documents as they are shown.

use std::path::Path;

use antiphon_server::dto::{
    ContentAnnouncedDto, ContentDto, ContentMetricsDto, ContentProviderDto, ContentProvidersDto, ContentRemovedDto,
    ContentStatusDto, ContentStoredDto, ContentVersionsDto, LeftOutDto,
};

use super::time::{ago, minute, now_ms};
use super::{count, safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};
use crate::size;

/// What `content put` says.
pub(crate) fn stored(stored: &ContentStoredDto) -> String {
    let content = &stored.content;
    let mut out =
        format!("Stored {} as version {}, {}.\n", safe(&content.address), content.version, size::shown(content.size));
    out.push_str(&format!("Readable by {}.", safe(&content.encrypted_for.join(", "))));
    out.extend(stored.left_out.iter().filter(|left| left.why == "no_key").map(left_out));
    out
}

fn left_out(left: &LeftOutDto) -> String {
    let what = format!("\nNot readable by {}, which has no key that may be used.", safe(&left.role));
    format!("{}\n  on a steward's node: antiphon team rotate-role {}", styled(WARNING, &what), safe(&left.role))
}

/// What `content get -o FILE` says.
pub(crate) fn got(content: &ContentDto, path: &Path) -> String {
    let from = match (content.source.as_deref(), content.fetched_bytes) {
        (Some("cache"), _) => "from the cache".to_owned(),
        (Some("peers"), Some(bytes)) => format!("{} fetched", size::shown(bytes)),
        _ => "from this machine".to_owned(),
    };
    format!(
        "Wrote version {} of {} to {}, {from}.",
        content.version,
        safe(&content.address),
        safe(&path.display().to_string())
    )
}

/// Documents as a table.
pub(crate) fn list(contents: &[ContentDto]) -> String {
    if contents.is_empty() {
        return "There are no such documents. To store one: antiphon content put ADDRESS FILE --as ROLE".to_owned();
    }
    let now = now_ms();
    let row = |content: &ContentDto| {
        vec![
            safe(&content.address),
            content.version.to_string(),
            safe(&content.creator_role),
            size::shown(content.size),
            ago(&content.timestamp, now),
            safe(&content.author),
            access(content),
            content.health.as_deref().map(super::replication::health).unwrap_or_default(),
        ]
    };
    table(&["address", "version", "role", "size", "age", "by", "here", "copies"], contents.iter().map(row))
}

/// What this node can do with it.
fn access(content: &ContentDto) -> String {
    if content.removed {
        return styled(FAINT, "removed");
    }
    if content.unauthorised {
        return styled(BAD, "does not count");
    }
    if !content.readable {
        return styled(FAINT, "not readable");
    }
    match content.held.as_str() {
        "all" => styled(GOOD, "yes"),
        "part" => styled(WARNING, "part"),
        _ => "no".to_owned(),
    }
}

/// The versions of a document.
pub(crate) fn versions(versions: &ContentVersionsDto) -> String {
    let row = |content: &ContentDto| {
        let concurrent = if content.concurrent { ", at the same time as another" } else { "" };
        vec![
            content.version.to_string(),
            minute(&content.timestamp),
            format!("{}{concurrent}", safe(&content.author)),
            size::shown(content.size),
            content.hash.get(..12).unwrap_or_default().to_owned(),
            access(content),
        ]
    };
    format!(
        "{}\n{}",
        styled(STRONG, &safe(&versions.address)),
        table(&["version", "stored", "by", "size", "hash", "here"], versions.versions.iter().map(row))
    )
}

/// One document with all that is known of it.
pub(crate) fn status(status: &ContentStatusDto) -> String {
    let content = &status.content;
    let here = match (content.held.as_str(), status.damaged) {
        (_, true) => styled(BAD, "a part of it is damaged, and fetched again when it is asked for"),
        ("all", _) => styled(GOOD, "all of it"),
        ("part", _) => {
            format!("{} of {}", size::shown(content.held_bytes), size::shown(content.stored_size))
        }
        _ => "nothing".to_owned(),
    };
    let copies = match &status.copies {
        Some(copies) => super::replication::copies(copies),
        None => format!("{} known", status.replication_factor),
    };
    let readable = if content.readable { "yes" } else { "no: its roles may not read it" };
    let lines = [
        ("version", content.version.to_string()),
        ("role", safe(&content.creator_role)),
        ("readable by", safe(&content.encrypted_for.join(", "))),
        ("type", snippet(&content.content_type)),
        ("size", format!("{}, {} encrypted", size::shown(content.size), size::shown(content.stored_size))),
        ("stored", format!("{} by {}", minute(&content.timestamp), safe(&content.author))),
        ("hash", content.hash.clone()),
        ("manifest", content.manifest.clone()),
        ("here", here),
        ("readable", readable.to_owned()),
        ("copies", copies),
    ];
    let mut out = styled(STRONG, &safe(&content.address));
    if content.removed {
        out.push_str(&styled(BAD, "  removed"));
    }
    for (name, value) in lines {
        out.push_str(&format!("\n{} {value}", styled(FAINT, &format!("{name:<11}"))));
    }
    out
}

/// Who holds a document.
pub(crate) fn providers(providers: &ContentProvidersDto) -> String {
    if providers.providers.is_empty() {
        return "Nobody is known to hold it. antiphon content versions ADDRESS says who stored it.".to_owned();
    }
    let row = |provider: &ContentProviderDto| {
        let name = if provider.peer.is_empty() { provider.peer_id.clone() } else { safe(&provider.peer) };
        let (connected, known) = match provider.known_by.as_str() {
            "own" => (styled(GOOD, "this machine"), "holds it"),
            "author" => (shown(provider.connected), "stored it"),
            _ => (shown(provider.connected), "says it holds it"),
        };
        vec![name, connected, known.to_owned()]
    };
    table(&["machine", "state", "why"], providers.providers.iter().map(row))
}

fn shown(connected: bool) -> String {
    if connected { styled(GOOD, "connected") } else { "not connected".to_owned() }
}

/// What `content announce` says.
pub(crate) fn announced(announced: &ContentAnnouncedDto) -> String {
    let here = if announced.provided { ", and that this machine holds it" } else { "" };
    format!("The hash table is told of version {} of {}{here}.", announced.version, safe(&announced.address))
}

/// What `content rm` says.
pub(crate) fn removed(removed: &ContentRemovedDto) -> String {
    let freed = match removed.freed_bytes {
        0 => String::new(),
        bytes => format!(" {} are free again.", size::shown(bytes)),
    };
    format!("Removed {} for the whole team.{freed}", safe(&removed.address))
}

/// What was done with documents.
pub(crate) fn metrics(metrics: &ContentMetricsDto) -> String {
    let ms = |us: u64| format!("{}.{:03} ms", us / 1_000, us % 1_000);
    let (stored, read) = (ms(metrics.average_store_us), ms(metrics.average_retrieve_us));
    let lines = [
        ("stored", format!("{}, in {stored} each", count(metrics.stored, "document"))),
        ("read", format!("{}, in {read} each", count(metrics.retrieved, "document"))),
        ("cache", format!("{} hits, {} misses", metrics.cache_hits, metrics.cache_misses)),
        ("in it", format!("{}, {}", count(metrics.cached, "document"), size::shown(metrics.cache_bytes))),
        ("encrypted", metrics.encryption_ops.to_string()),
        ("decrypted", metrics.decryption_ops.to_string()),
        ("on disk", format!("{}, {}", count(metrics.blobs, "ciphertext"), size::shown(metrics.blob_bytes))),
        ("changed", metrics.last_update.as_deref().map_or_else(|| "never".to_owned(), minute)),
    ];
    let line = |(name, value): (&str, String)| format!("{} {value}", styled(FAINT, &format!("{name:<10}")));
    lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What is said whenever a key leaves the node.
pub(crate) fn key_warning(role: &str) -> String {
    let what = format!("Whoever has this file reads everything that is encrypted for {}.", safe(role));
    format!(
        "{} A new key closes it for what is stored from then on: antiphon team rotate-role {}",
        styled(WARNING, &what),
        safe(role)
    )
}

/// What `team export-role-key` says.
pub(crate) fn key_written(role: &str, keys: usize, path: &Path) -> String {
    let file = safe(&path.display().to_string());
    format!("Wrote {} of {} to {file}.\nUse it: age -d -i {file} document.age", count(keys, "key"), safe(role))
}
