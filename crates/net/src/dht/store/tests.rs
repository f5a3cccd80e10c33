use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::identity::Keypair;

use super::*;
use crate::dht::PROVIDER_RECORDS_PER_NODE_MAX;

/// Takes what does not begin with an x, and whoever is not `9…`.
struct Lenient;

impl RecordJudge for Lenient {
    fn judge(&self, _: &[u8], value: &[u8], held: Option<&[u8]>, now: UnixMillis) -> Judgement {
        match (value, held) {
            ([b'x', ..], _) => Judgement::Refuse("unfit"),
            (new, Some(old)) if new == old => Judgement::Refresh,
            ([b'e', ..], _) => Judgement::Keep { author: author(value), expires: now },
            _ => Judgement::Keep { author: author(value), expires: now.after(1_000_000) },
        }
    }

    fn stands(&self, _: &[u8], value: &[u8]) -> bool {
        !value.starts_with(b"gone")
    }

    fn is_member(&self, node: &NodeId) -> bool {
        *node != node_of(&peer(9)).unwrap()
    }
}

/// Values of one letter are all of different authors, and others of the one that their last letter names.
fn author(value: &[u8]) -> NodeId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut id = [0; 32];
    match value {
        [_] => id[..8].copy_from_slice(&(1 + NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes()),
        value => id[31] = value.last().copied().unwrap_or_default(),
    }
    NodeId(id)
}

fn peer(seed: u8) -> PeerId {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
}

fn store() -> Store {
    let prefix = "/antiphon/test".parse().unwrap();
    let mut config = DhtConfig::new(prefix, Arc::new(Lenient));
    config.providers_per_key = 3;
    Store::new(peer(1), &config)
}

fn record(key: usize, value: &[u8]) -> Record {
    Record::new(key.to_be_bytes().to_vec(), value.to_vec())
}

fn provider(key: usize, by: u8) -> ProviderRecord {
    ProviderRecord::new(key.to_be_bytes().to_vec(), peer(by), Vec::new())
}

fn stats(store: &mut Store) -> Stats {
    let mut stats = Stats::default();
    store.fill(&mut stats);
    stats
}

#[test]
fn what_is_stored_is_reported_once_and_a_refusal_is_counted() {
    let mut store = store();
    store.put(record(1, b"a")).unwrap();
    store.put(record(1, b"a")).unwrap();
    assert!(store.put(record(2, b"xy")).is_err());
    assert!(store.put(record(3, &vec![b'a'; RECORD_BYTES_MAX + 1])).is_err());
    assert!(store.put(Record::new(vec![0; KEY_BYTES_MAX + 1], Vec::new())).is_err());
    assert!(matches!(store.report(), Some(Happened::Stored { own: false, .. })));
    assert_eq!(store.report(), None);
    let stats = stats(&mut store);
    assert_eq!((stats.records, stats.record_bytes, stats.stored), (1, 1, 1));
    assert_eq!(stats.refused, [("unfit", 1), (TOO_LARGE, 1), (KEY_TOO_LONG, 1)].into());
    store.put(record(1, b"bcd")).unwrap();
    assert_eq!(self::stats(&mut store).record_bytes, 3);
    store.remove(&record(1, b"").key);
    assert_eq!(self::stats(&mut store).record_bytes, 0);
}

#[test]
fn what_no_longer_counts_is_given_to_nobody() {
    let mut store = store();
    store.put(record(1, b"gone")).unwrap();
    assert!(store.get(&record(1, b"").key).is_none());
    store.put(record(2, b"ended")).unwrap();
    assert!(store.get(&record(2, b"").key).unwrap().is_expired(Instant::now()));
    store.purge_at = Instant::now();
    assert_eq!(stats(&mut store).records, 1, "the one that has ended is gone");
}

#[test]
fn of_too_many_records_the_nearest_stay_and_own_ones_always_do() {
    let mut store = store();
    let mut own = record(0, b"own");
    own.publisher = Some(peer(1));
    store.put(own.clone()).unwrap();
    let more = 5_000;
    let all = 1..RECORDS_MAX + more;
    let taken: Vec<bool> = all.clone().map(|key| store.put(record(key, b"a")).is_ok()).collect();
    assert!(taken[..RECORDS_MAX - 1].iter().all(|taken| *taken));
    let stats = stats(&mut store);
    assert_eq!(stats.records, RECORDS_MAX);
    let refused = u64::try_from(taken.iter().filter(|taken| !**taken).count()).unwrap();
    assert!(refused > 0 && stats.refused[TABLE_FULL] == refused);
    assert!(store.get(&own.key).is_some());
    let mut distances: Vec<_> = all.map(|key| (store.distance(&record(key, b"").key), key)).collect();
    distances.sort_unstable();
    for (_, key) in &distances[..RECORDS_MAX - 1] {
        assert!(store.records.contains_key(&record(*key, b"").key), "{key}");
    }
}

