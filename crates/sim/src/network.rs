//! The network: requests that may be lost, streams that keep the order, and links that come and go.
//!
//! A stream keeps its order and loses nothing while it lives, as one over TCP or QUIC does; where a link is down, its
//! frames wait. In a hostile world frames are lost, doubled and overtaken as well, because what guards a node must
//! not be a promise of its transport.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::Hostile;
use crate::random::Random;

/// Which protocol a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Handshake,
    Join,
    Backup,
}

/// What a message is.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Request {
        id: u64,
        protocol: Protocol,
        bytes: Vec<u8>,
    },
    Response {
        id: u64,
        bytes: Vec<u8>,
    },
    /// Asks for a stream.
    Open {
        stream: u64,
    },
    /// Grants it.
    Accept {
        stream: u64,
    },
    /// Refuses it.
    Refuse {
        stream: u64,
    },
    Frame {
        stream: u64,
        bytes: Vec<u8>,
    },
    /// The other end is closed.
    End {
        stream: u64,
    },
}

/// A message under way.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) body: Body,
}

#[derive(Debug)]
struct Stream {
    /// Who opened it, and who was asked.
    ends: (usize, usize),
    /// When the last frame of each direction arrives.
    arrives: BTreeMap<usize, u64>,
}

/// What became of a message that was given to the network.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Sent(pub(crate) Vec<(u64, Packet)>);

/// See the module.
#[derive(Debug)]
pub(crate) struct Network {
    random: Random,
    loss: u64,
    delay_max_ms: u64,
    hostile: Option<Hostile>,
    /// Directions that are down; a number, since partitions overlap.
    blocked: BTreeMap<(usize, usize), u32>,
    streams: BTreeMap<u64, Stream>,
    /// The place of each member in a line, where only neighbours reach each other.
    line: Option<[usize; 5]>,
    /// Requests to join, which their askers carry to the steward themselves.
    carried: BTreeSet<u64>,
    /// What waits for a direction to come back, in order.
    waiting: BTreeMap<(usize, usize), Vec<Packet>>,
    named: u64,
    /// Messages that partitions of one and of both directions kept back, and those for which there was no link.
    pub(crate) kept_back: [u64; 3],
    /// Messages and frames that were lost, doubled, or overtook another.
    pub(crate) hurt: u64,
}

impl Network {
    pub(crate) fn new(random: Random, loss: u64, delay_max_ms: u64, hostile: Option<Hostile>) -> Self {
        Self {
            random,
            loss,
            delay_max_ms,
            hostile,
            blocked: BTreeMap::new(),
            streams: BTreeMap::new(),
            line: None,
            carried: BTreeSet::new(),
            kept_back: [0; 3],
            waiting: BTreeMap::new(),
            named: 0,
            hurt: 0,
        }
    }

    /// A name for a request or a stream.
    pub(crate) fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    /// Makes a stream from one node to another.
    pub(crate) fn open(&mut self, from: usize, to: usize) -> u64 {
        let stream = self.name();
        self.streams.insert(stream, Stream { ends: (from, to), arrives: BTreeMap::new() });
        stream
    }

    /// Whether a stream stands between the two.
    pub(crate) fn stands(&self, stream: u64) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Forgets a stream; what is under way in it is lost.
    pub(crate) fn drop_stream(&mut self, stream: u64) {
        self.streams.remove(&stream);
    }

    /// The streams between two nodes.
    pub(crate) fn between(&self, a: usize, b: usize) -> Vec<u64> {
        let of = |ends: (usize, usize)| ends == (a, b) || ends == (b, a);
        self.streams.iter().filter(|(_, stream)| of(stream.ends)).map(|(name, _)| *name).collect()
    }

    /// The streams of a node, with the other ends.
    pub(crate) fn of(&self, node: usize) -> Vec<(u64, usize)> {
        let other = |(name, stream): (&u64, &Stream)| match stream.ends {
            (a, b) if a == node => Some((*name, b)),
            (a, b) if b == node => Some((*name, a)),
            _ => None,
        };
        self.streams.iter().filter_map(other).collect()
    }

    fn delay(&mut self) -> u64 {
        self.random.between(1, self.delay_max_ms.max(1))
    }

    /// Members reach only their neighbours from now on; each stands at the place of its number.
    pub(crate) fn stand_in_line(&mut self, members: [usize; 5]) {
        self.line = Some(members);
    }

    /// Whether members reach only their neighbours.
    pub(crate) fn stands_in_line(&self) -> bool {
        self.line.is_some()
    }

