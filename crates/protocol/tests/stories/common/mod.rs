//! People, keys and logs for the tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::charter::{Charter, Founders, Grant, GrantPath, Membership, Revoke};
use antiphon_core::event::{Action, Event, Header, Open, Payload, Provenance, Subject, Unverified, Verified};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{EventId, FactId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_protocol::sync::Authors;
use ed25519_dalek::{Signer as _, SigningKey};

pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
pub(crate) const LATER: UnixMillis = UnixMillis(1_800_000_000_000);

/// A key made of one byte.
#[derive(Clone)]
pub(crate) struct Key(SigningKey);

impl Key {
    pub(crate) fn of(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }
}

impl Signer for Key {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

/// A team with alice as its first steward.
pub(crate) struct Team {
    pub(crate) genome: Genome,
    pub(crate) id: TeamId,
}

impl Team {
    pub(crate) fn found(steward: &Key, nonce: u8) -> Self {
        let genome = Genome::found("acme", &[nonce; 32], &steward.node_id()).unwrap();
        Self { id: genome.team(), genome }
    }
}

/// A store that writes logs.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) key: Key,
    pub(crate) team: TeamId,
    pub(crate) store: StoreId,
    nonce: [u8; 16],
    previous: Option<(StoreId, Vec<(LogId, Head)>)>,
    heads: BTreeMap<LogId, Head>,
    /// Charter events seen, by store.
    pub(crate) seen: VClock,
    count: u64,
}

impl Author {
    pub(crate) fn new(team: TeamId, key: &Key, nonce: u8) -> Self {
        let nonce = [nonce; 16];
        let store = StoreId::derive(&team, &key.node_id(), &nonce);
        let (heads, seen) = (BTreeMap::new(), VClock::new());
        Self { key: key.clone(), team, store, nonce, previous: None, heads, seen, count: 0 }
    }

    pub(crate) fn following(team: TeamId, key: &Key, nonce: u8, previous: StoreId) -> Self {
        Self { previous: Some((previous, Vec::new())), ..Self::new(team, key, nonce) }
    }

    pub(crate) fn log(&self, stream: Stream) -> LogId {
        LogId::new(self.store, stream)
    }

    pub(crate) fn head(&self, stream: Stream) -> Head {
        self.heads.get(&self.log(stream)).copied().unwrap_or(Head::EMPTY)
    }

    pub(crate) fn write(
        &mut self,
        stream: Stream,
        action: Action,
        subject: Subject,
        fields: BTreeMap<u8, Value>,
        sign: bool,
    ) -> Event<Verified> {
        let log = self.log(stream);
        let head = self.head(stream);
        self.count += 1;
        let bits = fields.keys().fold(0_u64, |bits, bit| bits | 1 << bit);
        let salt = [(self.count % 251) as u8; 16];
        let payload = Payload { salt, provenance: Provenance::default(), fields }.encode(stream).unwrap();
        let mut version = self.seen.clone();
        version.raise(self.store, head.seq + 1).unwrap();
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.count.to_be_bytes());
        let header = Header {
            team: self.team,
            id: EventId(id),
            store: self.store,
            stream,
            seq: head.seq + 1,
            prev: head.hash,
            hlc: Hlc(self.count << 16),
            action,
            subject,
            version,
            fields: bits,
            payload_hash: Hash::of(&payload),
            payload_len: payload.len() as u64,
            seal: None,
        };
        let mut event = Event::author(header, payload).unwrap();
        if sign {
            event.sign(&self.key);
        }
        self.heads.insert(log, event.head());
        event
    }

    pub(crate) fn open(&mut self, stream: Stream) -> Event<Verified> {
        let open =
            Open { node: self.key.node_id(), nonce: self.nonce, name: "node".into(), previous: self.previous.clone() };
        self.write(stream, Action::Open, Subject::Store(self.store), open.to_fields(), true)
    }

    pub(crate) fn fact(&mut self, text: &str, sign: bool) -> Event<Verified> {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.count.to_be_bytes());
        let fields = BTreeMap::from([(0, Value::Text(text.into()))]);
        self.write(Stream::Shared, Action::Set, Subject::Fact(FactId(id)), fields, sign)
    }

    pub(crate) fn grant(&mut self, node: NodeId, not_after: UnixMillis) -> Event<Verified> {
        let (recipient, roles, name) = ("age1".to_owned(), vec!["admin".to_owned()], "node".to_owned());
        let grant = Grant { node, recipient, roles, not_after, wraps: Vec::new(), name };
        self.write(Stream::Charter, Action::Grant, Subject::Member(node), grant.to_fields(), true)
    }

    pub(crate) fn revoke(&mut self, node: NodeId) -> Event<Verified> {
        let revoke =
            Revoke { node, reason: "lost".into(), compromised: false, cuts: Vec::new(), role_keys: Vec::new() };
        self.write(Stream::Charter, Action::Revoke, Subject::Member(node), revoke.to_fields(), true)
    }
}

