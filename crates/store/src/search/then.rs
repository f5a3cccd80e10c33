//! Facts that were changed since a time, as they were at that time.
//!
//! The index knows what facts say now. What was last changed before the time said then what it says now, and is found
//! through the index. What was changed since is read from its edits, one by one, whatever it says now.

use std::collections::HashMap;

use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, params};

use super::answer::FoundBy;
use super::filter::{Facet, Filter};
use super::score::{self, Counted, Texts, Words};
use crate::error::Error;
use crate::project::flag;
use crate::query::as_of::{Then, fact_at};
use crate::row::{self, sql};

/// Most facts that are read from their edits for one question.
const CHANGED_MAX: usize = 10_000;

/// What was found.
#[derive(Default)]
pub(crate) struct Changed {
    /// Those that fit.
    pub(crate) counted: Vec<Counted>,
    /// As they were.
    pub(crate) then: HashMap<FactId, Then>,
    /// Whether some were not looked at.
    pub(crate) cut: bool,
}

/// The facts that were changed after `at` and fit as they were then.
pub(crate) fn changed(
    main: &Connection,
    at: UnixMillis,
    words: &Words<'_>,
    filter: &Filter<'_>,
) -> Result<Changed, Error> {
    let mut found = Changed::default();
    // What has one edit, and that later, was not there.
    let mut query = main.prepare_cached(
        "SELECT id FROM facts WHERE updated_at > ?1 AND pos <> n AND flags & ?2 = 0 ORDER BY pos DESC LIMIT ?3",
    )?;
    let mut rows = query.query(params![sql(at.0), flag::ERASED, row::sql_len(CHANGED_MAX + 1)])?;
    let mut read = 0;
    while let Some(next) = rows.next()? {
        read += 1;
        if read > CHANGED_MAX {
            found.cut = true;
            break;
        }
        let id = row::fact(next, 0)?;
        let Some(then) = fact_at(main, id, at)?.filter(|then| !then.view.closed) else { continue };
        if let Some(counted) = count(main, &then, words, filter)? {
            found.counted.push(counted);
            found.then.insert(id, then);
        }
    }
    Ok(found)
}

fn count(main: &Connection, then: &Then, words: &Words<'_>, filter: &Filter<'_>) -> Result<Option<Counted>, Error> {
    let Then { view, merged, log, .. } = then;
    let fact = &view.fact;
    let flags = [(fact.stale, flag::STALE), (fact.archived, flag::ARCHIVED), (fact.private, flag::PRIVATE)];
    let facet = Facet {
        id: fact.id,
        stream: view.stream,
        flags: flags.into_iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit),
        level: sql(fact.level.number()),
        log: *log,
        expires_at: fact.ttl_ms.map(|ttl| fact.created_at.after(ttl).0),
        on_expire: fact.on_expire as usize,
        domain: fact.domain.as_deref(),
        module: fact.module.as_deref(),
        role: fact.role.as_deref(),
        updated_at: view.updated_at.0,
        source: view.provenance.source.map(|source| source as i64),
        diverged: merged.diverged,
    };
    if !filter.passes(&facet) || filter.query.tag.as_ref().is_some_and(|tag| !fact.tags.contains(tag)) {
        return Ok(None);
    }
    let (labels, tags) = score::labels_of(&merged.values);
    let others = then.others();
    let texts = Texts { content: fact.content.as_deref(), labels: &labels, tags: &tags, others: &others };
    match score::count(&facet, &texts, words, FoundBy::Changed) {
        Some(_) if !filter.comes_from(main, fact.id)? => Ok(None),
        counted => Ok(counted),
    }
}
