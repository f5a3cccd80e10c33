//! An own log that contradicts what members hold.
//!
//! A machine that was restored from an older copy of its disk forgets how far its log had come, and writes other events
//! at places that are taken. Nobody is to blame and nothing may be lost: not what members hold, not what was written
//! since. So the home gives way. As soon as it is shown the first event that differs, signed by its own key, which
//! nobody else can make, it takes its own branch out of the log, puts it aside, and takes up the members' branch in its
//! place. What was put aside is written again ([`crate::write_again`]), behind what the members hold.
//!
//! That leaves no trace if nobody was sent a single event of the branch. Whether that is so must be known when it
//! matters, so it is noted before an own event leaves; what is not known counts as sent. If it may have been sent,
//! somebody may prove that the key signed two branches, and nothing after their parting counts anywhere. Then both
//! branches are written again, in a new store.
//!
//! A branch is taken up once: what was held as the log before is evidence when it is shown again, and nothing else. So
//! whoever repeats old events moves nothing.

use antiphon_core::event::{Event, Header};
use antiphon_core::ids::{Hash, StoreId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cache::{LogEntry, meta_uint, set_meta_uint};
use crate::db::Db;
use crate::erase;
use crate::error::Error;
use crate::query::logs;
use crate::reader::Reader;
use crate::row::{self, sql};
use crate::view::{Applied, ForkFound};
use crate::{FORK_EVENTS_MAX, cache};

/// The setting that says that the own log is being replaced by what members hold.
pub(crate) const ADOPTING: &str = "own_adopting";
/// How often a branch of an own log was put aside.
const TURNS: &str = "own_turns";
/// When an own log was found to be contradicted, and what came of it.
const FOUND_AT: &str = "rejoin_at";
const WRITTEN: &str = "rejoin_written";
const STORES: &str = "rejoin_stores";

/// How the own log stands against what members hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLog {
    /// The store that this home writes.
    pub store: Option<StoreId>,
    /// How often a branch of an own log was put aside. When this grows, heads of own logs went back.
    pub turns: u64,
    /// Whether the log is being replaced by what members hold, so that nothing can be written into it.
    pub adopting: bool,
    /// Whether the log has two branches, so that nothing that is written into it counts.
    pub forked: bool,
    /// Events that must be written again.
    pub waiting: u64,
}

impl OwnLog {
    /// Whether [`Db::write_again`] has something to do.
    pub fn is_unsettled(&self) -> bool {
        self.adopting || self.forked || self.waiting > 0
    }
}

/// What came of the last time that an own log was found to be contradicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejoined {
    /// When it was found.
    pub at: UnixMillis,
    /// Facts and incidents of which something was written again.
    pub written: u64,
    /// Whether a new store had to be opened.
    pub new_store: bool,
    /// Events that still wait to be written again.
    pub waiting: u64,
}

/// What was done about a branch of an own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// It is the log now, and nobody can tell that there was another.
    Silently,
    /// It is evidence.
    Openly,
}

impl Db {
    /// Whether this home's key signs the log, and what stands in it are edits.
    pub(crate) fn is_own_shared(&self, log: LogId) -> bool {
        let own = self.cache.own.as_ref().map(|own| own.node);
        log.stream == Stream::Shared && self.cache.logs.get(&log).is_some_and(|entry| Some(entry.node) == own)
    }

