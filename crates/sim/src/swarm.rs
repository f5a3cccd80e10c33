//! Swarm testing: every seed draws which faults and features its world has at all (Groce, Zhang, Eide, Chen and Regehr,
//! *Swarm Testing*, ISSTA 2012).
//!
//! A world that has a little of everything seldom gets far into anything: its clocks jump before an outbox fills, and
//! disks are replaced before two partitions meet. Where half of it is off, what is left happens more, and to each other.
//! So a coin is thrown for each feature, and over a run it is counted which of them met in one world.
//!
//! Some do not go together: what a member with two branches of its charter means has its own rules and its own tests.

use std::fmt;

use crate::exercised::Class;
use crate::random::Random;
use crate::world::Summary;

/// Sets this stream apart from the others of a seed.
const STREAM: u64 = 0x7377_6172_6d73_2121;
/// Of so many worlds every feature must have met somebody.
pub const FEATURES_WORLDS: u64 = 200;
/// Of so many worlds every two of them that go together must have met in one.
pub const MEETINGS_WORLDS: u64 = 1_000;

/// A kind of fault, or of what people and nodes do, that a world has or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Requests and answers are lost.
    Loss,
    /// Frames of a stream are lost.
    LostFrames,
    /// Frames of a stream come twice.
    DoubledFrames,
    /// Frames of a stream overtake others.
    OvertakenFrames,
    /// Messages take their time.
    Delay,
    /// Partitions of one direction.
    OneWay,
    /// Partitions of both directions.
    TwoWay,
    /// Connections break, and members say goodbye.
    BrokenLinks,
    /// Members reach their neighbours only.
    Line,
    /// Processes are killed.
    Killed,
    /// Machines go dark.
    Dark,
    /// Processes are killed in a write.
    Torn,
    /// Processes are killed between a commit and the answer.
    Untold,
    /// Disks are full for a while.
    FullDisk,
    /// A disk is replaced by an older copy.
    OlderDisk,
    /// A disk is lost with all that was on it, and its member comes back.
    LostDisk,
    /// Clocks are off by up to ten years.
    Skew,
    /// Clocks are set, far ahead and back.
    SetClock,
    /// Members only send, or only take, or pause a peer.
    Modes,
    /// Some peers get some domains only.
    Domains,
    /// Facts are forgotten for good.
    Erasures,
    /// Shared facts are made private again.
    Lowered,
    /// Somebody imports a lot at once.
    Burst,
    /// Members bring facts from a team of their own.
    Movers,
    /// Somebody of another team tries to get in.
    Stranger,
    /// Members are removed.
    Removal,
    /// A member is removed while a partition keeps it from hearing of that.
    RemovedApart,
    /// A member signs two branches of its log.
    Equivocator,
    /// Several stewards, role keys and genes.
    Stewards,
    /// The key of a steward is stolen, or the steward turns.
    Thief,
    /// Documents are stored and taken away.
    Documents,
    /// Members put things down for each other.
    Outbox,
    /// Members keep sealed copies for each other.
    Backups,
    /// Some of those that keep copies lie.
    BadHolders,
}

impl Feature {
    /// Every one.
    pub const ALL: [Self; 34] = [
        Self::Loss,
        Self::LostFrames,
        Self::DoubledFrames,
        Self::OvertakenFrames,
        Self::Delay,
        Self::OneWay,
        Self::TwoWay,
        Self::BrokenLinks,
        Self::Line,
        Self::Killed,
        Self::Dark,
        Self::Torn,
        Self::Untold,
        Self::FullDisk,
        Self::OlderDisk,
        Self::LostDisk,
        Self::Skew,
        Self::SetClock,
        Self::Modes,
        Self::Domains,
        Self::Erasures,
        Self::Lowered,
        Self::Burst,
        Self::Movers,
        Self::Stranger,
        Self::Removal,
        Self::RemovedApart,
        Self::Equivocator,
        Self::Stewards,
        Self::Thief,
        Self::Documents,
        Self::Outbox,
        Self::Backups,
        Self::BadHolders,
    ];

