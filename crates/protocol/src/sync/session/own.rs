//! Logs of this node's own key that contradict what the peer holds.
//!
//! Only a machine that came back with an older copy of its disk finds such a thing, and it gives way: it must see the
//! peer's branch, and as long as nobody was sent an event of its own one nobody shall be, because that could not be
//! undone. So where another log's branch would be shown, the place where the branches part is named, and the peer
//! shows what it holds.

use antiphon_core::log::{LogId, Stream};

use super::Open;
use crate::sync::forks::Step;

impl Open {
    /// Whether this node's key signs the log, and what stands in it could be written again.
    pub(super) fn is_own(&self, log: &LogId) -> bool {
        log.stream == Stream::Shared && self.inbox.is_of(log, &self.own)
    }

    /// What to do instead of showing our branch of a log, if it must not be shown. Once a fork is proved there is
    /// nothing to keep back.
    pub(super) fn instead_of_showing(&mut self, log: LogId, after: u64) -> Option<Step> {
        let keeps = self.is_own(&log) && !self.forks.proved().contains_key(&log);
        if keeps { self.forks.name_parting(log, after) } else { Some(Step::Show(after)) }
    }

    /// Both sides hold the proof of a fork of an own log. What else the peer holds of it must still be seen, also where
    /// it holds so much more that nothing is found to differ here: of a log with branches it sends no pages.
    pub(super) fn ask_for_branch(&mut self, log: LogId) -> Option<Step> {
        let differs = self.forked.contains(&log) || self.missing.contains(&log);
        let due = self.is_own(&log) && differs;
        if due { self.forks.request(log) } else { None }
    }
}
