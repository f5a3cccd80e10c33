//! Real nodes ask each other what they hold: proved, said, missing, wrong, and what strangers and liars get.

use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::blocks::{Eve, cipher, fetch, flip, id, team_of_three_as};
use crate::common::{self, Machine, until};
use antiphon_core::address::Address;
use antiphon_core::content::BLOCK_BYTES;
use antiphon_core::event::Provenance;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::possession::{Challenge, Claim, Possession, PossessionReceipt};
use antiphon_core::replication::Priority;
use antiphon_core::time::UnixMillis;
use antiphon_net::{MemberReader, MemberWriter, StreamKind};
use antiphon_node::{NewContent, Trust};
use antiphon_protocol::replication::{About, Answer, Depth, Message, Offer, Outcome};
use antiphon_store::BlobView;
use tokio::sync::watch;

const ROLE: &str = "backend_developer";
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Asks until there is an answer: right after a start, or a lie, the stream of before may still be ending.
async fn asks(alice: &Machine, peer: NodeId, root: Hash, depth: Depth) -> Answer {
    let mut answer = Answer::Failed;
    until("an answer", async || {
        answer = asks_once(alice, peer, root, depth).await;
        answer != Answer::Failed
    })
    .await;
    answer
}

async fn asks_once(alice: &Machine, peer: NodeId, root: Hash, depth: Depth) -> Answer {
    let answers = alice.handle.ask_possession(peer, vec![(root, depth)]).await.unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0, root);
    answers[0].1
}

async fn team() -> (Machine, Machine) {
    let (alice, bob) = (Machine::start("alice").await, Machine::start("bob").await);
    bob.joins_as(&alice, ROLE).await;
    bob.trusts("alice", Trust::Verified).await;
    alice.trusts("bob", Trust::Verified).await;
    (alice, bob)
}

fn address(path: &str) -> Address {
    Address::new("alice", "backend_developer", "shop", "login", path).unwrap()
}

/// Waits until a machine has taken note that it holds this.
async fn notes(machine: &Machine, root: Hash) {
    let local = async || machine.handle.replication_status(root).await.unwrap().is_some_and(|status| status.is_local);
    until("it is noted that it is held", local).await;
}

async fn puts(bob: &Machine, path: &str, bytes: Vec<u8>) -> BlobView {
    let new = NewContent {
        address: address(path),
        role: ROLE.into(),
        content_type: "text/plain".into(),
        provenance: Provenance::default(),
    };
    let root = bob.handle.put_content(new, Cursor::new(bytes)).await.unwrap().content.root;
    notes(bob, root).await;
    bob.handle.blob(root).await.unwrap().unwrap()
}

async fn gets(alice: &Machine, bob: &Machine, blob: &BlobView) {
    common::agree(alice, bob).await;
    fetch(alice, blob, &[bob]).await.unwrap();
    notes(alice, blob.root).await;
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("still waiting")
}

/// A block as it lies on the disk.
fn block_of(machine: &Machine, root: Hash, n: u64) -> Vec<u8> {
    let all = std::fs::read(machine.dir.path().join("home/content").join(root.to_string())).unwrap();
    all.chunks(usize::try_from(BLOCK_BYTES).unwrap()).nth(usize::try_from(n).unwrap()).unwrap().to_vec()
}

/// Eve's end of a stream that she opened.
async fn stream_of(eve: &Eve, machine: &Machine) -> (MemberReader, MemberWriter) {
    let node = id(machine).await;
    eve.net.open_stream(node, StreamKind::Replication).await.unwrap().split()
}

/// What comes next, and is no notice that it takes a while.
async fn next(reader: &mut MemberReader) -> Option<Message> {
    loop {
        match patiently(reader.next()).await.ok().flatten().map(|frame| Message::decode(&frame).unwrap()) {
            Some(Message::Working(_)) => {}
            other => return other,
        }
    }
}

