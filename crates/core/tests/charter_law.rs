//! The law of membership, over random sets of charter records: who wrote what when, in which order it came, and what
//! else is known besides must not matter where it should not.
//!
//! `ANTIPHON_LAW_SETS` says how many sets are tried; a failure prints the seed of its set and what is left of the set
//! when every record without which it still fails is taken out. `ANTIPHON_LAW_SEED` tries one set again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(dead_code, reason = "the world is shared with the stories")]

#[path = "charter/random.rs"]
mod random;
#[path = "charter/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::charter::{Charter, Entry, Membership, Record, RoleEpoch};
use antiphon_core::ids::NodeId;
use random::{RandomSet, Rng, arbitrary};
use world::{ALL, Machine, add, approve, gene, grant, key, remove, revoke};

/// Orders in which each set is delivered.
const ORDERS: usize = 64;

/// Interesting states that the sets reached.
#[derive(Default)]
struct Reached {
    removals: AtomicU64,
    circles: AtomicU64,
    voided_grants: AtomicU64,
    pending: AtomicU64,
    appointed: AtomicU64,
    forks: AtomicU64,
    lies: AtomicU64,
    several_keys: AtomicU64,
    kept_keys: AtomicU64,
    critical: AtomicU64,
    returned: AtomicU64,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn the_set_decides_and_nothing_else() {
    let sets = number("ANTIPHON_LAW_SETS").unwrap_or(1_000);
    if let Some(seed) = number("ANTIPHON_LAW_SEED") {
        return prove(seed, &Reached::default());
    }
    let (next, reached) = (AtomicU64::new(0), Reached::default());
    let work = || {
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < sets
        {
            prove(seed, &reached);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let count = |what: &AtomicU64| what.load(Ordering::Relaxed);
    let states = [
        ("removals of stewards that have effect", count(&reached.removals), 150),
        ("circles", count(&reached.circles), 30),
        ("voided grants", count(&reached.voided_grants), 100),
        ("pending changes", count(&reached.pending), 100),
        ("appointed stewards", count(&reached.appointed), 150),
        ("forks", count(&reached.forks), 100),
        ("lying clocks", count(&reached.lies), 100),
        ("several keys of a role", count(&reached.several_keys), 40),
        ("a key to use after a removal", count(&reached.kept_keys), 5),
        ("critical records", count(&reached.critical), 50),
        ("stewards that were removed and appointed again", count(&reached.returned), 10),
    ];
    for (what, times, least_per_thousand) in states {
        println!("{times} of {sets} sets had {what}");
        assert!(times * 1_000 >= least_per_thousand * sets, "only {times} of {sets} sets had {what}");
    }
}

/// Checks every law for one set; panics with the smallest set that breaks the same law.
fn prove(seed: u64, reached: &Reached) {
    let set = RandomSet::of(seed);
    let membership = Membership::of(&set.founders, &set.entries);
    note(&set, &membership, reached);
    let Err(broken) = laws(&set, seed) else { return };
    let mut least = set;
    let mut at = 0;
    while at < least.entries.len() {
        let mut fewer = least.clone();
        fewer.entries.remove(at);
        if laws(&fewer, seed) == Err(broken) { least = fewer } else { at += 1 }
    }
    panic!("seed {seed}: {broken}\n{:#?}\n{:#?}", least.founders, least.entries);
}

fn laws(set: &RandomSet, seed: u64) -> Result<(), &'static str> {
    let mut rng = Rng(seed ^ 0x6c61_7773);
    let whole = Charter::new(&set.founders, set.entries.iter().cloned());
    let membership = whole.membership();
    orders(set, membership, &mut rng)?;
    rights(set, membership)?;
    strangers(set, &whole, &mut rng)?;
    afterwards(set, &whole)
}

/// In whatever order and however often records come, and however they are split between what is known and what is
/// tried, the membership is the same.
fn orders(set: &RandomSet, expected: &Membership, rng: &mut Rng) -> Result<(), &'static str> {
    let digest = expected.digest();
    let mut order: Vec<&Entry> = set.entries.iter().collect();
    for round in 0..ORDERS {
        rng.shuffle(&mut order);
        let known = rng.below(order.len() + 1);
        let twice = order.iter().take(3);
        let charter = Charter::new(&set.founders, order[..known].iter().chain(twice).map(|entry| (*entry).clone()));
        let with = charter.membership_with(order[known..].iter().copied());
        if *with != *expected || with.digest() != digest {
            return Err("the order of the records matters");
        }
        if round % 32 != 0 {
            continue;
        }
        let mut charter = Charter::new(&set.founders, []);
        for entry in &order {
            charter = Charter::new(&set.founders, charter.entries().cloned().chain([(*entry).clone()]));
        }
        if charter.membership() != expected {
            return Err("records that come one by one make another membership");
        }
    }
    Ok(())
}

/// What holds in every membership.
fn rights(set: &RandomSet, membership: &Membership) -> Result<(), &'static str> {
    let mut named: BTreeSet<NodeId> = set.founders.stewards.iter().copied().collect();
    named.extend(set.entries.iter().filter_map(|entry| match &entry.record {
        Record::StewardChange(change) if change.add => Some(change.node),
        _ => None,
    }));
    if !membership.stewards().iter().all(|steward| named.contains(steward)) {
        return Err("somebody is a steward who was neither founded nor appointed");
    }
    if !named.is_superset(membership.ever_stewards()) {
        return Err("somebody may have a charter log who was never named a steward");
    }
    if !membership.stewards().iter().all(|steward| membership.ever_stewards().contains(steward)) {
        return Err("a steward may not have a charter log");
    }
    if ALL.iter().any(|node| membership.is_revoked(node) && membership.member(node).is_some()) {
        return Err("a revoked key is a member");
    }
    if ALL.iter().any(|node| membership.is_revoked(node) && membership.is_steward(node)) {
        return Err("a revoked key is a steward");
    }
    if membership.members().any(|(node, member)| member.steward != membership.is_steward(node)) {
        return Err("a member is shown as what it is not");
    }
    let sound = |role| {
        membership
            .role_key(role)
            .is_none_or(|key| !ALL.iter().any(|node| membership.is_revoked(node) && key.wraps.contains_key(node)))
    };
    if !["backend_developer", "observer"].into_iter().all(sound) {
        return Err("a role key that a revoked node holds is used");
    }
    let told = |key: &RoleEpoch, gone: &NodeId| {
        set.entries.iter().any(|entry| {
            let removes = matches!(&entry.record, Record::Revoke(revoke) if revoke.node == *gone);
            removes && (key.epoch == entry.hash || key.seen().get(&entry.store) >= entry.seq)
        })
    };
    let aware = |key: &RoleEpoch| membership.revoked().iter().all(|gone| told(key, gone));
    if !["backend_developer", "observer"].into_iter().filter_map(|role| membership.role_key(role)).all(aware) {
        return Err("a role key is used whose maker had not heard of a removal");
    }
    Ok(())
}

