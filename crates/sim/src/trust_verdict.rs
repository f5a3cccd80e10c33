//! The verdict on trust: one charter for all, nothing of a thief's that its removers had not seen, and nothing that a
//! removed member can read.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use antiphon_core::charter::{Entry, Membership, Record};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_vault::NodeKey;

use crate::failure::{Broken, Law, Step, need};
use crate::keyring::{Opened, ROLES, is_entitled};
use crate::options::Sabotage;
use crate::world::World;

/// What is sealed for roles.
const CANARY: &[u8] = b"for this role alone";

/// Something that was sealed for a role.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    by: usize,
    role: String,
    epoch: Hash,
    sealed: Vec<u8>,
    /// Keys that its writer knew to be out.
    out: BTreeSet<NodeId>,
    /// Records that its writer held.
    known: BTreeSet<Hash>,
}

impl World {
    /// Some member seals something for a role, if it has a key to do so.
    pub(crate) fn seal_canary(&mut self) -> Step {
        let acme = self.model.acme;
        let inside = |node: &usize| self.team(*node).is_some_and(|team| Some(team.own.team) == acme);
        let writers: Vec<usize> =
            (0..self.plan.nodes).filter(|node| inside(node) && !self.plan.trust.is_thief(*node)).collect();
        let Some(node) = self.trust_random.pick(&writers) else { return Ok(()) };
        let role = self.trust_random.pick(&ROLES).unwrap_or(ROLES[0]);
        self.seal_for(node, role)
    }

    fn seal_for(&mut self, node: usize, role: &str) -> Step {
        let Some(membership) = self.membership(node) else { return Ok(()) };
        let newest = || membership.role_keys().of_role(role).first().copied();
        let key = if self.is_sabotaged(Sabotage::NewestKey) { newest() } else { membership.role_key(role) };
        let Some(key) = key else {
            self.tally.unsealed += 1;
            return Ok(());
        };
        let sealed = antiphon_vault::seal_to(&key.recipient, CANARY);
        let sealed = sealed.map_err(|error| Broken(Law::StoreWorks, format!("sealing to a role key: {error}")))?;
        let out =
            self.spies().into_iter().map(|(_, key)| key.node_id()).filter(|id| self.is_out(node, &membership, id));
        let out = out.collect();
        self.tally.sealed += 1;
        self.note(node, "seal", &key.epoch.0, || format!("for {role}"));
        let (role, epoch) = (role.to_owned(), key.epoch);
        let known = self.team(node).map(|team| team.local.records.entries().map(|entry| entry.hash).collect());
        let known = known.unwrap_or_default();
        self.model.canaries.push(Canary { by: node, role, epoch, sealed, out, known });
        Ok(())
    }

    /// Whether a key is out by what a writer knows: removed, or let in by nobody but a thief who was.
    pub(crate) fn is_out(&self, writer: usize, membership: &Membership, id: &NodeId) -> bool {
        let thief = self.plan.trust.thief.map(|thief| self.nodes[thief.node].id);
        // What the remover had seen counts, also while the writer has not got it.
        let unknown = !self.index.contains_key(id) && membership.member(id).is_none();
        let void = unknown && self.holds_whole_past(writer);
        membership.is_revoked(id) || (void && thief.is_some_and(|thief| membership.is_revoked(&thief)))
    }

    /// Everybody who must be kept out sooner or later, each with a number that no other node has.
    pub(crate) fn spies(&self) -> Vec<(usize, Arc<NodeKey>)> {
        let removed = (0..self.plan.nodes).filter(|node| self.plan.trust.is_out(*node));
        let removed = removed.map(|node| (node, self.nodes[node].key.clone()));
        let eves = self.model.eves.iter().enumerate().map(|(at, eve)| (self.nodes.len() + at, eve.clone()));
        removed.chain(eves).collect()
    }

    /// What can only be said of the charter in the end.
    pub(crate) fn judge_trust(&mut self, honest: &[usize]) -> Step {
        self.check_charter(honest)?;
        self.check_void(honest)?;
        if self.plan.trust.rich {
            for role in ROLES {
                let writer = self.trust_random.pick(honest).unwrap_or(0);
                self.seal_for(writer, role)?;
            }
            self.check_readers(honest)?;
            self.check_spies(honest)?;
        }
        Ok(())
    }

    fn check_charter(&self, honest: &[usize]) -> Step {
        let mut first: Option<(Hash, Hash)> = None;
        for node in honest {
            let Some(team) = self.team(*node) else { continue };
            let seen = (team.membership.digest(), team.local.genome);
            let same = *first.get_or_insert(seen) == seen;
            need(same, Law::OneCharter, || {
                format!("n{node} has digest and genome {seen:?}, n{} {first:?}", honest[0])
            })?;
            let members: BTreeSet<NodeId> = team.membership.members().map(|(id, _)| *id).collect();
            let wanted: BTreeSet<NodeId> = self.members().iter().map(|node| self.nodes[*node].id).collect();
            need(members == wanted, Law::OneCharter, || format!("n{node} counts {members:?} as members"))?;
        }
        Ok(())
    }

