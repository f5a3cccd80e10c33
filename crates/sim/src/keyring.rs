//! Role keys: who can open what, made by the seed and opened by the vault.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use antiphon_core::charter::{Entry, GrantWrap, Member, Membership, Previous, Record, RoleEpoch, RoleKey, Wrap};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_vault::{NodeKey, RoleSecret};

use crate::failure::Step;
use crate::random::Random;
use crate::seal::{self, PREVIOUS_KIND, WRAP_KIND};

/// The roles of every world that has role keys.
pub(crate) const ROLES: [&str; 2] = ["admin", "backend_developer"];

/// Whether a member may read a role: it has it, or is a steward.
pub(crate) fn is_entitled(member: &Member, role: &str) -> bool {
    member.steward || member.grant.roles.iter().any(|own| own == role)
}

/// The secret half of a role key.
pub(crate) struct Opened {
    bytes: [u8; 32],
    pub(crate) role: RoleSecret,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.role.fmt(f)
    }
}

/// What somebody can open, by role and epoch.
pub(crate) type Ring = BTreeMap<(String, Hash), Rc<Opened>>;

/// A secret that is sealed somewhere, and what opens it.
struct Sealed<'a> {
    role: &'a str,
    epoch: Hash,
    recipient: &'a str,
    bytes: &'a [u8],
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// What each node could open of what it was shown, by what it was shown.
    opened: BTreeMap<(usize, Hash), Option<Rc<Opened>>>,
    /// What each node made itself.
    made: BTreeMap<usize, Vec<Rc<Opened>>>,
}

impl Keys {
    /// What a member can open of the keys that count.
    pub(crate) fn ring(&mut self, node: usize, key: &NodeKey, membership: &Membership) -> Ring {
        let (id, mut ring) = (key.node_id(), Ring::new());
        for epoch in membership.role_keys().epochs() {
            if let Some(bytes) = epoch.wraps.get(&id) {
                let sealed = Sealed { role: &epoch.role, epoch: epoch.epoch, recipient: &epoch.recipient, bytes };
                self.unwrap(node, key, &sealed, &mut ring);
            }
        }
        let previous: Vec<(&RoleEpoch, &Previous)> =
            membership.role_keys().epochs().filter_map(|epoch| Some((epoch, epoch.previous.as_ref()?))).collect();
        let older = |role: &str, previous: &Previous| {
            membership.role_keys().get(role, &previous.epoch).map(|older| older.recipient.clone())
        };
        let chain: Vec<(&str, Hash, &Previous, String)> = previous
            .into_iter()
            .filter_map(|(epoch, link)| Some((epoch.role.as_str(), epoch.epoch, link, older(&epoch.role, link)?)))
            .collect();
        self.walk_back(node, &chain, &mut ring);
        ring
    }

    /// Everything that somebody can get at who sees all these records, whether they count or not.
    pub(crate) fn all_of<'e>(
        &mut self,
        node: usize,
        key: &NodeKey,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Vec<Rc<Opened>> {
        let (id, mut ring) = (key.node_id(), Ring::new());
        let (mut keys, mut granted): (Vec<(Hash, &RoleKey)>, Vec<&GrantWrap>) = (Vec::new(), Vec::new());
        for entry in entries {
            match &entry.record {
                Record::RoleKey(made) => keys.push((entry.hash, made)),
                Record::Revoke(revoke) => keys.extend(revoke.role_keys.iter().map(|made| (entry.hash, made))),
                Record::Grant(grant) if grant.node == id => granted.extend(&grant.wraps),
                _ => {}
            }
        }
        for (epoch, made) in &keys {
            let wraps = made.wraps.iter().filter(|wrap| wrap.node == id).map(|wrap| &wrap.sealed);
            let granted = granted.iter().filter(|wrap| wrap.epoch == *epoch && wrap.role == made.role);
            for bytes in wraps.chain(granted.map(|wrap| &wrap.sealed)) {
                let sealed = Sealed { role: &made.role, epoch: *epoch, recipient: &made.recipient, bytes };
                self.unwrap(node, key, &sealed, &mut ring);
            }
            let own = self.made.get(&node).into_iter().flatten().find(|own| own.role.recipient() == made.recipient);
            if let Some(own) = own {
                ring.insert((made.role.clone(), *epoch), own.clone());
            }
        }
        let older = |role: &str, previous: &Previous| {
            let older = keys.iter().find(|(epoch, made)| *epoch == previous.epoch && made.role == role);
            older.map(|(_, made)| made.recipient.clone())
        };
        let chain: Vec<(&str, Hash, &Previous, String)> = keys
            .iter()
            .filter_map(|(epoch, made)| {
                let link = made.previous.as_ref()?;
                Some((made.role.as_str(), *epoch, link, older(&made.role, link)?))
            })
            .collect();
        self.walk_back(node, &chain, &mut ring);
        let own = self.made.get(&node).cloned().unwrap_or_default();
        ring.into_values().chain(own).collect()
    }

