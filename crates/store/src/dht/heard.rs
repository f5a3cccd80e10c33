//! Who else was found to provide something.

use antiphon_core::dht::Topic;
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, params};

use super::{DHT_PROVIDER_LIFE_MS, DHT_PROVIDERS_MAX, DHT_PROVIDERS_PER_KEY_MAX, counts, is_full};
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql, sql_len};

/// Somebody who was found to provide something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhtProvider {
    /// Who.
    pub node: NodeId,
    /// When that was first heard.
    pub added_at: UnixMillis,
    /// When it was last heard.
    pub seen_at: UnixMillis,
}

impl Db {
    /// Notes that the network named these as providers of something.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_dht_providers(&mut self, topic: &Topic, nodes: &[NodeId], now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| {
            let text = topic.to_string();
            let put = "INSERT INTO dht_providers (topic, node, added_at, seen_at) VALUES (?1, ?2, ?3, ?3)
                       ON CONFLICT (topic, node) DO UPDATE SET seen_at = ?3";
            for node in nodes.iter().take(DHT_PROVIDERS_PER_KEY_MAX) {
                db.conn.prepare_cached(put)?.execute(params![text, node.0, sql(now.0)])?;
            }
            let trim = "DELETE FROM dht_providers WHERE topic = ?1 AND node IN
                        (SELECT node FROM dht_providers WHERE topic = ?1 ORDER BY seen_at DESC LIMIT -1 OFFSET ?2)";
            db.conn.prepare_cached(trim)?.execute(params![text, sql_len(DHT_PROVIDERS_PER_KEY_MAX)])?;
            trim_all(&db.conn)
        })
    }
}

impl Reader<'_> {
    /// Others that were heard of lately as providers of something, the last heard first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_providers(&self, topic: &Topic, now: UnixMillis) -> Result<Vec<DhtProvider>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT node, added_at, seen_at FROM dht_providers WHERE topic = ?1 AND seen_at > ?2
             ORDER BY seen_at DESC, node",
        )?;
        let mut rows = query.query(params![topic.to_string(), sql(now.0.saturating_sub(DHT_PROVIDER_LIFE_MS))])?;
        let mut all = Vec::new();
        while let Some(found) = rows.next()? {
            let at = |column| row::uint(found, column).map(UnixMillis);
            all.push(DhtProvider { node: row::node(found, 0)?, added_at: at(1)?, seen_at: at(2)? });
        }
        Ok(all)
    }
}

fn trim_all(conn: &Connection) -> Result<(), Error> {
    while is_full(counts(conn)?.providers, DHT_PROVIDERS_MAX + 1) {
        let oldest = "DELETE FROM dht_providers WHERE (topic, node) IN
                      (SELECT topic, node FROM dht_providers ORDER BY seen_at LIMIT 64)";
        if conn.prepare_cached(oldest)?.execute([])? == 0 {
            break;
        }
    }
    Ok(())
}

/// Drops those that were not heard of for a day.
pub(super) fn sweep(conn: &Connection, now: UnixMillis) -> Result<usize, Error> {
    let before = sql(now.0.saturating_sub(DHT_PROVIDER_LIFE_MS));
    Ok(conn.prepare_cached("DELETE FROM dht_providers WHERE seen_at <= ?1")?.execute([before])?)
}
