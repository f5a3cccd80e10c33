//! Handing a log out, page by page.
//!
//! A page holds consecutive events and ends at one with a signature, so that whoever gets it can believe all of it.
//! Signatures in between cost the wire 64 incompressible bytes each and prove nothing more, so most are left out; so
//! many stay that whoever holds the log from us can end a page of its own within the usual bounds.
//!
//! What a peer may not read goes without its payload: its header keeps the chain whole. Whoever wrote a text may have it
//! back though it was made private since: who asks for its own has lost it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use antiphon_core::event::{Action, Event, Header, Subject};
use antiphon_core::fact::Field;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::sign::Signature;
use rusqlite::{Connection, OptionalExtension, params};

use crate::edits;
use crate::error::Error;
use crate::modes::Domains;
use crate::peers;
use crate::project::flag;
use crate::query::logs;
use crate::row;

/// Most events that are read for one page, whatever was asked: a signature is always found earlier in own logs.
const EVENTS_READ_MAX: usize = 1_024;
/// A signature is kept when this many events came since the last one that was.
const EVENTS_PER_KEPT_SIGNATURE: usize = 128;
/// A signature is kept when this many bytes came since the last one that was.
const BYTES_PER_KEPT_SIGNATURE: u64 = 128 * 1024;

struct Raw {
    header: Vec<u8>,
    payload: Option<Vec<u8>>,
    signature: Option<[u8; 64]>,
}

/// Consecutive events of `log` after sequence number `after`, the last of them signed: at most `max_events` and
/// `max_bytes`, unless the first signature comes later. Empty for a local log and when there is nothing to send.
pub(crate) fn page(
    conn: &Connection,
    log: LogId,
    after: u64,
    max_events: usize,
    max_bytes: usize,
    for_peer: Option<&NodeId>,
) -> Result<Vec<Event>, Error> {
    if log.stream == Stream::Local {
        return Ok(Vec::new());
    }
    let policy = Policy::of(conn, log, for_peer)?;
    let mut query = conn.prepare_cached(
        "SELECT v.header, v.payload, v.signature, v.pos FROM events v JOIN logs l ON l.id = v.log
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq > ?3 ORDER BY v.seq LIMIT ?4",
    )?;
    let limit = row::sql_len(EVENTS_READ_MAX);
    let mut rows = query.query(params![log.stream.number(), log.store.0, row::sql(after), limit])?;
    let (mut page, mut signed, mut bytes) = (Vec::new(), 0, 0);
    while let Some(found) = rows.next()? {
        let (header, signature): (Vec<u8>, Option<[u8; 64]>) = (found.get(0)?, found.get(2)?);
        let payload = if policy.allows(conn, &header, found.get(3)?)? { found.get(1)? } else { None::<Vec<u8>> };
        bytes += header.len() + payload.as_ref().map_or(0, Vec::len);
        if signed > 0 && (page.len() >= max_events || bytes > max_bytes) {
            break;
        }
        let ends_here = signature.is_some();
        page.push(Raw { header, payload, signature });
        signed = if ends_here { page.len() } else { signed };
    }
    page.truncate(signed);
    thin_signatures(log, page)
}

/// Turns rows into events, leaving out most signatures but the last.
fn thin_signatures(log: LogId, page: Vec<Raw>) -> Result<Vec<Event>, Error> {
    let last = page.len().saturating_sub(1);
    let (mut events, mut bytes) = (0, 0);
    let mut out = Vec::with_capacity(page.len());
    for (index, raw) in page.into_iter().enumerate() {
        let event = Event::from_log(raw.header, raw.payload, raw.signature.map(Signature))?;
        events += 1;
        bytes += event.header_bytes().len() as u64 + event.header().payload_len;
        let due = events >= EVENTS_PER_KEPT_SIGNATURE || bytes >= BYTES_PER_KEPT_SIGNATURE;
        if event.signature().is_none() || log.stream == Stream::Charter || index == last || due {
            (events, bytes) = if event.signature().is_some() { (0, 0) } else { (events, bytes) };
            out.push(event);
        } else {
            out.push(Event::from_log(event.header_bytes().to_vec(), event.payload().map(<[u8]>::to_vec), None)?);
        }
    }
    Ok(out)
}

