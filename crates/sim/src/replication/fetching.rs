//! Blocks move: the real machines of both sides, over streams that are slow, break, and end at members that lie.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_protocol::blocks::fetch::{ASK_AGAIN_MS, Input, Output};
use antiphon_protocol::blocks::{Fetch, Message, Serve, What, serve};
use antiphon_protocol::reason::Reason;

use super::disk::Slot;
use super::library::Content;
use super::network::Frame;
use super::plan::Honesty;
use super::{Copies, Event, Inside};
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::options::Sabotage;

/// Why a document is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody offered it.
    Offer { peer: usize, id: u64 },
    /// A person wants it.
    Person,
    /// A part of it is there.
    Owed,
}

/// A document that is being fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    machine: Fetch,
    causes: Vec<Cause>,
    streams: BTreeMap<NodeId, u64>,
    /// When each block was first asked for, and whether that was so long ago that another one was asked too.
    asked: BTreeMap<u64, (u64, bool)>,
    /// The disk was full.
    full: bool,
}

impl Fetching {
    /// Whether it is fetched since somebody offered it.
    pub(super) fn is_offered(&self) -> bool {
        self.causes.iter().any(|cause| matches!(cause, Cause::Offer { .. }))
    }
}

/// What moved to one member of one document.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// Bytes that arrived and are right.
    pub(super) bytes: u64,
    /// Those of them that were missing.
    pub(super) missing: u64,
    /// Those that came twice since whoever was asked first let others wait.
    pub(super) late: u64,
}

/// Bytes that may move for each five that are missing.
const BYTES_PER_FIVE: u64 = 6;

/// Why a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    Full,
    Failed,
}

impl Copies {
    /// Begins to fetch a document, or has one more reason to.
    pub(super) fn fetch(&mut self, node: usize, root: Hash, cause: Cause, from: &[usize]) -> Step {
        let shape = self.library.content(&root)?.shape;
        let providers: Vec<NodeId> =
            from.iter().filter(|peer| **peer != node).map(|peer| self.members[*peer].id).collect();
        let Some(up) = self.members[node].up.as_mut() else { return Ok(()) };
        if let Some(fetching) = up.fetches.get_mut(&root) {
            fetching.causes.push(cause);
            return providers.into_iter().try_for_each(|peer| self.drive(node, root, Input::Provider(peer)));
        }
        let machine = Fetch::new(root, shape, providers);
        let fetching =
            Fetching { machine, causes: vec![cause], streams: BTreeMap::new(), asked: BTreeMap::new(), full: false };
        up.fetches.insert(root, fetching);
        self.note(node, "fetch", &root.0, || format!("{root:?} from {from:?}, {cause:?}"));
        let content = self.library.content(&root)?;
        let held = self.members[node].disk.blobs.get(&root);
        if held.is_some_and(|blob| blob.bytes > 0 && blob.bytes < shape.length) {
            self.tally.exercised.add(Class::CopyResumed, 1);
        }
        let manifest = held.is_some_and(|blob| blob.manifest).then(|| content.manifest.clone());
        self.drive(node, root, Input::Begin(manifest))
    }

    /// Gives a fetch something, and does what it wants.
    pub(super) fn drive(&mut self, node: usize, root: Hash, first: Input) -> Step {
        let mut inputs = VecDeque::from([first]);
        while let Some(input) = inputs.pop_front() {
            let now = self.now(node);
            let fetching = self.members[node].up.as_mut().and_then(|up| up.fetches.get_mut(&root));
            let Some(fetching) = fetching else { return Ok(()) };
            for output in fetching.machine.handle(input, now) {
                self.do_for_fetch(node, root, output, &mut inputs)?;
            }
        }
        Ok(())
    }

    fn fetching(&mut self, node: usize, root: &Hash) -> Option<&mut Fetching> {
        self.members[node].up.as_mut()?.fetches.get_mut(root)
    }

