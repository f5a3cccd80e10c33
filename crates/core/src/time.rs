//! Time as it is given to us: wall-clock milliseconds and the hybrid logical clock.
//!
//! Nothing here reads a clock. The hybrid logical clock (Kulkarni et al., 2014) packs 48 bits of milliseconds and a
//! 16-bit counter into one integer that orders a node's own events even when its wall clock goes back. It breaks
//! ties between concurrent edits; it never decides whether an event counts.

use std::fmt;

/// Farthest a received clock may be ahead of the local one and still move it: five minutes, in milliseconds.
pub const HLC_AHEAD_MAX_MS: u64 = 5 * 60 * 1_000;

/// Largest time that fits 48 bits: the year 10889.
pub const HLC_MILLIS_MAX: u64 = (1 << 48) - 1;

/// The beginning of 2025. A wall clock before it was never set: it says nothing about where the own clock should be.
const WALL_BELIEVED_FROM: UnixMillis = UnixMillis(1_735_689_600_000);

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The time `millis` later, or the end of time.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`, or 0 if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A hybrid logical clock value: milliseconds in the upper 48 bits, a counter in the lower 16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The wall-clock part.
    pub const fn time(self) -> UnixMillis {
        UnixMillis(self.0 >> 16)
    }

    /// The next value after `self` at wall time `now`: strictly greater than `self`, but for a clock that ran too far
    /// ahead and was set right. It follows the wall, or everybody would take all that this node ever writes for events
    /// from the future. Nothing is lost by it: own events have seen each other, so the clock decides nothing among them.
    #[must_use]
    pub const fn tick(self, now: UnixMillis) -> Self {
        let millis = if now.0 > HLC_MILLIS_MAX { HLC_MILLIS_MAX } else { now.0 };
        let wall = Self(millis << 16);
        let astray = self.time().since(now) > HLC_AHEAD_MAX_MS && now.0 >= WALL_BELIEVED_FROM.0;
        if wall.0 > self.0 || astray { wall } else { Self(self.0.saturating_add(1)) }
    }

    /// `self` after a received event with clock `other`, unless that is too far in the future.
    pub fn observe(self, other: Self, now: UnixMillis) -> Observed {
        let ahead = other.time().since(now);
        if ahead > HLC_AHEAD_MAX_MS { Observed::Ahead { by_ms: ahead } } else { Observed::Moved(self.max(other)) }
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hlc({}+{})", self.0 >> 16, self.0 & 0xffff)
    }
}

/// What a received clock did to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Observed {
    /// Our clock is now at least this.
    Moved(Hlc),
    /// The event is applied and marked, and our clock stays where it is.
    Ahead {
        /// How far the event is ahead of the wall clock.
        by_ms: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_grows_when_the_wall_goes_back() {
        let first = Hlc::default().tick(UnixMillis(10));
        let second = first.tick(UnixMillis(5));
        assert!(second > first);
        assert_eq!(second.time(), UnixMillis(10));
        assert!(Hlc(u64::MAX).tick(UnixMillis(u64::MAX)) == Hlc(u64::MAX));
    }

    #[test]
    fn a_clock_that_was_set_right_is_followed_back() {
        let (right, unset) = (UnixMillis(1_760_000_000_000), UnixMillis(0));
        let astray = Hlc::default().tick(UnixMillis(4_102_444_800_000));
        assert_eq!(astray.tick(right).time(), right);
        // A machine that starts without knowing the time does not go back to 1970.
        assert!(astray.tick(unset) > astray);
        let ahead = Hlc::default().tick(right.after(HLC_AHEAD_MAX_MS));
        assert!(ahead.tick(right) > ahead);
    }

    #[test]
    fn an_event_of_the_year_2100_does_not_move_us() {
        let now = UnixMillis(1_700_000_000_000);
        let future = Hlc::default().tick(UnixMillis(4_102_444_800_000));
        assert!(matches!(Hlc::default().tick(now).observe(future, now), Observed::Ahead { .. }));
    }
}
