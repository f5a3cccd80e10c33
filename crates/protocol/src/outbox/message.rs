//! What the two sides of an outbox stream say to each other.
//!
//! | kind (key 0) | other keys |
//! |---|---|
//! | 0 hello | 1 the sender's store, 2 place of the last item that was said to be taken |
//! | 1 greeting | 1 place of the last item taken from that store, 2 whether what the hello names is not known |
//! | 2 items | 1 era, 2 floor, 3 list of [n, protocol, schema, subject, body], 4 number of the item sent before them, if one was |
//! | 3 taken | 1 era, 2 list of [n, outcome] or [n, outcome, reason] |
//! | 4 bye | |
//!
//! A place is `[era, n]`. The items of one frame are of one era, ascending; the answer to a frame names the same
//! numbers in the same order. A kind that a newer version added is read as [`Message::Unknown`] and ignored.

use std::borrow::Cow;
use std::fmt;

use antiphon_core::cbor::{self, Error};
use antiphon_core::ids::StoreId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Place, Subject};
use minicbor::Decoder;

use super::{ITEMS_PER_FRAME_MAX, MESSAGE_BYTES_MAX, N_MAX, is_place};
use crate::frame;
use crate::reason::Reason;
use crate::wire::{Fields, Out, read_fields, required};

/// Parts of an item.
const ITEM_PARTS: u64 = 5;
/// Most bytes that an item takes beside its body: heads and numbers.
pub(super) const ITEM_BYTES_BESIDE_BODY: usize = 48;
/// Most bytes that a message of items takes beside them.
pub(super) const ITEMS_BYTES_BESIDE: usize = 32;

/// One message of an outbox stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The sender's first.
    Hello {
        /// Its database.
        store: StoreId,
        /// The last item on disk that it was told to be taken.
        delivered: Option<Place>,
    },
    /// The receiver's answer.
    Greeting {
        /// The last item on disk that it took from that database.
        last: Option<Place>,
        /// Whether it does not know what the hello says it took: it was restored from an older copy.
        lost: bool,
    },
    /// Items to take.
    Items(Items),
    /// What became of the oldest frame of items without an answer.
    Taken {
        /// Era of that frame.
        era: u64,
        /// Each of its items, in its order.
        results: Vec<(u64, Outcome)>,
    },
    /// The sender of this closes the stream.
    Bye,
    /// A kind of a newer version.
    Unknown(u64),
}

/// Items of one era, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items {
    /// Their era.
    pub era: u64,
    /// The sender has nothing below this number for the receiver, and never will have again.
    pub floor: u64,
    /// The last item of the same source that was sent before in this conversation, so that a frame that went missing is
    /// missed.
    pub after: Option<u64>,
    /// The items, at least one and at most [`ITEMS_PER_FRAME_MAX`].
    pub items: Vec<Item>,
}

/// An item as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Where in the sender's queue.
    pub place: Place,
    /// Number of the kind of request; this version may not know it.
    pub protocol: u64,
    /// Version of the body's form.
    pub schema: u16,
    /// What it is about.
    pub subject: Subject,
    /// The request, at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// A body is nobody's business in a log.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, protocol, schema, subject, body } = self;
        write!(f, "Item({place}, protocol {protocol}, schema {schema}, {subject:?}, {} bytes)", body.len())
    }
}

impl Item {
    /// Most bytes that it takes in a message.
    pub(super) const fn bytes(&self) -> usize {
        ITEM_BYTES_BESIDE_BODY + self.body.len()
    }
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is taken, durably.
    Taken,
    /// It had been taken before.
    Had,
    /// It will never be taken.
    Refused(Refusal),
    /// Not now, nor anything behind it: try later.
    Busy,
}

/// The stable name of a reason for which an item is refused: at most [`Refusal::BYTES_MAX`] of `a-z`, `0-9` and `_`.
/// A name of a newer version is kept, so that people see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refusal(Cow<'static, str>);

impl Refusal {
    /// Longest name, in bytes.
    pub const BYTES_MAX: usize = 32;

