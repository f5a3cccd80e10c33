//! What waits for a machine that is away, as people and programs see it.

use crate::common;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Machine, finish, team_of_two, until};
use serde_json::Value;

/// Starts a node with settings of its own.
#[track_caller]
fn up(machine: &Machine, settings: &[(&str, &str)]) {
    let mut command = machine.command(&["up", "--detach"]);
    command.envs(settings.iter().copied());
    finish(command, b"").good();
}

/// Stops a node and starts it with other settings.
#[track_caller]
fn restart(machine: &Machine, settings: &[(&str, &str)]) {
    machine.run(&["down"]).good();
    up(machine, settings);
}

/// Two machines, of which bob's is switched off; alice tries again soon.
fn bob_is_away() -> (Machine, Machine) {
    let (alice, bob) = team_of_two();
    until("bob is verified", || alice.json(&["status"])["peers"][0]["trust"] == "VERIFIED");
    bob.run(&["down"]).good();
    restart(&alice, &[("ANTIPHON_OUTBOX_RETRY", "200ms")]);
    (alice, bob)
}

fn send(alice: &Machine, text: &str) {
    alice.run(&["send", "bob", text]).good();
}

/// What a command prints that is watching while something happens.
#[track_caller]
fn watch(machine: &Machine, args: &[&str], happens: impl FnOnce()) -> String {
    let mut command = machine.command(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut watching = command.spawn().unwrap();
    let mut out = BufReader::new(watching.stdout.take().unwrap());
    let mut seen = String::new();
    out.read_line(&mut seen).unwrap();
    happens();
    out.read_to_string(&mut seen).unwrap();
    assert!(watching.wait().unwrap().success(), "{seen}");
    seen
}

fn items(alice: &Machine) -> Vec<Value> {
    alice.json(&["outbox", "list"])["items"].as_array().unwrap().clone()
}

fn states(alice: &Machine) -> Vec<String> {
    items(alice).iter().map(|item| item["state"].as_str().unwrap().to_owned()).collect()
}

/// Texts that bob got, the oldest first.
fn got(bob: &Machine) -> Vec<String> {
    let inbox = bob.json(&["inbox"]);
    let mut messages = inbox["messages"].as_array().unwrap().clone();
    messages.sort_by_key(|message| message["number"].as_u64());
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_waits_for_bob_shows_its_place_and_the_next_try() {
    let (alice, bob) = bob_is_away();
    for text in ["one", "two", "three"] {
        send(&alice, text);
    }
    let waiting = items(&alice);
    let places: Vec<_> = waiting.iter().map(|item| item["position"].as_u64().unwrap()).collect();
    assert_eq!(places, [1, 2, 3]);
    assert!(waiting.iter().all(|item| item["protocol"] == "message" && item["name"] == "bob"), "{waiting:?}");
    assert_eq!(alice.json(&["outbox", "list", "--peer", "bob", "--level", "critical", "--limit", "2"])["next"], "2");
    assert_eq!(alice.json(&["outbox", "list", "--after", "2"])["items"][0]["position"], 3);
    assert_eq!(alice.json(&["outbox", "list", "--level", "moderate"])["items"], Value::Array(Vec::new()));
    alice.run(&["outbox", "list", "--peer", "eve"]).refused(3, &["no peer eve"]);
    alice.run(&["outbox", "list", "--level", "none"]).refused(2, &["critical or moderate"]);

    until("the first try has failed", || items(&alice)[0]["tries"].as_u64() > Some(0));
    let shown = alice.run(&["outbox", "show", "2"]).good().stdout;
    for words in ["bob", "message", "critical", "waiting", "tries"] {
        assert!(shown.contains(words), "{shown}");
    }
    let shown = alice.run(&["outbox", "list"]).good().stdout;
    assert!(shown.lines().count() >= 4 && shown.contains("NEXT TRY"), "{shown}");

    let status = alice.json(&["status"]);
    assert_eq!((&status["outbox"]["pending"], &status["outbox"]["peers"][0]["name"]), (&3.into(), &"bob".into()));
    assert!(alice.run(&["status"]).good().stdout.contains("3 items wait for bob, next try"));
    assert!(alice.run(&["federation", "status"]).good().stdout.contains("3 items wait for bob"));
    assert_eq!(alice.json(&["federation", "status"])["peers"][0]["outbox"]["pending"], 3);
    let wipe = alice.run(&["wipe-check"]);
    assert!(wipe.code == 4 && wipe.stdout.contains("lost: 3 items in the outbox, not delivered yet"), "{wipe:?}");
    assert!(alice.run(&["why", "bob"]).good().stdout.contains("the outbox holds 3 items for bob, at place 1 to 3"));

    let watched = watch(&alice, &["outbox", "list", "--watch"], || up(&bob, &[]));
    assert!(watched.starts_with("3 items wait: 3 for bob\n") && watched.ends_with("Nothing waits.\n"), "{watched}");
    assert_eq!(got(&bob), ["one", "two", "three"]);
    let stats = alice.json(&["outbox", "stats"]);
    // What a node stores and how it shares is told when a member is let in, and counted as well.
    let delivered = stats["counters"]["delivered"].as_u64().unwrap();
    assert!(stats["pending"] == 0 && (3..=5).contains(&delivered), "{stats}");
    assert!(stats["peers"][0]["delivered_at"].is_string(), "{stats}");
    assert_eq!(alice.json(&["status"])["outbox"]["pending"], 0);
}

#[test]
fn a_program_that_watches_gets_a_line_of_json_for_each_look() {
    let (alice, bob) = bob_is_away();
    send(&alice, "one");
    let lines = watch(&alice, &["--json", "outbox", "stats", "--watch"], || up(&bob, &[]));
    let pending: Vec<_> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["pending"].clone()).collect();
    assert_eq!((pending.first(), pending.last()), (Some(&1.into()), Some(&0.into())), "{pending:?}");
}

#[test]
fn what_a_person_drops_is_not_delivered_and_stands_in_the_audit() {
    let (alice, bob) = bob_is_away();
    for text in ["one", "two", "three"] {
        send(&alice, text);
    }
    let undecided = alice.run(&["outbox", "drop", "2"]);
    undecided.refused(2, &["nobody is here to be asked", "antiphon outbox drop 2 --yes"]);
    assert_eq!(items(&alice).len(), 3);
    let dropped = alice.json(&["outbox", "drop", "2", "--yes"]);
    assert_eq!((&dropped["dropped"]["id"], &dropped["dropped"]["name"]), (&"2".into(), &"bob".into()));
    alice.run(&["outbox", "drop", "2", "--yes"]).refused(3, &["no item 2", "antiphon outbox list"]);
    alice.run(&["outbox", "show", "2"]).refused(3, &["no item 2"]);
    alice.run(&["outbox", "show", "two"]).refused(2, &["\"two\"", "antiphon outbox list"]);
    let places: Vec<_> = items(&alice).iter().map(|item| item["position"].clone()).collect();
    assert_eq!(places, [1, 2], "the one behind moves up");
    let audit = alice.json(&["audit"]);
    let line = audit.as_array().unwrap_or_else(|| audit["lines"].as_array().unwrap());
    assert_eq!(
        (&line[0]["kind"], &line[0]["reason"]["code"], &line[0]["name"]),
        (&"outbox".into(), &"dropped".into(), &"bob".into())
    );
    assert!(line[0]["detail"].as_str().unwrap().contains("item 2: message"), "{line:?}");
    assert_eq!(alice.json(&["outbox", "stats"])["counters"]["dropped"], 1);
    up(&bob, &[]);
    until("bob has the others", || got(&bob) == ["one", "three"]);
}

#[test]
fn a_retry_goes_at_once() {
    let (alice, bob) = bob_is_away();
    // Only a person can be faster than this.
    restart(&alice, &[("ANTIPHON_OUTBOX_RETRY", "10m")]);
    assert_eq!(alice.run(&["outbox", "retry", "--all"]).good().stdout, "Nothing waits, so nothing is tried.\n");
    send(&alice, "one");
    assert_eq!(alice.run(&["outbox", "retry"]).code, 2, "it must be told what to try");
    assert_eq!(alice.json(&["outbox", "retry", "1"]), serde_json::json!({"put_back": 0, "peers": 1}));
    until("it was tried", || items(&alice)[0]["tries"].as_u64() > Some(0));
    up(&bob, &[]);
    until("bob has it", || {
        alice.run(&["outbox", "retry", "--all"]).good();
        got(&bob) == ["one"]
    });
}

#[test]
fn what_waits_for_a_removed_member_is_kept_and_not_sent() {
    let (alice, _bob) = bob_is_away();
    send(&alice, "for bob alone");
    alice.run(&["team", "revoke", "bob", "--reason", "left"]).good();
    until("it is refused", || states(&alice) == ["refused"]);
    let shown = alice.run(&["outbox", "list"]).good().stdout;
    for words in ["note: 1: it was refused for good", "(revoked)", "antiphon outbox drop 1 --yes"] {
        assert!(shown.contains(words), "{words:?}: {shown}");
    }
    let status = alice.json(&["status"]);
    assert_eq!((&status["outbox"]["pending"], &status["outbox"]["stuck"]), (&0.into(), &1.into()));
    let told = |problem: &Value| problem["what"].as_str().unwrap().contains("1 item of the outbox is not delivered");
    assert!(status["problems"].as_array().unwrap().iter().any(told), "{status}");
    // A person may try, and it stays so.
    assert_eq!(alice.json(&["outbox", "retry", "1"])["put_back"], 1);
    until("it is refused again", || states(&alice) == ["refused"]);
    let audit = alice.run(&["audit"]).good().stdout;
    assert!(audit.lines().any(|line| line.contains("outbox") && line.contains("revoked")), "{audit}");
    alice.run(&["outbox", "drop", "1", "--yes"]).good();
    assert_eq!(alice.run(&["outbox", "list"]).good().stdout, "Nothing waits.\n");
}

#[test]
fn a_moderate_item_is_given_up_after_three_retries_and_says_so() {
    let (alice, bob) = bob_is_away();
    restart(&alice, &[("ANTIPHON_OUTBOX_RETRY", "50ms"), ("ANTIPHON_OUTBOX_LEVELS", "message=moderate")]);
    let levels = alice.json(&["outbox", "levels"]);
    let message = levels["levels"].as_array().unwrap().iter().find(|level| level["protocol"] == "message").unwrap();
    assert_eq!((&message["level"], &message["usual"]), (&"moderate".into(), &"critical".into()));
    assert!(alice.run(&["outbox", "levels"]).good().stdout.contains("moderate (set)"));
    send(&alice, "soon stale");
    until("it is given up", || states(&alice) == ["abandoned"]);
    let item = &items(&alice)[0];
    let id = item["id"].as_str().unwrap();
    assert!(id.starts_with('m') && item["tries"] == 4 && item["position"].is_null(), "{item}");
    assert!(alice.run(&["outbox", "show", id]).good().stdout.contains("no more than three times again"));
    alice.run(&["outbox", "retry", id]).refused(4, &["given up", "send it again"]);
    alice.run(&["outbox", "drop", id, "--yes"]).refused(4, &["given up"]);
    let stats = alice.json(&["outbox", "stats"]);
    assert_eq!((&stats["abandoned"], &stats["counters"]["abandoned"]), (&1.into(), &1.into()), "{stats}");
    up(&bob, &[]);
    send(&alice, "fresh");
    until("bob has the other one", || got(&bob) == ["fresh"]);
}

#[test]
fn a_full_outbox_says_so_and_loses_nothing() {
    let (alice, bob) = bob_is_away();
    let file = "[outbox]\nitems_per_peer = 2\n";
    std::fs::write(alice.home().join("antiphon.toml"), file).unwrap();
    restart(&alice, &[("ANTIPHON_OUTBOX_RETRY", "200ms")]);
    assert_eq!(alice.json(&["outbox", "stats"])["bounds"]["items_per_peer"], 2);
    send(&alice, "one");
    send(&alice, "two");
    let full = alice.run(&["send", "bob", "three"]);
    full.refused(1, &["the outbox is full", "2 items for one peer", "outbox.items_per_peer"]);
    assert_eq!(items(&alice).len(), 2);
    assert_eq!(alice.json(&["outbox", "stats"])["counters"]["full"], 1);
    up(&bob, &[]);
    until("bob has what fitted", || got(&bob) == ["one", "two"]);
    send(&alice, "three");
    until("there is room again", || got(&bob) == ["one", "two", "three"]);
}

#[test]
fn a_killed_node_goes_on_where_it_was() {
    let (alice, bob) = bob_is_away();
    for text in ["one", "two", "three"] {
        send(&alice, text);
    }
    common::kill_holder(alice.home());
    until("it is dead", || alice.run(&["--no-start", "status"]).code == 5);
    up(&alice, &[("ANTIPHON_OUTBOX_RETRY", "200ms")]);
    assert_eq!(states(&alice), ["waiting"; 3]);
    up(&bob, &[]);
    until("bob has everything", || got(&bob).len() == 3);
    assert_eq!(got(&bob), ["one", "two", "three"]);
}

#[test]
fn what_a_restored_machine_has_lost_is_told_on_both_sides() {
    let (alice, bob) = bob_is_away();
    let copy = bob.home().with_file_name("copy");
    let cp =
        |from: &Path, to: &Path| assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
    send(&alice, "before the copy");
    up(&bob, &[]);
    until("bob has it", || got(&bob).len() == 1);
    bob.run(&["down"]).good();
    cp(bob.home(), &copy);
    up(&bob, &[]);
    send(&alice, "after the copy");
    until("bob has both", || got(&bob).len() == 2);
    until("alice knows", || alice.json(&["outbox", "stats"])["pending"] == 0);
    bob.run(&["down"]).good();
    std::fs::remove_dir_all(bob.home()).unwrap();
    std::fs::rename(&copy, bob.home()).unwrap();
    up(&bob, &[]);
    send(&alice, "after the loss");
    until("bob has that", || got(&bob).contains(&"after the loss".to_owned()));
    assert_eq!(got(&bob), ["before the copy", "after the loss"]);
    let told = |machine: &Machine, words: &str| {
        let status = machine.json(&["status"]);
        let says = |problem: &Value| problem["what"].as_str().unwrap().contains(words);
        status["problems"].as_array().unwrap().iter().any(says)
    };
    until("alice says so", || told(&alice, "bob was restored from an older copy"));
    until("bob says so", || told(&bob, "what alice sent since then may be missing here"));
    assert_eq!(alice.json(&["outbox", "stats"])["restored"][0]["reason"]["code"], "peer_taken");
    assert!(bob.run(&["outbox", "stats"]).good().stdout.contains("(own_taken)"));
}

#[test]
fn a_slip_in_the_settings_is_found_before_anything_starts() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    alice.run(&["down"]).good();
    std::fs::write(alice.home().join("antiphon.toml"), "[outbox.levels]\nmesage = \"none\"\n").unwrap();
    alice.run(&["up", "--detach"]).refused(2, &["antiphon.toml:2", "mesage", "did you mean message?"]);
    std::fs::write(alice.home().join("antiphon.toml"), "[outbox]\nretry = \"2s\"\nlevels.planner = \"none\"\n")
        .unwrap();
    let refused = alice.run(&["up", "--detach", "--outbox-level", "search=critical"]);
    assert!(refused.code == 2 && refused.stderr.contains("search never waits"), "{refused:?}");
    let planner = |alice: &Machine| {
        let levels = alice.json(&["outbox", "levels"]);
        levels["levels"].as_array().unwrap().iter().find(|level| level["protocol"] == "planner").unwrap()["level"]
            .clone()
    };
    assert_eq!(planner(&alice), "none");
    alice.run(&["down"]).good();
    alice.run(&["up", "--detach", "--outbox-level", "planner=critical"]).good();
    assert_eq!(planner(&alice), "critical", "a flag goes before the file");
}
