//! What one seed says about the charter of its world: stewards, what they do, who is removed, and who steals a key.
//!
//! It is drawn from a stream of its own, so that what else a seed means does not change with it.

use crate::random::Random;

/// Sets this stream apart from the others of a seed.
const STREAM: u64 = 0x7472_7573_7420_2121;
/// Worlds in which more happens to the charter than one removal, in permille.
const RICH: u64 = 650;
/// Most times that stewards do something of their own accord.
const ACTS_MAX: u64 = 10;
/// Fewest and most documents that are sealed for a role.
const SEALS: (u64, u64) = (4, 9);

/// Somebody who is removed from the team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removal {
    /// When the first steward tries.
    pub(crate) at: u64,
    pub(crate) node: usize,
    /// Whether its key may be in wrong hands; `None` where each steward judges for itself.
    pub(crate) compromised: Option<bool>,
}

/// A steward whose key was stolen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thief {
    pub(crate) at: u64,
    pub(crate) node: usize,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustPlan {
    /// So many nodes, from node 0 on, are stewards by the founding genes.
    pub(crate) founders: usize,
    /// How many stewards must agree, as founded.
    pub(crate) threshold: Option<usize>,
    /// A founder who is neither removed nor dismissed: somebody must be left to mend what breaks.
    pub(crate) anchor: usize,
    pub(crate) removals: Vec<Removal>,
    pub(crate) thief: Option<Thief>,
    /// When some steward does something.
    pub(crate) acts: Vec<u64>,
    /// When somebody seals something for a role.
    pub(crate) seals: Vec<u64>,
    /// Whether there are role keys, and stewards who look after things.
    pub(crate) rich: bool,
    /// Whether there are role keys all the same, for documents.
    pub(crate) keyed: bool,
}

impl TrustPlan {
    /// One steward, who removes at most one member.
    pub(crate) fn simple(revoke: Option<(u64, usize)>) -> Self {
        let removal = |(at, node)| Removal { at, node, compromised: None };
        Self {
            founders: 1,
            threshold: None,
            anchor: 0,
            removals: revoke.map(removal).into_iter().collect(),
            thief: None,
            acts: Vec::new(),
            seals: Vec::new(),
            rich: false,
            keyed: false,
        }
    }

    /// The plan of a seed; `None` where the simple one is good enough.
    pub(crate) fn draw(seed: u64, nodes: usize, calm_at: u64) -> Option<Self> {
        let mut random = Random::new(seed ^ STREAM);
        if !random.chance(RICH) {
            return None;
        }
        let founders = 1 + random.index(nodes.min(3));
        let mut plan = Self {
            founders,
            threshold: random.chance(250).then(|| 1 + random.index(founders)),
            anchor: random.index(founders),
            rich: true,
            acts: (0..random.below(ACTS_MAX + 1)).map(|_| random.below(calm_at)).collect(),
            seals: (0..random.between(SEALS.0, SEALS.1)).map(|_| random.between(calm_at / 4, calm_at)).collect(),
            ..Self::simple(None)
        };
        if founders == 3 && nodes > 3 && random.chance(600) {
            plan.draw_thief(&mut random, calm_at);
        }
        for _ in 0..random.below(3) {
            // With a thief among them, the stewards are left as they are otherwise: of two, one can remove the other.
            let node = random.index(nodes);
            let spared = node == plan.anchor || plan.is_out(node) || (plan.thief.is_some() && node < founders);
            if !spared && plan.removals.len() + 2 < nodes {
                let at = random.between(calm_at / 4, calm_at);
                plan.removals.push(Removal { at, node, compromised: Some(random.chance(300)) });
            }
        }
        Some(plan)
    }

    /// Several stewards, and perhaps a thief among them; who else is removed is said elsewhere.
    pub(crate) fn swarm(random: &mut Random, nodes: usize, calm_at: u64, thief: bool) -> Self {
        let founders = if thief && nodes > 3 { 3 } else { 1 + random.index(nodes.min(3)) };
        let mut plan = Self {
            founders,
            threshold: random.chance(250).then(|| 1 + random.index(founders)),
            anchor: random.index(founders),
            rich: true,
            acts: (0..random.between(1, ACTS_MAX)).map(|_| random.below(calm_at)).collect(),
            seals: (0..random.between(SEALS.0, SEALS.1)).map(|_| random.between(calm_at / 4, calm_at)).collect(),
            ..Self::simple(None)
        };
        if thief && founders == 3 {
            plan.draw_thief(random, calm_at);
        }
        plan
    }

    /// Somebody is removed as well.
    pub(crate) fn remove(&mut self, random: &mut Random, at: u64, node: usize, judged: bool) {
        let compromised = judged.then(|| random.chance(300));
        self.removals.push(Removal { at, node, compromised });
    }

    fn draw_thief(&mut self, random: &mut Random, calm_at: u64) {
        let others: Vec<usize> = (0..self.founders).filter(|node| *node != self.anchor).collect();
        let Some(node) = random.pick(&others) else { return };
        let at = random.between(calm_at / 4, calm_at / 2);
        self.threshold = None;
        self.thief = Some(Thief { at, node });
        self.removals.push(Removal { at: random.between(at, calm_at), node, compromised: Some(true) });
    }

    /// Whether roles have keys.
    pub(crate) fn has_keys(&self) -> bool {
        self.rich || self.keyed
    }

    /// Whether somebody is removed sooner or later.
    pub(crate) fn is_out(&self, node: usize) -> bool {
        self.removals.iter().any(|removal| removal.node == node)
    }

    /// Whether a node's key was stolen.
    pub(crate) fn is_thief(&self, node: usize) -> bool {
        self.thief.is_some_and(|thief| thief.node == node)
    }
}
