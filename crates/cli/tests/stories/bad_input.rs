//! Bad input and bad luck: each gets a clear error with a hint, and what was remembered before is still there.

use crate::common;

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{Machine, Run, invite};

/// Where SQLite keeps `user_version` in a database file: 4 bytes, big-endian.
const USER_VERSION_OFFSET: u64 = 60;

/// A machine that remembers one thing.
fn alice() -> Machine {
    let alice = Machine::new("alice");
    alice.remember("kept from before");
    alice
}

#[track_caller]
fn unharmed(alice: &Machine) {
    assert_eq!(alice.recall("before"), ["kept from before"]);
    assert_eq!(alice.facts(), 1);
}

#[test]
fn unfit_facts_are_refused_by_name() {
    let alice = alice();
    let check = |run: Run, code: i32, words: &[&str]| {
        run.refused(code, words);
        unharmed(&alice);
    };
    check(alice.run(&["remember", ""]), 2, &["empty"]);
    check(alice.run_with(&["remember", "-"], b""), 2, &["empty"]);
    check(alice.run_with(&["remember", "-"], b" \n\t\n"), 2, &["empty"]);
    check(alice.run_with(&["remember", "-"], &vec![b'x'; 10_000_000]), 2, &["10000000", "61440"]);
    check(alice.run_with(&["remember", "-"], &vec![b'x'; 17 << 20]), 2, &["16 MiB"]);
    check(alice.run_with(&["remember", "-"], b"latin \xe9"), 2, &["UTF-8", "byte 6"]);
    check(alice.run_with(&["remember", "-"], b"a\0b"), 2, &["U+0000", "--escape"]);
    check(alice.run(&["remember", "access \u{202E}level"]), 2, &["U+202E", "--escape"]);
    check(alice.run(&["remember", "a fact", "--level", "7"]), 2, &["7", "0 project"]);
    check(alice.run(&["remember", "a fact", "--confidence", "1.5"]), 2, &["1.5"]);
    check(alice.run(&["remember", "a fact", "--tag", "two\nlines"]), 2, &["U+000A"]);
}

#[test]
fn what_deceives_can_be_kept_visibly() {
    let alice = alice();
    alice.run_with(&["remember", "-", "--escape"], b"escaped a\0b").good();
    assert_eq!(alice.recall("escaped"), ["escaped a\\u{0000}b"]);
}

