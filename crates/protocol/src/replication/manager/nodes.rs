//! The nodes that are members, and those that were.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Priority, place, target};
use antiphon_core::time::UnixMillis;

use super::ASK_MS_MAX;
use super::keys::{KeyNo, NodeNo};
use super::words::Member;
use crate::replication::Depth;

/// Most nodes that are known, members and those that were.
const NODES_MAX: usize = 16_384;

/// How long nothing is asked of who did not answer, the first time, in milliseconds.
const SILENT_MS: u64 = 5_000;
/// Longest pause, in milliseconds.
pub(super) const PAUSE_MS_MAX: u64 = 10 * 60_000;

/// The pause after so many times in vain: it doubles each time.
pub(super) fn pause(first_ms: u64, times: u8) -> u64 {
    first_ms.saturating_mul(1 << u32::from(times.saturating_sub(1)).min(20)).min(PAUSE_MS_MAX)
}

/// What is being asked of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// When it was asked.
    pub(super) at: UnixMillis,
    /// What of.
    pub(super) about: BTreeMap<Hash, Depth>,
}

/// Where a root or a node stands: its bytes, as two numbers, for distances are computed all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u128, u128);

impl Place {
    /// Where a hash stands.
    pub(super) fn of(hash: &Hash) -> Self {
        let half = |from: usize| hash.0.iter().skip(from).take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        Self(half(0), half(16))
    }
}

/// How far a node is from a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distance(u128, u128);

impl Distance {
    /// Its bytes.
    pub(super) fn bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let both = self.0.to_be_bytes().into_iter().chain(self.1.to_be_bytes());
        bytes.iter_mut().zip(both).for_each(|(byte, from)| *byte = from);
        bytes
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: NodeId,
    /// Where it stands in the space of roots.
    place: Place,
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
    /// What it showed before that, when it was away for long, is asked again.
    pub(super) returned: UnixMillis,
    /// Nothing is asked of it until then.
    pub(super) silent_until: UnixMillis,
    /// How often it did not answer, one time after the other.
    pub(super) silent: u8,
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
            place: Place::of(&place(&id)),
            member: false,
            offers: false,
            connected: false,
            away_since: UnixMillis(0),
            present: false,
            free: None,
            full_until: UnixMillis(0),
            pause_until: UnixMillis(0),
            busy: 0,
            returned: UnixMillis(0),
            silent_until: UnixMillis(0),
            silent: 0,
            asks: BTreeMap::new(),
            asked: None,
            offers_waiting: BTreeSet::new(),
        }
    }

    /// Its distance to a place.
    pub(super) const fn distance(&self, to: Place) -> Distance {
        Distance(self.place.0 ^ to.0, self.place.1 ^ to.1)
    }

    /// Whether it said that it has no room for so much.
    pub(super) fn is_full(&self, length: u64, now: UnixMillis) -> bool {
        now < self.full_until && self.free.is_some_and(|free| free < length)
    }

    /// Whether it is asked about this key, or is to be.
    pub(super) fn is_asked(&self, no: KeyNo, root: &Hash) -> bool {
        self.asks.contains_key(&no) || self.asked.as_ref().is_some_and(|batch| batch.about.contains_key(root))
    }

    /// It did not answer: nothing is asked of it for a while.
    pub(super) fn is_silent(&mut self, now: UnixMillis) {
        self.silent = self.silent.saturating_add(1);
        self.silent_until = now.after(pause(SILENT_MS, self.silent));
    }

    /// When something that waits for it can be done.
    pub(super) fn next_wake(&self, now: UnixMillis) -> Option<UnixMillis> {
        let late = self.asked.as_ref().map(|batch| batch.at.after(ASK_MS_MAX));
        let ask = (self.asked.is_none() && !self.asks.is_empty()).then_some(self.silent_until).filter(|at| *at > now);
        let offer = (!self.offers_waiting.is_empty()).then_some(self.pause_until).filter(|at| *at > now);
        late.into_iter().chain(ask).chain(offer).min()
    }

    /// It cannot be asked or offered anything now.
    fn give_up(&mut self, given_up: &mut GivenUp) {
        given_up.waiting.extend(std::mem::take(&mut self.asks).into_keys());
        given_up.waiting.extend(std::mem::take(&mut self.offers_waiting).into_iter().map(|(_, no)| no.0));
        given_up.asked.extend(self.asked.take().into_iter().flat_map(|batch| batch.about.into_keys()));
    }
}

/// What is not asked or offered any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GivenUp {
    /// What waited for it.
    pub(super) waiting: Vec<KeyNo>,
    /// What was being asked.
    pub(super) asked: Vec<Hash>,
}

/// Whom a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It counts, or may be given copies, where it did not before.
    Came(NodeNo),
    /// It does not any more.
    Left(NodeNo),
    /// It can be reached where it could not before; it counted all the time.
    Connected(NodeNo),
    /// It has room again.
    Room(NodeNo),
}

