//! The side that is asked, for one stream.
//!
//! An ask is answered by what is found at that moment and by nothing else: the machine keeps no answers, hands the caller
//! the challenges with their nonce, a few at a time ([`Output::Look`]), and what comes back is signed once. An offer is
//! handed to whoever decides about storage ([`Output::Take`]), and answered when that is decided and done.
//!
//! What a peer can make this side do is bounded: so many asks and offers under way, of which each reads at most
//! [`super::BLOCKS_PER_ASK_MAX`] blocks one portion after the other, and an [`Allowance`] for all streams of a peer that
//! says how fast that goes. Whoever asks for more is told that there is too much to do, and loses the stream if it goes on.

use std::collections::{BTreeMap, VecDeque};

use antiphon_core::content::BLOCK_BYTES;
use antiphon_core::ids::Hash;
use antiphon_core::possession::{Challenge, Claim, Nonce};
use antiphon_core::time::UnixMillis;

use super::UNKNOWN_MAX;
use super::asking::{ASKS_MAX, OFFERS_MAX, SILENT_MS};
use super::message::{About, Message, Offer, Outcome, validate};

/// Most blocks that are read before the caller is handed the next challenges.
pub const PORTION_BLOCKS_MAX: usize = 16;
/// How often it is said that something is being worked at, in milliseconds.
pub const WORKING_MS: u64 = 10_000;
/// Time with nothing under way after which the stream is closed, in milliseconds.
pub const IDLE_MS: u64 = 5 * 60_000;
/// Most asks and offers beyond the limits that are refused before the stream is closed.
pub const REFUSALS_MAX: u32 = 16;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The asker said this.
    Message(Message),
    /// What the last [`Output::Look`] found, in its order.
    Looked(Vec<Claim>),
    /// What became of an offer.
    Took {
        /// Which.
        id: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The time that [`Output::WakeAt`] named has come.
    Wake,
    /// End it.
    Close,
}

/// Something must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Find out what is held of these now, reading the blocks that they name, and answer with [`Input::Looked`].
    Look(Vec<Challenge>),
    /// Sign this for the asker and send it as the answer `id`.
    Answer {
        /// Which ask it answers.
        id: u64,
        /// The nonce of the question.
        nonce: Nonce,
        /// What was found, ascending by root.
        claims: Vec<(Hash, Claim)>,
    },
    /// Decide about this, fetch it, and answer with [`Input::Took`] when it is durable or refused.
    Take {
        /// Names the outcome.
        id: u64,
        /// What is offered.
        offer: Offer,
    },
    /// Send this.
    Send(Message),
    /// Wake the machine then; it replaces an earlier one.
    WakeAt(UnixMillis),
    /// The conversation is over; what is being taken is of no interest to the other side any more.
    Close(Closed),
}

/// Why a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The asker said goodbye.
    #[error("the asker said goodbye")]
    Bye,
    /// This node ended it.
    #[error("this node ended it")]
    Asked,
    /// Nothing was asked for so long.
    #[error("nothing was asked for {0} ms")]
    Idle(u64),
    /// The asker broke the rules of the conversation.
    #[error("the asker broke a rule: {0}")]
    Violation(&'static str),
}

/// A question that is being answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    id: u64,
    nonce: Nonce,
    rest: VecDeque<About>,
    found: Vec<(Hash, Claim)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Answering {
    /// The first is being answered.
    asks: VecDeque<Asked>,
    /// What is being looked for, of the first ask.
    looking: Vec<Hash>,
    /// Offers about which nothing was said yet.
    offers: BTreeMap<u64, Offer>,
    refusals: u32,
    unknown: u32,
    /// When something was asked or answered.
    moved_at: UnixMillis,
    /// When it was last said that there is work, if there is.
    said_at: UnixMillis,
    wake_at: Option<UnixMillis>,
    closed: bool,
}

