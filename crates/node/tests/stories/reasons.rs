//! Every reason that a health record can name, from its real cause: real sockets, real databases, peers that are broken,
//! behind or hostile. What a person can mend is mended as the hint says, and the reason is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{Machine, agree, forged_after, stop, team_of_two, until};
use antiphon_core::cbor;
use antiphon_core::charter::Grant;
use antiphon_core::event::{Action, Event, Header, Open, Payload, Provenance, Subject};
use antiphon_core::fact::Field;
use antiphon_core::ids::{EventId, FactId, Hash, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::trust::Trust;
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_net::{Event as NetEvent, Multiaddr, NetHandle, Protocol};
use antiphon_node::{Draft, PeerView, Reason};
use antiphon_protocol::handshake::{Proof, Request, Response};
use antiphon_store::{Cause, Db, Options};
use antiphon_vault::{NodeKey, file};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Where each reason is produced. A new reason does not compile before it has a test.
const fn shown_by(reason: Reason) -> &'static str {
    match reason {
        Reason::NetworkRefused
        | Reason::NetworkTimeout
        | Reason::NetworkDns
        | Reason::NetworkTls
        | Reason::NetworkReset
        | Reason::NetworkEof => "what_keeps_alice_from_reaching_bob_is_named_and_an_address_mends_it",
        Reason::Auth | Reason::IdentityMissing => "whoever_has_only_bobs_address_or_only_his_key_is_not_bob",
        Reason::IdentityMismatch => "another_database_under_bobs_key_waits_for_a_reset",
        Reason::GenomeMismatch => "somebody_of_another_team_has_other_genes_until_she_joins",
        Reason::NotAMember => "a_stranger_of_the_team_is_no_member_until_she_is_invited",
        Reason::Revoked => "a_removed_key_never_returns_and_a_new_home_does",
        Reason::GrantExpired => "a_grant_that_is_over_is_renewed",
        Reason::InvalidTraceId
        | Reason::InvalidFrontmatter
        | Reason::UnknownAction
        | Reason::UnknownType
        | Reason::ClockOverflow
        | Reason::ClockSkew
        | Reason::TooLarge
        | Reason::MissingPayload => "one_bad_event_of_each_kind_is_named_and_stalls_nothing",
        Reason::BadSignature => "a_signature_that_was_damaged_on_disk_is_named_until_it_is_whole_again",
        Reason::Equivocation => "two_histories_of_one_log_are_named_on_whoever_showed_the_second",
        Reason::Quota => "a_seventeenth_database_of_one_key_is_not_taken",
        Reason::Other => "what_cannot_be_read_has_no_name_of_its_own",
    }
}

#[test]
fn every_reason_has_a_test_that_produces_it() {
    let source = include_str!("reasons.rs");
    for reason in Reason::ALL {
        assert!(source.contains(&format!("async fn {}()", shown_by(*reason))), "{reason}");
    }
}

fn key_of(machine: &Machine) -> NodeKey {
    file::load(&machine.dir.path().join("home/node.key")).unwrap()
}

/// Waits until the health record of a peer names the reason, and returns it.
async fn ill(machine: &Machine, peer: &str, reason: Reason) -> PeerView {
    until(&format!("{peer} has {reason}"), async || {
        let Ok(view) = machine.handle.peer(peer).await else { return false };
        view.health.last_error.is_some_and(|error| error.reason == reason)
    })
    .await;
    machine.sees(peer).await
}

/// Waits until all is well with a peer: nothing failed since the last success.
async fn well(machine: &Machine, peer: &str) {
    until(&format!("{peer} is well"), async || {
        let view = machine.sees(peer).await;
        let since = view.health.last_error.as_ref().is_none_or(|error| view.last_success >= Some(error.observed_at));
        view.trust == Trust::Verified && view.reason.is_none() && view.health.consecutive_failures == 0 && since
    })
    .await;
}

async fn address_of(machine: &Machine) -> String {
    until("it listens", async || !machine.handle.status().await.unwrap().listen.is_empty()).await;
    machine.handle.status().await.unwrap().listen[0].clone()
}

/// What a server does with whoever connects.
#[derive(Debug, Clone, Copy)]
enum Does {
    Nothing,
    Garbage,
    Reset,
    Close,
}

