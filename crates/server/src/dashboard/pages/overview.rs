//! The first page: whether all is well, what needs somebody, and how the team is.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::card::{Card, Mark};
use super::graph::{self, Graph};
use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Shown, Tab};
use crate::dashboard::plot::Spark;
use crate::dashboard::show;
use crate::dto::{
    DivergenceDto, DivergenceFilterDto, FactFilterDto, FactReceiptsDto, FiguresAskDto, FindingDto, HealthCountsDto,
    OutboxDto, PeerDto, ReceiptsDto, StatusDto,
};
use crate::error::Problem;
use crate::history::Metric;
use crate::time;

/// Facts that are shown.
const LATEST_MAX: usize = 4;
/// Peers that are listed; the page of peers has all.
const LISTED_MAX: usize = 8;
/// Sides of a divergence that are shown.
const SIDES_MAX: usize = 2;
/// Longest side that is shown, in characters.
const SIDE_CHARS_MAX: usize = 240;

pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/", get(overview))
}

#[derive(Template)]
#[template(path = "overview.html")]
struct View {
    problems: Vec<FindingDto>,
    problems_title: String,
    graph: Graph,
    peers: Vec<Row>,
    more_peers: usize,
    sync: Stat,
    lag: Option<Spark>,
    lag_words: String,
    content: Content,
    outbox: Stat,
    latest: Vec<Card>,
    diverged: Vec<Diverged>,
    diverged_count: String,
}

struct Row {
    href: String,
    name: String,
    mark: Mark,
    roles: String,
    seen: String,
    /// How it stands, in words.
    says: String,
}

/// A number with what it means.
struct Stat {
    big: String,
    says: String,
    marks: Vec<Mark>,
}

/// How copies of documents stand; widths are parts of 1000.
struct Content {
    big: String,
    says: String,
    words: String,
    healthy: u64,
    degraded: u64,
    critical: u64,
}

struct Diverged {
    href: String,
    text: String,
    sides: Vec<Side>,
}

struct Side {
    text: String,
    about: String,
}

async fn overview(State(dash): State<Dash>) -> Shown {
    let now_ms = dash.now().0;
    let status = dash.status().await?;
    let receipts = dash.receipts().await?;
    let tally = dash.handle().tally().await?;
    let diverged = dash.divergences(DivergenceFilterDto { limit: Some(1), after: None }).await?;
    let lag = lag(&dash)?;
    let view = View {
        lag_words: lag.as_ref().map(lag_words).unwrap_or_default(),
        lag,
        problems_title: problems_title(status.problems.len()),
        graph: Graph::of(&status.name, &status.peers),
        peers: status.peers.iter().take(LISTED_MAX).map(|peer| row(peer, now_ms)).collect(),
        more_peers: status.peers.len().saturating_sub(LISTED_MAX),
        sync: sync(&status.peers, now_ms),
        content: content(status.copies, tally.documents),
        outbox: outbox(&status.outbox, now_ms),
        latest: latest(&dash, now_ms).await?,
        diverged: diverged.divergences.iter().map(|one| of_divergence(one, now_ms)).collect(),
        diverged_count: show::count(tally.diverged, "divergence"),
        problems: status.problems.clone(),
    };
    let (heading, says) = headline(&status, &receipts);
    let page = Page::new(Tab::Overview, "Overview", &view)?.heading(heading);
    Ok(page.says(show::count(status.facts, "fact")).says(says).leads("safe to wipe this one?", "/wipe"))
}

/// Whether all is well, in one sentence, and what stands behind it.
fn headline(status: &StatusDto, receipts: &ReceiptsDto) -> (String, String) {
    if receipts.members.is_empty() {
        let heading = "Your memory is on this machine alone";
        return (heading.to_owned(), "no other member could give it back".to_owned());
    }
    let whole = receipts.members.iter().filter(|member| member.holding == "whole").count() as u64;
    let nearest = receipts.members.iter().filter(|member| member.signed_at.is_some());
    let nearest = nearest.min_by_key(|member| member.behind.saturating_add(member.headers));
    if whole > 0 {
        let machines = show::count(whole + 1, "machine");
        let bad = status.problems.is_empty();
        let heading =
            if bad { format!("Good: your memory is on {machines}") } else { format!("Your memory is on {machines}") };
        return (heading, format!("all of it held by {}", show::counted(whole, "other member", "other members")));
    }
    let heading = "No other machine holds all of your memory yet".to_owned();
    let says = nearest.map_or_else(
        || "no member has signed what it holds".to_owned(),
        |member| {
            let behind = member.behind.saturating_add(member.headers);
            format!("all but {} held by {}", show::count(behind, "event"), show::called(&member.name, &member.peer_id))
        },
    );
    (heading, says)
}

fn problems_title(count: usize) -> String {
    match count {
        0 => "Nothing needs you".to_owned(),
        1 => "One thing needs you".to_owned(),
        2 => "Two things need you".to_owned(),
        count => format!("{count} things need you"),
    }
}

fn row(peer: &PeerDto, now_ms: u64) -> Row {
    Row {
        href: format!("/peers/{}", peer.peer_id),
        name: show::called(&peer.name, &peer.peer_id),
        mark: Mark::new(show::trust_class(&peer.trust), peer.trust.to_lowercase()),
        roles: if peer.steward { "steward".to_owned() } else { peer.roles.join(", ") },
        seen: show::ago_or(peer.last_success.as_deref(), now_ms, "never"),
        says: peer.in_words.clone(),
    }
}

