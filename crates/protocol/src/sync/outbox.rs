//! What goes to the peer: which logs it lacks, and which pages are under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use antiphon_core::event::{Event, Header, Verified};
use antiphon_core::ids::Hash;
use antiphon_core::log::{Head, LogId, NodeClock, Stream};

use super::PAGES_UNACKED_MAX;
use crate::reason::About;

/// The sending half of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outbox {
    /// What the peer holds, by its clock, its acks and what it sent us. Absent until its clock came.
    held: Option<NodeClock>,
    /// Whether the peer takes shared events.
    peer_takes: bool,
    /// Where pages under way end, per log.
    sent: BTreeMap<LogId, Head>,
    /// Pages under way, oldest first.
    under_way: VecDeque<UnderWay>,
    /// Logs of which we hold more than the peer has or is being sent.
    pending: BTreeSet<LogId>,
    /// Logs that the peer refused, until its next clock.
    refused: BTreeSet<LogId>,
    /// Pages of branches that must be sent, and after which event they begin.
    branches: VecDeque<(LogId, u64)>,
    /// What is being loaded.
    loading: Option<Load>,
    /// The shared log that was served last, so that they take turns.
    last: Option<LogId>,
}

/// A page that was sent and not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnderWay {
    log: LogId,
    /// Where it ends.
    end: Head,
    /// Its first event, by which a person finds what the peer did not take.
    first: About,
}

/// A load that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) log: LogId,
    pub(super) after: u64,
    /// Hash of that event as the peer holds it; `None` for a branch, which need not go on from what the peer holds.
    pub(super) follows: Option<Hash>,
    pub(super) branch: bool,
}

/// What became of a loaded page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loaded {
    /// It is not due any more.
    Stale,
    /// Send it.
    Page(Vec<Event<Verified>>),
    /// Send it as a branch.
    Branch(Vec<Event<Verified>>),
    /// It does not follow what the peer holds: the log has two branches.
    Forked,
    /// There is nothing to send.
    Nothing,
    /// No event of it is signed, so the peer could not believe it.
    Unsigned,
}

impl Outbox {
    pub(super) fn held(&self) -> Option<&NodeClock> {
        self.held.as_ref()
    }

    /// Whether the peer takes shared events.
    pub(super) const fn peer_takes(&self) -> bool {
        self.peer_takes
    }

    /// How far the peer holds a log.
    pub(super) fn held_of(&self, log: &LogId) -> Head {
        self.held.as_ref().and_then(|held| held.get(log)).copied().unwrap_or(Head::EMPTY)
    }

    /// How far the peer will hold a log once everything under way has arrived.
    fn cursor(&self, log: &LogId) -> Head {
        let held = self.held_of(log);
        self.sent.get(log).copied().filter(|sent| sent.seq > held.seq).unwrap_or(held)
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.under_way.is_empty() || self.loading.is_some()
    }

    pub(super) fn is_done(&self, sends: bool) -> bool {
        let quiet = self.pending.iter().all(|log| log.stream != Stream::Charter && !(sends && self.peer_takes));
        quiet && self.held.is_some() && !self.is_waiting() && self.branches.is_empty()
    }

    /// Takes the peer's clock. What is under way stays so: the clock was made before that arrived.
    pub(super) fn set_clock(&mut self, heads: NodeClock, takes: bool, local: &NodeClock) {
        self.held = Some(heads);
        self.peer_takes = takes;
        self.refused.clear();
        self.pending.clear();
        for (log, head) in local {
            self.note_local(*log, *head);
        }
    }

    /// A log is held here up to `head`.
    pub(super) fn note_local(&mut self, log: LogId, head: Head) {
        if self.held.is_some() && head.seq > self.cursor(&log).seq && !self.refused.contains(&log) {
            self.pending.insert(log);
        }
    }

    /// The peer holds a log at least up to `head`, since it sent it.
    pub(super) fn note_held(&mut self, log: LogId, head: Head, local: Head) {
        let Some(held) = &mut self.held else { return };
        let entry = held.entry(log).or_insert(Head::EMPTY);
        if head.seq > entry.seq {
            *entry = head;
        }
        if local.seq <= self.cursor(&log).seq {
            self.pending.remove(&log);
        }
    }

    /// Takes an acknowledgement; says whether it was of something under way.
    pub(super) fn acked(&mut self, log: LogId, head: Head, local: Head) -> bool {
        let before = self.under_way.len();
        self.under_way.retain(|page| page.log != log || page.end.seq > head.seq);
        self.note_held(log, head, local);
        if self.sent.get(&log).is_some_and(|sent| sent.seq <= head.seq) {
            self.sent.remove(&log);
        }
        self.under_way.len() < before
    }

