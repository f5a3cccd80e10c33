//! What a person sees of a team that grows, changes and loses members, and of its genes.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{ANTIPHON, Machine, finish, team_of_two, until};
use serde_json::Value;

fn id(machine: &Machine) -> String {
    machine.json(&["status"])["node_id"].as_str().unwrap().to_owned()
}

fn member(machine: &Machine, name: &str) -> Value {
    let team = machine.json(&["team", "members"]);
    team["members"].as_array().unwrap().iter().find(|member| member["name"] == name).cloned().unwrap_or_default()
}

fn join(steward: &Machine, machine: &Machine, role: &str) {
    let ticket = steward.json(&["team", "invite", "--role", role])["ticket"].as_str().unwrap().to_owned();
    machine.run(&["join", &ticket, "--bring", "none"]).good();
}

/// The beginning of the hash of what waits, once `machine` knows of it.
fn waiting(machine: &Machine) -> String {
    let record = || machine.json(&["team", "members"])["waiting"][0]["record"].as_str().map(str::to_owned);
    until("it waits", || record().is_some());
    record().unwrap()[..12].to_owned()
}

/// Whether the status names a problem that this command mends.
fn is_told(machine: &Machine, fix: &str) -> bool {
    machine.json(&["status"])["problems"].to_string().contains(fix)
}

