//! What a world of copies is held against: some at each step, the rest once all has healed and nothing moves any more.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Health, order};

use super::library::View;
use super::plan::Honesty;
use super::{Copies, State};
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step, need};

/// What comes on top of the times that are set until all copies must be there, in milliseconds.
const HEAL_MS: u64 = 30 * 60_000;
/// How long a proof may be relied upon before a copy goes, and a little more, in milliseconds.
const PROOF_MS: u64 = antiphon_core::replication::PROOF_MS + 60_000;

impl Copies {
    /// An honest member gave a copy away that it takes for needed: another honest one must be left. One that was
    /// destroyed from outside after it was proved excuses it, and where so few offer room that as many lie as there should
    /// be copies nothing can be promised.
    pub(super) fn check_last_copy(&mut self, node: usize, root: &Hash) -> Step {
        let is_left = |other: usize| {
            let member = &self.members[other];
            let lives = matches!(member.state, State::Up | State::Down);
            other != node && lives && member.character.honesty == Honesty::Honest && member.disk.is_whole(root)
        };
        let excused = self.hurt_at.get(root).is_some_and(|hurt| self.at < hurt + PROOF_MS);
        let left = (0..self.members.len()).any(is_left);
        let view = &self.members[node].view;
        let offering = view.members.iter().filter(|(other, offer)| **other != node && offer.offers);
        let target = antiphon_core::replication::target(self.plan.settings.factor, offering.count());
        let lies = |member: &&super::Member| member.character.honesty != Honesty::Honest;
        let outnumbered = self.members.iter().filter(lies).count() >= target;
        if !left && outnumbered {
            self.hurt_at.insert(*root, self.at);
        }
        need(left || excused || outnumbered, Law::LastCopyStays, || {
            format!("n{node} gave up {root:?}, which no honest member holds now")
        })
    }

    /// Bytes that a member keeps for others, but for what its own people got, and for what was there before and had to be
    /// completed: it was promised long ago.
    fn kept_for_others(&self, node: usize) -> u64 {
        let member = &self.members[node];
        let others =
            member.disk.blobs.iter().filter(|(root, _)| !self.is_author(node, root) && !member.got.contains(*root));
        others.map(|(_, blob)| blob.bytes).sum()
    }

    pub(super) fn is_author(&self, node: usize, root: &Hash) -> bool {
        self.library.contents.get(root).is_some_and(|content| content.author == node)
    }

    /// A block was kept: if it was for others, there must have been room.
    pub(super) fn check_quota(&self, node: usize, root: &Hash) -> Step {
        let Some(up) = self.members[node].up.as_ref() else { return Ok(()) };
        if !up.fetches.get(root).is_some_and(super::fetching::Fetching::is_offered) {
            return Ok(());
        }
        let (kept, quota) = (self.kept_for_others(node), self.members[node].quota_bytes.max(up.promised_quota));
        need(kept <= quota, Law::QuotaHolds, || format!("n{node} keeps {kept} bytes for others, its quota is {quota}"))
    }

    /// What all members together know.
    fn truth(&self) -> View {
        let there = (0..self.members.len()).filter(|node| self.is_there(*node));
        self.library.view(&there.flat_map(|node| self.members[node].news.iter().copied()).collect())
    }

    /// Whether a world has come to rest, and has rested as long as it takes for everything to be looked at once more.
    pub(super) fn is_over(&mut self) -> Step<bool> {
        let settings = self.plan.settings;
        let rest = settings.reprovide_ms + settings.cleanup_ms;
        let end = self.plan.calm_at + settings.grace_ms + 2 * (settings.reprovide_ms + settings.cleanup_ms) + HEAL_MS;
        let unrest = self.first_unrest();
        if let Some((law, detail)) = unrest {
            self.rested_since = None;
            if self.at <= end + rest {
                return Ok(false);
            }
            self.explain();
            return Err(Broken(law, detail));
        }
        let since = *self.rested_since.get_or_insert(self.at);
        if self.last_moved > since {
            self.rested_since = None;
            need(self.at <= end + 2 * rest, Law::CopiesRest, || {
                "copies are made and given up again and again".to_owned()
            })?;
            return Ok(false);
        }
        if self.at < since + rest {
            return Ok(false);
        }
        self.count_end();
        Ok(true)
    }

    /// What is not as it must be.
    pub(super) fn unrest(&self) -> String {
        self.first_unrest().map_or_else(String::new, |(law, detail)| format!("{law}: {detail}"))
    }

    fn first_unrest(&self) -> Option<(Law, String)> {
        let truth = self.truth();
        let there: Vec<usize> = (0..self.members.len()).filter(|node| self.is_there(*node)).collect();
        let behind = there.iter().find(|node| self.members[**node].view != truth);
        if let Some(node) = behind {
            return Some((Law::CopiesRest, format!("n{node} has not heard all news")));
        }
        truth
            .keys
            .keys()
            .find_map(|root| self.judge_key(&truth, &there, root))
            .or_else(|| self.judge_rest(&truth, &there))
    }

