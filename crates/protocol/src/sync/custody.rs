//! Who holds what: payloads that are still to come, and signed receipts for what is here.
//!
//! An acknowledgement tells a peer how far to send; it proves nothing to anybody else, and nothing about texts. So
//! when both sides are at rest each sends the receipt it has signed (see [`antiphon_core::custody`]), at once after
//! the first time and then at most every [`RECEIPT_EVERY_MS`] when what it holds has changed.
//!
//! Members that never meet learn of each other's receipts through those between them. Passing on whatever comes would
//! flood a large team, so a node tells, when its list changed and clocks are compared, whose receipts it has and how
//! new they are, and is sent what it lacks. A receipt is signed, so whoever hands it on can only withhold it.

use antiphon_core::custody::Receipt;
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, Stream};
use antiphon_core::time::UnixMillis;

use super::wants::{Held, Item, PERIOD_MS, Wants};
use super::{Closed, Message, Mode, Output};

/// Shortest time between two receipts of one session, in milliseconds; long receipts wait longer.
pub const RECEIPT_EVERY_MS: u64 = 2_000;
/// A receipt makes the next one wait for [`RECEIPT_EVERY_MS`] more with each so many bytes.
pub const RECEIPT_BYTES_PER_WAIT: u64 = 16 * 1024;
/// Most members that a list of receipts names: those of the largest team.
pub const RECEIPTS_LISTED_MAX: usize = 512;
/// Most receipts of one message.
pub const RECEIPTS_SENT_MAX: usize = 64;
/// Most messages with receipts that are heard in one period.
const HEARD_MAX: u32 = 64;
/// Longest wait between two receipts, in milliseconds.
const RECEIPT_LATEST_MS: u64 = 120_000;

/// How new the receipts are that somebody has: by member, in the order of the keys.
pub type ReceiptList = Vec<(NodeId, UnixMillis)>;

/// What the database must do for [`Output::Custody`]. Each answer has the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Name payloads of charter and shared logs that are missing here, in ascending order. Not those that are erased.
    Missing {
        /// Those that come after this event; from the beginning without it.
        after: Option<(LogId, u64)>,
        /// At most so many; fewer say that there are no more.
        limit: usize,
    },
    /// Read payloads that the peer asks for, leaving out what it may not have, as pages do.
    Payloads {
        /// The log.
        log: LogId,
        /// Their places, ascending.
        seqs: Vec<u64>,
        /// Stop before they exceed so many bytes, but read at least one.
        max_bytes: usize,
    },
    /// Keep the payloads whose hashes the headers name.
    Fill {
        /// The log.
        log: LogId,
        /// Each with its place.
        items: Vec<Item>,
    },
    /// Read receipts.
    Receipts {
        /// Whether our own is asked for.
        own: bool,
        /// What the peer says it has: read what it lacks, [`RECEIPTS_SENT_MAX`] and about a page of bytes at most.
        theirs: Option<ReceiptList>,
    },
    /// Check these receipts and keep those of members that are newer than what is held. Not answered.
    Keep(Vec<Receipt>),
}

/// Answers an [`Ask`], or tells that something has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What is missing.
    Missing(Vec<(LogId, u64)>),
    /// What the peer gets.
    Payloads {
        /// The log.
        log: LogId,
        /// Up to here was looked: what was asked for and is left out will not come.
        through: u64,
        /// What may be given.
        items: Vec<Item>,
    },
    /// Payloads were kept.
    Fill {
        /// The log.
        log: LogId,
        /// Whether all of them were what the headers name.
        fits: bool,
    },
    /// Receipts.
    Receipts {
        /// Ours, if it was asked for and can be signed now.
        own: Option<Receipt>,
        /// What we have of others.
        list: ReceiptList,
        /// What the peer lacks of that.
        lacked: Vec<Receipt>,
    },
    /// A page of another peer came without these payloads.
    Lacking {
        /// The log.
        log: LogId,
        /// Their places, ascending.
        seqs: Vec<u64>,
    },
    /// Payloads that were missing are here now, or events count that did not.
    Changed,
}

/// Which receipts are being read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    /// Our own.
    own: bool,
    /// Those that this list of the peer lacks.
    theirs: Option<ReceiptList>,
}

/// The part of a session that is about custody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Custody {
    wants: Wants,
    /// What we hold has changed since our receipt was last sent.
    changed: bool,
    /// The list of receipts is to be compared with what was told of it.
    lists: bool,
    /// The list goes to the peer even if it has not changed.
    must_tell: bool,
    /// The peer's list was answered with ours in this period.
    answered: bool,
    /// The list that the peer was told last.
    told: Option<ReceiptList>,
    /// The peer's list, until it is answered.
    theirs: Option<ReceiptList>,
    /// Receipts are being read.
    reading: Option<Reading>,
    /// When our receipt may be sent next.
    next_at: UnixMillis,
    /// When the period of lists began.
    began: Option<UnixMillis>,
    /// Messages with receipts in this period.
    heard: u32,
}