/// A server that is no node.
async fn server(does: Does) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            match does {
                Does::Nothing => kept.push(socket),
                // A close with unread bytes resets the connection.
                Does::Reset => socket.readable().await.unwrap(),
                Does::Garbage | Does::Close => {
                    tokio::spawn(async move {
                        if matches!(does, Does::Garbage) {
                            let _ = socket.write_all(&[0x15; 256]).await;
                        } else {
                            let mut seen = [0; 4096];
                            while socket.read(&mut seen).await.is_ok_and(|read| read == 0) {}
                            let _ = socket.shutdown().await;
                        }
                        let mut rest = Vec::new();
                        let _ = socket.read_to_end(&mut rest).await;
                    });
                }
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_alice_from_reaching_bob_is_named_and_an_address_mends_it() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&alice, "bob").await;
    let node = bob.handle.status().await.unwrap().node_id;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let causes = [
        (Reason::NetworkRefused, format!("/ip4/127.0.0.1/tcp/{closed}")),
        (Reason::NetworkTimeout, server(Does::Nothing).await),
        (Reason::NetworkDns, "/dns4/does-not-exist.invalid/tcp/1".to_owned()),
        (Reason::NetworkTls, server(Does::Garbage).await),
        (Reason::NetworkReset, server(Does::Reset).await),
        (Reason::NetworkEof, server(Does::Close).await),
    ];
    for (reason, address) in causes {
        assert!(reason.is_network());
        bob.stop().await;
        // What is asked over the connection that is just ending tells nothing of the address.
        until("alice notices that he is away", async || !alice.sees("bob").await.connected).await;
        let view = alice.handle.handshake(&format!("{address}/p2p/{node}")).await.unwrap();
        assert_eq!(view.reason, Some(reason));
        let seen = alice.sees("bob").await;
        assert!(seen.health.consecutive_failures > 0 && seen.health.last_error.is_some());
        // He is back, and whoever types his address reaches him.
        bob.start_again().await;
        let listens = address_of(&bob).await;
        until("bob answers", async || alice.handle.handshake(&listens).await.unwrap().reason.is_none()).await;
        well(&alice, "bob").await;
    }
    stop([&mut bob, &mut alice]).await;
}

/// Somebody who speaks the wire with a key and keeps none of its rules.
struct Impostor {
    key: NodeKey,
    net: NetHandle,
    events: mpsc::Receiver<NetEvent>,
    address: Multiaddr,
}

