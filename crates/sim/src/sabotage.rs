//! Nodes that are broken on purpose: what the checks are for must be found by them.

use std::sync::Arc;

use antiphon_core::custody::Custody;
use antiphon_core::log::{LogId, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::sync::{Message, Page};
use antiphon_store::{Db, Draft};

use crate::agenda::Inside;
use crate::disk;
use crate::failure::Step;
use crate::jobs::Done;
use crate::options::Sabotage;
use crate::world::World;

impl World {
    pub(crate) fn is_sabotaged(&self, sabotage: Sabotage) -> bool {
        self.options.sabotage == Some(sabotage)
    }

    /// Answers as if the drafts had been written: they were, to a copy that is thrown away.
    pub(crate) fn lose_writes(&mut self, node: usize, drafts: Vec<Draft>, now: UnixMillis, random: [u8; 32]) -> Step {
        let copy = self.dir.path().join("copy");
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        disk::copy(up.db.dir(), &copy)?;
        let signer: Arc<dyn Signer> = self.nodes[node].key.clone();
        let done = {
            let mut db = Db::open(&copy, antiphon_store::Options { durable: false }, Some(signer))?;
            db.author(&drafts, now, random)?
        };
        std::fs::remove_dir_all(&copy)?;
        self.tell(node, Inside::Done(Done::Authored(drafts.into_iter().zip(done).collect())));
        Ok(())
    }

    /// Remembers how far the disk was, to go back there.
    pub(crate) fn mark_disk(&mut self, node: usize) {
        if self.is_sabotaged(Sabotage::RollBack) {
            let len = disk::wal_len(&self.nodes[node].dir);
            self.marks.entry(node).or_default().push(len);
        }
    }

    /// Takes a crashed node's disk back to what it was some commits ago.
    pub(crate) fn roll_back(&mut self, node: usize) -> Step {
        let marks = self.marks.remove(&node).unwrap_or_default();
        match marks.iter().rev().nth(2) {
            Some(len) => disk::cut(&self.nodes[node].dir, *len),
            None => Ok(()),
        }
    }

    /// A receipt as it is, or as a sabotaged node would like it to be.
    pub(crate) fn boast(&self, custody: Custody) -> Custody {
        if self.is_sabotaged(Sabotage::SignTooMuch) { Custody { gaps: Vec::new(), ..custody } } else { custody }
    }

    /// A message with a local event in it.
    pub(crate) fn leak(&self, node: usize) -> Step<Option<Message>> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(None) };
        let Some(team) = &up.team else { return Ok(None) };
        let log = LogId::new(team.own.store, Stream::Local);
        let event = up.db.reader().event_at(log, 2)?;
        let page = |event: antiphon_core::event::Event| Page { log, events: vec![event.into_unverified()] };
        Ok(event.map(|event| Message::Page(page(event))))
    }
}
