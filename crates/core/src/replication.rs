//! Copies of documents in words: who is to hold one, how many there should be, and how it stands.
//!
//! Every member computes the same order of holders for a ciphertext, from nothing but its root and the members' keys, so
//! nobody has to be asked who is responsible. A node's place is the hash of its key; its distance to a root is the
//! exclusive or of both, as in Kademlia (Maymounkov and Mazières, 2002). A member that comes or goes moves only the
//! copies in whose order it is among the first.

use std::fmt;

use crate::ids::{Hash, NodeId};

/// Copies that there should be.
pub const FACTOR: u8 = 3;
/// Most copies that a person may ask for.
pub const FACTOR_MAX: u8 = 16;
/// How long a holder may be away before it is replaced, in milliseconds.
pub const GRACE_MS: u64 = 10 * 60_000;
/// How often what is held is said again and proved anew, in milliseconds.
pub const REPROVIDE_MS: u64 = 12 * 3_600_000;
/// How often what is not needed is cleared away, in milliseconds.
pub const CLEANUP_MS: u64 = 3_600_000;
/// How long what somebody said or proved of itself is believed without being asked again, in milliseconds.
pub const PROVIDER_TTL_MS: u64 = 24 * 3_600_000;
/// How old a proof of a copy may be that another one is trimmed for, in milliseconds.
pub const PROOF_MS: u64 = 5 * 60_000;
/// Most holders that are known of one ciphertext.
pub const PROVIDERS_PER_KEY: usize = 10;
/// Most copies that one node has made at once.
pub const CONCURRENT: usize = 5;

const DOMAIN: &[u8] = b"antiphon/placement/1";

/// What a person may set about copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Copies that there should be, 1 to [`FACTOR_MAX`].
    pub factor: u8,
    /// How long a holder may be away before it is replaced, in milliseconds.
    pub grace_ms: u64,
    /// How often what is held is said again and proved anew, in milliseconds.
    pub reprovide_ms: u64,
    /// How often what is not needed is cleared away, in milliseconds.
    pub cleanup_ms: u64,
    /// How long a holder is believed without being asked again, in milliseconds.
    pub provider_ttl_ms: u64,
    /// How old a proof of a copy may be that another one is trimmed for, in milliseconds. Whoever gave the proof keeps its
    /// copy for longer than that, so all members of a team have the same.
    pub proof_ms: u64,
    /// Most holders that are known of one ciphertext.
    pub providers_per_key: usize,
    /// Whether missing copies are made without being asked for.
    pub automatic: bool,
    /// Whether what is held is said and proved again by itself.
    pub reprovide: bool,
    /// Most copies that this node has made at once.
    pub concurrent: usize,
    /// Whether this node keeps what its own agents stored even when enough others hold it.
    pub keep_own: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            factor: FACTOR,
            grace_ms: GRACE_MS,
            reprovide_ms: REPROVIDE_MS,
            cleanup_ms: CLEANUP_MS,
            provider_ttl_ms: PROVIDER_TTL_MS,
            proof_ms: PROOF_MS,
            providers_per_key: PROVIDERS_PER_KEY,
            automatic: true,
            reprovide: true,
            concurrent: CONCURRENT,
            keep_own: false,
        }
    }
}

/// How soon the copies of one ciphertext are made when several want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// After everything else, such as versions that were replaced.
    Low,
    /// As it comes.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// All, the lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The priority of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.name() == name)
    }

    /// Its number on the wire and in the database.
    pub const fn number(self) -> u8 {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
        }
    }

    /// The priority of a number.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| u64::from(priority.number()) == number)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How the copies of a ciphertext stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// Nobody is known to hold it.
    Critical,
    /// There are fewer copies than there should be.
    Degraded,
    /// There are as many copies as there should be.
    Healthy,
}

impl Health {
    /// All, the worst first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Degraded, Self::Healthy];

    /// How `actual` copies stand where `target` should be.
    pub const fn of(actual: usize, target: usize) -> Self {
        match actual {
            0 => Self::Critical,
            some if some < target => Self::Degraded,
            _ => Self::Healthy,
        }
    }

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Degraded => "degraded",
            Self::Healthy => "healthy",
        }
    }

    /// The health of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.name() == name)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a node stands in the space of roots.