    /// What a removed steward signed without its remover having seen it has no effect.
    fn check_void(&self, honest: &[usize]) -> Step {
        for node in honest {
            let Some(team) = self.team(*node) else { continue };
            let (records, membership) = (&team.local.records, &team.membership);
            for removed in (0..self.plan.nodes).filter(|node| self.plan.trust.is_out(*node)) {
                let id = self.nodes[removed].id;
                let shown = membership.removal(&id).and_then(|removal| removal.record.as_ref());
                let Some(removal) = shown.and_then(|shown| records.get(&shown.hash)) else { continue };
                let unseen = records.entries().filter(|entry| entry.author == id && !removal.has_seen(entry));
                for entry in unseen {
                    let counts = has_effect(membership, entry);
                    need(!counts, Law::RevokedIsOut, || format!("n{node} counts {entry:.300?} of n{removed}"))?;
                }
            }
        }
        Ok(())
    }

    /// Whoever may read a role opens its newest key, and with it what was sealed.
    fn check_readers(&mut self, honest: &[usize]) -> Step {
        for node in honest.iter().copied() {
            let Some(membership) = self.membership(node) else { continue };
            let key = self.nodes[node].key.clone();
            let ring = self.keys.ring(node, &key, &membership);
            for role in ROLES {
                let newest = membership.role_key(role);
                let newest = newest.ok_or_else(|| Broken(Law::ReadersRead, format!("n{node} has no key of {role}")))?;
                let may = membership.member(&key.node_id()).is_some_and(|member| is_entitled(member, role));
                let opens = ring.contains_key(&(role.to_owned(), newest.epoch));
                need(opens || !may, Law::ReadersRead, || format!("n{node} cannot open the newest key of {role}"))?;
            }
            for canary in &self.model.canaries {
                let named = membership.role_keys().get(&canary.role, &canary.epoch);
                let named = named.is_some_and(|epoch| epoch.wraps.contains_key(&key.node_id()));
                let opened = ring.get(&(canary.role.clone(), canary.epoch));
                let reads = opened.is_some_and(|opened| reads(opened, &canary.sealed));
                need(reads || !named, Law::ReadersRead, || {
                    format!("n{node} cannot read what n{} sealed for {}", canary.by, canary.role)
                })?;
            }
        }
        Ok(())
    }

    /// Every record that a removed member can have seen.
    pub(crate) fn all_records(&self, honest: &[usize]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let sources = honest.iter().take(1).copied().chain((0..self.plan.nodes).filter(|n| self.plan.trust.is_out(*n)));
        for node in sources {
            let fresh = self.team(node).map(|team| team.local.records.clone());
            for entry in fresh.iter().flat_map(antiphon_core::charter::Charter::entries) {
                if !entries.iter().any(|known| known.hash == entry.hash) {
                    entries.push(entry.clone());
                }
            }
        }
        entries
    }

    /// A removed member keeps all it ever had and gets at all records; it opens nothing whose writer knew. But whoever is
    /// a steward can read everything, and hand it to whom it likes: what a thief writes afterwards proves nothing.
    fn check_spies(&mut self, honest: &[usize]) -> Step {
        let entries = self.all_records(honest);
        let thief = self.plan.trust.thief.map(|thief| self.nodes[thief.node].id);
        for (number, key) in self.spies() {
            for canary in self.model.canaries.iter().filter(|canary| canary.out.contains(&key.node_id())) {
                let told = |entry: &&Entry| Some(entry.author) != thief || canary.known.contains(&entry.hash);
                let secrets = self.keys.all_of(number, &key, entries.iter().filter(told));
                let open = secrets.iter().any(|secret| reads(secret, &canary.sealed));
                need(!open, Law::RemovedReadNothing, || {
                    format!("{number} reads what n{} sealed for {} with {}", canary.by, canary.role, canary.epoch)
                })?;
            }
        }
        Ok(())
    }
}

fn reads(secret: &Rc<Opened>, sealed: &[u8]) -> bool {
    secret.role.open_sealed(sealed).is_ok_and(|opened| opened.as_slice() == CANARY)
}

/// Whether a record shows in what the charter says.
fn has_effect(membership: &Membership, entry: &Entry) -> bool {
    let keys = |role: &str| membership.role_keys().get(role, &entry.hash).is_some();
    match &entry.record {
        Record::Grant(grant) => membership.member(&grant.node).is_some_and(|member| member.record == entry.hash),
        Record::RoleKey(key) => keys(&key.role),
        Record::Revoke(revoke) => revoke.role_keys.iter().any(|key| keys(&key.role)),
        Record::GeneAdd(gene) => membership.genes().get(&gene.id) == Some(&gene.text),
        _ => false,
    }
}
