//! The hash table on two machines: what one announces the other finds, and the network can be left alone.

use crate::common::{team_of_two, until};
use serde_json::Value;

#[test]
fn what_alice_announces_bob_finds() {
    let (alice, bob) = team_of_two();
    until("both have entered", || {
        [&alice, &bob].iter().all(|machine| machine.json(&["dht", "status"])["bootstrapped"] == true)
    });
    let card = alice.json(&["dht", "announce", "--capability", "fuzzing", "--agent", "claude"]);
    assert_eq!((&card["agent"], &card["capabilities"][0]), (&Value::from("claude"), &Value::from("fuzzing")));
    until("bob finds who can fuzz", || {
        let peers = bob.json(&["dht", "peers", "--capability", "fuzzing"]);
        peers["peers"][0]["name"] == "alice"
    });
    until("bob has her card", || {
        bob.run(&["dht", "get", "alice"]).code == 0 && bob.json(&["dht", "get", "alice"])["card"]["agent"] == "claude"
    });
    let words = bob.run(&["dht", "get", "alice"]).good().stdout;
    assert!(words.contains("card") && words.contains("fuzzing"), "{words}");

    // The signed bytes can be carried, and are believed for what they are.
    let file = bob.home().join("card");
    let file = file.to_str().unwrap();
    bob.run(&["dht", "get", "alice", "--output", file]).good();
    let again = bob.json(&["dht", "put", file]);
    assert_eq!(again["changed"], false);
    let mut bytes = std::fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file, bytes).unwrap();
    let refused = bob.run(&["dht", "put", file]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("did not sign"), "{refused:?}");

    let provided = alice.json(&["dht", "provide", "capability:cuda"]);
    assert_eq!(provided["changed"], true);
    until("bob finds the provider", || {
        bob.json(&["dht", "providers", "capability:cuda"])["providers"][0]["name"] == "alice"
    });
    let words = bob.run(&["dht", "providers", "capability:nothing"]).good().stdout;
    assert!(words.contains("Nobody"), "{words}");
    assert_eq!(alice.json(&["dht", "withdraw", "capability:cuda"])["changed"], true);
    let stats = alice.json(&["dht", "stats"]);
    assert!(stats["total_peers"].as_u64().unwrap() >= 1 && stats["connected_peers"] == 1, "{stats}");
    let words = alice.run(&["dht", "status"]).good().stdout;
    assert!(words.contains("the network") && words.contains("kad") && words.contains("healthy"), "{words}");
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let (alice, bob) = team_of_two();
    let check = |args: &[&str], code: i32, words: &[&str]| {
        let run = alice.run(&[&["dht"], args].concat());
        assert_eq!(run.code, code, "{args:?}: {run:?}");
        for word in words {
            assert!(run.stderr.contains(word), "{word:?} is missing: {run:?}");
        }
    };
    check(&["provide", "rust"], 2, &["capability:NAME"]);
    check(&["provide", "role:observer"], 4, &["does not hold the role observer", "team roles"]);
    check(&["get", "/elsewhere"], 2, &["no key"]);
    check(&["peers", "--role", "wizard"], 2, &["wizard"]);
    check(&["announce"], 2, &["nothing to announce"]);
    let chosen = alice.json(&["dht", "backend", "local"]);
    assert_eq!((&chosen["choice"], &chosen["using"]), (&Value::from("local"), &Value::from("local")));
    check(&["bootstrap"], 4, &["backend auto"]);
    let words = alice.run(&["dht", "backend", "auto"]).good().stdout;
    assert!(words.contains("while it does well"), "{words}");
    until("alice is back in", || alice.run(&["dht", "bootstrap"]).code == 0);
    drop(bob);
}
