//! Why a stored event is not, or not fully, applied.
//!
//! An event with which something is wrong is never thrown away: its bytes are held and handed on, its place in the log
//! is kept, and the next one is looked at. What is wrong is noted beside it under a stable name, the same that health
//! records carry, so that a person can ask for it and a later version, a grant or a payload can put it right.

use antiphon_core::event::{Flaw, Subject};
use antiphon_core::ids::EventId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::row;

/// Why a stored event is not, or not fully, applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Its action is known to a newer version.
    UnknownAction,
    /// Its subject is of a kind that a newer version knows.
    UnknownType,
    /// A part of its header cannot be read, its action does not fit its subject or stream, or its version does not
    /// count itself.
    Malformed,
    /// Its payload cannot be read; its header counts.
    MalformedPayload,
    /// Its author signed two branches, and it stands where they differ.
    Forked,
    /// Its author was revoked, and it stands beyond the cut.
    BeyondCut,
    /// The id of its subject is none of the subject's kind.
    InvalidTraceId,
    /// A counter of its version is beyond its limit.
    ClockOverflow,
    /// Its payload is longer than may be and is not held; its header counts.
    TooLarge,
    /// Its author may not do this.
    NotAllowed,
    /// It comes from the future. It is applied, and marked; it is never in the quarantine.
    ClockSkew,
    /// It came without its payload. Its header counts; it is never in the quarantine.
    MissingPayload,
    /// Its author never held the role in which it stored a document, or nobody may store in it. Its header counts.
    Unauthorised,
}

impl Cause {
    /// Every cause; its position is its number in the database.
    pub const ALL: [Self; 13] = [
        Self::UnknownAction,
        Self::UnknownType,
        Self::Malformed,
        Self::MalformedPayload,
        Self::Forked,
        Self::BeyondCut,
        Self::InvalidTraceId,
        Self::ClockOverflow,
        Self::TooLarge,
        Self::NotAllowed,
        Self::ClockSkew,
        Self::MissingPayload,
        Self::Unauthorised,
    ];

    /// Its stable name, which is that of the reason in health records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownAction => "unknown_action",
            Self::UnknownType => "unknown_type",
            Self::Malformed | Self::MalformedPayload => "invalid_frontmatter",
            Self::Forked => "equivocation",
            Self::BeyondCut => "revoked",
            Self::InvalidTraceId => "invalid_trace_id",
            Self::ClockOverflow => "clock_overflow",
            Self::TooLarge => "too_large",
            Self::NotAllowed | Self::Unauthorised => "auth",
            Self::ClockSkew => "clock_skew",
            Self::MissingPayload => "missing_payload",
        }
    }

    /// Whether a newer version may apply the event.
    pub const fn is_schema_widening(self) -> bool {
        matches!(
            self,
            Self::UnknownAction | Self::UnknownType | Self::Malformed | Self::MalformedPayload | Self::InvalidTraceId
        )
    }

    /// What follows from a flaw of a header.
    pub const fn of_flaw(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Content => Self::Malformed,
            Flaw::SubjectId => Self::InvalidTraceId,
            Flaw::Counter => Self::ClockOverflow,
            Flaw::PayloadTooLarge => Self::TooLarge,
        }
    }

    /// Of several troubles in one run, the one with the highest weight is told.
    const fn weight(self) -> u8 {
        match self {
            Self::MissingPayload => 0,
            Self::ClockSkew => 1,
            _ => 2,
        }
    }
}

/// An event of a run with which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The event.
    pub event: EventId,
    /// What it is about.
    pub subject: Subject,
    /// What is wrong.
    pub cause: Cause,
}

impl Trouble {
    /// Keeps the graver of two, and of two equals the later.
    pub(crate) fn note(self, kept: &mut Option<Self>) {
        if kept.as_ref().is_none_or(|kept| kept.cause.weight() <= self.cause.weight()) {
            *kept = Some(self);
        }
    }
}

/// An event from the future: applied, and marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skewed {
    /// The log it stands in.
    pub log: antiphon_core::log::LogId,
    /// Its place there.
    pub seq: u64,
    /// The event.
    pub event: EventId,
    /// What it is about.
    pub subject: Subject,
    /// How far it was ahead when it came, in milliseconds.
    pub ahead_ms: u64,
}

/// The cause that is noted of an event.
pub(crate) fn noted(conn: &Connection, pos: i64) -> Result<Option<Cause>, Error> {
    let mut query = conn.prepare_cached("SELECT reason FROM quarantine WHERE pos = ?1")?;
    let number = query.query_row([pos], |found| found.get::<_, u8>(0)).optional()?;
    let cause = |number: u8| Cause::ALL.get(usize::from(number)).copied();
    number.map(|number| cause(number).ok_or_else(|| Error::damaged(format!("cause {number}")))).transpose()
}

/// Marks an event as one from the future. The mark is not derived from the log: it says when the event came.
pub(crate) fn mark_skewed(conn: &Connection, pos: i64, ahead_ms: u64) -> Result<(), Error> {
    let mut insert = conn.prepare_cached("INSERT OR REPLACE INTO skewed (pos, ahead_ms) VALUES (?1, ?2)")?;
    insert.execute(params![pos, row::sql(ahead_ms)])?;
    Ok(())
}

/// See [`crate::Reader::skewed`].
pub(crate) fn skewed(conn: &Connection, limit: usize) -> Result<Vec<Skewed>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, v.seq, v.header, s.ahead_ms FROM skewed s JOIN events v ON v.pos = s.pos
         JOIN logs l ON l.id = v.log ORDER BY s.pos LIMIT ?1",
    )?;
    let mut rows = query.query([row::sql_len(limit)])?;
    let mut list = Vec::new();
    while let Some(found) = rows.next()? {
        let header = antiphon_core::event::Header::decode(&found.get::<_, Vec<u8>>(3)?)?;
        let (log, seq, ahead_ms) = (row::log(found, 0, 1)?, row::uint(found, 2)?, row::uint(found, 4)?);
        list.push(Skewed { log, seq, event: header.id, subject: header.subject, ahead_ms });
    }
    Ok(list)
}
