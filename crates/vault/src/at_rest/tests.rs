//! Rows that open, and all those that must not; `vectors/outbox.json` says the same for other implementations.

use std::path::PathBuf;

use antiphon_core::outbox::{Level, Place, Protocol, Subject};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::phrase::Phrase;

fn node(byte: u8) -> NodeKey {
    NodeKey::from_phrase(&Phrase::from_entropy(&[byte; 32]).unwrap()).unwrap()
}

fn key(byte: u8) -> OutboxKey {
    OutboxKey::derive(&node(byte)).unwrap()
}

fn binding() -> Binding {
    Binding {
        row: 7,
        peer: NodeId([2; 32]),
        place: Place { era: 0xa11c_e000_0000_0001, n: 3 },
        protocol: Protocol::MESSAGE,
        level: Level::Critical,
        schema: 1,
        subject: Subject([5; 16]),
    }
}

/// The binding with each of its fields changed.
fn others() -> Vec<(&'static str, Binding)> {
    let is = binding;
    vec![
        ("another row", Binding { row: 8, ..is() }),
        ("another peer", Binding { peer: NodeId([3; 32]), ..is() }),
        ("another era", Binding { place: Place { era: is().place.era + 1, ..is().place }, ..is() }),
        ("another place", Binding { place: Place { n: 4, ..is().place }, ..is() }),
        ("another kind of request", Binding { protocol: Protocol::RESOURCE_DELETE, ..is() }),
        ("another level", Binding { level: Level::Moderate, ..is() }),
        ("another schema", Binding { schema: 2, ..is() }),
        ("another subject", Binding { subject: Subject([6; 16]), ..is() }),
    ]
}

#[test]
fn a_row_opens_under_the_key_that_the_phrase_brings_back_and_under_no_other() {
    let sealed = key(1).seal(&binding(), b"for bob").unwrap();
    assert_eq!(key(1).open(&binding(), &sealed), Ok(b"for bob".to_vec()));
    assert_eq!(key(2).open(&binding(), &sealed), Err(Sealed));
    assert!(!sealed.windows(3).any(|part| part == b"bob"));
    assert_ne!(key(1).seal(&binding(), b"for bob").unwrap(), sealed, "no nonce is drawn twice");
    assert_eq!(key(1).open(&binding(), &key(1).seal(&binding(), b"").unwrap()), Ok(Vec::new()));
}

#[test]
fn a_row_whose_surroundings_changed_does_not_open() {
    let key = key(1);
    let sealed = key.seal(&binding(), b"for bob").unwrap();
    for (what, other) in others() {
        assert_eq!(key.open(&other, &sealed), Err(Sealed), "{what}");
    }
}

#[test]
fn a_row_that_was_cut_or_swapped_does_not_open() {
    let key = key(1);
    let sealed = key.seal(&binding(), b"for bob").unwrap();
    for len in 0..sealed.len() {
        assert_eq!(key.open(&binding(), &sealed[..len]), Err(Sealed), "{len} bytes");
    }
    let (_, neighbour) = others().remove(0);
    let next = key.seal(&neighbour, b"for bob").unwrap();
    assert_eq!(key.open(&binding(), &next), Err(Sealed));
    assert_eq!(key.open(&binding(), &[sealed.as_slice(), b"x"].concat()), Err(Sealed));
    assert_eq!(key.open(&binding(), &vec![0; BODY_BYTES_MAX + OVERHEAD_BYTES + 1]), Err(Sealed));
}

#[test]
fn nothing_of_the_key_is_shown() {
    let key = key(1);
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("OutboxKey({}, secret redacted)", node(1).node_id()));
}

proptest! {
    #[test]
    fn any_changed_bit_is_found(body in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0_u8..8) {
        let key = key(1);
        let mut sealed = key.seal(&binding(), &body).unwrap();
        prop_assert_eq!(sealed.len(), body.len() + OVERHEAD_BYTES);
        prop_assert_eq!(key.open(&binding(), &sealed), Ok(body));
        let at = at.index(sealed.len());
        sealed[at] ^= 1_u8 << bit;
        prop_assert_eq!(key.open(&binding(), &sealed), Err(Sealed));
    }
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn unhex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// One row of the vectors: who tries to open what where.
fn case(name: &str, root: u8, binding: &Binding, sealed: &[u8]) -> Value {
    let (node, key) = (node(root), key(root));
    let expect = match key.open(binding, sealed) {
        Ok(body) => format!("opens: {}", String::from_utf8(body).unwrap()),
        Err(error) => error.to_string(),
    };
    json!({
        "name": name,
        "keypair": hex(node.keypair().as_slice()),
        "outbox_key": hex(key.key.as_slice()),
        "row_key": hex(key.row_key(binding).unwrap().as_slice()),
        "bound_to": hex(&key.bound_to(binding)),
        "row": binding.row,
        "era": hex(&binding.place.era.to_be_bytes()),
        "sealed": hex(sealed),
        "expect": expect,
    })
}

fn cases() -> Value {
    let sealed = key(1).seal_with(&[9; NONCE_BYTES], &binding(), b"for bob").unwrap();
    let mut edited = sealed.clone();
    edited[NONCE_BYTES] ^= 1;
    let mut cases = vec![
        case("a row", 1, &binding(), &sealed),
        case("another node's key", 2, &binding(), &sealed),
        case("an edited row", 1, &binding(), &edited),
        case("a row without its end", 1, &binding(), &sealed[..sealed.len() - 1]),
    ];
    cases.extend(others().into_iter().map(|(name, other)| case(name, 1, &other, &sealed)));
    Value::Array(cases)
}

#[test]
fn rows_keep_their_verdicts() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/outbox.json");
    let text = serde_json::to_string_pretty(&cases()).unwrap() + "\n";
    if std::env::var("ANTIPHON_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap();
    assert_eq!(held, text, "outbox.json is not what this code makes; what waits on a disk must stay readable");
}

/// What the vectors hold follows from their first line of each case and from nothing in this module.
#[test]
fn the_vectors_follow_from_the_key_pair() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/outbox.json");
    let held: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for case in held.as_array().unwrap() {
        let expand = |key: Hkdf<Sha256>, info: &[u8]| {
            let mut output = [0; 32];
            key.expand(info, &mut output).unwrap();
            output.to_vec()
        };
        let outbox = expand(Hkdf::new(None, &unhex(&case["keypair"])), b"antiphon/outbox/v1");
        assert_eq!(outbox, unhex(&case["outbox_key"]), "{}", case["name"]);
        let row = case["row"].as_u64().unwrap().to_be_bytes().to_vec();
        let info = [b"antiphon/outbox/row/v1".to_vec(), row, unhex(&case["era"])].concat();
        let row_key = expand(Hkdf::from_prk(&outbox).unwrap(), &info);
        assert_eq!(row_key, unhex(&case["row_key"]), "{}", case["name"]);
        let sealed = unhex(&case["sealed"]);
        let (nonce, text) = sealed.split_at(NONCE_BYTES);
        let cipher = Aes256Gcm::new_from_slice(&row_key).unwrap();
        let bound_to = unhex(&case["bound_to"]);
        let payload = aes_gcm::aead::Payload { msg: text, aad: &bound_to };
        let opened = aes_gcm::aead::Aead::decrypt(&cipher, Nonce::from_slice(nonce), payload);
        assert_eq!(opened.is_ok(), case["expect"] == "opens: for bob", "{}", case["name"]);
    }
}
