//! Questions about documents.

use antiphon_core::address::{Component, Selector};
use antiphon_core::content::{Entry, VERSION_MAX};
use antiphon_core::event::{Header, Payload};
use antiphon_core::ids::{ContentId, EventId, Hash};
use antiphon_core::log::LogId;
use rusqlite::types::Value as Column;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::State;
use super::view::{ContentCounts, ContentCursor, ContentFilter, ContentView};
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql};

/// Most versions that one list holds.
pub const CONTENT_VERSIONS_MAX: usize = 1_000;

/// What a view is made of.
const COLUMNS: &str = "c.state, c.latest, v.header, v.payload, l.node, c.id, c.pos";
const TABLES: &str = "contents c JOIN events v ON v.pos = c.pos JOIN logs l ON l.id = c.log";

impl Reader<'_> {
    /// The version that stands for a document.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn content_latest(&self, id: &ContentId) -> Result<Option<ContentView>, Error> {
        self.content_version(id, Selector::Latest)
    }

    /// The version of a document that a selector chooses among those that count.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_version(&self, id: &ContentId, selector: Selector) -> Result<Option<ContentView>, Error> {
        let conn = self.connection();
        let of_id = "c.id = ?1 AND c.state = 0";
        let step = |steps: u64| Column::Integer(i64::try_from(steps).unwrap_or(i64::MAX));
        let id = Column::Blob(id.0.to_vec());
        match selector {
            Selector::Latest => first(conn, &format!("{of_id} ORDER BY c.rank DESC LIMIT 1"), vec![id]),
            Selector::Back(back) => {
                let tail = format!("{of_id} ORDER BY c.rank DESC LIMIT 1 OFFSET ?2");
                first(conn, &tail, vec![id, step(back)])
            }
            Selector::Forward(forward) => {
                let tail = format!("{of_id} ORDER BY c.rank LIMIT 1 OFFSET ?2");
                first(conn, &tail, vec![id, step(forward)])
            }
            Selector::Version(version) if version > VERSION_MAX => Ok(None),
            Selector::Version(version) => {
                let bound = |version: u64| Column::Blob(version.to_be_bytes().to_vec());
                let tail = format!("{of_id} AND c.rank >= ?2 AND c.rank < ?3 ORDER BY c.rank DESC LIMIT 1");
                first(conn, &tail, vec![id, bound(version), bound(version + 1)])
            }
        }
    }

    /// Every version of a document that is known, in their order, those that were taken away or do not count included:
    /// the last [`CONTENT_VERSIONS_MAX`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_versions(&self, id: &ContentId) -> Result<Vec<ContentView>, Error> {
        let tail = format!("c.id = ?1 AND c.state IN (0, 1, 2) ORDER BY c.rank DESC LIMIT {CONTENT_VERSIONS_MAX}");
        let mut versions = views(self.connection(), &tail, vec![Column::Blob(id.0.to_vec())])?;
        versions.reverse();
        Ok(versions)
    }

    /// The version that an event says, whether or not it counts.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_event(&self, id: &ContentId, event: &EventId) -> Result<Option<ContentView>, Error> {
        let tail = "c.id = ?1 AND c.event = ?2 AND c.state IN (0, 1, 2) LIMIT 1";
        first(self.connection(), tail, vec![Column::Blob(id.0.to_vec()), Column::Blob(event.0.to_vec())])
    }

    /// The version that the event at a place of a log says.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_at(&self, log: LogId, seq: u64) -> Result<Option<ContentView>, Error> {
        let tail = "l.stream = ?1 AND l.store = ?2 AND v.log = l.id AND v.seq = ?3 AND c.state IN (0, 1, 2)";
        let place = vec![
            Column::Integer(log.stream.number().into()),
            Column::Blob(log.store.0.to_vec()),
            Column::Integer(sql(seq)),
        ];
        first(self.connection(), tail, place)
    }

    /// Documents as they stand now, those stored last first: at most `limit`, behind `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_search(
        &self,
        filter: &ContentFilter,
        limit: usize,
        after: Option<ContentCursor>,
    ) -> Result<Vec<ContentView>, Error> {
        let mut search = Search { tail: "c.latest = 1".to_owned(), given: Vec::new() };
        for (column, component) in [
            ("agent", Component::Agent),
            ("role", Component::Role),
            ("project", Component::Project),
            ("task", Component::Task),
        ] {
            search.equal(column, filter.pattern.get(component));
        }
        search.equal("creator_role", filter.creator_role.as_deref());
        search.equal("content_type", filter.content_type.as_deref());
        if let Some(path) = filter.pattern.get(Component::Path) {
            // Everything below a path is between its name with `/` and the same with the character behind it.
            let [is, from, until] = [path.to_owned(), format!("{path}/"), format!("{path}0")].map(Column::Text);
            search.and("(c.path = ? OR (c.path >= ? AND c.path < ?))", vec![is, from, until]);
        }
        let time = |time: u64| Column::Integer(i64::try_from(time).unwrap_or(i64::MAX));
        if let Some(from) = filter.created_after {
            search.and("c.created_at >= ?", vec![time(from.0)]);
        }
        if let Some(until) = filter.created_before {
            search.and("c.created_at < ?", vec![time(until.0)]);
        }
        if let Some(after) = after {
            let cursor = vec![time(after.created_at.0), Column::Blob(after.id.0.to_vec())];
            search.and("(c.created_at, c.id) < (?, ?)", cursor);
        }
        search.tail.push_str(" ORDER BY c.created_at DESC, c.id DESC LIMIT ?");
        search.given.push(Column::Integer(row::sql_len(limit)));
        views(self.connection(), &search.tail, search.given)
    }

    /// Documents that were stored in a role, those stored last first: at most `limit`, behind `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_by_role(
        &self,
        role: &str,
        limit: usize,
        after: Option<ContentCursor>,
    ) -> Result<Vec<ContentView>, Error> {
        let filter = ContentFilter { creator_role: Some(role.to_owned()), ..ContentFilter::default() };
        self.content_search(&filter, limit, after)
    }

    /// Versions that count and whose ciphertext has this root.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_by_root(&self, root: &Hash) -> Result<Vec<ContentView>, Error> {
        let tail = format!("c.root = ?1 AND c.state = 0 ORDER BY c.pos LIMIT {CONTENT_VERSIONS_MAX}");
        views(self.connection(), &tail, vec![Column::Blob(root.0.to_vec())])
    }

    /// A version whose ciphertext has this root, whether it counts, was removed or never counted; one that counts first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_naming(&self, root: &Hash) -> Result<Option<ContentView>, Error> {
        let tail = "c.root = ?1 AND c.state IN (0, 1, 2) ORDER BY c.state, c.pos LIMIT 1";
        first(self.connection(), tail, vec![Column::Blob(root.0.to_vec())])
    }

    /// Whether a version counts whose ciphertext has this root, so that it must be kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_root_needed(&self, root: &Hash) -> Result<bool, Error> {
        let mut query =
            self.connection().prepare_cached("SELECT 1 FROM contents WHERE root = ?1 AND state = 0 LIMIT 1")?;
        Ok(query.query_row([root.0.as_slice()], |_| Ok(())).optional()?.is_some())
    }

    /// The roots of all ciphertexts that a version which counts needs, each once, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_roots_needed(&self) -> Result<Vec<Hash>, Error> {
        let mut query =
            self.connection().prepare_cached("SELECT DISTINCT root FROM contents WHERE state = 0 ORDER BY root")?;
        let mut rows = query.query([])?;
        let mut roots = Vec::new();
        while let Some(found) = rows.next()? {
            roots.push(row::hash(found, 0)?);
        }
        Ok(roots)
    }

    /// How many versions of a document there are, and how they stand.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_standing(&self, id: &ContentId) -> Result<ContentCounts, Error> {
        counts(self.connection(), "WHERE id = ?1", vec![Column::Blob(id.0.to_vec())])
    }

    /// How many documents and versions there are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn content_counts(&self) -> Result<ContentCounts, Error> {
        counts(self.connection(), "", Vec::new())
    }
}

