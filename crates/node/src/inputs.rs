//! What reaches the event loop from its own tasks and from handles.

use std::collections::BTreeSet;

use antiphon_core::ids::{EventId, NodeId};
use antiphon_core::log::LogId;
use antiphon_net::{MemberStream, Multiaddr};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync;
use antiphon_store::{Applied, GeneBackup};
use tokio::sync::oneshot;

use crate::announce;
use crate::api::{HandshakeView, PeerView};
use crate::audit::Refused;
use crate::bundles::Carry;
use crate::custody::News;
use crate::handshakes::Outcome;
use crate::held::Held;
use crate::modes;
use crate::outbox;
use crate::registry::Ask;
use crate::session::Epoch;
use crate::team::TeamState;

/// Inputs that wait for the loop before their senders do.
pub(crate) const INPUTS_MAX: usize = 256;

/// Something a task of the node found out.
#[derive(Debug)]
pub(crate) enum Input {
    /// A handshake ended.
    Handshake {
        peer: NodeId,
        outcome: Outcome,
        /// See [`crate::event_loop::Engine::moves`], when it began.
        moves: u64,
        /// Somebody waits for the outcome.
        reply: Option<oneshot::Sender<HandshakeView>>,
    },
    /// The stream of a session stands, or could not be opened.
    Stream { peer: NodeId, stream: Result<MemberStream, Reason> },
    /// A message of a session came.
    Frame { peer: NodeId, epoch: Epoch, message: sync::Message },
    /// What a session's machine asked for is there.
    Session { peer: NodeId, epoch: Epoch, input: sync::Input },
    /// The stream of a session ended.
    SessionEnded { peer: NodeId, epoch: Epoch, reason: Option<Reason> },
    /// A page of a peer was stored; `last` is its last event.
    Applied { peer: NodeId, log: LogId, applied: Applied, last: Option<EventId> },
    /// What is held, and the team if its charter changed, after a commit; `moves` as in a handshake.
    Committed {
        held: Box<Held>,
        team: Option<Box<TeamState>>,
        moves: u64,
        /// Peers whose charter had come before this was read.
        rechecks: BTreeSet<NodeId>,
        /// Who waits for what was committed before this was read.
        waiting: Vec<oneshot::Sender<()>>,
    },
    /// Reading after a commit failed; who and what waited for it waits on.
    CommitUnread { error: antiphon_store::Error, rechecks: BTreeSet<NodeId>, waiting: Vec<oneshot::Sender<()>> },
    /// Peers were kept, or could not be.
    Kept,
    /// Something about custody was found out.
    Custody(News),
    /// Something about what waits was found out.
    Outbox(outbox::News),
    /// Something was refused.
    Refused(Refused),
    /// Refusals were written down, or could not be.
    Audited,
    /// What was set aside of own logs was written again, or could not be.
    WroteAgain(Result<antiphon_store::Again, antiphon_store::Error>),
    /// A gene backup was made, in the place of others if there were too many.
    BackedUp { backup: Box<GeneBackup>, gone: Vec<NodeId> },
}

/// Something a handle asks.
#[derive(Debug)]
pub(crate) enum Command {
    /// Shows the peers and where the node listens.
    Peers(oneshot::Sender<(Vec<PeerView>, Vec<String>)>),
    /// Does a handshake now.
    Handshake { peer: NodeId, address: Multiaddr, reply: oneshot::Sender<HandshakeView> },
    /// Remembers where a peer is, and reaches for it.
    Meet { peer: NodeId, addresses: Vec<String> },
    /// The node has moved to another team.
    Moved(Box<TeamState>),
    /// Something about the registry.
    Registry(Ask),
    /// Something that was carried by hand.
    Carry(Carry),
    /// Something about what is shared.
    Modes(modes::Ask),
    /// Something about what members are told.
    Announce(announce::Ask),
    /// Something about what waits.
    Outbox(outbox::ask::Ask),
    /// A person set otherwise how long a first failure keeps the next attempt away, and how long a peer may be silent.
    Retime { outbox_retry_ms: u64, peer_timeout_ms: u64 },
    /// Names connected members that hold more of a node's logs than this one.
    WhoIsAhead { node: NodeId, reply: oneshot::Sender<Vec<String>> },
    /// The team as the loop knows it.
    Team(oneshot::Sender<TeamState>),
    /// Answers when the loop knows of everything that is committed now.
    CatchUp(oneshot::Sender<()>),
    /// Stops the node.
    Stop,
}
