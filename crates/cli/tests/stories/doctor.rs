//! The doctor: every fault is made for real, found, and mended by the command that the finding names.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::common::{ANTIPHON, Machine, SmallDisk, finish, isolate, kill_holder, skipped, team_of_two, until};

/// What the doctor finds; the exit code must agree.
#[track_caller]
fn doctor(machine: &Machine) -> Value {
    let run = machine.run(&["--json", "doctor"]);
    let found = run.json();
    assert_eq!(run.code, i32::from(found["ok"] != true), "{run:#?}");
    found
}

/// What is wrong by one of its checks.
#[track_caller]
fn findings(machine: &Machine, check: &str) -> Vec<Value> {
    let found = doctor(machine);
    let checks = found["checks"].as_array().unwrap().iter().filter(|one| one["check"] == check);
    let checks: Vec<&Value> = checks.collect();
    assert!(!checks.is_empty(), "nothing looks at {check}: {found:#}");
    checks.iter().flat_map(|check| check["findings"].as_array().cloned().unwrap_or_default()).collect()
}

/// The one thing that is wrong by one of its checks, with these words in it.
#[track_caller]
fn finding(machine: &Machine, check: &str, words: &[&str]) -> Value {
    let found = findings(machine, check);
    let [only] = found.as_slice() else { panic!("{check}: {found:#?}") };
    for word in words {
        assert!(only.to_string().contains(word), "{word}: {only:#}");
    }
    only.clone()
}

#[track_caller]
fn is_well(machine: &Machine, check: &str) {
    assert_eq!(findings(machine, check), Vec::<Value>::new());
}

fn fix(finding: &Value) -> String {
    finding["fix"].as_str().unwrap().to_owned()
}

