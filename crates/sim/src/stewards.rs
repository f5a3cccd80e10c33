//! What stewards do: they appoint and dismiss each other, remove members, add genes, change role keys, and look after
//! what the removal of one of them leaves behind.
//!
//! Each acts on what its own node knows of the charter, from wherever it is. What they mean to do is in the plan, so
//! all of them agree to it and to nothing else.

use std::sync::Arc;

use antiphon_core::charter::{Approve, Change, Cut, GeneAdd, Grant, Membership, Record, Revoke, StewardChange};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_store::Draft;

use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::Step;
use crate::jobs::Job;
use crate::joining::LONG_LIFE_MS;
use crate::keyring::{Keys, Maker, ROLES, Ring, is_entitled};
use crate::options::Sabotage;
use crate::world::World;

/// Time between two looks of some steward at what there is to do, in milliseconds.
const LOOK_MS: u64 = 2_000;
/// Wait before a steward tries again to remove somebody, in milliseconds.
const REVOKE_AGAIN_MS: u64 = 3_000;
/// Genes that stewards think of; few, so that two of them sometimes add the same.
const GENES: u64 = 4;

impl World {
    /// Who is a member, as a node knows it.
    pub(crate) fn membership(&self, node: usize) -> Option<Arc<Membership>> {
        self.team(node).map(|team| team.membership.clone())
    }

    /// Whether a node is up and a steward as far as it knows itself, and its key is its own.
    pub(crate) fn is_steward(&self, node: usize) -> bool {
        let acme = self.model.acme;
        let team = self.team(node).filter(|team| Some(team.own.team) == acme);
        team.is_some_and(|team| team.membership.is_steward(&self.nodes[node].id)) && !self.plan.trust.is_thief(node)
    }

    fn pick_steward(&mut self, fits: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let stewards: Vec<usize> =
            (0..self.plan.nodes).filter(|node| self.is_steward(*node) && fits(self, *node)).collect();
        self.trust_random.pick(&stewards)
    }

