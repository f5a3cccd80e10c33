//! What is kept in memory and given up after a few tries.
//!
//! A question that is soon stale is not worth a write to the disk: it is tried a few times and then abandoned, which
//! is counted and can be looked up. A node whose disk cannot be used for the outbox keeps everything here; what must
//! not be lost is then at least not given up.

use std::collections::{BTreeMap, VecDeque};

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Level, MODERATE_RETRIES_MAX, Outgoing, Place, Protocol, Subject};
use antiphon_core::time::UnixMillis;

use super::{Item, Outcome, Page, Refusal};

/// Most items for one peer.
pub const ITEMS_PER_PEER_MAX: usize = 1_000;
/// Most bytes of bodies for one peer.
pub const BYTES_PER_PEER_MAX: usize = 4 * 1024 * 1024;
/// Most bytes of bodies in all.
pub const BYTES_IN_ALL_MAX: usize = 64 * 1024 * 1024;
/// Most items that were given up or refused and can be looked up; the oldest go first.
pub const GONE_MAX: usize = 256;

/// What became of an item that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Push {
    /// It waits.
    Queued(Place),
    /// It took the place of an older one about the same subject, and waits.
    Merged(Place),
    /// There is no room: here it is again.
    Full {
        /// The item.
        item: Outgoing,
        /// What there is too much of.
        what: Bound,
        /// How much there may be.
        limit: usize,
    },
}

/// A bound of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`ITEMS_PER_PEER_MAX`].
    Items,
    /// [`BYTES_PER_PEER_MAX`].
    Bytes,
    /// [`BYTES_IN_ALL_MAX`].
    BytesInAll,
    /// [`BODY_BYTES_MAX`].
    Body,
}

/// An item that waits in memory, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// For whom.
    pub peer: NodeId,
    /// Where in the queue.
    pub place: Place,
    /// What kind of request it is.
    pub protocol: Protocol,
    /// How much it matters.
    pub level: Level,
    /// Version of the body's form.
    pub schema: u16,
    /// What it is about.
    pub subject: Subject,
    /// When it was put here.
    pub at: UnixMillis,
    /// Bytes of its body.
    pub bytes: usize,
    /// Attempts that failed.
    pub tries: u32,
}

/// An item that was not delivered and does not wait any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The item.
    pub item: Waiting,
    /// When it was given up.
    pub at: UnixMillis,
    /// Why.
    pub why: Why,
}

/// Why an item does not wait any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It was tried as often as such an item is.
    Abandoned,
    /// The receiver will never take it.
    Refused(Refusal),
    /// A person dropped it.
    Dropped,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Items that wait.
    pub items: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
    /// Items that were put here.
    pub queued: u64,
    /// Items whose place a newer one took.
    pub merged: u64,
    /// Items that were delivered.
    pub delivered: u64,
    /// Items that were given up.
    pub abandoned: u64,
    /// Items that a receiver refused.
    pub refused: u64,
    /// Items that a person dropped.
    pub dropped: u64,
}

/// An item that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    protocol: Protocol,
    level: Level,
    schema: u16,
    subject: Subject,
    body: Vec<u8>,
    at: UnixMillis,
    tries: u32,
}

/// What waits for one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Queue {
    /// Number of the next item.
    next_n: u64,
    items: BTreeMap<u64, Entry>,
    /// The newest item of each subject, while it waits.
    newest: BTreeMap<Subject, u64>,
    bytes: usize,
}

/// How often an item is tried again before it is given up; `None` for one that never is.
const fn retries_max(level: Level) -> Option<u32> {
    match level {
        Level::Critical => None,
        Level::Moderate => Some(MODERATE_RETRIES_MAX),
        Level::None => Some(0),
    }
}

/// The queue in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moderate {
    era: u64,
    /// Where the numbers of a peer begin for whom nothing waited: above all that were ever given to a peer that is
    /// forgotten, so that none is given twice.
    first_n: u64,
    /// Peers with something waiting.
    peers: BTreeMap<NodeId, Queue>,
    /// What was given up, oldest first.
    gone: VecDeque<Gone>,
    counts: Counts,
}

