//! `antiphon why`: what stands between a fact or a document and a peer, or between this node and a peer.

use clap::Args;

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Options of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// Id of a fact, the beginning of one, or a document's address; without a peer behind it: name or peer id of the peer
    #[arg(value_name = "FACT|ADDRESS")]
    pub(crate) item: String,
    /// Name, peer id, or the beginning of one
    pub(crate) peer: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(args: WhyArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    let why = match args.peer {
        Some(peer) => node.why(Some(&args.item), &peer).await?,
        None => node.why(None, &args.item).await?,
    };
    session.output.result(&why, render::federation::why)
}
