//! Reading a row of the outbox, whatever somebody may have made of it.

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Binding, Level, Outgoing, Place, Sealer, Subject};
use antiphon_core::time::UnixMillis;
use rusqlite::Row;

use super::{CAME_BACK, DOES_NOT_OPEN, Waiting, protocol};
use crate::error::Error;
use crate::row;

/// The columns that [`RawRow::read`] reads.
pub(super) const COLUMNS: &str = "id, peer, era, n, protocol, level, schema, subject, state, reason, at, bytes, sealed";

/// A row as it is in the file.
pub(super) struct RawRow {
    pub(super) id: u64,
    pub(super) peer: Vec<u8>,
    pub(super) place: Place,
    pub(super) protocol: i64,
    pub(super) level: i64,
    pub(super) schema: i64,
    pub(super) subject: Vec<u8>,
    pub(super) state: i64,
    pub(super) reason: Option<String>,
    pub(super) at: UnixMillis,
    pub(super) bytes: u64,
    pub(super) sealed: Vec<u8>,
}

impl RawRow {
    pub(super) fn read(found: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row::uint(found, 0)?,
            peer: found.get(1)?,
            place: Place { era: row::uint(found, 2)?, n: row::uint(found, 3)? },
            protocol: found.get(4)?,
            level: found.get(5)?,
            schema: found.get(6)?,
            subject: found.get(7)?,
            state: found.get(8)?,
            reason: found.get(9)?,
            at: UnixMillis(row::uint(found, 10)?),
            bytes: row::uint(found, 11)?,
            sealed: found.get(12)?,
        })
    }

    /// For whom it is, if that can be read.
    pub(super) fn node(&self) -> Option<NodeId> {
        NodeId::from_slice(&self.peer).ok()
    }

    /// How much it matters, if that can be read.
    pub(super) fn level(&self) -> Option<Level> {
        Level::ALL.into_iter().find(|level| i64::from(level.number()) == self.level)
    }

    /// What the row is bound to; `None` when that cannot even be read.
    fn binding(&self) -> Option<Binding> {
        Some(Binding {
            row: self.id,
            peer: self.node()?,
            place: self.place,
            protocol: protocol(self.protocol)?,
            level: self.level()?,
            schema: u16::try_from(self.schema).ok()?,
            subject: Subject(self.subject.as_slice().try_into().ok()?),
        })
    }

    /// Opens the row. `floor` is where the rows for its peer begin.
    pub(super) fn open(&self, sealer: &dyn Sealer, floor: u64) -> Result<Waiting, &'static str> {
        let binding = self.binding().ok_or(DOES_NOT_OPEN)?;
        let body = sealer.open(&binding, &self.sealed).map_err(|_| DOES_NOT_OPEN)?;
        if self.place.n < floor {
            return Err(CAME_BACK);
        }
        let Binding { row: id, peer, place, protocol, level, schema, subject } = binding;
        Ok(Waiting { id, place, level, at: self.at, item: Outgoing { peer, protocol, schema, subject, body } })
    }
}
