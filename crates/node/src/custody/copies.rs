//! Documents on this machine, and whether others have them too.
//!
//! What a wipe would cost is asked of the members themselves: what was shown within the last day counts, and where that
//! is not enough, or is older than a few minutes, whoever is connected is asked to prove it now. A member that does not
//! answer keeps what it showed; one that says no, or answers wrongly, counts no more. There may be very many documents,
//! so only so many proofs are asked for, those of which the least is known first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::replication::{Answer, Depth};
use antiphon_store::{Error as StoreError, HeldCopy, Reader};

use crate::api::WIPE_EXAMPLES_MAX;

/// Ciphertexts that are read at once.
const STEP: usize = 1_000;
/// How old what somebody showed may be before it is asked again, in milliseconds.
const FRESH_MS: u64 = 5 * 60_000;
/// Most proofs that one check asks for.
const PROOFS_MAX: usize = 1_024;
/// Most of them that are asked of one member at once.
const PROOFS_PER_ASK_MAX: usize = 64;
/// How long is waited for the answers.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Against what copies are counted.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    /// The other members of the team.
    pub(crate) members: BTreeSet<NodeId>,
    /// Those of them that are connected.
    pub(crate) connected: BTreeSet<NodeId>,
    /// Copies that there should be without this machine.
    pub(crate) target: usize,
    /// How long what somebody showed counts, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// Now.
    pub(crate) at: UnixMillis,
}

/// One ciphertext whose copies were not settled by what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    root: Hash,
    holders: BTreeSet<NodeId>,
    /// Who is to be asked.
    ask: BTreeSet<NodeId>,
}

/// How the documents on this machine stand elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Elsewhere {
    /// Ciphertexts that are needed and held here whole.
    pub(crate) held: u64,
    /// Of these, those that no other member has.
    pub(crate) alone: u64,
    /// Those that some have, and fewer than there should be.
    pub(crate) few: u64,
    /// The first of those that no other has.
    pub(crate) alone_first: Vec<Hash>,
    /// The first of those that few have.
    pub(crate) few_first: Vec<Hash>,
    /// How many of them each member has.
    pub(crate) by_member: BTreeMap<NodeId, u64>,
}

impl Elsewhere {
    fn count(&mut self, root: Hash, holders: &BTreeSet<NodeId>, target: usize) {
        self.held += 1;
        holders.iter().for_each(|node| *self.by_member.entry(*node).or_default() += 1);
        let (count, first) = match holders.len() {
            0 => (&mut self.alone, &mut self.alone_first),
            some if some < target => (&mut self.few, &mut self.few_first),
            _ => return,
        };
        *count += 1;
        if first.len() < WIPE_EXAMPLES_MAX {
            first.push(root);
        }
    }
}

/// The count so far, and what must be asked before it is complete.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    done: Elsewhere,
    open: Vec<Open>,
    /// Proofs that are asked for.
    proofs: usize,
    target: usize,
}

impl Counting {
    /// Reads everything that is held.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn read(reader: &Reader<'_>, measure: &Measure) -> Result<Self, StoreError> {
        let mut counting = Self { target: measure.target, ..Self::default() };
        // First those of which too little is known, so that the bound is not used up by others.
        for wanted in [true, false] {
            let mut after = None;
            loop {
                let page = reader.held_copies(after.as_ref(), STEP)?;
                let Some(last) = page.last() else { break };
                after = Some(last.root);
                page.iter().for_each(|copy| counting.take(copy, measure, wanted));
            }
        }
        Ok(counting)
    }

    /// Counts one, or leaves it open; in one pass those of which too little is known, in the other the rest.
    fn take(&mut self, copy: &HeldCopy, measure: &Measure, wanted: bool) {
        let counts = |age: u64| age <= measure.ttl_ms;
        let age = |at: UnixMillis| measure.at.since(at);
        let members = || copy.others.iter().filter(|one| measure.members.contains(&one.node));
        let holders: BTreeSet<NodeId> =
            members().filter(|one| one.evidence.holds() && counts(age(one.at))).map(|one| one.node).collect();
        let too_few = holders.len() < measure.target.max(1);
        if too_few != wanted {
            return;
        }
        let fresh: BTreeSet<NodeId> = members().filter(|one| age(one.at) <= FRESH_MS).map(|one| one.node).collect();
        let whom = if too_few { &measure.connected } else { &holders };
        let ask: BTreeSet<NodeId> =
            whom.iter().filter(|node| measure.connected.contains(node) && !fresh.contains(node)).copied().collect();
        if ask.is_empty() || self.proofs + ask.len() > PROOFS_MAX {
            return self.done.count(copy.root, &holders, measure.target);
        }
        self.proofs += ask.len();
        self.open.push(Open { root: copy.root, holders, ask });
    }

    /// Whom to ask about what, in portions.
    pub(crate) fn questions(&self) -> BTreeMap<NodeId, Vec<Vec<(Hash, Depth)>>> {
        let mut by_peer: BTreeMap<NodeId, Vec<Vec<(Hash, Depth)>>> = BTreeMap::new();
        for open in &self.open {
            for peer in &open.ask {
                let portions = by_peer.entry(*peer).or_default();
                match portions.last_mut().filter(|last| last.len() < PROOFS_PER_ASK_MAX) {
                    Some(last) => last.push((open.root, Depth::Proof)),
                    None => portions.push(vec![(open.root, Depth::Proof)]),
                }
            }
        }
        by_peer
    }

    /// Counts what was left open by what was answered.
    pub(crate) fn settle(self, answers: &BTreeMap<(NodeId, Hash), Answer>) -> Elsewhere {
        let Self { mut done, open, target, .. } = self;
        for mut one in open {
            for node in &one.ask {
                match answers.get(&(*node, one.root)) {
                    Some(Answer::Proved | Answer::Claimed) => drop(one.holders.insert(*node)),
                    Some(Answer::Missing | Answer::Wrong) => drop(one.holders.remove(node)),
                    Some(Answer::Failed) | None => {}
                }
            }
            done.count(one.root, &one.holders, target);
        }
        done
    }
}

