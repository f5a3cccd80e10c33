//! The hash table as a node knows it: which record stands, what is provided, and what members still have to be told.

use std::collections::BTreeSet;

use antiphon_core::address::Address;
use antiphon_core::content::NewEntry;
use antiphon_core::dht::{Body, Card, Key, Knowledge, LIFE_MS, Pointer, Realm, Record, Refusal, Standing, Topic};
use antiphon_core::ids::{ContentId, EventId, Hash, NodeId, StoreId};
use antiphon_core::sign::Signer as _;
use antiphon_core::time::UnixMillis;
use antiphon_store::{
    DHT_PROVIDER_LIFE_MS, DHT_PROVIDERS_PER_KEY_MAX, DhtItem, DhtKnown, DhtPut, DhtRecord, DhtSource, Draft, Provided,
};

use crate::common::{Key as Person, Machine, NOW, alice, no_provenance};

/// Everybody but eve is a member, and the index knows the pointers to version 2.
struct Knows;

impl Knowledge for Knows {
    fn is_member(&self, node: &NodeId) -> bool {
        *node != Person::new(6).node_id()
    }
    fn standing(&self, _: &Pointer, version: u64) -> Standing {
        if version == 2 { Standing::Authorised } else { Standing::Unknown }
    }
}

fn realm(machine: &Machine) -> Realm {
    Realm::of_team(machine.db.own().unwrap().team)
}

/// A record by the person of that number: a pointer to version `version` of document `document`.
fn pointer(realm: &Realm, person: u8, document: u8, version: u64, expires: UnixMillis) -> Record {
    let body = Body::Pointer(Pointer {
        content: ContentId([document; 32]),
        event: EventId([person; 16]),
        store: StoreId([person; 16]),
        root: Hash([document; 32]),
    });
    Record { team: realm.team, author: Person::new(person).node_id(), version, expires, body }
}

impl Machine {
    fn puts(&mut self, record: &Record) -> DhtPut {
        let (realm, now) = (realm(self), self.now);
        let by = (1..=9).map(Person::new).find(|person| person.node_id() == record.author).unwrap();
        let (key, value) = (record.key().path(&realm.prefix), record.sign(by.as_ref()).unwrap());
        self.db.put_dht_record(&realm, &Knows, key.as_bytes(), &value, now).unwrap()
    }

    fn puts_pointer(&mut self, person: u8, document: u8, version: u64) -> DhtPut {
        let record = pointer(&realm(self), person, document, version, self.now.after(LIFE_MS));
        self.puts(&record)
    }

    fn stands(&self, document: u8) -> Option<DhtRecord> {
        let key = Key::Content(ContentId([document; 32])).path(&realm(self).prefix);
        self.db.reader().dht_record(key.as_bytes()).unwrap()
    }

    /// What members were not told yet.
    fn waits(&self) -> Vec<DhtItem> {
        let all = self.db.reader().dht_waiting().unwrap();
        all.into_iter().filter(|one| one.published_at.is_none()).map(|one| one.item).collect()
    }
}

