//! Merging: which edits of a subject stand, field by field.
//!
//! Two machines edit one fact while they do not see each other. The last writer by the clock could win, but then one
//! write is gone and nobody knows. Keeping two whole copies annoys where the edits do not even touch. So the law is
//! per field: an edit stands for a field while no other edit of that field has seen it (its version is not before the
//! other's). Edits of different fields both stand and merge by themselves; two standing edits of one field with
//! different values are a *divergence*: both are kept, the higher (hlc, store) is shown everywhere alike, and any
//! later edit that has seen both settles it. Forgetting is an edit of every field, so a delete concurrent with an
//! edit is a divergence too.
//!
//! Only headers are needed, so a node that may not read a payload still computes the same frontier. The result does
//! not depend on the order in which edits arrive, nor on how often.

use std::cmp::Ordering;

use crate::ids::{Hash, StoreId};
use crate::time::Hlc;
use crate::vclock::{self, Order, VClock};

/// One edit that stands for at least one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Hash of its header: its identity.
    pub hash: Hash,
    /// When, by its author's clock.
    pub hlc: Hlc,
    /// Its author's store.
    pub store: StoreId,
    /// The edits of the subject it had seen, itself included.
    pub version: VClock,
    /// Fields it set or cleared.
    pub fields: u64,
    /// Fields of those for which it still stands.
    pub standing: u64,
}

impl Edit {
    /// A fresh edit, standing for all its fields.
    pub fn new(hash: Hash, hlc: Hlc, store: StoreId, version: VClock, fields: u64) -> Self {
        Self { hash, hlc, store, version, fields, standing: fields }
    }

    /// Of two edits that stand for one field, the greater is shown.
    pub(crate) fn rank(&self, other: &Self) -> Ordering {
        (self.hlc, self.store, self.hash).cmp(&(other.hlc, other.store, other.hash))
    }
}

/// What an edit did to a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Merged {
    /// The edit stands for some field.
    Stands,
    /// It was known, or later edits had seen it.
    Superseded,
}

/// The standing edits of one subject, ordered by hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier(Vec<Edit>);

