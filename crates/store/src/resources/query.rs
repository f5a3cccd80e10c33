//! Questions about catalogues.

use antiphon_core::ids::{NodeId, ResourceId, StoreId};
use antiphon_core::resource::Resource;
use antiphon_core::resource::notice::{Consider, Plan, Removal};
use antiphon_core::resource::question::Summary;
use antiphon_core::time::UnixMillis;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::{CAPABILITY, Checked, Considered, ResourceFilter, ResourceRow, TAG, entry, label, stamp};
use crate::error::Error;
use crate::query::facts::ulids_beginning;
use crate::reader::Reader;
use crate::row::{self, sql_len};
use crate::search::words;
use crate::view::Resolved;

/// Most words of a text that are searched for, the first.
const WORDS_MAX: usize = 8;
/// Most ids that an ambiguous name brings up.
const AMBIGUOUS_MAX: i64 = 10;

const COLUMNS: &str = "r.owner, r.body, r.learned_at, r.checked_at, r.checked_stamp, r.checked_version";

impl Reader<'_> {
    /// An entry that is not gone.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn resource(&self, id: ResourceId) -> Result<Option<ResourceRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM resources r WHERE r.id = ?1 AND r.gone = 0");
        let mut query = self.connection().prepare_cached(&sql)?;
        let mut rows = query.query([id.0])?;
        rows.next()?.map(resource_row).transpose()
    }

    /// The entry that `text` names: its id, the beginning of exactly one, or the whole name of exactly one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resolve_resource(&self, text: &str) -> Result<Resolved<ResourceId>, Error> {
        let conn = self.connection();
        let named = ids(conn, "SELECT id FROM resources WHERE name = ?1 AND gone = 0 LIMIT ?2", text)?;
        if !named.is_empty() {
            return Ok(Resolved::from_ids(named));
        }
        let Some((first, last)) = ulids_beginning(text) else { return Ok(Resolved::None) };
        let mut query = conn
            .prepare_cached("SELECT id FROM resources WHERE id BETWEEN ?1 AND ?2 AND gone = 0 ORDER BY id LIMIT ?3")?;
        let found = query.query_map(params![first, last, AMBIGUOUS_MAX], |found| found.get(0).map(ResourceId))?;
        Ok(Resolved::from_ids(found.collect::<Result<_, _>>()?))
    }

    /// At most `limit` entries that fit.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resources(&self, filter: &ResourceFilter, limit: usize) -> Result<Vec<ResourceRow>, Error> {
        let Some(words) = words_of(filter) else { return Ok(Vec::new()) };
        let (sql, values) = select(filter, words, limit);
        let mut query = self.connection().prepare_cached(&sql)?;
        let mut rows = query.query(params_from_iter(values))?;
        let mut list = Vec::new();
        while let Some(found) = rows.next()? {
            list.push(resource_row(found)?);
        }
        Ok(list)
    }

    /// The whole catalogue of a node, in the order of the ids.
    ///
    /// # Errors
    /// When the database fails.
    pub fn catalogue(&self, owner: &NodeId) -> Result<Vec<Resource>, Error> {
        let mut query =
            self.connection().prepare_cached("SELECT body FROM resources WHERE owner = ?1 AND gone = 0 ORDER BY id")?;
        let mut rows = query.query([owner.0])?;
        let mut list = Vec::new();
        while let Some(found) = rows.next()? {
            list.push(entry(found, 0)?);
        }
        Ok(list)
    }

    /// How many entries the catalogue of a node has.
    ///
    /// # Errors
    /// When the database fails.
    pub fn catalogue_size(&self, owner: &NodeId) -> Result<usize, Error> {
        super::count(self.connection(), "resources", owner)
    }

    /// What a node has taken out of its catalogue, as far as that is still known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn catalogue_gone(&self, owner: &NodeId) -> Result<Vec<Removal>, Error> {
        let mut query = self
            .connection()
            .prepare_cached("SELECT id, at, version FROM resources WHERE owner = ?1 AND gone = 1 ORDER BY id")?;
        let mut rows = query.query([owner.0])?;
        let mut list = Vec::new();
        while let Some(found) = rows.next()? {
            list.push(Removal { id: ResourceId(found.get(0)?), stamp: stamp(found, 1)? });
        }
        Ok(list)
    }

    /// What the catalogue of a node comes to.
    ///
    /// # Errors
    /// When the database fails.
    pub fn catalogue_summary(&self, owner: &NodeId) -> Result<Summary, Error> {
        Ok(Summary::of(&self.catalogue(owner)?))
    }

    /// Who has entries here, and how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resource_owners(&self) -> Result<Vec<(NodeId, u64)>, Error> {
        let mut query = self
            .connection()
            .prepare_cached("SELECT owner, count(*) FROM resources WHERE gone = 0 GROUP BY owner ORDER BY owner")?;
        let mut rows = query.query([])?;
        let mut list = Vec::new();
        while let Some(found) = rows.next()? {
            list.push((row::node(found, 0)?, row::uint(found, 1)?));
        }
        Ok(list)
    }

    /// When a resource can be used, if its owner has said so.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resource_plan(&self, id: ResourceId) -> Result<Option<Plan>, Error> {
        let mut query = self.connection().prepare_cached("SELECT body FROM resource_plans WHERE id = ?1")?;
        let body: Option<Vec<u8>> = query.query_row([id.0], |found| found.get(0)).optional()?;
        let read = |body: Vec<u8>| Plan::decode(&body).map_err(|error| Error::damaged(format!("a plan: {error}")));
        body.map(read).transpose()
    }

    /// Who means to use a resource, or was told that it may, in the order of the times.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resource_considers(&self, id: ResourceId) -> Result<Vec<Considered>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT node, body FROM resource_considers WHERE id = ?1 ORDER BY from_at, until_at, at, node",
        )?;
        let mut rows = query.query([id.0])?;
        let mut list = Vec::new();
        while let Some(found) = rows.next()? {
            let body: Vec<u8> = found.get(1)?;
            let read = Consider::decode(&body).map_err(|error| Error::damaged(format!("a planned use: {error}")));
            list.push(Considered { node: row::node(found, 0)?, consider: read? });
        }
        Ok(list)
    }

    /// Which database of `node` was told the whole own catalogue last.
    ///
    /// # Errors
    /// When the database fails.
    pub fn catalogue_told(&self, node: &NodeId) -> Result<Option<StoreId>, Error> {
        let mut query = self.connection().prepare_cached("SELECT store FROM resource_told WHERE node = ?1")?;
        let mut rows = query.query([node.0])?;
        rows.next()?.map(|found| row::store(found, 0)).transpose()
    }
}

