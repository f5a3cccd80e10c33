//! Items of others come in.
//!
//! A frame of items is read, checked and opened beside the loop, and taken in one transaction that also notes their
//! places. Only what that transaction said is answered.

use std::sync::Arc;

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::outbox::Place;
use antiphon_core::time::UnixMillis;
use antiphon_net::MemberStream;
use antiphon_protocol::outbox::message::Items;
use antiphon_protocol::outbox::reception::{Input as Heard, Output};
use antiphon_protocol::outbox::{Closed, Message, Outcome, Reception, Refusal, Source};
use antiphon_store::{TakeFrom, Taking, Took};

use super::effects::{self, After, Context, Meaning, Then};
use super::{News, OutboxFrames, Side};
use crate::audit;
use crate::clock::now;
use crate::event_loop::Engine;
use crate::framed::Frames;
use crate::inputs::Input;
use crate::session::Epoch;
use crate::tasks::Tasks;

/// Frames of one peer that may be in work when it opens another stream. A line that breaks leaves one behind.
const TAKEN_AT_ONCE_MAX: usize = 2;

/// A conversation in which a peer delivers.
#[derive(Debug)]
pub(super) struct Receiving {
    epoch: Epoch,
    machine: Reception,
    frames: Frames<Message>,
    wake_at: Option<UnixMillis>,
}

impl Engine {
    /// A peer opened a stream to deliver what waited for this node. A newer one replaces the one before it.
    pub(crate) fn on_offer(&mut self, peer: NodeId, stream: MemberStream) {
        if self.team.check(&peer, now()).is_err() {
            return tracing::debug!(%peer, "a delivery of somebody who is no member");
        }
        if self.is_too_often(audit::OUTBOX, peer) {
            return;
        }
        // What a stream handed over is still being taken when it is gone, and counts until then.
        let taking = self.outbox.turns.get(&peer).map_or(0, |turn| Arc::strong_count(turn).saturating_sub(1));
        if taking > TAKEN_AT_ONCE_MAX {
            return tracing::debug!(%peer, taking, "a delivery of somebody whose earlier ones are still being taken");
        }
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        let kind = OutboxFrames { peer, epoch, ours: false };
        let frames = Frames::start(&mut self.tasks, self.inputs.clone(), stream, kind);
        let receiving = Receiving { epoch, machine: Reception::new(), frames, wake_at: None };
        self.outbox.receiving.insert(peer, receiving);
        self.drive_receiver(peer, epoch, Heard::Opened);
    }

    pub(super) fn drive_receiver(&mut self, peer: NodeId, epoch: Epoch, input: Heard) {
        let Some(live) = self.outbox.receiving.get_mut(&peer).filter(|live| live.epoch == epoch) else { return };
        for output in live.machine.handle(input, now()) {
            let Some(live) = self.outbox.receiving.get_mut(&peer).filter(|live| live.epoch == epoch) else { return };
            match output {
                Output::Send(message) => {
                    if live.frames.send(message).is_err() {
                        self.outbox.receiving.remove(&peer);
                    }
                }
                Output::WakeAt(at) => live.wake_at = Some(at),
                Output::Look { store, delivered } => self.look(peer, epoch, store, delivered),
                Output::Take { store, items } => self.take_items(peer, epoch, store, items),
                Output::Close(closed) => {
                    tracing::debug!(%peer, %closed, "a delivery of a peer ended");
                    if let Closed::Violation(rule) = closed {
                        self.refused(audit::broke_a_rule(audit::OUTBOX, peer, rule));
                    }
                    self.outbox.receiving.remove(&peer);
                }
            }
        }
    }

    /// Wakes the conversations whose time has come.
    pub(super) fn wake_receivers(&mut self, due: impl Fn(Option<UnixMillis>) -> bool) {
        let live = self.outbox.receiving.iter().filter(|(_, live)| due(live.wake_at));
        for (peer, epoch) in live.map(|(peer, live)| (*peer, live.epoch)).collect::<Vec<_>>() {
            self.drive_receiver(peer, epoch, Heard::Wake);
        }
    }

    /// The stream of a peer's delivery ended.
    pub(super) fn receiver_ended(&mut self, peer: NodeId, epoch: Epoch) {
        if self.outbox.receiving.get(&peer).is_some_and(|live| live.epoch == epoch) {
            self.outbox.receiving.remove(&peer);
        }
    }

