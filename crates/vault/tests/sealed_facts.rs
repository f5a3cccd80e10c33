//! Sealed payloads that open, and all those that must not; `vectors/sealed_facts.json` says the same for other
//! implementations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use antiphon_core::event::sealed::binding;
use antiphon_core::event::{Action, Header, Payload, Provenance, Seal, Subject};
use antiphon_core::ids::{EventId, FactId, Hash, StoreId, TeamId};
use antiphon_core::log::Stream;
use antiphon_core::time::Hlc;
use antiphon_core::value::Value as Field;
use antiphon_core::vclock::VClock;
use antiphon_vault::phrase::Phrase;
use antiphon_vault::sealed_fact::{NONCE_BYTES, OVERHEAD_BYTES, open_with, seal_with};
use antiphon_vault::{NodeKey, RoleSecret};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The role key of `tests/roles.rs`: the secret 0x48 × 32.
const RECIPIENT: &str = include_str!("vectors/role.recipient");
const WRAP: &[u8] = include_bytes!("vectors/role.wrap.age");

fn role() -> RoleSecret {
    let bob = NodeKey::from_phrase(&Phrase::from_entropy(&[0x11; 32]).unwrap()).unwrap();
    RoleSecret::unwrap(&bob, WRAP, RECIPIENT.trim()).unwrap()
}

fn header() -> Header {
    let store = StoreId([3; 16]);
    Header {
        team: TeamId([1; 32]),
        id: EventId([2; 16]),
        store,
        stream: Stream::Shared,
        seq: 7,
        prev: Hash([4; 32]),
        hlc: Hlc(5),
        action: Action::Set,
        subject: Subject::Fact(FactId([6; 16])),
        version: [(store, 1)].into_iter().collect::<VClock>(),
        fields: 1,
        payload_hash: Hash([0; 32]),
        payload_len: 0,
        seal: Some(Seal { role: "backend_developer".into(), epoch: Hash([2; 32]) }),
    }
}

fn payload() -> Vec<u8> {
    let fields = [(0, Field::from("for backend developers"))].into_iter().collect();
    Payload { salt: [9; 16], provenance: Provenance::default(), fields }.encode(Stream::Shared).unwrap()
}

fn bytes(header: &Header) -> Vec<u8> {
    header.encode().unwrap()
}

