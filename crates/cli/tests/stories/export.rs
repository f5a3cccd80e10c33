//! Facts leave one home and come back in another.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Machine, ROLE, team_of_two, until};

/// Facts of an export by their ids, without what no import can bring back.
fn facts_of(export: &str) -> BTreeMap<String, Value> {
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["type"] == "fact")
        .map(|mut line| {
            let recorded = line.as_object_mut().unwrap().remove("recorded").unwrap();
            assert!(recorded["author"].is_string() && recorded["updated_at"].is_string(), "{recorded}");
            (line["id"].as_str().unwrap().to_owned(), line)
        })
        .collect()
}

const ALL: [&str; 3] = ["--archived", "--private", "--sealed"];

fn export(machine: &Machine) -> String {
    let mut args = vec!["export"];
    args.extend(ALL);
    machine.run(&args).good().stdout
}

/// A home with a fact for every field there is.
fn full_home() -> Machine {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    alice.run(&["team", "rotate-role", ROLE]).good();
    let first = alice.remember("the first fact\nof two lines\n");
    let second = alice.remember("derived");
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        json!({"content": "every field", "level": 0, "domain": "billing", "module": "api/v2", "tags": ["a", "b c"],
            "confidence": 0.825, "code_ref": "src/main.rs:7", "parent": first, "ttl": "3650d", "on_expire": "archive",
            "valid_from": "2025-01-31T10:30:00.123Z", "valid_until": "2099-12-31", "supersedes": second,
            "derived_from": [first, second], "anchors": [{"path": "src/a.rs", "blob": "ab12"}],
            "source": "docs/a.md#x", "created_at": "2024-05-06T07:08:09.010Z", "agent": "claude", "tool": "editor",
            "session": "s-1", "source_kind": "agent", "stale": true}),
        json!({"content": "archived <!-- and --> hostile\n<!-- /antiphon-fact X -->\n---", "archived": true, "domain": "billing"}),
        json!({"content": "private", "private": true, "level": "module", "domain": "Billing"}),
        json!({"content": "a scrap", "level": 3}),
        json!({"content": "for one role", "role": ROLE, "source_kind": "web"}),
        json!({"content": "expires by being forgotten", "ttl": "9999d", "on_expire": "delete"}),
    ];
    let file = dir.path().join("facts.jsonl");
    fs::write(&file, lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let imported = alice.json(&["import", "jsonl", file.to_str().unwrap()]);
    assert_eq!(imported["imported"], 6, "{imported:#}");
    alice
}

/// A home that can take all of it in.
fn fresh_home(name: &str) -> Machine {
    let machine = Machine::new(name);
    machine.run(&["init", "--team", "other"]).good();
    machine.run(&["team", "rotate-role", ROLE]).good();
    machine
}

#[test]
fn every_field_of_every_fact_comes_back_in_another_home() {
    let alice = full_home();
    let before = facts_of(&export(&alice));
    assert_eq!(before.len(), 8);
    let all = before.values().find(|fact| fact["content"] == "every field").unwrap();
    for (field, want) in [
        ("level", json!("0")),
        ("confidence", json!(0.825)),
        ("ttl", json!((3650_u64 * 86_400_000).to_string())),
        ("on_expire", json!("archive")),
        ("valid_from", json!("2025-01-31T10:30:00.123Z")),
        ("created_at", json!("2024-05-06T07:08:09.010Z")),
        ("source_kind", json!("agent")),
        ("stale", json!(true)),
        ("tags", json!(["a", "b c"])),
        ("anchors", json!([{"path": "src/a.rs", "blob": "ab12"}])),
    ] {
        assert_eq!(all[field], want, "{field} of {all:#}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup.jsonl");
    let path = file.to_str().unwrap();
    let mut args = vec!["export", "-o", path];
    args.extend(ALL);
    let said = alice.json(&args);
    assert_eq!((&said["facts"], &said["files"]), (&8.into(), &1.into()), "{said:#}");

    let bob = fresh_home("bob");
    let dry = bob.json(&["import", "jsonl", path, "--dry-run"]);
    assert_eq!((&dry["would_import"], &dry["already"], bob.facts()), (&8.into(), &0.into(), 0), "{dry:#}");
    let first = bob.json(&["import", "jsonl", path]);
    assert_eq!((&first["imported"], &first["bad"]), (&8.into(), &json!([])), "{first:#}");
    assert_eq!(facts_of(&export(&bob)), before, "what comes out is what went in");
    let again = bob.json(&["import", "jsonl", path]);
    assert_eq!((&again["imported"], &again["already"]), (&0.into(), &8.into()), "{again:#}");
    let dry = bob.json(&["import", "jsonl", path, "--dry-run"]);
    assert_eq!((&dry["would_import"], &dry["already"]), (&0.into(), &8.into()), "{dry:#}");
}

#[test]
fn markdown_for_people_comes_back_as_the_same_facts() {
    let alice = full_home();
    let before = facts_of(&export(&alice));
    let dir = tempfile::tempdir().unwrap();
    let (notes, single) = (dir.path().join("notes"), dir.path().join("all.md"));
    for place in [&notes, &single] {
        let mut args = vec!["export", "--format", "markdown", "-o", place.to_str().unwrap()];
        args.extend(ALL);
        alice.run(&args).good();
    }
    let mut names: Vec<_> = fs::read_dir(&notes).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["billing--api-v2.md", "billing-2.md", "billing.md", "general.md"]);
    let text = fs::read_to_string(notes.join("billing--api-v2.md")).unwrap();
    assert!(text.contains("# choir: billing / api/v2\n") && text.contains("\nevery field\n"), "{text}");
    assert!(fs::read_dir(dir.path()).unwrap().count() == 2, "nothing else is left behind");
    for (name, place) in [("bob", &notes), ("carol", &single)] {
        let machine = fresh_home(name);
        let imported = machine.json(&["import", "markdown", place.to_str().unwrap()]);
        assert_eq!((&imported["imported"], &imported["bad"]), (&8.into(), &json!([])), "{imported:#}");
        assert_eq!(facts_of(&export(&machine)), before, "{name}");
    }
}

