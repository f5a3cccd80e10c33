//! `antiphon import`: what other tools remember becomes facts.
//!
//! Good entries are imported even when others are bad; each bad one is named with its place, and the exit code says
//! that there were some. Importing the same again adds nothing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_core::ids::FactId;
use antiphon_server::client::Client;
use antiphon_server::dto::{BatchDto, BatchItemDto, NewFactDto};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::daemon::Session;
use crate::import::{
    Entry, Flaw, Item, Items, Reach, Summary, from_agents_md, from_basic_memory, from_claude, from_json_lines,
    from_markdown, from_memory_server,
};
use crate::outcome::{Code, Outcome, Stop};
use crate::render;

/// Most facts that are sent at once.
const BATCH_FACTS_MAX: usize = 256;
/// Most bytes of text that are sent at once, but for the last fact; in JSON a text can become twice as long.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Most ids that are kept to see what is said twice; what is said again beyond them counts as there already.
const IDS_MAX: usize = 4 << 20;
/// How often a terminal shows that the command is at work, in milliseconds.
const TICK_MS: u64 = 100;

/// Commands of `import`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// The file of the MCP memory server (memory.jsonl)
    MemoryServer(FileArgs),
    /// CLAUDE.md, its rules and imports, in a project or a home; also the notes Claude Code writes by itself
    Claude(ClaudeArgs),
    /// AGENTS.md, in a directory and below it
    AgentsMd(PathArgs),
    /// Notes of Basic Memory, with their observations and relations
    BasicMemory(PathArgs),
    /// Markdown notes, in a directory and below it; also what antiphon export --format markdown wrote
    Markdown(PathArgs),
    /// What another node exported, as antiphon bundle import
    Bundle(super::bundle::ImportArgs),
    /// What antiphon export wrote; or facts as JSON, one on a line
    Jsonl(FileArgs),
}

/// Options of imports of one file.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// Only say what would be imported
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of imports of notes.
#[derive(Debug, Args)]
pub(crate) struct PathArgs {
    /// The file or directory
    pub(crate) path: PathBuf,
    /// Only say what would be imported
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep all of it on this node
    #[arg(long)]
    pub(crate) private: bool,
}

/// Options of `import claude`.
#[derive(Debug, Args)]
pub(crate) struct ClaudeArgs {
    /// The file or directory; the notes Claude Code writes are in ~/.claude/projects/PROJECT/memory
    pub(crate) path: PathBuf,
    /// Only say what would be imported
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep all of it on this node, not only what is meant for one person
    #[arg(long)]
    pub(crate) private: bool,
    /// Share also what is meant for one person: CLAUDE.local.md, ~/.claude, and the notes
    #[arg(long, conflicts_with = "private")]
    pub(crate) share: bool,
}

