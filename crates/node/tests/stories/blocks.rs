//! Ciphertexts move between real nodes, block by block: from several at once, on where they were, and right.

use crate::common;

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Machine, until};
use antiphon_core::content::BLOCK_BYTES;
use antiphon_core::event::Event;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_net::{Event as NetEvent, MemberStream, NetHandle, Protocol, StreamKind};
use antiphon_node::{FetchError, FetchProgress, Fetched, Trust};
use antiphon_protocol::blocks::fetch::{Failure, Gone, Piece};
use antiphon_protocol::blocks::{Block, Message, What};
use antiphon_protocol::handshake::{Initiator, Input, Known, Local, Output};
use antiphon_store::{BlobView, Store, StoreOptions};
use antiphon_vault::NodeKey;
use tokio::sync::{mpsc, watch};

const MIB: usize = 1024 * 1024;

/// Bytes that nobody can compress, the same for the same seed.
pub(crate) fn cipher(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}

async fn keeps(machine: &Machine, bytes: &[u8]) -> BlobView {
    machine.handle.keep_blob(std::io::Cursor::new(bytes.to_vec())).await.unwrap()
}

pub(crate) async fn id(machine: &Machine) -> NodeId {
    machine.handle.status().await.unwrap().node_id
}

pub(crate) async fn fetch(to: &Machine, blob: &BlobView, from: &[&Machine]) -> Result<Fetched, FetchError> {
    let mut providers = Vec::new();
    for machine in from {
        providers.push(id(machine).await);
    }
    to.handle.fetch_blob(blob.root, blob.length, providers, &watch::Sender::default()).await
}

fn file(machine: &Machine, root: Hash) -> PathBuf {
    machine.dir.path().join("home/content").join(root.to_string())
}

fn holds(machine: &Machine, root: Hash, bytes: &[u8]) -> bool {
    std::fs::read(file(machine, root)).unwrap() == bytes
}

