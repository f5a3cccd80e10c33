//! Database files with pages that are not what was written: what a disk does that grows old.
//!
//! A seed says where. Whatever the node does then, it must not show a wrong fact without a word, and no thread may panic.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{below, facts, kill, never_panicked, next};
use crate::common::{Machine, Run, isolate, team_of_two, until};

/// Decides what is damaged.
const SEED: u64 = 0x0064_616d_6167_6564;
/// How often a file is damaged; `ANTIPHON_TEST_DAMAGES` sets another number.
const DAMAGES: usize = 20;
/// Bytes of a page of the database.
const PAGE_BYTES: usize = 4096;
/// Facts that are written before.
const FACTS: usize = 60;

/// The files of a home that one damage after the other is done to.
struct Whole(BTreeMap<String, Vec<u8>>);

impl Whole {
    fn of(home: &Path) -> Self {
        let files = fs::read_dir(home).unwrap().flatten().filter(|entry| entry.path().is_file());
        let named = files.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
        Self(
            named
                .filter(|(name, _)| name.contains(".db"))
                .map(|(name, path)| (name, fs::read(path).unwrap()))
                .collect(),
        )
    }

    fn put_back(&self, home: &Path) {
        for name in ["antiphon.db", "search.db"] {
            for end in ["", "-wal", "-shm"] {
                let file = format!("{name}{end}");
                match self.0.get(&file) {
                    Some(bytes) => fs::write(home.join(file), bytes).unwrap(),
                    None => drop(fs::remove_file(home.join(file))),
                }
            }
        }
    }
}

/// Changes bytes of one page; says which.
fn flip(path: &Path, seed: &mut u64) -> usize {
    let mut bytes = fs::read(path).unwrap();
    let page = below(seed, bytes.len() / PAGE_BYTES);
    let end = PAGE_BYTES.min(bytes.len() - page * PAGE_BYTES);
    // Now a single byte, which may well be one of a text, now many.
    let bytes_hit = if next(seed).is_multiple_of(2) { 1 } else { below(seed, 64) + 1 };
    for _ in 0..bytes_hit {
        let at = page * PAGE_BYTES + below(seed, end);
        let mask = u8::try_from(next(seed) % 255).unwrap() + 1;
        bytes[at] ^= mask;
    }
    fs::write(path, bytes).unwrap();
    page
}

/// What became of a damaged home.
#[derive(Debug, Default)]
struct Tally {
    /// The node did not start, and said what to do.
    refused: usize,
    /// It started, and the doctor or a check of everything finds the damage.
    found: usize,
    /// It started and everything is as it was: the bytes meant nothing.
    harmless: usize,
}

/// A command that failed says what is wrong and what to do about it.
#[track_caller]
fn says_what_to_do(run: &Run, page: usize) {
    let told = run.stderr.contains("error: ") && run.stderr.contains("\n  try: ");
    assert!(told && !run.stderr.contains("panicked"), "page {page}: {run:#?}");
}

/// What the node shows of the facts; `None` when it refuses to.
fn shown(machine: &Machine, page: usize) -> Option<BTreeMap<String, String>> {
    let run = machine.run(&["--json", "facts", "list", "--limit", "2000"]);
    if run.code != 0 {
        says_what_to_do_as_json(&run, page);
        return None;
    }
    let list = run.json();
    let field = |fact: &serde_json::Value, name: &str| fact[name].as_str().unwrap_or_default().to_owned();
    Some(list.as_array().unwrap().iter().map(|fact| (field(fact, "id"), field(fact, "content"))).collect())
}

#[track_caller]
fn says_what_to_do_as_json(run: &Run, page: usize) {
    assert!(run.stdout.contains("\"error\"") && !run.stderr.contains("panicked"), "page {page}: {run:#?}");
}

/// What the doctor looks at whose findings speak of a damaged file; a member that is away is no damage.
const OF_THE_FILE: [&str; 5] = ["database", "log", "genome", "search", "charter"];

/// Whether the doctor finds that the database is not what was written.
fn is_found_by_the_doctor(machine: &Machine) -> bool {
    let doctor = machine.run(&["--json", "doctor"]);
    assert!(doctor.code == 0 || doctor.code == 1, "{doctor:#?}");
    let report = doctor.json();
    let checks = report["checks"].as_array().unwrap();
    let of_the_file = |check: &&serde_json::Value| OF_THE_FILE.iter().any(|name| check["check"] == *name);
    checks.iter().filter(of_the_file).any(|check| check["findings"].is_array())
}

