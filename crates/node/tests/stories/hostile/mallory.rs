//! The hostile peer: a program of another kind than ours, on real connections, that opens whatever streams it likes and
//! writes whatever bytes it likes. As a stranger it has a key of its own, as a member one that a steward granted.

use std::sync::Arc;
use std::time::Duration;

use crate::blocks::Eve;
use crate::common::{Machine, agree, team_of_two};
use antiphon_core::time::UnixMillis;
use antiphon_node::PeerView;
use antiphon_protocol::handshake::{Initiator, Input, Known, Local, Output};
use antiphon_vault::NodeKey;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, identify, noise, tcp, yamux};
use libp2p_stream::Control;
use tokio::sync::watch;

pub(crate) const HANDSHAKE: &str = "/antiphon/handshake/1";
pub(crate) const JOIN: &str = "/antiphon/join/1";
pub(crate) const BACKUP: &str = "/antiphon/backup/1";
pub(crate) const QUERY: &str = "/antiphon/query/1";
pub(crate) const SYNC: &str = "/antiphon/sync/1";
pub(crate) const OUTBOX: &str = "/antiphon/outbox/1";
pub(crate) const BLOCKS: &str = "/antiphon/blocks/1";
pub(crate) const COPIES: &str = "/antiphon/replication/1";

/// How long a test may hang before it fails; nothing depends on how fast things are.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} never happened"))
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    stream: libp2p_stream::Behaviour,
}

/// One connection of hers. It ends when she is dropped.
pub(crate) struct Mallory {
    control: Control,
    victim: PeerId,
    /// Whether the connection still stands.
    stands: watch::Receiver<bool>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Mallory {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Where a machine can be dialled, its peer id included.
pub(crate) async fn address_of(machine: &Machine) -> Multiaddr {
    crate::common::until("it listens", async || !machine.handle.status().await.unwrap().listen.is_empty()).await;
    machine.handle.status().await.unwrap().listen[0].parse().unwrap()
}

/// The key of a node as libp2p wants it.
pub(crate) fn keypair(key: &NodeKey) -> Keypair {
    Keypair::ed25519_from_bytes(*key.libp2p_seed()).unwrap()
}

impl Mallory {
    /// A stranger with a new key.
    pub(crate) async fn stranger(address: &Multiaddr) -> Self {
        Self::dials(Keypair::generate_ed25519(), address).await.expect("nobody is refused yet")
    }

    /// Connects; `None` if the victim does not let it come to that.
    pub(crate) async fn dials(key: Keypair, address: &Multiaddr) -> Option<Self> {
        Self::says(key, address, "mallory/1").await
    }

    /// The same, and this is what identify tells about her.
    pub(crate) async fn says(key: Keypair, address: &Multiaddr, agent: &str) -> Option<Self> {
        let mut swarm: Swarm<Behaviour> = libp2p::SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| Behaviour {
                identify: identify::Behaviour::new(
                    identify::Config::new("/mallory".into(), key.public()).with_agent_version(agent.into()),
                ),
                stream: libp2p_stream::Behaviour::new(),
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        for n in 0..500_u16 {
            swarm.add_external_address(format!("/ip4/10.6.{}.{}/tcp/1", n / 250, n % 250).parse().unwrap());
        }
        let control = swarm.behaviour().stream.new_control();
        swarm.dial(address.clone()).unwrap();
        let victim = patiently("a connection, or its refusal", async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => break Some(peer_id),
                    SwarmEvent::OutgoingConnectionError { .. } => break None,
                    _ => {}
                }
            }
        })
        .await?;
        let (ends, stands) = watch::channel(true);
        let driver = tokio::spawn(async move {
            while let Some(event) = swarm.next().await {
                if matches!(event, SwarmEvent::ConnectionClosed { num_established: 0, .. }) {
                    ends.send_replace(false);
                }
            }
        });
        Some(Self { control, victim, stands, driver })
    }

    /// Whether the victim has not ended the connection.
    pub(crate) fn stands(&self) -> bool {
        *self.stands.borrow()
    }

    /// Waits until the victim ends the connection.
    pub(crate) async fn is_cut_off(&mut self) {
        let ended = self.stands.wait_for(|stands| !stands);
        patiently("the connection's end", ended).await.expect("the driver runs as long as she does");
    }

    /// A stream, if she is offered one.
    pub(crate) async fn open(&self, protocol: &'static str) -> Option<Stream> {
        let mut control = self.control.clone();
        let opened = control.open_stream(self.victim, StreamProtocol::new(protocol));
        patiently("a stream, or its refusal", opened).await.ok()
    }

