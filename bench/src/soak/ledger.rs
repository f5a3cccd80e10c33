//! What the daemons acknowledged, written down outside of them.

use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that the agents on one machine were told.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The machine.
    pub name: String,
    /// The texts that each fact may have now: one, unless the answer to an edit never came. None: it was forgotten.
    pub facts: BTreeMap<String, Vec<Option<String>>>,
    /// Texts of messages with the machine that each is for.
    pub messages: Vec<(String, String)>,
    /// The bytes that each address may have now; several, or none, where an answer never came.
    pub documents: BTreeMap<String, Vec<Option<Vec<u8>>>>,
    /// How often each thing was done.
    pub done: BTreeMap<&'static str, u64>,
    /// How long each recall took.
    pub recalls: Vec<Duration>,
    /// How often nobody answered, since the daemon was being restarted.
    pub unanswered: u64,
    /// What was refused, and must not have been.
    pub refused: Vec<String>,
}

impl Ledger {
    /// Notes that something was done.
    pub fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Everything that was done.
    pub fn sum(&self) -> u64 {
        self.done.values().sum()
    }
}
