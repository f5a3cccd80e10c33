//! Who may sign membership, and since when.
//!
//! Stewards appoint and remove each other, so the question who is a steward asks itself again for every record that
//! answers it, and two of them may remove each other at the same moment. The answer has two steps.
//!
//! *Consent.* A change needs the signatures of k of the n stewards that its author knew of, so it is judged in its
//! causal past alone; what others did meanwhile changes neither k nor n. A stolen key therefore cannot whittle the
//! stewards down one by one: a removal that lacks consent has no effect, on the count either.
//!
//! *Effect.* Among the changes that have consent, a removal voids every signature of the removed steward that the
//! removal had not seen (strong removal), which may take the consent of another change away. Where the changes void
//! each other in a circle, a removal goes before an appointment, then a key that tells one story before one that tells
//! two, then the older right, then the lowest hash; nobody can grind a hash to beat an older right.
//!
//! Limits: k is 1 for two stewards and fewer, so there a stolen key can remove the other; the younger of the two
//! loses when both try at once. Whoever holds a steward's key can also write as if it had not heard of stewards that
//! were appointed after it, and needs nobody's consent to remove those.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::acts::{Act, Table};
use super::bits::Bits;
use super::cuts::Consent;
use super::judgement::{Judgement, Scope, Verdict};
use super::record::Entry;
use crate::ids::{Hash, NodeId};

/// Most stewards that founding genes name.
pub const FOUNDING_STEWARDS_MAX: usize = 16;
/// Most stewards of a team; an appointment beyond it has no effect.
pub const STEWARDS_MAX: usize = 32;

/// Who may sign membership from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founders {
    /// The founding stewards, the first one first.
    pub stewards: Vec<NodeId>,
    /// How many stewards must agree to change the stewards, as founded; `None` for the default.
    pub threshold: Option<usize>,
}

impl Founders {
    /// A team of one steward.
    pub fn one(steward: NodeId) -> Self {
        Self { stewards: vec![steward], threshold: None }
    }

    /// The first steward.
    pub fn first(&self) -> NodeId {
        // The genome names at least one; a node that nobody has the key of can sign nothing.
        self.stewards.first().copied().unwrap_or(NodeId([0; 32]))
    }

    /// How many of `stewards` must agree to appoint one more: as founded, else 1 of up to two and 2 of more.
    pub fn needed(&self, stewards: usize) -> usize {
        let default = if stewards <= 2 { 1 } else { 2 };
        self.threshold.unwrap_or(default).min(stewards).max(1)
    }

    /// How many of `stewards` must agree to remove one: never the consent of the one who is to go.
    pub fn needed_to_remove(&self, stewards: usize) -> usize {
        self.needed(stewards).min(stewards.saturating_sub(1)).max(1)
    }

    pub(super) fn place(&self, node: &NodeId) -> Option<u64> {
        self.stewards.iter().position(|steward| steward == node).map(|place| place as u64)
    }
}

/// How old a steward's right is: founders in their order, then appointments, which only grow deeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    depth: u128,
    place: u64,
    hash: Hash,
}

impl Age {
    pub(super) fn founded(place: u64) -> Self {
        Self { depth: 0, place, hash: Hash([0; 32]) }
    }

    pub(super) fn appointed(entry: &Entry) -> Self {
        Self { depth: entry.depth().max(1), place: 0, hash: entry.hash }
    }
}

/// What a record does to a steward's right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Takes the key away from the team for good.
    Revoke,
    /// Takes the right to sign; the member stays.
    Remove,
    /// Gives the right to sign.
    Add,
}

/// A change of stewards that still lacks consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Hash of the record, which approvals name.
    pub record: Hash,
    /// What it does.
    pub change: Change,
    /// To whom.
    pub node: NodeId,
    /// Who has signed it so far, its author first.
    pub signers: Vec<NodeId>,
    /// Stewards who have not, and whose signature would count: its author knew that they are stewards. Whoever became
    /// one later can only propose the same anew.
    pub awaited: Vec<NodeId>,
    /// How many must.
    pub needed: usize,
}

/// Verdicts that are tried as the beginning of the next one: the larger the better, but each costs a look.
const VERDICTS_TRIED: usize = 8;

/// The stewards that a set of records makes.
#[derive(Debug)]
pub(super) struct Stewards<'a> {
    founders: &'a Founders,
    table: Table<'a>,
    /// The proposals whose authors were stewards, at the places of the proposals.
    acts: Vec<Option<Act>>,
    verdict: Rc<Verdict>,
}

