//! Real nodes on real databases, over loopback.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::event::{Action, Event, Header, Payload, Provenance, Subject};
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::{EventId, FactId, Hash, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_node::{Config, Draft, Handle, Home, Joined, Node, PeerView, RecallQuery, Trust};
use antiphon_vault::NodeKey;
use tempfile::TempDir;

/// Longer than a handshake takes, shorter than a person waits.
pub(crate) const PEER_TIMEOUT_MS: u64 = 300;

/// A node with its home.
pub(crate) struct Machine {
    pub(crate) dir: TempDir,
    pub(crate) name: &'static str,
    pub(crate) node: Option<Node>,
    pub(crate) handle: Handle,
}

impl Machine {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_in(name, |dir| config(dir, name)).await
    }

    /// A node that forgets silent members soon.
    pub(crate) async fn impatient(name: &'static str) -> Self {
        Self::start_in(name, |dir| impatient_config(dir, name)).await
    }

    /// A node with a home of its own.
    pub(crate) async fn start_in(name: &'static str, config: impl FnOnce(&TempDir) -> Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (node, handle) = listening(config(&dir)).await;
        Self { dir, name, node: Some(node), handle }
    }

    pub(crate) async fn stop(&mut self) {
        self.handle.shutdown().await;
        self.node.take().unwrap().stopped().await;
    }

    pub(crate) async fn start_again(&mut self) {
        self.run(config(&self.dir, self.name)).await;
    }

    pub(crate) async fn start_again_impatient(&mut self) {
        self.run(impatient_config(&self.dir, self.name)).await;
    }

    pub(crate) async fn run(&mut self, config: Config) {
        let (node, handle) = listening(config).await;
        (self.node, self.handle) = (Some(node), handle);
    }

    /// The disk is lost; only the key was kept elsewhere.
    pub(crate) fn lose_disk(&self) {
        for entry in std::fs::read_dir(self.dir.path().join("home")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.file_name().unwrap() != "node.key" {
                std::fs::remove_file(path).unwrap();
            }
        }
        assert!(self.dir.path().join("home/node.key").exists());
    }

    pub(crate) async fn remember(&self, text: &str) -> FactId {
        let edit = Edit::new().set(Field::Content, Value::from(text));
        let draft = Draft::Remember { id: None, edit, provenance: Provenance::default(), idempotency_key: None };
        self.handle.author(vec![draft]).await.unwrap().remove(0).unwrap().fact.unwrap()
    }

    pub(crate) async fn recalls(&self, text: &str) -> bool {
        let query = RecallQuery { text: text.into(), limit: 5, now: UnixMillis(u64::MAX), ..RecallQuery::default() };
        !self.handle.recall(query).await.unwrap().hits.is_empty()
    }

    /// Joins the team of `steward`, where it gets `role`.
    pub(crate) async fn joins_as(&self, steward: &Self, role: &str) {
        until("the steward listens", async || !steward.handle.status().await.unwrap().listen.is_empty()).await;
        let ticket = steward.handle.invite(role, 60_000).await.unwrap().ticket;
        let joined = self.handle.join(&ticket, None, None).await.unwrap();
        assert!(matches!(joined, Joined::Member { brought: 0, .. }), "{joined:?}");
    }

    pub(crate) async fn joins(&self, steward: &Self) {
        self.joins_as(steward, "observer").await;
    }

    /// What it thinks of a peer by now.
    pub(crate) async fn sees(&self, name: &str) -> PeerView {
        self.handle.peer(name).await.unwrap()
    }

    /// Waits until it trusts a peer so far.
    pub(crate) async fn trusts(&self, name: &str, trust: Trust) {
        until(&format!("{name} is {trust}"), async || self.sees(name).await.trust == trust).await;
    }
}

/// A node that was started, once it knows where it listens.
async fn listening(config: Config) -> (Node, Handle) {
    let node = Node::start(config).await.unwrap();
    let handle = node.handle();
    until("it listens", async || !handle.status().await.unwrap().listen.is_empty()).await;
    (node, handle)
}

pub(crate) fn config(dir: &TempDir, name: &str) -> Config {
    let mut config = Config::new(Home::new(dir.path().join("home")));
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    config.mdns = false;
    config.name = Some(name.into());
    // Who tests something else decides himself which ciphertexts are where.
    config.replication.automatic = false;
    config
}

fn impatient_config(dir: &TempDir, name: &str) -> Config {
    Config { peer_timeout_ms: PEER_TIMEOUT_MS, ..config(dir, name) }
}

pub(crate) async fn until(what: &str, done: impl AsyncFnMut() -> bool) {
    until_within(60, what, done).await;
}

pub(crate) async fn until_within(seconds: u64, what: &str, mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), wait).await.unwrap_or_else(|_| panic!("still waiting: {what}"));
}

pub(crate) async fn team_of_two() -> (Machine, Machine) {
    let (alice, bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins(&alice).await;
    (alice, bob)
}

/// Waits until both hold the same.
pub(crate) async fn agree(alice: &Machine, bob: &Machine) {
    until("both hold the same", async || {
        alice.handle.state_hash().await.unwrap() == bob.handle.state_hash().await.unwrap()
    })
    .await;
}

/// Stops machines, one after the other.
pub(crate) async fn stop<const N: usize>(machines: [&mut Machine; N]) {
    for machine in machines {
        machine.stop().await;
    }
}

/// An event of the shared stream that follows `head` in a log, signed by whoever likes to.
pub(crate) fn forged_after(key: &NodeKey, team: TeamId, log: LogId, head: Head, content: &str) -> Event {
    let fields = BTreeMap::from([(Field::Content.bit(), Value::from(content))]);
    let payload = Payload { salt: [4; 16], provenance: Provenance::default(), fields }.encode(Stream::Shared).unwrap();
    let header = Header {
        team,
        id: EventId([0x7f; 16]),
        store: log.store,
        stream: log.stream,
        seq: head.seq + 1,
        prev: head.hash,
        hlc: Hlc(1),
        action: Action::Set,
        subject: Subject::Fact(FactId([3; 16])),
        version: VClock::from_iter([(log.store, 1)]),
        fields: Field::Content.mask(),
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    let mut event = Event::author(header, payload).unwrap();
    event.sign(key);
    event
}
