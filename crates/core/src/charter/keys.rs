//! Which key of a role is the one to encrypt with.

use std::collections::{BTreeMap, BTreeSet};

use super::members::Membership;
use super::record::{Entry, Record};
use super::role_key::{Previous, RoleKey};
use super::stewards::Age;
use crate::ids::{Hash, NodeId};
use crate::vclock::VClock;

/// One key of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEpoch {
    /// The role.
    pub role: String,
    /// Hash of the record that made it: its id.
    pub epoch: Hash,
    /// The public half.
    pub recipient: String,
    /// The secret half, sealed to each holder: those it was made for, and those that were granted it later.
    pub wraps: BTreeMap<NodeId, Vec<u8>>,
    /// The key before it.
    pub previous: Option<Previous>,
    /// Everybody who holds it or may, by whatever record.
    holders: BTreeSet<NodeId>,
    seen: VClock,
    age: Age,
}

impl RoleEpoch {
    /// Charter events that its maker had seen, by store, its record included.
    pub fn seen(&self) -> &VClock {
        &self.seen
    }

    /// Whether it was made by somebody who knew the other one.
    fn replaces(&self, other: &Self) -> bool {
        self.seen != other.seen && self.seen.covers(&other.seen)
    }
}

/// Every key of every role that counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleKeys(BTreeMap<(String, Hash), RoleEpoch>);

impl RoleKeys {
    pub(super) fn of(counted: &[(&Entry, Age)], entries: &[&Entry]) -> Self {
        let mut keys = BTreeMap::new();
        for (entry, age) in counted {
            for key in keys_of(&entry.record) {
                let wraps = key.wraps.iter().map(|wrap| (wrap.node, wrap.sealed.clone())).collect();
                let epoch = RoleEpoch {
                    role: key.role.clone(),
                    epoch: entry.hash,
                    recipient: key.recipient.clone(),
                    wraps,
                    previous: key.previous.clone(),
                    holders: BTreeSet::new(),
                    seen: entry.seen.clone(),
                    age: *age,
                };
                keys.entry((key.role.clone(), entry.hash)).or_insert(epoch);
            }
        }
        for (entry, _) in counted {
            let Record::Grant(grant) = &entry.record else { continue };
            for wrap in &grant.wraps {
                if let Some(key) = keys.get_mut(&(wrap.role.clone(), wrap.epoch)) {
                    key.wraps.entry(grant.node).or_insert_with(|| wrap.sealed.clone());
                }
            }
        }
        let mut holders = holders(entries);
        for (id, key) in &mut keys {
            key.holders = holders.remove(id).unwrap_or_default();
        }
        Self(keys)
    }

    /// Every key, by role and epoch.
    pub fn epochs(&self) -> impl Iterator<Item = &RoleEpoch> {
        self.0.values()
    }

    /// One key.
    pub fn get(&self, role: &str, epoch: &Hash) -> Option<&RoleEpoch> {
        self.0.get(&(role.to_owned(), *epoch))
    }

    /// The keys of one role, the newest first: keys that no other has seen come before those that were replaced.
    pub fn of_role(&self, role: &str) -> Vec<&RoleEpoch> {
        let first = (role.to_owned(), Hash([0; 32]));
        let mut keys: Vec<&RoleEpoch> =
            self.0.range(first..).take_while(|((name, _), _)| name == role).map(|(_, key)| key).collect();
        let all = keys.clone();
        let replaced = |key: &RoleEpoch| all.iter().filter(|other| other.replaces(key)).count();
        keys.sort_by_cached_key(|key| (replaced(key), key.age, key.epoch));
        keys
    }
}

/// Everybody who can get at each key, by all records, whether they count or not: what was sent was sent. Those are who
/// made it, whom it was made for, whom a holder granted it, and whoever can get at a key that a holder made to open it.
/// What somebody writes who does not hold a key spoils it for nobody.
fn holders(entries: &[&Entry]) -> BTreeMap<(String, Hash), BTreeSet<NodeId>> {
    let mut holders: BTreeMap<(String, Hash), BTreeSet<NodeId>> = BTreeMap::new();
    let mut newest_first: Vec<&Entry> = entries.to_vec();
    newest_first.sort_by_cached_key(|entry| std::cmp::Reverse((entry.depth(), entry.hash)));
    for entry in &newest_first {
        for key in keys_of(&entry.record) {
            let made_for = key.wraps.iter().map(|wrap| wrap.node).chain([entry.author]);
            holders.insert((key.role.clone(), entry.hash), made_for.collect());
        }
    }
    let mut found = true;
    while found {
        found = false;
        for entry in &newest_first {
            if let Record::Grant(grant) = &entry.record {
                for wrap in &grant.wraps {
                    let held = holders.get_mut(&(wrap.role.clone(), wrap.epoch));
                    let held = held.filter(|held| held.contains(&entry.author));
                    found |= held.is_some_and(|held| held.insert(grant.node));
                }
            }
            for key in keys_of(&entry.record) {
                let Some(previous) = &key.previous else { continue };
                let newer = holders.get(&(key.role.clone(), entry.hash)).cloned().unwrap_or_default();
                let held = holders.get_mut(&(key.role.clone(), previous.epoch));
                if let Some(held) = held.filter(|held| held.contains(&entry.author)) {
                    let before = held.len();
                    held.extend(newer);
                    found |= held.len() > before;
                }
            }
        }
    }
    holders
}

/// The role keys that a record makes.
fn keys_of(record: &Record) -> &[RoleKey] {
    match record {
        Record::RoleKey(key) => std::slice::from_ref(key),
        Record::Revoke(revoke) => &revoke.role_keys,
        _ => &[],
    }
}

impl Membership {
    /// The key to encrypt for a role with: the newest whose holders are all members and whose maker knew of every removal;
    /// `None` when there is none, and while a record that must not be ignored is not understood. Neither somebody who was
    /// removed may hold it nor somebody whose grant turned out to be void.
    ///
    /// Who holds a key now is not enough: a maker that has not heard of a removal may yet hand its key to whoever was
    /// removed. So every removal asks for new keys, and two removals at once leave a role without one until a steward
    /// that knows of both makes it.
    ///
    /// A key that was replaced is never taken again, not even if it names no removed member: whoever holds the one that
    /// replaced it opens it too, and a member that was granted its place later is not named in it.
    pub fn role_key(&self, role: &str) -> Option<&RoleEpoch> {
        if self.critical().is_some() {
            return None;
        }
        let belongs = |node: &NodeId| self.member(node).is_some() || self.is_steward(node);
        let sound = |key: &&RoleEpoch| key.wraps.keys().chain(&key.holders).all(belongs);
        let keys = self.role_keys().of_role(role);
        let newest = |key: &&RoleEpoch| !keys.iter().any(|other| other.replaces(key));
        let aware = |key: &&RoleEpoch| self.knew_removals(&key.epoch, &key.seen);
        keys.iter().copied().filter(newest).filter(aware).find(sound)
    }
}
