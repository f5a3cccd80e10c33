//! What waits for members that cannot be reached: for whom, why, and since when.

use antiphon_core::time::UnixMillis;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Page, Query, Sent, Shown, Tab, given};
use crate::dashboard::say::{Tag, Tone, When, bytes, called, link, many, number, plain};
use crate::dashboard::session::Visitor;
use crate::dto::{
    OutboxFilterDto, OutboxItemDto, OutboxPeerDto, OutboxRestoredDto, OutboxRetryDto, OutboxStatsDto, ReasonDto,
};

/// Items on one page.
const ITEMS_PER_PAGE: usize = 100;
/// Levels of items that wait.
const LEVELS: [&str; 2] = ["critical", "moderate"];

/// The page about what waits.
pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/outbox", get(list)).route("/outbox/retry", post(retry)).route("/outbox/drop", post(drop_item))
}

/// Which items are listed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Filter {
    peer: String,
    level: String,
    after: String,
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct View {
    csrf: String,
    problems: Vec<Problem>,
    words: String,
    waiting: Vec<Waiting>,
    items: Vec<Item>,
    next: Option<String>,
    filter: Filter,
    filtered: bool,
    levels: [&'static str; 2],
}

async fn list(State(dash): State<Dash>, visitor: Visitor, Query(filter): Query<Filter>) -> Shown {
    let now = dash.now();
    let ask = OutboxFilterDto {
        peer: given(&filter.peer),
        level: given(&filter.level),
        limit: Some(ITEMS_PER_PAGE),
        after: given(&filter.after),
    };
    let (page, stats) = (dash.outbox(ask).await?, dash.outbox_stats().await?);
    let further = |after: &str| link("/outbox", &[("peer", &filter.peer), ("level", &filter.level), ("after", after)]);
    let view = View {
        csrf: visitor.csrf(),
        problems: problems(&stats),
        words: words(&stats),
        waiting: stats
            .peers
            .iter()
            .filter(|peer| peer.pending + peer.stuck > 0)
            .map(|peer| Waiting::of(peer, now))
            .collect(),
        items: page.items.iter().map(|item| Item::of(item, now)).collect(),
        next: page.next.as_deref().map(further),
        filtered: given(&filter.peer).or_else(|| given(&filter.level)).is_some(),
        filter,
        levels: LEVELS,
    };
    let heading = match stats.pending {
        0 => "Nothing waits".to_owned(),
        1 => "1 item waits".to_owned(),
        several => format!("{} items wait", number(several)),
    };
    Ok(Page::new(Tab::Outbox, "Outbox", &view)?.heading(heading).says("for members that cannot be reached"))
}

/// Which item.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Which {
    id: String,
}

async fn retry(State(dash): State<Dash>, Form(which): Form<Which>) -> Sent {
    let retried = dash.retry_outbox(OutboxRetryDto { id: given(&which.id) }).await?;
    let said = match (retried.put_back, retried.peers) {
        (0, 0) => "Nothing waits that could be tried.".to_owned(),
        (0, peers) => format!("{} tried now.", many(peers, "member is", "members are")),
        (items, peers) => {
            let items = many(items, "item waits", "items wait");
            format!("{items} again; {} tried now.", many(peers, "member is", "members are"))
        }
    };
    Ok(Done::at("/outbox").saying(Flash::done(said)))
}

async fn drop_item(State(dash): State<Dash>, Form(which): Form<Which>) -> Sent {
    let dropped = dash.drop_outbox(&which.id).await?;
    let who = called(&dropped.name, &dropped.peer_id);
    let said = format!("The {} for {who} is dropped; it will not be delivered.", plain(&dropped.protocol));
    Ok(Done::at("/outbox").saying(Flash::done(said)))
}

/// An item in the list.
#[derive(Debug, Clone)]
struct Item {
    id: String,
    peer: String,
    what: String,
    level: String,
    state: Tag,
    reason: Option<String>,
    since: When,
    size: String,
    place: String,
    next_try: Option<When>,
    /// It waits for a person, not for a machine.
    stuck: bool,
}

