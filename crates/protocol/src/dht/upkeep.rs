//! When to enter the network, to look for members in it, and to forget those that are gone.
//!
//! A node enters by asking somebody it knows for the neighbours of its own key. That fails while it knows nobody, so it
//! is tried again every half minute, and at once when a member connects. From then on it asks who else is there: soon
//! again at first, since others that lost their way at the same time come back with it, and then every minute. Every five
//! minutes it forgets members of which nothing was heard for an hour, so that nobody is sent to them.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;

use super::{Seen, earlier};

/// How long entering may take, in milliseconds.
pub const BOOTSTRAP_TIMEOUT_MS: u64 = 30_000;
/// How long after an attempt in vain the next one follows, in milliseconds.
pub const BOOTSTRAP_RETRY_MS: u64 = 30_000;
/// How often it is asked who else is there, in milliseconds.
pub const DISCOVERY_MS: u64 = 60_000;
/// How long after entering it is asked again, in milliseconds; each further time twice as long, up to [`DISCOVERY_MS`].
pub const DISCOVERY_SOON_MS: u64 = 5_000;
/// How often members that are gone are looked for, in milliseconds.
pub const CLEANUP_MS: u64 = 5 * 60_000;
/// How long nothing must have been heard of a member for it to be forgotten, in milliseconds.
pub const UNSEEN_MS: u64 = 60 * 60_000;
/// Most members that are remembered; a team has fewer. Of further ones the least recently seen is forgotten.
pub const PEERS_MAX: usize = 1_024;

/// How often what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Whether to enter without being asked.
    pub auto_bootstrap: bool,
    /// See [`BOOTSTRAP_TIMEOUT_MS`].
    pub bootstrap_timeout_ms: u64,
    /// See [`BOOTSTRAP_RETRY_MS`].
    pub bootstrap_retry_ms: u64,
    /// See [`DISCOVERY_MS`].
    pub discovery_ms: u64,
    /// See [`CLEANUP_MS`].
    pub cleanup_ms: u64,
    /// See [`UNSEEN_MS`].
    pub unseen_ms: u64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            auto_bootstrap: true,
            bootstrap_timeout_ms: BOOTSTRAP_TIMEOUT_MS,
            bootstrap_retry_ms: BOOTSTRAP_RETRY_MS,
            discovery_ms: DISCOVERY_MS,
            cleanup_ms: CLEANUP_MS,
            unseen_ms: UNSEEN_MS,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A member connected.
    Connected(NodeId),
    /// It is not connected any more.
    Gone(NodeId),
    /// Something was heard of a member that need not be connected: it was found, or it answered.
    Seen(NodeId),
    /// It is no member any more.
    Removed(NodeId),
    /// A person wants to enter now.
    Bootstrap,
    /// An attempt to enter is over.
    Bootstrapped {
        /// Which one, see [`Output::Bootstrap`].
        attempt: u64,
        /// Whether it led to anybody.
        entered: bool,
    },
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
}

/// What must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Enter the network, and hand in [`Input::Bootstrapped`]. One that takes too long counts as failed.
    Bootstrap {
        /// Counts the attempts.
        attempt: u64,
    },
    /// Ask who else is there, and hand in [`Input::Seen`] for each.
    Discover,
    /// Forget this member.
    Forget(NodeId),
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
}

/// How far this node is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is not, and tries at this time; never by itself if that is not wanted.
    Out(Option<UnixMillis>),
    /// It tries since then.
    Entering {
        since: UnixMillis,
        /// Somebody connected since, or a person asked: an attempt in vain is repeated at once.
        again: bool,
    },
    /// It is, and asks around at this time, and again after a pause.
    In { discover_at: UnixMillis, pause_ms: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Peer {
    connected: bool,
    seen_at: UnixMillis,
}

/// The machine that keeps this node in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    every: Intervals,
    standing: Standing,
    attempts: u64,
    peers: BTreeMap<NodeId, Peer>,
    cleanup_at: UnixMillis,
    asked: Option<UnixMillis>,
    seen: Seen,
}

impl Upkeep {
    /// Outside; the first [`Input::Wake`] begins.
    pub fn new(every: Intervals, now: UnixMillis) -> Self {
        Self {
            every,
            standing: Standing::Out(every.auto_bootstrap.then_some(now)),
            attempts: 0,
            peers: BTreeMap::new(),
            cleanup_at: now.after(every.cleanup_ms),
            asked: None,
            seen: Seen(now),
        }
    }

    /// Whether it has entered, and is connected to somebody.
    pub const fn is_bootstrapped(&self) -> bool {
        matches!(self.standing, Standing::In { .. })
    }

