//! Sealed copies: what a node asks of a member that keeps its private facts for it.
//!
//! The holder cannot read what it keeps, and needs to know no more than whose it is, which range of which log it is, and
//! how large. Whose it is the channel says: no message names an owner, so nobody can ask for another's copy. Every
//! request gets one answer, and putting the same part twice is putting it once, so a lost answer is mended by asking
//! again.
//!
//! A part that is put takes the place of all parts within its range. So an owner whose last part is small writes it again
//! together with what came since, and the number of parts stays small however often it does so.
//!
//! A message is a canonical CBOR map. Request: 0 version, 1 kind (0 put, 1 list, 2 get, 3 drop), 2 store, 3 first, 4 last,
//! 5 sealed part. Answer: 0 version, 1 kind (0 stored, 1 copies, 2 part, 3 dropped, 4 refused), 2 store, 3 first, 4 last,
//! 5 sealed part, 6 copies: `[store, first, last, bytes]` each, 7 parts that were dropped, 8 refusal, 9 bytes held,
//! 10 bytes allowed.
//!
//! Limits: a holder can lose or withhold what it keeps, and claim to hold what it does not; that shows only when it is
//! asked for. Whoever wants to be safe asks several.

mod parts;

use std::fmt;

use antiphon_core::cbor::{self, Error};
use antiphon_core::ids::StoreId;
use minicbor::Decoder;

use crate::wire::{Fields, Out, read_fields, required};

pub use parts::{Offer, Offers, SMALL_PART_BYTES, are_held, reach};

/// Longest message, in bytes.
pub const BACKUP_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Longest sealed part, in bytes; the rest of a message is for what stands around it.
pub const SEALED_PART_BYTES_MAX: usize = BACKUP_MESSAGE_BYTES_MAX - 1_024;
/// Most parts that are kept for one owner.
pub const PARTS_PER_OWNER_MAX: usize = 1_024;

const VERSION: u64 = 1;
/// Longest name of a refusal, in bytes.
const REFUSAL_BYTES_MAX: usize = 32;

/// A range of one local log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The store that wrote the log.
    pub store: StoreId,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
}

/// A part that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// What it covers.
    pub span: Span,
    /// How large it is, in bytes.
    pub bytes: u64,
}

/// What an owner asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// Keep this part, in the place of all parts within its range.
    Put {
        /// What it covers.
        span: Span,
        /// The sealed part.
        sealed: Vec<u8>,
    },
    /// Which parts of mine are kept?
    List,
    /// Give me this part.
    Get {
        /// The store that wrote the log.
        store: StoreId,
        /// Its first sequence number.
        first: u64,
    },
    /// Forget all parts of mine.
    Drop,
}

/// What a holder answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Response {
    /// It is kept, durably.
    Stored,
    /// The parts that are kept, in order.
    Copies(Vec<Kept>),
    /// A part.
    Part {
        /// What it covers.
        span: Span,
        /// The sealed part.
        sealed: Vec<u8>,
    },
    /// So many parts were forgotten.
    Dropped(u64),
    /// It is not done.
    Refused(Refusal),
}

/// Why a holder does not do what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The owner is no member.
    #[error("it keeps copies for members only")]
    NotAMember,
    /// There is no room.
    #[error("it keeps {held} bytes already and takes no more than {limit}")]
    Full {
        /// Bytes that are kept.
        held: u64,
        /// Most bytes that may be.
        limit: u64,
    },
    /// The owner has too many parts there.
    #[error("it keeps {PARTS_PER_OWNER_MAX} parts for this node already")]
    TooManyParts,
    /// There is no such part.
    #[error("it keeps no such part")]
    NotFound,
    /// The request cannot be read, or makes no sense.
    #[error("it does not understand the request")]
    Malformed,
    /// It could not be carried out; asking again may help.
    #[error("it could not carry it out")]
    Failed,
}

impl Refusal {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAMember => "not_a_member",
            Self::Full { .. } => "full",
            Self::TooManyParts => "too_many_parts",
            Self::NotFound => "not_found",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }

    /// The refusal of a name; one that a newer version added is [`Refusal::Failed`].
    fn from_name(name: &str, held: u64, limit: u64) -> Self {
        match name {
            "not_a_member" => Self::NotAMember,
            "full" => Self::Full { held, limit },
            "too_many_parts" => Self::TooManyParts,
            "not_found" => Self::NotFound,
            "malformed" => Self::Malformed,
            _ => Self::Failed,
        }
    }
}

/// Without the part, which is long.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { span, sealed } => {
                f.debug_struct("Put").field("span", span).field("bytes", &sealed.len()).finish()
            }
            Self::List => f.write_str("List"),
            Self::Get { store, first } => f.debug_struct("Get").field("store", store).field("first", first).finish(),
            Self::Drop => f.write_str("Drop"),
        }
    }
}

/// Without the part, which is long.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("Stored"),
            Self::Copies(copies) => f.debug_tuple("Copies").field(copies).finish(),
            Self::Part { span, sealed } => {
                f.debug_struct("Part").field("span", span).field("bytes", &sealed.len()).finish()
            }
            Self::Dropped(parts) => f.debug_tuple("Dropped").field(parts).finish(),
            Self::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
        }
    }
}

