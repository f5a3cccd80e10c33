//! Facts that are sealed to a role: who reads them, and what the others carry.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use antiphon_core::charter::{Previous, Record, RoleKey, RoleKeys, Wrap};
use antiphon_core::event::sealed::{FactSeals, Opened, SealError, binding};
use antiphon_core::event::{Event, Header, PAYLOAD_BYTES_MAX, Provenance, Seal, Subject};
use antiphon_core::fact::{CONTENT_BYTES_MAX, Field};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{FactId, Hash, NodeId};
use antiphon_store::{AuthorError, Bring, Cause, Db, Draft, FactFilter, Options, Outcome, RecallQuery, Settlement};

use crate::common::{Machine, NOW, alice, charter_runs, grant, join, no_provenance, text, verified};
use crate::sync::twin;

const ROLE: &str = "backend_developer";
const CANARY: &str = "heliotrope-canary";

/// Role keys of people who trust each other with the arithmetic: whoever is named in a wrap has the key.
struct Wax {
    node: NodeId,
    held: Mutex<BTreeSet<(String, Hash)>>,
}

impl Wax {
    fn of(node: NodeId) -> Arc<Self> {
        Arc::new(Self { node, held: Mutex::default() })
    }

    /// Bytes that nobody knows who does not know the header and the key.
    fn stream(header: &[u8], length: usize) -> Option<Vec<u8>> {
        let Seal { epoch, .. } = Header::decode(header).ok()?.seal?;
        let seed = [binding(header).ok()?, epoch.0.to_vec()].concat();
        let block = |n: u64| Hash::of(&[&seed[..], &n.to_be_bytes()].concat()).0;
        Some((0..).flat_map(block).take(length).collect())
    }

    fn tag(header: &[u8], payload: &[u8]) -> Vec<u8> {
        Hash::of(&[&binding(header).unwrap(), payload].concat()).0[..28].to_vec()
    }
}

impl FactSeals for Wax {
    fn learn(&self, role_keys: &RoleKeys) {
        let mut held = self.held.lock().unwrap();
        held.clear();
        let mut found: Vec<_> = role_keys.epochs().filter(|epoch| epoch.wraps.contains_key(&self.node)).collect();
        while let Some(epoch) = found.pop() {
            held.insert((epoch.role.clone(), epoch.epoch));
            found.extend(epoch.previous.as_ref().and_then(|link| role_keys.get(&epoch.role, &link.epoch)));
        }
    }

    fn holds(&self, role: &str, epoch: &Hash) -> bool {
        self.held.lock().unwrap().contains(&(role.to_owned(), *epoch))
    }

    fn seal(&self, header: &[u8], payload: &[u8]) -> Result<Vec<u8>, SealError> {
        let stream = Self::stream(header, payload.len()).ok_or(SealError::NoSeal)?;
        let text = payload.iter().zip(stream).map(|(byte, key)| byte ^ key);
        Ok(text.chain(Self::tag(header, payload)).collect())
    }

    fn open(&self, header: &[u8], sealed: &[u8]) -> Opened {
        let Some(Seal { role, epoch }) = Header::decode(header).ok().and_then(|header| header.seal) else {
            return Opened::Broken;
        };
        if !self.holds(&role, &epoch) {
            return Opened::Closed;
        }
        let Some((text, tag)) = sealed.split_last_chunk::<28>() else { return Opened::Broken };
        let stream = Self::stream(header, text.len()).unwrap();
        let payload: Vec<u8> = text.iter().zip(stream).map(|(byte, key)| byte ^ key).collect();
        if Self::tag(header, &payload) == tag { Opened::Payload(payload) } else { Opened::Broken }
    }
}

/// Gives a machine its wax, as a node does when it starts.
fn with_seals(mut machine: Machine) -> Machine {
    let options = Options { durable: false };
    let seals: Arc<dyn FactSeals> = Wax::of(machine.node());
    machine.db = Db::open_sealing(machine.home.path(), options, Some(machine.key.clone()), Some(seals)).unwrap();
    machine
}