#[test]
fn ids_that_name_nothing_are_not_found() {
    let alice = alice();
    alice.run(&["facts", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).refused(3, &["no fact"]);
    alice.run(&["facts", "edit", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--content", "x"]).refused(3, &["no fact"]);
    alice.run(&["facts", "edit", "0"]).refused(2, &["nothing"]);
    alice.run(&["team", "revoke", "nobody", "--reason", "none"]).refused(3, &["nobody"]);
    unharmed(&alice);
}

#[test]
fn usage_errors_are_json_too() {
    let alice = Machine::new("alice");
    let run = alice.run(&["--json", "facts", "show"]);
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (2, Some("invalid")), "{run:#?}");
    let run = alice.run(&["--json", "--no-start", "status"]);
    assert_eq!((run.code, run.json()["error"]["exit"].as_u64()), (5, Some(5)), "{run:#?}");
    alice.run(&["--json", "recall"]).refused(2, &["nothing was asked", "--tag"]);
    let run = alice.run(&["remembr", "x"]);
    assert!(run.code == 2 && run.stderr.contains("remember"), "{run:#?}");
}

#[test]
fn a_ticket_with_one_wrong_character_is_named_as_damaged() {
    let alice = alice();
    let ticket = invite(&alice);
    let bob = Machine::new("bob");
    bob.remember("kept from before");
    for at in [ticket.len() / 3, ticket.len() / 2, ticket.len() - 1] {
        let old = ticket.as_bytes()[at] as char;
        let new = if old == 'a' { 'b' } else { 'a' };
        let damaged = format!("{}{new}{}", &ticket[..at], &ticket[at + 1..]);
        bob.run(&["join", &damaged, "--bring", "none"]).refused(2, &["ticket"]);
    }
    bob.run(&["join", "hello", "--bring", "none"]).refused(2, &["ticket"]);
    bob.run(&["join", &ticket[..ticket.len() / 2], "--bring", "none"]).refused(2, &["ticket"]);
    unharmed(&bob);
}

#[test]
fn a_ticket_whose_steward_is_away_is_unreachable_and_good_later() {
    let alice = alice();
    let ticket = invite(&alice);
    alice.run(&["down"]).good();
    let bob = Machine::new("bob");
    bob.run(&["join", &ticket, "--bring", "none"]).refused(5, &["could not be reached"]);
    bob.remember("kept from before");
    unharmed(&bob);
}

#[test]
fn a_ticket_is_good_for_one_machine() {
    let alice = alice();
    let ticket = invite(&alice);
    let (bob, eve) = (Machine::new("bob"), Machine::new("eve"));
    bob.run(&["join", &ticket, "--bring", "none"]).good();
    eve.run(&["join", &ticket, "--bring", "none"]).refused(4, &["ticket"]);
    assert_eq!(eve.facts(), 0);
    unharmed(&alice);
}

#[test]
fn a_role_nobody_knows_cannot_be_invited() {
    let alice = alice();
    alice.run(&["invite", "--role", "tenor"]).refused(2, &["tenor", common::ROLE]);
}

#[test]
fn a_key_file_that_others_can_read_stops_the_node() {
    let alice = alice();
    alice.run(&["down"]).good();
    let key = alice.home().join("node.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    alice.run(&["status"]).refused(1, &["node.key", "chmod 600"]);
    alice.run(&["up"]).refused(1, &["node.key", "chmod 600"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    unharmed(&alice);
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let alice = alice();
    alice.run(&["down"]).good();
    let path = alice.home().join("antiphon.db");
    let old = fs::read(&path).unwrap();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(USER_VERSION_OFFSET)).unwrap();
    file.write_all(&9_999_u32.to_be_bytes()).unwrap();
    drop(file);
    alice.run(&["status"]).refused(1, &["9999", "newer"]);
    let mut mended = OpenOptions::new().write(true).open(&path).unwrap();
    let field = usize::try_from(USER_VERSION_OFFSET).unwrap();
    mended.seek(SeekFrom::Start(USER_VERSION_OFFSET)).unwrap();
    mended.write_all(&old[field..field + 4]).unwrap();
    drop(mended);
    unharmed(&alice);
}

#[test]
fn a_home_that_is_founded_is_not_founded_again() {
    let alice = Machine::new("alice");
    alice.run(&["init", "--team", "choir"]).good();
    alice.remember("kept from before");
    alice.run(&["init", "--team", "another"]).refused(1, &["already", "--profile"]);
    alice.run(&["down"]).good();
    alice.run(&["init", "--team", "another"]).refused(1, &["already", "--profile"]);
    unharmed(&alice);
}

#[test]
fn a_home_that_is_no_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "not a directory").unwrap();
    let machine = Machine::at("alice", path.clone());
    machine.run(&["status"]).refused(2, &[path.to_str().unwrap(), "not a directory"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a directory");
}

/// A small file system in memory, unmounted with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&at).unwrap();
        let mut mount = Command::new("mount");
        let out = mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&at).output().map_err(|e| e.to_string())?;
        if out.status.success() { Ok(Self(at)) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    // Declared before the machine, so that it is unmounted after the daemon has stopped.
    let disk = match SmallDisk::mount(dir.path().join("disk")) {
        Ok(disk) => disk,
        Err(why) => return eprintln!("skipped: a small disk cannot be mounted here: {}", why.trim()),
    };
    let alice = Machine::at("alice", disk.0.join("h"));
    alice.remember("kept from before");
    let filler = disk.0.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
    drop(file);
    let long = "x".repeat(50_000);
    let refused = (0..200).map(|_| alice.run_with(&["remember", "-"], long.as_bytes())).find(|run| run.code != 0);
    refused.expect("the disk never got full").refused(1, &["full", "free space"]);
    assert_eq!(alice.recall("before"), ["kept from before"]);
    fs::remove_file(&filler).unwrap();
    alice.remember("room again");
    assert_eq!(alice.recall("before"), ["kept from before"]);
    assert_eq!(alice.recall("room"), ["room again"]);
    alice.run(&["verify"]).good();
}
