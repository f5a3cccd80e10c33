//! Several machines: runs, forks, revocations, payloads that stay away.

use antiphon_core::charter::{Cut, Revoke};
use antiphon_core::event::{Action, Event, Header, Subject};
use antiphon_core::fact::{Field, Level};
use antiphon_core::ids::{EventId, Hash, StoreId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::state::Verdict;
use antiphon_core::time::Hlc;
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_store::{Cause, Draft, Error, FactFilter, Outcome};

use crate::common::{Key, Machine, NOW, alice, grant, join, no_provenance, text};

pub fn check(machine: &Machine) {
    let report = machine.db.reader().verify().unwrap();
    assert!(report.is_good(), "{report:?}");
}

fn agree(a: &Machine, b: &Machine) {
    assert_eq!(a.db.reader().state_hash().unwrap(), b.db.reader().state_hash().unwrap());
    check(a);
    check(b);
}

fn exchange(a: &mut Machine, b: &mut Machine) {
    for applied in a.pull(b).iter().chain(&b.pull(a)) {
        assert_eq!((applied.fork, applied.quarantined, applied.deferred), (None, 0, 0));
    }
}

#[test]
fn bob_gets_what_he_missed_and_both_agree() {
    let (mut alice, genome) = alice();
    let facts: Vec<_> = (0..700).map(|n| alice.remember(&format!("fact number {n}"))).collect();
    let mut bob = join(2, "bob", &mut alice, &genome);
    exchange(&mut alice, &mut bob);
    assert_eq!(bob.content(facts[699]).as_deref(), Some("fact number 699"));
    let view = bob.db.reader().fact(facts[0]).unwrap().unwrap();
    assert_eq!((view.author.name.as_str(), view.author.node), ("alice", alice.node()));
    agree(&alice, &bob);
    assert!(bob.pull(&alice).is_empty());
}

#[test]
fn carol_gets_alices_facts_through_bob() {
    let (mut alice, genome) = alice();
    let fact = alice.remember("relayed");
    let mut bob = join(2, "bob", &mut alice, &genome);
    exchange(&mut alice, &mut bob);
    let mut carol = join(3, "carol", &mut alice, &genome);
    bob.pull(&alice);
    carol.pull(&bob);
    assert_eq!(carol.content(fact).as_deref(), Some("relayed"));
    assert_eq!(carol.db.reader().fact(fact).unwrap().unwrap().author.node, alice.node());
}

#[test]
fn local_facts_never_leave() {
    let (mut alice, genome) = alice();
    let fact = alice.remember_with(text("mine").set(Field::Level, Value::Uint(Level::Snippet.number())));
    let mut bob = join(2, "bob", &mut alice, &genome);
    exchange(&mut alice, &mut bob);
    assert_eq!(bob.content(fact), None);
    assert!(alice.db.reader().clock().unwrap().keys().all(|log| log.stream != Stream::Local));
    let local = LogId::new(alice.db.own().unwrap().store, Stream::Local);
    assert!(alice.db.reader().page(local, 0, 512, 1 << 20, None).unwrap().is_empty());
}

#[test]
fn two_edits_at_once_are_a_divergence_until_somebody_settles_it() {
    let (mut alice, genome) = alice();
    let fact = alice.remember_with(text("port 1").set(Field::Module, "db".into()));
    let mut bob = join(2, "bob", &mut alice, &genome);
    exchange(&mut alice, &mut bob);
    alice.edit(fact, Field::Content, "port 2".into());
    bob.edit(fact, Field::Content, "port 3".into());
    bob.edit(fact, Field::Module, "web".into());
    exchange(&mut alice, &mut bob);
    agree(&alice, &bob);
    let views = [&alice, &bob].map(|machine| machine.db.reader().fact(fact).unwrap().unwrap());
    assert_eq!(views[0], views[1]);
    assert_eq!(views[0].diverged, [Field::Content]);
    assert_eq!(views[0].fact.module.as_deref(), Some("web"));
    let sides = alice.db.reader().sides(fact).unwrap();
    assert_eq!(sides.len(), 2);
    assert_eq!(sides[0].value.clone().flatten().unwrap().as_text(), views[0].fact.content.as_deref());
    // Accepting the shown value is an edit too, because it settles the matter.
    let shown = views[0].fact.content.clone().unwrap();
    let settled = alice.edit(fact, Field::Content, shown.as_str().into());
    assert_eq!(settled.outcome, Outcome::Written);
    exchange(&mut alice, &mut bob);
    assert_eq!(bob.db.reader().fact(fact).unwrap().unwrap().diverged, []);
    agree(&alice, &bob);
}

#[test]
fn forgetting_against_an_edit_is_a_divergence_and_restoring_settles_it() {
    let (mut alice, genome) = alice();
    let fact = alice.remember("keep me");
    let mut bob = join(2, "bob", &mut alice, &genome);
    exchange(&mut alice, &mut bob);
    alice.forget(fact);
    bob.edit(fact, Field::Content, "kept".into());
    exchange(&mut alice, &mut bob);
    agree(&alice, &bob);
    assert!(alice.db.reader().fact(fact).unwrap().unwrap().diverged.contains(&Field::Content));
    alice.forget(fact);
    exchange(&mut alice, &mut bob);
    assert!(bob.db.reader().fact(fact).unwrap().unwrap().forgotten);
    bob.write(Draft::Restore { fact, provenance: no_provenance() });
    exchange(&mut alice, &mut bob);
    assert!(alice.content(fact).is_some());
    agree(&alice, &bob);
}

#[test]
fn every_page_ends_at_a_signature_and_small_pages_still_arrive() {
    let (mut alice, genome) = alice();
    for burst in 0..6 {
        let drafts: Vec<Draft> = (0..150)
            .map(|n| Draft::Remember {
                id: None,
                edit: text(&format!("{burst} {n} {}", "x".repeat(2_000))),
                provenance: no_provenance(),
                idempotency_key: None,
            })
            .collect();
        let random = alice.random();
        alice.db.author(&drafts, NOW, random).unwrap();
    }
    let bob = join(2, "bob", &mut alice, &genome);
    let log = alice.shared();
    for (max_events, max_bytes) in [(512, 1 << 20), (512, 300 * 1024), (3, 1 << 20), (1, 1)] {
        let mut after = 0;
        let mut head = Head::EMPTY;
        loop {
            let page = alice.db.reader().page(log, after, max_events, max_bytes, None).unwrap();
            let Some(last) = page.last() else { break };
            assert!(last.signature().is_some());
            assert!(page.len() <= max_events.max(256));
            let bytes: usize =
                page.iter().map(|event| event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len)).sum();
            assert!(bytes <= max_bytes.max(300 * 1024), "{bytes}");
            (after, head) = (last.header().seq, last.head());
            crate::common::verified(
                &bob,
                log,
                alice.node(),
                Head { seq: page[0].header().seq - 1, hash: page[0].header().prev },
                page,
            );
        }
        assert_eq!(head, alice.db.reader().clock().unwrap()[&log]);
    }
}

