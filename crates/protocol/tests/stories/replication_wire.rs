//! What members say to each other about copies: alice asks and offers, bob answers, eve is on either side.

use std::collections::VecDeque;

use antiphon_core::content::STORED_BYTES_MAX;
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::possession::{Challenge, Claim, Nonce, Possession, PossessionReceipt};
use antiphon_core::replication::Priority;
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::replication::answering::{self, PORTION_BLOCKS_MAX, REFUSALS_MAX, WORKING_MS};
use antiphon_protocol::replication::asking::{self, ANSWER_MS_MAX, ASKS_MAX, OFFERS_MAX, SILENT_MS, Unanswered};
use antiphon_protocol::replication::{
    ABOUT_MAX, About, Allowance, Answering, Asking, BLOCKS_PER_ASK_MAX, MESSAGE_BYTES_MAX, Message, Offer, Outcome,
    UNKNOWN_MAX, questions,
};
use ed25519_dalek::{Signer as _, SigningKey};

struct Key(SigningKey);

impl Signer for Key {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

const TEAM: TeamId = TeamId([9; 32]);
const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const NONCE: Nonce = [5; 32];

fn key(seed: u8) -> Key {
    Key(SigningKey::from_bytes(&[seed; 32]))
}

fn alice() -> NodeId {
    key(1).node_id()
}

fn bob() -> Key {
    key(2)
}

fn root(n: usize) -> Hash {
    let mut root = [7; 32];
    root[..8].copy_from_slice(&n.to_be_bytes());
    Hash(root)
}

fn about(n: usize, blocks: &[u64]) -> About {
    About { root: root(n), blocks: blocks.to_vec() }
}

fn block(root: Hash, n: u64) -> Vec<u8> {
    [&root.0[..], &n.to_be_bytes()].concat()
}

/// Alice's side of a stream to bob.
fn asking() -> Asking {
    Asking::new(TEAM, alice(), bob().node_id(), NOW).0
}

fn asks(alice: &mut Asking, id: u64, about: Vec<About>) -> Vec<asking::Output> {
    alice.handle(asking::Input::Ask { id, nonce: NONCE, about }, NOW)
}

fn offers(alice: &mut Asking, id: u64, offer: Offer) -> Vec<asking::Output> {
    alice.handle(asking::Input::Offer { id, offer }, NOW)
}

fn offer(n: usize) -> Offer {
    Offer { root: root(n), length: 1_000, priority: Priority::Normal }
}

fn hears(alice: &mut Asking, message: Message) -> Vec<asking::Output> {
    alice.handle(asking::Input::Message(message), NOW)
}

fn holds(challenge: &Challenge) -> Claim {
    challenge.answer(&TEAM, &alice(), &bob().node_id(), |n| Ok(block(challenge.root, n)))
}

/// What bob says if he holds all of these.
fn statement(about: &[About]) -> Possession {
    let claims = about.iter().map(|about| (about.root, holds(&about.challenge(NONCE)))).collect();
    let (holder, store) = (bob().node_id(), StoreId([2; 16]));
    Possession { team: TEAM, holder, store, asker: alice(), at: NOW, nonce: NONCE, claims }
}

fn closed(out: &[asking::Output]) -> Option<asking::Closed> {
    out.iter().find_map(|output| match output {
        asking::Output::Close(closed) => Some(*closed),
        _ => None,
    })
}

fn violation(what: &'static str) -> Option<asking::Closed> {
    Some(asking::Closed::Violation(what))
}

/// Bob's side of a stream of alice.
fn answering() -> Answering {
    Answering::new(NOW).0
}

fn told(bob: &mut Answering, message: Message) -> Vec<answering::Output> {
    bob.handle(answering::Input::Message(message), NOW)
}

fn ask(id: u64, about: Vec<About>) -> Message {
    Message::Ask { id, nonce: NONCE, about }
}

fn put_out(out: &[answering::Output]) -> Option<&'static str> {
    out.iter().find_map(|output| match output {
        answering::Output::Close(answering::Closed::Violation(what)) => Some(*what),
        _ => None,
    })
}

