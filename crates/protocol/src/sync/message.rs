//! What two sessions say to each other.
//!
//! | kind (key 0) | other keys |
//! |---|---|
//! | 0 clock | 1 heads, 2 takes shared events, 3 asks for ours, 4 where forked logs part |
//! | 1 digest | 1 hash |
//! | 2 page, 3 branch | 1 log, 2 events, see `compact.rs` |
//! | 4 ack | 1 log, 2 head |
//! | 5 nack | 1 log, 2 head, 3 reason |
//! | 6 bye | |
//! | 7 trace | 1 log, 2 list of heads |
//! | 8 want | 1 log, 2 sequence numbers, see below |
//! | 9 payloads | 1 log, 2 how far was looked, 3 list of [seq, payload] |
//! | 10 receipts | 1 list of [bytes, signature], 2 list of [node, time] |
//!
//! Sequence numbers ascend, and each but the first is written as its distance from the one before it.
//!
//! A kind that a newer version added is read as [`Message::Unknown`] and ignored.

use antiphon_core::cbor::{self, Error};
use antiphon_core::custody::Receipt;
use antiphon_core::event::{Event, Unverified};
use antiphon_core::ids::Hash;
use antiphon_core::log::{Head, LogId, NodeClock};
use minicbor::Decoder;

use super::custody::ReceiptList;
use super::parts::{
    read_items, read_list, read_receipts, read_seqs, write_items, write_list, write_receipts, write_seqs,
};
use super::wants::Item;
use super::{LOGS_MAX, TRACE_POINTS_MAX};
use crate::compact;
use crate::reason::Reason;
use crate::wire::{
    Fields, read_clock, read_fields, read_head, read_heads, read_log, read_reason, required, write_clock, write_head,
    write_log,
};

/// What separates the digest of a clock from every other hash.
const DIGEST_DOMAIN: &[u8] = b"antiphon/clock/1";

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// How far the sender holds every log.
    Clock(Clock),
    /// A hash of that, to find out cheaply whether anything differs.
    Digest(Hash),
    /// Events that the receiver lacks.
    Page(Page),
    /// Events that contradict the receiver's.
    Branch(Page),
    /// The sender holds a log durably so far.
    Ack {
        /// The log.
        log: LogId,
        /// Its head.
        head: Head,
    },
    /// The sender did not take a page.
    Nack {
        /// The log.
        log: LogId,
        /// How far the sender holds it.
        head: Head,
        /// Why; without a reason the page did not begin where the sender's log ends.
        reason: Option<Reason>,
    },
    /// Events of the sender's branch of a log, by which the receiver can tell where its own one parts from it.
    Trace {
        /// The log.
        log: LogId,
        /// Their places and hashes, at most [`super::TRACE_POINTS_MAX`].
        points: Vec<Head>,
    },
    /// The sender closes the session.
    Bye,
    /// The sender lacks payloads of a log that the receiver holds so far.
    Want {
        /// The log.
        log: LogId,
        /// Their places, ascending, at most [`super::WANTED_MAX`].
        seqs: Vec<u64>,
    },
    /// Payloads that the receiver asked for.
    Payloads {
        /// The log.
        log: LogId,
        /// Up to here was looked: what was asked for and is left out is not to be had.
        through: u64,
        /// Each with its place, ascending.
        items: Vec<Item>,
    },
    /// Custody receipts, and how new those are that the sender has.
    Receipts {
        /// Receipts of the sender and of others, at most [`super::RECEIPTS_SENT_MAX`] and one.
        receipts: Vec<Receipt>,
        /// What the sender has of others, if the receiver is to send what is missing there.
        list: Option<ReceiptList>,
    },
    /// A kind of a newer version.
    Unknown(u64),
}

/// How far somebody holds every log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Heads of all logs with events.
    pub heads: NodeClock,
    /// Whether it takes shared events.
    pub takes: bool,
    /// Whether it asks for the receiver's clock.
    pub asks: bool,
    /// The logs that it can prove to have branches, with the last event that these share.
    pub partings: NodeClock,
}

/// Consecutive events of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The log.
    pub log: LogId,
    /// Its events, at most [`super::PAGE_EVENTS_MAX`].
    pub events: Vec<Event<Unverified>>,
}

/// The hash by which two clocks are compared.
pub(super) fn digest(heads: &NodeClock, partings: &NodeClock) -> Hash {
    let bytes = |clock| cbor::encode(|out| write_clock(out, clock));
    let partings = if partings.is_empty() { Vec::new() } else { bytes(partings) };
    Hash::of(&[DIGEST_DOMAIN, &bytes(heads), &partings].concat())
}

