//! Payloads that are missing here and that the peer may have.
//!
//! A header alone keeps a chain whole, so a text can be missing where all heads are equal: the peer that sent the
//! page was not to have it, or not to give it. Comparing clocks never finds that out. So once both sides hold the same
//! headers, a session goes through what is missing here, asks the peer for what it holds, a few hundred at a time and
//! one request after the other, and lets the store check what comes against the hashes in the headers.
//!
//! - **A pass goes upwards** through logs and sequence numbers, so that nothing is asked twice in it and what the peer
//!   does not give needs no memory. A new pass begins with each comparison of clocks: by then the reason may be gone.
//! - **What a peer withholds looks like what it lacks.** It answers how far it looked and what it gives; the rest is
//!   neither here nor to be had from it now.
//! - **Both sides are bounded**: so many requests are asked in a period, and [`WANTS_ANSWERED_MAX`] are answered,
//!   because the periods of the two sides neither begin together nor last equally long.

use std::collections::{BTreeSet, VecDeque};

use antiphon_core::log::{LogId, NodeClock, Stream};
use antiphon_core::time::UnixMillis;

use super::custody::Ask;
use super::forks::Forks;
use super::{COMPARE_EVERY_MS, Closed, Message, Output, PAGE_BYTES_MAX};
use crate::reason::Reason;

/// Most payloads that are asked for at a time.
pub const WANTED_MAX: usize = 256;
/// Most missing payloads that are read from the store at a time.
pub const MISSING_READ_MAX: usize = 4 * WANTED_MAX;
/// Most requests for payloads in one period.
pub const WANTS_PER_PERIOD_MAX: u32 = 128;
/// Most requests for payloads that a peer is answered in one period: the longest of ours has room for three of its.
pub const WANTS_ANSWERED_MAX: u32 = 4 * WANTS_PER_PERIOD_MAX;
/// Most requests that wait because a page came without its payloads.
const TOLD_MAX: usize = 64;
/// Answers in one period that nobody asked for, before the peer counts as not ours.
const UNASKED_MAX: u32 = 16;
/// Shortest time between two passes, in milliseconds.
pub(super) const PERIOD_MS: u64 = COMPARE_EVERY_MS / 2;

/// A payload and its place in a log.
pub type Item = (u64, Vec<u8>);

/// What the session knows when a request may go out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<'a> {
    /// How far the peer holds every log.
    pub(super) theirs: &'a NodeClock,
    /// Logs whose two sides contradict each other.
    pub(super) forked: &'a BTreeSet<LogId>,
    /// Where the branches of logs part that can be proved to have some.
    pub(super) forks: &'a Forks,
}

impl Held<'_> {
    fn may_have(&self, log: &LogId, seq: u64) -> bool {
        let held = self.theirs.get(log).is_some_and(|head| head.seq >= seq);
        let parted = self.forks.proved().get(log).map(|parted| parted.seq);
        // Behind a parting the peer may hold another event at the same place, and nothing counts there.
        let behind = log.stream != Stream::Charter && parted.is_some_and(|parted| seq > parted);
        // Where both can prove where the branches part, they hold the same before it.
        let common = || self.forks.is_settled(log) && parted.is_some_and(|parted| seq <= parted);
        held && !behind && (!self.forked.contains(log) || common())
    }
}

/// Which payloads are asked for, and which of the peer's requests is being answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wants {
    /// When the period began; `None` before the first.
    began: Option<UnixMillis>,
    /// A pass is to begin.
    due: bool,
    /// How far the pass has read what is missing here; `None` when there is none under way.
    pass: Option<Option<(LogId, u64)>>,
    /// Payloads that a page of another peer lacked, to be asked for as soon as this one holds those events.
    told: VecDeque<(LogId, Vec<u64>)>,
    /// Requests that wait.
    queue: VecDeque<(LogId, Vec<u64>)>,
    step: Step,
    /// Requests and readings in this period.
    asked: u32,
    /// The peer gave something that does not fit: nothing more is asked in this period.
    distrusted: bool,
    /// A request of the peer is being answered.
    serving: bool,
    /// Requests that were answered in this period.
    served: u32,
    /// Answers in this period that nobody asked for.
    unasked: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Step {
    #[default]
    Idle,
    /// What is missing is being read.
    Reading,
    /// The peer was asked.
    Waiting { log: LogId, seqs: Vec<u64> },
    /// What came is being stored.
    Filling,
}

impl Wants {
    /// Clocks were compared: what the peer did not give may be asked for again.
    pub(super) fn period(&mut self, now: UnixMillis) {
        if self.began.is_some_and(|began| now >= began && now.since(began) < PERIOD_MS) {
            return;
        }
        self.began = Some(now);
        // The pass finds them too.
        self.told.clear();
        (self.asked, self.served, self.unasked, self.distrusted, self.due) = (0, 0, 0, false, true);
        if matches!(self.step, Step::Waiting { .. }) {
            // It was not answered: a peer of an older version, or one that had enough.
            self.step = Step::Idle;
            self.queue.clear();
        }
    }

    /// A page of another peer came without these payloads.
    pub(super) fn told(&mut self, log: LogId, seqs: &[u64]) {
        for seqs in seqs.chunks(WANTED_MAX) {
            if self.told.len() < TOLD_MAX {
                self.told.push_back((log, seqs.to_vec()));
            }
        }
    }

