//! Rows and items in memory become what is shown.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_store::{Error as StoreError, OutboxPeer, OutboxRow, OutboxState as RowState, Reader};

use super::words::{self, ABANDONED};
use crate::api::{OutboxCounters, OutboxId, OutboxItemView, OutboxPeerView, OutboxRestoredView, OutboxState};
use crate::config::Levels;
use crate::outbox::ask::{Counts, Remembered, Restored, Shown, Standing};

/// What is needed besides an item to show it.
pub(super) struct Context {
    pub(super) shown: Shown,
    pub(super) names: BTreeMap<NodeId, String>,
    /// Name of this node.
    pub(super) own: String,
    pub(super) levels: std::sync::Arc<Levels>,
}

/// Rows with their ranks among what goes to the same peer; what does not wait has none. Rows of one peer are handed in
/// in the order in which they go.
pub(super) fn ranks(reader: &Reader<'_>, rows: Vec<OutboxRow>) -> Result<Vec<(OutboxRow, Option<u64>)>, StoreError> {
    let mut ahead: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut ranked = Vec::with_capacity(rows.len());
    for row in rows {
        let waits = row.state == RowState::Waits;
        let rank = match row.peer.filter(|_| waits) {
            None => None,
            Some(peer) => {
                let rank = match ahead.get(&peer) {
                    Some(ahead) => *ahead,
                    None => reader.outbox_ahead(&peer, row.place.n)?,
                };
                ahead.insert(peer, rank.saturating_add(1));
                Some(rank.saturating_add(1))
            }
        };
        ranked.push((row, rank));
    }
    Ok(ranked)
}

impl Context {
    fn name(&self, peer: Option<NodeId>) -> String {
        peer.and_then(|peer| self.names.get(&peer).cloned()).unwrap_or_default()
    }

    /// What a peer is called in a sentence.
    fn called(&self, peer: Option<NodeId>) -> String {
        match (self.name(peer), peer) {
            (name, _) if !name.is_empty() => name,
            (_, Some(peer)) => peer.short(),
            (_, None) => "its receiver".to_owned(),
        }
    }

    fn standing(&self, peer: Option<NodeId>) -> Standing {
        peer.and_then(|peer| self.shown.peers.get(&peer).cloned()).unwrap_or_default()
    }

    /// A row of the database.
    pub(super) fn row(&self, row: OutboxRow, rank: Option<u64>) -> OutboxItemView {
        let id = OutboxId::Row(row.id);
        let standing = self.standing(row.peer);
        let state = match (row.state, row.flaw) {
            (RowState::Waits, None) if standing.under_way.contains(&row.place) => OutboxState::UnderWay,
            (RowState::Waits, None) => OutboxState::Waiting,
            (RowState::Refused, _) => OutboxState::Refused,
            (RowState::Waits | RowState::Broken, _) => OutboxState::Damaged,
        };
        let pending = state.is_pending();
        let reason = match state {
            OutboxState::Waiting => standing.reason,
            OutboxState::UnderWay => None,
            _ => row.reason.or_else(|| row.flaw.map(str::to_owned)),
        };
        let said = |reason: &String| words::of_item(&id, state, reason, &self.called(row.peer), &self.own);
        OutboxItemView {
            id,
            peer: row.peer,
            name: self.name(row.peer),
            protocol: row.protocol,
            level: row.level,
            schema: u16::try_from(row.schema).ok(),
            subject: row.subject,
            state,
            words: reason.as_ref().map(said),
            reason,
            at: row.at,
            bytes: row.bytes,
            position: rank.filter(|_| pending),
            tries: if pending { standing.tries } else { 0 },
            next_try: standing.next_try.filter(|_| pending),
        }
    }

