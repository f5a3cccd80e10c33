//! Finding what was remembered.

use antiphon_core::fact::{Edit, Field, Level};
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_store::{Hit, Recall, RecallQuery};
use proptest::prelude::*;

use crate::common::{Machine, NOW, alice, join, text};

fn ask(machine: &Machine, text: &str) -> Recall {
    ask_for(machine, RecallQuery { text: text.into(), ..RecallQuery::default() })
}

fn ask_for(machine: &Machine, query: RecallQuery) -> Recall {
    let now = if query.now == UnixMillis(0) { NOW } else { query.now };
    machine.db.reader().recall(&RecallQuery { limit: 10, now, ..query }).unwrap()
}

fn texts(recall: &Recall) -> Vec<&str> {
    recall.hits.iter().filter_map(|hit: &Hit| hit.view.fact.content.as_deref()).collect()
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
fn what_was_just_written_is_found_at_once() {
    let (mut alice, _) = alice();
    alice.remember("the deployment needs a green pipeline");
    alice.remember("postgres listens on port 5432");
    both(&mut alice, |alice| {
        let found = ask(alice, "which port does Postgres use?");
        assert_eq!(texts(&found), ["postgres listens on port 5432"]);
        assert!(!found.index_behind);
        assert!(found.hits[0].snippet.contains("postgres"));
        assert_eq!(texts(&ask(alice, "deploying pipelines")), ["the deployment needs a green pipeline"]);
        assert!(ask(alice, "kubernetes").hits.is_empty());
    });
}

#[test]
fn forgotten_and_superseded_text_is_not_found() {
    let (mut alice, _) = alice();
    let edited = alice.remember("the password is swordfish");
    let forgotten = alice.remember("swordfish is tasty");
    index(&mut alice);
    alice.edit(edited, Field::Content, "the password is in the vault".into());
    alice.forget(forgotten);
    both(&mut alice, |alice| {
        assert!(ask(alice, "swordfish").hits.is_empty());
        assert_eq!(texts(&ask(alice, "password vault")).len(), 1);
    });
}

#[test]
fn what_stopped_counting_is_not_found() {
    let (mut alice, genome) = alice();
    let mut eve = join(3, "eve", &mut alice, &genome);
    let mut bob = join(2, "bob", &mut alice, &genome);
    alice.pull(&eve);
    eve.remember("poison in the well");
    bob.pull(&eve);
    index(&mut bob);
    assert_eq!(ask(&bob, "poison").hits.len(), 1);
    alice.write(antiphon_store::Draft::Revoke(antiphon_core::charter::Revoke {
        node: eve.node(),
        reason: "x".into(),
        compromised: false,
        cuts: vec![],
        role_keys: vec![],
    }));
    bob.pull(&alice);
    both(&mut bob, |bob| assert!(ask(bob, "poison").hits.is_empty()));
}

#[test]
fn filters_narrow_the_answer() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = |domain: &str, tag: &str, level: u64| {
        let tags = Value::List(vec![tag.into()]);
        text("cache the result")
            .set(Field::Domain, domain.into())
            .set(Field::Tags, tags)
            .set(Field::Level, Value::Uint(level))
    };
    alice.remember_with(fact("web", "http", 0));
    alice
        .remember_with(text("cache the query").set(Field::Domain, "data base".into()).set(Field::Module, "sql".into()));
    bob.remember_with(fact("web ui", "http", 1).set(Field::Content, "cache the page".into()));
    alice.pull(&bob);
    let bob = bob.node();
    both(&mut alice, |alice| {
        let one = |query: RecallQuery, want: &str| {
            assert_eq!(texts(&ask_for(alice, RecallQuery { text: "cached".into(), ..query })), [want]);
        };
        one(RecallQuery { domain: Some("web".into()), ..RecallQuery::default() }, "cache the result");
        one(RecallQuery { domain: Some("data base".into()), ..RecallQuery::default() }, "cache the query");
        one(RecallQuery { module: Some("sql".into()), ..RecallQuery::default() }, "cache the query");
        one(RecallQuery { author: Some(bob), ..RecallQuery::default() }, "cache the page");
        one(RecallQuery { level: Some(Level::Project), ..RecallQuery::default() }, "cache the result");
        let tagged =
            ask_for(alice, RecallQuery { text: "cache".into(), tag: Some("http".into()), ..RecallQuery::default() });
        assert_eq!(tagged.hits.len(), 2);
        assert_eq!(ask(alice, "cache").hits.len(), 3);
    });
}

