//! Real nodes over loopback: a machine that lost its disk comes back, and what its friends kept for it.

use std::collections::BTreeSet;

use crate::common::{Machine, config, stop, until};
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::{FactId, StoreId};
use antiphon_core::log::Stream;
use antiphon_core::resource::Kind;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_node::{
    Config, CopyFault, CopyRefusal, Draft, Error, FactFilter, FormerPlace, Node, PeerMode, Reason, Recovery, Refusal,
    ResourceDraft, ResourceFilter, Trust,
};
use antiphon_store::{CopyLimits, Db, Keeping, Options};
use antiphon_vault::sealed_copy::{self, Part, Push};
use antiphon_vault::{NodeKey, file};

const NO_LIMITS: CopyLimits = CopyLimits { owner_bytes: u64::MAX, total_bytes: u64::MAX, owner_parts: usize::MAX };

async fn write(machine: &Machine, draft: Draft) -> FactId {
    machine.handle.author(vec![draft]).await.unwrap().remove(0).unwrap().fact.unwrap()
}

async fn remember_privately(machine: &Machine, text: &str) -> FactId {
    let edit = Edit::new().set(Field::Content, text.into()).set(Field::Private, Value::Bool(true));
    write(machine, Draft::Remember { id: None, edit, provenance: Provenance::default(), idempotency_key: None }).await
}

async fn address(machine: &Machine) -> String {
    machine.handle.status().await.unwrap().listen.remove(0)
}

/// Seals to everybody, as soon as they are connected.
async fn seal(machine: &Machine) {
    until("the copy is sealed", async || {
        let sealed = machine.handle.seal_backup(&[], true).await.unwrap();
        sealed.iter().all(|one| one.fault.is_none() && one.missing == 0)
    })
    .await;
}

/// Loses the disk, keeps the key, and takes the place in the team of `peer` again.
async fn come_back(machine: &mut Machine, peer: &Machine) -> FormerPlace {
    machine.stop().await;
    machine.lose_disk();
    machine.start_again().await;
    let team = peer.handle.status().await.unwrap().team.id;
    machine.handle.recover(&address(peer).await, team, None).await.unwrap()
}

/// Recovers until nothing of the shared log is missing and `enough` is reached.
async fn recovered(machine: &Machine, place: &FormerPlace, enough: impl Fn(&Recovery) -> bool) -> Recovery {
    let mut last = None;
    until("the recovery is over", async || {
        let recovery = machine.handle.recovery(&place.expected).await.unwrap();
        let done = recovery.missing == 0 && recovery.asked > 0 && enough(&recovery);
        last = Some(recovery);
        done
    })
    .await;
    last.unwrap()
}

async fn facts_of(machine: &Machine, stream: Stream) -> usize {
    let facts = machine.handle.facts(FactFilter::default(), 100, None).await.unwrap();
    facts.iter().filter(|view| view.stream == stream).count()
}

fn open(machine: &Machine) -> Db {
    Db::open(&machine.dir.path().join("home"), Options::default(), None).unwrap()
}

