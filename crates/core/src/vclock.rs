//! Vector clocks: how many edits of each store are known.
//!
//! A fact's version counts the edits each store made of it. Two versions compare as before, after, equal or
//! concurrent (Mattern, 1989); only concurrent edits can contradict each other. Counters are checked, never wrapped,
//! and a clock holds at most [`VCLOCK_ENTRIES_MAX`] entries: a longer one is an attack on every node's memory.

use std::collections::BTreeMap;

use minicbor::{Decoder, Encoder};

use crate::cbor;
use crate::ids::StoreId;

/// Most entries of one clock; an edit that would pass it is refused at its author.
pub const VCLOCK_ENTRIES_MAX: usize = 256;

/// Highest counter: what a database's integers hold. A higher one is a lie, and counting on from it is refused.
pub const COUNTER_MAX: u64 = i64::MAX.unsigned_abs();

/// How one clock stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Everything it counts, the other counts too, and more.
    Before,
    /// It counts everything the other counts, and more.
    After,
    /// Both count the same.
    Equal,
    /// Each counts something the other does not.
    Concurrent,
}

/// Why a clock operation was refused; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More entries than a clock may have.
    #[error("a clock of {0} entries, the limit is {VCLOCK_ENTRIES_MAX}")]
    TooManyEntries(usize),
    /// The counter of this store is used up.
    #[error("the counter of store {0} is at its limit")]
    Overflow(StoreId),
}

/// Store → counter; a store that is not listed counts 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct VClock(BTreeMap<StoreId, u64>);

impl VClock {
    /// The clock that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter of `store`.
    pub fn get(&self, store: &StoreId) -> u64 {
        self.0.get(store).copied().unwrap_or(0)
    }

    /// Every store with its counter, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (&StoreId, u64)> {
        self.0.iter().map(|(store, count)| (store, *count))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Raises the counter of `store` to at least `count`.
    ///
    /// # Errors
    /// [`Error::TooManyEntries`] when the clock is full.
    pub fn raise(&mut self, store: StoreId, count: u64) -> Result<(), Error> {
        if count == 0 || self.get(&store) >= count {
            return Ok(());
        }
        if !self.0.contains_key(&store) && self.0.len() >= VCLOCK_ENTRIES_MAX {
            return Err(Error::TooManyEntries(self.0.len() + 1));
        }
        self.0.insert(store, count);
        Ok(())
    }

    /// Counts one more edit of `store`.
    ///
    /// # Errors
    /// [`Error::Overflow`] or [`Error::TooManyEntries`].
    pub fn increment(&mut self, store: StoreId) -> Result<u64, Error> {
        let next = self.get(&store).checked_add(1).filter(|next| *next <= COUNTER_MAX).ok_or(Error::Overflow(store))?;
        self.raise(store, next)?;
        Ok(next)
    }

    /// Takes the larger counter of every store. Refused as a whole if the result would be too long.
    ///
    /// # Errors
    /// [`Error::TooManyEntries`], and `self` is as before.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        let fresh = other.0.keys().filter(|store| !self.0.contains_key(store)).count();
        if self.0.len() + fresh > VCLOCK_ENTRIES_MAX {
            return Err(Error::TooManyEntries(self.0.len() + fresh));
        }
        for (store, count) in &other.0 {
            let mine = self.0.entry(*store).or_insert(0);
            *mine = (*mine).max(*count);
        }
        Ok(())
    }

    /// Whether `self` counts at least everything `other` counts.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(store, count)| self.get(store) >= *count)
    }

    /// How `self` stands to `other`.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Order {
        match (self.covers(other), other.covers(self)) {
            (true, true) => Order::Equal,
            (true, false) => Order::After,
            (false, true) => Order::Before,
            (false, false) => Order::Concurrent,
        }
    }

    /// Writes the clock as a CBOR map of store id to counter.
    pub fn encode(&self, out: &mut Encoder<&mut Vec<u8>>) {
        cbor::map(out, self.0.len());
        for (store, count) in &self.0 {
            cbor::bytes(out, &store.0);
            cbor::uint(out, *count);
        }
    }

    /// Reads what [`VClock::encode`] wrote.
    ///
    /// # Errors
    /// [`cbor::Error`] for anything else, more than [`VCLOCK_ENTRIES_MAX`] entries and zero counters included.
    pub fn decode(input: &mut Decoder<'_>) -> Result<Self, cbor::Error> {
        let len = cbor::read_map(input, VCLOCK_ENTRIES_MAX)?;
        let mut clock = BTreeMap::new();
        for _ in 0..len {
            let store = StoreId(cbor::read_array(input)?);
            let count = input.u64()?;
            if count == 0 {
                return Err(cbor::Error::Value("a clock lists a counter of 0"));
            }
            clock.insert(store, count);
        }
        Ok(Self(clock))
    }
}

