//! Events that the channel cannot take yet.

use std::collections::VecDeque;
use std::sync::Arc;

use antiphon_core::ids::NodeId;

use crate::event::Event;
use crate::turned_away::{Tally, TurnedAway};

/// Events that are kept while the channel is full and an operation of the caller keeps the network going.
pub const EVENTS_HELD_MAX: usize = 256;
/// Most addresses of one peer that are reported or dialled at once.
pub const ADDRESSES_MAX: usize = 16;
/// Most characters of a peer's agent version.
pub const AGENT_VERSION_CHARS_MAX: usize = 128;

/// A queue that never holds more than [`EVENTS_HELD_MAX`] events that can be missed, and of those that cannot at
/// most two for each peer.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    events: VecDeque<Event>,
    /// Where it is counted what was dropped.
    tally: Arc<Tally>,
}

impl Backlog {
    pub(crate) fn new(tally: Arc<Tally>) -> Self {
        Self { events: VecDeque::new(), tally }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn push(&mut self, event: Event) {
        if let Event::Disconnected { peer } = &event
            && self.cancel_unseen(*peer)
        {
            return;
        }
        if can_be_missed(&event) && self.events.len() >= EVENTS_HELD_MAX {
            // A refused request and a dropped stream are seen by the remote, which tries again.
            tracing::warn!(?event, "events are not read, one is dropped");
            self.tally.count(TurnedAway::Report);
            return;
        }
        self.events.push_back(event);
    }

    /// Who came and went unseen was never there: takes back everything about the peer since it connected.
    fn cancel_unseen(&mut self, peer: NodeId) -> bool {
        let connected = |event: &Event| matches!(event, Event::Connected { peer: who, .. } if *who == peer);
        let Some(since) = self.events.iter().rposition(connected) else { return false };
        let mut at = 0;
        self.events.retain(|event| {
            at += 1;
            at <= since || !is_about(event, peer)
        });
        true
    }
}

fn can_be_missed(event: &Event) -> bool {
    match event {
        Event::Connected { .. }
        | Event::Disconnected { .. }
        | Event::Listening(_)
        | Event::Reachable(_)
        | Event::ListenerClosed(_) => false,
        Event::Discovered { .. }
        | Event::Direct { .. }
        | Event::DialFailed { .. }
        | Event::Identified { .. }
        | Event::Request { .. }
        | Event::StreamOpened { .. }
        | Event::Dht(_) => true,
    }
}

fn is_about(event: &Event, peer: NodeId) -> bool {
    match event {
        Event::Connected { peer: who, .. }
        | Event::Disconnected { peer: who }
        | Event::Direct { peer: who }
        | Event::Identified { peer: who, .. }
        | Event::Request { peer: who, .. }
        | Event::StreamOpened { peer: who, .. } => *who == peer,
        Event::Listening(_)
        | Event::Reachable(_)
        | Event::ListenerClosed(_)
        | Event::Discovered { .. }
        | Event::DialFailed { .. }
        | Event::Dht(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::NetworkReason;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);

    fn connected(peer: NodeId) -> Event {
        Event::Connected { peer, address: "/ip4/127.0.0.1/tcp/1".parse().unwrap(), outbound: false }
    }

    fn identified(peer: NodeId) -> Event {
        Event::Identified { peer, agent_version: String::new(), listen_addresses: Vec::new() }
    }

    fn names(backlog: &mut Backlog) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop())
            .map(|event| match event {
                Event::Connected { peer, .. } => format!("+{}", peer.0[0]),
                Event::Disconnected { peer } => format!("-{}", peer.0[0]),
                Event::Identified { peer, .. } => format!("?{}", peer.0[0]),
                _ => "other".into(),
            })
            .collect()
    }

    #[test]
    fn who_came_and_went_unseen_was_never_there() {
        let mut backlog = Backlog::default();
        for event in [connected(ALICE), connected(BOB), identified(ALICE), Event::Disconnected { peer: ALICE }] {
            backlog.push(event);
        }
        assert_eq!(names(&mut backlog), ["+2"]);
    }

    #[test]
    fn a_seen_peer_that_comes_and_goes_is_gone_once() {
        let mut backlog = Backlog::default();
        for _ in 0..1_000 {
            backlog.push(Event::Disconnected { peer: ALICE });
            backlog.push(connected(ALICE));
        }
        assert_eq!(names(&mut backlog), ["-1", "+1"]);
    }

    #[test]
    fn what_can_be_missed_is_bounded_and_connections_are_kept() {
        let mut backlog = Backlog::default();
        for _ in 0..2 * EVENTS_HELD_MAX {
            backlog.push(Event::DialFailed { peer: Some(BOB), reason: NetworkReason::Refused });
        }
        backlog.push(connected(ALICE));
        let names = names(&mut backlog);
        assert_eq!(names.len(), EVENTS_HELD_MAX + 1);
        assert_eq!(names.last().unwrap(), "+1");
        assert_eq!(backlog.tally.of(TurnedAway::Report), EVENTS_HELD_MAX as u64);
    }
}
