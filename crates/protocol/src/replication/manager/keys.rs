//! The ciphertexts that are needed, in few bytes each: there may be a hundred thousand of them.
//!
//! Nodes are numbers here and times are seconds. What is counted over all keys is kept as it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use antiphon_core::ids::Hash;
use antiphon_core::replication::{History, Priority};
use antiphon_core::time::UnixMillis;

use super::words::Evidence;

/// Names a key: its place in the table.
pub(super) type KeyNo = u32;
/// Names a node: its place in the table of nodes.
pub(super) type NodeNo = u16;

/// A point in time, in seconds; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Seconds(u32);

impl Seconds {
    /// Never.
    pub(super) const NEVER: Self = Self(0);

    /// The second that this time is in.
    pub(super) fn of(at: UnixMillis) -> Self {
        Self(u32::try_from(at.0 / 1_000).unwrap_or(u32::MAX).max(1))
    }

    /// The second after this time, so that it has passed by then.
    pub(super) fn over(at: UnixMillis) -> Self {
        Self::of(at.after(1_000))
    }

    /// Its beginning.
    pub(super) const fn millis(self) -> UnixMillis {
        UnixMillis(self.0 as u64 * 1_000)
    }

    /// Its beginning, unless it is never.
    pub(super) fn get(self) -> Option<UnixMillis> {
        (self != Self::NEVER).then_some(self.millis())
    }
}

/// What a node showed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Proved,
    Claimed,
    Missing,
    Wrong,
    /// It does not hold it, and would not take it.
    Refused,
}

/// What is known of one node and one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) at: Seconds,
    /// When it was first known to hold it.
    pub(super) added: Seconds,
    pub(super) node: NodeNo,
    pub(super) shown: Shown,
    successes: u8,
    failures: u8,
}

impl Record {
    pub(super) const fn new(node: NodeNo, shown: Shown, at: Seconds) -> Self {
        let added = if matches!(shown, Shown::Proved | Shown::Claimed) { at } else { Seconds::NEVER };
        Self { at, added, node, shown, successes: 0, failures: 0 }
    }

    /// Whether it speaks for a copy.
    pub(super) const fn holds(&self) -> bool {
        matches!(self.shown, Shown::Proved | Shown::Claimed)
    }

    pub(super) fn history(&self) -> History {
        History { successes: u32::from(self.successes), failures: u32::from(self.failures) }
    }

    pub(super) fn set_history(&mut self, history: History) {
        self.successes = u8::try_from(history.successes).unwrap_or(u8::MAX);
        self.failures = u8::try_from(history.failures).unwrap_or(u8::MAX);
    }

    pub(super) const fn evidence(&self) -> Evidence {
        let at = self.at.millis();
        match self.shown {
            Shown::Proved => Evidence::Proved(at),
            Shown::Claimed => Evidence::Claimed(at),
            Shown::Missing | Shown::Refused => Evidence::Missing(at),
            Shown::Wrong => Evidence::Wrong(at),
        }
    }
}

/// A ciphertext that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) root: Hash,
    pub(super) length: u64,
    /// When it is looked at again.
    due: UnixMillis,
    /// What was tried in vain is not tried again before.
    pub(super) retry_at: UnixMillis,
    records: Box<[Record]>,
    pub(super) created: Seconds,
    /// When all of its copies were last proved because it was time.
    pub(super) reprovided: Seconds,
    /// Trimming is not considered before.
    pub(super) trim_after: Seconds,
    /// Others rely on the own copy until then.
    pub(super) vouched: Seconds,
    /// What was shown before is asked again.
    pub(super) stale_before: Seconds,
    pub(super) priority: Priority,
    /// Rounds in vain, one after the other.
    pub(super) attempts: u8,
    /// Copies that count.
    actual: u8,
    pub(super) own: bool,
    pub(super) current: bool,
    /// Whether all of it is here.
    pub(super) whole: bool,
    /// A person wants its copies made.
    pub(super) forced: bool,
}

