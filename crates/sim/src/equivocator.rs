//! A member that signs two branches of its own log on purpose, shows each to some of the others, and lies about what it
//! holds.
//!
//! Its key and its disk are doubled: from some moment on there are two of it, which nobody can tell apart but by what
//! they say, and each of the others only ever talks to one of them. Whatever it is asked to write it writes as two
//! different events under equal counters. From time to time it throws one of the two away, doubles the other, and
//! changes who sees which, so that its branches part again elsewhere. It takes no notice of what it is told about its
//! own log. In its clocks it claims events, logs and equivocations of others that never were.

use std::collections::BTreeSet;

use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_protocol::sync::{Branching, Clock, Input, Message};
use antiphon_store::Draft;

use crate::agenda::Event;
use crate::disk;
use crate::exercised::Class;
use crate::failure::Step;
use crate::jobs::Job;
use crate::network::Packet;
use crate::node::{Node, Up};
use crate::world::World;

/// Wait before a member that cannot begin yet tries again, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// How often a message that can lie does, in permille.
const LIES: u64 = 300;

/// The two sides of the equivocator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Twin {
    /// Place of the second one among the nodes.
    pub(crate) node: Option<usize>,
    /// Who sees the second one.
    sees: BTreeSet<usize>,
}

impl World {
    /// Whether a node signs two branches of its log.
    pub(crate) fn is_equivocator(&self, node: usize) -> bool {
        self.plan.equivocator.as_ref().is_some_and(|liar| liar.node == self.public(node))
    }

    /// Whether it has two sides by now.
    pub(crate) fn equivocates(&self) -> bool {
        self.twin.node.is_some()
    }

    /// The number under which others know a node.
    pub(crate) fn public(&self, node: usize) -> usize {
        match (&self.plan.equivocator, self.twin.node) {
            (Some(liar), Some(twin)) if twin == node => liar.node,
            _ => node,
        }
    }

    /// Which node a message to `to` reaches.
    pub(crate) fn facing(&self, to: usize, from: usize) -> usize {
        match self.twin.node {
            Some(twin) if self.public(twin) == to && self.twin.sees.contains(&from) => twin,
            _ => to,
        }
    }

    /// It doubles itself, or does so anew.
    pub(crate) fn equivocate(&mut self) -> Step {
        let Some(liar) = self.plan.equivocator.as_ref().map(|liar| liar.node).filter(|_| !self.calm) else {
            return Ok(());
        };
        let acme = self.model.acme;
        let inside = self.team(liar).is_some_and(|team| Some(team.own.team) == acme);
        let Some(up) = self.nodes[liar].up.as_ref().filter(|_| inside) else {
            self.agenda.put(self.at + AGAIN_MS, Event::Equivocate);
            return Ok(());
        };
        let dir = self.dir.path().join(format!("twin-{}", self.at));
        disk::copy(up.db.dir(), &dir)?;
        self.note(liar, "equivocate", &[], String::new);
        for node in [Some(liar), self.twin.node].into_iter().flatten() {
            for peer in 0..self.plan.nodes {
                self.end_session(node, peer);
            }
        }
        let (key, id) = (self.nodes[liar].key.clone(), self.nodes[liar].id);
        let up = Some(Up::start(&dir, &key)?);
        let node = if let Some(twin) = self.twin.node {
            self.nodes[twin].life += 1;
            self.model.forget(twin);
            (self.nodes[twin].dir, self.nodes[twin].up) = (dir, up);
            twin
        } else {
            let (name, skew) = (self.nodes[liar].name.clone(), self.nodes[liar].skew);
            self.nodes.push(Node { life: 1, up, skew, ..Node::new(key, id, name, dir) });
            self.agenda.put(self.at, Event::House(self.nodes.len() - 1));
            self.nodes.len() - 1
        };
        let sees = (0..self.plan.nodes).filter(|peer| *peer != liar && self.random.chance(500)).collect();
        self.twin = Twin { node: Some(node), sees };
        self.contradict(liar)
    }

