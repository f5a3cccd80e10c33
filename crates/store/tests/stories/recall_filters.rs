//! Narrowing what recall gives, and being told how it came about.

use antiphon_core::event::{Provenance, SourceKind};
use antiphon_core::fact::{Field, Level};
use antiphon_core::ids::FactId;
use antiphon_core::value::Value;
use antiphon_store::{Audience, Domains, Draft, FOLDED_MAX, FoundBy, Origin, Recall, RecallQuery};

use crate::common::{Machine, NOW, alice, join, no_provenance, text};

fn ask(machine: &Machine, query: RecallQuery) -> Recall {
    machine.db.reader().recall(&RecallQuery { limit: 10, now: NOW, ..query }).unwrap()
}

fn words(text: &str) -> RecallQuery {
    RecallQuery { text: text.into(), include_stale: true, ..RecallQuery::default() }
}

fn texts(recall: &Recall) -> Vec<&str> {
    recall.hits.iter().filter_map(|hit| hit.view.fact.content.as_deref()).collect()
}

fn index(machine: &mut Machine) {
    while machine.db.index_step(100).unwrap() > 0 {}
}

/// Runs a check before and after the index has caught up: nobody can tell the difference.
fn both(machine: &mut Machine, check: impl Fn(&Machine)) {
    check(machine);
    index(machine);
    check(machine);
}

#[test]
fn time_is_that_of_the_last_change() {
    let (mut alice, _) = alice();
    let old = alice.remember("the old cache");
    let edited = alice.remember("the middle cache");
    let between = alice.tick();
    alice.remember("the new cache");
    alice.edit(edited, Field::Domain, "web".into());
    both(&mut alice, |alice| {
        let since = ask(alice, RecallQuery { since: Some(between), ..words("cache") });
        assert_eq!(since.hits.len(), 2);
        assert!(since.hits.iter().all(|hit| hit.view.fact.id != old));
        let until = ask(alice, RecallQuery { until: Some(between), ..words("cache") });
        assert_eq!(texts(&until), ["the old cache"]);
        let none = RecallQuery { since: Some(between), until: Some(between), ..words("cache") };
        assert!(ask(alice, none).hits.is_empty());
    });
}

#[test]
fn a_fact_comes_from_who_wrote_it_first_whoever_changed_it_since() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let hers = alice.remember("the cache is hers");
    bob.pull(&alice);
    bob.edit(hers, Field::Content, "the cache was hers".into());
    bob.remember("the cache is his");
    alice.pull(&bob);
    let (her, him, store) = (alice.node(), bob.node(), bob.db.own().unwrap().store);
    both(&mut alice, |alice| {
        let of = |origin| ask(alice, RecallQuery { origin: Some(origin), ..words("cache") });
        assert_eq!(texts(&of(Origin::Node(her))), ["the cache was hers"]);
        assert_eq!(texts(&of(Origin::Node(him))), ["the cache is his"]);
        assert_eq!(texts(&of(Origin::Store(store))), ["the cache is his"]);
        let written = ask(alice, RecallQuery { author: Some(him), ..words("cache") });
        assert_eq!(written.hits.len(), 2, "bob wrote the present text of both");
    });
}

#[test]
fn an_imported_fact_comes_from_who_imported_it() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let id = FactId::of_source("notes", "one");
    let draft =
        Draft::Remember { id: Some(id), edit: text("from a file"), provenance: no_provenance(), idempotency_key: None };
    bob.write(draft);
    alice.pull(&bob);
    alice.edit(id, Field::Content, "from a file, put right".into());
    let from = ask(&alice, RecallQuery { origin: Some(Origin::Node(bob.node())), ..words("file") });
    assert_eq!(texts(&from), ["from a file, put right"]);
    assert!(ask(&alice, RecallQuery { origin: Some(Origin::Node(alice.node())), ..words("file") }).hits.is_empty());
}