impl Key {
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn record(&self, node: NodeNo) -> Option<&Record> {
        self.records.iter().find(|record| record.node == node)
    }

    pub(super) fn record_mut(&mut self, node: NodeNo) -> Option<&mut Record> {
        self.records.iter_mut().find(|record| record.node == node)
    }

    pub(super) fn actual(&self) -> usize {
        usize::from(self.actual)
    }

    /// Forgets what was tried in vain.
    pub(super) const fn hope(&mut self) {
        self.attempts = 0;
        self.retry_at = UnixMillis(0);
    }

    /// Puts a record in, in the place of the least useful one if there are `max` already. `worth` says how useful one is.
    pub(super) fn put<T: Ord>(&mut self, record: Record, max: usize, worth: impl Fn(&Record) -> T) {
        if let Some(known) = self.record_mut(record.node) {
            *known = record;
            return;
        }
        let mut records = std::mem::take(&mut self.records).into_vec();
        while records.len() >= max.max(1) {
            let Some(least) = (0..records.len()).min_by_key(|n| records.get(*n).map(&worth)) else { break };
            records.swap_remove(least);
        }
        records.reserve_exact(1);
        records.push(record);
        self.records = records.into_boxed_slice();
    }
}

/// All keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    slots: Vec<Key>,
    by_root: BTreeMap<Hash, KeyNo>,
    free: Vec<KeyNo>,
    due: BTreeSet<(UnixMillis, KeyNo)>,
    /// How many keys have so many copies.
    by_actual: BTreeMap<u8, usize>,
}

