//! The side that asks, of several providers at once.
//!
//! The simple way is to divide the blocks among the providers. Then the slowest decides, and one that goes away leaves a
//! hole. So every provider has a window of bytes that it owes, and who delivers is asked for the next blocks, in order,
//! that nobody was asked for: a fast one sends more by itself. Towards the end a slow one may owe the last blocks; who
//! has nothing to do is then asked for them too.
//!
//! A provider that sends other bytes than the manifest names is asked nothing more, likewise one that owes something and
//! is silent for [`STALL_MS`]. One that lacks a block is not asked for it again. One that is busy, or whose stream broke,
//! is left alone for a while, a few times in a row. What each of them owed is free for the others. When
//! nobody is left the fetch has failed, and the accounts say what each did.
//!
//! The machine hashes no blocks: who drives it checks them where it writes them ([`Output::Keep`]), several at once and
//! beside the network, and says what came of it.

mod asking;
mod plan;
mod provider;

use std::collections::BTreeMap;
use std::ops::Range;

use antiphon_core::content::{BLOCK_BYTES, Shape};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;

use self::plan::Plan;
use self::provider::{Provider, State};
use super::UNKNOWN_MAX;
use super::message::{Block, Message, What};
use crate::reason::Reason;

pub use self::plan::{Look, PARTS_OPEN_MAX, Piece, Unfit};
pub use self::provider::{Account, Gone};

/// Most bytes that one provider owes.
pub const WINDOW_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most bytes that all owe together, what has come and is not kept yet included.
pub const FLYING_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Most providers of one fetch; others are not heard of.
pub const PROVIDERS_MAX: usize = 64;
/// Most providers that are asked at the same time.
pub const ACTIVE_MAX: usize = 8;
/// Bytes that must be missing for each provider beyond the first.
const BYTES_PER_PROVIDER: u64 = 1024 * 1024;
/// Silence of a provider that owes something after which it is given up, in milliseconds.
pub const STALL_MS: u64 = 15_000;
/// How long a piece must be owed before somebody with nothing to do is asked for it too, in milliseconds.
pub const ASK_AGAIN_MS: u64 = 2_000;
/// How long a provider is left alone after its first failure, in milliseconds; doubled with every further one.
pub const REST_MS: u64 = 250;
/// Longest time that a provider is left alone, in milliseconds.
pub const REST_MS_MAX: u64 = 4_000;
/// Failures in a row after which a provider is given up.
pub const ATTEMPTS_MAX: u32 = 5;
/// As [`ATTEMPTS_MAX`], when it is only that the provider has too much to do.
pub const ATTEMPTS_BUSY_MAX: u32 = 12;
/// How often the machine wants to be woken, in milliseconds.
pub const TICK_MS: u64 = 250;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begin. The manifest of the document, if it is held.
    Begin(Option<Vec<u8>>),
    /// This node may have the document too.
    Provider(NodeId),
    /// The stream to a provider stands.
    Opened(NodeId),
    /// It could not be opened, or ended.
    Closed(NodeId, Reason),
    /// A provider said this.
    Message(NodeId, Message),
    /// A provider sent what is no message.
    Unreadable(NodeId),
    /// What [`Output::Look`] asked for.
    Looked {
        /// The part.
        part: u64,
        /// Its manifest, if it is held.
        manifest: Option<Vec<u8>>,
        /// Its blocks that are not held.
        missing: Vec<Range<u64>>,
    },
    /// What became of [`Output::Keep`].
    Kept {
        /// The block.
        n: u64,
        /// Whether it had the right hash, and is held now.
        good: bool,
    },
    /// The time that [`Output::WakeAt`] named has come.
    Wake,
    /// Stop it.
    Cancel,
}

