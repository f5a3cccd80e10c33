//! Records: one under each key.

use antiphon_core::dht::{Knowledge, Realm, Record, Refusal, admit};
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    DHT_OTHERS_MAX, DHT_OWN_RECORDS_MAX, DHT_RECORDS_PER_AUTHOR_MAX, DHT_ROWS_MAX, DhtItem, DhtWaiting, counts, is_full,
};
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql, sql_len};

const COLUMNS: &str = "id, key, author, own, expires, came_at, published_at, value";

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtRecord {
    /// Its row.
    pub id: u64,
    /// The key it is under, as it is in the network.
    pub key: Vec<u8>,
    /// Who signed it.
    pub author: NodeId,
    /// Whether that is this node.
    pub own: bool,
    /// When it ends.
    pub expires: UnixMillis,
    /// When it came here, or was written.
    pub came_at: UnixMillis,
    /// When members took it as it is, if it is this node's.
    pub published_at: Option<UnixMillis>,
    /// The signed bytes.
    pub value: Vec<u8>,
}

impl DhtRecord {
    /// What it says. It was checked before it was kept.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the row does not hold what was written.
    pub fn read(&self) -> Result<Record, Error> {
        Record::read(&self.value).map_err(|refusal| Error::damaged(format!("a record of the hash table: {refusal}")))
    }
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum DhtPut {
    /// It stands now.
    Kept {
        /// Its row.
        id: u64,
        /// Whether it is this node's, so that it is to be published.
        own: bool,
        /// The row of an own record that it took the place of, which is not published any more.
        displaced: Option<u64>,
    },
    /// It repeats what stands already.
    Known {
        /// The row of that.
        id: u64,
    },
    /// It does not stand.
    Refused(Refusal),
    /// There is no room for more records of this node.
    Full,
}

impl Db {
    /// Weighs a signed record against what stands under `key`, and keeps it if it is to stand.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn put_dht_record(
        &mut self,
        realm: &Realm,
        knowledge: &dyn Knowledge,
        key: &[u8],
        signed: &[u8],
        now: UnixMillis,
    ) -> Result<DhtPut, Error> {
        self.transaction(|db| {
            let own = db.cache.own()?.node;
            let held = record(&db.conn, "key = ?1", key)?;
            let bytes = held.as_ref().map(|held| held.value.as_slice());
            let admitted = match admit(signed, key, bytes, realm, knowledge, now) {
                Ok(admitted) => admitted,
                Err(refusal) => return Ok(DhtPut::Refused(refusal)),
            };
            match held {
                Some(held) if !admitted.is_new => Ok(DhtPut::Known { id: held.id }),
                Some(held) if held.author == admitted.record.author => {
                    update(&db.conn, &held, &admitted.record, signed, now)
                }
                held => insert(&db.conn, held, &admitted.record, (key, signed), own, now),
            }
        })
    }

    /// Notes that members took an own record as it was when `value` was read; one that has changed since waits on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_dht_published(&mut self, item: DhtItem, value: Option<&[u8]>, now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| {
            match item {
                DhtItem::Record(id) => {
                    let note = "UPDATE dht_records SET published_at = ?2 WHERE id = ?1 AND value = ?3";
                    db.conn.prepare_cached(note)?.execute(params![sql(id), sql(now.0), value])?;
                }
                DhtItem::Provide(id) => {
                    let note = "UPDATE dht_provides SET published_at = ?2 WHERE id = ?1";
                    db.conn.prepare_cached(note)?.execute(params![sql(id), sql(now.0)])?;
                }
            }
            Ok(())
        })
    }

    /// Drops a record; says its row if there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_dht_record(&mut self, key: &[u8]) -> Result<Option<u64>, Error> {
        self.transaction(|db| {
            let mut delete = db.conn.prepare_cached("DELETE FROM dht_records WHERE key = ?1 RETURNING id")?;
            let gone = delete.query_row([key], |row| row.get::<_, i64>(0)).optional()?;
            Ok(gone.map(i64::cast_unsigned))
        })
    }
}

impl Reader<'_> {
    /// The record under a key, also one that has ended.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn dht_record(&self, key: &[u8]) -> Result<Option<DhtRecord>, Error> {
        record(self.connection(), "key = ?1", key)
    }

    /// An own record by its row.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_own_record(&self, id: u64) -> Result<Option<DhtRecord>, Error> {
        record(self.connection(), "id = ?1 AND own = 1", sql(id))
    }

    /// Records in the order of their rows, from behind `after` on: of this node, or of others.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_records(&self, own: bool, after: u64, limit: usize) -> Result<Vec<DhtRecord>, Error> {
        let columns = format!("SELECT {COLUMNS} FROM dht_records WHERE own = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        let mut query = self.connection().prepare_cached(&columns)?;
        let mut rows = query.query(params![own, sql(after), sql_len(limit.min(DHT_ROWS_MAX))])?;
        let mut records = Vec::new();
        while let Some(found) = rows.next()? {
            records.push(view(found)?);
        }
        Ok(records)
    }

    /// Members' cards that have not ended, in the order of their nodes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_cards(&self, now: UnixMillis) -> Result<Vec<DhtRecord>, Error> {
        let columns = format!("SELECT {COLUMNS} FROM dht_records WHERE kind = 2 AND expires > ?1 ORDER BY author");
        let mut query = self.connection().prepare_cached(&columns)?;
        let mut rows = query.query([sql(now.0)])?;
        let mut records = Vec::new();
        while let Some(found) = rows.next()? {
            records.push(view(found)?);
        }
        Ok(records)
    }
}