    /// Lets a node make or hand on role keys by what it knows.
    pub(crate) fn with_maker<T>(
        &mut self,
        node: usize,
        make: impl FnOnce(&mut Keys, &Maker<'_>) -> Step<T>,
    ) -> Step<Option<T>> {
        let Some(membership) = self.membership(node) else { return Ok(None) };
        let key = self.nodes[node].key.clone();
        let ring = self.ring_to_hand_on(node, &membership);
        let random = self.trust_random.fork();
        make(&mut self.keys, &Maker { node, key: &key, membership: &membership, ring, random }).map(Some)
    }

    /// The keys that a node may hand on: whoever lacks what the maker of a key had seen may not know of a removal that
    /// others rely on the maker to have known.
    fn ring_to_hand_on(&mut self, node: usize, membership: &Membership) -> Ring {
        let key = self.nodes[node].key.clone();
        let mut ring = self.keys.ring(node, &key, membership);
        let local = self.local_of(node);
        ring.retain(|(role, epoch), _| {
            let epoch = membership.role_keys().get(role, epoch);
            epoch.zip(local.as_ref()).is_some_and(|(epoch, local)| local.holds(epoch.seen()))
        });
        ring
    }

    /// Some steward looks what there is to do.
    pub(crate) fn look_after(&mut self) -> Step {
        let again = self.at + LOOK_MS + self.trust_random.below(500);
        self.agenda.put(again, Event::Steward);
        let Some(node) = self.pick_steward(|_, _| true) else { return Ok(()) };
        self.renew_tickets(node)?;
        let drafts = self.needs(node)?;
        if !drafts.is_empty() {
            self.write_charter(node, drafts);
        }
        Ok(())
    }

    fn write_charter(&mut self, node: usize, drafts: Vec<Draft>) {
        self.tally.charter += drafts.len() as u64;
        self.note(node, "steward", &[], || format!("{drafts:.200?}"));
        self.give(node, Job::Author(drafts));
    }

    /// What a steward would do to put things right, as it sees them.
    pub(crate) fn needs(&mut self, node: usize) -> Step<Vec<Draft>> {
        let Some(membership) = self.membership(node) else { return Ok(Vec::new()) };
        let own = self.nodes[node].id;
        let pending = membership.pending().iter().filter(|pending| {
            let intended = self.model.intended.contains(&(pending.change, pending.node));
            intended && pending.awaited.contains(&own) && pending.node != own
        });
        let approvals: Vec<Draft> =
            pending.map(|pending| Draft::Record(Record::Approve(Approve { record: pending.record }))).collect();
        if !approvals.is_empty() {
            return Ok(approvals);
        }
        let unknown = membership.members().map(|(id, _)| *id).find(|id| !self.index.contains_key(id));
        if let Some(id) = unknown {
            self.model.intended.insert((Change::Revoke, id));
            return Ok(self.removal_of(node, id, true)?.into_iter().collect());
        }
        let lost = self.lost_members(&membership);
        if !lost.is_empty() {
            return lost.into_iter().map(|id| self.renewal(node, id, None)).filter_map(Step::transpose).collect();
        }
        self.needed_keys(node, &membership)
    }

    /// Members whose grants went with the steward that signed them.
    fn lost_members(&self, membership: &Membership) -> Vec<NodeId> {
        if !self.calm && membership.revoked().is_empty() {
            return Vec::new();
        }
        let members = self.members().into_iter().map(|node| self.nodes[node].id);
        members.filter(|id| self.model.granted.contains(id) && membership.member(id).is_none()).collect()
    }

    /// Keys that are missing, and members that lack the key of a role they may read.
    fn needed_keys(&mut self, node: usize, membership: &Membership) -> Step<Vec<Draft>> {
        if !self.plan.trust.has_keys() {
            return Ok(Vec::new());
        }
        let ring = self.ring_to_hand_on(node, membership);
        let mut drafts = Vec::new();
        for role in ROLES {
            let Some(newest) = membership.role_key(role) else {
                drafts.extend(self.rotation(node, role, false)?);
                continue;
            };
            let lacks = |id: &&NodeId| !newest.wraps.contains_key(*id);
            let entitled = membership.members().filter(|(_, member)| is_entitled(member, role));
            let lacking: Vec<NodeId> = entitled.map(|(id, _)| id).filter(lacks).copied().collect();
            if lacking.is_empty() {
                continue;
            }
            if ring.contains_key(&(role.to_owned(), newest.epoch)) {
                self.tally.wrapped_later += lacking.len() as u64;
                for id in lacking {
                    drafts.extend(self.renewal(node, id, None)?);
                }
            } else if !membership.stewards().iter().any(|steward| newest.wraps.contains_key(steward)) {
                drafts.extend(self.rotation(node, role, false)?);
            }
        }
        Ok(drafts)
    }

    /// Whether every steward is content with the charter.
    pub(crate) fn is_in_order(&mut self, honest: &[usize]) -> Step<bool> {
        for node in honest {
            if self.is_steward(*node) && !self.needs(*node)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A grant for a member, with the keys of the roles that it may read.
    fn renewal(&mut self, node: usize, id: NodeId, roles: Option<Vec<String>>) -> Step<Option<Draft>> {
        let Some(at) = self.index.get(&id).copied() else { return Ok(None) };
        let not_after = self.nodes[node].clock(self.at).after(LONG_LIFE_MS);
        let (name, recipient) = (self.nodes[at].name.clone(), self.nodes[at].key.age_recipient());
        self.with_maker(node, |_, maker| {
            let standing = maker.membership.member(&id).map(|member| &member.grant);
            let roles = roles.or_else(|| standing.map(|grant| grant.roles.clone()));
            let roles = roles.unwrap_or_else(|| vec!["backend_developer".to_owned()]);
            let recipient = standing.map_or(recipient, |grant| grant.recipient.clone());
            let wraps = maker.wraps(&recipient, &roles, maker.membership.is_steward(&id))?;
            Ok(Draft::Grant(Grant { node: id, recipient, roles, not_after, wraps, name }))
        })
    }

    fn rotation(&mut self, node: usize, role: &str, fresh: bool) -> Step<Option<Draft>> {
        let made = self.with_maker(node, |keys, maker| keys.make(maker, role, &[], fresh))?;
        Ok(made.map(|key| Draft::Record(Record::RoleKey(key))))
    }

    /// The end of a membership, with new keys of every role: another steward may have let the member read one meanwhile.
    pub(crate) fn removal_of(&mut self, node: usize, id: NodeId, compromised: bool) -> Step<Option<Draft>> {
        let has_keys = self.plan.trust.has_keys();
        let role_keys = self.with_maker(node, |keys, maker| {
            let roles = ROLES.into_iter().filter(|_| has_keys);
            roles.map(|role| keys.make(maker, role, &[id], false)).collect::<Step<Vec<_>>>()
        })?;
        let Some(role_keys) = role_keys else { return Ok(None) };
        let cuts = if self.is_sabotaged(Sabotage::CutLate) { self.late_cuts(node, id)? } else { Vec::new() };
        Ok(Some(Draft::Revoke(Revoke { node: id, reason: "left".to_owned(), compromised, cuts, role_keys })))
    }

    /// Sabotage: cuts that nothing can be behind.
    fn late_cuts(&self, node: usize, id: NodeId) -> Step<Vec<Cut>> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Vec::new()) };
        let logs = up.db.reader().logs()?.into_iter();
        let logs = logs.filter(|view| view.node == id && view.log.stream == Stream::Shared);
        Ok(logs.map(|view| Cut { log: view.log, head: Head { seq: 1 << 32, hash: Hash([0; 32]) } }).collect())
    }

