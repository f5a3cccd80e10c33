//! Running the suite, and reading what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};

/// Where the suite is installed.
pub(super) struct Suite(PathBuf);

impl Suite {
    /// The suite, or a word that it is not there.
    pub(super) fn installed() -> Option<Self> {
        let suite = std::env::var_os("ANTIPHON_TEST_CONFORMANCE").map(|dir| Self(dir.into()));
        if suite.is_none() {
            println!("skipped: ANTIPHON_TEST_CONFORMANCE names no directory with the conformance suite");
        }
        suite
    }

    fn command(&self) -> Command {
        let modules = self.0.join("node_modules");
        let mut command = Command::new(modules.join(".bin/node"));
        command.arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"));
        command
    }

    /// Runs everything that a revision requires.
    pub(super) async fn run(&self, url: &str, revision: &str) -> Run {
        let out = tempfile::tempdir().unwrap();
        let mut command = self.command();
        command.args(["server", "--url", url, "--requirements", revision, "-o"]).arg(out.path());
        let output = finished(command).await;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Run { scenarios: scenarios(&said), exit: output.status.success(), said }
    }

    /// Names of the scenarios that are scored in a revision.
    pub(super) async fn scored(&self, revision: &str) -> BTreeSet<String> {
        let mut command = self.command();
        command.args(["list", "--server", "--requirements", revision]);
        let output = finished(command).await;
        let said = String::from_utf8(output.stdout).unwrap();
        let (_, server) = said.split_once("Server scenarios").unwrap();
        let (server, _) = server.split_once("\n\n").unwrap();
        server.lines().filter_map(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect()
    }
}

/// The suite gives every scenario a time of its own, so it ends.
async fn finished(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the suite's Node runs")).await.unwrap()
}

/// What a run said.
pub(super) struct Run {
    /// Checks of each scenario that passed and failed.
    scenarios: BTreeMap<String, (u64, u64)>,
    pub(super) exit: bool,
    pub(super) said: String,
}

impl Run {
    pub(super) fn passed(&self) -> BTreeSet<String> {
        let passed = self.scenarios.iter().filter(|(_, (passed, failed))| *passed > 0 && *failed == 0);
        passed.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn failed(&self) -> BTreeSet<String> {
        self.scenarios.iter().filter(|(_, (_, failed))| *failed > 0).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn totals(&self) -> String {
        let (passed, failed) =
            self.scenarios.values().fold((0, 0), |(passed, failed), one| (passed + one.0, failed + one.1));
        format!("{} scenarios, {passed} checks passed, {failed} failed", self.scenarios.len())
    }
}

/// Lines such as `✓ ping: 1 passed, 0 failed`.
fn scenarios(said: &str) -> BTreeMap<String, (u64, u64)> {
    let line = |line: &str| {
        let (mark, rest) = line.trim().split_once(' ')?;
        let (name, counts) = rest.split_once(": ")?;
        let (passed, failed) = counts.split_once(" passed, ")?;
        let (failed, _) = failed.split_once(" failed")?;
        ["✓", "✗"].contains(&mark).then_some((name.to_owned(), (passed.parse().ok()?, failed.parse().ok()?)))
    };
    said.lines().filter_map(line).collect()
}
