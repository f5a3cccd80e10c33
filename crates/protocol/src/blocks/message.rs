//! What the two sides of a blocks stream say to each other.
//!
//! | kind (key 0) | other keys | who |
//! |---|---|---|
//! | 0 want | 1 root, and either 2 hash of a manifest or 3 list of [first, count] | asker |
//! | 1 manifest | 1 bytes | holder |
//! | 2 block | 1 root, 2 number, 3 bytes | holder |
//! | 3 missing | as want | holder |
//! | 4 busy | | holder |
//! | 5 bye | | both |
//!
//! The root names the document, blocks are counted from 0 in the whole of it. Ranges are ascending and do not touch.
//! A frame is the message as it is: ciphertext does not get shorter. A kind that a newer version added is read as
//! [`Message::Unknown`] and ignored.

use std::fmt;
use std::ops::Range;

use antiphon_core::cbor::{self, Error};
use antiphon_core::content::{BLOCK_BYTES, MANIFEST_BYTES_MAX};
use antiphon_core::ids::Hash;
use minicbor::Decoder;

use super::{BLOCKS_MAX, MESSAGE_BYTES_MAX, RANGES_MAX, WANTED_BLOCKS_MAX};
use crate::wire::{Fields, Out, read_fields, required};

/// One message of a blocks stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Send me these.
    Want {
        /// Of which document.
        root: Hash,
        /// What of it.
        what: What,
    },
    /// A manifest that was asked for, by its canonical bytes; their hash says which.
    Manifest(Vec<u8>),
    /// A block that was asked for.
    Block(Block),
    /// These are not here.
    Missing {
        /// Of which document.
        root: Hash,
        /// What of it.
        what: What,
    },
    /// Nothing of what was asked for will be sent: too many ask.
    Busy,
    /// The sender of this closes the stream.
    Bye,
    /// A kind of a newer version.
    Unknown(u64),
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The manifest of this hash.
    Manifest(Hash),
    /// Blocks: at least one, at most [`WANTED_BLOCKS_MAX`], in at most [`RANGES_MAX`] ranges.
    Blocks(Vec<Range<u64>>),
}

/// A block as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// Of which document.
    pub root: Hash,
    /// Which of its blocks.
    pub n: u64,
    /// At most [`BLOCK_BYTES`].
    pub bytes: Vec<u8>,
}

/// What is in a block says nothing to a person.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} of {:?}, {} bytes)", self.n, self.root, self.bytes.len())
    }
}

/// How many blocks ranges have.
pub(super) fn count(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum()
}

/// Puts ascending numbers together where they touch.
pub(super) fn ranges(numbers: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for n in numbers {
        match ranges.last_mut() {
            Some(last) if last.end == n => last.end = n + 1,
            _ => ranges.push(n..n + 1),
        }
    }
    ranges
}

impl What {
    /// Checks that it can be meant.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        let Self::Blocks(ranges) = self else { return Ok(()) };
        if ranges.is_empty() || ranges.iter().any(Range::is_empty) {
            return Err(Error::Value("a range without blocks"));
        }
        if ranges.windows(2).any(|two| two[0].end >= two[1].start) {
            return Err(Error::Value("ranges are ascending and do not touch"));
        }
        if ranges.last().is_some_and(|last| last.end > BLOCKS_MAX) {
            return Err(Error::Value("a block that no document has"));
        }
        let (what, got, limit) = ("a request for blocks", count(ranges), WANTED_BLOCKS_MAX);
        if got > limit { Err(Error::TooLong { what, got, limit }) } else { Ok(()) }
    }
}

impl Block {
    /// Checks that it can be one.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        if self.bytes.is_empty() {
            return Err(Error::Value("a block without bytes"));
        }
        if self.n >= BLOCKS_MAX {
            return Err(Error::Value("a block that no document has"));
        }
        let (what, got, limit) = ("a block", self.bytes.len() as u64, BLOCK_BYTES);
        if got > limit { Err(Error::TooLong { what, got, limit }) } else { Ok(()) }
    }
}