    fn unwrap(&mut self, node: usize, key: &NodeKey, sealed: &Sealed<'_>, ring: &mut Ring) {
        let open = || {
            let role = RoleSecret::unwrap(key, sealed.bytes, sealed.recipient).ok()?;
            opened(&key.open_sealed(sealed.bytes).ok()?, role)
        };
        self.open(node, sealed, open, ring);
    }

    /// Opens older keys by newer ones as far as that goes: epochs with what they bring of which older one.
    fn walk_back(&mut self, node: usize, chain: &[(&str, Hash, &Previous, String)], ring: &mut Ring) {
        loop {
            let before = ring.len();
            for (role, epoch, link, recipient) in chain {
                let Some(newer) = ring.get(&((*role).to_owned(), *epoch)).cloned() else { continue };
                let sealed = Sealed { role, epoch: link.epoch, recipient, bytes: &link.sealed };
                let open = || {
                    let older = newer.role.open_previous(sealed.bytes, sealed.recipient).ok()?;
                    opened(&newer.role.open_sealed(sealed.bytes).ok()?, older)
                };
                self.open(node, &sealed, open, ring);
            }
            if ring.len() == before {
                return;
            }
        }
    }

    fn open(&mut self, node: usize, sealed: &Sealed<'_>, open: impl FnOnce() -> Option<Opened>, ring: &mut Ring) {
        let name = (sealed.role.to_owned(), sealed.epoch);
        if ring.contains_key(&name) {
            return;
        }
        let shown = Hash::of(&[sealed.bytes, sealed.recipient.as_bytes()].concat());
        let opened = self.opened.entry((node, shown)).or_insert_with(|| open().map(Rc::new));
        if let Some(opened) = opened {
            ring.insert(name, opened.clone());
        }
    }

    /// A new key of a role for everybody who may read it, but for `without`. It opens the history as far as its maker
    /// can, unless it is `fresh`.
    pub(crate) fn make(&mut self, maker: &Maker<'_>, role: &str, without: &[NodeId], fresh: bool) -> Step<RoleKey> {
        let mut random = maker.random.clone().fork_of(role);
        let bytes = seal::secret(&mut random);
        let recipient = seal::recipient(bytes)?;
        let mut wraps = Vec::new();
        for (id, member) in maker.membership.members() {
            if is_entitled(member, role) && !without.contains(id) {
                let sealed = seal::seal_secret(WRAP_KIND, bytes, &member.grant.recipient, &mut random)?;
                wraps.push(Wrap { node: *id, sealed });
            }
        }
        let keys = maker.membership.role_keys().of_role(role);
        let older = keys.iter().find_map(|key| Some((key.epoch, maker.ring.get(&(role.to_owned(), key.epoch))?)));
        let previous = match older.filter(|_| !fresh) {
            Some((epoch, older)) => Some(Previous {
                epoch,
                sealed: seal::seal_secret(PREVIOUS_KIND, older.bytes, &recipient, &mut random)?,
            }),
            None => None,
        };
        // The maker knows what it made, whether it wraps it to itself or not.
        let own = seal::seal_secret(WRAP_KIND, bytes, &maker.key.age_recipient(), &mut random)?;
        if let Some(own) =
            RoleSecret::unwrap(maker.key, &own, &recipient).ok().map(|role| Rc::new(Opened { bytes, role }))
        {
            self.made.entry(maker.node).or_default().push(own);
        }
        Ok(RoleKey { role: role.to_owned(), recipient, wraps, previous })
    }
}

fn opened(plaintext: &[u8], role: RoleSecret) -> Option<Opened> {
    let bytes = plaintext.get(WRAP_KIND.len()..)?.try_into().ok()?;
    Some(Opened { bytes, role })
}

/// Who makes keys, and what it knows.
pub(crate) struct Maker<'a> {
    pub(crate) node: usize,
    pub(crate) key: &'a NodeKey,
    pub(crate) membership: &'a Membership,
    pub(crate) ring: Ring,
    pub(crate) random: Random,
}

impl Maker<'_> {
    /// The keys that a member gets with its grant: the ones to encrypt with, of every role it may read.
    pub(crate) fn wraps(&self, recipient: &str, roles: &[String], steward: bool) -> Step<Vec<GrantWrap>> {
        let mut wraps = Vec::new();
        for role in ROLES.into_iter().filter(|role| steward || roles.iter().any(|own| own == role)) {
            let Some(key) = self.membership.role_key(role) else { continue };
            let Some(opened) = self.ring.get(&(role.to_owned(), key.epoch)) else { continue };
            let mut random = self.random.clone().fork_of(role);
            let sealed = seal::seal_secret(WRAP_KIND, opened.bytes, recipient, &mut random)?;
            wraps.push(GrantWrap { role: role.to_owned(), epoch: key.epoch, sealed });
        }
        Ok(wraps)
    }
}