/// Carries everything between the two until nothing is left; what alice learnt.
fn talk(alice: &mut Asking, bob: &mut Answering, inputs: Vec<asking::Input>) -> Vec<asking::Output> {
    let mut learnt = Vec::new();
    let mut inputs: VecDeque<asking::Input> = inputs.into();
    while let Some(input) = inputs.pop_front() {
        for output in alice.handle(input, NOW) {
            let asking::Output::Send(message) = output else {
                learnt.push(output);
                continue;
            };
            let message = Message::decode(&message.encode()).unwrap();
            let mut more = VecDeque::from([answering::Input::Message(message)]);
            while let Some(input) = more.pop_front() {
                for output in bob.handle(input, NOW) {
                    match output {
                        answering::Output::Look(challenges) => {
                            more.push_back(answering::Input::Looked(challenges.iter().map(holds).collect()));
                        }
                        answering::Output::Answer { id, nonce, claims } => {
                            let receipt = Possession { nonce, claims, ..statement(&[]) }.sign(&key(2));
                            inputs.push_back(asking::Input::Message(Message::Answer { id, receipt }));
                        }
                        answering::Output::Take { id, offer } => {
                            let outcome = if offer.root == root(1) { Outcome::Taken } else { Outcome::NotNeeded };
                            more.push_back(answering::Input::Took { id, outcome });
                        }
                        answering::Output::Send(message) => inputs.push_back(asking::Input::Message(message)),
                        answering::Output::WakeAt(_) | answering::Output::Close(_) => {}
                    }
                }
            }
        }
    }
    learnt
}

#[test]
fn alice_learns_what_bob_holds_and_what_became_of_her_offers() {
    let (mut alice, mut bob) = (asking(), answering());
    let questions = [vec![about(1, &[]), about(2, &[0, 3])], vec![about(3, &[1])]];
    let mut inputs: Vec<asking::Input> =
        (1..).zip(questions.clone()).map(|(id, about)| asking::Input::Ask { id, nonce: NONCE, about }).collect();
    inputs.extend((1..=2).map(|n| asking::Input::Offer { id: 10 + n as u64, offer: offer(n) }));
    let learnt = talk(&mut alice, &mut bob, inputs);

    let mut answers = 0;
    for output in &learnt {
        if let asking::Output::Answered(answered) = output {
            let asked = &questions[usize::try_from(answered.id).unwrap() - 1];
            assert_eq!(answered.possession, statement(asked));
            assert_eq!(answered.receipt.verify(&TEAM).as_ref(), Ok(&answered.possession));
            answers += 1;
        }
    }
    assert_eq!(answers, 2);
    assert!(learnt.contains(&asking::Output::Settled { id: 11, outcome: Outcome::Taken }), "{learnt:?}");
    // An offer of what nobody needs is refused in words, and harms nothing else.
    assert!(learnt.contains(&asking::Output::Settled { id: 12, outcome: Outcome::NotNeeded }), "{learnt:?}");
    assert!(alice.is_idle() && bob.is_idle());
    assert_eq!(closed(&learnt), None);
}

#[test]
fn the_same_happenings_lead_to_the_same_doings() {
    let run = || {
        let (mut alice, mut bob) = (asking(), answering());
        let ask = |id| asking::Input::Ask { id, nonce: NONCE, about: vec![about(1, &[0]), about(4, &[])] };
        let learnt = talk(&mut alice, &mut bob, (1..=9).map(ask).collect());
        format!("{learnt:?} {alice:?} {bob:?}")
    };
    assert_eq!(run(), run());
}

#[test]
fn bob_looks_anew_for_every_question_and_a_few_blocks_at_a_time() {
    let mut bob = answering();
    let asked: Vec<About> = (0..10).map(|n| about(n, &[0, 1, 2, 3])).collect();
    let mut out = told(&mut bob, ask(1, asked.clone()));
    // The same again: nothing of the first answer is kept for the second.
    assert_eq!(told(&mut bob, ask(2, asked.clone())), []);
    let (mut answers, mut looks) = (0, 0);
    while let Some(output) = out.pop() {
        match output {
            answering::Output::Look(challenges) => {
                looks += 1;
                let blocks: usize = challenges.iter().map(|challenge| challenge.blocks.len()).sum();
                assert!(blocks <= PORTION_BLOCKS_MAX && blocks > 0);
                assert!(challenges.iter().all(|challenge| challenge.nonce == NONCE));
                let claims = challenges.iter().map(holds).collect();
                out.extend(bob.handle(answering::Input::Looked(claims), NOW));
            }
            answering::Output::Answer { claims, .. } => {
                answers += 1;
                assert_eq!(claims, statement(&asked).claims);
            }
            _ => {}
        }
    }
    assert_eq!((answers, looks), (2, 6));
    assert!(bob.is_idle());
}

