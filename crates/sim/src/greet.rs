//! Greeting: dialling members, the two machines of the handshake, and what a node does with their verdict.

use std::sync::Arc;

use antiphon_core::charter::Refusal;
use antiphon_core::ids::NodeId;
use antiphon_core::trust::Trust;
use antiphon_protocol::handshake::{Answerer, By, Initiator, Input, Known, Output, Removal, Verified};
use antiphon_protocol::reason::Reason;

use crate::agenda::{Event, Inside};
use crate::failure::{Law, Step, need};
use crate::jobs::Job;
use crate::network::{Body, Packet, Protocol};
use crate::node::{Asked, TeamState};
use crate::options::Sabotage;
use crate::world::World;

/// Time between two looks at whom to reach for, in milliseconds.
const HOUSEKEEPING_MS: u64 = 1_000;
/// Time after which a request counts as unanswered, in milliseconds.
pub(crate) const REQUEST_TIMEOUT_MS: u64 = 10_000;

impl World {
    /// A node looks whom it should reach for.
    pub(crate) fn keep_house(&mut self, node: usize) -> Step {
        let again = self.at + HOUSEKEEPING_MS + self.random.below(100);
        self.agenda.put(again, Event::House(node));
        self.tend_own_log(node);
        self.clean_files(node)?;
        let now = self.nodes[node].clock(self.at);
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let Some(team) = &up.team else { return Ok(()) };
        let due = |peer: &NodeId| {
            let waits = up.peers.get(peer).is_some_and(|known| known.dial_at > self.at);
            let stays = up.peers.get(peer).is_none_or(|known| !known.out_of_step);
            let busy = self.index.get(peer).is_none_or(|index| stays && up.sessions.contains_key(index));
            *peer != team.own.node && !waits && !busy && !up.greeting.contains(peer)
        };
        let granted = team.membership.members().map(|(peer, _)| *peer);
        let members: Vec<NodeId> =
            granted.filter(|peer| due(peer) && team.membership.check(peer, now).is_ok()).collect();
        members.into_iter().try_for_each(|peer| self.greet(node, peer))
    }

    pub(crate) fn greet(&mut self, node: usize, peer: NodeId) -> Step {
        let (now, nonce) = (self.nodes[node].clock(self.at), self.random.bytes());
        let (request, to) = (self.network.name(), self.index[&peer]);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let Some(team) = up.team.clone() else { return Ok(()) };
        let known = up.peer(peer);
        if known.trust != Trust::Verified {
            known.trust = Trust::Pending;
        }
        let known = Known { node: peer, pinned: known.store };
        let mut machine = Initiator::new(team.local, known);
        let outputs = machine.handle(Input::Start { nonce }, now);
        let [Output::Send(bytes)] = outputs.as_slice() else { return self.greeted(node, peer, outputs) };
        up.greeting.insert(peer);
        up.asked.insert(request, Asked::Handshake(peer, Box::new(machine)));
        self.ask(node, to, request, Protocol::Handshake, bytes.clone());
        Ok(())
    }

    /// Sends a request and waits for the answer.
    pub(crate) fn ask(&mut self, from: usize, to: usize, id: u64, protocol: Protocol, bytes: Vec<u8>) {
        self.send(Packet { from, to, body: Body::Request { id, protocol, bytes } });
        let life = self.nodes[from].life;
        let what = Inside::Timeout { request: id };
        self.agenda.put(self.at + REQUEST_TIMEOUT_MS, Event::Inside { node: from, life, what });
    }

