//! Fetching blocks from providers of every kind: in whatever order things happen, what is right arrives once, within
//! bounds, and whoever does not keep to the rules is asked no more and named.

use crate::blocks_world::{Document, Kind, Random, World};
use antiphon_core::content::{BLOCK_BYTES, MANIFEST_CHILDREN_MAX, Manifest, Shape};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::fetch::{
    ACTIVE_MAX, ASK_AGAIN_MS, ATTEMPTS_BUSY_MAX, ATTEMPTS_MAX, Failure, Gone, Input, Output, Piece, STALL_MS, Unfit,
    WINDOW_BYTES_MAX,
};
use antiphon_protocol::blocks::{Block, Fetch, Message, What};
use antiphon_protocol::reason::Reason;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const ALICE: NodeId = NodeId([1; 32]);
const CAROL: NodeId = NodeId([3; 32]);

/// A document of 20 blocks.
fn document() -> Document {
    Document::new(20 * BLOCK_BYTES - 5)
}

/// A fetch that has the manifest, and a stream to each of these.
fn begun(document: &Document, providers: &[NodeId]) -> (Fetch, Vec<Output>) {
    let mut bob = Fetch::new(document.root(), document.shape, providers.iter().copied());
    let out = bob.handle(Input::Begin(Some(document.top.encode())), NOW);
    let Output::Look(look) = &out[0] else { panic!("{out:?}") };
    let (part, manifest) = (look.part, Some(document.leaves[0].encode()));
    let _out = bob.handle(Input::Looked { part, manifest, missing: vec![look.blocks.clone()] }, NOW);
    let out = providers.iter().flat_map(|node| bob.handle(Input::Opened(*node), NOW)).collect();
    (bob, out)
}

/// The blocks that were asked of a provider.
fn asked(out: &[Output], node: NodeId) -> Vec<u64> {
    let wants = out.iter().filter_map(|output| match output {
        Output::Send(to, Message::Want { what: What::Blocks(ranges), .. }) if *to == node => Some(ranges),
        _ => None,
    });
    wants.flatten().cloned().flatten().collect()
}

fn says(bob: &mut Fetch, node: NodeId, message: Message) -> Vec<Output> {
    bob.handle(Input::Message(node, message), NOW)
}

fn block(document: &Document, n: u64) -> Message {
    Message::Block(document.block(n))
}

fn gone(bob: &Fetch, node: NodeId) -> Option<Gone> {
    bob.accounts()[&node].gone
}

