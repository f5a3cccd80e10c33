//! Checking the whole database against what it must be.
//!
//! Chains, signatures and payload hashes prove that the log is what its authors signed; the projection is compared
//! with the log by counting and by merging the edits of every fact and incident again; SQLite checks its own pages.

use antiphon_core::event::{Event, Subject, signed_message};
use antiphon_core::ids::TeamId;
use antiphon_core::log::{Head, Stream};
use antiphon_core::sign;
use antiphon_core::state::Verdict;
use rusqlite::Connection;

use crate::PROBLEMS_MAX;
use crate::error::Error;
use crate::row;
use crate::view::{LogView, Report};
use crate::{cache, charter, edits, project, query};

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

/// See [`crate::Reader::verify`].
pub(crate) fn verify(conn: &Connection) -> Result<Report, Error> {
    let mut report = Report::default();
    crate::outbox::check_tallies(conn)?.into_iter().for_each(|problem| report.add(problem));
    crate::messages::check_tallies(conn)?.into_iter().for_each(|problem| report.add(problem));
    if let Some((line, why)) = crate::trail::verify(conn, None)?.broken {
        report.add(format!("line {line} of the audit trail does not follow from those before it: {why}"));
    }
    let Some(own) = cache::own(conn)? else { return Ok(report) };
    check_pages(conn, &mut report)?;
    if !charter::genome_is_intact(conn)? {
        report.add(format!("the genes do not hash to team {}", own.team));
    }
    for id in charter::tampered(conn)? {
        report.add(format!("gene {id} is not what it was when the team was founded"));
    }
    for view in query::logs::list(conn)? {
        report.logs += 1;
        if matches!(view.verdict, Verdict::Forked(_)) {
            report.forked.push(view.clone());
        }
        check_log(conn, &own.team, &view, &mut report)?;
    }
    check_projection(conn, &mut report)?;
    check_frontiers(conn, &mut report)?;
    check_rows(conn, &mut report)?;
    Ok(report)
}

fn check_pages(conn: &Connection, report: &mut Report) -> Result<(), Error> {
    let mut query = conn.prepare("PRAGMA quick_check(20)")?;
    let lines = query.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    lines.into_iter().filter(|line| line != "ok").for_each(|line| report.add(format!("SQLite: {line}")));
    Ok(())
}

fn check_log(conn: &Connection, team: &TeamId, view: &LogView, report: &mut Report) -> Result<(), Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header, v.payload, v.signature FROM logs l JOIN events v ON v.log = l.id
         WHERE l.stream = ?1 AND l.store = ?2 ORDER BY v.seq",
    )?;
    let mut rows = query.query(rusqlite::params![view.log.stream.number(), view.log.store.0])?;
    let (mut head, mut signed) = (Head::EMPTY, 0);
    while let Some(found) = rows.next()? {
        report.events += 1;
        let place = format!("event {} of {}", head.seq + 1, view.log);
        let event: Event = match row::event(found, 0) {
            Ok(event) => event,
            Err(error) => {
                report.add(format!("{place}: {error}"));
                return Ok(());
            }
        };
        if event.log() != view.log || event.header().team != *team {
            report.add(format!("{place}: it belongs to another log or team"));
        }
        if event.header().seq != head.seq + 1 || event.header().prev != head.hash {
            report.add(format!("{place}: it does not follow the event before it"));
        }
        if let Some(signature) = event.signature() {
            signed = event.header().seq;
            if !sign::verify(&view.node, &signed_message(team, event.header_bytes()), signature) {
                report.add(format!("{place}: its signature is not valid"));
            }
        }
        head = event.head();
    }
    if head != view.head {
        report.add(format!("{}: the head is noted as {}, and {} events are held", view.log, view.head.seq, head.seq));
    }
    if signed != head.seq {
        report.add(format!("{}: no signature covers the events after {signed}", view.log));
    }
    Ok(())
}

