//! Catalogues: what this node offers, and what the others have told it that they offer.
//!
//! An entry is kept by its id, which names its owner; nothing else about whose it is has to be stored or believed. Of
//! an entry that is gone its stamp stays for a while, so that a change that was on its way longer does not bring it
//! back. Whatever a peer sends is kept within bounds of that peer alone: a member that floods its catalogue fills its
//! own thousand places.
//!
//! Entries are found by words, which stand in a table of their own: a catalogue is small, and the words of an entry are
//! written with it.

mod query;
mod view;

use std::collections::BTreeMap;

use antiphon_core::ids::{NodeId, ResourceId, StoreId};
use antiphon_core::resource::notice::{Consider, Plan, Removal, Whole};
use antiphon_core::resource::{PER_OWNER_MAX, Resource, Stamp};
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::db::Db;
use crate::error::Error;
use crate::row::{self, sql, sql_len};
use crate::search::words;

pub use view::{Checked, Considered, Kept, ResourceChange, ResourceFilter, ResourceRow};

/// Most entries of one owner of which only that they are gone is kept; the oldest are dropped.
pub const GONE_PER_OWNER_MAX: usize = 1_000;
/// Most acknowledgements that are kept of one node about one resource, the newest.
pub const CONSIDERS_PER_NODE_MAX: usize = 64;
/// Most different words by which one entry is found.
pub const WORDS_PER_RESOURCE_MAX: usize = 512;

/// How much a word counts that stands in the name, and one in a capability or a tag; any other counts 1.
const NAME_WEIGHT: i64 = 8;
const LABEL_WEIGHT: i64 = 4;

impl Db {
    /// Takes in what `from` says of a resource at the time `now`. Saying it again changes nothing.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn change_resource(&mut self, from: &NodeId, change: &ResourceChange, now: UnixMillis) -> Result<Kept, Error> {
        self.transaction(|db| match change {
            ResourceChange::Entry(resource) => keep_entry(&db.conn, from, resource, now),
            ResourceChange::Removal(removal) => remove(&db.conn, from, removal, now),
            ResourceChange::Whole(whole) => keep_only(&db.conn, from, whole, now),
            ResourceChange::Plan(plan) => keep_plan(&db.conn, from, plan),
            ResourceChange::Consider(consider) => {
                let own = db.cache.own()?.node;
                keep_consider(&db.conn, from, &own, consider)
            }
            ResourceChange::Checked { id, held } => note_checked(&db.conn, from, *id, *held, now),
        })
    }

    /// Notes that the whole own catalogue is on its way to `node`, whose database is `store`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_catalogue_told(&mut self, node: &NodeId, store: &StoreId, now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| {
            let put = "INSERT INTO resource_told (node, store, at) VALUES (?1, ?2, ?3)
                       ON CONFLICT (node) DO UPDATE SET store = ?2, at = ?3";
            db.conn.prepare_cached(put)?.execute(params![node.0, store.0, sql(now.0)])?;
            Ok(())
        })
    }

    /// Forgets that `node` was told the own catalogue: it has lost something since, and is to be told again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tell_catalogue_again(&mut self, node: &NodeId) -> Result<(), Error> {
        self.transaction(|db| {
            db.conn.prepare_cached("DELETE FROM resource_told WHERE node = ?1")?.execute([node.0])?;
            Ok(())
        })
    }
}

/// When a home moves to another team: nobody there was told anything, and what others offer stays with them. The own
/// catalogue comes along if `own` is given.
pub(crate) fn leave_team(conn: &Connection, own: Option<NodeId>) -> Result<(), Error> {
    conn.execute_batch("DELETE FROM resource_told; DELETE FROM resource_considers;")?;
    let own = own.map_or([0; 32], |node| node.0);
    for table in ["resources", "resource_plans"] {
        conn.execute(&format!("DELETE FROM {table} WHERE owner <> ?1"), [own])?;
    }
    conn.execute("DELETE FROM resource_words WHERE id NOT IN (SELECT id FROM resources WHERE gone = 0)", [])?;
    Ok(())
}

/// What is held of an entry, gone or not.
fn held(conn: &Connection, id: ResourceId) -> Result<Option<(Stamp, bool)>, Error> {
    let mut query = conn.prepare_cached("SELECT at, version, gone FROM resources WHERE id = ?1")?;
    let found = query.query_row([id.0], |found| Ok((found.get::<_, i64>(0)?, found.get::<_, i64>(1)?, found.get(2)?)));
    let stamp = |at: i64, version: i64| Stamp { at: UnixMillis(at.cast_unsigned()), version: version.cast_unsigned() };
    Ok(found.optional()?.map(|(at, version, gone)| (stamp(at, version), gone)))
}

