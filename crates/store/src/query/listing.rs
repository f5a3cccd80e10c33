//! Lists of facts, the newest first.
//!
//! A page of a list should cost what it shows, not what there is. Where most facts pass the filter, going through them
//! from the newest on finds a page at once; where few do, that goes through all there are. An index of every filter in
//! the order of the ids would answer both, and every fact would pay for it when it is written, with a page of each on
//! the disk: measured, one costs an eighth of what a lone fact writes, and one of domains or modules doubles what many
//! facts at once write.
//!
//! So a list takes a way that is there already. Facts that are diverged, and those of the level of the project, which
//! are few, have an index that holds no others. Facts of a domain that has few come through its index and are put in
//! order; so do those of an author whose logs are short, through the logs. All others are gone through in order, by
//! what stands in their own row, and only what passes is put together.
//!
//! Limits: a module without its domain, a tag and a level other than the project's that few have are looked for among
//! all facts.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::event::Header;
use antiphon_core::fact::{Field, Level, OnExpire};
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::value::Value;
use rusqlite::types::Value as Column;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::facts::{COLUMNS, TABLES, view};
use crate::error::Error;
use crate::project::{flag, read_rest};
use crate::row::sql_len;
use crate::view::{FactFilter, FactView};

/// Most facts of a domain, or events of an author, that are put in order; more are gone through from the newest on.
const FEW_MAX: usize = 1_000;

/// On which way a page is found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// Through an index that holds little else than what is asked for.
    Index(&'static str),
    /// These facts, the newest first, and no others.
    Among(Vec<FactId>),
    /// From the newest fact on.
    Walk,
}

/// See [`crate::Reader::facts`].
pub(crate) fn list(
    conn: &Connection,
    filter: &FactFilter,
    limit: usize,
    after: Option<FactId>,
) -> Result<Vec<FactView>, Error> {
    let way = way(conn, filter)?;
    let mut look = conn.prepare_cached(&sql_of(filter, &way))?;
    let mut page = Page { conn, filter, limit, found: Vec::new() };
    if let Way::Among(ids) = &way {
        for id in ids.iter().filter(|id| after.is_none_or(|after| **id < after)) {
            if !page.take(&mut look.query(params_from_iter(values_of(filter, *id)))?)? {
                break;
            }
        }
    } else {
        // ULIDs begin with 0 to 7, so no id is above all ones.
        let before = after.unwrap_or(FactId([0xff; 16]));
        page.take(&mut look.query(params_from_iter(values_of(filter, before)))?)?;
    }
    Ok(page.found)
}

/// What a page has so far.
struct Page<'a> {
    conn: &'a Connection,
    filter: &'a FactFilter,
    limit: usize,
    found: Vec<FactView>,
}

impl Page<'_> {
    /// Takes what passes of `rows`; says whether there is room for more.
    fn take(&mut self, rows: &mut rusqlite::Rows<'_>) -> Result<bool, Error> {
        let mut whole = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {TABLES} WHERE f.n = ?1"))?;
        while self.found.len() < self.limit {
            let Some(next) = rows.next()? else { return Ok(true) };
            if !tagged(next, self.filter)? {
                continue;
            }
            let mut one = whole.query(params![next.get::<_, i64>(0)?])?;
            let view = one.next()?.map(view).transpose()?;
            self.found.extend(view.filter(|view| lives(view, self.filter)));
        }
        Ok(false)
    }
}

fn way(conn: &Connection, filter: &FactFilter) -> Result<Way, Error> {
    if filter.diverged {
        return Ok(Way::Index("facts_diverged"));
    }
    if filter.level == Some(Level::Project) {
        return Ok(Way::Index("facts_project"));
    }
    if let Some(domain) = &filter.domain {
        let mut some = conn.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM facts INDEXED BY facts_by_domain WHERE domain = ?1 LIMIT ?2)",
        )?;
        let some: i64 = some.query_row(params![domain, sql_len(FEW_MAX + 1)], |found| found.get(0))?;
        if some <= sql_len(FEW_MAX) {
            return Ok(Way::Index("facts_by_domain"));
        }
    }
    let few = filter.author.map(|author| few_of(conn, &author)).transpose()?.flatten();
    Ok(few.map_or(Way::Walk, Way::Among))
}

/// The facts that a node has had to do with, the newest first, if its logs are short. Those whose text it wrote are among
/// them.
fn few_of(conn: &Connection, author: &NodeId) -> Result<Option<Vec<FactId>>, Error> {
    let mut length = conn.prepare_cached("SELECT coalesce(sum(head_seq), 0) FROM logs WHERE node = ?1")?;
    let length: i64 = length.query_row([author.0], |found| found.get(0))?;
    if length > sql_len(FEW_MAX) {
        return Ok(None);
    }
    let mut events =
        conn.prepare_cached("SELECT v.header FROM logs l CROSS JOIN events v ON v.log = l.id WHERE l.node = ?1")?;
    let mut rows = events.query([author.0])?;
    let mut ids = BTreeSet::new();
    while let Some(found) = rows.next()? {
        let header = found.get_ref(0)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
        ids.extend(Header::decode(header)?.subject.fact());
    }
    Ok(Some(ids.into_iter().rev().collect()))
}

