//! The plan of a world that has some features and not others.
//!
//! Each feature is drawn from a stream of its own, so switching one off changes nothing of the others.

use antiphon_protocol::sync::Mode;

use crate::backups::BackupPlan;
use crate::plan::{Crash, DECADE_MS, Fault, Hostile, LOOKS_MAX, Plan, Policy};
use crate::random::Random;
use crate::swarm::{Feature, Swarm};
use crate::trust_plan::TrustPlan;

/// Sets these streams apart from the others of a seed.
const STREAM: u64 = 0x7377_6172_6d70_6c61;
/// Fewest and most members.
const NODES: (u64, u64) = (3, 12);
/// Members of most worlds; a line has so many.
const USUAL: usize = 5;
/// Most requests that are lost, in permille.
const LOSS_MAX: u64 = 300;

/// Who plays which part: nobody plays two.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    equivocator: Option<usize>,
    removed: Option<usize>,
    restored: Option<usize>,
    lost: Option<usize>,
}

/// The stream of a feature, or of something else with a name.
fn stream(seed: u64, name: &str) -> Random {
    Random::new(seed ^ STREAM).fork_of(name)
}

impl Plan {
    /// The plan of a seed, and which of the features there was somebody for.
    pub(crate) fn swarm(seed: u64, swarm: Swarm) -> (Self, Swarm) {
        let mut random = stream(seed, "world");
        let nodes = members(&mut random, swarm.has(Feature::Line));
        let calm_at = random.between(30_000, 200_000);
        let mut plan = Self {
            starts: (0..nodes).map(|_| random.below(calm_at / 6)).collect(),
            writes: (0..random.between(10, 50)).map(|_| random.below(calm_at)).collect(),
            lowers: swarm.has(Feature::Lowered),
            domains: swarm.has(Feature::Domains),
            erases: swarm.has(Feature::Erasures),
            documents: swarm.has(Feature::Documents),
            outbox: swarm.has(Feature::Outbox),
            swarm: Some(swarm),
            ..Self::quiet(nodes, calm_at)
        };
        let (parts, swarm) = cast(&mut stream(seed, "parts"), nodes, swarm);
        plan.swarm = Some(swarm);
        for feature in swarm.features() {
            plan.draw_feature(seed, feature, &parts);
        }
        if swarm.has(Feature::Stewards) {
            plan.trust = TrustPlan::swarm(&mut stream(seed, "trust"), nodes, calm_at, swarm.has(Feature::Thief));
        }
        plan.draw_removals(&mut stream(seed, "removal"), swarm, parts.removed);
        (plan, swarm)
    }

    fn draw_feature(&mut self, seed: u64, feature: Feature, parts: &Parts) {
        let random = &mut stream(seed, feature.name());
        let calm_at = self.calm_at;
        match feature {
            Feature::Loss => self.loss = random.between(1, LOSS_MAX),
            Feature::LostFrames => self.hostile_part(|hostile| hostile.lose = random.between(1, 200)),
            Feature::DoubledFrames => self.hostile_part(|hostile| hostile.double = random.between(1, 200)),
            Feature::OvertakenFrames => self.hostile_part(|hostile| hostile.reorder = random.between(1, 200)),
            Feature::Delay => self.delay_max_ms = random.between(50, 500),
            Feature::OneWay => self.draw_sides(random, true),
            Feature::TwoWay => self.draw_sides(random, false),
            Feature::BrokenLinks => self.draw_broken_links(random),
            Feature::Line => self.draw_line(random, parts),
            Feature::Killed => self.draw_deaths(random, Crash::Killed, parts),
            Feature::Dark => self.draw_deaths(random, Crash::Dark, parts),
            Feature::Torn => self.draw_deaths(random, Crash::Torn, parts),
            Feature::Untold => self.draw_deaths(random, Crash::Untold, parts),
            Feature::FullDisk => (0..random.between(1, 3)).for_each(|_| self.draw_disk(random)),
            Feature::OlderDisk => parts.restored.into_iter().for_each(|node| self.draw_copy(random, node)),
            Feature::LostDisk => {
                self.lost = parts.lost;
                let (at, down_ms) = (random.between(calm_at / 2, calm_at), random.between(10, 40_000));
                self.faults.extend(parts.lost.map(|node| (at, Fault::LoseDisk { node, down_ms })));
            }
            Feature::Skew => self.draw_skews(random),
            Feature::SetClock => self.draw_set_clocks(random),
            Feature::Modes => self.draw_some_modes(random, parts),
            Feature::Domains => self.draw_some_policies(random),
            Feature::Burst => self.burst = Some(random.below(calm_at)),
            Feature::Movers => self.movers = (0..self.nodes).map(|node| node > 0 && random.chance(400)).collect(),
            Feature::Stranger => self.stranger = true,
            Feature::Equivocator => parts.equivocator.into_iter().for_each(|node| self.draw_equivocator(random, node)),
            Feature::Backups => self.backups = Some(BackupPlan::draw(random, self.nodes, calm_at, self.lost)),
            Feature::BadHolders => {
                let nodes = self.nodes;
                self.backups.iter_mut().for_each(|backups| backups.draw_liars(random, nodes));
            }
            Feature::Erasures | Feature::Lowered | Feature::Documents | Feature::Outbox => {}
            Feature::Removal | Feature::RemovedApart | Feature::Stewards | Feature::Thief => {}
        }
    }

