//! Who stored and read which document here, with the verdict on the chain of hashes; and what was refused.

use antiphon_core::time::UnixMillis;
use antiphon_core::trail::Operation;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Query, Shown, Tab, given};
use crate::dashboard::say::{Tag, Tone, When, bytes, called, link, many, number, plain, short};
use crate::dto::{AuditFilterDto, AuditLineDto, TrailCheckDto, TrailFilterDto, TrailLineDto, TrailVerdictDto};

/// Lines on one page.
const LINES_PER_PAGE: usize = 50;
/// Refusals on the page.
const REFUSALS_MAX: usize = 50;

/// The page about what was done and what was refused.
pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/audit", get(show))
}

/// Which lines are shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Filter {
    operation: String,
    address: String,
    failed: String,
    before: Option<u64>,
}

/// An operation to choose.
struct Choice {
    name: &'static str,
    shown: String,
    chosen: bool,
}

/// A line of the trail.
#[derive(Debug, Clone)]
struct Line {
    number: String,
    what: Tag,
    error: String,
    address: String,
    href: String,
    size: String,
    role: String,
    when: When,
    hash: String,
}

/// Something that was refused.
#[derive(Debug, Clone)]
struct Refused {
    what: String,
    who: String,
    why: String,
    detail: String,
    cure: Option<String>,
    when: When,
}

/// What is wrong with the trail, and what can be done.
#[derive(Debug, Clone)]
struct Problem {
    words: String,
    cure: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct View {
    problem: Option<Problem>,
    verdict: Tag,
    words: String,
    head: String,
    operations: Vec<Choice>,
    address: String,
    failed: bool,
    filtered: bool,
    lines: Vec<Line>,
    next: Option<String>,
    refused: Vec<Refused>,
    refused_words: String,
}

async fn show(State(dash): State<Dash>, Query(filter): Query<Filter>) -> Shown {
    let now = dash.now();
    let failed = filter.failed == "yes";
    let ask = TrailFilterDto {
        address: given(&filter.address),
        operation: given(&filter.operation),
        failed,
        before: filter.before,
        limit: Some(LINES_PER_PAGE),
    };
    let lines = dash.trail(ask).await?.lines;
    let verdict = dash.verify_trail(TrailCheckDto::default()).await?;
    let refused = dash.audit(AuditFilterDto { limit: Some(REFUSALS_MAX) }).await?.lines;
    let last = lines.last().filter(|line| lines.len() >= LINES_PER_PAGE && line.number > 1);
    let further = |number: u64| {
        let (operation, failed) = (filter.operation.as_str(), filter.failed.as_str());
        let before = number.to_string();
        link(
            "/audit",
            &[("operation", operation), ("address", &filter.address), ("failed", failed), ("before", &before)],
        )
    };
    let choice = |operation: &Operation| {
        let name = operation.name();
        Choice { name, shown: plain(name), chosen: name == filter.operation }
    };
    let view = View {
        problem: problem(&verdict),
        verdict: tag(&verdict),
        words: words(&verdict),
        head: verdict.head.clone().unwrap_or_default(),
        operations: Operation::ALL.iter().map(choice).collect(),
        failed,
        filtered: failed || given(&filter.operation).or_else(|| given(&filter.address)).is_some(),
        next: last.map(|line| further(line.number)),
        lines: lines.iter().map(|line| Line::of(line, now)).collect(),
        refused_words: match refused.len() as u64 {
            0 => String::new(),
            lines => format!("the last {}, the newest first", many(lines, "refusal", "refusals")),
        },
        refused: refused.iter().map(|line| Refused::of(line, now)).collect(),
        address: filter.address.clone(),
    };
    let heading = if verdict.ok { "The trail is whole" } else { "The trail was changed" };
    Ok(Page::new(Tab::Audit, "Audit", &view)?.heading(heading).says("who read what here, and what was refused"))
}

fn tag(verdict: &TrailVerdictDto) -> Tag {
    if verdict.ok { Tag::new(Tone::Ok, "checked just now: whole") } else { Tag::new(Tone::Bad, "broken") }
}

fn words(verdict: &TrailVerdictDto) -> String {
    match verdict.lines {
        0 => "No line was written yet.".to_owned(),
        1 => "1 line, the first of the chain.".to_owned(),
        lines => format!("{} lines follow from each other, from the first to the last.", number(lines)),
    }
}

fn problem(verdict: &TrailVerdictDto) -> Option<Problem> {
    let line = verdict.broken_at?;
    let why = verdict.why.clone().unwrap_or_else(|| "it does not follow from those before it".to_owned());
    Some(Problem {
        words: format!("Line {} was changed or taken out: {why}. Nothing after it can be relied on.", number(line)),
        cure: "antiphon audit verify".to_owned(),
    })
}

impl Line {
    fn of(line: &TrailLineDto, now: UnixMillis) -> Self {
        let tone = if line.success { Tone::Ok } else { Tone::Bad };
        let href = if line.address.is_empty() {
            String::new()
        } else {
            link("/content/document", &[("address", &line.address)])
        };
        Self {
            number: number(line.number),
            what: Tag::new(tone, format!("{}{}", plain(&line.operation), if line.success { "" } else { " failed" })),
            error: line.error.clone().unwrap_or_default(),
            address: line.address.clone(),
            href,
            size: line.size.map(bytes).unwrap_or_default(),
            role: line.role.clone().unwrap_or_default(),
            when: When::of(&line.timestamp, now),
            hash: short(&line.hash),
        }
    }
}

impl Refused {
    fn of(line: &AuditLineDto, now: UnixMillis) -> Self {
        let who = match &line.peer_id {
            Some(peer) => called(&line.name, peer),
            None => "nobody known".to_owned(),
        };
        Self {
            what: plain(&line.kind),
            who,
            why: line.reason.text.clone(),
            detail: line.detail.clone(),
            cure: line.reason.hint.clone(),
            when: When::of(&line.at, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_said_in_words() {
        let whole = TrailVerdictDto { ok: true, lines: 1_200, ..TrailVerdictDto::default() };
        assert!(problem(&whole).is_none() && words(&whole).starts_with("1,200 lines follow"));
        let broken = TrailVerdictDto {
            broken_at: Some(7),
            why: Some("its hash differs".into()),
            lines: 6,
            ..TrailVerdictDto::default()
        };
        assert!(problem(&broken).unwrap().words.starts_with("Line 7 was changed or taken out: its hash differs."));
        assert!(tag(&broken).to_string().contains("bad\">broken"));
    }
}
