//! The hash table becomes JSON.

use std::collections::BTreeMap;

use antiphon_core::dht::{Body, Standing};
use antiphon_core::ids::NodeId;
use antiphon_node::{
    DhtBackend, DhtHealth, DhtKnownBy, DhtOperation, DhtPeerView, DhtProvidedView, DhtProviderView, DhtRecordView,
    DhtSource, DhtStats, DhtStatus, DhtStored, DhtTally,
};
use data_encoding::{BASE64, HEXLOWER};

use crate::dto::{
    DhtBackendDto, DhtCardDto, DhtOperationDto, DhtPeerDto, DhtPointerDto, DhtProvidedDto, DhtProviderDto, DhtQueueDto,
    DhtRecordDto, DhtStatsDto, DhtStatusDto, DhtStoredDto,
};
use crate::time::rfc3339;

/// The status; `name_of` gives the name of a member, where it is known.
pub(crate) fn dht_status(status: DhtStatus, stats: DhtStats, name_of: impl Fn(&NodeId) -> String) -> DhtStatusDto {
    DhtStatusDto {
        prefix: status.prefix.to_string(),
        mode: status.network.mode.name().to_owned(),
        serves: status.network.serves,
        choice: status.choice.name().to_owned(),
        using: status.using.name().to_owned(),
        bootstrapped: status.bootstrapped,
        bootstrap_attempts: status.bootstrap_attempts,
        routing: status.routing.iter().map(name_of).collect(),
        backends: vec![backend(DhtBackend::Local, &status.local), backend(DhtBackend::Kad, &status.kad)],
        queue: DhtQueueDto {
            items: count(status.items),
            waiting: count(status.waiting),
            under_way: count(status.under_way),
            next_due: status.next_due.map(rfc3339),
        },
        own_records: status.counts.own,
        other_records: status.counts.others,
        provided: status.counts.provides,
        held_records: count(status.network.records),
        refused: status.network.refused.into_iter().map(|(reason, times)| (reason.to_owned(), times)).collect(),
        stats: dht_stats(stats),
    }
}

pub(crate) fn dht_stats(stats: DhtStats) -> DhtStatsDto {
    DhtStatsDto {
        total_peers: count(stats.total_peers),
        total_keys: stats.total_keys,
        uptime_ms: stats.uptime_ms,
        routing_table_size: count(stats.routing_table_size),
        connected_peers: count(stats.connected_peers),
    }
}

fn backend(backend: DhtBackend, health: &DhtHealth) -> DhtBackendDto {
    let operations = DhtOperation::ALL.iter().zip(&health.operations);
    let operations: BTreeMap<String, DhtOperationDto> =
        operations.map(|(operation, tally)| (operation.name().to_owned(), tallied(*tally))).collect();
    DhtBackendDto {
        backend: backend.name().to_owned(),
        status: health.status.name().to_owned(),
        last_check: health.last_check.map(rfc3339),
        errors: health.errors,
        consecutive_failures: health.consecutive_failures,
        latency_p50_us: health.latency.p50_us,
        latency_p95_us: health.latency.p95_us,
        operations,
    }
}

fn tallied(tally: DhtTally) -> DhtOperationDto {
    let mean_us = tally.took_us.checked_div(tally.done).unwrap_or_default();
    DhtOperationDto { done: tally.done, failed: tally.failed, mean_us }
}

pub(crate) fn dht_stored(stored: DhtStored) -> DhtStoredDto {
    DhtStoredDto { changed: stored.changed, record: dht_record(stored.record) }
}

pub(crate) fn dht_record(view: DhtRecordView) -> DhtRecordDto {
    let kind = view.body.kind().name().to_owned();
    let (pointer, card) = match view.body {
        Body::Pointer(pointer) => {
            let pointer = DhtPointerDto {
                content: HEXLOWER.encode(&pointer.content.0),
                event: pointer.event.to_string(),
                store: pointer.store.to_string(),
                root: pointer.root.to_string(),
            };
            (Some(pointer), None)
        }
        Body::Card(card) => {
            let card = DhtCardDto {
                name: card.name,
                agent: card.agent,
                roles: card.roles.into_iter().collect(),
                capabilities: card.capabilities.into_iter().collect(),
                addresses: card.addresses,
            };
            (None, Some(card))
        }
    };
    let standing = match view.standing {
        Standing::Authorised => "authorised",
        Standing::Unknown => "unknown",
        Standing::Refuted => "refuted",
    };
    DhtRecordDto {
        key: view.key,
        kind,
        author: view.author.to_string(),
        author_name: view.author_name,
        own: view.own,
        version: view.version,
        expires: rfc3339(view.expires),
        standing: standing.to_owned(),
        asked: view.asked,
        published_at: view.published_at.map(rfc3339),
        pointer,
        card,
        value: BASE64.encode(&view.value),
    }
}

pub(crate) fn dht_provided(view: DhtProvidedView) -> DhtProvidedDto {
    let source = match view.source {
        DhtSource::Known => "known",
        DhtSource::Announced => "announced",
        DhtSource::Held => "held",
    };
    DhtProvidedDto {
        topic: view.topic.to_string(),
        source: source.to_owned(),
        since: rfc3339(view.since),
        published_at: view.published_at.map(rfc3339),
    }
}

pub(crate) fn dht_provider(view: DhtProviderView) -> DhtProviderDto {
    DhtProviderDto {
        peer_id: view.node.to_string(),
        name: view.name,
        own: view.own,
        connected: view.connected,
        added_at: rfc3339(view.added_at),
        last_seen: rfc3339(view.last_seen),
    }
}

pub(crate) fn dht_peer(view: DhtPeerView) -> DhtPeerDto {
    DhtPeerDto {
        peer_id: view.node.to_string(),
        name: view.name,
        own: view.own,
        connected: view.connected,
        agent: view.agent,
        roles: view.roles,
        capabilities: view.capabilities.into_iter().collect(),
        addresses: view.addresses,
        known_by: view.known_by.into_iter().map(DhtKnownBy::name).map(str::to_owned).collect(),
        card_expires: view.card_expires.map(rfc3339),
    }
}

fn count(many: usize) -> u64 {
    u64::try_from(many).unwrap_or(u64::MAX)
}
