//! Sealed copies: parts of local logs that others keep for their owner, and what this node has with whom.
//!
//! As a holder this node keeps bytes that only their owner can open, each part under the owner's key, the store and the
//! range it names. A part takes the place of all parts within its range. How much one owner and all of them together may
//! take is the caller's to say; what does not fit is refused, and nothing makes room by itself.
//!
//! As an owner it reads its local logs as ranges that end at a signature, so that whoever gets one of them can verify
//! all of it, and remembers which members it chose and what they confirmed.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::cbor;
use antiphon_core::event::Event;
use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql};
use crate::{cache, charter};

/// Most members that are chosen to keep a sealed copy.
pub const COPY_HOLDERS_MAX: usize = 16;

/// Name of the setting that lists them.
const HOLDERS: &str = "copy_holders";
/// Most stores in what a holder confirmed.
const STORES_MAX: usize = antiphon_core::log::STORES_PER_KEY_MAX;
/// Longest reason of a refusal, in bytes.
const REASON_BYTES_MAX: usize = 64;
/// Bytes that an event is counted for beyond its header and payload.
const EVENT_BYTES: usize = 96;

/// How much is kept for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyLimits {
    /// Most bytes for one owner.
    pub owner_bytes: u64,
    /// Most bytes for all owners together.
    pub total_bytes: u64,
    /// Most parts for one owner.
    pub owner_parts: usize,
}

/// A part that is kept for another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyPart {
    /// The store whose local log it is of.
    pub store: StoreId,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// What became of a part that somebody wants kept.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept.
    Kept,
    /// There is no room for so many bytes.
    Full {
        /// Bytes that are kept, by the limit that stopped it.
        held: u64,
        /// That limit.
        limit: u64,
    },
    /// The owner has too many parts.
    TooManyParts,
    /// The owner is no member of the team any more.
    NotAMember,
}

/// Everything that is kept for one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOwner {
    /// Whose it is.
    pub node: NodeId,
    /// How many parts.
    pub parts: u64,
    /// How many bytes.
    pub bytes: u64,
    /// When the last part came.
    pub updated_at: UnixMillis,
}

/// A member that was chosen to keep a sealed copy of this node's local stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyHolder {
    /// Who.
    pub node: NodeId,
    /// How much of which store's local log it keeps, by its own word.
    pub confirmed: BTreeMap<StoreId, u64>,
    /// When it last said so.
    pub confirmed_at: Option<UnixMillis>,
    /// Why it took nothing when it was last asked to.
    pub refused: Option<String>,
}

/// Facts that are shown, by where they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactsByStream {
    /// Facts of the shared stream.
    pub shared: u64,
    /// Facts that never leave their node but sealed.
    pub local: u64,
}

impl Db {
    /// Keeps a part for `owner`, in the place of those within its range, unless there is no room.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_copy(
        &mut self,
        owner: &NodeId,
        part: (StoreId, u64, u64),
        sealed: &[u8],
        limits: CopyLimits,
        now: UnixMillis,
    ) -> Result<Keeping, Error> {
        let (store, first, last) = part;
        self.transaction(|db| {
            // Whoever was asked may have known the owner as a member when it asked for this, and its removal may have been
            // stored, and its parts dropped, since.
            if db.cache.membership.as_ref().is_some_and(|members| members.member(owner).is_none()) {
                return Ok(Keeping::NotAMember);
            }
            let within = "node = ?1 AND store = ?2 AND first >= ?3 AND last <= ?4";
            let range = params![owner.0, store.0, sql(first), sql(last)];
            let freed = sum(&db.conn, within, range)?;
            let mine = sum(&db.conn, "node = ?1", params![owner.0])?;
            let all = sum(&db.conn, "1", [])?;
            for (held, limit) in [(mine.1, limits.owner_bytes), (all.1, limits.total_bytes)] {
                if held.saturating_sub(freed.1).saturating_add(sealed.len() as u64) > limit {
                    return Ok(Keeping::Full { held, limit });
                }
            }
            if mine.0.saturating_sub(freed.0) >= limits.owner_parts as u64 {
                return Ok(Keeping::TooManyParts);
            }
            db.conn.prepare_cached(&format!("DELETE FROM sealed_copies WHERE {within}"))?.execute(range)?;
            // One that begins here and reaches further stays under its own range; this one adds nothing to it.
            db.conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO sealed_copies (node, store, first, last, sealed, created_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![owner.0, store.0, sql(first), sql(last), sealed, sql(now.0)])?;
            Ok(Keeping::Kept)
        })
    }

    /// Forgets all parts of `owner`; returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_copies(&mut self, owner: &NodeId) -> Result<u64, Error> {
        self.transaction(|db| {
            let mut delete = db.conn.prepare_cached("DELETE FROM sealed_copies WHERE node = ?1")?;
            Ok(delete.execute([owner.0.as_slice()])? as u64)
        })
    }

    /// Forgets the parts of everybody who is no member of the team any more; returns whose they were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_copies_of_strangers(&mut self) -> Result<Vec<NodeId>, Error> {
        self.transaction(|db| {
            let members = charter::membership(&db.conn)?;
            let members: BTreeSet<NodeId> = members.members().map(|(node, _)| *node).collect();
            let owners = owners(&db.conn)?.into_iter().map(|owner| owner.node);
            let gone: Vec<NodeId> = owners.filter(|owner| !members.contains(owner)).collect();
            for owner in &gone {
                db.drop_copies(owner)?;
            }
            Ok(gone)
        })
    }

    /// Keeps which members were chosen and what they confirmed; beyond [`COPY_HOLDERS_MAX`] the last are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_copy_holders(&mut self, holders: &[CopyHolder]) -> Result<(), Error> {
        let holders = &holders[..holders.len().min(COPY_HOLDERS_MAX)];
        self.transaction(|db| cache::set_meta(&db.conn, HOLDERS, &encode(holders)))
    }

    /// Notes what one of the chosen members confirmed or refused; nothing if it is not chosen any more.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_copy_holder(&mut self, noted: &CopyHolder) -> Result<(), Error> {
        self.transaction(|db| {
            let mut holders = holders(&db.conn)?;
            if let Some(holder) = holders.iter_mut().find(|holder| holder.node == noted.node) {
                holder.clone_from(noted);
                db.keep_copy_holders(&holders)?;
            }
            Ok(())
        })
    }
}

