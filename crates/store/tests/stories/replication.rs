//! Copies of documents: what changed is noted exactly, whatever changed it, and what nothing needs is found.

use std::collections::BTreeMap;
use std::io::Write;

use antiphon_core::address::Address;
use antiphon_core::charter::{Cut, Revoke};
use antiphon_core::content::NewEntry;
use antiphon_core::ids::{ContentId, Hash, NodeId};
use antiphon_core::possession::PossessionReceipt;
use antiphon_core::replication::{History, Priority};
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use antiphon_store::{
    Bring, Draft, Dropped, Finished, Held, KeptPossession, Outcome, POSSESSIONS_PER_NODE_MAX, REPLICAS_PER_ROOT_MAX,
    Replica, ReplicaEvidence, ReplicaNote, ReplicationKey, Unneeded,
};
use rusqlite::Connection;

use crate::common::{Machine, NOW, alice, charter_runs, founder, grant, join, no_provenance};

const ROLE: &str = "backend_developer";
const HOUR_MS: u64 = 3_600_000;

fn address(path: &str) -> Address {
    Address::read(&format!("ucxl://alice/backend_developer/shop/task-7/{path}")).unwrap()
}

fn written(machine: &Machine, words: &str) -> Finished {
    let mut writing = machine.db.blobs().begin().unwrap();
    writing.write_all(words.as_bytes()).unwrap();
    writing.finish().unwrap()
}

fn entry(path: &str, finished: &Finished) -> NewEntry {
    NewEntry {
        address: address(path),
        creator_role: ROLE.into(),
        encrypted_for: vec![(ROLE.into(), Hash::of(b"epoch"))],
        content_type: "text/markdown".into(),
        created_at: NOW,
        size: finished.length() - 1,
        stored_size: finished.length(),
        hash: finished.hash,
        root: finished.name(),
    }
}

/// Stores a document as a node does.
fn put(machine: &mut Machine, path: &str, words: &str) -> (ContentId, Hash) {
    let finished = written(machine, words);
    machine.db.keep_blob(&finished).unwrap();
    let entry = entry(path, &finished);
    let authored = machine.write(Draft::PutContent { entry, provenance: no_provenance() });
    (authored.content.unwrap(), finished.name())
}

/// Holds what somebody else stored.
fn copy(machine: &mut Machine, words: &str) -> Hash {
    let finished = written(machine, words);
    machine.db.keep_blob(&finished).unwrap();
    finished.name()
}

fn remove(machine: &mut Machine, id: ContentId) {
    let draft = Draft::RemoveContent { id, provenance: no_provenance() };
    assert_ne!(machine.try_write(draft).unwrap().outcome, Outcome::Unchanged);
}

fn two() -> (Machine, Machine) {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    alice.pull(&bob);
    bob.pull(&alice);
    (alice, bob)
}

fn due(machine: &mut Machine) -> Vec<ReplicationKey> {
    let mut all = Vec::new();
    loop {
        let step = machine.db.take_replication_due(2).unwrap();
        if step.is_empty() {
            assert!(!machine.db.reader().replication_is_due().unwrap());
            return all;
        }
        all.extend(step);
    }
}

fn due_roots(machine: &mut Machine) -> Vec<Hash> {
    due(machine).into_iter().map(|key| key.root).collect()
}

/// Every key as a start reads it, in pages of one.
fn keys(machine: &Machine) -> Vec<ReplicationKey> {
    let mut all: Vec<ReplicationKey> = Vec::new();
    loop {
        let after = all.last().map(|key| key.root);
        let page = machine.db.reader().replication_keys(after.as_ref(), 1).unwrap();
        if page.is_empty() {
            assert_eq!(machine.db.reader().replication_keys(None, 1_000).unwrap(), all);
            return all;
        }
        all.extend(page);
    }
}

fn key(machine: &Machine, root: &Hash) -> ReplicationKey {
    machine.db.reader().replication_key(root).unwrap()
}

fn for_others(machine: &Machine) -> u64 {
    machine.db.reader().held_for_others().unwrap()
}

