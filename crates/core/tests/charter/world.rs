//! People who write charter records by hand: entries with the clocks their authors would have, or claim to have.

use std::collections::BTreeMap;

use antiphon_core::charter::{
    Approve, Charter, Cut, Entry, Founders, GeneAdd, Grant, GrantWrap, Membership, Record, Revoke, RoleKey,
    StewardChange, Wrap,
};
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::time::UnixMillis;
use antiphon_core::vclock::VClock;

pub(crate) const ALICE: NodeId = NodeId([1; 32]);
pub(crate) const BOB: NodeId = NodeId([2; 32]);
pub(crate) const CAROL: NodeId = NodeId([3; 32]);
pub(crate) const DAVE: NodeId = NodeId([4; 32]);
pub(crate) const EVE: NodeId = NodeId([5; 32]);
pub(crate) const ALL: [NodeId; 5] = [ALICE, BOB, CAROL, DAVE, EVE];
pub(crate) const NOT_AFTER: UnixMillis = UnixMillis(4_000_000_000_000);

/// A team founded with `stewards`, of whom the default number must agree.
pub(crate) fn founded(stewards: &[NodeId]) -> Founders {
    Founders { stewards: stewards.to_vec(), threshold: None }
}

pub(crate) fn grant(node: NodeId) -> Record {
    granted(node, "backend_developer", &[])
}

/// A grant with the keys of these epochs of the role.
pub(crate) fn granted(node: NodeId, role: &str, epochs: &[Hash]) -> Record {
    let wrap = |epoch: &Hash| GrantWrap { role: role.into(), epoch: *epoch, sealed: b"sealed".to_vec() };
    let wraps = epochs.iter().map(wrap).collect();
    let (recipient, name) = ("age1example".into(), "laptop".into());
    Record::Grant(Grant { node, recipient, roles: vec![role.into()], not_after: NOT_AFTER, wraps, name })
}

pub(crate) fn revoke(node: NodeId) -> Record {
    revoke_with(node, false, Vec::new(), Vec::new())
}

pub(crate) fn revoke_with(node: NodeId, compromised: bool, cuts: Vec<Cut>, role_keys: Vec<RoleKey>) -> Record {
    Record::Revoke(Revoke { node, reason: "left".into(), compromised, cuts, role_keys })
}

pub(crate) fn add(node: NodeId) -> Record {
    Record::StewardChange(StewardChange { node, add: true })
}

pub(crate) fn remove(node: NodeId) -> Record {
    Record::StewardChange(StewardChange { node, add: false })
}

pub(crate) fn approve(entry: &Entry) -> Record {
    Record::Approve(Approve { record: entry.hash })
}

pub(crate) fn gene(id: &str, text: &str) -> Record {
    Record::GeneAdd(GeneAdd { id: id.into(), text: text.into() })
}

pub(crate) fn role_key(role: &str, holders: &[NodeId]) -> RoleKey {
    let wraps = holders.iter().map(|node| Wrap { node: *node, sealed: b"sealed".to_vec() }).collect();
    RoleKey { role: role.into(), recipient: "age1role".into(), wraps, previous: None }
}

pub(crate) fn key(role: &str, holders: &[NodeId]) -> Record {
    Record::RoleKey(role_key(role, holders))
}

/// One machine: its log, and what it knows of the others'.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) node: NodeId,
    pub(crate) store: StoreId,
    pub(crate) clock: VClock,
    prev: Hash,
}

impl Machine {
    /// A machine of `node` that knows nothing; `number` tells it from others of the same key.
    pub(crate) fn new(node: NodeId, number: u8) -> Self {
        let mut id = [node.0[0]; 16];
        id[15] = number;
        Self { node, store: StoreId(id), clock: VClock::new(), prev: Hash([0; 32]) }
    }

    /// Writes a record, having seen what the clock says.
    pub(crate) fn write(&mut self, record: Record) -> Entry {
        let claimed = self.clock.clone();
        self.write_claiming(claimed, record)
    }

    /// Writes a record, claiming to have seen `claimed`.
    pub(crate) fn write_claiming(&mut self, claimed: VClock, record: Record) -> Entry {
        let salt = format!("{:?} {:?}", self.clock, record);
        self.write_salted(claimed, record, &salt)
    }

    /// The same, with a salt that chooses the hash.
    pub(crate) fn write_salted(&mut self, claimed: VClock, record: Record, salt: &str) -> Entry {
        let seq = self.clock.get(&self.store) + 1;
        self.clock.raise(self.store, seq).unwrap();
        let others = claimed.iter().filter(|(store, _)| **store != self.store).map(|(store, seq)| (*store, seq));
        let seen = VClock::from_iter(others.chain([(self.store, seq)]));
        let text = format!("{:?} {seq} {:?} {seen:?} {salt}", self.store, self.prev);
        let hash = Hash::of(text.as_bytes());
        let prev = std::mem::replace(&mut self.prev, hash);
        Entry { hash, prev, author: self.node, store: self.store, seq, seen, record }
    }

    /// Learns what `other` knows.
    pub(crate) fn hears(&mut self, other: &Self) {
        self.clock.merge(&other.clock).unwrap();
    }
}

/// A story: five people with one machine each, and every record that was written.
pub(crate) struct Story {
    pub(crate) founders: Founders,
    pub(crate) entries: Vec<Entry>,
    machines: BTreeMap<NodeId, Machine>,
}

impl Story {
    pub(crate) fn of(stewards: &[NodeId]) -> Self {
        let machines = ALL.iter().map(|node| (*node, Machine::new(*node, 0))).collect();
        Self { founders: founded(stewards), entries: Vec::new(), machines }
    }

    pub(crate) fn machine(&mut self, node: NodeId) -> &mut Machine {
        self.machines.get_mut(&node).unwrap()
    }

    /// `node` writes a record by what it has heard so far.
    pub(crate) fn says(&mut self, node: NodeId, record: Record) -> Entry {
        let entry = self.machine(node).write(record);
        self.entries.push(entry.clone());
        entry
    }

    /// Adds a record that somebody wrote elsewhere.
    pub(crate) fn also(&mut self, entry: Entry) -> Entry {
        self.entries.push(entry.clone());
        entry
    }

    /// Everybody learns what everybody knows.
    pub(crate) fn all_meet(&mut self) {
        self.meet(&ALL);
    }

    /// These learn what each other knows.
    pub(crate) fn meet(&mut self, nodes: &[NodeId]) {
        let mut clock = VClock::new();
        for node in nodes {
            clock.merge(&self.machines[node].clock).unwrap();
        }
        for node in nodes {
            self.machine(*node).clock = clock.clone();
        }
    }

    pub(crate) fn charter(&self) -> Charter {
        Charter::new(&self.founders, self.entries.iter().cloned())
    }

    pub(crate) fn membership(&self) -> Membership {
        self.charter().membership().clone()
    }

    pub(crate) fn stewards(&self) -> Vec<NodeId> {
        self.membership().stewards().to_vec()
    }

    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self.membership().member(&node).is_some()
    }

    pub(crate) fn is_revoked(&self, node: NodeId) -> bool {
        self.membership().is_revoked(&node)
    }
}
