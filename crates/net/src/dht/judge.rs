//! Who decides what is stored.

use antiphon_core::dht::{Body, Key, Knowledge, Realm, Record, Standing, admit};
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// It is stored in place of what is held.
    Keep {
        /// Who signed it.
        author: NodeId,
        /// When it ends.
        expires: UnixMillis,
    },
    /// It repeats what is held, which stays.
    Refresh,
    /// It is not stored.
    Refuse(
        /// The stable name of the reason.
        &'static str,
    ),
}

/// Decides which records are stored and who belongs to the table. It is asked on the network's own task, so it answers
/// from memory.
pub trait RecordJudge: Send + Sync {
    /// What becomes of `value` under `key`, where `held` is now.
    fn judge(&self, key: &[u8], value: &[u8], held: Option<&[u8]>, now: UnixMillis) -> Judgement;

    /// Whether a record that was stored still counts: what its author may do can have changed since.
    fn stands(&self, key: &[u8], value: &[u8]) -> bool;

    /// Whether the node belongs to the team now.
    fn is_member(&self, node: &NodeId) -> bool;
}

/// The law of `antiphon_core::dht` by what a node knows.
#[derive(Debug, Clone)]
pub struct Law<K> {
    /// Whose table it is.
    pub realm: Realm,
    /// What the node knows.
    pub knowledge: K,
}

impl<K: Knowledge + Send + Sync> RecordJudge for Law<K> {
    fn judge(&self, key: &[u8], value: &[u8], held: Option<&[u8]>, now: UnixMillis) -> Judgement {
        match admit(value, key, held, &self.realm, &self.knowledge, now) {
            Ok(admitted) if admitted.is_new => {
                Judgement::Keep { author: admitted.record.author, expires: admitted.expires }
            }
            Ok(_) => Judgement::Refresh,
            Err(refusal) => Judgement::Refuse(refusal.name()),
        }
    }

    fn stands(&self, key: &[u8], value: &[u8]) -> bool {
        let Ok(record) = Record::read(value) else { return false };
        let refuted = match &record.body {
            Body::Pointer(pointer) => self.knowledge.standing(pointer, record.version) == Standing::Refuted,
            Body::Card(_) => false,
        };
        !refuted
            && self.knowledge.is_member(&record.author)
            && Key::parse(key, &self.realm.prefix) == Some(record.key())
    }

    fn is_member(&self, node: &NodeId) -> bool {
        self.knowledge.is_member(node)
    }
}
