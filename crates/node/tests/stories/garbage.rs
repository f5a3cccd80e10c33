//! What nobody needs is freed on real nodes, and nothing else is.

use std::io::Cursor;
use std::path::PathBuf;

use crate::common::{Machine, until};
use antiphon_core::address::{Address, Selector};
use antiphon_core::dht::Topic;
use antiphon_core::event::Provenance;
use antiphon_core::ids::Hash;
use antiphon_node::{Bring, ContentForm, NewContent, OpenContent, Staying, Trust, Unneeded, WhyKept};

const DEVELOPER: &str = "backend_developer";

fn address(path: &str) -> Address {
    Address::new("alice", DEVELOPER, "shop", "login", path).unwrap()
}

async fn put(machine: &Machine, path: &str, bytes: &[u8]) -> Hash {
    let new = NewContent {
        address: address(path),
        role: DEVELOPER.into(),
        content_type: "text/markdown".into(),
        provenance: Provenance::default(),
    };
    machine.handle.put_content(new, Cursor::new(bytes.to_vec())).await.unwrap().content.root
}

async fn open(machine: &Machine, path: &str) -> OpenContent {
    machine.handle.open_content(&address(path), Selector::Latest, ContentForm::Cipher).await.unwrap()
}

/// Has the machine hold what another one stored.
async fn copy(machine: &Machine, path: &str) {
    let known = async || machine.handle.content(&address(path), Selector::Latest).await.is_ok();
    until("the index arrives", known).await;
    open(machine, path).await.collect(u64::MAX).await.unwrap();
}

async fn remove(machine: &Machine, path: &str) {
    machine.handle.remove_content(&address(path), Provenance::default()).await.unwrap();
}

async fn holds(machine: &Machine, root: Hash) -> bool {
    machine.handle.blob(root).await.unwrap().is_some_and(|blob| blob.is_complete())
}

async fn says_to_hold(machine: &Machine, root: Hash) -> bool {
    let provided = machine.handle.dht_provided(1_000).await.unwrap();
    provided.into_iter().any(|provided| provided.topic == Topic::Content(root))
}

fn file(machine: &Machine, root: Hash) -> PathBuf {
    machine.dir.path().join("home/content").join(root.to_string())
}

