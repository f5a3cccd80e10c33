//! Machines to test with: each is a temporary home and the environment of one computer. Whatever runs on it is stopped
//! when the test ends, however it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program under test.
pub(crate) const ANTIPHON: &str = env!("CARGO_BIN_EXE_antiphon");

/// After this long a wait is a hang, and the test says so instead of standing still for ever.
const HANG: Duration = Duration::from_secs(90);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The command failed with `code` and says each of `words` on stderr, with a hint.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.lines().any(|line| line.starts_with("error: ")), "{self:#?}");
        assert!(self.stderr.contains("\n  try: "), "no hint: {self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing: {self:#?}");
        }
    }

    /// The command went well.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// How many messages wait, by what `antiphon outbox list` says. What else may wait, such as what a node stores and how it
/// shares, is told to whoever was just let in, and goes by itself.
#[track_caller]
pub(crate) fn messages_that_wait(page: &Value) -> usize {
    assert!(page["next"].is_null(), "more waits than a page shows: {page}");
    page["items"].as_array().unwrap().iter().filter(|item| item["protocol"] == "message").count()
}

/// One computer.
pub(crate) struct Machine {
    name: String,
    home: PathBuf,
    /// What stands before the program's name, such as what runs it in a network of its own.
    within: Vec<String>,
    /// Variables of this machine alone; `None` takes one away.
    env: Vec<(String, Option<String>)>,
    _dir: Option<tempfile::TempDir>,
}

impl Machine {
    /// A fresh machine; nothing runs on it yet.
    pub(crate) fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Self::at(name, dir.path().join("h"));
        machine._dir = Some(dir);
        machine
    }

    /// A machine whose home is a directory of the caller.
    pub(crate) fn at(name: &str, home: PathBuf) -> Self {
        Self { name: name.to_owned(), home, within: Vec::new(), env: Vec::new(), _dir: None }
    }

    /// The same machine, whose programs are started by this command.
    pub(crate) fn within(mut self, command: &[&str]) -> Self {
        self.within = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The same machine with a variable of its own.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), Some(value.to_owned())));
        self
    }

    /// The same machine without a variable that tests set.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.env.push((name.to_owned(), None));
        self
    }

    /// Its home.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// A command on this machine, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut words = self.within.iter().map(String::as_str).chain([ANTIPHON]);
        let mut command = Command::new(words.next().unwrap_or(ANTIPHON));
        isolate(&mut command);
        command.args(words).args(args).env("ANTIPHON_HOME", &self.home).env("ANTIPHON_NAME", &self.name);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs a command.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, b"")
    }

    /// Runs a command with something on its stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Run {
        finish(self.command(args), stdin)
    }

    /// Runs a command that must go well, and reads what it prints as JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        self.run(&all).good().json()
    }

    /// Remembers a text and returns its id.
    #[track_caller]
    pub(crate) fn remember(&self, text: &str) -> String {
        self.json(&["remember", text])["id"].as_str().unwrap().to_owned()
    }

    /// Texts of the facts that a query finds.
    #[track_caller]
    pub(crate) fn recall(&self, query: &str) -> Vec<String> {
        let hits = self.json(&["recall", query]);
        hits.as_array().unwrap().iter().map(|hit| hit["content"].as_str().unwrap().to_owned()).collect()
    }

    /// The number of facts the node holds.
    #[track_caller]
    pub(crate) fn facts(&self) -> u64 {
        self.json(&["status"])["facts"].as_u64().unwrap()
    }

    /// The state hash.
    #[track_caller]
    pub(crate) fn state_hash(&self) -> String {
        self.json(&["verify", "--state-hash"])["state_hash"].as_str().unwrap().to_owned()
    }

    /// What its daemon wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("node.log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut command = self.command(&["down"]);
        let down = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !down.is_ok_and(|status| status.success()) {
            kill_holder(&self.home);
        }
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}

/// Ends the node that holds `home`, if it could not be stopped politely.
pub(crate) fn kill_holder(home: &Path) {
    let holder = std::fs::read_to_string(home.join("node.lock")).unwrap_or_default();
    let Ok(pid) = holder.trim().parse::<u32>() else { return };
    // The id may be an old one that belongs to somebody else by now.
    let what = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if String::from_utf8_lossy(&what).contains(&*home.to_string_lossy()) {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        // A signal takes a moment, in which the node would still take connections.
        until("the node is dead", || is_dead(pid));
    }
}

/// Whether a process is gone, or waits for nothing but to be noticed: its files close with its last thread.
fn is_dead(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ended = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    stat.is_empty() || ended && threads <= 1
}

/// Settings that keep a test to itself: loopback, free ports, nothing of the person who runs it.
pub(crate) fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANTIPHON_") {
            command.env_remove(name);
        }
    }
    command
        .env("ANTIPHON_LISTEN", "/ip4/127.0.0.1/tcp/0")
        .env("ANTIPHON_HTTP", "127.0.0.1:0")
        .env("ANTIPHON_NO_MDNS", "1")
        .env("NO_COLOR", "1");
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command, stdin: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_vec();
    // A command that refuses early closes its stdin while there is still something to write.
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Run {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Waits until `done` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < HANG, "still waiting: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A team of two: alice founds it, bob joins.
pub(crate) fn team_of_two() -> (Machine, Machine) {
    let (alice, bob) = (Machine::new("alice"), Machine::new("bob"));
    alice.run(&["init", "--team", "choir"]).good();
    let ticket = invite(&alice);
    bob.run(&["join", &ticket, "--bring", "none"]).good();
    (alice, bob)
}

/// A fresh ticket from a steward.
#[track_caller]
pub(crate) fn invite(steward: &Machine) -> String {
    steward.json(&["invite", "--role", ROLE])["ticket"].as_str().unwrap().to_owned()
}

/// A role every team has.
pub(crate) const ROLE: &str = "backend_developer";

/// Whether a program that a test needs can be run here. Where it cannot the test is not run and says so; with
/// `ANTIPHON_TEST_MUST` set, that is a failure.
#[track_caller]
pub(crate) fn can_run(what: &str, program: &str, args: &[&str]) -> bool {
    let tried = Command::new(program).args(args).stdin(Stdio::null()).output();
    let why = match tried {
        Ok(out) if out.status.success() => return true,
        Ok(out) => format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr).trim()),
        Err(error) => format!("{program}: {error}"),
    };
    skipped(what, &why);
    false
}

/// What a variable of `.ci/run` names, for tests with programs that are not ours; without it they say so.
pub(crate) fn tool(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|path| !path.is_empty());
    if found.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    found
}

/// A script of `tests/clients`.
pub(crate) fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name).display().to_string()
}

/// Says that a test was not run, and why; a failure where it must be.
#[track_caller]
pub(crate) fn skipped(what: &str, why: &str) {
    assert!(std::env::var_os("ANTIPHON_TEST_MUST").is_none(), "{what} must be tested here, and cannot: {why}");
    eprintln!("skipped: {what}: {why}");
}

/// A small disk of its own, which goes with the value; only root can make one.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// A disk of this size, such as `24m`, at a directory that is made; `None` where it may not be mounted.
    pub(crate) fn make(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size},nr_inodes=4k");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        made.is_ok_and(|made| made.status.success()).then(|| Self(at.to_owned()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