/// Every vector: a header, what stands where its payload would, and what becomes of it.
fn made() -> Value {
    let (role, honest) = (role(), bytes(&header()));
    let sealed = seal_with(&role, &[7; NONCE_BYTES], &honest, &payload()).unwrap();
    let changed = |at: usize| {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        changed
    };
    let last = sealed.len() - 1;
    let named = Header { payload_hash: Hash::of(&sealed), payload_len: sealed.len() as u64, ..header() };
    let (mine, theirs) = (StoreId([0x55; 16]), header());
    let by_eve = Header { store: mine, version: [(mine, 1)].into_iter().collect(), ..theirs.clone() };
    let other_epoch = Some(Seal { role: "backend_developer".into(), epoch: Hash([3; 32]) });
    let other_role = Some(Seal { role: "qa_engineer".into(), epoch: Hash([2; 32]) });
    let cases = [
        ("as it was sealed", bytes(&named), sealed.clone()),
        ("before the hash was known", honest.clone(), sealed.clone()),
        ("published again by another author", bytes(&by_eve), sealed.clone()),
        ("at another place of the log", bytes(&Header { seq: 8, ..header() }), sealed.clone()),
        ("after another event", bytes(&Header { prev: Hash([5; 32]), ..header() }), sealed.clone()),
        ("as another fact", bytes(&Header { subject: Subject::Fact(FactId([7; 16])), ..header() }), sealed.clone()),
        ("at another time", bytes(&Header { hlc: Hlc(6), ..header() }), sealed.clone()),
        ("in another stream", bytes(&Header { stream: Stream::Local, ..header() }), sealed.clone()),
        ("in another team", bytes(&Header { team: TeamId([9; 32]), ..header() }), sealed.clone()),
        ("as other fields", bytes(&Header { fields: 3, ..header() }), sealed.clone()),
        ("under another epoch", bytes(&Header { seal: other_epoch, ..header() }), sealed.clone()),
        ("for another role", bytes(&Header { seal: other_role, ..header() }), sealed.clone()),
        ("for everybody", bytes(&Header { seal: None, ..header() }), sealed.clone()),
        ("with another nonce", honest.clone(), changed(0)),
        ("with another text", honest.clone(), changed(NONCE_BYTES)),
        ("with another tag", honest.clone(), changed(last)),
        ("cut", honest.clone(), sealed[..last].to_vec()),
        ("shorter than nonce and tag", honest.clone(), sealed[..OVERHEAD_BYTES - 1].to_vec()),
        ("nothing", honest, Vec::new()),
    ];
    let case = |(name, header, sealed): (&str, Vec<u8>, Vec<u8>)| {
        let expect = open_with(&role, &header, &sealed);
        json!({
            "name": name,
            "header": HEXLOWER.encode(&header),
            "bound_to": HEXLOWER.encode(&binding(&header).unwrap()),
            "sealed": HEXLOWER.encode(&sealed),
            "expect": expect.map_or("does not open".to_owned(), |payload| HEXLOWER.encode(&payload)),
        })
    };
    let data_key = role.data_key(&TeamId([1; 32]), "backend_developer", &Hash([2; 32])).unwrap();
    json!({
        "about": "event key = HKDF-SHA256-Expand(data key, \"antiphon/sealed-fact/1\" bound_to); \
            sealed = nonce (12) AES-256-GCM(event key, nonce, AAD = bound_to, payload) tag (16)",
        "data_key": HEXLOWER.encode(data_key.as_slice()),
        "cases": cases.into_iter().map(case).collect::<Vec<_>>(),
    })
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/sealed_facts.json")
}

#[test]
fn sealed_facts_keep_their_verdicts() {
    let text = serde_json::to_string_pretty(&made()).unwrap() + "\n";
    if std::env::var("ANTIPHON_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(file(), &text).unwrap();
    }
    let held = std::fs::read_to_string(file()).unwrap();
    assert_eq!(held, text, "sealed_facts.json is not what this code makes; a released format never changes");
    let held: Value = serde_json::from_str(&held).unwrap();
    let opens: Vec<&str> = held["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["expect"] != "does not open")
        .map(|case| case["name"].as_str().unwrap())
        .collect();
    assert_eq!(opens, ["as it was sealed", "before the hash was known"]);
}

#[test]
fn a_sealed_payload_is_28_bytes_longer_and_never_twice_the_same() {
    use antiphon_core::event::sealed::FactSeals;
    let (role, header) = (role(), bytes(&header()));
    let sealed = seal_with(&role, &[7; NONCE_BYTES], &header, &payload()).unwrap();
    assert_eq!(sealed.len(), payload().len() + 28);
    assert_eq!(OVERHEAD_BYTES, 28);
    assert!(!sealed.windows(7).any(|window| window == b"backend"));
    let other = RoleSecret::generate().unwrap();
    assert_eq!(open_with(&other, &header, &sealed), None);
    let empty = antiphon_vault::LiveKeyring::new(std::sync::Arc::new(NodeKey::generate().unwrap().0));
    assert!(empty.seal(&header, &payload()).is_err());
    assert_eq!(empty.open(&header, &sealed), antiphon_core::event::sealed::Opened::Closed);
}

proptest! {
    #[test]
    fn no_bytes_end_the_process(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let header = header().encode().unwrap();
        prop_assert_eq!(open_with(&role(), &header, &bytes), None);
        prop_assert_eq!(open_with(&role(), &bytes, &bytes), None);
    }
}
