//! Random sets of charter records: a small team whose machines write, meet, fork and sometimes lie.

use antiphon_core::charter::{CRITICAL, Cut, Entry, Founders, Record};
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::vclock::VClock;

use crate::world::{ALL, Machine, add, approve, gene, grant, granted, key, remove, revoke, revoke_with, role_key};

/// Splitmix64: small, and the same everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// True this often of a hundred times.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

/// Some records and who the team was founded with.
#[derive(Debug, Clone)]
pub(crate) struct RandomSet {
    pub(crate) founders: Founders,
    pub(crate) entries: Vec<Entry>,
    pub(crate) forks: usize,
    pub(crate) lies: usize,
}

impl RandomSet {
    /// The set of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let count = 1 + rng.below(3);
        let threshold = rng.chance(20).then(|| 1 + rng.below(3));
        let founders = Founders { stewards: ALL[..count].to_vec(), threshold };
        let mut set = Self { founders, entries: Vec::new(), forks: 0, lies: 0 };
        let mut machines: Vec<Machine> = ALL.iter().map(|node| Machine::new(*node, 0)).collect();
        let more = u8::try_from(rng.below(3)).unwrap();
        machines.extend((1..=more).map(|number| Machine::new(*rng.pick(&ALL[..3]), number)));
        let wanted = 4 + rng.below(18);
        while set.entries.len() < wanted {
            set.step(&mut machines, &mut rng);
        }
        set
    }

    fn step(&mut self, machines: &mut Vec<Machine>, rng: &mut Rng) {
        let (one, other) = (rng.below(machines.len()), rng.below(machines.len()));
        match rng.below(100) {
            0..40 => {
                let heard = machines[other].clone();
                machines[one].hears(&heard);
            }
            // A machine that was copied: both write on from here, in one log.
            40..42 => {
                self.forks += 1;
                let copy = machines[one].clone();
                machines.push(copy);
            }
            42..46 => self.quarrel(machines, rng),
            _ => {
                // Founders write more than those who may not.
                let author = if rng.chance(60) { one % self.founders.stewards.len() } else { one };
                let record = self.record(machines[author].node, rng);
                self.write(&mut machines[author], record, rng);
            }
        }
    }

    /// Two remove each other without having heard of it.
    fn quarrel(&mut self, machines: &mut [Machine], rng: &mut Rng) {
        let (one, other) = (rng.below(ALL.len().min(3)), rng.below(ALL.len()));
        let (a, b) = (machines[one].node, machines[other].node);
        if a == b {
            return;
        }
        let way = if rng.chance(50) { remove } else { revoke };
        for (author, target) in [(one, b), (other, a)] {
            let entry = machines[author].write(way(target));
            self.entries.push(entry);
        }
    }

    fn write(&mut self, machine: &mut Machine, record: Record, rng: &mut Rng) {
        let mut claimed = machine.clock.clone();
        if rng.chance(6) {
            self.lies += 1;
            claimed = if rng.chance(50) { VClock::new() } else { self.inflated(&claimed, rng) };
        }
        let salt = rng.next().to_string();
        let entry = machine.write_salted(claimed, record, &salt);
        self.entries.push(entry);
    }

    fn inflated(&self, clock: &VClock, rng: &mut Rng) -> VClock {
        let mut clock = clock.clone();
        for entry in &self.entries {
            if rng.chance(50) {
                clock.raise(entry.store, entry.seq + rng.next() % 3).unwrap();
            }
        }
        clock
    }

    fn record(&self, author: NodeId, rng: &mut Rng) -> Record {
        let node = *rng.pick(&ALL);
        let role = *rng.pick(&["backend_developer", "observer"]);
        let epochs: Vec<Hash> = (0..rng.below(3)).filter_map(|_| self.any(rng).map(|entry| entry.hash)).collect();
        match rng.below(100) {
            0..24 => granted(node, role, &epochs),
            24..36 => self.revocation(node, role, rng),
            36..54 => add(node),
            54..62 => remove(node),
            // Most approve what somebody else proposes.
            62..82 => match self.proposals(author).last() {
                Some(entry) if rng.chance(80) => approve(entry),
                _ => self.any(rng).map_or_else(|| grant(node), approve),
            },
            82..87 => gene(["law.a", "law.b"][rng.below(2)], &rng.below(4).to_string()),
            87..95 => key(role, &self.holders(rng)),
            _ => Record::Unknown(4_096 + rng.next() % 3 + if rng.chance(50) { CRITICAL } else { 0 }),
        }
    }

    fn revocation(&self, node: NodeId, role: &str, rng: &mut Rng) -> Record {
        let cut = |entry: &Entry, seq: u64| {
            let head = Head { seq, hash: Hash([7; 32]) };
            Cut { log: LogId::new(entry.store, Stream::Shared), head }
        };
        let cuts = (0..rng.below(3)).filter_map(|_| self.any(rng).cloned()).collect::<Vec<_>>();
        let cuts = cuts.iter().map(|entry| cut(entry, 1 + rng.next() % 9)).collect();
        let keys = if rng.chance(40) { vec![role_key(role, &self.holders(rng))] } else { Vec::new() };
        revoke_with(node, rng.chance(30), cuts, keys)
    }

    fn holders(&self, rng: &mut Rng) -> Vec<NodeId> {
        ALL.into_iter().filter(|_| rng.chance(40)).collect()
    }

    fn proposals(&self, author: NodeId) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| {
            let change = matches!(entry.record, Record::StewardChange(_) | Record::Revoke(_));
            change && entry.author != author
        })
    }

    fn any(&self, rng: &mut Rng) -> Option<&Entry> {
        (!self.entries.is_empty()).then(|| rng.pick(&self.entries))
    }

    /// The clock of somebody who has seen all of it.
    pub(crate) fn everything(&self) -> VClock {
        let mut clock = VClock::new();
        self.entries.iter().for_each(|entry| clock.merge(&entry.seen).unwrap());
        clock
    }
}

/// Entries that no machine could have written: any clock, any place, any predecessor.
pub(crate) fn arbitrary(rng: &mut Rng) -> (Founders, Vec<Entry>) {
    let threshold = rng.chance(50).then(|| rng.below(40));
    let stewards = (0..rng.below(5)).map(|_| *rng.pick(&ALL)).collect();
    let mut set = RandomSet { founders: Founders { stewards, threshold }, entries: Vec::new(), forks: 0, lies: 0 };
    let stores: Vec<StoreId> = (0..4).map(|at| StoreId([at; 16])).collect();
    let seq = |rng: &mut Rng| if rng.chance(10) { u64::MAX - rng.next() % 2 } else { rng.next() % 5 };
    for _ in 0..rng.below(30) {
        let author = *rng.pick(&ALL);
        let record = set.record(author, rng);
        let hash = Hash::of(&rng.next().to_le_bytes());
        let prev = set.any(rng).map_or(Hash([0; 32]), |entry| entry.hash);
        let seen = stores.iter().map(|store| (*store, seq(rng))).collect::<VClock>();
        let entry = Entry { hash, prev, author, store: *rng.pick(&stores), seq: seq(rng), seen, record };
        set.entries.push(entry);
    }
    (set.founders, set.entries)
}
