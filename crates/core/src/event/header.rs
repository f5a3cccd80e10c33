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
//! Higher keys belong to newer versions: they are read over and kept, because the bytes are kept.

use minicbor::Decoder;

use super::{Action, Subject, payload_bytes_max};
use crate::cbor;
use crate::ids::{EventId, Hash, StoreId, TeamId};
use crate::log::Stream;
use crate::time::Hlc;
use crate::vclock::VClock;

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
    /// The payload's length or hash is not the one in the header.
    #[error("the payload is not the one the header names")]
    PayloadMismatch,
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

    /// Reads a header strictly.
    ///
    /// # Errors
    /// [`Error`] with the rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(Error::TooLarge(bytes.len()));
        }
        cbor::check(bytes)?;
        let input = &mut Decoder::new(bytes);
        let keys = cbor::read_map(input, KEYS_MAX)?;
        required(input, 0)?;
        let version = input.u64().map_err(cbor::Error::from)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let header = Self::decode_known(input)?;
        let mut read = 14;
        let seal = match next_key(input, keys, &mut read)? {
            Some(14) => {
                let seal = Some(decode_seal(input)?);
                let _later = next_key(input, keys, &mut read)?;
                seal
            }
            _ => None,
        };
        let header = Self { seal, ..header };
        header.validate()?;
        Ok(header)
    }

    /// Reads keys 1 to 13, which every header has.
    fn decode_known(input: &mut Decoder<'_>) -> Result<Self, Error> {
        let mut keyed = Keyed(input);
        Ok(Self {
            team: TeamId(keyed.array(1)?),
            id: EventId(keyed.array(2)?),
            store: StoreId(keyed.array(3)?),
            stream: keyed.uint(4).and_then(|n| Stream::from_number(n).ok_or(Error::Stream(n)))?,
            seq: keyed.uint(5)?,
            prev: Hash(keyed.array(6)?),
            hlc: Hlc(keyed.uint(7)?),
            action: Action::from_number(keyed.uint(8)?),
            subject: keyed.with(9, Subject::decode)?,
            version: keyed.with(10, VClock::decode)?,
            fields: keyed.uint(11)?,
            payload_hash: Hash(keyed.array(12)?),
            payload_len: keyed.uint(13)?,
            seal: None,
        })
    }

    /// The rules that one header can break by itself.
    fn validate(&self) -> Result<(), Error> {
        if self.seq == 0 {
            return Err(Error::SeqZero);
        }
        if (self.seq == 1) != (self.action == Action::Open) {
            return Err(Error::Opening { seq: self.seq, action: self.action });
        }
        if self.seq == 1 && self.prev != Hash([0; 32]) {
            return Err(cbor::Error::Value("the first event of a log has a previous one").into());
        }
        let limit = payload_bytes_max(self.stream) as u64;
        if self.payload_len > limit {
            return Err(Error::PayloadTooLarge { got: self.payload_len, limit });
        }
        Ok(())
    }

    /// Whether `payload` is the payload this header names.
    ///
    /// # Errors
    /// [`Error::PayloadMismatch`] when it is not.
    pub fn check_payload(&self, payload: &[u8]) -> Result<(), Error> {
        let same = payload.len() as u64 == self.payload_len && Hash::of(payload) == self.payload_hash;
        if same { Ok(()) } else { Err(Error::PayloadMismatch) }
    }
}

/// Reads values that stand under the keys that are due.
struct Keyed<'a, 'b>(&'a mut Decoder<'b>);

impl Keyed<'_, '_> {
    fn with<T>(&mut self, key: u64, read: impl FnOnce(&mut Decoder<'_>) -> Result<T, cbor::Error>) -> Result<T, Error> {
        required(self.0, key)?;
        Ok(read(self.0)?)
    }

    fn array<const N: usize>(&mut self, key: u64) -> Result<[u8; N], Error> {
        self.with(key, cbor::read_array)
    }

    fn uint(&mut self, key: u64) -> Result<u64, Error> {
        self.with(key, |input| Ok(input.u64()?))
    }
}

/// Reads the key that must come next.
fn required(input: &mut Decoder<'_>, key: u64) -> Result<(), Error> {
    match input.u64() {
        Ok(got) if got == key => Ok(()),
        _ => Err(cbor::Error::Missing(key).into()),
    }
}

/// Reads the next key, if there is one. Skipping what a newer version added is left to the end of the bytes: nothing
/// after an unknown key is ours, because keys ascend.
fn next_key(input: &mut Decoder<'_>, keys: u64, read: &mut u64) -> Result<Option<u64>, Error> {
    if *read >= keys {
        return Ok(None);
    }
    *read += 1;
    Ok(Some(input.u64().map_err(cbor::Error::from)?))
}

fn decode_seal(input: &mut Decoder<'_>) -> Result<Seal, cbor::Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(cbor::Error::Value("a seal is a role and a key epoch"));
    }
    Ok(Seal { role: cbor::read_text(input, ROLE_BYTES_MAX)?, epoch: Hash(cbor::read_array(input)?) })
}