/// Runs the command.
pub(crate) async fn run(command: ImportCommand, session: &Session) -> Outcome {
    let (items, path, dry_run) = match command {
        ImportCommand::MemoryServer(args) => (from_memory_server(&args.file)?, args.file, args.dry_run),
        ImportCommand::Claude(args) => {
            let reach = match (args.private, args.share) {
                (true, _) => Reach::Private,
                (_, true) => Reach::Shared,
                _ => Reach::AsMeant,
            };
            (from_claude(&args.path, reach)?, args.path, args.dry_run)
        }
        ImportCommand::AgentsMd(args) => (from_agents_md(&args.path, args.private)?, args.path, args.dry_run),
        ImportCommand::BasicMemory(args) => (from_basic_memory(&args.path, args.private)?, args.path, args.dry_run),
        ImportCommand::Markdown(args) => (from_markdown(&args.path, args.private)?, args.path, args.dry_run),
        ImportCommand::Jsonl(args) => (from_json_lines(&args.file)?, args.file, args.dry_run),
        ImportCommand::Bundle(args) => return super::bundle::import(args, session).await,
    };
    let summary = Import::new(session.node().await?, &path, dry_run).run(items, session).await?;
    session.output.result(&summary, |summary| render::import::summary(summary, &path))?;
    if summary.bad.is_empty() { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}

/// An import that is under way.
struct Import {
    node: Client,
    bar: ProgressBar,
    summary: Summary,
    ids: HashSet<FactId>,
    batch: Vec<Entry>,
    batch_bytes: usize,
}

impl Import {
    fn new(node: Client, path: &Path, dry_run: bool) -> Self {
        let would_import = dry_run.then_some(0);
        let summary = Summary { dry_run, would_import, ..Summary::default() };
        Self { node, bar: progress(path), summary, ids: HashSet::new(), batch: Vec::new(), batch_bytes: 0 }
    }

    async fn run(mut self, items: Items, session: &Session) -> Outcome<Summary> {
        for item in items {
            if let Err(stop) = self.take(item).await {
                return Err(self.interrupted(stop, session));
            }
        }
        if let Err(stop) = self.send().await {
            return Err(self.interrupted(stop, session));
        }
        self.bar.finish_and_clear();
        self.summary.bad.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Ok(self.summary)
    }

    fn interrupted(self, stop: Stop, session: &Session) -> Stop {
        self.bar.abandon();
        session.output.note(&render::import::interrupted(&self.summary));
        stop
    }

    async fn take(&mut self, item: Item) -> Outcome {
        match item {
            Item::Bad(bad) => self.summary.bad(bad),
            Item::Skipped(count) => self.summary.skipped += count,
            Item::Escaped(count) => self.summary.escaped += count,
            Item::Expected(count) => self.bar.set_length(count),
            Item::Fact(entry) => {
                self.summary.found += 1;
                self.bar.inc(1);
                if self.is_said_again(&entry.fact) {
                    self.summary.duplicates += 1;
                    return Ok(());
                }
                self.batch_bytes += entry.fact.content.len();
                self.batch.push(*entry);
                if self.batch.len() >= BATCH_FACTS_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
                    return self.send().await;
                }
            }
        }
        Ok(())
    }

    fn is_said_again(&mut self, fact: &NewFactDto) -> bool {
        let Some(id) = fact.id.as_deref().and_then(|id| id.parse().ok()) else { return false };
        if self.ids.len() < IDS_MAX { !self.ids.insert(id) } else { self.ids.contains(&id) }
    }

    async fn send(&mut self) -> Outcome {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        if self.summary.dry_run { self.compare(&batch).await } else { self.write(batch).await }
    }

    async fn write(&mut self, batch: Vec<Entry>) -> Outcome {
        let (places, facts): (Vec<_>, Vec<_>) = batch.into_iter().map(|entry| (entry.place, entry.fact)).unzip();
        let answer = self.node.remember_all(&BatchDto { facts }).await?;
        for (place, result) in places.into_iter().zip(answer.results) {
            match result {
                BatchItemDto::Ok(written) if written.outcome == "written" => self.summary.imported += 1,
                BatchItemDto::Ok(_) => self.summary.already += 1,
                BatchItemDto::Error(problem) => self.summary.bad(place.bad(Flaw::Refused, problem.what)),
            }
        }
        Ok(())
    }

    /// Sees which facts are there, and writes none.
    async fn compare(&mut self, batch: &[Entry]) -> Outcome {
        let ids: Vec<String> = batch.iter().filter_map(|entry| entry.fact.id.clone()).collect();
        // An id that is none is refused by the import itself, which names its place.
        let ids: Vec<String> = ids.into_iter().filter(|id| id.parse::<FactId>().is_ok()).collect();
        let known = self.node.known(ids).await?.known.len() as u64;
        self.summary.already += known;
        *self.summary.would_import.get_or_insert_default() += batch.len() as u64 - known;
        Ok(())
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(path: &Path) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {human_pos} facts {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(TICK_MS));
    bar.set_message(render::safe(&path.display().to_string()));
    bar
}
