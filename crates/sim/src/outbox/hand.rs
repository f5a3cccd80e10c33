//! Who hands in what, and when: now and then, and most of all around the moments at which something breaks.

use antiphon_core::outbox::{Level, Outgoing, Protocol, Subject};
use antiphon_protocol::outbox::{Source, delivery, moderate, schedule};

use super::{CANARY, Happening, Work};
use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::{Step, need};
use crate::plan::{Fault, Plan};
use crate::random::Random;
use crate::world::World;

/// What must not be lost.
const CRITICAL: [Protocol; 5] = [
    Protocol::MESSAGE,
    Protocol::RESOURCE_CREATE,
    Protocol::RESOURCE_UPDATE,
    Protocol::RESOURCE_DELETE,
    Protocol::CUSTODY_REQUEST,
];
/// What is tried a few times.
const MODERATE: [Protocol; 3] = [Protocol::RESOURCE_VERIFY, Protocol::PLANNER, Protocol::CONSIDERS];
/// Items that are about one of so many things, so that some take the place of others.
const SUBJECTS: u64 = 3;
/// How long before a crash something is handed in for it and by it again and again, in milliseconds.
const BEFORE_MS: u64 = 1_500;
/// How often that is, for it and by it.
const BEFORE: u64 = 6;
/// Wait before the last item to a member is handed in that cannot be yet, in milliseconds.
const AGAIN_MS: u64 = 2_000;

/// Somebody hands something in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hand {
    /// Anybody unless it is said.
    from: Option<usize>,
    /// For anybody unless it is said.
    to: Option<usize>,
    /// Whether it is the last one, which must come about, so that every two speak once more.
    pub(super) last: bool,
}

/// When something is handed in.
pub(super) fn draw(random: &mut Random, plan: &Plan) -> Vec<(u64, Hand)> {
    let mut hands = Vec::new();
    let any = Hand { from: None, to: None, last: false };
    for _ in 0..random.between(8, 25) {
        hands.push((random.below(plan.calm_at), any));
    }
    for (at, fault) in &plan.faults {
        let (at, mut others) = (*at, random.fork());
        let mut pick = |node: &usize| (*node + 1 + others.index(plan.nodes - 1)) % plan.nodes;
        let mut around = |before: u64, after: u64, hand: Hand| {
            hands.push((at.saturating_sub(before) + random.below(before + after), hand));
        };
        match fault {
            Fault::Crash { node, .. } | Fault::FillDisk(node) | Fault::Snapshot(node) | Fault::RollBack(node) => {
                let (one, other) = (pick(node), pick(node));
                for _ in 0..BEFORE {
                    around(BEFORE_MS, 50, Hand { from: Some(*node), to: Some(one), last: false });
                    around(BEFORE_MS, 50, Hand { from: Some(other), to: Some(*node), last: false });
                }
                around(0, BEFORE_MS, Hand { to: Some(*node), ..any });
            }
            Fault::SetClock(node, _) => around(BEFORE_MS, BEFORE_MS, Hand { from: Some(*node), ..any }),
            _ => {}
        }
        if let Fault::RollBack(node) = fault {
            // Between the copy and this, so that something is forgotten.
            for _ in 0..3 {
                around(15_000, 5_000, Hand { from: Some(*node), ..any });
                around(15_000, 5_000, Hand { to: Some(*node), ..any });
            }
        }
    }
    for removal in &plan.trust.removals {
        for _ in 0..4 {
            let at = removal.at.saturating_sub(10_000) + random.below(12_000);
            hands.push((at, Hand { to: Some(removal.node), ..any }));
        }
    }
    for (from, to) in (0..plan.nodes).flat_map(|from| (0..plan.nodes).map(move |to| (from, to))) {
        let hand = Hand { from: Some(from), to: Some(to), last: true };
        hands.push((plan.calm_at + random.between(1, 3_000), hand));
    }
    hands
}

impl World {
    pub(super) fn hand_in(&mut self, hand: Hand) -> Step {
        let members: Vec<usize> = (0..self.plan.nodes).filter(|node| self.has_outbox(*node)).collect();
        let Some(from) = hand.from.or_else(|| self.outbox.random.pick(&members)) else { return Ok(()) };
        let to = hand.to.or_else(|| {
            let others: Vec<usize> = members.iter().copied().filter(|node| *node != from).collect();
            self.outbox.random.pick(&others)
        });
        let Some(to) = to.filter(|to| *to != from) else { return Ok(()) };
        if hand.last {
            let honest = self.honest();
            if !honest.contains(&from) || !honest.contains(&to) || !self.network.has_link(from, to) {
                return Ok(());
            }
        }
        if !self.may_put(from, to) {
            if hand.last {
                self.agenda.put(self.at + AGAIN_MS, Event::Outbox(Happening::Hand(hand)));
            }
            return Ok(());
        }
        self.put_for(from, to, hand.last)
    }

    /// Whether a node is up and knows another one as a member.
    pub(super) fn may_put(&self, from: usize, to: usize) -> bool {
        let up = self.has_outbox(from) && self.has_outbox(to) && self.nodes[from].up.is_some();
        let id = self.nodes[to].id;
        up && self.in_acme(from).is_some_and(|team| team.membership.member(&id).is_some())
    }

