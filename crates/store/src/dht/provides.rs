//! What this node says to provide.

use std::collections::BTreeSet;

use antiphon_core::dht::Topic;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{DHT_PROVIDES_MAX, DHT_ROWS_MAX, DhtItem, DhtWaiting, counts, is_full};
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql, sql_len};

/// Why this node provides something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DhtSource {
    /// It follows from what is known of this node: that it is a member, its roles, its catalogue.
    Known,
    /// A person or an agent said so.
    Announced,
    /// It holds the document.
    Held,
}

impl DhtSource {
    const ALL: [Self; 3] = [Self::Known, Self::Announced, Self::Held];

    const fn number(self) -> i64 {
        match self {
            Self::Known => 0,
            Self::Announced => 1,
            Self::Held => 2,
        }
    }
}

/// A key that this node provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtProvide {
    /// Its row.
    pub id: u64,
    /// What is provided.
    pub topic: Topic,
    /// Why.
    pub source: DhtSource,
    /// Since when.
    pub since: UnixMillis,
    /// When members were last told.
    pub published_at: Option<UnixMillis>,
}

/// What became of a key that is to be provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Provided {
    /// It is provided from now on.
    New(u64),
    /// It was already.
    Known(u64),
    /// There is no room for more.
    Full,
}

/// What changed of what follows from what is known of this node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DhtKnown {
    /// The rows of what is provided from now on.
    pub new: Vec<u64>,
    /// What is not provided any more, with the rows that it had.
    pub gone: Vec<(u64, Topic)>,
}

impl Db {
    /// Provides a key from now on.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn provide_dht(&mut self, topic: &Topic, source: DhtSource, now: UnixMillis) -> Result<Provided, Error> {
        self.transaction(|db| provide(&db.conn, topic, source, now))
    }

    /// Provides a key no more; says its row if it was provided.
    ///
    /// # Errors
    /// When the database fails.
    pub fn withdraw_dht(&mut self, topic: &Topic) -> Result<Option<u64>, Error> {
        self.transaction(|db| {
            let mut delete = db.conn.prepare_cached("DELETE FROM dht_provides WHERE topic = ?1 RETURNING id")?;
            let gone = delete.query_row([topic.to_string()], |row| row.get::<_, i64>(0)).optional()?;
            Ok(gone.map(i64::cast_unsigned))
        })
    }

    /// Provides exactly `topics` of all that follows from what is known of this node.
    ///
    /// # Errors
    /// When the database fails.
    pub fn provide_known_dht(&mut self, topics: &BTreeSet<Topic>, now: UnixMillis) -> Result<DhtKnown, Error> {
        self.transaction(|db| {
            let before = of_source(&db.conn, DhtSource::Known)?;
            let gone: Vec<_> = before.into_iter().filter(|one| !topics.contains(&one.topic)).collect();
            for one in &gone {
                db.conn.prepare_cached("DELETE FROM dht_provides WHERE id = ?1")?.execute([sql(one.id)])?;
            }
            let mut new = Vec::new();
            for topic in topics {
                if let Provided::New(id) = provide(&db.conn, topic, DhtSource::Known, now)? {
                    new.push(id);
                }
            }
            Ok(DhtKnown { new, gone: gone.into_iter().map(|one| (one.id, one.topic)).collect() })
        })
    }
}

impl Reader<'_> {
    /// A key that is provided, by its row.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn dht_provide(&self, id: u64) -> Result<Option<DhtProvide>, Error> {
        let mut query = self.connection().prepare_cached(&select("id = ?1"))?;
        let mut rows = query.query([sql(id)])?;
        rows.next()?.map(view).transpose()
    }

    /// Whether and since when this node provides something.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_provides(&self, topic: &Topic) -> Result<Option<DhtProvide>, Error> {
        let mut query = self.connection().prepare_cached(&select("topic = ?1"))?;
        let mut rows = query.query([topic.to_string()])?;
        rows.next()?.map(view).transpose()
    }

    /// What this node provides, in the order of the rows, from behind `after` on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_provided(&self, after: u64, limit: usize) -> Result<Vec<DhtProvide>, Error> {
        let mut query = self.connection().prepare_cached(&select("id > ?1 ORDER BY id LIMIT ?2"))?;
        views(query.query(params![sql(after), sql_len(limit.min(DHT_ROWS_MAX))])?)
    }

    /// What this node provides for that reason.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_provided_as(&self, source: DhtSource) -> Result<Vec<DhtProvide>, Error> {
        of_source(self.connection(), source)
    }
}