pub fn place(node: &NodeId) -> Hash {
    Hash::of(&[DOMAIN, &node.0].concat())
}

/// How far a node is from a root; the smallest is the first to hold it.
pub fn distance(node: &NodeId, root: &Hash) -> [u8; 32] {
    let mut distance = place(node).0;
    for (byte, other) in distance.iter_mut().zip(root.0) {
        *byte ^= other;
    }
    distance
}

/// Nodes in the order in which they are to hold a root, the first first.
pub fn order(root: &Hash, nodes: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
    let mut nodes: Vec<([u8; 32], NodeId)> = nodes.into_iter().map(|node| (distance(&node, root), node)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.into_iter().map(|(_, node)| node).collect()
}

/// Copies that there can be: no more than members that offer room.
pub fn target(factor: u8, offering: usize) -> usize {
    usize::from(factor).min(offering)
}

/// What became of what a holder was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// How often it had what it was to have.
    pub successes: u32,
    /// How often it did not, or said something wrong.
    pub failures: u32,
}

impl History {
    /// Most that is counted before both are halved, so that what was long ago weighs less.
    const COUNTED_MAX: u32 = 64;

    /// With one more answer.
    #[must_use]
    pub const fn with(self, success: bool) -> Self {
        let Self { mut successes, mut failures } = self;
        if success {
            successes = successes.saturating_add(1)
        } else {
            failures = failures.saturating_add(1)
        }
        if successes.saturating_add(failures) > Self::COUNTED_MAX {
            successes /= 2;
            failures /= 2;
        }
        Self { successes, failures }
    }

    /// How good a holder is, from 0 to 1: the rule of succession, so that one of which nothing is known is in the middle.
    pub fn quality(self) -> f64 {
        (f64::from(self.successes) + 1.0) / (f64::from(self.successes) + f64::from(self.failures) + 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u64) -> NodeId {
        NodeId(Hash::of(&n.to_be_bytes()).0)
    }

    #[test]
    fn everybody_computes_the_same_order_and_a_newcomer_changes_nothing_else() {
        let nodes: Vec<NodeId> = (0..12).map(node).collect();
        for n in 0..200_u64 {
            let root = Hash::of(&n.to_le_bytes());
            let all = order(&root, nodes.iter().copied());
            let mut turned: Vec<NodeId> = nodes.iter().rev().copied().collect();
            turned.push(nodes[3]);
            assert_eq!(all, order(&root, turned));
            let without: Vec<NodeId> = all.iter().copied().filter(|one| *one != nodes[5]).collect();
            assert_eq!(order(&root, nodes.iter().copied().filter(|one| *one != nodes[5])), without);
        }
    }

    #[test]
    fn health_is_a_matter_of_counting() {
        assert_eq!(Health::of(3, 3), Health::Healthy);
        assert_eq!(Health::of(4, 3), Health::Healthy);
        assert_eq!(Health::of(2, 3), Health::Degraded);
        assert_eq!(Health::of(0, 3), Health::Critical);
        assert_eq!(Health::of(0, 0), Health::Critical, "what nobody holds is lost, whoever should hold it");
        assert_eq!(target(3, 5), 3);
        assert_eq!(target(3, 2), 2);
    }

    #[test]
    fn quality_follows_what_happened_lately() {
        let none = History::default();
        assert!((none.quality() - 0.5).abs() < f64::EPSILON);
        let good = (0..100).fold(none, |history, _| history.with(true));
        let fallen = (0..40).fold(good, |history, _| history.with(false));
        assert!(good.quality() > 0.9 && fallen.quality() < 0.6, "{} {}", good.quality(), fallen.quality());
        assert!(good.successes <= History::COUNTED_MAX);
    }

    #[test]
    fn names_and_numbers_read_back() {
        for priority in Priority::ALL {
            assert_eq!(Priority::from_name(priority.name()), Some(priority));
            assert_eq!(Priority::from_number(u64::from(priority.number())), Some(priority));
        }
        for health in Health::ALL {
            assert_eq!(Health::from_name(health.name()), Some(health));
        }
    }
}
