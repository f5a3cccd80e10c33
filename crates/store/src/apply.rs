//! Taking in what others wrote.
//!
//! A run of verified events of one log is one transaction: stored as it came, byte for byte, and projected. Whatever
//! is wrong with one event concerns that event: it is kept, noted in the quarantine with its reason, and the next one
//! is looked at. What is held already is compared and not written again, so a run may overlap; a payload or a
//! signature that was missing is taken from it.
//!
//! A different event where one is held means that the author signed two branches. Both are kept as evidence, and from
//! there on nothing of that log counts.

use antiphon_core::charter::{CHARTER_EVENTS_MAX, CHARTER_EVENTS_RESERVED, Entry, Record};
use antiphon_core::event::{Action, Event};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::{LogId, STORES_PER_KEY_MAX, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::{Observed, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};

use crate::cache::LogEntry;
use crate::cause::{self, Cause, Trouble};
use crate::db::{Db, insert_event};
use crate::erase::{self, Law};
use crate::error::Error;
use crate::row::{self, sql};
use crate::sealed::{self, Text};
use crate::view::{Applied, ForkFound};
use crate::{FORK_EVENTS_MAX, LOGS_MAX, contents, payloads, project};

/// What became of one stored event.
pub(crate) enum Done {
    /// It has no part in facts and incidents: an opening or a charter record.
    Record,
    /// It is an edit of a fact or an incident; whether its payload could not be read.
    Edit {
        /// Whether its payload could not be read.
        malformed: bool,
    },
    /// It waits for an upgrade.
    Deferred,
    /// It does not count.
    Quarantined,
}

impl Db {
    /// Stores and projects verified, consecutive events of one log. `from` is the peer that handed them over.
    ///
    /// # Errors
    /// [`Error::Gap`] and [`Error::OtherBranch`] when they do not continue what is held, the errors of limits, and
    /// failures of the database. Then nothing was written.
    pub fn apply_run(
        &mut self,
        log: LogId,
        node: NodeId,
        events: Vec<Event>,
        from: Option<NodeId>,
        now: UnixMillis,
    ) -> Result<Applied, Error> {
        self.transaction(|db| db.apply_inside(log, node, events, from, now))
    }

    fn apply_inside(
        &mut self,
        log: LogId,
        node: NodeId,
        mut events: Vec<Event>,
        from: Option<NodeId>,
        now: UnixMillis,
    ) -> Result<Applied, Error> {
        self.check_run(log, node, &events)?;
        if log.stream == Stream::Charter {
            // A relay that strips a revocation of its text must not make us believe that we have it.
            // What is too long to be held can never come along, and stops nobody.
            let stripped = |event: &Event| event.payload().is_none() && event.header().payload_fits();
            let whole = events.iter().position(stripped).unwrap_or(events.len());
            events.truncate(whole);
        }
        let Some(first) = events.first() else { return Ok(self.nothing(log)) };
        if !self.cache.logs.contains_key(&log) {
            self.meet_log(log, node, first)?;
        }
        let head = self.entry(log)?.head;
        let got = first.header().seq;
        if got > head.seq + 1 {
            return Err(Error::Gap { log, held: head.seq, got });
        }
        if got == head.seq + 1 && first.header().prev != head.hash {
            return Err(Error::OtherBranch { log, held: head.hash });
        }
        let fresh_from = usize::try_from(head.seq + 1 - got).unwrap_or(usize::MAX).min(events.len());
        let fresh = events.split_off(fresh_from);
        let mut applied = self.nothing(log);
        if let Some(at) = self.compare_held(log, &events, &mut applied)? {
            // Of events that follow nothing held it is not known where they part from it.
            let first = &events[0];
            if at == 0 && first.header().seq > 1 {
                let before = held(&self.conn, self.entry(log)?.id, first.header().seq - 1)?;
                if before.hash != first.header().prev {
                    return Err(Error::OtherBranch { log, held: before.hash });
                }
            }
            events.extend(fresh);
            let branch = events.split_off(at);
            if self.is_own_shared(log) {
                let _silently_or_openly = self.meet_own_branch(log, branch, now, &mut applied)?;
            } else {
                self.keep_fork(log, branch, &mut applied)?;
            }
            return Ok(applied);
        }
        self.take_fresh(log, &fresh, now, &mut applied)?;
        self.credit(from, &applied)?;
        Ok(applied)
    }

    /// The outcome of a run that changed nothing so far.
    pub(crate) fn nothing(&self, log: LogId) -> Applied {
        let head = self.cache.logs.get(&log).map_or(antiphon_core::log::Head::EMPTY, |entry| entry.head);
        Applied {
            stored: 0,
            head,
            duplicates: 0,
            deferred: 0,
            quarantined: 0,
            ahead: 0,
            filled: 0,
            fork: None,
            changed_charter: false,
            facts: 0,
            trouble: None,
        }
    }

    pub(crate) fn entry(&self, log: LogId) -> Result<&LogEntry, Error> {
        self.cache.logs.get(&log).ok_or_else(|| Error::NotFound(format!("log {log}")))
    }

    /// Whether the events are consecutive ones of this log, key and team.
    pub(crate) fn check_run(&self, log: LogId, node: NodeId, events: &[Event]) -> Result<(), Error> {
        let team = self.cache.own()?.team;
        let ours = events.iter().all(|event| event.log() == log && event.header().team == team);
        let key = self.cache.logs.get(&log).is_none_or(|entry| entry.node == node);
        if !ours || !key {
            return Err(Error::OtherLog(log));
        }
        let gap = events.windows(2).find(|pair| pair[0].header().seq.checked_add(1) != Some(pair[1].header().seq));
        match gap {
            Some(pair) => Err(Error::Gap { log, held: pair[0].header().seq, got: pair[1].header().seq }),
            None => Ok(()),
        }
    }

    /// Adds a log that nobody has heard of, if it opens rightly and its key has not opened too many.
    fn meet_log(&mut self, log: LogId, node: NodeId, first: &Event) -> Result<(), Error> {
        let seq = first.header().seq;
        if seq != 1 {
            return Err(Error::Gap { log, held: 0, got: seq });
        }
        let team = self.cache.own()?.team;
        let open = first.opening().filter(|open| {
            open.node == node && antiphon_core::ids::StoreId::derive(&team, &node, &open.nonce) == log.store
        });
        let open = open.ok_or(Error::OtherLog(log))?;
        // Nothing in such a log counts, and the room for charter events is small and everybody's.
        let steward = self.cache.membership.as_ref().is_some_and(|members| members.ever_stewards().contains(&node));
        if log.stream == Stream::Charter && !steward {
            return Err(Error::NotASteward(node));
        }
        let of_stream = |other: &&LogId| other.stream == log.stream;
        if self.cache.logs.keys().filter(of_stream).count() >= LOGS_MAX {
            return Err(Error::TooManyLogs);
        }
        let of_key = self.cache.logs.iter().filter(|(other, entry)| of_stream(other) && entry.node == node).count();
        if of_key >= STORES_PER_KEY_MAX {
            return Err(Error::TooManyStores(node));
        }
        self.add_log(log, node, &open.name)?;
        self.judge(log)
    }

    /// Compares events with those that are held, and takes over what was missing. Returns where they differ.
    fn compare_held(&mut self, log: LogId, events: &[Event], applied: &mut Applied) -> Result<Option<usize>, Error> {
        let id = self.entry(log)?.id;
        for (index, event) in events.iter().enumerate() {
            let held = held(&self.conn, id, event.header().seq)?;
            if held.hash != event.hash() {
                return Ok(Some(index));
            }
            applied.duplicates += 1;
            if let (true, Some(payload)) = (held.lacks_payload, event.payload()) {
                applied.filled +=
                    usize::from(payloads::fill(&self.conn, held.pos, (event.header_bytes(), event.header()), payload)?);
                self.note_again(held.pos, event.header())?;
            }
            if let (true, Some(signature)) = (held.lacks_signature, event.signature()) {
                self.conn
                    .prepare_cached("UPDATE events SET signature = ?2 WHERE pos = ?1")?
                    .execute(params![held.pos, signature.0])?;
            }
        }
        if log.stream == Stream::Charter && applied.filled > 0 {
            applied.changed_charter = true;
            self.charter_changed()?;
        }
        Ok(None)
    }

    /// Keeps the other branch as evidence and stops believing the log from there on.
    fn keep_fork(&mut self, log: LogId, branch: Vec<Event>, applied: &mut Applied) -> Result<(), Error> {
        let Some(seq) = branch.first().map(|event| event.header().seq) else { return Ok(()) };
        applied.fork = Some(ForkFound { log, seq });
        applied.changed_charter |= log.stream == Stream::Charter;
        self.keep_evidence(log, branch)
    }

    /// Keeps events as evidence. The first of them must stand where they and what is held part.
    pub(crate) fn keep_evidence(&mut self, log: LogId, branch: Vec<Event>) -> Result<(), Error> {
        let Some(seq) = branch.first().map(|event| event.header().seq) else { return Ok(()) };
        let id = self.entry(log)?.id;
        let (mut kept, first): (i64, Option<i64>) = {
            let mut kept = self.conn.prepare_cached("SELECT count(*), min(seq) FROM forks WHERE log = ?1")?;
            kept.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        };
        // Evidence of an earlier parting moves the quarantine. What was kept before proves nothing more then; but of a
        // charter every record counts.
        let earlier = first.is_some_and(|first| sql(seq) < first);
        if earlier && log.stream != Stream::Charter {
            self.conn.prepare_cached("DELETE FROM forks WHERE log = ?1")?.execute([id])?;
            kept = 0;
        }
        let room = usize::try_from(FORK_EVENTS_MAX.saturating_sub(kept.cast_unsigned())).unwrap_or(usize::MAX);
        // Nobody else could believe it without the signature that covers it.
        let signed = branch.iter().position(|event| event.signature().is_some()).map_or(0, |last| last + 1);
        let room = if earlier { room.max(signed) } else { room };
        let mut insert = self.conn.prepare_cached(
            "INSERT OR IGNORE INTO forks (log, seq, hash, header, payload, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let law = self.law()?;
        for event in branch.iter().take(room) {
            let bare = law.admit(&self.conn, event)?;
            let event = bare.as_ref().unwrap_or(event);
            let signature = event.signature().map(|signature| signature.0.as_slice());
            let (seq, hash) = (sql(event.header().seq), event.hash().0);
            insert.execute(params![id, seq, hash, event.header_bytes(), event.payload(), signature])?;
        }
        drop(insert);
        self.judge(log)?;
        if self.is_own_shared(log) {
            self.own_log_forked(log)?;
        }
        if log.stream == Stream::Charter { self.charter_changed() } else { Ok(()) }
    }

    pub(crate) fn take_fresh(
        &mut self,
        log: LogId,
        fresh: &[Event],
        now: UnixMillis,
        applied: &mut Applied,
    ) -> Result<(), Error> {
        let Some(last) = fresh.last() else { return Ok(()) };
        if log.stream == Stream::Charter {
            self.check_charter_room(fresh)?;
        }
        let entry = self.entry(log)?.clone();
        let own = self.cache.own()?.store == log.store;
        let mut law = self.law()?;
        for event in fresh {
            let bare = law.admit(&self.conn, event)?;
            let event = bare.as_ref().unwrap_or(event);
            let header = event.header();
            let trouble = |cause| Trouble { event: header.id, subject: header.subject.clone(), cause };
            let pos = self.cache.small.next_pos;
            insert_event(&self.conn, pos, entry.id, event)?;
            self.cache.small.next_pos += 1;
            match self.cache.small.hlc.observe(header.hlc, now) {
                Observed::Moved(hlc) => self.cache.small.hlc = hlc,
                Observed::Ahead { by_ms } => {
                    applied.ahead += 1;
                    cause::mark_skewed(&self.conn, pos, by_ms)?;
                    trouble(Cause::ClockSkew).note(&mut applied.trouble);
                }
            }
            if own {
                self.cache.small.last_event = self.cache.small.last_event.max(Some(header.id));
            }
            match take_in(&self.conn, &mut law, &entry, pos, event)? {
                Done::Record => {}
                Done::Edit { malformed } => {
                    applied.facts += usize::from(header.subject.fact().is_some());
                    applied.quarantined += usize::from(malformed);
                }
                Done::Deferred => applied.deferred += 1,
                Done::Quarantined => applied.quarantined += 1,
            }
            if let Some(cause) = self.wrong(pos, event)? {
                trouble(cause).note(&mut applied.trouble);
            }
        }
        if self.is_own_shared(log) {
            self.own_events_came(&entry, fresh)?;
        }
        applied.stored = fresh.len();
        applied.head = last.head();
        if let Some(entry) = self.cache.logs.get_mut(&log) {
            entry.head = last.head();
        }
        self.cache.dirty.insert(log);
        if log.stream == Stream::Charter {
            self.cache.small.charter_events += fresh.len() as u64;
            applied.changed_charter = true;
            self.charter_changed()?;
        }
        Ok(())
    }

    /// What is wrong with an event that was taken in.
    fn wrong(&self, pos: i64, event: &Event) -> Result<Option<Cause>, Error> {
        let noted = cause::noted(&self.conn, pos)?;
        if noted.is_some() || event.payload().is_some() || erase::is_erased(&self.conn, &event.header().subject)? {
            return Ok(noted);
        }
        Ok(Some(Cause::MissingPayload))
    }

    /// Whether the charter has room; the last part of it is kept for revocations.
    fn check_charter_room(&self, fresh: &[Event]) -> Result<(), Error> {
        let after = self.cache.small.charter_events + fresh.len() as u64;
        let revokes = fresh.iter().all(|event| event.header().action == Action::Revoke);
        let reserved = if revokes { 0 } else { CHARTER_EVENTS_RESERVED };
        let limit = (CHARTER_EVENTS_MAX - reserved) as u64;
        if after > limit { Err(Error::CharterFull(limit)) } else { Ok(()) }
    }

    /// Counts the facts that a peer brought.
    fn credit(&self, from: Option<NodeId>, applied: &Applied) -> Result<(), Error> {
        if let (Some(peer), true) = (from, applied.facts > 0) {
            self.conn
                .prepare_cached("UPDATE peers SET fact_count = fact_count + ?2 WHERE node = ?1")?
                .execute(params![peer.0, row::sql_len(applied.facts)])?;
        }
        Ok(())
    }
}

struct Held {
    pos: i64,
    hash: Hash,
    lacks_payload: bool,
    lacks_signature: bool,
}

fn held(conn: &Connection, log: i64, seq: u64) -> Result<Held, Error> {
    let mut query = conn.prepare_cached(
        "SELECT pos, header, payload IS NULL, signature IS NULL FROM events WHERE log = ?1 AND seq = ?2",
    )?;
    let held = query
        .query_row(params![log, sql(seq)], |row| {
            let hash = Hash::of(row.get_ref(1)?.as_blob()?);
            Ok(Held { pos: row.get(0)?, hash, lacks_payload: row.get(2)?, lacks_signature: row.get(3)? })
        })
        .optional()?;
    held.ok_or_else(|| Error::damaged(format!("event {seq} of a log is missing")))
}

/// Why an event of a log with this verdict does not count, if it does not.
pub(crate) fn beyond(verdict: Verdict, seq: u64) -> Option<Cause> {
    match verdict {
        Verdict::Forked(from) if seq >= from => Some(Cause::Forked),
        Verdict::Cut(last) if seq > last => Some(Cause::BeyondCut),
        _ => None,
    }
}

/// Projects a stored event, or notes why it does not count.
pub(crate) fn take_in(
    conn: &Connection,
    law: &mut Law,
    log: &LogEntry,
    pos: i64,
    event: &Event,
) -> Result<Done, Error> {
    let header = event.header();
    if header.stream == Stream::Charter {
        return take_record(conn, log, pos, event);
    }
    let erased = law.covers(conn, &header.subject)?;
    if erased {
        erase::drop_payload(conn, &header.subject, pos)?;
    }
    if let Some(cause) = beyond(log.verdict, header.seq) {
        project::quarantine(conn, pos, cause)?;
        return Ok(Done::Quarantined);
    }
    if header.action == Action::Open {
        return Ok(Done::Record);
    }
    if let Some(cause) = project::unfit(header) {
        project::quarantine(conn, pos, cause)?;
        return Ok(if cause.is_schema_widening() { Done::Deferred } else { Done::Quarantined });
    }
    if let Some(cause) = law.forbids(&log.node, header) {
        project::quarantine(conn, pos, cause)?;
        return Ok(Done::Quarantined);
    }
    let bytes = event.payload().filter(|_| !erased && header.action != Action::Erase);
    let text = bytes.map(|bytes| sealed::read(conn, event.header_bytes(), header, bytes)).transpose()?;
    let malformed = text == Some(Text::Malformed);
    if malformed {
        project::quarantine(conn, pos, Cause::MalformedPayload)?;
    } else if !header.payload_fits() {
        project::quarantine(conn, pos, Cause::TooLarge)?;
    }
    let entry = contents::entry_of(header, text.as_ref());
    project::edit(conn, pos, log.id, event, text)?;
    if header.action == Action::Erase {
        law.has_erased();
        erase::decide(conn, &header.subject)?;
    }
    let unauthorised = contents::note(conn, law, &log.node, (pos, log.id), event, entry.as_ref())?;
    Ok(Done::Edit { malformed: malformed || unauthorised || !header.payload_fits() })
}

/// A charter event counts by being in the set; only those that cannot be read are noted.
fn take_record(conn: &Connection, log: &LogEntry, pos: i64, event: &Event) -> Result<Done, Error> {
    let cause = match Entry::read(event, log.node).map(|entry| entry.record) {
        Ok(Record::Unknown(_)) => Cause::UnknownAction,
        Ok(_) => return Ok(Done::Record),
        Err(_) => event.header().flaw().map_or(Cause::Malformed, Cause::of_flaw),
    };
    project::quarantine(conn, pos, cause)?;
    Ok(if cause.is_schema_widening() { Done::Deferred } else { Done::Quarantined })
}
