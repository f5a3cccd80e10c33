//! What a person sees of peers that fell silent, lost their disk, or were refused.

use crate::common::{Machine, invite, team_of_two, until};
use serde_json::Value;

/// Alice, who soon takes a silent member for gone, and bob with one fact that she holds.
fn alice_and_bob() -> (Machine, Machine) {
    let (alice, bob) = team_of_two();
    alice.run(&["down"]).good();
    alice.run(&["up", "--detach", "--peer-timeout", "1s"]).good();
    bob.remember("bob was here");
    until("alice holds what bob wrote", || alice.facts() == 1);
    (alice, bob)
}

fn only_peer(machine: &Machine) -> Value {
    machine.json(&["peers", "list"])[0].clone()
}

#[test]
fn bob_falls_silent_loses_his_disk_and_gets_his_own_facts_back() {
    let (alice, bob) = alice_and_bob();
    bob.run(&["down"]).good();
    until("bob is expired", || only_peer(&alice)["trust"] == "EXPIRED");
    until("bob is backed up", || alice.json(&["backup", "list"]).as_array().unwrap().len() == 1);
    let backup = alice.json(&["backup", "show", "bob"]);
    assert_eq!((backup["name"].as_str(), backup["facts"].as_u64()), (Some("bob"), Some(1)), "{backup:#}");
    assert_eq!((backup["reason"].as_str(), backup["heads"][0]["stream"].as_str()), (Some("timeout"), Some("shared")));
    assert!(alice.run(&["backup", "show", "bob"]).good().stdout.contains("1 fact in "));

    for entry in std::fs::read_dir(bob.home()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "node.key" {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(bob.facts(), 0);
    bob.run(&["join", &invite(&alice), "--bring", "none"]).good();
    until("alice sees another store than the pinned one", || only_peer(&alice)["trust"] == "REJECTED");
    let peer = alice.json(&["peers", "show", "bob"]);
    assert_eq!(peer["reason"]["code"], "identity_mismatch", "{peer:#}");
    let problems = alice.json(&["status"])["problems"].to_string();
    assert!(problems.contains("antiphon peers reset bob"), "{problems}");
    let audit = alice.json(&["audit", "--limit", "50"]);
    let line = audit.as_array().unwrap().iter().find(|line| line["reason"]["code"] == "identity_mismatch").unwrap();
    assert_eq!((line["kind"].as_str(), line["name"].as_str()), (Some("handshake"), Some("bob")));

    alice.run(&["peers", "reset", "bob"]).good();
    until("bob has his fact again", || bob.recall("here") == ["bob was here"]);
    until("the backup is over", || alice.json(&["backup", "list"]).as_array().unwrap().is_empty());
    let stats = alice.json(&["peers", "stats"]);
    assert_eq!((stats["total_peers"].as_u64(), stats["by_trust"]["VERIFIED"].as_u64()), (Some(1), Some(1)));
    assert!(stats["counters"]["events_restored"].as_u64().unwrap() >= 2, "{stats:#}");
    assert!(alice.run(&["peers", "stats"]).good().stdout.contains("EXPIRED"));
}

#[test]
fn what_cannot_be_done_with_a_peer_says_why_and_what_instead() {
    let (alice, bob) = alice_and_bob();
    alice.run(&["peers", "forget", "bob"]).refused(4, &["bob is a member", "antiphon team revoke bob"]);
    alice.run(&["peers", "show", "eve"]).refused(3, &["no peer eve", "peers list"]);
    alice.run(&["backup", "show", "bob"]).refused(3, &["no gene backup of bob", "antiphon backup list"]);
    alice.run(&["backup", "clear", "bob"]).refused(3, &["no gene backup of bob"]);
    assert_eq!(alice.run(&["up", "--peer-timeout", "soon"]).code, 2);
    assert_eq!(alice.json(&["backup", "create", "bob"])["reason"], "explicit");
    assert!(alice.run(&["backup", "list"]).good().stdout.contains("explicit"));
    let cleared = alice.json(&["backup", "clear", "bob"]);
    assert_eq!(cleared["peer_id"], bob.json(&["status"])["node_id"]);
    let shown = alice.run(&["peers", "show", "bob"]).good().stdout;
    for word in ["VERIFIED", "backend_developer", "1 fact", "handshake", "genome", "sync"] {
        assert!(shown.contains(word), "{word} is missing: {shown}");
    }
    alice.run(&["team", "revoke", "bob", "--reason", "left"]).good();
    until("bob is put out", || alice.run(&["audit"]).good().stdout.contains("put_out"));
    alice.run(&["peers", "forget", "bob"]).good();
}
