//! Who holds what: receipts of the members, and whether a machine can be wiped.

use crate::common::{Machine, team_of_two, until};
use serde_json::Value;

/// The wipe check of a machine, and its exit code.
fn wipe_check(machine: &Machine) -> (Value, i32) {
    let run = machine.run(&["--json", "wipe-check"]);
    (serde_json::from_str(run.stdout.trim()).unwrap(), run.code)
}

fn kinds(check: &Value, loses: bool) -> Vec<String> {
    let items = check["items"].as_array().unwrap().iter().filter(|item| item["loses"] == loses);
    items.map(|item| item["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_machine_alone_cannot_be_wiped() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let fact = alice.remember("the staging port is 6543");
    let (check, code) = wipe_check(&alice);
    assert_eq!((code, &check["safe"]), (4, &Value::Bool(false)));
    assert_eq!(kinds(&check, true)[..2], ["unconfirmed", "only_steward"]);
    assert_eq!(kinds(&check, false), ["recovery_phrase"]);
    let example = check["items"][0]["examples"][0].as_str().unwrap();
    assert_eq!(example, format!("{fact} the staging port is 6543"));
    let words = alice.run(&["wipe-check"]);
    assert!(
        words.code == 4
            && words.stdout.contains("Do not wipe this machine")
            && words.stdout.contains("antiphon invite")
    );
    let alone = alice.run(&["receipts", "--all"]).good();
    assert!(alone.stdout.contains("only member"), "{}", alone.stdout);
    alice.run(&["down"]).good();
}

#[test]
fn members_sign_for_what_they_hold_and_then_a_machine_can_go() {
    let (alice, bob) = team_of_two();
    let fact = bob.remember("deploys go out on thursdays");
    until("alice has signed for it", || bob.json(&["receipts", &fact])["held"] == 1);
    let receipt = bob.json(&["receipts", &fact]);
    assert_eq!((&receipt["shared"], &receipt["edits"]), (&Value::Bool(true), &Value::from(1)));
    assert_eq!((&receipt["members"][0]["name"], &receipt["members"][0]["holding"]), (&"alice".into(), &"whole".into()));
    assert!(receipt["members"][0]["signed_at"].is_string());
    let words = bob.run(&["receipts", &fact[..20]]).good();
    assert!(words.stdout.contains("Signed for by 1 of 1 member."), "{}", words.stdout);
    until("alice has signed for everything", || wipe_check(&bob).1 == 0);
    let (check, _) = wipe_check(&bob);
    assert_eq!((kinds(&check, true), kinds(&check, false)), (Vec::new(), vec!["recovery_phrase".to_owned()]));
    assert_eq!(bob.json(&["receipts", "--all"])["members"][0]["holding"], "whole");
    // The steward is another matter.
    until("bob has signed too", || !kinds(&wipe_check(&alice).0, true).contains(&"unconfirmed".to_owned()));
    assert!(kinds(&wipe_check(&alice).0, true).contains(&"only_steward".to_owned()));
    // What bob writes while alice is away is nowhere else.
    alice.run(&["down"]).good();
    let late = bob.remember("alice does not know this");
    let (check, code) = wipe_check(&bob);
    assert_eq!((code, &check["items"][0]["kind"], &check["items"][0]["count"]), (4, &"unconfirmed".into(), &1.into()));
    assert_eq!(bob.json(&["receipts", &late])["members"][0]["holding"], "not");
    bob.run(&["down"]).good();
}

#[test]
fn a_document_that_nobody_else_has_would_be_lost() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let bob = Machine::new("bob");
    let ticket = alice.json(&["invite", "--role", "backend_developer"])["ticket"].as_str().unwrap().to_owned();
    bob.run(&["init", "--team", "mine"]).good();
    bob.run(&["join", &ticket]).good();
    let settled = || !kinds(&wipe_check(&bob).0, true).contains(&"unconfirmed".to_owned());
    until("alice has signed for what came before", settled);
    alice.run(&["down"]).good();
    let address = "ucxl://bob/backend_developer/shop/login/decision";
    let put = ["content", "put", address, "-", "--as", "backend_developer"];
    bob.run_with(&put, b"We sign tokens with Ed25519.").good();
    let (check, code) = wipe_check(&bob);
    let items = check["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["kind"] == "documents").unwrap();
    assert_eq!((code, &item["loses"], &item["count"]), (4, &true.into(), &1.into()));
    assert_eq!((&item["examples"][0], &check["documents"]["only_here"]), (&address.into(), &1.into()));
    assert!(item["fix"].as_str().unwrap().contains("antiphon replication run"), "{item}");
    alice.run(&["up", "--detach"]).good();
    until("alice has a copy", || wipe_check(&bob).1 == 0);
    let (check, _) = wipe_check(&bob);
    assert_eq!((&check["documents"]["held"], &check["documents"]["only_here"]), (&1.into(), &0.into()));
    until("what she proved is kept", || bob.json(&["receipts", "--all"])["members"][0]["documents"] == 1);
    let words = bob.run(&["receipts", "--all"]).good().stdout;
    assert!(words.contains("DOCUMENTS") && words.contains("1 of 1"), "{words}");
    alice.run(&["down"]).good();
    bob.run(&["down"]).good();
}

#[test]
fn what_is_private_is_not_shared_and_would_be_lost() {
    let (alice, bob) = team_of_two();
    let fact = bob.run(&["--json", "remember", "my own note", "--private"]).good();
    let fact: Value = serde_json::from_str(fact.stdout.trim()).unwrap();
    let id = fact["id"].as_str().unwrap();
    assert_eq!(bob.json(&["receipts", id])["shared"], false);
    assert!(bob.run(&["receipts", id]).good().stdout.contains("never leaves this machine"));
    assert!(kinds(&wipe_check(&bob).0, true).contains(&"private".to_owned()));
    bob.run(&["backup", "seal", "--all"]).good();
    until("alice keeps it sealed", || !kinds(&wipe_check(&bob).0, true).contains(&"private".to_owned()));
    assert!(kinds(&wipe_check(&alice).0, false).contains(&"kept_copies".to_owned()));
    alice.run(&["down"]).good();
    bob.run(&["down"]).good();
}

#[test]
fn receipts_are_asked_for_one_fact_or_all() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    assert_eq!(alice.json(&["receipts"]), alice.json(&["receipts", "--all"]));
    assert_eq!(alice.run(&["receipts", "--all", "01J"]).code, 2);
    alice.run(&["down"]).good();
}
