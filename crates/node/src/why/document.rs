//! Why a peer cannot read a document: its place in the index, the peer's roles, the keys, and where the ciphertext is.

use antiphon_core::address::Address;
use antiphon_store::FactEntry;

use super::{Found, Known, SealedFor, There};

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
    /// The role that it was stored in, and what the peer can open of that.
    pub(crate) sealed: SealedFor,
    /// Its event, where it is held.
    pub(crate) entry: Option<FactEntry>,
    /// Whether the ciphertext is here.
    pub(crate) here: bool,
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
            let what = format!(
                "its author was never entitled to store for role {}, so it counts nowhere",
                version.sealed.role
            );
            found.blocks("auth", what, "antiphon team roles shows who may store for which role");
            return false;
        }
        self.entitled(&version.sealed, "decrypt content of role", "this version", found);
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
