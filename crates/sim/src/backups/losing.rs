//! A disk is lost with all that was on it, and its member comes back: by the words of its phrase and some other member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::ids::{EventId, FactId, NodeId, StoreId};
use antiphon_core::log::{LogId, NodeClock, Stream};
use antiphon_protocol::join::{FORMER_STORES_MAX, FormerStore, Joiner, JoinerInput, JoinerOutput, StewardInput};
use antiphon_store::{BackupReason, GeneBackup, Reader};
use antiphon_vault::NodeKey;

use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step, need};
use crate::greet::REQUEST_TIMEOUT_MS;
use crate::holdings::facts_with_texts;
use crate::network::Protocol;
use crate::node::{Asked, Up};
use crate::plan::{Crash, Fault};
use crate::world::World;

/// Wait before a disk that cannot be lost yet is looked at again, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// Longest wait between two attempts to come back, in milliseconds.
const BACK_AGAIN_MS: u64 = 4_000;

/// A disk that was lost, and what its owner must get back.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(super) node: usize,
    /// What is left of it: the words on paper.
    words: String,
    /// Whether its owner has begun anew.
    pub(super) back: bool,
    /// Up to which event each holder had told it that it keeps which log.
    pub(super) kept: BTreeMap<usize, BTreeMap<StoreId, u64>>,
    /// What of its shared logs others had pinned for it.
    pub(super) pinned: Vec<(usize, NodeClock)>,
    /// Parts that liars gave, and whether nothing of them can be right.
    spoiled: BTreeMap<(usize, StoreId, u64), bool>,
    /// Parts that were found to be wrong, with their holders.
    pub(super) named: BTreeSet<(usize, StoreId, u64)>,
    /// Former stores that whoever gave it its place back knew.
    former: BTreeSet<StoreId>,
    /// Members of whom a person has said that they take it for the same machine.
    reset: BTreeSet<usize>,
    /// Logs of which something is known to be missing.
    pub(super) gaps: BTreeSet<StoreId>,
    /// Events of its former local logs that came back.
    pub(super) events: u64,
}

impl Lost {
    pub(super) fn spoiled(&mut self, holder: usize, store: StoreId, first: u64, wholly: bool) {
        self.spoiled.insert((holder, store, first), wholly);
    }

    /// Whether a part was spoiled, and if so whether nothing of it can be right.
    pub(super) fn was_spoiled(&self, holder: usize, store: StoreId, first: u64) -> Option<bool> {
        self.spoiled.get(&(holder, store, first)).copied()
    }
}

impl World {
    /// A node's disk is lost, if it has one by now that is worth anything.
    pub(crate) fn lose_disk(&mut self, node: usize, down_ms: u64) -> Step {
        let id = self.nodes[node].id;
        let waits = |other: usize| {
            let ticket = self.nodes[other].ticket.as_ref();
            ticket.is_some_and(|ticket| ticket.steward == id) && self.in_acme_now(other).is_none()
        };
        if self.in_acme_now(node).is_none() || (0..self.plan.nodes).any(waits) || self.is_restored_down() {
            self.agenda.put(self.at + AGAIN_MS, Event::Fault(Fault::LoseDisk { node, down_ms }));
            return Ok(());
        }
        let kept: BTreeMap<usize, _> = self
            .backups
            .kept
            .iter()
            .filter(|((owner, _), _)| *owner == node)
            .map(|((_, holder), logs)| (*holder, logs.clone()))
            .collect();
        self.backups.kept.retain(|(owner, holder), _| *owner != node && *holder != node);
        let secured = self.secured(node, &kept);
        let (somewhere, heard) = self.what_is_left(node, &secured)?;
        let pinned = self.pin(node)?;
        self.crash(node, Crash::Killed)?;
        std::fs::remove_dir_all(&self.nodes[node].dir)?;
        self.nodes[node].lost_at = Some(self.at);
        self.nodes[node].shares.clear();
        self.model.disk_lost(node, &somewhere, &heard);
        self.owe_restored_what_is_left(node)?;
        let words = self.nodes[node].key.phrase().expose().to_string();
        self.backups.lost = Some(Lost {
            node,
            words,
            back: false,
            kept,
            pinned,
            spoiled: BTreeMap::new(),
            named: BTreeSet::new(),
            former: BTreeSet::new(),
            reset: BTreeSet::new(),
            gaps: BTreeSet::new(),
            events: 0,
        });
        self.tally.exercised.add(Class::DiskLost, 1);
        self.note_backup(node, "disk lost", || format!("{secured:?} comes back"));
        self.agenda.put(self.at + down_ms, Event::Fault(Fault::Return(node)));
        Ok(())
    }

