//! What the log, the charter and the database hold.

use std::collections::BTreeMap;

use antiphon_core::announce::{Announcement, FederationConfig, StorageConfig};
use antiphon_core::charter::{Entry, GrantPath, Record};
use antiphon_core::content::{self, Manifest};
use antiphon_core::event::{
    Action, Event, HEADER_BYTES_MAX, Header, Open, Payload, Subject, Unverified, payload_bytes_max,
};
use antiphon_core::genome::{GENES_MAX, Genome, Proof};
use antiphon_core::ids::{ContentId, EventId, FactId, Hash, IncidentId, NodeId, StoreId, TeamId};
use antiphon_core::letter::Kept;
use antiphon_core::log::Stream;
use antiphon_core::resource::Resource;
use antiphon_core::resource::notice::{Consider, Plan, Removal, Verify, Whole};
use antiphon_core::resource::question::{Answer, Question};
use antiphon_core::time::Hlc;
use antiphon_core::trail::{Act, LINE_BYTES_MAX};
use antiphon_core::value::Value;
use antiphon_core::vclock::{VCLOCK_ENTRIES_MAX, VClock};
use antiphon_core::{cbor, fact, incident};
use minicbor::Decoder;

use crate::laws::{choice, exact, settles_canonically, two_parts};

/// Canonical CBOR: what passes the check is one item for every other reader too, and has one form.
pub fn cbor_value(bytes: &[u8]) {
    if cbor::check(bytes).is_ok() {
        let mut other = Decoder::new(bytes);
        assert!(other.skip().is_ok() && other.position() == bytes.len(), "canonical, but not well-formed");
    }
    exact(bytes, |bytes| cbor::decode(bytes, Value::decode), |value| cbor::encode(|out| value.encode(out)));
    let clock =
        exact(bytes, |bytes| cbor::decode(bytes, VClock::decode), |clock| cbor::encode(|out| clock.encode(out)));
    if let Some(clock) = clock {
        assert!(clock.len() <= VCLOCK_ENTRIES_MAX && clock.covers(&clock));
        let mut twice = clock.clone();
        assert!(twice.merge(&clock).is_ok() && twice == clock, "merging a clock with itself changes it");
    }
}

/// A header: a writer that may write what was read writes the same bytes, but for keys that it does not know.
pub fn event_header(bytes: &[u8]) {
    let Ok(header) = Header::decode(bytes) else { return };
    assert!(bytes.len() <= HEADER_BYTES_MAX && header.seq > 0);
    // What cannot be read is kept as malformed, and nobody writes such a header.
    let Ok(written) = header.encode() else { return };
    assert_eq!(Header::decode(&written).as_ref(), Ok(&header), "it is read as something else");
    let keys = Decoder::new(bytes).map().expect("a header is a map");
    if keys == Some(14 + u64::from(header.seal.is_some())) {
        assert_eq!(written, bytes, "a header with two forms");
    }
}

/// An event as it came: a payload that is kept is the header's own, and a false one stops nothing.
pub fn event(bytes: &[u8]) {
    let Some((header, payload)) = two_parts(bytes) else { return };
    let strict = Event::<Unverified>::parse(header.to_vec(), Some(payload.to_vec()), None);
    let lenient = Event::<Unverified>::parse_without_false_payload(header.to_vec(), Some(payload.to_vec()), None);
    let bare = Event::<Unverified>::parse(header.to_vec(), None, None);
    assert_eq!(lenient.is_ok(), bare.is_ok(), "what stands beside a header decides whether it is one");
    let Ok(lenient) = lenient else {
        assert!(strict.is_err(), "an event without a header");
        return;
    };
    assert_eq!(lenient.header_bytes(), header);
    assert_eq!(lenient.hash(), Hash::of(header));
    assert_eq!(strict.is_ok(), lenient.payload().is_some());
    if let Some(kept) = lenient.payload() {
        assert_eq!(kept, payload);
        assert_eq!(Hash::of(kept), lenient.header().payload_hash, "a payload that is not the header's");
        assert!(kept.len() <= payload_bytes_max(lenient.header().stream));
    }
    let _ = lenient.opening();
}

