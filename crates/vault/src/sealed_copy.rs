//! Sealed copies: a node's private facts, kept by others who cannot read them.
//!
//! The *local* stream never leaves its node, so a lost disk takes it along. Sending it to a friend in the clear gives
//! it away; sending it as one sealed file means sending all of it again after every change. So it is cut into
//! **parts**, each a range of one local log, and every part is sealed to the node's own recipient, which the recovery
//! phrase brings back. A later copy only adds the parts that follow; a part that is damaged costs its own range alone.
//!
//! A part is a short name, then zstd of a canonical CBOR list: version, store, sequence number of the first event, and
//! the events as they are in the log: `[header, payload or null, signature or null]`. They are not read here, so what
//! a newer version wrote survives an older one.
//!
//! Limits: whoever knows the recipient can seal something to it, so a part proves nothing about who made it. The
//! events in it are signed by the node itself, and they are verified as a log before they count. Holders learn how
//! much there is and when it grew.

use antiphon_core::cbor;
use antiphon_core::event::{Event, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX, Run, verify_run};
use antiphon_core::ids::{StoreId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::Signature;
use minicbor::{Decoder, Encoder};
use zeroize::Zeroizing;
use zstd::zstd_safe::get_frame_content_size;

use crate::key::NodeKey;
use crate::seal;

/// Most bytes of a part before it is compressed.
pub const PART_BYTES_MAX: usize = 512 * 1024;

/// Most events of a part. With headers of some two hundred bytes the bytes run out first.
pub const PART_EVENTS_MAX: usize = 4_096;

/// Most bytes of a part once it is compressed and named. zstd adds at most 1/256 to what does not compress.
pub const ENCODED_BYTES_MAX: usize = NAME.len() + PART_BYTES_MAX + PART_BYTES_MAX / 256 + 64;

/// Most bytes of a sealed part; 1 KiB is for the age header, its filler, and 16 bytes for every 64 KiB begun.
pub const SEALED_PART_BYTES_MAX: usize = ENCODED_BYTES_MAX + 1_024;

/// What the plaintext begins with, so that nothing else that is sealed to a node can pass for a part.
const NAME: &[u8] = b"antiphon/sealed-copy/1\n";

/// Version of the list.
const VERSION: u64 = 1;

/// A part is written once and kept long, so it is worth more effort than a page on the wire.
const LEVEL: i32 = 6;

/// Bytes of a part without events: heads of lists, version, store, sequence number.
const FRAME_BYTES: usize = 1 + 1 + 17 + 9 + 3;

/// Bytes that CBOR adds to an event: heads of the list and of three byte strings.
const EVENT_FRAME_BYTES: usize = 1 + 5 + 5 + 2;

/// Why there is no sealed part, or none in what was given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be sealed or opened, or is too large to be a part.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// It opens, but is something else.
    #[error("what was sealed is no part of a copy")]
    NotAPart,
    /// It was made by a newer version.
    #[error("a sealed copy of version {0}, this version reads {VERSION}")]
    Version(u64),
    /// It cannot be unpacked.
    #[error("the sealed copy is damaged: {0}")]
    Damaged(&'static str),
    /// It is not made as a part is.
    #[error("malformed sealed copy: {0}")]
    Malformed(#[from] cbor::Error),
    /// It was asked for as the part of another range.
    #[error("it is of another range than it was kept under")]
    OtherRange,
    /// An event in it cannot be read.
    #[error("malformed event in the sealed copy: {0}")]
    Event(antiphon_core::event::HeaderError),
    /// It cannot be compressed.
    #[error("the copy cannot be compressed: {0}")]
    Compress(std::io::Error),
}

/// One event as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// The header bytes that were signed.
    pub header: Vec<u8>,
    /// The payload bytes, where they are held.
    pub payload: Option<Vec<u8>>,
    /// The signature over this very header, where it is held.
    pub signature: Option<Signature>,
}

impl RawEvent {
    fn encoded_bytes_max(&self) -> usize {
        let signature = self.signature.map_or(0, |signature| signature.0.len());
        EVENT_FRAME_BYTES + self.header.len() + self.payload.as_ref().map_or(0, Vec::len) + signature
    }

    fn check(&self) -> Result<(), Error> {
        check_size("header of an event", self.header.len(), HEADER_BYTES_MAX)?;
        check_size("payload of an event", self.payload.as_ref().map_or(0, Vec::len), PAYLOAD_BYTES_MAX)
    }
}

/// What became of an event that was pushed.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// It is in the part.
    Taken,
    /// The part is full: seal it, and begin the next with this event.
    Full(RawEvent),
}

