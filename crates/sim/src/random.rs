//! The only source of chance: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64.
//!
//! It is written out here and not taken from a crate, because a seed that was kept as a test must mean the same world
//! for as long as the test is kept.

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random([u64; 4]);

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| splitmix(&mut state)))
    }

    /// A stream of its own, so that drawing from it does not shift what others draw.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    /// A stream of its own for something with a name.
    pub(crate) fn fork_of(&mut self, name: &str) -> Self {
        let folded = name.bytes().fold(self.next(), |folded, byte| folded.rotate_left(8) ^ u64::from(byte));
        Self::new(folded)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`; 0 when there is none.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias is below 2^-40 for every bound that is used here.
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// An index below `len`; 0 when there is none.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether something happens that does so `permille` times of a thousand.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// One of `items`.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        items.get(self.index(items.len())).copied()
    }

    /// `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.next().to_le_bytes()[0])
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_stream_for_ever() {
        let mut random = Random::new(1);
        assert_eq!([random.next(), random.next()], [0xb3f2_af6d_0fc7_10c5, 0x853b_5596_4736_4cea]);
        assert_ne!(Random::new(1).fork().next(), Random::new(2).fork().next());
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut random = Random::new(7);
        assert!((0..1_000).all(|_| (3..=9).contains(&random.between(3, 9))));
        assert!((0..1_000).all(|_| !random.chance(0) && random.chance(1_000)));
        assert_eq!((random.below(0), random.pick::<u8>(&[])), (0, None));
    }
}
