//! What one seed says about its world, drawn before it begins.

use antiphon_protocol::sync::Mode;

use crate::backups::BackupPlan;
use crate::federation_plan::Equivocator;
use crate::random::Random;
use crate::swarm::Swarm;
use crate::trust_plan::TrustPlan;

/// Fewest and most nodes of the team.
const NODES: (u64, u64) = (3, 7);
/// How often a crash looks for its moment.
pub(crate) const LOOKS_MAX: u32 = 1_000;
/// Ten years, in milliseconds.
pub(crate) const DECADE_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// What may happen to frames of a stream whose transport does not keep its promises, in permille.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hostile {
    pub(crate) lose: u64,
    pub(crate) double: u64,
    pub(crate) reorder: u64,
}

/// How a node goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process is killed; the system closes its connections.
    Killed,
    /// The machine goes dark; nobody is told.
    Dark,
    /// The process is killed while it writes: the last transaction reached the disk in part.
    Torn,
    /// The process is killed after a commit, before anybody heard of it.
    Untold,
}

/// Something that happens to the world from outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Nothing goes from the one to the other any more.
    Block(usize, usize),
    /// It does again.
    Unblock(usize, usize),
    /// Every stream between the two breaks.
    Cut(usize, usize),
    /// A node goes down for so many milliseconds. A crash that needs a certain moment looks for it so many times.
    Crash { node: usize, crash: Crash, down_ms: u64, looks: u32 },
    /// It comes back.
    Restart(usize),
    /// Somebody sets a node's clock: so many milliseconds off from now on.
    SetClock(usize, i64),
    /// A node's disk is full.
    FillDisk(usize),
    /// It has room again.
    FreeDisk(usize),
    /// Somebody copies a node's disk.
    Snapshot(usize),
    /// A node goes down and comes back with the copy: it has forgotten what it signed since then.
    RollBack(usize),
    /// A node's disk is lost with all that was on it; so many milliseconds later its owner begins anew with its words.
    LoseDisk { node: usize, down_ms: u64 },
    /// That time has come.
    Return(usize),
    /// A node sends and takes shared events, or does not.
    SetMode(usize, Mode),
    /// A node says goodbye to another one.
    Leave(usize, usize),
    /// From now on members reach only their neighbours in this order, for good.
    Line([usize; 5]),
    /// A node exchanges nothing shared with another one, or does again.
    Pause(usize, usize, bool),
    /// A node shares some domains with another one from now on.
    Share(usize, usize, Policy),
}

/// Which domains somebody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Policy {
    All,
    ExceptPay,
    OnlyWeb,
}

impl Policy {
    /// Whether the text of a fact of this domain may be had.
    pub(crate) fn allows(self, domain: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::ExceptPay => domain != Some("pay"),
            Self::OnlyWeb => domain == Some("web"),
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Members of the team, node 0 being its first steward.
    pub(crate) nodes: usize,
    /// Whether somebody of another team tries to get in.
    pub(crate) stranger: bool,
    /// Requests, answers and openings that are lost, in permille.
    pub(crate) loss: u64,
    /// Longest delay of a message, in milliseconds.
    pub(crate) delay_max_ms: u64,
    pub(crate) hostile: Option<Hostile>,
    /// How far each node's clock is off at first, in milliseconds.
    pub(crate) skews: Vec<i64>,
    /// Nodes that remembered something in a team of their own before they join.
    pub(crate) movers: Vec<bool>,
    /// When each node begins.
    pub(crate) starts: Vec<u64>,
    pub(crate) faults: Vec<(u64, Fault)>,
    /// When somebody writes.
    pub(crate) writes: Vec<u64>,
    /// Whether facts that were shared may be made private again.
    pub(crate) lowers: bool,
    /// Whether facts have domains.
    pub(crate) domains: bool,
    /// Whether facts are forgotten for good.
    pub(crate) erases: bool,
    /// Whether documents are stored and taken away.
    pub(crate) documents: bool,
    /// Whether members put things down for each other.
    pub(crate) outbox: bool,
    /// Who keeps sealed copies for whom.
    pub(crate) backups: Option<BackupPlan>,
    /// When a batch of several pages is written.
    pub(crate) burst: Option<u64>,
    /// What happens to the charter.
    pub(crate) trust: TrustPlan,
    /// A node whose disk is replaced by an older copy.
    pub(crate) restored: Option<usize>,
    /// A node whose disk is lost.
    pub(crate) lost: Option<usize>,
    /// A member that signs two branches of its log.
    pub(crate) equivocator: Option<Equivocator>,
    /// When everything heals.
    pub(crate) calm_at: u64,
    /// Which features were drawn, where they were.
    pub(crate) swarm: Option<Swarm>,
}

impl Plan {
    /// A world in which nothing happens.
    pub(crate) fn quiet(nodes: usize, calm_at: u64) -> Self {
        Self {
            nodes,
            stranger: false,
            loss: 0,
            delay_max_ms: 20,
            hostile: None,
            skews: vec![0; nodes],
            movers: vec![false; nodes],
            starts: vec![0; nodes],
            faults: Vec::new(),
            writes: Vec::new(),
            lowers: false,
            domains: false,
            erases: false,
            documents: true,
            outbox: true,
            backups: None,
            burst: None,
            trust: TrustPlan::simple(None),
            restored: None,
            lost: None,
            equivocator: None,
            calm_at,
            swarm: None,
        }
    }

