//! Membership as a function of the set of charter records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cuts::Removal;
use super::keys::RoleKeys;
use super::record::{Entry, Record};
use super::stewards::{Age, Founders, Pending, Stewards};
use super::{CRITICAL, Grant};
use crate::cbor;
use crate::genome::GENES_MAX;
use crate::ids::{Hash, NodeId, StoreId};
use crate::time::UnixMillis;
use crate::vclock::VClock;

/// Why a node may not speak for the team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No grant names it.
    #[error("not a member of this team")]
    NotAMember,
    /// Its grant is over.
    #[error("its grant expired")]
    Expired,
    /// It was removed for good.
    #[error("it was revoked")]
    Revoked,
}

/// A member as the charter knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its standing grant.
    pub grant: Grant,
    /// Hash of the record that granted it.
    pub record: Hash,
    /// Whether it may sign membership.
    pub steward: bool,
}

/// Who is a member, by the records that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    founders: Founders,
    members: BTreeMap<NodeId, Member>,
    /// Stewards from the oldest right to the youngest.
    stewards: Vec<NodeId>,
    /// Keys that may have a charter log: those that a change ever named a steward.
    ever_stewards: BTreeSet<NodeId>,
    /// Keys that may have other logs: those that a grant ever named.
    ever_members: BTreeSet<NodeId>,
    /// Roles that grants which count ever named, also those of removed members.
    ever_held: BTreeMap<NodeId, BTreeSet<String>>,
    /// Records that prove each member's grant.
    grounds: BTreeMap<NodeId, Vec<Hash>>,
    revoked: BTreeMap<NodeId, Removal>,
    role_keys: Arc<RoleKeys>,
    genes: BTreeMap<String, String>,
    pending: Vec<Pending>,
    critical: Option<u64>,
}

