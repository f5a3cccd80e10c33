//! `antiphon backup`: what is kept ready for members that fell silent.

use clap::Subcommand;

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Commands of `backup`.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Pin what this node holds of a peer's own log, so that it gets it back whatever happens to its disk
    Create {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// List every backup; members that fall silent get one by themselves
    List,
    /// Show the backup of a peer
    Show {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// End the backup of a peer; nothing it wrote is deleted
    Clear {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: BackupCommand, session: &Session) -> Outcome {
    let node = session.node().await?;
    match command {
        BackupCommand::Create { peer } => {
            let backup = node.create_backup(&peer).await?;
            session.output.result(&backup, render::trust::backup)
        }
        BackupCommand::List => {
            let backups = node.backups().await?.backups;
            session.output.result(&backups, |backups| render::trust::backups(backups))
        }
        BackupCommand::Show { peer } => {
            let backup = node.backup(&peer).await?;
            session.output.result(&backup, render::trust::backup)
        }
        BackupCommand::Clear { peer } => {
            let cleared = node.clear_backup(&peer).await?;
            session.output.result(&cleared, |cleared| {
                format!("The gene backup of {} is over. Nothing that it wrote was deleted.", cleared.peer_id)
            })
        }
    }
}
