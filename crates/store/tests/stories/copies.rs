//! Sealed copies: what bob's friends keep for him.

use std::collections::BTreeMap;

use antiphon_core::charter::Revoke;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_store::{COPY_HOLDERS_MAX, CopyHolder, CopyLimits, Draft, Identity, Keeping};

use super::common::*;

const BOB: NodeId = NodeId([2; 32]);
const EVE: NodeId = NodeId([9; 32]);
const STORE: StoreId = StoreId([7; 16]);
const LIMITS: CopyLimits = CopyLimits { owner_bytes: 100, total_bytes: 150, owner_parts: 3 };

fn put(alice: &mut Machine, owner: NodeId, first: u64, last: u64, bytes: usize) -> Keeping {
    let now = alice.tick();
    alice.db.put_copy(&owner, (STORE, first, last), &vec![1; bytes], LIMITS, now).unwrap()
}

fn spans(alice: &Machine, owner: NodeId) -> Vec<(u64, u64, u64)> {
    let parts = alice.db.reader().copy_parts(&owner).unwrap();
    parts.iter().map(|part| (part.first, part.last, part.bytes)).collect()
}

#[test]
fn a_part_takes_the_place_of_those_within_its_range() {
    let mut alice = Machine::new(1);
    for (first, last) in [(1, 10), (11, 12)] {
        assert_eq!(put(&mut alice, BOB, first, last, 10), Keeping::Kept);
    }
    assert_eq!(put(&mut alice, BOB, 11, 20, 20), Keeping::Kept);
    assert_eq!(spans(&alice, BOB), [(1, 10, 10), (11, 20, 20)]);
    // One that reaches less far than what is there adds nothing.
    assert_eq!(put(&mut alice, BOB, 11, 15, 5), Keeping::Kept);
    assert_eq!(spans(&alice, BOB), [(1, 10, 10), (11, 20, 20)]);
    assert_eq!(put(&mut alice, BOB, 1, 30, 60), Keeping::Kept);
    assert_eq!(spans(&alice, BOB), [(1, 30, 60)]);
    alice.reopen();
    let found = alice.db.reader().copy_part(&BOB, &STORE, 1).unwrap();
    assert_eq!(found, Some((30, vec![1; 60])));
    // Nobody else's name opens it.
    assert_eq!(alice.db.reader().copy_part(&EVE, &STORE, 1).unwrap(), None);
    assert!(spans(&alice, EVE).is_empty());
}

#[test]
fn quotas_hold_for_each_and_for_all() {
    let mut alice = Machine::new(1);
    assert_eq!(put(&mut alice, BOB, 1, 1, 90), Keeping::Kept);
    assert_eq!(put(&mut alice, BOB, 2, 2, 11), Keeping::Full { held: 90, limit: 100 });
    // What it takes the place of makes room.
    assert_eq!(put(&mut alice, BOB, 1, 2, 100), Keeping::Kept);
    assert_eq!(put(&mut alice, EVE, 1, 1, 51), Keeping::Full { held: 100, limit: 150 });
    assert_eq!(put(&mut alice, EVE, 1, 1, 50), Keeping::Kept);
    assert_eq!(alice.db.drop_copies(&BOB).unwrap(), 1);
    for seq in 1..=3 {
        assert_eq!(put(&mut alice, BOB, seq, seq, 1), Keeping::Kept);
    }
    assert_eq!(put(&mut alice, BOB, 4, 4, 1), Keeping::TooManyParts);
    assert_eq!(put(&mut alice, BOB, 2, 4, 1), Keeping::Kept);
    let owners = alice.db.reader().copy_owners().unwrap();
    assert_eq!(
        owners.iter().map(|owner| (owner.node, owner.parts, owner.bytes)).collect::<Vec<_>>(),
        [(BOB, 2, 2), (EVE, 1, 50)]
    );
}

#[test]
fn chosen_holders_are_remembered_and_bounded() {
    let mut alice = Machine::new(1);
    assert!(alice.db.reader().copy_holders().unwrap().is_empty());
    let holder = |n: u8| CopyHolder {
        node: NodeId([n; 32]),
        confirmed: BTreeMap::from([(STORE, u64::from(n))]),
        confirmed_at: Some(UnixMillis(n.into())),
        refused: (n == 3).then(|| "full".to_owned()),
    };
    let holders: Vec<CopyHolder> = (1..=20).map(holder).collect();
    alice.db.keep_copy_holders(&holders).unwrap();
    alice.reopen();
    assert_eq!(alice.db.reader().copy_holders().unwrap(), holders[..COPY_HOLDERS_MAX]);
    let changed = CopyHolder { confirmed_at: None, ..holder(3) };
    alice.db.note_copy_holder(&changed).unwrap();
    alice.db.note_copy_holder(&holder(99)).unwrap();
    let kept = alice.db.reader().copy_holders().unwrap();
    assert_eq!((kept.len(), &kept[2]), (COPY_HOLDERS_MAX, &changed));
}

