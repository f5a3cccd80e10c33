//! What was refused: counted, and written down for a person.
//!
//! Anybody may make a node refuse something, as often as the network allows, so nothing here waits for the disk and
//! nothing grows without bound. Refusals are counted by kind and reason, which are fixed words. A line is written for
//! each, but the same refusal of the same peer is written once an hour: a member that is refused every half minute
//! must not push out what others did. Lines wait in a bounded queue while one write is under way; what finds no room
//! is counted and not written.

use std::collections::{BTreeMap, VecDeque};

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_store::Store;

use crate::clock::{has_come, now};
use crate::event_loop::Engine;
use crate::inputs::Input;

/// Most lines that wait to be written.
const WAITING_LINES_MAX: usize = 256;
/// Most lines of one write.
const LINES_AT_A_TIME_MAX: usize = 64;
/// Most refusals that are remembered so that they are not written twice.
const RECENT_MAX: usize = 1_024;
/// How long the same refusal is not written again, in milliseconds.
const QUIET_MS: u64 = 60 * 60 * 1_000;

/// A refused handshake.
pub(crate) const HANDSHAKE: &str = "handshake";
/// A refused join.
pub(crate) const JOIN: &str = "join";
/// Something about a sealed copy that was refused.
pub(crate) const COPY: &str = "sealed_copy";
/// Somebody who was let in and is not any more.
pub(crate) const PUT_OUT: &str = "put_out";

/// A question of a member that was not answered.
pub(crate) const QUESTION: &str = "question";
/// An answer of a member that was not, or not wholly, taken.
pub(crate) const ANSWER: &str = "answer";
/// Something that waits, or came, and was refused.
pub(crate) const OUTBOX: &str = "outbox";

/// A sync session that a peer lost because it broke a rule.
pub(crate) const SYNC: &str = "sync";
/// A stream of blocks that a peer lost because it broke a rule.
pub(crate) const BLOCKS: &str = "blocks";
/// A stream about copies that a peer lost because it broke a rule.
pub(crate) const COPIES: &str = "copies";

/// Why somebody who does the right thing too often is refused.
pub(crate) const TOO_OFTEN: &str = "too_often";
/// Why somebody loses a stream who does not speak as members do.
const BROKE_A_RULE: &str = "broke_a_rule";

/// A member lost a stream because it broke a rule.
pub(crate) fn broke_a_rule(kind: &'static str, peer: NodeId, rule: &'static str) -> Refused {
    Refused { kind, node: Some(peer), reason: BROKE_A_RULE, detail: rule.to_owned() }
}

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What was tried.
    pub(crate) kind: &'static str,
    /// Who tried.
    pub(crate) node: Option<NodeId>,
    /// Why it was refused.
    pub(crate) reason: &'static str,
    /// What else there is to say.
    pub(crate) detail: String,
}

type Key = (&'static str, Option<NodeId>, &'static str, String);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    counts: BTreeMap<(&'static str, &'static str), u64>,
    recent: BTreeMap<Key, UnixMillis>,
    waiting: VecDeque<(UnixMillis, Refused)>,
    writing: bool,
    unwritten: u64,
}

impl Audit {
    /// Counts a refusal.
    pub(crate) fn count(&mut self, kind: &'static str, reason: &'static str) {
        *self.counts.entry((kind, reason)).or_default() += 1;
    }

    /// Counts a refusal and lets a line wait for it, unless it was written a short while ago.
    pub(crate) fn note(&mut self, refused: Refused, at: UnixMillis) {
        self.count(refused.kind, refused.reason);
        if self.is_recent(&refused, at) {
            return;
        }
        if self.waiting.len() >= WAITING_LINES_MAX {
            self.unwritten += 1;
        } else {
            self.waiting.push_back((at, refused));
        }
    }

    fn is_recent(&mut self, refused: &Refused, at: UnixMillis) -> bool {
        let key = (refused.kind, refused.node, refused.reason, refused.detail.clone());
        if self.recent.get(&key).is_some_and(|until| !has_come(*until, at, QUIET_MS)) {
            return true;
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.retain(|_, until| !has_come(*until, at, QUIET_MS));
        }
        if self.recent.len() < RECENT_MAX {
            self.recent.insert(key, at.after(QUIET_MS));
        }
        false
    }

