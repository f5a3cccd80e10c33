//! Figures that are counted when somebody looks, because nobody else needs them.

use antiphon_core::ids::NodeId;
use rusqlite::params;

use super::OutboxState;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql};

/// Rows that no longer wait by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxStuck {
    /// Those that their peers must not get, or do not want.
    pub refused: u64,
    /// Those that do not open.
    pub broken: u64,
}

impl Reader<'_> {
    /// How many rows go to a peer before the one at place `n`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn outbox_ahead(&self, peer: &NodeId, n: u64) -> Result<u64, Error> {
        let mut query =
            self.connection().prepare_cached("SELECT count(*) FROM outbox WHERE peer = ?1 AND n < ?2 AND state = 0")?;
        let ahead: i64 = query.query_row(params![peer.0, sql(n)], |row| row.get(0))?;
        Ok(ahead.cast_unsigned())
    }

    /// How many rows no longer wait, by why that is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn outbox_stuck(&self) -> Result<OutboxStuck, Error> {
        let mut query =
            self.connection().prepare_cached("SELECT state, count(*) FROM outbox WHERE state <> 0 GROUP BY state")?;
        let mut rows = query.query([])?;
        let mut stuck = OutboxStuck::default();
        while let Some(found) = rows.next()? {
            let count = row::uint(found, 1)?;
            match OutboxState::from_number(found.get(0)?) {
                OutboxState::Refused => stuck.refused += count,
                _ => stuck.broken += count,
            }
        }
        Ok(stuck)
    }
}
