//! Copies of documents: how they stand, who holds them, and what a person may have done about them.

use std::collections::BTreeMap;

use antiphon_core::address::{Address, Selector};
use antiphon_core::dht::Topic;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Health, History, Priority, Settings, distance};
use antiphon_protocol::replication::manager::{Manager, Status};

use super::Handle;
use crate::api::{
    ContentError, Error, Evidence, HealthCounts, PROVIDERS_MAX, PeerView, REPLICATION_PAGE_MAX, ReplicaHolder,
    ReplicationCursor, ReplicationFilter, ReplicationMetrics, ReplicationPage, ReplicationStatus,
};
use crate::dht::Provider;
use crate::replication::{News, view};

impl Handle {
    /// How the copies of a ciphertext stand; `None` if nobody needs it.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn replication_status(&self, root: Hash) -> Result<Option<ReplicationStatus>, Error> {
        let status = self.shared.care.with(move |manager, at| manager.status(&root, at)).await?;
        Ok(self.shown_copies(status.into_iter().collect()).await?.pop())
    }

    /// How the copies of a version of a document stand.
    ///
    /// # Errors
    /// As [`Handle::content`].
    pub async fn replication_of(&self, address: &Address, selector: Selector) -> Result<ReplicationStatus, Error> {
        let (view, _) = self.content_version(address, selector).await?;
        let status = self.replication_status(view.entry.root).await?;
        status.ok_or_else(|| ContentError::NotFound(address.clone()).into())
    }

    /// How the copies of all that is needed stand, the worst first.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn replication_list(&self, filter: ReplicationFilter) -> Result<ReplicationPage, Error> {
        let limit = filter.limit.min(REPLICATION_PAGE_MAX);
        let (counts, mut found) = self
            .shared
            .care
            .with(move |manager, at| {
                let page = |health, after| manager.list(Some(health), after, limit + 1, at);
                (manager.health_counts(), worst_first(filter, limit + 1, page))
            })
            .await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more);
        let next = next.map(|last| ReplicationCursor { health: last.health, root: last.root });
        Ok(ReplicationPage { health: view::counts(counts), replicas: self.shown_copies(found).await?, next })
    }

    /// How many ciphertexts stand how.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn replication_health(&self) -> Result<HealthCounts, Error> {
        Ok(view::counts(self.shared.care.with(|manager, _| manager.health_counts()).await?))
    }

    /// How the copies of each of these ciphertexts stand, without saying who holds them; `None` for those that nobody needs.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn health_of(&self, roots: Vec<Hash>) -> Result<Vec<Option<Health>>, Error> {
        let look = move |manager: &mut Manager, at| {
            roots.iter().map(|root| manager.status(root, at).map(|status| status.health)).collect()
        };
        self.shared.care.with(look).await
    }

    /// What was done for copies since the node started, and how they stand.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn replication_metrics(&self) -> Result<ReplicationMetrics, Error> {
        let care = &self.shared.care;
        let looked = care.with(|manager, _| (manager.metrics(), manager.health_counts(), manager.settings())).await?;
        let (metrics, counts, settings) = looked;
        let held = self.store().read(|reader| reader.held_for_others()).await?;
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Ok(ReplicationMetrics {
            total_keys: wide(metrics.total_keys),
            total_providers: wide(metrics.total_providers),
            average_replication: metrics.average_replication,
            health: view::counts(counts),
            reprovide_operations: metrics.reprovide_operations,
            successful: metrics.successful,
            failed: metrics.failed,
            proofs: metrics.proofs,
            wrong: metrics.wrong,
            taken: metrics.taken,
            trimmed: metrics.trimmed,
            offers: (metrics.offers_under_way, metrics.offers_waiting),
            last_reprovide: metrics.last_reprovide,
            last_cleanup: care.cleaned_at(),
            held_for_others_bytes: held,
            promised_bytes: metrics.promised_bytes,
            quota_bytes: care.presence.borrow().quota_bytes,
            settings,
        })
    }

    /// Has copies of one ciphertext, or of all, asked after and made now, whatever is set; says of how many. It is done
    /// beside whoever asks, see [`Handle::replication_status`].
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn replicate(&self, root: Option<Hash>) -> Result<u64, Error> {
        let care = &self.shared.care;
        let asked = care.with(move |manager, at| match root {
            Some(root) => usize::from(manager.status(&root, at).is_some()),
            None => manager.metrics().total_keys,
        });
        let asked = asked.await?;
        care.tell(News::Run { root }).await?;
        Ok(u64::try_from(asked).unwrap_or(u64::MAX))
    }

    /// Who is known to hold a ciphertext, or says so in the hash table: those that count first, then the nearest.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn find_providers(&self, root: Hash, limit: usize) -> Result<Vec<ReplicaHolder>, Error> {
        let known = self.replication_status(root).await?.map(|status| status.providers).unwrap_or_default();
        let said = self.dht().providers(&Topic::Content(root), PROVIDERS_MAX).await?;
        let peers = self.peers().await?;
        let mut holders: Vec<ReplicaHolder> = known.into_iter().filter(is_holder).collect();
        for provider in said {
            if holders.iter().all(|holder| holder.peer != provider.node) {
                holders.push(said_only(&root, &provider, &peers));
            }
        }
        holders.sort_by_key(|holder| !holder.counts);
        holders.truncate(limit.min(PROVIDERS_MAX));
        Ok(holders)
    }

    /// Sets how soon copies of a ciphertext are made by this node, or leaves it to the rule again; says whether it is
    /// needed.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn set_priority(&self, root: Hash, priority: Option<Priority>) -> Result<bool, Error> {
        Ok(self.store().share(move |db| db.set_content_priority(&root, priority)).await?)
    }

    /// By what this node goes when it cares for copies.
    pub fn replication_settings(&self) -> Settings {
        self.shared.care.settings()
    }

    /// With names, and what each is of.
    async fn shown_copies(&self, found: Vec<Status>) -> Result<Vec<ReplicationStatus>, Error> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let roots: Vec<Hash> = found.iter().map(|status| status.root).collect();
        let mut documents = self.store().read(move |reader| view::documents(reader, &roots)).await?;
        let team = self.team().await?;
        let own = team.own.node;
        let mut names: BTreeMap<NodeId, String> =
            self.peers().await?.into_iter().map(|peer| (peer.peer_id, peer.name)).collect();
        names.insert(own, team.own.name.clone());
        let show = |status: Status| {
            let document = documents.remove(&status.root);
            view::status(status, own, document, &names)
        };
        Ok(found.into_iter().map(show).collect())
    }
}