#[test]
fn what_is_held_already_is_not_written_again() {
    let (mut alice, genome) = alice();
    alice.remember("one");
    let mut bob = join(2, "bob", &mut alice, &genome);
    let (log, key) = (alice.shared(), alice.node());
    let page = alice.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let first = bob.db.apply_run(log, key, page.clone(), None, NOW).unwrap();
    let second = bob.db.apply_run(log, key, page.clone(), None, NOW).unwrap();
    assert_eq!((first.stored, first.duplicates), (2, 0));
    assert_eq!((second.stored, second.duplicates, second.head), (0, 2, first.head));
    alice.remember("two");
    alice.remember("three");
    let later = alice.db.reader().page(log, 3, 512, 1 << 20, None).unwrap();
    assert!(matches!(bob.db.apply_run(log, key, later, None, NOW), Err(Error::Gap { held: 2, got: 4, .. })));
    assert!(bob.db.apply_run(log, bob.node(), page, None, NOW).is_err());
}

#[test]
fn a_header_without_its_text_counts_and_the_text_may_follow() {
    let (mut alice, genome) = alice();
    let fact = alice.remember("secret for now");
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.pull(&alice);
    let mut carol = join(3, "carol", &mut alice, &genome);
    let log = alice.shared();
    let page = alice.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let open_and_header = vec![page[0].clone(), page[1].clone().without_payload()];
    carol.db.apply_run(log, alice.node(), open_and_header, None, NOW).unwrap();
    let view = carol.db.reader().fact(fact).unwrap().unwrap();
    assert!(view.incomplete && view.fact.content.is_none() && !view.forgotten);
    carol.pull(&alice);
    bob.pull(&alice);
    carol.pull(&bob);
    bob.pull(&carol);
    agree(&bob, &carol);
    let missing = carol.db.reader().missing_payloads(10).unwrap();
    assert_eq!((missing.len(), missing[0].log, missing[0].seq), (1, log, 2));
    let wrong = (log, 2, b"wrong".to_vec());
    let right = (log, 2, page[1].payload().unwrap().to_vec());
    assert_eq!(carol.db.fill_payloads(&[wrong, right]).unwrap(), 1);
    assert_eq!(carol.content(fact).as_deref(), Some("secret for now"));
    agree(&bob, &carol);
}

