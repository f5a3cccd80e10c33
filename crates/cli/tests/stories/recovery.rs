//! The story of a lost disk: bob's machine is gone, his paper with the 24 words is not, and alice holds the rest.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Machine, invite, until};
use antiphon_server::client::Client;
use antiphon_server::dto::BatchDto;
use serde_json::{Value, json};

/// Facts of shared levels that bob wrote.
const SHARED: usize = 1_000;
/// Facts that never left his machine in the clear.
const PRIVATE: usize = 200;
/// A word of every private fact.
const CANARY: &str = "zanzibarcanary";

/// A machine of a new team, or of a new home, with its recovery phrase.
fn with_phrase(name: &str, team: &str) -> (Machine, String) {
    let machine = Machine::new(name);
    let made = machine.json(&["init", "--team", team]);
    (machine, made["phrase"].as_str().unwrap().to_owned())
}

/// A team of two of which bob's phrase is known.
fn alice_and_bob() -> (Machine, Machine, String) {
    let (alice, _) = with_phrase("alice", "choir");
    let (bob, phrase) = with_phrase("bob", "bobs");
    bob.run(&["join", &invite(&alice), "--bring", "none"]).good();
    (alice, bob, phrase)
}

fn address(machine: &Machine) -> String {
    machine.json(&["status"])["listen"][0].as_str().unwrap().to_owned()
}

fn team(machine: &Machine) -> String {
    machine.json(&["status"])["team"]["id"].as_str().unwrap().to_owned()
}

