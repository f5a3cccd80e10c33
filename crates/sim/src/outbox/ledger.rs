//! The ledger: what must be true of every item, kept beside the nodes and never shown to them.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::outbox::{Level, MODERATE_RETRIES_MAX, Place, Protocol, Subject};
use antiphon_protocol::outbox::{Item as Sent, Source};
use antiphon_store::Push;

use crate::failure::{Broken, Law, Step, need};

/// What became of an item at its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was not written down, or is not known to be.
    None,
    /// It waits.
    Waits,
    /// A newer one took its place.
    Replaced(usize),
    /// Its receiver said that it has it.
    Delivered,
    /// It is not sent, and that is known.
    Refused,
    /// It was tried as often as such an item is.
    Abandoned,
    /// The process that remembered it ended, or the disk that held it was replaced by an older copy.
    Gone,
}

/// An item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) level: Level,
    pub(super) protocol: Protocol,
    pub(super) subject: Subject,
    pub(super) body: Vec<u8>,
    /// Whether its receiver does not take it for good.
    pub(super) unwanted: bool,
    pub(super) place: Option<Place>,
    pub(super) fate: Fate,
    /// Whether whoever handed it in was told that it is durable.
    acknowledged: bool,
    /// Whether a person had it tried again, so that it comes later than what was behind it.
    pub(super) retried: bool,
    /// Whether the sender's older copy does not know it.
    stray: bool,
    /// Attempts that failed while it waited.
    tries: u32,
}

impl Item {
    pub(super) fn new(
        (from, to): (usize, usize),
        (level, protocol, subject): (Level, Protocol, Subject),
        body: Vec<u8>,
        unwanted: bool,
    ) -> Self {
        let (place, fate) = (None, Fate::None);
        let (acknowledged, retried, stray, tries) = (false, false, false, 0);
        Self { from, to, level, protocol, subject, body, unwanted, place, fate, acknowledged, retried, stray, tries }
    }
}

/// Sender and receiver, each with how often its disk was replaced, and where the items come from.
type Lane = ((usize, u32), (usize, u32), Level);

/// Sender, receiver and place.
pub(super) type Key = (usize, usize, Place);

/// Whose database turned out to be an older copy: who says so, of what it has with whom, and in which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    OwnSent,
    OwnTaken,
    PeerTaken,
}

/// What a database did that nobody was told of, since its node was killed. Whether it lasted its disk will say.
#[derive(Debug, Clone)]
pub(super) enum Untold {
    Put(Vec<usize>, Vec<Push>),
    Took { from: usize, places: Vec<Place> },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    items: Vec<Item>,
    by_place: BTreeMap<Key, usize>,
    by_row: BTreeMap<(usize, u64, u64), usize>,
    /// What was taken, and how often the receiver's disk had been replaced by then.
    taken: BTreeMap<Key, u32>,
    /// The place that was taken last of what a member has for another one, on these disks.
    last: BTreeMap<Lane, Place>,
    /// How often the disk of a node was replaced by an older copy.
    disks: BTreeMap<usize, u32>,
    /// Which items were on a disk, or had been, when it was copied.
    copied: BTreeMap<usize, BTreeSet<usize>>,
    /// What nodes said about older copies.
    reported: BTreeSet<(usize, usize, Side)>,
    /// What they must say.
    pub(super) owed: BTreeSet<(usize, usize, Side)>,
    pub(super) untold: BTreeMap<usize, Vec<Untold>>,
}

impl Ledger {
    /// The number of the next item.
    pub(super) fn next(&self) -> usize {
        self.items.len()
    }

    pub(super) fn handed_in(&mut self, item: Item) {
        self.items.push(item);
    }

    pub(super) fn item(&self, number: usize) -> &Item {
        &self.items[number]
    }

    pub(super) fn items(&self) -> impl Iterator<Item = (usize, &Item)> {
        self.items.iter().enumerate()
    }

    pub(super) fn disk(&self, node: usize) -> u32 {
        self.disks.get(&node).copied().unwrap_or(0)
    }

    fn placed(&mut self, number: usize, place: Place) {
        let Some(item) = self.items.get_mut(number) else { return };
        (item.place, item.fate) = (Some(place), Fate::Waits);
        self.by_place.insert((item.from, item.to, place), number);
    }

    /// Items are on disk.
    pub(super) fn put(&mut self, items: &[usize], pushes: &[Push]) -> Step {
        for (number, push) in items.iter().zip(pushes) {
            let place = push.place();
            self.placed(*number, place);
            let item = self.items[*number].clone();
            self.by_row.insert((item.from, place.era, push.id()), *number);
            let Push::Merged { replaced, .. } = push else { continue };
            let mut rows = self.by_row.iter().filter(|((from, _, row), _)| (*from, *row) == (item.from, *replaced));
            // An older copy gives the numbers of rows again, but only one of them waits.
            let old = rows.find(|(_, old)| self.items[**old].fate == Fate::Waits && **old != *number);
            let old = old.map(|(_, old)| *old);
            let fits = old
                .map(|old| &self.items[old])
                .is_some_and(|old| (old.to, old.protocol, old.subject) == (item.to, item.protocol, item.subject));
            need(fits, Law::ItemsArrive, || format!("n{} replaced row {replaced}, {old:?}", item.from))?;
            if let Some(old) = old.and_then(|old| self.items.get_mut(old)) {
                old.fate = Fate::Replaced(*number);
            }
        }
        Ok(())
    }