#[test]
fn what_bob_did_not_find_he_does_not_claim() {
    let mut bob = answering();
    let _look = told(&mut bob, ask(1, vec![about(1, &[]), about(2, &[])]));
    let out = bob.handle(answering::Input::Looked(vec![Claim::Damaged]), NOW);
    let claims = vec![(root(1), Claim::Damaged), (root(2), Claim::Missing)];
    assert!(out.contains(&answering::Output::Answer { id: 1, nonce: NONCE, claims }), "{out:?}");
}

#[test]
fn eve_names_too_many_challenges_or_blocks_in_one_question() {
    let check = |about: Vec<About>| {
        assert!(Message::decode(&ask(1, about.clone()).encode()).is_err(), "not even read");
        let out = told(&mut answering(), ask(1, about.clone()));
        assert_eq!(put_out(&out), Some("a question that cannot be meant"));
        // Nor would alice send it.
        let why = Unanswered::NotSent("a question beyond the limits");
        assert_eq!(asks(&mut asking(), 1, about), [asking::Output::Failed { id: 1, why }]);
    };
    check((0..=ABOUT_MAX).map(|n| about(n, &[])).collect());
    check((0..=BLOCKS_PER_ASK_MAX / 4).map(|n| about(n, &[0, 1, 2, 3])).collect());
    check(vec![about(1, &[0, 1, 2, 3, 4])]);
    check(vec![about(2, &[]), about(1, &[])]);
    check(Vec::new());
}

#[test]
fn eve_asks_more_than_is_answered_at_once_and_is_put_out() {
    let mut bob = answering();
    let mut refused = 0;
    for id in 0..100 {
        let out = told(&mut bob, ask(id, vec![about(1, &[0])]));
        if let Some(what) = put_out(&out) {
            assert_eq!((what, refused), ("asks for more than is answered", REFUSALS_MAX));
            assert_eq!(id, u64::try_from(ASKS_MAX).unwrap() + u64::from(REFUSALS_MAX));
            return;
        }
        let busy = answering::Output::Send(Message::Outcome { id, outcome: Outcome::Busy });
        refused += u32::from(out.contains(&busy));
    }
    panic!("she may ask for ever");
}

#[test]
fn eve_offers_more_than_can_be_taken_at_once_and_is_put_out() {
    let mut bob = answering();
    let mut taken = 0;
    for id in 0..100 {
        let out = told(&mut bob, Message::Offer { id, offer: offer(usize::try_from(id).unwrap()) });
        taken += out.iter().filter(|output| matches!(output, answering::Output::Take { .. })).count();
        if put_out(&out).is_some() {
            return assert_eq!(taken, OFFERS_MAX);
        }
    }
    panic!("she may offer for ever");
}

#[test]
fn eve_offers_the_same_twice_and_it_is_taken_once() {
    let mut bob = answering();
    let first = told(&mut bob, Message::Offer { id: 1, offer: offer(1) });
    assert!(first.contains(&answering::Output::Take { id: 1, offer: offer(1) }));
    // With another length: which of them is true is not asked a second time.
    let again = told(&mut bob, Message::Offer { id: 2, offer: Offer { length: 9, ..offer(1) } });
    assert_eq!(again, [answering::Output::Send(Message::Outcome { id: 2, outcome: Outcome::Busy })]);
}

#[test]
fn an_offer_of_an_impossible_length_is_not_even_read() {
    for length in [0, STORED_BYTES_MAX + 1, u64::MAX] {
        let lie = Offer { length, ..offer(1) };
        assert!(Message::decode(&Message::Offer { id: 1, offer: lie }.encode()).is_err());
        let out = told(&mut answering(), Message::Offer { id: 1, offer: lie });
        assert_eq!(put_out(&out), Some("an offer that cannot be meant"));
    }
}

#[test]
fn eve_uses_an_id_that_is_under_way() {
    let mut bob = answering();
    let _look = told(&mut bob, ask(1, vec![about(1, &[])]));
    let out = told(&mut bob, Message::Offer { id: 1, offer: offer(1) });
    assert_eq!(put_out(&out), Some("an id that is under way"));
}

#[test]
fn whoever_answers_where_it_should_ask_is_put_out() {
    let receipt = statement(&[]).sign(&bob());
    let outcome = Message::Outcome { id: 1, outcome: Outcome::Had };
    for message in [Message::Answer { id: 1, receipt }, outcome, Message::Working(1)] {
        assert_eq!(put_out(&told(&mut answering(), message)), Some("an answer to nothing"));
    }
    let mut alice = asking();
    assert_eq!(closed(&hears(&mut alice, ask(1, vec![about(1, &[])]))), violation("it asks where it is asked"));
}