/// Conditions and what they are given.
struct Search {
    tail: String,
    given: Vec<Column>,
}

impl Search {
    fn and(&mut self, condition: &str, mut given: Vec<Column>) {
        self.tail.push_str(" AND ");
        self.tail.push_str(condition);
        self.given.append(&mut given);
    }

    fn equal(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.and(&format!("c.{column} = ?"), vec![Column::Text(value.to_owned())]);
        }
    }
}

fn first(conn: &Connection, tail: &str, given: Vec<Column>) -> Result<Option<ContentView>, Error> {
    Ok(views(conn, tail, given)?.into_iter().next())
}

fn views(conn: &Connection, tail: &str, given: Vec<Column>) -> Result<Vec<ContentView>, Error> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {TABLES} WHERE {tail}"))?;
    let mut rows = query.query(params_from_iter(given))?;
    let mut views = Vec::new();
    while let Some(found) = rows.next()? {
        views.push(view(conn, found)?);
    }
    Ok(views)
}

fn view(conn: &Connection, found: &Row<'_>) -> Result<ContentView, Error> {
    let (state, latest): (i64, bool) = (found.get(0)?, found.get(1)?);
    let header = Header::decode(&found.get::<_, Vec<u8>>(2)?)?;
    let (id, pos) = (row::content(found, 5)?, found.get(6)?);
    let lost = |why: String| Error::Damaged(format!("document {id}: {why}"));
    let payload: Option<Vec<u8>> = found.get(3)?;
    let payload = payload.ok_or_else(|| lost("its entry is not held".to_owned()))?;
    let payload = Payload::decode(&payload, header.fields).map_err(|error| lost(error.to_string()))?;
    let entry = Entry::from_fields(&id, &payload.fields).map_err(|error| lost(error.to_string()))?;
    Ok(ContentView {
        entry,
        author: row::node(found, 4)?,
        store: header.store,
        event: header.id,
        hlc: header.hlc,
        at: header.hlc.time(),
        provenance: payload.provenance,
        latest,
        removed: state == State::Removed as i64,
        unauthorised: state == State::Unauthorised as i64,
        concurrent: state == State::Counts as i64 && is_concurrent(conn, &id, pos)?,
    })
}

