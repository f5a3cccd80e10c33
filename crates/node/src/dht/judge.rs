//! What is let into the table: what the law lets in, by what this node knows.

use std::sync::{Arc, PoisonError, RwLock};

use antiphon_core::charter::Membership;
use antiphon_core::dht::{Knowledge, Pointer, Realm, Standing};
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_net::dht::{Judgement, Law, RecordJudge};
use antiphon_store::Glance;

use crate::clock::now;

/// Asked by the network for every record. The event loop tells it of every change of the team.
pub(crate) struct Judge {
    known: RwLock<Known>,
}

/// What is known now.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) realm: Realm,
    membership: Arc<Membership>,
    glance: Arc<Glance>,
}

impl Judge {
    pub(crate) fn new(realm: Realm, membership: Arc<Membership>, glance: Glance) -> Self {
        Self { known: RwLock::new(Known { realm, membership, glance: Arc::new(glance) }) }
    }

    /// The team is another one, or another one belongs to it.
    pub(super) fn know(&self, realm: Realm, membership: Arc<Membership>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        (known.realm, known.membership) = (realm, membership);
    }

    /// What is known now.
    pub(super) fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn law(&self) -> Law<Known> {
        let knowledge = self.known();
        Law { realm: knowledge.realm.clone(), knowledge }
    }
}

impl Knowledge for Known {
    fn is_member(&self, node: &NodeId) -> bool {
        self.membership.check(node, now()).is_ok()
    }

    fn standing(&self, pointer: &Pointer, version: u64) -> Standing {
        self.glance.standing(pointer, version).unwrap_or_else(|error| {
            tracing::error!(%error, "the index cannot be asked about a pointer");
            Standing::Unknown
        })
    }
}

impl RecordJudge for Judge {
    fn judge(&self, key: &[u8], value: &[u8], held: Option<&[u8]>, now: UnixMillis) -> Judgement {
        self.law().judge(key, value, held, now)
    }

    fn stands(&self, key: &[u8], value: &[u8]) -> bool {
        self.law().stands(key, value)
    }

    fn is_member(&self, node: &NodeId) -> bool {
        self.known().is_member(node)
    }
}
