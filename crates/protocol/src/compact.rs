//! Pages without what their reader can work out.
//!
//! Of a header of some 250 bytes, most is known to whoever reads a page: team and store are those of the page, the
//! sequence number and the hash of the previous header follow from the event before, hash and length of the payload
//! from the payload itself. Hashes do not compress, so leaving them out saves what zstd cannot.
//!
//! But the bytes that were signed are the event, and a header may hold keys that this version does not know. So the
//! writer rebuilds every header the way a reader will and compares; an event whose bytes would differ by a single bit
//! is written in full. A reader needs no trust in this: a header that is rebuilt wrongly has another hash, so the
//! chain breaks and the page is refused.
//!
//! A page is `[base, events]`; the base `[team, seq, hash]` is what the first event follows. An event is written in
//! full as `[header, payload, signature]`, or in short as
//! `[id, hlc, action, kind, subject, version, fields, payload, signature, seal]`.

use antiphon_core::cbor::{self, Error};
use antiphon_core::event::{Action, Event, HEADER_BYTES_MAX, Header, SUBJECT_ID_BYTES_MAX, Seal, Subject, Unverified};
use antiphon_core::ids::{EventId, FactId, Hash, StoreId, TeamId};
use antiphon_core::log::{Head, LogId};
use antiphon_core::sign::Signature;
use antiphon_core::time::Hlc;
use antiphon_core::vclock::VClock;
use minicbor::Decoder;
use minicbor::data::Type;

use crate::frame::FRAME_PLAIN_BYTES_MAX;
use crate::sync::PAGE_EVENTS_MAX;
use crate::wire::{Out, parse_event, write_event};

/// Parts of an event that is written in full.
const FULL_PARTS: u64 = 3;
/// Parts of an event that is written in short.
const SHORT_PARTS: u64 = 10;
/// Most parts of an event; more are of no version that is known.
const PARTS_MAX: usize = 16;
/// Longest role name in a seal, in bytes.
const ROLE_BYTES_MAX: usize = 64;

/// What the next event of a page is expected to continue.
#[derive(Clone, Copy)]
struct Base {
    team: TeamId,
    log: LogId,
    head: Head,
    id: EventId,
    hlc: Hlc,
}

impl Base {
    fn new(team: TeamId, log: LogId, head: Head) -> Self {
        Self { team, log, head, id: EventId([0; 16]), hlc: Hlc(0) }
    }

    fn after<State>(&self, event: &Event<State>) -> Self {
        let header = event.header();
        Self { head: event.head(), id: header.id, hlc: header.hlc, ..*self }
    }

    /// Whether a reader can rebuild the very bytes of this event's header.
    fn rebuilds<State>(&self, event: &Event<State>) -> bool {
        let header = event.header();
        let follows = header.team == self.team
            && event.log() == self.log
            && self.head.seq.checked_add(1) == Some(header.seq)
            && header.prev == self.head.hash;
        follows && header.encode().is_ok_and(|bytes| bytes == event.header_bytes())
    }
}

/// Writes the events of a page of `log`.
pub(crate) fn write_events(out: &mut Out<'_>, log: LogId, events: &[Event<Unverified>]) {
    cbor::array(out, 2);
    let Some(first) = events.first().map(Event::header) else {
        cbor::null(out);
        cbor::array(out, 0);
        return;
    };
    let head = Head { seq: first.seq.saturating_sub(1), hash: first.prev };
    let mut base = Base::new(first.team, log, head);
    cbor::array(out, 3);
    cbor::bytes(out, &base.team.0);
    cbor::uint(out, head.seq);
    cbor::bytes(out, &head.hash.0);
    cbor::array(out, events.len());
    for event in events {
        if base.rebuilds(event) {
            write_short(out, &base, event);
        } else {
            write_event(out, event);
        }
        base = base.after(event);
    }
}

/// Reads the events of a page of `log`.
pub(crate) fn read_events(input: &mut Decoder<'_>, log: LogId) -> Result<Vec<Event<Unverified>>, Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(Error::Value("a page is a base and a list of events"));
    }
    let base = cbor::read_option(input, |input| {
        if cbor::read_list(input, 3)? != 3 {
            return Err(Error::Value("the base of a page has three parts"));
        }
        let team = TeamId(cbor::read_array(input)?);
        let head = Head { seq: input.u64()?, hash: Hash(cbor::read_array(input)?) };
        Ok(Base::new(team, log, head))
    })?;
    let len = cbor::read_list(input, PAGE_EVENTS_MAX)?;
    let Some(mut base) = base else {
        return if len == 0 { Ok(Vec::new()) } else { Err(Error::Value("a page without a base")) };
    };
    let mut events = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    for _ in 0..len {
        let event = match cbor::read_list(input, PARTS_MAX)? {
            FULL_PARTS => read_full(input)?,
            SHORT_PARTS => read_short(input, &base)?,
            _ => return Err(Error::Value("an event of an unknown shape")),
        };
        base = base.after(&event);
        events.push(event);
    }
    Ok(events)
}

fn read_full(input: &mut Decoder<'_>) -> Result<Event<Unverified>, Error> {
    let header = cbor::read_bytes(input, HEADER_BYTES_MAX)?;
    let payload = cbor::read_option(input, |input| cbor::read_bytes(input, FRAME_PLAIN_BYTES_MAX))?;
    let signature = cbor::read_option(input, |input| Ok(Signature(cbor::read_array(input)?)))?;
    let event = Event::parse_without_false_payload(header, payload, signature);
    event.map_err(|error| Error::Malformed(error.to_string()))
}

