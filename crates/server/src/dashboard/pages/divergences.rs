//! What was changed in several places at once: listed, side by side, and settled.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;

use super::words;
use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Page, Query, Sent, Shown, Tab, given};
use crate::dashboard::session::Visitor;
use crate::dashboard::show;
use crate::dto::{DivergedFieldDto, DivergenceDto, DivergenceFilterDto, ResolveDto, ResolvedDto, SideDto};
use crate::words::{Kind, Part, diff};

/// Divergences on a page.
const PAGE_MAX: usize = 50;
/// Longest text in the list, in characters.
const TEXT_CHARS_MAX: usize = 200;

pub(super) fn routes() -> Router<Dash> {
    Router::new()
        .route("/divergences", get(list))
        .route("/divergences/{id}", get(show_one))
        .route("/divergences/{id}/accept", post(accept))
        .route("/divergences/{id}/write", post(write))
}

#[derive(Template)]
#[template(path = "divergences.html")]
struct List {
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    href: String,
    kind: String,
    text: String,
    fields: String,
    sides: String,
    since: String,
}

#[derive(Deserialize)]
struct Ask {
    #[serde(default)]
    after: String,
}

async fn list(State(dash): State<Dash>, Query(ask): Query<Ask>) -> Shown {
    let now_ms = dash.now().0;
    let filter = DivergenceFilterDto { limit: Some(PAGE_MAX), after: given(&ask.after) };
    let found = dash.divergences(filter).await?;
    let rows: Vec<Row> = found.divergences.iter().map(|one| row(one, now_ms)).collect();
    let says = match rows.len() as u64 {
        0 => "all sides agree".to_owned(),
        count => format!("{} to settle; the later edit is shown until then", show::count(count, "divergence")),
    };
    let view = List { rows, next: found.next.map(|after| format!("/divergences?after={}", show::in_path(&after))) };
    Ok(Page::new(Tab::Divergences, "Divergences", &view)?.says(says))
}

fn row(one: &DivergenceDto, now_ms: u64) -> Row {
    let sides: std::collections::BTreeSet<&str> =
        one.fields.iter().flat_map(|field| &field.sides).map(|side| side.author.as_str()).collect();
    Row {
        href: format!("/divergences/{}", one.id),
        kind: one.kind.clone(),
        text: show::cut(one.text.as_deref().unwrap_or("(forgotten, or not held here)"), TEXT_CHARS_MAX),
        fields: one.fields.iter().map(|field| field.field.replace('_', " ")).collect::<Vec<_>>().join(", "),
        sides: sides.into_iter().collect::<Vec<_>>().join(", "),
        since: show::ago_or(one.since.as_deref(), now_ms, "–"),
    }
}

#[derive(Template)]
#[template(path = "divergence.html")]
struct One {
    id: String,
    kind: String,
    fields: Vec<Field>,
    /// Names by which one side can be accepted, with the fields it speaks of.
    sides: Vec<Accept>,
    /// The text that a new one begins with.
    text: String,
    /// Whether it is about the text, so that another one can be written.
    has_text: bool,
    /// What was looked at.
    seen: String,
    csrf: String,
}

struct Field {
    name: String,
    before: Option<String>,
    sides: Vec<Side>,
}

struct Side {
    name: String,
    shown: bool,
    parts: Vec<Part>,
    about: String,
}

struct Accept {
    name: String,
    fields: String,
}

async fn show_one(State(dash): State<Dash>, visitor: Visitor, Path(id): Path<String>) -> Shown {
    let now_ms = dash.now().0;
    let one = dash.divergence(&id).await?;
    let heading = match one.fields.is_empty() {
        true => "All sides agree".to_owned(),
        false => format!("{} told in several ways", show::counted(one.fields.len() as u64, "thing is", "things are")),
    };
    let since = one.since.as_deref().map(|at| format!("since {}", show::ago(at, now_ms)));
    let page = Page::new(Tab::Divergences, "Divergence", &view(&one, &visitor, now_ms))?.heading(heading);
    let page = since.into_iter().fold(page, Page::says);
    let thing = if one.kind == "fact" { ("the fact", "facts") } else { ("the incident", "incidents") };
    Ok(page.leads(thing.0, format!("/{}/{}", thing.1, one.id)))
}

