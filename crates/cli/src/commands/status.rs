//! `antiphon status`: this node, its team, and what needs attention.

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Runs the command.
pub(crate) async fn run(session: &Session) -> Outcome {
    let status = session.node().await?.status().await?;
    session.output.result(&status, |status| render::node::status(status, session.home.path()))
}
