//! Bob sends, alice takes; answers get lost, both crash, and both come back from old copies of their disks.
//!
//! Whatever happens in whatever order: nothing is applied twice, nothing is lost but what a restored copy itself has
//! forgotten, and each side can tell that the other one, or it itself, was restored.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::outbox::{Place, Protocol};
use antiphon_store::{Db, Effect, Push, Retried, Settled, TakeFrom, Taking, Took, Waiting};
use proptest::prelude::*;

use crate::common::NOW;
use crate::outbox::{KEY, bob as bob_id, check, eve as alice_id, item, open, page, put};

const STORE: StoreId = StoreId([1; 16]);

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// Bob writes something about a subject.
    Write { protocol: Protocol, subject: u8 },
    /// Bob connects and delivers at most so many items; of the answers alice gives, so many arrive.
    Deliver { items: usize, answers: usize },
    /// Alice does not want the next item, and says so.
    Refuse,
    /// A person has bob's refused items tried again.
    Retry,
    /// A person drops bob's oldest item.
    Drop,
    /// A process ends and starts again.
    Restart(Who),
    /// A copy of a disk is made.
    Copy(Who),
    /// A disk is replaced by its copy.
    Restore(Who),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Alice,
    Bob,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || prop_oneof![Just(Who::Alice), Just(Who::Bob)];
    let protocol = prop_oneof![
        1 => Just(Protocol::MESSAGE),
        1 => Just(Protocol::RESOURCE_CREATE),
        3 => Just(Protocol::RESOURCE_UPDATE),
        1 => Just(Protocol::RESOURCE_DELETE),
    ];
    let step = prop_oneof![
        8 => (protocol, 1_u8..4).prop_map(|(protocol, subject)| Step::Write { protocol, subject }),
        6 => (1_usize..5, 0_usize..5).prop_map(|(items, answers)| Step::Deliver { items, answers }),
        1 => Just(Step::Refuse),
        1 => Just(Step::Retry),
        1 => Just(Step::Drop),
        2 => who().prop_map(Step::Restart),
        1 => who().prop_map(Step::Copy),
        1 => who().prop_map(Step::Restore),
    ];
    prop::collection::vec(step, 1..60)
}

/// A disk with the database on it, and what is true of it.
struct Disk<T> {
    home: tempfile::TempDir,
    db: Option<Db>,
    known: T,
    copy: Option<(tempfile::TempDir, T)>,
}

impl<T: Clone> Disk<T> {
    fn new(known: T, era: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let db = Some(open(home.path(), era));
        Self { home, db, known, copy: None }
    }

    fn db(&mut self) -> &mut Db {
        self.db.as_mut().unwrap()
    }

    fn copied(from: &tempfile::TempDir) -> tempfile::TempDir {
        let to = tempfile::tempdir().unwrap();
        for name in ["antiphon.db", "antiphon.db-wal"] {
            if from.path().join(name).exists() {
                std::fs::copy(from.path().join(name), to.path().join(name)).unwrap();
            }
        }
        to
    }

    /// A kill: the next life begins with the files as they are.
    fn restart(&mut self, era: u64) {
        let after = Self::copied(&self.home);
        self.db = None;
        self.home = after;
        self.db = Some(open(self.home.path(), era));
    }

    fn copy(&mut self) {
        self.copy = Some((Self::copied(&self.home), self.known.clone()));
    }

    /// Says whether there was a copy.
    fn restore(&mut self, era: u64) -> bool {
        let Some((home, known)) = &self.copy else { return false };
        let (home, known) = (Self::copied(home), known.clone());
        self.db = None;
        (self.home, self.known) = (home, known);
        self.db = Some(open(self.home.path(), era));
        true
    }
}

/// What is true of bob's disk: which item he gave which place, and which of them must arrive.
#[derive(Debug, Clone, Default)]
struct Sent {
    given: BTreeMap<Place, u64>,
    due: BTreeSet<u64>,
    rows: BTreeMap<u64, u64>,
}

/// What is true of alice's disk: what she applied, in order, and under which places.
#[derive(Debug, Clone, Default)]
struct Applied {
    items: Vec<u64>,
    places: BTreeSet<Place>,
}

