//! `antiphon gene`: the team's constitution.

use clap::Subcommand;

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Commands of `gene`.
#[derive(Debug, Subcommand)]
pub(crate) enum GeneCommand {
    /// List the genes and the hash over them
    List,
}

/// Runs the command.
pub(crate) async fn run(command: GeneCommand, session: &Session) -> Outcome {
    match command {
        GeneCommand::List => {
            let genes = session.node().await?.genes().await?;
            session.output.result(&genes, render::node::genes)
        }
    }
}