    /// Both sides write something else under the next counters.
    pub(crate) fn contradict(&mut self, liar: usize) -> Step {
        let Some(twin) = self.twin.node.filter(|_| !self.calm) else { return Ok(()) };
        let count = self.random.between(1, 3);
        for side in [liar, twin] {
            let drafts: Vec<Draft> = (0..count).map(|_| self.remember(side)).collect();
            self.give(side, Job::Author(drafts));
        }
        self.tally.exercised.add(Class::Equivocation, count);
        Ok(())
    }

    /// What the equivocator is told about its own log it does not want to know. Returns whether it was that.
    pub(crate) fn shrugs(&mut self, node: usize, job: &Job) -> Step<bool> {
        if !self.is_equivocator(node) || !self.equivocates() {
            return Ok(false);
        }
        let own = self.team(node).map(|team| team.own.store);
        match job {
            Job::Branch { peer, epoch, log, .. } if Some(log.store) == own => {
                let input = Input::Branched { log: *log, branching: Branching::Failed };
                self.drive(node, *peer, *epoch, input)?;
            }
            Job::Apply { peer, epoch, log, .. } if Some(log.store) == own => {
                let reason = antiphon_protocol::reason::Reason::Other;
                self.drive(node, *peer, *epoch, Input::StoreFailed { log: *log, reason })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What the equivocator says instead of the truth.
    pub(crate) fn twist(&mut self, node: usize, message: &Message) -> Option<Message> {
        if !self.is_equivocator(node) || !self.equivocates() || !self.random.chance(LIES) {
            return None;
        }
        let own = self.team(node).map(|team| team.own.store);
        let lie = match message {
            Message::Clock(clock) => Message::Clock(self.twist_clock(clock.clone(), own)),
            Message::Digest(_) => Message::Digest(Hash(self.random.bytes())),
            Message::Ack { log, head } => {
                Message::Ack { log: *log, head: Head { seq: head.seq.saturating_add(self.random.below(9)), ..*head } }
            }
            Message::Trace { log, points } => {
                let point = |head: &Head| Head { hash: Hash(self.random.bytes()), ..*head };
                Message::Trace { log: *log, points: points.iter().map(point).collect() }
            }
            _ => return None,
        };
        self.tally.exercised.add(Class::Lie, 1);
        Some(lie)
    }

    fn twist_clock(&mut self, mut clock: Clock, own: Option<StoreId>) -> Clock {
        let logs: Vec<LogId> = clock.heads.keys().copied().collect();
        let Some(log) = self.random.pick(&logs) else { return clock };
        let seq = clock.heads.get(&log).map_or(1, |head| head.seq);
        let hash = Hash(self.random.bytes());
        match self.random.below(6) {
            0 => drop(clock.heads.insert(log, Head { seq: u64::MAX, hash })),
            1 => drop(clock.heads.insert(log, Head { seq: seq + self.random.between(1, 1_000), hash })),
            2 => drop(clock.heads.insert(log, Head { seq, hash })),
            3 => drop(clock.heads.remove(&log)),
            4 => {
                let made_up = LogId::new(StoreId(self.random.bytes()), Stream::Shared);
                clock.heads.insert(made_up, Head { seq, hash });
            }
            _ if Some(log.store) != own => drop(clock.partings.insert(log, Head { seq: 1.max(seq / 2), hash })),
            _ => {}
        }
        clock
    }

    /// A message as it is seen to come from somebody.
    pub(crate) fn signed(&self, packet: Packet) -> Packet {
        Packet { from: self.public(packet.from), ..packet }
    }

    /// Whether a key is the equivocator's.
    pub(crate) fn is_liar(&self, id: &NodeId) -> bool {
        let liar = self.plan.equivocator.as_ref().filter(|_| self.equivocates());
        liar.is_some_and(|liar| self.nodes[liar.node].id == *id)
    }
}
