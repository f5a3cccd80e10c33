//! Stories of missing payloads and custody receipts, between two sessions whose logs are equal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::common::{Key, NOW};
use antiphon_core::custody::{Custody, Receipt};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::frame;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{
    Answer, Ask, Authors, COMPARE_EVERY_MS, COMPARE_JITTER_MS, Closed, Input, Message, Mode, Opened, Output,
    PAGE_BYTES_MAX, RECEIPT_EVERY_MS, RECEIPTS_SENT_MAX, Session, WANTED_MAX, WANTS_ANSWERED_MAX,
};

const TEAM: TeamId = TeamId([9; 32]);
const ALICE: usize = 0;
const BOB: usize = 1;
/// After so long every period has ended once.
const PERIOD_MS: u64 = COMPARE_EVERY_MS + COMPARE_JITTER_MS;

fn log() -> LogId {
    LogId::new(StoreId([1; 16]), Stream::Shared)
}

/// One node as its database shows it to the session.
struct Side {
    key: Key,
    session: Session,
    texts: BTreeMap<u64, Vec<u8>>,
    lacks: BTreeSet<u64>,
    withheld: BTreeSet<u64>,
    receipts: BTreeMap<NodeId, (UnixMillis, Receipt)>,
    /// Whether something that is to be erased is still on its disk.
    purges: bool,
    wire: VecDeque<Vec<u8>>,
    wake: Option<UnixMillis>,
    sent: Vec<Message>,
    problems: Vec<Reason>,
    closed: Option<Closed>,
}

impl Side {
    fn new(seed: u8) -> Self {
        Self {
            key: Key::of(seed),
            session: Session::new(TEAM),
            texts: BTreeMap::new(),
            lacks: BTreeSet::new(),
            withheld: BTreeSet::new(),
            receipts: BTreeMap::new(),
            purges: false,
            wire: VecDeque::new(),
            wake: None,
            sent: Vec::new(),
            problems: Vec::new(),
            closed: None,
        }
    }

    fn receipt(&self, at: UnixMillis) -> Receipt {
        let (node, store) = (self.key.node_id(), StoreId([3; 16]));
        let (heads, gaps, stuck) = (NodeClock::new(), Vec::new(), Vec::new());
        Custody { team: TEAM, node, store, at, heads, gaps, stuck }.sign(&self.key)
    }

    /// What the database answers.
    fn ask(&mut self, ask: Ask, peer: NodeId, now: UnixMillis) -> Option<Answer> {
        Some(match ask {
            Ask::Missing { after, limit } => {
                let after = after.map_or(0, |(_, seq)| seq);
                Answer::Missing(self.lacks.range(after + 1..).take(limit).map(|seq| (log(), *seq)).collect())
            }
            Ask::Payloads { log, seqs, max_bytes } => {
                let (mut items, mut bytes, mut through) = (Vec::new(), 0, 0);
                for seq in &seqs {
                    if let Some(text) = self.texts.get(seq).filter(|_| !self.withheld.contains(seq)) {
                        bytes += text.len();
                        if bytes > max_bytes && !items.is_empty() {
                            return Some(Answer::Payloads { log, through, items });
                        }
                        items.push((*seq, text.clone()));
                    }
                    through = *seq;
                }
                Answer::Payloads { log, through, items }
            }
            Ask::Fill { log, items } => {
                let good = |(seq, text): &(u64, Vec<u8>)| text.starts_with(&seq.to_be_bytes());
                let fits = items.iter().all(good);
                for (seq, text) in items.into_iter().filter(good) {
                    self.lacks.remove(&seq);
                    self.texts.insert(seq, text);
                }
                Answer::Fill { log, fits }
            }
            Ask::Receipts { own, theirs } => {
                let others = self.receipts.iter().filter(|(node, _)| **node != peer);
                let held: BTreeMap<NodeId, UnixMillis> = theirs.iter().flatten().copied().collect();
                let newer = |at: &UnixMillis, node| theirs.is_some() && held.get(node).is_none_or(|held| held < at);
                let lacked = others.clone().filter(|(node, (at, _))| newer(at, node));
                let lacked = lacked.map(|(_, (_, receipt))| receipt.clone()).take(RECEIPTS_SENT_MAX).collect();
                let list = others.map(|(node, (at, _))| (*node, *at)).collect();
                Answer::Receipts { own: (own && !self.purges).then(|| self.receipt(now)), list, lacked }
            }
            Ask::Keep(receipts) => {
                for receipt in receipts {
                    let custody = receipt.verify(&TEAM).unwrap();
                    if self.receipts.get(&custody.node).is_none_or(|(at, _)| *at < custody.at) {
                        self.receipts.insert(custody.node, (custody.at, receipt));
                    }
                }
                return None;
            }
        })
    }

