//! The signed part of an event: a canonical CBOR map with integer keys.
//!
//! | key | value |
//! |---|---|
//! | 0 | format version, 1 |
//! | 1 | team, 32 bytes |
//! | 2 | event id, 16 bytes |
//! | 3 | store, 16 bytes |
//! | 4 | stream: 0 charter, 1 shared, 2 local |
//! | 5 | seq, from 1 without gaps |
//! | 6 | SHA-256 of the previous header of the log, zeros at seq 1 |
//! | 7 | hybrid logical clock: 48 bits of milliseconds, 16 of counter |
//! | 8 | action |
//! | 9 | subject: `[kind, id]` |
//! | 10 | version of the subject: map of store to counter |
//! | 11 | bitmap of the fields it sets |
//! | 12 | SHA-256 of the payload |
//! | 13 | length of the payload in bytes |
//! | 14 | seal: `[role, key epoch]`; absent when there is none |
//!
//! Higher keys belong to newer versions: a reader skips them, and they are kept, because the bytes are kept.
//!
//! A log goes on only where every header in it can be placed, so what places a header (team, store, stream, sequence
//! number, previous hash, hash and length of the payload) is read strictly. The rest is content: where it cannot be
//! read, or breaks a rule, the event keeps its place and does nothing. [`Header::flaw`] says why; every node says the
//! same, because the bytes are all it depends on.

use minicbor::Decoder;

use super::{Action, Subject, payload_bytes_max};
use crate::cbor;
use crate::ids::{EventId, Hash, StoreId, TeamId};
use crate::log::Stream;
use crate::time::Hlc;
use crate::vclock::{COUNTER_MAX, VClock};

/// Longest header, in bytes.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;

/// Version of the header format.
pub const VERSION: u64 = 1;

/// First key that this version does not know.
pub const KEY_UNKNOWN_FIRST: u64 = 15;

/// Most keys of a header, those of newer versions included.
const KEYS_MAX: usize = 64;

/// Longest role name in a seal, in bytes.
const ROLE_BYTES_MAX: usize = 64;

/// Why bytes are not a header, or not this header's payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not canonical CBOR of the right shape.
    #[error("malformed header: {0}")]
    Cbor(#[from] cbor::Error),
    /// Longer than [`HEADER_BYTES_MAX`].
    #[error("a header of {0} bytes, the limit is {HEADER_BYTES_MAX}")]
    TooLarge(usize),
    /// A format this version does not read.
    #[error("header format {0}, this version reads {VERSION}")]
    Version(u64),
    /// A stream that does not exist.
    #[error("unknown stream {0}")]
    Stream(u64),
    /// Sequence numbers count from 1.
    #[error("sequence number 0")]
    SeqZero,
    /// Only the first event of a log opens it, and it must.
    #[error("event {seq} of a log has the action {action}")]
    Opening {
        /// Its sequence number.
        seq: u64,
        /// Its action.
        action: Action,
    },
    /// The payload is longer than its stream allows.
    #[error("a payload of {got} bytes, the limit is {limit}")]
    PayloadTooLarge {
        /// How long the header says it is.
        got: u64,
        /// How long it may be.
        limit: u64,
    },
    /// The header would be read as flawed.
    #[error("{0}")]
    Flawed(Flaw),
    /// The payload's length or hash is not the one in the header.
    #[error("the payload is not the one the header names")]
    PayloadMismatch,
}

/// What is wrong with the content of a header whose place in its log is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Flaw {
    /// A part of it is missing or is not what it should be.
    #[error("a part of the header cannot be read")]
    Content,
    /// Its subject is of a known kind and has an id that is none.
    #[error("the id of the subject is none of its kind")]
    SubjectId,
    /// It counts more edits of its own store than that store has events, or more of any than can be counted.
    #[error("a counter of its version is beyond its limit")]
    Counter,
    /// Its payload is longer than its stream allows.
    #[error("its payload is longer than may be")]
    PayloadTooLarge,
}

/// Which role may read a sealed payload, and which of its keys opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The role's name.
    pub role: String,
    /// Record hash of the role key.
    pub epoch: Hash,
}

