//! When a session must be woken.

use antiphon_core::time::UnixMillis;

use super::{COMPARE_EVERY_MS, COMPARE_JITTER_MS, IDLE_MS, STALL_MS};

/// The deadlines of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timer {
    /// State of the jitter.
    seed: u64,
    /// When clocks are compared next.
    compare_at: UnixMillis,
    /// When the peer last said anything.
    heard_at: UnixMillis,
    /// When what is under way last made progress.
    moved_at: UnixMillis,
    /// What was last asked for.
    asked: Option<UnixMillis>,
    /// The latest time that was seen.
    seen: UnixMillis,
}

impl Timer {
    pub(super) fn new(seed: u64, now: UnixMillis) -> Self {
        let mut timer = Self { seed, compare_at: now, heard_at: now, moved_at: now, asked: None, seen: now };
        timer.compared(now);
        timer
    }

    /// Time is `now`. When the wall clock was set back, the deadlines go back with it.
    pub(super) fn tick(&mut self, now: UnixMillis) {
        let back = self.seen.since(now);
        if back > 0 {
            for deadline in [&mut self.compare_at, &mut self.heard_at, &mut self.moved_at] {
                deadline.0 = deadline.0.saturating_sub(back);
            }
            self.asked = None;
        }
        self.seen = now;
    }

    /// The peer said something.
    pub(super) fn heard(&mut self, now: UnixMillis) {
        self.heard_at = self.heard_at.max(now);
    }

    /// Something under way made progress.
    pub(super) fn moved(&mut self, now: UnixMillis) {
        self.moved_at = self.moved_at.max(now);
    }

    /// Clocks were compared; they are again after a while.
    pub(super) fn compared(&mut self, now: UnixMillis) {
        self.compare_at = now.after(COMPARE_EVERY_MS).after(self.jitter());
    }

    pub(super) fn must_compare(&self, now: UnixMillis) -> bool {
        now >= self.compare_at
    }

    pub(super) fn is_idle(&self, now: UnixMillis) -> bool {
        now >= self.heard_at.after(IDLE_MS)
    }

    /// Whether what is under way counts as lost.
    pub(super) fn is_stalled(&self, now: UnixMillis) -> bool {
        now >= self.moved_at.after(STALL_MS)
    }

    /// The next time to be woken at, if it is another one than was asked for last. At `due` something else is.
    pub(super) fn next(&mut self, under_way: bool, due: Option<UnixMillis>) -> Option<UnixMillis> {
        let mut at = self.compare_at.min(self.heard_at.after(IDLE_MS)).min(due.unwrap_or(UnixMillis(u64::MAX)));
        if under_way {
            at = at.min(self.moved_at.after(STALL_MS));
        }
        // Deadlines move with every message; waking early is harmless, so only an earlier or a passed one is asked.
        match self.asked {
            Some(asked) if asked <= at => None,
            _ => {
                self.asked = Some(at);
                Some(at)
            }
        }
    }

    /// A wake came: the one that was asked for is used up.
    pub(super) fn woken(&mut self) {
        self.asked = None;
    }

    /// A pseudo-random part of [`COMPARE_JITTER_MS`] (splitmix64).
    fn jitter(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % (COMPARE_JITTER_MS + 1)
    }
}
