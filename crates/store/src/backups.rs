//! Gene backups: what is kept ready for a member that fell silent.
//!
//! A machine that lost its disk gets its own log back from whoever holds it, so nothing is copied here. A backup is a
//! pin: it names how much of the member's own shared logs this node held when the member was last heard of. Whatever
//! is clean-up may not touch that range, and when the member returns it shows whether it has everything again.

use antiphon_core::cbor;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::NodeClock;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, Row, params};

use crate::db::Db;
use crate::error::Error;
use crate::peers::{encode_clock, read_clock};
use crate::reader::Reader;
use crate::row::{self, sql};

/// Most backups that are kept: one for every member of the largest team. The oldest go first.
pub const BACKUPS_MAX: usize = 512;

/// Why a backup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackupReason {
    /// The member was silent for longer than the peer timeout.
    Timeout,
    /// A person asked for it.
    Explicit,
}

impl BackupReason {
    /// Every reason; its position is its number in the database.
    pub const ALL: [Self; 2] = [Self::Timeout, Self::Explicit];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Explicit => "explicit",
        }
    }
}

/// How much of a member's own shared logs is held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pinned {
    /// Heads of the shared logs of every store that its key opened.
    pub heads: NodeClock,
    /// Facts that events of those logs wrote or changed.
    pub facts: u64,
}

/// A pinned range of a member's own logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneBackup {
    /// Whom it is for.
    pub node: NodeId,
    /// The genome it was made under.
    pub genome_hash: Hash,
    /// Facts in the range.
    pub facts: u64,
    /// The range: everything up to these heads.
    pub heads: NodeClock,
    /// When it was made.
    pub backed_up_at: UnixMillis,
    /// Why.
    pub reason: BackupReason,
}

impl Db {
    /// Keeps a backup in place of the one that the same member has. Returns the members whose backups made room.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_backup(&mut self, backup: &GeneBackup) -> Result<Vec<NodeId>, Error> {
        self.transaction(|db| {
            let heads = cbor::encode(|out| encode_clock(out, &backup.heads));
            db.conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO backups (node, genome_hash, facts, heads, backed_up_at, reason)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    backup.node.0,
                    backup.genome_hash.0,
                    sql(backup.facts),
                    heads,
                    sql(backup.backed_up_at.0),
                    backup.reason as i64,
                ])?;
            let mut delete = db.conn.prepare_cached(
                "DELETE FROM backups WHERE node IN
                     (SELECT node FROM backups WHERE node <> ?1 ORDER BY backed_up_at DESC, node LIMIT -1 OFFSET ?2)
                 RETURNING node",
            )?;
            let mut rows = delete.query(params![backup.node.0, row::sql_len(BACKUPS_MAX - 1)])?;
            let mut gone = Vec::new();
            while let Some(found) = rows.next()? {
                gone.push(row::node(found, 0)?);
            }
            Ok(gone)
        })
    }

    /// Ends a backup; returns whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_backup(&mut self, node: &NodeId) -> Result<bool, Error> {
        self.transaction(|db| {
            let mut delete = db.conn.prepare_cached("DELETE FROM backups WHERE node = ?1")?;
            Ok(delete.execute([node.0.as_slice()])? > 0)
        })
    }
}

impl Reader<'_> {
    /// Every backup, in the order of the members' keys.
    ///
    /// # Errors
    /// When the database fails.
    pub fn backups(&self) -> Result<Vec<GeneBackup>, Error> {
        let mut query = self.connection().prepare_cached(&format!("SELECT {COLUMNS} FROM backups ORDER BY node"))?;
        let mut rows = query.query([])?;
        let mut backups = Vec::new();
        while let Some(found) = rows.next()? {
            backups.push(read(found)?);
        }
        Ok(backups)
    }

    /// The backup of a member, if it has one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn backup(&self, node: &NodeId) -> Result<Option<GeneBackup>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM backups WHERE node = ?1");
        let mut query = self.connection().prepare_cached(&sql)?;
        let mut rows = query.query([node.0.as_slice()])?;
        rows.next()?.map(read).transpose()
    }

    /// How much of the member's own shared logs is held now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pinnable(&self, node: &NodeId) -> Result<Pinned, Error> {
        let theirs = |log: &crate::LogView| {
            log.node == *node && log.log.stream == antiphon_core::log::Stream::Shared && log.head.seq > 0
        };
        let heads = self.logs()?.into_iter().filter(theirs).map(|log| (log.log, log.head)).collect();
        Ok(Pinned { heads, facts: facts_of(self.connection(), node)? })
    }
}

fn facts_of(conn: &Connection, node: &NodeId) -> Result<u64, Error> {
    let mut query = conn.prepare_cached(
        "SELECT count(DISTINCT e.id) FROM edits e JOIN events v ON v.pos = e.pos
         WHERE e.kind = 1 AND e.stream = 1 AND v.log IN (SELECT id FROM logs WHERE node = ?1 AND stream = 1)",
    )?;
    Ok(query.query_row([node.0.as_slice()], |found| found.get::<_, i64>(0))?.cast_unsigned())
}

const COLUMNS: &str = "node, genome_hash, facts, heads, backed_up_at, reason";

fn read(found: &Row<'_>) -> Result<GeneBackup, Error> {
    let number = row::index(found, 5)?;
    let reason = BackupReason::ALL.get(number).copied();
    Ok(GeneBackup {
        node: row::node(found, 0)?,
        genome_hash: row::hash(found, 1)?,
        facts: row::uint(found, 2)?,
        heads: cbor::decode(&found.get::<_, Vec<u8>>(3)?, read_clock)?,
        backed_up_at: UnixMillis(row::uint(found, 4)?),
        reason: reason.ok_or_else(|| Error::damaged(format!("backup reason {number}")))?,
    })
}
