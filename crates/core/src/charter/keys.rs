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
    seen: VClock,
    age: Age,
}

/// Every key of every role that counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleKeys(BTreeMap<(String, Hash), RoleEpoch>);

impl RoleKeys {
    pub(super) fn of(counted: &[(&Entry, Age)]) -> Self {
        let mut keys = BTreeMap::new();
        for (entry, age) in counted {
            let made: &[RoleKey] = match &entry.record {
                Record::RoleKey(key) => std::slice::from_ref(key),
                Record::Revoke(revoke) => &revoke.role_keys,
                _ => continue,
            };
            for key in made {
                let wraps = key.wraps.iter().map(|wrap| (wrap.node, wrap.sealed.clone())).collect();
                let epoch = RoleEpoch {
                    role: key.role.clone(),
                    epoch: entry.hash,
                    recipient: key.recipient.clone(),
                    wraps,
                    previous: key.previous.clone(),
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
        let replaced = |key: &RoleEpoch, keys: &[&RoleEpoch]| {
            keys.iter().filter(|other| other.seen != key.seen && other.seen.covers(&key.seen)).count()
        };
        let all = keys.clone();
        keys.sort_by_cached_key(|key| (replaced(key, &all), key.age, key.epoch));
        keys
    }
}

impl Membership {
    /// The key to encrypt for a role with: the newest whose holders include no removed member; `None` when there is
    /// none, and while a record that must not be ignored is not understood.
    pub fn role_key(&self, role: &str) -> Option<&RoleEpoch> {
        if self.critical().is_some() {
            return None;
        }
        let revoked: BTreeSet<NodeId> = self.revoked();
        let sound = |key: &&RoleEpoch| !key.wraps.keys().any(|node| revoked.contains(node));
        self.role_keys().of_role(role).into_iter().find(sound)
    }
}
