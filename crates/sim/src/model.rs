//! The model: what must be true, kept beside the nodes and never shown to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::charter::Change;
use antiphon_core::custody::Custody;
use antiphon_core::ids::{EventId, FactId, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_store::{Authored, Db, Draft, LogView};
use antiphon_vault::NodeKey;

use crate::failure::{Law, Step, need};
use crate::random::Random;
use crate::trust_verdict::Canary;

/// Stands in the text of every fact that must never leave its node.
pub(crate) const STAYS: &str = "this stays here";

/// A write that its client was told of.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) node: usize,
    pub(crate) log: LogId,
    pub(crate) seq: u64,
    pub(crate) event: EventId,
    pub(crate) fact: Option<FactId>,
}

/// A fact of a local stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local {
    pub(crate) node: usize,
    /// Whether nobody will publish it.
    pub(crate) stays: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Facts by the key under which they were remembered.
    pub(crate) remembered: BTreeMap<(usize, String), FactId>,
    /// Facts that somebody shared, in the order in which that was acknowledged.
    shared: Vec<FactId>,
    pub(crate) local: BTreeMap<FactId, Local>,
    /// Facts that were made private again, so that some have their texts and some have not.
    pub(crate) lowered: BTreeSet<FactId>,
    /// Whether somebody ever shared less than everything, so that some texts are not everywhere.
    pub(crate) narrowed: bool,
    /// Domains of facts, as they were remembered.
    pub(crate) domains: BTreeMap<FactId, Option<&'static str>>,
    /// What stands in the text of each fact and of no other.
    pub(crate) marks: BTreeMap<FactId, String>,
    /// Facts that were forgotten for good, with what stood in their texts.
    pub(crate) erased: Vec<(FactId, String)>,
    /// Facts that somebody wanted to be forgotten for good.
    pub(crate) to_erase: BTreeSet<FactId>,
    /// Those of them that were erased on each node at some time since it has its disk.
    pub(crate) erased_by: BTreeMap<usize, BTreeSet<FactId>>,
    /// The last receipt that each node signed.
    pub(crate) receipts: BTreeMap<usize, Custody>,
    /// Nodes that came back with an older disk, with their stores of that time: their own logs there may give way.
    pub(crate) gives_way: BTreeSet<(usize, StoreId)>,
    /// What clients asked to be remembered.
    pub(crate) wanted: Vec<(usize, Draft)>,
    /// What each node has committed of each log.
    committed: BTreeMap<usize, BTreeMap<LogId, Head>>,
    /// The team.
    pub(crate) acme: Option<TeamId>,
    /// Changes of stewards that honest stewards agree to.
    pub(crate) intended: BTreeSet<(Change, NodeId)>,
    /// How far the logs of removed members were held by whoever removed them.
    pub(crate) cut_bounds: BTreeMap<LogId, u64>,
    /// Keys that a thief let in.
    pub(crate) eves: Vec<Arc<NodeKey>>,
    /// What was sealed for roles.
    pub(crate) canaries: Vec<Canary>,
    /// Keys that a steward granted a place.
    pub(crate) granted: BTreeSet<NodeId>,
    /// In which life a node is entering the team.
    pub(crate) adopting: BTreeMap<usize, u64>,
    named: u64,
}

impl Model {
    /// A text that nobody used before.
    pub(crate) fn name(&mut self) -> String {
        self.named += 1;
        format!("fact{}", self.named)
    }

    pub(crate) fn acknowledge(&mut self, node: usize, authored: &Authored) {
        let Authored { log, seq, event, fact, .. } = authored.clone();
        if self.gives_way.contains(&(node, log.store)) {
            // Where it stands may change; that the fact is there is checked in the end.
            return;
        }
        self.acknowledged.push(Acknowledged { node, log, seq, event, fact });
    }

    /// A key names one fact, however often it is used.
    pub(crate) fn remembered(&mut self, node: usize, key: &str, fact: FactId) -> Step {
        let known = *self.remembered.entry((node, key.to_owned())).or_insert(fact);
        need(known == fact, Law::AppliedOnce, || format!("n{node} made {known} and {fact} of {key}"))
    }

    /// Where a fact is now.
    pub(crate) fn place(&mut self, node: usize, fact: FactId, shared: bool, stays: bool) {
        if shared {
            self.local.remove(&fact);
            if !self.shared.contains(&fact) {
                self.shared.push(fact);
            }
        } else {
            self.local.entry(fact).or_insert(Local { node, stays });
        }
    }

    /// A shared fact, more likely one of the last.
    pub(crate) fn pick_shared(&self, random: &mut Random) -> Option<FactId> {
        let recent = self.shared.len().saturating_sub(5);
        let from = if random.chance(600) { recent } else { 0 };
        random.pick(&self.shared[from..])
    }

    pub(crate) fn pick_local(&self, node: usize, random: &mut Random) -> Option<FactId> {
        let own: Vec<FactId> =
            self.local.iter().filter(|(_, local)| local.node == node).map(|(fact, _)| *fact).collect();
        random.pick(&own)
    }

    /// A node holds these logs now.
    pub(crate) fn committed(&mut self, node: usize, logs: &[LogView]) -> Step {
        let known = self.committed.entry(node).or_default();
        for (log, before) in known.iter() {
            if self.gives_way.contains(&(node, log.store)) {
                continue;
            }
            let now = logs.iter().find(|view| view.log == *log).map_or(Head::EMPTY, |view| view.head);
            let kept = now.seq > before.seq || now == *before;
            need(kept, Law::ClocksGrow, || {
                format!("n{node} held {log} up to {}, and now up to {}", before.seq, now.seq)
            })?;
        }
        known.extend(logs.iter().map(|view| (view.log, view.head)));
        Ok(())
    }

