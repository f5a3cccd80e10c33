//! The side that is asked.

use std::sync::Arc;

use antiphon_core::time::UnixMillis;

use super::check::{Claim, check};
use super::wire::{Proof, Removal, Request, Response};
use super::{By, Input, Known, Local, Output, Rejected, Trust, Verified};
use crate::reason::Reason;

/// One handshake, seen from the node that is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Answerer {
    local: Arc<Local>,
    known: Known,
    removal: Option<Removal>,
    done: bool,
}

impl Answerer {
    /// A handshake whose request has not come yet.
    pub fn new(local: Arc<Local>, known: Known) -> Self {
        Self { local, known, removal: None, done: false }
    }

    /// The same, with the record that removed the peer, should it have been removed.
    #[must_use]
    pub fn with_removal(self, removal: Option<Removal>) -> Self {
        Self { removal, ..self }
    }

    /// Takes what happened; says what must be done. Inputs that are not due change nothing.
    ///
    /// A request that cannot be read is not answered: there is no nonce to echo.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let Input::Request(bytes) = input else { return Vec::new() };
        if std::mem::replace(&mut self.done, true) {
            return Vec::new();
        }
        let Ok(request) = Request::decode(&bytes) else {
            return vec![self.rejected(Reason::Other, None)];
        };
        let claim =
            Claim { node: request.from, team: Some(request.team), genome: request.genome, proof: &request.proof };
        match check(&self.local, &self.known, &claim, now) {
            Err(reason) => {
                let response = self.refusal(&request, reason, now);
                vec![Output::Send(response.encode()), self.rejected(reason, Some(request))]
            }
            Ok(proven) => {
                let response = self.welcome(&request, proven.in_step, now);
                let verified = Verified {
                    node: self.known.node,
                    name: request.from_name,
                    store: proven.store,
                    pin: proven.pin,
                    grant: proven.grant,
                    genome: request.genome,
                    in_step: proven.in_step,
                    charter: request.proof.charter,
                    agent_version: request.agent_version,
                    addresses: request.proof.addresses,
                };
                vec![Output::Send(response.encode()), Output::Verified(Box::new(verified))]
            }
        }
    }

    /// The answer to a member, which is not verified before its genome is ours.
    fn welcome(&self, request: &Request, in_step: bool, now: UnixMillis) -> Response {
        let local = &self.local;
        Response {
            to_name: local.name.clone(),
            matches: in_step,
            trust: if in_step { Trust::Verified } else { Trust::Pending },
            reason: None,
            agent_version: local.agent_version.clone(),
            proof: Some(Proof::of(local, true)),
            ..self.refusal(request, Reason::Other, now)
        }
    }

    /// The answer to somebody who is not believed: two hashes and a reason, and nothing about the team.
    fn refusal(&self, request: &Request, reason: Reason, now: UnixMillis) -> Response {
        let local = &self.local;
        // Whoever lacks what the remover had seen may take for a removal what nobody has agreed to.
        let sure = |removal: &&Removal| local.holds(&removal.record.header().version);
        let removal = self.removal.as_ref().filter(|_| reason == Reason::Revoked).filter(sure);
        Response {
            to: local.node,
            to_name: String::new(),
            genome: local.genome,
            matches: request.team == local.team && request.genome == local.genome,
            trust: Trust::Rejected,
            reason: Some(reason),
            timestamp: now,
            nonce: request.nonce,
            agent_version: String::new(),
            proof: None,
            removal: removal.cloned(),
        }
    }

    fn rejected(&self, reason: Reason, request: Option<Request>) -> Output {
        let theirs = request.map(|request| request.genome);
        let (node, ours) = (self.known.node, self.local.genome);
        Output::Rejected(Rejected { node, by: By::Us, reason, ours, theirs, removal: None })
    }
}