/// Types a command on a machine.
#[track_caller]
fn shell(machine: &Machine, command: &str) {
    let mut shell = Command::new("sh");
    isolate(&mut shell);
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = Path::new(ANTIPHON).parent().unwrap().display().to_string();
    shell.args(["-c", command]).env("PATH", format!("{bin}:{path}")).env("ANTIPHON_HOME", machine.home());
    let run = finish(shell, b"");
    assert_eq!(run.code, 0, "{command}: {run:#?}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What `/readyz` says.
fn ready(machine: &Machine) -> String {
    let url = machine.json(&["status"])["http"].as_str().unwrap().to_owned();
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
}

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_healthy_node_has_nothing_to_mend() {
    let alice = Machine::new("alice");
    let nothing = doctor(&alice);
    assert_eq!((&nothing["ok"], &nothing["running"]), (&true.into(), &false.into()), "{nothing:#}");
    assert!(!alice.home().exists(), "to look is not to make");
    alice.remember("she is well");
    let found = doctor(&alice);
    assert_eq!((&found["ok"], &found["running"]), (&true.into(), &true.into()), "{found:#}");
    let checks: Vec<&str> =
        found["checks"].as_array().unwrap().iter().map(|one| one["check"].as_str().unwrap()).collect();
    for check in ["files", "daemon", "disk", "clock", "ports", "reachability", "database", "log", "genome", "charter"] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    for check in ["role keys", "sync", "receipts", "outbox", "quarantine", "search", "leftovers", "versions", "program"]
    {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    assert!(alice.run(&["doctor"]).good().stdout.contains("Nothing is wrong."));
    alice.run(&["down"]).good();
    let found = doctor(&alice);
    assert_eq!((&found["ok"], &found["running"]), (&true.into(), &false.into()), "{found:#}");
    assert!(alice.run(&["doctor"]).good().stdout.contains("No node runs here"));
}

#[test]
fn what_others_may_read_is_closed_again() {
    let alice = Machine::new("alice");
    alice.remember("a secret");
    let key = alice.home().join("node.key");
    set_mode(&key, 0o644);
    let found = finding(&alice, "files", &["node.key", "0644", "whoever reads it is this node"]);
    assert_eq!(found["severity"], "error");
    shell(&alice, &fix(&found));
    is_well(&alice, "files");
    for (name, was) in [("", 0o755), ("http.token", 0o640), ("antiphon.db", 0o604)] {
        set_mode(&alice.home().join(name), was);
    }
    assert_eq!(findings(&alice, "files").len(), 3);
    let words = alice.run(&["doctor"]);
    assert!(
        words.code == 1 && words.stdout.contains("chmod 700") && words.stdout.contains("3 things to mend."),
        "{words:#?}"
    );
    let mended = alice.run(&["doctor", "--fix"]).good().stdout;
    assert!(mended.contains("mended:") && mended.contains("chmod 600"), "{mended}");
    is_well(&alice, "files");
    assert_eq!((mode(alice.home()), mode(&alice.home().join("antiphon.db"))), (0o700, 0o600));
}

#[test]
fn what_a_crash_left_behind_is_removed() {
    let alice = Machine::new("alice");
    alice.remember("before the crash");
    let left = [".new-0a1b2c", "antiphon.toml.tmp"].map(|name| alice.home().join(name));
    left.iter().for_each(|path| fs::write(path, "half of it").unwrap());
    let found = findings(&alice, "leftovers");
    assert_eq!(found.len(), 2);
    shell(&alice, &fix(&found[0]));
    assert_eq!(findings(&alice, "leftovers").len(), 1);
    alice.run(&["doctor", "--fix"]).good();
    assert!(left.iter().all(|path| !path.exists()));
}

#[test]
fn a_key_that_was_cut_short_is_found_without_a_node() {
    let alice = Machine::new("alice");
    alice.remember("she had a key");
    alice.run(&["down"]).good();
    let key = alice.home().join("node.key");
    let whole = fs::read(&key).unwrap();
    fs::write(&key, &whole[..whole.len() / 2]).unwrap();
    let found = finding(&alice, "key", &["cannot be used", "does not start", "antiphon recover"]);
    assert!(fix(&found).contains("put a copy of it there"));
    fs::write(&key, &whole).unwrap();
    is_well(&alice, "key");
    fs::remove_file(&key).unwrap();
    finding(&alice, "files", &["is gone", "antiphon recover"]);
    fs::write(&key, &whole).unwrap();
    set_mode(&key, 0o600);
    assert_eq!(doctor(&alice)["ok"], true);
}

#[test]
fn a_disk_that_is_nearly_full_is_told_and_the_node_says_that_it_is_not_ready() {
    let alice = Machine::new("alice");
    alice.remember("there is room");
    assert_eq!(ready(&alice), "ready\n");
    // As if the disk had less free space than there should be.
    alice.run(&["config", "set", "storage.reserve", "1024TiB"]).good();
    alice.run(&["config", "reload"]).good();
    finding(&alice, "disk", &["error", "should stay so", "antiphon content gc"]);
    assert_eq!(ready(&alice), "unready disk\n");
    assert!(alice.json(&["status"])["problems"].to_string().contains("the disk of this node is full"));
    alice.run(&["config", "unset", "storage.reserve"]).good();
    alice.run(&["config", "reload"]).good();
    is_well(&alice, "disk");
    assert_eq!(ready(&alice), "ready\n");
}

#[test]
fn a_full_disk_is_told_and_the_node_goes_on_when_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::make(&dir.path().join("disk"), "24m") else {
        return skipped("a full disk", "this user may not mount a disk of its own");
    };
    let alice = Machine::at("alice", disk.path().join("h"));
    alice.run(&["config", "set", "storage.reserve", "1MiB"]).good();
    alice.remember("there is room");
    is_well(&alice, "disk");
    let ballast = disk.path().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[7; 1 << 16]).is_ok() {}
    finding(&alice, "disk", &["error", "antiphon content gc"]);
    assert!(ready(&alice).contains("disk"), "{}", ready(&alice));
    // A file that is open takes its room with it.
    drop(file);
    fs::remove_file(&ballast).unwrap();
    is_well(&alice, "disk");
    assert_eq!(ready(&alice), "ready\n");
    for n in 0..4_000 {
        if File::create(disk.path().join(format!("small-{n}"))).is_err() {
            break;
        }
    }
    finding(&alice, "disk", &["inodes", "df -i"]);
    assert!(ready(&alice).contains("disk"));
    fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).for_each(
        |path| {
            fs::remove_file(path).unwrap();
        },
    );
    is_well(&alice, "disk");
    alice.remember("and there is room again");
    drop(alice);
}