/// Writes a file beside a machine's home.
fn file(machine: &Machine, name: &str, text: &str) -> String {
    let path = machine.home().with_file_name(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Somebody who can write the file of a stopped node changes a text in it, byte by byte.
fn tamper(file: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(file).unwrap();
    let places = bytes.windows(from.len()).enumerate().filter(|(_, found)| *found == from.as_bytes());
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    fs::write(file, bytes).unwrap();
}

/// Alice and bob are founding stewards of whom both must agree; carol is a developer.
fn two_stewards_and_carol() -> (Machine, Machine, Machine) {
    let (alice, bob, carol) = (Machine::new("alice"), Machine::new("bob"), Machine::new("carol"));
    let founding = format!(
        "stewards = [\"{}\"]\nthreshold = 2\n[[genes]]\nid = \"law.secrets\"\ntext = \"No secrets.\"\n",
        id(&bob)
    );
    let founding = file(&alice, "team.toml", &founding);
    let founded = alice.json(&["init", "--team", "choir", "--founding", &founding]);
    assert_eq!(
        (&founded["founding"]["threshold"], &founded["founding"]["genes"][0]),
        (&2.into(), &"law.secrets".into())
    );
    join(&alice, &bob, "admin");
    join(&alice, &carol, "backend_developer");
    until("bob knows carol", || !member(&bob, "carol").is_null());
    (alice, bob, carol)
}

#[test]
fn two_stewards_appoint_a_third_and_remove_it_together() {
    let (alice, bob, carol) = two_stewards_and_carol();
    carol.run(&["team", "steward", "add", "carol"]).refused(4, &["no steward", "team members"]);
    let asked = alice.run(&["team", "steward", "add", "carol"]).good().stdout;
    let record = waiting(&bob);
    assert!(asked.contains("waits for 1 more steward") && asked.contains(&record), "{asked}");
    alice.run(&["team", "steward", "add", "carol"]).good();
    assert_eq!(alice.json(&["team", "members"])["waiting"].as_array().unwrap().len(), 1, "it is not asked twice");
    assert_eq!(member(&alice, "carol")["steward"], false);
    assert!(is_told(&bob, &format!("antiphon team approve {record}")));
    let shown = bob.run(&["team", "members"]).good().stdout;
    assert!(shown.contains(&format!("antiphon team approve {record}")), "{shown}");
    let approved = bob.json(&["team", "approve", &record]);
    assert_eq!(
        (&approved["effective"], &approved["change"], &approved["name"]),
        (&true.into(), &"add".into(), &"carol".into())
    );
    bob.run(&["team", "approve", &record]).refused(3, &[&record, "antiphon team members"]);
    until("carol knows that she is a steward", || carol.json(&["status"])["steward"] == true);
    until("nothing waits any more", || !is_told(&bob, "team approve"));

    let revoked = alice.run(&["team", "revoke", "carol", "--reason", "left the choir"]).good().stdout;
    for words in ["waits for 1 more steward", "antiphon team approve", "Then new keys: admin", "it still has"] {
        assert!(revoked.contains(words), "{words}: {revoked}");
    }
    assert!(!member(&alice, "carol").is_null(), "without consent nobody is removed");
    let approved = bob.json(&["team", "approve", &waiting(&bob)]);
    assert_eq!((&approved["effective"], &approved["change"]), (&true.into(), &"revoke".into()));
    until("alice knows", || member(&alice, "carol").is_null());
    let team = alice.json(&["team", "members"]);
    assert_eq!((&team["former"][0]["name"], &team["former"][0]["reason"]), (&"carol".into(), &"left the choir".into()));
    assert_eq!((&team["waiting"], &team["stewards"]), (&serde_json::json!([]), &serde_json::json!(["alice", "bob"])));
    until("carol is told what to do", || is_told(&carol, "antiphon --profile NEW join TICKET"));
    assert!(carol.json(&["status"])["problems"].to_string().contains("removed from choir"));
}

#[test]
fn a_steward_renews_gives_roles_and_makes_keys() {
    let (alice, bob) = team_of_two();
    let mine = member(&alice, "bob");
    assert_eq!(
        (&mine["roles"][0], &mine["steward"], &mine["lacks"]),
        (&"backend_developer".into(), &false.into(), &serde_json::json!([]))
    );
    alice.run(&["team", "renew", "bob", "--life", "10d"]).good();
    assert!(is_told(&alice, "antiphon team renew bob"));
    until("bob knows that his grant ends", || is_told(&bob, "antiphon team renew bob (on a steward)"));
    bob.run(&["team", "renew", "bob"]).refused(4, &["no steward"]);
    for (life, words) in [("soon", "30d"), ("5", "365d"), ("99y", "365d")] {
        alice.run(&["team", "renew", "bob", "--life", life]).refused(2, &[life, words]);
    }
    assert_eq!(alice.run(&["team", "renew"]).code, 2);
    let renewed = alice.json(&["team", "renew", "--all"]);
    assert_eq!(renewed["members"].as_array().unwrap().len(), 2);
    assert!(!is_told(&alice, "team renew"));

    alice.run(&["team", "roles", "bob", "--set", "king"]).refused(2, &["king", "antiphon team roles"]);
    assert_eq!(alice.run(&["team", "roles", "bob"]).code, 2);
    let set = alice.json(&["team", "roles", "bob", "--set", "qa_engineer,observer"]);
    assert_eq!(set["members"][0]["roles"], serde_json::json!(["observer", "qa_engineer"]));
    let role = |name: &str| {
        let roles = alice.json(&["team", "roles"]);
        roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == name).cloned().unwrap()
    };
    assert_eq!(
        (&role("backend_developer")["members"], &role("backend_developer")["holders"]),
        (&serde_json::json!([]), &1.into())
    );
    assert_eq!((&role("observer")["members"][0], &role("observer")["holders"]), (&"bob".into(), &2.into()));
    until("bob has his new roles", || bob.json(&["status"])["roles"][1] == "qa_engineer");
    let rotated = alice.json(&["team", "rotate-role", "observer", "--fresh"]);
    assert_eq!((&rotated["role"]["epochs"], &rotated["fresh"]), (&2.into(), &true.into()));
    alice.run(&["team", "rotate-role", "king"]).refused(2, &["king"]);
    assert!(alice.run(&["team", "roles"]).good().stdout.contains("(2nd)"));
}

#[test]
fn what_a_removed_member_wrote_can_be_adopted() {
    let (alice, bob) = team_of_two();
    bob.remember("bob was here");
    until("alice has it", || alice.facts() == 1);
    alice.run(&["team", "adopt", "bob"]).refused(2, &["not removed"]);
    alice.run(&["team", "revoke", "bob", "--reason", " "]).refused(2, &["reason"]);
    let revoked = alice.json(&["team", "revoke", "bob", "--reason", "left"]);
    assert_eq!((&revoked["effective"], &revoked["behind"]), (&true.into(), &serde_json::json!([])));
    assert_eq!((revoked["peer_id"].as_str().unwrap(), &revoked["roles"][0]), (&*id(&bob), &"backend_developer".into()));
    assert_eq!(alice.facts(), 1, "what came before the removal counts");
    let adopted = alice.json(&["team", "adopt", "bob"]);
    assert_eq!((&adopted["adopted"], &adopted["beyond"], &adopted["name"]), (&0.into(), &0.into(), &"bob".into()));
    alice.run(&["team", "revoke", "eve", "--reason", "x"]).refused(3, &["eve"]);
}

#[test]
fn a_gene_that_is_added_reaches_the_others_for_good() {
    let (alice, bob) = team_of_two();
    let added = alice.json(&["gene", "add", "Deploys go out on Thursdays."]);
    assert_eq!(added["id"], "law.deploys-go-out-on-thursdays");
    assert_eq!(alice.json(&["gene", "add", "Deploys go out on Thursdays!"])["id"], "law.deploys-go-out-on-thursdays-2");
    until("bob has both", || {
        bob.json(&["gene", "list"])["genome_hash"] == alice.json(&["gene", "list"])["genome_hash"]
    });
    let gene = bob.json(&["gene", "show", "law.deploys-go-out-on-thursdays"]);
    assert_eq!((&gene["founding"], &gene["text"]), (&false.into(), &"Deploys go out on Thursdays.".into()));
    until("they still trust each other", || bob.json(&["peers", "list"])[0]["trust"] == "VERIFIED");
    bob.run(&["gene", "add", "bob decides"]).refused(4, &["no steward"]);
    alice.run(&["gene", "add", "x", "--id", "law.deploys-go-out-on-thursdays"]).refused(4, &["for good"]);
    alice.run(&["gene", "add", "x", "--id", "policy.steward_threshold"]).refused(4, &["one steward"]);
    alice.run(&["gene", "add", "x", "--id", "Law"]).refused(2, &["Law"]);
    alice.run(&["gene", "add", " "]).refused(2, &["text"]);
    alice.run(&["gene", "show", "nope"]).refused(3, &["nope", "antiphon gene list"]);
    assert_eq!(alice.json(&["gene", "verify"])["ok"], true);
}

#[test]
fn a_proof_is_checked_where_nothing_else_is() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let path = alice.home().with_file_name("proof.json").display().to_string();
    let said = alice.run(&["gene", "prove", "role.observer", "-o", &path]).good().stdout;
    let root = alice.json(&["gene", "list"])["genome_hash"].as_str().unwrap().to_owned();
    assert!(said.contains(&format!("antiphon gene check {path} --root {root}")), "{said}");
    let proof = fs::read_to_string(&path).unwrap();
    assert_eq!(alice.run(&["gene", "prove", "role.observer"]).good().stdout, proof);

    // A machine without a home, to which nothing is known but the root.
    let check = |args: &[&str], stdin: &str| {
        let mut command = Command::new(ANTIPHON);
        command.env_clear().args(["gene", "check"]).args(args);
        finish(command, stdin.as_bytes())
    };
    assert!(check(&[&path, "--root", &root], "").good().stdout.contains("role.observer belongs"));
    assert!(check(&["-", "--root", &root, "--json"], &proof).good().json()["proven"] == true);
    let forged = proof.replace("read_only", "master");
    check(&["-", "--root", &root], &forged).refused(4, &["role.observer", "was changed"]);
    check(&["-", "--root", &"ab".repeat(32)], &proof).refused(4, &["another genome"]);
    check(&["-", "--root", "abc"], &proof).refused(2, &["64 hex digits"]);
    check(&["-", "--root", &root], "{}").refused(2, &["not a proof"]);
    check(&["-", "--root", &root], &" ".repeat(70_000)).refused(2, &["65536 bytes"]);
    check(&["/nowhere/proof.json", "--root", &root], "").refused(3, &["/nowhere/proof.json"]);
}

