//! Blocks come in: the real machine of the side that fetches, over streams to whoever may hold them, into the real store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use antiphon_core::content::{Manifest, Shape};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::fetch::{ASK_AGAIN_MS, Input, Look, Output};
use antiphon_protocol::blocks::{Fetch, Message, What};
use antiphon_protocol::reason::Reason;
use antiphon_store::{BlobError, Leafed};

use super::books::broken;
use super::lanes::Speaks;
use super::{Ended, Inside};
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::options::Sabotage;
use crate::world::World;

/// Longest time until what came is on the disk and noted, in milliseconds.
const NOTE_MS_MAX: u64 = 60;
/// Bytes that may move for each five that are missing.
const BYTES_PER_FIVE: u64 = 6;

/// Why a document is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody offered it over this stream.
    Offer { stream: u64, id: u64 },
    /// A person wants it.
    Person,
    /// A part of it is there.
    Owed,
}

/// A document that is being fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    /// Tells one fetch of a document from the next one.
    number: u64,
    machine: Fetch,
    causes: Vec<Cause>,
    /// Streams to providers, and whether they stand.
    streams: BTreeMap<NodeId, (u64, bool)>,
    wake_at: Option<UnixMillis>,
    /// When each block was first asked for, and whether that was so long ago that another one was asked too.
    asked: BTreeMap<u64, (u64, bool)>,
    /// Blocks that were written and not noted.
    pub(super) unnoted: BTreeSet<u64>,
    full: bool,
    /// It is over, and what it wrote is being noted.
    over: bool,
}

impl Fetching {
    /// Whether it is fetched since somebody offered it.
    pub(super) fn is_offered(&self) -> bool {
        self.causes.iter().any(|cause| matches!(cause, Cause::Offer { .. }))
    }

    /// Whether it is fetched to complete it.
    pub(super) fn is_owed(&self) -> bool {
        self.causes.contains(&Cause::Owed)
    }

    /// Whether a stream of this fetch stands; `None` if it is none of it.
    pub(super) fn stream(&self, stream: u64) -> Option<bool> {
        self.streams.values().find(|(name, _)| *name == stream).map(|(_, stands)| *stands)
    }
}

impl World {
    /// Begins to fetch a document, or has one more reason to.
    pub(super) fn fetch(&mut self, node: usize, root: Hash, cause: Cause, from: &[usize]) -> Step {
        let providers: Vec<NodeId> =
            from.iter().filter(|peer| **peer != node).map(|peer| self.nodes[*peer].id).collect();
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let Some(needed) = up.db.reader().replication_key(&root)?.needed else { return Ok(()) };
        let number = self.contents.name();
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        if let Some(fetching) = shelf.fetches.get_mut(&root) {
            fetching.causes.push(cause);
            return providers.into_iter().try_for_each(|peer| self.drive_fetch(node, root, Input::Provider(peer)));
        }
        let fetching = Fetching {
            number,
            machine: Fetch::new(root, Shape { length: needed.length }, providers),
            causes: vec![cause],
            streams: BTreeMap::new(),
            wake_at: None,
            asked: BTreeMap::new(),
            unnoted: BTreeSet::new(),
            full: false,
            over: false,
        };
        shelf.fetches.insert(root, fetching);
        self.note_content(node, "fetch", &root, || format!("{root:?} from {from:?}, {cause:?}"));
        let manifest = self.begin_fetch(node, &root)?;
        self.drive_fetch(node, root, Input::Begin(manifest))
    }

    /// What is there of a document when a fetch begins; blocks that were written and not noted are found.
    fn begin_fetch(&mut self, node: usize, root: &Hash) -> Step<Option<Vec<u8>>> {
        let Some(db) = self.contents_db(node) else { return Ok(None) };
        let (view, manifest) = (db.reader().blob(root)?, db.reader().manifest(root)?);
        let (Some(view), Some(manifest)) = (view, manifest) else { return Ok(None) };
        if !view.is_complete() {
            let landed = db.blobs().take_stock(root).map_err(broken)?;
            match db.blocks_held(&landed) {
                Err(error) if error.is_full() => {}
                held => drop(held?),
            }
            let part = view.held_bytes > 0 || !landed.is_empty();
            self.met(Class::DocumentResumed, u64::from(part));
        }
        Ok(Some(manifest))
    }