    /// The refusal of this name; a name of another form becomes `other`.
    pub fn named(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self(Cow::Borrowed(Reason::Other.name())))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    fn parse(name: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = !name.is_empty() && name.len() <= Self::BYTES_MAX && name.bytes().all(good);
        fits.then(|| Self(Cow::Owned(name.to_owned())))
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self(Cow::Borrowed(reason.name()))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Items {
    /// Checks what every frame of items must be.
    ///
    /// # Errors
    /// [`Error::Value`] or [`Error::TooLong`] with what it is not.
    pub fn validate(&self) -> Result<(), Error> {
        let numbers = || self.items.iter().map(|item| item.place.n);
        let (got, limit) = (self.items.len() as u64, ITEMS_PER_FRAME_MAX as u64);
        let Some(first) = numbers().next() else { return Err(Error::Value("a frame without items")) };
        if got > limit {
            return Err(Error::TooLong { what: "a frame of items", got, limit });
        }
        if self.items.iter().any(|item| item.place.era != self.era || !is_place(item.place)) {
            return Err(Error::Value("an item of another era, or without a number"));
        }
        if !numbers().zip(numbers().skip(1)).all(|(before, after)| before < after) {
            return Err(Error::Value("the items of a frame ascend"));
        }
        if self.floor == 0 || self.floor > first {
            return Err(Error::Value("a floor above what is sent"));
        }
        if self.after.is_some_and(|after| after == 0 || after >= first) {
            return Err(Error::Value("items that follow on what is not before them"));
        }
        let longest = self.items.iter().map(|item| item.body.len()).max().unwrap_or_default();
        if longest > BODY_BYTES_MAX {
            return Err(Error::TooLong { what: "a body", got: longest as u64, limit: BODY_BYTES_MAX as u64 });
        }
        Ok(())
    }
}

impl Message {
    const fn kind(&self) -> u64 {
        match self {
            Self::Hello { .. } => 0,
            Self::Greeting { .. } => 1,
            Self::Items(_) => 2,
            Self::Taken { .. } => 3,
            Self::Bye => 4,
            Self::Unknown(kind) => *kind,
        }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, self.kind()));
        match self {
            Self::Hello { store, delivered } => {
                fields.put(1, |out| cbor::bytes(out, &store.0));
                fields.put_some(2, *delivered, write_place);
            }
            Self::Greeting { last, lost } => {
                fields.put_some(1, *last, write_place);
                fields.put(2, |out| cbor::bool(out, *lost));
            }
            Self::Items(Items { era, floor, after, items }) => {
                fields.put(1, |out| cbor::uint(out, *era));
                fields.put(2, |out| cbor::uint(out, *floor));
                fields.put(3, |out| write_items(out, items));
                fields.put_some(4, *after, cbor::uint);
            }
            Self::Taken { era, results } => {
                fields.put(1, |out| cbor::uint(out, *era));
                fields.put(2, |out| write_results(out, results));
            }
            Self::Bye | Self::Unknown(_) => {}
        }
        fields.finish()
    }

    /// Reads a message strictly.
    ///
    /// # Errors
    /// With what is malformed or too long.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (got, limit) = (bytes.len() as u64, MESSAGE_BYTES_MAX as u64);
        if got > limit {
            return Err(Error::TooLong { what: "a message", got, limit });
        }
        cbor::decode(bytes, |input| {
            let mut parts = Parts::default();
            read_fields(input, |key, input| parts.read(key, input))?;
            parts.finish()
        })
    }

    /// The bytes of a frame that holds the message, compressed where that makes it shorter.
    pub fn to_frame(&self) -> Vec<u8> {
        frame::pack(&self.encode())
    }

    /// Reads the message of a frame. It takes no state, so it may run beside the event loop.
    ///
    /// # Errors
    /// [`frame::Error`] with what is wrong.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, frame::Error> {
        Ok(Self::decode(&frame::open(bytes, MESSAGE_BYTES_MAX)?)?)
    }
}

/// What was read of a message so far.
#[derive(Default)]
struct Parts {
    kind: Option<u64>,
    store: Option<StoreId>,
    place: Option<Place>,
    lost: Option<bool>,
    era: Option<u64>,
    floor: Option<u64>,
    after: Option<u64>,
    items: Option<Vec<Item>>,
    results: Option<Vec<(u64, Outcome)>>,
}