/// Whoever may not have a charter log changes nothing, whatever it writes.
fn strangers(set: &RandomSet, whole: &Charter, rng: &mut Rng) -> Result<(), &'static str> {
    let strangers = ALL.into_iter().chain([NodeId([9; 32])]);
    let strangers: Vec<NodeId> = strangers.filter(|node| !whole.membership().ever_stewards().contains(node)).collect();
    let mut machine = Machine::new(*rng.pick(&strangers), 9);
    if rng.chance(50) {
        machine.clock = set.everything();
    }
    let node = *rng.pick(&ALL);
    let mut records = vec![add(machine.node), add(node), remove(node), revoke(node), grant(node), gene("law.a", "x")];
    records.extend([key("observer", &[node]), Record::Unknown(1 << 32 | antiphon_core::charter::CRITICAL)]);
    records.extend(set.entries.iter().map(approve));
    let more: Vec<Entry> = records.into_iter().map(|record| machine.write(record)).collect();
    if *whole.membership_with(&more) == *whole.membership() { Ok(()) } else { Err("a stranger's record matters") }
}

/// A revoked key does not come back, whatever is written by those who know.
fn afterwards(set: &RandomSet, whole: &Charter) -> Result<(), &'static str> {
    let revoked = whole.membership().revoked();
    let mut more = Vec::new();
    for node in ALL {
        let mut machine = Machine::new(node, 10);
        machine.clock = set.everything();
        for gone in &revoked {
            let appointment = machine.write(add(*gone));
            more.extend([machine.write(grant(*gone)), appointment]);
        }
    }
    for node in ALL {
        let mut machine = Machine::new(node, 11);
        machine.clock = set.everything();
        for entry in &more {
            machine.clock.merge(&entry.seen).unwrap();
        }
        let approvals: Vec<Entry> = more.iter().map(|entry| machine.write(approve(entry))).collect();
        more.extend(approvals);
    }
    let after = whole.membership_with(&more);
    let back = |node: &NodeId| !after.is_revoked(node) || after.member(node).is_some() || after.is_steward(node);
    if revoked.iter().any(back) { Err("a revoked key came back") } else { Ok(()) }
}

