//! The changes of stewards that records propose, who signed them, and which of them had seen which.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bits::Bits;
use super::record::{Entry, Record};
use super::stewards::{Age, Change};
use crate::ids::{Hash, NodeId, StoreId};

/// A change that a record proposes.
#[derive(Debug)]
pub(super) struct Proposal<'a> {
    pub(super) entry: &'a Entry,
    pub(super) change: Change,
    pub(super) node: NodeId,
}

impl Proposal<'_> {
    pub(super) fn age_of_right(&self) -> Age {
        Age::appointed(self.entry)
    }
}

/// A proposal whose author was a steward in its causal past, with what its author knew.
#[derive(Debug)]
pub(super) struct Act {
    /// The record itself, then approvals of it, by their places among the signatures.
    pub(super) signatures: Vec<usize>,
    /// How many stewards must sign.
    pub(super) needed: usize,
    /// How many have.
    pub(super) signers: usize,
    /// Age of its author's right.
    pub(super) age: Age,
    /// The stewards that its author knew of: nobody else's signature counts.
    pub(super) known: Rc<BTreeMap<NodeId, Age>>,
}

/// Every proposal in causal order, and every signature: those of the proposals at the same places, then approvals.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) proposals: Vec<Proposal<'a>>,
    pub(super) signatures: Vec<&'a Entry>,
    /// The proposal that each signature is for.
    pub(super) signs: Vec<usize>,
    /// Of each proposal, the signatures that it has seen.
    pub(super) before: Vec<Bits>,
    /// Of each proposal, the signatures that have seen it.
    pub(super) after: Vec<Bits>,
    /// Of each signature, the proposals that it has seen.
    pub(super) seen: Vec<Bits>,
    /// Of each signature, the proposals that have seen it.
    pub(super) seen_by: Vec<Bits>,
    /// Proposals that take a key away for good.
    pub(super) for_good: Bits,
    /// Proposals whose author wrote elsewhere as if it did not know of them, nor they of that.
    pub(super) two_faced: Bits,
    places: BTreeMap<Hash, usize>,
    by_author: BTreeMap<NodeId, Bits>,
    adds: BTreeMap<NodeId, Bits>,
    removals: BTreeMap<NodeId, Bits>,
    nobody: Bits,
}

impl<'a> Table<'a> {
    pub(super) fn of(entries: &[&'a Entry]) -> Self {
        let proposed = |entry: &&'a Entry| match &entry.record {
            Record::StewardChange(change) if change.add => Some((Change::Add, change.node, *entry)),
            Record::StewardChange(change) => Some((Change::Remove, change.node, *entry)),
            // Of whomever: a key that is named a steward later must not turn its revocation into something else.
            Record::Revoke(revoke) => Some((Change::Revoke, revoke.node, *entry)),
            _ => None,
        };
        let mut proposals: Vec<Proposal<'a>> =
            entries.iter().filter_map(proposed).map(|(change, node, entry)| Proposal { entry, change, node }).collect();
        proposals.sort_by_cached_key(|proposal| (proposal.entry.depth(), proposal.entry.hash));
        let places: BTreeMap<Hash, usize> =
            proposals.iter().enumerate().map(|(at, proposal)| (proposal.entry.hash, at)).collect();
        let mut signatures: Vec<&'a Entry> = proposals.iter().map(|proposal| proposal.entry).collect();
        let mut signs: Vec<usize> = (0..proposals.len()).collect();
        for entry in entries {
            if let Record::Approve(approve) = &entry.record
                && let Some(at) = places.get(&approve.record).copied()
                && entry.has_seen(proposals[at].entry)
            {
                signatures.push(entry);
                signs.push(at);
            }
        }
        let (few, many) = (Bits::none(proposals.len()), Bits::none(signatures.len()));
        let mut table = Self {
            before: vec![many.clone(); proposals.len()],
            after: vec![many; proposals.len()],
            seen: vec![few.clone(); signatures.len()],
            seen_by: vec![few.clone(); signatures.len()],
            for_good: few.clone(),
            two_faced: few.clone(),
            by_author: BTreeMap::new(),
            adds: BTreeMap::new(),
            removals: BTreeMap::new(),
            nobody: few,
            proposals,
            signatures,
            signs,
            places,
        };
        table.relate();
        table.index();
        table.note_two_faced(entries);
        table
    }

