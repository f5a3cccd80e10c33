//! One look at one key: what is to be asked, who is to be offered a copy, and when to look again.

use antiphon_core::time::UnixMillis;

use super::keys::{Key, KeyNo, NodeNo, Record, Seconds, Shown};
use super::nodes::{Nodes, PAUSE_MS_MAX, pause};
use super::view::{View, skipped_until};
use super::{Manager, Output};
use crate::replication::Depth;

/// Pause before a copy is offered a second time, in milliseconds; it doubles each time.
const OFFER_AGAIN_MS: u64 = 1_000;
/// Pause before who lacks a copy is asked a second time, in milliseconds; it doubles each time.
const ASK_AGAIN_MS: u64 = 5_000;
/// Rounds in vain for which holders wait for those that come before them and have not answered.
const UNANSWERED_ROUNDS: u8 = 3;
/// Rounds in vain after which a holder acts though one before it should, and those for each further one.
const TURN_ROUNDS: u8 = 4;
const TURN_ROUNDS_EACH: u8 = 2;
/// How long a holder is content with the word of one that it could have prove its copy, in milliseconds.
const CLAIM_MS: u64 = 60_000;
/// How long who lacked a copy is taken to lack it when it comes to an offer, in milliseconds.
const LATELY_MS: u64 = 4_000;
/// Offers in vain after which others than those that are to hold a copy are asked whether they do.
const IN_VAIN_ROUNDS: u8 = 3;
/// Soonest that a key is looked at again without anything having happened, in milliseconds.
const AGAIN_MS_MIN: u64 = 1_000;

impl Manager {
    /// Looks at a key.
    pub(super) fn review(&mut self, no: KeyNo, now: UnixMillis, out: &mut Vec<Output>) {
        self.count(no, now);
        let Some(key) = self.keys.get(no) else { return };
        let view = self.view(key, now);
        let next = if key.whole { self.review_held(no, &view, now, out) } else { self.review_absent(no, &view, now) };
        self.keys.due_by(no, next.max(now.after(AGAIN_MS_MIN)));
    }

    fn review_held(&mut self, no: KeyNo, view: &View, now: UnixMillis, out: &mut Vec<Output>) -> UnixMillis {
        let rank = self.find_earlier(no, view, now);
        let asking = self.ask_first(no, view, rank, now);
        let Some(key) = self.keys.get(no) else { return now };
        let lacking: Vec<NodeNo> = view.first.iter().copied().filter(|node| self.lacks(key, *node, now)).collect();
        if !lacking.is_empty() {
            // Who never takes it must not keep others from giving up what is too much.
            let again = self.repair(no, view, &lacking, rank, now);
            return again.min(self.consider_trim(no, view, now, out));
        }
        if asking || rank.is_none() {
            return now.after(PAUSE_MS_MAX);
        }
        // If there are too few all the same, those that are to hold it cannot be reached, or would not; others may hold it.
        let few = self.keys.get(no).is_some_and(|key| key.actual() < self.target());
        let others = if few { self.ask_others(no, view, now) } else { UnixMillis(u64::MAX) };
        self.finish_round(no, view, few, now);
        let trim = self.consider_trim(no, view, now, out);
        self.look_again(no, view, now).min(trim).min(others)
    }

    /// Whether a node is known not to hold what it is to hold.
    fn lacks(&self, key: &Key, node: NodeNo, now: UnixMillis) -> bool {
        node != Nodes::OWN && key.record(node).is_some() && !self.holds(key, node, now) && self.is_connected(node)
    }

    /// How many holders come before the own node and can act; `None` while one of them has not answered.
    fn find_earlier(&mut self, no: KeyNo, view: &View, now: UnixMillis) -> Option<u8> {
        let window = self.target().saturating_mul(2);
        let connected = view.earlier().iter().copied().filter(|node| self.is_connected(*node));
        let candidates: Vec<NodeNo> = connected.take(window).collect();
        let (mut rank, mut unanswered) = (0_u8, false);
        for node in candidates {
            let Some(key) = self.keys.get(no) else { break };
            match key.record(node) {
                Some(record) if self.is_believed(record, now) => {
                    if rank == 0 && (is_weak(record, now) || self.is_stale(key, record, now)) {
                        self.want(no, node, Depth::Proof);
                    }
                    rank = rank.saturating_add(1);
                }
                // That one lacks it was true a while ago, and counts until it says otherwise.
                Some(record) if !record.holds() => {}
                _ if rank == 0 => {
                    self.want(no, node, Depth::Proof);
                    unanswered = true;
                }
                _ => {}
            }
        }
        let patient = self.keys.get(no).is_some_and(|key| key.attempts < UNANSWERED_ROUNDS);
        if unanswered && patient { None } else { Some(rank) }
    }