    fn wants(&self) -> usize {
        self.sent.iter().filter(|message| matches!(message, Message::Want { .. })).count()
    }

    fn signed(&self) -> usize {
        let own = |receipt: &Receipt| receipt.verify(&TEAM).unwrap().node == self.key.node_id();
        let signed =
            |message: &Message| matches!(message, Message::Receipts { receipts, .. } if receipts.iter().any(own));
        self.sent.iter().filter(|message| signed(message)).count()
    }
}

struct Pair {
    sides: [Side; 2],
    now: UnixMillis,
    mode: Mode,
}

impl Pair {
    /// Alice has texts for the events up to `last`; bob holds the headers of all and no text.
    fn new(last: u64) -> Self {
        let mut pair = Self { sides: [Side::new(1), Side::new(2)], now: NOW, mode: Mode::BOTH };
        pair.sides[ALICE].texts = (1..=last).map(|seq| (seq, text(seq, 40))).collect();
        pair.sides[BOB].lacks = (1..=last).collect();
        pair
    }

    fn open(&mut self, last: u64) {
        let held = || NodeClock::from([(log(), Head { seq: last, hash: Hash([5; 32]) })]);
        self.open_with([held(), held()], [NodeClock::new(), NodeClock::new()]);
    }

    fn open_with(&mut self, held: [NodeClock; 2], partings: [NodeClock; 2]) {
        for (side, (clock, partings)) in held.into_iter().zip(partings).enumerate() {
            let opened = Opened {
                own: NodeId([9; 32]),
                clock,
                keys: BTreeMap::new(),
                partings,
                authors: Authors::default(),
                mode: self.mode,
                seed: side as u64,
            };
            self.input(side, Input::Opened(opened));
        }
        self.settle();
    }

    fn input(&mut self, side: usize, input: Input) {
        let mut outputs: VecDeque<Output> = self.sides[side].session.handle(input, self.now).into();
        while let Some(output) = outputs.pop_front() {
            let (peer, now) = (self.sides[1 - side].key.node_id(), self.now);
            let me = &mut self.sides[side];
            match output {
                Output::Send(message) => {
                    me.wire.push_back(frame::encode(&message));
                    me.sent.push(message);
                }
                Output::Custody(ask) => {
                    if let Some(answer) = me.ask(ask, peer, now) {
                        outputs.extend(me.session.handle(Input::Custody(answer), now));
                    }
                }
                Output::LoadPage { log, after, .. } => {
                    let nothing = Input::Page { log, after, events: Vec::new() };
                    outputs.extend(me.session.handle(nothing, now));
                }
                Output::Problem { reason, .. } => me.problems.push(reason),
                Output::WakeAt(at) => me.wake = Some(at),
                Output::Close(closed) => me.closed = Some(closed),
                _ => {}
            }
        }
    }

    fn hear(&mut self, side: usize, message: Message) {
        self.input(side, Input::Message(message));
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            let Some(from) = [ALICE, BOB].into_iter().find(|side| !self.sides[*side].wire.is_empty()) else { return };
            let bytes = self.sides[from].wire.pop_front().unwrap();
            self.hear(1 - from, frame::decode(&bytes).unwrap());
        }
        panic!("they never stop talking");
    }

    /// Lets time go by, with everything that happens in it.
    fn pass(&mut self, millis: u64) {
        let end = self.now.after(millis);
        while let Some((at, side)) = [ALICE, BOB].into_iter().filter_map(|n| Some((self.sides[n].wake?, n))).min() {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            self.sides[side].wake = None;
            self.input(side, Input::Wake);
            self.settle();
        }
        self.now = end;
    }
}

/// The text of an event; it names its place, as the hash in a header would.
fn text(seq: u64, len: usize) -> Vec<u8> {
    let mut text = seq.to_be_bytes().to_vec();
    text.resize(len, b'x');
    text
}

#[test]
fn bob_gets_the_texts_that_did_not_come_along() {
    let mut pair = Pair::new(600);
    pair.open(600);
    assert_eq!(pair.sides[BOB].texts, pair.sides[ALICE].texts);
    assert!(pair.sides[BOB].lacks.is_empty());
    assert_eq!(pair.sides[BOB].wants(), 600_usize.div_ceil(WANTED_MAX));
    assert_eq!(pair.sides[ALICE].wants(), 0);
}