/// How far members were behind in the last hour.
fn lag(dash: &Dash) -> Result<Option<Spark>, Problem> {
    let ask = FiguresAskDto { metric: Some(Metric::Lag.name().to_owned()), since: None };
    let figures = dash.figures(&ask)?;
    let (since, until) = (time::parse(&figures.since), time::parse(&figures.until));
    let figure = figures.metrics.first().zip(since).zip(until);
    Ok(figure.and_then(|((figure, since), until)| Spark::of(figure, since, until)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "events are counted in whole numbers")]
fn lag_words(lag: &Spark) -> String {
    let peak = lag.peak as u64;
    if peak == 0 {
        return format!("nobody was behind in the last {}", lag.span);
    }
    format!("at most {} in the last {}", show::count(peak, "event"), lag.span)
}

fn sync(peers: &[PeerDto], now_ms: u64) -> Stat {
    let members: Vec<&PeerDto> = peers.iter().filter(|peer| peer.trust == "VERIFIED").collect();
    let lag = members.iter().filter_map(|peer| peer.lag_events).max();
    let last = members.iter().filter_map(|peer| peer.last_sync_at.as_deref()).max();
    let connected = members.iter().filter(|peer| graph::class(peer) == "ok").count() as u64;
    let marks = vec![Mark::new(
        if connected > 0 { "ok" } else { "warn" },
        format!("{connected} of {} connected", members.len()),
    )];
    match (members.is_empty(), lag) {
        (true, _) => {
            Stat {
                big: "–".to_owned(), says: "there is no verified member to sync with".to_owned(), marks: Vec::new()
            }
        }
        (false, None) => Stat { big: "–".to_owned(), says: "no member has said yet what it holds".to_owned(), marks },
        (false, Some(lag)) => {
            let last = last.map_or_else(String::new, |at| format!("; last exchange {}", show::ago(at, now_ms)));
            let unit = if lag == 1 { "event" } else { "events" };
            Stat {
                big: show::number(lag),
                says: format!("{unit} wait for the member that is furthest behind{last}"),
                marks,
            }
        }
    }
}

fn content(copies: HealthCountsDto, documents: u64) -> Content {
    let HealthCountsDto { healthy, degraded, critical } = copies;
    let total = healthy + degraded + critical;
    let part = |count: u64| (count * 1_000).checked_div(total).unwrap_or_default();
    let big = if total == 0 { "–".to_owned() } else { format!("{}.{} %", part(healthy) / 10, part(healthy) % 10) };
    let says = match (total, documents) {
        (0, 0) => "no documents are stored yet".to_owned(),
        (0, documents) => format!("{} in the index; none is copied yet", show::count(documents, "document")),
        _ => "of the stored versions have all their copies".to_owned(),
    };
    let words = format!("{healthy} healthy · {degraded} degraded · {critical} critical");
    Content { big, says, words, healthy: part(healthy), degraded: part(degraded), critical: part(critical) }
}

fn outbox(outbox: &OutboxDto, now_ms: u64) -> Stat {
    let says = match outbox.peers.as_slice() {
        [] => "nothing waits for anybody".to_owned(),
        [peer] => {
            let next = peer
                .next_try
                .as_deref()
                .map_or_else(String::new, |at| format!(", next try {}", show::until(at, now_ms)));
            format!("waiting for {}{next}", show::called(&peer.name, &peer.peer_id))
        }
        peers => format!("waiting for {} peers", peers.len()),
    };
    let marks = if outbox.stuck > 0 { vec![Mark::new("bad", format!("{} stuck", outbox.stuck))] } else { Vec::new() };
    Stat { big: show::number(outbox.pending), says, marks }
}

async fn latest(dash: &Dash, now_ms: u64) -> Result<Vec<Card>, Problem> {
    let facts = dash.facts(FactFilterDto { limit: Some(LATEST_MAX), ..FactFilterDto::default() }).await?.facts;
    let mut cards = Vec::with_capacity(facts.len());
    for fact in facts {
        let held = held(&dash.fact_receipts(&fact.id).await?);
        cards.push(Card { held: Some(held), ..Card::of(&fact, now_ms) });
    }
    Ok(cards)
}

/// Who holds a fact, in a few words.
pub(super) fn held(receipts: &FactReceiptsDto) -> String {
    if receipts.shared { format!("held by {}", receipts.held + 1) } else { "held here alone".to_owned() }
}

fn of_divergence(one: &DivergenceDto, now_ms: u64) -> Diverged {
    let field = one.fields.iter().find(|field| field.field == "content").or(one.fields.first());
    let sides = field.map(|field| field.sides.iter().take(SIDES_MAX)).into_iter().flatten().map(|side| Side {
        text: show::cut(&super::words::value(&side.value, side.deleted, side.missing), SIDE_CHARS_MAX),
        about: format!("{} · {}", side.author, show::ago(&side.at, now_ms)),
    });
    let text = one.text.as_deref().unwrap_or("something that was forgotten on one side");
    Diverged { href: format!("/divergences/{}", one.id), text: show::cut(text, 80), sides: sides.collect() }
}
