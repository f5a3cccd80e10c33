//! What this node holds of the table: a bounded copy in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use antiphon_core::dht::RECORD_BYTES_MAX;
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{KBucketDistance, KBucketKey, ProviderRecord, Record, RecordKey};

use super::providers::Providers;
use super::ranks::Ranks;
use super::{DhtConfig, Happened, Judgement, RecordJudge, Stats};

/// Most records that are held. Of more, those under the nearest keys stay; this node's own always do.
pub const RECORDS_MAX: usize = 65_536;
/// Most bytes of their values.
pub const RECORDS_BYTES_MAX: usize = 64 << 20;
/// Most records that one member signed. Of more, those under the nearest keys stay.
pub(super) const RECORDS_PER_AUTHOR_MAX: usize = RECORDS_MAX / 8;
/// Most bytes of their values.
pub(super) const RECORDS_BYTES_PER_AUTHOR_MAX: usize = RECORDS_BYTES_MAX / 8;
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// How often what has ended is looked for.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);
/// Most reports that wait to be taken.
const REPORTS_MAX: usize = 1_024;

/// Reasons of the store itself.
const TOO_LARGE: &str = "record_too_large";
const KEY_TOO_LONG: &str = "key_too_long";
const TABLE_FULL: &str = "table_full";
const SHARE_FULL: &str = "author_share_full";
const NOT_A_MEMBER: &str = "provider_not_a_member";

pub(crate) struct Store {
    local: PeerId,
    local_key: KBucketKey<PeerId>,
    judge: Arc<dyn RecordJudge>,
    records: HashMap<RecordKey, Record>,
    ranks: Ranks,
    bytes: usize,
    providers: Providers,
    provider_life: Duration,
    /// What the caller has not heard of yet.
    reports: VecDeque<Happened>,
    stored: u64,
    refused: BTreeMap<&'static str, u64>,
    last_refusal: &'static str,
    purge_at: Instant,
}

impl Store {
    pub(super) fn new(local: PeerId, config: &DhtConfig) -> Self {
        Self {
            local,
            local_key: local.into(),
            judge: config.judge.clone(),
            records: HashMap::new(),
            ranks: Ranks::default(),
            bytes: 0,
            providers: Providers::new(local, config.providers_per_key),
            provider_life: config.provider_life,
            reports: VecDeque::new(),
            stored: 0,
            refused: BTreeMap::new(),
            last_refusal: "",
            purge_at: Instant::now() + PURGE_INTERVAL,
        }
    }

    pub(super) fn judge(&self) -> &dyn RecordJudge {
        &*self.judge
    }

    /// What the caller is to hear.
    pub(super) fn report(&mut self) -> Option<Happened> {
        self.reports.pop_front()
    }

