//! The side that asks and offers, for one stream.
//!
//! Each ask and each offer has an id and ends in one of three ways: it is answered, it is refused, or nothing comes of it
//! because the stream ends. No more are under way than the other side takes ([`ASKS_MAX`], [`OFFERS_MAX`]); the others wait
//! for their turn. An answer is believed as far as it can be: it must be signed by the peer, for this node, for the nonce
//! of this very question, and speak of what was asked. Whether a digest is right only own blocks can tell, which is the
//! caller's part.
//!
//! A peer that works at something says so. One that says nothing for [`SILENT_MS`], or says for longer than it can
//! take that it works, is left, and so is one that answers what it was not asked or that sends a false answer.

use std::collections::{BTreeMap, VecDeque};

use antiphon_core::ids::{Hash, NodeId, TeamId};
use antiphon_core::possession::{Claim, Nonce, Possession, PossessionReceipt};
use antiphon_core::time::UnixMillis;

use super::UNKNOWN_MAX;
use super::message::{About, Message, Offer, Outcome, validate};

/// Most asks that are under way on one stream.
pub const ASKS_MAX: usize = 4;
/// Most offers that are under way on one stream.
pub const OFFERS_MAX: usize = 16;
/// Most asks and offers that wait for their turn.
pub const QUEUED_MAX: usize = 64;
/// Time in which a peer must have said something of an ask or offer, in milliseconds.
pub const SILENT_MS: u64 = 30_000;
/// Longest that an answer takes, in milliseconds, however often it is said that it is being worked at.
pub const ANSWER_MS_MAX: u64 = 2 * 60_000;
/// Longest that taking an offer takes beside the time for its bytes, in milliseconds.
pub const TAKE_MS_MAX: u64 = 10 * 60_000;
/// Bytes that come in a millisecond at least: about a megabit per second.
pub const TAKE_BYTES_PER_MS_MIN: u64 = 128;
/// Time with nothing under way after which the stream is closed, in milliseconds.
pub const IDLE_MS: u64 = 60_000;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Ask this, under an id that was not used before on this stream.
    Ask {
        /// Names what comes of it.
        id: u64,
        /// Drawn for this question.
        nonce: Nonce,
        /// Of which, ascending, within the limits of one question.
        about: Vec<About>,
    },
    /// Offer this, under an id that was not used before on this stream.
    Offer {
        /// Names what comes of it.
        id: u64,
        /// What.
        offer: Offer,
    },
    /// The peer said this.
    Message(Message),
    /// The time that [`Output::WakeAt`] named has come.
    Wake,
    /// The stream is gone, or this node ends it.
    Close,
}

/// Something must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Send(Message),
    /// An ask was answered.
    Answered(Answered),
    /// An offer was settled, or an ask refused.
    Settled {
        /// Which.
        id: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// Nothing came of an ask or offer.
    Failed {
        /// Which.
        id: u64,
        /// Why.
        why: Unanswered,
    },
    /// Wake the machine then; it replaces an earlier one.
    WakeAt(UnixMillis),
    /// The conversation is over.
    Close(Closed),
}

/// An answer that is what was asked for, as far as that shows without the blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Of which ask.
    pub id: u64,
    /// As it was signed.
    pub receipt: PossessionReceipt,
    /// When it was signed, by the peer's clock, and by which of its stores.
    pub possession: Possession,
}

