//! Members whose genomes are not equal: they exchange the charter, and nothing else, until they are.
//!
//! It is what a node does: a handshake that finds the genomes apart and the charters too opens a session for the
//! charter alone, and once that is in step the two greet each other again.

use antiphon_core::charter::{Charter, Founders, Refusal};
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, Stream};
use antiphon_core::trust::Trust;
use antiphon_protocol::handshake::{By, Rejected, Response};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Input, Mode};

use crate::agenda::Inside;
use crate::failure::{Law, Step, need};
use crate::node::TeamState;
use crate::options::Sabotage;
use crate::world::World;

/// Wait before a peer whose genome is another one is greeted again without a sign of progress, in milliseconds.
const GREET_AGAIN_MS: u64 = 5_000;
/// Most bytes of an answer that refuses: two keys of who answers and asks aside, two hashes and a reason.
const REFUSAL_BYTES_MAX: usize = 256;

impl World {
    /// What may flow between a node and a peer: all that the node wants once it is verified, before that the charter.
    pub(crate) fn mode_with(&self, node: usize, peer: NodeId) -> Mode {
        let known = self.nodes[node].up.as_ref().and_then(|up| up.peers.get(&peer));
        let verified = known.is_some_and(|known| known.trust == Trust::Verified);
        let flows = (verified || self.is_sabotaged(Sabotage::OutOfStep)) && !self.nodes[node].paused.contains(&peer);
        if flows { self.nodes[node].mode } else { Mode::CHARTER }
    }

    /// Tells the session with a peer what may flow now.
    pub(crate) fn set_mode_with(&mut self, node: usize, peer: NodeId) -> Step {
        let (mode, index) = (self.mode_with(node, peer), self.index[&peer]);
        let live = self.nodes[node].up.as_ref().and_then(|up| up.sessions.get(&index));
        match live.map(|live| live.epoch) {
            Some(epoch) => self.drive(node, index, epoch, Input::Mode(mode)),
            None => Ok(()),
        }
    }

    /// A member whose genome is not ours yet: the charter may flow.
    pub(crate) fn out_of_step(&mut self, node: usize, peer: NodeId) -> Step {
        let at = self.at;
        self.tally.out_of_step += 1;
        self.note(node, "behind", &peer.0, || format!("or ahead of {peer}"));
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let known = up.peer(peer);
        known.reached(at + GREET_AGAIN_MS);
        (known.trust, known.gate, known.out_of_step) = (Trust::Pending, true, true);
        self.set_mode_with(node, peer)?;
        self.open_stream(node, peer);
        Ok(())
    }

    /// All that a peer holds of the charter is stored. What follows from it can be said once it was read.
    pub(crate) fn charter_came(&mut self, node: usize, peer: usize) {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let Some(up) = self.nodes[node].up.as_mut() else { return };
        let doubtful = up.team.as_ref().is_some_and(|team| team.membership.check(&id, now) == Err(Refusal::NotAMember));
        if doubtful || up.peers.get(&id).is_some_and(|known| known.out_of_step) {
            up.rechecks.insert(peer);
            if !std::mem::replace(&mut up.reading, true) {
                self.tell(node, Inside::ReadCommit);
            }
        }
    }

    /// The charter was read after that of a peer had come: now who is granted nothing never was, and the genomes are
    /// equal or will not be.
    pub(crate) fn recheck(&mut self, node: usize, peer: usize) -> Step {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let Some(up) = self.nodes[node].up.as_ref().filter(|up| up.sessions.contains_key(&peer)) else { return Ok(()) };
        let refusal = up.team.as_ref().and_then(|team| team.membership.check(&id, now).err());
        if refusal == Some(Refusal::NotAMember) {
            return self.reject(node, id);
        }
        let apart = up.peers.get(&id).is_some_and(|known| known.out_of_step);
        if apart && !up.greeting.contains(&id) { self.greet(node, id) } else { Ok(()) }
    }