    fn hostile_part(&mut self, set: impl FnOnce(&mut Hostile)) {
        set(self.hostile.get_or_insert(Hostile { lose: 0, double: 0, reorder: 0 }));
    }

    /// Partitions of sides of the team, some of a single member.
    fn draw_sides(&mut self, random: &mut Random, one_way: bool) {
        for _ in 0..random.between(1, 3) {
            let (at, lasts) = (random.below(self.calm_at), random.between(1_000, 70_000));
            let mut side: Vec<bool> = (0..self.nodes).map(|_| random.chance(400)).collect();
            // A side that is empty would be no partition.
            let one = random.index(self.nodes);
            side[one] = true;
            side[(one + 1 + random.index(self.nodes - 1)) % self.nodes] = false;
            self.draw_partition(&side, one_way, (at, at + lasts));
        }
    }

    fn draw_broken_links(&mut self, random: &mut Random) {
        for _ in 0..random.between(1, 8) {
            let (a, b) = (random.index(self.nodes), random.index(self.nodes));
            let fault = if random.chance(300) { Fault::Leave(a, b) } else { Fault::Cut(a, b) };
            self.faults.push((random.below(self.calm_at), fault));
        }
    }

    /// Who may not relay stands at an end.
    fn draw_line(&mut self, random: &mut Random, parts: &Parts) {
        let mut members: Vec<usize> = (0..USUAL).collect();
        shuffle(random, &mut members);
        for (end, part) in [(0, parts.removed), (USUAL - 1, parts.equivocator)] {
            if let Some(at) = part.and_then(|part| members.iter().position(|member| *member == part)) {
                members.swap(end, at);
            }
        }
        let at = random.between(self.calm_at / 4, self.calm_at / 2);
        if let Ok(line) = <[usize; USUAL]>::try_from(members) {
            self.faults.push((at, Fault::Line(line)));
        }
    }

    /// Some of the members die so, but for the one whose disks must not be lost: it has two.
    fn draw_deaths(&mut self, random: &mut Random, crash: Crash, parts: &Parts) {
        for _ in 0..random.between(1, 3) {
            let (at, node) = (random.between(self.calm_at / 8, self.calm_at), random.index(self.nodes));
            let down_ms = random.between(10, 40_000);
            if parts.equivocator != Some(node) {
                self.faults.push((at, Fault::Crash { node, crash, down_ms, looks: LOOKS_MAX }));
            }
        }
    }

    fn draw_skews(&mut self, random: &mut Random) {
        for _ in 0..random.between(1, 3) {
            let node = random.index(self.nodes);
            let most = random.pick(&[DECADE_MS, DECADE_MS, 20_000_000, 10_000]).unwrap_or(DECADE_MS);
            self.skews[node] = i64::try_from(random.below(2 * most.unsigned_abs() + 1)).unwrap_or(0) - most;
        }
    }

    fn draw_set_clocks(&mut self, random: &mut Random) {
        let first = random.index(self.nodes);
        self.draw_jumps(random, first, (first + 1) % self.nodes);
    }

