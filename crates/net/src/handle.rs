//! What the caller can ask of the network.

use std::time::Duration;

use antiphon_core::ids::NodeId;
use libp2p::request_response::{InboundRequestId, ResponseChannel};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::config::{Protocol, StreamKind};
use crate::dht::{self, Dht};
use crate::reason::NetworkReason;
use crate::stream::{MemberStream, Meters, Traffic};
use crate::streams::OpenFailure;
use crate::turned_away::Tally;

/// Commands that wait before their senders do.
pub(crate) const COMMANDS_MAX: usize = 64;
/// The wait before the second attempt to open a stream; it doubles with every further one. Short, since the first
/// stream after a handshake often finds the other side's gate not open yet, and it opens a moment later.
const RETRY_FIRST: Duration = Duration::from_millis(1);
/// The longest wait between two attempts.
const RETRY_LONGEST: Duration = Duration::from_millis(200);

/// Why the network did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
    /// Too many operations wait for the network already.
    #[error("more than {max} operations wait for the network")]
    Busy {
        /// The limit.
        max: usize,
    },
    /// There is no connection with the peer.
    #[error("{peer} is not connected")]
    NotConnected {
        /// Who.
        peer: NodeId,
    },
    /// The gate is closed for the peer.
    #[error("{peer} has not been let in")]
    NotOpen {
        /// Who.
        peer: NodeId,
    },
    /// The peer does not offer us such streams: it does not let us in, or its program does not know them.
    #[error("{peer} does not let us use {}", kind.name())]
    NotOffered {
        /// Who.
        peer: NodeId,
        /// What it does not offer.
        kind: StreamKind,
    },
    /// The message is beyond its protocol's limit.
    #[error("a message of {got} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes of the message.
        got: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The asker is gone or no longer waits.
    #[error("nobody waits for this answer any more")]
    Unwanted,
    /// The network failed.
    #[error("the network failed: {reason}")]
    Network {
        /// How.
        reason: NetworkReason,
    },
}

impl Error {
    /// What this says about the network, if anything.
    pub fn reason(&self) -> Option<NetworkReason> {
        match self {
            Self::Network { reason } => Some(*reason),
            _ => None,
        }
    }
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
    /// Too many operations wait for the network already.
    #[error("more than {max} operations wait for the network")]
    Busy {
        /// The limit.
        max: usize,
    },
    /// The peer is not connected, and no address is known.
    #[error("{peer} is not connected and has no address")]
    NoAddress {
        /// Who.
        peer: NodeId,
    },
    /// The protocol is for members, and the peer is not let in; nothing was sent.
    #[error("{peer} has not been let in")]
    NotOpen {
        /// Who.
        peer: NodeId,
    },
    /// The request is beyond its protocol's limit; nothing was sent.
    #[error("a request of {got} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes of the request.
        got: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The peer could not be reached; it has not seen the request.
    #[error("{peer} cannot be reached: {reason}")]
    Unreachable {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: NetworkReason,
    },
    /// The peer does not speak the protocol.
    #[error("{peer} does not speak {}", protocol.name())]
    Unsupported {
        /// Who.
        peer: NodeId,
        /// What it does not speak.
        protocol: Protocol,
    },
    /// No answer came, or no whole one; the peer may have seen the request.
    #[error("{peer} did not answer: {reason}")]
    Failed {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: NetworkReason,
    },
}

impl RequestError {
    /// What this says about the network, if anything.
    pub fn reason(&self) -> Option<NetworkReason> {
        match self {
            Self::Unreachable { reason, .. } | Self::Failed { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What became of one attempt to open a stream.
#[derive(Debug)]
pub(crate) enum OpenStreamError {
    Final(Error),
    Attempt(OpenFailure),
}

/// From the handle to the driver.
pub(crate) enum Command {
    Dial {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reply: Reply<Result<(), Error>>,
    },
    Request(Request),
    Respond {
        protocol: Protocol,
        id: InboundRequestId,
        channel: ResponseChannel<Vec<u8>>,
        bytes: Vec<u8>,
        reply: Reply<Result<(), Error>>,
    },
    OpenGate {
        peer: PeerId,
        reply: Reply<Result<(), Error>>,
    },
    CloseGate {
        peer: PeerId,
        reply: Reply<()>,
    },
    OpenStream {
        peer: PeerId,
        kind: StreamKind,
        attempt: usize,
        reply: Reply<Result<MemberStream, OpenStreamError>>,
    },
    ListenAddresses {
        reply: Reply<Vec<Multiaddr>>,
    },
    Dht(dht::Command),
    Shutdown {
        reply: Reply<()>,
    },
}

/// A request on its way.
pub(crate) struct Request {
    pub(crate) node: NodeId,
    pub(crate) peer: PeerId,
    pub(crate) protocol: Protocol,
    pub(crate) addresses: Vec<Multiaddr>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reply: Reply<Result<Vec<u8>, RequestError>>,
}

/// The network's remote control. When the last one is dropped, the network stops.
#[derive(Clone)]
pub struct NetHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) meters: Meters,
    pub(crate) open_stream_timeout: Duration,
}

impl std::fmt::Debug for NetHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetHandle").field("traffic", &self.meters).finish_non_exhaustive()
    }
}