fn view(found: &Row<'_>) -> Result<DhtRecord, Error> {
    Ok(DhtRecord {
        id: row::uint(found, 0)?,
        key: found.get(1)?,
        author: row::node(found, 2)?,
        own: found.get(3)?,
        expires: UnixMillis(row::uint(found, 4)?),
        came_at: UnixMillis(row::uint(found, 5)?),
        published_at: row::maybe_uint(found, 6)?.map(UnixMillis),
        value: found.get(7)?,
    })
}

fn record(conn: &Connection, which: &str, value: impl rusqlite::ToSql) -> Result<Option<DhtRecord>, Error> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM dht_records WHERE {which}"))?;
    let mut rows = query.query([value])?;
    rows.next()?.map(view).transpose()
}

/// A later record of the author whose record stands: it keeps the row, and is to be published again.
fn update(
    conn: &Connection,
    held: &DhtRecord,
    record: &Record,
    signed: &[u8],
    now: UnixMillis,
) -> Result<DhtPut, Error> {
    let put = "UPDATE dht_records SET version = ?2, expires = ?3, came_at = ?4, published_at = NULL, value = ?5
               WHERE id = ?1";
    let values = params![sql(held.id), sql(record.version), sql(record.expires.0), sql(now.0), signed];
    conn.prepare_cached(put)?.execute(values)?;
    Ok(DhtPut::Kept { id: held.id, own: held.own, displaced: None })
}

/// The first record under a key, or one of another author. Its row is a new one, so that what was begun for the old
/// row does not touch it.
fn insert(
    conn: &Connection,
    held: Option<DhtRecord>,
    record: &Record,
    (key, signed): (&[u8], &[u8]),
    own: NodeId,
    now: UnixMillis,
) -> Result<DhtPut, Error> {
    let is_own = record.author == own;
    if is_own && is_full(counts(conn)?.own, DHT_OWN_RECORDS_MAX) {
        return Ok(DhtPut::Full);
    }
    if let Some(held) = &held {
        conn.prepare_cached("DELETE FROM dht_records WHERE id = ?1")?.execute([sql(held.id)])?;
    }
    if !is_own {
        make_room(conn, &record.author)?;
    }
    let put = "INSERT INTO dht_records (key, author, own, kind, version, expires, came_at, value)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (kind, version, expires) = (sql(record.kind().number()), sql(record.version), sql(record.expires.0));
    let values = params![key, record.author.0, is_own, kind, version, expires, sql(now.0), signed];
    conn.prepare_cached(put)?.execute(values)?;
    let id = conn.last_insert_rowid().cast_unsigned();
    let displaced = held.filter(|held| held.own).map(|held| held.id);
    Ok(DhtPut::Kept { id, own: is_own, displaced })
}

/// Drops what ends first where there are too many records of others.
fn make_room(conn: &Connection, author: &NodeId) -> Result<(), Error> {
    let mut count = conn.prepare_cached("SELECT count(*) FROM dht_records WHERE author = ?1")?;
    let of_author: i64 = count.query_row([author.0], |row| row.get(0))?;
    if is_full(of_author.cast_unsigned(), DHT_RECORDS_PER_AUTHOR_MAX) {
        let first = "DELETE FROM dht_records WHERE id =
                     (SELECT id FROM dht_records WHERE author = ?1 AND own = 0 ORDER BY expires LIMIT 1)";
        conn.prepare_cached(first)?.execute([author.0])?;
    }
    if is_full(counts(conn)?.others, DHT_OTHERS_MAX) {
        let first = "DELETE FROM dht_records WHERE id =
                     (SELECT id FROM dht_records WHERE own = 0 ORDER BY expires LIMIT 1)";
        conn.prepare_cached(first)?.execute([])?;
    }
    Ok(())
}

/// Drops records of others that ended.
pub(super) fn sweep(conn: &Connection, now: UnixMillis) -> Result<usize, Error> {
    Ok(conn.prepare_cached("DELETE FROM dht_records WHERE own = 0 AND expires <= ?1")?.execute([sql(now.0)])?)
}

/// Own records, in short.
pub(super) fn waiting(conn: &Connection) -> Result<Vec<DhtWaiting>, Error> {
    let mut query =
        conn.prepare_cached("SELECT id, expires, published_at FROM dht_records WHERE own = 1 ORDER BY id")?;
    let mut rows = query.query([])?;
    let mut all = Vec::new();
    while let Some(found) = rows.next()? {
        let item = DhtItem::Record(row::uint(found, 0)?);
        let expires = Some(UnixMillis(row::uint(found, 1)?));
        all.push(DhtWaiting { item, expires, published_at: row::maybe_uint(found, 2)?.map(UnixMillis) });
    }
    Ok(all)
}
