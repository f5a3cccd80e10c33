//! A look at the files that takes seconds, whatever they hold: what a person asks for when something seems wrong.
//!
//! [`crate::Reader::verify`] checks every event and takes minutes on a large database. Here SQLite checks its own pages, the
//! genes are hashed, and of every log the newest events and a window somewhere before them are followed link by link. What
//! is damaged is found by its page or by chance; what nobody looked at is not vouched for.

use std::path::Path;

use antiphon_core::event::{Event, signed_message};
use antiphon_core::ids::TeamId;
use antiphon_core::sign;
use antiphon_core::time::{Hlc, UnixMillis};
use rusqlite::{Connection, params};

use crate::cache::{self, meta_uint};
use crate::error::Error;
use crate::reader::Reader;
use crate::rebuild::EPOCH;
use crate::schema::{self, MAIN_FILE, SEARCH_FILE};
use crate::search::Cursor;
use crate::view::LogView;
use crate::{PROBLEMS_MAX, charter, project, query, row};

/// Events in each window that is followed.
const WINDOW_EVENTS: u64 = 64;
/// Most events that are looked at in all.
const SAMPLE_EVENTS_MAX: u64 = 20_000;
/// Most facts that are held against the log.
const SAMPLE_FACTS_MAX: i64 = 10_000;

/// What a look at the files found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Checkup {
    /// What SQLite says of the pages of the main file.
    pub pages: Vec<String>,
    /// What it says of the search index.
    pub search: Vec<String>,
    /// Genes that are not what was founded.
    pub genes: Vec<String>,
    /// Events that do not hash, follow or verify.
    pub log: Vec<String>,
    /// Events that are held.
    pub events: u64,
    /// Events that were looked at.
    pub sampled: u64,
    /// Facts that the search index has not taken in.
    pub unindexed: u64,
    /// The latest time that was written, by the clock of its author.
    pub newest: Option<UnixMillis>,
}

impl Checkup {
    /// Whether nothing is wrong with what is not made from something else.
    pub fn is_sound(&self) -> bool {
        self.pages.is_empty() && self.genes.is_empty() && self.log.is_empty()
    }
}

impl Reader<'_> {
    /// Looks at the files; `seed` says where in the logs.
    ///
    /// # Errors
    /// When the database fails otherwise than by being damaged.
    pub fn check_up(&self, seed: u64) -> Result<Checkup, Error> {
        let mut found = Checkup::default();
        check_main(self.connection(), seed, &mut found)?;
        check_search(self.connection(), self.search(), &mut found)?;
        Ok(found)
    }

    /// The latest time that was written, by the clock of its author; `None` before anything was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn newest_time(&self) -> Result<Option<UnixMillis>, Error> {
        newest(self.connection())
    }
}

/// The same for a directory whose node does not run. Nothing is changed or made.
///
/// # Errors
/// As [`Reader::check_up`], and [`Error::NewerSchema`] for a file of a newer version.
pub fn check_up(dir: &Path, seed: u64) -> Result<Checkup, Error> {
    let mut found = Checkup::default();
    let main = match schema::open_reader(&dir.join(MAIN_FILE)) {
        Ok(main) => main,
        Err(error) => return damage(Err(error), &mut found.pages).map(|()| found),
    };
    match schema::check_newer(&main, &dir.join(MAIN_FILE)) {
        Err(error) => damage(Err(error), &mut found.pages)?,
        Ok(()) => check_main(&main, seed, &mut found)?,
    }
    let path = dir.join(SEARCH_FILE);
    if !path.exists() {
        let all = main.query_row("SELECT count(*) FROM facts", [], |row| row.get::<_, i64>(0));
        found.unindexed = all.map_or(0, i64::cast_unsigned);
        return Ok(found);
    }
    match schema::open_reader(&path) {
        Ok(search) => check_search(&main, &search, &mut found)?,
        Err(error) => damage(Err(error), &mut found.search)?,
    }
    Ok(found)
}

/// Turns damage into a line, and hands on whatever else went wrong.
fn damage(done: Result<(), Error>, lines: &mut Vec<String>) -> Result<(), Error> {
    match done {
        Err(error) if error.is_damaged() => {
            add(lines, error.to_string());
            Ok(())
        }
        other => other,
    }
}

/// What a check tells, damage that ended it included.
fn told(check: impl FnOnce(&mut Vec<String>) -> Result<(), Error>) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let done = check(&mut lines);
    damage(done, &mut lines)?;
    Ok(lines)
}

fn add(lines: &mut Vec<String>, line: String) {
    if lines.len() < PROBLEMS_MAX {
        lines.push(line);
    }
}

fn check_main(main: &Connection, seed: u64, found: &mut Checkup) -> Result<(), Error> {
    found.pages = told(|lines| quick_check(main, lines))?;
    found.genes = told(|lines| check_genes(main, lines))?;
    found.log = told(|lines| check_logs(main, seed, found, lines))?;
    found.log.extend(told(|lines| check_facts(main, seed, lines))?);
    // Where the file is damaged that was told above.
    found.newest = newest(main).unwrap_or_default();
    Ok(())
}

fn newest(main: &Connection) -> Result<Option<UnixMillis>, Error> {
    Ok(meta_uint(main, "hlc")?.map(|hlc| Hlc(hlc).time()).filter(|at| at.0 > 0))
}

