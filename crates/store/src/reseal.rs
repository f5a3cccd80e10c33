//! Members whose sealed copies hold what was erased since.
//!
//! A sealed copy can be read by nobody but its owner, yet the text that was erased is in it, and would come back with
//! it. So the members that keep one are noted in the transaction that erases something of a local log, and the node
//! has each of them drop its copy and take a new one.

use std::collections::BTreeSet;

use antiphon_core::cbor;
use antiphon_core::ids::NodeId;
use rusqlite::Connection;

use crate::cache;
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::sealed_copies::{COPY_HOLDERS_MAX, holders};

/// Name of the setting that lists them.
const RESEAL: &str = "reseal";

impl Reader<'_> {
    /// Members whose sealed copies of this node's local logs hold what was erased since.
    ///
    /// # Errors
    /// When the database fails.
    pub fn must_reseal(&self) -> Result<BTreeSet<NodeId>, Error> {
        read(self.connection())
    }
}

impl Db {
    /// Notes that `holder` has dropped its old copy.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resealed(&mut self, holder: &NodeId) -> Result<(), Error> {
        self.transaction(|db| {
            let mut due = read(&db.conn)?;
            if due.remove(holder) { write(&db.conn, &due) } else { Ok(()) }
        })
    }
}

/// Notes that every copy of a local log holds something that is erased now.
pub(crate) fn note(conn: &Connection) -> Result<(), Error> {
    let due: BTreeSet<NodeId> = holders(conn)?.into_iter().map(|holder| holder.node).collect();
    if due.is_empty() { Ok(()) } else { write(conn, &due) }
}

fn write(conn: &Connection, nodes: &BTreeSet<NodeId>) -> Result<(), Error> {
    let bytes = cbor::encode(|out| {
        cbor::array(out, nodes.len());
        nodes.iter().for_each(|node| cbor::bytes(out, &node.0));
    });
    cache::set_meta(conn, RESEAL, &bytes)
}

fn read(conn: &Connection) -> Result<BTreeSet<NodeId>, Error> {
    let Some(bytes) = cache::meta(conn, RESEAL)? else { return Ok(BTreeSet::new()) };
    Ok(cbor::decode(&bytes, |input| {
        let count = cbor::read_list(input, COPY_HOLDERS_MAX)?;
        (0..count).map(|_| Ok(NodeId(cbor::read_array(input)?))).collect()
    })?)
}
