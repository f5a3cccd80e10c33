//! Resources on two machines: offered on one, found and asked for on the other.

use crate::common::{Machine, team_of_two, until};
use serde_json::Value;

fn names(list: &Value) -> Vec<String> {
    let name = |resource: &Value| resource["name"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

fn knows(machine: &Machine, what: &str) {
    until(&format!("{what} is known"), || names(&machine.json(&["resources", "list"])) == [what]);
}

#[test]
fn what_alice_offers_bob_finds_checks_and_plans_to_use() {
    let (alice, bob) = team_of_two();
    let create = [
        "resources",
        "create",
        "compute",
        "gpu box",
        "--description",
        "Two cards. Ask first.",
        "--address",
        "ssh://gpu.lan:22",
        "--capability",
        "cuda",
        "--capability",
        "training",
        "--tag",
        "lab",
    ];
    let told = alice.json(&create);
    assert_eq!((&told["version"], &told["members"]), (&Value::from(1), &Value::from(1)));
    let id = told["id"].as_str().unwrap().to_owned();
    knows(&bob, "gpu box");
    let update = ["resources", "update", "gpu box", "--name", "gpu tower", "--description", ""];
    let words = alice.run(&update).good().stdout;
    assert_eq!(words.trim(), format!("Updated {id}, version 2: 1 member is told once connected."));
    knows(&bob, "gpu tower");
    let shown = bob.json(&["resources", "show", &id]);
    let expected = [("kind", "compute"), ("owner", "alice"), ("ownership", "member"), ("address", "ssh://gpu.lan:22")];
    for (key, value) in expected {
        assert_eq!(shown[key], value, "{shown:#}");
    }
    assert!(shown.get("description").is_none(), "{shown:#}");
    let found = |args: &[&str]| names(&bob.json(&[&["resources", "search"], args].concat())["resources"]);
    assert_eq!(found(&["tower"]), ["gpu tower"]);
    assert_eq!(found(&["--capability", "CUDA", "--kind", "compute"]), ["gpu tower"]);
    assert!(found(&["linter"]).is_empty());
    until("alice answers a search", || {
        let search = bob.json(&["resources", "search", "--peers"]);
        search["asked"][0]["found"] == 1 && search["asked"][0]["offers"]["kinds"]["compute"] == 1
    });
    until("alice stands by it", || bob.run(&["resources", "verify", "gpu tower"]).code == 0);
    let words = bob.run(&["resources", "verify", &id]).good().stdout;
    assert!(words.contains("alice stands by gpu tower"), "{words}");
    let window = "2030-01-31T10:00:00Z..2030-01-31T12:00:00Z,one card";
    alice.run(&["resources", "plan", &id, "--window", window]).good();
    until("bob has the plan", || bob.json(&["resources", "show", &id])["plan"]["windows"][0]["note"] == "one card");
    let (from, until_time) = ("2030-01-31T10:00:00Z", "2030-01-31T11:00:00Z");
    bob.run(&["resources", "consider", &id, "--from", from, "--until", until_time, "--yes", "--note", "nightly"])
        .good();
    until("alice hears of it", || alice.json(&["resources", "show", &id])["considers"][0]["peer"] == "bob");
    let words = alice.run(&["resources", "show", "gpu tower"]).good().stdout;
    for part in ["gpu tower", "this machine", "cuda, training", "one card", "bob: yes  nightly"] {
        assert!(words.contains(part), "{part:?} is not in\n{words}");
    }
    let offers = bob.json(&["resources", "offers"]);
    assert_eq!((&offers[0]["peer"], &offers[0]["total"]), (&"alice".into(), &Value::from(1)));
    bob.run(&["resources", "delete", &id]).refused(4, &["belongs to alice"]);
    alice.run(&["resources", "delete", "gpu tower"]).good();
    until("it is gone", || bob.json(&["resources", "list"]).as_array().unwrap().is_empty());
}

#[test]
fn what_cannot_be_offered_is_refused_with_what_to_do() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let check = |args: &[&str], code: i32, word: &str| {
        let run = alice.run(&[&["resources"], args].concat());
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(word), "{word:?} is not in\n{}", run.stderr);
    };
    check(&["create", "rocket", "x"], 2, "workflow");
    check(&["create", "tool", ""], 2, "the name is empty");
    check(&["create", "tool", "x", "--address", "over there"], 2, "https://");
    check(&["show", "linter"], 3, "no resource linter");
    alice.run(&["resources", "create", "tool", "linter"]).good();
    check(&["update", "linter"], 2, "changes nothing");
    check(&["update", "linter", "--name", "linter"], 2, "sets nothing");
    check(&["verify", "linter"], 2, "this node's own");
    check(&["plan", "linter", "--window", "tomorrow"], 2, "..");
    check(&["plan", "linter", "--window", "2030-01-02..2030-01-01"], 2, "before it begins");
    check(&["consider", "linter", "--from", "2030-01-01", "--until", "2030-01-02", "--yes"], 2, "--peer");
    alice.run(&["resources", "create", "tool", "linter"]).good();
    check(&["show", "linter"], 2, "2 resources");
    assert_eq!(alice.json(&["resources", "list", "--kind", "tool"]).as_array().unwrap().len(), 2);
    alice.run(&["down"]).good();
}
