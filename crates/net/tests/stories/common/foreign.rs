//! A foreign program that opens whatever streams it likes, each of them once.

use std::time::Duration;

use antiphon_net::{Multiaddr, Protocol, StreamKind};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, Stream, StreamProtocol, Swarm, identify, noise, tcp, yamux};
use libp2p_stream::{Control, OpenStreamError};
use tokio::sync::watch;

use super::{key_of, patiently};

pub(crate) const HANDSHAKE: StreamProtocol = StreamProtocol::new("/antiphon/handshake/1");
pub(crate) const SYNC: StreamProtocol = StreamProtocol::new(StreamKind::Sync.name());
pub(crate) const OUTBOX: StreamProtocol = StreamProtocol::new(StreamKind::Outbox.name());
pub(crate) const BLOCKS: StreamProtocol = StreamProtocol::new(StreamKind::Blocks.name());
pub(crate) const QUERY: StreamProtocol = StreamProtocol::new(Protocol::Query.name());
/// What only members are offered.
pub(crate) const MEMBERS: [StreamProtocol; 5] =
    [SYNC, OUTBOX, BLOCKS, StreamProtocol::new(Protocol::Backup.name()), QUERY];

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    stream: libp2p_stream::Behaviour,
}

pub(crate) struct Foreign {
    control: Control,
    peer: PeerId,
    /// What the other side says it speaks.
    protocols: watch::Receiver<Vec<String>>,
}

impl Foreign {
    pub(crate) async fn connect(seed: u8, address: &Multiaddr) -> Self {
        let mut swarm: Swarm<Behaviour> = libp2p::SwarmBuilder::with_existing_identity(key_of(seed))
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| Behaviour {
                identify: identify::Behaviour::new(identify::Config::new("/foreign".into(), key.public())),
                stream: libp2p_stream::Behaviour::new(),
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        let control = swarm.behaviour().stream.new_control();
        swarm.dial(address.clone()).unwrap();
        let connected = async {
            loop {
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
                    break peer_id;
                }
            }
        };
        let peer = patiently("a connection", connected).await;
        let (tell, protocols) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Some(event) = swarm.next().await {
                if let SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { info, .. })) = event {
                    let names = info.protocols.iter().map(ToString::to_string).collect();
                    if tell.send(names).is_err() {
                        break;
                    }
                }
            }
        });
        Self { control, peer, protocols }
    }

    pub(crate) async fn told(&mut self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let waited = self.protocols.wait_for(|names| enough(names));
        patiently("identify", waited).await.unwrap().clone()
    }

    pub(crate) async fn open(&mut self, protocol: StreamProtocol) -> Result<Stream, OpenStreamError> {
        self.control.open_stream(self.peer, protocol).await
    }

    pub(crate) async fn shake_hands(&mut self) {
        let mut stream = self.open(HANDSHAKE).await.unwrap();
        stream.write_all(b"\0\0\0\x05hello").await.unwrap();
        stream.close().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"\0\0\0\x07welcome");
    }
}
