//! How far an erasure has come: who has said that the text is gone.
//!
//! A node signs no receipt while something that was erased may still be in one of its files, so a receipt that covers
//! the erasing event says that the text is gone there.

use antiphon_core::custody::{Holding, Receipt};
use antiphon_core::event::Subject;
use antiphon_core::ids::{EventId, FactId, NodeId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::sign::Signature;
use antiphon_core::time::{Hlc, UnixMillis};
use rusqlite::{Connection, OptionalExtension};

use crate::erase::{erasures, is_erased};
use crate::error::Error;
use crate::project::Stored;
use crate::query::history::author;
use crate::reader::Reader;
use crate::view::Author;

/// A fact that was forgotten for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The fact.
    pub fact: FactId,
    /// The first event held that erases it.
    pub event: EventId,
    /// The log it stands in.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// Who erased it.
    pub author: Author,
    /// When, by that author's clock.
    pub hlc: Hlc,
    /// Whether something of it may still be in a file of this node.
    pub purging: bool,
    /// The other members, in the order of their keys, and whether it is gone there; empty when the fact never left
    /// this node.
    pub members: Vec<ErasureAt>,
}

/// How an erasure stands at another member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureAt {
    /// The member.
    pub node: NodeId,
    /// Its name for people.
    pub name: String,
    /// When it signed, by its clock, that it is gone there; `None` while it has not.
    pub erased_at: Option<UnixMillis>,
    /// The stable name of why it could not erase it, if it said so.
    pub stuck: Option<String>,
}

impl Reader<'_> {
    /// How far the erasure of a fact has come, if it was erased.
    ///
    /// # Errors
    /// When the database fails.
    pub fn erasure(&self, fact: FactId) -> Result<Option<Erasure>, Error> {
        let (conn, subject) = (self.connection(), Subject::Fact(fact));
        if !is_erased(conn, &subject)? {
            return Ok(None);
        }
        let erasures = erasures(conn, &subject)?;
        let first = erasures.iter().min_by_key(|stored| stored.pos);
        let first = first.ok_or_else(|| Error::damaged(format!("fact {fact} is erased by no event")))?;
        let shared: Vec<&Stored> = erasures.iter().filter(|stored| stored.header.stream == Stream::Shared).collect();
        let members = if shared.is_empty() { Vec::new() } else { self.erased_at(&shared)? };
        Ok(Some(Erasure {
            fact,
            event: first.header.id,
            log: LogId::new(first.header.store, first.header.stream),
            seq: first.header.seq,
            author: author(conn, first.log)?,
            hlc: first.header.hlc,
            purging: is_purging(conn, &fact)?,
            members,
        }))
    }

    /// What each other member has signed about any of these erasures.
    fn erased_at(&self, erasures: &[&Stored]) -> Result<Vec<ErasureAt>, Error> {
        let own = self.own()?.ok_or(Error::NoTeam)?;
        let membership = self.membership()?;
        let mut all = Vec::new();
        for (node, member) in membership.members().filter(|(node, _)| **node != own.node) {
            let mut at = ErasureAt { node: *node, name: member.grant.name.clone(), erased_at: None, stuck: None };
            if let Some(custody) = receipt(self.connection(), node)?.and_then(|receipt| receipt.verify(&own.team).ok())
            {
                for stored in erasures {
                    let log = LogId::new(stored.header.store, stored.header.stream);
                    match custody.holding(&log, stored.header.seq) {
                        Holding::Whole | Holding::Header => at.erased_at = Some(custody.at),
                        Holding::Stuck(reason) => at.stuck = Some(reason),
                        Holding::Not => {}
                    }
                }
            }
            all.push(at);
        }
        Ok(all)
    }
}

fn is_purging(conn: &Connection, fact: &FactId) -> Result<bool, Error> {
    let mut query = conn.prepare_cached("SELECT 1 FROM purging WHERE kind = 1 AND id = ?1 LIMIT 1")?;
    Ok(query.query_row([fact.0.as_slice()], |_| Ok(())).optional()?.is_some())
}

/// The newest receipt of a member, as it was signed.
fn receipt(conn: &Connection, node: &NodeId) -> Result<Option<Receipt>, Error> {
    let mut query = conn.prepare_cached("SELECT bytes, signature FROM receipts WHERE node = ?1")?;
    let found = query
        .query_row([node.0.as_slice()], |row| Ok(Receipt { bytes: row.get(0)?, signature: Signature(row.get(1)?) }));
    Ok(found.optional()?)
}