    /// Looks up what was taken from a peer's database.
    fn look(&mut self, peer: NodeId, epoch: Epoch, theirs: StoreId, delivered: Option<Place>) {
        let proven = self.peers.get(&peer).and_then(|entry| entry.store) == Some(theirs);
        if !proven && !self.greeting.contains(&peer) {
            // It may have opened a new store while they were connected; the handshake proves it.
            self.greet(peer, Vec::new(), None);
        }
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let looked = store.read(move |reader| {
                let last = reader.taken_last_of(&peer, &theirs, |era| Source::of(era) == Source::Disk)?;
                let known = delivered.map(|place| reader.has_taken(&peer, place)).transpose()?;
                Ok((last, known == Some(false)))
            });
            let input = match looked.await {
                Ok((last, lost)) if proven => {
                    if lost {
                        let _ = inputs.send(Input::Outbox(News::Restored { peer, side: Side::OwnTaken })).await;
                    }
                    Heard::Looked { last, lost }
                }
                Ok(_) => Heard::Close,
                Err(error) => {
                    tracing::error!(%peer, %error, "what was taken of a peer could not be read");
                    Heard::Close
                }
            };
            let _ = inputs.send(Input::Outbox(News::Receiver { peer, epoch, input })).await;
        });
    }

    fn take_items(&mut self, peer: NodeId, epoch: Epoch, theirs: StoreId, items: Items) {
        let context = Context { team: self.team.clone(), key: self.key.clone(), store: self.store.clone(), at: now() };
        let (inputs, pen) = (self.inputs.clone(), self.outbox.pen.clone());
        let from = TakeFrom { node: peer, store: theirs, floor: items.floor };
        let turn = self.outbox.turns.entry(peer).or_default().clone();
        self.tasks.spawn(async move {
            // A new stream may come while items of the one before are still being taken, and those are older.
            let _turn = turn.lock().await;
            let (outcomes, done) = take(&context, from, items).await;
            // The answer first: what else is to be done can wait.
            let _ = inputs.send(Input::Outbox(News::Receiver { peer, epoch, input: Heard::Took(outcomes) })).await;
            let After { answers, receipt, letters, announced } = effects::after(&context, peer, done).await;
            if letters > 0 {
                let _ = inputs.send(Input::Outbox(News::LettersCame(letters))).await;
            }
            for announcement in announced {
                let _ = inputs.send(Input::Outbox(News::Announced { peer, announcement })).await;
            }
            if receipt {
                let _ = inputs.send(Input::Outbox(News::ReceiptWanted { peer })).await;
            }
            if !answers.is_empty() {
                super::sending::put(&context.store, &pen, &inputs, answers).await;
            }
        });
    }
}

/// Takes items; says what became of each, and what is to be done now. What the database did not answer for is not
/// there, and the sender is told to try again.
async fn take(context: &Context, from: TakeFrom, items: Items) -> (Vec<Outcome>, Vec<Then>) {
    let (reading, node) = (context.clone(), from.node);
    let read = move || -> Vec<(Place, Result<Meaning, Refusal>)> {
        let meaning = |item| effects::meaning(&reading, &node, &item);
        items.items.into_iter().map(|item| (item.place, meaning(item))).collect()
    };
    let meanings = match Tasks::compute(read).await {
        Ok(meanings) => meanings,
        Err(error) => {
            tracing::error!(peer = %from.node, %error, "items could not be read");
            return (Vec::new(), Vec::new());
        }
    };
    let (mut outcomes, mut taking, mut thens) = (Vec::with_capacity(meanings.len()), Vec::new(), Vec::new());
    let mut refused = Vec::new();
    for (place, meaning) in meanings {
        match meaning {
            Ok(Meaning { effect, then }) => {
                taking.push(Taking { place, effect });
                thens.push(then);
                outcomes.push(None);
            }
            Err(refusal) => {
                tracing::warn!(peer = %from.node, %place, reason = refusal.name(), "an item is refused");
                refused.push(place);
                outcomes.push(Some(refusal));
            }
        }
    }
    let at = context.at;
    let done = context.store.share(move |db| {
        // What was taken while it still was welcome, and offered again since the answer was lost, is not refused now.
        let had: Result<Vec<bool>, _> = refused.iter().map(|place| db.reader().has_taken(&from.node, *place)).collect();
        Ok((had?, db.take(&from, taking, at)?))
    });
    let (had, took) = match done.await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(peer = %from.node, %error, "items could not be taken");
            return (Vec::new(), Vec::new());
        }
    };
    let fresh = took.iter().zip(thens).filter(|(took, _)| **took == Took::Taken).filter_map(|(_, then)| then).collect();
    let (mut had, mut took) = (had.into_iter(), took.into_iter().map(outcome));
    let outcomes = outcomes.into_iter().map(|refused| match refused {
        Some(_) if had.next() == Some(true) => Outcome::Had,
        Some(refusal) => Outcome::Refused(refusal),
        None => took.next().unwrap_or(Outcome::Busy),
    });
    (outcomes.collect(), fresh)
}

fn outcome(took: Took) -> Outcome {
    match took {
        Took::Taken => Outcome::Taken,
        Took::Had => Outcome::Had,
        Took::Refused(reason) => Outcome::Refused(Refusal::named(reason)),
        Took::Busy => Outcome::Busy,
    }
}
