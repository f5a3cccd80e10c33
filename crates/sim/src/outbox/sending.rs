//! What waits is delivered: whom to try, and the sender's side of a delivery.

use std::collections::{BTreeSet, VecDeque};

use antiphon_core::charter::Refusal as NoEntry;
use antiphon_core::outbox::{Level, Place};
use antiphon_core::time::UnixMillis;
use antiphon_core::trust::Trust;
use antiphon_protocol::outbox::delivery::{Input, Output};
use antiphon_protocol::outbox::schedule::{self, End};
use antiphon_protocol::outbox::{Closed, Delivery, FRAMES_UNANSWERED_MAX, Message, Refusal, Source};
use antiphon_protocol::reason::Reason;

use super::ledger::Side;
use super::{Happening, Inside, Work};
use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::greet::REQUEST_TIMEOUT_MS;
use crate::network::{Body, Packet};
use crate::options::Sabotage;
use crate::world::World;

/// An attempt at a peer.
#[derive(Debug)]
pub(super) enum Sending {
    /// The stream is being opened.
    Opening { stream: u64 },
    /// Items are delivered.
    Live(Box<Live>),
}

/// A conversation in which a node delivers.
#[derive(Debug)]
pub(super) struct Live {
    epoch: u64,
    stream: u64,
    machine: Delivery,
    wake_at: Option<UnixMillis>,
    /// Frames without an answer.
    unanswered: usize,
    /// What was sent and not settled yet.
    under_way: BTreeSet<Place>,
}

impl Sending {
    pub(super) fn epoch(&self) -> Option<u64> {
        match self {
            Self::Opening { .. } => None,
            Self::Live(live) => Some(live.epoch),
        }
    }

    pub(super) fn due(&self, peer: usize, due: impl Fn(Option<UnixMillis>) -> bool) -> Option<(usize, u64)> {
        match self {
            Self::Live(live) if due(live.wake_at) => Some((peer, live.epoch)),
            _ => None,
        }
    }

    /// Whether something was sent and not settled yet.
    pub(super) fn delivers(&self) -> bool {
        matches!(self, Self::Live(live) if !live.under_way.is_empty())
    }

    fn stream(&self) -> u64 {
        match self {
            Self::Opening { stream } => *stream,
            Self::Live(live) => live.stream,
        }
    }
}

impl World {
    /// A peer was let in: what waits for it is delivered now.
    pub(crate) fn deliver_to(&mut self, node: usize, peer: usize) -> Step {
        self.plan_delivery(node, schedule::Input::Connected(self.nodes[peer].id))
    }

    pub(super) fn can_deliver(&self, node: usize, peer: usize) -> bool {
        let id = self.nodes[peer].id;
        let known = self.nodes[node].up.as_ref().and_then(|up| up.peers.get(&id));
        known.is_some_and(|known| known.gate && known.trust == Trust::Verified)
    }