impl Membership {
    /// The membership that `entries` make in a team that was founded with `founders`. The order does not matter.
    pub fn of<'e>(founders: &Founders, entries: impl IntoIterator<Item = &'e Entry>) -> Self {
        let entries: BTreeMap<Hash, &Entry> = entries.into_iter().map(|entry| (entry.hash, entry)).collect();
        let ever_stewards = ever_stewards(founders, &entries);
        let entries = honest(&entries, &ever_stewards);
        let stewards = Stewards::of(founders, &entries);
        let counted: Vec<(&Entry, Age)> =
            entries.iter().filter_map(|entry| Some((*entry, stewards.weight(entry)?))).collect();
        let mut revoked: BTreeMap<NodeId, Removal> = BTreeMap::new();
        for (entry, age) in &counted {
            if let Record::Revoke(revoke) = &entry.record {
                revoked.entry(revoke.node).or_default().add(entry, revoke, *age, stewards.consent(entry));
            }
        }
        revoked.values_mut().for_each(Removal::settle);
        let members = members(&counted, &revoked, &stewards);
        let critical = counted.iter().filter_map(|(entry, _)| match &entry.record {
            Record::Unknown(number) if number & CRITICAL != 0 => Some(*number),
            _ => None,
        });
        let mut by_age: Vec<(Age, NodeId)> = stewards.now().iter().map(|(node, age)| (*age, *node)).collect();
        by_age.sort_unstable();
        let ever_members = ever_members(&ever_stewards, &entries);
        let grounds = grounds(&members, &entries, &stewards);
        Self {
            founders: founders.clone(),
            ever_stewards,
            ever_members,
            ever_held: ever_held(&counted),
            grounds,
            stewards: by_age.into_iter().map(|(_, node)| node).collect(),
            role_keys: Arc::new(RoleKeys::of(&counted, &entries)),
            genes: genes(&counted),
            pending: stewards.pending(),
            critical: critical.min(),
            members,
            revoked,
        }
    }

    /// Whether `node` may speak for the team at `now`.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    pub fn check(&self, node: &NodeId, now: UnixMillis) -> Result<&Member, Refusal> {
        if self.is_revoked(node) {
            return Err(Refusal::Revoked);
        }
        let member = self.members.get(node).ok_or(Refusal::NotAMember)?;
        if now > member.grant.not_after { Err(Refusal::Expired) } else { Ok(member) }
    }

    /// A member that was not revoked, also one whose grant is over.
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(node)
    }

    /// Whether `node` was removed.
    pub fn is_revoked(&self, node: &NodeId) -> bool {
        self.revoked.contains_key(node)
    }

    /// Whether the author of `record`, who had `seen` this much, knew of every removal.
    pub(super) fn knew_removals(&self, record: &Hash, seen: &VClock) -> bool {
        self.revoked.values().all(|removal| removal.was_known_to(record, seen))
    }

    /// How `node` was removed, if it was.
    pub fn removal(&self, node: &NodeId) -> Option<&Removal> {
        self.revoked.get(node)
    }

    /// Whether `node` may sign membership.
    pub fn is_steward(&self, node: &NodeId) -> bool {
        self.stewards.contains(node)
    }

    /// The stewards, from the oldest right to the youngest.
    pub fn stewards(&self) -> &[NodeId] {
        &self.stewards
    }

    /// Keys that may have a charter log: those that were ever named as stewards, also in vain.
    pub fn ever_stewards(&self) -> &BTreeSet<NodeId> {
        &self.ever_stewards
    }

    /// Keys that may have logs: those that were ever granted something, also in vain. A log does not disappear from the
    /// nodes that hold it because the grant of its author turns out to be void, so the others must take it in too.
    pub fn ever_members(&self) -> &BTreeSet<NodeId> {
        &self.ever_members
    }

    /// Roles that `node` holds or held: those that any grant names which counts, whatever came after it. What somebody
    /// wrote in a role does not become void because the role was taken away since.
    pub fn ever_held(&self, node: &NodeId) -> impl Iterator<Item = &str> {
        self.ever_held.get(node).into_iter().flatten().map(String::as_str)
    }

    /// How many stewards must sign the appointment of one more.
    pub fn needed(&self) -> usize {
        self.founders.needed(self.stewards.len())
    }

    /// Who the team was founded with.
    pub fn founders(&self) -> &Founders {
        &self.founders
    }

    /// Every member that was not revoked, expired ones included, in the order of the keys.
    pub fn members(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.members.iter()
    }

    /// Every revoked key.
    pub fn revoked(&self) -> BTreeSet<NodeId> {
        self.revoked.keys().copied().collect()
    }

    /// The keys of the roles.
    pub fn role_keys(&self) -> &RoleKeys {
        &self.role_keys
    }

    /// Genes that were added to the founding ones. One of a founding id among them changes nothing.
    pub fn genes(&self) -> &BTreeMap<String, String> {
        &self.genes
    }

    /// Changes of stewards that wait for consent.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// The number of a record kind that this version does not know and must not ignore.
    pub fn critical(&self) -> Option<u64> {
        self.critical
    }

    /// Hashes of the records that prove the grant of a member: the grant, and how its author became a steward.
    pub(super) fn grounds(&self, node: &NodeId) -> Option<&[Hash]> {
        self.grounds.get(node).map(Vec::as_slice)
    }

    /// A hash over everything that members must agree on.
    pub fn digest(&self) -> Hash {
        let nodes = |out: &mut minicbor::Encoder<&mut Vec<u8>>, nodes: &[NodeId]| {
            cbor::array(out, nodes.len());
            nodes.iter().for_each(|node| cbor::bytes(out, &node.0));
        };
        let bytes = cbor::encode(|out| {
            cbor::array(out, 6);
            cbor::array(out, self.members.len());
            for (node, member) in &self.members {
                cbor::array(out, 2);
                cbor::bytes(out, &node.0);
                cbor::bytes(out, &member.record.0);
            }
            nodes(out, &self.stewards);
            nodes(out, &self.revoked.keys().copied().collect::<Vec<_>>());
            let epochs: Vec<(&str, Hash)> = self.role_keys.epochs().map(|key| (key.role.as_str(), key.epoch)).collect();
            cbor::array(out, epochs.len());
            for (role, epoch) in epochs {
                cbor::array(out, 2);
                cbor::text(out, role);
                cbor::bytes(out, &epoch.0);
            }
            cbor::array(out, self.genes.len());
            for (id, text) in &self.genes {
                cbor::array(out, 2);
                cbor::text(out, id);
                cbor::text(out, text);
            }
            cbor::uint(out, self.critical.unwrap_or(0));
        });
        Hash::of(&bytes)
    }
}