fn end(out: &[Output]) -> &Result<(), Failure> {
    match out.last() {
        Some(Output::End(result)) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whatever_happens_what_is_right_arrives_once_and_within_bounds() {
    for seed in 0..400 {
        World::random(seed).run();
    }
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    for seed in 0..20 {
        let (first, again) = (World::random(seed).run(), World::random(seed).run());
        assert_eq!(first, again, "seed {seed}");
    }
}

#[test]
fn a_document_of_several_parts_is_fetched_part_by_part() {
    let blocks = 3 * MANIFEST_CHILDREN_MAX as u64 + 2;
    for seed in 0..4 {
        let mut world = World::new(seed, Document::new(blocks * BLOCK_BYTES), &[Kind::Honest, Kind::Honest]);
        // Most of it is held, so that this takes no gigabytes.
        let missing = [0, 7, 4_095, 4_096, 4_097, 8_191, 12_287, 12_288, 12_289];
        world.hold_all_but(missing);
        let ended = world.run();
        assert_eq!((ended.result, ended.fetched), (Ok(()), missing.len() as u64));
    }
}

#[test]
fn what_is_held_is_not_asked_for() {
    let document = document();
    let mut bob = Fetch::new(document.root(), document.shape, [ALICE]);
    let out = bob.handle(Input::Begin(Some(document.top.encode())), NOW);
    // Nobody is needed before it is known that something is missing.
    assert!(matches!(out.as_slice(), [Output::Look(_), Output::WakeAt(_)]), "{out:?}");
    let manifest = Some(document.leaves[0].encode());
    let out = bob.handle(Input::Looked { part: 0, manifest, missing: Vec::new() }, NOW);
    assert_eq!(out, [Output::End(Ok(()))]);
    assert_eq!(bob.progress().held, 20);
}

#[test]
fn two_providers_share_the_blocks() {
    let document = document();
    let (_bob, out) = begun(&document, &[ALICE, CAROL]);
    let (alice, carol) = (asked(&out, ALICE), asked(&out, CAROL));
    assert_eq!(alice, (0..16).collect::<Vec<_>>());
    assert_eq!(carol, [16, 17, 18, 19]);
}

#[test]
fn a_provider_owes_no_more_than_its_window() {
    let document = Document::new(100 * BLOCK_BYTES);
    let (mut bob, out) = begun(&document, &[ALICE]);
    assert_eq!(asked(&out, ALICE).len() as u64, WINDOW_BYTES_MAX / BLOCK_BYTES);
    let mut later = Vec::new();
    for n in 0..4 {
        let out = says(&mut bob, ALICE, block(&document, n));
        assert!(matches!(&out[0], Output::Keep { from: ALICE, block, .. } if block.n == n), "{out:?}");
        later.extend(asked(&out, ALICE));
        later.extend(asked(&bob.handle(Input::Kept { n, good: true }, NOW), ALICE));
    }
    // The next ones go out in one message.
    assert_eq!(later, [16, 17, 18, 19]);
}

#[test]
fn eve_who_sends_other_bytes_is_asked_no_more_and_the_block_comes_from_alice() {
    let document = document();
    let eve = NodeId([9; 32]);
    let (mut bob, out) = begun(&document, &[eve, ALICE]);
    let n = asked(&out, eve)[0];
    let lie = Block { bytes: vec![6; BLOCK_BYTES as usize], ..document.block(n) };
    let _out = says(&mut bob, eve, Message::Block(lie));
    let out = bob.handle(Input::Kept { n, good: false }, NOW);
    assert!(out.contains(&Output::Close(eve)));
    assert_eq!(gone(&bob, eve), Some(Gone::Lied(Piece::Block(n))));
    assert_eq!(bob.accounts()[&eve].lies, 1);
    assert!(bob.handle(Input::Message(eve, block(&document, 1)), NOW).is_empty());
    // All that she owed is alice's now.
    let mut owed = asked(&out, ALICE);
    for n in 0..20 {
        owed.extend(asked(&says(&mut bob, ALICE, block(&document, n)), ALICE));
        owed.extend(asked(&bob.handle(Input::Kept { n, good: true }, NOW), ALICE));
    }
    assert!(owed.contains(&n), "{owed:?}");
    assert_eq!(bob.accounts()[&ALICE].blocks, 20);
}

#[test]
fn a_lie_about_a_manifest_or_a_length_is_one_at_once() {
    let document = document();
    let want = |what| Message::Want { root: document.root(), what };
    let mut bob = Fetch::new(document.root(), document.shape, [ALICE]);
    let _out = bob.handle(Input::Begin(None), NOW);
    let out = bob.handle(Input::Opened(ALICE), NOW);
    assert_eq!(out[0], Output::Send(ALICE, want(What::Manifest(document.root()))));
    let out = says(&mut bob, ALICE, Message::Manifest(vec![1]));
    assert_eq!(*end(&out), Err(Failure::Providers { first: Piece::Root, more: 0 }));
    assert_eq!(gone(&bob, ALICE), Some(Gone::Lied(Piece::Root)));

    let (mut bob, _) = begun(&document, &[ALICE]);
    let short = Block { bytes: vec![0; 3], ..document.block(0) };
    let out = says(&mut bob, ALICE, Message::Block(short));
    assert_eq!(*end(&out), Err(Failure::Providers { first: Piece::Block(0), more: 19 }));
    assert_eq!(gone(&bob, ALICE), Some(Gone::Lied(Piece::Block(0))));
}

#[test]
fn whoever_breaks_a_rule_is_asked_no_more() {
    let document = document();
    let other = Block { root: Hash([6; 32]), ..document.block(0) };
    let lacks = |what| Message::Missing { root: document.root(), what };
    let check = |message: Message| {
        let (mut bob, _) = begun(&document, &[ALICE, CAROL]);
        let out = says(&mut bob, ALICE, message.clone());
        assert!(out.contains(&Output::Close(ALICE)), "{message:?}");
        assert!(matches!(gone(&bob, ALICE), Some(Gone::Violation(_))), "{message:?}");
    };
    check(block(&document, 19));
    check(Message::Block(other));
    check(Message::Manifest(document.top.encode()));
    check(lacks(What::Blocks(vec![0..1, 18..19])));
    check(lacks(What::Manifest(document.root())));
    check(Message::Want { root: document.root(), what: What::Blocks(vec![0..1]) });
    let (mut bob, _) = begun(&document, &[ALICE, CAROL]);
    let _out = bob.handle(Input::Unreadable(ALICE), NOW);
    assert_eq!(gone(&bob, ALICE), Some(Gone::Violation("what it sends cannot be read")));
}

#[test]
fn who_lacks_a_block_is_not_asked_for_it_again_and_may_send_others() {
    let document = document();
    let (mut bob, _) = begun(&document, &[ALICE, CAROL]);
    let missing = Message::Missing { root: document.root(), what: What::Blocks(vec![0..2]) };
    let out = says(&mut bob, ALICE, missing.clone());
    assert_eq!(asked(&out, CAROL), [0, 1]);
    let out = says(&mut bob, CAROL, missing);
    assert!(asked(&out, ALICE).is_empty() && asked(&out, CAROL).is_empty());
    let mut last = Vec::new();
    for n in 2..20 {
        let from = if n < 16 { ALICE } else { CAROL };
        let _out = says(&mut bob, from, block(&document, n));
        last = bob.handle(Input::Kept { n, good: true }, NOW);
    }
    assert_eq!(*end(&last), Err(Failure::Providers { first: Piece::Block(0), more: 1 }));
    for node in [ALICE, CAROL] {
        assert_eq!((bob.accounts()[&node].missing, gone(&bob, node)), (2, Some(Gone::Lacks)));
    }
}

#[test]
fn one_who_lacks_all_makes_room_for_one_who_waits() {
    let document = Document::new(9 * 4 * BLOCK_BYTES);
    let nodes: Vec<NodeId> = (1..=9).map(|n| NodeId([n; 32])).collect();
    assert_eq!(nodes.len(), ACTIVE_MAX + 1);
    let mut bob = Fetch::new(document.root(), document.shape, nodes.clone());
    let out = bob.handle(Input::Begin(None), NOW);
    assert!(!out.contains(&Output::Open(nodes[8])));
    let _out = bob.handle(Input::Opened(nodes[0]), NOW);
    let missing = Message::Missing { root: document.root(), what: What::Manifest(document.root()) };
    let out = says(&mut bob, nodes[0], missing);
    assert_eq!(out, [Output::Close(nodes[0]), Output::Open(nodes[8])]);
    assert_eq!(gone(&bob, nodes[0]), Some(Gone::Lacks));
}

#[test]
fn a_small_document_is_asked_of_the_likeliest_first_and_of_others_when_that_takes_long() {
    let document = Document::new(1_000);
    let mut bob = Fetch::new(document.root(), document.shape, [CAROL, ALICE]);
    let out = bob.handle(Input::Begin(None), NOW);
    assert_eq!(out[0], Output::Open(CAROL));
    assert!(!out.contains(&Output::Open(ALICE)));
    let _out = bob.handle(Input::Opened(CAROL), NOW);
    assert!(!bob.handle(Input::Wake, NOW.after(ASK_AGAIN_MS - 1)).contains(&Output::Open(ALICE)));
    assert!(bob.handle(Input::Wake, NOW.after(ASK_AGAIN_MS)).contains(&Output::Open(ALICE)));
    // Who lacks it makes room at once.
    let mut bob = Fetch::new(document.root(), document.shape, [CAROL, ALICE]);
    let _out = bob.handle(Input::Begin(None), NOW);
    let _out = bob.handle(Input::Opened(CAROL), NOW);
    let missing = Message::Missing { root: document.root(), what: What::Manifest(document.root()) };
    assert!(says(&mut bob, CAROL, missing).contains(&Output::Open(ALICE)));
}

#[test]
fn a_silent_provider_is_given_up_and_an_idle_one_asked_before_that() {
    let document = document();
    let (mut bob, out) = begun(&document, &[ALICE, CAROL]);
    for n in asked(&out, CAROL) {
        let _out = says(&mut bob, CAROL, block(&document, n));
        let out = bob.handle(Input::Kept { n, good: true }, NOW);
        assert!(asked(&out, CAROL).is_empty(), "nobody is asked twice for what is on its way");
    }
    let out = bob.handle(Input::Wake, NOW.after(ASK_AGAIN_MS - 1));
    assert!(asked(&out, CAROL).is_empty());
    let out = bob.handle(Input::Wake, NOW.after(ASK_AGAIN_MS));
    assert_eq!(asked(&out, CAROL), (0..16).collect::<Vec<_>>());
    let _out = bob.handle(Input::Wake, NOW.after(STALL_MS));
    assert_eq!((gone(&bob, ALICE), bob.accounts()[&ALICE].stalls), (Some(Gone::Stalled(STALL_MS)), 1));
    assert_eq!(gone(&bob, CAROL), None);
}

#[test]
fn what_comes_a_second_time_is_counted_and_dropped() {
    let document = document();
    let (mut bob, out) = begun(&document, &[ALICE, CAROL]);
    for n in asked(&out, CAROL) {
        let _out = says(&mut bob, CAROL, block(&document, n));
        let _out = bob.handle(Input::Kept { n, good: true }, NOW);
    }
    let _out = bob.handle(Input::Wake, NOW.after(ASK_AGAIN_MS));
    let _out = says(&mut bob, CAROL, block(&document, 0));
    let out = says(&mut bob, ALICE, block(&document, 0));
    assert!(!out.iter().any(|output| matches!(output, Output::Keep { .. })), "{out:?}");
    assert_eq!(bob.accounts()[&ALICE].spare_bytes, BLOCK_BYTES);
}

#[test]
fn a_stream_that_breaks_is_opened_again_after_a_while_and_not_for_ever() {
    let document = document();
    let check = |attempts: u32, why: Gone, fail: &dyn Fn(&mut Fetch, UnixMillis) -> Vec<Output>| {
        let (mut bob, _) = begun(&document, &[ALICE]);
        let mut now = NOW;
        for _ in 1..attempts {
            assert!(fail(&mut bob, now).contains(&Output::Close(ALICE)));
            now = now.after(60_000);
            assert!(bob.handle(Input::Wake, now).contains(&Output::Open(ALICE)), "{why}");
            assert_eq!(asked(&bob.handle(Input::Opened(ALICE), now), ALICE).len(), 16);
        }
        let out = fail(&mut bob, now);
        assert_eq!(*end(&out), Err(Failure::Providers { first: Piece::Block(0), more: 19 }));
        assert_eq!(gone(&bob, ALICE), Some(why));
    };
    let reason = Reason::NetworkReset;
    let closed = |bob: &mut Fetch, now| bob.handle(Input::Closed(ALICE, reason), now);
    check(ATTEMPTS_MAX, Gone::Unreachable(reason), &closed);
    check(ATTEMPTS_MAX, Gone::Left, &|bob, now| bob.handle(Input::Message(ALICE, Message::Bye), now));
    check(ATTEMPTS_BUSY_MAX, Gone::Busy, &|bob, now| bob.handle(Input::Message(ALICE, Message::Busy), now));
}

#[test]
fn a_document_that_is_not_what_the_index_says_is_nobodys_lie() {
    let document = document();
    let shape = Shape { length: document.shape.length + 1 };
    let mut bob = Fetch::new(document.root(), shape, [ALICE]);
    let _out = bob.handle(Input::Begin(None), NOW);
    let _out = bob.handle(Input::Opened(ALICE), NOW);
    let out = says(&mut bob, ALICE, Message::Manifest(document.top.encode()));
    let (got, want) = (document.shape.length, shape.length);
    assert_eq!(*end(&out), Err(Failure::Unfit(Unfit::Length { piece: Piece::Root, got, want })));
    assert_eq!((gone(&bob, ALICE), bob.accounts()[&ALICE].lies), (None, 0));

    let broken = vec![1, 2, 3];
    let mut bob = Fetch::new(Hash::of(&broken), shape, [ALICE]);
    let _out = bob.handle(Input::Begin(None), NOW);
    let _out = bob.handle(Input::Opened(ALICE), NOW);
    let out = says(&mut bob, ALICE, Message::Manifest(broken));
    assert!(matches!(end(&out), Err(Failure::Unfit(Unfit::Malformed { piece: Piece::Root, .. }))));
}

#[test]
fn a_fetch_that_is_stopped_says_goodbye_and_nothing_more() {
    let document = document();
    let (mut bob, _) = begun(&document, &[ALICE]);
    let out = bob.handle(Input::Cancel, NOW);
    let bye = Output::Send(ALICE, Message::Bye);
    assert_eq!(out, [bye, Output::Close(ALICE), Output::End(Err(Failure::Cancelled))]);
    assert!(bob.handle(Input::Wake, NOW).is_empty());
    let mut bob = Fetch::new(document.root(), document.shape, []);
    let out = bob.handle(Input::Begin(None), NOW);
    assert_eq!(*end(&out), Err(Failure::Providers { first: Piece::Root, more: 0 }));
}

#[test]
fn somebody_who_is_named_later_is_asked_too() {
    let document = document();
    let (mut bob, out) = begun(&document, &[ALICE]);
    assert_eq!(asked(&out, ALICE).len(), 16);
    let out = bob.handle(Input::Provider(CAROL), NOW);
    assert!(out.contains(&Output::Open(CAROL)));
    assert_eq!(asked(&bob.handle(Input::Opened(CAROL), NOW), CAROL), [16, 17, 18, 19]);
}

#[test]
fn any_bytes_are_a_message_or_refused() {
    let mut random = Random(7);
    for _ in 0..20_000 {
        let len = random.below(40) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first = 0xa0 | (*first & 7);
        }
        if let Ok(message) = Message::decode(&bytes) {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }
    let (root, _) = Manifest::of_blocks(1, &[Hash([1; 32])]).unwrap();
    assert!(Message::decode(&Message::Manifest(root.encode()).encode()).is_ok());
}
