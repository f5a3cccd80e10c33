//! Who holds what, as it was shown.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::History;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::REPLICATION_ROWS_MAX;
use super::view::{Replica, ReplicaEvidence, ReplicaNote};
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql};

/// Most nodes of which it is kept what they showed of one ciphertext; those that were seen with it last stay.
pub const REPLICAS_PER_ROOT_MAX: usize = 32;

const SELECT: &str = "SELECT r.root, n.node, r.evidence, r.at, r.added_at, r.seen_at, r.successes, r.failures
    FROM replicas r JOIN replica_nodes n ON n.n = r.node";

impl Db {
    /// Keeps what nodes showed of ciphertexts, each in place of what it showed before. When it first and last held one
    /// stays.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_replicas(&mut self, notes: &[ReplicaNote]) -> Result<(), Error> {
        self.transaction(|db| notes.iter().try_for_each(|one| note(&db.conn, one)))
    }

    /// Forgets what was known of the copies of a ciphertext; says of how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_replicas(&mut self, root: &Hash) -> Result<usize, Error> {
        self.transaction(|db| forget(&db.conn, root))
    }
}

impl Reader<'_> {
    /// What is known about the copies of a ciphertext, those that were seen last first.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn replicas(&self, root: &Hash) -> Result<Vec<Replica>, Error> {
        let text = format!("{SELECT} WHERE r.root = ?1 ORDER BY r.seen_at DESC, n.node");
        views(self.connection(), &text, params![root.0])
    }

    /// What is known about all copies, in the order of the roots: at most `limit`, behind the last one of a page before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn replicas_page(&self, after: Option<&(Hash, NodeId)>, limit: usize) -> Result<Vec<Replica>, Error> {
        let conn = self.connection();
        let (root, node) = match after {
            None => (Vec::new(), 0),
            // Of a node that is not known any more no row is left, so the page begins with its root again.
            Some((root, node)) => (root.0.to_vec(), number_of(conn, node)?.unwrap_or(0)),
        };
        let text = format!("{SELECT} WHERE (r.root, r.node) > (?1, ?2) ORDER BY r.root, r.node LIMIT ?3");
        views(conn, &text, params![root, node, row::sql_len(limit.min(REPLICATION_ROWS_MAX))])
    }
}

fn note(conn: &Connection, note: &ReplicaNote) -> Result<(), Error> {
    let node = number(conn, &note.node)?;
    let held_at = note.evidence.holds().then(|| sql(note.at.0));
    let put = "INSERT INTO replicas (root, node, evidence, at, added_at, seen_at, successes, failures)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)
         ON CONFLICT (root, node) DO UPDATE SET evidence = ?3, at = ?4, added_at = coalesce(added_at, ?5),
             seen_at = coalesce(?5, seen_at), successes = ?6, failures = ?7";
    let (root, evidence, at) = (note.root.0, note.evidence as i64, sql(note.at.0));
    let History { successes, failures } = note.history;
    conn.prepare_cached(put)?.execute(params![root, node, evidence, at, held_at, successes, failures])?;
    conn.prepare_cached(
        "DELETE FROM replicas WHERE root = ?1 AND node IN (
             SELECT node FROM replicas WHERE root = ?1 ORDER BY seen_at DESC, at DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![root, row::sql_len(REPLICAS_PER_ROOT_MAX)])?;
    Ok(())
}

/// Forgets what was known of the copies of a ciphertext.
pub(super) fn forget(conn: &Connection, root: &Hash) -> Result<usize, Error> {
    Ok(conn.prepare_cached("DELETE FROM replicas WHERE root = ?1")?.execute([root.0])?)
}

/// The number of a node, if it has one.
fn number_of(conn: &Connection, node: &NodeId) -> Result<Option<i64>, Error> {
    let mut query = conn.prepare_cached("SELECT n FROM replica_nodes WHERE node = ?1")?;
    Ok(query.query_row([node.0], |row| row.get(0)).optional()?)
}

/// The number of a node, which it gets if it has none.
pub(super) fn number(conn: &Connection, node: &NodeId) -> Result<i64, Error> {
    if let Some(number) = number_of(conn, node)? {
        return Ok(number);
    }
    conn.prepare_cached("INSERT INTO replica_nodes (node) VALUES (?1)")?.execute([node.0])?;
    Ok(conn.last_insert_rowid())
}

fn views(conn: &Connection, text: &str, given: impl rusqlite::Params) -> Result<Vec<Replica>, Error> {
    let mut query = conn.prepare_cached(text)?;
    let mut rows = query.query(given)?;
    let mut views = Vec::new();
    while let Some(found) = rows.next()? {
        views.push(view(found)?);
    }
    Ok(views)
}

fn view(found: &Row<'_>) -> Result<Replica, Error> {
    let evidence = row::index(found, 2)?;
    let evidence = ReplicaEvidence::ALL.get(evidence).copied();
    Ok(Replica {
        root: row::hash(found, 0)?,
        node: row::node(found, 1)?,
        evidence: evidence.ok_or_else(|| Error::damaged("what a node showed of content"))?,
        at: UnixMillis(row::uint(found, 3)?),
        added_at: row::maybe_uint(found, 4)?.map(UnixMillis),
        last_seen: row::maybe_uint(found, 5)?.map(UnixMillis),
        history: History { successes: found.get(6)?, failures: found.get(7)? },
    })
}
