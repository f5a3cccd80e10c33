//! Remembering, editing, forgetting, restoring on one machine.

use crate::common::{Machine, NOW, alice, no_provenance, text};
use antiphon_core::event::SourceKind;
use antiphon_core::fact::{Field, Level};
use antiphon_core::ids::FactId;
use antiphon_core::log::Stream;
use antiphon_core::value::Value;
use antiphon_store::{AuthorError, Draft, FactFilter, Outcome, Resolved};

fn check(machine: &Machine) {
    let report = machine.db.reader().verify().unwrap();
    assert!(report.is_good(), "{report:?}");
}

#[test]
fn alice_reads_what_she_remembered_with_where_it_came_from() {
    let (mut alice, _) = alice();
    let fact = alice.remember_with(
        text("the build needs rust 1.89")
            .set(Field::Domain, "build".into())
            .set(Field::Tags, Value::List(vec!["rust".into()])),
    );
    let view = alice.db.reader().fact(fact).unwrap().unwrap();
    assert_eq!(view.fact.content.as_deref(), Some("the build needs rust 1.89"));
    assert_eq!((view.fact.level, view.stream), (Level::Domain, Stream::Shared));
    assert_eq!(
        (view.fact.domain.as_deref(), view.fact.tags.as_slice()),
        (Some("build"), ["rust".to_owned()].as_slice())
    );
    assert_eq!((view.author.node, view.author.name.as_str()), (alice.node(), "alice"));
    assert_eq!((view.provenance.agent.as_deref(), view.provenance.source), (Some("claude"), Some(SourceKind::Agent)));
    check(&alice);
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let (mut alice, _) = alice();
    let fact = alice.remember("port 5432");
    assert_eq!(alice.edit(fact, Field::Content, "port 5432".into()).outcome, Outcome::Unchanged);
    assert_eq!(alice.edit(fact, Field::Content, "port 5433".into()).outcome, Outcome::Written);
    assert_eq!(alice.content(fact).as_deref(), Some("port 5433"));
    assert_eq!(alice.db.reader().history(fact).unwrap().len(), 2);
    check(&alice);
}

#[test]
fn a_forgotten_fact_can_be_restored_as_it_was() {
    let (mut alice, _) = alice();
    let fact = alice.remember_with(text("one").set(Field::Module, "auth".into()));
    alice.edit(fact, Field::Content, "two".into());
    alice.forget(fact);
    assert_eq!(alice.content(fact), None);
    assert!(alice.db.reader().fact(fact).unwrap().unwrap().forgotten);
    let edit = Draft::Edit { fact, edit: text("three"), provenance: no_provenance() };
    assert_eq!(alice.try_write(edit), Err(AuthorError::Forgotten(fact)));
    alice.write(Draft::Restore { fact, provenance: no_provenance() });
    let view = alice.db.reader().fact(fact).unwrap().unwrap();
    assert_eq!((view.fact.content.as_deref(), view.fact.module.as_deref()), (Some("two"), Some("auth")));
    assert!(!view.forgotten);
    check(&alice);
}

#[test]
fn a_repeated_import_and_a_repeated_key_do_not_double() {
    let (mut alice, _) = alice();
    let id = FactId::of_source("memory-server", "alpha");
    let draft = |id, key: Option<&str>| Draft::Remember {
        id,
        edit: text("imported"),
        provenance: no_provenance(),
        idempotency_key: key.map(str::to_owned),
    };
    assert_eq!(alice.write(draft(Some(id), None)).outcome, Outcome::Written);
    assert_eq!(alice.write(draft(Some(id), None)).outcome, Outcome::Existed);
    let first = alice.write(draft(None, Some("k1")));
    let second = alice.write(draft(None, Some("k1")));
    assert_eq!((second.outcome, second.fact, second.event), (Outcome::Existed, first.fact, first.event));
    assert_eq!(alice.db.reader().counts().unwrap().facts, 2);
}