/// Why nothing came of an ask or offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The answer was none: the peer lies, or is broken.
    #[error("the answer is false: {0}")]
    False(&'static str),
    /// The peer said nothing of it for too long.
    #[error("no answer came for {0} ms")]
    Silent(u64),
    /// The stream ended before.
    #[error("the stream ended first")]
    Ended,
    /// It was not sent at all: it is malformed, or too many wait.
    #[error("it cannot be sent: {0}")]
    NotSent(&'static str),
}

/// Why a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The peer said goodbye.
    #[error("the peer said goodbye")]
    Bye,
    /// This node ended it, or the stream is gone.
    #[error("this node ended it")]
    Asked,
    /// Nothing was under way for so long.
    #[error("nothing was under way for {0} ms")]
    Idle(u64),
    /// An answer did not come in time.
    #[error("the peer did not answer for {0} ms")]
    Silent(u64),
    /// The peer broke the rules of the conversation.
    #[error("the peer broke a rule: {0}")]
    Violation(&'static str),
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    /// What was asked, and with which nonce; `None` for an offer.
    ask: Option<(Nonce, Vec<About>)>,
    /// When it was sent.
    sent_at: UnixMillis,
    /// When the peer last said something of it.
    heard_at: UnixMillis,
    /// When it must be over.
    until: UnixMillis,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Asking {
    team: TeamId,
    own: NodeId,
    peer: NodeId,
    waiting: BTreeMap<u64, Waiting>,
    asks: VecDeque<(u64, Nonce, Vec<About>)>,
    offers: VecDeque<(u64, Offer)>,
    unknown: u32,
    moved_at: UnixMillis,
    wake_at: Option<UnixMillis>,
    closed: bool,
}

impl Asking {
    /// A conversation of `own` with `peer` that begins at `now`, and the first thing to do.
    pub fn new(team: TeamId, own: NodeId, peer: NodeId, now: UnixMillis) -> (Self, Output) {
        let wake_at = now.after(IDLE_MS);
        let machine = Self {
            team,
            own,
            peer,
            waiting: BTreeMap::new(),
            asks: VecDeque::new(),
            offers: VecDeque::new(),
            unknown: 0,
            moved_at: now,
            wake_at: Some(wake_at),
            closed: false,
        };
        (machine, Output::WakeAt(wake_at))
    }

    /// Whether one more ask or offer may be handed in.
    pub fn has_room(&self) -> bool {
        self.asks.len() + self.offers.len() < QUEUED_MAX
    }

    /// Whether nothing is under way and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.asks.is_empty() && self.offers.is_empty()
    }

    /// Takes note of what happened; says what must be done. After [`Output::Close`] nothing comes any more.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let mut out = Vec::new();
        if self.closed {
            if let Input::Ask { id, .. } | Input::Offer { id, .. } = input {
                out.push(Output::Failed { id, why: Unanswered::Ended });
            }
            return out;
        }
        let ended = match input {
            Input::Ask { id, nonce, about } => {
                self.take_ask(id, nonce, about, &mut out);
                Ok(())
            }
            Input::Offer { id, offer } => {
                self.take_offer(id, offer, &mut out);
                Ok(())
            }
            Input::Message(message) => self.hear(message, now, &mut out),
            Input::Wake => {
                self.wake_at = None;
                Ok(())
            }
            Input::Close => Err(Closed::Asked),
        };
        if let Err(closed) = ended.and_then(|()| self.go_on(now, &mut out)) {
            self.end(closed, &mut out);
        }
        out
    }

    fn take_ask(&mut self, id: u64, nonce: Nonce, about: Vec<About>, out: &mut Vec<Output>) {
        let why = match validate(&about) {
            Err(_) => "a question beyond the limits",
            Ok(()) if !self.is_new(id) => "its id was used",
            Ok(()) if !self.has_room() => "too many wait",
            Ok(()) => return self.asks.push_back((id, nonce, about)),
        };
        out.push(Output::Failed { id, why: Unanswered::NotSent(why) });
    }

    fn take_offer(&mut self, id: u64, offer: Offer, out: &mut Vec<Output>) {
        let why = match offer.validate() {
            Err(_) => "an offer beyond the limits",
            Ok(()) if !self.is_new(id) => "its id was used",
            Ok(()) if !self.has_room() => "too many wait",
            Ok(()) => return self.offers.push_back((id, offer)),
        };
        out.push(Output::Failed { id, why: Unanswered::NotSent(why) });
    }

    fn is_new(&self, id: u64) -> bool {
        let queued = self.asks.iter().map(|(id, ..)| id).chain(self.offers.iter().map(|(id, _)| id));
        !self.waiting.contains_key(&id) && !queued.copied().any(|other| other == id)
    }

    fn hear(&mut self, message: Message, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        match message {
            Message::Answer { id, receipt } => self.answered(id, receipt, now, out),
            Message::Outcome { id, outcome } => {
                match self.waiting.get(&id) {
                    None => return Err(Closed::Violation("an outcome of what was not offered")),
                    Some(Waiting { ask: Some(_), .. }) if outcome != Outcome::Busy => {
                        return Err(Closed::Violation("an outcome of a question"));
                    }
                    Some(_) => {}
                }
                self.waiting.remove(&id);
                self.moved_at = now;
                out.push(Output::Settled { id, outcome });
                Ok(())
            }
            Message::Working(id) => {
                let waiting = self.waiting.get_mut(&id).ok_or(Closed::Violation("works at what was not asked"))?;
                waiting.heard_at = now;
                Ok(())
            }
            Message::Bye => Err(Closed::Bye),
            Message::Ask { .. } | Message::Offer { .. } => Err(Closed::Violation("it asks where it is asked")),
            Message::Unknown(_) => {
                self.unknown += 1;
                if self.unknown > UNKNOWN_MAX { Err(Closed::Violation("too many unknown messages")) } else { Ok(()) }
            }
        }
    }

    fn answered(
        &mut self,
        id: u64,
        receipt: PossessionReceipt,
        now: UnixMillis,
        out: &mut Vec<Output>,
    ) -> Result<(), Closed> {
        let waiting = self.waiting.remove(&id).ok_or(Closed::Violation("an answer to nothing"))?;
        let Some((nonce, about)) = waiting.ask else {
            self.waiting.insert(id, waiting);
            return Err(Closed::Violation("an answer to an offer"));
        };
        match self.check(&receipt, &nonce, &about) {
            Ok(possession) => {
                self.moved_at = now;
                out.push(Output::Answered(Answered { id, receipt, possession }));
                Ok(())
            }
            Err(what) => {
                out.push(Output::Failed { id, why: Unanswered::False(what) });
                Err(Closed::Violation(what))
            }
        }
    }

    /// Checks that a statement answers a question.
    fn check(&self, receipt: &PossessionReceipt, nonce: &Nonce, about: &[About]) -> Result<Possession, &'static str> {
        let possession = receipt.verify(&self.team).map_err(|_| "an answer that nobody of this team signed")?;
        if possession.holder != self.peer {
            return Err("an answer of somebody else");
        }
        if possession.asker != self.own {
            return Err("an answer to somebody else");
        }
        if possession.nonce != *nonce {
            return Err("an answer to another question");
        }
        let roots = possession.claims.iter().map(|(root, _)| root);
        if !roots.eq(about.iter().map(|about| &about.root)) {
            return Err("an answer that is not about what was asked");
        }
        let fits = |(about, (_, claim)): (&About, &(Hash, Claim))| match claim {
            Claim::Whole { digest } => digest.is_some() != about.blocks.is_empty(),
            Claim::Missing | Claim::Damaged => true,
        };
        if about.iter().zip(&possession.claims).all(fits) {
            Ok(possession)
        } else {
            Err("an answer without its digest")
        }
    }

    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        self.send_next(now, out);
        if let Some(late) = self.waiting.values().find(|waiting| now >= waiting.deadline()) {
            let since = if now >= late.until { late.sent_at } else { late.heard_at };
            return Err(Closed::Silent(now.since(since)));
        }
        let over = self.moved_at.after(IDLE_MS);
        if self.is_idle() && now >= over {
            return Err(Closed::Idle(IDLE_MS));
        }
        let next = self.waiting.values().map(Waiting::deadline).min().unwrap_or(over);
        if self.wake_at.is_none_or(|at| next < at) {
            self.wake_at = Some(next);
            out.push(Output::WakeAt(next));
        }
        Ok(())
    }

    /// Sends what waited for its turn.
    fn send_next(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let asks = self.waiting.values().filter(|waiting| waiting.ask.is_some()).count();
        let offers = self.waiting.len() - asks;
        for (id, nonce, about) in self.asks.drain(..self.asks.len().min(ASKS_MAX.saturating_sub(asks))) {
            let (ask, until) = (Some((nonce, about.clone())), now.after(ANSWER_MS_MAX));
            self.waiting.insert(id, Waiting { ask, sent_at: now, heard_at: now, until });
            self.moved_at = now;
            out.push(Output::Send(Message::Ask { id, nonce, about }));
        }
        for (id, offer) in self.offers.drain(..self.offers.len().min(OFFERS_MAX.saturating_sub(offers))) {
            let until = now.after(TAKE_MS_MAX + offer.length / TAKE_BYTES_PER_MS_MIN);
            self.waiting.insert(id, Waiting { ask: None, sent_at: now, heard_at: now, until });
            self.moved_at = now;
            out.push(Output::Send(Message::Offer { id, offer }));
        }
    }

    fn end(&mut self, closed: Closed, out: &mut Vec<Output>) {
        self.closed = true;
        let why = match closed {
            Closed::Silent(ms) => Unanswered::Silent(ms),
            _ => Unanswered::Ended,
        };
        let queued = self.asks.drain(..).map(|(id, ..)| id).chain(self.offers.drain(..).map(|(id, _)| id));
        let ids: Vec<u64> = std::mem::take(&mut self.waiting).into_keys().chain(queued).collect();
        out.extend(ids.into_iter().map(|id| Output::Failed { id, why }));
        if !matches!(closed, Closed::Bye) {
            out.push(Output::Send(Message::Bye));
        }
        out.push(Output::Close(closed));
    }
}

impl Waiting {
    /// When it is given up unless something is heard before.
    fn deadline(&self) -> UnixMillis {
        self.heard_at.after(SILENT_MS).min(self.until)
    }
}

/// Puts what is asked into as few questions as the limits allow, ascending within each. What is asked twice is asked once.
pub fn questions(mut about: Vec<About>) -> Vec<Vec<About>> {
    about.sort_unstable_by_key(|one| one.root);
    about.dedup_by(|one, other| one.root == other.root);
    let mut questions: Vec<Vec<About>> = Vec::new();
    let mut blocks = 0;
    for about in about {
        let more = about.blocks.len();
        match questions.last_mut() {
            Some(last) if last.len() < super::ABOUT_MAX && blocks + more <= super::BLOCKS_PER_ASK_MAX => {
                blocks += more;
                last.push(about);
            }
            _ => {
                blocks = more;
                questions.push(vec![about]);
            }
        }
    }
    questions
}
