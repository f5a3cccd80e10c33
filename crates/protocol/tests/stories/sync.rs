//! Sessions between nodes of an unlucky world: streams drop, frames are doubled, lost and swapped, time jumps.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::common::{Author, Key, LATER, NOW, Shelf, Team, unverified};
use antiphon_core::custody::Receipt;
use antiphon_core::event::{Event, Unverified, Verified};
use antiphon_core::ids::{Hash, NodeId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::frame;
use antiphon_protocol::reason::{About, Reason};
use antiphon_protocol::sync::{
    Answer, Ask, Branching, Clock, Closed, Input, Message, Mode, Opened, Output, PAGE_EVENTS_MAX, PAGES_QUEUED_MAX,
    Page, Session,
};
use proptest::prelude::*;

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }
}

/// One node: what it holds, what it writes, and whom it talks to.
struct Node {
    shelf: Shelf,
    /// Other branches of logs, from where they part from what the shelf has.
    evidence: BTreeMap<LogId, Vec<Event<Verified>>>,
    author: Author,
    talks: BTreeMap<usize, Talk>,
    mode: Mode,
    /// It came back with an older copy of its disk, and takes up what it is shown of its own log: the events.
    restored: Option<Vec<Event<Verified>>>,
}

/// One end of a stream.
struct Talk {
    session: Session,
    /// Frames that are on their way to the other end.
    wire: VecDeque<Vec<u8>>,
    /// What the store was asked for and has not done yet.
    work: VecDeque<Output>,
    wake: Option<UnixMillis>,
    problems: BTreeSet<(LogId, Reason)>,
    caught_up: bool,
    holds: NodeClock,
    log: Vec<Output>,
}

impl Node {
    /// Keeps a branch as a store does: only if it follows what is held, and from the first event that differs.
    fn keep_branch(&mut self, log: LogId, events: &[Event<Verified>]) -> Branching {
        let held = &self.shelf.logs[&log];
        let at = |seq: u64| held.get(usize::try_from(seq).unwrap().checked_sub(1)?).map(Event::head);
        let first = events[0].header();
        if at(first.seq - 1).unwrap_or(Head::EMPTY).hash != first.prev {
            return Branching::Detached;
        }
        let differs = |event: &Event<Verified>| at(event.header().seq).is_some_and(|mine| mine != event.head());
        let Some(from) = events.iter().position(differs) else { return Branching::Same };
        let other = events[from..].to_vec();
        if let Some(shown) = &mut self.restored {
            shown.extend(other);
            return Branching::Same;
        }
        let seq = other[0].header().seq;
        if self.evidence.get(&log).is_none_or(|known| seq < known[0].header().seq) {
            self.evidence.insert(log, other);
        }
        Branching::Parted(self.partings()[&log])
    }

    fn partings(&self) -> NodeClock {
        let head = |event: &Event<Verified>| match event.header().seq {
            1 => Head::EMPTY,
            seq => Head { seq: seq - 1, hash: event.header().prev },
        };
        self.evidence.iter().map(|(log, events)| (*log, head(&events[0]))).collect()
    }

    fn proof(&self, log: LogId) -> Vec<Vec<Event<Verified>>> {
        let Some(other) = self.evidence.get(&log) else { return Vec::new() };
        let from = usize::try_from(other[0].header().seq).unwrap() - 1;
        let signed = |events: &[Event<Verified>]| {
            let end = events.iter().position(|event| event.signature().is_some()).unwrap();
            events[..=end].to_vec()
        };
        vec![signed(&self.shelf.logs[&log][from..]), signed(other)]
    }

    /// The first event of a log of which two are known.
    fn parted(&self, log: LogId) -> Option<u64> {
        self.partings().get(&log).map(|head| head.seq + 1)
    }
}

struct World {
    team: TeamId,
    nodes: Vec<Node>,
    now: UnixMillis,
    seed: u64,
    /// Bytes that were put on wires.
    bytes: usize,
    /// Pages that were put on wires.
    pages: usize,
}

impl World {
    /// Nodes alice, bob, carol…, all granted by alice; who joined holds alice's charter.
    fn new(people: u8) -> Self {
        let keys: Vec<Key> = (1..=people).map(Key::of).collect();
        let team = Team::found(&keys[0], 7).id;
        let mut authors: Vec<Author> = keys.iter().map(|key| Author::new(team, key, 1)).collect();
        let steward = keys[0].node_id();
        let mut shelf = Shelf::new(steward);
        shelf.put(authors[0].open(Stream::Charter));
        for key in &keys {
            shelf.put(authors[0].grant(key.node_id(), LATER));
        }
        let nodes = authors
            .drain(..)
            .map(|mut author| {
                let mut shelf = shelf.clone();
                shelf.put(author.open(Stream::Shared));
                Node {
                    shelf,
                    evidence: BTreeMap::new(),
                    author,
                    talks: BTreeMap::new(),
                    mode: Mode::BOTH,
                    restored: None,
                }
            })
            .collect();
        Self { team, nodes, now: NOW, seed: 0, bytes: 0, pages: 0 }
    }

