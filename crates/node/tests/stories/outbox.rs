//! What waits for a peer, between real nodes on loopback. A request for a receipt is the plainest of items: it says
//! nothing, and what comes of it can be seen.

use crate::common::{Machine, agree, team_of_two, until};
use antiphon_core::outbox::{Bounds, Level, Outgoing, Place, Protocol, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::Source;
use antiphon_store::{Db, Options};
use antiphon_vault::OutboxKey;

/// The database of a machine that is off.
fn open_db(machine: &Machine) -> Db {
    Db::open(&machine.dir.path().join("home"), Options::default(), None).unwrap()
}

/// How many items wait there, and what was taken last of what waited on the other's disk.
fn waiting_and_taken(machine: &Machine, of: &Machine) -> (u64, Option<Place>) {
    let sender = open_db(of).own().unwrap().clone();
    let db = open_db(machine);
    let reader = db.reader();
    let on_disk = |era| Source::of(era) == Source::Disk;
    let taken = reader.taken_last_of(&sender.node, &sender.store, on_disk).unwrap();
    (reader.outbox_stats().unwrap().items, taken)
}

/// When bob's newest receipt here was signed.
async fn signed(machine: &Machine) -> Option<UnixMillis> {
    machine.handle.receipts().await.unwrap().iter().find_map(|receipt| receipt.at)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_is_asked_at_once_and_answers() {
    let (mut alice, mut bob) = team_of_two().await;
    agree(&alice, &bob).await;
    until("bob has signed", async || signed(&alice).await.is_some()).await;
    let before = signed(&alice).await;
    assert_eq!(alice.handle.ask_for_receipts().await.unwrap(), ["bob"]);
    until("bob has signed anew", async || signed(&alice).await > before).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_is_asked_when_it_is_back_also_by_a_node_that_was_restarted() {
    let (mut alice, mut bob) = team_of_two().await;
    agree(&alice, &bob).await;
    bob.stop().await;
    alice.handle.ask_for_receipts().await.unwrap();
    alice.handle.ask_for_receipts().await.unwrap();
    alice.stop().await;
    assert_eq!(waiting_and_taken(&alice, &bob), (1, None), "the second took the place of the first");
    alice.start_again().await;
    bob.start_again().await;
    until("nothing waits any more", async || alice.handle.outbox_stats().await.unwrap().pending() == 0).await;
    bob.stop().await;
    alice.stop().await;
    assert_eq!(waiting_and_taken(&alice, &bob), (0, None));
    assert_eq!(waiting_and_taken(&bob, &alice).1.map(|place| place.n), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_down_by_somebody_who_went_before_saying_so_is_delivered() {
    let (mut alice, mut bob) = team_of_two().await;
    agree(&alice, &bob).await;
    let peer = alice.sees("bob").await.peer_id;
    {
        let key = antiphon_vault::file::load(&alice.dir.path().join("home/node.key")).unwrap();
        let sealer = OutboxKey::derive(&key).unwrap();
        let mut db = open_db(&alice);
        db.begin_era(2, UnixMillis(1)).unwrap();
        let (protocol, subject) = (Protocol::CUSTODY_REQUEST, Subject([1; 16]));
        let item = Outgoing { peer, protocol, schema: 1, subject, body: Vec::new() };
        let _row = db.enqueue(&[item], Level::Critical, &sealer, &Bounds::default(), UnixMillis(1)).unwrap();
    }
    assert_eq!(alice.handle.outbox_stats().await.unwrap().pending(), 1);
    until("it is delivered", async || alice.handle.outbox_stats().await.unwrap().pending() == 0).await;
    bob.stop().await;
    alice.stop().await;
    assert_eq!(waiting_and_taken(&bob, &alice).1, Some(Place { era: 2, n: 1 }));
}
