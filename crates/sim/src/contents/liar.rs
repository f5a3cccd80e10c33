//! Who lies about documents: the equivocator, which says that it has endless room, holds everything and proves it with
//! garbage, sends other blocks than it is asked for and offers what it has not; and the stranger, who asks for blocks.

use antiphon_core::announce::{QUOTA_BYTES_MAX, StorageConfig};
use antiphon_core::ids::Hash;
use antiphon_core::possession::{Claim, Possession};
use antiphon_core::replication::Priority;
use antiphon_protocol::blocks::{self, Block, What};
use antiphon_protocol::replication::{Message, Offer, Outcome};

use super::lanes::Speaks;
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step};
use crate::network::{Body, Packet};
use crate::world::World;

/// Bytes of a block of a liar's.
const GARBAGE_BYTES: usize = 100;

impl World {
    /// The liar says how much room it has.
    pub(super) fn tick_liar(&mut self, node: usize) -> Step {
        if self.in_acme(node).is_none() || !self.contents.random.chance(100) {
            return Ok(());
        }
        let at = self.nodes[node].clock(self.at);
        let quota_bytes = QUOTA_BYTES_MAX;
        let bytes = StorageConfig { at, offers: true, quota_bytes, used_bytes: 0 }.encode();
        for to in (0..self.plan.nodes).filter(|peer| *peer != node) {
            let body = Body::Response { id: 1, bytes: bytes.clone() };
            let sent = self.contents.lanes.send(self.at, Packet { from: node, to, body });
            self.deliver_lanes(sent);
        }
        Ok(())
    }

    /// Something reaches the liar.
    pub(super) fn reaches_liar(&mut self, from: usize, to: usize, body: Body) -> Step {
        match body {
            Body::Open { stream } => {
                self.send_in(stream, to, Body::Accept { stream });
                Ok(())
            }
            Body::Accept { stream } => self.boast_over(to, stream),
            Body::Frame { stream, bytes } => {
                let Some(lane) = self.contents.streams.get(&stream).copied() else { return Ok(()) };
                match lane.speaks {
                    _ if lane.from == to => Ok(()),
                    Speaks::Copies => self.claim_all(to, from, stream, &bytes),
                    Speaks::Blocks => self.send_garbage(to, stream, &bytes),
                }
            }
            _ => Ok(()),
        }
    }

    /// It says that it holds whatever it is asked for, and that it had what it is offered.
    fn claim_all(&mut self, node: usize, asker: usize, stream: u64, bytes: &[u8]) -> Step {
        let Some(own) = self.in_acme(node).map(|team| team.own.clone()) else { return Ok(()) };
        match Message::decode(bytes) {
            Ok(Message::Ask { id, nonce, about }) => {
                self.met(Class::DocumentBoast, 1);
                let mut claims = Vec::new();
                for about in about {
                    let digest = (!about.blocks.is_empty()).then(|| Hash(self.contents.random.bytes()));
                    claims.push((about.root, Claim::Whole { digest }));
                }
                let (at, asker) = (self.nodes[node].clock(self.at), self.nodes[asker].id);
                let possession =
                    Possession { team: own.team, holder: own.node, store: own.store, asker, at, nonce, claims };
                let receipt = possession.sign(&*self.nodes[node].key);
                self.send_frame(stream, node, Message::Answer { id, receipt }.encode(), true)
            }
            Ok(Message::Offer { id, .. }) => {
                self.send_frame(stream, node, Message::Outcome { id, outcome: Outcome::Had }.encode(), true)
            }
            _ => Ok(()),
        }
    }

    /// It sends something else than it is asked for.
    fn send_garbage(&mut self, node: usize, stream: u64, bytes: &[u8]) -> Step {
        let Ok(blocks::Message::Want { root, what }) = blocks::Message::decode(bytes) else { return Ok(()) };
        match what {
            // What a manifest says is no secret, and it has the database of a member.
            What::Manifest(hash) => {
                let manifest = self.contents.ledger.documents.contains_key(&root).then_some(hash);
                let missing = blocks::Message::Missing { root, what: What::Manifest(hash) };
                let manifest = match manifest {
                    Some(hash) => self.manifest_anywhere(&hash)?,
                    None => None,
                };
                let message = manifest.map_or(missing, blocks::Message::Manifest);
                self.send_frame(stream, node, message.encode(), true)
            }
            What::Blocks(ranges) => {
                for n in ranges.into_iter().flatten() {
                    let bytes = vec![0; GARBAGE_BYTES];
                    let message = blocks::Message::Block(Block { root, n, bytes });
                    self.send_frame(stream, node, message.encode(), true)?;
                }
                Ok(())
            }
        }
    }

    fn manifest_anywhere(&self, hash: &Hash) -> Step<Option<Vec<u8>>> {
        for up in self.nodes.iter().filter_map(|node| node.up.as_ref()) {
            if let Some(manifest) = up.db.reader().manifest(hash)? {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    /// It offers what it has not.
    pub(super) fn boast_of_copies(&mut self) {
        let Some(liar) = self.plan.equivocator.as_ref().map(|liar| liar.node) else { return };
        if self.in_acme(liar).is_none() {
            return;
        }
        let to = self.contents.random.index(self.plan.nodes);
        if to != liar {
            self.open_lane(liar, to, Speaks::Copies);
        }
    }

    fn boast_over(&mut self, node: usize, stream: u64) -> Step {
        let roots: Vec<(Hash, u64)> =
            self.contents.ledger.documents.iter().map(|(root, found)| (*root, found.shape.length)).collect();
        let Some((root, length)) = self.contents.random.pick(&roots) else { return Ok(()) };
        let offer = Offer { root, length, priority: Priority::High };
        self.met(Class::DocumentBoast, 1);
        self.send_frame(stream, node, Message::Offer { id: 1, offer }.encode(), true)
    }

    /// Eve asks for blocks, or about copies.
    pub(super) fn stranger_asks(&mut self) {
        if !self.plan.stranger {
            return;
        }
        let (eve, victim) = (self.plan.nodes, self.contents.random.index(self.plan.nodes));
        let speaks = if self.contents.random.chance(500) { Speaks::Blocks } else { Speaks::Copies };
        self.open_lane(eve, victim, speaks);
    }

    /// Whatever eve is told of documents is too much. Where a stream is opened to her she asks for blocks.
    pub(super) fn reaches_asking_stranger(&mut self, from: usize, body: &Body) -> Step {
        match body {
            Body::Accept { stream } => {
                let eve = self.plan.nodes;
                let roots: Vec<Hash> = self.contents.ledger.documents.keys().copied().collect();
                let Some(root) = self.contents.random.pick(&roots) else { return Ok(()) };
                let message = blocks::Message::Want { root, what: What::Blocks(std::iter::once(0..1).collect()) };
                self.send_frame(*stream, eve, message.encode(), false)
            }
            // Who lies may tell her what it likes.
            Body::Frame { .. } if self.is_equivocator(from) => Ok(()),
            Body::Frame { .. } => {
                Err(Broken(Law::NoBlockForOthers, format!("n{from} tells eve something about documents")))
            }
            _ => Ok(()),
        }
    }
}