fn count(conn: &Connection, table: &str, owner: &NodeId) -> Result<usize, Error> {
    let live = if table == "resources" { " AND gone = 0" } else { "" };
    let mut query = conn.prepare_cached(&format!("SELECT count(*) FROM {table} WHERE owner = ?1{live}"))?;
    let counted: i64 = query.query_row([owner.0], |found| found.get(0))?;
    Ok(usize::try_from(counted).unwrap_or(usize::MAX))
}

fn keep_entry(conn: &Connection, owner: &NodeId, resource: &Resource, now: UnixMillis) -> Result<Kept, Error> {
    if !resource.id.is_of(owner) {
        return Ok(Kept::NotTheirs);
    }
    let before = held(conn, resource.id)?;
    if before.is_some_and(|(stamp, _)| stamp >= resource.stamp) {
        return Ok(Kept::Old);
    }
    let is_new = before.is_none_or(|(_, gone)| gone);
    if is_new && count(conn, "resources", owner)? >= PER_OWNER_MAX {
        return Ok(Kept::Full);
    }
    let put = "INSERT INTO resources (id, owner, gone, at, version, kind, name, body, learned_at)
               VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT (id) DO UPDATE SET gone = 0, at = ?3, version = ?4, kind = ?5, name = ?6, body = ?7,
                                              learned_at = ?8";
    let (at, version) = (sql(resource.stamp.at.0), sql(resource.stamp.version));
    let (kind, body) = (resource.kind.number(), resource.encode());
    let values = params![resource.id.0, owner.0, at, version, kind, resource.name, body, sql(now.0)];
    conn.prepare_cached(put)?.execute(values)?;
    put_words(conn, resource)?;
    Ok(Kept::Kept)
}

fn remove(conn: &Connection, owner: &NodeId, removal: &Removal, now: UnixMillis) -> Result<Kept, Error> {
    if !removal.id.is_of(owner) {
        return Ok(Kept::NotTheirs);
    }
    if held(conn, removal.id)?.is_some_and(|(stamp, _)| stamp >= removal.stamp) {
        return Ok(Kept::Old);
    }
    let put = "INSERT INTO resources (id, owner, gone, at, version, kind, name, body, learned_at)
               VALUES (?1, ?2, 1, ?3, ?4, 0, '', x'', ?5)
               ON CONFLICT (id) DO UPDATE SET gone = 1, at = ?3, version = ?4, kind = 0, name = '', body = x'',
                                              learned_at = ?5, checked_at = NULL, checked_stamp = NULL,
                                              checked_version = NULL";
    let (at, version) = (sql(removal.stamp.at.0), sql(removal.stamp.version));
    conn.prepare_cached(put)?.execute(params![removal.id.0, owner.0, at, version, sql(now.0)])?;
    for about in ["resource_words", "resource_plans", "resource_considers"] {
        conn.prepare_cached(&format!("DELETE FROM {about} WHERE id = ?1"))?.execute([removal.id.0])?;
    }
    let bury = "DELETE FROM resources WHERE id IN (SELECT id FROM resources WHERE owner = ?1 AND gone = 1
                ORDER BY at DESC LIMIT -1 OFFSET ?2)";
    conn.prepare_cached(bury)?.execute(params![owner.0, sql_len(GONE_PER_OWNER_MAX)])?;
    Ok(Kept::Kept)
}

/// Takes away every entry of an owner that is older than `whole` and not in it.
fn keep_only(conn: &Connection, owner: &NodeId, whole: &Whole, now: UnixMillis) -> Result<Kept, Error> {
    let mut query =
        conn.prepare_cached("SELECT id, version FROM resources WHERE owner = ?1 AND gone = 0 AND at < ?2")?;
    let older = query.query_map(params![owner.0, sql(whole.at.0)], |found| Ok((found.get(0)?, found.get(1)?)))?;
    let older: Vec<([u8; 16], i64)> = older.collect::<Result<_, _>>()?;
    for (id, version) in older.into_iter().filter(|(id, _)| !whole.ids.contains(&ResourceId(*id))) {
        let stamp = Stamp { at: whole.at, version: version.cast_unsigned().saturating_add(1) };
        let _gone = remove(conn, owner, &Removal { id: ResourceId(id), stamp }, now)?;
    }
    Ok(Kept::Kept)
}

fn keep_plan(conn: &Connection, owner: &NodeId, plan: &Plan) -> Result<Kept, Error> {
    if !plan.id.is_of(owner) {
        return Ok(Kept::NotTheirs);
    }
    // A plan may overtake the entry it is about, but must not outlive it.
    if held(conn, plan.id)?.is_some_and(|(_, gone)| gone) {
        return Ok(Kept::Old);
    }
    let mut query = conn.prepare_cached("SELECT at FROM resource_plans WHERE id = ?1")?;
    let before: Option<i64> = query.query_row([plan.id.0], |found| found.get(0)).optional()?;
    match before {
        Some(at) if at >= sql(plan.at.0) => return Ok(Kept::Old),
        None if count(conn, "resource_plans", owner)? >= PER_OWNER_MAX => return Ok(Kept::Full),
        _ => {}
    }
    let put = "INSERT INTO resource_plans (id, owner, at, body) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (id) DO UPDATE SET at = ?3, body = ?4";
    conn.prepare_cached(put)?.execute(params![plan.id.0, owner.0, sql(plan.at.0), plan.encode()])?;
    Ok(Kept::Kept)
}

