//! The facts of one domain, for a program that keeps a collection of its own in it. It reads the collection whole once, so
//! a row is what makes up the collection and nothing else, and then what came to it.
//!
//! What is new is found as the search index finds it: by the position of each fact's last edit, and by the list of facts
//! that changed without one. That list is emptied as the index follows, its numbers only grow.

use std::collections::BTreeMap;

use antiphon_core::fact::Field;
use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use rusqlite::{Connection, params};

use crate::cache::meta_uint;
use crate::error::Error;
use crate::project::{flag, read_rest};
use crate::reader::Reader;
use crate::rebuild::EPOCH;
use crate::row;

/// A fact of a domain, as its collection needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainFact {
    /// Its id.
    pub id: FactId,
    /// The text.
    pub content: String,
    /// Where it was taken from.
    pub source: Option<String>,
}

/// How far a collection was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainMark {
    /// Positions of edits up to this were read.
    pos: i64,
    /// Changes without an edit up to this were read.
    touched: i64,
    /// Which time everything is derived from the log.
    epoch: i64,
    /// When the first of the facts leaves the collection by its time to live.
    until: Option<UnixMillis>,
}

impl DomainMark {
    /// Whether none of the facts that were read has left the collection by its time to live at this time.
    pub fn holds_at(&self, now: UnixMillis) -> bool {
        self.until.is_none_or(|until| now <= until)
    }
}

/// What became of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainNews {
    /// These facts are all of it.
    Whole(Vec<DomainFact>),
    /// Something came to it, and what was there stayed as it was, unless it left for another domain.
    More {
        /// What came.
        facts: Vec<DomainFact>,
        /// Facts that were there before and are of another domain or none now. Which they were of then is not known: who
        /// has one of these reads all of it again.
        elsewhere: Vec<FactId>,
    },
}

/// Most facts of other domains that are named; if more were edited, all is read again.
const ELSEWHERE_MAX: usize = 1_000;

impl Reader<'_> {
    /// What became of the facts of a domain that are in recall since `mark`, in the order in which they came here, and how far
    /// they are read now. Without a mark, and where a fact that was there before changed or may have, all are read: the first
    /// `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn domain_since(
        &self,
        domain: &str,
        mark: Option<&DomainMark>,
        now: UnixMillis,
        limit: usize,
    ) -> Result<(DomainNews, DomainMark), Error> {
        let conn = self.connection();
        let here = DomainMark { until: None, ..mark_of(conn)? };
        let valid = |mark: &&DomainMark| (mark.touched, mark.epoch) == (here.touched, here.epoch) && mark.holds_at(now);
        if let Some(mark) = mark.filter(valid)
            && let Some(elsewhere) = edited_elsewhere(conn, domain, mark.pos)?
        {
            let (facts, until) = facts(conn, domain, mark.pos, now, limit)?;
            let until = mark.until.into_iter().chain(until).min();
            return Ok((DomainNews::More { facts, elsewhere }, DomainMark { until, ..here }));
        }
        let (facts, until) = facts(conn, domain, -1, now, limit)?;
        Ok((DomainNews::Whole(facts), DomainMark { until, ..here }))
    }
}

fn mark_of(conn: &Connection) -> Result<DomainMark, Error> {
    let number = |sql| -> Result<i64, Error> {
        Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
    };
    Ok(DomainMark {
        pos: number("SELECT max(pos) FROM facts")?,
        touched: number("SELECT max(seq) FROM sqlite_sequence WHERE name = 'touched'")?,
        epoch: meta_uint(conn, EPOCH)?.unwrap_or(0).cast_signed(),
        until: None,
    })
}

/// Facts that were there at `pos`, were edited since and are of another domain now; `None` when one is of this one, or there
/// are too many.
fn edited_elsewhere(conn: &Connection, domain: &str, pos: i64) -> Result<Option<Vec<FactId>>, Error> {
    // Left to itself SQLite goes through all that was there before.
    let mut query = conn
        .prepare_cached("SELECT id, domain FROM facts INDEXED BY facts_by_pos WHERE pos > ?1 AND n <= ?1 LIMIT ?2")?;
    let mut rows = query.query(params![pos, row::sql_len(ELSEWHERE_MAX + 1)])?;
    let mut found = Vec::new();
    while let Some(next) = rows.next()? {
        if found.len() == ELSEWHERE_MAX || next.get::<_, Option<String>>(1)?.as_deref() == Some(domain) {
            return Ok(None);
        }
        found.push(row::fact(next, 0)?);
    }
    Ok(Some(found))
}

/// The facts that came after `pos`, and when the first of them leaves.
fn facts(
    conn: &Connection,
    domain: &str,
    pos: i64,
    now: UnixMillis,
    limit: usize,
) -> Result<(Vec<DomainFact>, Option<UnixMillis>), Error> {
    // What its time to live has archived or deleted is out of the collection, as it is out of recall.
    let mut query = conn.prepare_cached(
        "SELECT id, content, rest, CASE WHEN on_expire <> 0 THEN expires_at END FROM facts INDEXED BY facts_by_domain
         WHERE domain = ?1 AND n > ?5 AND flags & ?2 = 0 AND content IS NOT NULL
             AND (expires_at IS NULL OR on_expire = 0 OR expires_at >= ?3)
         ORDER BY n LIMIT ?4",
    )?;
    let hidden = flag::ARCHIVED | flag::FORGOTTEN | flag::CLOSED;
    let mut rows = query.query(params![domain, hidden, row::sql(now.0), row::sql_len(limit), pos])?;
    let (mut found, mut until) = (Vec::new(), None);
    while let Some(next) = rows.next()? {
        let rest = next.get_ref(2)?.as_blob_or_null().map_err(|error| Error::damaged(error.to_string()))?;
        let mut values = BTreeMap::new();
        if let Some(rest) = rest {
            read_rest(rest, &mut values)?;
        }
        let source = values.get(&Field::Source).and_then(Value::as_text).map(str::to_owned);
        until = until.into_iter().chain(row::maybe_uint(next, 3)?.map(UnixMillis)).min();
        found.push(DomainFact { id: row::fact(next, 0)?, content: next.get(1)?, source });
    }
    Ok((found, until))
}
