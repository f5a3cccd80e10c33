//! The tool about what waits for peers. An agent may look and try again; to drop something is for people.

use antiphon_node::{count, counted};
use rmcp::model::JsonObject;
use serde::Deserialize;

use super::args::page;
use super::show::{Answer, answer, lines};
use crate::dto::{OutboxFilterDto, OutboxItemDto, OutboxItemsDto, OutboxPeerDto, OutboxStatsDto};
use crate::error::{Code, Problem};
use crate::mcp::args::read;
use crate::mcp::render::{Rendered, quoted};
use crate::service::Service;

/// Arguments of `outbox`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outbox {
    peer: Option<String>,
    #[serde(default)]
    stats: bool,
    limit: Option<usize>,
    after: Option<String>,
}

/// Arguments of `outbox_retry`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    id: Option<String>,
}

pub(super) async fn show(service: &Service, arguments: JsonObject) -> Result<Rendered, Problem> {
    let Outbox { peer, stats, limit, after } = read(arguments)?;
    if !stats {
        let filter = OutboxFilterDto { peer, level: None, limit: Some(page(limit)), after };
        return items(&service.outbox(filter).await?);
    }
    if peer.is_some() || limit.is_some() || after.is_some() {
        return Err(Problem::new(Code::Invalid, "stats goes with nothing else").hint("leave the others out"));
    }
    numbers(&service.outbox_stats().await?)
}

pub(super) async fn retry(service: &Service, arguments: JsonObject) -> Result<Rendered, Problem> {
    let Retry { id } = read(arguments)?;
    let retried = service.retry_outbox(crate::dto::OutboxRetryDto { id }).await?;
    let (peers, items) = (count(retried.peers, "peer"), count(retried.put_back, "item"));
    answer(format!("tries {peers} now; {items} put back among those that wait."), &retried)
}

fn items(page: &OutboxItemsDto) -> Answer {
    let more = page.next.as_ref().map(|next| format!(" There are more: pass after={next}.")).unwrap_or_default();
    let line = |item: &OutboxItemDto| {
        let reason = item.reason.as_ref().map(|reason| format!(" ({})", reason.code)).unwrap_or_default();
        let place = item.position.map(|position| format!(", position {position}")).unwrap_or_default();
        let next = item.next_try.as_ref().map(|at| format!(", next try {at}")).unwrap_or_default();
        format!(
            "- {} {} for {}: {}{reason}{place}, since {}, {}{next}",
            item.id,
            item.protocol,
            quoted(&item.name),
            item.state,
            item.at,
            counted(item.tries, "try", "tries")
        )
    };
    answer(lines(format!("{}.{more}", count(page.items.len(), "item")), &page.items, line), page)
}

fn numbers(stats: &OutboxStatsDto) -> Answer {
    let heading = format!(
        "{} wait, {} refused, {} damaged, {} given up. Since the start: {} enqueued, {} delivered, {} merged.",
        stats.pending,
        stats.refused,
        stats.damaged,
        stats.abandoned,
        stats.counters.enqueued,
        stats.counters.delivered,
        stats.counters.merged
    );
    let line = |peer: &OutboxPeerDto| {
        let next = peer.next_try.as_ref().map(|at| format!(", next try {at}")).unwrap_or_default();
        format!(
            "- {}: {} wait, {} need a person, {} tries{next}",
            quoted(&peer.name),
            peer.pending,
            peer.stuck,
            peer.tries
        )
    };
    answer(lines(heading, &stats.peers, line), stats)
}
