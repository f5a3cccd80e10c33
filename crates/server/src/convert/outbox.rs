//! The outbox becomes JSON.

use antiphon_core::outbox::{Level, MODERATE_RETRIES_MAX, Protocol};
use antiphon_node::{
    OutboxItemView, OutboxLevelView, OutboxPage, OutboxPeerView, OutboxRestoredView, OutboxRetried, OutboxStats,
    OutboxSummary, Words,
};

use super::view::said;
use crate::dto::{
    OutboxBoundsDto, OutboxCountersDto, OutboxDto, OutboxItemDto, OutboxItemsDto, OutboxLevelDto, OutboxLevelsDto,
    OutboxPeerDto, OutboxRestoredDto, OutboxRetriedDto, OutboxStatsDto, OutboxWaitDto, ReasonDto,
};
use crate::time::rfc3339;

/// What cannot be read of a damaged row.
const UNKNOWN: &str = "unknown";

pub(crate) fn outbox_items(page: OutboxPage) -> OutboxItemsDto {
    let items: Vec<OutboxItemDto> = page.items.into_iter().map(outbox_item).collect();
    let next = items.last().filter(|_| page.more).map(|item| item.id.clone());
    OutboxItemsDto { items, next }
}

pub(crate) fn outbox_item(item: OutboxItemView) -> OutboxItemDto {
    OutboxItemDto {
        id: item.id.to_string(),
        peer_id: item.peer.map(|peer| peer.to_string()).unwrap_or_default(),
        name: item.name,
        protocol: item.protocol.map_or(UNKNOWN, Protocol::name).to_owned(),
        level: item.level.map_or(UNKNOWN, Level::name).to_owned(),
        schema: item.schema,
        subject: item.subject.map(|subject| data_encoding::HEXLOWER.encode(&subject.0)).unwrap_or_default(),
        state: item.state.name().to_owned(),
        reason: reason(item.reason, item.words),
        at: rfc3339(item.at),
        bytes: item.bytes,
        position: item.position,
        tries: item.tries,
        next_try: item.next_try.map(rfc3339),
    }
}

fn reason(code: Option<String>, words: Option<Words>) -> Option<ReasonDto> {
    code.map(|code| said(&code, words))
}

/// What `status` says of the outbox.
pub(crate) fn outbox_summary(summary: OutboxSummary) -> OutboxDto {
    OutboxDto {
        pending: summary.pending,
        stuck: summary.stuck,
        peers: summary.peers.into_iter().filter(|peer| peer.pending > 0).map(outbox_wait).collect(),
    }
}

/// What waits for one peer, in short.
pub(super) fn outbox_wait(peer: OutboxPeerView) -> OutboxWaitDto {
    OutboxWaitDto {
        peer_id: peer.peer.to_string(),
        name: peer.name,
        pending: peer.pending,
        next_try: peer.next_try.map(rfc3339),
    }
}

pub(crate) fn outbox_stats(stats: OutboxStats) -> OutboxStatsDto {
    let (pending, bytes) = (stats.pending(), stats.bytes());
    let peer = |peer: OutboxPeerView| OutboxPeerDto {
        peer_id: peer.peer.to_string(),
        name: peer.name,
        pending: peer.pending,
        stuck: peer.stuck,
        bytes: peer.bytes,
        tries: peer.tries,
        next_try: peer.next_try.map(rfc3339),
        reason: reason(peer.reason, peer.words),
        delivered_at: peer.delivered_at.map(rfc3339),
    };
    let (bounds, counters) = (stats.bounds, stats.counters);
    OutboxStatsDto {
        pending,
        bytes,
        refused: stats.refused,
        damaged: stats.damaged,
        abandoned: stats.abandoned,
        bounds: OutboxBoundsDto {
            items_per_peer: bounds.items_per_peer,
            bytes_per_peer: bounds.bytes_per_peer,
            bytes_in_all: bounds.bytes_in_all,
        },
        peers: stats.peers.into_iter().map(peer).collect(),
        counters: OutboxCountersDto {
            enqueued: counters.enqueued,
            enqueued_bytes: counters.enqueued_bytes,
            delivered: counters.delivered,
            delivered_bytes: counters.delivered_bytes,
            merged: counters.merged,
            refused: counters.refused,
            abandoned: counters.abandoned,
            dropped: counters.dropped,
            set_aside: counters.set_aside,
            busy: counters.busy,
            full: counters.full,
        },
        restored: stats.restored.into_iter().map(restored).collect(),
    }
}

fn restored(view: OutboxRestoredView) -> OutboxRestoredDto {
    OutboxRestoredDto {
        peer_id: view.peer.to_string(),
        name: view.name,
        reason: said(view.kind, Some(view.words)),
        lost: view.lost,
        at: rfc3339(view.at),
    }
}

pub(crate) fn outbox_levels(levels: Vec<OutboxLevelView>) -> OutboxLevelsDto {
    let level = |row: OutboxLevelView| OutboxLevelDto {
        protocol: row.protocol.name().to_owned(),
        level: row.level.name().to_owned(),
        usual: row.usual.name().to_owned(),
        retries: match row.level {
            Level::Critical => None,
            Level::Moderate => Some(MODERATE_RETRIES_MAX),
            Level::None => Some(0),
        },
        durable: row.level == Level::Critical,
        merges: row.merges,
        what: row.what.to_owned(),
    };
    OutboxLevelsDto { levels: levels.into_iter().map(level).collect() }
}

pub(crate) fn outbox_retried(retried: OutboxRetried) -> OutboxRetriedDto {
    OutboxRetriedDto { put_back: retried.put_back, peers: retried.peers }
}