    /// Gives a fetch something, and does what it wants.
    pub(super) fn drive_fetch(&mut self, node: usize, root: Hash, first: Input) -> Step {
        let mut inputs = VecDeque::from([first]);
        while let Some(input) = inputs.pop_front() {
            let now = self.steady();
            let Some(fetching) = self.fetching(node, &root).filter(|fetching| !fetching.over) else { return Ok(()) };
            for output in fetching.machine.handle(input, now) {
                self.do_for_fetch(node, root, output, &mut inputs)?;
            }
        }
        Ok(())
    }

    fn fetching(&mut self, node: usize, root: &Hash) -> Option<&mut Fetching> {
        self.shelf(node)?.fetches.get_mut(root)
    }

    fn do_for_fetch(&mut self, node: usize, root: Hash, output: Output, inputs: &mut VecDeque<Input>) -> Step {
        match output {
            Output::Open(peer) => match self.member_number(&peer) {
                Some(to) => {
                    let stream = self.open_lane(node, to, Speaks::Blocks);
                    if let Some(fetching) = self.fetching(node, &root) {
                        fetching.streams.insert(peer, (stream, false));
                    }
                }
                None => inputs.push_back(Input::Closed(peer, Reason::NetworkTimeout)),
            },
            Output::Close(peer) => {
                let stream = self.fetching(node, &root).and_then(|fetching| fetching.streams.remove(&peer));
                if let Some((stream, _)) = stream {
                    self.close_lane(node, stream);
                }
            }
            Output::Send(peer, message) => self.ask_for_blocks(node, root, peer, &message)?,
            Output::KeepManifest(part, bytes) => {
                if !self.keep_manifest(node, &root, part, &bytes)? {
                    inputs.push_back(Input::Cancel);
                }
            }
            Output::Look(look) => inputs.push_back(self.look_for_blocks(node, &root, look)?),
            Output::Keep { from, block, .. } => {
                inputs.push_back(self.keep_block(node, root, from, block.n, &block.bytes)?)
            }
            Output::WakeAt(at) => {
                if let Some(fetching) = self.fetching(node, &root) {
                    fetching.wake_at = Some(at);
                }
                self.in_shelf_at(node, at, Inside::WakeFetch { root, at });
            }
            Output::End(result) => self.end_fetch(node, root, result.is_ok()),
        }
        Ok(())
    }

    /// It is over: what was written is on the disk and noted in a moment.
    fn end_fetch(&mut self, node: usize, root: Hash, whole: bool) {
        let Some(fetching) = self.fetching(node, &root) else { return };
        fetching.over = true;
        let (number, full) = (fetching.number, fetching.full);
        let streams = std::mem::take(&mut fetching.streams);
        streams.into_values().for_each(|(stream, _)| self.close_lane(node, stream));
        let ended = match (whole, full) {
            (true, _) => Ended::Whole,
            (false, true) => Ended::Full,
            (false, false) => Ended::Failed,
        };
        let wait = self.contents.random.between(1, NOTE_MS_MAX);
        self.in_shelf(node, wait, Inside::Fetched { root, number, ended });
    }

    /// What a fetch wrote is noted, and whoever waited for it is told.
    pub(super) fn fetched(&mut self, node: usize, root: Hash, number: u64, ended: Ended) -> Step {
        let noted = self.note_blocks(node, &root)?;
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        if shelf.fetches.get(&root).is_none_or(|fetching| fetching.number != number) {
            return Ok(());
        }
        let Some(fetching) = shelf.fetches.remove(&root) else { return Ok(()) };
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let whole = up.db.reader().blob(&root)?.is_some_and(|view| view.is_complete());
        let ended = match ended {
            Ended::Whole if !noted => Ended::Full,
            Ended::Whole if !whole => Ended::Failed,
            ended => ended,
        };
        self.note_content(node, "fetched", &root, || format!("{root:?}: {ended:?}"));
        self.took(node, root, ended, &fetching.causes)
    }

