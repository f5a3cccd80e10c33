//! What eve can do to rows on alice's disk, and what a disk does by itself.

use antiphon_core::outbox::{Place, Protocol};
use antiphon_store::{
    CAME_BACK, DOES_NOT_OPEN, Db, Effect, OutboxFilter, OutboxState, Retried, Settled, TakeFrom, Taking, Took,
};

use crate::common::NOW;
use crate::outbox::{KEY, TestKey, bob, bodies, check, item, message, open, page, places, put, waits};

fn other(home: &tempfile::TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(home.path().join("antiphon.db")).unwrap()
}

fn shown(db: &Db, id: u64) -> antiphon_store::OutboxRow {
    let rows = db.reader().outbox_list(&OutboxFilter::default(), 0, 100, Some(&KEY)).unwrap();
    rows.into_iter().find(|row| row.id == id).unwrap()
}

/// Damages the second of three rows; it must be found and shown, and the others must go on.
fn check_damage(what: &str, damage: &str, found_by_delivery: bool) {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    let of = |subject, body| item(bob(), Protocol::RESOURCE_CREATE, subject, body);
    put(&mut db, &[of(1, "one"), of(2, "two"), of(3, "three")]);
    other(&home).execute_batch(damage).unwrap();
    let page = page(&db, &bob());
    assert_eq!(bodies(&page), ["one", "three"], "{what}");
    assert_eq!(page.broken.len(), usize::from(found_by_delivery), "{what}");
    let stats = db.reader().check_outbox(&KEY).unwrap();
    assert_eq!((stats.opened, stats.broken_count), (2, 1), "{what}");
    let (id, reason) = stats.broken[0];
    assert_eq!((shown(&db, id).flaw, reason), (Some(DOES_NOT_OPEN), DOES_NOT_OPEN), "{what}");
    assert_eq!(db.set_aside_outbox(&stats.broken).unwrap(), 1);
    let row = shown(&db, id);
    assert_eq!((row.state, row.reason.as_deref()), (OutboxState::Broken, Some(DOES_NOT_OPEN)), "{what}");
    assert_eq!(waits(&db, &bob()), ["one", "three"], "{what}");
    assert_eq!(db.retry_outbox(id, &KEY).unwrap(), Retried::Broken(DOES_NOT_OPEN), "{what}");
    put(&mut db, &[of(4, "four"), of(5, "five")]);
    assert_eq!(waits(&db, &bob()), ["one", "three", "four", "five"], "{what}");
    assert_eq!(db.drop_outbox(&[id]).unwrap(), 1, "{what}");
    assert_eq!(waits(&db, &bob()), ["one", "three", "four", "five"], "{what}");
    db.rebuild().unwrap();
    check(&db);
}

#[test]
fn damage_of_any_column_is_found_and_the_others_go_on() {
    check_damage("the number", "UPDATE outbox SET id = 9 WHERE id = 2", true);
    check_damage("another peer", "UPDATE outbox SET peer = randomblob(32) WHERE id = 2", false);
    check_damage("no peer", "UPDATE outbox SET peer = x'00' WHERE id = 2", false);
    check_damage("the era", "UPDATE outbox SET era = 6 WHERE id = 2", true);
    check_damage("a place that comes next", "UPDATE outbox SET n = 4 WHERE id = 2", true);
    check_damage("the last place", "UPDATE outbox SET n = 9223372036854775807 WHERE id = 2", true);
    check_damage("no place", "UPDATE outbox SET n = -2 WHERE id = 2", false);
    check_damage("the kind", "UPDATE outbox SET protocol = 4 WHERE id = 2", true);
    check_damage("no kind", "UPDATE outbox SET protocol = 258 WHERE id = 2", true);
    check_damage("the level", "UPDATE outbox SET level = 1 WHERE id = 2", true);
    check_damage("no level", "UPDATE outbox SET level = -1 WHERE id = 2", true);
    check_damage("the schema", "UPDATE outbox SET schema = 2 WHERE id = 2", true);
    check_damage("no schema", "UPDATE outbox SET schema = 65537 WHERE id = 2", true);
    check_damage("the subject", "UPDATE outbox SET subject = zeroblob(16) WHERE id = 2", true);
    check_damage("no subject", "UPDATE outbox SET subject = x'' WHERE id = 2", true);
    let flipped = "UPDATE outbox SET sealed = CAST(x'ff' || substr(sealed, 2) AS BLOB) WHERE id = 2";
    check_damage("a byte of the body", flipped, true);
    check_damage("the end", "UPDATE outbox SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE id = 2", true);
    check_damage("everything", "UPDATE outbox SET sealed = x'' WHERE id = 2", true);
    let neighbour = "UPDATE outbox SET sealed = (SELECT sealed FROM outbox WHERE id = 1) WHERE id = 2";
    check_damage("the body of another row", neighbour, true);
}

