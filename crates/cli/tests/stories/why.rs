//! Why is it not there? Two machines, and everything that a person can set between them.

use crate::common::{Machine, team_of_two, until};
use serde_json::{Value, json};

fn codes(why: &Value) -> Vec<&str> {
    why["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// The team of two, once both know that they hold the same.
fn in_step() -> (Machine, Machine) {
    let (alice, bob) = team_of_two();
    until("alice knows that bob holds the same", || alice.json(&["why", "bob"])["held"] == json!(true));
    until("bob knows it too", || bob.json(&["why", "alice"])["held"] == json!(true));
    (alice, bob)
}

#[test]
fn a_fact_is_explained_in_both_directions_until_it_is_there() {
    let (alice, bob) = in_step();
    bob.run(&["down"]).good();
    until("bob is away", || alice.json(&["peers", "show", "bob"])["connected"] == json!(false));
    let fact = alice.remember("written while bob is off");
    let why = alice.json(&["why", &fact, "bob"]);
    assert_eq!((codes(&why), &why["held"]), (vec!["no_route", "behind"], &json!(false)), "{why}");
    assert_eq!((&why["name"], &why["fact"]), (&json!("bob"), &json!(fact)));
    assert_eq!(why["findings"][0]["fix"], json!("antiphon up --detach (on bob)"));
    assert_eq!((&why["findings"][0]["blocks"], &why["findings"][1]["blocks"]), (&json!(true), &json!(false)));
    let words = alice.run(&["why", &fact, "bob"]).good().stdout;
    assert!(words.starts_with("No: bob does not have ") && words.contains("\n  try: antiphon up --detach"), "{words}");
    let status = alice.run(&["status"]).good().stdout;
    assert!(status.contains("\nbob: away, last heard of ") && status.contains("it lacks 1 event"), "{status}");
    alice.run(&["down"]).good();
    // Bob has not heard of it and says so; the id tells whose it is.
    let why = bob.json(&["why", &fact, "alice"]);
    assert_eq!(codes(&why)[..2], ["unknown_here", "no_route"], "{why}");
    assert!(why["findings"][0]["what"].as_str().unwrap().contains("made by alice"), "{why}");
    until("alice has bob's word for it", || codes(&alice.json(&["why", &fact, "bob"])) == ["receipt"]);
    assert_eq!(bob.json(&["why", &fact, "alice"])["held"], json!(true));
}

#[test]
fn what_a_person_set_is_named_and_holds_at_once() {
    let (alice, bob) = in_step();
    let paused = alice.json(&["peers", "pause", "bob"]);
    assert_eq!((&paused["mode"], &paused["name"]), (&json!("paused"), &json!("bob")));
    let fact = alice.remember("for later");
    assert_eq!(codes(&alice.json(&["why", &fact, "bob"])), ["paused", "behind"]);
    let federation = alice.json(&["federation", "status"]);
    assert_eq!((&federation["mode"], &federation["levels"]), (&json!("sync"), &json!(["project", "domain"])));
    assert_eq!(federation["peers"][0]["mode"], json!("paused"));
    assert_eq!(federation["peers"][0]["hint"], json!("antiphon peers resume bob"));
    assert_eq!(alice.json(&["peers", "resume", "bob"])["mode"], json!("sync"));
    until("bob has it", || alice.json(&["why", &fact, "bob"])["held"] == json!(true));
    assert_eq!(alice.json(&["federation", "mode", "subscribe"]), json!({"mode": "subscribe"}));
    assert_eq!(alice.json(&["federation", "mode"]), json!({"mode": "subscribe"}));
    let kept = alice.remember("not sent");
    assert_eq!(codes(&alice.json(&["why", &kept, "bob"]))[0], "node_mode");
    assert_eq!(alice.json(&["status"])["mode"], json!("subscribe"));
    alice.json(&["federation", "mode", "sync"]);
    until("bob has that too", || alice.json(&["why", &kept, "bob"])["held"] == json!(true));
    let shared = alice.json(&["peers", "share", "bob", "--except", "pay,hr", "--only", "web"]);
    assert_eq!(shared["domains"], json!({"only": ["web"], "except": ["pay", "hr"]}));
    let of_none = alice.remember("of no domain");
    assert_eq!(codes(&alice.json(&["why", &of_none, "bob"]))[0], "domain");
    assert_eq!(alice.json(&["peers", "share", "bob", "--all"])["domains"], json!({"only": [], "except": []}));
    drop(bob);
}

#[test]
fn who_asks_wrongly_hears_what_to_ask() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    alice.run(&["why", "eve"]).refused(3, &["no peer eve", "antiphon peers list"]);
    let fact = alice.remember("here");
    alice.run(&["why", &fact, "eve"]).refused(3, &["no peer eve"]);
    alice.run(&["peers", "pause", "eve"]).refused(3, &["no peer eve"]);
    alice.run(&["federation", "mode", "loud"]).refused(2, &["loud", "sync, publish or subscribe"]);
    let nothing = alice.run(&["peers", "share", "eve"]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
    let both = alice.run(&["peers", "share", "eve", "--all", "--only", "web"]);
    assert_eq!(both.code, 2, "{both:?}");
}