    /// Another branch of an own log was shown, from the first event that differs.
    pub(crate) fn meet_own_branch(
        &mut self,
        log: LogId,
        branch: Vec<Event>,
        now: UnixMillis,
        applied: &mut Applied,
    ) -> Result<Turned, Error> {
        let entry = self.entry(log)?.clone();
        let Some((first, seq)) = branch.first().map(|event| (event.hash(), event.header().seq)) else {
            return Ok(Turned::Openly);
        };
        let fresh = !matches!(entry.verdict, Verdict::Cut(_)) && !self.was_held(entry.id, &first)?;
        let secret = entry.verdict == Verdict::Good && !self.may_be_known(entry.id, seq)?;
        if secret && fresh {
            self.turn(log, branch, now, applied)?;
            if self.cache.own()?.store == log.store {
                self.cache.adopting = true;
                set_meta_uint(&self.conn, ADOPTING, 1)?;
            }
            return Ok(Turned::Silently);
        }
        // A proof may come without texts, and whoever shows it may not hold the branch.
        let whole = branch.iter().any(|event| event.payload().is_some());
        applied.fork = Some(ForkFound { log, seq });
        self.keep_evidence(log, branch.clone())?;
        if fresh && whole {
            self.turn(log, branch, now, applied)?;
        }
        Ok(Turned::Openly)
    }

    /// Puts the held branch of an own log aside, from where `branch` differs from it, and takes `branch` up instead.
    fn turn(&mut self, log: LogId, branch: Vec<Event>, now: UnixMillis, applied: &mut Applied) -> Result<(), Error> {
        let Some(seq) = branch.first().map(|event| event.header().seq) else { return Ok(()) };
        // What goes must prove that the key signed it, wherever it may be shown.
        self.sign_heads()?;
        let entry = self.entry(log)?.clone();
        let forked = entry.verdict != Verdict::Good;
        let evidence = if forked { self.first_events(log, seq)? } else { Vec::new() };
        self.note_held(entry.id, logs::header_hash_at(&self.conn, log, seq)?)?;
        self.note_held(entry.id, branch.first().map(Event::hash))?;
        self.note_found(now)?;
        self.put_aside(&entry, seq)?;
        self.take_out(log, &entry, seq)?;
        if forked {
            self.drop_evidence(entry.id, &branch)?;
            self.keep_evidence(log, evidence)?;
        }
        let turns = meta_uint(&self.conn, TURNS)?.unwrap_or(0);
        set_meta_uint(&self.conn, TURNS, turns + 1)?;
        self.take_fresh(log, &branch, now, applied)
    }

    /// More was shown of the branch that is held of an own log which has two. No page of such a log is ever sent, so it
    /// is taken up here, to be written again.
    pub(crate) fn follow_own_branch(&mut self, log: LogId, rest: &[Event], now: UnixMillis) -> Result<(), Error> {
        let entry = self.entry(log)?.clone();
        let whole = rest.iter().any(|event| event.payload().is_some());
        if !whole || !self.is_own_shared(log) || !matches!(entry.verdict, Verdict::Forked(_)) {
            return Ok(());
        }
        self.note_found(now)?;
        self.drop_evidence(entry.id, rest)?;
        self.take_fresh(log, rest, now, &mut self.nothing(log))
    }

    /// Events of another branch belong to the log now.
    fn drop_evidence(&self, log: i64, taken: &[Event]) -> Result<(), Error> {
        let mut delete = self.conn.prepare_cached("DELETE FROM forks WHERE log = ?1 AND seq = ?2 AND hash = ?3")?;
        for event in taken {
            delete.execute(params![log, sql(event.header().seq), event.hash().0])?;
        }
        Ok(())
    }

    /// The held events of a log from `seq` on, as many as may be kept as evidence.
    fn first_events(&self, log: LogId, seq: u64) -> Result<Vec<Event>, Error> {
        let mut query = self.conn.prepare_cached(
            "SELECT header, payload, signature FROM events WHERE log = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
        )?;
        let mut rows = query.query(params![self.entry(log)?.id, sql(seq), sql(FORK_EVENTS_MAX)])?;
        let mut events = Vec::new();
        while let Some(found) = rows.next()? {
            events.push(row::event(found, 0)?);
        }
        Ok(events)
    }