    /// A stream; asks until there is one.
    pub(crate) async fn opens(&self, protocol: &'static str) -> Stream {
        let opened = async {
            loop {
                match self.open(protocol).await {
                    Some(stream) => break stream,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        patiently(protocol, opened).await
    }

    /// Asks, in the way of our requests; `None` when there is no answer.
    pub(crate) async fn ask(&self, protocol: &'static str, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut stream = self.open(protocol).await?;
        send(&mut stream, bytes).await.ok()?;
        stream.close().await.ok()?;
        next(&mut stream).await
    }

    /// Asks to be let in as the member that she is; says whether she is.
    pub(crate) async fn greets(&self, local: &Arc<Local>) -> bool {
        let node = antiphon_core::ids::NodeId::from_peer_id_bytes(&self.victim.to_bytes()).unwrap();
        let mut machine = Initiator::new(local.clone(), Known { node, pinned: None });
        let out = machine.handle(Input::Start { nonce: [5; 32] }, now());
        let [Output::Send(bytes)] = out.as_slice() else { panic!("{out:?}") };
        let Some(answer) = self.ask(HANDSHAKE, bytes).await else { return false };
        matches!(machine.handle(Input::Response(answer), now()).as_slice(), [Output::Verified(_)])
    }

    /// A member that misbehaves: joined with our program, and connected with her own.
    pub(crate) async fn member(steward: &Machine, victim: &Machine) -> (Self, Eve) {
        let eve = Eve::joins(steward).await;
        let mallory = Self::again(&eve, victim).await;
        (mallory, eve)
    }

    /// One more connection of a member.
    pub(crate) async fn again(eve: &Eve, victim: &Machine) -> Self {
        let address = address_of(victim).await;
        let connected = async {
            loop {
                // A connection of before may still be ending.
                if let Some(mallory) = Self::dials(keypair(&eve.key), &address).await
                    && mallory.greets(&eve.local).await
                {
                    break mallory;
                }
            }
        };
        patiently("mallory is let in", connected).await
    }
}

pub(crate) fn now() -> UnixMillis {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMillis(u64::try_from(now.as_millis()).unwrap())
}

/// Sends bytes behind their length, as requests and frames travel.
pub(crate) async fn send(stream: &mut Stream, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
    stream.flush().await
}

/// The next bytes behind their length; `None` at the end of the stream, whichever way it came.
pub(crate) async fn next(stream: &mut Stream) -> Option<Vec<u8>> {
    let read = async {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.ok()?;
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        stream.read_exact(&mut bytes).await.ok()?;
        (!bytes.is_empty()).then_some(bytes)
    };
    patiently("a frame, or the end of the stream", read).await
}

/// Whether the victim has ended the stream; reads what it still says before that.
pub(crate) async fn ends(stream: &mut Stream) {
    let read = async {
        let mut bytes = [0; 4096];
        while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
    };
    patiently("the stream's end", read).await;
}

/// Sends frames, one after the other, until the victim ends the stream or all are sent, and then waits for that end.
/// Whoever was cut off may wait for ever to send the next one, so both directions go on at the same time.
pub(crate) async fn flood(stream: Stream, frames: &[Vec<u8>], most: usize) -> usize {
    let (mut reader, mut writer) = stream.split();
    let mut sent = 0;
    let read = async {
        let mut bytes = [0; 4096];
        while matches!(reader.read(&mut bytes).await, Ok(1..)) {}
    };
    let mut read = std::pin::pin!(read);
    let write = async {
        for frame in frames.iter().cycle().take(most) {
            let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
            if writer.write_all(&[&length[..], frame].concat()).await.is_err() || writer.flush().await.is_err() {
                break;
            }
            sent += 1;
        }
    };
    let ended = tokio::select! {
        () = &mut read => true,
        () = write => false,
    };
    if !ended {
        patiently("the stream's end", read).await;
    }
    sent
}

/// How often something was refused for a reason.
pub(crate) async fn refusals(machine: &Machine, kind: &str, reason: &str) -> u64 {
    let counted = machine.handle.counters().await.unwrap().refusals;
    counted.iter().find(|((of, why), _)| (*of, *why) == (kind, reason)).map_or(0, |(_, count)| *count)
}

/// How often the network turned something away.
pub(crate) fn turned_away(machine: &Machine, what: &str) -> u64 {
    let counts = machine.handle.turned_away();
    counts.into_iter().find(|(name, _)| *name == what).expect("a name that is counted").1
}

/// Waits until a refusal was counted and a line about it written.
pub(crate) async fn noted(machine: &Machine, kind: &str, reason: &str) {
    crate::common::until(&format!("{kind} {reason} is written down"), async || {
        let lines = machine.handle.audit(1_000).await.unwrap();
        lines.iter().any(|line| line.kind == kind && line.reason == reason)
    })
    .await;
    assert!(refusals(machine, kind, reason).await > 0);
}

/// An honest member and the victim still tell each other what they learn.
pub(crate) async fn still_serves(victim: &Machine, honest: &Machine) {
    let (theirs, ours) = (honest.remember("what bob found out").await, victim.remember("what alice found out").await);
    crate::common::until("the victim has what the honest member wrote", async || {
        victim.handle.fact(theirs).await.is_ok()
    })
    .await;
    crate::common::until("the honest member has what the victim wrote", async || {
        honest.handle.fact(ours).await.is_ok()
    })
    .await;
}

/// What the victim knows of whoever is no member.
pub(crate) async fn strangers_known(victim: &Machine, members: &[&str]) -> Vec<PeerView> {
    let peers = victim.handle.peers().await.unwrap();
    peers.into_iter().filter(|peer| !members.contains(&peer.name.as_str())).collect()
}

/// Alice, whom she attacks, bob, who is honest, and herself, a member like them.
pub(super) async fn attacked() -> (Machine, Machine, Mallory, Eve) {
    let (alice, bob) = team_of_two().await;
    let (mallory, eve) = Mallory::member(&alice, &alice).await;
    agree(&alice, &bob).await;
    (alice, bob, mallory, eve)
}
