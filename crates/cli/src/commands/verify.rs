//! `antiphon verify`: whether the log is whole and everything derived from it agrees with it.

use antiphon_server::dto::VerifyDto;
use clap::Args;
use serde::Serialize;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Stop};
use crate::render;

/// Options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Only print the hash over charter and shared facts; it is equal on all synced members
    #[arg(long)]
    pub(crate) state_hash: bool,
}

/// What was checked, and the hash that can be compared with other members.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    report: VerifyDto,
    state_hash: String,
}

/// Runs the command.
pub(crate) async fn run(args: VerifyArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    if args.state_hash {
        let hash = node.state_hash().await?;
        return session.output.result(&hash, |hash| hash.state_hash.clone());
    }
    let (report, state_hash) = (node.verify().await?, node.state_hash().await?.state_hash);
    let checked = Checked { report, state_hash };
    session.output.result(&checked, |checked| render::node::verify(&checked.report, &checked.state_hash))?;
    if checked.report.ok { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}