    /// How often it tried to enter.
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }

    /// The members that are remembered, and when something was last heard of each; those that are connected are heard.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, UnixMillis)> {
        let now = self.seen.0;
        self.peers.iter().map(move |(node, peer)| (*node, if peer.connected { now } else { peer.seen_at }))
    }

    /// What must be done after `input` happened.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let back = self.seen.tick(now);
        if back > 0 {
            self.set_back(back);
        }
        let mut out = Vec::new();
        match input {
            Input::Connected(node) => self.connected(node, now, &mut out),
            Input::Gone(node) => self.gone(node, now),
            Input::Seen(node) => self.heard(node, now, &mut out),
            Input::Removed(node) => self.removed(node, now, &mut out),
            Input::Bootstrap => self.wanted(now),
            Input::Bootstrapped { attempt, entered } => self.bootstrapped(attempt, entered, now),
            Input::Wake => self.asked = None,
        }
        self.go_on(now, &mut out);
        out
    }

    fn connected(&mut self, node: NodeId, now: UnixMillis, out: &mut Vec<Output>) {
        self.heard(node, now, out);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.connected = true;
        }
        match &mut self.standing {
            Standing::Out(Some(at)) => *at = now,
            Standing::Entering { again, .. } => *again = true,
            Standing::Out(None) | Standing::In { .. } => {}
        }
    }

    fn gone(&mut self, node: NodeId, now: UnixMillis) {
        if let Some(peer) = self.peers.get_mut(&node) {
            *peer = Peer { connected: false, seen_at: now };
        }
        self.alone(now);
    }

    /// Who is connected to nobody is out again.
    fn alone(&mut self, now: UnixMillis) {
        if self.is_bootstrapped() && !self.peers.values().any(|peer| peer.connected) {
            self.standing = Standing::Out(self.every.auto_bootstrap.then(|| now.after(self.every.bootstrap_retry_ms)));
        }
    }

    fn heard(&mut self, node: NodeId, now: UnixMillis, out: &mut Vec<Output>) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.seen_at = now;
            return;
        }
        if self.peers.len() >= PEERS_MAX {
            let away = self.peers.iter().filter(|(_, peer)| !peer.connected);
            let Some(oldest) = away.min_by_key(|(node, peer)| (peer.seen_at, **node)).map(|(node, _)| *node) else {
                return;
            };
            self.peers.remove(&oldest);
            out.push(Output::Forget(oldest));
        }
        self.peers.insert(node, Peer { connected: false, seen_at: now });
    }

    fn removed(&mut self, node: NodeId, now: UnixMillis, out: &mut Vec<Output>) {
        if self.peers.remove(&node).is_some() {
            out.push(Output::Forget(node));
        }
        self.alone(now);
    }

    fn wanted(&mut self, now: UnixMillis) {
        match &mut self.standing {
            Standing::Entering { again, .. } => *again = true,
            Standing::Out(_) | Standing::In { .. } => self.standing = Standing::Out(Some(now)),
        }
    }

    fn bootstrapped(&mut self, attempt: u64, entered: bool, now: UnixMillis) {
        let Standing::Entering { again, .. } = self.standing else { return };
        if attempt != self.attempts {
            return;
        }
        self.standing = match (entered, again) {
            (true, _) => Standing::In { discover_at: now, pause_ms: DISCOVERY_SOON_MS },
            (false, true) => Standing::Out(Some(now)),
            (false, false) => {
                Standing::Out(self.every.auto_bootstrap.then(|| now.after(self.every.bootstrap_retry_ms)))
            }
        };
        // Who brought it in may have gone meanwhile.
        self.alone(now);
    }

    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        if let Standing::Entering { since, .. } = self.standing
            && now >= since.after(self.every.bootstrap_timeout_ms)
        {
            // Its answer is not waited for any more: the next attempt has another number.
            self.standing = Standing::Out(self.every.auto_bootstrap.then(|| now.after(self.every.bootstrap_retry_ms)));
        }
        match self.standing {
            Standing::Out(Some(at)) if at <= now => {
                self.attempts += 1;
                self.standing = Standing::Entering { since: now, again: false };
                out.push(Output::Bootstrap { attempt: self.attempts });
            }
            Standing::In { discover_at, pause_ms } if discover_at <= now => {
                let pause_ms = pause_ms.min(self.every.discovery_ms);
                self.standing = Standing::In { discover_at: now.after(pause_ms), pause_ms: pause_ms.saturating_mul(2) };
                out.push(Output::Discover);
            }
            _ => {}
        }
        if self.cleanup_at <= now {
            self.cleanup_at = now.after(self.every.cleanup_ms);
            self.forget_unseen(now, out);
        }
        self.ask(out);
    }

    fn forget_unseen(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let unseen = self.every.unseen_ms;
        let is_gone = |peer: &Peer| !peer.connected && now.since(peer.seen_at) > unseen;
        let gone: Vec<NodeId> = self.peers.iter().filter(|(_, peer)| is_gone(peer)).map(|(node, _)| *node).collect();
        for node in gone {
            self.peers.remove(&node);
            out.push(Output::Forget(node));
        }
    }

    fn ask(&mut self, out: &mut Vec<Output>) {
        let at = match self.standing {
            Standing::Out(None) => self.cleanup_at,
            Standing::Out(Some(at)) | Standing::In { discover_at: at, .. } => at.min(self.cleanup_at),
            Standing::Entering { since, .. } => since.after(self.every.bootstrap_timeout_ms).min(self.cleanup_at),
        };
        if self.asked.is_none_or(|asked| asked > at) {
            self.asked = Some(at);
            out.push(Output::WakeAt(at));
        }
    }

    fn set_back(&mut self, back: u64) {
        match &mut self.standing {
            Standing::Out(Some(at)) | Standing::Entering { since: at, .. } | Standing::In { discover_at: at, .. } => {
                *at = earlier(*at, back);
            }
            Standing::Out(None) => {}
        }
        for peer in self.peers.values_mut() {
            peer.seen_at = earlier(peer.seen_at, back);
        }
        self.cleanup_at = earlier(self.cleanup_at, back);
        self.asked = None;
    }
}
