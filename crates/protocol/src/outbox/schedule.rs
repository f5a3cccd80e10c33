//! When to try which peer.
//!
//! A peer that is away is tried again after a pause that doubles with every failure, and at once when it connects.
//! Peers do not wait for each other. Only those for whom something waits are remembered.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;

/// Pause after the first failure, and the time within which a new item makes the first attempt at a peer that is not
/// connected, in milliseconds.
pub const TICK_MS: u64 = 15_000;
/// Longest pause between two attempts, in milliseconds, before the jitter.
pub const PAUSE_MS_MAX: u64 = 600_000;
/// How much shorter or longer a pause is, so that peers are not all tried at once, in per cent.
pub const JITTER_PER_CENT: u64 = 10;
/// Shortest time between two attempts at a peer that fails, however often it connects, in milliseconds.
pub const AGAIN_MS: u64 = 1_000;
/// Most attempts that are under way at once.
pub const TRIES_AT_ONCE_MAX: usize = 128;
/// Most peers that are remembered; a team has fewer.
pub const PEERS_MAX: usize = 1_024;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Something waits for a peer: it was just put there, or found when the node started.
    Waiting {
        /// For whom.
        peer: NodeId,
        /// Whether it is connected.
        connected: bool,
    },
    /// A peer connected, or was found again.
    Connected(NodeId),
    /// A person wants it to be tried now.
    Retry(NodeId),
    /// An attempt is over.
    Ended {
        /// At whom.
        peer: NodeId,
        /// How it went.
        end: End,
    },
    /// Nothing waits for a peer any more.
    Forget(NodeId),
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing is left, as far as it could see.
    Done,
    /// It failed, or the peer is busy.
    Failed {
        /// Whether anything was delivered before.
        moved: bool,
    },
}

/// What must be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Try to deliver to this peer, and hand in [`Input::Ended`]. One attempt at a peer at a time.
    Try(NodeId),
    /// There is room again for peers that could not be remembered: hand in [`Input::Waiting`] for all for whom
    /// something waits.
    Rescan,
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
}

/// Whether an attempt is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is tried at this time.
    Due(UnixMillis),
    /// It is being tried.
    Trying {
        /// Something was put there since; the attempt may not have seen it.
        more: bool,
        /// It connected since, or a person asked.
        soon: bool,
        /// Nothing waits for it any more.
        forgotten: bool,
    },
}

/// A peer for whom something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Peer {
    state: State,
    /// Attempts that failed one after the other.
    failures: u32,
    /// When the last attempt began.
    tried_at: Option<UnixMillis>,
}

/// The machine that decides whom to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// State of the jitter.
    seed: u64,
    /// Pause after the first failure, in milliseconds.
    first_ms: u64,
    peers: BTreeMap<NodeId, Peer>,
    /// How many are being tried.
    trying: usize,
    /// Whether a peer could not be remembered.
    missed: bool,
    /// What was last asked for.
    asked: Option<UnixMillis>,
    /// The latest time that was seen.
    seen: UnixMillis,
}

impl Schedule {
    /// Nobody to try yet. `first_ms` is the pause after the first failure, [`TICK_MS`] unless it was set.
    pub const fn new(seed: u64, first_ms: u64) -> Self {
        let first_ms = if first_ms == 0 { 1 } else { first_ms };
        let peers = BTreeMap::new();
        Self { seed, first_ms, peers, trying: 0, missed: false, asked: None, seen: UnixMillis(0) }
    }

    /// Sets the pause after a first failure; whoever waits already goes on to.
    pub const fn set_pause(&mut self, first_ms: u64) {
        self.first_ms = if first_ms == 0 { 1 } else { first_ms };
    }

    /// When a peer is tried next; `None` while it is being tried, or nothing waits for it.
    pub fn next_try(&self, peer: &NodeId) -> Option<UnixMillis> {
        match self.peers.get(peer)?.state {
            State::Due(at) => Some(at),
            State::Trying { .. } => None,
        }
    }

    /// Whether an attempt at a peer is under way.
    pub fn is_trying(&self, peer: &NodeId) -> bool {
        self.peers.get(peer).is_some_and(|peer| matches!(peer.state, State::Trying { .. }))
    }

    /// How often it was tried in vain since something was last delivered.
    pub fn failures(&self, peer: &NodeId) -> u32 {
        self.peers.get(peer).map_or(0, |peer| peer.failures)
    }

