//! Why a peer cannot read a document: its place in the index, the peer's roles, the keys, and where the ciphertext is.

use antiphon_core::address::Address;
use antiphon_core::charter::{Membership, RoleEpoch};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_store::FactEntry;

use super::{Found, Known, There};

/// Most keys of a role that are followed back.
const EPOCHS_MAX: usize = 1_024;

/// What is known of the document that was asked about.
#[derive(Debug, Clone)]
pub(crate) struct KnownDocument {
    pub(crate) address: Address,
    /// The version that was asked about, if the index here has it.
    pub(crate) version: Option<KnownVersion>,
}

/// What is known of that version.
#[derive(Debug, Clone)]
pub(crate) struct KnownVersion {
    pub(crate) number: u64,
    pub(crate) removed: bool,
    pub(crate) unauthorised: bool,
    /// The role that it was stored in.
    pub(crate) role: String,
    /// Its event, where it is held.
    pub(crate) entry: Option<FactEntry>,
    /// Roles of the peer.
    pub(crate) peer_roles: Vec<String>,
    /// Whether these may read that role.
    pub(crate) peer_may: bool,
    /// Whether the peer was given a key that opens it.
    pub(crate) peer_opens: bool,
    /// Whether the ciphertext is here.
    pub(crate) here: bool,
}

/// Whether a member can get at a key of a role: it was given that one, or one from which it can go back to it.
pub(crate) fn can_open(membership: &Membership, node: &NodeId, role: &str, epoch: &Hash) -> bool {
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
    /// Whether the peer can read the document, and what keeps it from that.
    pub(super) fn of_document(&self, document: &KnownDocument, found: &mut Found) -> bool {
        let Some(version) = &document.version else {
            found.says("unknown_here", format!("the index of this node has nothing at {}", document.address));
            self.set(false, found);
            self.reach(found);
            return false;
        };
        if version.removed {
            let what = format!("version {} was taken away, so nobody is given it", version.number);
            found.blocks("removed", what, format!("antiphon content put {} FILE --as ROLE", document.address));
            return false;
        }
        if version.unauthorised {
            let what =
                format!("its author was never entitled to store for role {}, so it counts nowhere", version.role);
            found.blocks("auth", what, "antiphon team roles shows who may store for which role");
            return false;
        }
        self.entitled(version, found);
        let listed = self.listed(document, version, found);
        if version.here {
            found.says("held_here", "this node holds its ciphertext and gives it to every member");
        } else {
            let fix = format!("antiphon content providers {}", document.address);
            let what = "this node does not hold its ciphertext, so the peer must get it from another member";
            found.0.push(crate::api::Finding {
                code: "held_elsewhere",
                what: what.into(),
                fix: Some(fix),
                blocks: false,
            });
        }
        listed && !found.is_blocked()
    }

    /// Whether the peer's roles and keys open it.
    fn entitled(&self, version: &KnownVersion, found: &mut Found) {
        let role = &version.role;
        if !version.peer_may {
            let roles = &version.peer_roles;
            let held = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
            let wanted: Vec<&str> = roles.iter().map(String::as_str).chain([role.as_str()]).collect();
            let fix = format!("antiphon team roles {} --set {}, on a steward", self.name(), wanted.join(","));
            let what = format!("{} holds {held}, which cannot decrypt content of role {role}", self.name());
            found.blocks("wrong_role", what, fix);
        } else if !version.peer_opens {
            let what = format!("{} may read {role} and was not given a key that opens this version", self.name());
            found.blocks("missing_key", what, format!("antiphon team renew {}, on a steward", self.name()));
        }
    }

    /// Whether the peer knows of the version.
    fn listed(&self, document: &KnownDocument, version: &KnownVersion, found: &mut Found) -> bool {
        let Some(entry) = &version.entry else { return false };
        match self.entry_there(entry) {
            There::Signed(_) | There::Acknowledged => {
                self.reach(found);
                found.says("listed", format!("{} has it in its index", self.name()));
                return true;
            }
            There::Header | There::Stuck(_) => {
                self.reach(found);
                self.header_only(found);
            }
            There::Behind(count, log) => {
                self.set(true, found);
                self.reach(found);
                self.behind(count, &log, found);
            }
            There::Untold => {
                self.set(true, found);
                self.reach(found);
                if !found.is_blocked() {
                    let what = format!("{} has not said yet what it holds", self.name());
                    found.blocks("unheard", what, format!("antiphon why {} {}", document.address, self.name()));
                }
            }
        }
        false
    }
}
