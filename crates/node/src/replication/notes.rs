//! What was learnt is kept, in the order in which it was learnt: one transaction at a time, of all that waits.

use antiphon_core::ids::Hash;
use antiphon_store::{Db, Error as StoreError, ReplicaNote, Store};

/// Most notes of one transaction.
const STEP: usize = 1_000;

/// Something to be kept.
#[derive(Debug, Clone)]
pub(super) enum Note {
    /// What a member showed.
    Learnt(ReplicaNote),
    /// Nothing of this is needed any more.
    Forget(Hash),
}

/// What waits to be kept.
#[derive(Debug, Default)]
pub(super) struct Notes {
    waiting: Vec<Note>,
    writing: bool,
}

impl Notes {
    pub(super) fn push(&mut self, note: Note) {
        self.waiting.push(note);
    }

    /// What is to be written now, if nothing is being written; it is then until [`Self::written`].
    pub(super) fn take(&mut self) -> Option<Vec<Note>> {
        if self.writing || self.waiting.is_empty() {
            return None;
        }
        self.writing = true;
        let step = self.waiting.len().min(STEP);
        Some(self.waiting.drain(..step).collect())
    }

    /// What was taken is written, or lost.
    pub(super) fn written(&mut self) {
        self.writing = false;
    }
}

/// Writes notes.
pub(super) async fn write(store: &Store, notes: Vec<Note>) -> Result<(), StoreError> {
    store.share(move |db| notes.iter().try_for_each(|note| one(db, note))).await
}

fn one(db: &mut Db, note: &Note) -> Result<(), StoreError> {
    match note {
        Note::Learnt(note) => db.note_replicas(std::slice::from_ref(note)),
        Note::Forget(root) => db.forget_replicas(root).map(drop),
    }
}