    /// Copies the held events of a log from `seq` on to those that must be written again.
    fn put_aside(&self, entry: &LogEntry, seq: u64) -> Result<(), Error> {
        let mut query = self.conn.prepare_cached(
            "SELECT seq, header, payload, signature FROM events WHERE log = ?1 AND seq >= ?2 ORDER BY seq",
        )?;
        let mut rows = query.query(params![entry.id, sql(seq)])?;
        while let Some(found) = rows.next()? {
            let header: Vec<u8> = found.get(1)?;
            let payload: Option<Vec<u8>> = found.get(2)?;
            let signature: Option<Vec<u8>> = found.get(3)?;
            put_aside(&self.conn, entry.id, (row::uint(found, 0)?, Hash::of(&header)), (&header, payload, signature))?;
        }
        Ok(())
    }

    /// Takes every event from `seq` on out of a log and of what follows from it.
    fn take_out(&mut self, log: LogId, entry: &LogEntry, seq: u64) -> Result<(), Error> {
        let last = seq.saturating_sub(1);
        self.withdraw(entry, last)?;
        let gone = "SELECT pos FROM events WHERE log = ?1 AND seq > ?2";
        for table in ["quarantine", "written_again", "erased_payloads", "skewed"] {
            let mut delete = self.conn.prepare_cached(&format!("DELETE FROM {table} WHERE pos IN ({gone})"))?;
            delete.execute(params![entry.id, sql(last)])?;
        }
        let mut delete = self.conn.prepare_cached("DELETE FROM events WHERE log = ?1 AND seq > ?2")?;
        delete.execute(params![entry.id, sql(last)])?;
        drop(delete);
        let hash = logs::header_hash_at(&self.conn, log, last)?;
        if let Some(entry) = self.cache.logs.get_mut(&log) {
            entry.head = hash.map_or(Head::EMPTY, |hash| Head { seq: last, hash });
        }
        self.cache.dirty.insert(log);
        Ok(())
    }

    /// Events of an own log came from others: they hold them, and beyond a fork they must be written again.
    pub(crate) fn own_events_came(&self, entry: &LogEntry, fresh: &[Event]) -> Result<(), Error> {
        let Some(last) = fresh.last() else { return Ok(()) };
        self.conn
            .prepare_cached("UPDATE own_sent SET seq = ?2 WHERE log = ?1 AND seq < ?2")?
            .execute(params![entry.id, sql(last.header().seq)])?;
        if let Verdict::Forked(from) = entry.verdict {
            let mut beyond = fresh.iter().filter(|event| event.header().seq >= from);
            beyond.try_for_each(|event| put_event_aside(&self.conn, entry.id, event))
        } else {
            Ok(())
        }
    }

    /// An own log turned out to have two branches: whatever is held of either counts no more, and is written again.
    pub(crate) fn own_log_forked(&self, log: LogId) -> Result<(), Error> {
        let entry = self.entry(log)?;
        let Verdict::Forked(from) = entry.verdict else { return Ok(()) };
        self.put_aside(entry, from)?;
        let mut query = self.conn.prepare_cached(
            "SELECT header, payload, signature FROM forks WHERE log = ?1 AND payload IS NOT NULL ORDER BY seq",
        )?;
        let mut rows = query.query([entry.id])?;
        while let Some(found) = rows.next()? {
            put_event_aside(&self.conn, entry.id, &row::event(found, 0)?)?;
        }
        Ok(())
    }

    /// When it was found that an own log is contradicted; what is told of an earlier time begins anew.
    pub(crate) fn note_found(&self, now: UnixMillis) -> Result<(), Error> {
        if waiting(&self.conn)? == 0 {
            set_meta_uint(&self.conn, FOUND_AT, now.0)?;
            set_meta_uint(&self.conn, WRITTEN, 0)?;
            set_meta_uint(&self.conn, STORES, 0)?;
        }
        Ok(())
    }

