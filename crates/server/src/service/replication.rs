//! Copies of documents.

use antiphon_core::replication::Health;
use antiphon_node::{PROVIDERS_MAX, REPLICATION_PAGE_MAX, ReplicationFilter};

use super::Service;
use crate::convert;
use crate::dto::{
    ContentAskDto, FindingDto, GarbageDto, ReplicaDto, ReplicaHoldersAskDto, ReplicaHoldersDto, ReplicationAskDto,
    ReplicationDto, ReplicationMetricsDto, ReplicationPriorityDto, ReplicationRanDto, ReplicationRunDto, StatusDto,
};
use crate::error::Problem;

/// Documents on a page when nobody says how many.
const PAGE_DEFAULT: usize = 100;

/// A version that is known for less than this is not reported, in milliseconds: its copies are still being made, or
/// members are still being asked for it.
const FRESH_MS: u64 = 60_000;
/// Most versions that are looked at to tell whether any is worth reporting.
const LOOKED_AT_MAX: usize = 100;

impl Service {
    /// The state of the node with how copies stand, and what a person should do about it.
    pub(super) async fn with_copies(&self, mut status: StatusDto) -> Result<StatusDto, Problem> {
        let counts = self.handle.replication_health().await?;
        status.copies = convert::health_counts(counts);
        for (health, versions) in [(Health::Critical, counts.critical), (Health::Degraded, counts.degraded)] {
            if versions > 0 && self.is_lasting(health).await? {
                status.problems.push(too_few(health, versions));
            }
        }
        Ok(status)
    }

    /// Whether something stands so that was known for a while.
    async fn is_lasting(&self, health: Health) -> Result<bool, Problem> {
        let filter = ReplicationFilter { health: Some(health), after: None, limit: LOOKED_AT_MAX };
        let page = self.handle.replication_list(filter).await?;
        let now = self.now();
        Ok(page.next.is_some() || page.replicas.iter().any(|replica| now.since(replica.created) >= FRESH_MS))
    }

    pub(crate) async fn replication(&self, ask: ReplicationAskDto) -> Result<ReplicationDto, Problem> {
        let filter = ReplicationFilter {
            health: ask.health.as_deref().map(convert::health_of).transpose()?,
            after: ask.after.as_deref().map(convert::replication_cursor_of).transpose()?,
            limit: ask.limit.unwrap_or(PAGE_DEFAULT).clamp(1, REPLICATION_PAGE_MAX),
        };
        let page = self.handle.replication_list(filter).await?;
        Ok(ReplicationDto {
            health: convert::health_counts(page.health),
            factor: u64::from(self.handle.replication_settings().factor),
            replicas: page.replicas.into_iter().map(convert::replica).collect(),
            next: page.next.map(convert::replication_cursor),
        })
    }

    pub(crate) async fn replication_of(&self, ask: ContentAskDto) -> Result<ReplicaDto, Problem> {
        let (address, selector) = convert::address_of(&ask.address)?;
        Ok(convert::replica(self.handle.replication_of(&address, selector).await?))
    }

    pub(crate) async fn replica_holders(&self, ask: ReplicaHoldersAskDto) -> Result<ReplicaHoldersDto, Problem> {
        let (address, selector) = convert::address_of(&ask.address)?;
        let root = self.handle.content(&address, selector).await?.root;
        let providers = self.handle.find_providers(root, ask.limit.unwrap_or(PROVIDERS_MAX).max(1)).await?;
        Ok(ReplicaHoldersDto {
            address: address.to_string(),
            manifest: root.to_string(),
            providers: providers.into_iter().map(convert::holder).collect(),
        })
    }

    /// Asks and repairs now, and says how things stand by then; what is copied takes as long as it takes.
    pub(crate) async fn replicate(&self, run: ReplicationRunDto) -> Result<ReplicationRanDto, Problem> {
        let root = match run.address {
            None => None,
            Some(address) => {
                let (address, selector) = convert::address_of(&address)?;
                Some(self.handle.content(&address, selector).await?.root)
            }
        };
        let asked = self.handle.replicate(root).await?;
        let health = self.handle.replication_health().await?;
        Ok(ReplicationRanDto { asked, health: convert::health_counts(health) })
    }

    pub(crate) async fn set_replication_priority(&self, set: ReplicationPriorityDto) -> Result<ReplicaDto, Problem> {
        let priority = convert::priority_of(&set.priority)?;
        let (address, selector) = convert::address_of(&set.address)?;
        let root = self.handle.content(&address, selector).await?.root;
        self.handle.set_priority(root, priority).await?;
        let mut status = self.handle.replication_of(&address, selector).await?;
        // It is durable; whoever cares for copies hears of it a moment later.
        status.priority = priority.unwrap_or(status.priority);
        Ok(convert::replica(status))
    }

    pub(crate) async fn replication_metrics(&self) -> Result<ReplicationMetricsDto, Problem> {
        Ok(convert::replication_metrics(self.handle.replication_metrics().await?))
    }

    pub(crate) async fn garbage(&self, dry_run: bool) -> Result<GarbageDto, Problem> {
        Ok(convert::garbage(dry_run, self.handle.collect_garbage(dry_run).await?))
    }
}

/// What is wrong, and what mends it.
fn too_few(health: Health, versions: u64) -> FindingDto {
    let (version, has) =
        if versions == 1 { ("version of a document", "has") } else { ("versions of documents", "have") };
    let (lacks, fix) = match health {
        Health::Critical => (
            "no copy on any machine that can be reached",
            "antiphon replication status --health critical (it says who had them last: start that machine)",
        ),
        _ => (
            "fewer copies than there should be",
            "antiphon replication run (antiphon replication status --health degraded shows them)",
        ),
    };
    FindingDto { what: format!("{versions} {version} {has} {lacks}"), fix: fix.to_owned() }
}
