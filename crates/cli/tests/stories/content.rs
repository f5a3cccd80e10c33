//! Documents through the real program: the stock `age` reads them, and their length costs time alone.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Machine, ROLE, finish, kill_holder, team_of_two, until};

const MIB: u64 = 1024 * 1024;
/// Length of the document that tells whether memory grows with it, in MiB; `ANTIPHON_TEST_DOCUMENT_MIB` sets another.
const LONG_MIB: u64 = 64;
/// Most memory beyond that of an idle node, whatever the length of a document.
const MEMORY_BYTES_MAX: u64 = 64 * MIB;

fn long_bytes() -> u64 {
    let given = std::env::var("ANTIPHON_TEST_DOCUMENT_MIB").ok();
    given.map_or(LONG_MIB, |mib| mib.parse().unwrap()) * MIB
}

fn address(path: &str) -> String {
    format!("ucxl://bob/{ROLE}/shop/login/{path}")
}

fn path_of(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

/// Bytes that do not compress and repeat nowhere.
fn write_noise(path: &str, bytes: u64) {
    let (mut file, mut seed) = (fs::File::create(path).unwrap(), 0x9E37_79B9_7F4A_7C15_u64);
    let mut block = Vec::with_capacity(1 << 20);
    for _ in 0..bytes / MIB {
        block.clear();
        while block.len() < 1 << 20 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            block.extend(seed.to_le_bytes());
        }
        file.write_all(&block).unwrap();
    }
}

fn pid_of(machine: &Machine) -> u32 {
    fs::read_to_string(machine.home().join("node.lock")).unwrap().trim().parse().unwrap()
}

/// A line of the node's `/proc/PID/status`, in bytes.
fn memory(machine: &Machine, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid_of(machine))).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim_start_matches(':').trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// Forgets the highest memory use so far, and says what is used now.
fn idle(machine: &Machine) -> u64 {
    fs::write(format!("/proc/{}/clear_refs", pid_of(machine)), "5").unwrap();
    memory(machine, "VmRSS")
}

fn same(one: &str, other: &str) -> bool {
    Command::new("cmp").args(["-s", one, other]).status().unwrap().success()
}

#[test]
fn the_stock_age_opens_what_was_stored_with_an_exported_key() {
    if Command::new("age").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: the age command is not installed on this machine");
        return;
    }
    let (_alice, bob) = team_of_two();
    let dir = tempfile::tempdir().unwrap();
    let [plain, cipher, key, out] = ["plain", "cipher.age", "role.key", "out"].map(|name| path_of(dir.path(), name));
    fs::write(&plain, "ours alone\n".repeat(100_000)).unwrap();
    let stored = bob.json(&["content", "put", &address("notes"), &plain, "--as", ROLE]);
    assert_eq!((stored["version"].as_u64(), stored["size"].as_u64()), (Some(1), Some(1_100_000)));
    let got = bob.json(&["content", "get", &address("notes"), "--ciphertext", "-o", &cipher]);
    assert_eq!(got["hash"], stored["hash"]);
    assert_eq!(fs::metadata(&cipher).unwrap().len(), stored["stored_size"].as_u64().unwrap());
    let exported = bob.run(&["team", "export-role-key", ROLE, "-o", &key]).good();
    assert!(exported.stderr.contains("Whoever has this file reads everything"), "{exported:?}");
    assert!(!exported.stdout.contains("AGE-SECRET-KEY"));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let age = Command::new("age").args(["-d", "-i", &key, "-o", &out, &cipher]).output().unwrap();
    assert!(age.status.success(), "{age:?}");
    assert!(same(&plain, &out));
}

/// Alice fetches; a node dies when she has so much, and comes back. How much she has then.
fn dies_while_it_is_fetched(alice: &Machine, dies: &Machine, out: &str, enough: u64) -> u64 {
    let held = || alice.json(&["content", "status", &address("model")])["held_bytes"].as_u64().unwrap();
    let mut get = alice.command(&["content", "get", &address("model"), "-o", out]);
    let mut getting = get.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("a part of it is here, or all", || held() > enough || getting.try_wait().unwrap().is_some());
    kill_holder(dies.home());
    let _ = getting.wait().unwrap();
    let _ = fs::remove_file(out);
    dies.run(&["up", "--detach"]).good();
    held()
}

