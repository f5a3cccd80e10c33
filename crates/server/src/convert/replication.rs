//! Copies of documents between the documented shapes and the node's values.

use antiphon_core::ids::Hash;
use antiphon_core::replication::{Health, Priority, Settings};
use antiphon_node::{
    Evidence, Garbage, HealthCounts, ReplicaHolder, ReplicationCursor, ReplicationMetrics, ReplicationStatus,
};
use data_encoding::HEXLOWER;

use crate::dto::{
    GarbageDto, GarbageItemDto, HealthCountsDto, ReplicaDto, ReplicaHolderDto, ReplicationMetricsDto,
    ReplicationSettingsDto,
};
use crate::error::Problem;
use crate::time::rfc3339;

/// The priority that a person leaves to the rule.
const PRIORITY_BY_RULE: &str = "auto";

/// How the copies of a document stand, by its name.
pub(crate) fn health_of(name: &str) -> Result<Health, Problem> {
    Health::from_name(name).ok_or_else(|| Problem::bad_value("health", name, "use healthy, degraded or critical"))
}

/// How soon copies are made, by its name; `None` for what follows from the version.
pub(crate) fn priority_of(name: &str) -> Result<Option<Priority>, Problem> {
    let named = Priority::from_name(name);
    if named.is_some() || name == PRIORITY_BY_RULE {
        return Ok(named);
    }
    Err(Problem::bad_value("priority", name, "use low, normal, high or auto"))
}

/// Where a page goes on, as a text.
pub(crate) fn replication_cursor(cursor: ReplicationCursor) -> String {
    format!("{}-{}", cursor.health, cursor.root)
}

/// Where a page goes on.
pub(crate) fn replication_cursor_of(text: &str) -> Result<ReplicationCursor, Problem> {
    let read = || {
        let (health, root) = text.split_once('-')?;
        Some(ReplicationCursor { health: Health::from_name(health)?, root: root.parse::<Hash>().ok()? })
    };
    read().ok_or_else(|| Problem::bad_value("after", text, "pass the next of the page before"))
}

/// How many stand how.
pub(crate) fn health_counts(counts: HealthCounts) -> HealthCountsDto {
    let HealthCounts { healthy, degraded, critical } = counts;
    HealthCountsDto { healthy, degraded, critical }
}

/// The copies of one version of a document.
pub(crate) fn replica(status: ReplicationStatus) -> ReplicaDto {
    let (address, version) = match status.document {
        Some((address, version)) => (address.to_string(), version),
        None => Default::default(),
    };
    ReplicaDto {
        address,
        version,
        manifest: status.root.to_string(),
        size: status.size,
        target: number(status.target),
        actual: number(status.actual),
        healthy: number(status.healthy),
        health: status.health.name().to_owned(),
        priority: status.priority.name().to_owned(),
        is_local: status.is_local,
        created: rfc3339(status.created),
        last_reprovided: status.last_reprovided.map(rfc3339),
        providers: status.providers.into_iter().map(holder).collect(),
    }
}

/// What is known of one member and one document.
pub(crate) fn holder(holder: ReplicaHolder) -> ReplicaHolderDto {
    ReplicaHolderDto {
        peer_id: holder.peer.to_string(),
        peer: holder.name,
        own: holder.own,
        member: holder.member,
        connected: holder.connected,
        placed: holder.placed,
        known_by: holder.evidence.map_or("announced", Evidence::name).to_owned(),
        known_at: holder.evidence.map(|evidence| rfc3339(evidence.at())),
        counts: holder.counts,
        added_at: rfc3339(holder.added_at),
        last_seen: rfc3339(holder.last_seen),
        quality: holder.quality,
        distance: HEXLOWER.encode(&holder.distance),
    }
}

/// What was done for copies.
pub(crate) fn replication_metrics(metrics: ReplicationMetrics) -> ReplicationMetricsDto {
    ReplicationMetricsDto {
        total_keys: metrics.total_keys,
        total_providers: metrics.total_providers,
        average_replication: metrics.average_replication,
        health: health_counts(metrics.health),
        reprovide_operations: metrics.reprovide_operations,
        successful: metrics.successful,
        failed: metrics.failed,
        proofs: metrics.proofs,
        wrong: metrics.wrong,
        taken: metrics.taken,
        trimmed: metrics.trimmed,
        offers_under_way: number(metrics.offers.0),
        offers_waiting: number(metrics.offers.1),
        last_reprovide: metrics.last_reprovide.map(rfc3339),
        last_cleanup: metrics.last_cleanup.map(rfc3339),
        held_for_others_bytes: metrics.held_for_others_bytes,
        promised_bytes: metrics.promised_bytes,
        quota_bytes: metrics.quota_bytes,
        settings: settings(metrics.settings),
    }
}

/// What nobody needs.
pub(crate) fn garbage(dry_run: bool, found: Vec<Garbage>) -> GarbageDto {
    let goes = found.iter().filter(|one| one.goes());
    let bytes = goes.fold(0, |sum: u64, one| sum.saturating_add(one.bytes));
    GarbageDto { dry_run, bytes, items: found.into_iter().map(garbage_item).collect() }
}

fn garbage_item(one: Garbage) -> GarbageItemDto {
    GarbageItemDto {
        manifest: one.root.to_string(),
        bytes: one.bytes,
        reason: one.reason_name().to_owned(),
        text: one.to_string(),
        stays: one.stays.map(|stays| stays.name().to_owned()),
        address: one.address.map(|address| address.to_string()),
    }
}

fn settings(settings: Settings) -> ReplicationSettingsDto {
    ReplicationSettingsDto {
        factor: u64::from(settings.factor),
        grace_ms: settings.grace_ms,
        reprovide_interval_ms: settings.reprovide_ms,
        cleanup_interval_ms: settings.cleanup_ms,
        provider_ttl_ms: settings.provider_ttl_ms,
        proof_age_ms: settings.proof_ms,
        providers_per_key: number(settings.providers_per_key),
        automatic: settings.automatic,
        reprovide: settings.reprovide,
        concurrent: number(settings.concurrent),
        keep_own: settings.keep_own,
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