impl Impostor {
    async fn with(key: NodeKey) -> Self {
        let mut config = antiphon_net::Config::new(key.libp2p_seed(), "impostor/1");
        (config.mdns, config.listen) = (false, vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()]);
        let (net, mut events, driver) = antiphon_net::new(config).unwrap();
        tokio::spawn(driver);
        let address = loop {
            if let Some(NetEvent::Listening(address)) = events.recv().await {
                break address;
            }
        };
        Self { key, net, events, address }
    }

    fn node(&self) -> NodeId {
        self.key.node_id()
    }

    async fn request(&self, to: &Machine, proof: Proof) -> Request {
        let status = to.handle.status().await.unwrap();
        Request {
            from: self.node(),
            from_name: "impostor".into(),
            team: status.team.id,
            genome: to.handle.genome().await.unwrap().hash(),
            timestamp: UnixMillis(0),
            nonce: [7; 32],
            agent_version: "impostor/1".into(),
            proof,
        }
    }

    /// Asks until there is an answer: a connection may still be ending when the next one begins.
    async fn answered(&self, to: &Machine, bytes: Vec<u8>) -> Response {
        let mut answer = None;
        until("there is an answer", async || {
            answer = self.greet(to, bytes.clone()).await;
            answer.is_some()
        })
        .await;
        answer.unwrap()
    }

    async fn greet(&self, to: &Machine, bytes: Vec<u8>) -> Option<Response> {
        let status = to.handle.status().await.unwrap();
        let (address, _) = status.listen[0].rsplit_once("/p2p/").unwrap();
        let asked = self.net.request(status.node_id, Protocol::Handshake, vec![address.parse().unwrap()], bytes);
        asked.await.ok().map(|bytes| Response::decode(&bytes).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_only_bobs_address_or_only_his_key_is_not_bob() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&alice, "bob").await;
    bob.stop().await;
    // Bob's key without bob's database: it names none.
    let mut thief = Impostor::with(key_of(&bob)).await;
    let request = thief.request(&alice, Proof::default()).await;
    let answer = thief.answered(&alice, request.encode()).await;
    assert_eq!(answer.reason, Some(Reason::IdentityMissing));
    let seen = ill(&alice, "bob", Reason::IdentityMissing).await;
    assert_eq!((seen.trust, seen.reason), (Trust::Rejected, Some(Reason::IdentityMissing)));
    // An answer that was given to somebody else before.
    let recorded = Response {
        to: thief.node(),
        to_name: "bob".into(),
        genome: request.genome,
        matches: true,
        trust: Trust::Verified,
        reason: None,
        timestamp: UnixMillis(0),
        nonce: [1; 32],
        agent_version: "impostor/1".into(),
        proof: Some(Proof::default()),
        removal: None,
    };
    let (address, net) = (format!("{}/p2p/{}", thief.address, thief.node()), thief.net.clone());
    let answers = tokio::spawn(async move {
        while let Some(event) = thief.events.recv().await {
            if let NetEvent::Request { responder, .. } = event {
                let _ = responder.respond(recorded.encode()).await;
            }
        }
    });
    until("it proves nothing", async || {
        let said = alice.handle.handshake(&address).await.unwrap().reason;
        let noted = alice.sees("bob").await.health.last_error.map(|error| error.reason);
        (said, noted) == (Some(Reason::Auth), Some(Reason::Auth))
    })
    .await;
    // The thief is stopped and bob himself is back: a handshake with where he listens is all it takes.
    answers.abort();
    net.shutdown().await;
    bob.start_again().await;
    let listens = address_of(&bob).await;
    until("bob answers", async || alice.handle.handshake(&listens).await.unwrap().reason.is_none()).await;
    well(&alice, "bob").await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_under_bobs_key_waits_for_a_reset() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&alice, "bob").await;
    bob.stop().await;
    bob.lose_disk();
    bob.start_again().await;
    bob.joins(&alice).await;
    let seen = ill(&alice, "bob", Reason::IdentityMismatch).await;
    assert_eq!(seen.trust, Trust::Rejected);
    alice.handle.reset_peer("bob").await.unwrap();
    well(&alice, "bob").await;
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_of_another_team_has_other_genes_until_she_joins() {
    let (mut alice, mut carol) = (Machine::start("alice").await, Machine::start("carol").await);
    let listens = address_of(&carol).await;
    let view = alice.handle.handshake(&listens).await.unwrap();
    assert_eq!(view.reason, Some(Reason::GenomeMismatch));
    let id = carol.handle.status().await.unwrap().node_id.to_string();
    ill(&alice, &id, Reason::GenomeMismatch).await;
    carol.joins(&alice).await;
    until("carol answers", async || alice.handle.handshake(&listens).await.unwrap().reason.is_none()).await;
    well(&alice, &id).await;
    stop([&mut carol, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_of_the_team_is_no_member_until_she_is_invited() {
    let mut alice = Machine::start("alice").await;
    address_of(&alice).await;
    let mut carol = Machine::start("carol").await;
    let id = carol.handle.status().await.unwrap().node_id.to_string();
    carol.stop().await;
    let stranger = Impostor::with(key_of(&carol)).await;
    let proof = Proof { store: Some(StoreId([1; 16])), ..Proof::default() };
    let request = stranger.request(&alice, proof).await;
    let answer = stranger.answered(&alice, request.encode()).await;
    assert_eq!(answer.reason, Some(Reason::NotAMember));
    ill(&alice, &id, Reason::NotAMember).await;
    stranger.net.shutdown().await;
    carol.start_again().await;
    carol.joins(&alice).await;
    well(&alice, &id).await;
    stop([&mut carol, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_key_never_returns_and_a_new_home_does() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&alice, "bob").await;
    let id = bob.handle.status().await.unwrap().node_id.to_string();
    alice.handle.revoke("bob", "left", false).await.unwrap();
    let seen = ill(&alice, &id, Reason::Revoked).await;
    assert_eq!(seen.reason, Some(Reason::Revoked));
    until("it is written down", async || {
        alice.handle.audit(10).await.unwrap().iter().any(|line| line.reason == Reason::Revoked.name())
    })
    .await;
    let mut again = Machine::start("robert").await;
    again.joins(&alice).await;
    well(&alice, "robert").await;
    stop([&mut again, &mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_over_is_renewed() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&alice, "bob").await;
    let grant = Grant {
        node: bob.handle.status().await.unwrap().node_id,
        recipient: key_of(&bob).age_recipient(),
        roles: vec!["observer".into()],
        not_after: UnixMillis(1),
        wraps: Vec::new(),
        name: "bob".into(),
    };
    let _granted = alice.handle.author(vec![Draft::Grant(grant)]).await.unwrap().remove(0).unwrap();
    let seen = ill(&alice, "bob", Reason::GrantExpired).await;
    assert_eq!(seen.trust, Trust::Rejected);
    alice.handle.renew("bob", 60 * 60 * 1_000).await.unwrap();
    well(&alice, "bob").await;
    stop([&mut bob, &mut alice]).await;
}

/// What can be wrong with an event, and the reason it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    Action,
    Kind,
    SubjectId,
    Version,
    Payload,
    Counter,
    PayloadLength,
    NoPayload,
    Future,
}

impl Bad {
    const ALL: [(Self, Reason); 9] = [
        (Self::Action, Reason::UnknownAction),
        (Self::Kind, Reason::UnknownType),
        (Self::SubjectId, Reason::InvalidTraceId),
        (Self::Version, Reason::InvalidFrontmatter),
        (Self::Payload, Reason::InvalidFrontmatter),
        (Self::Counter, Reason::ClockOverflow),
        (Self::PayloadLength, Reason::TooLarge),
        (Self::NoPayload, Reason::MissingPayload),
        (Self::Future, Reason::ClockSkew),
    ];

    fn part(self, store: StoreId) -> Option<(u64, Vec<u8>)> {
        let number = |number: u64| cbor::encode(|out| cbor::uint(out, number));
        let subject = |kind: u64, len: usize| {
            cbor::encode(|out| {
                cbor::array(out, 2);
                cbor::uint(out, kind);
                cbor::bytes(out, &vec![5; len]);
            })
        };
        let counter = || {
            cbor::encode(|out| {
                cbor::map(out, 1);
                cbor::bytes(out, &store.0);
                cbor::uint(out, u64::MAX);
            })
        };
        match self {
            Self::Action => Some((8, number(99))),
            Self::Kind => Some((9, subject(77, 16))),
            Self::SubjectId => Some((9, subject(1, 15))),
            Self::Version => Some((10, number(1))),
            Self::Counter => Some((10, counter())),
            Self::PayloadLength => Some((13, number(64 * 1024 + 1))),
            Self::Future => Some((7, number(4_102_444_800_000 << 16))),
            Self::Payload | Self::NoPayload => None,
        }
    }
}

/// A header with another value under a key.
fn with_part(header: &[u8], key: u64, value: &[u8]) -> Vec<u8> {
    let mut input = minicbor::Decoder::new(header);
    let keys = input.map().unwrap().unwrap();
    let mut out = cbor::encode(|out| cbor::map(out, usize::try_from(keys).unwrap()));
    for _ in 0..keys {
        let found = input.u64().unwrap();
        let begin = input.position();
        input.skip().unwrap();
        out.extend(cbor::encode(|out| cbor::uint(out, found)));
        out.extend(if found == key { value } else { &header[begin..input.position()] });
    }
    out
}

fn open_db(machine: &Machine) -> Db {
    let key: Arc<dyn Signer> = Arc::new(key_of(machine));
    Db::open(&machine.dir.path().join("home"), Options::default(), Some(key)).unwrap()
}

/// Writes a bad event into the own log of a machine that is stopped; returns its id and the payload that it lacks.
fn write_bad(machine: &Machine, bad: Bad) -> (EventId, FactId, Vec<u8>) {
    let (mut db, key) = (open_db(machine), key_of(machine));
    let own = db.own().unwrap().clone();
    let log = LogId::new(own.store, Stream::Shared);
    let head = db.reader().clock().unwrap()[&log];
    let mut fields = BTreeMap::new();
    fields.insert(Field::Content.bit(), Value::from("what is wrong with this"));
    let payload = Payload { salt: [9; 16], provenance: Provenance::default(), fields };
    let mut payload = payload.encode(Stream::Shared).unwrap();
    if bad == Bad::Payload {
        payload = b"this is no payload".to_vec();
    }
    let number = u128::MAX / 2 + u128::from(head.seq);
    let (id, fact) = (EventId(number.to_be_bytes()), FactId(number.to_be_bytes()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let header = Header {
        team: own.team,
        id,
        store: own.store,
        stream: Stream::Shared,
        seq: head.seq + 1,
        prev: head.hash,
        hlc: Hlc::default().tick(UnixMillis(u64::try_from(now.as_millis()).unwrap())),
        action: Action::Set,
        subject: Subject::Fact(fact),
        version: VClock::from_iter([(own.store, 1)]),
        fields: Field::Content.mask(),
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    let bytes = header.encode().unwrap();
    let bytes = bad.part(own.store).map_or(bytes.clone(), |(key, value)| with_part(&bytes, key, &value));
    let held = Some(payload.clone()).filter(|_| !matches!(bad, Bad::NoPayload | Bad::PayloadLength));
    let mut event = Event::from_log(bytes, held, None).unwrap();
    event.sign(&key);
    let _applied = db.apply_run(log, own.node, vec![event], None, UnixMillis(0)).unwrap();
    (id, fact, payload)
}

/// What is wrong with the event `id` in the database of a machine that is stopped.
fn cause_of(machine: &Machine, id: EventId) -> Option<Cause> {
    let db = open_db(machine);
    let reader = db.reader();
    let aside = reader.quarantined(100).unwrap().into_iter().find(|one| one.event == id).map(|one| one.cause);
    let skewed = reader.skewed(100).unwrap().into_iter().any(|one| one.event == id);
    aside.or(skewed.then_some(Cause::ClockSkew))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_event_of_each_kind_is_named_and_stalls_nothing() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&bob, "alice").await;
    for (index, (bad, reason)) in Bad::ALL.into_iter().enumerate() {
        alice.stop().await;
        let (id, fact, payload) = write_bad(&alice, bad);
        alice.start_again().await;
        let good = alice.remember(&format!("life goes on {index}")).await;
        until("bob has what follows", async || bob.handle.fact(good).await.is_ok()).await;
        let seen = ill(&bob, "alice", reason).await;
        let error = seen.health.last_error.unwrap();
        assert_eq!(error.event, Some(id), "{bad:?}");
        let named = !matches!(bad, Bad::Kind | Bad::SubjectId);
        assert_eq!(error.fact, named.then_some(fact), "{bad:?}");
        // It is no failure of alice, and nothing is retried for it.
        assert_eq!((seen.trust, seen.reason), (Trust::Verified, None), "{bad:?}");
        agree(&alice, &bob).await;
        // Whoever asks why gets the same reason, and for what is applied none.
        let why = bob.handle.why(None, "alice").await.unwrap();
        let found = why.findings.iter().any(|finding| finding.code == reason.name());
        assert_eq!(found, bad != Bad::Future, "{bad:?}: {why:?}");
        let check = if bad == Bad::Future { "clock" } else { "quarantine" };
        let told = crate::doctor::ailments(&bob, check).await;
        let named = told
            .iter()
            .any(|told| told.what.contains("alice") && (bad == Bad::Future || told.why.contains(reason.name())));
        assert!(named || bad == Bad::NoPayload, "{bad:?}: {told:?}");
        if bad == Bad::NoPayload {
            assert!(bob.handle.fact(fact).await.unwrap().incomplete);
            // Alice finds the text again, and bob asks for it by himself.
            alice.stop().await;
            let place = open_db(&alice).reader().missing_payloads(100).unwrap();
            let place = place.iter().find(|one| one.hash == Hash::of(&payload)).unwrap();
            assert_eq!(open_db(&alice).fill_payloads(&[(place.log, place.seq, payload)]).unwrap(), 1);
            alice.start_again().await;
            until("bob has the text", async || !bob.handle.fact(fact).await.unwrap().incomplete).await;
            continue;
        }
        bob.stop().await;
        let cause = cause_of(&bob, id).unwrap();
        assert_eq!(cause.name(), reason.name(), "{bad:?}");
        bob.start_again().await;
    }
    stop([&mut bob, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_applies_what_an_older_version_could_not() {
    let (mut alice, mut bob) = team_of_two().await;
    let fact = alice.remember("from a newer version").await;
    until("bob has it", async || bob.handle.fact(fact).await.is_ok()).await;
    bob.stop().await;
    for (actions, kinds) in [(vec![Action::Set.number()], vec![]), (vec![], vec![1])] {
        let mut db = open_db(&bob);
        assert!(db.leave_as_older_version(&actions, &kinds).unwrap() > 0);
        let causes: Vec<Cause> = db.reader().quarantined(10).unwrap().iter().map(|one| one.cause).collect();
        assert!(!causes.is_empty() && causes.iter().all(|cause| cause.is_schema_widening()));
        assert!(db.reader().fact(fact).unwrap().is_none());
        drop(db);
        // The same home under this version.
        bob.start_again().await;
        assert!(bob.handle.fact(fact).await.is_ok());
        // The upgrade is what the doctor would have told him to do.
        assert_eq!(crate::doctor::ailments(&bob, "quarantine").await, []);
        agree(&alice, &bob).await;
        bob.stop().await;
        assert_eq!(open_db(&bob).reader().quarantined(10).unwrap(), []);
    }
    alice.stop().await;
}

/// Finds bytes in the database file of a machine that is stopped, and changes the last one there.
fn flip_in_file(machine: &Machine, what: &[u8]) {
    // Opening and closing folds the write-ahead log into the file.
    drop(open_db(machine));
    let path = machine.dir.path().join("home/antiphon.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let at: Vec<usize> =
        bytes.windows(what.len()).enumerate().filter(|(_, part)| *part == what).map(|(at, _)| at).collect();
    assert!(!at.is_empty(), "what is to be damaged is not in the file");
    for at in at {
        bytes[at + what.len() - 1] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_was_damaged_on_disk_is_named_until_it_is_whole_again() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&alice, "bob").await;
    alice.stop().await;
    let fact = bob.remember("signed and damaged").await;
    bob.stop().await;
    let (log, signature) = {
        let db = open_db(&bob);
        let log = LogId::new(db.own().unwrap().store, Stream::Shared);
        let last = db.reader().page(log, 0, 512, 1 << 20, None).unwrap().pop().unwrap();
        (log, last.signature().unwrap().0)
    };
    flip_in_file(&bob, &signature);
    let mut damaged = signature;
    damaged[63] ^= 1;
    alice.start_again().await;
    bob.start_again().await;
    let seen = ill(&alice, "bob", Reason::BadSignature).await;
    let health = seen.health;
    assert!(health.consecutive_failures > 0 && seen.reason == Some(Reason::BadSignature), "{health:?}");
    assert!(health.last_error.as_ref().is_some_and(|error| error.event.is_some()), "{health:?}");
    assert!(alice.handle.fact(fact).await.is_err());
    // The hint says `antiphon verify`, which finds it; a copy of the file puts it right.
    let report = bob.handle.verify().await.unwrap();
    assert!(report.problems.iter().any(|problem| problem.contains(&log.store.to_string())), "{report:?}");
    bob.stop().await;
    flip_in_file(&bob, &damaged);
    bob.start_again().await;
    until("alice has it", async || alice.handle.fact(fact).await.is_ok()).await;
    well(&alice, "bob").await;
    stop([&mut bob, &mut alice]).await;
}

/// An opening of one more store of `key`.
fn opening(team: antiphon_core::ids::TeamId, key: &NodeKey, n: u8) -> (LogId, Event) {
    let open = Open { node: key.node_id(), nonce: [n; 16], name: "bob".into(), previous: None };
    let log = LogId::new(StoreId::derive(&team, &open.node, &open.nonce), Stream::Shared);
    let fields = open.to_fields();
    let bits = fields.keys().fold(0, |bits, bit| bits | 1 << bit);
    let payload = Payload { salt: [n; 16], provenance: Provenance::default(), fields }.encode(log.stream).unwrap();
    let header = Header {
        team,
        id: EventId([n; 16]),
        store: log.store,
        stream: log.stream,
        seq: 1,
        prev: Head::EMPTY.hash,
        hlc: Hlc(1),
        action: Action::Open,
        subject: Subject::Store(log.store),
        version: VClock::new(),
        fields: bits,
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    let mut event = Event::author(header, payload).unwrap();
    event.sign(key);
    (log, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seventeenth_database_of_one_key_is_not_taken() {
    let (mut alice, mut bob) = team_of_two().await;
    well(&alice, "bob").await;
    // Bob's own is among those that alice holds.
    let first = bob.remember("life began").await;
    until("alice holds what bob writes", async || alice.handle.fact(first).await.is_ok()).await;
    stop([&mut alice, &mut bob]).await;
    let key = key_of(&bob);
    let plant = |machine: &Machine, n: u8| {
        let mut db = open_db(machine);
        let (log, event) = opening(db.own().unwrap().team, &key, n);
        let _applied = db.apply_run(log, key.node_id(), vec![event], None, UnixMillis(0)).unwrap();
        log
    };
    // Bob's own, and fifteen more: alice holds as many as one key may have, and bob one that she lacks.
    for n in 1..=15 {
        plant(&alice, n);
    }
    let more = plant(&bob, 99);
    alice.start_again().await;
    bob.start_again().await;
    // Nor does bob take all of the others, and says so. Whichever was said last, it names what was not taken; a refusal
    // that comes late, for a page that counts as lost already, names nothing until clocks are compared again.
    let planted: Vec<EventId> = (1..=15).chain([99]).map(|n| EventId([n; 16])).collect();
    until("the store that is too many is named", async || {
        let seen = ill(&alice, "bob", Reason::Quota).await;
        seen.health.last_error.and_then(|error| error.event).is_some_and(|event| planted.contains(&event))
    })
    .await;
    let fact = bob.remember("life goes on").await;
    until("alice has what else bob writes", async || alice.handle.fact(fact).await.is_ok()).await;
    stop([&mut bob, &mut alice]).await;
    assert!(!open_db(&alice).reader().clock().unwrap().contains_key(&more));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_histories_of_one_log_are_named_on_whoever_showed_the_second() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    well(&alice, "bob").await;
    agree(&alice, &bob).await;
    agree(&alice, &carol).await;
    stop([&mut bob, &mut carol, &mut alice]).await;
    // One event of bob's key for alice, another one in its place for carol.
    let key = key_of(&bob);
    let branch = |machine: &Machine, text: &str| {
        let mut db = open_db(machine);
        let log = LogId::new(open_db(&bob).own().unwrap().store, Stream::Shared);
        let head = db.reader().clock().unwrap()[&log];
        let event = forged_after(&key, db.own().unwrap().team, log, head, text);
        let _applied = db.apply_run(log, key.node_id(), vec![event], None, UnixMillis(0)).unwrap();
    };
    branch(&alice, "for alice");
    branch(&carol, "for carol");
    alice.start_again().await;
    carol.start_again().await;
    ill(&alice, "carol", Reason::Equivocation).await;
    // All else goes on.
    let fact = carol.remember("all else goes on").await;
    until("alice has it", async || alice.handle.fact(fact).await.is_ok()).await;
    agree(&alice, &carol).await;
    well(&alice, "carol").await;
    stop([&mut carol, &mut alice]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_has_no_name_of_its_own() {
    let mut alice = Machine::start("alice").await;
    address_of(&alice).await;
    let (key, _) = NodeKey::generate().unwrap();
    let mallory = Impostor::with(key).await;
    assert_eq!(mallory.greet(&alice, vec![0xff; 64]).await, None);
    until("it is written down", async || {
        let lines = alice.handle.audit(10).await.unwrap();
        lines.iter().any(|line| line.reason == Reason::Other.name() && line.node == Some(mallory.node()))
    })
    .await;
    mallory.net.shutdown().await;
    alice.stop().await;
}