/// Whether the doctor or a check of everything does.
fn is_found(machine: &Machine) -> bool {
    let verify = machine.run(&["--json", "verify"]);
    let unsound = verify.code != 0 || !verify.json()["problems"].as_array().is_none_or(Vec::is_empty);
    unsound || is_found_by_the_doctor(machine)
}

/// Starts a node on what is left of its files, and holds what it shows against what is true.
fn judge(machine: &Machine, truth: &BTreeMap<String, String>, page: usize, tally: &mut Tally) {
    let ill = is_found_by_the_doctor(machine);
    let up = machine.run(&["up", "--detach"]);
    if up.code != 0 {
        says_what_to_do(&up, page);
        assert!(ill, "page {page}: it does not start, and the doctor finds nothing: {up:#?}");
        tally.refused += 1;
        return;
    }
    let (shown, found) = (shown(machine, page), is_found(machine));
    let wrong = shown.as_ref() != Some(truth);
    assert!(found || !wrong, "page {page}: wrong without a word: {:?}", difference(truth, shown.as_ref()));
    // What it takes it keeps.
    let written = machine.run(&["--json", "remember", "written after the damage"]);
    if written.code == 0 {
        let id = written.json()["id"].as_str().unwrap().to_owned();
        let shown = machine.run(&["facts", "show", &id]);
        assert!(shown.stdout.contains("written after the damage") || is_found(machine), "page {page}: {shown:#?}");
    }
    if found {
        tally.found += 1
    } else {
        tally.harmless += 1
    }
    machine.run(&["down"]).good();
}

fn difference(truth: &BTreeMap<String, String>, shown: Option<&BTreeMap<String, String>>) -> Vec<String> {
    let empty = BTreeMap::new();
    let shown = shown.unwrap_or(&empty);
    let strange =
        shown.iter().filter(|(id, text)| truth.get(*id) != Some(*text)).map(|(id, text)| format!("{id}: {text}"));
    strange.chain(truth.keys().filter(|id| !shown.contains_key(*id)).map(|id| format!("{id} is gone"))).collect()
}

/// Alice, who has facts with a history, and bob, who has the same; both are stopped.
fn alice_and_bob() -> (Machine, Machine, BTreeMap<String, String>) {
    let (alice, bob) = team_of_two();
    for number in 0..FACTS {
        let id = alice.remember(&format!("sentence {number} about nightingales and how they sing at night"));
        if number % 5 == 0 {
            let text = format!("sentence {number} about nightingales, corrected");
            alice.run(&["facts", "edit", &id, "--content", &text]).good();
        }
    }
    until("bob has all of it", || alice.state_hash() == bob.state_hash());
    let truth = facts(&alice);
    assert_eq!(truth.len(), FACTS);
    bob.run(&["down"]).good();
    (alice, bob, truth)
}

/// Types a command of the doctor's on a machine.
#[track_caller]
fn shell(machine: &Machine, command: &str) {
    let mut shell = Command::new("sh");
    isolate(&mut shell);
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = Path::new(crate::common::ANTIPHON).parent().unwrap().display().to_string();
    shell.args(["-c", command]).env("PATH", format!("{bin}:{path}")).env("ANTIPHON_HOME", machine.home());
    crate::common::finish(shell, b"").good();
}

#[test]
fn pages_that_are_damaged_at_rest_are_never_shown_without_a_word() {
    let (alice, bob, truth) = alice_and_bob();
    alice.run(&["down"]).good();
    let whole = Whole::of(alice.home());
    let damages = std::env::var("ANTIPHON_TEST_DAMAGES").map_or(DAMAGES, |number| number.parse().unwrap());
    let (mut seed, mut tally) = (SEED, Tally::default());
    for _ in 0..damages {
        whole.put_back(alice.home());
        let page = flip(&alice.home().join("antiphon.db"), &mut seed);
        judge(&alice, &truth, page, &mut tally);
        never_panicked(&alice);
    }
    eprintln!("{damages} pages of {}: {tally:?}", whole.0["antiphon.db"].len() / PAGE_BYTES);
    assert!(tally.refused + tally.found > 0, "nothing that was damaged mattered: {tally:?}");

    // The file is beyond help, and the doctor says how the others give back what was in it.
    whole.put_back(alice.home());
    let mut bytes = fs::read(alice.home().join("antiphon.db")).unwrap();
    bytes[PAGE_BYTES..].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x5a);
    fs::write(alice.home().join("antiphon.db"), bytes).unwrap();
    let found = alice.run(&["--json", "doctor"]).json();
    let checks = found["checks"].as_array().unwrap();
    let database = checks.iter().find(|check| check["check"] == "database").unwrap();
    let fix = database["findings"][0]["fix"].as_str().unwrap().to_owned();
    bob.run(&["up", "--detach"]).good();
    let ticket = bob_is_reached_at(&bob);
    let command = fix.split(" (").next().unwrap().replace("TICKET", &ticket);
    shell(&alice, &command);
    until("alice has everything again", || facts(&alice) == truth);
    until("both hold the same", || alice.state_hash() == bob.state_hash());
    assert!(!is_found(&alice));
    assert_eq!(facts(&bob), truth, "bob took nothing wrong");
}