fn ids(conn: &Connection, sql: &str, text: &str) -> Result<Vec<ResourceId>, Error> {
    let mut query = conn.prepare_cached(sql)?;
    let found = query.query_map(params![text, AMBIGUOUS_MAX], |found| found.get(0).map(ResourceId))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The words that an entry must have; `None` when there is a text without any.
fn words_of(filter: &ResourceFilter) -> Option<Vec<String>> {
    let mut all = Vec::new();
    words::for_each(&filter.text, |word| {
        if all.len() < WORDS_MAX && !all.iter().any(|known| known == word) {
            all.push(word.to_owned());
        }
    });
    if all.is_empty() && !filter.text.trim().is_empty() {
        return None;
    }
    let exact = [(CAPABILITY, &filter.capability), (TAG, &filter.tag)];
    all.extend(exact.into_iter().filter_map(|(kind, value)| value.as_ref().map(|value| label(kind, value))));
    Some(all)
}

/// The question and its values. Of one owner there are a thousand entries at most, so they are gone through; otherwise
/// the first word chooses.
fn select(filter: &ResourceFilter, words: Vec<String>, limit: usize) -> (String, Vec<Value>) {
    let joined = |at: usize| format!("resource_words w{at}");
    let mut tables: Vec<String> = (0..words.len()).map(joined).collect();
    let own_first = if filter.owner.is_some() { 0 } else { tables.len() };
    tables.insert(own_first, "resources r".to_owned());
    let mut values: Vec<Value> = Vec::new();
    let mut tests = vec!["r.gone = 0".to_owned()];
    let weight = |at: usize| format!("w{at}.weight");
    let score = (0..words.len()).map(weight).collect::<Vec<_>>().join(" + ");
    for (at, word) in words.into_iter().enumerate() {
        values.push(Value::Text(word));
        tests.push(format!("w{at}.word = ?{} AND w{at}.id = r.id", values.len()));
    }
    let mut test = |column: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            tests.push(format!("r.{column} ?{}", values.len()));
        }
    };
    test("kind =", filter.kind.map(|kind| Value::Integer(kind.number().into())));
    test("owner =", filter.owner.map(|owner| Value::Blob(owner.0.to_vec())));
    test("id >", filter.after.map(|after| Value::Blob(after.0.to_vec())));
    values.push(Value::Integer(sql_len(limit)));
    let order = if score.is_empty() { "r.id".to_owned() } else { format!("{score} DESC, r.id") };
    let (tables, tests) = (tables.join(" CROSS JOIN "), tests.join(" AND "));
    (format!("SELECT {COLUMNS} FROM {tables} WHERE {tests} ORDER BY {order} LIMIT ?{}", values.len()), values)
}

fn resource_row(found: &Row<'_>) -> Result<ResourceRow, Error> {
    let held = row::maybe_uint(found, 4)?.map(|_| stamp(found, 4)).transpose()?;
    let checked = row::maybe_uint(found, 3)?.map(|at| Checked { at: UnixMillis(at), held });
    let learned_at = UnixMillis(row::uint(found, 2)?);
    Ok(ResourceRow { owner: row::node(found, 0)?, resource: entry(found, 1)?, learned_at, checked })
}
