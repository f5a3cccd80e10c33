//! What was acknowledged survives the death of the daemon, here and on the other machine.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::{Machine, team_of_two, until};

const WRITES: usize = 1_000;
const WRITERS: usize = 8;
const KILL_AFTER: usize = WRITES / 2;

/// Writes until all is written or the daemon is gone; returns the texts that were acknowledged.
fn write_until_the_daemon_dies(machine: &Arc<Machine>, killed: impl FnOnce() + Send + 'static) -> Vec<String> {
    let (next, acked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let killer = Arc::new(Mutex::new(Some(killed)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (machine, next, acked, killer) = (machine.clone(), next.clone(), acked.clone(), killer.clone());
            std::thread::spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= WRITES {
                        return;
                    }
                    let text = format!("write number {n} of many");
                    if machine.run(&["--no-start", "remember", &text]).code != 0 {
                        return;
                    }
                    let count = {
                        let mut acked = acked.lock().unwrap();
                        acked.push(text);
                        acked.len()
                    };
                    if count == KILL_AFTER {
                        killer.lock().unwrap().take().unwrap()();
                    }
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    Arc::try_unwrap(acked).unwrap().into_inner().unwrap()
}

fn texts(machine: &Machine) -> Vec<String> {
    let facts = machine.json(&["facts", "list", "--limit", "2000"]);
    facts.as_array().unwrap().iter().map(|fact| fact["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_acknowledged_write_outlives_a_kill_and_reaches_bob() {
    let (alice, bob) = team_of_two();
    let alice = Arc::new(alice);
    let pid = std::fs::read_to_string(alice.home().join("node.lock")).unwrap().trim().to_owned();
    let acked = write_until_the_daemon_dies(&alice, move || {
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    });
    assert!(acked.len() >= KILL_AFTER && acked.len() < WRITES, "{} were acknowledged", acked.len());
    // Bob goes on while alice is dead.
    bob.remember("bob wrote this while alice was down");
    let held = texts(&alice);
    let lost: Vec<&String> = acked.iter().filter(|text| !held.contains(text)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged writes are gone: {lost:?}", lost.len(), acked.len());
    until("both hold the same", || alice.state_hash() == bob.state_hash());
    let at_bob = texts(&bob);
    let missing: Vec<&String> = acked.iter().filter(|text| !at_bob.contains(text)).collect();
    assert!(missing.is_empty(), "bob lacks {missing:?}");
    assert!(texts(&alice).contains(&"bob wrote this while alice was down".to_owned()));
    assert!(alice.json(&["verify"])["problems"].as_array().unwrap().is_empty());
}
