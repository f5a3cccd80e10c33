//! Members that take part in the hash table, and what they know of each other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use antiphon_core::dht::{Body, Card, Key, Knowledge, LIFE_MS, Pointer, Realm, Record, Standing};
use antiphon_core::ids::{ContentId, EventId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use antiphon_net::dht::{Dht, DhtConfig, Happened, Law, Stats};
use antiphon_net::{Config, Event, Multiaddr, NetHandle, Protocol};
use libp2p::identity::Keypair;
use tokio::sync::{mpsc, oneshot};

use super::{TCP, key_of, patiently};

pub(crate) const TEAM: TeamId = TeamId([9; 32]);

pub(crate) struct NodeKey(pub(crate) Keypair);

impl Signer for NodeKey {
    fn node_id(&self) -> NodeId {
        NodeId::from_peer_id_bytes(&self.0.public().to_peer_id().to_bytes()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).unwrap().try_into().unwrap())
    }
}

pub(crate) fn signer(seed: u8) -> NodeKey {
    NodeKey(key_of(seed))
}

pub(crate) fn realm() -> Realm {
    Realm::of_team(TEAM)
}

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(u64::try_from(since.as_millis()).unwrap())
}

/// Who belongs to the team, as all of them know. The index knows the event `1…1`.
#[derive(Clone, Default)]
pub(crate) struct Team(Arc<Mutex<BTreeSet<NodeId>>>);

impl Team {
    pub(crate) fn of(seeds: impl IntoIterator<Item = u8>) -> Self {
        Self(Arc::new(Mutex::new(seeds.into_iter().map(super::id_of).collect())))
    }

    pub(crate) fn revoke(&self, node: &NodeId) {
        self.0.lock().unwrap().remove(node);
    }
}

pub(crate) const KNOWN: EventId = EventId([1; 16]);

impl Knowledge for Team {
    fn is_member(&self, node: &NodeId) -> bool {
        self.0.lock().unwrap().contains(node)
    }

    fn standing(&self, pointer: &Pointer, _: u64) -> Standing {
        if pointer.event == KNOWN { Standing::Authorised } else { Standing::Unknown }
    }
}

/// A pointer to the document `content`.
pub(crate) fn pointer(by: &NodeKey, content: u8, version: u64) -> Record {
    let (event, store, root) = (EventId([2; 16]), StoreId([1; 16]), Hash([content; 32]));
    let body = Body::Pointer(Pointer { content: ContentId([content; 32]), event, store, root });
    Record { team: TEAM, author: by.node_id(), version, expires: now().after(LIFE_MS), body }
}

pub(crate) fn card(by: &NodeKey, version: u64, name: &str) -> Record {
    let body = Body::Card(Card { name: name.into(), ..Card::default() });
    Record { team: TEAM, author: by.node_id(), version, expires: now().after(LIFE_MS), body }
}

pub(crate) fn path(record: &Record) -> Vec<u8> {
    path_of(record.key())
}

pub(crate) fn path_of(key: Key) -> Vec<u8> {
    key.path(&realm().prefix).into_bytes()
}

/// Keys and values that the network has reported.
type Heard = Arc<Mutex<Vec<(Vec<u8>, Vec<u8>)>>>;

/// A member that answers handshakes and meets whom the table wants.
pub(crate) struct Member {
    pub(crate) id: NodeId,
    pub(crate) net: NetHandle,
    pub(crate) dht: Dht,
    pub(crate) addresses: Vec<Multiaddr>,
    /// What was stored there.
    pub(crate) stored: Heard,
    /// Whom its table wanted to meet.
    pub(crate) wanted: Arc<Mutex<BTreeSet<NodeId>>>,
    pauses: mpsc::Sender<Pause>,
}

impl Member {
    pub(crate) async fn start(seed: u8, team: &Team) -> Self {
        let law = Law { realm: realm(), knowledge: team.clone() };
        let mut config = super::config(seed, TCP);
        config.dht = Some(DhtConfig::new(realm().prefix, Arc::new(law)));
        Self::with(seed, team, config).await
    }

