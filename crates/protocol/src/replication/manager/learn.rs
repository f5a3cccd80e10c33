//! What the answers of others teach.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::History;
use antiphon_core::time::UnixMillis;

use super::keys::{KeyNo, NodeNo, Record, Seconds, Shown};
use super::nodes::{Batch, Nodes};
use super::{Evidence, Manager, Output, PROOFS_PER_ASK_MAX, ROOTS_PER_ASK_MAX};
use crate::replication::{Answer, Depth};

/// Who says within this time after it said that it holds a copy that it does not is not offered it again soon, in
/// milliseconds. Who gave up a copy that was one too many kept it for as long as its last proof is believed
/// ([`Manager::vouch`]), so where proofs are believed for less, this is less too.
const FICKLE_MS: u64 = 60_000;

impl Manager {
    /// Takes in what was known before a restart.
    pub(super) fn known(
        &mut self,
        root: &Hash,
        node: NodeId,
        evidence: Evidence,
        added_at: Option<UnixMillis>,
        history: History,
        now: UnixMillis,
    ) {
        let Some(no) = self.keys.no(root) else { return };
        let Some(node) = self.nodes.add(node).filter(|node| *node != Nodes::OWN) else { return };
        let shown = match evidence {
            Evidence::Proved(_) => Shown::Proved,
            Evidence::Claimed(_) => Shown::Claimed,
            Evidence::Missing(_) => Shown::Missing,
            Evidence::Wrong(_) => Shown::Wrong,
        };
        // A clock that was ahead must not have something believed for ever.
        let mut record = Record::new(node, shown, Seconds::of(evidence.at().min(now)));
        record.added = added_at.map_or(record.added, Seconds::of);
        record.set_history(history);
        self.put(no, record);
        self.count(no, now);
    }

    fn put(&mut self, no: KeyNo, record: Record) {
        let most = self.settings.providers_per_key.max(3 * usize::from(self.settings.factor));
        let nodes = &self.nodes;
        let worth = |record: &Record| {
            let member = nodes.get(record.node).is_some_and(|node| node.member);
            (member || record.holds(), record.holds(), record.at)
        };
        if let Some(key) = self.keys.get_mut(no) {
            key.put(record, most, worth);
        }
    }

    /// Takes in what a node showed, and has it kept.
    pub(super) fn learn(&mut self, no: KeyNo, node: NodeNo, shown: Shown, now: UnixMillis, out: &mut Vec<Output>) {
        let Some((root, before)) = self.keys.get(no).map(|key| (key.root, key.record(node).copied())) else { return };
        let mut record = Record::new(node, shown, Seconds::of(now));
        let held = before.is_some_and(|before| before.holds());
        if let Some(before) = before.filter(|before| before.added != Seconds::NEVER) {
            record.added = before.added;
        }
        // Who never held it did nothing wrong by not holding it.
        let counts = record.holds() || held || shown == Shown::Wrong;
        let history = before.map(|before| before.history()).unwrap_or_default();
        let history = if counts { history.with(record.holds()) } else { history };
        record.set_history(history);
        self.put(no, record);
        if record.added != Seconds::NEVER || shown == Shown::Wrong {
            let node = self.nodes.get(node).map(|node| node.id);
            out.extend(node.map(|node| Output::Note {
                root,
                node,
                evidence: record.evidence().moved(|_| now),
                history,
            }));
        }
        // Who holds it has something to do or to wait for now. Who does not only counts, and goes on asking ever less.
        if before.is_none_or(|before| before.holds() != record.holds())
            && let Some(key) = self.keys.get_mut(no).filter(|key| key.attempts > 0 && (key.whole || held))
        {
            key.hope();
        }
        self.count(no, now);
        self.keys.due_by(no, now);
    }

    /// Takes in the answers to a question.
    pub(super) fn answered(
        &mut self,
        peer: NodeId,
        answers: &[(Hash, Answer)],
        now: UnixMillis,
        out: &mut Vec<Output>,
    ) {
        let Some(node) = self.nodes.no(&peer).filter(|node| *node != Nodes::OWN) else { return };
        let mut failed = false;
        for (root, answer) in answers {
            let asked = self.close(node, root);
            let Some(no) = self.keys.no(root) else { continue };
            let shown = match answer {
                Answer::Proved => Shown::Proved,
                Answer::Claimed => Shown::Claimed,
                Answer::Missing => self.missing(no, node, now),
                Answer::Wrong => Shown::Wrong,
                Answer::Failed => {
                    failed = true;
                    self.keys.due_by(no, now);
                    continue;
                }
            };
            match shown {
                Shown::Proved | Shown::Claimed => self.counted.proofs += 1,
                Shown::Wrong => self.counted.wrong += 1,
                Shown::Missing | Shown::Refused => {}
            }
            match (shown, asked) {
                (Shown::Proved, Some((at, _))) => {
                    if let Some(trial) = self.trials.get_mut(&no) {
                        trial.proved(node, at);
                    }
                }
                // It was to prove it, and only said so. That is looked into again, but not at once.
                (Shown::Claimed, Some((_, Depth::Proof))) => {
                    self.trials.remove(&no);
                }
                _ => {}
            }
            self.learn(no, node, shown, now, out);
        }
        if let Some(node) = self.nodes.get_mut(node) {
            if failed {
                node.is_silent(now);
            } else {
                node.silent = 0;
                node.silent_until = UnixMillis(0);
            }
        }
    }

    fn missing(&self, no: KeyNo, node: NodeNo, now: UnixMillis) -> Shown {
        let record = self.keys.get(no).and_then(|key| key.record(node));
        let soon = FICKLE_MS.min(self.settings.proof_ms);
        let fickle = record.is_some_and(|record| record.holds() && now.since(record.at.millis()) < soon);
        if fickle { Shown::Refused } else { Shown::Missing }
    }

    /// Ends a question about a root, and says when it was asked, and how.
    fn close(&mut self, node: NodeNo, root: &Hash) -> Option<(UnixMillis, Depth)> {
        let node = self.nodes.get_mut(node)?;
        let batch = node.asked.as_mut()?;
        let asked = batch.about.remove(root).map(|depth| (batch.at, depth));
        if batch.about.is_empty() {
            node.asked = None;
        }
        asked
    }

    /// Asks each node what it is to be asked, in one question at a time.
    pub(super) fn ask(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let ready = self.nodes.all().filter(|(_, node)| {
            node.connected && node.asked.is_none() && !node.asks.is_empty() && node.silent_until <= now
        });
        for peer in ready.map(|(no, _)| no).collect::<Vec<_>>() {
            let Some(node) = self.nodes.get_mut(peer) else { continue };
            let mut proofs = 0;
            let mut chosen = Vec::new();
            for (no, depth) in &node.asks {
                proofs += usize::from(*depth == Depth::Proof);
                if proofs > PROOFS_PER_ASK_MAX || chosen.len() >= ROOTS_PER_ASK_MAX {
                    break;
                }
                chosen.push((*no, *depth));
            }
            for (no, _) in &chosen {
                node.asks.remove(no);
            }
            let keys = &self.keys;
            let about = chosen.iter().filter_map(|(no, depth)| Some((keys.get(*no)?.root, *depth))).collect();
            let batch = Batch { at: now, about };
            out.push(Output::Ask {
                peer: node.id,
                about: batch.about.iter().map(|(root, depth)| (*root, *depth)).collect(),
            });
            node.asked = Some(batch);
        }
    }
}
