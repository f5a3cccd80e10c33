//! Strangers in crowds, in haste, and in no haste at all.

use super::mallory::{
    HANDSHAKE, JOIN, Mallory, address_of, next, noted, refusals, send, still_serves, strangers_known, turned_away,
};
use crate::common::{team_of_two, until};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::time::UnixMillis;
use antiphon_net::{STRANGER_REQUESTS_MAX, TurnedAway};
use antiphon_node::{Reason, Trust};
use antiphon_protocol::handshake::{Proof, Request, Response};
use antiphon_protocol::join;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::identity::Keypair;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Most connections of strangers that a node keeps, by default.
const STRANGERS_MAX: usize = 64;
/// Most connections that it negotiates at the same time, by default.
const PENDING_MAX: usize = 64;

fn node_of(key: &Keypair) -> NodeId {
    NodeId::from_peer_id_bytes(&key.public().to_peer_id().to_bytes()).unwrap()
}

fn greeting(from: NodeId, team: TeamId) -> Vec<u8> {
    let proof = Proof { path: None, store: Some(StoreId([1; 16])), ..Proof::default() };
    let (genome, nonce) = (Hash([3; 32]), [7; 32]);
    let (from_name, agent_version) = ("mallory".to_owned(), "mallory/1".to_owned());
    Request { from, from_name, team, genome, timestamp: UnixMillis(u64::MAX), nonce, agent_version, proof }.encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_connections_pushes_out_its_own_and_no_member() {
    let (mut alice, mut bob) = team_of_two().await;
    bob.trusts("alice", Trust::Verified).await;
    let address = address_of(&alice).await;
    let mut crowd = Vec::new();
    for _ in 0..3 * STRANGERS_MAX {
        crowd.push(Mallory::stranger(&address).await);
    }
    let pushed = || turned_away(&alice, TurnedAway::CrowdedStranger.name());
    let late = || turned_away(&alice, TurnedAway::LateStranger.name());
    until("those beyond the limit are out", async || {
        crowd.iter().filter(|mallory| mallory.stands()).count() <= STRANGERS_MAX
    })
    .await;
    // Who was not pushed out had stayed too long: nobody else goes.
    assert!(pushed() + late() >= 2 * STRANGERS_MAX as u64, "{} pushed, {} late", pushed(), late());
    assert!(alice.sees("bob").await.connected && bob.sees("alice").await.connected);
    still_serves(&alice, &bob).await;
    // What is known of each of them is a name that it cannot choose, and no address.
    let known = strangers_known(&alice, &["bob"]).await;
    assert!(known.len() <= 3 * STRANGERS_MAX && known.iter().all(|peer| peer.addresses.is_empty()));
    drop(crowd);
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_never_prove_a_key_are_refused_beyond_a_number_and_cut_off() {
    let (mut alice, mut bob) = team_of_two().await;
    let address = address_of(&alice).await.to_string();
    let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
    let mut slow = Vec::new();
    for _ in 0..2 * PENDING_MAX {
        let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // The first byte of a negotiation, and never the second.
        let _ = socket.try_write(&[19]);
        slow.push(socket);
    }
    until("those beyond the limit are refused", async || {
        turned_away(&alice, TurnedAway::Connection.name()) >= PENDING_MAX as u64
    })
    .await;
    // Bob was there before; whoever comes now waits until the slow ones are cut off.
    still_serves(&alice, &bob).await;
    until("the others are cut off", async || turned_away(&alice, TurnedAway::Unproven.name()) >= PENDING_MAX as u64)
        .await;
    for mut socket in slow {
        // What alice says first, and then the end.
        let mut said = Vec::new();
        let _ = socket.read_to_end(&mut said).await;
        assert!(said.len() < 1_024);
    }
    let carol = Mallory::stranger(&address.parse().unwrap()).await;
    assert!(carol.stands());
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_so_many_answers_and_no_more() {
    let (mut alice, mut bob) = team_of_two().await;
    let team = alice.handle.status().await.unwrap().team.id;
    let key = Keypair::generate_ed25519();
    let mut mallory = Mallory::dials(key.clone(), &address_of(&alice).await).await.unwrap();
    let request = greeting(node_of(&key), team);
    let mut answers = 0;
    for _ in 0..4 * STRANGER_REQUESTS_MAX {
        if let Some(answer) = mallory.ask(HANDSHAKE, &request).await {
            let answer = Response::decode(&answer).unwrap();
            assert_eq!((answer.trust, answer.reason), (Trust::Rejected, Some(Reason::NotAMember)));
            answers += 1;
        }
    }
    assert!(answers > 0 && answers <= STRANGER_REQUESTS_MAX, "{answers} answers");
    assert!(turned_away(&alice, TurnedAway::StrangerRequest.name()) > 0);
    // The same refusal of the same key is counted each time, and written down once.
    noted(&alice, "handshake", "not_a_member").await;
    assert_eq!(refusals(&alice, "handshake", "not_a_member").await, u64::from(answers));
    let lines = alice.handle.audit(1_000).await.unwrap();
    assert_eq!(
        lines.iter().filter(|line| line.node == Some(node_of(&key)) && line.reason == "not_a_member").count(),
        1
    );
    still_serves(&alice, &bob).await;
    mallory.is_cut_off().await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn giant_lengths_and_requests_that_never_end_cost_a_stranger_its_connection() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut mallory = Mallory::stranger(&address_of(&alice).await).await;
    for length in [u32::MAX, 128 * 1024 + 1, 1 << 31] {
        let mut stream = mallory.open(HANDSHAKE).await.unwrap();
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        super::mallory::ends(&mut stream).await;
    }
    // Whole lengths are named and one byte comes of each: as many as there may be at once wait for the rest.
    let mut slow = Vec::new();
    for protocol in [HANDSHAKE, JOIN].into_iter().cycle().take(32) {
        let Some(mut stream) = mallory.open(protocol).await else { break };
        if stream.write_all(&[0, 0, 64, 0, 0xa5]).await.is_ok() && stream.flush().await.is_ok() {
            slow.push(stream);
        }
    }
    assert!(!slow.is_empty());
    still_serves(&alice, &bob).await;
    mallory.is_cut_off().await;
    assert!(turned_away(&alice, TurnedAway::LateStranger.name()) > 0);
    for mut stream in slow {
        assert!(!matches!(stream.read(&mut [0]).await, Ok(1..)), "there is no answer to half a request");
    }
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_are_guessed_are_counted_and_let_nobody_in() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.handle.invite("admin", 60_000).await.unwrap();
    let team = alice.handle.status().await.unwrap().team.id;
    let address = address_of(&alice).await;
    let (mut asked, mut answered) = (0_u32, 0_u64);
    for round in 0..4_u8 {
        let mallory = Mallory::stranger(&address).await;
        for n in 0..50_u8 {
            let mut secret = [round; 32];
            secret[0] = n;
            let request = join::Request {
                team: Some(team),
                secret: Some(secret),
                name: "<script>alert(1)</script>'; DROP TABLE facts; --\u{202e}".into(),
                recipient: "age1".into(),
                nonce: [n; 32],
            };
            asked += 1;
            let Some(answer) = mallory.ask(JOIN, &request.encode()).await else { continue };
            assert!(join::Response::decode(&answer).unwrap().verdict.is_err());
            answered += 1;
        }
    }
    assert!(answered > 0 && answered <= u64::from(asked));
    let refused = async || {
        let counted = alice.handle.counters().await.unwrap().refusals;
        counted.iter().filter(|((kind, _), _)| *kind == "join").map(|(_, count)| *count).sum::<u64>()
    };
    until("each is counted", async || refused().await >= answered).await;
    let joined = alice.handle.audit(1_000).await.unwrap();
    // One line for each key, however often it guessed.
    assert!(joined.iter().filter(|line| line.kind == "join").count() <= 4 * 2, "{joined:?}");
    assert_eq!(alice.handle.members().await.unwrap().members.len(), 2);
    still_serves(&alice, &bob).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_identify_tells_of_a_stranger_little_of_it_is_kept() {
    let (mut alice, mut bob) = team_of_two().await;
    let key = Keypair::generate_ed25519();
    let (node, address) = (node_of(&key), address_of(&alice).await);
    let agent = "<b>mallory\u{202e}</b>'; --".repeat(40);
    let mallory = Mallory::says(key, &address, &agent).await.unwrap();
    let seen = async || alice.handle.peers().await.unwrap().into_iter().find(|peer| peer.peer_id == node);
    until("she is seen", async || seen().await.is_some_and(|peer| peer.connected)).await;
    // Whether identify's own limit refuses all she says or not: this much is kept at most, and no address.
    let shake = greeting(node, alice.handle.status().await.unwrap().team.id);
    assert!(mallory.ask(HANDSHAKE, &shake).await.is_some());
    let peer = seen().await.unwrap();
    assert!(peer.agent_version.is_none_or(|agent| agent.chars().count() <= antiphon_net::AGENT_VERSION_CHARS_MAX));
    assert!(peer.addresses.is_empty(), "{:?}", peer.addresses);
    still_serves(&alice, &bob).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_that_was_recorded_is_worth_nothing_to_somebody_else() {
    let (mut alice, mut bob) = team_of_two().await;
    let (mallory, eve) = Mallory::member(&alice, &alice).await;
    // What a member once sent, word for word, over a stranger's connection.
    let team = alice.handle.status().await.unwrap().team.id;
    let genome = alice.handle.genome().await.unwrap().hash();
    let proof = Proof { path: eve.local.path.clone(), store: Some(eve.local.store), ..Proof::default() };
    let request = Request {
        from: eve.local.node,
        from_name: "eve".into(),
        team,
        genome,
        timestamp: super::mallory::now(),
        nonce: [7; 32],
        agent_version: "eve/1".into(),
        proof,
    };
    let (address, recorded) = (address_of(&alice).await, request.encode());
    let thief = Mallory::stranger(&address).await;
    for _ in 0..10 {
        let mut stream = thief.open(HANDSHAKE).await.unwrap();
        send(&mut stream, &recorded).await.unwrap();
        stream.close().await.unwrap();
        let answer = Response::decode(&next(&mut stream).await.unwrap()).unwrap();
        assert_eq!((answer.trust, answer.proof), (Trust::Rejected, None));
        assert!(thief.open(super::mallory::SYNC).await.is_none());
    }
    noted(&alice, "handshake", "auth").await;
    assert!(mallory.stands());
    still_serves(&alice, &bob).await;
    bob.stop().await;
    alice.stop().await;
}
