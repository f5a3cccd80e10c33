//! Who stored and read which document here, with the verdict on the chain of hashes; and what was refused.
//!
//! To check the chain is to compute every hash of it anew, so it is done when somebody asks for it. The page says when
//! that was and how far it went; what was checked then says nothing about what was changed since.

use antiphon_core::time::UnixMillis;
use antiphon_core::trail::Operation;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Page, Query, Sent, Shown, Tab, given};
use crate::dashboard::say::{Tag, Tone, When, bytes, called, link, many, number, plain, short};
use crate::dashboard::session::Visitor;
use crate::dto::{AuditFilterDto, AuditLineDto, TrailCheckDto, TrailFilterDto, TrailLineDto, TrailVerdictDto};
use crate::time::rfc3339;

/// Lines on one page.
const LINES_PER_PAGE: usize = 50;
/// Refusals on the page.
const REFUSALS_MAX: usize = 50;

/// The page about what was done and what was refused.
pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/audit", get(show)).route("/audit/check", post(check))
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
    csrf: String,
    problem: Option<Problem>,
    verdict: Option<Tag>,
    words: String,
    checked: Option<When>,
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

async fn show(State(dash): State<Dash>, visitor: Visitor, Query(filter): Query<Filter>) -> Shown {
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
    let newest = dash.trail(TrailFilterDto { limit: Some(1), ..TrailFilterDto::default() }).await?.lines;
    let newest = newest.first().map_or(0, |line| line.number);
    let checked = dash.dashboard().trail();
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
        csrf: visitor.csrf(),
        problem: checked.as_ref().and_then(|(_, verdict)| problem(verdict)),
        verdict: checked.as_ref().map(|(_, verdict)| tag(verdict)),
        words: words(newest, checked.as_ref().map(|(_, verdict)| verdict)),
        checked: checked.as_ref().map(|(at, _)| When::of(&rfc3339(*at), now)),
        head: checked.as_ref().and_then(|(_, verdict)| verdict.head.clone()).unwrap_or_default(),
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
    let heading = match &checked {
        None => "Who read what here",
        Some((_, verdict)) if verdict.broken_at.is_some() => "The trail was changed",
        Some((_, verdict)) if verdict.lines >= newest => "The trail is whole",
        Some(_) => "The trail was whole when it was checked",
    };
    Ok(Page::new(Tab::Audit, "Audit", &view)?.heading(heading).says("who read what here, and what was refused"))
}

/// Checks every line there is.
async fn check(State(dash): State<Dash>) -> Sent {
    let verdict = dash.verify_trail(TrailCheckDto::default()).await?;
    let flash = match verdict.broken_at {
        None => Flash::done(format!("{} checked; the trail is whole.", many(verdict.lines, "line", "lines"))),
        Some(line) => Flash::partly(format!("The trail is broken at line {}.", number(line))),
    };
    Ok(Done::at("/audit").saying(flash))
}

fn tag(verdict: &TrailVerdictDto) -> Tag {
    if verdict.broken_at.is_none() { Tag::new(Tone::Ok, "whole") } else { Tag::new(Tone::Bad, "broken") }
}

/// How many lines there are, and how many of them were checked.
fn words(newest: u64, checked: Option<&TrailVerdictDto>) -> String {
    let there = match newest {
        0 => return "No line was written yet.".to_owned(),
        1 => "There is 1 line".to_owned(),
        lines => format!("There are {} lines", number(lines)),
    };
    match checked {
        None => {
            format!("{there}. Nobody has checked since this node started whether each follows from those before it.")
        }
        Some(verdict) if verdict.lines >= newest => {
            format!("{there}, and each follows from those before it.")
        }
        Some(verdict) => {
            let since = many(newest.saturating_sub(verdict.lines), "line", "lines");
            format!(
                "{there}. The first {} follow from each other; {since} beyond were not checked.",
                number(verdict.lines)
            )
        }
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
        assert!(problem(&whole).is_none() && tag(&whole).to_string().contains("ok\">whole"));
        assert_eq!(words(0, None), "No line was written yet.");
        assert!(words(1_200, None).starts_with("There are 1,200 lines. Nobody has checked"));
        assert_eq!(words(1_200, Some(&whole)), "There are 1,200 lines, and each follows from those before it.");
        assert!(
            words(1_203, Some(&whole))
                .ends_with("The first 1,200 follow from each other; 3 lines beyond were not checked.")
        );
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
