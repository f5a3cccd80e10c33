//! Which keys a change of a node concerns.

use antiphon_core::time::UnixMillis;

use super::keys::{Key, KeyNo, NodeNo, Record, Seconds, Shown};
use super::nodes::{Change, Node, Nodes, Place};
use super::{Manager, SETTLE_MS};

impl Manager {
    /// Has the keys looked at that a change concerns.
    pub(super) fn concern(&mut self, change: Change, now: UnixMillis) {
        let (Change::Came(node) | Change::Left(node) | Change::Connected(node) | Change::Room(node)) = change;
        if node == Nodes::OWN {
            return self.all_due(now, Key::hope);
        }
        for no in self.keys.numbers() {
            if self.keys.get(no).is_some_and(|key| self.concerns(change, node, key, now)) {
                self.touch(no, change, now);
            }
        }
    }

    fn concerns(&self, change: Change, node: NodeNo, key: &Key, now: UnixMillis) -> bool {
        match key.record(node) {
            Some(record) if matches!(change, Change::Connected(_)) => {
                !record.holds() || self.is_stale(key, record, now)
            }
            Some(_) => true,
            None => !matches!(change, Change::Left(_)) && self.is_near(node, key, now),
        }
    }

    /// Whether a node is among those that are to hold a key, or would be if those before it did not count.
    fn is_near(&self, node: NodeNo, key: &Key, now: UnixMillis) -> bool {
        let Some(node) = self.nodes.get(node).filter(|node| node.offers) else { return false };
        let root = Place::of(&key.root);
        let distance = node.distance(root);
        let nearer = |(_, other): &(NodeNo, &Node)| {
            other.offers && other.present && !other.is_full(key.length, now) && other.distance(root) < distance
        };
        let most = self.target();
        self.nodes.members().filter(nearer).take(most).count() < most
    }

    /// Whether somebody is believed to hold a key who does not come early enough in the order of all members for its copy to
    /// stay, or would not take one for that. Now that others left it may be needed, and may be gone.
    fn has_stand_in(&self, no: KeyNo) -> bool {
        let Some(key) = self.keys.get(no) else { return false };
        let order = self.nodes.order(&key.root);
        let later = order.get(usize::from(self.settings.factor)..).unwrap_or_default();
        let told = |record: &Record| record.holds() || record.shown == Shown::Refused;
        key.records().iter().any(|record| told(record) && later.contains(&record.node))
    }

    fn touch(&mut self, no: KeyNo, change: Change, now: UnixMillis) {
        let asked_anew = matches!(change, Change::Left(_)) && self.has_stand_in(no);
        if let Some(key) = self.keys.get_mut(no) {
            key.hope();
            if asked_anew {
                key.stale_before = key.stale_before.max(Seconds::of(now));
            }
            if matches!(change, Change::Came(_)) && key.whole && key.trim_after != Seconds::NEVER {
                key.trim_after = key.trim_after.min(Seconds::over(now.after(SETTLE_MS)));
            }
        }
        self.count(no, now);
        self.keys.due_by(no, now);
    }
}
