//! The receiver's side of one outbox stream.
//!
//! The sender is a member, which is no reason to believe it. What it says is taken frame by frame in its order, at
//! most a few wait, and nothing is answered before it is durable. Whether an item came before is not decided here
//! but where it is taken, in the same transaction.

use std::collections::VecDeque;

use antiphon_core::ids::StoreId;
use antiphon_core::outbox::Place;
use antiphon_core::time::UnixMillis;

use super::message::{Items, Message, Outcome};
use super::timer::Timer;
use super::{Closed, FRAMES_UNANSWERED_MAX, IDLE_MS, Source, UNKNOWN_MAX, is_place};

/// Most eras of one conversation whose order is checked; the store checks all of them by place.
const ERAS_MAX: usize = 8;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The stream from the sender stands. Always the first input.
    Opened,
    /// A message came; [`Message::from_frame`] made it.
    Message(Message),
    /// Answers [`Output::Look`].
    Looked {
        /// The last item on disk that was taken from this database.
        last: Option<Place>,
        /// Whether what the sender was told to be taken is not known here.
        lost: bool,
    },
    /// Answers [`Output::Take`]: what became of each item, in their order. Items that are not answered for, because
    /// the transaction failed, count as [`Outcome::Busy`].
    Took(Vec<Outcome>),
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
    /// End it.
    Close,
}

/// What must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Look up what was taken from this database and answer with [`Input::Looked`], or with [`Input::Close`] if it is
    /// not the sender's. Asked once.
    Look {
        /// The sender's database.
        store: StoreId,
        /// What it was told to be taken.
        delivered: Option<Place>,
    },
    /// Take these items in one transaction and answer with [`Input::Took`]. One is asked for at a time.
    Take {
        /// The sender's database.
        store: StoreId,
        /// Items of one era, ascending; nothing of that era below their floor can come again.
        items: Items,
    },
    /// Send this to the sender.
    Send(Message),
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
    /// Close the stream; nothing that is handed in afterwards has an effect.
    Close(Closed),
}

/// How far the conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was said.
    New,
    /// It is being looked up what was taken.
    Looking(StoreId),
    /// Items are taken.
    Open(StoreId),
    /// It is over.
    Closed,
}

/// What was seen of an era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    era: u64,
    floor: u64,
    last_n: u64,
}

/// The machine of one stream, on the receiver's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reception {
    phase: Phase,
    /// Frames that wait, oldest first.
    queue: VecDeque<Items>,
    /// Era and numbers of the frame that is being taken.
    taking: Option<(u64, Vec<u64>)>,
    /// Whether nothing more is taken in this conversation.
    busy: bool,
    /// Eras, the latest last.
    seen: VecDeque<Seen>,
    /// The last item that came of each source.
    last_n: [Option<u64>; 2],
    /// Messages of unknown kinds so far.
    unknown: u32,
    timer: Timer,
}

impl Default for Reception {
    fn default() -> Self {
        Self::new()
    }
}