    /// Gives the schedule what happened, and carries out what it decides.
    pub(super) fn plan_delivery(&mut self, node: usize, input: schedule::Input) -> Step {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.nodes[node].clock(self.at);
            let Some(outbox) = self.outbox_of(node) else { return Ok(()) };
            for output in outbox.schedule.handle(input, now) {
                match output {
                    schedule::Output::WakeAt(at) => {
                        if let Some(outbox) = self.outbox_of(node) {
                            outbox.wake_at = Some(at);
                        }
                    }
                    schedule::Output::Rescan => self.rescan(node)?,
                    schedule::Output::Try(id) => {
                        let Some(peer) = self.number_of(&id) else { continue };
                        let end = self.attempt_delivery(node, peer)?;
                        inputs.extend(end.map(|end| schedule::Input::Ended { peer: id, end }));
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks for everything that waits, on disk and in memory.
    pub(super) fn rescan(&mut self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let waiting = up.db.reader().outbox_peers()?.into_iter().filter(|peer| peer.waiting() > 0);
        let on_disk: Vec<usize> = waiting.filter_map(|peer| self.number_of(&peer.node)).collect();
        let in_memory = up.outbox.iter().flat_map(|outbox| outbox.moderate.peers());
        let in_memory: Vec<usize> = in_memory.filter_map(|id| self.number_of(&id)).collect();
        self.waits(node, &in_memory, Source::Memory)?;
        self.waits(node, &on_disk, Source::Disk)
    }

    /// Begins an attempt at a peer; says how it ended if it could not even begin.
    fn attempt_delivery(&mut self, node: usize, peer: usize) -> Step<Option<End>> {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let serves = self.is_sabotaged(Sabotage::ServeRemoved);
        let refusal = self.in_acme(node).map(|team| team.membership.check(&id, now).err());
        match refusal {
            Some(Some(NoEntry::Revoked)) if !serves => {
                self.withhold(node, peer)?;
                return Ok(Some(End::Done));
            }
            Some(None) if self.can_deliver(node, peer) => {}
            Some(_) if serves => {}
            _ => return self.in_vain(node, peer).map(Some),
        }
        let stream = self.outbox.lanes.open(node, peer);
        let Some(outbox) = self.outbox_of(node) else { return Ok(None) };
        outbox.sending.insert(peer, Sending::Opening { stream });
        let sent = self.outbox.lanes.send(self.at, Packet { from: node, to: peer, body: Body::Open { stream } });
        self.deliver_items(sent);
        let (life, what) = (self.nodes[node].life, Inside::OpenTimeout { peer, stream });
        let timeout = Happening::Inside { node, life, what };
        self.agenda.put(self.at + REQUEST_TIMEOUT_MS, Event::Outbox(timeout));
        Ok(None)
    }

    /// An attempt failed.
    fn in_vain(&mut self, node: usize, peer: usize) -> Step<End> {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let goes_on = self.is_sabotaged(Sabotage::NeverGiveUp);
        let Some(outbox) = self.outbox_of(node) else { return Ok(End::Done) };
        let abandoned = if goes_on { Vec::new() } else { outbox.moderate.failed(&id, now) };
        let abandoned: Vec<Place> = abandoned.into_iter().map(|item| item.place).collect();
        self.exercise(Class::ItemAbandoned, abandoned.len() as u64);
        self.note_item(node, "in vain", &[], || format!("n{peer}, abandons {abandoned:?}"));
        self.outbox.ledger.failed(node, peer, &abandoned)?;
        Ok(End::Failed { moved: false })
    }

    /// The stream that was asked for stands.
    pub(super) fn lane_accepted(&mut self, node: usize, from: usize, stream: u64) -> Step {
        let Some(outbox) = self.outbox_of(node) else { return Ok(()) };
        if !matches!(outbox.sending.get(&from), Some(Sending::Opening { stream: asked }) if *asked == stream) {
            return Ok(());
        }
        outbox.epochs += 1;
        let (epoch, machine, under_way) = (outbox.epochs, Delivery::new(), BTreeSet::new());
        let live = Live { epoch, stream, machine, wake_at: None, unanswered: 0, under_way };
        outbox.sending.insert(from, Sending::Live(Box::new(live)));
        self.give_work(node, Work::Known { peer: from, epoch });
        Ok(())
    }

    /// A stream was refused, or nobody answered.
    pub(super) fn lane_not_opened(&mut self, node: usize, peer: usize, stream: u64) -> Step {
        let sending = self.outbox_of(node).and_then(|outbox| outbox.sending.get(&peer));
        if !matches!(sending, Some(Sending::Opening { stream: asked }) if *asked == stream) {
            return Ok(());
        }
        self.end_sending(node, peer);
        let end = self.in_vain(node, peer)?;
        self.plan_delivery(node, schedule::Input::Ended { peer: self.nodes[peer].id, end })
    }

    fn sending(&mut self, node: usize, peer: usize, epoch: u64) -> Option<&mut Live> {
        match self.outbox_of(node)?.sending.get_mut(&peer) {
            Some(Sending::Live(live)) if live.epoch == epoch => Some(live),
            _ => None,
        }
    }

    /// A message came over a lane that this node may have opened.
    pub(super) fn heard_by_sender(&mut self, node: usize, from: usize, stream: u64, message: &Message) -> Step {
        let sending = self.outbox_of(node).and_then(|outbox| outbox.sending.get_mut(&from));
        let Some(Sending::Live(live)) = sending.filter(|sending| sending.stream() == stream) else { return Ok(()) };
        if matches!(message, Message::Taken { .. }) {
            live.unanswered = live.unanswered.saturating_sub(1);
        }
        let epoch = live.epoch;
        self.drive_sender(node, from, epoch, Input::Message(message.clone()))
    }

    pub(super) fn drive_sender(&mut self, node: usize, peer: usize, epoch: u64, input: Input) -> Step {
        let (mut inputs, id) = (VecDeque::from([input]), self.nodes[peer].id);
        while let Some(input) = inputs.pop_front() {
            let now = self.nodes[node].clock(self.at);
            let Some(live) = self.sending(node, peer, epoch) else { return Ok(()) };
            for output in live.machine.handle(input, now) {
                let Some(live) = self.sending(node, peer, epoch) else { return Ok(()) };
                match output {
                    Output::Send(message) => self.send_items(node, peer, epoch, &message)?,
                    Output::WakeAt(at) => live.wake_at = Some(at),
                    Output::Load { source: Source::Memory, after_n, max_items, max_bytes } => {
                        let outbox = self.outbox_of(node);
                        let page = outbox.map(|outbox| outbox.moderate.page(&id, after_n, max_items, max_bytes));
                        inputs.extend(page.map(|page| Input::Page(Source::Memory, page)));
                    }
                    Output::Load { source: Source::Disk, after_n, max_items, max_bytes } => {
                        let most = (max_items, max_bytes);
                        self.give_work(node, Work::Load { peer, epoch, after_n, most });
                    }
                    Output::Settle(source, outcomes) => {
                        live.under_way.retain(|place| outcomes.iter().all(|(settled, _)| settled != place));
                        if source == Source::Disk {
                            self.give_work(node, Work::Settle { peer, epoch, outcomes });
                        } else {
                            self.settle_in_memory(node, peer, &outcomes)?;
                            inputs.push_back(Input::Settled);
                        }
                    }
                    Output::PeerLost { .. } => {
                        self.exercise(Class::ItemRestored, 1);
                        self.outbox.ledger.reported(node, peer, Side::PeerTaken)?;
                    }
                    Output::CheckLast(place) if Source::of(place.era) == Source::Disk => {
                        self.give_work(node, Work::CheckLast { peer, place });
                    }
                    Output::CheckLast(_) => {}
                    Output::Close(closed) => {
                        self.note_item(node, "delivered", &[], || format!("to n{peer}: {closed}"));
                        return self.end_attempt(node, peer, epoch, closed == Closed::Done);
                    }
                }
            }
        }
        Ok(())
    }

    fn settle_in_memory(
        &mut self,
        node: usize,
        peer: usize,
        outcomes: &[(Place, antiphon_protocol::outbox::Outcome)],
    ) -> Step {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let Some(outbox) = self.outbox_of(node) else { return Ok(()) };
        outbox.moderate.settle(&id, outcomes, now);
        for (place, outcome) in outcomes {
            let refused = matches!(outcome, antiphon_protocol::outbox::Outcome::Refused(_));
            self.outbox.ledger.settled((node, peer, *place), refused)?;
        }
        Ok(())
    }

    /// Sends a message of a delivery, if it is one that may be sent.
    fn send_items(&mut self, node: usize, peer: usize, epoch: u64, message: &Message) -> Step {
        let removed = self.is_removed(node, peer);
        let Some(live) = self.sending(node, peer, epoch) else { return Ok(()) };
        let (stream, bytes) = (live.stream, message.to_frame());
        if let Message::Items(items) = message {
            live.unanswered += 1;
            live.under_way.extend(items.items.iter().map(|item| item.place));
            let unanswered = live.unanswered;
            need(unanswered <= FRAMES_UNANSWERED_MAX, Law::BoundsHold, || {
                format!("n{node} has {unanswered} frames for n{peer} under way")
            })?;
            need(!removed, Law::NothingForRemoved, || format!("n{node} sends items to n{peer}, which was removed"))?;
        }
        self.check_item_frame(node, peer, message, bytes.len())?;
        self.send_in_lane(stream, Packet { from: node, to: peer, body: Body::Frame { stream, bytes } });
        Ok(())
    }

    fn end_sending(&mut self, node: usize, peer: usize) {
        if let Some(sending) = self.outbox_of(node).and_then(|outbox| outbox.sending.remove(&peer)) {
            let stream = sending.stream();
            self.send_in_lane(stream, Packet { from: node, to: peer, body: Body::End { stream } });
        }
    }

    fn end_attempt(&mut self, node: usize, peer: usize, epoch: u64, done: bool) -> Step {
        let Some(moved) = self.sending(node, peer, epoch).map(|live| live.machine.moved() > 0) else { return Ok(()) };
        self.end_sending(node, peer);
        let end = if done {
            End::Done
        } else {
            self.in_vain(node, peer)?;
            End::Failed { moved }
        };
        self.plan_delivery(node, schedule::Input::Ended { peer: self.nodes[peer].id, end })
    }

    /// The other end of a lane is closed.
    pub(super) fn lane_ended(&mut self, node: usize, from: usize, stream: u64) -> Step {
        let Some(outbox) = self.outbox_of(node) else { return Ok(()) };
        if outbox.receiving.get(&from).is_some_and(|live| live.stream == stream) {
            outbox.receiving.remove(&from);
        }
        let sending = outbox.sending.get(&from).filter(|sending| sending.stream() == stream);
        match sending.map(Sending::epoch) {
            Some(Some(epoch)) => self.end_attempt(node, from, epoch, false),
            Some(None) => self.lane_not_opened(node, from, stream),
            None => Ok(()),
        }
    }

    /// Nothing that waits for a removed member is sent to it; a person decides what becomes of it.
    fn withhold(&mut self, node: usize, peer: usize) -> Step {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let Some(outbox) = self.outbox_of(node) else { return Ok(()) };
        let gone = outbox.moderate.refuse_all(&id, &Refusal::from(Reason::Revoked), now).len();
        self.exercise(Class::ItemWithheld, gone as u64);
        self.outbox.ledger.withheld(node, peer, Level::Moderate);
        self.end_sending(node, peer);
        self.give_work(node, Work::Withhold { peer });
        Ok(())
    }
}