    /// Members in the order in which they are to hold a document; those that offer no room come last.
    fn in_order(&self, truth: &View, root: &Hash) -> Vec<usize> {
        let all: Vec<NodeId> = truth.members.keys().map(|node| self.members[*node].id).collect();
        let mut nodes: Vec<usize> = order(root, all).iter().filter_map(|id| self.index.get(id).copied()).collect();
        nodes.sort_by_key(|node| !truth.members.get(node).is_some_and(|offer| offer.offers));
        nodes
    }

    fn judge_key(&self, truth: &View, there: &[usize], root: &Hash) -> Option<(Law, String)> {
        let offers = |node: usize| truth.members.get(&node).is_some_and(|offer| offer.offers);
        let honest = |node: usize| self.members[node].character.honesty == Honesty::Honest;
        let length = truth.keys.get(root)?.length;
        let in_order = self.in_order(truth, root);
        let holders: Vec<usize> = in_order
            .iter()
            .copied()
            .filter(|node| there.contains(node) && self.members[*node].disk.is_whole(root))
            .collect();
        if !holders.iter().any(|node| honest(*node)) {
            let lost = format!("nobody holds {root:?} any more");
            return (!self.hurt_at.contains_key(root)).then_some((Law::LastCopyStays, lost));
        }
        let offering = truth.members.values().filter(|offer| offer.offers).count();
        let target = antiphon_core::replication::target(self.plan.settings.factor, offering);
        if holders.len() < target {
            let could = |node: &usize| {
                honest(*node) && offers(*node) && !holders.contains(node) && self.free_bytes(*node) >= length
            };
            if let Some(node) = there.iter().copied().find(could) {
                let detail =
                    format!("{root:?} has {} of {target} copies, {holders:?}, and n{node} has room", holders.len());
                return Some((Law::CopiesAreMade, detail));
            }
        } else if let Some(told) = self.judge_health(there, root) {
            return Some(told);
        }
        let surplus = |(place, node): (usize, &usize)| {
            let kept = self.members[*node].character.keep_own && self.is_author(*node, root);
            let needed = if offers(*node) { usize::from(self.plan.settings.factor) } else { target };
            let before = holders.iter().take(place).filter(|other| offers(**other)).count();
            (honest(*node) && !kept && needed > 0 && before >= needed).then_some(*node)
        };
        let node = holders.iter().enumerate().find_map(surplus)?;
        Some((Law::SurplusGoes, format!("n{node} keeps {root:?}, which {holders:?} hold")))
    }

    /// Whether all see that there are enough copies.
    fn judge_health(&self, there: &[usize], root: &Hash) -> Option<(Law, String)> {
        let honest = there.iter().filter(|node| self.members[**node].character.honesty == Honesty::Honest);
        let told = honest.map(|node| (*node, self.health(*node, root)));
        let mut sick = told.filter(|(_, health)| *health != Some(Health::Healthy));
        sick.next().map(|(node, health)| (Law::HealthIsTold, format!("n{node} takes {root:?} for {health:?}")))
    }

    /// What is not needed any more is nowhere.
    fn judge_rest(&self, truth: &View, there: &[usize]) -> Option<(Law, String)> {
        for node in there {
            let member = &self.members[*node];
            if member.character.honesty != Honesty::Honest {
                continue;
            }
            if let Some(root) = member.disk.blobs.keys().find(|root| !truth.keys.contains_key(*root)) {
                return Some((Law::RemovedIsFreed, format!("n{node} still has {root:?}")));
            }
            if let Some((root, _)) = member.notes.keys().find(|(root, _)| !truth.keys.contains_key(root)) {
                return Some((Law::RemovedIsFreed, format!("n{node} still notes who holds {root:?}")));
            }
        }
        None
    }

    /// Writes down how members see what is not well, for whoever replays the world.
    fn explain(&mut self) {
        for node in (0..self.members.len()).filter(|node| self.is_there(*node)).collect::<Vec<_>>() {
            for root in self.members[node].view.keys.keys().copied().collect::<Vec<_>>() {
                let status = self.status(node, &root);
                self.note(node, "sees", &root.0, || format!("{status:?}"));
            }
        }
    }

    /// Counts what was proved in the end.
    fn count_end(&mut self) {
        let truth = self.truth();
        self.tally.exercised.add(Class::CopyHealthy, truth.keys.len() as u64);
        let lost = truth.keys.keys().filter(|root| {
            let holds = |member: &super::Member| member.up.is_some() && member.disk.is_whole(root);
            !self.members.iter().any(holds)
        });
        let lost = lost.count() as u64;
        self.tally.exercised.add(Class::CopyDestroyed, lost);
        let missing: u64 = self.moved.values().map(|moved| moved.missing).sum();
        self.tally.missing_bytes += missing;
        self.tally.moved_bytes += self.moved.values().map(|moved| moved.bytes).sum::<u64>();
    }
}