/// What a peer may read of a log.
pub(crate) struct Policy {
    /// Whether there is anything that it may not read since it is private.
    withheld: bool,
    /// Where not every domain is shared.
    domains: Option<Domains>,
    /// The facts that were asked about, and what came out: a page may be of one fact alone, with a long history.
    asked: RefCell<BTreeMap<FactId, bool>>,
}

impl Policy {
    pub(crate) fn of(conn: &Connection, log: LogId, peer: Option<&NodeId>) -> Result<Self, Error> {
        let mut any = conn.prepare_cached("SELECT 1 FROM facts WHERE flags & 32 LIMIT 1")?;
        let is_author = peer.is_some() && logs::author(conn, log)? == peer.copied();
        let withheld = !is_author && any.query_row([], |_| Ok(())).optional()?.is_some();
        let peer = peer.map(|node| peers::get(conn, node)).transpose()?.flatten();
        let domains = peer.map(|peer| Domains::of(&peer)).filter(|domains| !domains.is_all());
        Ok(Self { withheld, domains, asked: RefCell::default() })
    }

    /// Whether the peer may have the payload of the event with this header at `pos`.
    pub(crate) fn allows(&self, conn: &Connection, header: &[u8], pos: i64) -> Result<bool, Error> {
        if !self.withheld && self.domains.is_none() {
            return Ok(true);
        }
        self.allows_event(conn, &Header::decode(header)?, |header| edits::counts(conn, header, pos))
    }

    /// Whether the peer may have the payload of an event that does not count.
    pub(crate) fn allows_uncounted(&self, conn: &Connection, header: &Header) -> Result<bool, Error> {
        self.allows_event(conn, header, |_| Ok(false))
    }

    fn allows_event(
        &self,
        conn: &Connection,
        header: &Header,
        counts: impl FnOnce(&Header) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        if header.action == Action::Open || header.stream == Stream::Charter {
            return Ok(true);
        }
        let Some(fact) = header.subject.fact() else { return Ok(true) };
        // What does not count is not projected, so nobody knows its domain: it does without the text until it counts.
        if self.domains.is_some() && !counts(header)? {
            return Ok(false);
        }
        let asked = self.asked.borrow().get(&fact).copied();
        match asked {
            Some(allowed) => Ok(allowed),
            None => {
                let allowed = self.allows_fact(conn, fact)?;
                self.asked.borrow_mut().insert(fact, allowed);
                Ok(allowed)
            }
        }
    }

    fn allows_fact(&self, conn: &Connection, fact: FactId) -> Result<bool, Error> {
        let mut query = conn.prepare_cached("SELECT flags, domain FROM facts WHERE id = ?1")?;
        let found: Option<(i64, Option<String>)> =
            query.query_row([fact.0.as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((flags, domain)) = found else { return Ok(true) };
        if self.withheld && flags & flag::WITHHELD != 0 {
            return Ok(false);
        }
        match (&self.domains, domain) {
            (None, _) => Ok(true),
            (Some(domains), Some(domain)) => Ok(domains.allow(Some(&domain))),
            // A fact that was forgotten shows no domain any more. Its texts are still of the one that they were of.
            (Some(domains), None) => {
                let edits = edits::all(conn, &Subject::Fact(fact), Stream::Shared)?;
                let set = edits.iter().filter_map(|stored| stored.value(Field::Domain)??.as_text());
                let set: Vec<&str> = set.collect();
                Ok(if set.is_empty() { domains.allow(None) } else { set.iter().all(|one| domains.allow(Some(one))) })
            }
        }
    }
}
