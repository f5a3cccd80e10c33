//! Other nodes: who they are, how far they are trusted, how sync goes and why something is not there.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;

use super::card::Mark;
use super::graph;
use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Page, Query, Sent, Shown, Tab, given};
use crate::dashboard::session::Visitor;
use crate::dashboard::show;
use crate::dto::{ModeDto, PeerDto, PeerStandingDto, ReasonDto, ShareDto, WhyDto};
use crate::error::{Code, Problem};

pub(super) fn routes() -> Router<Dash> {
    Router::new()
        .route("/peers", get(list))
        .route("/peers/handshake", post(handshake))
        .route("/peers/{peer}", get(show_one))
        .route("/peers/{peer}/mode", post(set_mode))
        .route("/peers/{peer}/reset", post(reset))
}

#[derive(Template)]
#[template(path = "peers.html")]
struct List {
    rows: Vec<Row>,
    csrf: String,
}

struct Row {
    href: String,
    name: String,
    trust: Mark,
    link: Mark,
    roles: String,
    lag: String,
    words: String,
    seen: String,
}

async fn list(State(dash): State<Dash>, visitor: Visitor) -> Shown {
    let now_ms = dash.now().0;
    let peers = dash.peers().await?.peers;
    let connected = peers.iter().filter(|peer| peer.connected).count();
    let says = format!("{connected} of {} connected", peers.len());
    let view = List { rows: peers.iter().map(|peer| row(peer, now_ms)).collect(), csrf: visitor.csrf() };
    let page = Page::new(Tab::Peers, "Peers", &view)?;
    Ok(if peers.is_empty() { page.says("nobody else is known") } else { page.says(says) })
}

fn trust(peer: &PeerDto) -> Mark {
    Mark::new(show::trust_class(&peer.trust), peer.trust.to_lowercase())
}

fn link(peer: &PeerDto) -> Mark {
    match (peer.mode.as_str(), peer.connected) {
        ("paused", _) => Mark::new("info", "paused"),
        (_, true) => Mark::new("ok", "connected"),
        (_, false) => Mark::new(if graph::class(peer) == "bad" { "bad" } else { "warn" }, "not connected"),
    }
}

fn roles(peer: &PeerDto) -> String {
    let steward = peer.steward.then(|| "steward".to_owned());
    steward.into_iter().chain(peer.roles.iter().cloned()).collect::<Vec<_>>().join(", ")
}

/// Who it is, in a few words; how things stand is said below.
fn subject(peer: &PeerDto) -> String {
    let (trust, roles) = (peer.trust.to_lowercase(), roles(peer));
    if roles.is_empty() { trust } else { format!("{trust}, {roles}") }
}

fn row(peer: &PeerDto, now_ms: u64) -> Row {
    Row {
        href: format!("/peers/{}", peer.peer_id),
        name: show::called(&peer.name, &peer.peer_id),
        trust: trust(peer),
        link: link(peer),
        roles: roles(peer),
        lag: peer.lag_events.map_or_else(|| "–".to_owned(), show::number),
        words: peer.in_words.clone(),
        seen: show::ago_or(peer.last_success.as_deref(), now_ms, "never"),
    }
}

