//! The audit trail in the database; see [`antiphon_core::trail`] for what it proves.
//!
//! Questions are answered by going through the lines, whatever is asked for. A table beside them would find a few among
//! many sooner, but it would not be part of what the hashes prove: whoever took a line out of it would have hidden it from
//! everybody who asks, and from nobody who checks.

use antiphon_core::ids::Hash;
use antiphon_core::trail::{self, Act, Operation};
use rusqlite::{Connection, OptionalExtension, params};

use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row;

/// Most lines that one question is answered with.
pub const TRAIL_LINES_MAX: usize = 10_000;

/// A line of the trail at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailLine {
    /// Its number, from 1.
    pub number: u64,
    /// What it says.
    pub act: Act,
    /// Its hash, which speaks for all lines before it.
    pub hash: Hash,
}

/// Which lines are asked for. What is `None` is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrailFilter {
    /// About this document, as its address is written.
    pub address: Option<String>,
    /// Of this kind.
    pub operation: Option<Operation>,
    /// Only what did not succeed.
    pub failed: bool,
    /// With smaller numbers than this.
    pub before: Option<u64>,
    /// At most so many, and never more than [`TRAIL_LINES_MAX`].
    pub limit: usize,
}

impl TrailFilter {
    fn takes(&self, act: &Act) -> bool {
        self.address.as_ref().is_none_or(|address| *address == act.address)
            && self.operation.is_none_or(|operation| operation == act.operation)
            && (!self.failed || act.error.is_some())
    }
}

/// What checking the trail came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailVerdict {
    /// Lines that follow from each other.
    pub lines: u64,
    /// The hash of the last of them.
    pub head: Option<Hash>,
    /// The first line that does not follow, and why.
    pub broken: Option<(u64, &'static str)>,
    /// Where a hash that was noted earlier stands; `None` when none was given or it is not there.
    pub noted: Option<u64>,
}

impl Db {
    /// Writes lines, one after the other.
    ///
    /// # Errors
    /// When the database fails; then none is written.
    pub fn trail(&mut self, acts: &[Act]) -> Result<(), Error> {
        self.transaction(|db| {
            let (mut n, mut hash) = last(&db.conn)?;
            let mut insert = db.conn.prepare_cached("INSERT INTO trail (n, line, hash) VALUES (?1, ?2, ?3)")?;
            for act in acts {
                let line = act.encode();
                (n, hash) = (n + 1, trail::link(&hash, &line));
                insert.execute(params![n, line, hash.0])?;
            }
            Ok(())
        })
    }
}

/// Number and hash of the last line.
fn last(conn: &Connection) -> Result<(i64, Hash), Error> {
    let mut query = conn.prepare_cached("SELECT n, hash FROM trail ORDER BY n DESC LIMIT 1")?;
    let last = query.query_row([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))).optional()?;
    match last {
        None => Ok((0, trail::BEGINNING)),
        Some((n, hash)) => Ok((n, Hash::from_slice(&hash).map_err(|error| Error::damaged(error.to_string()))?)),
    }
}

impl Reader<'_> {
    /// Lines of the trail, the newest first. A line that cannot be read ends the answer with an error.
    ///
    /// # Errors
    /// When a line is damaged or the database fails.
    pub fn trail(&self, filter: &TrailFilter) -> Result<Vec<TrailLine>, Error> {
        let before = filter.before.map_or(i64::MAX, row::sql);
        let mut query =
            self.connection().prepare_cached("SELECT n, line, hash FROM trail WHERE n < ?1 ORDER BY n DESC")?;
        let mut rows = query.query([before])?;
        let (mut lines, limit) = (Vec::new(), filter.limit.min(TRAIL_LINES_MAX));
        while lines.len() < limit
            && let Some(found) = rows.next()?
        {
            let (number, bytes): (u64, Vec<u8>) = (row::uint(found, 0)?, found.get(1)?);
            let act = Act::decode(&bytes).map_err(|error| Error::damaged(format!("trail line {number}: {error}")))?;
            if filter.takes(&act) {
                lines.push(TrailLine { number, act, hash: row::hash(found, 2)? });
            }
        }
        Ok(lines)
    }

    /// Computes every hash of the trail anew, and looks for one that was noted earlier.
    ///
    /// # Errors
    /// When the database fails. A trail that was changed is an answer, not an error.
    pub fn verify_trail(&self, noted: Option<&Hash>) -> Result<TrailVerdict, Error> {
        verify(self.connection(), noted)
    }
}

/// See [`Reader::verify_trail`].
pub(crate) fn verify(conn: &Connection, noted: Option<&Hash>) -> Result<TrailVerdict, Error> {
    let mut query = conn.prepare_cached("SELECT n, line, hash FROM trail ORDER BY n")?;
    let mut rows = query.query([])?;
    let (mut verdict, mut hash) = (TrailVerdict { lines: 0, head: None, broken: None, noted: None }, trail::BEGINNING);
    while let Some(found) = rows.next()? {
        let (number, line, held): (u64, Vec<u8>, Vec<u8>) = (row::uint(found, 0)?, found.get(1)?, found.get(2)?);
        hash = trail::link(&hash, &line);
        let why = match () {
            () if number != verdict.lines + 1 => Some("a line before it is missing"),
            () if Act::decode(&line).is_err() => Some("it cannot be read"),
            () if held != hash.0 => Some("it, or a line before it, was changed"),
            () => None,
        };
        if let Some(why) = why {
            verdict.broken = Some((number, why));
            break;
        }
        verdict.lines = number;
        verdict.head = Some(hash);
        if noted == Some(&hash) {
            verdict.noted = Some(number);
        }
    }
    Ok(verdict)
}