    /// The peers that are remembered.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    /// What must be done after `input` happened.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let mut out = Vec::new();
        self.tick(now);
        match input {
            Input::Waiting { peer, connected } => self.waiting(peer, connected, now),
            Input::Connected(peer) => self.soon(peer, now),
            Input::Retry(peer) => {
                self.remember(peer, now);
                self.soon(peer, now);
            }
            Input::Ended { peer, end } => self.ended(peer, end, now),
            Input::Forget(peer) => self.forget(peer),
            Input::Wake => self.asked = None,
        }
        self.go_on(now, &mut out);
        out
    }

    /// Time is `now`. When the wall clock was set back, all times go back with it.
    fn tick(&mut self, now: UnixMillis) {
        let back = self.seen.since(now);
        if back > 0 {
            for peer in self.peers.values_mut() {
                if let State::Due(at) = &mut peer.state {
                    at.0 = at.0.saturating_sub(back);
                }
                if let Some(at) = &mut peer.tried_at {
                    at.0 = at.0.saturating_sub(back);
                }
            }
            self.asked = None;
        }
        self.seen = now;
    }

    /// Remembers a peer if there is room; it is due at `at` if it is new.
    fn remember(&mut self, peer: NodeId, at: UnixMillis) {
        if self.peers.contains_key(&peer) {
            return;
        }
        if self.peers.len() >= PEERS_MAX {
            self.missed = true;
            return;
        }
        self.peers.insert(peer, Peer { state: State::Due(at), failures: 0, tried_at: None });
    }

    fn waiting(&mut self, peer: NodeId, connected: bool, now: UnixMillis) {
        if !self.peers.contains_key(&peer) {
            let at = if connected { now } else { now.after(self.random() % self.first_ms) };
            self.remember(peer, at);
            return;
        }
        let Some(known) = self.peers.get_mut(&peer) else { return };
        match &mut known.state {
            // Who is connected and yet failed does so again; a new item does not change that.
            State::Due(at) if connected && known.failures == 0 => *at = now.min(*at),
            State::Due(_) => {}
            State::Trying { more, forgotten, .. } => (*more, *forgotten) = (true, false),
        }
    }

    fn soon(&mut self, peer: NodeId, now: UnixMillis) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let earliest = known.tried_at.map_or(now, |at| at.after(AGAIN_MS).max(now));
        match &mut known.state {
            State::Due(at) => *at = earliest.min(*at),
            State::Trying { soon, .. } => *soon = true,
        }
    }

    fn ended(&mut self, peer: NodeId, end: End, now: UnixMillis) {
        let Some(known) = self.peers.get(&peer).copied() else { return };
        let State::Trying { more, soon, forgotten } = known.state else { return };
        self.trying = self.trying.saturating_sub(1);
        if forgotten || (end == End::Done && !more && !soon) {
            self.peers.remove(&peer);
            return;
        }
        let failures = match end {
            End::Done => 0,
            End::Failed { moved: true } => 1,
            End::Failed { moved: false } => known.failures.saturating_add(1),
        };
        let pause = match end {
            End::Done => 0,
            End::Failed { .. } if soon => AGAIN_MS,
            End::Failed { .. } => self.pause(failures),
        };
        let state = State::Due(now.after(pause));
        self.peers.insert(peer, Peer { state, failures, ..known });
    }

    /// An attempt that is under way goes on; the peer is forgotten when it ends.
    fn forget(&mut self, peer: NodeId) {
        match self.peers.get_mut(&peer).map(|peer| &mut peer.state) {
            Some(State::Trying { more, soon, forgotten }) => (*more, *soon, *forgotten) = (false, false, true),
            Some(State::Due(_)) => {
                self.peers.remove(&peer);
            }
            None => {}
        }
    }

    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        if self.missed && self.peers.len() < PEERS_MAX {
            self.missed = false;
            out.push(Output::Rescan);
        }
        let at = |peer: &Peer| match peer.state {
            State::Due(at) => Some(at),
            State::Trying { .. } => None,
        };
        let mut due: Vec<_> = self.peers.iter().filter_map(|(id, peer)| Some((at(peer)?, *id))).collect();
        due.sort_unstable();
        let ready = due.iter().take_while(|(at, _)| *at <= now).count();
        let free = TRIES_AT_ONCE_MAX.saturating_sub(self.trying).min(ready);
        for (_, id) in due.iter().take(free) {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            peer.state = State::Trying { more: false, soon: false, forgotten: false };
            peer.tried_at = Some(now);
            self.trying += 1;
            out.push(Output::Try(*id));
        }
        // Who is ready and found no room is tried when an attempt ends.
        let next = due.get(ready).map(|(at, _)| *at);
        if let Some(at) = next.filter(|at| self.asked.is_none_or(|asked| asked > *at)) {
            self.asked = Some(at);
            out.push(Output::WakeAt(at));
        }
    }

    /// The pause after so many failures.
    fn pause(&mut self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(32);
        let pause = self.first_ms.saturating_mul(1 << doublings).min(PAUSE_MS_MAX.max(self.first_ms));
        let span = pause.saturating_mul(2 * JITTER_PER_CENT) / 100;
        (pause - span / 2).saturating_add(self.random() % (span + 1))
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
