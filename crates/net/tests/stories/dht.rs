//! The hash table among members: what they find, and what nobody gets in.

use std::collections::BTreeSet;

use crate::common::foreign::Foreign;
use crate::common::rogue::{self, kad_protocol};
use crate::common::table::{Member, NodeKey, Team, card, mesh, now, path, path_of, pointer, signer};
use crate::common::{Node, TCP, patiently};
use antiphon_core::dht::{Key, LIFE_MAX_MS, RECORD_BYTES_MAX, Record, Topic};
use antiphon_core::ids::{ContentId, Hash, NodeId, TeamId};
use antiphon_core::sign::Signer as _;
use antiphon_net::dht::{Error, Mode};
use libp2p::identity::Keypair;
use libp2p::kad;
use libp2p_stream::OpenStreamError;

/// How many different members found the record of this version.
async fn found(by: &Member, key: &[u8], version: u64, limit: usize) -> usize {
    let found = by.dht.get(key.to_vec(), limit).await.unwrap();
    let versions = found.iter().map(|found| Record::read(&found.value).unwrap().version);
    versions.filter(|found| *found == version).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_member_puts_the_others_find() {
    for count in [4, 12] {
        let (_, members) = mesh(count).await;
        let others = usize::from(count) - 1;
        let record = pointer(&signer(1), 7, 1);
        let (key, value) = (path(&record), record.sign(&signer(1)).unwrap());
        let stored = members[0].dht.put(key.clone(), value.clone(), others).await.unwrap();
        assert_eq!(stored.copies, others);
        for member in &members {
            assert_eq!(found(member, &key, 1, usize::MAX).await, usize::from(count));
            assert_eq!(member.has_stored(&key), 1, "the caller hears of it once");
        }

        let topic = Topic::Content(Hash([7; 32])).multihash().to_vec();
        for provider in &members[..2] {
            provider.dht.provide(topic.clone()).await.unwrap();
        }
        let want: BTreeSet<NodeId> = members[..2].iter().map(|member| member.id).collect();
        for member in &members {
            patiently("both providers", async {
                while BTreeSet::from_iter(member.dht.providers(topic.clone(), 20).await.unwrap()) != want {}
            })
            .await;
        }
        assert_eq!(members[3].dht.providers(topic.clone(), 1).await.unwrap().len(), 1);
        members[0].dht.stop_providing(topic.clone()).await.unwrap();
        assert_eq!(members[0].stats().await.provided, 0);
        assert_eq!(members[2].dht.bootstrap().await.unwrap(), others);
        assert!(members[2].stats().await.bootstrapped);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_provided_counts_only_once_somebody_was_told() {
    let (_, members) = mesh(2).await;
    let topic = Topic::Peer.multihash().to_vec();
    // A machine that vanished, or was moved, leaves its connections open for a while.
    let silence = members[1].falls_silent().await;
    assert_eq!(members[0].dht.provide(topic.clone()).await.unwrap_err(), Error::Timeout);
    drop(silence);
    assert_eq!(members[1].stats().await.provider_keys, 0, "nobody told it");
    members[0].dht.provide(topic).await.unwrap();
    members[1].until("a provider", |stats| stats.provider_keys == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_higher_version_replaces_a_lower_one_everywhere() {
    let (_, members) = mesh(4).await;
    let put = async |version, by: usize| {
        let record = card(&signer(1), version, "laptop");
        members[by].dht.put(path(&record), record.sign(&signer(1)).unwrap(), 3).await
    };
    let key = path(&card(&signer(1), 0, "laptop"));
    put(1, 0).await.unwrap();
    put(2, 0).await.unwrap();
    // Anybody may repeat what alice signed, but nobody brings back what she replaced.
    assert_eq!(put(1, 2).await.unwrap_err(), Error::Refused { reason: "record_older" });
    put(2, 2).await.unwrap();
    for member in &members {
        assert_eq!(found(member, &key, 2, usize::MAX).await, 4);
    }
}

#[tokio::test]
async fn a_lone_member_keeps_what_it_puts() {
    let alice = Member::start(1, &Team::of([1])).await;
    let record = pointer(&signer(1), 7, 1);
    let (key, value) = (path(&record), record.sign(&signer(1)).unwrap());
    assert_eq!(alice.dht.put(key.clone(), value, 3).await.unwrap_err(), Error::NoMembers);
    assert_eq!(alice.dht.provide(key.clone()).await.unwrap_err(), Error::NoMembers);
    assert_eq!(found(&alice, &key, 1, 1).await, 1);
    assert_eq!(alice.dht.providers(key, 1).await.unwrap(), [alice.id]);
    assert_eq!(alice.dht.get(b"nothing".to_vec(), 1).await.unwrap_err(), Error::NoMembers);
    assert_eq!(alice.dht.bootstrap().await.unwrap_err(), Error::NoMembers);
    let without = Node::start(2, TCP).await;
    assert_eq!(without.net.dht().stats().await.unwrap_err(), Error::Off);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_told_that_there_is_no_table() {
    let (_, members) = mesh(2).await;
    let mut eve = Foreign::connect(9, &members[0].addresses[0]).await;
    let names = eve.told(|names| !names.is_empty()).await;
    assert!(!names.contains(&kad_protocol().to_string()), "{names:?}");
    let opened = patiently("a refusal", eve.open(kad_protocol())).await;
    assert!(matches!(opened, Err(OpenStreamError::UnsupportedProtocol(_))), "{opened:?}");
    assert_eq!(members[0].stats().await.peers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_only_asks_is_asked_by_nobody() {
    let team = Team::of([1, 2]);
    let (alice, bob) = (Member::start(1, &team).await, Member::start(2, &team).await);
    bob.dht.set_mode(Mode::Client).await.unwrap();
    bob.greet(&alice).await;
    bob.knows(1).await;
    let record = pointer(&signer(2), 7, 1);
    bob.dht.put(path(&record), record.sign(&signer(2)).unwrap(), 1).await.unwrap();
    assert_eq!(alice.stats().await.peers, 0);
    bob.dht.set_mode(Mode::Server).await.unwrap();
    alice.knows(1).await;
    bob.dht.set_mode(Mode::Client).await.unwrap();
    alice.knows(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_put_out_is_out_of_the_table_and_its_records_with_it() {
    let (team, members) = mesh(4).await;
    let record = card(&signer(4), 1, "eve");
    let (key, topic) = (path(&record), Topic::Role("admin".into()).multihash().to_vec());
    members[3].dht.put(key.clone(), record.sign(&signer(4)).unwrap(), 3).await.unwrap();
    members[3].dht.provide(topic.clone()).await.unwrap();
    members[0].until("a provider", |stats| stats.providers == 1).await;
    let eve = members[3].id;
    team.revoke(&eve);
    for member in &members[..3] {
        member.net.close_gate(eve).await.unwrap();
        let peers = member.dht.peers().await.unwrap();
        assert!(peers.len() == 2 && !peers.contains(&eve), "at once");
    }
    assert_eq!(members[0].dht.get(key, 3).await.unwrap(), []);
    assert_eq!(members[0].dht.providers(topic, 3).await.unwrap(), []);
    let again = card(&signer(4), 2, "eve");
    let refused = members[0].dht.put(path(&again), again.sign(&signer(4)).unwrap(), 1).await.unwrap_err();
    assert_eq!(refused, Error::Refused { reason: "record_not_by_a_member" });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_returns_finds_its_records_again_and_brings_its_own() {
    let (team, mut members) = mesh(4).await;
    let records = [pointer(&signer(4), 7, 1), card(&signer(4), 1, "bob")];
    let signed = records.each_ref().map(|record| (path(record), record.sign(&signer(4)).unwrap()));
    for (key, value) in &signed {
        members[3].dht.put(key.clone(), value.clone(), 3).await.unwrap();
    }
    let gone = members.pop().unwrap();
    gone.net.shutdown().await;
    members[0].knows(2).await;
    for (key, _) in &signed {
        assert_eq!(found(&members[0], key, 1, usize::MAX).await, 3);
    }
    // It was away with its disk: what it reads from there counts again, and what it asks for it finds.
    let back = Member::start(4, &team).await;
    back.dht.keep(signed[0].0.clone(), signed[0].1.clone()).await.unwrap();
    assert_eq!(found(&back, &signed[0].0, 1, 1).await, 1);
    for member in &members {
        back.greet(member).await;
    }
    back.knows(3).await;
    assert_eq!(found(&back, &signed[1].0, 1, usize::MAX).await, 3);
    back.dht.put(signed[0].0.clone(), signed[0].1.clone(), 3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_no_success() {
    // Bob has not heard yet that carol was let in.
    let (alice, bob) = (Member::start(1, &Team::of([1, 2, 3])).await, Member::start(2, &Team::of([1, 2])).await);
    alice.greet(&bob).await;
    alice.knows(1).await;
    let record = card(&signer(3), 1, "carol");
    let refused = alice.dht.put(path(&record), record.sign(&signer(3)).unwrap(), 1).await.unwrap_err();
    assert_eq!(refused, Error::TooFew { got: 0, want: 1 });
    assert_eq!(bob.stats().await.refused["record_not_by_a_member"], 1);
    assert_eq!(found(&alice, &path(&record), 1, 1).await, 1, "it is held for later");
}

/// Records that must not get in, `count` of them, with the reason for each.
fn hostile(count: u64, by: &NodeKey) -> Vec<(Vec<u8>, Vec<u8>, &'static str)> {
    let team = [8; 32];
    let kind = |n: u64| {
        let content = u8::try_from(n % 200).unwrap() + 50;
        let good = Record { version: n, ..pointer(by, content, 1) };
        let signed = |record: &Record| record.sign(by).unwrap();
        match n % 9 {
            0 => (path(&card(by, 1, "eve")), signed(&card(by, 4, "eve")), "record_older"),
            1 => (path(&card(by, 1, "eve")), signed(&card(by, 5, "mallory")), "record_contradicts"),
            2 => (path(&good), good.sign(&signer(200)).unwrap(), "record_not_signed"),
            3 => (path(&good), signed(&Record { expires: now(), ..good.clone() }), "record_expired"),
            4 => (path(&good), vec![7; RECORD_BYTES_MAX + 1], "record_too_large"),
            5 => (path_of(Key::Content(ContentId([3; 32]))), signed(&good), "record_under_wrong_key"),
            6 => (path(&good), signed(&Record { team: TeamId(team), ..good.clone() }), "record_of_another_team"),
            7 => {
                let long = Record { expires: now().after(LIFE_MAX_MS + 60_000), ..good.clone() };
                (path(&good), signed(&long), "record_lives_too_long")
            }
            _ => {
                let stranger = signer(200);
                let theirs = Record { author: stranger.node_id(), ..good.clone() };
                (path(&good), theirs.sign(&stranger).unwrap(), "record_not_by_a_member")
            }
        }
    };
    (0..count).map(kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_records_of_a_member_are_refused_and_counted() {
    const COUNT: u64 = 10_000;
    /// libp2p holds 32 streams of the table on one connection.
    const AT_ONCE: usize = 24;
    let alice = Member::start(1, &Team::of([1, 6])).await;
    let mut eve = Foreign::connect(6, &alice.addresses[0]).await;
    eve.shake_hands().await;
    let good = card(&signer(6), 5, "eve");
    let kept = rogue::put(&mut eve, &path(&good), &good.sign(&signer(6)).unwrap()).await;
    alice.until("the first record", |stats| stats.records == 1).await;
    drop(kept);

    let records = hostile(COUNT, &signer(6));
    for (batch, chunk) in records.chunks(AT_ONCE).enumerate() {
        let mut streams = Vec::new();
        for (key, value, _) in chunk {
            streams.push(rogue::put(&mut eve, key, value).await);
        }
        let sent = u64::try_from(batch * AT_ONCE + chunk.len()).unwrap();
        alice.until("a refusal of each", |stats| stats.refused.values().sum::<u64>() == sent).await;
        for stream in streams {
            rogue::answered(stream).await;
        }
    }
    let stats = alice.stats().await;
    assert_eq!((stats.records, stats.stored), (1, 1));
    for reason in records.iter().map(|(_, _, reason)| reason).collect::<BTreeSet<_>>() {
        let want = u64::try_from(records.iter().filter(|(_, _, of)| of == reason).count()).unwrap();
        assert_eq!(stats.refused.get(reason), Some(&want), "{reason}");
    }
    assert_eq!(found(&alice, &path(&good), 5, 1).await, 1);
}

/// Keys of strangers, nearer to `key` than almost anybody's.
fn near(key: &[u8], count: usize) -> Vec<Keypair> {
    let target = kad::KBucketKey::new(key.to_vec());
    let mut keys: Vec<_> = (0..4_000_u32)
        .map(|n| {
            let mut seed = [0xee; 32];
            seed[..4].copy_from_slice(&n.to_be_bytes());
            let key = Keypair::ed25519_from_bytes(seed).unwrap();
            (kad::KBucketKey::from(key.public().to_peer_id()).distance(&target), key)
        })
        .collect();
    keys.sort_by_key(|(distance, _)| *distance);
    keys.into_iter().take(count).map(|(_, key)| key).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_that_crowd_a_key_are_neither_asked_nor_named() {
    const MEMBERS: u8 = 40;
    const STRANGERS: usize = 45;
    let team = Team::of(1..=MEMBERS);
    let mut members = Vec::new();
    for seed in 1..=MEMBERS {
        members.push(Member::start(seed, &team).await);
    }
    // Nobody knows everybody: they have to find each other through each other.
    for (at, member) in members.iter().enumerate() {
        for step in [1, 7, 13] {
            member.greet(&members[(at + step) % members.len()]).await;
        }
    }
    for member in &members {
        member.until("neighbours", |stats| stats.peers >= 6).await;
    }
    let record = pointer(&signer(1), 7, 1);
    let (key, value) = (path(&record), record.sign(&signer(1)).unwrap());
    let junk = kad::Record::new(key.clone(), b"junk".to_vec());
    let strangers: BTreeSet<NodeId> = near(&key, STRANGERS)
        .into_iter()
        .enumerate()
        .map(|(n, stranger)| {
            let targets = (0..3).map(|step| members[(n + step * 11) % members.len()].addresses[0].clone()).collect();
            rogue::crowd(stranger, targets, junk.clone())
        })
        .map(|peer| NodeId::from_peer_id_bytes(&peer.to_bytes()).unwrap())
        .collect();
    members[0].dht.put(key.clone(), value.clone(), 3).await.unwrap();
    let (mut tried, mut succeeded) = (0, 0);
    for round in 0..3 {
        for member in &members {
            tried += 1;
            let got = member.dht.get(key.clone(), 1 + round).await.unwrap_or_default();
            succeeded += usize::from(!got.is_empty() && got.iter().all(|found| found.value == value));
        }
    }
    assert!(succeeded * 100 >= tried * 99, "{succeeded} of {tried}");
    for member in &members {
        let peers: BTreeSet<NodeId> = member.dht.peers().await.unwrap().into_iter().collect();
        assert!(peers.is_disjoint(&strangers));
        assert!(member.wanted.lock().unwrap().is_disjoint(&strangers), "nobody is sent to a stranger");
    }
}
