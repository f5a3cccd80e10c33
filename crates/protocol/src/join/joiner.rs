//! The machine that joins.

use std::collections::BTreeMap;

use antiphon_core::charter::Charter;
use antiphon_core::event::{Event, Unverified, verify_run};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::time::UnixMillis;

use super::wire::{Request, Response, Welcome};
use super::{CharterLog, Joined, Refusal};
use crate::reason::Reason;
use crate::ticket::Ticket;

/// One attempt to join, seen from the joiner.
#[derive(Debug, Clone, PartialEq)]
pub struct Joiner {
    node: NodeId,
    name: String,
    recipient: String,
    way: Way,
    state: State,
}

/// What opens the door.
#[derive(Debug, Clone, PartialEq)]
enum Way {
    /// A ticket.
    Ticket(Box<Ticket>),
    /// The key itself: it is a member's. The team is checked where it is known.
    Key { peer: NodeId, team: Option<TeamId> },
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    New,
    /// The nonce that the answer must echo.
    Asked([u8; 32]),
    Done,
}

/// What happened to a joiner.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinerInput {
    /// The channel to `peer` stands; begin, with 32 fresh random bytes.
    Start {
        /// The key at the other end, as the transport authenticated it.
        peer: NodeId,
        /// The nonce that the answer must echo.
        nonce: [u8; 32],
    },
    /// The answer came.
    Response(Vec<u8>),
    /// No answer came.
    Failed(Reason),
}

/// What a joiner must do.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinerOutput {
    /// Send these bytes to the steward.
    Send(Vec<u8>),
    /// We are a member: store everything in one transaction.
    Joined(Box<Joined>),
    /// We are not.
    Refused(Refusal),
    /// The steward could not be asked; try again.
    Failed(Reason),
}

impl Joiner {
    /// An attempt of `node`, called `name`, whose age recipient is `recipient`.
    pub fn new(node: NodeId, name: String, recipient: String, ticket: Ticket) -> Self {
        Self { node, name, recipient, way: Way::Ticket(Box::new(ticket)), state: State::New }
    }

    /// A member that lost its disk and asks `peer` for its place back. Without `team` it believes whatever team `peer`
    /// shows that has granted this key something: a person must compare the team's id.
    pub fn returning(node: NodeId, name: String, recipient: String, peer: NodeId, team: Option<TeamId>) -> Self {
        Self { node, name, recipient, way: Way::Key { peer, team }, state: State::New }
    }

    /// Takes what happened; says what must be done. Inputs that are not due change nothing.
    pub fn handle(&mut self, input: JoinerInput, now: UnixMillis) -> Vec<JoinerOutput> {
        let state = std::mem::replace(&mut self.state, State::Done);
        match (state, input) {
            (State::New, JoinerInput::Start { peer, nonce }) => vec![self.start(peer, nonce, now)],
            (State::Asked(nonce), JoinerInput::Response(bytes)) => vec![self.answered(&nonce, &bytes)],
            (State::New | State::Asked(_), JoinerInput::Failed(reason)) => vec![JoinerOutput::Failed(reason)],
            (state, _) => {
                self.state = state;
                Vec::new()
            }
        }
    }

    fn start(&mut self, peer: NodeId, nonce: [u8; 32], now: UnixMillis) -> JoinerOutput {
        let (steward, team, secret) = match &self.way {
            Way::Ticket(ticket) => (ticket.steward, Some(ticket.team), Some(ticket.secret)),
            Way::Key { peer, team } => (*peer, *team, None),
        };
        // The secret goes to the ticket's steward only; whoever else answers at its address gets nothing.
        if peer != steward || peer == self.node {
            return JoinerOutput::Refused(Refusal::NotASteward);
        }
        if matches!(&self.way, Way::Ticket(ticket) if ticket.check(now).is_err()) {
            return JoinerOutput::Refused(Refusal::Expired);
        }
        self.state = State::Asked(nonce);
        let request = Request { team, secret, name: self.name.clone(), recipient: self.recipient.clone(), nonce };
        JoinerOutput::Send(request.encode())
    }

    fn answered(&self, nonce: &[u8; 32], bytes: &[u8]) -> JoinerOutput {
        let verdict = match Response::decode(bytes) {
            Ok(response) if response.nonce == *nonce => response.verdict,
            _ => Err(Refusal::Malformed),
        };
        match verdict.and_then(|welcome| self.believe(*welcome)) {
            Ok(joined) => JoinerOutput::Joined(Box::new(joined)),
            Err(refusal) => JoinerOutput::Refused(refusal),
        }
    }

    /// Checks everything that a steward could have made up.
    fn believe(&self, welcome: Welcome) -> Result<Joined, Refusal> {
        let genome = Genome::decode(&welcome.genome).map_err(|_| Refusal::Malformed)?;
        let team = genome.team();
        let expected = match &self.way {
            Way::Ticket(ticket) => Some(ticket.team),
            Way::Key { team, .. } => *team,
        };
        if expected.is_some_and(|expected| expected != team) {
            return Err(Refusal::WrongTeam);
        }
        let founders = genome.constitution().map_err(|_| Refusal::Malformed)?.founders;
        let nothing = Charter::new(&founders, []);
        let membership = welcome.path.verify(&team, &nothing, &self.node).map_err(|_| Refusal::Malformed)?;
        let grant = membership.member(&self.node).ok_or(Refusal::Malformed)?.grant.clone();
        let charter = verify_charter(&team, welcome.charter)?;
        let Welcome { path, steward_name, stores, .. } = welcome;
        Ok(Joined { genome, charter, grant, path, steward_name, stores })
    }
}

/// Verifies charter logs, each from its first event on.
fn verify_charter(team: &TeamId, events: Vec<Event<Unverified>>) -> Result<Vec<CharterLog>, Refusal> {
    let mut logs: BTreeMap<LogId, Vec<Event<Unverified>>> = BTreeMap::new();
    for event in events {
        logs.entry(event.log()).or_default().push(event);
    }
    let verify = |(log, events): (LogId, Vec<Event<Unverified>>)| {
        let key = events.first().and_then(Event::opening).map(|open| open.node);
        let key = key.filter(|_| log.stream == Stream::Charter).ok_or(Refusal::Malformed)?;
        let run = verify_run(team, log, &key, Head::EMPTY, events);
        if run.refused.is_some() || !run.waiting.is_empty() {
            return Err(Refusal::Malformed);
        }
        Ok(CharterLog { store: log.store, key, events: run.verified })
    };
    logs.into_iter().map(verify).collect()
}
