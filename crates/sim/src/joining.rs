//! Joining: tickets from the steward, requests that are repeated until one is answered, and both machines.

use std::sync::Arc;

use antiphon_core::charter::{Grant, Record};
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
use crate::keyring::ROLES;
use crate::network::{Body, Packet, Protocol};
use crate::node::Asked;
use crate::world::World;

/// Grants and tickets outlive every clock that is wrong, be it in the year 2100: two hundred years, in milliseconds.
pub(crate) const LONG_LIFE_MS: u64 = 200 * 365 * 24 * 60 * 60 * 1_000;
/// Longest wait between two attempts to join, in milliseconds.
const JOIN_AGAIN_MS: u64 = 5_000;

impl World {
    /// Founds a team of one on a node that is up.
    pub(crate) fn found(&mut self, node: usize, name: &str) -> Step {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[node].id);
        let genes = if node == 0 { self.founding_genes() } else { Vec::new() };
        let genome = Genome::found_with(name, &self.random.bytes(), &id, genes)
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
        if node == 0 {
            self.model.acme = Some(genome.team());
            self.model.granted.insert(id);
            self.make_first_keys()?;
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let logs = up.db.reader().logs()?;
        self.model.committed(node, &logs)
    }

    /// What the founder writes into the genome besides its own name.
    fn founding_genes(&self) -> Vec<(String, String)> {
        let trust = &self.plan.trust;
        let steward = |node: usize| (format!("steward.{:02}", node + 1), self.nodes[node].id.to_string());
        let stewards = (1..trust.founders).map(steward);
        let threshold = trust.threshold.map(|most| ("policy.steward_threshold".to_owned(), most.to_string()));
        stewards.chain(threshold).collect()
    }

    /// The founder makes a key for every role.
    fn make_first_keys(&mut self) -> Step {
        let roles = if self.plan.trust.has_keys() { ROLES.as_slice() } else { &[] };
        for role in roles {
            let made = self.with_maker(0, |keys, maker| keys.make(maker, role, &[], false))?;
            let (now, random) = (self.nodes[0].clock(self.at), self.trust_random.bytes());
            let Some(up) = self.nodes[0].up.as_mut() else { return Ok(()) };
            if let Some(key) = made {
                for written in up.db.author(&[Draft::Record(Record::RoleKey(key))], now, random)? {
                    written.map_err(|error| Broken(Law::StoreWorks, format!("the first key: {error}")))?;
                }
            }
            up.read_all()?;
        }
        Ok(())
    }

    fn grant_for(&self, steward: usize, node: NodeId, recipient: String, name: String) -> Grant {
        let not_after = self.nodes[steward].clock(self.at).after(LONG_LIFE_MS);
        Grant { node, recipient, roles: vec!["admin".to_owned()], not_after, wraps: Vec::new(), name }
    }

    /// The steward invites everybody.
    pub(crate) fn invite_all(&mut self) -> Step {
        for node in 1..self.plan.nodes {
            let secret = self.random.bytes();
            self.invite(0, node, secret)?;
        }
        Ok(())
    }

    /// A steward invites a node.
    fn invite(&mut self, steward: usize, node: usize, secret: [u8; 32]) -> Step {
        let now = self.nodes[steward].clock(self.at);
        let Some(up) = self.nodes[steward].up.as_mut() else { return Ok(()) };
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
        match up.db.add_invite(&invite) {
            Err(error) if error.is_full() => return Ok(()),
            done => done?,
        }
        let read = Ticket::parse(&ticket.to_text());
        self.nodes[node].ticket = Some(read.map_err(|error| Broken(Law::StoreWorks, error.to_string()))?);
        Ok(())
    }

    /// Whoever waits with a ticket of somebody who is no steward any more gets a new one.
    pub(crate) fn renew_tickets(&mut self, steward: usize) -> Step {
        let Some(membership) = self.membership(steward) else { return Ok(()) };
        for node in (1..self.plan.nodes).filter(|node| *node != steward) {
            let Some(ticket) = self.nodes[node].ticket.as_ref() else { continue };
            let joined = self.team(node).is_some_and(|team| team.own.team == ticket.team);
            let dead = !membership.is_steward(&ticket.steward) && !membership.is_revoked(&self.nodes[node].id);
            if dead && !joined {
                let secret = self.trust_random.bytes();
                self.note(steward, "invites", &[], || format!("n{node} anew"));
                self.invite(steward, node, secret)?;
            }
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
        if self.lost_its_disk(node) {
            return if self.comes_back(node) { self.ask_for_place(node) } else { Ok(()) };
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
                    let wraps = self.with_maker(node, |_, maker| {
                        maker.wraps(&recipient, &roles, maker.membership.is_steward(&joiner))
                    })?;
                    let wraps = wraps.unwrap_or_default();
                    let grant = Grant { roles, wraps, ..self.grant_for(node, joiner, recipient, name) };
                    self.give(node, Job::Grant { request: id, invite, grant });
                }
                StewardOutput::Gather(_) => {
                    let gathered = self.gather(node, from)?;
                    return self.drive_join(node, id, gathered);
                }
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
        let dismissed = self.plan.trust.rich && refusal == Refusal::NotASteward;
        // A member that comes back asks anybody: whoever does not know of its grant yet tells it no more than a stranger,
        // and who is not in the team yet says so.
        let unknown = refusal == Refusal::UnknownTicket;
        let elsewhere = refusal == Refusal::WrongTeam && self.in_acme_now(node).is_none();
        let came_too_early = self.lost_its_disk(from) && (unknown || elsewhere);
        let fit = came_too_early
            || !self.is_member(from)
            || !refusal.is_permanent()
            || refusal == Refusal::Revoked
            || dismissed;
        need(fit, Law::NoFalseAlarm, || format!("n{node} refuses n{from}: {refusal}"))
    }
}