fn key_of(machine: &Machine) -> NodeKey {
    file::load(&machine.dir.path().join("home/node.key")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_comes_back_with_his_private_facts_and_goes_on_with_them() {
    let (alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins(&alice).await;
    let shared = bob.remember("everybody may know").await;
    let (one, two) = (remember_privately(&bob, "nobody may know").await, remember_privately(&bob, "nor this").await);
    let former = bob.handle.status().await.unwrap().store_id;
    until("alice has what is shared", async || alice.handle.fact(shared).await.is_ok()).await;
    seal(&bob).await;
    assert!(alice.handle.fact(one).await.is_err());

    let place = come_back(&mut bob, &alice).await;
    assert_eq!((place.name.as_str(), place.team.name.as_str()), ("bob", "alice-team"));
    assert_eq!((place.previous, place.stewards), (Some(former), vec!["alice".to_owned()]));
    let place = alice_says(&bob, &alice).await;
    let recovery = recovered(&bob, &place, |recovery| recovery.private_facts == 2).await;
    assert!(recovery.is_complete() && recovery.own_facts == 1, "{recovery:?}");
    assert_eq!(bob.handle.history(one).await.unwrap()[0].log.store, former);
    until("alice's pin moved", async || {
        let store = bob.handle.status().await.unwrap().store_id;
        alice.sees("bob").await.store_id == Some(store) && store != former
    })
    .await;

    // The new store edits, forgets and publishes what the old one wrote.
    let edit = Edit::new().set(Field::Content, "nobody may know it still".into());
    write(&bob, Draft::Edit { fact: one, edit, provenance: Provenance::default() }).await;
    assert!(bob.recalls("still").await);
    assert_eq!(bob.handle.fact(one).await.unwrap().fact.content.as_deref(), Some("nobody may know it still"));
    let publish = Edit::new().set(Field::Private, Value::Bool(false));
    write(&bob, Draft::Edit { fact: one, edit: publish, provenance: Provenance::default() }).await;
    until("alice has the published one", async || alice.handle.fact(one).await.is_ok()).await;
    write(&bob, Draft::Forget { fact: two, provenance: Provenance::default() }).await;
    assert_eq!((facts_of(&bob, Stream::Shared).await, facts_of(&bob, Stream::Local).await), (2, 0));
    assert!(bob.handle.verify().await.unwrap().is_good());
    let hash = bob.handle.state_hash().await.unwrap();
    until("both hold the same", async || alice.handle.state_hash().await.unwrap() == hash).await;

    // He loses his disk once more, and both former stores come back.
    seal(&bob).await;
    come_back(&mut bob, &alice).await;
    let place = alice_says(&bob, &alice).await;
    recovered(&bob, &place, |recovery| recovery.own_facts == 2 && recovery.gaps.is_empty()).await;
    until("the forgotten one stays so", async || {
        bob.handle.recovery(&place.expected).await.unwrap();
        (facts_of(&bob, Stream::Shared).await, facts_of(&bob, Stream::Local).await) == (2, 0)
    })
    .await;
}

/// The place as alice sees it now, which names the present store too.
async fn alice_says(bob: &Machine, alice: &Machine) -> FormerPlace {
    bob.handle.former_place(&address(alice).await, None).await.unwrap()
}

async fn offers_a_tool(machine: &Machine) {
    let tool = ResourceDraft {
        kind: Kind::Tool,
        name: "linter".into(),
        description: "It does what it says.".into(),
        address: None,
        capabilities: BTreeSet::new(),
        tags: BTreeSet::new(),
        key: None,
    };
    machine.handle.create_resource(tool).await.unwrap();
}

/// How many things others offer, as far as a machine knows.
async fn offered_to(machine: &Machine) -> usize {
    machine.handle.resources(ResourceFilter::default(), 100).await.unwrap().len()
}

/// Carol never heard of the database that bob lost, so the new one does not name it. Alice kept parts of it, and knows what
/// bob offered then.
#[tokio::test(flavor = "multi_thread")]
async fn private_facts_come_back_although_the_giver_of_the_place_knew_of_no_former_store() {
    let (mut alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    until("carol knows alice", async || carol.handle.peer("alice").await.is_ok()).await;
    carol.handle.set_peer_mode("alice", PeerMode::Paused).await.unwrap();
    carol.stop().await;
    bob.joins(&alice).await;
    let fact = remember_privately(&bob, "nobody may know").await;
    let shared = bob.remember("everybody may know").await;
    until("alice has what is shared", async || alice.handle.fact(shared).await.is_ok()).await;
    offers_a_tool(&bob).await;
    until("alice knows what bob offers", async || offered_to(&alice).await == 1).await;
    until("alice keeps a copy", async || {
        let sealed = bob.handle.seal_backup(&["alice".to_owned()], false).await.unwrap();
        sealed.iter().all(|one| one.fault.is_none() && one.missing == 0)
    })
    .await;
    let team = alice.handle.status().await.unwrap().team.id;
    bob.stop().await;
    carol.start_again().await;
    until("carol learns of bob", async || carol.handle.peer("bob").await.is_ok()).await;
    alice.stop().await;

    bob.lose_disk();
    bob.start_again().await;
    let place = bob.handle.recover(&address(&carol).await, team, None).await.unwrap();
    assert_eq!(place.previous, None, "carol was to know of no former store");
    alice.start_again().await;
    alice.trusts("bob", Trust::Rejected).await;
    alice.handle.reset_peer("bob").await.unwrap();
    until("bob has his private fact again", async || bob.handle.fact(fact).await.is_ok()).await;
    assert!(bob.handle.fact(shared).await.is_ok() && carol.handle.fact(fact).await.is_err());
    until("alice knows that bob offers nothing any more", async || offered_to(&alice).await == 0).await;
    stop([&mut alice, &mut bob, &mut carol]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_was_published_after_the_copy_does_not_come_back_twice() {
    let (mut alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins(&alice).await;
    let fact = remember_privately(&bob, "first private, then not").await;
    seal(&bob).await;
    // From here on alice keeps the copy as it was.
    bob.handle.unseal_backup("alice").await.unwrap();
    let (store, sealed) = copy_of(&bob);
    let publish = Edit::new().set(Field::Private, Value::Bool(false));
    write(&bob, Draft::Edit { fact, edit: publish, provenance: Provenance::default() }).await;
    until("alice has it", async || alice.handle.fact(fact).await.is_ok()).await;
    alice.stop().await;
    let mut db = open(&alice);
    let bob_id = key_of(&bob).node_id();
    let kept = db.put_copy(&bob_id, (store, 1, 2), &sealed, NO_LIMITS, UnixMillis(1)).unwrap();
    assert_eq!(kept, Keeping::Kept);
    drop(db);
    alice.start_again().await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let place = come_back(&mut bob, &alice).await;
    recovered(&bob, &place, |recovery| recovery.shared_facts == 1).await;
    let recovery = recovered(&bob, &place, Recovery::is_complete).await;
    assert_eq!((recovery.shared_facts, recovery.private_facts), (1, 0));
    assert_eq!(bob.handle.fact(fact).await.unwrap().stream, Stream::Shared);
}

/// A sealed part of the whole local log of bob, as he would make it now.
fn copy_of(bob: &Machine) -> (StoreId, Vec<u8>) {
    let db = open(bob);
    let store = db.own().unwrap().store;
    (store, sealed_copy::seal(&part_of(&db, store), &key_of(bob).age_recipient()).unwrap())
}

/// All events of a local log as one part.
fn part_of(db: &Db, store: StoreId) -> Part {
    let mut part = Part::new(store, 1);
    for event in db.reader().local_events(store, 0, 100, 100_000).unwrap() {
        let (header, payload) = (event.header_bytes().to_vec(), event.payload().map(<[u8]>::to_vec));
        let raw = sealed_copy::RawEvent { header, payload, signature: event.signature().copied() };
        assert_eq!(part.push(raw).unwrap(), Push::Taken);
    }
    part
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_parts_are_refused_and_named_and_the_good_one_is_taken() {
    let (mut alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins(&alice).await;
    remember_privately(&bob, "one").await;
    remember_privately(&bob, "two").await;
    seal(&bob).await;
    let (key, mut eve) = (key_of(&bob), Machine::start("eve").await);
    remember_privately(&eve, "hers").await;
    eve.stop().await;
    bob.stop().await;
    let db = open(&bob);
    let store = db.own().unwrap().store;
    let good = part_of(&db, store);
    let hers = part_of(&open(&eve), open(&eve).own().unwrap().store);
    drop(db);
    bob.start_again().await;
    let seal_part = |part: &Part| sealed_copy::seal(part, &key.age_recipient()).unwrap();
    let of = |events: Vec<sealed_copy::RawEvent>, of: StoreId| {
        let mut part = Part::new(of, 1);
        events.into_iter().for_each(|event| assert_eq!(part.push(event).unwrap(), Push::Taken));
        seal_part(&part)
    };
    let mut reordered = good.events().to_vec();
    reordered.swap(1, 2);
    let mut unsigned = good.events().to_vec();
    unsigned.iter_mut().for_each(|event| event.signature = None);
    let truncated = seal_part(&good)[..600].to_vec();
    let mut flipped = seal_part(&good);
    let middle = flipped.len() - 20;
    flipped[middle] ^= 1;
    let wrong: Vec<(&str, Vec<u8>)> = vec![
        ("garbage", vec![7; 500]),
        ("cut short", truncated),
        ("flipped", flipped),
        ("without signatures", of(unsigned, store)),
        ("another's log", seal_part(&hers)),
        ("another's events", of(hers.events().to_vec(), store)),
        ("sealed to eve", sealed_copy::seal(&good, &key_of(&eve).age_recipient()).unwrap()),
        ("reordered", of(reordered, store)),
    ];

    let last = good.next_seq() - 1;
    let keep = async |alice: &mut Machine, sealed: &[u8]| {
        alice.stop().await;
        let kept = open(alice).put_copy(&key.node_id(), (store, 1, last), sealed, NO_LIMITS, UnixMillis(1)).unwrap();
        assert_eq!(kept, Keeping::Kept);
        alice.start_again().await;
    };
    keep(&mut alice, &wrong[0].1).await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let place = come_back(&mut bob, &alice).await;
    for (what, sealed) in wrong {
        keep(&mut alice, &sealed).await;
        let recovery = recovered(&bob, &place, |recovery| !recovery.damaged.is_empty()).await;
        assert!(!recovery.is_complete() && recovery.private_facts == 0, "{what}: {recovery:?}");
        let (damaged, gap) = (&recovery.damaged[0], &recovery.gaps[0]);
        assert_eq!((damaged.store, damaged.first, damaged.why.is_empty()), (store, 1, false), "{what}");
        assert_eq!((gap.store, gap.last), (store, last), "{what}");
    }
    keep(&mut alice, &seal_part(&good)).await;
    let recovery = recovered(&bob, &place, |recovery| recovery.private_facts == 2).await;
    assert!(recovery.is_complete(), "{recovery:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_is_told_and_written_down() {
    let (mut alice, bob) = (Machine::start("alice").await, Machine::start("bob").await);
    alice.stop().await;
    let node = Node::start(Config { copy_quota_bytes: 1_000, ..config(&alice.dir, "alice") }).await.unwrap();
    (alice.handle, alice.node) = (node.handle(), Some(node));
    bob.joins(&alice).await;
    remember_privately(&bob, &(0..900).map(|n| (n * n % 977).to_string()).collect::<String>()).await;
    until("alice refuses it", async || {
        let sealed = bob.handle.seal_backup(&["alice".to_owned()], false).await.unwrap().remove(0);
        match sealed.fault {
            Some(CopyFault::Refused(CopyRefusal::Full { held: 0, limit: 1_000 })) => sealed.missing == 2,
            fault => {
                assert_eq!(fault, Some(CopyFault::NotConnected));
                false
            }
        }
    })
    .await;
    let holder = bob.handle.sealed_copies().await.unwrap().holders.remove(0);
    assert_eq!((holder.refused.as_deref(), holder.missing), (Some("full"), 2));
    until("alice wrote it down", async || {
        let lines = alice.handle.audit(100).await.unwrap();
        lines.iter().any(|line| line.kind == "sealed_copy" && line.reason == "full")
    })
    .await;
    assert!(alice.handle.sealed_copies().await.unwrap().kept.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_machine_is_refused_and_loses_nothing() {
    let (alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins(&alice).await;
    let fact = bob.remember("on both disks").await;
    until("alice has it", async || alice.handle.fact(fact).await.is_ok()).await;
    bob.stop().await;
    // The laptop was not lost after all: its disk is in a drawer.
    let drawer = tempfile::tempdir().unwrap();
    std::fs::create_dir(drawer.path().join("home")).unwrap();
    for entry in std::fs::read_dir(bob.dir.path().join("home")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            std::fs::copy(&entry, drawer.path().join("home").join(entry.file_name().unwrap())).unwrap();
        }
    }
    bob.start_again().await;
    let place = come_back(&mut bob, &alice).await;
    recovered(&bob, &place, Recovery::is_complete).await;
    until("alice's pin moved", async || {
        alice.sees("bob").await.store_id == Some(bob.handle.status().await.unwrap().store_id)
    })
    .await;
    bob.stop().await;
    let node = Node::start(config(&drawer, "bob")).await.unwrap();
    let old = Machine { handle: node.handle(), node: Some(node), dir: drawer, name: "bob" };
    old.trusts("alice", Trust::Rejected).await;
    assert_eq!(old.sees("alice").await.reason, Some(Reason::IdentityMismatch));
    let problems = old.handle.status().await.unwrap().problems;
    assert!(problems.iter().any(|problem| problem.what.contains("identity_mismatch")), "{problems:?}");
    assert!(old.recalls("both disks").await);
    let mut old = old;
    old.stop().await;
    bob.start_again().await;
    bob.trusts("alice", Trust::Verified).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_in_use_a_strangers_key_and_a_wrong_team_are_refused() {
    let (alice, bob, eve) = (Machine::start("alice").await, Machine::start("bob").await, Machine::start("eve").await);
    bob.joins(&alice).await;
    let (team, to) = (alice.handle.status().await.unwrap().team.id, address(&alice).await);
    let refused = eve.handle.recover(&to, team, None).await;
    assert!(matches!(refused, Err(Error::RecoverRefused { refusal: Refusal::UnknownTicket, .. })), "{refused:?}");
    let other = eve.handle.status().await.unwrap().team.id;
    let refused = bob.handle.former_place(&to, Some(other)).await;
    assert!(matches!(refused, Err(Error::RecoverRefused { refusal: Refusal::WrongTeam, .. })), "{refused:?}");
    eve.remember("in use").await;
    assert!(matches!(eve.handle.recover(&to, team, None).await, Err(Error::HomeInUse { facts: 1 })));
    assert!(matches!(bob.handle.recover(&to, other, None).await, Err(Error::InAnotherTeam { .. })));
    // Back already: nothing is moved.
    let store = bob.handle.status().await.unwrap().store_id;
    bob.handle.recover(&to, team, None).await.unwrap();
    assert_eq!(bob.handle.status().await.unwrap().store_id, store);
    assert!(matches!(bob.handle.seal_backup(&[], false).await, Err(Error::NoHolder)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_steward_comes_back_from_a_member_and_lets_others_in_again() {
    let (mut alice, bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins(&alice).await;
    let fact = alice.remember("the founder's words").await;
    until("bob has them", async || bob.handle.fact(fact).await.is_ok()).await;
    let place = come_back(&mut alice, &bob).await;
    assert_eq!((place.name.as_str(), place.peer_name.as_str()), ("alice", "bob"));
    recovered(&alice, &place, |recovery| recovery.is_complete() && recovery.own_facts == 1).await;
    assert!(alice.handle.status().await.unwrap().steward);
    let carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    until("carol has what alice wrote before", async || carol.handle.fact(fact).await.is_ok()).await;
    until("bob knows carol", async || bob.handle.peer("carol").await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_away_gives_back_when_it_comes() {
    let (alice, mut carol) = (Machine::start("alice").await, Machine::start("carol").await);
    let mut bob = Machine::start("bob").await;
    bob.joins(&alice).await;
    carol.joins(&alice).await;
    remember_privately(&bob, "carol keeps it").await;
    // Nobody tells them of each other's addresses here but the test.
    let meet = async |bob: &Machine, carol: &Machine| {
        let outcome = bob.handle.handshake(&address(carol).await).await.unwrap();
        outcome.trust == Trust::Verified
    };
    until("carol listens", async || !carol.handle.status().await.unwrap().listen.is_empty()).await;
    until("bob meets carol", async || meet(&bob, &carol).await).await;
    until("carol keeps it", async || {
        let sealed = match bob.handle.seal_backup(&["carol".to_owned()], false).await {
            Ok(mut sealed) => sealed.remove(0),
            Err(_) => return false,
        };
        sealed.fault.is_none() && sealed.missing == 0
    })
    .await;
    carol.stop().await;
    let place = come_back(&mut bob, &alice).await;
    let recovery = recovered(&bob, &place, Recovery::is_complete).await;
    assert_eq!((recovery.private_facts, recovery.away), (0, vec![key_of(&carol).node_id()]));
    carol.start_again().await;
    until("carol listens again", async || !carol.handle.status().await.unwrap().listen.is_empty()).await;
    until("bob meets carol again", async || meet(&bob, &carol).await).await;
    until("it is back", async || facts_of(&bob, Stream::Local).await == 1).await;
    until("carol is chosen again", async || bob.handle.sealed_copies().await.unwrap().holders.len() == 1).await;
}

/// Whether the text stands in a part that alice keeps for bob; only bob's key opens it.
fn is_sealed(alice: &Machine, bob: &Machine, text: &str) -> bool {
    let (db, key) = (open(alice), key_of(bob));
    let owner = antiphon_core::sign::Signer::node_id(&key);
    let parts = db.reader().copy_parts(&owner).unwrap();
    assert!(!parts.is_empty());
    parts.iter().any(|part| {
        let (_, sealed) = db.reader().copy_part(&owner, &part.store, part.first).unwrap().unwrap();
        let events = sealed_copy::open(&key, &sealed).unwrap().into_events();
        let holds = |payload: &[u8]| payload.windows(text.len()).any(|window| window == text.as_bytes());
        events.iter().any(|event| event.payload.as_deref().is_some_and(holds))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_leaves_the_sealed_copies_and_does_not_come_back_out_of_them() {
    let (mut alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins(&alice).await;
    let secret = remember_privately(&bob, "the password is correct-horse").await;
    remember_privately(&bob, "something harmless").await;
    // So much that the part which holds it is not the small last one, which is written again anyway.
    for n in 0..8_u32 {
        let hash = |at: u32| antiphon_core::ids::Hash::of(&[n.to_be_bytes(), at.to_be_bytes()].concat()).to_string();
        remember_privately(&bob, &(0..900).map(hash).collect::<String>()).await;
    }
    seal(&bob).await;
    alice.stop().await;
    assert!(is_sealed(&alice, &bob, "correct-horse"));
    alice.start_again().await;
    bob.handle.erase(secret, Provenance::default()).await.unwrap();
    seal(&bob).await;
    alice.stop().await;
    assert!(!is_sealed(&alice, &bob, "correct-horse") && is_sealed(&alice, &bob, "harmless"));
    alice.start_again().await;

    let place = come_back(&mut bob, &alice).await;
    recovered(&bob, &place, |recovery| recovery.private_facts == 9).await;
    let view = bob.handle.fact(secret).await.unwrap();
    assert!(view.erased && view.fact.content.is_none());
    assert!(bob.handle.verify().await.unwrap().is_good());
}