fn quick_check(conn: &Connection, lines: &mut Vec<String>) -> Result<(), Error> {
    let mut query = conn.prepare("PRAGMA quick_check(20)")?;
    let said = query.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    said.into_iter().filter(|line| line != "ok").for_each(|line| add(lines, line));
    Ok(())
}

fn check_genes(main: &Connection, lines: &mut Vec<String>) -> Result<(), Error> {
    if !charter::genome_is_intact(main)? {
        add(lines, "the founding genes do not hash to the team's id".to_owned());
    }
    charter::tampered(main)?.into_iter().for_each(|id| add(lines, format!("gene {id} is not what was founded")));
    Ok(())
}

fn check_logs(main: &Connection, seed: u64, found: &mut Checkup, lines: &mut Vec<String>) -> Result<(), Error> {
    let Some(own) = cache::own(main)? else { return Ok(()) };
    let logs = query::logs::list(main)?;
    found.events = logs.iter().map(|log| log.head.seq).fold(0, u64::saturating_add);
    let mut state = seed | 1;
    for view in &logs {
        let before = view.head.seq.saturating_sub(WINDOW_EVENTS);
        // Any number will do that is not always the same one.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let starts = [before, state.checked_rem(before).unwrap_or(0)];
        for start in starts.into_iter().take(if before == 0 { 1 } else { 2 }) {
            if found.sampled >= SAMPLE_EVENTS_MAX {
                return Ok(());
            }
            found.sampled += follow(main, &own.team, view, start, lines)?;
        }
    }
    Ok(())
}

/// Holds facts against the log, from one that the seed names on.
fn check_facts(main: &Connection, seed: u64, lines: &mut Vec<String>) -> Result<(), Error> {
    if cache::own(main)?.is_none() {
        return Ok(());
    }
    let last: i64 = main.query_row("SELECT coalesce(max(n), 0) FROM facts", [], |row| row.get(0))?;
    let all: i64 = main.query_row("SELECT count(*) FROM facts", [], |row| row.get(0))?;
    let from = if all <= SAMPLE_FACTS_MAX { 0 } else { (seed % last.max(1).cast_unsigned()).cast_signed() };
    let mut query = main.prepare("SELECT id FROM facts WHERE n >= ?1 ORDER BY n LIMIT ?2")?;
    let mut rows = query.query([from, SAMPLE_FACTS_MAX])?;
    while let Some(found) = rows.next()? {
        let id = row::fact(found, 0)?;
        if !project::row_is_true(main, id)? {
            add(lines, format!("fact {id} is not shown as the log says"));
        }
    }
    Ok(())
}

/// Follows a log from the event after `start`, and says how many events that were.
fn follow(main: &Connection, team: &TeamId, view: &LogView, start: u64, lines: &mut Vec<String>) -> Result<u64, Error> {
    let mut query = main.prepare_cached(
        "SELECT v.header, v.payload, v.signature FROM logs l JOIN events v ON v.log = l.id
         WHERE l.stream = ?1 AND l.store = ?2 AND v.seq > ?3 ORDER BY v.seq LIMIT ?4",
    )?;
    let window = params![view.log.stream.number(), view.log.store.0, row::sql(start), row::sql(WINDOW_EVENTS)];
    let mut rows = query.query(window)?;
    let (mut last, mut count): (Option<Event>, u64) = (None, 0);
    while let Some(found) = rows.next()? {
        count += 1;
        let place = format!("event {} of {}", start + count, view.log);
        let event = match row::event(found, 0) {
            Ok(event) => event,
            Err(error) => {
                add(lines, format!("{place}: {error}"));
                return Ok(count);
            }
        };
        let follows = last.as_ref().is_none_or(|last| event.header().prev == last.head().hash);
        if !follows || event.header().seq != start + count || event.header().team != *team {
            add(lines, format!("{place}: it does not follow the event before it"));
        }
        let signed = event
            .signature()
            .is_none_or(|signature| sign::verify(&view.node, &signed_message(team, event.header_bytes()), signature));
        if !signed {
            add(lines, format!("{place}: its signature is not valid"));
        }
        last = Some(event);
    }
    let due = view.head.seq.saturating_sub(start).min(WINDOW_EVENTS);
    if count != due {
        add(lines, format!("{}: {due} events are due after event {start}, and {count} are held", view.log));
    }
    let end = last.filter(|_| start + count == view.head.seq);
    if end.is_some_and(|last| last.head() != view.head) {
        add(lines, format!("{}: the head is not what is noted of it", view.log));
    }
    Ok(count)
}

fn check_search(main: &Connection, search: &Connection, found: &mut Checkup) -> Result<(), Error> {
    found.search = told(|lines| quick_check(search, lines))?;
    // Damage of the main file was told already, and then nobody knows what is due.
    if found.is_sound() {
        let behind = &mut found.unindexed;
        let lines = told(|_| count_behind(main, search).map(|count| *behind = count))?;
        found.search.extend(lines);
    }
    Ok(())
}

fn count_behind(main: &Connection, search: &Connection) -> Result<u64, Error> {
    let cursor = Cursor::read(search)?;
    let followed = cursor.epoch == meta_uint(main, EPOCH)?.unwrap_or(0).cast_signed();
    let (pos, touched) = if followed { (cursor.pos, cursor.touched) } else { (0, 0) };
    let count = "SELECT (SELECT count(*) FROM facts WHERE pos > ?1) + (SELECT count(*) FROM touched WHERE id > ?2)";
    Ok(main.query_row(count, [pos, touched], |row| row.get::<_, i64>(0))?.cast_unsigned())
}
