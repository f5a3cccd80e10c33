//! Peers, their gene backups and refusals become JSON.

use antiphon_core::log::NodeClock;
use antiphon_node::{AuditLine, BackupView, Counters, HealthView, PeerMode, PeerStats, PeerView};

use super::view::{reason_dto, stream};
use crate::dto::{
    AuditLineDto, BackupDto, CountersDto, HeadDto, HealthDto, HealthErrorDto, PeerStatsDto, RefusalDto, TransitionDto,
};
use crate::time::rfc3339;

pub(crate) fn health(view: HealthView) -> HealthDto {
    let error = |error: antiphon_node::HealthErrorView| HealthErrorDto {
        reason: reason_dto(error.reason.name()),
        event_id: error.event.map(|id| id.to_string()),
        trace_id: error.fact.map(|id| id.to_string()),
        observed_at: rfc3339(error.observed_at),
    };
    HealthDto {
        version: view.version,
        version_observed_at: view.version_observed_at.map(rfc3339),
        last_success: view.last_success.map(rfc3339),
        consecutive_failures: view.consecutive_failures,
        last_error: view.last_error.map(error),
    }
}

pub(crate) const fn mode(mode: PeerMode) -> &'static str {
    match mode {
        PeerMode::Sync => "sync",
        PeerMode::Paused => "paused",
    }
}

pub(crate) fn peer_stats(stats: &PeerStats, counters: &Counters) -> PeerStatsDto {
    PeerStatsDto {
        self_id: stats.self_id.to_string(),
        node_name: stats.node_name.clone(),
        total_peers: stats.total_peers as u64,
        trusted: stats.trusted() as u64,
        by_trust: stats.by_trust.iter().map(|(trust, count)| (trust.name().to_owned(), *count as u64)).collect(),
        total_backups: stats.total_backups as u64,
        counters: self::counters(counters),
    }
}

pub(crate) fn counters(counters: &Counters) -> CountersDto {
    let transitions = counters.transitions.iter().map(|((from, to), count)| TransitionDto {
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        count: *count,
    });
    let refusals = counters.refusals.iter().map(|((kind, reason), count)| RefusalDto {
        kind: (*kind).to_owned(),
        reason: (*reason).to_owned(),
        count: *count,
    });
    CountersDto {
        transitions: transitions.collect(),
        refusals: refusals.collect(),
        refusals_unwritten: counters.refusals_unwritten,
        backups_made: counters.backups_made,
        backups_covered: counters.backups_covered,
        events_restored: counters.events_restored,
    }
}

pub(crate) fn backup(view: BackupView) -> BackupDto {
    let BackupView { name, backup } = view;
    BackupDto {
        peer_id: backup.node.to_string(),
        name,
        genome_hash: backup.genome_hash.to_string(),
        facts: backup.facts,
        events: backup.heads.values().map(|head| head.seq).fold(0, u64::saturating_add),
        backed_up_at: rfc3339(backup.backed_up_at),
        reason: backup.reason.name().to_owned(),
        heads: heads(&backup.heads),
    }
}

fn heads(clock: &NodeClock) -> Vec<HeadDto> {
    let head = clock.iter().map(|(log, head)| HeadDto {
        store_id: log.store.to_string(),
        stream: stream(log.stream).to_owned(),
        seq: head.seq,
        hash: head.hash.to_string(),
    });
    head.collect()
}

/// A line, with the name that the peer has now.
pub(crate) fn audit_line(line: AuditLine, peers: &[PeerView]) -> AuditLineDto {
    let known = line.node.and_then(|node| peers.iter().find(|peer| peer.peer_id == node));
    AuditLineDto {
        number: line.number,
        at: rfc3339(line.at),
        kind: line.kind,
        peer_id: line.node.map(|node| node.to_string()),
        name: known.map(|peer| peer.name.clone()).unwrap_or_default(),
        reason: reason_dto(&line.reason),
        detail: line.detail,
    }
}
