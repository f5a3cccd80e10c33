//! Test vectors with verdicts: what was once readable stays readable, and what was refused stays refused.
//!
//! `vectors/*.json` is compared with what this code makes of the same inputs; `ANTIPHON_BLESS=1` writes the files
//! anew, which only a new format version may need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "vectors/addresses.rs"]
mod addresses;
#[path = "vectors/make.rs"]
mod make;
#[path = "charter/signed.rs"]
mod signed;

use std::path::PathBuf;

use antiphon_core::address::Address;
use antiphon_core::charter::{Charter, Entry, Founders, GrantPath, PathError};
use antiphon_core::event::{Event, verify_run};
use antiphon_core::genome::{Genome, Proof};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::Signature;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

fn vectors(name: &str, made: &Value) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
    let text = serde_json::to_string_pretty(made).unwrap() + "\n";
    if std::env::var("ANTIPHON_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap();
    assert_eq!(held, text, "{name} is not what this code makes; a released format never changes");
    serde_json::from_str(&held).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn optional_hex(value: &Value) -> Option<Vec<u8>> {
    value.is_string().then(|| hex(value))
}

/// What this code says of a case, in the words of the vectors.
fn judge(case: &Value) -> String {
    let mut events = Vec::new();
    for event in case["events"].as_array().unwrap() {
        let signature = optional_hex(&event["signature"]).map(|bytes| Signature::from_slice(&bytes).unwrap());
        match Event::parse(hex(&event["header"]), optional_hex(&event["payload"]), signature) {
            Ok(event) => events.push(event),
            Err(error) => return error.to_string(),
        }
    }
    let team: TeamId = case["team"].as_str().unwrap().parse().unwrap();
    let key: NodeId = case["key"].as_str().unwrap().parse().unwrap();
    let store: StoreId = case["store"].as_str().unwrap().parse().unwrap();
    let run = verify_run(&team, LogId::new(store, Stream::Shared), &key, Head::EMPTY, events);
    let refused = run.refused.map(|refused| format!(", event {}: {}", refused.index, refused.reason));
    let flaw = |(index, event): (usize, &Event)| Some(format!(", event {index}: {}", event.header().flaw()?));
    let flaws: String = run.verified.iter().enumerate().filter_map(flaw).collect();
    format!("{} verified, {} waiting{}{flaws}", run.verified.len(), run.waiting.len(), refused.unwrap_or_default())
}

#[test]
fn events_keep_their_verdicts() {
    for case in vectors("events.json", &make::events()).as_array().unwrap() {
        assert_eq!(judge(case), case["expect"].as_str().unwrap(), "{}", case["name"]);
    }
}

#[test]
fn genomes_keep_their_roots_and_proofs() {
    for case in vectors("genome.json", &make::genomes()).as_array().unwrap() {
        let genome = Genome::decode(&hex(&case["genome"])).unwrap();
        assert_eq!(genome.hash().to_string(), case["root"].as_str().unwrap());
        for proof in case["proofs"].as_array().unwrap() {
            let path = proof["path"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().parse().unwrap());
            let text = |key: &str| proof[key].as_str().unwrap().to_owned();
            let (index, size) = (proof["index"].as_u64().unwrap(), proof["size"].as_u64().unwrap());
            let held = Proof { id: text("id"), text: text("text"), index, size, path: path.collect() };
            assert_eq!(json!(held.check(&genome.hash())), proof["expect"], "{}", proof["id"]);
        }
    }
}

/// The founders that a case names.
fn founders(case: &Value) -> Founders {
    let one = |steward: &Value| steward.as_str().unwrap().parse::<NodeId>().unwrap();
    match case["founders"].as_array() {
        Some(founders) => Founders { stewards: founders.iter().map(one).collect(), threshold: None },
        None => Founders::one(one(&case["steward"])),
    }
}

/// What a grant path proves, in the words of the vectors.
fn proved(case: &Value) -> String {
    let team: TeamId = case["team"].as_str().unwrap().parse().unwrap();
    let node: NodeId = case["node"].as_str().unwrap().parse().unwrap();
    let known = Charter::new(&founders(case), []);
    match GrantPath::decode(&hex(&case["path"])).and_then(|path| path.verify(&team, &known, &node)) {
        Ok(membership) => match membership.member(&node) {
            Some(member) => format!("{} until {}", member.grant.roles.join(", "), member.grant.not_after.0),
            None => "no member".to_owned(),
        },
        Err(PathError::Cbor(_)) => "malformed".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Who is what by a set of records, in the words of the vectors; the records come last to first.
fn counted(case: &Value) -> String {
    let entry = |event: &Value| {
        let signature = optional_hex(&event["signature"]).map(|bytes| Signature::from_slice(&bytes).unwrap());
        let author = event["author"].as_str().unwrap().parse().unwrap();
        Entry::read(&Event::parse(hex(&event["header"]), optional_hex(&event["payload"]), signature).unwrap(), author)
    };
    let entries: Result<Vec<Entry>, _> = case["events"].as_array().unwrap().iter().rev().map(entry).collect();
    let charter = Charter::new(&founders(case), entries.unwrap());
    let membership = charter.membership();
    assert_eq!(membership.digest().to_string(), case["digest"].as_str().unwrap(), "{}", case["name"]);
    let seeds = |fits: &dyn Fn(&NodeId) -> bool| {
        let seeds: Vec<String> =
            (1..=5).filter(|seed| fits(&signed::node(*seed))).map(|seed: u8| seed.to_string()).collect();
        if seeds.is_empty() { "none".to_owned() } else { seeds.join(" ") }
    };
    format!(
        "stewards {}; members {}; revoked {}",
        seeds(&|node| membership.is_steward(node)),
        seeds(&|node| membership.member(node).is_some()),
        seeds(&|node| membership.is_revoked(node)),
    )
}

#[test]
fn charters_keep_their_verdicts() {
    for case in vectors("charter.json", &make::charters()).as_array().unwrap() {
        let words = if case["path"].is_string() { proved(case) } else { counted(case) };
        assert_eq!(words, case["expect"].as_str().unwrap(), "{}", case["name"]);
    }
}

#[test]
fn addresses_keep_their_verdicts() {
    let held = vectors("addresses.json", &addresses::addresses());
    for case in held["addresses"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let words = Address::parse(text).map_or_else(|refused| refused.to_string(), |_| "valid".to_owned());
        assert_eq!(words, case["expect"].as_str().unwrap(), "{text}");
    }
}

#[test]
fn a_hash_is_written_as_hex() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Hash::of(b"").to_string(), empty);
}