    fn do_for_fetch(&mut self, node: usize, root: Hash, output: Output, inputs: &mut VecDeque<Input>) -> Step {
        match output {
            Output::Open(peer) => self.open(node, root, peer),
            Output::Close(peer) => {
                if let Some(stream) = self.fetching(node, &root).and_then(|fetching| fetching.streams.remove(&peer)) {
                    self.hang_up(stream);
                }
            }
            Output::Send(peer, message) => self.ask_for(node, root, peer, message),
            Output::KeepManifest(_, _) => {
                let content = self.library.content(&root)?;
                self.members[node].disk.open(content).manifest = true;
            }
            Output::Look(look) => {
                let content = self.library.content(&root)?;
                let disk = &self.members[node].disk;
                let manifest = disk.blobs.get(&root).is_some_and(|blob| blob.manifest);
                let anew = self.is_sabotaged(Sabotage::BeginAnew);
                let is_missing = |n: &u64| anew || disk.slot(&root, *n) == Slot::Empty;
                let missing = look.blocks.clone().filter(is_missing).map(|n| n..n + 1);
                let manifest = manifest.then(|| content.manifest.clone());
                inputs.push_back(Input::Looked { part: look.part, manifest, missing: missing.collect() });
            }
            Output::Keep { from, block, .. } => inputs.push_back(self.keep(node, root, from, block.n, &block.bytes)?),
            Output::WakeAt(at) => self.inside_at(node, at, Inside::WakeFetch(root)),
            Output::End(result) => {
                let full = self.fetching(node, &root).is_some_and(|fetching| fetching.full);
                let ended = match result {
                    Ok(()) => Ended::Whole,
                    Err(_) if full => Ended::Full,
                    Err(_) => Ended::Failed,
                };
                return self.fetched(node, root, ended);
            }
        }
        Ok(())
    }

    fn open(&mut self, node: usize, root: Hash, peer: NodeId) {
        let holder = self.index.get(&peer).copied();
        let linked = holder.filter(|holder| self.network.link(node, *holder).is_some());
        let stream = linked.map(|holder| self.network.open(node, holder, root));
        if let (Some(stream), Some(fetching)) = (stream, self.fetching(node, &root)) {
            fetching.streams.insert(peer, stream);
        }
        let (there, back) = (self.network.delay(), self.network.delay());
        if let (Some(stream), Some(holder)) = (stream, linked) {
            let life = self.members[holder].life;
            self.agenda.put(self.at + there, Event::Inside { node: holder, life, what: Inside::Opened(stream) });
        }
        let what = Inside::Open { root, peer, stream };
        self.inside(node, there + back, what);
    }

    /// The answer to an attempt to open a stream.
    pub(super) fn opened(&mut self, node: usize, root: Hash, peer: NodeId, stream: Option<u64>) -> Step {
        let stands = stream.is_some_and(|stream| self.network.streams.contains_key(&stream));
        let input = if stands { Input::Opened(peer) } else { Input::Closed(peer, Reason::NetworkTimeout) };
        self.drive(node, root, input)
    }

    fn ask_for(&mut self, node: usize, root: Hash, peer: NodeId, message: Message) {
        let at = self.at;
        let Some(fetching) = self.fetching(node, &root) else { return };
        if let Message::Want { what: What::Blocks(ranges), .. } = &message {
            for n in ranges.iter().cloned().flatten() {
                let (first, late) = fetching.asked.entry(n).or_insert((at, false));
                *late |= at >= *first + ASK_AGAIN_MS;
            }
        }
        let stream = fetching.streams.get(&peer).copied();
        if let Some(stream) = stream {
            self.push(Frame { stream, to_asker: false, message });
        }
    }

    /// Checks a block and puts it down.
    fn keep(&mut self, node: usize, root: Hash, from: NodeId, n: u64, bytes: &[u8]) -> Step<Input> {
        let content = self.library.content(&root)?;
        let right = usize::try_from(n).ok().and_then(|n| content.blocks.get(n));
        let good = right.is_some_and(|right| right.as_slice() == bytes);
        let member = &mut self.members[node];
        let missing = member.disk.slot(&root, n) == Slot::Empty;
        if good && missing && !member.disk.has_room(bytes.len() as u64) {
            if let Some(fetching) = self.fetching(node, &root) {
                fetching.full = true;
            }
            self.tally.exercised.add(Class::CopyDiskFull, 1);
            return Ok(Input::Cancel);
        }
        if good {
            member.disk.keep(content, n);
            self.note(node, "keep", &root.0, || format!("block {n} of {root:?}"));
            self.check_quota(node, &root)?;
        } else {
            self.note(node, "wrong", &from.0, || format!("block {n} of {root:?}"));
            self.tally.exercised.add(Class::WrongBlock, 1);
        }
        Ok(Input::Kept { n, good })
    }

