//! Facts: found, listed, shown, written and changed.

mod detail;
mod history;
mod write;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::card::{Card, Mark};
use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Query, Shown, Tab, given};
use crate::dashboard::show;
use crate::dto::{FactFilterDto, RecallRequestDto, Scalar};
use crate::error::Problem;

/// Facts on a page.
const PAGE_FACTS: usize = 50;
/// Facts that a search shows.
const FOUND_MAX: usize = 50;

pub(super) fn routes() -> Router<Dash> {
    Router::new()
        .route("/facts", get(list).post(write::remember))
        .route("/facts/new", get(write::show_new))
        .route("/facts/{id}", get(detail::show))
        .route("/facts/{id}/history", get(history::show))
        .route("/facts/{id}/edit", get(write::show_edit).post(write::edit))
        .route("/facts/{id}/append", post(write::append))
        .route("/facts/{id}/archive", post(write::archive))
        .route("/facts/{id}/stale", post(write::stale))
        .route("/facts/{id}/forget", post(write::forget))
        .route("/facts/{id}/restore", post(write::restore))
}

/// What is asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Ask {
    #[serde(skip_serializing_if = "String::is_empty")]
    q: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    level: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    domain: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    module: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tag: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author: String,
    /// `archived`, `forgotten`, `diverged`, or nothing for those that stand.
    #[serde(skip_serializing_if = "String::is_empty")]
    which: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    after: String,
}

impl Ask {
    /// Whether more than everything is asked for.
    fn is_filtered(&self) -> bool {
        [&self.level, &self.domain, &self.module, &self.tag, &self.author, &self.which]
            .iter()
            .any(|one| !one.is_empty())
    }

    fn filter(&self) -> FactFilterDto {
        let which = |name: &str| (self.which == name).then_some(true);
        FactFilterDto {
            level: given(&self.level),
            domain: given(&self.domain),
            module: given(&self.module),
            tag: given(&self.tag),
            author: given(&self.author),
            archived: which("archived"),
            forgotten: which("forgotten"),
            diverged: which("diverged"),
            limit: Some(PAGE_FACTS),
            after: given(&self.after),
        }
    }

    fn question(&self) -> RecallRequestDto {
        RecallRequestDto {
            query: self.q.trim().to_owned(),
            limit: Some(FOUND_MAX),
            level: given(&self.level).map(Scalar),
            domain: given(&self.domain),
            module: given(&self.module),
            tag: given(&self.tag),
            author: given(&self.author),
            archived: (self.which == "archived").then_some(true),
            ..RecallRequestDto::default()
        }
    }

    /// The address of the page after `after`.
    fn next(&self, after: &str) -> Result<String, Problem> {
        let ask = Self { after: after.to_owned(), ..self.clone() };
        let failed =
            |error| Problem::new(crate::error::Code::Failed, format!("the address cannot be written: {error}"));
        Ok(format!("/facts?{}", serde_urlencoded::to_string(&ask).map_err(failed)?))
    }
}

#[derive(Template)]
#[template(path = "facts.html")]
struct View {
    ask: Ask,
    open: bool,
    cards: Vec<Found>,
    next: Option<String>,
    behind: bool,
}

/// A fact with how well it fits, where something was looked for.
struct Found {
    card: Card,
    snippet: Option<String>,
}

async fn list(State(dash): State<Dash>, Query(ask): Query<Ask>) -> Shown {
    let now_ms = dash.now().0;
    let is_search = !ask.q.trim().is_empty();
    let (cards, next, behind) =
        if is_search { search(&dash, &ask, now_ms).await? } else { page(&dash, &ask, now_ms).await? };
    let says = match (is_search, cards.len() as u64) {
        (true, 0) => "nothing fits".to_owned(),
        (true, count) => format!("{}, best first", show::count(count, "fact")),
        (false, count) if next.is_some() || !ask.after.is_empty() => {
            format!("{}, the newest first", show::count(count, "fact"))
        }
        (false, count) => format!("{} in all, the newest first", show::count(count, "fact")),
    };
    let heading = if is_search { format!("“{}”", show::cut(ask.q.trim(), 60)) } else { "Facts".to_owned() };
    let open = ask.is_filtered();
    let view = View { ask, open, cards, next, behind };
    Ok(Page::new(Tab::Facts, "Facts", &view)?.heading(heading).says(says).leads("write one", "/facts/new"))
}

type Listed = (Vec<Found>, Option<String>, bool);

async fn page(dash: &Dash, ask: &Ask, now_ms: u64) -> Result<Listed, Problem> {
    let page = dash.facts(ask.filter()).await?;
    let next = page.next.map(|after| ask.next(&after)).transpose()?;
    let cards = page.facts.iter().map(|fact| Found { card: Card::of(fact, now_ms), snippet: None });
    Ok((cards.collect(), next, false))
}

async fn search(dash: &Dash, ask: &Ask, now_ms: u64) -> Result<Listed, Problem> {
    let answer = dash.recall(ask.question()).await?;
    let cards = answer.hits.iter().map(|hit| {
        let long = hit.fact.content.as_ref().is_some_and(|text| text.chars().count() > 600);
        let snippet = (long && !hit.snippet.is_empty()).then(|| hit.snippet.clone());
        let mut card = Card::of(&hit.fact, now_ms);
        if hit.same > 1 {
            card.marks.push(Mark::new("", format!("{} alike", hit.same)));
        }
        Found { card, snippet }
    });
    Ok((cards.collect(), None, answer.index_behind))
}