fn is_holder(holder: &ReplicaHolder) -> bool {
    holder.evidence.is_some_and(Evidence::holds)
}

/// One of which nothing is known but what the hash table says.
fn said_only(root: &Hash, provider: &Provider, peers: &[PeerView]) -> ReplicaHolder {
    let view = peers.iter().find(|peer| peer.peer_id == provider.node);
    ReplicaHolder {
        peer: provider.node,
        name: view.map(|peer| peer.name.clone()).unwrap_or_default(),
        own: false,
        member: true,
        connected: view.is_some_and(|peer| peer.connected),
        placed: false,
        evidence: None,
        counts: false,
        added_at: provider.added_at,
        last_seen: provider.seen_at,
        quality: History::default().quality(),
        distance: distance(&provider.node, root),
    }
}

/// A page of all, the worst first, from pages of those that stand alike.
fn worst_first(
    filter: ReplicationFilter,
    limit: usize,
    page: impl Fn(Health, Option<Hash>) -> Vec<Status>,
) -> Vec<Status> {
    let mut found = Vec::new();
    for health in Health::ALL {
        let wanted = filter.health.is_none_or(|only| only == health);
        let passed = filter.after.is_some_and(|after| after.health > health);
        if !wanted || passed || found.len() >= limit {
            continue;
        }
        let after = filter.after.filter(|after| after.health == health).map(|after| after.root);
        found.extend(page(health, after));
    }
    found.truncate(limit);
    found
}
