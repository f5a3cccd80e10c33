//! A disk without room: writes are refused and not acknowledged, what is there can be read, and with room all goes on.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::{facts, kill, never_panicked};
use crate::common::{Machine, SmallDisk, invite, skipped, until};

/// How many writes are refused before there is room again.
const REFUSALS: usize = 5;
/// Length of each text that is written, in bytes, so that what is left of the room is soon used up.
const TEXT_BYTES: usize = 8_000;

/// Takes all the room that is left.
fn fill(ballast: &Path) -> File {
    let mut file = File::create(ballast).unwrap();
    for step in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; step]).is_ok() {}
    }
    file
}

/// A text as long as that, which nobody else writes.
fn text(number: usize) -> String {
    let words = format!("number {number} ");
    words.repeat(TEXT_BYTES / words.len())
}

#[test]
fn on_a_full_disk_nothing_is_acknowledged_that_is_not_kept_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::make(&dir.path().join("disk"), "24m") else {
        return skipped("a full disk", "this user may not mount a disk of its own");
    };
    let (alice, bob) = (Machine::new("alice"), Machine::at("bob", disk.path().join("h")));
    alice.run(&["init", "--team", "choir"]).good();
    bob.run(&["join", &invite(&alice), "--bring", "none"]).good();
    bob.run(&["config", "set", "storage.reserve", "1MiB"]).good();
    bob.run(&["config", "reload"]).good();
    bob.remember("there was room for this");
    until("both begin with the same", || alice.facts() == 1);

    let ballast = disk.path().join("ballast");
    let open = fill(&ballast);
    let (mut acknowledged, mut refused) = (vec!["there was room for this".to_owned()], Vec::new());
    for number in 0.. {
        let text = text(number);
        let run = bob.run(&["remember", &text]);
        if run.code == 0 {
            acknowledged.push(text);
            continue;
        }
        assert!(run.stderr.contains("full") && run.stderr.contains("\n  try: "), "{run:#?}");
        refused.push(text);
        if refused.len() == REFUSALS {
            break;
        }
    }
    // What is there can be read, and the node says what is wrong.
    assert_eq!(bob.recall("room")[0], "there was room for this");
    let problems = bob.json(&["status"])["problems"].to_string();
    assert!(problems.contains("the disk of this node is full"), "{problems}");
    assert_eq!(bob.run(&["doctor"]).code, 1);
    // The others go on, and what comes from them finds no room either.
    let while_full = (0..4).map(|number| alice.remember(&text(1_000 + number))).collect::<Vec<_>>();

    // Not even a kill in the middle of it costs anything that was acknowledged.
    kill(&bob);
    drop(open);
    fs::remove_file(&ballast).unwrap();
    bob.run(&["up", "--detach"]).good();
    until("bob has caught up", || alice.state_hash() == bob.state_hash());
    let held = facts(&bob);
    for text in &acknowledged {
        assert!(held.values().any(|held| held == text), "acknowledged and lost: {text:.40}");
    }
    for text in &refused {
        assert!(!held.values().any(|held| held == text), "refused and there: {text:.40}");
    }
    assert!(while_full.iter().all(|id| held.contains_key(id)));
    bob.remember("there is room again");
    assert!(bob.json(&["verify"])["problems"].as_array().unwrap().is_empty());
    assert_eq!(bob.run(&["doctor"]).code, 0, "{}", bob.run(&["doctor"]).stdout);
    never_panicked(&bob);
    eprintln!("{} writes were acknowledged and {} refused", acknowledged.len(), refused.len());
}

#[test]
fn a_node_whose_disk_was_full_goes_on_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::make(&dir.path().join("disk"), "24m") else {
        return skipped("a full disk", "this user may not mount a disk of its own");
    };
    let alice = Machine::at("alice", disk.path().join("h"));
    alice.remember("before");
    let ballast = disk.path().join("ballast");
    for round in 0..3 {
        let open = fill(&ballast);
        until("a write is refused", || alice.run(&["remember", &text(round)]).code != 0);
        drop(open);
        fs::remove_file(&ballast).unwrap();
        let after = format!("after round {round}");
        alice.remember(&after);
        assert!(facts(&alice).values().any(|text| *text == after));
    }
    assert!(alice.json(&["verify"])["problems"].as_array().unwrap().is_empty());
    never_panicked(&alice);
}
