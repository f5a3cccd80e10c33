//! Strangers that lie: each gets a reason, a line in the audit log, a count, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{Machine, team_of_two, until};
use antiphon_core::cbor;
use antiphon_core::charter::{Grant, GrantPath};
use antiphon_core::event::{Action, Event, Header, Open, Payload, Provenance, Subject};
use antiphon_core::ids::{EventId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, Stream};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::trust::Trust;
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_net::{Event as NetEvent, Multiaddr, NetHandle, Protocol, RequestBytes};
use antiphon_node::{Error, Reason, Refusal};
use antiphon_protocol::handshake::{Proof, Request, Response};
use antiphon_protocol::join;
use antiphon_protocol::ticket::Ticket;
use antiphon_vault::NodeKey;
use tokio::sync::mpsc;

/// Somebody who speaks the wire and keeps none of its rules.
struct Mallory {
    key: NodeKey,
    net: NetHandle,
    events: mpsc::Receiver<NetEvent>,
    address: Multiaddr,
}

impl Mallory {
    async fn new() -> Self {
        let (key, _) = NodeKey::generate().unwrap();
        let mut config = antiphon_net::Config::new(key.libp2p_seed(), "mallory/1");
        (config.mdns, config.listen) = (false, vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()]);
        let (net, mut events, driver) = antiphon_net::new(config).unwrap();
        tokio::spawn(driver);
        let listening = async {
            loop {
                if let Some(NetEvent::Listening(address)) = events.recv().await {
                    break address;
                }
            }
        };
        let address = tokio::time::timeout(Duration::from_secs(10), listening).await.unwrap();
        Self { key, net, events, address }
    }

    fn node(&self) -> NodeId {
        self.key.node_id()
    }

    /// The address that a person would type.
    fn named_address(&self) -> String {
        format!("{}/p2p/{}", self.address, self.node())
    }

    /// A request that is right but for what it proves.
    fn request(&self, team: TeamId, genome: Hash, path: Option<GrantPath>) -> Request {
        Request {
            from: self.node(),
            from_name: "mallory".into(),
            team,
            genome,
            timestamp: UnixMillis(0),
            nonce: [7; 32],
            agent_version: "mallory/1".into(),
            proof: Proof { path, store: Some(StoreId([1; 16])), ..Proof::default() },
        }
    }

    /// Sends bytes to a node as a handshake; `None` when it does not answer.
    async fn greet(&self, machine: &Machine, bytes: Vec<u8>) -> Option<Response> {
        let status = machine.handle.status().await.unwrap();
        let (address, _) = status.listen[0].rsplit_once("/p2p/").unwrap();
        let asked = self.net.request(status.node_id, Protocol::Handshake, vec![address.parse().unwrap()], bytes);
        asked.await.ok().map(|bytes| Response::decode(&bytes).unwrap())
    }

    /// A grant of `key`'s own making in `team`, for mallory.
    fn forge(&self, team: TeamId, key: &NodeKey) -> GrantPath {
        let nonce = [9; 16];
        let store = StoreId::derive(&team, &key.node_id(), &nonce);
        let open = Open { node: key.node_id(), nonce, name: "mallory".into(), previous: None };
        let grant = Grant {
            node: self.node(),
            recipient: self.key.age_recipient(),
            roles: vec!["admin".into()],
            not_after: UnixMillis(u64::MAX / 2),
            wraps: Vec::new(),
            name: "mallory".into(),
        };
        let mut head = Head::EMPTY;
        let mut write = |action, subject, fields: BTreeMap<u8, Value>| {
            let bits = fields.keys().fold(0, |bits, bit| bits | 1 << bit);
            let payload = Payload { salt: [3; 16], provenance: Provenance::default(), fields };
            let payload = payload.encode(Stream::Charter).unwrap();
            let header = Header {
                team,
                id: EventId([u8::from(head.seq > 0); 16]),
                store,
                stream: Stream::Charter,
                seq: head.seq + 1,
                prev: head.hash,
                hlc: Hlc(1 << 20),
                action,
                subject,
                version: VClock::from_iter([(store, head.seq + 1)]),
                fields: bits,
                payload_hash: Hash::of(&payload),
                payload_len: payload.len() as u64,
                seal: None,
            };
            let mut event = Event::author(header, payload).unwrap();
            event.sign(key);
            head = event.head();
            event.into_unverified()
        };
        let open = write(Action::Open, Subject::Store(store), open.to_fields());
        let grant = write(Action::Grant, Subject::Member(self.node()), grant.to_fields());
        GrantPath::new(vec![open, grant])
    }
}

