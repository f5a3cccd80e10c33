//! Which copies are offered to whom, a few at once.

use std::cmp::Reverse;

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;

use super::keys::{KeyNo, NodeNo, Shown};
use super::nodes::{PAUSE_MS_MAX, pause};
use super::{Manager, Output};
use crate::replication::{Depth, Outcome};

/// Pause after an offer came to nothing, the first time, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// Longest pause for who is busy, in milliseconds.
const BUSY_MS_MAX: u64 = 60_000;
/// Rounds in vain after which the next in the order is taken.
const PATIENCE_ROUNDS: u8 = 7;

impl Manager {
    /// Has a node offered a copy when its turn comes.
    pub(super) fn queue_offer(&mut self, no: KeyNo, node: NodeNo) {
        let Some(place) = self.place_in_queue(no) else { return };
        if let Some(node) = self.nodes.get_mut(node) {
            node.offers_waiting.insert(place);
        }
    }

    /// Offers as many as there may be at once, the most urgent first, and of those to whoever is offered the least now.
    pub(super) fn start_offers(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        while self.offered.len() < self.settings.concurrent {
            let ready = self.nodes.all().filter(|(_, node)| node.connected && node.pause_until <= now);
            let next = ready.filter_map(|(to, node)| {
                let (priority, no) = node.offers_waiting.last()?;
                Some((*priority, Reverse(self.offers_to(to)), *no, to))
            });
            let Some((priority, _, Reverse(no), to)) = next.max() else { break };
            if let Some(node) = self.nodes.get_mut(to) {
                node.offers_waiting.remove(&(priority, Reverse(no)));
            }
            self.offer(no, to, now, out);
        }
    }

    fn offers_to(&self, to: NodeNo) -> usize {
        self.offered.keys().filter(|(_, other)| *other == to).count()
    }

    fn offer(&mut self, no: KeyNo, to: NodeNo, now: UnixMillis, out: &mut Vec<Output>) {
        let (Some(key), Some(peer)) = (self.keys.get(no), self.nodes.get(to).map(|node| node.id)) else { return };
        let view = self.view(key, now);
        let may = key.whole && !self.trimming.contains(&key.root);
        let acts = may && self.acts(key, self.holders_before(key, &view, now));
        let wanted = acts && !self.holds(key, to, now) && view.first.contains(&to);
        if !wanted || self.offered.contains_key(&(key.root, to)) {
            return self.keys.due_by(no, now.after(AGAIN_MS));
        }
        out.push(Output::Offer { peer, root: key.root, length: key.length, priority: key.priority });
        self.offered.insert((key.root, to), now);
    }

    /// Takes in what became of an offer.
    pub(super) fn offered(
        &mut self,
        peer: NodeId,
        root: Hash,
        outcome: Outcome,
        now: UnixMillis,
        out: &mut Vec<Output>,
    ) {
        let Some(node) = self.nodes.no(&peer) else { return };
        if self.offered.remove(&(root, node)).is_none() {
            return;
        }
        match outcome {
            Outcome::Taken => self.counted.successful += 1,
            Outcome::Had | Outcome::Busy => {}
            _ => self.counted.failed += 1,
        }
        let Some(no) = self.keys.no(&root) else { return };
        match outcome {
            Outcome::Had | Outcome::Taken => {
                self.is_free(node);
                self.learn(no, node, Shown::Claimed, now, out);
                self.want(no, node, Depth::Proof);
            }
            Outcome::Full { free } => self.is_full(no, node, free, now),
            Outcome::NotOffered => self.is_full(no, node, 0, now),
            Outcome::Busy => {
                self.is_busy(node, now);
                self.queue_offer(no, node);
            }
            Outcome::Unknown | Outcome::NotNeeded | Outcome::Failed(_) => self.in_vain(no, node, now, out),
        }
        self.keys.due_by(no, now);
    }

    fn is_free(&mut self, node: NodeNo) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.busy = 0;
        }
    }

    fn is_busy(&mut self, node: NodeNo, now: UnixMillis) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.busy = node.busy.saturating_add(1);
            node.pause_until = now.after(pause(AGAIN_MS, node.busy).min(BUSY_MS_MAX));
        }
    }

    /// The next in the order takes it. Whoever says that it is full of more than it was offered is not believed.
    fn is_full(&mut self, no: KeyNo, node: NodeNo, free: u64, now: UnixMillis) {
        let Some(key) = self.keys.get_mut(no) else { return };
        key.hope();
        let free = free.min(key.length.saturating_sub(1));
        if let Some(node) = self.nodes.get_mut(node) {
            node.free = Some(free);
            node.full_until = now.after(PAUSE_MS_MAX);
        }
    }

    fn in_vain(&mut self, no: KeyNo, node: NodeNo, now: UnixMillis, out: &mut Vec<Output>) {
        let Some(key) = self.keys.get_mut(no) else { return };
        if key.attempts < PATIENCE_ROUNDS {
            key.retry_at = key.retry_at.max(now.after(pause(AGAIN_MS, key.attempts.max(1))));
            return;
        }
        key.hope();
        self.learn(no, node, Shown::Refused, now, out);
    }
}