fn ask(id: u64, root: Hash, blocks: &[u64]) -> Vec<u8> {
    Message::Ask { id, nonce: [7; 32], about: vec![About { root, blocks: blocks.to_vec() }] }.encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bob_holds_he_proves_to_alice_and_says_to_carol() {
    let (mut alice, mut bob, mut carol) = team_of_three_as(ROLE).await;
    let bobs = id(&bob).await;
    let large = puts(&bob, "large", cipher(1, 5 * MIB + 7)).await;
    let small = puts(&bob, "small", cipher(2, 900)).await;
    gets(&alice, &bob, &large).await;
    gets(&alice, &bob, &small).await;
    let none = Hash([1; 32]);
    let all = |depth| vec![(small.root, depth), (large.root, depth), (none, depth), (small.root, depth)];
    let in_order = |mut answers: Vec<(Hash, Answer)>| {
        answers.sort_unstable();
        answers
    };
    let answers = |held| in_order(vec![(large.root, held), (small.root, held), (none, Answer::Missing)]);

    // Alice has the blocks to check it with; carol has not.
    let proved = alice.handle.ask_possession(bobs, all(Depth::Proof)).await.unwrap();
    assert_eq!(in_order(proved), answers(Answer::Proved));
    let asked = alice.handle.ask_possession(bobs, all(Depth::Question)).await.unwrap();
    assert_eq!(in_order(asked), answers(Answer::Claimed));
    let claimed = carol.handle.ask_possession(bobs, all(Depth::Proof)).await.unwrap();
    assert_eq!(in_order(claimed), answers(Answer::Claimed));
    assert_eq!(asks(&bob, id(&carol).await, large.root, Depth::Proof).await, Answer::Missing);

    // It is kept as bob signed it, for alice, so that it can be shown.
    let kept = alice.handle.possessions(bobs).await.unwrap();
    let proofs =
        |possession: &Possession| matches!(possession.claim(&large.root), Some(Claim::Whole { digest: Some(_) }));
    let (proof, receipt) = kept.iter().find(|(possession, _)| proofs(possession)).expect("it is not kept");
    assert_eq!((proof.holder, proof.asker), (bobs, id(&alice).await));
    assert_eq!(receipt.verify(&proof.team).as_ref(), Ok(proof));

    // After bob has lost it he does not prove it, though alice knows what he would have to say.
    bob.stop().await;
    std::fs::remove_file(bob.dir.path().join("home/content").join(large.root.to_string())).unwrap();
    bob.start_again().await;
    bob.trusts("alice", Trust::Verified).await;
    until("alice is connected", async || alice.sees("bob").await.connected).await;
    notes(&bob, small.root).await;
    let lost = asks(&alice, bobs, large.root, Depth::Proof).await;
    assert!(matches!(lost, Answer::Wrong | Answer::Missing), "{lost:?}");
    assert_eq!(asks(&alice, bobs, small.root, Depth::Proof).await, Answer::Proved);
    alice.stop().await;
    bob.stop().await;
    carol.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_found_by_the_proof_and_noted_to_be_mended() {
    let (mut alice, mut bob) = team().await;
    let (alices, bobs) = (id(&alice).await, id(&bob).await);
    let blob = puts(&bob, "plan", cipher(3, 700 * KIB)).await;
    gets(&alice, &bob, &blob).await;
    flip(&bob, blob.root, 1);

    // As long as nobody noticed, who only asks is told that all is well; who has three blocks read is not. Alice's node asks
    // for proofs by itself and may have been first.
    let damaged = async || bob.handle.blob(blob.root).await.unwrap().is_some_and(|blob| blob.damaged == 1);
    let answer = asks(&alice, bobs, blob.root, Depth::Question).await;
    if answer != Answer::Claimed {
        assert_eq!(answer, Answer::Missing);
        until("somebody noticed before", damaged).await;
    }
    assert_eq!(asks(&alice, bobs, blob.root, Depth::Proof).await, Answer::Missing);
    until("the damage is written down", damaged).await;
    assert_eq!(asks(&alice, bobs, blob.root, Depth::Question).await, Answer::Missing);
    bob.handle.repair_blob(blob.root, vec![alices], &watch::Sender::default()).await.unwrap();
    notes(&bob, blob.root).await;
    assert_eq!(asks(&alice, bobs, blob.root, Depth::Proof).await, Answer::Proved);

    // With a damaged block of her own alice proves nothing to bob, and cannot check what he says of it.
    flip(&alice, blob.root, 0);
    assert_eq!(asks(&alice, bobs, blob.root, Depth::Proof).await, Answer::Claimed);
    assert_eq!(asks(&bob, alices, blob.root, Depth::Proof).await, Answer::Missing);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nothing_and_whoever_is_removed_no_more() {
    let (mut alice, mut bob) = team().await;
    let blob = puts(&bob, "plan", cipher(4, MIB)).await;
    gets(&alice, &bob, &blob).await;
    let (alices, eve) = (id(&alice).await, Eve::joins(&alice).await);
    // Before she is let in she is a stranger.
    assert!(eve.net.open_stream(alices, StreamKind::Replication).await.is_err());
    eve.greets(&alice).await;
    let (mut reader, mut writer) = stream_of(&eve, &alice).await;
    writer.send(&ask(1, blob.root, &[2])).await.unwrap();
    let Some(Message::Answer { id: 1, receipt }) = next(&mut reader).await else { panic!("no answer") };
    let said = receipt.verify(&eve.local.team).unwrap();
    let challenge = Challenge { root: blob.root, nonce: [7; 32], blocks: vec![2] };
    let read = |n: u64| Ok(block_of(&alice, blob.root, n));
    let right = challenge.answer(&eve.local.team, &eve.local.node, &alices, read);
    assert_eq!((said.holder, said.asker, said.claim(&blob.root)), (alices, eve.local.node, Some(right)));

    alice.handle.revoke(&eve.local.node.to_string(), "she is eve", false).await.unwrap();
    assert_eq!(next(&mut reader).await, None);
    assert!(eve.net.open_stream(alices, StreamKind::Replication).await.is_err());
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_and_questions_beyond_measure_cost_eve_her_stream_and_nobody_else_anything() {
    let (mut alice, mut bob) = team().await;
    let blob = puts(&bob, "plan", cipher(5, 3 * MIB)).await;
    gets(&alice, &bob, &blob).await;
    let eve = Eve::joins(&alice).await;
    eve.greets(&alice).await;

    let (mut reader, mut writer) = stream_of(&eve, &alice).await;
    writer.send(&vec![0; StreamKind::Replication.frame_bytes_max()]).await.unwrap();
    assert_eq!(next(&mut reader).await, None, "a giant frame");

    let (mut reader, mut writer) = stream_of(&eve, &alice).await;
    let flood = tokio::spawn(async move {
        for id in 0..10_000 {
            if writer.send(&ask(id, blob.root, &[0, 1, 2, 3])).await.is_err() {
                break;
            }
        }
    });
    let (mut answers, mut refusals) = (0, 0);
    loop {
        match next(&mut reader).await {
            Some(Message::Answer { .. }) => answers += 1,
            Some(Message::Outcome { outcome: Outcome::Busy, .. }) => refusals += 1,
            Some(Message::Bye) | None => break,
            Some(other) => panic!("{other:?}"),
        }
    }
    flood.await.unwrap();
    // What was refused last may have waited to be written when the stream ended.
    assert!(answers + refusals < 10_000, "{answers} answers, {refusals} refusals");

    // An unknown root is missing, and others are answered as before.
    let (mut reader, mut writer) = stream_of(&eve, &alice).await;
    writer.send(&ask(1, Hash([9; 32]), &[0, 77])).await.unwrap();
    let Some(Message::Answer { receipt, .. }) = next(&mut reader).await else { panic!("no answer") };
    assert_eq!(receipt.verify(&eve.local.team).unwrap().claims, [(Hash([9; 32]), Claim::Missing)]);
    // So is a block that the document does not have.
    writer.send(&ask(2, blob.root, &[0, 77])).await.unwrap();
    let Some(Message::Answer { receipt, .. }) = next(&mut reader).await else { panic!("no answer") };
    assert_eq!(receipt.verify(&eve.local.team).unwrap().claims, [(blob.root, Claim::Missing)]);
    assert_eq!(asks(&bob, id(&alice).await, blob.root, Depth::Proof).await, Answer::Proved);
    alice.stop().await;
    bob.stop().await;
}

/// How eve answers one question.
type Lie = fn(&Eve, UnixMillis, Question) -> Option<PossessionReceipt>;

struct Question {
    asker: NodeId,
    nonce: [u8; 32],
    about: Vec<About>,
    /// What alice once told eve of the same document.
    alices: PossessionReceipt,
}

fn says(eve: &Eve, at: UnixMillis, question: &Question, claim: impl Fn(&About) -> Claim) -> Possession {
    let claims = question.about.iter().map(|about| (about.root, claim(about))).collect();
    let Question { asker, nonce, .. } = *question;
    Possession { team: eve.local.team, holder: eve.local.node, store: eve.local.store, asker, at, nonce, claims }
}

/// Eve answers every question of this asker with the lie of the moment.
async fn lies(mut eve: Eve, asker: NodeId, alices: PossessionReceipt, lie: Arc<Mutex<Lie>>) {
    let at = UnixMillis(1_790_000_000_000);
    loop {
        let (mut reader, mut writer) = eve.asked(StreamKind::Replication).await.split();
        while let Some(message) = next(&mut reader).await {
            let Message::Ask { id, nonce, about } = message else { continue };
            let question = Question { asker, nonce, about, alices: alices.clone() };
            let lie = *lie.lock().unwrap();
            let Some(receipt) = lie(&eve, at, question) else { break };
            if writer.send(&Message::Answer { id, receipt }.encode()).await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eve_proves_nothing_with_made_up_digests_or_the_answers_of_others() {
    let (mut alice, mut bob) = team().await;
    let blob = puts(&bob, "plan", cipher(6, 200 * KIB)).await;
    gets(&alice, &bob, &blob).await;
    let eve = Eve::joins(&alice).await;
    eve.greets(&bob).await;
    eve.greets(&alice).await;
    let (mut reader, mut writer) = stream_of(&eve, &alice).await;
    writer.send(&ask(1, blob.root, &[0])).await.unwrap();
    let Some(Message::Answer { receipt: alices, .. }) = next(&mut reader).await else { panic!("no answer") };

    let told: [(&str, Lie, Answer); 7] = [
        (
            "made up",
            |eve, at, question| {
                let made_up = |_: &About| Claim::Whole { digest: Some(Hash([6; 32])) };
                Some(says(eve, at, &question, made_up).sign(&*eve.key))
            },
            Answer::Wrong,
        ),
        (
            "without the digest",
            |eve, at, question| Some(says(eve, at, &question, |_| Claim::Whole { digest: None }).sign(&*eve.key)),
            Answer::Wrong,
        ),
        ("handed on", |_, _, question| Some(question.alices), Answer::Wrong),
        // The digest that alice made for eve, signed by eve for bob.
        (
            "taken from alice",
            |eve, at, question| {
                let alices = question.alices.verify(&eve.local.team).unwrap();
                Some(says(eve, at, &question, |about| alices.claim(&about.root).unwrap()).sign(&*eve.key))
            },
            Answer::Wrong,
        ),
        (
            "of another question",
            |eve, at, question| {
                let other = Question { nonce: [8; 32], ..question };
                Some(says(eve, at, &other, |_| Claim::Missing).sign(&*eve.key))
            },
            Answer::Wrong,
        ),
        ("gone", |_, _, _| None, Answer::Failed),
        // To say that she lacks it is no lie.
        (
            "lacks",
            |eve, at, question| Some(says(eve, at, &question, |_| Claim::Missing).sign(&*eve.key)),
            Answer::Missing,
        ),
    ];
    let (node, bobs) = (eve.local.node, id(&bob).await);
    let lie = Arc::new(Mutex::new(told[0].1));
    let talking = tokio::spawn(lies(eve, bobs, alices, lie.clone()));
    for (name, next, expected) in told {
        *lie.lock().unwrap() = next;
        let answer = match expected {
            Answer::Failed => asks_once(&bob, node, blob.root, Depth::Proof).await,
            _ => asks(&bob, node, blob.root, Depth::Proof).await,
        };
        assert_eq!(answer, expected, "{name}");
    }
    talking.abort();
    alice.stop().await;
    bob.stop().await;
}

async fn offers(eve: &Eve, machine: &Machine, root: Hash, length: u64) -> Outcome {
    let (mut reader, mut writer) = stream_of(eve, machine).await;
    let offer = Offer { root, length, priority: Priority::High };
    writer.send(&Message::Offer { id: 1, offer }.encode()).await.unwrap();
    match next(&mut reader).await {
        Some(Message::Outcome { id: 1, outcome }) => outcome,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_eve_offers_is_taken_only_as_the_index_needs_it() {
    let (mut alice, mut bob) = team().await;
    let eve = Eve::joins(&alice).await;
    eve.greets(&alice).await;

    // What the index does not name is not taken, whatever it is.
    assert_eq!(offers(&eve, &alice, Hash([4; 32]), 1 << 40).await, Outcome::Unknown);
    let stored = puts(&bob, "decision", cipher(7, 400 * KIB)).await;
    common::agree(&alice, &bob).await;
    // She lies about how long it is, and has nothing of it: how long it is alice knows herself.
    bob.stop().await;
    until("bob is away", async || !alice.sees("bob").await.connected).await;
    for length in [1, stored.length + 1] {
        let outcome = patiently(offers(&eve, &alice, stored.root, length)).await;
        assert!(!outcome.is_held(), "{outcome:?}");
        let begun = alice.handle.blob(stored.root).await.unwrap();
        assert!(begun.is_none_or(|blob| blob.length == stored.length && blob.held_bytes == 0));
    }
    bob.start_again().await;
    bob.trusts("alice", Trust::Verified).await;
    bob.handle.remove_content(&address("decision"), Provenance::default()).await.unwrap();
    common::agree(&alice, &bob).await;
    let outcome = offers(&eve, &alice, stored.root, stored.length).await;
    assert!(matches!(outcome, Outcome::NotNeeded | Outcome::Unknown), "{outcome:?}");
    alice.stop().await;
    bob.stop().await;
}