    /// An item is kept in memory.
    pub(super) fn remembered(&mut self, number: usize, place: Place, merged: bool) {
        let item = self.items[number].clone();
        if merged {
            let same = |old: &&mut Item| {
                (old.from, old.to, old.level) == (item.from, item.to, Level::Moderate)
                    && (old.protocol, old.subject, old.fate) == (item.protocol, item.subject, Fate::Waits)
            };
            self.items.iter_mut().filter(same).for_each(|old| old.fate = Fate::Replaced(number));
        }
        self.placed(number, place);
    }

    pub(super) fn acknowledged(&mut self, items: &[usize]) {
        for number in items {
            if let Some(item) = self.items.get_mut(*number) {
                item.acknowledged = true;
            }
        }
    }

    /// What is known of an item that comes from somebody.
    pub(super) fn sent(&self, from: usize, to: usize, sent: &Sent) -> Step<&Item> {
        let number = self.by_place.get(&(from, to, sent.place));
        let item = number.and_then(|number| self.items.get(*number));
        let same = |item: &&Item| {
            u64::from(item.protocol.number()) == sent.protocol
                && (item.subject, &item.body) == (sent.subject, &sent.body)
        };
        let place = sent.place;
        item.filter(same)
            .ok_or_else(|| Broken(Law::ItemsOnce, format!("n{from} gives n{to} at {place} what nobody put there")))
    }

    /// A receiver took an item.
    pub(super) fn took(&mut self, from: usize, to: usize, place: Place) -> Step {
        let (sender, receiver) = (self.disk(from), self.disk(to));
        let before = self.taken.insert((from, to, place), receiver);
        need(before != Some(receiver), Law::ItemsOnce, || format!("n{to} takes {place} of n{from} twice"))?;
        let Some(item) = self.by_place.get(&(from, to, place)).and_then(|number| self.items.get(*number)) else {
            return Ok(());
        };
        if item.retried || item.stray {
            return Ok(());
        }
        let lane = ((from, sender), (to, receiver), item.level);
        let last = self.last.insert(lane, place);
        // Memory begins anew with every era.
        let fits = last.is_none_or(|last| last.n < place.n || (item.level != Level::Critical && last.era != place.era));
        need(fits, Law::ItemsInOrder, || format!("n{to} takes {place} of n{from} after {last:?}"))
    }

    /// Whether a receiver took an item, on whichever disk.
    pub(super) fn was_taken(&self, key: &Key) -> bool {
        self.taken.contains_key(key)
    }

    /// Whether a receiver's present disk knows that it took an item.
    pub(super) fn is_taken(&self, key: &Key) -> bool {
        self.taken.get(key) == Some(&self.disk(key.1))
    }

    /// What a node took, as its present disk must know it.
    pub(super) fn taken_by(&self, node: usize) -> impl Iterator<Item = Key> {
        let disk = self.disk(node);
        self.taken.iter().filter(move |((_, to, _), on)| *to == node && **on == disk).map(|(key, _)| *key)
    }

    /// A sender was told that its item is taken, or that it never will be.
    pub(super) fn settled(&mut self, key: Key, refused: bool) -> Step {
        let (from, to, place) = key;
        let there = refused || self.was_taken(&key);
        need(there, Law::ItemsArrive, || format!("n{from} lets go of {place}, which n{to} did not take"))?;
        let item = self.by_place.get(&key).and_then(|number| self.items.get_mut(*number));
        if let Some(item) = item.filter(|item| item.fate == Fate::Waits) {
            need(!refused || item.unwanted, Law::ItemsArrive, || format!("n{to} refuses {place} of n{from}"))?;
            item.fate = if refused { Fate::Refused } else { Fate::Delivered };
        }
        Ok(())
    }

    /// What waits for a removed member is not sent.
    pub(super) fn withheld(&mut self, from: usize, to: usize, level: Level) {
        self.waiting(from, to, level).for_each(|item| item.fate = Fate::Refused);
    }

    fn waiting(&mut self, from: usize, to: usize, level: Level) -> impl Iterator<Item = &mut Item> {
        let waits =
            move |item: &&mut Item| (item.from, item.to, item.level, item.fate) == (from, to, level, Fate::Waits);
        self.items.iter_mut().filter(waits)
    }

