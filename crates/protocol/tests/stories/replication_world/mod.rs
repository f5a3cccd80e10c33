//! A team of real machines that keep copies, over a network that is a queue, with disks that are plain sets.

mod net;

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{History, Priority, Settings, order};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::replication::manager::{Evidence, Input, Manager, Member, Output, Taking, Vouch};
use antiphon_protocol::replication::{Answer, Depth, Outcome};

pub(crate) const START: UnixMillis = UnixMillis(1_700_000_000_000);
pub(crate) const MINUTE_MS: u64 = 60_000;
pub(crate) const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Bytes of every document.
pub(crate) const LENGTH: u64 = 1_000;
/// Most reviews, messages and the like between two moments; more is a machine that never rests.
const STEPS_PER_MOMENT_MAX: usize = 2_000_000;

pub(crate) fn root(n: usize) -> Hash {
    Hash::of(&(n as u64).to_le_bytes())
}

pub(crate) fn node(n: usize) -> NodeId {
    NodeId(Hash::of(&[b"node", (n as u64).to_be_bytes().as_slice()].concat()).0)
}

/// A document that is needed until it is removed.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) root: Hash,
    pub(crate) length: u64,
    pub(crate) priority: Priority,
    pub(crate) author: usize,
    pub(crate) needed: bool,
}

/// One node, and what it has on disk.
pub(crate) struct Machine {
    pub(crate) id: NodeId,
    pub(crate) manager: Option<Manager>,
    pub(crate) settings: Settings,
    pub(crate) offers: bool,
    pub(crate) quota: u64,
    /// It says that it holds everything, and holds nothing.
    pub(crate) lies: bool,
    /// Documents of which it holds all.
    pub(crate) disk: BTreeSet<usize>,
    /// Documents that its index knows.
    pub(crate) index: BTreeSet<usize>,
    notes: BTreeMap<(Hash, NodeId), (Evidence, Option<UnixMillis>, History)>,
    /// Since when others are away.
    away: BTreeMap<usize, UnixMillis>,
    /// Which start this is.
    life: u64,
    pub(crate) offered: usize,
    wake: Option<UnixMillis>,
}

/// What is under way, or will happen.
#[derive(Debug, Clone)]
enum Event {
    Wake(usize, u64),
    Ask { from: usize, life: u64, to: usize, about: Vec<(Hash, Depth)> },
    Answer { from: usize, life: u64, to: usize, answers: Vec<(Hash, Answer)> },
    Offer { from: usize, life: u64, to: usize, root: Hash },
    Fetched { from: usize, life: u64, to: usize, taker: u64, root: Hash },
    Outcome { from: usize, life: u64, to: usize, root: Hash, outcome: Outcome },
    Trim { node: usize, life: u64, root: Hash },
    Heard { node: usize, document: usize },
}

pub(crate) struct World {
    pub(crate) now: UnixMillis,
    pub(crate) machines: Vec<Machine>,
    pub(crate) members: BTreeSet<usize>,
    pub(crate) documents: Vec<Document>,
    by_root: BTreeMap<Hash, usize>,
    by_id: BTreeMap<NodeId, usize>,
    /// Pairs that cannot reach each other, the smaller first.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    events: BTreeMap<(UnixMillis, u64), Event>,
    next_event: u64,
    random: u64,
    /// Of a hundred messages so many are lost.
    pub(crate) lost_per_cent: u64,
    /// How long a message takes at most, in milliseconds.
    pub(crate) late_ms: u64,
    /// How long a copy takes, in milliseconds.
    pub(crate) fetch_ms: u64,
    /// Every copy that was made: which document, and by whom it was taken.
    pub(crate) copies: Vec<(usize, usize)>,
    pub(crate) trims: Vec<(usize, usize)>,
    /// Roots that were asked about.
    pub(crate) asked: usize,
    pub(crate) offers: usize,
    pub(crate) calls: usize,
}

impl World {
    pub(crate) fn new(seed: u64, machines: usize, settings: Settings) -> Self {
        let machines: Vec<Machine> = (0..machines)
            .map(|n| Machine {
                id: node(n),
                manager: None,
                settings,
                offers: true,
                quota: u64::MAX,
                lies: false,
                disk: BTreeSet::new(),
                index: BTreeSet::new(),
                notes: BTreeMap::new(),
                away: BTreeMap::new(),
                life: 0,
                offered: 0,
                wake: None,
            })
            .collect();
        let by_id = (0..).zip(&machines).map(|(n, machine)| (machine.id, n)).collect();
        Self {
            now: START,
            machines,
            members: BTreeSet::new(),
            documents: Vec::new(),
            by_root: BTreeMap::new(),
            by_id,
            cut: BTreeSet::new(),
            events: BTreeMap::new(),
            next_event: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            lost_per_cent: 0,
            late_ms: 20,
            fetch_ms: 50,
            copies: Vec::new(),
            trims: Vec::new(),
            asked: 0,
            offers: 0,
            calls: 0,
        }
    }

    /// All of them members, and started.
    pub(crate) fn team(seed: u64, machines: usize, settings: Settings) -> Self {
        let mut world = Self::new(seed, machines, settings);
        for n in 0..machines {
            world.join(n);
        }
        world
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if below == 0 { 0 } else { (self.random >> 11) % below }
    }

    /// How late the next message comes.
    fn late(&mut self) -> u64 {
        1 + self.random(self.late_ms)
    }

    /// A document that its author stores now. Others hear of it a little later.
    pub(crate) fn store(&mut self, author: usize, priority: Priority) -> usize {
        let document = self.documents.len();
        self.by_root.insert(root(document), document);
        self.documents.push(Document { root: root(document), length: LENGTH, priority, author, needed: true });
        self.machines[author].disk.insert(document);
        self.hear(author, document);
        for n in 0..self.machines.len() {
            if n != author {
                let late = 1 + self.random(400);
                self.plan(late, Event::Heard { node: n, document });
            }
        }
        document
    }

