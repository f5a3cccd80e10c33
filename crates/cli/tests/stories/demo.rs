//! The demo shows what it claims, ends all it started, and says which step failed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{ANTIPHON, finish, isolate, until};

/// The demo, with its files in a directory of the test.
fn demo(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(ANTIPHON);
    isolate(&mut command);
    command.args(["demo"]).args(args).env("TMPDIR", dir).env("ANTIPHON_HOME", dir.join("unused"));
    command
}

/// Processes whose home is below `dir`.
fn processes(dir: &Path) -> usize {
    let dir = dir.display().to_string();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    all.filter(|line| String::from_utf8_lossy(line).contains(&dir)).count()
}

fn left(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_step_of_the_demo_shows_what_it_claims() {
    let dir = tempfile::Builder::new().prefix("d").tempdir().unwrap();
    let run = finish(demo(dir.path(), &["--json"]), b"");
    let report: Value = run.json();
    assert_eq!((run.code, &report["ok"]), (0, &true.into()), "{report:#}");
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let want = ["start", "join", "remember", "diverge", "resolve", "seal", "copies", "loss", "revoke"];
    assert_eq!(names, want);
    let claims = [
        ("start", "nodes", 5.0, "Five nodes run"),
        ("join", "members", 5.0, "ticket that works once"),
        ("diverge", "sides", 2.0, "nothing was overwritten"),
        ("resolve", "nodes", 5.0, "carol accepted bob's side"),
        ("seal", "bytes", 1_032_192.0, "cannot decrypt content of role backend_developer"),
        ("copies", "copies", 3.0, "each of whom proved it"),
        ("loss", "copies", 3.0, "took over the copy"),
        ("revoke", "remaining", 3.0, "and not eve"),
    ];
    for (name, figure, value, words) in claims {
        let step = steps.iter().find(|step| step["step"] == name).unwrap();
        assert!(step["figures"][figure].as_f64().unwrap() >= value, "{step:#}");
        assert!(step["claim"].as_str().unwrap().contains(words), "{step:#}");
        assert!(step["seconds"].as_f64().unwrap() > 0.0, "{step:#}");
    }
    assert!(report["seconds"].as_f64().unwrap() > 0.0 && report.get("home").is_none(), "{report:#}");
    assert_eq!((left(dir.path()), processes(dir.path())), (vec![], 0));
}

/// The demo once its nodes are being started.
fn under_way(dir: &Path) -> Child {
    let mut command = demo(dir, &[]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("a node runs", || processes(dir) > 0);
    child
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let dir = tempfile::Builder::new().prefix("d").tempdir().unwrap();
        let mut child = under_way(dir.path());
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!((left(dir.path()), processes(dir.path())), (vec![], 0), "{signal}");
    }
}

#[test]
fn the_nodes_of_a_demo_that_is_killed_end_with_it() {
    let dir = tempfile::Builder::new().prefix("d").tempdir().unwrap();
    let mut child = under_way(dir.path());
    child.kill().unwrap();
    child.wait().unwrap();
    until("its nodes have ended", || processes(dir.path()) == 0);
}

#[test]
fn a_node_that_dies_is_a_failed_step_with_a_name() {
    let dir = tempfile::Builder::new().prefix("d").tempdir().unwrap();
    let mut command = demo(dir.path(), &["--json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let alice = dir.path().join(format!("antiphon-demo-{}/alice/node.lock", child.id()));
    // The demo itself founds alice's team; after that her own node holds the home.
    let holder = || fs::read_to_string(&alice).ok().and_then(|pid| pid.trim().parse::<u32>().ok());
    until("alice's node runs", || holder().is_some_and(|pid| pid != child.id()));
    let pid = holder().unwrap().to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let mut out = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut out).unwrap();
    let code = child.wait().unwrap().code();
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (Some(1), &false.into()), "{report:#}");
    assert!(!report["failed"]["step"].as_str().unwrap().is_empty(), "{report:#}");
    assert!(!report["failed"]["what"].as_str().unwrap().is_empty(), "{report:#}");
    assert_eq!((left(dir.path()), processes(dir.path())), (vec![], 0));
}