    /// After a restart, what was held is still there, event for event at the heads.
    pub(crate) fn check_prefix(&self, node: usize, db: &Db) -> Step {
        for (log, head) in self.committed.get(&node).into_iter().flatten() {
            if self.gives_way.contains(&(node, log.store)) {
                continue;
            }
            let held = db.reader().header_hash_at(*log, head.seq)?;
            let kept = held == Some(head.hash);
            need(kept, Law::ClocksGrow, || format!("n{node} came back without event {} of {log}", head.seq))?;
        }
        Ok(())
    }

    /// A home without a team must never have had one.
    pub(crate) fn check_unfounded(&self, node: usize) -> Step {
        let had = self.committed.get(&node).is_some_and(|logs| !logs.is_empty());
        need(!had, Law::ClocksGrow, || format!("n{node} came back without its team"))
    }

    /// What a node believes of another one, which must hold it.
    pub(crate) fn check_holds(&self, node: usize, peer: usize, clock: &NodeClock) -> Step {
        let committed = self.committed.get(&peer);
        for (log, head) in clock {
            if self.gives_way.contains(&(peer, log.store)) {
                continue;
            }
            let held = committed.and_then(|logs| logs.get(log)).map_or(0, |held| held.seq);
            need(head.seq <= held, Law::OnlyDurableIsConfirmed, || {
                format!("n{node} heard that n{peer} holds {log} up to {}, it holds {held}", head.seq)
            })?;
        }
        Ok(())
    }

    /// A node entered the team: its old logs are history, and its facts have come along as their levels say.
    pub(crate) fn moved(&mut self, node: usize) {
        self.committed.remove(&node);
        self.acknowledged.retain(|write| write.node != node);
        // Under the keys, its facts are still looked for at the end.
    }

    /// Every fact that is shared, as far as that was acknowledged.
    pub(crate) fn shared_facts(&self) -> impl Iterator<Item = FactId> {
        self.shared.iter().copied()
    }

    /// Whether a fact was acknowledged as shared.
    pub(crate) fn is_shared(&self, fact: &FactId) -> bool {
        self.shared.contains(fact)
    }

    /// A node came back with an older disk: of what it wrote since then it is owed what stands `somewhere`: with another
    /// member, or on the copy. A local fact that it shared since then is local again where nobody heard of it.
    pub(crate) fn rolled_back(
        &mut self,
        node: usize,
        id: &NodeId,
        logs: &[LogView],
        somewhere: &BTreeMap<FactId, Stream>,
    ) {
        let own = logs.iter().filter(|view| view.node == *id);
        self.gives_way.extend(own.map(|view| (node, view.log.store)));
        self.receipts.remove(&node);
        let head = |log: &LogId| logs.iter().find(|view| view.log == *log).map_or(0, |view| view.head.seq);
        self.acknowledged.retain(|write| write.node != node || write.seq <= head(&write.log));
        self.owe_facts_only(node, somewhere);
        self.shared.retain(|fact| somewhere.get(fact) != Some(&Stream::Local));
        self.erased_by.remove(&node);
        self.wanted.retain(|(of, _)| *of != node);
        self.local.retain(|_, local| local.node != node || local.stays);
        self.committed.remove(&node);
    }

    /// A node's disk is gone: of what it wrote it is owed what stands `somewhere`, and the events that others have heard.
    pub(crate) fn disk_lost(&mut self, node: usize, somewhere: &BTreeMap<FactId, Stream>, heard: &BTreeSet<EventId>) {
        self.owe_only(node, somewhere, heard);
        self.receipts.remove(&node);
        self.erased_by.remove(&node);
        self.wanted.retain(|(of, _)| *of != node);
        self.local.retain(|_, local| local.node != node || local.stays);
        self.committed.remove(&node);
    }

    /// Of what a node wrote before its disk was gone it is owed these facts and events, and nothing else.
    pub(crate) fn owe_only(&mut self, node: usize, somewhere: &BTreeMap<FactId, Stream>, heard: &BTreeSet<EventId>) {
        self.acknowledged.retain(|write| write.node != node || heard.contains(&write.event));
        self.owe_facts_only(node, somewhere);
        self.shared.retain(|fact| somewhere.get(fact) != Some(&Stream::Local));
    }

    /// Of what a node remembered it is owed these facts, and no other.
    pub(crate) fn owe_facts_only(&mut self, node: usize, somewhere: &BTreeMap<FactId, Stream>) {
        self.remembered.retain(|(of, _), fact| *of != node || somewhere.contains_key(fact));
    }

    /// A node is thrown away with all it held.
    pub(crate) fn forget(&mut self, node: usize) {
        self.committed.remove(&node);
    }

    /// What a node holds, its local log included.
    pub(crate) fn held(&self, node: usize) -> Option<&BTreeMap<LogId, Head>> {
        self.committed.get(&node)
    }

    /// Facts that stand in a local stream and must not stand anywhere else.
    pub(crate) fn staying(&self) -> impl Iterator<Item = (&FactId, &Local)> {
        self.local.iter().filter(|(_, local)| local.stays)
    }

    /// Whether a stream of a log is synced.
    pub(crate) fn is_synced(log: &LogId) -> bool {
        log.stream != Stream::Local
    }
}
