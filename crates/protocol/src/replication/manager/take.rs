//! Which copies this node takes from others.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;

use super::nodes::Nodes;
use super::{Manager, TAKINGS_MAX, Taking};
use crate::replication::Outcome;

/// How long a node that was just given a copy waits until it offers it to others itself, in milliseconds.
const OTHERS_MS: u64 = 5_000;

impl Manager {
    /// Decides about an offer that `peer` made to this node. `free` is what the quota leaves for others, where what is being
    /// taken now is not subtracted yet. Whoever is told to take hands in [`super::Input::Took`] at the end.
    pub fn take(&mut self, peer: NodeId, root: &Hash, free: u64, now: UnixMillis) -> Taking {
        match self.refuse(&peer, root, free) {
            Some(outcome) => Taking::Refuse(outcome),
            None => {
                let now = self.pass(now);
                self.accept(peer, root, now)
            }
        }
    }

    fn refuse(&self, peer: &NodeId, root: &Hash, free: u64) -> Option<Outcome> {
        let own = self.nodes.get(Nodes::OWN).is_some_and(|own| own.offers && own.member);
        let member = self.nodes.no(peer).and_then(|no| self.nodes.get(no)).is_some_and(|node| node.member);
        if !own || !member {
            return Some(Outcome::NotOffered);
        }
        let Some(key) = self.keys.no(root).and_then(|no| self.keys.get(no)) else { return Some(Outcome::Unknown) };
        let left = free.saturating_sub(self.promised());
        match key {
            _ if self.trimming.contains(root) || self.takings.contains_key(root) => Some(Outcome::Busy),
            key if key.whole => Some(Outcome::Had),
            _ if self.takings.len() >= TAKINGS_MAX => Some(Outcome::Busy),
            key if key.length > left => Some(Outcome::Full { free: left }),
            _ => None,
        }
    }

    fn accept(&mut self, peer: NodeId, root: &Hash, now: UnixMillis) -> Taking {
        let Some(key) = self.keys.no(root).and_then(|no| self.keys.get(no)) else {
            return Taking::Refuse(Outcome::Unknown);
        };
        let mut from = vec![peer];
        let others =
            key.records().iter().filter(|record| self.is_believed(record, now) && self.is_connected(record.node));
        from.extend(others.filter_map(|record| Some(self.nodes.get(record.node)?.id)).filter(|id| *id != peer));
        let (length, priority) = (key.length, key.priority);
        self.takings.insert(*root, length);
        Taking::Take { length, priority, from }
    }

    /// Bytes of what is being taken.
    pub(super) fn promised(&self) -> u64 {
        self.takings.values().fold(0, |sum, length| sum.saturating_add(*length))
    }

    /// Takes in that a taking is over.
    pub(super) fn took(&mut self, root: &Hash, ok: bool, now: UnixMillis) {
        if self.takings.remove(root).is_some() && ok {
            self.counted.taken += 1;
        }
        if ok {
            self.held(root, true, now);
        }
        let Some(no) = self.keys.no(root) else { return };
        // Whoever gave it is about to give it to the others too.
        if let Some(key) = self.keys.get_mut(no).filter(|_| ok) {
            key.retry_at = now.after(OTHERS_MS);
        }
        self.keys.due_by(no, now);
    }
}
