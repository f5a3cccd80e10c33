//! One connection's streams.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol};
use libp2p::{Stream, StreamProtocol};

use super::OpenId;
use crate::reason::NetworkReason;

/// How long one attempt to open a stream may take; short enough to try another connection if this one is dead.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a stream was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    /// The remote does not offer the protocol: we are not let in there, or not yet.
    Unsupported,
    /// The connection failed or was too slow.
    Network(NetworkReason),
}

/// What a connection reports.
#[derive(Debug)]
pub(crate) enum Out {
    /// The remote opened a stream.
    Inbound(Stream),
    /// What became of our own request.
    Outbound(OpenId, Result<Stream, OpenFailure>),
}

type Action = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, OpenId, Out>;

/// Offers one protocol and opens streams on request.
pub(crate) struct Handler {
    protocol: StreamProtocol,
    /// What is to be done. The connection is not read on before this is empty, so it stays short.
    actions: VecDeque<Action>,
}

impl Handler {
    pub(crate) fn new(protocol: StreamProtocol) -> Self {
        Self { protocol, actions: VecDeque::new() }
    }

    fn report(&mut self, event: Out) {
        self.actions.push_back(ConnectionHandlerEvent::NotifyBehaviour(event));
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = OpenId;
    type ToBehaviour = Out;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenId;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<Action> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn on_behaviour_event(&mut self, id: OpenId) {
        let protocol = SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), id).with_timeout(OPEN_TIMEOUT);
        self.actions.push_back(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), OpenId>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info: () }) => {
                self.report(Out::Inbound(protocol));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.report(Out::Outbound(info, Ok(protocol)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info }) => {
                let failure = match error {
                    StreamUpgradeError::NegotiationFailed => OpenFailure::Unsupported,
                    StreamUpgradeError::Timeout => OpenFailure::Network(NetworkReason::Timeout),
                    StreamUpgradeError::Io(error) => OpenFailure::Network(NetworkReason::classify(&error)),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                self.report(Out::Outbound(info, Err(failure)));
            }
            _ => {}
        }
    }
}
