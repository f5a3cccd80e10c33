//! Stewards whose charter records are signed events, with fixed keys, times and salts.

use antiphon_core::charter::{Approve, Charter, Entry, Founders, Grant, GrantPath, Record, Revoke, StewardChange};
use antiphon_core::event::{Event, Header, Open, Payload, Provenance, Subject};
use antiphon_core::ids::{EventId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, Stream};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::vclock::VClock;
use ed25519_dalek::{Signer as _, SigningKey};

const NOW: u64 = 1_700_000_000_000;

pub(crate) struct Key(SigningKey);

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
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

/// The key of somebody, by seed: alice 1, bob 2, carol 3, dave 4, eve 5.
pub(crate) fn node(seed: u8) -> NodeId {
    Key::new(seed).node_id()
}

pub(crate) fn grant(seed: u8) -> Record {
    let (recipient, name) = ("age1example".to_owned(), "laptop".to_owned());
    let roles = vec!["backend_developer".to_owned()];
    Record::Grant(Grant { node: node(seed), recipient, roles, not_after: UnixMillis(NOW * 2), wraps: Vec::new(), name })
}

pub(crate) fn change(seed: u8, add: bool) -> Record {
    Record::StewardChange(StewardChange { node: node(seed), add })
}

pub(crate) fn revoke(seed: u8) -> Record {
    let (node, reason) = (node(seed), "left".to_owned());
    Record::Revoke(Revoke { node, reason, compromised: false, cuts: Vec::new(), role_keys: Vec::new() })
}

/// The charter logs of a team, as everybody knows them.
pub(crate) struct Team {
    pub(crate) id: TeamId,
    pub(crate) events: Vec<(NodeId, Event)>,
    heads: Vec<(u8, StoreId, Head)>,
    clock: VClock,
}

impl Team {
    pub(crate) fn new(id: TeamId) -> Self {
        Self { id, events: Vec::new(), heads: Vec::new(), clock: VClock::new() }
    }

    /// Somebody who has seen everything writes a record.
    pub(crate) fn says(&mut self, seed: u8, record: Record) -> Hash {
        let clock = self.clock.clone();
        self.says_knowing(seed, &clock, record)
    }

    /// Somebody who has seen what `clock` counts writes a record; whoever writes first opens a log.
    pub(crate) fn says_knowing(&mut self, seed: u8, clock: &VClock, record: Record) -> Hash {
        if !self.heads.iter().any(|(opened, ..)| *opened == seed) {
            let (node, nonce) = (node(seed), [seed; 16]);
            let store = StoreId::derive(&self.id, &node, &nonce);
            self.heads.push((seed, store, Head::EMPTY));
            let open = Open { node, nonce, name: "workstation".into(), previous: None };
            self.write(seed, &VClock::new(), &Record::Open(open));
        }
        self.write(seed, clock, &record)
    }

    pub(crate) fn approves(&mut self, seed: u8, record: Hash) -> Hash {
        self.says(seed, Record::Approve(Approve { record }))
    }

    fn write(&mut self, seed: u8, clock: &VClock, record: &Record) -> Hash {
        let (_, store, head) = self.heads.iter_mut().find(|(opened, ..)| *opened == seed).unwrap();
        let event = event(self.id, *store, *head, clock, record, &Key::new(seed));
        *head = event.head();
        self.clock.raise(*store, head.seq).unwrap();
        let hash = event.hash();
        self.events.push((node(seed), event));
        hash
    }

    pub(crate) fn charter(&self, founders: &[u8]) -> Charter {
        let stewards = founders.iter().map(|seed| node(*seed)).collect();
        let entries = self.events.iter().map(|(author, event)| Entry::read(event, *author).unwrap());
        Charter::new(&Founders { stewards, threshold: None }, entries)
    }

    /// The path that the team gives a member.
    pub(crate) fn path(&self, founders: &[u8], seed: u8) -> Option<GrantPath> {
        GrantPath::find(self.charter(founders).membership(), &node(seed), &self.events)
    }
}

/// A signed event.
pub(crate) fn event(team: TeamId, store: StoreId, head: Head, clock: &VClock, record: &Record, signer: &Key) -> Event {
    let seq = head.seq + 1;
    let fields = record.to_fields();
    let bits = fields.keys().fold(0, |bits, bit| bits | 1 << bit);
    let salt = [u8::try_from(seq).unwrap(); 16];
    let payload = Payload { salt, provenance: Provenance::default(), fields }.encode(Stream::Charter).unwrap();
    let mut version = clock.clone();
    version.raise(store, seq).unwrap();
    let header = Header {
        team,
        id: EventId::next(None, UnixMillis(NOW + seq), [u8::try_from(seq).unwrap(); 10]),
        store,
        stream: Stream::Charter,
        seq,
        prev: head.hash,
        hlc: Hlc::default().tick(UnixMillis(NOW + seq)),
        action: record.action(),
        subject: record.subject().unwrap_or(Subject::Store(store)),
        version,
        fields: bits,
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    let mut event = Event::author(header, payload).unwrap();
    event.sign(signer);
    event
}