    /// Up to where each local log must come back, by what these holders keep.
    pub(super) fn secured(
        &self,
        node: usize,
        kept: &BTreeMap<usize, BTreeMap<StoreId, u64>>,
    ) -> BTreeMap<StoreId, u64> {
        let honest = self.honest();
        let mut secured: BTreeMap<StoreId, u64> = BTreeMap::new();
        for (holder, logs) in kept {
            if honest.contains(holder) && self.lie_of(*holder).is_none() && self.network.has_link(*holder, node) {
                for (store, last) in logs {
                    let upto = secured.entry(*store).or_insert(0);
                    *upto = last.max(upto).to_owned();
                }
            }
        }
        secured
    }

    /// The facts of a node that others have, or that must come back; and the events.
    fn what_is_left(
        &self,
        node: usize,
        secured: &BTreeMap<StoreId, u64>,
    ) -> Step<(BTreeMap<FactId, Stream>, BTreeSet<EventId>)> {
        let (mut somewhere, mut events) = (BTreeMap::new(), BTreeSet::new());
        let own = self.model.acknowledged.iter().filter(|write| write.node == node);
        let own: Vec<(LogId, u64, EventId, Option<FactId>)> =
            own.map(|write| (write.log, write.seq, write.event, write.fact)).collect();
        for (log, seq, event, fact) in &own {
            if log.stream == Stream::Local && secured.get(&log.store).is_some_and(|last| seq <= last) {
                events.insert(*event);
                somewhere.extend(fact.map(|fact| (fact, Stream::Local)));
            }
        }
        for other in self.honest().into_iter().filter(|other| *other != node) {
            let Some(up) = self.nodes[other].up.as_ref() else { continue };
            let reader = up.db.reader();
            for (log, seq, event, _) in own.iter().filter(|(log, ..)| log.stream == Stream::Shared) {
                if reader.event_at(*log, *seq)?.is_some_and(|held| held.header().id == *event) {
                    events.insert(*event);
                }
            }
            somewhere.extend(facts_with_texts(&reader)?.into_iter().map(|fact| (fact, Stream::Shared)));
        }
        Ok((somewhere, events))
    }

