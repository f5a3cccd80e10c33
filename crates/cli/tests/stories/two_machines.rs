//! The story of two machines: one founds a team, the other joins, and what one remembers the other recalls.

use std::process::Command;

use crate::common::{ANTIPHON, Machine, Run, finish, invite, team_of_two, until};

#[test]
fn what_one_machine_remembers_the_other_recalls() {
    let (alice, bob) = team_of_two();
    alice.remember("the staging database is called nightingale");
    bob.remember("deploys go out on thursdays");
    until("bob recalls what alice remembers", || !bob.recall("nightingale").is_empty());
    until("alice recalls what bob remembers", || !alice.recall("thursdays").is_empty());
    until("both hold the same", || alice.state_hash() == bob.state_hash());
    let hit = &bob.json(&["recall", "nightingale"])[0];
    assert_eq!(hit["origin"].as_str(), alice.json(&["status"])["node_id"].as_str(), "{hit:#}");
}

#[test]
fn whoever_has_joined_recalls_at_once_what_the_team_remembers() {
    let (alice, bob) = (Machine::new("alice"), Machine::new("bob"));
    alice.run(&["init", "--team", "choir"]).good();
    let verses = alice.home().with_file_name("verses.jsonl");
    let line = |n| format!("{{\"content\":\"verse {n} of the old song\"}}\n");
    std::fs::write(&verses, (0..1_000).map(line).collect::<String>()).unwrap();
    alice.run(&["import", "jsonl", verses.to_str().unwrap()]).good();
    alice.remember("the staging database is called nightingale");
    bob.run(&["join", &invite(&alice)]).good();
    assert_eq!(bob.recall("nightingale"), ["the staging database is called nightingale"]);
    assert_eq!(bob.facts(), 1_001);
}

#[test]
fn bob_works_on_while_alice_is_away_and_she_gets_it_all() {
    let (alice, bob) = team_of_two();
    alice.remember("alice was here first");
    until("bob has the first fact", || bob.facts() == 1);
    alice.run(&["down"]).good();
    for n in 0..5 {
        bob.remember(&format!("written on the train, number {n}"));
    }
    assert_eq!(bob.facts(), 6);
    until("alice catches up", || alice.facts() == 6);
    until("both hold the same", || alice.state_hash() == bob.state_hash());
}

#[test]
fn edits_and_forgetting_reach_the_other_machine() {
    let (alice, bob) = team_of_two();
    let id = alice.remember("the port is 5432");
    until("bob has it", || bob.facts() == 1);
    bob.run(&["facts", "edit", &id, "--content", "the port is 6543"]).good();
    until("alice sees the edit", || alice.recall("port") == ["the port is 6543"]);
    let history = alice.run(&["facts", "history", &id]).good().stdout;
    assert!(history.contains("-the port is 5432") && history.contains("+the port is 6543"), "{history}");
    alice.run(&["facts", "forget", &id]).good();
    until("bob has forgotten it", || bob.facts() == 0);
    assert!(bob.recall("port").is_empty());
    bob.run(&["facts", "restore", &id]).good();
    until("alice has it again", || alice.recall("port") == ["the port is 6543"]);
}

#[test]
fn private_facts_and_snippets_stay_where_they_were_written() {
    let (alice, bob) = team_of_two();
    alice.run(&["remember", "a secret thought", "--private"]).good();
    alice.run(&["remember", "a scrap", "--level", "snippet"]).good();
    alice.remember("for everybody");
    until("bob has what is shared", || bob.facts() == 1);
    until("both hold the same", || alice.state_hash() == bob.state_hash());
    assert_eq!((alice.facts(), bob.facts()), (3, 1));
}

#[test]
fn whoever_makes_a_shared_fact_private_is_told_that_others_keep_it() {
    let (alice, bob) = team_of_two();
    alice.remember("the door code is 1234");
    let id = alice.json(&["recall", "door"])[0]["id"].as_str().unwrap().to_owned();
    until("bob has it", || bob.facts() == 1);
    let said = alice.run(&["facts", "edit", &id, "--private", "true"]).good().stdout;
    assert!(said.contains("members that got it before keep it"), "{said}");
    assert!(said.contains(&format!("antiphon facts forget {id} --hard")), "{said}");
    assert_eq!(bob.recall("door"), ["the door code is 1234"], "as was said");
    let again = alice.run(&["facts", "edit", &id, "--tag", "door"]).good().stdout;
    assert!(!again.contains("keep it"), "{again}");
    // What was never shared is with nobody.
    alice.run(&["remember", "a diary", "--private"]).good();
    let own = alice.json(&["recall", "diary"])[0]["id"].as_str().unwrap().to_owned();
    let said = alice.run(&["facts", "edit", &own, "--level", "snippet"]).good().stdout;
    assert!(!said.contains("keep it"), "{said}");
}

