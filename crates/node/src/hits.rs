//! Which facts were recalled here, until that is written down.
//!
//! Nobody waits for this, and losing some of it harms nobody. So it is gathered, and one commit takes many.

use std::sync::{Mutex, PoisonError};

use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;

use crate::clock::has_come;

/// Most facts that wait.
const WAITING_MAX: usize = 64;
/// How long they wait at most before the next one takes them along, in milliseconds.
const WAITS_MS: u64 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Hits(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    facts: Vec<FactId>,
    /// When they are written at the latest, if another one comes.
    due: Option<UnixMillis>,
}

impl Hits {
    /// Notes that facts were recalled; gives what is to be written now.
    pub(crate) fn note(&self, facts: impl IntoIterator<Item = FactId>, now: UnixMillis) -> Vec<FactId> {
        // Whatever a panicking thread left here was recalled.
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.facts.extend(facts);
        let due = *waiting.due.get_or_insert(now.after(WAITS_MS));
        if waiting.facts.len() < WAITING_MAX && !has_come(due, now, WAITS_MS) {
            return Vec::new();
        }
        waiting.due = None;
        std::mem::take(&mut waiting.facts)
    }

    /// All that waits.
    pub(crate) fn rest(&self) -> Vec<FactId> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.due = None;
        std::mem::take(&mut waiting.facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recalled_is_written_when_there_is_enough_of_it_or_it_waited_long() {
        let (hits, fact) = (Hits::default(), FactId([1; 16]));
        let now = UnixMillis(1_000_000);
        for _ in 1..WAITING_MAX {
            assert!(hits.note([fact], now).is_empty());
        }
        assert_eq!(hits.note([fact], now).len(), WAITING_MAX);
        assert!(hits.note([fact], now).is_empty());
        assert_eq!(hits.note([fact], now.after(WAITS_MS)).len(), 2);
        assert!(hits.rest().is_empty());
    }
}