impl Answering {
    /// A conversation that begins at `now`, and the first thing to do.
    pub fn new(now: UnixMillis) -> (Self, Output) {
        let wake_at = now.after(IDLE_MS);
        let machine = Self {
            asks: VecDeque::new(),
            looking: Vec::new(),
            offers: BTreeMap::new(),
            refusals: 0,
            unknown: 0,
            moved_at: now,
            said_at: now,
            wake_at: Some(wake_at),
            closed: false,
        };
        (machine, Output::WakeAt(wake_at))
    }

    /// Whether nothing is being answered or taken.
    pub fn is_idle(&self) -> bool {
        self.asks.is_empty() && self.offers.is_empty()
    }

    /// Takes note of what happened; says what must be done. After [`Output::Close`] nothing comes any more.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let mut out = Vec::new();
        if self.closed {
            return out;
        }
        let ended = match input {
            Input::Message(message) => self.hear(message, now, &mut out),
            Input::Looked(claims) => {
                self.looked(claims, now, &mut out);
                Ok(())
            }
            Input::Took { id, outcome } => {
                if self.offers.remove(&id).is_some() {
                    self.moved_at = now;
                    out.push(Output::Send(Message::Outcome { id, outcome }));
                }
                Ok(())
            }
            Input::Wake => {
                self.wake_at = None;
                Ok(())
            }
            Input::Close => Err(Closed::Asked),
        };
        if let Err(closed) = ended.and_then(|()| self.go_on(now, &mut out)) {
            self.closed = true;
            self.asks.clear();
            self.offers.clear();
            if !matches!(closed, Closed::Bye) {
                out.push(Output::Send(Message::Bye));
            }
            out.push(Output::Close(closed));
        }
        out
    }

    fn hear(&mut self, message: Message, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        match message {
            Message::Ask { id, nonce, about } => {
                validate(&about).map_err(|_| Closed::Violation("a question that cannot be meant"))?;
                self.begin(id, now)?;
                if self.asks.len() >= ASKS_MAX {
                    return self.refuse(id, out);
                }
                self.asks.push_back(Asked { id, nonce, rest: about.into(), found: Vec::new() });
                Ok(())
            }
            Message::Offer { id, offer } => {
                offer.validate().map_err(|_| Closed::Violation("an offer that cannot be meant"))?;
                self.begin(id, now)?;
                let offered = self.offers.values().any(|other| other.root == offer.root);
                if self.offers.len() >= OFFERS_MAX || offered {
                    return self.refuse(id, out);
                }
                self.offers.insert(id, offer);
                out.push(Output::Take { id, offer });
                Ok(())
            }
            Message::Bye => Err(Closed::Bye),
            Message::Answer { .. } | Message::Outcome { .. } | Message::Working(_) => {
                Err(Closed::Violation("an answer to nothing"))
            }
            Message::Unknown(_) => {
                self.unknown += 1;
                if self.unknown > UNKNOWN_MAX { Err(Closed::Violation("too many unknown messages")) } else { Ok(()) }
            }
        }
    }

    /// Something new is asked.
    fn begin(&mut self, id: u64, now: UnixMillis) -> Result<(), Closed> {
        if self.offers.contains_key(&id) || self.asks.iter().any(|ask| ask.id == id) {
            return Err(Closed::Violation("an id that is under way"));
        }
        self.moved_at = now;
        if self.is_idle() {
            self.said_at = now;
        }
        Ok(())
    }

    fn refuse(&mut self, id: u64, out: &mut Vec<Output>) -> Result<(), Closed> {
        self.refusals += 1;
        if self.refusals > REFUSALS_MAX {
            return Err(Closed::Violation("asks for more than is answered"));
        }
        out.push(Output::Send(Message::Outcome { id, outcome: Outcome::Busy }));
        Ok(())
    }

    fn looked(&mut self, claims: Vec<Claim>, now: UnixMillis, out: &mut Vec<Output>) {
        let looking = std::mem::take(&mut self.looking);
        let Some(ask) = self.asks.front_mut() else { return };
        self.moved_at = now;
        // Whoever drives this finds as many as were asked for; of what it did not find nothing is held.
        let claims = claims.into_iter().chain(std::iter::repeat(Claim::Missing));
        ask.found.extend(looking.into_iter().zip(claims));
        if ask.rest.is_empty()
            && let Some(Asked { id, nonce, found: claims, .. }) = self.asks.pop_front()
        {
            out.push(Output::Answer { id, nonce, claims });
        }
    }

    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        self.look(out);
        let over = self.moved_at.after(IDLE_MS);
        let at = if self.is_idle() {
            if now >= over {
                return Err(Closed::Idle(IDLE_MS));
            }
            over
        } else {
            if now >= self.said_at.after(WORKING_MS) {
                self.said_at = now;
                let ids = self.asks.iter().map(|ask| ask.id).chain(self.offers.keys().copied());
                out.extend(ids.map(|id| Output::Send(Message::Working(id))));
            }
            self.said_at.after(WORKING_MS)
        };
        if self.wake_at.is_none_or(|wake_at| at < wake_at) {
            self.wake_at = Some(at);
            out.push(Output::WakeAt(at));
        }
        Ok(())
    }

    /// Has the next portion of the first question looked up.
    fn look(&mut self, out: &mut Vec<Output>) {
        let Some(ask) = self.asks.front_mut().filter(|_| self.looking.is_empty()) else { return };
        let (mut challenges, mut blocks) = (Vec::new(), 0);
        while let Some(about) = ask.rest.pop_front() {
            if blocks + about.blocks.len() > PORTION_BLOCKS_MAX {
                ask.rest.push_front(about);
                break;
            }
            blocks += about.blocks.len();
            self.looking.push(about.root);
            challenges.push(about.challenge(ask.nonce));
        }
        out.push(Output::Look(challenges));
    }
}