    /// Hands in some items for a member and, perhaps, for others.
    pub(super) fn put_for(&mut self, from: usize, to: usize, last: bool) -> Step {
        if !last && self.outbox.random.chance(250) {
            return self.remember_for(from, to);
        }
        let many = match self.outbox.random.below(10) {
            0..=5 => 1,
            6..=8 => self.outbox.random.between(2, 5),
            _ => self.outbox.random.between(6, 14),
        };
        let mut items = Vec::new();
        for number in 0..if last { 1 } else { many } {
            let other = self.outbox.random.index(self.plan.nodes);
            let elsewhere = number > 0 && self.outbox.random.chance(200) && other != from && self.may_put(from, other);
            let to = if elsewhere { other } else { to };
            items.push(self.item(from, to, &CRITICAL, Level::Critical));
        }
        self.give_work(from, Work::Put { items });
        Ok(())
    }

    /// Hands in something that is kept in memory.
    fn remember_for(&mut self, from: usize, to: usize) -> Step {
        let (now, number) = (self.nodes[from].clock(self.at), self.item(from, to, &MODERATE, Level::Moderate));
        let item = self.outgoing(number);
        let Some(outbox) = self.outbox_of(from) else { return Ok(()) };
        match outbox.moderate.push(item, Level::Moderate, now) {
            moderate::Push::Full { .. } => {
                self.exercise(Class::ItemFull, 1);
                return Ok(());
            }
            moderate::Push::Queued(place) => self.outbox.ledger.remembered(number, place, false),
            moderate::Push::Merged(place) => {
                self.outbox.ledger.remembered(number, place, true);
                self.exercise(Class::ItemMerged, 1);
            }
        }
        self.note_item(from, "remembers", &number.to_le_bytes(), || format!("item {number} for n{to}"));
        self.waits(from, &[to], Source::Memory)
    }

    fn item(&mut self, from: usize, to: usize, kinds: &[Protocol], level: Level) -> usize {
        let random = &mut self.outbox.random;
        let protocol = random.pick(kinds).unwrap_or(Protocol::MESSAGE);
        let subject = Subject([u8::try_from(random.below(SUBJECTS)).unwrap_or(0); 16]);
        let filler = match random.below(20) {
            0 => "consectetur ".repeat(400),
            1..=4 => "adipiscing ".repeat(30),
            _ => String::new(),
        };
        let unwanted = random.chance(40);
        let number = self.outbox.ledger.next();
        let body = format!("{CANARY}: item {number} of n{from} for n{to}. {filler}").into_bytes();
        self.outbox.ledger.handed_in(ledger_item(from, to, level, protocol, subject, body, unwanted));
        number
    }

    /// An item as the store and the machines know it.
    pub(super) fn outgoing(&self, number: usize) -> Outgoing {
        let item = self.outbox.ledger.item(number);
        let peer = self.nodes[item.to].id;
        Outgoing { peer, protocol: item.protocol, schema: 1, subject: item.subject, body: item.body.clone() }
    }

    /// Whoever handed in items hears that they are durable.
    pub(super) fn put_down(&mut self, node: usize, items: &[usize]) -> Step {
        self.outbox.ledger.acknowledged(items);
        self.exercise(Class::ItemPut, items.len() as u64);
        let peers: Vec<usize> = items.iter().map(|number| self.outbox.ledger.item(*number).to).collect();
        self.waits(node, &peers, Source::Disk)
    }

    /// Something waits for peers.
    pub(super) fn waits(&mut self, node: usize, peers: &[usize], source: Source) -> Step {
        for peer in peers.iter().copied() {
            let (connected, id) = (self.can_deliver(node, peer), self.nodes[peer].id);
            self.plan_delivery(node, schedule::Input::Waiting { peer: id, connected })?;
            if let Some(epoch) = self.outbox_of(node).and_then(|outbox| outbox.sending.get(&peer)?.epoch()) {
                self.drive_sender(node, peer, epoch, delivery::Input::More(source))?;
            }
        }
        Ok(())
    }

    /// No more waits than may.
    pub(super) fn check_bounds(&self, node: usize) -> Step {
        let (Some(up), bounds) = (self.nodes[node].up.as_ref(), self.outbox.bounds) else { return Ok(()) };
        let over = |items: u64, bytes: u64| items > bounds.items_per_peer || bytes > bounds.bytes_per_peer;
        let most = up.db.reader().outbox_peers()?.into_iter().find(|peer| over(peer.items, peer.bytes));
        let bytes = up.db.reader().outbox_stats()?.bytes;
        need(most.is_none() && bytes <= bounds.bytes_in_all, crate::failure::Law::BoundsHold, || {
            format!("on n{node} {bytes} bytes wait, of {bounds:?}; {most:?}")
        })
    }
}

fn ledger_item(
    from: usize,
    to: usize,
    level: Level,
    protocol: Protocol,
    subject: Subject,
    body: Vec<u8>,
    unwanted: bool,
) -> super::ledger::Item {
    super::ledger::Item::new((from, to), (level, protocol, subject), body, unwanted)
}