/// Keys that the founders, or somebody they lead to, ever named as stewards. What anybody else writes is not heard at
/// all: it must not even make a key worth hearing. Grows with the set of entries, whatever becomes void.
fn ever_stewards(founders: &Founders, entries: &BTreeMap<Hash, &Entry>) -> BTreeSet<NodeId> {
    let mut named: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for entry in entries.values() {
        if let Record::StewardChange(change) = &entry.record
            && change.add
        {
            named.entry(entry.author).or_default().push(change.node);
        }
    }
    let (mut ever, mut next) = (BTreeSet::new(), founders.stewards.clone());
    while let Some(node) = next.pop() {
        if ever.insert(node) {
            next.extend(named.remove(&node).into_iter().flatten());
        }
    }
    ever
}

/// The entries of `authors` in one order, without those whose clock forgets what their own log had seen before: nobody
/// can write as if it did not know what it has shown to know.
fn honest<'e>(entries: &BTreeMap<Hash, &'e Entry>, authors: &BTreeSet<NodeId>) -> Vec<&'e Entry> {
    let mut logs: Vec<&'e Entry> = entries.values().filter(|entry| authors.contains(&entry.author)).copied().collect();
    logs.sort_unstable_by_key(|entry| (entry.store, entry.seq, entry.hash));
    // What every entry's branch had shown to know by then: the last honest entry of it. One that forgets is no new
    // beginning, or a throwaway one would make the log forget.
    let mut shown: BTreeMap<Hash, &Entry> = BTreeMap::new();
    let mut honest = Vec::new();
    for entry in logs {
        let before = shown.get(&entry.prev).copied().filter(|before| before.store == entry.store);
        match before {
            Some(before) if !entry.has_seen(before) => drop(shown.insert(entry.hash, before)),
            _ => {
                shown.insert(entry.hash, entry);
                honest.push(entry);
            }
        }
    }
    honest.sort_unstable_by_key(|entry| entry.hash);
    honest
}

/// Who was ever granted or lost something, in vain or not.
fn ever_members(stewards: &BTreeSet<NodeId>, entries: &[&Entry]) -> BTreeSet<NodeId> {
    let named = entries.iter().filter_map(|entry| match &entry.record {
        Record::Grant(grant) => Some(grant.node),
        Record::Revoke(revoke) => Some(revoke.node),
        _ => None,
    });
    named.chain(stewards.iter().copied()).collect()
}

/// Roles that the grants which count ever named.
fn ever_held(counted: &[(&Entry, Age)]) -> BTreeMap<NodeId, BTreeSet<String>> {
    let mut held: BTreeMap<NodeId, BTreeSet<String>> = BTreeMap::new();
    for (entry, _) in counted {
        if let Record::Grant(grant) = &entry.record {
            held.entry(grant.node).or_default().extend(grant.roles.iter().cloned());
        }
    }
    held
}

fn members(
    counted: &[(&Entry, Age)],
    revoked: &BTreeMap<NodeId, Removal>,
    stewards: &Stewards<'_>,
) -> BTreeMap<NodeId, Member> {
    let mut grants: BTreeMap<NodeId, Vec<(&Entry, Age)>> = BTreeMap::new();
    for (entry, age) in counted {
        if let Record::Grant(grant) = &entry.record
            && !revoked.contains_key(&grant.node)
        {
            grants.entry(grant.node).or_default().push((*entry, *age));
        }
    }
    let now = stewards.now();
    let members = grants.into_iter().filter_map(|(node, grants)| match last(grants)? {
        Entry { record: Record::Grant(grant), hash, .. } => {
            Some((node, Member { grant: grant.clone(), record: *hash, steward: now.contains_key(&node) }))
        }
        _ => None,
    });
    members.collect()
}

