//! What a handle asks, and what the tasks of the outbox report.

use std::collections::BTreeSet;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Place;
use antiphon_protocol::outbox::Source;
use antiphon_protocol::outbox::moderate::{Push, Waiting, Why};
use antiphon_protocol::outbox::schedule::Input as Scheduled;
use antiphon_protocol::reason::Reason;

use super::ask::{Ask, Remembered, Restored, Shown, Standing};
use super::sending::Sending;
use super::{News, Outbox, Side, delivery, reception};
use crate::audit::{OUTBOX, Refused};
use crate::clock::now;
use crate::event_loop::Engine;

/// Numbers of items in memory that are remembered before those are dropped of which nothing is left.
const NUMBERS_MAX: usize = 4_096;

impl Engine {
    pub(crate) fn on_outbox(&mut self, news: News) {
        match news {
            News::Waits(peers) => self.waits(peers, Source::Disk),
            News::Keep { level, items } => {
                for pushed in self.keep(level, items) {
                    if let Push::Full { item, limit, .. } = pushed {
                        tracing::warn!(peer = %item.peer, protocol = %item.protocol, limit, "no room to keep an answer");
                    }
                }
            }
            News::Stream { peer, stream } => self.on_stream_to(peer, stream),
            News::Answer { peer, epoch, message } => {
                self.drive_sender(peer, epoch, delivery::Input::Message(message));
            }
            News::Offer { peer, epoch, message } => {
                self.drive_receiver(peer, epoch, reception::Input::Message(message));
            }
            News::Sender { peer, epoch, input } => self.drive_sender(peer, epoch, input),
            News::Receiver { peer, epoch, input } => self.drive_receiver(peer, epoch, input),
            News::Settled { peer, outcomes } => self.settled(peer, &outcomes),
            News::SetAside { peer, rows } => {
                self.outbox.counts.set_aside += rows.len() as u64;
                for (row, reason) in rows {
                    tracing::error!(%peer, row, reason, "a row of the outbox is set aside: it is not what was put there");
                    self.note_outbox(peer, reason, "a row was set aside");
                }
            }
            News::Withheld { peer, items } => {
                self.outbox.counts.refused += items as u64;
                tracing::warn!(%peer, items, "what waited for a removed member is not sent");
                self.note_outbox(peer, Reason::Revoked.name(), "what waited for a removed member is not sent");
            }
            News::Restored { peer, side } => self.restored(peer, side),
            News::Announced { peer, announcement } => self.announced(peer, announcement),
            News::LettersCame(count) => self.letters.send_modify(|came| *came += count),
            News::ReceiptWanted { peer } => self.sign_for(peer),
            News::SenderEnded { peer, epoch, reason } => self.sender_ended(peer, epoch, reason),
            News::ReceiverEnded { peer, epoch } => self.receiver_ended(peer, epoch),
        }
    }

    /// Remembers that one side was restored from an older copy.
    pub(super) fn restored(&mut self, peer: NodeId, side: Side) {
        let detail = match side {
            Side::OwnSent => "this node was restored: it no longer knew what it had delivered",
            Side::OwnTaken => "this node was restored: what it took since is lost",
            Side::PeerTaken => "the peer was restored: what it took since is lost there",
        };
        tracing::error!(%peer, detail, "the outboxes do not remember the same");
        if side == Side::PeerTaken {
            self.tell_catalogue_again(peer);
        }
        self.outbox.restored.insert((peer, side), now());
        self.note_outbox(peer, "restored", detail);
    }

    /// Writes down that something was refused.
    pub(super) fn note_outbox(&mut self, peer: NodeId, reason: &str, detail: &str) {
        // A line has one of the reasons that every version knows; what else there is goes into its detail.
        let (known, detail) = match Reason::from_name(reason) {
            Some(known) => (known, detail.to_owned()),
            None => (Reason::Other, format!("{detail}: {reason}")),
        };
        self.refused(Refused { kind: OUTBOX, node: Some(peer), reason: known.name(), detail });
    }

