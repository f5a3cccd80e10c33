//! Facts as they are shown.

use antiphon_server::dto::{FactDto, HistoryDto, HistoryEntryDto};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::divergences::{others, sides};
use super::erasure::members;
use super::time::{ago, minute};
use super::{safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// The line above a fact that was found.
pub(super) fn headline(fact: &FactDto, now_ms: u64) -> String {
    let about = format!("{} · {} · {}", fact.level_name, safe(&fact.author), ago(&fact.created_at, now_ms));
    let mut line = format!("{}  {}", styled(STRONG, &fact.id), styled(FAINT, &about));
    for mark in marks(fact) {
        line.push_str(&format!("  {}", styled(WARNING, mark)));
    }
    line
}

fn marks(fact: &FactDto) -> Vec<&'static str> {
    let all = [
        (!fact.diverged.is_empty(), "diverged"),
        (fact.stale, "stale"),
        (fact.archived, "archived"),
        (fact.private, "private"),
        (fact.forgotten && !fact.erased, "forgotten"),
        (fact.erased, "erased"),
        (fact.incomplete, "incomplete"),
    ];
    all.into_iter().filter_map(|(set, name)| set.then_some(name)).collect()
}

/// Facts as a table.
pub(crate) fn list(facts: &[FactDto], now_ms: u64) -> String {
    if facts.is_empty() {
        return "There are no facts. Begin with: antiphon remember TEXT".to_owned();
    }
    let row = |fact: &FactDto| {
        let text = fact.content.as_deref().map_or_else(|| gone(fact), snippet);
        let notes = marks(fact).join(" ");
        let text = if notes.is_empty() { text } else { format!("{text} [{notes}]") };
        let text = others(fact).into_iter().fold(text, |text, other| format!("{text}\n{other}"));
        vec![fact.id.clone(), fact.level_name.clone(), safe(&fact.author), ago(&fact.created_at, now_ms), text]
    };
    table(&["id", "level", "author", "age", "fact"], facts.iter().map(row))
}

/// One fact with everything known about it.
pub(crate) fn fact(fact: &FactDto) -> String {
    let text = |value: &Option<String>| value.as_deref().map(safe);
    let provenance =
        [&fact.provenance.source_kind, &fact.provenance.agent, &fact.provenance.tool, &fact.provenance.session];
    let provenance = provenance.into_iter().flatten().map(|part| safe(part)).collect::<Vec<_>>().join(", ");
    let list = |values: &[String]| (!values.is_empty()).then(|| safe(&values.join(", ")));
    let lines = [
        ("id", Some(fact.id.clone())),
        ("level", Some(format!("{} {}", fact.level, fact.level_name))),
        ("domain", text(&fact.domain)),
        ("module", text(&fact.module)),
        ("tags", list(&fact.tags)),
        ("author", Some(safe(&fact.author))),
        ("origin", Some(format!("{} ({})", fact.origin, fact.trust))),
        ("created", Some(minute(&fact.created_at))),
        ("changed", Some(minute(&fact.updated_at))),
        ("written by", Some(provenance).filter(|text| !text.is_empty())),
        ("confidence", fact.confidence.map(|value| value.to_string())),
        ("source", text(&fact.source)),
        ("code", text(&fact.code_ref)),
        ("role", text(&fact.role)),
        ("replaces", text(&fact.supersedes)),
        ("diverged", list(&fact.diverged)),
        ("state", Some(marks(fact).join(", ")).filter(|text| !text.is_empty())),
    ];
    let mut out = String::new();
    for (name, value) in lines {
        if let Some(value) = value {
            out.push_str(&format!("{} {value}\n", styled(FAINT, &format!("{name:<11}"))));
        }
    }
    let content = fact.content.as_deref().map_or_else(|| gone(fact), safe);
    let erasure = fact.erasure.as_ref().map(|erasure| format!("\n{}", members(erasure))).unwrap_or_default();
    let diverged = if fact.sides.is_empty() { String::new() } else { format!("\n{}", sides(fact)) };
    format!("{out}\n{content}\n{erasure}{diverged}")
}

/// What is shown in the place of a text that is gone.
fn gone(fact: &FactDto) -> String {
    if fact.erased { "(erased)" } else { "(forgotten)" }.to_owned()
}

/// The life of a fact, each change as a diff to what was there before.
pub(crate) fn history(history: &HistoryDto) -> String {
    let mut before = "";
    let mut out = String::new();
    for entry in &history.history {
        out.push_str(&entry_line(entry));
        // A cleared text shows as one whose lines are all gone.
        if let Some(content) = entry.fields.get("content") {
            let content = content.as_str().unwrap_or_default();
            out.push_str(&diff(before, content));
            before = content;
        }
    }
    out
}

/// One event, on one line.
pub(super) fn entry_line(entry: &HistoryEntryDto) -> String {
    let agent = entry.provenance.as_ref().and_then(|provenance| provenance.agent.as_deref());
    let by = match agent {
        Some(agent) => format!("{} on {}", safe(agent), safe(&entry.author)),
        None => safe(&entry.author),
    };
    let mut line = format!("{}  {}  by {by}", minute(&entry.at), styled(STRONG, &safe(&entry.action)));
    let others = entry.fields.iter().filter(|(field, _)| field.as_str() != "content");
    let others = others.map(|(field, value)| change_of(field, value)).collect::<Vec<_>>();
    if !others.is_empty() {
        line.push_str(&format!("  {}", styled(FAINT, &others.join(", "))));
    }
    line.push('\n');
    line
}

fn change_of(field: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("clears {}", safe(field)),
        Value::String(text) => format!("{} = {}", safe(field), snippet(text)),
        other => format!("{} = {}", safe(field), snippet(&other.to_string())),
    }
}

fn diff(before: &str, after: &str) -> String {
    let changes = TextDiff::from_lines(before, after);
    let line = |change: similar::Change<&str>| {
        let text = safe(change.value().trim_end_matches('\n'));
        match change.tag() {
            ChangeTag::Delete => format!("  {}\n", styled(BAD, &format!("-{text}"))),
            ChangeTag::Insert => format!("  {}\n", styled(GOOD, &format!("+{text}"))),
            ChangeTag::Equal => format!("   {text}\n"),
        }
    };
    changes.iter_all_changes().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_history_shows_what_each_change_did() {
        let entry = |action: &str, content: Option<&str>| HistoryEntryDto {
            action: action.into(),
            at: "2026-03-01T12:30:00.000Z".into(),
            author: "alice".into(),
            fields: BTreeMap::from([("content".to_owned(), content.map_or(Value::Null, Value::from))]),
            ..HistoryEntryDto::default()
        };
        let life = HistoryDto {
            id: "01X".into(),
            history: vec![entry("remember", Some("a\nb")), entry("edit", Some("a\nc")), entry("forget", None)],
        };
        assert_eq!(
            plain(&history(&life)),
            "2026-03-01 12:30 UTC  remember  by alice\n  +a\n  +b\n\
             2026-03-01 12:30 UTC  edit  by alice\n   a\n  -b\n  +c\n\
             2026-03-01 12:30 UTC  forget  by alice\n  -a\n  -c\n"
        );
    }
}