impl Parts {
    /// Takes the value of a key. Keys come in ascending order, so the kind is known before all others.
    fn read(&mut self, key: u64, input: &mut Decoder<'_>) -> Result<bool, Error> {
        match (self.kind, key) {
            (None, 0) => self.kind = Some(input.u64()?),
            (Some(0), 1) => self.store = Some(StoreId(cbor::read_array(input)?)),
            (Some(0), 2) | (Some(1), 1) => self.place = Some(read_place(input)?),
            (Some(1), 2) => self.lost = Some(input.bool()?),
            (Some(2 | 3), 1) => self.era = Some(input.u64()?),
            (Some(2), 2) => self.floor = Some(input.u64()?),
            (Some(2), 3) => self.items = Some(read_items(input, required(self.era, 1)?)?),
            (Some(2), 4) => self.after = Some(input.u64()?),
            (Some(3), 2) => self.results = Some(read_results(input)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Message, Error> {
        Ok(match required(self.kind, 0)? {
            0 => Message::Hello { store: required(self.store, 1)?, delivered: self.place },
            1 => Message::Greeting { last: self.place, lost: required(self.lost, 2)? },
            2 => {
                let (era, floor) = (required(self.era, 1)?, required(self.floor, 2)?);
                let items = Items { era, floor, after: self.after, items: required(self.items, 3)? };
                items.validate()?;
                Message::Items(items)
            }
            3 => Message::Taken { era: required(self.era, 1)?, results: required(self.results, 2)? },
            4 => Message::Bye,
            kind => Message::Unknown(kind),
        })
    }
}

fn write_place(out: &mut Out<'_>, place: Place) {
    cbor::array(out, 2);
    cbor::uint(out, place.era);
    cbor::uint(out, place.n);
}

fn read_place(input: &mut Decoder<'_>) -> Result<Place, Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(Error::Value("a place is an era and a number"));
    }
    let place = Place { era: input.u64()?, n: input.u64()? };
    if is_place(place) { Ok(place) } else { Err(Error::Value("a place without a number")) }
}

fn write_items(out: &mut Out<'_>, items: &[Item]) {
    cbor::array(out, items.len());
    for item in items {
        cbor::array(out, 5);
        cbor::uint(out, item.place.n);
        cbor::uint(out, item.protocol);
        cbor::uint(out, item.schema.into());
        cbor::bytes(out, &item.subject.0);
        cbor::bytes(out, &item.body);
    }
}

fn read_items(input: &mut Decoder<'_>, era: u64) -> Result<Vec<Item>, Error> {
    let read = |input: &mut Decoder<'_>| {
        if cbor::read_list(input, 5)? != ITEM_PARTS {
            return Err(Error::Value("an item has five parts"));
        }
        Ok(Item {
            place: Place { era, n: input.u64()? },
            protocol: input.u64()?,
            schema: input.u16()?,
            subject: Subject(cbor::read_array(input)?),
            body: cbor::read_bytes(input, BODY_BYTES_MAX)?,
        })
    };
    (0..cbor::read_list(input, ITEMS_PER_FRAME_MAX)?).map(|_| read(input)).collect()
}

fn write_results(out: &mut Out<'_>, results: &[(u64, Outcome)]) {
    cbor::array(out, results.len());
    for (n, outcome) in results {
        let (number, refusal) = match outcome {
            Outcome::Taken => (0, None),
            Outcome::Had => (1, None),
            Outcome::Refused(refusal) => (2, Some(refusal)),
            Outcome::Busy => (3, None),
        };
        cbor::array(out, 2 + usize::from(refusal.is_some()));
        cbor::uint(out, *n);
        cbor::uint(out, number);
        if let Some(refusal) = refusal {
            cbor::text(out, refusal.name());
        }
    }
}

fn read_results(input: &mut Decoder<'_>) -> Result<Vec<(u64, Outcome)>, Error> {
    let len = cbor::read_list(input, ITEMS_PER_FRAME_MAX)?;
    if len == 0 {
        return Err(Error::Value("an answer without items"));
    }
    (0..len).map(|_| read_result(input)).collect()
}

fn read_result(input: &mut Decoder<'_>) -> Result<(u64, Outcome), Error> {
    let parts = cbor::read_list(input, 3)?;
    if parts < 2 {
        return Err(Error::Value("a result is a number and an outcome"));
    }
    let n = input.u64()?;
    let outcome = match (input.u64()?, parts) {
        (0, 2) => Outcome::Taken,
        (1, 2) => Outcome::Had,
        (2, 3) => {
            let name = cbor::read_text(input, Refusal::BYTES_MAX)?;
            Outcome::Refused(Refusal::parse(&name).ok_or(Error::Value("a reason that is not a name"))?)
        }
        (3, 2) => Outcome::Busy,
        _ => return Err(Error::Value("an unknown outcome")),
    };
    if (1..=N_MAX).contains(&n) { Ok((n, outcome)) } else { Err(Error::Value("a result without a number")) }
}