/// Alice asks about two documents and hears this.
fn alice_hears(receipt: PossessionReceipt) -> (Vec<asking::Output>, Asking) {
    let mut alice = asking();
    let _sent = asks(&mut alice, 1, vec![about(1, &[0]), about(2, &[])]);
    let _sent = asks(&mut alice, 2, vec![about(3, &[0])]);
    (hears(&mut alice, Message::Answer { id: 1, receipt }), alice)
}

fn asked() -> Vec<About> {
    vec![about(1, &[0]), about(2, &[])]
}

#[test]
fn an_answer_that_is_false_is_believed_by_nobody_and_ends_the_stream() {
    let check = |possession: Possession, signer: &Key, what: &'static str| {
        let (out, alice) = alice_hears(possession.sign(signer));
        assert_eq!(out[0], asking::Output::Failed { id: 1, why: Unanswered::False(what) });
        assert_eq!(out[1], asking::Output::Failed { id: 2, why: Unanswered::Ended });
        assert_eq!(closed(&out), violation(what));
        assert!(alice.is_idle());
    };
    let good = || statement(&asked());
    let unsigned = "an answer that nobody of this team signed";
    // Replayed: the answer to an earlier question.
    check(Possession { nonce: [6; 32], ..good() }, &bob(), "an answer to another question");
    // Replayed: what bob once told carol.
    check(Possession { asker: key(3).node_id(), ..good() }, &bob(), "an answer to somebody else");
    // Replayed: what carol said, handed on by bob.
    check(Possession { holder: key(3).node_id(), ..good() }, &key(3), "an answer of somebody else");
    check(good(), &key(6), unsigned);
    check(Possession { team: TeamId([8; 32]), ..good() }, &bob(), unsigned);

    let other = |claims: Vec<(Hash, Claim)>| Possession { claims, ..good() };
    let what = "an answer that is not about what was asked";
    check(other(good().claims[..1].to_vec()), &bob(), what);
    check(other(Vec::new()), &bob(), what);
    check(other(vec![good().claims[0], (root(9), Claim::Missing)]), &bob(), what);
    let what = "an answer without its digest";
    check(other(vec![(root(1), Claim::Whole { digest: None }), good().claims[1]]), &bob(), what);
    check(other(vec![good().claims[0], (root(2), Claim::Whole { digest: Some(root(1)) })]), &bob(), what);

    // The true one is believed, and the stream goes on.
    let (out, _) = alice_hears(good().sign(&bob()));
    assert!(matches!(&out[0], asking::Output::Answered(answered) if answered.possession == good()), "{out:?}");
    assert_eq!(closed(&out), None);
}

#[test]
fn every_answer_with_a_changed_byte_is_false() {
    let good = statement(&asked()).sign(&bob());
    for at in 0..good.bytes.len() {
        let mut bad = good.clone();
        bad.bytes[at] ^= 1;
        let (out, _) = alice_hears(bad);
        assert!(matches!(out[0], asking::Output::Failed { why: Unanswered::False(_), .. }), "byte {at}");
    }
}

#[test]
fn answers_that_nobody_asked_for_end_the_stream() {
    let receipt = || statement(&asked()).sign(&bob());
    let had = |id| Message::Outcome { id, outcome: Outcome::Had };
    let check = |message: Message, what| {
        let mut alice = asking();
        let _sent = asks(&mut alice, 1, asked());
        let _sent = offers(&mut alice, 2, offer(1));
        assert_eq!(closed(&hears(&mut alice, message)), violation(what));
    };
    check(Message::Answer { id: 9, receipt: receipt() }, "an answer to nothing");
    check(Message::Answer { id: 2, receipt: receipt() }, "an answer to an offer");
    check(had(9), "an outcome of what was not offered");
    check(had(1), "an outcome of a question");
    check(Message::Working(9), "works at what was not asked");

    // Once answered is answered.
    let mut alice = asking();
    let _sent = asks(&mut alice, 1, asked());
    let out = hears(&mut alice, Message::Answer { id: 1, receipt: receipt() });
    assert!(matches!(out[0], asking::Output::Answered(_)));
    let out = hears(&mut alice, Message::Answer { id: 1, receipt: receipt() });
    assert_eq!(closed(&out), violation("an answer to nothing"));
}