/// What a node was before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Before {
    counted: bool,
    placed: bool,
    connected: bool,
    full: bool,
}

impl Before {
    const fn of(node: &Node, now: UnixMillis) -> Self {
        let counted = node.member && node.present;
        let full = node.full_until.0 > now.0;
        Self { counted, placed: counted && node.offers, connected: node.connected, full }
    }
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
    /// Nobody is taken to be away for longer.
    since: UnixMillis,
    /// Since when nobody is connected.
    alone_since: Option<UnixMillis>,
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
            since: UnixMillis(0),
            alone_since: Some(UnixMillis(0)),
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

    /// All nodes, members or not.
    pub(super) fn all(&self) -> impl Iterator<Item = (NodeNo, &Node)> {
        (0..).zip(&self.nodes)
    }

    /// Copies that there should be of each key.
    pub(super) fn target(&self, factor: u8) -> usize {
        target(factor, self.offering)
    }

    /// Whether a node counts.
    pub(super) fn counts(&self, no: NodeNo) -> bool {
        self.get(no).is_some_and(|node| node.present && (node.member || no == Self::OWN))
    }

    /// Takes in who is a member now, and says whom that concerns, and which keys are to be looked at because nobody is
    /// asked or offered any more what was to be.
    pub(super) fn set_members(&mut self, members: &[Member], grace_ms: u64, now: UnixMillis) -> (Vec<Change>, GivenUp) {
        let first = self.since.0 == 0;
        let before: Vec<Before> = self.nodes.iter().map(|node| Before::of(node, now)).collect();
        for node in &mut self.nodes {
            node.member = false;
        }
        for member in members {
            self.set_member(member);
        }
        let all = (0..).zip(&self.nodes);
        self.members = all.filter(|(_, node)| node.member).map(|(no, _)| no).collect();
        self.refresh(grace_ms, now);
        let mut given_up = GivenUp::default();
        let mut changes = Vec::new();
        for (no, node) in (0..).zip(&mut self.nodes) {
            if !node.connected {
                node.give_up(&mut given_up);
            }
            let before = before.get(usize::from(no)).copied().unwrap_or_default();
            if node.connected && !before.connected {
                // That it did not answer over the connection before says nothing about this one.
                (node.silent, node.silent_until) = (0, UnixMillis(0));
            }
            if node.member && node.present && !before.counted && !first {
                node.returned = now;
            }
            changes.extend(change(no, before, node, now));
        }
        (changes, given_up)
    }

    fn set_member(&mut self, member: &Member) {
        let Some(no) = self.add(member.node) else { return };
        let Some(node) = self.get_mut(no) else { return };
        node.member = true;
        node.offers = member.offers;
        node.connected = member.connected || no == Self::OWN;
        node.away_since = member.away_since;
        if let Some(free) = member.free_bytes
            && node.free.is_none_or(|before| before < free)
        {
            node.full_until = UnixMillis(0);
        }
    }

    fn refresh(&mut self, grace_ms: u64, now: UnixMillis) {
        self.next_leave = None;
        for (no, node) in (0..).zip(&mut self.nodes) {
            node.connected &= node.member || no == Self::OWN;
        }
        if self.since.0 == 0 {
            self.since = now;
        }
        self.rejoin(grace_ms, now);
        for (no, node) in (0..).zip(&mut self.nodes) {
            let left = node.away_since.max(self.since).after(grace_ms);
            node.present = no == Self::OWN || node.member && (node.connected || now < left);
            if node.present && !node.connected {
                self.next_leave = Some(self.next_leave.map_or(left, |next: UnixMillis| next.min(left)));
            }
        }
        self.offering = self.nodes.iter().filter(|node| node.member && node.offers).count();
    }

    /// Who was alone for long does not know who else is there: all have the grace period to come back.
    fn rejoin(&mut self, grace_ms: u64, now: UnixMillis) {
        let alone = !self.nodes.iter().skip(1).any(|node| node.connected);
        match (alone, self.alone_since) {
            (true, None) => self.alone_since = Some(now),
            (false, Some(since)) => {
                self.alone_since = None;
                if now.since(since) >= grace_ms {
                    self.since = now;
                }
            }
            _ => {}
        }
    }

    /// Who has been away for too long since it was last asked.
    pub(super) fn leave(&mut self, grace_ms: u64, now: UnixMillis) -> Vec<Change> {
        if self.next_leave.is_none_or(|at| now < at) { Vec::new() } else { self.leave_again(grace_ms, now) }
    }

