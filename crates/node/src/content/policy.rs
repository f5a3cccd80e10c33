//! Who may store a document for a role, who may read it, and for whom it is encrypted.
//!
//! The cryptography says the same, since nobody gets a key of a role that it may not read. The policy says it earlier
//! and in words: before anything is encrypted, and before a byte of a ciphertext is fetched.

use antiphon_core::charter::Membership;
use antiphon_core::content::Recipients;
use antiphon_core::ids::NodeId;
use antiphon_core::roles::{Authority, Roles};

use crate::api::{ContentError, Error};
use crate::team::TeamState;

/// What the acting node is in its team.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rights<'a> {
    /// The roles of the team.
    roles: &'a Roles,
    /// Those that the node holds.
    held: &'a [String],
    /// Whether it is a steward: stewards hold every key.
    steward: bool,
}

impl<'a> Rights<'a> {
    /// What `node` is in its team.
    ///
    /// # Errors
    /// [`Error::NotAMember`] when the charter grants it nothing.
    pub(crate) fn of(team: &'a TeamState, node: &NodeId) -> Result<Self, Error> {
        let member = team.membership.member(node).ok_or(Error::NotAMember(*node))?;
        Ok(Self { roles: &team.roles, held: &member.grant.roles, steward: member.steward })
    }

    /// Whether the node may store a document of `role`.
    ///
    /// # Errors
    /// [`Error::UnknownRole`], [`ContentError::ReadOnly`], [`ContentError::NotHeld`].
    pub(crate) fn may_store(self, role: &str) -> Result<(), Error> {
        let rule = self.known(role)?;
        if rule == Authority::ReadOnly {
            return Err(ContentError::ReadOnly(role.to_owned()).into());
        }
        if self.held.iter().any(|held| held == role) {
            return Ok(());
        }
        // Somebody who may only read anyway is told so, whatever role is named.
        let only_reads = |held: &String| self.known(held).is_ok_and(|rule| rule == Authority::ReadOnly);
        if let [first, ..] = self.held
            && self.held.iter().all(only_reads)
        {
            return Err(ContentError::ReadOnly(first.clone()).into());
        }
        Err(ContentError::NotHeld { role: role.to_owned(), held: self.held.to_vec() }.into())
    }

    /// Whether the node may read documents of `role`.
    ///
    /// # Errors
    /// [`ContentError::CannotDecrypt`], which names the roles it holds.
    pub(crate) fn may_read(self, role: &str) -> Result<(), Error> {
        if self.reads(role) {
            return Ok(());
        }
        Err(ContentError::CannotDecrypt { held: self.held.to_vec(), role: role.to_owned() }.into())
    }

    /// The same as a plain question.
    pub(crate) fn reads(self, role: &str) -> bool {
        self.steward || self.roles.may_read(self.held, role)
    }

    fn known(self, role: &str) -> Result<Authority, Error> {
        let known = || self.roles.names().map(str::to_owned).collect();
        let rule = self.roles.get(role).map(|rule| rule.authority);
        rule.ok_or_else(|| Error::UnknownRole { role: role.to_owned(), known: known() })
    }
}

/// For whom a document of `role` is encrypted now: for the role, and for every other one that may read it.
///
/// # Errors
/// [`ContentError::NoKey`] when the role itself has no key that may be used.
pub(crate) fn recipients(roles: &Roles, membership: &Membership, role: &str) -> Result<Recipients, Error> {
    let found = antiphon_core::content::recipients(roles, membership, role);
    found.ok_or_else(|| ContentError::NoKey(role.to_owned()).into())
}

#[cfg(test)]
mod tests {
    use antiphon_core::genome::Genome;

    use super::*;

    fn roles() -> Roles {
        Roles::of(&Genome::found("acme", &[7; 32], &NodeId([1; 32])).unwrap())
    }

    fn rights<'a>(roles: &'a Roles, held: &'a [String]) -> Rights<'a> {
        Rights { roles, held, steward: false }
    }

    fn held(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_observer_stores_nothing_and_is_told_by_which_role() {
        let (roles, held) = (roles(), held(&["observer"]));
        let rights = rights(&roles, &held);
        for role in ["observer", "backend_developer"] {
            let refusal = rights.may_store(role).unwrap_err().to_string();
            assert_eq!(refusal, "role observer is read_only and cannot store content");
        }
        assert!(matches!(rights.may_store("king"), Err(Error::UnknownRole { .. })));
    }

    #[test]
    fn bob_stores_for_the_roles_he_holds_and_no_other() {
        let (roles, held) = (roles(), held(&["backend_developer", "observer"]));
        let rights = rights(&roles, &held);
        assert!(rights.may_store("backend_developer").is_ok());
        assert_eq!(
            rights.may_store("admin").unwrap_err().to_string(),
            "this node does not hold the role admin; it holds backend_developer, observer"
        );
        assert!(rights.may_store("observer").unwrap_err().to_string().contains("read_only"));
    }

    #[test]
    fn who_may_not_read_is_told_whose_content_it_is() {
        let (roles, held) = (roles(), held(&["technical_writer"]));
        let rights = rights(&roles, &held);
        assert!(rights.may_read("technical_writer").is_ok());
        let refusal = rights.may_read("backend_developer").unwrap_err().to_string();
        assert_eq!(refusal, "role technical_writer cannot decrypt content of role backend_developer");
        assert!(Rights { steward: true, ..rights }.may_read("backend_developer").is_ok());
    }

    #[test]
    fn without_any_key_the_steward_is_told_what_makes_one() {
        let membership = Membership::of(&antiphon_core::charter::Founders::one(NodeId([1; 32])), []);
        let refusal = recipients(&roles(), &membership, "backend_developer").unwrap_err();
        assert_eq!(refusal.to_string(), "role backend_developer has no key to encrypt with");
    }
}
