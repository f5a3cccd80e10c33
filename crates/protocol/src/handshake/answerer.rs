//! The side that is asked.

use std::sync::Arc;

use antiphon_core::time::UnixMillis;

use super::check::{Claim, check};
use super::wire::{Proof, Request, Response};
use super::{By, Input, Known, Local, Output, Rejected, Trust, Verified};
use crate::reason::Reason;

/// One handshake, seen from the node that is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Answerer {
    local: Arc<Local>,
    known: Known,
    done: bool,
}

impl Answerer {
    /// A handshake whose request has not come yet.
    pub fn new(local: Arc<Local>, known: Known) -> Self {
        Self { local, known, done: false }
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
                let response = self.response(&request, Err(reason), now);
                vec![Output::Send(response.encode()), self.rejected(reason, Some(request))]
            }
            Ok(proven) => {
                let response = self.response(&request, Ok(()), now);
                let verified = Verified {
                    node: self.known.node,
                    name: request.from_name,
                    store: proven.store,
                    pin: proven.pin,
                    grant: proven.grant,
                    charter: request.proof.charter,
                    agent_version: request.agent_version,
                    addresses: request.proof.addresses,
                };
                vec![Output::Send(response.encode()), Output::Verified(Box::new(verified))]
            }
        }
    }

    /// The answer: to somebody who is not believed it holds two hashes and a reason, and nothing about the team.
    fn response(&self, request: &Request, verdict: Result<(), Reason>, now: UnixMillis) -> Response {
        let local = &self.local;
        let good = verdict.is_ok();
        let text = |text: &str| if good { text.to_owned() } else { String::new() };
        Response {
            to: local.node,
            to_name: text(&local.name),
            genome: local.genome,
            matches: request.team == local.team && request.genome == local.genome,
            trust: if good { Trust::Verified } else { Trust::Rejected },
            reason: verdict.err(),
            timestamp: now,
            nonce: request.nonce,
            agent_version: text(&local.agent_version),
            proof: good.then(|| Proof::of(local, true)),
        }
    }

    fn rejected(&self, reason: Reason, request: Option<Request>) -> Output {
        let theirs = request.map(|request| request.genome);
        Output::Rejected(Rejected { node: self.known.node, by: By::Us, reason, ours: self.local.genome, theirs })
    }
}
