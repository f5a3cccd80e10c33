//! Items of others come in: the receiver's side of a delivery.

use antiphon_core::ids::StoreId;
use antiphon_core::outbox::Place;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::message::Items;
use antiphon_protocol::outbox::reception::{Input, Output};
use antiphon_protocol::outbox::{Message, Outcome, Reception, Refusal};
use antiphon_store::{Effect, TakeFrom, Taking, Took};

use super::Work;
use super::ledger::Side;
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::network::{Body, Packet};
use crate::options::Sabotage;
use crate::world::World;

/// Why a receiver does not take some items.
const UNWANTED: &str = "not_understood";

/// A conversation in which a peer delivers.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) epoch: u64,
    pub(super) stream: u64,
    /// In which of its lives the peer opened the stream.
    peer_life: u64,
    machine: Reception,
    pub(super) wake_at: Option<UnixMillis>,
    /// Whether the peer was told that what it was told is not known any more.
    told_lost: bool,
    /// What the peer was told to be taken last.
    last: Option<Place>,
    /// Whether items are being taken.
    pub(super) taking: bool,
}

impl World {
    /// Somebody wants to deliver: only who is verified may.
    pub(super) fn lane_asked_for(&mut self, node: usize, from: usize, stream: u64) -> Step {
        let (peer, now) = (self.nodes[from].id, self.nodes[node].clock(self.at));
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let member = self.in_acme(node).is_some_and(|team| team.membership.check(&peer, now).is_ok());
        if !member || !up.peers.get(&peer).is_some_and(|known| known.gate) {
            let refusal = Packet { from: node, to: from, body: Body::Refuse { stream } };
            let sent = self.outbox.lanes.send(self.at, refusal);
            self.deliver_items(sent);
            return Ok(());
        }
        self.send_in_lane(stream, Packet { from: node, to: from, body: Body::Accept { stream } });
        let peer_life = self.nodes[from].life;
        let Some(outbox) = self.outbox_of(node) else { return Ok(()) };
        outbox.epochs += 1;
        let (epoch, machine) = (outbox.epochs, Reception::new());
        let (wake_at, told_lost, last, taking) = (None, false, None, false);
        outbox
            .receiving
            .insert(from, Receiving { epoch, stream, peer_life, machine, wake_at, told_lost, last, taking });
        self.drive_receiver(node, from, epoch, Input::Opened)
    }

    fn receiving(&mut self, node: usize, peer: usize, epoch: u64) -> Option<&mut Receiving> {
        self.outbox_of(node)?.receiving.get_mut(&peer).filter(|live| live.epoch == epoch)
    }

    pub(super) fn heard_by_receiver(&mut self, node: usize, from: usize, stream: u64, message: Message) -> Step {
        let live = self.outbox_of(node).and_then(|outbox| outbox.receiving.get(&from));
        match live.filter(|live| live.stream == stream).map(|live| live.epoch) {
            Some(epoch) => self.drive_receiver(node, from, epoch, Input::Message(message)),
            None => Ok(()),
        }
    }