    /// Those of which one rules the other out: with several stewards anybody may come to sign the charter, and of a
    /// charter with two branches other things hold; a steward in the middle of a line may be removed; and a steward whose
    /// disk is lost with its invitations leaves those out who hold its tickets.
    const APART: [(Self, Self); 10] = [
        (Self::Stewards, Self::Equivocator),
        (Self::Stewards, Self::OlderDisk),
        (Self::Stewards, Self::Line),
        (Self::Thief, Self::Equivocator),
        (Self::Thief, Self::OlderDisk),
        (Self::Thief, Self::Line),
        (Self::Stewards, Self::LostDisk),
        (Self::Thief, Self::LostDisk),
        (Self::Stewards, Self::BadHolders),
        (Self::Thief, Self::BadHolders),
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::LostFrames => "lost-frames",
            Self::DoubledFrames => "doubled-frames",
            Self::OvertakenFrames => "overtaken-frames",
            Self::Delay => "delay",
            Self::OneWay => "one-way",
            Self::TwoWay => "two-way",
            Self::BrokenLinks => "broken-links",
            Self::Line => "line",
            Self::Killed => "killed",
            Self::Dark => "dark",
            Self::Torn => "torn",
            Self::Untold => "untold",
            Self::FullDisk => "full-disk",
            Self::OlderDisk => "older-disk",
            Self::LostDisk => "lost-disk",
            Self::Skew => "skew",
            Self::SetClock => "set-clock",
            Self::Modes => "modes",
            Self::Domains => "domains",
            Self::Erasures => "erasures",
            Self::Lowered => "lowered",
            Self::Burst => "burst",
            Self::Movers => "movers",
            Self::Stranger => "stranger",
            Self::Removal => "removal",
            Self::RemovedApart => "removed-apart",
            Self::Equivocator => "equivocator",
            Self::Stewards => "stewards",
            Self::Thief => "thief",
            Self::Documents => "documents",
            Self::Outbox => "outbox",
            Self::Backups => "backups",
            Self::BadHolders => "bad-holders",
        }
    }

    /// The feature of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }

    /// How often a world has it, in permille. What leaves the least room for everything else is rarer.
    const fn chance(self) -> u64 {
        match self {
            Self::Burst => 100,
            Self::Line | Self::Equivocator | Self::OlderDisk | Self::Stewards => 400,
            Self::Thief | Self::Loss | Self::Outbox => 600,
            Self::Backups | Self::BadHolders => 700,
            _ => 500,
        }
    }

    /// What shows that it met somebody; where nothing does, it always has.
    const fn class(self) -> Option<Class> {
        Some(match self {
            Self::Loss | Self::LostFrames | Self::DoubledFrames | Self::OvertakenFrames => Class::Hurt,
            Self::OneWay => Class::OneWay,
            Self::TwoWay => Class::TwoWay,
            Self::Line => Class::NoLink,
            Self::Killed => Class::Killed,
            Self::Dark => Class::Dark,
            Self::Torn => Class::Torn,
            Self::Untold => Class::Untold,
            Self::FullDisk => Class::FullDisk,
            Self::OlderDisk => Class::OlderDisk,
            Self::LostDisk => Class::DiskLost,
            Self::Domains => Class::Withheld,
            Self::Erasures => Class::Erased,
            Self::Stranger | Self::Thief => Class::Attempt,
            Self::RemovedApart => Class::RemovedApart,
            Self::Equivocator => Class::Equivocation,
            Self::Documents => Class::Stored,
            Self::Outbox => Class::ItemPut,
            Self::Backups => Class::PartKept,
            Self::BadHolders => Class::PartSpoiled,
            _ => return None,
        })
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The features of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swarm(u64);

impl Swarm {
    /// The features that a seed draws; of two that do not go together one gives way.
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed ^ STREAM);
        let mut swarm = Self::default();
        for feature in Feature::ALL {
            if random.chance(feature.chance()) {
                swarm.insert(feature);
            }
        }
        for (one, other) in Feature::APART {
            // What needs something that goes is settled below.
            if other != Feature::BadHolders && swarm.has(one) && swarm.has(other) {
                let goes = if one == Feature::Thief || random.chance(300) { one } else { other };
                swarm = swarm.without(goes);
            }
        }
        // Nobody steals a steward's key where there is one steward, and nobody gives a wrong part where none is asked for.
        let needs = [
            (Feature::Thief, Feature::Stewards),
            (Feature::BadHolders, Feature::Backups),
            (Feature::BadHolders, Feature::LostDisk),
        ];
        for (needs, needed) in needs {
            if !swarm.has(needed) {
                swarm = swarm.without(needs);
            }
        }
        swarm
    }

    /// Whether a world has a feature.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }

    /// With one more.
    pub fn insert(&mut self, feature: Feature) {
        self.0 |= feature.bit();
    }

    /// Without one.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !feature.bit())
    }

    /// Without those of another one.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// How many there are.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Every one of them.
    pub fn features(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |feature| self.has(*feature))
    }

    /// Reads names with commas between them.
    ///
    /// # Errors
    /// With all names, when one is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut swarm = Self::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            let all = || Feature::ALL.map(Feature::name).join(", ");
            swarm.insert(Feature::named(name).ok_or_else(|| format!("there is no {name}; there are {}", all()))?);
        }
        Ok(swarm)
    }
}

