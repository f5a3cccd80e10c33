//! Two machines write to each other while their daemons are killed, one after the other, at moments that a seed draws:
//! what was acknowledged arrives, and everything arrives once.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Machine, finish, team_of_two, until};

/// Decides when who is killed.
const SEED: u64 = 0x006b_696c_6c65_6421;
/// How often somebody is killed.
const KILLS: usize = 30;
/// Shortest and longest time from a start to the kill, in milliseconds.
const LIVES_MS: (u64, u64) = (300, 1_100);
/// Most messages that are shown at once.
const LISTED_MAX: &str = "100";

/// The next number of a stream (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Starts a node that tries again soon. One that was killed a moment ago may still hold its port.
fn up(machine: &Machine) {
    until("the node is up", || {
        let mut command = machine.command(&["up", "--detach"]);
        command.env("ANTIPHON_OUTBOX_RETRY", "200ms");
        finish(command, b"").code == 0
    });
}

fn kill(machine: &Machine) {
    let pid = std::fs::read_to_string(machine.home().join("node.lock")).unwrap().trim().to_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    until("it is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
}

/// Sends until it is told to stop. Returns what was acknowledged, and what was not: that may have been sent as well.
fn write(machine: &Machine, to: &str, stop: &AtomicBool) -> (Vec<String>, Vec<String>) {
    let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let text = format!("number {number} for {to}");
        let sent = machine.run(&["--no-start", "send", to, &text]).code == 0;
        if sent {
            acknowledged.push(text);
        } else {
            unknown.push(text);
            // Nobody is there for now.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    (acknowledged, unknown)
}

/// How often each text came.
fn inbox(machine: &Machine) -> BTreeMap<String, usize> {
    let (mut texts, mut before) = (BTreeMap::new(), None::<String>);
    loop {
        let mut args = vec!["inbox", "--limit", LISTED_MAX];
        if let Some(before) = &before {
            args.extend(["--before", before]);
        }
        let page = machine.json(&args);
        for message in page["messages"].as_array().unwrap() {
            *texts.entry(message["text"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        match page["next"].as_u64() {
            Some(next) => before = Some(next.to_string()),
            None => return texts,
        }
    }
}

#[test]
fn what_was_acknowledged_arrives_once_however_often_either_side_is_killed() {
    let (alice, bob) = team_of_two();
    for machine in [&alice, &bob] {
        machine.run(&["down"]).good();
        up(machine);
    }
    let stop = AtomicBool::new(false);
    let (from_alice, from_bob) = std::thread::scope(|scope| {
        let writers = (scope.spawn(|| write(&alice, "bob", &stop)), scope.spawn(|| write(&bob, "alice", &stop)));
        let mut seed = SEED;
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(LIVES_MS.0 + next(&mut seed) % (LIVES_MS.1 - LIVES_MS.0)));
            let victim = if next(&mut seed).is_multiple_of(2) { &alice } else { &bob };
            kill(victim);
            up(victim);
        }
        stop.store(true, Ordering::SeqCst);
        (writers.0.join().unwrap(), writers.1.join().unwrap())
    });
    for (sender, receiver, (acknowledged, unknown)) in [(&alice, &bob, from_alice), (&bob, &alice, from_bob)] {
        eprintln!("{} acknowledged, {} not", acknowledged.len(), unknown.len());
        assert!(acknowledged.len() > KILLS, "{acknowledged:?}");
        until("nothing waits", || sender.json(&["outbox", "stats"])["pending"] == 0);
        let came = inbox(receiver);
        let twice: Vec<_> = came.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "came twice: {twice:?}");
        let lost: Vec<_> = acknowledged.iter().filter(|text| !came.contains_key(*text)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let strange: Vec<_> =
            came.keys().filter(|text| !acknowledged.contains(text) && !unknown.contains(text)).collect();
        assert!(strange.is_empty(), "nobody sent: {strange:?}");
        assert_eq!(sender.json(&["status"])["outbox"]["stuck"], 0);
    }
}