fn garbage(machine: &Machine) -> BTreeMap<Hash, Unneeded> {
    let rows = machine.db.reader().garbage(None, 1_000).unwrap();
    rows.into_iter().map(|row| (row.root, row.why)).collect()
}

fn check(machine: &Machine) {
    let report = machine.db.reader().verify().unwrap();
    assert!(report.is_good(), "{report:?}");
}

#[test]
fn whoever_follows_the_list_of_changes_knows_what_a_start_would_read() {
    let (mut alice, mut bob) = two();
    let mut known: BTreeMap<Hash, ReplicationKey> = BTreeMap::new();
    let mut follow = |bob: &mut Machine| {
        for key in due(bob) {
            if key.needed.is_some() {
                known.insert(key.root, key)
            } else {
                known.remove(&key.root)
            };
        }
        let followed: Vec<ReplicationKey> = known.values().copied().collect();
        assert_eq!(followed, keys(bob));
        check(bob);
        followed.len()
    };
    let (first, _) = put(&mut alice, "one", "words of alice");
    let (second, _) = put(&mut alice, "two", "other words of alice");
    bob.pull(&alice);
    assert_eq!(follow(&mut bob), 2);
    put(&mut alice, "one", "newer words");
    put(&mut bob, "three", "words of bob");
    bob.pull(&alice);
    assert_eq!(follow(&mut bob), 4);
    copy(&mut bob, "newer words");
    follow(&mut bob);
    remove(&mut alice, first);
    bob.pull(&alice);
    assert_eq!(follow(&mut bob), 2);
    bob.db.rebuild().unwrap();
    assert_eq!(follow(&mut bob), 2);
    remove(&mut bob, second);
    bob.reopen();
    assert_eq!(follow(&mut bob), 1);
    assert!(due(&mut bob).is_empty(), "what was taken is not given again");
}

#[test]
fn a_key_says_whose_it_is_and_how_soon_it_is_to_be_copied() {
    let (mut alice, mut bob) = two();
    let (_, old) = put(&mut alice, "one", "old words");
    let (_, new) = put(&mut alice, "one", "new words, and more of them");
    bob.pull(&alice);
    let need = |machine: &Machine, root: &Hash| key(machine, root).needed.unwrap();
    assert_eq!((need(&alice, &new).length, need(&bob, &new).length), (27, 27));
    assert_eq!((need(&alice, &new).own, need(&bob, &new).own), (true, false));
    assert_eq!((need(&bob, &old).current, need(&bob, &old).priority), (false, Priority::Low));
    assert_eq!((need(&bob, &new).current, need(&bob, &new).priority), (true, Priority::Normal));
    assert_eq!((key(&alice, &new).held, key(&bob, &new).held), (Held::Whole, Held::Nothing));
    due(&mut bob);
    assert!(bob.db.set_content_priority(&old, Some(Priority::High)).unwrap());
    assert_eq!((due_roots(&mut bob), need(&bob, &old).priority), (vec![old], Priority::High));
    assert!(bob.db.set_content_priority(&old, None).unwrap());
    assert_eq!(need(&bob, &old).priority, Priority::Low);
    assert!(!bob.db.set_content_priority(&Hash([9; 32]), Some(Priority::High)).unwrap());
    // A row of an older version does not say how long it is; the event does.
    let raw = Connection::open(bob.home.path().join("antiphon.db")).unwrap();
    raw.execute("UPDATE contents SET stored_size = NULL", []).unwrap();
    assert_eq!(need(&bob, &new).length, 27);
}