/// Mallory fills her share, and neither the table nor the share of anybody else.
#[test]
fn a_member_that_signs_records_without_end_displaces_her_own_alone() {
    let mut store = store();
    let bobs = 10;
    (0..bobs).for_each(|key| store.put(record(key, b"of b")).unwrap());
    let hers = bobs..bobs + RECORDS_PER_AUTHOR_MAX + 2_000;
    let refused = hers.clone().filter(|key| store.put(record(*key, b"of m")).is_err()).count();
    let full = stats(&mut store);
    assert_eq!(full.records, bobs + RECORDS_PER_AUTHOR_MAX);
    assert!(refused > 0 && full.refused[SHARE_FULL] == u64::try_from(refused).unwrap(), "{refused}");
    assert!((0..bobs).all(|key| store.get(&record(key, b"").key).is_some()));
    let mut distances: Vec<_> = hers.map(|key| (store.distance(&record(key, b"").key), key)).collect();
    distances.sort_unstable();
    assert!(
        distances[..RECORDS_PER_AUTHOR_MAX].iter().all(|(_, key)| store.records.contains_key(&record(*key, b"").key)),
        "her nearest stay"
    );
    // What takes another's place leaves that one's share, and room in it.
    let (_, nearest) = distances[0];
    store.put(record(nearest, b"by b")).unwrap();
    let (at, (b, m)) = (store.distance(&record(nearest, b"").key), (author(b"of b"), author(b"of m")));
    assert_eq!(store.ranks.share(&b, &at), (bobs, bobs * 4));
    assert_eq!(store.ranks.share(&m, &at), (RECORDS_PER_AUTHOR_MAX - 1, (RECORDS_PER_AUTHOR_MAX - 1) * 4));
}

#[test]
fn a_member_that_signs_long_records_fills_only_her_share_of_the_bytes() {
    let mut store = store();
    let long = vec![b'm'; RECORD_BYTES_MAX];
    let fit = RECORDS_BYTES_PER_AUTHOR_MAX / RECORD_BYTES_MAX;
    store.put(record(0, b"of b")).unwrap();
    for key in 1..=fit + 100 {
        // Some are too far away, which is counted.
        let _ = store.put(record(key, &long));
    }
    let full = stats(&mut store);
    assert_eq!((full.records, full.record_bytes), (1 + fit, 4 + fit * RECORD_BYTES_MAX));
    assert!(store.get(&record(0, b"").key).is_some());
}

#[test]
fn of_too_many_providers_of_a_key_the_nearest_stay_and_this_node_always_does() {
    let mut store = store();
    for by in 2..=8 {
        // Some are too far away, which is counted.
        let _ = store.add_provider(provider(1, by));
    }
    store.add_provider(provider(1, 1)).unwrap();
    assert!(store.add_provider(provider(1, 9)).is_err(), "no member");
    let mut nearest: Vec<u8> = (2..=8).collect();
    let target = KBucketKey::new(provider(1, 1).key);
    nearest.sort_by_key(|by| KBucketKey::from(peer(*by)).distance(&target));
    let mut want = vec![peer(1), peer(nearest[0]), peer(nearest[1])];
    let mut held: Vec<PeerId> = store.providers(&provider(1, 1).key).iter().map(|record| record.provider).collect();
    want.sort_unstable();
    held.sort_unstable();
    assert_eq!(held, want);
    assert_eq!(store.provided().count(), 1);
    assert_eq!(stats(&mut store).refused[NOT_A_MEMBER], 1);
    store.remove_provider(&provider(1, 1).key, &peer(1));
    assert_eq!((store.provided().count(), stats(&mut store).providers), (0, 2));
}

#[test]
fn one_node_does_not_fill_the_providers() {
    let mut store = store();
    let taken = (0..PROVIDER_RECORDS_PER_NODE_MAX + 10).filter(|key| store.add_provider(provider(*key, 2)).is_ok());
    assert_eq!(taken.count(), PROVIDER_RECORDS_PER_NODE_MAX);
    store.add_provider(provider(0, 2)).unwrap();
    store.add_provider(provider(0, 3)).unwrap();
    let stats = stats(&mut store);
    assert_eq!(
        (stats.providers, stats.provider_keys),
        (PROVIDER_RECORDS_PER_NODE_MAX + 1, PROVIDER_RECORDS_PER_NODE_MAX)
    );
}