    /// The answer to a request came, or none did.
    pub(crate) fn answered(&mut self, node: usize, request: u64, answer: Result<Vec<u8>, Reason>) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        match up.asked.remove(&request) {
            Some(Asked::Handshake(peer, mut machine)) => {
                let input = answer.map_or_else(Input::Failed, Input::Response);
                let outputs = machine.handle(input, now);
                self.greeted(node, peer, outputs)
            }
            Some(Asked::Join(machine)) => {
                self.join_answered(node, *machine, answer);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Somebody asks to be verified.
    pub(crate) fn answer_handshake(&mut self, node: usize, from: usize, id: u64, bytes: Vec<u8>) -> Step {
        let (now, peer) = (self.nodes[node].clock(self.at), self.nodes[from].id);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let Some(team) = up.team.clone() else { return Ok(()) };
        let known = Known { node: peer, pinned: up.peer(peer).store };
        let removal =
            team.membership.removal(&peer).and_then(|removal| removal.record.as_ref()).map(|shown| shown.hash);
        let removal = removal.map(|hash| up.db.reader().charter_record(&hash)).transpose()?.flatten();
        let removal = removal.map(|(opening, record)| Removal {
            opening: opening.into_unverified(),
            record: record.without_payload().into_unverified(),
        });
        if self.is_member(from) {
            self.overheard = Some(bytes.clone());
        }
        let mut machine = Answerer::new(team.local, known).with_removal(removal);
        let mut outputs = machine.handle(Input::Request(bytes), now);
        let sends = outputs.iter().position(|output| matches!(output, Output::Send(_)));
        let answer = sends.map(|at| outputs.remove(at));
        self.greeted(node, peer, outputs)?;
        if let Some(Output::Send(bytes)) = answer {
            let bytes = self.check_answer(node, from, bytes)?;
            self.send(Packet { from: node, to: from, body: Body::Response { id, bytes } });
        }
        Ok(())
    }

    /// A handshake ended.
    fn greeted(&mut self, node: usize, peer: NodeId, outputs: Vec<Output>) -> Step {
        let at = self.at;
        if let Some(up) = self.nodes[node].up.as_mut() {
            up.greeting.remove(&peer);
        }
        for output in outputs {
            match output {
                Output::Send(_) => {}
                Output::Verified(verified) => self.verified(node, &verified)?,
                Output::Rejected(rejected) => {
                    let us = if rejected.by == By::Us { "by us" } else { "by the peer" };
                    self.note(node, "rejected", &[], || format!("{peer} {us}: {}", rejected.reason));
                    self.check_rejection(node, &rejected)?;
                    self.reject(node, peer)?;
                }
                Output::Failed(_) => {
                    let Some(up) = self.nodes[node].up.as_mut() else { continue };
                    let known = up.peer(peer);
                    known.failed(at);
                    if known.trust == Trust::Pending {
                        known.trust = Trust::Unknown;
                    }
                }
            }
        }
        self.take_stranger_in(node, peer)
    }

    fn verified(&mut self, node: usize, verified: &Verified) -> Step {
        let (now, at) = (self.nodes[node].clock(self.at), self.at);
        let (peer, store) = (verified.node, verified.store);
        let from = self.index.get(&peer).copied();
        self.check_trust(node, from)?;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        // The charter may have changed while the handshake was under way.
        let refusal = up.team.as_ref().and_then(|team| team.membership.check(&peer, now).err());
        if matches!(refusal, Some(Refusal::Revoked | Refusal::Expired)) {
            return self.reject(node, peer);
        }
        if !verified.in_step {
            return self.out_of_step(node, peer);
        }
        let known = up.peer(peer);
        let moved = known.store.is_some_and(|pinned| pinned != store);
        (known.store, known.trust, known.gate) = (Some(store), Trust::Verified, true);
        known.out_of_step = false;
        known.reached(at);
        let renewed =
            from.is_some_and(|from| (self.restored && self.plan.restored == Some(from)) || self.lost_its_disk(from));
        need(!moved || renewed, Law::NoFalseAlarm, || format!("n{node} moves the pin of {peer}"))?;
        self.note(node, "verified", &peer.0, || peer.to_string());
        self.tally.handshakes += 1;
        self.give(node, Job::KeepPeer { peer, store: Some(store), trust: Trust::Verified });
        self.set_mode_with(node, peer)?;
        self.open_stream(node, peer);
        from.map_or(Ok(()), |from| self.deliver_to(node, from))
    }

    /// Only a member that was granted its place may be verified.
    fn check_trust(&self, node: usize, from: Option<usize>) -> Step {
        let fit = from.is_some_and(|from| {
            let granted = self.model.granted.contains(&self.nodes[from].id);
            self.is_member(from) && granted
        });
        need(fit, Law::TrustIsProved, || format!("n{node} verified {from:?}, which was granted no place"))
    }

    /// Ends everything with a peer that may not be spoken to.
    pub(crate) fn reject(&mut self, node: usize, peer: NodeId) -> Step {
        let (at, index) = (self.at, self.index.get(&peer).copied());
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let known = up.peer(peer);
        known.failed(at);
        (known.trust, known.gate) = (Trust::Rejected, false);
        let store = known.store;
        if let Some(index) = index {
            self.end_session(node, index);
        }
        self.give(node, Job::KeepPeer { peer, store, trust: Trust::Rejected });
        let Some(index) = index else { return Ok(()) };
        self.leave_streams(node, index)?;
        self.leave_lanes(node, index)
    }

    /// Opens the stream of a session if this side is the one that does: the one with the smaller id.
    pub(crate) fn open_stream(&mut self, node: usize, peer: NodeId) {
        let (ours, to, from) = (self.nodes[node].id, self.index[&peer], self.public(node));
        let Some(up) = self.nodes[node].up.as_mut() else { return };
        if ours > peer || up.sessions.contains_key(&to) || up.opening.contains_key(&peer) {
            return;
        }
        let stream = self.network.open(from, to);
        up.opening.insert(peer, stream);
        self.send(Packet { from: node, to, body: Body::Open { stream } });
        let what = Inside::OpenTimeout { peer, stream };
        self.agenda.put(self.at + REQUEST_TIMEOUT_MS, Event::Inside { node, life: self.nodes[node].life, what });
    }

    /// A stream was refused, or nobody answered.
    pub(crate) fn not_opened(&mut self, node: usize, peer: NodeId, stream: u64) {
        let at = self.at;
        let Some(up) = self.nodes[node].up.as_mut() else { return };
        if up.opening.get(&peer) == Some(&stream) {
            up.opening.remove(&peer);
            up.peer(peer).failed(at);
            self.network.drop_stream(stream);
        }
    }

    /// Somebody asks for a stream: only who is verified gets one.
    pub(crate) fn asked_for_stream(&mut self, node: usize, from: usize, stream: u64) -> Step {
        let peer = self.nodes[from].id;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        if up.team.is_none() || !up.peers.get(&peer).is_some_and(|known| known.gate) {
            self.send(Packet { from: node, to: from, body: Body::Refuse { stream } });
            return Ok(());
        }
        self.send_along(stream, Packet { from: node, to: from, body: Body::Accept { stream } });
        self.start_session(node, from, stream)
    }

    /// Sabotage: somebody who proved nothing is let in.
    fn take_stranger_in(&mut self, node: usize, peer: NodeId) -> Step {
        let stranger = self.index.get(&peer).copied().filter(|from| !self.is_member(*from));
        match stranger {
            Some(_) if self.is_sabotaged(Sabotage::TrustStranger) => self.check_trust(node, stranger),
            _ => Ok(()),
        }
    }

    /// What a node is in its team, if it is up and in one.
    pub(crate) fn team(&self, node: usize) -> Option<&TeamState> {
        self.nodes.get(node)?.up.as_ref()?.team.as_ref()
    }

    /// What a stranger with this node's key would bring to a handshake.
    pub(crate) fn local_of(&self, node: usize) -> Option<Arc<antiphon_protocol::handshake::Local>> {
        self.team(node).map(|team| team.local.clone())
    }
}
