//! Whether a peer can open what is sealed to a role: its roles, and the keys that it was given.

use antiphon_core::charter::{Membership, RoleEpoch};
use antiphon_core::ids::{Hash, NodeId};

use super::{Found, Known};
use crate::team::TeamState;

/// Most keys of a role that are followed back.
const EPOCHS_MAX: usize = 1_024;

/// What stands between a peer and what is sealed to a role.
#[derive(Debug, Clone)]
pub(crate) struct SealedFor {
    /// The role.
    pub(crate) role: String,
    /// Roles of the peer.
    pub(crate) peer_roles: Vec<String>,
    /// Whether these may read that role.
    pub(crate) peer_may: bool,
    /// Whether the peer was given a key that opens it.
    pub(crate) peer_opens: bool,
}

impl SealedFor {
    /// What `peer` can do with what is sealed to a role. `opens` is told which keys the peer gets at, and says
    /// whether these are enough.
    pub(crate) fn of(
        team: &TeamState,
        peer: &NodeId,
        role: String,
        opens: impl Fn(&dyn Fn(&str, &Hash) -> bool) -> bool,
    ) -> Self {
        let membership = &team.membership;
        Self {
            peer_roles: membership.member(peer).map(|member| member.grant.roles.clone()).unwrap_or_default(),
            peer_may: team.may_read(peer, &role),
            peer_opens: opens(&|role, epoch| can_open(membership, peer, role, epoch)),
            role,
        }
    }
}

/// Whether a member can get at a key of a role: it was given that one, or one from which it can go back to it.
fn can_open(membership: &Membership, node: &NodeId, role: &str, epoch: &Hash) -> bool {
    let keys = membership.role_keys();
    let leads_back = |newer: &RoleEpoch| {
        let mut at = Some(newer);
        for _ in 0..EPOCHS_MAX {
            match at {
                Some(key) if key.epoch == *epoch => return true,
                Some(key) => at = key.previous.as_ref().and_then(|previous| keys.get(role, &previous.epoch)),
                None => return false,
            }
        }
        false
    };
    keys.of_role(role).into_iter().filter(|key| key.wraps.contains_key(node)).any(leads_back)
}

impl Known {
    /// Whether the peer's roles and keys open it. Roles `cannot` do so, as in "read what is sealed to", and keys open `this`.
    pub(super) fn entitled(&self, sealed: &SealedFor, cannot: &str, this: &str, found: &mut Found) {
        let SealedFor { role, peer_roles: roles, .. } = sealed;
        if !sealed.peer_may {
            let held = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
            let wanted: Vec<&str> = roles.iter().map(String::as_str).chain([role.as_str()]).collect();
            let what = format!("{} holds {held}, which cannot {cannot} {role}", self.name());
            let fix = format!("antiphon team roles {} --set {}, on a steward", self.name(), wanted.join(","));
            found.blocks("wrong_role", what, fix);
        } else if !sealed.peer_opens {
            let what = format!("{} may read {role} and was not given a key that opens {this}", self.name());
            found.blocks("missing_key", what, format!("antiphon team renew {}, on a steward", self.name()));
        }
    }
}