impl Item {
    fn of(item: &OutboxItemDto, now: UnixMillis) -> Self {
        let tone = match item.state.as_str() {
            "under_way" => Tone::Info,
            "waiting" => Tone::Warn,
            "refused" | "damaged" => Tone::Bad,
            _ => Tone::Plain,
        };
        Self {
            id: item.id.clone(),
            peer: called(&item.name, &item.peer_id),
            what: plain(&item.protocol),
            level: item.level.clone(),
            state: Tag::new(tone, plain(&item.state)),
            reason: item.reason.as_ref().map(|reason| reason.text.clone()),
            since: When::of(&item.at, now),
            size: bytes(item.bytes),
            place: item.position.map(|place| format!("place {}", number(place))).unwrap_or_default(),
            next_try: When::maybe(item.next_try.as_ref(), now),
            stuck: matches!(item.state.as_str(), "refused" | "damaged" | "abandoned"),
        }
    }
}

/// What waits for one member.
#[derive(Debug, Clone)]
struct Waiting {
    peer: String,
    href: String,
    pending: String,
    size: String,
    stuck: Option<Tag>,
    tries: String,
    next_try: Option<When>,
    reason: String,
    cure: String,
    delivered: Option<When>,
}

impl Waiting {
    fn of(peer: &OutboxPeerDto, now: UnixMillis) -> Self {
        let name = called(&peer.name, &peer.peer_id);
        let hint = peer.reason.as_ref().and_then(|reason| reason.hint.clone());
        Self {
            href: link("/outbox", &[("peer", &peer.peer_id)]),
            pending: many(peer.pending, "item", "items"),
            size: bytes(peer.bytes),
            stuck: (peer.stuck > 0).then(|| Tag::new(Tone::Bad, format!("{} stuck", number(peer.stuck)))),
            tries: many(u64::from(peer.tries), "attempt in vain", "attempts in vain"),
            next_try: When::maybe(peer.next_try.as_ref(), now),
            reason: peer.reason.as_ref().map_or_else(|| "it is away".to_owned(), |reason| reason.text.clone()),
            cure: hint.unwrap_or_else(|| format!("antiphon why {name}")),
            delivered: When::maybe(peer.delivered_at.as_ref(), now),
            peer: name,
        }
    }
}

/// Something a person should look at.
#[derive(Debug, Clone)]
struct Problem {
    class: &'static str,
    words: String,
    cure: String,
}

fn problems(stats: &OutboxStatsDto) -> Vec<Problem> {
    let stuck = stats.refused + stats.damaged;
    let mut problems = Vec::new();
    if stuck > 0 {
        let words = format!(
            "{} not delivered: {} refused, {} damaged. They stay until somebody tries them again or drops them.",
            many(stuck, "item was", "items were"),
            number(stats.refused),
            number(stats.damaged)
        );
        problems.push(Problem { class: "bad", words, cure: "antiphon outbox list".to_owned() });
    }
    let restored = stats.restored.iter().map(|OutboxRestoredDto { peer_id, name, reason, lost, .. }| {
        let ReasonDto { text, hint, .. } = reason;
        let words = format!("{}: {text}", called(name, peer_id));
        let cure = hint.clone().unwrap_or_else(|| "antiphon outbox stats".to_owned());
        Problem { class: if *lost { "bad" } else { "" }, words, cure }
    });
    problems.extend(restored);
    problems
}

/// How much waits, in a sentence.
fn words(stats: &OutboxStatsDto) -> String {
    let waiting = stats.peers.iter().filter(|peer| peer.pending > 0).count() as u64;
    if stats.pending == 0 {
        return format!(
            "Nothing waits. {} delivered since the node started.",
            many(stats.counters.delivered, "item was", "items were")
        );
    }
    let limit = bytes(stats.bounds.bytes_in_all);
    format!(
        "{} {} for {}; {} of at most {limit}, encrypted on the disk.",
        many(stats.pending, "item", "items"),
        if stats.pending == 1 { "waits" } else { "wait" },
        many(waiting, "member", "members"),
        bytes(stats.bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_in_a_sentence() {
        let mut stats = OutboxStatsDto::default();
        assert!(words(&stats).starts_with("Nothing waits. 0 items were delivered"));
        assert!(problems(&stats).is_empty());
        stats.pending = 17;
        stats.peers = vec![OutboxPeerDto { pending: 17, ..OutboxPeerDto::default() }, OutboxPeerDto::default()];
        assert!(words(&stats).starts_with("17 items wait for 1 member;"), "{}", words(&stats));
        (stats.refused, stats.damaged) = (1, 1);
        let found = problems(&stats);
        assert!(found[0].words.starts_with("2 items were not delivered: 1 refused"), "{}", found[0].words);
    }
}