#[test]
fn a_long_document_costs_no_memory_and_goes_on_after_a_crash() {
    let (alice, bob) = team_of_two();
    let dir = tempfile::tempdir().unwrap();
    let (plain, out) = (path_of(dir.path(), "plain"), path_of(dir.path(), "out"));
    let long = long_bytes();
    write_noise(&plain, long);
    let before = idle(&bob);
    let stored = bob.json(&["content", "put", &address("model"), &plain, "--as", ROLE]);
    assert_eq!(stored["size"].as_u64(), Some(long));
    let most = memory(&bob, "VmHWM") - before.min(memory(&bob, "VmHWM"));
    assert!(most <= MEMORY_BYTES_MAX, "storing took {most} bytes of memory");
    eprintln!("storing took {most} bytes of memory");
    until("alice knows of it", || alice.run(&["content", "status", &address("model")]).code == 0);

    // The reader's node dies in the middle, then the holder's; what has come stays, and the rest follows.
    let first = dies_while_it_is_fetched(&alice, &alice, &out, long / 8);
    let second = dies_while_it_is_fetched(&alice, &bob, &out, long / 2);
    assert!(first <= second, "{first} bytes were here after the first crash, {second} after the second");
    let (before, serving) = (idle(&alice), idle(&bob));
    until("it is fetched", || alice.run(&["content", "get", &address("model"), "-o", &out]).code == 0);
    let most = memory(&alice, "VmHWM") - before.min(memory(&alice, "VmHWM"));
    assert!(most <= MEMORY_BYTES_MAX, "reading took {most} bytes of memory");
    eprintln!(
        "{first} bytes after the reader's crash, {second} after the holder's; reading took {most} bytes of memory"
    );
    let most = memory(&bob, "VmHWM") - serving.min(memory(&bob, "VmHWM"));
    assert!(most <= MEMORY_BYTES_MAX, "serving took {most} bytes of memory");
    eprintln!("serving took {most} bytes of memory");
    assert!(same(&plain, &out));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    // What goes in at stdin comes out at stdout.
    let piped = finish(bob.command(&["content", "put", &address("piped"), "-", "--as", ROLE, "--json"]), b"through");
    assert_eq!(piped.good().json()["size"].as_u64(), Some(7));
    assert_eq!(bob.run(&["content", "get", &address("piped")]).good().stdout, "through");
}

#[test]
fn every_answer_has_its_documented_shape() {
    let (alice, bob) = team_of_two();
    let put =
        finish(bob.command(&["content", "put", &address("plan"), "-", "--as", ROLE, "--json"]), b"one").good().json();
    for key in ["address", "version", "hash", "size", "encrypted_for", "manifest", "key_epoch", "author", "left_out"] {
        assert!(!put[key].is_null(), "{key} is missing: {put}");
    }
    until("alice knows of it", || alice.run(&["content", "status", &address("plan")]).code == 0);
    let status = alice.json(&["content", "status", &address("plan")]);
    assert_eq!((&status["hash"], status["held"].as_str()), (&put["hash"], Some("none")));
    let providers = alice.json(&["content", "providers", &address("plan")]);
    assert_eq!(providers["providers"][0]["peer"].as_str(), Some("bob"));
    let found = alice.json(&["content", "search", "--task", "login", "--as", ROLE]);
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(bob.json(&["content", "announce", &address("plan")])["provided"].as_bool(), Some(true));
    let metrics = bob.json(&["content", "metrics", "--cleanup"]);
    assert_eq!((metrics["stored"].as_u64(), metrics["encryption_ops"].as_u64()), (Some(1), Some(1)));
    let wrong = bob.run(&["content", "get", "ucxl://bob/backend developer/shop/login/x"]);
    wrong.refused(2, &["role"]);
    bob.run(&["content", "get", &address("none")]).refused(3, &["no document"]);
    bob.run(&["content", "get", &address("plan"), "--json"]).refused(2, &["stdout"]);
    bob.json(&["content", "rm", &address("plan")]);
    bob.run(&["content", "get", &address("plan")]).refused(3, &["was removed"]);
    let versions = bob.json(&["content", "versions", &address("plan")]);
    assert_eq!(versions["versions"][0]["removed"].as_bool(), Some(true));
}