impl Moderate {
    /// An empty queue. The era is [`super::Source::Memory`]'s, drawn when the node started.
    pub const fn new(era: u64) -> Self {
        let counts =
            Counts { items: 0, bytes: 0, queued: 0, merged: 0, delivered: 0, abandoned: 0, refused: 0, dropped: 0 };
        Self { era, first_n: 1, peers: BTreeMap::new(), gone: VecDeque::new(), counts }
    }

    /// Puts an item behind the others for its peer.
    pub fn push(&mut self, item: Outgoing, level: Level, now: UnixMillis) -> Push {
        let old = self.mergeable(&item);
        if let Some((what, limit)) = self.lacks_room(&item, old.is_some()) {
            return Push::Full { item, what, limit };
        }
        if let Some(n) = old {
            self.take(&item.peer, n);
            self.counts.merged += 1;
        }
        let Outgoing { peer, protocol, schema, subject, body } = item;
        let first_n = self.first_n;
        let fresh = || Queue { next_n: first_n, items: BTreeMap::new(), newest: BTreeMap::new(), bytes: 0 };
        let queue = self.peers.entry(peer).or_insert_with(fresh);
        let n = queue.next_n;
        queue.next_n += 1;
        queue.newest.insert(subject, n);
        queue.bytes += body.len();
        self.counts.items += 1;
        self.counts.bytes += body.len();
        self.counts.queued += 1;
        queue.items.insert(n, Entry { protocol, level, schema, subject, body, at: now, tries: 0 });
        let place = Place { era: self.era, n };
        if old.is_some() { Push::Merged(place) } else { Push::Queued(place) }
    }

    /// The peers for whom something waits.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    /// Whether something waits for a peer.
    pub fn has(&self, peer: &NodeId) -> bool {
        self.peers.contains_key(peer)
    }

    /// What waits for a peer after a number: answers a delivery's load.
    pub fn page(&self, peer: &NodeId, after_n: u64, max_items: usize, max_bytes: usize) -> Page {
        let Some(queue) = self.peers.get(peer) else {
            return Page { floor: self.first_n, items: Vec::new(), through: after_n, more: false };
        };
        let floor = queue.items.keys().next().copied().unwrap_or(queue.next_n);
        let mut page = Page { floor, items: Vec::new(), through: after_n, more: false };
        let mut bytes = 0;
        for (n, entry) in queue.items.range(after_n.saturating_add(1)..) {
            bytes += entry.body.len();
            if page.items.len() >= max_items || (bytes > max_bytes && !page.items.is_empty()) {
                page.more = true;
                break;
            }
            page.through = *n;
            page.items.push(entry.item(Place { era: self.era, n: *n }));
        }
        page
    }

    /// This became of items for a peer. What is not known any more is left out: it was replaced or dropped.
    pub fn settle(&mut self, peer: &NodeId, results: &[(Place, Outcome)], now: UnixMillis) {
        let era = self.era;
        for (place, outcome) in results.iter().filter(|(place, _)| place.era == era) {
            if *outcome == Outcome::Busy {
                continue;
            }
            let Some(item) = self.take(peer, place.n) else { continue };
            match outcome {
                Outcome::Refused(refusal) => {
                    self.counts.refused += 1;
                    self.note(item, Why::Refused(refusal.clone()), now);
                }
                _ => self.counts.delivered += 1,
            }
        }
    }

    /// An attempt at a peer failed: each item that waits for it was tried once more in vain. Those that were tried
    /// often enough are given up, and handed back to be logged.
    pub fn failed(&mut self, peer: &NodeId, now: UnixMillis) -> Vec<Waiting> {
        let Some(queue) = self.peers.get_mut(peer) else { return Vec::new() };
        let mut over = Vec::new();
        for (n, entry) in &mut queue.items {
            entry.tries = entry.tries.saturating_add(1);
            if retries_max(entry.level).is_some_and(|most| entry.tries > most) {
                over.push(*n);
            }
        }
        let over: Vec<_> = over.into_iter().filter_map(|n| self.take(peer, n)).collect();
        self.counts.abandoned += over.len() as u64;
        for item in &over {
            self.note(*item, Why::Abandoned, now);
        }
        over
    }