#[test]
fn a_question_may_be_refused_when_there_is_too_much_to_do() {
    let mut alice = asking();
    let _sent = asks(&mut alice, 1, asked());
    let out = hears(&mut alice, Message::Outcome { id: 1, outcome: Outcome::Busy });
    assert_eq!(out[0], asking::Output::Settled { id: 1, outcome: Outcome::Busy });
    assert_eq!(closed(&out), None);
}

#[test]
fn whoever_is_silent_is_left() {
    let mut alice = asking();
    let _sent = asks(&mut alice, 1, asked());
    let _sent = offers(&mut alice, 2, offer(1));
    assert_eq!(alice.handle(asking::Input::Wake, NOW.after(SILENT_MS - 1)).len(), 1, "only the next wake");
    let out = alice.handle(asking::Input::Wake, NOW.after(SILENT_MS));
    assert_eq!(closed(&out), Some(asking::Closed::Silent(SILENT_MS)));
    for id in [1, 2] {
        assert!(out.contains(&asking::Output::Failed { id, why: Unanswered::Silent(SILENT_MS) }), "{out:?}");
    }
}

#[test]
fn whoever_works_is_waited_for_but_not_for_ever() {
    let mut alice = asking();
    let _sent = asks(&mut alice, 1, asked());
    let mut at = NOW;
    loop {
        at = at.after(WORKING_MS);
        let heard = alice.handle(asking::Input::Message(Message::Working(1)), at);
        if let Some(closed) = closed(&heard) {
            assert!(matches!(closed, asking::Closed::Silent(_)));
            break assert_eq!(at, NOW.after(ANSWER_MS_MAX));
        }
    }
    // An offer takes as long as its bytes may take.
    let mut alice = asking();
    let large = Offer { length: 1 << 30, ..offer(1) };
    let _sent = offers(&mut alice, 1, large);
    let hour = NOW.after(3_600_000);
    let mut at = NOW;
    while at < hour {
        at = at.after(WORKING_MS);
        assert_eq!(closed(&alice.handle(asking::Input::Message(Message::Working(1)), at)), None, "{at:?}");
    }
}

#[test]
fn bob_says_that_he_works_until_he_is_done() {
    let mut bob = answering();
    let _take = told(&mut bob, Message::Offer { id: 1, offer: offer(1) });
    let mut said = 0;
    for second in 1..=60 {
        let out = bob.handle(answering::Input::Wake, NOW.after(second * 1_000));
        said += out.iter().filter(|output| **output == answering::Output::Send(Message::Working(1))).count();
    }
    assert_eq!(said, 6);
    let out = bob.handle(answering::Input::Took { id: 1, outcome: Outcome::Taken }, NOW.after(60_500));
    assert_eq!(out[0], answering::Output::Send(Message::Outcome { id: 1, outcome: Outcome::Taken }));
    // Nobody is told twice.
    assert_eq!(bob.handle(answering::Input::Took { id: 1, outcome: Outcome::Taken }, NOW.after(61_000)), []);
}

#[test]
fn giant_frames_are_not_read() {
    let mut frame = ask(1, vec![about(1, &[])]).encode();
    frame.resize(MESSAGE_BYTES_MAX + 1, 0);
    let error = Message::decode(&frame).unwrap_err().to_string();
    assert!(error.contains("the limit is 32768"), "{error}");
    // A head that claims a billion entries reserves nothing.
    let claims = [&[0xa4, 0, 0, 1, 1, 2, 0x58, 32][..], &[5; 32], &[3, 0x9a, 0x3b, 0x9a, 0xca, 0]].concat();
    assert!(Message::decode(&claims).is_err());
}

#[test]
fn no_bytes_make_a_machine_panic() {
    let good = ask(1, vec![about(1, &[0, 3]), about(2, &[])]).encode();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            if let Ok(message) = Message::decode(&bad) {
                let _out = told(&mut answering(), message.clone());
                let _out = hears(&mut asking(), message);
            }
        }
        assert!(Message::decode(&good[..at]).is_err());
    }
}

#[test]
fn kinds_of_a_newer_version_are_read_over_until_they_are_too_many() {
    let (mut alice, mut bob) = (asking(), answering());
    for _ in 0..UNKNOWN_MAX {
        assert_eq!(closed(&hears(&mut alice, Message::Unknown(9))), None);
        assert_eq!(put_out(&told(&mut bob, Message::Unknown(9))), None);
    }
    assert_eq!(closed(&hears(&mut alice, Message::Unknown(9))), violation("too many unknown messages"));
    assert_eq!(put_out(&told(&mut bob, Message::Unknown(9))), Some("too many unknown messages"));
}

