//! `antiphon context`: what matters now, within a number of tokens.

use antiphon_server::dto::ContextAskDto;
use clap::Args;

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Options of `context`.
#[derive(Debug, Args)]
pub(crate) struct ContextArgs {
    /// What the work is about; without it the facts of the project, the most used and the newest are shown
    pub(crate) topic: Option<String>,
    /// Most tokens that the text may take, 250 to 50000; they are counted rather too high
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) tokens: usize,
}

/// Runs the command.
pub(crate) async fn run(args: ContextArgs, session: &Session) -> Outcome {
    let ask = ContextAskDto { topic: args.topic, tokens: Some(args.tokens) };
    let packed = session.node().await?.context(&ask).await?;
    session.output.result(&packed, render::recall::context)
}