fn select(which: &str) -> String {
    format!("SELECT id, topic, source, since, published_at FROM dht_provides WHERE {which}")
}

fn views(mut rows: rusqlite::Rows<'_>) -> Result<Vec<DhtProvide>, Error> {
    let mut all = Vec::new();
    while let Some(found) = rows.next()? {
        all.push(view(found)?);
    }
    Ok(all)
}

fn view(found: &Row<'_>) -> Result<DhtProvide, Error> {
    let text: String = found.get(1)?;
    let topic = topic_of(&text).ok_or_else(|| Error::damaged(format!("a topic {text:?}")))?;
    let source = DhtSource::ALL.get(row::index(found, 2)?).copied();
    Ok(DhtProvide {
        id: row::uint(found, 0)?,
        topic,
        source: source.ok_or_else(|| Error::damaged("a reason to provide something"))?,
        since: UnixMillis(row::uint(found, 3)?),
        published_at: row::maybe_uint(found, 4)?.map(UnixMillis),
    })
}

/// Reads what a topic is written as.
pub(super) fn topic_of(text: &str) -> Option<Topic> {
    match text.split_once(':') {
        Some(("content", root)) => root.parse().ok().map(Topic::Content),
        Some(("role", role)) => Some(Topic::Role(role.to_owned())),
        Some(("capability", capability)) => Some(Topic::Capability(capability.to_owned())),
        None if text == "peer" => Some(Topic::Peer),
        _ => None,
    }
}

fn of_source(conn: &Connection, source: DhtSource) -> Result<Vec<DhtProvide>, Error> {
    let mut query = conn.prepare_cached(&select("source = ?1 ORDER BY topic"))?;
    views(query.query([source.number()])?)
}

/// What a person said outlives what was merely known: it is not taken back when that changes.
fn provide(conn: &Connection, topic: &Topic, source: DhtSource, now: UnixMillis) -> Result<Provided, Error> {
    let text = topic.to_string();
    let mut query = conn.prepare_cached("SELECT id, source FROM dht_provides WHERE topic = ?1")?;
    let known = query.query_row([&text], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
    if let Some((id, before)) = known {
        if before < source.number() {
            let mend = "UPDATE dht_provides SET source = ?2 WHERE id = ?1";
            conn.prepare_cached(mend)?.execute(params![id, source.number()])?;
        }
        return Ok(Provided::Known(id.cast_unsigned()));
    }
    if is_full(counts(conn)?.provides, DHT_PROVIDES_MAX) {
        return Ok(Provided::Full);
    }
    let put = "INSERT INTO dht_provides (topic, source, since) VALUES (?1, ?2, ?3)";
    conn.prepare_cached(put)?.execute(params![text, source.number(), sql(now.0)])?;
    Ok(Provided::New(conn.last_insert_rowid().cast_unsigned()))
}

/// What is provided, in short.
pub(super) fn waiting(conn: &Connection) -> Result<Vec<DhtWaiting>, Error> {
    let mut query = conn.prepare_cached("SELECT id, published_at FROM dht_provides ORDER BY id")?;
    let mut rows = query.query([])?;
    let mut all = Vec::new();
    while let Some(found) = rows.next()? {
        let published_at = row::maybe_uint(found, 1)?.map(UnixMillis);
        all.push(DhtWaiting { item: DhtItem::Provide(row::uint(found, 0)?), expires: None, published_at });
    }
    Ok(all)
}
