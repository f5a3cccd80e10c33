//! What the database knows when a node starts, and what of it changed since.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::replication::manager::{Evidence, Input, Member};
use antiphon_store::{Error as StoreError, Held, Replica, ReplicaEvidence, ReplicationKey, Store};

use super::presence::Presence;

/// Rows that are read or taken in one step.
const STEP: usize = 2_000;

/// A step of what the machine is told before anything else.
pub(super) enum Step {
    /// Ciphertexts.
    Keys(Vec<ReplicationKey>),
    /// What was shown of them.
    Replicas(Vec<Replica>),
}

/// Reads everything step by step; a step is asked for with the place where the one before ended.
pub(super) struct Reading {
    store: Store,
    keys: Option<Option<Hash>>,
    replicas: Option<(Hash, NodeId)>,
}

impl Reading {
    pub(super) const fn new(store: Store) -> Self {
        Self { store, keys: Some(None), replicas: None }
    }

    /// The next step; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Step>, StoreError> {
        if let Some(after) = self.keys.take() {
            let keys = self.store.read(move |reader| reader.replication_keys(after.as_ref(), STEP)).await?;
            if let Some(last) = keys.last() {
                self.keys = Some(Some(last.root));
                return Ok(Some(Step::Keys(keys)));
            }
        }
        let after = self.replicas;
        let replicas = self.store.read(move |reader| reader.replicas_page(after.as_ref(), STEP)).await?;
        self.replicas = replicas.last().map(|last| (last.root, last.node)).or(after);
        Ok(if replicas.is_empty() { None } else { Some(Step::Replicas(replicas)) })
    }
}

/// Takes what changed, at most one step of it; says whether there may be more.
pub(super) async fn changed(store: &Store) -> Result<(Vec<ReplicationKey>, bool), StoreError> {
    if !store.read(|reader| reader.replication_is_due()).await? {
        return Ok((Vec::new(), false));
    }
    let keys = store.share(|db| db.take_replication_due(STEP)).await?;
    let more = keys.len() >= STEP;
    Ok((keys, more))
}

/// What the machine is told of a ciphertext.
pub(super) fn of_key(key: &ReplicationKey) -> Vec<Input> {
    let root = key.root;
    let Some(need) = key.needed else { return vec![Input::Gone { root }] };
    let (length, priority, own, current) = (need.length, need.priority, need.own, need.current);
    let whole = key.held == Held::Whole;
    vec![Input::Key { root, length, priority, own, current }, Input::Held { root, whole }]
}

/// What it is told of a copy that was known before.
pub(super) fn of_replica(replica: &Replica) -> Input {
    let evidence = match replica.evidence {
        ReplicaEvidence::Proved => Evidence::Proved(replica.at),
        ReplicaEvidence::Claimed => Evidence::Claimed(replica.at),
        ReplicaEvidence::Missing => Evidence::Missing(replica.at),
        ReplicaEvidence::Wrong => Evidence::Wrong(replica.at),
    };
    let Replica { root, node, added_at, history, .. } = *replica;
    Input::Known { root, node, evidence, added_at, history }
}

/// The number under which the database keeps what was shown.
pub(super) const fn kept(evidence: Evidence) -> ReplicaEvidence {
    match evidence {
        Evidence::Proved(_) => ReplicaEvidence::Proved,
        Evidence::Claimed(_) => ReplicaEvidence::Claimed,
        Evidence::Missing(_) => ReplicaEvidence::Missing,
        Evidence::Wrong(_) => ReplicaEvidence::Wrong,
    }
}

/// What it is told of the members.
pub(super) fn of_members(presence: &Presence) -> Input {
    let member = |(node, here): (&NodeId, &super::presence::Here)| Member {
        node: *node,
        offers: here.offers,
        free_bytes: Some(here.free_bytes),
        connected: here.connected,
        away_since: here.away_since.unwrap_or(UnixMillis(0)),
    };
    Input::Members(presence.members.iter().map(member).collect())
}
