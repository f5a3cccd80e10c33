//! Alice, whose items wait for her peers, and the peers who take them: the real machines, over streams that break at
//! any time, with what is durable on either side modelled as plain sets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::outbox::{Level, Outgoing, Place, Protocol, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::moderate::Push;
use antiphon_protocol::outbox::schedule::{self, End, TICK_MS};
use antiphon_protocol::outbox::{
    Closed, Delivery, Item, Message, Moderate, Outcome, Page, Reception, Refusal, Schedule, Source, delivery, reception,
};

pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
pub(crate) const STORE: StoreId = StoreId([1; 16]);
/// Whatever is about this subject is refused for good.
pub(crate) const UNWANTED: u8 = 200;

pub(crate) fn peer(n: usize) -> NodeId {
    NodeId([u8::try_from(n + 1).unwrap(); 32])
}

/// What the body of an item says: which it is.
pub(crate) fn body(id: u64) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

pub(crate) fn id_of(body: &[u8]) -> u64 {
    u64::from_be_bytes(body[..8].try_into().unwrap())
}

/// A row of the outbox.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) item: Item,
    pub(crate) refused: Option<Refusal>,
}

/// What alice's disk holds for one peer.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) next_n: u64,
    pub(crate) rows: BTreeMap<u64, Row>,
    pub(crate) delivered: Option<Place>,
}

/// What a peer's disk holds of alice's items.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    /// Per era: a floor, and what was taken at or above it.
    eras: BTreeMap<u64, (u64, BTreeSet<u64>)>,
    pub(crate) last: Option<Place>,
    /// What was applied, in order.
    pub(crate) applied: Vec<(Place, u8, u64)>,
}

impl Taken {
    pub(crate) fn has(&self, place: Place) -> bool {
        self.eras.get(&place.era).is_some_and(|(floor, taken)| place.n < *floor || taken.contains(&place.n))
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.applied.iter().map(|(_, _, id)| *id).collect()
    }
}

/// One stream and its two machines.
#[derive(Default)]
struct Stream {
    sender: Option<Delivery>,
    receiver: Option<Reception>,
    out: VecDeque<Vec<u8>>,
    back: VecDeque<Vec<u8>>,
    sender_work: VecDeque<delivery::Output>,
    receiver_work: VecDeque<reception::Output>,
    sender_wake: Option<UnixMillis>,
    receiver_wake: Option<UnixMillis>,
}

pub(crate) struct Peer {
    pub(crate) id: NodeId,
    pub(crate) online: bool,
    pub(crate) disk: Disk,
    pub(crate) taken: Taken,
    stream: Stream,
    /// Of the next take only so many items are taken.
    pub(crate) room: Option<usize>,
}

pub(crate) struct World {
    pub(crate) now: UnixMillis,
    pub(crate) era: u64,
    pub(crate) eras: BTreeSet<u64>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) memory: Moderate,
    schedule: Schedule,
    schedule_wake: Option<UnixMillis>,
    next_id: u64,
    starts: u64,
    /// Items on disk that must arrive, by peer and id.
    pub(crate) owed: BTreeSet<(usize, u64)>,
    /// Items in memory that must arrive unless they are given up.
    pub(crate) hoped: BTreeSet<(usize, u64)>,
    pub(crate) lost: Vec<(usize, Place)>,
    pub(crate) unknown: Vec<(usize, Place)>,
    pub(crate) closed: Vec<(usize, Closed)>,
    /// Everything that was sent or asked for.
    pub(crate) log: Vec<String>,
    /// Bytes of every body beside its id.
    pub(crate) padding: usize,
    /// Items of one page of the disk; few, so that a short day has several pages.
    pub(crate) page_items_max: usize,
    /// Peers who read and write nothing, though their streams stand.
    pub(crate) stuck: BTreeSet<usize>,
}

impl World {
    pub(crate) fn new(peers: usize) -> Self {
        let disk = Disk { next_n: 1, rows: BTreeMap::new(), delivered: None };
        let one = |n| Peer {
            id: peer(n),
            online: true,
            disk: disk.clone(),
            taken: Taken::default(),
            stream: Stream::default(),
            room: None,
        };
        let mut world = Self {
            now: NOW,
            era: 0,
            eras: BTreeSet::new(),
            peers: (0..peers).map(one).collect(),
            memory: Moderate::new(1),
            schedule: Schedule::new(0, TICK_MS),
            schedule_wake: None,
            next_id: 1,
            starts: 0,
            owed: BTreeSet::new(),
            hoped: BTreeSet::new(),
            lost: Vec::new(),
            unknown: Vec::new(),
            closed: Vec::new(),
            log: Vec::new(),
            padding: 0,
            page_items_max: 3,
            stuck: BTreeSet::new(),
        };
        world.start();
        world
    }