/// A range of one local log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    store: StoreId,
    first_seq: u64,
    events: Vec<RawEvent>,
    bytes: usize,
}

impl Part {
    /// An empty part of the local log of `store` that begins at `first_seq`.
    pub fn new(store: StoreId, first_seq: u64) -> Self {
        Self { store, first_seq, events: Vec::new(), bytes: FRAME_BYTES }
    }

    /// Adds the next event, unless the part is full. An empty part takes any event that a log can hold.
    ///
    /// # Errors
    /// [`seal::Error::TooLarge`] when the event is larger than a log can hold.
    pub fn push(&mut self, event: RawEvent) -> Result<Push, Error> {
        event.check()?;
        let bytes = self.bytes + event.encoded_bytes_max();
        if bytes > PART_BYTES_MAX || self.events.len() >= PART_EVENTS_MAX {
            return Ok(Push::Full(event));
        }
        self.bytes = bytes;
        self.events.push(event);
        Ok(Push::Taken)
    }

    /// The store whose local log it is of.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Sequence number of the first event.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Sequence number that the part after this one begins with.
    pub fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.events.len() as u64)
    }

    /// The events in the order of the log, unverified.
    pub fn events(&self) -> &[RawEvent] {
        &self.events
    }

    /// The events in the order of the log, unverified.
    pub fn into_events(self) -> Vec<RawEvent> {
        self.events
    }
}

/// Makes the bytes of a part; nobody but this node should see them before they are sealed.
///
/// # Errors
/// When they cannot be compressed.
pub fn encode(part: &Part) -> Result<Zeroizing<Vec<u8>>, Error> {
    let plain = Zeroizing::new(cbor::encode(|out| write(out, part)));
    let packed = Zeroizing::new(zstd::bulk::compress(&plain, LEVEL).map_err(Error::Compress)?);
    Ok(Zeroizing::new([NAME, packed.as_slice()].concat()))
}

/// Reads the bytes of a part. How much it unpacks to is checked before any memory is set aside.
///
/// # Errors
/// [`Error`] with what is wrong.
pub fn decode(bytes: &[u8]) -> Result<Part, Error> {
    check_size("part of a copy", bytes.len(), ENCODED_BYTES_MAX)?;
    let packed = bytes.strip_prefix(NAME).ok_or(Error::NotAPart)?;
    let size = get_frame_content_size(packed).ok().flatten().ok_or(Error::Damaged("it does not say its length"))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    check_size("unpacked part of a copy", size, PART_BYTES_MAX)?;
    let plain = zstd::bulk::decompress(packed, size).map_err(|_| Error::Damaged("it cannot be unpacked"))?;
    let plain = Zeroizing::new(plain);
    if plain.len() != size {
        return Err(Error::Damaged("it unpacks to another length than it says"));
    }
    cbor::check(&plain)?;
    let version = version_of(&plain)?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    Ok(cbor::decode(&plain, read)?)
}

/// Seals a part to the node's own recipient, which is [`NodeKey::age_recipient`].
///
/// # Errors
/// When it cannot be compressed or the recipient is not usable.
pub fn seal(part: &Part, recipient: &str) -> Result<Vec<u8>, Error> {
    Ok(seal::seal_to(recipient, &encode(part)?)?)
}

