//! What waits for bob while he is away.

use std::path::Path;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{
    BODY_BYTES_MAX, Binding, Bounds, Level, NoRandomness, Outgoing, Place, Protocol, Sealed, Sealer, Subject,
};
use antiphon_store::{
    Bring, Db, Error, OUTBOX_ERAS_MAX, OUTBOX_REASON_BYTES_MAX, Options, OutboxBound, OutboxFilter, OutboxPage,
    OutboxState, Push, Retried, Settled,
};
use sha2::{Digest, Sha256};

use crate::common::{Key, NOW, alice, charter_runs, founder, grant, join};
use antiphon_core::sign::Signer;

/// Seals as the vault does, only not as well: the vault knows secrets, and the database must not need them.
pub struct TestKey(pub u8);

impl TestKey {
    fn digest(&self, binding: &Binding, what: &[u8]) -> [u8; 32] {
        let bound_to = format!("{} {binding:?}", self.0);
        Sha256::new().chain_update(bound_to).chain_update(what).finalize().into()
    }

    fn mixed(&self, binding: &Binding, text: &[u8]) -> Vec<u8> {
        let stream = |block: usize| self.digest(binding, &block.to_be_bytes());
        let blocks = text.chunks(32).enumerate();
        blocks.flat_map(|(at, block)| block.iter().zip(stream(at)).map(|(a, b)| a ^ b).collect::<Vec<_>>()).collect()
    }
}

impl Sealer for TestKey {
    fn seal(&self, binding: &Binding, body: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let text = self.mixed(binding, body);
        let tag = self.digest(binding, &text);
        Ok([text.as_slice(), &tag].concat())
    }

    fn open(&self, binding: &Binding, sealed: &[u8]) -> Result<Vec<u8>, Sealed> {
        let (text, tag) = sealed.split_last_chunk::<32>().ok_or(Sealed)?;
        if self.digest(binding, text) == *tag { Ok(self.mixed(binding, text)) } else { Err(Sealed) }
    }
}

pub const KEY: TestKey = TestKey(1);

pub fn bob() -> NodeId {
    Key::new(2).node_id()
}

pub fn eve() -> NodeId {
    Key::new(6).node_id()
}

/// A database that has begun an era.
pub fn open(home: &Path, era: u64) -> Db {
    let mut db = Db::open(home, Options { durable: false }, None).unwrap();
    db.begin_era(era, NOW).unwrap();
    db
}

pub fn item(peer: NodeId, protocol: Protocol, subject: u8, body: &str) -> Outgoing {
    Outgoing { peer, protocol, schema: 1, subject: Subject([subject; 16]), body: body.into() }
}

pub fn message(body: &str) -> Outgoing {
    item(bob(), Protocol::MESSAGE, 0, body)
}

pub fn put(db: &mut Db, items: &[Outgoing]) -> Vec<Push> {
    db.enqueue(items, Level::Critical, &KEY, &Bounds::default(), NOW).unwrap()
}

pub fn page(db: &Db, peer: &NodeId) -> OutboxPage {
    db.reader().outbox_page(peer, 0, 1_000, 1 << 20, &KEY).unwrap()
}

pub fn bodies(page: &OutboxPage) -> Vec<String> {
    page.items.iter().map(|waiting| String::from_utf8(waiting.item.body.clone()).unwrap()).collect()
}

/// What waits for a peer, in order.
pub fn waits(db: &Db, peer: &NodeId) -> Vec<String> {
    let page = page(db, peer);
    assert_eq!((page.broken.len(), page.more_after), (0, None));
    bodies(&page)
}

/// The counts beside the rows must be what counting gives.
pub fn check(db: &Db) {
    let report = db.reader().verify().unwrap();
    assert!(report.is_good(), "{report:?}");
    let listed = db.reader().outbox_list(&OutboxFilter::default(), 0, 10_000, None).unwrap();
    let stats = db.reader().outbox_stats().unwrap();
    let stuck = listed.iter().filter(|row| row.state != OutboxState::Waits).count();
    assert_eq!((stats.items, stats.stuck), (listed.len() as u64, stuck as u64));
    assert_eq!(stats.bytes, listed.iter().map(|row| row.bytes).sum::<u64>());
}

pub fn places(pushed: &[Push]) -> Vec<Place> {
    pushed.iter().map(Push::place).collect()
}