#[derive(Template)]
#[template(path = "peer.html")]
struct One {
    id: String,
    trust: Mark,
    link: Mark,
    words: String,
    reason: Option<ReasonDto>,
    hint: Option<String>,
    rows: Vec<(&'static str, String)>,
    cursors: Vec<(&'static str, String)>,
    uncounted: Vec<(String, String, Option<String>)>,
    paused: bool,
    /// What the findings are about.
    about: String,
    why: Vec<Finding>,
    held: bool,
    fact: String,
    csrf: String,
}

struct Finding {
    class: &'static str,
    what: String,
    fix: Option<String>,
}

#[derive(Deserialize)]
struct Ask {
    #[serde(default)]
    fact: String,
}

async fn show_one(
    State(dash): State<Dash>,
    visitor: Visitor,
    Path(peer): Path<String>,
    Query(ask): Query<Ask>,
) -> Shown {
    let now_ms = dash.now().0;
    let id = dash.peer(&peer).await?.peer_id;
    let federation = dash.federation().await?;
    let gone = || Problem::new(Code::NotFound, format!("{peer} is no peer any more")).hint("antiphon peers list");
    let standing = federation.peers.into_iter().find(|one| one.peer.peer_id == id).ok_or_else(gone)?;
    let fact = given(&ask.fact);
    let why = dash.why(fact.as_deref(), &id).await?;
    let name = show::called(&standing.peer.name, &id);
    let view = view(&standing, &why, fact, &visitor, now_ms);
    Ok(Page::new(Tab::Peers, name.clone(), &view)?
        .heading(name)
        .says(subject(&standing.peer))
        .leads("all peers", "/peers"))
}

fn view(standing: &PeerStandingDto, why: &WhyDto, fact: Option<String>, visitor: &Visitor, now_ms: u64) -> One {
    let peer = &standing.peer;
    let finding = |one: &crate::dto::WhyFindingDto| Finding {
        class: if one.blocks { "" } else { "info" },
        what: one.what.clone(),
        fix: one.fix.clone(),
    };
    let cursors = &standing.cursors;
    let uncounted = cursors
        .uncounted
        .iter()
        .map(|one| (show::count(one.events, "event"), one.reason.text.clone(), one.reason.hint.clone()));
    One {
        id: peer.peer_id.clone(),
        trust: trust(peer),
        link: link(peer),
        words: peer.in_words.clone(),
        reason: peer.reason.clone(),
        hint: peer.hint.clone(),
        rows: rows(standing, now_ms),
        cursors: vec![
            ("received of its own logs", show::count(cursors.received, "event")),
            ("of those, counted", show::count(cursors.applied, "event")),
            ("not signed for yet", show::count(cursors.waiting, "event")),
            ("without their text", show::count(cursors.missing_payloads, "event")),
        ],
        uncounted: uncounted.collect(),
        paused: peer.mode == "paused",
        about: fact.as_deref().map_or_else(|| "Why".to_owned(), |fact| format!("Why, for fact {fact}")),
        why: why.findings.iter().map(finding).collect(),
        held: why.held,
        fact: fact.unwrap_or_default(),
        csrf: visitor.csrf(),
    }
}

fn rows(standing: &PeerStandingDto, now_ms: u64) -> Vec<(&'static str, String)> {
    let peer = &standing.peer;
    let when = |at: &Option<String>| show::ago_or(at.as_deref(), now_ms, "never");
    let lag =
        |events: Option<u64>| events.map_or_else(|| "not known yet".to_owned(), |events| show::count(events, "event"));
    let roles = roles(peer);
    let all = [
        ("peer id", Some(peer.peer_id.clone())),
        ("store", peer.store_id.clone()),
        ("roles", (!roles.is_empty()).then_some(roles)),
        ("runs", peer.agent_version.clone()),
        ("addresses", (!peer.addresses.is_empty()).then(|| peer.addresses.join(", "))),
        ("it lacks", Some(lag(peer.lag_events))),
        ("this node lacks", Some(lag(peer.behind_events))),
        ("held the same", Some(when(&peer.equal_at))),
        ("last success", Some(when(&peer.last_success))),
        ("last heard of", Some(when(&peer.last_seen))),
        ("last handshake", Some(when(&peer.handshake_at))),
        ("facts from it", Some(show::number(peer.fact_count))),
        ("gets", Some(domains(&standing.domains))),
        ("in the outbox", standing.outbox.as_ref().map(|wait| show::count(wait.pending, "item"))),
        (
            "stores for others",
            peer.storage.as_ref().map(|storage| match storage.offer {
                true => format!("{} of {}", show::bytes(storage.used_bytes), show::bytes(storage.quota_bytes)),
                false => "nothing".to_owned(),
            }),
        ),
        ("its genome", peer.genome_hash.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn domains(share: &ShareDto) -> String {
    match (share.only.is_empty(), share.except.is_empty()) {
        (true, true) => "every domain".to_owned(),
        (true, false) => format!("all but {}", share.except.join(", ")),
        (false, true) => format!("only {}", share.only.join(", ")),
        (false, false) => format!("only {}, without {}", share.only.join(", "), share.except.join(", ")),
    }
}

#[derive(Deserialize)]
struct ModeForm {
    mode: String,
}

async fn set_mode(State(dash): State<Dash>, Path(peer): Path<String>, Form(form): Form<ModeForm>) -> Sent {
    let set = dash.set_peer_mode(&peer, &ModeDto { mode: form.mode }).await?;
    let name = show::called(&set.name, &set.peer_id);
    let says = match set.mode.as_str() {
        "paused" => format!("Nothing is exchanged with {name} until you go on."),
        _ => format!("Sync with {name} goes on."),
    };
    Ok(Done::at(format!("/peers/{}", set.peer_id)).saying(Flash::done(says)))
}

async fn reset(State(dash): State<Dash>, Path(peer): Path<String>) -> Sent {
    let id = dash.reset_peer(&peer).await?.peer_id;
    let says = "What was noted about it is cleared; it is greeted anew.";
    Ok(Done::at(format!("/peers/{id}")).saying(Flash::done(says)))
}

#[derive(Deserialize)]
struct HandshakeForm {
    address: String,
}

async fn handshake(State(dash): State<Dash>, Form(form): Form<HandshakeForm>) -> Sent {
    let done = dash.handshake(form.address.trim()).await?;
    let flash = match &done.reason {
        None => Flash::done(format!("It answered; it is {} now.", done.trust.to_lowercase())),
        Some(reason) => Flash::partly(match &reason.hint {
            Some(hint) => format!("It was not accepted: {}. Next: {hint}", reason.text),
            None => format!("It was not accepted: {}", reason.text),
        }),
    };
    Ok(Done::at(format!("/peers/{}", done.peer_id)).saying(flash))
}
