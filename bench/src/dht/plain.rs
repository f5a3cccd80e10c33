//! libp2p's own table over the same transports, as its documentation sets it up.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, GetRecordOk, QueryId, QueryResult};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, identify, identity, noise, ping, tcp, yamux};
use tokio::sync::{mpsc, oneshot};

use super::{COPIES, NODES};
use crate::Outcome;

/// The seed of a node's key, the same on both sides, so that the same nodes are near the same keys.
pub(super) fn seed(at: usize) -> [u8; 32] {
    let mut seed = [0x51; 32];
    seed[..8].copy_from_slice(&at.to_be_bytes());
    seed
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
}

enum Command {
    Dial(Multiaddr),
    Peers(oneshot::Sender<usize>),
    Bootstrap(oneshot::Sender<bool>),
    Put(Vec<u8>, Vec<u8>, oneshot::Sender<bool>),
    Get(Vec<u8>, oneshot::Sender<Vec<u8>>),
}

enum Running {
    Done(oneshot::Sender<bool>),
    Get(oneshot::Sender<Vec<u8>>),
}

pub(super) struct Team {
    nodes: Vec<mpsc::Sender<Command>>,
}

impl Team {
    pub(super) async fn start(count: usize, pairs: &[(usize, usize)]) -> Outcome<Self> {
        let (mut nodes, mut addresses) = (Vec::new(), Vec::new());
        for at in 0..count {
            let (node, address) = start(at).await?;
            nodes.push(node);
            addresses.push(address);
        }
        for (from, to) in pairs {
            nodes[*from].send(Command::Dial(addresses[*to].clone())).await?;
        }
        for node in &nodes {
            while ask(node, Command::Peers).await? == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        for node in &nodes {
            ask(node, Command::Bootstrap).await?;
        }
        Ok(Self { nodes })
    }

    pub(super) async fn put(&self, by: usize, key: &[u8], value: &[u8]) -> Outcome<()> {
        let put = |reply| Command::Put(key.to_vec(), value.to_vec(), reply);
        if ask(&self.nodes[by % NODES], put).await? { Ok(()) } else { Err("too few took the record".into()) }
    }

    pub(super) async fn get(&self, by: usize, key: &[u8]) -> Outcome<Vec<u8>> {
        ask(&self.nodes[by % NODES], |reply| Command::Get(key.to_vec(), reply)).await
    }
}

async fn ask<T>(node: &mpsc::Sender<Command>, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Outcome<T> {
    let (reply, answer) = oneshot::channel();
    node.send(command(reply)).await?;
    Ok(answer.await?)
}

async fn start(at: usize) -> Outcome<(mpsc::Sender<Command>, Multiaddr)> {
    let key = identity::Keypair::ed25519_from_bytes(seed(at))?;
    let mut swarm: Swarm<Behaviour> = libp2p::SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_behaviour(behaviour)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3_600)))
        .build();
    swarm.behaviour_mut().kad.set_mode(Some(kad::Mode::Server));
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    swarm.add_external_address(address.clone());
    let (commands, commands_in) = mpsc::channel(64);
    tokio::spawn(live(swarm, commands_in));
    Ok((commands, address))
}

fn behaviour(key: &identity::Keypair) -> Behaviour {
    let mut settings = kad::Config::new(libp2p::StreamProtocol::new("/plain/kad/1"));
    // Nothing is published again while it is measured, on neither side.
    settings.set_periodic_bootstrap_interval(None).set_caching(kad::Caching::Disabled);
    let id = key.public().to_peer_id();
    Behaviour {
        identify: identify::Behaviour::new(identify::Config::new("/plain/1".into(), key.public())),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(10))),
        kad: kad::Behaviour::with_config(id, MemoryStore::new(id), settings),
    }
}

async fn live(mut swarm: Swarm<Behaviour>, mut commands: mpsc::Receiver<Command>) {
    let mut running = HashMap::new();
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => on_command(&mut swarm, &mut running, command),
                None => return,
            },
            event = swarm.select_next_some() => on_event(&mut swarm, &mut running, event),
        }
    }
}

fn on_command(swarm: &mut Swarm<Behaviour>, running: &mut HashMap<QueryId, Running>, command: Command) {
    let kad = &mut swarm.behaviour_mut().kad;
    match command {
        Command::Dial(address) => {
            // Whoever cannot be reached is missing in the table, which is looked at.
            let _ = swarm.dial(address);
        }
        Command::Peers(reply) => {
            let _ = reply.send(kad.kbuckets().map(|bucket| bucket.num_entries()).sum());
        }
        Command::Bootstrap(reply) => match kad.bootstrap() {
            Ok(id) => drop(running.insert(id, Running::Done(reply))),
            Err(_) => drop(reply.send(false)),
        },
        Command::Put(key, value, reply) => {
            let copies = NonZeroUsize::new(COPIES).unwrap_or(NonZeroUsize::MIN);
            match kad.put_record(kad::Record::new(key, value), kad::Quorum::N(copies)) {
                Ok(id) => drop(running.insert(id, Running::Done(reply))),
                Err(_) => drop(reply.send(false)),
            }
        }
        Command::Get(key, reply) => drop(running.insert(kad.get_record(key.into()), Running::Get(reply))),
    }
}

fn on_event(swarm: &mut Swarm<Behaviour>, running: &mut HashMap<QueryId, Running>, event: SwarmEvent<BehaviourEvent>) {
    let kad = &mut swarm.behaviour_mut().kad;
    match event {
        SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
            for address in info.listen_addrs {
                kad.add_address(&peer_id, address);
            }
        }
        SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
            id, result, step, ..
        })) => {
            let found = match result {
                QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) => Some(found.record.value),
                ref other if step.last => {
                    if let Some(Running::Done(reply)) = running.remove(&id) {
                        let failed = matches!(other, QueryResult::PutRecord(Err(_)) | QueryResult::Bootstrap(Err(_)));
                        let _ = reply.send(!failed);
                    }
                    None
                }
                _ => None,
            };
            if let Some(value) = found {
                if let Some(mut query) = kad.query_mut(&id) {
                    query.finish();
                }
                if let Some(Running::Get(reply)) = running.remove(&id) {
                    let _ = reply.send(value);
                }
            }
        }
        _ => {}
    }
}