/// Changes one bit in the middle of a block.
pub(crate) fn flip(machine: &Machine, root: Hash, block: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(file(machine, root)).unwrap();
    let at = block * BLOCK_BYTES + BLOCK_BYTES / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Both trust each other, whoever introduced them.
async fn meet(bob: &Machine, carol: &Machine) {
    until("both listen", async || !carol.handle.status().await.unwrap().listen.is_empty()).await;
    let status = carol.handle.status().await.unwrap();
    until("bob knows that carol is a member", async || bob.handle.peer(carol.name).await.is_ok()).await;
    until("bob trusts carol", async || bob.handle.handshake(&status.listen[0]).await.unwrap().trust == Trust::Verified)
        .await;
    carol.trusts(bob.name, Trust::Verified).await;
}

async fn team_of_three() -> (Machine, Machine, Machine) {
    team_of_three_as("observer").await
}

pub(crate) async fn team_of_three_as(role: &str) -> (Machine, Machine, Machine) {
    let (alice, bob, carol) =
        (Machine::start("alice").await, Machine::start("bob").await, Machine::start("carol").await);
    bob.joins_as(&alice, role).await;
    bob.trusts("alice", Trust::Verified).await;
    carol.joins_as(&alice, role).await;
    carol.trusts("alice", Trust::Verified).await;
    meet(&bob, &carol).await;
    (alice, bob, carol)
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_gets_it_from_alice_and_carol_from_both() {
    let (mut alice, mut bob, mut carol) = team_of_three().await;
    let bytes = cipher(1, 24 * MIB + 77);
    let blob = keeps(&alice, &bytes).await;
    assert!(blob.is_complete() && blob.blocks == 97);

    let fetched = fetch(&bob, &blob, &[&alice]).await.unwrap();
    assert_eq!((fetched.blocks, fetched.bytes), (97, bytes.len() as u64));
    assert!(fetched.blob.is_complete() && holds(&bob, blob.root, &bytes));
    assert_eq!(alice.handle.blocks_served().blocks, 97);

    let fetched = fetch(&carol, &blob, &[&alice, &bob]).await.unwrap();
    assert!(holds(&carol, blob.root, &bytes));
    assert_eq!(fetched.providers.len(), 2);
    let sent: Vec<u64> = fetched.providers.values().map(|account| account.blocks).collect();
    assert!(sent.iter().all(|blocks| *blocks > 0), "{sent:?}");
    // Each block came once.
    assert_eq!((sent.iter().sum::<u64>(), fetched.bytes), (97, bytes.len() as u64));
    assert!(fetched.providers.values().all(|account| account.gone.is_none() && account.lies == 0));

    // What is there is not fetched again.
    let again = fetch(&carol, &blob, &[&alice]).await.unwrap();
    assert_eq!((again.blocks, again.blob), (0, fetched.blob));
    alice.stop().await;
    bob.stop().await;
    carol.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_interrupted_goes_on_with_the_blocks_that_are_missing() {
    let (mut alice, mut bob) = common::team_of_two().await;
    bob.trusts("alice", Trust::Verified).await;
    let bytes = cipher(2, 48 * MIB);
    let blob = keeps(&alice, &bytes).await;

    let (progress, mut seen) = watch::channel(FetchProgress::default());
    let providers = vec![id(&alice).await];
    let half = seen.wait_for(|progress| progress.fetched_blocks >= blob.blocks / 2);
    tokio::select! {
        _ = half => {}
        done = bob.handle.fetch_blob(blob.root, blob.length, providers, &progress) => panic!("{done:?}"),
    }
    let first = seen.borrow().clone();
    assert!(first.fetched_blocks < blob.blocks, "{first:?}");
    bob.stop().await;
    assert!(!file(&bob, blob.root).metadata().unwrap().permissions().readonly());

    bob.start_again().await;
    bob.trusts("alice", Trust::Verified).await;
    let interrupted = bob.handle.interrupted_fetches(None).await.unwrap();
    assert_eq!(interrupted.iter().map(|one| one.root).collect::<Vec<_>>(), [blob.root]);
    let (before, received) = (alice.handle.blocks_served(), bob.handle.blocks_traffic().1);
    assert_eq!(received, 0);
    let rest = fetch(&bob, &blob, &[&alice]).await.unwrap();
    // No block that had come came twice.
    assert!(first.fetched_blocks + rest.blocks <= blob.blocks, "{first:?} {rest:?}");
    assert!(rest.blocks > 0 && holds(&bob, blob.root, &bytes));
    assert_eq!(alice.handle.blocks_served().blocks - before.blocks, rest.blocks);
    let received = bob.handle.blocks_traffic().1;
    assert!(received < rest.bytes + 128 * 1024, "{received} for {} of blocks", rest.bytes);
    assert!(bob.handle.interrupted_fetches(None).await.unwrap().is_empty());
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_at_the_holder_is_noticed_and_mended_from_another() {
    let (mut alice, mut bob, mut carol) = team_of_three().await;
    let bytes = cipher(3, 5 * MIB);
    let blob = keeps(&alice, &bytes).await;
    fetch(&bob, &blob, &[&alice]).await.unwrap();
    flip(&alice, blob.root, 7);

    // Alice does not send what she does not have any more, and says so.
    let error = fetch(&carol, &blob, &[&alice]).await.unwrap_err();
    let FetchError::Failed { failure, providers } = &error else { panic!("{error}") };
    assert_eq!(*failure, Failure::Providers { first: Piece::Block(7), more: 0 });
    let account = providers[&id(&alice).await];
    assert_eq!((account.blocks, account.missing, account.gone), (19, 1, Some(Gone::Lacks)));
    assert!(error.to_string().contains("holds nothing of what is missing"), "{error}");
    assert_eq!(alice.handle.blocks_served().damaged, 1);
    until("the damage is written down", async || {
        alice.handle.blob(blob.root).await.unwrap().is_some_and(|blob| blob.damaged == 1)
    })
    .await;

    // Carol gets the one block from bob, and alice is mended.
    let fetched = fetch(&carol, &blob, &[&alice, &bob]).await.unwrap();
    assert_eq!(fetched.blocks, 1);
    flip(&alice, blob.root, 9);
    let providers = vec![id(&bob).await];
    let repaired = alice.handle.repair_blob(blob.root, providers, &watch::Sender::default()).await.unwrap();
    assert_eq!((repaired.damaged, repaired.missing, repaired.fetched.blocks), (2, 0, 2));
    assert!(holds(&alice, blob.root, &bytes) && holds(&carol, blob.root, &bytes));
    assert_eq!(alice.handle.blob(blob.root).await.unwrap().unwrap().damaged, 0);
    alice.stop().await;
    bob.stop().await;
    carol.stop().await;
}

/// A member whose program is not ours: it shakes hands, and says what it likes about blocks.
pub(crate) struct Eve {
    pub(crate) net: NetHandle,
    pub(crate) events: mpsc::Receiver<NetEvent>,
    pub(crate) local: Arc<Local>,
    pub(crate) key: Arc<NodeKey>,
    _home: tempfile::TempDir,
}

impl Eve {
    /// Joins with our program, then takes its key and runs her own.
    pub(crate) async fn joins(alice: &Machine) -> Self {
        until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
        Self::joins_by(&alice.handle.invite("observer", 60_000).await.unwrap().ticket).await
    }

    /// The same, with a ticket of a steward that is called alice.
    pub(crate) async fn joins_by(ticket: &str) -> Self {
        let mut machine = Machine::start("eve").await;
        machine.handle.join(ticket, None, None).await.unwrap();
        machine.trusts("alice", Trust::Verified).await;
        machine.stop().await;
        let home = machine.dir.path().join("home");
        let key = Arc::new(antiphon_vault::file::load(&home.join("node.key")).unwrap());
        let signer = key.clone() as Arc<dyn Signer>;
        let store = Store::open(&home, StoreOptions::new(|| [7; 32]), Some(signer)).unwrap();
        let local = store.read(|reader| {
            let own = reader.own()?.unwrap();
            let records = reader.charter()?;
            let genome = reader.founding_genome()?.with(records.membership().genes()).hash();
            let opening = reader.event_at(LogId::new(own.store, Stream::Shared), 1)?;
            let mut charter = reader.clock()?;
            charter.retain(|log, _| log.stream == Stream::Charter);
            Ok(Local {
                node: own.node,
                name: own.name.clone(),
                team: own.team,
                genome,
                records,
                charter,
                path: reader.grant_path(&own.node)?,
                store: own.store,
                opening: opening.map(Event::into_unverified),
                agent_version: "eve/1".into(),
                addresses: Vec::new(),
            })
        });
        let local = Arc::new(local.await.unwrap());
        store.close().await;
        let mut config = antiphon_net::Config::new(key.libp2p_seed(), "eve/1");
        config.mdns = false;
        let (net, events, driver) = antiphon_net::new(config).unwrap();
        tokio::spawn(driver);
        Self { net, events, local, key, _home: machine.dir }
    }

    /// Is let in.
    pub(crate) async fn greets(&self, machine: &Machine) {
        let status = machine.handle.status().await.unwrap();
        let (address, _) = status.listen[0].rsplit_once("/p2p/").unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = UnixMillis(u64::try_from(now.as_millis()).unwrap());
        let mut machine = Initiator::new(self.local.clone(), Known { node: status.node_id, pinned: None });
        let out = machine.handle(Input::Start { nonce: [5; 32] }, now);
        let [Output::Send(bytes)] = out.as_slice() else { panic!("{out:?}") };
        let addresses = vec![address.parse().unwrap()];
        let answer = self.net.request(status.node_id, Protocol::Handshake, addresses, bytes.clone()).await.unwrap();
        let out = machine.handle(Input::Response(answer), now);
        assert!(matches!(out.as_slice(), [Output::Verified(_)]), "{out:?}");
        self.net.open_gate(status.node_id).await.unwrap();
    }

    /// The next stream for this that somebody opens to her.
    pub(crate) async fn asked(&mut self, wanted: StreamKind) -> MemberStream {
        let stream = async {
            loop {
                match self.events.recv().await.unwrap() {
                    NetEvent::StreamOpened { kind, stream, .. } if kind == wanted => break stream,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), stream).await.expect("nobody asks eve")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_eve_made_up_is_noticed_counted_and_got_from_alice() {
    let (mut alice, mut bob) = common::team_of_two().await;
    bob.trusts("alice", Trust::Verified).await;
    let bytes = cipher(4, 8 * MIB);
    let blob = keeps(&alice, &bytes).await;
    let mut eve = Eve::joins(&alice).await;
    eve.greets(&bob).await;
    let node = eve.local.node;

    // Bob begins with alice, so that he knows what the blocks must be.
    fetch(&bob, &blob, &[&alice]).await.unwrap();
    for block in 0..blob.blocks {
        flip(&bob, blob.root, block);
    }
    let lies = tokio::spawn(async move {
        let stream = eve.asked(StreamKind::Blocks).await;
        let (mut reader, mut writer) = stream.split();
        let mut sent = 0;
        while let Ok(Some(frame)) = reader.next().await {
            let Message::Want { root, what: What::Blocks(ranges) } = Message::decode(&frame).unwrap() else { continue };
            for n in ranges.into_iter().flatten() {
                let lie = Block { root, n, bytes: vec![6; usize::try_from(BLOCK_BYTES).unwrap()] };
                if writer.send(&Message::Block(lie).encode()).await.is_err() {
                    return sent;
                }
                sent += 1;
            }
        }
        sent
    });
    let providers = vec![node, id(&alice).await];
    let repaired = bob.handle.repair_blob(blob.root, providers, &watch::Sender::default()).await.unwrap();
    // Her stream has ended, though she had more to say.
    let lies = tokio::time::timeout(Duration::from_secs(60), lies).await.expect("eve is still sending");
    assert!(lies.unwrap() > 0, "eve was asked");
    assert_eq!((repaired.damaged, repaired.fetched.blocks), (blob.blocks, blob.blocks));
    let accounts = &repaired.fetched.providers;
    let account = accounts[&node];
    assert!(matches!(account.gone, Some(Gone::Lied(Piece::Block(_)))), "{account:?}");
    assert_eq!((account.lies >= 1, account.blocks, account.bytes), (true, 0, 0));
    assert_eq!(accounts[&id(&alice).await].blocks, blob.blocks);
    assert!(holds(&bob, blob.root, &bytes));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_is_named_and_so_is_who_lacks_it() {
    let (mut alice, mut bob, mut carol) = team_of_three().await;
    let blob = keeps(&alice, &cipher(6, MIB)).await;
    let alices = id(&alice).await;
    alice.stop().await;
    until("bob sees that she is away", async || !bob.sees("alice").await.connected).await;
    let providers = vec![alices, id(&carol).await];
    let fetched = bob.handle.fetch_blob(blob.root, blob.length, providers, &watch::Sender::default()).await;
    let Err(FetchError::Failed { failure, providers }) = fetched else { panic!("{fetched:?}") };
    assert_eq!(failure, Failure::Providers { first: Piece::Root, more: 0 });
    assert!(matches!(providers[&alices].gone, Some(Gone::Unreachable(_))), "{providers:?}");
    assert_eq!(providers[&id(&carol).await].gone, Some(Gone::Lacks));
    bob.stop().await;
    carol.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_removed_is_served_no_more() {
    let (mut alice, mut bob) = common::team_of_two().await;
    bob.trusts("alice", Trust::Verified).await;
    let bytes = cipher(5, 2 * MIB);
    let blob = keeps(&alice, &bytes).await;
    let eve = Eve::joins(&alice).await;
    eve.greets(&alice).await;
    let alices = id(&alice).await;
    let stream = eve.net.open_stream(alices, StreamKind::Blocks).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let ask = |n: u64| {
        let blocks = std::iter::once(n..n + 1).collect();
        Message::Want { root: blob.root, what: What::Blocks(blocks) }.encode()
    };
    writer.send(&ask(0)).await.unwrap();
    let got = Message::decode(&reader.next().await.unwrap().unwrap()).unwrap();
    assert!(matches!(got, Message::Block(block) if block.bytes == bytes[..block.bytes.len()]));
    let eves = eve.local.node.to_string();
    alice.handle.revoke(&eves, "she is eve", false).await.unwrap();
    let end = async {
        loop {
            match reader.next().await {
                Ok(Some(_)) => {}
                other => break other,
            }
        }
    };
    assert!(!matches!(tokio::time::timeout(Duration::from_secs(60), end).await.unwrap(), Ok(Some(_))));
    assert!(eve.net.open_stream(alices, StreamKind::Blocks).await.is_err());
    // Whoever stays is served as before.
    assert_eq!(fetch(&bob, &blob, &[&alice]).await.unwrap().blocks, 8);
    drop(eve.events);
    alice.stop().await;
    bob.stop().await;
}