    /// A steward removes a member, once it holds its log and so can name a cut; again and again, until all know.
    pub(crate) fn revoke(&mut self, node: usize) -> Step {
        // For good: the steward may go down before it is done, its own right may be gone, and a removal that all know of
        // is void again when that of its author arrives and had not seen it.
        self.agenda.put(self.at + REVOKE_AGAIN_MS, Event::Revoke(node));
        let id = self.nodes[node].id;
        let knows = |node: &usize| self.membership(*node).is_some_and(|membership| membership.is_revoked(&id));
        if self.honest().iter().all(knows) {
            return Ok(());
        }
        self.model.intended.insert((Change::Revoke, id));
        let Some(by) = self.pick_steward(|world, by| !world.plan.trust.is_out(by)) else { return Ok(()) };
        let Some(membership) = self.membership(by) else { return Ok(()) };
        let own = self.nodes[by].id;
        let waits = membership.pending().iter().any(|pending| pending.node == id && pending.signers.contains(&own));
        if membership.is_revoked(&id) || (waits && !self.trust_random.chance(200)) {
            return Ok(());
        }
        let Some(up) = self.nodes[by].up.as_ref() else { return Ok(()) };
        let logs = up.db.reader().logs()?;
        let holds = logs.iter().any(|log| log.node == id && log.log.stream == Stream::Shared && log.head.seq > 0);
        if holds || (self.calm && self.plan.trust.rich) {
            let planned = self.plan.trust.removals.iter().find(|removal| removal.node == node);
            let compromised = planned.and_then(|removal| removal.compromised);
            let compromised = compromised.unwrap_or_else(|| self.trust_random.chance(300));
            self.note(by, "revoke", &[], || format!("n{node}"));
            let apart = self.network.is_apart(by, node);
            self.tally.exercised.add(Class::RemovedApart, u64::from(apart));
            let draft = self.removal_of(by, id, compromised)?;
            self.write_charter(by, draft.into_iter().collect());
        }
        Ok(())
    }