/// Counts what the set shows.
fn note(set: &RandomSet, membership: &Membership, reached: &Reached) {
    let hit = |what: &AtomicU64, yes: bool| {
        what.fetch_add(u64::from(yes), Ordering::Relaxed);
    };
    let removed = |node: &NodeId| !membership.is_steward(node);
    hit(&reached.removals, set.founders.stewards.iter().any(removed));
    hit(&reached.circles, circle(&set.entries, membership));
    let grants = set.entries.iter().filter_map(|entry| match &entry.record {
        Record::Grant(grant) if membership.ever_stewards().contains(&entry.author) => Some(grant.node),
        _ => None,
    });
    let voided = |node: NodeId| membership.member(&node).is_none() && !membership.is_revoked(&node);
    hit(&reached.voided_grants, grants.into_iter().any(voided));
    hit(&reached.pending, !membership.pending().is_empty());
    let appointed = |node: &NodeId| !set.founders.stewards.contains(node);
    hit(&reached.appointed, membership.stewards().iter().any(appointed));
    hit(&reached.forks, set.forks > 0);
    hit(&reached.lies, set.lies > 0);
    hit(&reached.several_keys, membership.role_keys().of_role("observer").len() > 1);
    let used = ["backend_developer", "observer"].into_iter().any(|role| membership.role_key(role).is_some());
    hit(&reached.kept_keys, used && !membership.revoked().is_empty());
    hit(&reached.critical, membership.critical().is_some());
    let again = |node: &NodeId| {
        let changes = |wanted: bool| {
            set.entries.iter().filter(move |entry| match &entry.record {
                Record::StewardChange(change) => change.node == *node && change.add == wanted,
                _ => false,
            })
        };
        changes(true).any(|added| changes(false).any(|removed| added.has_seen(removed)))
    };
    hit(&reached.returned, membership.stewards().iter().any(again));
}

/// Whether two stewards removed each other, neither having seen it, and one is left.
fn circle(entries: &[Entry], membership: &Membership) -> bool {
    let removes = |entry: &Entry| match &entry.record {
        Record::StewardChange(change) if !change.add => Some(change.node),
        Record::Revoke(revoke) => Some(revoke.node),
        _ => None,
    };
    let alone = |one: &Entry, other: &Entry| !one.has_seen(other) && !other.has_seen(one);
    entries.iter().any(|one| {
        entries.iter().any(|other| {
            let mutual = removes(one) == Some(other.author) && removes(other) == Some(one.author);
            let one_is_left = membership.is_steward(&one.author) != membership.is_steward(&other.author);
            mutual && one_is_left && alone(one, other)
        })
    })
}

#[test]
fn whatever_is_claimed_nothing_panics() {
    for seed in 0..number("ANTIPHON_LAW_SETS").unwrap_or(1_000) {
        let (founders, entries) = arbitrary(&mut Rng(seed));
        let membership = Membership::of(&founders, &entries);
        let backwards = Membership::of(&founders, entries.iter().rev());
        assert_eq!(membership, backwards, "seed {seed}");
        assert_eq!(membership.digest(), backwards.digest(), "seed {seed}");
    }
}