impl Reader<'_> {
    /// The parts that are kept for `owner`, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn copy_parts(&self, owner: &NodeId) -> Result<Vec<CopyPart>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT store, first, last, length(sealed) FROM sealed_copies WHERE node = ?1 ORDER BY store, first",
        )?;
        let mut rows = query.query([owner.0.as_slice()])?;
        let mut parts = Vec::new();
        while let Some(found) = rows.next()? {
            parts.push(CopyPart {
                store: row::store(found, 0)?,
                first: row::uint(found, 1)?,
                last: row::uint(found, 2)?,
                bytes: row::uint(found, 3)?,
            });
        }
        Ok(parts)
    }

    /// One part that is kept for `owner`: its last sequence number and its bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn copy_part(&self, owner: &NodeId, store: &StoreId, first: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let mut query = self
            .connection()
            .prepare_cached("SELECT last, sealed FROM sealed_copies WHERE node = ?1 AND store = ?2 AND first = ?3")?;
        let found = query
            .query_row(params![owner.0, store.0, sql(first)], |found| {
                Ok((found.get::<_, i64>(0)?.cast_unsigned(), found.get(1)?))
            })
            .optional()?;
        Ok(found)
    }

    /// Everybody for whom something is kept, in the order of the keys.
    ///
    /// # Errors
    /// When the database fails.
    pub fn copy_owners(&self) -> Result<Vec<CopyOwner>, Error> {
        owners(self.connection())
    }

    /// The members that were chosen to keep a copy of this node's local stream, in the order in which they were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn copy_holders(&self) -> Result<Vec<CopyHolder>, Error> {
        holders(self.connection())
    }

    /// Consecutive events of the local log of `store` after sequence number `after`, the last of them signed: as many as
    /// fit into `max_events` and `max_bytes`, each counted a little too large. This is for the node itself alone.
    ///
    /// # Errors
    /// When the database fails or is damaged.
    pub fn local_events(
        &self,
        store: StoreId,
        after: u64,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Vec<Event>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT v.header, v.payload, v.signature FROM logs l JOIN events v ON v.log = l.id
             WHERE l.stream = ?1 AND l.store = ?2 AND v.seq > ?3 ORDER BY v.seq LIMIT ?4",
        )?;
        let limit = row::sql_len(max_events);
        let mut rows = query.query(params![Stream::Local.number(), store.0, sql(after), limit])?;
        let (mut events, mut signed, mut bytes) = (Vec::new(), 0, 0);
        while let Some(found) = rows.next()? {
            let event = row::event(found, 0)?;
            bytes += EVENT_BYTES + event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len);
            if bytes > max_bytes {
                break;
            }
            events.push(event);
            signed = if events.last().is_some_and(|event| event.signature().is_some()) { events.len() } else { signed };
        }
        events.truncate(signed);
        Ok(events)
    }

    /// The local logs of this node's own key, of its present store and those before, with their last sequence numbers.
    ///
    /// # Errors
    /// When the database fails.
    pub fn own_local_logs(&self) -> Result<BTreeMap<StoreId, u64>, Error> {
        let own = self.own()?.ok_or(Error::NoTeam)?.node;
        let local = |log: &crate::LogView| log.log.stream == Stream::Local && log.node == own && log.head.seq > 0;
        Ok(self.logs()?.into_iter().filter(local).map(|log| (log.log.store, log.head.seq)).collect())
    }

    /// The facts that are shown, counted by stream.
    ///
    /// # Errors
    /// When the database fails.
    pub fn facts_by_stream(&self) -> Result<FactsByStream, Error> {
        let mut query =
            self.connection().prepare_cached("SELECT count(*) FROM facts WHERE content IS NOT NULL AND stream = ?1")?;
        let mut count = |stream: Stream| query.query_row([stream.number()], |found| found.get::<_, i64>(0));
        let (shared, local) = (count(Stream::Shared)?, count(Stream::Local)?);
        Ok(FactsByStream { shared: shared.cast_unsigned(), local: local.cast_unsigned() })
    }
}

