//! What new events are about, for whoever shows it and wants to look again.

use antiphon_core::event::{Header, Subject};
use antiphon_core::log::Stream;

use crate::error::Error;
use crate::reader::Reader;
use crate::row;

/// Most events that are looked at to tell what they are about; of more, anything may have changed.
pub const SINCE_EVENTS_MAX: usize = 4_096;

/// What the events after a position are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    /// Position of the last event.
    pub pos: u64,
    /// Facts.
    pub facts: bool,
    /// Incidents.
    pub incidents: bool,
    /// Versions of documents.
    pub contents: bool,
    /// Members, roles, genes: whatever stands in the charter.
    pub charter: bool,
}

impl Since {
    /// The same, about everything.
    #[must_use]
    pub const fn everything(self) -> Self {
        Self { pos: self.pos, facts: true, incidents: true, contents: true, charter: true }
    }

    fn add(&mut self, header: &Header) {
        match header.subject {
            _ if header.stream == Stream::Charter => self.charter = true,
            Subject::Fact(_) => self.facts = true,
            Subject::Incident(_) => self.incidents = true,
            Subject::Content(_) => self.contents = true,
            _ => {}
        }
    }
}

impl Reader<'_> {
    /// What the events that came after `pos` are about.
    ///
    /// # Errors
    /// When the database fails.
    pub fn since(&self, pos: u64) -> Result<Since, Error> {
        let sql = "SELECT pos, header FROM events WHERE pos > ?1 ORDER BY pos DESC LIMIT ?2";
        let mut query = self.connection().prepare_cached(sql)?;
        let mut rows = query.query([row::sql(pos), row::sql_len(SINCE_EVENTS_MAX)])?;
        let (mut since, mut count) = (Since { pos, ..Since::default() }, 0_usize);
        while let Some(found) = rows.next()? {
            since.pos = since.pos.max(row::uint(found, 0)?);
            let bytes = found.get_ref(1)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
            since.add(&Header::decode(bytes)?);
            count += 1;
        }
        Ok(if count == SINCE_EVENTS_MAX { since.everything() } else { since })
    }
}
