//! The hash table as this node knows it: what it says, what it was told, and what members still have to be told.
//!
//! The network forgets and is away; this is the truth about what this node says. A record or a provided key is
//! acknowledged when it is a row here, and the row knows whether members took it, so that nothing has to be remembered
//! anywhere else to publish it later, or again.
//!
//! Of each key one record is kept, the one that stands by [`antiphon_core::dht::admit`], as it was signed. What others
//! say is bounded for each of them, so that a member that floods the table fills its own places; what this node says
//! is refused when there is no room, never dropped.

mod heard;
mod index;
mod provides;
mod records;

use antiphon_core::time::UnixMillis;
use rusqlite::Connection;

use crate::cache;
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row;

pub use heard::DhtProvider;
pub use index::Glance;
pub use provides::{DhtKnown, DhtProvide, DhtSource, Provided};
pub use records::{DhtPut, DhtRecord};

/// Most records of this node.
pub const DHT_OWN_RECORDS_MAX: usize = 32_768;
/// Most records of others; of more those go that end first.
pub const DHT_OTHERS_MAX: usize = 65_536;
/// Most records of one other member; of more those go that end first.
pub const DHT_RECORDS_PER_AUTHOR_MAX: usize = 8_192;
/// Most keys that this node provides.
pub const DHT_PROVIDES_MAX: usize = 32_768;
/// Most others that are remembered for one key; of more those go that were heard of longest ago.
pub const DHT_PROVIDERS_PER_KEY_MAX: usize = 20;
/// Most others that are remembered for all keys; of more those go that were heard of longest ago.
pub const DHT_PROVIDERS_MAX: usize = 65_536;
/// How long somebody counts as a provider after it was last heard, in milliseconds: one day.
pub const DHT_PROVIDER_LIFE_MS: u64 = 24 * 60 * 60 * 1_000;
/// Most rows that one question is answered with.
pub const DHT_ROWS_MAX: usize = 1_000;

/// Where a person's choice of the backend is kept.
const BACKEND: &str = "dht_backend";
/// Where the name of the agent on the own card is kept.
const AGENT: &str = "dht_agent";

/// What is to be published: a record or a key that is provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DhtItem {
    /// A row of records.
    Record(u64),
    /// A row of provided keys.
    Provide(u64),
}

impl DhtItem {
    /// One number for both kinds.
    pub const fn number(self) -> u64 {
        match self {
            Self::Record(id) => id << 1,
            Self::Provide(id) => id << 1 | 1,
        }
    }

    /// The item of a number.
    pub const fn of(number: u64) -> Self {
        if number & 1 == 0 { Self::Record(number >> 1) } else { Self::Provide(number >> 1) }
    }
}

/// Something that is to be published, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhtWaiting {
    /// Which.
    pub item: DhtItem,
    /// When it ends, if it is a record.
    pub expires: Option<UnixMillis>,
    /// When members took it as it is.
    pub published_at: Option<UnixMillis>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DhtCounts {
    /// Records of this node.
    pub own: u64,
    /// Records of others.
    pub others: u64,
    /// Keys that this node provides.
    pub provides: u64,
    /// Others that are remembered as providers, over all keys.
    pub providers: u64,
}

impl Db {
    /// Drops what is over: records of others that ended, and providers that were not heard of for a day. What this node
    /// says does not end by itself; it is signed again. Returns how many rows went.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn sweep_dht(&mut self, now: UnixMillis) -> Result<usize, Error> {
        self.transaction(|db| Ok(records::sweep(&db.conn, now)? + heard::sweep(&db.conn, now)?))
    }

    /// Keeps which backend a person chose, by its name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_dht_backend(&mut self, name: &str) -> Result<(), Error> {
        self.transaction(|db| cache::set_meta(&db.conn, BACKEND, name.as_bytes()))
    }

    /// Keeps the name of the agent that works here.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_dht_agent(&mut self, agent: &str) -> Result<(), Error> {
        self.transaction(|db| cache::set_meta(&db.conn, AGENT, agent.as_bytes()))
    }
}

impl Reader<'_> {
    /// How much there is.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn dht_counts(&self) -> Result<DhtCounts, Error> {
        counts(self.connection())
    }

    /// Everything that is to be published, each in short.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_waiting(&self) -> Result<Vec<DhtWaiting>, Error> {
        let mut all = records::waiting(self.connection())?;
        all.extend(provides::waiting(self.connection())?);
        Ok(all)
    }

    /// Which backend a person chose, by its name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_backend(&self) -> Result<Option<String>, Error> {
        text(self.connection(), BACKEND)
    }

    /// The name of the agent that works here.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dht_agent(&self) -> Result<Option<String>, Error> {
        text(self.connection(), AGENT)
    }
}

fn text(conn: &Connection, key: &str) -> Result<Option<String>, Error> {
    let kept = cache::meta(conn, key)?;
    kept.map(|bytes| String::from_utf8(bytes).map_err(|_| Error::damaged(format!("the setting {key}")))).transpose()
}

fn counts(conn: &Connection) -> Result<DhtCounts, Error> {
    let mut query = conn.prepare_cached("SELECT own, others, provides, providers FROM dht_total")?;
    let mut rows = query.query([])?;
    let Some(found) = rows.next()? else { return Err(Error::damaged("the totals of the hash table")) };
    let number = |column| row::uint(found, column);
    Ok(DhtCounts { own: number(0)?, others: number(1)?, provides: number(2)?, providers: number(3)? })
}

/// Whether so many are at a limit.
fn is_full(count: u64, limit: usize) -> bool {
    usize::try_from(count).unwrap_or(usize::MAX) >= limit
}

/// When a home moves to another team: nothing of this was meant for it.
pub(crate) fn leave_team(conn: &Connection) -> Result<(), Error> {
    Ok(conn.execute_batch("DELETE FROM dht_records; DELETE FROM dht_provides; DELETE FROM dht_providers;")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_one_number() {
        for item in [DhtItem::Record(0), DhtItem::Provide(0), DhtItem::Record(7), DhtItem::Provide(u64::MAX >> 1)] {
            assert_eq!(DhtItem::of(item.number()), item);
        }
    }
}
