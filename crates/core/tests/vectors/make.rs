//! Makes the vectors from fixed keys, times and salts.

use std::collections::BTreeMap;

use antiphon_core::cbor;
use antiphon_core::charter::{Grant, GrantPath};
use antiphon_core::event::{Action, Event, Header, Open, Payload, Provenance, SourceKind, Subject};
use antiphon_core::fact::{Edit, Field};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{EventId, FactId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::value::Value as FieldValue;
use antiphon_core::vclock::VClock;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use crate::signed;

const NOW: u64 = 1_700_000_000_000;

struct Key(SigningKey);

impl Key {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }
}

impl Signer for Key {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

fn team() -> Genome {
    Genome::found("acme", &[7; 32], &Key::new(1).node_id()).unwrap()
}

/// Writes one log with fixed times and salts.
struct Writer {
    team: TeamId,
    log: LogId,
    head: Head,
}

impl Writer {
    fn open(key: &Key, stream: Stream) -> (Self, Event) {
        let (team, nonce) = (team().team(), [9; 16]);
        let node = key.node_id();
        let store = StoreId::derive(&team, &node, &nonce);
        let mut writer = Self { team, log: LogId::new(store, stream), head: Head::EMPTY };
        let open = Open { node, nonce, name: "workstation".into(), previous: None };
        let mut event = writer.write(Action::Open, Subject::Store(store), 0b111, open.to_fields());
        event.sign(key);
        (writer, event)
    }

    fn write(&mut self, action: Action, subject: Subject, bits: u64, fields: BTreeMap<u8, FieldValue>) -> Event {
        let seq = self.head.seq + 1;
        let salt = [u8::try_from(seq).unwrap(); 16];
        let provenance =
            Provenance { agent: Some("alice".into()), source: Some(SourceKind::Human), ..Default::default() };
        let payload = Payload { salt, provenance, fields }.encode(self.log.stream).unwrap();
        let header = Header {
            team: self.team,
            id: EventId::next(None, UnixMillis(NOW + seq), [u8::try_from(seq).unwrap(); 10]),
            store: self.log.store,
            stream: self.log.stream,
            seq,
            prev: self.head.hash,
            hlc: Hlc::default().tick(UnixMillis(NOW + seq)),
            action,
            subject,
            version: VClock::from_iter([(self.log.store, seq)]),
            fields: bits,
            payload_hash: Hash::of(&payload),
            payload_len: payload.len() as u64,
            seal: None,
        };
        let event = Event::author(header, payload).unwrap();
        self.head = event.head();
        event
    }

    /// A fact whose header has `value` under `key`, as no author of this version writes it.
    fn flawed(&mut self, text: &str, key: u64, value: Option<&[u8]>) -> Event {
        let before = self.head;
        let event = self.fact(text);
        let bytes = with_part(event.header_bytes(), key, value);
        let payload = event.payload().filter(|_| key != 13).map(<[u8]>::to_vec);
        let event = Event::from_log(bytes, payload, None);
        self.head = event.as_ref().map_or(before, Event::head);
        event.unwrap()
    }