/// A second home with the same key and store: what a restored snapshot would be.
pub fn twin(of: &Machine) -> Machine {
    let home = tempfile::tempdir().unwrap();
    for file in ["antiphon.db", "antiphon.db-wal"] {
        let from = of.home.path().join(file);
        if from.exists() {
            std::fs::copy(from, home.path().join(file)).unwrap();
        }
    }
    let mut twin = Machine::at(of.tag, home);
    // The random bytes of the twin must not repeat those of the original.
    for _ in 0..500 {
        twin.random();
    }
    twin
}

#[test]
fn a_log_with_two_branches_counts_up_to_where_they_part() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let before = bob.remember("before");
    let mut twin = twin(&bob);
    let kept = alice.remember("alice stays");
    bob.pull(&alice);
    let after = bob.remember("after");
    bob.edit(kept, Field::Content, "bob was here".into());
    twin.remember("the other branch");
    twin.remember("goes on");
    alice.pull(&bob);
    assert_eq!(alice.content(kept).as_deref(), Some("bob was here"));
    let log = bob.shared();
    let other = twin.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let applied = alice.db.apply_run(log, bob.node(), other, None, NOW).unwrap();
    assert_eq!(applied.fork.map(|fork| fork.seq), Some(3));
    assert_eq!(alice.content(before).as_deref(), Some("before"));
    assert_eq!(alice.content(after), None);
    assert_eq!(alice.content(kept).as_deref(), Some("alice stays"));
    let forks = alice.db.reader().forks().unwrap();
    assert_eq!((forks.len(), forks[0].seq), (1, 3));
    antiphon_core::event::Fork::new(forks[0].held[0].clone(), forks[0].other[0].clone()).unwrap();
    let causes: Vec<_> = alice.db.reader().quarantined(10).unwrap().iter().map(|event| event.cause).collect();
    assert_eq!(causes, [Cause::Forked, Cause::Forked]);
    check(&alice);
    // Whoever holds the other branch comes to the same conclusion.
    let mut carol = join(3, "carol", &mut alice, &genome);
    carol.pull(&twin);
    let mine = bob.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    carol.db.apply_run(log, bob.node(), mine, None, NOW).unwrap();
    let shared = alice.shared();
    for machine in [&mut carol, &mut alice] {
        let verdict = machine.db.reader().logs().unwrap().into_iter().find(|view| view.log == log).unwrap().verdict;
        assert_eq!(verdict, Verdict::Forked(3));
    }
    let page = alice.db.reader().page(shared, 0, 512, 1 << 20, None).unwrap();
    carol.db.apply_run(shared, alice.node(), page, None, NOW).unwrap();
    let (log, key) = (carol.shared(), carol.node());
    let page = carol.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    alice.db.apply_run(log, key, page, None, NOW).unwrap();
    let charter = alice.charter();
    let head = carol.db.reader().clock().unwrap()[&charter].seq;
    let page = alice.db.reader().page(charter, head, 512, 1 << 20, None).unwrap();
    let _ = carol.db.apply_run(charter, alice.node(), page, None, NOW).unwrap();
    agree(&alice, &carol);
}