/// Everything about an event that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The team it was written in.
    pub team: TeamId,
    /// Its id, monotonic per store.
    pub id: EventId,
    /// The store that wrote it.
    pub store: StoreId,
    /// Which of the store's logs.
    pub stream: Stream,
    /// Position in the log, from 1 without gaps.
    pub seq: u64,
    /// SHA-256 of the previous header, zeros at seq 1.
    pub prev: Hash,
    /// When, by the author's hybrid logical clock.
    pub hlc: Hlc,
    /// What it does.
    pub action: Action,
    /// To what.
    pub subject: Subject,
    /// Edits of the subject that the author knew, this one included; for charter records what the author had seen.
    pub version: VClock,
    /// Bit `n` is set when field `n` is set or cleared.
    pub fields: u64,
    /// SHA-256 of the payload.
    pub payload_hash: Hash,
    /// Length of the payload in bytes.
    pub payload_len: u64,
    /// Who may read the payload, if not everybody.
    pub seal: Option<Seal>,
}

impl Header {
    /// The canonical bytes.
    ///
    /// # Errors
    /// [`Error`] when the header breaks a rule that a reader would refuse it for.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.validate()?;
        let bytes = cbor::encode(|out| {
            cbor::map(out, 14 + usize::from(self.seal.is_some()));
            let ids: [(u64, &[u8]); 3] = [(1, &self.team.0), (2, &self.id.0), (3, &self.store.0)];
            cbor::uint(out, 0);
            cbor::uint(out, VERSION);
            for (key, id) in ids {
                cbor::uint(out, key);
                cbor::bytes(out, id);
            }
            for (key, number) in [(4, u64::from(self.stream.number())), (5, self.seq)] {
                cbor::uint(out, key);
                cbor::uint(out, number);
            }
            cbor::uint(out, 6);
            cbor::bytes(out, &self.prev.0);
            for (key, number) in [(7, self.hlc.0), (8, self.action.number())] {
                cbor::uint(out, key);
                cbor::uint(out, number);
            }
            cbor::uint(out, 9);
            self.subject.encode(out);
            cbor::uint(out, 10);
            self.version.encode(out);
            cbor::uint(out, 11);
            cbor::uint(out, self.fields);
            cbor::uint(out, 12);
            cbor::bytes(out, &self.payload_hash.0);
            cbor::uint(out, 13);
            cbor::uint(out, self.payload_len);
            if let Some(seal) = &self.seal {
                cbor::uint(out, 14);
                cbor::array(out, 2);
                cbor::text(out, &seal.role);
                cbor::bytes(out, &seal.epoch.0);
            }
        });
        if bytes.len() > HEADER_BYTES_MAX { Err(Error::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads a header: its place strictly, its content as far as it can be read.
    ///
    /// # Errors
    /// [`Error`] with the rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(Error::TooLarge(bytes.len()));
        }
        cbor::check(bytes)?;
        let mut input = Decoder::new(bytes);
        let keys = cbor::read_map(&mut input, KEYS_MAX)?;
        let mut parts = Parts { input, left: keys, next: None, flawed: false };
        parts.advance();
        let version = parts.place(0, uint)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let mut header = Self::decode_known(&mut parts)?;
        if parts.next == Some(14) {
            header.seal = parts.content(14, decode_seal)?;
        }
        header.check_place()?;
        if parts.flawed || (header.action == Action::Open && header.seq != 1) {
            header.action = Action::Malformed;
        }
        Ok(header)
    }

    /// Reads keys 1 to 13, which every header has.
    fn decode_known(parts: &mut Parts<'_>) -> Result<Self, Error> {
        let number = |number: Option<u64>| number.unwrap_or_default();
        Ok(Self {
            team: TeamId(parts.place(1, cbor::read_array)?),
            id: EventId(parts.content(2, cbor::read_array)?.unwrap_or_default()),
            store: StoreId(parts.place(3, cbor::read_array)?),
            stream: parts.place(4, uint).and_then(|n| Stream::from_number(n).ok_or(Error::Stream(n)))?,
            seq: parts.place(5, uint)?,
            prev: Hash(parts.place(6, cbor::read_array)?),
            hlc: Hlc(number(parts.content(7, uint)?)),
            action: parts.content(8, uint)?.map_or(Action::Malformed, Action::from_number),
            subject: parts.content(9, Subject::decode)?.unwrap_or(Subject::Malformed { kind: 0, id: Vec::new() }),
            version: parts.content(10, VClock::decode)?.unwrap_or_default(),
            fields: number(parts.content(11, uint)?),
            payload_hash: Hash(parts.place(12, cbor::read_array)?),
            payload_len: parts.place(13, uint)?,
            seal: None,
        })
    }