/// A payload and everything that is read from its fields.
pub fn event_payload(bytes: &[u8]) {
    // Nothing was announced, so a field would be one too many.
    assert!(Payload::decode(bytes, 0).map_or(true, |payload| payload.fields.is_empty()));
    let decode = |bytes: &[u8]| Payload::decode(bytes, u64::MAX);
    // A fuzzer stays far below the bound of the charter, the widest.
    let write = |payload: &Payload| payload.encode(Stream::Charter).expect("no longer than what was read");
    let Some(payload) = settles_canonically(bytes, decode, write) else { return };
    let fields = &payload.fields;
    if let Ok(open) = Open::from_fields(fields) {
        assert_eq!(Open::from_fields(&open.to_fields()).as_ref(), Ok(&open));
        assert!(open.name.len() <= Open::NAME_BYTES_MAX);
    }
    let known = |bits: fn(u8) -> Option<fact::Field>| -> BTreeMap<fact::Field, Value> {
        fields.iter().filter_map(|(bit, value)| Some((bits(*bit)?, value.clone()))).collect()
    };
    let _ = fact::Fact::from_values(FactId([7; 16]), &known(fact::Field::from_bit));
    let values = fields.iter().filter_map(|(bit, value)| Some((incident::Field::from_bit(*bit)?, value.clone())));
    let _ = incident::Incident::from_values(IncidentId([7; 16]), &values.collect());
    content_entry(fields);
}

/// An entry of the index stands for the document whose address it names.
fn content_entry(fields: &BTreeMap<u8, Value>) {
    let Some(Value::Text(address)) = fields.get(&content::Field::Address.bit()) else { return };
    let Ok(address) = antiphon_core::address::Address::read(address) else { return };
    if let Ok(entry) = content::Entry::from_fields(&address.id(), fields) {
        assert_eq!(entry.address, address);
        assert_eq!(content::Entry::from_fields(&address.id(), &entry.to_fields()).as_ref(), Ok(&entry));
    }
    assert!(content::Entry::from_fields(&ContentId([0; 32]), fields).is_err(), "an entry of another document");
}

/// A record of the charter, whose kind is chosen by the first byte.
pub fn charter_record(bytes: &[u8]) {
    let Some((number, payload)) = choice(bytes) else { return };
    let header = charter_header(Action::from_number(u64::from(number)), payload);
    let Some(record) = read_record(header.clone(), payload) else { return };
    let fields = record.to_fields();
    if matches!(record, Record::Unknown(_)) {
        return;
    }
    let written = Payload { salt: [3; 16], provenance: Default::default(), fields };
    let written = written.encode(Stream::Charter).expect("no longer than what was read");
    let again = read_record(charter_header(header.action, &written), &written);
    assert_eq!(again.as_ref(), Some(&record), "what a record writes is read as something else");
}

/// The header of a record that says what `payload` says.
fn charter_header(action: Action, payload: &[u8]) -> Header {
    let store = StoreId([5; 16]);
    Header {
        team: TeamId([9; 32]),
        id: EventId([1; 16]),
        store,
        stream: Stream::Charter,
        seq: 2,
        prev: Hash([4; 32]),
        hlc: Hlc(1 << 40),
        action,
        subject: Subject::Store(store),
        version: VClock::from_iter([(store, 2)]),
        fields: u64::MAX,
        payload_hash: Hash::of(payload),
        payload_len: payload.len() as u64,
        seal: None,
    }
}

/// Tries the payload as a record about whatever it is about.
fn read_record(mut header: Header, payload: &[u8]) -> Option<Record> {
    let author = NodeId([8; 32]);
    let payload_of = Payload::decode(payload, u64::MAX).ok();
    let mut subjects = vec![header.subject.clone()];
    // The subject is a key of 32 bytes that stands in one of the fields, or the name of a gene or a role.
    for value in payload_of.iter().flat_map(|payload| payload.fields.values()) {
        match value {
            Value::Bytes(bytes) => subjects.extend((0..16).map(|kind| Subject::from_parts(kind, bytes.clone()))),
            Value::Text(text) => {
                subjects.extend((0..16).map(|kind| Subject::from_parts(kind, text.clone().into_bytes())));
            }
            _ => {}
        }
    }
    subjects.truncate(256);
    subjects.into_iter().find_map(|subject| {
        header.subject = subject;
        let event = Event::author(header.clone(), payload.to_vec()).ok()?;
        Entry::read(&event, author).ok().map(|entry| entry.record)
    })
}

