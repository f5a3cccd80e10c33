//! `antiphon recall`: finds facts by words.

use antiphon_server::dto::RecallRequestDto;
use clap::Args;

use super::which::Which;
use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Options of `recall`.
#[derive(Debug, Args)]
pub(crate) struct RecallArgs {
    /// Words to look for
    pub(crate) query: String,
    /// Most facts to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,
    /// Which facts
    #[command(flatten)]
    pub(crate) which: Which,
    /// Without facts that are out of date
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// Runs the command.
pub(crate) async fn run(args: RecallArgs, session: &Session) -> Outcome {
    let request = RecallRequestDto {
        query: args.query,
        limit: Some(args.limit),
        level: args.which.level.map(Into::into),
        domain: args.which.domain,
        module: args.which.module,
        tag: args.which.tag,
        author: args.which.author,
        archived: args.which.archived.then_some(true),
        stale: args.fresh.then_some(false),
    };
    let answer = session.node().await?.recall(&request).await?;
    session.output.result(&answer.hits, |hits| render::facts::hits(hits, render::time::now_ms()))?;
    if answer.index_behind {
        session.output.note("The search index is still reading received facts; ask again in a moment for the rest.");
    }
    Ok(())
}
