//! The side that asks.

use std::sync::Arc;

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;

use super::check::{Claim, check};
use super::wire::{Proof, Request, Response};
use super::{By, Input, Known, Local, Output, Rejected, Trust, Verified};
use crate::reason::Reason;

/// One handshake, seen from the node that asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Initiator {
    local: Arc<Local>,
    known: Known,
    state: State,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    New,
    /// The nonce that the answer must echo.
    Asked([u8; 32]),
    Done,
}

impl Initiator {
    /// A handshake that has not begun.
    pub fn new(local: Arc<Local>, known: Known) -> Self {
        Self { local, known, state: State::New }
    }

    /// Takes what happened; says what must be done. Inputs that are not due change nothing.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let state = std::mem::replace(&mut self.state, State::Done);
        match (state, input) {
            (State::New, Input::Start { nonce }) => self.start(nonce, now),
            (State::Asked(nonce), Input::Response(bytes)) => vec![self.answered(&nonce, &bytes, now)],
            (State::New | State::Asked(_), Input::Failed(reason)) => vec![Output::Failed(reason)],
            (state, _) => {
                self.state = state;
                Vec::new()
            }
        }
    }

    fn start(&mut self, nonce: [u8; 32], now: UnixMillis) -> Vec<Output> {
        if self.known.node == self.local.node {
            return vec![self.rejected(By::Us, Reason::Auth, None)];
        }
        self.state = State::Asked(nonce);
        let local = &self.local;
        let known = local.membership.check(&self.known.node, now).is_ok();
        let request = Request {
            from: local.node,
            from_name: local.name.clone(),
            team: local.team,
            genome: local.genome,
            timestamp: now,
            nonce,
            agent_version: local.agent_version.clone(),
            proof: Proof::of(local, known),
        };
        vec![Output::Send(request.encode())]
    }

    fn answered(&self, nonce: &[u8; 32], bytes: &[u8], now: UnixMillis) -> Output {
        let Ok(response) = Response::decode(bytes) else {
            return self.rejected(By::Us, Reason::Other, None);
        };
        if response.nonce != *nonce {
            return self.rejected(By::Us, Reason::Auth, None);
        }
        let theirs = Some(response.genome);
        let accepted = response.trust == Trust::Verified && response.matches && response.reason.is_none();
        if !accepted {
            return self.rejected(By::Peer, response.reason.unwrap_or(Reason::Other), theirs);
        }
        let proof = response.proof.unwrap_or_default();
        // The team needs no check of its own: a grant path proves nothing in another team.
        let claim = Claim { node: response.to, team: None, genome: response.genome, proof: &proof };
        match check(&self.local, &self.known, &claim, now) {
            Err(reason) => self.rejected(By::Us, reason, theirs),
            Ok(proven) => Output::Verified(Box::new(Verified {
                node: self.known.node,
                name: response.to_name,
                store: proven.store,
                pin: proven.pin,
                grant: proven.grant,
                charter: proof.charter,
                agent_version: response.agent_version,
                addresses: proof.addresses,
            })),
        }
    }

    fn rejected(&self, by: By, reason: Reason, theirs: Option<Hash>) -> Output {
        Output::Rejected(Rejected { node: self.known.node, by, reason, ours: self.local.genome, theirs })
    }
}
