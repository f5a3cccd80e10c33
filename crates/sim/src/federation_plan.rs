//! The plan of a world of five members to whom everything happens at once: partitions of one and of both directions,
//! every kind of crash, clocks far ahead and set back, modes and policies that change, and one member that signs two
//! branches of its own log on purpose.

use antiphon_protocol::sync::Mode;

use crate::plan::{Crash, DECADE_MS, Fault, Hostile, LOOKS_MAX, Plan, Policy};
use crate::random::Random;
use crate::trust_plan::TrustPlan;

/// Members.
const NODES: usize = 5;
/// Sets this stream apart from the others of a seed.
const STREAM: u64 = 0x6665_6465_7261_7465;
/// From the beginning of every world to the year 2100, in milliseconds.
const TO_2100_MS: i64 = 2_402_500_000_000;
/// From the beginning of every world back to 1970, in milliseconds: a clock without a battery.
const TO_1970_MS: i64 = -1_700_000_000_000;

/// A member that signs two branches of its log and shows each to some of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Equivocator {
    pub(crate) node: usize,
    /// When it begins, and when it begins anew.
    pub(crate) at: Vec<u64>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn federation(seed: u64) -> Self {
        let mut random = Random::new(seed ^ STREAM);
        let random = &mut random;
        let calm_at = random.between(60_000, 200_000);
        let hostile = Hostile { lose: random.below(150), double: random.below(150), reorder: random.below(150) };
        let mut plan = Self {
            stranger: random.chance(250),
            loss: if random.chance(300) { 0 } else { random.between(1, 250) },
            delay_max_ms: random.between(1, 400),
            hostile: random.chance(250).then_some(hostile),
            starts: (0..NODES).map(|_| random.below(calm_at / 8)).collect(),
            writes: (0..random.between(15, 50)).map(|_| random.below(calm_at)).collect(),
            lowers: random.chance(100),
            domains: true,
            erases: true,
            burst: random.chance(20).then(|| random.below(calm_at)),
            ..Self::quiet(NODES, calm_at)
        };
        // Who plays which part.
        let mut parts: Vec<usize> = (1..NODES).collect();
        for at in (1..parts.len()).rev() {
            parts.swap(at, random.index(at + 1));
        }
        let (liar, removed, restored) = (parts[0], parts[1], parts[2]);
        if random.chance(250) {
            plan.trust = TrustPlan::simple(Some((random.between(calm_at / 3, calm_at), removed)));
        }
        if random.chance(300) {
            plan.draw_copy(random, restored);
        }
        plan.draw_equivocator(random, liar);
        plan.draw_both_partitions(random);
        plan.draw_every_crash(random, liar);
        plan.draw_wild_clocks(random);
        plan.draw_live_modes(random, liar);
        plan.draw_policies(random);
        if random.chance(400) {
            let others = [0, restored, parts[3]];
            let turn = random.index(3);
            let inner = [0, 1, 2].map(|at| others[(at + turn) % 3]);
            // Who may not relay stands at an end.
            let line = [removed, inner[0], inner[1], inner[2], liar];
            plan.faults.push((random.between(calm_at / 4, calm_at / 2), Fault::Line(line)));
        }
        if random.chance(200) {
            plan.draw_disk(random);
        }
        plan
    }

    pub(crate) fn draw_copy(&mut self, random: &mut Random, node: usize) {
        let copied = random.between(self.calm_at / 4, self.calm_at);
        self.restored = Some(node);
        self.faults.push((copied, Fault::Snapshot(node)));
        self.faults.push((random.between(copied, self.calm_at), Fault::RollBack(node)));
    }

    pub(crate) fn draw_equivocator(&mut self, random: &mut Random, node: usize) {
        let begins = random.between(self.calm_at / 5, self.calm_at / 2);
        let again = (0..random.below(3)).map(|_| random.between(begins, self.calm_at));
        let at = std::iter::once(begins).chain(again).collect();
        self.equivocator = Some(Equivocator { node, at });
    }

    /// At least one partition of each kind, some of a single member, some of a side of the team.
    fn draw_both_partitions(&mut self, random: &mut Random) {
        let more = random.below(3);
        for number in 0..2 + more {
            let one_way = if number < 2 { number == 0 } else { random.chance(500) };
            let (at, lasts) = (random.below(self.calm_at), random.between(3_000, 60_000));
            let mut side: Vec<bool> = (0..NODES).map(|_| random.chance(400)).collect();
            // A side that is empty would be no partition.
            let (one, two) = (random.index(NODES), random.between(1, 4));
            side[one] = true;
            side[(one + usize::try_from(two).unwrap_or(1)) % NODES] = false;
            self.draw_partition(&side, one_way, (at, at + lasts));
        }
        for _ in 0..random.below(5) {
            let (a, b) = (random.index(NODES), random.index(NODES));
            let fault = if random.chance(300) { Fault::Leave(a, b) } else { Fault::Cut(a, b) };
            self.faults.push((random.below(self.calm_at), fault));
        }
    }

    /// Every kind of crash, of any member but the one whose disks must not be lost: it has two.
    fn draw_every_crash(&mut self, random: &mut Random, spared: usize) {
        for crash in [Crash::Killed, Crash::Dark, Crash::Torn, Crash::Untold] {
            let node = other(random, spared);
            let (at, down_ms) = (random.between(self.calm_at / 8, self.calm_at), random.between(10, 30_000));
            self.faults.push((at, Fault::Crash { node, crash, down_ms, looks: LOOKS_MAX }));
        }
    }

    /// One clock in the year 2100, for good or for a while; one that is set back; one that is off by a decade.
    fn draw_wild_clocks(&mut self, random: &mut Random) {
        let first = random.index(NODES);
        let (ahead, back, off) = (first, (first + 1) % NODES, (first + 2) % NODES);
        self.draw_jumps(random, ahead, back);
        let by = i64::try_from(random.below(2 * DECADE_MS.unsigned_abs())).unwrap_or(0) - DECADE_MS;
        self.skews[off] = by;
    }

    /// One clock in the year 2100, for good or for a while; another one that is set back.
    pub(crate) fn draw_jumps(&mut self, random: &mut Random, ahead: usize, back: usize) {
        let comes = random.below(self.calm_at / 2);
        self.faults.push((comes, Fault::SetClock(ahead, TO_2100_MS)));
        if random.chance(500) {
            self.faults.push((random.between(comes, self.calm_at), Fault::SetClock(ahead, 0)));
        }
        let by = random.pick(&[-DECADE_MS, -3_600_000, -5_000, TO_1970_MS]).unwrap_or(-DECADE_MS);
        self.faults.push((random.between(self.calm_at / 4, self.calm_at * 3 / 4), Fault::SetClock(back, by)));
    }

    fn draw_live_modes(&mut self, random: &mut Random, liar: usize) {
        for mode in [Mode { sends: true, takes: false }, Mode { sends: false, takes: true }] {
            let (node, at) = (other(random, liar), random.between(self.calm_at / 4, self.calm_at));
            self.faults.push((at, Fault::SetMode(node, mode)));
            self.faults.push((at + random.between(1_000, 40_000), Fault::SetMode(node, Mode::BOTH)));
        }
        for _ in 0..random.between(1, 3) {
            let node = other(random, liar);
            let (peer, at) = (other(random, node), random.between(self.calm_at / 4, self.calm_at));
            self.faults.push((at, Fault::Pause(node, peer, true)));
            self.faults.push((at + random.between(1_000, 40_000), Fault::Pause(node, peer, false)));
        }
    }

    fn draw_policies(&mut self, random: &mut Random) {
        for _ in 0..random.between(1, 4) {
            let node = random.index(NODES);
            let (peer, at) = (other(random, node), random.below(self.calm_at * 3 / 4));
            let policy = if random.chance(700) { Policy::ExceptPay } else { Policy::OnlyWeb };
            self.faults.push((at, Fault::Share(node, peer, policy)));
            if random.chance(400) {
                self.faults.push((random.between(at, self.calm_at), Fault::Share(node, peer, Policy::All)));
            }
        }
    }
}

/// A member that is not this one.
fn other(random: &mut Random, node: usize) -> usize {
    (node + 1 + random.index(NODES - 1)) % NODES
}