/// What `recover` is given in place of a ticket: where bob is, and which team it is to be.
fn bob_is_reached_at(bob: &Machine) -> String {
    until("bob listens", || bob.json(&["status"])["listen"][0].is_string());
    let status = bob.json(&["status"]);
    format!("{} --team {}", status["listen"][0].as_str().unwrap(), status["team"]["id"].as_str().unwrap())
}

#[test]
fn a_damaged_journal_costs_nothing_that_a_member_holds() {
    let (alice, bob, truth) = alice_and_bob();
    let (mut seed, mut tally) = (SEED ^ 1, Tally::default());
    kill(&alice);
    let whole = Whole::of(alice.home());
    assert!(
        whole.0.get("antiphon.db-wal").is_some_and(|wal| wal.len() > 10 * PAGE_BYTES),
        "there is no journal to damage"
    );
    for _ in 0..4 {
        whole.put_back(alice.home());
        let page = flip(&alice.home().join("antiphon.db-wal"), &mut seed);
        // SQLite takes a journal as far as its sums are right, so what was written last may be gone without a trace.
        let up = alice.run(&["up", "--detach"]);
        if up.code != 0 {
            says_what_to_do(&up, page);
            tally.refused += 1;
            continue;
        }
        let shown = facts(&alice);
        // A fact may stand as it was before its edit, which is in a part of the journal that is lost.
        let before = |id: &String, text: &String| text.ends_with("at night") && truth.contains_key(id);
        for (id, text) in &shown {
            assert!(truth.get(id) == Some(text) || before(id, text), "page {page}: {id}: {text}");
        }
        bob.run(&["up", "--detach"]).good();
        until("alice is given what she lost", || facts(&alice) == truth);
        until("both hold the same", || alice.state_hash() == bob.state_hash());
        assert!(!is_found(&alice), "{}", alice.run(&["verify"]).stdout);
        tally.found += usize::from(shown != truth);
        tally.harmless += usize::from(shown == truth);
        bob.run(&["down"]).good();
        alice.run(&["down"]).good();
        never_panicked(&alice);
    }
    eprintln!("damaged journals: {tally:?}");
    assert_eq!(facts(&bob), truth, "bob took nothing wrong");
}

#[test]
fn a_changed_letter_is_found_wherever_it_stands_and_a_running_node_says_so_unasked() {
    let alice = Machine::new("alice");
    let id = alice.remember("the harbour closes at eight");
    alice.run(&["down"]).good();
    let (path, sought) = (alice.home().join("antiphon.db"), b"harbour closes at eight");
    let whole = fs::read(&path).unwrap();
    let places: Vec<usize> = (0..whole.len() - sought.len()).filter(|at| whole[*at..].starts_with(sought)).collect();
    assert!(places.len() >= 2, "it stands in the log and in the row of the fact: {places:?}");
    let mut shown_wrong = 0;
    for at in places {
        let mut bytes = whole.clone();
        bytes[at + sought.len() - 5..at + sought.len()].copy_from_slice(b"seven");
        fs::write(&path, bytes).unwrap();
        let found = alice.run(&["--json", "doctor"]);
        assert!(found.code == 1 && found.stdout.contains("the log is not what its authors signed"), "{found:#?}");
        let text = alice.run(&["facts", "show", &id]).stdout;
        shown_wrong += usize::from(text.contains("seven"));
        // Nobody asks for a check.
        until("the node says so by itself", || {
            alice.json(&["status"])["problems"].to_string().contains("the database of this node is damaged")
        });
        assert!(alice.log().contains("the database is not what was written"), "{}", alice.log());
        let verify = alice.run(&["verify"]);
        assert_ne!(verify.code, 0, "{verify:#?}");
        alice.run(&["down"]).good();
    }
    assert!(shown_wrong > 0, "no place is the one that is shown");
    fs::write(&path, &whole).unwrap();
    assert_eq!(alice.run(&["doctor"]).code, 0);
    never_panicked(&alice);
}
