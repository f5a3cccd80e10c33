//! How much a peer may say beside events.
//!
//! A clock names every log and a digest is answered by hashing them all, so whoever sends one after the other keeps the
//! event loop from everybody else for next to nothing. Members compare clocks twice a minute and whenever the charter
//! or a mode changes; one that says much more than that is no member's program.

use antiphon_core::time::UnixMillis;

use super::{COMPARE_EVERY_MS, Closed};

/// Most clocks, digests and messages of unknown kinds that a peer may send in [`TALKS_EVERY_MS`].
pub const TALKS_MAX: u32 = 256;
/// Time after which they are counted anew, in milliseconds.
pub const TALKS_EVERY_MS: u64 = COMPARE_EVERY_MS / 2;

/// Counts what a peer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Talk {
    since: UnixMillis,
    count: u32,
}

impl Talk {
    pub(super) fn new(now: UnixMillis) -> Self {
        Self { since: now, count: 0 }
    }

    /// The peer said something.
    pub(super) fn said(&mut self, now: UnixMillis) -> Result<(), Closed> {
        // A clock that was set back begins anew and holds nothing against anybody.
        if now < self.since || now.since(self.since) >= TALKS_EVERY_MS {
            *self = Self::new(now);
        }
        self.count += 1;
        if self.count > TALKS_MAX { Err(Closed::Violation("more talk than members have")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_talks_without_end_is_cut_off_and_one_that_talks_for_days_is_not() {
        let mut talk = Talk::new(UnixMillis(0));
        assert_eq!((0..1_000).filter(|_| talk.said(UnixMillis(1)).is_ok()).count(), 256);
        assert_eq!(talk.said(UnixMillis(TALKS_EVERY_MS)), Ok(()));
        let mut talk = Talk::new(UnixMillis(0));
        assert!((0..100_000).all(|n| talk.said(UnixMillis(n * TALKS_EVERY_MS / 256)).is_ok()));
        // The wall clock goes back by hours.
        assert!((0..256).all(|_| talk.said(UnixMillis(5)).is_ok()));
    }
}
