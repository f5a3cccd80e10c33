//! One fact: what it says, where it is, and what can be done with it.

use askama::Template;
use axum::extract::{Path, State};

use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Shown, Tab};
use crate::dashboard::pages::card::{self, Mark};
use crate::dashboard::pages::words;
use crate::dashboard::session::Visitor;
use crate::dashboard::show;
use crate::dto::{FactDto, FactHoldingDto, FactReceiptsDto};

/// Longest text of a heading, in characters.
const HEADING_CHARS_MAX: usize = 80;

#[derive(Template)]
#[template(path = "fact.html")]
struct View {
    id: String,
    text: String,
    held: bool,
    level: u64,
    level_name: String,
    marks: Vec<Mark>,
    rows: Vec<(&'static str, String)>,
    links: Vec<(&'static str, String)>,
    sides: Vec<Side>,
    holders: Vec<Holder>,
    shared: bool,
    forgotten: bool,
    erased: bool,
    archived: bool,
    stale: bool,
    csrf: String,
}

struct Side {
    field: String,
    text: String,
    about: String,
}

struct Holder {
    href: String,
    name: String,
    class: &'static str,
    word: String,
    signed: String,
}

pub(super) async fn show(State(dash): State<Dash>, visitor: Visitor, Path(id): Path<String>) -> Shown {
    let now_ms = dash.now().0;
    let fact = dash.fact(&id).await?;
    let receipts = dash.fact_receipts(&fact.id).await?;
    let text = card::text_of(&fact);
    let heading = show::cut(text.lines().next().unwrap_or_default(), HEADING_CHARS_MAX);
    let edits = receipts.edits;
    let page = Page::new(Tab::Facts, "Fact", &view(&fact, &receipts, &visitor, now_ms))?;
    let page = page.heading(heading).says(super::super::overview::held(&receipts));
    let page = page.leads("history", format!("/facts/{}/history", fact.id));
    Ok(if edits > 1 { page.says(format!("{edits} edits make what it says")) } else { page })
}

fn view(fact: &FactDto, receipts: &FactReceiptsDto, visitor: &Visitor, now_ms: u64) -> View {
    View {
        id: fact.id.clone(),
        text: card::text_of(fact),
        held: fact.content.is_some(),
        level: fact.level,
        level_name: fact.level_name.clone(),
        marks: card::marks(fact),
        rows: rows(fact, now_ms),
        links: links(fact),
        sides: sides(fact, now_ms),
        holders: receipts.members.iter().map(|member| holder(member, &fact.id, now_ms)).collect(),
        shared: receipts.shared,
        forgotten: fact.forgotten,
        erased: fact.erased,
        archived: fact.archived,
        stale: fact.stale,
        csrf: visitor.csrf(),
    }
}

/// What else is known of it.
fn rows(fact: &FactDto, now_ms: u64) -> Vec<(&'static str, String)> {
    let when = |at: &str| format!("{} ({})", show::minute(at), show::ago(at, now_ms));
    let provenance = &fact.provenance;
    let anchors: Vec<String> =
        fact.anchors.iter().map(|anchor| format!("{} at {}", anchor.path, anchor.blob)).collect();
    let all = [
        ("id", Some(fact.id.clone())),
        ("domain", fact.domain.clone()),
        ("module", fact.module.clone()),
        ("tags", (!fact.tags.is_empty()).then(|| fact.tags.join(", "))),
        ("written", Some(when(&fact.created_at))),
        ("changed", (fact.updated_at != fact.created_at).then(|| when(&fact.updated_at))),
        ("by", Some(card::written(provenance, &fact.author))),
        ("node", Some(format!("{} ({})", fact.author, fact.origin))),
        ("tool", provenance.tool.clone()),
        ("session", provenance.session.clone()),
        ("taken from", fact.source.clone()),
        ("code", fact.code_ref.clone()),
        ("files", (!anchors.is_empty()).then(|| anchors.join(", "))),
        ("confidence", fact.confidence.map(|confidence| format!("{confidence}"))),
        ("true from", fact.valid_from.as_deref().map(when)),
        ("true until", fact.valid_until.as_deref().map(show::minute)),
        ("lives", fact.ttl_ms.map(crate::time::age)),
        ("and then", fact.ttl_ms.and(fact.on_expire.clone()).map(|what| what.replace('_', " "))),
        (
            "shared",
            Some(if fact.stream == "shared" {
                "with the team".to_owned()
            } else {
                "no, it stays on this node".to_owned()
            }),
        ),
        ("recalled", (fact.hits > 0).then(|| format!("{} here", show::counted(fact.hits, "time", "times")))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Facts that it names.
fn links(fact: &FactDto) -> Vec<(&'static str, String)> {
    let derived = fact.derived_from.iter().map(|id| ("derived from", id.clone()));
    let one = |name, id: &Option<String>| id.clone().map(|id| (name, id));
    one("belongs to", &fact.parent).into_iter().chain(one("replaces", &fact.supersedes)).chain(derived).collect()
}

fn sides(fact: &FactDto, now_ms: u64) -> Vec<Side> {
    let side = |side: &crate::dto::SideDto| Side {
        field: side.field.clone(),
        text: words::value(&side.value, side.deleted, side.missing),
        about: format!("{} · {}", side.author, show::ago(&side.at, now_ms)),
    };
    fact.sides.iter().map(side).collect()
}

fn holder(member: &FactHoldingDto, fact: &str, now_ms: u64) -> Holder {
    let (class, word) = match member.holding.as_str() {
        "whole" => ("ok", "holds it".to_owned()),
        "header" => ("warn", "header only, the text is missing".to_owned()),
        "stuck" => ("bad", format!("cannot apply it: {}", member.reason.as_deref().unwrap_or("unknown"))),
        "not" => ("warn", "not yet".to_owned()),
        _ => ("info", "no receipt yet".to_owned()),
    };
    Holder {
        href: format!("/peers/{}?fact={fact}", member.peer_id),
        name: show::called(&member.name, &member.peer_id),
        class,
        word,
        signed: show::ago_or(member.signed_at.as_deref(), now_ms, "never"),
    }
}
