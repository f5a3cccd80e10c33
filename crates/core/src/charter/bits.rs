//! Sets of small numbers as bits: the law of stewards asks about thousands of records at once.

/// A set of numbers below a limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The empty set of numbers below `limit`.
    pub(super) fn none(limit: usize) -> Self {
        Self(vec![0; limit.div_ceil(64)])
    }

    pub(super) fn insert(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Takes in what `other` holds.
    pub(super) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// Keeps what `other` holds too.
    pub(super) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    /// Drops what `other` holds.
    pub(super) fn drop(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
    }

    /// What both hold.
    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(word, other)| word & other).collect())
    }

    /// What `other` does not hold.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(word, other)| word & !other).collect())
    }

    pub(super) fn first(&self) -> Option<usize> {
        let (at, word) = self.0.iter().enumerate().find(|(_, word)| **word != 0)?;
        Some(at * 64 + word.trailing_zeros() as usize)
    }

    pub(super) fn last(&self) -> Option<usize> {
        let (at, word) = self.0.iter().enumerate().rfind(|(_, word)| **word != 0)?;
        Some(at * 64 + 63 - word.leading_zeros() as usize)
    }

    /// Every number, from the lowest.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let rest = std::iter::successors(Some(*word), |rest| Some(rest & rest.wrapping_sub(1)));
            rest.take_while(|rest| *rest != 0).map(move |rest| at * 64 + rest.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Bits;

    /// More than two words, and not a whole number of them.
    const LIMIT: usize = 150;

    fn bits(set: &BTreeSet<usize>) -> Bits {
        let mut bits = Bits::none(LIMIT);
        set.iter().for_each(|at| bits.insert(*at));
        bits
    }

    #[test]
    fn bits_are_sets() {
        let threes: BTreeSet<usize> = (0..LIMIT).step_by(3).collect();
        let late: BTreeSet<usize> = (64..LIMIT).step_by(7).collect();
        let (a, b) = (bits(&threes), bits(&late));
        for (set, bits) in [(&threes, &a), (&late, &b), (&BTreeSet::new(), &Bits::none(LIMIT))] {
            assert_eq!(bits.iter().collect::<BTreeSet<_>>(), *set);
            assert_eq!((bits.first(), bits.last(), bits.len()), (set.first().copied(), set.last().copied(), set.len()));
            assert_eq!(bits.is_empty(), set.is_empty());
            assert!((0..2 * LIMIT).all(|at| bits.has(at) == set.contains(&at)));
        }
        assert_eq!(a.and(&b), bits(&(&threes & &late)));
        assert_eq!(a.without(&b), bits(&(&threes - &late)));
        type Change = fn(&mut Bits, &Bits);
        let changes: [(Change, BTreeSet<usize>); 3] =
            [(Bits::join, &threes | &late), (Bits::keep, &threes & &late), (Bits::drop, &threes - &late)];
        for (change, expected) in changes {
            let mut changed = a.clone();
            change(&mut changed, &b);
            assert_eq!(changed, bits(&expected));
        }
        let mut fewer = a.clone();
        fewer.remove(147);
        fewer.remove(146);
        assert_eq!(fewer, bits(&(&threes - &BTreeSet::from([147]))));
    }
}
