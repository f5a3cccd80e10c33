//! Which blocks of a part are not held.

use std::ops::Range;

use antiphon_core::content::MANIFEST_CHILDREN_MAX;

/// Blocks of a part: those that one manifest of depth 0 lists.
pub(crate) const PART_BLOCKS: u64 = MANIFEST_CHILDREN_MAX as u64;

/// One bit for each block of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u8>);

impl Bits {
    /// As many bits as a part has.
    pub(crate) fn none() -> Self {
        Self(vec![0; MANIFEST_CHILDREN_MAX / 8])
    }

    /// The first `blocks` bits set.
    pub(crate) fn first(blocks: u64) -> Self {
        let mut bits = Self::none();
        (0..blocks).for_each(|block| bits.set(block, true));
        bits
    }

    /// The bits of a row, if there are as many as there must be.
    pub(crate) fn read(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == MANIFEST_CHILDREN_MAX / 8).then_some(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn get(&self, block: u64) -> bool {
        self.byte(block).is_some_and(|at| self.0[at] & mask(block) != 0)
    }

    pub(crate) fn set(&mut self, block: u64, value: bool) {
        if let Some(at) = self.byte(block) {
            if value { self.0[at] |= mask(block) } else { self.0[at] &= !mask(block) }
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// Runs of set bits, in order.
    pub(crate) fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        (0..PART_BLOCKS).filter(|block| self.get(*block)).for_each(|block| push(&mut ranges, block));
        ranges
    }

    fn byte(&self, block: u64) -> Option<usize> {
        usize::try_from(block / 8).ok().filter(|at| *at < self.0.len())
    }
}

/// Adds a block to ranges that all end at or before it.
pub(crate) fn push(ranges: &mut Vec<Range<u64>>, block: u64) {
    match ranges.last_mut() {
        Some(last) if last.end == block => last.end = block + 1,
        _ => ranges.push(block..block + 1),
    }
}

const fn mask(block: u64) -> u8 {
    1 << (block % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_back_as_ranges() {
        let mut bits = Bits::first(10);
        bits.set(3, false);
        bits.set(PART_BLOCKS - 1, true);
        bits.set(PART_BLOCKS, true);
        assert_eq!(bits.ranges(), [0..3, 4..10, PART_BLOCKS - 1..PART_BLOCKS]);
        assert_eq!((bits.count(), bits.get(3), bits.get(PART_BLOCKS)), (10, false, false));
        assert_eq!(Bits::read(bits.bytes().to_vec()), Some(bits));
        assert_eq!(Bits::read(vec![0; 3]), None);
    }
}