    pub(crate) fn on_outbox_ask(&mut self, ask: Ask) {
        // Whoever asked and has gone does not need the answer.
        match ask {
            Ask::Show(reply) => drop(reply.send(self.outbox.shown())),
            Ask::Now { peer, reply } => {
                let peers: Vec<NodeId> = match peer {
                    Some(peer) => vec![peer],
                    None => self.outbox.schedule.peers().collect(),
                };
                let count = peers.len() as u64;
                peers.into_iter().for_each(|peer| self.schedule(Scheduled::Retry(peer)));
                let _ = reply.send(count);
            }
            Ask::Again { item, reply } => drop(reply.send(self.outbox.waits_under(item).is_some())),
            Ask::Drop { item, reply } => {
                let item = self.outbox.waits_under(item);
                let dropped = item.and_then(|(peer, place)| self.outbox.moderate.drop_item(&peer, place, now()));
                self.outbox.counts.dropped += u64::from(dropped.is_some());
                let _ = reply.send(dropped.is_some());
            }
            Ask::Dropped(rows) => self.outbox.counts.dropped += rows,
            Ask::Put { peers, put } => {
                let counts = &mut self.outbox.counts;
                counts.enqueued += put.items;
                counts.enqueued_bytes += put.bytes;
                counts.merged += put.merged;
                counts.full += put.full;
                self.waits(peers, Source::Disk);
            }
            Ask::Keep { level, items, reply } => drop(reply.send(self.keep(level, items))),
        }
    }
}

impl Outbox {
    /// Gives a number to an item that was just put into memory.
    pub(super) fn number(&mut self, peer: NodeId, place: Place) {
        if self.numbers.len() >= NUMBERS_MAX {
            let waiting = self.moderate.waiting().map(|item| (item.peer, item.place));
            let gone = self.moderate.gone().map(|gone| (gone.item.peer, gone.item.place));
            let known: BTreeSet<_> = waiting.chain(gone).collect();
            self.numbers.retain(|key, _| known.contains(key));
        }
        self.numbers.insert((peer, place), self.next_number);
        self.next_number += 1;
    }

    /// The item that waits in memory under a number.
    fn waits_under(&self, number: u64) -> Option<(NodeId, Place)> {
        let key = self.numbers.iter().find(|(_, known)| **known == number).map(|(key, _)| *key)?;
        self.moderate.waiting().any(|item| (item.peer, item.place) == key).then_some(key)
    }

    fn shown(&self) -> Shown {
        let standing = |peer: NodeId| {
            let under_way = match self.sending.get(&peer) {
                Some(Sending::Live(live)) => live.under_way(),
                _ => Vec::new(),
            };
            let (tries, next_try) = (self.schedule.failures(&peer), self.schedule.next_try(&peer));
            let reason = self.reasons.get(&peer).map(|reason| reason.name().to_owned());
            (peer, Standing { tries, next_try, under_way, reason })
        };
        let waiting = self.moderate.waiting().map(|item| self.remembered(&item, None));
        let gone = self.moderate.gone().filter_map(|gone| {
            let why = match &gone.why {
                Why::Abandoned => "abandoned",
                Why::Refused(refusal) => refusal.name(),
                Why::Dropped => return None,
            };
            Some(self.remembered(&gone.item, Some(why.to_owned())))
        });
        let mut memory: Vec<Remembered> = waiting.chain(gone).collect();
        memory.sort_by_key(|item| item.item);
        let restored = self.restored.iter().map(|((peer, side), at)| Restored { peer: *peer, side: *side, at: *at });
        Shown {
            peers: self.schedule.peers().map(standing).collect(),
            memory,
            counts: self.counts,
            restored: restored.collect(),
        }
    }

    fn remembered(&self, item: &Waiting, abandoned: Option<String>) -> Remembered {
        let Waiting { peer, place, protocol, schema, subject, at, bytes, tries, .. } = *item;
        let item = self.numbers.get(&(peer, place)).copied().unwrap_or_default();
        Remembered { item, peer, place, protocol, schema, subject, at, bytes: bytes as u64, tries, abandoned }
    }
}
