//! Which own copies may go.
//!
//! What must never happen is that the last copies go because each of those that hold one believes in the others. So a copy
//! goes only for proofs that were asked for within minutes, of holders that come earlier in the order; whoever gave such a
//! proof keeps its copy for longer than the proof counts, and whoever is removing a copy gives none. Of two that rely on
//! each other the one that was asked first therefore waits until the other's proof counts no more.

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;

use super::keys::{Key, KeyNo, NodeNo, Seconds};
use super::nodes::{Nodes, PAUSE_MS_MAX};
use super::view::View;
use super::{Manager, Output, SETTLE_MS, Vouch};
use crate::replication::Depth;

/// An own copy that may be surplus, and who proved that it holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    started: UnixMillis,
    /// Who, and when it was asked.
    proofs: Vec<(NodeNo, UnixMillis)>,
}

impl Trial {
    /// Takes a proof that was asked for then.
    pub(super) fn proved(&mut self, node: NodeNo, asked: UnixMillis) {
        if asked >= self.started {
            self.proofs.retain(|(other, _)| *other != node);
            self.proofs.push((node, asked));
        }
    }

    fn is_fresh(&self, node: NodeNo, proof_ms: u64, now: UnixMillis) -> bool {
        self.proofs.iter().any(|(other, asked)| *other == node && now.since(*asked) < proof_ms)
    }
}

impl Manager {
    /// Looks whether the own copy may go, and says when to look again.
    pub(super) fn consider_trim(
        &mut self,
        no: KeyNo,
        view: &View,
        now: UnixMillis,
        out: &mut Vec<Output>,
    ) -> UnixMillis {
        let never = UnixMillis(u64::MAX);
        let Some(key) = self.keys.get(no).filter(|key| !self.trimming.contains(&key.root)) else { return never };
        let witnesses = self.witnesses(key, view, now);
        let Some(need) = self.surplus_to(key, view) else {
            self.trials.remove(&no);
            return never;
        };
        if witnesses.len() < need {
            self.trials.remove(&no);
            return self.seek_witnesses(no, view, need, now);
        }
        let from = key.vouched.millis().max(self.started.unwrap_or(now).after(self.vouched_ms()));
        if now < from {
            self.trials.remove(&no);
            return from.max(key.trim_after.millis());
        }
        if !self.trials.contains_key(&no) {
            let settled = key.trim_after != Seconds::NEVER;
            if !settled || now < key.trim_after.millis() {
                return self.trim_after(no, settled, now);
            }
            self.start_trial(no, now);
        }
        self.try_trim(no, &witnesses, need, now, out)
    }

    /// How long a copy is kept that was proved, in milliseconds: longer than anybody relies on the proof. For as long
    /// nothing is trimmed after a restart, since what was proved before it is not known any more.
    fn vouched_ms(&self) -> u64 {
        self.settings.proof_ms.saturating_add(self.settings.proof_ms / 5)
    }

    fn trim_after(&mut self, no: KeyNo, settled: bool, now: UnixMillis) -> UnixMillis {
        let settle = SETTLE_MS.min(self.settings.grace_ms);
        let Some(key) = self.keys.get_mut(no) else { return now };
        if !settled {
            key.trim_after = Seconds::over(now.after(settle));
        }
        key.trim_after.millis()
    }

    /// Asks those that come earlier whether they hold it, now and then, some others each time: of who is not to hold it
    /// nobody else would.
    fn seek_witnesses(&mut self, no: KeyNo, view: &View, need: usize, now: UnixMillis) -> UnixMillis {
        let Some(key) = self.keys.get(no) else { return now };
        let settled = key.trim_after != Seconds::NEVER;
        if !settled || now < key.trim_after.millis() {
            return self.trim_after(no, settled, now);
        }
        let earlier = view.earlier().iter().copied().filter(|node| self.is_connected(*node));
        let mut unknown: Vec<NodeNo> = earlier.filter(|node| self.may_hold(key, *node, now)).collect();
        let most = need.saturating_mul(2).min(unknown.len());
        let turn = usize::try_from(now.0 / self.settings.cleanup_ms.max(1)).unwrap_or_default();
        if let Some(first) = turn.wrapping_mul(most).checked_rem(unknown.len()) {
            unknown.rotate_left(first);
        }
        for node in unknown.into_iter().take(most) {
            self.want(no, node, Depth::Question);
        }
        let again = Seconds::over(now.after(self.settings.cleanup_ms));
        if let Some(key) = self.keys.get_mut(no) {
            key.trim_after = again;
        }
        again.millis()
    }

