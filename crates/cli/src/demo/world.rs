//! The five nodes, and how the story waits for them.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use antiphon_server::client::{Client, ClientError};

use super::nodes::Node;
use super::report::FailedStep;
use crate::outcome::{Problem, file_problem};

/// Longest wait for something that should come true by itself.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(20);
/// How often it is looked for.
pub(crate) const STEP_MS: Duration = Duration::from_millis(10);
/// Who takes part. The first founds the team.
pub(crate) const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "eve"];

/// Why a step did not come true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fail(String);

impl Fail {
    /// What happened instead.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// The step that failed.
    pub(crate) fn of(self, step: &'static str) -> FailedStep {
        FailedStep { step, what: self.0 }
    }
}

impl From<ClientError> for Fail {
    fn from(error: ClientError) -> Self {
        Self(error.to_string())
    }
}

/// The nodes and their place. Dropped, it leaves no process and, unless it is kept, no file.
#[derive(Debug)]
pub(crate) struct World {
    nodes: Vec<Node>,
    dir: PathBuf,
    keep: bool,
    /// The fact that the story is about, once it is written.
    pub(crate) fact: String,
    /// Who lost a disk, once somebody did.
    pub(crate) lost: Option<&'static str>,
}

impl World {
    /// An empty place.
    ///
    /// # Errors
    /// A problem when there is none.
    pub(crate) fn new(keep: bool) -> Result<Self, Problem> {
        let dir = std::env::temp_dir().join(format!("antiphon-demo-{}", std::process::id()));
        // A name that somebody else took would be somebody else's to read.
        let made = DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|error| file_problem("make", &dir, &error))?;
        Ok(Self { nodes: Vec::new(), dir, keep, fact: String::new(), lost: None })
    }

    /// Where the homes are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the homes.
    pub(crate) fn settle(&mut self) -> Result<(), Fail> {
        for name in NAMES {
            self.nodes.push(Node::new(&self.dir, name)?);
        }
        Ok(())
    }

    /// A node by its name.
    pub(crate) fn node(&mut self, name: &str) -> Result<&mut Node, Fail> {
        let found = self.nodes.iter_mut().find(|node| node.name == name);
        found.ok_or_else(|| Fail::new(format!("there is no {name} in this story")))
    }

    /// Speaks to a node.
    pub(crate) fn client(&mut self, name: &str) -> Result<Client, Fail> {
        Ok(self.node(name)?.client.clone())
    }

    /// Those that run, by their names.
    pub(crate) fn running(&self) -> Vec<(&'static str, Client)> {
        self.nodes.iter().filter(|node| node.runs()).map(|node| (node.name, node.client.clone())).collect()
    }

    /// Starts nodes, and waits until each answers.
    pub(crate) async fn start(&mut self, names: &[&str]) -> Result<(), Fail> {
        for name in names {
            self.node(name)?.start()?;
        }
        for name in names {
            self.node(name)?.answers().await?;
        }
        Ok(())
    }

    /// Stops nodes cleanly.
    pub(crate) async fn stop(&mut self, names: &[&str]) {
        for node in self.nodes.iter().filter(|node| names.contains(&node.name)) {
            node.begin_stop().await;
        }
        for node in self.nodes.iter_mut().filter(|node| names.contains(&node.name)) {
            node.stopped().await;
        }
    }

    /// Stops everybody, and clears away.
    pub(crate) async fn end(mut self) {
        self.stop(&NAMES).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Their processes end before their homes go.
        self.nodes.clear();
        if !self.keep {
            // What cannot be removed is in the directory for temporary files, where the system clears it away.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Waits until `look` finds something. A node that fails to answer is asked again, for as long as one waits.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>, Fail>) -> Result<T, Fail> {
    let started = Instant::now();
    loop {
        let why = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => String::new(),
            Err(Fail(why)) => format!("; {why}"),
        };
        if started.elapsed() > WAIT_MAX {
            return Err(Fail(format!("waited {} s in vain until {what}{why}", WAIT_MAX.as_secs())));
        }
        tokio::time::sleep(STEP_MS).await;
    }
}