fn kept(put: DhtPut) -> u64 {
    match put {
        DhtPut::Kept { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_each_key_one_record_stands_exactly_as_it_was_signed() {
    let (mut alice, _) = alice();
    let first = kept(alice.puts_pointer(2, 1, 4));
    assert!(matches!(alice.puts_pointer(2, 1, 3), DhtPut::Refused(Refusal::Older { got: 3, held: 4 })));
    assert!(matches!(alice.puts_pointer(6, 1, 9), DhtPut::Refused(Refusal::NotAMember(_))));
    assert_eq!(kept(alice.puts_pointer(2, 1, 5)), first, "a later one of the same author keeps the row");
    let stands = alice.stands(1).unwrap();
    assert_eq!((stands.author, stands.own, stands.read().unwrap().version), (Person::new(2).node_id(), false, 5));
    let again = pointer(&realm(&alice), 2, 1, 5, stands.expires);
    assert_eq!(alice.puts(&again), DhtPut::Known { id: first }, "twice is once");
    // What the index knows stands against any version that it does not.
    assert_ne!(kept(alice.puts_pointer(3, 1, 2)), first, "another author's record has a row of its own");
    assert!(matches!(alice.puts_pointer(2, 1, u64::MAX), DhtPut::Refused(Refusal::Older { .. })));
    assert_eq!(alice.db.reader().dht_counts().unwrap().others, 1);
}

#[test]
fn what_this_node_says_waits_until_members_took_it_as_it_is() {
    let (mut alice, _) = alice();
    let id = kept(alice.puts_pointer(1, 1, 1));
    let provided = alice.db.provide_dht(&Topic::Content(Hash([1; 32])), DhtSource::Held, NOW).unwrap();
    let Provided::New(provide) = provided else { panic!("{provided:?}") };
    assert_eq!(alice.waits(), [DhtItem::Record(id), DhtItem::Provide(provide)]);

    let published = alice.stands(1).unwrap().value;
    alice.tick();
    let _later = alice.puts_pointer(1, 1, 7);
    alice.db.note_dht_published(DhtItem::Record(id), Some(&published), NOW).unwrap();
    alice.db.note_dht_published(DhtItem::Provide(provide), None, NOW).unwrap();
    assert_eq!(alice.waits(), [DhtItem::Record(id)], "it changed while it was published");
    let published = alice.stands(1).unwrap().value;
    alice.db.note_dht_published(DhtItem::Record(id), Some(&published), NOW).unwrap();
    assert_eq!(alice.waits(), []);

    alice.reopen();
    assert_eq!(alice.waits(), [], "it is known after a restart");
    let all = alice.db.reader().dht_waiting().unwrap();
    assert_eq!(all.len(), 2, "and everything can be published again");
}

#[test]
fn five_hundred_writes_without_a_network_are_all_there_after_a_crash() {
    let (mut alice, _) = alice();
    let realm = realm(&alice);
    for n in 0..250_u16 {
        let mut document = [0; 32];
        document[..2].copy_from_slice(&n.to_be_bytes());
        let mut record = pointer(&realm, 1, 0, 1, alice.now.after(LIFE_MS));
        if let Body::Pointer(pointer) = &mut record.body {
            pointer.content = ContentId(document);
        }
        let _kept = kept(alice.puts(&record));
        let topic = Topic::Content(Hash(document));
        assert!(matches!(alice.db.provide_dht(&topic, DhtSource::Held, NOW).unwrap(), Provided::New(_)));
    }
    alice.reopen();
    assert_eq!(alice.waits().len(), 500);
    let counts = alice.db.reader().dht_counts().unwrap();
    assert_eq!((counts.own, counts.provides), (250, 250));
    let mut after = 0;
    let mut read = 0;
    loop {
        let page = alice.db.reader().dht_records(true, after, 100).unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        read += page.iter().filter(|record| record.read().unwrap().version == 1).count();
    }
    assert_eq!(read, 250);
}

#[test]
fn an_own_record_that_another_takes_the_place_of_is_published_no_more() {
    let (mut alice, _) = alice();
    let own = kept(alice.puts_pointer(1, 1, 1));
    let put = alice.puts_pointer(2, 1, 2);
    assert!(matches!(put, DhtPut::Kept { own: false, displaced: Some(id), .. } if id == own), "{put:?}");
    assert_eq!(alice.waits(), []);
    assert_eq!(alice.db.reader().dht_own_record(own).unwrap(), None);
    let counts = alice.db.reader().dht_counts().unwrap();
    assert_eq!((counts.own, counts.others), (0, 1));
}

#[test]
fn what_follows_from_what_is_known_changes_with_it_and_what_a_person_said_stays() {
    let (mut alice, _) = alice();
    let (backend, rust, peer) = (Topic::Role("backend".into()), Topic::Capability("rust".into()), Topic::Peer);
    let all = |topics: &[&Topic]| topics.iter().map(|topic| (*topic).clone()).collect::<BTreeSet<_>>();
    let DhtKnown { new, gone } = alice.db.provide_known_dht(&all(&[&backend, &rust, &peer]), NOW).unwrap();
    assert_eq!((new.len(), gone.len()), (3, 0));
    let again = alice.db.provide_known_dht(&all(&[&backend, &rust, &peer]), NOW).unwrap();
    assert_eq!(again, DhtKnown::default());
    // A person says so too, before it is known no more.
    assert!(matches!(alice.db.provide_dht(&rust, DhtSource::Announced, NOW).unwrap(), Provided::Known(_)));
    let DhtKnown { new, gone } = alice.db.provide_known_dht(&all(&[&peer]), NOW).unwrap();
    assert_eq!((new.len(), gone.into_iter().map(|(_, topic)| topic).collect::<Vec<_>>()), (0, vec![backend]));
    assert_eq!(alice.db.reader().dht_provides(&rust).unwrap().unwrap().source, DhtSource::Announced);
    assert!(alice.db.withdraw_dht(&rust).unwrap().is_some());
    assert_eq!(alice.db.withdraw_dht(&rust).unwrap(), None);
    let left: Vec<Topic> = alice.db.reader().dht_provided(0, 10).unwrap().into_iter().map(|one| one.topic).collect();
    assert_eq!(left, [peer]);
}

#[test]
fn providers_are_remembered_for_a_day_and_only_so_many() {
    let (mut alice, _) = alice();
    let topic = Topic::Content(Hash([1; 32]));
    let node = |n: u8| NodeId([n; 32]);
    for n in 0..2 * u8::try_from(DHT_PROVIDERS_PER_KEY_MAX).unwrap() {
        alice.db.note_dht_providers(&topic, &[node(n)], NOW.after(u64::from(n))).unwrap();
    }
    let known = alice.db.reader().dht_providers(&topic, NOW.after(100)).unwrap();
    assert_eq!(known.len(), DHT_PROVIDERS_PER_KEY_MAX);
    assert_eq!(known[0].node, node(39), "the last heard first");
    assert_eq!(alice.db.reader().dht_counts().unwrap().providers, 20);
    let tomorrow = NOW.after(DHT_PROVIDER_LIFE_MS + 100);
    assert_eq!(alice.db.reader().dht_providers(&topic, tomorrow).unwrap(), []);
    assert_eq!(alice.db.sweep_dht(tomorrow).unwrap(), 20);
}

#[test]
fn records_of_others_end_and_own_ones_wait_to_be_signed_again() {
    let (mut alice, _) = alice();
    let _own = kept(alice.puts_pointer(1, 1, 1));
    let _other = kept(alice.puts_pointer(2, 2, 1));
    assert_eq!(alice.db.sweep_dht(alice.now.after(LIFE_MS - 1)).unwrap(), 0);
    assert_eq!(alice.db.sweep_dht(alice.now.after(LIFE_MS)).unwrap(), 1);
    assert!(alice.stands(1).is_some() && alice.stands(2).is_none());
}

#[test]
fn cards_are_listed_by_their_members() {
    let (mut alice, _) = alice();
    let realm = realm(&alice);
    for person in [1, 2] {
        let body = Body::Card(Card { name: format!("machine {person}"), ..Card::default() });
        let author = Person::new(person).node_id();
        let record = Record { team: realm.team, author, version: 1, expires: alice.now.after(LIFE_MS), body };
        let _kept = kept(alice.puts(&record));
    }
    let _pointer = kept(alice.puts_pointer(2, 2, 1));
    let cards = alice.db.reader().dht_cards(alice.now).unwrap();
    let mut nodes: Vec<NodeId> = cards.iter().map(|card| card.author).collect();
    nodes.sort_unstable();
    let mut want = vec![Person::new(1).node_id(), Person::new(2).node_id()];
    want.sort_unstable();
    assert_eq!(nodes, want);
    assert_eq!(alice.db.reader().dht_cards(alice.now.after(LIFE_MS)).unwrap(), []);
}

#[test]
fn settings_of_the_table_outlive_the_process() {
    let (mut alice, _) = alice();
    assert_eq!(alice.db.reader().dht_backend().unwrap(), None);
    alice.db.set_dht_backend("local").unwrap();
    alice.db.set_dht_agent("claude").unwrap();
    alice.reopen();
    assert_eq!(alice.db.reader().dht_backend().unwrap().as_deref(), Some("local"));
    assert_eq!(alice.db.reader().dht_agent().unwrap().as_deref(), Some("claude"));
}

/// Everybody is a member, and the index of alice's own database knows.
struct Index(antiphon_store::Glance);

impl Knowledge for Index {
    fn is_member(&self, _: &NodeId) -> bool {
        true
    }
    fn standing(&self, pointer: &Pointer, version: u64) -> Standing {
        self.0.standing(pointer, version).unwrap()
    }
}

#[test]
fn nobody_blocks_an_address_whose_version_the_index_knows() {
    let (mut alice, _) = alice();
    let entry = NewEntry {
        address: Address::read("ucxl://alice/backend_developer/shop/task/decision").unwrap(),
        creator_role: "backend_developer".into(),
        encrypted_for: vec![("backend_developer".into(), Hash::of(b"epoch"))],
        content_type: "text/markdown".into(),
        created_at: NOW,
        size: 5,
        stored_size: 205,
        hash: Hash::of(b"hello"),
        root: Hash::of(b"root"),
    };
    let content = alice.write(Draft::PutContent { entry, provenance: no_provenance() }).content.unwrap();
    let view = alice.db.reader().content_latest(&content).unwrap().unwrap();
    let (store, realm) = (alice.db.own().unwrap().store, realm(&alice));
    let good = Pointer { content, event: view.event, store, root: view.entry.root };
    let index = Index(antiphon_store::Glance::open(alice.home.path()).unwrap());
    let check = |pointer: Pointer, version, want| {
        assert_eq!(index.standing(&pointer, version), want, "{pointer:?} {version}");
    };
    check(good, 1, Standing::Authorised);
    check(good, 2, Standing::Refuted);
    check(Pointer { root: Hash::of(b"eve"), ..good }, 1, Standing::Refuted);
    check(Pointer { store: StoreId([6; 16]), ..good }, 1, Standing::Refuted);
    check(Pointer { event: EventId([6; 16]), ..good }, 1, Standing::Unknown);
    check(Pointer { content: ContentId([6; 32]), ..good }, 1, Standing::Unknown);

    // Eve claims the highest version there is, for an event that nobody has seen.
    let eves = Pointer { event: EventId([6; 16]), ..good };
    let say = |person: u8, pointer: Pointer, version: u64| {
        let (by, body) = (Person::new(person), Body::Pointer(pointer));
        let record = Record { team: realm.team, author: by.node_id(), version, expires: NOW.after(LIFE_MS), body };
        (record.key().path(&realm.prefix), record.sign(by.as_ref()).unwrap())
    };
    let (key, value) = say(6, eves, u64::MAX);
    let _first = kept(alice.db.put_dht_record(&realm, &index, key.as_bytes(), &value, NOW).unwrap());
    let (_, value) = say(1, good, 1);
    let _stands = kept(alice.db.put_dht_record(&realm, &index, key.as_bytes(), &value, NOW).unwrap());
    let (_, again) = say(6, eves, u64::MAX - 1);
    let refused = alice.db.put_dht_record(&realm, &index, key.as_bytes(), &again, NOW).unwrap();
    assert!(matches!(refused, DhtPut::Refused(Refusal::Older { .. })), "{refused:?}");

    alice.write(Draft::RemoveContent { id: content, provenance: no_provenance() });
    assert_eq!(index.standing(&good, 1), Standing::Refuted, "what was removed is pointed at no more");
}
