//! The facts of one domain, in the order in which they came.

use antiphon_core::fact::{Edit, Field, Level, OnExpire};
use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_store::{DomainFact, DomainMark, DomainNews};

use crate::common::{Machine, alice, join, text};

const LATER: UnixMillis = UnixMillis(u64::MAX >> 2);

fn of_domain(content: &str, domain: &str) -> Edit {
    text(content).set(Field::Domain, domain.into()).set(Field::Level, Value::Uint(Level::Domain.number()))
}

fn all(machine: &Machine, now: UnixMillis, limit: usize) -> Vec<DomainFact> {
    match machine.db.reader().domain_since("graph", None, now, limit).unwrap() {
        (DomainNews::Whole(facts), _) => facts,
        (news, _) => panic!("without a mark all is read: {news:?}"),
    }
}

fn contents(machine: &Machine, limit: usize) -> Vec<String> {
    all(machine, LATER, limit).into_iter().map(|fact| fact.content).collect()
}

/// What came since `mark` and which facts left for elsewhere, or `None` when all is to be read again; moves the mark.
fn since(machine: &Machine, mark: &mut DomainMark, now: UnixMillis) -> Option<(Vec<String>, Vec<FactId>)> {
    let (news, next) = machine.db.reader().domain_since("graph", Some(mark), now, 10).unwrap();
    *mark = next;
    match news {
        DomainNews::Whole(_) => None,
        DomainNews::More { facts, elsewhere } => {
            Some((facts.into_iter().map(|fact| fact.content).collect(), elsewhere))
        }
    }
}

fn mark(machine: &Machine, now: UnixMillis) -> DomainMark {
    machine.db.reader().domain_since("graph", None, now, 10).unwrap().1
}

#[test]
fn who_has_read_a_collection_is_told_what_came_to_it() {
    let (mut alice, _) = alice();
    let one = alice.remember_with(of_domain("one", "graph"));
    let other = alice.remember_with(of_domain("elsewhere", "other"));
    let mut mark = mark(&alice, LATER);
    assert_eq!(since(&alice, &mut mark, LATER), Some((vec![], vec![])));
    alice.remember_with(of_domain("two", "graph"));
    alice.remember("nowhere");
    assert_eq!(since(&alice, &mut mark, LATER), Some((vec!["two".into()], vec![])));
    assert_eq!(since(&alice, &mut mark, LATER), Some((vec![], vec![])));
    // Who keeps a collection knows what was in it.
    alice.edit(other, Field::Content, "changed".into());
    assert_eq!(since(&alice, &mut mark, LATER), Some((vec![], vec![other])));
    alice.edit(one, Field::Domain, "other".into());
    assert_eq!(since(&alice, &mut mark, LATER), Some((vec![], vec![one])));
}

#[test]
fn where_what_was_read_changed_all_is_read_again() {
    let (mut alice, _) = alice();
    let one = alice.remember_with(of_domain("one", "graph"));
    let mut mark = mark(&alice, LATER);
    alice.edit(one, Field::Content, "first".into());
    assert_eq!(since(&alice, &mut mark, LATER), None);
    assert_eq!(since(&alice, &mut mark, LATER), Some((vec![], vec![])));
    // What was forgotten is of no domain any more.
    alice.forget(one);
    assert_eq!(since(&alice, &mut mark, LATER), Some((vec![], vec![one])));
    alice.db.rebuild().unwrap();
    assert_eq!(since(&alice, &mut mark, LATER), None);
}

#[test]
fn when_a_fact_runs_out_all_is_read_again() {
    let (mut alice, _) = alice();
    let edit = of_domain("archived", "graph").set(Field::Ttl, Value::Uint(5));
    let fact = alice.remember_with(edit.set(Field::OnExpire, Value::Uint(1)));
    let runs_out = fact.time().after(5);
    let mut mark = mark(&alice, fact.time());
    assert_eq!(since(&alice, &mut mark, runs_out), Some((vec![], vec![])));
    assert_eq!(since(&alice, &mut mark, runs_out.after(1)), None);
    assert_eq!(since(&alice, &mut mark, runs_out.after(2)), Some((vec![], vec![])));
}

#[test]
fn a_collection_is_read_in_its_order_and_without_what_left_recall() {
    let (mut alice, _) = alice();
    let mut in_graph = |content: &str| alice.remember_with(of_domain(content, "graph"));
    let ids: Vec<FactId> = ["one", "two", "three", "four"].map(&mut in_graph).into();
    alice.remember_with(of_domain("elsewhere", "other"));
    alice.remember("nowhere");
    alice.remember_with(of_domain("five", "graph").set(Field::Source, "memory://x".into()));
    assert_eq!(contents(&alice, 10), ["one", "two", "three", "four", "five"]);
    assert_eq!(contents(&alice, 2), ["one", "two"]);
    let facts = all(&alice, LATER, 10);
    assert_eq!((facts[0].id, facts[0].source.as_deref()), (ids[0], None));
    assert_eq!(facts[4].source.as_deref(), Some("memory://x"));

    alice.edit(ids[0], Field::Content, "first".into());
    alice.forget(ids[1]);
    alice.edit(ids[2], Field::Archived, Value::Bool(true));
    alice.edit(ids[3], Field::Domain, "other".into());
    assert_eq!(contents(&alice, 10), ["first", "five"]);
}

#[test]
fn what_its_time_to_live_took_away_is_not_in_the_collection() {
    let (mut alice, _) = alice();
    for (content, on_expire) in [("stale", 0), ("archived", 1), ("deleted", 2)] {
        assert!(OnExpire::ALL.get(on_expire).is_some());
        let edit = of_domain(content, "graph").set(Field::Ttl, Value::Uint(5));
        alice.remember_with(edit.set(Field::OnExpire, Value::Uint(on_expire as u64)));
    }
    assert_eq!(contents(&alice, 10), ["stale"]);
    let before = all(&alice, UnixMillis(0), 10);
    assert_eq!(before.len(), 3);
}

#[test]
fn bob_reads_the_collection_that_alice_wrote() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    for content in ["one", "two"] {
        alice.remember_with(of_domain(content, "graph"));
    }
    bob.pull(&alice);
    assert_eq!(contents(&bob, 10), ["one", "two"]);
}