    /// Alice's node starts: new eras, nothing in memory, attempts for whom something waits.
    pub(crate) fn start(&mut self) {
        self.starts += 1;
        self.era = Source::Disk.era(self.starts << 20);
        self.eras.insert(self.era);
        self.memory = Moderate::new(Source::Memory.era(self.starts << 20));
        self.schedule = Schedule::new(self.starts, TICK_MS);
        self.schedule_wake = None;
        for at in 0..self.peers.len() {
            if self.peers[at].disk.rows.values().any(|row| row.refused.is_none()) {
                self.nudge(at);
            }
        }
    }

    /// Alice's node dies. What its disk was asked to settle is settled, or not.
    pub(crate) fn crash_alice(&mut self, settles: bool) {
        for at in 0..self.peers.len() {
            while settles && self.sender_work(at) {}
            self.peers[at].stream.sender = None;
            self.peers[at].stream.sender_work.clear();
            self.peers[at].stream.sender_wake = None;
        }
        self.hoped.clear();
        self.start();
    }

    /// A peer's node dies; what it was about to take is taken, or not.
    pub(crate) fn crash_peer(&mut self, at: usize, takes: bool) {
        self.end_receiver(at, takes);
        self.cut(at, true);
    }

    /// The stream breaks: what is under way is lost.
    pub(crate) fn cut(&mut self, at: usize, settles: bool) {
        let stream = &mut self.peers[at].stream;
        stream.out.clear();
        stream.back.clear();
        if stream.sender.is_some() {
            if settles {
                while self.sender_work(at) {}
            }
            self.tell_sender(at, delivery::Input::Close);
            self.peers[at].stream.out.clear();
        }
    }

    /// The receiver's side ends, and its last transaction is committed or not.
    fn end_receiver(&mut self, at: usize, takes: bool) {
        if takes {
            while self.receiver_work(at) {}
        }
        let stream = &mut self.peers[at].stream;
        (stream.receiver, stream.receiver_wake) = (None, None);
        stream.receiver_work.clear();
        stream.out.clear();
        stream.back.clear();
    }