/// Takes an acknowledgement about a resource of this node, or of the node that gives it; what others agree among
/// themselves is none of ours.
fn keep_consider(conn: &Connection, from: &NodeId, own: &NodeId, consider: &Consider) -> Result<Kept, Error> {
    // What this node says itself may be about anybody's.
    if from != own && !consider.id.is_of(own) && !consider.id.is_of(from) {
        return Ok(Kept::NotTheirs);
    }
    if held(conn, consider.id)?.is_none_or(|(_, gone)| gone) {
        return Ok(Kept::Unknown);
    }
    let put = "INSERT INTO resource_considers (id, node, from_at, until_at, at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (id, node, from_at, until_at) DO UPDATE SET at = ?5, body = ?6 WHERE at < ?5";
    let (begins, ends, at) = (sql(consider.from.0), sql(consider.until.0), sql(consider.at.0));
    let values = params![consider.id.0, from.0, begins, ends, at, consider.encode()];
    let kept = conn.prepare_cached(put)?.execute(values)?;
    let trim = "DELETE FROM resource_considers WHERE (id, node, from_at, until_at) IN
                (SELECT id, node, from_at, until_at FROM resource_considers WHERE id = ?1 AND node = ?2
                 ORDER BY at DESC LIMIT -1 OFFSET ?3)";
    conn.prepare_cached(trim)?.execute(params![consider.id.0, from.0, sql_len(CONSIDERS_PER_NODE_MAX)])?;
    Ok(if kept == 0 { Kept::Old } else { Kept::Kept })
}

/// The owner has said whether it stands by an entry.
fn note_checked(
    conn: &Connection,
    owner: &NodeId,
    id: ResourceId,
    says: Option<Stamp>,
    now: UnixMillis,
) -> Result<Kept, Error> {
    if !id.is_of(owner) {
        return Ok(Kept::NotTheirs);
    }
    let put = "UPDATE resources SET checked_at = ?2, checked_stamp = ?3, checked_version = ?4
               WHERE id = ?1 AND gone = 0";
    let stamp = says.map(|stamp| (sql(stamp.at.0), sql(stamp.version))).unzip();
    let changed = conn.prepare_cached(put)?.execute(params![id.0, sql(now.0), stamp.0, stamp.1])?;
    // The entry went away while its owner was asked.
    Ok(if changed == 0 { Kept::Old } else { Kept::Kept })
}

/// Replaces the words by which an entry is found.
fn put_words(conn: &Connection, resource: &Resource) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM resource_words WHERE id = ?1")?.execute([resource.id.0])?;
    let mut put = conn.prepare_cached("INSERT INTO resource_words (word, id, weight) VALUES (?1, ?2, ?3)")?;
    for (word, weight) in words_of(resource) {
        put.execute(params![word, resource.id.0, weight])?;
    }
    Ok(())
}

/// The words of an entry, and how much each counts: those of the name first, where there are too many.
fn words_of(resource: &Resource) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    let mut add = |word: &str, weight: i64| {
        if all.len() < WORDS_PER_RESOURCE_MAX || all.contains_key(word) {
            let known = all.entry(word.to_owned()).or_insert(weight);
            *known = weight.max(*known);
        }
    };
    for (kind, labels) in [(CAPABILITY, &resource.capabilities), (TAG, &resource.tags)] {
        labels.iter().for_each(|one| add(&label(kind, one), 0));
    }
    words::for_each(&resource.name, |word| add(word, NAME_WEIGHT));
    for one in resource.capabilities.iter().chain(&resource.tags) {
        words::for_each(one, |word| add(word, LABEL_WEIGHT));
    }
    words::for_each(resource.kind.name(), |word| add(word, LABEL_WEIGHT));
    words::for_each(&resource.description, |word| add(word, 1));
    all
}

/// Labels of capabilities and of tags among the words.
const CAPABILITY: char = 'c';
const TAG: char = 't';

/// The word by which an exact capability or tag is found, in whatever case it was written.
fn label(kind: char, value: &str) -> String {
    words::label(kind, value.to_lowercase().as_bytes())
}

/// An entry from its body.
fn entry(found: &rusqlite::Row<'_>, column: usize) -> Result<Resource, Error> {
    let body = found.get_ref(column)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
    Resource::decode(body).map_err(|error| Error::damaged(format!("a resource: {error}")))
}

/// A stamp from its two columns.
fn stamp(found: &rusqlite::Row<'_>, at: usize) -> Result<Stamp, Error> {
    Ok(Stamp { at: UnixMillis(row::uint(found, at)?), version: row::uint(found, at + 1)? })
}
