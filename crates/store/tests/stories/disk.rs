//! What the disk can do to us.

use std::os::unix::fs::PermissionsExt;

use antiphon_core::fact::Field;
use antiphon_core::ids::Hash;
use antiphon_core::log::{Head, Stream};
use antiphon_core::time::UnixMillis;
use antiphon_core::trust::Trust;
use antiphon_core::value::Value;
use antiphon_store::{Bring, Db, Draft, Error, Health, HealthError, Invite, InviteUse, Options, PeerRow, RecallQuery};

use crate::common::{Machine, NOW, alice, charter_runs, founder, grant, join, no_provenance, text};
use crate::sync::check;

#[test]
fn files_are_for_their_owner_alone() {
    let (mut alice, _) = alice();
    alice.remember("secret");
    for entry in std::fs::read_dir(alice.home.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn a_database_of_a_newer_version_is_left_as_it_is() {
    let (alice, _) = alice();
    let path = alice.home.path().join("antiphon.db");
    drop(alice.db);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let before = Hash::of(&std::fs::read(&path).unwrap());
    let error = Db::open(alice.home.path(), Options::default(), None).unwrap_err();
    assert!(error.is_newer_schema());
    let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let of_search = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("search");
    let known = migrations.filter(|entry| !of_search(&entry.as_ref().unwrap().file_name())).count();
    let want = format!("database {} has schema 999, this version knows {known}", path.display());
    assert_eq!(error.to_string(), want);
    assert_eq!(Hash::of(&std::fs::read(&path).unwrap()), before);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let error = Db::open(&file, Options::default(), None).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
    std::fs::write(home.path().join("antiphon.db"), "this is no database, whatever its name says".repeat(30)).unwrap();
    assert!(Db::open(home.path(), Options::default(), None).unwrap_err().is_damaged());
}

#[test]
fn a_check_finds_a_frontier_that_does_not_follow_from_the_log() {
    let (mut alice, _) = alice();
    let fact = alice.remember("first");
    alice.edit(fact, Field::Content, "second".into());
    let path = alice.home.path().join("antiphon.db");
    let tampered = rusqlite::Connection::open(path).unwrap();
    tampered.execute("UPDATE edits SET standing = 1", []).unwrap();
    let report = alice.db.reader().verify().unwrap();
    let told = [
        format!("fact {fact}: 1 edits do not stand as the log says"),
        // Nor does the row follow from edits that stand so.
        format!("fact {fact} is not shown as the log says"),
    ];
    assert_eq!(report.problems, told);
    alice.db.rebuild().unwrap();
    check(&alice);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let (mut alice, genome) = alice();
    let fact = alice.remember("acknowledged");
    // A kill leaves the files as they are at that moment; the copy is what the next process finds.
    let home = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(alice.home.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), home.path().join(entry.file_name())).unwrap();
    }
    let mut after = Machine::at(1, home);
    assert_eq!(after.content(fact).as_deref(), Some("acknowledged"));
    check(&after);
    after.remember("and on it goes");
    let mut bob = join(2, "bob", &mut after, &genome);
    bob.pull(&after);
    check(&bob);
}