#[test]
fn what_leaves_is_what_was_asked_for() {
    let alice = full_home();
    let run = alice.run(&["export"]).good();
    assert_eq!(facts_of(&run.stdout).len(), 5);
    assert!(run.stderr.contains("1 private (--private)") && run.stderr.contains("1 sealed to a role"), "{run:#?}");
    assert!(!run.stdout.contains("for one role") && !run.stdout.contains("\"content\":\"private\""), "{run:#?}");
    let billing = alice.run(&["export", "--domain", "billing", "--archived"]).good();
    assert_eq!(facts_of(&billing.stdout).len(), 2);
    assert_eq!(facts_of(&alice.run(&["export", "--level", "snippet"]).good().stdout).len(), 1);
    let markdown = alice.run(&["export", "--format", "markdown"]).good().stdout;
    assert!(
        markdown.starts_with("<!-- antiphon-export 1 -->\n") && markdown.contains("the first fact\n"),
        "{markdown}"
    );
}

#[test]
fn an_export_leaves_a_whole_file_or_none() {
    let alice = Machine::new("alice");
    alice.remember("a fact");
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("mine.txt"), "mine").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    alice.run(&["export", "--format", "markdown", "-o", &path(&taken)]).refused(2, &["not empty"]);
    alice.run(&["export", "-o", &path(&taken)]).refused(1, &["taken"]);
    alice.run(&["export", "-o", &path(&dir.path().join("no/such/a.jsonl"))]).refused(3, &["no/such"]);
    alice.run(&["export", "--level", "7", "-o", &path(&dir.path().join("b.jsonl"))]).refused(2, &["7"]);
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["taken"]);
    let whole = dir.path().join("c.jsonl");
    alice.run(&["export", "-o", &path(&whole)]).good();
    let text = fs::read_to_string(&whole).unwrap();
    let cut = dir.path().join("cut.jsonl");
    fs::write(&cut, text.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    let bob = Machine::new("bob");
    let run = bob.run(&["--json", "import", "jsonl", &path(&cut)]);
    assert_eq!((run.code, &run.json()["bad"][0]["kind"]), (1, &"broken_off".into()), "{run:#?}");
    assert_eq!(bob.facts(), 1, "what is whole is kept");
}

#[test]
fn a_member_exports_what_the_team_knows_and_not_what_is_closed_to_him() {
    let (alice, bob) = team_of_two();
    alice.run(&["team", "rotate-role", "admin"]).good();
    alice.remember("for all");
    alice.run(&["remember", "for admins", "--role", "admin"]).good();
    until("bob holds both", || bob.json(&["status"])["closed"] == 1 && bob.facts() == 1);
    let run = bob.run(&["export", "--sealed"]).good();
    let facts = facts_of(&run.stdout);
    assert_eq!(facts.values().map(|fact| fact["content"].as_str().unwrap()).collect::<Vec<_>>(), ["for all"]);
    assert!(run.stderr.contains("1 sealed to roles that this node cannot read"), "{run:#?}");
    let eve = Machine::new("eve");
    let imported = eve.run_with(&["--json", "import", "jsonl", "-"], run.stdout.as_bytes()).good().json();
    assert_eq!(imported["imported"], 1, "{imported:#}");
}
