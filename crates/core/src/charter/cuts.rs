//! How a member was removed: where its logs end, and who had heard of it.

use std::collections::BTreeSet;

use super::record::Entry;
use super::revoke::{Cut, Revoke};
use super::stewards::Age;
use crate::ids::{Hash, NodeId, StoreId};
use crate::log::{Head, LogId};
use crate::vclock::VClock;

/// How a member was removed, by every revocation of it that counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// The revocation that is shown: of the oldest right, then the lowest hash.
    pub record: Option<Shown>,
    /// Whether one of them says that somebody else may hold the key.
    pub compromised: bool,
    /// Cuts that say so, in order.
    marked: Vec<Cut>,
    /// The other cuts, in order.
    unmarked: Vec<Cut>,
    /// What somebody must have seen to know of it, for each revocation, in order.
    consents: Vec<Consent>,
}

/// The signatures by which a change has effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Consent {
    /// The record itself.
    pub(super) record: Hash,
    /// How many stewards must have signed it.
    pub(super) needed: usize,
    /// Who signed it, and where in which charter log: what a signature claims to have seen might be more than there is.
    pub(super) signatures: Vec<(NodeId, StoreId, u64)>,
}

impl Consent {
    /// Whether whoever had `seen` this much held enough of the signatures.
    fn is_in(&self, seen: &VClock) -> bool {
        let signed = self.signatures.iter().filter(|(_, store, seq)| seen.get(store) >= *seq);
        signed.map(|(signer, ..)| signer).collect::<BTreeSet<_>>().len() >= self.needed
    }
}

/// What is shown of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    age: Age,
    /// Hash of the record.
    pub hash: Hash,
    /// Who signed it.
    pub by: NodeId,
    /// Why, for people.
    pub reason: String,
}

/// The cuts that decide about one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// No revocation names the log: nothing of it counts until a steward names a cut.
    Unnamed,
    /// Of several the lowest counts: the key may be in wrong hands.
    Lowest(Vec<Head>),
    /// Of several the highest counts.
    Highest(Vec<Head>),
}

impl Removal {
    pub(super) fn add(&mut self, entry: &Entry, revoke: &Revoke, age: Age, consent: Option<Consent>) {
        let older = self.record.as_ref().is_none_or(|shown| (age, entry.hash) < (shown.age, shown.hash));
        if older {
            let reason = revoke.reason.clone();
            self.record = Some(Shown { age, hash: entry.hash, by: entry.author, reason });
        }
        self.compromised |= revoke.compromised;
        let cuts = if revoke.compromised { &mut self.marked } else { &mut self.unmarked };
        cuts.extend(&revoke.cuts);
        self.consents.extend(consent);
    }

    pub(super) fn settle(&mut self) {
        for cuts in [&mut self.marked, &mut self.unmarked] {
            cuts.sort_unstable();
            cuts.dedup();
        }
        self.consents.sort_unstable();
    }

    /// Whether the author of `record`, who had `seen` this much, knew of the removal: had heard that stewards agreed to
    /// it, or wrote the very record.
    pub(super) fn was_known_to(&self, record: &Hash, seen: &VClock) -> bool {
        self.consents.iter().any(|consent| consent.record == *record || consent.is_in(seen))
    }

    /// The cuts that decide about `log`: marked ones beat the others.
    pub fn cuts(&self, log: &LogId) -> Choice {
        let of =
            |cuts: &[Cut]| -> Vec<Head> { cuts.iter().filter(|cut| cut.log == *log).map(|cut| cut.head).collect() };
        match (of(&self.marked), of(&self.unmarked)) {
            (marked, _) if !marked.is_empty() => Choice::Lowest(marked),
            (_, unmarked) if !unmarked.is_empty() => Choice::Highest(unmarked),
            _ => Choice::Unnamed,
        }
    }
}
