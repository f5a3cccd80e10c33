//! How copies stand, as it is shown.

use std::collections::BTreeMap;

use antiphon_core::address::Address;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_protocol::replication::manager::{HealthCounts as Counts, Provider, Status};

use crate::api::{HealthCounts, ReplicaHolder, ReplicationStatus};

/// What a ciphertext is of.
pub(crate) type Document = Option<(Address, u64)>;

/// One ciphertext.
pub(crate) fn status(
    status: Status,
    own: NodeId,
    document: Document,
    names: &BTreeMap<NodeId, String>,
) -> ReplicationStatus {
    let placed = status.placed;
    let holder = |provider: Provider| ReplicaHolder {
        peer: provider.node,
        name: names.get(&provider.node).cloned().unwrap_or_default(),
        own: provider.node == own,
        member: provider.member,
        connected: provider.connected,
        placed: placed.contains(&provider.node),
        evidence: Some(provider.evidence),
        counts: provider.counts,
        added_at: provider.added_at,
        last_seen: provider.last_seen,
        quality: provider.quality,
        distance: provider.distance,
    };
    ReplicationStatus {
        root: status.root,
        document,
        size: status.size,
        target: status.target,
        actual: status.actual,
        healthy: status.healthy,
        health: status.health,
        priority: status.priority,
        is_local: status.is_local,
        created: status.created,
        last_reprovided: status.last_reprovided,
        providers: status.providers.into_iter().map(holder).collect(),
    }
}

/// How many stand how.
pub(crate) fn counts(counts: Counts) -> HealthCounts {
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    HealthCounts { healthy: wide(counts.healthy), degraded: wide(counts.degraded), critical: wide(counts.critical) }
}

/// Which document each of these is of: the version that counts, the newest if there are several.
///
/// # Errors
/// When the database fails.
pub(crate) fn documents(
    reader: &antiphon_store::Reader<'_>,
    roots: &[Hash],
) -> Result<BTreeMap<Hash, (Address, u64)>, antiphon_store::Error> {
    let mut found = BTreeMap::new();
    for root in roots {
        let mut views = reader.content_by_root(root)?;
        views.sort_by_key(|view| (view.counts(), view.entry.version));
        if let Some(view) = views.pop() {
            found.insert(*root, (view.entry.address, view.entry.version));
        }
    }
    Ok(found)
}
