//! Streams between members, and who may open one: nobody but a verified member.

use antiphon_protocol::blocks;
use antiphon_protocol::replication;

use super::Inside;
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step, need};
use crate::greet::REQUEST_TIMEOUT_MS;
use crate::network::{Body, Packet, Sent};
use crate::options::Sabotage;
use crate::world::World;

/// What is spoken over a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Of copies: questions, proofs, offers.
    Copies,
    Blocks,
}

/// A stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) speaks: Speaks,
    /// Who opened it, and to whom.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl World {
    /// Opens a stream; that it stands is heard later, or that it does not.
    pub(super) fn open_lane(&mut self, node: usize, peer: usize, speaks: Speaks) -> u64 {
        let stream = self.contents.lanes.open(node, peer);
        self.contents.streams.insert(stream, Lane { speaks, from: node, to: peer });
        let sent = self.contents.lanes.send(self.at, Packet { from: node, to: peer, body: Body::Open { stream } });
        self.deliver_lanes(sent);
        self.in_shelf(node, REQUEST_TIMEOUT_MS, Inside::OpenTimeout { stream });
        stream
    }

    pub(super) fn deliver_lanes(&mut self, sent: Sent) {
        for (at, packet) in sent.0 {
            self.agenda.put(at, crate::agenda::Event::Contents(super::Happening::Arrive(packet)));
        }
    }

    /// Sends something to the other end of a stream.
    pub(super) fn send_in(&mut self, stream: u64, from: usize, body: Body) {
        let Some(lane) = self.contents.streams.get(&stream).copied() else { return };
        let to = if lane.from == from { lane.to } else { lane.from };
        let sent = self.contents.lanes.send_along(self.at, stream, Packet { from, to, body });
        self.deliver_lanes(sent);
    }

    /// Sends a message, if it is one that its receiver may have.
    pub(super) fn send_frame(&mut self, stream: u64, from: usize, bytes: Vec<u8>, tells: bool) -> Step {
        let Some(lane) = self.contents.streams.get(&stream).copied() else { return Ok(()) };
        let to = if lane.from == from { lane.to } else { lane.from };
        if tells && self.keeps_documents(from) {
            let (id, now) = (self.nodes[to].id, self.nodes[from].clock(self.at));
            let member = self.team(from).is_some_and(|team| team.membership.check(&id, now).is_ok());
            need(member && self.is_member(to), Law::NoBlockForOthers, || {
                format!("n{from} sends {} bytes about documents to n{to}, which is no member", bytes.len())
            })?;
        }
        self.send_in(stream, from, Body::Frame { stream, bytes });
        Ok(())
    }

    /// Closes one end of a stream.
    pub(super) fn close_lane(&mut self, node: usize, stream: u64) {
        self.send_in(stream, node, Body::End { stream });
    }

    /// Whether a member may open streams to another one, as the other one sees it.
    fn lets_in(&self, node: usize, from: usize, speaks: Speaks) -> bool {
        if self.is_sabotaged(Sabotage::ServeAnybody) {
            return true;
        }
        let (peer, now) = (self.nodes[from].id, self.nodes[node].clock(self.at));
        let member = self.in_acme(node).is_some_and(|team| team.membership.check(&peer, now).is_ok());
        let gate = self.nodes[node].up.as_ref().and_then(|up| up.peers.get(&peer)).is_some_and(|known| known.gate);
        member && gate && (speaks == Speaks::Blocks || self.mode_with(node, peer).sends)
    }

    /// A message of a lane arrives.
    pub(super) fn lane_packet(&mut self, packet: Packet) -> Step {
        let Packet { from, to, body } = packet;
        if !self.is_member(to) {
            return self.reaches_asking_stranger(from, &body);
        }
        if self.is_equivocator(to) {
            return self.reaches_liar(from, to, body);
        }
        if self.shelf(to).is_none() {
            return Ok(());
        }
        match body {
            Body::Open { stream } => self.lane_opened(to, from, stream),
            Body::Accept { stream } => self.lane_stands(to, stream),
            Body::Refuse { stream } | Body::End { stream } => self.stream_is_over(to, stream),
            Body::Frame { stream, bytes } => self.lane_frame(to, stream, &bytes),
            Body::Response { id, bytes } => self.hear_of_room(to, from, id, &bytes),
            Body::Request { .. } => Ok(()),
        }
    }

    fn lane_opened(&mut self, node: usize, from: usize, stream: u64) -> Step {
        let Some(lane) = self.contents.streams.get(&stream).copied() else { return Ok(()) };
        if !self.lets_in(node, from, lane.speaks) {
            if !self.is_member(from) {
                self.met(Class::StrangerTurnedAway, 1);
            } else if self.plan.trust.is_out(from) {
                self.met(Class::RemovedTurnedAway, 1);
            }
            let sent =
                self.contents.lanes.send(self.at, Packet { from: node, to: from, body: Body::Refuse { stream } });
            self.deliver_lanes(sent);
            return Ok(());
        }
        self.send_in(stream, node, Body::Accept { stream });
        match lane.speaks {
            Speaks::Copies => self.begin_answering(node, from, stream),
            Speaks::Blocks => self.begin_serving(node, stream),
        }
    }

    fn lane_stands(&mut self, node: usize, stream: u64) -> Step {
        match self.contents.streams.get(&stream).copied() {
            Some(Lane { speaks: Speaks::Copies, to, .. }) => self.asker_stands(node, to, stream),
            Some(Lane { speaks: Speaks::Blocks, to, .. }) => self.fetch_stands(node, to, stream),
            None => Ok(()),
        }
    }

    fn lane_frame(&mut self, node: usize, stream: u64, bytes: &[u8]) -> Step {
        if !self.contents.lanes.stands(stream) {
            return Ok(());
        }
        let Some(lane) = self.contents.streams.get(&stream).copied() else { return Ok(()) };
        let (other, asks) = if lane.from == node { (lane.to, true) } else { (lane.from, false) };
        let unread =
            |error: String| Broken(Law::BoundsHold, format!("n{node} cannot read a frame of n{other}: {error}"));
        match lane.speaks {
            Speaks::Copies => {
                let message = replication::Message::decode(bytes).map_err(|error| unread(error.to_string()))?;
                if asks {
                    self.asker_hears(node, other, stream, message)
                } else {
                    self.answerer_hears(node, stream, message)
                }
            }
            Speaks::Blocks => {
                let message = blocks::Message::decode(bytes).map_err(|error| unread(error.to_string()))?;
                if asks {
                    self.fetch_hears(node, other, stream, message)
                } else {
                    self.serving_hears(node, stream, message)
                }
            }
        }
    }

    /// One end of a stream is closed, or it was never opened.
    pub(super) fn stream_is_over(&mut self, node: usize, stream: u64) -> Step {
        let Some(lane) = self.contents.streams.get(&stream).copied() else { return Ok(()) };
        if lane.from == node && !self.is_open(node, lane, stream) {
            return Ok(());
        }
        match (lane.speaks, lane.from == node) {
            (Speaks::Copies, true) => self.asker_is_over(node, lane.to, stream),
            (Speaks::Copies, false) => {
                if let Some(shelf) = self.shelf(node) {
                    shelf.answering.remove(&stream);
                }
                Ok(())
            }
            (Speaks::Blocks, true) => self.fetch_stream_is_over(node, lane.to, stream),
            (Speaks::Blocks, false) => self.serving_is_over(node, stream),
        }
    }

    /// Whether whoever opened a stream has not given it up.
    fn is_open(&mut self, node: usize, lane: Lane, stream: u64) -> bool {
        let Some(shelf) = self.shelf(node) else { return false };
        match lane.speaks {
            Speaks::Copies => shelf.asking.get(&lane.to).is_some_and(|asker| asker.stream == stream),
            Speaks::Blocks => shelf.fetches.values().any(|fetch| fetch.stream(stream).is_some()),
        }
    }

    /// Nobody answered to an attempt to open a stream, unless somebody did.
    pub(super) fn open_timed_out(&mut self, node: usize, stream: u64) -> Step {
        let Some(lane) = self.contents.streams.get(&stream).copied() else { return Ok(()) };
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        let stands = match lane.speaks {
            Speaks::Copies => shelf.asking.get(&lane.to).is_none_or(|asker| asker.stream != stream || asker.stands),
            Speaks::Blocks => shelf.fetches.values().find_map(|fetch| fetch.stream(stream)).unwrap_or(true),
        };
        if stands { Ok(()) } else { self.stream_is_over(node, stream) }
    }

    /// Breaks a stream under both ends, of which the named ones hear.
    pub(super) fn cut_stream(&mut self, stream: u64, ends: &[(usize, usize)], notice_ms: u64) {
        self.contents.lanes.drop_stream(stream);
        for (from, to) in ends {
            let at = self.at + self.contents.random.between(1, notice_ms);
            let packet = Packet { from: *from, to: *to, body: Body::End { stream } };
            self.agenda.put(at, crate::agenda::Event::Contents(super::Happening::Arrive(packet)));
        }
    }

    /// Ends all conversations with a peer, as when the connection to it is closed.
    pub(crate) fn leave_streams(&mut self, node: usize, peer: usize) -> Step {
        if self.is_sabotaged(Sabotage::ServeAnybody) || !self.keeps_documents(node) {
            return Ok(());
        }
        // Those that broke without a word are given up as well: whoever waits for an answer must ask nothing more there.
        let between = |lane: &Lane| [(node, peer), (peer, node)].contains(&(lane.from, lane.to));
        let streams: Vec<u64> =
            self.contents.streams.iter().filter(|(_, lane)| between(lane)).map(|(stream, _)| *stream).collect();
        for stream in streams {
            self.close_lane(node, stream);
            self.stream_is_over(node, stream)?;
        }
        Ok(())
    }
}
