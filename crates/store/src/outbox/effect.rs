//! What a taken item changes here.
//!
//! An item counts as taken only if what it does was done, and is done only once. So the effect is applied in the same
//! transaction that notes the item's place: a crash leaves both or neither.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;

use crate::db::Db;
use crate::error::Error;

/// What an item changes in this database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing: whoever takes it does the rest outside the database.
    Nothing,
}

/// What became of an effect.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effected {
    /// It is done.
    Done,
    /// It must not be done, and nothing was; with the stable name of the reason.
    Refused(&'static str),
}

impl Effect {
    /// Applies the effect of an item of `from`, inside the transaction that notes it. What it refuses it has not begun.
    pub(crate) fn apply(self, _db: &mut Db, _from: &NodeId, _now: UnixMillis) -> Result<Effected, Error> {
        match self {
            Self::Nothing => Ok(Effected::Done),
        }
    }

    /// Whether applying it can fail, so that it needs a savepoint of its own.
    pub(crate) const fn writes(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}
