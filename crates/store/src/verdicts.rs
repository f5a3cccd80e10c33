//! How far a log is believed, and what follows from a change of mind.
//!
//! A fork is proved by what is held, a cut is said by the charter; the verdict of a log is computed from both. When
//! it changes, the edits that stopped counting are taken out of the projection and those that count again are put
//! back, so the facts are always exactly what the counted events say.
//!
//! A revocation names the cuts of the logs its author knew. Of a log of the revoked key that no cut names nothing
//! counts, until a steward names a cut.

use std::collections::BTreeMap;

use antiphon_core::charter::{Choice, Cut, Revoke};
use antiphon_core::event::{Event, Header, Subject};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::state::Verdict;
use rusqlite::params;

use crate::apply::{beyond, take_in};
use crate::cache::{LogEntry, counted};
use crate::db::Db;
use crate::edits::merges;
use crate::error::Error;
use crate::row::{self, sql};
use crate::{project, query};

impl Db {
    /// Judges every log of every revoked key, and those of keys that no longer are: a removal may turn out to be void
    /// when what its author had seen arrives.
    pub(crate) fn judge_revoked(&mut self) -> Result<(), Error> {
        let Some(members) = &self.cache.membership else { return Ok(()) };
        let revoked = members.revoked();
        let due = |entry: &LogEntry| revoked.contains(&entry.node) || matches!(entry.verdict, Verdict::Cut(_));
        let logs: Vec<LogId> = self.cache.logs.iter().filter(|(_, entry)| due(entry)).map(|(log, _)| *log).collect();
        logs.into_iter().try_for_each(|log| self.judge(log))
    }

    /// Computes the verdict of a log and makes it so.
    pub(crate) fn judge(&mut self, log: LogId) -> Result<(), Error> {
        let entry = self.entry(log)?.clone();
        let mut query = self.conn.prepare_cached("SELECT min(seq) FROM forks WHERE log = ?1")?;
        let fork: Option<i64> = query.query_row([entry.id], |row| row.get(0))?;
        drop(query);
        let fork = fork.map(i64::cast_unsigned);
        let verdict = match (fork, self.cut(log, &entry)?) {
            (Some(fork), Some(cut)) if cut < fork.saturating_sub(1) => Verdict::Cut(cut),
            (Some(fork), _) => Verdict::Forked(fork),
            (None, Some(cut)) => Verdict::Cut(cut),
            (None, None) => Verdict::Good,
        };
        if verdict == entry.verdict { Ok(()) } else { self.set_verdict(log, &entry, verdict) }
    }

    /// The last sequence number that counts of a revoked key's log; charter logs are judged by their records' clocks.
    fn cut(&self, log: LogId, entry: &LogEntry) -> Result<Option<u64>, Error> {
        let Some(members) = &self.cache.membership else { return Ok(None) };
        let Some(removal) = members.removal(&entry.node).filter(|_| log.stream != Stream::Charter) else {
            return Ok(None);
        };
        let place = |head: &Head| -> Result<u64, Error> {
            if head.seq == 0 || head.seq > entry.head.seq {
                return Ok(head.seq);
            }
            // A cut on another branch than the one that is held: what both have in common is what lies before the
            // fork, which is not known before that branch has come.
            let held = query::logs::header_hash_at(&self.conn, log, head.seq)?;
            Ok(if held == Some(head.hash) { head.seq } else { self.before_fork(entry.id)? })
        };
        let places = |heads: &[Head]| heads.iter().map(place).collect::<Result<Vec<u64>, Error>>();
        Ok(Some(match removal.cuts(&log) {
            Choice::Unnamed => 0,
            Choice::Lowest(heads) => places(&heads)?.into_iter().min().unwrap_or(0),
            Choice::Highest(heads) => places(&heads)?.into_iter().max().unwrap_or(0),
        }))
    }

    /// The last sequence number before the branches of a log part, as far as evidence is held.
    fn before_fork(&self, log: i64) -> Result<u64, Error> {
        let mut query = self.conn.prepare_cached("SELECT min(seq) FROM forks WHERE log = ?1")?;
        let fork: Option<i64> = query.query_row([log], |row| row.get(0))?;
        Ok(fork.map_or(0, |fork| fork.cast_unsigned().saturating_sub(1)))
    }

    /// A revocation with a cut for every log of the key that is held and not named yet.
    pub(crate) fn with_cuts(&self, revoke: &Revoke) -> Revoke {
        let mut revoke = revoke.clone();
        let named: Vec<LogId> = revoke.cuts.iter().map(|cut| cut.log).collect();
        let held =
            self.cache.logs.iter().filter(|(log, entry)| {
                log.stream == Stream::Shared && entry.node == revoke.node && !named.contains(log)
            });
        revoke.cuts.extend(held.map(|(log, entry)| Cut { log: *log, head: entry.head }));
        revoke
    }

    fn set_verdict(&mut self, log: LogId, entry: &LogEntry, verdict: Verdict) -> Result<(), Error> {
        let (before, after) = (entry.counted(), counted(entry.head.seq, verdict));
        if let Some(entry) = self.cache.logs.get_mut(&log) {
            entry.verdict = verdict;
        }
        self.cache.dirty.insert(log);
        if log.stream == Stream::Charter {
            return Ok(());
        }
        let changed = LogEntry { verdict, ..entry.clone() };
        if after < before { self.withdraw(&changed, after) } else { self.put_back(&changed, before, after) }
    }

    /// Takes every event after `last` out of the projection.
    pub(crate) fn withdraw(&self, entry: &LogEntry, last: u64) -> Result<(), Error> {
        let mut edits: BTreeMap<(Stream, Subject), Vec<i64>> = BTreeMap::new();
        let mut query = self.conn.prepare_cached("SELECT pos, header FROM events WHERE log = ?1 AND seq > ?2")?;
        let mut rows = query.query(params![entry.id, sql(last)])?;
        while let Some(found) = rows.next()? {
            let pos = found.get(0)?;
            let header = Header::decode(&found.get::<_, Vec<u8>>(1)?)?;
            if let Some(cause) = beyond(entry.verdict, header.seq) {
                project::quarantine(&self.conn, pos, cause)?;
            }
            if merges(&header.subject) {
                edits.entry((header.stream, header.subject)).or_default().push(pos);
            }
        }
        edits.iter().try_for_each(|((stream, subject), gone)| project::withdraw(&self.conn, subject, *stream, gone))
    }

    /// Projects the events after `before` up to `after` again.
    fn put_back(&self, entry: &LogEntry, before: u64, after: u64) -> Result<(), Error> {
        let mut law = self.law()?;
        let mut query = self.conn.prepare_cached(
            "SELECT pos, header, payload, signature FROM events WHERE log = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq",
        )?;
        let mut rows = query.query(params![entry.id, sql(before), sql(after)])?;
        while let Some(found) = rows.next()? {
            let (pos, event): (i64, Event) = (found.get(0)?, row::event(found, 1)?);
            self.conn.prepare_cached("DELETE FROM quarantine WHERE pos = ?1")?.execute([pos])?;
            let _done = take_in(&self.conn, &mut law, entry, pos, &event)?;
            if let Some(fact) = event.header().subject.fact() {
                project::touch(&self.conn, fact)?;
            }
        }
        Ok(())
    }
}
