//! `antiphon peers`: the other nodes, and greeting one now.

use antiphon_server::dto::{HandshakeDto, ShareDto};
use clap::{ArgGroup, Args, Subcommand};

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::render;

/// Commands of `peers`.
#[derive(Debug, Subcommand)]
pub(crate) enum PeersCommand {
    /// List every node this one knows
    List,
    /// Show everything this node knows of a peer
    Show {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// Count peers, changes of trust and refusals
    Stats,
    /// Accept a peer whose database was made anew: forget the store it was pinned to
    Reset {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// Forget a peer that is no member
    Forget {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// Stop sharing with a peer for a while; who belongs to the team is still told
    Pause {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// Go on sharing with a peer that was paused
    Resume {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// Choose the domains whose facts a peer gets
    Share(ShareArgs),
    /// Greet a node now and say what came of it
    Handshake {
        /// Address as `antiphon status` shows it there: /ip4/…/tcp/…/p2p/PEER
        address: String,
    },
}

/// Options of `peers share`. Lists given before are replaced; nothing at all is refused, so that no typing error opens
/// everything.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true))]
pub(crate) struct ShareArgs {
    /// Name, peer id, or the beginning of one
    pub(crate) peer: String,
    /// Share the facts of these domains only
    #[arg(long, value_name = "DOMAIN,…", value_delimiter = ',', group = "which")]
    pub(crate) only: Vec<String>,
    /// Keep back the facts of these domains
    #[arg(long, value_name = "DOMAIN,…", value_delimiter = ',', group = "which")]
    pub(crate) except: Vec<String>,
    /// Share the facts of every domain again
    #[arg(long, group = "which", conflicts_with_all = ["only", "except"])]
    pub(crate) all: bool,
}

/// Runs the command.
pub(crate) async fn run(command: PeersCommand, session: &Session) -> Outcome {
    let node = session.node().await?;
    match command {
        PeersCommand::List => {
            let peers = node.peers().await?.peers;
            session.output.result(&peers, |peers| render::node::peers(peers))
        }
        PeersCommand::Show { peer } => {
            let peer = node.peer(&peer).await?;
            session.output.result(&peer, render::trust::peer)
        }
        PeersCommand::Stats => {
            let stats = node.peer_stats().await?;
            session.output.result(&stats, render::trust::stats)
        }
        PeersCommand::Reset { peer } => {
            let reset = node.reset_peer(&peer).await?;
            session.output.result(&reset, |reset| render::trust::reset(&reset.peer_id))
        }
        PeersCommand::Forget { peer } => {
            let forgotten = node.forget_peer(&peer).await?;
            session.output.result(&forgotten, |forgotten| format!("{} is forgotten.", forgotten.peer_id))
        }
        PeersCommand::Pause { peer } => {
            let settings = node.set_peer_mode(&peer, "paused").await?;
            session.output.result(&settings, render::federation::paused)
        }
        PeersCommand::Resume { peer } => {
            let settings = node.set_peer_mode(&peer, "sync").await?;
            session.output.result(&settings, render::federation::resumed)
        }
        PeersCommand::Share(args) => {
            let settings = node.share_with(&args.peer, &ShareDto { only: args.only, except: args.except }).await?;
            session.output.result(&settings, render::federation::shared)
        }
        PeersCommand::Handshake { address } => {
            let handshake = node.handshake(&address).await?;
            match refusal(&handshake) {
                None => session.output.result(&handshake, render::node::handshake),
                Some(problem) => Err(problem.into()),
            }
        }
    }
}

/// Why the handshake did not end in trust. Only a refusal says something about the team; everything else is a peer
/// that could not be asked.
fn refusal(handshake: &HandshakeDto) -> Option<Problem> {
    // A peer that was verified before stays that while it cannot be reached.
    if handshake.trust == "VERIFIED" && handshake.reason.is_none() {
        return None;
    }
    let reason = handshake.reason.clone().unwrap_or_default();
    if handshake.trust != "REJECTED" {
        let what = format!("{} did not answer the handshake: {}", handshake.peer_id, reason.code);
        let hint = reason.hint.unwrap_or_else(|| "try again: antiphon peers handshake".to_owned());
        return Some(Problem::new(Code::Unreachable, what).why(reason.text).hint(hint));
    }
    let mut why = reason.text;
    if let Some(theirs) = handshake.their_genome.as_ref().filter(|_| !handshake.matches) {
        why = format!("{why}; this node's genome is {}, theirs is {theirs}", handshake.our_genome);
    }
    let what = format!("{} is REJECTED: {}", handshake.peer_id, reason.code);
    let hint = reason.hint.unwrap_or_else(|| format!("antiphon peers show {}", handshake.peer_id));
    Some(Problem::new(Code::Refused, what).why(why).hint(hint))
}

#[cfg(test)]
mod tests {
    use antiphon_server::dto::ReasonDto;

    use super::*;

    #[test]
    fn a_refusal_and_a_silence_end_differently() {
        let check = |trust: &str, exit: Option<u8>| {
            let reason = ReasonDto { code: "genome_mismatch".into(), text: "other genome".into(), hint: None };
            let reason = exit.map(|_| reason);
            let handshake = HandshakeDto { trust: trust.into(), reason, ..HandshakeDto::default() };
            assert_eq!(refusal(&handshake).map(|problem| problem.exit), exit, "{trust}");
        };
        check("VERIFIED", None);
        check("VERIFIED", Some(5));
        check("REJECTED", Some(4));
        check("PENDING", Some(5));
        check("UNKNOWN", Some(5));
    }
}
