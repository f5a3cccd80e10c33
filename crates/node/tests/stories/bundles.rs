//! What is carried by hand, on real nodes: the checks that a file cannot show without a key to sign it.

use crate::common;

use crate::common::{Machine, team_of_two, until};
use antiphon_core::event::{Action, Event, Header, Open, Payload, Provenance, Subject, Unverified};
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::{EventId, FactId, Hash, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_node::bundles::{CarriedFacts, CarriedLog, CarryError, Export, Take};
use antiphon_node::{Draft, Handle, Reason, Trust};
use antiphon_protocol::handshake::Request;
use antiphon_vault::{NodeKey, file};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn key_of(machine: &Machine) -> NodeKey {
    file::load(&machine.dir.path().join("home/node.key")).unwrap()
}

async fn everything(handle: &Handle) -> Export {
    handle.export_carried(Take::Everything, NodeClock::new(), None).await.unwrap()
}

fn carried(export: &Export) -> CarriedFacts {
    let log = |run: &antiphon_store::LogRun| CarriedLog {
        log: run.log,
        node: run.node,
        events: run.events.iter().cloned().map(Event::into_unverified).collect(),
    };
    CarriedFacts {
        from: export.node,
        team: export.team,
        store: export.store,
        genome: export.genome,
        clock: export.clock.clone(),
        logs: export.logs.iter().map(log).collect(),
    }
}

/// Alice and bob who trust each other; alice is off, and what bob writes now she gets by hand or not at all.
async fn alice_is_off() -> (Machine, Machine) {
    let (mut alice, bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.trusts("alice", Trust::Verified).await;
    until("both hold the same", async || {
        alice.handle.state_hash().await.unwrap() == bob.handle.state_hash().await.unwrap()
    })
    .await;
    alice.stop().await;
    (alice, bob)
}

async fn swap(off: &mut Machine, on: &mut Machine) {
    on.stop().await;
    off.start_again().await;
}

fn reason<T: std::fmt::Debug>(result: Result<T, CarryError>) -> &'static str {
    result.unwrap_err().reason().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_carried_for_31_days_or_comes_from_the_future_is_stale() {
    let (mut alice, mut bob) = alice_is_off().await;
    let bytes = bob.handle.carry_request(None).await.unwrap();
    swap(&mut alice, &mut bob).await;
    let aged = |at: u64| {
        let mut request = Request::decode(&bytes).unwrap();
        request.timestamp = UnixMillis(at);
        request.encode()
    };
    let answer = async |at: u64| alice.handle.carry_answer(&aged(at), Vec::new()).await;
    assert_eq!(reason(answer(now() - 31 * DAY_MS).await), "stale");
    assert_eq!(reason(answer(now() + 2 * DAY_MS).await), "stale");
    // Neither of them used it up.
    assert_eq!(answer(now() - 29 * DAY_MS).await.unwrap().trust, Trust::Verified);
    assert_eq!(reason(answer(now()).await), "replayed");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_the_pinned_one_is_refused_until_a_person_resets_the_pin() {
    let (mut alice, mut bob) = alice_is_off().await;
    bob.remember("from the old disk").await;
    let facts = carried(&everything(&bob.handle).await);
    swap(&mut alice, &mut bob).await;
    let hash = alice.handle.state_hash().await.unwrap();
    let other = CarriedFacts { store: StoreId([7; 16]), ..facts.clone() };
    let refused = alice.handle.import_carried(other).await;
    let identity = |error: &CarryError| matches!(error, CarryError::Refused { reason: Reason::IdentityMismatch, .. });
    assert!(refused.as_ref().is_err_and(identity), "{refused:?}");
    assert_eq!(alice.handle.state_hash().await.unwrap(), hash);
    let bobs = facts.from.to_string();
    alice.handle.reset_peer(&bobs).await.unwrap();
    assert_eq!(reason(alice.handle.import_carried(facts).await), "not_verified");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_event_costs_its_own_log_and_no_other() {
    let (mut alice, mut bob) = alice_is_off().await;
    bob.remember("true").await;
    let export = everything(&bob.handle).await;
    swap(&mut alice, &mut bob).await;
    let mut facts = carried(&export);
    // Bob is no steward, so no charter log of his counts; and nobody of this team ever granted eve anything.
    let usurped = opening(&key_of(&bob), &export, Stream::Charter, [9; 16]);
    let strange = opening(&NodeKey::generate().unwrap().0, &export, Stream::Shared, [8; 16]);
    // Alice's own shared log with an event that she never signed at its end.
    let alices = facts.logs.iter().position(|log| log.log.stream == Stream::Shared && log.node != export.node).unwrap();
    let after = facts.logs[alices].events.last().unwrap().head();
    let forged = forged(&key_of(&bob), &export, facts.logs[alices].log, after);
    facts.logs[alices].events.push(forged);
    facts.logs.extend([usurped, strange]);
    let imported = alice.handle.import_carried(facts).await.unwrap();
    let mut reasons: Vec<_> = imported.refused.iter().map(|log| log.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["bad_signature", "not_a_member", "not_a_steward"], "{imported:?}");
    assert_eq!((imported.events, imported.facts), (1, 1), "{imported:?}");
    assert!(alice.recalls("true").await);
    let audit = alice.handle.audit(10).await.unwrap();
    assert_eq!(audit.iter().filter(|line| line.kind == "bundle").count(), 3, "{audit:?}");
    assert!(alice.handle.verify().await.unwrap().problems.is_empty());
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_who_was_greeted_by_hand_stays_verified_for_as_long_as_files_take() {
    let (mut alice, mut bob) = alice_is_off().await;
    let request = bob.handle.carry_request(None).await.unwrap();
    bob.stop().await;
    alice.start_again_impatient().await;
    alice.trusts("bob", Trust::Expired).await;
    let answer = alice.handle.carry_answer(&request, Vec::new()).await.unwrap();
    assert_eq!(answer.trust, Trust::Verified);
    tokio::time::sleep(std::time::Duration::from_millis(3 * common::PEER_TIMEOUT_MS)).await;
    let seen = alice.sees("bob").await;
    assert!(seen.trust == Trust::Verified && seen.by_hand.is_some(), "{seen:?}");
    alice.stop().await;
    bob.start_again().await;
    let done = bob.handle.carry_complete(&answer.message, Vec::new()).await.unwrap();
    assert_eq!((done.trust, done.name.as_str()), (Trust::Verified, "alice"));
    assert_eq!(reason(bob.handle.carry_complete(&answer.message, Vec::new()).await), "replayed");
    bob.stop().await;
    alice.start_again_impatient().await;
    let seen = alice.sees("bob").await;
    assert!(seen.trust == Trust::Verified && seen.by_hand.is_some(), "it outlives a restart: {seen:?}");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_one_file_goes_on_where_it_ended() {
    let (mut alice, mut bob) = alice_is_off().await;
    for n in 0..40 {
        let texts = (0..8).map(|part| format!("{n}-{part} {}", "x".repeat(60_000)));
        let draft = |text: String| Draft::Remember {
            id: None,
            edit: Edit::new().set(Field::Content, Value::from(text.as_str())),
            provenance: Provenance::default(),
            idempotency_key: None,
        };
        for written in bob.handle.author(texts.map(draft).collect()).await.unwrap() {
            written.unwrap();
        }
    }
    let mut parts = vec![everything(&bob.handle).await];
    while parts.last().unwrap().more {
        let since = parts.last().unwrap().reaches.clone();
        parts.push(bob.handle.export_carried(Take::Everything, since, None).await.unwrap());
    }
    assert!(parts.len() > 1 && parts[0].facts.len() < 320, "{} parts", parts.len());
    let hash = bob.handle.state_hash().await.unwrap();
    swap(&mut alice, &mut bob).await;
    let late = alice.handle.import_carried(carried(parts.last().unwrap())).await.unwrap();
    assert_eq!((late.events, late.gaps.len()), (0, 1), "{late:?}");
    for part in &parts {
        let taken = alice.handle.import_carried(carried(part)).await.unwrap();
        assert!(taken.events > 0 && taken.gaps.is_empty(), "{taken:?}");
    }
    assert_eq!(alice.handle.state_hash().await.unwrap(), hash);
    alice.stop().await;
}

/// A signed opening of a log that `key` has no right to.
fn opening(key: &NodeKey, export: &Export, stream: Stream, nonce: [u8; 16]) -> CarriedLog {
    let node = key.node_id();
    let log = LogId::new(StoreId::derive(&export.team, &node, &nonce), stream);
    let open = Open { node, nonce, name: "eve".into(), previous: None };
    let fields = open.to_fields();
    let bits = fields.keys().fold(0, |bits, bit| bits | 1 << bit);
    let payload = Payload { salt: [1; 16], provenance: Provenance::default(), fields }.encode(stream).unwrap();
    let subject = Subject::Store(log.store);
    let header = header(export, log, Head::EMPTY, (Action::Open, subject, bits), &payload);
    let mut event = Event::author(header, payload).unwrap();
    event.sign(key);
    CarriedLog { log, node, events: vec![event.into_unverified()] }
}

/// An event that continues somebody's log, signed with another key.
fn forged(key: &NodeKey, export: &Export, log: LogId, after: Head) -> Event<Unverified> {
    let payload =
        Payload { salt: [2; 16], provenance: Provenance::default(), fields: std::collections::BTreeMap::new() };
    let payload = payload.encode(log.stream).unwrap();
    let header = header(export, log, after, (Action::Open, Subject::Store(log.store), 0), &payload);
    let header = Header { action: Action::Set, subject: Subject::Fact(FactId([3; 16])), ..header };
    let mut event = Event::author(header, payload).unwrap();
    event.sign(key);
    event.into_unverified()
}

fn header(
    export: &Export,
    log: LogId,
    after: Head,
    (action, subject, fields): (Action, Subject, u64),
    payload: &[u8],
) -> Header {
    Header {
        team: export.team,
        id: EventId([1; 16]),
        store: log.store,
        stream: log.stream,
        seq: after.seq + 1,
        prev: after.hash,
        hlc: Hlc(1),
        action,
        subject,
        version: VClock::new(),
        fields,
        payload_hash: Hash::of(payload),
        payload_len: payload.len() as u64,
        seal: None,
    }
}
