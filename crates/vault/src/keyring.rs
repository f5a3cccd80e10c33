//! The role keys that this node can open.
//!
//! Role keys reach a node through the charter: wrapped to its age recipient, or sealed as the previous key to one that
//! it holds. Opening one costs two curve multiplications, a read of a sealed fact must not; and a role that was rotated
//! many times has a long way back. So whatever can be opened is opened once, whenever the charter changes, and kept in
//! memory until the next change: a [`Keyring`] is made from the set of role keys that count and the one before it, and
//! takes over what that one has opened.
//!
//! A wrap that does not open is left out and named in [`Keyring::unopened`]: its author is to blame, and the other keys
//! are none the worse for it. The charter bounds how many records there are, [`KEYS_MAX`] how many keys are kept.
//!
//! [`LiveKeyring`] holds the newest one for all who ask, and is what opens and seals facts, see
//! [`sealed_fact`](crate::sealed_fact).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use antiphon_core::charter::{RoleEpoch, RoleKeys};
use antiphon_core::ids::Hash;

use crate::key::NodeKey;
use crate::role::{Error, RoleSecret};

/// Most role keys that a keyring holds. A team of 64 roles rotates each of them 128 times before it is full.
pub const KEYS_MAX: usize = 8_192;

/// Most keys that did not open of which the reason is kept.
pub const UNOPENED_MAX: usize = 16;

/// A role key that this node should be able to open and cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unopened {
    /// The role.
    pub role: String,
    /// Which of its keys.
    pub epoch: Hash,
    /// Why it does not open.
    pub reason: String,
}

/// See the module. The secrets are wiped when the last keyring that has them is dropped.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: BTreeMap<String, BTreeMap<Hash, Arc<RoleSecret>>>,
    count: usize,
    unopened: Vec<Unopened>,
}

impl Keyring {
    /// Opens what `key` can open of these role keys. What `previous` has open is not opened again.
    pub fn open(key: &NodeKey, role_keys: &RoleKeys, previous: Option<&Self>) -> Self {
        let mut keyring = Self::default();
        let mut found: Vec<&RoleEpoch> = Vec::new();
        for epoch in role_keys.epochs() {
            // An epoch's id is the hash of its record, so what has the same id is the same key.
            let open = previous.and_then(|previous| previous.shared(&epoch.role, &epoch.epoch));
            let open = open.or_else(|| {
                let sealed = epoch.wraps.get(&key.node_id())?;
                keyring.note(epoch, RoleSecret::unwrap(key, sealed, &epoch.recipient))
            });
            found.extend(open.and_then(|secret| keyring.add(epoch, secret)));
        }
        while let Some(newer) = found.pop() {
            let Some(link) = &newer.previous else { continue };
            let Some(epoch) = role_keys.get(&newer.role, &link.epoch) else { continue };
            if keyring.secret(&epoch.role, &epoch.epoch).is_some() {
                continue;
            }
            let Some(held) = keyring.shared(&newer.role, &newer.epoch) else { continue };
            let open = keyring.note(epoch, held.open_previous(&link.sealed, &epoch.recipient));
            found.extend(open.and_then(|secret| keyring.add(epoch, secret)));
        }
        keyring
    }

    /// Adds a key and says that it is new, unless there is no room.
    fn add<'e>(&mut self, epoch: &'e RoleEpoch, secret: Arc<RoleSecret>) -> Option<&'e RoleEpoch> {
        if self.count >= KEYS_MAX {
            return None;
        }
        let added = self.keys.entry(epoch.role.clone()).or_default().insert(epoch.epoch, secret).is_none();
        self.count += usize::from(added);
        added.then_some(epoch)
    }

    /// Keeps the reason if a key does not open.
    fn note(&mut self, epoch: &RoleEpoch, opened: Result<RoleSecret, Error>) -> Option<Arc<RoleSecret>> {
        match opened {
            Ok(secret) => Some(Arc::new(secret)),
            Err(error) => {
                if self.unopened.len() < UNOPENED_MAX {
                    let (role, epoch) = (epoch.role.clone(), epoch.epoch);
                    self.unopened.push(Unopened { role, epoch, reason: error.to_string() });
                }
                None
            }
        }
    }

    fn shared(&self, role: &str, epoch: &Hash) -> Option<Arc<RoleSecret>> {
        self.keys.get(role)?.get(epoch).cloned()
    }

    /// One key, if it is held.
    pub fn secret(&self, role: &str, epoch: &Hash) -> Option<&RoleSecret> {
        self.keys.get(role)?.get(epoch).map(Arc::as_ref)
    }

    /// Whether any key of a role is held.
    pub fn holds(&self, role: &str) -> bool {
        self.keys.contains_key(role)
    }

    /// The keys of a role that are held, by the id of their epoch. Which is the newest the charter says.
    pub fn epochs<'k>(&'k self, role: &str) -> impl Iterator<Item = (&'k Hash, &'k RoleSecret)> + use<'k> {
        self.keys.get(role).into_iter().flatten().map(|(epoch, secret)| (epoch, secret.as_ref()))
    }

    /// The names of the roles of which a key is held, in order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Every key that is held.
    pub fn secrets(&self) -> impl Iterator<Item = &RoleSecret> {
        self.keys.values().flat_map(BTreeMap::values).map(Arc::as_ref)
    }

    /// Keys that are meant for this node and do not open, the first [`UNOPENED_MAX`] of them.
    pub fn unopened(&self) -> &[Unopened] {
        &self.unopened
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.keys.iter().map(|(role, epochs)| (role, epochs.keys().collect::<Vec<_>>()));
        write!(f, "Keyring(secrets redacted) ")?;
        f.debug_map().entries(held).finish()
    }
}

/// The newest keyring of a node, shared by all who open and seal.
pub struct LiveKeyring {
    key: Arc<NodeKey>,
    newest: RwLock<Arc<Keyring>>,
}

impl LiveKeyring {
    /// A keyring without keys; they come with [`renew`](Self::renew).
    pub fn new(key: Arc<NodeKey>) -> Self {
        Self { key, newest: RwLock::default() }
    }

    /// The newest keyring.
    pub fn newest(&self) -> Arc<Keyring> {
        // Nothing can panic while the lock is held, so a poisoned one guards a whole keyring as well.
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens what this charter lets the node open, from now on for all who ask.
    pub fn renew(&self, role_keys: &RoleKeys) -> Arc<Keyring> {
        let before = self.newest();
        let keyring = Arc::new(Keyring::open(&self.key, role_keys, Some(&before)));
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = keyring.clone();
        keyring
    }
}

impl fmt::Debug for LiveKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveKeyring({}, {:?})", self.key.node_id(), self.newest())
    }
}
