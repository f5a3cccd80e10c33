//! `antiphon export`: facts into files, to be kept, read, or imported elsewhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_server::client::ClientError;
use antiphon_server::dto::{ExportAskDto, ExportEndDto};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::which::About;
use crate::daemon::Session;
use crate::document::{STREAM, interrupted};
use crate::export::Export;
use crate::outcome::{Code, Outcome, Problem, Stop, file_problem};
use crate::render;

/// What a shell shows for a command that was interrupted.
const INTERRUPTED: u8 = 130;
/// How often a terminal shows that the command is at work, in milliseconds.
const TICK_MS: u64 = 100;

/// How facts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One on a line, as JSON
    Jsonl,
    /// For people, one file for each domain and module
    Markdown,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// How facts are written
    #[arg(long, value_enum, default_value = "jsonl")]
    pub(crate) format: Format,
    /// Where to write them instead of stdout: a file, or for Markdown also a new directory
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Which facts.
    #[command(flatten)]
    pub(crate) about: About,
    /// Private facts too
    #[arg(long)]
    pub(crate) private: bool,
    /// Facts that are sealed to a role too, as far as this node can read them; the export has them in plain
    #[arg(long)]
    pub(crate) sealed: bool,
}

/// What an export came to; the shape of its JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    /// How facts were written.
    pub(crate) format: Format,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
    /// Files that were written.
    pub(crate) files: u64,
    /// Bytes of all.
    pub(crate) bytes: u64,
    /// What was exported, and what was left out.
    #[serde(flatten)]
    pub(crate) end: ExportEndDto,
}

/// Runs the command.
pub(crate) async fn run(args: ExportArgs, session: &Session) -> Outcome {
    let path = args.output.as_deref().filter(|path| *path != Path::new(STREAM));
    let node = session.node().await?;
    let mut export = match args.format {
        Format::Jsonl => Export::lines(path)?,
        Format::Markdown => Export::markdown(path)?,
    };
    let bar = progress();
    let ask = ask_of(&args);
    let work = node.export(&ask, |line| {
        bar.inc(export.take(line)?);
        Ok(())
    });
    let done = tokio::select! {
        done = work => done.map_err(|error| stop(error, path)),
        () = interrupted() => Err(Stop::Exit(INTERRUPTED)),
    };
    bar.finish_and_clear();
    done?;
    let end = export.end.take().ok_or_else(|| {
        Problem::new(Code::Failed, "the export broke off").why("its last line is missing").hint("antiphon status")
    })?;
    let (files, bytes) = export.finish()?;
    let exported = Exported { format: args.format, path: path.map(Path::to_owned), files, bytes, end };
    if path.is_none() {
        // Stdout has the facts.
        session.output.note(&render::export::exported(&exported));
        return Ok(());
    }
    session.output.result(&exported, render::export::exported)
}

fn ask_of(args: &ExportArgs) -> ExportAskDto {
    let About { level, domain, module, tag, archived } = args.about.clone();
    ExportAskDto {
        level,
        domain,
        module,
        tag,
        archived: archived.then_some(true),
        private: args.private.then_some(true),
        sealed: args.sealed.then_some(true),
    }
}

fn stop(error: ClientError, path: Option<&Path>) -> Stop {
    match (error, path) {
        (ClientError::Sink { source }, None) if source.kind() == std::io::ErrorKind::BrokenPipe => Stop::Hangup,
        (ClientError::Sink { source }, path) => {
            file_problem("write", path.unwrap_or(Path::new("stdout")), &source).into()
        }
        (error, _) => error.into(),
    }
}

/// A count on a terminal, nothing elsewhere.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} exporting {human_pos} facts {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(TICK_MS));
    bar
}
