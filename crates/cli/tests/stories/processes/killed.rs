//! Two machines write, edit, store documents and send messages to each other while their nodes are killed at moments that
//! a seed draws.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{below, facts, kill, never_panicked, next};
use crate::common::{Machine, ROLE, finish, team_of_two, until};

/// Decides who is killed, and when.
const SEED: u64 = 0x006b_696c_6c39_0001;
/// How often somebody is killed.
const KILLS: usize = 12;
/// Shortest and longest time from a start to the next kill, in milliseconds.
const LIVES_MS: (u64, u64) = (200, 1_200);

/// What was acknowledged to one writer.
#[derive(Debug, Default)]
struct Acknowledged {
    /// The text of each fact, the last edit that was acknowledged; and what may stand there as well, since nobody heard
    /// what became of it.
    facts: BTreeMap<String, (String, Vec<String>)>,
    /// Addresses of documents, with what they say.
    documents: BTreeMap<String, String>,
}

fn up(machine: &Machine) {
    // Whoever was killed a moment ago may still hold its port.
    until("the node is up", || machine.run(&["up", "--detach"]).code == 0);
}

/// Writes until it is told to stop.
fn write(machine: &Machine, name: &str, stop: &AtomicBool) -> Acknowledged {
    let (mut done, mut newest) = (Acknowledged::default(), None::<String>);
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let text = format!("{name} {number}");
        let well = match (number % 4, newest.clone()) {
            (0 | 1, _) | (_, None) => {
                let run = machine.run(&["--no-start", "--json", "remember", &text]);
                if run.code == 0 {
                    let id = run.json()["id"].as_str().unwrap().to_owned();
                    done.facts.insert(id.clone(), (text, Vec::new()));
                    newest = Some(id);
                }
                run.code == 0
            }
            (2, Some(id)) => {
                let well = machine.run(&["--no-start", "facts", "edit", &id, "--content", &text]).code == 0;
                let (said, perhaps) = done.facts.get_mut(&id).unwrap();
                if well {
                    (*said, *perhaps) = (text, Vec::new());
                } else {
                    perhaps.push(text);
                }
                well
            }
            _ => {
                let address = format!("ucxl://{name}/{ROLE}/shop/login/n{number}");
                let put = machine.command(&["--no-start", "content", "put", &address, "-", "--as", ROLE]);
                let well = finish(put, text.as_bytes()).code == 0;
                if well {
                    done.documents.insert(address, text);
                }
                well
            }
        };
        if !well {
            // Nobody is there for now.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    done
}

#[test]
fn whatever_was_acknowledged_outlives_kills_at_any_moment_and_reaches_the_other_machine() {
    let (alice, bob) = team_of_two();
    let stop = AtomicBool::new(false);
    let (by_alice, by_bob) = std::thread::scope(|scope| {
        let writers = (scope.spawn(|| write(&alice, "alice", &stop)), scope.spawn(|| write(&bob, "bob", &stop)));
        let mut seed = SEED;
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(LIVES_MS.0 + next(&mut seed) % (LIVES_MS.1 - LIVES_MS.0)));
            let victim = [&alice, &bob][below(&mut seed, 2)];
            kill(victim);
            up(victim);
        }
        stop.store(true, Ordering::SeqCst);
        (writers.0.join().unwrap(), writers.1.join().unwrap())
    });
    until("both hold the same", || alice.state_hash() == bob.state_hash());
    for machine in [&alice, &bob] {
        let held = facts(machine);
        for done in [&by_alice, &by_bob] {
            assert!(done.facts.len() > KILLS, "only {} facts were acknowledged", done.facts.len());
            for (id, (said, perhaps)) in &done.facts {
                let stands = held.get(id).unwrap_or_else(|| panic!("{id} is lost: {said}"));
                assert!(stands == said || perhaps.contains(stands), "{id}: {stands:?} for {said:?}, or {perhaps:?}");
            }
            for (address, said) in &done.documents {
                until("the document is known here", || machine.run(&["content", "status", address]).code == 0);
                assert_eq!(&machine.run(&["content", "get", address]).good().stdout, said, "{address}");
            }
        }
        assert!(machine.json(&["verify"])["problems"].as_array().unwrap().is_empty());
        never_panicked(machine);
    }
    assert_eq!(facts(&alice), facts(&bob));
    let counts = |done: &Acknowledged| (done.facts.len(), done.documents.len());
    eprintln!("facts and documents: {:?} of alice, {:?} of bob", counts(&by_alice), counts(&by_bob));
}