    /// Puts an item on disk.
    pub(crate) fn enqueue(&mut self, at: usize, subject: u8, protocol: Protocol) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let disk = &mut self.peers[at].disk;
        let newest = disk.rows.iter().rev().find(|(_, row)| row.item.subject == Subject([subject; 16]));
        let merges = protocol.row().unwrap().merges;
        let old = newest
            .filter(|(_, row)| merges && row.refused.is_none() && row.item.protocol == u64::from(protocol.number()));
        if let Some(n) = old.map(|(n, _)| *n) {
            let row = disk.rows.remove(&n).unwrap();
            self.owed.remove(&(at, id_of(&row.item.body)));
        }
        let n = disk.next_n;
        disk.next_n += 1;
        let mut body = body(id);
        body.resize(8 + self.padding, 7);
        let place = Place { era: self.era, n };
        let protocol = protocol.number().into();
        let item = Item { place, protocol, schema: 1, subject: Subject([subject; 16]), body };
        disk.rows.insert(n, Row { item, refused: None });
        if subject != UNWANTED {
            self.owed.insert((at, id));
        }
        self.more(at, Source::Disk);
        id
    }

    /// Puts an item into memory.
    pub(crate) fn remember(&mut self, at: usize, subject: u8) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let peer = self.peers[at].id;
        let item =
            Outgoing { peer, protocol: Protocol::PLANNER, schema: 1, subject: Subject([subject; 16]), body: body(id) };
        let merged = self.memory.page(&peer, 0, usize::MAX, usize::MAX).items;
        let merged = merged.iter().find(|old| old.subject == item.subject).map(|old| id_of(&old.body));
        match self.memory.push(item, Level::Moderate, self.now) {
            Push::Merged(_) => drop(self.hoped.remove(&(at, merged.unwrap()))),
            Push::Queued(_) => {}
            Push::Full { .. } => panic!("there is room"),
        }
        if subject != UNWANTED {
            self.hoped.insert((at, id));
        }
        self.more(at, Source::Memory);
        id
    }

    /// A person drops the oldest row.
    pub(crate) fn drop_oldest(&mut self, at: usize) {
        if let Some((_, row)) = self.peers[at].disk.rows.pop_first() {
            self.owed.remove(&(at, id_of(&row.item.body)));
        }
    }

    fn more(&mut self, at: usize, source: Source) {
        self.tell_sender(at, delivery::Input::More(source));
        self.nudge(at);
    }

    fn nudge(&mut self, at: usize) {
        let Peer { id, online, .. } = self.peers[at];
        self.plan(schedule::Input::Waiting { peer: id, connected: online });
    }

    pub(crate) fn set_online(&mut self, at: usize, online: bool) {
        self.peers[at].online = online;
        if online {
            self.plan(schedule::Input::Connected(self.peers[at].id));
        } else {
            self.cut(at, false);
        }
    }

    fn plan(&mut self, input: schedule::Input) {
        for output in self.schedule.handle(input, self.now) {
            self.log.push(format!("{output:?}"));
            match output {
                schedule::Output::Try(id) => {
                    let at = self.peers.iter().position(|peer| peer.id == id).unwrap();
                    self.try_peer(at);
                }
                schedule::Output::WakeAt(at) => self.schedule_wake = Some(at),
                schedule::Output::Rescan => panic!("there was room"),
            }
        }
    }

    fn try_peer(&mut self, at: usize) {
        assert!(self.peers[at].stream.sender.is_none(), "one delivery per peer at a time");
        if !self.peers[at].online {
            self.ended(at, End::Failed { moved: false });
            return;
        }
        // A new stream takes the place of an older one, once that one's last transaction is over.
        self.end_receiver(at, self.now.0.is_multiple_of(2));
        let delivered = self.peers[at].disk.delivered;
        self.peers[at].stream.sender = Some(Delivery::new());
        self.peers[at].stream.receiver = Some(Reception::new());
        self.tell_receiver(at, reception::Input::Opened);
        self.tell_sender(at, delivery::Input::Opened { store: STORE, delivered });
    }

    fn ended(&mut self, at: usize, end: End) {
        let peer = self.peers[at].id;
        if end != End::Done {
            for given_up in self.memory.failed(&peer, self.now) {
                self.log.push(format!("given up {}", given_up.place));
            }
            let left = self.memory.page(&peer, 0, usize::MAX, usize::MAX).items;
            let left: BTreeSet<_> = left.iter().map(|item| id_of(&item.body)).collect();
            self.hoped.retain(|(whom, id)| *whom != at || left.contains(id));
        }
        self.plan(schedule::Input::Ended { peer, end });
    }

    fn tell_sender(&mut self, at: usize, input: delivery::Input) {
        let Some(sender) = &mut self.peers[at].stream.sender else { return };
        let outputs = sender.handle(input, self.now);
        let moved = sender.moved() > 0;
        let closes = outputs.iter().any(|output| matches!(output, delivery::Output::Close(_)));
        for output in outputs {
            self.log.push(format!("alice {at} {output:?}"));
            let stream = &mut self.peers[at].stream;
            let waits = |kind: fn(&delivery::Output) -> bool| stream.sender_work.iter().any(kind);
            match output {
                delivery::Output::Send(message) => stream.out.push_back(message.to_frame()),
                delivery::Output::Load { .. } => {
                    assert!(!waits(|work| matches!(work, delivery::Output::Load { .. })), "two loads at once");
                    stream.sender_work.push_back(output);
                }
                delivery::Output::Settle(source, results) if closes => self.settle(at, source, &results),
                delivery::Output::Settle(..) => {
                    assert!(!waits(|work| matches!(work, delivery::Output::Settle(..))), "two settles at once");
                    stream.sender_work.push_back(output);
                }
                delivery::Output::PeerLost { delivered } => self.lost.push((at, delivered)),
                delivery::Output::CheckLast(place) => {
                    let disk = &self.peers[at].disk;
                    let counted = Source::of(place.era) == Source::Disk;
                    // Eras ascend here, as the times do at which they began.
                    let again =
                        disk.rows.range(..=place.n).next_back().is_some_and(|(_, row)| row.item.place.era > place.era);
                    if !self.eras.contains(&place.era) || (counted && (place.n >= disk.next_n || again)) {
                        self.unknown.push((at, place));
                    }
                }
                delivery::Output::WakeAt(wake) => stream.sender_wake = Some(wake),
                delivery::Output::Close(closed) => {
                    assert!(!matches!(closed, Closed::Violation(_)), "{closed}");
                    self.closed.push((at, closed));
                    (stream.sender, stream.sender_wake) = (None, None);
                    stream.sender_work.clear();
                    stream.back.clear();
                    let end = if closed == Closed::Done { End::Done } else { End::Failed { moved } };
                    self.ended(at, end);
                }
            }
        }
    }

    fn tell_receiver(&mut self, at: usize, input: reception::Input) {
        let stream = &mut self.peers[at].stream;
        let Some(receiver) = &mut stream.receiver else { return };
        for output in receiver.handle(input, self.now) {
            self.log.push(format!("peer {at} {output:?}"));
            match output {
                reception::Output::Send(message) => stream.back.push_back(message.to_frame()),
                reception::Output::Look { .. } | reception::Output::Take { .. } => {
                    assert!(stream.receiver_work.is_empty(), "two at once");
                    stream.receiver_work.push_back(output);
                }
                reception::Output::WakeAt(wake) => stream.receiver_wake = Some(wake),
                reception::Output::Close(closed) => {
                    assert!(!matches!(closed, Closed::Violation(_)), "{closed}");
                    (stream.receiver, stream.receiver_wake) = (None, None);
                    break;
                }
            }
        }
    }

    /// One frame arrives at a peer, or the end of the stream.
    pub(crate) fn deliver(&mut self, at: usize) -> bool {
        let stream = &mut self.peers[at].stream;
        match stream.out.pop_front() {
            Some(_) if stream.receiver.is_none() => true,
            Some(frame) => {
                self.tell_receiver(at, reception::Input::Message(Message::from_frame(&frame).unwrap()));
                true
            }
            None if stream.sender.is_none() && stream.receiver.is_some() => {
                self.end_receiver(at, true);
                true
            }
            None => false,
        }
    }

    /// One frame comes back to alice, or the end of the stream.
    pub(crate) fn answer(&mut self, at: usize) -> bool {
        let stream = &mut self.peers[at].stream;
        match stream.back.pop_front() {
            Some(_) if stream.sender.is_none() => true,
            Some(frame) => {
                self.tell_sender(at, delivery::Input::Message(Message::from_frame(&frame).unwrap()));
                true
            }
            None if stream.receiver.is_none() && stream.sender.is_some() => {
                self.tell_sender(at, delivery::Input::Close);
                true
            }
            None => false,
        }
    }

    /// Alice's disk does one thing that it was asked for.
    pub(crate) fn sender_work(&mut self, at: usize) -> bool {
        let Some(work) = self.peers[at].stream.sender_work.pop_front() else { return false };
        match work {
            delivery::Output::Load { source, after_n, max_items, max_bytes } => {
                let page = match source {
                    Source::Memory => self.memory.page(&self.peers[at].id, after_n, max_items, max_bytes),
                    Source::Disk => self.peers[at].disk.page(after_n, max_items.min(self.page_items_max), max_bytes),
                };
                self.tell_sender(at, delivery::Input::Page(source, page));
            }
            delivery::Output::Settle(source, results) => {
                self.settle(at, source, &results);
                self.tell_sender(at, delivery::Input::Settled);
            }
            other => panic!("{other:?}"),
        }
        true
    }

    fn settle(&mut self, at: usize, source: Source, results: &[(Place, Outcome)]) {
        let peer = &mut self.peers[at];
        if source == Source::Memory {
            self.memory.settle(&peer.id, results, self.now);
            return;
        }
        for (place, outcome) in results {
            match outcome {
                Outcome::Taken | Outcome::Had => {
                    peer.disk.rows.remove(&place.n);
                    peer.disk.delivered = Some(*place);
                }
                Outcome::Refused(refusal) => {
                    if let Some(row) = peer.disk.rows.get_mut(&place.n) {
                        row.refused = Some(refusal.clone());
                    }
                }
                Outcome::Busy => panic!("not settled"),
            }
        }
    }

    /// A peer's disk does one thing that it was asked for.
    pub(crate) fn receiver_work(&mut self, at: usize) -> bool {
        let peer = &mut self.peers[at];
        let Some(work) = peer.stream.receiver_work.pop_front() else { return false };
        match work {
            reception::Output::Look { store, delivered } => {
                assert_eq!(store, STORE);
                let lost = delivered.is_some_and(|place| !peer.taken.has(place));
                let last = peer.taken.last;
                self.tell_receiver(at, reception::Input::Looked { last, lost });
            }
            reception::Output::Take { items, .. } => {
                let room = peer.room.take().unwrap_or(usize::MAX);
                let (floor, taken) = peer.taken.eras.entry(items.era).or_default();
                *floor = items.floor.max(*floor);
                taken.retain(|n| n >= floor);
                let mut outcomes = Vec::new();
                for (n, item) in items.items.iter().enumerate() {
                    outcomes.push(peer.taken.take(item, n < room));
                }
                self.tell_receiver(at, reception::Input::Took(outcomes));
            }
            other => panic!("{other:?}"),
        }
        true
    }

    /// Time passes, and whoever wanted to be woken is.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(millis);
        let now = self.now;
        for at in 0..self.peers.len() {
            let stream = &mut self.peers[at].stream;
            if stream.sender_wake.take_if(|wake| *wake <= now).is_some() {
                self.tell_sender(at, delivery::Input::Wake);
            }
            let stream = &mut self.peers[at].stream;
            if stream.receiver_wake.take_if(|wake| *wake <= now).is_some() {
                self.tell_receiver(at, reception::Input::Wake);
            }
        }
        if self.schedule_wake.take_if(|wake| *wake <= now).is_some() {
            self.plan(schedule::Input::Wake);
        }
    }

    /// Everything happens that can happen without time.
    pub(crate) fn settle_down(&mut self) {
        let mut moves = true;
        while moves {
            moves = false;
            for at in 0..self.peers.len() {
                moves |= self.sender_work(at);
                if !self.stuck.contains(&at) {
                    moves |= self.deliver(at) | self.receiver_work(at) | self.answer(at);
                }
            }
        }
    }

    /// Runs until nobody waits for anything, at most so long.
    pub(crate) fn run(&mut self, millis: u64) {
        let until = self.now.after(millis);
        self.settle_down();
        while let Some(at) = self.next_wake().filter(|at| *at <= until) {
            self.pass(at.since(self.now));
            self.settle_down();
        }
    }

    /// Whether a stream to a peer stands.
    pub(crate) fn is_delivering(&self, at: usize) -> bool {
        self.peers[at].stream.sender.is_some()
    }

    fn next_wake(&self) -> Option<UnixMillis> {
        let wakes = self.peers.iter().flat_map(|peer| [peer.stream.sender_wake, peer.stream.receiver_wake]);
        wakes.chain([self.schedule_wake]).flatten().min()
    }

    /// What must hold whatever happens: nothing twice, and in order.
    pub(crate) fn check(&self) {
        for (at, peer) in self.peers.iter().enumerate() {
            let mut seen = BTreeSet::new();
            let mut last: BTreeMap<(Source, u8), (u64, u64)> = BTreeMap::new();
            for (place, subject, id) in &peer.taken.applied {
                assert!(seen.insert(id), "peer {at} applied {id} twice");
                let source = Source::of(place.era);
                let before = last.insert((source, *subject), (place.era, place.n));
                assert!(before.is_none_or(|before| before < (place.era, place.n)), "peer {at}: {place} came too late");
            }
        }
    }

    /// What must hold when everybody had time: nothing is owed any more.
    pub(crate) fn check_all_arrived(&self) {
        self.check();
        for (at, id) in self.owed.iter().chain(&self.hoped) {
            assert!(self.peers[*at].taken.ids().contains(id), "peer {at} lacks {id}");
        }
        for (at, peer) in self.peers.iter().enumerate() {
            assert!(peer.disk.rows.values().all(|row| row.refused.is_some()), "something waits for {at}");
            assert!(peer.stream.sender.is_none() && peer.stream.receiver.is_none(), "a stream to {at} stays");
        }
    }
}