impl Message {
    const fn kind(&self) -> u64 {
        match self {
            Self::Want { .. } => 0,
            Self::Manifest(_) => 1,
            Self::Block(_) => 2,
            Self::Missing { .. } => 3,
            Self::Busy => 4,
            Self::Bye => 5,
            Self::Unknown(kind) => *kind,
        }
    }

    /// The canonical bytes, which are the frame.
    pub fn encode(&self) -> Vec<u8> {
        if let Self::Block(block) = self {
            return encode_block(block);
        }
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, self.kind()));
        match self {
            Self::Want { root, what } | Self::Missing { root, what } => {
                fields.put(1, |out| cbor::bytes(out, &root.0));
                match what {
                    What::Manifest(hash) => fields.put(2, |out| cbor::bytes(out, &hash.0)),
                    What::Blocks(ranges) => fields.put(3, |out| write_ranges(out, ranges)),
                }
            }
            Self::Manifest(bytes) => fields.put(1, |out| cbor::bytes(out, bytes)),
            Self::Block(_) | Self::Busy | Self::Bye | Self::Unknown(_) => {}
        }
        fields.finish()
    }

    /// Reads a message strictly. It takes no state, so it may run beside whoever drives the machine.
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
}

/// A block is long, so it is not copied from buffer to buffer.
fn encode_block(block: &Block) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(block.bytes.len() + 64);
    let mut out = minicbor::Encoder::new(&mut bytes);
    cbor::map(&mut out, 4);
    cbor::uint(&mut out, 0);
    cbor::uint(&mut out, 2);
    cbor::uint(&mut out, 1);
    cbor::bytes(&mut out, &block.root.0);
    cbor::uint(&mut out, 2);
    cbor::uint(&mut out, block.n);
    cbor::uint(&mut out, 3);
    cbor::bytes(&mut out, &block.bytes);
    bytes
}

/// What was read of a message so far.
#[derive(Default)]
struct Parts {
    kind: Option<u64>,
    root: Option<Hash>,
    manifest: Option<Hash>,
    ranges: Option<Vec<Range<u64>>>,
    n: Option<u64>,
    bytes: Option<Vec<u8>>,
}

impl Parts {
    /// Takes the value of a key. Keys come in ascending order, so the kind is known before all others.
    fn read(&mut self, key: u64, input: &mut Decoder<'_>) -> Result<bool, Error> {
        match (self.kind, key) {
            (None, 0) => self.kind = Some(input.u64()?),
            (Some(0 | 2 | 3), 1) => self.root = Some(Hash(cbor::read_array(input)?)),
            (Some(0 | 3), 2) => self.manifest = Some(Hash(cbor::read_array(input)?)),
            (Some(0 | 3), 3) => self.ranges = Some(read_ranges(input)?),
            (Some(1), 1) => self.bytes = Some(cbor::read_bytes(input, MANIFEST_BYTES_MAX)?),
            (Some(2), 2) => self.n = Some(input.u64()?),
            (Some(2), 3) => self.bytes = Some(cbor::read_bytes(input, MESSAGE_BYTES_MAX)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Message, Error> {
        Ok(match required(self.kind, 0)? {
            kind @ (0 | 3) => {
                let root = required(self.root, 1)?;
                let what = match (self.manifest, self.ranges) {
                    (Some(hash), None) => What::Manifest(hash),
                    (None, Some(ranges)) => What::Blocks(ranges),
                    _ => return Err(Error::Value("either a manifest or blocks")),
                };
                what.validate()?;
                if kind == 0 { Message::Want { root, what } } else { Message::Missing { root, what } }
            }
            1 => Message::Manifest(required(self.bytes, 1)?),
            2 => {
                let (root, n) = (required(self.root, 1)?, required(self.n, 2)?);
                let block = Block { root, n, bytes: required(self.bytes, 3)? };
                block.validate()?;
                Message::Block(block)
            }
            4 => Message::Busy,
            5 => Message::Bye,
            kind => Message::Unknown(kind),
        })
    }
}

fn write_ranges(out: &mut Out<'_>, ranges: &[Range<u64>]) {
    cbor::array(out, ranges.len());
    for range in ranges {
        cbor::array(out, 2);
        cbor::uint(out, range.start);
        cbor::uint(out, range.end.saturating_sub(range.start));
    }
}

fn read_ranges(input: &mut Decoder<'_>) -> Result<Vec<Range<u64>>, Error> {
    let read = |input: &mut Decoder<'_>| {
        if cbor::read_list(input, 2)? != 2 {
            return Err(Error::Value("a range is a first block and how many"));
        }
        let (first, count) = (input.u64()?, input.u64()?);
        let end = first.checked_add(count).ok_or(Error::Value("a block that no document has"))?;
        Ok(first..end)
    };
    (0..cbor::read_list(input, RANGES_MAX)?).map(|_| read(input)).collect()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, clippy::cast_possible_truncation)]
mod tests {
    use super::*;

