//! What is carried by hand.

use std::path::Path;

use antiphon_node::counted;
use antiphon_server::dto::{BundleFileDto, CarriedDto, ImportedDto};

use super::{count, safe};
use crate::output::{GOOD, WARNING, styled};

/// Most refused logs and entries that are shown one by one; `--json` has them all.
const SHOWN_MAX: usize = 20;

/// What was written, and what to do with it.
pub(crate) fn file(file: &BundleFileDto, path: Option<&Path>) -> String {
    let mut lines = Vec::new();
    if let Some(handshake) = &file.handshake {
        lines.push(carried(handshake));
    }
    let what = match file.kind.as_str() {
        "handshake_request" => "A request",
        "handshake_response" => "The answer",
        _ => "A bundle",
    };
    let mut holds = Vec::new();
    if file.events > 0 || file.kind == "facts" {
        holds.push(count(file.events, "event"));
        holds.push(count(file.facts, "fact"));
        holds.push(count(file.incidents, "incident"));
    }
    let holds = if holds.is_empty() { String::new() } else { format!(" with {}", holds.join(", ")) };
    let place = path.map(|path| format!(" is in {}", safe(&path.display().to_string()))).unwrap_or_default();
    let sealed = file.sealed_for.as_ref().map(|peer| format!(", sealed to {}", safe(peer))).unwrap_or_default();
    let verb = if path.is_none() { " was written" } else { "" };
    lines.push(format!("{what}{holds}{verb}{place}{sealed}."));
    let name = path.map_or("FILE".to_owned(), |path| safe(&path.display().to_string()));
    lines.push(match file.kind.as_str() {
        "handshake_request" => format!("On the other machine, within 30 days: antiphon bundle answer {name}"),
        "handshake_response" => format!("Carry it back, then: antiphon bundle complete {name}"),
        _ => format!("On the other machine: antiphon bundle import {name}"),
    });
    if file.more {
        let more = "There is more than fits one file. Once this one is imported, export again with its cursor: antiphon \
                    bundle cursor there, antiphon bundle export --since CURSOR here.";
        lines.push(styled(WARNING, more));
    }
    lines.join("\n")
}

/// How a handshake ended.
pub(crate) fn carried(carried: &CarriedDto) -> String {
    let name = if carried.name.is_empty() { &carried.peer_id } else { &carried.name };
    let name = safe(name);
    let mut lines = vec![if carried.trust == "VERIFIED" {
        format!("{name} is {}, by hand.", styled(GOOD, "VERIFIED"))
    } else {
        format!(
            "{name} is {}: one of you lacks a gene that the other has. Once this is completed, greet again: antiphon \
             bundle handshake --for {}",
            styled(WARNING, &carried.trust),
            carried.peer_id
        )
    }];
    lines.extend(carried.imported.as_ref().map(imported));
    lines.join("\n")
}

/// What an import came to.
pub(crate) fn imported(imported: &ImportedDto) -> String {
    let from = if imported.name.is_empty() { &imported.peer_id } else { &imported.name };
    let from = safe(if from.is_empty() { "an unnamed sender" } else { from });
    let head = if imported.signed {
        let news = [count(imported.events, "new event"), count(imported.facts, "fact edit")].join(", ");
        format!("From {from}: {news}; {} known already.", imported.known)
    } else {
        let news = [count(imported.facts, "new fact"), count(imported.incidents, "new incident")].join(", ");
        format!("From {from}, unsigned: {news}; {} known already.", imported.known)
    };
    let mut lines = vec![head];
    if imported.dry_run {
        lines.push("Nothing was taken in; whether all of it is believed shows then.".to_owned());
    }
    let mut note = |n: u64, (one, many): (&str, &str), text: &str| {
        if n > 0 {
            lines.push(format!("{} {text}.", counted(n, one, many)));
        }
    };
    note(imported.deferred, ("of the new ones waits", "of the new ones wait"), "for an upgrade");
    note(imported.quarantined, ("of the new ones is", "of the new ones are"), "kept and not counted");
    note(imported.filled, ("missing text", "missing texts"), "came along");
    note(imported.forked, ("log has", "logs have"), "two branches: their authors signed both");
    note(imported.skipped_genes, ("gene was", "genes were"), "left out: nobody adds genes like this");
    for refused in imported.refused.iter().take(SHOWN_MAX) {
        let place = format!("{}/{}", refused.store_id, refused.stream);
        lines.push(styled(WARNING, &format!("{place} is refused from event {}: {}", refused.seq, refused.reason.code)));
    }
    for bad in imported.bad.iter().take(SHOWN_MAX) {
        lines.push(styled(WARNING, &format!("{} is not taken: {}", safe(&bad.id), safe(&bad.problem.what))));
    }
    if !imported.gaps.is_empty() {
        let logs = count(imported.gaps.len(), "log");
        lines.push(styled(WARNING, &format!("Events before those of {logs} are missing here; they were not taken.")));
        lines.push("To get them: antiphon bundle cursor > cursor.json, carry it there, and on that machine".to_owned());
        lines.push("  antiphon bundle export --since cursor.json -o facts.json".to_owned());
    }
    lines.join("\n")
}