#[test]
fn what_eve_wrote_beyond_the_cut_does_not_count() {
    let (mut alice, genome) = alice();
    let mut eve = join(3, "eve", &mut alice, &genome);
    let mut bob = join(2, "bob", &mut alice, &genome);
    let good = eve.remember("good");
    exchange(&mut alice, &mut eve);
    let bad = eve.remember("bad");
    eve.edit(good, Field::Content, "poisoned".into());
    bob.pull(&eve);
    assert_eq!(bob.content(good).as_deref(), Some("poisoned"));
    let revoke =
        Revoke { node: eve.node(), reason: "left".into(), compromised: false, cuts: vec![], role_keys: Vec::new() };
    alice.write(Draft::Revoke(revoke));
    bob.pull(&alice);
    assert_eq!((bob.content(good).as_deref(), bob.content(bad)), (Some("good"), None));
    let log = eve.shared();
    let head = alice.db.reader().clock().unwrap()[&log].seq;
    let rest = eve.db.reader().page(log, head, 512, 1 << 20, None).unwrap();
    let applied = alice.db.apply_run(log, eve.node(), rest, None, NOW).unwrap();
    assert_eq!((applied.stored, applied.quarantined), (2, 2));
    alice.pull(&bob);
    agree(&alice, &bob);
    // A steward may raise the cut later, and what lies before it counts again.
    let head = alice.db.reader().clock().unwrap()[&log];
    let cuts = vec![Cut { log, head }];
    alice.write(Draft::Revoke(Revoke {
        node: eve.node(),
        reason: "all of it".into(),
        compromised: false,
        cuts,
        role_keys: Vec::new(),
    }));
    bob.pull(&alice);
    assert_eq!(alice.content(bad).as_deref(), Some("bad"));
    agree(&alice, &bob);
    // Eve learns of it and can write no more.
    eve.pull(&alice);
    let draft = Draft::Remember { id: None, edit: text("more"), provenance: no_provenance(), idempotency_key: None };
    assert!(eve.try_write(draft).is_err());
}

#[test]
fn only_a_steward_signs_membership() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    assert!(bob.try_write(grant(Machine::new(9).node(), "eve")).is_err());
    let members = bob.db.reader().membership().unwrap();
    assert!(members.check(&bob.node(), NOW).is_ok() && members.check(&alice.node(), NOW).is_ok());
    let path = alice.db.reader().grant_path(&bob.node()).unwrap().unwrap();
    let nothing = antiphon_core::charter::Charter::new(&genome.constitution().unwrap().founders, []);
    let proved = path.verify(&genome.team(), &nothing, &bob.node()).unwrap();
    assert_eq!(proved.member(&bob.node()).unwrap().grant.name, "bob");
    assert_eq!(alice.db.reader().grant_path(&Machine::new(9).node()).unwrap(), None);
}