#[test]
fn what_is_held_changes_when_it_is_begun_and_when_it_is_whole_and_not_in_between() {
    let (mut alice, mut bob) = two();
    let words = "long words ".repeat(60_000);
    let (_, root) = put(&mut alice, "one", &words);
    bob.pull(&alice);
    due(&mut bob);
    let manifest = written(&alice, &words).root.clone();
    bob.db.begin_fetch(&manifest).unwrap();
    assert_eq!(due(&mut bob).iter().map(|key| key.held).collect::<Vec<_>>(), [Held::Part]);
    let blobs = bob.db.blobs();
    let mut held = Vec::new();
    for (n, block) in (0..).zip(words.as_bytes().chunks(256 * 1024)) {
        blobs.put_block(&root, n, block).unwrap();
        bob.db.blocks_held(&blobs.flush(&root).unwrap()).unwrap();
        held.extend(due(&mut bob).iter().map(|key| key.held));
    }
    assert_eq!(held, [Held::Whole]);
    assert_eq!(for_others(&bob), words.len() as u64);
    bob.db.drop_blob(&root).unwrap();
    assert_eq!(due(&mut bob).iter().map(|key| key.held).collect::<Vec<_>>(), [Held::Nothing]);
    assert_eq!(for_others(&bob), 0);
}

#[test]
fn what_is_held_for_others_is_all_but_what_this_key_stored() {
    let (mut alice, mut bob) = two();
    let (id, root) = put(&mut bob, "own", "words of bob");
    put(&mut alice, "hers", "words of alice!");
    assert_eq!((for_others(&alice), for_others(&bob)), (0, 0));
    copy(&mut bob, "words of alice!");
    assert_eq!(for_others(&bob), 15, "also before its event has come");
    bob.pull(&alice);
    assert_eq!(for_others(&bob), 15);
    remove(&mut bob, id);
    assert_eq!(for_others(&bob), 15 + 12, "what nobody needs takes room until it is collected");
    let dropped = bob.db.drop_garbage(&root, NOW, HOUR_MS).unwrap();
    assert!(matches!(dropped, Dropped::Gone(row) if row.held == 12));
    assert_eq!(for_others(&bob), 15);
    bob.db.rebuild().unwrap();
    bob.reopen();
    assert_eq!(for_others(&bob), 15);
    check(&bob);
}

#[test]
fn what_is_not_needed_is_found_with_its_reason() {
    let (mut alice, mut bob) = two();
    let (removed, root) = put(&mut alice, "one", "removed words");
    bob.pull(&alice);
    copy(&mut bob, "removed words");
    let (_, kept) = put(&mut bob, "two", "kept words");
    let unknown = copy(&mut bob, "words of nobody");
    assert_eq!(garbage(&bob), [(unknown, Unneeded::Unknown)].into());
    remove(&mut alice, removed);
    bob.pull(&alice);
    assert_eq!(garbage(&bob), [(unknown, Unneeded::Unknown), (root, Unneeded::Removed)].into());
    bob.db.rebuild().unwrap();
    assert_eq!(garbage(&bob), [(unknown, Unneeded::Unknown), (root, Unneeded::Removed)].into());
    assert_eq!(bob.db.drop_garbage(&kept, NOW, 0).unwrap(), Dropped::Needed);
    assert_eq!(bob.db.drop_garbage(&Hash([1; 32]), NOW, 0).unwrap(), Dropped::NotHeld);
    assert!(matches!(bob.db.drop_garbage(&root, NOW, HOUR_MS).unwrap(), Dropped::Gone(_)));
    assert!(bob.db.blobs().remove(&root).unwrap());
    assert_eq!(garbage(&bob).len(), 1);
    check(&bob);
}

#[test]
fn what_stands_beyond_a_cut_is_not_needed_until_the_steward_adopts_it() {
    let (mut alice, mut bob) = two();
    let cut = bob.db.reader().clock().unwrap()[&bob.shared()];
    let (_, root) = put(&mut bob, "late", "too late");
    alice.pull(&bob);
    copy(&mut alice, "too late");
    let revoke = |head| {
        let cuts = vec![Cut { log: bob.shared(), head }];
        Revoke { node: bob.node(), reason: "left".into(), compromised: false, cuts, role_keys: Vec::new() }
    };
    let late = bob.db.reader().clock().unwrap()[&bob.shared()];
    let (cut, adopt) = (Draft::Revoke(revoke(cut)), Draft::Revoke(revoke(late)));
    alice.write(cut);
    assert_eq!(garbage(&alice), [(root, Unneeded::Withdrawn)].into());
    alice.db.note_garbage(NOW).unwrap();
    let early = alice.db.drop_garbage(&root, NOW.after(HOUR_MS - 1), HOUR_MS).unwrap();
    assert!(matches!(early, Dropped::TooEarly(_)), "{early:?}");
    alice.write(adopt);
    assert_eq!(garbage(&alice), [].into());
    assert!(key(&alice, &root).needed.is_some());
    check(&alice);
}