impl Message {
    const fn kind(&self) -> u64 {
        match self {
            Self::Clock(_) => 0,
            Self::Digest(_) => 1,
            Self::Page(_) => 2,
            Self::Branch(_) => 3,
            Self::Ack { .. } => 4,
            Self::Nack { .. } => 5,
            Self::Bye => 6,
            Self::Trace { .. } => 7,
            Self::Want { .. } => 8,
            Self::Payloads { .. } => 9,
            Self::Receipts { .. } => 10,
            Self::Unknown(kind) => *kind,
        }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, self.kind()));
        match self {
            Self::Clock(clock) => {
                fields.put(1, |out| write_clock(out, &clock.heads));
                fields.put(2, |out| cbor::bool(out, clock.takes));
                fields.put(3, |out| cbor::bool(out, clock.asks));
                if !clock.partings.is_empty() {
                    fields.put(4, |out| write_clock(out, &clock.partings));
                }
            }
            Self::Digest(hash) => fields.put(1, |out| cbor::bytes(out, &hash.0)),
            Self::Page(page) | Self::Branch(page) => {
                fields.put(1, |out| write_log(out, page.log));
                fields.put(2, |out| compact::write_events(out, page.log, &page.events));
            }
            Self::Ack { log, head } => {
                fields.put(1, |out| write_log(out, *log));
                fields.put(2, |out| write_head(out, *head));
            }
            Self::Nack { log, head, reason } => {
                fields.put(1, |out| write_log(out, *log));
                fields.put(2, |out| write_head(out, *head));
                fields.put_some(3, *reason, |out, reason| cbor::text(out, reason.name()));
            }
            Self::Trace { log, points } => {
                fields.put(1, |out| write_log(out, *log));
                fields.put(2, |out| {
                    cbor::array(out, points.len());
                    points.iter().for_each(|head| write_head(out, *head));
                });
            }
            Self::Want { log, seqs } => {
                fields.put(1, |out| write_log(out, *log));
                fields.put(2, |out| write_seqs(out, seqs));
            }
            Self::Payloads { log, through, items } => {
                fields.put(1, |out| write_log(out, *log));
                fields.put(2, |out| cbor::uint(out, *through));
                fields.put(3, |out| write_items(out, items));
            }
            Self::Receipts { receipts, list } => {
                fields.put(1, |out| write_receipts(out, receipts));
                fields.put_some(2, list.as_ref(), write_list);
            }
            Self::Bye | Self::Unknown(_) => {}
        }
        fields.finish()
    }

    /// Reads a message strictly. Every event of a page is parsed and hashed, none is verified.
    ///
    /// # Errors
    /// With what is malformed or too long.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, |input| {
            let mut draft = Draft::default();
            read_fields(input, |key, input| draft.read(key, input))?;
            draft.finish()
        })
    }
}

/// A message while its keys are read. The kind has the lowest key, so it comes first.
#[derive(Default)]
struct Draft {
    kind: Option<u64>,
    heads: Option<NodeClock>,
    hash: Option<Hash>,
    log: Option<LogId>,
    head: Option<Head>,
    events: Option<Vec<Event<Unverified>>>,
    reason: Option<Reason>,
    takes: bool,
    asks: bool,
    partings: NodeClock,
    points: Option<Vec<Head>>,
    seqs: Option<Vec<u64>>,
    through: Option<u64>,
    items: Option<Vec<Item>>,
    receipts: Option<Vec<Receipt>>,
    list: Option<ReceiptList>,
}

impl Draft {
    fn read(&mut self, key: u64, input: &mut Decoder<'_>) -> Result<bool, Error> {
        match (self.kind, key) {
            (None, 0) => self.kind = Some(input.u64()?),
            (Some(0), 1) => self.heads = Some(read_clock(input, LOGS_MAX)?),
            (Some(0), 2) => self.takes = input.bool()?,
            (Some(0), 3) => self.asks = input.bool()?,
            (Some(0), 4) => self.partings = read_heads(input, LOGS_MAX)?,
            (Some(1), 1) => self.hash = Some(Hash(cbor::read_array(input)?)),
            (Some(2..=5 | 7..=9), 1) => self.log = Some(read_log(input)?),
            (Some(2..=3), 2) => self.events = Some(compact::read_events(input, required(self.log, 1)?)?),
            (Some(4..=5), 2) => self.head = Some(read_head(input)?),
            (Some(7), 2) => self.points = Some(read_points(input)?),
            (Some(5), 3) => self.reason = Some(read_reason(input)?),
            (Some(8), 2) => self.seqs = Some(read_seqs(input)?),
            (Some(9), 2) => self.through = Some(input.u64()?),
            (Some(9), 3) => self.items = Some(read_items(input)?),
            (Some(10), 1) => self.receipts = Some(read_receipts(input)?),
            (Some(10), 2) => self.list = Some(read_list(input)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Message, Error> {
        let log = || required(self.log, 1);
        Ok(match required(self.kind, 0)? {
            0 => {
                let heads = required(self.heads, 1)?;
                Message::Clock(Clock { heads, takes: self.takes, asks: self.asks, partings: self.partings })
            }
            1 => Message::Digest(required(self.hash, 1)?),
            2 => Message::Page(Page { log: log()?, events: required(self.events, 2)? }),
            3 => Message::Branch(Page { log: log()?, events: required(self.events, 2)? }),
            4 => Message::Ack { log: log()?, head: required(self.head, 2)? },
            5 => Message::Nack { log: log()?, head: required(self.head, 2)?, reason: self.reason },
            6 => Message::Bye,
            7 => Message::Trace { log: log()?, points: required(self.points, 2)? },
            8 => Message::Want { log: log()?, seqs: required(self.seqs, 2)? },
            9 => {
                let (through, items) = (required(self.through, 2)?, required(self.items, 3)?);
                Message::Payloads { log: log()?, through, items }
            }
            10 => Message::Receipts { receipts: required(self.receipts, 1)?, list: self.list },
            kind => Message::Unknown(kind),
        })
    }
}

fn read_points(input: &mut Decoder<'_>) -> Result<Vec<Head>, Error> {
    (0..cbor::read_list(input, TRACE_POINTS_MAX)?).map(|_| read_head(input)).collect()
}