/// An event of the future, signed by `author` as the next of its shared log.
fn next_event(author: &Machine, change: impl FnOnce(&mut Header)) -> Event {
    let reader = author.db.reader();
    let (log, own) = (author.shared(), reader.own().unwrap().unwrap());
    let head = reader.clock().unwrap()[&log];
    let payload = b"\xa3\x00\x50aaaaaaaaaaaaaaaa\x01\xa0\x02\xa0".to_vec();
    let mut header = Header {
        team: own.team,
        id: EventId([0x01; 16]),
        store: own.store,
        stream: Stream::Shared,
        seq: head.seq + 1,
        prev: head.hash,
        hlc: Hlc::default().tick(NOW),
        action: Action::Set,
        subject: Subject::Fact(antiphon_core::ids::FactId([1; 16])),
        version: [(own.store, 1)].into_iter().collect(),
        fields: 1,
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    change(&mut header);
    let mut event = Event::author(header, payload).unwrap();
    event.sign(author.key.as_ref());
    event
}

#[test]
fn what_a_newer_version_wrote_waits_and_stalls_nothing() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.pull(&alice);
    type Change = fn(&mut Header);
    let cases: [(Change, Cause); 4] = [
        (|header| header.action = Action::Unknown(99), Cause::UnknownAction),
        (|header| header.subject = Subject::Unknown { kind: 77, id: vec![1] }, Cause::UnknownType),
        (|header| header.version = VClock::new(), Cause::Malformed),
        (|header| header.action = Action::Grant, Cause::Malformed),
    ];
    let (log, key) = (alice.shared(), alice.node());
    for (change, cause) in cases {
        let event = next_event(&alice, change);
        for machine in [&mut alice, &mut bob] {
            let applied = machine.db.apply_run(log, key, vec![event.clone()], None, NOW).unwrap();
            assert_eq!(applied.deferred, usize::from(cause.is_schema_widening()));
            assert_eq!(applied.quarantined, usize::from(!cause.is_schema_widening()));
        }
        let last = bob.db.reader().quarantined(10).unwrap().pop().unwrap();
        assert_eq!((last.log, last.seq, last.cause), (log, event.header().seq, cause));
    }
    let future = next_event(&alice, |header| header.hlc = Hlc(u64::MAX));
    let applied = bob.db.apply_run(log, key, vec![future.clone()], None, NOW).unwrap();
    assert_eq!((applied.ahead, applied.facts), (1, 1));
    alice.db.apply_run(log, key, vec![future], None, NOW).unwrap();
    let fact = alice.remember("life goes on");
    bob.pull(&alice);
    assert_eq!(bob.content(fact).as_deref(), Some("life goes on"));
    assert_eq!(bob.db.reader().facts(&FactFilter::default(), 10, None).unwrap().len(), 1);
    alice.pull(&bob);
    agree(&alice, &bob);
}

#[test]
fn a_key_may_open_sixteen_stores_and_no_more() {
    let (mut alice, genome) = alice();
    for n in 0..17_u8 {
        let mut bob = Machine::new(2);
        let mut identity = bob.identity("bob");
        identity.nonce = [n; 16];
        bob.db.adopt_team(&identity, &genome, vec![], NOW, [n; 32]).unwrap();
        let log = bob.shared();
        let page = bob.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
        let applied = alice.db.apply_run(log, bob.node(), page, None, NOW);
        assert_eq!(applied.is_ok(), n < 16, "{n}");
    }
}

#[test]
fn a_store_that_was_restored_from_a_copy_adopts_what_it_had_written() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let mut restored = twin(&bob);
    let fact = bob.remember("written after the copy");
    alice.pull(&bob);
    restored.pull(&alice);
    assert_eq!(restored.content(fact).as_deref(), Some("written after the copy"));
    let next = restored.remember("goes on where it was");
    alice.pull(&restored);
    assert_eq!(alice.content(next).as_deref(), Some("goes on where it was"));
    assert!(alice.db.reader().forks().unwrap().is_empty());
}

#[test]
fn whoever_heard_either_branch_of_a_charter_first_comes_to_one_state() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let mut carol = join(3, "carol", &mut alice, &genome);
    let mut twin = twin(&alice);
    alice.write(grant(Key::new(7).node_id(), "dave"));
    twin.write(grant(Key::new(8).node_id(), "erin"));
    bob.pull(&alice);
    carol.pull(&twin);
    let (log, key) = (alice.charter(), alice.node());
    let page = |from: &Machine| from.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let (bobs, carols) = (page(&bob), page(&carol));
    assert!(bob.db.apply_run(log, key, carols, None, NOW).unwrap().fork.is_some());
    assert!(carol.db.apply_run(log, key, bobs, None, NOW).unwrap().fork.is_some());
    bob.pull(&carol);
    carol.pull(&bob);
    for machine in [&bob, &carol] {
        assert_eq!(machine.db.reader().membership().unwrap().members().count(), 5);
    }
    agree(&bob, &carol);
}

