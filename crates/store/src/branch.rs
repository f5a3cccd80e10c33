//! The other branch of a log: taking it as evidence, and showing it to others.
//!
//! Where two branches part is a fact about the log, and every member must come to the same one. So evidence counts
//! only if it follows an event that is held: then the first event that differs is where the two part. Anything that
//! begins later proves that there is a fork and not where, and is not kept. Whoever holds both branches can show them
//! to a member that met only one.
//!
//! What a member is shown has the texts that it may read. Nothing behind the parting counts, but the log's author writes
//! it again wherever it hears of it, and between the two may stand members that hold another branch than the one that
//! somebody wrote on.

use antiphon_core::event::{Action, Event};
use antiphon_core::ids::NodeId;
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, params};

use crate::db::Db;
use crate::error::Error;
use crate::page::Policy;
use crate::query::logs;
use crate::row::{self, sql};
use crate::set_aside::Turned;

/// Most bytes of headers and payloads of one branch that is shown as a proof.
const PROOF_BYTES_MAX: usize = 1024 * 1024;

/// What a branch that was shown turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Branching {
    /// The log has two branches, which part after this event; [`Head::EMPTY`] when they share none.
    Parted(Head),
    /// As far as the log is held here, it says the same. Of an own log with branches the rest was taken up.
    Same,
    /// It does not follow anything that is held: an earlier piece of it is needed.
    Detached,
    /// The log is an own one, and is this branch from here on: nobody was ever sent the other one.
    Adopted,
}

impl Db {
    /// Compares verified, consecutive events of another branch of a log with what is held, and keeps them as evidence
    /// from the first event that differs. Nothing of them becomes a part of the log.
    ///
    /// # Errors
    /// [`Error::Gap`] and [`Error::OtherLog`] when they are not consecutive events of this log, and failures of the
    /// database. Then nothing was written.
    pub fn keep_branch(
        &mut self,
        log: LogId,
        node: NodeId,
        events: Vec<Event>,
        now: UnixMillis,
    ) -> Result<Branching, Error> {
        self.transaction(|db| db.keep_branch_inside(log, node, events, now))
    }

    fn keep_branch_inside(
        &mut self,
        log: LogId,
        node: NodeId,
        mut events: Vec<Event>,
        now: UnixMillis,
    ) -> Result<Branching, Error> {
        self.check_run(log, node, &events)?;
        if log.stream == Stream::Charter {
            // Of a charter both branches count, and a record without its text says nothing.
            let whole = events.iter().position(|event| event.payload().is_none()).unwrap_or(events.len());
            events.truncate(whole);
        }
        let Some(first) = events.first().map(Event::header) else { return Ok(Branching::Same) };
        let before = first.seq.saturating_sub(1);
        if self.held_hash(log, before)? != Some(first.prev) {
            return Ok(Branching::Detached);
        }
        for at in 0..events.len() {
            let event = &events[at];
            let Some(held) = self.held_hash(log, event.header().seq)? else {
                self.follow_own_branch(log, &events.split_off(at), now)?;
                break;
            };
            if held != event.hash() {
                let branch = events.split_off(at);
                if !self.is_own_shared(log) {
                    self.keep_evidence(log, branch)?;
                } else if self.meet_own_branch(log, branch, now, &mut self.nothing(log))? == Turned::Silently {
                    return Ok(Branching::Adopted);
                }
                let parted = partings(&self.conn)?.get(&log).copied();
                return parted.map(Branching::Parted).ok_or_else(|| Error::damaged(format!("a fork of {log} is lost")));
            }
        }
        Ok(Branching::Same)
    }

    /// Hash of the held event at `seq`; what comes before the first one counts as held.
    fn held_hash(&self, log: LogId, seq: u64) -> Result<Option<antiphon_core::ids::Hash>, Error> {
        if seq == 0 { Ok(Some(Head::EMPTY.hash)) } else { logs::header_hash_at(&self.conn, log, seq) }
    }
}

/// See [`crate::Reader::partings`].
pub(crate) fn partings(conn: &Connection) -> Result<NodeClock, Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, min(f.seq) FROM forks f JOIN logs l ON l.id = f.log GROUP BY f.log",
    )?;
    let mut rows = query.query([])?;
    let mut partings = NodeClock::new();
    while let Some(found) = rows.next()? {
        let (log, seq) = (row::log(found, 0, 1)?, row::uint(found, 2)?.saturating_sub(1));
        let hash = logs::header_hash_at(conn, log, seq)?;
        partings.insert(log, hash.map_or(Head::EMPTY, |hash| Head { seq, hash }));
    }
    Ok(partings)
}

