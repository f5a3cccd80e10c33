//! The role keys of this node, and what they open.
//!
//! The store tells the keyring of every change of the charter before it commits it, so whoever reads a fact after that
//! reads it with the keys of the new charter. What came earlier than its key is opened here, step by step beside the
//! other work of the writer, whenever the charter has changed.

use std::sync::Arc;

use antiphon_store::Store;
use antiphon_vault::{Keyring, LiveKeyring};

use crate::api::Error;
use crate::event_loop::Engine;
use crate::handle::Handle;
use crate::team::TeamState;

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