    /// The peer did not take what is under way of a log; it holds it up to `head`. Says what it did not take.
    pub(super) fn nacked(&mut self, log: LogId, head: Head, refused: bool) -> Option<About> {
        let about =
            self.under_way.iter().find(|page| page.log == log && page.end.seq > head.seq).map(|page| page.first);
        self.forget(log);
        if let Some(held) = &mut self.held {
            held.insert(log, head);
        }
        if refused {
            self.refused.insert(log);
        }
        about
    }

    /// Drops everything that is under way of a log, or is going to be.
    pub(super) fn forget(&mut self, log: LogId) {
        self.under_way.retain(|page| page.log != log);
        self.sent.remove(&log);
        self.pending.remove(&log);
        if self.loading.is_some_and(|load| load.log == log && !load.branch) {
            self.loading = None;
        }
    }

    /// Drops what is being loaded of a stream that is not sent any more. Branches are evidence and go on.
    pub(super) fn hold(&mut self, stream: Stream) {
        if self.loading.is_some_and(|load| load.log.stream == stream && !load.branch) {
            self.loading = None;
        }
    }

    /// Counts everything under way as lost. The peer's next clock says what it lacks.
    pub(super) fn reset(&mut self) {
        self.under_way.clear();
        self.sent.clear();
        self.loading = None;
    }

    /// Sends a page of our branch of a log, from behind the event `after`.
    pub(super) fn add_branch(&mut self, log: LogId, after: u64) {
        if !self.branches.contains(&(log, after)) {
            self.branches.push_back((log, after));
        }
    }

    /// The next page to load, if one may be.
    ///
    /// `charter_came` says whether we hold the charter as far as the peer's clock does.
    pub(super) fn next_load(&mut self, sends: bool, charter_came: bool) -> Option<Load> {
        if self.loading.is_some() || self.held.is_none() || self.under_way.len() >= PAGES_UNACKED_MAX {
            return None;
        }
        let load = match self.branches.pop_front() {
            Some((log, after)) => Load { log, after, follows: None, branch: true },
            None => {
                let log = self.next_log(sends, charter_came)?;
                let cursor = self.cursor(&log);
                Load { log, after: cursor.seq, follows: Some(cursor.hash), branch: false }
            }
        };
        self.loading = Some(load);
        Some(load)
    }

    /// Charter logs first; shared logs take turns, once no charter page is under way either way.
    fn next_log(&mut self, sends: bool, charter_came: bool) -> Option<LogId> {
        let first = *self.pending.first()?;
        if first.stream == Stream::Charter {
            return Some(first);
        }
        let charter_under_way = self.under_way.iter().any(|page| page.log.stream == Stream::Charter);
        if charter_under_way || !charter_came || !sends || !self.peer_takes {
            return None;
        }
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let log = self.pending.range((after, Bound::Unbounded)).next().copied().unwrap_or(first);
        self.last = Some(log);
        Some(log)
    }

    /// Takes a loaded page of a log whose local head is `local`, and cuts it behind its last signature.
    pub(super) fn loaded(&mut self, log: LogId, after: u64, mut events: Vec<Event<Verified>>, local: Head) -> Loaded {
        let Some(load) = self.loading.filter(|load| load.log == log && load.after == after) else {
            return Loaded::Stale;
        };
        self.loading = None;
        if events.is_empty() {
            self.pending.remove(&log);
            return Loaded::Nothing;
        }
        // Looked at first: what contradicts the peer may have been handed in without a signature, so that it cannot be
        // sent by any mistake.
        let cursor = self.cursor(&log);
        let contradicts = |first: &Header| Some(first.seq) == cursor.seq.checked_add(1) && first.prev != cursor.hash;
        if !load.branch && events.first().map(Event::header).is_some_and(contradicts) {
            return Loaded::Forked;
        }
        let signed = events.iter().rposition(|event| event.signature().is_some());
        events.truncate(signed.map_or(0, |last| last + 1));
        let (Some(first), Some(last)) = (events.first().map(Event::header), events.last().map(Event::head)) else {
            self.pending.remove(&log);
            return Loaded::Unsigned;
        };
        if load.branch {
            return Loaded::Branch(events);
        }
        if Some(first.seq) != cursor.seq.checked_add(1) {
            // The peer moved on meanwhile.
            self.pending.remove(&log);
            self.note_local(log, local);
            return Loaded::Stale;
        }
        self.sent.insert(log, last);
        self.under_way.push_back(UnderWay { log, end: last, first: About::of(first) });
        if local.seq <= last.seq {
            self.pending.remove(&log);
        }
        Loaded::Page(events)
    }
}