impl Frontier {
    /// A frontier from the rows a database kept.
    pub fn from_edits(mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|edit| edit.hash);
        Self(edits)
    }

    /// The standing edits, ordered by hash.
    pub fn edits(&self) -> &[Edit] {
        &self.0
    }

    /// Takes an edit in. Commutes, associates and is idempotent.
    pub fn insert(&mut self, mut edit: Edit) -> Merged {
        edit.standing = edit.fields;
        for standing in &mut self.0 {
            if standing.hash == edit.hash {
                return Merged::Superseded;
            }
            match edit.version.compare(&standing.version) {
                Order::After => standing.standing &= !edit.fields,
                Order::Before => edit.standing &= !standing.fields,
                // Equal versions with different hashes come from a store that signed two branches; neither has seen
                // the other.
                Order::Equal | Order::Concurrent => {}
            }
        }
        self.0.retain(|standing| standing.standing != 0);
        if edit.standing == 0 {
            return Merged::Superseded;
        }
        let at = self.0.partition_point(|standing| standing.hash < edit.hash);
        self.0.insert(at, edit);
        Merged::Stands
    }

    /// The standing edits of field `bit`, the winner first.
    pub fn standing(&self, bit: u8) -> Vec<&Edit> {
        let mut edits: Vec<&Edit> = self.0.iter().filter(|edit| edit.standing >> bit & 1 == 1).collect();
        edits.sort_by(|a, b| b.rank(a));
        edits
    }

    /// The fields for which the edit of this hash stands; none when it is superseded or unknown.
    pub fn standing_of(&self, hash: &Hash) -> u64 {
        let found = self.0.binary_search_by_key(hash, |edit| edit.hash).ok();
        found.and_then(|at| self.0.get(at)).map_or(0, |edit| edit.standing)
    }

    /// Fields for which more than one edit stands: a divergence where their values differ.
    pub fn contested(&self) -> u64 {
        let (mut once, mut twice) = (0, 0);
        for edit in &self.0 {
            twice |= once & edit.standing;
            once |= edit.standing;
        }
        twice
    }

    /// The version of an edit by `store` that has seen every standing one.
    ///
    /// # Errors
    /// [`vclock::Error`] when the version would be too long or its counter is used up.
    pub fn next_version(&self, store: StoreId) -> Result<VClock, vclock::Error> {
        let mut version = VClock::new();
        for edit in &self.0 {
            version.merge(&edit.version)?;
        }
        version.increment(store)?;
        Ok(version)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A history as it happens: each step one of three stores edits some fields after seeing some earlier edits.
    pub(crate) fn history() -> impl Strategy<Value = Vec<Edit>> {
        prop::collection::vec((0..3_u8, 1..8_u64, any::<u64>(), 0..50_u64), 1..12).prop_map(|steps| {
            let mut edits: Vec<Edit> = Vec::new();
            let mut own = [const { None::<VClock> }; 3];
            for (n, (store, fields, seen, hlc)) in (0_u8..).zip(steps) {
                let mut version = own[usize::from(store)].clone().unwrap_or_default();
                for (i, earlier) in edits.iter().enumerate() {
                    if seen >> (i % 64) & 1 == 1 {
                        version.merge(&earlier.version).unwrap();
                    }
                }
                version.increment(StoreId([store; 16])).unwrap();
                own[usize::from(store)] = Some(version.clone());
                edits.push(Edit::new(Hash::of(&[n]), Hlc(hlc), StoreId([store; 16]), version, fields));
            }
            edits
        })
    }

    pub(crate) fn merge_all<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> Frontier {
        let mut frontier = Frontier::default();
        for edit in edits {
            let _ = frontier.insert(edit.clone());
        }
        frontier
    }

    proptest! {
        #[test]
        fn the_frontier_does_not_depend_on_order_or_repetition(edits in history(), order in any::<u64>()) {
            let straight = merge_all(&edits);
            let mut shuffled: Vec<&Edit> = edits.iter().chain(edits.iter().take(3)).collect();
            let len = shuffled.len();
            for (i, turn) in (0..len).zip((0..64).step_by(5).cycle()) {
                let pick = usize::try_from(order.rotate_left(turn) & 0xffff).unwrap() % len;
                shuffled.swap(i, pick);
            }
            prop_assert_eq!(&merge_all(shuffled), &straight);
            prop_assert_eq!(&merge_all(edits.iter().rev()), &straight);
        }

        #[test]
        fn an_edit_that_has_seen_everything_settles_its_fields(edits in history()) {
            let mut frontier = merge_all(&edits);
            let version = frontier.next_version(StoreId([9; 16])).unwrap();
            let last = Edit::new(Hash([9; 32]), Hlc(0), StoreId([9; 16]), version, u64::MAX);
            prop_assert_eq!(frontier.insert(last.clone()), Merged::Stands);
            prop_assert_eq!(frontier.edits(), &[last]);
        }
    }

    #[test]
    fn edits_of_different_fields_merge_and_of_one_field_diverge() {
        let store = |n| StoreId([n; 16]);
        let version = |n| [(store(0), 1), (store(n), 1)].into_iter().collect::<VClock>();
        let base = Edit::new(Hash([0; 32]), Hlc(1), store(0), [(store(0), 1)].into_iter().collect(), 0b11);
        let alice = Edit::new(Hash([1; 32]), Hlc(5), store(1), version(1), 0b01);
        let bob = Edit::new(Hash([2; 32]), Hlc(4), store(2), version(2), 0b10);
        let frontier = merge_all([&base, &alice, &bob]);
        assert_eq!(frontier.contested(), 0);
        let eve = Edit::new(Hash([3; 32]), Hlc(9), store(3), version(3), 0b01);
        let frontier = merge_all([&base, &alice, &bob, &eve]);
        assert_eq!(frontier.contested(), 0b01);
        let standing = |bit| frontier.standing(bit).iter().map(|edit| edit.hash).collect::<Vec<_>>();
        assert_eq!(standing(0), [eve.hash, alice.hash], "the winner first");
        assert_eq!(standing(1), [bob.hash]);
        assert!(standing(2).is_empty());
    }
}