#[test]
fn stale_archived_and_expired_facts_are_out_unless_asked_for() {
    let (mut alice, _) = alice();
    alice.remember_with(text("alpha stale").set(Field::Stale, Value::Bool(true)));
    alice.remember_with(text("alpha archived").set(Field::Archived, Value::Bool(true)));
    for (content, on_expire) in [("alpha marks", 0), ("alpha archives", 1), ("alpha deletes", 2)] {
        let ttl = text(content).set(Field::Ttl, Value::Uint(1_000)).set(Field::OnExpire, Value::Uint(on_expire));
        alice.remember_with(ttl);
    }
    both(&mut alice, |alice| {
        assert_eq!(ask(alice, "alpha").hits.len(), 3);
        let late = RecallQuery { text: "alpha".into(), now: NOW.after(5_000), ..RecallQuery::default() };
        assert_eq!(ask_for(alice, late.clone()).hits.len(), 0);
        assert_eq!(ask_for(alice, RecallQuery { include_stale: true, ..late.clone() }).hits.len(), 2);
        assert_eq!(ask_for(alice, RecallQuery { include_archived: true, ..late }).hits.len(), 2);
    });
}

#[test]
fn equal_texts_are_folded_and_counted() {
    let (mut alice, _) = alice();
    for _ in 0..3 {
        alice.remember("say it once");
    }
    both(&mut alice, |alice| {
        let found = ask(alice, "say once");
        assert_eq!((found.hits.len(), found.hits[0].same), (1, 3));
    });
}

#[test]
fn a_rare_word_beats_many_common_ones() {
    let (mut alice, _) = alice();
    for n in 0..300 {
        alice.remember(&format!("the service of the team number {n} is to be run on the server"));
    }
    alice.remember("the zookeeper is gone");
    both(&mut alice, |alice| {
        let found = ask(alice, "what is it that the team says on the zookeeper of the server");
        assert_eq!(texts(&found)[0], "the zookeeper is gone");
        assert_eq!(found.hits.len(), 10);
        assert_eq!(ask(alice, "the of is to").hits.len(), 10);
    });
}

#[test]
fn a_long_text_with_the_only_rare_word_beats_short_ones_without_it() {
    let (mut alice, _) = alice();
    let text = |name: &str, rest: &str| format!("fact{name} of alice, may travel, of the domain pay. {rest}");
    let long = text("x7", &"lorem ipsum ".repeat(2_000));
    alice.remember(&long);
    for number in 0..200 {
        let domain = if number % 2 == 0 { text(&number.to_string(), "") } else { format!("fact{number} may travel") };
        alice.remember(&domain);
    }
    both(&mut alice, |alice| {
        assert_eq!(texts(&ask(alice, "factx7 of alice, may travel, of the domain")).first(), Some(&long.as_str()));
    });
}

#[test]
fn a_lost_or_damaged_index_is_built_again() {
    let (mut alice, _) = alice();
    alice.remember("once upon a time");
    index(&mut alice);
    let path = alice.home.path().join("search.db");
    let home = std::mem::replace(&mut alice.home, tempfile::tempdir().unwrap());
    drop(alice);
    for damage in ["", "not a database at all, in no way whatever"] {
        for suffix in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{suffix}", path.display())));
        }
        std::fs::write(&path, damage.repeat(100)).unwrap();
        let mut db = antiphon_store::Db::open(home.path(), antiphon_store::Options::default(), None).unwrap();
        while db.index_step(10).unwrap() > 0 {}
        let query = RecallQuery { text: "upon".into(), limit: 3, now: NOW, ..RecallQuery::default() };
        assert_eq!(db.reader().recall(&query).unwrap().hits.len(), 1);
    }
}

#[test]
fn rebuilding_the_projections_rebuilds_the_index() {
    let (mut alice, _) = alice();
    alice.remember("phoenix");
    index(&mut alice);
    alice.db.rebuild().unwrap();
    both(&mut alice, |alice| assert_eq!(ask(alice, "phoenix").hits.len(), 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_question_is_an_error(question in "\\PC{0,80}|[\"'*^:(){}+\\- ANDORTNE]{0,40}", content in "\\PC{1,60}") {
        let (mut alice, _) = alice();
        alice.remember("AND OR NOT NEAR \"quoted\" text : labels*");
        let edit = Edit::new().set(Field::Content, content.as_str().into());
        if edit.validate().is_ok() {
            alice.remember_with(edit);
        }
        both(&mut alice, |alice| {
            let _ = ask(alice, &question);
            let _ = ask(alice, &content);
        });
    }
}
