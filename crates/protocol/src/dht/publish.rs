//! What is published when.
//!
//! The network forgets: a record lives two days at most, a provider's word one. So publishing is never over; what was
//! published is due again before it is forgotten, and what failed is due after a pause that doubles. While the network
//! is not used nothing is tried, and everything that came due meanwhile is tried when it is used again, a few at once.
//!
//! What an item says stands in the database, by its number. So this machine holds a few words of each, all of which
//! can be handed in again at any start; that nothing is lost is the database's part.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::time::UnixMillis;

use super::{Seen, earlier};

/// How long a record lives that was just signed, in milliseconds.
pub const RECORD_LIFE_MS: u64 = antiphon_core::dht::LIFE_MS;
/// A record that has less than this to live is signed again before it is published, in milliseconds.
pub const RENEW_BELOW_MS: u64 = 30 * 60 * 60 * 1_000;
/// How long what was published stands before it is published again, in milliseconds: half a provider's day.
pub const REPUBLISH_MS: u64 = 12 * 60 * 60 * 1_000;
/// How much sooner, so that not everything is due at once, in per cent.
pub const JITTER_PER_CENT: u64 = 10;
/// Pause after the first failure, in milliseconds; each further one doubles it.
pub const PAUSE_MS: u64 = 5_000;
/// Longest pause between two attempts, in milliseconds.
pub const PAUSE_MS_MAX: u64 = 600_000;
/// Most attempts that are under way at once.
pub const AT_ONCE_MAX: usize = 16;
/// Most items.
pub const ITEMS_MAX: usize = 65_536;

/// Names an item: its row in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item(pub u64);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// An item is to be published, or has changed: it is due at once.
    Put {
        /// Which.
        item: Item,
        /// Until when what it says is valid; none for a provider's word, which has no end of its own.
        expires: Option<UnixMillis>,
    },
    /// An item is not to be published any more.
    Drop(Item),
    /// An attempt is over.
    Ended {
        /// Of which item.
        item: Item,
        /// How it went.
        end: End,
    },
    /// Whether the network is used.
    Online(bool),
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Members have it, valid until `expires` if it is a record.
    Done {
        /// As it was published.
        expires: Option<UnixMillis>,
    },
    /// They do not.
    Failed,
}

/// What must be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Publish this item, and hand in [`Input::Ended`].
    Publish {
        /// Which.
        item: Item,
        /// Whether it must be signed again first, for a longer life.
        renew: bool,
    },
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
}

/// Whether an item is being published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is published at this time.
    Due(UnixMillis),
    /// It is being published.
    Trying {
        /// It changed since; what is being published is not what it says now.
        changed: bool,
        /// It was dropped since.
        dropped: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    state: State,
    expires: Option<UnixMillis>,
    /// Attempts in vain, one after the other.
    failures: u32,
    /// Whether it was published as it is now.
    published: bool,
}

/// The machine that decides what is published when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// State of the jitter.
    seed: u64,
    /// How long what was published stands, in milliseconds.
    republish_ms: u64,
    online: bool,
    items: BTreeMap<Item, Entry>,
    /// Those that are not being tried, by when they are due.
    due: BTreeSet<(UnixMillis, Item)>,
    trying: usize,
    /// How many were published as they are now.
    published: usize,
    asked: Option<UnixMillis>,
    seen: Seen,
}

impl Publisher {
    /// Nothing to publish, and the network is not used. `republish_ms` is [`REPUBLISH_MS`] unless it was set.
    pub const fn new(seed: u64, republish_ms: u64) -> Self {
        Self {
            seed,
            republish_ms: if republish_ms == 0 { 1 } else { republish_ms },
            online: false,
            items: BTreeMap::new(),
            due: BTreeSet::new(),
            trying: 0,
            published: 0,
            asked: None,
            seen: Seen(UnixMillis(0)),
        }
    }

    /// Whether there is no room for a new item.
    pub fn is_full(&self) -> bool {
        self.items.len() >= ITEMS_MAX
    }

    /// How many items there are.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// How many of them were not published yet as they are now.
    pub fn waiting(&self) -> usize {
        self.items.len() - self.published
    }

    /// How many are being published.
    pub const fn under_way(&self) -> usize {
        self.trying
    }

    /// When the next one is due, if the network is used.
    pub fn next_due(&self) -> Option<UnixMillis> {
        self.due.first().filter(|_| self.online).map(|(at, _)| *at)
    }