#[test]
fn what_does_not_fit_on_the_wire_at_once_waits_for_its_turn() {
    let mut alice = asking();
    let mut sent = 0;
    for id in 0..10 {
        sent += asks(&mut alice, id, asked()).iter().filter(|output| matches!(output, asking::Output::Send(_))).count();
    }
    assert_eq!(sent, ASKS_MAX);
    let out = hears(&mut alice, Message::Outcome { id: 0, outcome: Outcome::Busy });
    assert!(out.iter().any(|output| matches!(output, asking::Output::Send(Message::Ask { id: 4, .. }))), "{out:?}");
    // An offer does not wait for questions.
    let out = offers(&mut alice, 99, offer(1));
    assert!(matches!(out[0], asking::Output::Send(Message::Offer { .. })));
    // When the stream ends everything has an end.
    let out = alice.handle(asking::Input::Close, NOW);
    assert_eq!(out.iter().filter(|output| matches!(output, asking::Output::Failed { .. })).count(), 10);
    assert!(matches!(asks(&mut alice, 100, asked())[0], asking::Output::Failed { why: Unanswered::Ended, .. }));
}

#[test]
fn a_stream_that_nobody_uses_is_closed_by_whoever_opened_it() {
    let mut alice = asking();
    let out = alice.handle(asking::Input::Wake, NOW.after(asking::IDLE_MS));
    assert_eq!(out[0], asking::Output::Send(Message::Bye));
    assert_eq!(closed(&out), Some(asking::Closed::Idle(asking::IDLE_MS)));
    let mut bob = answering();
    assert_eq!(told(&mut bob, Message::Bye), [answering::Output::Close(answering::Closed::Bye)]);
    // If she just stays, bob does not wait for ever.
    let out = answering().handle(answering::Input::Wake, NOW.after(answering::IDLE_MS));
    assert_eq!(out.last(), Some(&answering::Output::Close(answering::Closed::Idle(answering::IDLE_MS))));
}

#[test]
fn a_flood_of_questions_costs_a_bounded_rate_of_reading() {
    // How many questions about `blocks` blocks of `length` bytes are answered in a second, once what was left is gone.
    let rate = |blocks: usize, length: u64| {
        let (mut allowance, mut at, cost) = (Allowance::new(NOW), NOW, Allowance::cost(blocks, length));
        let free = Allowance::BYTES_MAX / cost;
        for _ in 0..100_000 {
            at = at.after(allowance.spend(cost, at));
        }
        (100_000 - free) * 1_000 / at.since(NOW).max(1)
    };
    let long = rate(4, 1 << 40);
    assert!((14..=16).contains(&long), "{long} questions that read a MiB each");
    let short = rate(1, 1_024);
    assert!((1_300..=1_366).contains(&short), "{short} questions about documents of 1 KiB");
    // Questions without blocks are cheap and not free.
    let plain = rate(0, 1 << 40);
    assert!((4_000..=4_096).contains(&plain), "{plain} questions that read nothing");

    let mut rested = Allowance::new(NOW);
    assert_eq!(rested.spend(Allowance::cost(4, 1 << 20), NOW), 0);
    assert!(!rested.is_full(NOW) && rested.is_full(NOW.after(60_000)));
}

#[test]
fn many_documents_are_asked_for_in_few_questions() {
    let many: Vec<About> = (0..1_000).rev().map(|n| about(n, &[])).collect();
    let put = questions(many.iter().chain(&many).cloned().collect());
    assert_eq!(put.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 256, 232]);
    let proofs: Vec<About> = (0..100).map(|n| about(n, &[0, 1, 2])).collect();
    for question in questions(proofs) {
        assert!(question.iter().map(|about| about.blocks.len()).sum::<usize>() <= BLOCKS_PER_ASK_MAX);
        assert!(Message::decode(&ask(1, question).encode()).is_ok());
    }
    assert!(questions(Vec::new()).is_empty());
}

#[test]
fn a_reason_travels_by_its_name() {
    let mut alice = asking();
    let _sent = offers(&mut alice, 1, offer(1));
    let outcome = Outcome::Failed(Reason::MissingPayload);
    let message = Message::decode(&Message::Outcome { id: 1, outcome }.encode()).unwrap();
    assert_eq!(hears(&mut alice, message)[0], asking::Output::Settled { id: 1, outcome });
}
