//! The sender's side of one outbox stream.
//!
//! It says hello, and when it is greeted it reads what waits, page by page, cuts it into frames and keeps a few of
//! them under way. Answers come in the order of the frames; what they settle is handed out in that order, one batch
//! at a time, while the next pages are read already. Nothing here decides that an item is delivered but the
//! receiver's word for it.

use std::collections::VecDeque;

use antiphon_core::ids::StoreId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Place};
use antiphon_core::time::UnixMillis;

use super::message::{ITEMS_BYTES_BESIDE, Items, Message, Outcome};
use super::timer::Timer;
use super::{
    Closed, FRAMES_UNANSWERED_MAX, FRAMES_UNSETTLED_MAX, ITEMS_PER_FRAME_MAX, Item, LINGER_MS, MESSAGE_BYTES_MAX, Page,
    SILENT_MS, Source, UNKNOWN_MAX, is_place,
};
use crate::reason::Reason;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The stream to the receiver stands. Always the first input.
    Opened {
        /// This node's database.
        store: StoreId,
        /// The last item on disk that this receiver took, as far as is known.
        delivered: Option<Place>,
    },
    /// A message came; [`Message::from_frame`] made it.
    Message(Message),
    /// Answers [`Output::Load`].
    Page(Source, Page),
    /// Answers [`Output::Settle`]: it is durable.
    Settled,
    /// An item was put into this source since it was last read.
    More(Source),
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
    /// End it: the receiver was removed, the store failed, the node stops.
    Close,
}

/// What must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to the receiver.
    Send(Message),
    /// Read items that wait and hand them in as [`Input::Page`]. One is asked for at a time.
    Load {
        /// From where.
        source: Source,
        /// Those after this number.
        after_n: u64,
        /// At most so many.
        max_items: usize,
        /// Stop before the bodies exceed so many bytes, but read at least one.
        max_bytes: usize,
    },
    /// This became of items: make it durable, and answer with [`Input::Settled`]. One is asked for at a time, but for
    /// what is left when the stream is closed, which needs no answer. No outcome is [`Outcome::Busy`].
    Settle(Source, Vec<(Place, Outcome)>),
    /// The receiver does not know an item that it had said to be taken: it was restored from an older copy, and what
    /// it took since then is lost there. Report it.
    PeerLost {
        /// That item.
        delivered: Place,
    },
    /// The receiver took this item last. If this database never gave it that place it was restored from an older
    /// copy: report it. It never did if it does not know the era; or, for an era on disk ([`Source::of`]), if it has
    /// not counted so far yet, or if of the peer's rows up to that number the last one is of an era that began later:
    /// then the copy counted the same numbers again.
    CheckLast(Place),
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
    /// Close the stream; nothing that is handed in afterwards has an effect.
    Close(Closed),
}

/// How far the conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing happened yet.
    New,
    /// Said hello.
    Hello,
    /// Was greeted.
    Open,
    /// It is over.
    Closed,
}

/// How far a source was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Queue {
    /// Up to this number it was read.
    after_n: u64,
    /// Whether something may wait behind.
    more: bool,
    /// The last item that was sent.
    sent: Option<u64>,
}

/// Items that were read and are not sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ready {
    floor: u64,
    items: VecDeque<Item>,
}

/// A frame that is not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flying {
    source: Source,
    era: u64,
    numbers: Vec<u64>,
}

/// The machine of one stream, on the sender's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    phase: Phase,
    /// What the hello named.
    delivered: Option<Place>,
    disk: Queue,
    memory: Queue,
    /// The source that is being read.
    loading: Option<Source>,
    /// The source that was read last; they take turns.
    turn: Source,
    /// What the last page holds.
    ready: Option<(Source, Ready)>,
    /// Frames without an answer, oldest first.
    flying: VecDeque<Flying>,
    /// Answered frames that are not settled yet, oldest first.
    answered: VecDeque<(Source, Vec<(Place, Outcome)>)>,
    /// How many frames are being settled.
    settling: usize,
    /// Whether the receiver takes nothing more for now.
    busy: bool,
    /// Messages of unknown kinds so far.
    unknown: u32,
    timer: Timer,
    /// How many items the receiver took.
    moved: u64,
}

impl Default for Delivery {
    fn default() -> Self {
        Self::new()
    }
}

impl Delivery {
    /// A conversation that has not begun.
    pub const fn new() -> Self {
        let unread = Queue { after_n: 0, more: true, sent: None };
        Self {
            phase: Phase::New,
            delivered: None,
            disk: unread,
            memory: unread,
            loading: None,
            turn: Source::Disk,
            ready: None,
            flying: VecDeque::new(),
            answered: VecDeque::new(),
            settling: 0,
            busy: false,
            unknown: 0,
            timer: Timer::new(UnixMillis(0)),
            moved: 0,
        }
    }

