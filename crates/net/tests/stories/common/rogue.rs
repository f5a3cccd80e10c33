//! Programs that speak the table's protocol and keep none of its laws.

use std::time::Duration;

use antiphon_net::Multiaddr;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{PeerId, Stream, StreamProtocol, Swarm, identify, kad, noise, tcp, yamux};

use super::foreign::Foreign;
use super::table::realm;

pub(crate) fn kad_protocol() -> StreamProtocol {
    StreamProtocol::try_from_owned(realm().prefix.protocol()).unwrap()
}

/// Writes a protobuf field of bytes.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

/// Sends a record as libp2p's table does, whatever it is. The stream must stay open until the record was looked at.
pub(crate) async fn put(eve: &mut Foreign, key: &[u8], value: &[u8]) -> Stream {
    let mut record = Vec::new();
    field(&mut record, 1, key);
    field(&mut record, 2, value);
    // PUT_VALUE is 0, which is not written.
    let mut message = Vec::new();
    field(&mut message, 2, key);
    field(&mut message, 3, &record);
    let mut framed = Vec::new();
    varint(&mut framed, message.len());
    framed.extend_from_slice(&message);
    let mut stream = eve.open(kad_protocol()).await.expect("the table is open to members");
    stream.write_all(&framed).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// Waits until what was put on a stream is answered, or the stream is ended because of it. libp2p gives the place of a stream
/// to another one only then; before, the other one is dropped where there are too many.
pub(crate) async fn answered(mut stream: Stream) {
    let mut byte = [0];
    let answer_or_end = stream.read(&mut byte);
    let _either = super::patiently("an answer", answer_or_end).await;
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
}

/// A stranger that says it serves the table, and puts `record` wherever it can.
pub(crate) fn crowd(key: Keypair, members: Vec<Multiaddr>, record: kad::Record) -> PeerId {
    let id = key.public().to_peer_id();
    let mut settings = kad::Config::new(kad_protocol());
    settings.set_kbucket_inserts(kad::BucketInserts::OnConnected);
    let mut swarm: Swarm<Behaviour> = libp2p::SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| Behaviour {
            identify: identify::Behaviour::new(identify::Config::new("/crowd".into(), key.public())),
            kad: kad::Behaviour::with_config(id, MemoryStore::new(id), settings),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build();
    swarm.behaviour_mut().kad.set_mode(Some(kad::Mode::Server));
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    for member in members {
        swarm.dial(member).unwrap();
    }
    tokio::spawn(async move {
        while let Some(event) = swarm.next().await {
            if let libp2p::swarm::SwarmEvent::ConnectionEstablished { peer_id, .. } = event {
                let kad = &mut swarm.behaviour_mut().kad;
                kad.put_record_to(record.clone(), [peer_id].into_iter(), kad::Quorum::One);
                kad.get_closest_peers(record.key.to_vec());
            }
        }
    });
    id
}
