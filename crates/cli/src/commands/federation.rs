//! `antiphon federation`: whether this node sends and takes, and how far sharing has come.

use antiphon_server::dto::ShownDto;
use clap::Subcommand;

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Commands of `federation`.
#[derive(Debug, Subcommand)]
pub(crate) enum FederationCommand {
    /// Show what is shared with whom, how far that has come, and what does not count
    Status,
    /// Show or set whether this node sends and takes
    Mode {
        /// sync: both; publish: it sends and takes nothing; subscribe: it takes and sends nothing
        mode: Option<String>,
    },
    /// Show or set down to which level facts that are not shared are shown to members who ask
    Show {
        /// none, module or snippet; private facts never are
        level: Option<String>,
    },
}

/// Runs the command.
pub(crate) async fn run(command: FederationCommand, session: &Session) -> Outcome {
    let node = session.node().await?;
    match command {
        FederationCommand::Status => {
            let federation = node.federation().await?;
            session.output.result(&federation, render::federation::federation)
        }
        FederationCommand::Show { level } => {
            let shown = match level {
                None => node.shown().await?,
                Some(up_to) => node.set_shown(&ShownDto { up_to }).await?,
            };
            session.output.result(&shown, |shown| render::recall::shown(&shown.up_to))
        }
        FederationCommand::Mode { mode: None } => {
            let mode = antiphon_server::dto::ModeDto { mode: node.federation().await?.mode };
            session.output.result(&mode, |mode| render::federation::mode(&mode.mode))
        }
        FederationCommand::Mode { mode: Some(mode) } => {
            let mode = node.set_node_mode(&mode).await?;
            session.output.result(&mode, |mode| render::federation::mode(&mode.mode))
        }
    }
}
