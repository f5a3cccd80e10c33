//! Documents on their way between the node and files of the user.

use std::convert::Infallible;
use std::future;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_server::client::Client;
use antiphon_server::dto::{ContentAskDto, ContentDto};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::outcome::{Problem, file_problem};

/// Name of stdin and stdout among files.
pub(crate) const STREAM: &str = "-";
/// How often a terminal shows that the node is at work, in milliseconds.
const TICK_MS: u64 = 100;
/// How often the node is asked how much of a document it has fetched, in milliseconds.
const LOOK_MS: u64 = 250;

/// A file that is being written, under a name of its own beside the one it will have. It is complete under its name, or
/// not there, and nobody but its owner can read it.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    part: PathBuf,
    path: PathBuf,
}

impl Part {
    /// Begins the file `path`.
    ///
    /// # Errors
    /// A problem that names it.
    pub(crate) async fn create(path: &Path) -> Result<Self, Problem> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = opened.map_err(|error| file_problem("write", path, &error))?;
        Ok(Self { file: File::from_std(file), part, path: path.to_owned() })
    }

    /// Where to write.
    pub(crate) const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the complete file under its name.
    ///
    /// # Errors
    /// A problem that names it; then nothing is left.
    pub(crate) async fn finish(mut self) -> Result<(), Problem> {
        let finished = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            tokio::fs::rename(&self.part, &self.path).await
        };
        match finished.await {
            Ok(()) => Ok(()),
            Err(error) => {
                let problem = file_problem("write", &self.path, &error);
                self.discard().await;
                Err(problem)
            }
        }
    }

    /// Throws away what was written.
    pub(crate) async fn discard(self) {
        // What it is discarded for is told; what is left of the part nobody else can read.
        let _ = tokio::fs::remove_file(&self.part).await;
    }
}

/// What a terminal shows while a document flows; nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shows `what` is done, with a document of so many bytes, if that is known.
    pub(crate) fn new(what: &'static str, bytes: Option<u64>) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(Duration::from_millis(TICK_MS));
        if let Some(bytes) = bytes {
            measure(&bar, bytes);
        }
        Self(bar)
    }

    /// So many bytes more have flowed.
    pub(crate) fn moved(&self, bytes: usize) {
        self.0.inc(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// What was fetched is here; now it is read.
    pub(crate) fn begins(&self, content: &ContentDto, ciphertext: bool) {
        self.0.set_message("reading");
        self.0.set_position(0);
        measure(&self.0, if ciphertext { content.stored_size } else { content.size });
    }

    /// Shows how much the node has fetched, for as long as somebody looks.
    pub(crate) async fn watch(&self, node: &Client, ask: &ContentAskDto) -> Infallible {
        let ask = ContentAskDto { ciphertext: None, ..ask.clone() };
        while !self.0.is_hidden() && self.0.message() == "fetching" {
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            // Where the node does not answer, the fetch itself says why.
            let Ok(status) = node.content_status(&ask).await else { break };
            if self.0.message() == "fetching" {
                measure(&self.0, status.content.stored_size);
                self.0.set_position(status.content.held_bytes);
            }
        }
        future::pending().await
    }

    /// Shows nothing any more.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn measure(bar: &ProgressBar, bytes: u64) {
    bar.set_length(bytes);
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    // A template that does not read leaves the spinner, which is progress enough.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Waits until the person interrupts the command.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        future::pending::<()>().await;
    }
}
