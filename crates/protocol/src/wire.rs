//! What the encodings of all messages share: maps with integer keys, and the parts that several messages carry.
//!
//! A message is a canonical CBOR map. Absent values are left out, and keys that a newer version added are skipped,
//! so that nodes of two versions can talk.

use std::collections::BTreeMap;

use antiphon_core::cbor::{self, Error};
use antiphon_core::event::{Event, Unverified};
use antiphon_core::ids::{Hash, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::sign::Signature;
use minicbor::{Decoder, Encoder};

use crate::reason::Reason;

/// Most keys of one message, those of newer versions included.
pub(crate) const KEYS_MAX: usize = 64;

/// The encoder of one message.
pub(crate) type Out<'a> = Encoder<&'a mut Vec<u8>>;

/// Collects the entries of a map; keys may be put in any order.
#[derive(Default)]
pub(crate) struct Fields(BTreeMap<u64, Vec<u8>>);

impl Fields {
    /// Puts a value under a key.
    pub(crate) fn put(&mut self, key: u64, write: impl FnOnce(&mut Out<'_>)) {
        self.0.insert(key, cbor::encode(write));
    }

    /// Puts a value under a key if there is one.
    pub(crate) fn put_some<T>(&mut self, key: u64, value: Option<T>, write: impl FnOnce(&mut Out<'_>, T)) {
        if let Some(value) = value {
            self.put(key, |out| write(out, value));
        }
    }

    /// The encoded map.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut bytes = cbor::encode(|out| cbor::map(out, self.0.len()));
        for (key, value) in self.0 {
            bytes.extend(cbor::encode(|out| cbor::uint(out, key)));
            bytes.extend(value);
        }
        bytes
    }
}

/// Reads a map: `read` takes the value of a key it knows and says so; other values are skipped.
pub(crate) fn read_fields(
    input: &mut Decoder<'_>,
    mut read: impl FnMut(u64, &mut Decoder<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    for _ in 0..cbor::read_map(input, KEYS_MAX)? {
        let key = input.u64()?;
        if !read(key, input)? {
            input.skip()?;
        }
    }
    Ok(())
}

/// The value of a key that must be there.
pub(crate) fn required<T>(value: Option<T>, key: u64) -> Result<T, Error> {
    value.ok_or(Error::Missing(key))
}

/// Writes a list of texts.
pub(crate) fn write_texts(out: &mut Out<'_>, texts: &[String]) {
    cbor::array(out, texts.len());
    texts.iter().for_each(|text| cbor::text(out, text));
}

/// Reads at most `limit` texts of at most `bytes` bytes each.
pub(crate) fn read_texts(input: &mut Decoder<'_>, limit: usize, bytes: usize) -> Result<Vec<String>, Error> {
    let len = cbor::read_list(input, limit)?;
    (0..len).map(|_| cbor::read_text(input, bytes)).collect()
}

/// Writes the name of a log: `[stream, store]`.
pub(crate) fn write_log(out: &mut Out<'_>, log: LogId) {
    cbor::array(out, 2);
    cbor::uint(out, log.stream.number().into());
    cbor::bytes(out, &log.store.0);
}

/// Reads the name of a log that may leave its node.
pub(crate) fn read_log(input: &mut Decoder<'_>) -> Result<LogId, Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(Error::Value("a log is a stream and a store"));
    }
    log_of(input)
}

fn log_of(input: &mut Decoder<'_>) -> Result<LogId, Error> {
    let stream = Stream::from_number(input.u64()?).filter(|stream| *stream != Stream::Local);
    let stream = stream.ok_or(Error::Value("a stream that is not synced"))?;
    Ok(LogId::new(StoreId(cbor::read_array(input)?), stream))
}

/// Writes a head: `[seq, hash]`.
pub(crate) fn write_head(out: &mut Out<'_>, head: Head) {
    cbor::array(out, 2);
    cbor::uint(out, head.seq);
    cbor::bytes(out, &head.hash.0);
}

/// Reads a head, the empty one included.
pub(crate) fn read_head(input: &mut Decoder<'_>) -> Result<Head, Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(Error::Value("a head is a sequence number and a hash"));
    }
    let head = Head { seq: input.u64()?, hash: Hash(cbor::read_array(input)?) };
    if (head.seq == 0) != (head == Head::EMPTY) {
        return Err(Error::Value("a head without events has no hash"));
    }
    Ok(head)
}

/// Writes a clock: a list of `[stream, store, seq, hash]` in the order of the logs.
pub(crate) fn write_clock(out: &mut Out<'_>, clock: &NodeClock) {
    cbor::array(out, clock.len());
    for (log, head) in clock {
        cbor::array(out, 4);
        cbor::uint(out, log.stream.number().into());
        cbor::bytes(out, &log.store.0);
        cbor::uint(out, head.seq);
        cbor::bytes(out, &head.hash.0);
    }
}

/// Reads a clock of at most `limit` logs, each listed once, in order, with at least one event.
pub(crate) fn read_clock(input: &mut Decoder<'_>, limit: usize) -> Result<NodeClock, Error> {
    let clock = read_heads(input, limit)?;
    if clock.values().any(|head| head.seq == 0) {
        return Err(Error::Value("a clock lists only logs with events"));
    }
    Ok(clock)
}

/// Reads heads of at most `limit` logs, each listed once, in order, empty ones included.
pub(crate) fn read_heads(input: &mut Decoder<'_>, limit: usize) -> Result<NodeClock, Error> {
    let mut clock = NodeClock::new();
    for _ in 0..cbor::read_list(input, limit)? {
        if cbor::read_list(input, 4)? != 4 {
            return Err(Error::Value("a clock entry has four parts"));
        }
        let log = log_of(input)?;
        let head = Head { seq: input.u64()?, hash: Hash(cbor::read_array(input)?) };
        if (head.seq == 0) != (head == Head::EMPTY) {
            return Err(Error::Value("a head without events has no hash"));
        }
        if clock.last_key_value().is_some_and(|(last, _)| *last >= log) {
            return Err(Error::Value("a clock lists its logs once, in order"));
        }
        clock.insert(log, head);
    }
    Ok(clock)
}

/// Writes an event: `[header, payload or null, signature or null]`.
pub(crate) fn write_event<State>(out: &mut Out<'_>, event: &Event<State>) {
    cbor::array(out, 3);
    cbor::bytes(out, event.header_bytes());
    match event.payload() {
        Some(payload) => cbor::bytes(out, payload),
        None => cbor::null(out),
    }
    match event.signature() {
        Some(signature) => cbor::bytes(out, &signature.0),
        None => cbor::null(out),
    }
}

/// Reads an event whose parts are together at most `limit` bytes long.
pub(crate) fn read_event(input: &mut Decoder<'_>, limit: usize) -> Result<Event<Unverified>, Error> {
    if cbor::read_list(input, 3)? != 3 {
        return Err(Error::Value("an event has three parts"));
    }
    let header = cbor::read_bytes(input, limit)?;
    let payload = cbor::read_option(input, |input| cbor::read_bytes(input, limit))?;
    let signature = cbor::read_option(input, |input| Ok(Signature(cbor::read_array(input)?)))?;
    parse_event(header, payload, signature)
}

/// Parses an event; why a header is refused is told to its author's developers, not over the wire.
pub(crate) fn parse_event(
    header: Vec<u8>,
    payload: Option<Vec<u8>>,
    signature: Option<Signature>,
) -> Result<Event<Unverified>, Error> {
    Event::parse(header, payload, signature).map_err(|error| Error::Malformed(error.to_string()))
}

/// Reads a reason; one that a newer version added is [`Reason::Other`].
pub(crate) fn read_reason(input: &mut Decoder<'_>) -> Result<Reason, Error> {
    let name = cbor::read_text(input, Reason::NAME_BYTES_MAX)?;
    Ok(Reason::from_name(&name).unwrap_or(Reason::Other))
}
