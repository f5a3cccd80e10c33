//! Lists of facts: whatever the filter and however many facts there are, a page has what passes, the newest first.

use antiphon_core::fact::{Edit, Field, Level};
use antiphon_core::ids::FactId;
use antiphon_core::value::Value;
use antiphon_store::{FactFilter, FactView};

use crate::common::{Machine, alice, join, text};

/// More facts than are put in order, so that a list of them is gone through from its beginning.
const MANY: u64 = 1_040;

fn fact(content: &str, level: Level, domain: &str, module: Option<&str>, tags: &[&str]) -> Edit {
    let edit = text(content).set(Field::Level, Value::Uint(level.number())).set(Field::Domain, domain.into());
    let tags = Value::List(tags.iter().map(|tag| Value::Text((*tag).to_owned())).collect());
    let edit = edit.set(Field::Tags, tags);
    match module {
        Some(module) => edit.set(Field::Module, module.into()),
        None => edit,
    }
}

/// Very many facts of alice, with a few among them that differ, and two of bob.
fn much() -> (Machine, Machine) {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    for n in 0..MANY {
        let (level, module, tags): (_, _, &[&str]) = match n {
            7 | 700 => (Level::Project, Some("door"), &["rare", "common"]),
            _ if n % 3 == 0 => (Level::Domain, Some("hall"), &["common"]),
            _ => (Level::Domain, None, &["uncommon"]),
        };
        let id = alice.remember_with(fact(&format!("fact {n}"), level, "house", module, tags));
        match n {
            50 => drop(alice.forget(id)),
            60 => drop(alice.edit(id, Field::Archived, Value::Bool(true))),
            _ => {}
        }
    }
    for n in 0..3 {
        alice.remember_with(fact(&format!("tree {n}"), Level::Project, "garden", None, &["rare"]));
    }
    bob.pull(&alice);
    bob.remember_with(fact("bob's shed", Level::Domain, "garden", Some("shed"), &["rare"]));
    bob.remember_with(fact("bob's room", Level::Domain, "house", None, &[]));
    alice.pull(&bob);
    (alice, bob)
}

fn filters(alice: &Machine, bob: &Machine) -> Vec<FactFilter> {
    let mut filters = vec![FactFilter::default()];
    let mut with = |change: &dyn Fn(&FactFilter) -> FactFilter| {
        let more: Vec<FactFilter> = filters.iter().map(change).collect();
        filters.extend(more);
    };
    with(&|filter| FactFilter { level: Some(Level::Project), ..filter.clone() });
    with(&|filter| FactFilter { include_archived: true, include_forgotten: true, ..filter.clone() });
    let plain = filters.clone();
    for domain in ["house", "garden", "nowhere"] {
        filters.extend(plain.iter().map(|filter| FactFilter { domain: Some(domain.into()), ..filter.clone() }));
    }
    let plain = filters.clone();
    for author in [alice.node(), bob.node(), antiphon_core::ids::NodeId([9; 32])] {
        filters.extend(plain.iter().map(|filter| FactFilter { author: Some(author), ..filter.clone() }));
    }
    let plain = filters.clone();
    for tag in ["rare", "common"] {
        filters.extend(plain.iter().map(|filter| FactFilter { tag: Some(tag.into()), ..filter.clone() }));
    }
    filters.extend(plain.iter().map(|filter| FactFilter { module: Some("hall".into()), ..filter.clone() }));
    filters.extend(plain.into_iter().map(|filter| FactFilter { diverged: true, ..filter }));
    filters
}

fn passes(view: &FactView, filter: &FactFilter) -> bool {
    let fact = &view.fact;
    filter.level.is_none_or(|level| fact.level == level)
        && filter.domain.as_ref().is_none_or(|domain| fact.domain.as_ref() == Some(domain))
        && filter.module.as_ref().is_none_or(|module| fact.module.as_ref() == Some(module))
        && filter.tag.as_ref().is_none_or(|tag| fact.tags.contains(tag))
        && filter.author.is_none_or(|author| view.author.node == author)
        && (!filter.diverged || !view.diverged.is_empty())
        && (filter.include_archived || !fact.archived)
        && (filter.include_forgotten || !view.forgotten)
}

#[test]
fn a_page_has_what_passes_and_the_newest_first() {
    let (alice, bob) = much();
    let everything = FactFilter { include_archived: true, include_forgotten: true, ..FactFilter::default() };
    let all = alice.db.reader().facts(&everything, usize::MAX, None).unwrap();
    assert_eq!(all.len() as u64, MANY + 5);
    assert!(all.is_sorted_by(|one, next| one.fact.id > next.fact.id));
    let ids = |views: &[&FactView]| views.iter().map(|view| view.fact.id).collect::<Vec<FactId>>();
    for filter in filters(&alice, &bob) {
        let want: Vec<&FactView> = all.iter().filter(|view| passes(view, &filter)).collect();
        let page = |limit, after| alice.db.reader().facts(&filter, limit, after).unwrap();
        let found = page(20, None);
        assert_eq!(ids(&found.iter().collect::<Vec<_>>()), ids(&want[..want.len().min(20)]), "{filter:?}");
        if let Some(last) = found.last() {
            let next = page(3, Some(last.fact.id));
            let rest = &want[found.len()..];
            assert_eq!(ids(&next.iter().collect::<Vec<_>>()), ids(&rest[..rest.len().min(3)]), "{filter:?}");
        }
    }
}
