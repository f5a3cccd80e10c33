//! A set of places, kept as ranges.

use antiphon_core::cbor;

use super::TAKEN_RANGES_MAX;

/// Most ranges that are read: filling up and adding one may pass the limit by one before it is checked again.
const READ_MAX: usize = 2 * (TAKEN_RANGES_MAX + 1);

/// Numbers from 1, as ranges that neither overlap nor touch, in order; each with its first and last number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// How many ranges there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many there would be with `n`.
    pub(super) fn len_with(&self, n: u64) -> usize {
        let at = self.at(n);
        let below = at.checked_sub(1).and_then(|at| self.0.get(at));
        let joins_below = below.is_some_and(|(_, last)| *last >= n || last.checked_add(1) == Some(n));
        let joins_above = self.0.get(at).is_some_and(|(first, _)| n.checked_add(1) == Some(*first));
        match (joins_below, joins_above) {
            _ if self.contains(n) => self.0.len(),
            (true, true) => self.0.len() - 1,
            (false, false) => self.0.len() + 1,
            _ => self.0.len(),
        }
    }

    /// Whether `n` is in it.
    pub(super) fn contains(&self, n: u64) -> bool {
        let below = self.at(n).checked_sub(1).and_then(|at| self.0.get(at));
        below.is_some_and(|(_, last)| *last >= n)
    }

    /// Puts `n` into it.
    pub(super) fn insert(&mut self, n: u64) {
        if !self.contains(n) {
            self.join(n, n);
        }
    }

    /// Puts every number below `floor` into it.
    pub(super) fn fill_below(&mut self, floor: u64) {
        if let Some(last) = floor.checked_sub(1).filter(|last| *last > 0) {
            self.join(1, last);
        }
    }

    /// Index of the first range that begins above `n`.
    fn at(&self, n: u64) -> usize {
        self.0.partition_point(|(first, _)| *first <= n)
    }

    /// Puts a range into it and joins all that it overlaps or touches.
    fn join(&mut self, first: u64, last: u64) {
        let from = self.0.partition_point(|(_, end)| end.saturating_add(1) < first);
        let to = self.0.partition_point(|(begin, _)| *begin <= last.saturating_add(1));
        let joined = self.0.get(from..to).unwrap_or_default();
        let first = joined.first().map_or(first, |(begin, _)| first.min(*begin));
        let last = joined.last().map_or(last, |(_, end)| last.max(*end));
        self.0.splice(from..to.max(from), [(first, last)]);
    }

    /// As the column holds it.
    pub(super) fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, 2 * self.0.len());
            for (first, last) in &self.0 {
                cbor::uint(out, *first);
                cbor::uint(out, *last);
            }
        })
    }

    /// Reads the column.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            let count = cbor::read_list(input, READ_MAX)?;
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            for _ in 0..count / 2 {
                let (first, last) = (input.u64()?, input.u64()?);
                let begin = ranges.last().map_or(Some(1), |(_, end)| end.checked_add(2));
                if first > last || begin.is_none_or(|begin| first < begin) {
                    return Err(cbor::Error::Value("ranges that are not in order"));
                }
                ranges.push((first, last));
            }
            if count % 2 == 0 { Ok(Self(ranges)) } else { Err(cbor::Error::Value("a range without an end")) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_what_can_be_counted_are_in_reach() {
        let mut ranges = Ranges::default();
        for n in [u64::MAX, 1, u64::MAX - 1, u64::MAX, 2] {
            ranges.insert(n);
        }
        assert_eq!(ranges.0, [(1, 2), (u64::MAX - 1, u64::MAX)]);
        ranges.fill_below(0);
        ranges.fill_below(1);
        assert_eq!(ranges.len(), 2);
        ranges.fill_below(u64::MAX);
        assert_eq!(ranges.0, [(1, u64::MAX)]);
        assert_eq!(Ranges::decode(&ranges.encode()), Ok(ranges));
    }

    #[test]
    fn what_this_never_writes_is_not_read() {
        let check = |numbers: &[u64]| {
            let bytes = cbor::encode(|out| {
                cbor::array(out, numbers.len());
                numbers.iter().for_each(|n| cbor::uint(out, *n));
            });
            assert!(Ranges::decode(&bytes).is_err(), "{numbers:?}");
        };
        check(&[1]);
        check(&[0, 3]);
        check(&[3, 2]);
        check(&[1, 2, 3, 4]);
        check(&[5, 6, 1, 2]);
    }

    proptest! {
        #[test]
        fn ranges_are_the_set_they_stand_for(steps in prop::collection::vec((any::<bool>(), 1_u64..60), 0..80)) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for (fill, n) in steps {
                if fill && n % 7 == 0 {
                    ranges.fill_below(n);
                    model.extend(1..n);
                } else {
                    let expected = ranges.len_with(n);
                    ranges.insert(n);
                    model.insert(n);
                    prop_assert_eq!(ranges.len(), expected);
                }
                for n in 1..62 {
                    prop_assert_eq!(ranges.contains(n), model.contains(&n));
                }
                let apart = ranges.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
                prop_assert!(apart && ranges.0.iter().all(|(first, last)| first <= last));
                prop_assert_eq!(Ranges::decode(&ranges.encode()), Ok(ranges.clone()));
            }
        }
    }
}
