//! What happens to real processes and their disks: killed at any moment, no room, damaged files, clocks that jump, a
//! machine that was asleep.

mod asleep;
mod clock;
mod damage;
mod full_disk;
mod homes;
mod killed;

use std::collections::BTreeMap;
use std::process::Command;

use crate::common::{Machine, until};

/// The next number of a stream (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number below `bound`.
fn below(state: &mut u64, bound: usize) -> usize {
    usize::try_from(next(state) % bound as u64).unwrap()
}

/// The process that holds a home.
fn holder(machine: &Machine) -> String {
    std::fs::read_to_string(machine.home().join("node.lock")).unwrap().trim().to_owned()
}

/// Sends a signal to a machine's node.
fn signal(machine: &Machine, name: &str) {
    assert!(Command::new("kill").args([name, &holder(machine)]).status().unwrap().success());
}

/// Kills a machine's node and waits until it is gone.
fn kill(machine: &Machine) {
    let pid = holder(machine);
    signal(machine, "-9");
    until("it is gone", || !std::path::Path::new("/proc").join(&pid).exists());
}

/// All facts of a machine, by id.
fn facts(machine: &Machine) -> BTreeMap<String, String> {
    let facts = machine.json(&["facts", "list", "--limit", "2000"]);
    let text = |fact: &serde_json::Value, field: &str| fact[field].as_str().unwrap_or_default().to_owned();
    facts.as_array().unwrap().iter().map(|fact| (text(fact, "id"), text(fact, "content"))).collect()
}

/// No thread of a node panicked, by its log.
#[track_caller]
fn never_panicked(machine: &Machine) {
    let log = machine.log();
    assert!(!log.contains("panicked at"), "{log}");
}