/// A path of grants: one form, and what it proves it proves of its own team alone.
pub fn grant_path(bytes: &[u8]) {
    let Some(path) = exact(bytes, GrantPath::decode, GrantPath::encode) else { return };
    let Some((team, _)) = Decoder::new(bytes).array().ok().zip(first_team(bytes)).map(|(_, team)| (team, ())) else {
        return;
    };
    if let Ok(entries) = path.entries(&team) {
        assert!(path.entries(&TeamId([0; 32])).is_err() || entries.is_empty() || team == TeamId([0; 32]));
    }
}

fn first_team(path: &[u8]) -> Option<TeamId> {
    let mut input = Decoder::new(path);
    input.array().ok()?;
    input.array().ok()?;
    Some(Header::decode(input.bytes().ok()?).ok()?.team)
}

/// A genome, in whatever order its genes came, and the proof of each gene.
pub fn genome(bytes: &[u8]) {
    let Some(genome) = settles_canonically(bytes, Genome::decode, Genome::encode) else { return };
    assert!(genome.len() <= GENES_MAX);
    let root = genome.hash();
    for (id, _) in genome.genes().take(4) {
        let mut proof = genome.prove(id).expect("it is one of them");
        assert!(proof.check(&root), "a gene that its genome does not prove");
        proof.text.push('x');
        assert!(!proof.check(&root), "another text is proved too");
    }
    let _ = genome.constitution();
}

/// A proof that somebody made up: it proves nothing of a genome that does not hold the gene.
pub fn gene_path(bytes: &[u8]) {
    let Some((numbers, hashes)) = bytes.split_first_chunk::<16>() else { return };
    let number = |at: usize| u64::from_be_bytes(numbers[at..at + 8].try_into().expect("eight bytes"));
    let path: Vec<Hash> =
        hashes.chunks_exact(32).take(80).map(|hash| Hash(hash.try_into().expect("32 bytes"))).collect();
    let proof = Proof { id: "gene".to_owned(), text: "text".to_owned(), index: number(0), size: number(8), path };
    assert!(!proof.check(&Hash([1; 32])), "a root that nobody knows the beginnings of");
}

/// A list of blocks.
pub fn manifest(bytes: &[u8]) {
    if let Some(manifest) = exact(bytes, Manifest::decode, Manifest::encode) {
        assert_eq!(manifest.hash(), Hash::of(bytes));
    }
}

/// What is kept of a letter.
pub fn letter_kept(bytes: &[u8]) {
    settles_canonically(bytes, Kept::decode, Kept::encode);
}

/// A line of the audit trail.
pub fn trail(bytes: &[u8]) {
    if let Some(act) = settles_canonically(bytes, Act::decode, Act::encode) {
        assert!(act.encode().len() <= LINE_BYTES_MAX);
    }
}

/// What members tell each other of themselves.
pub fn announcement(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    match which % 3 {
        0 => drop(settles_canonically(rest, StorageConfig::decode, StorageConfig::encode)),
        1 => drop(settles_canonically(rest, FederationConfig::decode, FederationConfig::encode)),
        _ => {
            let Some((subject, body)) = rest.split_first_chunk::<16>() else { return };
            let subject = antiphon_core::outbox::Subject(*subject);
            for row in antiphon_core::outbox::TABLE {
                for schema in 0..3 {
                    let _ = Announcement::read(row.protocol, schema, subject, body);
                }
            }
        }
    }
}

/// The catalogue: resources, what is said of them, and questions after them.
pub fn resource(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    match which % 8 {
        0 => drop(settles_canonically(rest, Resource::decode, Resource::encode)),
        1 => drop(settles_canonically(rest, Removal::decode, Removal::encode)),
        2 => drop(settles_canonically(rest, Whole::decode, Whole::encode)),
        3 => drop(settles_canonically(rest, Verify::decode, Verify::encode)),
        4 => drop(settles_canonically(rest, Plan::decode, Plan::encode)),
        5 => drop(settles_canonically(rest, Consider::decode, Consider::encode)),
        6 => drop(settles_canonically(rest, Question::decode, Question::encode)),
        _ => drop(settles_canonically(rest, Answer::decode, Answer::encode)),
    }
}