impl Custody {
    pub(super) fn new(now: UnixMillis) -> Self {
        let mut wants = Wants::default();
        wants.period(now);
        Self {
            wants,
            changed: true,
            lists: true,
            must_tell: false,
            answered: false,
            told: None,
            theirs: None,
            reading: None,
            next_at: now,
            began: Some(now),
            heard: 0,
        }
    }

    /// Clocks were compared.
    pub(super) fn period(&mut self, now: UnixMillis) {
        self.wants.period(now);
        if self.began.is_none_or(|began| now < began || now.since(began) >= PERIOD_MS) {
            self.began = Some(now);
            (self.heard, self.lists, self.answered) = (0, true, false);
        }
    }

    /// What we hold has changed.
    pub(super) fn grown(&mut self) {
        self.changed = true;
    }

    /// A message about custody came.
    pub(super) fn message(&mut self, message: Message, mode: Mode) -> Result<Option<Output>, Closed> {
        Ok(match message {
            Message::Want { log, seqs } => self.wants.asked(log, seqs, mode.sends || log.stream == Stream::Charter),
            Message::Payloads { log, through, items } => self.wants.given(log, through, items)?,
            Message::Receipts { receipts, list } => self.heard(receipts, list),
            _ => None,
        })
    }

    fn heard(&mut self, receipts: Vec<Receipt>, list: Option<ReceiptList>) -> Option<Output> {
        self.heard += 1;
        if self.heard > HEARD_MAX {
            return None;
        }
        self.theirs = list.or(self.theirs.take());
        (!receipts.is_empty()).then_some(Output::Custody(Ask::Keep(receipts)))
    }

    /// The database answered.
    pub(super) fn answer(&mut self, answer: Answer, now: UnixMillis) -> Option<Output> {
        match answer {
            Answer::Missing(missing) => self.wants.missing(&missing),
            Answer::Payloads { log, through, items } => return self.wants.read(log, through, items),
            Answer::Fill { log, fits } => {
                self.changed = true;
                return self.wants.filled(log, fits);
            }
            Answer::Receipts { own, list, lacked } => return self.read(own, list, lacked, now),
            Answer::Lacking { log, seqs } => self.wants.told(log, &seqs),
            Answer::Changed => self.changed = true,
        }
        None
    }

    /// Receipts were read: sends what the peer should have of them.
    fn read(
        &mut self,
        own: Option<Receipt>,
        mut list: ReceiptList,
        lacked: Vec<Receipt>,
        now: UnixMillis,
    ) -> Option<Output> {
        let Reading { own: asked, theirs } = self.reading.take()?;
        list.truncate(RECEIPTS_LISTED_MAX);
        if let Some(own) = &own {
            let waits = 1 + own.bytes.len() as u64 / RECEIPT_BYTES_PER_WAIT;
            self.next_at = now.after((waits * RECEIPT_EVERY_MS).min(RECEIPT_LATEST_MS));
        } else if asked {
            // It may not be signed yet: there is something to erase first.
            self.changed = true;
        }
        // Whoever told us of newer ones than ours is told what we have, once in a period, and sends them.
        let newer = |(node, at): &(NodeId, UnixMillis)| !list.iter().any(|(known, held)| known == node && held >= at);
        if theirs.as_ref().is_some_and(|theirs| theirs.iter().any(newer)) && !self.answered {
            (self.answered, self.must_tell) = (true, true);
        }
        let tells = (std::mem::take(&mut self.lists) && self.told.as_ref() != Some(&list))
            || std::mem::take(&mut self.must_tell);
        let receipts: Vec<Receipt> = own.into_iter().chain(lacked).collect();
        if receipts.is_empty() && !tells {
            return None;
        }
        let list = tells.then(|| {
            self.told = Some(list.clone());
            list
        });
        Some(Output::Send(Message::Receipts { receipts, list }))
    }

    /// What to do next while both sides are at rest.
    pub(super) fn next(&mut self, held: Held<'_>, mode: Mode, now: UnixMillis) -> Vec<Output> {
        if !mode.sends && !mode.takes {
            return Vec::new();
        }
        let mut out = Vec::new();
        if mode.takes {
            out.extend(self.wants.next(held));
        }
        // The clock of this machine may have been set back.
        self.next_at = self.next_at.min(now.after(RECEIPT_LATEST_MS));
        let own = self.changed && now >= self.next_at;
        if self.reading.is_none() && (own || self.lists || self.theirs.is_some()) {
            if own {
                self.changed = false;
                self.next_at = now.after(RECEIPT_EVERY_MS);
            }
            let theirs = self.theirs.take();
            self.reading = Some(Reading { own, theirs: theirs.clone() });
            out.push(Output::Custody(Ask::Receipts { own, theirs }));
        }
        out
    }

    /// When a receipt is due that may not be sent yet. Where nothing flows none is, or the session would be woken for
    /// it again and again.
    pub(super) fn wake_at(&self, mode: Mode) -> Option<UnixMillis> {
        let flows = mode.sends || mode.takes;
        (flows && self.changed && self.reading.is_none()).then_some(self.next_at)
    }
}
