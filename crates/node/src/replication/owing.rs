//! Copies that were begun or damaged, and are completed.
//!
//! A node may stop in the middle of a fetch that it owes, and a block may turn out not to be what it was. Either way a part
//! of a ciphertext is here and the rest is not. Whoever is to hold it, stored it itself, or had all of it, completes it
//! from whoever holds it, and tries again until somebody does; others leave it at that.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::content::Shape;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_protocol::replication::manager::Manager;
use antiphon_store::BlobView;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Care;
use crate::api::{Error, PROVIDERS_MAX};
use crate::content::Progress;

/// Most that are completed at the same time.
const AT_ONCE_MAX: usize = 2;
/// Wait before the first attempt, in milliseconds: whoever fetches it now may be done by then.
const FIRST_MS: u64 = 500;
/// Longest wait between two attempts, in milliseconds.
const LONGEST_MS: u64 = 10 * 60_000;

#[derive(Debug)]
struct Owed {
    length: u64,
    /// Whether this node stored it.
    own: bool,
    failures: u32,
    at: Instant,
    under_way: bool,
}

/// Copies that are not whole.
#[derive(Debug, Default)]
pub(super) struct Owing {
    owed: BTreeMap<Hash, Owed>,
}

/// One that is to be completed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) root: Hash,
    pub(super) length: u64,
    pub(super) own: bool,
}

impl Owing {
    pub(super) fn add(&mut self, root: Hash, length: u64, own: bool, at: Instant) {
        let fresh = || Owed { length, own, failures: 0, at: at + Duration::from_millis(FIRST_MS), under_way: false };
        self.owed.entry(root).or_insert_with(fresh);
    }

    pub(super) fn forget(&mut self, root: &Hash) {
        self.owed.remove(root);
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.under_way() >= AT_ONCE_MAX {
            return None;
        }
        self.owed.values().filter(|owed| !owed.under_way).map(|owed| owed.at).min()
    }

    /// Those that are due; they are under way until [`Self::completed`].
    pub(super) fn due(&mut self, at: Instant) -> Vec<Due> {
        let room = AT_ONCE_MAX.saturating_sub(self.under_way());
        let due = self.owed.iter_mut().filter(|(_, owed)| !owed.under_way && owed.at <= at).take(room);
        let take = |(root, owed): (&Hash, &mut Owed)| {
            owed.under_way = true;
            Due { root: *root, length: owed.length, own: owed.own }
        };
        due.map(take).collect()
    }

    pub(super) fn completed(&mut self, root: Hash, ok: bool, at: Instant) {
        if ok {
            self.owed.remove(&root);
        } else if let Some(owed) = self.owed.get_mut(&root) {
            owed.under_way = false;
            owed.failures = owed.failures.saturating_add(1);
            let wait = (1_000_u64 << owed.failures.min(16)).min(LONGEST_MS);
            owed.at = at + Duration::from_millis(wait);
        }
    }

    fn under_way(&self) -> usize {
        self.owed.values().filter(|owed| owed.under_way).count()
    }
}

/// Completes a copy; says whether there is nothing more to do about it.
pub(super) async fn complete(care: &Care, due: Due) -> bool {
    match try_complete(care, due).await {
        Ok(done) => done,
        Err(error) => {
            tracing::debug!(root = %due.root, %error, "a copy that is not whole could not be completed yet");
            false
        }
    }
}

async fn try_complete(care: &Care, due: Due) -> Result<bool, Error> {
    let root = due.root;
    let Some(view) = care.store.read(move |reader| reader.blob(&root)).await? else { return Ok(true) };
    if view.is_complete() {
        return Ok(true);
    }
    let own = care.own;
    let (placed, mut from) = care.with(move |manager, at| look(manager, &root, own, at)).await?;
    if !(placed || due.own || was_whole(&view)) {
        return Ok(true);
    }
    // Any member may hold it of which it was not heard yet.
    let others = care.connected(PROVIDERS_MAX).into_iter().filter(|node| !from.contains(node)).collect::<Vec<_>>();
    from.extend(others);
    from.truncate(PROVIDERS_MAX);
    if from.is_empty() {
        return Ok(false);
    }
    let (progress, _seen) = watch::channel(Progress::default());
    let fetched = care.transfers.fetch(root, Shape { length: due.length }, from, &progress).await;
    let fetched = fetched.map_err(|error| tracing::debug!(%root, %error, "a copy stays incomplete"));
    let Ok(fetched) = fetched else { return Ok(false) };
    tracing::info!(%root, blocks = fetched.blocks, "a copy that was not whole is whole again");
    care.say_held(root).await;
    Ok(true)
}

/// What was found damaged was held before.
const fn was_whole(view: &BlobView) -> bool {
    view.damaged > 0
}

/// Whether this node is to hold it, and who is connected and does.
fn look(manager: &Manager, root: &Hash, own: NodeId, at: antiphon_core::time::UnixMillis) -> (bool, Vec<NodeId>) {
    let Some(status) = manager.status(root, at) else { return (false, Vec::new()) };
    let holds = status.providers.iter().filter(|one| one.connected && one.evidence.holds() && one.node != own);
    (status.placed.contains(&own), holds.map(|one| one.node).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_is_tried_again_later_each_time_and_two_at_once() {
        let mut owing = Owing::default();
        let t0 = Instant::now();
        for n in 0..5 {
            owing.add(Hash([n; 32]), 10, false, t0);
        }
        assert!(owing.due(t0).is_empty());
        let t1 = t0 + Duration::from_millis(FIRST_MS);
        let due = owing.due(t1);
        assert_eq!((due.len(), owing.due(t1).len(), owing.next()), (AT_ONCE_MAX, 0, None));
        owing.completed(due[0].root, true, t1);
        owing.completed(due[1].root, false, t1);
        assert_eq!(owing.owed.len(), 4);
        assert_eq!(owing.owed[&due[1].root].at, t1 + Duration::from_millis(2_000));
        owing.forget(&due[1].root);
        assert_eq!(owing.next(), Some(t1));
    }
}
