//! What a seed says about documents: whether there are any, what is set about copies, and what happens to disks.

use antiphon_core::replication::Settings;

use crate::plan::Plan as WorldPlan;
use crate::random::Random;

/// Worlds in which documents are stored, in permille of those in which roles have keys.
const WORLDS: u64 = 600;
/// Room that is enough for all documents of a world, in bytes.
const ENOUGH_BYTES: u64 = 1 << 30;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    /// What each member keeps for others at first, in bytes.
    pub(super) quotas: Vec<u64>,
    /// Which members offer room at first.
    pub(super) offers: Vec<bool>,
    /// How long a ciphertext stays whose event may still come, in milliseconds.
    pub(super) garbage_age_ms: u64,
    pub(super) acts: Vec<(u64, Act)>,
}

/// Something that happens to documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Somebody reads one.
    Get(usize),
    /// A block of some document is another one on a disk.
    Damage(usize),
    /// The file of some document is gone from a disk.
    Lose(usize),
    /// A member keeps so many bytes for others from now on.
    Quota(usize, u64),
    /// A member offers room from now on, or does not.
    Offer(usize, bool),
    /// The stranger asks for blocks.
    Stranger,
    /// The liar offers what it has not.
    Boast,
}

impl Plan {
    /// The plan of a seed; `None` for a world without documents.
    pub(super) fn draw(random: &mut Random, world: &WorldPlan) -> Option<Self> {
        if !random.chance(WORLDS) {
            return None;
        }
        let liar = world.equivocator.is_some();
        let settings = Settings {
            // Fewer lie than there are to be copies.
            factor: u8::try_from(random.between(if liar { 2 } else { 1 }, 3)).unwrap_or(2),
            grace_ms: random.between(5_000, 40_000),
            reprovide_ms: random.between(60_000, 180_000),
            cleanup_ms: random.between(10_000, 40_000),
            provider_ttl_ms: random.between(300_000, 600_000),
            proof_ms: random.between(10_000, 40_000),
            concurrent: usize::try_from(random.between(1, 4)).unwrap_or(1),
            keep_own: random.chance(300),
            ..Settings::default()
        };
        let (nodes, calm_at) = (world.nodes, world.calm_at);
        let small = |random: &mut Random| random.between(1_000, 600_000);
        let quotas = (0..nodes).map(|_| if random.chance(250) { small(random) } else { ENOUGH_BYTES }).collect();
        let offers = (0..nodes).map(|_| random.chance(900)).collect();
        let mut plan = Self { settings, quotas, offers, garbage_age_ms: random.between(5_000, 60_000), acts: vec![] };
        let mut act = |random: &mut Random, act: Act| plan.acts.push((random.below(calm_at), act));
        for _ in 0..random.between(4, 16) {
            let node = random.index(nodes);
            act(random, Act::Get(node));
        }
        for _ in 0..random.below(4) {
            let node = random.index(nodes);
            let lost = random.chance(300);
            act(random, if lost { Act::Lose(node) } else { Act::Damage(node) });
        }
        for _ in 0..random.below(3) {
            let node = random.index(nodes);
            let bytes = if random.chance(500) { small(random) } else { ENOUGH_BYTES };
            act(random, Act::Quota(node, bytes));
        }
        if random.chance(300) {
            let node = random.index(nodes);
            act(random, Act::Offer(node, false));
            act(random, Act::Offer(node, true));
        }
        for _ in 0..if world.stranger { random.between(2, 6) } else { 0 } {
            act(random, Act::Stranger);
        }
        for _ in 0..if liar { random.between(2, 6) } else { 0 } {
            act(random, Act::Boast);
        }
        Some(plan)
    }
}