/// Whether a version stands beside another one that counts: neither has seen the other, and nothing has seen both.
fn is_concurrent(conn: &Connection, id: &ContentId, pos: i64) -> Result<bool, Error> {
    let mut query = conn.prepare_cached(
        "SELECT count(*), count(*) FILTER (WHERE c.pos = ?2) FROM edits e JOIN contents c ON c.pos = e.pos
         WHERE e.kind = 7 AND e.id = ?1 AND e.stream = 1 AND e.standing <> 0 AND c.state = 0",
    )?;
    let (standing, this): (i64, i64) = query.query_row(params![id.0, pos], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(standing > 1 && this > 0)
}

fn counts(conn: &Connection, which: &str, given: Vec<Column>) -> Result<ContentCounts, Error> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT count(*) FILTER (WHERE latest = 1), count(*) FILTER (WHERE state = 0),
             count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2),
             count(*) FILTER (WHERE state = 3)
         FROM contents {which}"
    ))?;
    let mut rows = query.query(params_from_iter(given))?;
    let Some(found) = rows.next()? else { return Ok(ContentCounts::default()) };
    Ok(ContentCounts {
        documents: row::uint(found, 0)?,
        versions: row::uint(found, 1)?,
        removed: row::uint(found, 2)?,
        unauthorised: row::uint(found, 3)?,
        incomplete: row::uint(found, 4)?,
    })
}
