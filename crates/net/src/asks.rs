//! Requests of our own: who waits for a connection, for a turn, or for an answer.
//!
//! On one connection libp2p carries a limited number of requests of a protocol, those of both sides together, and fails
//! what is beyond. The limit is there for a remote that asks without end; our own callers should not meet it. So we ask
//! a peer only so much at the same time, and what comes meanwhile waits for its turn. A node that does the same leaves
//! room for our requests and for streams that are still being closed.

use std::collections::{HashMap, VecDeque};

use antiphon_core::ids::NodeId;
use libp2p::PeerId;
use libp2p::request_response::OutboundRequestId;

use crate::config::Protocol;
use crate::handle::{Reply, Request, RequestError};

/// Most requests of one protocol under way on one connection, those of both sides together.
pub(crate) const PER_CONNECTION_MAX: usize = 8;
/// Most requests that a stranger may make on its connections before it is let in; what is beyond gets no answer. An
/// honest one makes a few: it joins, shakes hands, and is a member.
pub const STRANGER_REQUESTS_MAX: u32 = 64;
/// Most requests of one protocol that we have under way with one peer.
pub(crate) const AT_ONCE_MAX: usize = 3;

const _: () = assert!(2 * AT_ONCE_MAX < PER_CONNECTION_MAX, "both sides' requests and some that are being closed");

/// A request that was sent.
pub(crate) struct Asked {
    pub(crate) node: NodeId,
    pub(crate) peer: PeerId,
    pub(crate) protocol: Protocol,
    pub(crate) reply: Reply<Result<Vec<u8>, RequestError>>,
}

/// The requests of one protocol to one peer.
#[derive(Default)]
struct Lane {
    under_way: usize,
    /// They go when those under way have ended.
    waiting: VecDeque<Request>,
}

/// All requests that are not answered yet.
#[derive(Default)]
pub(crate) struct Asks {
    /// They go when there is a connection.
    unconnected: HashMap<PeerId, Vec<Request>>,
    lanes: HashMap<(PeerId, Protocol), Lane>,
    asked: HashMap<(Protocol, OutboundRequestId), Asked>,
    /// How many there are.
    count: usize,
}

impl Asks {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Keeps a request until its peer is connected.
    pub(crate) fn wait_for_connection(&mut self, request: Request) {
        self.count += 1;
        self.unconnected.entry(request.peer).or_default().push(request);
    }

    /// The requests that waited for a connection with the peer.
    pub(crate) fn unconnected(&mut self, peer: &PeerId) -> Vec<Request> {
        let requests = self.unconnected.remove(peer).unwrap_or_default();
        self.count -= requests.len();
        requests
    }

    /// Keeps a request until it is its turn, which may be now, see [`Asks::next`].
    pub(crate) fn wait_for_turn(&mut self, request: Request) {
        self.count += 1;
        self.lanes.entry((request.peer, request.protocol)).or_default().waiting.push_back(request);
    }

    /// The next request whose turn it is. Those that nobody waits for any more are dropped.
    pub(crate) fn next(&mut self, peer: PeerId, protocol: Protocol) -> Option<Request> {
        let lane = self.lanes.get_mut(&(peer, protocol))?;
        while lane.under_way < AT_ONCE_MAX
            && let Some(request) = lane.waiting.pop_front()
        {
            self.count -= 1;
            if !request.reply.is_closed() {
                return Some(request);
            }
        }
        if lane.under_way == 0 {
            self.lanes.remove(&(peer, protocol));
        }
        None
    }

    /// A request was sent.
    pub(crate) fn sent(&mut self, id: OutboundRequestId, asked: Asked) {
        self.count += 1;
        self.lanes.entry((asked.peer, asked.protocol)).or_default().under_way += 1;
        self.asked.insert((asked.protocol, id), asked);
    }

    /// A request was answered or has failed; another may have its turn now, see [`Asks::next`].
    pub(crate) fn ended(&mut self, protocol: Protocol, id: OutboundRequestId) -> Option<Asked> {
        let asked = self.asked.remove(&(protocol, id))?;
        self.count -= 1;
        if let Some(lane) = self.lanes.get_mut(&(asked.peer, protocol)) {
            lane.under_way -= 1;
        }
        Some(asked)
    }
}
