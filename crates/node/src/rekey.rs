//! Role keys as a steward hands them out: making them, wrapping them, replacing them.
//!
//! Whoever may read a role gets its key: the members that have the role or one that may decrypt it, and every steward.
//! A key is made when somebody is granted who needs one and there is none to give, and replaced when anybody is removed
//! or somebody who holds it loses the role.

use antiphon_core::charter::{Grant, GrantWrap, Member, Membership, Previous, RoleEpoch, RoleKey, Wrap};
use antiphon_core::ids::NodeId;
use antiphon_core::roles::Roles;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::handshake::Local;
use antiphon_vault::{NodeKey, RoleSecret};

use crate::api::Error;

/// What a steward needs to make and wrap role keys.
pub(crate) struct KeyMaker<'a> {
    pub(crate) local: &'a Local,
    pub(crate) roles: &'a Roles,
    pub(crate) key: &'a NodeKey,
    pub(crate) now: UnixMillis,
}

/// A member that is going to be granted something.
pub(crate) struct Grantee<'a> {
    pub(crate) node: NodeId,
    pub(crate) recipient: &'a str,
    pub(crate) roles: &'a [String],
    pub(crate) steward: bool,
}

/// The keys that a grant brings: those that must be made before it, and those that it wraps.
pub(crate) struct Provision {
    pub(crate) made: Vec<RoleKey>,
    pub(crate) wraps: Vec<GrantWrap>,
}

