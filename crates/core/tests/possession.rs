//! Statements of possession: vectors with verdicts.
//!
//! `vectors/possession.json` is compared with what this code makes of the same inputs; `ANTIPHON_BLESS=1` writes it anew,
//! which only a new format version may need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::possession::{Challenge, Claim, Possession, PossessionReceipt};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

struct Key(SigningKey);

impl Signer for Key {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

const TEAM: TeamId = TeamId([9; 32]);

fn key(seed: u8) -> Key {
    Key(SigningKey::from_bytes(&[seed; 32]))
}

fn alice() -> NodeId {
    key(1).node_id()
}

fn bob() -> NodeId {
    key(2).node_id()
}

/// Block `n` of the document of the vectors.
fn block(n: u64) -> Vec<u8> {
    format!("block {n}").into_bytes()
}

fn challenge(blocks: &[u64]) -> Challenge {
    Challenge { root: Hash([7; 32]), nonce: [5; 32], blocks: blocks.to_vec() }
}

fn bobs_answer(blocks: &[u64]) -> Claim {
    challenge(blocks).answer(&TEAM, &alice(), &bob(), |n| Ok(block(n)))
}

fn statement(claims: Vec<(Hash, Claim)>) -> Possession {
    let at = UnixMillis(1_790_000_000_000);
    Possession { team: TEAM, holder: bob(), store: StoreId([2; 16]), asker: alice(), at, nonce: [5; 32], claims }
}

fn four() -> Possession {
    statement(vec![
        (Hash([1; 32]), Claim::Missing),
        (Hash([2; 32]), Claim::Damaged),
        (Hash([3; 32]), Claim::Whole { digest: None }),
        (Hash([7; 32]), bobs_answer(&[0, 3])),
    ])
}

/// What this code says of a statement, in the words of the vectors.
fn judge(team: &TeamId, receipt: &PossessionReceipt) -> String {
    match receipt.verify(team) {
        Err(error) => error.to_string(),
        Ok(read) => {
            let word = |(_, claim): &(Hash, Claim)| match claim {
                Claim::Whole { digest: None } => "whole".to_owned(),
                Claim::Whole { digest: Some(digest) } => format!("whole, {digest}"),
                Claim::Missing => "missing".to_owned(),
                Claim::Damaged => "damaged".to_owned(),
            };
            let words: Vec<String> = read.claims.iter().map(word).collect();
            format!("{} to {}: {}", read.holder, read.asker, words.join("; "))
        }
    }
}

fn case(name: &str, team: TeamId, receipt: &PossessionReceipt) -> Value {
    json!({
        "name": name,
        "kind": "statement",
        "team": team.to_string(),
        "bytes": HEXLOWER.encode(&receipt.bytes),
        "signature": HEXLOWER.encode(&receipt.signature.0),
        "expect": judge(&team, receipt),
    })
}

fn answer(name: &str, challenge: &Challenge) -> Value {
    let Claim::Whole { digest } = challenge.answer(&TEAM, &alice(), &bob(), |n| Ok(block(n))) else {
        panic!("every block is there");
    };
    json!({
        "name": name,
        "kind": "digest",
        "team": TEAM.to_string(),
        "asker": alice().to_string(),
        "holder": bob().to_string(),
        "root": challenge.root.to_string(),
        "nonce": HEXLOWER.encode(&challenge.nonce),
        "blocks": challenge.blocks.iter().map(|n| json!({"n": n, "bytes": HEXLOWER.encode(&block(*n))})).collect::<Vec<_>>(),
        "expect": digest.map(|digest| digest.to_string()),
    })
}

fn cases() -> Value {
    let good = four().sign(&key(2));
    let changed = |change: fn(&mut Possession)| {
        let mut other = four();
        change(&mut other);
        other.sign(&key(2))
    };
    let mut torn = good.clone();
    torn.bytes.pop();
    let mut broken = good.clone();
    broken.signature.0[0] ^= 1;
    json!([
        answer("two blocks", &challenge(&[0, 3])),
        answer("one block", &challenge(&[0])),
        answer("another nonce", &Challenge { nonce: [6; 32], ..challenge(&[0, 3]) }),
        answer("another root", &Challenge { root: Hash([8; 32]), ..challenge(&[0, 3]) }),
        answer("no block", &challenge(&[])),
        case("a statement of four", TEAM, &good),
        case("a statement of nothing", TEAM, &statement(Vec::new()).sign(&key(2))),
        case("for another team", TeamId([8; 32]), &good),
        case("signed by another", TEAM, &four().sign(&key(6))),
        case("a changed signature", TEAM, &broken),
        case("cut short", TEAM, &torn),
        case("out of order", TEAM, &changed(|other| other.claims.reverse())),
        case("the same twice", TEAM, &changed(|other| other.claims.push(other.claims[3]))),
    ])
}

#[test]
fn what_was_once_signed_means_the_same_for_ever() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/possession.json");
    let text = serde_json::to_string_pretty(&cases()).unwrap() + "\n";
    if std::env::var("ANTIPHON_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap();
    assert_eq!(held, text, "possession.json is not what this code makes; a released format never changes");

    let hex = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    for case in serde_json::from_str::<Vec<Value>>(&held).unwrap() {
        if case["kind"] == "statement" {
            let signature = Signature::from_slice(&hex(&case["signature"])).unwrap();
            let receipt = PossessionReceipt { bytes: hex(&case["bytes"]), signature };
            let team: TeamId = case["team"].as_str().unwrap().parse().unwrap();
            assert_eq!(judge(&team, &receipt), case["expect"].as_str().unwrap(), "{}", case["name"]);
        }
    }
}