    /// The receiver was removed: nothing is sent to it any more.
    pub fn refuse_all(&mut self, peer: &NodeId, refusal: &Refusal, now: UnixMillis) -> Vec<Waiting> {
        let numbers: Vec<_> = self.peers.get(peer).into_iter().flat_map(|queue| queue.items.keys().copied()).collect();
        let items: Vec<_> = numbers.into_iter().filter_map(|n| self.take(peer, n)).collect();
        self.counts.refused += items.len() as u64;
        for item in &items {
            self.note(*item, Why::Refused(refusal.clone()), now);
        }
        items
    }

    /// A person drops an item.
    pub fn drop_item(&mut self, peer: &NodeId, place: Place, now: UnixMillis) -> Option<Waiting> {
        let item = if place.era == self.era { self.take(peer, place.n) } else { None }?;
        self.counts.dropped += 1;
        self.note(item, Why::Dropped, now);
        Some(item)
    }

    /// All that waits, by peer and number.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting> {
        let of = |(peer, queue): (&NodeId, &Queue)| {
            let peer = *peer;
            let place = |n| Place { era: self.era, n };
            queue.items.iter().map(move |(n, entry)| entry.waiting(peer, place(*n))).collect::<Vec<_>>()
        };
        self.peers.iter().flat_map(of)
    }

    /// What was given up, oldest first.
    pub fn gone(&self) -> impl Iterator<Item = &Gone> {
        self.gone.iter()
    }

    /// What happened so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The item whose place a new one takes: the newest about its subject, if it is of the same kind and that merges.
    fn mergeable(&self, item: &Outgoing) -> Option<u64> {
        let queue = self.peers.get(&item.peer)?;
        let n = *queue.newest.get(&item.subject)?;
        let same = queue.items.get(&n)?.protocol == item.protocol;
        let merges = item.protocol.row().is_some_and(|row| row.merges);
        (same && merges).then_some(n)
    }

    fn lacks_room(&self, item: &Outgoing, merges: bool) -> Option<(Bound, usize)> {
        let (more, bytes) = (usize::from(!merges), item.body.len());
        let (items, held) = self.peers.get(&item.peer).map_or((0, 0), |queue| (queue.items.len(), queue.bytes));
        let bounds = [
            (bytes, Bound::Body, BODY_BYTES_MAX),
            (items + more, Bound::Items, ITEMS_PER_PEER_MAX),
            (held + bytes, Bound::Bytes, BYTES_PER_PEER_MAX),
            (self.counts.bytes + bytes, Bound::BytesInAll, BYTES_IN_ALL_MAX),
        ];
        bounds.into_iter().find(|(got, _, limit)| got > limit).map(|(_, bound, limit)| (bound, limit))
    }

    /// Takes an item out.
    fn take(&mut self, peer: &NodeId, n: u64) -> Option<Waiting> {
        let queue = self.peers.get_mut(peer)?;
        let entry = queue.items.remove(&n)?;
        let bytes = entry.body.len();
        queue.bytes -= bytes;
        if queue.newest.get(&entry.subject) == Some(&n) {
            queue.newest.remove(&entry.subject);
        }
        self.counts.items -= 1;
        self.counts.bytes -= bytes;
        if queue.items.is_empty() {
            self.first_n = self.first_n.max(queue.next_n);
            self.peers.remove(peer);
        }
        Some(entry.waiting(*peer, Place { era: self.era, n }))
    }

    fn note(&mut self, item: Waiting, why: Why, at: UnixMillis) {
        if self.gone.len() >= GONE_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(Gone { item, at, why });
    }
}

impl Entry {
    fn item(&self, place: Place) -> Item {
        let Self { protocol, schema, subject, body, .. } = self;
        Item { place, protocol: protocol.number().into(), schema: *schema, subject: *subject, body: body.clone() }
    }

    const fn waiting(&self, peer: NodeId, place: Place) -> Waiting {
        let Self { protocol, level, schema, subject, at, tries, .. } = *self;
        Waiting { peer, place, protocol, level, schema, subject, at, bytes: self.body.len(), tries }
    }
}
