//! Incidents on two machines: reported on one, worked on from both.

use crate::common;

use crate::common::{team_of_two, until};

#[test]
fn an_incident_reported_on_one_machine_is_worked_on_from_the_other() {
    let (alice, bob) = team_of_two();
    let report = [
        "incidents",
        "report",
        "a shell where none should be",
        "--severity",
        "high",
        "--phase",
        "exploitation",
        "--technique",
        "T1059",
        "--technique",
        "T1059.001",
        "--event-count",
        "12",
        "--rule",
        "shell-after-upload",
        "--description",
        "seen on two hosts",
    ];
    let id = alice.json(&report)["id"].as_str().unwrap().to_owned();
    let status = |machine: &common::Machine| {
        let listed = machine.json(&["incidents", "list"]);
        listed[0]["status"].as_str().unwrap_or_default().to_owned()
    };
    until("bob sees the incident", || status(&bob) == "open");
    let shown = bob.json(&["incidents", "show", &id]);
    assert_eq!(shown["source_peer_id"], alice.json(&["status"])["node_id"], "{shown:#}");
    assert_eq!((&shown["trust"], &shown["mitre_mapping"][1]), (&"member".into(), &"T1059.001".into()));
    let updated = bob.run(&["incidents", "update", &id, "--status", "contained", "--no-techniques"]).good().stdout;
    assert_eq!(updated.trim(), format!("Updated {id}."));
    until("alice sees that it is contained", || status(&alice) == "contained");
    until("both hold the same", || alice.state_hash() == bob.state_hash());
    let words = alice.run(&["incidents", "show", &id[..20]]).good().stdout;
    for part in ["a shell where none should be", "exploitation", "12", "seen on two hosts", "status = contained"] {
        assert!(words.contains(part), "{part:?} is not in\n{words}");
    }
    let none = alice.json(&["incidents", "list", "--status", "closed"]);
    assert_eq!(none.as_array().map(Vec::len), Some(0));
    assert_eq!(alice.facts(), 0);
}

#[test]
fn what_cannot_be_an_incident_is_refused_with_the_words_there_are() {
    let (alice, _bob) = team_of_two();
    let check = |args: &[&str], code: i32, word: &str| {
        let run = alice.run(args);
        assert_eq!(run.code, code, "{args:?}");
        assert!(run.stderr.contains(word), "{word:?} is not in\n{}", run.stderr);
    };
    check(&["incidents", "report", "x", "--severity", "urgent"], 2, "info, low, medium, high, critical");
    check(&["incidents", "report", "x", "--technique", "TA0001"], 2, "T1059.001");
    check(&["incidents", "report", ""], 2, "the title is empty");
    check(&["incidents", "update", "01ZZZZ", "--status", "closed"], 3, "antiphon incidents list");
    check(&["incidents", "update", "01ZZZZ"], 2, "--status contained");
    check(&["incidents", "show", "01ZZZZ"], 3, "no incident 01ZZZZ");
}
