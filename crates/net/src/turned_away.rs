//! What the network turned away or cut off, counted.
//!
//! Whoever floods a node is turned away below everything that has a name in the audit: before there is a peer, or
//! before its bytes are a message. Each such end is counted here by what it was, so that a person sees that something
//! presses on the node although nothing else shows it. A count is one number, so being turned away costs no memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TurnedAway {
    /// A connection beyond a limit: of those that are negotiated, of all inbound ones, or of one peer's.
    Connection,
    /// A connection that never proved a key: it was too slow, broke off, or spoke something else.
    Unproven,
    /// A connection of a stranger whose time was up, see [`crate::Config::stranger_deadline`].
    LateStranger,
    /// The oldest connection of a stranger, since there were too many, see [`crate::Config::strangers_max`].
    CrowdedStranger,
    /// A stranger's request beyond [`crate::STRANGER_REQUESTS_MAX`].
    StrangerRequest,
    /// A member's stream beyond what it may hold open of one kind.
    Stream,
    /// A frame longer than its kind allows; the stream ended with it.
    Frame,
    /// A report that nobody read in time, see [`crate::EVENTS_HELD_MAX`].
    Report,
    /// More names than multicast DNS may remember; it is off since.
    Names,
}

impl TurnedAway {
    /// Every one, in the order in which they are counted.
    pub const ALL: [Self; 9] = [
        Self::Connection,
        Self::Unproven,
        Self::LateStranger,
        Self::CrowdedStranger,
        Self::StrangerRequest,
        Self::Stream,
        Self::Frame,
        Self::Report,
        Self::Names,
    ];

    /// The stable name, as metrics show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Unproven => "unproven_connection",
            Self::LateStranger => "late_stranger",
            Self::CrowdedStranger => "crowded_stranger",
            Self::StrangerRequest => "stranger_request",
            Self::Stream => "stream",
            Self::Frame => "frame",
            Self::Report => "report",
            Self::Names => "names",
        }
    }
}

/// How often what was turned away since the start of this process.
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; TurnedAway::ALL.len()]);

impl Tally {
    /// One more.
    pub(crate) fn count(&self, what: TurnedAway) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often.
    pub fn of(&self, what: TurnedAway) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_in_its_own_place_under_its_own_name() {
        let tally = Tally::default();
        for (at, what) in TurnedAway::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, at);
            (0..=at).for_each(|_| tally.count(what));
        }
        let counts: Vec<u64> = TurnedAway::ALL.into_iter().map(|what| tally.of(what)).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let names: std::collections::BTreeSet<_> = TurnedAway::ALL.into_iter().map(TurnedAway::name).collect();
        assert_eq!(names.len(), TurnedAway::ALL.len());
    }
}