/// Number and bytes of the parts that a condition holds for.
fn sum(conn: &Connection, condition: &str, values: impl rusqlite::Params) -> Result<(u64, u64), Error> {
    let sql = format!("SELECT count(*), coalesce(sum(length(sealed)), 0) FROM sealed_copies WHERE {condition}");
    let mut query = conn.prepare_cached(&sql)?;
    let found: (i64, i64) = query.query_row(values, |found| Ok((found.get(0)?, found.get(1)?)))?;
    Ok((found.0.cast_unsigned(), found.1.cast_unsigned()))
}

fn owners(conn: &Connection) -> Result<Vec<CopyOwner>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT node, count(*), sum(length(sealed)), max(created_at) FROM sealed_copies GROUP BY node ORDER BY node",
    )?;
    let mut rows = query.query([])?;
    let mut owners = Vec::new();
    while let Some(found) = rows.next()? {
        owners.push(CopyOwner {
            node: row::node(found, 0)?,
            parts: row::uint(found, 1)?,
            bytes: row::uint(found, 2)?,
            updated_at: UnixMillis(row::uint(found, 3)?),
        });
    }
    Ok(owners)
}

fn encode(holders: &[CopyHolder]) -> Vec<u8> {
    cbor::encode(|out| {
        cbor::array(out, holders.len());
        for holder in holders {
            cbor::array(out, 4);
            cbor::bytes(out, &holder.node.0);
            cbor::array(out, holder.confirmed.len().min(STORES_MAX));
            for (store, seq) in holder.confirmed.iter().take(STORES_MAX) {
                cbor::array(out, 2);
                cbor::bytes(out, &store.0);
                cbor::uint(out, *seq);
            }
            match holder.confirmed_at {
                Some(at) => cbor::uint(out, at.0),
                None => cbor::null(out),
            }
            match &holder.refused {
                Some(reason) => cbor::text(out, reason),
                None => cbor::null(out),
            }
        }
    })
}

/// The members that were chosen, in the order in which they were.
pub(crate) fn holders(conn: &Connection) -> Result<Vec<CopyHolder>, Error> {
    let Some(bytes) = cache::meta(conn, HOLDERS)? else { return Ok(Vec::new()) };
    Ok(cbor::decode(&bytes, |input| {
        let count = cbor::read_list(input, COPY_HOLDERS_MAX)?;
        (0..count).map(|_| read_holder(input)).collect()
    })?)
}

fn read_holder(input: &mut minicbor::Decoder<'_>) -> Result<CopyHolder, cbor::Error> {
    if cbor::read_list(input, 4)? != 4 {
        return Err(cbor::Error::Value("a holder has four parts"));
    }
    let (node, mut confirmed) = (NodeId(cbor::read_array(input)?), BTreeMap::new());
    for _ in 0..cbor::read_list(input, STORES_MAX)? {
        if cbor::read_list(input, 2)? != 2 {
            return Err(cbor::Error::Value("a range has two parts"));
        }
        confirmed.insert(StoreId(cbor::read_array(input)?), input.u64()?);
    }
    Ok(CopyHolder {
        node,
        confirmed,
        confirmed_at: cbor::read_option(input, |input| Ok(UnixMillis(input.u64()?)))?,
        refused: cbor::read_option(input, |input| cbor::read_text(input, REASON_BYTES_MAX))?,
    })
}
