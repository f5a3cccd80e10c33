//! `antiphon replication`: how many copies of which document there are, who holds them, and what is done about it.

use antiphon_server::dto::{
    ContentAskDto, ReplicaHoldersAskDto, ReplicationAskDto, ReplicationPriorityDto, ReplicationRunDto,
};
use clap::{Args, Subcommand, ValueEnum};

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Commands of `replication`. Copies are made and repaired by themselves; these show how they stand.
#[derive(Debug, Subcommand)]
pub(crate) enum ReplicationCommand {
    /// Show the copies of a document and who holds them, or how all documents stand, the worst first
    Status(StatusArgs),
    /// Ask who holds what, and make the copies that are missing, now
    Run {
        /// Address of a document; without it, all of them
        address: Option<String>,
    },
    /// Show who holds a document, as far as is known and as members say in the hash table
    Providers {
        /// Its address, with a selector for an older version
        address: String,
        /// Most machines
        #[arg(long, short = 'n', value_name = "N")]
        limit: Option<usize>,
    },
    /// Set on this machine how soon missing copies of a document are made
    Priority {
        /// Its address
        address: String,
        /// How soon
        priority: Priority,
    },
    /// Show what was done for copies since the node started
    Metrics,
}

/// How the copies of a document stand.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Health {
    /// As many copies as there should be
    Healthy,
    /// Fewer
    Degraded,
    /// None that is known
    Critical,
}

impl Health {
    const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}

/// How soon the copies of a document are made.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Priority {
    /// After everything else
    Low,
    /// As it comes
    Normal,
    /// Before everything else
    High,
    /// As follows from the version: older ones after everything else
    Auto,
}

impl Priority {
    const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Auto => "auto",
        }
    }
}

/// Options of `replication status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Address of a document, with a selector for an older version
    #[arg(conflicts_with_all = ["health", "after"])]
    address: Option<String>,
    /// Only documents that stand so
    #[arg(long)]
    health: Option<Health>,
    /// Most documents
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Go on where the page before ended
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: ReplicationCommand, session: &Session) -> Outcome {
    let output = session.output;
    match command {
        ReplicationCommand::Status(args) => status(args, session).await,
        ReplicationCommand::Run { address } => {
            let ran = session.node().await?.replicate(&ReplicationRunDto { address }).await?;
            output.result(&ran, render::replication::ran)
        }
        ReplicationCommand::Providers { address, limit } => {
            let found = session.node().await?.replica_holders(&ReplicaHoldersAskDto { address, limit }).await?;
            output.result(&found, render::replication::providers)
        }
        ReplicationCommand::Priority { address, priority } => {
            let set = ReplicationPriorityDto { address, priority: priority.name().to_owned() };
            let replica = session.node().await?.set_replication_priority(&set).await?;
            output.result(&replica, render::replication::prioritised)
        }
        ReplicationCommand::Metrics => {
            let metrics = session.node().await?.replication_metrics().await?;
            output.result(&metrics, render::replication::metrics)
        }
    }
}

async fn status(args: StatusArgs, session: &Session) -> Outcome {
    let StatusArgs { address, health, limit, after } = args;
    let node = session.node().await?;
    if let Some(address) = address {
        let replica = node.replication_of(&ContentAskDto { address, ciphertext: None }).await?;
        return session.output.result(&replica, render::replication::one);
    }
    let health = health.map(|health| health.name().to_owned());
    let page = node.replication(&ReplicationAskDto { health, limit: Some(limit), after }).await?;
    session.output.result(&page, render::replication::page)?;
    if let Some(next) = page.next.filter(|_| !session.output.json) {
        session.output.note(&format!("There are more: add --after {next}"));
    }
    Ok(())
}

/// Runs `content gc`.
pub(crate) async fn collect_garbage(dry_run: bool, session: &Session) -> Outcome {
    let node = session.node().await?;
    let garbage = if dry_run { node.garbage().await? } else { node.collect_garbage().await? };
    session.output.result(&garbage, render::replication::garbage)
}
