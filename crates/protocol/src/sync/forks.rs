//! Logs with two branches: finding where they part, and showing it until the peer knows.
//!
//! That two sides contradict each other says nothing about where. So they narrow it down: one names hashes of events
//! ([`super::Message::Trace`]), the other compares them with its own and names closer ones, until the first event that
//! differs is found; whoever finds it shows its branch from there, and is shown the other one. A trace is answered
//! from what is held and nothing is remembered of it but the question to the database, so one that is lost, doubled or
//! late does no harm.
//!
//! A side that holds a proof says so in its clock, by the last event that the branches share. A peer whose clock lacks
//! it, or names a later event, is shown both branches, whether it met the other branch itself or not. A peer whose branch
//! differs and ends before that event parts earlier, so the place is looked for with it. So all members come to the
//! earliest parting that anybody can prove.
//!
//! What a peer can make us do is bounded by log and time, and everything is tried again at a later comparison.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::Hash;
use antiphon_core::log::{Head, LogId, NodeClock};
use antiphon_core::time::UnixMillis;

use super::{BRANCH_PAGES_MAX, FORKS_AT_ONCE_MAX, FORKS_EVERY_MS, TRACE_POINTS_MAX, TRACES_MAX};

/// What is known of forks, and what was done about them lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Forks {
    /// The last event that the branches of a log share, for each log of which we hold a proof.
    proved: NodeClock,
    /// The same as the peer's clock has it.
    theirs: NodeClock,
    /// What was done lately, by log.
    efforts: BTreeMap<LogId, Effort>,
    /// Hashes that the database was asked for, by log and places, and what for.
    asked: BTreeMap<(LogId, Vec<u64>), Question>,
    /// Own logs whose other branch was asked for in this session.
    requested: BTreeSet<LogId>,
}

/// What was done about one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Effort {
    since: UnixMillis,
    /// Traces that were begun or answered.
    traces: u32,
    /// After which event our branch was shown.
    shown: Option<u64>,
    /// Whether both branches were shown.
    proof: bool,
    /// Pages of a branch that were taken in.
    taken: u32,
}

/// Why hashes were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    /// To compare them with those that the peer named.
    Compare(BTreeMap<u64, Hash>),
    /// To name them to the peer.
    Name,
}

/// What must be done about a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Show both branches.
    Prove,
    /// Ask the database for the hashes of these events.
    Load(Vec<u64>),
    /// Name these events to the peer.
    Trace(Vec<Head>),
    /// Show our branch after this event.
    Show(u64),
}

impl Forks {
    pub(super) const fn proved(&self) -> &NodeClock {
        &self.proved
    }

    /// The last event that all branches of a log share is not later than this one. Says whether that was not known.
    pub(super) fn prove(&mut self, log: LogId, parted: Head) -> bool {
        let fresh = self.proved.get(&log).is_none_or(|known| parted.seq < known.seq);
        if fresh {
            self.proved.insert(log, parted);
        }
        fresh
    }

    /// The peer says what it can prove.
    pub(super) fn set_theirs(&mut self, partings: NodeClock) {
        self.theirs = partings;
    }

    /// The peer has shown or was shown both branches.
    pub(super) fn is_settled(&self, log: &LogId) -> bool {
        self.proved.get(log).is_some_and(|ours| self.theirs.get(log) == Some(ours))
    }

    /// What to do about a log of which the sides say different things, or of which we hold a proof. `ours` and `peers`
    /// are the heads of the two sides.
    pub(super) fn deal(
        &mut self,
        log: LogId,
        (ours, peers): (Head, Head),
        contested: bool,
        now: UnixMillis,
    ) -> Option<Step> {
        let theirs = self.theirs.get(&log).copied();
        match (self.proved.get(&log).copied(), theirs) {
            (Some(proved), theirs) if theirs.is_none_or(|theirs| theirs.seq > proved.seq) => {
                if peers.seq > proved.seq {
                    let effort = self.effort(log, now)?;
                    (!std::mem::replace(&mut effort.proof, true)).then_some(Step::Prove)
                } else if contested {
                    // The peer's branch ends before the parting that we can prove, and differs: it parts earlier still.
                    self.begin(log, ours.seq, ours.seq.min(peers.seq), now)
                } else {
                    // Without an event beyond the parting the peer could not tell that anything differs.
                    None
                }
            }
            // The peer shows what it can prove as soon as it sees our clock.
            (proved, Some(theirs)) if proved.is_none_or(|proved| proved.seq > theirs.seq) => None,
            (proved, theirs) if contested && (proved.is_none() || proved != theirs) => {
                self.begin(log, ours.seq, ours.seq.min(peers.seq), now)
            }
            _ => None,
        }
    }

