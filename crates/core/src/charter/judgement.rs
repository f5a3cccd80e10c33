//! Which of the changes of stewards that have consent have effect, as far as somebody had seen them.
//!
//! The same question is asked for the causal past of every change, and pasts grow. So each is judged from the verdict
//! about a smaller one: only what is new, and what hangs on it, is decided again.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::acts::{Act, Table};
use super::bits::Bits;
use super::stewards::{Age, Change, Founders};
use crate::ids::NodeId;

/// Acts that have consent as far as somebody had seen, and the signatures that it had seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    pub(super) acts: Bits,
    pub(super) signatures: Bits,
}

/// What has effect in a scope, and who is a steward by it.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) scope: Scope,
    pub(super) effective: Bits,
    pub(super) rights: Rc<BTreeMap<NodeId, Age>>,
}

impl Verdict {
    /// Before anything was changed.
    pub(super) fn founding(founders: &Founders, table: &Table<'_>) -> Self {
        let (acts, signatures) = (Bits::none(table.proposals.len()), Bits::none(table.signatures.len()));
        let mut rights = BTreeMap::new();
        for (place, node) in (0..).zip(&founders.stewards) {
            rights.entry(*node).or_insert_with(|| Age::founded(place));
        }
        let rights = Rc::new(rights);
        Self { effective: acts.clone(), scope: Scope { acts, signatures }, rights }
    }
}

/// Decides which of the acts in a scope have effect.
pub(super) struct Judgement<'j, 'a> {
    founders: &'j Founders,
    table: &'j Table<'a>,
    acts: &'j [Option<Act>],
    scope: Scope,
    effective: Bits,
    open: Bits,
}

impl<'j, 'a> Judgement<'j, 'a> {
    /// The verdict about `scope`, from that about a `smaller` one.
    pub(super) fn of(
        founders: &'j Founders,
        table: &'j Table<'a>,
        acts: &'j [Option<Act>],
        scope: Scope,
        smaller: &Verdict,
    ) -> Verdict {
        let mut judgement = Self {
            founders,
            table,
            acts,
            effective: smaller.effective.clone(),
            open: scope.acts.without(&smaller.scope.acts),
            scope,
        };
        judgement.reopen(smaller);
        let opened = judgement.open.clone();
        while !judgement.open.is_empty() {
            if !judgement.decide_what_is_certain()
                && let Some(first) = judgement.first_of_a_circle()
            {
                judgement.effective.insert(first);
                judgement.open.remove(first);
            }
        }
        judgement.verdict(smaller, &opened)
    }

    /// Opens again what hangs on anything new, at however many removes.
    fn reopen(&mut self, smaller: &Verdict) {
        for signature in self.scope.signatures.without(&smaller.scope.signatures).iter() {
            let act = self.table.signs[signature];
            if self.scope.acts.has(act) {
                self.open.insert(act);
            }
        }
        let fresh: Vec<usize> = self.open.iter().collect();
        self.open = self.hanging_on(fresh, &self.scope.acts);
        self.effective.drop(&self.open);
    }

    /// The acts `from`, and whatever hangs on them among those of `within`.
    fn hanging_on(&self, mut from: Vec<usize>, within: &Bits) -> Bits {
        let mut reached = Bits::none(self.table.proposals.len());
        from.iter().for_each(|at| reached.insert(*at));
        let mut untouched = self.scope.signatures.clone();
        while let Some(at) = from.pop() {
            let Some(mut touched) = self.table.touched_by(at) else { continue };
            touched.keep(&untouched);
            for signature in touched.iter() {
                let act = self.table.signs[signature];
                // A change does not touch its own signatures, but another may.
                if act == at {
                    continue;
                }
                untouched.remove(signature);
                if within.has(act) && !reached.has(act) {
                    reached.insert(act);
                    from.push(act);
                }
            }
        }
        reached
    }

    /// Everything open on which act `at` hangs, at however many removes, itself included.
    fn hung_from(&self, at: usize) -> Bits {
        let (mut reached, mut next) = (Bits::none(self.table.proposals.len()), vec![at]);
        reached.insert(at);
        while let Some(at) = next.pop() {
            for signature in self.signatures(at) {
                let mut touching = self.table.touching(signature);
                touching.keep(&self.open);
                touching.drop(&reached);
                next.extend(touching.iter());
                reached.join(&touching);
            }
        }
        reached
    }