    /// Counts what was written again.
    pub(crate) fn note_written(&self, written: u64, new_store: bool, now: UnixMillis) -> Result<(), Error> {
        for (name, more) in [(WRITTEN, written), (STORES, u64::from(new_store))] {
            set_meta_uint(&self.conn, name, meta_uint(&self.conn, name)?.unwrap_or(0) + more)?;
        }
        match meta_uint(&self.conn, FOUND_AT)? {
            Some(_) => Ok(()),
            None => set_meta_uint(&self.conn, FOUND_AT, now.0),
        }
    }

    fn was_held(&self, log: i64, first: &Hash) -> Result<bool, Error> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM own_branches WHERE log = ?1 AND hash = ?2")?;
        Ok(query.query_row(params![log, first.0], |_| Ok(())).optional()?.is_some())
    }

    fn note_held(&self, log: i64, first: Option<Hash>) -> Result<(), Error> {
        let Some(first) = first else { return Ok(()) };
        let mut insert = self.conn.prepare_cached("INSERT OR IGNORE INTO own_branches (log, hash) VALUES (?1, ?2)")?;
        insert.execute(params![log, first.0])?;
        Ok(())
    }

    /// Whether somebody may have been sent the held event at `seq`, or a later one.
    fn may_be_known(&self, log: i64, seq: u64) -> Result<bool, Error> {
        Ok(sent(&self.conn, log)?.is_none_or(|sent| sent >= seq))
    }

    /// An own log was opened: nobody was sent anything of it.
    pub(crate) fn nothing_sent(&self, log: LogId) -> Result<(), Error> {
        let mut insert = self.conn.prepare_cached("INSERT OR REPLACE INTO own_sent (log, seq) VALUES (?1, 0)")?;
        insert.execute([self.entry(log)?.id])?;
        Ok(())
    }

    /// Notes that events of an own log up to `head` are about to leave this machine. From now on whatever is written is
    /// noted as sent in the same commit, so that this costs no second wait for the disk.
    ///
    /// Says `false` when the log does not hold that event any more: then it must not be sent.
    ///
    /// # Errors
    /// [`Error::NotFound`] and failures of the database.
    pub fn note_sent(&mut self, log: LogId, head: Head) -> Result<bool, Error> {
        self.transaction(|db| {
            let entry = db.entry(log)?.clone();
            if logs::header_hash_at(&db.conn, log, head.seq)? != Some(head.hash) {
                return Ok(false);
            }
            set_sent(&db.conn, entry.id, entry.head.seq)?;
            db.told = true;
            Ok(true)
        })
    }

    /// Notes what this commit adds to own logs as sent, if sessions stand that send it at once.
    pub(crate) fn note_told(&self) -> Result<(), Error> {
        let Some(own) = self.cache.own.as_ref().filter(|_| self.told) else { return Ok(()) };
        let log = LogId::new(own.store, Stream::Shared);
        match self.cache.logs.get(&log).filter(|_| self.cache.dirty.contains(&log)) {
            Some(entry) => set_sent(&self.conn, entry.id, entry.head.seq),
            None => Ok(()),
        }
    }
}