#[test]
fn a_clock_that_was_set_back_shows_in_the_files() {
    let alice = Machine::new("alice");
    alice.remember("it is late");
    alice.run(&["down"]).good();
    let path = alice.home().join("antiphon.db");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(2 * 86_400)).unwrap();
    let found = finding(&alice, "file times", &["antiphon.db", "in the future", "timedatectl"]);
    // The clock of this machine is right; what is left of the advice is to touch the file.
    let touch = fix(&found);
    shell(&alice, touch.rsplit_once("then ").unwrap().1);
    is_well(&alice, "file times");
}

#[test]
fn a_port_that_somebody_else_has_is_named_with_its_holder() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let alice = Machine::new("alice");
    alice.run(&["config", "set", "http.listen", &at]).good();
    // The tests' own settings would go before the file.
    let command = |args: &[&str]| {
        let mut command = alice.command(args);
        command.env_remove("ANTIPHON_HTTP");
        finish(command, b"")
    };
    command(&["up", "--detach"]).good();
    let found = command(&["--json", "doctor"]).json();
    let ports = found["checks"].as_array().unwrap().iter().find(|check| check["check"] == "ports").unwrap();
    let only = &ports["findings"][0];
    let me = format!("process {} ", std::process::id());
    assert!(only["why"].as_str().unwrap().contains(&me), "{found:#}");
    assert!(found["checks"].to_string().contains("the HTTP door stays closed"), "{found:#}");
    command(&["down"]).good();
    assert!(command(&["--json", "doctor"]).json()["checks"].to_string().contains(&me), "without a node it is seen too");
    let (set, again) = only["fix"].as_str().unwrap().split_once(", then ").unwrap();
    assert!(set.starts_with("antiphon config set http.listen 127.0.0.1:0"), "{set}");
    shell(&alice, &format!("unset ANTIPHON_HTTP; {set} && {again}"));
    assert_eq!(command(&["doctor"]).code, 0, "{:#?}", command(&["doctor"]));
}

/// Damages a file behind its first pages.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let from = bytes.len() / 2;
    bytes[from..].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x5a);
    fs::write(path, bytes).unwrap();
}

