//! `antiphon audit`: what was refused and who tried; who stored and read which document.

use antiphon_server::dto::{AuditFilterDto, TrailCheckDto, TrailFilterDto};
use clap::{Args, Subcommand};

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Stop};
use crate::render;

/// Options of `audit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    /// What else than the refusals to look at
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// Most refusals, the newest first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// What else there is.
#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show who stored and read which document on this machine
    Show(ShowArgs),
    /// Check that no line of that trail was changed, left out or put in
    Verify(VerifyArgs),
}

/// Options of `audit show`.
#[derive(Debug, Args)]
struct ShowArgs {
    /// Only this document
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Only this: store, retrieve, key_access or remove
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only what did not succeed
    #[arg(long)]
    failed: bool,
    /// Only lines with smaller numbers
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// Most lines, the newest first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Options of `audit verify`.
#[derive(Debug, Args)]
struct VerifyArgs {
    /// A hash that an earlier check printed; it must still be in the trail
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(args: AuditArgs, session: &Session) -> Outcome {
    match args.command {
        None => refused(args.limit, session).await,
        Some(AuditCommand::Show(args)) => show(args, session).await,
        Some(AuditCommand::Verify(args)) => verify(args, session).await,
    }
}

async fn refused(limit: u32, session: &Session) -> Outcome {
    let filter = AuditFilterDto { limit: usize::try_from(limit).ok() };
    let lines = session.node().await?.audit(&filter).await?.lines;
    session.output.result(&lines, |lines| render::trust::audit(lines))
}

async fn show(args: ShowArgs, session: &Session) -> Outcome {
    let ShowArgs { address, operation, failed, before, limit } = args;
    let filter = TrailFilterDto { address, operation, failed, before, limit: usize::try_from(limit).ok() };
    let lines = session.node().await?.trail(&filter).await?.lines;
    session.output.result(&lines, |lines| render::trail::trail(lines))
}

async fn verify(args: VerifyArgs, session: &Session) -> Outcome {
    let check = TrailCheckDto { head: args.head };
    let verdict = session.node().await?.verify_trail(&check).await?;
    session.output.result(&verdict, |verdict| render::trail::verdict(verdict, check.head.as_deref()))?;
    if verdict.ok { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}