    /// While two genomes differ, shared events neither leave nor are taken in.
    pub(crate) fn check_step(&self, node: usize, peer: usize, log: LogId) -> Step {
        let known = self.nodes[node].up.as_ref().and_then(|up| up.peers.get(&self.nodes[peer].id));
        let apart = known.is_some_and(|known| known.out_of_step);
        need(!apart || log.stream == Stream::Charter, Law::CharterFirst, || {
            format!("n{node} exchanges {log} with n{peer}, whose genome is another one")
        })
    }

    /// Whether a node knows that another one was removed.
    pub(crate) fn is_removed(&self, node: usize, peer: usize) -> bool {
        self.team(node).is_some_and(|team| team.membership.is_revoked(&self.nodes[peer].id))
    }

    /// Whether a node holds everything that the authors of its charter records had seen. Before that it may take a
    /// steward for somebody whom one alone can remove.
    pub(crate) fn holds_whole_past(&self, node: usize) -> bool {
        let Some(team) = self.team(node) else { return false };
        team.local.records.entries().all(|entry| team.local.holds(&entry.seen))
    }

    /// Genomes that still differ with equal charters, or a removal that never was, are false alarms.
    pub(crate) fn check_rejection(&mut self, node: usize, rejected: &Rejected) -> Step {
        let Some(peer) = self.index.get(&rejected.node).copied().filter(|peer| self.is_member(*peer)) else {
            return Ok(());
        };
        let team = |node: usize| self.team(node).map(|team| team.own.team);
        let same = team(node).is_some() && team(node) == team(peer) && !self.restored;
        let apart = same && rejected.by == By::Us && rejected.reason == Reason::GenomeMismatch;
        need(!apart, Law::NoFalseAlarm, || format!("n{node} and n{peer} hold equal charters and other genomes"))?;
        if rejected.by == By::Us && rejected.reason == Reason::IdentityMismatch {
            self.reset_pin(node, peer)?;
        }
        if rejected.removal.is_some() {
            self.tally.shown_removals += 1;
            let out = self.plan.trust.is_out(node);
            need(out, Law::NoFalseAlarm, || format!("n{peer} shows n{node} a removal"))?;
        }
        Ok(())
    }

    /// Whoever is not believed is told two hashes and a reason, and if it was removed by which record.
    pub(crate) fn check_answer(&self, node: usize, from: usize, bytes: Vec<u8>) -> Step<Vec<u8>> {
        let (Some(team), Ok(response)) = (self.team(node), Response::decode(&bytes)) else { return Ok(bytes) };
        let stranger = !self.is_member(from);
        if response.reason.is_none() && !stranger {
            return Ok(bytes);
        }
        let sabotaged = stranger && self.is_sabotaged(Sabotage::TellStrangers);
        let response = if sabotaged { Response { to_name: team.own.name.clone(), ..response } } else { response };
        let silent = response.proof.is_none() && response.to_name.is_empty() && response.agent_version.is_empty();
        need(silent, Law::TrustIsProved, || format!("n{node} tells n{from} who it is"))?;
        let Some(removal) = &response.removal else {
            let few = bytes.len() <= REFUSAL_BYTES_MAX;
            need(few, Law::TrustIsProved, || format!("n{node} refuses n{from} with {} bytes", bytes.len()))?;
            return Ok(bytes);
        };
        let header = removal.record.payload().is_none() && removal.opening.header().seq == 1;
        let fits = header && self.is_removed(node, from);
        need(fits, Law::TrustIsProved, || format!("n{node} shows n{from} more than its removal"))?;
        Ok(bytes)
    }

    /// What a node takes the charter to say. Sabotage: one believes every single steward.
    pub(crate) fn believed(&self, node: usize, team: Option<TeamState>) -> Option<TeamState> {
        let credulous = (0..self.plan.nodes).rev().find(|node| !self.plan.trust.is_out(*node));
        if !self.is_sabotaged(Sabotage::NoConsent) || credulous != Some(node) {
            return team;
        }
        team.map(|mut team| {
            let founders = Founders { threshold: Some(1), ..team.membership.founders().clone() };
            let records = Charter::new(&founders, team.local.records.entries().cloned());
            team.membership = records.shared_membership();
            team.local = std::sync::Arc::new(antiphon_protocol::handshake::Local { records, ..(*team.local).clone() });
            team
        })
    }
}