    pub(super) fn drive_receiver(&mut self, node: usize, peer: usize, epoch: u64, input: Input) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(live) = self.receiving(node, peer, epoch) else { return Ok(()) };
        if matches!(input, Input::Took(_)) {
            live.taking = false;
        }
        for output in live.machine.handle(input, now) {
            let Some(live) = self.receiving(node, peer, epoch) else { return Ok(()) };
            match output {
                Output::Send(message) => {
                    let (stream, bytes) = (live.stream, message.to_frame());
                    self.check_item_frame(node, peer, &message, bytes.len())?;
                    self.send_in_lane(stream, Packet { from: node, to: peer, body: Body::Frame { stream, bytes } });
                }
                Output::WakeAt(at) => live.wake_at = Some(at),
                Output::Look { store, delivered } => self.give_work(node, Work::Look { peer, epoch, store, delivered }),
                Output::Take { store, items } => {
                    let twice = std::mem::replace(&mut live.taking, true);
                    need(!twice, Law::BoundsHold, || format!("n{node} takes two frames of n{peer} at once"))?;
                    let (told_lost, last, life) = (live.told_lost, live.last, live.peer_life);
                    // What somebody sent who has died since says nothing of who is there now.
                    if self.nodes[peer].life == life {
                        self.check_told(node, peer, told_lost, last)?;
                    }
                    self.give_work(node, Work::Take { peer, epoch, store, items });
                }
                Output::Close(closed) => {
                    self.note_item(node, "took all", &[], || format!("of n{peer}: {closed}"));
                    self.end_receiving(node, peer);
                }
            }
        }
        Ok(())
    }

    pub(super) fn end_receiving(&mut self, node: usize, peer: usize) {
        let live = self.outbox_of(node).and_then(|outbox| outbox.receiving.remove(&peer));
        if let Some(Receiving { stream, .. }) = live {
            self.send_in_lane(stream, Packet { from: node, to: peer, body: Body::End { stream } });
        }
    }

    /// A delivery came so far that whoever delivers has read the greeting: it knows of an older copy by now.
    fn check_told(&mut self, node: usize, peer: usize, told_lost: bool, last: Option<Place>) -> Step {
        let ledger = &mut self.outbox.ledger;
        let known = !told_lost || ledger.is_reported(peer, node, Side::PeerTaken);
        need(known, Law::RestoreShows, || format!("n{peer} does not say that n{node} is older"))?;
        if last.is_some_and(|last| ledger.is_stray(&(peer, node, last))) {
            // It looks that up meanwhile.
            ledger.owed.insert((peer, node, Side::OwnSent));
        }
        Ok(())
    }

    /// Looks up what was taken from a peer's database.
    pub(super) fn look(
        &mut self,
        node: usize,
        peer: usize,
        epoch: u64,
        store: StoreId,
        delivered: Option<Place>,
    ) -> Step {
        let id = self.nodes[peer].id;
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        if up.peers.get(&id).and_then(|known| known.store) != Some(store) {
            self.tell_receiver(node, peer, epoch, Input::Close);
            // It may have opened a new store while they were connected; the handshake proves it.
            let greeting = self.nodes[node].up.as_ref().is_some_and(|up| up.greeting.contains(&id));
            return if greeting { Ok(()) } else { self.greet(node, id) };
        }
        let reader = up.db.reader();
        let last = reader.taken_last(&id, &store)?;
        let unknown = delivered.map(|place| reader.has_taken(&id, place)).transpose()? == Some(false);
        let lost = unknown && !self.is_sabotaged(Sabotage::HideRestore);
        let expected = delivered.is_some_and(|place| !self.outbox.ledger.is_taken(&(peer, node, place)));
        need(lost || !expected, Law::RestoreShows, || {
            format!("n{node} forgot what n{peer} was told, {delivered:?}, and does not say so")
        })?;
        if lost {
            self.note_item(node, "is older", &[], || format!("n{peer} was told of {delivered:?}"));
            self.exercise(Class::ItemRestored, 1);
            self.outbox.ledger.reported(node, peer, Side::OwnTaken)?;
        }
        if let Some(live) = self.receiving(node, peer, epoch) {
            (live.told_lost, live.last) = (lost, last);
        }
        self.tell_receiver(node, peer, epoch, Input::Looked { last, lost });
        Ok(())
    }

    /// Takes items, and says what became of each. What is not answered for is not there.
    pub(super) fn take_items(&mut self, node: usize, peer: usize, store: StoreId, items: Items) -> Step<Vec<Outcome>> {
        if self.is_sabotaged(Sabotage::AnswerEarly) && self.outbox.random.chance(200) {
            return Ok(vec![Outcome::Taken; items.items.len()]);
        }
        let (outcomes, places) = self.run_take(node, peer, store, items)?;
        self.exercise(Class::ItemTaken, places.len() as u64);
        self.exercise(Class::ItemHad, outcomes.iter().filter(|outcome| **outcome == Outcome::Had).count() as u64);
        self.note_item(node, "took", &[], || format!("of n{peer}: {places:?}, {outcomes:?}"));
        places.into_iter().try_for_each(|place| self.outbox.ledger.took(peer, node, place))?;
        Ok(outcomes)
    }

    /// Takes items. Returns what became of each, and the places that were taken, in their order.
    pub(super) fn run_take(
        &mut self,
        node: usize,
        peer: usize,
        store: StoreId,
        items: Items,
    ) -> Step<(Vec<Outcome>, Vec<Place>)> {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let (twice, backwards) = (self.is_sabotaged(Sabotage::TakeTwice), self.is_sabotaged(Sabotage::TakeBackwards));
        let (mut wanted, mut refused) = (Vec::new(), Vec::new());
        for item in &items.items {
            let known = self.outbox.ledger.sent(peer, node, item)?;
            refused.push(known.unwanted.then(|| Outcome::Refused(Refusal::named(UNWANTED))));
            if !known.unwanted {
                wanted.push(item.place);
            }
        }
        if backwards {
            wanted.reverse();
        }
        let era = if twice { self.outbox.random.next() } else { 0 };
        let noted = |place: &Place| Place { era: place.era ^ era, ..*place };
        let taking = wanted.iter().map(|place| Taking { place: noted(place), effect: Effect::Nothing }).collect();
        let from = TakeFrom { node: id, store, floor: items.floor };
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok((Vec::new(), Vec::new())) };
        let mut took = match up.db.take(&from, taking, now) {
            Ok(took) => took,
            Err(error) if error.is_full() => {
                self.exercise(Class::ItemDiskFull, 1);
                return Ok((Vec::new(), Vec::new()));
            }
            Err(error) => return Err(error.into()),
        };
        let taken =
            wanted.iter().zip(&took).filter(|(_, took)| **took == Took::Taken).map(|(place, _)| *place).collect();
        if backwards {
            took.reverse();
        }
        let mut took = took.into_iter().map(outcome);
        let all = refused.into_iter().map(|refused| refused.or_else(|| took.next()).unwrap_or(Outcome::Busy));
        Ok((all.collect(), taken))
    }
}

fn outcome(took: Took) -> Outcome {
    match took {
        Took::Taken => Outcome::Taken,
        Took::Had => Outcome::Had,
        Took::Refused(reason) => Outcome::Refused(Refusal::named(reason)),
        Took::Busy => Outcome::Busy,
    }
}
