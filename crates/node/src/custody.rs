//! Who holds what: payloads are asked for and given, receipts are signed, checked and kept.
//!
//! Everything here is a task beside the loop: reading what is missing, building a receipt and checking one all take
//! time. A receipt is built once for all sessions, and again only when what is held may have changed; what members
//! signed is written in one transaction at a time, of each member only the newest that waits.

pub(crate) mod copies;
pub(crate) mod coverage;

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::charter::Membership;
use antiphon_core::custody::Receipt;
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::log::LogId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Answer, Ask, Input as Heard, Item, PAGE_BYTES_MAX, RECEIPTS_SENT_MAX, ReceiptList};
use antiphon_store::{KeptReceipt, Store};
use antiphon_vault::NodeKey;
use tokio::sync::{Mutex, mpsc};

use crate::clock::now;
use crate::event_loop::Engine;
use crate::inputs::Input;
use crate::session::Epoch;

/// How long a receipt is handed out before it is signed anew although nothing changed, in milliseconds.
const RECEIPT_LIFE_MS: u64 = 60_000;

/// What tasks found out about custody.
#[derive(Debug)]
pub(crate) enum News {
    /// A page of `peer` was stored without these payloads.
    Lacking { peer: NodeId, log: LogId, seqs: Vec<u64> },
    /// Missing payloads came from `peer`.
    Filled { peer: NodeId },
    /// Receipts that `peer` sent were checked.
    Checked { peer: NodeId, good: Vec<KeptReceipt>, forged: usize },
    /// Receipts were written, or could not be.
    Kept,
}

/// The loop's part of custody.
#[derive(Debug, Default)]
pub(crate) struct Custodian {
    /// Grows whenever what is held may have changed.
    version: u64,
    /// Our receipt, for the tasks of all sessions.
    own: Arc<Mutex<OwnReceipt>>,
    /// Receipts that wait to be written, the newest of each member.
    waiting: BTreeMap<NodeId, KeptReceipt>,
    /// A write of receipts is under way.
    writing: bool,
}

/// The receipt that was signed last.
#[derive(Debug, Default)]
struct OwnReceipt {
    version: u64,
    at: UnixMillis,
    receipt: Option<Receipt>,
}

impl Custodian {
    /// What is held may have changed.
    pub(crate) fn changed(&mut self) {
        self.version += 1;
    }

    /// The node has moved to another team.
    pub(crate) fn leave_team(&mut self) {
        self.changed();
        self.waiting.clear();
    }
}

impl OwnReceipt {
    /// The receipt for `version`, signed if need be; `None` when it cannot be signed now.
    async fn get(&mut self, version: u64, store: &Store, key: &NodeKey) -> Option<Receipt> {
        let time = now();
        let fresh = self.version == version && time.since(self.at) < RECEIPT_LIFE_MS;
        if !fresh || self.receipt.is_none() {
            // Of two receipts the one with the later time counts, also where this machine's clock was set back.
            let at = time.max(UnixMillis(self.at.0.saturating_add(1)));
            self.receipt = build(store, key, at).await;
            (self.version, self.at) = (version, at);
        }
        self.receipt.clone()
    }
}

/// Signs what is held, unless something that was to be erased is still on the disk.
async fn build(store: &Store, key: &NodeKey, at: UnixMillis) -> Option<Receipt> {
    let custody = store.read(move |reader| if reader.purge_pending()? { Ok(None) } else { reader.custody(at) }).await;
    match custody {
        Ok(custody) => custody.map(|custody| custody.sign(key)),
        Err(error) => {
            tracing::error!(%error, "a custody receipt could not be made");
            None
        }
    }
}

