//! What the network tells its caller.

use std::fmt;

use antiphon_core::ids::NodeId;
use libp2p::Multiaddr;
use libp2p::request_response::{InboundRequestId, ResponseChannel};
use tokio::sync::{mpsc, oneshot};

use crate::config::{Protocol, StreamKind};
use crate::dht::Happened;
use crate::handle::{Command, Error};
use crate::reason::NetworkReason;
use crate::stream::MemberStream;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// We listen on this address now.
    Listening(Multiaddr),
    /// Others can reach us at this address, through a relay or a router.
    Reachable(Multiaddr),
    /// Nobody reaches us at these addresses any more.
    ListenerClosed(Vec<Multiaddr>),
    /// Multicast DNS saw a node on the local network. Nothing is dialled by itself. Anybody there can claim this.
    Discovered {
        /// Who.
        peer: NodeId,
        /// Where.
        addresses: Vec<Multiaddr>,
    },
    /// The first connection with a peer.
    Connected {
        /// Who; the transport has proven the key.
        peer: NodeId,
        /// Its address.
        address: Multiaddr,
        /// Whether we dialled.
        outbound: bool,
    },
    /// The last connection with a peer is gone.
    Disconnected {
        /// Who.
        peer: NodeId,
    },
    /// Whoever was met through a relay is connected directly now; the relay is let go.
    Direct {
        /// Who.
        peer: NodeId,
    },
    /// We could not connect.
    DialFailed {
        /// To whom.
        peer: Option<NodeId>,
        /// Why.
        reason: NetworkReason,
    },
    /// What a peer says about itself; it can say what it likes. Repeated every few minutes and when it changes.
    Identified {
        /// Who.
        peer: NodeId,
        /// Its program, at most [`crate::AGENT_VERSION_CHARS_MAX`] characters.
        agent_version: String,
        /// Where it listens, at most [`crate::ADDRESSES_MAX`].
        listen_addresses: Vec<Multiaddr>,
    },
    /// A peer, be it a stranger, asks.
    Request {
        /// Who.
        peer: NodeId,
        /// By which protocol.
        protocol: Protocol,
        /// The request, within the protocol's limit.
        bytes: RequestBytes,
        /// Answers it. Dropping it refuses the request.
        responder: Responder,
    },
    /// A member opened a stream.
    StreamOpened {
        /// Who.
        peer: NodeId,
        /// For what.
        kind: StreamKind,
        /// The stream.
        stream: MemberStream,
    },
    /// Something happened in the hash table.
    Dht(Happened),
}

/// The bytes of a request. They may be a secret, as a ticket's is, so it shows only how many they are.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestBytes(pub Vec<u8>);

impl fmt::Debug for RequestBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Answers one request.
#[derive(Debug)]
pub struct Responder {
    pub(crate) protocol: Protocol,
    pub(crate) id: InboundRequestId,
    pub(crate) channel: ResponseChannel<Vec<u8>>,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Responder {
    /// Sends the answer; returns when the transport has taken it, so that the connection may be closed then.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the protocol's limit, [`Error::Unwanted`] if the asker is gone or has waited too long,
    /// [`Error::Network`] if it goes while the answer is sent, [`Error::Stopped`].
    pub async fn respond(self, bytes: Vec<u8>) -> Result<(), Error> {
        let max = self.protocol.response_bytes_max();
        if bytes.len() > max {
            return Err(Error::TooLarge { got: bytes.len(), max });
        }
        let (reply, answer) = oneshot::channel();
        let Self { protocol, id, channel, commands } = self;
        let command = Command::Respond { protocol, id, channel, bytes, reply };
        commands.send(command).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }
}

#[cfg(test)]
mod tests {
    use super::RequestBytes;

    #[test]
    fn a_request_is_not_told_to_the_log() {
        assert_eq!(format!("{:?}", Some(RequestBytes(vec![115; 32]))), "Some(32 bytes)");
    }
}