    /// The rules of a header's place that it can break by itself.
    fn check_place(&self) -> Result<(), Error> {
        if self.seq == 0 {
            return Err(Error::SeqZero);
        }
        if self.seq == 1 && self.action != Action::Open {
            return Err(Error::Opening { seq: self.seq, action: self.action });
        }
        if self.seq == 1 && self.prev != Hash([0; 32]) {
            return Err(cbor::Error::Value("the first event of a log has a previous one").into());
        }
        Ok(())
    }

    /// The rules that an author keeps.
    fn validate(&self) -> Result<(), Error> {
        self.check_place()?;
        if self.seq != 1 && self.action == Action::Open {
            return Err(Error::Opening { seq: self.seq, action: self.action });
        }
        self.check_payload_len()?;
        self.flaw().map_or(Ok(()), |flaw| Err(Error::Flawed(flaw)))
    }

    /// Why the event does nothing although its place in the log is sound; see [`Flaw`]. Of a charter record the
    /// charter's own rules decide instead.
    pub fn flaw(&self) -> Option<Flaw> {
        let own = self.version.get(&self.store);
        if self.action == Action::Malformed {
            Some(Flaw::Content)
        } else if matches!(self.subject, Subject::Malformed { .. }) {
            Some(Flaw::SubjectId)
        } else if own > self.seq || self.version.iter().any(|(_, count)| count > COUNTER_MAX) {
            Some(Flaw::Counter)
        } else {
            (!self.payload_fits()).then_some(Flaw::PayloadTooLarge)
        }
    }

    /// Whether its payload is one that may be held.
    pub fn payload_fits(&self) -> bool {
        self.check_payload_len().is_ok()
    }

    fn check_payload_len(&self) -> Result<(), Error> {
        let (got, limit) = (self.payload_len, payload_bytes_max(self.stream) as u64);
        if got > limit { Err(Error::PayloadTooLarge { got, limit }) } else { Ok(()) }
    }

    /// Whether `payload` is the payload this header names.
    ///
    /// # Errors
    /// [`Error::PayloadMismatch`] when it is not, [`Error::PayloadTooLarge`] when nobody may hold it.
    pub fn check_payload(&self, payload: &[u8]) -> Result<(), Error> {
        self.check_payload_len()?;
        let same = payload.len() as u64 == self.payload_len && Hash::of(payload) == self.payload_hash;
        if same { Ok(()) } else { Err(Error::PayloadMismatch) }
    }
}

/// The parts of a header, read in the order of their keys.
struct Parts<'a> {
    input: Decoder<'a>,
    /// Keys that were not looked at.
    left: u64,
    /// The key whose value comes next. Keys ascend, so what is neither ours nor a number is behind all that is.
    next: Option<u64>,
    /// Whether a part of the content was missing or could not be read.
    flawed: bool,
}

impl Parts<'_> {
    fn advance(&mut self) {
        self.next = if self.left == 0 { None } else { self.input.u64().ok() };
        self.left = self.left.saturating_sub(1);
    }

    /// A part without which the header has no place.
    fn place<T>(&mut self, key: u64, read: fn(&mut Decoder<'_>) -> Result<T, cbor::Error>) -> Result<T, Error> {
        if self.next != Some(key) {
            return Err(cbor::Error::Missing(key).into());
        }
        let value = read(&mut self.input)?;
        self.advance();
        Ok(value)
    }

    /// A part without which the event does nothing.
    fn content<T>(
        &mut self,
        key: u64,
        read: fn(&mut Decoder<'_>) -> Result<T, cbor::Error>,
    ) -> Result<Option<T>, Error> {
        let mut value = None;
        if self.next == Some(key) {
            let at = self.input.position();
            value = read(&mut self.input).ok();
            if value.is_none() {
                self.input.set_position(at);
                self.input.skip().map_err(cbor::Error::from)?;
            }
            self.advance();
        }
        self.flawed |= value.is_none();
        Ok(value)
    }
}

fn uint(input: &mut Decoder<'_>) -> Result<u64, cbor::Error> {
    Ok(input.u64()?)
}

fn decode_seal(input: &mut Decoder<'_>) -> Result<Seal, cbor::Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(cbor::Error::Value("a seal is a role and a key epoch"));
    }
    Ok(Seal { role: cbor::read_text(input, ROLE_BYTES_MAX)?, epoch: Hash(cbor::read_array(input)?) })
}