#[test]
fn long_texts_come_in_pieces_of_a_page() {
    let mut pair = Pair::new(0);
    pair.sides[ALICE].texts = (1..=40).map(|seq| (seq, text(seq, 60_000))).collect();
    pair.sides[BOB].lacks = (1..=40).collect();
    pair.open(40);
    assert_eq!(pair.sides[BOB].texts.len(), 40);
    let size = |message: &Message| match message {
        Message::Payloads { items, .. } => items.iter().map(|(_, text)| text.len()).sum(),
        _ => 0,
    };
    let pieces: Vec<usize> = pair.sides[ALICE].sent.iter().map(size).filter(|size| *size > 0).collect();
    assert!(pieces.len() == 3 && pieces.iter().all(|size| *size <= PAGE_BYTES_MAX), "{pieces:?}");
}

#[test]
fn what_alice_withholds_is_asked_for_once_in_a_period_and_comes_when_she_relents() {
    let mut pair = Pair::new(700);
    pair.sides[ALICE].withheld = (1..=300).chain(500..=600).collect();
    pair.open(700);
    assert_eq!(pair.sides[BOB].lacks, pair.sides[ALICE].withheld);
    let first = pair.sides[BOB].wants();
    pair.pass(5_000);
    assert_eq!(pair.sides[BOB].wants(), first);
    pair.pass(PERIOD_MS);
    assert!(pair.sides[BOB].wants() > first && pair.sides[BOB].lacks.len() == 401);
    pair.sides[ALICE].withheld.clear();
    pair.pass(PERIOD_MS);
    assert!(pair.sides[BOB].lacks.is_empty() && pair.sides[BOB].problems.is_empty());
}

#[test]
fn what_alice_does_not_hold_is_not_asked_from_her() {
    let mut pair = Pair::new(10);
    pair.sides[BOB].lacks.extend(11..=20);
    pair.open(10);
    assert_eq!(pair.sides[BOB].lacks, (11..=20).collect());
    assert_eq!(pair.sides[BOB].wants(), 1);
}

#[test]
fn a_page_of_carol_without_texts_has_bob_ask_alice_at_once() {
    let mut pair = Pair::new(10);
    let later = std::mem::take(&mut pair.sides[BOB].lacks);
    pair.open(10);
    assert_eq!(pair.sides[BOB].wants(), 0);
    pair.sides[BOB].lacks = later;
    pair.input(BOB, Input::Custody(Answer::Lacking { log: log(), seqs: (1..=10).collect() }));
    pair.settle();
    assert!(pair.sides[BOB].lacks.is_empty());
}

#[test]
fn what_alice_gets_later_than_bob_is_asked_for_as_soon_as_she_says_so() {
    let mut pair = Pair::new(10);
    let later = std::mem::take(&mut pair.sides[BOB].lacks);
    pair.open(10);
    pair.sides[BOB].lacks = later;
    pair.sides[BOB].lacks.insert(11);
    pair.sides[ALICE].texts.insert(11, text(11, 40));
    let head = Head { seq: 11, hash: Hash([6; 32]) };
    let grown = Input::LocalClock { heads: NodeClock::from([(log(), head)]), keys: BTreeMap::new() };
    pair.input(BOB, grown);
    pair.input(BOB, Input::Custody(Answer::Lacking { log: log(), seqs: vec![11] }));
    assert_eq!(pair.sides[BOB].wants(), 0, "alice does not hold it yet");
    pair.hear(BOB, Message::Ack { log: log(), head });
    pair.settle();
    assert!(!pair.sides[BOB].lacks.contains(&11));
}

#[test]
fn bytes_that_the_header_does_not_name_are_not_taken_and_end_the_asking() {
    let mut pair = Pair::new(600);
    pair.sides[ALICE].texts.insert(7, b"something else".to_vec());
    pair.open(600);
    assert!(pair.sides[BOB].lacks.contains(&7) && pair.sides[BOB].wants() == 1);
    assert_eq!(pair.sides[BOB].problems, [Reason::MissingPayload]);
    pair.sides[ALICE].texts.insert(7, text(7, 40));
    pair.pass(PERIOD_MS);
    assert!(pair.sides[BOB].lacks.is_empty(), "the next period begins anew");
}

#[test]
fn texts_that_nobody_asked_for_are_ignored_and_too_many_end_the_session() {
    let mut pair = Pair::new(5);
    pair.sides[BOB].lacks.clear();
    pair.open(5);
    let forced = Message::Payloads { log: log(), through: 5, items: vec![(3, text(3, 40))] };
    for _ in 0..16 {
        pair.hear(BOB, forced.clone());
    }
    assert!(pair.sides[BOB].texts.is_empty() && pair.sides[BOB].closed.is_none());
    pair.hear(BOB, forced);
    assert!(matches!(pair.sides[BOB].closed, Some(Closed::Violation(_))));
}

