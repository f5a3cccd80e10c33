//! The role keys of a node, as the charter gives them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_core::charter::{
    Entry, Founders, Grant, GrantWrap, Membership, Previous, Record, Revoke, RoleKey, RoleKeys, Wrap,
};
use antiphon_core::ids::{Hash, StoreId};
use antiphon_core::time::UnixMillis;
use antiphon_core::vclock::VClock;
use antiphon_vault::phrase::Phrase;
use antiphon_vault::{Keyring, LiveKeyring, NodeKey, RoleSecret};

const ROLE: &str = "backend_developer";

fn key_of(byte: u8) -> Arc<NodeKey> {
    Arc::new(NodeKey::from_phrase(&Phrase::from_entropy(&[byte; 32]).unwrap()).unwrap())
}

/// Alice's charter log: every record has seen all before it.
struct Charter {
    alice: Arc<NodeKey>,
    entries: Vec<Entry>,
}

impl Charter {
    fn new() -> Self {
        Self { alice: key_of(1), entries: Vec::new() }
    }

    fn says(&mut self, record: Record) -> Hash {
        let store = StoreId([1; 16]);
        let seq = self.entries.len() as u64 + 1;
        let prev = self.entries.last().map_or(Hash([0; 32]), |entry| entry.hash);
        let hash = Hash::of(format!("{seq} {record:?}").as_bytes());
        let seen: VClock = [(store, seq)].into_iter().collect();
        self.entries.push(Entry { hash, prev, author: self.alice.node_id(), store, seq, seen, record });
        hash
    }

    fn grants(&mut self, key: &NodeKey, wraps: Vec<GrantWrap>) {
        self.says(Record::Grant(Grant {
            node: key.node_id(),
            recipient: key.age_recipient(),
            roles: vec![ROLE.into()],
            not_after: UnixMillis(u64::MAX),
            wraps,
            name: "bob".into(),
        }));
    }

    fn role_key(&self, secret: &RoleSecret, holders: &[&NodeKey], previous: Option<(Hash, &RoleSecret)>) -> RoleKey {
        let wrap =
            |key: &&NodeKey| Wrap { node: key.node_id(), sealed: secret.wrap_for(&key.age_recipient()).unwrap() };
        let previous = previous
            .map(|(epoch, older)| Previous { epoch, sealed: older.wrap_previous(&secret.recipient()).unwrap() });
        let (recipient, role) = (secret.recipient(), ROLE.to_owned());
        RoleKey { role, recipient, wraps: holders.iter().map(wrap).collect(), previous }
    }

    fn keys(&self) -> RoleKeys {
        Membership::of(&Founders::one(self.alice.node_id()), &self.entries).role_keys().clone()
    }
}

fn epochs(keyring: &Keyring) -> BTreeSet<Hash> {
    keyring.epochs(ROLE).map(|(epoch, _)| *epoch).collect()
}

#[test]
fn bob_opens_his_wraps_and_all_that_went_before() {
    let (mut charter, bob, eve) = (Charter::new(), key_of(2), key_of(5));
    let alice = charter.alice.clone();
    let secrets: Vec<RoleSecret> = (0..4).map(|_| RoleSecret::generate().unwrap()).collect();
    let mut chain = vec![charter.says(Record::RoleKey(charter.role_key(&secrets[0], &[&alice], None)))];
    for at in 1..4 {
        let holders: &[&NodeKey] = if at == 3 { &[&alice, &bob] } else { &[&alice] };
        let key = charter.role_key(&secrets[at], holders, Some((chain[at - 1], &secrets[at - 1])));
        chain.push(charter.says(Record::RoleKey(key)));
    }
    let keyring = Keyring::open(&bob, &charter.keys(), None);
    assert_eq!(epochs(&keyring), chain.iter().copied().collect());
    for (epoch, secret) in chain.iter().zip(&secrets) {
        assert_eq!(keyring.secret(ROLE, epoch).unwrap().recipient(), secret.recipient());
    }
    assert!(keyring.holds(ROLE) && !keyring.holds("observer") && keyring.unopened().is_empty());
    let none = Keyring::open(&eve, &charter.keys(), None);
    assert!(none.is_empty() && !none.holds(ROLE) && none.secret(ROLE, &chain[3]).is_none());
}