/// A key that is not looked at by itself.
const NOT_DUE: UnixMillis = UnixMillis(u64::MAX);

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.by_root.len()
    }

    pub(super) fn no(&self, root: &Hash) -> Option<KeyNo> {
        self.by_root.get(root).copied()
    }

    pub(super) fn get(&self, no: KeyNo) -> Option<&Key> {
        self.slots.get(no as usize)
    }

    pub(super) fn get_mut(&mut self, no: KeyNo) -> Option<&mut Key> {
        self.slots.get_mut(no as usize)
    }

    /// Keys after this root, ascending.
    pub(super) fn after(&self, root: Option<Hash>) -> impl Iterator<Item = (KeyNo, &Key)> {
        let from = root.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_root.range((from, Bound::Unbounded)).filter_map(|(_, no)| Some((*no, self.get(*no)?)))
    }

    /// The number of a key, which is put in if it is new; `None` if there are `max` already.
    pub(super) fn add(&mut self, root: Hash, now: UnixMillis, max: usize) -> Option<KeyNo> {
        if let Some(no) = self.no(&root) {
            return Some(no);
        }
        if self.len() >= max {
            return None;
        }
        let key = Key {
            root,
            length: 0,
            due: NOT_DUE,
            retry_at: UnixMillis(0),
            records: Box::default(),
            created: Seconds::of(now),
            reprovided: Seconds::NEVER,
            trim_after: Seconds::NEVER,
            vouched: Seconds::NEVER,
            stale_before: Seconds::NEVER,
            priority: Priority::Normal,
            attempts: 0,
            actual: 0,
            own: false,
            current: false,
            whole: false,
            forced: false,
        };
        let no = match self.free.pop() {
            Some(no) => no,
            None => KeyNo::try_from(self.slots.len()).ok()?,
        };
        match self.slots.get_mut(no as usize) {
            Some(slot) => *slot = key,
            None => self.slots.push(key),
        }
        self.by_root.insert(root, no);
        *self.by_actual.entry(0).or_default() += 1;
        Some(no)
    }

    /// Takes a key out; its number may come back as that of another.
    pub(super) fn remove(&mut self, root: &Hash) -> Option<KeyNo> {
        let no = self.by_root.remove(root)?;
        self.set_due(no, NOT_DUE);
        let key = self.slots.get_mut(no as usize)?;
        key.records = Box::default();
        let actual = key.actual;
        self.leave(actual);
        self.free.push(no);
        Some(no)
    }

    fn leave(&mut self, actual: u8) {
        if let Some(count) = self.by_actual.get_mut(&actual) {
            *count -= 1;
            if *count == 0 {
                self.by_actual.remove(&actual);
            }
        }
    }

    /// Says how many copies count.
    pub(super) fn set_actual(&mut self, no: KeyNo, actual: usize) {
        let actual = u8::try_from(actual).unwrap_or(u8::MAX);
        let Some(key) = self.slots.get_mut(no as usize) else { return };
        let before = std::mem::replace(&mut key.actual, actual);
        if before != actual {
            self.leave(before);
            *self.by_actual.entry(actual).or_default() += 1;
        }
    }

    /// How many keys have how many copies.
    pub(super) fn by_actual(&self) -> impl Iterator<Item = (usize, usize)> {
        self.by_actual.iter().map(|(actual, keys)| (usize::from(*actual), *keys))
    }

    /// Has a key looked at then, and not at another time.
    pub(super) fn set_due(&mut self, no: KeyNo, at: UnixMillis) {
        let Some(key) = self.slots.get_mut(no as usize) else { return };
        let before = std::mem::replace(&mut key.due, at);
        if before != at {
            self.due.remove(&(before, no));
            if at != NOT_DUE {
                self.due.insert((at, no));
            }
        }
    }

    /// Has a key looked at then, or sooner if it is due sooner.
    pub(super) fn due_by(&mut self, no: KeyNo, at: UnixMillis) {
        if self.get(no).is_some_and(|key| at < key.due) {
            self.set_due(no, at);
        }
    }

    /// The next that is due.
    pub(super) fn next_due(&self) -> Option<(UnixMillis, KeyNo)> {
        self.due.first().copied()
    }

    /// A key that is due now, which is not due any more.
    pub(super) fn pop_due(&mut self, now: UnixMillis) -> Option<KeyNo> {
        let (_, no) = self.next_due().filter(|(at, _)| *at <= now)?;
        self.set_due(no, NOT_DUE);
        Some(no)
    }

    /// The numbers of all keys.
    pub(super) fn numbers(&self) -> Vec<KeyNo> {
        self.by_root.values().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_small() {
        assert!(size_of::<Key>() <= 104, "{}", size_of::<Key>());
        assert!(size_of::<Record>() <= 16, "{}", size_of::<Record>());
    }

    #[test]
    fn what_is_removed_leaves_nothing() {
        let mut keys = Keys::default();
        let now = UnixMillis(5_000);
        let root = Hash([1; 32]);
        let no = keys.add(root, now, 2).unwrap();
        keys.set_actual(no, 3);
        keys.set_due(no, now);
        keys.get_mut(no).unwrap().put(Record::new(1, Shown::Proved, Seconds::of(now)), 4, |record| record.at);
        assert_eq!(keys.remove(&root), Some(no));
        assert_eq!((keys.len(), keys.next_due(), keys.by_actual().count()), (0, None, 0));
        let other = keys.add(Hash([2; 32]), now, 2).unwrap();
        assert_eq!(other, no, "its place is taken again");
        assert_eq!(keys.get(other).unwrap().records(), []);
        assert!(keys.add(Hash([3; 32]), now, 2).is_some() && keys.add(Hash([4; 32]), now, 2).is_none());
    }

    #[test]
    fn the_least_useful_record_goes_first() {
        let mut keys = Keys::default();
        let no = keys.add(Hash([1; 32]), UnixMillis(0), 1).unwrap();
        let key = keys.get_mut(no).unwrap();
        for node in 0..4 {
            let at = Seconds::of(UnixMillis(1_000 * (10 - u64::from(node))));
            key.put(Record::new(node, Shown::Missing, at), 3, |record| record.at);
        }
        let mut left: Vec<NodeNo> = key.records().iter().map(|record| record.node).collect();
        left.sort_unstable();
        assert_eq!(left, [0, 1, 3], "the newcomer stays, the oldest goes");
    }
}