/// Something must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a stream to a provider.
    Open(NodeId),
    /// Close it, or stop opening it. Nothing that still comes over it is said to the machine.
    Close(NodeId),
    /// Say this to a provider.
    Send(NodeId, Message),
    /// Keep a manifest; its hash was checked. `None` is the manifest of the document.
    KeepManifest(Option<u64>, Vec<u8>),
    /// Look up what of a part is held, after what was to be kept before.
    Look(Look),
    /// Check that a block has this hash, keep it if so, and say what came of it.
    Keep {
        /// Who sent it.
        from: NodeId,
        /// The hash that it must have.
        hash: Hash,
        /// The block.
        block: Block,
    },
    /// Wake the machine then; it replaces an earlier one.
    WakeAt(UnixMillis),
    /// It is over.
    End(Result<(), Failure>),
}

/// Why a fetch ended before everything was there. What each provider did is in [`Fetch::accounts`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody is left who could send what is missing.
    #[error("nobody is left who could send {first}, nor {more} other pieces")]
    Providers {
        /// The first that is missing.
        first: Piece,
        /// How many more are known to be missing.
        more: u64,
    },
    /// The document is not what the index says.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It was stopped.
    #[error("it was stopped")]
    Cancelled,
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Blocks of the document.
    pub blocks: u64,
    /// Blocks that are held, as far as was looked.
    pub held: u64,
    /// Blocks that were fetched.
    pub fetched: u64,
    /// Bytes that were fetched.
    pub fetched_bytes: u64,
}

/// Who was asked for a piece, and when last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    by: Vec<NodeId>,
    at: UnixMillis,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    root: Hash,
    plan: Plan,
    providers: BTreeMap<NodeId, Provider>,
    /// What is owed.
    asked: BTreeMap<Piece, Asked>,
    /// Blocks that came and are being checked and written, and from whom.
    keeping: BTreeMap<u64, NodeId>,
    progress: Progress,
    begun: bool,
    ended: bool,
    wake_at: Option<UnixMillis>,
}

impl Fetch {
    /// A fetch of the document `root`, whose ciphertext the index says is of this shape. The likeliest providers come
    /// first.
    pub fn new(root: Hash, shape: Shape, providers: impl IntoIterator<Item = NodeId>) -> Self {
        let mut named = BTreeMap::new();
        for node in providers.into_iter().take(PROVIDERS_MAX) {
            let rank = named.len();
            named.entry(node).or_insert_with(|| Provider::new(rank));
        }
        Self {
            root,
            plan: Plan::new(root, shape),
            providers: named,
            asked: BTreeMap::new(),
            keeping: BTreeMap::new(),
            progress: Progress { blocks: shape.blocks(), ..Progress::default() },
            begun: false,
            ended: false,
            wake_at: None,
        }
    }

    /// How far it is.
    pub const fn progress(&self) -> Progress {
        Progress { held: self.plan.held(), ..self.progress }
    }

    /// What each provider did so far.
    pub fn accounts(&self) -> BTreeMap<NodeId, Account> {
        self.providers.iter().map(|(node, provider)| (*node, provider.account)).collect()
    }

    /// Bytes that are owed or not kept yet.
    pub fn flying_bytes(&self) -> u64 {
        let owed: u64 = self.providers.values().map(|provider| provider.asked_bytes).sum();
        owed + self.keeping.keys().map(|n| self.plan.bytes(Piece::Block(*n))).sum::<u64>()
    }

