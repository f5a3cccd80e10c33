//! The asynchronous front.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::genome::Genome;
use antiphon_core::sign::Signer;
use antiphon_store::{Draft, Error, FactFilter, Identity, NodeMode, RecallQuery, Store, StoreOptions};

use crate::common::{Key, NOW, no_provenance, text};

fn options() -> StoreOptions {
    let drawn = AtomicU64::new(0);
    StoreOptions::new(move || {
        let mut seed = [5; 32];
        seed[..8].copy_from_slice(&drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seed
    })
}

async fn open(home: &tempfile::TempDir) -> Store {
    let key = Key::new(1);
    let store = Store::open(home.path(), options(), Some(key.clone())).unwrap();
    if store.read(|reader| reader.own()).await.unwrap().is_none() {
        let genome = Genome::found("acme", &[1; 32], &key.node_id()).unwrap();
        let identity = Identity { node: key.node_id(), name: "alice".into(), nonce: [1; 16], previous: None };
        store.write(move |db| db.found(&identity, &genome, NOW, [1; 32])).await.unwrap();
    }
    store
}

fn remember(content: &str) -> Draft {
    Draft::Remember { id: None, edit: text(content), provenance: no_provenance(), idempotency_key: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_share_commits_and_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    let before = store.committed().borrow().pos;
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..20 {
                    let results = store.author(vec![remember(&format!("fact {task} {n}"))], NOW).await.unwrap();
                    results[0].as_ref().unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.committed().borrow().pos, before + 640);
    assert_eq!(store.read(|reader| reader.counts()).await.unwrap().facts, 640);
    let query = RecallQuery { text: "fact 31 19".into(), limit: 1, now: NOW, ..RecallQuery::default() };
    let found = store.read(move |reader| reader.recall(&query)).await.unwrap();
    assert_eq!(found.hits[0].view.fact.content.as_deref(), Some("fact 31 19"));
    store.close().await;
    store.close().await;
    assert!(store.author(vec![remember("late")], NOW).await.unwrap_err().is_closed());
    assert!(store.read(|reader| reader.counts()).await.unwrap_err().is_closed());
    let store = open(&home).await;
    let report = store.read(|reader| reader.verify()).await.unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.facts, 640);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_finishes_what_was_taken() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.author(vec![remember(&format!("fact {n}"))], NOW).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut acknowledged = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(results) => acknowledged += results.iter().filter(|result| result.is_ok()).count(),
            Err(error) => assert!(error.is_closed(), "{error}"),
        }
    }
    let store = open(&home).await;
    let facts = store.read(|reader| reader.facts(&FactFilter::default(), 100, None)).await.unwrap();
    assert_eq!(facts.len(), acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_answer_and_the_store_lives_on() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    store
        .write(|db| {
            let pages = db.page_count()?;
            db.limit_pages(pages + 8)
        })
        .await
        .unwrap();
    let big = "x".repeat(50_000);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (store, big) = (store.clone(), format!("{n} {big}"));
            tokio::spawn(async move { store.author(vec![remember(&big)], NOW).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().unwrap_err().is_full());
    }
    store.write(|db| db.limit_pages(1_000_000)).await.unwrap();
    store.author(vec![remember("room again")], NOW).await.unwrap()[0].as_ref().unwrap();
    let report = store.read(|reader| reader.verify()).await.unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.facts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_panics_harms_nobody_else() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    let failed: Result<(), Error> = store.write(|_| panic!("eve")).await;
    assert!(failed.unwrap_err().is_closed());
    for _ in 0..5 {
        let failed: Result<(), Error> = store.read(|_| panic!("eve")).await;
        assert!(failed.unwrap_err().is_closed());
    }
    store.author(vec![remember("still here")], NOW).await.unwrap()[0].as_ref().unwrap();
    assert_eq!(store.read(|reader| reader.counts()).await.unwrap().facts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_work_that_fails_leaves_no_trace_and_harms_nobody_else() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    let set = |mode, then: Result<(), Error>| {
        store.share(move |db| {
            db.set_node_mode(mode)?;
            then
        })
    };
    let other = store.author(vec![remember("beside it")], NOW);
    let (one, two, three) =
        tokio::join!(set(NodeMode::Publish, Ok(())), set(NodeMode::Subscribe, Err(Error::Closed)), other);
    one.unwrap();
    assert!(two.unwrap_err().is_closed());
    three.unwrap()[0].as_ref().unwrap();
    assert_eq!(store.read(|reader| reader.node_mode()).await.unwrap(), NodeMode::Publish);
    let panicked: Result<(), Error> = store.share(|_| panic!("eve")).await;
    assert!(panicked.unwrap_err().is_closed());
    set(NodeMode::Sync, Ok(())).await.unwrap();
    store.close().await;
    let again = Store::open(home.path(), options(), Some(Key::new(1))).unwrap();
    assert_eq!(again.read(|reader| reader.node_mode()).await.unwrap(), NodeMode::Sync);
    assert_eq!(again.read(|reader| reader.counts()).await.unwrap().facts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_with_an_event_stands_or_falls_with_it() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    let mode = |store: Store| async move { store.read(|reader| reader.node_mode()).await.unwrap() };
    let first = mode(store.clone()).await;
    let other = NodeMode::Publish;
    assert_ne!(first, other);
    let refused = store.author_with(vec![remember("falls")], NOW, move |db, written| {
        assert!(written[0].is_ok());
        db.set_node_mode(other)?;
        Err(Error::NoTeam)
    });
    assert!(refused.await.is_err());
    assert_eq!(store.read(|reader| reader.counts()).await.unwrap().facts, 0);
    assert_eq!(mode(store.clone()).await, first);
    let written = store.author_with(vec![remember("stands")], NOW, move |db, _| db.set_node_mode(other));
    written.await.unwrap().remove(0).unwrap();
    assert_eq!(store.read(|reader| reader.counts()).await.unwrap().facts, 1);
    assert_eq!(mode(store.clone()).await, other);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_learn_of_commits_and_the_index_follows() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    let mut committed = store.committed();
    committed.mark_unchanged();
    let author = Arc::new(store.clone());
    let writing = tokio::spawn(async move { author.author(vec![remember("news")], NOW).await });
    committed.changed().await.unwrap();
    let pos = committed.borrow().pos;
    writing.await.unwrap().unwrap();
    let mut indexed = store.indexed();
    indexed.wait_for(|indexed| *indexed >= pos).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn own_writers_wait_for_the_index() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    for batch in 0..30 {
        let drafts = (0..500).map(|n| remember(&format!("fact {batch} {n}"))).collect();
        store.author(drafts, NOW).await.unwrap();
        let query = RecallQuery { text: format!("{batch} 499"), limit: 1, now: NOW, ..RecallQuery::default() };
        let found = store.read(move |reader| reader.recall(&query)).await.unwrap();
        assert_eq!(found.hits[0].view.fact.content, Some(format!("fact {batch} 499")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_leaves_the_files_by_itself_also_after_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home).await;
    let holds = |word: &str| {
        let files = ["antiphon.db", "antiphon.db-wal", "search.db", "search.db-wal"].map(|name| home.path().join(name));
        let bytes = files.iter().map(|file| std::fs::read(file).unwrap_or_default()).collect::<Vec<_>>();
        bytes.iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
    };
    let secrets = vec![remember("vqfirstkx stays a while"), remember("vqsecondkx stays a while")];
    let written = store.author(secrets, NOW).await.unwrap();
    let facts: Vec<_> = written.into_iter().map(|one| one.unwrap().fact.unwrap()).collect();
    assert!(holds("firstkx") && holds("secondkx"));
    let erase = |fact| vec![Draft::Erase { fact, provenance: no_provenance() }];
    let mut committed = store.committed();
    store.author(erase(facts[0]), NOW).await.unwrap().remove(0).unwrap();
    // Whoever watches commits is told when the files are clean.
    while store.read(|reader| reader.purge_pending()).await.unwrap() {
        committed.changed().await.unwrap();
    }
    assert!(!holds("firstkx") && holds("secondkx"));
    // The process ends before the files are clean, and the next one goes on.
    store.author(erase(facts[1]), NOW).await.unwrap().remove(0).unwrap();
    store.close().await;
    let store = open(&home).await;
    let mut committed = store.committed();
    while store.read(|reader| reader.purge_pending()).await.unwrap() {
        committed.changed().await.unwrap();
    }
    assert!(!holds("secondkx"));
    store.close().await;
}
