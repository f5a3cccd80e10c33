//! `antiphon peers`: the other nodes, and greeting one now.

use antiphon_server::dto::HandshakeDto;
use clap::Subcommand;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::render;

/// Commands of `peers`.
#[derive(Debug, Subcommand)]
pub(crate) enum PeersCommand {
    /// List every node this one knows
    List,
    /// Greet a node now and say what came of it
    Handshake {
        /// Address as `antiphon status` shows it there: /ip4/…/tcp/…/p2p/PEER
        address: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: PeersCommand, session: &Session) -> Outcome {
    let node = session.node().await?;
    match command {
        PeersCommand::List => {
            let peers = node.peers().await?.peers;
            session.output.result(&peers, |peers| render::node::peers(peers))
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

/// Why the two nodes do not belong together, if they do not.
fn refusal(handshake: &HandshakeDto) -> Option<Problem> {
    if handshake.trust == "VERIFIED" {
        return None;
    }
    let reason = handshake.reason.clone().unwrap_or_default();
    let what = format!("{} is {}: {}", handshake.peer_id, handshake.trust, reason.code);
    let mut why = reason.text;
    if let Some(theirs) = handshake.their_genome.as_ref().filter(|_| !handshake.matches) {
        why = format!("{why}; this node's genome is {}, theirs is {theirs}", handshake.our_genome);
    }
    let problem =
        Problem::new(Code::Refused, what).hint("join their team with a ticket of theirs: antiphon join TICKET");
    Some(if why.is_empty() { problem } else { problem.why(why) })
}
