//! Copies of which a part is there: whoever is to hold them, stored them or had all of them completes them.

use std::collections::btree_map::Entry;

use antiphon_core::ids::Hash;

use super::fetching::Cause;
use super::{Copies, Inside};
use crate::exercised::Class;
use crate::failure::Step;

/// Wait before the first attempt, in milliseconds.
const FIRST_MS: u64 = 500;
/// Longest wait between two attempts, in milliseconds.
const LONGEST_MS: u64 = 10 * 60_000;

impl Copies {
    /// A part of a document is there that is needed: the rest is fetched soon.
    pub(super) fn owe(&mut self, node: usize, root: Hash) {
        let member = &self.members[node];
        let part = member.disk.blobs.contains_key(&root) && !member.disk.seems_whole(&root);
        let needed = member.view.keys.contains_key(&root);
        let Some(up) = self.members[node].up.as_mut() else { return };
        if !part || !needed {
            up.owing.remove(&root);
        } else if let Entry::Vacant(new) = up.owing.entry(root) {
            new.insert(0);
            self.inside(node, FIRST_MS, Inside::Complete(root));
        }
    }

    /// Completes a copy, or tries again later.
    pub(super) fn complete(&mut self, node: usize, root: Hash) -> Step {
        let had = self.members[node].disk.blobs.get(&root).is_some_and(|blob| blob.had);
        let owes = had || self.is_author(node, &root) || self.is_placed(node, &root);
        let from = self.network.linked(node);
        let Some(up) = self.members[node].up.as_mut() else { return Ok(()) };
        let Some(failures) = up.owing.get_mut(&root) else { return Ok(()) };
        if !owes {
            up.owing.remove(&root);
            return Ok(());
        }
        *failures += 1;
        let wait = (1_000_u64 << (*failures).min(16)).min(LONGEST_MS);
        let busy = up.fetches.contains_key(&root);
        self.inside(node, wait, Inside::Complete(root));
        if busy || from.is_empty() {
            return Ok(());
        }
        self.tally.exercised.add(Class::CopyCompleted, 1);
        self.members[node].got.insert(root);
        let mut holders = self.known_holders(node, &root);
        holders.extend(from.into_iter().filter(|peer| !holders.contains(peer)).collect::<Vec<_>>());
        self.fetch(node, root, Cause::Owed, &holders)
    }
}