impl KeyMaker<'_> {
    fn membership(&self) -> &Membership {
        self.local.membership()
    }

    /// The secret half of a key that may be handed on. Whoever lacks records that its maker had seen may not know of a
    /// removal that others rely on the maker to have known.
    fn handed_on(&self, epoch: &RoleEpoch) -> Option<RoleSecret> {
        if self.local.holds(epoch.seen()) { self.open(epoch) } else { None }
    }

    /// The secret half of a key, if this node holds it.
    pub(crate) fn open(&self, epoch: &RoleEpoch) -> Option<RoleSecret> {
        let sealed = epoch.wraps.get(&self.key.node_id())?;
        let opened = RoleSecret::unwrap(self.key, sealed, &epoch.recipient);
        opened.inspect_err(|error| tracing::warn!(role = epoch.role, %error, "a role key does not open")).ok()
    }

    /// Everybody who may read a role, with the recipient to wrap its key to, but for those who `go`.
    fn entitled(&self, role: &str, go: &[NodeId]) -> Vec<(NodeId, &str)> {
        let may = |member: &Member| member.steward || self.roles.may_read(&member.grant.roles, role);
        let present = |member: &Member| self.now <= member.grant.not_after;
        let members =
            self.membership().members().filter(|(node, member)| !go.contains(node) && present(member) && may(member));
        members.map(|(node, member)| (*node, member.grant.recipient.as_str())).collect()
    }

    /// A new key of a role for everybody who may read it, but for those who `go`, and for `comes` too. It opens the
    /// history unless it is to be `fresh`.
    pub(crate) fn make(
        &self,
        role: &str,
        go: &[NodeId],
        comes: Option<(NodeId, &str)>,
        fresh: bool,
    ) -> Result<RoleKey, Error> {
        let secret = RoleSecret::generate()?;
        let mut holders = self.entitled(role, go);
        if let Some(comes) = comes.filter(|(node, _)| !holders.iter().any(|(holder, _)| holder == node)) {
            holders.push(comes);
        }
        let mut wraps = Vec::with_capacity(holders.len());
        for (node, recipient) in holders {
            match secret.wrap_for(recipient) {
                Ok(sealed) => wraps.push(Wrap { node, sealed }),
                // One member whose recipient nobody can seal to must not keep the others without a key.
                Err(error) => tracing::warn!(peer = %node, %error, "a member cannot be given a role key"),
            }
        }
        let newest = self.membership().role_keys().of_role(role).into_iter().next();
        let previous = match newest.filter(|_| !fresh).and_then(|newest| Some((newest, self.handed_on(newest)?))) {
            Some((newest, old)) => {
                Some(Previous { epoch: newest.epoch, sealed: old.wrap_previous(&secret.recipient())? })
            }
            None => None,
        };
        Ok(RoleKey { role: role.to_owned(), recipient: secret.recipient(), wraps, previous })
    }

    /// The keys of every role that a grantee may read.
    pub(crate) fn provide(&self, grantee: &Grantee<'_>) -> Result<Provision, Error> {
        let readable = self.roles.readable(grantee.roles);
        let mut provision = Provision { made: Vec::new(), wraps: Vec::new() };
        for role in self.roles.names() {
            let reads = readable.iter().any(|readable| readable == role);
            match self.membership().role_key(role) {
                // A steward reads every role there is a key of; the others get keys when somebody needs them.
                None if reads => {
                    let comes = Some((grantee.node, grantee.recipient));
                    provision.made.push(self.make(role, &[], comes, false)?);
                }
                Some(epoch) if (reads || grantee.steward) && !epoch.wraps.contains_key(&grantee.node) => {
                    match self.handed_on(epoch) {
                        Some(secret) => provision.wraps.push(GrantWrap {
                            role: role.to_owned(),
                            epoch: epoch.epoch,
                            sealed: secret.wrap_for(grantee.recipient)?,
                        }),
                        None => {
                            let comes = Some((grantee.node, grantee.recipient));
                            provision.made.push(self.make(role, &[], comes, false)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(provision)
    }

    /// New keys of every role that has one, for everybody but `node`: also of those that it does not hold, since another
    /// steward may let it read them before that one hears of the removal.
    pub(crate) fn without(&self, node: NodeId) -> Result<Vec<RoleKey>, Error> {
        self.with_keys().into_iter().map(|role| self.make(role, &[node], None, false)).collect()
    }

    /// New keys of every role whose present key `node` holds and may not read with these roles.
    pub(crate) fn lost(&self, node: NodeId, roles: &[String], steward: bool) -> Result<Vec<RoleKey>, Error> {
        let lost = |role: &&str| {
            let newest = self.membership().role_keys().of_role(role).into_iter().next();
            let held = newest.is_some_and(|epoch| epoch.wraps.contains_key(&node));
            held && !steward && !self.roles.may_read(roles, role)
        };
        self.with_keys().into_iter().filter(lost).map(|role| self.make(role, &[node], None, false)).collect()
    }

    /// New keys of the roles that have keys, none of which may be used any more.
    pub(crate) fn missing(&self) -> Result<Vec<RoleKey>, Error> {
        let unusable = |role: &&str| self.membership().role_key(role).is_none();
        self.with_keys().into_iter().filter(unusable).map(|role| self.make(role, &[], None, false)).collect()
    }

    /// The roles that ever had a key, also those whose gene is gone from sight: what has a key has secrets.
    fn with_keys(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self.membership().role_keys().epochs().map(|epoch| epoch.role.as_str()).collect();
        roles.dedup();
        roles
    }

    /// Roles whose present key a member may read and does not hold.
    pub(crate) fn lacking(&self, node: &NodeId, member: &Member) -> Vec<String> {
        let lacks = |role: &&str| {
            let reads = member.steward || self.roles.may_read(&member.grant.roles, role);
            reads && self.membership().role_key(role).is_some_and(|epoch| !epoch.wraps.contains_key(node))
        };
        self.roles.names().filter(lacks).map(str::to_owned).collect()
    }

    /// The grant with the keys that it brings, after the records that must be written before it.
    pub(crate) fn grant(&self, grant: Grant, steward: bool) -> Result<(Vec<RoleKey>, Grant), Error> {
        let Grant { node, recipient, roles, .. } = &grant;
        let Provision { made, wraps } = self.provide(&Grantee { node: *node, recipient, roles, steward })?;
        Ok((made, Grant { wraps, ..grant }))
    }
}