#[test]
fn an_answer_with_more_than_was_asked_for_is_not_taken() {
    let check = |through: u64, items: Vec<(u64, Vec<u8>)>| {
        let mut pair = Pair::new(5);
        pair.sides[BOB].lacks = BTreeSet::from([2, 4]);
        pair.sides[ALICE].texts.clear();
        pair.open(5);
        pair.sides[BOB].texts.clear();
        // Bob asks again in the next period; eve, who took alice's place, answers before alice does.
        pair.now = pair.now.after(PERIOD_MS);
        pair.input(BOB, Input::Wake);
        let asked = pair.sides[BOB].wants();
        pair.hear(BOB, Message::Payloads { log: log(), through, items });
        assert!(asked == 2 && pair.sides[BOB].texts.is_empty(), "{:?}", pair.sides[BOB].texts.keys());
    };
    check(5, vec![(3, text(3, 40))]);
    check(3, vec![(2, text(2, 40)), (4, text(4, 40))]);
    check(4, vec![(4, text(4, 40)), (2, text(2, 40))]);
    check(4, vec![(2, text(2, PAGE_BYTES_MAX)), (4, text(4, 40))]);
}

#[test]
fn eve_who_asks_all_day_is_answered_so_often_and_no_more() {
    let mut pair = Pair::new(5);
    pair.sides[BOB].lacks.clear();
    pair.open(5);
    let answers = |pair: &Pair| {
        pair.sides[ALICE].sent.iter().filter(|message| matches!(message, Message::Payloads { .. })).count()
    };
    for _ in 0..1_000 {
        pair.hear(ALICE, Message::Want { log: log(), seqs: vec![1, 2] });
    }
    assert_eq!(answers(&pair), WANTS_ANSWERED_MAX as usize);
    pair.sides[ALICE].wire.clear();
    pair.pass(PERIOD_MS);
    pair.hear(ALICE, Message::Want { log: log(), seqs: vec![1, 2] });
    assert_eq!(answers(&pair), WANTS_ANSWERED_MAX as usize + 1);
}

#[test]
fn a_peer_of_an_older_version_that_never_answers_is_asked_once_in_a_period() {
    let mut pair = Pair::new(5);
    pair.open(5);
    pair.sides[BOB].lacks = BTreeSet::from([1]);
    for period in 1..4 {
        pair.now = pair.now.after(PERIOD_MS);
        pair.input(BOB, Input::Wake);
        pair.hear(BOB, Message::Unknown(42));
        assert_eq!(pair.sides[BOB].wants(), 1 + period);
    }
}

#[test]
fn whoever_publishes_wants_nothing_and_whoever_subscribes_gives_nothing() {
    let check = |mode: Mode, wants: usize| {
        let mut pair = Pair::new(5);
        pair.mode = mode;
        pair.open(5);
        assert_eq!((pair.sides[BOB].wants(), pair.sides[BOB].lacks.len()), (wants, 5), "{mode:?}");
    };
    check(Mode { sends: true, takes: false }, 0);
    check(Mode { sends: false, takes: true }, 1);
    check(Mode::CHARTER, 0);
}

/// An erasure that stood behind the parting of one branch does not count any more, and took texts with it.
#[test]
fn of_a_log_with_branches_bob_gets_the_texts_that_stand_before_the_parting() {
    let check = |knows: bool, want: u64| {
        let mut pair = Pair::new(10);
        let held = |branch| NodeClock::from([(log(), Head { seq: 10, hash: Hash([branch; 32]) })]);
        let parted = NodeClock::from([(log(), Head { seq: 4, hash: Hash([4; 32]) })]);
        let hers = if knows { parted.clone() } else { NodeClock::new() };
        pair.open_with([held(5), held(6)], [hers, parted]);
        pair.pass(PERIOD_MS);
        assert_eq!(pair.sides[BOB].texts.len() as u64, want);
        assert!((1..=want).all(|seq| pair.sides[BOB].texts.contains_key(&seq)));
    };
    check(true, 4);
    // While alice knows of no parting, her branch may leave bob's anywhere.
    check(false, 0);
}