impl Reader<'_> {
    /// How the own log stands against what members hold.
    ///
    /// # Errors
    /// When the database fails.
    pub fn own_log(&self) -> Result<OwnLog, Error> {
        let conn = self.connection();
        let Some(own) = cache::own(conn)? else { return Ok(OwnLog::default()) };
        let mut query =
            conn.prepare_cached("SELECT 1 FROM logs WHERE store = ?1 AND stream IN (0, 1) AND verdict = 1 LIMIT 1")?;
        Ok(OwnLog {
            store: Some(own.store),
            turns: meta_uint(conn, TURNS)?.unwrap_or(0),
            adopting: meta_uint(conn, ADOPTING)?.unwrap_or(0) > 0,
            forked: query.query_row([own.store.0.as_slice()], |_| Ok(())).optional()?.is_some(),
            waiting: waiting(conn)?,
        })
    }

    /// Events that must be written again and cannot, since their text is not held: the log and the place where they
    /// stood, and the hash of their header. Whoever holds such an event may have the text.
    ///
    /// # Errors
    /// When the database fails.
    pub fn waiting_for_texts(&self) -> Result<Vec<(LogId, u64, Hash)>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT l.stream, l.store, s.seq, s.hash FROM set_aside s JOIN logs l ON l.id = s.log
             WHERE s.payload IS NULL AND NOT EXISTS (SELECT 1 FROM events v
                 WHERE v.log = s.log AND v.seq = s.seq AND v.header = s.header AND v.payload IS NOT NULL)
             ORDER BY l.stream, l.store, s.seq",
        )?;
        let mut rows = query.query([])?;
        let mut waiting = Vec::new();
        while let Some(found) = rows.next()? {
            waiting.push((row::log(found, 0, 1)?, row::uint(found, 2)?, row::hash(found, 3)?));
        }
        Ok(waiting)
    }

    /// How far an own log may have left this machine; `None` when that is not known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sent(&self, log: LogId) -> Result<Option<u64>, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT s.seq FROM own_sent s JOIN logs l ON l.id = s.log WHERE l.stream = ?1 AND l.store = ?2",
        )?;
        let found: Option<i64> =
            query.query_row(params![log.stream.number(), log.store.0], |row| row.get(0)).optional()?;
        Ok(found.map(i64::cast_unsigned))
    }

    /// What came of the last time that an own log was found to be contradicted, if it ever was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rejoined(&self) -> Result<Option<Rejoined>, Error> {
        let conn = self.connection();
        let Some(at) = meta_uint(conn, FOUND_AT)? else { return Ok(None) };
        Ok(Some(Rejoined {
            at: UnixMillis(at),
            written: meta_uint(conn, WRITTEN)?.unwrap_or(0),
            new_store: meta_uint(conn, STORES)?.unwrap_or(0) > 0,
            waiting: waiting(conn)?,
        }))
    }
}

fn sent(conn: &Connection, log: i64) -> Result<Option<u64>, Error> {
    let mut query = conn.prepare_cached("SELECT seq FROM own_sent WHERE log = ?1")?;
    let found: Option<i64> = query.query_row([log], |row| row.get(0)).optional()?;
    Ok(found.map(i64::cast_unsigned))
}

fn set_sent(conn: &Connection, log: i64, seq: u64) -> Result<(), Error> {
    // Of a log without a row all counts as sent already.
    conn.prepare_cached("UPDATE own_sent SET seq = max(seq, ?2) WHERE log = ?1")?.execute(params![log, sql(seq)])?;
    Ok(())
}

/// Events that must be written again.
pub(crate) fn waiting(conn: &Connection) -> Result<u64, Error> {
    let count: i64 = conn.prepare_cached("SELECT count(*) FROM set_aside")?.query_row([], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

fn put_event_aside(conn: &Connection, log: i64, event: &Event) -> Result<(), Error> {
    let payload = event.payload().map(<[u8]>::to_vec);
    let signature = event.signature().map(|signature| signature.0.to_vec());
    put_aside(conn, log, (event.header().seq, event.hash()), (event.header_bytes(), payload, signature))
}

fn put_aside(
    conn: &Connection,
    log: i64,
    (seq, hash): (u64, Hash),
    (header, payload, signature): (&[u8], Option<Vec<u8>>, Option<Vec<u8>>),
) -> Result<(), Error> {
    // Of what is erased no text is kept here either.
    let payload = if erase::is_erased(conn, &Header::decode(header)?.subject)? { None } else { payload };
    conn.prepare_cached(
        "INSERT INTO set_aside (log, seq, hash, header, payload, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (log, seq, hash) DO UPDATE SET payload = coalesce(payload, excluded.payload)",
    )?
    .execute(params![log, sql(seq), hash.0, header, payload, signature])?;
    Ok(())
}
