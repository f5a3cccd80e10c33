//! Links between members, which come and go; questions that may be lost and overtake each other; streams of blocks, which
//! keep their order and break.

use std::collections::BTreeMap;

use antiphon_core::ids::Hash;
use antiphon_protocol::blocks;

use super::Event;
use super::talk::Letter;
use crate::random::Random;

/// Time from when two can reach each other until they are linked, in milliseconds.
const MEET_MS_MAX: u64 = 5_000;
/// Time from when nothing comes any more until that is noticed, in milliseconds.
const NOTICE_MS: (u64, u64) = (5_000, 40_000);

/// A stream of blocks.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) asker: usize,
    pub(super) holder: usize,
    /// What is fetched over it.
    pub(super) root: Hash,
    /// When the last frame of each direction arrives, that to the asker first.
    arrives: [u64; 2],
}

/// A frame of a stream.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) stream: u64,
    pub(super) to_asker: bool,
    pub(super) message: blocks::Message,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) random: Random,
    pub(super) loss: u64,
    delay_max_ms: u64,
    /// Directions that are down; a number, since partitions overlap.
    blocked: BTreeMap<(usize, usize), u32>,
    /// Which links stand, by the lower number first, and since which one of their lives.
    links: BTreeMap<(usize, usize), u64>,
    pub(super) streams: BTreeMap<u64, Stream>,
    /// Frames that wait for a direction to come back, in order.
    waiting: BTreeMap<(usize, usize), Vec<Frame>>,
    named: u64,
    /// Messages that partitions of one and of both directions kept back.
    pub(super) kept_back: [u64; 2],
    /// Messages that were lost.
    pub(super) lost: u64,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Network {
    pub(super) fn new(random: Random, loss: u64, delay_max_ms: u64) -> Self {
        Self {
            random,
            loss,
            delay_max_ms,
            blocked: BTreeMap::new(),
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            waiting: BTreeMap::new(),
            named: 0,
            kept_back: [0; 2],
            lost: 0,
        }
    }

    /// A name for a question or a stream.
    pub(super) fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    pub(super) fn delay(&mut self) -> u64 {
        self.random.between(1, self.delay_max_ms.max(1))
    }

    pub(super) fn meet_delay(&mut self) -> u64 {
        self.random.between(50, MEET_MS_MAX)
    }

    pub(super) fn notice_delay(&mut self) -> u64 {
        self.random.between(NOTICE_MS.0, NOTICE_MS.1)
    }

    /// The life of the link between two, if it stands.
    pub(super) fn link(&self, a: usize, b: usize) -> Option<u64> {
        self.links.get(&pair(a, b)).copied()
    }

    /// Whoever has a link with a member.
    pub(super) fn linked(&self, node: usize) -> Vec<usize> {
        let other = |(a, b): &(usize, usize)| match (*a == node, *b == node) {
            (true, _) => Some(*b),
            (_, true) => Some(*a),
            _ => None,
        };
        self.links.keys().filter_map(other).collect()
    }

    /// Makes a link.
    pub(super) fn tie(&mut self, a: usize, b: usize) {
        let life = self.name();
        self.links.insert(pair(a, b), life);
    }

    /// Takes a link away, and the streams over it; says which.
    pub(super) fn untie(&mut self, a: usize, b: usize) -> Vec<(u64, Stream)> {
        self.links.remove(&pair(a, b));
        self.cut(a, b)
    }

    /// Breaks all streams between two; says which.
    pub(super) fn cut(&mut self, a: usize, b: usize) -> Vec<(u64, Stream)> {
        let between = |stream: &Stream| pair(stream.asker, stream.holder) == pair(a, b);
        let names: Vec<u64> =
            self.streams.iter().filter(|(_, stream)| between(stream)).map(|(name, _)| *name).collect();
        names.into_iter().filter_map(|name| self.streams.remove(&name).map(|stream| (name, stream))).collect()
    }

    pub(super) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.get(&(from, to)).is_some_and(|times| *times > 0)
    }

    /// Whether two could be linked.
    pub(super) fn can_meet(&self, a: usize, b: usize) -> bool {
        !self.is_blocked(a, b) && !self.is_blocked(b, a)
    }

    pub(super) fn block(&mut self, from: usize, to: usize) {
        *self.blocked.entry((from, to)).or_insert(0) += 1;
    }

    /// One reason less why nothing goes from the one to the other; what waited goes on its way.
    pub(super) fn unblock(&mut self, at: u64, from: usize, to: usize) -> Vec<(u64, Event)> {
        if let Some(times) = self.blocked.get_mut(&(from, to)) {
            *times = times.saturating_sub(1);
        }
        if self.is_blocked(from, to) {
            return Vec::new();
        }
        let waited = self.waiting.remove(&(from, to)).unwrap_or_default();
        waited.into_iter().filter_map(|frame| self.push(at, frame)).collect()
    }

    /// Everything works from now on, but for links that do not stand yet.
    pub(super) fn heal(&mut self) {
        self.loss = 0;
        self.blocked.clear();
        self.waiting.clear();
    }

    fn keeps_back(&mut self, from: usize, to: usize) -> bool {
        if !self.is_blocked(from, to) {
            return false;
        }
        let both = self.is_blocked(to, from);
        self.kept_back[usize::from(both)] += 1;
        true
    }

    /// Sends a letter; it may be lost.
    pub(super) fn send(&mut self, at: u64, from: usize, to: usize, letter: Letter) -> Option<(u64, Event)> {
        let delay = self.delay();
        let life = self.link(from, to)?;
        if self.keeps_back(from, to) {
            return None;
        }
        if self.random.chance(self.loss) && letter.may_be_lost() {
            self.lost += 1;
            return None;
        }
        Some((at + delay, Event::Letter { from, to, life, letter }))
    }

    /// Opens a stream; the name is that of a stream that may not stand.
    pub(super) fn open(&mut self, asker: usize, holder: usize, root: Hash) -> u64 {
        let name = self.name();
        self.streams.insert(name, Stream { asker, holder, root, arrives: [0; 2] });
        name
    }

    /// Sends a frame.
    pub(super) fn push(&mut self, at: u64, frame: Frame) -> Option<(u64, Event)> {
        let delay = self.delay();
        let stream = self.streams.get(&frame.stream)?;
        let (asker, holder) = (stream.asker, stream.holder);
        let (from, to) = if frame.to_asker { (holder, asker) } else { (asker, holder) };
        if self.keeps_back(from, to) {
            self.waiting.entry((from, to)).or_default().push(frame);
            return None;
        }
        let stream = self.streams.get_mut(&frame.stream)?;
        let last = &mut stream.arrives[usize::from(!frame.to_asker)];
        *last = (at + delay).max(*last);
        Some((*last, Event::Frame(frame)))
    }
}
