//! What every story needs: people with keys, their teams and their homes.

use std::sync::Arc;

use antiphon_core::charter::{GRANT_LIFE_MS, Grant};
use antiphon_core::event::{Action, Event, Header, Open, Payload, Provenance, SourceKind, Subject, verify_run};
use antiphon_core::fact::{Edit, Field};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{EventId, FactId, Hash, NodeId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_store::{Applied, Authored, Db, Draft, Identity, LogRun, Options};
use ed25519_dalek::Signer as _;

pub const NOW: UnixMillis = UnixMillis(1_760_000_000_000);

pub struct Key(ed25519_dalek::SigningKey);

impl Key {
    pub fn new(n: u8) -> Arc<Self> {
        Arc::new(Self(ed25519_dalek::SigningKey::from_bytes(&[n; 32])))
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

/// A person's machine: a home, a key, and a clock that moves with every write.
pub struct Machine {
    pub key: Arc<Key>,
    pub home: tempfile::TempDir,
    pub db: Db,
    pub now: UnixMillis,
    draws: u64,
    pub tag: u8,
}

impl Machine {
    pub fn new(n: u8) -> Self {
        Self::at(n, tempfile::tempdir().unwrap())
    }

    pub fn at(n: u8, home: tempfile::TempDir) -> Self {
        let key = Key::new(n);
        let db = Db::open(home.path(), Options { durable: false }, Some(key.clone())).unwrap();
        Self { key, home, db, now: NOW, draws: 0, tag: n }
    }

    pub fn random(&mut self) -> [u8; 32] {
        self.draws += 1;
        let mut seed = [self.tag; 32];
        seed[..8].copy_from_slice(&self.draws.to_be_bytes());
        seed
    }

    pub fn tick(&mut self) -> UnixMillis {
        self.now = self.now.after(1);
        self.now
    }

    pub fn node(&self) -> NodeId {
        self.key.node_id()
    }

    pub fn identity(&self, name: &str) -> Identity {
        Identity { node: self.node(), name: name.to_owned(), nonce: [self.tag; 16], previous: None }
    }

    pub fn reopen(&mut self) {
        self.db = Db::open(self.home.path(), Options { durable: false }, Some(self.key.clone())).unwrap();
    }

    pub fn shared(&self) -> LogId {
        LogId::new(self.db.own().unwrap().store, Stream::Shared)
    }

    pub fn charter(&self) -> LogId {
        LogId::new(self.db.own().unwrap().store, Stream::Charter)
    }

    pub fn try_write(&mut self, draft: Draft) -> Result<Authored, antiphon_store::AuthorError> {
        let (now, random) = (self.tick(), self.random());
        self.db.author(&[draft], now, random).unwrap().remove(0)
    }

    pub fn write(&mut self, draft: Draft) -> Authored {
        self.try_write(draft).unwrap()
    }

    pub fn remember(&mut self, text: &str) -> FactId {
        self.remember_with(Edit::new().set(Field::Content, text.into()))
    }

    pub fn remember_with(&mut self, edit: Edit) -> FactId {
        let provenance =
            Provenance { agent: Some("claude".into()), source: Some(SourceKind::Agent), ..no_provenance() };
        self.write(Draft::Remember { id: None, edit, provenance, idempotency_key: None }).fact.unwrap()
    }

    pub fn edit(&mut self, fact: FactId, field: Field, value: Value) -> Authored {
        self.write(Draft::Edit { fact, edit: Edit::new().set(field, value), provenance: no_provenance() })
    }

    pub fn forget(&mut self, fact: FactId) -> Authored {
        self.write(Draft::Forget { fact, provenance: no_provenance() })
    }

    pub fn content(&self, fact: FactId) -> Option<String> {
        self.db.reader().fact(fact).unwrap()?.fact.content
    }

    /// A signed opening of `log`, made outside the database.
    pub fn opening(&mut self, log: LogId, nonce: [u8; 16]) -> Event {
        let open = Open { node: self.node(), nonce, name: "eve".into(), previous: None };
        let fields = open.to_fields();
        let bits = fields.keys().fold(0, |bits, bit| bits | 1 << bit);
        let payload = Payload { salt: [1; 16], provenance: no_provenance(), fields }.encode(log.stream).unwrap();
        let header = Header {
            team: self.db.own().unwrap().team,
            id: EventId([1; 16]),
            store: log.store,
            stream: log.stream,
            seq: 1,
            prev: Head::EMPTY.hash,
            hlc: Hlc(1),
            action: Action::Open,
            subject: Subject::Store(log.store),
            version: VClock::new(),
            fields: bits,
            payload_hash: Hash::of(&payload),
            payload_len: payload.len() as u64,
            seal: None,
        };
        let mut event = Event::author(header, payload).unwrap();
        event.sign(self.key.as_ref());
        event
    }

    /// Every log that is handed out, page by page, as another machine would get it.
    pub fn pull(&mut self, from: &Machine) -> Vec<Applied> {
        self.try_pull(from).unwrap()
    }

    pub fn try_pull(&mut self, from: &Machine) -> Result<Vec<Applied>, antiphon_store::Error> {
        let theirs = from.db.reader().clock().unwrap();
        let mut applied = Vec::new();
        for log in theirs.keys() {
            let key = from.db.reader().log_key(&log.store).unwrap().unwrap();
            loop {
                let head = self.db.reader().clock().unwrap().get(log).copied().unwrap_or(Head::EMPTY);
                let page = from.db.reader().page(*log, head.seq, 512, 1 << 20, Some(&self.node())).unwrap();
                if page.is_empty() {
                    break;
                }
                let events = verified(self, *log, key, head, page);
                let now = self.tick();
                applied.push(self.db.apply_run(*log, key, events, Some(from.node()), now)?);
            }
        }
        Ok(applied)
    }
}

pub fn verified(to: &Machine, log: LogId, key: NodeId, head: Head, page: Vec<Event>) -> Vec<Event> {
    let team = to.db.own().unwrap().team;
    let page = page.into_iter().map(Event::into_unverified).collect();
    let run = verify_run(&team, log, &key, head, page);
    assert_eq!((run.waiting.len(), run.refused), (0, None));
    run.verified
}

pub fn no_provenance() -> Provenance {
    Provenance::default()
}

pub fn text(content: &str) -> Edit {
    Edit::new().set(Field::Content, content.into())
}

pub fn grant(node: NodeId, name: &str) -> Draft {
    Draft::Grant(Grant {
        node,
        recipient: "age1test".into(),
        roles: vec!["backend_developer".into()],
        not_after: NOW.after(GRANT_LIFE_MS),
        wraps: Vec::new(),
        name: name.into(),
    })
}

/// Alice founds a team and grants herself her membership.
pub fn alice() -> (Machine, Genome) {
    founder(1, "alice")
}

pub fn founder(n: u8, name: &str) -> (Machine, Genome) {
    let mut machine = Machine::new(n);
    let genome = Genome::found("acme", &[n; 32], &machine.node()).unwrap();
    let (identity, random) = (machine.identity(name), machine.random());
    machine.db.found(&identity, &genome, NOW, random).unwrap();
    machine.write(grant(machine.node(), name));
    (machine, genome)
}

/// Somebody whom the steward grants a membership and who joins.
pub fn join(n: u8, name: &str, steward: &mut Machine, genome: &Genome) -> Machine {
    let mut machine = Machine::new(n);
    steward.write(grant(machine.node(), name));
    let (identity, charter, random) = (machine.identity(name), charter_runs(steward), machine.random());
    machine.db.adopt_team(&identity, genome, charter, NOW, random).unwrap();
    machine
}

pub fn charter_runs(steward: &Machine) -> Vec<LogRun> {
    let reader = steward.db.reader();
    let clock = reader.clock().unwrap();
    let charter = clock.keys().filter(|log| log.stream == Stream::Charter);
    charter
        .map(|log| LogRun {
            log: *log,
            node: reader.log_key(&log.store).unwrap().unwrap(),
            events: reader.page(*log, 0, 512, 1 << 20, None).unwrap(),
        })
        .collect()
}
