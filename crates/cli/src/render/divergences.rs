//! Divergences as they are shown.

use antiphon_core::fact::Level;
use antiphon_server::dto::{
    BeforeDto, DivergedFieldDto, DivergenceDto, FactDto, ResolvedDto, ResolvedFieldDto, SideDto,
};
use serde_json::Value;

use super::time::{ago, minute};
use super::word_diff::word_diff;
use super::{safe, snippet, table};
use crate::output::{FAINT, GOOD, STRONG, WARNING, styled};

/// Divergences as a table.
pub(crate) fn list(divergences: &[DivergenceDto], now_ms: u64) -> String {
    if divergences.is_empty() {
        return "Nothing is diverged: wherever two machines changed the same thing at once, it is settled.".to_owned();
    }
    let row = |divergence: &DivergenceDto| {
        let fields = divergence.fields.iter().map(|field| safe(&field.field)).collect::<Vec<_>>().join(", ");
        let since = divergence.since.as_deref().map(|at| ago(at, now_ms)).unwrap_or_default();
        let text = divergence.text.as_deref().map_or_else(|| "(deleted)".to_owned(), snippet);
        vec![divergence.id.clone(), safe(&divergence.kind), fields, origins(divergence).join(", "), since, text]
    };
    let rows = table(&["id", "kind", "fields", "sides", "since", "shown"], divergences.iter().map(row));
    format!("{rows}\n\nWhat each side says: antiphon divergences show ID\n")
}

