//! `antiphon recall`: finds facts by words.

use antiphon_server::dto::RecallRequestDto;
use clap::Args;

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
    /// Only this level: 0-3, project, domain, module, snippet
    #[arg(long)]
    pub(crate) level: Option<String>,
    /// Only this domain
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Only this module
    #[arg(long)]
    pub(crate) module: Option<String>,
    /// Only with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only written on this node: a name, a peer id or the beginning of one
    #[arg(long, value_name = "PEER")]
    pub(crate) author: Option<String>,
    /// Without facts that are out of date
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Archived facts too
    #[arg(long)]
    pub(crate) archived: bool,
}

/// Runs the command.
pub(crate) async fn run(args: RecallArgs, session: &Session) -> Outcome {
    let request = RecallRequestDto {
        query: args.query,
        limit: Some(args.limit),
        level: args.level.map(Into::into),
        domain: args.domain,
        module: args.module,
        tag: args.tag,
        author: args.author,
        archived: args.archived.then_some(true),
        stale: args.fresh.then_some(false),
    };
    let answer = session.node().await?.recall(&request).await?;
    session.output.result(&answer.hits, |hits| render::facts::hits(hits, render::time::now_ms()))?;
    if answer.index_behind {
        session.output.note("The search index is still reading received facts; ask again in a moment for the rest.");
    }
    Ok(())
}