#[test]
fn what_may_be_ahead_of_its_event_waits_from_when_it_was_seen() {
    let (mut alice, mut bob) = two();
    let root = copy(&mut bob, "early words");
    let try_at = |bob: &mut Machine, ms| bob.db.drop_garbage(&root, NOW.after(ms), HOUR_MS).unwrap();
    assert!(matches!(try_at(&mut bob, 9 * HOUR_MS), Dropped::TooEarly(row) if row.since.is_none()));
    assert_eq!(bob.db.note_garbage(NOW).unwrap(), 1);
    assert_eq!(bob.db.note_garbage(NOW.after(5)).unwrap(), 0);
    bob.reopen();
    assert!(matches!(try_at(&mut bob, HOUR_MS - 1), Dropped::TooEarly(row) if row.since == Some(NOW)));
    // Its event comes, and goes again with the document.
    let (id, _) = put(&mut alice, "one", "early words");
    bob.pull(&alice);
    assert_eq!(try_at(&mut bob, 9 * HOUR_MS), Dropped::Needed);
    remove(&mut alice, id);
    bob.pull(&alice);
    assert!(matches!(try_at(&mut bob, 0), Dropped::Gone(row) if row.since.is_none()));
    // A fetch by hand that goes on is not idle.
    let words = "long words ".repeat(60_000);
    let manifest = written(&alice, &words).root.clone();
    let long = bob.db.begin_fetch(&manifest).unwrap().root;
    bob.db.note_garbage(NOW).unwrap();
    let blobs = bob.db.blobs();
    blobs.put_block(&long, 0, &words.as_bytes()[..256 * 1024]).unwrap();
    bob.db.blocks_held(&blobs.flush(&long).unwrap()).unwrap();
    let early = bob.db.drop_garbage(&long, NOW.after(HOUR_MS), HOUR_MS).unwrap();
    assert!(matches!(early, Dropped::TooEarly(row) if row.since.is_none()));
    check(&bob);
}

#[test]
fn documents_of_a_team_that_was_left_are_known_as_such() {
    let (mut bob, _) = founder(2, "bob");
    let (_, root) = put(&mut bob, "one", "words of before");
    let note = ReplicaNote { node: NodeId([7; 32]), ..noted(&root, ReplicaEvidence::Proved, 1) };
    bob.db.note_replicas(&[note]).unwrap();
    let (mut alice, genome) = alice();
    alice.write(grant(bob.node(), "bob"));
    let mut identity = bob.identity("bob");
    identity.nonce = [77; 16];
    let (charter, random) = (charter_runs(&alice), bob.random());
    bob.db.move_to_team(&identity, &genome, charter, Bring::Shared, NOW, random).unwrap();
    assert_eq!(garbage(&bob), [(root, Unneeded::LeftTeam)].into());
    assert_eq!(bob.db.reader().replicas(&root).unwrap(), []);
    assert_eq!((due_roots(&mut bob), keys(&bob)), (vec![root], vec![]));
    check(&bob);
}

fn noted(root: &Hash, evidence: ReplicaEvidence, at: u64) -> ReplicaNote {
    let history = History { successes: 3, failures: 1 };
    ReplicaNote { root: *root, node: NodeId([2; 32]), evidence, at: UnixMillis(at), history }
}

