//! Crashes in the middle of writing, full disks, and what a disk must never show.

use std::path::Path;

use antiphon_core::outbox::{Bounds, Level, Protocol};
use antiphon_store::{Db, Error, PeerMode, Push, Settled};

use crate::common::{NOW, founder};
use crate::outbox::{KEY, bob, check, eve, item, message, open, places, put, waits};

/// What a killed process leaves behind: its files, the write-ahead log cut to `len`.
fn killed(from: &Path, to: &Path, len: Option<u64>) {
    for name in ["antiphon.db", "antiphon.db-wal", "search.db", "search.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
    if let Some(len) = len {
        let wal = std::fs::OpenOptions::new().write(true).open(to.join("antiphon.db-wal")).unwrap();
        wal.set_len(len).unwrap();
    }
}

fn wal_len(home: &Path) -> u64 {
    std::fs::metadata(home.join("antiphon.db-wal")).map_or(0, |file| file.len())
}

#[test]
fn a_crash_at_any_point_loses_no_item_that_was_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    let mut acknowledged = vec![(wal_len(home.path()), Vec::new())];
    let mut note = |db: &antiphon_store::Db| acknowledged.push((wal_len(home.path()), waits(db, &bob())));
    let pushed = put(&mut db, &["one", "two", "three"].map(message));
    note(&db);
    put(&mut db, &[item(bob(), Protocol::RESOURCE_UPDATE, 1, "old")]);
    note(&db);
    put(&mut db, &[item(bob(), Protocol::RESOURCE_UPDATE, 1, "new"), message("four")]);
    note(&db);
    db.settle_outbox(&bob(), &[(places(&pushed)[1], Settled::Taken)], NOW).unwrap();
    note(&db);
    let end = wal_len(home.path());
    let mut cut = acknowledged[0].0;
    while cut <= end {
        let after = tempfile::tempdir().unwrap();
        killed(home.path(), after.path(), Some(cut));
        let mut db = open(after.path(), 8);
        let (_, expected) = acknowledged.iter().rfind(|(len, _)| *len <= cut).unwrap();
        assert_eq!(&waits(&db, &bob()), expected, "cut at {cut}");
        check(&db);
        put(&mut db, &[message("after")]);
        check(&db);
        cut += 1_373;
    }
}

#[test]
fn a_full_disk_takes_nothing_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &[message("one")]);
    let pages = db.page_count().unwrap();
    db.limit_pages(pages + 4).unwrap();
    let large = message(&"x".repeat(100_000));
    let error =
        db.enqueue(&[message("two"), large.clone()], Level::Critical, &KEY, &Bounds::default(), NOW).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(waits(&db, &bob()), ["one"]);
    db.limit_pages(1_000_000).unwrap();
    let pushed = put(&mut db, &[large]);
    assert!(matches!(pushed[0], Push::Queued { id: 2, place } if place.n == 2));
    check(&db);
}

#[test]
fn what_fails_beside_an_item_takes_the_item_back() {
    let (mut alice, _) = founder(1, "alice");
    alice.db.begin_era(7, NOW).unwrap();
    put(&mut alice.db, &[message("one")]);
    let home = alice.home.path().to_owned();
    drop(alice.db);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let options = antiphon_store::StoreOptions { durable: false, ..antiphon_store::StoreOptions::new(|| [1; 32]) };
        let store = antiphon_store::Store::open(&home, options, None).unwrap();
        store.write(|db| db.begin_era(8, NOW)).await.unwrap();
        let send = |body: &'static str, then: Result<(), Error>| {
            store.share(move |db| {
                let pushed = db.enqueue(&[message(body)], Level::Critical, &KEY, &Bounds::default(), NOW)?;
                then.map(|()| pushed)
            })
        };
        let (two, three, four) =
            tokio::join!(send("two", Ok(())), send("three", Err(Error::Closed)), send("four", Ok(())));
        assert!(two.is_ok() && three.is_err() && four.is_ok());
        store.close().await;
    });
    let db = open(&home, 9);
    assert_eq!(waits(&db, &bob()), ["one", "two", "four"]);
    check(&db);
}