/// Makes a key of a role for these machines.
fn new_key(steward: &mut Machine, holders: &[NodeId], previous: Option<Hash>) -> Hash {
    let wraps = holders.iter().map(|node| Wrap { node: *node, sealed: b"wax".to_vec() }).collect();
    let previous = previous.map(|epoch| Previous { epoch, sealed: b"wax".to_vec() });
    let key = RoleKey { role: ROLE.into(), recipient: "age1role".into(), wraps, previous };
    steward.write(Draft::Record(Record::RoleKey(key)));
    newest_key(steward)
}

fn newest_key(machine: &Machine) -> Hash {
    machine.db.reader().membership().unwrap().role_key(ROLE).unwrap().epoch
}

fn seal(content: &str) -> Draft {
    let (edit, provenance) = (text(content), Provenance { agent: Some("claude".into()), ..no_provenance() });
    Draft::RememberSealed { role: ROLE.into(), id: None, edit, provenance, idempotency_key: None }
}

fn remember_sealed(machine: &mut Machine, content: &str) -> FactId {
    machine.write(seal(content)).fact.unwrap()
}

/// Alice and bob hold the key, eve is a member like them and does not.
fn team() -> (Machine, Machine, Machine, Genome) {
    let (alice, genome) = alice();
    let mut alice = with_seals(alice);
    let bob = join(2, "bob", &mut alice, &genome);
    let eve = join(5, "eve", &mut alice, &genome);
    let (mut bob, mut eve) = (with_seals(bob), with_seals(eve));
    let holders = [alice.node(), bob.node()];
    new_key(&mut alice, &holders, None);
    bob.pull(&alice);
    eve.pull(&alice);
    (alice, bob, eve, genome)
}

fn found(machine: &mut Machine, words: &str) -> Vec<FactId> {
    while machine.db.index_step(100).unwrap() > 0 {}
    let query = RecallQuery { text: words.into(), limit: 10, now: NOW, ..RecallQuery::default() };
    let recall = machine.db.reader().recall(&query).unwrap();
    recall.hits.iter().map(|hit| hit.view.fact.id).collect()
}

fn holds_canary(machine: &Machine) -> bool {
    let files = std::fs::read_dir(machine.home.path()).unwrap();
    let mut bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    bytes.any(|bytes| bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()))
}