impl Reception {
    /// A conversation that has not begun.
    pub const fn new() -> Self {
        Self {
            phase: Phase::New,
            queue: VecDeque::new(),
            taking: None,
            busy: false,
            seen: VecDeque::new(),
            last_n: [None; 2],
            unknown: 0,
            timer: Timer::new(UnixMillis(0)),
        }
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
            self.phase = Phase::Closed;
            self.queue.clear();
            if !matches!(closed, Closed::Bye) {
                out.push(Output::Send(Message::Bye));
            }
            out.push(Output::Close(closed));
        }
        out
    }

    fn take(&mut self, input: Input, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        match input {
            Input::Opened => self.timer.moved(now),
            Input::Message(message) => return self.hear(message, now, out),
            Input::Looked { last, lost } => {
                if let Phase::Looking(store) = self.phase {
                    self.phase = Phase::Open(store);
                    self.timer.moved(now);
                    out.push(Output::Send(Message::Greeting { last, lost }));
                }
            }
            Input::Took(outcomes) => self.took(outcomes, now, out),
            Input::Wake => self.timer.woken(),
            Input::Close => return Err(Closed::Asked),
        }
        Ok(())
    }

    fn hear(&mut self, message: Message, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        match message {
            Message::Hello { store, delivered } => self.hello(store, delivered, out)?,
            Message::Items(items) => self.push(items)?,
            Message::Bye => return Err(Closed::Bye),
            Message::Greeting { .. } | Message::Taken { .. } => {
                return Err(Closed::Violation("a sender that answers"));
            }
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

    fn hello(&mut self, store: StoreId, delivered: Option<Place>, out: &mut Vec<Output>) -> Result<(), Closed> {
        if self.phase != Phase::New {
            return Err(Closed::Violation("a second hello"));
        }
        if delivered.is_some_and(|delivered| !is_place(delivered)) {
            return Err(Closed::Violation("a place without a number"));
        }
        self.phase = Phase::Looking(store);
        out.push(Output::Look { store, delivered });
        Ok(())
    }

    /// Puts a frame behind the others.
    fn push(&mut self, items: Items) -> Result<(), Closed> {
        if self.phase == Phase::New {
            return Err(Closed::Violation("items before the hello"));
        }
        if self.queue.len() + usize::from(self.taking.is_some()) >= FRAMES_UNANSWERED_MAX {
            return Err(Closed::Violation("too many frames at once"));
        }
        items.validate().map_err(|_| Closed::Violation("a frame that is none"))?;
        self.follow(&items)?;
        self.queue.push_back(items);
        Ok(())
    }

    /// Checks that a frame follows what came of its era before.
    fn follow(&mut self, items: &Items) -> Result<(), Closed> {
        let numbers = || items.items.iter().map(|item| item.place.n);
        let (first, last_n) = (numbers().next().unwrap_or(0), numbers().next_back().unwrap_or(0));
        let at = self.seen.iter().position(|seen| seen.era == items.era);
        if let Some(before) = at.and_then(|at| self.seen.remove(at)) {
            if items.floor < before.floor {
                return Err(Closed::Violation("a floor that goes back"));
            }
            if first <= before.last_n {
                return Err(Closed::Violation("items that go back"));
            }
        }
        let of_source = &mut self.last_n[usize::from(Source::of(items.era) == Source::Memory)];
        if items.after.is_some() && items.after != *of_source {
            // What was in it comes before this, and will be sent again.
            return Err(Closed::Violation("a frame that follows on one that did not come"));
        }
        *of_source = Some(last_n);
        if self.seen.len() >= ERAS_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen { era: items.era, floor: items.floor, last_n });
        Ok(())
    }

    /// Answers the frame that was taken.
    fn took(&mut self, outcomes: Vec<Outcome>, now: UnixMillis, out: &mut Vec<Output>) {
        let Some((era, numbers)) = self.taking.take() else { return };
        self.timer.moved(now);
        let outcomes = outcomes.into_iter().chain(std::iter::repeat(Outcome::Busy));
        let results: Vec<_> = numbers.into_iter().zip(outcomes).collect();
        self.busy |= results.iter().any(|(_, outcome)| *outcome == Outcome::Busy);
        out.push(Output::Send(Message::Taken { era, results }));
    }

    /// Takes the next frame, and turns away all of them once one could not be taken: what is behind it may be about
    /// the same subject.
    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        if let Phase::Open(store) = self.phase
            && self.taking.is_none()
        {
            while let Some(items) = self.queue.pop_front() {
                let numbers = items.items.iter().map(|item| item.place.n);
                if self.busy {
                    let results = numbers.map(|n| (n, Outcome::Busy)).collect();
                    out.push(Output::Send(Message::Taken { era: items.era, results }));
                } else {
                    self.taking = Some((items.era, numbers.collect()));
                    out.push(Output::Take { store, items });
                    break;
                }
            }
        }
        if self.taking.is_some() || matches!(self.phase, Phase::Looking(_)) {
            return Ok(());
        }
        if self.timer.is_over(IDLE_MS, now) {
            return Err(Closed::Silent(IDLE_MS));
        }
        out.extend(self.timer.next(IDLE_MS).map(Output::WakeAt));
        Ok(())
    }
}
