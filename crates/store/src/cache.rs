//! What the writer keeps in memory, so that writing an event reads next to nothing.
//!
//! The heads of all logs, the own clock and the own logs' need for a signature change with every event. They are
//! read once, kept here, and written back at the end of each job. Whatever rolls a transaction back also throws the
//! changed part of this away: the small part from a copy, the logs from the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::charter::Membership;
use antiphon_core::event::Header;
use antiphon_core::fact::Sharing;
use antiphon_core::ids::{EventId, NodeId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::roles::Roles;
use antiphon_core::state::Verdict;
use antiphon_core::time::Hlc;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::row;
use crate::view::Own;

/// A log as the database numbers it.
#[derive(Debug, Clone)]
pub(crate) struct LogEntry {
    /// `logs.id`.
    pub(crate) id: i64,
    /// The key that signs it.
    pub(crate) node: NodeId,
    /// How much is held.
    pub(crate) head: Head,
    /// How far it is believed.
    pub(crate) verdict: Verdict,
}

impl LogEntry {
    /// The last sequence number that counts.
    pub(crate) fn counted(&self) -> u64 {
        counted(self.head.seq, self.verdict)
    }
}

/// The last sequence number that counts of a log held up to `head`.
pub(crate) const fn counted(head: u64, verdict: Verdict) -> u64 {
    let limit = match verdict {
        Verdict::Good => head,
        Verdict::Forked(seq) => seq.saturating_sub(1),
        Verdict::Cut(seq) => seq,
    };
    if limit < head { limit } else { head }
}

/// The last own event of a log that no signature covers yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unsigned {
    /// Its position.
    pub(crate) pos: i64,
    /// Events since the last signature.
    pub(crate) events: usize,
    /// Bytes since the last signature.
    pub(crate) bytes: usize,
}

/// The part that is copied before a job and put back when the job fails.
#[derive(Debug, Clone, Default)]
pub(crate) struct Small {
    /// The position of the next event.
    pub(crate) next_pos: i64,
    /// The own clock.
    pub(crate) hlc: Hlc,
    /// The last own event id.
    pub(crate) last_event: Option<EventId>,
    /// Own logs that end without a signature.
    pub(crate) unsigned: BTreeMap<LogId, Unsigned>,
    /// Charter events held.
    pub(crate) charter_events: u64,
    /// Idempotency keys that were kept since they were last counted.
    pub(crate) keys: u64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cache {
    /// Whose database this is.
    pub(crate) own: Option<Own>,
    /// Every log.
    pub(crate) logs: BTreeMap<LogId, LogEntry>,
    /// Logs whose row must be written.
    pub(crate) dirty: BTreeSet<LogId>,
    /// Who is a member.
    pub(crate) membership: Option<Arc<Membership>>,
    /// The roles of the team, by its current genome.
    pub(crate) roles: Arc<Roles>,
    /// Which levels are shared in this team.
    pub(crate) sharing: Sharing,
    /// Whether the own log is being replaced by what members hold.
    pub(crate) adopting: bool,
    /// What a failed job puts back.
    pub(crate) small: Small,
}

impl Cache {
    /// Reads everything from the database.
    pub(crate) fn load(conn: &Connection) -> Result<Self, Error> {
        let own = own(conn)?;
        if let Some(own) = &own {
            crate::charter::check_founding(conn, &own.team)?;
        }
        let (membership, sharing) = match &own {
            Some(_) => (Some(crate::charter::membership(conn)?), crate::charter::constitution(conn)?.sharing),
            None => (None, Sharing::default()),
        };
        let last: Option<i64> = conn.query_row("SELECT max(pos) FROM events", [], |row| row.get(0))?;
        let roles = membership.as_ref().map(|members| crate::charter::roles(conn, members)).transpose()?;
        let roles = roles.unwrap_or_default();
        let mut cache = Self { logs: logs(conn)?, own, membership, roles, sharing, ..Self::default() };
        cache.adopting = meta_uint(conn, crate::set_aside::ADOPTING)?.unwrap_or(0) > 0;
        cache.small.next_pos = last.unwrap_or(0) + 1;
        cache.small.charter_events =
            cache.logs.iter().filter(|(log, _)| log.stream == Stream::Charter).map(|(_, entry)| entry.head.seq).sum();
        cache.small.hlc = Hlc(meta_uint(conn, "hlc")?.unwrap_or(0));
        for (log, entry) in cache.own_logs() {
            let header: Option<Vec<u8>> = conn
                .prepare_cached("SELECT header FROM events WHERE log = ?1 AND seq = ?2")?
                .query_row(params![entry.id, row::sql(entry.head.seq)], |row| row.get(0))
                .optional()?;
            let header = header.map(|header| Header::decode(&header)).transpose()?;
            let header = header.ok_or_else(|| Error::damaged(format!("the head of {log} is missing")))?;
            cache.small.hlc = cache.small.hlc.max(header.hlc);
            cache.small.last_event = cache.small.last_event.max(Some(header.id));
        }
        Ok(cache)
    }

