//! The steward that is asked.

use std::sync::Arc;

use antiphon_core::charter::{self, GrantPath, Membership};
use antiphon_core::event::{Event, Verified};
use antiphon_core::fact::check_label;
use antiphon_core::ids::{Hash, NodeId, TeamId};
use antiphon_core::time::UnixMillis;

use super::wire::{Request, Response, Welcome};
use super::{FormerStore, Invite, Refusal, secret_hash};
use crate::handshake::NODE_NAME_BYTES_MAX;

/// What a node brings when it is asked for a membership.
#[derive(Debug, Clone, PartialEq)]
pub struct StewardLocal {
    /// Its key.
    pub node: NodeId,
    /// Its name for people.
    pub name: String,
    /// Its team.
    pub team: TeamId,
    /// The founding genome, encoded.
    pub genome: Vec<u8>,
    /// Who is a member.
    pub membership: Arc<Membership>,
    /// Most members of the team, as founded.
    pub members_max: usize,
}

/// One attempt of somebody to join, seen from the node that is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Steward {
    local: Arc<StewardLocal>,
    peer: NodeId,
    state: State,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    New,
    /// The invitation is being looked up.
    Looking(Box<Request>),
    /// The grant is being written.
    Granting {
        nonce: [u8; 32],
    },
    Done,
}

/// What happened to a steward.
#[derive(Debug, Clone, PartialEq)]
pub enum StewardInput {
    /// A request came.
    Request(Vec<u8>),
    /// What is kept under the hash that was asked for.
    Invite(Option<Invite>),
    /// The grant is durable.
    Granted {
        /// The joiner's grant path.
        path: Box<GrantPath>,
        /// All charter events held, log by log, the steward's own first, each from its first event on.
        charter: Vec<Event<Verified>>,
        /// Stores that the joiner's key had before, the latest first.
        stores: Vec<FormerStore>,
    },
    /// The grant could not be written.
    GrantFailed,
}

/// What a steward must do.
#[derive(Debug, Clone, PartialEq)]
pub enum StewardOutput {
    /// Look up the invitation that is kept under this hash, and hand it in as [`StewardInput::Invite`].
    LookupInvite(Hash),
    /// In one transaction: mark the invitation with the key, unless another key holds it, and write a grant, unless
    /// this key has one from this invitation. Then hand in [`StewardInput::Granted`].
    Grant {
        /// The invitation.
        invite: Hash,
        /// The joiner's key.
        node: NodeId,
        /// Its name for people.
        name: String,
        /// Its age recipient.
        recipient: String,
        /// Its roles.
        roles: Vec<String>,
    },
    /// The peer is a member that comes back: gather what [`StewardInput::Granted`] needs; nothing is to be written.
    Gather(NodeId),
    /// Send these bytes to the joiner.
    Send(Vec<u8>),
    /// The joiner was refused, and told so if it could be.
    Refused(Refusal),
    /// The joiner was sent its grant.
    Answered(NodeId),
}

impl Steward {
    /// An attempt of `peer`, whose key the transport authenticated.
    pub fn new(local: Arc<StewardLocal>, peer: NodeId) -> Self {
        Self { local, peer, state: State::New }
    }

    /// Takes what happened; says what must be done. Inputs that are not due change nothing.
    pub fn handle(&mut self, input: StewardInput, now: UnixMillis) -> Vec<StewardOutput> {
        let state = std::mem::replace(&mut self.state, State::Done);
        match (state, input) {
            (State::New, StewardInput::Request(bytes)) => self.asked(&bytes, now),
            (State::Looking(request), StewardInput::Invite(invite)) => self.found(*request, invite, now),
            (State::Granting { nonce }, StewardInput::Granted { path, charter, stores }) => {
                let charter = charter.into_iter().map(Event::into_unverified).collect();
                let (genome, steward_name) = (self.local.genome.clone(), self.local.name.clone());
                let welcome = Box::new(Welcome { genome, path: *path, charter, steward_name, stores });
                let response = Response { nonce, verdict: Ok(welcome) };
                vec![StewardOutput::Send(response.encode()), StewardOutput::Answered(self.peer)]
            }
            (State::Granting { nonce }, StewardInput::GrantFailed) => refuse(nonce, Refusal::Failed),
            (state, _) => {
                self.state = state;
                Vec::new()
            }
        }
    }

    fn asked(&mut self, bytes: &[u8], now: UnixMillis) -> Vec<StewardOutput> {
        let Ok(request) = Request::decode(bytes) else {
            return vec![StewardOutput::Refused(Refusal::Malformed)];
        };
        let membership = &self.local.membership;
        let refusal = if request.team.is_some_and(|team| team != self.local.team) {
            Refusal::WrongTeam
        } else if request.secret.is_none() {
            match membership.check(&self.peer, now) {
                Ok(_) => {
                    self.state = State::Granting { nonce: request.nonce };
                    return vec![StewardOutput::Gather(self.peer)];
                }
                Err(charter::Refusal::Revoked) => Refusal::Revoked,
                Err(charter::Refusal::Expired) => Refusal::Expired,
                // A stranger learns no more than that it is none of the members.
                Err(charter::Refusal::NotAMember) => Refusal::UnknownTicket,
            }
        } else if !membership.is_steward(&self.local.node) {
            Refusal::NotASteward
        } else if self.peer == self.local.node || !is_fit(&request) {
            Refusal::Malformed
        } else {
            let hash = secret_hash(&request.secret.unwrap_or_default());
            self.state = State::Looking(Box::new(request));
            return vec![StewardOutput::LookupInvite(hash)];
        };
        refuse(request.nonce, refusal)
    }

    fn found(&mut self, request: Request, invite: Option<Invite>, now: UnixMillis) -> Vec<StewardOutput> {
        match self.judge(invite, now) {
            Err(refusal) => refuse(request.nonce, refusal),
            Ok(roles) => {
                self.state = State::Granting { nonce: request.nonce };
                vec![StewardOutput::Grant {
                    invite: secret_hash(&request.secret.unwrap_or_default()),
                    node: self.peer,
                    name: request.name,
                    recipient: request.recipient,
                    roles,
                }]
            }
        }
    }

    /// The roles of a usable invitation. The order tells a stranger no more than that its secret is unknown.
    fn judge(&self, invite: Option<Invite>, now: UnixMillis) -> Result<Vec<String>, Refusal> {
        let invite = invite.ok_or(Refusal::UnknownTicket)?;
        let again = invite.joiner == Some(self.peer);
        if invite.joiner.is_some() && !again {
            return Err(Refusal::Used);
        }
        // A retry gets the grant it already has, however late its answer was lost.
        if now > invite.expires && !again {
            return Err(Refusal::Expired);
        }
        let membership = &self.local.membership;
        if membership.is_revoked(&self.peer) {
            return Err(Refusal::Revoked);
        }
        let full = membership.members().count() >= self.local.members_max;
        if !again && full && membership.member(&self.peer).is_none() {
            return Err(Refusal::Full);
        }
        Ok(invite.roles)
    }
}

/// Whether name and recipient can stand in a grant.
fn is_fit(request: &Request) -> bool {
    let name = check_label("name", &request.name, NODE_NAME_BYTES_MAX).is_ok();
    name && !request.recipient.is_empty() && request.recipient.bytes().all(|byte| byte.is_ascii_graphic())
}

fn refuse(nonce: [u8; 32], refusal: Refusal) -> Vec<StewardOutput> {
    let response = Response { nonce, verdict: Err(refusal) };
    vec![StewardOutput::Send(response.encode()), StewardOutput::Refused(refusal)]
}