impl Disk {
    fn page(&self, after_n: u64, max_items: usize, max_bytes: usize) -> Page {
        let floor = self.rows.keys().next().copied().unwrap_or(self.next_n);
        let mut page = Page { floor, items: Vec::new(), through: after_n, more: false };
        let mut bytes = 0;
        for (n, row) in self.rows.range(after_n + 1..).filter(|(_, row)| row.refused.is_none()) {
            bytes += row.item.body.len();
            if page.items.len() >= max_items || (bytes > max_bytes && !page.items.is_empty()) {
                page.more = true;
                break;
            }
            page.through = *n;
            page.items.push(row.item.clone());
        }
        page
    }
}

impl Taken {
    /// Takes one item and notes its place, all at once.
    fn take(&mut self, item: &Item, room: bool) -> Outcome {
        let Item { place, subject, body, .. } = item;
        if self.has(*place) {
            return Outcome::Had;
        }
        if !room {
            return Outcome::Busy;
        }
        if subject.0[0] == UNWANTED {
            return Outcome::Refused(Refusal::named("unwanted"));
        }
        self.eras.entry(place.era).or_default().1.insert(place.n);
        if Source::of(place.era) == Source::Disk {
            self.last = Some(*place);
        }
        self.applied.push((*place, subject.0[0], id_of(body)));
        Outcome::Taken
    }
}