#[test]
fn whoever_learns_of_a_second_branch_signs_anew() {
    let mut pair = Pair::new(0);
    pair.open(5);
    pair.pass(3 * PERIOD_MS);
    let parted = |seq| Input::Partings(NodeClock::from([(log(), Head { seq, hash: Hash([4; 32]) })]));
    for (seq, signed) in [(4, 2), (4, 2), (3, 3)] {
        pair.input(ALICE, parted(seq));
        pair.settle();
        pair.pass(PERIOD_MS);
        assert_eq!(pair.sides[ALICE].signed(), signed);
    }
}

#[test]
fn a_receipt_comes_at_once_and_then_only_when_something_changed_and_not_too_often() {
    let mut pair = Pair::new(0);
    pair.open(1);
    assert_eq!((pair.sides[ALICE].signed(), pair.sides[BOB].receipts.len()), (1, 1));
    pair.pass(3 * PERIOD_MS);
    assert_eq!(pair.sides[ALICE].signed(), 1);
    for _ in 0..10 {
        pair.input(ALICE, Input::Custody(Answer::Changed));
        pair.settle();
    }
    assert_eq!(pair.sides[ALICE].signed(), 2);
    pair.pass(RECEIPT_EVERY_MS - 1);
    assert_eq!(pair.sides[ALICE].signed(), 2);
    pair.pass(1);
    assert_eq!(pair.sides[ALICE].signed(), 3);
    let (at, _) = pair.sides[BOB].receipts[&pair.sides[ALICE].key.node_id()];
    assert_eq!(at, pair.now);
}

#[test]
fn nobody_is_woken_for_a_receipt_that_a_pause_holds_back() {
    let mut pair = Pair::new(0);
    pair.open(1);
    pair.input(ALICE, Input::Mode(Mode::CHARTER));
    pair.input(ALICE, Input::Custody(Answer::Changed));
    pair.now = pair.now.after(RECEIPT_EVERY_MS);
    pair.sides[ALICE].wake = None;
    pair.input(ALICE, Input::Wake);
    assert!(pair.sides[ALICE].wake.is_some_and(|at| at > pair.now), "else it would be woken at once, and again");
    assert_eq!(pair.sides[ALICE].signed(), 1);
    pair.input(ALICE, Input::Mode(Mode::BOTH));
    pair.settle();
    assert_eq!(pair.sides[ALICE].signed(), 2);
}

#[test]
fn nothing_is_signed_while_something_is_to_be_erased_first() {
    let mut pair = Pair::new(0);
    pair.sides[ALICE].purges = true;
    pair.open(1);
    pair.pass(10 * RECEIPT_EVERY_MS);
    assert_eq!(pair.sides[ALICE].signed(), 0);
    pair.sides[ALICE].purges = false;
    pair.pass(RECEIPT_EVERY_MS);
    assert_eq!(pair.sides[ALICE].signed(), 1);
}

#[test]
fn bob_learns_of_carols_receipt_through_alice() {
    let mut pair = Pair::new(0);
    let carol = Side::new(3);
    let of_carol = |at: u64| (UnixMillis(at), carol.receipt(UnixMillis(at)));
    pair.sides[ALICE].receipts.insert(carol.key.node_id(), of_carol(1_000));
    pair.open(1);
    assert_eq!(pair.sides[BOB].receipts.get(&carol.key.node_id()), Some(&of_carol(1_000)));
    // A newer one is told of with the next comparison; the same one never again.
    let sent = pair.sides[ALICE].sent.len();
    pair.sides[ALICE].receipts.insert(carol.key.node_id(), of_carol(2_000));
    pair.pass(2 * PERIOD_MS);
    assert_eq!(pair.sides[BOB].receipts.get(&carol.key.node_id()), Some(&of_carol(2_000)));
    pair.pass(4 * PERIOD_MS);
    let about = |message: &&Message| matches!(message, Message::Receipts { .. });
    let relayed = pair.sides[ALICE].sent[sent..].iter().filter(about).count();
    assert!(relayed <= 3, "{relayed} messages for one receipt");
}

#[test]
fn a_whole_choir_of_receipts_comes_in_bounded_messages() {
    let mut pair = Pair::new(0);
    for seed in 10..200 {
        let singer = Side::new(seed);
        pair.sides[ALICE].receipts.insert(singer.key.node_id(), (UnixMillis(7), singer.receipt(UnixMillis(7))));
    }
    pair.open(1);
    pair.pass(6 * PERIOD_MS);
    assert_eq!(pair.sides[BOB].receipts.len(), 191);
    for message in &pair.sides[ALICE].sent {
        let fits = !matches!(message, Message::Receipts { receipts, .. } if receipts.len() > RECEIPTS_SENT_MAX + 1);
        assert!(fits);
    }
}
