//! Custody receipts: what this node can sign that it holds, and what others have signed.
//!
//! Of each member the newest receipt is kept, whatever it claims: a machine that was restored does hold less than
//! before. A receipt names only so many gaps; where there are more, the logs concerned are claimed only up to the
//! first that cannot be named, so that it never says more than is true.

use std::collections::BTreeMap;

use antiphon_core::charter::Membership;
use antiphon_core::custody::{Custody, GAPS_MAX, Gap, Receipt, STUCK_MAX, Stuck};
use antiphon_core::ids::NodeId;
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, params};

use crate::cause::Cause;
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row;
use crate::{query, wants};

/// Most receipts that are kept: one of each member of the largest team.
pub const RECEIPTS_MAX: usize = 512;

/// A receipt that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReceipt {
    /// Whose.
    pub node: NodeId,
    /// When it was signed, by that member's clock.
    pub at: UnixMillis,
    /// What was signed.
    pub receipt: Receipt,
}

impl Db {
    /// Keeps verified receipts, each unless a newer one of its member is held. Returns how many were kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_receipts(&mut self, receipts: &[KeptReceipt]) -> Result<usize, Error> {
        self.transaction(|db| {
            let mut kept = 0;
            for new in receipts {
                kept += db
                    .conn
                    .prepare_cached(
                        "INSERT INTO receipts (node, at, bytes, signature) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (node) DO UPDATE SET at = ?2, bytes = ?3, signature = ?4 WHERE at < ?2",
                    )?
                    .execute(params![new.node.0, stored(new.at), new.receipt.bytes, new.receipt.signature.0])?;
            }
            db.conn
                .prepare_cached("DELETE FROM receipts WHERE node IN (SELECT node FROM receipts ORDER BY at DESC LIMIT -1 OFFSET ?1)")?
                .execute([row::sql_len(RECEIPTS_MAX)])?;
            Ok(kept)
        })
    }
}

impl Reader<'_> {
    /// The newest receipt of each member, in the order of the keys.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn receipts(&self) -> Result<Vec<KeptReceipt>, Error> {
        let mut query =
            self.connection().prepare_cached("SELECT node, at, bytes, signature FROM receipts ORDER BY node")?;
        let mut rows = query.query([])?;
        let mut receipts = Vec::new();
        while let Some(found) = rows.next()? {
            receipts.push(kept(found)?);
        }
        Ok(receipts)
    }

    /// Of which of the `members` receipts are kept and how new they are, in the order of the keys; but for that of
    /// `but`. Membership is for the caller to know, who asks often: it is made of every charter record.
    ///
    /// # Errors
    /// When the database fails.
    pub fn receipt_list(&self, members: &Membership, but: &NodeId) -> Result<Vec<(NodeId, UnixMillis)>, Error> {
        let mut query = self.connection().prepare_cached("SELECT node, at FROM receipts ORDER BY node")?;
        let mut rows = query.query([])?;
        let mut list = Vec::new();
        while let Some(found) = rows.next()? {
            let node = row::node(found, 0)?;
            if node != *but && members.member(&node).is_some() {
                list.push((node, UnixMillis(row::uint(found, 1)?)));
            }
        }
        Ok(list)
    }

    /// Those of the receipts in `held` that are newer than in `theirs` or not listed there: at most `most`, and no more
    /// than one after they have come to `max_bytes`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn receipts_lacked(
        &self,
        held: &[(NodeId, UnixMillis)],
        theirs: &[(NodeId, UnixMillis)],
        most: usize,
        max_bytes: usize,
    ) -> Result<Vec<Receipt>, Error> {
        let theirs: BTreeMap<NodeId, UnixMillis> = theirs.iter().copied().collect();
        let mut query =
            self.connection().prepare_cached("SELECT node, at, bytes, signature FROM receipts WHERE node = ?1")?;
        let (mut lacked, mut bytes) = (Vec::new(), 0);
        for (node, at) in held {
            let lacks = theirs.get(node).is_none_or(|theirs| theirs < at);
            if !lacks || lacked.len() >= most || bytes >= max_bytes {
                continue;
            }
            let mut rows = query.query([node.0.as_slice()])?;
            if let Some(found) = rows.next()? {
                let receipt = kept(found)?.receipt;
                bytes += receipt.bytes.len();
                lacked.push(receipt);
            }
        }
        Ok(lacked)
    }

    /// What this node can sign at the time `at` that it holds; `None` while it has no team.
    ///
    /// # Errors
    /// When the database fails.
    pub fn custody(&self, at: UnixMillis) -> Result<Option<Custody>, Error> {
        let conn = self.connection();
        let Some(own) = self.own()? else { return Ok(None) };
        let mut heads = self.clock()?;
        let gaps = gaps(conn, &mut heads)?;
        let mut stuck = stuck(conn)?;
        stuck.retain(|stuck| heads.get(&stuck.log).is_some_and(|head| head.seq >= stuck.seq));
        Ok(Some(Custody { team: own.team, node: own.node, store: own.store, at, heads, gaps, stuck }))
    }
}