    /// Whether there is a link between two members at all.
    pub(crate) fn has_link(&self, a: usize, b: usize) -> bool {
        let Some(line) = &self.line else { return true };
        let place = |node: usize| line.iter().position(|member| *member == node);
        // Who is no member stands where it likes.
        place(a).zip(place(b)).is_none_or(|(a, b)| a.abs_diff(b) == 1)
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.blocked.get(&(from, to)).is_some_and(|times| *times > 0)
    }

    /// Whether a partition keeps what the one says from the other.
    pub(crate) fn is_apart(&self, from: usize, to: usize) -> bool {
        self.is_cut(from, to)
    }

    fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.is_cut(from, to) || !self.has_link(from, to)
    }

    /// Whether a message is kept back, which is counted.
    fn keeps_back(&mut self, from: usize, to: usize) -> bool {
        let why = match (self.has_link(from, to), self.is_cut(from, to), self.is_cut(to, from)) {
            (false, _, _) => 2,
            (true, true, true) => 1,
            (true, true, false) => 0,
            (true, false, _) => return false,
        };
        self.kept_back[why] += 1;
        true
    }

    /// Whether somebody carries a message to its place, where no link does.
    fn is_carried(&mut self, packet: &Packet) -> bool {
        match &packet.body {
            Body::Request { id, protocol: Protocol::Join, .. } => self.carried.insert(*id),
            Body::Response { id, .. } => self.carried.contains(id),
            _ => false,
        }
    }

    /// Sends a message that may be lost.
    pub(crate) fn send(&mut self, at: u64, packet: Packet) -> Sent {
        let delay = self.delay();
        let carried = self.is_carried(&packet) && !self.has_link(packet.from, packet.to);
        let kept = !carried && self.keeps_back(packet.from, packet.to);
        if kept || self.random.chance(self.loss) {
            self.hurt += u64::from(!kept);
            return Sent::default();
        }
        Sent(vec![(at + delay, packet)])
    }

    /// Sends something along a stream.
    pub(crate) fn send_along(&mut self, at: u64, stream: u64, packet: Packet) -> Sent {
        if !self.streams.contains_key(&stream) {
            return Sent::default();
        }
        if let (Some(hostile), Body::Frame { .. }) = (self.hostile, &packet.body) {
            if self.random.chance(hostile.lose) {
                self.hurt += 1;
                return Sent::default();
            }
            if self.random.chance(hostile.double) {
                self.hurt += 1;
                let early = at + self.delay();
                let mut sent = self.in_order(at, stream, packet.clone());
                sent.0.push((early, packet));
                return sent;
            }
            if self.random.chance(hostile.reorder) {
                self.hurt += 1;
                return Sent(vec![(at + 2 * self.delay(), packet)]);
            }
        }
        self.in_order(at, stream, packet)
    }

    fn in_order(&mut self, at: u64, stream: u64, packet: Packet) -> Sent {
        let direction = (packet.from, packet.to);
        if self.keeps_back(direction.0, direction.1) {
            self.waiting.entry(direction).or_default().push(packet);
            return Sent::default();
        }
        let arrives = at + self.delay();
        let Some(known) = self.streams.get_mut(&stream) else { return Sent::default() };
        let last = known.arrives.entry(direction.1).or_insert(0);
        *last = arrives.max(*last);
        Sent(vec![(*last, packet)])
    }

    /// Nothing goes from the one to the other any more.
    pub(crate) fn block(&mut self, from: usize, to: usize) {
        *self.blocked.entry((from, to)).or_insert(0) += 1;
    }

    /// One reason less why nothing goes from the one to the other; what waited goes on its way.
    pub(crate) fn unblock(&mut self, at: u64, from: usize, to: usize) -> Sent {
        if let Some(times) = self.blocked.get_mut(&(from, to)) {
            *times = times.saturating_sub(1);
        }
        if self.is_blocked(from, to) { Sent::default() } else { self.release(at, from, to) }
    }

    fn release(&mut self, at: u64, from: usize, to: usize) -> Sent {
        let mut sent = Sent::default();
        for packet in self.waiting.remove(&(from, to)).unwrap_or_default() {
            let (Body::Accept { stream } | Body::Frame { stream, .. } | Body::End { stream }) = packet.body else {
                continue;
            };
            sent.0.extend(self.in_order(at, stream, packet).0);
        }
        sent
    }

    /// Everything works from now on.
    pub(crate) fn heal(&mut self, at: u64) -> Sent {
        (self.loss, self.hostile) = (0, None);
        self.blocked.clear();
        let directions: BTreeSet<(usize, usize)> = self.waiting.keys().copied().collect();
        Sent(directions.into_iter().flat_map(|(from, to)| self.release(at, from, to).0).collect())
    }
}
