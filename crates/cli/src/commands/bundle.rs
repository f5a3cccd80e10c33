//! `antiphon bundle`: handshakes and facts between machines that cannot reach each other, carried as files.
//!
//! A document goes to stdout or into a file that nobody else may read; what is said about it goes to the other stream.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use antiphon_node::bundles::BUNDLE_BYTES_MAX;
use antiphon_server::dto::{BundleAskDto, BundleFileDto, BundleTakeDto, CarriedDto, ImportedDto};
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use indicatif::ProgressBar;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, Stop, file_problem};
use crate::output;
use crate::render;

/// How often a terminal shows that the node is at work, in milliseconds.
const TICK_MS: u64 = 100;
/// Name of stdin and stdout among files.
const STREAM: &str = "-";

/// Commands of `bundle`.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Begin a handshake: write a request for another machine
    Handshake(HandshakeArgs),
    /// Answer a request that was carried here
    Answer(AnswerArgs),
    /// Complete the handshake with the answer that was carried back
    Complete {
        /// The answer; - for stdin
        file: PathBuf,
    },
    /// Write facts, incidents and membership for another machine
    Export(ExportArgs),
    /// Take in what was carried here
    Import(ImportArgs),
    /// Print how much this node holds, so that another one can export what is missing
    Cursor,
}

/// Options of `bundle handshake`.
#[derive(Debug, Args)]
pub(crate) struct HandshakeArgs {
    /// The member it is for: name, peer id, or the beginning of one
    #[arg(long = "for", value_name = "PEER")]
    peer: Option<String>,
    /// Bring facts along, so that one file does both
    #[arg(long)]
    with_export: bool,
    /// Only this member can read it
    #[arg(long, value_name = "PEER")]
    seal: Option<String>,
    /// Where to write it instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `bundle answer`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The request; - for stdin
    file: PathBuf,
    /// Bring facts along with the answer
    #[arg(long)]
    with_export: bool,
    /// Only whoever asked can read the answer
    #[arg(long)]
    seal: bool,
    /// Where to write it instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `bundle export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Only what is beyond this cursor: a file that `antiphon bundle cursor` printed on the other machine
    #[arg(long, value_name = "CURSOR", conflicts_with = "peer")]
    since: Option<PathBuf>,
    /// Only what this member is known to lack, and may have
    #[arg(long = "for", value_name = "PEER")]
    peer: Option<String>,
    /// Only this member can read it
    #[arg(long, value_name = "PEER")]
    seal: Option<String>,
    /// Where to write it instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `bundle import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file; - for stdin
    pub(crate) file: PathBuf,
    /// Take facts that nobody signed, from another tool; never genes
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Only say what is new in it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Runs the command.
pub(crate) async fn run(command: BundleCommand, session: &Session) -> Outcome {
    match command {
        BundleCommand::Handshake(args) => handshake(args, session).await,
        BundleCommand::Answer(args) => answer(args, session).await,
        BundleCommand::Complete { file } => complete(&file, session).await,
        BundleCommand::Export(args) => export(args, session).await,
        BundleCommand::Import(args) => import(args, session).await,
        BundleCommand::Cursor => session.output.json(&session.node().await?.bundle_cursor().await?),
    }
}

async fn handshake(args: HandshakeArgs, session: &Session) -> Outcome {
    let HandshakeArgs { peer, with_export, seal, output } = args;
    check_place(output.as_deref(), seal.is_some())?;
    let ask = BundleAskDto { peer, export: with_export, seal, since: None };
    let node = session.node().await?;
    let file = shown("gathering", node.bundle_handshake(&ask)).await?;
    write(file, output.as_deref(), session)
}

async fn answer(args: AnswerArgs, session: &Session) -> Outcome {
    let AnswerArgs { file, with_export, seal, output } = args;
    check_place(output.as_deref(), seal)?;
    let request = read(&file)?;
    let take = BundleTakeDto { export: Some(with_export), seal: Some(seal), ..BundleTakeDto::default() };
    let node = session.node().await?;
    let answered = shown("checking", node.bundle_answer(request, &take)).await?;
    let handshake = answered.handshake.clone().unwrap_or_default();
    write(answered, output.as_deref(), session)?;
    came_along(&handshake)
}

async fn complete(file: &Path, session: &Session) -> Outcome {
    let answer = read(file)?;
    let node = session.node().await?;
    let carried = shown("checking", node.bundle_complete(answer)).await?;
    session.output.result(&carried, render::bundle::carried)?;
    came_along(&carried)
}

async fn export(args: ExportArgs, session: &Session) -> Outcome {
    let ExportArgs { since, peer, seal, output } = args;
    check_place(output.as_deref(), seal.is_some())?;
    let since = since.map(|file| read_text(&file)).transpose()?;
    let (node, ask) = (session.node().await?, BundleAskDto { peer, export: false, seal, since });
    let file = shown("gathering", node.bundle_export(&ask)).await?;
    write(file, output.as_deref(), session)
}

/// Takes in a file; `antiphon import bundle` is the same.
pub(crate) async fn import(args: ImportArgs, session: &Session) -> Outcome {
    let file = read(&args.file)?;
    let (unsigned, dry_run) = (args.unsigned.then_some(true), args.dry_run.then_some(true));
    let take = BundleTakeDto { unsigned, dry_run, ..BundleTakeDto::default() };
    let node = session.node().await?;
    let imported = shown("checking", node.bundle_import(file, &take)).await?;
    session.output.result(&imported, render::bundle::imported)?;
    whole(&imported)
}

/// Shows on a terminal that the node is at work, until it has answered.
async fn shown<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(std::time::Duration::from_millis(TICK_MS));
    let done = work.await;
    spinner.finish_and_clear();
    done
}