#[test]
fn kinds_of_sources_and_divergences_are_filters() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let provenance = Provenance { source: Some(SourceKind::Web), ..no_provenance() };
    alice.write(Draft::Remember { id: None, edit: text("a page on caches"), provenance, idempotency_key: None });
    let fact = alice.remember("an agent on caches");
    bob.pull(&alice);
    alice.edit(fact, Field::Content, "alice on caches".into());
    bob.edit(fact, Field::Content, "bob on caches".into());
    alice.pull(&bob);
    both(&mut alice, |alice| {
        let web = ask(alice, RecallQuery { source: Some(SourceKind::Web), ..words("caches") });
        assert_eq!(texts(&web), ["a page on caches"]);
        let diverged = ask(alice, RecallQuery { diverged: true, ..words("caches") });
        assert_eq!(diverged.hits.len(), 1);
        assert_eq!(diverged.hits[0].view.diverged, [Field::Content]);
        let listed = ask(alice, RecallQuery { diverged: true, ..words("") });
        assert_eq!(listed.hits[0].view.fact.id, fact);
    });
}

#[test]
fn a_filter_finds_the_one_fact_among_many_with_the_same_words() {
    let (mut alice, _) = alice();
    let provenance = Provenance { source: Some(SourceKind::Web), ..no_provenance() };
    let edit = text("the service answers, says the page");
    alice.write(Draft::Remember { id: None, edit, provenance, idempotency_key: None });
    for n in 0..400 {
        alice.remember(&format!("the service answers number {n}"));
    }
    both(&mut alice, |alice| {
        let web = ask(alice, RecallQuery { source: Some(SourceKind::Web), ..words("service answers") });
        assert_eq!(texts(&web), ["the service answers, says the page"]);
    });
}

#[test]
fn without_words_the_newest_come_first() {
    let (mut alice, _) = alice();
    let first = alice.remember("one");
    alice.remember_with(text("two").set(Field::Level, Value::Uint(0)));
    alice.remember("three");
    alice.remember("three");
    let gone = alice.remember("four");
    alice.forget(gone);
    alice.edit(first, Field::Domain, "numbers".into());
    both(&mut alice, |alice| {
        let all = ask(alice, words(" "));
        assert_eq!(texts(&all), ["one", "three", "two"]);
        assert!(all.hits.iter().all(|hit| hit.score == 0.0) && !all.cut);
        assert_eq!(texts(&ask(alice, RecallQuery { level: Some(Level::Project), ..words("") })), ["two"]);
        assert_eq!(texts(&ask(alice, RecallQuery { domain: Some("numbers".into()), ..words("") })), ["one"]);
        assert!(ask(alice, words("?!")).hits.is_empty(), "a question, and nothing answers it");
        let two = alice.db.reader().recall(&RecallQuery { limit: 2, now: NOW, ..words("") }).unwrap();
        assert_eq!(texts(&two), ["one", "three"]);
    });
}

#[test]
fn what_was_folded_is_named() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let hers = alice.remember("say it once");
    let his = bob.remember("say it once");
    alice.pull(&bob);
    both(&mut alice, |alice| {
        let hit = &ask(alice, words("once")).hits[0];
        let folded = &hit.folded[0];
        assert_eq!((hit.same, hit.folded.len()), (2, 1));
        let ids = [hit.view.fact.id, folded.id];
        assert!(ids.contains(&hers) && ids.contains(&his));
        assert_ne!(hit.view.author.name, folded.author.name);
    });
    for _ in 0..20 {
        alice.remember("say it once");
    }
    let hit = &ask(&alice, words("once")).hits[0];
    assert_eq!((hit.same, hit.folded.len()), (22, FOLDED_MAX));
}

