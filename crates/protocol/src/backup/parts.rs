//! Which parts of a log are there, and which is asked for next: what an owner decides by what holders say.

use std::collections::BTreeMap;

use antiphon_core::ids::{NodeId, StoreId};

use super::Kept;

/// A last part that is smaller than this is written again together with what came since, so that many small changes do
/// not become many small parts, in bytes.
pub const SMALL_PART_BYTES: u64 = 128 * 1024;

/// Up to where parts cover the local log of `store` from its beginning, and after which event to go on.
pub fn reach(parts: &[Kept], store: StoreId) -> (u64, u64) {
    let (mut held, mut tail) = (0, None);
    for part in parts.iter().filter(|part| part.span.store == store) {
        if part.span.first > held + 1 {
            break;
        }
        if part.span.last > held {
            (held, tail) = (part.span.last, Some(part));
        }
    }
    let small = tail.filter(|part| part.bytes < SMALL_PART_BYTES);
    (held, small.map_or(held, |part| part.span.first - 1))
}

/// Whether all that these parts hold is held in these logs too, which are named with their last sequence numbers.
pub fn are_held(parts: &[Kept], logs: &BTreeMap<StoreId, u64>) -> bool {
    parts.iter().all(|part| logs.get(&part.span.store).is_some_and(|head| *head >= part.span.last))
}

/// A part of one log that somebody offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Who says that it keeps it.
    pub holder: NodeId,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
}

/// The parts of one log that were offered and not tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offers {
    offers: Vec<Offer>,
    last: u64,
}

impl Offers {
    /// One more.
    pub fn add(&mut self, offer: Offer) {
        self.last = self.last.max(offer.last);
        self.offers.push(offer);
    }

    /// The last sequence number that anybody offered.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The part to ask for when the log is held up to `head`: the one that reaches furthest. Whatever comes of it, it is
    /// not offered again.
    pub fn next(&mut self, head: u64) -> Option<Offer> {
        let next = head.saturating_add(1);
        let fits = |offer: &&Offer| offer.first <= next && offer.last >= next;
        let offer = self.offers.iter().filter(fits).max_by_key(|offer| offer.last).copied()?;
        self.offers.retain(|other| *other != offer);
        Some(offer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    fn kept(store: u8, first: u64, last: u64, bytes: u64) -> Kept {
        Kept { span: Span { store: StoreId([store; 16]), first, last }, bytes }
    }

    #[test]
    fn a_copy_is_dropped_only_where_all_of_it_is_held() {
        let logs = BTreeMap::from([(StoreId([1; 16]), 10)]);
        assert!(are_held(&[kept(1, 1, 4, 9), kept(1, 5, 10, 9)], &logs));
        assert!(!are_held(&[kept(1, 1, 11, 9)], &logs));
        assert!(!are_held(&[kept(1, 1, 4, 9), kept(2, 1, 1, 9)], &logs));
    }

    #[test]
    fn a_copy_goes_on_where_it_ends_and_a_small_end_is_written_again() {
        let check = |parts: &[Kept], want| assert_eq!(reach(parts, StoreId([1; 16])), want, "{parts:?}");
        let large = SMALL_PART_BYTES;
        check(&[], (0, 0));
        check(&[kept(1, 1, 10, large)], (10, 10));
        check(&[kept(1, 1, 10, 99)], (10, 0));
        check(&[kept(1, 1, 10, large), kept(1, 11, 12, 99)], (12, 10));
        check(&[kept(2, 1, 10, large)], (0, 0));
        // Behind a hole nothing counts, and what overlaps counts once.
        check(&[kept(1, 1, 10, large), kept(1, 12, 20, large)], (10, 10));
        check(&[kept(1, 1, 10, large), kept(1, 4, 8, 99)], (10, 10));
        check(&[kept(1, 1, 10, large), kept(1, 5, 20, large)], (20, 20));
    }

    #[test]
    fn the_furthest_part_is_asked_for_first_and_each_once() {
        let (alice, bob) = (NodeId([1; 32]), NodeId([2; 32]));
        let mut offers = Offers::default();
        let (short, long, late) = (offer(alice, 1, 4), offer(bob, 1, 6), offer(alice, 8, 9));
        [short, long, late].into_iter().for_each(|one| offers.add(one));
        assert_eq!(offers.last(), 9);
        // Bob's turns out to be damaged, so alice's is taken, and what is behind the hole is not asked for.
        assert_eq!((offers.next(0), offers.next(0), offers.next(4)), (Some(long), Some(short), None));
        assert_eq!((offers.next(7), offers.next(7)), (Some(late), None));
    }

    fn offer(holder: NodeId, first: u64, last: u64) -> Offer {
        Offer { holder, first, last }
    }
}