struct World {
    bob: Disk<Sent>,
    alice: Disk<Applied>,
    items: u64,
    eras: u64,
    /// What alice had applied when her disk was replaced by an older copy.
    forgotten: BTreeSet<u64>,
    /// Whether bob's items must arrive in the order in which he wrote them.
    in_order: bool,
}

impl World {
    fn new() -> Self {
        let (bob, alice) = (Disk::new(Sent::default(), 1), Disk::new(Applied::default(), 1_000));
        Self { bob, alice, items: 0, eras: 1, forgotten: BTreeSet::new(), in_order: true }
    }

    fn era(&mut self) -> u64 {
        self.eras += 1;
        // Random, so in no order.
        self.eras.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write { protocol, subject } => self.write(*protocol, *subject),
            Step::Deliver { items, answers } => {
                self.deliver(*items, *answers);
            }
            Step::Refuse => self.refuse(),
            Step::Retry => self.retry(),
            Step::Drop => self.drop_oldest(),
            Step::Restart(Who::Bob) => {
                let era = self.era();
                self.bob.restart(era);
            }
            Step::Restart(Who::Alice) => {
                let era = self.era();
                self.alice.restart(era);
            }
            Step::Copy(Who::Bob) => self.bob.copy(),
            Step::Copy(Who::Alice) => self.alice.copy(),
            Step::Restore(Who::Bob) => {
                let era = self.era();
                self.in_order &= !self.bob.restore(era);
            }
            Step::Restore(Who::Alice) => {
                let (era, before) = (self.era(), self.alice.known.items.clone());
                if self.alice.restore(era) {
                    self.in_order = false;
                    let kept: BTreeSet<u64> = self.alice.known.items.iter().copied().collect();
                    self.forgotten.extend(before.into_iter().filter(|item| !kept.contains(item)));
                }
            }
        }
    }

    fn write(&mut self, protocol: Protocol, subject: u8) {
        self.items += 1;
        let (number, written) = (self.items, item(alice_id(), protocol, subject, &self.items.to_string()));
        let push = put(self.bob.db(), &[written])[0];
        let known = &mut self.bob.known;
        assert_eq!(known.given.insert(push.place(), number), None, "no place is given twice");
        known.due.insert(number);
        known.rows.insert(push.id(), number);
        if let Push::Merged { replaced, .. } = push {
            let replaced = known.rows.remove(&replaced).unwrap();
            known.due.remove(&replaced);
        }
    }

    /// What both sides say of each other before anything is sent.
    fn greet(&mut self) {
        let last = self.alice.db().reader().taken_last(&bob_id(), &STORE).unwrap();
        if let Some(last) = last {
            let knows = self.bob.db().reader().knows_place(&alice_id(), last).unwrap();
            assert_eq!(knows, self.bob.known.given.contains_key(&last), "bob was restored, or was not: {last}");
        }
        let delivered = self.bob.db().reader().outbox_peer(&alice_id()).unwrap().delivered;
        if let Some((delivered, _)) = delivered {
            let has = self.alice.db().reader().has_taken(&bob_id(), delivered).unwrap();
            assert_eq!(has, self.alice.known.places.contains(&delivered), "alice was restored, or was not");
        }
    }

    /// Says how many items were delivered.
    fn deliver(&mut self, max: usize, answers: usize) -> usize {
        self.greet();
        let page = self.bob.db().reader().outbox_page(&alice_id(), 0, max, 1 << 20, &KEY).unwrap();
        assert_eq!(page.broken, []);
        let from = TakeFrom { node: bob_id(), store: STORE, floor: page.floor };
        let taking = |waiting: &Waiting| Taking { place: waiting.place, effect: Effect::Nothing };
        let took = self.alice.db().take(&from, page.items.iter().map(taking).collect(), NOW).unwrap();
        let mut said = Vec::new();
        for (waiting, took) in page.items.iter().zip(&took) {
            let number: u64 = std::str::from_utf8(&waiting.item.body).unwrap().parse().unwrap();
            let known = &mut self.alice.known;
            let had = known.places.contains(&waiting.place);
            assert_eq!(*took, if had { Took::Had } else { Took::Taken }, "{}", waiting.place);
            if !had {
                known.places.insert(waiting.place);
                known.items.push(number);
            }
            said.push((waiting.place, if had { Settled::Had } else { Settled::Taken }));
        }
        let arrived = &said[..answers.min(said.len())];
        assert_eq!(self.bob.db().settle_outbox(&alice_id(), arrived, NOW).unwrap(), arrived.len());
        self.no_item_twice();
        arrived.len()
    }

    fn refuse(&mut self) {
        let page = page(self.bob.db(), &alice_id());
        if let Some(next) = page.items.first()
            && !self.alice.known.places.contains(&next.place)
        {
            let said = [(next.place, Settled::Refused("not_now".into()))];
            self.bob.db().settle_outbox(&alice_id(), &said, NOW).unwrap();
            self.in_order = false;
        }
    }

    fn retry(&mut self) {
        let rows = self.bob.db().reader().outbox_list(&Default::default(), 0, 1_000, Some(&KEY)).unwrap();
        for row in rows {
            assert_eq!(row.flaw, None);
            assert!(matches!(self.bob.db().retry_outbox(row.id, &KEY).unwrap(), Retried::Waits { .. }));
        }
    }

    fn drop_oldest(&mut self) {
        let rows = self.bob.db().reader().outbox_list(&Default::default(), 0, 1, None).unwrap();
        if let Some(row) = rows.first() {
            self.bob.db().drop_outbox(&[row.id]).unwrap();
            let number = self.bob.known.given[&row.place];
            self.bob.known.due.remove(&number);
        }
    }

    fn no_item_twice(&self) {
        let items = &self.alice.known.items;
        let distinct: BTreeSet<&u64> = items.iter().collect();
        assert_eq!(distinct.len(), items.len(), "applied twice: {items:?}");
        if self.in_order {
            assert!(items.is_sorted(), "{items:?}");
        }
    }

    /// All is well again: what must arrive has arrived.
    fn finish(&mut self) {
        self.retry();
        while self.deliver(3, 3) > 0 {}
        let stats = self.bob.db().reader().outbox_stats().unwrap();
        assert_eq!((stats.items, stats.bytes, stats.oldest), (0, 0, None));
        let applied: BTreeSet<u64> = self.alice.known.items.iter().copied().collect();
        let lost = self.bob.known.due.iter().filter(|item| !applied.contains(item) && !self.forgotten.contains(item));
        assert_eq!(lost.count(), 0, "due {:?}, applied {applied:?}", self.bob.known.due);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_nothing_is_lost_and_nothing_is_applied_twice(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        check(world.bob.db());
        world.finish();
    }
}