    /// What is kept in memory, and what was given up of it, in the order of the numbers.
    pub(super) fn memory(&self) -> impl Iterator<Item = OutboxItemView> + '_ {
        let mut ranks: BTreeMap<NodeId, u64> = BTreeMap::new();
        self.shown.memory.iter().map(move |item| {
            let rank = item.abandoned.is_none().then(|| {
                let rank = ranks.entry(item.peer).or_default();
                *rank += 1;
                *rank
            });
            self.remembered(item, rank)
        })
    }

    fn remembered(&self, item: &Remembered, position: Option<u64>) -> OutboxItemView {
        let id = OutboxId::Memory(item.item);
        let peer = Some(item.peer);
        let standing = self.standing(peer);
        let state = match item.abandoned.as_deref() {
            Some(ABANDONED) => OutboxState::Abandoned,
            Some(_) => OutboxState::Refused,
            None if standing.under_way.contains(&item.place) => OutboxState::UnderWay,
            None => OutboxState::Waiting,
        };
        let reason = match state {
            OutboxState::Waiting => standing.reason,
            OutboxState::UnderWay => None,
            _ => item.abandoned.clone(),
        };
        let said = |reason: &String| words::of_item(&id, state, reason, &self.called(peer), &self.own);
        OutboxItemView {
            id,
            peer,
            name: self.name(peer),
            protocol: Some(item.protocol),
            level: Some(self.levels.of(item.protocol)),
            schema: Some(item.schema),
            subject: Some(item.subject),
            state,
            words: reason.as_ref().map(said),
            reason,
            at: item.at,
            bytes: item.bytes,
            position,
            tries: item.tries,
            next_try: standing.next_try.filter(|_| state.is_pending()),
        }
    }

    /// Every peer for which something waits or waited, with what waits on disk and in memory.
    pub(super) fn peers(&self, rows: &[OutboxPeer]) -> Vec<OutboxPeerView> {
        let mut peers: BTreeMap<NodeId, OutboxPeerView> = BTreeMap::new();
        for row in rows {
            let view = peers.entry(row.node).or_insert_with(|| self.peer(row.node));
            (view.pending, view.stuck, view.bytes) = (row.waiting(), row.stuck, row.bytes);
            view.delivered_at = row.delivered.map(|(_, at)| at);
        }
        for item in self.shown.memory.iter().filter(|item| item.abandoned.is_none()) {
            let view = peers.entry(item.peer).or_insert_with(|| self.peer(item.peer));
            view.pending = view.pending.saturating_add(1);
            view.bytes = view.bytes.saturating_add(item.bytes);
        }
        // How the last attempt went matters only as long as something waits for another one.
        for view in peers.values_mut().filter(|view| view.pending == 0) {
            (view.tries, view.next_try, view.reason, view.words) = (0, None, None, None);
        }
        peers.into_values().collect()
    }

    /// Older copies that were noticed.
    pub(super) fn restored(&self) -> Vec<OutboxRestoredView> {
        let view = |restored: &Restored| {
            let peer = Some(restored.peer);
            let (kind, lost, words) = words::of_restored(restored.side, &self.called(peer));
            OutboxRestoredView { peer: restored.peer, name: self.name(peer), kind, lost, at: restored.at, words }
        };
        self.shown.restored.iter().map(view).collect()
    }

    fn peer(&self, peer: NodeId) -> OutboxPeerView {
        let standing = self.standing(Some(peer));
        let said = |reason: &String| words::of_peer(reason, &self.called(Some(peer)), &self.own);
        OutboxPeerView {
            peer,
            name: self.name(Some(peer)),
            pending: 0,
            stuck: 0,
            bytes: 0,
            tries: standing.tries,
            next_try: standing.next_try,
            words: standing.reason.as_ref().map(said),
            reason: standing.reason,
            delivered_at: None,
        }
    }
}

