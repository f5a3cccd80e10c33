//! What is left out of a world that its seed says, so that a failing one can be made smaller and still be replayed.

use std::fmt;

use crate::swarm::{Feature, Swarm};

/// Most things of one kind that can be left out.
pub(crate) const PLACES_MAX: usize = 256;

/// A kind of things of which a plan has many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Faults from outside; what begins and ends one counts once.
    Fault,
    /// Somebody writes.
    Write,
    /// Somebody hands something in for others.
    Hand,
    /// A steward does something of its own accord.
    Act,
    /// Somebody seals something.
    Seal,
    /// A member is removed.
    Removal,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Fault, Self::Write, Self::Hand, Self::Act, Self::Seal, Self::Removal];

    const fn letter(self) -> char {
        match self {
            Self::Fault => 'f',
            Self::Write => 'w',
            Self::Hand => 'h',
            Self::Act => 'a',
            Self::Seal => 's',
            Self::Removal => 'r',
        }
    }
}

/// What is left out of a plan, a bit for each place of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped([[u64; PLACES_MAX / 64]; Kind::ALL.len()]);

/// See the module. Without anything in it a world is as its seed says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trim {
    /// Features that are off.
    pub off: Swarm,
    /// Members that there are at most; 0 for all.
    pub nodes: usize,
    /// When everything heals at the latest, in milliseconds; 0 for when the seed says.
    pub calm_ms: u64,
    /// Changes what happens by chance while a world runs, and not what its seed plans.
    pub salt: u64,
    /// What is left out of each kind, by its place in the plan.
    pub dropped: Dropped,
}

impl Trim {
    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a thing of the plan is left out.
    pub fn drops(&self, kind: Kind, place: usize) -> bool {
        self.dropped.0[kind as usize].get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    /// Leaves a thing out; what stands too far back cannot be.
    pub fn drop(&mut self, kind: Kind, place: usize) {
        if let Some(word) = self.dropped.0[kind as usize].get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// What is left of things of a kind.
    pub(crate) fn keep<T: Clone>(&self, kind: Kind, things: &[T]) -> Vec<T> {
        let kept = things.iter().enumerate().filter(|(place, _)| !self.drops(kind, *place));
        kept.map(|(_, thing)| thing.clone()).collect()
    }

    /// Reads what [`Trim::says_dropped`] writes.
    ///
    /// # Errors
    /// When something is not of the form `f3` or `w5-9`.
    pub fn drop_all(&mut self, text: &str) -> Result<(), String> {
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let wrong = || format!("{part} is not of the form f3 or w5-9");
            let kind = Kind::ALL.into_iter().find(|kind| part.starts_with(kind.letter())).ok_or_else(wrong)?;
            let (first, last) = part[1..].split_once('-').unwrap_or((&part[1..], &part[1..]));
            let number = |text: &str| text.parse::<usize>().ok().filter(|place| *place < PLACES_MAX);
            let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
            (first..=last).for_each(|place| self.drop(kind, place));
        }
        Ok(())
    }

    /// What is left out, as short as it can be said.
    pub fn says_dropped(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for kind in Kind::ALL {
            let mut place = 0;
            while place < PLACES_MAX {
                let first = place;
                while self.drops(kind, place) {
                    place += 1;
                }
                match place - first {
                    0 => place += 1,
                    1 => parts.push(format!("{}{first}", kind.letter())),
                    _ => parts.push(format!("{}{first}-{}", kind.letter(), place - 1)),
                }
            }
        }
        parts.join(",")
    }

    /// Whether a feature is off.
    pub fn is_off(&self, feature: Feature) -> bool {
        self.off.has(feature)
    }
}

/// As the command line says it, with a space before each.
impl fmt::Display for Trim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.off.is_empty() {
            write!(f, " --without {}", self.off)?;
        }
        for (name, value) in [("nodes", self.nodes as u64), ("calm", self.calm_ms), ("salt", self.salt)] {
            if value > 0 {
                write!(f, " --{name} {value}")?;
            }
        }
        let dropped = self.says_dropped();
        if dropped.is_empty() { Ok(()) } else { write!(f, " --drop {dropped}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_read_as_it_is_written() {
        let mut trim = Trim::default();
        assert!(trim.is_empty() && trim.says_dropped().is_empty());
        for text in ["f0", "f0-3,f7,w255,h10-20,r1", "a63-64,s0"] {
            let mut read = Trim::default();
            read.drop_all(text).unwrap();
            assert_eq!(read.says_dropped(), text);
            assert_eq!(
                read.keep(Kind::Fault, &[1, 2]).len(),
                if text.starts_with("f0") { usize::from(text == "f0") } else { 2 }
            );
        }
        for wrong in ["x1", "f", "f256", "w-3"] {
            assert!(trim.drop_all(wrong).is_err(), "{wrong}");
        }
    }
}