/// Run by the next test in a process of its own, which it kills; by itself it does nothing.
#[test]
fn a_process_that_writes_until_it_is_killed() {
    let Ok(home) = std::env::var("ANTIPHON_TEST_KILLED_HOME") else { return };
    let key = crate::common::Key::new(1);
    let mut db = Db::open(std::path::Path::new(&home), Options::default(), Some(key)).unwrap();
    for n in 0_u64.. {
        let mut random = [3; 32];
        random[..8].copy_from_slice(&n.to_be_bytes());
        let drafts = ["fact", "more"].map(|word| Draft::Remember {
            id: None,
            edit: text(&format!("{word} {n}")),
            provenance: no_provenance(),
            idempotency_key: None,
        });
        let results = db.author(&drafts, NOW, random).unwrap();
        for result in results {
            println!("acknowledged {}", result.unwrap().fact.unwrap());
        }
        db.index_step(3).unwrap();
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing_it_acknowledged() {
    use std::io::BufRead;
    let (machine, _) = alice();
    let home = machine.home;
    drop(machine.db);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "disk::a_process_that_writes_until_it_is_killed", "--nocapture"])
        .env("ANTIPHON_TEST_KILLED_HOME", home.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged: Vec<String> =
        lines.filter_map(|line| line.split_once("acknowledged ").map(|(_, id)| id.to_owned())).take(101).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let after = Machine::at(1, home);
    check(&after);
    assert_eq!(acknowledged.len(), 101);
    for id in acknowledged {
        assert!(after.content(id.parse().unwrap()).is_some(), "{id}");
    }
}

#[test]
fn a_full_disk_refuses_the_write_and_nothing_else() {
    let (mut alice, _) = alice();
    let kept = alice.remember("kept");
    let pages = alice.db.page_count().unwrap();
    alice.db.limit_pages(pages + 4).unwrap();
    let draft = Draft::Remember {
        id: None,
        edit: text(&"x".repeat(50_000)),
        provenance: no_provenance(),
        idempotency_key: None,
    };
    let error = alice.db.author(std::slice::from_ref(&draft), NOW, [9; 32]).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(alice.content(kept).as_deref(), Some("kept"));
    check(&alice);
    alice.db.limit_pages(1_000_000).unwrap();
    alice.write(draft);
    alice.remember("room again");
    check(&alice);
    alice.reopen();
    check(&alice);
}

#[test]
fn another_key_cannot_open_the_home() {
    let (alice, _) = alice();
    let other = Machine::new(7).key;
    let error = Db::open(alice.home.path(), Options::default(), Some(other)).unwrap_err();
    assert!(matches!(error, Error::OtherKey { .. }));
}

#[test]
fn moving_to_a_team_brings_what_one_has() {
    let (mut bob, _) = founder(2, "bob");
    let shared = bob.remember_with(text("for all").set(Field::CreatedAt, Value::Uint(1_000)));
    let local = bob.remember_with(text("for me").set(Field::Level, Value::Uint(3)));
    let gone = bob.remember("forgotten");
    bob.forget(gone);
    let old = bob.db.own().unwrap().store;
    let before = bob.db.reader().fact(shared).unwrap().unwrap();
    let (mut alice, genome) = alice();
    alice.write(grant(bob.node(), "bob"));
    let mut identity = bob.identity("bob");
    identity.nonce = [77; 16];
    let (charter, random) = (charter_runs(&alice), bob.random());
    bob.db.move_to_team(&identity, &genome, charter, Bring::Shared, NOW, random).unwrap();
    let after = bob.db.reader().fact(shared).unwrap().unwrap();
    assert_eq!((after.fact.content.as_deref(), after.fact.created_at), (Some("for all"), UnixMillis(1_000)));
    assert_eq!((after.provenance.agent, after.stream), (before.provenance.agent, Stream::Shared));
    assert_eq!(bob.db.reader().fact(local).unwrap().unwrap().stream, Stream::Local);
    assert_eq!(bob.content(gone), None);
    assert!(bob.home.path().join(format!("antiphon-{old}.db")).exists());
    assert!(bob.db.reader().clock().unwrap().keys().all(|log| log.store != old));
    check(&bob);
    alice.pull(&bob);
    bob.pull(&alice);
    assert_eq!(alice.content(shared).as_deref(), Some("for all"));
    assert_eq!(alice.content(local), None);
    assert_eq!(alice.db.reader().state_hash().unwrap(), bob.db.reader().state_hash().unwrap());
    while bob.db.index_step(10).unwrap() > 0 {}
    let query = RecallQuery { text: "for all".into(), limit: 5, now: NOW, ..RecallQuery::default() };
    assert_eq!(bob.db.reader().recall(&query).unwrap().hits.len(), 2);
    bob.reopen();
    check(&bob);
}

#[test]
fn moving_without_bringing_keeps_everything_on_the_node() {
    let (mut bob, _) = founder(2, "bob");
    let fact = bob.remember("mine alone");
    let (mut alice, genome) = alice();
    let (mut identity, charter) = (bob.identity("bob"), charter_runs(&alice));
    identity.nonce = [77; 16];
    bob.db.move_to_team(&identity, &genome, charter, Bring::None, NOW, [3; 32]).unwrap();
    alice.pull(&bob);
    assert_eq!((alice.content(fact), bob.content(fact).as_deref()), (None, Some("mine alone")));
    bob.edit(fact, Field::Domain, "web".into());
    assert_eq!(bob.db.reader().fact(fact).unwrap().unwrap().stream, Stream::Local);
    check(&bob);
}

#[test]
fn peers_are_kept_as_they_were_given() {
    let (mut alice, _) = alice();
    let node = Machine::new(2).node();
    let mut peer = PeerRow::new(node, "bob");
    peer.trust = Trust::Verified;
    peer.addresses = vec!["/ip4/127.0.0.1/tcp/4001".into()];
    peer.store = Some(alice.db.own().unwrap().store);
    peer.last_seen = Some(NOW);
    peer.fact_count = 7;
    peer.acked = [(alice.shared(), Head { seq: 3, hash: Hash([4; 32]) })].into_iter().collect();
    peer.except_domains = vec!["private".into()];
    peer.by_peer = true;
    peer.health = Health {
        version: Some("0.1.0".into()),
        consecutive_failures: 2,
        last_error: Some(HealthError {
            reason: "network_timeout".into(),
            event: None,
            fact: Some(antiphon_core::ids::FactId([6; 16])),
            observed_at: NOW,
        }),
        ..Health::default()
    };
    alice.db.put_peer(&peer).unwrap();
    alice.reopen();
    assert_eq!(alice.db.reader().peer(&node).unwrap(), Some(peer.clone()));
    // What cannot be read counts as no data yet.
    let conn = rusqlite::Connection::open(alice.home.path().join("antiphon.db")).unwrap();
    conn.execute("UPDATE peers SET data = x'ff'", []).unwrap();
    let read = alice.db.reader().peer(&node).unwrap().unwrap();
    assert_eq!((read.trust, read.health, read.fact_count), (Trust::Verified, Health::default(), 7));
    alice.db.update_peer(&node, |peer| peer.trust = Trust::Expired).unwrap();
    assert_eq!(alice.db.reader().peers().unwrap()[0].trust, Trust::Expired);
    assert!(alice.db.remove_peer(&node).unwrap());
    assert!(!alice.db.remove_peer(&node).unwrap());
}

#[test]
fn a_peer_gets_no_text_of_a_domain_it_is_excluded_from() {
    let (mut alice, genome) = alice();
    let secret = alice.remember_with(text("pay").set(Field::Domain, "wages".into()));
    let open = alice.remember_with(text("build").set(Field::Domain, "build".into()));
    let mut bob = join(2, "bob", &mut alice, &genome);
    let node = bob.node();
    alice.db.update_peer(&node, |peer| peer.except_domains = vec!["wages".into()]).unwrap();
    bob.pull(&alice);
    alice.pull(&bob);
    assert_eq!((bob.content(secret), bob.content(open).as_deref()), (None, Some("build")));
    assert_eq!(alice.db.reader().state_hash().unwrap(), bob.db.reader().state_hash().unwrap());
}

#[test]
fn an_invite_serves_one_key_and_its_retry() {
    let (mut alice, _) = alice();
    let (bob, eve) = (Machine::new(2).node(), Machine::new(3).node());
    let invite = Invite {
        secret_hash: Hash::of(b"secret"),
        roles: vec!["observer".into()],
        expires_at: NOW.after(1_000),
        created_at: NOW,
        joiner: None,
    };
    alice.db.add_invite(&invite).unwrap();
    let mut late = invite.clone();
    late.secret_hash = Hash::of(b"late");
    alice.db.add_invite(&late).unwrap();
    let used = Invite { joiner: Some(bob), ..invite.clone() };
    let mut go = |secret: &[u8], node, now| alice.db.use_invite(&Hash::of(secret), node, now).unwrap();
    assert_eq!(go(b"wrong", &bob, NOW), InviteUse::Unknown);
    assert_eq!(go(b"late", &bob, NOW.after(1_001)), InviteUse::Expired);
    assert_eq!(go(b"secret", &bob, NOW), InviteUse::Accepted(used.clone()));
    assert_eq!(go(b"secret", &bob, NOW.after(9_999)), InviteUse::Again(used));
    assert_eq!(go(b"secret", &eve, NOW), InviteUse::Taken);
    assert_eq!(alice.db.reader().invites().unwrap().len(), 2);
}
