//! One connection's side of the gate.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::task::{Context, Poll};

use either::Either;
use futures::future;
use libp2p::StreamProtocol;
use libp2p::core::upgrade::DeniedUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound, ListenUpgradeError,
    ProtocolSupport, ProtocolsChange, SendWrapper,
};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol};

/// Which opening of which connection: never used twice.
pub(crate) type Epoch = u64;

/// What the gate tells a connection.
pub(crate) enum In<H: ConnectionHandler> {
    /// The peer is let in: from now on this handler's protocols are offered.
    Open {
        /// The opening.
        epoch: Epoch,
        /// The members' handler, boxed because it is large and rare.
        handler: Box<H>,
    },
    /// The peer is out again.
    Close,
    /// For the members' handler of one opening.
    Inner {
        /// The opening.
        epoch: Epoch,
        /// What it is told.
        event: H::FromBehaviour,
    },
}

impl<H: ConnectionHandler> fmt::Debug for In<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { epoch, .. } => f.debug_struct("Open").field("epoch", epoch).finish_non_exhaustive(),
            Self::Close => f.write_str("Close"),
            Self::Inner { epoch, event } => {
                f.debug_struct("Inner").field("epoch", epoch).field("event", event).finish()
            }
        }
    }
}

/// What a connection tells the gate.
#[derive(Debug)]
pub(crate) enum Out<E> {
    /// The members' protocols are offered on this connection now.
    Opened(Epoch),
    /// From the members' handler of one opening.
    Inner(Epoch, E),
}

struct Open<H> {
    epoch: Epoch,
    inner: H,
}

/// A handler that offers nothing until it is opened.
pub(crate) struct Handler<H: ConnectionHandler> {
    /// The members' handler, while the gate is open.
    open: Option<Open<H>>,
    /// An opening that is still to be acknowledged.
    acknowledge: Option<Epoch>,
    /// What the remote supports, as far as it said so. It is bounded by the size of an identify message.
    remote: HashSet<StreamProtocol>,
    /// Tells a handler that came late what the remote supports.
    replay: VecDeque<ProtocolSupport>,
}

impl<H: ConnectionHandler> Handler<H> {
    pub(crate) fn closed() -> Self {
        Self { open: None, acknowledge: None, remote: HashSet::new(), replay: VecDeque::new() }
    }

    fn open(&mut self, epoch: Epoch, inner: H) {
        self.open = Some(Open { epoch, inner });
        self.acknowledge = Some(epoch);
        if !self.remote.is_empty() {
            // The swarm reports changes only, so a handler that missed them is told by taking all of them back.
            self.replay = VecDeque::from([
                ProtocolSupport::Removed(self.remote.clone()),
                ProtocolSupport::Added(self.remote.clone()),
            ]);
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.acknowledge = None;
        self.replay.clear();
    }

    fn inner_of(&mut self, epoch: Epoch) -> Option<&mut H> {
        self.open.as_mut().filter(|open| open.epoch == epoch).map(|open| &mut open.inner)
    }

    fn note_remote_protocols(&mut self, change: &ProtocolsChange<'_>) {
        match change {
            ProtocolsChange::Added(added) => self.remote.extend(added.clone().cloned()),
            ProtocolsChange::Removed(removed) => {
                for protocol in removed.clone() {
                    self.remote.remove(protocol);
                }
            }
        }
    }
}

type Inbound<H> = Either<SendWrapper<<H as ConnectionHandler>::InboundProtocol>, SendWrapper<DeniedUpgrade>>;
type InboundInfo<H> = Option<(Epoch, <H as ConnectionHandler>::InboundOpenInfo)>;
type OutboundInfo<H> = (Epoch, <H as ConnectionHandler>::OutboundOpenInfo);

impl<H: ConnectionHandler> ConnectionHandler for Handler<H> {
    type FromBehaviour = In<H>;
    type ToBehaviour = Out<H::ToBehaviour>;
    type InboundProtocol = Inbound<H>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = InboundInfo<H>;
    type OutboundOpenInfo = OutboundInfo<H>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        match &self.open {
            Some(open) => open
                .inner
                .listen_protocol()
                .map_upgrade(|upgrade| Either::Left(SendWrapper(upgrade)))
                .map_info(|info| Some((open.epoch, info))),
            None => SubstreamProtocol::new(Either::Right(SendWrapper(DeniedUpgrade)), None),
        }
    }

    /// A member stays connected; a stranger stays as long as its streams do, up to the deadline.
    fn connection_keep_alive(&self) -> bool {
        self.open.is_some()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        if let Some(epoch) = self.acknowledge.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Out::Opened(epoch)));
        }
        if let Some(support) = self.replay.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::ReportRemoteProtocols(support));
        }
        let Some(Open { epoch, inner }) = &mut self.open else { return Poll::Pending };
        let epoch = *epoch;
        inner.poll(cx).map(|event| {
            event.map_outbound_open_info(|info| (epoch, info)).map_custom(|event| Out::Inner(epoch, event))
        })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        let Some(Open { epoch, inner }) = &mut self.open else { return Poll::Ready(None) };
        let epoch = *epoch;
        inner.poll_close(cx).map(|event| event.map(|event| Out::Inner(epoch, event)))
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            In::Open { epoch, handler } => self.open(epoch, *handler),
            In::Close => self.close(),
            In::Inner { epoch, event } => {
                if let Some(inner) = self.inner_of(epoch) {
                    inner.on_behaviour_event(event);
                }
            }
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        use ConnectionEvent as E;
        match event {
            E::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info }) => {
                let (future::Either::Left(protocol), Some((epoch, info))) = (protocol, info) else { return };
                self.forward(epoch, E::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info }));
            }
            E::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info: (epoch, info) }) => {
                self.forward(epoch, E::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }));
            }
            E::DialUpgradeError(DialUpgradeError { error, info: (epoch, info) }) => {
                self.forward(epoch, E::DialUpgradeError(DialUpgradeError { error, info }));
            }
            E::ListenUpgradeError(ListenUpgradeError { error, info }) => {
                let (Either::Left(error), Some((epoch, info))) = (error, info) else { return };
                self.forward(epoch, E::ListenUpgradeError(ListenUpgradeError { error, info }));
            }
            E::AddressChange(change) => self.forward_to_any(E::AddressChange(change)),
            E::LocalProtocolsChange(change) => self.forward_to_any(E::LocalProtocolsChange(change)),
            E::RemoteProtocolsChange(change) => {
                self.note_remote_protocols(&change);
                self.forward_to_any(E::RemoteProtocolsChange(change));
            }
            // The enum is open; an event that is not known here has no meaning for the members' handler either.
            _ => {}
        }
    }
}

type InnerEvent<'a, H> = ConnectionEvent<
    'a,
    <H as ConnectionHandler>::InboundProtocol,
    <H as ConnectionHandler>::OutboundProtocol,
    <H as ConnectionHandler>::InboundOpenInfo,
    <H as ConnectionHandler>::OutboundOpenInfo,
>;

impl<H: ConnectionHandler> Handler<H> {
    /// A negotiation that belongs to an earlier opening is dropped, and its stream with it.
    fn forward(&mut self, epoch: Epoch, event: InnerEvent<'_, H>) {
        if let Some(inner) = self.inner_of(epoch) {
            inner.on_connection_event(event);
        }
    }

    fn forward_to_any(&mut self, event: InnerEvent<'_, H>) {
        if let Some(open) = &mut self.open {
            open.inner.on_connection_event(event);
        }
    }
}
