//! Who may store a document for a role, who may read it, and for whom it is encrypted.
//!
//! The cryptography says the same, since nobody gets a key of a role that it may not read. The policy says it earlier
//! and in words: before anything is encrypted, and before a byte of a ciphertext is fetched.

use antiphon_core::charter::Membership;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::roles::{Authority, Roles};

use crate::api::{ContentError, Error, LeftOut, LeftOutWhy};
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

/// One role that a document is encrypted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    /// Its name.
    pub(crate) role: String,
    /// Which of its keys.
    pub(crate) epoch: Hash,
    /// The public half of it.
    pub(crate) key: String,
}

/// For whom a document is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipients {
    /// The creator role first, then the others by name.
    pub(crate) roles: Vec<Recipient>,
    /// Roles that may read it and have no key to encrypt with.
    pub(crate) left_out: Vec<LeftOut>,
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
    let key_of = |name: &str| {
        membership.role_key(name).map(|key| Recipient {
            role: name.to_owned(),
            epoch: key.epoch,
            key: key.recipient.clone(),
        })
    };
    let own = key_of(role).ok_or_else(|| ContentError::NoKey(role.to_owned()))?;
    let holders = membership.role_key(role).map(|key| &key.wraps);
    let holds = |node: &NodeId| holders.is_some_and(|wraps| wraps.contains_key(node));
    let (mut found, mut left_out) = (vec![own], Vec::new());
    let readers = roles.names().filter(|name| *name != role && roles.may_read(&[(*name).to_owned()], role));
    for name in readers {
        match key_of(name) {
            Some(recipient) => found.push(recipient),
            None => left_out.push(LeftOut { role: name.to_owned(), why: why_left_out(membership, name, holds) }),
        }
    }
    Ok(Recipients { roles: found, left_out })
}

/// `holds` says who was given the key of the creator role.
fn why_left_out(membership: &Membership, role: &str, holds: impl Fn(&NodeId) -> bool) -> LeftOutWhy {
    let has = |held: &[String]| held.iter().any(|held| held == role);
    let mut members = membership.members().filter(|(_, member)| has(&member.grant.roles)).peekable();
    if members.peek().is_none() {
        LeftOutWhy::NoMembers
    } else if members.all(|(node, _)| holds(node)) {
        LeftOutWhy::CreatorKey
    } else {
        LeftOutWhy::NoKey
    }
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