    /// Begins to look for the place where the branches of a log part, of which `head` events are held here and
    /// `common` on both sides.
    pub(super) fn begin(&mut self, log: LogId, head: u64, common: u64, now: UnixMillis) -> Option<Step> {
        let effort = self.effort(log, now).filter(|effort| effort.traces < TRACES_MAX)?;
        effort.traces += 1;
        self.ask(log, back_from(common, head), Question::Name)
    }

    /// The peer names events of its branch.
    pub(super) fn trace(&mut self, log: LogId, points: &[Head], now: UnixMillis) -> Option<Step> {
        let effort = self.effort(log, now).filter(|effort| effort.traces < TRACES_MAX)?;
        effort.traces += 1;
        let points: BTreeMap<u64, Hash> = points.iter().map(|head| (head.seq, head.hash)).collect();
        let seqs = points.keys().copied().collect();
        self.ask(log, seqs, Question::Compare(points))
    }

    /// Whether the database answers something else than the peer named.
    pub(super) fn contradicts(&self, log: LogId, seqs: &[u64], heads: &[Head]) -> bool {
        match self.asked.get(&(log, seqs.to_vec())) {
            Some(Question::Compare(points)) => {
                heads.iter().any(|head| points.get(&head.seq).is_some_and(|hash| *hash != head.hash))
            }
            _ => false,
        }
    }

    /// The database answers. `head` is how far the log is held here.
    pub(super) fn answered(
        &mut self,
        log: LogId,
        seqs: Vec<u64>,
        heads: Vec<Head>,
        head: u64,
        now: UnixMillis,
    ) -> Option<Step> {
        let points = match self.asked.remove(&(log, seqs))? {
            Question::Name => return (!heads.is_empty()).then_some(Step::Trace(heads)),
            Question::Compare(points) => points,
        };
        let ours = heads.into_iter().map(|head| (head.seq, head.hash)).collect();
        match narrow(&points, &ours, head) {
            Narrowed::Agree => None,
            Narrowed::Between(seqs) => self.ask(log, seqs, Question::Name),
            Narrowed::Parted(after) => self.show(log, after, now),
        }
    }

    /// Shows our branch after an event, unless that was just done.
    pub(super) fn show(&mut self, log: LogId, after: u64, now: UnixMillis) -> Option<Step> {
        let effort = self.effort(log, now)?;
        (effort.shown.replace(after) != Some(after)).then_some(Step::Show(after))
    }

    /// Names the place where our branch of a log parts from the peer's, so that the peer shows its own.
    pub(super) fn name_parting(&mut self, log: LogId, after: u64) -> Option<Step> {
        if let Some(effort) = self.efforts.get_mut(&log) {
            // It was not shown, and may be later, when the peer's is known.
            effort.shown = None;
        }
        let seqs = [Some(after).filter(|seq| *seq > 0), after.checked_add(1)];
        self.ask(log, seqs.into_iter().flatten().collect(), Question::Name)
    }

    /// As [`Forks::name_parting`] for a log of which both sides hold a proof; once in a session.
    pub(super) fn request(&mut self, log: LogId) -> Option<Step> {
        let parted = self.proved.get(&log).copied()?;
        if self.requested.len() >= FORKS_AT_ONCE_MAX || !self.requested.insert(log) {
            return None;
        }
        self.name_parting(log, parted.seq)
    }

    /// Whether another page of the peer's branch may be taken in.
    pub(super) fn may_take(&mut self, log: LogId, now: UnixMillis) -> bool {
        let effort = self.effort(log, now).filter(|effort| effort.taken < BRANCH_PAGES_MAX);
        effort.map(|effort| effort.taken += 1).is_some()
    }

    fn ask(&mut self, log: LogId, seqs: Vec<u64>, question: Question) -> Option<Step> {
        let old = self.asked.insert((log, seqs.clone()), question);
        // The same places are being read already, and that answer will do.
        old.is_none().then_some(Step::Load(seqs))
    }

    /// What was done about a log lately, if more may be done.
    fn effort(&mut self, log: LogId, now: UnixMillis) -> Option<&mut Effort> {
        self.efforts.retain(|_, effort| effort.since <= now && now.since(effort.since) < FORKS_EVERY_MS);
        if self.efforts.len() >= FORKS_AT_ONCE_MAX && !self.efforts.contains_key(&log) {
            return None;
        }
        let none = Effort { since: now, traces: 0, shown: None, proof: false, taken: 0 };
        Some(self.efforts.entry(log).or_insert(none))
    }
}

/// Where to look first: most branches part shortly before the end of the shorter one.
fn back_from(common: u64, head: u64) -> Vec<u64> {
    let steps = std::iter::once(0).chain((0..TRACE_POINTS_MAX - 2).map(|step| 1_u64 << step.min(63)));
    let mut seqs: Vec<u64> = steps.map_while(|step| common.checked_sub(step)).filter(|seq| *seq > 0).collect();
    seqs.push(head);
    seqs.sort_unstable();
    seqs.dedup();
    seqs
}

