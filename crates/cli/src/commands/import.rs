//! `antiphon import`: what other tools remember becomes facts.
//!
//! Good entries are imported even when others are bad; each bad one is named with its line, and the exit code says
//! that there were some. Importing the same again adds nothing.

use std::iter::Peekable;
use std::path::{Path, PathBuf};

use antiphon_server::client::Client;
use antiphon_server::dto::{BatchDto, BatchItemDto, NewFactDto};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::daemon::Session;
use crate::import::{Entry, Gathered, Summary, from_markdown, from_memory_server};
use crate::outcome::{Code, Outcome, Stop};
use crate::render;

/// Most facts that are sent at once.
const BATCH_FACTS_MAX: usize = 256;

/// Most bytes of text that are sent at once, but for the last fact; in JSON a text can become twice as long.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Commands of `import`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// The file of the MCP memory server (memory.jsonl)
    MemoryServer(FileArgs),
    /// Markdown notes in a directory and below it
    Markdown(DirArgs),
    /// What another node exported, as antiphon bundle import
    Bundle(super::bundle::ImportArgs),
}

/// Options of `import memory-server`.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// Only say what would be imported
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of `import markdown`.
#[derive(Debug, Args)]
pub(crate) struct DirArgs {
    /// The directory
    pub(crate) dir: PathBuf,
    /// Only say what would be imported
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Runs the command.
pub(crate) async fn run(command: ImportCommand, session: &Session) -> Outcome {
    let (gathered, path, dry_run) = match command {
        ImportCommand::MemoryServer(args) => (from_memory_server(&args.file)?, args.file, args.dry_run),
        ImportCommand::Markdown(args) => (from_markdown(&args.dir)?, args.dir, args.dry_run),
        ImportCommand::Bundle(args) => return super::bundle::import(args, session).await,
    };
    let summary = if dry_run { Summary::dry(gathered) } else { send(gathered, &path, session).await? };
    session.output.result(&summary, |summary| render::import::summary(summary, &path))?;
    if summary.bad.is_empty() { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}

async fn send(gathered: Gathered, path: &Path, session: &Session) -> Outcome<Summary> {
    let mut summary = Summary::of(&gathered);
    summary.bad = gathered.bad;
    let node = session.node().await?;
    let bar = progress(gathered.entries.len(), path);
    let mut entries = gathered.entries.into_iter().peekable();
    while let Some(batch) = next_batch(&mut entries) {
        bar.inc(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        if let Err(stop) = send_batch(&node, batch, &mut summary).await {
            bar.abandon();
            session.output.note(&render::import::interrupted(&summary));
            return Err(stop);
        }
    }
    bar.finish_and_clear();
    summary.bad.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(summary)
}

/// The next entries that fit into one request.
fn next_batch(entries: &mut Peekable<impl Iterator<Item = Entry>>) -> Option<Vec<Entry>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(entry) = entries.next_if(|_| batch.len() < BATCH_FACTS_MAX && bytes < BATCH_BYTES_MAX) {
        bytes += entry.fact.content.len();
        batch.push(entry);
    }
    (!batch.is_empty()).then_some(batch)
}

async fn send_batch(node: &Client, batch: Vec<Entry>, summary: &mut Summary) -> Outcome {
    let (places, facts): (Vec<_>, Vec<NewFactDto>) = batch.into_iter().map(|entry| (entry.place, entry.fact)).unzip();
    let answer = node.remember_all(&BatchDto { facts }).await?;
    for (place, result) in places.into_iter().zip(answer.results) {
        match result {
            BatchItemDto::Ok(written) if written.outcome == "written" => summary.imported += 1,
            BatchItemDto::Ok(_) => summary.already += 1,
            BatchItemDto::Error(problem) => summary.bad.push(place.bad(problem.what)),
        }
    }
    Ok(())
}

/// A bar on a terminal, nothing elsewhere.
fn progress(entries: usize, path: &Path) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(entries).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(render::safe(&path.display().to_string()));
    bar
}
