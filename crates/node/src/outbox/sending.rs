//! What waits here is delivered.
//!
//! Whom to try and when is the schedule's business, and how a delivery goes that of its machine. Whether a peer may
//! have what waits for it is asked again at every attempt: somebody who was removed meanwhile gets nothing, and what
//! waited for it stays visible until a person drops it.

use std::collections::{BTreeMap, VecDeque};

use antiphon_core::charter::Refusal as NoEntry;
use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Level, Outgoing, Place};
use antiphon_core::time::UnixMillis;
use antiphon_net::{MemberStream, StreamKind};
use antiphon_protocol::outbox::delivery::{Input as Heard, Output};
use antiphon_protocol::outbox::moderate::{Push as Pushed, Waiting as Remembered};
use antiphon_protocol::outbox::schedule::{End, Input as Scheduled, Output as Schedules, TICK_MS};
use antiphon_protocol::outbox::{Closed, Delivery, Item, Message, Outcome, Page, Refusal, Source};
use antiphon_protocol::reason::Reason;
use antiphon_store::{OutboxPage, Settled, Store};
use tokio::sync::mpsc;

use super::pen::{Pen, Sorted};
use super::{News, OutboxFrames, Side};
use crate::clock::{has_come, now};
use crate::event_loop::Engine;
use crate::framed::Frames;
use crate::inputs::Input;
use crate::reasons;
use crate::session::Epoch;

/// A wake-up that is further away than this comes from a clock that was set back, in milliseconds.
const WAKE_MS_MAX: u64 = 15 * 60 * 1_000;

/// An attempt at a peer.
#[derive(Debug)]
pub(super) enum Sending {
    /// The stream is being opened.
    Opening,
    /// Items are delivered.
    Live(Box<Live>),
}

/// A conversation in which this node delivers.
#[derive(Debug)]
pub(super) struct Live {
    epoch: Epoch,
    machine: Delivery,
    frames: Frames<Message>,
    wake_at: Option<UnixMillis>,
    /// What was sent and not settled yet, with the bytes of the bodies.
    under_way: BTreeMap<Place, u64>,
}

impl Live {
    /// What was sent and not settled yet.
    pub(super) fn under_way(&self) -> Vec<Place> {
        self.under_way.keys().copied().collect()
    }
}

impl Engine {
    /// Something waits for peers.
    pub(super) fn waits(&mut self, peers: Vec<NodeId>, source: Source) {
        for peer in peers {
            let connected = self.can_deliver(&peer);
            self.schedule(Scheduled::Waiting { peer, connected });
            if let Some(Sending::Live(live)) = self.outbox.sending.get(&peer) {
                let epoch = live.epoch;
                self.drive_sender(peer, epoch, Heard::More(source));
            }
        }
    }

    /// A peer was let in: what waits for it is delivered now.
    pub(crate) fn deliver_to(&mut self, peer: NodeId) {
        self.schedule(Scheduled::Connected(peer));
    }

    /// Lets everything go on whose time has come.
    pub(crate) fn tend_outbox(&mut self) {
        let at = now();
        let due = |wake_at: Option<UnixMillis>| wake_at.is_some_and(|due| has_come(due, at, WAKE_MS_MAX));
        if has_come(self.outbox.rescan_at, at, TICK_MS) {
            self.rescan();
        }
        if due(self.outbox.wake_at) {
            self.outbox.wake_at = None;
            self.schedule(Scheduled::Wake);
        }
        let live = |(peer, sending): (&NodeId, &Sending)| match sending {
            Sending::Live(live) if due(live.wake_at) => Some((*peer, live.epoch)),
            _ => None,
        };
        for (peer, epoch) in self.outbox.sending.iter().filter_map(live).collect::<Vec<_>>() {
            self.drive_sender(peer, epoch, Heard::Wake);
        }
        self.wake_receivers(due);
    }

    fn can_deliver(&self, peer: &NodeId) -> bool {
        self.peers.get(peer).is_some_and(|entry| entry.connected) && self.peers.is_trusted(peer)
    }