/// The record that counts of several about one thing. Of each log it can only be the last, or one of two that a fork put
/// there; then it is one that no other has seen, of those the one of the oldest right, then the one of the lowest hash.
fn last(records: Vec<(&Entry, Age)>) -> Option<&Entry> {
    let mut ends: BTreeMap<StoreId, Vec<(&Entry, Age)>> = BTreeMap::new();
    for (entry, age) in records {
        let end = ends.entry(entry.store).or_default();
        match end.first().map_or(0, |(held, _)| held.seq) {
            seq if seq > entry.seq => {}
            seq if seq == entry.seq => end.push((entry, age)),
            _ => *end = vec![(entry, age)],
        }
    }
    let ends: Vec<(&Entry, Age)> = ends.into_values().flatten().collect();
    let standing = ends.iter().filter(|(entry, _)| !ends.iter().any(|(other, _)| other.has_seen(entry)));
    standing.min_by_key(|(entry, age)| (*age, entry.hash)).map(|(entry, _)| *entry)
}

/// Genes by id: of several the causally first, then the one of the oldest right, then the lowest hash.
fn genes(counted: &[(&Entry, Age)]) -> BTreeMap<String, String> {
    let mut by_id: BTreeMap<&str, Vec<(&Entry, Age, &str)>> = BTreeMap::new();
    for (entry, age) in counted {
        if let Record::GeneAdd(gene) = &entry.record {
            by_id.entry(&gene.id).or_default().push((entry, *age, &gene.text));
        }
    }
    let mut first: Vec<(u128, Hash, &str, &str)> = by_id
        .into_iter()
        .filter_map(|(id, genes)| {
            let (entry, _, text) = unseen(genes).into_iter().min_by_key(|(entry, age, _)| (*age, entry.hash))?;
            Some((entry.depth(), entry.hash, id, text))
        })
        .collect();
    // A genome has room for so many; the earliest stay.
    first.sort_unstable();
    first.truncate(GENES_MAX);
    first.into_iter().map(|(_, _, id, text)| (id.to_owned(), text.to_owned())).collect()
}

/// Of several records about one gene those that have seen none of the others.
fn unseen<'e>(mut genes: Vec<(&'e Entry, Age, &'e str)>) -> Vec<(&'e Entry, Age, &'e str)> {
    // Whatever has seen one has seen more, so each is held against the few that stand so far.
    genes.sort_by_cached_key(|(entry, ..)| (entry.depth(), entry.hash));
    let mut standing: Vec<(&Entry, Age, &str)> = Vec::new();
    for gene in genes {
        if !standing.iter().any(|(other, ..)| gene.0.has_seen(other)) {
            standing.push(gene);
        }
    }
    standing
}

/// The records that prove each member's grant: the grant, and for every signature under it how its author became a
/// steward, up to the founders. Where an appointment needed fewer signatures than one in a large team, also the
/// removals by which the team had become small.
fn grounds(
    members: &BTreeMap<NodeId, Member>,
    entries: &[&Entry],
    stewards: &Stewards<'_>,
) -> BTreeMap<NodeId, Vec<Hash>> {
    let by_hash: BTreeMap<Hash, &Entry> = entries.iter().map(|entry| (entry.hash, *entry)).collect();
    let of = |member: &Member| {
        let (mut grounds, mut next) = (Vec::new(), vec![by_hash.get(&member.record).copied()?]);
        while let Some(entry) = next.pop() {
            if grounds.contains(&entry.hash) {
                continue;
            }
            grounds.push(entry.hash);
            let age = stewards.counts(entry);
            next.extend(age.and_then(|age| stewards.appointment(&entry.author, age)).into_iter().flatten());
            next.extend(stewards.removals_before(entry));
        }
        Some(grounds)
    };
    members.iter().filter_map(|(node, member)| Some((*node, of(member)?))).collect()
}