#[test]
fn it_is_remembered_who_had_a_copy_last() {
    let (mut alice, _) = alice();
    let (id, root) = put(&mut alice, "one", "words");
    let (_, other) = put(&mut alice, "two", "other words");
    for (evidence, at) in [
        (ReplicaEvidence::Missing, 10),
        (ReplicaEvidence::Claimed, 20),
        (ReplicaEvidence::Proved, 30),
        (ReplicaEvidence::Wrong, 40),
    ] {
        alice.db.note_replicas(&[noted(&root, evidence, at)]).unwrap();
    }
    alice.reopen();
    let kept = Replica {
        root,
        node: NodeId([2; 32]),
        evidence: ReplicaEvidence::Wrong,
        at: UnixMillis(40),
        added_at: Some(UnixMillis(20)),
        last_seen: Some(UnixMillis(30)),
        history: History { successes: 3, failures: 1 },
    };
    assert_eq!(alice.db.reader().replicas(&root).unwrap(), [kept]);
    let many = (0..40)
        .map(|n| ReplicaNote { node: NodeId([n; 32]), ..noted(&other, ReplicaEvidence::Proved, 100 + u64::from(n)) });
    alice.db.note_replicas(&many.collect::<Vec<_>>()).unwrap();
    let held = alice.db.reader().replicas(&other).unwrap();
    assert_eq!((held.len(), held[0].node), (REPLICAS_PER_ROOT_MAX, NodeId([39; 32])));
    // Pages leave nothing out.
    let (mut all, mut after): (Vec<Replica>, _) = (Vec::new(), None);
    while let page = alice.db.reader().replicas_page(after.as_ref(), 7).unwrap()
        && !page.is_empty()
    {
        after = page.last().map(|last| (last.root, last.node));
        all.extend(page);
    }
    all.sort_by_key(|one| (one.root, one.node));
    all.dedup();
    assert_eq!(all.len(), REPLICAS_PER_ROOT_MAX + 1);
    // A rebuild of the index loses nothing of it, a removal all.
    alice.db.rebuild().unwrap();
    due(&mut alice);
    assert_eq!(alice.db.reader().replicas(&root).unwrap(), [kept]);
    remove(&mut alice, id);
    due(&mut alice);
    assert_eq!(alice.db.reader().replicas(&root).unwrap(), []);
    assert_eq!(alice.db.forget_replicas(&other).unwrap(), REPLICAS_PER_ROOT_MAX);
}

#[test]
fn what_a_wipe_would_cost_is_what_is_needed_and_held_whole() {
    let (mut alice, mut bob) = two();
    let (removed, _) = put(&mut alice, "one", "removed words");
    let (_, kept) = put(&mut alice, "two", "kept words");
    let (_, elsewhere) = put(&mut bob, "three", "words of bob");
    alice.pull(&bob);
    copy(&mut alice, "words of nobody");
    remove(&mut alice, removed);
    alice
        .db
        .note_replicas(&[noted(&kept, ReplicaEvidence::Proved, 5), noted(&elsewhere, ReplicaEvidence::Proved, 5)])
        .unwrap();
    let held = alice.db.reader().held_copies(None, 10).unwrap();
    assert_eq!(held.iter().map(|copy| (copy.root, copy.others.len())).collect::<Vec<_>>(), [(kept, 1)]);
    assert_eq!(alice.db.reader().held_copies(Some(&kept), 10).unwrap(), []);
}

#[test]
fn the_newest_statements_of_each_member_are_kept() {
    let (mut alice, _) = alice();
    let (bob, eve) = (NodeId([2; 32]), NodeId([3; 32]));
    let statement = |node: NodeId, n: u64| KeptPossession {
        node,
        at: UnixMillis(n),
        receipt: PossessionReceipt { bytes: n.to_be_bytes().to_vec(), signature: Signature([7; 64]) },
    };
    alice.db.keep_possession(&statement(eve, 1)).unwrap();
    let last = POSSESSIONS_PER_NODE_MAX as u64 + 5;
    for n in 0..last {
        alice.db.keep_possession(&statement(bob, n)).unwrap();
    }
    alice.reopen();
    let kept = alice.db.reader().possessions(&bob, 1_000).unwrap();
    assert_eq!((kept.len(), &kept[0]), (POSSESSIONS_PER_NODE_MAX, &statement(bob, last - 1)));
    assert_eq!(alice.db.reader().possessions(&eve, 5).unwrap(), [statement(eve, 1)]);
    assert_eq!(alice.db.reader().possessions(&NodeId([9; 32]), 5).unwrap(), []);
}
