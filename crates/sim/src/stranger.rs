//! Eve: a node of another team who knows this one's id, and what she tries.

use std::sync::Arc;

use antiphon_protocol::handshake::{Initiator, Input, Known, Local, Output, Response};
use antiphon_protocol::join;

use crate::agenda::Event;
use crate::failure::{Broken, Law, Step, need};
use crate::network::{Body, Packet, Protocol};
use crate::world::World;

/// Longest wait between two attempts, in milliseconds.
const AGAIN_MS: u64 = 8_000;

impl World {
    /// Whether a node is one of the team; eve is the last node and is not.
    pub(crate) fn is_member(&self, node: usize) -> bool {
        self.public(node) < self.plan.nodes
    }

    /// Eve tries something.
    pub(crate) fn attempt(&mut self) -> Step {
        let eve = self.plan.nodes;
        if !self.calm {
            self.agenda.put(self.at + self.random.between(100, AGAIN_MS), Event::Stranger);
        }
        let victim = self.random.index(self.plan.nodes);
        let id = self.network.name();
        self.tally.attempts += 1;
        match self.random.below(8) {
            0 => {
                let stream = self.network.open(eve, victim);
                self.send(Packet { from: eve, to: victim, body: Body::Open { stream } });
            }
            1 => {
                if let Some(bytes) = self.overheard.clone() {
                    self.ask(eve, victim, id, Protocol::Handshake, bytes);
                }
            }
            2 => {
                let bytes = self.forge_join();
                self.ask(eve, victim, id, Protocol::Join, bytes);
            }
            3 => {
                let bytes: [u8; 64] = self.random.bytes();
                self.ask(eve, victim, id, Protocol::Handshake, bytes.to_vec());
            }
            kind => {
                if let Some(bytes) = self.forge_handshake(victim, kind) {
                    self.ask(eve, victim, id, Protocol::Handshake, bytes);
                }
            }
        }
        Ok(())
    }

    /// A request that claims more or less of what is not hers.
    fn forge_handshake(&mut self, victim: usize, kind: u64) -> Option<Vec<u8>> {
        let eve = self.plan.nodes;
        let (own, theirs) = (self.local_of(eve)?, self.local_of(0)?);
        let mut local: Local = (*own).clone();
        if kind > 4 {
            (local.team, local.genome) = (theirs.team, theirs.genome);
        }
        if kind > 5 {
            local.path.clone_from(&theirs.path);
        }
        if kind > 6 {
            (local.node, local.store) = (theirs.node, theirs.store);
            local.opening.clone_from(&theirs.opening);
        }
        let known = Known { node: self.nodes[victim].id, pinned: None };
        let (nonce, now) = (self.random.bytes(), self.nodes[eve].clock(self.at));
        match Initiator::new(Arc::new(local), known).handle(Input::Start { nonce }, now).pop() {
            Some(Output::Send(bytes)) => Some(bytes),
            _ => None,
        }
    }

    fn forge_join(&mut self) -> Vec<u8> {
        let (own, eve) = (self.team(0).map(|team| team.own.team), self.plan.nodes);
        let recipient = self.nodes[eve].key.age_recipient();
        let team = own.unwrap_or(antiphon_core::ids::TeamId([0; 32]));
        let request = join::Request {
            team: Some(team),
            secret: Some(self.random.bytes()),
            name: "eve".to_owned(),
            recipient,
            nonce: self.random.bytes(),
        };
        request.encode()
    }

    /// Whatever reaches eve must tell her nothing.
    pub(crate) fn reaches_stranger(&mut self, packet: &Packet) -> Step {
        let told = |what: &str| Broken(Law::TrustIsProved, format!("n{} tells eve {what}", packet.from));
        match &packet.body {
            Body::Response { bytes, .. } => {
                if let Ok(response) = Response::decode(bytes) {
                    let silent = response.proof.is_none()
                        && response.removal.is_none()
                        && response.to_name.is_empty()
                        && !response.matches_trust();
                    return need(silent, Law::TrustIsProved, || format!("n{} believes eve: {response:?}", packet.from));
                }
                let refused = join::Response::decode(bytes).is_ok_and(|response| response.verdict.is_err());
                if refused { Ok(()) } else { Err(told("the team")) }
            }
            Body::Refuse { stream } => {
                self.network.drop_stream(*stream);
                Ok(())
            }
            Body::Accept { .. } | Body::Frame { .. } => Err(told("events")),
            Body::Request { .. } | Body::Open { .. } | Body::End { .. } => Ok(()),
        }
    }
}

/// What an answer says about trust.
trait Trusts {
    fn matches_trust(&self) -> bool;
}

impl Trusts for Response {
    fn matches_trust(&self) -> bool {
        self.trust == antiphon_core::trust::Trust::Verified
    }
}