#[test]
fn items_wait_in_the_order_in_which_they_came() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    let pushed = put(&mut db, &[message("one"), message("two"), item(eve(), Protocol::MESSAGE, 0, "for eve")]);
    let at = |n| Place { era: 7, n };
    assert_eq!(places(&pushed), [at(1), at(2), at(1)]);
    put(&mut db, &[message("three")]);
    assert_eq!(waits(&db, &bob()), ["one", "two", "three"]);
    assert_eq!(waits(&db, &eve()), ["for eve"]);
    drop(db);
    let mut db = open(home.path(), 8);
    let pushed = put(&mut db, &[message("four")]);
    assert_eq!(places(&pushed), [Place { era: 8, n: 4 }]);
    assert_eq!(waits(&db, &bob()), ["one", "two", "three", "four"]);
    let first = &page(&db, &bob()).items[0];
    assert_eq!((first.place, first.at, &first.item), (at(1), NOW, &message("one")));
    check(&db);
}

#[test]
fn nothing_waits_before_it_is_known_in_which_era() {
    let home = tempfile::tempdir().unwrap();
    let mut db = Db::open(home.path(), Options { durable: false }, None).unwrap();
    let refused = db.enqueue(&[message("early")], Level::Critical, &KEY, &Bounds::default(), NOW);
    assert!(matches!(refused, Err(Error::NoEra)));
    check(&db);
}

#[test]
fn a_newer_update_takes_the_place_of_one_that_waits() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    let update = |subject, body| item(bob(), Protocol::RESOURCE_UPDATE, subject, body);
    let first = put(&mut db, &[update(1, "old"), update(2, "other"), message("between")]);
    let pushed = put(&mut db, &[update(1, "new")]);
    assert_eq!(
        pushed,
        [Push::Merged { id: 4, place: Place { era: 7, n: 4 }, replaced: first[0].id() }],
        "a newer one goes to the end, so that it does not overtake"
    );
    assert_eq!(waits(&db, &bob()), ["other", "between", "new"]);
    assert_eq!(Protocol::MESSAGE.number(), 1, "the index by subject leaves this number out");
    let mut for_eve = update(1, "for eve");
    for_eve.peer = eve();
    assert!(matches!(put(&mut db, &[for_eve])[0], Push::Queued { .. }));
    check(&db);
}

#[test]
fn nothing_merges_past_what_came_between_or_into_what_does_not_wait() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    let of = |protocol, body| item(bob(), protocol, 1, body);
    let life = [
        of(Protocol::RESOURCE_CREATE, "create"),
        of(Protocol::RESOURCE_UPDATE, "update"),
        of(Protocol::RESOURCE_DELETE, "delete"),
        of(Protocol::RESOURCE_UPDATE, "update again"),
        of(Protocol::RESOURCE_DELETE, "delete again"),
        of(Protocol::RESOURCE_DELETE, "and again"),
    ];
    let pushed = put(&mut db, &life);
    assert!(pushed.iter().all(|push| matches!(push, Push::Queued { .. })), "{pushed:?}");
    db.settle_outbox(&bob(), &[(pushed[5].place(), Settled::Refused("no".into()))], NOW).unwrap();
    let of_custody = of(Protocol::CUSTODY_REQUEST, "prove it");
    let asked = put(&mut db, std::slice::from_ref(&of_custody));
    db.settle_outbox(&bob(), &[(asked[0].place(), Settled::Refused("no".into()))], NOW).unwrap();
    assert!(matches!(put(&mut db, &[of_custody])[0], Push::Queued { .. }), "a refused one stays for a person");
    check(&db);
}

#[test]
fn at_a_bound_nothing_is_written_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &[message("0123456789"), item(eve(), Protocol::RESOURCE_UPDATE, 1, "0123456789")]);
    let bounds = Bounds { items_per_peer: 3, bytes_per_peer: 40, bytes_in_all: 50 };
    let mut check_full = |items: &[Outgoing], peer, what, limit| {
        let before = (waits(&db, &bob()), waits(&db, &eve()), db.reader().outbox_stats().unwrap());
        let error = db.enqueue(items, Level::Critical, &KEY, &bounds, NOW).unwrap_err();
        let full = error.outbox_full().unwrap();
        assert_eq!((full.peer, full.what, full.limit), (peer, what, limit), "{error}");
        assert_eq!((waits(&db, &bob()), waits(&db, &eve()), db.reader().outbox_stats().unwrap()), before);
        check(&db);
    };
    let small = || message("a");
    check_full(&[small(), small(), small()], bob(), OutboxBound::ItemsPerPeer, 3);
    check_full(&[small(), message(&"x".repeat(30))], bob(), OutboxBound::BytesPerPeer, 40);
    check_full(
        &[message(&"x".repeat(29)), item(eve(), Protocol::MESSAGE, 0, "xx")],
        eve(),
        OutboxBound::BytesInAll,
        50,
    );
    let huge = message(&"x".repeat(BODY_BYTES_MAX + 1));
    check_full(&[small(), huge], bob(), OutboxBound::Body, BODY_BYTES_MAX as u64);
    let update = item(eve(), Protocol::RESOURCE_UPDATE, 1, "9876543210");
    let tight = Bounds { items_per_peer: 1, bytes_per_peer: 10, bytes_in_all: 20 };
    let pushed = db.enqueue(&[update], Level::Critical, &KEY, &tight, NOW).unwrap();
    assert!(matches!(pushed[0], Push::Merged { .. }), "what takes the place of another needs no room of its own");
    check(&db);
}

