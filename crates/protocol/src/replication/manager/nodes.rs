//! The nodes that are members, and those that were.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Priority, place, target};
use antiphon_core::time::UnixMillis;

use super::keys::{KeyNo, NodeNo};
use super::words::Member;
use crate::replication::Depth;

/// Most nodes that are known, members and those that were.
const NODES_MAX: usize = 16_384;

/// What is being asked of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// When it was asked.
    pub(super) at: UnixMillis,
    /// What of.
    pub(super) about: BTreeMap<KeyNo, Depth>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: NodeId,
    /// Where it stands in the space of roots.
    place: Hash,
    pub(super) member: bool,
    pub(super) offers: bool,
    pub(super) connected: bool,
    away_since: UnixMillis,
    /// Whether it counts: it is connected, or was within the grace period.
    pub(super) present: bool,
    /// What is longer is not offered to it until [`Node::full_until`].
    pub(super) free: Option<u64>,
    pub(super) full_until: UnixMillis,
    /// Nothing is offered to it until then.
    pub(super) pause_until: UnixMillis,
    /// How often it was busy, one time after the other.
    pub(super) busy: u8,
    /// What it is to be asked.
    pub(super) asks: BTreeMap<KeyNo, Depth>,
    /// What it is being asked.
    pub(super) asked: Option<Batch>,
    /// What it is to be offered; the more urgent is greater.
    pub(super) offers_waiting: BTreeSet<(Priority, std::cmp::Reverse<KeyNo>)>,
}

impl Node {
    fn new(id: NodeId) -> Self {
        Self {
            id,
            place: place(&id),
            member: false,
            offers: false,
            connected: false,
            away_since: UnixMillis(0),
            present: false,
            free: None,
            full_until: UnixMillis(0),
            pause_until: UnixMillis(0),
            busy: 0,
            asks: BTreeMap::new(),
            asked: None,
            offers_waiting: BTreeSet::new(),
        }
    }

    /// Its distance to a root.
    pub(super) fn distance(&self, root: &Hash) -> [u8; 32] {
        let mut distance = self.place.0;
        for (byte, other) in distance.iter_mut().zip(root.0) {
            *byte ^= other;
        }
        distance
    }

    /// Whether it said that it has no room for so much.
    pub(super) fn is_full(&self, length: u64, now: UnixMillis) -> bool {
        now < self.full_until && self.free.is_some_and(|free| free < length)
    }

    /// Whether it is asked about this key, or is to be.
    pub(super) fn is_asked(&self, no: KeyNo) -> bool {
        self.asks.contains_key(&no) || self.asked.as_ref().is_some_and(|batch| batch.about.contains_key(&no))
    }
}

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It counts, or may be given copies, where it did not before.
    Came(NodeNo),
    /// It does not any more.
    Left(NodeNo),
    /// It can be reached where it could not before; it counted all the time.
    Connected(NodeNo),
}

/// All of them. The own node is number 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    by_id: BTreeMap<NodeId, NodeNo>,
    /// Members, in any order that stays.
    members: Vec<NodeNo>,
    offering: usize,
    /// When the next one that is away has been so for too long.
    next_leave: Option<UnixMillis>,
}

impl Nodes {
    /// The own node's number.
    pub(super) const OWN: NodeNo = 0;

    pub(super) fn new(own: NodeId) -> Self {
        let mut node = Node::new(own);
        node.present = true;
        node.connected = true;
        Self {
            nodes: vec![node],
            by_id: BTreeMap::from([(own, Self::OWN)]),
            members: Vec::new(),
            offering: 0,
            next_leave: None,
        }
    }

    pub(super) fn no(&self, id: &NodeId) -> Option<NodeNo> {
        self.by_id.get(id).copied()
    }

    pub(super) fn get(&self, no: NodeNo) -> Option<&Node> {
        self.nodes.get(usize::from(no))
    }

    pub(super) fn get_mut(&mut self, no: NodeNo) -> Option<&mut Node> {
        self.nodes.get_mut(usize::from(no))
    }

    /// The number of a node, which is put in if it is new and there is room.
    pub(super) fn add(&mut self, id: NodeId) -> Option<NodeNo> {
        if let Some(no) = self.no(&id) {
            return Some(no);
        }
        let no = NodeNo::try_from(self.nodes.len()).ok().filter(|no| usize::from(*no) < NODES_MAX)?;
        self.nodes.push(Node::new(id));
        self.by_id.insert(id, no);
        Some(no)
    }