#[test]
fn a_sealed_fact_is_recalled_by_its_holders_and_by_nobody_else() {
    let (mut alice, mut bob, mut eve, _) = team();
    let fact = remember_sealed(&mut alice, CANARY);
    bob.pull(&alice);
    eve.pull(&alice);
    for machine in [&mut alice, &mut bob] {
        let view = machine.db.reader().fact(fact).unwrap().unwrap();
        assert_eq!(view.fact.content.as_deref(), Some(CANARY));
        assert_eq!((view.fact.role.as_deref(), view.closed, view.incomplete), (Some(ROLE), false, false));
        assert_eq!(view.provenance.agent.as_deref(), Some("claude"));
        assert_eq!(found(machine, CANARY), [fact]);
        assert!(holds_canary(machine));
    }
    alice.pull(&bob);
    alice.pull(&eve);
    bob.pull(&alice);
    eve.pull(&alice);
    let view = eve.db.reader().fact(fact).unwrap().unwrap();
    assert_eq!((view.fact.content, view.fact.role.as_deref(), view.closed), (None, Some(ROLE), true));
    assert!(!view.incomplete && !view.forgotten && view.diverged.is_empty());
    assert_eq!(view.provenance, no_provenance());
    assert!(found(&mut eve, CANARY).is_empty());
    assert!(eve.db.reader().facts(&FactFilter::default(), 10, None).unwrap().is_empty());
    let counts = eve.db.reader().counts().unwrap();
    assert_eq!((counts.facts, counts.closed, counts.without_payload, counts.quarantined), (0, 1, 0, 0));
    assert!(eve.db.reader().missing_payloads(10).unwrap().is_empty());
    assert!(!holds_canary(&eve));
    let hash = |machine: &Machine| machine.db.reader().state_hash().unwrap();
    assert_eq!((hash(&alice), hash(&bob)), (hash(&eve), hash(&eve)));
    for machine in [&alice, &bob, &eve] {
        assert_eq!(machine.db.reader().verify().unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn eve_relays_what_she_cannot_read() {
    let (mut alice, mut bob, mut eve, _) = team();
    let fact = remember_sealed(&mut alice, CANARY);
    eve.pull(&alice);
    bob.pull(&eve);
    assert_eq!(bob.content(fact).as_deref(), Some(CANARY));
}

#[test]
fn every_edit_of_a_sealed_fact_is_sealed_too() {
    let (mut alice, mut bob, mut eve, _) = team();
    let fact = remember_sealed(&mut alice, "first");
    bob.pull(&alice);
    bob.edit(fact, Field::Content, CANARY.into());
    bob.edit(fact, Field::Domain, format!("{CANARY}-domain").as_str().into());
    alice.pull(&bob);
    eve.pull(&bob);
    assert_eq!(alice.content(fact).as_deref(), Some(CANARY));
    assert!(eve.db.reader().fact(fact).unwrap().unwrap().closed && !holds_canary(&eve));
    alice.forget(fact);
    eve.pull(&alice);
    assert!(eve.db.reader().fact(fact).unwrap().unwrap().forgotten, "that it is gone everybody knows");
    alice.write(Draft::Restore { fact, provenance: no_provenance() });
    eve.pull(&alice);
    let view = eve.db.reader().fact(fact).unwrap().unwrap();
    assert!(view.closed && !view.forgotten && !holds_canary(&eve));
    assert_eq!(alice.content(fact).as_deref(), Some(CANARY));
}

#[test]
fn a_divergence_of_a_sealed_fact_is_settled_by_who_reads_it() {
    let (mut alice, mut bob, mut eve, _) = team();
    let fact = remember_sealed(&mut alice, "first");
    bob.pull(&alice);
    alice.edit(fact, Field::Content, "alice's".into());
    bob.edit(fact, Field::Content, CANARY.into());
    alice.pull(&bob);
    eve.pull(&alice);
    eve.pull(&bob);
    assert_eq!(alice.db.reader().fact(fact).unwrap().unwrap().diverged, [Field::Content]);
    let counts = eve.db.reader().counts().unwrap();
    assert_eq!((counts.diverged, counts.closed), (0, 1));
    let seen = alice.db.reader().sides(fact).unwrap().iter().map(|side| side.event).collect::<Vec<_>>();
    let settlement = Settlement::Fact(fact, text(CANARY));
    let settle = Draft::Settle { settlement, seen, provenance: no_provenance() };
    assert!(matches!(eve.try_write(settle.clone()), Err(AuthorError::Closed { .. })));
    alice.write(settle);
    eve.pull(&alice);
    assert!(!holds_canary(&eve));
    assert!(alice.db.reader().fact(fact).unwrap().unwrap().diverged.is_empty());
}

#[test]
fn eve_changes_nothing_that_she_cannot_read() {
    let (mut alice, _, mut eve, _) = team();
    let fact = remember_sealed(&mut alice, CANARY);
    eve.pull(&alice);
    let provenance = no_provenance;
    for draft in [
        Draft::Edit { fact, edit: text("hers"), provenance: provenance() },
        Draft::Forget { fact, provenance: provenance() },
        Draft::Restore { fact, provenance: provenance() },
    ] {
        let refused = eve.try_write(draft).unwrap_err();
        assert_eq!(refused, AuthorError::Closed { fact, role: ROLE.into() });
    }
    assert!(matches!(eve.try_write(seal("hers")), Err(AuthorError::Seal(SealError::NoKey(_)))));
}

#[test]
fn a_key_that_comes_later_opens_what_came_before_it() {
    let (mut alice, _, mut eve, _) = team();
    let facts: Vec<FactId> = (0..5).map(|n| remember_sealed(&mut alice, &format!("{CANARY} {n}"))).collect();
    eve.pull(&alice);
    assert_eq!(eve.db.open_closed(100).unwrap(), 0, "nothing to open without a key");
    let (previous, holders) = (newest_key(&alice), [alice.node(), eve.node()]);
    new_key(&mut alice, &holders, Some(previous));
    eve.pull(&alice);
    assert!(eve.db.reader().fact(facts[0]).unwrap().unwrap().closed);
    let steps: Vec<usize> = std::iter::repeat_with(|| eve.db.open_closed(2).unwrap()).take(4).collect();
    assert_eq!(steps, [2, 2, 1, 0]);
    for (n, fact) in facts.iter().enumerate() {
        assert_eq!(eve.content(*fact), Some(format!("{CANARY} {n}")));
    }
    assert_eq!(found(&mut eve, CANARY).len(), 5);
    assert_eq!(eve.db.reader().counts().unwrap().closed, 0);
    let before = eve.db.reader().facts(&FactFilter::default(), 10, None).unwrap();
    eve.db.rebuild().unwrap();
    assert_eq!(eve.db.reader().facts(&FactFilter::default(), 10, None).unwrap(), before);
}

#[test]
fn a_fresh_key_opens_no_history() {
    let (mut alice, _, mut eve, _) = team();
    let old = remember_sealed(&mut alice, CANARY);
    let holders = [alice.node(), eve.node()];
    new_key(&mut alice, &holders, None);
    let new = remember_sealed(&mut alice, "for eve too");
    eve.pull(&alice);
    while eve.db.open_closed(100).unwrap() > 0 {}
    assert_eq!((eve.content(old), eve.content(new).as_deref()), (None, Some("for eve too")));
    assert!(!holds_canary(&eve));
}

#[test]
fn who_loses_the_key_keeps_what_he_read_and_gets_nothing_new() {
    let (mut alice, mut bob, _, _) = team();
    let old = remember_sealed(&mut alice, "what bob read");
    bob.pull(&alice);
    let (previous, only) = (newest_key(&alice), [alice.node()]);
    new_key(&mut alice, &only, Some(previous));
    let new = remember_sealed(&mut alice, CANARY);
    alice.edit(old, Field::Content, format!("{CANARY} too").as_str().into());
    bob.pull(&alice);
    assert!(!holds_canary(&bob));
    assert!(bob.db.reader().fact(new).unwrap().unwrap().closed);
    assert!(bob.db.reader().fact(old).unwrap().unwrap().closed, "what it says now is closed");
    assert_eq!(bob.db.reader().counts().unwrap().closed, 2);
    bob.db.rebuild().unwrap();
    assert_eq!(bob.db.reader().counts().unwrap().closed, 2);
}

#[test]
fn without_a_sound_key_a_sealed_fact_is_refused() {
    let (alice, _) = alice();
    let mut alice = with_seals(alice);
    assert_eq!(alice.try_write(seal("x")).unwrap_err(), AuthorError::NoRoleKey(ROLE.into()));
    let refused = alice.try_write(Draft::RememberSealed {
        role: "observer".into(),
        id: None,
        edit: text("x"),
        provenance: no_provenance(),
        idempotency_key: None,
    });
    assert_eq!(refused.unwrap_err(), AuthorError::NoRoleKey("observer".into()), "a steward reads every role");
    let (before, holder) = (alice.db.reader().counts().unwrap().events, [alice.node()]);
    new_key(&mut alice, &holder, None);
    let fact = remember_sealed(&mut alice, "x");
    assert_eq!(alice.db.reader().counts().unwrap().events, before + 2);
    assert_eq!(alice.content(fact).as_deref(), Some("x"));
}

#[test]
fn only_roles_that_read_and_write_may_seal() {
    let (mut alice, mut bob, _, _) = team();
    let regrant = |node, roles: &[&str]| {
        let Draft::Grant(grant) = grant(node, "bob") else { unreachable!() };
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Draft::Grant(antiphon_core::charter::Grant { roles, ..grant })
    };
    alice.write(regrant(bob.node(), &["observer", "qa_engineer"]));
    bob.pull(&alice);
    let held = vec!["observer".to_owned(), "qa_engineer".to_owned()];
    assert_eq!(bob.try_write(seal("x")).unwrap_err(), AuthorError::RoleNotHeld { role: ROLE.into(), held });
    let observing = |content: &str| match seal(content) {
        Draft::RememberSealed { id, edit, provenance, idempotency_key, .. } => {
            Draft::RememberSealed { role: "observer".into(), id, edit, provenance, idempotency_key }
        }
        _ => unreachable!(),
    };
    assert_eq!(bob.try_write(observing("x")).unwrap_err(), AuthorError::RoleReadOnly("observer".into()));
}

#[test]
fn the_longest_text_can_be_sealed() {
    let (mut alice, mut bob, _, _) = team();
    let longest = "x".repeat(CONTENT_BYTES_MAX);
    let written = alice.write(seal(&longest));
    let event = alice.db.reader().event_at(written.log, written.seq).unwrap().unwrap();
    let length = event.payload().unwrap().len();
    assert!(length > CONTENT_BYTES_MAX + 28 && length <= PAYLOAD_BYTES_MAX, "{length}");
    bob.pull(&alice);
    assert_eq!(bob.content(written.fact.unwrap()), Some(longest));
}

#[test]
fn eve_cannot_publish_alices_text_as_her_own() {
    let (mut alice, mut bob, mut eve, _) = team();
    let fact = remember_sealed(&mut alice, CANARY);
    eve.pull(&alice);
    bob.pull(&alice);
    bob.pull(&eve);
    let log = alice.shared();
    let stolen = eve.db.reader().event_at(log, alice.db.reader().clock().unwrap()[&log].seq).unwrap().unwrap();
    let (hers, head) = (eve.shared(), eve.db.reader().clock().unwrap()[&eve.shared()]);
    let copied = FactId([0x77; 16]);
    let header = Header {
        store: hers.store,
        seq: head.seq + 1,
        prev: head.hash,
        subject: Subject::Fact(copied),
        version: [(hers.store, 1)].into_iter().collect(),
        ..stolen.header().clone()
    };
    let mut event = Event::author(header, stolen.payload().unwrap().to_vec()).unwrap();
    event.sign(eve.key.as_ref());
    let event = verified(&bob, hers, eve.node(), head, vec![event]);
    let applied = bob.db.apply_run(hers, eve.node(), event, None, NOW).unwrap();
    assert_eq!(applied.quarantined, 1);
    assert_eq!(bob.content(copied), None);
    assert_eq!(bob.content(fact).as_deref(), Some(CANARY));
    assert_eq!(bob.db.reader().quarantined(10).unwrap()[0].cause, Cause::MalformedPayload);
}

#[test]
fn what_is_sealed_stays_in_the_team_that_is_left() {
    let (mut alice, _) = alice();
    alice = with_seals(alice);
    let holder = [alice.node()];
    new_key(&mut alice, &holder, None);
    let keyed = |draft: Draft| match draft {
        Draft::RememberSealed { role, edit, provenance, .. } => {
            Draft::RememberSealed { role, id: None, edit, provenance, idempotency_key: Some("key".into()) }
        }
        other => other,
    };
    let sealed = alice.write(keyed(seal(CANARY))).fact.unwrap();
    let plain = alice.remember("plain");
    let (mut bob, genome) = crate::common::founder(2, "bob");
    bob.write(grant(alice.node(), "alice"));
    let identity = antiphon_store::Identity { nonce: [77; 16], ..alice.identity("alice") };
    alice.db.move_to_team(&identity, &genome, charter_runs(&bob), Bring::Shared, NOW, [7; 32]).unwrap();
    assert_eq!(alice.content(plain).as_deref(), Some("plain"));
    assert!(alice.db.reader().fact(sealed).unwrap().is_none());
    // Whoever repeats it is told what this team lacks for it, and not that there was such a fact.
    let refused = alice.try_write(keyed(seal(CANARY)));
    assert!(matches!(refused, Err(AuthorError::NoRoleKey(_) | AuthorError::RoleNotHeld { .. })), "{refused:?}");
    let (edit, idempotency_key) = (text("plain too"), Some("key".into()));
    let plain = Draft::Remember { id: None, edit, provenance: no_provenance(), idempotency_key };
    assert_eq!(alice.write(plain).outcome, Outcome::Written);
}

#[test]
fn what_is_written_again_is_sealed_again() {
    let (mut alice, mut bob, mut eve, _) = team();
    let common = remember_sealed(&mut bob, "before the copy");
    let mut restored = with_seals(twin(&bob));
    bob.remember("what members hold");
    alice.pull(&bob);
    let own = remember_sealed(&mut restored, CANARY);
    restored.edit(common, Field::Content, format!("{CANARY} edited").as_str().into());
    let (log, from) = (bob.shared(), alice.db.reader().clock().unwrap()[&bob.shared()].seq - 1);
    let branch = alice.db.reader().page(log, from, 512, 1 << 20, None).unwrap();
    restored.db.keep_branch(log, bob.node(), branch, NOW).unwrap();
    let again = restored.db.write_again(true, NOW, [3; 32]).unwrap();
    assert_eq!((again.written, again.waiting), (2, 0));
    alice.pull(&restored);
    eve.pull(&alice);
    for machine in [&alice, &restored] {
        assert_eq!(machine.content(own).as_deref(), Some(CANARY));
        assert_eq!(machine.content(common), Some(format!("{CANARY} edited")));
    }
    assert_eq!(eve.db.reader().counts().unwrap().closed, 2);
    assert!(!holds_canary(&eve));
}

#[test]
fn an_erased_sealed_fact_is_gone_from_every_file() {
    let (mut alice, mut bob, mut eve, _) = team();
    let fact = remember_sealed(&mut bob, CANARY);
    alice.pull(&bob);
    eve.pull(&bob);
    assert_eq!((found(&mut bob, CANARY), found(&mut alice, CANARY)), (vec![fact], vec![fact]));
    bob.write(Draft::Erase { fact, provenance: no_provenance() });
    for machine in [&mut alice, &mut eve] {
        machine.pull(&bob);
    }
    for machine in [&mut alice, &mut bob, &mut eve] {
        assert!(found(machine, CANARY).is_empty());
        assert!(machine.db.purge().unwrap());
        assert!(!holds_canary(machine));
        let view = machine.db.reader().fact(fact).unwrap().unwrap();
        assert!(view.erased && !view.closed);
        assert_eq!(machine.db.reader().counts().unwrap().closed, 0);
    }
}

#[test]
fn a_database_that_is_opened_without_keys_gets_its_texts_back_with_them() {
    let (mut alice, _, _, _) = team();
    let fact = remember_sealed(&mut alice, CANARY);
    alice.reopen();
    alice.db.rebuild().unwrap();
    assert!(alice.db.reader().fact(fact).unwrap().unwrap().closed);
    assert_eq!(alice.try_write(seal("x")).unwrap_err(), AuthorError::Seal(SealError::NoKey(ROLE.into())));
    let mut alice = with_seals(alice);
    assert_eq!((alice.db.open_closed(10).unwrap(), alice.db.open_closed(10).unwrap()), (1, 0));
    assert_eq!(alice.content(fact).as_deref(), Some(CANARY));
}
