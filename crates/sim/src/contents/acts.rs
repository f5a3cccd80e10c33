//! What happens to disks and quotas from outside, and what crashes and older copies of a disk do to documents.

use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use antiphon_core::content::{BLOCK_BYTES, Shape};
use antiphon_core::ids::Hash;
use antiphon_store::{BLOB_DIR, BlobView};

use super::plan::Act;
use crate::exercised::Class;
use crate::failure::Step;
use crate::node::Up;
use crate::plan::Crash;
use crate::world::World;

/// Longest time until a broken connection is noticed, in milliseconds.
const NOTICE_MS: u64 = 2_000;
/// How often what was not flushed is lost when a machine goes down, in permille.
const UNFLUSHED: u64 = 700;
/// Most ciphertexts of a member.
const BLOBS_MAX: usize = 1_000;

/// Blocks of documents that were written and not flushed.
pub(crate) type Unflushed = Vec<(Hash, BTreeSet<u64>)>;

impl World {
    pub(super) fn act_on_contents(&mut self, act: Act) -> Step {
        if self.calm {
            return Ok(());
        }
        match act {
            Act::Get(node) => self.get(node)?,
            Act::Damage(node) => self.damage(node)?,
            Act::Lose(node) => self.lose_file(node)?,
            Act::Quota(node, bytes) => {
                if let Some(room) = self.contents.rooms.get_mut(&node) {
                    room.quota_bytes = bytes;
                }
            }
            Act::Offer(node, offers) => {
                if let Some(room) = self.contents.rooms.get_mut(&node) {
                    room.offers = offers;
                }
            }
            Act::Stranger => self.stranger_asks(),
            Act::Boast => self.boast_of_copies(),
        }
        Ok(())
    }

    /// The ciphertexts that a member has something of.
    pub(super) fn held_blobs(&self, node: usize) -> Step<Vec<BlobView>> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Vec::new()) };
        Ok(up.db.reader().blobs(None, BLOBS_MAX)?)
    }

    fn file_of(&self, node: usize, root: &Hash) -> PathBuf {
        self.nodes[node].dir.join(BLOB_DIR).join(root.to_string())
    }

    /// A byte of a block is another one from now on.
    fn damage(&mut self, node: usize) -> Step {
        let views = self.held_blobs(node)?;
        let whole: Vec<Hash> = views.iter().filter(|view| view.is_complete()).map(|view| view.root).collect();
        let Some(root) = self.contents.random.pick(&whole) else { return Ok(()) };
        let path = self.file_of(node, &root);
        if !path.is_file() {
            return Ok(());
        }
        let mut bytes = std::fs::read(&path)?;
        let at = self.contents.random.index(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = !*byte;
        }
        std::fs::write(&path, bytes)?;
        self.note_content(node, "damage", &root, || format!("{root:?}"));
        self.contents.ledger.hurt(node, root, self.at);
        self.met(Class::DocumentDamaged, 1);
        Ok(())
    }

    fn lose_file(&mut self, node: usize) -> Step {
        let views = self.held_blobs(node)?;
        let all: Vec<Hash> = views.iter().map(|view| view.root).collect();
        let Some(root) = self.contents.random.pick(&all) else { return Ok(()) };
        let path = self.file_of(node, &root);
        if path.is_file() {
            std::fs::remove_file(path)?;
            self.note_content(node, "lose", &root, || format!("{root:?}"));
            self.contents.ledger.hurt(node, root, self.at);
            self.met(Class::DocumentDamaged, 1);
        }
        Ok(())
    }

    /// The disk of a member is full from now on, or is not.
    pub(crate) fn fill_shelf(&mut self, node: usize, full: bool) {
        if full {
            self.contents.full.insert(node);
        } else {
            self.contents.full.remove(&node);
        }
    }

    /// Nothing goes from the one to the other any more.
    pub(crate) fn block_lane(&mut self, from: usize, to: usize) {
        self.contents.lanes.block(from, to);
    }

    pub(crate) fn unblock_lane(&mut self, from: usize, to: usize) {
        let sent = self.contents.lanes.unblock(self.at, from, to);
        self.deliver_lanes(sent);
    }

    /// Members reach only their neighbours from now on.
    pub(crate) fn lanes_in_line(&mut self, members: [usize; 5]) {
        self.contents.lanes.stand_in_line(members);
    }

    /// A member is about to be killed: what its disk may not have yet.
    pub(crate) fn kill_shelf(&mut self, node: usize) -> Unflushed {
        let Some(shelf) = self.contents.shelves.get(&node) else { return Vec::new() };
        let unnoted = shelf.fetches.iter().filter(|(_, fetch)| !fetch.unnoted.is_empty());
        unnoted.map(|(root, fetch)| (*root, fetch.unnoted.clone())).collect()
    }

    /// A member was killed: its disk is what is left. A machine that goes dark has not written what was not flushed.
    pub(crate) fn shelf_killed(&mut self, node: usize, crash: Crash, unflushed: Unflushed) -> Step {
        let Some(shelf) = self.contents.shelves.remove(&node) else { return Ok(()) };
        self.met(Class::KilledFetching, u64::from(!shelf.fetches.is_empty()));
        self.contents.finished.retain(|(of, _), _| *of != node);
        if matches!(crash, Crash::Dark | Crash::Torn) {
            for (root, blocks) in unflushed {
                let path = self.file_of(node, &root);
                for n in blocks {
                    if self.contents.random.chance(UNFLUSHED) && path.is_file() {
                        let length = self.contents.ledger.documents.get(&root).map_or(0, |found| found.shape.length);
                        spoil(&path, n, Shape { length })?;
                        self.met(Class::DocumentTorn, 1);
                    }
                }
            }
        }
        self.search_for_documents(node)?;
        for (stream, other) in self.contents.lanes.of(node) {
            let ends: &[(usize, usize)] = if crash == Crash::Dark { &[] } else { &[(node, other)] };
            self.cut_stream(stream, ends, NOTICE_MS);
        }
        Ok(())
    }

    /// Every stream between the two breaks.
    pub(crate) fn cut_streams(&mut self, a: usize, b: usize) {
        for stream in self.contents.lanes.between(a, b) {
            self.cut_stream(stream, &[(a, b), (b, a)], NOTICE_MS);
        }
    }

    /// A member comes back with an older copy of its disk: what the copy has not is lost.
    pub(crate) fn shelf_rolled_back(&mut self, node: usize, copy: &Up) -> Step {
        if !self.keeps_documents(node) {
            return Ok(());
        }
        let left: BTreeSet<Hash> = copy.db.reader().blobs(None, BLOBS_MAX)?.into_iter().map(|view| view.root).collect();
        let roots: Vec<Hash> = self.contents.ledger.documents.keys().copied().collect();
        for root in roots.into_iter().filter(|root| !left.contains(root)) {
            self.contents.ledger.hurt(node, root, self.at);
        }
        if let Some(room) = self.contents.rooms.get_mut(&node) {
            room.forget_heard();
        }
        Ok(())
    }

    /// Everything healed, so quotas and disks are as they should be.
    pub(crate) fn heal_contents(&mut self) {
        let sent = self.contents.lanes.heal(self.at);
        self.deliver_lanes(sent);
        self.contents.full.clear();
        for shelf in self.contents.shelves.values_mut() {
            shelf.look = true;
        }
    }
}

/// What a machine that went dark may leave of a block: nothing.
fn spoil(path: &Path, n: u64, shape: Shape) -> Step {
    let bytes = shape.block_bytes(n).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(n * BLOCK_BYTES))?;
    file.write_all(&vec![0; bytes])?;
    Ok(())
}