/// The question for what of a row says whether the fact passes.
fn sql_of(filter: &FactFilter, way: &Way) -> String {
    let (index, bound) = match way {
        Way::Index(index) => (format!("INDEXED BY {index}"), "f.id < ?"),
        Way::Among(_) => (String::new(), "f.id = ?"),
        Way::Walk => (String::new(), "f.id < ?"),
    };
    let mut sql = format!("SELECT f.n, f.rest FROM facts f {index} WHERE {bound} AND f.flags & ? = 0");
    // A number that stands in the question lets SQLite use an index that holds such facts only.
    sql.extend(filter.level.map(|level| format!(" AND f.level = {}", level.number())));
    // Left to itself SQLite takes the index of domains wherever a domain is named.
    let plain = if matches!(way, Way::Index("facts_by_domain")) { "" } else { "+" };
    let conditions = [
        (filter.domain.is_some(), format!(" AND {plain}f.domain = ?")),
        (filter.module.is_some(), " AND f.module = ?".to_owned()),
        (filter.author.is_some(), " AND f.log IN (SELECT id FROM logs WHERE node = ?)".to_owned()),
        (filter.diverged, " AND f.diverged <> 0".to_owned()),
    ];
    sql.extend(conditions.into_iter().filter(|(asked, _)| *asked).map(|(_, condition)| condition));
    sql + " ORDER BY f.id DESC"
}

/// What [`sql_of`] leaves open, in its order.
fn values_of(filter: &FactFilter, id: FactId) -> Vec<Column> {
    let hidden = [(filter.include_archived, flag::ARCHIVED), (filter.include_forgotten, flag::FORGOTTEN)];
    let hidden = hidden.into_iter().filter(|(shown, _)| !shown).fold(flag::CLOSED, |bits, (_, bit)| bits | bit);
    let mut values = vec![Column::Blob(id.0.to_vec()), Column::Integer(hidden)];
    values.extend([&filter.domain, &filter.module].into_iter().flatten().cloned().map(Column::Text));
    values.extend(filter.author.map(|author| Column::Blob(author.0.to_vec())));
    values
}

/// Whether a row of [`sql_of`] has the tag.
fn tagged(found: &Row<'_>, filter: &FactFilter) -> Result<bool, Error> {
    let Some(tag) = &filter.tag else { return Ok(true) };
    let rest = found.get_ref(1)?.as_blob_or_null().map_err(|error| Error::damaged(error.to_string()))?;
    let Some(rest) = rest else { return Ok(false) };
    // Texts stand in it as they are, so most need not be read to know that the tag is not there.
    if !tag.is_empty() && !rest.windows(tag.len()).any(|part| part == tag.as_bytes()) {
        return Ok(false);
    }
    let mut values = BTreeMap::new();
    read_rest(rest, &mut values)?;
    Ok(values.get(&Field::Tags).and_then(Value::as_texts).is_some_and(|tags| tags.contains(tag)))
}

/// Whether its time to live lets it be shown.
fn lives(view: &FactView, filter: &FactFilter) -> bool {
    match filter.now.and_then(|now| view.fact.expired(now)) {
        Some(OnExpire::Delete) => filter.include_forgotten,
        Some(OnExpire::Archive) => filter.include_archived,
        Some(OnExpire::MarkStale) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    /// How SQLite would find what passes.
    fn plan(conn: &Connection, filter: &FactFilter, way: &Way) -> String {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", sql_of(filter, way))).unwrap();
        let values = params_from_iter(values_of(filter, FactId([1; 16])));
        let steps = plan.query_map(values, |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_way_goes_through_the_index_that_it_is_meant_for() {
        let dir = tempfile::tempdir().unwrap();
        let conn = schema::open_main(dir.path(), false).unwrap();
        let all = FactFilter {
            level: Some(Level::Project),
            domain: Some("d".into()),
            module: Some("m".into()),
            author: Some(NodeId([1; 32])),
            diverged: true,
            ..FactFilter::default()
        };
        let check = |filter: &FactFilter, way: Way, index: &str| {
            let plan = plan(&conn, filter, &way);
            assert!(plan.starts_with(&format!("SEARCH f USING INDEX {index} ")), "{way:?}: {plan}");
            // Only what comes through the index of domains is not in order yet.
            assert_eq!(plan.contains("B-TREE FOR ORDER BY"), index == "facts_by_domain", "{plan}");
        };
        for index in ["facts_diverged", "facts_project", "facts_by_domain"] {
            check(&all, Way::Index(index), index);
        }
        let by_id = "sqlite_autoindex_facts_1";
        let some = FactFilter { level: Some(Level::Module), diverged: false, ..all.clone() };
        for filter in [&FactFilter::default(), &some] {
            check(filter, Way::Walk, by_id);
            check(filter, Way::Among(Vec::new()), by_id);
        }
    }
}