impl fmt::Display for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.features().map(Feature::name).collect();
        f.pad(&names.join(","))
    }
}

/// In how many worlds which features were drawn, and met somebody, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    drawn: Vec<u64>,
    met: Vec<u64>,
    worlds: u64,
}

impl Default for Coverage {
    fn default() -> Self {
        let none = vec![0; Feature::ALL.len() * Feature::ALL.len()];
        Self { drawn: none.clone(), met: none, worlds: 0 }
    }
}

impl Coverage {
    /// Counts a world; one whose features were not drawn is left out.
    pub fn add(&mut self, world: &Summary) {
        let Some(swarm) = world.swarm else { return };
        self.worlds += 1;
        let met = |feature: Feature| feature.class().is_none_or(|class| world.exercised.count(class) > 0);
        for one in swarm.features() {
            for other in swarm.features() {
                let at = place(one, other);
                self.drawn[at] += 1;
                self.met[at] += u64::from(met(one) && met(other));
            }
        }
    }

    /// Worlds that were counted.
    pub fn worlds(&self) -> u64 {
        self.worlds
    }

    /// Worlds in which a feature was drawn, and in which it met somebody.
    pub fn count(&self, feature: Feature) -> (u64, u64) {
        let at = place(feature, feature);
        (self.drawn[at], self.met[at])
    }

    /// The two that met in the fewest worlds, and in how many.
    pub fn rarest(&self) -> Option<(Feature, Feature, u64)> {
        let met = pairs().map(|(one, other)| (one, other, self.met[place(one, other)]));
        met.min_by_key(|(_, _, worlds)| *worlds)
    }

    /// How many two could meet.
    pub fn pairs(&self) -> usize {
        pairs().count()
    }

    /// What never happened in so many worlds in which it should have, in words.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.worlds >= FEATURES_WORLDS {
            let never = |feature: &Feature| self.count(*feature).1 == 0;
            missing.extend(Feature::ALL.into_iter().filter(never).map(|feature| feature.to_string()));
        }
        for (one, other) in pairs() {
            let at = place(one, other);
            if self.worlds >= MEETINGS_WORLDS && self.met[at] == 0 {
                missing.push(format!("{one} together with {other}"));
            }
        }
        missing
    }
}

fn place(one: Feature, other: Feature) -> usize {
    one as usize * Feature::ALL.len() + other as usize
}

/// Every two that go together.
fn pairs() -> impl Iterator<Item = (Feature, Feature)> {
    let apart =
        |one: Feature, other: Feature| Feature::APART.iter().any(|pair| [(one, other), (other, one)].contains(pair));
    let two = Feature::ALL.into_iter().flat_map(|one| Feature::ALL.into_iter().map(move |other| (one, other)));
    two.filter(move |(one, other)| one < other && !apart(*one, *other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_and_every_two_are_drawn_and_some_are_not() {
        let swarms: Vec<Swarm> = (0..MEETINGS_WORLDS).map(Swarm::draw).collect();
        for (one, other) in pairs() {
            assert!(swarms.iter().any(|swarm| swarm.has(one) && swarm.has(other)), "{one} and {other}");
            assert!(swarms.iter().any(|swarm| !swarm.has(one)), "{one}");
        }
        for (one, other) in Feature::APART {
            assert!(!swarms.iter().any(|swarm| swarm.has(one) && swarm.has(other)), "{one} and {other}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for seed in 0..50 {
            let swarm = Swarm::draw(seed);
            assert_eq!(Swarm::parse(&swarm.to_string()), Ok(swarm));
        }
        assert!(Swarm::parse("loss,weather").is_err());
    }
}