impl<'a> Stewards<'a> {
    /// The stewards of a team that was founded with `founders`.
    pub(super) fn of(founders: &'a Founders, entries: &[&'a Entry]) -> Self {
        let table = Table::of(entries);
        let (acts, verdict) = Pasts::new(founders, &table).judge();
        Self { founders, table, acts, verdict }
    }

    /// The age of the right by which a record counts; `None` when its author had none that lasted.
    pub(super) fn counts(&self, entry: &Entry) -> Option<Age> {
        let (table, author) = (&self.table, &entry.author);
        let picked = |of: &Bits, fits: &dyn Fn(&Entry) -> bool| {
            let mut picked = of.and(&self.verdict.effective);
            for at in picked.clone().iter().filter(|at| !fits(table.proposals[*at].entry)) {
                picked.remove(at);
            }
            picked
        };
        let removals =
            picked(table.removals(author), &|removal| removal.hash != entry.hash && !removal.has_seen(entry));
        match self.founders.place(author) {
            Some(place) if removals.is_empty() => Some(Age::founded(place)),
            _ => {
                let origins = picked(table.adds(author), &|origin| entry.has_seen(origin));
                Some(table.proposals[table.oldest_lasting(&removals, origins)?].age_of_right())
            }
        }
    }

    /// The age of the right by which a record has effect. One that proposes a change of stewards has it by consent: also
    /// where its author lost the right meanwhile, and not where its author knew that it had none, or a key could be
    /// revoked and stay a steward. Any other has it if it counts.
    pub(super) fn weight(&self, entry: &Entry) -> Option<Age> {
        let Some(place) = self.table.place(&entry.hash) else { return self.counts(entry) };
        let act = self.acts[place].as_ref().filter(|_| self.verdict.effective.has(place));
        act.map(|act| act.age)
    }

    /// By which signatures a proposal has effect; `None` for any other record.
    pub(super) fn consent(&self, entry: &Entry) -> Option<Consent> {
        let act = self.acts[self.table.place(&entry.hash)?].as_ref()?;
        let signatures = act.signatures.iter().map(|signature| self.table.signatures[*signature]);
        let signatures = signatures.map(|entry| (entry.author, entry.store, entry.seq)).collect();
        Some(Consent { record: entry.hash, needed: act.needed, signatures })
    }

    /// Everybody who is a steward now.
    pub(super) fn now(&self) -> &BTreeMap<NodeId, Age> {
        &self.verdict.rights
    }

    /// The records by which a steward that was not founded got its oldest right: the appointment with its approvals.
    pub(super) fn appointment(&self, node: &NodeId, age: Age) -> Option<Vec<&'a Entry>> {
        let effective = self.table.adds(node).and(&self.verdict.effective);
        let at = effective.iter().find(|at| self.table.proposals[*at].age_of_right() == age)?;
        let act = self.acts[at].as_ref()?;
        Some(act.signatures.iter().map(|signature| self.table.signatures[*signature]).collect())
    }

    /// The removals, with their approvals, that let an act be signed by so few: whoever does not know them would count
    /// more stewards and ask for more.
    pub(super) fn removals_before(&self, entry: &Entry) -> Vec<&'a Entry> {
        let place = self.table.place(&entry.hash);
        let act = place.and_then(|place| Some((place, self.acts[place].as_ref()?)));
        let Some((place, act)) = act else { return Vec::new() };
        if act.needed >= self.founders.needed(STEWARDS_MAX) {
            return Vec::new();
        }
        let mut before = self.table.seen[place].and(&self.verdict.effective);
        for at in before.clone().iter().filter(|at| self.table.proposals[*at].change == Change::Add) {
            before.remove(at);
        }
        let signatures = before.iter().filter_map(|at| self.acts[at].as_ref()).flat_map(|act| &act.signatures);
        signatures.map(|signature| self.table.signatures[*signature]).collect()
    }

    /// Changes that lack consent, can still get it, and would still change something.
    pub(super) fn pending(&self) -> Vec<Pending> {
        let now = self.now();
        let acts = self.table.proposals.iter().zip(&self.acts);
        let acts = acts.filter_map(|(proposal, act)| Some((proposal, act.as_ref()?)));
        let lacking = acts.filter(|(proposal, act)| {
            let moot = now.contains_key(&proposal.node) == (proposal.change == Change::Add);
            act.signers < act.needed && !moot && now.contains_key(&proposal.entry.author)
        });
        let shown = lacking.filter_map(|(proposal, act)| {
            let mut signers: Vec<NodeId> = Vec::new();
            for signature in &act.signatures {
                let author = self.table.signatures[*signature].author;
                if !signers.contains(&author) {
                    signers.push(author);
                }
            }
            let awaits = |steward: &&NodeId| now.contains_key(*steward) && !signers.contains(steward);
            let awaited: Vec<NodeId> = act.known.keys().filter(awaits).copied().collect();
            let (record, change, node) = (proposal.entry.hash, proposal.change, proposal.node);
            let open = signers.len() + awaited.len() >= act.needed;
            open.then_some(Pending { record, change, node, signers, awaited, needed: act.needed })
        });
        shown.collect()
    }
}

/// Judges every proposal by its causal past, in causal order.
struct Pasts<'p, 'a> {
    founders: &'p Founders,
    table: &'p Table<'a>,
    approvals: BTreeMap<usize, Vec<usize>>,
    acts: Vec<Option<Act>>,
    /// Acts that need one signature, and those that have the several they need.
    alone: Bits,
    together: Bits,
    /// Signatures under acts.
    signed: Bits,
    /// What each act's author knew.
    verdicts: Vec<Option<Rc<Verdict>>>,
    judged: BTreeMap<Scope, Rc<Verdict>>,
    founding: Rc<Verdict>,
}