#[test]
fn bob_is_told_that_he_was_restored_and_alice_that_she_was() {
    let mut world = World::new();
    let unknown = |world: &mut World| -> bool {
        let last = world.alice.db().reader().taken_last(&bob_id(), &STORE).unwrap().unwrap();
        !world.bob.db().reader().knows_place(&alice_id(), last).unwrap()
    };
    let lost = |world: &mut World, alice: NodeId| -> bool {
        let (delivered, _) = world.bob.db().reader().outbox_peer(&alice).unwrap().delivered.unwrap();
        !world.alice.db().reader().has_taken(&bob_id(), delivered).unwrap()
    };
    let write = Step::Write { protocol: Protocol::MESSAGE, subject: 1 };
    let deliver = Step::Deliver { items: 9, answers: 9 };
    for step in [&write, &deliver, &Step::Copy(Who::Bob), &Step::Copy(Who::Alice), &write, &deliver] {
        world.step(step);
    }
    assert!(!unknown(&mut world) && !lost(&mut world, alice_id()));
    world.step(&Step::Restore(Who::Alice));
    assert!(!unknown(&mut world) && lost(&mut world, alice_id()), "alice had an old copy");
    world.step(&write);
    world.step(&deliver);
    world.step(&Step::Restore(Who::Bob));
    assert!(unknown(&mut world) && !lost(&mut world, alice_id()), "bob had an old copy");
    world.step(&write);
    assert!(unknown(&mut world), "and new items do not hide it");
    world.step(&deliver);
    world.finish();
    assert_eq!(world.alice.known.items, [1, 3, 4], "the second went with alice's disk, and bob had its answer");
}