fn write_short(out: &mut Out<'_>, base: &Base, event: &Event<Unverified>) {
    let header = event.header();
    cbor::array(out, 10);
    // Ids of one store grow, often by one: the difference is short where the id is not.
    write_number(out, number(&header.id.0).wrapping_sub(number(&base.id.0)));
    cbor::uint(out, header.hlc.0.wrapping_sub(base.hlc.0));
    cbor::uint(out, header.action.number());
    write_subject(out, header);
    match header.version.len() {
        1 if header.version.get(&header.store) > 0 => cbor::uint(out, header.version.get(&header.store)),
        _ => header.version.encode(out),
    }
    cbor::uint(out, header.fields);
    match event.payload() {
        Some(payload) => cbor::bytes(out, payload),
        None => {
            cbor::array(out, 2);
            cbor::bytes(out, &header.payload_hash.0);
            cbor::uint(out, header.payload_len);
        }
    }
    match event.signature() {
        Some(signature) => cbor::bytes(out, &signature.0),
        None => cbor::null(out),
    }
    match &header.seal {
        Some(seal) => {
            cbor::array(out, 2);
            cbor::text(out, &seal.role);
            cbor::bytes(out, &seal.epoch.0);
        }
        None => cbor::null(out),
    }
}

fn read_short(input: &mut Decoder<'_>, base: &Base) -> Result<Event<Unverified>, Error> {
    let id = EventId(number(&base.id.0).wrapping_add(read_number(input)?).to_be_bytes());
    let hlc = Hlc(base.hlc.0.wrapping_add(input.u64()?));
    let action = Action::from_number(input.u64()?);
    let subject = read_subject(input, base.log.store, id)?;
    let version = read_version(input, base.log.store)?;
    let fields = input.u64()?;
    let (payload_hash, payload_len, payload) = read_payload(input)?;
    let signature = cbor::read_option(input, |input| Ok(Signature(cbor::read_array(input)?)))?;
    let seal = cbor::read_option(input, |input| {
        if cbor::read_list(input, 2)? != 2 {
            return Err(Error::Value("a seal is a role and a key epoch"));
        }
        Ok(Seal { role: cbor::read_text(input, ROLE_BYTES_MAX)?, epoch: Hash(cbor::read_array(input)?) })
    })?;
    let header = Header {
        team: base.team,
        id,
        store: base.log.store,
        stream: base.log.stream,
        seq: base.head.seq.checked_add(1).ok_or(Error::Value("a sequence number at its limit"))?,
        prev: base.head.hash,
        hlc,
        action,
        subject,
        version,
        fields,
        payload_hash,
        payload_len,
        seal,
    };
    let bytes = header.encode().map_err(|error| Error::Malformed(error.to_string()))?;
    parse_event(bytes, payload, signature)
}

/// Writes kind and id of the subject. A fact is often as old as its event, so their ULIDs begin alike.
fn write_subject(out: &mut Out<'_>, header: &Header) {
    let (kind, id) = header.subject.parts();
    cbor::uint(out, kind);
    match &header.subject {
        Subject::Fact(fact) => write_number(out, number(&fact.0) ^ number(&header.id.0)),
        Subject::Store(store) if *store == header.store => cbor::null(out),
        _ => cbor::bytes(out, id),
    }
}

fn read_subject(input: &mut Decoder<'_>, store: StoreId, event: EventId) -> Result<Subject, Error> {
    let kind = input.u64()?;
    if kind == 1 {
        return Ok(Subject::Fact(FactId((read_number(input)? ^ number(&event.0)).to_be_bytes())));
    }
    match (kind, cbor::read_option(input, |input| cbor::read_bytes(input, SUBJECT_ID_BYTES_MAX))?) {
        (0, None) => Ok(Subject::Store(store)),
        (kind, Some(id)) => Ok(Subject::from_parts(kind, id)),
        (_, None) => Err(Error::Value("a subject without an id")),
    }
}

/// A version is most often one counter of the log's own store.
fn read_version(input: &mut Decoder<'_>, store: StoreId) -> Result<VClock, Error> {
    if input.datatype()? == Type::Map {
        return VClock::decode(input);
    }
    Ok(VClock::from_iter([(store, input.u64()?)]))
}

fn read_payload(input: &mut Decoder<'_>) -> Result<(Hash, u64, Option<Vec<u8>>), Error> {
    if input.datatype()? == Type::Bytes {
        let payload = cbor::read_bytes(input, FRAME_PLAIN_BYTES_MAX)?;
        return Ok((Hash::of(&payload), payload.len() as u64, Some(payload)));
    }
    if cbor::read_list(input, 2)? != 2 {
        return Err(Error::Value("an absent payload is a hash and a length"));
    }
    Ok((Hash(cbor::read_array(input)?), input.u64()?, None))
}

const fn number(bytes: &[u8; 16]) -> u128 {
    u128::from_be_bytes(*bytes)
}

/// Writes a number as its bytes without leading zeros.
fn write_number(out: &mut Out<'_>, value: u128) {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    cbor::bytes(out, &bytes[zeros..]);
}

fn read_number(input: &mut Decoder<'_>) -> Result<u128, Error> {
    let bytes = input.bytes()?;
    if bytes.len() > 16 || bytes.first() == Some(&0) {
        return Err(Error::Value("a number of more than 16 bytes, or with leading zeros"));
    }
    Ok(bytes.iter().fold(0, |value, byte| (value << 8) | u128::from(*byte)))
}