    pub(super) fn schedule(&mut self, input: Scheduled) {
        let mut outputs = VecDeque::from(self.outbox.schedule.handle(input, now()));
        while let Some(output) = outputs.pop_front() {
            match output {
                Schedules::WakeAt(at) => self.outbox.wake_at = Some(at),
                Schedules::Rescan => self.rescan(),
                Schedules::Try(peer) => {
                    if let Some(end) = self.attempt(peer) {
                        outputs.extend(self.outbox.schedule.handle(Scheduled::Ended { peer, end }, now()));
                    }
                }
            }
        }
    }

    /// Begins an attempt at a peer; says how it ended if it could not even begin.
    fn attempt(&mut self, peer: NodeId) -> Option<End> {
        match self.team.check(&peer, now()) {
            Ok(_) => {}
            Err(NoEntry::Revoked) => {
                self.withhold(peer);
                return Some(End::Done);
            }
            Err(refusal) => return Some(self.in_vain(peer, crate::connect::reason_of(refusal))),
        }
        if !self.can_deliver(&peer) {
            let entry = self.peers.get(&peer);
            let last = entry.and_then(|entry| entry.reason.or(entry.last_error.as_ref().map(|error| error.reason)));
            return Some(self.in_vain(peer, last.unwrap_or(Reason::NetworkTimeout)));
        }
        self.outbox.sending.insert(peer, Sending::Opening);
        let (net, inputs) = (self.net.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let stream = net.open_stream(peer, StreamKind::Outbox).await.map_err(|error| {
                tracing::debug!(%peer, %error, "no stream to deliver over");
                reasons::of_net(&error)
            });
            let _ = inputs.send(Input::Outbox(News::Stream { peer, stream })).await;
        });
        None
    }

    /// An attempt failed before anything was delivered in it.
    fn in_vain(&mut self, peer: NodeId, reason: Reason) -> End {
        self.outbox.reasons.insert(peer, reason);
        let abandoned = self.outbox.moderate.failed(&peer, now());
        self.outbox.counts.abandoned += abandoned.len() as u64;
        for Remembered { place, protocol, tries, .. } in abandoned {
            tracing::warn!(%peer, %place, %protocol, tries, reason = reason.name(), "given up after as many tries as it is worth");
        }
        End::Failed { moved: false }
    }

    pub(super) fn on_stream_to(&mut self, peer: NodeId, stream: Result<MemberStream, Reason>) {
        if !matches!(self.outbox.sending.get(&peer), Some(Sending::Opening)) {
            return;
        }
        self.outbox.sending.remove(&peer);
        let stream = match stream {
            Ok(stream) => stream,
            Err(reason) => {
                let end = self.in_vain(peer, reason);
                return self.schedule(Scheduled::Ended { peer, end });
            }
        };
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        let kind = OutboxFrames { peer, epoch, ours: true };
        let frames = Frames::start(&mut self.tasks, self.inputs.clone(), stream, kind);
        let live = Live { epoch, machine: Delivery::new(), frames, wake_at: None, under_way: BTreeMap::new() };
        self.outbox.sending.insert(peer, Sending::Live(Box::new(live)));
        let (store, inputs, own) = (self.store.clone(), self.inputs.clone(), self.team.own.store);
        self.tasks.spawn(async move {
            let known = store.read(move |reader| reader.outbox_peer(&peer)).await;
            let input = match known {
                Ok(known) => Heard::Opened { store: own, delivered: known.delivered.map(|(place, _)| place) },
                Err(error) => {
                    tracing::error!(%peer, %error, "what waits could not be read");
                    Heard::Close
                }
            };
            let _ = inputs.send(Input::Outbox(News::Sender { peer, epoch, input })).await;
        });
    }

    fn live(&mut self, peer: &NodeId, epoch: Epoch) -> Option<&mut Live> {
        match self.outbox.sending.get_mut(peer) {
            Some(Sending::Live(live)) if live.epoch == epoch => Some(live),
            _ => None,
        }
    }

    pub(super) fn drive_sender(&mut self, peer: NodeId, epoch: Epoch, input: Heard) {
        let Some(live) = self.live(&peer, epoch) else { return };
        let mut outputs = VecDeque::from(live.machine.handle(input, now()));
        while let Some(output) = outputs.pop_front() {
            let Some(live) = self.live(&peer, epoch) else { return };
            let answer = match output {
                Output::Send(message) => {
                    if let Message::Items(items) = &message {
                        live.under_way.extend(items.items.iter().map(|item| (item.place, item.body.len() as u64)));
                    }
                    if live.frames.send(message).is_err() {
                        return self.sender_ended(peer, epoch, Some(Reason::NetworkTimeout));
                    }
                    None
                }
                Output::WakeAt(at) => {
                    live.wake_at = Some(at);
                    None
                }
                Output::Load { source: Source::Memory, after_n, max_items, max_bytes } => {
                    let page = self.outbox.moderate.page(&peer, after_n, max_items, max_bytes);
                    Some(Heard::Page(Source::Memory, page))
                }
                Output::Load { source: Source::Disk, after_n, max_items, max_bytes } => {
                    self.load_items(peer, epoch, after_n, (max_items, max_bytes));
                    None
                }
                Output::Settle(Source::Memory, outcomes) => {
                    self.outbox.moderate.settle(&peer, &outcomes, now());
                    self.settled(peer, &outcomes);
                    Some(Heard::Settled)
                }
                Output::Settle(Source::Disk, outcomes) => {
                    self.settle_items(peer, epoch, outcomes);
                    None
                }
                Output::PeerLost { delivered } => {
                    tracing::error!(%peer, %delivered, "the peer was restored from an older copy: what it took since is lost there");
                    self.restored(peer, Side::PeerTaken);
                    None
                }
                Output::CheckLast(place) => {
                    self.check_last(peer, place);
                    None
                }
                Output::Close(closed) => return self.delivery_closed(peer, epoch, closed),
            };
            if let (Some(answer), Some(live)) = (answer, self.live(&peer, epoch)) {
                outputs.extend(live.machine.handle(answer, now()));
            }
        }
    }

    fn load_items(&mut self, peer: NodeId, epoch: Epoch, after_n: u64, most: (usize, usize)) {
        let (store, inputs, sealer) = (self.store.clone(), self.inputs.clone(), self.outbox.pen.sealer());
        self.tasks.spawn(async move {
            let read = store
                .read(move |reader| reader.outbox_page(&peer, after_n, most.0, most.1, sealer.as_ref()))
                .await
                .map(|page| page_of(page, after_n));
            let input = match read {
                Ok((page, broken)) => {
                    set_aside(&store, &inputs, peer, broken).await;
                    Heard::Page(Source::Disk, page)
                }
                Err(error) => {
                    tracing::error!(%peer, %error, "what waits could not be read");
                    Heard::Close
                }
            };
            let _ = inputs.send(Input::Outbox(News::Sender { peer, epoch, input })).await;
        });
    }

    fn settle_items(&mut self, peer: NodeId, epoch: Epoch, outcomes: Vec<(Place, Outcome)>) {
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let said: Vec<(Place, Settled)> =
                outcomes.iter().filter_map(|(place, outcome)| said(*place, outcome)).collect();
            let input = match store.share(move |db| db.settle_outbox(&peer, &said, now())).await {
                Ok(_) => {
                    let _ = inputs.send(Input::Outbox(News::Settled { peer, outcomes })).await;
                    Heard::Settled
                }
                Err(error) => {
                    tracing::error!(%peer, %error, "what was delivered could not be noted, and is offered again");
                    Heard::Close
                }
            };
            let _ = inputs.send(Input::Outbox(News::Sender { peer, epoch, input })).await;
        });
    }

    /// What the peer took last must be something that this database sent.
    fn check_last(&mut self, peer: NodeId, place: Place) {
        if Source::of(place.era) == Source::Memory {
            return;
        }
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            match store.read(move |reader| reader.knows_place(&peer, place)).await {
                Ok(true) => {}
                Ok(false) => {
                    let _ = inputs.send(Input::Outbox(News::Restored { peer, side: Side::OwnSent })).await;
                }
                Err(error) => tracing::error!(%peer, %error, "what a peer took could not be looked up"),
            }
        });
    }

    /// Counts what became of items.
    pub(super) fn settled(&mut self, peer: NodeId, outcomes: &[(Place, Outcome)]) {
        for (place, outcome) in outcomes {
            let bytes = match self.outbox.sending.get_mut(&peer) {
                Some(Sending::Live(live)) => live.under_way.remove(place),
                _ => None,
            };
            match outcome {
                Outcome::Taken | Outcome::Had => {
                    self.outbox.counts.delivered += 1;
                    self.outbox.counts.delivered_bytes += bytes.unwrap_or_default();
                }
                Outcome::Busy => self.outbox.counts.busy += 1,
                Outcome::Refused(refusal) => {
                    self.outbox.counts.refused += 1;
                    tracing::warn!(%peer, %place, reason = refusal.name(), "a peer refuses an item");
                    self.note_outbox(peer, refusal.name(), "the peer does not take an item");
                }
            }
        }
    }

    fn delivery_closed(&mut self, peer: NodeId, epoch: Epoch, closed: Closed) {
        tracing::debug!(%peer, %closed, "a delivery ended");
        let reason = match closed {
            Closed::Done => None,
            Closed::Busy => {
                self.outbox.counts.busy += 1;
                Some(Reason::Quota)
            }
            Closed::Silent(_) => Some(Reason::NetworkTimeout),
            Closed::Bye => Some(Reason::NetworkEof),
            Closed::Asked | Closed::Violation(_) => Some(Reason::Other),
        };
        self.end_attempt(peer, epoch, reason);
    }

    /// The stream of a delivery ended under it.
    pub(super) fn sender_ended(&mut self, peer: NodeId, epoch: Epoch, reason: Option<Reason>) {
        self.end_attempt(peer, epoch, Some(reason.unwrap_or(Reason::NetworkEof)));
    }

    fn end_attempt(&mut self, peer: NodeId, epoch: Epoch, reason: Option<Reason>) {
        let Some(live) = self.live(&peer, epoch) else { return };
        let moved = live.machine.moved() > 0;
        self.outbox.sending.remove(&peer);
        let end = match reason {
            None => {
                self.outbox.reasons.remove(&peer);
                End::Done
            }
            Some(reason) => match self.in_vain(peer, reason) {
                End::Failed { .. } => End::Failed { moved },
                End::Done => End::Done,
            },
        };
        self.schedule(Scheduled::Ended { peer, end });
    }

    /// Nothing that waits for a removed member is sent to it; a person decides what becomes of it.
    pub(crate) fn withhold(&mut self, peer: NodeId) {
        let refusal = Refusal::from(Reason::Revoked);
        let gone = self.outbox.moderate.refuse_all(&peer, &refusal, now());
        self.outbox.counts.refused += gone.len() as u64;
        self.outbox.sending.remove(&peer);
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            match store.share(move |db| db.refuse_waiting(&peer, Reason::Revoked.name())).await {
                Ok(0) => {}
                Ok(items) => {
                    let _ = inputs.send(Input::Outbox(News::Withheld { peer, items })).await;
                }
                Err(error) => tracing::error!(%peer, %error, "what waits for a removed member could not be set aside"),
            }
        });
    }

    /// Looks for everything that waits, on disk and in memory. Whoever puts something down may be gone before it tells
    /// the loop, so this is done now and then.
    fn rescan(&mut self) {
        self.outbox.rescan_at = now().after(TICK_MS);
        let remembered: Vec<NodeId> = self.outbox.moderate.peers().collect();
        self.waits(remembered, Source::Memory);
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            match store.read(|reader| reader.outbox_peers()).await {
                Ok(peers) => {
                    let waiting = peers.into_iter().filter(|peer| peer.items > peer.stuck).map(|peer| peer.node);
                    let _ = inputs.send(Input::Outbox(News::Waits(waiting.collect()))).await;
                }
                Err(error) => tracing::error!(%error, "what waits could not be read"),
            }
        });
    }

    /// Puts down items that the loop itself sends; nobody waits for them.
    pub(crate) fn put_items(&mut self, items: Vec<Outgoing>) {
        if items.is_empty() {
            return;
        }
        let Sorted { critical, moderate, none } = self.outbox.pen.sort(items);
        for (level, items) in [(Level::Moderate, moderate), (Level::None, none)] {
            self.on_outbox(News::Keep { level, items });
        }
        if !critical.is_empty() {
            let (store, pen, inputs) = (self.store.clone(), self.outbox.pen.clone(), self.inputs.clone());
            self.tasks.spawn(async move { put(&store, &pen, &inputs, critical).await });
        }
    }

    /// Keeps items in memory.
    pub(super) fn keep(&mut self, level: Level, items: Vec<Outgoing>) -> Vec<Pushed> {
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            let (peer, bytes) = (item.peer, item.body.len() as u64);
            let pushed = self.outbox.moderate.push(item, level, now());
            let counts = &mut self.outbox.counts;
            match pushed {
                Pushed::Full { .. } => counts.full += 1,
                Pushed::Queued(place) | Pushed::Merged(place) => {
                    counts.enqueued += 1;
                    counts.enqueued_bytes += bytes;
                    counts.merged += u64::from(matches!(pushed, Pushed::Merged(_)));
                    self.outbox.number(peer, place);
                    self.waits(vec![peer], Source::Memory);
                }
            }
            kept.push(pushed);
        }
        kept
    }
}

