//! Taking sealed copies back: from every member that keeps some, part by part, into the log they were cut from.
//!
//! Nothing that a holder says counts by itself. A part must open with this node's key, be of the range it was asked for,
//! and hold events that continue what is here and that this node's own key has signed. A part that fails is reported and
//! the same range is tried from the others; a hole that nobody can fill stops its own log and no other.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::event::{Event, Unverified, verify_run};
use antiphon_core::ids::{NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_net::NetHandle;
use antiphon_protocol::backup::{Offer, Offers, Request, Response};
use antiphon_store::Store;
use antiphon_vault::{NodeKey, sealed_copy};

use super::owner;
use crate::api::{CopyFault, CopyGap, DamagedPart, Error};
use crate::clock::now;

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Events that were not here before.
    pub(crate) events: u64,
    /// Members that keep parts for this node.
    pub(crate) holders: BTreeSet<NodeId>,
    /// Parts that were refused.
    pub(crate) damaged: Vec<DamagedPart>,
    /// Logs that could not be completed.
    pub(crate) gaps: Vec<CopyGap>,
    /// Members that could not be asked what they keep, or for a part of it.
    pub(crate) unasked: BTreeMap<NodeId, CopyFault>,
}

/// What is against a part.
enum Wrong {
    /// It was not to be had; nothing is said about the part itself.
    Unasked(CopyFault),
    /// It is not what was left there.
    Damaged(String),
}

/// Everything that a restoration needs.
pub(crate) struct Restorer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) net: &'a NetHandle,
    pub(crate) key: &'a NodeKey,
    pub(crate) team: TeamId,
    /// The present store, whose own log is not restored.
    pub(crate) own: StoreId,
}

impl Restorer<'_> {
    /// Takes back what `peers` keep.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn run(&self, peers: &[NodeId]) -> Result<Restored, Error> {
        let mut restored = Restored::default();
        let mut offers: BTreeMap<StoreId, Offers> = BTreeMap::new();
        for peer in peers {
            match owner::list(self.net, *peer).await {
                Ok(parts) => {
                    for part in parts.into_iter().filter(|part| part.span.store != self.own) {
                        restored.holders.insert(*peer);
                        let offer = Offer { holder: *peer, first: part.span.first, last: part.span.last };
                        offers.entry(part.span.store).or_default().add(offer);
                    }
                }
                Err(fault) => drop(restored.unasked.insert(*peer, fault)),
            }
        }
        for (store, offers) in offers {
            self.restore_log(store, offers, &mut restored).await?;
        }
        Ok(restored)
    }

    async fn restore_log(&self, store: StoreId, mut offers: Offers, restored: &mut Restored) -> Result<(), Error> {
        let log = LogId::new(store, Stream::Local);
        let mut head = self.head(log).await?;
        while let Some(offer) = offers.next(head.seq) {
            let (taken, wrong) = self.take(log, head, offer).await?;
            restored.events += taken.seq - head.seq;
            head = taken;
            let Offer { holder: peer_id, first, .. } = offer;
            match wrong {
                Some(Wrong::Damaged(why)) => {
                    tracing::warn!(peer = %peer_id, %store, first, why, "a part of a sealed copy was refused");
                    restored.damaged.push(DamagedPart { peer_id, store, first, why });
                }
                Some(Wrong::Unasked(fault)) => {
                    tracing::debug!(peer = %peer_id, %store, first, %fault, "a part of a sealed copy did not come");
                    restored.unasked.insert(peer_id, fault);
                }
                None => {}
            }
        }
        let last = offers.last();
        if last > head.seq {
            restored.gaps.push(CopyGap { store, after: head.seq, last });
        }
        Ok(())
    }

    async fn head(&self, log: LogId) -> Result<Head, Error> {
        let logs = self.store.read(|reader| reader.logs()).await?;
        Ok(logs.into_iter().find(|view| view.log == log).map_or(Head::EMPTY, |view| view.head))
    }

    /// Takes the events of one part that follow `head`; returns the new head, and what of the part is not believed.
    async fn take(&self, log: LogId, head: Head, offer: Offer) -> Result<(Head, Option<Wrong>), Error> {
        let asked = Request::Get { store: log.store, first: offer.first };
        let sealed = match owner::ask(self.net, offer.holder, &asked).await {
            Ok(Response::Part { sealed, .. }) => sealed,
            Ok(_) => return Ok((head, Some(Wrong::Unasked(CopyFault::Malformed)))),
            Err(fault) => return Ok((head, Some(Wrong::Unasked(fault)))),
        };
        let events = match self.open(log, head, offer.first, &sealed) {
            Ok(events) => events,
            Err(why) => return Ok((head, Some(Wrong::Damaged(why)))),
        };
        let run = verify_run(&self.team, log, &self.key.node_id(), head, events);
        let refused = run.refused.map(|refused| Wrong::Damaged(refused.reason.to_string()));
        let Some(last) = run.verified.last().map(Event::head) else {
            return Ok((head, refused.or_else(|| Some(Wrong::Damaged("no signature covers its events".to_owned())))));
        };
        match self.store.apply_run(log, self.key.node_id(), run.verified, None, now()).await {
            Ok(_) => Ok((last, refused)),
            Err(error) if is_refusal(&error) => Ok((head, Some(Wrong::Damaged(error.to_string())))),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a part and reads those of its events that are not here yet.
    fn open(&self, log: LogId, head: Head, first: u64, sealed: &[u8]) -> Result<Vec<Event<Unverified>>, String> {
        let part = sealed_copy::open(self.key, sealed).map_err(|error| error.to_string())?;
        if part.store() != log.store || part.first_seq() != first {
            return Err("it is of another range than it was kept under".to_owned());
        }
        let held = usize::try_from(head.seq.saturating_sub(first - 1)).unwrap_or(usize::MAX);
        let parse = |raw: sealed_copy::RawEvent| Event::parse(raw.header, raw.payload, raw.signature);
        let events: Result<Vec<_>, _> = part.into_events().into_iter().skip(held).map(parse).collect();
        events.map_err(|error| error.to_string())
    }
}

/// Whether it is the events that cannot be taken, and not the database that fails.
fn is_refusal(error: &antiphon_store::Error) -> bool {
    use antiphon_store::Error;
    error.is_other_branch() || matches!(error, Error::OtherLog(_) | Error::TooManyStores(_) | Error::TooManyLogs)
}
