//! Gene backups: who of those that fell silent has everything again.
//!
//! When a verified member expires, this node notes how much of the member's own shared logs it holds. Nothing is
//! copied: sync serves those logs to their author as to anybody else, also to a new store under the same key. What is
//! left to do is to look at what the member says it holds once it is back: what its first clock lacks of the pinned
//! range is counted as it comes to hold it, and when nothing is lacking any more the backup has done its work.
//!
//! Only a session that began after the backup was made says that the member is back, so a backup that a person asks
//! for while the member is connected waits for its next return.
//!
//! Limits: a pin is worth what the log is worth that it names. Nothing cleans logs up today; what ever does must leave
//! pinned ranges alone.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::log::{Head, NodeClock};
use antiphon_store::{BackupReason, GeneBackup, Store};

use crate::clock::now;
use crate::event_loop::Engine;
use crate::inputs::Input;

/// Events of the pinned range that a peer with this clock lacks. A peer whose head is another event at the same place
/// has another branch, and lacks at least that event.
pub(crate) fn missing(pinned: &NodeClock, holds: &NodeClock) -> u64 {
    let lacks = |log, head: &Head| {
        let held = holds.get(log).copied().unwrap_or(Head::EMPTY);
        if held.seq == head.seq { u64::from(held.hash != head.hash) } else { head.seq.saturating_sub(held.seq) }
    };
    pinned.iter().map(|(log, head)| lacks(log, head)).fold(0, u64::saturating_add)
}

/// What a clock says about a member that has a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Heard {
    /// Nothing new.
    Nothing,
    /// It is back and lacks this many events.
    Lacks(u64),
    /// It got this many events back and lacks some yet.
    Restored(u64),
    /// It holds all that is pinned; this many events it got back just now. The backup is over.
    Covered(u64),
}

#[derive(Debug, PartialEq, Eq)]
struct Kept {
    pinned: NodeClock,
    /// Events it lacks; `None` while it has not returned.
    lacks: Option<u64>,
}

/// The backups that stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Backups {
    kept: BTreeMap<NodeId, Kept>,
    /// Events that members got back since the node started.
    pub(crate) restored: u64,
    /// Backups that were made since the node started.
    pub(crate) made: u64,
    /// Backups that ended because the member has everything again.
    pub(crate) covered: u64,
}

impl Backups {
    /// The backups of the database.
    pub(crate) fn load(backups: Vec<GeneBackup>) -> Self {
        let kept = backups.into_iter().map(|backup| (backup.node, Kept { pinned: backup.heads, lacks: None }));
        Self { kept: kept.collect(), ..Self::default() }
    }

    /// A backup was made, in place of the one that the same member had.
    pub(crate) fn made(&mut self, node: NodeId, pinned: NodeClock) {
        self.made += 1;
        self.kept.insert(node, Kept { pinned, lacks: None });
    }

    /// A backup is over; says whether there was one.
    pub(crate) fn remove(&mut self, node: &NodeId) -> bool {
        self.kept.remove(node).is_some()
    }

    /// All of them are over.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// A member says how much it holds; `first` when this begins a session.
    pub(crate) fn hear(&mut self, node: &NodeId, holds: &NodeClock, first: bool) -> Heard {
        let Some(kept) = self.kept.get_mut(node) else { return Heard::Nothing };
        let before = match kept.lacks {
            None if !first => return Heard::Nothing,
            before => before,
        };
        let lacks = missing(&kept.pinned, holds);
        kept.lacks = Some(lacks);
        let restored = before.map_or(0, |before| before.saturating_sub(lacks));
        self.restored = self.restored.saturating_add(restored);
        if lacks == 0 {
            self.kept.remove(node);
            self.covered += 1;
            return Heard::Covered(restored);
        }
        match (before, restored) {
            (None, _) => Heard::Lacks(lacks),
            (Some(_), 0) => Heard::Nothing,
            (Some(_), restored) => Heard::Restored(restored),
        }
    }
}

/// Notes a backup of `node`; `None` when nothing of it is held.
///
/// # Errors
/// When the database fails.
pub(crate) async fn make(
    store: &Store,
    node: NodeId,
    reason: BackupReason,
) -> Result<Option<(GeneBackup, Vec<NodeId>)>, antiphon_store::Error> {
    let (pinned, genome) = store.read(move |reader| Ok((reader.pinnable(&node)?, reader.genome()?.hash()))).await?;
    if pinned.heads.is_empty() {
        return Ok(None);
    }
    let backup =
        GeneBackup { node, genome_hash: genome, facts: pinned.facts, heads: pinned.heads, backed_up_at: now(), reason };
    let kept = backup.clone();
    let gone = store.write(move |db| db.put_backup(&kept)).await?;
    Ok(Some((backup, gone)))
}

