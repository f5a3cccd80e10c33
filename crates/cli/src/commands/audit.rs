//! `antiphon audit`: what was refused, and who tried.

use antiphon_server::dto::AuditFilterDto;
use clap::Args;

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Options of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Most lines, the newest first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// Runs the command.
pub(crate) async fn run(args: AuditArgs, session: &Session) -> Outcome {
    let filter = AuditFilterDto { limit: usize::try_from(args.limit).ok() };
    let lines = session.node().await?.audit(&filter).await?.lines;
    session.output.result(&lines, |lines| render::trust::audit(lines))
}