/// Puts items into the outbox for which nobody waits.
pub(super) async fn put(store: &Store, pen: &Pen, inputs: &mpsc::Sender<Input>, items: Vec<Outgoing>) {
    let sorted = pen.sort(items);
    if !sorted.critical.is_empty() {
        let (pen, items) = (pen.clone(), sorted.critical);
        let peers = items.iter().map(|item| item.peer).collect();
        match store.share(move |db| pen.put(db, &items, now())).await {
            Ok(_) => {
                let _ = inputs.send(Input::Outbox(News::Waits(peers))).await;
            }
            Err(error) => tracing::error!(%error, "an answer could not be put into the outbox"),
        }
    }
    let memory = [(Level::Moderate, sorted.moderate), (Level::None, sorted.none)];
    for (level, items) in memory.into_iter().filter(|(_, items)| !items.is_empty()) {
        let _ = inputs.send(Input::Outbox(News::Keep { level, items })).await;
    }
}

/// A page as the machine reads it, and the rows that do not open.
fn page_of(page: OutboxPage, after_n: u64) -> (Page, Vec<(u64, &'static str)>) {
    let OutboxPage { floor, items, broken, more_after } = page;
    let last = items.last().map_or(after_n, |waiting| waiting.place.n);
    let items = items.into_iter().map(|waiting| Item {
        place: waiting.place,
        protocol: u64::from(waiting.item.protocol.number()),
        schema: waiting.item.schema,
        subject: waiting.item.subject,
        body: waiting.item.body,
    });
    (Page { floor, items: items.collect(), through: more_after.unwrap_or(last), more: more_after.is_some() }, broken)
}

/// Notes rows that do not open, so that the others go on.
async fn set_aside(store: &Store, inputs: &mpsc::Sender<Input>, peer: NodeId, rows: Vec<(u64, &'static str)>) {
    if rows.is_empty() {
        return;
    }
    let broken = rows.clone();
    match store.share(move |db| db.set_aside_outbox(&broken)).await {
        Ok(_) => {
            let _ = inputs.send(Input::Outbox(News::SetAside { peer, rows })).await;
        }
        Err(error) => tracing::error!(%peer, %error, "rows that do not open could not be set aside"),
    }
}

/// What the database keeps of an answer.
fn said(place: Place, outcome: &Outcome) -> Option<(Place, Settled)> {
    let settled = match outcome {
        Outcome::Taken => Settled::Taken,
        Outcome::Had => Settled::Had,
        Outcome::Refused(refusal) => Settled::Refused(refusal.name().to_owned()),
        Outcome::Busy => return None,
    };
    Some((place, settled))
}