    /// Everybody who is there notes how much of the member's own logs is held.
    fn pin(&mut self, node: usize) -> Step<Vec<(usize, NodeClock)>> {
        let (id, mut all) = (self.nodes[node].id, Vec::new());
        for other in self.honest().into_iter().filter(|other| *other != node) {
            let now = self.nodes[other].clock(self.at);
            let Some(up) = self.nodes[other].up.as_mut() else { continue };
            let pinned = up.db.reader().pinnable(&id)?;
            let Some(genome_hash) = up.team.as_ref().map(|team| team.local.genome) else { continue };
            if pinned.heads.is_empty() {
                continue;
            }
            let heads = pinned.heads.clone();
            let backup = GeneBackup {
                node: id,
                genome_hash,
                facts: pinned.facts,
                heads: pinned.heads,
                backed_up_at: now,
                reason: BackupReason::Timeout,
            };
            match up.db.put_backup(&backup) {
                Ok(_) => all.push((other, heads)),
                Err(error) if error.is_full() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// A holder came back with an older disk: nobody may rely on what it said that it keeps, and what nobody else had of
    /// a disk that was lost before is gone.
    pub(crate) fn forget_kept(&mut self, holder: usize) -> Step {
        self.backups.kept.retain(|(_, of), _| *of != holder);
        let Some(lost) = self.backups.lost.as_mut() else { return Ok(()) };
        lost.kept.remove(&holder);
        lost.pinned.retain(|(by, _)| *by != holder);
        let node = lost.node;
        if node == holder {
            return Ok(());
        }
        let secured = self.secured_now(node);
        let (mut somewhere, mut events) = self.what_is_left(node, &secured)?;
        if let Some(up) = self.nodes[node].up.as_ref() {
            let reader = up.db.reader();
            for write in self.model.acknowledged.iter().filter(|write| write.node == node) {
                if reader.event_at(write.log, write.seq)?.is_some_and(|held| held.header().id == write.event) {
                    events.insert(write.event);
                    if let Some(fact) = write.fact
                        && let Some(found) = reader.fact(fact)?
                    {
                        somewhere.insert(fact, found.stream);
                    }
                }
            }
        }
        self.model.owe_only(node, &somewhere, &events);
        Ok(())
    }

    /// Up to where each former local log of a node must come back, by what members within its reach keep now.
    pub(super) fn secured_now(&self, node: usize) -> BTreeMap<StoreId, u64> {
        let lost = self.backups.lost.as_ref().filter(|lost| lost.node == node);
        lost.map(|lost| self.secured(node, &lost.kept)).unwrap_or_default()
    }

    /// Whether an event of a local log went with a disk, and nobody keeps it whom its owner can reach.
    pub(crate) fn is_beyond_reach(&self, node: usize, log: &LogId, seq: u64) -> Step<bool> {
        if log.stream != Stream::Local
            || !self.lost_its_disk(node)
            || self.db(node)?.own().is_some_and(|own| own.store == log.store)
        {
            return Ok(false);
        }
        Ok(self.secured_now(node).get(&log.store).is_none_or(|last| seq > *last))
    }

    /// Whether a node's disk is gone and its owner has not begun anew.
    pub(crate) fn is_diskless(&self, node: usize) -> bool {
        self.backups.lost.as_ref().is_some_and(|lost| lost.node == node && !lost.back)
    }

    /// Whether a node lost its disk at some time.
    pub(crate) fn lost_its_disk(&self, node: usize) -> bool {
        self.backups.lost.as_ref().is_some_and(|lost| lost.node == node)
    }

    /// Whether a node has begun anew and is not in its team yet.
    pub(crate) fn comes_back(&self, node: usize) -> bool {
        self.backups.lost.as_ref().is_some_and(|lost| lost.node == node && lost.back)
            && self.in_acme_now(node).is_none()
    }

    /// The owner of a lost disk has a new one: the words give the same key.
    pub(crate) fn begin_anew(&mut self, node: usize) -> Step {
        let Some(lost) = self.backups.lost.as_mut().filter(|lost| lost.node == node && !lost.back) else {
            return Ok(());
        };
        lost.back = true;
        let phrase = lost.words.parse().map_err(|error| Broken(Law::BackedUpComesBack, format!("words: {error}")))?;
        let key = NodeKey::from_phrase(&phrase);
        let key = key.map_err(|error| Broken(Law::BackedUpComesBack, format!("words: {error}")))?;
        need(key.node_id() == self.nodes[node].id, Law::BackedUpComesBack, || format!("n{node} is somebody else"))?;
        self.nodes[node].key = Arc::new(key);
        self.nodes[node].life += 1;
        self.nodes[node].dir = self.nodes[node].dir.with_file_name(format!("n{node}-{}", self.nodes[node].life));
        let up = Up::start(&self.nodes[node].dir, &self.nodes[node].key)?;
        self.outbox_rolled_back(node, &up)?;
        self.nodes[node].up = Some(up);
        self.note_backup(node, "begins anew", String::new);
        self.found(node, "anew")?;
        self.start_outbox(node)?;
        self.agenda.put(self.at + self.backups.random.below(AGAIN_MS), Event::Join(node));
        Ok(())
    }

    /// A node that has begun anew asks some member for its place, and will again.
    pub(crate) fn ask_for_place(&mut self, node: usize) -> Step {
        let again = self.at + REQUEST_TIMEOUT_MS + self.backups.random.below(BACK_AGAIN_MS);
        self.agenda.put(again, Event::Join(node));
        let others: Vec<usize> = self.honest().into_iter().filter(|other| *other != node).collect();
        let (Some(peer), Some(team)) = (self.backups.random.pick(&others), self.model.acme) else { return Ok(()) };
        let (id, now, to) = (self.nodes[node].id, self.nodes[node].clock(self.at), self.nodes[peer].id);
        let (nonce, request) = (self.backups.random.bytes(), self.network.name());
        let (name, recipient) = (self.nodes[node].name.clone(), self.nodes[node].key.age_recipient());
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let mut machine = Joiner::returning(id, name, recipient, to, Some(team));
        let outputs = machine.handle(JoinerInput::Start { peer: to, nonce }, now);
        let [JoinerOutput::Send(bytes)] = outputs.as_slice() else {
            return Err(Broken(Law::NoFalseAlarm, format!("n{node} cannot ask for its place: {outputs:?}")));
        };
        up.asked.insert(request, Asked::Join(Box::new(machine)));
        self.note_backup(node, "asks back", || format!("n{peer}"));
        self.ask(node, peer, request, Protocol::Join, bytes.clone());
        Ok(())
    }

    /// A member asks a node for its place: what the node knows of it.
    pub(crate) fn gather(&mut self, node: usize, from: usize) -> Step<StewardInput> {
        let id = self.nodes[from].id;
        need(!self.is_removed(node, from), Law::FormerGetNothing, || format!("n{node} lets the removed n{from} back"))?;
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(StewardInput::GrantFailed) };
        let reader = up.db.reader();
        let Some(path) = reader.grant_path(&id)? else { return Ok(StewardInput::GrantFailed) };
        let (charter, stores) = (crate::jobs::charter(&reader)?, former_stores(&reader, &id)?);
        Ok(StewardInput::Granted { path: Box::new(path), charter, stores })
    }

    /// A member knows a node by a store of which whoever gave it its place back had never heard, so that its new one does
    /// not follow it. A person must say that it is the same machine; in all other cases nobody has to.
    pub(crate) fn reset_pin(&mut self, node: usize, peer: usize) -> Step {
        let id = self.nodes[peer].id;
        let pinned = self.nodes[node].up.as_ref().and_then(|up| up.peers.get(&id)).and_then(|known| known.store);
        let Some(lost) = self.backups.lost.as_ref().filter(|lost| lost.node == peer && lost.back) else {
            return Ok(());
        };
        if pinned.is_none() && lost.reset.contains(&node) {
            // This handshake was under way when the person said so.
            return Ok(());
        }
        let unheard = pinned.is_some_and(|store| !lost.former.contains(&store));
        need(unheard || self.comes_back(peer), Law::NoFalseAlarm, || {
            format!("n{node} does not take n{peer} for the member that lost its disk")
        })?;
        self.note_backup(node, "resets pin", || format!("n{peer}, {pinned:?}"));
        self.tally.exercised.add(Class::PinReset, 1);
        if let Some(lost) = &mut self.backups.lost {
            let _again = lost.reset.insert(node);
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        up.peer(id).store = None;
        match up.db.update_peer(&id, |row| row.store = None) {
            Err(error) if !error.is_full() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A node that lost its disk is in its team again.
    pub(crate) fn came_back(&mut self, node: usize, former: impl Iterator<Item = StoreId>) {
        if let Some(lost) = &mut self.backups.lost {
            lost.former = former.collect();
        }
        self.model.forget(node);
        self.tally.exercised.add(Class::CameBack, 1);
        self.note_backup(node, "came back", String::new);
    }
}

/// The stores of a key as they are held here, the pinned one first, then the latest.
fn former_stores(reader: &Reader<'_>, node: &NodeId) -> Step<Vec<FormerStore>> {
    let pinned = reader.peers()?.into_iter().find(|peer| peer.node == *node).and_then(|peer| peer.store);
    let mut stores: BTreeMap<StoreId, (FormerStore, Option<EventId>)> = BTreeMap::new();
    let former = |store| FormerStore { store, pinned: pinned == Some(store), heads: NodeClock::new() };
    for log in reader.logs()?.into_iter().filter(|log| log.node == *node) {
        let opened = reader.event_at(log.log, 1)?.map(|event| event.header().id);
        let (known, first) = stores.entry(log.log.store).or_insert((former(log.log.store), None));
        known.heads.insert(log.log, log.head);
        *first = (*first).max(opened);
    }
    pinned.into_iter().for_each(|store| {
        stores.entry(store).or_insert((former(store), None));
    });
    let mut stores: Vec<(FormerStore, Option<EventId>)> = stores.into_values().collect();
    stores.sort_by_key(|(former, opened)| std::cmp::Reverse((former.pinned, *opened)));
    Ok(stores.into_iter().take(FORMER_STORES_MAX).map(|(former, _)| former).collect())
}