#[test]
fn raising_the_level_publishes_the_whole_fact_and_lowering_withholds_it() {
    let (mut alice, _) = alice();
    let fact = alice.remember_with(text("a scrap").set(Field::Level, Value::Uint(3)).set(Field::Module, "auth".into()));
    assert_eq!(alice.db.reader().fact(fact).unwrap().unwrap().stream, Stream::Local);
    let raised = alice.edit(fact, Field::Level, Value::Uint(0));
    assert_eq!(raised.log.stream, Stream::Shared);
    let view = alice.db.reader().fact(fact).unwrap().unwrap();
    assert_eq!((view.stream, view.fact.module.as_deref()), (Stream::Shared, Some("auth")));
    assert_eq!(view.fact.created_at, fact.time());
    let held = |alice: &Machine| alice.db.reader().page(alice.shared(), 1, 512, 1 << 20, None).unwrap();
    assert!(held(&alice).iter().all(|event| event.payload().is_some()));
    alice.edit(fact, Field::Private, Value::Bool(true));
    assert!(held(&alice).iter().all(|event| event.payload().is_none()));
    check(&alice);
}

#[test]
fn one_refused_draft_harms_no_other() {
    let (mut alice, _) = alice();
    let remember = |edit| Draft::Remember { id: None, edit, provenance: no_provenance(), idempotency_key: None };
    let nobody = FactId([7; 16]);
    let drafts = [
        remember(text("good")),
        remember(text("")),
        Draft::Forget { fact: nobody, provenance: no_provenance() },
        remember(text("good too")),
    ];
    let random = alice.random();
    let results = alice.db.author(&drafts, NOW, random).unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    assert!(results[2].as_ref().is_err_and(AuthorError::is_not_found));
    check(&alice);
}

#[test]
fn a_fact_is_found_by_the_only_beginning_of_its_id() {
    let (mut alice, _) = alice();
    let fact = alice.remember("one");
    let reader = alice.db.reader();
    let text = fact.to_string();
    assert_eq!(reader.resolve_fact(&text).unwrap(), Resolved::One(fact));
    assert_eq!(reader.resolve_fact(&text[..12].to_lowercase()).unwrap(), Resolved::One(fact));
    for nothing in ["", "nope!", "7ZZZZZ", &"0".repeat(40), "é"] {
        assert_eq!(reader.resolve_fact(nothing).unwrap(), Resolved::None, "{nothing}");
    }
    alice.remember("two");
    assert!(matches!(alice.db.reader().resolve_fact(&text[..2]).unwrap(), Resolved::Ambiguous(ids) if ids.len() == 2));
}

#[test]
fn facts_are_listed_newest_first_page_by_page_and_filtered() {
    let (mut alice, _) = alice();
    for n in 0..5_u64 {
        alice.remember_with(text(&format!("fact {n}")).set(Field::Level, Value::Uint(n % 2)));
    }
    let list = |filter: &FactFilter, limit, after| -> Vec<FactId> {
        alice.db.reader().facts(filter, limit, after).unwrap().iter().map(|view| view.fact.id).collect()
    };
    let all = list(&FactFilter::default(), 10, None);
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted_by(|a, b| a > b));
    assert_eq!(list(&FactFilter::default(), 2, Some(all[1])), all[2..4]);
    assert_eq!(list(&FactFilter { level: Some(Level::Domain), ..FactFilter::default() }, 10, None).len(), 2);
    assert_eq!(list(&FactFilter { domain: Some("x".into()), ..FactFilter::default() }, 10, None).len(), 0);
}

#[test]
fn what_is_recalled_is_counted_here_and_nowhere_else() {
    let (mut alice, _) = alice();
    let fact = alice.remember("often needed");
    let hash = alice.db.reader().state_hash().unwrap();
    alice.db.record_hits(&[fact, FactId([9; 16])], NOW).unwrap();
    alice.db.record_hits(&[fact], NOW.after(5)).unwrap();
    let view = alice.db.reader().fact(fact).unwrap().unwrap();
    assert_eq!((view.hits, view.last_hit), (2, Some(NOW.after(5))));
    assert_eq!(alice.db.reader().state_hash().unwrap(), hash);
}

#[test]
fn idempotency_keys_are_forgotten_after_a_day() {
    let (mut alice, _) = alice();
    let draft = Draft::Remember {
        id: None,
        edit: text("again"),
        provenance: no_provenance(),
        idempotency_key: Some("key".into()),
    };
    let first = alice.write(draft.clone()).fact;
    assert_eq!(alice.write(draft.clone()).fact, first);
    alice.now = alice.now.after(antiphon_store::IDEMPOTENCY_LIFE_MS);
    assert_ne!(alice.write(draft).fact, first);
}
