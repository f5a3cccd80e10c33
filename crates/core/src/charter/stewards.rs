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
//! each other in a circle, a removal goes before an appointment, then the older right, then the lowest hash; nobody
//! can grind a hash to beat an older right.
//!
//! Limits: k is 1 for two stewards and fewer, so there a stolen key can remove the other; the younger of the two
//! loses when both try at once. Whoever holds a steward's key can also write as if it had not heard of stewards that
//! were appointed after it, and needs nobody's consent to remove those.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::record::{Entry, Record};
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

    fn place(&self, node: &NodeId) -> Option<u64> {
        self.stewards.iter().position(|steward| steward == node).map(|place| place as u64)
    }
}

/// How old a steward's right is: founders in their order, then appointments, which only grow deeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    depth: u64,
    place: u64,
    hash: Hash,
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
    /// How many must.
    pub needed: usize,
}

/// A change with the signatures that count in its causal past.
#[derive(Debug)]
struct Act<'a> {
    entry: &'a Entry,
    change: Change,
    node: NodeId,
    /// The record itself, then approvals of it.
    signatures: Vec<&'a Entry>,
    needed: usize,
    /// Age of its author's right.
    age: Age,
}

impl Act<'_> {
    fn removes(&self, node: &NodeId) -> bool {
        self.change != Change::Add && self.node == *node
    }

    fn adds(&self, node: &NodeId) -> bool {
        self.change == Change::Add && self.node == *node
    }

    fn age_of_right(&self) -> Age {
        Age { depth: self.entry.depth().max(1), place: 0, hash: self.entry.hash }
    }
}

/// The stewards that a set of records makes.
#[derive(Debug)]
pub(super) struct Stewards<'a> {
    founders: &'a Founders,
    acts: Vec<Act<'a>>,
    /// Indices of the acts that have effect.
    effective: Vec<usize>,
}

impl<'a> Stewards<'a> {
    pub(super) fn of(founders: &'a Founders, ever: &BTreeSet<NodeId>, entries: &[&'a Entry]) -> Self {
        let acts = consented(founders, ever, entries);
        let whole = acts.iter().enumerate().map(|(at, act)| (at, (0..act.signatures.len()).collect::<Vec<_>>()));
        let all: Scope = whole.filter(|(at, signatures)| has_consent(&acts[*at], signatures)).collect();
        let effective = Judgement::of(founders, &acts, &all).effective();
        Self { founders, acts, effective }
    }

    /// The age of the right by which a record counts; `None` when its author had none that lasted.
    pub(super) fn counts(&self, entry: &Entry) -> Option<Age> {
        let acts = self.effective.iter().map(|act| &self.acts[*act]);
        oldest_right(self.founders, &entry.author, entry, acts)
    }

    /// The age of the right by which a record has effect. One that changes stewards has it by consent, even where its
    /// author lost the right meanwhile; any other has it if it counts.
    pub(super) fn weight(&self, entry: &Entry) -> Option<Age> {
        match self.acts.iter().position(|act| act.entry.hash == entry.hash) {
            Some(act) => self.effective.contains(&act).then(|| self.acts[act].age),
            None => self.counts(entry),
        }
    }

    /// Everybody who is a steward now.
    pub(super) fn now(&self) -> BTreeMap<NodeId, Age> {
        let acts: Vec<&Act<'a>> = self.effective.iter().map(|act| &self.acts[*act]).collect();
        rights(self.founders, &acts)
    }

    /// The records by which a steward that was not founded got its oldest right: the appointment with its approvals.
    pub(super) fn appointment(&self, node: &NodeId, age: Age) -> Option<Vec<&'a Entry>> {
        let mut effective = self.effective.iter().map(|act| &self.acts[*act]);
        effective.find(|act| act.adds(node) && act.age_of_right() == age).map(|act| act.signatures.clone())
    }

    /// Changes that lack consent and would still change something.
    pub(super) fn pending(&self) -> Vec<Pending> {
        let now = self.now();
        let lacking = self.acts.iter().filter(|act| {
            let moot = now.contains_key(&act.node) == (act.change == Change::Add);
            distinct(act.signatures.iter().copied()) < act.needed && !moot && now.contains_key(&act.entry.author)
        });
        let shown = lacking.map(|act| {
            let mut signers: Vec<NodeId> = Vec::new();
            for entry in &act.signatures {
                if !signers.contains(&entry.author) {
                    signers.push(entry.author);
                }
            }
            let Act { entry, change, node, needed, .. } = act;
            Pending { record: entry.hash, change: *change, node: *node, signers, needed: *needed }
        });
        shown.collect()
    }
}

/// Acts in scope, each with those of its signatures that are.
type Scope = Vec<(usize, Vec<usize>)>;

fn distinct<'a>(signatures: impl Iterator<Item = &'a Entry>) -> usize {
    signatures.map(|entry| entry.author).collect::<BTreeSet<_>>().len()
}