/// How much one peer may have read, over all its streams: so much at once, and then only as fast as it comes back. What is
/// short costs less than what is long, but never nothing: a block is looked for before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes, and below nothing when it was overdrawn.
    left: i64,
    at: UnixMillis,
}

impl Allowance {
    /// Bytes that may be read at once.
    pub const BYTES_MAX: u64 = 128 * 1024 * 1024;
    /// Bytes that come back in a second.
    pub const BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;
    /// What a block costs at least, in bytes.
    pub const BLOCK_COST_MIN: u64 = 8 * 1024;
    /// What a question costs beside its blocks, in bytes.
    pub const QUESTION_COST: u64 = 4 * 1024;

    const FULL: i64 = Self::BYTES_MAX.cast_signed();

    /// All of it is left.
    pub const fn new(now: UnixMillis) -> Self {
        Self { left: Self::FULL, at: now }
    }

    /// What a question costs that names so many blocks of a ciphertext of `length` bytes.
    pub fn cost(blocks: usize, length: u64) -> u64 {
        let block = length.clamp(Self::BLOCK_COST_MIN, BLOCK_BYTES);
        (blocks as u64).saturating_mul(block).saturating_add(Self::QUESTION_COST)
    }

    /// Takes the cost of what is to be read; says how long to wait before that, in milliseconds.
    #[must_use]
    pub fn spend(&mut self, cost: u64, now: UnixMillis) -> u64 {
        self.refill(now);
        self.left = self.left.saturating_sub_unsigned(cost);
        let missing = self.left.min(0).unsigned_abs();
        missing.saturating_mul(1_000).div_ceil(Self::BYTES_PER_SECOND)
    }

    /// Whether all of it is left, so that it need not be remembered.
    pub fn is_full(&mut self, now: UnixMillis) -> bool {
        self.refill(now);
        self.left == Self::FULL
    }

    fn refill(&mut self, now: UnixMillis) {
        let back = now.since(self.at).saturating_mul(Self::BYTES_PER_SECOND) / 1_000;
        self.left = self.left.saturating_add_unsigned(back).min(Self::FULL);
        self.at = self.at.max(now);
    }
}

const _: () = assert!(WORKING_MS * 2 < SILENT_MS, "whoever works is heard in time");
