//! What people and doors ask the machine.

use antiphon_core::ids::Hash;
use antiphon_core::replication::{Health, Settings};
use antiphon_core::time::UnixMillis;

use super::Manager;
use super::keys::{Key, Record};
use super::nodes::{Nodes, Place};
use super::words::{Evidence, HealthCounts, Metrics, Provider, Status};

impl Manager {
    /// What a person set.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// How the copies of a ciphertext stand; `None` if nobody needs it.
    pub fn status(&self, root: &Hash, now: UnixMillis) -> Option<Status> {
        let no = self.keys.no(root)?;
        self.keys.get(no).map(|key| self.status_of(key, self.steady.now(now)))
    }

    /// How those after this root stand, ascending, of one health or of all.
    pub fn list(&self, health: Option<Health>, after: Option<Hash>, limit: usize, now: UnixMillis) -> Vec<Status> {
        let (target, now) = (self.target(), self.steady.now(now));
        let all = self.keys.after(after).map(|(_, key)| key);
        let chosen = all.filter(|key| health.is_none_or(|health| Health::of(key.actual(), target) == health));
        chosen.take(limit).map(|key| self.status_of(key, now)).collect()
    }

    /// How many ciphertexts stand how.
    pub fn health_counts(&self) -> HealthCounts {
        let target = self.target();
        let mut counts = HealthCounts::default();
        for (actual, keys) in self.keys.by_actual() {
            match Health::of(actual, target) {
                Health::Critical => counts.critical += keys,
                Health::Degraded => counts.degraded += keys,
                Health::Healthy => counts.healthy += keys,
            }
        }
        counts
    }

    /// What was done, and what is before it.
    pub fn metrics(&self) -> Metrics {
        let total_keys = self.keys.len();
        let total_providers: usize = self.keys.by_actual().map(|(actual, keys)| actual * keys).sum();
        Metrics {
            total_keys,
            total_providers,
            average_replication: average(total_providers, total_keys),
            offers_waiting: self.nodes.all().map(|(_, node)| node.offers_waiting.len()).sum(),
            offers_under_way: self.offered.len(),
            asks_waiting: self.nodes.all().map(|(_, node)| node.asks.len()).sum(),
            taking: self.takings.len(),
            promised_bytes: self.promised(),
            last_reprovide: self.counted.last_reprovide.map(|at| self.steady.clock(at)),
            last_trim: self.counted.last_trim.map(|at| self.steady.clock(at)),
            ..self.counted
        }
    }

    /// Copies that there should be of each ciphertext.
    pub fn target(&self) -> usize {
        self.nodes.target(self.settings.factor)
    }

    fn status_of(&self, key: &Key, now: UnixMillis) -> Status {
        let order = self.nodes.order(&key.root);
        let place = |record: &Record| order.iter().position(|no| *no == record.node).unwrap_or(usize::MAX);
        let mut records: Vec<&Record> = key.records().iter().filter(|record| record.added.get().is_some()).collect();
        records.sort_unstable_by_key(|record| (place(record), record.node));
        let mut providers: Vec<Provider> =
            records.iter().filter_map(|record| self.provider(key, record, now)).collect();
        if key.whole {
            providers.insert(own_place(&order, &records), self.own_provider(key, now));
        }
        let healthy = providers.iter().filter(|provider| provider.counts && provider.connected).count();
        let offering = order.iter().filter(|no| self.nodes.get(**no).is_some_and(|node| node.offers));
        let placed = offering.take(usize::from(self.settings.factor));
        Status {
            root: key.root,
            target: self.target(),
            actual: key.actual(),
            healthy,
            last_reprovided: key.reprovided.get().map(|at| self.steady.clock(at)),
            created: self.steady.clock(key.created.millis()),
            size: key.length,
            priority: key.priority,
            health: Health::of(key.actual(), self.target()),
            is_local: key.whole,
            placed: placed.filter_map(|no| Some(self.nodes.get(*no)?.id)).collect(),
            providers,
        }
    }

    fn provider(&self, key: &Key, record: &Record, now: UnixMillis) -> Option<Provider> {
        let node = self.nodes.get(record.node)?;
        Some(Provider {
            node: node.id,
            added_at: self.steady.clock(record.added.millis()),
            last_seen: self.steady.clock(record.at.millis()),
            quality: record.history().quality(),
            distance: node.distance(Place::of(&key.root)).bytes(),
            evidence: self.steady.evidence(record.evidence()),
            connected: node.connected,
            member: node.member,
            counts: self.is_copy(record, now),
        })
    }

    fn own_provider(&self, key: &Key, now: UnixMillis) -> Provider {
        let own = self.nodes.get(Nodes::OWN);
        Provider {
            node: own.map_or(antiphon_core::ids::NodeId([0; 32]), |node| node.id),
            added_at: self.steady.clock(key.created.millis()),
            last_seen: self.steady.clock(now),
            quality: 1.0,
            distance: own.map_or([0; 32], |node| node.distance(Place::of(&key.root)).bytes()),
            evidence: Evidence::Proved(self.steady.clock(now)),
            connected: true,
            member: own.is_some_and(|node| node.member),
            counts: true,
        }
    }

    /// Whether a record is that of a copy that counts.
    pub(super) fn is_copy(&self, record: &Record, now: UnixMillis) -> bool {
        self.is_believed(record, now) && self.nodes.counts(record.node)
    }
}

/// Where the own node stands among those that have records.
fn own_place(order: &[u16], records: &[&Record]) -> usize {
    let own = order.iter().position(|no| *no == Nodes::OWN).unwrap_or(usize::MAX);
    let place = |record: &Record| order.iter().position(|no| *no == record.node).unwrap_or(usize::MAX);
    records.iter().take_while(|record| place(record) < own).count()
}

#[expect(clippy::cast_precision_loss, reason = "a few millions at most")]
fn average(total: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { total as f64 / of as f64 }
}
