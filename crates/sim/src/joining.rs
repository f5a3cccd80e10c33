//! Joining: tickets from the steward, requests that are repeated until one is answered, and both machines.

use std::sync::Arc;

use antiphon_core::charter::Grant;
use antiphon_core::genome::Genome;
use antiphon_core::ids::{NodeId, ulid_bytes};
use antiphon_protocol::join::{
    Invite as Shown, Joiner, JoinerInput, JoinerOutput, Refusal, Steward, StewardInput, StewardOutput, secret_hash,
};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::ticket::Ticket;
use antiphon_store::{Draft, Identity, Invite};

use crate::agenda::Event;
use crate::failure::{Broken, Law, Step, need};
use crate::jobs::Job;
use crate::network::{Body, Packet, Protocol};
use crate::node::Asked;
use crate::world::World;

/// Grants and tickets outlive every clock that is wrong by ten years: fifty years, in milliseconds.
const LONG_LIFE_MS: u64 = 50 * 365 * 24 * 60 * 60 * 1_000;
/// Longest wait between two attempts to join, in milliseconds.
const JOIN_AGAIN_MS: u64 = 5_000;

impl World {
    /// Founds a team of one on a node that is up.
    pub(crate) fn found(&mut self, node: usize, name: &str) -> Step {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[node].id);
        let genome = Genome::found(name, &self.random.bytes(), &id)
            .map_err(|error| Broken(Law::StoreWorks, error.to_string()))?;
        let nonce = ulid_bytes(now, self.random.bytes());
        let identity = Identity { node: id, name: self.nodes[node].name.clone(), nonce, previous: None };
        let grant = self.grant_for(node, id, self.nodes[node].key.age_recipient(), self.nodes[node].name.clone());
        let (first, second) = (self.random.bytes(), self.random.bytes());
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        up.db.found(&identity, &genome, now, first)?;
        for written in up.db.author(&[Draft::Grant(grant)], now, second)? {
            written.map_err(|error| Broken(Law::StoreWorks, format!("the first grant: {error}")))?;
        }
        up.read_all()?;
        let logs = up.db.reader().logs()?;
        self.model.committed(node, &logs)
    }

    fn grant_for(&self, steward: usize, node: NodeId, recipient: String, name: String) -> Grant {
        let not_after = self.nodes[steward].clock(self.at).after(LONG_LIFE_MS);
        Grant { node, recipient, roles: vec!["admin".to_owned()], not_after, wraps: Vec::new(), name }
    }

    /// The steward invites everybody.
    pub(crate) fn invite_all(&mut self) -> Step {
        for node in 1..self.plan.nodes {
            let (now, secret) = (self.nodes[0].clock(self.at), self.random.bytes());
            let Some(up) = self.nodes[0].up.as_mut() else { return Ok(()) };
            let Some(team) = &up.team else { return Ok(()) };
            let ticket = Ticket {
                team: team.own.team,
                team_name: "acme".to_owned(),
                steward: team.own.node,
                addresses: Vec::new(),
                roles: vec!["backend_developer".to_owned()],
                expires: now.after(LONG_LIFE_MS),
                secret,
            };
            let invite = Invite {
                secret_hash: secret_hash(&secret),
                roles: ticket.roles.clone(),
                expires_at: ticket.expires,
                created_at: now,
                joiner: None,
            };
            up.db.add_invite(&invite)?;
            let read = Ticket::parse(&ticket.to_text());
            self.nodes[node].ticket = Some(read.map_err(|error| Broken(Law::StoreWorks, error.to_string()))?);
        }
        Ok(())
    }

    /// A node that is no member yet asks to become one, and will again.
    pub(crate) fn join(&mut self, node: usize) -> Step {
        let (id, now) = (self.nodes[node].id, self.nodes[node].clock(self.at));
        let Some(ticket) = self.nodes[node].ticket.clone() else { return Ok(()) };
        if self.team(node).is_some_and(|team| team.own.team == ticket.team) {
            return Ok(());
        }
        let again = self.at + crate::greet::REQUEST_TIMEOUT_MS + self.random.below(JOIN_AGAIN_MS);
        self.agenda.put(again, Event::Join(node));
        let (steward, nonce, request) = (ticket.steward, self.random.bytes(), self.network.name());
        let (name, recipient) = (self.nodes[node].name.clone(), self.nodes[node].key.age_recipient());
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let mut machine = Joiner::new(id, name, recipient, ticket);
        let outputs = machine.handle(JoinerInput::Start { peer: steward, nonce }, now);
        let [JoinerOutput::Send(bytes)] = outputs.as_slice() else {
            return Err(Broken(Law::NoFalseAlarm, format!("n{node} cannot begin to join: {outputs:?}")));
        };
        up.asked.insert(request, Asked::Join(Box::new(machine)));
        self.ask(node, self.index[&steward], request, Protocol::Join, bytes.clone());
        Ok(())
    }

    /// The answer to a request to join came, or none did.
    pub(crate) fn join_answered(&mut self, node: usize, mut machine: Joiner, answer: Result<Vec<u8>, Reason>) {
        let now = self.nodes[node].clock(self.at);
        let input = answer.map_or_else(JoinerInput::Failed, JoinerInput::Response);
        for output in machine.handle(input, now) {
            match output {
                JoinerOutput::Joined(joined) => {
                    let joined_already = self.nodes[node].ticket.as_ref().map(|ticket| ticket.team);
                    if self.team(node).map(|team| team.own.team) != joined_already && !self.adopting(node) {
                        self.model.adopting.insert(node, self.nodes[node].life);
                        self.give(node, Job::Adopt(joined));
                    }
                }
                JoinerOutput::Refused(refusal) => {
                    self.note(node, "refused", &[], || refusal.to_string());
                }
                JoinerOutput::Send(_) | JoinerOutput::Failed(_) => {}
            }
        }
    }

    /// Whether this life of a node is entering the team already.
    fn adopting(&self, node: usize) -> bool {
        self.model.adopting.get(&node) == Some(&self.nodes[node].life)
    }

    /// Somebody asks to join.
    pub(crate) fn answer_join(&mut self, node: usize, from: usize, id: u64, bytes: Vec<u8>) -> Step {
        let peer = self.nodes[from].id;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let Some(team) = &up.team else { return Ok(()) };
        let machine = Steward::new(Arc::clone(&team.steward_local()), peer);
        up.joins.insert(id, (machine, from));
        self.drive_join(node, id, StewardInput::Request(bytes))
    }

    /// Gives a steward's machine what happened and carries out what it decides.
    pub(crate) fn drive_join(&mut self, node: usize, id: u64, input: StewardInput) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let Some((machine, from)) = up.joins.get_mut(&id) else { return Ok(()) };
        let from = *from;
        for output in machine.handle(input, now) {
            match output {
                StewardOutput::LookupInvite(hash) => {
                    let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
                    let found = up.db.reader().invites()?.into_iter().find(|invite| invite.secret_hash == hash);
                    let shown = found.map(|invite| Shown {
                        roles: invite.roles,
                        expires: invite.expires_at,
                        joiner: invite.joiner,
                    });
                    return self.drive_join(node, id, StewardInput::Invite(shown));
                }
                StewardOutput::Grant { invite, node: joiner, name, recipient, roles } => {
                    need(self.is_member(from), Law::TrustIsProved, || format!("n{node} grants n{from} a place"))?;
                    let grant = Grant { roles, ..self.grant_for(node, joiner, recipient, name) };
                    self.give(node, Job::Grant { request: id, invite, grant });
                }
                // Nobody loses a disk and keeps its key in this world.
                StewardOutput::Gather(_) => {}
                StewardOutput::Send(bytes) => {
                    self.send(Packet { from: node, to: from, body: Body::Response { id, bytes } });
                }
                StewardOutput::Refused(refusal) => self.refused_to_join(node, from, refusal)?,
                StewardOutput::Answered(_) => self.tally.joined += 1,
            }
        }
        Ok(())
    }

    /// A member with its own ticket may only be refused for a while, unless it was removed.
    fn refused_to_join(&mut self, node: usize, from: usize, refusal: Refusal) -> Step {
        self.note(node, "refuses", &[], || format!("n{from}: {refusal}"));
        let fit = !self.is_member(from) || !refusal.is_permanent() || refusal == Refusal::Revoked;
        need(fit, Law::NoFalseAlarm, || format!("n{node} refuses n{from}: {refusal}"))
    }
}