#[test]
fn jobs_that_share_a_commit_keep_or_lose_their_items_each_by_itself() {
    let (mut alice, _) = founder(1, "alice");
    alice.db.begin_era(7, NOW).unwrap();
    let home = alice.home.path().to_owned();
    drop(alice.db);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let options = antiphon_store::StoreOptions { durable: false, ..antiphon_store::StoreOptions::new(|| [1; 32]) };
        let store = antiphon_store::Store::open(&home, options, None).unwrap();
        store.write(|db| db.begin_era(8, NOW)).await.unwrap();
        let put = |db: &mut Db, body: &str| {
            let update = item(bob(), Protocol::RESOURCE_UPDATE, 1, body);
            db.enqueue(&[message(body), update], Level::Critical, &KEY, &Bounds::default(), NOW)
        };
        // Each writes something else behind its items, and then more items.
        let send = |first: &'static str, second: &'static str, mode: PeerMode, then: Result<(), Error>| {
            store.share(move |db| {
                let _pushed = put(db, first)?;
                db.set_peer_mode(&bob(), mode)?;
                let _pushed = put(db, second)?;
                then
            })
        };
        let large = store.share(|db| {
            let bodies: Vec<_> =
                (0..100).map(|n| item(eve(), Protocol::RESOURCE_CREATE, n, &"x".repeat(60_000))).collect();
            db.enqueue(&bodies, Level::Critical, &KEY, &Bounds::default(), NOW)
        });
        let done = tokio::join!(
            send("one", "two", PeerMode::Paused, Ok(())),
            send("three", "four", PeerMode::Sync, Err(Error::Closed)),
            large,
            send("five", "six", PeerMode::Paused, Err(Error::Closed)),
            store.share(move |db| put(db, "seven")),
        );
        done.0.unwrap();
        done.2.unwrap();
        done.4.unwrap();
        assert!(done.1.is_err() && done.3.is_err());
        store.close().await;
    });
    let db = open(&home, 9);
    assert_eq!(waits(&db, &bob()), ["one", "two", "seven", "seven"], "the newest update stands, at the end");
    assert_eq!(db.reader().peer(&bob()).unwrap().unwrap().mode, PeerMode::Paused);
    check(&db);
}

/// Every file of a home, whatever it is for.
fn files(home: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn nothing_of_a_body_is_in_any_file_while_it_waits_or_after() {
    const CANARY: &str = "the canary sings at midnight";
    let (mut alice, _) = founder(1, "alice");
    alice.db.begin_era(7, NOW).unwrap();
    let look = |alice: &crate::common::Machine, when: &str| {
        let files = files(alice.home.path());
        assert!(files.iter().any(|(name, _)| name == "antiphon.db-wal"), "{when}");
        for (name, bytes) in files {
            let found = bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
            assert!(!found, "{when}: {name}");
        }
    };
    let update = || item(bob(), Protocol::RESOURCE_UPDATE, 1, CANARY);
    let long = message(&CANARY.repeat(5_000));
    let pushed = put(&mut alice.db, &[message(CANARY), update(), long, message(CANARY)]);
    look(&alice, "waiting");
    put(&mut alice.db, &[update()]);
    alice.remember("something else");
    while alice.db.index_step(10).unwrap() > 0 {}
    look(&alice, "merged and indexed");
    let places = places(&pushed);
    let said = [(places[0], Settled::Taken), (places[2], Settled::Refused("no".into()))];
    alice.db.settle_outbox(&bob(), &said, NOW).unwrap();
    alice.db.drop_outbox(&[pushed[3].id()]).unwrap();
    look(&alice, "settled and dropped");
    alice.reopen();
    look(&alice, "opened again");
    drop(alice.db);
    for (name, bytes) in files(alice.home.path()) {
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "closed: {name}");
    }
}