impl NetHandle {
    /// Starts to connect; [`crate::Event::Connected`] or [`crate::Event::DialFailed`] tells the outcome. Does nothing
    /// if the peer is connected or being dialled. TCP is tried first, QUIC where TCP fails.
    ///
    /// # Errors
    /// [`Error::Network`] if there is nothing to try, [`Error::Stopped`].
    pub async fn dial(&self, peer: NodeId, addresses: Vec<Multiaddr>) -> Result<(), Error> {
        let peer = peer_id(peer)?;
        self.ask(|reply| Command::Dial { peer, addresses, reply }).await?
    }

    /// Asks a peer and waits for its answer; connects first if needed.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn request(
        &self,
        peer: NodeId,
        protocol: Protocol,
        addresses: Vec<Multiaddr>,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        let max = protocol.request_bytes_max();
        if bytes.len() > max {
            return Err(RequestError::TooLarge { got: bytes.len(), max });
        }
        let unreachable = |_| RequestError::Unreachable { peer, reason: NetworkReason::Other };
        let id = peer_id(peer).map_err(unreachable)?;
        self.ask(|reply| Command::Request(Request { node: peer, peer: id, protocol, addresses, bytes, reply }))
            .await
            .map_err(|_| RequestError::Stopped)?
    }

    /// Lets a peer in, on all its connections until the last one ends. Returns when our side offers the members'
    /// protocols: answer a handshake only after that, or the peer's first stream may come too early.
    ///
    /// # Errors
    /// [`Error::NotConnected`] if there is no connection, or none is left; [`Error::Busy`], [`Error::Stopped`].
    pub async fn open_gate(&self, peer: NodeId) -> Result<(), Error> {
        let peer = peer_id(peer)?;
        self.ask(|reply| Command::OpenGate { peer, reply }).await?
    }

    /// Puts a peer out: its streams end and its connections are closed.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn close_gate(&self, peer: NodeId) -> Result<(), Error> {
        let peer = peer_id(peer)?;
        self.ask(|reply| Command::CloseGate { peer, reply }).await
    }

    /// Opens a stream to a peer that is let in. Right after a handshake the other side may not have let us in
    /// yet, so a refusal is tried again for a while.
    ///
    /// # Errors
    /// [`Error::NotConnected`] and [`Error::NotOpen`] at once, [`Error::NotOffered`] and [`Error::Network`] when time is up.
    pub async fn open_stream(&self, peer: NodeId, kind: StreamKind) -> Result<MemberStream, Error> {
        let id = peer_id(peer)?;
        let deadline = Instant::now() + self.open_stream_timeout;
        let mut wait = RETRY_FIRST;
        let mut last = Error::Network { reason: NetworkReason::Timeout };
        for attempt in 0.. {
            let asked = self.ask(|reply| Command::OpenStream { peer: id, kind, attempt, reply });
            match tokio::time::timeout_at(deadline, asked).await {
                Ok(Ok(Ok(stream))) => return Ok(stream),
                Ok(Ok(Err(OpenStreamError::Final(error)))) | Ok(Err(error)) => return Err(error),
                Ok(Ok(Err(OpenStreamError::Attempt(OpenFailure::Unsupported)))) => {
                    last = Error::NotOffered { peer, kind }
                }
                Ok(Ok(Err(OpenStreamError::Attempt(OpenFailure::Network(reason))))) => last = Error::Network { reason },
                Err(_) => break,
            }
            if Instant::now() + wait >= deadline {
                break;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
        Err(last)
    }

    /// Where we listen now.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn listen_addresses(&self) -> Result<Vec<Multiaddr>, Error> {
        self.ask(|reply| Command::ListenAddresses { reply }).await
    }

    /// Ends the network: streams, connections and listeners. Returns when it has; it is no error if it had before.
    pub async fn shutdown(&self) {
        if let Err(error) = self.ask(|reply| Command::Shutdown { reply }).await {
            tracing::debug!(%error, "shutdown");
        }
    }

    /// The members' hash table.
    pub fn dht(&self) -> Dht {
        Dht { commands: self.commands.clone() }
    }

    /// Bytes of the frames of one kind of stream so far.
    pub fn traffic(&self, kind: StreamKind) -> &Traffic {
        self.meters.of(kind)
    }

    /// How often what was turned away so far.
    pub fn turned_away(&self) -> &Tally {
        &self.meters.tally
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }
}

fn peer_id(node: NodeId) -> Result<PeerId, Error> {
    PeerId::from_bytes(&node.to_peer_id_bytes()).map_err(|_| Error::NotConnected { peer: node })
}
