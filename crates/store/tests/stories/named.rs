//! Writes that their callers named.

use antiphon_core::incident::{Field as IncidentField, IncidentEdit};
use antiphon_core::value::Value;
use antiphon_store::{AuthorError, Draft, Outcome};

use crate::common::{alice, no_provenance, text};

fn named(key: &str, draft: Draft) -> Draft {
    Draft::Named { key: key.to_owned(), draft: Box::new(draft) }
}

#[test]
fn a_named_write_is_done_once_also_across_a_restart() {
    let (mut alice, _) = alice();
    let fact = alice.remember("one");
    let edit = |to: &str| Draft::Edit { fact, edit: text(to), provenance: no_provenance() };
    let first = alice.write(named("k", edit("two")));
    assert_eq!(first.outcome, Outcome::Written);
    alice.write(edit("three"));
    alice.reopen();
    let again = alice.write(named("k", edit("two")));
    assert_eq!((again.outcome, again.event, again.fact), (Outcome::Existed, first.event, first.fact));
    assert_eq!(alice.content(fact).as_deref(), Some("three"));
    let other = alice.write(named("l", edit("two")));
    assert_eq!(other.outcome, Outcome::Written);
    assert_eq!(alice.content(fact).as_deref(), Some("two"));
}

#[test]
fn a_refused_write_leaves_its_name_free() {
    let (mut alice, _) = alice();
    let fact = alice.remember("one");
    let edit = Draft::Edit { fact, edit: text("two"), provenance: no_provenance() };
    alice.forget(fact);
    assert!(matches!(alice.try_write(named("k", edit.clone())), Err(AuthorError::Forgotten(_))));
    alice.write(Draft::Restore { fact, provenance: no_provenance() });
    assert_eq!(alice.write(named("k", edit)).outcome, Outcome::Written);
}

#[test]
fn incidents_have_named_writes_too_and_names_last_a_day() {
    let (mut alice, _) = alice();
    let title = || IncidentEdit::new().set(IncidentField::Title, Value::Text("someone guesses".into()));
    let report = || Draft::ReportIncident { id: None, edit: title(), provenance: no_provenance() };
    let first = alice.write(named("k", report()));
    let again = alice.write(named("k", report()));
    assert!(first.incident.is_some());
    assert_eq!((again.incident, again.outcome), (first.incident, Outcome::Existed));
    alice.now = alice.now.after(antiphon_store::IDEMPOTENCY_LIFE_MS);
    assert_ne!(alice.write(named("k", report())).incident, first.incident);
}

#[test]
fn the_names_of_domains_are_found_by_their_beginning() {
    use antiphon_core::fact::Field;
    let (mut alice, _) = alice();
    for domain in ["build", "backend", "build", "release", "bäcker"] {
        alice.remember_with(text(domain).set(Field::Domain, domain.into()));
    }
    alice.remember("without one");
    let names = |typed: &str, limit: usize| alice.db.reader().domain_names(typed, limit).unwrap();
    assert_eq!(names("", 10), ["backend", "build", "bäcker", "release"]);
    assert_eq!(names("b", 2), ["backend", "build"]);
    assert_eq!(names("bä", 10), ["bäcker"]);
    assert_eq!(names("c", 10), Vec::<String>::new());
}
