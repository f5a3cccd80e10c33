//! The life of a fact: every edit, with what it changed word by word.

use askama::Template;
use axum::extract::{Path, State};

use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Shown, Tab};
use crate::dashboard::pages::card;
use crate::dashboard::pages::words;
use crate::dashboard::show;
use crate::dto::HistoryEntryDto;
use crate::words::{Part, diff};

#[derive(Template)]
#[template(path = "fact_history.html")]
struct View {
    id: String,
    entries: Vec<Entry>,
}

struct Entry {
    action: String,
    about: String,
    when: String,
    /// What the text became, against what it was before.
    text: Option<Vec<Part>>,
    /// Other fields that it set.
    fields: Vec<(String, String)>,
    /// Whether it still stands for something.
    standing: String,
}

pub(super) async fn show(State(dash): State<Dash>, Path(id): Path<String>) -> Shown {
    let now_ms = dash.now().0;
    let history = dash.history(&id).await?;
    let mut before = String::new();
    let mut entries: Vec<Entry> = history.history.iter().map(|entry| of_entry(entry, &mut before, now_ms)).collect();
    entries.reverse();
    let says = show::count(entries.len() as u64, "event");
    let view = View { id: history.id.clone(), entries };
    let page = Page::new(Tab::Facts, "History", &view)?.heading("History of a fact");
    Ok(page.says(says).says("the newest first").leads("the fact", format!("/facts/{}", history.id)))
}

fn of_entry(entry: &HistoryEntryDto, before: &mut String, now_ms: u64) -> Entry {
    let text = entry.fields.get("content").map(|value| {
        let after = value.as_str().unwrap_or_default().to_owned();
        let parts = diff(before, &after);
        *before = after;
        parts
    });
    let fields = entry.fields.iter().filter(|(name, _)| *name != "content");
    let fields = fields.map(|(name, value)| (name.replace('_', " "), words::value(value, false, false)));
    let who = entry
        .provenance
        .as_ref()
        .map_or_else(|| entry.author.clone(), |provenance| card::written(provenance, &entry.author));
    Entry {
        action: entry.action.replace('_', " "),
        about: format!("{who} · {}", if entry.stream == "shared" { "shared" } else { "stays here" }),
        when: format!("{} ({})", show::minute(&entry.at), show::ago(&entry.at, now_ms)),
        text,
        fields: fields.collect(),
        standing: entry.standing.join(", ").replace('_', " "),
    }
}
