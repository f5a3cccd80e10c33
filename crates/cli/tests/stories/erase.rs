//! A fact that is erased is gone from every file of every machine, also of one that was away.

use crate::common;

use std::path::{Path, PathBuf};

use crate::common::{Machine, invite, team_of_two, until};
use serde_json::Value;

/// Stands nowhere but in what is erased. The index folds words and keeps of each only where it differs from the one
/// before, so its end is looked for, in any case.
const CANARY: &str = "vqsecretkx";

/// Files below `dir` in which the canary stands.
fn canaries(dir: &Path) -> Vec<PathBuf> {
    let needle = &CANARY.as_bytes()[2..];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(canaries(&path));
            continue;
        }
        // Sockets cannot be read, and a file may go while it is looked for.
        let bytes = std::fs::read(&path).unwrap_or_default().to_ascii_lowercase();
        if bytes.windows(needle.len()).any(|window| window == needle) {
            found.push(path);
        }
    }
    found
}

fn erased(machine: &Machine, id: &str) -> bool {
    let shown = machine.run(&["--json", "facts", "show", id]);
    shown.code == 0 && shown.json()["erased"] == true
}

/// Who has signed that the fact is gone.
fn signed(machine: &Machine, id: &str) -> Vec<String> {
    let shown = machine.json(&["facts", "show", id]);
    let members = shown["erasure"]["members"].as_array().cloned().unwrap_or_default();
    let done = members.iter().filter(|member| member["erased"] == true);
    done.map(|member| member["name"].as_str().unwrap().to_owned()).collect()
}

fn clean(machine: &Machine, id: &str) {
    until("the files are clean", || machine.json(&["facts", "show", id])["erasure"]["cleaning"] == false);
    assert_eq!(canaries(machine.home()), Vec::<PathBuf>::new());
    machine.run(&["verify"]).good();
}

#[test]
fn an_erased_fact_is_on_no_disk_of_the_team_any_more() {
    let (alice, bob) = team_of_two();
    let carol = Machine::new("carol");
    carol.run(&["join", &invite(&alice), "--bring", "none"]).good();
    let text = format!("the password is {CANARY}");
    let secret = ["remember", &text, "--tag", CANARY, "--domain", CANARY, "--module", CANARY, "--source", CANARY];
    let secret = alice.json(&secret);
    let id = secret["id"].as_str().unwrap().to_owned();
    bob.run(&["backup", "seal", "--with", "alice"]);
    for machine in [&bob, &carol] {
        until("the fact is everywhere", || machine.recall("password").len() == 1);
    }
    bob.run(&["facts", "edit", &id, "--content", &format!("it still is {CANARY}")]).good();
    until("the edit is at alice", || alice.recall("still").len() == 1);
    // An old bundle has it all.
    let elsewhere = tempfile::tempdir().unwrap();
    let bundle = elsewhere.path().join("old.bundle");
    alice.run(&["bundle", "export", "--output", bundle.to_str().unwrap()]).good();
    // Carol's machine is away, and dies while it has news to write.
    carol.run(&["facts", "edit", &id, "--domain", &format!("of {CANARY}")]).good();
    common::kill_holder(carol.home());
    assert!(!canaries(alice.home()).is_empty() && !canaries(carol.home()).is_empty());

    // Nobody erases by accident, and nobody what is not theirs.
    alice.run(&["facts", "forget", &id, "--hard"]).refused(2, &["cannot be taken back", "--yes"]);
    bob.run(&["facts", "forget", &id, "--hard", "--yes"]).refused(4, &["not ours to erase", "steward"]);
    let done = alice.run(&["facts", "forget", &id, "--hard", "--yes"]).good();
    for words in ["bob", "carol", "not yet", "a dishonest member can keep a copy"] {
        assert!(done.stdout.contains(words), "{words}: {done:#?}");
    }
    until("bob has signed", || signed(&alice, &id) == ["bob"]);
    clean(&alice, &id);
    clean(&bob, &id);
    alice.run(&["facts", "restore", &id]).refused(4, &["was erased"]);
    bob.run(&["facts", "edit", &id, "--content", "back"]).refused(4, &["was erased"]);

    // Carol comes back, with an edit that had not heard of it.
    carol.run(&["status"]).good();
    until("carol has erased it", || erased(&carol, &id));
    until("carol has signed", || signed(&alice, &id).len() == 2);
    for machine in [&alice, &bob, &carol] {
        clean(machine, &id);
    }
    until("all agree", || alice.state_hash() == bob.state_hash() && bob.state_hash() == carol.state_hash());

    // The old bundle brings nothing back.
    for machine in [&bob, &carol] {
        let taken = machine.run(&["--json", "bundle", "import", bundle.to_str().unwrap()]);
        assert_eq!(taken.code, 0, "{taken:#?}");
        assert_eq!(machine.json(&["facts", "show", &id])["content"], Value::Null);
        clean(machine, &id);
    }
    // Nor does a start.
    for machine in [&alice, &bob, &carol] {
        machine.run(&["down"]).good();
        assert_eq!(canaries(machine.home()), Vec::<PathBuf>::new());
        machine.run(&["verify"]).good();
    }
}