    /// The next lines to write; none while a write is under way.
    fn next(&mut self) -> Vec<(UnixMillis, Refused)> {
        if self.writing {
            return Vec::new();
        }
        let lines: Vec<_> = self.waiting.drain(..self.waiting.len().min(LINES_AT_A_TIME_MAX)).collect();
        self.writing = !lines.is_empty();
        lines
    }

    /// The write that was under way has ended.
    fn done(&mut self) {
        self.writing = false;
    }

    /// What still waits when the node stops.
    pub(crate) fn rest(&mut self) -> Vec<(UnixMillis, Refused)> {
        self.waiting.drain(..).collect()
    }

    /// How often what was refused why.
    pub(crate) fn counts(&self) -> &BTreeMap<(&'static str, &'static str), u64> {
        &self.counts
    }

    /// Refusals that found no room to be written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.unwritten
    }
}

/// Writes lines.
pub(crate) async fn write(store: &Store, lines: Vec<(UnixMillis, Refused)>) {
    let written = store.write(move |db| {
        lines.iter().try_for_each(|(at, line)| db.audit(*at, line.kind, line.node.as_ref(), line.reason, &line.detail))
    });
    if let Err(error) = written.await {
        tracing::warn!(%error, "what was refused could not be written down");
    }
}

impl Engine {
    /// Notes that something was refused.
    pub(crate) fn refused(&mut self, refused: Refused) {
        self.audit.note(refused, now());
        self.write_audit();
    }

    /// A write of lines has ended.
    pub(crate) fn audited(&mut self) {
        self.audit.done();
        self.write_audit();
    }

    fn write_audit(&mut self) {
        let lines = self.audit.next();
        if lines.is_empty() {
            return;
        }
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            write(&store, lines).await;
            // Only a stopping node does not want to know.
            let _ = inputs.send(Input::Audited).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVE: NodeId = NodeId([5; 32]);

    fn refused(node: NodeId, reason: &'static str) -> Refused {
        Refused { kind: HANDSHAKE, node: Some(node), reason, detail: String::new() }
    }

    #[test]
    fn the_same_refusal_is_counted_each_time_and_written_once_an_hour() {
        let mut audit = Audit::default();
        for at in 0..100 {
            audit.note(refused(EVE, "not_a_member"), UnixMillis(at));
        }
        audit.note(refused(EVE, "revoked"), UnixMillis(100));
        assert_eq!(audit.next().len(), 2);
        audit.done();
        audit.note(refused(EVE, "not_a_member"), UnixMillis(QUIET_MS - 1));
        assert_eq!(audit.next(), []);
        audit.note(refused(EVE, "not_a_member"), UnixMillis(QUIET_MS));
        assert_eq!(audit.next().len(), 1);
        let counts = [((HANDSHAKE, "not_a_member"), 102), ((HANDSHAKE, "revoked"), 1)];
        assert_eq!(audit.counts(), &BTreeMap::from(counts));
    }

    #[test]
    fn eve_with_many_keys_costs_bounded_memory_and_one_write_at_a_time() {
        let mut audit = Audit::default();
        for n in 0..5_000_u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            audit.note(refused(NodeId(key), "not_a_member"), UnixMillis(n));
        }
        assert_eq!((audit.waiting.len(), audit.recent.len()), (WAITING_LINES_MAX, RECENT_MAX));
        assert_eq!(audit.unwritten(), 5_000 - WAITING_LINES_MAX as u64);
        assert_eq!(audit.counts()[&(HANDSHAKE, "not_a_member")], 5_000);
        assert_eq!(audit.next().len(), LINES_AT_A_TIME_MAX);
        assert_eq!(audit.next(), []);
        audit.done();
        assert_eq!(audit.next().len(), LINES_AT_A_TIME_MAX);
        assert_eq!(audit.rest().len(), WAITING_LINES_MAX - 2 * LINES_AT_A_TIME_MAX);
    }
}