impl Engine {
    /// Does what a session needs of the database for custody.
    pub(crate) fn ask_custody(&mut self, peer: NodeId, epoch: Epoch, ask: Ask) {
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        match ask {
            Ask::Missing { after, limit } => self.ask_session(peer, epoch, async move {
                let missing = store.read(move |reader| reader.missing_after(after, limit)).await;
                vec![Heard::Custody(Answer::Missing(or_nothing(missing)))]
            }),
            Ask::Payloads { log, seqs, max_bytes } => self.ask_session(peer, epoch, async move {
                let last = seqs.last().copied().unwrap_or(0);
                let read = store.read(move |reader| reader.payloads(log, &seqs, max_bytes, &peer)).await;
                let (through, items) = read.unwrap_or_else(|error| {
                    tracing::error!(%log, %error, "payloads could not be read");
                    (last, Vec::new())
                });
                vec![Heard::Custody(Answer::Payloads { log, through, items })]
            }),
            Ask::Fill { log, items } => self.ask_session(peer, epoch, fill(store, inputs, peer, log, items)),
            Ask::Receipts { own, theirs } => {
                let (version, shared, key) = (self.custodian.version, self.custodian.own.clone(), self.key.clone());
                let members = self.team.membership.clone();
                self.ask_session(peer, epoch, async move {
                    let own = if own { shared.lock().await.get(version, &store, &key).await } else { None };
                    let (list, lacked) = read_receipts(&store, members, peer, theirs).await;
                    vec![Heard::Custody(Answer::Receipts { own, list, lacked })]
                });
            }
            Ask::Keep(receipts) => {
                let team = self.team.own.team;
                self.tasks.spawn(async move {
                    let (good, forged) = check(&team, receipts, now());
                    // Only a stopping node does not want to know.
                    let _ = inputs.send(Input::Custody(News::Checked { peer, good, forged })).await;
                });
            }
        }
    }

    /// Something about custody was found out.
    pub(crate) fn on_custody(&mut self, news: News) {
        match news {
            News::Lacking { peer, log, seqs } => {
                self.tell_others(peer, &Answer::Lacking { log, seqs });
            }
            News::Filled { peer } => {
                self.custodian.changed();
                self.tell_others(peer, &Answer::Changed);
            }
            News::Checked { peer, good, forged } => {
                if forged > 0 {
                    tracing::warn!(%peer, forged, "custody receipts that nobody of the team signed");
                    self.note_failure(&peer, Reason::BadSignature);
                }
                self.keep_receipts(good);
            }
            News::Kept => {
                self.custodian.writing = false;
                self.write_receipts();
            }
        }
    }

    /// Signs anew what is held, although nothing may have changed, for a member that asked for it.
    pub(crate) fn sign_for(&mut self, peer: NodeId) {
        self.custodian.changed();
        if let Some(epoch) = self.sessions.get(&peer).map(|live| live.epoch) {
            self.drive(peer, epoch, Heard::Custody(Answer::Changed));
        }
    }

    fn tell_others(&mut self, but: NodeId, answer: &Answer) {
        let others = self.sessions.iter().filter(|(node, _)| **node != but);
        for (peer, epoch) in others.map(|(peer, live)| (*peer, live.epoch)).collect::<Vec<_>>() {
            self.drive(peer, epoch, Heard::Custody(answer.clone()));
        }
    }

    /// Keeps receipts of members; their number bounds what waits.
    fn keep_receipts(&mut self, receipts: Vec<KeptReceipt>) {
        for receipt in receipts {
            let of_member = self.team.membership.member(&receipt.node).is_some();
            let waits = self.custodian.waiting.get(&receipt.node);
            if of_member && receipt.node != self.team.own.node && waits.is_none_or(|held| held.at < receipt.at) {
                self.custodian.waiting.insert(receipt.node, receipt);
            }
        }
        self.write_receipts();
    }

    fn write_receipts(&mut self) {
        if self.custodian.writing || self.custodian.waiting.is_empty() {
            return;
        }
        self.custodian.writing = true;
        let receipts: Vec<KeptReceipt> = std::mem::take(&mut self.custodian.waiting).into_values().collect();
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            if let Err(error) = store.write(move |db| db.put_receipts(&receipts)).await {
                tracing::warn!(%error, "custody receipts could not be kept");
            }
            let _ = inputs.send(Input::Custody(News::Kept)).await;
        });
    }
}