/// See [`crate::Reader::heads_at`].
pub(crate) fn heads_at(conn: &Connection, log: LogId, seqs: &[u64]) -> Result<Vec<Head>, Error> {
    let mut heads = Vec::with_capacity(seqs.len());
    for seq in seqs {
        heads.extend(logs::header_hash_at(conn, log, *seq)?.map(|hash| Head { seq: *seq, hash }));
    }
    Ok(heads)
}

/// See [`crate::Reader::proof`].
pub(crate) fn proof(conn: &Connection, log: LogId, peer: &NodeId) -> Result<Vec<Vec<Event>>, Error> {
    let Some(parted) = partings(conn)?.get(&log).copied() else { return Ok(Vec::new()) };
    let policy = Policy::of(conn, log, Some(peer))?;
    let mut branches = Vec::new();
    for branch in [held(conn, log, parted.seq + 1)?, other(conn, log, parted.seq + 1)?] {
        let bare = |event: &Event| {
            let needed = log.stream == Stream::Charter || event.header().action == Action::Open;
            if needed { event.clone() } else { event.clone().without_payload() }
        };
        let readable = |event: &Event| {
            let allowed = policy.allows_uncounted(conn, event.header())?;
            Ok::<Event, Error>(if allowed { event.clone() } else { bare(event) })
        };
        let mut shown = fitting(branch.iter().map(readable).collect::<Result<_, _>>()?);
        if shown.is_empty() {
            // The signed headers prove the fork without any text.
            shown = fitting(branch.iter().map(bare).collect());
        }
        branches.extend(Some(shown).filter(|shown| !shown.is_empty()));
    }
    Ok(branches)
}

/// As much of a branch as may be shown at once and ends with a signature.
fn fitting(mut branch: Vec<Event>) -> Vec<Event> {
    let (mut bytes, mut signed) = (0, 0);
    for (index, event) in branch.iter().enumerate() {
        bytes += size(event);
        if bytes > PROOF_BYTES_MAX {
            break;
        }
        signed = if event.signature().is_some() { index + 1 } else { signed };
    }
    branch.truncate(signed);
    branch
}

fn size(event: &Event) -> usize {
    event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len)
}

/// The branch that is held as the log, from `seq` on: about as much as may be shown at once, and at least up to the first
/// signature.
pub(crate) fn held(conn: &Connection, log: LogId, seq: u64) -> Result<Vec<Event>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header, v.payload, v.signature FROM events v JOIN logs l ON l.id = v.log
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq >= ?3 ORDER BY v.seq LIMIT ?4",
    )?;
    let limit = row::sql(crate::FORK_EVENTS_MAX);
    let mut rows = query.query(params![log.stream.number(), log.store.0, sql(seq), limit])?;
    let (mut events, mut bytes, mut signed) = (Vec::new(), 0, false);
    while let Some(found) = rows.next()? {
        let event = row::event(found, 0)?;
        bytes += size(&event);
        signed |= event.signature().is_some();
        events.push(event);
        if signed && bytes > PROOF_BYTES_MAX {
            break;
        }
    }
    Ok(events)
}

/// Another branch, from `seq` on. Several may be kept, so the events are followed link by link.
pub(crate) fn other(conn: &Connection, log: LogId, seq: u64) -> Result<Vec<Event>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header, v.payload, v.signature FROM forks v JOIN logs l ON l.id = v.log
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq >= ?3 ORDER BY v.seq, v.hash",
    )?;
    let mut rows = query.query(params![log.stream.number(), log.store.0, sql(seq)])?;
    let mut kept: Vec<Event> = Vec::new();
    while let Some(found) = rows.next()? {
        kept.push(row::event(found, 0)?);
    }
    // Of an own log the held branch may have been kept as evidence too, before it was taken up.
    let held = logs::header_hash_at(conn, log, seq)?;
    let firsts = kept.iter().filter(|event| event.header().seq == seq && Some(event.hash()) != held);
    let branches = firsts.map(|first| follow(first, &kept));
    // The one of which most can be believed.
    let signed = |branch: &Vec<Event>| branch.iter().rposition(|event| event.signature().is_some());
    Ok(branches.max_by_key(signed).unwrap_or_default())
}

/// The events that follow `first`, itself included.
fn follow(first: &Event, kept: &[Event]) -> Vec<Event> {
    let mut branch = vec![first.clone()];
    while let Some(last) = branch.last() {
        let (seq, hash) = (last.header().seq + 1, last.hash());
        let next = kept.iter().find(|event| event.header().seq == seq && event.header().prev == hash);
        let Some(next) = next.cloned() else { break };
        branch.push(next);
    }
    branch
}
