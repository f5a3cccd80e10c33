//! A plan of which something is left out.

use crate::plan::{Fault, Plan};
use crate::swarm::Feature;
use crate::trim::{Kind, Trim};

/// Fewest members of a team.
pub(crate) const NODES_MIN: usize = 2;

impl Plan {
    /// The plan without what is left out. Features that were drawn are switched off before, where they are drawn; those
    /// that a plan has only one of are switched off here.
    pub(crate) fn trimmed(mut self, trim: &Trim) -> Self {
        if trim.is_empty() {
            return self;
        }
        self.switch_off(trim);
        self.drop_faults(trim);
        self.writes = trim.keep(Kind::Write, &self.writes);
        self.trust.acts = trim.keep(Kind::Act, &self.trust.acts);
        self.trust.seals = trim.keep(Kind::Seal, &self.trust.seals);
        self.trust.removals = trim.keep(Kind::Removal, &self.trust.removals);
        self.drop_members(trim.nodes);
        self.end_earlier(trim.calm_ms);
        self.without_lost_parts()
    }

    fn switch_off(&mut self, trim: &Trim) {
        let off = |feature| trim.is_off(feature);
        self.loss = if off(Feature::Loss) { 0 } else { self.loss };
        if let Some(hostile) = &mut self.hostile {
            hostile.lose = if off(Feature::LostFrames) { 0 } else { hostile.lose };
            hostile.double = if off(Feature::DoubledFrames) { 0 } else { hostile.double };
            hostile.reorder = if off(Feature::OvertakenFrames) { 0 } else { hostile.reorder };
        }
        self.delay_max_ms = if off(Feature::Delay) { self.delay_max_ms.min(20) } else { self.delay_max_ms };
        self.stranger &= !off(Feature::Stranger);
        self.lowers &= !off(Feature::Lowered);
        self.domains &= !off(Feature::Domains);
        self.erases &= !off(Feature::Erasures);
        self.documents &= !off(Feature::Documents);
        self.outbox &= !off(Feature::Outbox);
        self.burst = self.burst.filter(|_| !off(Feature::Burst));
        if off(Feature::Movers) {
            self.movers.fill(false);
        }
        if off(Feature::Skew) {
            self.skews.fill(0);
        }
    }

    /// Which faults belong together: what one partition cuts and mends, a disk that is full and has room again.
    pub(crate) fn fault_groups(&self) -> Vec<usize> {
        let mut groups: Vec<usize> = Vec::new();
        let (mut group, mut last) = (0, None);
        for (at, fault) in &self.faults {
            let key = match fault {
                Fault::Block(..) => Some(("partition", *at)),
                Fault::Unblock(..) => last.filter(|(name, _)| *name == "partition"),
                Fault::FreeDisk(_) => last.filter(|(name, _)| *name == "disk"),
                Fault::RollBack(_) => last.filter(|(name, _)| *name == "copy"),
                Fault::FillDisk(_) => Some(("disk", *at)),
                Fault::Snapshot(_) => Some(("copy", *at)),
                _ => None,
            };
            // A disk is filled, and a copy made, once for each of them.
            let begins = matches!(fault, Fault::FillDisk(_) | Fault::Snapshot(_));
            if !groups.is_empty() && (begins || key.is_none() || key != last) {
                group += 1;
            }
            last = key;
            groups.push(group);
        }
        groups
    }

    fn drop_faults(&mut self, trim: &Trim) {
        let groups = self.fault_groups();
        let mut kept = groups.into_iter().map(|group| !trim.drops(Kind::Fault, group));
        self.faults.retain(|_| kept.next().unwrap_or(true));
    }

    fn drop_members(&mut self, nodes: usize) {
        if nodes == 0 || nodes >= self.nodes {
            return;
        }
        self.nodes = nodes.max(NODES_MIN);
        let nodes = self.nodes;
        let here = |node: &usize| *node < nodes;
        self.faults.retain(|(_, fault)| fault.members().iter().all(here));
        self.skews.truncate(nodes);
        self.movers.truncate(nodes);
        self.starts.truncate(nodes);
        self.trust.founders = self.trust.founders.min(nodes);
        self.trust.anchor = self.trust.anchor.min(self.trust.founders.saturating_sub(1));
        let anchor = self.trust.anchor;
        self.trust.threshold = self.trust.threshold.map(|most| most.min(self.trust.founders));
        self.trust.removals.retain(|removal| removal.node < nodes && removal.node != anchor);
        self.trust.thief = self.trust.thief.filter(|thief| thief.node < nodes && thief.node != anchor);
        self.equivocator = self.equivocator.take().filter(|liar| liar.node < nodes);
    }

    fn end_earlier(&mut self, calm_ms: u64) {
        if calm_ms == 0 || calm_ms >= self.calm_at {
            return;
        }
        self.calm_at = calm_ms;
        self.faults.retain(|(at, _)| *at < calm_ms);
        for times in [&mut self.writes, &mut self.trust.acts, &mut self.trust.seals] {
            times.retain(|at| *at < calm_ms);
        }
        self.starts.iter_mut().for_each(|at| *at = (*at).min(calm_ms / 2));
        self.burst = self.burst.filter(|at| *at < calm_ms);
        self.trust.removals.iter_mut().for_each(|removal| removal.at = removal.at.min(calm_ms - 1));
        self.trust.thief = self.trust.thief.filter(|thief| thief.at < calm_ms);
        if let Some(liar) = &mut self.equivocator {
            liar.at.retain(|at| *at < calm_ms);
        }
    }

    /// Parts of which nothing is left to play.
    fn without_lost_parts(mut self) -> Self {
        let copied = |node: usize| self.faults.iter().any(|(_, fault)| *fault == Fault::RollBack(node));
        self.restored = self.restored.filter(|node| copied(*node));
        let lost = |node: usize| {
            self.faults.iter().any(|(_, fault)| matches!(fault, Fault::LoseDisk { node: of, .. } if *of == node))
        };
        self.lost = self.lost.filter(|node| lost(*node));
        self.equivocator = self.equivocator.filter(|liar| !liar.at.is_empty());
        // A thief whose theft nobody mends would stay a member for ever.
        let trust = &mut self.trust;
        let mended = |node: usize| trust.removals.iter().any(|removal| removal.node == node);
        trust.thief = trust.thief.filter(|thief| mended(thief.node));
        self
    }

    /// How many things of a kind there are that can be left out.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Fault => self.fault_groups().last().map_or(0, |group| group + 1),
            Kind::Write => self.writes.len(),
            // They are drawn where the plan is known.
            Kind::Hand => 0,
            Kind::Act => self.trust.acts.len(),
            Kind::Seal => self.trust.seals.len(),
            Kind::Removal => self.trust.removals.len(),
        }
    }
}

impl Fault {
    /// Whom it is about.
    fn members(&self) -> Vec<usize> {
        match self {
            Self::Block(a, b) | Self::Unblock(a, b) | Self::Cut(a, b) | Self::Leave(a, b) => vec![*a, *b],
            Self::Pause(a, b, _) | Self::Share(a, b, _) => vec![*a, *b],
            Self::Crash { node, .. } | Self::LoseDisk { node, .. } => vec![*node],
            Self::Restart(node) | Self::Return(node) | Self::SetClock(node, _) | Self::SetMode(node, _) => vec![*node],
            Self::FillDisk(node) | Self::FreeDisk(node) | Self::Snapshot(node) | Self::RollBack(node) => vec![*node],
            Self::Line(members) => members.to_vec(),
        }
    }
}
