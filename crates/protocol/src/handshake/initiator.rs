//! The side that asks.

use std::sync::Arc;

use antiphon_core::event::{Action, Event, Subject, Unverified, signed_message};
use antiphon_core::ids::{Hash, StoreId};
use antiphon_core::sign;
use antiphon_core::time::UnixMillis;

use super::check::{Claim, check};
use super::wire::{Proof, Removal, Request, Response};
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
        let known = local.membership().check(&self.known.node, now).is_ok();
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
        let accepted = matches!(
            (response.trust, response.matches, response.reason),
            (Trust::Verified, true, None) | (Trust::Pending, false, None)
        );
        if !accepted {
            let reason = response.reason.unwrap_or(Reason::Other);
            let removal = response.removal.filter(|removal| reason == Reason::Revoked && self.holds(removal));
            let Output::Rejected(rejected) = self.rejected(By::Peer, reason, theirs) else {
                return Output::Failed(reason);
            };
            return Output::Rejected(Rejected { removal: removal.map(|removal| Box::new(removal.record)), ..rejected });
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
                genome: response.genome,
                in_step: proven.in_step,
                charter: proof.charter,
                agent_version: response.agent_version,
                addresses: proof.addresses,
            })),
        }
    }

    /// Whether a steward that we know as one removed us by this record. What it says is not shown, so whether others
    /// agreed cannot be seen; that a member of the team refuses us is plain enough.
    fn holds(&self, removal: &Removal) -> bool {
        let (local, header) = (&self.local, removal.record.header());
        let Some(open) = removal.opening.opening() else { return false };
        let signed = |event: &Event<Unverified>| {
            let message = signed_message(&local.team, event.header_bytes());
            event.header().team == local.team
                && event.signature().is_some_and(|signature| sign::verify(&open.node, &message, signature))
        };
        local.membership().is_steward(&open.node)
            && StoreId::derive(&local.team, &open.node, &open.nonce) == header.store
            && removal.opening.log() == removal.record.log()
            && (header.action, &header.subject) == (Action::Revoke, &Subject::Member(local.node))
            && signed(&removal.opening)
            && signed(&removal.record)
    }

    fn rejected(&self, by: By, reason: Reason, theirs: Option<Hash>) -> Output {
        let (node, ours) = (self.known.node, self.local.genome);
        Output::Rejected(Rejected { node, by, reason, ours, theirs, removal: None })
    }
}
