//! The index of documents: stored on one machine, found on all, and only by those who were entitled.

use antiphon_core::address::{Address, Component, Pattern, Selector};
use antiphon_core::charter::{Cut, GRANT_LIFE_MS, Grant, Revoke};
use antiphon_core::content::{Entry, FIELDS_KNOWN, NewEntry, VERSION_MAX};
use antiphon_core::event::{Action, Event, Header, Payload, Subject};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{ContentId, EventId, Hash, NodeId, StoreId};
use antiphon_core::log::{Head, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::vclock::VClock;
use antiphon_store::{AuthorError, Authored, Cause, ContentFilter, ContentView, Draft, Outcome};

use crate::common::{Key, Machine, NOW, alice, join, no_provenance, verified};
use crate::sync::twin;

const ROLE: &str = "backend_developer";
const ADDRESS: &str = "ucxl://alice/backend_developer/shop/task-7/decision/x";

fn address(text: &str) -> Address {
    Address::read(text).unwrap()
}

fn new(text: &str, words: &str) -> NewEntry {
    NewEntry {
        address: address(text),
        creator_role: ROLE.into(),
        encrypted_for: vec![(ROLE.into(), Hash::of(b"epoch"))],
        content_type: "text/markdown".into(),
        created_at: NOW,
        size: words.len() as u64,
        stored_size: words.len() as u64 + 200,
        hash: Hash::of(words.as_bytes()),
        root: Hash::of(&[words.as_bytes(), b"root"].concat()),
    }
}

fn put_entry(machine: &mut Machine, entry: NewEntry) -> Result<Authored, AuthorError> {
    machine.try_write(Draft::PutContent { entry, provenance: no_provenance() })
}

fn put(machine: &mut Machine, words: &str) -> ContentId {
    put_entry(machine, new(ADDRESS, words)).unwrap().content.unwrap()
}

fn try_remove(machine: &mut Machine, id: ContentId) -> Result<Authored, AuthorError> {
    machine.try_write(Draft::RemoveContent { id, provenance: no_provenance() })
}

fn remove(machine: &mut Machine, id: ContentId) -> Outcome {
    try_remove(machine, id).unwrap().outcome
}

fn versions(machine: &Machine, id: ContentId) -> Vec<ContentView> {
    machine.db.reader().content_versions(&id).unwrap()
}

fn latest(machine: &Machine, id: ContentId) -> Option<ContentView> {
    machine.db.reader().content_latest(&id).unwrap()
}

/// Whether the version that stands holds these words.
fn shows(machine: &Machine, id: ContentId, words: Option<&str>) {
    let latest = latest(machine, id);
    assert_eq!(latest.as_ref().map(|view| view.entry.hash), words.map(|words| Hash::of(words.as_bytes())));
    assert!(latest.is_none_or(|view| view.latest && view.counts()));
}

fn check(machine: &Machine) {
    let report = machine.db.reader().verify().unwrap();
    assert!(report.is_good(), "{report:?}");
}

fn found(machine: &Machine, filter: &ContentFilter) -> Vec<String> {
    let found = machine.db.reader().content_search(filter, 100, None).unwrap();
    found.iter().map(|view| view.entry.address.to_string()).collect()
}

/// Machines that hold the same events say the same of every document, and say it again when all is built anew.
fn alike(machines: &mut [&mut Machine], id: ContentId) {
    let state = |machine: &Machine| (machine.db.reader().state_hash().unwrap(), versions(machine, id));
    let first = state(machines[0]);
    for machine in machines {
        check(machine);
        assert_eq!(state(machine), first);
        machine.db.rebuild().unwrap();
        assert_eq!(state(machine), first);
        check(machine);
    }
}

fn swap(a: &mut Machine, b: &mut Machine) {
    a.pull(b);
    b.pull(a);
}

fn two() -> (Machine, Machine) {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    swap(&mut alice, &mut bob);
    (alice, bob)
}

fn grant_role(node: NodeId, role: &str) -> Draft {
    Draft::Grant(Grant {
        node,
        recipient: "age1test".into(),
        roles: vec![role.into()],
        not_after: NOW.after(GRANT_LIFE_MS),
        wraps: Vec::new(),
        name: "eve".into(),
    })
}

/// Eve, who may only read, and alice and bob, who may store.
fn observed() -> (Machine, Machine, Machine) {
    let (mut alice, genome): (Machine, Genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let mut eve = Machine::new(3);
    alice.write(grant_role(eve.node(), "observer"));
    let (identity, charter, random) = (eve.identity("eve"), crate::common::charter_runs(&alice), eve.random());
    eve.db.adopt_team(&identity, &genome, charter, NOW, random).unwrap();
    for other in [&mut bob, &mut eve] {
        alice.pull(other);
    }
    bob.pull(&alice);
    eve.pull(&alice);
    (alice, bob, eve)
}

/// An event of eve's log that her own software would not have written.
fn made_up(eve: &Machine, seen: u64, entry: Option<&Entry>, change: impl FnOnce(&mut Header)) -> Event {
    let log = eve.shared();
    let head: Head = eve.db.reader().clock().unwrap()[&log];
    let fields = entry.map(Entry::to_fields).unwrap_or_default();
    let payload = Payload { salt: [1; 16], provenance: no_provenance(), fields }.encode(Stream::Shared).unwrap();
    let put = entry.is_some();
    let mut header = Header {
        team: eve.db.own().unwrap().team,
        id: EventId([9; 16]),
        store: log.store,
        stream: Stream::Shared,
        seq: head.seq + 1,
        prev: head.hash,
        hlc: Hlc::default().tick(NOW.after(5_000)),
        action: if put { Action::Set } else { Action::Forget },
        subject: Subject::Content(address(ADDRESS).id()),
        version: [(log.store, seen)].into_iter().collect(),
        fields: if put { FIELDS_KNOWN } else { u64::MAX },
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    change(&mut header);
    let mut event = Event::author(header, payload).unwrap();
    event.sign(eve.key.as_ref());
    event
}

/// Gives an event of eve's log to somebody, herself included.
fn give(to: &mut Machine, from: (NodeId, antiphon_core::log::LogId), event: Event) -> antiphon_store::Applied {
    let (node, log) = from;
    let head = to.db.reader().clock().unwrap().get(&log).copied().unwrap_or(Head::EMPTY);
    let events = verified(to, log, node, head, vec![event]);
    let now = to.tick();
    to.db.apply_run(log, node, events, None, now).unwrap()
}

fn give_all(event: &Event, eve: &mut Machine, others: &mut [&mut Machine]) -> Vec<antiphon_store::Applied> {
    let from = (eve.node(), eve.shared());
    let told = others.iter_mut().map(|other| give(other, from, event.clone())).collect();
    give(eve, from, event.clone());
    told
}

#[test]
fn what_alice_stores_bob_finds_with_all_that_is_known_of_it() {
    let (mut alice, mut bob) = two();
    let written = put_entry(&mut alice, new(ADDRESS, "first")).unwrap();
    let id = written.content.unwrap();
    assert_eq!((id, written.log.stream, written.fact), (address(ADDRESS).id(), Stream::Shared, None));
    let told = bob.pull(&alice);
    assert_eq!(told.iter().map(|one| (one.quarantined, one.deferred)).max(), Some((0, 0)));
    let view = latest(&bob, id).unwrap();
    assert_eq!(view.entry, new(ADDRESS, "first").with_version(1));
    assert_eq!((view.author, view.store, view.event), (alice.node(), written.log.store, written.event));
    assert_eq!((view.removed, view.unauthorised, view.concurrent), (false, false, false));
    assert_eq!(bob.db.reader().content_at(written.log, written.seq).unwrap(), Some(view.clone()));
    assert_eq!(bob.db.reader().content_event(&id, &written.event).unwrap(), Some(view));
    assert_eq!(bob.db.reader().content_event(&id, &EventId([0; 16])).unwrap(), None);
    put(&mut bob, "second");
    alice.pull(&bob);
    shows(&alice, id, Some("second"));
    assert_eq!(versions(&alice, id).iter().map(|view| view.entry.version).collect::<Vec<_>>(), [1, 2]);
    alike(&mut [&mut alice, &mut bob], id);
}

#[test]
fn two_versions_stored_at_once_are_both_kept_until_somebody_has_seen_them() {
    let (mut alice, mut bob) = two();
    let id = put(&mut alice, "common");
    bob.pull(&alice);
    put(&mut alice, "of alice");
    put(&mut bob, "of bob");
    swap(&mut alice, &mut bob);
    let kept = versions(&alice, id);
    assert_eq!(kept.iter().map(|view| view.entry.version).collect::<Vec<_>>(), [1, 2, 2]);
    assert_eq!(kept.iter().map(|view| view.concurrent).collect::<Vec<_>>(), [false, true, true]);
    alike(&mut [&mut alice, &mut bob], id);
    let of = |machine: &Machine, text: &str| {
        let selector: Selector = text.parse().unwrap();
        machine.db.reader().content_version(&id, selector).unwrap().map(|view| view.entry.hash)
    };
    // The last of those that bear one number.
    assert_eq!(of(&alice, "*~2"), Some(kept[2].entry.hash));
    assert_eq!(of(&alice, "*~2"), of(&alice, "*^"));
    assert_eq!(of(&alice, "~~1"), Some(kept[1].entry.hash));
    put(&mut bob, "of both");
    alice.pull(&bob);
    assert!(versions(&alice, id).iter().all(|view| !view.concurrent));
    assert_eq!(of(&alice, "*~3"), Some(Hash::of(b"of both")));
    assert_eq!((of(&alice, "^^0"), of(&alice, "~~3")), (Some(kept[0].entry.hash), Some(kept[0].entry.hash)));
    assert_eq!(of(&alice, "^^3"), of(&alice, "*^"));
    for none in ["^^4", "~~4", "*~4", "*~18446744073709551615", "~~18446744073709551615"] {
        assert_eq!(of(&alice, none), None, "{none}");
    }
}

#[test]
fn a_removal_takes_away_what_it_has_seen_and_nothing_else() {
    let (mut alice, mut bob) = two();
    let id = put(&mut alice, "first");
    put(&mut alice, "second");
    bob.pull(&alice);
    put(&mut bob, "meanwhile");
    assert_eq!(remove(&mut alice, id), Outcome::Written);
    shows(&alice, id, None);
    assert_eq!(remove(&mut alice, id), Outcome::Unchanged);
    swap(&mut alice, &mut bob);
    shows(&bob, id, Some("meanwhile"));
    assert_eq!(versions(&bob, id).iter().map(|view| view.removed).collect::<Vec<_>>(), [true, true, false]);
    alike(&mut [&mut alice, &mut bob], id);
    assert_eq!(remove(&mut bob, id), Outcome::Written);
    alice.pull(&bob);
    shows(&alice, id, None);
    assert_eq!(found(&alice, &ContentFilter::default()), Vec::<String>::new());
    put(&mut alice, "again");
    assert_eq!(latest(&alice, id).unwrap().entry.version, 4, "numbers are not used twice");
    bob.pull(&alice);
    alike(&mut [&mut alice, &mut bob], id);
    let unknown = address("ucxl://alice/backend_developer/shop/task-7").id();
    assert_eq!(try_remove(&mut alice, unknown), Err(AuthorError::ContentNotFound(unknown)));
}

#[test]
fn a_removal_that_comes_before_what_it_removes_removes_it_all_the_same() {
    let (mut alice, mut bob) = two();
    let id = put(&mut alice, "first");
    bob.pull(&alice);
    remove(&mut bob, id);
    let mut carol = {
        let genome = alice.db.reader().founding_genome().unwrap();
        join(4, "carol", &mut alice, &genome)
    };
    // Carol hears bob before alice: of her log she has nothing yet.
    let theirs = bob.db.reader().clock().unwrap();
    let log = bob.shared();
    assert!(theirs.contains_key(&log));
    let page = bob.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let (node, now) = (bob.node(), carol.tick());
    let events = verified(&carol, log, node, Head::EMPTY, page);
    let _applied = carol.db.apply_run(log, node, events, None, now).unwrap();
    carol.pull(&alice);
    shows(&carol, id, None);
    for machine in [&mut alice, &mut bob] {
        machine.pull(&carol);
    }
    bob.pull(&alice);
    alice.pull(&bob);
    carol.pull(&bob);
    alike(&mut [&mut alice, &mut bob, &mut carol], id);
}

#[test]
fn nobody_stores_in_a_role_that_only_reads_or_that_it_does_not_hold() {
    let (mut alice, _, mut eve) = observed();
    let as_role = |role: &str| NewEntry {
        creator_role: role.into(),
        encrypted_for: vec![(role.into(), Hash::of(b"epoch"))],
        ..new(ADDRESS, "words")
    };
    let held = vec!["observer".to_owned()];
    let refused = put_entry(&mut eve, as_role("observer")).unwrap_err();
    assert_eq!(refused, AuthorError::CreatorRoleReadOnly("observer".into()));
    assert_eq!(refused.to_string(), "the role observer is read_only and cannot store documents");
    let refused = put_entry(&mut eve, as_role(ROLE)).unwrap_err();
    assert_eq!(refused, AuthorError::CreatorRoleNotHeld { role: ROLE.into(), held: held.clone() });
    let refused = put_entry(&mut alice, as_role("king")).unwrap_err();
    assert_eq!(refused, AuthorError::RoleUnknown("king".into()));
    let id = put(&mut alice, "first");
    eve.pull(&alice);
    assert_eq!(try_remove(&mut eve, id), Err(AuthorError::MayNotRemove { held }));
    shows(&eve, id, Some("first"));
    let unfit = NewEntry { size: 1_000_000, ..new(ADDRESS, "words") };
    assert!(matches!(put_entry(&mut alice, unfit), Err(AuthorError::Content(_))));
    check(&alice);
}

#[test]
fn what_eve_was_not_entitled_to_store_stands_for_nothing_until_she_is() {
    let (mut alice, mut bob, mut eve) = observed();
    let id = put(&mut alice, "of alice");
    for other in [&mut bob, &mut eve] {
        other.pull(&alice);
    }
    let forged = Entry { version: VERSION_MAX, ..new(ADDRESS, "of eve").with_version(1) };
    let event = made_up(&eve, 1, Some(&forged), |header| {
        header.version = [(alice.shared().store, 1), (header.store, 1)].into_iter().collect();
    });
    let told = give_all(&event, &mut eve, &mut [&mut alice]);
    assert_eq!((told[0].quarantined, told[0].trouble.as_ref().unwrap().cause), (1, Cause::Unauthorised));
    // Bob gets the header alone, so he cannot know which role it was. He agrees all the same.
    let from = (eve.node(), eve.shared());
    let _applied = give(&mut bob, from, event.clone().without_payload());
    assert_eq!(bob.db.reader().state_hash().unwrap(), alice.db.reader().state_hash().unwrap());
    for machine in [&alice, &bob] {
        shows(machine, id, Some("of alice"));
        check(machine);
    }
    assert_eq!(bob.db.reader().content_standing(&id).unwrap().incomplete, 1);
    let payload = event.payload().unwrap().to_vec();
    assert_eq!(bob.db.fill_payloads(&[(from.1, event.header().seq, payload)]).unwrap(), 1);
    let shown = versions(&bob, id);
    assert_eq!(shown.iter().map(|view| view.unauthorised).collect::<Vec<_>>(), [false, true]);
    assert_eq!(bob.db.reader().quarantined(10).unwrap()[0].cause, Cause::Unauthorised);
    alike(&mut [&mut alice, &mut bob, &mut eve], id);
    assert_eq!(bob.db.reader().content_version(&id, Selector::Version(VERSION_MAX)).unwrap(), None);
    assert_eq!(bob.db.reader().content_roots_needed().unwrap(), [new(ADDRESS, "of alice").root]);
    // What she says of its number moves nobody's.
    put(&mut alice, "more of alice");
    assert_eq!(latest(&alice, id).unwrap().entry.version, 2);
    // She is granted the role: what she has stored counts from now on, also on machines that hear of it later.
    alice.write(grant_role(eve.node(), ROLE));
    for machine in [&mut bob, &mut eve] {
        machine.pull(&alice);
        shows(machine, id, Some("of eve"));
        assert_eq!(machine.db.reader().quarantined(10).unwrap(), []);
    }
    alike(&mut [&mut alice, &mut bob, &mut eve], id);
    // It stays when the role is taken away again.
    alice.write(grant_role(eve.node(), "observer"));
    bob.pull(&alice);
    shows(&bob, id, Some("of eve"));
    // A version of the highest number does not close the address.
    put(&mut alice, "after eve");
    assert_eq!(latest(&alice, id).unwrap().entry.version, VERSION_MAX);
    shows(&alice, id, Some("after eve"));
}

#[test]
fn a_removal_by_eve_does_not_count_before_she_may_store_herself() {
    let (mut alice, mut bob, mut eve) = observed();
    let id = put(&mut alice, "of alice");
    for other in [&mut bob, &mut eve] {
        other.pull(&alice);
    }
    let event = made_up(&eve, 1, None, |header| {
        header.version = [(alice.shared().store, 1), (header.store, 1)].into_iter().collect();
    });
    let told = give_all(&event, &mut eve, &mut [&mut alice, &mut bob]);
    assert_eq!(told[0].trouble.as_ref().unwrap().cause, Cause::NotAllowed);
    for machine in [&alice, &bob, &eve] {
        shows(machine, id, Some("of alice"));
    }
    alike(&mut [&mut alice, &mut bob, &mut eve], id);
    alice.write(grant_role(eve.node(), ROLE));
    bob.pull(&alice);
    eve.pull(&alice);
    for machine in [&alice, &bob, &eve] {
        shows(machine, id, None);
        assert_eq!(machine.db.reader().quarantined(10).unwrap(), []);
    }
    alike(&mut [&mut alice, &mut bob, &mut eve], id);
}

#[test]
fn malformed_entries_are_kept_with_their_cause_and_harm_no_other() {
    let (mut alice, mut bob, mut eve) = observed();
    let id = address(ADDRESS).id();
    let good = new(ADDRESS, "good").with_version(1);
    type Change = fn(&mut Header);
    let headers: [(Change, Cause); 6] = [
        (|header| header.version = VClock::new(), Cause::Malformed),
        (|header| header.action = Action::Erase, Cause::Malformed),
        (|header| header.action = Action::Forget, Cause::Malformed),
        (|header| header.action = Action::Unknown(99), Cause::UnknownAction),
        (|header| header.subject = Subject::Unknown { kind: 99, id: vec![1] }, Cause::UnknownType),
        (|header| header.subject = Subject::Role("king".into()), Cause::Malformed),
    ];
    for (change, cause) in headers {
        let event = made_up(&eve, 1, Some(&good), change);
        give_all(&event, &mut eve, &mut [&mut alice, &mut bob]);
        assert_eq!(alice.db.reader().quarantined(20).unwrap().last().unwrap().cause, cause);
        assert_eq!(versions(&alice, id), []);
    }
    let elsewhere = new("ucxl://bob/backend_developer/shop/task-7", "good").with_version(1);
    let unfit = [Entry { version: 0, ..good.clone() }, Entry { size: 900, ..good.clone() }, elsewhere];
    for (seen, entry) in (1..).zip(&unfit) {
        let event = made_up(&eve, seen, Some(entry), |_| {});
        give_all(&event, &mut eve, &mut [&mut alice, &mut bob]);
        assert_eq!(alice.db.reader().quarantined(20).unwrap().last().unwrap().cause, Cause::MalformedPayload);
    }
    assert_eq!(alice.db.reader().content_standing(&id).unwrap().incomplete, 3);
    assert_eq!(put(&mut alice, "first"), id);
    shows(&alice, id, Some("first"));
    bob.pull(&alice);
    eve.pull(&alice);
    alike(&mut [&mut alice, &mut bob, &mut eve], id);
}

#[test]
fn what_comes_without_its_entry_is_incomplete_and_asked_for() {
    let (mut alice, mut bob) = two();
    let id = put(&mut alice, "late");
    let log = alice.shared();
    let head = bob.db.reader().clock().unwrap()[&log];
    let page = alice.db.reader().page(log, head.seq, 512, 1 << 20, None).unwrap();
    let bare = page.iter().cloned().map(Event::without_payload).collect();
    let (node, now) = (alice.node(), bob.tick());
    let _applied = bob.db.apply_run(log, node, verified(&bob, log, node, head, bare), None, now).unwrap();
    shows(&bob, id, None);
    assert_eq!(bob.db.reader().content_standing(&id).unwrap().incomplete, 1);
    assert_eq!(bob.db.reader().missing_payloads(10).unwrap().len(), 1);
    assert_eq!(bob.db.reader().state_hash().unwrap(), alice.db.reader().state_hash().unwrap());
    // It can be removed before anybody here knows what it says.
    let mut carol = twin(&bob);
    assert_eq!(remove(&mut carol, id), Outcome::Written);
    let payloads: Vec<_> =
        page.iter().map(|event| (log, event.header().seq, event.payload().unwrap().to_vec())).collect();
    assert_eq!(bob.db.fill_payloads(&payloads).unwrap(), 1);
    shows(&bob, id, Some("late"));
    alike(&mut [&mut alice, &mut bob], id);
    assert_eq!(carol.db.fill_payloads(&payloads).unwrap(), 1);
    shows(&carol, id, None);
    assert!(versions(&carol, id)[0].removed);
    check(&carol);
}

#[test]
fn what_stands_beyond_a_cut_is_no_version_until_a_steward_adopts_it() {
    let (mut alice, mut bob) = two();
    let id = put(&mut bob, "in time");
    alice.pull(&bob);
    let cut = alice.db.reader().clock().unwrap()[&bob.shared()];
    put(&mut bob, "too late");
    let revoke = |head: Head| {
        let cuts = vec![Cut { log: bob.shared(), head }];
        Revoke { node: bob.node(), reason: "left".into(), compromised: false, cuts, role_keys: Vec::new() }
    };
    alice.write(Draft::Revoke(revoke(cut)));
    let late = bob.db.reader().clock().unwrap()[&bob.shared()];
    let adopt = Draft::Revoke(revoke(late));
    alice.pull(&bob);
    shows(&alice, id, Some("in time"));
    assert_eq!(versions(&alice, id).len(), 1);
    alike(&mut [&mut alice], id);
    alice.write(adopt);
    shows(&alice, id, Some("too late"));
    alike(&mut [&mut alice], id);
}

#[test]
fn versions_of_a_log_with_two_branches_count_up_to_where_they_part() {
    let (mut alice, mut bob) = two();
    let id = put(&mut bob, "before");
    let mut other = twin(&bob);
    put(&mut bob, "one branch");
    put(&mut other, "the other branch");
    alice.pull(&bob);
    shows(&alice, id, Some("one branch"));
    let log = bob.shared();
    let seq = alice.db.reader().clock().unwrap()[&log].seq;
    let page = other.db.reader().page(log, seq - 1, 512, 1 << 20, None).unwrap();
    let (node, now) = (bob.node(), alice.tick());
    let branch = page.into_iter().collect::<Vec<_>>();
    let before = other.db.reader().page(log, seq - 2, 1, 1 << 20, None).unwrap()[0].head();
    let events = verified(&alice, log, node, before, branch);
    let applied = alice.db.apply_run(log, node, events, None, now).unwrap();
    assert!(applied.fork.is_some());
    shows(&alice, id, Some("before"));
    alike(&mut [&mut alice], id);
}

#[test]
fn a_document_is_found_by_its_address_its_role_its_kind_and_its_time() {
    let (mut alice, mut bob) = two();
    let texts = [
        "ucxl://alice/backend_developer/shop/task-7/decision/x",
        "ucxl://alice/backend_developer/shop/task-8/decision",
        "ucxl://alice/qa_engineer/shop/task-7/decisions",
        "ucxl://bob/backend_developer/till/task-7",
    ];
    for (n, text) in (0..).zip(texts) {
        let kind = if n == 1 { "application/json" } else { "text/markdown" };
        let entry = NewEntry { created_at: NOW.after(n * 10), content_type: kind.into(), ..new(text, text) };
        put_entry(&mut alice, entry).unwrap();
    }
    bob.pull(&alice);
    let by = |pattern: &str| ContentFilter { pattern: Pattern::parse(pattern).unwrap(), ..ContentFilter::default() };
    let of = |indices: &[usize]| indices.iter().map(|index| texts[*index].to_owned()).collect::<Vec<_>>();
    assert_eq!(found(&bob, &ContentFilter::default()), of(&[3, 2, 1, 0]), "the newest first");
    assert_eq!(found(&bob, &by("ucxl://alice")), of(&[2, 1, 0]));
    assert_eq!(found(&bob, &by("ucxl://any/backend_developer/any/task-7")), of(&[3, 0]));
    assert_eq!(found(&bob, &by("ucxl://any:any@shop:any/*^/decision")), of(&[1, 0]));
    assert_eq!(found(&bob, &by("ucxl://any/any/any/any/decision/x")), of(&[0]));
    assert_eq!(found(&bob, &by("ucxl://any/any/any/any/decision/y")), of(&[]));
    let kind = ContentFilter { content_type: Some("application/json".into()), ..by("ucxl://alice") };
    assert_eq!(found(&bob, &kind), of(&[1]));
    let (from, until) = (Some(NOW.after(10)), Some(NOW.after(30)));
    let times = ContentFilter { created_after: from, created_before: until, ..ContentFilter::default() };
    assert_eq!(found(&bob, &times), of(&[2, 1]));
    let never = ContentFilter { created_after: Some(UnixMillis(u64::MAX)), ..ContentFilter::default() };
    assert_eq!(found(&bob, &never), of(&[]));
    assert_eq!(bob.db.reader().content_by_role(ROLE, 2, None).unwrap().len(), 2);
    assert_eq!(bob.db.reader().content_by_role("qa_engineer", 2, None).unwrap(), [], "the role is in the address only");
    // Everything is in what comes before, and nothing twice.
    for pattern in ["ucxl://", "ucxl://alice/any/shop"] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = bob.db.reader().content_search(&by(pattern), 1, after).unwrap();
            let Some(view) = page.last() else { break };
            after = Some(view.cursor());
            paged.push(view.entry.address.to_string());
        }
        assert_eq!(paged, found(&bob, &by(pattern)));
    }
    // Only what stands is found, as it stands now.
    put_entry(&mut alice, NewEntry { content_type: "text/plain".into(), ..new(texts[1], "plain") }).unwrap();
    bob.pull(&alice);
    assert_eq!(found(&bob, &kind), of(&[]));
    let any = Pattern::any().with(Component::Task, "task-8").unwrap();
    assert_eq!(found(&bob, &ContentFilter { pattern: any, ..ContentFilter::default() }), of(&[1]));
}

#[test]
fn a_ciphertext_is_needed_as_long_as_a_version_counts() {
    let (mut alice, _) = two();
    let id = put(&mut alice, "first");
    put(&mut alice, "second");
    let roots = || [new(ADDRESS, "first").root, new(ADDRESS, "second").root];
    let mut both = roots().to_vec();
    both.sort_unstable();
    assert_eq!(alice.db.reader().content_roots_needed().unwrap(), both);
    assert!(alice.db.reader().content_root_needed(&roots()[0]).unwrap());
    assert_eq!(alice.db.reader().content_by_root(&roots()[0]).unwrap()[0].entry.version, 1);
    // Another document has the same ciphertext: it is needed for that one still.
    let other = put_entry(&mut alice, new("ucxl://alice/backend_developer/shop/task-9", "first")).unwrap();
    remove(&mut alice, id);
    assert_eq!(alice.db.reader().content_roots_needed().unwrap(), [roots()[0]]);
    assert!(!alice.db.reader().content_root_needed(&roots()[1]).unwrap());
    remove(&mut alice, other.content.unwrap());
    assert_eq!(alice.db.reader().content_roots_needed().unwrap(), []);
    let counts = alice.db.reader().content_counts().unwrap();
    assert_eq!((counts.documents, counts.versions, counts.removed), (0, 0, 3));
}

#[test]
fn whoever_stores_the_very_same_again_writes_nothing() {
    let (mut alice, _) = two();
    let id = put(&mut alice, "first");
    let again = put_entry(&mut alice, new(ADDRESS, "first")).unwrap();
    assert_eq!((again.outcome, again.content, versions(&alice, id).len()), (Outcome::Unchanged, Some(id), 1));
    put(&mut alice, "second");
    put(&mut alice, "first");
    assert_eq!(versions(&alice, id).len(), 3, "what was before is no reason not to go back to it");
}

#[test]
fn an_upgrade_finds_the_documents_that_an_older_version_set_aside() {
    let (mut alice, mut bob) = two();
    let id = put(&mut alice, "first");
    put(&mut alice, "second");
    let gone = put_entry(&mut alice, new("ucxl://alice/backend_developer/shop/task-9", "gone")).unwrap().content;
    remove(&mut alice, gone.unwrap());
    bob.pull(&alice);
    let before = (bob.db.reader().state_hash().unwrap(), versions(&bob, id));
    assert_eq!(bob.db.leave_as_older_version(&[], &[7]).unwrap(), 4);
    assert_eq!(bob.db.reader().quarantined(10).unwrap().len(), 4);
    assert_eq!((versions(&bob, id), found(&bob, &ContentFilter::default()).len()), (Vec::new(), 0));
    bob.reopen();
    assert_eq!((bob.db.reader().state_hash().unwrap(), versions(&bob, id)), before);
    assert_eq!(bob.db.reader().quarantined(10).unwrap(), []);
    assert_eq!(found(&bob, &ContentFilter::default()), [ADDRESS]);
    alike(&mut [&mut alice, &mut bob], id);
}

#[test]
fn a_restored_machine_stores_again_what_lost_its_place() {
    let (mut alice, mut bob) = two();
    let id = put(&mut bob, "common");
    alice.pull(&bob);
    let mut restored = twin(&bob);
    put(&mut bob, "held by alice");
    alice.pull(&bob);
    let other = "ucxl://alice/backend_developer/shop/task-9";
    put(&mut restored, "written since");
    let second = put_entry(&mut restored, new(other, "another")).unwrap().content.unwrap();
    let third = put_entry(&mut restored, new("ucxl://alice/backend_developer/shop/task-10", "gone")).unwrap();
    remove(&mut restored, third.content.unwrap());
    let log = bob.shared();
    let branch = alice.db.reader().page(log, 2, 512, 1 << 20, None).unwrap();
    let (key, now) = (restored.node(), restored.tick());
    let _branching = restored.db.keep_branch(log, key, branch, now).unwrap();
    let (now, random) = (restored.tick(), restored.random());
    let again = restored.db.write_again(true, now, random).unwrap();
    assert_eq!((again.waiting, again.opened), (0, None));
    restored.pull(&alice);
    alice.pull(&restored);
    let hashes: Vec<Hash> = versions(&alice, id).iter().map(|view| view.entry.hash).collect();
    for words in ["common", "held by alice", "written since"] {
        assert!(hashes.contains(&Hash::of(words.as_bytes())), "{words}");
    }
    shows(&alice, second, Some("another"));
    shows(&alice, third.content.unwrap(), None);
    alike(&mut [&mut alice, &mut restored], id);
}

/// An event of eve's whose clock is full, after which no other machine can say that it has seen it.
fn full(eve: &mut Machine, alice: &mut Machine, entry: Option<&Entry>, count: u64) {
    let own = alice.shared().store;
    let event = made_up(eve, 1, entry, |header| {
        let others = (0..254_u8).map(|n| (StoreId([n; 16]), 1));
        header.version = others.chain([(own, count), (header.store, 1)]).collect();
    });
    give_all(&event, eve, &mut [alice]);
}

#[test]
fn eve_who_may_only_read_keeps_nobody_from_storing_or_removing() {
    let (mut alice, mut bob, mut eve) = observed();
    let id = put(&mut alice, "of alice");
    full(&mut eve, &mut alice, Some(&new(ADDRESS, "of eve").with_version(2)), 7);
    alice.write(grant_role(Key::new(9).node_id(), ROLE));
    bob.pull(&alice);
    bob.pull(&eve);
    for machine in [&mut bob, &mut alice] {
        put(machine, "stored all the same");
        shows(machine, id, Some("stored all the same"));
        assert_eq!(remove(machine, id), Outcome::Written);
        shows(machine, id, None);
        check(machine);
    }
    swap(&mut alice, &mut bob);
    alike(&mut [&mut alice, &mut bob], id);
    shows(&alice, id, None);
}

#[test]
fn a_removal_that_claims_to_have_seen_everything_is_told_and_ends_with_its_author() {
    let (mut alice, _, mut eve) = observed();
    alice.write(grant_role(eve.node(), ROLE));
    eve.pull(&alice);
    let before = eve.db.reader().clock().unwrap()[&eve.shared()];
    let id = put(&mut alice, "of alice");
    full(&mut eve, &mut alice, None, i64::MAX.unsigned_abs());
    shows(&alice, id, None);
    let refused = put_entry(&mut alice, new(ADDRESS, "again")).unwrap_err();
    assert!(matches!(refused, AuthorError::ContentVersion { .. }), "{refused}");
    let cuts = vec![Cut { log: eve.shared(), head: before }];
    let revoke = Revoke { node: eve.node(), reason: "eve".into(), compromised: true, cuts, role_keys: Vec::new() };
    alice.write(Draft::Revoke(revoke));
    shows(&alice, id, Some("of alice"));
    put(&mut alice, "again");
    shows(&alice, id, Some("again"));
    alike(&mut [&mut alice], id);
}