/// What two lists of hashes say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Narrowed {
    /// There is no difference as far as both go.
    Agree,
    /// The branches part somewhere among these events.
    Between(Vec<u64>),
    /// They part after this event.
    Parted(u64),
}

/// Compares the hashes that the peer named with ours; the log is held here up to `head`.
fn narrow(points: &BTreeMap<u64, Hash>, ours: &BTreeMap<u64, Hash>, head: u64) -> Narrowed {
    let same = |(seq, hash): (&u64, &Hash)| (ours.get(seq) == Some(hash)).then_some(*seq);
    let low = points.iter().filter_map(same).next_back().unwrap_or(0);
    let differs = |seq: &u64| *seq > low && ours.contains_key(seq);
    let high = points.keys().copied().find(differs);
    let end = points.last_key_value().map_or(0, |(last, _)| *last).min(head);
    match high {
        Some(high) if high == low + 1 => Narrowed::Parted(low),
        Some(high) => Narrowed::Between(spread(low, high)),
        None if low >= end => Narrowed::Agree,
        None => Narrowed::Between(spread(low, end)),
    }
}

/// Evenly spread places from `low` to `high`, both included.
fn spread(low: u64, high: u64) -> Vec<u64> {
    let step = (high - low).div_ceil(TRACE_POINTS_MAX as u64 - 1).max(1);
    let mut seqs: Vec<u64> = (0..TRACE_POINTS_MAX as u64 - 1)
        .map_while(|index| low.checked_add(index.checked_mul(step)?).filter(|seq| *seq < high))
        .filter(|seq| *seq > 0)
        .collect();
    seqs.push(high);
    seqs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(len: u64, parted: u64, salt: u8) -> BTreeMap<u64, Hash> {
        let salt = |seq| if seq > parted { salt } else { 0 };
        (1..=len).map(|seq| (seq, Hash::of(&[&seq.to_be_bytes()[..], &[salt(seq)]].concat()))).collect()
    }

    fn at(log: &BTreeMap<u64, Hash>, seqs: &[u64]) -> BTreeMap<u64, Hash> {
        seqs.iter().filter_map(|seq| Some((*seq, *log.get(seq)?))).collect()
    }

    #[test]
    fn a_few_messages_find_where_branches_part_however_long_ago_that_was() {
        for (parted, more_of_alice, more_of_bob) in
            [(0, 1, 1), (0, 5_000, 1), (1, 1, 9_000), (10, 1, 1), (700, 2_000, 3_000), (63, 900, 900), (9_999, 4, 1)]
        {
            let sides = [log(parted + more_of_alice, parted, 1), log(parted + more_of_bob, parted, 2)];
            let heads = sides.each_ref().map(|side| side.len() as u64);
            let mut seqs = back_from(heads[0].min(heads[1]), heads[0]);
            let (mut speaks, mut messages) = (0, 0);
            let found = loop {
                messages += 1;
                assert!(messages < 8 && seqs.len() <= TRACE_POINTS_MAX, "{messages} messages, {seqs:?}");
                let points = at(&sides[speaks], &seqs);
                speaks = 1 - speaks;
                let ours = at(&sides[speaks], &points.keys().copied().collect::<Vec<_>>());
                match narrow(&points, &ours, heads[speaks]) {
                    Narrowed::Between(next) => seqs = next,
                    Narrowed::Parted(after) => break Some(after),
                    Narrowed::Agree => break None,
                }
            };
            assert_eq!(found, Some(parted));
        }
    }

    #[test]
    fn a_log_that_is_only_shorter_parts_nowhere() {
        let (long, short) = (log(100, 200, 1), log(40, 200, 2));
        let points = at(&long, &back_from(30, 100));
        let seqs: Vec<u64> = points.keys().copied().collect();
        let Narrowed::Between(next) = narrow(&points, &at(&short, &seqs), 40) else { panic!("it could still part") };
        assert_eq!(next.last(), Some(&40));
        assert_eq!(narrow(&at(&short, &next), &at(&long, &next), 100), Narrowed::Agree);
    }

    #[test]
    fn hashes_that_are_lies_lead_to_bounded_questions() {
        let held = log(50, 50, 0);
        for points in [vec![u64::MAX], vec![1, u64::MAX], vec![0], vec![]] {
            let points: BTreeMap<u64, Hash> = points.into_iter().map(|seq| (seq, Hash([9; 32]))).collect();
            let ours = at(&held, &points.keys().copied().collect::<Vec<_>>());
            if let Narrowed::Between(seqs) = narrow(&points, &ours, 50) {
                assert!(seqs.len() <= TRACE_POINTS_MAX && seqs.iter().all(|seq| (1..=50).contains(seq)), "{seqs:?}");
            }
        }
    }
}