    fn ask_for_blocks(&mut self, node: usize, root: Hash, peer: NodeId, message: &Message) -> Step {
        let at = self.at;
        let Some(fetching) = self.fetching(node, &root) else { return Ok(()) };
        if let Message::Want { what: What::Blocks(ranges), .. } = message {
            for n in ranges.iter().cloned().flatten() {
                let (first, late) = fetching.asked.entry(n).or_insert((at, false));
                *late |= at >= *first + ASK_AGAIN_MS;
            }
        }
        match fetching.streams.get(&peer).copied() {
            Some((stream, _)) => self.send_frame(stream, node, message.encode(), false),
            None => Ok(()),
        }
    }

    /// Whether a manifest is kept.
    fn keep_manifest(&mut self, node: usize, root: &Hash, part: Option<u64>, bytes: &[u8]) -> Step<bool> {
        let manifest = Manifest::decode(bytes).map_err(broken)?;
        let Some(db) = self.contents_db(node) else { return Ok(false) };
        let kept = match part {
            None => db.begin_fetch(&manifest).map(|_| true),
            Some(_) => db.keep_manifest(root, &manifest).map(|leafed| leafed == Leafed::Kept),
        };
        match kept {
            Err(error) if error.is_full() => {
                self.is_too_full(node, root);
                Ok(false)
            }
            kept => Ok(kept?),
        }
    }

    fn is_too_full(&mut self, node: usize, root: &Hash) {
        self.met(Class::DocumentDiskFull, 1);
        if let Some(fetching) = self.fetching(node, root) {
            fetching.full = true;
        }
    }

