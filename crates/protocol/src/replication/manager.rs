//! Which copies are missing, who makes them, and which may go.
//!
//! Every member knows every ciphertext, for the index travels to all, and computes the same order of holders for it. So
//! nobody has to be asked what is to be where, and it would do if each offered what it holds to whoever is to hold it.
//! That makes the same copy several times over when three holders see a newcomer at once; it believes what members say of
//! themselves; and two who each see the other's copy remove both. What is done instead:
//!
//! - *Who acts.* Of the holders that are connected the first in the order offers, to the first of those that are to hold
//!   it and lack it. The others wait, longer the later they come in the order, and act if nothing happens. Who takes decides
//!   alone whether it has a copy or is taking one, so two who offer at once cost a message and no copy.
//! - *What counts.* Who holds a copy has others prove that they do; who holds none has nothing to check with and asks. What
//!   was shown is believed for a day and asked again twice a day, after a repair, when a holder was away for long, and when
//!   somebody is gone and whoever stands in for it may have given its copy up.
//! - *What may go.* A copy is trimmed only if so many that come earlier in the order as there should be copies have proved
//!   theirs within minutes. Whoever proves a copy keeps it for longer than the proof is believed ([`Manager::vouch`]), and
//!   proves nothing that it is about to trim. So of two that would trim at once, whatever each believes of the other, one
//!   waits, and a chain of trims ends at copies that stay.
//!
//! Nothing is looked at without a cause: each key has a time when it is looked at again, and what happens to a node brings
//! that of the keys forward which it concerns. A look is a function of what is known then, so it does not matter how often
//! one happens. What is known of a copy survives a restart in the database; what was under way does not, and is found
//! missing again.
//!
//! Limits: a proof says that a node could get at the blocks when it was asked. Who was alone for long gives all others the
//! grace period to come back before it makes copies, so that a laptop that wakes up does not copy its team's documents to
//! whoever is met first. Two halves of a team that do not see each other each make their copies; the surplus is trimmed
//! when they meet.

mod concern;
mod keys;
mod learn;
mod nodes;
mod offers;
mod query;
mod review;
mod steady;
mod take;
mod trim;
mod view;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Priority, Settings};
use antiphon_core::time::UnixMillis;

use keys::{KeyNo, Keys, NodeNo, Seconds};
use nodes::Nodes;
use steady::Steady;
use trim::Trial;
pub use words::{Evidence, HealthCounts, Input, Member, Metrics, Output, Provider, Status, Taking, Vouch};

/// Most ciphertexts that one node keeps count of. What comes on top is not replicated by this node until others are gone.
pub const KEYS_MAX: usize = 1_000_000;
/// Most roots that one question is about.
pub const ROOTS_PER_ASK_MAX: usize = 256;
/// Most proofs that one question asks for: each has blocks read on both sides.
pub const PROOFS_PER_ASK_MAX: usize = 64;
/// How long a question may take, in milliseconds.
pub const ASK_MS_MAX: u64 = 10 * 60_000;
/// How long an offer may take, in milliseconds: a large document over a slow line.
pub const OFFER_MS_MAX: u64 = 24 * 3_600_000;
/// Most copies that this node takes at once.
pub const TAKINGS_MAX: usize = 16;
/// How long a ciphertext must have been surplus before that is looked into, in milliseconds.
pub const SETTLE_MS: u64 = 30_000;
/// How soon who does not hold a new ciphertext asks for it at the earliest, in milliseconds.
pub const HEARD_MS: u64 = 3_000;
/// Most keys that are looked at in one call; the rest follow at once.
pub const REVIEWS_PER_CALL_MAX: usize = 2_048;

/// The machine that keeps enough copies of every ciphertext that is needed.
#[derive(Debug, Clone)]
pub struct Manager {
    settings: Settings,
    keys: Keys,
    nodes: Nodes,
    /// Time, which the clock of this machine does not always tell.
    steady: Steady,
    /// Since when this machine runs.
    started: Option<UnixMillis>,
    /// Whether it was said who is a member; nothing is looked at before.
    told: bool,
    /// Offers that are under way, and since when.
    offered: BTreeMap<(Hash, NodeNo), UnixMillis>,
    /// Own copies that may be surplus.
    trials: BTreeMap<KeyNo, Trial>,
    /// Own copies that are being removed.
    trimming: BTreeSet<Hash>,
    /// Copies that are being taken, and their bytes.
    takings: BTreeMap<Hash, u64>,
    counted: Metrics,
    wake_at: Option<UnixMillis>,
}

impl Manager {
    /// Nothing is known yet. Until the first [`Input::Members`] nothing is done, so at the start that comes after all
    /// [`Input::Key`], [`Input::Held`] and [`Input::Known`].
    pub fn new(own: NodeId, settings: Settings) -> Self {
        Self {
            settings,
            keys: Keys::default(),
            nodes: Nodes::new(own),
            steady: Steady::default(),
            started: None,
            told: false,
            offered: BTreeMap::new(),
            trials: BTreeMap::new(),
            trimming: BTreeSet::new(),
            takings: BTreeMap::new(),
            counted: Metrics::default(),
            wake_at: None,
        }
    }