    /// Why the last record was refused.
    pub(super) const fn last_refusal(&self) -> &'static str {
        self.last_refusal
    }

    pub(super) fn count_refusal(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
        self.last_refusal = reason;
    }

    /// Whether a value that somebody else has would be let in; if not, that is counted.
    pub(super) fn believes(&mut self, key: &RecordKey, value: &[u8]) -> bool {
        match self.judge.judge(key.as_ref(), value, None, now()) {
            Judgement::Keep { .. } | Judgement::Refresh => true,
            Judgement::Refuse(reason) => {
                self.count_refusal(reason);
                false
            }
        }
    }

    pub(super) fn fill(&mut self, stats: &mut Stats) {
        self.purge();
        stats.records = self.records.len();
        stats.record_bytes = self.bytes;
        stats.provider_keys = self.providers.keys_count();
        stats.providers = self.providers.total();
        stats.provided = self.providers.own().count();
        stats.stored = self.stored;
        stats.refused = self.refused.clone();
    }

    fn refuse(&mut self, reason: &'static str, error: Error) -> Result<()> {
        tracing::debug!(reason, "a record of the hash table is refused");
        self.count_refusal(reason);
        Err(error)
    }

    fn is_own(&self, record: &Record) -> bool {
        record.publisher == Some(self.local)
    }

    fn distance(&self, key: &RecordKey) -> KBucketDistance {
        self.local_key.distance(&KBucketKey::new(key.clone()))
    }

    /// Makes room for a record of somebody else: in its author's share, and in the whole. What is farther from this node
    /// makes room, so an author displaces its own records before those of others. Why there is none, if so.
    fn make_room(&mut self, record: &Record, author: &NodeId) -> std::result::Result<(), &'static str> {
        let (distance, bytes) = (self.distance(&record.key), record.value.len());
        loop {
            let (records_of, bytes_of) = self.ranks.share(author, &distance);
            if records_of < RECORDS_PER_AUTHOR_MAX && bytes_of + bytes <= RECORDS_BYTES_PER_AUTHOR_MAX {
                break;
            }
            let key = self.ranks.farthest_of(author, distance).ok_or(SHARE_FULL)?;
            self.drop_record(&key);
        }
        let held = self.records.get(&record.key);
        let (more_records, held_bytes) = (usize::from(held.is_none()), held.map_or(0, |held| held.value.len()));
        while self.records.len() + more_records > RECORDS_MAX || self.bytes + bytes > RECORDS_BYTES_MAX + held_bytes {
            let key = self.ranks.farthest(distance).ok_or(TABLE_FULL)?;
            self.drop_record(&key);
        }
        Ok(())
    }

    fn drop_record(&mut self, key: &RecordKey) {
        if let Some(record) = self.records.remove(key) {
            self.bytes = self.bytes.saturating_sub(record.value.len());
            self.ranks.remove(&self.distance(key));
        }
    }

    fn insert(&mut self, record: Record, author: NodeId) {
        self.drop_record(&record.key);
        self.bytes += record.value.len();
        if !self.is_own(&record) {
            self.ranks.insert(self.distance(&record.key), record.key.clone(), author, record.value.len());
        }
        self.records.insert(record.key.clone(), record);
    }

    /// Drops what has ended.
    fn purge(&mut self) {
        let now = Instant::now();
        if now < self.purge_at {
            return;
        }
        self.purge_at = now + PURGE_INTERVAL;
        let ended: Vec<_> = self.records.values().filter(|r| r.is_expired(now)).map(|r| r.key.clone()).collect();
        ended.iter().for_each(|key| self.drop_record(key));
        self.providers.retain(|record| !record.is_expired(now));
    }

    fn stands(&self, record: &Record) -> bool {
        self.judge.stands(record.key.as_ref(), &record.value)
    }

    fn is_member(&self, peer: &PeerId) -> bool {
        *peer == self.local || node_of(peer).is_some_and(|node| self.judge.is_member(&node))
    }

    fn store(&mut self, mut record: Record, author: NodeId, expires: UnixMillis) {
        let own = self.is_own(&record);
        record.expires = Instant::now().checked_add(Duration::from_millis(expires.since(now())));
        let (key, value) = (record.key.to_vec(), record.value.clone());
        self.insert(record, author);
        self.stored += 1;
        if self.reports.len() < REPORTS_MAX {
            self.reports.push_back(Happened::Stored { key, value, expires, own });
        }
    }
}

impl RecordStore for Store {
    type RecordsIter<'a> = std::vec::IntoIter<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::vec::IntoIter<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        self.records.get(key).filter(|record| self.stands(record)).map(Cow::Borrowed)
    }

    fn put(&mut self, record: Record) -> Result<()> {
        self.purge();
        if record.value.len() > RECORD_BYTES_MAX {
            return self.refuse(TOO_LARGE, Error::ValueTooLarge);
        }
        if record.key.as_ref().len() > KEY_BYTES_MAX {
            return self.refuse(KEY_TOO_LONG, Error::ValueTooLarge);
        }
        let held = self.records.get(&record.key);
        let held_value = held.filter(|held| !held.is_expired(Instant::now())).map(|held| held.value.as_slice());
        let (author, expires) = match self.judge.judge(record.key.as_ref(), &record.value, held_value, now()) {
            Judgement::Keep { author, expires } => (author, expires),
            Judgement::Refresh => return Ok(()),
            Judgement::Refuse(reason) => return self.refuse(reason, Error::ValueTooLarge),
        };
        if !self.is_own(&record)
            && let Err(reason) = self.make_room(&record, &author)
        {
            return self.refuse(reason, Error::MaxRecords);
        }
        self.store(record, author, expires);
        Ok(())
    }

    fn remove(&mut self, key: &RecordKey) {
        self.drop_record(key);
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        self.records.values().map(Cow::Borrowed).collect::<Vec<_>>().into_iter()
    }

    fn add_provider(&mut self, mut record: ProviderRecord) -> Result<()> {
        self.purge();
        if record.key.as_ref().len() > KEY_BYTES_MAX {
            return self.refuse(KEY_TOO_LONG, Error::ValueTooLarge);
        }
        if !self.is_member(&record.provider) {
            return self.refuse(NOT_A_MEMBER, Error::MaxProvidedKeys);
        }
        if record.provider != self.local {
            record.expires = Instant::now().checked_add(self.provider_life);
        }
        match self.providers.add(record) {
            Ok(()) => Ok(()),
            Err(reason) => self.refuse(reason, Error::MaxProvidedKeys),
        }
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        self.providers.of(key).filter(|record| self.is_member(&record.provider)).cloned().collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        self.providers.own().map(Cow::Borrowed).collect::<Vec<_>>().into_iter()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        self.providers.remove(key, provider);
    }
}

pub(super) fn node_of(peer: &PeerId) -> Option<NodeId> {
    NodeId::from_peer_id_bytes(&peer.to_bytes()).ok()
}

/// The wall clock, which is what records end by.
pub(super) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