    /// The same, because the grace period is another now.
    pub(super) fn leave_again(&mut self, grace_ms: u64, now: UnixMillis) -> Vec<Change> {
        let before: Vec<bool> = self.nodes.iter().map(|node| node.present).collect();
        self.refresh(grace_ms, now);
        let changed = (0..).zip(self.nodes.iter().zip(before)).filter(|(_, (node, before))| *before != node.present);
        changed.map(|(no, (node, _))| if node.present { Change::Came(no) } else { Change::Left(no) }).collect()
    }

    /// When [`Nodes::leave`] is to be asked.
    pub(super) const fn next_leave(&self) -> Option<UnixMillis> {
        self.next_leave
    }

    /// What is asked of a node for too long, which is given up.
    pub(super) fn give_up_late(&mut self, now: UnixMillis) -> Vec<Hash> {
        let mut late = Vec::new();
        for node in &mut self.nodes {
            if node.asked.as_ref().is_some_and(|batch| now.since(batch.at) >= ASK_MS_MAX) {
                late.extend(node.asked.take().into_iter().flat_map(|batch| batch.about.into_keys()));
                node.is_silent(now);
            }
        }
        late
    }

    /// Nobody is asked or offered a key any more.
    pub(super) fn forget(&mut self, no: KeyNo) {
        for node in &mut self.nodes {
            node.asks.remove(&no);
            for priority in Priority::ALL {
                node.offers_waiting.remove(&(priority, std::cmp::Reverse(no)));
            }
        }
    }

    /// Nobody is taken to be full or busy any more.
    pub(super) fn have_room(&mut self) {
        for node in &mut self.nodes {
            node.full_until = UnixMillis(0);
            node.pause_until = UnixMillis(0);
        }
    }

    /// Members in the order in which they are to hold a root, those that offer no room last.
    pub(super) fn order(&self, root: &Hash) -> Vec<NodeNo> {
        let to = Place::of(root);
        let mut order: Vec<(bool, Distance, NodeNo)> =
            self.members().map(|(no, node)| (!node.offers, node.distance(to), no)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, no)| no).collect()
    }
}

/// Whom it concerns that a node is as it is now.
fn change(no: NodeNo, before: Before, node: &Node, now: UnixMillis) -> Option<Change> {
    let after = Before::of(node, now);
    if (after.placed && !before.placed) || (after.counted && !before.counted) {
        Some(Change::Came(no))
    } else if (before.placed && !after.placed) || (before.counted && !after.counted) {
        Some(Change::Left(no))
    } else if after.connected && !before.connected {
        Some(Change::Connected(no))
    } else if before.full && !after.full && node.member {
        Some(Change::Room(no))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_everybody() {
        let id = |n: u64| NodeId(Hash::of(&n.to_be_bytes()).0);
        let mut nodes = Nodes::new(id(0));
        let member =
            |n| Member { node: id(n), offers: n != 3, free_bytes: None, connected: true, away_since: UnixMillis(0) };
        let members: Vec<Member> = (0..9).map(member).collect();
        nodes.set_members(&members, 1_000, UnixMillis(1));
        for n in 0..200_u64 {
            let root = Hash::of(&n.to_le_bytes());
            let mut order = antiphon_core::replication::order(&root, (0..9).filter(|n| *n != 3).map(id));
            order.push(id(3));
            let own: Vec<NodeId> = nodes.order(&root).iter().map(|no| nodes.get(*no).unwrap().id).collect();
            assert_eq!(own, order);
            let first = nodes.get(nodes.order(&root)[0]).unwrap();
            let distance = antiphon_core::replication::distance(&first.id, &root);
            assert_eq!(first.distance(Place::of(&root)).bytes(), distance);
        }
    }

    #[test]
    fn who_was_alone_for_long_gives_the_others_time() {
        let (alice, bob, carol) = (NodeId([1; 32]), NodeId([2; 32]), NodeId([3; 32]));
        let member = |node, connected, away_since| Member {
            node,
            offers: true,
            free_bytes: None,
            connected,
            away_since: UnixMillis(away_since),
        };
        let mut nodes = Nodes::new(alice);
        let all = |bob_there, carol_there| {
            [member(alice, true, 0), member(bob, bob_there, 1_000), member(carol, carol_there, 1_000)]
        };
        nodes.set_members(&all(true, true), 100, UnixMillis(1_000));
        nodes.set_members(&all(false, false), 100, UnixMillis(1_000));
        assert_eq!(nodes.leave(100, UnixMillis(1_100)).len(), 2);
        let (changes, _) = nodes.set_members(&all(true, false), 100, UnixMillis(5_000));
        assert_eq!(changes, [Change::Came(1), Change::Came(2)], "carol may be on her way");
        assert_eq!(nodes.leave(100, UnixMillis(5_100)), [Change::Left(2)]);
        let (changes, _) = nodes.set_members(&all(false, false), 100, UnixMillis(5_100));
        assert_eq!(changes, [Change::Left(1)]);
    }
}