    /// Takes what happened, and says what must be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let (clock, now) = (now, self.pass(now));
        let input = self.steady.input(input, clock);
        self.started.get_or_insert(now);
        let mut out = Vec::new();
        match input {
            Input::Key { root, length, priority, own, current } => {
                self.key(root, now, |key| {
                    key.length = length;
                    key.priority = priority;
                    key.own = own;
                    key.current = current;
                });
            }
            Input::Gone { root } => self.gone(root, &mut out),
            Input::Held { root, whole } => self.held(&root, whole, now),
            Input::Members(members) => self.members(&members, now),
            Input::Known { root, node, evidence, added_at, history } => {
                self.known(&root, node, evidence, added_at, history, now);
            }
            Input::Answered { peer, answers } => self.answered(peer, &answers, now, &mut out),
            Input::Offered { peer, root, outcome } => self.offered(peer, root, outcome, now, &mut out),
            Input::Took { root, ok } => self.took(&root, ok, now),
            Input::Trimmed { root, ok } => self.trimmed(root, ok, now),
            Input::Settings(settings) => self.set(settings, now),
            Input::Run { root } => self.run(root, now),
            Input::Wake => self.wake_at = None,
        }
        self.turn(now, &mut out);
        out.into_iter().map(|output| self.steady.output(output)).collect()
    }

    /// Takes in what the clock shows, and says what time it is.
    fn pass(&mut self, clock: UnixMillis) -> UnixMillis {
        let (now, was_set) = self.steady.passes(clock);
        if was_set {
            // Whoever is to wake this machine was told another time.
            self.wake_at = None;
        }
        now
    }

    fn key(&mut self, root: Hash, now: UnixMillis, change: impl Fn(&mut keys::Key)) {
        let Some(no) = self.keys.add(root, now, KEYS_MAX) else { return };
        let Some(key) = self.keys.get_mut(no) else { return };
        change(key);
        // Not all ask at once, and whoever stored it has had the time to offer it.
        let late = HEARD_MS + u64::from(root.as_bytes()[1]) * 16;
        self.keys.due_by(no, now.after(late));
    }

    fn gone(&mut self, root: Hash, out: &mut Vec<Output>) {
        if let Some(no) = self.keys.remove(&root) {
            self.trials.remove(&no);
            self.nodes.forget(no);
            out.push(Output::Forget { root });
        }
    }

    fn held(&mut self, root: &Hash, whole: bool, now: UnixMillis) {
        let Some(no) = self.keys.no(root) else { return };
        let Some(key) = self.keys.get_mut(no) else { return };
        if std::mem::replace(&mut key.whole, whole) == whole {
            return;
        }
        key.hope();
        if !whole {
            self.trials.remove(&no);
        }
        self.count(no, now);
        self.keys.due_by(no, now);
    }

    fn set(&mut self, settings: Settings, now: UnixMillis) {
        if std::mem::replace(&mut self.settings, settings) == settings {
            return;
        }
        for change in self.nodes.leave_again(settings.grace_ms, now) {
            self.concern(change, now);
        }
        self.all_due(now, |_| {});
    }

    fn run(&mut self, root: Option<Hash>, now: UnixMillis) {
        self.nodes.have_room();
        let run = |key: &mut keys::Key| {
            key.hope();
            key.forced = true;
            key.stale_before = Seconds::of(now);
        };
        let Some(root) = root else { return self.all_due(now, run) };
        let Some(no) = self.keys.no(&root) else { return };
        if let Some(key) = self.keys.get_mut(no) {
            run(key);
        }
        self.keys.due_by(no, now);
    }

    fn all_due(&mut self, now: UnixMillis, change: impl Fn(&mut keys::Key)) {
        for no in self.keys.numbers() {
            if let Some(key) = self.keys.get_mut(no) {
                change(key);
            }
            self.keys.due_by(no, now);
        }
    }

    fn members(&mut self, members: &[Member], now: UnixMillis) {
        self.told = true;
        let (changes, given_up) = self.nodes.set_members(members, self.settings.grace_ms, now);
        let asked = given_up.asked.iter().filter_map(|root| self.keys.no(root));
        for no in asked.chain(given_up.waiting).collect::<Vec<_>>() {
            self.keys.due_by(no, now);
        }
        for change in changes {
            self.concern(change, now);
        }
    }

    /// Does what is due.
    fn turn(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        if !self.told {
            return;
        }
        for change in self.nodes.leave(self.settings.grace_ms, now) {
            self.concern(change, now);
        }
        self.give_up_late(now);
        for _ in 0..REVIEWS_PER_CALL_MAX {
            let Some(no) = self.keys.pop_due(now) else { break };
            self.review(no, now, out);
        }
        self.start_offers(now, out);
        self.ask(now, out);
        let next = self.next_wake(now);
        if next != self.wake_at {
            self.wake_at = next;
            out.extend(next.map(Output::WakeAt));
        }
    }

    fn next_wake(&self, now: UnixMillis) -> Option<UnixMillis> {
        let due = self.keys.next_due().map(|(at, _)| at.max(now));
        let offers = self.offered.values().map(|since| since.after(OFFER_MS_MAX));
        let nodes = self.nodes.all().filter_map(|(_, node)| node.next_wake(now));
        due.into_iter().chain(self.nodes.next_leave()).chain(offers).chain(nodes).min()
    }

    fn give_up_late(&mut self, now: UnixMillis) {
        self.offered.retain(|_, since| now.since(*since) < OFFER_MS_MAX);
        for root in self.nodes.give_up_late(now) {
            if let Some(no) = self.keys.no(&root) {
                self.keys.due_by(no, now);
            }
        }
    }

    /// Counts the copies of a key anew.
    fn count(&mut self, no: KeyNo, now: UnixMillis) {
        let Some(key) = self.keys.get(no) else { return };
        let others = key.records().iter().filter(|record| self.is_copy(record, now)).count();
        let actual = others + usize::from(key.whole);
        self.keys.set_actual(no, actual);
    }

    /// What a key is queued as for an offer.
    fn place_in_queue(&self, no: KeyNo) -> Option<(Priority, std::cmp::Reverse<KeyNo>)> {
        Some((self.keys.get(no)?.priority, std::cmp::Reverse(no)))
    }
}