/// Opens a sealed part of this node's own copy.
///
/// # Errors
/// [`Error`] with what is wrong.
pub fn open(key: &NodeKey, sealed: &[u8]) -> Result<Part, Error> {
    check_size("sealed part of a copy", sealed.len(), SEALED_PART_BYTES_MAX)?;
    decode(&key.open_sealed(sealed)?)
}

/// Opens the part of the local log of `store` that was kept as beginning at `first`, and verifies those of its events
/// that follow `head`: nothing that a holder says counts by itself.
///
/// # Errors
/// [`Error`] with what is wrong with the part as a whole; what is wrong with its events stands in the run.
pub fn follow(
    key: &NodeKey,
    team: &TeamId,
    (store, head): (StoreId, Head),
    first: u64,
    sealed: &[u8],
) -> Result<Run, Error> {
    let part = open(key, sealed)?;
    if part.store() != store || part.first_seq() != first {
        return Err(Error::OtherRange);
    }
    let held = usize::try_from(head.seq.saturating_sub(first.saturating_sub(1))).unwrap_or(usize::MAX);
    let parse = |raw: RawEvent| Event::parse(raw.header, raw.payload, raw.signature);
    let events = part.into_events().into_iter().skip(held).map(parse).collect::<Result<Vec<_>, _>>();
    let log = LogId::new(store, Stream::Local);
    Ok(verify_run(team, log, &key.node_id(), head, events.map_err(Error::Event)?))
}

fn check_size(what: &'static str, got: usize, limit: usize) -> Result<(), Error> {
    Ok(seal::check_size(what, got, limit)?)
}

fn write(out: &mut Encoder<&mut Vec<u8>>, part: &Part) {
    cbor::array(out, 4);
    cbor::uint(out, VERSION);
    cbor::bytes(out, &part.store.0);
    cbor::uint(out, part.first_seq);
    cbor::array(out, part.events.len());
    for event in &part.events {
        cbor::array(out, 3);
        cbor::bytes(out, &event.header);
        write_option(out, event.payload.as_deref());
        write_option(out, event.signature.as_ref().map(|signature| signature.0.as_slice()));
    }
}

fn write_option(out: &mut Encoder<&mut Vec<u8>>, value: Option<&[u8]>) {
    match value {
        Some(value) => cbor::bytes(out, value),
        None => cbor::null(out),
    }
}

/// The first entry, whatever follows: a later version may have another list.
fn version_of(plain: &[u8]) -> Result<u64, cbor::Error> {
    let mut input = Decoder::new(plain);
    if input.array()?.is_none_or(|entries| entries == 0) {
        return Err(cbor::Error::Value("a list without a version"));
    }
    Ok(input.u64()?)
}

fn read(input: &mut Decoder<'_>) -> Result<Part, cbor::Error> {
    exactly(input, 4)?;
    input.u64()?;
    let store = StoreId(cbor::read_array(input)?);
    let first_seq = input.u64()?;
    let count = cbor::read_list(input, PART_EVENTS_MAX)?;
    if first_seq == 0 || first_seq.checked_add(count).is_none() {
        return Err(cbor::Error::Value("a range that no log has"));
    }
    let mut part = Part::new(store, first_seq);
    for _ in 0..count {
        let event = read_event(input)?;
        part.bytes += event.encoded_bytes_max();
        part.events.push(event);
    }
    Ok(part)
}

fn read_event(input: &mut Decoder<'_>) -> Result<RawEvent, cbor::Error> {
    exactly(input, 3)?;
    let header = cbor::read_bytes(input, HEADER_BYTES_MAX)?;
    let payload = cbor::read_option(input, |input| cbor::read_bytes(input, PAYLOAD_BYTES_MAX))?;
    let signature = cbor::read_option(input, |input| cbor::read_array(input).map(Signature))?;
    Ok(RawEvent { header, payload, signature })
}

fn exactly(input: &mut Decoder<'_>, want: u64) -> Result<(), cbor::Error> {
    if input.array()? == Some(want) { Ok(()) } else { Err(cbor::Error::Value("a list of the wrong length")) }
}
