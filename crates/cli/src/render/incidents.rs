//! Incidents as they are shown.

use antiphon_server::dto::{HistoryDto, IncidentDto, SideDto};
use clap::builder::styling::Style;
use serde_json::Value;

use super::facts::entry_line;
use super::time::{ago, minute};
use super::{safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// What is shown for a title that is not held.
const UNTITLED: &str = "(its report is not held here)";

/// Incidents as a table.
pub(crate) fn list(incidents: &[IncidentDto], now_ms: u64) -> String {
    if incidents.is_empty() {
        return "There are no such incidents. To report one: antiphon incidents report TITLE".to_owned();
    }
    let row = |incident: &IncidentDto| {
        let title = incident.title.as_deref().map_or_else(|| UNTITLED.to_owned(), snippet);
        let title = if incident.diverged.is_empty() { title } else { format!("{title} [diverged]") };
        let age = ago(&incident.created_at, now_ms);
        vec![
            incident.id.clone(),
            safe(&incident.severity),
            safe(&incident.status),
            safe(&incident.reporter),
            age,
            title,
        ]
    };
    table(&["id", "severity", "status", "reporter", "age", "incident"], incidents.iter().map(row))
}

/// One incident with everything that happened to it.
pub(crate) fn incident(incident: &IncidentDto, history: &HistoryDto) -> String {
    let text = |value: &Option<String>| value.as_deref().map(safe);
    let provenance = &incident.provenance;
    let provenance = [&provenance.source_kind, &provenance.agent, &provenance.tool, &provenance.session];
    let provenance = provenance.into_iter().flatten().map(|part| safe(part)).collect::<Vec<_>>().join(", ");
    let techniques = safe(&incident.mitre_mapping.join(", "));
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let lines = [
        ("id", Some(incident.id.clone())),
        ("severity", Some(styled(severity(&incident.severity), &safe(&incident.severity)))),
        ("status", Some(styled(status(&incident.status), &safe(&incident.status)))),
        ("phase", text(&incident.kill_chain_phase)),
        ("techniques", some(techniques)),
        ("events", Some(incident.event_count.to_string())),
        ("rule", text(&incident.correlation_rule)),
        ("reporter", Some(safe(&incident.reporter))),
        ("origin", Some(format!("{} ({})", incident.source_peer_id, incident.trust))),
        ("written by", some(provenance)),
        ("created", Some(minute(&incident.created_at))),
        ("changed", Some(minute(&incident.updated_at))),
        ("state", incident.incomplete.then(|| styled(WARNING, "incomplete: some of its values are not held here"))),
    ];
    let title = incident.title.as_deref().map_or_else(|| UNTITLED.to_owned(), safe);
    let mut out = format!("{}\n", styled(STRONG, &title));
    for (name, value) in lines {
        if let Some(value) = value {
            out.push_str(&format!("{} {value}\n", styled(FAINT, &format!("{name:<11}"))));
        }
    }
    if let Some(description) = &incident.description {
        out.push_str(&format!("\n{}\n", safe(description)));
    }
    if !incident.diverged.is_empty() {
        out.push_str(&format!("\n{}\n", diverged(incident)));
    }
    let life: String = history.history.iter().map(entry_line).collect();
    format!("{out}\n{life}")
}

/// The values that stand side by side, and how to settle them.
fn diverged(incident: &IncidentDto) -> String {
    let mut lines =
        vec![styled(WARNING, "Changed on several machines at once; of each field the first value is shown:")];
    lines.extend(incident.diverged.iter().map(side));
    lines.push(format!("To settle it: antiphon divergences show {}", incident.id));
    lines.join("\n")
}

fn side(side: &SideDto) -> String {
    let value = match &side.value {
        _ if side.missing => "(not held here)".to_owned(),
        Value::Null => "(none)".to_owned(),
        Value::String(text) => snippet(text),
        other => snippet(&other.to_string()),
    };
    format!("  {} = {value}  by {} {}", safe(&side.field), safe(&side.author), minute(&side.at))
}

fn severity(name: &str) -> Style {
    match name {
        "critical" | "high" => BAD,
        "medium" => WARNING,
        _ => FAINT,
    }
}

fn status(name: &str) -> Style {
    match name {
        "open" => BAD,
        "investigating" | "contained" => WARNING,
        _ => GOOD,
    }
}

#[cfg(test)]
mod tests {
    use antiphon_server::dto::HistoryEntryDto;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn an_incident_is_told_with_its_sides_and_its_life() {
        let side = |value: &str, author: &str| SideDto {
            field: "status".into(),
            value: value.into(),
            author: author.into(),
            at: "2026-03-01T12:30:00.000Z".into(),
            ..SideDto::default()
        };
        let shown = IncidentDto {
            id: "01X".into(),
            title: Some("a shell\u{1b}[2J".into()),
            severity: "high".into(),
            status: "closed".into(),
            mitre_mapping: vec!["T1059".into(), "T1105".into()],
            diverged: vec![side("closed", "alice"), side("open", "eve\u{202E}")],
            ..IncidentDto::default()
        };
        let entry = HistoryEntryDto {
            action: "set".into(),
            at: "2026-03-01T12:30:00.000Z".into(),
            author: "bob".into(),
            fields: [("status".to_owned(), Value::from("open"))].into(),
            ..HistoryEntryDto::default()
        };
        let text = plain(&incident(&shown, &HistoryDto { id: "01X".into(), history: vec![entry] }));
        for part in [
            "a shell\\u{001B}[2J\n",
            "techniques  T1059, T1105\n",
            "  status = closed  by alice 2026-03-01 12:30 UTC\n",
            "by eve\\u{202E}",
            "antiphon divergences show 01X",
            "2026-03-01 12:30 UTC  set  by bob  status = open\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn no_incidents_are_a_sentence() {
        assert!(list(&[], 0).contains("incidents report TITLE"));
        let shown = list(&[IncidentDto { id: "01X".into(), ..IncidentDto::default() }], 0);
        assert!(shown.contains(UNTITLED), "{shown}");
    }
}
