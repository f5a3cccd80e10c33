//! Forks: proof that a key signed two branches of one log.

use super::{Event, Reason, Verified};
use crate::ids::StoreId;
use crate::log::LogId;

/// Two verified events of one log with one sequence number: evidence of equivocation that anybody can check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    lower: Event<Verified>,
    higher: Event<Verified>,
}

/// Why two events are not a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAFork {
    /// They stand at different places.
    #[error("the events stand at different places")]
    OtherPlace,
    /// They are the same event.
    #[error("the events are the same")]
    Same,
    /// One is not authentic.
    #[error("one event is not authentic: {0}")]
    NotAuthentic(Reason),
}

impl Fork {
    /// Takes two events as evidence; the order in which they are given does not matter.
    ///
    /// # Errors
    /// [`NotAFork`] when they do not contradict each other.
    pub fn new(a: Event<Verified>, b: Event<Verified>) -> Result<Self, NotAFork> {
        if a.log() != b.log() || a.header().seq != b.header().seq || a.header().team != b.header().team {
            return Err(NotAFork::OtherPlace);
        }
        match a.hash().cmp(&b.hash()) {
            std::cmp::Ordering::Equal => Err(NotAFork::Same),
            std::cmp::Ordering::Less => Ok(Self { lower: a, higher: b }),
            std::cmp::Ordering::Greater => Ok(Self { lower: b, higher: a }),
        }
    }

    /// The log that forked.
    pub fn log(&self) -> LogId {
        self.lower.log()
    }

    /// The store that forked.
    pub fn store(&self) -> StoreId {
        self.lower.header().store
    }

    /// The first sequence number from which on the log is quarantined.
    pub fn seq(&self) -> u64 {
        self.lower.header().seq
    }

    /// Both events, the one with the lower hash first.
    pub fn sides(&self) -> [&Event<Verified>; 2] {
        [&self.lower, &self.higher]
    }
}