/// The missing payloads as ranges. Lowers the heads of logs with more of them than can be named.
fn gaps(conn: &Connection, heads: &mut BTreeMap<LogId, Head>) -> Result<Vec<Gap>, Error> {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut omitted: BTreeMap<LogId, u64> = BTreeMap::new();
    wants::each_missing(conn, None, |log, seq| {
        let follows = |gap: &&mut Gap| gap.log == log && gap.last + 1 == seq;
        if let Some(gap) = gaps.last_mut().filter(follows) {
            gap.last = seq;
        } else if gaps.len() < GAPS_MAX {
            gaps.push(Gap { log, first: seq, last: seq });
        } else {
            omitted.entry(log).or_insert(seq);
        }
        Ok(true)
    })?;
    for (log, first) in omitted {
        match query::logs::header_hash_at(conn, log, first - 1)? {
            Some(hash) => drop(heads.insert(log, Head { seq: first - 1, hash })),
            None => drop(heads.remove(&log)),
        }
    }
    Ok(gaps)
}

/// Events that this node could not apply. What a cut or a fork took out of a log is judged alike everywhere and is no
/// matter of who holds it.
fn stuck(conn: &Connection) -> Result<Vec<Stuck>, Error> {
    let judged = |cause: Cause| Cause::ALL.iter().position(|other| *other == cause).map(row::sql_len);
    let mut query = conn.prepare_cached(
        "SELECT l.stream, l.store, v.seq, q.reason FROM quarantine q JOIN events v ON v.pos = q.pos
         JOIN logs l ON l.id = v.log WHERE l.stream <> ?1 AND q.reason NOT IN (?2, ?3) ORDER BY q.pos LIMIT ?4",
    )?;
    let verdicts = (judged(Cause::Forked), judged(Cause::BeyondCut));
    let mut rows = query.query(params![Stream::Local.number(), verdicts.0, verdicts.1, row::sql_len(STUCK_MAX)])?;
    let mut list = Vec::new();
    while let Some(found) = rows.next()? {
        let number = row::index(found, 3)?;
        let cause = Cause::ALL.get(number).copied().ok_or_else(|| Error::damaged(format!("cause {number}")))?;
        list.push(Stuck { log: row::log(found, 0, 1)?, seq: row::uint(found, 2)?, reason: cause.name().to_owned() });
    }
    list.sort();
    Ok(list)
}

/// A time as the column holds it. One that no clock can show counts as the last that fits.
fn stored(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn kept(row: &rusqlite::Row<'_>) -> Result<KeptReceipt, Error> {
    let signature = row.get::<_, [u8; 64]>(3)?;
    let receipt = Receipt { bytes: row.get(2)?, signature: Signature(signature) };
    Ok(KeptReceipt { node: row::node(row, 0)?, at: UnixMillis(row::uint(row, 1)?), receipt })
}
