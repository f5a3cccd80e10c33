//! Members of a team, whose table is behind the gate and whose records are judged.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::dht::{Body, Knowledge, LIFE_MS, Pointer, Realm, Record, Standing};
use antiphon_core::ids::{ContentId, EventId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use antiphon_net::dht::{Dht, Happened, Law, Mode};
use antiphon_net::{Config, DhtConfig, Event, Multiaddr, NetHandle, Protocol};
use ed25519_dalek::{Signer as _, SigningKey};
use tokio::sync::mpsc;

use super::{COPIES, NODES};
use crate::Outcome;

const TEAM: TeamId = TeamId([9; 32]);

struct Key(SigningKey);

impl Key {
    fn of(at: usize) -> Self {
        Self(SigningKey::from_bytes(&super::plain::seed(at)))
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

/// What every member knows.
#[derive(Clone)]
struct Known(Arc<std::collections::BTreeSet<NodeId>>);

impl Knowledge for Known {
    fn is_member(&self, node: &NodeId) -> bool {
        self.0.contains(node)
    }

    fn standing(&self, _: &Pointer, _: u64) -> Standing {
        Standing::Unknown
    }
}

struct Member {
    id: NodeId,
    net: NetHandle,
    dht: Dht,
    addresses: Vec<Multiaddr>,
}

pub(super) struct Team {
    members: Vec<Member>,
}

impl Team {
    pub(super) async fn start(count: usize, pairs: &[(usize, usize)]) -> Outcome<Self> {
        let realm = Realm::of_team(TEAM);
        let known = Known(Arc::new((0..count).map(|at| Key::of(at).node_id()).collect()));
        let mut members = Vec::new();
        for at in 0..count {
            members.push(Member::start(at, &realm, &known).await?);
        }
        for (from, to) in pairs {
            let (from, to) = (&members[*from], &members[*to]);
            greet(&from.net, to.id, to.addresses.clone()).await?;
        }
        for member in &members {
            while member.dht.stats().await?.peers == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        for member in &members {
            member.dht.bootstrap().await?;
        }
        Ok(Self { members })
    }

    pub(super) async fn put(&self, by: usize, key: &[u8], value: &[u8]) -> Outcome<()> {
        self.members[by % NODES].dht.put(key.to_vec(), value.to_vec(), COPIES).await?;
        Ok(())
    }

    pub(super) async fn get(&self, by: usize, key: &[u8]) -> Outcome<Vec<u8>> {
        let found = self.members[by % NODES].dht.get(key.to_vec(), 1).await?;
        Ok(found.into_iter().next().ok_or("nothing was found")?.value)
    }
}

/// A signed record by one of them, and where it belongs.
pub(super) fn record(by: usize, round: usize) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let content = ContentId(Hash::of(&round.to_be_bytes()).0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = UnixMillis(u64::try_from(since.as_millis())?);
    let body = Pointer { content, event: EventId([1; 16]), store: StoreId([2; 16]), root: Hash([3; 32]) };
    let (author, expires) = (Key::of(by).node_id(), now.after(LIFE_MS));
    let record = Record { team: TEAM, author, version: 1, expires, body: Body::Pointer(body) };
    Ok((record.key().path(&Realm::of_team(TEAM).prefix).into_bytes(), record.sign(&Key::of(by))?))
}

impl Member {
    async fn start(at: usize, realm: &Realm, known: &Known) -> Outcome<Self> {
        let mut config = Config::new(super::plain::seed(at).into(), "antiphon/bench");
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
        let law = Law { realm: realm.clone(), knowledge: known.clone() };
        let mut table = DhtConfig::new(realm.prefix.clone(), Arc::new(law));
        table.mode = Mode::Server;
        config.dht = Some(table);
        let (net, mut events, run) = antiphon_net::new(config)?;
        tokio::spawn(run);
        let address = loop {
            if let Event::Listening(address) = events.recv().await.ok_or("the network stopped")? {
                break address;
            }
        };
        tokio::spawn(live(net.clone(), events));
        Ok(Self { id: Key::of(at).node_id(), dht: net.dht(), net, addresses: vec![address] })
    }
}

async fn greet(net: &NetHandle, peer: NodeId, addresses: Vec<Multiaddr>) -> Outcome<()> {
    net.request(peer, Protocol::Handshake, addresses, vec![1]).await?;
    net.open_gate(peer).await?;
    Ok(())
}

/// Everybody here is a member, so everybody is let in.
async fn live(net: NetHandle, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        let net = net.clone();
        match event {
            Event::Request { peer, responder, .. } => drop(tokio::spawn(async move {
                if net.open_gate(peer).await.is_ok() {
                    // Who asked may be gone.
                    let _ = responder.respond(vec![1]).await;
                }
            })),
            Event::Dht(Happened::Wanted { peer, addresses }) => drop(tokio::spawn(async move {
                // If it does not come, the table passes it over.
                let _ = greet(&net, peer, addresses).await;
            })),
            _ => {}
        }
    }
}