    /// Members, the own node among them if it is one.
    pub(super) fn members(&self) -> impl Iterator<Item = (NodeNo, &Node)> {
        self.members.iter().filter_map(|no| Some((*no, self.get(*no)?)))
    }

    /// The numbers of all members.
    pub(super) fn member_numbers(&self) -> Vec<NodeNo> {
        self.members.clone()
    }

    /// Copies that there should be of each key.
    pub(super) fn target(&self, factor: u8) -> usize {
        target(factor, self.offering)
    }

    /// Whether a node counts.
    pub(super) fn counts(&self, no: NodeNo) -> bool {
        self.get(no).is_some_and(|node| node.present && (node.member || no == Self::OWN))
    }

    /// Takes in who is a member now, and says whom that concerns.
    pub(super) fn set_members(&mut self, members: &[Member], grace_ms: u64, now: UnixMillis) -> Vec<Change> {
        let before: Vec<(bool, bool)> =
            self.nodes.iter().map(|node| (node.member && node.present && node.offers, node.connected)).collect();
        let counted: Vec<bool> = self.nodes.iter().map(|node| node.member && node.present).collect();
        for node in &mut self.nodes {
            node.member = false;
        }
        for member in members {
            let Some(no) = self.add(member.node) else { continue };
            let Some(node) = self.get_mut(no) else { continue };
            node.member = true;
            node.offers = member.offers;
            node.connected = member.connected || no == Self::OWN;
            node.away_since = member.away_since;
            if member.free_bytes.is_some() && member.free_bytes != node.free {
                node.free = member.free_bytes;
                node.full_until = UnixMillis(0);
            }
        }
        self.members = (0..self.nodes.len()).filter_map(|no| NodeNo::try_from(no).ok()).collect();
        let nodes = &self.nodes;
        self.members.retain(|no| nodes.get(usize::from(*no)).is_some_and(|node| node.member));
        self.refresh(grace_ms, now);
        let mut changes = Vec::new();
        for (no, node) in (0..).zip(&self.nodes) {
            let (placed, connected) = before.get(usize::from(no)).copied().unwrap_or_default();
            let counted = counted.get(usize::from(no)).copied().unwrap_or_default();
            let (placed_now, counted_now) = (node.member && node.present && node.offers, node.member && node.present);
            if (placed_now && !placed) || (counted_now && !counted) {
                changes.push(Change::Came(no));
            } else if (placed && !placed_now) || (counted && !counted_now) {
                changes.push(Change::Left(no));
            } else if node.connected && !connected && node.member {
                changes.push(Change::Connected(no));
            }
        }
        changes
    }

    fn refresh(&mut self, grace_ms: u64, now: UnixMillis) {
        self.next_leave = None;
        for (no, node) in (0..).zip(&mut self.nodes) {
            let left = node.away_since.after(grace_ms);
            node.connected &= node.member || no == Self::OWN;
            node.present = no == Self::OWN || node.member && (node.connected || now < left);
            if node.present && !node.connected {
                self.next_leave = Some(self.next_leave.map_or(left, |next: UnixMillis| next.min(left)));
            }
        }
        self.offering = self.nodes.iter().filter(|node| node.member && node.offers).count();
    }

    /// Who has been away for too long since it was last asked.
    pub(super) fn leave(&mut self, grace_ms: u64, now: UnixMillis) -> Vec<Change> {
        if self.next_leave.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let before: Vec<bool> = self.nodes.iter().map(|node| node.present).collect();
        self.refresh(grace_ms, now);
        let left = (0..).zip(self.nodes.iter().zip(before)).filter(|(_, (node, before))| *before && !node.present);
        left.map(|(no, _)| Change::Left(no)).collect()
    }

    /// When [`Nodes::leave`] is to be asked.
    pub(super) const fn next_leave(&self) -> Option<UnixMillis> {
        self.next_leave
    }

    /// Members in the order in which they are to hold a root, those that offer no room last.
    pub(super) fn order(&self, root: &Hash) -> Vec<NodeNo> {
        let mut order: Vec<(bool, [u8; 32], NodeNo)> =
            self.members().map(|(no, node)| (!node.offers, node.distance(root), no)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, no)| no).collect()
    }
}