    /// The plan of a seed.
    pub(crate) fn draw(random: &mut Random, seed: u64, forks: bool) -> Self {
        let count = random.between(NODES.0, NODES.1);
        let nodes = usize::try_from(count).unwrap_or(3);
        let calm_at = random.between(20_000, 240_000);
        let mut plan = Self {
            stranger: random.chance(400),
            loss: if random.chance(300) { 0 } else { random.between(1, 300) },
            delay_max_ms: random.between(1, 500),
            hostile: random.chance(250).then(|| Hostile {
                lose: random.below(200),
                double: random.below(200),
                reorder: random.below(200),
            }),
            movers: (0..nodes).map(|node| node > 0 && random.chance(150)).collect(),
            starts: (0..nodes).map(|_| random.below(calm_at / 4)).collect(),
            lowers: random.chance(150),
            burst: random.chance(30).then(|| random.below(calm_at)),
            trust: TrustPlan::simple(
                random.chance(300).then(|| (random.between(calm_at / 4, calm_at), 1 + random.index(nodes - 1))),
            ),
            ..Self::quiet(nodes, calm_at)
        };
        plan.writes = (0..random.between(5, 60)).map(|_| random.below(calm_at)).collect();
        plan.draw_clocks(random);
        plan.draw_partitions(random);
        plan.draw_crashes(random);
        plan.draw_full_disk(random);
        plan.draw_modes(random);
        if forks {
            // A charter with two branches has its own rules and its own tests.
            plan.draw_restored(random);
        } else {
            plan.trust = TrustPlan::draw(seed, nodes, calm_at).unwrap_or(plan.trust);
        }
        plan
    }

    fn draw_clocks(&mut self, random: &mut Random) {
        if random.chance(400) {
            let node = random.index(self.nodes);
            self.skews[node] = skew(random);
            if random.chance(300) {
                let at = random.below(self.calm_at);
                self.faults.push((at, Fault::SetClock(node, skew(random))));
            }
        }
    }

    fn draw_partitions(&mut self, random: &mut Random) {
        for _ in 0..random.below(6) {
            let (at, lasts) = (random.below(self.calm_at), random.between(500, 90_000));
            // One side of a cut through the team, or a single node.
            let side: Vec<bool> = (0..self.nodes).map(|_| random.chance(500)).collect();
            let one_way = random.chance(300);
            self.draw_partition(&side, one_way, (at, at + lasts));
        }
        for _ in 0..random.below(8) {
            let (a, b) = (random.index(self.nodes), random.index(self.nodes));
            let fault = if random.chance(300) { Fault::Leave(a, b) } else { Fault::Cut(a, b) };
            self.faults.push((random.below(self.calm_at), fault));
        }
    }

    /// Nothing goes from the one side to the other, nor back unless it is a partition of one direction.
    pub(crate) fn draw_partition(&mut self, side: &[bool], one_way: bool, (from_ms, to_ms): (u64, u64)) {
        for (from, to) in (0..self.nodes).flat_map(|a| (0..self.nodes).map(move |b| (a, b))) {
            if side[from] != side[to] && (!one_way || side[from]) {
                self.faults.push((from_ms, Fault::Block(from, to)));
                self.faults.push((to_ms, Fault::Unblock(from, to)));
            }
        }
    }

    fn draw_crashes(&mut self, random: &mut Random) {
        for _ in 0..random.below(6) {
            let (at, node) = (random.below(self.calm_at), random.index(self.nodes));
            let crashes = [Crash::Killed, Crash::Dark, Crash::Torn, Crash::Untold];
            let crash = random.pick(&crashes).unwrap_or(Crash::Killed);
            let down_ms = random.between(10, 40_000);
            self.faults.push((at, Fault::Crash { node, crash, down_ms, looks: LOOKS_MAX }));
        }
    }

    fn draw_full_disk(&mut self, random: &mut Random) {
        if random.chance(100) {
            self.draw_disk(random);
        }
    }

    /// A disk is full for a while.
    pub(crate) fn draw_disk(&mut self, random: &mut Random) {
        let (at, node) = (random.below(self.calm_at), random.index(self.nodes));
        self.faults.push((at, Fault::FillDisk(node)));
        self.faults.push((at + random.between(100, 60_000), Fault::FreeDisk(node)));
    }

    /// The steward is left alone: a charter with two branches has its own rules and its own tests.
    fn draw_restored(&mut self, random: &mut Random) {
        let node = 1 + random.index(self.nodes - 1);
        if !self.trust.is_out(node) {
            let copied = random.between(self.calm_at / 4, self.calm_at);
            self.restored = Some(node);
            self.faults.push((copied, Fault::Snapshot(node)));
            self.faults.push((random.between(copied, self.calm_at), Fault::RollBack(node)));
        }
    }

    fn draw_modes(&mut self, random: &mut Random) {
        if random.chance(100) {
            let node = random.index(self.nodes);
            for _ in 0..random.between(1, 4) {
                let mode = Mode { sends: random.chance(500), takes: random.chance(500) };
                self.faults.push((random.below(self.calm_at), Fault::SetMode(node, mode)));
            }
        }
    }
}

/// How far a clock is off: a decade, or anything up to some hours.
fn skew(random: &mut Random) -> i64 {
    let by = match random.below(4) {
        0 | 1 => DECADE_MS,
        2 => i64::try_from(random.below(10_000)).unwrap_or(0),
        _ => i64::try_from(random.below(20_000_000)).unwrap_or(0),
    };
    if random.chance(500) { by } else { -by }
}
