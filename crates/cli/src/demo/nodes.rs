//! One node of the demo: a process of this program, with a home of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use antiphon_node::Home;
use antiphon_server::client::Client;

use super::world::{Fail, STEP_MS, WAIT_MAX};

/// Longest wait for a node to stop by itself before it is ended.
const STOP_MAX: Duration = Duration::from_secs(10);
/// What every node is configured with: a minute of demo has no time for the patience that a real team has.
const SETTINGS: &str = "[replication]\ngrace = \"2s\"\nproof_age = \"1s\"\n";

/// See the module.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: &'static str,
    home: Home,
    log: PathBuf,
    port: u16,
    process: Option<Child>,
    /// Speaks to it.
    pub(crate) client: Client,
}

impl Node {
    /// A home for a node that does not run yet.
    pub(crate) fn new(dir: &Path, name: &'static str) -> Result<Self, Fail> {
        let home = Home::new(dir.join(name));
        let cannot = |error: std::io::Error| Fail::new(format!("the home of {name} cannot be made: {error}"));
        DirBuilder::new().mode(0o700).create(home.path()).map_err(cannot)?;
        fs::write(home.path().join("antiphon.toml"), SETTINGS).map_err(cannot)?;
        // A node keeps its port when it starts again, or the others would look for it in vain.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| Fail::new(format!("there is no free port for {name}: {error}")))?.port();
        let client = Client::new(home.socket());
        Ok(Self { name, log: dir.join(format!("{name}.log")), home, port, process: None, client })
    }

    /// Its home.
    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }

    /// Whether its process runs.
    pub(crate) const fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Starts its process.
    pub(crate) fn start(&mut self) -> Result<(), Fail> {
        let cannot = |error: std::io::Error| Fail::new(format!("{} cannot be started: {error}", self.name));
        let program = std::env::current_exe().map_err(cannot)?;
        let mut command = Command::new(program);
        // Nothing of the person who runs the demo reaches its nodes.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANTIPHON_")) {
            command.env_remove(name);
        }
        command.arg("--home").arg(self.home.path());
        command.args(["up", "--no-recovery", "--no-mdns", "--no-http", "--while-stdin", "--name", self.name]);
        command.arg("--listen").arg(format!("/ip4/127.0.0.1/tcp/{}", self.port));
        let log: File = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.log).map_err(cannot)?;
        // The demo holds the other end and writes nothing: however it ends, its nodes read the end, and stop.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        // An interrupt is for the demo, which then stops its nodes in order.
        command.process_group(0);
        self.process = Some(command.spawn().map_err(cannot)?);
        Ok(())
    }

    /// Waits until it answers.
    pub(crate) async fn answers(&mut self) -> Result<(), Fail> {
        let started = Instant::now();
        while self.client.status().await.is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if ended.is_some() || started.elapsed() > WAIT_MAX {
                self.process = None;
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned();
                return Err(Fail::new(format!("{} does not answer; the last line of its log is: {last}", self.name)));
            }
            tokio::time::sleep(STEP_MS).await;
        }
        Ok(())
    }

    /// Asks its process to stop.
    pub(crate) async fn begin_stop(&self) {
        if self.runs() && self.client.shutdown().await.is_err() {
            tracing::debug!("{} does not answer any more; it will be ended", self.name);
        }
    }

    /// Waits until its process has stopped, and ends it if it does not.
    pub(crate) async fn stopped(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let started = Instant::now();
        while matches!(process.try_wait(), Ok(None)) && started.elapsed() < STOP_MAX {
            tokio::time::sleep(STEP_MS).await;
        }
        end(&mut process);
    }

    /// Ends its process as a power cut would, and its disk with it.
    pub(crate) fn lose(&mut self) -> Result<(), Fail> {
        if let Some(mut process) = self.process.take() {
            end(&mut process);
        }
        fs::remove_dir_all(self.home.path()).map_err(|error| Fail::new(format!("a home stays: {error}")))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            end(process);
        }
    }
}

/// Ends a process, if it runs, and waits for it.
fn end(process: &mut Child) {
    // Both fail only where it has ended already.
    let _ = process.kill();
    let _ = process.wait();
}