    fn connect(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.seed += 1;
            let node = &mut self.nodes[from];
            let mut session = Session::new(self.team);
            let opened = Opened {
                own: node.author.key.node_id(),
                clock: node.shelf.clock(),
                keys: node.shelf.keys(),
                partings: node.partings(),
                authors: node.shelf.authors(),
                mode: node.mode,
                seed: self.seed,
            };
            let out = session.handle(Input::Opened(opened), self.now);
            let (wire, work) = (VecDeque::new(), VecDeque::new());
            let (problems, holds) = (BTreeSet::new(), NodeClock::new());
            let talk = Talk { session, wire, work, wake: None, problems, caught_up: false, holds, log: Vec::new() };
            node.talks.insert(to, talk);
            self.apply(from, to, out);
        }
    }

    fn drop_stream(&mut self, a: usize, b: usize) {
        self.nodes[a].talks.remove(&b);
        self.nodes[b].talks.remove(&a);
    }

    fn apply(&mut self, node: usize, peer: usize, outputs: Vec<Output>) {
        let mut closed = false;
        for output in outputs {
            let Some(talk) = self.nodes[node].talks.get_mut(&peer) else { return };
            talk.log.push(output.clone());
            match output {
                Output::Send(message) => {
                    self.pages += usize::from(matches!(message, Message::Page(_)));
                    let bytes = frame::encode(&message);
                    self.bytes += bytes.len();
                    talk.wire.push_back(bytes);
                }
                Output::LoadPage { .. }
                | Output::Verify(_)
                | Output::Store { .. }
                | Output::Branch { .. }
                | Output::LoadHeads { .. }
                | Output::LoadProof { .. }
                | Output::Custody(_) => talk.work.push_back(output),
                Output::Problem { log, reason, .. } => drop(talk.problems.insert((log, reason))),
                Output::CaughtUp => talk.caught_up = true,
                Output::PeerHolds(heads) => talk.holds = heads,
                Output::PeerHoldsLog { log, head } => drop(talk.holds.insert(log, head)),
                Output::WakeAt(at) => talk.wake = Some(at),
                Output::Close(_) => closed = true,
            }
        }
        if closed {
            self.drop_stream(node, peer);
        }
    }

    fn input(&mut self, node: usize, peer: usize, input: Input) {
        let now = self.now;
        if let Some(talk) = self.nodes[node].talks.get_mut(&peer) {
            let out = talk.session.handle(input, now);
            self.apply(node, peer, out);
        }
    }

    /// Delivers the oldest frame from `from` to `to`.
    fn deliver(&mut self, from: usize, to: usize) -> bool {
        let Some(bytes) = self.nodes[from].talks.get_mut(&to).and_then(|talk| talk.wire.pop_front()) else {
            return false;
        };
        let message = frame::decode(&bytes).expect("what a session sends can be read");
        self.input(to, from, Input::Message(message));
        true
    }

    /// Does the oldest thing that the store was asked for.
    fn work(&mut self, node: usize, peer: usize) -> bool {
        let Some(work) = self.nodes[node].talks.get_mut(&peer).and_then(|talk| talk.work.pop_front()) else {
            return false;
        };
        match work {
            Output::LoadPage { log, after, max_events, max_bytes, .. } => {
                let events = self.nodes[node].shelf.page(log, after, max_events, max_bytes);
                self.input(node, peer, Input::Page { log, after, events });
            }
            Output::Verify(check) => self.input(node, peer, Input::Checked(check.run())),
            Output::Store { log, events, .. } => {
                let head = self.nodes[node].shelf.append(events);
                if log.stream == Stream::Charter {
                    let authors = self.nodes[node].shelf.authors();
                    self.tell_all(node, &Input::Authors(authors));
                }
                self.input(node, peer, Input::Stored { log, head });
                self.tell_grown(node, log, Some(peer));
            }
            Output::Branch { log, events } => {
                let branching = self.nodes[node].keep_branch(log, &events);
                self.input(node, peer, Input::Branched { log, branching });
                let partings = self.nodes[node].partings();
                self.tell_all(node, &Input::Partings(partings));
            }
            Output::LoadHeads { log, seqs } => {
                let held = &self.nodes[node].shelf.logs[&log];
                let at = |seq: &u64| held.get(usize::try_from(*seq).ok()?.checked_sub(1)?).map(Event::head);
                let heads = seqs.iter().filter_map(at).collect();
                self.input(node, peer, Input::Heads { log, seqs, heads });
            }
            Output::Custody(Ask::Missing { .. }) => self.input(node, peer, Input::Custody(Answer::Missing(Vec::new()))),
            Output::Custody(Ask::Receipts { own, .. }) => {
                // What receipts say is told in the stories of custody; here they only come and go.
                let own = own.then(|| Receipt { bytes: vec![7; 64], signature: Signature([7; 64]) });
                let answer = Answer::Receipts { own, list: Vec::new(), lacked: Vec::new() };
                self.input(node, peer, Input::Custody(answer));
            }
            Output::Custody(_) => {}
            Output::LoadProof { log } => {
                let branches = self.nodes[node].proof(log);
                self.input(node, peer, Input::Proof { log, branches });
            }
            _ => unreachable!("only work is queued"),
        }
        true
    }

    fn tell_all(&mut self, node: usize, input: &Input) {
        let peers: Vec<usize> = self.nodes[node].talks.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.input(node, peer, input.clone()));
    }

    fn tell_grown(&mut self, node: usize, log: LogId, but: Option<usize>) {
        let shelf = &self.nodes[node].shelf;
        let heads: NodeClock = shelf.clock().into_iter().filter(|(held, _)| *held == log).collect();
        let keys = shelf.keys().into_iter().filter(|(store, _)| *store == log.store).collect();
        let input = Input::LocalClock { heads, keys };
        let peers: Vec<usize> = self.nodes[node].talks.keys().copied().filter(|peer| Some(*peer) != but).collect();
        peers.into_iter().for_each(|peer| self.input(node, peer, input.clone()));
    }

    /// Writes facts in groups, each signed at its end.
    fn write(&mut self, node: usize, count: usize) {
        for left in (0..count).rev() {
            let event = self.nodes[node].author.fact(&format!("fact {left} of {node}"), left % 500 == 0);
            self.nodes[node].shelf.put(event);
        }
        let log = self.nodes[node].author.log(Stream::Shared);
        self.tell_grown(node, log, None);
    }

    /// Delivers and works until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let ends = self.ends();
            let busy = ends.iter().filter(|(a, b)| self.deliver(*a, *b) | self.work(*a, *b)).count();
            if busy == 0 {
                return;
            }
        }
        panic!("the world never settles");
    }

    fn ends(&self) -> Vec<(usize, usize)> {
        self.nodes.iter().enumerate().flat_map(|(a, node)| node.talks.keys().map(move |b| (a, *b))).collect()
    }

    /// Lets time pass until the next timer, if one is due within `millis`.
    fn pass(&mut self, millis: u64) {
        let until = self.now.after(millis);
        loop {
            let due = self.ends().into_iter().filter_map(|(a, b)| Some((self.nodes[a].talks[&b].wake?, a, b))).min();
            let Some((at, a, b)) = due.filter(|(at, _, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            self.nodes[a].talks.get_mut(&b).unwrap().wake = None;
            self.input(a, b, Input::Wake);
            self.settle();
        }
        self.now = until;
    }

    fn shared(&self, node: usize) -> &Shelf {
        &self.nodes[node].shelf
    }

    fn assert_converged(&self) {
        for node in &self.nodes {
            assert_eq!(node.shelf.clock(), self.nodes[0].shelf.clock());
            assert_eq!(node.shelf, self.nodes[0].shelf);
            // Each was told so of the others.
            node.talks.iter().for_each(|(_, talk)| assert_eq!(talk.holds, node.shelf.clock()));
        }
    }

    fn talk(&self, node: usize, peer: usize) -> &Talk {
        &self.nodes[node].talks[&peer]
    }
}

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// A page shows less than its sender's clock has named; a person who asks meanwhile is not told that both hold the same.
#[test]
fn what_alice_holds_does_not_shrink_to_the_page_that_came_last() {
    let mut world = World::new(2);
    world.write(ALICE, 1_300);
    world.connect(ALICE, BOB);
    world.settle();
    let told = world.talk(BOB, ALICE).log.iter().filter_map(|output| match output {
        Output::PeerHolds(heads) => Some(heads.iter().map(|(log, head)| (*log, head.seq)).collect()),
        Output::PeerHoldsLog { log, head } => Some(vec![(*log, head.seq)]),
        _ => None,
    });
    let (mut held, mut told_of) = (BTreeMap::new(), 0);
    for (log, seq) in told.flatten() {
        let before = held.insert(log, seq);
        assert!(before.is_none_or(|before| before <= seq), "{log}: {before:?}, then {seq}");
        told_of += 1;
    }
    assert!(told_of > held.len(), "pages came: {told_of}");
}

#[test]
fn bob_gets_what_he_missed_while_offline() {
    let mut world = World::new(2);
    world.write(ALICE, 1_300);
    world.write(BOB, 3);
    world.connect(ALICE, BOB);
    world.settle();
    world.assert_converged();
    assert!(world.talk(ALICE, BOB).caught_up && world.talk(BOB, ALICE).caught_up);
    assert_eq!(world.talk(ALICE, BOB).holds, world.shared(BOB).clock());
}

/// Pages go out ahead of what is acknowledged, and still each event once.
#[test]
fn a_long_log_is_sent_once() {
    let mut world = World::new(2);
    world.write(ALICE, 3_000);
    world.connect(ALICE, BOB);
    world.settle();
    world.assert_converged();
    let sent = world.talk(ALICE, BOB).log.iter().filter_map(|output| match output {
        Output::Send(Message::Page(page)) => Some(page.events.len()),
        _ => None,
    });
    assert_eq!(sent.sum::<usize>(), 3_001, "the facts, and what opens their log");
}

#[test]
fn a_new_fact_is_pushed_at_once_and_relayed_without_echo() {
    let mut world = World::new(3);
    world.connect(ALICE, BOB);
    world.connect(BOB, CAROL);
    world.settle();
    world.pages = 0;
    world.write(ALICE, 1);
    world.settle();
    world.assert_converged();
    assert_eq!(world.pages, 2, "alice to bob and bob to carol, nothing back");
}

#[test]
fn a_resync_costs_with_the_difference_and_not_with_the_log() {
    let mut world = World::new(2);
    world.write(ALICE, 500);
    for _ in 0..10 {
        world.write(ALICE, 200);
    }
    world.connect(ALICE, BOB);
    world.settle();
    world.drop_stream(ALICE, BOB);
    world.write(ALICE, 1);
    world.bytes = 0;
    world.connect(ALICE, BOB);
    world.settle();
    world.assert_converged();
    assert!(world.bytes <= 2_000, "{} bytes for one fact", world.bytes);
}

#[test]
fn an_idle_pair_compares_one_hash() {
    let mut world = World::new(2);
    world.connect(ALICE, BOB);
    world.settle();
    world.bytes = 0;
    world.pass(10 * 60_000);
    assert!(world.nodes[ALICE].talks.contains_key(&BOB), "digests keep the session alive");
    assert!(world.bytes < 2 * 21 * 64, "{} bytes in ten minutes", world.bytes);
}

#[test]
fn what_a_lost_frame_took_along_arrives_with_the_next_comparison() {
    let mut world = World::new(2);
    world.connect(ALICE, BOB);
    world.settle();
    world.write(ALICE, 1);
    world.work(ALICE, BOB);
    world.nodes[ALICE].talks.get_mut(&BOB).unwrap().wire.clear();
    world.pass(3 * 60_000);
    world.assert_converged();
}

#[test]
fn the_charter_goes_first_and_its_news_open_what_it_grants() {
    let mut world = World::new(2);
    let dave = Key::of(99);
    let mut daves = Author::new(world.team, &dave, 1);
    world.nodes[ALICE].shelf.put(daves.open(Stream::Shared));
    let fact = daves.fact("from dave", true);
    world.nodes[ALICE].shelf.put(fact);
    let grant = world.nodes[ALICE].author.grant(dave.node_id(), LATER);
    world.nodes[ALICE].shelf.put(grant);
    world.connect(ALICE, BOB);
    world.settle();
    world.assert_converged();
    assert!(world.talk(BOB, ALICE).problems.is_empty());
    let stores = world.talk(BOB, ALICE).log.iter().filter_map(|output| match output {
        Output::Store { log, .. } => Some(log.stream),
        _ => None,
    });
    assert_eq!(stores.collect::<Vec<_>>()[0], Stream::Charter);
}

#[test]
fn a_log_of_an_unknown_key_is_refused_until_the_charter_knows_it() {
    let mut world = World::new(2);
    let eve = Key::of(66);
    let mut eves = Author::new(world.team, &eve, 1);
    world.nodes[ALICE].shelf.put(eves.open(Stream::Shared));
    world.write(ALICE, 1);
    world.connect(ALICE, BOB);
    world.settle();
    let log = eves.log(Stream::Shared);
    assert!(world.talk(BOB, ALICE).problems.contains(&(log, Reason::NotAMember)));
    assert!(!world.shared(BOB).logs.contains_key(&log));
    assert_eq!(world.shared(BOB).logs.len(), world.shared(ALICE).logs.len() - 1, "alice's own log was not held up");
    let grant = world.nodes[ALICE].author.grant(eve.node_id(), LATER);
    world.nodes[ALICE].shelf.put(grant);
    let charter = world.nodes[ALICE].author.log(Stream::Charter);
    world.tell_grown(ALICE, charter, None);
    world.settle();
    world.assert_converged();
}

#[test]
fn a_subscriber_takes_and_sends_nothing_but_the_charter() {
    let mut world = World::new(2);
    world.nodes[BOB].mode = Mode { sends: false, takes: true };
    world.write(ALICE, 2);
    world.write(BOB, 2);
    world.connect(ALICE, BOB);
    world.settle();
    let bobs = world.nodes[BOB].author.log(Stream::Shared);
    let alices = world.nodes[ALICE].author.log(Stream::Shared);
    assert!(world.shared(BOB).logs.contains_key(&alices) && !world.shared(ALICE).logs.contains_key(&bobs));
    world.input(BOB, ALICE, Input::Mode(Mode::BOTH));
    world.settle();
    world.assert_converged();
}

#[test]
fn a_publisher_takes_nothing_until_its_mode_changes() {
    let mut world = World::new(2);
    world.nodes[BOB].mode = Mode { sends: true, takes: false };
    world.write(ALICE, 2);
    world.connect(ALICE, BOB);
    world.settle();
    let alices = world.nodes[ALICE].author.log(Stream::Shared);
    assert!(!world.shared(BOB).logs.contains_key(&alices));
    world.input(BOB, ALICE, Input::Mode(Mode::BOTH));
    world.settle();
    world.assert_converged();
}

#[test]
fn a_pause_holds_at_once_and_loses_nothing() {
    let mut world = World::new(2);
    world.connect(ALICE, BOB);
    world.settle();
    let alices = world.nodes[ALICE].author.log(Stream::Shared);
    let before = world.shared(BOB).logs[&alices].len();
    assert_eq!(world.talk(ALICE, BOB).session.peer_takes(), Some(true));
    // A page of alice's is being read, another one is on its way, when bob is paused on both sides.
    world.write(ALICE, 1_200);
    world.work(ALICE, BOB);
    for (node, peer) in [(BOB, ALICE), (ALICE, BOB)] {
        world.input(node, peer, Input::Mode(Mode::CHARTER));
    }
    let pages = world.pages;
    world.settle();
    assert_eq!((world.pages, world.shared(BOB).logs[&alices].len()), (pages, before));
    assert_eq!(world.talk(ALICE, BOB).session.peer_takes(), Some(false));
    assert!(world.talk(ALICE, BOB).problems.is_empty(), "{:?}", world.talk(ALICE, BOB).problems);
    let grant = world.nodes[ALICE].author.grant(Key::of(9).node_id(), LATER);
    world.nodes[ALICE].shelf.put(grant);
    let charter = world.nodes[ALICE].author.log(Stream::Charter);
    world.tell_grown(ALICE, charter, None);
    world.settle();
    assert_eq!(world.shared(BOB).logs[&charter].len(), world.shared(ALICE).logs[&charter].len());
    for (node, peer) in [(BOB, ALICE), (ALICE, BOB)] {
        world.input(node, peer, Input::Mode(Mode::BOTH));
    }
    world.settle();
    world.assert_converged();
}

/// Gives bob a branch of alice's log that is signed as validly as hers.
fn fork(world: &mut World, hers: usize, his: usize) -> LogId {
    world.write(ALICE, 2);
    let log = world.nodes[ALICE].author.log(Stream::Shared);
    let common = world.nodes[ALICE].shelf.logs[&log].clone();
    world.nodes[BOB].shelf.append(common);
    let mut twin = world.nodes[ALICE].author.clone();
    for n in 0..his {
        let event = twin.fact(&format!("another {n}"), true);
        world.nodes[BOB].shelf.put(event);
    }
    world.write(ALICE, hers);
    log
}

#[test]
fn both_sides_of_a_fork_are_shown_and_nothing_else_is_held_up() {
    for (hers, his) in [(1, 1), (3, 1), (1, 3), (600, 2), (5, 4), (900, 700), (5_000, 4_000)] {
        let mut world = World::new(2);
        let log = fork(&mut world, hers, his);
        world.write(BOB, 2);
        world.connect(ALICE, BOB);
        world.settle();
        for (node, peer) in [(ALICE, BOB), (BOB, ALICE)] {
            let talk = world.talk(node, peer);
            assert!(talk.problems.contains(&(log, Reason::Equivocation)), "{hers} and {his}");
            assert_eq!(world.nodes[node].parted(log), Some(4), "{node} can prove where {hers} and {his} part");
            assert!(talk.caught_up, "a fork does not keep the rest from being done");
        }
        let bobs = world.nodes[BOB].author.log(Stream::Shared);
        assert_eq!(world.shared(ALICE).logs[&bobs], world.shared(BOB).logs[&bobs]);
        world.pass(5 * 60_000);
        assert_eq!(world.shared(ALICE).logs[&log].len(), hers + 3);
    }
}

#[test]
fn whoever_came_back_with_an_older_disk_is_shown_what_the_others_hold_and_shows_nothing() {
    for (hers, his) in [(1, 1), (3, 1), (1, 3), (600, 2), (5, 4), (900, 700)] {
        let mut world = World::new(2);
        let log = fork(&mut world, hers, his);
        world.nodes[ALICE].restored = Some(Vec::new());
        world.connect(ALICE, BOB);
        world.settle();
        world.pass(2 * 60_000);
        let shown = world.nodes[ALICE].restored.as_ref().unwrap();
        let first = shown.first().map(|event| event.hash());
        assert_eq!(first, Some(world.shared(BOB).logs[&log][3].hash()), "{hers} and {his}");
        assert_eq!(world.nodes[BOB].parted(log), None, "bob can prove nothing");
    }
}

/// A proof shows where branches part, and neither texts nor what comes after that.
#[test]
fn whoever_came_back_with_an_older_disk_is_shown_the_whole_branch_although_all_can_prove_the_fork() {
    for (hers, his) in [(1, 1), (3, 1), (1, 3), (2, 300)] {
        let mut world = World::new(2);
        let log = fork(&mut world, hers, his);
        let first = |node: usize| vec![world.nodes[node].shelf.logs[&log][3].clone()];
        let (alices, bobs) = (first(ALICE), first(BOB));
        world.nodes[ALICE].evidence.insert(log, bobs);
        world.nodes[BOB].evidence.insert(log, alices);
        world.nodes[ALICE].restored = Some(Vec::new());
        world.connect(ALICE, BOB);
        world.settle();
        world.pass(2 * 60_000);
        let shown = world.nodes[ALICE].restored.as_ref().unwrap();
        for event in &world.shared(BOB).logs[&log][3..] {
            let event = event.hash();
            assert!(shown.iter().any(|shown| shown.hash() == event), "{hers} and {his}");
        }
    }
}

#[test]
fn eve_cannot_make_up_a_branch_of_somebodys_own_log() {
    let mut world = World::new(2);
    world.write(BOB, 3);
    let log = world.nodes[BOB].author.log(Stream::Shared);
    // Eve is a member, and signs what follows in bob's name with her own key.
    let mut eve = world.nodes[BOB].author.clone();
    eve.key = Key::of(1);
    let forged: Vec<_> = (0..3).map(|n| unverified(&eve.fact(&format!("made up {n}"), true))).collect();
    let genuine: Vec<_> = world.shared(BOB).logs[&log].iter().map(unverified).collect();
    let mut claimed = world.shared(BOB).clock();
    claimed.insert(log, forged[2].head());
    let (mut session, _) = opened(&world, claimed);
    let branch = |events: &[Event<Unverified>]| Input::Message(Message::Branch(Page { log, events: events.to_vec() }));
    let page = |events: &[Event<Unverified>]| Input::Message(Message::Page(Page { log, events: events.to_vec() }));
    for input in [branch(&forged), page(&forged), branch(&genuine), page(&genuine)] {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in session.handle(input, NOW) {
                match output {
                    Output::Verify(check) => inputs.push(Input::Checked(check.run())),
                    Output::Store { .. } => panic!("what eve made up is stored"),
                    // What bob signed himself may be looked at again, and is what is held.
                    Output::Branch { events, .. } => {
                        let held = &world.shared(BOB).logs[&log];
                        assert!(events.iter().all(|event| held.iter().any(|mine| mine.hash() == event.hash())));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A session of bob that has heard a clock of `peer_clock`, with what it said.
fn opened(world: &World, peer_clock: NodeClock) -> (Session, Vec<Output>) {
    let shelf = world.shared(BOB);
    let (clock, keys, authors) = (shelf.clock(), shelf.keys(), shelf.authors());
    let mut session = Session::new(world.team);
    let mut out = session.handle(
        Input::Opened(Opened {
            own: Key::of(2).node_id(),
            clock,
            keys,
            partings: NodeClock::new(),
            authors,
            mode: Mode::BOTH,
            seed: 1,
        }),
        NOW,
    );
    let clock = Clock { heads: peer_clock, takes: true, asks: false, partings: NodeClock::new() };
    out.extend(session.handle(Input::Message(Message::Clock(clock)), NOW));
    (session, out)
}

fn alices_page(world: &World) -> Page {
    let log = world.nodes[ALICE].author.log(Stream::Shared);
    Page { log, events: world.shared(ALICE).logs[&log].iter().map(unverified).collect() }
}

/// Hands a message to a session and verifies what it wants verified.
fn hear(session: &mut Session, message: Message) -> Vec<Output> {
    let (mut said, mut todo) = (Vec::new(), session.handle(Input::Message(message), NOW));
    loop {
        let verify = |output: &mut Output| matches!(output, Output::Verify(_));
        let checks: Vec<Output> = todo.extract_if(.., verify).collect();
        said.append(&mut todo);
        for check in checks {
            let Output::Verify(check) = check else { unreachable!("only checks were taken out") };
            todo.extend(session.handle(Input::Checked(check.run()), NOW));
        }
        if todo.is_empty() {
            return said;
        }
    }
}

#[test]
fn a_forged_page_is_refused_and_too_many_end_the_session() {
    let mut world = World::new(2);
    world.write(ALICE, 3);
    let good = alices_page(&world);
    let forged = |page: &Page| {
        let mut page = page.clone();
        let last = page.events.pop().unwrap();
        let signature = antiphon_core::sign::Signature([9; 64]);
        let (header, payload) = (last.header_bytes().to_vec(), last.payload().map(<[u8]>::to_vec));
        page.events.remove(0);
        page.events.push(Event::parse(header, payload, Some(signature)).unwrap());
        page
    };
    let open = world.shared(ALICE).logs[&good.log][0].clone();
    world.nodes[BOB].shelf.put(open);
    let (mut session, _) = opened(&world, world.shared(ALICE).clock());
    let out = hear(&mut session, Message::Page(forged(&good)));
    assert!(told(&out, good.log, Reason::BadSignature));
    assert!(session.refuses());
    let named = out.iter().find_map(|out| if let Output::Problem { about, .. } = out { *about } else { None });
    assert_eq!(named.map(|about| about.event), good.events.last().map(|event| event.header().id));
    assert!(!out.iter().any(|output| matches!(output, Output::Store { .. })));
    let closed = (0..100).any(|_| {
        let out = hear(&mut session, Message::Page(forged(&good)));
        out.iter().any(|output| matches!(output, Output::Close(Closed::Violation(_))))
    });
    assert!(closed);
    assert!(session.handle(Input::Wake, NOW).is_empty());
}

#[test]
fn nothing_is_acknowledged_before_it_is_stored_and_a_failed_store_only_stalls_its_log() {
    let mut world = World::new(2);
    world.write(ALICE, 3);
    let page = alices_page(&world);
    let (mut session, _) = opened(&world, world.shared(ALICE).clock());
    let sends = |out: &[Output]| out.iter().filter(|output| matches!(output, Output::Send(_))).count();
    let out = hear(&mut session, Message::Page(page.clone()));
    assert!(matches!(out[..], [Output::Store { .. }]));
    let out = session.handle(Input::StoreFailed { log: page.log, reason: Reason::Quota }, NOW);
    let about = Some(About::of(page.events[0].header()));
    assert!(out.contains(&Output::Problem { log: page.log, reason: Reason::Quota, about }));
    let nack = Message::Nack { log: page.log, head: Head::EMPTY, reason: Some(Reason::Quota) };
    assert!(out.contains(&Output::Send(nack)));
    let out = hear(&mut session, Message::Page(page.clone()));
    assert!(matches!(out[..], [Output::Store { .. }]), "{out:?}");
    let head = page.events.last().unwrap().head();
    let out = session.handle(Input::Stored { log: page.log, head }, NOW);
    assert!(out.contains(&Output::Send(Message::Ack { log: page.log, head })));
    let out = hear(&mut session, Message::Page(page));
    assert_eq!(sends(&out), 1, "what came twice is acknowledged and not stored again: {out:?}");
}

#[test]
fn what_the_peer_does_not_take_is_named_by_its_first_event() {
    let mut world = World::new(2);
    world.write(ALICE, 3);
    world.write(BOB, 3);
    let relayed = world.shared(ALICE).logs[&world.nodes[ALICE].author.log(Stream::Shared)].clone();
    world.nodes[BOB].shelf.append(relayed);
    let (mut session, mut out) = opened(&world, world.shared(BOB).charter_clock());
    let mut sent = Vec::new();
    while let Some((log, after)) = out.iter().find_map(|output| match output {
        Output::LoadPage { log, after, .. } if log.stream == Stream::Shared => Some((*log, *after)),
        _ => None,
    }) {
        let events: Vec<_> = world.shared(BOB).logs[&log].clone();
        sent.push((log, About::of(events[0].header())));
        out = session.handle(Input::Page { log, after, events }, NOW);
        assert!(out.iter().any(|output| matches!(output, Output::Send(Message::Page(_)))), "{out:?}");
    }
    assert_eq!(sent.len(), 2, "both are under way at once");
    let out = session.handle(Input::Wake, NOW);
    assert!(!out.iter().any(|output| matches!(output, Output::Send(_))), "nothing counts as lost yet: {out:?}");
    for (log, about) in sent {
        let out = hear(&mut session, Message::Nack { log, head: Head::EMPTY, reason: Some(Reason::Quota) });
        assert!(out.contains(&Output::Problem { log, reason: Reason::Quota, about: Some(about) }), "{out:?}");
    }
}

#[test]
fn one_page_is_verified_at_a_time_and_a_fork_that_shows_meanwhile_stops_it() {
    let mut world = World::new(2);
    world.write(ALICE, 3);
    let page = alices_page(&world);
    let clock = world.shared(ALICE).clock();
    let (mut session, _) = opened(&world, clock.clone());
    let out = session.handle(Input::Message(Message::Page(page.clone())), NOW);
    let [Output::Verify(check)] = &out[..] else { panic!("{out:?}") };
    let next = session.handle(Input::Message(Message::Page(page.clone())), NOW);
    assert!(!next.iter().any(|output| matches!(output, Output::Verify(_))), "{next:?}");
    // Carol has brought the same log meanwhile, and alice now claims another head for it.
    let head = page.events.last().unwrap().head();
    let _ = session.handle(Input::LocalClock { heads: [(page.log, head)].into(), keys: BTreeMap::new() }, NOW);
    let mut heads = clock;
    heads.insert(page.log, Head { hash: Hash([7; 32]), ..head });
    let other = Clock { heads, takes: true, asks: false, partings: NodeClock::new() };
    let _ = session.handle(Input::Message(Message::Clock(other)), NOW);
    let out = session.handle(Input::Checked(check.clone().run()), NOW);
    assert!(!out.iter().any(|output| matches!(output, Output::Store { .. })), "{out:?}");
    assert!(out.contains(&Output::Send(Message::Nack { log: page.log, head, reason: Some(Reason::Equivocation) })));
}

#[test]
fn a_peer_that_floods_or_does_not_greet_is_closed() {
    let mut world = World::new(2);
    world.write(ALICE, 3);
    let page = alices_page(&world);
    let (mut session, _) = opened(&world, NodeClock::new());
    let closes = |out: Vec<Output>| out.iter().any(|output| matches!(output, Output::Close(Closed::Violation(_))));
    let mut flood =
        (0..=PAGES_QUEUED_MAX + 1).map(|_| session.handle(Input::Message(Message::Page(page.clone())), NOW));
    assert!(flood.any(closes));
    let (mut session, _) = opened(&world, NodeClock::new());
    assert!(closes(session.handle(Input::Message(Message::Page(Page { log: page.log, events: vec![] })), NOW)));
    let mut fresh = Session::new(world.team);
    let shelf = world.shared(BOB);
    let (clock, keys, authors) = (shelf.clock(), shelf.keys(), shelf.authors());
    let _ = fresh.handle(
        Input::Opened(Opened {
            own: Key::of(2).node_id(),
            clock,
            keys,
            partings: NodeClock::new(),
            authors,
            mode: Mode::BOTH,
            seed: 1,
        }),
        NOW,
    );
    assert!(closes(fresh.handle(Input::Message(Message::Digest(Hash([0; 32]))), NOW)));
}

#[test]
fn a_counter_at_its_limit_changes_nothing_and_is_reported() {
    let world = World::new(2);
    let log = world.nodes[ALICE].author.log(Stream::Charter);
    let head = Head { seq: u64::MAX, hash: Hash([1; 32]) };
    let (mut session, out) = opened(&world, NodeClock::from([(log, head)]));
    assert!(told(&out, log, Reason::ClockOverflow));
    let out = session.handle(Input::Message(Message::Ack { log, head }), NOW);
    assert!(told(&out, log, Reason::ClockOverflow));
    assert!(!out.iter().any(|output| matches!(output, Output::Close(_) | Output::PeerHoldsLog { .. })));
    let out = session.handle(Input::Message(Message::Nack { log, head, reason: None }), NOW);
    assert!(!out.iter().any(|output| matches!(output, Output::Close(_) | Output::PeerHoldsLog { .. })));
    let again = (0..100).find_map(|_| {
        let out = session.handle(Input::Message(Message::Ack { log, head }), NOW);
        out.into_iter().find(|output| matches!(output, Output::Close(_)))
    });
    assert_eq!(again, Some(Output::Close(Closed::Violation("too many answers about events whose numbers cannot be"))));
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_comparisons() {
    let mut world = World::new(2);
    world.connect(ALICE, BOB);
    world.settle();
    let talk = world.nodes[ALICE].talks.get_mut(&BOB).unwrap();
    let before = UnixMillis(NOW.0 - 3_600_000);
    let out = talk.session.handle(Input::Wake, before);
    let [Output::WakeAt(at)] = out[..] else { panic!("{out:?}") };
    assert!(at < before.after(60_000));
    let out = talk.session.handle(Input::Wake, at);
    assert!(matches!(out[0], Output::Send(Message::Digest(_))), "{out:?}");
}

#[test]
fn whoever_asks_how_far_both_are_learns_it_without_waiting_for_the_next_comparison() {
    let mut world = World::new(2);
    world.connect(ALICE, BOB);
    world.settle();
    let talk = world.nodes[ALICE].talks.get_mut(&BOB).unwrap();
    let out = talk.session.handle(Input::Compare, NOW);
    let asks = |output: &Output| matches!(output, Output::Send(Message::Clock(clock)) if clock.asks);
    assert!(out.iter().any(asks), "{out:?}");
    let [Output::Send(message)] = &out[..] else { panic!("{out:?}") };
    let answer = world.nodes[BOB].talks.get_mut(&ALICE).unwrap().session.handle(Input::Message(message.clone()), NOW);
    let told = |output: &Output| matches!(output, Output::Send(Message::Clock(clock)) if !clock.asks);
    assert!(answer.iter().any(told), "{answer:?}");
}

#[test]
fn questions_and_lies_of_a_peer_cost_bounded_answers_and_memory() {
    let world = World::new(2);
    let (mut session, _) = opened(&world, NodeClock::new());
    let mut clocks = 0;
    for _ in 0..1_000 {
        let out = session.handle(Input::Message(Message::Digest(Hash([1; 32]))), NOW);
        clocks += out.iter().filter(|output| matches!(output, Output::Send(Message::Clock(_)))).count();
    }
    assert!(clocks > 0 && clocks < 100, "{clocks}");
    let before = session.clone();
    for n in 0..100 {
        let log = LogId::new(antiphon_core::ids::StoreId([n; 16]), Stream::Shared);
        let head = Head { seq: 5, hash: Hash([1; 32]) };
        let _ = session.handle(Input::Message(Message::Ack { log, head }), NOW);
        let _ = session.handle(Input::Message(Message::Nack { log, head, reason: Some(Reason::Equivocation) }), NOW);
    }
    assert_eq!(session, before, "what is said of unknown logs is not remembered");
}

#[test]
fn eve_makes_bob_work_little_however_often_she_contradicts() {
    let mut world = World::new(2);
    world.write(BOB, 5);
    let log = world.nodes[BOB].author.log(Stream::Shared);
    let (mut session, _) = opened(&world, world.shared(BOB).clock());
    let page = world.shared(BOB).page(log, 2, 512, 1 << 20).iter().map(unverified).collect();
    let says = |hash: Option<Hash>| {
        let mut heads = world.shared(BOB).clock();
        let head = heads.get_mut(&log).unwrap();
        head.hash = hash.unwrap_or(head.hash);
        Message::Clock(Clock { heads, takes: true, asks: false, partings: NodeClock::new() })
    };
    let lies = [
        says(Some(Hash([7; 32]))),
        says(None),
        Message::Trace { log, points: vec![Head { seq: 4, hash: Hash([7; 32]) }] },
        Message::Trace { log, points: vec![Head { seq: u64::MAX, hash: Hash([7; 32]) }] },
        Message::Branch(Page { log, events: page }),
    ];
    let mut work = 0;
    for _ in 0..100 {
        for lie in &lies {
            let mut todo = session.handle(Input::Message(lie.clone()), NOW);
            while let Some(output) = todo.pop() {
                work += usize::from(!matches!(
                    output,
                    Output::PeerHolds(_) | Output::PeerHoldsLog { .. } | Output::CaughtUp
                ));
                let answer = match output {
                    Output::LoadPage { log, after, .. } => {
                        let events = world.shared(BOB).page(log, after, 512, 1 << 20);
                        Input::Page { log, after, events }
                    }
                    Output::LoadHeads { log, seqs } => {
                        let held = &world.shared(BOB).logs[&log];
                        let heads = held.iter().map(Event::head).filter(|head| seqs.contains(&head.seq)).collect();
                        Input::Heads { log, seqs, heads }
                    }
                    Output::Verify(check) => Input::Checked(check.run()),
                    Output::Branch { log, .. } => Input::Branched { log, branching: Branching::Detached },
                    _ => continue,
                };
                todo.extend(session.handle(answer, NOW));
            }
        }
    }
    assert!(work > 0 && work < 300, "{work} things to do for 500 lies");
}

/// Lets bob meet carol, who holds what alice holds.
fn acquaint(world: &mut World, log: LogId) {
    let hers = world.shared(ALICE).logs[&log].clone();
    world.nodes[CAROL].shelf.append(hers);
    world.connect(BOB, CAROL);
    world.settle();
}

#[test]
fn whoever_never_met_the_other_branch_is_shown_it() {
    for (hers, his) in [(1, 1), (3, 700), (700, 1)] {
        let mut world = World::new(3);
        let log = fork(&mut world, hers, his);
        acquaint(&mut world, log);
        world.drop_stream(BOB, CAROL);
        assert_eq!(world.nodes[CAROL].parted(log), Some(4));
        world.connect(ALICE, CAROL);
        world.settle();
        assert_eq!(world.nodes[ALICE].parted(log), Some(4), "carol shows alice both branches");
        assert!(world.talk(ALICE, CAROL).problems.is_empty(), "the two say the same of the log itself");
    }
}

#[test]
fn an_earlier_parting_that_somebody_learns_of_reaches_all() {
    let mut world = World::new(3);
    let log = fork(&mut world, 3, 2);
    let mut late = world.nodes[ALICE].author.clone();
    world.write(ALICE, 2);
    let other = late.fact("a third branch", true);
    assert!(matches!(world.nodes[ALICE].keep_branch(log, &[other]), Branching::Parted(head) if head.seq == 6));
    world.connect(ALICE, CAROL);
    world.settle();
    world.connect(BOB, CAROL);
    world.settle();
    assert_eq!(world.nodes[CAROL].parted(log), Some(4));
    world.pass(2 * 60_000);
    for node in [ALICE, BOB, CAROL] {
        assert_eq!(world.nodes[node].parted(log), Some(4), "{node}");
    }
}

/// Whoever holds a short branch can tell nothing from the proof of a later parting, so it must not be waited for.
#[test]
fn a_short_branch_that_parts_before_the_proved_parting_is_found() {
    for (hers, his) in [(3, 1), (3, 2), (3, 3), (700, 1), (700, 600)] {
        let mut world = World::new(3);
        let log = fork(&mut world, hers, his);
        let mut late = world.nodes[ALICE].author.clone();
        world.write(ALICE, 2);
        let carols = world.shared(ALICE).logs[&log].clone();
        world.nodes[CAROL].shelf.append(carols);
        let other = late.fact("a third branch", true);
        let proved = world.nodes[CAROL].keep_branch(log, &[other]);
        assert!(matches!(proved, Branching::Parted(head) if head.seq == 3 + hers as u64), "{proved:?}");
        world.connect(BOB, CAROL);
        world.settle();
        world.pass(2 * 60_000);
        for node in [BOB, CAROL] {
            assert_eq!(world.nodes[node].parted(log), Some(4), "{node}, {hers} and {his}");
        }
    }
}

#[test]
fn a_proof_that_was_lost_is_shown_again() {
    let mut world = World::new(2);
    let log = fork(&mut world, 4, 3);
    world.connect(ALICE, BOB);
    for _ in 0..1_000 {
        for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
            let lost =
                |bytes: &Vec<u8>| matches!(frame::decode(bytes).unwrap(), Message::Branch(_) | Message::Trace { .. });
            world.nodes[from].talks.get_mut(&to).unwrap().wire.retain(|bytes| !lost(bytes));
            world.deliver(from, to);
            world.work(from, to);
        }
    }
    assert_eq!(world.nodes[ALICE].parted(log), None);
    world.pass(2 * 60_000);
    for node in [ALICE, BOB] {
        assert_eq!(world.nodes[node].parted(log), Some(4), "{node}");
    }
}

#[test]
fn a_bad_signature_that_a_good_one_covers_is_not_passed_on() {
    let mut world = World::new(2);
    world.write(ALICE, 3);
    let mut page = alices_page(&world);
    let second = page.events.remove(1);
    let forged = antiphon_core::sign::Signature([9; 64]);
    let (header, payload) = (second.header_bytes().to_vec(), second.payload().map(<[u8]>::to_vec));
    page.events.insert(1, Event::parse(header, payload, Some(forged)).unwrap());
    let (mut session, _) = opened(&world, world.shared(ALICE).clock());
    let out = hear(&mut session, Message::Page(page));
    let [Output::Store { events, .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(events.len(), 4, "the last signature covers all of them");
    assert!(events.iter().all(|event| event.signature() != Some(&forged)));
    assert!(events[0].signature().is_some() && events[3].signature().is_some());
}

#[test]
fn a_page_that_nobody_could_hand_on_is_refused() {
    let mut world = World::new(2);
    let alice = &mut world.nodes[ALICE];
    let log = alice.author.log(Stream::Shared);
    let text = "x".repeat(60_000);
    for n in 0..20 {
        let event = alice.author.fact(&text, n == 19);
        alice.shelf.put(event);
    }
    let (mut session, _) = opened(&world, world.shared(ALICE).clock());
    let out = hear(&mut session, Message::Page(alices_page(&world)));
    assert!(told(&out, log, Reason::TooLarge), "{:?}", out.len());
    assert!(!out.iter().any(|output| matches!(output, Output::Store { .. })));
}

#[test]
fn a_silent_peer_counts_as_gone() {
    let world = World::new(2);
    let (mut session, _) = opened(&world, NodeClock::new());
    let out = session.handle(Input::Wake, NOW.after(10 * 60_000));
    assert_eq!(out.last(), Some(&Output::Close(Closed::Idle)));
    assert_eq!(Closed::Idle.reason(), Some(Reason::NetworkTimeout));
}

#[test]
fn goodbye_ends_both_sides() {
    let mut world = World::new(2);
    world.connect(ALICE, BOB);
    world.settle();
    let mut session = world.nodes[ALICE].talks[&BOB].session.clone();
    let out = session.handle(Input::Close, NOW);
    assert_eq!(out, [Output::Send(Message::Bye), Output::Close(Closed::Bye)]);
    let mut other = world.nodes[BOB].talks[&ALICE].session.clone();
    assert_eq!(other.handle(Input::Message(Message::Bye), NOW), [Output::Close(Closed::Bye)]);
    let mut third = world.nodes[BOB].talks[&ALICE].session.clone();
    assert!(third.handle(Input::Message(Message::Unknown(77)), NOW).is_empty(), "newer kinds are ignored");
}

#[test]
fn pages_are_bounded_and_end_with_a_signature() {
    let mut world = World::new(2);
    for _ in 0..5 {
        world.write(ALICE, 300);
    }
    world.connect(ALICE, BOB);
    world.settle();
    world.assert_converged();
    for output in &world.talk(ALICE, BOB).log {
        if let Output::Send(Message::Page(page)) = output {
            assert!(page.events.len() <= PAGE_EVENTS_MAX);
            assert!(page.events.last().unwrap().signature().is_some());
        }
    }
}

/// Plays a random day of three nodes; returns everything that was said, for the determinism test.
fn play(seed: u64, steps: usize, frames_fail: bool) -> (World, Vec<Vec<Output>>) {
    let mut dice = Dice(seed);
    let mut world = World::new(3);
    let mut said = Vec::new();
    for _ in 0..steps {
        let (a, b) = [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)][dice.roll(6)];
        match dice.roll(20) {
            0 => world.write(a, 1 + dice.roll(5)),
            1 if dice.roll(4) == 0 => world.write(a, 400),
            2 => {
                let event =
                    world.nodes[ALICE].author.grant(NodeId([100 + u8::try_from(dice.roll(50)).unwrap(); 32]), LATER);
                let log = event.log();
                world.nodes[ALICE].shelf.put(event);
                world.tell_grown(ALICE, log, None);
            }
            3 => {
                said.extend(world.nodes[a].talks.get(&b).map(|talk| talk.log.clone()));
                world.drop_stream(a, b);
            }
            4 | 5 if !world.nodes[a].talks.contains_key(&b) => world.connect(a, b),
            6 => {
                world.now = world.now.after(dice.roll(40_000) as u64);
                world.input(a, b, Input::Wake);
            }
            7 if frames_fail => {
                let Some(talk) = world.nodes[a].talks.get_mut(&b) else { continue };
                match (dice.roll(3), talk.wire.len()) {
                    (0, _) => drop(talk.wire.pop_back()),
                    (1, 2..) => talk.wire.swap(0, 1),
                    (_, 1..) => talk.wire.push_back(talk.wire[0].clone()),
                    _ => {}
                }
            }
            8..=13 => drop(world.work(a, b)),
            _ => drop(world.deliver(a, b)),
        }
    }
    (world, said)
}

/// Connects everybody and lets time pass until all agree.
fn recover(world: &mut World) {
    for _ in 0..10 {
        for (a, b) in [(ALICE, BOB), (BOB, CAROL)] {
            if !world.nodes[a].talks.contains_key(&b) {
                world.connect(a, b);
            }
        }
        world.settle();
        world.pass(100_000);
    }
}

/// A day on which a page came that was here already: its sender holds it, and nothing else will say so before long.
#[test]
fn what_two_got_from_a_third_they_know_of_each_other() {
    let (mut world, _) = play(2_780_499_171_101_270_456, 400, true);
    recover(&mut world);
    world.assert_converged();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn three_nodes_agree_after_any_day(seed in any::<u64>(), frames_fail in any::<bool>()) {
        let (mut world, _) = play(seed, 400, frames_fail);
        recover(&mut world);
        world.assert_converged();
        // Where frames are lost, a shared page may come before the charter page that explains it; that passes.
        prop_assert!(frames_fail || world.talk(ALICE, BOB).problems.is_empty());
    }

    #[test]
    fn the_same_day_is_told_in_the_same_words(seed in any::<u64>()) {
        prop_assert_eq!(play(seed, 150, true).1, play(seed, 150, true).1);
    }
}

/// Whether a session told of a problem with a log.
fn told(out: &[Output], log: LogId, why: Reason) -> bool {
    out.iter().any(|out| matches!(out, Output::Problem { log: of, reason, .. } if (*of, *reason) == (log, why)))
}
