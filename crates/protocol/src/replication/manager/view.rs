//! What is known of one key, put in the order of its holders.

use antiphon_core::time::UnixMillis;

use super::Manager;
use super::keys::{Key, NodeNo, Record, Shown};
use super::nodes::Nodes;

/// How long who would not take a copy is not offered it again, in milliseconds.
const REFUSED_MS: u64 = 10 * 60_000;
/// How long who was wrong about a copy is not offered it again, in milliseconds.
const WRONG_MS: u64 = 3_600_000;
/// What is asked again comes sooner by up to this part of the interval, so that not all is asked at once.
const JITTER_PART: u64 = 10;

/// One key, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Members in the order in which they are to hold it, those that offer no room last.
    pub(super) order: Vec<NodeNo>,
    /// Where the own node comes in the order; after all if it is no member.
    pub(super) own_at: usize,
    /// Those that are to hold it now: the first that are present and take it, the own node if it is one of them.
    pub(super) first: Vec<NodeNo>,
}

impl View {
    /// Members that come before the own node.
    pub(super) fn earlier(&self) -> &[NodeNo] {
        self.order.get(..self.own_at).unwrap_or_default()
    }
}

impl Manager {
    pub(super) fn view(&self, key: &Key, now: UnixMillis) -> View {
        let order = self.nodes.order(&key.root);
        let own_at = order.iter().position(|no| *no == Nodes::OWN).unwrap_or(order.len());
        let takes = |no: &NodeNo| {
            self.nodes.get(*no).is_some_and(|node| node.offers && node.present) && !self.is_skipped(key, *no, now)
        };
        let first = order.iter().copied().filter(takes).take(self.target()).collect();
        View { order, own_at, first }
    }

    /// Whether a node is to be passed over, though it is present.
    fn is_skipped(&self, key: &Key, no: NodeNo, now: UnixMillis) -> bool {
        if no == Nodes::OWN {
            return false;
        }
        let record = key.record(no);
        if record.is_some_and(|record| self.is_believed(record, now)) {
            return false;
        }
        let refused = record.is_some_and(|record| skipped_until(record).is_some_and(|until| now < until));
        let asked_anew = record.is_some_and(|record| record.at < key.stale_before);
        (refused && !asked_anew) || self.nodes.get(no).is_some_and(|node| node.is_full(key.length, now))
    }

    /// Whether a record speaks for a copy, and is not too old.
    pub(super) const fn is_believed(&self, record: &Record, now: UnixMillis) -> bool {
        record.holds() && now.since(record.at.millis()) < self.settings.provider_ttl_ms
    }

    /// Whether a node is believed to hold a key; of the own one it is known.
    pub(super) fn holds(&self, key: &Key, no: NodeNo, now: UnixMillis) -> bool {
        match no {
            Nodes::OWN => key.whole,
            no => key.record(no).is_some_and(|record| self.is_believed(record, now)),
        }
    }

    pub(super) fn is_connected(&self, no: NodeNo) -> bool {
        no != Nodes::OWN && self.nodes.get(no).is_some_and(|node| node.connected)
    }

    /// Whether what a node showed is to be asked again.
    pub(super) fn is_stale(&self, key: &Key, record: &Record, now: UnixMillis) -> bool {
        let returned = self.nodes.get(record.node).map_or(UnixMillis(0), |node| node.returned);
        record.at < key.stale_before
            || record.at.millis().after(1_000) <= returned && record.holds()
            || record.holds() && self.again_at(key, record) <= now
    }

    /// How often what was shown is asked again, in milliseconds.
    pub(super) fn interval_ms(&self) -> u64 {
        match self.settings.reprovide {
            true => self.settings.reprovide_ms.min(self.settings.provider_ttl_ms),
            false => self.settings.provider_ttl_ms,
        }
    }

    /// When what a node showed is asked again.
    pub(super) fn again_at(&self, key: &Key, record: &Record) -> UnixMillis {
        let every = self.interval_ms();
        let sooner = every / JITTER_PART * u64::from(key.root.as_bytes()[0]) / 256;
        record.at.millis().after(every - sooner)
    }
}

/// Until when who showed this is passed over.
pub(super) const fn skipped_until(record: &Record) -> Option<UnixMillis> {
    match record.shown {
        Shown::Refused => Some(record.at.millis().after(REFUSED_MS)),
        Shown::Wrong => Some(record.at.millis().after(WRONG_MS)),
        _ => None,
    }
}
