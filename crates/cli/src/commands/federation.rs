//! `antiphon federation`: whether this node sends and takes, and how far sharing has come.

use antiphon_server::client::Client;
use antiphon_server::dto::{PeerDto, PeersDto, ShownDto};
use clap::Subcommand;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Stop};
use crate::render;

/// Commands of `federation`.
#[derive(Debug, Subcommand)]
pub(crate) enum FederationCommand {
    /// Show what is shared with whom, how far that has come, and what does not count
    Status,
    /// Show or set whether this node sends and takes
    Mode {
        /// sync: both; publish: it sends and takes nothing; subscribe: it takes and sends nothing
        mode: Option<String>,
    },
    /// Compare with every member now, dial those that are away, and wait until all hold the same
    Now {
        /// How long to wait at most, in seconds (up to 60)
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        wait: u64,
    },
    /// Show or set down to which level facts that are not shared are shown to members who ask
    Show {
        /// none, module or snippet; private facts never are
        level: Option<String>,
    },
}

/// Runs the command.
pub(crate) async fn run(command: FederationCommand, session: &Session) -> Outcome {
    let node = session.node().await?;
    match command {
        FederationCommand::Status => {
            let federation = node.federation().await?;
            session.output.result(&federation, render::federation::federation)
        }
        FederationCommand::Now { wait } => now(&node, wait, session).await,
        FederationCommand::Show { level } => {
            let shown = match level {
                None => node.shown().await?,
                Some(up_to) => node.set_shown(&ShownDto { up_to }).await?,
            };
            session.output.result(&shown, |shown| render::recall::shown(&shown.up_to))
        }
        FederationCommand::Mode { mode: None } => {
            let mode = antiphon_server::dto::ModeDto { mode: node.federation().await?.mode };
            session.output.result(&mode, |mode| render::federation::mode(&mode.mode))
        }
        FederationCommand::Mode { mode: Some(mode) } => {
            let mode = node.set_node_mode(&mode).await?;
            session.output.result(&mode, |mode| render::federation::mode(&mode.mode))
        }
    }
}

/// Exit code 5 when nobody could be reached, and 1 when something is on its way still.
async fn now(node: &Client, wait: u64, session: &Session) -> Outcome {
    let members = node.sync_now(wait).await?;
    session.output.result(&members.peers, |peers| render::federation::compared(peers))?;
    match standing(&members) {
        Standing::Level => Ok(()),
        Standing::OnItsWay => Err(Stop::Exit(Code::Failed.exit())),
        Standing::Alone => Err(Stop::Exit(Code::Unreachable.exit())),
    }
}

/// How far it has come with all members together.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Whoever is connected holds the same, or there is nobody else.
    Level,
    /// Somebody lacks something.
    OnItsWay,
    /// There are others, and none of them is connected.
    Alone,
}

fn standing(members: &PeersDto) -> Standing {
    let mut here = members.peers.iter().filter(|peer| peer.connected && peer.trust == "VERIFIED").peekable();
    if here.peek().is_none() && !members.peers.is_empty() {
        return Standing::Alone;
    }
    let level = |peer: &PeerDto| peer.lag_events == Some(0) && peer.behind_events == Some(0);
    if here.all(level) { Standing::Level } else { Standing::OnItsWay }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_level_when_whoever_is_there_is() {
        let peer = |connected, lag| PeerDto {
            connected,
            trust: "VERIFIED".into(),
            lag_events: Some(lag),
            behind_events: Some(0),
            ..PeerDto::default()
        };
        let of = |peers: &[PeerDto]| standing(&PeersDto { peers: peers.to_vec() });
        assert_eq!(of(&[]), Standing::Level);
        assert_eq!(of(&[peer(true, 0), peer(false, 7)]), Standing::Level);
        assert_eq!(of(&[peer(true, 0), peer(true, 1)]), Standing::OnItsWay);
        assert_eq!(of(&[peer(false, 0)]), Standing::Alone);
        assert_eq!(of(&[PeerDto { trust: "REJECTED".into(), ..peer(true, 0) }]), Standing::Alone);
    }
}