/// Places of events that came without their payloads.
pub(crate) fn bare(events: &[antiphon_core::event::Event]) -> Vec<u64> {
    let bare = events.iter().filter(|event| event.payload().is_none());
    bare.map(|event| event.header().seq).collect()
}

async fn fill(store: Store, inputs: mpsc::Sender<Input>, peer: NodeId, log: LogId, items: Vec<Item>) -> Vec<Heard> {
    let fits = match store.write(move |db| db.fill_wanted(log, items)).await {
        Ok(done) => {
            tracing::debug!(%peer, %log, payloads = done.filled, fits = done.fits, "missing payloads came");
            if done.filled > 0 {
                let _ = inputs.send(Input::Custody(News::Filled { peer })).await;
            }
            done.fits
        }
        Err(error) => {
            tracing::error!(%peer, %log, %error, "payloads could not be kept");
            // The peer gave what it was asked for; what is still missing is asked for again with the next pass.
            true
        }
    };
    vec![Heard::Custody(Answer::Fill { log, fits })]
}

async fn read_receipts(
    store: &Store,
    members: Arc<Membership>,
    peer: NodeId,
    theirs: Option<ReceiptList>,
) -> (ReceiptList, Vec<Receipt>) {
    let read = store.read(move |reader| {
        let list = reader.receipt_list(&members, &peer)?;
        let lacked = match theirs {
            Some(theirs) => reader.receipts_lacked(&list, &theirs, RECEIPTS_SENT_MAX, PAGE_BYTES_MAX)?,
            None => Vec::new(),
        };
        Ok((list, lacked))
    });
    read.await.unwrap_or_else(|error| {
        tracing::error!(%error, "custody receipts could not be read");
        (Vec::new(), Vec::new())
    })
}

/// Checks signatures; says how many did not fit.
///
/// Of two receipts of a member the later one counts. One that was signed by a clock that runs ahead would stand in the
/// way of all that follow once that clock is set right, so none counts as later than `latest`, when it came.
fn check(team: &TeamId, receipts: Vec<Receipt>, latest: UnixMillis) -> (Vec<KeptReceipt>, usize) {
    let all = receipts.len();
    let kept = |receipt: Receipt| {
        let custody = receipt.verify(team).ok()?;
        Some(KeptReceipt { node: custody.node, at: custody.at.min(latest), receipt })
    };
    let good: Vec<KeptReceipt> = receipts.into_iter().filter_map(kept).collect();
    let forged = all - good.len();
    (good, forged)
}

/// What was read. A failure reads as nothing: the session asks again later, and the log says why.
fn or_nothing<T: Default>(read: Result<T, antiphon_store::Error>) -> T {
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "missing payloads could not be listed");
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use antiphon_core::custody::Custody;
    use antiphon_core::ids::StoreId;
    use antiphon_core::log::NodeClock;

    use super::*;

    #[test]
    fn a_receipt_that_somebody_else_made_or_changed_is_refused() {
        let (team, bob, eve) = (TeamId([1; 32]), NodeKey::generate().unwrap().0, NodeKey::generate().unwrap().0);
        let custody = |team, at| Custody {
            team,
            node: bob.node_id(),
            store: StoreId([2; 16]),
            at: UnixMillis(at),
            heads: NodeClock::new(),
            gaps: Vec::new(),
            stuck: Vec::new(),
        };
        let good = custody(team, 5).sign(&bob);
        let in_his_name = custody(team, 6).sign(&eve);
        let of_another_team = custody(TeamId([9; 32]), 7).sign(&bob);
        let mut later = good.clone();
        later.bytes = custody(team, 8).encode();
        let (kept, forged) = check(&team, vec![good.clone(), in_his_name, of_another_team, later], UnixMillis(9));
        assert_eq!((kept.len(), forged), (1, 3));
        assert_eq!((kept[0].node, kept[0].at, &kept[0].receipt), (bob.node_id(), UnixMillis(5), &good));
        let (kept, _) = check(&team, vec![custody(team, u64::MAX).sign(&bob)], UnixMillis(9));
        assert_eq!(kept[0].at, UnixMillis(9));
    }
}