    /// Some steward does something of its own accord.
    pub(crate) fn act(&mut self) -> Step {
        let Some(node) = self.pick_steward(|_, _| true) else { return Ok(()) };
        let Some(membership) = self.membership(node) else { return Ok(()) };
        let draft = match self.trust_random.below(10) {
            0 | 1 => {
                let members: Vec<NodeId> = membership.members().map(|(id, _)| *id).collect();
                let roles = ROLES.iter().filter(|_| self.trust_random.chance(600)).map(|role| (*role).to_owned());
                let roles: Vec<String> = roles.collect();
                let member = self.trust_random.pick(&members);
                member.map(|id| self.renewal(node, id, Some(roles))).transpose()?.flatten()
            }
            2 | 3 => {
                let role = self.trust_random.pick(&ROLES).unwrap_or(ROLES[0]);
                let fresh = self.trust_random.chance(300);
                self.rotation(node, role, fresh)?
            }
            4 | 5 => self.change_of_stewards(&membership, true),
            6 => self.change_of_stewards(&membership, false),
            7 | 8 => {
                let (gene, text) = (self.trust_random.below(GENES), self.trust_random.next());
                let (id, text) = (format!("law.{gene}"), format!("n{node} says {text}"));
                Some(Draft::Record(Record::GeneAdd(GeneAdd { id, text })))
            }
            _ => self.adoption(node, &membership)?,
        };
        if let Some(draft) = draft {
            self.write_charter(node, vec![draft]);
        }
        Ok(())
    }

    fn change_of_stewards(&mut self, membership: &Membership, add: bool) -> Option<Draft> {
        let trust = &self.plan.trust;
        // Nobody may go before somebody is in the team who stays a steward.
        let anchored = self.team(trust.anchor).is_some_and(|team| Some(team.own.team) == self.model.acme);
        if !add && !anchored {
            return None;
        }
        let fits = |id: &NodeId| {
            let known = self.index.get(id).copied();
            let spared = known == Some(trust.anchor) || (trust.thief.is_some() && (!add || trust.is_out(known?)));
            Some(known.is_some() && !spared && membership.is_steward(id) != add)
        };
        let ids: Vec<NodeId> = membership.members().map(|(id, _)| *id).filter(|id| fits(id) == Some(true)).collect();
        let id = self.trust_random.pick(&ids)?;
        self.model.intended.insert((if add { Change::Add } else { Change::Remove }, id));
        Some(Draft::Record(Record::StewardChange(StewardChange { node: id, add })))
    }

    /// Counts what came of a removed member after its cut was named.
    fn adoption(&mut self, node: usize, membership: &Membership) -> Step<Option<Draft>> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(None) };
        let late = up.db.reader().logs()?.into_iter().find(|view| {
            let cut = matches!(view.verdict, Verdict::Cut(seq) if seq < view.head.seq);
            cut && view.log.stream == Stream::Shared && membership.is_revoked(&view.node)
        });
        Ok(late.map(|view| {
            let (node, reason) = (view.node, "what it wrote last counts".to_owned());
            Draft::Revoke(Revoke { node, reason, compromised: false, cuts: Vec::new(), role_keys: Vec::new() })
        }))
    }

    /// A removal names cuts no later than what its author holds now.
    pub(crate) fn note_removals(&mut self, node: usize, drafts: &[Draft]) -> Step {
        for draft in drafts {
            let Draft::Revoke(revoke) = draft else { continue };
            let Some(up) = self.nodes[node].up.as_ref() else { continue };
            let logs = up.db.reader().logs()?;
            for view in logs.iter().filter(|view| view.node == revoke.node && view.log.stream == Stream::Shared) {
                let bound = self.model.cut_bounds.entry(view.log).or_insert(0);
                *bound = view.head.seq.max(*bound);
            }
        }
        Ok(())
    }

    /// How far a cut of a log may reach at most.
    pub(crate) fn cut_bound(&self, log: &LogId) -> u64 {
        self.model.cut_bounds.get(log).copied().unwrap_or(0)
    }
}