/// Team and genome hash as anybody learns them who has seen a ticket.
async fn public(machine: &Machine) -> (TeamId, Hash) {
    (machine.handle.status().await.unwrap().team.id, machine.handle.genome().await.unwrap().hash())
}

/// Waits until the refusal was written down and counted; nothing else changed.
async fn refused(machine: &Machine, kind: &str, reason: &str, facts: u64) {
    until(&format!("{kind} {reason} is written down"), async || {
        let lines = machine.handle.audit(100).await.unwrap();
        lines.iter().any(|line| line.kind == kind && line.reason == reason)
    })
    .await;
    let counted = machine.handle.counters().await.unwrap().refusals;
    assert!(counted.keys().any(|(counted, why)| (*counted, *why) == (kind, reason)), "{counted:?}");
    assert_eq!(machine.handle.status().await.unwrap().facts, facts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_knows_team_and_genome_gets_two_hashes_and_a_reason() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.remember("the one fact").await;
    let mallory = Mallory::new().await;
    let (team, genome) = public(&alice).await;
    let own = mallory.forge(team, &mallory.key);
    for path in [None, Some(own)] {
        let response = mallory.greet(&alice, mallory.request(team, genome, path).encode()).await.unwrap();
        assert_eq!((response.trust, response.reason), (Trust::Rejected, Some(Reason::NotAMember)));
        assert_eq!((response.proof, response.removal, response.to_name.as_str()), (None, None, ""));
        // Ids, hashes, a nonce, a time and names of states: nothing of the charter fits into so little.
        assert!(response.agent_version.is_empty());
    }
    refused(&alice, "handshake", "not_a_member", 1).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_of_another_team_is_told_that_the_genomes_differ() {
    let mut alice = Machine::start("alice").await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let mallory = Mallory::new().await;
    let request = mallory.request(TeamId([5; 32]), Hash([5; 32]), None);
    let response = mallory.greet(&alice, request.encode()).await.unwrap();
    assert_eq!((response.reason, response.matches), (Some(Reason::GenomeMismatch), false));
    refused(&alice, "handshake", "genome_mismatch", 0).await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pretends_to_be_the_node_it_asks_is_refused() {
    let mut alice = Machine::start("alice").await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let mallory = Mallory::new().await;
    let (team, genome) = public(&alice).await;
    let own = alice.handle.status().await.unwrap().node_id;
    let request = Request { from: own, ..mallory.request(team, genome, None) };
    let response = mallory.greet(&alice, request.encode()).await.unwrap();
    assert_eq!(response.reason, Some(Reason::Auth));
    refused(&alice, "handshake", "auth", 0).await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_gets_no_answer() {
    let mut alice = Machine::start("alice").await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let mallory = Mallory::new().await;
    let (team, genome) = public(&alice).await;
    let good = mallory.request(team, genome, None).encode();
    let mut newer = good.clone();
    // The map begins with key 0, the version.
    assert_eq!(newer[1..3], [0, 1]);
    newer[2] = 2;
    for bytes in [newer, good[..good.len() - 1].to_vec(), Vec::new(), vec![0xff; 128 * 1024]] {
        assert_eq!(mallory.greet(&alice, bytes).await, None);
    }
    refused(&alice, "handshake", "other", 0).await;
    let huge = mallory.greet(&alice, vec![0; 100 * 1024 * 1024]).await;
    assert_eq!(huge, None);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_recorded_is_stale() {
    let mut alice = Machine::start("alice").await;
    let mut mallory = Mallory::new().await;
    let (team, genome) = public(&alice).await;
    let address = mallory.named_address();
    let recorded = Response {
        to: mallory.node(),
        to_name: "mallory".into(),
        genome,
        matches: true,
        trust: Trust::Verified,
        reason: None,
        timestamp: UnixMillis(0),
        nonce: [1; 32],
        agent_version: "mallory/1".into(),
        proof: Some(mallory.request(team, genome, None).proof),
        removal: None,
    };
    let answer = tokio::spawn(async move {
        while let Some(event) = mallory.events.recv().await {
            if let NetEvent::Request { responder, .. } = event {
                responder.respond(recorded.encode()).await.unwrap();
            }
        }
    });
    let view = alice.handle.handshake(&address).await.unwrap();
    assert_eq!((view.trust, view.reason), (Trust::Rejected, Some(Reason::Auth)));
    refused(&alice, "handshake", "auth", 0).await;
    answer.abort();
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genome_of_ten_thousand_genes_founds_no_team() {
    let mut alice = Machine::start("alice").await;
    alice.remember("the one fact").await;
    let mut mallory = Mallory::new().await;
    let genes = cbor::encode(|out| {
        cbor::array(out, 10_000);
        for n in 0..10_000 {
            cbor::array(out, 2);
            cbor::text(out, &format!("law.{n:05}"));
            cbor::text(out, "x");
        }
    });
    let team = TeamId(Hash::of(&genes).0);
    let ticket = Ticket {
        team,
        team_name: "trap".into(),
        steward: mallory.node(),
        addresses: vec![mallory.named_address()],
        roles: vec!["observer".into()],
        expires: UnixMillis(u64::MAX / 2),
        secret: [1; 32],
    };
    let path = mallory.forge(team, &mallory.key);
    let answer = tokio::spawn(async move {
        while let Some(event) = mallory.events.recv().await {
            if let NetEvent::Request { bytes: RequestBytes(bytes), responder, .. } = event {
                let nonce = join::Request::decode(&bytes).unwrap().nonce;
                let (genome, path) = (genes.clone(), path.clone());
                let welcome = join::Welcome {
                    genome,
                    path,
                    charter: Vec::new(),
                    steward_name: "mallory".into(),
                    stores: Vec::new(),
                };
                let response = join::Response { nonce, verdict: Ok(Box::new(welcome)) };
                responder.respond(response.encode()).await.unwrap();
            }
        }
    });
    let before = alice.handle.status().await.unwrap();
    let joined = alice.handle.join(&ticket.to_text(), None, Some(antiphon_node::Bring::Shared)).await;
    assert!(matches!(joined, Err(Error::JoinRefused { refusal: Refusal::Malformed, .. })), "{joined:?}");
    let after = alice.handle.status().await.unwrap();
    assert_eq!((after.team.id, after.facts), (before.team.id, before.facts));
    answer.abort();
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_over_or_used_lets_nobody_in() {
    let mut alice = Machine::start("alice").await;
    let mut bob = Machine::start("bob").await;
    let mut eve = Machine::start("eve").await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let ticket = alice.handle.invite("observer", 60_000).await.unwrap().ticket;
    bob.handle.join(&ticket, None, None).await.unwrap();
    let used = eve.handle.join(&ticket, None, None).await;
    assert!(matches!(used, Err(Error::JoinRefused { refusal: Refusal::Used, .. })), "{used:?}");
    refused(&alice, "join", "used", 0).await;
    // Eve turns her clock back, or writes a later end into the ticket: alice goes by her own book.
    let short = alice.handle.invite("observer", 1).await.unwrap().ticket;
    let longer = Ticket { expires: UnixMillis(u64::MAX / 2), ..Ticket::parse(&short).unwrap() };
    tokio::time::sleep(Duration::from_millis(5)).await;
    let over = eve.handle.join(&longer.to_text(), None, None).await;
    assert!(matches!(over, Err(Error::JoinRefused { refusal: Refusal::Expired, .. })), "{over:?}");
    refused(&alice, "join", "expired", 0).await;
    let made_up = Ticket { secret: [8; 32], ..longer };
    let unknown = eve.handle.join(&made_up.to_text(), None, None).await;
    assert!(matches!(unknown, Err(Error::JoinRefused { refusal: Refusal::UnknownTicket, .. })), "{unknown:?}");
    for machine in [&mut eve, &mut bob, &mut alice] {
        machine.stop().await;
    }
}
