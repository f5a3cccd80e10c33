//! What one seed says about its world of copies, drawn before it begins.

use antiphon_core::replication::Settings;

use crate::random::Random;

const MINUTE_MS: u64 = 60_000;
/// Fewest and most members.
const NODES: (u64, u64) = (3, 12);
/// Quota of a member with room for everything, in bytes.
pub(super) const QUOTA_BYTES: u64 = 64 * 1024 * 1024;
/// Quotas of members without, in bytes.
const QUOTA_SMALL_BYTES: (u64, u64) = (50_000, 1_500_000);

/// What a member does with what it is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Honesty {
    Honest,
    /// Holds nothing, says that it holds everything, and proves it with garbage.
    Boasts,
    /// Holds and proves, and sends no block to anybody.
    Hoards,
    /// Holds and proves, and sends other blocks than it is asked for.
    Corrupts,
}

/// A member to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Character {
    pub(super) honesty: Honesty,
    /// When it becomes a member, in milliseconds.
    pub(super) joins_at: u64,
    pub(super) offers: bool,
    pub(super) quota_bytes: u64,
    /// Whether it keeps what it stored itself.
    pub(super) keep_own: bool,
    /// Bytes that it sends in a second.
    pub(super) rate: u64,
    /// How far its clock is off, in milliseconds.
    pub(super) skew: i64,
}

/// Something that happens to the world from outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// Nothing goes from the one to the other any more.
    Block(usize, usize),
    /// It does again.
    Unblock(usize, usize),
    /// Every stream between the two breaks.
    Cut(usize, usize),
    /// A process is killed, or a machine goes dark, for so long.
    Crash { node: usize, dark: bool, down_ms: u64 },
    /// It comes back.
    Restart(usize),
    /// It goes for good, without a word.
    Die(usize),
    /// A steward removes it.
    Remove(usize),
    /// A block is not on its disk any more.
    LoseBlock(usize),
    /// A block on its disk is another one.
    DamageBlock(usize),
    /// It comes back with an empty disk; its database is on another one.
    LoseBlobs(usize),
    /// It keeps so much for others from now on.
    Quota(usize, u64),
    /// Nothing more fits on its disk.
    FillDisk(usize),
    /// It does again.
    FreeDisk(usize),
    /// It begins or ceases to offer room.
    Offers(usize, bool),
}

/// Something that a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Stores a document.
    Put,
    /// Stores a newer version of one.
    Replace,
    /// Takes one away.
    TakeAway,
    /// Gets one from others.
    Get,
    /// Wants copies made now.
    Replicate,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) members: Vec<Character>,
    pub(super) faults: Vec<(u64, Fault)>,
    pub(super) acts: Vec<(u64, Act)>,
    /// When nothing more happens from outside, in milliseconds.
    pub(super) calm_at: u64,
    /// Whether all have room for everything in the end.
    pub(super) room_in_the_end: bool,
    /// Questions and answers that are lost, in permille.
    pub(super) loss: u64,
    pub(super) delay_max_ms: u64,
    /// Streams that break at a block, in permille of the blocks.
    pub(super) breaks: u64,
}

impl Plan {
    pub(super) fn draw(random: &mut Random) -> Self {
        let settings = settings(random);
        let calm_at = random.between(90, 300) * MINUTE_MS;
        let nodes = random.between(NODES.0, NODES.1);
        let mut members: Vec<Character> = (0..nodes).map(|node| character(random, node, calm_at)).collect();
        liars(random, &mut members, usize::from(settings.factor));
        let mut plan = Self {
            settings,
            members,
            faults: Vec::new(),
            acts: Vec::new(),
            calm_at,
            room_in_the_end: random.chance(600),
            loss: if random.chance(300) { 0 } else { random.between(1, 200) },
            delay_max_ms: random.between(2, 1_500),
            breaks: if random.chance(500) { 0 } else { random.between(10, 300) },
        };
        plan.draw_acts(random);
        plan.draw_faults(random);
        plan
    }

    fn draw_acts(&mut self, random: &mut Random) {
        for _ in 0..random.between(4, 16) {
            self.acts.push((random.below(self.calm_at), Act::Put));
        }
        for (act, most) in [(Act::Replace, 5), (Act::TakeAway, 5), (Act::Get, 8), (Act::Replicate, 3)] {
            for _ in 0..random.between(0, most) {
                self.acts.push((random.below(self.calm_at), act));
            }
        }
    }