/// Bob founded the team, and alice, who is a developer, stores.
async fn two() -> (Machine, Machine) {
    let (alice, bob) = (Machine::start("alice").await, Machine::start("bob").await);
    alice.joins_as(&bob, DEVELOPER).await;
    bob.trusts("alice", Trust::Verified).await;
    (alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_removed_is_freed_wherever_it_is_held_and_nothing_else_is() {
    let (mut alice, mut bob) = two().await;
    let (gone, kept) = (put(&alice, "gone", b"to be removed").await, put(&alice, "kept", b"to be kept").await);
    copy(&bob, "gone").await;
    copy(&bob, "kept").await;
    assert!(holds(&bob, gone).await && holds(&bob, kept).await && says_to_hold(&bob, gone).await);
    let WhyKept::Needed(needed) = bob.handle.why_kept(gone).await.unwrap() else { panic!("it is needed") };
    assert_eq!(needed, [(address("gone"), 1)]);
    remove(&alice, "gone").await;
    // Nobody asks bob to: his node hears of the removal.
    until("bob has freed it", async || !file(&bob, gone).exists() && !says_to_hold(&bob, gone).await).await;
    assert!(!holds(&bob, gone).await && !file(&alice, gone).exists());
    assert_eq!(bob.handle.why_kept(gone).await.unwrap(), WhyKept::NotHeld);
    assert_eq!(bob.handle.collect_garbage(false).await.unwrap(), []);
    assert!(holds(&bob, kept).await && says_to_hold(&bob, kept).await && file(&bob, kept).exists());
    bob.stop().await;
    bob.start_again().await;
    assert!(holds(&bob, kept).await && !file(&bob, gone).exists());
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_event_names_waits_for_one_and_says_so() {
    let (mut alice, mut bob) = two().await;
    let blob = bob.handle.keep_blob(Cursor::new(b"a ciphertext from a stick".to_vec())).await.unwrap();
    for dry_run in [true, false, true] {
        let found = bob.handle.collect_garbage(dry_run).await.unwrap();
        assert_eq!((found.len(), found[0].root, found[0].bytes), (1, blob.root, blob.length));
        assert_eq!((found[0].reason, found[0].goes()), (Unneeded::Unknown, false));
        assert!(matches!(found[0].stays, Some(Staying::Waits { .. })), "{found:?}");
        assert!(found[0].to_string().contains("no event of the index ever named it; its event may still come"));
    }
    assert!(holds(&bob, blob.root).await && file(&bob, blob.root).exists());
    let why = bob.handle.why_kept(blob.root).await.unwrap();
    assert!(matches!(why, WhyKept::Garbage(garbage) if garbage.reason == Unneeded::Unknown));
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_read_stays_until_it_was_read() {
    let (mut alice, mut bob) = two().await;
    let root = put(&alice, "long", &vec![7; 4 << 20]).await;
    copy(&bob, "long").await;
    let mut reading = open(&bob, "long").await;
    let mut read = reading.next().await.unwrap().unwrap().len();
    remove(&alice, "long").await;
    until("bob hears of the removal", async || {
        let found = bob.handle.collect_garbage(false).await.unwrap();
        found.iter().any(|one| one.root == root && one.reason == Unneeded::Removed && one.stays == Some(Staying::InUse))
    })
    .await;
    while let Some(chunk) = reading.next().await {
        read += chunk.unwrap().len();
    }
    assert!(read > 4 << 20, "all of it, and what encryption adds: {read}");
    drop(reading);
    until("it is freed then", async || {
        bob.handle.collect_garbage(false).await.unwrap();
        !file(&bob, root).exists() && !holds(&bob, root).await
    })
    .await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_another_team_goes_only_when_a_person_says_so() {
    let (mut alice, mut bob) = two().await;
    let mut carol = Machine::start("carol").await;
    let root = put(&alice, "own", b"perhaps the only copy").await;
    until("carol listens", async || !carol.handle.status().await.unwrap().listen.is_empty()).await;
    let ticket = carol.handle.invite(DEVELOPER, 60_000).await.unwrap().ticket;
    alice.handle.leave_and_join(&ticket, None, Some(Bring::None)).await.unwrap();
    let cleared = async || alice.handle.replication_metrics().await.unwrap().last_cleanup.is_some();
    until("what is not needed was cleared away", cleared).await;
    assert!(holds(&alice, root).await && file(&alice, root).exists());
    let found = alice.handle.collect_garbage(true).await.unwrap();
    assert_eq!((found.len(), found[0].root, found[0].reason), (1, root, Unneeded::LeftTeam));
    assert!(found[0].goes() && holds(&alice, root).await);
    assert!(alice.handle.collect_garbage(false).await.unwrap()[0].goes());
    assert!(!holds(&alice, root).await && !file(&alice, root).exists());
    for machine in [&mut alice, &mut bob, &mut carol] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stores_and_fetches_while_garbage_is_collected_loses_nothing() {
    const ROUNDS: usize = 12;
    let (mut alice, mut bob) = two().await;
    let collecting = [alice.handle.clone(), bob.handle.clone()].map(|handle| {
        tokio::spawn(async move {
            loop {
                handle.collect_garbage(false).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    });
    let mut kept = Vec::new();
    for n in 0..ROUNDS {
        let (path, other) = (format!("kept-{n}"), format!("gone-{n}"));
        let bytes = vec![u8::try_from(n).unwrap(); 40_000 * n + 1];
        let root = put(&alice, &path, &bytes).await;
        put(&alice, &other, &bytes).await;
        copy(&bob, &path).await;
        copy(&bob, &other).await;
        remove(&alice, &other).await;
        kept.push((path, root, bytes));
    }
    for (path, root, bytes) in kept {
        for machine in [&alice, &bob] {
            assert!(holds(machine, root).await && file(machine, root).exists(), "{path} at {}", machine.name);
            let plain = machine.handle.open_content(&address(&path), Selector::Latest, ContentForm::Plain).await;
            assert_eq!(plain.unwrap().collect(u64::MAX).await.unwrap(), bytes);
        }
    }
    until("the others are gone", async || bob.handle.content_metrics().await.unwrap().blobs == ROUNDS as u64).await;
    collecting.iter().for_each(tokio::task::JoinHandle::abort);
    bob.stop().await;
    alice.stop().await;
}
