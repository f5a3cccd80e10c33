//! `antiphon mcp`: a thin proxy between an agent's stdin and stdout and the node. Nothing else may be written to
//! stdout.

use clap::Args;

use crate::daemon::Session;
use crate::outcome::Outcome;

/// Options of `mcp`.
#[derive(Debug, Args)]
pub(crate) struct McpArgs {}

/// Runs the command until the agent closes its end.
pub(crate) async fn run(McpArgs {}: McpArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    node.mcp_stdio(tokio::io::stdin(), tokio::io::stdout()).await?;
    Ok(())
}