#[test]
fn what_bob_took_is_gone_and_what_he_refused_stays_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    let places = places(&put(&mut db, &["one", "two", "three", "four"].map(message)));
    let no = Settled::Refused("unknown_kind; \u{1b}[2J and a very long explanation of it".into());
    let said = [(places[0], Settled::Taken), (places[1], no), (places[2], Settled::Had)];
    assert_eq!(db.settle_outbox(&bob(), &said, NOW).unwrap(), 3);
    assert_eq!(db.settle_outbox(&bob(), &said, NOW.after(1)).unwrap(), 0, "an answer that comes twice counts once");
    assert_eq!(waits(&db, &bob()), ["four"]);
    let peer = db.reader().outbox_peer(&bob()).unwrap();
    assert_eq!((peer.items, peer.stuck, peer.waiting(), peer.delivered), (2, 1, 1, Some((places[2], NOW))));
    let stuck = db.reader().outbox_stuck().unwrap();
    assert_eq!((stuck.refused, stuck.broken), (1, 0));
    let filter = OutboxFilter { state: Some(OutboxState::Refused), peer: Some(bob()), ..OutboxFilter::default() };
    let refused = db.reader().outbox_list(&filter, 0, 10, Some(&KEY)).unwrap().remove(0);
    assert_eq!((refused.id, refused.place, refused.flaw), (2, places[1], None));
    let reason = refused.reason.unwrap();
    assert!(reason.starts_with("unknown_kind") && reason.len() == OUTBOX_REASON_BYTES_MAX, "{reason}");
    assert_eq!(page(&db, &bob()).floor, 2, "bob must remember the place of what may still be sent");
    check(&db);
    assert_eq!(db.retry_outbox(2, &KEY).unwrap(), Retried::Waits { peer: bob(), place: places[1] });
    assert_eq!(db.retry_outbox(1, &KEY).unwrap(), Retried::Gone);
    assert_eq!(waits(&db, &bob()), ["two", "four"]);
    assert_eq!(db.drop_outbox(&[2, 9]).unwrap(), 1);
    assert_eq!((waits(&db, &bob()), page(&db, &bob()).floor), (vec!["four".to_owned()], 4));
    check(&db);
}

#[test]
fn eve_gets_nothing_any_more_and_it_shows() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &[message("for bob"), item(eve(), Protocol::MESSAGE, 0, "a"), item(eve(), Protocol::MESSAGE, 0, "b")]);
    assert_eq!(db.refuse_waiting(&eve(), "revoked").unwrap(), 2);
    assert_eq!(db.refuse_waiting(&eve(), "revoked").unwrap(), 0);
    assert_eq!((waits(&db, &eve()).len(), waits(&db, &bob()).len()), (0, 1));
    let peers = db.reader().outbox_peers().unwrap();
    let eves = peers.iter().find(|peer| peer.node == eve()).unwrap();
    assert_eq!((peers.len(), eves.items, eves.stuck, eves.waiting()), (2, 2, 2, 0));
    let rows = db.reader().outbox_list(&OutboxFilter::default(), 0, 10, None).unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.state, row.reason.as_deref())).collect();
    let refused = (OutboxState::Refused, Some("revoked"));
    assert_eq!(shown, [(OutboxState::Waits, None), refused, refused]);
    check(&db);
}

