//! What facts said at a time.

use antiphon_core::fact::Field;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_store::{Draft, FoundBy, Recall, RecallQuery};

use crate::common::{Machine, alice, join, no_provenance, text};

fn ask(machine: &Machine, question: &str, at: UnixMillis) -> Recall {
    let (text, as_of) = (question.into(), Some(at));
    let query = RecallQuery { text, as_of, limit: 10, now: at.after(1 << 40), explain: true, ..RecallQuery::default() };
    machine.db.reader().recall(&query).unwrap()
}

fn texts(recall: &Recall) -> Vec<&str> {
    recall.hits.iter().filter_map(|hit| hit.view.fact.content.as_deref()).collect()
}

fn both(machine: &mut Machine, check: impl Fn(&Machine)) {
    check(machine);
    while machine.db.index_step(100).unwrap() > 0 {}
    check(machine);
}

#[test]
fn a_fact_says_what_it_said_then() {
    let (mut alice, _) = alice();
    let before = alice.tick();
    let fact = alice.remember("the port is 5432");
    let kept = alice.remember("the port is secret");
    let first = alice.tick();
    alice.edit(fact, Field::Content, "the door is 5433".into());
    let second = alice.tick();
    alice.forget(fact);
    let last = alice.tick();
    alice.remember("the port is new");
    both(&mut alice, |alice| {
        assert!(ask(alice, "port", before).hits.is_empty());
        let then = ask(alice, "port", first);
        assert_eq!(then.hits.len(), 2);
        assert!(texts(&then).contains(&"the port is 5432") && texts(&then).contains(&"the port is secret"));
        // The words are those of then, too.
        assert_eq!(texts(&ask(alice, "5433", second)), ["the door is 5433"]);
        assert!(ask(alice, "5432", second).hits.is_empty());
        assert_eq!(texts(&ask(alice, "port", last)), ["the port is secret"]);
        assert!(ask(alice, "5433", last).hits.is_empty(), "by then it was forgotten");
        assert_eq!(texts(&ask(alice, "", first)), ["the port is secret", "the port is 5432"]);
        let changed = ask(alice, "5432", first);
        assert_eq!(changed.hits[0].explanation.as_ref().unwrap().found, FoundBy::Changed);
        let reader = alice.db.reader();
        assert!(reader.fact_at(fact, before).unwrap().is_none());
        assert!(reader.fact_at(fact, last).unwrap().unwrap().forgotten);
        let view = reader.fact_at(kept, last).unwrap().unwrap();
        assert_eq!(Some(view), reader.fact(kept).unwrap(), "what was not changed is what it is");
    });
}

#[test]
fn what_is_forgotten_for_good_is_gone_from_the_past() {
    let (mut alice, _) = alice();
    let fact = alice.remember("the password is swordfish");
    let then = alice.tick();
    alice.write(Draft::Erase { fact, provenance: no_provenance() });
    both(&mut alice, |alice| {
        assert!(ask(alice, "swordfish", then).hits.is_empty());
        assert!(alice.db.reader().fact_at(fact, then).unwrap().is_none());
    });
}

#[test]
fn times_to_live_are_judged_then() {
    let (mut alice, _) = alice();
    let ttl = text("the token expires").set(Field::Ttl, Value::Uint(1_000)).set(Field::OnExpire, Value::Uint(2));
    let fact = alice.remember_with(ttl);
    let then = alice.tick();
    alice.now = alice.now.after(10_000);
    let late = alice.now;
    both(&mut alice, |alice| {
        assert_eq!(texts(&ask(alice, "token", then)), ["the token expires"]);
        assert!(ask(alice, "token", late).hits.is_empty());
    });
    alice.edit(fact, Field::Content, "the token was renewed".into());
    both(&mut alice, |alice| assert_eq!(texts(&ask(alice, "token", then)), ["the token expires"]));
}

#[test]
fn stale_and_archived_are_what_they_were_then() {
    let (mut alice, _) = alice();
    let fact = alice.remember("the plan holds");
    let then = alice.tick();
    alice.edit(fact, Field::Archived, Value::Bool(true));
    let later = alice.tick();
    both(&mut alice, |alice| {
        assert_eq!(texts(&ask(alice, "plan", then)), ["the plan holds"]);
        assert!(ask(alice, "plan", later).hits.is_empty());
    });
}

#[test]
fn a_divergence_of_then_is_told_with_its_sides() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.remember("the port is 5432");
    bob.pull(&alice);
    bob.now = alice.now;
    alice.edit(fact, Field::Content, "the port is 1".into());
    bob.edit(fact, Field::Content, "the port is 2".into());
    alice.pull(&bob);
    let then = alice.tick();
    alice.edit(fact, Field::Content, "the port is 3".into());
    both(&mut alice, |alice| {
        let found = ask(alice, "port", then);
        assert_eq!(found.hits.len(), 1);
        let (hit, mut said) = (&found.hits[0], Vec::new());
        said.extend(hit.sides.iter().filter_map(|side| side.value.clone()??.as_text().map(str::to_owned)));
        assert_eq!(hit.view.diverged, [Field::Content]);
        said.sort();
        assert_eq!(said, ["the port is 1", "the port is 2"]);
        // The words of the side that was not shown find it.
        assert_eq!(ask(alice, "1", then).hits.len(), 1);
        assert_eq!(ask(alice, "2", then).hits.len(), 1);
        assert!(ask(alice, "3", then).hits.is_empty());
    });
}

#[test]
fn an_edit_counts_from_when_it_was_made_wherever_it_arrived_later() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.remember("the port is 5432");
    bob.pull(&alice);
    bob.now = alice.now;
    bob.edit(fact, Field::Content, "the port is 5433".into());
    let then = bob.tick();
    alice.now = then.after(1_000);
    alice.remember("something else");
    alice.pull(&bob);
    assert_eq!(texts(&ask(&alice, "port", then)), ["the port is 5433"]);
    assert_eq!(ask(&alice, "something", then).hits.len(), 0);
}