#[test]
fn a_node_whose_stewards_were_changed_does_not_start_and_names_the_gene() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let steward = alice.json(&["gene", "show", "steward.first"])["text"].as_str().unwrap().to_owned();
    alice.run(&["down"]).good();
    let eve = "12D3KooWHZ4RE7MPzc3TXyBbkkXeKPVXaAwbwSTQmYMcN87R4ZDa";
    tamper(&alice.home().join("antiphon.db"), &steward, eve);
    alice.run(&["status"]).refused(4, &["steward.first", "antiphon recover"]);
}

#[test]
fn a_tampered_gene_is_named() {
    let alice = Machine::new("alice");
    let founding = file(&alice, "team.toml", "[[genes]]\nid = \"law.secrets\"\ntext = \"No secrets.\"\n");
    alice.run(&["init", "--team", "choir", "--founding", &founding]).good();
    assert_eq!(alice.json(&["gene", "verify"])["ok"], true);
    alice.run(&["down"]).good();
    tamper(&alice.home().join("antiphon.db"), "No secrets.", "So secrets.");
    let run = alice.run(&["--json", "gene", "verify"]);
    let report = run.json();
    assert_eq!((run.code, &report["ok"], &report["tampered"]), (1, &false.into(), &serde_json::json!(["law.secrets"])));
    assert_ne!(report["founding_root"], report["team"]);
    assert!(alice.run(&["gene", "verify"]).stdout.contains("law.secrets"));
    let run = alice.run(&["verify"]);
    assert!(run.code == 1 && run.stdout.contains("gene law.secrets is not what it was"), "{run:#?}");
}

#[test]
fn a_founding_file_that_is_wrong_founds_nothing() {
    let alice = Machine::new("alice");
    let check = |text: &str, words: &[&str]| {
        let path = file(&alice, "team.toml", text);
        alice.run(&["init", "--team", "choir", "--founding", &path]).refused(2, words);
    };
    check("\nthreshhold = 2", &["team.toml:2: threshhold is not known", "did you mean threshold?"]);
    check("stewards = [\"eve\"]", &["team.toml:1: stewards", "not a node id"]);
    check("[[genes]]\nid = \"team.name\"\ntext = \"x\"", &["team.toml:2: ", "--team"]);
    check("this is no TOML", &["team.toml:1: "]);
    alice.run(&["init", "--team", "choir", "--founding", "/nowhere/team.toml"]).refused(3, &["/nowhere/team.toml"]);
    alice.run(&["init", "--team", ""]).refused(2, &["team name"]);
    assert!(!alice.home().join("node.key").exists());
    alice.run(&["init", "--team", "choir"]).good();
}