    /// Signatures under act `at` that are in scope.
    fn signatures(&self, at: usize) -> impl Iterator<Item = usize> {
        let signatures = self.acts[at].iter().flat_map(|act| &act.signatures).copied();
        signatures.filter(move |signature| self.scope.signatures.has(*signature) || *signature == at)
    }

    /// Decides every open act whose fate does not hang on an open one; says whether there was any.
    fn decide_what_is_certain(&mut self) -> bool {
        let mut decided = false;
        for at in self.open.iter().collect::<Vec<_>>() {
            let effective = self.has_consent(at, true);
            if effective {
                self.effective.insert(at);
            }
            if effective || !self.has_consent(at, false) {
                self.open.remove(at);
                decided = true;
            }
        }
        decided
    }

    /// Whether enough signatures under act `at` stand: for certain, whatever becomes of the open acts, or possibly.
    fn has_consent(&self, at: usize, for_certain: bool) -> bool {
        let needed = self.acts[at].as_ref().map_or(usize::MAX, |act| act.needed);
        let mut signers = BTreeSet::new();
        for signature in self.signatures(at) {
            let author = self.table.signatures[signature].author;
            if !signers.contains(&author) && self.stands(at, signature, for_certain) {
                signers.insert(author);
            }
            if signers.len() >= needed {
                return true;
            }
        }
        false
    }

    fn stands(&self, at: usize, signature: usize, for_certain: bool) -> bool {
        let node = &self.table.signatures[signature].author;
        let counted = |of: &Bits, open_too: bool| {
            let mut counted = of.and(&self.effective);
            if open_too {
                counted.join(&of.and(&self.open));
            }
            counted.remove(at);
            counted
        };
        let removals = self.table.removals(node).without(&self.table.seen_by[signature]);
        let removals = counted(&removals, for_certain);
        if removals.is_empty() && self.founders.place(node).is_some() {
            return true;
        }
        let origins = counted(&self.table.adds(node).and(&self.table.seen[signature]), !for_certain);
        self.table.oldest_lasting(&removals, origins).is_some()
    }

    /// Of the acts that void each other in a circle which nothing else open reaches into, the one that goes first: a
    /// removal before an appointment, then one whose author tells one story before one whose author tells two, then the
    /// older right, then the lowest hash. So a stolen key that was removed cannot come back by opening a new log and
    /// writing into it as if it had not heard of that.
    fn first_of_a_circle(&self) -> Option<usize> {
        let mut at = self.open.first()?;
        let circle = loop {
            let mut outside = self.hung_from(at);
            let hanging = self.hanging_on(vec![at], &self.open);
            let circle = outside.and(&hanging);
            outside.drop(&hanging);
            match outside.first() {
                Some(other) => at = other,
                None => break circle,
            }
        };
        circle.iter().min_by_key(|at| {
            let proposal = &self.table.proposals[*at];
            let (add, two_faced) = (proposal.change == Change::Add, self.table.two_faced.has(*at));
            (add, two_faced, self.acts[*at].as_ref().map(|act| act.age), proposal.entry.hash)
        })
    }

    fn verdict(self, smaller: &Verdict, opened: &Bits) -> Verdict {
        let Self { founders, table, scope, effective, .. } = self;
        let touched: BTreeSet<NodeId> = opened.iter().map(|at| table.proposals[at].node).collect();
        let mut rights = smaller.rights.clone();
        for node in touched {
            let right = right(founders, table, &effective, &node);
            if rights.get(&node).copied() == right {
                continue;
            }
            let rights = Rc::make_mut(&mut rights);
            match right {
                Some(age) => drop(rights.insert(node, age)),
                None => drop(rights.remove(&node)),
            }
        }
        Verdict { scope, effective, rights }
    }
}

/// The oldest right of `node` that no act took.
fn right(founders: &Founders, table: &Table<'_>, effective: &Bits, node: &NodeId) -> Option<Age> {
    let removals = table.removals(node).and(effective);
    match founders.place(node) {
        Some(place) if removals.is_empty() => Some(Age::founded(place)),
        _ => {
            let origin = table.oldest_lasting(&removals, table.adds(node).and(effective))?;
            Some(table.proposals[origin].age_of_right())
        }
    }
}