/// Compares the projection with the log, by counts that must be equal.
fn check_projection(conn: &Connection, report: &mut Report) -> Result<(), Error> {
    let count = |sql: &str| -> Result<i64, Error> { Ok(conn.prepare(sql)?.query_row([], |row| row.get(0))?) };
    report.facts = count("SELECT count(*) FROM facts")?.cast_unsigned();
    let zero = [
        (
            "facts without an edit",
            "SELECT count(*) FROM facts f WHERE NOT EXISTS (SELECT 1 FROM edits e WHERE e.kind = 1 AND e.id = f.id)",
        ),
        (
            "edits without a fact",
            "SELECT count(*) FROM edits e WHERE e.kind = 1 AND NOT EXISTS (SELECT 1 FROM facts f WHERE f.id = e.id)",
        ),
        (
            "edits without an event",
            "SELECT count(*) FROM edits e WHERE NOT EXISTS (SELECT 1 FROM events v WHERE v.pos = e.pos)",
        ),
        (
            "facts whose text names no event",
            "SELECT count(*) FROM facts f WHERE NOT EXISTS (SELECT 1 FROM events v WHERE v.pos = f.event AND v.log = f.log)",
        ),
        (
            "edits of documents that the index lacks, or the other way round",
            "SELECT (SELECT count(*) FROM edits e WHERE e.kind = 7 AND e.pos NOT IN (SELECT pos FROM contents))
                 + (SELECT count(*) FROM contents WHERE pos NOT IN (SELECT pos FROM edits WHERE kind = 7))",
        ),
        (
            "documents whose newest version is not the one that is shown",
            "SELECT count(*) FROM contents c WHERE c.latest <> (c.state = 0 AND NOT EXISTS (
                 SELECT 1 FROM contents o WHERE o.id = c.id AND o.state = 0 AND o.rank > c.rank))",
        ),
        (
            "ciphertexts of which it is noted wrongly whether and by whom they are needed",
            "SELECT count(*) FROM blobs b WHERE b.needed <> EXISTS (
                 SELECT 1 FROM contents c WHERE c.root = b.root AND c.state = 0)
             OR b.own <> EXISTS (SELECT 1 FROM contents c JOIN logs l ON l.id = c.log JOIN own_key k ON k.node = l.node
                 WHERE c.root = b.root AND c.state = 0)",
        ),
        (
            "sums of the bytes of own documents that are not what the rows say",
            "SELECT count(*) FROM blob_totals t WHERE t.own <> (SELECT coalesce(sum(b.held), 0) FROM blobs b WHERE b.own = 1)",
        ),
        (
            "quarantined events that are not held",
            "SELECT count(*) FROM quarantine q WHERE NOT EXISTS (SELECT 1 FROM events v WHERE v.pos = q.pos)",
        ),
    ];
    for (what, sql) in zero {
        let found = count(sql)?;
        if found > 0 {
            report.add(format!("{found} {what}"));
        }
    }
    check_every_event_is_accounted_for(conn, report)
}

/// Every event is an opening, a charter record, an edit, or in the quarantine.
fn check_every_event_is_accounted_for(conn: &Connection, report: &mut Report) -> Result<(), Error> {
    let mut query = conn.prepare(
        "SELECT count(*) FROM events v JOIN logs l ON l.id = v.log WHERE l.stream <> ?1 AND v.seq > 1
             AND v.pos NOT IN (SELECT pos FROM edits) AND v.pos NOT IN (SELECT pos FROM quarantine)",
    )?;
    let lost: i64 = query.query_row([Stream::Charter.number()], |row| row.get(0))?;
    if lost > 0 {
        report.add(format!("{lost} events are neither projected nor quarantined"));
    }
    Ok(())
}

/// Every edit must stand for the fields that are left to it when all edits of its subject are merged anew.
fn check_frontiers(conn: &Connection, report: &mut Report) -> Result<(), Error> {
    let mut query = conn.prepare("SELECT DISTINCT kind, id, stream FROM edits ORDER BY kind, id, stream")?;
    let mut rows = query.query([])?;
    while let Some(found) = rows.next()? {
        let (subject, stream) = (row::subject(found, 0, 1)?, row::stream(found, 2)?);
        let edits = edits::all(conn, &subject, stream)?;
        let frontier = edits::merged_anew(&edits);
        let wrong = edits.iter().filter(|stored| frontier.standing_of(&stored.edit.hash) != stored.edit.standing);
        let wrong = wrong.count();
        if wrong > 0 {
            report.add(format!("{}: {wrong} edits do not stand as the log says", name(&subject)));
        }
    }
    Ok(())
}

/// Every fact must say what its edits amount to: a row whose bytes were damaged is as readable as any.
fn check_rows(conn: &Connection, report: &mut Report) -> Result<(), Error> {
    let mut query = conn.prepare("SELECT id FROM facts ORDER BY n")?;
    let mut rows = query.query([])?;
    while let Some(found) = rows.next()? {
        let id = row::fact(found, 0)?;
        if !project::row_is_true(conn, id)? {
            report.add(format!("fact {id} is not shown as the log says"));
        }
    }
    Ok(())
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::Fact(id) => format!("fact {id}"),
        Subject::Incident(id) => format!("incident {id}"),
        Subject::Content(id) => format!("document {id}"),
        other => format!("subject of kind {}", other.parts().0),
    }
}