#[test]
fn two_rows_that_changed_places_are_both_found() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &["one", "two", "three"].map(message));
    other(&home)
        .execute_batch(
            "CREATE TEMP TABLE was AS SELECT id, sealed FROM outbox;
             UPDATE outbox SET sealed = (SELECT sealed FROM was WHERE was.id = 3 - outbox.id) WHERE id < 3",
        )
        .unwrap();
    let page = page(&db, &bob());
    assert_eq!((bodies(&page), page.broken), (vec!["three".into()], vec![(1, DOES_NOT_OPEN), (2, DOES_NOT_OPEN)]));
}

#[test]
fn a_row_whose_state_makes_no_sense_is_not_sent_and_shows() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &["one", "two"].map(message));
    other(&home).execute_batch("UPDATE outbox SET state = 77 WHERE id = 1").unwrap();
    assert_eq!(waits(&db, &bob()), ["two"]);
    assert_eq!(shown(&db, 1).state, OutboxState::Broken);
    let stuck = db.reader().outbox_stuck().unwrap();
    assert_eq!((stuck.refused, stuck.broken), (0, 1));
    assert!(matches!(db.retry_outbox(1, &KEY).unwrap(), Retried::Waits { .. }));
    assert_eq!(waits(&db, &bob()), ["one", "two"]);
}

#[test]
fn a_wrong_key_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    let before = places(&put(&mut db, &["one", "two"].map(message)));
    let wrong = TestKey(9);
    let page = db.reader().outbox_page(&bob(), 0, 100, 1 << 20, &wrong).unwrap();
    assert_eq!((page.items.len(), page.broken.len()), (0, 2));
    db.set_aside_outbox(&page.broken).unwrap();
    assert_eq!(db.retry_outbox(1, &wrong).unwrap(), Retried::Broken(DOES_NOT_OPEN));
    check(&db);
    drop(db);
    let mut db = open(home.path(), 8);
    assert_eq!(waits(&db, &bob()), [""; 0]);
    for (id, place) in (1..).zip(before) {
        assert_eq!(db.retry_outbox(id, &KEY).unwrap(), Retried::Waits { peer: bob(), place });
    }
    assert_eq!(waits(&db, &bob()), ["one", "two"]);
    check(&db);
}

#[test]
fn a_row_that_was_put_back_after_it_was_gone_is_found_or_does_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut alice = open(home.path(), 7);
    let places = places(&put(&mut alice, &["one", "two", "three"].map(message)));
    let eve = other(&home);
    eve.execute_batch("CREATE TABLE kept AS SELECT * FROM outbox").unwrap();
    let put_back = |id: u64| {
        eve.execute("INSERT INTO outbox SELECT * FROM kept WHERE id = ?1", [i64::try_from(id).unwrap()]).unwrap();
    };
    let bobs_home = tempfile::tempdir().unwrap();
    let mut bob_db = open(bobs_home.path(), 70);
    let mut deliver = |places: &[Place], floor| {
        let from = TakeFrom { node: crate::outbox::eve(), store: antiphon_core::ids::StoreId([1; 16]), floor };
        let items = places.iter().map(|place| Taking { place: *place, effect: Effect::Nothing }).collect();
        bob_db.take(&from, items, NOW).unwrap()
    };
    assert_eq!(deliver(&places, 1), [Took::Taken; 3]);
    let said = [(places[0], Settled::Taken), (places[1], Settled::Refused("no".into())), (places[2], Settled::Taken)];
    alice.settle_outbox(&bob(), &said, NOW).unwrap();
    put_back(1);
    put_back(3);
    let found = page(&alice, &bob());
    assert_eq!(found.broken, [(1, CAME_BACK)], "nothing that low was left");
    assert_eq!(bodies(&found), ["three"], "this one opens, and could as well be what it says");
    assert_eq!(deliver(&[places[2]], found.floor), [Took::Had], "but bob knows its place");
    alice.set_aside_outbox(&found.broken).unwrap();
    assert_eq!(alice.retry_outbox(1, &KEY).unwrap(), Retried::Broken(CAME_BACK));
    assert_eq!(shown(&alice, 1).state, OutboxState::Broken);
}
