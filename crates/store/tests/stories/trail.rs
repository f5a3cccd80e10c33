//! What the audit trail proves to somebody who comes later.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_core::trail::{Act, Operation, TrailId};
use antiphon_store::{Db, Options, TrailFilter};

fn open(home: &tempfile::TempDir) -> Db {
    Db::open(home.path(), Options { durable: false }, None).unwrap()
}

fn act(operation: Operation, address: &str, error: Option<&str>) -> Act {
    Act {
        at: UnixMillis(1_700_000_000_000),
        operation,
        node: NodeId([1; 32]),
        address: address.to_owned(),
        role: Some("backend_developer".to_owned()),
        content_type: None,
        size: None,
        error: error.map(str::to_owned),
        trail: TrailId([9; 16]),
    }
}

fn all() -> TrailFilter {
    TrailFilter { limit: 100, ..TrailFilter::default() }
}

/// Alice stores, bob's agent is refused, alice reads.
fn written(home: &tempfile::TempDir) -> Db {
    let mut db = open(home);
    db.trail(&[act(Operation::KeyAccess, "a", None), act(Operation::Store, "a", None)]).unwrap();
    db.trail(&[act(Operation::Retrieve, "b", Some("role x cannot decrypt content of role y"))]).unwrap();
    db.trail(&[act(Operation::Retrieve, "a", None)]).unwrap();
    db
}

#[test]
fn the_newest_comes_first_and_questions_are_answered() {
    let home = tempfile::tempdir().unwrap();
    let db = written(&home);
    let numbers = |filter: TrailFilter| -> Vec<u64> {
        db.reader().trail(&filter).unwrap().into_iter().map(|line| line.number).collect()
    };
    assert_eq!(numbers(all()), [4, 3, 2, 1]);
    assert_eq!(numbers(TrailFilter { address: Some("a".into()), ..all() }), [4, 2, 1]);
    assert_eq!(numbers(TrailFilter { operation: Some(Operation::Retrieve), ..all() }), [4, 3]);
    assert_eq!(numbers(TrailFilter { failed: true, ..all() }), [3]);
    assert_eq!(numbers(TrailFilter { before: Some(4), limit: 2, ..all() }), [3, 2]);
}

#[test]
fn a_trail_that_nobody_touched_follows_from_its_first_line() {
    let home = tempfile::tempdir().unwrap();
    let mut db = written(&home);
    let verdict = db.reader().verify_trail(None).unwrap();
    assert_eq!((verdict.lines, verdict.broken), (4, None));
    let noted = verdict.head.unwrap();
    db.trail(&[act(Operation::Remove, "a", None)]).unwrap();
    assert_eq!(db.reader().verify_trail(Some(&noted)).unwrap().noted, Some(4));
    assert_eq!(db.reader().verify_trail(Some(&Hash([5; 32]))).unwrap().noted, None);
    drop(db);
    let verdict = open(&home).reader().verify_trail(Some(&noted)).unwrap();
    assert_eq!((verdict.lines, verdict.noted, verdict.broken), (5, Some(4), None), "it goes on after a restart");
    let empty = tempfile::tempdir().unwrap();
    let verdict = open(&empty).reader().verify_trail(None).unwrap();
    assert_eq!((verdict.lines, verdict.head, verdict.broken), (0, None, None));
}

#[test]
fn eve_cannot_change_what_she_did() {
    let check = |what: &str, change: &str, first_wrong: Option<u64>| {
        let home = tempfile::tempdir().unwrap();
        let db = written(&home);
        let noted = db.reader().verify_trail(None).unwrap().head.unwrap();
        let eve = rusqlite::Connection::open(home.path().join("antiphon.db")).unwrap();
        assert!(eve.execute_batch(change).is_err(), "{what}: the table itself refuses it");
        eve.execute_batch(&format!("DROP TRIGGER trail_stays; DROP TRIGGER trail_is_final; {change}")).unwrap();
        let verdict = db.reader().verify_trail(Some(&noted)).unwrap();
        assert_eq!(verdict.broken.map(|(line, _)| line), first_wrong, "{what}");
        assert_eq!(verdict.noted, None, "{what}: who noted the last hash can tell");
        let problems = db.reader().verify().unwrap().problems;
        assert_eq!(!problems.is_empty(), first_wrong.is_some(), "{what}: {problems:?}");
    };
    check(
        "a line that says something else",
        "UPDATE trail SET line = (SELECT line FROM trail WHERE n = 4) WHERE n = 3",
        Some(3),
    );
    check("a line that is no line", "UPDATE trail SET line = x'00' WHERE n = 2", Some(2));
    check("another hash", "UPDATE trail SET hash = zeroblob(32) WHERE n = 1", Some(1));
    check("a hash that is none", "UPDATE trail SET hash = x'' WHERE n = 4", Some(4));
    check("a line left out", "DELETE FROM trail WHERE n = 3", Some(4));
    check("the first left out", "DELETE FROM trail WHERE n = 1", Some(2));
    check("the end cut off", "DELETE FROM trail WHERE n = 4", None);
}
