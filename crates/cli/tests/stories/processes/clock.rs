//! Clocks that are set forward and back while nodes run. `libfaketime` stands between the program and the clock of the
//! machine; timers go on as ever, as they do when somebody sets a clock.

use std::path::{Path, PathBuf};

use super::{facts, never_panicked};
use crate::common::{Machine, invite, skipped, until};

/// Where Debian puts the library, under the name of the architecture.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// A clock that a test sets.
pub(super) struct Clock(PathBuf);

impl Clock {
    /// So many seconds ahead of the machine's, or behind it.
    pub(super) fn set(&self, seconds: i64) {
        // A reader sees the whole of one or of the other.
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(&new, &self.0).unwrap();
    }
}

fn library() -> Option<PathBuf> {
    let all = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    all.map(|entry| entry.path().join(LIBRARY)).find(|path| path.exists())
}

/// A machine with a clock of its own, or `None` where that cannot be, after saying why.
pub(super) fn with_clock(dir: &Path, name: &str) -> Option<(Machine, Clock)> {
    let Some(library) = library() else {
        skipped("clocks that jump", "libfaketime is not installed");
        return None;
    };
    let clock = Clock(dir.join(format!("{name}.clock")));
    clock.set(0);
    let machine = Machine::new(name)
        .env("LD_PRELOAD", &library.to_string_lossy())
        .env("FAKETIME_TIMESTAMP_FILE", &clock.0.to_string_lossy())
        .env("FAKETIME_CACHE_DURATION", "1")
        // Only the time of day is set; how long something took is not.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("ANTIPHON_OUTBOX_RETRY", "1s");
    Some((machine, clock))
}

/// What a machine takes for the present, by what it writes: milliseconds since 1970 are in the head of an id.
fn writes(machine: &Machine, text: &str) -> String {
    let id = machine.remember(text);
    let fact = machine.json(&["facts", "show", &id]);
    fact["updated_at"].as_str().unwrap_or_else(|| panic!("{fact:#}")).to_owned()
}

const DAY: i64 = 86_400;

#[test]
fn clocks_that_jump_forward_and_back_cost_nothing_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let Some((alice, alices)) = with_clock(dir.path(), "alice") else { return };
    let Some((bob, bobs)) = with_clock(dir.path(), "bob") else { return };
    alice.run(&["init", "--team", "choir"]).good();
    bob.run(&["join", &invite(&alice), "--bring", "none"]).good();
    let fact = alice.remember("the first version");
    until("bob has it", || bob.facts() == 1);
    let today = writes(&alice, "today");

    // Forward by ten days: what alice writes counts at once, and bob sees whose clock is wrong.
    alices.set(10 * DAY);
    until("alice lives on another day", || writes(&alice, "later")[..10] != today[..10]);
    alice.run(&["facts", "edit", &fact, "--content", "written in the future"]).good();
    until("bob has the edit", || facts(&bob).get(&fact).is_some_and(|text| text == "written in the future"));
    until("bob's doctor names alice's clock", || {
        let found = bob.run(&["--json", "doctor"]).stdout;
        found.contains("the clock of alice is") && found.contains("(on alice)")
    });
    // Who edits what came from the future has the last word, however early it is there.
    bob.run(&["facts", "edit", &fact, "--content", "bob has the last word"]).good();
    until("alice has it", || facts(&alice).get(&fact).is_some_and(|text| text == "bob has the last word"));

    // Back, and far behind: nothing that waits takes ten days now. The doctor knows until something is written.
    alices.set(-DAY);
    until("alice's doctor knows it", || {
        alice.run(&["doctor"]).stdout.contains("after what the clock of this machine says")
    });
    for seconds in [-DAY, -3_600] {
        alices.set(seconds);
        bobs.set(seconds * 2);
        alice.run(&["facts", "edit", &fact, "--content", &format!("set back by {seconds}")]).good();
        until("bob has the edit", || facts(&bob).get(&fact).is_some_and(|text| text.ends_with(&seconds.to_string())));
        bob.run(&["send", "alice", &format!("at {seconds}")]).good();
        until("alice has the message", || alice.json(&["inbox"]).to_string().contains(&format!("at {seconds}")));
        // A connection that ends is made again although its next attempt seems to be days away.
        bob.run(&["down"]).good();
        alice.remember(&format!("while bob was down, set back by {seconds}"));
        bob.run(&["up", "--detach"]).good();
        until("both hold the same", || alice.state_hash() == bob.state_hash());
    }
    for machine in [&alice, &bob] {
        assert!(machine.json(&["verify"])["problems"].as_array().unwrap().is_empty());
        never_panicked(machine);
    }
    assert_eq!(facts(&alice), facts(&bob));
}

#[test]
fn a_clock_years_ahead_ends_no_membership_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let Some((alice, clock)) = with_clock(dir.path(), "alice") else { return };
    let bob = Machine::new("bob");
    alice.run(&["init", "--team", "choir"]).good();
    bob.run(&["join", &invite(&alice), "--bring", "none"]).good();
    alice.remember("in the right year");
    until("bob has it", || bob.facts() == 1);
    let trust = || alice.json(&["peers", "show", "bob"]);
    // By that clock bob's grant is over, and so is alice's own.
    clock.set(5 * 365 * DAY);
    until("alice takes bob's grant for over", || trust()["reason"]["code"] == "grant_expired");
    let words = alice.run(&["why", "bob"]).good().stdout;
    assert!(words.contains("grant") && words.contains("antiphon team renew bob"), "{words}");
    alice.remember("five years later");
    clock.set(0);
    until("alice believes bob again", || trust()["trust"] == "VERIFIED");
    until("both hold the same", || alice.state_hash() == bob.state_hash());
    assert_eq!(facts(&alice), facts(&bob));
    never_panicked(&alice);
}