fn view(one: &DivergenceDto, visitor: &Visitor, now_ms: u64) -> One {
    let mut accepts: Vec<Accept> = Vec::new();
    for field in &one.fields {
        for side in &field.sides {
            match accepts.iter_mut().find(|accept| accept.name == side.side) {
                Some(accept) => accept.fields.push_str(&format!(", {}", field.field)),
                None => accepts.push(Accept { name: side.side.clone(), fields: field.field.clone() }),
            }
        }
    }
    let events = one.fields.iter().flat_map(|field| &field.sides).map(|side| side.event.clone());
    let content = one.fields.iter().find(|field| field.field == "content");
    One {
        id: one.id.clone(),
        kind: one.kind.clone(),
        fields: one.fields.iter().map(|field| of_field(field, now_ms)).collect(),
        sides: accepts,
        text: one.text.clone().unwrap_or_default(),
        has_text: content.is_some(),
        seen: events.collect::<Vec<_>>().join(" "),
        csrf: visitor.csrf(),
    }
}

fn of_field(field: &DivergedFieldDto, now_ms: u64) -> Field {
    let before = field.before.as_ref().map(|before| words::value(&before.value, before.deleted, before.missing));
    let side = |at: usize, side: &SideDto| {
        let text = words::value(&side.value, side.deleted, side.missing);
        // Against what all sides began with one sees what each of them did.
        let parts = match before.as_deref().filter(|_| side.value.is_string()) {
            Some(before) => diff(before, &text),
            None => vec![Part { kind: Kind::Same, text }],
        };
        let who =
            side.agent.as_ref().map_or_else(|| side.author.clone(), |agent| format!("{agent} on {}", side.author));
        Side {
            name: side.side.clone(),
            shown: at == 0,
            parts,
            // A side goes by its node's name, unless two nodes have one.
            about: match who == side.side {
                true => show::ago(&side.at, now_ms),
                false => format!("{who} · {}", show::ago(&side.at, now_ms)),
            },
        }
    };
    Field {
        name: field.field.replace('_', " "),
        sides: field.sides.iter().enumerate().map(|(at, one)| side(at, one)).collect(),
        before,
    }
}

#[derive(Deserialize)]
struct AcceptForm {
    side: String,
    #[serde(default)]
    seen: String,
}

async fn accept(State(dash): State<Dash>, Path(id): Path<String>, Form(form): Form<AcceptForm>) -> Sent {
    let resolve = ResolveDto { accept: Some(form.side), seen: seen(&form.seen), ..of_page() };
    Ok(done(&dash.resolve(&id, resolve).await?))
}

#[derive(Deserialize)]
struct WriteForm {
    body: String,
    #[serde(default)]
    seen: String,
}

async fn write(State(dash): State<Dash>, Path(id): Path<String>, Form(form): Form<WriteForm>) -> Sent {
    let body = form.body.replace("\r\n", "\n");
    let resolve = ResolveDto { body: Some(body), seen: seen(&form.seen), ..of_page() };
    Ok(done(&dash.resolve(&id, resolve).await?))
}

fn of_page() -> ResolveDto {
    ResolveDto { tool: Some("dashboard".to_owned()), ..ResolveDto::default() }
}

fn seen(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn done(resolved: &ResolvedDto) -> Done {
    let id = &resolved.id;
    if resolved.outcome == "not_diverged" {
        return Done::at(format!("/divergences/{id}")).saying(Flash::done("There was nothing to settle any more."));
    }
    if !resolved.left.is_empty() {
        let left = resolved.left.join(", ").replace('_', " ");
        let flash = Flash::partly(format!("Settled, but for {left}: the side that was accepted says nothing of it."));
        return Done::at(format!("/divergences/{id}")).saying(flash);
    }
    let place = if resolved.kind == "fact" { "facts" } else { "incidents" };
    Done::at(format!("/{place}/{id}")).saying(Flash::done("Settled. Every member comes to say the same."))
}