/// The counters as they are shown.
pub(super) fn counters(counts: &Counts) -> OutboxCounters {
    OutboxCounters {
        enqueued: counts.enqueued,
        enqueued_bytes: counts.enqueued_bytes,
        delivered: counts.delivered,
        delivered_bytes: counts.delivered_bytes,
        merged: counts.merged,
        refused: counts.refused,
        abandoned: counts.abandoned,
        dropped: counts.dropped,
        set_aside: counts.set_aside,
        busy: counts.busy,
        full: counts.full,
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::outbox::{Level, Place, Protocol, Subject};
    use antiphon_core::time::UnixMillis;

    use super::*;

    const BOB: NodeId = NodeId([2; 32]);
    const AT: UnixMillis = UnixMillis(1_000);

    fn place(n: u64) -> Place {
        Place { era: 7, n }
    }

    fn row(id: u64, state: RowState) -> OutboxRow {
        OutboxRow {
            id,
            peer: Some(BOB),
            place: place(id),
            protocol: Some(Protocol::MESSAGE),
            level: Some(Level::Critical),
            schema: 1,
            subject: Some(Subject([3; 16])),
            state,
            reason: (state == RowState::Refused).then(|| "revoked".to_owned()),
            at: AT,
            bytes: 10,
            flaw: None,
        }
    }

    fn remembered(item: u64, abandoned: Option<&str>) -> Remembered {
        Remembered {
            item,
            peer: BOB,
            place: Place { era: 9, n: item },
            protocol: Protocol::PLANNER,
            schema: 1,
            subject: Subject([4; 16]),
            at: AT,
            bytes: 5,
            tries: 4,
            abandoned: abandoned.map(str::to_owned),
        }
    }

    fn context(memory: Vec<Remembered>) -> Context {
        let standing = Standing {
            tries: 2,
            next_try: Some(UnixMillis(9_000)),
            under_way: vec![place(1)],
            reason: Some("network_refused".to_owned()),
        };
        let shown = Shown { peers: [(BOB, standing)].into(), memory, ..Shown::default() };
        let names = [(BOB, "bob".to_owned())].into();
        Context { shown, names, own: "alice".to_owned(), levels: Levels::default().into() }
    }

    #[test]
    fn a_row_that_waits_shows_its_rank_and_when_bob_is_tried() {
        let context = context(Vec::new());
        let waits = context.row(row(2, RowState::Waits), Some(2));
        assert_eq!((waits.state, waits.position, waits.tries), (OutboxState::Waiting, Some(2), 2));
        assert_eq!((waits.next_try, waits.reason.as_deref()), (Some(UnixMillis(9_000)), Some("network_refused")));
        assert!(waits.words.unwrap().what.contains("bob"));
        let sent = context.row(row(1, RowState::Waits), Some(1));
        assert_eq!((sent.state, sent.reason), (OutboxState::UnderWay, None));
    }

    #[test]
    fn what_does_not_wait_has_no_rank_and_says_why() {
        let context = context(Vec::new());
        let refused = context.row(row(3, RowState::Refused), None);
        assert_eq!((refused.state, refused.reason.as_deref()), (OutboxState::Refused, Some("revoked")));
        assert_eq!((refused.next_try, refused.tries, refused.position), (None, 0, None));
        let damaged = OutboxRow { flaw: Some("does_not_open"), peer: None, ..row(4, RowState::Waits) };
        let damaged = context.row(damaged, Some(1));
        assert_eq!((damaged.state, damaged.reason.as_deref()), (OutboxState::Damaged, Some("does_not_open")));
        assert_eq!((damaged.name.as_str(), damaged.position), ("", None));
    }

    #[test]
    fn what_is_in_memory_counts_for_bob_until_it_is_given_up() {
        let memory = vec![
            remembered(1, None),
            remembered(2, Some(ABANDONED)),
            remembered(3, Some("quota")),
            remembered(4, None),
        ];
        let context = context(memory);
        let states: Vec<_> = context.memory().map(|item| (item.state, item.position)).collect();
        let want = [
            (OutboxState::Waiting, Some(1)),
            (OutboxState::Abandoned, None),
            (OutboxState::Refused, None),
            (OutboxState::Waiting, Some(2)),
        ];
        assert_eq!(states, want);
        let row = OutboxPeer { node: BOB, items: 5, stuck: 2, bytes: 50, next_n: 9, delivered: Some((place(1), AT)) };
        let peers = context.peers(&[row]);
        assert_eq!((peers[0].pending, peers[0].stuck, peers[0].bytes), (5, 2, 60));
        assert_eq!((peers[0].delivered_at, peers[0].tries), (Some(AT), 2));
    }
}