#[test]
fn the_local_log_is_read_in_ranges_that_end_at_a_signature() {
    let (mut alice, _) = founder(1, "alice");
    let private = |n: usize| Draft::Remember {
        id: None,
        edit: Edit::new()
            .set(Field::Content, format!("secret {n}").as_str().into())
            .set(Field::Private, Value::Bool(true)),
        provenance: Default::default(),
        idempotency_key: None,
    };
    for batch in [3, 4] {
        let drafts: Vec<Draft> = (0..batch).map(private).collect();
        let (now, random) = (alice.tick(), alice.random());
        alice.db.author(&drafts, now, random).unwrap();
    }
    let (reader, store) = (alice.db.reader(), alice.db.own().unwrap().store);
    assert_eq!(reader.own_local_logs().unwrap(), BTreeMap::from([(store, 8)]));
    assert_eq!(reader.facts_by_stream().unwrap().local, 7);
    let seqs = |after, events, bytes| -> Vec<u64> {
        let read = reader.local_events(store, after, events, bytes).unwrap();
        assert!(read.last().is_none_or(|last| last.signature().is_some()));
        read.iter().map(|event| event.header().seq).collect()
    };
    assert_eq!(seqs(0, 100, 1 << 20), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(seqs(0, 6, 1 << 20), [1, 2, 3, 4]);
    assert_eq!(seqs(4, 100, 1 << 20), [5, 6, 7, 8]);
    assert_eq!(seqs(1, 2, 1 << 20), [0; 0]);
    assert_eq!(seqs(0, 100, 10), [0; 0]);
    // Pages for others never hold any of it.
    assert!(reader.page(LogId::new(store, Stream::Local), 0, 100, 1 << 20, None).unwrap().is_empty());
}

#[test]
fn what_is_kept_for_a_member_goes_with_it_and_nothing_more_is_kept() {
    let (mut alice, _) = founder(1, "alice");
    let me = alice.node();
    assert_eq!(put(&mut alice, EVE, 1, 1, 1), Keeping::NotAMember);
    alice.write(grant(EVE, "eve"));
    for owner in [me, EVE] {
        assert_eq!(put(&mut alice, owner, 1, 1, 1), Keeping::Kept);
    }
    assert_eq!(alice.db.drop_copies_of_strangers().unwrap(), []);
    // One goes and another one comes, so that there are as many as before.
    let (reason, cuts, role_keys) = ("left".into(), Vec::new(), Vec::new());
    alice.write(Draft::Revoke(Revoke { node: EVE, reason, compromised: false, cuts, role_keys }));
    alice.write(grant(BOB, "bob"));
    assert_eq!(alice.db.drop_copies_of_strangers().unwrap(), [EVE]);
    assert_eq!(alice.db.drop_copies_of_strangers().unwrap(), []);
    assert_eq!(put(&mut alice, EVE, 1, 1, 1), Keeping::NotAMember);
    assert_eq!((spans(&alice, EVE).len(), spans(&alice, me).len()), (0, 1));
}

#[test]
fn a_local_log_of_a_former_store_is_bobs_own_to_change() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let private = |content: &str| text(content).set(Field::Private, Value::Bool(true));
    let (one, two, three) =
        (bob.remember_with(private("one")), bob.remember_with(private("two")), bob.remember_with(private("three")));
    let log = LogId::new(bob.db.own().unwrap().store, Stream::Local);
    let copied = bob.db.reader().local_events(log.store, 0, 100, 1 << 20).unwrap();
    // What happened after the copy was made is lost with the disk, but for what was published.
    bob.edit(three, Field::Private, Value::Bool(false));
    alice.pull(&bob);

    let mut again = Machine::new(2);
    let previous = Some((log.store, Vec::new()));
    let identity = Identity { nonce: [22; 16], previous, ..again.identity("bob") };
    again.now = bob.now;
    let (charter, random) = (charter_runs(&alice), again.random());
    again.db.adopt_team(&identity, &genome, charter, NOW, random).unwrap();
    let events = verified(&again, log, again.node(), Head::EMPTY, copied);
    let (now, node) = (again.tick(), again.node());
    again.db.apply_run(log, node, events.clone(), None, now).unwrap();
    // Before the shared log comes the copy is all there is; afterwards the published fact is no private one.
    assert_eq!(again.db.reader().facts_by_stream().unwrap().local, 3);
    again.pull(&alice);
    let by_stream = again.db.reader().facts_by_stream().unwrap();
    assert_eq!((by_stream.shared, by_stream.local), (1, 2));
    // The same part once more changes nothing.
    let applied = again.db.apply_run(log, node, events, None, now).unwrap();
    assert_eq!((applied.stored, applied.duplicates, applied.fork), (0, 4, None));

    again.edit(one, Field::Content, "one, changed".into());
    again.forget(two);
    assert_eq!(again.content(one).as_deref(), Some("one, changed"));
    assert_eq!(again.content(two), None);
    again.write(Draft::Restore { fact: two, provenance: no_provenance() });
    assert_eq!(again.content(two).as_deref(), Some("two"));
    again.edit(one, Field::Private, Value::Bool(false));
    alice.pull(&again);
    assert_eq!(alice.content(one).as_deref(), Some("one, changed"));
    let reader = again.db.reader();
    assert_eq!(reader.state_hash().unwrap(), alice.db.reader().state_hash().unwrap());
    assert!(reader.verify().unwrap().is_good(), "{:?}", reader.verify().unwrap());
    assert_eq!(reader.own_local_logs().unwrap().len(), 2);
    let (before, facts) = (reader.state_hash().unwrap(), reader.facts_by_stream().unwrap());
    again.db.rebuild().unwrap();
    assert_eq!(again.db.reader().facts_by_stream().unwrap(), facts);
    assert_eq!(again.db.reader().state_hash().unwrap(), before);
    assert_eq!(again.content(one).as_deref(), Some("one, changed"));
}
