//! What others have signed for of what is held here: arithmetic with ranges of sequence numbers.

use std::collections::BTreeMap;

use antiphon_core::custody::Custody;
use antiphon_core::log::{Head, LogId};

/// Ranges of sequence numbers, both ends included, ascending and apart.
pub(crate) type Ranges = Vec<(u64, u64)>;

/// How many events ranges hold.
pub(crate) fn count(ranges: &Ranges) -> u64 {
    ranges.iter().fold(0, |sum: u64, (first, last)| sum.saturating_add(last - first).saturating_add(1))
}

/// What is in both.
pub(crate) fn common(one: &Ranges, other: &Ranges) -> Ranges {
    let mut both = Vec::new();
    let (mut a, mut b) = (0, 0);
    while let (Some(left), Some(right)) = (one.get(a), other.get(b)) {
        let (first, last) = (left.0.max(right.0), left.1.min(right.1));
        if first <= last {
            both.push((first, last));
        }
        if left.1 < right.1 { a += 1 } else { b += 1 }
    }
    both
}

/// What is in the first and not in the second.
fn without(from: &Ranges, taken: &Ranges) -> Ranges {
    let mut rest = Vec::new();
    for (first, last) in from {
        let mut next = *first;
        for (from, to) in taken.iter().filter(|(from, to)| from <= last && to >= first) {
            if *from > next {
                rest.push((next, from - 1));
            }
            next = next.max(to.saturating_add(1));
        }
        if next <= *last {
            rest.push((next, *last));
        }
    }
    rest
}

/// The gaps of a log.
fn gaps(custody: &Custody, log: &LogId) -> Ranges {
    let from = custody.gaps.partition_point(|gap| gap.log < *log);
    custody.gaps[from..].iter().take_while(|gap| gap.log == *log).map(|gap| (gap.first, gap.last)).collect()
}

/// What of a log up to `head` a receipt does not claim: beyond its head, and within the gaps. `same` says whether an
/// event is the one that is held here; a claim about another branch counts for nothing.
fn unclaimed(theirs: &Custody, log: &LogId, head: u64, same: impl Fn(&LogId, &Head) -> bool) -> Ranges {
    let Some(claimed) = theirs.heads.get(log) else { return vec![(1, head)] };
    if claimed.seq <= head && !same(log, claimed) {
        return vec![(1, head)];
    }
    let mut open = gaps(theirs, log);
    if claimed.seq < head {
        open.push((claimed.seq + 1, head));
    }
    open
}

/// What is held here with its text, and that none of the others has signed for, log by log.
pub(crate) fn uncovered(
    ours: &Custody,
    others: &[&Custody],
    same: impl Fn(&LogId, &Head) -> bool,
) -> BTreeMap<LogId, Ranges> {
    let mut open = BTreeMap::new();
    for (log, head) in &ours.heads {
        let mut rest = without(&vec![(1, head.seq)], &gaps(ours, log));
        for theirs in others {
            if rest.is_empty() {
                break;
            }
            rest = common(&rest, &unclaimed(theirs, log, head.seq, &same));
        }
        if !rest.is_empty() {
            open.insert(*log, rest);
        }
    }
    open
}

/// Of what one member has not signed for: how much it holds no header of, and how much the header only.
pub(crate) fn split(theirs: &Custody, open: &BTreeMap<LogId, Ranges>) -> (u64, u64) {
    let (mut absent, mut bare) = (0, 0);
    for (log, ranges) in open {
        let all = count(ranges);
        let named = count(&common(ranges, &gaps(theirs, log)));
        (absent, bare) = (absent + all - named, bare + named);
    }
    (absent, bare)
}

#[cfg(test)]
mod tests {
    use antiphon_core::custody::Gap;
    use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
    use antiphon_core::log::Stream;
    use antiphon_core::time::UnixMillis;

    use super::*;

    fn log() -> LogId {
        LogId::new(StoreId([1; 16]), Stream::Shared)
    }

    /// The hash of the only branch there is.
    fn hash(seq: u64) -> Hash {
        Hash::of(&seq.to_be_bytes())
    }

    fn holding(seq: u64, gaps: &[(u64, u64)]) -> Custody {
        Custody {
            team: TeamId([1; 32]),
            node: NodeId([2; 32]),
            store: StoreId([3; 16]),
            at: UnixMillis(1),
            heads: [(log(), Head { seq, hash: hash(seq) })].into(),
            gaps: gaps.iter().map(|(first, last)| Gap { log: log(), first: *first, last: *last }).collect(),
            stuck: Vec::new(),
        }
    }

    #[test]
    fn what_nobody_else_has_signed_for_is_found() {
        let check = |ours: &Custody, others: &[Custody], want: &[(u64, u64)]| {
            let others: Vec<&Custody> = others.iter().collect();
            let open = uncovered(ours, &others, |_, head| head.hash == hash(head.seq));
            assert_eq!(open.get(&log()).cloned().unwrap_or_default(), want, "{others:?}");
        };
        let ours = holding(100, &[(40, 50)]);
        check(&ours, &[], &[(1, 39), (51, 100)]);
        check(&ours, &[holding(100, &[])], &[]);
        check(&ours, &[holding(120, &[(1, 3)])], &[(1, 3)]);
        check(&ours, &[holding(60, &[(10, 45)])], &[(10, 39), (61, 100)]);
        // What one lacks the other has.
        check(&ours, &[holding(60, &[(10, 45)]), holding(100, &[(1, 9), (90, 95)])], &[(90, 95)]);
        // Both lack it.
        check(&ours, &[holding(60, &[(10, 20)]), holding(30, &[(15, 25)])], &[(15, 20), (61, 100)]);
    }

    #[test]
    fn a_claim_about_another_branch_counts_for_nothing() {
        let (ours, theirs) = (holding(100, &[]), holding(60, &[]));
        assert_eq!(count(&uncovered(&ours, &[&theirs], |_, _| false)[&log()]), 100);
        assert_eq!(count(&uncovered(&ours, &[&theirs], |_, _| true)[&log()]), 40);
    }

    #[test]
    fn what_a_member_lacks_is_told_apart() {
        let (ours, theirs) = (holding(100, &[(40, 50)]), holding(60, &[(30, 45)]));
        let open = uncovered(&ours, &[&theirs], |_, _| true);
        assert_eq!(split(&theirs, &open), (40, 10));
    }
}
