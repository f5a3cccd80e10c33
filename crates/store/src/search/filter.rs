//! The filters of a question, in the terms of the columns.

use antiphon_core::fact::OnExpire;
use antiphon_core::ids::{FactId, NodeId, StoreId};
use antiphon_core::log::Stream;
use antiphon_core::time::Hlc;
use rusqlite::Connection;

use super::answer::{Audience, Origin, RecallQuery};
use crate::error::Error;
use crate::project::{self, flag};
use crate::query::history::author;
use crate::row::sql;

/// What filters look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facet<'a> {
    pub(crate) id: FactId,
    pub(crate) stream: Stream,
    pub(crate) flags: i64,
    pub(crate) level: i64,
    /// `logs.id` of the edit whose text is shown.
    pub(crate) log: i64,
    pub(crate) expires_at: Option<u64>,
    /// Place in [`OnExpire::ALL`].
    pub(crate) on_expire: usize,
    pub(crate) domain: Option<&'a str>,
    pub(crate) module: Option<&'a str>,
    pub(crate) role: Option<&'a str>,
    pub(crate) updated_at: u64,
    pub(crate) source: Option<i64>,
    pub(crate) diverged: u64,
}

/// See the module.
pub(crate) struct Filter<'a> {
    pub(crate) query: &'a RecallQuery,
    level: Option<i64>,
    logs: Option<Vec<i64>>,
    source: Option<i64>,
    /// Flags that a fact must not have.
    hidden: i64,
}

impl<'a> Filter<'a> {
    /// The filters of `query`.
    pub(crate) fn new(main: &Connection, query: &'a RecallQuery) -> Result<Self, Error> {
        let logs = match query.author {
            None => None,
            Some(node) => {
                let mut logs = main.prepare_cached("SELECT id FROM logs WHERE node = ?1")?;
                let logs = logs.query_map([node.0.as_slice()], |row| row.get(0))?;
                Some(logs.collect::<Result<_, _>>()?)
            }
        };
        let hidden = [(query.include_stale, flag::STALE), (query.include_archived, flag::ARCHIVED)];
        let hidden = hidden.into_iter().filter(|(shown, _)| !shown).fold(flag::CLOSED, |bits, (_, bit)| bits | bit);
        let hidden = if query.audience.is_some() { hidden | flag::PRIVATE } else { hidden };
        let (level, source) = (query.level.map(|level| sql(level.number())), query.source.map(|source| source as i64));
        Ok(Self { query, level, logs, source, hidden })
    }

    /// Whether a fact passes all that can be told without reading more of it.
    pub(crate) fn passes(&self, facet: &Facet<'_>) -> bool {
        let Self { query, .. } = self;
        let same = |want: &Option<String>, have: Option<&str>| want.is_none() || want.as_deref() == have;
        facet.flags & self.hidden == 0
            && self.lives(facet)
            && self.level.is_none_or(|want| want == facet.level)
            && self.logs.as_ref().is_none_or(|logs| logs.contains(&facet.log))
            && (self.source.is_none() || self.source == facet.source)
            && (!query.diverged || facet.diverged != 0)
            && query.since.is_none_or(|since| facet.updated_at >= since.0)
            && query.until.is_none_or(|until| facet.updated_at < until.0)
            && same(&query.domain, facet.domain)
            && same(&query.module, facet.module)
            && query.audience.as_ref().is_none_or(|audience| may_see(audience, facet))
    }

    fn lives(&self, facet: &Facet<'_>) -> bool {
        let expired = facet.expires_at.is_some_and(|at| self.query.judged_at().0 > at);
        match OnExpire::ALL.get(facet.on_expire).filter(|_| expired) {
            None => true,
            Some(OnExpire::MarkStale) => self.query.include_stale,
            Some(OnExpire::Archive) => self.query.include_archived,
            Some(OnExpire::Delete) => false,
        }
    }

    /// Whether a fact comes from where it is to come from. It takes reading its edits, so it is asked last.
    pub(crate) fn comes_from(&self, main: &Connection, id: FactId) -> Result<bool, Error> {
        let Some(origin) = self.query.origin else { return Ok(true) };
        let first = first(id, &writers(main, id)?);
        Ok(first.is_some_and(|first| match origin {
            Origin::Node(node) => node == first.node,
            Origin::Store(store) => store == first.store,
        }))
    }
}

/// Whether a member that asks may see a fact that this node does not send to it.
fn may_see(audience: &Audience, facet: &Facet<'_>) -> bool {
    let kept_back = facet.stream == Stream::Local || facet.flags & flag::WITHHELD != 0;
    kept_back
        && facet.flags & (flag::FORGOTTEN | flag::ERASED) == 0
        && audience.domains.allow(facet.domain)
        && facet.role.is_none_or(|role| audience.roles.iter().any(|held| held == role))
}

/// Who wrote an edit of a fact, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Writer {
    node: NodeId,
    store: StoreId,
    hlc: Hlc,
}

/// Who wrote a fact first: whoever its id names, if that is one of the writers, else the earliest by their clocks.
fn first(id: FactId, writers: &[Writer]) -> Option<Writer> {
    let earliest = |writer: &&Writer| (writer.hlc, writer.store);
    let named = writers.iter().filter(|writer| id.is_by(&writer.node)).min_by_key(earliest);
    named.or_else(|| writers.iter().min_by_key(earliest)).copied()
}

/// The writer of every edit of a fact that is held.
fn writers(main: &Connection, id: FactId) -> Result<Vec<Writer>, Error> {
    let mut writers = Vec::new();
    for stream in [Stream::Local, Stream::Shared] {
        for stored in project::all(main, id, stream)? {
            let author = author(main, stored.log)?;
            writers.push(Writer { node: author.node, store: author.store, hlc: stored.edit.hlc });
        }
    }
    Ok(writers)
}