/// What the sides are called, each once.
fn origins(divergence: &DivergenceDto) -> Vec<String> {
    let mut origins: Vec<String> = Vec::new();
    for side in divergence.fields.iter().flat_map(|field| &field.sides) {
        let origin = safe(&side.side);
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

/// One divergence: each field with what it said before, and what each side made of it.
pub(crate) fn show(divergence: &DivergenceDto, now_ms: u64) -> String {
    let id = &divergence.id;
    let Some(since) = &divergence.since else {
        return format!("{id} is not diverged: nothing of it waits to be settled.");
    };
    let head = format!("{}  {}", styled(STRONG, id), styled(FAINT, &safe(&divergence.kind)));
    let mut out = format!("{head}\nChanged on several machines at once, {}.\n", ago(since, now_ms));
    for field in &divergence.fields {
        out.push_str(&format!("\n{}\n", styled(STRONG, &safe(&field.field))));
        out.push_str(&before(field, now_ms));
        for (n, side) in field.sides.iter().enumerate() {
            out.push_str(&one_side(side, field.before.as_ref(), n == 0, now_ms));
        }
    }
    out.push_str("\nTo settle it, accept a side or write what is right:\n");
    for origin in origins(divergence) {
        out.push_str(&format!("  antiphon divergences resolve {id} --accept {}\n", argument(&origin)));
    }
    if divergence.fields.iter().any(|field| is_text(&field.field)) {
        out.push_str(&format!("  antiphon divergences resolve {id} --body TEXT\n"));
    }
    out
}

fn is_text(field: &str) -> bool {
    ["content", "description", "title"].contains(&field)
}

/// A word that a shell takes as one.
fn argument(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@:/+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn before(field: &DivergedFieldDto, now_ms: u64) -> String {
    let Some(before) = &field.before else {
        return format!("  {}\n", styled(FAINT, "before: nothing that all sides had seen"));
    };
    let by = format!("{}, {}", safe(&before.author), ago(&before.at, now_ms));
    let note = if before.diverged { "; diverged then too, this was shown" } else { "" };
    let said = match &before.value {
        _ if before.missing => "(not held here)".to_owned(),
        _ if before.deleted => "(deleted)".to_owned(),
        Value::Null => "(not set)".to_owned(),
        value => words(&field.field, value),
    };
    format!("  {}\n{}", styled(FAINT, &format!("before ({by}{note})")), indented(&said))
}

fn one_side(side: &SideDto, before: Option<&BeforeDto>, shown: bool, now_ms: u64) -> String {
    // A side that could not keep the name of its node says which that is.
    let name = Some(&side.author).filter(|name| **name != side.side && !name.is_empty());
    let who = name.into_iter().chain(&side.agent).map(|name| format!("{}, ", safe(name)));
    let mut about: String = who.collect();
    about.push_str(&format!("{}, {}", minute(&side.at), ago(&side.at, now_ms)));
    let mark = if shown { format!("  {}", styled(WARNING, "shown")) } else { String::new() };
    let said = match (&side.value, before.map(|before| &before.value)) {
        _ if side.missing => "(not held here)".to_owned(),
        _ if side.deleted => "(deleted)".to_owned(),
        (Value::Null, _) => "(cleared)".to_owned(),
        (Value::String(now), Some(Value::String(then))) if is_text(&side.field) => word_diff(then, now),
        (value, _) => words(&side.field, value),
    };
    format!("  {}  {}{mark}\n{}", styled(STRONG, &safe(&side.side)), styled(FAINT, &about), indented(&said))
}

/// A value as it is written in a fact or an incident.
fn words(field: &str, value: &Value) -> String {
    match value {
        Value::String(text) => safe(text),
        Value::Array(values) => values.iter().map(|value| words(field, value)).collect::<Vec<_>>().join(", "),
        Value::Number(number) if field == "level" => {
            let name = number.as_u64().and_then(Level::from_number).map(|level| format!(" {}", level.name()));
            format!("{number}{}", name.unwrap_or_default())
        }
        other => safe(&other.to_string()),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("      {line}").trim_end().to_owned() + "\n").collect()
}

/// What each side says, below a fact that is shown.
pub(super) fn sides(fact: &FactDto) -> String {
    if fact.sides.is_empty() {
        return String::new();
    }
    let one = |side: &SideDto| {
        let (said, field) = (said(side), &side.field);
        let field = if field == "content" { String::new() } else { format!(" {} =", safe(field)) };
        format!("  {}{field} {said}\n", styled(WARNING, &format!("{} says:", safe(&side.side))))
    };
    let lines: String = fact.sides.iter().map(one).collect();
    format!("{lines}  {}\n", styled(FAINT, &format!("to settle it: antiphon divergences show {}", fact.id)))
}

/// What the sides that are not shown say of the text, for a list.
pub(super) fn others(fact: &FactDto) -> Vec<String> {
    let of_text = fact.sides.iter().filter(|side| side.field == "content").skip(1);
    of_text.map(|side| format!("{} says: {}", safe(&side.side), said(side))).collect()
}

/// What a side says, on one line.
fn said(side: &SideDto) -> String {
    match &side.value {
        _ if side.missing => "(not held here)".to_owned(),
        _ if side.deleted => "(deleted)".to_owned(),
        Value::Null => "(cleared)".to_owned(),
        value => snippet(&words(&side.field, value)),
    }
}

/// How a resolution ended.
pub(crate) fn resolved(resolved: &ResolvedDto, now_ms: u64) -> String {
    let id = &resolved.id;
    if resolved.outcome != "resolved" {
        let by = resolved.changed_by.as_deref().map(safe).unwrap_or_default();
        let at = resolved.changed_at.as_deref().map(|at| ago(at, now_ms)).unwrap_or_default();
        return format!("{id} is not diverged; nothing was written. It was last changed on {by}, {at}.");
    }
    let mut out = if resolved.deleted {
        let origin = resolved.fields.iter().find_map(|field| field.side.as_deref()).map(safe).unwrap_or_default();
        format!(
            "{} {id}: it is forgotten, as {origin} says. To bring it back: antiphon facts restore {id}",
            styled(GOOD, "Settled")
        )
    } else {
        let fields = resolved.fields.iter().map(settled).collect::<Vec<_>>().join(", ");
        format!("{} {id}: {fields}.", styled(GOOD, "Settled"))
    };
    if !resolved.left.is_empty() {
        let left = resolved.left.iter().map(|field| safe(field)).collect::<Vec<_>>().join(", ");
        out.push_str(&format!("\n{left} is still diverged: antiphon divergences show {id}"));
    }
    out
}

fn settled(field: &ResolvedFieldDto) -> String {
    let name = safe(&field.field);
    match (field.from.as_str(), field.side.as_deref().map(safe)) {
        ("shown", Some(side)) => format!("{name} as shown, from {side}"),
        (_, Some(side)) => format!("{name} from {side}"),
        (_, None) => format!("{name} as given"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-03-01T12:30:00.000Z";

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn side(field: &str, origin: &str, value: Value) -> SideDto {
        SideDto {
            field: field.into(),
            side: origin.into(),
            author: origin.into(),
            value,
            at: AT.into(),
            ..SideDto::default()
        }
    }

    fn now() -> u64 {
        antiphon_server::time::parse(AT).unwrap().0 + 300_000
    }

    #[test]
    fn a_divergence_shows_what_each_side_changed_and_how_to_settle_it() {
        let before = |value: Value| BeforeDto { value, at: AT.into(), author: "laptop".into(), ..BeforeDto::default() };
        let (agent, author) = (Some("claude".to_owned()), "laptop".to_owned());
        let divergence = DivergenceDto {
            id: "01X".into(),
            kind: "fact".into(),
            fact: Some("01X".into()),
            text: Some("port 3".into()),
            since: Some(AT.into()),
            fields: vec![
                DivergedFieldDto {
                    field: "content".into(),
                    before: Some(before("port 1".into())),
                    sides: vec![
                        SideDto { agent, ..side("content", "laptop", "port 3".into()) },
                        SideDto { deleted: true, ..side("content", "my desk", Value::Null) },
                        SideDto { missing: true, author, ..side("content", "7C2J\u{1b}", Value::Null) },
                    ],
                },
                DivergedFieldDto {
                    field: "level".into(),
                    before: None,
                    sides: vec![side("level", "laptop", 0.into()), side("level", "my desk", Value::Null)],
                },
            ],
        };
        let want = "01X  fact\nChanged on several machines at once, 5 min ago.\n\
            \ncontent\n  before (laptop, 5 min ago)\n      port 1\
            \n  laptop  claude, 2026-03-01 12:30 UTC, 5 min ago  shown\n      port [-1-]{+3+}\
            \n  my desk  2026-03-01 12:30 UTC, 5 min ago\n      (deleted)\
            \n  7C2J\\u{001B}  laptop, 2026-03-01 12:30 UTC, 5 min ago\n      (not held here)\n\
            \nlevel\n  before: nothing that all sides had seen\
            \n  laptop  2026-03-01 12:30 UTC, 5 min ago  shown\n      0 project\
            \n  my desk  2026-03-01 12:30 UTC, 5 min ago\n      (cleared)\n\
            \nTo settle it, accept a side or write what is right:\
            \n  antiphon divergences resolve 01X --accept laptop\
            \n  antiphon divergences resolve 01X --accept 'my desk'\
            \n  antiphon divergences resolve 01X --accept '7C2J\\u{001B}'\
            \n  antiphon divergences resolve 01X --body TEXT\n";
        assert_eq!(plain(&show(&divergence, now())), want);
        let listed = plain(&list(&[divergence], now()));
        assert!(listed.contains("content, level  laptop, my desk, 7C2J"), "{listed}");
        assert!(list(&[], 0).contains("Nothing is diverged"));
    }

    #[test]
    fn a_resolution_says_what_was_taken_from_whom() {
        let field = |field: &str, from: &str, side: Option<&str>| ResolvedFieldDto {
            field: field.into(),
            from: from.into(),
            side: side.map(str::to_owned),
        };
        let check = |dto: ResolvedDto, want: &str| {
            let dto = ResolvedDto { id: "01X".into(), ..dto };
            assert_eq!(plain(&resolved(&dto, now())), want);
        };
        let done = |fields| ResolvedDto { outcome: "resolved".into(), fields, ..ResolvedDto::default() };
        check(done(vec![field("content", "accepted", Some("laptop"))]), "Settled 01X: content from laptop.");
        let given = vec![field("content", "given", None), field("domain", "shown", Some("laptop"))];
        check(done(given), "Settled 01X: content as given, domain as shown, from laptop.");
        let deleted = done(vec![field("content", "accepted", Some("laptop"))]);
        check(
            ResolvedDto { deleted: true, ..deleted.clone() },
            "Settled 01X: it is forgotten, as laptop says. To bring it back: antiphon facts restore 01X",
        );
        check(
            ResolvedDto { left: vec!["domain".into()], ..deleted },
            "Settled 01X: content from laptop.\ndomain is still diverged: antiphon divergences show 01X",
        );
        let (changed_by, changed_at) = (Some("desk".into()), Some(AT.into()));
        check(
            ResolvedDto { outcome: "not_diverged".into(), changed_by, changed_at, ..ResolvedDto::default() },
            "01X is not diverged; nothing was written. It was last changed on desk, 5 min ago.",
        );
    }
}