    fn start_trial(&mut self, no: KeyNo, now: UnixMillis) {
        if let Some(key) = self.keys.get_mut(no) {
            key.trim_after = Seconds::over(now.after(self.settings.cleanup_ms));
            self.trials.insert(no, Trial { started: now, proofs: Vec::new() });
        }
    }

    fn try_trim(
        &mut self,
        no: KeyNo,
        witnesses: &[NodeNo],
        need: usize,
        now: UnixMillis,
        out: &mut Vec<Output>,
    ) -> UnixMillis {
        let (Some(trial), Some(key)) = (self.trials.get(&no), self.keys.get(no)) else { return now };
        let proved: Vec<NodeNo> = witnesses
            .iter()
            .copied()
            .filter(|node| trial.is_fresh(*node, self.settings.proof_ms, now))
            .take(need)
            .collect();
        if proved.len() >= need {
            let witnesses = proved.iter().filter_map(|node| Some(self.nodes.get(*node)?.id)).collect();
            out.push(Output::Trim { root: key.root, witnesses });
            self.trimming.insert(key.root);
            self.trials.remove(&no);
            return now.after(PAUSE_MS_MAX);
        }
        let over = trial.started.after(self.settings.proof_ms);
        if over <= now {
            self.trials.remove(&no);
            return key.trim_after.millis();
        }
        let missing =
            witnesses.iter().copied().take(need).filter(|node| !trial.is_fresh(*node, self.settings.proof_ms, now));
        for node in missing.collect::<Vec<_>>() {
            self.want(no, node, Depth::Proof);
        }
        over
    }

    /// How many others must prove their copies for the own one to be surplus; `None` if it is to stay.
    fn surplus_to(&self, key: &Key, view: &View) -> Option<usize> {
        let own = self.nodes.get(Nodes::OWN).filter(|own| own.member)?;
        let factor = usize::from(self.settings.factor).max(1);
        let offering = view.order.iter().filter(|no| self.nodes.get(**no).is_some_and(|node| node.offers)).count();
        let need = if own.offers { factor } else { factor.min(offering) };
        let kept = key.own && self.settings.keep_own;
        (need > 0 && view.own_at >= need && !kept && !self.takings.contains_key(&key.root)).then_some(need)
    }

    /// Who could prove that the own copy is not needed.
    fn witnesses(&self, key: &Key, view: &View, now: UnixMillis) -> Vec<NodeNo> {
        let earlier = view.earlier().iter().copied().filter(|no| self.nodes.get(*no).is_some_and(|node| node.offers));
        earlier.filter(|no| self.is_connected(*no) && self.holds(key, *no, now)).collect()
    }

    /// Takes in whether an own copy is gone.
    pub(super) fn trimmed(&mut self, root: Hash, ok: bool, now: UnixMillis) {
        self.trimming.remove(&root);
        let Some(no) = self.keys.no(&root) else { return };
        if ok {
            self.counted.trimmed += 1;
            self.counted.last_trim = Some(now);
            self.held(&root, false, now);
        }
        self.keys.due_by(no, now);
    }

    /// Asks whether this node may answer a proof of this root with its copy. It must be asked after the question came and
    /// before the answer is sent: whoever gets the proof may trim its own copy for it, so the one that was proved is not
    /// trimmed for some minutes. What is being trimmed is not proved.
    pub fn vouch(&mut self, root: &Hash, now: UnixMillis) -> Vouch {
        let until = Seconds::over(self.pass(now).after(self.vouched_ms()));
        let held = self.keys.no(root).and_then(|no| self.keys.get_mut(no)).filter(|key| key.whole);
        match held {
            Some(key) if !self.trimming.contains(root) => {
                key.vouched = until;
                Vouch::Given
            }
            _ => Vouch::Refused,
        }
    }
}