    /// Asks those that are to hold a key what is not known of them. The first holder has them prove it; the others are
    /// content with their word, for what they would do about it the first one does.
    fn ask_first(&mut self, no: KeyNo, view: &View, rank: Option<u8>, now: UnixMillis) -> bool {
        let depth = if rank == Some(0) { Depth::Proof } else { Depth::Question };
        let mut asking = false;
        for node in view.first.iter().copied().filter(|node| self.is_connected(*node)).collect::<Vec<_>>() {
            let Some(key) = self.keys.get(no) else { break };
            let ask = match key.record(node) {
                None => true,
                Some(record) if record.holds() => {
                    (rank == Some(0) && is_weak(record, now)) || self.is_stale(key, record, now)
                }
                Some(record) => record.at < key.stale_before,
            };
            if ask {
                self.want(no, node, depth);
            }
            asking |= ask;
        }
        asking
    }

    /// Makes the copies that are missing, or sees to it that they are.
    fn repair(&mut self, no: KeyNo, view: &View, lacking: &[NodeNo], rank: Option<u8>, now: UnixMillis) -> UnixMillis {
        let Some(key) = self.keys.get(no) else { return now };
        let idle: Vec<NodeNo> = lacking.iter().copied().filter(|node| !self.is_engaged(no, key, *node)).collect();
        if idle.is_empty() {
            return now.after(PAUSE_MS_MAX);
        }
        if now < key.retry_at {
            return key.retry_at;
        }
        let (acting, in_vain) = (rank.is_some_and(|rank| self.acts(key, rank)), key.attempts >= IN_VAIN_ROUNDS);
        let lately = |node: &NodeNo| key.record(*node).is_some_and(|record| now.since(record.at.millis()) < LATELY_MS);
        // Somebody else may have given it a copy since: one question about many costs less than as many offers.
        let (sure, old): (Vec<NodeNo>, Vec<NodeNo>) = idle.into_iter().partition(|node| acting && lately(node));
        let depth = if acting { Depth::Proof } else { Depth::Question };
        old.iter().for_each(|node| self.want(no, *node, depth));
        sure.iter().for_each(|node| self.queue_offer(no, *node));
        if acting && sure.is_empty() {
            return now.after(PAUSE_MS_MAX);
        }
        if !acting || in_vain {
            // Whoever makes the copies, now or before, may have found that others take them.
            self.want_others(no, view, now);
        }
        self.next_round(no, if acting { OFFER_AGAIN_MS } else { ASK_AGAIN_MS }, now)
    }

    /// Whether it is this node that makes the copies, after so many holders that come before it.
    pub(super) const fn acts(&self, key: &Key, rank: u8) -> bool {
        let turn = if rank == 0 { 0 } else { TURN_ROUNDS + TURN_ROUNDS_EACH.saturating_mul(rank) };
        key.attempts >= turn && (self.settings.automatic || key.forced)
    }

    /// How many connected members that come before the own node are believed to hold a key.
    pub(super) fn holders_before(&self, key: &Key, view: &View, now: UnixMillis) -> u8 {
        let holders = view.earlier().iter().filter(|node| self.is_connected(**node) && self.holds(key, **node, now));
        u8::try_from(holders.count()).unwrap_or(u8::MAX)
    }

    /// Whether a node is being asked about a key or offered it, or is to be.
    fn is_engaged(&self, no: KeyNo, key: &Key, node: NodeNo) -> bool {
        let queued = self.place_in_queue(no);
        let waits = self.nodes.get(node).is_some_and(|node| {
            node.is_asked(no, &key.root) || queued.is_some_and(|place| node.offers_waiting.contains(&place))
        });
        waits || self.offered.contains_key(&(key.root, node))
    }

    fn next_round(&mut self, no: KeyNo, first_ms: u64, now: UnixMillis) -> UnixMillis {
        let Some(key) = self.keys.get_mut(no) else { return now };
        key.attempts = key.attempts.saturating_add(1);
        key.retry_at = now.after(pause(first_ms, key.attempts));
        key.retry_at
    }

    /// Who holds nothing asks those that are to hold it, and more of the others each time while it knows of too few.
    fn review_absent(&mut self, no: KeyNo, view: &View, now: UnixMillis) -> UnixMillis {
        let asking = self.ask_first(no, view, None, now);
        let Some(key) = self.keys.get(no) else { return now };
        if asking {
            return now.after(PAUSE_MS_MAX);
        }
        if key.actual() >= self.known_enough() {
            self.finish_absent(no);
            return self.look_again(no, view, now);
        }
        self.ask_others(no, view, now)
    }

    /// Asks those that are connected whether they hold a key of which too few copies are known, more of them each time.
    fn ask_others(&mut self, no: KeyNo, view: &View, now: UnixMillis) -> UnixMillis {
        let Some(key) = self.keys.get(no) else { return now };
        if now < key.retry_at {
            return key.retry_at;
        }
        self.want_others(no, view, now);
        self.next_round(no, ASK_AGAIN_MS, now)
    }

    /// How many holders are to be known before nobody else is asked. Where nobody offers room no copy is owed, and still
    /// whoever looks wants to know whether there is one.
    fn known_enough(&self) -> usize {
        self.target().max(1)
    }