    /// How many items the receiver decided about.
    pub const fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether it is over, so that nothing has an effect any more.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// What must be done after `input` happened.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let mut out = Vec::new();
        if self.phase == Phase::Closed {
            return out;
        }
        self.timer.tick(now);
        let result = self.take(input, now, &mut out).and_then(|()| self.go_on(now, &mut out));
        if let Err(closed) = result {
            self.close(closed, &mut out);
        }
        out
    }

    fn take(&mut self, input: Input, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        match input {
            Input::Opened { store, delivered } => self.opened(store, delivered, now, out),
            Input::Message(message) => return self.hear(message, now, out),
            Input::Page(source, page) => self.page(source, page),
            Input::Settled => {
                self.settling = 0;
                self.timer.moved(now);
            }
            Input::More(source) => self.queue(source).more = true,
            Input::Wake => self.timer.woken(),
            Input::Close => return Err(Closed::Asked),
        }
        Ok(())
    }

    fn opened(&mut self, store: StoreId, delivered: Option<Place>, now: UnixMillis, out: &mut Vec<Output>) {
        if self.phase == Phase::New {
            self.phase = Phase::Hello;
            self.delivered = delivered;
            self.timer.moved(now);
            out.push(Output::Send(Message::Hello { store, delivered }));
        }
    }

    fn hear(&mut self, message: Message, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        match message {
            Message::Greeting { last, lost } => self.greeted(last, lost, out)?,
            Message::Taken { era, results } => self.taken(era, results)?,
            Message::Bye => return Err(Closed::Bye),
            Message::Hello { .. } | Message::Items(_) => return Err(Closed::Violation("a receiver that sends")),
            Message::Unknown(_) => {
                self.unknown = self.unknown.saturating_add(1);
                return if self.unknown > UNKNOWN_MAX {
                    Err(Closed::Violation("too many unknown messages"))
                } else {
                    Ok(())
                };
            }
        }
        self.timer.moved(now);
        Ok(())
    }

    fn greeted(&mut self, last: Option<Place>, lost: bool, out: &mut Vec<Output>) -> Result<(), Closed> {
        if self.phase != Phase::Hello {
            return Err(Closed::Violation("a greeting that nobody waits for"));
        }
        if last.is_some_and(|last| !is_place(last)) {
            return Err(Closed::Violation("a place without a number"));
        }
        self.phase = Phase::Open;
        if let Some(delivered) = self.delivered.filter(|_| lost) {
            out.push(Output::PeerLost { delivered });
        }
        out.extend(last.filter(|last| Some(*last) != self.delivered).map(Output::CheckLast));
        Ok(())
    }

    /// The oldest frame was answered.
    fn taken(&mut self, era: u64, results: Vec<(u64, Outcome)>) -> Result<(), Closed> {
        let Some(frame) = self.flying.pop_front() else { return Err(Closed::Violation("an answer to nothing")) };
        let answers = frame.era == era && results.iter().map(|(n, _)| n).eq(&frame.numbers);
        if !answers {
            return Err(Closed::Violation("an answer to another frame"));
        }
        let all = results.len();
        let decided = results.into_iter().filter(|(_, outcome)| *outcome != Outcome::Busy);
        let decided: Vec<_> = decided.map(|(n, outcome)| (Place { era, n }, outcome)).collect();
        self.busy |= decided.len() < all;
        self.moved = self.moved.saturating_add(decided.len() as u64);
        if !decided.is_empty() {
            self.answered.push_back((frame.source, decided));
        }
        Ok(())
    }

    /// A page was read.
    fn page(&mut self, source: Source, page: Page) {
        if self.loading != Some(source) {
            return;
        }
        self.loading = None;
        let Page { floor, items, through, more } = page;
        let queue = self.queue(source);
        let before = queue.after_n;
        let mut last = before;
        let mut ready = VecDeque::with_capacity(items.len());
        let mut too_large = Vec::new();
        for item in items.into_iter().filter(|item| is_place(item.place)) {
            if item.place.n <= last {
                continue;
            }
            last = item.place.n;
            if item.body.len() > BODY_BYTES_MAX {
                too_large.push((item.place, Outcome::Refused(Reason::TooLarge.into())));
            } else {
                ready.push_back(item);
            }
        }
        queue.after_n = last.max(through);
        // A page that leads nowhere would be read for ever.
        queue.more |= more && queue.after_n > before;
        if !ready.is_empty() {
            self.ready = Some((source, Ready { floor, items: ready }));
        }
        if !too_large.is_empty() {
            self.answered.push_back((source, too_large));
        }
    }

    /// Does whatever can be done now.
    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        if self.busy {
            self.ready = None;
        }
        self.send(now, out);
        self.load(out);
        self.settle(out);
        let waits = self.phase == Phase::Hello || !self.flying.is_empty();
        if waits && self.timer.is_over(SILENT_MS, now) {
            return Err(Closed::Silent(SILENT_MS));
        }
        if self.phase != Phase::Open {
            out.extend(waits.then(|| self.timer.next(SILENT_MS)).flatten().map(Output::WakeAt));
            return Ok(());
        }
        if self.busy && self.is_settled() {
            return Err(Closed::Busy);
        }
        // What was just sent to this receiver is often followed by more; who had nothing to say does not stay.
        let lingers = self.is_settled() && self.loading.is_none() && self.ready.is_none();
        if lingers && (self.moved == 0 || self.timer.is_over(LINGER_MS, now)) {
            return Err(Closed::Done);
        }
        let wake = match (waits, lingers) {
            (true, _) => self.timer.next(SILENT_MS),
            (_, true) => self.timer.next(LINGER_MS),
            _ => None,
        };
        out.extend(wake.map(Output::WakeAt));
        Ok(())
    }

    /// Sends what is ready, as far as the window allows.
    fn send(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        while self.phase == Phase::Open
            && self.flying.len() < FRAMES_UNANSWERED_MAX
            && self.flying.len() + self.answered.len() + self.settling < FRAMES_UNSETTLED_MAX
            && let Some((source, ready)) = &mut self.ready
        {
            let source = *source;
            let Some(mut items) = ready.cut() else {
                self.ready = None;
                break;
            };
            items.after = std::mem::replace(&mut self.queue(source).sent, items.items.last().map(|item| item.place.n));
            if self.flying.is_empty() {
                self.timer.moved(now);
            }
            let numbers = items.items.iter().map(|item| item.place.n).collect();
            self.flying.push_back(Flying { source, era: items.era, numbers });
            out.push(Output::Send(Message::Items(items)));
        }
        self.ready.take_if(|(_, ready)| ready.items.is_empty());
    }

    /// Reads the next page as soon as the last one is on its way.
    fn load(&mut self, out: &mut Vec<Output>) {
        let idle = self.phase != Phase::New && self.loading.is_none() && self.ready.is_none() && !self.busy;
        let other = if self.turn == Source::Disk { Source::Memory } else { Source::Disk };
        let turn = self.turn;
        let next = [other, turn].into_iter().find(|source| self.queue(*source).more);
        let Some(source) = next.filter(|_| idle) else { return };
        self.turn = source;
        self.loading = Some(source);
        let queue = self.queue(source);
        queue.more = false;
        let after_n = queue.after_n;
        let max_bytes = MESSAGE_BYTES_MAX - ITEMS_BYTES_BESIDE;
        out.push(Output::Load { source, after_n, max_items: ITEMS_PER_FRAME_MAX, max_bytes });
    }

    /// Hands out what was answered meanwhile, as one batch.
    fn settle(&mut self, out: &mut Vec<Output>) {
        if self.settling > 0 {
            return;
        }
        if let Some((frames, settle)) = self.batch() {
            self.settling = frames;
            out.push(settle);
        }
    }

    /// The oldest answers, as far as they are of one source.
    fn batch(&mut self) -> Option<(usize, Output)> {
        let (source, mut results) = self.answered.pop_front()?;
        let mut frames = 1;
        while self.answered.front().is_some_and(|(other, _)| *other == source) {
            results.extend(self.answered.pop_front().into_iter().flat_map(|(_, more)| more));
            frames += 1;
        }
        Some((frames, Output::Settle(source, results)))
    }

    fn close(&mut self, closed: Closed, out: &mut Vec<Output>) {
        while let Some((_, settle)) = self.batch() {
            out.push(settle);
        }
        self.phase = Phase::Closed;
        self.ready = None;
        if !matches!(closed, Closed::Bye) {
            out.push(Output::Send(Message::Bye));
        }
        out.push(Output::Close(closed));
    }

    /// Whether nothing is under way and everything that was answered is durable.
    fn is_settled(&self) -> bool {
        self.flying.is_empty() && self.answered.is_empty() && self.settling == 0
    }

    const fn queue(&mut self, source: Source) -> &mut Queue {
        match source {
            Source::Disk => &mut self.disk,
            Source::Memory => &mut self.memory,
        }
    }
}

impl Ready {
    /// The next frame: as many items of one era as fit.
    fn cut(&mut self) -> Option<Items> {
        let first = self.items.front()?.place;
        let mut room = MESSAGE_BYTES_MAX - ITEMS_BYTES_BESIDE;
        let fits = |item: &&Item| {
            let fits = item.place.era == first.era && item.bytes() <= room;
            room = room.saturating_sub(item.bytes());
            fits
        };
        let count = self.items.iter().take(ITEMS_PER_FRAME_MAX).take_while(fits).count();
        let items = self.items.drain(..count).collect();
        Some(Items { era: first.era, floor: self.floor.clamp(1, first.n), after: None, items })
    }
}