    /// What a block that arrives costs. Whoever lies is not paid for: it is asked nothing more.
    fn account(&mut self, node: usize, root: &Hash, n: u64, bytes: u64) -> Step {
        let missing = self.members[node].disk.slot(root, n) == Slot::Empty;
        let asked = self.fetching(node, root).and_then(|fetching| fetching.asked.get(&n).copied());
        let late = !missing && asked.is_none_or(|(_, late)| late);
        let moved = self.moved.entry((node, *root)).or_default();
        moved.bytes += bytes;
        moved.missing += if missing { bytes } else { 0 };
        moved.late += if late { bytes } else { 0 };
        let moved = *moved;
        self.last_moved = self.at;
        let kept = (moved.bytes - moved.late) * 5 <= moved.missing * BYTES_PER_FIVE;
        need(kept, Law::BytesAreSpared, || format!("n{node} got {moved:?} of {root:?}"))
    }

    fn fetched(&mut self, node: usize, root: Hash, ended: Ended) -> Step {
        let Some(fetching) = self.members[node].up.as_mut().and_then(|up| up.fetches.remove(&root)) else {
            return Ok(());
        };
        fetching.streams.into_values().for_each(|stream| self.hang_up(stream));
        self.note(node, "fetched", &root.0, || format!("{root:?}: {ended:?}"));
        self.took(node, root, ended, &fetching.causes)
    }

    /// The end of a stream that its asker closes, or both when it breaks.
    fn hang_up(&mut self, stream: u64) {
        let Some(ends) = self.network.streams.remove(&stream) else { return };
        let delay = self.network.delay();
        self.inside(ends.holder, delay, Inside::HungUp(stream));
    }

    /// A stream broke under both.
    pub(super) fn broke(&mut self, stream: u64, ends: &super::network::Stream) {
        self.tally.exercised.add(Class::StreamBroken, 1);
        let peer = self.members[ends.holder].id;
        self.inside(ends.asker, 1, Inside::Broke { root: ends.root, peer, stream });
        self.inside(ends.holder, 1, Inside::HungUp(stream));
    }

    /// The asker notices.
    pub(super) fn notice_broken(&mut self, node: usize, root: Hash, peer: NodeId, stream: u64) -> Step {
        let fetching = self.fetching(node, &root).filter(|fetching| fetching.streams.get(&peer) == Some(&stream));
        let Some(fetching) = fetching else { return Ok(()) };
        fetching.streams.remove(&peer);
        self.drive(node, root, Input::Closed(peer, Reason::NetworkReset))
    }

    /// A frame arrives.
    pub(super) fn frame(&mut self, frame: Frame) -> Step {
        let Some(stream) = self.network.streams.get(&frame.stream) else { return Ok(()) };
        let (asker, holder, root) = (stream.asker, stream.holder, stream.root);
        if !frame.to_asker {
            return self.serve(holder, frame.stream, serve::Input::Message(frame.message));
        }
        if let Message::Block(block) = &frame.message
            && self.members[holder].character.honesty != Honesty::Corrupts
        {
            self.account(asker, &block.root, block.n, block.bytes.len() as u64)?;
        }
        let peer = self.members[holder].id;
        self.drive(asker, root, Input::Message(peer, frame.message))
    }

    /// Somebody wants blocks from here.
    pub(super) fn begin_serving(&mut self, node: usize, stream: u64) -> Step {
        let now = self.now(node);
        let Some(up) = self.members[node].up.as_mut() else { return Ok(()) };
        let (machine, first) = Serve::new(now);
        up.serving.insert(stream, machine);
        self.do_for_serving(node, stream, first)
    }

    /// Gives the other side of a fetch something, and does what it wants.
    pub(super) fn serve(&mut self, node: usize, stream: u64, input: serve::Input) -> Step {
        let now = self.now(node);
        let Some(serving) = self.members[node].up.as_mut().and_then(|up| up.serving.get_mut(&stream)) else {
            return Ok(());
        };
        let outputs = serving.handle(input, now);
        outputs.into_iter().try_for_each(|output| self.do_for_serving(node, stream, output))
    }

