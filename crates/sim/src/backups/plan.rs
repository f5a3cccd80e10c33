//! Who leaves copies with whom, how much is kept, and who lies.

use std::collections::BTreeMap;

use crate::random::Random;

/// Bytes that are kept for one owner where there is room.
const QUOTA_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that are kept where there is little room.
const QUOTA_SMALL_BYTES: (u64, u64) = (300, 6_000);

/// What a holder does with what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Gives it with a byte changed.
    Damages,
    /// Gives what another owner left, or another part.
    Swaps,
    /// Gives the first part that it ever got of a range, for a longer one.
    Ages,
    /// Says that it keeps it, and does not.
    Forgets,
    /// Says that it keeps more than it was given.
    Boasts,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupPlan {
    /// When which owner chooses which holders.
    pub(crate) chosen: Vec<(u64, usize, Vec<usize>)>,
    /// Most bytes that each member keeps for one owner.
    pub(crate) quotas: Vec<u64>,
    pub(crate) liars: BTreeMap<usize, Lie>,
}

impl BackupPlan {
    /// Whoever is to lose its disk chooses early, and several.
    pub(crate) fn draw(random: &mut Random, nodes: usize, calm_at: u64, lost: Option<usize>) -> Self {
        let mut chosen = Vec::new();
        if let Some(owner) = lost {
            let first = random.index(nodes - 1);
            let holders = (0..random.index(2) + 2).map(|next| (owner + 1 + (first + next) % (nodes - 1)) % nodes);
            chosen.push((random.between(calm_at / 8, calm_at / 4), owner, holders.collect()));
        }
        for owner in (0..nodes).filter(|_| random.chance(800)).collect::<Vec<_>>() {
            let holders = random.between(1, 3);
            let holders = (0..holders).map(|_| (owner + 1 + random.index(nodes - 1)) % nodes);
            let holders: Vec<usize> = holders.collect();
            chosen.push((random.between(calm_at / 8, calm_at / 2), owner, holders));
        }
        let quota = |random: &mut Random| {
            if random.chance(750) { QUOTA_BYTES } else { random.between(QUOTA_SMALL_BYTES.0, QUOTA_SMALL_BYTES.1) }
        };
        Self { chosen, quotas: (0..nodes).map(|_| quota(random)).collect(), liars: BTreeMap::new() }
    }

    /// Some of the members lie about what they keep; one of those is asked for it, if anybody is.
    pub(crate) fn draw_liars(&mut self, random: &mut Random, nodes: usize) {
        let lies = [Lie::Damages, Lie::Swaps, Lie::Ages, Lie::Boasts, Lie::Forgets];
        if let Some(holder) = self.chosen.first().and_then(|(_, _, holders)| holders.first()) {
            self.liars.insert(*holder, lies[random.index(lies.len() - 1)]);
        }
        for _ in 0..random.between(0, nodes.div_ceil(3) as u64) {
            let (node, lie) = (random.index(nodes), random.pick(&lies).unwrap_or(Lie::Damages));
            self.liars.entry(node).or_insert(lie);
        }
    }
}
