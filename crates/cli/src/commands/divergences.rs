//! `antiphon divergences`: what was changed on several machines at once, and what of it is right.

use antiphon_server::dto::{DivergenceFilterDto, ResolveDto};
use clap::{Args, Subcommand};

use super::pages::up_to;
use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;
use crate::render::time::now_ms;

/// Commands of `divergences`. An id may be shortened as long as it is unique.
#[derive(Debug, Subcommand)]
pub(crate) enum DivergencesCommand {
    /// List facts and incidents that were changed on several machines at once
    List {
        /// Most divergences to list
        #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Show what each side changed
    Show {
        /// Id of the fact or incident, or the beginning of it
        id: String,
    },
    /// Say what is right
    Resolve(ResolveArgs),
}

/// Options of `divergences resolve`. Accepting a side settles every field it speaks of. A text settles the text, and
/// the other fields as they are shown, unless a side is accepted too.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// Id of the fact or incident, or the beginning of it
    pub(crate) id: String,
    /// Accept this side: the name of its node, as `divergences show` gives it
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) accept: Option<String>,
    /// The right text: the content of a fact, the description or title of an incident
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// Settle only this field; repeatable
    #[arg(long = "field", value_name = "FIELD")]
    pub(crate) fields: Vec<String>,
    /// Write control and bidirectional characters visibly instead of refusing them
    #[arg(long)]
    pub(crate) escape: bool,
}

/// Runs the command.
pub(crate) async fn run(command: DivergencesCommand, session: &Session) -> Outcome {
    match command {
        DivergencesCommand::List { limit } => list(limit, session).await,
        DivergencesCommand::Show { id } => {
            let divergence = session.node().await?.divergence(&id).await?;
            session.output.result(&divergence, |divergence| render::divergences::show(divergence, now_ms()))
        }
        DivergencesCommand::Resolve(args) => {
            let ResolveArgs { id, accept, body, fields, escape } = args;
            let resolve = ResolveDto { accept, body, fields, escape, ..ResolveDto::default() };
            let resolved = session.node().await?.resolve(&id, &resolve).await?;
            session.output.result(&resolved, |resolved| render::divergences::resolved(resolved, now_ms()))
        }
    }
}

async fn list(limit: usize, session: &Session) -> Outcome {
    let node = session.node().await?;
    let page = async |after, limit| {
        let page = node.divergences(&DivergenceFilterDto { after, limit: Some(limit) }).await?;
        Ok((page.divergences, page.next))
    };
    let (divergences, more) = up_to(limit, page).await?;
    session.output.result(&divergences, |all| render::divergences::list(all, now_ms()))?;
    if more {
        let shown = render::count(divergences.len(), "divergence");
        session.output.note(&format!("There are more than {shown}; --limit N shows more."));
    }
    Ok(())
}