    /// Takes note of what happened; says what must be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let mut out = Vec::new();
        if self.ended {
            return out;
        }
        let done = self.note(input, now, &mut out).and_then(|()| self.go_on(now, &mut out));
        match done {
            Ok(false) => {}
            Ok(true) => self.end(Ok(()), &mut out),
            Err(failure) => self.end(Err(failure), &mut out),
        }
        out
    }

    fn note(&mut self, input: Input, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Failure> {
        match input {
            Input::Begin(manifest) if !self.begun => {
                self.begun = true;
                match manifest {
                    Some(bytes) => self.plan.take_root(&bytes)?,
                    None => drop(self.plan.free.insert(Piece::Root)),
                }
            }
            Input::Begin(_) => {}
            Input::Provider(node) => {
                let rank = self.providers.len();
                if rank < PROVIDERS_MAX {
                    self.providers.entry(node).or_insert_with(|| Provider::new(rank));
                }
            }
            Input::Opened(node) => {
                if let Some(provider) = self.providers.get_mut(&node).filter(|one| one.state == State::Opening) {
                    provider.state = State::Open;
                    provider.heard_at = now;
                }
            }
            Input::Closed(node, reason) => {
                if self.is_in_touch(&node) {
                    self.account(&node, |account| account.broken += 1);
                    self.rest(node, Gone::Unreachable(reason), now, out);
                }
            }
            Input::Message(node, message) => {
                if self.providers.get(&node).is_some_and(|provider| provider.state == State::Open) {
                    self.hear(node, message, now, out)?;
                }
            }
            Input::Unreadable(node) => self.give_up(node, Gone::Violation("what it sends cannot be read"), out),
            Input::Looked { part, manifest, missing } => self.plan.looked(part, manifest.as_deref(), &missing)?,
            Input::Kept { n, good } => self.kept(n, good, now, out),
            Input::Wake => self.wake_at = None,
            Input::Cancel => return Err(Failure::Cancelled),
        }
        Ok(())
    }

    /// A provider with a stream spoke.
    fn hear(&mut self, node: NodeId, message: Message, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Failure> {
        if let Some(provider) = self.providers.get_mut(&node) {
            provider.heard_at = now;
        }
        match message {
            Message::Manifest(bytes) => self.take_manifest(node, bytes, out)?,
            Message::Block(block) => self.take_block(node, block, out),
            Message::Missing { root, what } => self.lacks(node, root, &what, out),
            Message::Busy => {
                self.account(&node, |account| account.busy += 1);
                self.rest(node, Gone::Busy, now, out);
            }
            Message::Bye => self.rest(node, Gone::Left, now, out),
            Message::Want { .. } => self.give_up(node, Gone::Violation("it asks where it is asked"), out),
            Message::Unknown(_) => {
                let count = self.providers.get_mut(&node).map_or(0, |provider| {
                    provider.unknown += 1;
                    provider.unknown
                });
                if count > UNKNOWN_MAX {
                    self.give_up(node, Gone::Violation("too many unknown messages"), out);
                }
            }
        }
        Ok(())
    }

    fn take_manifest(&mut self, node: NodeId, bytes: Vec<u8>, out: &mut Vec<Output>) -> Result<(), Failure> {
        let hash = Hash::of(&bytes);
        let owed = self.providers.get(&node).map(|provider| provider.asked.iter().copied()).into_iter().flatten();
        let manifests: Vec<Piece> = owed.filter(|piece| !matches!(piece, Piece::Block(_))).collect();
        let Some(piece) = manifests.iter().copied().find(|piece| self.plan.hash(*piece) == Some(hash)) else {
            match manifests.first() {
                Some(piece) => self.lied(node, *piece, out),
                None => self.give_up(node, Gone::Violation("it sends a manifest that it was not asked for"), out),
            }
            return Ok(());
        };
        if !self.arrived(node, piece) {
            return Ok(());
        }
        self.forget_lacks(piece);
        match piece {
            Piece::Root => {
                self.plan.take_root(&bytes)?;
                out.push(Output::KeepManifest(None, bytes));
            }
            Piece::Leaf(part) => {
                self.plan.take_leaf(part, &bytes)?;
                out.push(Output::KeepManifest(Some(part), bytes));
            }
            Piece::Block(_) => {}
        }
        Ok(())
    }

    fn take_block(&mut self, node: NodeId, block: Block, out: &mut Vec<Output>) {
        let piece = Piece::Block(block.n);
        let owes = self.providers.get(&node).is_some_and(|provider| provider.asked.contains(&piece));
        if block.root != self.root || !owes {
            return self.give_up(node, Gone::Violation("it sends a block that it was not asked for"), out);
        }
        let bytes = block.bytes.len() as u64;
        if bytes != self.plan.bytes(piece) {
            return self.lied(node, piece, out);
        }
        if !self.arrived(node, piece) {
            return self.account(&node, |account| account.spare_bytes += bytes);
        }
        if let Some(hash) = self.plan.hash(piece) {
            self.keeping.insert(block.n, node);
            out.push(Output::Keep { from: node, hash, block });
        }
    }

    /// A provider sent what it owed; says whether that was still missing.
    fn arrived(&mut self, node: NodeId, piece: Piece) -> bool {
        let bytes = self.plan.bytes(piece);
        if let Some(provider) = self.providers.get_mut(&node) {
            provider.answered(piece, bytes);
        }
        self.asked.remove(&piece).is_some() | self.plan.free.remove(&piece)
    }

    /// A provider said that it lacks what it was asked for.
    fn lacks(&mut self, node: NodeId, root: Hash, what: &What, out: &mut Vec<Output>) {
        let owed = self.providers.get(&node).map(|provider| provider.asked.iter().copied()).into_iter().flatten();
        let pieces: Vec<Piece> = match what {
            What::Manifest(hash) => {
                let named = |piece: &Piece| !matches!(piece, Piece::Block(_)) && self.plan.hash(*piece) == Some(*hash);
                owed.filter(named).take(1).collect()
            }
            What::Blocks(ranges) => ranges.iter().cloned().flatten().map(Piece::Block).collect(),
        };
        let owes = |piece| self.providers.get(&node).is_some_and(|provider| provider.asked.contains(piece));
        if root != self.root || pieces.is_empty() || !pieces.iter().all(owes) {
            return self.give_up(node, Gone::Violation("it lacks what it was not asked for"), out);
        }
        for piece in pieces {
            self.release(node, piece);
            if let Some(provider) = self.providers.get_mut(&node) {
                provider.account.missing += 1;
                if self.plan.free.contains(&piece) || self.asked.contains_key(&piece) {
                    provider.lacks.insert(piece);
                }
            }
        }
    }

    fn kept(&mut self, n: u64, good: bool, now: UnixMillis, out: &mut Vec<Output>) {
        let Some(node) = self.keeping.remove(&n) else { return };
        let piece = Piece::Block(n);
        if !good {
            let by = self.nodes(|provider| provider.asked.contains(&piece));
            if by.is_empty() {
                self.plan.free.insert(piece);
            } else {
                self.asked.insert(piece, Asked { by, at: now });
            }
            return self.lied(node, piece, out);
        }
        let bytes = self.plan.bytes(piece);
        self.plan.kept(n);
        self.forget_lacks(piece);
        self.progress.fetched += 1;
        self.progress.fetched_bytes += bytes;
        if let Some(provider) = self.providers.get_mut(&node) {
            provider.failures = 0;
            provider.account.blocks += 1;
            provider.account.bytes += bytes;
        }
    }

    fn forget_lacks(&mut self, piece: Piece) {
        for provider in self.providers.values_mut() {
            provider.lacks.remove(&piece);
        }
    }

    fn lied(&mut self, node: NodeId, piece: Piece, out: &mut Vec<Output>) {
        self.account(&node, |account| account.lies += 1);
        self.give_up(node, Gone::Lied(piece), out);
    }

    /// Does whatever can be done now; says whether everything is held.
    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) -> Result<bool, Failure> {
        while let Some(look) = self.plan.open_next() {
            out.push(Output::Look(look));
        }
        if self.plan.is_done() && self.keeping.is_empty() {
            return Ok(true);
        }
        self.tend(now, out);
        self.share_out(now, out);
        self.check_hope()?;
        if self.wake_at.is_none() {
            let at = now.after(TICK_MS);
            self.wake_at = Some(at);
            out.push(Output::WakeAt(at));
        }
        Ok(false)
    }

    /// Fails when nothing is under way and nobody is left of whom anything could come.
    fn check_hope(&mut self) -> Result<(), Failure> {
        let owed = self.providers.values().any(|provider| !provider.asked.is_empty() || provider.is_hope());
        if !self.begun || owed || !self.keeping.is_empty() || self.plan.is_looking() {
            return Ok(());
        }
        // Whoever is open was asked for nothing, so it lacks all that is free.
        for provider in self.providers.values_mut().filter(|provider| provider.state == State::Open) {
            provider.account.gone = Some(Gone::Lacks);
        }
        match self.plan.free.first() {
            Some(first) => Err(Failure::Providers { first: *first, more: self.plan.free.len() as u64 - 1 }),
            None => Ok(()),
        }
    }

    /// Leaves a provider alone for a while, or for good.
    fn rest(&mut self, node: NodeId, reason: Gone, now: UnixMillis, out: &mut Vec<Output>) {
        let Some(provider) = self.providers.get_mut(&node) else { return };
        provider.failures += 1;
        let patience = if reason == Gone::Busy { ATTEMPTS_BUSY_MAX } else { ATTEMPTS_MAX };
        if provider.failures >= patience {
            return self.give_up(node, reason, out);
        }
        provider.state = State::Resting(now.after((REST_MS << (provider.failures - 1)).min(REST_MS_MAX)));
        self.release_all(node);
        out.push(Output::Close(node));
    }

    fn give_up(&mut self, node: NodeId, reason: Gone, out: &mut Vec<Output>) {
        let Some(provider) = self.providers.get_mut(&node).filter(|provider| provider.state != State::Gone) else {
            return;
        };
        let touched = matches!(provider.state, State::Open | State::Opening);
        provider.state = State::Gone;
        provider.account.gone = Some(reason);
        self.release_all(node);
        if let Some(provider) = self.providers.get_mut(&node) {
            provider.lacks.clear();
        }
        if touched {
            out.push(Output::Close(node));
        }
    }

    /// What a provider owed is free again, unless somebody else owes it too.
    fn release_all(&mut self, node: NodeId) {
        let owed = self.providers.get(&node).map(|provider| provider.asked.clone()).unwrap_or_default();
        owed.into_iter().for_each(|piece| self.release(node, piece));
    }

    fn release(&mut self, node: NodeId, piece: Piece) {
        let bytes = self.plan.bytes(piece);
        if let Some(provider) = self.providers.get_mut(&node) {
            provider.answered(piece, bytes);
        }
        if let Some(asked) = self.asked.get_mut(&piece) {
            asked.by.retain(|other| *other != node);
            if asked.by.is_empty() {
                self.asked.remove(&piece);
                self.plan.free.insert(piece);
            }
        }
    }

    fn end(&mut self, result: Result<(), Failure>, out: &mut Vec<Output>) {
        self.ended = true;
        for (node, provider) in &self.providers {
            if provider.state == State::Open {
                out.push(Output::Send(*node, Message::Bye));
            }
            if matches!(provider.state, State::Open | State::Opening) {
                out.push(Output::Close(*node));
            }
        }
        out.push(Output::End(result));
    }

    fn nodes(&self, which: impl Fn(&Provider) -> bool) -> Vec<NodeId> {
        self.providers.iter().filter(|(_, provider)| which(provider)).map(|(node, _)| *node).collect()
    }

    fn is_in_touch(&self, node: &NodeId) -> bool {
        self.providers.get(node).is_some_and(|one| matches!(one.state, State::Open | State::Opening))
    }

    fn account(&mut self, node: &NodeId, note: impl FnOnce(&mut Account)) {
        if let Some(provider) = self.providers.get_mut(node) {
            note(&mut provider.account);
        }
    }
}

const _: () = assert!(FLYING_BYTES_MAX / ACTIVE_MAX as u64 >= 2 * BLOCK_BYTES, "everybody has a window");
const _: () = assert!(WINDOW_BYTES_MAX / BLOCK_BYTES <= super::WANTED_BLOCKS_MAX, "a window is within what is served");
