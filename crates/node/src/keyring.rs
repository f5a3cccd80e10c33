//! The role keys of this node, and what they open.
//!
//! The store tells the keyring of every change of the charter before it commits it, so whoever reads a fact after that
//! reads it with the keys of the new charter. What came earlier than its key is opened here, step by step beside the
//! other work of the writer, whenever the charter has changed. Where the charter leaves a role without a key, a steward's
//! node makes one.

use std::sync::Arc;

use antiphon_core::time::UnixMillis;
use antiphon_store::Store;
use antiphon_vault::{Keyring, LiveKeyring};

use crate::api::Error;
use crate::event_loop::Engine;
use crate::handle::Handle;
use crate::stewards::mend_keys;
use crate::team::TeamState;

/// How long a role may be without a key that can be used before a steward makes one, for each steward of an older right
/// and once more, in milliseconds: what comes with a change of the charter comes within it, and seldom two make one.
const KEYLESS_MS: u64 = 5_000;
/// Facts that are opened in one transaction, so that writers do not wait long for it.
const OPENED_PER_STEP: usize = 256;

impl Handle {
    /// The role keys that this node holds now.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.shared.keys.newest()
    }

    /// Whether there is such a role to seal a fact to. Whether this node may, the store says. A steward's node makes the key
    /// that a role lacks, so that nobody has to know of keys before the first fact.
    ///
    /// # Errors
    /// [`Error::UnknownRole`], and what keeps a steward from changing the charter.
    pub async fn check_role(&self, role: &str) -> Result<(), Error> {
        self.with_key(role).await.map(drop)
    }

    /// The team, where this role has a key if this node can make one.
    pub(crate) async fn with_key(&self, role: &str) -> Result<TeamState, Error> {
        let team = self.team().await?;
        team.need_role(role)?;
        if team.membership.role_key(role).is_some() || !team.membership.is_steward(&team.own.node) {
            return Ok(team);
        }
        self.rotate_role(role, false).await?;
        self.team().await
    }
}

impl Engine {
    /// Opens what came before its key did.
    pub(crate) fn open_closed(&mut self) {
        for unopened in self.keys.newest().unopened() {
            tracing::warn!(role = unopened.role, epoch = %unopened.epoch, reason = unopened.reason, "a role key does not open");
        }
        let store = self.store.clone();
        self.tasks.spawn(open_all(store));
    }

    /// Notes since when a role has keys none of which may be used: two stewards removed somebody at once, or a grant turned
    /// out to be void.
    pub(crate) fn note_keyless(&mut self, at: UnixMillis) {
        let lacks = !keyless(&self.team).is_empty();
        self.keyless_since = lacks.then(|| self.keyless_since.unwrap_or(at));
    }

    /// A steward makes the keys that roles lack, the older its right the sooner. Without members around it waits: others
    /// may have made them already.
    pub(crate) fn tend_role_keys(&mut self, at: UnixMillis) {
        let Some(since) = self.keyless_since else { return };
        let (own, stewards) = (self.team.own.node, self.team.membership.stewards());
        let Some(place) = stewards.iter().position(|steward| *steward == own) else { return };
        if self.sessions.is_empty() || at.since(since) < KEYLESS_MS.saturating_mul(place as u64 + 1) {
            return;
        }
        self.keyless_since = Some(at);
        let (store, key) = (self.store.clone(), self.key.clone());
        self.tasks.spawn(async move {
            if let Err(error) = mend_keys(&store, key).await {
                tracing::warn!(%error, "a role has no key that may be used, and none could be made");
            }
        });
    }
}

/// Roles that have keys none of which may be used.
pub(crate) fn keyless(team: &TeamState) -> Vec<String> {
    let without = |role: &&str| {
        let (keys, usable) = (team.membership.role_keys().of_role(role), team.membership.role_key(role));
        !keys.is_empty() && usable.is_none() && team.membership.critical().is_none()
    };
    team.roles.names().filter(without).map(str::to_owned).collect()
}

async fn open_all(store: Store) {
    loop {
        match store.write(|db| db.open_closed(OPENED_PER_STEP)).await {
            Ok(0) => return,
            Ok(_) => {}
            // It stays closed, and noted: the next change of the charter or the next start tries again.
            Err(error) if error.is_closed() => return,
            Err(error) => return tracing::error!(%error, "what was closed cannot be opened"),
        }
    }
}

/// The keyring of a node, empty until the store has read its charter.
pub(crate) fn of(key: &Arc<antiphon_vault::NodeKey>) -> Arc<LiveKeyring> {
    Arc::new(LiveKeyring::new(key.clone()))
}
