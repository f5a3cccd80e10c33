//! The story of messages: written while the other machine is off, read there, and known to be read.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{Machine, finish, kill_holder, team_of_two, until};

/// Texts of the messages that a command lists.
fn texts(machine: &Machine, args: &[&str]) -> Vec<String> {
    let found = machine.json(args);
    found["messages"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

fn delivery(machine: &Machine, id: &str) -> String {
    let sent = machine.json(&["inbox", "--sent"]);
    let one = sent["messages"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    one["delivery"].as_str().unwrap().to_owned()
}

/// Calls a tool of this machine as an agent does, and gives what it answers to programs.
fn call(machine: &Machine, tool: &str, arguments: &Value) -> Value {
    let client = json!({"name": "agent", "version": "1"});
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": client, "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    let line = format!("{}\n", json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}));
    let answer = finish(machine.command(&["mcp", "--profile", "full"]), line.as_bytes()).good().json();
    assert_ne!(answer["result"]["isError"], true, "{answer:#}");
    answer["result"]["structuredContent"].clone()
}

#[test]
fn what_an_agent_repeats_after_a_restart_is_sent_and_offered_once() {
    let (alice, bob) = team_of_two();
    bob.run(&["down"]).good();
    let letter = json!({"action": "send", "to": "bob", "text": "the build is red", "idempotency_key": "m1"});
    let offer = json!({"kind": "tool", "name": "linter", "idempotency_key": "r1"});
    let said =
        || (call(&alice, "message", &letter)["id"].clone(), call(&alice, "resource_publish", &offer)["id"].clone());
    let first = said();
    assert!(first.0.is_string() && first.1.is_string(), "{first:?}");
    assert_eq!(said(), first);
    // Nobody knows whether the answer arrived when the machine failed, so the agent asks again.
    kill_holder(alice.home());
    assert_eq!(said(), first);
    alice.run(&["down"]).good();
    assert_eq!(said(), first);
    // A person who uses the same key means the same message; another key is another one.
    let words = ["send", "bob", "the build is red", "--idempotency-key"];
    assert_eq!(alice.json(&[&words[..], &["m1"]].concat())["id"], first.0);
    assert_ne!(alice.json(&[&words[..], &["m2"]].concat())["id"], first.0);
    until("bob has both", || texts(&bob, &["inbox", "--peek"]).len() == 2);
    assert_eq!(alice.json(&["resources", "list"]).as_array().unwrap().len(), 1);
    until("alice knows that he has", || delivery(&alice, first.0.as_str().unwrap()) == "delivered");
    assert_eq!(texts(&bob, &["inbox", "--peek"]).len(), 2, "nothing came twice");
}

#[test]
fn bob_reads_what_alice_wrote_while_his_machine_was_off() {
    let (alice, bob) = team_of_two();
    bob.run(&["down"]).good();
    let fact = alice.remember("the retry is three times");
    let sent = alice.json(&["send", "bob", "please look at the retry", "--ref", &fact[..20]]);
    let id = sent["id"].as_str().unwrap();
    assert_eq!(sent["refs"][0], fact.as_str());
    assert_eq!(delivery(&alice, id), "queued");
    let waits = alice.run(&["inbox", "--sent"]).good().stdout;
    assert!(waits.contains("queued") && waits.contains("please look at the retry"), "{waits}");
    until("bob has it", || texts(&bob, &["inbox", "--unread"]) == ["please look at the retry"]);
    until("alice knows that he has", || delivery(&alice, id) == "delivered");

    // A list is looked through; a conversation is read.
    let list = bob.run(&["inbox"]).good().stdout;
    assert!(list.contains("alice") && list.contains("unread") && list.contains("1 unread"), "{list}");
    assert!(bob.run(&["status"]).good().stdout.contains("1 unread message: antiphon inbox"));
    let thread = bob.run(&["inbox", "--thread", id]).good().stdout;
    assert!(thread.contains("alice → you") && thread.contains(&format!("ref: {fact}")), "{thread}");
    assert!(texts(&bob, &["inbox", "--unread"]).is_empty());
    until("alice knows that he read it", || delivery(&alice, id) == "read");

    let answer = bob.run(&["send", "--reply-to", &id[..22], "looks right"]).good().stdout;
    assert!(answer.starts_with("Sent to alice as "), "{answer}");
    until("alice has the answer", || texts(&alice, &["inbox"]) == ["looks right"]);
    let thread = alice.run(&["inbox", "--thread", id, "--peek"]).good().stdout;
    assert!(thread.find("please look").unwrap() < thread.find("looks right").unwrap(), "{thread}");
    assert!(thread.contains("to: bob  read"), "{thread}");
    assert_eq!(texts(&alice, &["inbox", "--search", "look", "--unread"]), ["looks right"]);
    let marked = alice.run(&["inbox", "--mark-read", "all"]).good().stdout;
    assert_eq!(marked, "Marked 1 message as read.\n");
}

#[test]
fn an_inbox_can_be_followed() {
    let (alice, bob) = team_of_two();
    let first = alice.json(&["send", "bob", "one"])["id"].as_str().unwrap().to_owned();
    let mut command = bob.command(&["--json", "inbox", "--follow"]);
    let mut following = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["text"], "one");
    alice.run(&["send", "bob", "two\nof two lines"]).good();
    assert_eq!(next()["text"], "two\nof two lines");
    until("alice knows that it was read", || delivery(&alice, &first) == "read");
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn what_cannot_be_sent_says_why() {
    let (alice, _bob) = team_of_two();
    alice.run(&["send", "hello"]).refused(2, &["nobody is named", "antiphon send PEER TEXT"]);
    alice.run(&["send", "carol", "hello"]).refused(3, &["carol", "peers list"]);
    alice.run(&["send", "--role", "technical_writer", "hello"]).refused(3, &["technical_writer", "team members"]);
    alice.run(&["send", "--role", "king", "hello"]).refused(2, &["king", "team roles"]);
    alice.run(&["send", "bob", " "]).refused(2, &["empty"]);
    alice.run(&["send", "bob", "a\u{1b}[2J"]).refused(2, &["U+001B", "--escape"]);
    alice.run(&["send", "bob", "see", "--ref", "https://example.org"]).refused(2, &["ucxl://"]);
    alice.run(&["send", "--reply-to", "01ZZ", "hello"]).refused(3, &["01ZZ", "antiphon inbox"]);
    alice.run(&["inbox", "--thread", "01ZZ"]).refused(3, &["01ZZ"]);
    let long = "x".repeat(40_000);
    alice.run_with(&["send", "bob", "-"], long.as_bytes()).refused(2, &["40000", "--ref FACT"]);
    assert!(alice.run(&["inbox", "--sent"]).good().stdout.contains("Nothing was sent yet"));
}