#[test]
fn eve_cannot_fill_the_charter() {
    let (mut alice, genome) = alice();
    let mut eve = join(3, "eve", &mut alice, &genome);
    let nonce = [9; 16];
    let store = StoreId::derive(&alice.db.own().unwrap().team, &eve.node(), &nonce);
    let log = LogId::new(store, Stream::Charter);
    let opening = eve.opening(log, nonce);
    let refused = alice.db.apply_run(log, eve.node(), vec![opening], Some(eve.node()), NOW);
    assert!(matches!(refused, Err(Error::NotASteward(key)) if key == eve.node()), "{refused:?}");
    assert!(!alice.db.reader().clock().unwrap().contains_key(&log));
    alice.pull(&eve);
}

#[test]
fn a_store_that_forked_itself_goes_on_under_a_new_name() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let old = bob.remember("before");
    let mut twin = twin(&bob);
    twin.remember("the other branch");
    alice.pull(&twin);
    let fact = bob.remember("after");
    bob.edit(fact, Field::Module, "auth".into());
    bob.edit(old, Field::Content, "before, edited".into());
    let (log, key) = (bob.shared(), bob.node());
    let other = twin.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let head = bob.db.reader().clock().unwrap()[&log];
    assert!(bob.db.note_sent(log, head).unwrap());
    assert!(bob.db.apply_run(log, key, other, None, NOW).unwrap().fork.is_some());
    assert_eq!(bob.content(fact), None);
    let draft = Draft::Remember { id: None, edit: text("more"), provenance: no_provenance(), idempotency_key: None };
    assert!(bob.try_write(draft.clone()).is_err());
    let (now, random) = (bob.tick(), bob.random());
    let own = bob.db.write_again(true, now, random).unwrap().opened.unwrap();
    bob.write(draft);
    let mine = bob.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let _ = alice.db.apply_run(log, key, mine, None, NOW).unwrap();
    let next = LogId::new(own.store, Stream::Shared);
    let page = bob.db.reader().page(next, 0, 512, 1 << 20, None).unwrap();
    assert_eq!(page[0].opening().unwrap().previous.unwrap().0, log.store);
    let _ = alice.db.apply_run(next, key, page, None, NOW).unwrap();
    for machine in [&alice, &bob] {
        assert_eq!(machine.content(fact).as_deref(), Some("after"));
        assert_eq!(machine.content(old).as_deref(), Some("before, edited"));
        check(machine);
    }
    bob.reopen();
    bob.remember("and on");
    check(&bob);
}

#[test]
fn a_charter_record_that_must_not_be_ignored_stops_every_write_until_the_upgrade() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.pull(&alice);
    let fact = bob.remember("from before");
    let record = |alice: &Machine, number: u64| {
        let head = alice.db.reader().clock().unwrap()[&alice.charter()];
        let (stream, seq, prev) = (Stream::Charter, head.seq + 1, head.hash);
        next_event(alice, move |header| {
            (header.stream, header.seq, header.prev) = (stream, seq, prev);
            header.action = Action::Unknown(number);
            header.subject = Subject::Unknown { kind: 99, id: vec![1] };
            header.version = [(header.store, seq)].into_iter().collect();
        })
    };
    let (log, key) = (alice.charter(), alice.node());
    for (number, stops) in [(64, false), (Action::CRITICAL | 64, true)] {
        let event = record(&alice, number);
        for machine in [&mut alice, &mut bob] {
            let applied = machine.db.apply_run(log, key, vec![event.clone()], None, NOW).unwrap();
            assert_eq!((applied.stored, applied.deferred), (1, 1), "it is kept and handed on all the same");
        }
        let written = bob.try_write(Draft::Forget { fact, provenance: no_provenance() });
        let granted = alice.try_write(grant(Machine::new(7).node(), "carol"));
        let stopped = Err(antiphon_store::AuthorError::UpgradeNeeded(number));
        assert_eq!((written == stopped.clone(), granted == stopped), (stops, stops), "{written:?} {granted:?}");
        bob.pull(&alice);
    }
    assert_eq!(bob.db.reader().membership().unwrap().role_key("admin"), None);
    // What was remembered can still be read.
    assert!(bob.db.reader().fact(fact).unwrap().is_some());
    bob.reopen();
    let still = bob.try_write(Draft::Restore { fact, provenance: no_provenance() });
    assert!(matches!(still, Err(antiphon_store::AuthorError::UpgradeNeeded(_))), "{still:?}");
}