fn has_consent(act: &Act<'_>, signatures: &[usize]) -> bool {
    distinct(signatures.iter().map(|at| act.signatures[*at])) >= act.needed
}

/// Every change of stewards whose author was a steward in its causal past, in causal order.
fn consented<'a>(founders: &'a Founders, ever: &BTreeSet<NodeId>, entries: &[&'a Entry]) -> Vec<Act<'a>> {
    let mut approvals: BTreeMap<Hash, Vec<&'a Entry>> = BTreeMap::new();
    for entry in entries {
        if let Record::Approve(approve) = &entry.record {
            approvals.entry(approve.record).or_default().push(entry);
        }
    }
    let changed = |entry: &&'a Entry| match &entry.record {
        Record::StewardChange(change) if change.add => Some((Change::Add, change.node, *entry)),
        Record::StewardChange(change) => Some((Change::Remove, change.node, *entry)),
        Record::Revoke(revoke) if ever.contains(&revoke.node) => Some((Change::Revoke, revoke.node, *entry)),
        _ => None,
    };
    let mut changes: Vec<(Change, NodeId, &'a Entry)> = entries.iter().filter_map(changed).collect();
    changes.sort_by_cached_key(|(_, _, entry)| (entry.depth(), entry.hash));
    let mut acts: Vec<Act<'a>> = Vec::new();
    let mut judged: BTreeMap<Scope, Rc<BTreeMap<NodeId, Age>>> = BTreeMap::new();
    for (change, node, entry) in changes {
        let past = past_of(&acts, entry);
        let stewards = judged.entry(past).or_insert_with_key(|past| {
            let judgement = Judgement::of(founders, &acts, past);
            let effective: Vec<&Act<'a>> = judgement.effective().into_iter().map(|act| &acts[act]).collect();
            Rc::new(rights(founders, &effective))
        });
        let stewards = stewards.clone();
        let Some(age) = stewards.get(&entry.author).copied() else { continue };
        let Some(needed) = needed(founders, &stewards, change, &node, &entry.author) else { continue };
        let agreeing = approvals.get(&entry.hash).into_iter().flatten().copied();
        let agreeing = agreeing.filter(|approve| approve.has_seen(entry) && stewards.contains_key(&approve.author));
        let signatures = std::iter::once(entry).chain(agreeing).collect();
        acts.push(Act { entry, change, node, signatures, needed, age });
    }
    acts
}

/// The acts that had consent as far as the author of `entry` had seen.
fn past_of(acts: &[Act<'_>], entry: &Entry) -> Scope {
    let seen = acts.iter().enumerate().filter(|(_, act)| entry.has_seen(act.entry));
    let signed = seen.map(|(at, act)| {
        let signatures = act.signatures.iter().enumerate().filter(|(_, signature)| entry.has_seen(signature));
        (at, signatures.map(|(at, _)| at).collect::<Vec<_>>())
    });
    signed.filter(|(at, signatures)| has_consent(&acts[*at], signatures)).collect()
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

/// The oldest right by which `entry` of `author` counts, given the acts that have effect.
fn oldest_right<'a, 'e: 'a>(
    founders: &Founders,
    author: &NodeId,
    entry: &Entry,
    acts: impl Iterator<Item = &'a Act<'e>> + Clone,
) -> Option<Age> {
    let founded = founders.place(author).map(founded_age);
    let appointed = acts.clone().filter(|act| act.adds(author) && entry.has_seen(act.entry));
    let origins =
        founded.map(|age| (age, None)).into_iter().chain(appointed.map(|act| (act.age_of_right(), Some(act))));
    let lasting = origins.filter(|(_, origin)| {
        let mut removals = acts.clone().filter(|act| act.removes(author) && act.entry.hash != entry.hash);
        !removals.any(|removal| voids(removal, entry, origin.map(|origin| origin.entry)))
    });
    lasting.map(|(age, _)| age).min()
}

fn founded_age(place: u64) -> Age {
    Age { depth: 0, place, hash: Hash([0; 32]) }
}

/// Whether a removal voids what its node signed by the right that `origin` gave it.
fn voids(removal: &Act<'_>, signature: &Entry, origin: Option<&Entry>) -> bool {
    let before = removal.entry.has_seen(signature);
    // A right that was given again after it was taken stands; a revoked key never returns.
    let anew = removal.change == Change::Remove && origin.is_some_and(|origin| origin.has_seen(removal.entry));
    !before && !anew
}

/// Everybody with a right that no act took.
fn rights(founders: &Founders, acts: &[&Act<'_>]) -> BTreeMap<NodeId, Age> {
    let founded = (0..).zip(&founders.stewards).map(|(place, node)| (*node, founded_age(place), None));
    let appointed = acts.iter().filter(|act| act.change == Change::Add);
    let appointed = appointed.map(|act| (act.node, act.age_of_right(), Some(act.entry)));
    let mut rights = BTreeMap::new();
    for (node, age, origin) in founded.chain(appointed) {
        let anew = |removal: &Act<'_>| {
            removal.change == Change::Remove && origin.is_some_and(|origin: &Entry| origin.has_seen(removal.entry))
        };
        if acts.iter().all(|act| !act.removes(&node) || anew(act)) {
            let oldest = rights.entry(node).or_insert(age);
            *oldest = age.min(*oldest);
        }
    }
    rights
}

/// Decides which of the acts in a scope have effect.
struct Judgement<'j, 'a> {
    founders: &'j Founders,
    acts: &'j [Act<'a>],
    scope: &'j Scope,
    states: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Undecided,
    Effective,
    Void,
}

impl<'j, 'a> Judgement<'j, 'a> {
    fn of(founders: &'j Founders, acts: &'j [Act<'a>], scope: &'j Scope) -> Self {
        let states = vec![State::Undecided; scope.len()];
        let mut judgement = Self { founders, acts, scope, states };
        loop {
            if judgement.decide_what_is_certain() {
                continue;
            }
            let Some(first) = judgement.first_of_a_circle() else { return judgement };
            judgement.states[first] = State::Effective;
        }
    }

    /// Indices of the acts that have effect.
    fn effective(&self) -> Vec<usize> {
        let effective = self.states.iter().zip(self.scope).filter(|(state, _)| **state == State::Effective);
        effective.map(|(_, (act, _))| *act).collect()
    }

    fn act(&self, at: usize) -> &'j Act<'a> {
        &self.acts[self.scope[at].0]
    }

    fn signatures(&self, at: usize) -> impl Iterator<Item = &'a Entry> {
        let act = self.act(at);
        self.scope[at].1.iter().map(|signature| act.signatures[*signature])
    }

    /// Decides every act whose fate does not hang on an undecided one; says whether there was any.
    fn decide_what_is_certain(&mut self) -> bool {
        let mut decided = false;
        for at in 0..self.scope.len() {
            if self.states[at] != State::Undecided {
                continue;
            }
            let needed = self.act(at).needed;
            if distinct(self.signatures(at).filter(|signature| self.stands(at, signature, true))) >= needed {
                self.states[at] = State::Effective;
                decided = true;
            } else if distinct(self.signatures(at).filter(|signature| self.stands(at, signature, false))) < needed {
                self.states[at] = State::Void;
                decided = true;
            }
        }
        decided
    }

    /// Whether a signature under act `at` stands: for certain, whatever becomes of the undecided acts, or possibly.
    fn stands(&self, at: usize, signature: &Entry, for_certain: bool) -> bool {
        let node = &signature.author;
        let gives = |state: State| state == State::Effective || (state == State::Undecided && !for_certain);
        let takes = |state: State| state == State::Effective || (state == State::Undecided && for_certain);
        let others = || (0..self.scope.len()).filter(move |other| *other != at);
        let removals = || others().filter(|other| takes(self.states[*other]) && self.act(*other).removes(node));
        let voided = |origin: Option<&Entry>| removals().any(|removal| voids(self.act(removal), signature, origin));
        let founded = self.founders.place(node).is_some() && !voided(None);
        founded
            || others().any(|other| {
                let act = self.act(other);
                let origin = gives(self.states[other]) && act.adds(node) && signature.has_seen(act.entry);
                origin && !voided(Some(act.entry))
            })
    }

    /// Of the acts that void each other in a circle which nothing else undecided reaches into, the one that goes first:
    /// a removal before an appointment, then the older right, then the lowest hash.
    fn first_of_a_circle(&self) -> Option<usize> {
        let undecided: Vec<usize> = (0..self.scope.len()).filter(|at| self.states[*at] == State::Undecided).collect();
        let reached: BTreeMap<usize, BTreeSet<usize>> =
            undecided.iter().map(|at| (*at, self.hangs_on(*at, &undecided))).collect();
        let source = |at: &&usize| reached[*at].iter().all(|other| reached[other].contains(at));
        let order = |at: &usize| {
            let act = self.act(*at);
            (act.change == Change::Add, act.age, act.entry.hash)
        };
        undecided.iter().filter(source).copied().min_by_key(order)
    }

    /// Every undecided act on which the fate of act `at` hangs, at however many removes.
    fn hangs_on(&self, at: usize, undecided: &[usize]) -> BTreeSet<usize> {
        let (mut reached, mut next) = (BTreeSet::new(), vec![at]);
        while let Some(at) = next.pop() {
            for other in undecided.iter().copied() {
                if other == at || reached.contains(&other) {
                    continue;
                }
                let act = self.act(other);
                let touches = |signature: &Entry| {
                    (act.removes(&signature.author) && !act.entry.has_seen(signature))
                        || (act.adds(&signature.author) && signature.has_seen(act.entry))
                };
                if self.signatures(at).any(touches) {
                    reached.insert(other);
                    next.push(other);
                }
            }
        }
        reached
    }
}