/// The keys of both messages, as far as they were there.
#[derive(Default)]
struct Read {
    kind: Option<u64>,
    store: Option<StoreId>,
    first: Option<u64>,
    last: Option<u64>,
    sealed: Option<Vec<u8>>,
    copies: Option<Vec<Kept>>,
    dropped: Option<u64>,
    refusal: Option<String>,
    held: Option<u64>,
    limit: Option<u64>,
}

impl Read {
    fn of(bytes: &[u8]) -> Result<Self, Error> {
        let (got, limit) = (bytes.len() as u64, BACKUP_MESSAGE_BYTES_MAX as u64);
        if got > limit {
            return Err(Error::TooLong { what: "a message about sealed copies", got, limit });
        }
        let (mut version, mut read) = (None, Self::default());
        cbor::decode(bytes, |input| {
            read_fields(input, |key, input| {
                match key {
                    0 => version = Some(input.u64()?),
                    _ => return read.take(key, input),
                }
                Ok(true)
            })
        })?;
        match required(version, 0)? {
            VERSION => Ok(read),
            _ => Err(Error::Value("a message about sealed copies of another version")),
        }
    }

    fn take(&mut self, key: u64, input: &mut Decoder<'_>) -> Result<bool, Error> {
        match key {
            1 => self.kind = Some(input.u64()?),
            2 => self.store = Some(StoreId(cbor::read_array(input)?)),
            3 => self.first = Some(input.u64()?),
            4 => self.last = Some(input.u64()?),
            5 => self.sealed = Some(cbor::read_bytes(input, SEALED_PART_BYTES_MAX)?),
            6 => self.copies = Some(read_copies(input)?),
            7 => self.dropped = Some(input.u64()?),
            8 => self.refusal = Some(cbor::read_text(input, REFUSAL_BYTES_MAX)?),
            9 => self.held = Some(input.u64()?),
            10 => self.limit = Some(input.u64()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn span(&self) -> Result<Span, Error> {
        check(Span { store: required(self.store, 2)?, first: required(self.first, 3)?, last: required(self.last, 4)? })
    }
}

impl Request {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, VERSION));
        let kind = match self {
            Self::Put { span, sealed } => {
                put_part(&mut fields, *span, sealed);
                0
            }
            Self::List => 1,
            Self::Get { store, first } => {
                fields.put(2, |out| cbor::bytes(out, &store.0));
                fields.put(3, |out| cbor::uint(out, *first));
                2
            }
            Self::Drop => 3,
        };
        fields.put(1, |out| cbor::uint(out, kind));
        fields.finish()
    }

    /// Reads a request strictly.
    ///
    /// # Errors
    /// When it is malformed or longer than [`BACKUP_MESSAGE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let read = Read::of(bytes)?;
        match required(read.kind, 1)? {
            0 => Ok(Self::Put { span: read.span()?, sealed: required(read.sealed, 5)? }),
            1 => Ok(Self::List),
            2 => Ok(Self::Get { store: required(read.store, 2)?, first: required(read.first, 3)? }),
            3 => Ok(Self::Drop),
            _ => Err(Error::Value("a request of an unknown kind")),
        }
    }
}

impl Response {
    /// The canonical bytes. Of more than [`PARTS_PER_OWNER_MAX`] copies the last are left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, VERSION));
        let kind = match self {
            Self::Stored => 0,
            Self::Copies(copies) => {
                fields.put(6, |out| write_copies(out, copies));
                1
            }
            Self::Part { span, sealed } => {
                put_part(&mut fields, *span, sealed);
                2
            }
            Self::Dropped(parts) => {
                fields.put(7, |out| cbor::uint(out, *parts));
                3
            }
            Self::Refused(refusal) => {
                fields.put(8, |out| cbor::text(out, refusal.name()));
                if let Refusal::Full { held, limit } = refusal {
                    fields.put(9, |out| cbor::uint(out, *held));
                    fields.put(10, |out| cbor::uint(out, *limit));
                }
                4
            }
        };
        fields.put(1, |out| cbor::uint(out, kind));
        fields.finish()
    }

    /// Reads an answer strictly.
    ///
    /// # Errors
    /// When it is malformed or longer than [`BACKUP_MESSAGE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let read = Read::of(bytes)?;
        match required(read.kind, 1)? {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Copies(required(read.copies, 6)?)),
            2 => Ok(Self::Part { span: read.span()?, sealed: required(read.sealed, 5)? }),
            3 => Ok(Self::Dropped(required(read.dropped, 7)?)),
            4 => {
                let name = required(read.refusal, 8)?;
                let (held, limit) = (read.held.unwrap_or_default(), read.limit.unwrap_or_default());
                Ok(Self::Refused(Refusal::from_name(&name, held, limit)))
            }
            _ => Err(Error::Value("an answer of an unknown kind")),
        }
    }
}

fn put_part(fields: &mut Fields, span: Span, sealed: &[u8]) {
    fields.put(2, |out| cbor::bytes(out, &span.store.0));
    fields.put(3, |out| cbor::uint(out, span.first));
    fields.put(4, |out| cbor::uint(out, span.last));
    fields.put(5, |out| cbor::bytes(out, sealed));
}