    fn draw_faults(&mut self, random: &mut Random) {
        let nodes = self.members.len();
        self.partitions(random);
        for node in 0..nodes {
            for _ in 0..random.between(0, 3) {
                let down_ms =
                    if random.chance(500) { random.between(100, MINUTE_MS) } else { random.between(1, 45) * MINUTE_MS };
                let crash = Fault::Crash { node, dark: random.chance(400), down_ms };
                self.faults.push((random.below(self.calm_at), crash));
            }
        }
        self.departures(random);
        for _ in 0..random.between(0, 6) {
            let (node, at) = (random.index(nodes), random.below(self.calm_at));
            let hurt = match random.below(7) {
                0 => Fault::LoseBlobs(node),
                1..4 => Fault::LoseBlock(node),
                _ => Fault::DamageBlock(node),
            };
            self.faults.push((at, hurt));
        }
        for _ in 0..random.between(0, 4) {
            let (node, at) = (random.index(nodes), random.below(self.calm_at));
            match random.below(4) {
                0 => {
                    self.faults.push((at, Fault::FillDisk(node)));
                    self.faults.push((at + random.between(1, 60) * MINUTE_MS, Fault::FreeDisk(node)));
                }
                1 => {
                    self.faults.push((at, Fault::Quota(node, random.between(QUOTA_SMALL_BYTES.0, QUOTA_SMALL_BYTES.1))))
                }
                _ => {
                    self.faults.push((at, Fault::Offers(node, random.chance(300))));
                    self.faults.push((at + random.between(1, 90) * MINUTE_MS, Fault::Offers(node, random.chance(700))));
                }
            }
        }
        self.faults.retain(|(at, _)| *at < self.calm_at);
    }

    fn partitions(&mut self, random: &mut Random) {
        let nodes = self.members.len();
        for _ in 0..random.between(0, 4) {
            let at = random.below(self.calm_at);
            let lasts =
                if random.chance(500) { random.between(1, MINUTE_MS) } else { random.between(1, 50) * MINUTE_MS };
            let side: Vec<bool> = (0..nodes).map(|_| random.chance(400)).collect();
            let one_way = random.chance(250);
            for (a, b) in pairs(nodes) {
                if side[a] && !side[b] {
                    let both = [(a, b), (b, a)];
                    for (from, to) in both.into_iter().take(if one_way { 1 } else { 2 }) {
                        self.faults.push((at, Fault::Block(from, to)));
                        self.faults.push((at + lasts, Fault::Unblock(from, to)));
                    }
                }
            }
        }
        for _ in 0..random.between(0, 6) {
            let (a, b) = (random.index(nodes), random.index(nodes));
            self.faults.push((random.below(self.calm_at), Fault::Cut(a, b)));
        }
    }

    /// Some go for good. One honest member always stays, and as many as it takes to make copies.
    fn departures(&mut self, random: &mut Random) {
        let most = self.members.len() / 3;
        for _ in 0..random.between(0, most as u64) {
            let (node, at) = (random.index(self.members.len()), random.below(self.calm_at));
            if node > 0 {
                self.faults.push((at, if random.chance(500) { Fault::Die(node) } else { Fault::Remove(node) }));
            }
        }
    }
}

/// Every two of so many, in both orders.
fn pairs(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes).flat_map(move |a| (0..nodes).filter(move |b| *b != a).map(move |b| (a, b)))
}

fn settings(random: &mut Random) -> Settings {
    let factor = *[1, 2, 2, 3, 3, 3, 3, 4, 5].get(random.index(9)).unwrap_or(&3);
    let reprovide_ms = random.between(20, 180) * MINUTE_MS;
    Settings {
        factor,
        grace_ms: if random.chance(600) { 10 * MINUTE_MS } else { random.between(1, 20) * MINUTE_MS },
        reprovide_ms,
        cleanup_ms: random.between(5, 60) * MINUTE_MS,
        provider_ttl_ms: 2 * reprovide_ms,
        concurrent: random.index(5) + 1,
        ..Settings::default()
    }
}

fn character(random: &mut Random, node: u64, calm_at: u64) -> Character {
    let late = node > 1 && random.chance(300);
    Character {
        honesty: Honesty::Honest,
        joins_at: if late { random.below(calm_at) } else { random.below(5_000) },
        offers: node == 0 || random.chance(850),
        quota_bytes: if random.chance(700) {
            QUOTA_BYTES
        } else {
            random.between(QUOTA_SMALL_BYTES.0, QUOTA_SMALL_BYTES.1)
        },
        keep_own: random.chance(150),
        rate: if random.chance(150) { random.between(30, 100) * 1_024 } else { random.between(1_000, 20_000) * 1_024 },
        skew: if random.chance(700) { 0 } else { i64::try_from(random.below(7_200_000)).unwrap_or(0) - 3_600_000 },
    }
}

/// Fewer lie than there are to be copies, so that enough proofs always have an honest one among them.
fn liars(random: &mut Random, members: &mut [Character], factor: usize) {
    let most = (factor - 1).min(members.len() / 3);
    for _ in 0..random.between(0, most as u64) {
        let node = random.index(members.len());
        if node > 0 {
            members[node].honesty =
                random.pick(&[Honesty::Boasts, Honesty::Hoards, Honesty::Corrupts]).unwrap_or(Honesty::Boasts);
        }
    }
}