    /// What to do next, unless something is under way.
    pub(super) fn next(&mut self, held: Held<'_>) -> Option<Output> {
        if self.step != Step::Idle || self.distrusted {
            return None;
        }
        while self.asked < WANTS_PER_PERIOD_MAX {
            if let Some((log, mut seqs)) = self.take_told(held).or_else(|| self.queue.pop_front()) {
                seqs.retain(|seq| held.may_have(&log, *seq));
                if !seqs.is_empty() {
                    self.asked += 1;
                    self.step = Step::Waiting { log, seqs: seqs.clone() };
                    return Some(Output::Send(Message::Want { log, seqs }));
                }
            } else if let Some(after) = self.begin() {
                self.asked += 1;
                self.step = Step::Reading;
                return Some(Output::Custody(Ask::Missing { after, limit: MISSING_READ_MAX }));
            } else {
                return None;
            }
        }
        None
    }

    /// The first entry of which the peer holds something; what it does not hold yet waits on.
    fn take_told(&mut self, held: Held<'_>) -> Option<(LogId, Vec<u64>)> {
        let first = |(log, seqs): &(LogId, Vec<u64>)| seqs.first().is_some_and(|seq| held.may_have(log, *seq));
        let (log, seqs) = self.told.iter().position(first).and_then(|at| self.told.remove(at))?;
        let (now, later): (Vec<u64>, Vec<u64>) = seqs.into_iter().partition(|seq| held.may_have(&log, *seq));
        if !later.is_empty() {
            self.told.push_front((log, later));
        }
        Some((log, now))
    }

    /// Where to read on, if a pass is under way or due.
    fn begin(&mut self) -> Option<Option<(LogId, u64)>> {
        if self.pass.is_none() && std::mem::take(&mut self.due) {
            self.pass = Some(None);
        }
        self.pass
    }

    /// What is missing was read, in ascending order.
    pub(super) fn missing(&mut self, missing: &[(LogId, u64)]) {
        if self.step != Step::Reading {
            return;
        }
        self.step = Step::Idle;
        let whole = missing.len() >= MISSING_READ_MAX;
        self.pass = missing.last().filter(|_| whole).map(|last| Some(*last));
        for (log, seq) in missing.iter().filter(|(log, _)| log.stream != Stream::Local) {
            match self.queue.back_mut() {
                Some((last, seqs)) if last == log && seqs.len() < WANTED_MAX && seqs.last() < Some(seq) => {
                    seqs.push(*seq)
                }
                _ => self.queue.push_back((*log, vec![*seq])),
            }
        }
    }

    /// The peer gives payloads of what it was asked for, having looked up to `through`.
    pub(super) fn given(&mut self, log: LogId, through: u64, items: Vec<Item>) -> Result<Option<Output>, Closed> {
        let fits = match &self.step {
            Step::Waiting { log: asked, seqs } => *asked == log && answers(seqs, through, &items),
            _ => false,
        };
        if !fits {
            self.unasked += 1;
            let patient = self.unasked <= UNASKED_MAX;
            return if patient { Ok(None) } else { Err(Closed::Violation("too many payloads that nobody asked for")) };
        }
        let step = if items.is_empty() { Step::Idle } else { Step::Filling };
        if let Step::Waiting { log, mut seqs } = std::mem::replace(&mut self.step, step) {
            let before = seqs.len();
            seqs.retain(|seq| *seq > through);
            if !seqs.is_empty() && seqs.len() < before {
                self.queue.push_front((log, seqs));
            }
        }
        Ok((!items.is_empty()).then_some(Output::Custody(Ask::Fill { log, items })))
    }

    /// What came was stored; `fits` says whether all of it is what the headers name.
    pub(super) fn filled(&mut self, log: LogId, fits: bool) -> Option<Output> {
        if self.step == Step::Filling {
            self.step = Step::Idle;
        }
        if fits {
            return None;
        }
        self.distrusted = true;
        self.queue.clear();
        Some(Output::Problem { log, reason: Reason::MissingPayload, about: None })
    }

    /// The peer asks. `sends` says whether it may have anything of this log.
    pub(super) fn asked(&mut self, log: LogId, seqs: Vec<u64>, sends: bool) -> Option<Output> {
        let last = *seqs.last()?;
        if self.serving || self.served >= WANTS_ANSWERED_MAX {
            return None;
        }
        self.served += 1;
        if !sends {
            return Some(Output::Send(Message::Payloads { log, through: last, items: Vec::new() }));
        }
        self.serving = true;
        Some(Output::Custody(Ask::Payloads { log, seqs, max_bytes: PAGE_BYTES_MAX }))
    }

    /// What the peer asked for was read.
    pub(super) fn read(&mut self, log: LogId, through: u64, items: Vec<Item>) -> Option<Output> {
        std::mem::take(&mut self.serving).then_some(Output::Send(Message::Payloads { log, through, items }))
    }
}

/// Whether this can be an answer to a request for `seqs`.
fn answers(seqs: &[u64], through: u64, items: &[Item]) -> bool {
    let bytes: usize = items.iter().map(|(_, payload)| payload.len()).sum();
    let asked = items.iter().all(|(seq, _)| *seq <= through && seqs.binary_search(seq).is_ok());
    let ascend = items.windows(2).all(|pair| pair[0].0 < pair[1].0);
    asked && ascend && (items.len() == 1 || bytes <= PAGE_BYTES_MAX)
}