impl<'p, 'a> Pasts<'p, 'a> {
    fn new(founders: &'p Founders, table: &'p Table<'a>) -> Self {
        let (proposals, signatures) = (table.proposals.len(), table.signatures.len());
        let mut approvals: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for signature in proposals..signatures {
            approvals.entry(table.signs[signature]).or_default().push(signature);
        }
        Self {
            founders,
            table,
            approvals,
            acts: (0..proposals).map(|_| None).collect(),
            alone: Bits::none(proposals),
            together: Bits::none(proposals),
            signed: Bits::none(signatures),
            verdicts: vec![None; proposals],
            judged: BTreeMap::new(),
            founding: Rc::new(Verdict::founding(founders, table)),
        }
    }

    /// Every act, and the verdict about all of them.
    fn judge(mut self) -> (Vec<Option<Act>>, Rc<Verdict>) {
        for at in 0..self.table.proposals.len() {
            let verdict = self.verdict_about(self.scope(&self.table.seen[at], &self.table.before[at]));
            if let Some(act) = self.act(at, &verdict) {
                match act.needed {
                    1 => self.alone.insert(at),
                    needed if act.signers >= needed => self.together.insert(at),
                    _ => {}
                }
                act.signatures.iter().for_each(|signature| self.signed.insert(*signature));
                self.acts[at] = Some(act);
                self.verdicts[at] = Some(verdict);
            }
        }
        let mut all = self.alone.clone();
        all.join(&self.together);
        let verdict = self.verdict_about(Scope { acts: all, signatures: self.signed.clone() });
        (self.acts, verdict)
    }

    /// The acts among `seen` that have consent by the signatures in `signed`.
    fn scope(&self, seen: &Bits, signed: &Bits) -> Scope {
        let (mut acts, signatures) = (self.alone.and(seen), self.signed.and(signed));
        for at in self.together.and(seen).iter() {
            let Some(act) = &self.acts[at] else { continue };
            let signers = act.signatures.iter().filter(|signature| **signature == at || signatures.has(**signature));
            if distinct(self.table, signers) >= act.needed {
                acts.insert(at);
            }
        }
        Scope { acts, signatures }
    }

    fn verdict_about(&mut self, scope: Scope) -> Rc<Verdict> {
        if let Some(verdict) = self.judged.get(&scope) {
            return verdict.clone();
        }
        // Whatever an act's author had seen, those who have seen the act have seen too.
        let mut latest = scope.acts.clone();
        let mut smaller = self.founding.clone();
        for _ in 0..VERDICTS_TRIED {
            let Some(at) = latest.last() else { break };
            latest.remove(at);
            if let Some(verdict) = &self.verdicts[at]
                && verdict.scope.acts.len() > smaller.scope.acts.len()
            {
                smaller = verdict.clone();
            }
        }
        let verdict = Judgement::of(self.founders, self.table, &self.acts, scope.clone(), &smaller);
        let verdict = Rc::new(verdict);
        self.judged.insert(scope, verdict.clone());
        verdict
    }

    /// The proposal at `at` as an act, by what its author knew; `None` when its author was no steward.
    fn act(&self, at: usize, verdict: &Verdict) -> Option<Act> {
        let (table, stewards) = (self.table, &verdict.rights);
        let proposal = &table.proposals[at];
        let author = &proposal.entry.author;
        let age = *stewards.get(author)?;
        let needed = needed(self.founders, stewards, proposal.change, &proposal.node, author)?;
        let agreeing = self.approvals.get(&at).into_iter().flatten().copied();
        let agreeing = agreeing.filter(|signature| stewards.contains_key(&table.signatures[*signature].author));
        let signatures: Vec<usize> = std::iter::once(at).chain(agreeing).collect();
        let signers = distinct(table, signatures.iter());
        Some(Act { signatures, needed, signers, age, known: stewards.clone() })
    }
}

fn distinct<'s>(table: &Table<'_>, signatures: impl Iterator<Item = &'s usize>) -> usize {
    signatures.map(|signature| table.signatures[*signature].author).collect::<BTreeSet<_>>().len()
}

/// How many signatures a change needs; `None` when it changes nothing.
fn needed(
    founders: &Founders,
    stewards: &BTreeMap<NodeId, Age>,
    change: Change,
    node: &NodeId,
    author: &NodeId,
) -> Option<usize> {
    let (count, is_steward) = (stewards.len(), stewards.contains_key(node));
    match change {
        Change::Add => (!is_steward && count < STEWARDS_MAX).then(|| founders.needed(count)),
        Change::Remove if !is_steward => None,
        // Whoever wants to go, or to be locked out, needs to ask nobody.
        Change::Revoke | Change::Remove if node == author => Some(1),
        Change::Revoke if !is_steward => Some(1),
        Change::Revoke | Change::Remove => Some(founders.needed_to_remove(count)),
    }
}
