//! `antiphon backup`: what is kept ready for members that fell silent.

use antiphon_server::dto::SealDto;
use clap::Subcommand;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Stop};
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
    /// Leave a sealed copy of this node's private facts with members; only its own key can open it
    Seal {
        /// Name or peer id of a member; repeatable [default: those that were chosen before]
        #[arg(long, value_name = "PEER")]
        with: Vec<String>,
        /// Every other member
        #[arg(long, conflicts_with = "with")]
        all: bool,
    },
    /// Show who keeps a sealed copy for whom
    Sealed,
    /// Have a member forget the sealed copy it keeps for this node
    Unseal {
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
        BackupCommand::Seal { with, all } => {
            let sealed = node.seal_backup(&SealDto { with, all }).await?;
            session.output.result(&sealed, render::recovery::sealed)?;
            let refused = sealed.sealed.iter().any(|one| one.refused.is_some());
            if refused { Err(Stop::Exit(Code::Refused.exit())) } else { Ok(()) }
        }
        BackupCommand::Sealed => {
            let copies = node.sealed_copies().await?;
            session.output.result(&copies, render::recovery::copies)
        }
        BackupCommand::Unseal { peer } => {
            let unsealed = node.unseal_backup(&peer).await?;
            session.output.result(&unsealed, render::recovery::unsealed)
        }
        BackupCommand::Clear { peer } => {
            let cleared = node.clear_backup(&peer).await?;
            session.output.result(&cleared, |cleared| {
                format!("The gene backup of {} is over. Nothing that it wrote was deleted.", cleared.peer_id)
            })
        }
    }
}
