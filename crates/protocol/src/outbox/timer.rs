//! When a conversation must be woken because nothing was heard.

use antiphon_core::time::UnixMillis;

/// One deadline that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timer {
    /// When something last happened.
    moved_at: UnixMillis,
    /// What was last asked for.
    asked: Option<UnixMillis>,
    /// The latest time that was seen.
    seen: UnixMillis,
}

impl Timer {
    pub(super) const fn new(now: UnixMillis) -> Self {
        Self { moved_at: now, asked: None, seen: now }
    }

    /// Time is `now`. When the wall clock was set back, the deadline goes back with it.
    pub(super) fn tick(&mut self, now: UnixMillis) {
        let back = self.seen.since(now);
        if back > 0 {
            self.moved_at.0 = self.moved_at.0.saturating_sub(back);
            self.asked = None;
        }
        self.seen = now;
    }

    /// Something happened.
    pub(super) fn moved(&mut self, now: UnixMillis) {
        self.moved_at = self.moved_at.max(now);
    }

    /// Whether nothing happened for so long.
    pub(super) fn is_over(&self, millis: u64, now: UnixMillis) -> bool {
        now >= self.moved_at.after(millis)
    }

    /// A wake came: the one that was asked for is used up.
    pub(super) const fn woken(&mut self) {
        self.asked = None;
    }

    /// When to be woken if nothing may happen for so long, unless an earlier wake was asked for already. The deadline
    /// moves with everything that happens, and waking early is harmless.
    pub(super) fn next(&mut self, millis: u64) -> Option<UnixMillis> {
        let at = self.moved_at.after(millis);
        match self.asked {
            Some(asked) if asked <= at => None,
            _ => {
                self.asked = Some(at);
                Some(at)
            }
        }
    }
}