    /// An attempt at a peer failed, and these items in memory were given up.
    pub(super) fn failed(&mut self, from: usize, to: usize, abandoned: &[Place]) -> Step {
        for item in self.waiting(from, to, Level::Moderate) {
            item.tries += 1;
            let given_up = item.place.is_some_and(|place| abandoned.contains(&place));
            let often = item.tries > MODERATE_RETRIES_MAX;
            need(often == given_up, Law::ItemsEnd, || {
                format!("n{from} tried {:?} for n{to} {} times; given up: {given_up}", item.place, item.tries)
            })?;
            if given_up {
                item.fate = Fate::Abandoned;
            }
        }
        Ok(())
    }

    /// A process ended, and with it what it kept in memory.
    pub(super) fn killed(&mut self, node: usize) {
        let held = |item: &&mut Item| (item.from, item.level) == (node, Level::Moderate);
        self.items
            .iter_mut()
            .filter(held)
            .filter(|item| item.fate == Fate::Waits)
            .for_each(|item| item.fate = Fate::Gone);
        // What it was about to look up when it went down it need not say.
        self.owed.retain(|(who, _, _)| *who != node);
    }

    /// A disk was copied.
    pub(super) fn copied(&mut self, node: usize) {
        let there = |(_, item): &(usize, &Item)| item.from == node && item.place.is_some();
        let known = self.items().filter(there).map(|(number, _)| number).collect();
        self.copied.insert(node, known);
    }

    /// A node came back with the copy, on which these places wait, and which knows that those items were taken.
    pub(super) fn rolled_back(&mut self, node: usize, rows: &BTreeSet<(usize, Place)>, took: &[Key]) -> Step {
        *self.disks.entry(node).or_insert(0) += 1;
        let disk = self.disk(node);
        self.taken.extend(took.iter().map(|key| (*key, disk)));
        let known = self.copied.get(&node).cloned().unwrap_or_default();
        let taken = self.taken.clone();
        for (number, item) in self.items.iter_mut().enumerate() {
            let Some(place) = item.place.filter(|_| (item.from, item.level) == (node, Level::Critical)) else {
                continue;
            };
            if rows.contains(&(item.to, place)) {
                (item.fate, item.retried) = (Fate::Waits, false);
                continue;
            }
            let waited = matches!(item.fate, Fate::Waits | Fate::Refused);
            let late = !known.contains(&number);
            let kept = !waited || !item.acknowledged || late || taken.contains_key(&(node, item.to, place));
            need(kept, Law::ItemsArrive, || {
                format!("the copy of n{node} lacks item {number}, {place} for n{}", item.to)
            })?;
            if waited || late {
                (item.fate, item.stray) = (Fate::Gone, true);
            }
        }
        Ok(())
    }

    /// A node came back: what it was told to be durable is there, or is where it should be.
    pub(super) fn check_rows(&mut self, node: usize, rows: &BTreeSet<(usize, Place)>) -> Step {
        for (number, item) in self.items.iter_mut().enumerate() {
            let Some(place) = item.place.filter(|_| (item.from, item.level) == (node, Level::Critical)) else {
                continue;
            };
            let waits = matches!(item.fate, Fate::Waits | Fate::Refused);
            if !waits || rows.contains(&(item.to, place)) || self.taken.contains_key(&(node, item.to, place)) {
                continue;
            }
            need(!item.acknowledged, Law::ItemsArrive, || {
                format!("n{node} came back without item {number}, {place} for n{}", item.to)
            })?;
            item.fate = Fate::Gone;
        }
        Ok(())
    }

    /// Somebody said that a copy is older.
    pub(super) fn reported(&mut self, who: usize, with: usize, side: Side) -> Step {
        let older = if side == Side::PeerTaken { with } else { who };
        need(self.disk(older) > 0, Law::NoFalseAlarm, || format!("n{who} says {side:?} of what it has with n{with}"))?;
        self.reported.insert((who, with, side));
        Ok(())
    }

    pub(super) fn is_reported(&self, who: usize, with: usize, side: Side) -> bool {
        self.reported.contains(&(who, with, side))
    }

    /// Whether the sender's present disk does not know the item at this place.
    pub(super) fn is_stray(&self, key: &Key) -> bool {
        Source::of(key.2.era) == Source::Disk
            && self.by_place.get(key).and_then(|number| self.items.get(*number)).is_some_and(|item| item.stray)
    }

    /// A person has what was refused tried again.
    pub(super) fn retried(&mut self, key: &Key) {
        if let Some(item) = self.by_place.get(key).and_then(|number| self.items.get_mut(*number)) {
            (item.fate, item.retried) = (Fate::Waits, true);
        }
    }

    /// Whether whoever handed in an item counts on it.
    pub(super) fn is_owed(&self, item: &Item) -> bool {
        item.acknowledged && !item.stray && matches!(item.fate, Fate::Waits | Fate::Refused)
    }
}