/// What a node would keep: logs by name, and what the charter says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shelf {
    pub(crate) steward: NodeId,
    pub(crate) logs: BTreeMap<LogId, Vec<Event<Verified>>>,
}

impl Shelf {
    pub(crate) fn new(steward: NodeId) -> Self {
        Self { steward, logs: BTreeMap::new() }
    }

    /// Appends events, skipping those that are held. Panics where a chain would break: a machine let it through.
    pub(crate) fn append(&mut self, events: Vec<Event<Verified>>) -> Head {
        let log = events[0].log();
        let held = self.logs.entry(log).or_default();
        for event in events {
            let head = held.last().map_or(Head::EMPTY, Event::head);
            if event.header().seq > head.seq {
                assert_eq!((event.header().seq, event.header().prev), (head.seq + 1, head.hash), "{log} breaks");
                held.push(event);
            }
        }
        held.last().map_or(Head::EMPTY, Event::head)
    }

    pub(crate) fn put(&mut self, event: Event<Verified>) {
        self.append(vec![event]);
    }

    pub(crate) fn clock(&self) -> NodeClock {
        self.logs.iter().filter_map(|(log, events)| Some((*log, events.last()?.head()))).collect()
    }

    pub(crate) fn charter_clock(&self) -> NodeClock {
        self.clock().into_iter().filter(|(log, _)| log.stream == Stream::Charter).collect()
    }

    pub(crate) fn keys(&self) -> BTreeMap<StoreId, NodeId> {
        let opened =
            |(log, events): (&LogId, &Vec<Event<Verified>>)| Some((log.store, events.first()?.opening()?.node));
        self.logs.iter().filter_map(opened).collect()
    }

    fn entries(&self) -> Vec<antiphon_core::charter::Entry> {
        let keys = self.keys();
        let charter = self.logs.iter().filter(|(log, _)| log.stream == Stream::Charter);
        charter
            .flat_map(|(log, events)| events.iter().map(|event| (keys[&log.store], event)))
            .filter_map(|(key, event)| antiphon_core::charter::Entry::read(event, key).ok())
            .collect()
    }

    pub(crate) fn records(&self) -> Charter {
        Charter::new(&Founders::one(self.steward), self.entries())
    }

    pub(crate) fn membership(&self) -> Arc<Membership> {
        self.records().shared_membership()
    }

    pub(crate) fn authors(&self) -> Authors {
        Authors::of(&self.membership())
    }

    /// What [`antiphon_protocol::sync::Output::LoadPage`] asks for.
    pub(crate) fn page(&self, log: LogId, after: u64, max_events: usize, max_bytes: usize) -> Vec<Event<Verified>> {
        let held = self.logs.get(&log).map_or(&[][..], Vec::as_slice);
        let mut room = max_bytes;
        let fits = |(index, event): &(usize, &Event<Verified>)| {
            let size = event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len) + 64;
            let fits = *index == 0 || size <= room;
            room = room.saturating_sub(size);
            fits
        };
        let rest = held.iter().skip(usize::try_from(after).unwrap()).take(max_events);
        rest.enumerate().take_while(fits).map(|(_, event)| event.clone()).collect()
    }
}

/// The grant path of a grant in a charter log whose first event is `open`.
pub(crate) fn path(open: &Event<Verified>, grant: &Event<Verified>) -> GrantPath {
    GrantPath::new(vec![unverified(open), unverified(grant)])
}

pub(crate) fn unverified(event: &Event<Verified>) -> Event<Unverified> {
    event.clone().into_unverified()
}