#[test]
fn a_grant_brings_the_key_and_a_fresh_one_leaves_the_past_behind() {
    let (mut charter, bob) = (Charter::new(), key_of(2));
    let alice = charter.alice.clone();
    let (old, new) = (RoleSecret::generate().unwrap(), RoleSecret::generate().unwrap());
    charter.says(Record::RoleKey(charter.role_key(&old, &[&alice], None)));
    let fresh = charter.says(Record::RoleKey(charter.role_key(&new, &[&alice], None)));
    assert!(Keyring::open(&bob, &charter.keys(), None).is_empty());
    let sealed = new.wrap_for(&bob.age_recipient()).unwrap();
    charter.grants(&bob, vec![GrantWrap { role: ROLE.into(), epoch: fresh, sealed }]);
    assert_eq!(epochs(&Keyring::open(&bob, &charter.keys(), None)), [fresh].into());
    assert_eq!(Keyring::open(&alice, &charter.keys(), None).len(), 2);
}

#[test]
fn who_is_removed_keeps_the_old_key_and_gets_no_new_one() {
    let (mut charter, bob) = (Charter::new(), key_of(2));
    let alice = charter.alice.clone();
    let (old, new) = (RoleSecret::generate().unwrap(), RoleSecret::generate().unwrap());
    charter.grants(&bob, Vec::new());
    let first = charter.says(Record::RoleKey(charter.role_key(&old, &[&alice, &bob], None)));
    let role_keys = vec![charter.role_key(&new, &[&alice], Some((first, &old)))];
    charter.says(Record::Revoke(Revoke {
        node: bob.node_id(),
        reason: "left".into(),
        compromised: false,
        cuts: Vec::new(),
        role_keys,
    }));
    assert_eq!(epochs(&Keyring::open(&bob, &charter.keys(), None)), [first].into());
    assert_eq!(Keyring::open(&alice, &charter.keys(), None).len(), 2);
}

#[test]
fn a_wrap_that_does_not_open_is_named_and_harms_no_other() {
    let (mut charter, bob) = (Charter::new(), key_of(2));
    let alice = charter.alice.clone();
    let (good, other) = (RoleSecret::generate().unwrap(), RoleSecret::generate().unwrap());
    let first = charter.says(Record::RoleKey(charter.role_key(&good, &[&alice, &bob], None)));
    let mut moved = charter.role_key(&good, &[&bob], None);
    moved.recipient = other.recipient();
    let second = charter.says(Record::RoleKey(moved));
    let keyring = Keyring::open(&bob, &charter.keys(), None);
    assert_eq!(epochs(&keyring), [first].into());
    let [unopened] = keyring.unopened() else { panic!("{:?}", keyring.unopened()) };
    assert_eq!((unopened.role.as_str(), unopened.epoch), (ROLE, second));
    assert!(unopened.reason.contains("belongs to"), "{}", unopened.reason);
}

#[test]
fn what_is_open_is_not_opened_again_and_no_secret_is_shown() {
    let (mut charter, bob) = (Charter::new(), key_of(2));
    let alice = charter.alice.clone();
    let (old, new) = (RoleSecret::generate().unwrap(), RoleSecret::generate().unwrap());
    let first = charter.says(Record::RoleKey(charter.role_key(&old, &[&alice, &bob], None)));
    let live = LiveKeyring::new(bob.clone());
    assert!(live.newest().is_empty());
    live.renew(&charter.keys());
    let before = live.newest();
    charter.says(Record::RoleKey(charter.role_key(&new, &[&alice, &bob], Some((first, &old)))));
    live.renew(&charter.keys());
    let after = live.newest();
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(std::ptr::eq(before.secret(ROLE, &first).unwrap(), after.secret(ROLE, &first).unwrap()));
    let shown = format!("{live:?} {after:#?}");
    assert!(shown.contains(ROLE) && !shown.contains("AGE-SECRET"), "{shown}");
}
