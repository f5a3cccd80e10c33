//! Who provides what.

use std::collections::{BTreeMap, HashMap, HashSet};

use libp2p::PeerId;
use libp2p::kad::{KBucketDistance, KBucketKey, ProviderRecord, RecordKey};

/// Most provider records that are held.
pub const PROVIDER_RECORDS_MAX: usize = 131_072;
/// Most of them from one node. This node's own are not counted.
pub const PROVIDER_RECORDS_PER_NODE_MAX: usize = 32_768;
/// Most addresses of a provider that are kept.
pub const PROVIDER_ADDRESSES_MAX: usize = 4;

/// Why a provider was not taken.
pub(super) const TOO_MANY: &str = "provider_records_full";
pub(super) const NOT_NEAR: &str = "providers_of_key_full";

/// The providers that are held, each key's within a bound.
pub(super) struct Providers {
    local: PeerId,
    per_key_max: usize,
    /// By key and then by distance to it, so that every node that is asked for a key holds the same ones.
    keys: HashMap<RecordKey, BTreeMap<KBucketDistance, ProviderRecord>>,
    own: HashSet<ProviderRecord>,
    total: usize,
    by_node: HashMap<PeerId, usize>,
}

impl Providers {
    pub(super) fn new(local: PeerId, per_key_max: usize) -> Self {
        let (keys, own, by_node) = (HashMap::new(), HashSet::new(), HashMap::new());
        Self { local, per_key_max: per_key_max.max(1), keys, own, total: 0, by_node }
    }

    pub(super) fn add(&mut self, mut record: ProviderRecord) -> Result<(), &'static str> {
        record.addresses.truncate(PROVIDER_ADDRESSES_MAX);
        let (node, key) = (record.provider, record.key.clone());
        let distance = KBucketKey::new(key.clone()).distance(&KBucketKey::from(node));
        if let Some(held) = self.keys.get_mut(&key).and_then(|of_key| of_key.get_mut(&distance)) {
            *held = record;
            return Ok(());
        }
        let is_own = node == self.local;
        let of_node = self.by_node.get(&node).copied().unwrap_or(0);
        let is_full = self.total >= PROVIDER_RECORDS_MAX || of_node >= PROVIDER_RECORDS_PER_NODE_MAX;
        if is_full && !is_own {
            return Err(TOO_MANY);
        }
        if let Some(of_key) = self.keys.get(&key).filter(|of_key| of_key.len() >= self.per_key_max) {
            let foreign = |record: &&ProviderRecord| record.provider != self.local;
            let farthest = of_key.iter().rev().find(|(_, record)| foreign(record));
            let Some(farthest) = farthest.map(|(distance, record)| (*distance, record.provider)) else {
                return Err(NOT_NEAR);
            };
            if farthest.0 < distance && !is_own {
                return Err(NOT_NEAR);
            }
            self.remove(&key, &farthest.1);
        }
        if is_own {
            self.own.insert(record.clone());
        }
        self.keys.entry(key).or_default().insert(distance, record);
        self.total += 1;
        *self.by_node.entry(node).or_default() += 1;
        Ok(())
    }

    pub(super) fn of(&self, key: &RecordKey) -> impl Iterator<Item = &ProviderRecord> {
        self.keys.get(key).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn own(&self) -> impl Iterator<Item = &ProviderRecord> {
        self.own.iter()
    }

    pub(super) fn remove(&mut self, key: &RecordKey, node: &PeerId) {
        let Some(of_key) = self.keys.get_mut(key) else { return };
        let distance = KBucketKey::new(key.clone()).distance(&KBucketKey::from(*node));
        let Some(record) = of_key.remove(&distance) else { return };
        if of_key.is_empty() {
            self.keys.remove(key);
        }
        self.own.remove(&record);
        self.uncount(node);
    }

    fn uncount(&mut self, node: &PeerId) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.by_node.get_mut(node) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_node.remove(node);
            }
        }
    }

    /// Keeps only what `keep` wants.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&ProviderRecord) -> bool) {
        let all = self.keys.values().flat_map(BTreeMap::values);
        let gone: Vec<_> = all.filter(|record| !keep(record)).map(|r| (r.key.clone(), r.provider)).collect();
        for (key, node) in gone {
            self.remove(&key, &node);
        }
    }

    pub(super) fn keys_count(&self) -> usize {
        self.keys.len()
    }

    pub(super) const fn total(&self) -> usize {
        self.total
    }
}
