//! The node of a home, as a command sees it: running, or started when it is needed.

use antiphon_node::home::{self, Home};
use antiphon_server::client::{Client, nobody_listens};
use tokio::net::UnixStream;

use crate::outcome::{Code, Outcome, Problem};
use crate::output::Output;
use crate::start;

/// What every command works with.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The home.
    pub(crate) home: Home,
    /// Where results go.
    pub(crate) output: Output,
    /// Whether a node may be started.
    pub(crate) start: bool,
}

impl Session {
    /// The node of the home, started when it is not running.
    ///
    /// # Errors
    /// A problem when it may not or cannot be started.
    pub(crate) async fn node(&self) -> Outcome<Client> {
        if let Some(node) = self.running().await? {
            return Ok(node);
        }
        if !self.start {
            let what = format!("the node on {} is not running", self.home.path().display());
            let problem = Problem::new(Code::Unreachable, what).why("--no-start was given");
            return Err(problem.hint("antiphon up --detach").into());
        }
        start::for_command(self).await?;
        Ok(Client::new(self.home.socket()))
    }

    /// The node of the home, if one listens.
    ///
    /// # Errors
    /// A problem when its socket cannot be used.
    pub(crate) async fn running(&self) -> Result<Option<Client>, Problem> {
        let socket = self.home.socket();
        match UnixStream::connect(&socket).await {
            Ok(_) => Ok(Some(Client::new(socket))),
            Err(error) if nobody_listens(error.kind()) => Ok(None),
            Err(error) => Err(crate::outcome::file_problem("use the control socket", &socket, &error)),
        }
    }
}

/// The process that holds the home, if one does; its id may be unknown.
///
/// # Errors
/// A problem when the home cannot be used.
pub(crate) fn holder_of(home: &Home) -> Result<Option<Option<u32>>, Problem> {
    if !home.path().exists() {
        return Ok(None);
    }
    match home.lock() {
        Ok(_) => Ok(None),
        Err(home::Error::Held { holder, .. }) => Ok(Some(holder)),
        Err(error) => Err(Problem::from(antiphon_node::Error::from(error))),
    }
}