    fn do_for_serving(&mut self, node: usize, stream: u64, output: serve::Output) -> Step {
        match output {
            serve::Output::Load(job) => self.load(node, stream, job)?,
            serve::Output::Send(message) => self.send_block(stream, message),
            serve::Output::WakeAt(at) => self.inside_at(node, at, Inside::WakeServe(stream)),
            serve::Output::Close(_) => {
                if let Some(up) = self.members[node].up.as_mut() {
                    up.serving.remove(&stream);
                }
                if let Some(ends) = self.network.streams.remove(&stream) {
                    let peer = self.members[node].id;
                    self.inside(ends.asker, 1, Inside::Broke { root: ends.root, peer, stream });
                }
            }
        }
        Ok(())
    }

    /// Reads something, which takes as long as the one before takes to be sent.
    fn load(&mut self, node: usize, stream: u64, job: serve::Job) -> Step {
        let character = self.members[node].character;
        if character.honesty == Honesty::Hoards {
            self.tally.exercised.add(Class::Hoarded, 1);
            return Ok(());
        }
        let bytes = match job {
            serve::Job::Manifest { .. } => 100,
            serve::Job::Block { root, n } => self.library.content(&root)?.block_bytes(n),
        };
        self.inside(node, 1 + bytes * 1_000 / character.rate, Inside::Loaded(stream, job));
        Ok(())
    }

    /// What was to be read was read.
    pub(super) fn loaded(&mut self, node: usize, stream: u64, job: serve::Job) -> Step {
        let bytes = match job {
            serve::Job::Manifest { root, .. } => {
                let held = self.members[node].disk.blobs.get(&root).is_some_and(|blob| blob.manifest);
                if held { Some(self.library.content(&root)?.manifest.clone()) } else { None }
            }
            serve::Job::Block { root, n } => {
                let mut bytes = self.read(node, &root, n)?;
                if self.members[node].character.honesty == Honesty::Corrupts {
                    bytes.iter_mut().for_each(|bytes| spoil(bytes));
                }
                bytes
            }
        };
        self.serve(node, stream, serve::Input::Loaded(bytes))
    }

    fn send_block(&mut self, stream: u64, message: Message) {
        let breaks = matches!(message, Message::Block(_)) && {
            let permille = self.plan.breaks;
            !self.calm && self.network.random.chance(permille)
        };
        if breaks {
            if let Some(ends) = self.network.streams.remove(&stream) {
                self.broke(stream, &ends);
            }
            return;
        }
        self.push(Frame { stream, to_asker: true, message });
    }

    fn push(&mut self, frame: Frame) {
        if let Some((at, event)) = self.network.push(self.at, frame) {
            self.agenda.put(at, event);
        }
    }

    /// Reads a block of one's own. One that is damaged is found out, and is not there any more.
    pub(super) fn read(&mut self, node: usize, root: &Hash, n: u64) -> Step<Option<Vec<u8>>> {
        match self.members[node].disk.slot(root, n) {
            Slot::Empty => Ok(None),
            Slot::Good => {
                let content = self.library.content(root)?;
                Ok(usize::try_from(n).ok().and_then(|n| content.blocks.get(n)).map(|block| block.to_vec()))
            }
            Slot::Damaged => {
                self.found_damaged(node, root, n)?;
                Ok(None)
            }
        }
    }

    fn found_damaged(&mut self, node: usize, root: &Hash, n: u64) -> Step {
        let content: &Content = self.library.content(root)?;
        let disk = &mut self.members[node].disk;
        disk.hurt(content, n, Slot::Empty);
        if let Some(blob) = disk.blobs.get_mut(root) {
            blob.had = true;
        }
        self.tally.exercised.add(Class::DamageFound, 1);
        self.note(node, "damaged", &root.0, || format!("block {n} of {root:?}"));
        self.held(node, *root)
    }

    /// Documents that somebody is fetching from a member.
    pub(super) fn served(&self, node: usize) -> BTreeSet<Hash> {
        self.network.streams.values().filter(|stream| stream.holder == node).map(|stream| stream.root).collect()
    }
}

/// Makes a block another one.
fn spoil(bytes: &mut [u8]) {
    if let Some(first) = bytes.first_mut() {
        *first = !*first;
    }
}