    fn draw_some_modes(&mut self, random: &mut Random, parts: &Parts) {
        let (nodes, calm_at) = (self.nodes, self.calm_at);
        let honest = |random: &mut Random| {
            let node = random.index(nodes);
            if parts.equivocator == Some(node) { (node + 1) % nodes } else { node }
        };
        for mode in [Mode { sends: true, takes: false }, Mode { sends: false, takes: true }] {
            let (node, at) = (honest(random), random.between(calm_at / 4, calm_at));
            self.faults.push((at, Fault::SetMode(node, mode)));
            self.faults.push((at + random.between(1_000, 40_000), Fault::SetMode(node, Mode::BOTH)));
        }
        for _ in 0..random.between(1, 3) {
            let node = honest(random);
            let peer = (node + 1 + random.index(nodes - 1)) % nodes;
            let at = random.between(calm_at / 4, calm_at);
            self.faults.push((at, Fault::Pause(node, peer, true)));
            self.faults.push((at + random.between(1_000, 40_000), Fault::Pause(node, peer, false)));
        }
    }

    fn draw_some_policies(&mut self, random: &mut Random) {
        for _ in 0..random.between(1, 4) {
            let node = random.index(self.nodes);
            let peer = (node + 1 + random.index(self.nodes - 1)) % self.nodes;
            let at = random.below(self.calm_at * 3 / 4);
            let policy = if random.chance(700) { Policy::ExceptPay } else { Policy::OnlyWeb };
            self.faults.push((at, Fault::Share(node, peer, policy)));
            if random.chance(400) {
                self.faults.push((random.between(at, self.calm_at), Fault::Share(node, peer, Policy::All)));
            }
        }
    }

    /// Somebody is removed; apart from all that know of it, if that is a feature.
    fn draw_removals(&mut self, random: &mut Random, swarm: Swarm, removed: Option<usize>) {
        let apart = swarm.has(Feature::RemovedApart);
        let Some(node) = removed else { return };
        let at = random.between(self.calm_at / 3, self.calm_at);
        self.trust.remove(random, at, node, swarm.has(Feature::Stewards));
        if apart {
            let mut side: Vec<bool> = (0..self.nodes).map(|_| random.chance(300)).collect();
            (side[node], side[0]) = (true, false);
            let begins = at.saturating_sub(random.between(500, 5_000));
            let one_way = random.chance(250);
            self.draw_partition(&side, one_way, (begins, at + random.between(10_000, 60_000)));
        }
    }
}

/// How many members there are: mostly five, sometimes few, sometimes many.
fn members(random: &mut Random, line: bool) -> usize {
    let nodes = match random.below(10) {
        0..=4 => USUAL,
        5..=8 => usize::try_from(random.between(NODES.0, 7)).unwrap_or(USUAL),
        _ => usize::try_from(random.between(8, NODES.1)).unwrap_or(USUAL),
    };
    if line { USUAL } else { nodes }
}

/// Gives out the parts, as far as there are members beside the founder; whoever is left over has none.
fn cast(random: &mut Random, nodes: usize, mut swarm: Swarm) -> (Parts, Swarm) {
    if nodes < 4 {
        swarm = swarm.without(Feature::Thief);
    }
    let mut free: Vec<usize> = (1..nodes).collect();
    shuffle(random, &mut free);
    if swarm.has(Feature::Stewards) {
        // Founders are removed by other rules.
        free.retain(|node| *node >= 3.min(nodes));
    }
    // One honest member stays beside the founder.
    let most = if swarm.has(Feature::Stewards) { free.len() } else { free.len().saturating_sub(1) };
    free.truncate(most.max(1).min(free.len()));
    let mut parts = Parts::default();
    let mut features = [Feature::Removal, Feature::Equivocator, Feature::OlderDisk, Feature::LostDisk];
    shuffle(random, &mut features);
    for feature in features {
        let removed = feature == Feature::Removal && swarm.has(Feature::RemovedApart);
        if !swarm.has(feature) && !removed {
            continue;
        }
        let part = match feature {
            Feature::Removal => &mut parts.removed,
            Feature::Equivocator => &mut parts.equivocator,
            Feature::OlderDisk => &mut parts.restored,
            _ => &mut parts.lost,
        };
        *part = free.pop();
        if part.is_none() {
            swarm = swarm.without(feature);
            if feature == Feature::Removal {
                swarm = swarm.without(Feature::RemovedApart);
            }
        }
    }
    (parts, swarm)
}

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.index(at + 1));
    }
}