    fn own_logs(&self) -> Vec<(LogId, LogEntry)> {
        let Some(own) = &self.own else { return Vec::new() };
        let ours = |(log, entry): (&LogId, &LogEntry)| (log.store == own.store).then(|| (*log, entry.clone()));
        self.logs.iter().filter_map(ours).collect()
    }

    /// The own identity.
    pub(crate) fn own(&self) -> Result<&Own, Error> {
        self.own.as_ref().ok_or(Error::NoTeam)
    }

    /// Writes the rows that changed.
    pub(crate) fn flush(&mut self, conn: &Connection) -> Result<(), Error> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let mut update = conn.prepare_cached(
            "UPDATE logs SET head_seq = ?2, head_hash = ?3, verdict = ?4, verdict_seq = ?5 WHERE id = ?1",
        )?;
        for log in std::mem::take(&mut self.dirty) {
            let Some(entry) = self.logs.get(&log) else { continue };
            let (verdict, seq) = entry.verdict.parts();
            let head = (row::sql(entry.head.seq), entry.head.hash.0);
            update.execute(params![entry.id, head.0, head.1, row::sql(verdict), row::sql(seq)])?;
        }
        set_meta_uint(conn, "hlc", self.small.hlc.0)
    }
}

fn logs(conn: &Connection) -> Result<BTreeMap<LogId, LogEntry>, Error> {
    let mut query =
        conn.prepare_cached("SELECT id, stream, store, node, head_seq, head_hash, verdict, verdict_seq FROM logs")?;
    let mut rows = query.query([])?;
    let mut logs = BTreeMap::new();
    while let Some(found) = rows.next()? {
        let (number, seq) = (row::uint(found, 6)?, row::uint(found, 7)?);
        let entry = LogEntry {
            id: found.get(0)?,
            node: row::node(found, 3)?,
            head: Head { seq: row::uint(found, 4)?, hash: row::hash(found, 5)? },
            verdict: Verdict::from_parts(number, seq).ok_or_else(|| Error::damaged(format!("verdict {number}")))?,
        };
        logs.insert(row::log(found, 1, 2)?, entry);
    }
    Ok(logs)
}

/// Whose database this is, if it has a team.
pub(crate) fn own(conn: &Connection) -> Result<Option<Own>, Error> {
    let Some(bytes) = meta(conn, "own")? else { return Ok(None) };
    let own = antiphon_core::cbor::decode(&bytes, |input| {
        use antiphon_core::cbor::{read_array, read_list, read_text};
        if read_list(input, 4)? != 4 {
            return Err(antiphon_core::cbor::Error::Value("an identity has four parts"));
        }
        Ok(Own {
            team: antiphon_core::ids::TeamId(read_array(input)?),
            node: NodeId(read_array(input)?),
            store: antiphon_core::ids::StoreId(read_array(input)?),
            name: read_text(input, 256)?,
        })
    })?;
    Ok(Some(own))
}

/// Keeps whose database this is. The view `own_key` reads the key at its place in these bytes.
pub(crate) fn set_own(conn: &Connection, own: &Own) -> Result<(), Error> {
    use antiphon_core::cbor;
    let bytes = cbor::encode(|out| {
        cbor::array(out, 4);
        cbor::bytes(out, &own.team.0);
        cbor::bytes(out, &own.node.0);
        cbor::bytes(out, &own.store.0);
        cbor::text(out, &own.name);
    });
    set_meta(conn, "own", &bytes)
}

/// A setting of this database.
pub(crate) fn meta(conn: &Connection, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut query = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(query.query_row([key], |row| row.get(0)).optional()?)
}

/// Keeps a setting of this database.
pub(crate) fn set_meta(conn: &Connection, key: &str, value: &[u8]) -> Result<(), Error> {
    let mut insert = conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
    insert.execute(params![key, value])?;
    Ok(())
}

/// A number kept as a setting.
pub(crate) fn meta_uint(conn: &Connection, key: &str) -> Result<Option<u64>, Error> {
    let Some(bytes) = meta(conn, key)? else { return Ok(None) };
    let bytes = bytes.try_into().map_err(|_| Error::damaged(format!("the setting {key}")))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// Keeps a number as a setting.
pub(crate) fn set_meta_uint(conn: &Connection, key: &str, value: u64) -> Result<(), Error> {
    set_meta(conn, key, &value.to_be_bytes())
}