/// A handshake that went well while the facts beside it did not is no success.
fn came_along(carried: &CarriedDto) -> Outcome {
    if let Some(problem) = &carried.import_problem {
        return Err(problem.clone().into());
    }
    carried.imported.as_ref().map_or(Ok(()), whole)
}

/// What was refused makes the command fail as a refusal; what is missing or unfit as a failure.
fn whole(imported: &ImportedDto) -> Outcome {
    if !imported.refused.is_empty() {
        return Err(Stop::Exit(Code::Refused.exit()));
    }
    if !imported.gaps.is_empty() || !imported.bad.is_empty() {
        return Err(Stop::Exit(Code::Failed.exit()));
    }
    Ok(())
}

/// A sealed file is no text, so it is not for a terminal.
fn check_place(output: Option<&Path>, sealed: bool) -> Result<(), Problem> {
    if sealed && output.is_none() && output::is_shown() {
        return Err(Problem::new(Code::Invalid, "a sealed file is not for a terminal")
            .hint("name a file: antiphon bundle export --seal PEER -o facts.age"));
    }
    Ok(())
}

/// Reads a file, or one byte more of it than may be taken, so that it is refused as too large.
fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let problem = |error: std::io::Error| file_problem("read", path, &error);
    let limit = u64::try_from(BUNDLE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1 << 19);
    let mut bytes = Vec::new();
    if path == Path::new(STREAM) {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(problem)?;
    } else {
        std::fs::File::open(path).map_err(problem)?.take(limit).read_to_end(&mut bytes).map_err(problem)?;
    }
    Ok(bytes)
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| {
        Problem::new(Code::Invalid, format!("{} is no cursor", path.display()))
            .hint("print one on the other machine: antiphon bundle cursor > cursor.json")
    })
}

/// Writes a document where it is wanted, and says what is in it.
fn write(mut file: BundleFileDto, output: Option<&Path>, session: &Session) -> Outcome {
    let damaged = || Problem::new(Code::Failed, "the node's answer cannot be read").hint("antiphon status");
    let bytes = BASE64.decode(std::mem::take(&mut file.file).as_bytes()).map_err(|_| damaged())?;
    let Some(path) = output.filter(|path| *path != Path::new(STREAM)) else {
        session.output.note(&render::bundle::file(&file, None));
        return session.output.bytes(&bytes);
    };
    write_private(path, &bytes)?;
    session.output.result(&file, |file| render::bundle::file(file, Some(path)))
}

/// Writes a file that its owner alone can read. It is complete under its name, or not there.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let problem = |error: std::io::Error| file_problem("write", path, &error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    written().map_err(|error| {
        // The first error is the one to tell; what is left of the part is harmless.
        let _ = std::fs::remove_file(&part);
        problem(error)
    })
}