#[test]
fn a_page_has_bounds_and_the_next_one_follows() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &["one", "two", "three"].map(message));
    put(&mut db, &[message(&"x".repeat(10_000)), message("five")]);
    let ask = |after, items, bytes| {
        let page = db.reader().outbox_page(&bob(), after, items, bytes, &KEY).unwrap();
        (page.items.iter().map(|waiting| waiting.place.n).collect::<Vec<_>>(), page.more_after)
    };
    assert_eq!(ask(0, 2, 1_000), (vec![1, 2], Some(2)));
    assert_eq!(ask(2, 2, 1_000), (vec![3], Some(3)));
    assert_eq!(ask(3, 2, 1_000), (vec![4], Some(4)), "one that is larger than a page goes alone");
    assert_eq!(ask(4, 2, 1_000), (vec![5], None));
    let by =
        |filter| db.reader().outbox_list(&filter, 2, 2, None).unwrap().iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(by(OutboxFilter::default()), [3, 4]);
    assert_eq!(by(OutboxFilter { protocol: Some(Protocol::PUSH), ..OutboxFilter::default() }), [0; 0]);
    assert_eq!(by(OutboxFilter { level: Some(Level::Critical), peer: Some(bob()), ..OutboxFilter::default() }), [3, 4]);
    let (row, item) = db.reader().outbox_item(5, &KEY).unwrap().unwrap();
    assert_eq!((row.subject, item.unwrap().body), (Some(Subject([0; 16])), b"five".to_vec()));
    assert!(db.reader().outbox_item(6, &KEY).unwrap().is_none());
}

#[test]
fn a_database_knows_which_places_it_gave() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &[message("one"), message("two")]);
    let knows = |db: &Db, era, n| db.reader().knows_place(&bob(), Place { era, n }).unwrap();
    assert!(knows(&db, 7, 1) && knows(&db, 7, 2) && !knows(&db, 7, 3) && !knows(&db, 8, 1));
    drop(db);
    let mut db = open(home.path(), 8);
    assert!(knows(&db, 7, 2) && !knows(&db, 7, 3), "a new era gives nothing before its first item");
    put(&mut db, &[message("three")]);
    assert!(knows(&db, 8, 3) && !knows(&db, 7, 3), "a place belongs to the era in which it was given");
    drop(db);
    let mut db = open(home.path(), 9);
    put(&mut db, &[message("four")]);
    let known = |n| (7..=9).filter(|era| knows(&db, *era, n)).collect::<Vec<_>>();
    assert_eq!([known(2), known(3), known(4), known(5)], [vec![7], vec![8], vec![9], vec![]]);
    assert!(db.reader().knows_era(7).unwrap() && !db.reader().knows_era(10).unwrap());
}

#[test]
fn eras_are_remembered_up_to_a_bound() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 1);
    let last = OUTBOX_ERAS_MAX as u64 + 1;
    for era in 2..=last {
        db.begin_era(u64::MAX - era, NOW).unwrap();
    }
    assert!(!db.reader().knows_era(1).unwrap());
    assert!(db.reader().knows_era(u64::MAX - 2).unwrap() && db.reader().knows_era(u64::MAX - last).unwrap());
}

#[test]
fn what_waits_outlives_all_that_is_done_to_the_rest() {
    let (mut bob_alone, _) = founder(2, "bob");
    bob_alone.db.begin_era(7, NOW).unwrap();
    let for_alice = Outgoing { peer: Key::new(1).node_id(), ..message("for alice") };
    put(&mut bob_alone.db, std::slice::from_ref(&for_alice));
    bob_alone.db.rebuild().unwrap();
    check(&bob_alone.db);
    let (mut alice, genome) = alice();
    alice.write(grant(bob_alone.node(), "bob"));
    let mut identity = bob_alone.identity("bob");
    identity.nonce = [77; 16];
    let (charter, random) = (charter_runs(&alice), bob_alone.random());
    bob_alone.db.move_to_team(&identity, &genome, charter, Bring::Shared, NOW, random).unwrap();
    assert_eq!(waits(&bob_alone.db, &for_alice.peer), ["for alice"]);
    let fact = bob_alone.remember("erase me");
    bob_alone.write(antiphon_store::Draft::Erase { fact, provenance: crate::common::no_provenance() });
    assert!(bob_alone.db.purge().unwrap(), "the files are written anew");
    bob_alone.reopen();
    assert_eq!(waits(&bob_alone.db, &for_alice.peer), ["for alice"]);
    check(&bob_alone.db);
    let _more = join(3, "carol", &mut alice, &genome);
}

#[test]
fn counts_that_are_wrong_are_found_and_put_right() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path(), 7);
    put(&mut db, &[message("one"), message("two")]);
    let other = rusqlite::Connection::open(home.path().join("antiphon.db")).unwrap();
    other.execute_batch("UPDATE outbox_peers SET items = 7, bytes = 1; UPDATE outbox_total SET bytes = 99").unwrap();
    let problems = db.reader().verify().unwrap().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    db.rebuild().unwrap();
    check(&db);
    assert_eq!(places(&put(&mut db, &[message("three")])), [Place { era: 7, n: 3 }]);
}
