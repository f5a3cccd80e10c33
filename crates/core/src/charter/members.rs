//! Membership as a function of the set of charter records.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Cut, Entry, Grant, Record};
use crate::ids::{NodeId, StoreId};
use crate::time::UnixMillis;

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
    /// Whether it may sign membership.
    pub steward: bool,
}

/// Who is a member, by the records that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    steward: NodeId,
    members: BTreeMap<NodeId, Member>,
    revoked: BTreeMap<NodeId, Vec<Cut>>,
}

impl Membership {
    /// The membership that `entries` make in a team whose first steward is `steward`. The order does not matter.
    pub fn of(steward: NodeId, entries: &[Entry]) -> Self {
        let by_steward: Vec<&Entry> = entries.iter().filter(|entry| entry.author == steward).collect();
        let removals: Vec<&Entry> =
            by_steward.iter().copied().filter(|entry| revokes(entry) == Some(steward)).collect();
        // Strong removal: once the steward's key is revoked, only what every removal had seen counts.
        let counts =
            |entry: &&Entry| revokes(entry) == Some(steward) || removals.iter().all(|removal| removal.has_seen(entry));
        let mut revoked: BTreeMap<NodeId, Vec<Cut>> = BTreeMap::new();
        let mut grants: BTreeMap<NodeId, BTreeMap<StoreId, &Entry>> = BTreeMap::new();
        for entry in by_steward.into_iter().filter(counts) {
            match &entry.record {
                Record::Revoke(revoke) => revoked.entry(revoke.node).or_default().extend(&revoke.cuts),
                Record::Grant(grant) => {
                    let held = grants.entry(grant.node).or_default().entry(entry.store).or_insert(entry);
                    // Within one log the later event has seen the earlier; equal places come from a fork.
                    if (entry.seq, held.hash) > (held.seq, entry.hash) {
                        *held = entry;
                    }
                }
                Record::Open(_) | Record::Unknown(_) => {}
            }
        }
        let granted = grants.into_iter().filter(|(node, _)| !revoked.contains_key(node));
        let members = granted.filter_map(|(node, by_store)| match &latest(&by_store)?.record {
            Record::Grant(grant) => Some((node, Member { grant: grant.clone(), steward: node == steward })),
            _ => None,
        });
        let members = members.collect();
        for cuts in revoked.values_mut() {
            cuts.sort_by_key(|cut| (cut.log, cut.head));
        }
        Self { steward, members, revoked }
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

    /// Whether `node` was removed.
    pub fn is_revoked(&self, node: &NodeId) -> bool {
        self.revoked.contains_key(node)
    }

    /// Whether `node` may sign membership.
    pub fn is_steward(&self, node: &NodeId) -> bool {
        *node == self.steward && !self.is_revoked(node)
    }

    /// The first steward.
    pub fn first_steward(&self) -> NodeId {
        self.steward
    }

    /// Every member that was not revoked, expired ones included, in the order of the keys.
    pub fn members(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.members.iter()
    }

    /// Every revoked key.
    pub fn revoked(&self) -> BTreeSet<NodeId> {
        self.revoked.keys().copied().collect()
    }
}

fn revokes(entry: &Entry) -> Option<NodeId> {
    if let Record::Revoke(revoke) = &entry.record { Some(revoke.node) } else { None }
}

/// The grant that counts of the last ones of each store: one that no other has seen, and of those the one with the
/// lowest hash. Comparing two at a time would not do: a later grant that loses to a concurrent one by its hash must
/// not leave the field to the earlier grant that it had replaced.
fn latest<'a>(by_store: &BTreeMap<StoreId, &'a Entry>) -> Option<&'a Entry> {
    let seen_by = |entry: &Entry, other: &Entry| other.has_seen(entry) && !entry.has_seen(other);
    let seen = |entry: &Entry| by_store.values().any(|other| seen_by(entry, other));
    // Clocks that lie can see each other in a circle; then all of them are as good.
    by_store.values().copied().min_by_key(|entry| (seen(entry), entry.hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::Revoke;
    use crate::ids::Hash;
    use crate::vclock::VClock;
    use proptest::prelude::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);
    const EVE: NodeId = NodeId([3; 32]);

    fn entry(author: NodeId, store: u8, seq: u64, seen: &[(u8, u64)], record: Record) -> Entry {
        let seen = seen.iter().map(|(store, seq)| (StoreId([*store; 16]), *seq)).collect::<VClock>();
        let tag = format!("{author}{store}{seq}{seen:?}{record:?}");
        Entry { hash: Hash::of(tag.as_bytes()), author, store: StoreId([store; 16]), seq, seen, record }
    }

    fn grant(node: NodeId, roles: &[&str], not_after: u64) -> Record {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let (recipient, name) = ("age1".to_owned(), "node".to_owned());
        Record::Grant(Grant { node, recipient, roles, not_after: UnixMillis(not_after), name })
    }

    fn revoke(node: NodeId) -> Record {
        Record::Revoke(Revoke { node, reason: "lost".into(), compromised: false, cuts: vec![] })
    }

    #[test]
    fn only_a_stewards_grant_makes_a_member_and_the_latest_counts() {
        let entries = [
            entry(ALICE, 1, 2, &[(1, 2)], grant(BOB, &["observer"], 10)),
            entry(ALICE, 1, 3, &[(1, 3)], grant(BOB, &["admin"], 20)),
            entry(EVE, 3, 2, &[(3, 2)], grant(EVE, &["admin"], 20)),
        ];
        let team = Membership::of(ALICE, &entries);
        assert_eq!(team.check(&BOB, UnixMillis(15)).unwrap().grant.roles, ["admin"]);
        assert_eq!(team.check(&BOB, UnixMillis(21)), Err(Refusal::Expired));
        assert_eq!(team.check(&EVE, UnixMillis(0)), Err(Refusal::NotAMember));
    }

    #[test]
    fn a_revoked_key_never_returns() {
        let entries =
            [entry(ALICE, 1, 2, &[(1, 2)], revoke(BOB)), entry(ALICE, 1, 3, &[(1, 3)], grant(BOB, &["admin"], 20))];
        assert_eq!(Membership::of(ALICE, &entries).check(&BOB, UnixMillis(0)), Err(Refusal::Revoked));
    }

    #[test]
    fn what_a_removed_steward_did_unseen_is_void() {
        let entries = [
            entry(ALICE, 1, 2, &[(1, 2)], grant(BOB, &[], 20)),
            entry(ALICE, 1, 3, &[(1, 3)], revoke(ALICE)),
            entry(ALICE, 9, 2, &[(9, 2)], grant(EVE, &[], 20)),
        ];
        let team = Membership::of(ALICE, &entries);
        assert!(team.check(&BOB, UnixMillis(0)).is_ok());
        assert_eq!(team.check(&EVE, UnixMillis(0)), Err(Refusal::NotAMember));
        assert!(!team.is_steward(&ALICE));
    }

    #[test]
    fn three_grants_that_beat_each_other_in_a_circle_give_one_answer_in_every_order() {
        let hashed = |n: u8, entry: Entry| Entry { hash: Hash([n; 32]), ..entry };
        // The second has seen the first; the third has seen neither and stands between them by its hash.
        let first = hashed(1, entry(ALICE, 1, 2, &[(1, 2)], grant(BOB, &["first"], 20)));
        let second = hashed(3, entry(ALICE, 1, 3, &[(1, 3)], grant(BOB, &["second"], 20)));
        let third = hashed(2, entry(ALICE, 9, 2, &[(9, 2)], grant(BOB, &["third"], 20)));
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let entries = order.map(|at: usize| [&first, &second, &third][at].clone());
            let team = Membership::of(ALICE, &entries);
            assert_eq!(team.check(&BOB, UnixMillis(0)).unwrap().grant.roles, ["third"], "{order:?}");
        }
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let node = (1..5_u8).prop_map(|n| NodeId([n; 32]));
        (node.clone(), node, 1..4_u8, 1..6_u64, prop::collection::vec((1..4_u8, 1..6_u64), 0..3), 0..3_u8).prop_map(
            |(author, subject, store, seq, seen, kind)| {
                let record = match kind {
                    0 => revoke(subject),
                    1 => grant(subject, &["a"], 5),
                    _ => grant(subject, &["b"], 9),
                };
                entry(author, store, seq, &seen, record)
            },
        )
    }

    proptest! {
        #[test]
        fn membership_is_a_function_of_the_set(entries in prop::collection::vec(any_entry(), 0..10), turn in 0..10_usize) {
            let straight = Membership::of(ALICE, &entries);
            let mut turned = entries.clone();
            if !turned.is_empty() {
                let by = turn % turned.len();
                turned.rotate_left(by);
            }
            prop_assert_eq!(&Membership::of(ALICE, &turned), &straight);
            turned.reverse();
            prop_assert_eq!(&Membership::of(ALICE, &turned), &straight);
        }
    }
}