/// Addresses of the first of them, for people.
///
/// # Errors
/// When the database fails.
pub(crate) fn addresses(reader: &Reader<'_>, roots: &[Hash]) -> Result<Vec<String>, StoreError> {
    let mut addresses = Vec::new();
    for root in roots {
        let view = reader.content_by_root(root)?.into_iter().next();
        addresses.push(view.map_or_else(|| root.to_string(), |view| view.entry.address.to_string()));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use antiphon_core::replication::History;
    use antiphon_store::{Replica, ReplicaEvidence};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000_000);
    const DAY_MS: u64 = 24 * 3_600_000;
    const ROOT: Hash = Hash([7; 32]);

    fn node(n: u8) -> NodeId {
        NodeId([n; 32])
    }

    fn measure(connected: &[u8], target: usize) -> Measure {
        let nodes = |nodes: &[u8]| nodes.iter().map(|n| node(*n)).collect();
        Measure { members: nodes(&[1, 2, 3]), connected: nodes(connected), target, ttl_ms: DAY_MS, at: NOW }
    }

    fn shown(n: u8, evidence: ReplicaEvidence, age_ms: u64) -> Replica {
        let at = UnixMillis(NOW.0 - age_ms);
        let history = History::default();
        Replica { root: ROOT, node: node(n), evidence, at, added_at: None, last_seen: None, history }
    }

    /// How a document stands of which others showed this, when those who are asked answer this: (alone, few), and how many
    /// were asked.
    fn stands(measure: &Measure, others: &[Replica], answers: &[(u8, Answer)]) -> ((u64, u64), usize) {
        let copy = HeldCopy { root: ROOT, others: others.to_vec() };
        let mut counting = Counting { target: measure.target, ..Counting::default() };
        [true, false].into_iter().for_each(|wanted| counting.take(&copy, measure, wanted));
        let asked = counting.questions().values().flatten().flatten().count();
        let answers = answers.iter().map(|(n, answer)| ((node(*n), ROOT), *answer)).collect();
        let found = counting.settle(&answers);
        assert_eq!(found.held, 1, "each is counted once");
        ((found.alone, found.few), asked)
    }

    #[test]
    fn what_was_shown_lately_is_believed_and_the_rest_is_asked() {
        use ReplicaEvidence::{Claimed, Missing, Proved, Wrong};
        let apart = measure(&[], 2);
        assert_eq!(stands(&apart, &[], &[]), ((1, 0), 0));
        assert_eq!(stands(&apart, &[shown(1, Proved, 10)], &[]), ((0, 1), 0));
        assert_eq!(stands(&apart, &[shown(1, Proved, 10), shown(2, Claimed, DAY_MS)], &[]), ((0, 0), 0));
        assert_eq!(stands(&apart, &[shown(1, Proved, DAY_MS + 1), shown(2, Wrong, 5)], &[]), ((1, 0), 0));
        assert_eq!(stands(&apart, &[shown(9, Proved, 10)], &[]), ((1, 0), 0), "who is no member does not count");
        let together = measure(&[1, 2, 3], 2);
        let proved = |n| (n, Answer::Proved);
        assert_eq!(stands(&together, &[], &[proved(1), proved(2), (3, Answer::Failed)]), ((0, 0), 3));
        assert_eq!(stands(&together, &[shown(1, Missing, 5)], &[proved(2)]), ((0, 1), 2), "it said so just now");
        let hours = [shown(1, Proved, 3_600_000), shown(2, Proved, 3_600_000)];
        assert_eq!(stands(&together, &hours, &[(1, Answer::Missing), (2, Answer::Wrong)]), ((1, 0), 2));
        assert_eq!(stands(&together, &hours, &[(1, Answer::Failed)]), ((0, 0), 2), "silence changes nothing");
    }

    #[test]
    fn only_so_many_proofs_are_asked_for() {
        let measure = measure(&[1, 2, 3], 2);
        let mut counting = Counting { target: 2, ..Counting::default() };
        for n in 0..1_000_u64 {
            let copy = HeldCopy { root: Hash::of(&n.to_be_bytes()), others: Vec::new() };
            counting.take(&copy, &measure, true);
        }
        let questions = counting.questions();
        let asked = questions.values().flatten().map(Vec::len);
        assert!(asked.clone().sum::<usize>() <= PROOFS_MAX && asked.max() == Some(PROOFS_PER_ASK_MAX));
        let found = counting.settle(&BTreeMap::new());
        assert_eq!((found.held, found.alone, found.alone_first.len()), (1_000, 1_000, WIPE_EXAMPLES_MAX));
    }
}