/// Remembers facts of a level at once; the words of each name its number.
fn remember_many(machine: &Machine, level: u64, count: usize, word: &str) {
    let fact = |n: usize| json!({"content": format!("the {word} number {n} is kept in drawer {n}"), "level": level});
    let facts: Vec<Value> = (0..count).map(fact).collect();
    let batch: BatchDto = serde_json::from_value(json!({ "facts": facts })).unwrap();
    let client = Client::new(machine.home().join("control.sock"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(client.remember_all(&batch)).unwrap();
    assert_eq!(serde_json::to_value(&done).unwrap()["results"].as_array().unwrap().len(), count);
}

/// Ids and texts of all facts of a machine.
fn all_facts(machine: &Machine) -> BTreeSet<(String, String)> {
    let facts = machine.json(&["facts", "list", "--limit", "100000"]);
    let facts = facts.as_array().cloned().unwrap_or_else(|| facts["facts"].as_array().unwrap().clone());
    let text = |fact: &Value, key: &str| fact[key].as_str().unwrap().to_owned();
    facts.iter().map(|fact| (text(fact, "id"), text(fact, "content"))).collect()
}

fn peer_of(machine: &Machine, name: &str) -> Value {
    let peers = machine.json(&["peers", "list"]);
    peers.as_array().unwrap().iter().find(|peer| peer["name"] == name).cloned().unwrap_or_default()
}

fn lose(machine: &Machine) {
    machine.run(&["down"]).good();
    std::fs::remove_dir_all(machine.home()).unwrap();
}

fn contains(path: &Path, needle: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn bob_loses_his_disk_and_gets_every_fact_back() {
    let (alice, bob, phrase) = alice_and_bob();
    remember_many(&bob, 0, SHARED, "melody");
    remember_many(&bob, 3, PRIVATE, CANARY);
    until("alice has what is shared", || alice.facts() == SHARED as u64);
    let before = all_facts(&bob);
    assert_eq!(before.len(), SHARED + PRIVATE);
    let former = bob.json(&["status"])["store_id"].as_str().unwrap().to_owned();
    let sealed = bob.json(&["backup", "seal", "--with", "alice"]);
    assert_eq!(sealed["sealed"][0]["missing"], 0, "{sealed:#}");
    // Alice keeps it and cannot read it.
    let kept = alice.json(&["backup", "sealed"]);
    assert_eq!(kept["kept"][0]["name"], "bob", "{kept:#}");
    alice.run(&["down"]).good();
    for file in std::fs::read_dir(alice.home()).unwrap().map(|entry| entry.unwrap().path()) {
        assert!(!file.is_file() || !contains(&file, CANARY), "{} holds a private text", file.display());
    }
    alice.run(&["up", "--detach"]).good();
    let (shared_id, private_id) = {
        let id = |word: &str| before.iter().find(|(_, text)| text.contains(word)).unwrap().0.clone();
        (id("melody"), id(CANARY))
    };
    lose(&bob);

    let (address, team) = (address(&alice), team(&alice));
    let run = bob.run_with(&["recover", &address, "--team", &team], phrase.as_bytes()).good();
    assert!(run.stdout.contains("1,000 shared facts, 200 private facts, from 1 peer"), "{run:#?}");
    assert!(!run.stdout.contains(&phrase) && !run.stderr.contains(&phrase));
    assert_eq!(all_facts(&bob), before);
    let status = bob.json(&["status"]);
    assert_eq!((&status["name"], &status["team"]["id"]), (&json!("bob"), &json!(team)), "{status:#}");
    let present = status["store_id"].as_str().unwrap().to_owned();
    assert_ne!(present, former);
    // Shared facts keep their author, which is a log of the former disk; so do the private ones.
    for id in [&shared_id, &private_id] {
        let history = bob.json(&["facts", "history", id]).to_string();
        assert!(history.contains(&former) && !history.contains(&present), "{history}");
    }
    until("alice takes the new disk for bob's", || peer_of(&alice, "bob")["store_id"] == json!(present));
    assert_eq!(peer_of(&alice, "bob")["trust"], "VERIFIED");
    until("both hold the same", || alice.state_hash() == bob.state_hash());

    // Bob goes on: what he writes reaches alice, and old facts can be changed, published and forgotten.
    bob.remember("bob is back");
    until("alice hears of it", || !alice.recall("bob is back").is_empty());
    bob.run(&["facts", "edit", &private_id, "--content", "the drawer was moved"]).good();
    assert_eq!(bob.json(&["facts", "show", &private_id])["content"], "the drawer was moved");
    let found = before.iter().filter(|(_, text)| text.contains(CANARY)).nth(1).unwrap();
    bob.run(&["facts", "forget", &found.0]).good();
    assert_eq!(bob.run(&["verify"]).good().code, 0);
    // Alice was chosen before, and gets what is new without being asked.
    until("alice keeps the new part", || {
        let holder = bob.json(&["backup", "sealed"])["holders"][0].clone();
        holder["missing"] == 0 && holder["events"].as_u64().unwrap() > PRIVATE as u64 + 2
    });
    // Doing it again changes nothing.
    let again = bob.run_with(&["--json", "recover", &address, "--team", &team], phrase.as_bytes()).good().json();
    assert_eq!(
        (&again["recovery"]["complete"], &again["recovery"]["restored"]),
        (&json!(true), &json!(0)),
        "{again:#}"
    );
}

#[test]
fn a_wrong_phrase_is_refused_with_the_word_that_is_wrong() {
    let (alice, bob, phrase) = alice_and_bob();
    let (address, team) = (address(&alice), team(&alice));
    lose(&bob);
    let recover = |words: &str| bob.run_with(&["recover", &address, "--team", &team], words.as_bytes());
    let mut words: Vec<&str> = phrase.split(' ').collect();
    words[6] = "xylophonist";
    recover(&words.join(" ")).refused(2, &["word 7", "xylophonist"]);
    recover(&words[..11].join(" ")).refused(2, &["24 words, not 11"]);
    assert!(!bob.home().join("node.key").exists(), "a wrong phrase left a key behind");
    // Words that are right, but nobody's in this team.
    let (eve, strangers) = with_phrase("eve", "crows");
    recover(&strangers).refused(4, &["no member"]);
    recover(&phrase).refused(4, &["another key"]);
    // A home that is in use is not filled.
    eve.remember("eve keeps this");
    let run = eve.run_with(&["recover", &address, "--team", &team], strangers.as_bytes());
    run.refused(4, &["1 fact already"]);
    assert_eq!(eve.facts(), 1);
}

#[test]
fn an_address_alone_needs_the_team_and_a_revoked_key_stays_out() {
    let (alice, bob, phrase) = alice_and_bob();
    bob.run(&["remember", "a private thought", "--private"]).good();
    bob.run(&["backup", "seal"]).refused(2, &["no member was chosen"]);
    until("bob seals to alice", || bob.run(&["backup", "seal", "--all"]).code == 0);
    let (address, team) = (address(&alice), team(&alice));
    lose(&bob);
    let run = bob.run_with(&["recover", &address], phrase.as_bytes());
    run.refused(2, &["choir", &team, "--team"]);
    assert_eq!(alice.json(&["backup", "sealed"])["kept"].as_array().unwrap().len(), 1);
    alice.run(&["team", "revoke", "bob", "--reason", "the laptop was stolen"]).good();
    until("alice drops what she kept for bob", || {
        alice.json(&["backup", "sealed"])["kept"].as_array().unwrap().is_empty()
    });
    let run = bob.run_with(&["recover", &address, "--team", &team], phrase.as_bytes());
    run.refused(4, &["removed from the team for good"]);
}

#[test]
fn a_ticket_names_the_team_and_a_member_that_is_away_is_said() {
    let (alice, bob, phrase) = alice_and_bob();
    let ticket = invite(&alice);
    alice.run(&["down"]).good();
    lose(&bob);
    let run = bob.run_with(&["recover", &ticket], phrase.as_bytes());
    assert_eq!(run.code, 5, "{run:#?}");
    alice.run(&["up", "--detach"]).good();
    let file = bob.home().with_extension("phrase");
    std::fs::write(&file, &phrase).unwrap();
    let run = bob.run(&["--json", "recover", &ticket, "--phrase-file", file.to_str().unwrap(), "--name", "bobby"]);
    let run = run.good().json();
    assert_eq!(run["place"]["name"], "bob", "{run:#}");
    assert_eq!(bob.json(&["status"])["name"], "bobby");
}
