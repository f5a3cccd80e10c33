//! A laptop that sleeps for two days. Its processes stand still and the time of day goes on, which is just what happens
//! here: the node is stopped by a signal, and when it goes on all clocks are two days later. What took long by the timers
//! of the machine took no time, as it is with a machine that was suspended.

use super::clock::with_clock;
use super::{facts, never_panicked, signal};
use crate::common::{Machine, ROLE, invite, messages_that_wait, until};

/// How long it sleeps, in seconds.
const ASLEEP: i64 = 48 * 3_600;

/// A node that stands still while the value lives. It goes on in any case, since nobody can stop it in good order else.
struct Asleep<'a>(&'a Machine);

impl<'a> Asleep<'a> {
    fn lay_down(machine: &'a Machine) -> Self {
        signal(machine, "-STOP");
        Self(machine)
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}

#[test]
fn a_machine_that_slept_for_two_days_catches_up_and_finds_its_mail() {
    let dir = tempfile::tempdir().unwrap();
    let Some((alice, alices)) = with_clock(dir.path(), "alice") else { return };
    let Some((bob, bobs)) = with_clock(dir.path(), "bob") else { return };
    let Some((carol, carols)) = with_clock(dir.path(), "carol") else { return };
    alice.run(&["init", "--team", "choir"]).good();
    for machine in [&bob, &carol] {
        machine.run(&["join", &invite(&alice), "--bring", "none"]).good();
    }
    bob.remember("before the nap");
    until("all begin with the same", || {
        let state = alice.state_hash();
        bob.state_hash() == state && carol.state_hash() == state && alice.facts() == 1
    });
    // Carol's place in the team ends while bob sleeps, and is renewed before he wakes; bob's own goes on.
    alice.run(&["team", "renew", "carol", "--life", "1d"]).good();

    let nap = Asleep::lay_down(&bob);
    for clock in [&alices, &carols] {
        clock.set(ASLEEP);
    }
    until("alice takes carol's grant for over", || {
        alice.json(&["peers", "show", "carol"])["reason"]["code"] == "grant_expired"
    });
    alice.run(&["team", "renew", "carol"]).good();
    until("carol knows that her place goes on", || {
        let team = carol.json(&["team", "members"]);
        let own = |member: &&serde_json::Value| member["name"] == "carol";
        team["members"].as_array().unwrap().iter().find(own).is_some_and(|carol| carol["expired"] == false)
    });
    let news: Vec<String> = (0..20).map(|number| alice.remember(&format!("news {number} of two days"))).collect();
    let edited = alice.remember("the rehearsal is on monday");
    let address = format!("ucxl://carol/{ROLE}/shop/login/minutes");
    carol.run_with(&["content", "put", &address, "-", "--as", ROLE], b"what was said").good();
    alice.run(&["send", "bob", "good morning"]).good();
    until("alice and carol agree", || alice.state_hash() == carol.state_hash());
    // A sleeping machine closes no connection; those who are awake notice, and trust it no longer than they should.
    until("alice misses bob", || {
        let bob = alice.json(&["peers", "show", "bob"]);
        bob["connected"] == false && bob["trust"] == "EXPIRED"
    });
    assert_eq!(messages_that_wait(&alice.json(&["outbox", "list"])), 1);

    bobs.set(ASLEEP);
    drop(nap);
    until("bob has caught up", || bob.state_hash() == alice.state_hash());
    let held = facts(&bob);
    assert!(news.iter().chain([&edited]).all(|id| held.contains_key(id)));
    until("bob has his mail", || bob.json(&["inbox"]).to_string().contains("good morning"));
    bob.run(&["facts", "edit", &edited, "--content", "the rehearsal is on tuesday"]).good();
    until("alice has what bob wrote", || facts(&alice)[&edited].ends_with("tuesday"));
    for (machine, other) in [(&alice, "bob"), (&bob, "carol"), (&carol, "bob")] {
        until("they believe each other", || {
            let peer = machine.json(&["peers", "show", other]);
            peer["trust"] == "VERIFIED" && peer["connected"] == true
        });
    }
    assert_eq!(bob.run(&["content", "get", &address]).good().stdout, "what was said");
    until("nothing waits any more", || alice.json(&["outbox", "stats"])["pending"] == 0);
    for machine in [&alice, &bob, &carol] {
        never_panicked(machine);
    }
}
