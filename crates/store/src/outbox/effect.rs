//! What a taken item changes here.
//!
//! An item counts as taken only if what it does was done, and is done only once. So the effect is applied in the same
//! transaction that notes the item's place: a crash leaves both or neither.

use antiphon_core::ids::NodeId;
use antiphon_core::letter::{Letter, ReadNotice};
use antiphon_core::time::UnixMillis;

use crate::db::Db;
use crate::error::Error;
use crate::messages;
use crate::resources::ResourceChange;

/// What an item changes in this database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing: whoever takes it does the rest outside the database.
    Nothing,
    /// A message came.
    Letter(Box<Letter>),
    /// Messages of this node were read.
    Read(ReadNotice),
    /// A catalogue changes as its owner says, or what is said of one of its entries.
    Resource(Box<ResourceChange>),
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
    pub(crate) fn apply(self, db: &mut Db, from: &NodeId, now: UnixMillis) -> Result<Effected, Error> {
        match self {
            Self::Nothing => Ok(Effected::Done),
            Self::Letter(letter) => messages::effect(&db.conn, &letter, now),
            Self::Read(notice) => messages::noticed(&db.conn, &notice, now).map(|()| Effected::Done),
            Self::Resource(change) => {
                let refused = db.change_resource(from, &change, now)?.refused();
                Ok(refused.map_or(Effected::Done, Effected::Refused))
            }
        }
    }

    /// Whether applying it can fail, so that it needs a savepoint of its own.
    pub(crate) const fn writes(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}