    pub(crate) async fn with(seed: u8, team: &Team, config: Config) -> Self {
        let (net, mut events, run) = antiphon_net::new(config).unwrap();
        let (pauses, asked) = mpsc::channel(1);
        tokio::spawn(with_pauses(run, asked));
        let listening = async {
            loop {
                if let Event::Listening(address) = events.recv().await.unwrap() {
                    break address;
                }
            }
        };
        let addresses = vec![patiently("listening", listening).await];
        let (stored, wanted) = (Arc::default(), Arc::default());
        let member = Self { id: super::id_of(seed), dht: net.dht(), net, addresses, stored, wanted, pauses };
        tokio::spawn(live(member.net.clone(), events, team.clone(), member.stored.clone(), member.wanted.clone()));
        member
    }

    /// Falls silent, without a word and with its connections open, until what is returned is dropped.
    pub(crate) async fn falls_silent(&self) -> oneshot::Sender<()> {
        let ((begun, has_begun), (ends, over)) = (oneshot::channel(), oneshot::channel());
        assert!(self.pauses.send(Pause { begun, over }).await.is_ok(), "its network has ended");
        has_begun.await.unwrap();
        ends
    }

    /// Connects with a member, and both let each other in. Where both dial at once one connection ends, and what was asked
    /// on it is asked again, as a node does.
    pub(crate) async fn greet(&self, other: &Self) {
        patiently("a welcome", async {
            while greet(&self.net, other.id, other.addresses.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    }

    pub(crate) async fn stats(&self) -> Stats {
        self.dht.stats().await.unwrap()
    }

    /// Waits until the table is as it should be.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut(&Stats) -> bool) -> Stats {
        patiently(what, async {
            loop {
                let stats = self.stats().await;
                if is_so(&stats) {
                    break stats;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    pub(crate) async fn knows(&self, peers: usize) {
        self.until("a full table", |stats| stats.peers == peers).await;
    }

    pub(crate) fn has_stored(&self, key: &[u8]) -> usize {
        self.stored.lock().unwrap().iter().filter(|(stored, _)| stored == key).count()
    }
}

/// A time in which a network is not run.
struct Pause {
    begun: oneshot::Sender<()>,
    over: oneshot::Receiver<()>,
}

/// Runs a network, but not in its pauses.
async fn with_pauses(run: impl Future<Output = ()>, mut asked: mpsc::Receiver<Pause>) {
    let mut run = std::pin::pin!(run);
    loop {
        let pause = tokio::select! {
            () = &mut run => return,
            pause = asked.recv() => pause,
        };
        let Some(Pause { begun, over }) = pause else { return run.await };
        begun.send(()).unwrap();
        let _dropped = over.await;
    }
}

async fn greet(net: &NetHandle, peer: NodeId, addresses: Vec<Multiaddr>) -> Result<(), ()> {
    let answer = net.request(peer, Protocol::Handshake, addresses, b"hello".to_vec()).await;
    if answer.is_ok_and(|answer| answer == b"welcome") { net.open_gate(peer).await.map_err(drop) } else { Err(()) }
}

async fn live(
    net: NetHandle,
    mut events: mpsc::Receiver<Event>,
    team: Team,
    stored: Heard,
    wanted: Arc<Mutex<BTreeSet<NodeId>>>,
) {
    while let Some(event) = events.recv().await {
        let (net, team) = (net.clone(), team.clone());
        match event {
            Event::Request { peer, protocol: Protocol::Handshake, responder, .. } => {
                tokio::spawn(async move {
                    let is_member = team.is_member(&peer) && net.open_gate(peer).await.is_ok();
                    let answer: &[u8] = if is_member { b"welcome" } else { b"no" };
                    // Who asked may be gone.
                    let _ = responder.respond(answer.to_vec()).await;
                });
            }
            Event::Dht(Happened::Wanted { peer, addresses }) => {
                wanted.lock().unwrap().insert(peer);
                tokio::spawn(async move {
                    // Whether it worked shows in the table.
                    let _ = greet(&net, peer, addresses).await;
                });
            }
            Event::Dht(Happened::Stored { key, value, .. }) => stored.lock().unwrap().push((key, value)),
            _ => {}
        }
    }
}

/// A team of which everybody knows everybody.
pub(crate) async fn mesh(count: u8) -> (Team, Vec<Member>) {
    let team = Team::of(1..=count);
    let mut members = Vec::new();
    for seed in 1..=count {
        let member = Member::start(seed, &team).await;
        for other in &members {
            member.greet(other).await;
        }
        members.push(member);
    }
    for member in &members {
        member.knows(usize::from(count) - 1).await;
    }
    (team, members)
}