impl FromIterator<(StoreId, u64)> for VClock {
    /// Collects at most [`VCLOCK_ENTRIES_MAX`] entries; later ones are dropped.
    fn from_iter<I: IntoIterator<Item = (StoreId, u64)>>(entries: I) -> Self {
        Self(entries.into_iter().filter(|(_, count)| *count > 0).take(VCLOCK_ENTRIES_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock() -> impl Strategy<Value = VClock> {
        prop::collection::btree_map(0..6_u8, 1..4_u64, 0..6)
            .prop_map(|map| map.into_iter().map(|(store, count)| (StoreId([store; 16]), count)).collect())
    }

    fn merged(a: &VClock, b: &VClock) -> VClock {
        let mut out = a.clone();
        out.merge(b).unwrap();
        out
    }

    proptest! {
        #[test]
        fn merge_commutes_associates_and_is_idempotent(a in clock(), b in clock(), c in clock()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a.clone());
            prop_assert!(merged(&a, &b).covers(&a));
        }

        #[test]
        fn comparing_is_antisymmetric(a in clock(), b in clock()) {
            let back = match b.compare(&a) {
                Order::Before => Order::After,
                Order::After => Order::Before,
                same => same,
            };
            prop_assert_eq!(a.compare(&b), back);
            prop_assert_eq!(a.compare(&b) == Order::Equal, a == b);
        }

        #[test]
        fn decode_undoes_encode(a in clock()) {
            let bytes = cbor::encode(|out| a.encode(out));
            prop_assert_eq!(cbor::decode(&bytes, VClock::decode).unwrap(), a);
        }
    }

    #[test]
    fn a_clock_never_grows_past_its_limit_nor_wraps() {
        let mut full: VClock = (0..256_u16).map(|n| (StoreId([(n & 255) as u8; 16]), 1)).collect();
        assert_eq!(full.len(), 256);
        let mut fresh = [7; 16];
        fresh[0] = 8;
        let before = full.clone();
        assert_eq!(full.increment(StoreId(fresh)), Err(Error::TooManyEntries(257)));
        let other = [(StoreId(fresh), 1)].into_iter().collect();
        assert!(full.merge(&other).is_err());
        assert_eq!(full, before);
        for limit in [COUNTER_MAX, u64::MAX] {
            full.raise(StoreId([1; 16]), limit).unwrap();
            assert_eq!(full.increment(StoreId([1; 16])), Err(Error::Overflow(StoreId([1; 16]))));
        }
        assert_eq!(full.increment(StoreId([2; 16])), Ok(2));
    }

    #[test]
    fn a_clock_of_257_entries_is_not_read() {
        let encoded = |entries: u16| {
            cbor::encode(|out| {
                cbor::map(out, usize::from(entries));
                for n in 0..entries {
                    let mut store = [0; 16];
                    store[..2].copy_from_slice(&n.to_be_bytes());
                    cbor::bytes(out, &store);
                    cbor::uint(out, 1);
                }
            })
        };
        assert_eq!(cbor::decode(&encoded(256), VClock::decode).unwrap().len(), 256);
        assert!(cbor::decode(&encoded(257), VClock::decode).is_err());
    }
}
