//! The proofs, in their order.

use antiphon_core::charter::{Grant, GrantPath};
use antiphon_core::event::{Event, Unverified, signed_message};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::NodeClock;
use antiphon_core::sign;
use antiphon_core::time::UnixMillis;

use super::wire::Proof;
use super::{CHARTER_HEADS_MAX, Known, Local, Pin};
use crate::reason::Reason;

/// What a peer claims to be.
pub(super) struct Claim<'a> {
    /// The key it names; it must be the one the transport authenticated.
    pub(super) node: NodeId,
    /// Its team, where the message names it.
    pub(super) team: Option<TeamId>,
    /// Hash of its genome.
    pub(super) genome: Hash,
    /// What it shows.
    pub(super) proof: &'a Proof,
}

/// What a claim was found to prove.
pub(super) struct Proven {
    pub(super) grant: Grant,
    pub(super) store: StoreId,
    pub(super) pin: Pin,
    /// Whether the genomes are equal.
    pub(super) in_step: bool,
}

/// Checks key, team, charter, genome and store of a peer, in this order.
pub(super) fn check(local: &Local, known: &Known, claim: &Claim<'_>, now: UnixMillis) -> Result<Proven, Reason> {
    if known.node == local.node || claim.node != known.node {
        return Err(Reason::Auth);
    }
    if claim.team.is_some_and(|team| team != local.team) {
        return Err(Reason::GenomeMismatch);
    }
    let grant = check_charter(local, &known.node, claim.proof.path.as_ref(), now)?;
    let in_step = claim.genome == local.genome;
    if !in_step && claim.proof.charter == told_charter(local) {
        return Err(Reason::GenomeMismatch);
    }
    let store = claim.proof.store.ok_or(Reason::IdentityMissing)?;
    let pin = check_store(local, known, store, claim.proof.opening.as_ref())?;
    Ok(Proven { grant, store, pin, in_step })
}

/// The heads of the charter logs, as far as a message tells them.
pub(super) fn told_charter(local: &Local) -> NodeClock {
    local.charter.iter().take(CHARTER_HEADS_MAX).map(|(log, head)| (*log, *head)).collect()
}

/// The peer's standing grant, by the records of its path and those we hold together.
fn check_charter(local: &Local, node: &NodeId, path: Option<&GrantPath>, now: UnixMillis) -> Result<Grant, Reason> {
    // A removal needs no look at what the removed node shows.
    if local.membership().is_revoked(node) {
        return Err(Reason::Revoked);
    }
    let membership = match path {
        Some(path) => path.verify(&local.team, &local.records, node).map_err(|_| Reason::NotAMember)?,
        // Whoever lost its grant with the steward that signed it has nothing to show before it learns of the next one,
        // which it can only learn from us.
        None => local.records.shared_membership(),
    };
    Ok(membership.check(node, now)?.grant.clone())
}

/// Whether `store` is the pinned one, the first one, or one that follows the pinned one under the same key.
fn check_store(
    local: &Local,
    known: &Known,
    store: StoreId,
    opening: Option<&Event<Unverified>>,
) -> Result<Pin, Reason> {
    if known.pinned == Some(store) {
        return Ok(Pin::Same);
    }
    // Any other store must show by its opening event that it is this key's own.
    let event = opening.ok_or(Reason::IdentityMissing)?;
    if !opens(local, &known.node, store, event) {
        return Err(Reason::IdentityMismatch);
    }
    let previous = event.opening().and_then(|open| open.previous).map(|(previous, _)| previous);
    match known.pinned {
        None => Ok(Pin::First),
        Some(from) if previous == Some(from) => Ok(Pin::Moved { from }),
        Some(_) => Err(Reason::IdentityMismatch),
    }
}

/// Whether `event`, signed by `node`, opens `store` in this team.
fn opens(local: &Local, node: &NodeId, store: StoreId, event: &Event<Unverified>) -> bool {
    let header = event.header();
    let signed = |signature| sign::verify(node, &signed_message(&local.team, event.header_bytes()), signature);
    let derived = |open: antiphon_core::event::Open| {
        open.node == *node && StoreId::derive(&local.team, node, &open.nonce) == store
    };
    header.team == local.team
        && header.store == store
        && event.opening().is_some_and(derived)
        && event.signature().is_some_and(signed)
}