/// Changes a text in a file, byte by byte.
fn tamper(path: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_database_is_told_from_one_that_was_tampered_with() {
    let alice = Machine::new("alice");
    let founding = alice.home().with_file_name("team.toml");
    fs::write(&founding, "[[genes]]\nid = \"law.zebra\"\ntext = \"zebras are striped\"\n").unwrap();
    alice.run(&["init", "--team", "choir", "--founding", &founding.display().to_string()]).good();
    for n in 0..40 {
        alice.remember(&format!("sentence {n} about nightingales and how they sing at night"));
    }
    alice.run(&["down"]).good();
    let path = alice.home().join("antiphon.db");
    let whole = fs::read(&path).unwrap();
    assert_eq!(doctor(&alice)["ok"], true);
    tamper(&path, "zebras are striped", "zebras are spotted");
    finding(&alice, "genome", &["error", "genes were changed"]);
    fs::write(&path, &whole).unwrap();
    tamper(&path, "sentence 7 about", "sentence 7 adout");
    finding(&alice, "log", &["error", "not what its authors signed", "antiphon recover"]);
    fs::write(&path, &whole).unwrap();
    damage(&path);
    let found = doctor(&alice);
    assert!(found["checks"].to_string().contains("the database"), "{found:#}");
    assert!(!findings(&alice, "database").is_empty(), "{found:#}");
    fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    assert!(!findings(&alice, "database").is_empty());
    fs::write(&path, b"this is no database at all, whatever its name says").unwrap();
    finding(&alice, "database", &["error"]);
    // A backup of the file is as good as what members give back.
    fs::write(&path, &whole).unwrap();
    assert_eq!(doctor(&alice)["ok"], true);
    assert_eq!(alice.facts(), 40);
}

#[test]
fn a_search_index_that_is_lost_or_damaged_is_made_again() {
    let alice = Machine::new("alice");
    for n in 0..30 {
        alice.remember(&format!("thrush number {n}"));
    }
    until("it is indexed", || alice.recall("thrush").len() >= 5);
    alice.run(&["down"]).good();
    let path = alice.home().join("search.db");
    fs::remove_file(&path).unwrap();
    let found = finding(&alice, "search", &["lacks 30 facts", "catches up"]);
    shell(&alice, &fix(&found));
    until("it caught up", || findings(&alice, "search").is_empty());
    alice.run(&["down"]).good();
    damage(&path);
    let found = finding(&alice, "search", &["damaged", "nothing is lost"]);
    shell(&alice, &fix(&found));
    until("it is whole again", || findings(&alice, "search").is_empty());
    assert_eq!(alice.recall("thrush number 7")[0], "thrush number 7");
}

#[test]
fn members_that_do_not_move_and_what_waits_for_them_are_named_until_they_do() {
    let (alice, bob) = team_of_two();
    alice.remember("for both");
    until("bob has it", || bob.facts() == 1);
    alice.run(&["config", "set", "doctor.stuck_after", "300ms"]).good();
    alice.run(&["config", "reload"]).good();
    until("all is well", || findings(&alice, "sync").is_empty());
    bob.run(&["down"]).good();
    alice.remember("bob does not have this");
    alice.run(&["send", "bob", "are you there?"]).good();
    until("it stands still", || findings(&alice, "sync").len() == 1 && findings(&alice, "outbox").len() == 1);
    let sync = finding(&alice, "sync", &["bob", "not moved", "warning"]);
    assert!(!fix(&sync).is_empty());
    let outbox = finding(&alice, "outbox", &["1 item for bob waits", "antiphon up --detach (on bob)"]);
    assert!(fix(&outbox).starts_with("antiphon up --detach"));
    shell(&bob, "antiphon up --detach");
    until("nothing stands still any more", || {
        alice.run(&["outbox", "retry", "--all"]).good();
        findings(&alice, "sync").is_empty() && findings(&alice, "outbox").is_empty()
    });
}

#[test]
fn a_removed_member_is_told_by_whom_and_one_whose_grant_ends_is_renewed() {
    let (alice, bob) = team_of_two();
    alice.run(&["team", "renew", "bob", "--life", "10d"]).good();
    let found = finding(&alice, "charter", &["grant of bob ends", "antiphon team renew bob"]);
    until("bob sees it too", || findings(&bob, "charter").len() == 1);
    shell(&alice, &fix(&found));
    is_well(&alice, "charter");
    until("bob is renewed", || findings(&bob, "charter").is_empty());
    alice.run(&["team", "revoke", "bob", "--reason", "left"]).good();
    until("bob is told", || !findings(&bob, "charter").is_empty());
    let found = finding(&bob, "charter", &["removed from choir", "error"]);
    assert!(fix(&found).starts_with("antiphon --profile NEW join TICKET"));
    // The advice is followed: a home of its own, and a ticket.
    let again = Machine::new("robert");
    let ticket = crate::common::invite(&alice);
    again.run(&["join", &ticket, "--bring", "none"]).good();
    until("he is a member again", || findings(&again, "charter").is_empty());
}

#[test]
fn a_member_that_was_left_out_when_a_key_was_made_anew_is_given_it() {
    let (alice, bob, carol) = (Machine::new("alice"), Machine::new("bob"), Machine::new("carol"));
    let id = bob.json(&["init", "--team", "solo"])["node_id"].as_str().unwrap().to_owned();
    let founding = alice.home().with_file_name("team.toml");
    fs::write(&founding, format!("stewards = [\"{id}\"]\n")).unwrap();
    alice.run(&["init", "--team", "choir", "--founding", &founding.display().to_string()]).good();
    for (machine, role) in [(&bob, "admin"), (&carol, "backend_developer")] {
        let ticket = alice.json(&["invite", "--role", role])["ticket"].as_str().unwrap().to_owned();
        machine.run(&["join", &ticket, "--bring", "none"]).good();
    }
    let members = || bob.json(&["team", "members"])["members"].as_array().unwrap().len();
    until("bob knows carol", || members() == 3);
    // While bob is away carol gets a role from alice; while alice is away bob makes a new key for it.
    bob.run(&["down"]).good();
    alice.run(&["team", "roles", "carol", "--set", "observer"]).good();
    alice.run(&["down"]).good();
    carol.run(&["down"]).good();
    bob.run(&["team", "rotate-role", "observer", "--fresh"]).good();
    alice.run(&["up", "--detach"]).good();
    until("they have met", || !findings(&bob, "role keys").is_empty());
    let found = finding(&bob, "role keys", &["carol lacks the present key of observer", "error"]);
    assert_eq!(fix(&found), "antiphon team renew carol");
    shell(&bob, &fix(&found));
    is_well(&bob, "role keys");
    until("alice knows", || findings(&alice, "role keys").is_empty());
}

#[test]
fn a_second_node_on_the_same_home_is_found_and_ended() {
    let alice = Machine::new("alice");
    alice.remember("there should be one");
    // Whoever removes the lock lets a second one in.
    let first = fs::read_to_string(alice.home().join("node.lock")).unwrap().trim().to_owned();
    fs::remove_file(alice.home().join("node.lock")).unwrap();
    let mut command = alice.command(&["up"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _second = Process(command.spawn().unwrap());
    let holder = || fs::read_to_string(alice.home().join("node.lock")).unwrap_or_default().trim().to_owned();
    until("the second one runs", || !holder().is_empty() && holder() != first);
    until("it answers", || alice.run(&["--no-start", "status"]).code == 0);
    let found = finding(&alice, "daemon", &["second node", &first, "error"]);
    assert_eq!(fix(&found), format!("kill {first}"));
    shell(&alice, &fix(&found));
    until("one is left", || findings(&alice, "daemon").is_empty());
    assert_eq!(alice.recall("should"), ["there should be one"]);
    kill_holder(alice.home());
}

#[test]
fn a_node_whose_program_was_replaced_is_restarted() {
    let alice = Machine::new("alice");
    let copy = alice.home().with_file_name("antiphon");
    fs::copy(ANTIPHON, &copy).unwrap();
    let mut command = Command::new(&copy);
    isolate(&mut command);
    command.args(["up", "--detach"]).env("ANTIPHON_HOME", alice.home());
    finish(command, b"").good();
    is_well(&alice, "program");
    // An upgrade puts another file in its place.
    fs::remove_file(&copy).unwrap();
    let found = finding(&alice, "program", &["was replaced", "after a restart"]);
    shell(&alice, &fix(&found));
    is_well(&alice, "program");
}

#[test]
fn a_slip_in_the_configuration_is_found_with_and_without_a_node() {
    let alice = Machine::new("alice");
    alice.remember("she runs");
    let file = alice.home().join("antiphon.toml");
    fs::write(&file, "[outbox]\nretri = \"5s\"\n").unwrap();
    finding(&alice, "configuration", &["antiphon.toml:2", "did you mean retry?"]);
    alice.run(&["down"]).good();
    finding(&alice, "configuration", &["antiphon.toml:2", "does not start"]);
    alice.run(&["up", "--detach"]).refused(2, &["antiphon.toml:2"]);
    fs::write(&file, "[outbox]\nretry = \"5s\"\n").unwrap();
    is_well(&alice, "configuration");
    alice.run(&["up", "--detach"]).good();
    alice.run(&["config", "set", "network.relay", "true"]).good();
    alice.run(&["config", "reload"]).good();
    let found = finding(&alice, "settings", &["network.relay", "next start"]);
    shell(&alice, &fix(&found).replace(", then ", " && "));
    is_well(&alice, "settings");
    let mut command = alice.command(&["--json", "doctor"]);
    command.env("ANTIPHON_OUTBOX_RETRI", "5s");
    let found = finish(command, b"").json();
    assert!(found["checks"].to_string().contains("export ANTIPHON_OUTBOX_RETRY"), "{found:#}");
}