    fn fact(&mut self, text: &str) -> Event {
        let edit = Edit::new().set(Field::Content, text.into()).set(Field::Level, FieldValue::Uint(1));
        let id = FactId::new(UnixMillis(NOW), [3; 10]);
        self.write(Action::Set, Subject::Fact(id), edit.bits(), edit.values())
    }
}

fn bytes(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn shown(event: &Event) -> Value {
    json!({
        "header": bytes(event.header_bytes()),
        "payload": event.payload().map(bytes),
        "signature": event.signature().map(|signature| bytes(&signature.0)),
    })
}

fn case(name: &str, expect: &str, events: Vec<Value>) -> Value {
    let (writer, _) = Writer::open(&Key::new(1), Stream::Shared);
    json!({
        "name": name,
        "expect": expect,
        "team": writer.team.to_string(),
        "key": Key::new(1).node_id().to_string(),
        "store": writer.log.store.to_string(),
        "events": events,
    })
}

/// A header with another value under a key, or without the key.
fn with_part(header: &[u8], key: u64, value: Option<&[u8]>) -> Vec<u8> {
    let mut input = minicbor::Decoder::new(header);
    let keys = input.map().unwrap().unwrap();
    let mut parts = BTreeMap::new();
    for _ in 0..keys {
        let key = input.u64().unwrap();
        let begin = input.position();
        input.skip().unwrap();
        parts.insert(key, header[begin..input.position()].to_vec());
    }
    match value {
        Some(value) => drop(parts.insert(key, value.to_vec())),
        None => drop(parts.remove(&key)),
    }
    let mut out = cbor::encode(|out| cbor::map(out, parts.len()));
    for (key, value) in parts {
        out.extend(cbor::encode(|out| cbor::uint(out, key)));
        out.extend(value);
    }
    out
}

/// Events of which one does nothing, between two that do.
fn flawed() -> Vec<Value> {
    let key = Key::new(1);
    let case = |name: &str, flaw: &str, part: u64, value: Option<&[u8]>| {
        let (mut writer, open) = Writer::open(&key, Stream::Shared);
        let bad = writer.flawed("two", part, value);
        let mut last = writer.fact("three");
        last.sign(&key);
        let expect = format!("3 verified, 0 waiting{}{flaw}", if flaw.is_empty() { "" } else { ", event 1: " });
        case(name, &expect, [open, bad, last].iter().map(shown).collect())
    };
    let bytes = |len: usize| cbor::encode(|out| cbor::bytes(out, &vec![7; len]));
    let subject = |kind: u64, len: usize| {
        cbor::encode(|out| {
            cbor::array(out, 2);
            cbor::uint(out, kind);
            cbor::bytes(out, &vec![7; len]);
        })
    };
    let clock = |entries: u16, count: u64| {
        let (writer, _) = Writer::open(&key, Stream::Shared);
        cbor::encode(|out| {
            cbor::map(out, usize::from(entries));
            for n in 0..entries {
                let mut other = [255; 16];
                other[14..].copy_from_slice(&n.to_be_bytes());
                cbor::bytes(out, if n == 0 { &writer.log.store.0 } else { &other });
                cbor::uint(out, count);
            }
        })
    };
    let (content, subject_id) = ("a part of the header cannot be read", "the id of the subject is none of its kind");
    let counter = "a counter of its version is beyond its limit";
    let number = |value: u64| cbor::encode(|out| cbor::uint(out, value));
    vec![
        case("a subject id of the wrong length does nothing", subject_id, 9, Some(&subject(1, 15))),
        case("a subject id of nobody's length does nothing", content, 9, Some(&subject(1, 65))),
        case("a subject that is no list does nothing", content, 9, Some(&number(1))),
        case("an event without a subject does nothing", content, 9, None),
        case("an event id of the wrong length does nothing", content, 2, Some(&bytes(15))),
        case("an action that is no number does nothing", content, 8, Some(&bytes(1))),
        case("a second opening does nothing", content, 8, Some(&number(0))),
        case("a version of 256 stores is read", "", 10, Some(&clock(256, 1))),
        case("a version of 257 stores does nothing", content, 10, Some(&clock(257, 1))),
        case("a counter of zero does nothing", content, 10, Some(&clock(1, 0))),
        case("a counter at its limit is beyond the log", counter, 10, Some(&clock(1, u64::MAX))),
        case("a payload that is too long is not taken", "its payload is longer than may be", 13, Some(&number(65_537))),
    ]
}

/// Changes the last bit.
fn flip(value: &mut Value) {
    let mut raw = HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let last = raw.len() - 1;
    raw[last] ^= 1;
    *value = json!(bytes(&raw));
}

/// Runs of one log, and events that do nothing.
pub(super) fn events() -> Value {
    let Value::Array(mut cases) = runs() else { unreachable!("cases are a list") };
    cases.extend(flawed());
    Value::Array(cases)
}

fn runs() -> Value {
    let key = Key::new(1);
    let (mut writer, open) = Writer::open(&key, Stream::Shared);
    let mut facts: Vec<Event> = ["one", "two", "three"].map(|text| writer.fact(text)).into();
    facts[2].sign(&key);
    let run: Vec<Value> = std::iter::once(&open).chain(&facts).map(shown).collect();
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut run = run.clone();
        change(&mut run);
        run
    };
    let newer = with(&|run| {
        // A newer version appends a key; the signature no longer fits, but the header is read.
        let raw = HEXLOWER.decode(run[3]["header"].as_str().unwrap().as_bytes()).unwrap();
        run[3]["header"] = json!(bytes(&[&[raw[0] + 1], &raw[1..], &[15, 0]].concat()));
    });
    json!([
        case("one signature covers the run", "4 verified, 0 waiting", run.clone()),
        case("a payload may be absent", "4 verified, 0 waiting", with(&|run| run[1]["payload"] = Value::Null)),
        case(
            "without a covering signature events wait",
            "1 verified, 3 waiting",
            with(&|run| run[3]["signature"] = Value::Null)
        ),
        case(
            "a bad signature is refused",
            "1 verified, 2 waiting, event 3: its signature is not valid",
            with(&|run| flip(&mut run[3]["signature"]))
        ),
        case(
            "a gap is refused",
            "1 verified, 0 waiting, event 1: it does not follow the event before it",
            with(&|run| drop(run.remove(1)))
        ),
        case(
            "another payload is refused",
            "the payload is not the one the header names",
            with(&|run| flip(&mut run[2]["payload"]))
        ),
        case(
            "an opening without its payload is refused",
            "0 verified, 0 waiting, event 0: it does not open a log of this key",
            with(&|run| run[0]["payload"] = Value::Null)
        ),
        case(
            "an integer that is not in its shortest form is refused",
            "malformed header: not canonical CBOR at byte 2",
            with(&|run| {
                let header = run[1]["header"].as_str().unwrap().to_owned();
                run[1]["header"] = json!(format!("{}001801{}", &header[..2], &header[6..]));
            })
        ),
        case(
            "a key of a newer version is skipped",
            "1 verified, 2 waiting, event 3: its signature is not valid",
            newer
        ),
        case(
            "another format version is refused",
            "header format 2, this version reads 1",
            with(&|run| {
                let header = run[1]["header"].as_str().unwrap().to_owned();
                run[1]["header"] = json!(format!("{}0002{}", &header[..2], &header[6..]));
            })
        ),
    ])
}

/// A genome with its root and proofs.
pub(super) fn genomes() -> Value {
    let genome = team();
    let shown = |id: &str, text: Option<&str>| {
        let proof = genome.prove(id).unwrap();
        let path: Vec<String> = proof.path.iter().map(Hash::to_string).collect();
        let (index, size) = (proof.index, proof.size);
        let shown = text.map_or(proof.text, str::to_owned);
        json!({ "id": id, "text": shown, "index": index, "size": size, "path": path, "expect": text.is_none() })
    };
    let proofs = [shown("team.name", None), shown("role.admin", None), shown("team.name", Some("evil"))];
    json!([{ "genome": bytes(&genome.encode()), "root": genome.hash().to_string(), "proofs": proofs }])
}

/// Grant paths, and sets of charter records.
pub(super) fn charters() -> Value {
    let Value::Array(mut cases) = paths() else { unreachable!("cases are a list") };
    cases.extend(appointed());
    cases.extend(sets());
    Value::Array(cases)
}

fn paths() -> Value {
    let (alice, bob, eve) = (Key::new(1), Key::new(2), Key::new(3));
    let path = |signer: &Key, opener: &Key| {
        let (mut writer, open) = Writer::open(opener, Stream::Charter);
        let node = bob.node_id();
        let roles = vec!["backend_developer".to_owned()];
        let (recipient, name) = ("age1example".to_owned(), "laptop".to_owned());
        let grant = Grant { node, recipient, roles, not_after: UnixMillis(NOW * 2), wraps: Vec::new(), name };
        let mut event = writer.write(Action::Grant, Subject::Member(node), 0b111_111, grant.to_fields());
        event.sign(signer);
        GrantPath::new(vec![open.into_unverified(), event.into_unverified()]).encode()
    };
    let case = |name: &str, path: Vec<u8>, node: NodeId, expect: &str| {
        json!({
            "name": name, "expect": expect, "team": team().team().to_string(), "path": bytes(&path),
            "steward": alice.node_id().to_string(), "node": node.to_string(),
        })
    };
    let good = path(&alice, &alice);
    let unsigned = "the grant path holds an event that its author did not sign for this team";
    let nothing = "the grant path does not grant this node anything";
    json!([
        case("bob is granted", good.clone(), bob.node_id(), "backend_developer until 3400000000000"),
        case("eve shows bob's path", good.clone(), eve.node_id(), nothing),
        case("eve signs bob's grant", path(&eve, &alice), bob.node_id(), unsigned),
        case("eve opens her own charter", path(&eve, &eve), bob.node_id(), "no member"),
        case("a path that was cut off", good[..good.len() - 1].to_vec(), bob.node_id(), "malformed"),
    ])
}

/// The path of a member that an appointed steward granted.
fn appointed() -> Vec<Value> {
    let founders = [1, 2, 3];
    let mut logs = signed::Team::new(team().team());
    let appointment = logs.says(1, signed::change(4, true));
    let without = logs.events.clone();
    logs.approves(2, appointment);
    logs.says(4, signed::grant(5));
    let path = logs.path(&founders, 5).unwrap();
    let unapproved = logs.events.iter().filter(|(author, event)| {
        *author == signed::node(4) || without.iter().any(|(_, held)| held.hash() == event.hash())
    });
    let unapproved = GrantPath::new(unapproved.map(|(_, event)| event.clone().into_unverified()).collect());
    let case = |name: &str, path: &GrantPath, expect: &str| {
        json!({
            "name": name, "expect": expect, "team": team().team().to_string(), "path": bytes(&path.encode()),
            "founders": founders.map(|seed| signed::node(seed).to_string()), "node": signed::node(5).to_string(),
        })
    };
    vec![
        case("an appointed steward grants eve", &path, "backend_developer until 3400000000000"),
        case("a steward whom only one of three appointed", &unapproved, "no member"),
    ]
}

/// Sets of records and who is what by them: nodes 1 to 5 are alice, bob, carol, dave and eve.
fn sets() -> Vec<Value> {
    let nobody = VClock::new();
    let case = |name: &str, founders: &[u8], logs: &signed::Team, expect: &str| {
        let event = |(author, event): &(NodeId, Event)| {
            let mut event = shown(event);
            event["author"] = json!(author.to_string());
            event
        };
        json!({
            "name": name, "expect": expect, "team": logs.id.to_string(),
            "founders": founders.iter().map(|seed| signed::node(*seed).to_string()).collect::<Vec<_>>(),
            "events": logs.events.iter().map(event).collect::<Vec<_>>(),
            "digest": logs.charter(founders).membership().digest().to_string(),
        })
    };
    let new = || signed::Team::new(team().team());
    let mut circle = new();
    circle.says_knowing(1, &nobody, signed::revoke(2));
    circle.says_knowing(2, &nobody, signed::revoke(1));
    let mut removal = new();
    removal.says(2, signed::grant(4));
    removal.says(1, signed::change(2, false));
    removal.says_knowing(2, &nobody, signed::grant(5));
    let mut stolen = new();
    stolen.says(1, signed::revoke(2));
    let second = stolen.says(1, signed::revoke(3));
    stolen.approves(1, second);
    stolen.approves(5, second);
    let mut agreed = new();
    let first = agreed.says(2, signed::revoke(1));
    agreed.approves(3, first);
    vec![
        case("two remove each other", &[1, 2], &circle, "stewards 1; members none; revoked 2"),
        case("a removal voids what it had not seen", &[1, 2], &removal, "stewards 1; members 4; revoked none"),
        case("a stolen key among three", &[1, 2, 3], &stolen, "stewards 1 2 3; members none; revoked none"),
        case("two of three remove the third", &[1, 2, 3], &agreed, "stewards 2 3; members none; revoked 1"),
    ]
}