    const ROOT: Hash = Hash([7; 32]);

    fn want(ranges: Vec<Range<u64>>) -> Message {
        Message::Want { root: ROOT, what: What::Blocks(ranges) }
    }

    fn block(n: u64, len: usize) -> Message {
        Message::Block(Block { root: ROOT, n, bytes: vec![9; len] })
    }

    #[test]
    fn every_message_reads_back() {
        let blocks = What::Blocks(vec![0..3, 5..6, BLOCKS_MAX - 1..BLOCKS_MAX]);
        for message in [
            want(vec![0..WANTED_BLOCKS_MAX]),
            Message::Want { root: ROOT, what: What::Manifest(Hash([1; 32])) },
            Message::Manifest(vec![1; MANIFEST_BYTES_MAX]),
            block(0, BLOCK_BYTES as usize),
            block(BLOCKS_MAX - 1, 1),
            Message::Missing { root: ROOT, what: blocks },
            Message::Missing { root: ROOT, what: What::Manifest(ROOT) },
            Message::Busy,
            Message::Bye,
            Message::Unknown(77),
        ] {
            let bytes = message.encode();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX, "{message:?}");
            assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let check = |message: Message, why: &str| {
            let error = Message::decode(&message.encode()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}: {message:?}");
        };
        check(want(Vec::new()), "without blocks");
        check(want(vec![0..1, 4..4]), "without blocks");
        check(want(vec![0..2, 2..3]), "do not touch");
        check(want(vec![4..5, 0..1]), "do not touch");
        check(want(vec![BLOCKS_MAX..BLOCKS_MAX + 1]), "no document has");
        check(want(vec![0..WANTED_BLOCKS_MAX + 1]), "the limit is 64");
        check(want((0..65).map(|n| 2 * n..2 * n + 1).collect()), "the limit is 64");
        check(block(0, 0), "without bytes");
        check(block(BLOCKS_MAX, 1), "no document has");
        check(block(0, BLOCK_BYTES as usize + 1), "the limit is 262144");
        check(Message::Manifest(vec![0; MANIFEST_BYTES_MAX + 1]), "the limit is");
        assert!(Message::decode(&vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_request_names_one_thing() {
        let fields = |keys: &[u64]| {
            let mut fields = Fields::default();
            fields.put(0, |out| cbor::uint(out, 0));
            fields.put(1, |out| cbor::bytes(out, &ROOT.0));
            for key in keys {
                match key {
                    2 => fields.put(2, |out| cbor::bytes(out, &ROOT.0)),
                    _ => fields.put(3, |out| write_ranges(out, &[0..u64::MAX])),
                }
            }
            Message::decode(&fields.finish()).unwrap_err()
        };
        assert_eq!(fields(&[]), Error::Value("either a manifest or blocks"));
        assert_eq!(fields(&[2, 3]), Error::Value("either a manifest or blocks"));
        assert_eq!(fields(&[3]), Error::Value("a block that no document has"));
    }

    #[test]
    fn numbers_that_touch_become_one_range() {
        assert_eq!(ranges([1, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
        assert_eq!(count(&ranges([1, 2, 3, 7])), 4);
        assert!(ranges([]).is_empty());
    }
}