    fn look_for_blocks(&mut self, node: usize, root: &Hash, look: Look) -> Step<Input> {
        self.note_blocks(node, root)?;
        let Look { part, manifest, blocks } = look;
        let anew = self.is_sabotaged(Sabotage::BeginAnew);
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Input::Cancel) };
        let (view, manifest) = (up.db.reader().blob(root)?, up.db.reader().manifest(&manifest)?);
        let missing = match view {
            Some(view) if !anew => {
                let inside = |range: &std::ops::Range<u64>| range.start < blocks.end && range.end > blocks.start;
                view.missing.into_iter().filter(inside).collect()
            }
            _ => vec![blocks],
        };
        Ok(Input::Looked { part, manifest, missing })
    }

    /// Checks a block and puts it where it belongs.
    fn keep_block(&mut self, node: usize, root: Hash, from: NodeId, n: u64, bytes: &[u8]) -> Step<Input> {
        if self.contents.full.contains(&node) {
            self.is_too_full(node, &root);
            return Ok(Input::Cancel);
        }
        let Some(db) = self.contents_db(node) else { return Ok(Input::Cancel) };
        let good = match db.blobs().put_block(&root, n, bytes) {
            Ok(()) => true,
            Err(BlobError::WrongBlock { .. }) => false,
            // It was dropped while it was fetched.
            Err(error) if error.is_missing() => return Ok(Input::Cancel),
            Err(error) => return Err(broken(error)),
        };
        self.note_content(node, if good { "block" } else { "wrong" }, &root, || format!("{n} of {root:?} from {from}"));
        if good {
            if let Some(fetching) = self.fetching(node, &root) {
                fetching.unnoted.insert(n);
            }
            self.met(Class::DocumentBlock, 1);
            self.check_room(node, &root)?;
        } else {
            self.met(Class::DocumentWrongBlock, 1);
        }
        Ok(Input::Kept { n, good })
    }

    /// Waits until what was written is on the disk, and notes it. Says whether it could be.
    fn note_blocks(&mut self, node: usize, root: &Hash) -> Step<bool> {
        let Some(db) = self.contents_db(node) else { return Ok(false) };
        let landed = db.blobs().flush(root).map_err(broken)?;
        if !landed.is_empty() {
            match db.blocks_held(&landed) {
                Err(error) if error.is_full() => return Ok(false),
                held => drop(held?),
            }
        }
        if let Some(fetching) = self.fetching(node, root) {
            fetching.unnoted.clear();
        }
        self.look_soon(node);
        Ok(true)
    }

    pub(super) fn fetch_stands(&mut self, node: usize, peer: usize, stream: u64) -> Step {
        let id = self.nodes[peer].id;
        let Some(root) = self.root_of(node, &id, stream) else { return Ok(()) };
        if let Some(known) = self.fetching(node, &root).and_then(|fetching| fetching.streams.get_mut(&id)) {
            known.1 = true;
        }
        self.drive_fetch(node, root, Input::Opened(id))
    }

    pub(super) fn fetch_hears(&mut self, node: usize, peer: usize, stream: u64, message: Message) -> Step {
        let id = self.nodes[peer].id;
        let Some(root) = self.root_of(node, &id, stream) else { return Ok(()) };
        if let Message::Block(block) = &message
            && !self.is_equivocator(peer)
        {
            self.account_for(node, &block.root, block.n, block.bytes.len() as u64)?;
        }
        self.drive_fetch(node, root, Input::Message(id, message))
    }

    pub(super) fn fetch_stream_is_over(&mut self, node: usize, peer: usize, stream: u64) -> Step {
        let id = self.nodes[peer].id;
        let Some(root) = self.root_of(node, &id, stream) else { return Ok(()) };
        if let Some(fetching) = self.fetching(node, &root) {
            fetching.streams.remove(&id);
        }
        self.contents.lanes.drop_stream(stream);
        self.drive_fetch(node, root, Input::Closed(id, Reason::NetworkReset))
    }

    /// Which document is fetched over a stream.
    fn root_of(&mut self, node: usize, peer: &NodeId, stream: u64) -> Option<Hash> {
        let shelf = self.shelf(node)?;
        let is_it = |fetching: &Fetching| fetching.streams.get(peer).is_some_and(|(name, _)| *name == stream);
        shelf.fetches.iter().find(|(_, fetching)| is_it(fetching)).map(|(root, _)| *root)
    }

    /// The machine is woken, unless it has changed its mind.
    pub(super) fn wake_fetch(&mut self, node: usize, root: Hash, at: UnixMillis) -> Step {
        let Some(fetching) = self.fetching(node, &root).filter(|fetching| fetching.wake_at == Some(at)) else {
            return Ok(());
        };
        fetching.wake_at = None;
        self.drive_fetch(node, root, Input::Wake)
    }

    /// What a block that arrives costs. Where frames are lost and doubled by the network nobody can be held to it.
    fn account_for(&mut self, node: usize, root: &Hash, n: u64, bytes: u64) -> Step {
        if self.plan.hostile.is_some() || !self.contents.ledger.documents.contains_key(root) {
            return Ok(());
        }
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let view = up.db.reader().blob(root)?;
        let lacks = view.is_none_or(|view| view.missing.iter().any(|range| range.contains(&n)));
        let Some(fetching) = self.fetching(node, root) else { return Ok(()) };
        let missing = lacks && !fetching.unnoted.contains(&n);
        let late = !missing && fetching.asked.get(&n).is_none_or(|(_, late)| *late);
        let moved = self.contents.ledger.moved.entry((node, *root)).or_default();
        moved.bytes += bytes;
        moved.missing += if missing { bytes } else { 0 };
        moved.late += if late { bytes } else { 0 };
        let moved = *moved;
        let kept = (moved.bytes - moved.late) * 5 <= moved.missing * BYTES_PER_FIVE;
        need(kept, Law::BytesAreSpared, || format!("n{node} got {moved:?} of {root:?}"))
    }
}