#[test]
fn a_score_is_the_sum_of_its_parts() {
    let (mut alice, _) = alice();
    for n in 0..30 {
        alice.remember(&format!("the service number {n}"));
    }
    alice.remember("the zookeeper service is the zookeeper");
    index(&mut alice);
    alice.remember("the zookeeper came late");
    let found = ask(&alice, RecallQuery { explain: true, ..words("zookeeper of the service") });
    for hit in &found.hits {
        let explanation = hit.explanation.as_ref().unwrap();
        let sum: f64 = explanation.words.iter().map(|word| word.part).sum();
        assert!((sum - hit.score).abs() < 1e-9, "{explanation:?}");
        assert!(explanation.words.iter().all(|word| (word.weight * word.share - word.part).abs() < 1e-9));
    }
    let by = |text: &str| {
        let hit = found.hits.iter().find(|hit| hit.view.fact.content.as_deref() == Some(text)).unwrap();
        hit.explanation.clone().unwrap()
    };
    let (indexed, late) = (by("the zookeeper service is the zookeeper"), by("the zookeeper came late"));
    assert_eq!((indexed.found, late.found), (FoundBy::Rarest, FoundBy::Tail));
    let word = &indexed.words[0];
    assert_eq!((word.word.as_str(), word.times, word.facts, indexed.length), ("zookeeper", 2, 2, 6));
    assert!(word.weight > indexed.words.last().unwrap().weight, "the rarest word first");
    assert!(ask(&alice, words("zookeeper")).hits.iter().all(|hit| hit.explanation.is_none()));
}

#[test]
fn who_asks_sees_what_is_kept_here_and_may_be_shown_and_nothing_else() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.remember_with(text("cache of bob").set(Field::Level, Value::Uint(2)));
    let level = |content: &str, level: u64| text(content).set(Field::Level, Value::Uint(level));
    alice.remember("cache that all have");
    alice.remember_with(level("cache of a module", 2));
    alice.remember_with(level("cache of a snippet", 3));
    alice.remember_with(level("cache that is private", 2).set(Field::Private, Value::Bool(true)));
    alice.remember_with(level("cache of pay", 2).set(Field::Domain, "pay".into()));
    let lowered = alice.remember("cache that was lowered");
    alice.edit(lowered, Field::Level, Value::Uint(2));
    let gone = alice.remember_with(level("cache that is gone", 2));
    alice.forget(gone);
    both(&mut alice, |alice| {
        let seen = |level, except: &[&str], question: &str| {
            let except = except.iter().map(|one| (*one).to_owned()).collect();
            let audience = Audience { domains: Domains { except, ..Domains::default() }, roles: Vec::new() };
            let query = RecallQuery {
                level: Some(level),
                author: Some(alice.node()),
                audience: Some(audience),
                ..words(question)
            };
            let found = ask(alice, query);
            let mut texts: Vec<String> = texts(&found).into_iter().map(str::to_owned).collect();
            texts.sort();
            texts
        };
        for question in ["cache", ""] {
            let modules = ["cache of a module", "cache of pay", "cache that was lowered"];
            assert_eq!(seen(Level::Module, &[], question), modules);
            assert_eq!(seen(Level::Module, &["pay"], question), ["cache of a module", "cache that was lowered"]);
            assert_eq!(seen(Level::Snippet, &[], question), ["cache of a snippet"]);
            assert!(seen(Level::Domain, &[], question).is_empty(), "that comes by itself");
        }
    });
}

#[test]
fn texts_of_others_are_weighed_by_what_words_are_worth_here() {
    let (mut alice, _) = alice();
    alice.remember("the service and the zookeeper");
    for n in 0..30 {
        alice.remember(&format!("the service number {n}"));
    }
    index(&mut alice);
    let given = |text: &str| vec![text.to_owned(), "label".to_owned()];
    let texts = [given("a zookeeper"), given("a service"), given("nothing fits")];
    let weighed = alice.db.reader().weigh("zookeeper of the service", &texts).unwrap();
    let scores: Vec<Option<f64>> = weighed.iter().map(|one| one.as_ref().map(|one| one.score)).collect();
    assert!(scores[0].unwrap() > scores[1].unwrap());
    assert!(scores[2].is_none());
    assert!(weighed[0].as_ref().unwrap().snippet.contains("zookeeper"));
    assert!(alice.db.reader().weigh("", &texts).unwrap().iter().all(|one| one.as_ref().unwrap().score == 0.0));
}
