//! For whom a document is encrypted.
//!
//! A document of a role is read by whoever holds the role, and by every role that may read it. Each has a key of its
//! own, and only a key that nobody who was removed ever had may be used: [`Membership::role_key`] knows which. So what is
//! stored after a removal is closed to the removed, as far as whoever stores it knows of the removal.

use crate::charter::Membership;
use crate::ids::{Hash, NodeId};
use crate::roles::Roles;

/// One role that a document is encrypted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its name.
    pub role: String,
    /// Which of its keys.
    pub epoch: Hash,
    /// The public half of it.
    pub key: String,
}

/// Why a role that may read a document is not among those it is encrypted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOutWhy {
    /// Nobody holds it, so nobody ever needed a key of it.
    NoMembers,
    /// Whoever holds it was given the key of the creator role itself, and reads it with that.
    CreatorKey,
    /// Somebody holds it who has neither.
    NoKey,
}

/// A role that may read a document and that it is not encrypted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub role: String,
    /// Why.
    pub why: LeftOutWhy,
}

/// For whom a document is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients {
    /// The creator role first, then the others by name.
    pub roles: Vec<Recipient>,
    /// Roles that may read it and have no key to encrypt with.
    pub left_out: Vec<LeftOut>,
}

/// For whom a document of `role` is encrypted now: for the role, and for every other one that may read it. `None` when
/// the role itself has no key that may be used.
pub fn recipients(roles: &Roles, membership: &Membership, role: &str) -> Option<Recipients> {
    let key_of = |name: &str| {
        membership.role_key(name).map(|key| Recipient {
            role: name.to_owned(),
            epoch: key.epoch,
            key: key.recipient.clone(),
        })
    };
    let own = key_of(role)?;
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
    Some(Recipients { roles: found, left_out })
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