fn write_copies(out: &mut Out<'_>, copies: &[Kept]) {
    let copies = &copies[..copies.len().min(PARTS_PER_OWNER_MAX)];
    cbor::array(out, copies.len());
    for Kept { span, bytes } in copies {
        cbor::array(out, 4);
        cbor::bytes(out, &span.store.0);
        cbor::uint(out, span.first);
        cbor::uint(out, span.last);
        cbor::uint(out, *bytes);
    }
}

fn read_copies(input: &mut Decoder<'_>) -> Result<Vec<Kept>, Error> {
    let len = cbor::read_list(input, PARTS_PER_OWNER_MAX)?;
    let mut copies: Vec<Kept> = Vec::new();
    for _ in 0..len {
        if cbor::read_list(input, 4)? != 4 {
            return Err(Error::Value("a copy has four parts"));
        }
        let store = StoreId(cbor::read_array(input)?);
        let span = check(Span { store, first: input.u64()?, last: input.u64()? })?;
        if copies.last().is_some_and(|before| (before.span.store, before.span.first) >= (span.store, span.first)) {
            return Err(Error::Value("copies are listed once, in order"));
        }
        copies.push(Kept { span, bytes: input.u64()? });
    }
    Ok(copies)
}

fn check(span: Span) -> Result<Span, Error> {
    if span.first == 0 || span.last < span.first || span.last > i64::MAX as u64 {
        return Err(Error::Value("a range that no log has"));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span { store: StoreId([7; 16]), first, last }
    }

    fn kept(first: u64) -> Kept {
        Kept { span: span(first, first), bytes: 9 }
    }

    #[test]
    fn every_request_survives_the_wire() {
        let put = Request::Put { span: span(1, 9), sealed: vec![1; 100] };
        for request in [put, Request::List, Request::Get { store: StoreId([7; 16]), first: 1 }, Request::Drop] {
            assert_eq!(Request::decode(&request.encode()).unwrap(), request);
        }
    }

    #[test]
    fn every_answer_survives_the_wire() {
        let full = Refusal::Full { held: 3, limit: 4 };
        let refusals = [Refusal::NotAMember, full, Refusal::TooManyParts, Refusal::NotFound, Refusal::Malformed];
        let refusals = refusals.into_iter().chain([Refusal::Failed]).map(Response::Refused);
        let copies = Response::Copies(vec![kept(1), kept(2)]);
        let part = Response::Part { span: span(2, 2), sealed: vec![2; 100] };
        for answer in [Response::Stored, copies, part, Response::Dropped(3)].into_iter().chain(refusals) {
            assert_eq!(Response::decode(&answer.encode()).unwrap(), answer);
        }
    }

    #[test]
    fn the_longest_part_fits_into_a_message_and_a_longer_one_is_refused() {
        let put = |bytes| Request::Put { span: span(1, i64::MAX as u64), sealed: vec![0; bytes] }.encode();
        assert!(put(SEALED_PART_BYTES_MAX).len() <= BACKUP_MESSAGE_BYTES_MAX);
        assert!(Request::decode(&put(SEALED_PART_BYTES_MAX)).is_ok());
        assert!(Request::decode(&put(SEALED_PART_BYTES_MAX + 1)).is_err());
        assert!(Request::decode(&put(BACKUP_MESSAGE_BYTES_MAX)).is_err());
    }

    #[test]
    fn a_full_list_fits_and_is_cut_beyond() {
        let copies: Vec<Kept> = (1..=PARTS_PER_OWNER_MAX as u64 + 5).map(kept).collect();
        let bytes = Response::Copies(copies).encode();
        assert!(bytes.len() <= BACKUP_MESSAGE_BYTES_MAX);
        let Response::Copies(read) = Response::decode(&bytes).unwrap() else { panic!("other kind") };
        assert_eq!(read.len(), PARTS_PER_OWNER_MAX);
    }

    #[test]
    fn what_no_honest_node_sends_is_refused() {
        for (first, last) in [(0, 1), (2, 1), (1, u64::MAX)] {
            assert!(Request::decode(&Request::Put { span: span(first, last), sealed: vec![1] }.encode()).is_err());
        }
        assert!(Response::decode(&Response::Copies(vec![kept(2), kept(1)]).encode()).is_err());
        assert!(Response::decode(&Response::Copies(vec![kept(1), kept(1)]).encode()).is_err());
        let list = Request::List.encode();
        assert!(Request::decode(&list[..list.len() - 1]).is_err());
        assert!(Request::decode(&[list.as_slice(), &[0]].concat()).is_err());
        assert!(Request::decode(&[]).is_err());
        // Version 2, then kind 9.
        assert!(Request::decode(&[0xa2, 0x00, 0x02, 0x01, 0x01]).is_err());
        assert!(Request::decode(&[0xa2, 0x00, 0x01, 0x01, 0x09]).is_err());
        assert!(Request::decode(&[0xa2, 0x00, 0x01, 0x01, 0x01]).is_ok());
    }
}