    /// A document that everybody knows, and which these hold, without any machine having been told.
    pub(crate) fn place(&mut self, holders: &[usize]) -> usize {
        let document = self.documents.len();
        self.by_root.insert(root(document), document);
        let author = holders[0];
        let priority = Priority::Normal;
        self.documents.push(Document { root: root(document), length: LENGTH, priority, author, needed: true });
        for n in 0..self.machines.len() {
            self.machines[n].index.insert(document);
            if holders.contains(&n) {
                self.machines[n].disk.insert(document);
            }
        }
        document
    }

    pub(crate) fn remove(&mut self, document: usize) {
        self.documents[document].needed = false;
        let root = self.documents[document].root;
        for n in 0..self.machines.len() {
            self.give(n, Input::Gone { root });
            self.machines[n].disk.remove(&document);
        }
    }

    /// The members that are to hold a document, the first first.
    pub(crate) fn placed(&self, document: usize) -> Vec<usize> {
        let offering = self.members.iter().copied().filter(|n| self.machines[*n].offers);
        let order = order(&root(document), offering.map(|n| self.machines[n].id));
        order.iter().map(|id| self.by_id[id]).collect()
    }

    pub(crate) fn holders(&self, document: usize) -> BTreeSet<usize> {
        (0..self.machines.len()).filter(|n| self.machines[*n].disk.contains(&document)).collect()
    }

    pub(crate) fn is_up(&self, n: usize) -> bool {
        self.machines[n].manager.is_some()
    }

    pub(crate) fn connected(&self, one: usize, other: usize) -> bool {
        let pair = (one.min(other), one.max(other));
        let members = self.members.contains(&one) && self.members.contains(&other);
        one != other && members && self.is_up(one) && self.is_up(other) && !self.cut.contains(&pair)
    }

    pub(crate) fn join(&mut self, n: usize) {
        self.members.insert(n);
        self.start(n);
    }

    pub(crate) fn expel(&mut self, n: usize) {
        self.members.remove(&n);
        self.see();
    }

    pub(crate) fn stop(&mut self, n: usize) {
        self.machines[n].manager = None;
        self.machines[n].life += 1;
        self.machines[n].offered = 0;
        self.see();
    }

    pub(crate) fn start(&mut self, n: usize) {
        if self.is_up(n) {
            return;
        }
        let machine = &mut self.machines[n];
        machine.life += 1;
        machine.wake = None;
        machine.manager = Some(Manager::new(machine.id, machine.settings));
        machine.away = BTreeMap::new();
        let known: Vec<usize> = self.machines[n].index.iter().copied().collect();
        for document in known {
            self.tell(n, document);
        }
        let notes: Vec<_> = self.machines[n].notes.iter().map(|(key, note)| (*key, *note)).collect();
        for ((root, node), (evidence, added_at, history)) in notes {
            self.give(n, Input::Known { root, node, evidence, added_at, history });
        }
        self.see();
    }

    fn tell(&mut self, n: usize, document: usize) {
        let Document { root, length, priority, author, needed } = self.documents[document].clone();
        if needed {
            self.give(n, Input::Key { root, length, priority, own: author == n, current: priority != Priority::Low });
            let whole = self.machines[n].disk.contains(&document);
            self.give(n, Input::Held { root, whole });
        }
    }

    fn hear(&mut self, n: usize, document: usize) {
        self.machines[n].index.insert(document);
        self.tell(n, document);
    }

    /// Everybody sees who is there.
    pub(crate) fn see(&mut self) {
        for n in 0..self.machines.len() {
            if !self.is_up(n) {
                continue;
            }
            let mut members = Vec::new();
            for other in self.members.clone() {
                let connected = self.connected(n, other);
                let now = self.now;
                let away = &mut self.machines[n].away;
                if connected {
                    away.remove(&other);
                } else {
                    away.entry(other).or_insert(now);
                }
                let away_since = away.get(&other).copied().unwrap_or(now);
                let (node, offers) = (self.machines[other].id, self.machines[other].offers);
                members.push(Member { node, offers, free_bytes: None, connected, away_since });
            }
            self.give(n, Input::Members(members));
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now.after(millis);
        let mut steps = 0;
        while let Some(((at, _), event)) = self.next_before(end) {
            steps = if at == self.now { steps + 1 } else { 0 };
            assert!(steps < STEPS_PER_MOMENT_MAX, "it never rests: {event:?}");
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    fn next_before(&mut self, end: UnixMillis) -> Option<((UnixMillis, u64), Event)> {
        if self.events.first_key_value()?.0.0 > end { None } else { self.events.pop_first() }
    }

    fn plan(&mut self, late: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now.after(late), self.next_event), event);
    }

    pub(crate) fn give(&mut self, n: usize, input: Input) {
        self.calls += 1;
        let now = self.now;
        let Some(manager) = &mut self.machines[n].manager else { return };
        let outputs = manager.handle(input, now);
        for output in outputs {
            self.put_out(n, output);
        }
    }

    pub(crate) fn manager(&mut self, n: usize) -> &mut Manager {
        self.machines[n].manager.as_mut().unwrap()
    }

    /// Copies on the disks of members, but for those who lie.
    pub(crate) fn honest(&self, document: usize) -> BTreeSet<usize> {
        let members = self.members.iter().copied();
        members.filter(|n| !self.machines[*n].lies && self.machines[*n].disk.contains(&document)).collect()
    }
}
