//! Copies of documents through the real program: two machines keep each other's, and say who had what was lost.

use std::fs;

use crate::common::{Machine, ROLE, invite, kill_holder, until};
use serde_json::Value;

/// What both machines say in their configuration: nobody wants to wait for minutes.
const IMPATIENT: &str = "[replication]\ngrace = \"2s\"\nproof_age = \"1s\"\n";

fn address(path: &str) -> String {
    format!("ucxl://bob/{ROLE}/shop/login/{path}")
}

fn machine(name: &str) -> Machine {
    let machine = Machine::new(name);
    fs::create_dir_all(machine.home()).unwrap();
    fs::write(machine.home().join("antiphon.toml"), IMPATIENT).unwrap();
    machine
}

fn alice_and_bob() -> (Machine, Machine) {
    let (alice, bob) = (machine("alice"), machine("bob"));
    alice.run(&["init", "--team", "choir"]).good();
    bob.run(&["join", &invite(&alice), "--bring", "none"]).good();
    (alice, bob)
}

fn put(machine: &Machine, path: &str) {
    let said = format!("what {path} says");
    machine.run_with(&["content", "put", &address(path), "-", "--as", ROLE], said.as_bytes()).good();
}

/// How the copies of a document stand, or null while the machine does not know of it.
fn copies(machine: &Machine, path: &str) -> Value {
    let run = machine.run(&["--json", "replication", "status", &address(path)]);
    if run.code == 0 { run.json() } else { Value::Null }
}

#[test]
fn what_bob_stores_is_copied_to_alice_and_missed_when_she_dies() {
    let (alice, bob) = alice_and_bob();
    put(&bob, "plan");
    for machine in [&alice, &bob] {
        until("there are two copies", || {
            let copies = copies(machine, "plan");
            copies["actual"] == 2 && copies["target"] == 2 && copies["health"] == "healthy"
        });
    }
    let words = bob.run(&["replication", "status", &address("plan")]).good().stdout;
    assert!(words.contains("2 of 2 copies, healthy") && words.contains("proved that it holds it"), "{words}");
    assert!(words.contains("this machine") && words.contains("holds it"), "{words}");
    let listed = bob.run(&["replication", "status"]).good().stdout;
    assert!(listed.contains("2 of 2") && listed.ends_with("1 version: 1 healthy.\n"), "{listed}");
    let documents = bob.run(&["status"]).good().stdout;
    assert!(documents.contains("documents   1 version: 1 healthy"), "{documents}");
    let shown = bob.run(&["content", "status", &address("plan")]).good().stdout;
    assert!(shown.contains("2 of 2 copies, healthy"), "{shown}");
    assert!(bob.run(&["content", "ls"]).good().stdout.contains("healthy"));
    let found = alice.json(&["replication", "providers", &address("plan")]);
    assert_eq!(found["providers"].as_array().unwrap().len(), 2, "{found}");

    // Alice dies; after the grace period there is one copy, and nobody to take another.
    kill_holder(alice.home());
    until("one copy is missing", || copies(&bob, "plan")["health"] == "degraded");
    let words = bob.run(&["replication", "status", "--health", "degraded"]).good().stdout;
    assert!(words.contains("1 of 2") && words.contains("1 version: 1 degraded."), "{words}");
    let words = bob.run(&["replication", "status", &address("plan")]).good().stdout;
    assert!(words.contains("not counted"), "{words}");

    // She comes back and still has it.
    alice.run(&["up", "--detach"]).good();
    until("alice is back with her copy", || copies(&bob, "plan")["actual"] == 2);
    let metrics = bob.json(&["replication", "metrics"]);
    assert_eq!((&metrics["settings"]["grace_ms"], &metrics["total_keys"]), (&2_000.into(), &1.into()), "{metrics}");
}

#[test]
fn what_is_removed_is_freed_on_both() {
    let (alice, bob) = alice_and_bob();
    for path in ["plan", "notes"] {
        put(&bob, path);
        until("alice holds it too", || copies(&alice, path)["is_local"] == true && copies(&bob, path)["actual"] == 2);
    }
    assert_eq!(bob.json(&["content", "gc", "--dry-run"])["items"], serde_json::json!([]));
    assert!(bob.run(&["content", "gc"]).good().stdout.contains("Nothing to free"));
    bob.run(&["content", "rm", &address("plan")]).good();
    until("alice has freed hers", || {
        let metrics = alice.json(&["content", "metrics"]);
        alice.json(&["replication", "metrics"])["total_keys"] == 1 && metrics["blobs"] == 1
    });
    assert_eq!(copies(&bob, "notes")["actual"], 2);
    bob.run(&["replication", "status", &address("plan")]).refused(3, &["was removed"]);
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let alice = machine("alice");
    alice.run(&["init", "--team", "choir"]).good();
    alice.run(&["replication", "status", &address("plan")]).refused(3, &["no document"]);
    alice.run(&["replication", "priority", &address("plan"), "high"]).refused(3, &["no document"]);
    alice.run(&["replication", "run", "nowhere"]).refused(2, &["ucxl://"]);
    assert_eq!(alice.run(&["replication", "priority", &address("plan"), "urgent"]).code, 2);
    assert_eq!(alice.run(&["replication", "status", "--health", "fine"]).code, 2);
    let none = alice.run(&["replication", "status"]).good().stdout;
    assert!(none.contains("no documents yet"), "{none}");
    alice.run(&["down"]).good();
    fs::write(alice.home().join("antiphon.toml"), "[replication]\nfactor = 17\n").unwrap();
    alice.run(&["up", "--detach"]).refused(2, &["replication.factor", "from 1 to 16"]);
}