#[test]
fn both_are_compared_at_once_when_somebody_asks() {
    let (alice, bob) = team_of_two();
    bob.remember("written just now");
    let members = alice.json(&["federation", "now"]);
    assert_eq!((&members[0]["name"], &members[0]["behind_events"]), (&"bob".into(), &0.into()), "{members:#}");
    bob.run(&["down"]).good();
    let alone = alice.run(&["federation", "now"]);
    assert!(alone.code == 5 && alone.stdout.contains("bob"), "{alone:#?}");
    let eve = Machine::new("eve");
    eve.run(&["init", "--team", "crows"]).good();
    assert!(eve.run(&["federation", "now"]).good().stdout.contains("Nobody else"), "a team of one is level");
}

#[test]
fn eve_of_another_team_is_refused_on_both_sides() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    alice.remember("only for the choir");
    let eve = Machine::new("eve");
    eve.run(&["init", "--team", "crows"]).good();
    let address = alice.json(&["status"])["listen"][0].as_str().unwrap().to_owned();
    let refused = eve.run(&["--json", "peers", "handshake", &address]);
    assert_eq!(refused.code, 4, "{refused:#?}");
    assert!(refused.stdout.contains("genome_mismatch"), "{refused:#?}");
    assert_eq!(eve.facts(), 0);
    for (machine, other) in [(&eve, &alice), (&alice, &eve)] {
        let other = other.json(&["status"])["node_id"].clone();
        let peers = machine.json(&["peers", "list"]);
        let seen = peers.as_array().unwrap().iter().find(|peer| peer["peer_id"] == other);
        let seen = seen.unwrap_or_else(|| panic!("the refusal left no trace: {peers:#}"));
        assert_eq!(seen["trust"], "REJECTED", "{seen:#}");
        assert!(seen["reason"].to_string().contains("genome_mismatch"), "{seen:#}");
    }
}

#[test]
fn a_node_in_use_says_what_becomes_of_its_facts_before_it_joins() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let bob = Machine::new("bob");
    bob.remember("brought along");
    bob.run(&["remember", "kept at home", "--private"]).good();
    let ticket = invite(&alice);
    bob.run(&["join", &ticket]).refused(2, &["1 fact", "--bring"]);
    assert_eq!(bob.facts(), 2);
    let joined = bob.json(&["join", &ticket, "--bring", "shared"]);
    assert_eq!((&joined["brought"], &joined["kept_local"]), (&1.into(), &1.into()), "{joined:#}");
    until("alice has what was brought", || alice.recall("brought") == ["brought along"]);
    assert_eq!((alice.facts(), bob.facts()), (1, 2));
}

/// What a person at a terminal sees and answers; `script` gives the command a terminal of its own.
fn at_a_terminal(machine: &Machine, args: &[&str], answer: &str) -> Option<Run> {
    let line = args.iter().map(|arg| format!("'{arg}'")).collect::<Vec<_>>().join(" ");
    let mut command = machine.command(&[]);
    let mut script = Command::new("script");
    script.args(["-qec", &format!("'{ANTIPHON}' {line}"), "/dev/null"]);
    for (name, value) in command.env("TERM", "dumb").get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no program `script` to make a terminal");
        return None;
    }
    Some(finish(script, answer.as_bytes()))
}

#[test]
fn a_person_is_shown_what_would_become_visible_and_decides() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    let bob = Machine::new("bob");
    bob.remember("bob's plan for the release");
    bob.run(&["remember", "bob's diary", "--private"]).good();
    let ticket = invite(&alice);
    let Some(run) = at_a_terminal(&bob, &["join", &ticket], "c\n") else { return };
    assert_eq!(run.code, 2, "{run:#?}");
    assert!(run.stdout.contains("bob's plan") && !run.stdout.contains("diary"), "{run:#?}");
    assert_eq!(bob.json(&["status"])["team"]["name"], "bob-team", "a cancelled join changes nothing");
    let run = at_a_terminal(&bob, &["join", &ticket], "what?\ns\n").unwrap();
    assert!(run.code == 0 && run.stdout.contains("now a member of choir"), "{run:#?}");
    until("alice has what was brought", || alice.recall("release") == ["bob's plan for the release"]);
    assert!(alice.recall("diary").is_empty());
}

#[test]
fn a_revoked_machine_gets_nothing_new() {
    let (alice, bob) = team_of_two();
    let bob_id = bob.json(&["status"])["node_id"].as_str().unwrap().to_owned();
    until("alice knows bob", || alice.json(&["peers", "list"]).to_string().contains(&bob_id));
    alice.run(&["team", "revoke", &bob_id, "--reason", "the laptop was stolen"]).good();
    alice.remember("not for bob");
    until("bob learns that he was revoked", || bob.json(&["status"]).to_string().to_lowercase().contains("revoked"));
    assert!(bob.recall("not for bob").is_empty());
}

#[test]
fn a_ticket_of_ones_own_team_changes_nothing() {
    let (alice, bob) = team_of_two();
    let ticket = invite(&alice);
    let again = bob.run(&["join", &ticket]).good();
    assert!(again.stdout.contains("already"), "{again:#?}");
    let own = alice.run(&["join", &ticket]).good();
    assert!(own.stdout.contains("already"), "{own:#?}");
}
