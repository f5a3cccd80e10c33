//! `antiphon down`: stops the node and waits until it is gone.

use std::time::Duration;

use serde::Serialize;

use crate::daemon::{Session, holder_of};
use crate::outcome::{Code, Outcome, Problem};

/// How often the home is looked at while the node stops, in milliseconds.
const POLL_MS: u64 = 50;
/// How long a node may take to stop before the command gives up, in milliseconds.
const STOP_WAIT_MAX_MS: u64 = 60_000;

#[derive(Serialize)]
struct Down {
    /// Whether a node was running.
    stopped: bool,
}

/// Runs the command.
pub(crate) async fn run(session: &Session) -> Outcome {
    let answered = match session.running().await? {
        Some(node) => node.shutdown().await.map(|()| true)?,
        None => false,
    };
    // A node that is still opening or already closing its database holds the home without answering.
    let stopped = wait_until_free(session, answered).await?;
    session.output.result(&Down { stopped }, |down| match down.stopped {
        true => "The node has stopped.".to_owned(),
        false => format!("There is no node to stop: no node is running on {}.", session.home.path().display()),
    })
}

async fn wait_until_free(session: &Session, answered: bool) -> Outcome<bool> {
    let mut held = answered;
    for _ in 0..STOP_WAIT_MAX_MS / POLL_MS {
        match holder_of(&session.home)? {
            // Its doors close a moment after it has let go of the home, and until then it answers that it is stopping.
            None if session.running().await?.is_none() => return Ok(held),
            None => (),
            Some(_) => held = true,
        }
        if !answered && let Some(node) = session.running().await? {
            node.shutdown().await?;
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
    let what = format!("the node on {} does not stop", session.home.path().display());
    let pid = holder_of(&session.home)?.flatten();
    let hint = pid.map_or_else(|| format!("see {}", session.home.log().display()), |pid| format!("kill {pid}"));
    let why = format!("it still holds the home after {} s", STOP_WAIT_MAX_MS / 1_000);
    Err(Problem::new(Code::TimedOut, what).why(why).hint(hint).into())
}