    /// What must be done after `input` happened. A new item for which there is no room is not taken, see
    /// [`Publisher::is_full`].
    #[must_use]
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let back = self.seen.tick(now);
        if back > 0 {
            self.set_back(back);
        }
        match input {
            Input::Put { item, expires } => self.put(item, expires, now),
            Input::Drop(item) => self.drop(item),
            Input::Ended { item, end } => self.ended(item, end, now),
            Input::Online(online) => self.set_online(online, now),
            Input::Wake => self.asked = None,
        }
        let mut out = Vec::new();
        self.go_on(now, &mut out);
        out
    }

    fn put(&mut self, item: Item, expires: Option<UnixMillis>, now: UnixMillis) {
        let Some(mut entry) = self.take(item) else {
            if !self.is_full() {
                self.insert(item, Entry { state: State::Due(now), expires, failures: 0, published: false });
            }
            return;
        };
        entry.state = match entry.state {
            State::Due(_) => State::Due(now),
            State::Trying { .. } => State::Trying { changed: true, dropped: false },
        };
        (entry.expires, entry.failures, entry.published) = (expires, 0, false);
        self.insert(item, entry);
    }

    fn drop(&mut self, item: Item) {
        let Some(mut entry) = self.take(item) else { return };
        if let State::Trying { changed, .. } = entry.state {
            entry.state = State::Trying { changed, dropped: true };
            self.insert(item, entry);
        }
    }

    fn ended(&mut self, item: Item, end: End, now: UnixMillis) {
        let Some(mut entry) = self.take(item) else { return };
        let State::Trying { changed, dropped } = entry.state else {
            self.insert(item, entry);
            return;
        };
        self.trying = self.trying.saturating_sub(1);
        if dropped {
            return;
        }
        let at = match end {
            _ if changed => now,
            End::Done { expires } => {
                (entry.failures, entry.expires, entry.published) = (0, expires, true);
                now.after(self.standing_ms(expires, now))
            }
            // It did not fail by itself: it waits for the network like all others.
            End::Failed if !self.online => now,
            End::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                now.after(self.pause(entry.failures))
            }
        };
        entry.state = State::Due(at);
        self.insert(item, entry);
    }

    /// How long what was just published stands. A record is due again when half of what it has to live is over.
    fn standing_ms(&mut self, expires: Option<UnixMillis>, now: UnixMillis) -> u64 {
        let life = expires.map_or(u64::MAX, |expires| expires.since(now) / 2);
        let standing = self.republish_ms.min(life.max(PAUSE_MS));
        standing - self.random() % (standing.saturating_mul(JITTER_PER_CENT) / 100 + 1)
    }

    fn pause(&mut self, failures: u32) -> u64 {
        let pause = PAUSE_MS.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_MS_MAX);
        pause - self.random() % (pause * JITTER_PER_CENT / 100 + 1)
    }

    /// When the network comes back, what failed without it is as good as new.
    fn set_online(&mut self, online: bool, now: UnixMillis) {
        if std::mem::replace(&mut self.online, online) == online || !online {
            return;
        }
        let failed = |(item, entry): (&Item, &Entry)| (entry.failures > 0).then_some(*item);
        for item in self.items.iter().filter_map(failed).collect::<Vec<_>>() {
            let Some(mut entry) = self.take(item) else { continue };
            entry.failures = 0;
            if matches!(entry.state, State::Due(_)) {
                entry.state = State::Due(now);
            }
            self.insert(item, entry);
        }
    }

    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        if !self.online {
            return;
        }
        while self.trying < AT_ONCE_MAX
            && let Some((_, item)) = self.due.first().copied().filter(|(at, _)| *at <= now)
        {
            let Some(mut entry) = self.take(item) else { break };
            entry.state = State::Trying { changed: false, dropped: false };
            let renew = entry.expires.is_some_and(|expires| expires.since(now) < RENEW_BELOW_MS);
            self.trying += 1;
            self.insert(item, entry);
            out.push(Output::Publish { item, renew });
        }
        // Who is ready and found no room is tried when an attempt ends.
        let next = self.due.first().map(|(at, _)| *at).filter(|at| *at > now);
        if let Some(at) = next.filter(|at| self.asked.is_none_or(|asked| asked > *at)) {
            self.asked = Some(at);
            out.push(Output::WakeAt(at));
        }
    }

    fn take(&mut self, item: Item) -> Option<Entry> {
        let entry = self.items.remove(&item)?;
        if let State::Due(at) = entry.state {
            self.due.remove(&(at, item));
        }
        self.published -= usize::from(entry.published);
        Some(entry)
    }

    fn insert(&mut self, item: Item, entry: Entry) {
        if let State::Due(at) = entry.state {
            self.due.insert((at, item));
        }
        self.published += usize::from(entry.published);
        self.items.insert(item, entry);
    }

    /// When the wall clock was set back, all times go back with it; when a record ends is by everybody's clock.
    fn set_back(&mut self, back: u64) {
        self.due.clear();
        for (item, entry) in &mut self.items {
            if let State::Due(at) = &mut entry.state {
                *at = earlier(*at, back);
                self.due.insert((*at, *item));
            }
        }
        self.asked = None;
    }

    /// Pseudo-random bits (splitmix64).
    const fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
