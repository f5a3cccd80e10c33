//! One computer: a home, and a daemon of the real program on it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use antiphon_node::Home;
use antiphon_server::client::Client;

use crate::Outcome;

/// Longest wait for a process to end.
const END_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub struct Machine {
    pub name: String,
    program: PathBuf,
    home: Home,
    port: u16,
}

impl Machine {
    /// A machine whose daemon does not run yet.
    pub fn new(program: &Path, dir: &Path, name: &str) -> Outcome<Self> {
        // It keeps its port, or the others would look for it in vain.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let home = Home::new(dir.join(name));
        Ok(Self { name: name.to_owned(), program: program.to_owned(), home, port })
    }

    /// Speaks to its daemon.
    pub fn client(&self) -> Client {
        Client::new(self.home.socket())
    }

    /// The process of its daemon, as it says itself.
    pub fn process(&self) -> Outcome<u32> {
        Ok(fs::read_to_string(self.home.path().join("node.lock"))?.trim().parse()?)
    }

    /// Bytes of its home.
    pub fn disk(&self) -> u64 {
        bytes_of(self.home.path())
    }

    /// Starts its daemon and waits until it answers.
    pub fn up(&self) -> Outcome<()> {
        let listen = format!("/ip4/127.0.0.1/tcp/{}", self.port);
        self.run(&[
            "up",
            "--detach",
            "--no-recovery",
            "--no-mdns",
            "--no-http",
            "--name",
            &self.name,
            "--listen",
            &listen,
        ])
    }

    /// Stops its daemon, and waits until it has ended.
    pub async fn down(&self) -> Outcome<()> {
        let process = self.process()?;
        self.run(&["down"])?;
        ended(process)
    }

    /// Ends its daemon without a word.
    pub fn kill(&self) -> Outcome<()> {
        let process = self.process()?;
        let killed = Command::new("kill").args(["-9", &process.to_string()]).status()?;
        if killed.success() { ended(process) } else { Err(format!("{} cannot be killed", self.name).into()) }
    }

    fn run(&self, words: &[&str]) -> Outcome<()> {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANTIPHON_")) {
            command.env_remove(name);
        }
        command.arg("--home").arg(self.home.path()).args(words).stdin(Stdio::null());
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{} {}: {}", self.name, words[0], String::from_utf8_lossy(&output.stderr)).into())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Nothing runs on it any more when all went well.
        if self.client().socket().exists() {
            let _ = self.kill();
        }
    }
}

fn ended(process: u32) -> Outcome<()> {
    let started = Instant::now();
    // A zombie of somebody else's has ended too: it has no memory map any more.
    let runs = || fs::read_to_string(format!("/proc/{process}/statm")).is_ok_and(|map| !map.starts_with("0 "));
    while runs() {
        if started.elapsed() > END_MAX {
            return Err(format!("process {process} does not end").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn bytes_of(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).map_or(0, |entries| entries.flatten().map(|entry| bytes_of(&entry.path())).sum())
}
