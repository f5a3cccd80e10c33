//! Which ciphertexts are needed and held, and which of them changed.

use antiphon_core::content::Entry;
use antiphon_core::event::{Header, Payload};
use antiphon_core::ids::Hash;
use antiphon_core::replication::Priority;
use rusqlite::{Connection, Row, params};

use super::REPLICATION_ROWS_MAX;
use super::view::{Held, ReplicationKey, ReplicationNeed};
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row;

/// What a key is made of, for the root `due.root`. Two events may name one ciphertext and differ in its length: what is
/// held says it best, and after that the first that came, since nobody knows a root before its author has named it.
const KEY: &str = "
    SELECT due.root,
        (SELECT count(*) FROM contents c WHERE c.root = due.root AND c.state = 0),
        coalesce(b.length,
            (SELECT c.stored_size FROM contents c WHERE c.root = due.root AND c.state = 0 ORDER BY c.pos LIMIT 1)),
        (SELECT max(c.latest) FROM contents c WHERE c.root = due.root AND c.state = 0),
        EXISTS (SELECT 1 FROM contents c JOIN logs l ON l.id = c.log JOIN own_key k ON k.node = l.node
                WHERE c.root = due.root AND c.state = 0),
        p.priority, b.missing
    FROM due LEFT JOIN blobs b ON b.root = due.root LEFT JOIN content_priorities p ON p.root = due.root";

impl Db {
    /// Takes ciphertexts off the list of those that changed, at most `limit`, and says how they are needed and held now.
    /// Of what is needed no more, what was known of its copies is forgotten.
    ///
    /// # Errors
    /// When the database fails; then the list is as it was.
    pub fn take_replication_due(&mut self, limit: usize) -> Result<Vec<ReplicationKey>, Error> {
        self.transaction(|db| {
            let text = format!("WITH due AS (SELECT root FROM replication_due ORDER BY root LIMIT ?1) {KEY}");
            let keys = keys(&db.conn, &text, params![step(limit)])?;
            for key in &keys {
                db.conn.prepare_cached("DELETE FROM replication_due WHERE root = ?1")?.execute([key.root.0])?;
                if key.needed.is_none() {
                    super::replicas::forget(&db.conn, &key.root)?;
                    db.conn.prepare_cached("DELETE FROM content_priorities WHERE root = ?1")?.execute([key.root.0])?;
                }
            }
            Ok(keys)
        })
    }

    /// Sets how soon copies of a ciphertext are to be made, or leaves it to the rule again. Says whether it is needed;
    /// if not, nothing is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_content_priority(&mut self, root: &Hash, priority: Option<Priority>) -> Result<bool, Error> {
        self.transaction(|db| {
            if !db.reader().content_root_needed(root)? {
                return Ok(false);
            }
            match priority {
                Some(priority) => db
                    .conn
                    .prepare_cached("INSERT OR REPLACE INTO content_priorities (root, priority) VALUES (?1, ?2)")?
                    .execute(params![root.0, priority.number()])?,
                None => db.conn.prepare_cached("DELETE FROM content_priorities WHERE root = ?1")?.execute([root.0])?,
            };
            db.conn.prepare_cached("INSERT OR IGNORE INTO replication_due (root) VALUES (?1)")?.execute([root.0])?;
            Ok(true)
        })
    }
}

impl Reader<'_> {
    /// Whether something waits for [`Db::take_replication_due`].
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn replication_is_due(&self) -> Result<bool, Error> {
        Ok(self.connection().prepare_cached("SELECT 1 FROM replication_due LIMIT 1")?.exists([])?)
    }

    /// Every ciphertext that is needed, in the order of the roots: those after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn replication_keys(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<ReplicationKey>, Error> {
        let text = format!(
            "WITH due AS (SELECT DISTINCT root FROM contents WHERE root > ?1 AND state = 0 ORDER BY root LIMIT ?2) {KEY}
             ORDER BY due.root"
        );
        let after = after.map_or(&[][..], |after| &after.0[..]);
        keys(self.connection(), &text, params![after, step(limit)])
    }

    /// How one ciphertext is needed and held.
    ///
    /// # Errors
    /// When the database fails.
    pub fn replication_key(&self, root: &Hash) -> Result<ReplicationKey, Error> {
        let text = format!("WITH due (root) AS (VALUES (?1)) {KEY}");
        let found = keys(self.connection(), &text, params![root.0])?.pop();
        Ok(found.unwrap_or(ReplicationKey { root: *root, needed: None, held: Held::Nothing }))
    }

    /// Bytes that are held and of which this node's own key wrote no version that counts: what a quota counts.
    ///
    /// # Errors
    /// When the database fails.
    pub fn held_for_others(&self) -> Result<u64, Error> {
        let mut query = self.connection().prepare_cached("SELECT max(held - own, 0) FROM blob_totals")?;
        let mut rows = query.query([])?;
        rows.next()?.map_or(Ok(0), |found| row::uint(found, 0))
    }
}

fn step(limit: usize) -> i64 {
    row::sql_len(limit.min(REPLICATION_ROWS_MAX))
}

fn keys(conn: &Connection, text: &str, given: impl rusqlite::Params) -> Result<Vec<ReplicationKey>, Error> {
    let mut query = conn.prepare_cached(text)?;
    let mut rows = query.query(given)?;
    let mut keys = Vec::new();
    while let Some(found) = rows.next()? {
        keys.push(key(conn, found)?);
    }
    Ok(keys)
}

fn key(conn: &Connection, found: &Row<'_>) -> Result<ReplicationKey, Error> {
    let root = row::hash(found, 0)?;
    let held = match row::maybe_uint(found, 6)? {
        None => Held::Nothing,
        Some(0) => Held::Whole,
        Some(_) => Held::Part,
    };
    if row::uint(found, 1)? == 0 {
        return Ok(ReplicationKey { root, needed: None, held });
    }
    let length = match row::maybe_uint(found, 2)? {
        Some(length) => length,
        None => said_length(conn, &root)?,
    };
    let current: bool = found.get(3)?;
    let usual = if current { Priority::Normal } else { Priority::Low };
    let set = row::maybe_uint(found, 5)?.and_then(Priority::from_number);
    let need = ReplicationNeed { length, current, own: found.get(4)?, priority: set.unwrap_or(usual) };
    Ok(ReplicationKey { root, needed: Some(need), held })
}

/// What the event itself says, for a row that an older version wrote.
fn said_length(conn: &Connection, root: &Hash) -> Result<u64, Error> {
    let lost = || Error::damaged(format!("the length of content {root}"));
    let mut query = conn.prepare_cached(
        "SELECT c.id, v.header, v.payload FROM contents c JOIN events v ON v.pos = c.pos
         WHERE c.root = ?1 AND c.state = 0 ORDER BY c.pos LIMIT 1",
    )?;
    let mut rows = query.query([root.0])?;
    let found = rows.next()?.ok_or_else(lost)?;
    let (id, header) = (row::content(found, 0)?, Header::decode(&found.get::<_, Vec<u8>>(1)?)?);
    let payload = found.get::<_, Option<Vec<u8>>>(2)?.ok_or_else(lost)?;
    let payload = Payload::decode(&payload, header.fields).map_err(|_| lost())?;
    Ok(Entry::from_fields(&id, &payload.fields).map_err(|_| lost())?.stored_size)
}
