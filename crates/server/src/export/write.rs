//! Facts become Markdown.

use antiphon_core::fact::{Level, escape};
use serde_json::{Error, Value};

use super::{BYLINE, CLOSE, END, Group, OPEN, slashes};
use crate::dto::ExportedFactDto;

/// The heading above the facts of one group.
pub fn heading(team: &str, group: &Group) -> String {
    format!("\n# {}\n\n", line(&format!("{team}: {}", group.title())))
}

/// A fact as a block.
///
/// # Errors
/// When what is beside its text cannot be written.
pub fn block(exported: &ExportedFactDto) -> Result<String, Error> {
    let fact = &exported.fact;
    let mut about = serde_json::to_value(fact)?;
    if let Some(about) = about.as_object_mut() {
        about.remove("content");
    }
    let mut out = format!("{OPEN}{}{END}\n", harmless(&about));
    for line in fact.content.split_inclusive('\n') {
        match slashes(line) {
            Some(_) => out.push_str(&line.replacen("<!-- ", "<!-- //", 1)),
            None => out.push_str(line),
        }
    }
    let id = fact.id.as_deref().unwrap_or_default();
    out.push_str(&format!("\n{CLOSE}{id}{END}\n\n{}\n\n---\n\n", byline(exported)));
    Ok(out)
}

/// JSON that can stand in a comment: it ends nowhere but where it should.
fn harmless(about: &Value) -> String {
    about.to_string().replace('<', "\\u003c").replace('>', "\\u003e")
}

fn byline(exported: &ExportedFactDto) -> String {
    let fact = &exported.fact;
    let day = exported.recorded.updated_at.get(..10).unwrap_or_default();
    let level = fact.level.as_ref().and_then(|level| level.0.parse::<Level>().ok()).unwrap_or_default();
    let mut parts = vec![exported.recorded.author.clone(), day.to_owned(), level.name().to_owned()];
    parts.extend(fact.role.as_ref().map(|role| format!("only for {role}")));
    parts.extend(fact.private.then(|| "private".to_owned()));
    parts.extend(fact.stale.then(|| "out of date".to_owned()));
    parts.extend(fact.archived.then(|| "archived".to_owned()));
    parts.extend((!exported.recorded.diverged.is_empty()).then(|| "diverged".to_owned()));
    parts.extend(fact.tags.iter().map(|tag| format!("#{tag}")));
    parts.retain(|part| !part.is_empty());
    format!("{BYLINE}{}*", line(&parts.join(", ")))
}

/// On one line, with nothing in it that means something in Markdown.
fn line(text: &str) -> String {
    let text = escape(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    text.chars()
        .flat_map(|c| matches!(c, '*' | '_' | '<' | '`' | '[' | '\\').then_some('\\').into_iter().chain([c]))
        .collect()
}