impl Engine {
    /// Notes a backup of a member that fell silent.
    pub(crate) fn back_up(&mut self, node: NodeId) {
        if !self.is_member(&node) {
            return;
        }
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            match make(&store, node, BackupReason::Timeout).await {
                Ok(Some((backup, gone))) => {
                    // Only a stopping node does not want to know.
                    let _ = inputs.send(Input::BackedUp { backup: Box::new(backup), gone }).await;
                }
                Ok(None) => tracing::debug!(peer = %node, "nothing of its own logs is held, so nothing is pinned"),
                Err(error) => tracing::error!(peer = %node, %error, "no gene backup could be made"),
            }
        });
    }

    /// A backup is in the database.
    pub(crate) fn backed_up(&mut self, backup: &GeneBackup, gone: &[NodeId]) {
        let (peer, facts, reason) = (backup.node, backup.facts, backup.reason.name());
        tracing::info!(%peer, facts, reason, "gene backup made");
        for peer in gone {
            tracing::warn!(%peer, "a gene backup made room for a newer one");
            self.backups.remove(peer);
        }
        self.backups.made(peer, backup.heads.clone());
        // It may have come back while the backup was written.
        let is_back = self.sessions.get(&peer).is_some_and(|live| live.clocks > 0);
        if is_back && backup.reason == BackupReason::Timeout {
            self.returned(peer, true);
        }
    }

    /// A member said how much it holds.
    pub(crate) fn returned(&mut self, peer: NodeId, first: bool) {
        let Some(holds) = self.peers.get(&peer).and_then(|entry| entry.holds.as_ref()) else { return };
        match self.backups.hear(&peer, holds, first) {
            Heard::Nothing => {}
            Heard::Lacks(events) => tracing::info!(%peer, events, "it is back and lacks events of its own"),
            Heard::Restored(events) => tracing::debug!(%peer, events, "it got events of its own back"),
            Heard::Covered(events) => {
                tracing::info!(%peer, events, "it holds all that was pinned for it; its gene backup is cleared");
                self.forget_backup(peer);
            }
        }
    }

    /// Ends a backup in the database.
    pub(crate) fn forget_backup(&mut self, node: NodeId) {
        let store = self.store.clone();
        self.tasks.spawn(async move {
            if let Err(error) = store.write(move |db| db.remove_backup(&node)).await {
                // It stays until the member returns once more.
                tracing::error!(peer = %node, %error, "a gene backup could not be cleared");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::{Hash, StoreId};
    use antiphon_core::log::{LogId, Stream};

    use super::*;

    const BOB: NodeId = NodeId([2; 32]);

    fn clock(heads: &[(u8, u64)]) -> NodeClock {
        let head = |(store, seq): &(u8, u64)| {
            let hash = [seq.to_be_bytes()[7]; 32];
            (LogId::new(StoreId([*store; 16]), Stream::Shared), Head { seq: *seq, hash: Hash(hash) })
        };
        heads.iter().map(head).collect()
    }

    fn backups() -> Backups {
        let mut backups = Backups::default();
        backups.made(BOB, clock(&[(1, 10), (2, 5)]));
        backups
    }

    #[test]
    fn what_a_clock_lacks_of_a_range_is_counted_per_log() {
        let check = |holds: &[(u8, u64)], want| assert_eq!(missing(&clock(&[(1, 10), (2, 5)]), &clock(holds)), want);
        check(&[], 15);
        check(&[(1, 4)], 11);
        check(&[(1, 10), (2, 5)], 0);
        check(&[(1, 99), (2, 5), (3, 1)], 0);
        let mut other = clock(&[(1, 10), (2, 5)]);
        other.values_mut().for_each(|head| head.hash = Hash([0; 32]));
        assert_eq!(missing(&clock(&[(1, 10), (2, 5)]), &other), 2);
    }

    #[test]
    fn bob_who_was_only_away_needs_nothing_and_ends_his_backup() {
        let mut backups = backups();
        assert_eq!(backups.hear(&BOB, &clock(&[(1, 12), (2, 5)]), true), Heard::Covered(0));
        assert_eq!((backups.len(), backups.restored, backups.covered), (0, 0, 1));
    }

    #[test]
    fn bob_who_lost_his_disk_gets_everything_back_and_only_then_is_his_backup_over() {
        let mut backups = backups();
        assert_eq!(backups.hear(&BOB, &clock(&[(9, 1)]), true), Heard::Lacks(15));
        assert_eq!(backups.hear(&BOB, &clock(&[(9, 1), (1, 8)]), false), Heard::Restored(8));
        assert_eq!(backups.hear(&BOB, &clock(&[(9, 2), (1, 8)]), false), Heard::Nothing);
        // A new session starts from what he has by then, and counts nothing twice.
        assert_eq!(backups.hear(&BOB, &clock(&[(9, 2), (1, 8)]), true), Heard::Nothing);
        assert_eq!(backups.hear(&BOB, &clock(&[(9, 2), (1, 10), (2, 5)]), false), Heard::Covered(7));
        assert_eq!((backups.len(), backups.restored, backups.covered), (0, 15, 1));
    }

    #[test]
    fn a_backup_waits_for_a_return_after_it_was_made() {
        let mut backups = backups();
        assert_eq!(backups.hear(&BOB, &clock(&[(1, 10), (2, 5)]), false), Heard::Nothing);
        assert_eq!(backups.len(), 1);
        assert_eq!(backups.hear(&NodeId([3; 32]), &clock(&[]), true), Heard::Nothing);
        assert_eq!(backups.hear(&BOB, &clock(&[(1, 10), (2, 5)]), true), Heard::Covered(0));
    }
}