    /// Has more and more of those asked that are connected and not known to hold a key, while too few are.
    fn want_others(&mut self, no: KeyNo, view: &View, now: UnixMillis) {
        let Some(key) = self.keys.get(no).filter(|key| key.actual() < self.known_enough()) else { return };
        let urgent = key.whole || key.actual() == 0;
        let more = if urgent { key.attempts.saturating_mul(2) } else { key.attempts };
        let most = self.target() + usize::from(more);
        let depth = if key.whole { Depth::Proof } else { Depth::Question };
        let asked = view.order.iter().copied().filter(|node| self.is_connected(*node)).take(most);
        for node in asked.filter(|node| self.may_hold(key, *node, now)).collect::<Vec<_>>() {
            self.want(no, node, depth);
        }
    }

    /// Whether a node that is not believed to hold a key is worth asking: who was wrong lately is not.
    pub(super) fn may_hold(&self, key: &Key, node: NodeNo, now: UnixMillis) -> bool {
        let wrong = key.record(node).filter(|record| record.shown == Shown::Wrong).and_then(skipped_until);
        !self.holds(key, node, now) && wrong.is_none_or(|until| until <= now)
    }

    fn finish_absent(&mut self, no: KeyNo) {
        if let Some(key) = self.keys.get_mut(no) {
            key.hope();
            key.forced = false;
        }
    }

    /// Nobody that is connected lacks it, and all that was asked is answered.
    fn finish_round(&mut self, no: KeyNo, view: &View, few: bool, now: UnixMillis) {
        let every = self.settings.reprovide_ms;
        let Some(key) = self.keys.get(no) else { return };
        let others = view.first.iter().filter(|node| **node != Nodes::OWN);
        let shown = others.filter_map(|node| key.record(*node)).map(|record| record.at).min();
        let shown = shown.unwrap_or(Seconds::of(now));
        let again = key.reprovided == Seconds::NEVER || shown.millis() >= key.reprovided.millis().after(every / 2);
        if let Some(key) = self.keys.get_mut(no) {
            key.forced = false;
            if !few {
                key.hope();
            }
            if again {
                key.reprovided = shown;
                self.counted.reprovide_operations += 1;
                self.counted.last_reprovide = Some(now);
            }
        }
    }

    /// When a key is to be looked at again although nothing happens. What was shown by those that cannot be asked now is
    /// looked at when they can.
    fn look_again(&mut self, no: KeyNo, view: &View, now: UnixMillis) -> UnixMillis {
        let Some(key) = self.keys.get(no) else { return now };
        // Who was full may have room again, and says so only when it is offered something.
        let full = |no: &NodeNo| self.nodes.get(*no).is_some_and(|node| node.is_full(key.length, now));
        let nearer = view.order.iter().take_while(|no| view.first.last() != Some(*no));
        let again = if nearer.copied().any(|no| full(&no)) { self.settings.cleanup_ms } else { self.interval_ms() };
        let mut next = now.after(again);
        let mut surplus = Vec::new();
        for record in key.records() {
            let at = record.at.millis();
            if record.holds() {
                let forgotten = at.after(self.settings.provider_ttl_ms);
                next = if now < forgotten { next.min(forgotten) } else { next };
            } else if let Some(until) = skipped_until(record).filter(|until| now < *until) {
                next = next.min(until);
            }
            if !record.holds() || !self.is_connected(record.node) {
                continue;
            }
            let again = self.again_at(key, record);
            if view.first.contains(&record.node) {
                next = next.min(again);
                let weak_at = record.at.millis().after(CLAIM_MS);
                if key.whole && now < weak_at && is_weak(record, weak_at) {
                    next = next.min(weak_at);
                }
                continue;
            }
            let again = again.min(at.after(self.settings.cleanup_ms));
            if again <= now {
                surplus.push(record.node);
            } else {
                next = next.min(again);
            }
        }
        // A surplus copy is trimmed one day, and until it is asked again it would count; one that is needed, because those
        // that are to hold it do not, would cease to count when what was shown of it is too old.
        for node in surplus {
            self.want(no, node, Depth::Question);
        }
        next
    }

    /// Has a node asked about a key, at least so thoroughly.
    pub(super) fn want(&mut self, no: KeyNo, node: NodeNo, depth: Depth) {
        let Some(root) = self.keys.get(no).map(|key| key.root) else { return };
        let Some(node) = self.nodes.get_mut(node).filter(|node| node.connected) else { return };
        let asked = node.asked.as_ref().and_then(|batch| batch.about.get(&root));
        if asked.is_none_or(|asked| *asked < depth) {
            let wanted = node.asks.entry(no).or_insert(depth);
            *wanted = depth.max(*wanted);
        }
    }
}

/// Whether a claim is to be proved.
fn is_weak(record: &Record, now: UnixMillis) -> bool {
    record.shown == Shown::Claimed && record.at.millis().after(CLAIM_MS) <= now
}