    /// Notes the proposals of keys that tell two stories: in another log of the same key there is a record that has not
    /// seen the proposal and that the proposal has not seen. Within a log clocks only grow, so the first record that
    /// the proposal has not seen tells.
    fn note_two_faced(&mut self, entries: &[&'a Entry]) {
        let mut logs: BTreeMap<NodeId, BTreeMap<StoreId, Vec<&Entry>>> = BTreeMap::new();
        for entry in entries {
            logs.entry(entry.author).or_default().entry(entry.store).or_default().push(entry);
        }
        for log in logs.values_mut().flat_map(BTreeMap::values_mut) {
            log.sort_unstable_by_key(|entry| (entry.seq, entry.hash));
        }
        for (at, proposal) in self.proposals.iter().enumerate() {
            let entry = proposal.entry;
            let others = logs.get(&entry.author).into_iter().flatten().filter(|(store, _)| **store != entry.store);
            let denies = |log: &Vec<&Entry>| {
                let unseen = log.partition_point(|other| entry.has_seen(other));
                log.get(unseen).is_some_and(|other| !other.has_seen(entry))
            };
            if others.into_iter().any(|(_, log)| denies(log)) {
                self.two_faced.insert(at);
            }
        }
    }

    /// Fills in what has seen what. Whoever has seen a record has seen what that one had, so most pairs are not compared.
    fn relate(&mut self) {
        let (proposals, signatures) = (self.proposals.len(), self.signatures.len());
        for (at, entry) in self.signatures.iter().enumerate() {
            let (mut seen, mut before) = (Bits::none(proposals), Bits::none(signatures));
            for earlier in (0..at.min(proposals)).rev() {
                if !seen.has(earlier) && entry.has_seen(self.proposals[earlier].entry) {
                    seen.insert(earlier);
                    seen.join(&self.seen[earlier]);
                    before.insert(earlier);
                    before.join(&self.before[earlier]);
                }
            }
            self.seen[at] = seen;
            if at < proposals {
                let approvals = (proposals..signatures).filter(|approval| entry.has_seen(self.signatures[*approval]));
                approvals.for_each(|approval| before.insert(approval));
                self.before[at] = before;
            }
        }
        for (at, before) in self.before.iter().enumerate() {
            before.iter().for_each(|signature| self.seen_by[signature].insert(at));
        }
        for (signature, seen) in self.seen.iter().enumerate() {
            seen.iter().for_each(|at| self.after[at].insert(signature));
        }
    }

    fn index(&mut self) {
        let (few, many) = (self.proposals.len(), self.signatures.len());
        for (at, entry) in self.signatures.iter().enumerate() {
            self.by_author.entry(entry.author).or_insert_with(|| Bits::none(many)).insert(at);
        }
        for (at, proposal) in self.proposals.iter().enumerate() {
            let of = if proposal.change == Change::Add { &mut self.adds } else { &mut self.removals };
            of.entry(proposal.node).or_insert_with(|| Bits::none(few)).insert(at);
            if proposal.change == Change::Revoke {
                self.for_good.insert(at);
            }
        }
    }

    /// The place of a proposal.
    pub(super) fn place(&self, hash: &Hash) -> Option<usize> {
        self.places.get(hash).copied()
    }

    /// Proposals to appoint `node`.
    pub(super) fn adds(&self, node: &NodeId) -> &Bits {
        self.adds.get(node).unwrap_or(&self.nobody)
    }

    /// Proposals to remove `node`, also for good.
    pub(super) fn removals(&self, node: &NodeId) -> &Bits {
        self.removals.get(node).unwrap_or(&self.nobody)
    }

    /// Signatures whose weight may hang on the proposal at `at`: those of the node that it appoints or removes, but for
    /// those that it cannot touch.
    pub(super) fn touched_by(&self, at: usize) -> Option<Bits> {
        let proposal = &self.proposals[at];
        let theirs = self.by_author.get(&proposal.node)?;
        Some(if proposal.change == Change::Add {
            theirs.and(&self.after[at])
        } else {
            theirs.without(&self.before[at])
        })
    }

    /// The proposals on which the weight of a signature may hang.
    pub(super) fn touching(&self, signature: usize) -> Bits {
        let author = &self.signatures[signature].author;
        let mut touching = self.removals(author).without(&self.seen_by[signature]);
        touching.join(&self.adds(author).and(&self.seen[signature]));
        touching
    }

    /// The oldest of the appointments `origins` that none of `removals` took: a right that was given again after it was
    /// taken stands, but a key that was revoked never returns.
    pub(super) fn oldest_lasting(&self, removals: &Bits, mut origins: Bits) -> Option<usize> {
        while let Some(origin) = origins.first() {
            let mut live = removals.without(&self.seen[origin]);
            live.join(&removals.and(&self.for_good));
            match live.last() {
                None => return Some(origin),
                Some(removal) if self.for_good.has(removal) => return None,
                // Whatever has not seen this removal is taken by it, so most are never looked at.
                Some(removal) => {
                    origins.keep(&self.seen_by[removal]);
                    origins.remove(origin);
                }
            }
        }
        None
    }
}
