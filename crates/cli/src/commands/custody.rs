//! `antiphon receipts` and `antiphon wipe-check`: who has signed that it holds what.

use clap::Args;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Stop};
use crate::render;

/// Options of `receipts`.
#[derive(Debug, Args)]
pub(crate) struct ReceiptsArgs {
    /// A fact: its id, or the beginning of it; without it all that is here
    #[arg(conflicts_with = "all")]
    pub(crate) fact: Option<String>,
    /// Everything that is here; the same as naming no fact
    #[arg(long)]
    pub(crate) all: bool,
    /// Ask every member to sign anew; who is away is asked when it is back
    #[arg(long, conflicts_with_all = ["fact", "all"])]
    pub(crate) ask: bool,
}

/// Runs `receipts`.
pub(crate) async fn receipts(args: ReceiptsArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    if args.ask {
        let asked = node.ask_for_receipts().await?;
        return session.output.result(&asked, render::custody::asked);
    }
    match args.fact {
        Some(fact) => {
            let receipts = node.fact_receipts(&fact).await?;
            session.output.result(&receipts, render::custody::fact_receipts)
        }
        None => {
            let receipts = node.receipts().await?;
            session.output.result(&receipts, render::custody::receipts)
        }
    }
}

/// Runs `wipe-check`; a script that goes on only when it is safe needs the exit code alone.
pub(crate) async fn wipe_check(session: &Session) -> Outcome {
    let check = session.node().await?.wipe_check().await?;
    session.output.result(&check, render::custody::wipe_check)?;
    if check.safe { Ok(()) } else { Err(Stop::Exit(Code::Refused.exit())) }
}
